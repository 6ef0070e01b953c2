//! The unlock code: a way in that lies on no device, for whoever keeps the key in memory only.
//!
//! Half of what the slot secret is made of is typed, the other half is the pepper on the system
//! card: the drive's thief cannot guess the code, and the card's thief has to pay Argon2id for
//! every guess at 50 bits. Counting tries is the daemon's business. The layout of the pepper's
//! file is in `docs/formats/slot.md`.

use std::fmt;

use hkdf::Hkdf;
use rand_core::TryCryptoRng;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::{
    KEY_BYTES, RandomnessError, SlotSecret,
    stretch::{self, Cost, NoMemory},
};
use crate::{
    header::FORMAT_VERSION,
    id::{SlotId, VaultId},
    parse::{Fields, TooShort},
};

/// Letters of an unlock code: 10 of 32, so 50 bits.
pub const CODE_LETTERS: usize = 10;
/// Length of a pepper file, in bytes.
pub const PEPPER_FILE_BYTES: usize = BODY_BYTES + 32;

/// Crockford's base 32: no I, L, O, U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const MAGIC: &[u8; 8] = b"SRPEPPER";
const BODY_BYTES: usize = 8 + 2 + 16 + 16 + KEY_BYTES;

/// A code that the owner types to open the vault. Neither `Debug` nor `Display` shows it.
pub struct UnlockCode(Zeroizing<String>);

/// The text has not the shape of an unlock code.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("an unlock code has {CODE_LETTERS} letters and digits")]
#[non_exhaustive]
pub struct NotACode;

impl UnlockCode {
    /// Draws a new code.
    ///
    /// # Errors
    /// When `rng` fails.
    pub fn generate(rng: &mut impl TryCryptoRng) -> Result<Self, RandomnessError> {
        let mut bytes = Zeroizing::new([0_u8; CODE_LETTERS]);
        rng.try_fill_bytes(bytes.as_mut_slice())
            .map_err(|_| RandomnessError)?;
        let mut code = Zeroizing::new(String::with_capacity(CODE_LETTERS));
        // 32 letters divide 256 evenly, so each is as likely as any other.
        let letters = bytes
            .iter()
            .filter_map(|it| ALPHABET.get(usize::from(it % 32)));
        code.extend(letters.map(|letter| char::from(*letter)));
        Ok(Self(code))
    }

    /// Reads a code the way people type it: without case, spaces or dashes, with O for 0 and I or
    /// L for 1.
    ///
    /// # Errors
    /// When it has not the shape of a code; whether it opens anything is not known here.
    pub fn parse(typed: &str) -> Result<Self, NotACode> {
        let mut code = Zeroizing::new(String::with_capacity(CODE_LETTERS));
        let typed = typed.chars().filter(|it| !it.is_whitespace() && *it != '-');
        for letter in typed {
            let letter = match letter.to_ascii_uppercase() {
                'O' => '0',
                'I' | 'L' => '1',
                other => other,
            };
            let known = u8::try_from(letter).is_ok_and(|it| ALPHABET.contains(&it));
            if !known || code.len() == CODE_LETTERS {
                return Err(NotACode);
            }
            code.push(letter);
        }
        if code.len() == CODE_LETTERS {
            Ok(Self(code))
        } else {
            Err(NotACode)
        }
    }

    /// Shows the code in two halves, as it is to be typed.
    #[must_use]
    pub fn expose_to_owner(&self) -> Zeroizing<String> {
        let (first, second) = self
            .0
            .split_at_checked(CODE_LETTERS / 2)
            .unwrap_or_default();
        let mut shown = Zeroizing::new(String::with_capacity(CODE_LETTERS + 1));
        shown.push_str(first);
        shown.push('-');
        shown.push_str(second);
        shown
    }
}

impl fmt::Debug for UnlockCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        f.write_str("UnlockCode(..)")
    }
}

/// What the pepper's file on the system card says.
#[derive(Debug)]
pub struct PepperFile {
    /// The vault that the code opens.
    pub vault: VaultId,
    /// The slot that the code opens.
    pub slot: SlotId,
    /// The pepper itself.
    pub pepper: Pepper,
}

/// Why bytes are no pepper file.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PepperError {
    /// The bytes are damaged or something else: no code opens the vault now.
    #[error("the unlock code's other half on the system card is damaged; make a new code")]
    Damaged,
    /// The file was written by a later version of this program.
    #[error("the unlock code's file has format {found}, this program reads up to {FORMAT_VERSION}")]
    TooNew {
        /// The format version in the file.
        found: u16,
    },
}

impl From<TooShort> for PepperError {
    fn from(TooShort: TooShort) -> Self {
        Self::Damaged
    }
}

super::secret! {
    /// The half of a code slot's secret that lies on the system card.
    pub Pepper
}

