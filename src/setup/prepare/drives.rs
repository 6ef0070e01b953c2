//! Which drives and sticks are plugged in, and what they hold. Nothing is written to any of them.
//!
//! A drive counts as empty only where nothing at all is found on it, or one file system in which there is
//! no file. Whatever cannot be looked into holds something.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Read as _, Seek as _, SeekFrom},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::Command,
};

use rustix::{
    fs::{Dir, Mode, OFlags},
    io::Errno,
    mount::{
        FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag,
        fsconfig_set_string, fsmount, fsopen,
    },
};
use vault::key::file::KEY_FILE_NAME;

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
    ("ntfs3", &["ro"]),
];
/// What file systems and other computers put there by themselves.
const NO_FILES: &[&str] = &["System Volume Information", ".fseventsd", ".Spotlight-V100"];
const LOST: &str = "lost+found";
/// How much of both ends of a drive has to be zeros where nothing else is found.
const END_BYTES: u64 = 1 << 20;
/// Words of a model that name nobody.
const NO_NAMES: &[&str] = &[
    "usb", "ata", "disk", "drive", "flash", "generic", "portable", "ssd", "mass", "storage",
];
const SECTOR_BYTES: u64 = 512;

/// A drive or stick, and where its file system is or would be.
#[derive(Debug, Clone)]
pub(super) struct Drive {
    pub(super) offer: Offer,
    /// The whole disk's name in the kernel.
    pub(super) disk: String,
    /// The node of its one file system, or of the whole disk where it has none.
    pub(super) node: PathBuf,
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
        let same = |it: &&Drive| it.offer.name.starts_with(&drive.offer.name);
        match drives.iter().filter(same).count() {
            0 => {}
            before => drive.offer.name = format!("{}{}", drive.offer.name, before + 1),
        }
        drives.push(drive);
    }
    Ok(drives)
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
    let bytes = sectors * SECTOR_BYTES;
    let whole = Path::new("/dev").join(disk);
    let (node, probed) = match partitions.as_slice() {
        [] => (whole.clone(), probe(&whole)?),
        [one] => {
            let node = Path::new("/dev").join(one);
            let probed = probe(&node)?;
            (node, probed)
        }
        _ => (whole, Probed::Unclear),
    };
    let (file_system, holds) = match probed {
        Probed::Unclear => (None, Holds::Something),
        Probed::Blank if is_zeros(&node).unwrap_or(false) => (None, Holds::Nothing),
        Probed::Blank => (None, Holds::Something),
        Probed::FileSystem(kind) => {
            let holds = look_inside(&node, &kind);
            (Some(kind), holds)
        }
    };
    let holds = match read(&folder.join("ro")).as_str() {
        "0" => holds,
        _ => Holds::Something,
    };
    let model = model(&folder, disk);
    Ok(Some(Drive {
        offer: Offer {
            name: name(&model, disk),
            model,
            bytes,
            file_system,
            holds,
        },
        disk: disk.to_owned(),
        node,
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

/// Tells whether both ends of a device are zeros.
fn is_zeros(node: &Path) -> io::Result<bool> {
    let mut file = File::open(node)?;
    let length = file.seek(SeekFrom::End(0))?;
    for start in [0, length.saturating_sub(END_BYTES)] {
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        (&mut file).take(END_BYTES).read_to_end(&mut bytes)?;
        if bytes.iter().any(|it| *it != 0) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Looks what is in the top folder of a file system. What cannot be looked into holds something.
fn look_inside(node: &Path, kind: &str) -> Holds {
    let kind = if kind == "ntfs" { "ntfs3" } else { kind };
    let words = LOOKED_INTO.iter().find(|(it, _)| *it == kind);
    let looked = words.map(|(_, words)| mount(node, kind, words).and_then(|root| count(&root)));
    match looked {
        Some(Ok(holds)) => holds,
        Some(Err(error)) => {
            log::warn!("{} could not be looked into: {error}", node.display());
            Holds::Something
        }
        None => Holds::Something,
    }
}

/// Mounts a device nowhere: closing what is returned unmounts it. fsmount(2)
fn mount(device: &Path, kind: &str, words: &[&str]) -> Result<OwnedFd, Errno> {
    let system = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(&system, "source", device)?;
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

fn count(root: &OwnedFd) -> Result<Holds, Errno> {
    let mut count = 0;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::DIRECTORY;
    // What a mount returns is a path only.
    let top = rustix::fs::openat(root, ".", flags, Mode::empty())?;
    for name in names(&top)? {
        if name == KEY_FILE_NAME {
            return Ok(Holds::Key);
        }
        if name == LOST {
            let folder = rustix::fs::openat(&top, LOST, flags, Mode::empty())?;
            count += u64::from(!names(&folder)?.is_empty());
        } else if !NO_FILES.contains(&name.as_str()) {
            count += 1;
        }
    }
    Ok(match count {
        0 => Holds::Nothing,
        count => Holds::Files { count },
    })
}

fn names(folder: &OwnedFd) -> Result<Vec<String>, Errno> {
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
}
