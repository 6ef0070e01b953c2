//! The key agent: a process of its own, as root, for as long as one stick is in.
//!
//! It holds a connection to the daemon open, and no secret: asked for the key file, it mounts the
//! stick where nobody sees it, reads the one file, lets the stick go and writes the bytes into a
//! pipe whose other end the vault process has. When the stick is gone, so is the agent.

use std::{
    io::{self, IoSliceMut},
    mem::MaybeUninit,
    net::Shutdown,
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::net::UnixStream,
    },
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use super::{
    handover::{self, NoKey},
    seat::{TAKEN, WANTED},
    signs,
    stick::Stick,
};

/// How often to look without any sign.
const LOOK: Duration = Duration::from_secs(1);

/// What the agent is told on the command line.
#[derive(clap::Args)]
pub struct Agent {
    /// The key stick's device node
    #[arg(long, value_name = "NODE")]
    device: PathBuf,
    /// The daemon's key socket (the setting keydevice.agent); without, standard input is the
    /// connection
    #[arg(long, value_name = "SOCKET")]
    socket: Option<PathBuf>,
}

/// Serves until the stick is gone. `file` is the name of the key file on it.
///
/// # Errors
///
/// When there is no such stick, or its going could not be noticed.
pub fn run(agent: &Agent, file: &str) -> io::Result<()> {
    let stick = Stick::find(&agent.device)?;
    let line = Line::default();
    watch(&stick, &line)?;
    let Some(socket) = &agent.socket else {
        let connection = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
        line.connected(connection.try_clone()?);
        return serve(&stick, &connection, file).map(|_| ());
    };
    while stick.is_there() {
        if let Some(connection) = connect(socket) {
            line.connected(connection.try_clone()?);
            if serve(&stick, &connection, file)? == End::Taken {
                log::warn!("another key stick is in: this one is not used until it is put in anew");
                connection.shutdown(Shutdown::Both)?;
                return wait_until_gone(&stick);
            }
            line.cut();
        }
        // The daemon is starting, or starting again.
        thread::sleep(LOOK);
    }
    Ok(())
}

/// The connection of the moment, which ends with the stick.
#[derive(Clone, Default)]
struct Line(Arc<Mutex<(Option<UnixStream>, bool)>>);

impl Line {
    fn connected(&self, connection: UnixStream) {
        let mut line = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        line.0 = Some(connection);
        if line.1 {
            drop(line);
            self.cut();
        }
    }

    /// Ends the connection, if there is one.
    fn cut(&self) {
        let mut line = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(connection) = line.0.take() {
            // Closed already is as good.
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    /// Ends it, and each later one.
    fn gone(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1 = true;
        self.cut();
    }
}

fn connect(socket: &Path) -> Option<UnixStream> {
    UnixStream::connect(socket)
        .map_err(|error| log::debug!("the daemon is not there: {error}"))
        .ok()
}

/// How a connection ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Closed,
    Taken,
}

/// Ends the connection as soon as the stick is gone.
fn watch(stick: &Stick, line: &Line) -> io::Result<()> {
    let (sign, signs) = signs::channel();
    signs::watch_devices(sign.clone());
    let watched = signs::watch_folders(stick.folders().into_iter(), None, &sign);
    let (stick, line) = (stick.clone(), line.clone());
    thread::Builder::new().spawn(move || {
        let _watched = watched;
        let _sign = sign;
        while stick.is_there() {
            if !signs::wait(&signs, LOOK) {
                break;
            }
        }
        line.gone();
    })?;
    Ok(())
}

/// Does not come back to the daemon, so that it is told of this stick once.
fn wait_until_gone(stick: &Stick) -> io::Result<()> {
    while stick.is_there() {
        thread::sleep(LOOK);
    }
    Ok(())
}

/// Answers the daemon until the connection is closed.
fn serve(stick: &Stick, connection: &UnixStream, file: &str) -> io::Result<End> {
    loop {
        let mut byte = [0];
        let (read, pipe) = receive(connection, &mut byte)?;
        match (read, byte, pipe) {
            (1, [WANTED], Some(pipe)) => hand_over(stick, file, pipe),
            (1, [TAKEN], None) => return Ok(End::Taken),
            _ => return Ok(End::Closed),
        }
    }
}

fn receive(connection: &UnixStream, byte: &mut [u8; 1]) -> io::Result<(usize, Option<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut parts = [IoSliceMut::new(byte)];
    let read = loop {
        match recvmsg(
            connection,
            &mut parts,
            &mut control,
            RecvFlags::CMSG_CLOEXEC,
        ) {
            Err(rustix::io::Errno::INTR) => {}
            // The daemon was killed with words of ours unread.
            Err(rustix::io::Errno::CONNRESET) => return Ok((0, None)),
            other => break other?,
        }
    };
    let pipe = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        RecvAncillaryMessage::ScmCredentials(_) | _ => None,
    });
    Ok((read.bytes, pipe))
}

fn hand_over(stick: &Stick, file: &str, pipe: OwnedFd) {
    let found = stick.read(file);
    if let Err(error) = &found {
        let why = match error {
            NoKey::Unreadable(Some(error)) => error.to_string(),
            NoKey::Unreadable(None) | NoKey::Missing | NoKey::TooLong => String::new(),
        };
        log::warn!("{error} {why}");
    }
    let written = handover::write(pipe, found.as_ref());
    if let Err(error) = written {
        log::info!("nobody waits for the key any more: {error}");
    }
}
