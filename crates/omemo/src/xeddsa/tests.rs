//! Signatures against another implementation and the vectors of Ed25519.

use super::*;
use crate::store::suite::FixedRng;

const VECTORS: &str = include_str!("../../tests/vectors/xeddsa.txt");

struct Vector {
    key: IdentitySecret,
    public: PublicKey,
    nonce: [u8; 64],
    message: Vec<u8>,
    specified: [u8; 64],
    plain: [u8; 64],
    with_sign: [u8; 64],
}

fn vectors() -> Vec<Vector> {
    VECTORS
        .lines()
        .filter(|it| !it.starts_with('#'))
        .map(|line| {
            let fields: Vec<_> = line.split(' ').map(|it| hex::decode(it).unwrap()).collect();
            let [key, public, nonce, message, specified, plain, with_sign] =
                fields.try_into().unwrap();
            Vector {
                key: IdentitySecret::copy_from(key.as_slice().try_into().unwrap()),
                public: PublicKey(public.try_into().unwrap()),
                nonce: nonce.try_into().unwrap(),
                message,
                specified: specified.try_into().unwrap(),
                plain: plain.try_into().unwrap(),
                with_sign: with_sign.try_into().unwrap(),
            }
        })
        .collect()
}

#[test]
fn signatures_are_those_of_the_specification() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 12);

    for it in vectors {
        assert_eq!(it.key.public(), it.public);
        assert_eq!(sign_with(&it.key, &it.message, &it.nonce), it.specified);
        assert!(verify(&it.public, &it.message, &it.specified));
    }
}

#[test]
fn both_sign_conventions_verify_and_the_wrong_sign_does_not() {
    for it in vectors() {
        assert!(verify(&it.public, &it.message, &it.plain));
        assert!(verify(&it.public, &it.message, &it.with_sign));
        let mut flipped = it.plain;
        flipped[63] |= SIGN;
        assert!(!verify(&it.public, &it.message, &flipped));
        let mut flipped = it.with_sign;
        flipped[63] &= !SIGN;
        assert!(!verify(&it.public, &it.message, &flipped));
    }
}

#[test]
fn a_signature_verifies_under_the_point_that_made_it() {
    for it in vectors() {
        let is_negative = it.with_sign[63] & SIGN != 0;
        let mut bare = it.with_sign;
        bare[63] &= !SIGN;

        assert!(verify_edwards(&it.public, is_negative, &it.message, &bare));
        assert!(!verify_edwards(
            &it.public,
            !is_negative,
            &it.message,
            &bare
        ));
        assert!(verify_edwards(
            &it.public,
            false,
            &it.message,
            &it.specified
        ));
        // the sign that a signature shows by itself counts whatever the key shows
        let shown = verify_edwards(&it.public, !is_negative, &it.message, &it.with_sign);
        assert_eq!(shown, is_negative);
        bare[0] ^= 1;
        assert!(!verify_edwards(&it.public, is_negative, &it.message, &bare));
    }
}

#[test]
fn a_signature_without_randomness_is_the_same_each_time_and_another_for_another_message() {
    for it in vectors() {
        let signature = sign_same(&it.key, b"x");

        assert_eq!(signature, sign_same(&it.key, b"x"));
        assert!(verify_edwards(&it.public, false, b"x", &signature));
        // a nonce used for two messages would give the key away
        assert_ne!(signature[..32], sign_same(&it.key, b"y")[..32]);
    }
}

#[test]
fn our_signatures_have_sign_zero_whatever_the_key_and_differ_each_time() {
    let mut rng = FixedRng::new(1);
    for it in vectors() {
        let [one, two] = [sign(&it.key, b"x", &mut rng), sign(&it.key, b"x", &mut rng)];

        assert_ne!(one, two);
        for signature in [one, two] {
            assert_eq!(signature[63] & SIGN, 0);
            assert!(verify(&it.public, b"x", &signature));
        }
    }
}

#[test]
fn any_flipped_bit_of_message_signature_or_key_is_refused() {
    let it = vectors().remove(1);
    assert!(verify(&it.public, &it.message, &it.plain));

    for bit in 0..512 {
        let mut signature = it.plain;
        signature[bit / 8] ^= 1 << (bit % 8);
        assert!(
            !verify(&it.public, &it.message, &signature),
            "signature bit {bit}"
        );
    }
    for bit in 0..8 * it.message.len() {
        let mut message = it.message.clone();
        message[bit / 8] ^= 1 << (bit % 8);
        assert!(
            !verify(&it.public, &message, &it.plain),
            "message bit {bit}"
        );
    }
    for bit in 0..255 {
        let mut public = it.public;
        public.0[bit / 8] ^= 1 << (bit % 8);
        assert!(!verify(&public, &it.message, &it.plain), "key bit {bit}");
    }
}

#[test]
fn ed25519_signatures_of_rfc_8032_verify_under_the_converted_key() {
    // RFC 8032 7.1, tests 1 to 3: public key, message, signature
    let vectors = [
        (
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e3970\
             1cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613\
             d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ),
        (
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760\
             984dc6594a7c15e9716ed28dc027beceea1ec40a",
        ),
    ];

    for (public, message, signature) in vectors {
        let edwards: [u8; 32] = hex::decode(public).unwrap().try_into().unwrap();
        let point = CompressedEdwardsY(edwards).decompress().unwrap();
        let public = PublicKey(point.to_montgomery().to_bytes());
        let mut signature: [u8; 64] = hex::decode(signature).unwrap().try_into().unwrap();
        signature[63] |= edwards[31] & SIGN;

        assert!(verify(&public, &hex::decode(message).unwrap(), &signature));
    }
}

#[test]
fn a_key_of_small_order_verifies_nothing() {
    // of the two points of small order, one vanishes for every other challenge: then R = sB fits
    let s = Scalar::from(7_u8);
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(EdwardsPoint::mul_base(&s).compress().as_bytes());
    signature[32..].copy_from_slice(s.as_bytes());

    for u in [0, 1] {
        for message in 0..64_u8 {
            let mut key = [0; 32];
            key[0] = u;
            assert!(!verify(&PublicKey(key), &[message], &signature));
        }
    }
}
