//! What the vault says without being asked: which of it the owner wants, and when.
//!
//! Alarms always come through. Everything else can be switched off, and waits for the end of the
//! quiet hours, in which only answers are given. Knows the local time only as far as it was told.

use serde::{Deserialize, Serialize};

use super::{
    Effect, Keeper,
    moment::Moment,
    reply::{CustodyReply, NoticeReply, Reply, Report, StorageReply, VerifyReply},
    storage::DriveTrouble,
    verify::{self, Tally},
};

const DAY_SECONDS: i64 = 24 * 60 * 60;
/// A drive that is in trouble for less is no news: it may be about to be mounted.
const PATIENCE_SECONDS: i64 = 2 * 60;
/// Files that wait for the key are told of once they have waited so long.
const WAITING_SECONDS: i64 = DAY_SECONDS;
/// A clock that says more than this was wrong before or is wrong now.
const LONGEST_SECONDS: i64 = 366 * DAY_SECONDS;
/// Most messages that quiet hours hold back in full; more are counted.
const MAX_HELD: usize = 20;

/// A kind of notice that can be switched off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// The vault locked itself because nobody used it.
    Lock,
    /// Files wait for the key.
    Waiting,
    /// The data drive is gone, fails, or is nearly full.
    Drive,
    /// An upload expired before it could be fetched.
    Uploads,
    /// The weekly report, and that a restore drill waits for the key.
    Weekly,
}

impl Kind {
    /// All kinds, in the order they are listed in.
    pub const ALL: [Self; 5] = [
        Self::Weekly,
        Self::Waiting,
        Self::Drive,
        Self::Uploads,
        Self::Lock,
    ];

    /// Returns the word that names it in a command.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Lock => "lock",
            Self::Waiting => "waiting",
            Self::Drive => "drive",
            Self::Uploads => "uploads",
            Self::Weekly => "weekly",
        }
    }

    /// Returns what a reply is, if it is a notice and neither an answer nor an alarm.
    fn of(reply: &Reply) -> Option<Self> {
        if let Reply::Notice(notice) = reply {
            return Self::of_notice(notice);
        }
        let is_locked = matches!(reply, Reply::Custody(CustodyReply::LockedByIdle { .. }));
        let is_expired = matches!(reply, Reply::Storage(StorageReply::Expired { .. }));
        let is_drill = matches!(
            reply,
            Reply::Verify(VerifyReply::Drill { .. } | VerifyReply::DrillWaits)
        );
        let kinds = [
            (is_locked, Self::Lock),
            (is_expired, Self::Uploads),
            (is_drill, Self::Weekly),
        ];
        kinds.into_iter().find_map(|(is, kind)| is.then_some(kind))
    }

    fn of_notice(notice: &NoticeReply) -> Option<Self> {
        match notice {
            NoticeReply::Weekly(_) => Some(Self::Weekly),
            NoticeReply::Waiting { .. } => Some(Self::Waiting),
            NoticeReply::Drive(_) | NoticeReply::DriveBack | NoticeReply::NearlyFull { .. } => {
                Some(Self::Drive)
            }
            NoticeReply::List { .. }
            | NoticeReply::Switched { .. }
            | NoticeReply::Quiet { .. }
            | NoticeReply::QuietHow
            | NoticeReply::Which { .. }
            | NoticeReply::Held { .. } => None,
        }
    }
}

/// What the owner wishes of notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Which are there, and when is it quiet?
    Show,
    /// Switch a kind on or off.
    Switch {
        /// The kind.
        kind: Kind,
        /// Whether it is wanted.
        on: bool,
    },
    /// Be quiet between these hours of each day, or never.
    Quiet(Option<(u8, u8)>),
}

/// What has to outlive a restart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    off: Vec<Kind>,
    /// The hour it begins at and the hour it ends at, local time.
    quiet: Option<(u8, u8)>,
    /// What quiet hours hold back, in words.
    held: Vec<String>,
    /// How many more there were.
    held_more: u64,
    /// Files that came in since the last report, and their bytes.
    came: (u64, u64),
    /// Files that left the trash for good since the last report.
    purged: u64,
    /// Since when files wait for the key, in seconds since 1970.
    waiting_since: Option<i64>,
    waiting_told: bool,
    /// The trouble of the drive that was told.
    drive_told: Option<DriveTrouble>,
    nearly_full_told: bool,
    /// The owner wanted a restart.
    begins_anew: bool,
}

/// Knows what may be said now.
#[derive(Debug, Default)]
pub(super) struct Notices {
    record: Record,
    saved: Record,
    /// Seconds that the local time is ahead of UTC.
    offset: i64,
    /// The owner said that the ejected drive is to be used again, and was told that it is.
    taken_back: bool,
    /// What is wrong with the drive, and since when, on the steady clock.
    trouble: Option<(DriveTrouble, i64)>,
    /// This run is the restart that the owner wanted, and it was not said so far.
    has_begun_anew: bool,
}

