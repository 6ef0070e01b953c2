//! What the owner does to kept files, as it crosses the control socket.

use serde::{Deserialize, Serialize};
use vault::{Label, Relabelled};

use super::Row;

/// What the daemon wants done to entries. Times are seconds since 1970, by the daemon's clock that
/// never goes back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum EditAsk {
    /// Which entries are these? Ranges of numbers, both ends included; (0, n) is the newest n.
    Look {
        /// The ranges.
        ranges: Vec<(u64, u64)>,
    },
    /// Make them so. Ranges name numbers only.
    Label {
        /// The ranges.
        ranges: Vec<(u64, u64)>,
        /// What each of them is to be.
        labels: Vec<Label>,
        /// When this is.
        at: i64,
    },
    /// Take changes back, where they still stand.
    Revert {
        /// The changes.
        steps: Vec<Relabelled>,
        /// When this is.
        at: i64,
    },
    /// What lies in the trash.
    Trash {
        /// How many lines.
        lines: u32,
        /// When this is.
        at: i64,
    },
    /// Remove for good what lies in the trash since then or longer.
    Purge {
        /// Since when.
        until: i64,
        /// If there are more, nothing is removed.
        most: Option<u64>,
    },
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Edited {
    /// These are they.
    Found {
        /// Those that exist and lie outside of the trash.
        rows: Vec<Row>,
        /// Those that lie in the trash.
        in_trash: Vec<u64>,
        /// Numbers that name none.
        missing: Vec<u64>,
    },
    /// They are so now.
    Labelled {
        /// What that has changed.
        steps: Vec<Relabelled>,
        /// Those that are so now, changed or not.
        numbers: Vec<u64>,
        /// Those that were left alone because they lie in the trash.
        in_trash: Vec<u64>,
        /// Numbers that name none.
        missing: Vec<u64>,
    },
    /// Changes are taken back.
    Reverted {
        /// Entries that are as they were.
        numbers: Vec<u64>,
        /// Entries that somebody changed since, which were left alone.
        changed: Vec<u64>,
        /// Entries that are gone.
        missing: Vec<u64>,
    },
    /// What lies in the trash.
    Trash {
        /// The newest numbers first, each with when it was moved there.
        rows: Vec<(Row, i64)>,
        /// All that lie there.
        count: u64,
        /// Bytes of their content.
        bytes: u64,
        /// When this was asked.
        at: i64,
    },
    /// They are gone for good.
    Purged {
        /// How many.
        count: u64,
        /// Bytes of their content.
        bytes: u64,
    },
    /// There are more than were to be removed; nothing was.
    MoreThanShown,
}
