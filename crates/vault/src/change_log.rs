//! The sealed change log: everything that was ever done to the index, appended and never altered.
//!
//! Knows changes and segments; what a change means for the index is the index's business. The
//! layout is in `docs/formats/index.md`.

use std::{io, path::PathBuf, sync::Arc};

use crate::{
    aead::{self, RECORD_OVERHEAD, TAG_BYTES},
    disk,
    epoch::Epochs,
    folder::VaultFolder,
    header::{FORMAT_VERSION, SUITE, joined},
    id::VaultId,
    parse::{Fields, TooShort},
};

pub(crate) mod change;

pub(crate) use change::Change;

const MAGIC: &[u8; 8] = b"SRLOG\0\0\0";
const SEGMENT_HEAD_BYTES: usize = 36;
const PADDED_TO: usize = 256;
const MAX_CHANGE_BYTES: usize = 65_536;
/// A segment that is this long is followed by a new one.
const SEGMENT_BYTES: usize = 4 << 20;
const MAX_SEGMENT_BYTES: usize = 64 << 20;

/// Everything that can be read of the log, in order.
pub(crate) struct History {
    /// Each change with its sequence number.
    pub(crate) changes: Vec<(u64, Change)>,
    /// Names of segments that end too early, or cannot be read at all.
    pub(crate) torn: Vec<String>,
    /// A kind of change was met that this program does not know.
    pub(crate) newer: bool,
}

/// The log, open for appending.
pub(crate) struct ChangeLog {
    folder: VaultFolder,
    epochs: Arc<Epochs>,
    /// The segment that the next change goes to, if it is one that is there and whole.
    current: Option<Segment>,
    last_segment: u32,
    last_sequence: u64,
}

struct Segment {
    path: PathBuf,
    head: [u8; SEGMENT_HEAD_BYTES],
    epoch: u32,
    bytes: usize,
    last_tag: [u8; TAG_BYTES],
}

/// Why reading a segment stopped before its end.
#[derive(Debug, PartialEq, Eq)]
enum Stop {
    Torn,
    Newer,
}

impl From<TooShort> for Stop {
    fn from(TooShort: TooShort) -> Self {
        Self::Torn
    }
}

impl ChangeLog {
    /// Reads all segments; nothing is written.
    pub(crate) fn open(folder: &VaultFolder, epochs: &Arc<Epochs>) -> io::Result<(Self, History)> {
        let mut history = History {
            changes: Vec::new(),
            torn: Vec::new(),
            newer: false,
        };
        let mut log = Self {
            folder: folder.clone(),
            epochs: Arc::clone(epochs),
            current: None,
            last_segment: 0,
            last_sequence: 0,
        };
        for path in disk::list(&folder.changes())? {
            let Some((epoch, number)) = segment_of_name(&path) else {
                continue;
            };
            log.last_segment = log.last_segment.max(number);
            let bytes = disk::read_small(&path, MAX_SEGMENT_BYTES)?;
            let head = segment_head(folder.vault_id(), epoch, number);
            let mut segment = Segment {
                path,
                head,
                epoch,
                bytes: bytes.len(),
                last_tag: [0; 16],
            };
            let read = segment.read(&bytes, epochs, &mut history.changes);
            if read == Err(Stop::Torn) {
                let name = segment.path.file_name().unwrap_or_default();
                history.torn.push(name.to_string_lossy().into_owned());
            }
            history.newer |= read == Err(Stop::Newer);
            log.current = read.is_ok().then_some(segment);
        }
        // Sequence numbers order the changes even if segments were renamed.
        history.changes.sort_by_key(|(sequence, _)| *sequence);
        history.changes.dedup_by_key(|(sequence, _)| *sequence);
        log.last_sequence = history.changes.last().map_or(0, |(sequence, _)| *sequence);
        Ok((log, history))
    }

    /// Makes sure that no sequence number up to `sequence` is used again, though the log lost it.
    pub(crate) fn skip_to(&mut self, sequence: u64) {
        self.last_sequence = self.last_sequence.max(sequence);
    }

