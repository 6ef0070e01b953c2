//! Signatures by the identity key, both sign conventions.
//!
//! An identity key is a point on Curve25519, whose Edwards form has two candidates that differ in
//! sign. XEdDSA always takes the one with sign 0; the libsignal family signs with either and puts
//! the sign into the top bit of the signature's last byte, which is otherwise 0.

use curve25519_dalek::{EdwardsPoint, MontgomeryPoint, Scalar, edwards::CompressedEdwardsY};
use rand_core::CryptoRng;
use sha2::{Digest, Sha512};
use subtle::{ConditionallySelectable, ConstantTimeEq};
use zeroize::Zeroizing;

use crate::key::{IdentitySecret, PublicKey};

/// Length of a signature, in bytes.
pub(crate) const SIGNATURE_BYTES: usize = 64;

const SIGN: u8 = 0x80;

/// Signs `message`. // XEdDSA 2.3, 2.4 (calculate_key_pair, xeddsa_sign)
pub(crate) fn sign(
    key: &IdentitySecret,
    message: &[u8],
    rng: &mut impl CryptoRng,
) -> [u8; SIGNATURE_BYTES] {
    let mut random = Zeroizing::new([0; 64]);
    rng.fill_bytes(random.as_mut());
    sign_with(key, message, &random)
}

fn sign_with(key: &IdentitySecret, message: &[u8], random: &[u8; 64]) -> [u8; SIGNATURE_BYTES] {
    let k = key.expose_as_scalar();
    let mut public = EdwardsPoint::mul_base(&k).compress().to_bytes();
    let negative = (public[31] & SIGN).ct_eq(&SIGN);
    public[31] &= !SIGN;
    let a = Zeroizing::new(Scalar::conditional_select(&k, &-*k, negative));
    // hash_1: 2^256 - 2 in little-endian, then the secret, the message and 64 random bytes
    let mut prefix = [0xFF; 32];
    prefix[0] = 0xFE;
    let nonce = Zeroizing::new(<[u8; 64]>::from(
        Sha512::new()
            .chain_update(prefix)
            .chain_update(a.as_bytes())
            .chain_update(message)
            .chain_update(random)
            .finalize(),
    ));
    let r = Zeroizing::new(Scalar::from_bytes_mod_order_wide(&nonce));
    let commitment = EdwardsPoint::mul_base(&r).compress();
    let h = challenge(&commitment, &public, message);
    let s = *r + h * *a;
    let mut signature = [0; SIGNATURE_BYTES];
    signature[..32].copy_from_slice(commitment.as_bytes());
    signature[32..].copy_from_slice(s.as_bytes());
    signature
}

/// Signs `message` without randomness: the same key gives the same signature each time.
///
/// The nonce is then a hash over the secret and the message only, as RFC 8032 5.1.6 has it.
pub(crate) fn sign_same(key: &IdentitySecret, message: &[u8]) -> [u8; SIGNATURE_BYTES] {
    sign_with(key, message, &[0; 64])
}

/// Tells whether `signature` is by `key` over `message`. // XEdDSA 2.5
pub(crate) fn verify(key: &PublicKey, message: &[u8], signature: &[u8; SIGNATURE_BYTES]) -> bool {
    let sign = signature[SIGNATURE_BYTES - 1] >> 7;
    let mut bare = *signature;
    bare[SIGNATURE_BYTES - 1] &= !SIGN;
    try_verify(key, sign, message, &bare).is_some()
}

/// Tells whether `signature` is by the point on Ed25519 that stands for `key` and has this sign, or
/// else says itself that it is by the negative one: both are the same holder's. // RFC 8032 5.1.7
pub(crate) fn verify_edwards(
    key: &PublicKey,
    is_negative: bool,
    message: &[u8],
    signature: &[u8; SIGNATURE_BYTES],
) -> bool {
    if signature[SIGNATURE_BYTES - 1] & SIGN != 0 {
        return verify(key, message, signature);
    }
    try_verify(key, is_negative.into(), message, signature).is_some()
}

fn try_verify(
    key: &PublicKey,
    sign: u8,
    message: &[u8],
    signature: &[u8; SIGNATURE_BYTES],
) -> Option<()> {
    let (commitment, s) = signature.split_first_chunk::<32>()?;
    let s = Option::<Scalar>::from(Scalar::from_canonical_bytes(s.try_into().ok()?))?;
    let point = MontgomeryPoint(key.0).to_edwards(sign)?;
    if point.is_small_order() {
        return None;
    }
    let commitment = CompressedEdwardsY(*commitment);
    let h = challenge(&commitment, &point.compress().to_bytes(), message);
    let expected = EdwardsPoint::vartime_double_scalar_mul_basepoint(&h, &-point, &s).compress();
    (expected == commitment).then_some(())
}

fn challenge(commitment: &CompressedEdwardsY, public: &[u8; 32], message: &[u8]) -> Scalar {
    let hash = Sha512::new()
        .chain_update(commitment.as_bytes())
        .chain_update(public)
        .chain_update(message)
        .finalize();
    Scalar::from_bytes_mod_order_wide(&hash.into())
}

#[cfg(test)]
mod tests;
