//! One stick: which device it is, whether it is still there, and its key file.
//!
//! The stick is mounted where nobody else sees it (in no namespace at all), read-only, and let go
//! before the key file is handed on. Nothing is ever written to it.

use std::{
    fs::{self, File},
    io,
    os::fd::OwnedFd,
    os::unix::fs::{FileTypeExt as _, MetadataExt as _},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{Mode, OFlags, major, minor},
    io::Errno,
    mount::{
        FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag,
        fsconfig_set_string, fsmount, fsopen,
    },
};

use super::handover::{self, Found, NoKey, REVOKE_FILE};

/// File systems that are tried, with the words that keep a mount from writing even a journal.
const FILE_SYSTEMS: &[(&str, &[&str])] = &[
    ("vfat", &["ro"]),
    ("exfat", &["ro"]),
    ("ext4", &["ro", "noload"]),
    ("btrfs", &["ro"]),
    ("xfs", &["ro", "norecovery"]),
];
const SYSFS: &str = "/sys/dev/block";

/// What tells one presence of a disk from the next, even where the name is the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Disk {
    number: u64,
    /// Counts every disk that was ever put in. sysfs-block, since Linux 5.15
    sequence: Option<String>,
}

impl Disk {
    /// Looks for the block device of this number; `None` for one that is gone or has no medium.
    pub(super) fn look(number: u64) -> Option<Self> {
        Self::look_in(Path::new(SYSFS), number)
    }

    fn look_in(sysfs: &Path, number: u64) -> Option<Self> {
        let folder = sysfs.join(format!("{}:{}", major(number), minor(number)));
        let size = fs::read_to_string(folder.join("size")).ok()?;
        if size.trim() == "0" {
            return None;
        }
        // A partition's disk is the folder around it, behind the link.
        let sequence = fs::read_to_string(folder.join("diskseq"))
            .or_else(|_| {
                fs::canonicalize(&folder).and_then(|it| fs::read_to_string(it.join("../diskseq")))
            })
            .ok();
        Some(Self { number, sequence })
    }

    /// Looks for the disk behind a mounted folder: `Ok(None)` where the kernel names none, an
    /// error where it does and the disk is gone, as after a pull with the mount left behind.
    pub(super) fn behind(folder: &fs::Metadata) -> io::Result<Option<Self>> {
        Self::behind_in(Path::new(SYSFS), folder.dev())
    }

