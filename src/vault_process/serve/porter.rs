//! Answers what is asked about files on a stick, on a thread of its own: a film takes long.
//!
//! It writes only into files that were handed over, and into ordinary ones only.

use std::{
    fs::File,
    io,
    os::{fd::OwnedFd, unix::fs::FileExt as _, unix::net::UnixStream},
    sync::mpsc,
};

use rustix::fs::{Advice, FileType, fadvise, fstat};
use vault::{BlobReader, Entry, Index, IndexError, OpenVault, UnsealError, index::EntryNumber};
use zeroize::Zeroizing;

use super::{MAX_ROWS, finding::seconds, row};
use crate::vault_process::{
    porter::{self, Ask, Item, Lot, PIECE_BYTES, Told},
    verify::Favour,
};

/// Bytes unsealed or read at a time.
const STEP_BYTES: usize = 256 * 1024;

/// The entry and the file that it is about.
struct Taken {
    reader: BlobReader,
    file: File,
    hasher: blake3::Hasher,
    hashed: u64,
}

/// Why there is no answer but this.
enum Stop {
    Unsound,
    File(io::Error),
    Trouble,
}

impl From<UnsealError> for Stop {
    fn from(error: UnsealError) -> Self {
        log::error!("a blob does not open: {error}");
        Self::Unsound
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::File(error)
    }
}

/// Answers until nobody asks any more. `favours` takes what the index's thread is to do.
pub(super) fn run(socket: &UnixStream, vault: &OpenVault, favours: impl Fn(Favour) -> bool) {
    let mut taken: Option<Taken> = None;
    while let Some((ask, file)) = porter::next(socket) {
        let told =
            answer(ask, file, &mut taken, vault, &favours).unwrap_or_else(|stop| match stop {
                Stop::Unsound => Told::Unsound,
                Stop::File(error) => Told::File(error.raw_os_error()),
                Stop::Trouble => Told::Trouble,
            });
        if porter::write_frame(&mut &*socket, &told).is_err() {
            return;
        }
    }
}

fn answer(
    ask: Ask,
    file: Option<OwnedFd>,
    taken: &mut Option<Taken>,
    vault: &OpenVault,
    favours: &impl Fn(Favour) -> bool,
) -> Result<Told, Stop> {
    let at_hand = || Stop::File(io::ErrorKind::NotFound.into());
    match ask {
        Ask::List { lot, before } => {
            let (items, more) = of_index(favours, move |index| list(index, &lot, before))?;
            return Ok(Told::Items { items, more });
        }
        Ask::Has { hash, bytes } => {
            let has = of_index(favours, move |index| has(index, &hash, bytes))?;
            return Ok(Told::Is(has));
        }
        Ask::Take { number } => {
            *taken = None;
            let file = file.ok_or_else(at_hand)?;
            *taken = Some(take(number, file, vault, favours)?);
        }
        Ask::Write { from } => taken.as_mut().ok_or_else(at_hand)?.write(from)?,
        Ask::Settle => {
            let taken = taken.as_ref().ok_or_else(at_hand)?;
            taken.file.sync_all()?;
            forget(&taken.file);
        }
        Ask::Read { from } => taken.as_mut().ok_or_else(at_hand)?.read(from)?,
        Ask::Compare => {
            let taken = taken.as_ref().ok_or_else(at_hand)?;
            return Ok(Told::Is(taken.is_same()?));
        }
        Ask::Leave => *taken = None,
    }
    Ok(Told::Done)
}

/// Has the thread of the index answer.
fn of_index<T: Send + 'static>(
    favours: &impl Fn(Favour) -> bool,
    question: impl FnOnce(&mut Index) -> Result<T, IndexError> + Send + 'static,
) -> Result<T, Stop> {
    let (tell, answer) = mpsc::channel();
    let favour: Favour = Box::new(move |index| {
        // Who asked may have stopped; then nobody needs to know.
        let _ = tell.send(question(index));
    });
    if !favours(favour) {
        return Err(Stop::Trouble);
    }
    let answered = answer.recv().map_err(|_| Stop::Trouble)?;
    answered.map_err(|error| {
        log::error!("the index did not answer: {error}");
        Stop::Trouble
    })
}

fn list(index: &Index, lot: &Lot, before: Option<u64>) -> Result<(Vec<Item>, bool), IndexError> {
    let before = before.and_then(EntryNumber::new);
    let mut entries = match lot {
        Lot::Like(search) => index.search(search, before, MAX_ROWS + 1)?,
        Lot::These(ranges) => these(index, ranges, before)?,
    };
    let more = entries.len() > MAX_ROWS;
    entries.truncate(MAX_ROWS);
    let items = entries.iter().map(|entry| item(index, entry));
    Ok((items.collect::<Result<_, _>>()?, more))
}

