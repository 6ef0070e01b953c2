//! What a chat program shows beside words: reactions, corrections, marks of what was read, answers
//! to a message; as plain data.
//!
//! It knows no XML and no stanza, only the ids that messages have.

use serde::{Deserialize, Serialize};

use super::{Asker, JobId, arrivals, labels::Labels, reply::Reply};

/// Something the event loop is to do about it.
///
/// Not `Debug`: labels are what the owner wrote.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
#[expect(
    clippy::large_enum_variant,
    reason = "words are the most frequent, and none of them is kept"
)]
pub enum Chat {
    /// Send an encrypted message to all trusted devices of the owner. Where the last words were told
    /// about the same topic, it takes their place.
    Tell {
        /// The job that it is about, or the first of them.
        topic: JobId,
        /// What is told.
        reply: Reply,
    },
    /// Show ✅ at the message that brought a file (XEP-0444).
    React {
        /// The message's id.
        message: String,
        /// Whose message it is.
        to: Asker,
    },
    /// Show that this message was read (XEP-0333).
    Displayed(String),
    /// Note which entry a message brought.
    Brought {
        /// The message's id.
        message: String,
        /// The entry.
        number: u64,
    },
    /// Have the vault process note labels of this entry; the answer has its job.
    Label {
        /// The intake.
        job: JobId,
        /// The entry.
        number: u64,
        /// What is noted.
        labels: Labels,
    },
    /// Write what is remembered of arrivals.
    SaveArrivals(arrivals::Record),
}

impl Chat {
    /// Returns whether it belongs to the step's own transaction.
    #[must_use]
    pub fn is_saved(&self) -> bool {
        match self {
            Self::Tell { .. }
            | Self::React { .. }
            | Self::Displayed(_)
            | Self::Brought { .. }
            | Self::SaveArrivals(_) => true,
            Self::Label { .. } => false,
        }
    }

    /// Returns the words, if there are any.
    #[must_use]
    pub fn words(&self) -> Option<&Reply> {
        match self {
            Self::Tell { reply, .. } => Some(reply),
            Self::React { .. }
            | Self::Displayed(_)
            | Self::Brought { .. }
            | Self::Label { .. }
            | Self::SaveArrivals(_) => None,
        }
    }
}

/// What happened outside.
#[non_exhaustive]
pub enum News {
    /// Somebody, perhaps the owner, took back a message about these entries.
    TookBack {
        /// The bare address it came from.
        jid: String,
        /// The entries.
        numbers: Vec<u64>,
    },
    /// One of the owner's programs said what it can do, or went.
    Program {
        /// Its full address.
        jid: String,
        /// Whether it shows reactions.
        shows_reactions: bool,
    },
    /// So much of a file is here.
    Fetching {
        /// The intake.
        job: JobId,
        /// Bytes so far.
        done: u64,
        /// Bytes in all.
        total: u64,
    },
}

/// What stands beside a message's words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Beside {
    /// The message's id, which reactions and answers name.
    pub message: Option<String>,
    /// The full address of the program that wrote it.
    pub program: Option<String>,
    /// Entries that the message answers to.
    pub about: Vec<u64>,
    /// Whether the sender wants to hear that it was read.
    pub is_markable: bool,
    /// Whether it takes the place of an earlier message.
    pub corrects: bool,
}

/// The message that brought a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Brought {
    /// Its id.
    pub message: String,
    /// Whether ✅ is shown there in place of words.
    pub shows_reactions: bool,
}
