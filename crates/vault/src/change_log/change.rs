//! One change of the index, as bytes. The layout is in `docs/formats/index.md`.

use crate::{
    id::BlobId,
    index::{EntryNumber, Origin},
    metadata::{self, MAX_NAME_BYTES},
    parse::{Fields, TooShort},
};

/// How many bytes of a caption are kept.
pub(crate) const MAX_CAPTION_BYTES: usize = 4096;
/// How many bytes of a tag or of an album's name are kept.
pub(crate) const MAX_LABEL_BYTES: usize = 255;

const ADOPTED: u8 = 1;
const DUPLICATE: u8 = 2;
const REPLACED: u8 = 3;
const RENAMED: u8 = 4;
const CAPTIONED: u8 = 5;
const TAGGED: u8 = 6;
const UNTAGGED: u8 = 7;
const MOVED: u8 = 8;
const TRASHED: u8 = 9;
const RESTORED: u8 = 10;
const PURGED: u8 = 11;

/// Something that was done to the index: to which entry, whose blob, when, and what.
///
/// The time is in milliseconds, as the format has it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) number: EntryNumber,
    pub(crate) blob: BlobId,
    pub(crate) at: i64,
    pub(crate) what: What,
}

/// What was done.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum What {
    /// The blob got the number, or more became known of one that had it.
    Adopted {
        origin: Origin,
        caption: Option<String>,
    },
    /// The blob turned out to hold what the entry's blob holds.
    Duplicate,
    /// The blob, a duplicate so far, took the place of the entry's blob, which did not hold.
    Replaced { unsound: BlobId },
    /// The owner gave it another name, or none: then it has its blob's.
    Renamed { name: Option<String> },
    /// It got another caption, or none.
    Captioned { caption: Option<String> },
    /// It got a tag.
    Tagged { tag: String },
    /// It lost a tag.
    Untagged { tag: String },
    /// It was put into an album, or taken out.
    Moved { album: Option<String> },
    /// It was moved to the trash.
    Trashed,
    /// It was taken out of the trash.
    Restored,
    /// It was removed for good, with its blob and all duplicates of it.
    Purged,
}

impl Change {
    pub(crate) fn new(number: EntryNumber, blob: BlobId, at: i64, what: What) -> Self {
        Self {
            number,
            blob,
            at,
            what,
        }
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(64);
        bytes.push(self.what.kind());
        bytes.extend_from_slice(&self.number.get().to_be_bytes());
        bytes.extend_from_slice(self.blob.as_bytes());
        bytes.extend_from_slice(&self.at.to_be_bytes());
        match &self.what {
            What::Adopted { origin, caption } => {
                bytes.push(origin.to_byte());
                push_text(&mut bytes, caption.as_deref(), MAX_CAPTION_BYTES);
            }
            What::Replaced { unsound } => bytes.extend_from_slice(unsound.as_bytes()),
            What::Renamed { name } => push_text(&mut bytes, name.as_deref(), MAX_NAME_BYTES),
            What::Captioned { caption } => {
                push_text(&mut bytes, caption.as_deref(), MAX_CAPTION_BYTES);
            }
            What::Tagged { tag } | What::Untagged { tag } => {
                push_text(&mut bytes, Some(tag), MAX_LABEL_BYTES);
            }
            What::Moved { album } => {
                push_text(&mut bytes, album.as_deref(), MAX_LABEL_BYTES);
            }
            What::Duplicate | What::Trashed | What::Restored | What::Purged => {}
        }
        bytes
    }

    /// Reads a change, whatever follows; nothing if it is of a kind made up later.
    pub(crate) fn parse(fields: &mut Fields<'_>) -> Result<Option<Self>, TooShort> {
        let kind = fields.u8()?;
        if !(ADOPTED..=PURGED).contains(&kind) {
            return Ok(None);
        }
        let number = EntryNumber::new(fields.u64()?).ok_or(TooShort)?;
        let blob = BlobId::from_bytes(*fields.array()?);
        let at = fields.i64()?;
        let what = match kind {
            ADOPTED => {
                let Some(origin) = Origin::from_byte(fields.u8()?) else {
                    return Ok(None);
                };
                let caption = text(fields)?;
                What::Adopted { origin, caption }
            }
            DUPLICATE => What::Duplicate,
            REPLACED => What::Replaced {
                unsound: BlobId::from_bytes(*fields.array()?),
            },
            RENAMED => What::Renamed {
                name: text(fields)?,
            },
            CAPTIONED => What::Captioned {
                caption: text(fields)?,
            },
            TAGGED => What::Tagged {
                tag: text(fields)?.unwrap_or_default(),
            },
            UNTAGGED => What::Untagged {
                tag: text(fields)?.unwrap_or_default(),
            },
            MOVED => What::Moved {
                album: text(fields)?,
            },
            TRASHED => What::Trashed,
            RESTORED => What::Restored,
            _ => What::Purged,
        };
        Ok(Some(Self::new(number, blob, at, what)))
    }
}

impl What {
    fn kind(&self) -> u8 {
        match self {
            Self::Adopted { .. } => ADOPTED,
            Self::Duplicate => DUPLICATE,
            Self::Replaced { .. } => REPLACED,
            Self::Renamed { .. } => RENAMED,
            Self::Captioned { .. } => CAPTIONED,
            Self::Tagged { .. } => TAGGED,
            Self::Untagged { .. } => UNTAGGED,
            Self::Moved { .. } => MOVED,
            Self::Trashed => TRASHED,
            Self::Restored => RESTORED,
            Self::Purged => PURGED,
        }
    }
}

fn push_text(bytes: &mut Vec<u8>, text: Option<&str>, limit: usize) {
    let text = metadata::cut(text.unwrap_or_default(), limit);
    let length = u16::try_from(text.len()).unwrap_or_default();
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(text.as_bytes());
}

/// Reads a text; an empty one is none.
fn text(fields: &mut Fields<'_>) -> Result<Option<String>, TooShort> {
    let length = usize::from(fields.u16()?);
    let text = String::from_utf8_lossy(fields.bytes(length)?).into_owned();
    Ok(Some(text).filter(|it| !it.is_empty()))
}
