//! What the crate asks of the place where its state lives.
//!
//! It does not know databases: an implementation keeps opaque bytes (`to_bytes`, `from_bytes` of
//! each type) and must pass [`store_suite!`](crate::store_suite).

use crate::{Address, Changes, KnownDevice, Namespace, OwnDevice, Prekey, Session, SignedPrekey};

/// Where the state lives. Reads see everything applied before.
pub trait Store {
    /// Why the store failed.
    type Error: std::error::Error + 'static;

    /// Returns our own device; `None` before enrolment.
    ///
    /// # Errors
    /// The store's.
    fn own_device(&self) -> Result<Option<OwnDevice>, Self::Error>;

    /// Returns all signed prekeys, newest (highest id) first.
    ///
    /// # Errors
    /// The store's.
    fn signed_prekeys(&self) -> Result<Vec<SignedPrekey>, Self::Error>;

    /// Returns the prekey with this id, used or not.
    ///
    /// # Errors
    /// The store's.
    fn prekey(&self, id: u32) -> Result<Option<Prekey>, Self::Error>;

    /// Returns the prekeys that nobody has used, by ascending id.
    ///
    /// # Errors
    /// The store's.
    fn prekeys(&self) -> Result<Vec<Prekey>, Self::Error>;

    /// Counts the prekeys that nobody has used.
    ///
    /// # Errors
    /// The store's.
    fn prekey_count(&self) -> Result<usize, Self::Error>;

    /// Returns the ids of the prekeys that were used and set aside, ascending.
    ///
    /// # Errors
    /// The store's.
    fn used_prekeys(&self) -> Result<Vec<u32>, Self::Error>;

    /// Returns the sessions with a device in a namespace, highest [`Session::rank`] first.
    ///
    /// # Errors
    /// The store's.
    fn sessions(
        &self,
        namespace: Namespace,
        address: &Address,
    ) -> Result<Vec<Session>, Self::Error>;

    /// Returns what is known about one device.
    ///
    /// # Errors
    /// The store's.
    fn known_device(&self, address: &Address) -> Result<Option<KnownDevice>, Self::Error>;

    /// Returns the known devices of the account `jid`, by ascending device id.
    ///
    /// # Errors
    /// The store's.
    fn known_devices(&self, jid: &str) -> Result<Vec<KnownDevice>, Self::Error>;

    /// Saves all of `changes`, or nothing of it. What is removed is never also added.
    ///
    /// # Errors
    /// The store's; then nothing was saved.
    fn apply(&mut self, changes: Changes) -> Result<(), Self::Error>;
}

/// Bytes from a store that are not what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a record of the store is damaged or of a later version")]
pub struct Damaged;

mod memory;
#[doc(hidden)]
pub mod suite;

pub use memory::MemoryStore;
