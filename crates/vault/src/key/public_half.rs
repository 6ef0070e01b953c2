//! The public half of a vault's epoch, as it lies on the system card: enough to seal, not to open.
//! The layout is in `docs/formats/slot.md`.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::{
    header::{FORMAT_VERSION, SUITE},
    id::VaultId,
    kem::{PUBLIC_BYTES, PublicKey},
    parse::{Fields, TooShort},
};

/// Length of a public half in bytes form, in bytes.
pub const PUBLIC_HALF_BYTES: usize = BODY_BYTES + 32;

const MAGIC: &[u8; 8] = b"SRPUBLIC";
const BODY_BYTES: usize = 8 + 2 + 2 + 16 + 4 + PUBLIC_BYTES;

/// What sealing needs: which vault, which epoch, and the epoch's public key.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicHalf {
    /// The vault that blobs are sealed for.
    pub vault: VaultId,
    /// The epoch that blobs are sealed to.
    pub epoch: u32,
    key: PublicKey,
}

/// Why bytes are no public half.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublicHalfError {
    /// The bytes are damaged or something else. Sealing with them would lose files.
    #[error("the vault's public key on the system card is damaged")]
    Damaged,
    /// The bytes were written by a later version of this program.
    #[error("the vault's public key has format {found}, this program reads up to {FORMAT_VERSION}")]
    TooNew {
        /// The format version found.
        found: u16,
    },
}

impl From<TooShort> for PublicHalfError {
    fn from(TooShort: TooShort) -> Self {
        Self::Damaged
    }
}

impl PublicHalf {
    pub(crate) fn new(vault: VaultId, epoch: u32, key: PublicKey) -> Self {
        Self { vault, epoch, key }
    }

    pub(crate) fn key(&self) -> &PublicKey {
        &self.key
    }

    /// Writes the public half for the system card.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(PUBLIC_HALF_BYTES);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&FORMAT_VERSION.to_be_bytes());
        bytes.extend_from_slice(&SUITE.to_be_bytes());
        bytes.extend_from_slice(self.vault.as_bytes());
        bytes.extend_from_slice(&self.epoch.to_be_bytes());
        bytes.extend_from_slice(&self.key.to_bytes());
        let check = Sha256::digest(&bytes);
        bytes.extend_from_slice(&check);
        bytes
    }

    /// Reads what [`PublicHalf::to_bytes`] wrote.
    ///
    /// # Errors
    /// When a single bit differs: what is sealed to a wrong key is lost.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PublicHalfError> {
        let mut fields = Fields::new(bytes);
        if fields.array()? != MAGIC {
            return Err(PublicHalfError::Damaged);
        }
        let version = fields.u16()?;
        if version > FORMAT_VERSION {
            return Err(PublicHalfError::TooNew { found: version });
        }
        let suite = fields.u16()?;
        let vault = VaultId::from_bytes(*fields.array()?);
        let epoch = fields.u32()?;
        let key = fields.array()?;
        let body = bytes.get(..BODY_BYTES).ok_or(TooShort)?;
        if suite != SUITE || fields.rest() != Sha256::digest(body).as_slice() {
            return Err(PublicHalfError::Damaged);
        }
        let key = PublicKey::from_bytes(key).map_err(|_| PublicHalfError::Damaged)?;
        Ok(Self { vault, epoch, key })
    }
}

impl fmt::Debug for PublicHalf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            vault,
            epoch,
            key: _,
        } = self;
        write!(f, "PublicHalf({vault}, epoch {epoch})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::EpochSecret;

    fn public_half() -> PublicHalf {
        let key = EpochSecret::init_with(|bytes| bytes.fill(1))
            .key_pair()
            .public();
        PublicHalf::new(VaultId::from_bytes([2; 16]), 3, key)
    }

    #[test]
    fn a_public_half_survives_being_written_and_read() {
        let whole = public_half();

        let read = PublicHalf::from_bytes(&whole.to_bytes()).unwrap();

        assert!(read == whole);
    }

    #[test]
    fn any_flipped_bit_and_any_other_length_of_a_public_half_is_refused() {
        let bytes = public_half().to_bytes();

        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(PublicHalf::from_bytes(&flipped).is_err(), "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert!(
                PublicHalf::from_bytes(&bytes[..length]).is_err(),
                "{length} bytes"
            );
        }
        assert!(PublicHalf::from_bytes(&[bytes.as_slice(), &[0]].concat()).is_err());
    }
}