    /// Appends changes in one durable step and returns the sequence number of the last.
    ///
    /// After an error nobody knows what the drive has: the log must be opened anew.
    pub(crate) fn append(&mut self, changes: &[Change]) -> io::Result<u64> {
        let newest = self.epochs.newest();
        let usable = |it: &Segment| it.epoch == newest && it.bytes < SEGMENT_BYTES;
        let (mut segment, mut out) = match self.current.take().filter(usable) {
            Some(segment) => (segment, Vec::new()),
            None => {
                let segment = self.new_segment(newest)?;
                let head = segment.head.to_vec();
                (segment, head)
            }
        };
        let key = self
            .epochs
            .change_log_key(newest)
            .ok_or(io::ErrorKind::InvalidInput)?;
        let mut sequence = self.last_sequence;
        for change in changes {
            sequence = sequence.checked_add(1).ok_or(io::ErrorKind::InvalidInput)?;
            let mut plain = change.to_bytes();
            plain.resize(plain.len().next_multiple_of(PADDED_TO), 0);
            let aad = record_aad(&segment.head, sequence, &segment.last_tag);
            let sealed = aead::seal_record(&key, &aad, &plain);
            let length = u32::try_from(sealed.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
            out.extend_from_slice(&length.to_be_bytes());
            out.extend_from_slice(&sequence.to_be_bytes());
            out.extend_from_slice(&sealed);
            segment.last_tag = *sealed.last_chunk().ok_or(io::ErrorKind::InvalidInput)?;
        }
        disk::append_durably(&segment.path, &out)?;
        segment.bytes += out.len();
        self.current = Some(segment);
        self.last_sequence = sequence;
        Ok(sequence)
    }

    fn new_segment(&mut self, epoch: u32) -> io::Result<Segment> {
        let number = self
            .last_segment
            .checked_add(1)
            .ok_or(io::ErrorKind::InvalidInput)?;
        self.last_segment = number;
        disk::make_folder(&self.folder.changes())?;
        let name = format!("{epoch:010}-{number:010}.log");
        let path = self.folder.changes().join(name);
        let head = segment_head(self.folder.vault_id(), epoch, number);
        Ok(Segment {
            path,
            head,
            epoch,
            bytes: 0,
            last_tag: [0; TAG_BYTES],
        })
    }
}

impl Segment {
    fn read(
        &mut self,
        bytes: &[u8],
        epochs: &Epochs,
        changes: &mut Vec<(u64, Change)>,
    ) -> Result<(), Stop> {
        let key = epochs.change_log_key(self.epoch).ok_or(Stop::Torn)?;
        let mut records = Fields::new(bytes.strip_prefix(&self.head).ok_or(Stop::Torn)?);
        while !records.rest().is_empty() {
            let length = usize::try_from(records.u32()?).map_err(|_| Stop::Torn)?;
            if length > MAX_CHANGE_BYTES + RECORD_OVERHEAD {
                return Err(Stop::Torn);
            }
            let sequence = records.u64()?;
            let sealed = records.bytes(length)?;
            let aad = record_aad(&self.head, sequence, &self.last_tag);
            let plain = aead::open_record(&key, &aad, sealed).map_err(|_| Stop::Torn)?;
            let change = Change::parse(&plain)?.ok_or(Stop::Newer)?;
            self.last_tag = *sealed.last_chunk().ok_or(Stop::Torn)?;
            changes.push((sequence, change));
        }
        Ok(())
    }
}

fn segment_head(vault: &VaultId, epoch: u32, number: u32) -> [u8; SEGMENT_HEAD_BYTES] {
    joined(&[
        MAGIC,
        &FORMAT_VERSION.to_be_bytes(),
        &SUITE.to_be_bytes(),
        vault.as_bytes(),
        &epoch.to_be_bytes(),
        &number.to_be_bytes(),
    ])
}

fn record_aad(
    head: &[u8; SEGMENT_HEAD_BYTES],
    sequence: u64,
    last_tag: &[u8; TAG_BYTES],
) -> [u8; SEGMENT_HEAD_BYTES + 8 + TAG_BYTES] {
    joined(&[head, &sequence.to_be_bytes(), last_tag])
}

fn segment_of_name(path: &std::path::Path) -> Option<(u32, u32)> {
    let name = path.file_name()?.to_str()?.strip_suffix(".log")?;
    let (epoch, number) = name.split_once('-')?;
    Some((epoch.parse().ok()?, number.parse().ok()?))
}

#[cfg(test)]
mod tests;
