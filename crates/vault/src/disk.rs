//! Small files and folders on the drive, written so that a power cut leaves the old or the new.
//!
//! Knows nothing of vaults. With `blob_store` and `folder` the only place that names `std::fs`.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, BufWriter, Read as _, Write},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

/// The ending of files that are not finished.
pub(crate) const UNFINISHED: &str = "tmp";

/// Makes a folder only we may enter, unless it is there, and makes its name durable.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    if make_folder_in_passing(path)? {
        sync_parent(path)?;
    }
    Ok(())
}

/// Makes a folder only we may enter, unless it is there, and tells whether it was not. Its name is
/// durable once the folder around it was synced.
pub(crate) fn make_folder_in_passing(path: &Path) -> io::Result<bool> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Opens a new file for writing that only we may read; one left over from a crash is replaced.
pub(crate) fn create_file(path: &Path) -> io::Result<File> {
    remove_if_there(path)?;
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

/// Writes a small file under a temporary name and renames it once its bytes are durable.
pub(crate) fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension(UNFINISHED);
    let mut file = create_file(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    rename_durably(&unfinished, path)
}

/// A longer file under its temporary name; dropping it removes what was written.
pub(crate) struct Unfinished {
    file: Option<BufWriter<File>>,
    unfinished: PathBuf,
    finished: PathBuf,
}

impl Unfinished {
    /// Begins the file that is to be `path`; what a crash left of an earlier try is replaced.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let unfinished = path.with_extension(UNFINISHED);
        Ok(Self {
            file: Some(BufWriter::new(create_file(&unfinished)?)),
            unfinished,
            finished: path.to_owned(),
        })
    }

    /// Makes the bytes durable, then gives the file its name.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        let file = self.file.take().ok_or(io::ErrorKind::BrokenPipe)?;
        file.into_inner()?.sync_all()?;
        rename_durably(&self.unfinished, &self.finished)
    }
}

impl Write for Unfinished {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let file = self.file.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), BufWriter::flush)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // After the rename there is nothing of this name; the next try replaces what is left.
        let _ = fs::remove_file(&self.unfinished);
    }
}

/// Opens a file for reading.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// Returns how long a file is, in bytes.
pub(crate) fn length(path: &Path) -> io::Result<u64> {
    Ok(fs::metadata(path)?.len())
}

/// Appends to a file, which is made if need be, and returns once the bytes are durable.
pub(crate) fn append_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let is_new = !path.exists();
    let mut file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_data()?;
    if is_new { sync_parent(path) } else { Ok(()) }
}

/// Renames and makes the new name durable.
pub(crate) fn rename_durably(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    sync_parent(to)
}

/// Renames what may be lost in a power cut.
pub(crate) fn rename_in_passing(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)
}

/// Makes the names in the folder of `path` durable.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|it| !it.as_os_str().is_empty());
    sync_folder(parent.unwrap_or(Path::new("."))).map(drop)
}

/// Makes the names in a folder durable, and returns it opened.
pub(crate) fn sync_folder(path: &Path) -> io::Result<File> {
    let folder = File::open(path)?;
    folder.sync_all()?;
    Ok(folder)
}

/// Removes a file, if it is there.
pub(crate) fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Removes a small file whose bytes must not be found again, as far as the drive lets that be done.
pub(crate) fn remove_for_good(path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    let length = usize::try_from(file.metadata()?.len()).unwrap_or_default();
    file.write_all(&vec![0; length])?;
    file.sync_all()?;
    fs::remove_file(path)
}

/// Reads a small file; one longer than `limit` bytes is refused.
pub(crate) fn read_small(path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(limit as u64 + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() > limit {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

/// Returns what lies in a folder, sorted by name; nothing if there is no such folder.
pub(crate) fn list(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<Vec<_>>>()?;
    found.sort();
    Ok(found)
}
