//! Files that go onto a stick, or may be in the vault already: questions one at a time on a socket of
//! their own, and descriptors with them.
//!
//! The daemon opens a file on the stick and hands it over; the vault process writes the content into it,
//! or compares. So the daemon sees no content, and the vault process sees no stick.
//!
//! ```text
//! daemon  -- 1 byte, with the file for `Take` --, then a frame: Ask -->  vault process
//! daemon  <-- a frame: Told --  vault process
//! ```

use std::{
    fs::File,
    io::{self, Read as _, Write as _},
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::net::UnixStream,
    },
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use vault::index::Search;

use super::{MAX_FRAME_BYTES, frame, parse, typed};

/// Most bytes of content that one question is about.
pub const PIECE_BYTES: u64 = 8 * 1024 * 1024;

/// Which entries are meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Lot {
    /// Those that are like this.
    Like(Search),
    /// Those with these numbers, both ends included; (0, n) is the newest n.
    These(Vec<(u64, u64)>),
}

/// An entry that may go onto a stick.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Its number.
    pub number: u64,
    /// Its name, as it came.
    pub name: String,
    /// Size of its content, in bytes.
    pub bytes: u64,
    /// Its album.
    pub album: Option<String>,
    /// When it was taken, sent or received, in seconds since 1970.
    pub at: i64,
}

/// What is asked.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Ask {
    /// Which entries there are, highest number first.
    List {
        /// Which.
        lot: Lot,
        /// Only lower numbers.
        before: Option<u64>,
    },
    /// From now on it is about this entry, and the file that comes with this.
    Take {
        /// The entry.
        number: u64,
    },
    /// Write a piece of its content into the file.
    Write {
        /// Where it begins.
        from: u64,
    },
    /// Have all of it on the disk, and forget what memory still holds of it.
    Settle,
    /// Read a piece of the file; the pieces come in order.
    Read {
        /// Where it begins.
        from: u64,
    },
    /// Say whether what was read is the content, from end to end.
    Compare,
    /// Let go of the file.
    Leave,
    /// Whether an entry has this content; one in the trash is taken out of it.
    Has {
        /// BLAKE3 of it.
        hash: [u8; 32],
        /// Its length.
        bytes: u64,
    },
}

/// What is answered.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Told {
    /// To `List`.
    Items {
        /// Highest number first.
        items: Vec<Item>,
        /// Whether there are lower ones.
        more: bool,
    },
    /// It is done.
    Done,
    /// To `Compare` and `Has`.
    Is(bool),
    /// The entry does not open, or is gone.
    Unsound,
    /// The file on the stick failed, with this error of the system.
    File(Option<i32>),
    /// The index did not answer.
    Trouble,
}

