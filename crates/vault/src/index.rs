//! What is in the vault: entries, search, totals. SQLCipher on the data drive, keyed from the epoch.
//!
//! A cache of the truth, which is the blobs and the sealed change log: if the index is lost or
//! damaged it is made anew when it is opened. Knows no chat and no network. The layout is in
//! `docs/formats/index.md`.

use std::time::SystemTime;

use rusqlite::Connection;

use crate::{
    change_log::{Change, ChangeLog, What},
    id::BlobId,
    metadata,
    open::OpenVault,
    unseal::UnsealError,
};

mod bulk;
mod carry;
mod duplicate;
mod edit;
mod entry;
mod facets;
mod measuring;
mod migrations;
mod opening;
mod pictures;
mod purge;
mod query;
mod relabel;
mod schema;
mod search;
mod snapshot;
mod texts;
mod unlisted;
mod verifying;

use carry::carry_out;
pub use duplicate::{Compared, Duplicate, Settled};
pub use entry::{Adopted, Attributes, Entry, EntryNumber, Labels, NoEntryNumber, Origin, Totals};
pub use facets::Kind;
pub use opening::Opening;
pub use pictures::Unseen;
pub use relabel::{Label, Relabelled};
pub use schema::make_library_ready;
pub use search::{Search, Used};
pub(crate) use texts::fold;
pub use unlisted::Unlisted;
pub use verifying::{Pass, Verifiable};

/// Why the index could not answer or change.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// The index could not be read or written.
    #[error("the index could not be read or written")]
    Database(#[from] rusqlite::Error),
    /// The change log could not be read or written.
    #[error("the change log could not be read or written")]
    Log(#[from] std::io::Error),
    /// An earlier change failed half-way; the index must be opened anew.
    #[error("an earlier change of the index failed")]
    Broken,
    /// The blob could not be read.
    #[error(transparent)]
    Blob(#[from] UnsealError),
    /// Index or change log were written by a later version of this program.
    #[error("the index was written by a later version of this program")]
    TooNew,
}

impl IndexError {
    /// Tells whether the index is fine, and open in another process.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        let Self::Database(error) = self else {
            return false;
        };
        matches!(
            error.sqlite_error_code(),
            Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked)
        )
    }
}

/// The index of an open vault.
pub struct Index {
    database: Connection,
    log: ChangeLog,
    vault: OpenVault,
    broken: bool,
}

/// What the index takes from a blob.
struct FromBlob {
    size: u64,
    mark: [u8; 32],
    metadata: metadata::Metadata,
}

impl Index {
    /// Enters a blob, once: doing it again changes nothing, except that a blob of unproven origin
    /// becomes a proven one, and a missing caption is added, if `attributes` say so.
    ///
    /// The change is durable in the change log before the index has it, and in both when this
    /// returns.
    ///
    /// # Errors
    /// When the blob is not authentic or the drive fails. After a failed write every further
    /// change is refused until the index is opened anew.
    pub fn adopt(
        &mut self,
        blob_id: &BlobId,
        attributes: Attributes,
        now: SystemTime,
    ) -> Result<Adopted, IndexError> {
        if let Some(known) = query::by_blob(&self.database, blob_id)? {
            return self.adopt_again(known, attributes);
        }
        if let Some(number) = query::duplicate_of(&self.database, blob_id)? {
            return Ok(Adopted::SameContentAs(number));
        }
        let blob = read_blob(&self.vault, blob_id)?;
        let at = metadata::to_millis(Some(now));
        if let Some(number) = query::by_mark(&self.database, &blob.mark)? {
            self.note_duplicate(number, *blob_id, at)?;
            return Ok(Adopted::SameContentAs(number));
        }
        let number = query::next_number(&self.database)?;
        let Attributes { origin, caption } = attributes;
        let what = What::Adopted { origin, caption };
        self.change(Change::new(number, *blob_id, at, what), Some(&blob))?;
        Ok(Adopted::New(number))
    }

    fn adopt_again(&mut self, known: Entry, told: Attributes) -> Result<Adopted, IndexError> {
        let Entry {
            number,
            blob_id: blob,
            attributes,
            adopted_at,
            ..
        } = known;
        let proves = attributes.origin == Origin::Unproven && told.origin == Origin::Proven;
        let captions = attributes.caption.is_none() && told.caption.is_some();
        if proves || captions {
            let origin = if proves {
                Origin::Proven
            } else {
                attributes.origin
            };
            let caption = attributes.caption.or(told.caption);
            let at = metadata::to_millis(adopted_at);
            let what = What::Adopted { origin, caption };
            self.change(Change::new(number, blob, at, what), None)?;
        }
        Ok(Adopted::Already(number))
    }

    /// Notes a duplicate. Whoever sends again what lies in the trash wants it kept.
    fn note_duplicate(
        &mut self,
        number: EntryNumber,
        blob: BlobId,
        at: i64,
    ) -> Result<(), IndexError> {
        let mut changes = Vec::new();
        if let Some(kept) = query::get(&self.database, number)?
            && kept.labels.trashed_at.is_some()
        {
            let blob = kept.blob_id;
            changes.push((Change::new(number, blob, at, What::Restored), None));
        }
        changes.push((Change::new(number, blob, at, What::Duplicate), None));
        self.change_all(&changes)
    }