impl PepperFile {
    /// Writes the file for the system card.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(PEPPER_FILE_BYTES));
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&FORMAT_VERSION.to_be_bytes());
        bytes.extend_from_slice(self.vault.as_bytes());
        bytes.extend_from_slice(self.slot.as_bytes());
        bytes.extend_from_slice(self.pepper.expose_to_cipher());
        let check = Sha256::digest(&bytes);
        bytes.extend_from_slice(&check);
        bytes
    }

    /// Reads what [`PepperFile::to_bytes`] wrote.
    ///
    /// # Errors
    /// When a single bit differs.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PepperError> {
        let mut fields = Fields::new(bytes);
        if fields.array()? != MAGIC {
            return Err(PepperError::Damaged);
        }
        let version = fields.u16()?;
        if version > FORMAT_VERSION {
            return Err(PepperError::TooNew { found: version });
        }
        let vault = VaultId::from_bytes(*fields.array()?);
        let slot = SlotId::from_bytes(*fields.array()?);
        let pepper = fields.array()?;
        let pepper = Pepper::init_with(|place| *place = *pepper);
        let body = bytes.get(..BODY_BYTES).ok_or(TooShort)?;
        if !bool::from(fields.rest().ct_eq(&Sha256::digest(body))) {
            return Err(PepperError::Damaged);
        }
        Ok(Self {
            vault,
            slot,
            pepper,
        })
    }
}

impl SlotSecret {
    /// Makes the slot secret that a code stands for. Takes 64 MiB and a good part of a second.
    ///
    /// # Errors
    /// When there is not enough memory. A wrong code is no error: its secret opens no slot.
    pub fn from_code(
        code: &UnlockCode,
        pepper: &Pepper,
        vault: &VaultId,
    ) -> Result<Self, NoMemory> {
        let stretched = stretch::stretch(&code.0, vault.as_bytes(), Cost::NORMAL)?;
        // RFC 5869 2.2 and 2.3
        let hkdf = Hkdf::<Sha256>::new(
            Some(pepper.expose_to_cipher()),
            stretched.expose_to_cipher(),
        );
        Ok(Self::init_with(|secret| {
            #[expect(
                clippy::expect_used,
                reason = "32 bytes are far below the limit of 255 blocks"
            )]
            hkdf.expand(b"strongroom/v1/code-slot", secret)
                .expect("the output is one block");
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NoRng, TestRng};

    const VAULT: VaultId = VaultId::from_bytes([7; 16]);

    fn pepper(byte: u8) -> Pepper {
        Pepper::init_with(|bytes| bytes.fill(byte))
    }

    fn secret_of(typed: &str, pepper: &Pepper, vault: &VaultId) -> [u8; 32] {
        let code = UnlockCode::parse(typed).unwrap();
        *SlotSecret::from_code(&code, pepper, vault)
            .unwrap()
            .expose_to_cipher()
    }

    #[test]
    fn a_code_is_read_the_way_people_type_it() {
        for typed in [
            "01ABC-DEFGH",
            "oiabc defgh",
            " OLABCDEFGH\n",
            "o-l-a-b-c-d-e-f-g-h",
        ] {
            let read = UnlockCode::parse(typed).unwrap();
            assert_eq!(*read.expose_to_owner(), "01ABC-DEFGH", "{typed:?}");
        }
        for wrong in [
            "",
            "01ABC-DEFG",
            "01ABC-DEFGHJ",
            "01ABC-DEFGU",
            "01ABC-DEFG\u{e9}",
        ] {
            assert_eq!(UnlockCode::parse(wrong).unwrap_err(), NotACode, "{wrong:?}");
        }
    }

    #[test]
    fn a_drawn_code_can_be_typed_in_and_no_two_are_the_same() {
        let mut rng = TestRng::new(1);

        let first = UnlockCode::generate(&mut rng).unwrap();
        let second = UnlockCode::generate(&mut rng).unwrap();

        assert_eq!(
            *UnlockCode::parse(&first.expose_to_owner()).unwrap().0,
            *first.0
        );
        assert_ne!(*first.0, *second.0);
        assert!(UnlockCode::generate(&mut NoRng).is_err());
    }

    #[test]
    fn the_secret_needs_the_code_and_the_pepper_and_is_of_one_vault() {
        let secret = secret_of("01ABC-DEFGH", &pepper(1), &VAULT);

        assert_eq!(secret, secret_of("o1abcdefgh", &pepper(1), &VAULT));
        assert_ne!(secret, secret_of("01ABC-DEFGJ", &pepper(1), &VAULT));
        assert_ne!(secret, secret_of("01ABC-DEFGH", &pepper(2), &VAULT));
        let other = VaultId::from_bytes([8; 16]);
        assert_ne!(secret, secret_of("01ABC-DEFGH", &pepper(1), &other));
    }

    #[test]
    fn any_flipped_bit_and_any_other_length_of_a_pepper_file_is_refused() {
        let file = PepperFile {
            vault: VAULT,
            slot: SlotId::from_bytes([3; 16]),
            pepper: pepper(0x5A),
        };
        let bytes = file.to_bytes();

        let read = PepperFile::from_bytes(&bytes).unwrap();

        assert_eq!((read.vault, read.slot), (file.vault, file.slot));
        assert_eq!(read.pepper.expose_to_cipher(), &[0x5A; 32]);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(PepperFile::from_bytes(&flipped).is_err(), "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert!(
                PepperFile::from_bytes(&bytes[..length]).is_err(),
                "{length} bytes"
            );
        }
        assert!(PepperFile::from_bytes(&[bytes.as_slice(), &[0]].concat()).is_err());
    }

    #[test]
    fn nothing_shows_code_or_pepper() {
        let code = UnlockCode::generate(&mut TestRng::new(1)).unwrap();

        assert_eq!(format!("{code:?}"), "UnlockCode(..)");
        assert_eq!(format!("{:?}", pepper(1)), "Pepper(..)");
    }
}