/// Picks entries by number, highest first; what lies in the trash, too, as `get` does.
fn these(
    index: &Index,
    ranges: &[(u64, u64)],
    before: Option<EntryNumber>,
) -> Result<Vec<Entry>, IndexError> {
    let mut found: Vec<Entry> = Vec::new();
    for &(first, last) in ranges {
        if first == 0 {
            found.extend(index.last(usize::try_from(last).unwrap_or(0).min(MAX_ROWS))?);
            continue;
        }
        for number in (first..=last).take(MAX_ROWS).filter_map(EntryNumber::new) {
            found.extend(index.get(number)?);
        }
    }
    found.sort_by_key(|entry| std::cmp::Reverse(entry.number));
    found.dedup_by_key(|entry| entry.number);
    found.retain(|entry| before.is_none_or(|before| entry.number < before));
    Ok(found)
}

fn item(index: &Index, entry: &Entry) -> Result<Item, IndexError> {
    let row = row(entry);
    let taken_at = index
        .picture_of(entry.number)?
        .and_then(|it| seconds(it.taken_at?));
    let sent_at = entry.metadata.sent_at.and_then(seconds);
    Ok(Item {
        number: row.number,
        name: row.name,
        bytes: row.bytes,
        album: entry.labels.album.clone(),
        at: taken_at.or(sent_at).unwrap_or(row.received_at),
    })
}

fn has(index: &mut Index, hash: &[u8; 32], bytes: u64) -> Result<bool, IndexError> {
    let Some(number) = index.with_content(hash, bytes)? else {
        return Ok(false);
    };
    let Some(entry) = index.get(number)? else {
        return Ok(false);
    };
    // One that a check found damaged is worth having once more.
    if index.damage_of(number)?.is_some() {
        return Ok(false);
    }
    if entry.labels.trashed_at.is_some() {
        index.restore(number, crate::clock::now())?;
    }
    Ok(true)
}

fn take(
    number: u64,
    file: OwnedFd,
    vault: &OpenVault,
    favours: &impl Fn(Favour) -> bool,
) -> Result<Taken, Stop> {
    let about = fstat(&file).map_err(io::Error::from)?;
    if FileType::from_raw_mode(about.st_mode) != FileType::RegularFile {
        return Err(Stop::File(io::ErrorKind::InvalidInput.into()));
    }
    let number = EntryNumber::new(number).ok_or(Stop::Unsound)?;
    let entry = of_index(favours, move |index| index.get(number))?;
    let entry = entry.ok_or(Stop::Unsound)?;
    Ok(Taken {
        reader: vault.reader(&entry.blob_id)?,
        file: File::from(file),
        hasher: blake3::Hasher::new(),
        hashed: 0,
    })
}

/// Has what is read next come from the disk.
fn forget(file: &File) {
    if let Err(error) = fadvise(file, 0, None, Advice::DontNeed) {
        log::debug!("the system keeps what was written in memory: {error}");
    }
}

impl Taken {
    /// Writes the piece that begins at `from`.
    fn write(&mut self, from: u64) -> Result<(), Stop> {
        let until = from.saturating_add(PIECE_BYTES).min(self.reader.size());
        let mut content = Zeroizing::new(vec![0; STEP_BYTES]);
        let mut at = from;
        while at < until {
            let wanted = STEP_BYTES.min(usize::try_from(until - at).unwrap_or(STEP_BYTES));
            let room = content.get_mut(..wanted).unwrap_or_default();
            let read = self.reader.read_at(room, at)?;
            let piece = content.get(..read).filter(|it| !it.is_empty());
            let piece = piece.ok_or(Stop::Unsound)?;
            self.file.write_all_at(piece, at)?;
            at += read as u64;
        }
        Ok(())
    }

    /// Reads the piece of the file that begins at `from`, which has to be the next one.
    fn read(&mut self, from: u64) -> Result<(), Stop> {
        if from == 0 {
            self.hasher.reset();
            self.hashed = 0;
        }
        if from != self.hashed {
            return Err(Stop::File(io::ErrorKind::InvalidInput.into()));
        }
        let until = from.saturating_add(PIECE_BYTES);
        let mut content = Zeroizing::new(vec![0; STEP_BYTES]);
        while self.hashed < until {
            let wanted = usize::try_from(until - self.hashed).unwrap_or(STEP_BYTES);
            let room = content
                .get_mut(..wanted.min(STEP_BYTES))
                .unwrap_or_default();
            let read = self.file.read_at(room, self.hashed)?;
            let Some(piece) = content.get(..read).filter(|it| !it.is_empty()) else {
                break;
            };
            self.hasher.update(piece);
            self.hashed += read as u64;
        }
        Ok(())
    }

    /// Returns whether what was read is the content, and all of the file.
    fn is_same(&self) -> Result<bool, Stop> {
        let is_all = self.file.metadata()?.len() == self.hashed;
        let hash = self.hasher.finalize();
        Ok(is_all && self.hashed == self.reader.size() && hash == *self.reader.content_hash())
    }
}
