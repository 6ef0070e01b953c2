//! The key file on a key device: a slot secret in a shape that tells a wrong or half-written stick
//! from the right one. The layout is in `docs/formats/slot.md`.

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::{
    header::FORMAT_VERSION,
    id::{SlotId, VaultId},
    key::SlotSecret,
    parse::{Fields, TooShort},
};

/// The name of the key file on a key device.
pub const KEY_FILE_NAME: &str = "strongroom.key";
/// Length of a key file, in bytes.
pub const KEY_FILE_BYTES: usize = BODY_BYTES + 32;

const MAGIC: &[u8; 8] = b"SRKEY\0\0\0";
const BODY_BYTES: usize = 74;

/// A key file that was read whole.
#[derive(Debug)]
pub struct KeyFile {
    /// The vault that the key was made for.
    pub vault: VaultId,
    /// The slot that the key opens.
    pub slot: SlotId,
    /// The secret itself.
    pub secret: SlotSecret,
}

/// Why a file is no key.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// The file is empty.
    #[error("the key file is empty")]
    Empty,
    /// The file is something else.
    #[error("this file is not a Strongroom key")]
    NotAKey,
    /// The file begins as a key does and ends too early.
    #[error("the key file is only half written: {found} of {KEY_FILE_BYTES} bytes")]
    HalfWritten {
        /// How many bytes there are.
        found: usize,
    },
    /// The file has a key's length, and its check value is wrong.
    #[error("the key file is damaged")]
    Damaged,
    /// The file was written by a later version of this program.
    #[error("the key file has format {found}, this program reads up to {FORMAT_VERSION}")]
    TooNew {
        /// The format version in the file.
        found: u16,
    },
}

impl From<TooShort> for KeyFileError {
    fn from(TooShort: TooShort) -> Self {
        Self::NotAKey
    }
}

impl SlotSecret {
    /// Reads a key file.
    ///
    /// # Errors
    /// When the bytes are not a whole and undamaged key file of this version.
    pub fn from_key_file(bytes: &[u8]) -> Result<KeyFile, KeyFileError> {
        if bytes.is_empty() {
            return Err(KeyFileError::Empty);
        }
        let magic_found = bytes.len().min(MAGIC.len());
        if bytes.get(..magic_found) != MAGIC.get(..magic_found) {
            return Err(KeyFileError::NotAKey);
        }
        if let Some([high, low]) = bytes.get(8..10) {
            let found = u16::from_be_bytes([*high, *low]);
            if found > FORMAT_VERSION {
                return Err(KeyFileError::TooNew { found });
            }
        }
        if bytes.len() < KEY_FILE_BYTES {
            return Err(KeyFileError::HalfWritten { found: bytes.len() });
        }
        let (body, check) = bytes.split_at(BODY_BYTES);
        if bytes.len() > KEY_FILE_BYTES || !bool::from(Sha256::digest(body).ct_eq(check)) {
            return Err(KeyFileError::Damaged);
        }
        let mut fields = Fields::new(body);
        fields.bytes(MAGIC.len() + 2)?;
        let vault = VaultId::from_bytes(*fields.array()?);
        let slot = SlotId::from_bytes(*fields.array()?);
        let secret = fields.array()?;
        let secret = Self::init_with(|place| *place = *secret);
        if secret.slot_id() != slot {
            return Err(KeyFileError::Damaged);
        }
        Ok(KeyFile {
            vault,
            slot,
            secret,
        })
    }

    /// Writes the secret as a key file for this vault.
    #[must_use]
    pub fn to_key_file(&self, vault: &VaultId) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(KEY_FILE_BYTES));
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&FORMAT_VERSION.to_be_bytes());
        bytes.extend_from_slice(vault.as_bytes());
        bytes.extend_from_slice(self.slot_id().as_bytes());
        bytes.extend_from_slice(self.expose_to_cipher());
        let check = Sha256::digest(&bytes);
        bytes.extend_from_slice(&check);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key_file() -> Zeroizing<Vec<u8>> {
        SlotSecret::init_with(|bytes| bytes.fill(0x5A)).to_key_file(&VaultId::from_bytes([7; 16]))
    }

    #[test]
    fn a_key_file_survives_being_written_and_read() {
        let read = SlotSecret::from_key_file(&key_file()).unwrap();

        assert_eq!(read.secret.expose_to_cipher(), &[0x5A; 32]);
        assert_eq!(read.vault, VaultId::from_bytes([7; 16]));
        assert_eq!(read.slot, read.secret.slot_id());
    }

    #[test]
    fn a_half_written_key_file_is_named_as_such_at_every_length() {
        let whole = key_file();

        for found in 1..whole.len() {
            let refused = SlotSecret::from_key_file(&whole[..found]).unwrap_err();
            assert_eq!(refused, KeyFileError::HalfWritten { found });
        }
        assert_eq!(
            SlotSecret::from_key_file(&[]).unwrap_err(),
            KeyFileError::Empty
        );
    }

    #[test]
    fn any_flipped_bit_of_a_key_file_is_noticed() {
        let whole = key_file();

        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(SlotSecret::from_key_file(&bytes).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn other_files_and_newer_keys_get_their_own_words() {
        let mut newer = key_file();
        newer[9] = 3;

        let other = SlotSecret::from_key_file(b"PK\x03\x04 a holiday album").unwrap_err();
        let newer = SlotSecret::from_key_file(&newer).unwrap_err();

        assert_eq!(other.to_string(), "this file is not a Strongroom key");
        assert_eq!(newer, KeyFileError::TooNew { found: 3 });
    }
}
