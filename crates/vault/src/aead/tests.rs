use cobblestone::{Key256, decrypt, encrypt};

use sha2::Digest as _;

use super::*;

mod committing;

fn file_key(byte: u8) -> FileKey {
    FileKey::init_with(|bytes| bytes.fill(byte))
}

/// Seals a message the simple way: all of it in memory.
fn seal(key: &FileKey, salt: &[u8; SALT_BYTES], context: &[u8], message: &[u8]) -> Vec<u8> {
    let cipher = ChunkCipher::new(key, salt, context);
    let mut out = [salt.as_slice(), cipher.commitment()].concat();
    for number in 0..=message.len() / CHUNK_BYTES {
        let start = number * CHUNK_BYTES;
        let mut chunk = message[start..message.len().min(start + CHUNK_BYTES)].to_vec();
        let tag = cipher.seal(number as u64, &mut chunk).unwrap();
        out.extend_from_slice(&chunk);
        out.extend_from_slice(&tag);
    }
    out
}

/// Opens a message the simple way, as a reader of C2SP chunked-encryption would.
fn open(key: &FileKey, context: &[u8], sealed: &[u8]) -> Result<Vec<u8>, NotAuthentic> {
    let (salt, rest) = sealed.split_first_chunk().ok_or(NotAuthentic)?;
    let (commitment, body) = rest.split_first_chunk().ok_or(NotAuthentic)?;
    let cipher = ChunkCipher::new(key, salt, context);
    if !cipher.commits_to(commitment) || body.len() % SEALED_CHUNK_BYTES < TAG_BYTES {
        return Err(NotAuthentic);
    }
    let mut message = Vec::new();
    for (number, chunk) in body.chunks(SEALED_CHUNK_BYTES).enumerate() {
        message.extend_from_slice(cipher.open(number as u64, &mut chunk.to_vec())?);
    }
    Ok(message)
}

const BORDERS: [usize; 9] = [
    0,
    1,
    16,
    16_383,
    16_384,
    16_385,
    32_768,
    40_000,
    260 * 16_384 + 1,
];

#[test]
fn another_authors_library_opens_what_we_seal_and_we_open_what_it_seals() {
    let theirs = Key256::from_bytes(&[3; 32]);
    for length in BORDERS {
        let message = crate::testing::content(length, 1);

        let opened = decrypt(
            &theirs,
            b"context",
            &seal(&file_key(3), &[8; 24], b"context", &message),
        );
        let ours = open(
            &file_key(3),
            b"context",
            &encrypt(&theirs, b"context", &message).unwrap(),
        );

        assert!(opened.unwrap() == message, "{length}");
        assert!(ours.unwrap() == message, "{length}");
    }
}

#[test]
fn every_vector_of_wycheproof_that_was_taken_over_holds() {
    let text = include_str!("../../tests/vectors/cobblestone256.txt");
    let (mut valid, mut invalid) = (0, 0);
    for vector in text.split("\n\n").filter(|it| it.contains("expect:")) {
        let field = |name: &str| {
            let line = vector.lines().find_map(|line| line.strip_prefix(name));
            line.map(|it| it.trim().to_owned()).unwrap_or_default()
        };
        let key: [u8; 32] = hex::decode(field("key:")).unwrap().try_into().unwrap();
        let key = FileKey::init_with(|place| *place = key);
        let context = hex::decode(field("context:")).unwrap();
        let sealed = pieces(&field("sealed:"));

        let opened = open(&key, &context, &sealed);

        match field("expect:").as_str() {
            "success" => {
                let hash = hex::encode(sha2::Sha512::digest(opened.unwrap()));
                assert_eq!(hash, field("message-sha512:"), "{}", field("comment:"));
                valid += 1;
            }
            _ => {
                assert!(opened.is_err(), "{}", field("comment:"));
                invalid += 1;
            }
        }
    }
    assert_eq!((valid, invalid), (10, 23));
}

/// Reads hexadecimal pieces, of which `00*16` means 16 zero bytes.
fn pieces(text: &str) -> Vec<u8> {
    let pieces = text
        .split_whitespace()
        .map(|piece| match piece.split_once('*') {
            Some((byte, times)) => hex::decode(byte).unwrap().repeat(times.parse().unwrap()),
            None => hex::decode(piece).unwrap(),
        });
    pieces.collect::<Vec<_>>().concat()
}

#[test]
fn chunks_beyond_the_limit_are_refused() {
    let cipher = ChunkCipher::new(&file_key(1), &[0; 24], b"");

    assert!(cipher.seal(MAX_CHUNKS - 1, &mut [0; 4]).is_ok());
    assert!(cipher.seal(MAX_CHUNKS, &mut [0; 4]).is_err());
}

#[test]
fn a_record_opens_with_its_own_key_and_aad_only_and_not_after_any_flipped_bit() {
    let key = PurposeKey::init_with(|bytes| bytes.fill(1));
    let other = PurposeKey::init_with(|bytes| bytes.fill(2));
    let sealed = seal_record(&key, b"aad", b"a short record");

    assert_eq!(
        open_record(&key, b"aad", &sealed).unwrap().as_slice(),
        b"a short record"
    );
    assert!(open_record(&other, b"aad", &sealed).is_err());
    assert!(open_record(&key, b"add", &sealed).is_err());
    for bit in 0..sealed.len() * 8 {
        let mut flipped = sealed.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(open_record(&key, b"aad", &flipped).is_err(), "bit {bit}");
    }
    for length in 0..sealed.len() {
        assert!(
            open_record(&key, b"aad", &sealed[..length]).is_err(),
            "{length} bytes"
        );
    }
}

#[test]
fn different_records_get_different_nonces() {
    let key = PurposeKey::init_with(|bytes| bytes.fill(1));
    let nonces: std::collections::HashSet<Vec<u8>> = [
        (&b"ab"[..], &b"c"[..]),
        (b"a", b"bc"),
        (b"", b"abc"),
        (b"abc", b""),
    ]
    .iter()
    .map(|(aad, record)| seal_record(&key, aad, record)[..NONCE_BYTES].to_vec())
    .collect();

    assert_eq!(nonces.len(), 4);
}
