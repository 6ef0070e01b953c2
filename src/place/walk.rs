//! The files below a folder, without what is hidden or not finished.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Endings of files that a program is still writing.
const UNFINISHED: [&str; 6] = ["tmp", "part", "partial", "crdownload", "download", "swp"];
/// Deepest folder that is looked into.
const MAX_DEPTH: usize = 64;

/// Returns whether a file or folder of this name is meant: not what is hidden, in the trash of a
/// gallery, or not finished.
#[must_use]
pub fn is_meant(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let ending = path.extension().and_then(|it| it.to_str());
    let ending = ending.map(str::to_ascii_lowercase);
    let is_unfinished = ending.is_some_and(|it| UNFINISHED.contains(&it.as_str()));
    !name.starts_with('.') && !name.ends_with('~') && !is_unfinished
}

/// Returns the path itself if it is a file, and the files below it in the order of their names if it
/// is a folder. Links are not followed, unless the path itself is one.
///
/// # Errors
///
/// The file system's.
pub fn gather(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !fs::metadata(path)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    look_into(path, &mut |path| files.push(path.to_owned()))?;
    files.sort();
    Ok(files)
}

/// Shows each file below a folder.
///
/// # Errors
///
/// The file system's.
pub fn look_into(folder: &Path, each: &mut impl FnMut(&Path)) -> io::Result<()> {
    look(folder, 0, each)
}

fn look(folder: &Path, depth: usize, each: &mut impl FnMut(&Path)) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if !is_meant(&path) {
            continue;
        }
        let kind = entry.file_type()?;
        if kind.is_dir() && depth < MAX_DEPTH {
            look(&path, depth + 1, each)?;
        } else if kind.is_file() {
            each(&path);
        }
    }
    Ok(())
}
