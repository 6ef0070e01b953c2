//! What is said about files that come in together, and about what is noted with them.

use crate::keeper::labels::Labels;

use super::Reply;

/// What is said about arrivals.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ArrivalReply {
    /// Several files are in the index.
    Stored {
        /// Their numbers, lowest first.
        numbers: Vec<u64>,
        /// How long their contents are together, in bytes.
        bytes: u64,
        /// Numbers of entries that had the content of others already.
        doubles: Vec<u64>,
        /// How many of the same run did not come in, or not yet.
        others: u64,
        /// Whether more are on their way.
        so_far: bool,
    },
    /// A large file is on its way in.
    Receiving {
        /// Its name.
        name: String,
        /// How much is here, in hundredths.
        percent: u64,
        /// How large it is, in bytes.
        total: u64,
    },
    /// Words are noted with files.
    Noted {
        /// Those that are entries.
        numbers: Vec<u64>,
        /// How many are not yet.
        coming: u64,
        /// What is noted.
        labels: Labels,
    },
    /// What comes from now on goes into an album.
    AlbumOn {
        /// Its name.
        album: String,
    },
    /// What comes from now on goes into none.
    AlbumOff {
        /// The one that it went into.
        ended: Option<String>,
    },
    /// `album` without a name.
    AlbumWhich {
        /// The one that new files go into.
        album: Option<String>,
    },
}

impl Reply {
    /// Returns the entries that it is about, so that an answer to it means them.
    #[must_use]
    pub fn numbers(&self) -> Vec<u64> {
        if let Self::Stored { line } | Self::Caption { line } = self {
            vec![line.number]
        } else if let Self::Finding(reply) = self {
            reply.numbers()
        } else if let Self::Listing { lines, .. } = self {
            lines.iter().map(|line| line.number).collect()
        } else if let Self::AlreadyKept { number, .. } | Self::NotSent { number, .. } = self {
            vec![*number]
        } else if let Self::Opened { adopted, .. } = self {
            adopted.clone()
        } else if let Self::Arrival(reply) = self {
            reply.numbers()
        } else {
            Vec::new()
        }
    }
}

impl ArrivalReply {
    /// Says what is noted, and with what.
    pub(in crate::keeper) fn noted(numbers: Vec<u64>, coming: u64, labels: &Labels) -> Self {
        Self::Noted {
            numbers,
            coming,
            labels: labels.clone(),
        }
    }

    fn numbers(&self) -> Vec<u64> {
        match self {
            Self::Stored {
                numbers, doubles, ..
            } => [numbers.as_slice(), doubles].concat(),
            Self::Noted { numbers, .. } => numbers.clone(),
            Self::Receiving { .. }
            | Self::AlbumOn { .. }
            | Self::AlbumOff { .. }
            | Self::AlbumWhich { .. } => Vec::new(),
        }
    }
}
