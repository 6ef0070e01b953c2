//! The sealed change log: everything that was done to the index, appended and never altered, until
//! a sealed snapshot takes its place.
//!
//! Knows changes, segments and snapshots; what a change means for the index is the index's
//! business. The layout is in `docs/formats/index.md`.

use std::{
    ffi::OsStr,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    aead::{self, RECORD_OVERHEAD, TAG_BYTES},
    disk,
    epoch::Epochs,
    folder::VaultFolder,
    header::{FORMAT_VERSION, SUITE, joined},
    id::VaultId,
    index::EntryNumber,
    parse::{Fields, TooShort},
};

pub(crate) mod change;
pub(crate) mod snapshot;

pub(crate) use change::{Change, What};
use snapshot::Extent;
pub(crate) use snapshot::{Snapshot, SnapshotWriter};

const MAGIC: &[u8; 8] = b"SRLOG\0\0\0";
/// Length of what a segment and a snapshot begin with, in bytes.
const HEAD_BYTES: usize = 36;
const PADDED_TO: usize = 256;
const MAX_CHANGE_BYTES: usize = 65_536;
/// A segment that is this long is followed by a new one.
const SEGMENT_BYTES: usize = 4 << 20;
const MAX_SEGMENT_BYTES: usize = 64 << 20;
/// A log that is this long, and as long as the last snapshot, is due to be replaced.
const SNAPSHOT_AFTER_BYTES: u64 = 4 << 20;

/// Everything that can be read of the log, in order.
pub(crate) struct History {
    /// The snapshot that comes before the changes.
    pub(crate) snapshot: Option<Snapshot>,
    /// Each change after it, with its sequence number.
    pub(crate) changes: Vec<(u64, Change)>,
    /// Names of segments and snapshots that end too early, or cannot be read at all.
    pub(crate) torn: Vec<String>,
    /// A kind of change was met that this program does not know.
    pub(crate) newer: bool,
    /// There are files that a later snapshot has replaced, or that a revoked key can open.
    pub(crate) outdated: bool,
}

/// How well a snapshot is looked at before it is taken for the newest.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// Its first record opens: enough for an index that has all of it already.
    Brief,
    /// Every record opens. If none is like that, the newest is taken as far as it goes.
    Thorough,
}

/// The log, open for appending.
pub(crate) struct ChangeLog {
    folder: VaultFolder,
    epochs: Arc<Epochs>,
    /// The segment that the next change goes to, if it is one that is there and whole.
    current: Option<Segment>,
    last_segment: u32,
    last_sequence: u64,
    /// How long the segments since the last snapshot are.
    bytes: u64,
    snapshot_bytes: u64,
    /// Length at which the log is due to be replaced.
    pub(crate) snapshot_after: u64,
}

struct Segment {
    path: PathBuf,
    head: [u8; HEAD_BYTES],
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
    /// Reads the newest snapshot's beginning and all segments after it; nothing is written.
    pub(crate) fn open(
        folder: &VaultFolder,
        epochs: &Arc<Epochs>,
        look: Look,
    ) -> io::Result<(Self, History)> {
        let mut history = History {
            snapshot: None,
            changes: Vec::new(),
            torn: Vec::new(),
            newer: false,
            outdated: false,
        };
        let mut log = Self {
            folder: folder.clone(),
            epochs: Arc::clone(epochs),
            current: None,
            last_segment: 0,
            last_sequence: 0,
            bytes: 0,
            snapshot_bytes: 0,
            snapshot_after: SNAPSHOT_AFTER_BYTES,
        };
        log.choose_snapshot(look, &mut history)?;
        let (replaced, since) = history
            .snapshot
            .as_ref()
            .map_or((0, 0), |it| (it.segment, it.sequence));
        for path in disk::list(&folder.changes())? {
            let Some((epoch, number)) = numbers_of(&path, "log") else {
                continue;
            };
            log.last_segment = log.last_segment.max(number);
            history.outdated |= epoch < epochs.newest();
            if history.snapshot.is_some() && number <= replaced {
                history.outdated = true;
                continue;
            }
            log.read_segment(&path, (epoch, number), &mut history)?;
        }
        // Sequence numbers order the changes even if segments were renamed.
        history.changes.retain(|(sequence, _)| *sequence > since);
        history.changes.sort_by_key(|(sequence, _)| *sequence);
        history.changes.dedup_by_key(|(sequence, _)| *sequence);
        log.last_sequence = history
            .changes
            .last()
            .map_or(since, |(sequence, _)| *sequence);
        Ok((log, history))
    }

