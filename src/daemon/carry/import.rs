//! The files of a stick are taken in: found within bounds, read, and sealed with the public half.
//!
//! What the vault has is not sealed again where it can be asked; where it is locked, what came from a
//! stick and waits is not. Nothing on the stick is changed.

use std::{
    collections::HashSet,
    ffi::{CString, OsStr},
    fs::File,
    io::{self, Read as _, Write as _},
    os::{fd::OwnedFd, unix::ffi::OsStrExt as _},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use rustix::{
    fs::{Advice, fadvise},
    io::Errno,
};
use vault::{BlobId, IntakeKey, Metadata, Sealer, StoreError};
use zeroize::Zeroizing;

use super::files::{self, Inside};
use crate::{
    daemon::{drive::io_trouble, inbox::rng},
    keeper::{
        JobId,
        carry::{Amount, Brought, End, Ended, News, Refused},
        storage::DriveTrouble,
    },
    vault_process::porter::Porter,
};

/// Most files that are taken in at once.
const MAX_FILES: usize = 100_000;
/// Most names that are looked at, of whatever kind.
const MAX_NAMES: usize = 1_000_000;
/// Deepest folder that is looked into.
const MAX_DEPTH: usize = 16;
/// Bytes read at a time.
const STEP_BYTES: usize = 256 * 1024;
/// Bytes that a sealed file needs beyond its content and its padding, at most.
const OVERHEAD_BYTES: u64 = 64 * 1024;
const PROGRESS: Duration = Duration::from_secs(2);
/// What systems and cameras put there for themselves.
const NOT_MEANT: &[&str] = &[
    "system volume information",
    "$recycle.bin",
    "lost+found",
    "lost.dir",
    "thumbs.db",
    "desktop.ini",
];

/// Files in a row that may fail before any could be read.
const FAILURES_AT_FIRST: u64 = 100;

/// What is the same for all files.
pub struct Into<'a> {
    /// Vouches for them.
    pub key: &'a IntakeKey,
    /// When it began: that is when all of them came.
    pub now: SystemTime,
}

/// Where the next file goes.
pub struct Place {
    /// Seals it.
    pub sealer: Arc<Sealer>,
    /// Bytes of the data drive that stay free.
    pub reserve: u64,
}

/// Whoever remembers what is kept.
pub trait Kept {
    /// The data drive is looked at, before each file.
    ///
    /// # Errors
    ///
    /// Why it takes none.
    fn place(&mut self) -> Result<Place, DriveTrouble>;
    /// A file that is sealed to this epoch is about to get its name; returns whether that may be, once
    /// its proof is durable.
    fn vouched(&mut self, brought: Brought, epoch: u32) -> bool;
    /// It has its name, durably.
    fn sealed(&mut self, job: JobId);
    /// Something else happened.
    fn news(&mut self, news: News);
    /// The data drive did not take what was written.
    fn not_durable(&mut self, error: &io::Error);
}

/// A file that was found.
struct Found {
    /// Below the top folder.
    path: CString,
    bytes: u64,
}

/// Finds out how much it is.
///
/// # Errors
///
/// Why nothing can be read.
pub fn look(folder: &OwnedFd, stop: &AtomicBool) -> Result<Amount, Refused> {
    let walk = find(folder, stop).map_err(|end| match end {
        End::Stopped => Refused::Stopped,
        End::Whole | End::Gone | End::Full | End::Drive(_) | End::Locked => Refused::Failed,
    })?;
    let found = &walk.found;
    if found.is_empty() && walk.unread == 0 {
        return Err(Refused::Empty);
    }
    if found.is_empty() {
        return Err(Refused::Unread);
    }
    Ok(Amount {
        files: found.len() as u64,
        bytes: found.iter().fold(0, |all, it| it.bytes.saturating_add(all)),
        left_out: walk.left_out,
        unread: walk.unread,
        ..Amount::default()
    })
}

/// What is on a stick.
#[derive(Default)]
struct Walk {
    found: Vec<Found>,
    /// Files beyond what is read at once.
    left_out: u64,
    /// Folders and names that cannot be looked into, or are too deep or too many.
    unread: u64,
}

