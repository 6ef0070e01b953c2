//! A passphrase over the key file: whoever finds the stick then still has to guess.
//!
//! Only the key device ever carries something that is sealed by a passphrase: on the drive its
//! thief could guess at leisure. The layout is in `docs/formats/slot.md`.

use std::fmt;

use rand_core::TryCryptoRng;
use subtle::ConstantTimeEq as _;
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

use super::{
    KEY_BYTES, RandomnessError, SlotSecret,
    file::{CHECK_BYTES, PlainKey, with_check},
    stretch::{self, Cost, NoMemory, SALT_BYTES},
};
use crate::{
    aead::{self, RECORD_OVERHEAD},
    header::FORMAT_VERSION,
    id::{SlotId, VaultId},
    parse::{Fields, TooShort},
};

/// Length of a key file with a passphrase, in bytes.
pub const LOCKED_KEY_FILE_BYTES: usize = AAD_BYTES + SEALED_BYTES + CHECK_BYTES;

pub(super) const MAGIC: &[u8; 8] = b"SRKEYPW\0";
const AAD_BYTES: usize = 8 + 2 + 16 + 16 + 4 + 4 + SALT_BYTES;
const SEALED_BYTES: usize = KEY_BYTES + RECORD_OVERHEAD;

/// A passphrase as it was typed. Neither `Debug` nor `Display` shows it.
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// Takes a passphrase as it was typed, without the line's end. Keyboards that write a letter
    /// in different ways mean the same passphrase.
    // RFC 8265 4.2.2, rule 4: normal form C
    #[must_use]
    pub fn new(typed: &str) -> Self {
        let typed = typed.trim_end_matches(['\r', '\n']);
        // The normal form may be longer; a buffer that grows would leave a copy behind.
        let mut text = Zeroizing::new(String::with_capacity(typed.len() * 4));
        text.extend(typed.nfc());
        Self(text)
    }

    /// Tells whether the same was typed twice.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }

    /// Returns how many characters there are, for advice on its strength.
    #[must_use]
    pub fn letters(&self) -> usize {
        self.0.chars().count()
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        f.write_str("Passphrase(..)")
    }
}

/// Why a key did not open with a passphrase.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PassphraseError {
    /// It is another passphrase's key.
    #[error("the passphrase is wrong")]
    Wrong,
    /// It could not be tried.
    #[error(transparent)]
    NoMemory(#[from] NoMemory),
    /// No key could be made, because the system gave no random numbers.
    #[error(transparent)]
    Randomness(#[from] RandomnessError),
}

/// A key file that wants a passphrase.
pub struct LockedKey {
    /// The vault that the key was made for.
    pub vault: VaultId,
    /// The slot that the key opens.
    pub slot: SlotId,
    cost: Cost,
    salt: [u8; SALT_BYTES],
    sealed: [u8; SEALED_BYTES],
}

impl LockedKey {
    /// Opens the key. Takes 64 MiB and a good part of a second.
    ///
    /// # Errors
    /// When the passphrase is wrong, or there is not enough memory to try it.
    pub fn unlock(&self, passphrase: &Passphrase) -> Result<PlainKey, PassphraseError> {
        let key = stretch::stretch(&passphrase.0, &self.salt, self.cost)?;
        let wrong = PassphraseError::Wrong;
        let Ok(opened) = aead::open_record(&key, &self.aad(), &self.sealed) else {
            return Err(wrong);
        };
        let Some(secret) = opened.first_chunk::<KEY_BYTES>() else {
            return Err(wrong);
        };
        let secret = SlotSecret::init_with(|place| *place = *secret);
        if secret.slot_id() != self.slot {
            return Err(wrong);
        }
        Ok(PlainKey {
            vault: self.vault,
            slot: self.slot,
            secret,
        })
    }

    /// Seals a slot secret under a passphrase.
    pub(super) fn seal(
        secret: &SlotSecret,
        vault: &VaultId,
        passphrase: &Passphrase,
        rng: &mut impl TryCryptoRng,
    ) -> Result<Self, PassphraseError> {
        let mut locked = Self {
            vault: *vault,
            slot: secret.slot_id(),
            cost: Cost::NORMAL,
            salt: [0; SALT_BYTES],
            sealed: [0; SEALED_BYTES],
        };
        rng.try_fill_bytes(&mut locked.salt)
            .map_err(|_| RandomnessError)?;
        let key = stretch::stretch(&passphrase.0, &locked.salt, locked.cost)?;
        let sealed = aead::seal_record(&key, &locked.aad(), secret.expose_to_cipher());
        locked
            .sealed
            .iter_mut()
            .zip(sealed)
            .for_each(|(to, from)| *to = from);
        Ok(locked)
    }

    /// Reads the body of a key file whose check value holds. `None` for a cost nobody would set.
    pub(super) fn parse(body: &[u8]) -> Result<Option<Self>, TooShort> {
        let mut fields = Fields::new(body);
        fields.bytes(MAGIC.len() + 2)?;
        let vault = VaultId::from_bytes(*fields.array()?);
        let slot = SlotId::from_bytes(*fields.array()?);
        let cost = Cost::checked(fields.u32()?, fields.u32()?);
        let (salt, sealed) = (*fields.array()?, *fields.array()?);
        Ok(cost.map(|cost| Self {
            vault,
            slot,
            cost,
            salt,
            sealed,
        }))
    }

    pub(super) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(LOCKED_KEY_FILE_BYTES));
        bytes.extend_from_slice(&self.aad());
        bytes.extend_from_slice(&self.sealed);
        with_check(bytes)
    }

    fn aad(&self) -> [u8; AAD_BYTES] {
        crate::header::joined(&[
            MAGIC,
            &FORMAT_VERSION.to_be_bytes(),
            self.vault.as_bytes(),
            self.slot.as_bytes(),
            &self.cost.memory_kib.to_be_bytes(),
            &self.cost.passes.to_be_bytes(),
            &self.salt,
        ])
    }
}

