//! Changes of kept files on their way through the vault process.

use super::{Asked, Asker, Command, Deliveries, Effect, JobId, Reply};
use crate::keeper::{keeping::Keeping, labels::Labels};

impl Deliveries {
    /// Returns who wrote last.
    pub(in crate::keeper) fn last_asker(&self) -> Option<Asker> {
        self.asker
    }

    /// Returns what this job is to do to kept files, and who asked.
    pub(in crate::keeper) fn keeping(&self, job: &JobId) -> Option<(Option<Asker>, Keeping)> {
        let delivery = self.open.iter().find(|it| it.job == *job)?;
        let Asked::Keep(keeping) = &delivery.command else {
            return None;
        };
        Some((delivery.asker, keeping.clone()))
    }

    /// Returns what this job is to note with entries, with how many files it is noted besides, and
    /// who said it.
    pub(in crate::keeper) fn labelling(&self, job: &JobId) -> Option<(Option<Asker>, u64, Labels)> {
        let delivery = self.get(job)?;
        let Asked::Label { coming, labels, .. } = &delivery.command else {
            return None;
        };
        Some((delivery.asker, *coming, labels.clone()))
    }

    /// Asks something else in the place of what a job asked so far.
    pub(in crate::keeper) fn ask_instead(&mut self, job: JobId, keeping: Keeping) -> Vec<Effect> {
        let Some(delivery) = self.open.iter_mut().find(|it| it.job == job) else {
            return Vec::new();
        };
        delivery.command = Asked::Keep(keeping.clone());
        let mut effects = vec![Effect::SaveDelivery(delivery.clone())];
        if self.is_open {
            effects.push(Effect::Ask(job, Command::Keep(keeping)));
        }
        effects
    }

    /// Ends a job with these words.
    pub(in crate::keeper) fn close_with(&mut self, job: JobId, reply: Reply) -> Vec<Effect> {
        self.open.retain(|it| it.job != job);
        vec![Effect::Close(job), Effect::Say(reply)]
    }
}
