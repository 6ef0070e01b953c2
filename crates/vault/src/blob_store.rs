//! Blobs as files on the drive: temporary name, fsync, rename, fsync folder; quarantine; sweep.
//!
//! Knows names and durability; what is inside a blob is the business of `seal` and `unseal`. With
//! `disk` and `folder` the only place that names `std::fs`.

use std::{
    ffi::OsStr,
    fmt,
    fs::{self, File, FileTimes},
    io::{self, Write},
    num::NonZeroU64,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rand_core::TryCryptoRng;

mod bulk;

pub use bulk::{Bulk, Kept};

use crate::{
    disk,
    folder::VaultFolder,
    header::{BlobId, HEADER_BYTES, Header, HeaderHash},
    key::PublicHalf,
    metadata::Metadata,
    seal::Sealing,
    unseal::{Source, UnsealError, Unsealed},
};

const BLOB_ENDING: &str = "blob";
/// How many bytes are written before the drive is asked to begin with them.
const WRITE_BACK_BYTES: u64 = 8 << 20;

/// Why a blob could not be kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The public half and the folder are of different vaults.
    #[error("the data drive holds another vault")]
    OtherVault,
    /// There is a blob of this name already; it was not touched.
    #[error("this blob is kept already")]
    AlreadyKept,
    /// The blob could not be written, and nothing of it remains.
    #[error("the blob could not be written to the drive")]
    Write(#[source] io::Error),
    /// The drive took the blob and did not confirm it. Final: trying again would not tell more.
    #[error("the drive did not confirm that the blob is safe")]
    NotDurable(#[source] io::Error),
}

/// A blob that is durable on the drive.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sealed {
    /// The blob's name.
    pub blob_id: BlobId,
    /// How long the content is, in bytes.
    pub size: u64,
    /// BLAKE3 hash of the content; tells which file it is, so it may go to the owner only.
    pub content_hash: [u8; 32],
    /// Hash of the blob's header, for [`crate::key::IntakeKey::mac`].
    pub header_hash: HeaderHash,
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            blob_id,
            size: _,
            content_hash: _,
            header_hash: _,
        } = self;
        write!(f, "Sealed({blob_id})")
    }
}

/// Seals files into a vault with the public half alone.
#[derive(Clone, Debug)]
pub struct Sealer {
    vault: PublicHalf,
    folder: VaultFolder,
}

impl Sealer {
    /// Puts public half and folder together.
    ///
    /// # Errors
    /// When they are of different vaults.
    pub fn new(vault: &PublicHalf, folder: VaultFolder) -> Result<Self, StoreError> {
        if vault.vault != *folder.vault_id() {
            return Err(StoreError::OtherVault);
        }
        Ok(Self {
            vault: vault.clone(),
            folder,
        })
    }

    /// Begins a blob under its temporary name; what a crash left there is replaced.
    ///
    /// # Errors
    /// When the blob is kept already or the drive fails.
    pub fn start(
        &self,
        blob_id: &BlobId,
        rng: &mut impl TryCryptoRng,
    ) -> Result<BlobWriter, StoreError> {
        let finished = self.folder.blob_path(blob_id);
        if finished.exists() {
            return Err(StoreError::AlreadyKept);
        }
        self.begin(blob_id, rng)
    }

    /// Begins a blob that may be kept already; it is to be replaced.
    pub(crate) fn start_again(
        &self,
        blob_id: &BlobId,
        rng: &mut impl TryCryptoRng,
    ) -> Result<BlobWriter, StoreError> {
        self.begin(blob_id, rng)
    }

    fn begin(
        &self,
        blob_id: &BlobId,
        rng: &mut impl TryCryptoRng,
    ) -> Result<BlobWriter, StoreError> {
        let finished = self.folder.blob_path(blob_id);
        let unfinished = finished.with_extension(disk::UNFINISHED);
        let begin = || {
            disk::make_folder(finished.parent().unwrap_or(self.folder.path()))?;
            disk::create_file(&unfinished)
        };
        let file = begin().map_err(StoreError::Write)?;
        let file = Draining {
            file,
            written: 0,
            drained: 0,
        };
        let mut writer = BlobWriter {
            sealing: None,
            blob_id: *blob_id,
            unfinished: unfinished.clone(),
            finished,
        };
        let sealing = Sealing::start(file, &self.vault, blob_id, rng);
        writer.sealing = Some(sealing.map_err(StoreError::Write)?);
        Ok(writer)
    }

    /// Tells whether the blob is kept; once true, it also survives a power cut.
    ///
    /// # Errors
    /// When the drive fails. An error is final.
    pub fn has(&self, blob_id: &BlobId) -> Result<bool, StoreError> {
        let path = self.folder.blob_path(blob_id);
        if !path.exists() {
            return Ok(false);
        }
        // A crash may have come between the rename and making it durable.
        disk::sync_parent(&path).map_err(StoreError::NotDurable)?;
        Ok(true)
    }

