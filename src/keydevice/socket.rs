//! The socket that a key agent of the service manager connects to.

use std::{
    fs::{self, Permissions},
    io,
    os::unix::{
        fs::PermissionsExt as _,
        net::{UnixListener, UnixStream},
    },
    path::Path,
    thread,
};

use rustix::process::geteuid;

use super::seat::Seat;

/// Makes the socket and takes whoever comes.
pub(super) fn listen(path: &Path, seat: Seat) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    thread::spawn(move || {
        for connection in listener.incoming() {
            if seat.is_closed() {
                return;
            }
            match connection {
                Ok(connection) if is_ours(&connection) => seat.take(connection),
                Ok(_) => log::warn!("a stranger on this machine connected to the key socket"),
                Err(error) => log::warn!("a key agent could not connect: {error}"),
            }
        }
    });
    Ok(())
}

/// Only root and our own user are key agents, whatever the folder's rights are.
fn is_ours(connection: &UnixStream) -> bool {
    rustix::net::sockopt::socket_peercred(connection)
        .is_ok_and(|peer| peer.uid.is_root() || peer.uid == geteuid())
}
