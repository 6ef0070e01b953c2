use super::*;
use crate::{
    extent::{blob_of_message, message_bytes},
    testing::{NoRng, TestRng, TestVault, content},
};

fn sealed(length: usize, piece: usize) -> Vec<u8> {
    let vault = TestVault::new();
    let blob = BlobId::from_bytes([1; 16]);
    let mut sealing =
        Sealing::start(Vec::new(), &vault.public, &blob, &mut TestRng::new(5)).unwrap();
    content(length, 9)
        .chunks(piece)
        .for_each(|piece| sealing.write_all(piece).unwrap());
    sealing.finish(Metadata::default()).unwrap().0
}

#[test]
fn a_blob_has_the_length_that_its_content_leads_to() {
    for length in [0, 1, 4096, 16_383, 16_384, 16_385, 100_000] {
        let expected = blob_of_message(message_bytes(length as u64).unwrap());

        assert_eq!(sealed(length, 1 << 20).len() as u64, expected, "{length}");
    }
}

#[test]
fn the_size_of_the_pieces_that_come_in_changes_nothing() {
    let whole = sealed(70_000, 1 << 20);

    for piece in [1, 999, 16_384, 16_385, 65_536] {
        assert!(sealed(70_000, piece) == whole, "{piece}");
    }
}

#[test]
fn what_is_held_in_memory_does_not_grow_with_the_content() {
    let vault = TestVault::new();
    let blob = BlobId::from_bytes([1; 16]);
    let mut sealing =
        Sealing::start(io::sink(), &vault.public, &blob, &mut TestRng::new(5)).unwrap();
    let piece = content(1 << 20, 3);

    for _ in 0..20 {
        sealing.write_all(&piece).unwrap();
        assert!(sealing.buffer.capacity() <= COLLECTED * SEALED_CHUNK_BYTES);
    }
}

#[test]
fn nothing_is_sealed_when_randomness_fails() {
    let vault = TestVault::new();
    let mut out = Vec::new();

    let started = Sealing::start(
        &mut out,
        &vault.public,
        &BlobId::from_bytes([1; 16]),
        &mut NoRng,
    );

    assert!(started.is_err());
    assert!(out.is_empty());
}

/// Takes so many bytes, and then fails once.
struct Failing(usize);

impl Write for Failing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.checked_sub(bytes.len()) {
            Some(left) => {
                self.0 = left;
                Ok(bytes.len())
            }
            None => {
                self.0 = usize::MAX;
                Err(io::ErrorKind::StorageFull.into())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn after_a_failed_write_no_blob_is_ever_finished() {
    let vault = TestVault::new();
    let blob = BlobId::from_bytes([1; 16]);
    let mut sealing =
        Sealing::start(Failing(100_000), &vault.public, &blob, &mut TestRng::new(5)).unwrap();

    let written = sealing.write_all(&content(300_000, 3));

    assert_eq!(written.unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert!(sealing.write_all(b"more").is_err());
    assert!(sealing.finish(Metadata::default()).is_err());
}
