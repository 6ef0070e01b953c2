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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hkdf_is_the_one_of_rfc_5869_a_1() {
        // a salt shorter than a block is the same as one filled up with zeros. // RFC 2104 2
        let mut salt = [0; 32];
        hex::decode_to_slice("000102030405060708090a0b0c", &mut salt[..13]).unwrap();
        let mut out = [0; 42];

        hkdf(
            &salt,
            &[0x0B; 22],
            &hex::decode("f0f1f2f3f4f5f6f7f8f9").unwrap(),
            &mut out,
        );

        assert_eq!(
            hex::encode(out),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
        );
    }

    #[test]
    fn hmac_is_the_one_of_rfc_4231_4_2() {
        let mut key = [0; 32];
        key[..20].fill(0x0B);
        let mut out = [0; 32];

        hmac(&key, &[b"Hi ", b"There"], &mut out);

        assert_eq!(
            hex::encode(out),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        );
    }
}
