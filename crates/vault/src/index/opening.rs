//! How an index comes to be open: found, brought up to the change log, or made anew.

use std::{
    path::{Path, PathBuf},
    time::SystemTime,
};

use rusqlite::{Connection, ErrorCode};

use super::{Index, IndexError, carry_out, query, read_blob, schema};
use crate::{
    change_log::{Change, ChangeLog, History},
    disk,
    id::BlobId,
    key::PurposeKey,
    open::OpenVault,
};

/// How many changes are carried out in one transaction.
const BATCH: usize = 500;

/// How an index came to be open.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Opening {
    /// It was there.
    Found,
    /// It was not there, or damaged and set aside, and was made anew from change log and blobs.
    Rebuilt {
        /// How many entries it has.
        entries: u64,
        /// How many blobs the change log does not name: of unproven origin, and left out.
        unproven: u64,
        /// Blobs that could not be read; none of them was touched.
        unreadable: Vec<BlobId>,
    },
}

impl Index {
    /// Opens the index, carries out what the change log has and it has not, and makes it anew if
    /// it is missing or damaged. A damaged file is set aside under another name.
    ///
    /// # Errors
    /// When the drive fails, or the index is a later version's.
    pub fn open(vault: &OpenVault, now: SystemTime) -> Result<(Self, Opening), IndexError> {
        Self::open_leaving(vault, &[], now)
    }

    /// Does as [`Index::open`], and does not count the blobs in `waiting` as of unproven origin if
    /// the index has to be made anew: whoever knows their origin is about to [`Index::adopt`] them.
    ///
    /// # Errors
    /// When the drive fails, or the index is a later version's.
    pub fn open_leaving(
        vault: &OpenVault,
        waiting: &[BlobId],
        now: SystemTime,
    ) -> Result<(Self, Opening), IndexError> {
        let path = index_path(vault);
        let key = index_key(vault)?;
        let database = match open_file(&path, &key, now) {
            Err(IndexError::Database(error)) if is_damage(&error) => {
                set_aside(&path)?;
                open_file(&path, &key, now)?
            }
            opened => opened?,
        };
        let (log, history) =
            ChangeLog::open(vault.folder(), vault.epochs()).map_err(IndexError::Log)?;
        if history.newer {
            return Err(IndexError::TooNew);
        }
        let mut index = Self {
            database,
            log,
            vault: vault.clone(),
            broken: false,
        };
        index.catch_up(&history)?;
        if !schema::is_unfinished(&index.database)? {
            return Ok((index, Opening::Found));
        }
        let super::Unlisted {
            count: unproven,
            unreadable,
            ..
        } = index.unlisted(waiting)?;
        schema::set_finished(&index.database)?;
        index.remove_older()?;
        let entries = index.totals()?.entries;
        Ok((
            index,
            Opening::Rebuilt {
                entries,
                unproven,
                unreadable,
            },
        ))
    }

    /// Sets the index aside and makes it anew, after [`Index::is_sound`] said no or a question
    /// failed.
    ///
    /// # Errors
    /// When the drive fails.
    pub fn rebuild(self, now: SystemTime) -> Result<(Self, Opening), IndexError> {
        let Self {
            database, vault, ..
        } = self;
        // A damaged file may fail to close in order; it is set aside all the same.
        drop(database);
        set_aside(&index_path(&vault))?;
        Self::open(&vault, now)
    }

    /// Carries out the changes that the log has and the index has not.
    fn catch_up(&mut self, history: &History) -> Result<(), IndexError> {
        let done = schema::last_sequence(&self.database)?;
        self.log.skip_to(done);
        let missing: Vec<_> = history
            .changes
            .iter()
            .filter(|(sequence, _)| *sequence > done)
            .collect();
        for batch in missing.chunks(BATCH) {
            let transaction = self.database.transaction()?;
            for (sequence, change) in batch {
                match change {
                    Change::Adopted { number, blob, .. } => {
                        // An entry whose blob is gone keeps its number; the check reports it.
                        let mut read = read_blob(&self.vault, blob).ok();
                        let mark = read.as_ref().map(|it| it.mark).unwrap_or_default();
                        if query::by_mark(&transaction, &mark)?.is_some_and(|it| it != *number) {
                            read = None;
                        }
                        carry_out(&transaction, change, read.as_ref())?;
                        schema::set_last_number(&transaction, *number)?;
                    }
                    Change::Duplicate { .. } => carry_out(&transaction, change, None)?,
                }
                schema::set_last_sequence(&transaction, *sequence)?;
            }
            transaction.commit()?;
        }
        Ok(())
    }

    /// Removes the indexes of older epochs: a revoked key could open them.
    fn remove_older(&self) -> Result<(), IndexError> {
        let folder = self.vault.folder();
        for epoch in 1..self.vault.epochs().newest() {
            let path = folder.index_path(epoch);
            for path in [wal_path(&path), path] {
                disk::remove_if_there(&path).map_err(IndexError::Log)?;
            }
        }
        Ok(())
    }
}

fn index_path(vault: &OpenVault) -> PathBuf {
    vault.folder().index_path(vault.epochs().newest())
}

fn index_key(vault: &OpenVault) -> Result<PurposeKey, IndexError> {
    vault
        .epochs()
        .index_key(vault.epochs().newest())
        .ok_or(IndexError::Broken)
}

fn open_file(path: &Path, key: &PurposeKey, now: SystemTime) -> Result<Connection, IndexError> {
    if !path.exists() {
        let make = || {
            path.parent().map_or(Ok(()), disk::make_folder)?;
            // A log without its file belongs to one that was lost.
            disk::remove_if_there(&wal_path(path))?;
            disk::create_file(path)?;
            disk::sync_parent(path)
        };
        make().map_err(IndexError::Log)?;
    }
    let mut database = schema::connect(path, key)?;
    schema::migrate(&mut database, now)?;
    super::verifying::prepare(&database)?;
    Ok(database)
}

fn wal_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    PathBuf::from(name)
}

/// Gives a damaged index another name, and its log with it.
fn set_aside(path: &Path) -> Result<(), IndexError> {
    let named = |number: u32| path.with_extension(format!("db.damaged-{number}"));
    let free = (1..=u32::MAX)
        .map(named)
        .find(|it| !it.exists())
        .ok_or(IndexError::Broken)?;
    let wal = wal_path(path);
    if wal.exists() {
        disk::rename_durably(&wal, &wal_path(&free)).map_err(IndexError::Log)?;
    }
    disk::rename_durably(path, &free).map_err(IndexError::Log)
}

fn is_damage(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(
        code,
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt)
    )
}
