//! Files that come in together are told together, in one message that is corrected as it goes on.
//!
//! A file that comes alone is told at once. Where others are on their way, what is in the index
//! waits for them, for ten seconds at most; its job is open until it is told, so that a crash tells
//! it after the restart. What follows soon is told in place of what was told before.

use std::collections::{BTreeMap, BTreeSet};

use super::{Effect, Intake, Intakes, JobId, Placed, Reply, Stage};
use crate::keeper::{
    chat::Chat,
    labels::Labels,
    reply::{ArrivalReply, Line},
};

/// Seconds that a file waits at most to be told with others.
const HOLD_SECONDS: i64 = 10;
/// Files this large have their progress told.
const LARGE_BYTES: u64 = 20_000_000;
/// Hundredths between two tellings of it.
const STEP_PERCENT: u64 = 10;

/// What became of labels for a file.
pub(in crate::keeper) enum Labelling {
    /// They are with its job, which is to be saved.
    Saved(Box<Intake>),
    /// It is an entry already, and they are to be noted there.
    Entry(u64),
    /// There is no such job (any more).
    Unknown,
}

/// What is told together. All but the jobs of `unsaid` lives in memory only.
#[derive(Default)]
pub(super) struct Batch {
    /// The job that it began with, after which its message is named.
    topic: Option<JobId>,
    /// When its last file ended, in seconds since 1970.
    last_at: i64,
    /// Seconds after which another file begins another batch.
    gather: i64,
    /// In the index and not told: the entry, and whether another blob had the content.
    unsaid: BTreeMap<JobId, (Line, bool)>,
    /// Those of them whose job says so on the card.
    saved: BTreeSet<JobId>,
    unsaid_since: Option<i64>,
    /// Told: numbers, bytes of all, and numbers of those that were kept before.
    numbers: Vec<u64>,
    bytes: u64,
    doubles: Vec<u64>,
    failed: u64,
    /// Labels that the vault process is noting, and where the file is.
    labelling: BTreeMap<JobId, (Placed, Labels)>,
    /// The file whose progress was told last, and how far it was.
    progress: Option<(JobId, u64)>,
}

impl Batch {
    /// Takes up what the last run did not tell.
    pub(super) fn left(intakes: &[Intake]) -> Self {
        let unsaid = intakes.iter().filter_map(|intake| {
            let Stage::Indexed { number, double } = intake.stage else {
                return None;
            };
            Some((intake.job, (line(intake, number), double)))
        });
        let unsaid: BTreeMap<JobId, (Line, bool)> = unsaid.collect();
        Self {
            topic: unsaid.keys().next().copied(),
            saved: unsaid.keys().copied().collect(),
            unsaid_since: (!unsaid.is_empty()).then_some(0),
            unsaid,
            ..Self::default()
        }
    }

    /// Returns when what is unsaid is to be told, in seconds since 1970.
    pub(super) fn due_at(&self) -> Option<i64> {
        Some(self.unsaid_since?.saturating_add(HOLD_SECONDS))
    }

    /// Returns whether this file is to be told with others.
    pub(super) fn has(&self, job: &JobId) -> bool {
        self.unsaid.contains_key(job)
    }

    /// Counts a file that was told to have failed.
    pub(super) fn failed(&mut self) {
        self.failed += 1;
    }

    /// Notes that labels are being noted; `false` where the very same are already.
    pub(super) fn label(&mut self, job: JobId, placed: Placed, labels: Labels) -> bool {
        let under_way = self.labelling.get(&job);
        if under_way.is_some_and(|(_, under_way)| *under_way == labels) {
            return false;
        }
        self.labelling.insert(job, (placed, labels));
        true
    }

    pub(super) fn forget_label(&mut self, job: &JobId) {
        self.labelling.remove(job);
    }

    pub(super) fn forget_labels(&mut self) {
        self.labelling.clear();
    }

    /// Returns the topic for a file, which begins a batch of its own unless it belongs to this one.
    fn topic(&mut self, intake: &Intake, is_quiet: bool) -> JobId {
        let until = self.last_at.saturating_add(self.gather);
        let is_over = self.unsaid.is_empty() && is_quiet && intake.received_at >= until;
        match self.topic {
            Some(topic) if !is_over => topic,
            Some(_) | None => {
                let labelling = std::mem::take(&mut self.labelling);
                *self = Self {
                    topic: Some(intake.job),
                    gather: self.gather,
                    labelling,
                    progress: self.progress,
                    ..Self::default()
                };
                intake.job
            }
        }
    }

