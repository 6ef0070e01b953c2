//! The first evening: drive and stick are chosen in the chat, and become a vault.
//!
//! It decides what may be asked for and has each step confirmed by a number. It knows drives only as they
//! were told; whoever prepares them looks again and trusts nothing that is said here.

use serde::{Deserialize, Serialize};

use super::{
    Effect, JobId, Keeper,
    confirm::Task,
    moment::Moment,
    reply::{EveningReply, Reply},
    storage::DriveTrouble,
};

/// What a drive or stick holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holds {
    /// Nothing: no partition table, no file system, or one file system as fresh as it was made.
    Nothing,
    /// Files, on a file system that can be looked into.
    Files {
        /// How many names are in its top folder.
        count: u64,
    },
    /// No file is seen, but the file system is not as fresh as it was made: something may be left.
    Traces,
    /// A key of a vault, beside what else there may be.
    Key,
    /// Something that cannot be looked into, or more than one partition.
    Something,
}

/// A drive or stick that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// The word that names it in a command: no two have the same.
    pub name: String,
    /// What its maker calls it.
    pub model: String,
    /// The size of what would be formatted.
    pub bytes: u64,
    /// What tells it from another one of that name.
    pub mark: String,
    /// Its file system, if it has one.
    pub file_system: Option<String>,
    /// What it holds.
    pub holds: Holds,
}

impl Offer {
    /// Returns whether it may be formatted for a vault.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.holds == Holds::Nothing
    }

    /// Returns whether one file can be added to it: sticks have such a file system when they are bought.
    #[must_use]
    pub fn takes_a_file(&self) -> bool {
        let kind = self.file_system.as_deref();
        matches!(kind, Some("vfat" | "exfat" | "ext4")) && self.holds != Holds::Something
    }
}

/// How the stick lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Home {
    /// In a drawer, put in to open the vault.
    Drawer,
    /// In the Pi, pulled to lock the vault.
    Pi,
}

/// A drive or stick that is named, and what was shown under that name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// Its name.
    pub name: String,
    /// Its size and mark; `None` where only a name was said.
    pub seen: Option<(u64, String)>,
}

impl Choice {
    /// Names one.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            seen: None,
        }
    }

    /// Chooses what was shown.
    #[must_use]
    pub fn of(offer: &Offer) -> Self {
        Self {
            name: offer.name.clone(),
            seen: Some((offer.bytes, offer.mark.clone())),
        }
    }
}

/// What is asked of whoever may mount and format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Say what drives and sticks are there.
    Look,
    /// Format a drive, put a key on a stick, make the vault.
    Make {
        /// The drive.
        drive: Choice,
        /// The stick.
        stick: Choice,
    },
    /// Put a second key on another stick; the first is in too.
    Spare {
        /// The stick.
        stick: Choice,
    },
    /// Have the stick live there.
    Live(Home),
}

/// Why nothing was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refused {
    /// What was named is not there any more.
    Gone,
    /// The drive holds something.
    NotEmpty,
    /// No file can be added to the stick.
    NotAStick,
    /// There is a vault already.
    HasVault,
    /// The stick is a key already.
    IsAKey,
    /// The first stick is not in.
    NoKey,
    /// Drive and stick are one.
    SameDisk,
    /// The vault is opened without a stick.
    NoStick,
    /// It did not work; the log says more.
    Failed,
    /// Nobody answered.
    NoAnswer,
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// What is there.
    Found(Vec<Offer>),
    /// The vault is made.
    Made,
    /// The vault is made, but what comes after that did not all work.
    MadeBut,
    /// The spare stick opens it.
    SpareMade,
    /// The stick lives there from now on.
    Lives(Home),
    /// Nothing was done.
    Refused(Refused),
}

impl Outcome {
    /// Returns whether something was changed: that is news also when it comes late.
    #[must_use]
    pub fn is_done(&self) -> bool {
        !matches!(self, Self::Found(_) | Self::Refused(_))
    }
}

/// What was shown last.
#[derive(Debug, Default)]
pub(super) struct Evening {
    shown: Vec<Offer>,
}

impl Evening {
    fn find(&self, name: &str) -> Option<&Offer> {
        self.shown
            .iter()
            .find(|it| it.name.eq_ignore_ascii_case(name))
    }
}

impl Request {
    /// Returns whether a number is asked back before it is carried out.
    pub(super) fn asks_back(&self) -> bool {
        !matches!(self, Self::Look)
    }
}

