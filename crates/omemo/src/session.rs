//! Which session for which device.
//!
//! It does not know the store; [`crate::machine`] loads and saves.

use zeroize::Zeroizing;

use crate::{Damaged, Namespace};

/// Tells the sessions with one device apart: the public base key of the exchange that started it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub [u8; 32]);

/// A Double Ratchet session with one device in one namespace.
#[derive(Debug)]
pub struct Session {
    pub(crate) id: SessionId,
    pub(crate) namespace: Namespace,
    pub(crate) rank: u64,
}

impl Session {
    /// Returns what tells it from the other sessions with the same device.
    #[must_use]
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// Returns the namespace it belongs to.
    #[must_use]
    pub fn namespace(&self) -> Namespace {
        self.namespace
    }

    /// Returns its rank among the sessions with the same device: the highest is used first.
    #[must_use]
    pub fn rank(&self) -> u64 {
        self.rank
    }

    /// Writes the session for the store. The bytes are secret.
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
