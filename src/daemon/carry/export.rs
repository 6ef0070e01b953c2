//! Files go onto a stick: each under a name of its own, whole or not at all, read back and compared.
//!
//! What is there already with the same content is left as it is, so that the same command goes on where
//! an earlier one ended.

use std::{
    collections::HashSet,
    fs::File,
    io::{self, Write as _},
    os::fd::OwnedFd,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use chrono::DateTime;
use rustix::{fs::syncfs, io::Errno};
use vault::{name::numbered_name, safe_name};

use super::files;
use crate::{
    keeper::{
        carry::{Amount, End, Ended, News, Refused, Stick, Wanted},
        command::Pick,
    },
    vault_process::porter::{Item, Lot, PIECE_BYTES, Porter, PorterError},
};

/// The folder on the stick.
pub const FOLDER: &str = "Strongroom";
/// What a file on a FAT has to stay below. FAT specification 6.7
const FAT_BYTES: u64 = 4 << 30;
/// Names that are tried when one is taken.
const MAX_NAMES: u32 = 10_000;
/// Time between two tellings, before each of which all is on the stick.
const PROGRESS: Duration = Duration::from_secs(2);

/// Why it does not go on.
enum Stop {
    /// Only this file.
    File,
    /// A place of the stick fails, or all of it.
    Doubtful,
    End(End),
}

impl From<Errno> for Stop {
    fn from(error: Errno) -> Self {
        log::warn!("a stick failed: {error}");
        match error {
            Errno::NOSPC | Errno::DQUOT => Self::End(End::Full),
            Errno::ACCESS
            | Errno::EXIST
            | Errno::FBIG
            | Errno::INVAL
            | Errno::ISDIR
            | Errno::LOOP
            | Errno::NAMETOOLONG
            | Errno::NOTDIR
            | Errno::PERM
            | Errno::XDEV => Self::File,
            Errno::IO
            | Errno::UCLEAN
            | Errno::NODATA
            | Errno::OVERFLOW
            | Errno::BADMSG
            | Errno::ILSEQ => Self::Doubtful,
            _ => Self::End(End::Gone),
        }
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Errno::from_io_error(&error).unwrap_or(Errno::IO).into()
    }
}

impl From<PorterError> for Stop {
    fn from(error: PorterError) -> Self {
        match error {
            PorterError::Gone(_) => Self::End(End::Locked),
            PorterError::Unsound => Self::File,
            PorterError::File(error) => error.into(),
        }
    }
}

fn is_left_out(stick: &Stick, item: &Item) -> bool {
    stick.file_system == "vfat" && item.bytes >= FAT_BYTES
}

/// Names the last so many entries by their numbers, so that what is shown stays what is meant.
///
/// # Errors
///
/// When the vault was locked.
pub fn exactly(what: Wanted, porter: &mut Porter) -> Result<Wanted, Refused> {
    let Wanted::These(picks) = what else {
        return Ok(what);
    };
    let mut these = Vec::new();
    for pick in picks {
        let Pick::Last { count } = pick else {
            these.push(pick);
            continue;
        };
        let lot = Lot::These(vec![(0, count)]);
        let mut before = None;
        loop {
            let (items, more) = porter.list(&lot, before).map_err(|_| Refused::Locked)?;
            these.extend(items.iter().map(|it| Pick::Range {
                first: it.number,
                last: it.number,
            }));
            before = items.last().map(|it| it.number);
            if !more || items.is_empty() {
                break;
            }
        }
    }
    Ok(Wanted::These(these))
}

/// Finds out how much it is.
///
/// # Errors
///
/// Why nothing can be written.
pub fn look(
    folder: &OwnedFd,
    stick: &Stick,
    porter: &mut Porter,
    lot: &Lot,
    stop: &AtomicBool,
) -> Result<Amount, Refused> {
    let mut amount = Amount::default();
    let mut missing = 0_u64;
    let mut names = Names::default();
    let top = files::open_folder(folder, &c_name(FOLDER)).ok();
    let mut before = None;
    loop {
        if stop.load(Ordering::SeqCst) {
            return Err(Refused::Stopped);
        }
        let (items, more) = porter.list(lot, before).map_err(|_| Refused::Locked)?;
        for item in &items {
            amount.newest = amount.newest.max(item.number);
            if is_left_out(stick, item) {
                amount.left_out += 1;
                continue;
            }
            amount.files += 1;
            amount.bytes = amount.bytes.saturating_add(item.bytes);
            let inside = folder_of(item);
            let there = top.as_ref().and_then(|top| {
                let folder = files::open_folder(top, &c_name(&inside)).ok()?;
                names
                    .find(&folder, &inside, item, &mut |_, _| Ok(true))
                    .ok()?
                    .1
                    .then_some(())
            });
            match there {
                Some(()) => amount.there += 1,
                None => missing = missing.saturating_add(item.bytes),
            }
        }
        before = items.last().map(|it| it.number);
        if !more || items.is_empty() {
            break;
        }
    }
    if amount.files == 0 && amount.left_out == 0 {
        return Err(Refused::Nothing);
    }
    if missing > stick.free {
        let stick = stick.clone();
        return Err(Refused::NoRoom {
            bytes: missing,
            stick,
        });
    }
    Ok(amount)
}

/// Writes files onto a stick, and tells now and then how far it is.
pub fn run(
    (folder, stick): (&OwnedFd, &Stick),
    porter: &mut Porter,
    (lot, newest): (&Lot, u64),
    stop: &AtomicBool,
    tell: &mut dyn FnMut(News),
) -> Ended {
    let mut export = Export {
        folder,
        porter,
        stop,
        tell,
        names: Names::default(),
        written: 0,
        sure: 0,
        there: 0,
        failed: 0,
        left_out: 0,
        bytes: 0,
        next: Instant::now() + PROGRESS,
    };
    let end = export.all(stick, lot, newest).err().unwrap_or(End::Whole);
    let end = match (syncfs(folder), end) {
        (Ok(()), end) => {
            export.sure = export.written;
            end
        }
        (Err(_), _) => End::Gone,
    };
    Ended {
        done: export.sure + export.there,
        there: export.there,
        failed: export.failed,
        left_out: export.left_out,
        ..Ended::nothing(end)
    }
}

struct Export<'a> {
    folder: &'a OwnedFd,
    porter: &'a mut Porter,
    stop: &'a AtomicBool,
    tell: &'a mut dyn FnMut(News),
    names: Names,
    /// Files that were written, and how many of them are on the stick for sure.
    written: u64,
    sure: u64,
    there: u64,
    failed: u64,
    left_out: u64,
    bytes: u64,
    next: Instant,
}

