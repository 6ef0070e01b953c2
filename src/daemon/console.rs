//! The console: opening by what is typed at the Pi itself, through a local socket.
//!
//! The daemon reads one byte, which says what was typed, and hands the socket over to the vault
//! process, to which the text goes.
//!
//! ```text
//! strongroom unlock   -- kind -->  console.sock
//!                     <-- READY --
//!                     -- text, end -->
//!                     <-- one line of words --
//! ```

use std::{
    fs, io,
    os::{
        fd::OwnedFd,
        unix::{fs::PermissionsExt as _, net::UnixStream as StdUnixStream},
    },
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{UnixListener, UnixStream},
    sync::mpsc,
};

use super::{Daemon, Happening};
use crate::{
    keeper::{Input, reply::OpenFailure},
    vault_process::typed::Kind,
};

/// Name of the socket in the system folder, which only the daemon's own user and root may enter.
const SOCKET: &str = "console.sock";
/// How long the first byte may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// What is answered while there is nothing to open.
const OPEN_ALREADY: &str = "The vault is open already, or is being opened.\n";

/// Returns where the console's socket is.
#[must_use]
pub fn socket(system: &Path) -> PathBuf {
    system.join(SOCKET)
}

/// Somebody at the console: what was typed, and the socket that holds it.
pub(super) struct Typing {
    kind: Kind,
    socket: UnixStream,
}

/// Starts listening at the console's socket.
pub(super) fn listen(system: &Path, tell: mpsc::UnboundedSender<Happening>) -> io::Result<()> {
    let path = socket(system);
    // Left by the last run: the state's exclusive lock says that there is no other.
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&path)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
    tokio::spawn(async move {
        loop {
            match listener.accept().await {
                Ok((socket, _)) => {
                    tokio::spawn(hear(socket, tell.clone()));
                }
                Err(error) => {
                    log::warn!("the console's socket failed: {error}");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    });
    Ok(())
}

/// Takes in who is at the console and what kind of text comes. Others get silence.
async fn hear(mut socket: UnixStream, tell: mpsc::UnboundedSender<Happening>) {
    let own = rustix::process::geteuid().as_raw();
    match socket.peer_cred() {
        Ok(peer) if peer.uid() == own || peer.uid() == 0 => {}
        Ok(peer) => return log::warn!("user {} may not use the console", peer.uid()),
        Err(error) => return log::warn!("the console was used by nobody known: {error}"),
    }
    let Ok(Ok(byte)) = tokio::time::timeout(PATIENCE, socket.read_u8()).await else {
        return;
    };
    if let Some(kind) = Kind::from_console(byte) {
        // The loop is gone only when the daemon stops.
        let _ = tell.send(Happening::Console(Typing { kind, socket }));
    }
}

impl Daemon {
    /// Opens by what was typed, unless the vault is open already.
    pub(super) fn console(&mut self, typing: Typing) -> anyhow::Result<()> {
        self.typing = Some(typing);
        self.handle(Input::ConsoleUnlock)?;
        if let Some(mut refused) = self.typing.take() {
            tokio::spawn(async move {
                // Whoever typed has left.
                let _ = refused.socket.write_all(OPEN_ALREADY.as_bytes()).await;
            });
        }
        Ok(())
    }

    pub(super) fn open_by_console(&mut self) {
        let Some(typing) = self.typing.take() else {
            return self.not_typed();
        };
        let handed = typing.socket.into_std().and_then(|socket| {
            socket.set_nonblocking(false)?;
            Ok(OwnedFd::from(socket))
        });
        match handed {
            Ok(socket) => self.open(Some((typing.kind, socket))),
            Err(error) => {
                log::error!("the console's socket failed: {error}");
                self.not_typed();
            }
        }
    }

    /// Hands the code of the chat over as the console does, so that it is in no order.
    pub(super) fn open_by_code(&mut self) {
        let Some(code) = self.keeper.take_code() else {
            return self.not_typed();
        };
        let handed = StdUnixStream::pair().and_then(|(mut ours, theirs)| {
            io::Write::write_all(&mut ours, code.expose_to_vault_process().as_bytes())?;
            Ok(OwnedFd::from(theirs))
        });
        match handed {
            Ok(socket) => self.open(Some((Kind::Code, socket))),
            Err(error) => {
                log::error!("a code could not be handed over: {error}");
                self.not_typed();
            }
        }
    }

    fn not_typed(&self) {
        let why = OpenFailure::Trouble;
        self.report(Happening::Input(Input::VaultNotOpened(why)));
    }
}
