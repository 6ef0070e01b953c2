//! Prekeys: stock, use, refill; the signed one and its age.
//!
//! It does not know how they are published.

use zeroize::Zeroizing;

use crate::Damaged;

/// A key that can start one session, and is then gone.
#[derive(Debug)]
pub struct Prekey {
    pub(crate) id: u32,
}

impl Prekey {
    /// Returns the id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Writes the prekey for the store. The bytes are secret.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        todo!()
    }

    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`Damaged`] if the bytes are anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Damaged> {
        let _ = bytes;
        todo!()
    }
}

/// The prekey of medium life that the identity key has signed.
#[derive(Debug)]
pub struct SignedPrekey {
    pub(crate) id: u32,
    pub(crate) created_at: u64,
}

impl SignedPrekey {
    /// Returns the id; a later key has a higher one.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Returns when it was made, in seconds since 1970.
    #[must_use]
    pub fn created_at(&self) -> u64 {
        self.created_at
    }

    /// Writes the signed prekey for the store. The bytes are secret.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        todo!()
    }

    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`Damaged`] if the bytes are anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Damaged> {
        let _ = bytes;
        todo!()
    }
}
