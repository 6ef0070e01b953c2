//! How an index comes to be open: found, brought up to the change log, or made anew.

use std::{
    path::{Path, PathBuf},
    time::SystemTime,
};

use rusqlite::{Connection, ErrorCode, Transaction};

use super::{Index, IndexError, carry_out, migrations, query, read_blob, schema};
use crate::{
    change_log::{Change, ChangeLog, History, Look, Snapshot, What, snapshot::Extent},
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
        let mut database = match open_file(&path, &key, now) {
            Err(IndexError::Database(error)) if is_damage(&error) => {
                set_aside(&path)?;
                open_file(&path, &key, now)?
            }
            opened => opened?,
        };
        let mut done = schema::last_sequence(&database)?;
        let look = |done| {
            if done == 0 {
                Look::Thorough
            } else {
                Look::Brief
            }
        };
        let (mut log, mut history) = open_log(vault, look(done))?;
        let covered = history.snapshot.as_ref().map_or(0, |it| it.sequence);
        if done > 0 && done < covered {
            // A copy of earlier times: what led from there to the snapshot is not known any more.
            drop(database);
            set_aside(&path)?;
            database = open_file(&path, &key, now)?;
            done = 0;
            (log, history) = open_log(vault, look(done))?;
        }
        let mut index = Self {
            database,
            log,
            vault: vault.clone(),
            broken: false,
        };
        index.catch_up(&history, done)?;
        index.finish_purge()?;
        let unfinished = schema::is_unfinished(&index.database)?;
        let mut opening = Opening::Found;
        if unfinished {
            let super::Unlisted {
                count: unproven,
                unreadable,
                ..
            } = index.unlisted(waiting)?;
            schema::set_finished(&index.database)?;
            index.remove_older()?;
            opening = Opening::Rebuilt {
                entries: index.totals()?.entries,
                unproven,
                unreadable,
            };
        }
        index.renew_log(&history, done, unfinished)?;
        Ok((index, opening))
    }

    /// Writes a snapshot if the log has lost what the index has, or has files that nobody needs
    /// any more: a crash may have left some, a revoked key may open others.
    fn renew_log(
        &mut self,
        history: &History,
        done: u64,
        unfinished: bool,
    ) -> Result<(), IndexError> {
        let known = history.snapshot.as_ref().map_or(0, |it| it.sequence);
        let known = history.changes.last().map_or(known, |(it, _)| *it);
        // What an index was just made from, and could not be read to its end, is kept as it is.
        let complete = !unfinished || history.torn.is_empty();
        if complete && (history.outdated || known < done) {
            self.take_snapshot()?;
        }
        Ok(())
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
    fn catch_up(&mut self, history: &History, done: u64) -> Result<(), IndexError> {
        self.log.skip_to(done);
        if done == 0
            && let Some(snapshot) = &history.snapshot
        {
            self.take_in(snapshot)?;
        }
        let missing: Vec<_> = history
            .changes
            .iter()
            .filter(|(sequence, _)| *sequence > done)
            .collect();
        for batch in missing.chunks(BATCH) {
            let transaction = self.database.transaction()?;
            for (sequence, change) in batch {
                carry_out_again(&transaction, &self.vault, change)?;
                schema::set_last_sequence(&transaction, *sequence)?;
            }
            transaction.commit()?;
        }
        Ok(())
    }

    /// Carries out the changes of a snapshot. Only at its end is it noted as done: until then the
    /// next opening begins anew.
    fn take_in(&mut self, snapshot: &Snapshot) -> Result<(), IndexError> {
        let (database, vault) = (&mut self.database, &self.vault);
        let each = |changes: Vec<Change>| {
            for batch in changes.chunks(BATCH) {
                let transaction = database.transaction()?;
                for change in batch {
                    carry_out_again(&transaction, vault, change)?;
                }
                transaction.commit()?;
            }
            Ok(())
        };
        let read = snapshot.read::<IndexError>(vault.folder(), vault.epochs(), each)?;
        if read == Extent::Newer {
            return Err(IndexError::TooNew);
        }
        let transaction = self.database.transaction()?;
        if let Some(number) = super::EntryNumber::new(snapshot.last_number) {
            schema::set_last_number(&transaction, number)?;
        }
        schema::set_last_sequence(&transaction, snapshot.sequence)?;
        transaction.commit()?;
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

/// Carries out a change from the log: what it takes from a blob is read again.
fn carry_out_again(
    transaction: &Transaction<'_>,
    vault: &OpenVault,
    change: &Change,
) -> Result<(), IndexError> {
    let mut read = None;
    if let What::Adopted { .. } | What::Replaced { .. } = change.what {
        // An entry whose blob is gone keeps its number; the check reports it.
        read = read_blob(vault, &change.blob).ok();
        let mark = read.as_ref().map(|it| it.mark).unwrap_or_default();
        if query::by_mark(transaction, &mark)?.is_some_and(|it| it != change.number) {
            read = None;
        }
        schema::set_last_number(transaction, change.number)?;
    }
    carry_out(transaction, change, read.as_ref())?;
    Ok(())
}

fn open_log(vault: &OpenVault, look: Look) -> Result<(ChangeLog, History), IndexError> {
    let opened = ChangeLog::open(vault.folder(), vault.epochs(), look);
    let (log, history) = opened.map_err(IndexError::Log)?;
    if history.newer {
        return Err(IndexError::TooNew);
    }
    Ok((log, history))
}

pub(super) fn index_path(vault: &OpenVault) -> PathBuf {
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
    migrations::migrate(&mut database, migrations::STEPS, now)?;
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
