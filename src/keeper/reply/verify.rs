//! What the owner is told of checks; the words are in `words::verify`.

use crate::keeper::verify::{Fault, Outside, Tally};

use super::Line;

/// What is said of checks.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum VerifyReply {
    /// A check of everything begins, or goes on.
    Begun,
    /// How far it has come.
    Progress(Tally),
    /// Everything was checked.
    Whole(Tally),
    /// A sample that the owner asked for was opened.
    Sample(Tally),
    /// One file was checked.
    One {
        /// The entry.
        number: u64,
        /// What was found.
        tally: Tally,
    },
    /// The weekly restore drill is done.
    Drill {
        /// What was found.
        tally: Tally,
        /// When everything was checked last, and what was found.
        last_pass: Option<(i64, Tally)>,
    },
    /// The weekly restore drill is due, and the vault is locked.
    DrillWaits,
    /// Files are damaged.
    Damage {
        /// Which, and what is wrong with them.
        files: Vec<(Line, Fault)>,
        /// How many more there are.
        more: u64,
    },
    /// What was seen of a locked vault; `None` when the drive is not there.
    Outside(Option<Outside>),
    /// The check was stopped.
    Stopped(Tally),
    /// There was nothing to stop.
    NothingRuns,
    /// Drive or index failed.
    Trouble,
    /// `verify` with something that names no files.
    What {
        /// What stood there.
        word: String,
    },
}
