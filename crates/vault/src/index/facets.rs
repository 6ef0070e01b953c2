//! What an entry is besides its words: its time, kind, tags, album and sender, each as a piece of
//! three characters in the text index, so that one question asks for all of them at once.
//!
//! ```text
//! mark, one of U+E002 to U+E00F | two characters of planes 15 and 16 that stand for 32 bits
//! ```
//!
//! Texts of people have none of these marks ([`fold`](super::fold) leaves them out), so nothing
//! that is typed or received can pass for one. Time is written at five scales; a span of time is
//! asked for as the few of their pieces that make it up.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::texts::fold;

const KIND: char = '\u{E006}';
const TAG: char = '\u{E007}';
const ALBUM: char = '\u{E008}';
const SENDER: char = '\u{E009}';
/// Hours of each scale with its mark, the largest first.
const SCALES: [(i64, char); 5] = [
    (24 * 4_096, '\u{E00A}'),
    (24 * 256, '\u{E002}'),
    (24 * 16, '\u{E003}'),
    (24, '\u{E004}'),
    (1, HOUR),
];
const HOUR: char = '\u{E005}';
const HOUR_MILLIS: i64 = 3_600_000;
/// The hours that are told apart, from 1900 to 2300; what lies outside counts as the first or last.
const FIRST_HOUR: i64 = -25_567 * 24;
const LAST_HOUR: i64 = 120_530 * 24;
/// Makes all counts of hours positive.
const OFFSET: i64 = 1_000_000;
/// When a picture was taken, by the clock of its camera; null where it does not say. In SQL, in
/// milliseconds since 1970, like the next.
pub(super) const TAKEN: &str =
    "(SELECT taken_at FROM pictures WHERE pictures.number = entries.number)";
/// When a file came, by the clocks that brought it.
pub(super) const CAME: &str = "coalesce(entries.sent_at, entries.received_at, entries.adopted_at)";

/// What sort of file an entry is, as far as its media type or the ending of its name tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// A still picture.
    Photo,
    /// A moving one.
    Video,
    /// Something to be read.
    Document,
    /// Something to be heard.
    Music,
}

impl Kind {
    /// Tells the kind of a file; a media type goes before the ending of a name.
    #[must_use]
    pub fn of(media_type: Option<&str>, name: Option<&str>) -> Option<Self> {
        media_type
            .and_then(Self::of_media_type)
            .or_else(|| Self::of_name(name?))
    }

    fn of_media_type(media_type: &str) -> Option<Self> {
        let media_type = media_type.to_ascii_lowercase();
        let (major, minor) = media_type.split_once('/')?;
        match major {
            "image" => Some(Self::Photo),
            "video" => Some(Self::Video),
            "audio" => Some(Self::Music),
            "text" => Some(Self::Document),
            "application" => {
                let is_document = ["pdf", "msword", "rtf", "epub+zip"].contains(&minor)
                    || minor.starts_with("vnd.oasis.opendocument")
                    || minor.starts_with("vnd.openxmlformats")
                    || minor.starts_with("vnd.ms-");
                match minor {
                    "ogg" => Some(Self::Music),
                    _ => is_document.then_some(Self::Document),
                }
            }
            _ => None,
        }
    }

    fn of_name(name: &str) -> Option<Self> {
        const ENDINGS: [(Kind, &[&str]); 4] = [
            (
                Kind::Photo,
                &[
                    "jpg", "jpeg", "png", "gif", "webp", "heic", "heif", "avif", "bmp", "tif",
                    "tiff", "dng", "raw", "cr2", "nef", "arw", "svg",
                ],
            ),
            (
                Kind::Video,
                &[
                    "mp4", "m4v", "mov", "mkv", "webm", "avi", "3gp", "mts", "mpg", "mpeg", "wmv",
                ],
            ),
            (
                Kind::Music,
                &[
                    "mp3", "m4a", "aac", "ogg", "oga", "opus", "flac", "wav", "wma", "amr", "mid",
                ],
            ),
            (
                Kind::Document,
                &[
                    "pdf", "txt", "md", "doc", "docx", "odt", "rtf", "xls", "xlsx", "ods", "csv",
                    "ppt", "pptx", "odp", "epub", "html", "htm", "tex", "xml",
                ],
            ),
        ];
        let ending = name.rsplit_once('.')?.1.to_ascii_lowercase();
        let found = ENDINGS
            .iter()
            .find(|(_, endings)| endings.contains(&ending.as_str()));
        found.map(|(kind, _)| *kind)
    }

    fn number(self) -> u32 {
        match self {
            Self::Photo => 1,
            Self::Video => 2,
            Self::Document => 3,
            Self::Music => 4,
        }
    }

    pub(super) fn piece(self) -> String {
        piece(KIND, self.number())
    }
}

/// What of an entry becomes pieces.
#[derive(Default)]
pub(super) struct Facets {
    pub(super) name: Option<String>,
    pub(super) media_type: Option<String>,
    pub(super) tags: Option<String>,
    pub(super) album: Option<String>,
    pub(super) sender: Option<String>,
    pub(super) member: Option<String>,
    /// When it was taken, or else when it came, in milliseconds since 1970.
    pub(super) dated_at: i64,
}