    /// Says what is to be said of all that was told and is to be told now.
    fn words(&self, told: &[(Line, bool)], others: u64, so_far: bool) -> Reply {
        let is_alone = self.numbers.len() + self.doubles.len() == told.len() && others == 0;
        if let ([(line, double)], true) = (told, is_alone) {
            return if *double {
                Reply::AlreadyKept {
                    name: line.name.clone(),
                    number: line.number,
                }
            } else {
                Reply::Stored { line: line.clone() }
            };
        }
        let mut numbers = self.numbers.clone();
        numbers.sort_unstable();
        Reply::Arrival(ArrivalReply::Stored {
            numbers,
            bytes: self.bytes,
            doubles: self.doubles.clone(),
            others,
            so_far,
        })
    }
}

fn line(intake: &Intake, number: u64) -> Line {
    Line {
        number,
        name: intake.name.clone(),
        bytes: intake.bytes,
        received_at: intake.received_at,
        damaged: false,
        taken_at: None,
    }
}

impl Intakes {
    /// Sets how many seconds after the last file another one is told in the same message.
    pub(in crate::keeper) fn gather(&mut self, seconds: i64) {
        self.batch.gather = seconds;
    }

    /// Returns whether this file may be expected to end soon.
    fn is_coming(&self, intake: &Intake) -> bool {
        let is_first_try = matches!(intake.stage, Stage::Announced { attempts: 0, .. });
        let starts = self.online && !self.halted && is_first_try && !intake.is_ahead();
        let is_busy = self.fetching.contains(&intake.job)
            || self.indexing.contains(&intake.job) && intake.stage != Stage::Waiting;
        let is_told = intake.held.is_none() && intake.client.is_none() && intake.stick.is_none();
        is_told && (is_busy || starts) && !self.expired.contains(&intake.job)
    }

    fn coming(&self) -> u64 {
        let coming = self.open.values().filter(|it| self.is_coming(it));
        coming.count() as u64
    }

    /// A file is in the index: ✅ at its message, or words, by themselves or with others.
    pub(super) fn ended(&mut self, job: JobId, placed: Placed, now: i64) -> Vec<Effect> {
        let is_quiet = self.coming() == 0;
        let Some(intake) = self.open.get(&job) else {
            return Vec::new();
        };
        let double = matches!(placed, Placed::SameAs(_));
        let was_told = self.batch.progress.is_some_and(|(it, _)| it == job);
        if let (Some(brought), Some(to), false, false) =
            (&intake.brought, intake.asker, double, was_told)
            && brought.shows_reactions
        {
            let message = brought.message.clone();
            self.open.remove(&job);
            return vec![
                Effect::Close(job),
                Effect::Chat(Chat::React { message, to }),
            ];
        }
        let line = match placed {
            Placed::Entry(line) => line,
            Placed::SameAs(number) => line(intake, number),
        };
        self.batch.topic(intake, is_quiet);
        self.batch.unsaid.insert(job, (line, double));
        self.batch.unsaid_since.get_or_insert(now);
        self.batch.last_at = now;
        Vec::new()
    }

    /// Tells what is unsaid once nothing more is coming, or after ten seconds; what stays unsaid is
    /// saved as such.
    pub(in crate::keeper) fn tell_batch(&mut self, now: i64) -> Vec<Effect> {
        let Some(since) = self.batch.unsaid_since else {
            return Vec::new();
        };
        let coming = self.coming();
        let held = now.saturating_sub(since);
        if coming > 0 && (0..HOLD_SECONDS).contains(&held) {
            return self.save_unsaid();
        }
        self.batch.unsaid_since = None;
        self.batch.saved.clear();
        let unsaid = std::mem::take(&mut self.batch.unsaid);
        let mut effects = Vec::new();
        let mut told = Vec::new();
        for (job, (line, double)) in unsaid {
            effects.push(Effect::Close(job));
            self.open.remove(&job);
            if double {
                self.batch.doubles.push(line.number);
            } else {
                self.batch.numbers.push(line.number);
                self.batch.bytes = self.batch.bytes.saturating_add(line.bytes);
            }
            told.push((line, double));
        }
        let others = coming + self.batch.failed;
        let reply = self.batch.words(&told, others, coming > 0);
        if let Some(topic) = self.batch.topic {
            effects.push(Effect::Chat(Chat::Tell { topic, reply }));
        }
        effects
    }

