//! Device ids, addresses, device lists, and our own device.
//!
//! It does not know where device lists are published.

use std::fmt;

use zeroize::Zeroizing;

use crate::{Damaged, IdentityKey};

/// The number of an OMEMO device, unique within one account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId(pub u32);

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One device of one account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// The account's bare address, normalised by the caller.
    pub jid: String,
    /// The device.
    pub device: DeviceId,
}

impl Address {
    /// Joins an account and a device.
    #[must_use]
    pub fn new(jid: impl Into<String>, device: DeviceId) -> Self {
        Self { jid: jid.into(), device }
    }
}

/// The devices that an account announces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeviceList {
    /// The devices, in the order of the list.
    pub devices: Vec<DeviceId>,
}

impl DeviceList {
    /// Tells whether the list names `device`.
    #[must_use]
    pub fn contains(&self, device: DeviceId) -> bool {
        self.devices.contains(&device)
    }

    /// Adds `device` at the end; returns whether it was missing.
    pub fn announce(&mut self, device: DeviceId) -> bool {
        let missing = !self.contains(device);
        if missing {
            self.devices.push(device);
        }
        missing
    }
}

/// This device: its id and the identity key that both namespaces share.
pub struct OwnDevice {
    pub(crate) device: DeviceId,
}

impl OwnDevice {
    /// Returns the device id.
    #[must_use]
    pub fn device(&self) -> DeviceId {
        self.device
    }

    /// Returns the public identity key.
    #[must_use]
    pub fn identity(&self) -> IdentityKey {
        todo!()
    }

    /// Writes the device for the store. The bytes are secret.
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

impl fmt::Debug for OwnDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnDevice").field("device", &self.device).finish_non_exhaustive()
    }
}
