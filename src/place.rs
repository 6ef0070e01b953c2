//! A file gets its name in a folder of somebody's: whole, and never in place of another.
//!
//! Knows nothing of where the content comes from.

use std::{
    fs::{self, File, FileTimes},
    io::{self, Read as _, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::SystemTime,
};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use vault::{name::numbered_name, safe_name};

mod walk;

pub use walk::{gather, is_meant, look_into};

/// Names that are tried when one is taken.
const MAX_NAMES: u32 = 100_000;
/// Bytes compared at a time.
const PIECE_BYTES: usize = 64 * 1024;

/// Where a file ended up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placed {
    /// Under this name, which was free.
    New(String),
    /// A file with this name and the same content was there.
    There(String),
}

/// A file under a name of its own; dropped, it goes.
pub struct Unfinished {
    file: File,
    folder: PathBuf,
    path: PathBuf,
    bytes: u64,
    is_placed: bool,
}

impl Unfinished {
    /// Begins a file in a folder.
    ///
    /// # Errors
    ///
    /// The file system's.
    pub fn new(folder: &Path) -> io::Result<Self> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let path = folder.join(format!(".strongroom-{}.part", hex::encode(random)));
        let file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        Ok(Self {
            file,
            folder: folder.to_owned(),
            path,
            bytes: 0,
            is_placed: false,
        })
    }

    /// Makes the content durable and gives the file its name, or the next one where that is taken by
    /// another content.
    ///
    /// # Errors
    ///
    /// The file system's; the file is gone then.
    pub fn finish(self, name: &str, at: Option<SystemTime>) -> io::Result<Placed> {
        self.file.sync_all()?;
        let folder = self.folder.clone();
        let placed = self.place(name, at)?;
        File::open(folder)?.sync_all()?;
        Ok(placed)
    }

    /// Does as [`Self::finish`], for one of many: the caller makes all of them durable.
    ///
    /// # Errors
    ///
    /// The file system's; the file is gone then.
    pub fn place(mut self, name: &str, at: Option<SystemTime>) -> io::Result<Placed> {
        if let Some(at) = at {
            // A file system without times still takes the file.
            let _ = self.file.set_times(FileTimes::new().set_modified(at));
        }
        let wanted = safe_name(Some(name));
        for number in 1..MAX_NAMES {
            let name = match number {
                1 => wanted.clone(),
                number => numbered_name(&wanted, number),
            };
            let place = self.folder.join(&name);
            match rename(&self.path, &place) {
                Ok(()) => {
                    self.is_placed = true;
                    return Ok(Placed::New(name));
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    if is_same(&self.path, &place, self.bytes)? {
                        return Ok(Placed::There(name));
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }
}

impl Write for Unfinished {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.is_placed {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Moves a file to a name that nobody has.
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(()),
        // vfat and what Android puts over its cards do not know this. A second link does the same,
        // and where there is none either, looking first has to do.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
            if fs::hard_link(from, to).is_ok() {
                return fs::remove_file(from);
            }
            if fs::symlink_metadata(to).is_ok() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            fs::rename(from, to)
        }
        Err(error) => Err(error.into()),
    }
}

fn is_same(one: &Path, other: &Path, bytes: u64) -> io::Result<bool> {
    let found = fs::symlink_metadata(other)?;
    if !found.is_file() || found.len() != bytes {
        return Ok(false);
    }
    let (mut one, mut other) = (File::open(one)?, File::open(other)?);
    let (mut left, mut right) = (vec![0; PIECE_BYTES], vec![0; PIECE_BYTES]);
    loop {
        let read = one.read(&mut left)?;
        if read == 0 {
            return Ok(true);
        }
        let right = right.get_mut(..read).unwrap_or_default();
        other.read_exact(right)?;
        if left.get(..read) != Some(&*right) {
            return Ok(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(folder: &Path, name: &str, content: &[u8]) -> Placed {
        let mut unfinished = Unfinished::new(folder).unwrap();
        unfinished.write_all(content).unwrap();
        unfinished
            .finish(name, Some(SystemTime::UNIX_EPOCH))
            .unwrap()
    }

    #[test]
    fn nothing_is_written_over_and_the_same_is_not_kept_twice() {
        let folder = tempfile::tempdir().unwrap();

        let first = put(folder.path(), "../a.jpg", b"one");
        let same = put(folder.path(), "a.jpg", b"one");
        let other = put(folder.path(), "a.jpg", b"two");
        let again = put(folder.path(), "a.jpg", b"two");

        assert_eq!(first, Placed::New("a.jpg".to_owned()));
        assert_eq!(same, Placed::There("a.jpg".to_owned()));
        assert_eq!(other, Placed::New("a (2).jpg".to_owned()));
        assert_eq!(again, Placed::There("a (2).jpg".to_owned()));
        let mut names: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|it| it.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["a (2).jpg", "a.jpg"], "no unfinished file stays");
        assert_eq!(fs::read(folder.path().join("a.jpg")).unwrap(), b"one");
    }
}