impl Export<'_> {
    fn all(&mut self, stick: &Stick, lot: &Lot, newest: u64) -> Result<(), End> {
        let mut before = Some(newest.saturating_add(1));
        // What an earlier one had to leave is for everybody to read.
        match self
            .top()
            .and_then(|top| Ok(files::remove_unfinished(&top)?))
        {
            Ok(()) => {}
            Err(Stop::File | Stop::Doubtful) => return Err(End::Gone),
            Err(Stop::End(end)) => return Err(end),
        }
        loop {
            let listed = self.porter.list(lot, before).map_err(|_| End::Locked)?;
            let (items, more) = listed;
            for item in &items {
                if is_left_out(stick, item) {
                    self.left_out += 1;
                    continue;
                }
                match self.one(item) {
                    Ok(()) => {}
                    Err(Stop::File) => self.failed += 1,
                    Err(Stop::Doubtful) if self.takes_bytes() => self.failed += 1,
                    Err(Stop::Doubtful) => return Err(End::Gone),
                    Err(Stop::End(end)) => return Err(end),
                }
                self.progress()?;
            }
            before = items.last().map(|it| it.number);
            if !more || items.is_empty() {
                return Ok(());
            }
        }
    }

    fn top(&self) -> Result<OwnedFd, Stop> {
        Ok(files::make_folder(self.folder, FOLDER)?)
    }

    /// Returns whether the stick still takes what is written to it.
    fn takes_bytes(&self) -> bool {
        let tried = || -> Result<(), Stop> {
            let top = self.top()?;
            let mut file = files::begin(&top)?;
            let written = file.write_all(b".").and_then(|()| file.sync_all());
            drop(file);
            files::remove_unfinished(&top)?;
            Ok(written?)
        };
        tried().is_ok()
    }

    fn check(&self) -> Result<(), Stop> {
        match self.stop.load(Ordering::SeqCst) {
            true => Err(Stop::End(End::Stopped)),
            false => Ok(()),
        }
    }

    fn progress(&mut self) -> Result<(), End> {
        if Instant::now() < self.next {
            return Ok(());
        }
        syncfs(self.folder).map_err(|_| End::Gone)?;
        self.sure = self.written;
        self.next = Instant::now() + PROGRESS;
        (self.tell)(News::Went {
            files: self.sure + self.there,
            bytes: self.bytes,
        });
        Ok(())
    }

    fn one(&mut self, item: &Item) -> Result<(), Stop> {
        self.check()?;
        let inside = folder_of(item);
        let top = self.top()?;
        let folder = files::make_folder(&top, &inside)?;
        let mut names = std::mem::take(&mut self.names);
        let found = names.find(&folder, &inside, item, &mut |name, item| {
            self.is_there(&folder, name, item)
        });
        self.names = names;
        let (name, is_there) = found?;
        if is_there {
            self.there += 1;
            self.bytes = self.bytes.saturating_add(item.bytes);
            return Ok(());
        }
        let file = files::begin(&top)?;
        let written = self.write((&top, &folder), &file, item, &name);
        // The vault process holds nothing of a stick that is to be let go of.
        let left = self.porter.leave();
        drop(file);
        if written.is_err() {
            // Gone with the stick, if that is gone.
            let _ = files::remove_unfinished(&top);
        }
        written?;
        left?;
        self.written += 1;
        Ok(())
    }

    /// Returns whether the file of this name has the content already.
    fn is_there(&mut self, folder: &OwnedFd, name: &str, item: &Item) -> Result<bool, Stop> {
        let file = match files::open_file(folder, &c_name(name)) {
            Ok(file) => file,
            Err(error) => return is_another(error),
        };
        self.porter.take(item.number, &file)?;
        let same = self.compare(item);
        let left = self.porter.leave();
        let same = same?;
        left?;
        Ok(same)
    }

    fn compare(&mut self, item: &Item) -> Result<bool, Stop> {
        let mut at = 0;
        while at < item.bytes {
            self.check()?;
            match self.porter.read(at) {
                Err(PorterError::File(error)) => return is_another(error),
                read => read?,
            }
            at = at.saturating_add(PIECE_BYTES);
        }
        Ok(self.porter.is_same()?)
    }

    fn write(
        &mut self,
        (top, folder): (&OwnedFd, &OwnedFd),
        file: &File,
        item: &Item,
        name: &str,
    ) -> Result<(), Stop> {
        self.porter.take(item.number, file)?;
        let mut at = 0;
        while at < item.bytes {
            self.check()?;
            self.porter.write(at)?;
            let piece = PIECE_BYTES.min(item.bytes - at);
            at += piece;
            self.bytes = self.bytes.saturating_add(piece);
        }
        self.porter.settle()?;
        if !self.compare(item)? {
            log::error!("a stick gave back other bytes than it was given");
            return Err(Stop::End(End::Gone));
        }
        files::set_time(file, item.at);
        file.sync_all()?;
        Ok(files::place(top, folder, name)?)
    }
}

