//! What the owner sees of the vault: plain data, no database.

use std::{fmt, time::SystemTime};

use rusqlite::{
    ToSql,
    types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef},
};

use serde::{Deserialize, Serialize};

use crate::{
    id::BlobId,
    metadata::{self, Metadata},
};

/// The number that the owner knows an entry by: counted from 1, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct EntryNumber(u64);

/// Why a number is no entry's.
#[derive(Debug, thiserror::Error)]
#[error("entries are numbered from 1")]
#[non_exhaustive]
pub struct NoEntryNumber;

impl TryFrom<u64> for EntryNumber {
    type Error = NoEntryNumber;

    fn try_from(number: u64) -> Result<Self, NoEntryNumber> {
        Self::new(number).ok_or(NoEntryNumber)
    }
}

impl From<EntryNumber> for u64 {
    fn from(number: EntryNumber) -> Self {
        number.0
    }
}

impl EntryNumber {
    /// The first number.
    pub const FIRST: Self = Self(1);

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

impl ToSql for EntryNumber {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(i64::try_from(self.0).unwrap_or(i64::MAX)))
    }
}

impl FromSql for EntryNumber {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let number = i64::column_result(value)?;
        u64::try_from(number)
            .ok()
            .and_then(Self::new)
            .ok_or(FromSqlError::OutOfRange(number))
    }
}

/// How far it is known that a blob was sealed by this vault's own daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    /// It was taken in while the vault was open, or its intake MAC held.
    Proven,
    /// It was found on the drive, and nobody vouches for it.
    Unproven,
}

impl Origin {
    pub(crate) fn to_byte(self) -> u8 {
        match self {
            Self::Proven => 1,
            Self::Unproven => 2,
        }
    }

    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Proven),
            2 => Some(Self::Unproven),
            _ => None,
        }
    }
}

/// What is known of an entry besides what its blob says. No `Debug`: it carries the owner's words.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attributes {
    /// How far the blob's origin is known.
    pub origin: Origin,
    /// What the sender wrote beside the file; kept up to 4,096 bytes.
    pub caption: Option<String>,
}

/// One kept file as the owner sees it. No `Debug`: it carries the owner's words.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The number that the owner knows it by.
    pub number: EntryNumber,
    /// The blob that holds its content.
    pub blob_id: BlobId,
    /// How long the content is, in bytes.
    pub size: u64,
    /// Name, media type, sender and times as the blob has them; empty if the blob could not be
    /// read when the index was made.
    pub metadata: Metadata,
    /// What was told besides.
    pub attributes: Attributes,
    /// What the owner did to it since.
    pub labels: Labels,
    /// When it was entered.
    #[serde(with = "metadata::as_millis")]
    pub adopted_at: Option<SystemTime>,
}

impl Entry {
    /// Returns the name the owner gave it, or else its file's.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        let given = self.labels.name.as_deref();
        given.or(self.metadata.name.as_deref())
    }
}

/// What the owner did to an entry. No `Debug`: it carries the owner's words.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Labels {
    /// The name the owner gave it.
    pub name: Option<String>,
    /// Its tags, sorted.
    pub tags: Vec<String>,
    /// The album it is in.
    pub album: Option<String>,
    /// When it was moved to the trash, if it lies there.
    #[serde(with = "metadata::as_millis")]
    pub trashed_at: Option<SystemTime>,
}

/// What became of a blob that was to be entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Adopted {
    /// It is a new entry.
    New(EntryNumber),
    /// This very blob was entered before.
    Already(EntryNumber),
    /// Another blob holds the same content. This one is noted as its duplicate, gets no number and
    /// stays on the drive until [`crate::index::Index::settle`]; what that loses is the
    /// duplicate's own name, sender and times, and nothing of its content.
    SameContentAs(EntryNumber),
}

/// Running totals of all entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// How many entries there are, without those in the trash.
    pub entries: u64,
    /// How long their contents are together, in bytes.
    pub bytes: u64,
    /// How many entries lie in the trash.
    pub trashed: u64,
    /// How long their contents are together, in bytes.
    pub trashed_bytes: u64,
}
