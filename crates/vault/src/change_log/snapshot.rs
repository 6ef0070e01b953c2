//! A sealed snapshot: the changes that lead to one state of the index, without the way there.
//!
//! Knows records and their chain; which changes make a state is the index's business. The layout
//! is in `docs/formats/index.md`.

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use super::{Change, HEAD_BYTES, head, record_aad};
use crate::{
    aead::{self, RECORD_OVERHEAD, TAG_BYTES},
    disk::{self, Unfinished},
    epoch::Epochs,
    folder::VaultFolder,
    index::EntryNumber,
    key::PurposeKey,
    parse::{Fields, TooShort},
};

const MAGIC: &[u8; 8] = b"SRSNAP\0\0";
const ENDING: &str = "snap";
const RECORD_HEAD_BYTES: usize = 12;
/// A record is closed before it would become longer than this.
const MAX_PLAIN_BYTES: usize = 65_536;
const PADDED_TO: usize = 4096;

const BEGIN: u8 = 1;
const CHANGES: u8 = 2;
const END: u8 = 3;

/// A snapshot on the drive whose first record opened.
pub(crate) struct Snapshot {
    path: PathBuf,
    epoch: u32,
    /// The last segment of the log that it replaces.
    pub(crate) segment: u32,
    /// The last change that it replaces.
    pub(crate) sequence: u64,
    /// The highest number ever given; 0 if there was none.
    pub(crate) last_number: u64,
    pub(crate) bytes: u64,
}

/// What could be read of a snapshot.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All of it.
    Whole,
    /// It is damaged or cut.
    Torn,
    /// It holds a change that this program does not know.
    Newer,
}

impl From<TooShort> for Extent {
    fn from(TooShort: TooShort) -> Self {
        Self::Torn
    }
}

impl Snapshot {
    /// Opens a snapshot's first record; nothing if that is damaged.
    pub(super) fn open(
        folder: &VaultFolder,
        epochs: &Epochs,
        path: &Path,
        (epoch, segment): (u32, u32),
    ) -> io::Result<Option<Self>> {
        let mut found = Self {
            path: path.to_owned(),
            epoch,
            segment,
            sequence: 0,
            last_number: 0,
            bytes: disk::length(path)?,
        };
        let mut records = found.records(folder, epochs)?;
        let Some(plain) = records.as_mut().map(Records::next).transpose()?.flatten() else {
            return Ok(None);
        };
        let mut fields = Fields::new(&plain);
        let mut begin = || Ok::<_, TooShort>((fields.u8()?, fields.u64()?, fields.u64()?));
        match begin() {
            Ok((BEGIN, sequence, last_number)) => {
                found.sequence = sequence;
                found.last_number = last_number;
                Ok(Some(found))
            }
            _ => Ok(None),
        }
    }

    /// Hands the changes to `each`, some at a time, as far as they can be read.
    pub(crate) fn read<E: From<io::Error>>(
        &self,
        folder: &VaultFolder,
        epochs: &Epochs,
        mut each: impl FnMut(Vec<Change>) -> Result<(), E>,
    ) -> Result<Extent, E> {
        let Some(mut records) = self.records(folder, epochs)? else {
            return Ok(Extent::Torn);
        };
        let (mut count, mut first) = (0, true);
        while let Some(plain) = records.next()? {
            if std::mem::take(&mut first) {
                continue;
            }
            match changes(&plain) {
                Ok(Part::Changes(changes)) => {
                    count += changes.len() as u64;
                    each(changes)?;
                }
                Ok(Part::End(all)) if all == count && records.at_end()? => {
                    return Ok(Extent::Whole);
                }
                Ok(Part::End(_)) => return Ok(Extent::Torn),
                Err(stop) => return Ok(stop),
            }
        }
        Ok(Extent::Torn)
    }

    pub(super) fn is_at(&self, path: &Path) -> bool {
        self.path == path
    }

    /// Tells whether every record opens.
    pub(super) fn extent(&self, folder: &VaultFolder, epochs: &Epochs) -> io::Result<Extent> {
        self.read(folder, epochs, |_| Ok::<_, io::Error>(()))
    }

    fn records(&self, folder: &VaultFolder, epochs: &Epochs) -> io::Result<Option<Records>> {
        let Some(key) = epochs.snapshot_key(self.epoch) else {
            return Ok(None);
        };
        let head = head(MAGIC, folder.vault_id(), self.epoch, self.segment);
        let mut file = io::BufReader::new(disk::open(&self.path)?);
        let mut found = [0; HEAD_BYTES];
        let there = read_whole(&mut file, &mut found)?;
        Ok((there && found == head).then_some(Records {
            file,
            head,
            key,
            place: 0,
            last_tag: [0; TAG_BYTES],
        }))
    }
}

/// The records of one file, opened one after the other.
struct Records {
    file: io::BufReader<std::fs::File>,
    head: [u8; HEAD_BYTES],
    key: PurposeKey,
    place: u64,
    last_tag: [u8; TAG_BYTES],
}