/// A file that cannot be read has other content, as long as the stick is there.
fn is_another(error: io::Error) -> Result<bool, Stop> {
    match Errno::from_io_error(&error) {
        Some(errno) if files::is_of_one_place(errno) && errno != Errno::NOENT => Ok(false),
        None => Ok(false),
        Some(_) => Err(error.into()),
    }
}

/// The folder that a file goes into: its album's, or else its month's.
fn folder_of(item: &Item) -> String {
    match &item.album {
        Some(album) => safe_name(Some(album)),
        None => DateTime::from_timestamp(item.at, 0)
            .unwrap_or_default()
            .format("%Y-%m")
            .to_string(),
    }
}

/// A safe name holds no zero.
fn c_name(name: &str) -> std::ffi::CString {
    std::ffi::CString::new(name).unwrap_or_default()
}

/// Which names this run has given or found, so that two files never get one.
#[derive(Default)]
struct Names(HashSet<String>);

impl Names {
    /// Finds the first name that nobody has; or one whose file is the same, as `is_same` says.
    fn find(
        &mut self,
        folder: &OwnedFd,
        inside: &str,
        item: &Item,
        is_same: &mut dyn FnMut(&str, &Item) -> Result<bool, Stop>,
    ) -> Result<(String, bool), Stop> {
        let wanted = safe_name(Some(&item.name));
        for number in 1..MAX_NAMES {
            let name = match number {
                1 => wanted.clone(),
                number => numbered_name(&wanted, number),
            };
            // Sticks do not tell capitals apart.
            let key = format!("{inside}/{name}").to_lowercase();
            if self.0.contains(&key) {
                continue;
            }
            let is_there = match files::size_of(folder, &name)? {
                None => false,
                Some(Some(bytes)) if bytes == item.bytes && is_same(&name, item)? => true,
                Some(_) => continue,
            };
            self.0.insert(key);
            return Ok((name, is_there));
        }
        Err(Stop::File)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_file_of_the_same_name_does_not_double_the_older_one() {
        let stick = tempfile::tempdir().unwrap();
        let folder = OwnedFd::from(File::open(stick.path()).unwrap());
        let item = |number, name: &str, bytes| Item {
            number,
            name: name.to_owned(),
            bytes,
            album: None,
            at: 0,
        };
        let (older, newer) = (item(1, "image.jpg", 5), item(2, "IMAGE.jpg", 7));
        std::fs::write(stick.path().join("image.jpg"), "older").unwrap();
        std::fs::write(stick.path().join("IMAGE.jpg"), "older").unwrap();
        let find = |names: &mut Names, item: &Item| {
            let found = names.find(&folder, "", item, &mut |_, it| Ok(it.bytes == 5));
            found.unwrap_or_else(|_| panic!("the stick is there"))
        };

        let mut names = Names::default();
        let first = find(&mut names, &newer);
        std::fs::write(stick.path().join(&first.0), "written").unwrap();
        let second = find(&mut names, &older);
        let third = find(&mut names, &older);

        assert_eq!(first, ("IMAGE (2).jpg".to_owned(), false));
        assert_eq!(second, ("image.jpg".to_owned(), true));
        assert_eq!(
            third,
            ("image (3).jpg".to_owned(), false),
            "given once only"
        );
    }

    #[test]
    fn a_file_lies_with_its_album_or_its_month() {
        let item = |album: Option<&str>, at| Item {
            number: 1,
            name: "a.jpg".to_owned(),
            bytes: 1,
            album: album.map(str::to_owned),
            at,
        };
        for (album, at, folder) in [
            (Some("Rome"), 0, "Rome"),
            (Some("../../etc"), 0, "etc"),
            (Some("a:b"), 0, "a_b"),
            (None, 1_777_888_800, "2026-05"),
            (None, i64::MAX, "1970-01"),
        ] {
            assert_eq!(folder_of(&item(album, at)), folder);
        }
    }
}
