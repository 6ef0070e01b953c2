//! Which drives and sticks are plugged in, and what they hold. Nothing is written to any of them.
//!
//! A drive counts as empty only where nothing at all is found on it, or one file system that is as fresh as
//! it was made. Whatever cannot be looked into holds something.
//!
//! What is looked at is held open: so long the kernel gives its name to no other device.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io,
    os::{fd::OwnedFd, unix::fs::MetadataExt as _},
    path::{Path, PathBuf},
    process::Command,
    rc::Rc,
};

use rustix::{
    fs::{AtFlags, Dir, FileType, Mode, OFlags},
    io::Errno,
    mount::{
        FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag,
        fsconfig_set_string, fsmount, fsopen,
    },
};
use vault::key::file::KEY_FILE_NAME;

use super::empty;
use crate::{
    disk,
    keeper::evening::{Holds, Offer},
};

const SYS: &str = "/sys/block";
/// Kinds of block devices that nobody plugs in.
const NEVER: &[&str] = &[
    "ram", "zram", "sr", "dm-", "md", "nbd", "mtdblock", "fd", "loop",
];
/// File systems that are looked into, with the words that keep a mount from writing even a journal.
const LOOKED_INTO: &[(&str, &[&str])] = &[
    ("vfat", &["ro"]),
    ("exfat", &["ro"]),
    ("ext4", &["ro", "noload"]),
];
/// What other computers put there by themselves, as long as there is little in it.
const NO_FILES: &[&str] = &["System Volume Information", ".fseventsd"];
const LITTLE_FILES: usize = 16;
const LITTLE_BYTES: u64 = 4096;
const LOST: &str = "lost+found";
/// Words of a model that name nobody.
const NO_NAMES: &[&str] = &[
    "usb", "ata", "disk", "drive", "flash", "generic", "portable", "ssd", "mass", "storage",
];

/// A drive or stick, and where its file system is or would be.
#[derive(Debug, Clone)]
pub(super) struct Drive {
    pub(super) offer: Offer,
    /// The whole disk's name in the kernel.
    pub(super) disk: String,
    /// The node of its one file system, or of the whole disk where it has none.
    pub(super) node: PathBuf,
    /// What it holds, also where nothing can be written to it.
    pub(super) inside: Holds,
    /// Whether nothing can be written to it.
    pub(super) is_read_only: bool,
    held: Rc<Held>,
}

/// What pins a device while it is used by its name, and tells it from another one of that name.
#[derive(Debug)]
struct Held {
    whole: File,
    device: File,
    bytes: u64,
    mark: String,
}

impl Held {
    fn open(disk: &str, node: &Path) -> io::Result<Self> {
        let whole = File::open(Path::new("/dev").join(disk))?;
        let device = File::open(node)?;
        Ok(Self {
            bytes: empty::length(&device)?,
            mark: mark(disk),
            whole,
            device,
        })
    }
}

impl Drive {
    /// Makes sure that its name still means what was looked at.
    ///
    /// # Errors
    ///
    /// Where it does not, or that could not be told.
    pub(super) fn check(&self) -> io::Result<()> {
        let held = &self.held;
        let is_same = |file: &File, node: &Path| -> io::Result<bool> {
            Ok(file.metadata()?.rdev() == fs::metadata(node)?.rdev())
        };
        let is_there = is_same(&held.whole, &Path::new("/dev").join(&self.disk))?
            && is_same(&held.device, &self.node)?
            && empty::length(&held.device)? == held.bytes
            && empty::length(&File::open(&self.node)?)? == held.bytes
            && mark(&self.disk) == held.mark;
        match is_there {
            true => Ok(()),
            false => Err(io::Error::other("it is not what was looked at any more")),
        }
    }
}

/// What tells a disk from every other, and from itself after it was taken out: its maker's number, and the
/// count of disks that were ever put in. sysfs-block, since Linux 5.15
fn mark(disk: &str) -> String {
    let folder = Path::new(SYS).join(disk);
    let real = fs::canonicalize(&folder).unwrap_or_else(|_| folder.clone());
    let serial = real
        .ancestors()
        .flat_map(|it| [it.join("serial"), it.join("device/serial")])
        .map(|it| read(&it))
        .find(|it| !it.is_empty());
    let plain = |it: String| -> String {
        let letters = it.chars().filter(char::is_ascii_alphanumeric);
        letters.take(64).collect()
    };
    let serial = serial.map_or_else(String::new, plain);
    format!("{serial}-{}", read(&folder.join("diskseq")))
}

/// Looks at all that is plugged in and used by nobody; of `only`, if it names some.
pub(super) fn look(only: &[String], in_use: &[&Path]) -> io::Result<Vec<Drive>> {
    let mut ours = BTreeSet::new();
    for folder in in_use.iter().filter(|it| it.exists()) {
        ours.extend(disk::whole_disks(folder)?);
    }
    let mounted = fs::read_to_string("/proc/self/mountinfo")?;
    let mut names: Vec<String> = Vec::new();
    for entry in fs::read_dir(SYS)? {
        names.extend(entry?.file_name().into_string());
    }
    names.sort();
    let mut drives: Vec<Drive> = Vec::new();
    for disk in names {
        let wanted = match only {
            [] => !NEVER.iter().any(|kind| disk.starts_with(kind)),
            only => only.contains(&disk),
        };
        if !wanted || ours.contains(&disk) {
            continue;
        }
        let Some(mut drive) = look_at(&disk, &mounted)? else {
            continue;
        };
        let taken: Vec<&str> = drives.iter().map(|it| it.offer.name.as_str()).collect();
        drive.offer.name = unique(&drive.offer.name, &taken);
        drives.push(drive);
    }
    Ok(drives)
}