impl Notices {
    pub(super) fn new(record: Record) -> Self {
        Self {
            saved: record.clone(),
            has_begun_anew: record.begins_anew,
            record,
            ..Self::default()
        }
    }

    /// The owner wants a restart.
    pub(super) fn begins_anew(&mut self) {
        self.record.begins_anew = true;
    }

    /// Returns whether this is the restart that the owner wanted, once.
    pub(super) fn take_begun_anew(&mut self) -> bool {
        if self.has_begun_anew {
            self.record.begins_anew = false;
        }
        std::mem::take(&mut self.has_begun_anew)
    }

    /// Files left the trash for good.
    pub(super) fn purged(&mut self, count: u64) {
        self.record.purged = self.record.purged.saturating_add(count);
    }

    /// A file came in.
    pub(super) fn came(&mut self, bytes: u64) {
        let (files, sum) = self.record.came;
        self.record.came = (files.saturating_add(1), sum.saturating_add(bytes));
    }

    /// Returns hour and minute as people here see them.
    fn local(&self, wall: i64) -> (u8, u8) {
        let minutes = wall.saturating_add(self.offset).div_euclid(60);
        let part = |of: i64, most: i64| u8::try_from(of.rem_euclid(most)).unwrap_or(0);
        (part(minutes.div_euclid(60), 24), part(minutes, 60))
    }

    fn is_quiet(&self, wall: i64) -> bool {
        let (hour, _) = self.local(wall);
        match self.record.quiet {
            None => false,
            Some((from, to)) if from < to => (from..to).contains(&hour),
            Some((from, to)) => hour >= from || hour < to,
        }
    }

    /// Lets answers and alarms pass, and of the notices those that are wanted now.
    fn sift(&mut self, effects: Vec<Effect>, wall: i64) -> Vec<Effect> {
        let is_quiet = self.is_quiet(wall);
        let mut passed = Vec::with_capacity(effects.len());
        for effect in effects {
            if let Effect::Say(reply) = &effect
                && let Some(kind) = Kind::of(reply)
            {
                if self.record.off.contains(&kind) {
                    continue;
                }
                if is_quiet {
                    self.hold(reply.text());
                    continue;
                }
            }
            passed.push(effect);
        }
        passed
    }

    fn hold(&mut self, words: String) {
        if self.record.held.len() < MAX_HELD {
            self.record.held.push(words);
        } else {
            self.record.held_more = self.record.held_more.saturating_add(1);
        }
    }

    /// Tells what was held back, once it is no longer quiet.
    fn release(&mut self, wall: i64) -> Option<Effect> {
        if self.record.held.is_empty() || self.is_quiet(wall) {
            return None;
        }
        let words = std::mem::take(&mut self.record.held);
        let more = std::mem::take(&mut self.record.held_more);
        Some(say(NoticeReply::Held { words, more }))
    }

    /// Returns what is to be written down, if anything of it changed.
    fn unsaved(&mut self) -> Option<Effect> {
        if self.record == self.saved {
            return None;
        }
        self.saved = self.record.clone();
        Some(Effect::SaveNotices(self.record.clone()))
    }

    /// The owner was just told that the drive is used again.
    pub(super) fn told_of_taking_back(&mut self) {
        self.taken_back = true;
    }

    /// Tells once what has been wrong with the drive for a while, and once that it is well again.
    fn drive(&mut self, trouble: Option<DriveTrouble>, at: Moment) -> Option<NoticeReply> {
        let Some(trouble) = trouble else {
            self.trouble = None;
            let told = self.record.drive_told.take();
            let is_known = std::mem::take(&mut self.taken_back);
            let told = told.filter(|_| !is_known);
            return told.map(|_| NoticeReply::DriveBack);
        };
        let since = match self.trouble {
            Some((before, since)) if before == trouble => since,
            _ => at.steady,
        };
        self.trouble = Some((trouble, since));
        self.taken_back &= trouble == DriveTrouble::Ejected;
        let lasts = at.steady.saturating_sub(since) >= PATIENCE_SECONDS;
        if !lasts || self.record.drive_told == Some(trouble) {
            return None;
        }
        self.record.drive_told = Some(trouble);
        // The owner took it out, and knows.
        (trouble != DriveTrouble::Ejected).then_some(NoticeReply::Drive(trouble))
    }

    /// Returns since when files have waited, once, after a while.
    fn waiting(&mut self, files: u64, wall: i64) -> bool {
        if files == 0 {
            self.record.waiting_since = None;
            self.record.waiting_told = false;
            return false;
        }
        let since = *self.record.waiting_since.get_or_insert(wall);
        let waited = wall.saturating_sub(since);
        if !(0..=LONGEST_SECONDS).contains(&waited) {
            self.record.waiting_since = Some(wall);
            return false;
        }
        let due = waited >= WAITING_SECONDS && !self.record.waiting_told;
        self.record.waiting_told |= due;
        due
    }
}

