//! What the daemon does, without doing it: inputs come in, effects go out.
//!
//! Nothing in this room touches the network, the drive or the clock. [`Keeper::handle`] is told
//! what happened and when; it answers with [`Effect`]s, which the event loop carries out. Those
//! that [`Effect::is_saved`] names are written in one transaction before any other is begun, so
//! that a crash between two steps repeats a step and never skips one.

use omemo::media::{LinkError, MediaLink};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

pub mod arrivals;
mod asker;
pub mod calm;
pub mod carry;
mod ceremony;
pub mod chat;
pub mod client;
pub mod command;
pub mod confirm;
pub mod contacts;
pub mod custody;
pub mod delivery;
pub mod described;
pub mod devices;
mod effect;
pub mod evening;
mod input;
pub mod intake;
pub mod keeping;
pub mod labels;
pub mod life;
pub mod machine;
mod memory;
mod moment;
pub mod notices;
mod obey;
mod opening;
pub mod owner;
mod pages;
pub mod pictures;
mod remembered;
pub mod reply;
mod settings;
pub mod storage;
pub mod unlock;
pub mod verify;
pub mod weekly;
pub mod zone;

use self::{
    arrivals::Arrivals,
    carry::Carries,
    chat::News,
    confirm::{Confirmations, Heard},
    contacts::Contacts,
    custody::{Custody, Mode, Rules},
    delivery::Deliveries,
    devices::Devices,
    evening::Evening,
    intake::{Intake, Intakes},
    keeping::Changes,
    life::Life,
    notices::Notices,
    owner::{Owner, Pairing, Verdict},
    pages::Pages,
    reply::{IntakeFailure, Reply, StorageReply},
    storage::{DriveTrouble, Seen, Storage},
    unlock::{Needs, Tries, TypedCode},
    weekly::Weekly,
    zone::Zone,
};
pub use self::{
    asker::Asker,
    effect::Effect,
    input::{Answer, Device, Found, Input, Packed, Placed, Standing, Told, Uploaded},
    memory::Memory,
    moment::Moment,
    remembered::Remembered,
    settings::Settings,
};

/// Names one job: a hash over the message that asked for it, so that the same message asked
/// twice is the same job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct JobId(pub [u8; 32]);

/// The daemon's state of mind.
pub struct Keeper {
    owner: Owner,
    custody: Custody,
    intakes: Intakes,
    arrivals: Arrivals,
    deliveries: Deliveries,
    needs: Needs,
    tries: Tries,
    weekly: Weekly,
    life: Life,
    originals: pictures::Originals,
    /// A code that is about to be tried.
    code: Option<TypedCode>,
    verify: verify::Verify,
    confirmations: Confirmations,
    changes: Changes,
    contacts: Contacts,
    notices: Notices,
    evening: Evening,
    carries: Carries,
    settings: Settings,
    storage: Storage,
    /// The card's public half was not this vault's when the vault was last opened.
    alarm: bool,
    aes: &'static str,
    plain_refused_at: Option<i64>,
    unreadable_at: Option<i64>,
    /// It was told that the box for files of new devices is full.
    box_full_told: bool,
    /// It was told what the key stick's list of lost devices holds.
    stick_told: bool,
    pages: Pages,
    zone: Zone,
    /// What the daemon has written down of all this.
    saved: Remembered,
}

/// Least time between two unencrypted sentences, in seconds.
const PLAIN_PAUSE_SECONDS: i64 = 24 * 60 * 60;
/// What holds until somebody says otherwise: the key stays in while the vault is open.
const PRESENCE: Rules = Rules {
    mode: Mode::Presence,
    takes_codes: false,
    idle_seconds: 0,
};

impl Keeper {
    /// Takes up where the last run ended. What it left open begins again
    /// once the stream is up, and deliveries once the key device is there.
    #[must_use]
    pub fn new(memory: Memory) -> Self {
        Self {
            owner: Owner::new(
                memory.owner,
                Devices::new(memory.devices, memory.pins),
                memory.has_trusted_device,
                memory.pairing,
                memory.own,
            ),
            custody: Custody::new(PRESENCE, custody::Record::default(), memory.locked_by_owner),
            intakes: Intakes::new(memory.intakes, memory.alarm),
            arrivals: Arrivals::default(),
            deliveries: Deliveries::new(memory.deliveries),
            needs: Needs::default(),
            tries: Tries::new(0),
            weekly: Weekly::new(weekly::Record::default()),
            life: Life::default(),
            originals: pictures::Originals::default(),
            code: None,
            verify: verify::Verify::new(memory.plan, memory.checks),
            confirmations: Confirmations::default(),
            changes: Changes::default(),
            contacts: Contacts::default(),
            notices: Notices::default(),
            evening: Evening::default(),
            carries: Carries::default(),
            settings: Settings::default(),
            storage: Storage::new(memory.pace),
            alarm: memory.alarm,
            aes: memory.aes,
            plain_refused_at: None,
            unreadable_at: None,
            box_full_told: false,
            stick_told: false,
            pages: Pages::default(),
            zone: Zone::default(),
            saved: Remembered::default(),
        }
    }

