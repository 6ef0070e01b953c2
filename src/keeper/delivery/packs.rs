//! Many files at once go out as zips, each as large as the server takes.
//!
//! What is packed at the moment lives in memory only: after a crash the zip is made anew.

use std::collections::HashSet;

use super::Deliveries;
use crate::keeper::{
    Effect, JobId, Packed,
    reply::{DeliveryFailure, DeliveryReply, Reply},
};

/// So many files go out one after another; more are packed.
const MOST_SINGLE: usize = 10;

/// What is packed, and how large a zip may be.
#[derive(Default)]
pub(super) struct Packs {
    /// Jobs of more files than go out one after another, to their last file.
    jobs: HashSet<JobId>,
    /// What is in the zip that is on its way.
    packed: Option<(JobId, Vec<u64>)>,
    /// The longest file that the server takes, in bytes, once that is known.
    limit: Option<u64>,
    /// So many files at most go into one zip, where the server does not say what it takes.
    most: Option<usize>,
}

impl Packs {
    /// Notes how many files a job has; returns what is said of it.
    pub(super) fn begin(&mut self, job: JobId, files: usize) -> Option<Reply> {
        let files = Some(files).filter(|it| *it > MOST_SINGLE)?;
        self.jobs.insert(job);
        self.most = None;
        let files = files as u64;
        Some(Reply::Delivery(DeliveryReply::Packing { files }))
    }

    /// Returns the packing of what remains of a job, if it is packed.
    pub(super) fn next(&mut self, job: JobId, remaining: &[u64]) -> Option<Effect> {
        if remaining.len() > MOST_SINGLE {
            self.jobs.insert(job);
        }
        let is_packed = self.jobs.contains(&job);
        let most = self.most.unwrap_or(usize::MAX);
        is_packed.then(|| {
            let together = remaining.iter().take(most).copied().collect();
            Effect::Pack(job, together, self.limit)
        })
    }

    /// Takes what is in the zip of a job.
    pub(super) fn take(&mut self, job: JobId) -> Option<Vec<u64>> {
        let packed = self.packed.take_if(|(packed, _)| *packed == job)?;
        Some(packed.1)
    }

    /// Returns whether a smaller zip may do what this one could not, and has the next one so.
    pub(super) fn smaller(&mut self, numbers: &[u64], why: DeliveryFailure) -> bool {
        let DeliveryFailure::TooLarge { limit } = why else {
            return false;
        };
        let Some(limit) = limit else {
            // A server that does not say how large it may be is tried with half of them.
            self.most = Some(numbers.len().div_ceil(2));
            return numbers.len() > 1;
        };
        let is_news = self.limit.is_none_or(|known| limit < known);
        self.limit = Some(limit);
        is_news && numbers.len() > 1
    }

    /// Forgets what is on its way.
    pub(super) fn interrupted(&mut self) {
        self.packed = None;
    }
}

impl Deliveries {
    /// A zip of these is about to be sent; what does not open is not in it.
    pub(in crate::keeper) fn packed(&mut self, packed: Packed) -> Vec<Effect> {
        let Packed {
            job,
            numbers,
            damaged,
        } = packed;
        if self.sending != Some(job) {
            return Vec::new();
        }
        let mut effects = Vec::new();
        let Some(at) = self.open.iter().position(|it| it.job == job) else {
            return Vec::new();
        };
        if let Some(delivery) = self.open.get_mut(at)
            && let Some(remaining) = &mut delivery.remaining
            && !damaged.is_empty()
        {
            remaining.retain(|it| !damaged.contains(it));
            if remaining.is_empty() {
                self.open.remove(at);
                effects.push(Effect::Close(job));
            } else {
                effects.push(Effect::SaveDelivery(delivery.clone()));
            }
            let why = DeliveryFailure::Damaged;
            let not_sent = |&number: &u64| Effect::Say(Reply::NotSent { number, why });
            effects.extend(damaged.iter().map(not_sent));
        }
        if numbers.is_empty() {
            self.sending = None;
            let next = self.send_next();
            if next.is_empty() {
                effects.push(Effect::Typing(false));
            }
            effects.extend(next);
        } else {
            self.packs.packed = Some((job, numbers));
        }
        effects
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOB: JobId = JobId([1; 32]);

    fn too_large(limit: u64) -> DeliveryFailure {
        DeliveryFailure::TooLarge { limit: Some(limit) }
    }

    #[test]
    fn ten_files_go_one_by_one_and_eleven_are_packed_to_the_last() {
        let mut packs = Packs::default();
        let ten: Vec<u64> = (1..=10).collect();
        let eleven: Vec<u64> = (1..=11).collect();

        assert!(packs.begin(JOB, 10).is_none());
        assert!(packs.next(JOB, &ten).is_none());
        assert!(packs.begin(JOB, 11).is_some());
        assert!(packs.next(JOB, &eleven) == Some(Effect::Pack(JOB, eleven, None)));
        assert!(packs.next(JOB, &[11]) == Some(Effect::Pack(JOB, vec![11], None)));
        assert!(packs.next(JobId([2; 32]), &[11]).is_none(), "another job");
    }

    #[test]
    fn where_the_server_says_no_limit_half_of_the_files_are_tried_down_to_one() {
        let mut packs = Packs::default();
        let eight: Vec<u64> = (1..=8).collect();
        let why = DeliveryFailure::TooLarge { limit: None };
        packs.jobs.insert(JOB);
        let mut tried = Vec::new();

        while let Some(Effect::Pack(_, numbers, None)) = packs.next(JOB, &eight) {
            tried.push(numbers.len());
            if !packs.smaller(&numbers, why) {
                break;
            }
        }

        assert_eq!(tried, [8, 4, 2, 1]);
        packs.begin(JOB, 11);
        assert!(packs.next(JOB, &eight) == Some(Effect::Pack(JOB, eight, None)));
    }

    #[test]
    fn what_is_too_large_is_tried_smaller_once_for_each_limit() {
        let mut packs = Packs::default();
        let numbers = [1, 2, 3];

        assert!(!packs.smaller(&numbers, DeliveryFailure::ServerTrouble));
        assert!(packs.smaller(&numbers, too_large(100)));
        assert!(!packs.smaller(&numbers, too_large(100)), "no news");
        assert!(packs.smaller(&numbers, too_large(50)));
        assert!(!packs.smaller(&[1], too_large(20)), "nothing to leave out");
        packs.begin(JOB, 11);
        assert!(packs.next(JOB, &[1]) == Some(Effect::Pack(JOB, vec![1], Some(20))));
    }
}
