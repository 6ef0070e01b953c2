//! The life of a file coming in.
//!
//! ```text
//! Announced -> (fetching) -> vouched for -> Sealed -> (indexing) -> acknowledged, closed
//!     |  ^                                    |            |
//!     |  +-- retry; held while the drive      +-> Waiting -+-> Indexed -> told at the opening, closed
//!     |      takes nothing
//!     +--> failed, expired: told, closed
//! ```
//!
//! The proof of origin is saved before the blob gets its name, so that no blob is vouched for that
//! the daemon did not seal itself.
//!
//! What stands in brackets lives in memory only: after a crash the step is done again. Knows no
//! network and no drive.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

mod adoption;
mod client;
mod held;

pub use held::{BOX_BYTES, BOX_FILES, Held};

use super::{
    Asker, Effect, JobId, Placed,
    client::lines::RequestId,
    described::Described,
    reply::{IntakeFailure, Reply},
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

/// One file on its way in. Not `Debug`: the link holds the file's key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intake {
    /// Names the job.
    pub job: JobId,
    /// Names the blob, whose temporary and final file name derive from it.
    pub blob: [u8; 16],
    /// The body with the `aesgcm://` link as it came; empty once the file is sealed, or where it
    /// came with a description.
    pub link: String,
    /// The file's name.
    pub name: String,
    /// Who sent it: a bare address.
    pub sender: String,
    /// When it was sent, in seconds since 1970.
    pub sent_at: i64,
    /// When it was announced here, in seconds since 1970.
    pub received_at: i64,
    /// Its place in the order of arrival, in which files are fetched and numbered.
    pub order: u64,
    /// How far it has come.
    pub stage: Stage,
    /// Proves that the daemon itself sealed the blob; opaque here. Saved before the blob has its
    /// name.
    pub mac: Option<[u8; 32]>,
    /// Who sent it, and how an answer goes back.
    pub asker: Option<Asker>,
    /// The description that the file came with, until it is sealed.
    pub described: Option<Described>,
    /// Set while the device that sent it is not let in: it is held apart.
    pub held: Option<Held>,
    /// The request, where our own client sent it: then it alone is told what becomes of it.
    pub client: Option<RequestId>,
}

/// How far an intake has come, as far as it is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// Known, not yet sealed.
    Announced {
        /// Failed attempts.
        attempts: u8,
        /// When the next one is due, in seconds since 1970.
        retry_at: i64,
    },
    /// Sealed under its final name; waits for the key.
    Waiting,
    /// In the index, and not yet told.
    Indexed {
        /// The entry.
        number: u64,
        /// Whether another blob had the content already.
        double: bool,
    },
}

impl Intake {
    /// Makes the job for a link that a message of `sender` holds.
    #[must_use]
    pub fn announced(
        sender: &str,
        job: JobId,
        blob: [u8; 16],
        (body, name): (&str, &str),
        (sent_at, now): (i64, i64),
    ) -> Self {
        Self {
            job,
            blob,
            name: name.to_owned(),
            link: body.to_owned(),
            sender: sender.to_owned(),
            sent_at,
            received_at: now,
            order: 0,
            stage: Stage::Announced {
                attempts: 0,
                retry_at: 0,
            },
            mac: None,
            asker: None,
            described: None,
            held: None,
            client: None,
        }
    }

    /// Notes who sent it, and how an answer goes back.
    #[must_use]
    pub fn asked_by(self, asker: Asker) -> Self {
        Self {
            asker: Some(asker),
            ..self
        }
    }
}

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
}

struct Opening {
    announce: bool,
}

impl Intakes {
    pub(super) fn new(intakes: Vec<Intake>, halted: bool) -> Self {
        Self {
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
        if !self.online || self.halted {
            return None;
        }
        self.open
            .values()
            .filter(|intake| !self.is_busy(&intake.job))
            .filter_map(|intake| match intake.stage {
                Stage::Announced { attempts, retry_at } if attempts > 0 => Some(retry_at),
                Stage::Announced { .. } | Stage::Waiting | Stage::Indexed { .. } => None,
            })
            .min()
    }

    /// The stream is up: files are fetched, since an upload server at home is only known to be
    /// one while we are logged in to it.
    pub(super) fn online(&mut self, now: i64) -> Vec<Effect> {
        self.online = true;
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
        self.open.insert(intake.job, intake);
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
        let mut effects = self.start_due(now);
        let asked_for = |it: &Intake| {
            let waited = matches!(it.stage, Stage::Announced { attempts, .. } if attempts > 0);
            let due = self.online && !self.is_busy(&it.job) && is_due(it, now);
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
            .filter(|intake| !self.is_busy(&intake.job) && is_due(intake, now))
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
        Some((is_first, Effect::SaveIntake(intake.clone())))
    }

    pub(super) fn sealed(&mut self, job: JobId, is_open: bool, now: i64) -> Vec<Effect> {
        self.fetching.remove(&job);
        self.held.remove(&job);
        let mut effects = Vec::new();
        if let Some(intake) = self.open.get_mut(&job) {
            intake.link.clear();
            intake.described = None;
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
        if attempts == TELL_AFTER_ATTEMPTS && intake.held.is_none() {
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
        if attempts == 0 && intake.held.is_none() {
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

    /// Takes note of an index entry. A file that arrives while the vault is open is told at
    /// once; those that waited are told together when the last of them is in.
    pub(super) fn indexed(&mut self, job: JobId, placed: Placed) -> Vec<Effect> {
        self.indexing.remove(&job);
        if let Some(told) = self.indexed_for_client(job, &placed) {
            return told;
        }
        let Some(intake) = self.open.get_mut(&job) else {
            return Vec::new();
        };
        if intake.stage == Stage::Waiting {
            intake.stage = match &placed {
                Placed::Entry(line) => Stage::Indexed {
                    number: line.number,
                    double: false,
                },
                Placed::SameAs(number) => Stage::Indexed {
                    number: *number,
                    double: true,
                },
            };
            return vec![Effect::SaveIntake(intake.clone())];
        }
        let name = intake.name.clone();
        self.open.remove(&job);
        let reply = match placed {
            Placed::Entry(line) => Reply::Stored { line },
            Placed::SameAs(number) => Reply::AlreadyKept { name, number },
        };
        vec![Effect::Close(job), Effect::Say(reply)]
    }

    /// Only the index did not take the blob: it waits for the next opening. A blob that does not
    /// open is told, and its job ends.
    pub(super) fn not_indexed(&mut self, job: JobId, damaged: bool) -> Vec<Effect> {
        if !self.indexing.remove(&job) {
            return Vec::new();
        }
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
        let (mut effects, mut to_clients, mut of_people) = (Vec::new(), Vec::new(), false);
        for job in jobs {
            if let Some(intake) = self.open.get_mut(job) {
                intake.stage = Stage::Waiting;
                effects.push(Effect::SaveIntake(intake.clone()));
                if intake.client.is_some() {
                    to_clients.push(intake.tell(Reply::Kept { waiting: 1 }));
                } else {
                    of_people = true;
                }
            }
        }
        // What is sealed to a foreign key is not acknowledged.
        if self.halted {
            return effects;
        }
        effects.extend(to_clients);
        if of_people {
            effects.push(Effect::Say(Reply::Kept {
                waiting: self.waiting(),
            }));
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
