//! What is in the vault: entries, search, totals. SQLCipher on the data drive, keyed from the epoch.
//!
//! A cache of the truth, which is the blobs and the sealed change log: if the index is lost or
//! damaged it is made anew when it is opened. Knows no chat and no network. The layout is in
//! `docs/formats/index.md`.

use std::{fmt, time::SystemTime};

use crate::{id::BlobId, metadata::Metadata, open::OpenVault, unseal::UnsealError};

/// The number that the owner knows an entry by: counted from 1, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryNumber(u64);

impl EntryNumber {
    /// Takes a number as the owner typed it; there is no entry 0.
    #[must_use]
    pub fn new(number: u64) -> Option<Self> {
        (number > 0 && i64::try_from(number).is_ok()).then_some(Self(number))
    }

    /// Returns the number.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for EntryNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How far it is known that a blob was sealed by this vault's own daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It was taken in while the vault was open, or its intake MAC held.
    Proven,
    /// It was found on the drive, and nobody vouches for it.
    Unproven,
}

/// What is known of an entry besides what its blob says.
#[derive(Clone, PartialEq, Eq)]
pub struct Attributes {
    /// How far the blob's origin is known.
    pub origin: Origin,
    /// What the sender wrote beside the file.
    pub caption: Option<String>,
}

/// One kept file as the owner sees it. No `Debug`: it carries the owner's words.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// The number that the owner knows it by.
    pub number: EntryNumber,
    /// The blob that holds its content.
    pub blob_id: BlobId,
    /// How long the content is, in bytes.
    pub size: u64,
    /// Name, media type, sender and times as the blob has them.
    pub metadata: Metadata,
    /// What is known besides.
    pub attributes: Attributes,
    /// When it was entered.
    pub adopted_at: Option<SystemTime>,
}

/// What became of a blob that was to be entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adopted {
    /// It is a new entry.
    New(EntryNumber),
    /// This very blob was entered before; nothing changed.
    Already(EntryNumber),
    /// Another blob holds the same content. This one is noted as its duplicate and stays on the
    /// drive; once [`crate::folder::VaultFolder::remove_duplicate`] removes it nothing is lost but
    /// its own name, sender and times.
    SameContentAs(EntryNumber),
}

/// Running totals of all entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// How many entries there are.
    pub entries: u64,
    /// How long their contents are together, in bytes.
    pub bytes: u64,
}

/// What a search found, newest first.
pub struct Found {
    /// The entries, at most as many as were asked for.
    pub entries: Vec<Entry>,
    /// False when only the newest entries were looked at, because every word was shorter than
    /// three characters.
    pub searched_all: bool,
}

/// Why the index could not answer or change. After [`IndexError::Database`] or [`IndexError::Log`]
/// from a change the index must be opened anew.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// The index could not be read or written.
    #[error("the index could not be read or written")]
    Database(#[from] rusqlite::Error),
    /// The change log could not be written.
    #[error("the change log could not be written")]
    Log(#[source] std::io::Error),
    /// The blob could not be read.
    #[error(transparent)]
    Blob(#[from] UnsealError),
    /// The index was written by a later version of this program.
    #[error("the index has version {found}, this program reads up to {newest}")]
    TooNew {
        /// The version found.
        found: u32,
        /// The newest that this program reads.
        newest: u32,
    },
}

/// How an index came to be open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Opening {
    /// It was there and sound.
    Found,
    /// It was not there, or damaged and set aside, and was made anew from blobs and change log.
    Rebuilt {
        /// How many entries it has.
        entries: u64,
        /// How many blobs could not be read; none of them was touched.
        unreadable: u64,
    },
}

/// The index of an open vault.
pub struct Index {}

impl Index {
    /// Opens the index, and makes it anew if it is missing or damaged.
    ///
    /// # Errors
    /// When the drive fails.
    pub fn open(_vault: &OpenVault, _now: SystemTime) -> Result<(Self, Opening), IndexError> {
        unimplemented!()
    }

    /// Enters a blob, once: doing it again changes nothing.
    ///
    /// # Errors
    /// When the blob is not authentic or the drive fails.
    pub fn adopt(
        &mut self,
        _blob_id: &BlobId,
        _attributes: Attributes,
        _now: SystemTime,
    ) -> Result<Adopted, IndexError> {
        unimplemented!()
    }

    /// Lists entries before a number, or the newest, newest first.
    ///
    /// # Errors
    /// When the drive fails.
    pub fn list(
        &self,
        _before: Option<EntryNumber>,
        _limit: usize,
    ) -> Result<Vec<Entry>, IndexError> {
        unimplemented!()
    }

    /// Finds entries whose name or caption holds every word, newest first.
    ///
    /// # Errors
    /// When the drive fails.
    pub fn find(&self, _words: &str, _limit: usize) -> Result<Found, IndexError> {
        unimplemented!()
    }

    /// Returns one entry.
    ///
    /// # Errors
    /// When the drive fails.
    pub fn get(&self, _number: EntryNumber) -> Result<Option<Entry>, IndexError> {
        unimplemented!()
    }

    /// Returns the newest `n` entries, newest first.
    ///
    /// # Errors
    /// When the drive fails.
    pub fn last(&self, n: usize) -> Result<Vec<Entry>, IndexError> {
        self.list(None, n)
    }

    /// Returns the running totals.
    ///
    /// # Errors
    /// When the drive fails.
    pub fn totals(&self) -> Result<Totals, IndexError> {
        unimplemented!()
    }
}