impl fmt::Debug for LockedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            vault,
            slot,
            cost: _,
            salt: _,
            sealed: _,
        } = self;
        write!(f, "LockedKey({vault}, {slot})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        KeyFile,
        testing::{NoRng, TestRng},
    };

    const VAULT: VaultId = VaultId::from_bytes([7; 16]);

    fn secret() -> SlotSecret {
        SlotSecret::init_with(|bytes| bytes.fill(0x5A))
    }

    fn locked(passphrase: &str) -> LockedKey {
        let bytes = secret()
            .to_locked_key_file(&VAULT, &Passphrase::new(passphrase), &mut TestRng::new(1))
            .unwrap();
        assert_eq!(bytes.len(), LOCKED_KEY_FILE_BYTES);
        match KeyFile::parse(&bytes).unwrap() {
            KeyFile::WithPassphrase(locked) => locked,
            KeyFile::Plain(_) => panic!("a key without a passphrase"),
        }
    }

    #[test]
    fn a_key_opens_with_its_passphrase_and_with_no_other() {
        let locked = locked("correct horse\n");

        let opened = locked.unlock(&Passphrase::new("correct horse")).unwrap();

        assert_eq!(opened.secret.expose_to_cipher(), &[0x5A; 32]);
        assert_eq!((opened.vault, opened.slot), (VAULT, secret().slot_id()));
        for other in ["", "correct hors", "Correct horse", "correct horse "] {
            let refused = locked.unlock(&Passphrase::new(other)).unwrap_err();
            assert_eq!(refused, PassphraseError::Wrong, "{other:?}");
        }
    }

    #[test]
    fn a_letter_is_the_same_however_the_keyboard_writes_it() {
        let locked = locked("caf\u{e9} au lait");

        let opened = locked.unlock(&Passphrase::new("cafe\u{301} au lait"));

        assert!(opened.is_ok());
    }

    #[test]
    fn the_secret_does_not_lie_open_in_a_key_file_with_a_passphrase() {
        let plain = secret().to_key_file(&VAULT);
        let locked = locked("correct horse").to_bytes();

        let holds = |file: &[u8]| file.windows(32).any(|it| it == [0x5A; 32]);

        assert!(holds(&plain), "the control");
        assert!(!holds(&locked));
    }

    #[test]
    fn without_randomness_no_key_is_made() {
        let made = secret().to_locked_key_file(&VAULT, &Passphrase::new("x"), &mut NoRng);

        assert_eq!(
            made.unwrap_err(),
            PassphraseError::Randomness(RandomnessError)
        );
    }

    #[test]
    fn nothing_shows_the_passphrase() {
        assert_eq!(format!("{:?}", Passphrase::new("secret")), "Passphrase(..)");
    }
}
