//! Files on their way to other people.

use super::{Asked, Deliveries, Delivery, Effect, JobId, Reply};
use crate::keeper::contacts::Act;

impl Delivery {
    /// Returns to whom this goes, if not to the owner.
    pub(in crate::keeper) fn contact(&self) -> Option<&str> {
        let Asked::SendTo { jid, .. } = &self.command else {
            return None;
        };
        Some(jid)
    }
}

/// Returns which of these go to other people.
pub(super) fn jobs(deliveries: &[Delivery]) -> Vec<JobId> {
    let theirs = deliveries.iter().filter(|it| it.contact().is_some());
    theirs.map(|it| it.job).collect()
}

impl Deliveries {
    /// Returns to whom this goes, if not to the owner.
    pub(in crate::keeper) fn contact(&self, job: &JobId) -> Option<&str> {
        self.get(job)?.contact()
    }

    /// Takes those out that go to other people and are such.
    pub(in crate::keeper) fn end_sending(
        &mut self,
        is_it: impl Fn(&Delivery) -> bool,
    ) -> Vec<Delivery> {
        let open = std::mem::take(&mut self.open).into_iter();
        let (ended, left): (Vec<_>, Vec<_>) =
            open.partition(|it| it.contact().is_some() && is_it(it));
        self.open = left.into();
        ended
    }

    /// Returns, once, what the last run had not sent to other people when it ended.
    pub(in crate::keeper) fn take_left_over(&mut self) -> Vec<JobId> {
        std::mem::take(&mut self.left_over)
    }

    /// Says to whom it goes where a file is, or to the owner as `said`.
    pub(super) fn hand_over(&self, job: &JobId, numbers: &[u64], said: Vec<Reply>) -> Vec<Effect> {
        let Some(jid) = self.contact(job) else {
            return said.into_iter().map(Effect::Say).collect();
        };
        let jid = jid.to_owned();
        let numbers = numbers.to_vec();
        let is_file = |it: &Reply| matches!(it, Reply::File { .. } | Reply::Described { .. });
        let file = said.into_iter().find(is_file);
        let send = |file| Effect::Contact(Act::Send { jid, numbers, file });
        file.map(Box::new).map(send).into_iter().collect()
    }
}