    /// Lists entries before a number, or the newest, newest first. What lies in the trash is left
    /// out.
    ///
    /// # Errors
    /// When the drive fails.
    pub fn list(
        &self,
        before: Option<EntryNumber>,
        limit: usize,
    ) -> Result<Vec<Entry>, IndexError> {
        Ok(query::list(&self.database, before, limit)?)
    }

    /// Finds entries before a number, or the newest, newest first, whose name, caption, tags and
    /// album together hold every word. Case and accents make no difference. A word of three
    /// characters or more is found inside longer ones, a shorter one where a word starts. What
    /// lies in the trash is not found.
    ///
    /// # Errors
    /// When the drive fails.
    pub fn find(
        &self,
        words: &str,
        before: Option<EntryNumber>,
        limit: usize,
    ) -> Result<Vec<Entry>, IndexError> {
        Ok(query::find(&self.database, words, before, limit)?)
    }

    /// Lists entries in the trash, as [`Index::list`] does the others.
    ///
    /// # Errors
    /// When the drive fails.
    pub fn trashed(
        &self,
        before: Option<EntryNumber>,
        limit: usize,
    ) -> Result<Vec<Entry>, IndexError> {
        Ok(query::trashed(&self.database, before, limit)?)
    }

    /// Returns when the last of the entries in the trash was moved there.
    ///
    /// # Errors
    /// When the drive fails.
    pub fn last_trashed_at(&self) -> Result<Option<SystemTime>, IndexError> {
        let last = query::last_trashed_at(&self.database)?;
        Ok(last.and_then(metadata::from_millis))
    }

    /// Lists entries that lie in the trash since `then` or longer, those that lie longest first.
    ///
    /// # Errors
    /// When the drive fails.
    pub fn trashed_until(&self, then: SystemTime, limit: usize) -> Result<Vec<Entry>, IndexError> {
        let then = metadata::to_millis(Some(then));
        Ok(query::trashed_until(&self.database, then, limit)?)
    }

    /// Lists entries that bear a tag, as [`Index::list`]; case and accents make no difference.
    ///
    /// # Errors
    /// When the drive fails.
    pub fn tagged(
        &self,
        tag: &str,
        before: Option<EntryNumber>,
        limit: usize,
    ) -> Result<Vec<Entry>, IndexError> {
        Ok(query::tagged(&self.database, tag, before, limit)?)
    }

    /// Lists entries of an album, as [`Index::list`]; case and accents make no difference.
    ///
    /// # Errors
    /// When the drive fails.
    pub fn in_album(
        &self,
        album: &str,
        before: Option<EntryNumber>,
        limit: usize,
    ) -> Result<Vec<Entry>, IndexError> {
        Ok(query::in_album(&self.database, album, before, limit)?)
    }

    /// Returns one entry, also one in the trash.
    ///
    /// # Errors
    /// When the drive fails.
    pub fn get(&self, number: EntryNumber) -> Result<Option<Entry>, IndexError> {
        Ok(query::get(&self.database, number)?)
    }

    /// Returns the entry that a blob belongs to, as its own or as its duplicate.
    ///
    /// # Errors
    /// When the drive fails.
    pub fn number_of(&self, blob_id: &BlobId) -> Result<Option<EntryNumber>, IndexError> {
        match query::by_blob(&self.database, blob_id)? {
            Some(entry) => Ok(Some(entry.number)),
            None => Ok(query::duplicate_of(&self.database, blob_id)?),
        }
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
        Ok(query::totals(&self.database)?)
    }

    /// Tells whether every page of the index's file is as it was written.
    ///
    /// # Errors
    /// When the drive fails.
    pub fn is_sound(&self) -> Result<bool, IndexError> {
        Ok(schema::is_sound(&self.database)?)
    }

    fn change(&mut self, change: Change, blob: Option<&FromBlob>) -> Result<(), IndexError> {
        self.change_all(&[(change, blob)])
    }

    /// Appends changes to the log and carries them out, each side in one durable step.
    fn change_all(&mut self, changes: &[(Change, Option<&FromBlob>)]) -> Result<(), IndexError> {
        if std::mem::replace(&mut self.broken, true) {
            return Err(IndexError::Broken);
        }
        let logged: Vec<Change> = changes.iter().map(|(change, _)| change.clone()).collect();
        let sequence = self.log.append(&logged).map_err(IndexError::Log)?;
        let transaction = self.database.transaction()?;
        for (change, blob) in changes {
            carry_out(&transaction, change, *blob)?;
        }
        schema::set_last_sequence(&transaction, sequence)?;
        transaction.commit()?;
        self.broken = false;
        if self.log.is_long() && self.take_snapshot().is_err() {
            // The change itself is durable, and the log still has everything.
            self.log.put_off_snapshot();
        }
        Ok(())
    }
}

/// Reads what the index keeps of a blob, without reading its content.
fn read_blob(vault: &OpenVault, blob: &BlobId) -> Result<FromBlob, UnsealError> {
    let reader = vault.reader(blob)?;
    Ok(FromBlob {
        size: reader.size(),
        mark: vault
            .epochs()
            .content_mark(reader.content_hash(), reader.size()),
        metadata: reader.metadata().clone(),
    })
}

#[cfg(test)]
mod tests;