impl Records {
    /// Opens the next record; nothing at the end, or where one is cut or damaged.
    fn next(&mut self) -> io::Result<Option<zeroize::Zeroizing<Vec<u8>>>> {
        let mut start = [0; RECORD_HEAD_BYTES];
        if !read_whole(&mut self.file, &mut start)? {
            return Ok(None);
        }
        let mut fields = Fields::new(&start);
        let (Ok(length), Ok(place)) = (fields.u32(), fields.u64()) else {
            return Ok(None);
        };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        self.place += 1;
        if length > MAX_PLAIN_BYTES + RECORD_OVERHEAD || place != self.place {
            return Ok(None);
        }
        let mut sealed = vec![0; length];
        if !read_whole(&mut self.file, &mut sealed)? {
            return Ok(None);
        }
        let aad = record_aad(&self.head, place, &self.last_tag);
        let (Ok(plain), Some(tag)) = (
            aead::open_record(&self.key, &aad, &sealed),
            sealed.last_chunk(),
        ) else {
            return Ok(None);
        };
        self.last_tag = *tag;
        Ok(Some(plain))
    }

    fn at_end(&mut self) -> io::Result<bool> {
        Ok(!read_whole(&mut self.file, &mut [0])?)
    }
}

enum Part {
    Changes(Vec<Change>),
    End(u64),
}

fn changes(plain: &[u8]) -> Result<Part, Extent> {
    let mut fields = Fields::new(plain);
    match fields.u8()? {
        CHANGES => {}
        END => return Ok(Part::End(fields.u64()?)),
        _ => return Err(Extent::Newer),
    }
    let mut changes = Vec::new();
    while fields.rest().len() >= 2 {
        let length = usize::from(fields.u16()?);
        if length == 0 {
            break;
        }
        let mut change = Fields::new(fields.bytes(length)?);
        changes.push(Change::parse(&mut change)?.ok_or(Extent::Newer)?);
    }
    Ok(Part::Changes(changes))
}

/// Fills `bytes`, or tells that the file ended before.
fn read_whole(file: &mut impl io::Read, bytes: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// Writes a snapshot; until it is finished there is none.
pub(crate) struct SnapshotWriter {
    file: Unfinished,
    path: PathBuf,
    head: [u8; HEAD_BYTES],
    key: PurposeKey,
    place: u64,
    last_tag: [u8; TAG_BYTES],
    pending: Vec<u8>,
    count: u64,
    bytes: u64,
    epoch: u32,
    segment: u32,
    sequence: u64,
    last_number: u64,
}

impl SnapshotWriter {
    pub(super) fn start(
        folder: &VaultFolder,
        epochs: &Epochs,
        segment: u32,
        sequence: u64,
        last_number: Option<EntryNumber>,
    ) -> io::Result<Self> {
        let epoch = epochs.newest();
        let key = epochs
            .snapshot_key(epoch)
            .ok_or(io::ErrorKind::InvalidInput)?;
        disk::make_folder(&folder.snapshots())?;
        let path = folder
            .snapshots()
            .join(format!("{epoch:010}-{segment:010}.{ENDING}"));
        let mut writer = Self {
            file: Unfinished::create(&path)?,
            path,
            head: head(MAGIC, folder.vault_id(), epoch, segment),
            key,
            place: 0,
            last_tag: [0; TAG_BYTES],
            pending: Vec::with_capacity(MAX_PLAIN_BYTES),
            count: 0,
            bytes: 0,
            epoch,
            segment,
            sequence,
            last_number: last_number.map_or(0, EntryNumber::get),
        };
        writer.file.write_all(&writer.head)?;
        let mut begin = vec![BEGIN];
        begin.extend_from_slice(&sequence.to_be_bytes());
        begin.extend_from_slice(&writer.last_number.to_be_bytes());
        writer.seal(&begin)?;
        Ok(writer)
    }

    /// Adds one change.
    pub(crate) fn push(&mut self, change: &Change) -> io::Result<()> {
        let bytes = change.to_bytes();
        let length = u16::try_from(bytes.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        if self.pending.len() + bytes.len() + 2 > MAX_PLAIN_BYTES {
            self.seal_pending()?;
        }
        if self.pending.is_empty() {
            self.pending.push(CHANGES);
        }
        self.pending.extend_from_slice(&length.to_be_bytes());
        self.pending.extend_from_slice(&bytes);
        self.count += 1;
        Ok(())
    }

    /// Closes the snapshot and makes it durable under its name.
    pub(super) fn finish(mut self) -> io::Result<Snapshot> {
        self.seal_pending()?;
        let end = [&[END], self.count.to_be_bytes().as_slice()].concat();
        self.seal(&end)?;
        self.file.finish()?;
        Ok(Snapshot {
            path: self.path,
            epoch: self.epoch,
            segment: self.segment,
            sequence: self.sequence,
            last_number: self.last_number,
            bytes: self.bytes,
        })
    }

    fn seal_pending(&mut self) -> io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let plain = std::mem::replace(&mut self.pending, Vec::with_capacity(MAX_PLAIN_BYTES));
        self.seal(&plain)
    }

    fn seal(&mut self, plain: &[u8]) -> io::Result<()> {
        let mut plain = zeroize::Zeroizing::new(plain.to_vec());
        let padded = plain.len().next_multiple_of(PADDED_TO);
        plain.resize(padded, 0);
        self.place += 1;
        let aad = record_aad(&self.head, self.place, &self.last_tag);
        let sealed = aead::seal_record(&self.key, &aad, &plain);
        let length = u32::try_from(sealed.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        self.last_tag = *sealed.last_chunk().ok_or(io::ErrorKind::InvalidInput)?;
        self.file.write_all(&length.to_be_bytes())?;
        self.file.write_all(&self.place.to_be_bytes())?;
        self.bytes += (sealed.len() + RECORD_HEAD_BYTES) as u64;
        self.file.write_all(&sealed)
    }
}
