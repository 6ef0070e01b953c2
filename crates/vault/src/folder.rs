//! The vault folder on the data drive: its layout, its making, and its slot records.
//!
//! ```text
//! strongroom.vault                  which vault this is
//! epochs/0000000002/<slot>.slot     the ways into the newest epoch
//! epochs/0000000002/previous        the secret of the epoch before, sealed by this one's
//! blobs/4f/<blob>.blob              sealed files; .tmp while one is being written
//! changes/0000000001-0000000001.log what was done to the index, sealed
//! snapshots/0000000001-0000000001.snap takes the log's place now and then, sealed
//! index/0000000001.db               the index; can be made anew from all of the above
//! thumbnails/4f/<blob>.thumb        what was seen of a blob, sealed; can be made anew
//! quarantine/                       blobs that were set aside
//! strongroom.cards                  how often each system card wrote its state
//! ```
//!
//! Knows no secrets but those it is handed to make a vault. With `disk` and `blob_store` the only
//! place that names `std::fs`.

use std::{
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use rand_core::TryCryptoRng;

use crate::{
    disk,
    header::FORMAT_VERSION,
    id::{SlotId, VaultId},
    key::{EpochSecret, PublicHalf, RandomnessError, SlotSecret},
    parse::TooShort,
    slot::{SLOT_RECORD_BYTES, SlotKind, SlotLabel, SlotRecord},
};

pub mod cards;
mod mark;

use mark::{MARK_BYTES, mark, parse_mark};

/// The name of the file that says which vault a folder is.
pub const MARK_NAME: &str = "strongroom.vault";

const FOLDERS: [&str; 6] = [
    "epochs",
    "blobs",
    "changes",
    "snapshots",
    "index",
    "quarantine",
];
const SLOT_ENDING: &str = "slot";

/// Why a vault could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CreateError {
    /// The folder holds something already, and nothing of it was touched.
    #[error("the folder is not empty: it holds \"{}\"", .0.display())]
    NotEmpty(PathBuf),
    /// The folder is a vault already, and nothing of it was touched.
    #[error("the folder is a vault already")]
    AlreadyAVault,
    /// A vault without a slot could never be opened.
    #[error("a vault needs at least one key")]
    NoSlots,
    /// The system gave no random numbers.
    #[error(transparent)]
    Randomness(#[from] RandomnessError),
    /// The drive failed.
    #[error("the vault could not be written to the drive")]
    Io(#[from] io::Error),
}

/// Why a folder could not be taken as a vault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// There is nothing of a vault here.
    #[error("this folder is not a Strongroom vault")]
    NotAVault,
    /// The vault was written by a later version of this program.
    #[error("the vault has format {found}, this program reads up to {FORMAT_VERSION}")]
    TooNew {
        /// The format version of the vault.
        found: u16,
    },
    /// The drive failed while reading.
    #[error("the vault folder could not be read")]
    Io(#[from] io::Error),
}

impl From<TooShort> for FolderError {
    fn from(TooShort: TooShort) -> Self {
        Self::NotAVault
    }
}

/// The drive that a vault's folder lies on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drive {
    /// How large it is, in bytes.
    pub bytes: u64,
    /// How many bytes it still has room for.
    pub free: u64,
    /// Whether it takes no writes.
    pub is_read_only: bool,
}

/// A vault's folder on the data drive.
#[derive(Clone, Debug)]
pub struct VaultFolder {
    root: PathBuf,
    vault: VaultId,
}

impl VaultFolder {
    /// Makes a vault with these sticks at `path`, which must be empty or absent, and returns what
    /// the system card keeps. The mark is written last: without it there is no vault yet, and a
    /// creation that was cut short can simply be repeated.
    ///
    /// # Errors
    /// When the folder holds anything that is not ours, or the drive fails.
    pub fn create(
        path: &Path,
        vault: Option<VaultId>,
        slots: &[(&SlotSecret, &str)],
        rng: &mut impl TryCryptoRng,
        now: SystemTime,
    ) -> Result<PublicHalf, CreateError> {
        let sticks: Vec<_> = slots
            .iter()
            .map(|(secret, name)| (SlotKind::Stick, *secret, *name))
            .collect();
        Self::create_for(path, vault, &sticks, rng, now)
    }

    /// Does as [`VaultFolder::create`] for custodians of any kind.
    ///
    /// # Errors
    /// When the folder holds anything that is not ours, or the drive fails.
    pub fn create_for(
        path: &Path,
        vault: Option<VaultId>,
        slots: &[(SlotKind, &SlotSecret, &str)],
        rng: &mut impl TryCryptoRng,
        now: SystemTime,
    ) -> Result<PublicHalf, CreateError> {
        if slots.is_empty() {
            return Err(CreateError::NoSlots);
        }
        disk::make_folder(path)?;
        clear_unfinished(path)?;
        let vault = vault.map_or_else(|| VaultId::random(rng), Ok)?;
        let secret = EpochSecret::generate(rng)?;
        let folder = Self {
            root: path.to_owned(),
            vault,
        };
        for name in FOLDERS {
            disk::make_folder(&folder.root.join(name))?;
        }
        let mut records = Vec::with_capacity(slots.len());
        for (kind, slot, name) in slots {
            let label = SlotLabel {
                kind: *kind,
                name: (*name).to_owned(),
                created_at: Some(now),
            };
            let public = slot.key_pair().public();
            records.push(SlotRecord::seal(&vault, 1, &secret, public, &label, rng)?);
        }
        folder.write_epoch(1, &records, None)?;
        disk::write_durably(&folder.root.join(MARK_NAME), &mark(&vault))?;
        Ok(PublicHalf::new(vault, 1, secret.key_pair().public()))
    }

    /// Takes the folder at `path` as a vault. If only its mark is lost or damaged, the slot records
    /// say which vault it is.
    ///
    /// # Errors
    /// When there is no vault, or a newer one.
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        let read = match disk::read_small(&path.join(MARK_NAME), MARK_BYTES) {
            Ok(mark) => parse_mark(&mark),
            Err(error) if is_gone(&error) => Err(FolderError::NotAVault),
            Err(error) => Err(error.into()),
        };
        let vault = match read {
            Err(FolderError::NotAVault) => vault_of_slots(path)?,
            other => other?,
        };
        Ok(Self {
            root: path.to_owned(),
            vault,
        })
    }

    /// Returns which vault this is.
    #[must_use]
    pub fn vault_id(&self) -> &VaultId {
        &self.vault
    }

    /// Returns where the vault lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// Returns how many bytes the drive still has room for.
    ///
    /// # Errors
    /// When the drive cannot be asked.
    pub fn free_bytes(&self) -> io::Result<u64> {
        let room = rustix::fs::statvfs(&self.root)?;
        Ok(room.f_bavail.saturating_mul(room.f_frsize))
    }

    /// Returns how large the drive is and whether it takes writes.
    ///
    /// # Errors
    /// When the drive cannot be asked.
    pub fn drive(&self) -> io::Result<Drive> {
        let about = rustix::fs::statvfs(&self.root)?;
        Ok(Drive {
            bytes: about.f_blocks.saturating_mul(about.f_frsize),
            free: about.f_bavail.saturating_mul(about.f_frsize),
            is_read_only: about.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY),
        })
    }

    /// Reads the slot records of the newest epoch, for the copies on the system card.
    ///
    /// # Errors
    /// When the drive fails.
    pub fn slot_records(&self) -> io::Result<Vec<Vec<u8>>> {
        let Some(newest) = self.newest_epoch()? else {
            return Ok(Vec::new());
        };
        let folder = self.epoch_folder(newest);
        let records = disk::list(&folder)?.into_iter();
        records
            .filter(|path| path.extension() == Some(OsStr::new(SLOT_ENDING)))
            .filter_map(|path| existing(disk::read_small(&path, SLOT_RECORD_BYTES)).transpose())
            .collect()
    }

    /// Reads the record of one slot of the newest epoch; one of a wrong length reads as empty.
    pub(crate) fn read_slot(&self, slot: &SlotId) -> io::Result<Option<Vec<u8>>> {
        let Some(newest) = self.newest_epoch()? else {
            return Ok(None);
        };
        let path = self.slot_path(newest, slot);
        match disk::read_small(&path, SLOT_RECORD_BYTES) {
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => Ok(Some(Vec::new())),
            read => existing(read),
        }
    }

    /// Puts back the slot records that the drive lost, from the copies on the system card, and
    /// returns how many. Records of another vault or of an older epoch are passed over.
    ///
    /// # Errors
    /// When the drive fails.
    pub fn restore_slot_records(&self, copies: &[Vec<u8>]) -> io::Result<usize> {
        let mut restored = 0;
        for bytes in copies {
            let Ok(copy) = SlotRecord::parse(bytes) else {
                continue;
            };
            let newest = self.newest_epoch()?.unwrap_or(copy.epoch);
            let path = self.slot_path(copy.epoch, &copy.slot);
            let there = disk::read_small(&path, SLOT_RECORD_BYTES)
                .is_ok_and(|bytes| SlotRecord::parse(&bytes).is_ok());
            if copy.vault != self.vault || copy.epoch != newest || there {
                continue;
            }
            disk::make_folder(&self.root.join("epochs"))?;
            disk::make_folder(&self.epoch_folder(newest))?;
            disk::write_durably(&path, bytes)?;
            restored += 1;
        }
        Ok(restored)
    }

    /// Writes a whole epoch; it becomes the newest by one rename.
    pub(crate) fn write_epoch(
        &self,
        number: u32,
        records: &[SlotRecord],
        chain: Option<&[u8]>,
    ) -> io::Result<()> {
        let finished = self.epoch_folder(number);
        let unfinished = finished.with_extension(disk::UNFINISHED);
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished)?;
        }
        disk::make_folder(&unfinished)?;
        for record in records {
            let path = unfinished.join(slot_name(&record.slot));
            disk::write_durably(&path, &record.to_bytes())?;
        }
        if let Some(chain) = chain {
            disk::write_durably(&unfinished.join("previous"), chain)?;
        }
        disk::rename_durably(&unfinished, &finished)
    }

    pub(crate) fn write_slot(&self, record: &SlotRecord) -> io::Result<()> {
        disk::write_durably(
            &self.slot_path(record.epoch, &record.slot),
            &record.to_bytes(),
        )
    }

    /// Removes the slot records of all epochs before `newest`: they open what is revoked.
    pub(crate) fn forget_older_slots(&self, newest: u32) -> io::Result<()> {
        for number in 1..newest {
            let folder = self.epoch_folder(number);
            let records = disk::list(&folder)?;
            let mut records = records
                .iter()
                .filter(|path| path.extension() == Some(OsStr::new(SLOT_ENDING)))
                .peekable();
            if records.peek().is_some() {
                records.try_for_each(|path| disk::remove_for_good(path))?;
                disk::sync_parent(&folder.join(SLOT_ENDING))?;
            }
        }
        Ok(())
    }

    pub(crate) fn newest_epoch(&self) -> io::Result<Option<u32>> {
        let folders = disk::list(&self.root.join("epochs"))?;
        Ok(folders
            .iter()
            .filter_map(|path| path.file_name()?.to_str()?.parse().ok())
            .max())
    }

    pub(crate) fn read_chain(&self, number: u32, limit: usize) -> io::Result<Vec<u8>> {
        disk::read_small(&self.epoch_folder(number).join("previous"), limit)
    }

    pub(crate) fn index_path(&self, epoch: u32) -> PathBuf {
        self.root.join("index").join(format!("{epoch:010}.db"))
    }

    pub(crate) fn changes(&self) -> PathBuf {
        self.root.join("changes")
    }

    pub(crate) fn snapshots(&self) -> PathBuf {
        self.root.join("snapshots")
    }

    pub(crate) fn blobs_folder(&self) -> PathBuf {
        self.root.join("blobs")
    }

    pub(crate) fn quarantine(&self) -> PathBuf {
        self.root.join("quarantine")
    }

    fn epoch_folder(&self, number: u32) -> PathBuf {
        self.root.join("epochs").join(format!("{number:010}"))
    }

    fn slot_path(&self, epoch: u32, slot: &SlotId) -> PathBuf {
        self.epoch_folder(epoch).join(slot_name(slot))
    }
}

