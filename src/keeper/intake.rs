//! The life of a file coming in.
//!
//! ```text
//! Announced -> (fetching) -> vouched for -> Sealed -> (indexing, labelling) -> Indexed -> told
//!     |  ^                                    |            |                            together,
//!     |  +-- retry; held while the drive      +-> Waiting -+-> Indexed -> told at the     closed
//!     |      takes nothing                                                 opening, closed
//!     +--> failed, expired: told, closed
//! ```
//!
//! The proof of origin is saved before the blob gets its name, so that no blob is vouched for that
//! the daemon did not seal itself.
//!
//! What stands in brackets lives in memory only: after a crash the step is done again. Knows no
//! network and no drive.

use std::collections::{BTreeMap, BTreeSet};

mod adoption;
mod batch;
mod client;
mod held;
mod job;
mod sources;
mod stick;

use batch::Batch;
pub(super) use batch::Labelling;
pub use held::{BOX_BYTES, BOX_FILES, Held};
pub use job::{Intake, Stage};
use sources::Early;
pub use sources::{Attached, SharedAs};

use super::{
    Asker, Effect, JobId, Placed,
    chat::Chat,
    reply::{IntakeFailure, Reply, StickTally},
};

/// Files fetched at the same time. Two keep a line busy; each costs memory.
const MAX_FETCHES: usize = 2;
/// Seconds before the n-th further attempt; after the last one the owner is asked to send again.
const RETRY_SECONDS: [i64; 8] = [5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400];
/// Seconds before a file is tried again that the drive did not take; the last one repeats until
/// the file's server has it no longer. A drive that comes back is noticed before.
const HELD_SECONDS: [i64; 5] = [30, 120, 600, 1_800, 3_600];
/// The attempt after which the owner is told that it takes longer.
const TELL_AFTER_ATTEMPTS: u8 = 2;

/// All open intakes.
pub(super) struct Intakes {
    open: BTreeMap<JobId, Intake>,
    fetching: BTreeSet<JobId>,
    indexing: BTreeSet<JobId>,
    /// Files that the drive did not take, with how often since the process began.
    held: BTreeMap<JobId, usize>,
    /// Files that waited until their servers had them no longer, not told yet. Their jobs are open
    /// until they are, so that a crash only has them found out once more.
    expired: BTreeSet<JobId>,
    /// What is sealed now could not be opened by the vault's key: nothing is fetched.
    halted: bool,
    online: bool,
    /// Set between an opening and the adoption of the last file that waited.
    opening: Option<Opening>,
    /// Blobs of files that were turned away while they were being sealed.
    turned_away: BTreeMap<JobId, [u8; 16]>,
    /// New devices whose files were given up, one for each file.
    lost: Vec<u32>,
    /// What is told together.
    batch: Batch,
    /// Sources that came before the file that they are for.
    early: Early,
    /// Since when the stream is up, in seconds since 1970.
    online_at: i64,
    /// What became of the files of a stick.
    stick: StickTally,
}

struct Opening {
    announce: bool,
}

impl Intakes {
    pub(super) fn new(intakes: Vec<Intake>, halted: bool) -> Self {
        Self {
            batch: Batch::left(&intakes),
            open: intakes
                .into_iter()
                .map(|intake| (intake.job, intake))
                .collect(),
            fetching: BTreeSet::new(),
            indexing: BTreeSet::new(),
            held: BTreeMap::new(),
            expired: BTreeSet::new(),
            halted,
            online: false,
            opening: None,
            turned_away: BTreeMap::new(),
            lost: Vec::new(),
            early: Early::default(),
            online_at: 0,
            stick: StickTally::default(),
        }
    }

    pub(super) fn blobs(&self) -> Vec<[u8; 16]> {
        self.open.values().map(|intake| intake.blob).collect()
    }

    /// Returns the blobs of all files that wait for the key: these are on the drive.
    pub(super) fn waiting_blobs(&self) -> Vec<[u8; 16]> {
        let waiting = |it: &&Intake| it.stage == Stage::Waiting;
        let waiting = self.open.values().filter(waiting);
        waiting.map(|intake| intake.blob).collect()
    }

