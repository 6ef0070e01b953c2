//! Files between the vault and a stick that somebody plugs in: `export` and `import` by chat.
//!
//! It has each confirmed by a number once it is known how much it is, and tells how far it has come.
//! It knows sticks only as they were told; whoever mounts one looks again.

use serde::{Deserialize, Serialize};

use super::{
    Effect, JobId, Keeper,
    chat::Chat,
    command::{Filter, Pick},
    confirm::Task,
    evening::Choice,
    intake::Intake,
    moment::Moment,
    reply::{CarryReply, EveningReply, Reply},
    storage::DriveTrouble,
};

/// Hundredths between two tellings of how far it has come.
const STEP_PERCENT: u64 = 10;

/// Which files are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// Those that are like this.
    Like(Filter),
    /// These.
    These(Vec<Pick>),
}

/// What the owner wishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Files onto a stick, for everybody to read.
    Export {
        /// Which.
        what: Wanted,
        /// The stick's name, where it was said.
        onto: Option<String>,
    },
    /// Everything on a stick into the vault.
    Import {
        /// The stick's name, where it was said.
        from: Option<String>,
    },
}

/// A stick that is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stick {
    /// The word that names it in a command.
    pub name: String,
    /// What its maker calls it.
    pub model: String,
    /// Its size.
    pub bytes: u64,
    /// Its free bytes.
    pub free: u64,
    /// What tells it from another one of that name.
    pub mark: String,
    /// Its file system.
    pub file_system: String,
}

impl Stick {
    /// Chooses this very one.
    #[must_use]
    pub fn choice(&self) -> Choice {
        Choice {
            name: self.name.clone(),
            seen: Some((self.bytes, self.mark.clone())),
        }
    }
}

/// How much it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amount {
    /// Files.
    pub files: u64,
    /// Bytes of their contents.
    pub bytes: u64,
    /// How many of the files seem to be on the stick already.
    pub there: u64,
    /// Files that the stick's file system cannot hold, or that go beyond what is read; in no other
    /// count.
    pub left_out: u64,
    /// Folders and names on the stick that cannot be looked into; in no other count.
    pub unread: u64,
    /// The highest number among the entries: what comes later is not meant.
    pub newest: u64,
}

/// What the event loop is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Find out which stick is meant and how much it is; nothing is written.
    Look(Wish),
    /// Write files onto a stick.
    Export {
        /// Which.
        what: Wanted,
        /// The stick.
        stick: Choice,
        /// How much it is.
        amount: Amount,
    },
    /// Take the files of a stick in.
    Import {
        /// The stick.
        stick: Choice,
        /// How much it is.
        amount: Amount,
        /// Hashes of the contents that came from sticks and wait for the key.
        waiting: Vec<[u8; 32]>,
    },
    /// End what is running, and let go of the stick.
    Stop,
}

/// What follows a right number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sure {
    /// What was wished.
    pub wish: Wish,
    /// The stick that was shown.
    pub stick: Stick,
    /// How much was shown.
    pub amount: Amount,
}

/// Why nothing was begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// There is none, or none that files can be carried by.
    NoStick,
    /// There are several, and none was named.
    Several(Vec<Stick>),
    /// None has this name, or it is another one than was shown.
    NotThere {
        /// The name.
        name: String,
    },
    /// Nothing can be written to it.
    ReadOnly,
    /// No file is like that.
    Nothing,
    /// There is no file on the stick.
    Empty,
    /// There is something on the stick, and none of it can be read.
    Unread,
    /// The stick has too little room.
    NoRoom {
        /// How much it is.
        bytes: u64,
        /// The stick.
        stick: Stick,
    },
    /// The vault was locked meanwhile.
    Locked,
    /// The data drive takes nothing.
    Drive(DriveTrouble),
    /// It was ended before it had begun.
    Stopped,
    /// Nobody could be asked, or it failed.
    Failed,
}

/// Why it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Everything was done.
    Whole,
    /// The owner ended it.
    Stopped,
    /// The stick is gone, or fails.
    Gone,
    /// The stick is full.
    Full,
    /// The data drive takes nothing more.
    Drive(DriveTrouble),
    /// The vault was locked.
    Locked,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Files that are where they were to go, for sure.
    pub done: u64,
    /// How many of them were there before.
    pub there: u64,
    /// Files that could not be read or do not open.
    pub failed: u64,
    /// Files that the data drive has no room for.
    pub too_large: u64,
    /// Files that were not tried: the stick cannot hold them, or they go beyond what is read.
    pub left_out: u64,
    /// Folders and names on the stick that could not be looked into.
    pub unread: u64,
    /// Why it ended.
    pub end: End,
    /// Whether nothing uses the stick any more.
    pub is_free: bool,
}

impl Ended {
    /// Nothing was done.
    #[must_use]
    pub fn nothing(end: End) -> Self {
        Self {
            done: 0,
            there: 0,
            failed: 0,
            too_large: 0,
            left_out: 0,
            unread: 0,
            end,
            is_free: true,
        }
    }