/// Finds what is meant on a stick, in the order of its folders and names.
fn find(folder: &OwnedFd, stop: &AtomicBool) -> Result<Walk, End> {
    let (mut walk, mut names) = (Walk::default(), 0);
    let mut folders = vec![(CString::from(c"."), 0)];
    while let Some((path, depth)) = folders.pop() {
        if stop.load(Ordering::SeqCst) {
            return Err(End::Stopped);
        }
        let listed =
            files::open_folder(folder, &path).and_then(|it| files::list(&it, MAX_NAMES - names));
        let (mut listed, unread) = match listed {
            Ok(listed) => listed,
            // One that cannot be read is left alone; a stick that is gone is not.
            Err(error) if path.as_bytes() != b"." && files::is_of_one_place(error) => {
                walk.unread += 1;
                continue;
            }
            Err(error) => {
                log::warn!("a stick could not be read: {error}");
                return Err(End::Gone);
            }
        };
        walk.unread += unread;
        names += listed.len();
        listed.sort_by(|(one, _), (other, _)| other.cmp(one));
        for (name, inside) in listed {
            let path = join(&path, &name);
            match inside {
                _ if !is_meant(&name) => {}
                Inside::Folder if depth < MAX_DEPTH => folders.push((path, depth + 1)),
                Inside::Folder => walk.unread += 1,
                Inside::File(bytes) if walk.found.len() < MAX_FILES => {
                    walk.found.push(Found { path, bytes });
                }
                Inside::File(_) => walk.left_out += 1,
            }
        }
    }
    walk.found.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(walk)
}

fn join(folder: &CString, name: &CString) -> CString {
    if folder.as_bytes() == b"." {
        return name.clone();
    }
    let path = [folder.as_bytes(), name.as_bytes()].join(&b'/');
    // Neither part holds a zero.
    CString::new(path).unwrap_or_default()
}

/// Returns whether a name is neither hidden nor a system's own.
fn is_meant(name: &CString) -> bool {
    let name = name.to_string_lossy().to_lowercase();
    !name.starts_with('.') && !NOT_MEANT.contains(&name.as_str())
}

/// Takes the files of a stick in. `known` is whom to ask what the vault has, and what waits.
pub fn run(
    folder: &OwnedFd,
    into: &Into<'_>,
    known: (Option<Porter>, HashSet<[u8; 32]>),
    (stop, amount): (&AtomicBool, &Amount),
    kept: &mut dyn Kept,
) -> Ended {
    let (porter, waiting) = known;
    let mut import = Import {
        folder,
        into,
        porter,
        waiting,
        stop,
        kept,
        there: 0,
        sealed: 0,
        failed: 0,
        too_large: 0,
        left_out: 0,
        unread: 0,
        good: None,
        doubtful: 0,
        bytes: 0,
        next: Instant::now() + PROGRESS,
    };
    let end = import.all(amount.files).err().unwrap_or(End::Whole);
    Ended {
        done: import.sealed + import.there,
        there: import.there,
        failed: import.failed,
        too_large: import.too_large,
        left_out: import.left_out,
        unread: import.unread,
        ..Ended::nothing(end)
    }
}

/// Why a file was not taken in.
enum Stop {
    /// Only this one.
    File,
    /// It could not be read, or the stick is gone.
    Doubtful,
    /// The data drive has no room for it.
    TooLarge,
    End(End),
}

struct Import<'a> {
    folder: &'a OwnedFd,
    into: &'a Into<'a>,
    porter: Option<Porter>,
    waiting: HashSet<[u8; 32]>,
    stop: &'a AtomicBool,
    kept: &'a mut dyn Kept,
    there: u64,
    sealed: u64,
    failed: u64,
    too_large: u64,
    left_out: u64,
    unread: u64,
    /// A file that could be read.
    good: Option<CString>,
    /// Files in a row that could not be.
    doubtful: u64,
    bytes: u64,
    next: Instant,
}