    /// Returns who sent this file.
    pub(super) fn asker(&self, job: &JobId) -> Option<Asker> {
        self.open.get(job)?.asker
    }

    /// Returns how many files wait for the key.
    pub(super) fn waiting(&self) -> u64 {
        self.open
            .values()
            .filter(|it| it.stage == Stage::Waiting && it.held.is_none())
            .count() as u64
    }

    /// Returns how many files are announced and not yet sealed.
    pub(super) fn arriving(&self) -> u64 {
        self.open
            .values()
            .filter(|it| matches!(it.stage, Stage::Announced { .. }) && it.held.is_none())
            .filter(|it| !self.expired.contains(&it.job))
            .count() as u64
    }

    /// Returns whether this file is known and not sealed yet.
    pub(super) fn is_announced(&self, job: &JobId) -> bool {
        let stage = self.open.get(job).map(|intake| intake.stage);
        matches!(stage, Some(Stage::Announced { .. })) && !self.expired.contains(job)
    }

    /// Returns whether files are kept back by the drive.
    pub(super) fn are_held(&self) -> bool {
        !self.held.is_empty()
    }

    pub(super) fn next_wake(&self) -> Option<i64> {
        let told_at = self.batch.due_at();
        if !self.online || self.halted {
            return told_at;
        }
        self.open
            .values()
            .filter(|intake| !self.is_busy(&intake.job))
            .filter_map(|intake| match intake.stage {
                Stage::Announced { .. } if intake.is_ahead() => self.reminded_at(intake),
                Stage::Announced { attempts, retry_at } if attempts > 0 => Some(retry_at),
                Stage::Announced { .. } | Stage::Waiting | Stage::Indexed { .. } => None,
            })
            .chain(told_at)
            .min()
    }

    /// The stream is up: files are fetched, since an upload server at home is only known to be
    /// one while we are logged in to it.
    pub(super) fn online(&mut self, now: i64) -> Vec<Effect> {
        self.online = true;
        self.online_at = now;
        self.go_ahead(now)
    }

    pub(super) fn offline(&mut self) {
        self.online = false;
    }

    pub(super) fn announced(&mut self, mut intake: Intake) -> Vec<Effect> {
        if self.open.contains_key(&intake.job) {
            return Vec::new();
        }
        let last = self.open.values().map(|earlier| earlier.order).max();
        intake.order = last.unwrap_or(0).saturating_add(1);
        let mut effects = vec![Effect::SaveIntake(intake.clone())];
        if self.halted && intake.held.is_none() {
            effects.push(intake.tell(Reply::NotStored {
                name: intake.name.clone(),
                why: IntakeFailure::ForeignKey,
                retrying: true,
            }));
        }
        let now = intake.received_at;
        let job = intake.job;
        self.open.insert(job, intake);
        effects.extend(self.came_early(job, now));
        effects.extend(self.start_due(now));
        effects
    }

    pub(super) fn woke(&mut self, now: i64) -> Vec<Effect> {
        self.go_ahead(now)
    }

    /// Returns whether a step of this intake is under way, or none is left but to tell its end.
    fn is_busy(&self, job: &JobId) -> bool {
        self.fetching.contains(job) || self.indexing.contains(job) || self.expired.contains(job)
    }

    /// Starts what is due, and tells what has expired once nothing that waited is being asked for:
    /// a drive that comes back after weeks has many files asked for, and gives one message.
    fn go_ahead(&mut self, now: i64) -> Vec<Effect> {
        let mut effects = self.remind(now);
        effects.extend(self.start_due(now));
        let asked_for = |it: &Intake| {
            let waited = matches!(it.stage, Stage::Announced { attempts, .. } if attempts > 0);
            let due = self.online && !self.is_busy(&it.job) && is_due(it, now);
            let waited = waited && !it.is_ahead();
            it.held.is_none() && waited && (due || self.fetching.contains(&it.job))
        };
        if self.expired.is_empty() || self.halted || self.open.values().any(asked_for) {
            return effects;
        }
        let mut ended: Vec<Intake> = std::mem::take(&mut self.expired)
            .iter()
            .filter_map(|job| self.open.remove(job))
            .collect();
        ended.sort_by_key(|intake| intake.order);
        effects.extend(ended.iter().map(|intake| Effect::Close(intake.job)));
        effects.extend(Self::tell_expired(ended));
        effects
    }

