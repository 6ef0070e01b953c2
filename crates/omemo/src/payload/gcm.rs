//! The body layer of the legacy namespace: AES-128-GCM under a fresh key.
//!
//! What goes to each device through its ratchet is the content key, followed by the tag.

use aes::Aes128;
use aes_gcm::{
    AeadInOut, AesGcm, KeyInit,
    aead::consts::{U12, U16},
};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::{Encrypted, PayloadError, TooLong};

const CONTENT_KEY_BYTES: usize = 16;
const TAG_BYTES: usize = 16;
const IV_BYTES: usize = 12;

/// Encrypts `body`, or makes the key of an empty message. // XEP-0384 v0.3.0 4.5, 4.6
pub(super) fn encrypt(body: Option<&[u8]>, rng: &mut impl CryptoRng) -> Result<Encrypted, TooLong> {
    let mut material = Zeroizing::new(vec![0; CONTENT_KEY_BYTES + TAG_BYTES]);
    let mut iv = [0; IV_BYTES];
    let (key, tag) = material.split_at_mut(CONTENT_KEY_BYTES);
    rng.fill_bytes(key);
    rng.fill_bytes(&mut iv);
    let mut payload = body.unwrap_or_default().to_vec();
    let cipher = AesGcm::<Aes128, U12>::new_from_slice(key).map_err(|_| TooLong)?;
    let computed = cipher
        .encrypt_inout_detached(&iv.into(), b"", payload.as_mut_slice().into())
        .map_err(|_| TooLong)?;
    tag.copy_from_slice(&computed);
    Ok(Encrypted {
        material,
        iv: iv.to_vec(),
        payload: body.map(|_| payload),
    })
}

/// Opens the payload of an envelope with what came through the ratchet.
pub(super) fn decrypt(
    material: &[u8],
    iv: &[u8],
    payload: &[u8],
) -> Result<Zeroizing<Vec<u8>>, PayloadError> {
    let (key, tag) = material
        .split_first_chunk::<CONTENT_KEY_BYTES>()
        .ok_or(PayloadError::Malformed)?;
    // clients of before 0.3 send the key alone and append the tag to the payload
    let (ciphertext, tag) = if tag.is_empty() {
        payload
            .split_last_chunk::<TAG_BYTES>()
            .ok_or(PayloadError::Malformed)?
    } else {
        (
            payload,
            tag.try_into().map_err(|_| PayloadError::Malformed)?,
        )
    };
    let mut body = Zeroizing::new(ciphertext.to_vec());
    let opened = if let Ok(iv) = <&[u8; 12]>::try_from(iv) {
        AesGcm::<Aes128, U12>::new(key.into()).decrypt_inout_detached(
            iv.into(),
            b"",
            body.as_mut_slice().into(),
            tag.into(),
        )
    } else if let Ok(iv) = <&[u8; 16]>::try_from(iv) {
        AesGcm::<Aes128, U16>::new(key.into()).decrypt_inout_detached(
            iv.into(),
            b"",
            body.as_mut_slice().into(),
            tag.into(),
        )
    } else {
        return Err(PayloadError::Malformed);
    };
    opened.map_err(|_| PayloadError::NotAuthentic)?;
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::suite::FixedRng;

    #[test]
    fn a_body_comes_back_and_any_flipped_bit_is_refused() {
        let made = encrypt(Some(b"photo"), &mut FixedRng::new(1)).ok().unwrap();
        let payload = made.payload.unwrap();

        assert_eq!(
            *decrypt(&made.material, &made.iv, &payload).unwrap(),
            b"photo"
        );
        for bit in 0..payload.len() * 8 {
            let mut forged = payload.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            let refused = decrypt(&made.material, &made.iv, &forged);
            assert_eq!(refused.err(), Some(PayloadError::NotAuthentic));
        }
    }

    #[test]
    fn the_tag_may_follow_the_payload_when_only_the_key_was_sent() {
        let made = encrypt(Some(b"photo"), &mut FixedRng::new(1)).ok().unwrap();
        let (key, tag) = made.material.split_at(16);
        let payload = [made.payload.unwrap(), tag.to_vec()].concat();

        assert_eq!(*decrypt(key, &made.iv, &payload).unwrap(), b"photo");
    }

    #[test]
    fn an_iv_of_16_bytes_opens_and_other_lengths_are_malformed() {
        // made by python's cryptography: AESGCM(bytes(16)).encrypt(bytes(range(16)), b"photo", b"")
        let sealed = hex::decode(SIXTEEN).unwrap();
        let iv: Vec<u8> = (0..16).collect();

        assert_eq!(*decrypt(&[0; 16], &iv, &sealed).unwrap(), b"photo");
        for length in (0..40).filter(|it| ![12, 16].contains(it)) {
            let refused = decrypt(&[0; 16], &vec![0; length], &sealed);
            assert_eq!(refused.err(), Some(PayloadError::Malformed), "{length}");
        }
    }

    #[test]
    fn key_material_of_other_lengths_is_malformed() {
        for length in (0..80).filter(|it| ![16, 32].contains(it)) {
            let refused = decrypt(&vec![0; length], &[0; 12], &[0; 40]);
            assert_eq!(refused.err(), Some(PayloadError::Malformed), "{length}");
        }
    }

    const SIXTEEN: &str = "a30f3d97bbd0f4ec01ac10961a577f9b7dd9ff9935";
}