impl Facets {
    /// Writes all pieces one after another.
    pub(super) fn pieces(&self) -> String {
        let mut pieces = String::new();
        let hours = hours(self.dated_at);
        for (scale, mark) in SCALES {
            pieces.push_str(&piece(mark, count(hours.div_euclid(scale))));
        }
        let kind = Kind::of(self.media_type.as_deref(), self.name.as_deref());
        pieces.extend(kind.map(Kind::piece));
        let tags = self.tags.as_deref().into_iter().flat_map(str::lines);
        pieces.extend(tags.map(tag));
        pieces.extend(self.album.as_deref().map(album));
        let senders = [self.sender.as_deref(), self.member.as_deref()];
        for sender in senders.into_iter().flatten() {
            pieces.push_str(&hashed(SENDER, sender));
            if let Some((local, _)) = sender.split_once('@') {
                pieces.push_str(&hashed(SENDER, local));
            }
        }
        pieces
    }
}

/// The piece of a tag.
pub(super) fn tag(tag: &str) -> String {
    hashed(TAG, tag)
}

/// The piece of an album.
pub(super) fn album(album: &str) -> String {
    hashed(ALBUM, album)
}

/// The piece of a sender or member: the whole address, or what stands before the `@`.
pub(super) fn sender(sender: &str) -> String {
    hashed(SENDER, sender)
}

/// The pieces that a span of time is made of, in milliseconds since 1970, its end left out. At its
/// ends it may take in a part of an hour too much.
pub(super) fn span(from: Option<i64>, until: Option<i64>) -> Vec<String> {
    let mut from = from.map_or(FIRST_HOUR, hours);
    let until = until.map_or(LAST_HOUR + 1, |it| {
        let end = it.saturating_add(HOUR_MILLIS - 1).div_euclid(HOUR_MILLIS);
        end.clamp(FIRST_HOUR, LAST_HOUR + 1)
    });
    let mut pieces = Vec::new();
    while from < until {
        let fits = SCALES
            .into_iter()
            .find(|(scale, _)| from.rem_euclid(*scale) == 0 && from + scale <= until);
        let (scale, mark) = fits.unwrap_or((1, HOUR));
        pieces.push(piece(mark, count(from.div_euclid(scale))));
        from += scale;
    }
    pieces
}

fn hours(millis: i64) -> i64 {
    millis.div_euclid(HOUR_MILLIS).clamp(FIRST_HOUR, LAST_HOUR)
}

fn count(number: i64) -> u32 {
    u32::try_from(number + OFFSET).unwrap_or_default()
}

fn hashed(mark: char, text: &str) -> String {
    let hash = Sha256::digest(fold(text).as_bytes());
    let number = hash
        .iter()
        .take(4)
        .fold(0_u32, |sum, byte| (sum << 8) | u32::from(*byte));
    piece(mark, number)
}

fn piece(mark: char, number: u32) -> String {
    let half = |half: u32| char::from_u32(0xF_0000 + half).unwrap_or('\u{F0000}');
    [mark, half(number >> 16), half(number & 0xFFFF)]
        .iter()
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn at(hours: i64) -> BTreeSet<String> {
        let facets = Facets {
            dated_at: hours * HOUR_MILLIS + 1,
            ..Facets::default()
        };
        let pieces: Vec<char> = facets.pieces().chars().collect();
        pieces.chunks(3).map(|it| it.iter().collect()).collect()
    }

    #[test]
    fn a_span_of_time_is_made_of_pieces_that_only_its_hours_have() {
        for (from, until) in [
            (0, 1),
            (23, 25),
            (5, 24 * 400),
            (-30, 30),
            (493_000, 493_700),
        ] {
            let pieces = span(Some(from * HOUR_MILLIS), Some(until * HOUR_MILLIS));

            assert!(pieces.len() < 120, "{} pieces", pieces.len());
            for hour in [from, from + 1, (from + until) / 2, until - 1] {
                let inside = (from..until).contains(&hour);
                let found = at(hour).iter().filter(|it| pieces.contains(it)).count();
                assert_eq!(found, usize::from(inside), "{hour} of {from} to {until}");
            }
            for hour in [from - 1, until, from - 1_000, until + 1_000] {
                assert!(!at(hour).iter().any(|it| pieces.contains(it)), "{hour}");
            }
        }
        assert!(span(Some(HOUR_MILLIS), Some(HOUR_MILLIS)).is_empty());
        assert!(span(Some(9 * HOUR_MILLIS), Some(5)).is_empty());
    }

    #[test]
    fn a_span_without_ends_is_few_pieces_and_takes_in_all_times() {
        for (from, until) in [(None, None), (Some(i64::MIN), Some(i64::MAX))] {
            let pieces = span(from, until);

            assert!(pieces.len() < 200, "{} pieces", pieces.len());
            for hour in [-9_000_000, FIRST_HOUR, 0, 493_000, LAST_HOUR, 90_000_000] {
                assert!(at(hour).iter().any(|it| pieces.contains(it)), "{hour}");
            }
        }
    }

    #[test]
    fn a_kind_is_told_by_media_type_or_ending() {
        let kind = |media_type: &str, name: &str| Kind::of(Some(media_type), Some(name));

        assert_eq!(kind("image/jpeg", "x.pdf"), Some(Kind::Photo));
        assert_eq!(kind("application/octet-stream", "x.MP4"), Some(Kind::Video));
        assert_eq!(kind("application/pdf", "x"), Some(Kind::Document));
        assert_eq!(kind("", "song.opus"), Some(Kind::Music));
        assert_eq!(kind("", "archive.zip"), None);
        assert_eq!(Kind::of(None, None), None);
    }

    #[test]
    fn no_text_of_people_passes_for_a_piece() {
        let forged = format!("{}{}", tag("secret"), Kind::Photo.piece());

        assert!(!fold(&forged).contains(&tag("secret")));
        assert!(!fold(&forged).contains(&Kind::Photo.piece()));
        assert_eq!(tag("Straße"), tag("STRASSE"), "the twin: folded alike");
        assert_ne!(tag("a"), album("a"));
    }
}
