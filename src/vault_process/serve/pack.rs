//! Many entries on their way out as one zip.
//!
//! Each file is read from end to end before the first byte goes out: its checksum stands in front
//! of it, and what does not open is left out and named.

use std::{
    collections::{HashSet, VecDeque},
    io::{self, Read},
};

use vault::{BlobId, OpenVault, UnsealError, index::EntryNumber, safe_name};
use zeroize::Zeroizing;

use super::{
    Clerk, MAX_ROWS, Row, row,
    sender::Content,
    zip::{self, Crc, LIMIT, Member, Part},
};
use crate::vault_process::Form;

/// Bytes read at a time.
const PIECE_BYTES: usize = 32 * 1024;
/// The largest zip that is made where the server names no limit, in bytes.
const MOST_BYTES: u64 = 1024 * 1024 * 1024;

/// One entry that is wanted.
pub(super) struct Wanted {
    pub(super) number: u64,
    pub(super) blob: BlobId,
    pub(super) name: String,
    /// In seconds since 1970.
    pub(super) modified_at: i64,
}

impl Clerk {
    /// Has many entries encrypted as one zip.
    pub(super) fn start_pack(
        &mut self,
        job: [u8; 32],
        numbers: &[u64],
        limit: Option<u64>,
        form: Form,
    ) -> io::Result<()> {
        let (mut wanted, mut missing) = (Vec::new(), Vec::new());
        for &number in numbers.iter().take(MAX_ROWS) {
            let entry = EntryNumber::new(number).map(|it| self.index.get(it));
            let Some(Ok(Some(entry))) = entry else {
                missing.push(number);
                continue;
            };
            let row = row(&entry);
            wanted.push(Wanted {
                number,
                blob: entry.blob_id,
                name: row.name,
                modified_at: row.received_at,
            });
        }
        let content = Content::Many {
            wanted,
            missing,
            limit,
        };
        self.begin(job, form, content)
    }
}

/// A zip that can be read.
pub(super) struct Pack<'a> {
    vault: &'a OpenVault,
    blobs: Vec<BlobId>,
    parts: VecDeque<Part>,
    current: Option<Box<dyn Read + 'a>>,
    /// How long it is, in bytes.
    pub(super) bytes: u64,
    /// What is in it.
    pub(super) numbers: Vec<u64>,
    /// What does not open.
    pub(super) damaged: Vec<u64>,
}

impl<'a> Pack<'a> {
    /// Packs as many as there is room for, at least one.
    pub(super) fn new(vault: &'a OpenVault, wanted: &[Wanted], limit: Option<u64>) -> Self {
        let limit = limit.unwrap_or(MOST_BYTES).min(MOST_BYTES);
        let (mut members, mut blobs) = (Vec::new(), Vec::new());
        let (mut numbers, mut damaged) = (Vec::new(), Vec::new());
        let mut names = HashSet::new();
        let mut bytes = zip::length(&members, LIMIT);
        for one in wanted {
            let (size, crc) = match read_through(vault, &one.blob) {
                Ok(read) => read,
                Err(error) => {
                    log::error!("a blob does not open to its end: {error}");
                    damaged.push(one.number);
                    continue;
                }
            };
            members.push(Member {
                name: zip::distinct(&safe_name(Some(&one.name)), &mut names),
                bytes: size,
                crc,
                modified_at: one.modified_at,
            });
            let grown = zip::length(&members, LIMIT);
            if grown > limit && members.len() > 1 {
                members.pop();
                break;
            }
            bytes = grown;
            blobs.push(one.blob);
            numbers.push(one.number);
        }
        Self {
            vault,
            parts: zip::layout(&members, LIMIT).into(),
            blobs,
            current: None,
            bytes,
            numbers,
            damaged,
        }
    }
}

impl Pack<'_> {
    /// Describes it as a file; `None` for one that nothing is in.
    pub(super) fn row(&self) -> Option<Row> {
        let first = *self.numbers.first()?;
        let lowest = self.numbers.iter().min()?;
        let highest = self.numbers.iter().max()?;
        Some(Row {
            number: first,
            name: format!("files {lowest}-{highest}.zip"),
            bytes: self.bytes,
            received_at: 0,
            damaged: false,
            taken_at: None,
        })
    }
}

impl Read for Pack<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(current) = &mut self.current {
                let length = current.read(buffer)?;
                if length > 0 {
                    return Ok(length);
                }
            }
            self.current = match self.parts.pop_front() {
                None => return Ok(0),
                Some(Part::Bytes(bytes)) => Some(Box::new(io::Cursor::new(bytes))),
                Some(Part::Content(place)) => {
                    let blob = self.blobs.get(place).ok_or(io::ErrorKind::NotFound)?;
                    let reader = self.vault.reader(blob).map_err(io::Error::other)?;
                    Some(Box::new(reader))
                }
            };
        }
    }
}

/// Returns length and checksum of a content.
fn read_through(vault: &OpenVault, blob: &BlobId) -> Result<(u64, u32), UnsealError> {
    let mut reader = vault.reader(blob)?;
    let mut piece = Zeroizing::new(vec![0; PIECE_BYTES]);
    let (mut bytes, mut crc) = (0, Crc::new());
    loop {
        let length = reader.read(&mut piece).map_err(UnsealError::Io)?;
        let Some(read) = piece.get(..length).filter(|it| !it.is_empty()) else {
            return Ok((bytes, crc.finish()));
        };
        bytes += read.len() as u64;
        crc.update(read);
    }
}
