//! The metadata record at the end of every sealed message.
//!
//! Parses and writes 4,096 bytes; knows neither ciphers nor files. The layout is in
//! `docs/formats/blob.md`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::{
    extent::MAX_CONTENT_BYTES,
    header::FORMAT_VERSION,
    parse::{Fields, TooShort},
};

/// Length of the record, in bytes.
pub const RECORD_BYTES: usize = 4096;
/// How many bytes of a file name are kept.
pub const MAX_NAME_BYTES: usize = 1024;
/// How many bytes of a media type are kept.
pub const MAX_MIME_BYTES: usize = 255;
/// How many bytes of a sender's address are kept.
pub const MAX_SENDER_BYTES: usize = 2048;
/// How many bytes of a member's name are kept.
pub const MAX_MEMBER_BYTES: usize = 255;

const TAG_NAME: u8 = 1;
const TAG_MIME: u8 = 2;
const TAG_SENDER: u8 = 3;
const TAG_MEMBER: u8 = 4;
const TAG_DATE: u8 = 5;
/// How many bytes of a date are kept: the longest number there is.
const MAX_DATE_BYTES: usize = 20;
const TIME_UNKNOWN: i64 = i64::MIN;

/// What is known of a file besides its content.
///
/// Texts are kept as they were given, cut at their limit; [`crate::name::safe_name`] makes them
/// fit for showing and for extraction. No `Debug`: these are the owner's words.
#[derive(Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Metadata {
    /// The file's name as its sender gave it.
    pub name: Option<String>,
    /// The media type as its sender gave it, or as the link's ending tells.
    pub mime: Option<String>,
    /// Who sent it.
    pub sender: Option<String>,
    /// For whom it is kept.
    pub member: Option<String>,
    /// When the sender says to have sent it.
    #[serde(with = "as_millis")]
    pub sent_at: Option<SystemTime>,
    /// When it arrived here.
    #[serde(with = "as_millis")]
    pub received_at: Option<SystemTime>,
    /// When the sender says that the file was last changed, as the clock on the wall showed it.
    #[serde(with = "as_millis")]
    pub dated: Option<SystemTime>,
}

/// The whole record: the caller's words and what sealing found out.
pub(crate) struct Record {
    pub(crate) content_bytes: u64,
    pub(crate) content_hash: [u8; 32],
    pub(crate) metadata: Metadata,
}

/// The record is not as `docs/formats/blob.md` has it.
#[derive(Debug)]
pub(crate) struct Malformed;

impl From<TooShort> for Malformed {
    fn from(TooShort: TooShort) -> Self {
        Self
    }
}

