//! Prekeys: stock, use, refill; the signed one and its age.
//!
//! It does not know how they are published, nor when somebody looks; [`crate::machine::rotate`]
//! adds and removes records by the ages given here. Ids only ever grow.

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::{
    Damaged, OwnDevice,
    encoding::{Reader, Writer},
    key::{PrekeySecret, PublicKey},
    profile::Profile,
    wire::encode_key,
    xeddsa::{self, SIGNATURE_BYTES},
};

/// How many prekeys a full stock has.
pub const FULL_STOCK: usize = 100;
/// Below how many prekeys the stock is filled up.
pub const REFILL_BELOW: usize = 80;
/// The highest prekey id; other implementations keep ids in three bytes.
const MAX_ID: u32 = 0x00FF_FFFF;
/// How old, in seconds, the newest signed prekey gets before another takes its place.
pub const ROTATE_AFTER: u64 = 7 * 24 * 60 * 60;
/// How old, in seconds, a signed prekey gets before key exchanges with it are refused.
pub const KEEP_SIGNED: u64 = 30 * 24 * 60 * 60;
const VERSION: u8 = 1;

/// A key that can start one session, and is then gone.
#[derive(Debug)]
pub struct Prekey {
    pub(crate) id: u32,
    pub(crate) created_at: u64,
    pub(crate) secret: PrekeySecret,
    pub(crate) public: PublicKey,
}

impl Prekey {
    pub(crate) fn random(id: u32, rng: &mut impl CryptoRng, now: u64) -> Self {
        let secret = PrekeySecret::random(rng);
        Self {
            id,
            created_at: now,
            public: secret.public(),
            secret,
        }
    }

    /// Returns the id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Returns when it was made, in seconds since 1970.
    #[must_use]
    pub fn created_at(&self) -> u64 {
        self.created_at
    }

    /// Writes the prekey for the store. The bytes are secret.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let Self {
            id,
            created_at,
            secret,
            public,
        } = self;
        let mut out = Writer::new(77);
        out.u8(VERSION);
        out.u32(*id);
        out.u64(*created_at);
        out.bytes(secret.expose_to_cipher());
        out.bytes(&public.0);
        out.finish()
    }

    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`Damaged`] if the bytes are anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Damaged> {
        let mut from = Reader::new(bytes, VERSION)?;
        let prekey = Self {
            id: from.u32()?,
            created_at: from.u64()?,
            secret: PrekeySecret::copy_from(from.array()?),
            public: PublicKey(*from.array()?),
        };
        from.finish()?;
        Ok(prekey)
    }
}

/// The prekey of medium life that the identity key has signed.
#[derive(Debug)]
pub struct SignedPrekey {
    pub(crate) id: u32,
    pub(crate) created_at: u64,
    pub(crate) secret: PrekeySecret,
    pub(crate) public: PublicKey,
    /// Over the public key as the legacy namespace encodes it.
    pub(crate) signature: [u8; SIGNATURE_BYTES],
}

impl SignedPrekey {
    pub(crate) fn random(
        profile: &Profile,
        own: &OwnDevice,
        id: u32,
        rng: &mut impl CryptoRng,
        now: u64,
    ) -> Self {
        let secret = PrekeySecret::random(rng);
        let public = secret.public();
        let signature = xeddsa::sign(&own.secret, &encode_key(profile, &public), rng);
        Self {
            id,
            created_at: now,
            secret,
            public,
            signature,
        }
    }

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

    /// Returns its public half, which the bundle shows.
    #[must_use]
    pub fn public(&self) -> &[u8; 32] {
        &self.public.0
    }

    /// Writes the signed prekey for the store. The bytes are secret.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let Self {
            id,
            created_at,
            secret,
            public,
            signature,
        } = self;
        let mut out = Writer::new(141);
        out.u8(VERSION);
        out.u32(*id);
        out.u64(*created_at);
        out.bytes(secret.expose_to_cipher());
        out.bytes(&public.0);
        out.bytes(signature);
        out.finish()
    }

    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`Damaged`] if the bytes are anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Damaged> {
        let mut from = Reader::new(bytes, VERSION)?;
        let signed = Self {
            id: from.u32()?,
            created_at: from.u64()?,
            secret: PrekeySecret::copy_from(from.array()?),
            public: PublicKey(*from.array()?),
            signature: *from.array()?,
        };
        from.finish()?;
        Ok(signed)
    }
}

/// Makes `count` prekeys with fresh ids and moves the device's counter on.
pub(crate) fn make(
    own: &mut OwnDevice,
    count: usize,
    rng: &mut impl CryptoRng,
    now: u64,
) -> Vec<Prekey> {
    (0..count)
        .map(|_| {
            let id = own.next_prekey;
            own.next_prekey = if id >= MAX_ID { 1 } else { id + 1 };
            Prekey::random(id, rng, now)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::suite::FixedRng;

    static_assertions::assert_not_impl_any!(Prekey: Clone, Copy, PartialEq);
    static_assertions::assert_not_impl_any!(SignedPrekey: Clone, Copy, PartialEq);

    #[test]
    fn debug_shows_no_byte_of_the_secret_half() {
        let prekey = Prekey::random(7, &mut FixedRng::new(1), 0);

        let shown = format!("{prekey:?}");

        assert!(shown.contains("PrekeySecret(..)"), "{shown}");
        assert!(
            !shown.contains(&hex::encode(&prekey.secret.expose_to_cipher()[..4])),
            "{shown}"
        );
    }

    #[test]
    fn ids_start_again_at_one_after_the_highest_that_fits_in_three_bytes() {
        let mut rng = FixedRng::new(1);
        let mut own = OwnDevice::random(&mut rng, 0);
        own.next_prekey = MAX_ID - 1;

        let ids: Vec<_> = make(&mut own, 4, &mut rng, 0)
            .iter()
            .map(Prekey::id)
            .collect();

        assert_eq!(ids, [MAX_ID - 1, MAX_ID, 1, 2]);
    }
}
