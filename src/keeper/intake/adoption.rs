//! The vault was opened: what waited for it goes into the index, and is told together.

use super::{Effect, Intake, Intakes, Opening, Reply, Stage};

impl Intakes {
    /// The vault is open: every file that waited is put into the index.
    pub(in crate::keeper) fn adopt(&mut self, announce: bool) -> Vec<Effect> {
        self.opening = Some(Opening { announce });
        let mut waiting: Vec<&Intake> = self
            .open
            .values()
            .filter(|it| it.stage == Stage::Waiting && it.held.is_none())
            .collect();
        waiting.sort_by_key(|intake| intake.order);
        let waiting: Vec<Intake> = waiting.into_iter().cloned().collect();
        self.indexing
            .extend(waiting.iter().map(|intake| intake.job));
        waiting.into_iter().map(Effect::Index).collect()
    }

    /// Returns whether files that waited are still being put into the index.
    pub(in crate::keeper) fn is_adopting(&self) -> bool {
        self.opening.is_some()
    }

    /// Tells of the opening once nothing is left to adopt.
    pub(in crate::keeper) fn summary(&mut self) -> Vec<Effect> {
        let adopting = |it: &&Intake| it.stage == Stage::Waiting && self.indexing.contains(&it.job);
        if self.opening.is_none() || self.open.values().find(adopting).is_some() {
            return Vec::new();
        }
        let announce = self.opening.take().is_some_and(|opening| opening.announce);
        let mut adopted = Vec::new();
        let mut doubles = 0;
        let mut closed = Vec::new();
        for intake in self.open.values() {
            if let Stage::Indexed { number, double } = intake.stage
                && !self.batch.has(&intake.job)
            {
                closed.push(intake.job);
                if double {
                    doubles += 1;
                } else {
                    adopted.push(number);
                }
            }
        }
        adopted.sort_unstable();
        for job in &closed {
            self.open.remove(job);
        }
        if closed.is_empty() && !announce {
            return Vec::new();
        }
        let mut effects: Vec<Effect> = closed.into_iter().map(Effect::Close).collect();
        effects.push(Effect::Say(Reply::Opened { adopted, doubles }));
        effects
    }
}
