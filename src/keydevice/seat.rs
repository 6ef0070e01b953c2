//! The one connection to a key agent: while it is open, the key device is there.

use std::{
    io::{self, IoSlice},
    mem::MaybeUninit,
    net::Shutdown,
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::net::UnixStream,
    },
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg},
    pipe::{PipeFlags, pipe_with},
};
use tokio::sync::mpsc;

use super::{Presence, signs::Sign};

/// Asks for the key file; the writing end of a pipe comes with it.
pub(super) const WANTED: u8 = b'k';
/// Says that there is another key device already.
pub(super) const TAKEN: u8 = b't';

/// Where a key agent sits, if one does.
#[derive(Clone)]
pub(super) struct Seat {
    connection: Arc<Mutex<Option<Arc<UnixStream>>>>,
    tell: mpsc::UnboundedSender<Presence>,
    sign: Sign,
}

impl Seat {
    pub(super) fn new(tell: mpsc::UnboundedSender<Presence>, sign: Sign) -> Self {
        Self {
            connection: Arc::default(),
            tell,
            sign,
        }
    }

    /// Says how things are at the start.
    pub(super) fn say_empty(&self) {
        self.tell(Presence::Gone);
    }

    fn tell(&self, seen: Presence) {
        // The receiver is dropped when the daemon stops.
        let _ = self.tell.send(seen);
    }

    pub(super) fn is_taken(&self) -> bool {
        self.lock().is_some()
    }

    /// Returns whether nobody wants to know any more.
    pub(super) fn is_closed(&self) -> bool {
        self.tell.is_closed()
    }

    /// Takes a key agent's connection, and tells. The second one is sent away.
    pub(super) fn take(&self, connection: UnixStream) {
        let connection = Arc::new(connection);
        let mut place = self.lock();
        if place.is_some() {
            drop(place);
            // Whether it hears that or not, it is not used.
            let _ = rustix::net::send(&connection, &[TAKEN], SendFlags::NOSIGNAL);
            self.tell(Presence::Second);
            return;
        }
        *place = Some(Arc::clone(&connection));
        drop(place);
        self.tell(Presence::Came);
        let seat = self.clone();
        thread::spawn(move || {
            wait_for_the_end(&connection);
            *seat.lock() = None;
            seat.tell(Presence::Gone);
            // Nobody may be watching for it.
            let _ = seat.sign.send(());
        });
    }

    /// Ends the connection, if there is one: the device is known to be gone.
    pub(super) fn leave(&self) {
        if let Some(connection) = self.lock().as_ref() {
            // Closed already is as good.
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    /// Asks the agent for the key file. Returns the pipe's other end, which is for the vault
    /// process alone.
    pub(super) fn ask(&self) -> io::Result<OwnedFd> {
        let connection = self.lock().clone().ok_or(io::ErrorKind::NotConnected)?;
        let (reading, writing) = pipe_with(PipeFlags::CLOEXEC)?;
        let descriptors = [writing.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !control.push(SendAncillaryMessage::ScmRights(&descriptors)) {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        sendmsg(&connection, &[IoSlice::new(&[WANTED])], &mut control, flags)?;
        Ok(reading)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<UnixStream>>> {
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits until the connection is closed. An agent has nothing to say: one that speaks is none.
fn wait_for_the_end(connection: &UnixStream) {
    loop {
        let mut table = [PollFd::new(connection, PollFlags::IN | PollFlags::RDHUP)];
        match poll(&mut table, None) {
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seat() -> (Seat, mpsc::UnboundedReceiver<Presence>) {
        let (tell, told) = mpsc::unbounded_channel();
        let (sign, _) = super::super::signs::channel();
        (Seat::new(tell, sign), told)
    }

    #[test]
    fn a_closed_connection_is_a_key_device_that_is_gone() {
        let (seat, mut told) = seat();
        let (ours, its) = UnixStream::pair().unwrap();

        seat.take(ours);
        assert_eq!(told.blocking_recv(), Some(Presence::Came));
        assert!(seat.ask().is_ok());
        drop(its);

        assert_eq!(told.blocking_recv(), Some(Presence::Gone));
        assert!(seat.ask().is_err());
    }

    #[test]
    fn a_second_key_device_is_not_used_and_does_no_harm() {
        let (seat, mut told) = seat();
        let (first, its_first) = UnixStream::pair().unwrap();
        let (second, its_second) = UnixStream::pair().unwrap();
        seat.take(first);
        seat.take(second);
        assert_eq!(told.blocking_recv(), Some(Presence::Came));
        assert_eq!(told.blocking_recv(), Some(Presence::Second));

        drop(its_second);
        assert!(seat.is_taken() && told.try_recv().is_err());

        drop(its_first);
        assert_eq!(told.blocking_recv(), Some(Presence::Gone));
    }

    #[test]
    fn an_agent_that_speaks_is_none() {
        let (seat, mut told) = seat();
        let (ours, mut its) = UnixStream::pair().unwrap();
        seat.take(ours);
        assert_eq!(told.blocking_recv(), Some(Presence::Came));

        io::Write::write_all(&mut its, b"x").unwrap();

        assert_eq!(told.blocking_recv(), Some(Presence::Gone));
    }
}
