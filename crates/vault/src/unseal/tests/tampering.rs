//! What somebody with the drive may do to whole blobs: cut, swap, splice, relabel. All of it is
//! refused, and each honest twin opens.

use super::*;
use crate::{epoch, header::HEADER_BYTES};

/// Epoch 1 and 2 of one vault.
fn two_epochs() -> Epochs {
    let secret = |byte: u8| EpochSecret::init_with(|bytes| bytes.fill(byte));
    let chain = epoch::seal_previous(&VAULT, 2, &secret(2), &secret(1));
    Epochs::follow(VAULT, 2, secret(2), |_| Ok::<_, ()>(chain.clone()), |_| ()).unwrap()
}

fn sealed_to(public: &PublicHalf, blob: &BlobId, content: &[u8]) -> Vec<u8> {
    let mut sealing = Sealing::start(Vec::new(), public, blob, &mut TestRng::new(9)).unwrap();
    sealing.write_all(content).unwrap();
    sealing.finish(named("photo.jpg")).unwrap().0
}

#[test]
fn every_truncation_is_refused() {
    let honest = sealed(&content(300, 3), &BLOB);
    assert!(all(&honest, &BLOB).is_ok());

    for length in 0..honest.len() {
        assert!(open(&honest[..length], &BLOB).is_err(), "{length} bytes");
    }
}

#[test]
fn every_swap_of_two_chunks_is_refused() {
    let content = content(6 * CHUNK_BYTES, 3);
    let honest = sealed(&content, &BLOB);
    let whole = (honest.len() - HEADER_BYTES) / SEALED_CHUNK_BYTES;
    let chunk = |number: usize| {
        let start = HEADER_BYTES + number * SEALED_CHUNK_BYTES;
        start..start + SEALED_CHUNK_BYTES
    };
    assert!(all(&honest, &BLOB).unwrap() == content);
    assert_eq!(whole, 6);

    for one in 0..whole {
        for other in 0..whole {
            let mut swapped = honest.clone();
            swapped[chunk(one)].copy_from_slice(&honest[chunk(other)]);
            swapped[chunk(other)].copy_from_slice(&honest[chunk(one)]);
            let opened = all(&swapped, &BLOB);
            assert_eq!(opened.is_ok(), one == other, "{one} and {other}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_chunk_left_out_or_doubled_is_refused(place in 0_usize..5, doubled in any::<bool>()) {
        let honest = sealed(&content(5 * CHUNK_BYTES, 3), &BLOB);
        let start = HEADER_BYTES + place * SEALED_CHUNK_BYTES;
        let end = start + SEALED_CHUNK_BYTES;
        let (before, rest) = if doubled { (end, start) } else { (start, end) };
        let changed = [&honest[..before], &honest[rest..]].concat();

        prop_assert!(all(&changed, &BLOB).is_err());
    }

    #[test]
    fn the_header_of_another_blob_does_not_open_a_body(
        length in 0_usize..40_000,
        parts in prop::sample::subsequence(vec![(0, 48), (48, 1216), (1216, 1240), (1240, 1272)], 1..=4),
    ) {
        let other_id = BlobId::from_bytes([2; 16]);
        let content = content(length, 3);
        let (honest, other) = (sealed(&content, &BLOB), sealed_to(&public(), &other_id, &content));
        prop_assert!(all(&honest, &BLOB).unwrap() == content);
        prop_assert!(all(&other, &other_id).unwrap() == content);
        let mut mixed = honest.clone();
        for (start, end) in parts {
            mixed[start..end].copy_from_slice(&other[start..end]);
        }

        for id in [&BLOB, &other_id] {
            prop_assert!(matches!(all(&mixed, id), Err(UnsealError::NotAuthentic)));
        }
    }
}

#[test]
fn a_blob_relabelled_to_another_epoch_is_refused() {
    let both = two_epochs();
    let old = sealed_to(&epochs(1).public_half(), &BLOB, b"old");
    let new = sealed_to(&both.public_half(), &BLOB, b"new");
    let read = |bytes: &[u8], epochs: &Epochs| {
        let mut unsealed = Unsealed::open(bytes, &BLOB, epochs)?;
        let mut content = Vec::new();
        unsealed.read_to_end(&mut content)?;
        Ok::<_, UnsealError>(content)
    };
    assert_eq!(read(&old, &both).unwrap(), b"old");
    assert_eq!(read(&new, &both).unwrap(), b"new");

    for (blob, epoch) in [(&old, 2), (&new, 1)] {
        let mut relabelled = blob.clone();
        relabelled[47] = epoch;
        let refused = read(&relabelled, &both);
        assert!(matches!(refused, Err(UnsealError::NotAuthentic)));
    }
    // Whoever has the first epoch alone has nothing of the second, whatever the label.
    assert!(matches!(
        read(&new, &epochs(1)),
        Err(UnsealError::UnknownEpoch { epoch: 2 })
    ));
    let mut relabelled = new.clone();
    relabelled[47] = 1;
    assert!(matches!(
        read(&relabelled, &epochs(1)),
        Err(UnsealError::NotAuthentic)
    ));
    assert_eq!(read(&old, &epochs(1)).unwrap(), b"old");
}
