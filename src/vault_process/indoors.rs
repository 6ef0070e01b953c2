//! The vault process without the process, for tests: the code that answers orders, and both ends of
//! its sockets, on threads of whoever asks.
//!
//! It has no walls and is given an opened vault: a test holds the key.

use std::{
    io::{self, Read as _, Write as _},
    os::unix::net::UnixStream,
    thread::{self, JoinHandle},
    time::{Duration, SystemTime},
};

use vault::{Index, IntakeKey, OpenVault};

use crate::pictures::starter;

use super::{
    MAX_ORDER_BYTES, Order, Word,
    deliveries::{BROKEN, HASHED, WHOLE},
    frame, parse,
    porter::Porter,
    serve::{Mouth, Proofs, work},
};

/// A word that does not come within this time never comes.
const PATIENCE: Duration = Duration::from_secs(60);

/// The daemon's end of a vault process that is none.
pub struct Indoors {
    control: UnixStream,
    data: UnixStream,
    porter: UnixStream,
    worker: JoinHandle<io::Result<()>>,
}

impl Indoors {
    /// Begins to serve an opened vault by this clock. `waiting` are the blobs that are still on
    /// their way into the index.
    ///
    /// # Errors
    ///
    /// The operating system's.
    pub fn start(
        opened: (OpenVault, Index),
        intake_key: IntakeKey,
        waiting: Vec<[u8; 16]>,
        clock: impl Fn() -> SystemTime + Send + 'static,
    ) -> io::Result<Self> {
        let (control, its_control) = UnixStream::pair()?;
        let (data, its_data) = UnixStream::pair()?;
        let (porter, its_porter) = UnixStream::pair()?;
        control.set_read_timeout(Some(PATIENCE))?;
        data.set_read_timeout(Some(PATIENCE))?;
        let mouth = Mouth::new(its_control.try_clone()?);
        let proofs = Proofs {
            intake_key: Some(intake_key),
            waiting,
        };
        let decoders = Some(starter::on_threads()?);
        let sockets = (its_control, its_data, decoders, its_porter);
        let worker = thread::spawn(move || work(sockets, mouth, opened, proofs, clock));
        Ok(Self {
            control,
            data,
            porter,
            worker,
        })
    }

    /// Returns who is asked about files on a stick.
    ///
    /// # Errors
    ///
    /// The operating system's.
    pub fn porter(&self) -> io::Result<Porter> {
        self.porter.try_clone().map(Porter::new)
    }

    /// Sends an order.
    ///
    /// # Errors
    ///
    /// The socket's.
    pub fn order(&mut self, order: &Order) -> io::Result<()> {
        let frame = frame(order, MAX_ORDER_BYTES).ok_or(io::ErrorKind::InvalidData)?;
        self.control.write_all(&frame)
    }

    /// Waits for the next word.
    ///
    /// # Errors
    ///
    /// The socket's, also when no word comes.
    pub fn word(&mut self) -> io::Result<Word> {
        let mut length = [0; 4];
        self.control.read_exact(&mut length)?;
        let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or_default();
        let mut body = vec![0; length];
        self.control.read_exact(&mut body)?;
        parse(&body).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// Waits for the ciphertext of the delivery that was prepared; `None` for one that was broken
    /// off.
    ///
    /// # Errors
    ///
    /// The socket's.
    pub fn ciphertext(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut ciphertext = Vec::new();
        loop {
            let mut length = [0; 4];
            self.data.read_exact(&mut length)?;
            match u32::from_le_bytes(length) {
                WHOLE => return Ok(Some(ciphertext)),
                HASHED => {
                    self.data.read_exact(&mut [0; 32])?;
                    return Ok(Some(ciphertext));
                }
                BROKEN => return Ok(None),
                length => {
                    let mut piece = vec![0; usize::try_from(length).unwrap_or_default()];
                    self.data.read_exact(&mut piece)?;
                    ciphertext.extend(piece);
                }
            }
        }
    }

    /// Closes the sockets, as a lock does, and waits for the end.
    ///
    /// # Errors
    ///
    /// What the serving ended with.
    pub fn end(self) -> io::Result<()> {
        drop((self.control, self.data, self.porter));
        self.worker
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("a thread of the vault process panicked")))
    }
}
