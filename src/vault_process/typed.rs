//! A key that somebody types: a code, recovery words, or the passphrase of a key device.
//!
//! The text goes through a socket of its own whose reading end is handed over to the vault process
//! before the first order: it is in no order, and the daemon reads none of what the console sends.
//!
//! ```text
//! data (its stdout)   daemon  -- 1 byte, with the socket -->  vault process
//! the socket          console or daemon  -- the text -->  vault process, up to its end
//!                     console  <-- one line of words --  vault process
//! ```

use std::{
    io::{self, IoSlice, IoSliceMut, Read as _, Write as _},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    time::Duration,
};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize};
use vault::{
    KeyFile, LockedKey, PepperFile, SlotSecret, UnlockCode, VaultId, WordsError, key::file,
};
use zeroize::Zeroizing;

use super::Shut;

/// Longest text, in bytes: 24 words, numbered and spread out.
const MAX_BYTES: usize = 4096;
/// How long the text may take: whoever types has typed before.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// A code from the chat, which opens with the pepper file's help.
    Code,
    /// Recovery words.
    Words,
    /// The passphrase of the key device that is in.
    Passphrase,
}

impl Kind {
    /// Returns the byte that names it on the console's socket.
    #[must_use]
    pub fn byte(self) -> u8 {
        match self {
            Self::Code => b'c',
            Self::Words => b'w',
            Self::Passphrase => b'p',
        }
    }

    /// Reads the byte that the console sends first. A code is for the chat only, where its tries
    /// are counted.
    #[must_use]
    pub fn from_console(byte: u8) -> Option<Self> {
        [Self::Words, Self::Passphrase]
            .into_iter()
            .find(|it| it.byte() == byte)
    }
}
