//! The key file on a key device: a slot secret in a shape that tells a wrong or half-written stick
//! from the right one. The layout is in `docs/formats/slot.md`.

use rand_core::TryCryptoRng;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::{
    header::FORMAT_VERSION,
    id::{SlotId, VaultId},
    key::{
        SlotSecret,
        passphrase::{self, LOCKED_KEY_FILE_BYTES, LockedKey, Passphrase, PassphraseError},
    },
    parse::{Fields, TooShort},
};

/// The name of the key file on a key device.
pub const KEY_FILE_NAME: &str = "strongroom.key";
/// Length of a key file, in bytes.
pub const KEY_FILE_BYTES: usize = BODY_BYTES + CHECK_BYTES;

const MAGIC: &[u8; 8] = b"SRKEY\0\0\0";
const BODY_BYTES: usize = 74;
pub(super) const CHECK_BYTES: usize = 32;

/// A key file that was read whole.
#[derive(Debug)]
pub enum KeyFile {
    /// The file is the key.
    Plain(PlainKey),
    /// The file is the key once its passphrase is known.
    WithPassphrase(LockedKey),
}

/// A slot secret with what it is for.
#[derive(Debug)]
pub struct PlainKey {
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
    #[error("the key file is only half written: {found} of {whole} bytes")]
    HalfWritten {
        /// How many bytes there are.
        found: usize,
        /// How many there should be.
        whole: usize,
    },
    /// The file has a key's length, and its check value is wrong.
    #[error("the key file is damaged")]
    Damaged,
    /// The file is a key, and wants a passphrase that nobody was asked for.
    #[error("the key wants its passphrase")]
    WantsPassphrase,
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

impl KeyFile {
    /// Reads a key file.
    ///
    /// # Errors
    /// When the bytes are not a whole and undamaged key file of this version.
    pub fn parse(bytes: &[u8]) -> Result<Self, KeyFileError> {
        if bytes.is_empty() {
            return Err(KeyFileError::Empty);
        }
        let begins_as = |magic: &[u8; 8]| {
            let found = bytes.len().min(magic.len());
            bytes.get(..found) == magic.get(..found)
        };
        let plain = begins_as(MAGIC);
        let whole = match (plain, begins_as(passphrase::MAGIC)) {
            (true, _) => KEY_FILE_BYTES,
            (false, true) => LOCKED_KEY_FILE_BYTES,
            (false, false) => return Err(KeyFileError::NotAKey),
        };
        if let Some([high, low]) = bytes.get(8..10) {
            let found = u16::from_be_bytes([*high, *low]);
            if found > FORMAT_VERSION {
                return Err(KeyFileError::TooNew { found });
            }
        }
        let found = bytes.len();
        if found < whole {
            return Err(KeyFileError::HalfWritten { found, whole });
        }
        let (body, check) = bytes.split_at(whole - CHECK_BYTES);
        if found > whole || !bool::from(Sha256::digest(body).ct_eq(check)) {
            return Err(KeyFileError::Damaged);
        }
        if plain {
            PlainKey::parse(body).map(Self::Plain)
        } else {
            let locked = LockedKey::parse(body)?.ok_or(KeyFileError::Damaged)?;
            Ok(Self::WithPassphrase(locked))
        }
    }

    /// Opens the key; one without a passphrase takes any.
    ///
    /// # Errors
    /// When the passphrase is wrong, or there is not enough memory to try it.
    pub fn unlock(self, passphrase: &Passphrase) -> Result<PlainKey, PassphraseError> {
        match self {
            Self::Plain(key) => Ok(key),
            Self::WithPassphrase(locked) => locked.unlock(passphrase),
        }
    }

    /// Writes the file as it was read.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        match self {
            Self::Plain(key) => key.secret.to_key_file(&key.vault),
            Self::WithPassphrase(locked) => locked.to_bytes(),
        }
    }

    /// Returns the vault that the key was made for.
    #[must_use]
    pub fn vault(&self) -> &VaultId {
        match self {
            Self::Plain(key) => &key.vault,
            Self::WithPassphrase(locked) => &locked.vault,
        }
    }

    /// Returns the slot that the key opens.
    #[must_use]
    pub fn slot(&self) -> &SlotId {
        match self {
            Self::Plain(key) => &key.slot,
            Self::WithPassphrase(locked) => &locked.slot,
        }
    }
}

