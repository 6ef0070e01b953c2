//! The keys of the protocol, each in a type of its own so that one is never used for another.
//!
//! It knows the curve, not the protocol.

use std::fmt;

use curve25519_dalek::{MontgomeryPoint, Scalar, scalar::clamp_integer};
use rand_core::CryptoRng;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Length of every key of the protocol, in bytes.
pub(crate) const KEY_BYTES: usize = 32;

macro_rules! secret_key {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        pub(crate) struct $name(Box<Zeroizing<[u8; KEY_BYTES]>>);

        impl $name {
            /// Creates a key by letting `fill` write it where it will live.
            pub(crate) fn init_with(fill: impl FnOnce(&mut [u8; KEY_BYTES])) -> Self {
                let mut key = Box::new(Zeroizing::new([0; KEY_BYTES]));
                fill(&mut key);
                Self(key)
            }

            /// Shows the key to the cipher, or to the writer of a stored record.
            pub(crate) fn expose_to_cipher(&self) -> &[u8; KEY_BYTES] {
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

macro_rules! kept_in_records {
    ($($name:ident)*) => {
        $(impl $name {
            /// Copies the key from a record, or from another use of the same key.
            pub(crate) fn copy_from(bytes: &[u8; KEY_BYTES]) -> Self {
                Self::init_with(|key| key.copy_from_slice(bytes))
            }
        })*
    };
}

macro_rules! curve_secret {
    ($(#[$doc:meta])* $name:ident) => {
        secret_key! { $(#[$doc])* $name }

        impl $name {
            /// Draws a fresh key.
            pub(crate) fn random(rng: &mut impl CryptoRng) -> Self {
                Self::init_with(|bytes| rng.fill_bytes(bytes))
            }

            /// Returns the public half.
            pub(crate) fn public(&self) -> PublicKey {
                PublicKey(MontgomeryPoint::mul_base_clamped(*self.expose_to_cipher()).to_bytes())
            }

            /// Agrees on a shared secret with the holder of `their` key. // RFC 7748 6.1
            pub(crate) fn agree(&self, their: &PublicKey) -> Result<Agreement, WeakKey> {
                agree(self.expose_to_cipher(), their)
            }
        }
    };
}

curve_secret! {
    /// The identity key of this device.
    IdentitySecret
}
curve_secret! {
    /// A prekey, signed or not.
    PrekeySecret
}
curve_secret! {
    /// The base key that starts one session. It dies when the session is computed.
    BaseSecret
}
curve_secret! {
    /// Our current ratchet key in one session.
    RatchetSecret
}
secret_key! {
    /// What two key holders agree on.
    Agreement
}
secret_key! {
    /// The root of a session, renewed by each turn of the ratchet.
    RootKey
}
secret_key! {
    /// The state of one chain, renewed by each message.
    ChainKey
}
secret_key! {
    /// Opens exactly one message; expanded into cipher key, MAC key and IV on use.
    MessageKey
}

kept_in_records! { IdentitySecret PrekeySecret RatchetSecret RootKey ChainKey MessageKey }

impl IdentitySecret {
    /// Returns the key as a number, for signing.
    pub(crate) fn expose_as_scalar(&self) -> Zeroizing<Scalar> {
        let clamped = Zeroizing::new(clamp_integer(*self.expose_to_cipher()));
        Zeroizing::new(Scalar::from_bytes_mod_order(*clamped))
    }
}

/// A public key that keeps nothing secret: an agreement with it is known to everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WeakKey;

fn agree(own: &[u8; KEY_BYTES], their: &PublicKey) -> Result<Agreement, WeakKey> {
    let agreement = Agreement::init_with(|bytes| {
        *bytes = MontgomeryPoint(their.0).mul_clamped(*own).to_bytes();
    });
    // RFC 7748 6.1: an all-zero result means a point of small order
    if bool::from(agreement.expose_to_cipher().ct_eq(&[0; KEY_BYTES])) {
        return Err(WeakKey);
    }
    Ok(agreement)
}

/// A public key as a point on Curve25519 (the u coordinate).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct PublicKey(pub(crate) [u8; KEY_BYTES]);

impl PublicKey {
    /// Tells whether the point has small order, so that every agreement with it is zero.
    pub(crate) fn is_weak(&self) -> bool {
        // eight times a point of small order is the neutral element, whose u is 0
        let eight = [true, false, false, false];
        MontgomeryPoint(self.0)
            .mul_bits_be(eight.into_iter())
            .to_bytes()
            == [0; KEY_BYTES]
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", hex::encode(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static_assertions::assert_not_impl_any!(IdentitySecret: Clone, Copy, PartialEq);
    static_assertions::assert_not_impl_any!(PrekeySecret: Clone, Copy, PartialEq);
    static_assertions::assert_not_impl_any!(BaseSecret: Clone, Copy, PartialEq);
    static_assertions::assert_not_impl_any!(RatchetSecret: Clone, Copy, PartialEq);
    static_assertions::assert_not_impl_any!(Agreement: Clone, Copy, PartialEq);
    static_assertions::assert_not_impl_any!(RootKey: Clone, Copy, PartialEq);
    static_assertions::assert_not_impl_any!(ChainKey: Clone, Copy, PartialEq);
    static_assertions::assert_not_impl_any!(MessageKey: Clone, Copy, PartialEq);

    #[test]
    fn debug_shows_no_byte_of_a_key() {
        let key = RootKey::init_with(|bytes| bytes.fill(0xA5));

        assert_eq!(format!("{key:?}"), "RootKey(..)");
    }

    #[test]
    fn agreement_is_the_one_of_rfc_7748_section_5_2_and_6_1() {
        let lone = secret("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4");
        let point = public("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c");
        let alice = secret("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
        let bob = secret("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");

        let of_lone = lone.agree(&point).unwrap();
        let of_alice = alice.agree(&bob.public()).unwrap();
        let of_bob = bob.agree(&alice.public()).unwrap();

        assert_eq!(
            hex::encode(of_lone.expose_to_cipher()),
            "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"
        );
        assert_eq!(
            alice.public(),
            public("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a")
        );
        assert_eq!(
            hex::encode(of_alice.expose_to_cipher()),
            "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"
        );
        assert_eq!(of_alice.expose_to_cipher(), of_bob.expose_to_cipher());
    }

    #[test]
    fn points_of_small_order_are_weak_and_refuse_agreement() {
        // RFC 7748 6.1; the points of order 1, 2, 4 and 8, on the curve and its twist, and
        // their encodings above the prime
        let weak = [
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0100000000000000000000000000000000000000000000000000000000000000",
            "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
            "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        ];
        let own = secret("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");

        for point in weak {
            assert!(public(point).is_weak(), "{point}");
            assert_eq!(own.agree(&public(point)).err(), Some(WeakKey), "{point}");
        }
        assert!(!own.public().is_weak());
        assert!(own.agree(&own.public()).is_ok());
    }

    fn public(hex_digits: &str) -> PublicKey {
        PublicKey(hex::FromHex::from_hex(hex_digits).unwrap())
    }

    fn secret(hex_digits: &str) -> PrekeySecret {
        PrekeySecret::init_with(|bytes| hex::decode_to_slice(hex_digits, bytes).unwrap())
    }
}