    /// Starts as many fetches as may run, the oldest first.
    fn start_due(&mut self, now: i64) -> Vec<Effect> {
        if !self.online || self.halted {
            return Vec::new();
        }
        let mut due: Vec<&Intake> = self
            .open
            .values()
            .filter(|intake| !self.is_busy(&intake.job) && !intake.is_ahead())
            .filter(|intake| is_due(intake, now))
            .collect();
        // What is held apart comes last and singly, so that each knows the room that is left.
        due.sort_by_key(|intake| (intake.held.is_some(), intake.order));
        let is_held = |job: &JobId| self.open.get(job).is_some_and(|it| it.held.is_some());
        let held_at_once = usize::from(!self.fetching.iter().any(is_held));
        let free = MAX_FETCHES.saturating_sub(self.fetching.len());
        let (held, others): (Vec<_>, Vec<_>) = due.into_iter().partition(|it| it.held.is_some());
        let chosen = others
            .into_iter()
            .chain(held.into_iter().take(held_at_once));
        let mut started: Vec<Intake> = chosen.take(free).cloned().collect();
        let most = self.box_room();
        for held in started.iter_mut().filter_map(|it| it.held.as_mut()) {
            held.most = most;
        }
        self.fetching
            .extend(started.iter().map(|intake| intake.job));
        started.into_iter().map(Effect::Fetch).collect()
    }

    /// Saves the proof of origin of a blob that is about to get its name. Returns whether this is
    /// the first one of this file.
    pub(super) fn vouched(
        &mut self,
        job: JobId,
        mac: [u8; 32],
        bytes: u64,
    ) -> Option<(bool, Effect)> {
        let intake = self.open.get_mut(&job)?;
        if let Some(held) = &mut intake.held {
            held.bytes = bytes;
        }
        let is_first = intake.mac.replace(mac).is_none();
        intake.bytes = bytes;
        Some((is_first, Effect::SaveIntake(intake.clone())))
    }

    pub(super) fn sealed(&mut self, job: JobId, is_open: bool, now: i64) -> Vec<Effect> {
        self.fetching.remove(&job);
        self.held.remove(&job);
        let mut effects = Vec::new();
        if let Some(intake) = self.open.get_mut(&job) {
            intake.link.clear();
            intake.described = None;
            intake.shared = None;
            if intake.held.is_some() {
                intake.stage = Stage::Waiting;
                effects.push(Effect::SaveIntake(intake.clone()));
            } else if is_open {
                self.indexing.insert(job);
                effects.push(Effect::Index(intake.clone()));
            } else {
                effects.extend(self.wait(&[job]));
            }
        }
        effects.extend(self.discard(&job));
        effects.extend(self.go_ahead(now));
        effects
    }

    pub(super) fn not_sealed(
        &mut self,
        job: JobId,
        why: IntakeFailure,
        transient: bool,
        now: i64,
    ) -> Vec<Effect> {
        self.fetching.remove(&job);
        // Vouched for, its blob may have got its name after all.
        let discarded = self.discard(&job);
        let mut effects = if matches!(why, IntakeFailure::Drive(_)) {
            self.hold(job, why, now)
        } else if transient {
            self.try_again(job, why, now)
        } else if why == IntakeFailure::Gone && self.has_waited(&job) {
            self.held.remove(&job);
            self.expired.insert(job);
            Vec::new()
        } else {
            self.end(job, why)
        };
        effects.extend(discarded);
        effects.extend(self.go_ahead(now));
        effects
    }

    /// Returns whether an attempt to fetch this file has failed before, and its end is told.
    fn has_waited(&self, job: &JobId) -> bool {
        let told = self.open.get(job).filter(|intake| intake.held.is_none());
        let stage = told.map(|intake| intake.stage);
        matches!(stage, Some(Stage::Announced { attempts, .. }) if attempts > 0)
    }

