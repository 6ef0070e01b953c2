//! One change that `undo` takes back as a whole, though what it changes may come bit by bit: words
//! right after photos belong to those, too, that are still on their way in.

use std::collections::BTreeSet;

use vault::Relabelled;

use super::{Changes, Kept};
use crate::keeper::{
    Effect, JobId, Keeper,
    reply::{ArrivalReply, KeepReply, Reply},
};

/// What one message has changed.
#[derive(Default)]
pub(super) struct Done {
    steps: Vec<Relabelled>,
    /// The message, where it was words for files that just came.
    words: Option<JobId>,
    /// Files that it will change once they are entries.
    coming: BTreeSet<JobId>,
}

impl Done {
    pub(super) fn of(steps: Vec<Relabelled>) -> Self {
        Self {
            steps,
            ..Self::default()
        }
    }

    /// Returns whether it has changed nothing and will not.
    pub(super) fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.coming.is_empty()
    }

    /// Returns the message that were words for files that just came.
    pub(super) fn words(&self) -> Option<JobId> {
        self.words
    }

    /// Adds what was changed later. What was changed before is one change with it.
    fn add(&mut self, later: Vec<Relabelled>) {
        for step in later {
            let mut known = self.steps.iter_mut();
            let known =
                known.find(|it| it.number == step.number && it.is.is_about_the_same_as(&step.is));
            match known {
                Some(known) => known.is = step.is,
                None => self.steps.push(step),
            }
        }
    }
}

impl Changes {
    /// Takes note of words for files that are still on their way in.
    pub(in crate::keeper) fn said(&mut self, device: u32, words: JobId, coming: BTreeSet<JobId>) {
        let done = Done {
            words: Some(words),
            coming,
            ..Done::default()
        };
        self.note(device, done);
    }

    /// Takes note of what words have changed.
    fn noted(&mut self, device: u32, words: JobId, steps: Vec<Relabelled>) {
        let done = self.done.get_mut(&device);
        let known = done.and_then(|all| all.iter_mut().find(|it| it.words == Some(words)));
        if let Some(known) = known {
            known.add(steps);
            return;
        }
        let done = Done {
            words: Some(words),
            ..Done::of(steps)
        };
        self.note(device, done);
    }

    /// Takes note of what was noted with a file that came: it belongs to the last words that were
    /// said of it. `is_last` where nothing more will be.
    fn came(&mut self, job: &JobId, steps: Vec<Relabelled>, is_last: bool) {
        let mut all = self.done.values_mut().flatten();
        if let Some(last) = all.rfind(|it| it.coming.contains(job)) {
            last.add(steps);
        }
        if is_last {
            for done in self.done.values_mut().flatten() {
                done.coming.remove(job);
            }
        }
    }

    /// Returns how many files the last change of a device still waits for.
    pub(super) fn coming(&self, device: u32, is_coming: impl Fn(&JobId) -> bool) -> usize {
        let last = self.done.get(&device).and_then(|all| all.back());
        last.map_or(0, |it| {
            it.coming.iter().filter(|job| is_coming(job)).count()
        })
    }

    /// Takes the last change of a device out, for this job.
    pub(super) fn take(&mut self, job: JobId, device: u32) -> Option<Vec<Relabelled>> {
        let all = self.done.get_mut(&device)?;
        // Files that were waited for may never have come.
        while let Some(done) = all.pop_back() {
            if !done.steps.is_empty() {
                let steps = done.steps.clone();
                self.undoing.insert(job, (device, done));
                return Some(steps);
            }
        }
        None
    }
}

impl Keeper {
    /// The vault process has noted words with entries, or what belongs to a file on its way in.
    pub(super) fn labels_kept(&mut self, job: JobId, kept: Kept, now: i64) -> Vec<Effect> {
        let Kept::Labelled {
            steps,
            numbers,
            in_trash,
            missing,
        } = kept
        else {
            return Vec::new();
        };
        let Some((asker, coming, labels)) = self.deliveries.labelling(&job) else {
            let (effects, told) = self.intakes.labelled(job, now);
            let is_last = !self.intakes.is_being_labelled(&job);
            self.changes.came(&job, steps, is_last);
            self.number(told);
            return self.with_opening(effects);
        };
        if let Some(asker) = asker {
            self.changes.noted(asker.device, job, steps);
        }
        let reply = if numbers.is_empty() && coming == 0 {
            Reply::Keep(KeepReply::NoneOfThem { in_trash, missing })
        } else {
            Reply::Arrival(ArrivalReply::noted(numbers, coming, &labels))
        };
        self.deliveries.close_with(job, reply)
    }
}
