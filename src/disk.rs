//! Which physical disk a folder lies on.
//!
//! "Not on the data drive" means not on the same whole disk, whatever the partition: whoever
//! takes the drive takes all of them.

use std::{
    collections::BTreeSet,
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

/// Finds the whole disks below the file system that holds `path`, by name (`sda`, `mmcblk0`).
///
/// Empty where no disk is known: a folder in memory or on the network. Looks through partitions,
/// LUKS, LVM, RAID and image files.
///
/// # Errors
///
/// The folder's or sysfs's.
pub fn whole_disks(path: &Path) -> io::Result<BTreeSet<String>> {
    let device = fs::metadata(path)?.dev();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let mut disks = BTreeSet::new();
    if major == 0 {
        // btrfs and overlays have no device of their own: the table of mounts names it.
        for source in mount_sources(path)? {
            if let Ok(inner) = fs::metadata(&source) {
                collect(
                    rustix::fs::major(inner.rdev()),
                    rustix::fs::minor(inner.rdev()),
                    &mut disks,
                )?;
            }
        }
        return Ok(disks);
    }
    collect(major, minor, &mut disks)?;
    Ok(disks)
}

/// Returns whether two folders share a physical disk.
///
/// # Errors
///
/// As [`whole_disks`].
pub fn share_a_disk(one: &Path, other: &Path) -> io::Result<bool> {
    if fs::metadata(one)?.dev() == fs::metadata(other)?.dev() {
        return Ok(true);
    }
    Ok(!whole_disks(one)?.is_disjoint(&whole_disks(other)?))
}

fn collect(major: u32, minor: u32, disks: &mut BTreeSet<String>) -> io::Result<()> {
    let node = PathBuf::from(format!("/sys/dev/block/{major}:{minor}"));
    match fs::canonicalize(node) {
        Ok(node) => collect_below(&node, disks),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Climbs from a partition to its disk and down from a mapped device to what lies below.
fn collect_below(node: &Path, disks: &mut BTreeSet<String>) -> io::Result<()> {
    let disk = if node.join("partition").exists() {
        node.parent().unwrap_or(node)
    } else {
        node
    };
    let mut mapped = false;
    if let Ok(slaves) = fs::read_dir(disk.join("slaves")) {
        for slave in slaves {
            mapped = true;
            collect_below(&fs::canonicalize(slave?.path())?, disks)?;
        }
    }
    // An image file behind a loop device lies on a disk itself.
    if let Ok(image) = fs::read_to_string(disk.join("loop/backing_file"))
        && let Some(folder) = Path::new(image.trim_end()).parent()
        && folder.exists()
    {
        disks.extend(whole_disks(folder)?);
    }
    if !mapped && let Some(name) = disk.file_name() {
        disks.insert(name.to_string_lossy().into_owned());
    }
    Ok(())
}

/// Finds the sources of the mount that holds `path`, including an overlay's upper folder. proc(5)
fn mount_sources(path: &Path) -> io::Result<Vec<PathBuf>> {
    let path = fs::canonicalize(path)?;
    let table = fs::read_to_string("/proc/self/mountinfo")?;
    let best = table
        .lines()
        .filter_map(|line| {
            let (before, after) = line.split_once(" - ")?;
            let point = unescape(before.split(' ').nth(4)?);
            path.starts_with(&point).then_some((point.len(), after))
        })
        .max_by_key(|(length, _)| *length);
    let source = best.and_then(|(_, after)| after.split(' ').nth(1));
    Ok(source
        .filter(|it| it.starts_with('/'))
        .map(|it| unescape(it).into())
        .into_iter()
        .collect())
}

/// Undoes the table's octal escapes for space, tab, newline and backslash.
fn unescape(text: &str) -> String {
    text.replace("\\040", " ")
        .replace("\\011", "\t")
        .replace("\\012", "\n")
        .replace("\\134", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_shares_the_disk_with_itself() {
        let folder = tempfile::tempdir().unwrap();

        assert!(share_a_disk(folder.path(), folder.path()).unwrap());
    }

    #[test]
    fn a_missing_folder_is_an_error_and_not_another_disk() {
        let folder = tempfile::tempdir().unwrap();

        assert!(share_a_disk(folder.path(), &folder.path().join("missing")).is_err());
    }
}
