//! `strongroom stick`: mounts the stick that the daemon asks for, as root, where nobody else sees it,
//! and hands over its top folder; once that is let go of, so is the stick.
//!
//! The daemon is reached by the network, so nothing it says is trusted: never a key, a data drive, the
//! system's own disk, or one that somebody has mounted.

use std::{
    fs, io,
    os::{fd::AsFd as _, fd::OwnedFd, unix::net::UnixStream},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use anyhow::Context as _;
use rustix::{
    fs::{AtFlags, Gid, Mode, OFlags, Uid, fstatvfs, mkdirat, openat, statat},
    io::Errno,
    mount::{
        FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag,
        fsconfig_set_string, fsmount, fsopen,
    },
};
use vault::{folder::MARK_NAME, key::file::KEY_FILE_NAME};

use super::{
    drives::{self, Drive},
    owner,
};
use crate::{
    config::Config,
    daemon::carry::{
        export::FOLDER,
        held::{Answer, Asked, Shown, answer, read_asked, say_free, wait_until_let_go},
    },
    keeper::evening::Holds,
};

/// How long the daemon may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is looked whether a stick is free, and how often at most.
const LOOK: Duration = Duration::from_millis(100);
const LOOKS: u32 = 300;
/// What no stick for carrying files is labelled: keys, and drives that were prepared.
const OURS: &str = "STRONGROOM";

/// What `strongroom stick` is told; standard input is the daemon's connection.
#[derive(Debug, clap::Args)]
pub struct HoldStick {
    /// Look at these disks only, also at images
    #[arg(long, value_name = "DISK", hide = true)]
    pub only: Vec<String>,
}

/// Holds a stick for as long as the daemon's connection wants it.
///
/// # Errors
///
/// The connection's. What went wrong else is in the answer, and in the log.
pub fn hold_stick(path: &Path, told: &HoldStick) -> anyhow::Result<()> {
    let line = io::stdin().as_fd().try_clone_to_owned();
    let line = UnixStream::from(line.context("while taking the connection over")?);
    line.set_read_timeout(Some(PATIENCE))?;
    let asked = read_asked(&line).context("while reading what is wanted")?;
    line.set_read_timeout(None)?;
    let found = hold(path, told, &asked).unwrap_or_else(|error| {
        log::error!("{error:#}");
        Err(Answer::Failed)
    });
    let (drive, shown, folder) = match found {
        Ok(found) => found,
        Err(why) => return Ok(answer(&line, &why, None)?),
    };
    let told = answer(&line, &Answer::Held(shown), Some(&folder));
    drop(folder);
    told.context("while handing a stick over")?;
    wait_until_let_go(&line);
    let is_free = is_free(&drive.node);
    if let Err(error) = say_free(&line, is_free) {
        log::debug!("nobody waits for the stick: {error}");
    }
    Ok(())
}

type Found = (Drive, Shown, OwnedFd);

fn hold(path: &Path, told: &HoldStick, asked: &Asked) -> anyhow::Result<Result<Found, Answer>> {
    let config = Config::read(path)?;
    let owner = owner(&config)?;
    let system = config.vault.system.as_path();
    let in_use = [
        Path::new("/"),
        Path::new("/boot/firmware"),
        system,
        &config.vault.folder,
    ];
    let mut there = drives::look(&told.only, &in_use).context("while looking at sticks")?;
    there.retain(|it| can_carry(it, !told.only.is_empty()));
    let drive = match choose(there, asked) {
        Ok(drive) => drive,
        Err(why) => return Ok(Err(why)),
    };
    if asked.is_for_writing && drive.is_read_only {
        return Ok(Err(Answer::ReadOnly));
    }
    drive.check()?;
    let folder = match mount(&drive, asked.writes, owner) {
        Err(Errno::ROFS | Errno::ACCESS) if asked.writes => return Ok(Err(Answer::ReadOnly)),
        mounted => mounted.context("while mounting a stick")?,
    };
    if is_ours(&folder)? {
        return Ok(Err(Answer::NoStick));
    }
    if asked.writes {
        make_writable(&folder, owner).context("while making a folder on a stick")?;
    }
    let room = fstatvfs(&folder)?;
    let shown = Shown {
        free: room.f_bavail.saturating_mul(room.f_frsize),
        ..shown(&drive)
    };
    Ok(Ok((drive, shown, folder)))
}

fn shown(drive: &Drive) -> Shown {
    let offer = &drive.offer;
    Shown {
        name: offer.name.clone(),
        model: offer.model.clone(),
        bytes: offer.bytes,
        free: 0,
        mark: offer.mark.clone(),
        file_system: offer.file_system.clone().unwrap_or_default(),
    }
}

/// Returns whether files may be carried by it.
fn can_carry(drive: &Drive, any_disk: bool) -> bool {
    let kind = drive.offer.file_system.as_deref();
    let holds = matches!(
        drive.inside,
        Holds::Nothing | Holds::Files { .. } | Holds::Traces
    );
    let label = drives::label(&drive.node).unwrap_or_else(|_| OURS.to_owned());
    let is_labelled = label.to_ascii_uppercase().starts_with(OURS);
    matches!(kind, Some("vfat" | "exfat" | "ext4"))
        && holds
        && !is_labelled
        && (any_disk || is_plugged_in(&drive.disk))
}

/// Returns whether a disk is one that people plug in.
fn is_plugged_in(disk: &str) -> bool {
    let folder = PathBuf::from("/sys/block").join(disk);
    let is_usb = fs::canonicalize(&folder).is_ok_and(|it| it.to_string_lossy().contains("/usb"));
    is_usb || fs::read_to_string(folder.join("removable")).is_ok_and(|it| it.trim() == "1")
}

fn choose(mut there: Vec<Drive>, asked: &Asked) -> Result<Drive, Answer> {
    if let Some(name) = &asked.name {
        let is_it = |it: &Drive| {
            let seen = (it.offer.bytes, it.offer.mark.clone());
            it.offer.name.eq_ignore_ascii_case(name)
                && asked.seen.as_ref().is_none_or(|shown| *shown == seen)
        };
        return there.into_iter().find(is_it).ok_or(Answer::NotThere);
    }
    match there.len() {
        0 => Err(Answer::NoStick),
        1 => there.pop().ok_or(Answer::NoStick),
        _ => Err(Answer::Several(there.iter().map(shown).collect())),
    }
}

/// Mounts a stick nowhere, and returns its top folder: closing that unmounts it. fsmount(2)
fn mount(drive: &Drive, writes: bool, (uid, gid): (u32, u32)) -> Result<OwnedFd, Errno> {
    let kind = drive.offer.file_system.as_deref().unwrap_or_default();
    let system = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(&system, "source", &drive.node)?;
    // Whoever made an ext4 may have asked for a kernel panic at the first error. ext4(5)
    fsconfig_set_string(&system, "errors", "remount-ro")?;
    if kind != "ext4" {
        fsconfig_set_string(&system, "uid", uid.to_string())?;
        fsconfig_set_string(&system, "gid", gid.to_string())?;
        fsconfig_set_string(&system, "umask", "077")?;
    }
    if kind == "vfat" {
        fsconfig_set_flag(&system, "utf8")?;
    }
    let mut safe = MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC
        | MountAttrFlags::MOUNT_ATTR_NOATIME;
    if !writes {
        fsconfig_set_flag(&system, "ro")?;
        if kind == "ext4" {
            // Not even its journal is written.
            fsconfig_set_flag(&system, "noload")?;
        }
        safe |= MountAttrFlags::MOUNT_ATTR_RDONLY;
    }
    fsconfig_create(&system)?;
    let root = fsmount(&system, FsMountFlags::FSMOUNT_CLOEXEC, safe)?;
    // What a mount returns is a path only.
    openat(&root, ".", FOLDER_FLAGS, Mode::empty())
}

const FOLDER_FLAGS: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC)
    .union(OFlags::NOFOLLOW);