impl Import<'_> {
    fn all(&mut self, most: u64) -> Result<(), End> {
        let walk = find(self.folder, self.stop)?;
        (self.left_out, self.unread) = (walk.left_out, walk.unread);
        // No more than was shown.
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        self.left_out += walk.found.len().saturating_sub(most) as u64;
        for found in walk.found.iter().take(most) {
            match self.one(found) {
                Ok(()) => {
                    self.doubtful = 0;
                    if found.bytes > 0 {
                        self.good = Some(found.path.clone());
                    }
                }
                Err(Stop::File) => self.failed += 1,
                Err(Stop::TooLarge) => self.too_large += 1,
                Err(Stop::Doubtful) => {
                    self.doubtful += 1;
                    if !self.answers() {
                        self.failed -= self.doubtful - 1;
                        return Err(End::Gone);
                    }
                    self.failed += 1;
                }
                Err(Stop::End(end)) => return Err(end),
            }
            self.bytes = self.bytes.saturating_add(found.bytes);
            if Instant::now() >= self.next {
                self.next = Instant::now() + PROGRESS;
                self.kept.news(News::Went {
                    files: self.sealed + self.there,
                    bytes: self.bytes,
                });
            }
        }
        if self.good.is_none() && self.doubtful > 0 {
            self.failed -= self.doubtful;
            return Err(End::Gone);
        }
        Ok(())
    }

    /// Returns whether the stick still gives what it gave before.
    fn answers(&self) -> bool {
        let Some(path) = &self.good else {
            return self.doubtful < FAILURES_AT_FIRST;
        };
        let again = || -> io::Result<()> {
            let mut file = files::open_file(self.folder, path)?;
            // From the stick, and not from memory.
            fadvise(&file, 0, None, Advice::DontNeed)?;
            file.read_exact(&mut [0])
        };
        again().is_ok()
    }

    fn one(&mut self, found: &Found) -> Result<(), Stop> {
        let file = files::open_file(self.folder, &found.path).map_err(|error| unread(&error))?;
        let place = self.place()?;
        let drive_bytes = place
            .sealer
            .folder()
            .drive()
            .map_err(|it| drive(&it))?
            .bytes;
        if found.bytes > drive_bytes {
            // A broken or hostile entry, which would be read for days.
            return Err(Stop::TooLarge);
        }
        if self.porter.is_some() || !self.waiting.is_empty() {
            let (hash, bytes) = self.hash(&file)?;
            if self.is_known(hash, bytes) {
                self.there += 1;
                return Ok(());
            }
        }
        // A key that was revoked meanwhile is seen by whoever answers; then it is sealed anew.
        let sealed = match self.seal(&file, found, &place)? {
            None => {
                let place = self.place()?;
                self.seal(&file, found, &place)?
            }
            sealed => sealed,
        };
        let hash = sealed.ok_or(Stop::End(End::Drive(DriveTrouble::Failing)))?;
        self.waiting.insert(hash);
        self.sealed += 1;
        Ok(())
    }

    fn place(&mut self) -> Result<Place, Stop> {
        let place = self.kept.place();
        place.map_err(|trouble| Stop::End(End::Drive(trouble)))
    }

    fn check(&self) -> Result<(), Stop> {
        match self.stop.load(Ordering::SeqCst) {
            true => Err(Stop::End(End::Stopped)),
            false => Ok(()),
        }
    }

    /// Passes on a file piece by piece, from its beginning.
    fn pieces(
        &self,
        file: &File,
        mut each: impl FnMut(&[u8]) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let mut content = Zeroizing::new(vec![0; STEP_BYTES]);
        let mut file = file;
        io::Seek::rewind(&mut file).map_err(|error| unread(&error))?;
        loop {
            self.check()?;
            let read = match file.read(&mut content) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read.map_err(|error| unread(&error))?,
            };
            match content.get(..read).filter(|it| !it.is_empty()) {
                Some(piece) => each(piece)?,
                None => return Ok(()),
            }
        }
    }

    fn hash(&self, file: &File) -> Result<([u8; 32], u64), Stop> {
        let mut hasher = blake3::Hasher::new();
        self.pieces(file, |piece| {
            hasher.update(piece);
            Ok(())
        })?;
        Ok((*hasher.finalize().as_bytes(), hasher.count()))
    }

    fn is_known(&mut self, hash: [u8; 32], bytes: u64) -> bool {
        if self.waiting.contains(&hash) {
            return true;
        }
        let asked = self.porter.as_mut().map(|porter| porter.has(hash, bytes));
        match asked {
            Some(Ok(is_known)) => is_known,
            // Locked meanwhile: it goes on without.
            Some(Err(_)) => {
                self.porter = None;
                false
            }
            None => false,
        }
    }

    /// Seals one file, and returns the hash of its content; `None` where it may not be kept.
    fn seal(
        &mut self,
        file: &File,
        found: &Found,
        place: &Place,
    ) -> Result<Option<[u8; 32]>, Stop> {
        let sealer = &place.sealer;
        check_room(sealer, place.reserve, found.bytes)?;
        let (mut job, mut blob) = ([0; 32], [0; 16]);
        let drawn = getrandom::fill(&mut job).and_then(|()| getrandom::fill(&mut blob));
        drawn.map_err(|_| Stop::End(End::Drive(DriveTrouble::Failing)))?;
        let (job, blob_id) = (JobId(job), BlobId::from_bytes(blob));
        let into = self.into;
        let started = sealer.start(&blob_id, &mut rng());
        let mut writer = started.map_err(|error| self.drive_failed(&error))?;
        let mut hasher = blake3::Hasher::new();
        self.pieces(file, |piece| {
            hasher.update(piece);
            writer.write_all(piece).map_err(|error| drive(&error))
        })?;
        let hash = *hasher.finalize().as_bytes();
        let header = writer.header_hash().map_err(|error| drive(&error))?;
        let mac = into.key.mac(sealer.folder().vault_id(), &blob_id, &header);
        let written_at = files::seconds(file.metadata().and_then(|it| it.modified()));
        let name = OsStr::from_bytes(found.path.as_bytes());
        let name = std::path::Path::new(name).file_name().unwrap_or_default();
        let name = name.to_string_lossy().into_owned();
        let brought = Brought {
            job,
            blob,
            name: name.clone(),
            written_at,
            mac: *mac.as_bytes(),
            bytes: hasher.count(),
            hash,
        };
        if !self.kept.vouched(brought, sealer.epoch()) {
            self.kept.news(News::NotBrought(job));
            return Ok(None);
        }
        if let Err(error) = writer.finish(metadata(name, written_at, into.now)) {
            let stop = self.drive_failed(&error);
            self.kept.news(News::NotBrought(job));
            return Err(stop);
        }
        crate::crash::point("stick's blob durable");
        self.kept.sealed(job);
        Ok(Some(hash))
    }

    fn drive_failed(&mut self, error: &StoreError) -> Stop {
        match error {
            StoreError::Write(error) => drive(error),
            StoreError::NotDurable(error) => {
                self.kept.not_durable(error);
                Stop::End(End::Drive(DriveTrouble::Failing))
            }
            other @ (StoreError::OtherVault | StoreError::AlreadyKept | _) => {
                log::error!("the data drive failed: {other}");
                Stop::End(End::Drive(DriveTrouble::Failing))
            }
        }
    }
}