impl Keeper {
    /// Takes up what the last run knew of notices.
    #[must_use]
    pub fn with_notices(mut self, record: Record) -> Self {
        self.notices = Notices::new(record);
        self
    }

    /// Learns how far ahead of UTC the clocks on the walls here are, in seconds.
    pub fn set_local_time(&mut self, ahead: i64) {
        self.notices.offset = ahead;
    }

    /// The owner wishes something of notices.
    pub(super) fn wish(&mut self, wish: Wish, wall: i64) -> Vec<Effect> {
        let notices = &mut self.notices;
        match wish {
            Wish::Show => {}
            Wish::Switch { kind, on } => {
                notices.record.off.retain(|it| *it != kind);
                if !on {
                    notices.record.off.push(kind);
                }
                return vec![say(NoticeReply::Switched { kind, on })];
            }
            Wish::Quiet(hours) => {
                notices.record.quiet = hours;
                let local = notices.local(wall);
                return vec![say(NoticeReply::Quiet { hours, local })];
            }
        }
        vec![say(NoticeReply::List {
            off: notices.record.off.clone(),
            hours: notices.record.quiet,
            local: notices.local(wall),
        })]
    }

    /// Adds what is due to be said, and leaves out what is not to be said now.
    pub(super) fn notice(&mut self, mut effects: Vec<Effect>, at: Moment) -> Vec<Effect> {
        let replies = self.due_notices(at);
        effects.extend(replies.into_iter().map(say));
        let mut effects = self.notices.sift(effects, at.wall);
        effects.extend(self.notices.release(at.wall));
        effects.extend(self.notices.unsaved());
        effects
    }

    fn due_notices(&mut self, at: Moment) -> Vec<NoticeReply> {
        let trouble = self.storage.trouble();
        let mut due = Vec::new();
        // A drive that nobody has looked at is neither well nor in trouble.
        if self.storage.is_known() {
            due.extend(self.notices.drive(trouble, at));
        }
        let is_nearly_full = trouble.is_none() && self.storage.is_nearly_full(at.wall);
        if is_nearly_full && !self.notices.record.nearly_full_told {
            self.notices.record.nearly_full_told = true;
            let forecast = self.storage.forecast(None, at.wall);
            let free = self.storage.free();
            due.push(NoticeReply::NearlyFull { free, forecast });
        } else if !is_nearly_full && self.storage.is_roomy(at.wall) {
            self.notices.record.nearly_full_told = false;
        }
        let files = self.intakes.waiting();
        let waits = if self.custody.is_locked() { files } else { 0 };
        if self.notices.waiting(waits, at.wall) {
            let way = self.custody.way_in();
            due.push(NoticeReply::Waiting { files, way });
        }
        let drill_comes = self.verify.drill_comes(at.wall);
        if self.weekly.due(at, drill_comes) {
            due.push(NoticeReply::Weekly(self.report(None, at.wall)));
        }
        due
    }

    /// A check came on or ended.
    pub(super) fn heard_of_checks(&mut self, heard: verify::Heard, at: Moment) -> Vec<Effect> {
        let effects = self.verify.heard(heard, at.wall);
        self.with_report(effects, at)
    }

    /// Puts the outcome of a restore drill into the weekly report, if that is about due.
    fn with_report(&mut self, effects: Vec<Effect>, at: Moment) -> Vec<Effect> {
        let each = effects.into_iter().map(|effect| {
            if let Effect::Say(Reply::Verify(VerifyReply::Drill { tally, .. })) = &effect
                && self.weekly.near(at)
            {
                return say(NoticeReply::Weekly(self.report(Some(*tally), at.wall)));
            }
            effect
        });
        each.collect()
    }

    fn report(&mut self, drill: Option<Tally>, wall: i64) -> Report {
        let record = &mut self.notices.record;
        let facts = self.verify.facts();
        Report {
            came: std::mem::take(&mut record.came),
            purged: std::mem::take(&mut record.purged),
            drill,
            drill_waits: drill.is_none() && self.verify.drill_comes(wall),
            damaged: facts.damaged,
            last_pass: facts.last_pass,
            waiting: self.intakes.waiting(),
            free: self.storage.free(),
            drive: self.storage.trouble(),
            forecast: self.storage.forecast(None, wall),
            one_way_in: self.weekly.has_one_way_in().then(|| self.custody.mode()),
        }
    }
}

fn say(reply: NoticeReply) -> Effect {
    Effect::Say(Reply::Notice(reply))
}
