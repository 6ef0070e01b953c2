//! What is said of files that were looked for; the words are in `words::finding`.

use crate::keeper::command::Filter;

use super::Line;

/// Everything that is known of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// What a listing shows of it.
    pub line: Line,
    /// The name it came under, where the owner gave it another.
    pub came_as: Option<String>,
    /// Its media type, when its sender told one.
    pub media_type: Option<String>,
    /// Who sent it.
    pub sender: Option<String>,
    /// Which member it belongs to.
    pub member: Option<String>,
    /// When it was sent, in seconds since 1970.
    pub sent_at: Option<i64>,
    /// When it was entered, in seconds since 1970.
    pub entered_at: Option<i64>,
    /// Whether the daemon itself sealed it.
    pub is_proven: bool,
    /// What was written beside it.
    pub caption: Option<String>,
    /// Its tags.
    pub tags: Vec<String>,
    /// Its album.
    pub album: Option<String>,
    /// Since when it lies in the trash, in seconds since 1970.
    pub trashed_at: Option<i64>,
    /// What it says of itself, once it was looked at and is a picture.
    pub shot: Option<Shot>,
}

/// What a picture says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shot {
    /// Whether it is a moving one.
    pub is_film: bool,
    /// Width and height, in pixels.
    pub size: (u32, u32),
    /// When it was taken, by its own clock, in seconds since 1970.
    pub taken_at: Option<i64>,
    /// What it was taken with.
    pub camera: Option<String>,
    /// Where: degrees north and east, in millionths.
    pub place: Option<(i32, i32)>,
}

/// What is said of files that were looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FindingReply {
    /// A further page of all files.
    Page {
        /// Newest first.
        lines: Vec<Line>,
        /// Whether there are more.
        more: bool,
    },
    /// What was found.
    Found {
        /// What was looked for.
        filter: Filter,
        /// Newest first.
        lines: Vec<Line>,
        /// Whether there are more than shown.
        more: bool,
        /// Whether a page was shown before.
        is_further: bool,
    },
    /// Everything that is known of one file.
    About(Box<About>),
    /// The albums.
    Albums {
        /// Names, and how many files are in each.
        used: Vec<(String, u64)>,
        /// Whether there are more than shown.
        more: bool,
    },
    /// The tags.
    Tags {
        /// Names, and how many files bear each.
        used: Vec<(String, u64)>,
        /// Whether there are more than shown.
        more: bool,
    },
    /// `next` after a list that was shown to its end, or after none.
    NothingMore,
    /// `info` without a number.
    WhichFile,
}

impl FindingReply {
    /// Returns the entries that it is about.
    pub(super) fn numbers(&self) -> Vec<u64> {
        match self {
            Self::Page { lines, .. } | Self::Found { lines, .. } => {
                lines.iter().map(|line| line.number).collect()
            }
            Self::About(about) => vec![about.line.number],
            Self::Albums { .. } | Self::Tags { .. } | Self::NothingMore | Self::WhichFile => {
                Vec::new()
            }
        }
    }
}