impl PlainKey {
    fn parse(body: &[u8]) -> Result<Self, KeyFileError> {
        let mut fields = Fields::new(body);
        fields.bytes(MAGIC.len() + 2)?;
        let vault = VaultId::from_bytes(*fields.array()?);
        let slot = SlotId::from_bytes(*fields.array()?);
        let secret = fields.array()?;
        let secret = SlotSecret::init_with(|place| *place = *secret);
        if secret.slot_id() != slot {
            return Err(KeyFileError::Damaged);
        }
        Ok(Self {
            vault,
            slot,
            secret,
        })
    }
}

impl SlotSecret {
    /// Reads a key file that is the key by itself.
    ///
    /// # Errors
    /// When the bytes are no key file, or one that wants a passphrase.
    pub fn from_key_file(bytes: &[u8]) -> Result<PlainKey, KeyFileError> {
        match KeyFile::parse(bytes)? {
            KeyFile::Plain(key) => Ok(key),
            KeyFile::WithPassphrase(_) => Err(KeyFileError::WantsPassphrase),
        }
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
        with_check(bytes)
    }

    /// Writes the secret as a key file for this vault that wants a passphrase. Takes 64 MiB and a
    /// good part of a second.
    ///
    /// # Errors
    /// When there is not enough memory, or `rng` fails.
    pub fn to_locked_key_file(
        &self,
        vault: &VaultId,
        passphrase: &Passphrase,
        rng: &mut impl TryCryptoRng,
    ) -> Result<Zeroizing<Vec<u8>>, PassphraseError> {
        LockedKey::seal(self, vault, passphrase, rng).map(|locked| locked.to_bytes())
    }
}

/// Closes a file with the check value that tells a whole one from a damaged one.
pub(super) fn with_check(mut bytes: Zeroizing<Vec<u8>>) -> Zeroizing<Vec<u8>> {
    let check = Sha256::digest(&bytes);
    bytes.extend_from_slice(&check);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key_file() -> Zeroizing<Vec<u8>> {
        SlotSecret::init_with(|bytes| bytes.fill(0x5A)).to_key_file(&VaultId::from_bytes([7; 16]))
    }

    fn locked_key_file() -> Zeroizing<Vec<u8>> {
        SlotSecret::init_with(|bytes| bytes.fill(0x5A))
            .to_locked_key_file(
                &VaultId::from_bytes([7; 16]),
                &Passphrase::new("correct horse"),
                &mut crate::testing::TestRng::new(1),
            )
            .unwrap()
    }

    #[test]
    fn a_key_file_survives_being_written_and_read() {
        let KeyFile::Plain(read) = KeyFile::parse(&key_file()).unwrap() else {
            panic!("a key with a passphrase");
        };

        assert_eq!(read.secret.expose_to_cipher(), &[0x5A; 32]);
        assert_eq!(read.vault, VaultId::from_bytes([7; 16]));
        assert_eq!(read.slot, read.secret.slot_id());
    }

    #[test]
    fn a_half_written_key_file_is_named_as_such_at_every_length() {
        for file in [key_file(), locked_key_file()] {
            let whole = file.len();
            // Five bytes are the same in both kinds.
            for found in 6..whole {
                let refused = KeyFile::parse(&file[..found]).unwrap_err();
                assert_eq!(refused, KeyFileError::HalfWritten { found, whole });
            }
            for found in 1..6 {
                let refused = KeyFile::parse(&file[..found]).unwrap_err();
                assert!(matches!(refused, KeyFileError::HalfWritten { .. }));
            }
        }
        assert_eq!(KeyFile::parse(&[]).unwrap_err(), KeyFileError::Empty);
    }

    #[test]
    fn any_flipped_bit_of_a_key_file_is_noticed() {
        for whole in [key_file(), locked_key_file()] {
            assert!(KeyFile::parse(&whole).is_ok(), "the control");
            for bit in 0..whole.len() * 8 {
                let mut bytes = whole.clone();
                bytes[bit / 8] ^= 1 << (bit % 8);
                assert!(KeyFile::parse(&bytes).is_err(), "bit {bit}");
            }
        }
    }

    #[test]
    fn other_files_and_newer_keys_get_their_own_words() {
        let mut newer = key_file();
        newer[9] = 3;

        let other = KeyFile::parse(b"PK\x03\x04 a holiday album").unwrap_err();
        let newer = KeyFile::parse(&newer).unwrap_err();

        assert_eq!(other.to_string(), "this file is not a Strongroom key");
        assert_eq!(newer, KeyFileError::TooNew { found: 3 });
    }
}
