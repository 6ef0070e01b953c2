//! Files that come from a stick: they are sealed before their jobs are known, and are told together
//! at the end.

use super::{Effect, Intake, Intakes, JobId, Placed, Stage};
use crate::keeper::{carry::Brought, reply::StickTally};

impl Intake {
    /// Makes the job for a file of a stick that is sealed and about to get its name.
    #[must_use]
    pub(in crate::keeper) fn from_stick(brought: Brought, now: i64) -> Self {
        let Brought {
            job,
            blob,
            name,
            written_at,
            mac,
            bytes,
            hash,
        } = brought;
        let intake = Self::announced("", job, blob, ("", &name), (written_at, now));
        Self {
            mac: Some(mac),
            bytes,
            stick: Some(hash),
            ..intake
        }
    }
}

impl Intakes {
    /// A stick begins to be read.
    pub(in crate::keeper) fn begin_stick(&mut self) {
        self.stick = StickTally::default();
    }

    /// Ends the telling of a stick.
    pub(in crate::keeper) fn end_stick(&mut self) -> StickTally {
        std::mem::take(&mut self.stick)
    }

    /// Returns the hashes of the contents that came from sticks and wait for the key.
    pub(in crate::keeper) fn waiting_from_sticks(&self) -> Vec<[u8; 32]> {
        let waiting = self.open.values().filter(|it| it.stage == Stage::Waiting);
        waiting.filter_map(|it| it.stick).collect()
    }

    /// Returns whether a file of a stick is neither in the index nor waiting for the key.
    pub(in crate::keeper) fn is_busy_with_stick(&self) -> bool {
        let mut busy = self.fetching.iter().chain(&self.indexing);
        let is_from_stick = |it: &Intake| it.stick.is_some() && it.stage != Stage::Waiting;
        busy.any(|job| self.open.get(job).is_some_and(is_from_stick))
    }

    /// A file is about to get its name: its job is saved with its proof.
    pub(in crate::keeper) fn brought(&mut self, mut intake: Intake) -> Vec<Effect> {
        let last = self.open.values().map(|earlier| earlier.order).max();
        intake.order = last.unwrap_or(0).saturating_add(1);
        // Nothing is to be fetched for it.
        self.fetching.insert(intake.job);
        let saved = Effect::SaveIntake(intake.clone());
        self.open.insert(intake.job, intake);
        vec![saved]
    }

    /// It did not get its name, or nobody knows whether it did.
    pub(in crate::keeper) fn not_brought(&mut self, job: JobId) -> Vec<Effect> {
        self.fetching.remove(&job);
        let Some(intake) = self.open.remove(&job) else {
            return Vec::new();
        };
        vec![Effect::Close(job), Effect::Discard(intake.blob)]
    }

    /// Takes note of an index entry of a stick's file; `None` for those of others, and for those that
    /// waited for the key.
    pub(super) fn indexed_from_stick(
        &mut self,
        job: JobId,
        placed: &Placed,
    ) -> Option<Vec<Effect>> {
        let intake = self.open.get(&job)?;
        intake.stick.filter(|_| intake.stage != Stage::Waiting)?;
        self.open.remove(&job);
        match placed {
            Placed::Entry(line) => self.stick.numbers.push(line.number),
            Placed::SameAs(_) => self.stick.doubles += 1,
        }
        Some(vec![Effect::Close(job)])
    }
}