/// Numbers a name that another drive has, whatever its capitals.
fn unique(name: &str, taken: &[&str]) -> String {
    let mut unique = name.to_owned();
    let mut number = 1;
    while taken.iter().any(|it| it.eq_ignore_ascii_case(&unique)) {
        number += 1;
        unique = format!("{name}{number}");
    }
    unique
}

fn look_at(disk: &str, mounted: &str) -> io::Result<Option<Drive>> {
    let folder = Path::new(SYS).join(disk);
    let sectors: u64 = read(&folder.join("size")).parse().unwrap_or(0);
    let partitions = partitions(&folder)?;
    let is_used = |folder: &Path| {
        let number = read(&folder.join("dev"));
        let is_mounted = mounted
            .lines()
            .any(|it| it.split(' ').nth(2) == Some(&number));
        is_mounted || fs::read_dir(folder.join("holders")).is_ok_and(|mut it| it.next().is_some())
    };
    let mut all = partitions.iter().map(|it| folder.join(it));
    if sectors == 0 || is_used(&folder) || all.any(|it| is_used(&it)) {
        return Ok(None);
    }
    let whole = Path::new("/dev").join(disk);
    let node = match partitions.as_slice() {
        [one] => Path::new("/dev").join(one),
        _ => whole,
    };
    let held = match Held::open(disk, &node) {
        Ok(held) => held,
        Err(error) => {
            log::warn!("{} could not be opened: {error}", node.display());
            return Ok(None);
        }
    };
    let probed = match partitions.len() {
        0 | 1 => probe(&node)?,
        _ => Probed::Unclear,
    };
    let (file_system, holds) = match probed {
        Probed::Unclear => (None, Holds::Something),
        Probed::Blank if empty::is_blank(&held.device).unwrap_or(false) => (None, Holds::Nothing),
        Probed::Blank => (None, Holds::Something),
        Probed::FileSystem(kind) => {
            let holds = look_inside(&held.device, &node, &kind);
            (Some(kind), holds)
        }
    };
    let inside = holds.clone();
    let is_read_only = read(&folder.join("ro")) != "0";
    let holds = match is_read_only {
        false => holds,
        true => Holds::Something,
    };
    let model = model(&folder, disk);
    Ok(Some(Drive {
        offer: Offer {
            name: name(&model, disk),
            model,
            bytes: held.bytes,
            mark: held.mark.clone(),
            file_system,
            holds,
        },
        disk: disk.to_owned(),
        node,
        inside,
        is_read_only,
        held: Rc::new(held),
    }))
}

fn read(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.trim().to_owned()
}

fn partitions(folder: &Path) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.path().join("partition").exists() {
            found.extend(entry.file_name().into_string());
        }
    }
    Ok(found)
}

fn model(folder: &Path, disk: &str) -> String {
    let (vendor, model) = (
        read(&folder.join("device/vendor")),
        read(&folder.join("device/model")),
    );
    let words: Vec<&str> = vendor
        .split_whitespace()
        .chain(model.split_whitespace())
        .collect();
    match words.is_empty() {
        true => disk.to_owned(),
        false => words.join(" "),
    }
}

/// Picks the word of a model that people know it by.
fn name(model: &str, disk: &str) -> String {
    let plain =
        |word: &str| -> String { word.chars().filter(char::is_ascii_alphanumeric).collect() };
    let words = model.split_whitespace().map(plain);
    let mut words = words.filter(|it| {
        it.len() > 1
            && it.chars().any(|c| c.is_ascii_alphabetic())
            && !NO_NAMES.contains(&it.to_lowercase().as_str())
    });
    words.next().unwrap_or_else(|| disk.to_owned())
}

enum Probed {
    /// No file system, no partition table, nothing that is known.
    Blank,
    /// One file system.
    FileSystem(String),
    /// Anything else.
    Unclear,
}

/// Has blkid look for everything that it knows. blkid(8)
fn probe(node: &Path) -> io::Result<Probed> {
    let output = Command::new("blkid")
        .args(["--probe", "--output", "export"])
        .arg(node)
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let value = |name: &str| {
        let mut lines = text.lines();
        lines.find_map(|it| it.strip_prefix(name)?.strip_prefix('='))
    };
    // Found nothing at all.
    if output.status.code() == Some(2) && text.trim().is_empty() {
        return Ok(Probed::Blank);
    }
    if !output.status.success() {
        return Ok(Probed::Unclear);
    }
    Ok(match (value("TYPE"), value("USAGE")) {
        (Some(kind), Some("filesystem")) => Probed::FileSystem(kind.to_owned()),
        _ => Probed::Unclear,
    })
}

