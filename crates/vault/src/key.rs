//! The keys of the vault, each in a type of its own so that one is never used for another.
//!
//! Knows how keys are derived from one another, not what they seal.

use std::fmt;

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit as _, Mac as _};
use rand_core::TryCryptoRng;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::{
    header::HeaderHash,
    id::{BlobId, SlotId, VaultId},
    kem::{KeyPair, PublicKey},
};

macro_rules! secret {
    ($(#[$doc:meta])* $visible:vis $name:ident) => {
        $(#[$doc])*
        $visible struct $name(Box<Zeroizing<[u8; KEY_BYTES]>>);

        #[allow(dead_code, reason = "not every key needs every way in and out")]
        impl $name {
            /// Creates a key by letting `fill` write it where it will live, so that no copy is
            /// left on the stack.
            #[must_use]
            $visible fn init_with(fill: impl FnOnce(&mut [u8; KEY_BYTES])) -> Self {
                let mut key = Box::new(Zeroizing::new([0; KEY_BYTES]));
                fill(&mut key);
                Self(key)
            }

            /// Draws a new key.
            ///
            /// # Errors
            /// When `rng` fails.
            $visible fn generate(rng: &mut impl TryCryptoRng) -> Result<Self, RandomnessError> {
                let mut key = Box::new(Zeroizing::new([0; KEY_BYTES]));
                rng.try_fill_bytes(key.as_mut_slice()).map_err(|_| RandomnessError)?;
                Ok(Self(key))
            }

            /// Shows the key to whoever computes with it or writes it to its custodian. The name
            /// is long so that a search for `expose` finds every place where key material leaves
            /// its type.
            #[must_use]
            $visible fn expose_to_cipher(&self) -> &[u8; KEY_BYTES] {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let Self(_) = self;
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    };
}

use secret;

pub mod code;
pub mod file;
mod intake;
pub mod passphrase;
pub mod public_half;
pub(crate) mod stretch;

pub use public_half::PublicHalf;
pub use stretch::NoMemory;

/// Length of every symmetric key in the vault, in bytes.
pub const KEY_BYTES: usize = 32;

/// The source of randomness failed, so nothing was made.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system gave no random numbers")]
#[non_exhaustive]
pub struct RandomnessError;

secret! {
    /// Seals the content of exactly one blob.
    ///
    /// Random, and stored only HPKE-sealed in the blob's header. It has no `Clone`, so that it
    /// dies with the blob's reader or writer.
    pub(crate) FileKey
}

secret! {
    /// Opens one epoch of the vault, and through the chain all older ones.
    pub(crate) EpochSecret
}

secret! {
    /// A key for one purpose, derived from an epoch secret.
    pub(crate) PurposeKey
}

secret! {
    /// What one custodian holds: 256 random bits that open the vault through the custodian's slot.
    pub SlotSecret
}

secret! {
    /// Proves on the system card that a blob was sealed by this very Pi while the vault was locked.
    pub IntakeKey
}

impl SlotSecret {
    /// Derives the slot's key pair; only its public half is ever stored.
    pub(crate) fn key_pair(&self) -> KeyPair {
        KeyPair::from_seed(&expand(self.expose_to_cipher(), "slot-key-pair"))
    }

    /// Returns the name of the slot that this secret opens.
    #[must_use]
    pub fn slot_id(&self) -> SlotId {
        slot_id(&self.key_pair().public())
    }
}

/// Names the slot with this public half: the first 16 bytes of a labelled SHA-256.
pub(crate) fn slot_id(public: &PublicKey) -> SlotId {
    let hash = Sha256::new()
        .chain_update(b"strongroom/v1/slot-id")
        .chain_update(public.to_bytes())
        .finalize();
    let mut id = [0; 16];
    id.iter_mut()
        .zip(hash.iter())
        .for_each(|(to, from)| *to = *from);
    SlotId::from_bytes(id)
}

impl EpochSecret {
    /// Derives the epoch's key pair: blobs are sealed to its public half.
    pub(crate) fn key_pair(&self) -> KeyPair {
        KeyPair::from_seed(&expand(self.expose_to_cipher(), "epoch-key-pair"))
    }

    /// Derives the key for one purpose.
    pub(crate) fn purpose(&self, label: &str) -> PurposeKey {
        expand(self.expose_to_cipher(), label)
    }
}

/// Derives a key under `strongroom/v1/<label>`.
// RFC 5869 2.3
pub(crate) fn expand(secret: &[u8; KEY_BYTES], label: &str) -> PurposeKey {
    #[expect(clippy::expect_used, reason = "32 bytes are a whole SHA-256 output")]
    let hkdf = Hkdf::<Sha256>::from_prk(secret).expect("the secret is as long as the hash");
    PurposeKey::init_with(|key| {
        #[expect(
            clippy::expect_used,
            reason = "32 bytes are far below the limit of 255 blocks"
        )]
        hkdf.expand_multi_info(&[b"strongroom/v1/", label.as_bytes()], key)
            .expect("the output is one block");
    })
}

/// HMAC-SHA-256 over `parts`, one after the other.
// RFC 2104
pub(crate) fn hmac(key: &[u8; KEY_BYTES], parts: &[&[u8]]) -> [u8; 32] {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

/// Proof of origin of one blob that was sealed while the vault was locked.
#[derive(Clone, Copy, serde::Serialize, serde::Deserialize)]
pub struct IntakeMac([u8; 32]);

impl IntakeMac {
    /// Takes a MAC as it was stored.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the MAC for storing.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for IntakeMac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IntakeMac(..)")
    }
}

impl IntakeKey {
    /// Vouches for the blob with this header.
    #[must_use]
    pub fn mac(&self, vault: &VaultId, blob: &BlobId, header: &HeaderHash) -> IntakeMac {
        IntakeMac(hmac(
            self.expose_to_cipher(),
            &[
                b"strongroom/v1/intake",
                vault.as_bytes(),
                blob.as_bytes(),
                header.as_bytes(),
            ],
        ))
    }

    /// Tells whether `mac` vouches for the blob with this header.
    #[must_use]
    pub fn verifies(
        &self,
        mac: &IntakeMac,
        vault: &VaultId,
        blob: &BlobId,
        header: &HeaderHash,
    ) -> bool {
        self.mac(vault, blob, header).0.ct_eq(&mac.0).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static_assertions::assert_not_impl_any!(FileKey: Clone, Copy, PartialEq);
    static_assertions::assert_not_impl_any!(EpochSecret: Clone, Copy, PartialEq);
    static_assertions::assert_not_impl_any!(PurposeKey: Clone, Copy, PartialEq);
    static_assertions::assert_not_impl_any!(SlotSecret: Clone, Copy, PartialEq, serde::Serialize);
    static_assertions::assert_not_impl_any!(IntakeKey: Clone, Copy, PartialEq, serde::Serialize);

    #[test]
    fn debug_shows_no_byte_of_a_key() {
        let file = FileKey::init_with(|bytes| bytes.fill(0xA5));
        let slot = SlotSecret::init_with(|bytes| bytes.fill(0xA5));
        let intake = IntakeKey::init_with(|bytes| bytes.fill(0xA5));

        assert_eq!(format!("{file:?}"), "FileKey(..)");
        assert_eq!(format!("{slot:?}"), "SlotSecret(..)");
        assert_eq!(format!("{intake:?}"), "IntakeKey(..)");
    }

    #[test]
    fn an_intake_mac_holds_for_its_own_blob_only() {
        let key = IntakeKey::init_with(|bytes| bytes.fill(1));
        let other_key = IntakeKey::init_with(|bytes| bytes.fill(2));
        let (vault, blob) = (VaultId::from_bytes([3; 16]), BlobId::from_bytes([4; 16]));
        let header = HeaderHash::from_bytes([5; 32]);

        let mac = key.mac(&vault, &blob, &header);

        assert!(key.verifies(&mac, &vault, &blob, &header));
        assert!(!other_key.verifies(&mac, &vault, &blob, &header));
        assert!(!key.verifies(&mac, &VaultId::from_bytes([0; 16]), &blob, &header));
        assert!(!key.verifies(&mac, &vault, &BlobId::from_bytes([0; 16]), &header));
        assert!(!key.verifies(&mac, &vault, &blob, &HeaderHash::from_bytes([0; 32])));
    }
}