    /// Returns whether nothing at all was left behind of so many.
    #[must_use]
    pub fn is_all(&self, of: u64, done: u64) -> bool {
        self.end == End::Whole
            && done >= of
            && [self.failed, self.too_large, self.left_out, self.unread] == [0; 4]
    }
}

/// A file of a stick that is sealed and about to get its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brought {
    /// Names its job.
    pub job: JobId,
    /// Names its blob.
    pub blob: [u8; 16],
    /// Its name.
    pub name: String,
    /// When it was last written, in seconds since 1970.
    pub written_at: i64,
    /// Proves that the daemon itself sealed the blob.
    pub mac: [u8; 32],
    /// Size of its content.
    pub bytes: u64,
    /// BLAKE3 of its content.
    pub hash: [u8; 32],
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// This stick, this much, and what was wished in words that mean the same later.
    Looked(Box<(Stick, Amount, Wish)>),
    /// Nothing was begun.
    Refused(Box<Refused>),
    /// So many files are done, and so many bytes of all.
    Went {
        /// Files.
        files: u64,
        /// Bytes.
        bytes: u64,
    },
    /// A file is sealed.
    Brought(Box<Brought>),
    /// A file that was sealed did not get its name.
    NotBrought(JobId),
    /// It is over.
    Ended(Ended),
}

/// What is being done.
struct Run {
    job: JobId,
    wish: Wish,
    /// The stick and how much it is, once it was confirmed.
    sure: Option<(Stick, Amount)>,
    told_percent: u64,
    is_stopped: bool,
    /// Over, but for files that are on their way into the index.
    ended: Option<Ended>,
}

/// What is remembered of it, so that a restart is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carrying {
    /// Whether files go onto the stick.
    pub is_export: bool,
    /// The stick's name.
    pub name: String,
}

/// What is carried: one thing at a time.
#[derive(Default)]
pub(super) struct Carries {
    run: Option<Run>,
    /// What the last run did not end, until that is told.
    cut_short: Option<Carrying>,
}

impl Carries {
    /// Takes up what the last run did not end.
    pub(super) fn new(cut_short: Option<Carrying>) -> Self {
        Self {
            run: None,
            cut_short,
        }
    }

    /// Returns what is to be written down.
    pub(super) fn record(&self) -> Option<Carrying> {
        let carrying = |run: &Run| {
            let (stick, _) = run.sure.as_ref()?;
            Some(Carrying {
                is_export: matches!(run.wish, Wish::Export { .. }),
                name: stick.name.clone(),
            })
        };
        let now = self.run.as_ref().and_then(carrying);
        now.or_else(|| self.cut_short.clone())
    }
}

impl Keeper {
    /// The owner wants files carried.
    pub(super) fn carry(&mut self, job: JobId, wish: Wish) -> Vec<Effect> {
        if !self.settings.carries {
            return vec![say(CarryReply::NotHere)];
        }
        if self.storage.trouble() == Some(DriveTrouble::NotSetUp) {
            return vec![Effect::Say(Reply::Evening(EveningReply::NoVault))];
        }
        if self.carries.run.is_some() {
            return vec![say(CarryReply::Busy)];
        }
        if self.alarm && matches!(wish, Wish::Import { .. }) {
            // What would be sealed could not be opened.
            let why = Refused::Drive(DriveTrouble::Failing);
            return vec![say(CarryReply::Refused(Box::new(why)))];
        }
        if let Some(locked) = self.locked_for(&wish) {
            return vec![locked];
        }
        self.begin(job, wish.clone(), None);
        vec![Effect::Carry(Act::Look(wish))]
    }

    fn begin(&mut self, job: JobId, wish: Wish, sure: Option<(Stick, Amount)>) {
        self.carries.run = Some(Run {
            job,
            wish,
            sure,
            told_percent: 0,
            is_stopped: false,
            ended: None,
        });
    }

    /// Files come out of an open vault only, and go into a locked one as well.
    fn locked_for(&self, wish: &Wish) -> Option<Effect> {
        let needs_key = matches!(wish, Wish::Export { .. }) && !self.custody.is_open();
        needs_key.then(|| Effect::Say(self.needs_key()))
    }

    /// The number was right.
    pub(super) fn confirmed_carry(&mut self, job: JobId, sure: Sure) -> Vec<Effect> {
        if self.carries.run.is_some() {
            return vec![say(CarryReply::Busy)];
        }
        let Sure {
            wish,
            stick,
            amount,
        } = sure;
        if let Some(locked) = self.locked_for(&wish) {
            return vec![locked];
        }
        let choice = stick.choice();
        let act = match wish.clone() {
            Wish::Export { what, .. } => Act::Export {
                what,
                stick: choice,
                amount,
            },
            Wish::Import { .. } => {
                self.intakes.begin_stick();
                Act::Import {
                    stick: choice,
                    amount,
                    waiting: self.intakes.waiting_from_sticks(),
                }
            }
        };
        self.begin(job, wish, Some((stick, amount)));
        self.tell_progress(0, 0)
            .into_iter()
            .chain([Effect::Carry(act)])
            .collect()
    }

