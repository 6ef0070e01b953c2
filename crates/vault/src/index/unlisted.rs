//! Blobs on the drive that neither index nor change log know: of unproven origin.
//!
//! Anybody who has the vault's public half can seal a blob, so nothing here is taken in by itself:
//! it is counted and shown, and entered when the owner says so.

use std::cmp::Ordering;

use rusqlite::{Connection, Rows};
use sha2::{Digest as _, Sha256};

use super::{EntryNumber, FromBlob, Index, IndexError, Origin, query, read_blob};
use crate::{
    change_log::{Change, What},
    id::BlobId,
    metadata::{self, Metadata},
    open::OpenVault,
};

/// How many changes are carried out in one transaction.
const BATCH: usize = 500;
/// How many of the unlisted blobs are described one by one.
const DESCRIBED: usize = 20;

/// What lies on the drive and is in neither index nor change log.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unlisted {
    /// How many of these blobs open.
    pub count: u64,
    /// How long their contents are together, in bytes.
    pub bytes: u64,
    /// Size and metadata of the oldest of them, some twenty at most.
    pub oldest: Vec<(u64, Metadata)>,
    /// Those that do not open; none of them was touched.
    pub unreadable: Vec<BlobId>,
    /// Names exactly this set: it changes with every blob that comes or goes.
    pub digest: [u8; 32],
    /// In the order in which they would be entered: by time received, then by blob id.
    blobs: Vec<(i64, BlobId)>,
}

impl Index {
    /// Looks which blobs on the drive neither index nor change log know, but for those in
    /// `waiting`, whose proof of origin lies on the system card.
    ///
    /// # Errors
    /// When the drive fails.
    pub fn unlisted(&self, waiting: &[BlobId]) -> Result<Unlisted, IndexError> {
        let mut found = Unlisted::default();
        let mut hash = Sha256::new();
        for blob in self.unlisted_blobs(waiting)? {
            hash.update(blob.as_bytes());
            // Another blob under the same name is another set.
            if let Ok(header) = self.vault.folder().header_hash(&blob) {
                hash.update(header.as_bytes());
            }
            match read_blob(&self.vault, &blob) {
                Ok(read) => {
                    found.count += 1;
                    found.bytes = found.bytes.saturating_add(read.size);
                    found.blobs.push((received(&read), blob));
                }
                Err(_) => found.unreadable.push(blob),
            }
        }
        found.digest = hash.finalize().into();
        found.blobs.sort_unstable();
        found.oldest = found
            .blobs
            .iter()
            .take(DESCRIBED)
            .filter_map(|(_, blob)| read_blob(&self.vault, blob).ok())
            .map(|read| (read.size, read.metadata))
            .collect();
        Ok(found)
    }

    /// Enters the unlisted blobs as of unproven origin, oldest first, if they are still the set
    /// that `seen` names; otherwise changes nothing. Returns the numbers they got: a blob whose
    /// content an entry has already becomes its duplicate and gets none.
    ///
    /// # Errors
    /// When the drive fails. What was entered until then stays entered.
    pub fn take_unlisted(
        &mut self,
        waiting: &[BlobId],
        seen: &[u8; 32],
        now: std::time::SystemTime,
    ) -> Result<Option<Vec<EntryNumber>>, IndexError> {
        let found = self.unlisted(waiting)?;
        if found.digest != *seen {
            return Ok(None);
        }
        let at = metadata::to_millis(Some(now));
        let mut numbers = Vec::new();
        for batch in found.blobs.chunks(BATCH) {
            let mut read = Vec::with_capacity(batch.len());
            for (_, blob) in batch {
                read.push((*blob, read_blob(&self.vault, blob)?));
            }
            numbers.extend(self.enter_batch(&read, at)?);
        }
        Ok(Some(numbers))
    }

    fn enter_batch(
        &mut self,
        read: &[(BlobId, FromBlob)],
        at: i64,
    ) -> Result<Vec<EntryNumber>, IndexError> {
        let mut number = query::next_number(&self.database)?;
        let mut marks = std::collections::HashMap::new();
        let mut changes = Vec::with_capacity(read.len());
        let mut entered = Vec::new();
        for (blob, from) in read {
            let blob = *blob;
            let same = marks.get(&from.mark).copied();
            let same = same.map_or_else(
                || query::by_mark(&self.database, &from.mark),
                |it| Ok(Some(it)),
            )?;
            if let Some(number) = same {
                changes.push((Change::new(number, blob, at, What::Duplicate), None));
                continue;
            }
            marks.insert(from.mark, number);
            let what = What::Adopted {
                origin: Origin::Unproven,
                caption: None,
            };
            changes.push((Change::new(number, blob, at, what), Some(from)));
            entered.push(number);
            number = EntryNumber::new(number.get() + 1).ok_or(IndexError::TooNew)?;
        }
        self.change_all(&changes)?;
        Ok(entered)
    }

    /// Goes through the drive's blobs and the index's side by side, both in the order of their
    /// names, so that a large vault costs no memory.
    fn unlisted_blobs(&self, waiting: &[BlobId]) -> Result<Vec<BlobId>, IndexError> {
        let mut entries = by_name(&self.database, "entries")?;
        let mut duplicates = by_name(&self.database, "duplicates")?;
        let mut known = (Known::new(&mut entries)?, Known::new(&mut duplicates)?);
        let mut unlisted = Vec::new();
        for blob in self.vault.folder().blobs().map_err(IndexError::Log)? {
            let blob = blob.map_err(IndexError::Log)?;
            let listed = known.0.has(&blob)? | known.1.has(&blob)?;
            if !listed && !waiting.contains(&blob) {
                unlisted.push(blob);
            }
        }
        Ok(unlisted)
    }
}

fn by_name<'a>(database: &'a Connection, table: &str) -> rusqlite::Result<rusqlite::Statement<'a>> {
    database.prepare(&format!("SELECT blob_id FROM {table} ORDER BY blob_id"))
}

/// The blobs of one table in the order of their names.
struct Known<'a> {
    rows: Rows<'a>,
    next: Option<Vec<u8>>,
}

impl<'a> Known<'a> {
    fn new(statement: &'a mut rusqlite::Statement<'_>) -> rusqlite::Result<Self> {
        let mut known = Self {
            rows: statement.query([])?,
            next: None,
        };
        known.step()?;
        Ok(known)
    }

    fn step(&mut self) -> rusqlite::Result<()> {
        self.next = self.rows.next()?.map(|row| row.get(0)).transpose()?;
        Ok(())
    }

    /// Tells whether the table has this blob; to be asked in ascending order.
    fn has(&mut self, blob: &BlobId) -> rusqlite::Result<bool> {
        while let Some(next) = &self.next {
            match next.as_slice().cmp(blob.as_bytes()) {
                Ordering::Less => self.step()?,
                Ordering::Equal => return Ok(true),
                Ordering::Greater => return Ok(false),
            }
        }
        Ok(false)
    }
}

fn received(read: &FromBlob) -> i64 {
    metadata::to_millis(read.metadata.received_at)
}

impl OpenVault {
    /// Tells whether the system card vouches for the blob that lies on the drive under this name.
    ///
    /// # Errors
    /// When there is no such blob, it is too short for one, or the drive fails.
    pub fn is_vouched(
        &self,
        blob: &BlobId,
        mac: &crate::IntakeMac,
        key: &crate::IntakeKey,
    ) -> std::io::Result<bool> {
        let header = self.folder().header_hash(blob)?;
        Ok(key.verifies(mac, self.folder().vault_id(), blob, &header))
    }
}

#[cfg(test)]
mod tests;
