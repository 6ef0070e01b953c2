use std::io::Write as _;

use proptest::prelude::*;

use super::*;
use crate::{
    id::VaultId,
    key::{EpochSecret, PublicHalf},
    seal::Sealing,
    testing::{TestRng, content, named},
};

mod tampering;

const VAULT: VaultId = VaultId::from_bytes([6; 16]);
const BLOB: BlobId = BlobId::from_bytes([1; 16]);

fn epochs(byte: u8) -> Epochs {
    let secret = EpochSecret::init_with(|bytes| bytes.fill(byte));
    Epochs::follow(VAULT, 1, secret, |_| Err(()), |_| ()).unwrap()
}

fn public() -> PublicHalf {
    epochs(1).public_half()
}

fn sealed(content: &[u8], blob: &BlobId) -> Vec<u8> {
    let mut sealing = Sealing::start(Vec::new(), &public(), blob, &mut TestRng::new(5)).unwrap();
    sealing.write_all(content).unwrap();
    sealing.finish(named("photo.jpg")).unwrap().0
}

fn open<'a>(bytes: &'a [u8], blob: &BlobId) -> Result<Unsealed<&'a [u8]>, UnsealError> {
    Unsealed::open(bytes, blob, &epochs(1))
}

/// Opens a blob and takes everything out of it, as a caller would who checks nothing himself.
fn all(bytes: &[u8], blob: &BlobId) -> Result<Vec<u8>, UnsealError> {
    let mut unsealed = open(bytes, blob)?;
    let mut content = Vec::new();
    unsealed.read_to_end(&mut content)?;
    unsealed.verify()?;
    Ok(content)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn content_of_any_length_comes_back(length in 0_usize..200_000, seed in any::<u64>()) {
        let content = content(length, seed);

        prop_assert!(all(&sealed(&content, &BLOB), &BLOB).unwrap() == content);
    }

    #[test]
    fn content_around_every_border_comes_back(
        border in prop::sample::select(vec![
            0_usize, 4096, 12_288, 16_384, 28_672, 32_768, 49_152, 61_440, 65_536, 131_072, 262_144,
        ]),
        off in -2_isize..=2,
    ) {
        let content = content(border.saturating_add_signed(off), 3);

        prop_assert!(all(&sealed(&content, &BLOB), &BLOB).unwrap() == content);
    }

    #[test]
    fn reading_at_an_offset_gives_the_same_bytes(
        offset in 0_usize..80_000,
        length in 0_usize..40_000,
    ) {
        let content = content(70_000, 3);
        let blob = sealed(&content, &BLOB);
        let mut bytes = vec![0; length];

        let read = open(&blob, &BLOB).unwrap().read_at(&mut bytes, offset as u64).unwrap();

        let start = offset.min(content.len());
        prop_assert!(bytes[..read] == content[start..content.len().min(start + length)]);
    }

    #[test]
    fn no_bytes_make_the_opener_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..6000)) {
        let honest = sealed(b"", &BLOB);
        let end = bytes.len().min(1272);
        bytes[..end].copy_from_slice(&honest[..end]);
        prop_assert!(open(&bytes, &BLOB).is_err());
    }
}

#[test]
fn any_flipped_bit_of_a_whole_blob_is_noticed() {
    let content = content(700, 3);
    let honest = sealed(&content, &BLOB);
    assert!(all(&honest, &BLOB).unwrap() == content);

    for place in 0..honest.len() {
        let mut flipped = honest.clone();
        flipped[place] ^= 1 << (place % 8);
        assert!(all(&flipped, &BLOB).is_err(), "byte {place}");
    }
}

#[test]
fn a_blob_of_any_other_length_is_refused_before_a_byte_of_it_is_read() {
    let content = content(40_000, 3);
    let honest = sealed(&content, &BLOB);
    let last = honest.len();
    assert!(all(&honest, &BLOB).is_ok());

    let cuts = [
        1,
        15,
        16,
        17,
        4096,
        16_399,
        16_400,
        16_401,
        32_800,
        last - 1272,
        last - 1,
        last,
    ];
    for cut in cuts {
        assert!(
            open(&honest[..last - cut], &BLOB).is_err(),
            "{cut} bytes cut"
        );
    }
    for more in [1, 16, 4096, 16_400] {
        let longer = [honest.clone(), vec![0; more]].concat();
        assert!(open(&longer, &BLOB).is_err(), "{more} bytes more");
    }
}