/// Returns whether a key or a vault lies on it, in its top folder or right below.
fn is_ours(folder: &OwnedFd) -> Result<bool, Errno> {
    let has = |folder: &OwnedFd, name: &str| match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => true,
        Err(error) => error != Errno::NOENT,
    };
    if has(folder, KEY_FILE_NAME) || has(folder, MARK_NAME) {
        return Ok(true);
    }
    for name in drives::names(folder)? {
        let inside = openat(folder, name.as_str(), FOLDER_FLAGS, Mode::empty());
        if inside.is_ok_and(|inside| has(&inside, MARK_NAME)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Makes the folder that files are written into the daemon's, where the file system knows owners.
fn make_writable(folder: &OwnedFd, (uid, gid): (u32, u32)) -> Result<(), Errno> {
    match mkdirat(folder, FOLDER, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error),
    }
    let top = openat(folder, FOLDER, FOLDER_FLAGS, Mode::empty())?;
    let give = |folder: &OwnedFd| {
        let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
        match rustix::fs::fchown(folder, Some(uid), Some(gid)) {
            // All is the daemon's there anyway.
            Err(Errno::PERM) | Ok(()) => Ok(()),
            other => other,
        }
    };
    give(&top)?;
    // What another vault has written there before.
    for name in drives::names(&top)? {
        if let Ok(inside) = openat(&top, name.as_str(), FOLDER_FLAGS, Mode::empty()) {
            give(&inside)?;
        }
    }
    Ok(())
}

/// Waits until nothing uses the device any more: whoever mounts it holds it alone.
fn is_free(node: &Path) -> bool {
    for _ in 0..LOOKS {
        let flags = OFlags::RDONLY | OFlags::EXCL | OFlags::CLOEXEC;
        match rustix::fs::open(node, flags, Mode::empty()) {
            Err(Errno::BUSY) => thread::sleep(LOOK),
            // Gone is as free as can be.
            Ok(_) | Err(Errno::NOENT | Errno::NXIO | Errno::NOMEDIUM) => return true,
            Err(error) => {
                log::warn!("{} could not be looked at: {error}", node.display());
                return false;
            }
        }
    }
    false
}
