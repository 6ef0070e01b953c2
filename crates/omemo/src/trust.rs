//! Trust decisions and fingerprints.
//!
//! It records decisions; who may make them is the caller's business.

use std::fmt;

use crate::{Address, Damaged};

/// The public identity key of a device, as a point on Curve25519.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdentityKey(pub(crate) [u8; 32]);

impl IdentityKey {
    /// Returns the key's 32 bytes, without the prefix that the legacy namespace puts before it.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns the 64 lower-case hex digits that clients show.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        hex::encode(self.0)
    }

    /// Returns the last 8 hex digits of the fingerprint.
    #[must_use]
    pub fn short(&self) -> String {
        hex::encode(&self.0[28..])
    }

    /// Reads a fingerprint as people type or paste it: any case, in groups, with or without `05`.
    ///
    /// # Errors
    /// [`FingerprintError`].
    pub fn from_fingerprint(typed: &str) -> Result<Self, FingerprintError> {
        let _ = typed;
        todo!()
    }
}

impl fmt::Debug for IdentityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdentityKey({})", self.fingerprint())
    }
}

/// Why a text is no fingerprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FingerprintError {
    /// It has other characters than hex digits and separators.
    #[error("a fingerprint has only the digits 0-9 and a-f")]
    NotHex,
    /// It has too few or too many digits.
    #[error("a fingerprint has 64 digits, this has {digits}")]
    Length {
        /// How many hex digits were found.
        digits: usize,
    },
    /// The digits are no usable key.
    #[error("these digits are no identity key")]
    NotAKey,
}

/// What was decided about a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Trust {
    /// Nothing yet: the device is in quarantine.
    Undecided,
    /// It was paired by a one-time code.
    Paired,
    /// A pinned device approved it.
    Vouched,
    /// Its fingerprint was given by the owner beforehand.
    Pinned,
    /// It was shut out for good.
    Revoked,
}

impl Trust {
    /// Tells whether the device was let in by somebody.
    #[must_use]
    pub fn is_trusted(self) -> bool {
        match self {
            Self::Paired | Self::Vouched | Self::Pinned => true,
            Self::Undecided | Self::Revoked => false,
        }
    }
}

/// A device that was seen, with its identity key and what was decided about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownDevice {
    /// The device.
    pub address: Address,
    /// Its identity key, as first seen.
    pub identity: IdentityKey,
    /// What was decided about it.
    pub trust: Trust,
    /// Whether its account's device list names it.
    pub active: bool,
    /// When it was first seen, in seconds since 1970.
    pub first_seen_at: u64,
}

impl KnownDevice {
    /// Writes all but the address for the store.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        todo!()
    }

    /// Reads what [`Self::to_bytes`] wrote about the device at `address`.
    ///
    /// # Errors
    /// [`Damaged`] if the bytes are anything else.
    pub fn from_bytes(address: Address, bytes: &[u8]) -> Result<Self, Damaged> {
        let _ = (address, bytes);
        todo!()
    }
}