    /// Hashes the header of a kept blob, for [`crate::key::IntakeKey::mac`].
    ///
    /// # Errors
    /// When there is no such blob or the drive fails.
    pub fn header_hash(&self, blob_id: &BlobId) -> io::Result<HeaderHash> {
        self.folder.header_hash(blob_id)
    }

    /// Removes unfinished blobs that a crash left behind, except those in `keep`, and returns how
    /// many there were.
    ///
    /// # Errors
    /// When the drive fails.
    pub fn sweep(&self, keep: &[BlobId]) -> io::Result<usize> {
        // A killed process may have made folders, and not come to making their names durable.
        if self.folder.blobs_folder().is_dir() {
            disk::sync_folder(&self.folder.blobs_folder())?;
        }
        let mut swept = 0;
        for fan in disk::list(&self.folder.blobs_folder())? {
            for path in disk::list(&fan)? {
                let left = blob_of_path(&path, disk::UNFINISHED);
                if left.is_some_and(|blob| !keep.contains(&blob)) {
                    disk::remove_if_there(&path)?;
                    swept += 1;
                }
            }
        }
        Ok(swept)
    }

    /// Returns the epoch that blobs are sealed to.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.vault.epoch
    }

    /// Returns the folder that blobs go to.
    #[must_use]
    pub fn folder(&self) -> &VaultFolder {
        &self.folder
    }
}

/// Takes the content of one blob; dropping it unfinished removes what was written.
#[must_use = "a blob is kept only once it is finished"]
pub struct BlobWriter {
    sealing: Option<Sealing<Draining>>,
    blob_id: BlobId,
    unfinished: PathBuf,
    finished: PathBuf,
}

impl BlobWriter {
    /// Returns the hash of the blob's header, for [`crate::key::IntakeKey::mac`] before the blob
    /// gets its final name.
    ///
    /// # Errors
    /// When an earlier write failed.
    pub fn header_hash(&self) -> io::Result<HeaderHash> {
        let sealing = self.sealing.as_ref().ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(sealing.header_hash())
    }

    /// Closes the message with padding and metadata, makes the file durable and gives it its final
    /// name. To be called only when everything that can be known of the content holds.
    ///
    /// # Errors
    /// When the drive fails. [`StoreError::NotDurable`] is final and must not be tried again.
    pub fn finish(mut self, metadata: Metadata) -> Result<Sealed, StoreError> {
        let sealed = self.close(metadata)?;
        self.take_name()?;
        Ok(sealed)
    }

    /// Closes the message and makes the file durable under its temporary name.
    pub(crate) fn close(&mut self, metadata: Metadata) -> Result<Sealed, StoreError> {
        let sealing = self.sealing.take().ok_or(io::ErrorKind::BrokenPipe);
        let sealing = sealing.map_err(|kind| StoreError::Write(kind.into()))?;
        let (Draining { file, .. }, summary) =
            sealing.finish(metadata).map_err(StoreError::Write)?;
        // All blobs bear one date: the drive need not tell when a file came.
        file.set_times(
            FileTimes::new()
                .set_modified(blob_date())
                .set_accessed(blob_date()),
        )
        .map_err(StoreError::Write)?;
        file.sync_all().map_err(StoreError::NotDurable)?;
        Ok(Sealed {
            blob_id: self.blob_id,
            size: summary.content_bytes,
            content_hash: summary.content_hash,
            header_hash: summary.header_hash,
        })
    }
}

impl BlobWriter {
    /// Opens what was closed, before it takes its final name.
    pub(crate) fn read_back(&self) -> io::Result<BlobFile> {
        File::open(&self.unfinished).map(BlobFile)
    }

    /// Gives the closed blob its final name, in one step also over a blob that has it.
    pub(crate) fn take_name(&self) -> Result<(), StoreError> {
        disk::rename_durably(&self.unfinished, &self.finished).map_err(StoreError::NotDurable)
    }
}

impl Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.sealing
            .as_mut()
            .ok_or(io::ErrorKind::BrokenPipe)?
            .write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for BlobWriter {
    fn drop(&mut self) {
        // After a rename there is nothing of this name; what cannot be removed now is swept later.
        let _ = fs::remove_file(&self.unfinished);
    }
}

/// The date that all blobs bear: 1 January 2000, which every file system can store.
pub(crate) fn blob_date() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(946_684_800)
}

/// A file whose pages begin their way to the drive early, so that the final fsync is short.
struct Draining {
    file: File,
    written: u64,
    drained: u64,
}

impl Write for Draining {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let now = self.file.write(bytes)?;
        self.written += now as u64;
        let waiting = self.written - self.drained;
        if waiting >= WRITE_BACK_BYTES {
            // Linux begins to write back what is told to be needed no more, and waits for nothing.
            // Only advice: a file system that does not take it is not at fault.
            let length = NonZeroU64::new(waiting);
            let advice = rustix::fs::Advice::DontNeed;
            let _ = rustix::fs::fadvise(&self.file, self.drained, length, advice);
            self.drained = self.written;
        }
        Ok(now)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A blob's file, opened for reading.
pub struct BlobFile(File);

impl Source for BlobFile {
    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_exact_at(bytes, offset)
    }

