//! Files below the top folder of a stick: nothing is followed out of it, and no name is taken from
//! another file. Whoever made the stick may mean ill.

use std::{
    ffi::{CStr, CString},
    fs::{File, FileTimes},
    io,
    os::fd::{AsFd, OwnedFd},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustix::{
    fs::{
        AtFlags, Dir, FileType, Mode, OFlags, RenameFlags, ResolveFlags, mkdirat, openat2,
        renameat, renameat_with, statat, unlinkat,
    },
    io::Errno,
};

/// A file's name while it is not whole, in the folder of all that is written: one place to look.
pub(super) const UNFINISHED: &str = ".strongroom-export.part";

/// No link, no other file system, nothing outside.
fn resolve() -> ResolveFlags {
    ResolveFlags::BENEATH
        | ResolveFlags::NO_SYMLINKS
        | ResolveFlags::NO_MAGICLINKS
        | ResolveFlags::NO_XDEV
}

pub(super) fn open_folder(at: impl AsFd, path: &CStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    openat2(at, path, flags, Mode::empty(), resolve())
}

/// Opens a file for reading, if it is an ordinary one.
pub(super) fn open_file(at: impl AsFd, path: &CStr) -> io::Result<File> {
    // A pipe would keep us waiting.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = File::from(openat2(at, path, flags, Mode::empty(), resolve())?);
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::ErrorKind::InvalidInput.into()),
    }
}

/// Opens a folder and makes it where it is not there.
pub(super) fn make_folder(at: impl AsFd + Copy, name: &str) -> Result<OwnedFd, Errno> {
    let path = CString::new(name).map_err(|_| Errno::INVAL)?;
    match mkdirat(at, name, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => open_folder(at, &path),
        Err(error) => Err(error),
    }
}

/// Begins the file that is not whole yet; what is left of an earlier one goes.
pub(super) fn begin(top: &OwnedFd) -> Result<File, Errno> {
    remove_unfinished(top)?;
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let mode = Mode::RUSR | Mode::WUSR;
    openat2(top, UNFINISHED, flags, mode, resolve()).map(File::from)
}

pub(super) fn remove_unfinished(top: &OwnedFd) -> Result<(), Errno> {
    match unlinkat(top, UNFINISHED, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Sets when a file was written, as far as its file system knows such a time.
pub(super) fn set_time(file: &File, at: i64) {
    let since = Duration::from_secs(u64::try_from(at).unwrap_or(0));
    if let Some(at) = UNIX_EPOCH.checked_add(since) {
        // A file system without times still takes the file.
        let _ = file.set_times(FileTimes::new().set_modified(at));
    }
}

/// Gives the finished file its folder and its name, which nobody has.
pub(super) fn place(top: &OwnedFd, folder: &OwnedFd, name: &str) -> Result<(), Errno> {
    match renameat_with(top, UNFINISHED, folder, name, RenameFlags::NOREPLACE) {
        // exfat and older vfat do not know this: looking first has to do, where nobody else writes.
        Err(Errno::INVAL | Errno::NOSYS) => match size_of(folder, name)? {
            None => renameat(top, UNFINISHED, folder, name),
            Some(_) => Err(Errno::EXIST),
        },
        other => other,
    }
}

/// Returns the size of what has this name: `None` for nothing, an inner `None` for what is no
/// ordinary file.
pub(super) fn size_of(folder: impl AsFd, name: &str) -> Result<Option<Option<u64>>, Errno> {
    match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => {
            let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
            Ok(Some(u64::try_from(stat.st_size).ok().filter(|_| is_file)))
        }
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What a folder holds.
pub(super) enum Inside {
    Folder,
    /// An ordinary file of this size.
    File(u64),
}

/// Returns whether an error is about one place of a stick only: the rest of it may well be read.
pub(super) fn is_of_one_place(error: Errno) -> bool {
    matches!(
        error,
        Errno::ACCESS
            | Errno::INVAL
            | Errno::IO
            | Errno::LOOP
            | Errno::NAMETOOLONG
            | Errno::NODATA
            | Errno::NOENT
            | Errno::NOTDIR
            | Errno::OVERFLOW
            | Errno::PERM
            | Errno::UCLEAN
            | Errno::BADMSG
            | Errno::ILSEQ
            | Errno::XDEV
    )
}

/// Lists the folders and ordinary files in a folder, at most so many; also says how much of it could
/// not be looked at.
pub(super) fn list(folder: &OwnedFd, most: usize) -> Result<(Vec<(CString, Inside)>, u64), Errno> {
    let (mut found, mut unread) = (Vec::new(), 0);
    for entry in Dir::read_from(folder)? {
        let entry = match entry {
            Ok(entry) => entry,
            // What comes after it is not known.
            Err(error) if is_of_one_place(error) => {
                unread += 1;
                break;
            }
            Err(error) => return Err(error),
        };
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        if found.len() >= most {
            unread += 1;
            break;
        }
        let stat = match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            // It is listed and cannot be reached: a broken file system, or a name from hell.
            Err(error) if is_of_one_place(error) => {
                unread += 1;
                continue;
            }
            Err(error) => return Err(error),
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => found.push((name.to_owned(), Inside::Folder)),
            FileType::RegularFile => {
                let bytes = u64::try_from(stat.st_size).unwrap_or(0);
                found.push((name.to_owned(), Inside::File(bytes)));
            }
            FileType::Symlink
            | FileType::Fifo
            | FileType::Socket
            | FileType::CharacterDevice
            | FileType::BlockDevice => {}
            FileType::Unknown => unread += 1,
        }
    }
    Ok((found, unread))
}

/// Returns seconds since 1970; 0 for a time before.
pub(super) fn seconds(at: io::Result<SystemTime>) -> i64 {
    at.ok().map_or(0, crate::daemon::seconds)
}
