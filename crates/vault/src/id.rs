//! The random names of vaults and blobs and the derived name of a slot, each in a type of its own.

use std::{fmt, str::FromStr};

use rand_core::TryCryptoRng;

use crate::key::RandomnessError;

/// Length of every identifier, in bytes.
pub const ID_BYTES: usize = 16;

/// Why a text is no identifier.
#[derive(Debug, thiserror::Error)]
#[error("an identifier is 32 lower-case hexadecimal digits")]
#[non_exhaustive]
pub struct ParseIdError;

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
        )]
        pub struct $name([u8; ID_BYTES]);

        impl $name {
            /// Takes the 16 bytes as they are.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; ID_BYTES]) -> Self {
                Self(bytes)
            }

            /// Returns the 16 bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; ID_BYTES] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                let mut bytes = [0; ID_BYTES];
                if text.bytes().any(|it| it.is_ascii_uppercase()) {
                    return Err(ParseIdError);
                }
                hex::decode_to_slice(text, &mut bytes).map_err(|_| ParseIdError)?;
                Ok(Self(bytes))
            }
        }
    };
}

identifier! {
    /// Names one vault, and binds every record and blob to it.
    VaultId
}
identifier! {
    /// Names one blob, and with it its file on the drive.
    ///
    /// Drawn by the caller before the first byte is sealed, so that a repeated step finds its own
    /// work.
    BlobId
}
identifier! {
    /// Names one slot; it follows from the slot's public half.
    SlotId
}

impl VaultId {
    /// Draws a new vault id.
    ///
    /// # Errors
    /// When `rng` fails.
    pub fn random(rng: &mut impl TryCryptoRng) -> Result<Self, RandomnessError> {
        draw(rng).map(Self)
    }
}

impl BlobId {
    /// Draws a new blob id.
    ///
    /// # Errors
    /// When `rng` fails.
    pub fn random(rng: &mut impl TryCryptoRng) -> Result<Self, RandomnessError> {
        draw(rng).map(Self)
    }
}

fn draw(rng: &mut impl TryCryptoRng) -> Result<[u8; ID_BYTES], RandomnessError> {
    let mut bytes = [0; ID_BYTES];
    rng.try_fill_bytes(&mut bytes)
        .map_err(|_| RandomnessError)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_survives_being_written_and_read() {
        let id = BlobId::from_bytes([0xA7; 16]);

        assert_eq!(id.to_string().parse::<BlobId>().unwrap(), id);
    }

    #[test]
    fn other_spellings_of_an_identifier_are_refused() {
        for text in [
            "",
            "a7",
            &"A7".repeat(16),
            &"a7".repeat(17),
            &"zz".repeat(16),
        ] {
            assert!(text.parse::<BlobId>().is_err(), "{text}");
        }
    }
}
