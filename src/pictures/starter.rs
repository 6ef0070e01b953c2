//! Starts decoders for whoever asks on a socket, and ends those that take too long. This is the
//! daemon's part: it passes sockets on and sees nothing that goes through them.

use std::{
    io::{self, IoSlice},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream as StdUnixStream,
    },
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use tokio::{
    io::AsyncReadExt as _,
    net::UnixStream,
    process::{Child, Command},
    sync::Semaphore,
    task::JoinSet,
};

use super::{MAX_SECONDS, SUBCOMMAND};

/// This very program: also right after an upgrade has replaced its file. proc(5)
const OWN_PROGRAM: &str = "/proc/self/exe";
/// Decoders at a time: one for what the owner waits for, one for thumbnails.
const AT_A_TIME: usize = 2;
/// Answers that a decoder comes with this byte.
pub(super) const HERE: u8 = 1;
/// Answers that none could be started.
pub(super) const NONE: u8 = 0;

/// How decoders are started.
#[derive(Debug, Clone)]
pub struct Starter {
    /// The program that is one of ours.
    pub program: PathBuf,
    /// How long each may live.
    pub patience: Duration,
}

impl Default for Starter {
    fn default() -> Self {
        Self {
            program: PathBuf::from(OWN_PROGRAM),
            patience: Duration::from_secs(MAX_SECONDS),
        }
    }
}

/// Starts a decoder for each byte that comes, until the other end closes. What still runs then is
/// killed, and with this future when it is dropped.
pub async fn serve(mut socket: UnixStream, how: Starter) {
    let places = Arc::new(Semaphore::new(AT_A_TIME));
    let mut running = JoinSet::new();
    while socket.read_u8().await.is_ok() {
        while running.try_join_next().is_some() {}
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let told = match start(&how.program) {
            Ok((child, theirs)) => {
                let patience = how.patience;
                running.spawn(async move {
                    end_in_time(child, patience).await;
                    drop(place);
                });
                tell(&socket, HERE, Some(theirs.as_fd()))
            }
            Err(error) => {
                log::error!("no decoder could be started: {error}");
                tell(&socket, NONE, None)
            }
        };
        if let Err(error) = told {
            log::warn!("a decoder could not be passed on: {error}");
            return;
        }
    }
}

fn start(program: &Path) -> io::Result<(Child, OwnedFd)> {
    let (ours, theirs) = StdUnixStream::pair()?;
    let child = Command::new(program)
        .arg(SUBCOMMAND)
        .env_clear()
        .stdin(Stdio::from(OwnedFd::from(ours)))
        // What a decoder has to say is no line in the log: it may be anybody's by then.
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    Ok((child, theirs.into()))
}

/// Waits until it ends, which is the same whether it did its work or died of it.
async fn end_in_time(mut child: Child, patience: Duration) {
    let ended = tokio::time::timeout(patience, child.wait()).await;
    if ended.is_err() {
        log::info!("a picture took too long");
        if let Err(error) = child.kill().await {
            log::error!("a decoder could not be killed: {error}");
        }
    }
}

/// Serves decoders on threads of this process, without walls, for tests whose pictures are their
/// own. Returns the socket to ask on.
///
/// # Errors
///
/// The operating system's.
#[cfg(any(test, feature = "peers"))]
pub fn on_threads() -> io::Result<StdUnixStream> {
    use std::{io::Read as _, thread};

    let (socket, mut asked) = StdUnixStream::pair()?;
    thread::spawn(move || {
        while asked.read_exact(&mut [0]).is_ok() {
            let passed = StdUnixStream::pair().and_then(|(theirs, mut ours)| {
                thread::spawn(move || super::decoder::work(&mut ours));
                tell(&asked, HERE, Some(theirs.as_fd()))
            });
            if passed.is_err() {
                return;
            }
        }
    });
    Ok(socket)
}

fn tell(socket: &impl AsFd, byte: u8, with: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let descriptors: Vec<BorrowedFd<'_>> = with.into_iter().collect();
    if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(&descriptors)) {
        return Err(io::ErrorKind::OutOfMemory.into());
    }
    sendmsg(
        socket,
        &[IoSlice::new(&[byte])],
        &mut ancillary,
        SendFlags::NOSIGNAL,
    )?;
    Ok(())
}
