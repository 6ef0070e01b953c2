//! Removing for good: the entry, its blob, and every text that named it.

use std::time::SystemTime;

use super::{EntryNumber, Index, IndexError, opening, query};
use crate::{
    change_log::{Change, What},
    disk, metadata,
    unseal::UnsealError,
};

impl Index {
    /// Removes entries that lie in the trash for good, and returns which. Their blobs and the
    /// duplicates of them are unlinked, and a new snapshot takes the place of whatever named
    /// them: change log, older snapshots, indexes that were set aside. Blobs in quarantine stay.
    ///
    /// This costs as much for one entry as for many: snapshot and text index are written anew. A
    /// crash in between leaves a purge that the next opening brings to its end.
    ///
    /// # Errors
    /// When the drive fails; see [`Index::adopt`].
    pub fn purge(
        &mut self,
        numbers: &[EntryNumber],
        now: SystemTime,
    ) -> Result<Vec<EntryNumber>, IndexError> {
        let at = metadata::to_millis(Some(now));
        let (mut changes, mut purged) = (Vec::new(), Vec::new());
        for number in numbers {
            if let Some(entry) = query::get(&self.database, *number)?
                && entry.labels.trashed_at.is_some()
                && !purged.contains(number)
            {
                let change = Change::new(*number, entry.blob_id, at, What::Purged);
                changes.push((change, None));
                purged.push(*number);
            }
        }
        if !changes.is_empty() {
            self.change_all(&changes)?;
            self.finish_purge()?;
        }
        Ok(purged)
    }

    /// Brings a purge to its end, if one was begun.
    pub(super) fn finish_purge(&mut self) -> Result<(), IndexError> {
        let blobs = query::purging(&self.database)?;
        if blobs.is_empty() {
            return Ok(());
        }
        let folder = self.vault.folder();
        for blob in blobs {
            folder.remove_blob(&blob).map_err(UnsealError::Io)?;
        }
        self.take_snapshot()?;
        self.remove_set_aside()?;
        // The text index only notes that a text is gone, until its parts are made one.
        self.database
            .execute("INSERT INTO texts (texts) VALUES ('optimize')", [])?;
        self.database.execute("DELETE FROM purging", [])?;
        // What was overwritten must not be found in the pages of the write-ahead log.
        self.database
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(())
    }

    /// Removes indexes that were set aside: they hold the names of their time.
    fn remove_set_aside(&self) -> Result<(), IndexError> {
        let current = opening::index_path(&self.vault);
        let folder = current.parent().unwrap_or(&current);
        let remove = || {
            for path in disk::list(folder)? {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                if name.contains(".damaged-") {
                    disk::remove_if_there(&path)?;
                }
            }
            disk::sync_parent(&current)
        };
        remove().map_err(IndexError::Log)
    }
}