    fn try_again(&mut self, job: JobId, why: IntakeFailure, now: i64) -> Vec<Effect> {
        let Some(intake) = self.open.get_mut(&job) else {
            return Vec::new();
        };
        let tried = match intake.stage {
            Stage::Announced { attempts, .. } => attempts,
            Stage::Waiting | Stage::Indexed { .. } => 0,
        };
        let Some(pause) = RETRY_SECONDS.get(usize::from(tried)) else {
            return self.end(job, why);
        };
        let attempts = tried + 1;
        let retry_at = now.saturating_add(*pause);
        intake.stage = Stage::Announced { attempts, retry_at };
        let mut effects = vec![Effect::SaveIntake(intake.clone())];
        if attempts == TELL_AFTER_ATTEMPTS && intake.held.is_none() && intake.stick.is_none() {
            effects.push(intake.not_yet(why));
        }
        effects
    }

    /// The drive did not take the file: it stays with its server until the drive does, or until
    /// the server has it no longer.
    fn hold(&mut self, job: JobId, why: IntakeFailure, now: i64) -> Vec<Effect> {
        let Some(intake) = self.open.get_mut(&job) else {
            return Vec::new();
        };
        let Stage::Announced { attempts, .. } = intake.stage else {
            return Vec::new();
        };
        let times = self.held.entry(job).or_insert(0);
        let longest = HELD_SECONDS.len() - 1;
        let pause = HELD_SECONDS.get((*times).min(longest)).unwrap_or(&3_600);
        *times += 1;
        intake.stage = Stage::Announced {
            attempts: attempts.max(1),
            retry_at: now.saturating_add(*pause),
        };
        let mut effects = vec![Effect::SaveIntake(intake.clone())];
        if attempts == 0 && intake.held.is_none() && intake.stick.is_none() {
            effects.push(intake.not_yet(why));
        }
        effects
    }

    /// The drive is better than it was: what it did not take is tried again at once.
    pub(super) fn let_in(&mut self, now: i64) -> Vec<Effect> {
        for job in self.held.keys() {
            if let Some(intake) = self.open.get_mut(job)
                && let Stage::Announced { attempts, .. } = intake.stage
            {
                let retry_at = now;
                intake.stage = Stage::Announced { attempts, retry_at };
            }
        }
        self.start_due(now)
    }

    /// What would be sealed from now on could not be opened: nothing is fetched any more.
    pub(super) fn halt(&mut self) {
        self.halted = true;
        self.fetching.clear();
    }

    /// What is sealed can be opened again.
    pub(super) fn go_on(&mut self, now: i64) -> Vec<Effect> {
        self.halted = false;
        self.go_ahead(now)
    }

    /// Takes note of an index entry, and has noted with it what belongs there. A file that arrives
    /// while the vault is open is told as soon as no other is coming; those that waited are told
    /// together when the last of them is in. Returns the number, too.
    pub(super) fn indexed(
        &mut self,
        job: JobId,
        placed: Placed,
        now: i64,
    ) -> (Vec<Effect>, Option<(JobId, u64)>) {
        if let Some(told) = self.indexed_for_client(job, &placed) {
            self.indexing.remove(&job);
            return (told, None);
        }
        let Some(intake) = self.open.get_mut(&job) else {
            self.indexing.remove(&job);
            return (Vec::new(), None);
        };
        if !intake.labels.is_empty() {
            let (number, labels) = (placed.number(), intake.labels.clone());
            let noted = self.batch.label(job, placed, labels.clone());
            let label = Chat::Label {
                job,
                number,
                labels,
            };
            let effects = noted.then_some(Effect::Chat(label));
            return (effects.into_iter().collect(), None);
        }
        self.indexing.remove(&job);
        if let Some(told) = self.indexed_from_stick(job, &placed) {
            return (told, None);
        }
        let Some(intake) = self.open.get_mut(&job) else {
            return (Vec::new(), None);
        };
        let number = placed.number();
        let mut effects = Vec::new();
        if let Some(brought) = &intake.brought {
            let message = brought.message.clone();
            effects.push(Effect::Chat(Chat::Brought { message, number }));
        }
        let double = matches!(placed, Placed::SameAs(_));
        let waited = intake.stage == Stage::Waiting;
        intake.stage = Stage::Indexed { number, double };
        if waited {
            effects.push(Effect::SaveIntake(intake.clone()));
        } else {
            effects.extend(self.ended(job, placed, now));
        }
        (effects, Some((job, number)))
    }

