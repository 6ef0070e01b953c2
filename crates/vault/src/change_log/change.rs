//! One change of the index, as bytes. The layout is in `docs/formats/index.md`.

use crate::{
    id::BlobId,
    index::{EntryNumber, Origin},
    metadata,
    parse::{Fields, TooShort},
};

/// How many bytes of a caption are kept.
pub(crate) const MAX_CAPTION_BYTES: usize = 4096;

const KIND_ADOPTED: u8 = 1;
const KIND_DUPLICATE: u8 = 2;

/// Something that was done to the index. Times are milliseconds, as the format has them.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// A blob got a number, or more became known of one that had it.
    Adopted {
        number: EntryNumber,
        blob: BlobId,
        at: i64,
        origin: Origin,
        caption: Option<String>,
    },
    /// A blob turned out to hold what an entry's blob holds.
    Duplicate {
        number: EntryNumber,
        blob: BlobId,
        at: i64,
    },
}

impl Change {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(64);
        let mut begin = |kind: u8, number: &EntryNumber, blob: &BlobId, at: &i64| {
            bytes.push(kind);
            bytes.extend_from_slice(&number.get().to_be_bytes());
            bytes.extend_from_slice(blob.as_bytes());
            bytes.extend_from_slice(&at.to_be_bytes());
        };
        match self {
            Self::Adopted {
                number,
                blob,
                at,
                origin,
                caption,
            } => {
                begin(KIND_ADOPTED, number, blob, at);
                bytes.push(origin.to_byte());
                let caption = caption.as_deref().unwrap_or_default();
                let caption = metadata::cut(caption, MAX_CAPTION_BYTES);
                let length = u16::try_from(caption.len()).unwrap_or_default();
                bytes.extend_from_slice(&length.to_be_bytes());
                bytes.extend_from_slice(caption.as_bytes());
            }
            Self::Duplicate { number, blob, at } => begin(KIND_DUPLICATE, number, blob, at),
        }
        bytes
    }

    /// Reads a change, whatever zeros follow; nothing if it is of a kind made up later.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Self>, TooShort> {
        let mut fields = Fields::new(bytes);
        let kind = fields.u8()?;
        if kind != KIND_ADOPTED && kind != KIND_DUPLICATE {
            return Ok(None);
        }
        let number = EntryNumber::new(fields.u64()?).ok_or(TooShort)?;
        let blob = BlobId::from_bytes(*fields.array()?);
        let at = fields.i64()?;
        if kind == KIND_DUPLICATE {
            return Ok(Some(Self::Duplicate { number, blob, at }));
        }
        let Some(origin) = Origin::from_byte(fields.u8()?) else {
            return Ok(None);
        };
        let length = usize::from(fields.u16()?);
        let caption = String::from_utf8_lossy(fields.bytes(length)?).into_owned();
        let caption = Some(caption).filter(|it| !it.is_empty());
        Ok(Some(Self::Adopted {
            number,
            blob,
            at,
            origin,
            caption,
        }))
    }
}
