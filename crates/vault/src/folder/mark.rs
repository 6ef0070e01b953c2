//! The mark of a vault folder: which vault it is. The layout is in `docs/formats/slot.md`.

use sha2::{Digest as _, Sha256};

use super::FolderError;
use crate::{
    header::{FORMAT_VERSION, SUITE},
    id::VaultId,
    parse::{Fields, TooShort},
};

/// Length of the mark, in bytes.
pub(super) const MARK_BYTES: usize = MARK_BODY_BYTES + 32;

const MAGIC: &[u8; 8] = b"SRVAULT\0";
const MARK_BODY_BYTES: usize = 28;

/// Writes the mark of a vault.
pub(super) fn mark(vault: &VaultId) -> Vec<u8> {
    let mut mark = MAGIC.to_vec();
    mark.extend_from_slice(&FORMAT_VERSION.to_be_bytes());
    mark.extend_from_slice(&SUITE.to_be_bytes());
    mark.extend_from_slice(vault.as_bytes());
    let check = Sha256::digest(&mark);
    mark.extend_from_slice(&check);
    mark
}

/// Reads a mark.
pub(super) fn parse_mark(bytes: &[u8]) -> Result<VaultId, FolderError> {
    let mut fields = Fields::new(bytes);
    if fields.array()? != MAGIC {
        return Err(FolderError::NotAVault);
    }
    let version = fields.u16()?;
    if version > FORMAT_VERSION {
        return Err(FolderError::TooNew { found: version });
    }
    let _suite = fields.u16()?;
    let vault = VaultId::from_bytes(*fields.array()?);
    let body = bytes.get(..MARK_BODY_BYTES).ok_or(TooShort)?;
    if fields.rest() != Sha256::digest(body).as_slice() {
        return Err(FolderError::NotAVault);
    }
    Ok(vault)
}
