//! The blob header: magic, version, suite, ids, epoch, sealed file key, salt, commitment.
//!
//! Parses and writes bytes; knows neither files nor how the file key is opened. The layout is in
//! `docs/formats/blob.md`.

use std::fmt;

use sha2::{Digest as _, Sha256};

pub use crate::id::{BlobId, VaultId};
use crate::{
    aead::{COMMITMENT_BYTES, SALT_BYTES},
    kem::SEALED_BYTES,
    parse::{Fields, TooShort},
};

/// The version of every format this program writes, and the newest it reads.
pub const FORMAT_VERSION: u16 = 0;
/// The one suite there is: X-Wing, HKDF-SHA256, AES-256-GCM, Cobblestone-256.
pub const SUITE: u16 = 1;
/// Length of a blob's header with salt and commitment, in bytes.
pub const HEADER_BYTES: usize = AAD_BYTES + SEALED_BYTES + SALT_BYTES + COMMITMENT_BYTES;

const MAGIC: &[u8; 8] = b"SRBLOB\0\0";
const AAD_BYTES: usize = 48;
const CONTEXT_BYTES: usize = 36;

/// Why bytes are no header that this program reads.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// The file does not begin as a blob does.
    #[error("this is not a blob of a Strongroom vault")]
    NotABlob,
    /// The blob was written by a later version of this program.
    #[error("the blob has format {found}, this program reads up to {FORMAT_VERSION}")]
    TooNew {
        /// The format version in the blob's header.
        found: u16,
    },
    /// The blob was sealed with ciphers this program does not have.
    #[error("the blob was sealed with suite {found}, which this program does not know")]
    UnknownSuite {
        /// The suite in the blob's header.
        found: u16,
    },
}

impl From<TooShort> for HeaderError {
    fn from(TooShort: TooShort) -> Self {
        Self::NotABlob
    }
}

/// The header of one blob.
#[derive(Clone)]
pub struct Header {
    /// The vault that the blob belongs to.
    pub vault: VaultId,
    /// The blob's own name.
    pub blob: BlobId,
    /// The epoch to whose public half the file key is sealed.
    pub epoch: u32,
    pub(crate) sealed_key: Box<[u8; SEALED_BYTES]>,
    pub(crate) salt: [u8; SALT_BYTES],
    pub(crate) commitment: [u8; COMMITMENT_BYTES],
}

/// SHA-256 of a blob's header; as the header commits to the file key, it stands for the blob.
#[derive(Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct HeaderHash([u8; 32]);

impl HeaderHash {
    /// Takes a hash as it was stored.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the hash for storing.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Hashes a header.
    #[must_use]
    pub fn of(header: &[u8; HEADER_BYTES]) -> Self {
        Self(Sha256::digest(header).into())
    }
}

impl fmt::Debug for HeaderHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HeaderHash({})", hex::encode(self.0))
    }
}

impl Header {
    /// Reads a header off the front of `bytes`, whatever follows it.
    ///
    /// # Errors
    /// When the bytes are no header of this version and suite. Nothing is authenticated here.
    pub fn parse(bytes: &[u8]) -> Result<Self, HeaderError> {
        let mut fields = Fields::new(bytes);
        if fields.array()? != MAGIC {
            return Err(HeaderError::NotABlob);
        }
        let version = fields.u16()?;
        if version > FORMAT_VERSION {
            return Err(HeaderError::TooNew { found: version });
        }
        let suite = fields.u16()?;
        if suite != SUITE {
            return Err(HeaderError::UnknownSuite { found: suite });
        }
        Ok(Self {
            vault: VaultId::from_bytes(*fields.array()?),
            blob: BlobId::from_bytes(*fields.array()?),
            epoch: fields.u32()?,
            sealed_key: Box::new(*fields.array()?),
            salt: *fields.array()?,
            commitment: *fields.array()?,
        })
    }

    /// Writes the header as it lies at the front of the blob.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        let aad = aad(&self.vault, &self.blob, self.epoch);
        let parts: [&[u8]; 4] = [
            &aad,
            self.sealed_key.as_slice(),
            &self.salt,
            &self.commitment,
        ];
        bytes
            .iter_mut()
            .zip(parts.into_iter().flatten())
            .for_each(|(to, from)| *to = *from);
        bytes
    }

    /// Returns what the file key's seal is bound to.
    pub(crate) fn aad(&self) -> [u8; AAD_BYTES] {
        aad(&self.vault, &self.blob, self.epoch)
    }

    /// Returns what the content's seal is bound to.
    pub(crate) fn context(&self) -> [u8; CONTEXT_BYTES] {
        context(&self.vault, &self.blob)
    }
}

pub(crate) fn aad(vault: &VaultId, blob: &BlobId, epoch: u32) -> [u8; AAD_BYTES] {
    joined(&[
        MAGIC,
        &FORMAT_VERSION.to_be_bytes(),
        &SUITE.to_be_bytes(),
        vault.as_bytes(),
        blob.as_bytes(),
        &epoch.to_be_bytes(),
    ])
}

pub(crate) fn context(vault: &VaultId, blob: &BlobId) -> [u8; CONTEXT_BYTES] {
    joined(&[
        &FORMAT_VERSION.to_be_bytes(),
        &SUITE.to_be_bytes(),
        vault.as_bytes(),
        blob.as_bytes(),
    ])
}

/// Lays `parts` one after the other; every caller's parts fill `N` bytes exactly.
pub(crate) fn joined<const N: usize>(parts: &[&[u8]]) -> [u8; N] {
    debug_assert_eq!(parts.iter().map(|part| part.len()).sum::<usize>(), N);
    let mut bytes = [0; N];
    bytes
        .iter_mut()
        .zip(parts.iter().copied().flatten())
        .for_each(|(to, from)| *to = *from);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header {
            vault: VaultId::from_bytes([1; 16]),
            blob: BlobId::from_bytes([2; 16]),
            epoch: 3,
            sealed_key: Box::new([4; SEALED_BYTES]),
            salt: [5; SALT_BYTES],
            commitment: [6; COMMITMENT_BYTES],
        }
    }

    #[test]
    fn a_header_survives_being_written_and_read() {
        let bytes = header().to_bytes();

        let read = Header::parse(&bytes).unwrap();

        assert_eq!(read.to_bytes(), bytes);
        assert_eq!((read.epoch, HEADER_BYTES), (3, 1272));
    }

    #[test]
    fn a_shortened_header_is_refused_at_every_length() {
        let bytes = header().to_bytes();

        for length in 0..HEADER_BYTES {
            let refused = Header::parse(&bytes[..length]).err();
            assert_eq!(refused, Some(HeaderError::NotABlob), "{length}");
        }
    }

    #[test]
    fn a_newer_version_or_suite_is_refused_with_words() {
        let mut newer = header().to_bytes();
        newer[9] = 7;
        let mut other = header().to_bytes();
        other[11] = 9;

        let newer = Header::parse(&newer).err().unwrap();
        let other = Header::parse(&other).err().unwrap();

        assert_eq!(
            newer.to_string(),
            "the blob has format 7, this program reads up to 0"
        );
        assert_eq!(other, HeaderError::UnknownSuite { found: 9 });
    }
}
