//! One change that `undo` takes back as a whole, though what it changes may come bit by bit: words
//! right after photos belong to those, too, that are still on their way in.

use std::collections::BTreeSet;

use vault::Relabelled;

use super::{Changes, Kept};
use crate::keeper::{
    Effect, JobId, Keeper,
    labels::Labels,
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
    /// What was to be noted with these before, and what was after.
    said: Option<(Labels, Labels)>,
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

    /// Takes of a change what is due to these words, and leaves what words before them had changed.
    fn share(&self, step: &Relabelled) -> (Option<Relabelled>, Option<Relabelled>) {
        let Some((before, after)) = &self.said else {
            return (Some(step.clone()), None);
        };
        let before = before.like(&step.is);
        let after = after.like(&step.is);
        if before == after || after != step.is {
            return (None, Some(step.clone()));
        }
        if before == step.was {
            return (Some(step.clone()), None);
        }
        let mine = Relabelled {
            was: before.clone(),
            ..step.clone()
        };
        let left = Relabelled {
            is: before,
            ..step.clone()
        };
        (Some(mine), Some(left))
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
    pub(in crate::keeper) fn said(
        &mut self,
        device: u32,
        words: JobId,
        coming: BTreeSet<JobId>,
        said: (Labels, Labels),
    ) {
        let done = Done {
            words: Some(words),
            coming,
            said: Some(said),
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

    /// Takes note of what was noted with a file that came: to each words that were said of it belongs
    /// what they changed. `is_last` where nothing more will be.
    fn came(&mut self, job: &JobId, steps: Vec<Relabelled>, is_last: bool) {
        for step in steps {
            let all = self.done.values_mut().flatten();
            let mut left = Some(step);
            for done in all.rev().filter(|it| it.coming.contains(job)) {
                let Some(step) = left.take() else { break };
                let (mine, others) = done.share(&step);
                left = others;
                done.add(mine.into_iter().collect());
            }
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