    /// Obeys these rules of opening and locking, and takes up what the last run remembered.
    /// Without it the key device has to stay in, and nothing is remembered.
    #[must_use]
    pub fn under(mut self, rules: Rules, remembered: Remembered) -> Self {
        let locked_by_owner = self.custody.is_held();
        self.custody = Custody::new(rules, remembered.custody.clone(), locked_by_owner);
        self.needs = Needs::new(remembered.needs.clone());
        self.tries = Tries::new(remembered.tries_used);
        self.weekly = Weekly::new(remembered.weekly.clone());
        self.plain_refused_at = remembered.plain_refused_at;
        self.unreadable_at = remembered.unreadable_at;
        self.owner.devices.restore(remembered.devices.clone());
        self.carries = Carries::new(remembered.carrying.clone());
        self.saved = remembered;
        self
    }

    /// Counts days as this zone does. Without it they are those of universal time.
    #[must_use]
    pub fn in_zone(self, zone: Zone) -> Self {
        Self { zone, ..self }
    }

    /// Returns whether [`Keeper::to_remember`] has anything.
    #[must_use]
    pub fn has_to_remember(&self) -> bool {
        self.remembered() != self.saved
    }

    /// Returns what is to be written down, if anything of it changed since this was last asked.
    #[must_use = "what is not written down is forgotten at a restart"]
    pub fn to_remember(&mut self) -> Option<Remembered> {
        let now = self.remembered();
        if now == self.saved {
            return None;
        }
        self.saved = now.clone();
        Some(now)
    }

    fn remembered(&self) -> Remembered {
        Remembered {
            custody: self.custody.record().clone(),
            tries_used: self.tries.used(),
            needs: self.needs.record(),
            weekly: self.weekly.record().clone(),
            plain_refused_at: self.plain_refused_at,
            unreadable_at: self.unreadable_at,
            devices: self.owner.devices.record().clone(),
            carrying: self.carries.record(),
        }
    }

    /// Gives the code out that [`Effect::OpenByCode`] is about, once.
    pub fn take_code(&mut self) -> Option<TypedCode> {
        self.code.take()
    }

    /// Returns when, on the steady clock, [`Input::Woke`] is due.
    #[must_use]
    pub fn next_tick(&self) -> Option<i64> {
        let idle = self.custody.idle_at(self.needs.is_errand());
        let ends = [idle, self.needs.next_end(), self.life.next_tick()];
        ends.into_iter().flatten().min()
    }

    /// Begins pairing anew with a fresh code; its time runs from the next login on, or from now.
    #[must_use = "effects do nothing until the event loop carries them out"]
    pub fn begin_pairing(
        &mut self,
        pairing: Pairing,
        online: bool,
        at: impl Into<Moment>,
    ) -> Vec<Effect> {
        self.owner.begin_pairing(pairing, online, at.into())
    }

    /// Returns when, in seconds since 1970, [`Input::Woke`] is due.
    #[must_use]
    pub fn next_wake(&self) -> Option<i64> {
        let wakes = [self.intakes.next_wake(), self.deliveries.next_wake()];
        wakes.into_iter().flatten().min()
    }

    /// Returns whether the drive should be looked at often: something waits for it.
    #[must_use]
    pub fn waits_for_the_drive(&self) -> bool {
        let troubled = |it| it != DriveTrouble::Full;
        self.intakes.are_held() || self.storage.trouble().is_some_and(troubled)
    }

    /// Returns the blobs of all files that are on their way into the index.
    #[must_use]
    pub fn open_blobs(&self) -> Vec<[u8; 16]> {
        self.intakes.blobs()
    }

    /// Returns the blobs of all files that wait for the key.
    #[must_use]
    pub fn waiting_blobs(&self) -> Vec<[u8; 16]> {
        self.intakes.waiting_blobs()
    }

    /// Returns whether a sealed file may get its name: its job is open, and what it is sealed to
    /// is not known to be foreign.
    #[must_use]
    pub fn may_keep(&self, job: &JobId) -> bool {
        !self.alarm && self.intakes.is_announced(job)
    }

