//! What is in the vault: entries, search, totals. SQLCipher on the data drive, keyed from the epoch.
//!
//! A cache of the truth, which is the blobs and the sealed change log: if the index is lost or
//! damaged it is made anew when it is opened. Knows no chat and no network. The layout is in
//! `docs/formats/index.md`.

use std::time::SystemTime;

use rusqlite::{Connection, OptionalExtension as _, Transaction, named_params};

use crate::{
    change_log::{Change, ChangeLog},
    id::BlobId,
    metadata,
    open::OpenVault,
    unseal::UnsealError,
};

mod bulk;
mod entry;
mod opening;
mod query;
mod schema;
mod unlisted;
mod verifying;

pub use entry::{Adopted, Attributes, Entry, EntryNumber, Found, NoEntryNumber, Origin, Totals};
pub use opening::Opening;
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
    Log(#[source] std::io::Error),
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
            self.change(
                Change::Duplicate {
                    number,
                    blob: *blob_id,
                    at,
                },
                None,
            )?;
            return Ok(Adopted::SameContentAs(number));
        }
        let number = query::next_number(&self.database)?;
        let Attributes { origin, caption } = attributes;
        let change = Change::Adopted {
            number,
            blob: *blob_id,
            at,
            origin,
            caption,
        };
        self.change(change, Some(&blob))?;
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
            self.change(
                Change::Adopted {
                    number,
                    blob,
                    at,
                    origin,
                    caption,
                },
                None,
            )?;
        }
        Ok(Adopted::Already(number))
    }

    /// Removes a blob that was noted as a duplicate, after reading the one that holds the same from
    /// end to end. Returns false, and removes nothing, if it is no duplicate.
    ///
    /// # Errors
    /// When the blob that is to stay does not hold, or the drive fails. Nothing is removed then.
    pub fn remove_duplicate(&self, blob_id: &BlobId) -> Result<bool, IndexError> {
        let Some(number) = query::duplicate_of(&self.database, blob_id)? else {
            return Ok(false);
        };
        let Some(kept) = self.get(number)? else {
            return Ok(false);
        };
        let mut reader = self.vault.reader(&kept.blob_id)?;
        reader.verify()?;
        let Ok(duplicate) = self.vault.reader(blob_id) else {
            return Ok(false);
        };
        if kept.blob_id == *blob_id || duplicate.content_hash() != reader.content_hash() {
            return Ok(false);
        }
        self.vault
            .folder()
            .remove_blob(blob_id)
            .map_err(UnsealError::Io)?;
        Ok(true)
    }

    /// Lists entries before a number, or the newest, newest first.
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

    /// Finds entries whose name or caption holds every word, newest first. Case and accents make
    /// no difference; a word is found inside longer ones.
    ///
    /// # Errors
    /// When the drive fails.
    pub fn find(&self, words: &str, limit: usize) -> Result<Found, IndexError> {
        Ok(query::find(&self.database, words, limit)?)
    }

    /// Returns one entry.
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
        Ok(())
    }
}

/// Carries out one change in the index; twice is the same as once.
fn carry_out(
    transaction: &Transaction<'_>,
    change: &Change,
    blob: Option<&FromBlob>,
) -> rusqlite::Result<()> {
    match change {
        Change::Duplicate { number, blob, at } => transaction
            .prepare(
                "INSERT INTO duplicates (blob_id, number, noticed_at) VALUES (?1, ?2, ?3)
                 ON CONFLICT (blob_id) DO NOTHING",
            )?
            .execute((blob.as_bytes(), number, at))
            .map(drop),
        Change::Adopted {
            number,
            blob: blob_id,
            at,
            origin,
            caption,
        } => {
            let known: Option<i64> = transaction
                .prepare("SELECT number FROM entries WHERE blob_id = ?1")?
                .query_row([blob_id.as_bytes()], |row| row.get(0))
                .optional()?;
            if known.is_some() {
                return transaction
                    .prepare("UPDATE entries SET origin = ?2, caption = ?3 WHERE blob_id = ?1")?
                    .execute((blob_id.as_bytes(), origin.to_byte(), caption))
                    .map(drop);
            }
            let metadata = blob.map(|it| &it.metadata);
            let time = |time: Option<SystemTime>| time.map(|it| metadata::to_millis(Some(it)));
            transaction
                .prepare(
                    "INSERT INTO entries (number, blob_id, content_mark, size, name, mime, sender,
                         member, sent_at, received_at, adopted_at, origin, caption)
                     VALUES (:number, :blob_id, :mark, :size, :name, :mime, :sender,
                         :member, :sent_at, :received_at, :adopted_at, :origin, :caption)",
                )?
                .execute(named_params! {
                    ":number": number,
                    ":blob_id": blob_id.as_bytes(),
                    ":mark": blob.map(|it| it.mark),
                    ":size": blob.map_or(0, |it| i64::try_from(it.size).unwrap_or(i64::MAX)),
                    ":name": metadata.and_then(|it| it.name.as_deref()),
                    ":mime": metadata.and_then(|it| it.mime.as_deref()),
                    ":sender": metadata.and_then(|it| it.sender.as_deref()),
                    ":member": metadata.and_then(|it| it.member.as_deref()),
                    ":sent_at": metadata.and_then(|it| time(it.sent_at)),
                    ":received_at": metadata.and_then(|it| time(it.received_at)),
                    ":adopted_at": at,
                    ":origin": origin.to_byte(),
                    ":caption": caption,
                })
                .map(drop)
        }
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
