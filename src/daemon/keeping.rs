//! Changes of kept files, in the words of the vault process and back.

use vault::Relabelled;

use super::{Daemon, moment};
use crate::{
    keeper::{
        Answer, Input, JobId,
        keeping::{Heard, Keeping, Kept},
        labels::Labels,
        reply::Line,
    },
    vault_process::{EditAsk, Edited, Order, Row},
};

/// Names the order that nobody asked for: what has lain in the trash long enough goes.
const TENDING: [u8; 32] = [0; 32];
/// Lines of the trash that are shown.
const TRASH_LINES: u32 = 50;
const DAY_SECONDS: i64 = 24 * 60 * 60;

/// Returns the order that a wish becomes; `at` is what a clock shows that never goes back.
pub(super) fn order(job: JobId, keeping: Keeping, at: i64) -> Order {
    let looks_first = keeping.looks_first();
    let ask = match keeping {
        Keeping::Label { ranges, .. } | Keeping::Delete { ranges } if looks_first => {
            EditAsk::Look { ranges }
        }
        Keeping::Label { ranges, labels } => EditAsk::Label { ranges, labels, at },
        Keeping::Delete { ranges } => EditAsk::Look { ranges },
        Keeping::Trash => EditAsk::Trash {
            lines: TRASH_LINES,
            at,
        },
        Keeping::EmptyTrash => EditAsk::Trash { lines: 0, at },
        Keeping::Purge { until, most } => EditAsk::Purge {
            until,
            most: Some(most),
        },
        Keeping::Revert { steps } => EditAsk::Revert { steps, at },
        // The keeper knows what was last, and asks for that.
        Keeping::Undo => EditAsk::Revert {
            steps: Vec::<Relabelled>::new(),
            at,
        },
    };
    Order::Edit { job: job.0, ask }
}

/// Returns the order that notes the same with these entries; `at` as in [`order`].
pub(super) fn label(job: [u8; 32], numbers: &[u64], labels: &Labels, at: i64) -> Order {
    let ranges = numbers.iter().map(|&number| (number, number)).collect();
    let labels = labels.wanted();
    Order::Edit {
        job,
        ask: EditAsk::Label { ranges, labels, at },
    }
}

/// Returns what the keeper hears of it.
pub(super) fn heard(
    job: [u8; 32],
    edited: Edited,
    free: Option<u64>,
    line: impl Fn(Row) -> Line,
) -> Input {
    let kept = match edited {
        Edited::Purged { count, .. } if job == TENDING => {
            return Input::Files(Heard::Purged { count });
        }
        Edited::Found {
            rows,
            in_trash,
            missing,
        } => Kept::Found {
            lines: rows.into_iter().map(line).collect(),
            in_trash,
            missing,
        },
        Edited::Labelled {
            steps,
            numbers,
            in_trash,
            missing,
        } => Kept::Labelled {
            steps,
            numbers,
            in_trash,
            missing,
        },
        Edited::Reverted {
            numbers,
            changed,
            missing,
        } => Kept::Reverted {
            numbers,
            changed,
            missing,
        },
        Edited::Trash {
            rows,
            count,
            bytes,
            at,
        } => Kept::Trash {
            lines: rows
                .into_iter()
                .map(|(row, since)| (line(row), since))
                .collect(),
            count,
            bytes,
            at,
        },
        Edited::Purged { count, bytes } => Kept::Purged { count, bytes },
        Edited::MoreThanShown => Kept::MoreThanShown,
    };
    Input::Answered {
        job: JobId(job),
        answer: Answer::Kept(kept),
        free,
    }
}

/// Returns the order that removes for good what has lain in the trash for so many days.
#[must_use]
pub fn purge_old(days: u32, at: i64) -> Order {
    let days = i64::from(days).saturating_mul(DAY_SECONDS);
    Order::Edit {
        job: TENDING,
        ask: EditAsk::Purge {
            until: at.saturating_sub(days),
            most: None,
        },
    }
}

impl Daemon {
    /// Returns what the clock shows that no wrong clock moves far, and that never goes back: what is
    /// deleted by a clock that stands in 1970 would be gone the next day.
    pub(super) fn calm_now(&mut self) -> i64 {
        self.life.calm.look(moment()).calm
    }

    /// Removes for good what has lain in the trash for so many days.
    pub(super) fn purge_old(&mut self, days: u32) {
        let order = purge_old(days, self.calm_now());
        if let Some(vault) = &self.vault {
            vault.process.order(order);
        }
    }
}
