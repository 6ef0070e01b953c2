//! Many small files at once: all are written under temporary names, then made durable together.
//!
//! A blob of its own costs three waits for the drive (file, name, index). A group shares them,
//! and promises the same: what [`Bulk::commit`] returns survives a power cut, and nothing has its
//! final name before all its bytes are durable.
//!
//! ```text
//! all fan-out folders -- fsync of the folder around them: from here on their names are durable
//! temporary names, bytes ...
//! syncfs, or fsync of each file: the bytes are durable
//! renames
//! syncfs, or fsync of each folder with a new name: the names are durable, and may be told
//! ```
//!
//! The folders are not made one by one as blobs need them: another process may keep a blob in one
//! that it finds there, and takes its name for durable.

use std::{
    collections::HashSet,
    fs::{self, File, FileTimes},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use rand_core::TryCryptoRng;

use super::{Sealed, Sealer, StoreError, blob_date};
use crate::{disk, id::BlobId, metadata::Metadata, seal::Sealing};

/// A blob that is durable on the drive, with what was sealed into it.
#[derive(Clone)]
#[non_exhaustive]
pub struct Kept {
    /// The blob.
    pub sealed: Sealed,
    /// What is known of the file besides its content.
    pub metadata: Metadata,
}

/// A group of blobs that become durable together. Dropping it removes what was not committed.
#[must_use = "nothing is kept before it is committed"]
pub struct Bulk<'a> {
    sealer: &'a Sealer,
    /// Opened before anything is written: it is told of every write that fails from then on.
    drive: File,
    whole: bool,
    group: Vec<Pending>,
    names: HashSet<BlobId>,
}

struct Pending {
    kept: Kept,
    unfinished: PathBuf,
    finished: PathBuf,
}

impl Sealer {
    /// Begins a group of blobs.
    ///
    /// # Errors
    /// When the drive fails.
    pub fn bulk(&self) -> Result<Bulk<'_>, StoreError> {
        let blobs = self.folder.blobs_folder();
        let open = || {
            disk::make_folder(&blobs)?;
            for fan in 0..=u8::MAX {
                disk::make_folder_in_passing(&blobs.join(format!("{fan:02x}")))?;
            }
            // One wait for all of them; also for those that a process made that was killed then.
            disk::sync_folder(&blobs)
        };
        Ok(Bulk {
            sealer: self,
            drive: open().map_err(StoreError::Write)?,
            whole: tells_of_failures(),
            group: Vec::new(),
            names: HashSet::new(),
        })
    }
}

impl Bulk<'_> {
    /// Seals one file into the group; it is not kept yet.
    ///
    /// # Errors
    /// When the blob is kept already or the drive fails. The rest of the group is as it was.
    pub fn add(
        &mut self,
        blob_id: &BlobId,
        content: &[u8],
        metadata: Metadata,
        rng: &mut impl TryCryptoRng,
    ) -> Result<(), StoreError> {
        let finished = self.sealer.folder.blob_path(blob_id);
        let unfinished = finished.with_extension(disk::UNFINISHED);
        if self.names.contains(blob_id) || finished.exists() {
            return Err(StoreError::AlreadyKept);
        }
        match self.write(blob_id, content, metadata, &unfinished, rng) {
            Ok(kept) => {
                self.names.insert(*blob_id);
                self.group.push(Pending {
                    kept,
                    unfinished,
                    finished,
                });
                Ok(())
            }
            Err(error) => {
                // What cannot be removed now is swept later.
                let _ = fs::remove_file(&unfinished);
                Err(StoreError::Write(error))
            }
        }
    }

    fn write(
        &self,
        blob_id: &BlobId,
        content: &[u8],
        metadata: Metadata,
        unfinished: &Path,
        rng: &mut impl TryCryptoRng,
    ) -> io::Result<Kept> {
        let file = disk::create_file(unfinished)?;
        let mut sealing = Sealing::start(file, &self.sealer.vault, blob_id, rng)?;
        sealing.write_all(content)?;
        let (file, summary) = sealing.finish(metadata.clone())?;
        let times = FileTimes::new();
        file.set_times(times.set_modified(blob_date()).set_accessed(blob_date()))?;
        Ok(Kept {
            sealed: Sealed {
                blob_id: *blob_id,
                size: summary.content_bytes,
                content_hash: summary.content_hash,
                header_hash: summary.header_hash,
            },
            metadata,
        })
    }

    /// Returns how many blobs the group has so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.group.len()
    }

    /// Tells whether the group has no blob yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.group.is_empty()
    }

    /// Makes the group durable, gives each its final name, makes the names durable, and begins the
    /// next group.
    ///
    /// # Errors
    /// When the drive fails. Final: nobody knows then which of them are durable, and none may be
    /// reported as kept.
    pub fn commit(&mut self) -> Result<Vec<Kept>, StoreError> {
        if self.group.is_empty() {
            return Ok(Vec::new());
        }
        self.confirm_bytes().map_err(StoreError::NotDurable)?;
        self.place().map_err(StoreError::NotDurable)?;
        self.confirm_names().map_err(StoreError::NotDurable)?;
        self.names.clear();
        Ok(self.group.drain(..).map(|it| it.kept).collect())
    }

    /// The bytes of all files, in one wait for the drive.
    fn confirm_bytes(&self) -> io::Result<()> {
        if self.whole {
            return Ok(nix::unistd::syncfs(&self.drive)?);
        }
        for pending in &self.group {
            File::open(&pending.unfinished)?.sync_all()?;
        }
        Ok(())
    }

    fn place(&self) -> io::Result<()> {
        for pending in &self.group {
            fs::rename(&pending.unfinished, &pending.finished)?;
        }
        Ok(())
    }

    fn confirm_names(&self) -> io::Result<()> {
        if self.whole {
            return Ok(nix::unistd::syncfs(&self.drive)?);
        }
        let folders: HashSet<_> = self.group.iter().map(|it| it.finished.parent()).collect();
        for folder in folders.into_iter().flatten() {
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    }
}

impl Drop for Bulk<'_> {
    fn drop(&mut self) {
        for pending in &self.group {
            // After a rename there is nothing of this name; the rest is swept later.
            let _ = fs::remove_file(&pending.unfinished);
        }
    }
}

/// Tells whether `syncfs` reports writes that failed, as it does since Linux 5.8. syncfs(2)
fn tells_of_failures() -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    is_since_5_8(&release)
}

fn is_since_5_8(release: &str) -> bool {
    let mut numbers = release
        .split(|it: char| !it.is_ascii_digit())
        .map(|it| it.parse::<u32>().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    version >= (5, 8)
}

#[cfg(test)]
mod tests;
