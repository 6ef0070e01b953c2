//! The two ways keys are derived: HKDF and HMAC, both with SHA-256.
//!
//! It knows no key types and no labels; callers bring both.

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Fills `out` from `input` by HKDF. // RFC 5869 2
#[expect(
    clippy::expect_used,
    reason = "no caller asks for more than 255 hashes' length"
)]
pub(crate) fn hkdf(salt: &[u8; 32], input: &[u8], info: &[u8], out: &mut [u8]) {
    Hkdf::<Sha256>::new(Some(salt), input)
        .expand(info, out)
        .expect("80 bytes at most are asked for");
}

/// Writes the HMAC of all `parts` under `key` to `out`. // RFC 2104 2
#[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
pub(crate) fn hmac(key: &[u8; 32], parts: &[&[u8]], out: &mut [u8; 32]) {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of every length");
    for part in parts {
        mac.update(part);
    }
    out.copy_from_slice(&mac.finalize().into_bytes());
}
