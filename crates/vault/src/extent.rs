//! How long things are: from content to sealed message to blob, and back.

use crate::{
    aead::{CHUNK_BYTES, MAX_CHUNKS, SEALED_CHUNK_BYTES, TAG_BYTES},
    header::HEADER_BYTES,
    metadata::RECORD_BYTES,
};

const CHUNK: u64 = CHUNK_BYTES as u64;
const SEALED_CHUNK: u64 = SEALED_CHUNK_BYTES as u64;
const RECORD: u64 = RECORD_BYTES as u64;

/// The longest content that one blob holds, in bytes: 1 PiB.
pub(crate) const MAX_CONTENT_BYTES: u64 = 1 << 50;

/// Length of the sealed message of a content: content, padding and metadata record.
///
/// Returns nothing when the content is longer than [`MAX_CONTENT_BYTES`].
pub(crate) fn message_bytes(content: u64) -> Option<u64> {
    (content <= MAX_CONTENT_BYTES).then(|| padme(content + RECORD))
}

/// Rounds up so that the result betrays as few bits of `length` as its own magnitude has.
/// Tells whether a sealed message of this length can be: long enough for its record, and padded.
pub(crate) fn is_plausible(message: u64) -> bool {
    (RECORD..=MAX_CONTENT_BYTES * 2).contains(&message) && padme(message) == message
}

// Padmé, "Reducing Metadata Leakage from Encrypted Files and Communication with PURBs", 4
fn padme(length: u64) -> u64 {
    let exponent = u64::from(length.max(2).ilog2());
    let kept = u64::from(exponent.ilog2()) + 1;
    let mask = (1_u64 << exponent.saturating_sub(kept)) - 1;
    (length + mask) & !mask
}

/// Length of the message inside a blob of this length, or nothing if no blob has this length.
// C2SP chunked-encryption, "Implementation notes"
pub(crate) fn message_of_blob(blob: u64) -> Option<u64> {
    let body = blob.checked_sub(HEADER_BYTES as u64)?;
    let last = (body % SEALED_CHUNK).checked_sub(TAG_BYTES as u64)?;
    let whole = body / SEALED_CHUNK;
    (whole < MAX_CHUNKS).then_some(whole * CHUNK + last)
}

/// Length of the blob that holds a message of this length.
#[cfg(test)]
pub(crate) fn blob_of_message(message: u64) -> u64 {
    let tags = (message / CHUNK + 1) * TAG_BYTES as u64;
    HEADER_BYTES as u64 + message + tags
}

/// Where in the blob a chunk begins, and how long it is there with its tag.
pub(crate) fn chunk_at(number: u64, message: u64) -> (u64, usize) {
    let start = number.saturating_mul(CHUNK).min(message);
    let length = (message - start).min(CHUNK);
    let offset = HEADER_BYTES as u64 + number * SEALED_CHUNK;
    (
        offset,
        usize::try_from(length).unwrap_or(CHUNK_BYTES) + TAG_BYTES,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_follows_the_published_function() {
        // Lengths and results worked out by hand from the paper's Algorithm 1.
        for (length, padded) in [
            (4096, 4096),
            (4097, 4352),
            (5000, 5120),
            (9, 10),
            (16385, 17408),
        ] {
            assert_eq!(padme(length), padded, "{length}");
        }
    }

    #[test]
    fn padding_adds_at_most_an_eighth_and_never_takes_away() {
        for content in (0..40).flat_map(|bit| [(1_u64 << bit) - 1, 1 << bit, (1 << bit) + 1]) {
            let message = message_bytes(content).unwrap();

            assert!(message >= content + RECORD);
            assert!(
                (message - content - RECORD) * 100 <= (content + RECORD) * 12,
                "{content}"
            );
        }
    }

    #[test]
    fn every_padded_length_is_plausible_and_its_neighbours_are_not() {
        for content in (0..45).flat_map(|bit| [(1_u64 << bit) - 1, 1 << bit, (1 << bit) + 1]) {
            let message = message_bytes(content).unwrap();

            assert!(is_plausible(message), "{content}");
            assert!(!is_plausible(message + 1) && !is_plausible(message - 1));
        }
        assert!(!is_plausible(RECORD - 256));
    }

    #[test]
    fn a_blob_length_tells_the_message_length_and_no_other_blob_has_it() {
        let mut found = 0;
        for blob in 0..HEADER_BYTES as u64 + 3 * SEALED_CHUNK {
            if let Some(message) = message_of_blob(blob) {
                assert_eq!(blob_of_message(message), blob);
                found += 1;
            }
        }

        assert_eq!(found, 3 * CHUNK);
    }

    #[test]
    fn content_beyond_the_limit_is_refused() {
        assert!(message_bytes(MAX_CONTENT_BYTES).is_some());
        assert!(message_bytes(MAX_CONTENT_BYTES + 1).is_none());
        assert!(message_bytes(MAX_CONTENT_BYTES).unwrap() / CHUNK < MAX_CHUNKS);
    }
}