/// Returns the UUID of a node's file system.
pub(super) fn uuid(node: &Path) -> io::Result<Option<String>> {
    let output = Command::new("blkid")
        .args(["--probe", "--match-tag", "UUID", "--output", "value"])
        .arg(node)
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let is_plain = text
        .chars()
        .all(|it| it.is_ascii_alphanumeric() || it == '-');
    Ok((!text.is_empty() && is_plain).then_some(text))
}

/// Returns the label of a node's file system; empty for none.
pub(super) fn label(node: &Path) -> io::Result<String> {
    let output = Command::new("blkid")
        .args(["--probe", "--match-tag", "LABEL", "--output", "value"])
        .arg(node)
        .output()?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Looks what is in the top folder of a file system. What cannot be looked into holds something.
fn look_inside(device: &File, node: &Path, kind: &str) -> Holds {
    let Some((_, words)) = LOOKED_INTO.iter().find(|(it, _)| *it == kind) else {
        return Holds::Something;
    };
    let look = || -> io::Result<Holds> {
        let fresh = empty::fresh_bytes(device, kind)?;
        Ok(count(&mount(node, kind, words)?, fresh)?)
    };
    look().unwrap_or_else(|error| {
        log::warn!("{} could not be looked into: {error}", node.display());
        Holds::Something
    })
}

/// Mounts a device nowhere: closing what is returned unmounts it. fsmount(2)
fn mount(device: &Path, kind: &str, words: &[&str]) -> Result<OwnedFd, Errno> {
    let system = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(&system, "source", device)?;
    // Whoever made an ext4 may have asked for a kernel panic at the first error. ext4(5)
    fsconfig_set_string(&system, "errors", "remount-ro")?;
    for word in words {
        fsconfig_set_flag(&system, *word)?;
    }
    fsconfig_create(&system)?;
    let safe = MountAttrFlags::MOUNT_ATTR_RDONLY
        | MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    fsmount(&system, FsMountFlags::FSMOUNT_CLOEXEC, safe)
}

/// Counts what is in the top folder. Where that is nothing, no more may be used than by a fresh one.
fn count(root: &OwnedFd, fresh: Option<u64>) -> Result<Holds, Errno> {
    let mut count = 0;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::DIRECTORY;
    // What a mount returns is a path only.
    let top = rustix::fs::openat(root, ".", flags, Mode::empty())?;
    let stat = rustix::fs::fstatvfs(&top)?;
    let mut expected = fresh;
    for name in names(&top)? {
        if name == KEY_FILE_NAME {
            return Ok(Holds::Key);
        }
        if name == LOST {
            let folder = rustix::fs::openat(&top, LOST, flags, Mode::empty())?;
            count += u64::from(!names(&folder)?.is_empty());
            continue;
        }
        let little = match NO_FILES.contains(&name.as_str()) {
            true => little(&rustix::fs::openat(&top, &name, flags, Mode::empty())?)?,
            false => None,
        };
        match little {
            // The folder and each file of so few bytes take up a cluster or some.
            Some(files) => {
                let piece = LITTLE_BYTES.max(stat.f_frsize);
                let more = piece.saturating_mul(files + 1);
                expected = expected.and_then(|it| it.checked_add(more));
            }
            None => count += 1,
        }
    }
    Ok(match count {
        0 if expected.is_some_and(|it| empty::used_bytes(&stat) <= it) => Holds::Nothing,
        0 => Holds::Traces,
        count => Holds::Files { count },
    })
}

/// Returns how many files are in a folder, if it is only a few small ones.
fn little(folder: &OwnedFd) -> Result<Option<u64>, Errno> {
    let names = names(folder)?;
    if names.len() > LITTLE_FILES {
        return Ok(None);
    }
    for name in &names {
        let stat = rustix::fs::statat(folder, name.as_str(), AtFlags::SYMLINK_NOFOLLOW)?;
        let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        if !is_file || !u64::try_from(stat.st_size).is_ok_and(|it| it <= LITTLE_BYTES) {
            return Ok(None);
        }
    }
    Ok(Some(names.len() as u64))
}

pub(super) fn names(folder: &OwnedFd) -> Result<Vec<String>, Errno> {
    let mut found = Vec::new();
    for entry in Dir::read_from(folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name != "." && name != ".." {
            found.push(name);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drives_are_named_by_the_word_that_people_know() {
        for (model, named) in [
            ("SanDisk Ultra USB 3.0", "SanDisk"),
            ("Generic Flash Disk", "sdx"),
            ("USB  SSD T7-Shield", "T7Shield"),
            ("42", "sdx"),
        ] {
            assert_eq!(name(model, "sdx"), named, "{model}");
        }
    }

    #[test]
    fn no_two_drives_have_one_name_whatever_their_capitals() {
        assert_eq!(unique("T7", &[]), "T7");
        assert_eq!(unique("T7", &["T72"]), "T7");
        assert_eq!(unique("T7", &["t7"]), "T72");
        assert_eq!(unique("T7", &["T7", "t72"]), "T73");
    }
}
