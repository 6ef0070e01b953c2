use super::*;
use crate::{
    key::EpochSecret,
    testing::{NoRng, TestRng},
};

fn pair(byte: u8) -> KeyPair {
    EpochSecret::init_with(|bytes| bytes.fill(byte)).key_pair()
}

#[test]
fn a_sealed_secret_opens_with_its_own_key_purpose_and_aad_only() {
    let sealed = pair(1)
        .public()
        .seal("slot", b"aad", &[7; 32], &mut TestRng::new(0))
        .unwrap();

    let own = pair(1).open("slot", b"aad", &sealed, |secret| *secret);

    assert_eq!(own.unwrap(), [7; 32]);
    assert!(pair(2).open("slot", b"aad", &sealed, |_| ()).is_err());
    assert!(pair(1).open("file-key", b"aad", &sealed, |_| ()).is_err());
    assert!(pair(1).open("slot", b"add", &sealed, |_| ()).is_err());
}

#[test]
fn a_failing_source_of_randomness_seals_nothing() {
    assert!(
        pair(1)
            .public()
            .seal("slot", b"", &[7; 32], &mut NoRng)
            .is_err()
    );
}

#[test]
fn two_seals_of_one_secret_share_nothing() {
    let mut rng = TestRng::new(0);
    let [first, second] = [(); 2].map(|()| {
        pair(1)
            .public()
            .seal("slot", b"", &[7; 32], &mut rng)
            .unwrap()
    });

    let same = first.iter().zip(&second).filter(|(a, b)| a == b).count();

    assert!(same < SEALED_BYTES / 64, "{same} bytes are equal");
}

/// draft-connolly-cfrg-xwing-kem, first test vector: the public key begins and ends like this.
#[test]
fn a_seed_gives_the_published_public_key() {
    let seed = PurposeKey::init_with(|bytes| {
        hex::decode_to_slice(
            "7f9c2ba4e88f827d616045507605853ed73b8093f6efbc88eb1a6eacfa66ef26",
            bytes,
        )
        .unwrap();
    });

    let public = hex::encode(KeyPair::from_seed(&seed).public().to_bytes());

    assert!(public.starts_with("e2236b35a8c24b39b10aa1323a96a919a2ced88400633a7b07131713fc14b2b5"));
}

#[test]
fn what_another_authors_library_sealed_opens_and_nothing_else_does() {
    let text = include_str!("../../tests/vectors/hpke_xwing.txt");
    let mut opened = 0;
    for vector in text.split("\n\n").filter(|it| it.contains("seed:")) {
        let field = |name: &str| {
            let line = vector.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap().trim().to_owned()
        };
        let bytes = |name: &str| hex::decode(field(name)).unwrap();
        let seed = PurposeKey::init_with(|place| place.copy_from_slice(&bytes("seed:")));
        let pair = KeyPair::from_seed(&seed);
        let sealed: [u8; SEALED_BYTES] = bytes("sealed:").try_into().unwrap();
        let (purpose, aad) = (field("purpose:"), bytes("aad:"));
        assert_eq!(pair.public().to_bytes().to_vec(), bytes("public:"));

        let secret = pair.open(&purpose, &aad, &sealed, |secret| secret.to_vec());
        assert_eq!(secret.unwrap(), bytes("secret:"));
        opened += 1;

        // ML-KEM ciphertext, X25519 key, secret, tag.
        for place in [0, 1087, 1088, 1119, 1120, 1151, 1152, SEALED_BYTES - 1] {
            let mut flipped = sealed;
            flipped[place] ^= 1;
            assert!(
                pair.open(&purpose, &aad, &flipped, |_| ()).is_err(),
                "byte {place}"
            );
        }
    }
    assert_eq!(opened, 4);
}