    /// Only the index did not take the blob: it waits for the next opening. A blob that does not
    /// open is told, and its job ends.
    pub(super) fn not_indexed(&mut self, job: JobId, damaged: bool) -> Vec<Effect> {
        if !self.indexing.remove(&job) {
            return Vec::new();
        }
        self.batch.forget_label(&job);
        match self.open.get(&job) {
            Some(_) if damaged => self.end(job, IntakeFailure::Damaged),
            Some(intake) if intake.stage != Stage::Waiting => self.wait(&[job]),
            _ => Vec::new(),
        }
    }

    /// The blob that lies under the job's name is not the one that was sealed for it.
    pub(super) fn not_vouched(&mut self, job: JobId) -> Vec<Effect> {
        if !self.indexing.remove(&job) {
            return Vec::new();
        }
        self.end(job, IntakeFailure::NotVouched)
    }

    fn end(&mut self, job: JobId, why: IntakeFailure) -> Vec<Effect> {
        self.held.remove(&job);
        let Some(intake) = self.open.remove(&job) else {
            return Vec::new();
        };
        if let Some(held) = intake.held {
            // Counted, not told: whoever sends it could fill the chat.
            self.lost.push(held.device);
            return vec![Effect::Close(job)];
        }
        if intake.stick.is_some() {
            self.stick.lost += 1;
            return vec![Effect::Close(job)];
        }
        if intake.client.is_none() {
            self.batch.failed();
        }
        let reply = Reply::NotStored {
            name: intake.name.clone(),
            why,
            retrying: false,
        };
        vec![Effect::Close(job), intake.tell(reply)]
    }

    /// The vault was locked: what was about to be indexed waits.
    pub(super) fn locked(&mut self) -> Vec<Effect> {
        self.opening = None;
        self.batch.forget_labels();
        let jobs: Vec<JobId> = std::mem::take(&mut self.indexing)
            .into_iter()
            .filter(|job| {
                self.open
                    .get(job)
                    .is_some_and(|it| it.stage != Stage::Waiting)
            })
            .collect();
        self.wait(&jobs)
    }

    fn wait(&mut self, jobs: &[JobId]) -> Vec<Effect> {
        let (mut effects, mut to_clients, mut of_people) = (Vec::new(), Vec::new(), Vec::new());
        for job in jobs {
            if let Some(intake) = self.open.get_mut(job) {
                intake.stage = Stage::Waiting;
                effects.push(Effect::SaveIntake(intake.clone()));
                if intake.stick.is_some() {
                    self.stick.waiting += 1;
                } else if intake.client.is_some() {
                    to_clients.push(intake.tell(Reply::Kept { waiting: 1 }));
                } else {
                    of_people.push(*job);
                }
            }
        }
        // What is sealed to a foreign key is not acknowledged.
        if self.halted {
            return effects;
        }
        effects.extend(to_clients);
        if !of_people.is_empty() {
            effects.extend(self.kept(&of_people));
        }
        effects
    }
}

/// Returns whether an attempt is due. A retry that lies further ahead than any pause was set by
/// a clock that has been put back since, and is due.
fn is_due(intake: &Intake, now: i64) -> bool {
    let longest = RETRY_SECONDS.iter().copied().max().unwrap_or(0);
    match intake.stage {
        Stage::Announced { retry_at, .. } => {
            retry_at <= now || retry_at > now.saturating_add(longest)
        }
        Stage::Waiting | Stage::Indexed { .. } => false,
    }
}