impl Keeper {
    /// The owner wants something of drives and sticks.
    pub(super) fn prepare(&mut self, job: JobId, wanted: Request, at: Moment) -> Vec<Effect> {
        if !self.settings.prepares {
            return vec![say(EveningReply::NotHere)];
        }
        let has_vault = self.storage.trouble() != Some(DriveTrouble::NotSetUp);
        let wanted = match wanted {
            Request::Look => return vec![Effect::Prepare(Request::Look)],
            Request::Live(_) if !has_vault => return vec![say(EveningReply::NoVault)],
            Request::Live(home) => Request::Live(home),
            Request::Make { .. } if has_vault => {
                return vec![say(EveningReply::Refused(Refused::HasVault))];
            }
            Request::Spare { .. } if !has_vault => return vec![say(EveningReply::NoVault)],
            Request::Make { drive, stick } => match self.choose(&drive.name, &stick.name) {
                Ok(wanted) => wanted,
                Err(reply) => return vec![say(reply)],
            },
            Request::Spare { stick } => match self.evening.find(&stick.name) {
                None => return vec![say(EveningReply::NotShown { name: stick.name })],
                Some(stick) if stick.holds == Holds::Key => {
                    return vec![say(EveningReply::Refused(Refused::IsAKey))];
                }
                Some(stick) if !stick.takes_a_file() => {
                    return vec![say(EveningReply::Refused(Refused::NotAStick))];
                }
                Some(stick) => Request::Spare {
                    stick: Choice::of(stick),
                },
            },
        };
        let reply = self.question(&wanted, job, at);
        vec![say(reply)]
    }

    /// Checks what was named against what was shown.
    fn choose(&self, drive: &str, stick: &str) -> Result<Request, EveningReply> {
        let find = |name: &str| {
            self.evening
                .find(name)
                .ok_or_else(|| EveningReply::NotShown {
                    name: name.to_owned(),
                })
        };
        let (drive, stick) = (find(drive)?, find(stick)?);
        let refused = if drive.name == stick.name {
            Refused::SameDisk
        } else if !drive.is_empty() {
            Refused::NotEmpty
        } else if stick.holds == Holds::Key {
            Refused::IsAKey
        } else if !stick.takes_a_file() {
            Refused::NotAStick
        } else {
            return Ok(Request::Make {
                drive: Choice::of(drive),
                stick: Choice::of(stick),
            });
        };
        Err(EveningReply::Refused(refused))
    }

    fn question(&mut self, wanted: &Request, job: JobId, at: Moment) -> EveningReply {
        let task = Task::Prepare(wanted.clone());
        let number = self.confirmations.ask(job, task, at.wall);
        let shown = |it: &Choice| self.evening.find(&it.name).cloned().map(Box::new);
        match wanted {
            Request::Make { drive, stick } => EveningReply::AskMake {
                drive: shown(drive),
                stick: shown(stick),
                number,
            },
            Request::Spare { stick } => EveningReply::AskSpare {
                stick: shown(stick),
                number,
            },
            Request::Live(home) => EveningReply::AskLive {
                home: *home,
                number,
            },
            Request::Look => EveningReply::NoVault,
        }
    }

    /// The number was right.
    pub(super) fn confirmed_prepare(wanted: Request) -> Vec<Effect> {
        let is_quick = matches!(wanted, Request::Live(_));
        let working = (!is_quick).then(|| say(EveningReply::Working));
        working
            .into_iter()
            .chain([Effect::Prepare(wanted)])
            .collect()
    }

    /// Whoever may mount and format has answered.
    pub(super) fn prepared(&mut self, outcome: Outcome) -> Vec<Effect> {
        let has_vault = self.storage.trouble() != Some(DriveTrouble::NotSetUp);
        vec![say(match outcome {
            Outcome::Found(offers) => {
                self.evening.shown.clone_from(&offers);
                EveningReply::Found { offers, has_vault }
            }
            Outcome::Made => EveningReply::Made,
            Outcome::MadeBut => EveningReply::MadeBut,
            Outcome::SpareMade => EveningReply::SpareMade,
            Outcome::Lives(home) => EveningReply::Lives(home),
            Outcome::Refused(why) => EveningReply::Refused(why),
        })]
    }

    /// What a phone is told besides that has just paired with a vault that is none yet.
    pub(super) fn invite(&self, effects: &[Effect]) -> Option<Effect> {
        let is_bare = self.storage.trouble() == Some(DriveTrouble::NotSetUp);
        let has_paired = effects.iter().any(|it| matches!(it, Effect::Trust(_)));
        (is_bare && has_paired && self.settings.prepares).then(|| say(EveningReply::Invite))
    }
}

fn say(reply: EveningReply) -> Effect {
    Effect::Say(Reply::Evening(reply))
}