    fn length(&self) -> io::Result<u64> {
        self.0.metadata().map(|it| it.len())
    }
}

/// Reads the content of one kept blob.
pub type BlobReader = Unsealed<BlobFile>;

impl VaultFolder {
    pub(crate) fn blob_path(&self, blob: &BlobId) -> PathBuf {
        let name = blob.to_string();
        let fan = name.get(..2).unwrap_or_default();
        self.blobs_folder()
            .join(fan)
            .join(format!("{name}.{BLOB_ENDING}"))
    }

    pub(crate) fn open_blob(&self, blob: &BlobId) -> io::Result<BlobFile> {
        File::open(self.blob_path(blob)).map(BlobFile)
    }

    pub(crate) fn has_blob(&self, blob: &BlobId) -> bool {
        self.blob_path(blob).exists()
    }

    pub(crate) fn header_hash(&self, blob: &BlobId) -> io::Result<HeaderHash> {
        let mut header = [0; HEADER_BYTES];
        self.open_blob(blob)?.read_exact_at(&mut header, 0)?;
        Ok(HeaderHash::of(&header))
    }

    /// Lets the system forget what it holds of a blob in memory, so that the next reading is one of
    /// the drive. Only advice: where it is not taken, the check says a little less.
    pub(crate) fn forget_cached(&self, blob: &BlobId) {
        if let Ok(BlobFile(file)) = self.open_blob(blob) {
            let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed);
        }
    }

    /// Tells whether a blob was set aside.
    ///
    /// # Errors
    /// When the drive fails.
    pub fn is_set_aside(&self, blob: &BlobId) -> io::Result<bool> {
        let name = blob.to_string();
        let ours = |path: &PathBuf| {
            let found = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
            found.starts_with(&name)
        };
        Ok(disk::list(&self.quarantine())?.iter().any(ours))
    }

    /// Counts the files that were set aside.
    ///
    /// # Errors
    /// When the drive fails.
    pub fn set_aside_count(&self) -> io::Result<u64> {
        Ok(disk::list(&self.quarantine())?.len() as u64)
    }

    /// Reads to which epoch a kept blob is sealed, and how long it is.
    pub(crate) fn epoch_of(&self, blob: &BlobId) -> Result<(u32, u64), UnsealError> {
        let file = self.open_blob(blob)?;
        let mut head = [0; HEADER_BYTES];
        file.read_exact_at(&mut head, 0)?;
        Ok((Header::parse(&head)?.epoch, file.length()?))
    }

    /// Names all kept blobs, in the order of their names.
    ///
    /// # Errors
    /// When the drive fails.
    pub fn blobs(&self) -> io::Result<impl Iterator<Item = io::Result<BlobId>> + use<>> {
        let fans = disk::list(&self.blobs_folder())?;
        Ok(fans.into_iter().filter(|fan| fan.is_dir()).flat_map(|fan| {
            let (found, failed) = match disk::list(&fan) {
                Ok(found) => (found, None),
                Err(error) => (Vec::new(), Some(Err(error))),
            };
            let blobs = found
                .into_iter()
                .filter_map(|path| blob_of_path(&path, BLOB_ENDING));
            blobs.map(Ok).chain(failed)
        }))
    }

    /// Moves a blob that failed its check to the quarantine folder; nothing is ever deleted there.
    /// Returns where it lies, relative to the vault folder.
    ///
    /// # Errors
    /// When there is no such blob or the drive fails.
    pub fn set_aside(&self, blob: &BlobId) -> io::Result<PathBuf> {
        disk::make_folder(&self.quarantine())?;
        let from = self.blob_path(blob);
        let mut number = 0_u32;
        loop {
            let name = format!("{blob}.{number}.{BLOB_ENDING}");
            let to = self.quarantine().join(&name);
            if !to.exists() {
                disk::rename_durably(&from, &to)?;
                disk::sync_parent(&from)?;
                return Ok(Path::new("quarantine").join(name));
            }
            number = number.checked_add(1).ok_or(io::ErrorKind::StorageFull)?;
        }
    }

    /// Removes a blob for good, if it is there, and its thumbnail. The caller sees to it that
    /// nothing is lost with it.
    ///
    /// # Errors
    /// When the drive fails.
    pub fn remove_blob(&self, blob: &BlobId) -> io::Result<()> {
        self.remove_thumbnail(blob)?;
        let path = self.blob_path(blob);
        disk::remove_if_there(&path)?;
        disk::sync_parent(&path)
    }
}

fn blob_of_path(path: &Path, ending: &str) -> Option<BlobId> {
    let ours = path.extension() == Some(OsStr::new(ending));
    path.file_stem().filter(|_| ours)?.to_str()?.parse().ok()
}

#[cfg(test)]
mod tests;
