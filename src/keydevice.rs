//! Notices the key device come and go, and has its key file handed to the vault process.
//!
//! It never watches the key file: a pulled stick gives a file watch no event. The daemon's side
//! of it never reads the key; the vault process does, from a path or from a pipe that the key
//! agent writes into.
//!
//! ```text
//! folder   somebody else mounts the stick: its mount point is watched, and the disk behind it
//! device   the stick's node is watched; a key agent is started for it, a child process
//! agent    the service manager starts the key agent (strongroom key-agent); it connects
//!
//! daemon   -- one byte and the writing end of a pipe -->  agent: mounts, reads, lets go
//! vault process  <-- what the pipe carries --------------   (see `handover`)
//! the connection is closed, by whatever  =  the key device is gone
//! ```

use std::{
    io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use tokio::sync::mpsc;

pub mod agent;
mod folder;
pub mod handover;
mod node;
mod seat;
mod signs;
mod socket;
mod stick;

use seat::Seat;

/// The hidden sub-command that mounts and reads the stick.
pub const SUBCOMMAND: &str = "key-agent";

/// What was noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// The key device is there.
    Came,
    /// It is not, or no longer.
    Gone,
    /// Another one was put in while one is there; it is not used.
    Second,
}

/// Where the key device shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Somebody else mounts it: the path of the key file.
    Folder(PathBuf),
    /// Its node among the device nodes.
    Node(PathBuf),
    /// A key agent connects to this socket.
    Agent(PathBuf),
}

/// Where the key file's bytes are to be had.
#[derive(Debug)]
pub enum Key {
    /// In this file.
    File(PathBuf),
    /// In this pipe, as [`handover`] writes it.
    Pipe(OwnedFd),
}

/// The key device as the daemon knows it.
pub struct KeyDevice {
    file: Option<PathBuf>,
    seat: Seat,
}

impl KeyDevice {
    /// Asks for the key file. Whatever becomes of it is said in the pipe.
    ///
    /// # Errors
    ///
    /// When the key device is gone by now.
    pub fn key(&self) -> io::Result<Key> {
        match &self.file {
            Some(path) => Ok(Key::File(path.clone())),
            None => self.seat.ask().map(Key::Pipe),
        }
    }
}

/// Starts to watch. The first message tells how things are at the start; the watch ends by itself
/// when the receiver is dropped.
///
/// # Errors
///
/// When the agent's socket cannot be made.
pub fn start(source: Source) -> io::Result<(KeyDevice, mpsc::UnboundedReceiver<Presence>)> {
    let (tell, told) = mpsc::unbounded_channel();
    let (sign, signs) = signs::channel();
    let seat = Seat::new(tell.clone(), sign.clone());
    let mut file = None;
    match source {
        Source::Folder(path) => {
            folder::watch(path.clone(), tell, (sign, signs));
            file = Some(path);
        }
        Source::Node(node) => {
            seat.say_empty();
            node::watch(node, seat.clone(), (sign, signs));
        }
        Source::Agent(path) => {
            seat.say_empty();
            socket::listen(&path, seat.clone())?;
        }
    }
    Ok((KeyDevice { file, seat }, told))
}

/// Returns the node that a stick named as in fstab(5) has below the folder of nodes: `LABEL=`,
/// `UUID=` or `PARTUUID=`.
#[must_use]
pub fn node(nodes: &Path, device: &str) -> Option<PathBuf> {
    let (kind, name) = device.split_once('=')?;
    let folder = match kind {
        "LABEL" => "by-label",
        "UUID" => "by-uuid",
        "PARTUUID" => "by-partuuid",
        _ => return None,
    };
    // Other characters are written in a way of udev's own.
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let fits = !name.is_empty() && name.chars().all(plain) && !name.starts_with('.');
    fits.then(|| nodes.join(folder).join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stick_is_named_as_in_fstab() {
        let nodes = Path::new("/dev/disk");
        let named = |device: &str| node(nodes, device).map(|it| it.display().to_string());

        assert_eq!(named("LABEL=MY-KEY").unwrap(), "/dev/disk/by-label/MY-KEY");
        assert_eq!(
            named("PARTUUID=0b3a-01").unwrap(),
            "/dev/disk/by-partuuid/0b3a-01"
        );
        for bad in ["MY-KEY", "LABEL=", "LABEL=../../sda", "LABEL=..", "NAME=x"] {
            assert_eq!(named(bad), None, "{bad}");
        }
    }
}
