//! Files on their way to other people.

use super::{Asked, Deliveries, Effect, JobId, Reply};
use crate::keeper::contacts::Act;

impl Deliveries {
    /// Returns to whom this goes, if not to the owner.
    pub(in crate::keeper) fn contact(&self, job: &JobId) -> Option<&str> {
        let Asked::SendTo { jid, .. } = &self.get(job)?.command else {
            return None;
        };
        Some(jid)
    }

    /// Ends what is on its way to somebody.
    pub(in crate::keeper) fn forget_contact(&mut self, jid: &str) -> Vec<Effect> {
        let is_theirs = |asked: &Asked| matches!(asked, Asked::SendTo { jid: to, .. } if to == jid);
        let mut effects = Vec::new();
        self.open.retain(|it| {
            let keep = !is_theirs(&it.command);
            if !keep {
                effects.push(Effect::Close(it.job));
            }
            keep
        });
        effects
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
