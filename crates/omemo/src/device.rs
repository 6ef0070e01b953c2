//! Device ids, addresses, device lists, and our own device.
//!
//! It does not know where device lists are published.

use std::fmt;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::{
    Damaged, IdentityKey,
    encoding::{Reader, Writer},
    key::IdentitySecret,
    wire::Shown,
};

const VERSION: u8 = 1;

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
        Self {
            jid: jid.into(),
            device,
        }
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

/// This device: its id and the identity key that all namespaces share.
pub struct OwnDevice {
    pub(crate) device: DeviceId,
    pub(crate) secret: IdentitySecret,
    pub(crate) identity: IdentityKey,
    pub(crate) next_prekey: u32,
    pub(crate) next_signed_prekey: u32,
    pub(crate) enrolled_at: u64,
}

impl OwnDevice {
    /// Draws id and identity key.
    pub(crate) fn random(rng: &mut impl CryptoRng, now: u64) -> Self {
        // XEP-0384 v0.3.0 4.2: between 1 and 2^31 - 1
        let device = loop {
            let id = rng.next_u32() >> 1;
            if id != 0 {
                break DeviceId(id);
            }
        };
        let secret = IdentitySecret::random(rng);
        Self {
            device,
            identity: IdentityKey(secret.public().0),
            secret,
            next_prekey: 1,
            next_signed_prekey: 1,
            enrolled_at: now,
        }
    }

    /// Makes a second value of the same device, for the caller beside the one to be saved.
    pub(crate) fn duplicate(&self) -> Self {
        let Self {
            device,
            secret,
            identity,
            next_prekey,
            next_signed_prekey,
            enrolled_at,
        } = self;
        Self {
            device: *device,
            secret: IdentitySecret::copy_from(secret.expose_to_cipher()),
            identity: *identity,
            next_prekey: *next_prekey,
            next_signed_prekey: *next_signed_prekey,
            enrolled_at: *enrolled_at,
        }
    }

    /// Returns the device id.
    #[must_use]
    pub fn device(&self) -> DeviceId {
        self.device
    }

    /// Returns the public identity key.
    #[must_use]
    pub fn identity(&self) -> IdentityKey {
        self.identity
    }

    /// Returns the identity key as we show it: of its two points on Ed25519 the one that XEdDSA
    /// signs with.
    pub(crate) fn shown(&self) -> Shown {
        Shown {
            key: self.identity.public(),
            is_negative: false,
        }
    }

    /// Returns when the device was made, in seconds since 1970.
    #[must_use]
    pub fn enrolled_at(&self) -> u64 {
        self.enrolled_at
    }

    /// Writes the device for the store. The bytes are secret.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let Self {
            device,
            secret,
            identity,
            next_prekey,
            next_signed_prekey,
            enrolled_at,
        } = self;
        let mut out = Writer::new(85);
        out.u8(VERSION);
        out.u32(device.0);
        out.bytes(secret.expose_to_cipher());
        out.bytes(identity.as_bytes());
        out.u32(*next_prekey);
        out.u32(*next_signed_prekey);
        out.u64(*enrolled_at);
        out.finish()
    }

    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`Damaged`] if the bytes are anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Damaged> {
        let mut from = Reader::new(bytes, VERSION)?;
        let own = Self {
            device: DeviceId(from.u32()?),
            secret: IdentitySecret::copy_from(from.array()?),
            identity: IdentityKey(*from.array()?),
            next_prekey: from.u32()?,
            next_signed_prekey: from.u32()?,
            enrolled_at: from.u64()?,
        };
        from.finish()?;
        Ok(own)
    }
}

impl fmt::Debug for OwnDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            device,
            secret,
            identity,
            next_prekey,
            next_signed_prekey,
            enrolled_at,
        } = self;
        f.debug_struct("OwnDevice")
            .field("device", device)
            .field("secret", secret)
            .field("identity", identity)
            .field("next_prekey", next_prekey)
            .field("next_signed_prekey", next_signed_prekey)
            .field("enrolled_at", enrolled_at)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::suite::FixedRng;

    static_assertions::assert_not_impl_any!(OwnDevice: Clone, Copy, PartialEq);

    #[test]
    fn debug_shows_no_byte_of_the_identity_secret() {
        let own = OwnDevice::random(&mut FixedRng::new(1), 0);

        let shown = format!("{own:?}");

        assert!(shown.contains("IdentitySecret(..)"), "{shown}");
        assert!(
            !shown.contains(&hex::encode(&own.secret.expose_to_cipher()[..4])),
            "{shown}"
        );
    }

    #[test]
    fn ids_are_never_zero_and_have_31_bits() {
        let mut rng = FixedRng::new(1);

        for _ in 0..200 {
            let DeviceId(id) = OwnDevice::random(&mut rng, 0).device();
            assert!((1..=0x7FFF_FFFF).contains(&id));
        }
    }
}
