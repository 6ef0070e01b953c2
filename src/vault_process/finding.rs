//! What the vault process is asked of entries, and what it says of them.

use serde::{Deserialize, Serialize};
use vault::index::Search;

use super::Row;

/// A question about entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FindAsk {
    /// Entries that are as a search says, newest first.
    Show {
        /// What they are like.
        search: Search,
        /// Only those before this number.
        before: Option<u64>,
        /// How many at most.
        lines: u32,
    },
    /// Everything that is known of one.
    About {
        /// Its number.
        number: u64,
    },
    /// Albums and how many entries are in each.
    Albums {
        /// Only those after this one, as [`FindWord::Used`] gave it.
        after: String,
    },
    /// Tags and how many entries bear each.
    Tags {
        /// Only those after this one, as [`FindWord::Used`] gave it.
        after: String,
    },
}

/// Everything that is known of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// What a listing shows of it.
    pub row: Row,
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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

/// What the vault process says of entries. [`FindAsk::Show`] is answered by
/// [`Word::Rows`](super::Word::Rows).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FindWord {
    /// Everything that is known of an entry; `None` where there is none of this number.
    About(Option<Box<About>>),
    /// Albums or tags, in the order of the alphabet, each with how many entries it has.
    Used {
        /// Name and count.
        used: Vec<(String, u64)>,
        /// After which the next ones come, where there are more.
        more_after: Option<String>,
    },
}