    fn save_unsaid(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        for job in self.batch.unsaid.keys() {
            if let Some(intake) = self.open.get(job)
                && self.batch.saved.insert(*job)
            {
                effects.push(Effect::SaveIntake(intake.clone()));
            }
        }
        effects
    }

    /// Files were sealed while the vault is locked: tells how many wait.
    pub(super) fn kept(&mut self, jobs: &[JobId]) -> Option<Effect> {
        let is_quiet = self.coming() == 0;
        let intake = jobs.first().and_then(|job| self.open.get(job))?;
        let topic = self.batch.topic(intake, is_quiet);
        self.batch.last_at = self.batch.last_at.max(intake.received_at);
        let waiting = self.waiting();
        let reply = Reply::Kept { waiting };
        Some(Effect::Chat(Chat::Tell { topic, reply }))
    }

    /// Tells how far a large file has come, now and then.
    pub(in crate::keeper) fn fetching(
        &mut self,
        job: JobId,
        (done, total): (u64, u64),
        now: i64,
    ) -> Vec<Effect> {
        let is_quiet = self.coming() <= 1;
        let Some(intake) = self
            .open
            .get(&job)
            .filter(|it| it.held.is_none() && it.client.is_none())
        else {
            return Vec::new();
        };
        if !self.online || total < LARGE_BYTES || done >= total || !self.fetching.contains(&job) {
            return Vec::new();
        }
        let percent = u64::try_from(u128::from(done) * 100 / u128::from(total)).unwrap_or(0);
        let told = self.batch.progress.filter(|(it, _)| *it == job);
        if told.is_some_and(|(_, told)| percent < told + STEP_PERCENT) {
            return Vec::new();
        }
        let name = intake.name.clone();
        let topic = self.batch.topic(intake, is_quiet);
        self.batch.progress = Some((job, percent));
        self.batch.last_at = now;
        let receiving = ArrivalReply::Receiving {
            name,
            percent,
            total,
        };
        let reply = Reply::Arrival(receiving);
        vec![Effect::Chat(Chat::Tell { topic, reply })]
    }

    /// Returns whether a file is on its way in, or was just entered and is not told yet.
    pub(in crate::keeper) fn has(&self, job: &JobId) -> bool {
        self.open.contains_key(job)
    }

    /// Returns whether the vault process is noting labels of a file.
    pub(in crate::keeper) fn is_being_labelled(&self, job: &JobId) -> bool {
        self.batch.labelling.contains_key(job)
    }

    /// Adds labels to a file's job.
    pub(in crate::keeper) fn label(&mut self, job: &JobId, labels: &Labels) -> Labelling {
        let Some(intake) = self.open.get_mut(job) else {
            return Labelling::Unknown;
        };
        if let Stage::Indexed { number, .. } = intake.stage {
            return Labelling::Entry(number);
        }
        let mut labelled = labels.clone();
        if labels.caption.is_none() && labels.tags.is_empty() {
            // Which album it goes into says nothing of its words.
            labelled.caption.clone_from(&intake.labels.caption);
            labelled.tags.clone_from(&intake.labels.tags);
        }
        if labelled.album.is_none() {
            labelled.album.clone_from(&intake.labels.album);
        }
        intake.labels = labelled;
        Labelling::Saved(Box::new(intake.clone()))
    }

    /// The vault process has noted labels. Where others were added meanwhile, it begins anew.
    pub(in crate::keeper) fn labelled(
        &mut self,
        job: JobId,
        now: i64,
    ) -> (Vec<Effect>, Option<(JobId, u64)>) {
        let Some((placed, noted)) = self.batch.labelling.remove(&job) else {
            return (Vec::new(), None);
        };
        if let Some(intake) = self.open.get_mut(&job)
            && intake.labels == noted
        {
            intake.labels = Labels::default();
        }
        self.indexed(job, placed, now)
    }
}