    fn behind_in(sysfs: &Path, number: u64) -> io::Result<Option<Self>> {
        // Major 0: no disk of its own (memory, network, btrfs).
        if major(number) == 0 || !sysfs.is_dir() {
            return Ok(None);
        }
        match Self::look_in(sysfs, number) {
            Some(disk) => Ok(Some(disk)),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

/// A stick that was found at a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stick {
    node: PathBuf,
    real: PathBuf,
    disk: Disk,
}

impl Stick {
    /// Looks which stick is at `node` now.
    pub(super) fn find(node: &Path) -> io::Result<Self> {
        let real = fs::canonicalize(node)?;
        let about = fs::metadata(&real)?;
        if !about.file_type().is_block_device() {
            return Err(io::Error::other("it is no block device"));
        }
        let disk = Disk::look(about.rdev()).ok_or(io::ErrorKind::NotFound)?;
        Ok(Self {
            node: node.to_owned(),
            real,
            disk,
        })
    }

    /// The node it was found at.
    pub(super) fn node(&self) -> &Path {
        &self.node
    }

    /// Returns whether it is there still, and was all the time.
    pub(super) fn is_there(&self) -> bool {
        Self::find(&self.node).is_ok_and(|now| now == *self)
    }

    /// The folders where its nodes are.
    pub(super) fn folders(&self) -> Vec<PathBuf> {
        let folders = [&self.node, &self.real].into_iter();
        folders
            .filter_map(|it| it.parent().map(Path::to_owned))
            .collect()
    }

    /// Mounts it, reads the key file of this name and the list beside it, and lets it go.
    pub(super) fn read(&self, name: &str) -> Result<Found, NoKey> {
        let unreadable = |error: io::Error| NoKey::Unreadable(Some(error));
        let root = mount(&self.real).map_err(|error| unreadable(error.into()))?;
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let open = |name: &str| rustix::fs::openat(&root, name, flags, Mode::empty());
        let file = match open(name) {
            Ok(file) => file,
            Err(Errno::NOENT) => return Err(NoKey::Missing),
            Err(error) => return Err(unreadable(error.into())),
        };
        let list = open(REVOKE_FILE).ok();
        Ok(Found {
            key: handover::read_file(File::from(file))?,
            revoked: list.and_then(|list| handover::read_list(File::from(list))),
        })
    }
}

/// Mounts a device nowhere: closing what is returned unmounts it. fsmount(2)
fn mount(device: &Path) -> Result<OwnedFd, Errno> {
    let mut refused = Errno::NODEV;
    for (kind, words) in FILE_SYSTEMS {
        let mounted = match mount_as(device, kind, words) {
            // Somebody else has it mounted for writing: his mount is shared, which writes nothing.
            Err(Errno::BUSY) => mount_as(device, kind, &[]),
            other => other,
        };
        match mounted {
            Ok(root) => return Ok(root),
            Err(error) => refused = last(refused, error),
        }
    }
    Err(refused)
}

fn mount_as(device: &Path, kind: &str, words: &[&str]) -> Result<OwnedFd, Errno> {
    let system = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(&system, "source", device)?;
    for word in words {
        fsconfig_set_flag(&system, *word)?;
    }
    fsconfig_create(&system)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_RDONLY
        | MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    fsmount(&system, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

/// Returns the more telling of two errors: "unknown here" and "not on it" tell least.
fn last(before: Errno, now: Errno) -> Errno {
    match now {
        Errno::NODEV | Errno::INVAL => before,
        error => error,
    }
}

#[cfg(test)]
mod tests {
    use rustix::fs::makedev;

    use super::*;

    fn sysfs(folder: &Path, size: &str) {
        let disk = folder.join("8:1");
        fs::create_dir_all(&disk).unwrap();
        fs::write(disk.join("size"), size).unwrap();
        fs::write(disk.join("diskseq"), "7\n").unwrap();
    }

    #[test]
    fn a_mount_left_behind_after_a_pull_is_no_key_device() {
        let folder = tempfile::tempdir().unwrap();
        let number = makedev(8, 1);
        sysfs(folder.path(), "2048\n");
        let there = Disk::behind_in(folder.path(), number).unwrap();
        assert!(there.is_some());

        // The medium is out of a reader that stays.
        sysfs(folder.path(), "0\n");
        assert!(Disk::behind_in(folder.path(), number).is_err());

        // The whole device is gone; the mount is not.
        fs::remove_dir_all(folder.path().join("8:1")).unwrap();
        assert!(Disk::behind_in(folder.path(), number).is_err());
    }

    #[test]
    fn a_stick_that_came_back_is_told_from_one_that_stayed() {
        let folder = tempfile::tempdir().unwrap();
        sysfs(folder.path(), "2048\n");
        let before = Disk::look_in(folder.path(), makedev(8, 1));
        assert_eq!(before, Disk::look_in(folder.path(), makedev(8, 1)));

        fs::write(folder.path().join("8:1/diskseq"), "8\n").unwrap();

        assert_ne!(before, Disk::look_in(folder.path(), makedev(8, 1)));
    }

    #[test]
    fn a_folder_without_a_disk_of_its_own_is_taken_as_it_is() {
        let folder = tempfile::tempdir().unwrap();

        assert_eq!(
            Disk::behind_in(folder.path(), makedev(0, 42)).unwrap(),
            None
        );
    }

    #[test]
    fn what_is_no_block_device_is_no_stick() {
        assert!(Stick::find(Path::new("/dev/null")).is_err());
        assert!(Stick::find(Path::new("/dev/there-is-none")).is_err());
    }
}