    /// Returns whether the vault process is up.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.custody.is_open()
    }

    /// Returns whose message the answers to this input are for; `None` where nobody asked.
    #[must_use]
    pub fn asker(&self, input: &Input) -> Option<Asker> {
        match input {
            Input::Told(told) => Some(told.asker()),
            Input::Answered { job, .. } => {
                let asker = self.deliveries.asker(job);
                asker.or_else(|| self.intakes.asker(job))
            }
            Input::Packed(Packed { job, .. })
            | Input::Uploaded { job, .. }
            | Input::NotUploaded { job, .. } => self.deliveries.asker(job),
            Input::Vouched { job, .. }
            | Input::NotVouched { job }
            | Input::Sealed { job }
            | Input::NotSealed { job, .. }
            | Input::Indexed { job, .. }
            | Input::NotIndexed { job, .. }
            | Input::Chat(News::Fetching { job, .. }) => self.intakes.asker(job),
            Input::Online
            | Input::Offline
            | Input::ToldPlain { .. }
            | Input::Life(_)
            | Input::Device(_)
            | Input::KeyDeviceCame
            | Input::KeyDeviceGone
            | Input::ConsoleUnlock
            | Input::SecondKeyDevice
            | Input::Drive(_)
            | Input::VaultOpened
            | Input::VaultNotOpened(_)
            | Input::VaultEnded
            | Input::SpareKnown(_)
            | Input::UnprovenFound { .. }
            | Input::Verify(_)
            | Input::Chat(News::TookBack { .. } | News::Program { .. })
            | Input::Files(_)
            | Input::Machine(_)
            | Input::Prepared(_)
            | Input::Carry(_)
            | Input::Contact(_)
            | Input::Picture(_)
            | Input::Woke => None,
        }
    }

    /// Takes in what happened at `now` (seconds since 1970, or both clocks) and returns what is to
    /// be done, in order.
    #[must_use = "effects do nothing until the event loop carries them out"]
    pub fn handle(&mut self, input: Input, now: impl Into<Moment>) -> Vec<Effect> {
        let at = now.into();
        self.settle(at);
        let (client, asked) = (self.client_of(&input), self.client_deliveries());
        let mut effects = self.step(input, at);
        if let Some(client) = client {
            effects = client::translated(effects, &client);
        }
        effects.extend(self.intakes.tell_batch(at.wall));
        effects.extend(self.end_carry());
        effects.extend(self.follow_up(at));
        self.count_lost();
        let effects = self.notice(effects, at);
        let effects = self.end_for_clients(asked, effects);
        self.on_the_wall(effects)
    }

    fn step(&mut self, input: Input, at: Moment) -> Vec<Effect> {
        let now = at.wall;
        match input {
            Input::Online => self.online(at),
            Input::Offline => {
                self.intakes.offline();
                self.deliveries.offline();
                Vec::new()
            }
            Input::Told(told) => self.told(told, at),
            Input::ToldPlain { jid } => self.told_plain(&jid, now),
            Input::Life(news) => self.heard_life(&news, at),
            Input::Device(news) => self.device_news(news, now),
            Input::KeyDeviceCame => {
                let effects = self.custody.key_came(now);
                self.after_lock(effects)
            }
            Input::KeyDeviceGone => {
                let effects = self.custody.key_gone(now);
                self.after_lock(effects)
            }
            Input::SecondKeyDevice => vec![Effect::Say(Reply::SecondKey)],
            Input::Drive(seen) => self.drive(seen, now),
            Input::ConsoleUnlock => self.console_unlock(),
            Input::VaultOpened => self.opened(at),
            Input::VaultNotOpened(why) => self.not_opened(why, at),
            Input::SpareKnown(has_spare) => self.spare_known(has_spare),
            Input::UnprovenFound { count } => {
                vec![Effect::Say(Reply::Storage(StorageReply::UnprovenFound {
                    count,
                }))]
            }
            Input::VaultEnded => {
                let effects = self.custody.ended(now);
                self.after_lock(effects)
            }
            Input::Vouched { job, mac, bytes } => self.vouched(job, mac, bytes, now),
            Input::NotVouched { job } => {
                let effects = self.intakes.not_vouched(job);
                self.with_opening(effects)
            }
            Input::Sealed { job } => self.intakes.sealed(job, self.custody.is_open(), now),
            Input::NotSealed {
                job,
                why,
                transient,
            } => {
                if why == IntakeFailure::Drive(DriveTrouble::Full) {
                    self.storage.was_full();
                }
                self.intakes.not_sealed(job, why, transient, now)
            }
            Input::Indexed { job, placed } => self.indexed(job, placed, now),
            Input::NotIndexed { job, damaged } => {
                let effects = self.intakes.not_indexed(job, damaged);
                self.with_opening(effects)
            }
            Input::Answered { job, answer, free } => self.answered(job, answer, free, now),
            Input::Packed(packed) => self.deliveries.packed(packed),
            Input::Uploaded { job, line, file } => {
                self.custody.used(at);
                self.deliveries.uploaded(job, line, file)
            }
            Input::NotUploaded { job, number, why } => {
                self.deliveries.not_uploaded(job, number, why, now)
            }
            Input::Woke => {
                let mut effects = self.intakes.woke(now);
                effects.extend(self.deliveries.woke(now));
                effects.extend(self.verify.woke(now));
                effects
            }
            Input::Chat(news) => self.chat_news(news, now),
            Input::Verify(heard) => self.heard_of_checks(heard, at),
            Input::Files(heard) => self.heard_of_files(heard),
            Input::Machine(heard) => self.heard_of_machine(heard),
            Input::Prepared(outcome) => self.prepared(outcome),
            Input::Carry(news) => self.carried(news, at),
            Input::Contact(news) => self.heard_of_contact(news, at),
            Input::Picture(news) => self.picture_news(news),
        }
    }

    fn online(&mut self, at: Moment) -> Vec<Effect> {
        let now = at.wall;
        let mut effects = self.owner.login(at);
        effects.extend(self.greet());
        effects.extend(self.carry_cut_short());
        effects.extend(self.intakes.online(now));
        effects.extend(self.deliveries_online());
        effects
    }

    fn told(&mut self, mut told: Told, at: Moment) -> Vec<Effect> {
        let now = at.wall;
        self.deliveries.hear(told.asker());
        // It may be a code, which leaves no copy behind.
        let text = told.text.take().map(Zeroizing::new);
        let judged = text.as_ref().map(|text| text.as_str());
        let has_files = told.has_files();
        let mut effects = match self.owner.judge(&told.from, judged, has_files, at) {
            Verdict::Silence => return Vec::new(),
            Verdict::Answer(mut effects) => {
                effects.extend(self.invite(&effects));
                effects.extend(self.release(told.from.id));
                return effects;
            }
            Verdict::Hold(mut effects) => {
                let text = judged.unwrap_or_default();
                effects.extend(self.hold_apart(&told, text, now));
                return effects;
            }
            Verdict::Obey(effects) => effects,
        };
        effects.extend(self.release(told.from.id));
        effects.extend(self.read_by(&told.readers, now));
        if let Some(id) = &told.receipt {
            effects.push(Effect::Receipt(id.clone()));
        }
        effects.extend(told.displayed());
        self.custody.used(at);
        if has_files {
            effects.extend(self.described(&told, text.as_deref().map(String::as_str), at));
            return effects;
        }
        let Some(text) = text else {
            effects.push(Effect::Say(Reply::NotText));
            return effects;
        };
        if let Some(done) = self.aside(&told, &text, at) {
            effects.extend(done);
            return effects;
        }
        match self.confirmations.hear(&text, &told.from, now) {
            Heard::SomethingElse => {}
            Heard::Confirmed(task) => {
                effects.extend(self.confirmed(&told, task, at));
                return effects;
            }
            Heard::NotConfirmed => {
                effects.push(Effect::Say(Reply::NotConfirmed));
                return effects;
            }
        }
        match MediaLink::parse(&text) {
            Ok(link) => {
                let times = (told.sent_at, now);
                let file = (text.as_str(), link.name.as_str());
                let intake = Intake::announced(&told.from.jid, told.job, told.blob, file, times);
                let intake = intake
                    .asked_by(told.asker())
                    .brought_by(self.brought(&told.beside));
                effects.extend(self.intakes.announced(intake));
                effects.extend(self.arrived(&told, &[told.job]));
            }
            Err(LinkError::NotALink) => effects.extend(self.line(&told, &text, at)),
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

    /// The drive was looked at: what it kept back is tried again once it is better.
    fn drive(&mut self, seen: Seen, now: i64) -> Vec<Effect> {
        let better = self.storage.look(seen);
        let mut effects = Vec::new();
        if better.came {
            effects.extend(self.custody.drive_came());
        }
        if better.came || better.roomier {
            effects.extend(self.intakes.let_in(now));
        }
        effects
    }

    /// Saves that the daemon itself sealed what is about to get its name.
    fn vouched(&mut self, job: JobId, mac: [u8; 32], bytes: u64, now: i64) -> Vec<Effect> {
        let Some((is_first, saved)) = self.intakes.vouched(job, mac, bytes) else {
            return Vec::new();
        };
        let mut effects = vec![saved];
        if is_first {
            self.notices.came(bytes);
            effects.push(Effect::SavePace(self.storage.count(bytes, now)));
        }
        effects
    }

    fn told_plain(&mut self, jid: &str, now: i64) -> Vec<Effect> {
        if !self.owner.is(jid) || !is_due(&mut self.plain_refused_at, PLAIN_PAUSE_SECONDS, now) {
            return Vec::new();
        }
        vec![Effect::SayPlainRefused]
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
