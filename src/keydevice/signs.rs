//! Signs that something may have changed: folders, the table of mounts, the kernel's device
//! events. A sign says nothing but "look".

use std::{fs::File, os::fd::OwnedFd, path::PathBuf, sync::mpsc, thread, time::Duration};

use notify::{RecursiveMode, Watcher as _};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    net::{
        AddressFamily, RecvFlags, SocketFlags, SocketType,
        netlink::{KOBJECT_UEVENT, SocketAddrNetlink},
    },
};

/// Where device nodes are made and removed.
pub(super) const NODES: &str = "/dev";
/// The kernel's own events, before udev has worked on them. netlink(7)
const KERNEL_GROUP: u32 = 1;

pub(super) type Sign = mpsc::Sender<()>;
pub(super) type Signs = mpsc::Receiver<()>;

pub(super) fn channel() -> (Sign, Signs) {
    mpsc::channel()
}

/// Waits for a sign, or this long. A burst of signs is one. Returns `false` when there will be no
/// more.
pub(super) fn wait(signs: &Signs, longest: Duration) -> bool {
    match signs.recv_timeout(longest) {
        Ok(()) => {
            while signs.try_recv().is_ok() {}
            true
        }
        Err(mpsc::RecvTimeoutError::Timeout) => true,
        Err(mpsc::RecvTimeoutError::Disconnected) => false,
    }
}

/// A watch on folders, for as long as it is kept.
pub(super) struct Watched {
    folders: Vec<PathBuf>,
    _watcher: notify::RecommendedWatcher,
}

/// Watches those of the folders that exist. Returns the watch that was there where it still fits.
pub(super) fn watch_folders(
    folders: impl Iterator<Item = PathBuf>,
    watched: Option<Watched>,
    sign: &Sign,
) -> Option<Watched> {
    let folders: Vec<PathBuf> = folders.filter(|it| it.is_dir()).collect();
    if watched.as_ref().is_some_and(|it| it.folders == folders) {
        return watched;
    }
    let sign = sign.clone();
    let mut watcher = notify::recommended_watcher(move |_| {
        // Nobody listens any more: the process is stopping.
        let _ = sign.send(());
    })
    .map_err(|error| log::warn!("the key device's folders cannot be watched: {error}"))
    .ok()?;
    for folder in &folders {
        if let Err(error) = watcher.watch(folder, RecursiveMode::NonRecursive) {
            log::warn!("a folder around the key device cannot be watched: {error}");
        }
    }
    Some(Watched {
        folders,
        _watcher: watcher,
    })
}

/// Gives a sign whenever the kernel says that something was mounted or unmounted. proc(5)
pub(super) fn watch_mounts(sign: Sign) {
    if let Ok(mounts) = File::open("/proc/self/mountinfo") {
        watch(mounts.into(), PollFlags::PRI, false, sign);
    }
}

/// Gives a sign for each event of a device, where the system shows them. Without, the folders of
/// nodes and the look every few seconds remain.
pub(super) fn watch_devices(sign: Sign) {
    let socket = rustix::net::socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
        Some(KOBJECT_UEVENT),
    );
    let listening = socket.and_then(|socket| {
        rustix::net::bind(&socket, &SocketAddrNetlink::new(0, KERNEL_GROUP))?;
        Ok(socket)
    });
    match listening {
        Ok(socket) => watch(socket, PollFlags::IN, true, sign),
        Err(error) => log::debug!("the kernel's device events are not to be had: {error}"),
    }
}

fn watch(source: OwnedFd, flags: PollFlags, drain: bool, sign: Sign) {
    thread::spawn(move || {
        let limit = Timespec {
            tv_sec: 60,
            tv_nsec: 0,
        };
        let mut event = [0; 4096];
        loop {
            let mut table = [PollFd::new(&source, flags)];
            match poll(&mut table, Some(&limit)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => continue,
                Ok(_) => {}
                Err(_) => return,
            }
            // What an event says is not believed, only that there was one.
            while drain && rustix::net::recv(&source, &mut event, RecvFlags::DONTWAIT).is_ok() {}
            if sign.send(()).is_err() {
                return;
            }
        }
    });
}
