//! Checks as plain data: what is asked, wanted, heard, remembered and told.

use serde::{Deserialize, Serialize};

use crate::keeper::reply::Line;

/// What `verify` is asked to check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Asked {
    /// Every file.
    All,
    /// A few, as a drill does.
    Sample(u32),
    /// One file.
    One(u64),
    /// Nothing any more.
    Stop,
}

/// Which files a check takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All, from where the last check of all stopped.
    All,
    /// A few, drawn at random.
    Sample(u32),
    /// One entry.
    One(u64),
}

/// How far a check has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Files that were checked.
    pub checked: u64,
    /// Files that are to be checked.
    pub of: u64,
    /// Bytes of content that hold.
    pub bytes: u64,
    /// Files that do not hold.
    pub damaged: u64,
}

/// What is wrong with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is not there.
    Missing,
    /// It does not hold, and was moved to the quarantine folder.
    Unsound,
    /// The drive fails to read it.
    Unreadable,
    /// It holds, and the index says other things of it.
    Differs,
}

/// What can be seen of a vault without the key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outside {
    /// Sealed files.
    pub files: u64,
    /// Their bytes as they lie on the drive.
    pub bytes: u64,
    /// Those that cannot be this vault's, or not whole.
    pub strange: u64,
    /// Those that the drive fails to read.
    pub unreadable: u64,
    /// Files that wait for the key and are not there.
    pub missing: u64,
    /// Files set aside before.
    pub set_aside: u64,
    /// Key slots that can be read.
    pub slots: u64,
    /// Records of slots and epochs that are lost or damaged.
    pub damaged_records: u64,
}

/// What the keeper is told of checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// How far a check has come.
    Progress {
        /// The check.
        run: u64,
        /// How far.
        tally: Tally,
    },
    /// A check ended.
    Ended {
        /// The check.
        run: u64,
        /// What was checked.
        tally: Tally,
        /// Whether it came to its end; otherwise drive or index failed.
        whole: bool,
    },
    /// Files are damaged that the owner was not told of.
    Damage {
        /// Which.
        files: Vec<(Line, Fault)>,
        /// How many more there are of these.
        more: u64,
        /// All that are damaged.
        total: u64,
    },
    /// What was seen from outside; `None` when the drive is not there.
    Outside(Option<Outside>),
}

/// What the event loop is to do about checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Begin a check in the vault process, in place of any other.
    Begin {
        /// Names what is heard of it.
        run: u64,
        /// Which files.
        scope: Scope,
    },
    /// End the check that is running.
    Stop,
    /// Note that the owner was told that these are damaged.
    Told {
        /// Numbers of entries.
        numbers: Vec<u64>,
        /// All others too: they were counted.
        all: bool,
    },
    /// Look at the vault from outside.
    LookOutside,
}

/// What the settings say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Whether there is a drill every week.
    pub drills: bool,
    /// Weeks between two checks of everything; 0 for none.
    pub weeks: u32,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            drills: true,
            weeks: 4,
        }
    }
}

/// What is remembered of checks, in the state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// When the last drill ended, or when the count of days began.
    pub(super) drill_at: Option<i64>,
    /// Whether the owner was told that the drill waits for the key.
    pub(super) wait_told: bool,
    /// When everything was checked last, or when the count of days began.
    pub(super) pass_at: Option<i64>,
    /// What the last check of everything found, and when.
    pub(super) last_pass: Option<(i64, Tally)>,
    /// A check of everything is under way; true when the owner asked for it.
    pub(super) pass: Option<bool>,
    /// A sample or a file that the owner asked for and has not heard of.
    pub(super) asked: Option<Asked>,
    /// Damaged files, as last heard.
    pub(super) damaged: u64,
}

/// What `status` says of checks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Facts {
    /// Damaged files.
    pub damaged: u64,
    /// How far the check that is running has come.
    pub running: Option<Tally>,
    /// When everything was last found checked, and what was found.
    pub last_pass: Option<(i64, Tally)>,
}