/// Why something did not come about.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PorterError {
    /// The vault process is gone, or its index failed.
    #[error("the vault process is gone")]
    Gone(#[source] io::Error),
    /// The entry does not open, or is gone.
    #[error("the entry does not open")]
    Unsound,
    /// The file on the stick could not be written or read.
    #[error("the file on the stick failed")]
    File(#[source] io::Error),
}

/// The daemon's end.
pub struct Porter(UnixStream);

impl Porter {
    /// Speaks on this socket.
    #[must_use]
    pub fn new(socket: UnixStream) -> Self {
        Self(socket)
    }

    /// Lists entries before a number, highest first; also says whether there are more.
    ///
    /// # Errors
    ///
    /// [`PorterError`].
    pub fn list(
        &mut self,
        lot: &Lot,
        before: Option<u64>,
    ) -> Result<(Vec<Item>, bool), PorterError> {
        let lot = lot.clone();
        let told = self.ask(&Ask::List { lot, before }, None)?;
        let Told::Items { items, more } = told else {
            return Err(unexpected(&told));
        };
        Ok((items, more))
    }

    /// Turns to this entry and this file.
    ///
    /// # Errors
    ///
    /// [`PorterError`].
    pub fn take(&mut self, number: u64, file: &File) -> Result<(), PorterError> {
        done(self.ask(&Ask::Take { number }, Some(file))?)
    }

    /// Writes the piece of content that begins there.
    ///
    /// # Errors
    ///
    /// [`PorterError`].
    pub fn write(&mut self, from: u64) -> Result<(), PorterError> {
        done(self.ask(&Ask::Write { from }, None)?)
    }

    /// Has all that was written on the disk.
    ///
    /// # Errors
    ///
    /// [`PorterError`].
    pub fn settle(&mut self) -> Result<(), PorterError> {
        done(self.ask(&Ask::Settle, None)?)
    }

    /// Reads the piece of the file that begins there.
    ///
    /// # Errors
    ///
    /// [`PorterError`].
    pub fn read(&mut self, from: u64) -> Result<(), PorterError> {
        done(self.ask(&Ask::Read { from }, None)?)
    }

    /// Returns whether what was read is the entry's content.
    ///
    /// # Errors
    ///
    /// [`PorterError`].
    pub fn is_same(&mut self) -> Result<bool, PorterError> {
        yes(self.ask(&Ask::Compare, None)?)
    }

    /// Has the vault process let go of the file.
    ///
    /// # Errors
    ///
    /// [`PorterError`].
    pub fn leave(&mut self) -> Result<(), PorterError> {
        done(self.ask(&Ask::Leave, None)?)
    }

    /// Returns whether an entry has this content.
    ///
    /// # Errors
    ///
    /// [`PorterError`].
    pub fn has(&mut self, hash: [u8; 32], bytes: u64) -> Result<bool, PorterError> {
        yes(self.ask(&Ask::Has { hash, bytes }, None)?)
    }

    fn ask(&mut self, ask: &Ask, file: Option<&File>) -> Result<Told, PorterError> {
        let asked = || -> io::Result<Told> {
            let files: Vec<_> = file.iter().map(|it| it.as_fd()).collect();
            typed::hand_over(&self.0, &files)?;
            write_frame(&mut &self.0, ask)?;
            read_frame(&mut &self.0)
        };
        match asked().map_err(PorterError::Gone)? {
            Told::Unsound => Err(PorterError::Unsound),
            Told::File(code) => Err(PorterError::File(match code {
                Some(code) => io::Error::from_raw_os_error(code),
                None => io::ErrorKind::Other.into(),
            })),
            Told::Trouble => Err(PorterError::Gone(io::ErrorKind::Other.into())),
            told @ (Told::Items { .. } | Told::Done | Told::Is(_)) => Ok(told),
        }
    }
}

fn done(told: Told) -> Result<(), PorterError> {
    let Told::Done = told else {
        return Err(unexpected(&told));
    };
    Ok(())
}

fn yes(told: Told) -> Result<bool, PorterError> {
    let Told::Is(answer) = told else {
        return Err(unexpected(&told));
    };
    Ok(answer)
}

fn unexpected(told: &Told) -> PorterError {
    log::error!("the vault process answered what was not asked: {told:?}");
    PorterError::Gone(io::ErrorKind::InvalidData.into())
}

/// Reads the next question and the file that comes with it; `None` once nobody asks any more.
pub(super) fn next(socket: &UnixStream) -> Option<(Ask, Option<OwnedFd>)> {
    let handed = typed::take_over(socket).ok()?;
    let ask = read_frame(&mut &*socket).ok()?;
    Some((ask, handed.into_iter().next()))
}

/// Writes one frame.
///
/// # Errors
///
/// The operating system's, or when it is too long.
pub fn write_frame<T: Serialize>(socket: &mut &UnixStream, value: &T) -> io::Result<()> {
    let frame = frame(value, MAX_FRAME_BYTES).ok_or(io::ErrorKind::InvalidData)?;
    socket.write_all(&frame)
}

/// Reads one frame.
///
/// # Errors
///
/// The operating system's, or when it makes no sense.
pub fn read_frame<T: DeserializeOwned>(socket: &mut &UnixStream) -> io::Result<T> {
    let mut length = [0; 4];
    socket.read_exact(&mut length)?;
    let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
    if length > MAX_FRAME_BYTES {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut body = vec![0; length];
    socket.read_exact(&mut body)?;
    parse(&body).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_question_panics(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse::<Ask>(&body);
            let _ = parse::<Told>(&body);
        }
    }
}
