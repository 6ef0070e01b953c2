//! The data socket: the ciphertext of one delivery at a time, on its way to the daemon.
//!
//! It knows neither keys nor content; the hash of the content is told with the end of it.
//!
//! ```text
//! frames of length (u32, little endian) + bytes, closed by one of
//!   00000000                 whole
//!   FFFFFFFE + 32 bytes      whole, with the SHA-256 of the content
//!   FFFFFFFF                 broken off
//! ```

use std::io;

use bytes::Bytes;
use omemo::media::MediaCipher;
use serde::{Deserialize, Serialize};
use tokio::{io::AsyncReadExt as _, net::UnixStream};

/// Longest frame, in bytes.
pub const MAX_DATA_BYTES: usize = 64 * 1024;
/// Closes a delivery that is whole.
pub(super) const WHOLE: u32 = 0;
/// Closes a delivery that is whole, and says what its content hashes to.
pub(super) const HASHED: u32 = u32::MAX - 1;
/// Closes a delivery that was broken off.
pub(super) const BROKEN: u32 = u32::MAX;

/// How a file is told to a phone, which decides how it is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Form {
    /// By an `aesgcm` link.
    Link,
    /// By a description (XEP-0448), with the hash of its content.
    Description,
}

impl Form {
    /// Returns how a file is encrypted that is told in this form.
    #[must_use]
    pub fn cipher(self) -> MediaCipher {
        match self {
            Self::Link => MediaCipher::Aes256Gcm,
            // The one program that reads descriptions today leaves the tag of GCM unchecked.
            Self::Description => MediaCipher::Aes256Cbc,
        }
    }
}

/// The receiving end of the data socket.
pub struct Deliveries {
    socket: UnixStream,
    /// Whether the delivery that was begun has not come to its end yet.
    running: bool,
    sha256: Option<[u8; 32]>,
}

impl Deliveries {
    pub(super) fn new(socket: UnixStream) -> Self {
        Self {
            socket,
            running: false,
            sha256: None,
        }
    }

    /// Takes note that a delivery begins: what follows up to its end belongs to it.
    pub fn begin(&mut self) {
        self.running = true;
        self.sha256 = None;
    }

    /// Returns what the content of the last delivery hashes to, once that is whole and if it was
    /// asked for.
    #[must_use]
    pub fn sha256(&self) -> Option<[u8; 32]> {
        self.sha256
    }

    /// Returns the next piece of ciphertext, or `None` at its regular end.
    ///
    /// # Errors
    ///
    /// `BrokenPipe` when the vault process broke the delivery off or is gone.
    pub async fn next(&mut self) -> io::Result<Option<Bytes>> {
        match self.socket.read_u32_le().await? {
            WHOLE => {
                self.running = false;
                Ok(None)
            }
            HASHED => {
                let mut sha256 = [0; 32];
                self.socket.read_exact(&mut sha256).await?;
                self.sha256 = Some(sha256);
                self.running = false;
                Ok(None)
            }
            BROKEN => {
                self.running = false;
                Err(io::ErrorKind::BrokenPipe.into())
            }
            length => {
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                if length > MAX_DATA_BYTES {
                    return Err(io::ErrorKind::InvalidData.into());
                }
                let mut bytes = vec![0; length];
                self.socket.read_exact(&mut bytes).await?;
                Ok(Some(bytes.into()))
            }
        }
    }

    /// Reads on to the end of a delivery that nobody wants any more, after [`Order::Abort`].
    ///
    /// # Errors
    ///
    /// When the vault process is gone.
    ///
    /// [`Order::Abort`]: super::Order::Abort
    pub async fn drain(&mut self) -> io::Result<()> {
        while self.running {
            if let Err(error) = self.next().await
                && self.running
            {
                return Err(error);
            }
        }
        Ok(())
    }
}
