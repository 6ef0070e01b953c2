//! One ciphertext that bare AES-GCM opens with two keys, to two texts, and that a commitment does not.

use aes_gcm::{
    Aes256Gcm, KeyInit as _,
    aead::Aead as _,
    aes::{Aes256, cipher::BlockCipherEncrypt as _},
};
use hmac::{Hmac, Mac as _};
use proptest::prelude::*;
use sha2::Sha512;

use super::{super::*, file_key};

const SALT: [u8; SALT_BYTES] = [8; SALT_BYTES];
const CONTEXT: &[u8] = b"context";

/// The AES key and base nonce of a file key, derived as C2SP chunked-encryption has it.
fn derived(key: &FileKey) -> ([u8; 32], [u8; 12]) {
    let info = [
        b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM".as_slice(),
        &[0],
        &SALT,
        CONTEXT,
    ]
    .concat();
    // The first block of HKDF-Expand has all of it. RFC 5869 2.3
    let mut mac = Hmac::<Sha512>::new_from_slice(key.expose_to_cipher()).unwrap();
    mac.update(&info);
    mac.update(&[1]);
    let bytes = mac.finalize().into_bytes();
    (
        bytes[..32].try_into().unwrap(),
        bytes[32..44].try_into().unwrap(),
    )
}

/// Product in the field of GHASH.
// SP 800-38D 6.3
fn times(x: u128, y: u128) -> u128 {
    let (mut product, mut v) = (0, x);
    for bit in (0..128).rev() {
        if y >> bit & 1 == 1 {
            product ^= v;
        }
        v = (v >> 1) ^ ((v & 1) * (0xe1 << 120));
    }
    product
}

/// Inverse in the field of GHASH: x^(2^128 - 2).
fn inverse(x: u128) -> u128 {
    let (mut power, mut product) = (x, 1 << 127);
    for _ in 1..128 {
        power = times(power, power);
        product = times(product, power);
    }
    product
}

/// Under this key and nonce: the hash key, and the block that hides the tag.
fn hash_key_and_mask((key, nonce): &([u8; 32], [u8; 12])) -> (u128, u128) {
    let cipher = Aes256::new_from_slice(key).unwrap();
    let encrypt = |block: [u8; 16]| {
        let mut block = block.into();
        cipher.encrypt_block(&mut block);
        u128::from_be_bytes(block.into())
    };
    let mut counter = [0; 16];
    counter[..12].copy_from_slice(nonce);
    counter[15] = 1;
    (encrypt([0; 16]), encrypt(counter))
}

/// Two blocks and a tag that are authentic under both keys; the first block is free.
fn for_two_keys(first: u128, one: &FileKey, other: &FileKey) -> Vec<u8> {
    let [(h1, mask1), (h2, mask2)] = [one, other].map(|key| hash_key_and_mask(&derived(key)));
    let lengths = 256_u128;
    let known = |h: u128, mask: u128| {
        let square = times(h, h);
        times(first, times(square, h)) ^ times(lengths, h) ^ mask
    };
    let difference = known(h1, mask1) ^ known(h2, mask2);
    let second = times(difference, inverse(times(h1, h1) ^ times(h2, h2)));
    let tag = known(h1, mask1) ^ times(second, times(h1, h1));
    [first, second, tag].map(u128::to_be_bytes).concat()
}

fn bare_open(key: &FileKey, sealed: &[u8]) -> Option<Vec<u8>> {
    let (key, nonce) = derived(key);
    let cipher = Aes256Gcm::new_from_slice(&key).unwrap();
    cipher.decrypt(&nonce.into(), sealed).ok()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_ciphertext_for_two_keys_opens_with_the_one_it_commits_to_alone(
        first in any::<u128>(),
        one in 0_u8..128,
        other in 128_u8..,
    ) {
        let (one, other) = (file_key(one), file_key(other));
        let sealed = for_two_keys(first, &one, &other);
        let ciphers = [&one, &other].map(|key| ChunkCipher::new(key, &SALT, CONTEXT));

        // The control: without a commitment both keys open it, to different texts.
        let texts = [&one, &other].map(|key| bare_open(key, &sealed).unwrap());
        prop_assert_ne!(&texts[0], &texts[1]);
        for cipher in &ciphers {
            prop_assert!(cipher.open(0, &mut sealed.clone()).is_ok());
        }

        for committed in &ciphers {
            let message = [&SALT, committed.commitment().as_slice(), &sealed].concat();
            let opened = [&one, &other].map(|key| super::open(key, CONTEXT, &message));
            let right = usize::from(committed.commitment() == ciphers[1].commitment());
            prop_assert_eq!(opened[right].as_ref(), Ok(&texts[right]));
            prop_assert_eq!(opened[1 - right].as_ref(), Err(&NotAuthentic));
        }
    }
}
