//! The body layer of `urn:xmpp:omemo:2`: AES-256-CBC and HMAC under keys derived from a fresh key.
//!
//! What goes to each device through its ratchet is the key, followed by the MAC: so whoever can
//! write another content for the same MAC would have to break the hash.

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::{Encrypted, PayloadError};
use crate::{cbc_hmac::CbcHmac, key::KEY_BYTES};

const MAC_BYTES: usize = 16;

/// Encrypts `body`, or makes what is sent in an empty message. // XEP-0384 v0.9.1 4.4, 5.5.3
pub(super) fn encrypt(info: &[u8], body: Option<&[u8]>, rng: &mut impl CryptoRng) -> Encrypted {
    let Some(body) = body else {
        return Encrypted {
            material: Zeroizing::new(vec![0; KEY_BYTES]),
            iv: Vec::new(),
            payload: None,
        };
    };
    let mut material = Zeroizing::new(Vec::with_capacity(KEY_BYTES + MAC_BYTES));
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    rng.fill_bytes(key.as_mut());
    material.extend_from_slice(key.as_ref());
    let keys = CbcHmac::expand(&key, info);
    let payload = keys.encrypt(body);
    material.extend(keys.tag(&[&payload]).into_iter().take(MAC_BYTES));
    Encrypted {
        material,
        iv: Vec::new(),
        payload: Some(payload),
    }
}

/// Opens `payload` with key and MAC. // XEP-0384 v0.9.1 4.5
pub(super) fn decrypt(
    info: &[u8],
    material: &[u8],
    payload: &[u8],
) -> Result<Zeroizing<Vec<u8>>, PayloadError> {
    let (key, mac) = material
        .split_first_chunk::<KEY_BYTES>()
        .filter(|(_, mac)| mac.len() == MAC_BYTES)
        .ok_or(PayloadError::Malformed)?;
    CbcHmac::expand(key, info)
        .open(&[payload], mac, MAC_BYTES, payload)
        .map_err(|_| PayloadError::NotAuthentic)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::suite::FixedRng;

    const INFO: &[u8] = b"OMEMO Payload";

    #[test]
    fn a_body_comes_back_and_any_flipped_bit_is_refused() {
        let made = encrypt(
            INFO,
            Some(b"a photo, longer than a block"),
            &mut FixedRng::new(1),
        );
        let payload = made.payload.unwrap();

        let opened = decrypt(INFO, &made.material, &payload).unwrap();
        assert_eq!(*opened, b"a photo, longer than a block");
        for bit in 0..payload.len() * 8 {
            let mut forged = payload.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            let refused = decrypt(INFO, &made.material, &forged);
            assert_eq!(refused.err(), Some(PayloadError::NotAuthentic));
        }
        for cut in 0..payload.len() {
            let refused = decrypt(INFO, &made.material, &payload[..cut]);
            assert_eq!(refused.err(), Some(PayloadError::NotAuthentic), "{cut}");
        }
    }

    #[test]
    fn bodies_of_every_length_around_a_block_come_back() {
        for length in 0..50 {
            let body = vec![7; length];
            let made = encrypt(INFO, Some(&body), &mut FixedRng::new(1));
            let payload = made.payload.unwrap();

            assert_eq!(payload.len(), (length / 16 + 1) * 16);
            assert_eq!(*decrypt(INFO, &made.material, &payload).unwrap(), body);
        }
    }

    #[test]
    fn key_material_of_other_lengths_is_malformed() {
        for length in (0..80).filter(|it| *it != 48) {
            let refused = decrypt(INFO, &vec![0; length], &[0; 32]);
            assert_eq!(refused.err(), Some(PayloadError::Malformed), "{length}");
        }
    }

    #[test]
    fn an_empty_message_is_32_zero_bytes() {
        let made = encrypt(INFO, None, &mut FixedRng::new(1));

        assert_eq!(*made.material, [0; 32]);
        assert!(made.payload.is_none() && made.iv.is_empty());
    }
}
