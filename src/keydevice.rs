//! Notices the key device come and go.
//!
//! It watches the folder around the mount point and the table of mounts, never the key file: a
//! pulled stick gives a file watch no event. It never reads the key; the vault process does.

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::mpsc as std_mpsc,
    thread,
    time::Duration,
};

use notify::{RecursiveMode, Watcher as _};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::sync::mpsc;

/// How often to look without any sign: the last resort on file systems that give none.
const LOOK_SECONDS: u64 = 5;

/// What was noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// The key file is there.
    Came,
    /// It is not, or no longer.
    Gone,
}

/// Starts watching for the file `key` in its folder. The first message tells how things are at
/// the start. Ends by itself when the receiver is dropped.
pub fn watch(key: PathBuf) -> mpsc::UnboundedReceiver<Presence> {
    let (tell, told) = mpsc::unbounded_channel();
    let (sign, signs) = std_mpsc::channel();
    watch_mounts(sign.clone());
    thread::spawn(move || look_at_each_sign(&key, &tell, &sign, &signs));
    told
}

fn look_at_each_sign(
    key: &Path,
    tell: &mpsc::UnboundedSender<Presence>,
    sign: &std_mpsc::Sender<()>,
    signs: &std_mpsc::Receiver<()>,
) {
    let mut last = None;
    let mut watched = None;
    loop {
        watched = watch_around(key, watched, sign);
        let now = if key.is_file() {
            Presence::Came
        } else {
            Presence::Gone
        };
        if last != Some(now) {
            last = Some(now);
            if tell.send(now).is_err() {
                return;
            }
        }
        // A burst of signs is one look.
        match signs.recv_timeout(Duration::from_secs(LOOK_SECONDS)) {
            Ok(()) => while signs.try_recv().is_ok() {},
            Err(std_mpsc::RecvTimeoutError::Timeout) => {
                if tell.is_closed() {
                    return;
                }
            }
            Err(std_mpsc::RecvTimeoutError::Disconnected) => return,
        }
    }
}

struct Watched {
    folders: Vec<PathBuf>,
    _watcher: notify::RecommendedWatcher,
}

/// Watches the key's folder and the folders around it that exist, so that a mount point that is
/// made, renamed or removed gives a sign. Returns the watch that was there where it still fits.
fn watch_around(
    key: &Path,
    watched: Option<Watched>,
    sign: &std_mpsc::Sender<()>,
) -> Option<Watched> {
    let folders: Vec<PathBuf> = key
        .ancestors()
        .skip(1)
        .take(3)
        .filter(|it| it.is_dir())
        .map(Path::to_owned)
        .collect();
    if watched.as_ref().is_some_and(|it| it.folders == folders) {
        return watched;
    }
    let sign = sign.clone();
    let mut watcher = notify::recommended_watcher(move |_| {
        // Nobody listens any more: the daemon is stopping.
        let _ = sign.send(());
    })
    .map_err(|error| log::warn!("the key's folder cannot be watched: {error}"))
    .ok()?;
    for folder in &folders {
        if let Err(error) = watcher.watch(folder, RecursiveMode::NonRecursive) {
            log::warn!("a folder around the key cannot be watched: {error}");
        }
    }
    Some(Watched {
        folders,
        _watcher: watcher,
    })
}

/// Gives a sign whenever the kernel says that something was mounted or unmounted. proc(5)
fn watch_mounts(sign: std_mpsc::Sender<()>) {
    thread::spawn(move || {
        let Ok(mounts) = File::open("/proc/self/mountinfo") else {
            return;
        };
        let limit = Timespec {
            tv_sec: 60,
            tv_nsec: 0,
        };
        loop {
            let mut table = [PollFd::new(&mounts, PollFlags::PRI)];
            let changed = poll(&mut table, Some(&limit));
            match changed {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => {
                    if sign.send(()).is_err() {
                        return;
                    }
                }
                Err(_) => return,
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use std::fs;

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
        let mut told = watch(key.clone());
        assert_eq!(next(&mut told), Presence::Gone);

        fs::create_dir(&folder).unwrap();
        fs::write(&key, "x").unwrap();
        assert_eq!(next(&mut told), Presence::Came);

        fs::rename(&folder, &away).unwrap();
        assert_eq!(next(&mut told), Presence::Gone);

        fs::rename(&away, &folder).unwrap();
        assert_eq!(next(&mut told), Presence::Came);
    }
}
