//! What the owner is told without having asked; the words are in `words::notices`.

use crate::keeper::{
    custody::Mode,
    notices::Kind,
    storage::{DriveTrouble, Forecast},
    verify::Tally,
};

use super::WayIn;

/// What is said of a week.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Files that came in, and their bytes.
    pub came: (u64, u64),
    /// Files that left the trash for good.
    pub purged: u64,
    /// What the restore drill found that ended just now.
    pub drill: Option<Tally>,
    /// Whether the drill is due and waits for the key.
    pub drill_waits: bool,
    /// Damaged files.
    pub damaged: u64,
    /// When every file was checked last, and what was found.
    pub last_pass: Option<(i64, Tally)>,
    /// Files that wait for the key.
    pub waiting: u64,
    /// Free bytes on the data drive, when known.
    pub free: Option<u64>,
    /// What keeps the drive from taking files.
    pub drive: Option<DriveTrouble>,
    /// What the room on the drive means.
    pub forecast: Forecast,
    /// How the vault is opened, if there is one way in only.
    pub one_way_in: Option<Mode>,
}

/// What is said of and in notices.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoticeReply {
    /// Which notices there are, and the quiet hours.
    List {
        /// Those that are switched off.
        off: Vec<Kind>,
        /// The hours it begins and ends at.
        hours: Option<(u8, u8)>,
        /// What time it is here: hour and minute.
        local: (u8, u8),
    },
    /// A kind was switched on or off.
    Switched {
        /// The kind.
        kind: Kind,
        /// Whether it is wanted now.
        on: bool,
    },
    /// There are quiet hours now, or none.
    Quiet {
        /// The hours it begins and ends at.
        hours: Option<(u8, u8)>,
        /// What time it is here: hour and minute.
        local: (u8, u8),
    },
    /// `quiet` with what are no hours.
    QuietHow,
    /// `notices` with a kind that there is not.
    Which {
        /// What stood there.
        word: String,
    },
    /// What was held back in quiet hours.
    Held {
        /// Each message.
        words: Vec<String>,
        /// How many more there were.
        more: u64,
    },
    /// What happened in a week.
    Weekly(Report),
    /// Files have waited for the key for a day.
    Waiting {
        /// How many.
        files: u64,
        /// What opens the vault.
        way: WayIn,
    },
    /// The data drive has been in trouble for a while.
    Drive(DriveTrouble),
    /// It is well again.
    DriveBack,
    /// There is little room left.
    NearlyFull {
        /// Free bytes.
        free: Option<u64>,
        /// What that means.
        forecast: Forecast,
    },
}