    /// Tells once what the last run did not end.
    pub(super) fn carry_cut_short(&mut self) -> Option<Effect> {
        let Carrying { is_export, name } = self.carries.cut_short.take()?;
        Some(say(CarryReply::CutShort { is_export, name }))
    }

    /// `eject` lets go of the stick while there is something to do with one; `None` where there is not.
    pub(super) fn eject_stick(&mut self) -> Option<Vec<Effect>> {
        let run = self.carries.run.as_mut().filter(|it| it.ended.is_none())?;
        run.is_stopped = true;
        Some(vec![Effect::Carry(Act::Stop)])
    }

    pub(super) fn carried(&mut self, news: News, at: Moment) -> Vec<Effect> {
        match news {
            News::Looked(found) => self.looked(*found, at),
            News::Refused(why) => {
                self.carries.run = None;
                vec![say(CarryReply::Refused(why))]
            }
            News::Went { files, bytes } => {
                // Nobody types meanwhile, and the vault is in use all the same.
                self.custody.used(at);
                self.progress(files, bytes).into_iter().collect()
            }
            News::Brought(brought) => self.brought_by_stick(*brought, at),
            News::NotBrought(job) => self.intakes.not_brought(job),
            News::Ended(ended) => {
                if let Some(run) = &mut self.carries.run {
                    run.ended = Some(ended);
                }
                Vec::new()
            }
        }
    }

    /// It is known how much it is: a number is asked back.
    fn looked(&mut self, (stick, amount, wish): (Stick, Amount, Wish), at: Moment) -> Vec<Effect> {
        let Some(run) = self.carries.run.take() else {
            return Vec::new();
        };
        if run.is_stopped {
            return vec![say(CarryReply::Refused(Box::new(Refused::Stopped)))];
        }
        let is_export = matches!(wish, Wish::Export { .. });
        let task = Task::Carry(Box::new(Sure {
            wish,
            stick: stick.clone(),
            amount,
        }));
        let number = self.confirmations.ask(run.job, task, at.wall);
        let album = self.arrivals.album().map(str::to_owned);
        vec![say(match is_export {
            true => CarryReply::AskExport {
                stick,
                amount,
                number,
            },
            false => CarryReply::AskImport {
                stick,
                amount,
                album,
                is_locked: !self.custody.is_open(),
                number,
            },
        })]
    }

    fn progress(&mut self, files: u64, bytes: u64) -> Option<Effect> {
        let run = self.carries.run.as_mut()?;
        let (_, amount) = run.sure.as_ref()?;
        let of = u128::from(amount.bytes.max(1));
        let percent = u64::try_from(u128::from(bytes) * 100 / of).unwrap_or(0);
        if percent < run.told_percent + STEP_PERCENT {
            return None;
        }
        run.told_percent = percent;
        self.tell_progress(files, bytes)
    }

    /// Says how far it has come, in place of what was said of that before.
    fn tell_progress(&self, files: u64, bytes: u64) -> Option<Effect> {
        let run = self.carries.run.as_ref()?;
        let (stick, amount) = run.sure.as_ref()?;
        let reply = CarryReply::Going {
            is_export: matches!(run.wish, Wish::Export { .. }),
            name: stick.name.clone(),
            files,
            bytes,
            of: amount.files,
        };
        Some(Effect::Chat(Chat::Tell {
            topic: run.job,
            reply: Reply::Carry(reply),
        }))
    }

    /// Saves the proof of origin of a file that is about to get its name.
    fn brought_by_stick(&mut self, brought: Brought, at: Moment) -> Vec<Effect> {
        let bytes = brought.bytes;
        let album = self.arrivals.album().map(str::to_owned);
        let mut intake = Intake::from_stick(brought, at.wall);
        intake.labels.album = album;
        let mut effects = self.intakes.brought(intake);
        self.notices.came(bytes);
        effects.push(Effect::SavePace(self.storage.count(bytes, at.wall)));
        effects
    }

    /// Tells how it ended, once nothing of it is on its way into the index.
    pub(super) fn end_carry(&mut self) -> Option<Effect> {
        let run = self.carries.run.as_ref()?;
        let ended = run.ended.clone()?;
        let is_import = matches!(run.wish, Wish::Import { .. });
        if is_import && self.intakes.is_busy_with_stick() {
            return None;
        }
        let run = self.carries.run.take()?;
        let (stick, amount) = run.sure?;
        let (name, of) = (stick.name, amount.files);
        Some(say(match is_import {
            false => CarryReply::Exported { name, of, ended },
            true => CarryReply::Imported {
                name,
                of,
                ended,
                tally: self.intakes.end_stick(),
            },
        }))
    }
}

fn say(reply: CarryReply) -> Effect {
    Effect::Say(Reply::Carry(reply))
}