/// Stops before the data drive is so full that index and log cannot grow.
fn check_room(sealer: &Sealer, reserve: u64, bytes: u64) -> Result<(), Stop> {
    let found = sealer.folder().drive();
    let free = found.map_err(|error| drive(&error))?.free;
    let room = free.saturating_sub(reserve);
    if room <= OVERHEAD_BYTES {
        return Err(Stop::End(End::Drive(DriveTrouble::Full)));
    }
    // Padding adds an eighth at most.
    let needs = bytes.saturating_add(bytes / 8);
    match needs.saturating_add(OVERHEAD_BYTES) > room {
        true => Err(Stop::TooLarge),
        false => Ok(()),
    }
}

fn drive(error: &io::Error) -> Stop {
    Stop::End(End::Drive(io_trouble(error)))
}

/// Tells a file that cannot be read from a stick that is gone.
fn unread(error: &io::Error) -> Stop {
    log::warn!("a file on a stick could not be read: {error}");
    match Errno::from_io_error(error) {
        Some(
            Errno::ACCESS | Errno::INVAL | Errno::LOOP | Errno::NOTDIR | Errno::PERM | Errno::XDEV,
        )
        | None => Stop::File,
        Some(error) if files::is_of_one_place(error) => Stop::Doubtful,
        Some(_) => Stop::End(End::Gone),
    }
}

fn metadata(name: String, written_at: i64, now: SystemTime) -> Metadata {
    let since = Duration::from_secs(u64::try_from(written_at).unwrap_or(0));
    Metadata {
        name: Some(name),
        sent_at: UNIX_EPOCH.checked_add(since),
        received_at: Some(now),
        ..Metadata::default()
    }
}

#[cfg(test)]
mod tests;
