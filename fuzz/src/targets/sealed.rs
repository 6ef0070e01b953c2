//! Targets that read what lies on a drive, a key device or a sheet of paper.

use std::str;

use vault::{
    KeyFile, PepperFile, PublicHalf, PublicHalfError, SlotSecret,
    header::{HEADER_BYTES, Header, HeaderError},
    key::file::KeyFileError,
    slot::{SlotError, SlotRecord},
    words::WordsError,
};

use super::Verdict::{self, Accepted, Refused};

/// Reads the front of a blob, a slot record, a key file, a public half or a pepper; each knows its
/// own.
///
/// # Panics
/// When two of them take the same bytes, or one is not written back the same.
pub fn blob_header(bytes: &[u8]) -> Verdict {
    let header = Header::parse(bytes);
    let slot = SlotRecord::parse(bytes);
    let key = KeyFile::parse(bytes);
    let half = PublicHalf::from_bytes(bytes);
    let pepper = PepperFile::from_bytes(bytes);
    let takers = [
        header.is_ok(),
        slot.is_ok(),
        key.is_ok(),
        half.is_ok(),
        pepper.is_ok(),
    ];
    assert!(takers.into_iter().filter(|it| *it).count() <= 1);
    if let Ok(pepper) = pepper {
        assert_eq!(pepper.to_bytes().as_slice(), bytes);
        return Accepted("pepper");
    }
    let (header, slot, key, half) = match (header, slot, key, half) {
        (Ok(header), ..) => {
            assert_eq!(Some(&header.to_bytes()[..]), bytes.get(..HEADER_BYTES));
            return Accepted("blob");
        }
        (_, Ok(slot), ..) => {
            assert_eq!(slot.to_bytes(), bytes);
            return Accepted("slot");
        }
        (_, _, Ok(key), _) => {
            assert_eq!(key.to_bytes().as_slice(), bytes);
            return Accepted("key");
        }
        (.., Ok(half)) => {
            assert_eq!(half.to_bytes(), bytes);
            return Accepted("public-half");
        }
        (Err(header), Err(slot), Err(key), Err(half)) => (header, slot, key, half),
    };
    Refused(match (header, slot, key, half) {
        (HeaderError::TooNew { .. }, ..) => "blob-too-new",
        (HeaderError::UnknownSuite { .. }, ..) => "blob-unknown-suite",
        (_, SlotError::TooNew { .. }, ..) => "slot-too-new",
        (_, _, KeyFileError::TooNew { .. }, _) => "key-too-new",
        (_, _, KeyFileError::HalfWritten { .. }, _) => "key-half-written",
        (_, _, KeyFileError::Damaged, _) => "key-damaged",
        (.., PublicHalfError::TooNew { .. }) => "public-half-too-new",
        _ => "other",
    })
}

/// Reads recovery words as they are typed.
///
/// # Panics
/// When words that were read do not come out of the secret again.
pub fn words(bytes: &[u8]) -> Verdict {
    let Ok(text) = str::from_utf8(bytes) else {
        return Refused("not-text");
    };
    match SlotSecret::from_words(text) {
        Ok(secret) => {
            let written = secret.to_words();
            let again = SlotSecret::from_words(written.expose_to_owner());
            let again = again.expect("words that were written are read");
            assert_eq!(again.slot_id(), secret.slot_id());
            Accepted("words")
        }
        Err(WordsError::WrongCount { .. }) => Refused("wrong-count"),
        Err(WordsError::UnknownWord { place, .. }) => {
            assert!(place > 0);
            Refused("unknown-word")
        }
        Err(WordsError::WrongTogether | _) => Refused("wrong-together"),
    }
}
