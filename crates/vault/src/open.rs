//! An open vault: slot secret in, epoch secrets and blobs out. Reading only; nothing is written
//! to the drive by opening.
//!
//! Lives in the vault process, or in the rescue tool. Knows no index.

use std::{io, path::Path, sync::Arc, time::SystemTime};

use crate::{
    blob_store::BlobReader,
    epoch::{CHAIN_BYTES, Epochs},
    folder::{FolderError, VaultFolder},
    header::{BlobId, FORMAT_VERSION},
    key::{PublicHalf, SlotSecret},
    slot::{SlotError, SlotId, SlotLabel, SlotRecord},
    unseal::{Source, UnsealError, Unsealed},
};

pub mod custody;

/// Why a vault did not open.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is nothing of a vault here.
    #[error("this folder is not a Strongroom vault")]
    NotAVault,
    /// The key is of another vault, or its slot was revoked.
    #[error("this key opens none of the vault's {slots} slots: it is another vault's, or revoked")]
    WrongKey {
        /// How many slots the vault has.
        slots: usize,
    },
    /// The vault was written by a later version of this program.
    #[error("the vault has format {found}, this program reads up to {FORMAT_VERSION}")]
    TooNew {
        /// The format version found.
        found: u16,
    },
    /// The key's own slot record is damaged. Copies of slot records lie on the system card.
    #[error("the key is right, and its slot record on the drive is damaged")]
    DamagedSlot,
    /// No slot record can be read, so nobody can tell whether the key is right.
    #[error("all slot records on the drive are damaged or lost")]
    NoSlots,
    /// The chain from the newest epoch to the first is broken.
    #[error("the record that leads from epoch {epoch} to the one before is damaged or lost")]
    DamagedEpoch {
        /// The epoch whose record is damaged.
        epoch: u32,
    },
    /// The drive failed while reading.
    #[error("the vault folder could not be read")]
    Io(#[from] io::Error),
}

impl From<FolderError> for OpenError {
    fn from(error: FolderError) -> Self {
        match error {
            FolderError::NotAVault => Self::NotAVault,
            FolderError::TooNew { found } => Self::TooNew { found },
            FolderError::Io(error) => Self::Io(error),
        }
    }
}

/// A vault that is open. Copies share the secrets, which are gone when the last copy is.
#[derive(Clone)]
pub struct OpenVault {
    folder: VaultFolder,
    epochs: Arc<Epochs>,
    opened_by: (SlotId, SlotLabel),
    opened_at: SystemTime,
}

impl OpenVault {
    /// Opens the vault at `path` with a slot secret.
    ///
    /// # Errors
    /// When there is no vault, the key opens no slot of it, or a record is damaged.
    pub fn open(path: &Path, secret: &SlotSecret, now: SystemTime) -> Result<Self, OpenError> {
        let folder = VaultFolder::open(path)?;
        let pair = secret.key_pair();
        let record = own_record(&folder, &secret.slot_id())?;
        if record.vault != *folder.vault_id() {
            return Err(OpenError::DamagedSlot);
        }
        let newest = record.open(&pair).map_err(|_| OpenError::DamagedSlot)?;
        let label = record.label(&newest).map_err(|_| OpenError::DamagedSlot)?;
        let damaged = |epoch| OpenError::DamagedEpoch { epoch };
        let chain = |epoch| match folder.read_chain(epoch, CHAIN_BYTES) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(damaged(epoch)),
            read => read.map_err(OpenError::Io),
        };
        let epochs = Epochs::follow(*folder.vault_id(), record.epoch, newest, chain, damaged)?;
        Ok(Self {
            folder,
            epochs: Arc::new(epochs),
            opened_by: (record.slot, label),
            opened_at: now,
        })
    }

    /// Returns what sealing needs, for comparison with what the system card holds: a difference
    /// means that somebody exchanged the one or the other.
    #[must_use]
    pub fn public_half(&self) -> PublicHalf {
        self.epochs.public_half()
    }

    /// Returns the vault's folder.
    #[must_use]
    pub fn folder(&self) -> &VaultFolder {
        &self.folder
    }

    /// Returns by which slot, and since when, the vault is open.
    #[must_use]
    pub fn opened_by(&self) -> (&SlotId, &SlotLabel, SystemTime) {
        (&self.opened_by.0, &self.opened_by.1, self.opened_at)
    }

    /// Opens a blob for reading.
    ///
    /// # Errors
    /// When there is no such blob, or it is not authentic.
    pub fn reader(&self, blob: &BlobId) -> Result<BlobReader, UnsealError> {
        Unsealed::open(self.folder.open_blob(blob)?, blob, &self.epochs)
    }

    /// Opens a blob that lies somewhere else than in the vault's folder.
    ///
    /// # Errors
    /// When it is not this very blob of this vault, or not authentic.
    pub fn reader_of<S: Source>(
        &self,
        source: S,
        blob: &BlobId,
    ) -> Result<Unsealed<S>, UnsealError> {
        Unsealed::open(source, blob, &self.epochs)
    }

    pub(crate) fn epochs(&self) -> &Arc<Epochs> {
        &self.epochs
    }
}

/// Reads the slot's record of the newest epoch, or says why there is none.
fn own_record(folder: &VaultFolder, slot: &SlotId) -> Result<SlotRecord, OpenError> {
    if let Some(bytes) = folder.read_slot(slot)? {
        return SlotRecord::parse(&bytes).map_err(|error| match error {
            SlotError::TooNew { found } => OpenError::TooNew { found },
            SlotError::Damaged => OpenError::DamagedSlot,
        });
    }
    let others = folder.slot_records()?;
    let slots = others
        .iter()
        .filter(|bytes| SlotRecord::parse(bytes).is_ok())
        .count();
    if slots == 0 {
        Err(OpenError::NoSlots)
    } else {
        Err(OpenError::WrongKey { slots })
    }
}

#[cfg(test)]
mod tests;