#[test]
fn chunks_that_change_places_or_come_from_another_blob_are_refused() {
    let content = content(60_000, 3);
    let (honest, other) = (
        sealed(&content, &BLOB),
        sealed(&content, &BlobId::from_bytes([2; 16])),
    );
    let chunk = |number: usize| 1272 + number * 16_400..1272 + (number + 1) * 16_400;
    assert!(all(&honest, &BLOB).unwrap() == content);

    let mut swapped = honest.clone();
    swapped[chunk(0)].copy_from_slice(&honest[chunk(1)]);
    swapped[chunk(1)].copy_from_slice(&honest[chunk(0)]);
    let mut spliced = honest.clone();
    spliced[chunk(1)].copy_from_slice(&other[chunk(1)]);

    for wrong in [swapped, spliced] {
        assert!(matches!(all(&wrong, &BLOB), Err(UnsealError::NotAuthentic)));
    }
}

#[test]
fn a_blob_under_another_name_or_in_another_vault_is_refused() {
    let honest = sealed(b"hello", &BLOB);
    let renamed = BlobId::from_bytes([2; 16]);
    let mut relabelled = honest.clone();
    relabelled[28..44].copy_from_slice(renamed.as_bytes());

    assert_eq!(all(&honest, &BLOB).unwrap(), b"hello");
    for (bytes, blob) in [(&honest, &renamed), (&relabelled, &renamed)] {
        assert!(matches!(open(bytes, blob), Err(UnsealError::NotAuthentic)));
    }
    let other_key = Unsealed::open(honest.as_slice(), &BLOB, &epochs(2)).err();
    assert!(matches!(other_key, Some(UnsealError::NotAuthentic)));
}

#[test]
fn a_blob_of_an_epoch_that_is_not_there_says_so() {
    let mut later = sealed(b"", &BLOB);
    later[47] = 9;

    let refused = open(&later, &BLOB).err().unwrap();

    assert!(matches!(refused, UnsealError::UnknownEpoch { epoch: 9 }));
}

#[test]
fn not_a_byte_of_an_altered_chunk_is_handed_out() {
    let content = content(60_000, 3);
    let mut altered = sealed(&content, &BLOB);
    altered[1272 + 2 * 16_400 + 5] ^= 1;
    let mut unsealed = open(&altered, &BLOB).unwrap();
    let mut got = Vec::new();

    let failed = unsealed.read_to_end(&mut got).unwrap_err();

    assert_eq!(failed.kind(), io::ErrorKind::InvalidData);
    assert!(
        got == content[..2 * CHUNK_BYTES],
        "what came before is whole and authentic"
    );
    assert!(unsealed.read(&mut [0; 9]).is_err(), "and it keeps failing");
}

#[test]
fn the_metadata_is_read_without_reading_the_content() {
    /// Counts the bytes read.
    struct Counting<'a>(&'a [u8], std::cell::Cell<usize>);
    impl Source for &Counting<'_> {
        fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
            self.1.set(self.1.get() + bytes.len());
            self.0.read_exact_at(bytes, offset)
        }
        fn length(&self) -> io::Result<u64> {
            self.0.length()
        }
    }
    let blob = sealed(&content(2_000_000, 3), &BLOB);
    let counting = Counting(&blob, std::cell::Cell::new(0));

    let unsealed = Unsealed::open(&counting, &BLOB, &epochs(1)).unwrap();

    assert_eq!(unsealed.metadata().name.as_deref(), Some("photo.jpg"));
    assert_eq!(unsealed.size(), 2_000_000);
    assert!(
        counting.1.get() <= 1272 + 2 * 16_400,
        "{} bytes read",
        counting.1.get()
    );
}

#[test]
fn what_is_held_in_memory_does_not_grow_with_the_content() {
    let blob = sealed(&content(2_000_000, 3), &BLOB);
    let mut unsealed = open(&blob, &BLOB).unwrap();
    let mut piece = vec![0; 100_000];

    while unsealed.read(&mut piece).unwrap() > 0 {
        assert!(unsealed.chunk.capacity() <= SEALED_CHUNK_BYTES);
    }
}
