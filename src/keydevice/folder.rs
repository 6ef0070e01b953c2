//! A stick that somebody else mounts: the folders around its mount point, the table of mounts and
//! the disk behind it are watched.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use rustix::fs::{AtFlags, CWD, StatxFlags, statx};
use tokio::sync::mpsc;

use super::{
    Presence,
    signs::{self, NODES, Sign, Signs},
    stick::Disk,
};

/// How often to look without any sign: the last resort on file systems that give none.
const LOOK: Duration = Duration::from_secs(5);

/// Watches for the file `key` in its folder.
pub(super) fn watch(
    key: PathBuf,
    tell: mpsc::UnboundedSender<Presence>,
    (sign, signs): (Sign, Signs),
) {
    signs::watch_mounts(sign.clone());
    signs::watch_devices(sign.clone());
    thread::spawn(move || look_at_each_sign(&key, &tell, &sign, &signs));
}

fn look_at_each_sign(
    key: &Path,
    tell: &mpsc::UnboundedSender<Presence>,
    sign: &Sign,
    signs: &Signs,
) {
    let mut last = None;
    let mut watched = None;
    loop {
        // The folders around it too, so that a mount point that is made or renamed gives a sign.
        let around = key.ancestors().skip(1).take(3).map(Path::to_owned);
        let folders = around.chain([PathBuf::from(NODES)]);
        watched = signs::watch_folders(folders, watched, sign);
        let now = look(key);
        for seen in news(last.as_ref(), now.as_ref()) {
            if tell.send(seen).is_err() {
                return;
            }
        }
        last = Some(now);
        if !signs::wait(signs, LOOK) || tell.is_closed() {
            return;
        }
    }
}

/// What tells one mount of a stick from the next.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    device: u64,
    mount: u64,
    disk: Option<Disk>,
}

/// Returns what holds the key file; `None` while it is not there, or only its mount is.
fn look(key: &Path) -> Option<Seen> {
    let folder = fs::metadata(key.parent()?).ok()?;
    if !key.is_file() {
        return None;
    }
    let mount = statx(CWD, key, AtFlags::empty(), StatxFlags::MNT_ID);
    Some(Seen {
        device: folder.dev(),
        mount: mount.map_or(0, |it| it.stx_mnt_id),
        disk: Disk::behind(&folder).ok()?,
    })
}

/// Returns what is to be told. A stick that was out and in again between two looks was out.
fn news(last: Option<&Option<Seen>>, now: Option<&Seen>) -> Vec<Presence> {
    match (last.map(Option::as_ref), now) {
        (None, None) | (Some(Some(_)), None) => vec![Presence::Gone],
        (None | Some(None), Some(_)) => vec![Presence::Came],
        (Some(Some(last)), Some(now)) if last != now => vec![Presence::Gone, Presence::Came],
        (Some(_), _) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(told: &mut mpsc::UnboundedReceiver<Presence>) -> Presence {
        told.blocking_recv().unwrap()
    }

    #[test]
    fn a_folder_that_comes_and_goes_is_noticed() {
        let base = tempfile::tempdir().unwrap();
        let folder = base.path().join("stick");
        let away = base.path().join("away");
        let key = folder.join("key");
        let (tell, mut told) = mpsc::unbounded_channel();
        watch(key.clone(), tell, signs::channel());
        assert_eq!(next(&mut told), Presence::Gone);

        fs::create_dir(&folder).unwrap();
        fs::write(&key, "x").unwrap();
        assert_eq!(next(&mut told), Presence::Came);

        fs::rename(&folder, &away).unwrap();
        assert_eq!(next(&mut told), Presence::Gone);

        fs::rename(&away, &folder).unwrap();
        assert_eq!(next(&mut told), Presence::Came);
    }

    #[test]
    fn another_mount_between_two_looks_is_out_and_in() {
        let seen = |mount| Seen {
            device: 1,
            mount,
            disk: None,
        };

        assert_eq!(news(Some(&Some(seen(1))), Some(&seen(1))), []);
        assert_eq!(
            news(Some(&Some(seen(1))), Some(&seen(2))),
            [Presence::Gone, Presence::Came]
        );
    }
}