    fn choose_snapshot(&mut self, look: Look, history: &mut History) -> io::Result<()> {
        let mut cut = None;
        for path in disk::list(&self.folder.snapshots())?.into_iter().rev() {
            let Some((epoch, segment)) = numbers_of(&path, "snap") else {
                continue;
            };
            // Also one that does not open used up its number.
            self.last_segment = self.last_segment.max(segment);
            history.outdated |= epoch < self.epochs.newest();
            if history.snapshot.is_some() {
                history.outdated = true;
                continue;
            }
            let found = Snapshot::open(&self.folder, &self.epochs, &path, (epoch, segment))?;
            let extent = match &found {
                Some(found) if look == Look::Thorough => {
                    found.extent(&self.folder, &self.epochs)?
                }
                Some(_) => Extent::Whole,
                None => Extent::Torn,
            };
            history.newer |= extent == Extent::Newer;
            if extent == Extent::Whole {
                history.snapshot = found;
            } else {
                history.torn.push(name_of(&path));
                cut = cut.or(found);
            }
        }
        if history.snapshot.is_none() {
            history.snapshot = cut;
        }
        self.snapshot_bytes = history.snapshot.as_ref().map_or(0, |it| it.bytes);
        Ok(())
    }

    fn read_segment(
        &mut self,
        path: &Path,
        (epoch, number): (u32, u32),
        history: &mut History,
    ) -> io::Result<()> {
        let bytes = disk::read_small(path, MAX_SEGMENT_BYTES)?;
        let mut segment = Segment {
            path: path.to_owned(),
            head: head(MAGIC, self.folder.vault_id(), epoch, number),
            epoch,
            bytes: bytes.len(),
            last_tag: [0; TAG_BYTES],
        };
        let read = segment.read(&bytes, &self.epochs, &mut history.changes);
        if read == Err(Stop::Torn) {
            history.torn.push(name_of(path));
        }
        history.newer |= read == Err(Stop::Newer);
        self.current = read.is_ok().then_some(segment);
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Tells whether the log has grown so long that a snapshot is shorter.
    pub(crate) fn is_long(&self) -> bool {
        self.bytes >= self.snapshot_after.max(self.snapshot_bytes)
    }

    /// Begins a snapshot of everything up to the last change.
    pub(crate) fn start_snapshot(
        &self,
        last_number: Option<EntryNumber>,
    ) -> io::Result<SnapshotWriter> {
        SnapshotWriter::start(
            &self.folder,
            &self.epochs,
            self.last_segment,
            self.last_sequence,
            last_number,
        )
    }

    /// Puts a snapshot in the place of all segments and older snapshots: first it is made durable
    /// and read back, then they are removed. A crash in between leaves both, which say the same.
    pub(crate) fn replace_with(&mut self, snapshot: SnapshotWriter) -> io::Result<()> {
        let snapshot = snapshot.finish()?;
        if snapshot.extent(&self.folder, &self.epochs)? != Extent::Whole {
            return Err(io::ErrorKind::InvalidData.into());
        }
        self.current = None;
        self.bytes = 0;
        self.snapshot_bytes = snapshot.bytes;
        for (folder, ending) in [
            (self.folder.changes(), "log"),
            (self.folder.snapshots(), "snap"),
        ] {
            let mut removed = None;
            for path in disk::list(&folder)? {
                let unfinished = path.extension() == Some(OsStr::new(disk::UNFINISHED));
                let ours = unfinished || numbers_of(&path, ending).is_some();
                if ours && !snapshot.is_at(&path) {
                    disk::remove_if_there(&path)?;
                    removed = Some(path);
                }
            }
            if let Some(path) = removed {
                disk::sync_parent(&path)?;
            }
        }
        Ok(())
    }

    /// Waits until the log has grown again before a snapshot is due, after one failed.
    pub(crate) fn put_off_snapshot(&mut self) {
        self.snapshot_after = self.bytes.saturating_add(SNAPSHOT_AFTER_BYTES);
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
        self.bytes += out.len() as u64;
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
        let head = head(MAGIC, self.folder.vault_id(), epoch, number);
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
            let change = Change::parse(&mut Fields::new(&plain))?.ok_or(Stop::Newer)?;
            self.last_tag = *sealed.last_chunk().ok_or(Stop::Torn)?;
            changes.push((sequence, change));
        }
        Ok(())
    }
}

fn head(magic: &[u8; 8], vault: &VaultId, epoch: u32, number: u32) -> [u8; HEAD_BYTES] {
    joined(&[
        magic,
        &FORMAT_VERSION.to_be_bytes(),
        &SUITE.to_be_bytes(),
        vault.as_bytes(),
        &epoch.to_be_bytes(),
        &number.to_be_bytes(),
    ])
}

fn record_aad(
    head: &[u8; HEAD_BYTES],
    sequence: u64,
    last_tag: &[u8; TAG_BYTES],
) -> [u8; HEAD_BYTES + 8 + TAG_BYTES] {
    joined(&[head, &sequence.to_be_bytes(), last_tag])
}

/// Reads epoch and number off the name of a segment or snapshot.
fn numbers_of(path: &Path, ending: &str) -> Option<(u32, u32)> {
    let ours = path.extension() == Some(OsStr::new(ending));
    let (epoch, number) = path
        .file_stem()
        .filter(|_| ours)?
        .to_str()?
        .split_once('-')?;
    Some((epoch.parse().ok()?, number.parse().ok()?))
}

fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests;
