//! What the daemon does, without doing it: inputs come in, effects go out.
//!
//! Nothing in this room touches the network, the drive or the clock. [`Keeper::handle`] is told
//! what happened and when; it answers with [`Effect`]s, which the event loop carries out. Those
//! that [`Effect::is_saved`] names are written in one transaction before any other is begun, so
//! that a crash between two steps repeats a step and never skips one.

use omemo::media::{LinkError, MediaLink};
use serde::{Deserialize, Serialize};

pub mod command;
pub mod custody;
pub mod delivery;
mod effect;
mod input;
pub mod intake;
pub mod owner;
pub mod reply;

use self::{
    command::{Command, NotACommand},
    custody::Custody,
    delivery::{Deliveries, Delivery},
    intake::{Intake, Intakes},
    owner::{Owner, Pairing, Verdict},
    reply::{Facts, IntakeFailure, Reply, WayIn},
};
pub use self::{
    effect::Effect,
    input::{Answer, Device, Input, Placed, Standing, Told},
};

/// Names one job: a hash over the message that asked for it, so that the same message asked
/// twice is the same job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct JobId(pub [u8; 32]);

/// What the keeper knew when the daemon last ran, and what the settings say.
pub struct Memory {
    /// The owner's bare address.
    pub owner: String,
    /// Fingerprints that the settings pin.
    pub pins: Vec<String>,
    /// Whether any device of the owner is trusted already.
    pub has_trusted_device: bool,
    /// How pairing stands.
    pub pairing: Option<Pairing>,
    /// Whether the owner locked the vault while the key device was in.
    pub locked_by_owner: bool,
    /// Open intakes.
    pub intakes: Vec<Intake>,
    /// Open deliveries and questions.
    pub deliveries: Vec<Delivery>,
    /// Last 8 hex digits of the vault's own fingerprint.
    pub own_tail: String,
    /// How AES is computed here, for `status`.
    pub aes: &'static str,
}

/// The daemon's state of mind.
pub struct Keeper {
    owner: Owner,
    custody: Custody,
    intakes: Intakes,
    deliveries: Deliveries,
    aes: &'static str,
    plain_refused_at: Option<i64>,
    unreadable_at: Option<i64>,
}

/// Least time between two unencrypted sentences, in seconds.
const PLAIN_PAUSE_SECONDS: i64 = 24 * 60 * 60;
/// Least time between two requests to send again, in seconds..
const UNREADABLE_PAUSE_SECONDS: i64 = 10 * 60;

impl Keeper {
    /// Takes up where the last run ended. What it left open begins again
    /// once the stream is up, and deliveries once the key device is there.
    #[must_use]
    pub fn new(memory: Memory) -> Self {
        Self {
            owner: Owner::new(
                memory.owner,
                memory.pins,
                memory.has_trusted_device,
                memory.pairing,
                memory.own_tail,
            ),
            custody: Custody::new(memory.locked_by_owner),
            intakes: Intakes::new(memory.intakes),
            deliveries: Deliveries::new(memory.deliveries),
            aes: memory.aes,
            plain_refused_at: None,
            unreadable_at: None,
        }
    }

    /// Begins pairing anew with a fresh code; its time runs from the next login on, or from now.
    #[must_use = "effects do nothing until the event loop carries them out"]
    pub fn begin_pairing(&mut self, pairing: Pairing, online: bool, now: i64) -> Vec<Effect> {
        self.owner.begin_pairing(pairing, online, now)
    }

    /// Returns when, in seconds since 1970, [`Input::Woke`] is due.
    #[must_use]
    pub fn next_wake(&self) -> Option<i64> {
        let wakes = [self.intakes.next_wake(), self.deliveries.next_wake()];
        wakes.into_iter().flatten().min()
    }

    /// Returns the blobs of all files that are on their way into the index.
    #[must_use]
    pub fn open_blobs(&self) -> Vec<[u8; 16]> {
        self.intakes.blobs()
    }