fn slot_name(slot: &SlotId) -> String {
    format!("{slot}.{SLOT_ENDING}")
}

fn vault_of_slots(path: &Path) -> Result<VaultId, FolderError> {
    let nameless = VaultFolder {
        root: path.to_owned(),
        vault: VaultId::from_bytes([0; 16]),
    };
    let records = existing(nameless.slot_records())?.unwrap_or_default();
    records
        .iter()
        .find_map(|bytes| SlotRecord::parse(bytes).ok())
        .map(|record| record.vault)
        .ok_or(FolderError::NotAVault)
}

/// Tells a file that is not there, or is not what it should be, from a failing drive.
fn existing<T>(read: io::Result<T>) -> io::Result<Option<T>> {
    match read {
        Err(error) if is_gone(&error) => Ok(None),
        read => read.map(Some),
    }
}

fn is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory | FileTooLarge)
}

/// Accepts an empty folder, or what a creation that was cut short left behind, and clears it.
fn clear_unfinished(path: &Path) -> Result<(), CreateError> {
    if path.join(MARK_NAME).exists() {
        return Err(CreateError::AlreadyAVault);
    }
    let found = disk::list(path)?;
    let unfinished_mark = Path::new(MARK_NAME).with_extension(disk::UNFINISHED);
    for inside in &found {
        let name = inside.file_name().unwrap_or_default();
        let ours = FOLDERS.iter().any(|it| name == OsStr::new(it)) || name == unfinished_mark;
        if !ours && name != OsStr::new("lost+found") {
            return Err(CreateError::NotEmpty(name.into()));
        }
        // Epochs may be half made; everything else of ours is empty before there is a mark.
        if ours
            && name != "epochs"
            && inside.is_dir()
            && let Some(kept) = disk::list(inside)?.first()
        {
            let kept = kept.strip_prefix(path).unwrap_or(kept);
            return Err(CreateError::NotEmpty(kept.to_owned()));
        }
    }
    let epochs = path.join("epochs");
    if epochs.exists() {
        fs::remove_dir_all(epochs)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