impl Record {
    pub(crate) fn to_bytes(&self) -> [u8; RECORD_BYTES] {
        let mut bytes = Vec::with_capacity(RECORD_BYTES);
        bytes.extend_from_slice(&FORMAT_VERSION.to_be_bytes());
        bytes.extend_from_slice(&self.content_bytes.to_be_bytes());
        bytes.extend_from_slice(&self.content_hash);
        bytes.extend_from_slice(&to_millis(self.metadata.sent_at).to_be_bytes());
        bytes.extend_from_slice(&to_millis(self.metadata.received_at).to_be_bytes());
        let dated = self
            .metadata
            .dated
            .map(|at| to_millis(Some(at)).to_string());
        let texts = [
            (TAG_NAME, &self.metadata.name, MAX_NAME_BYTES),
            (TAG_MIME, &self.metadata.mime, MAX_MIME_BYTES),
            (TAG_SENDER, &self.metadata.sender, MAX_SENDER_BYTES),
            (TAG_MEMBER, &self.metadata.member, MAX_MEMBER_BYTES),
            (TAG_DATE, &dated, MAX_DATE_BYTES),
        ];
        for (tag, text, limit) in texts {
            let Some(text) = text else { continue };
            let text = cut(text, limit);
            bytes.push(tag);
            bytes.extend_from_slice(&u16::try_from(text.len()).unwrap_or_default().to_be_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
        let mut record = [0; RECORD_BYTES];
        record
            .iter_mut()
            .zip(bytes)
            .for_each(|(to, from)| *to = from);
        record
    }

    pub(crate) fn parse(bytes: &[u8; RECORD_BYTES]) -> Result<Self, Malformed> {
        let mut fields = Fields::new(bytes);
        if fields.u16()? != FORMAT_VERSION {
            return Err(Malformed);
        }
        let content_bytes = fields.u64()?;
        if content_bytes > MAX_CONTENT_BYTES {
            return Err(Malformed);
        }
        let content_hash = *fields.array()?;
        let mut metadata = Metadata {
            sent_at: from_millis(fields.i64()?),
            received_at: from_millis(fields.i64()?),
            ..Metadata::default()
        };
        let mut last = 0;
        while let Ok(tag) = fields.u8() {
            if tag == 0 {
                break;
            }
            if tag <= last {
                return Err(Malformed);
            }
            last = tag;
            let length = usize::from(fields.u16()?);
            let text = std::str::from_utf8(fields.bytes(length)?).map_err(|_| Malformed)?;
            // Tags this program does not know are skipped: a later one may add some.
            match tag {
                TAG_NAME => metadata.name = Some(text.to_owned()),
                TAG_MIME => metadata.mime = Some(text.to_owned()),
                TAG_SENDER => metadata.sender = Some(text.to_owned()),
                TAG_MEMBER => metadata.member = Some(text.to_owned()),
                // What makes no sense is no date, and no reason to refuse the file.
                TAG_DATE => metadata.dated = text.parse().ok().and_then(from_millis),
                _ => {}
            }
        }
        if fields.rest().iter().any(|byte| *byte != 0) {
            return Err(Malformed);
        }
        Ok(Self {
            content_bytes,
            content_hash,
            metadata,
        })
    }
}

/// Cuts `text` to at most `limit` bytes, between two characters.
pub(crate) fn cut(text: &str, limit: usize) -> &str {
    let mut end = text.len().min(limit);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// Milliseconds since 1970, at the nearest that the format can hold.
pub(crate) fn to_millis(time: Option<SystemTime>) -> i64 {
    let Some(time) = time else {
        return TIME_UNKNOWN;
    };
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_millis()).map_or(-i64::MAX, |it| -it),
    }
}

/// The time of so many milliseconds since 1970, unless it is unknown or no clock can show it.
pub(crate) fn from_millis(millis: i64) -> Option<SystemTime> {
    if millis == TIME_UNKNOWN {
        return None;
    }
    let distance = Duration::from_millis(millis.unsigned_abs());
    if millis < 0 {
        UNIX_EPOCH.checked_sub(distance)
    } else {
        UNIX_EPOCH.checked_add(distance)
    }
}

/// Times as the format has them, in messages too: senders may name one before 1970.
pub(crate) mod as_millis {
    use std::time::SystemTime;

    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        time: &Option<SystemTime>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        super::to_millis(*time).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<SystemTime>, D::Error> {
        i64::deserialize(from).map(super::from_millis)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(metadata: Metadata) -> Record {
        Record {
            content_bytes: 77,
            content_hash: [9; 32],
            metadata,
        }
    }

    proptest! {
        #[test]
        fn a_record_survives_being_written_and_read(
            name in proptest::option::of("\\PC{0,200}"),
            mime in proptest::option::of("[a-z/]{0,40}"),
            sender in proptest::option::of("[a-z@.]{0,300}"),
            sent in -4_102_444_800_000_i64..4_102_444_800_000,
            dated in proptest::option::of(-4_102_444_800_000_i64..4_102_444_800_000),
        ) {
            let metadata = Metadata {
                name, mime, sender, sent_at: from_millis(sent),
                dated: dated.and_then(from_millis),
                ..Metadata::default()
            };

            let read = Record::parse(&record(metadata.clone()).to_bytes()).unwrap();

            prop_assert!(read.metadata == metadata);
            prop_assert_eq!((read.content_bytes, read.content_hash), (77, [9; 32]));
        }

        #[test]
        fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), RECORD_BYTES)) {
            let mut bytes: [u8; RECORD_BYTES] = bytes.try_into().unwrap();
            bytes[0] = 0;
            bytes[1] = 0;
            let _ = Record::parse(&bytes);
        }
    }

    #[test]
    fn all_texts_at_their_limits_fit_and_longer_ones_are_cut_between_characters() {
        let long = "ü".repeat(3000);
        let metadata = Metadata {
            name: Some(long.clone()),
            mime: Some(long.clone()),
            sender: Some(long.clone()),
            member: Some(long),
            dated: from_millis(-i64::MAX),
            ..Metadata::default()
        };

        let read = Record::parse(&record(metadata).to_bytes())
            .unwrap()
            .metadata;

        assert_eq!(read.name.unwrap(), "ü".repeat(MAX_NAME_BYTES / 2));
        assert_eq!(read.mime.unwrap(), "ü".repeat(MAX_MIME_BYTES / 2));
        assert_eq!(read.sender.unwrap(), "ü".repeat(MAX_SENDER_BYTES / 2));
        assert_eq!(read.member.unwrap(), "ü".repeat(MAX_MEMBER_BYTES / 2));
    }

    #[test]
    fn a_date_that_is_no_number_is_left_out() {
        let mut bytes = record(Metadata::default()).to_bytes();
        bytes[58..64].copy_from_slice(&[TAG_DATE, 0, 3, b'1', b'2', b'3']);
        let dated = Record::parse(&bytes).unwrap().metadata.dated;
        assert!(dated.is_some() && dated == from_millis(123));

        bytes[61] = b'x';
        assert!(Record::parse(&bytes).unwrap().metadata.dated.is_none());
    }

    #[test]
    fn unknown_tags_are_skipped_and_disorder_is_refused() {
        let mut bytes = record(Metadata::default()).to_bytes();
        bytes[58..64].copy_from_slice(&[200, 0, 3, b'a', b'b', b'c']);
        assert!(Record::parse(&bytes).is_ok());

        bytes[64..67].copy_from_slice(&[1, 0, 0]);
        assert!(Record::parse(&bytes).is_err(), "tags that do not ascend");

        let mut bytes = record(Metadata::default()).to_bytes();
        bytes[RECORD_BYTES - 1] = 1;
        assert!(Record::parse(&bytes).is_err(), "something after the end");
    }
}