    /// Returns whether the vault process is up.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.custody.is_open()
    }

    /// Takes in what happened at `now` (seconds since 1970) and returns what is to be done, in
    /// order.
    #[must_use = "effects do nothing until the event loop carries them out"]
    pub fn handle(&mut self, input: Input, now: i64) -> Vec<Effect> {
        match input {
            Input::Online => {
                let mut effects = self.owner.login(now);
                effects.extend(self.intakes.online(now));
                effects.extend(self.deliveries.online());
                effects
            }
            Input::Offline => {
                self.intakes.offline();
                self.deliveries.offline();
                Vec::new()
            }
            Input::Told(told) => self.told(told, now),
            Input::ToldPlain { jid } => self.told_plain(&jid, now),
            Input::Unreadable { jid, trusted } => self.unreadable(&jid, trusted, now),
            Input::KeyDeviceCame => {
                let effects = self.custody.key_came();
                self.after_lock(effects)
            }
            Input::KeyDeviceGone => {
                let effects = self.custody.key_gone();
                self.after_lock(effects)
            }
            Input::SecondKeyDevice => vec![Effect::Say(Reply::SecondKey)],
            Input::DriveCame => self.custody.drive_came(),
            Input::VaultOpened => self.opened(),
            Input::VaultNotOpened(why) => {
                let effects = self.custody.not_opened(why);
                self.after_lock(effects)
            }
            Input::VaultEnded => {
                let effects = self.custody.ended();
                self.after_lock(effects)
            }
            Input::Sealed { job } => self.intakes.sealed(job, self.custody.is_open(), now),
            Input::NotSealed {
                job,
                why,
                transient,
            } => self.intakes.not_sealed(job, why, transient, now),
            Input::Indexed { job, placed } => {
                let effects = self.intakes.indexed(job, placed);
                self.with_opening(effects)
            }
            Input::NotIndexed { job, damaged } => {
                let effects = self.intakes.not_indexed(job, damaged);
                self.with_opening(effects)
            }
            Input::Answered { job, answer, free } => {
                let waiting = self.intakes.waiting();
                let arriving = self.intakes.arriving();
                let way = self.custody.way_in();
                let facts = Facts {
                    way,
                    waiting,
                    arriving,
                    free,
                    aes: self.aes,
                };
                self.deliveries.answered(job, answer, facts)
            }
            Input::Uploaded { job, line, link } => self.deliveries.uploaded(job, line, link),
            Input::NotUploaded { job, number, why } => {
                self.deliveries.not_uploaded(job, number, why, now)
            }
            Input::Woke => {
                let mut effects = self.intakes.woke(now);
                effects.extend(self.deliveries.woke(now));
                effects
            }
        }
    }

    fn told(&mut self, told: Told, now: i64) -> Vec<Effect> {
        let text = told.text.as_deref();
        let mut effects = match self.owner.judge(&told.from, text, now) {
            Verdict::Silence => return Vec::new(),
            Verdict::Answer(effects) => return effects,
            Verdict::Obey(effects) => effects,
        };
        if let Some(id) = &told.receipt {
            effects.push(Effect::Receipt(id.clone()));
        }
        let Some(text) = told.text else {
            effects.push(Effect::Say(Reply::NotText));
            return effects;
        };
        match MediaLink::parse(&text) {
            Ok(link) => {
                let times = (told.sent_at, now);
                let file = (text.as_str(), link.name.as_str());
                let intake = Intake::announced(&told.from.jid, told.job, told.blob, file, times);
                effects.extend(self.intakes.announced(intake));
            }
            Err(LinkError::NotALink) => match command::parse(&text) {
                Ok(command) => effects.extend(self.command(told.job, command)),
                Err(why) => effects.push(Effect::Say(not_a_command(why))),
            },
            Err(_) => {
                let why = IntakeFailure::BadLink;
                let name = "The file".to_owned();
                effects.push(Effect::Say(Reply::NotStored {
                    name,
                    why,
                    retrying: false,
                }));
            }
        }
        effects
    }

    fn command(&mut self, job: JobId, command: Command) -> Vec<Effect> {
        match command {
            Command::Help => vec![Effect::Say(Reply::Help)],
            Command::Lock => {
                let effects = self.custody.lock();
                self.after_lock(effects)
            }
            Command::Status => self.deliveries.ask(job, Command::Status),
            // While it is being opened the question waits.
            command if self.custody.way_in() == WayIn::Wait => self.deliveries.ask(job, command),
            Command::List { .. } | Command::Find { .. } | Command::Get { .. } => {
                vec![Effect::Say(self.needs_key())]
            }
        }
    }

    /// Adds what follows from a vault that is locked: sealed files that were about to be indexed
    /// wait, and deliveries end, unless it is being opened.
    fn after_lock(&mut self, mut effects: Vec<Effect>) -> Vec<Effect> {
        if !self.custody.is_open() {
            effects.extend(self.intakes.locked());
        }
        if matches!(self.custody.way_in(), WayIn::PutIn | WayIn::PutInAgain) {
            effects.extend(self.deliveries.locked(self.needs_key()));
        }
        effects
    }

    fn needs_key(&self) -> Reply {
        Reply::NeedsKey {
            waiting: self.intakes.waiting(),
            way: self.custody.way_in(),
        }
    }

    fn opened(&mut self) -> Vec<Effect> {
        let announce = self.custody.opened();
        if !self.custody.is_open() {
            return Vec::new();
        }
        let mut effects = self.intakes.adopt(announce);
        effects.extend(self.deliveries.resume());
        self.with_opening(effects)
    }

    /// Adds the summary once the last waiting file is adopted.
    fn with_opening(&mut self, mut effects: Vec<Effect>) -> Vec<Effect> {
        effects.extend(self.intakes.summary());
        effects
    }

    fn told_plain(&mut self, jid: &str, now: i64) -> Vec<Effect> {
        if !self.owner.is(jid) || !is_due(&mut self.plain_refused_at, PLAIN_PAUSE_SECONDS, now) {
            return Vec::new();
        }
        vec![Effect::SayPlainRefused]
    }

    fn unreadable(&mut self, jid: &str, trusted: bool, now: i64) -> Vec<Effect> {
        if !trusted
            || !self.owner.is(jid)
            || !is_due(&mut self.unreadable_at, UNREADABLE_PAUSE_SECONDS, now)
        {
            return Vec::new();
        }
        vec![Effect::Say(Reply::Unreadable)]
    }
}

fn not_a_command(why: NotACommand) -> Reply {
    match why {
        NotACommand::Unknown => Reply::NotUnderstood,
        NotACommand::BadNumber { word } => Reply::BadNumber { word },
        NotACommand::TooMany => Reply::TooMany,
        NotACommand::NothingToFind => Reply::NothingToFind,
    }
}

/// Returns whether `pause` seconds have passed, and starts the next pause if so. A clock that
/// was set back does not silence for ever.
fn is_due(last: &mut Option<i64>, pause: i64, now: i64) -> bool {
    let due = last.is_none_or(|at| !(0..pause).contains(&now.saturating_sub(at)));
    if due {
        *last = Some(now);
    }
    due
}

#[cfg(test)]
mod tests;
