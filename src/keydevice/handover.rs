//! Both ends of the pipe that carries the key file from the key agent to the vault process.
//!
//! ```text
//! 1 byte    0: the key file follows, up to the end of the pipe
//!           1: there is no key file on the device
//!           2: the device could not be read
//!           3: the file is longer than any key file
//! ```
//! A pipe that is closed empty means 2: the agent is gone.

use std::{
    fs::File,
    io::{self, Read as _, Write as _},
    os::fd::OwnedFd,
};

use zeroize::Zeroizing;

/// Longest key file that is handed over, in bytes.
pub const MAX_BYTES: usize = 16 * 1024;

const FOLLOWS: u8 = 0;
const MISSING: u8 = 1;
const UNREADABLE: u8 = 2;
const TOO_LONG: u8 = 3;

/// Why there is no key file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NoKey {
    /// The device holds no key file.
    #[error("there is no key file on the device")]
    Missing,
    /// The file is longer than any key file.
    #[error("the file is longer than a key file is")]
    TooLong,
    /// The device could not be read; the agent's journal says why.
    #[error("the device could not be read")]
    Unreadable(#[source] Option<io::Error>),
}

/// Writes what was found. The pipe holds more than [`MAX_BYTES`], so this waits for nobody.
///
/// # Errors
///
/// When nobody reads any more.
pub(super) fn write(pipe: OwnedFd, found: Result<&[u8], &NoKey>) -> io::Result<()> {
    let mut pipe = File::from(pipe);
    match found {
        Ok(bytes) => {
            pipe.write_all(&[FOLLOWS])?;
            pipe.write_all(bytes)
        }
        Err(NoKey::Missing) => pipe.write_all(&[MISSING]),
        Err(NoKey::TooLong) => pipe.write_all(&[TOO_LONG]),
        Err(NoKey::Unreadable(_)) => pipe.write_all(&[UNREADABLE]),
    }
}

/// Reads to the end of the pipe.
///
/// # Errors
///
/// [`NoKey`].
pub fn read(pipe: OwnedFd) -> Result<Zeroizing<Vec<u8>>, NoKey> {
    let mut pipe = File::from(pipe);
    let mut head = [UNREADABLE];
    let first = pipe.read(&mut head);
    match (first, head) {
        (Ok(1), [FOLLOWS]) => read_file(pipe),
        (Ok(1), [MISSING]) => Err(NoKey::Missing),
        (Ok(1), [TOO_LONG]) => Err(NoKey::TooLong),
        (Ok(_), _) => Err(NoKey::Unreadable(None)),
        (Err(error), _) => Err(NoKey::Unreadable(Some(error))),
    }
}

/// Reads a file of at most [`MAX_BYTES`] into one place, which never moves: no copy stays behind.
///
/// # Errors
///
/// [`NoKey`].
pub fn read_file(mut file: File) -> Result<Zeroizing<Vec<u8>>, NoKey> {
    let mut bytes = Zeroizing::new(vec![0; MAX_BYTES + 1]);
    let mut length = 0;
    while let Some(room) = bytes.get_mut(length..).filter(|room| !room.is_empty()) {
        match file.read(room) {
            Ok(0) => {
                bytes.truncate(length);
                return Ok(bytes);
            }
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(NoKey::Unreadable(Some(error))),
        }
    }
    Err(NoKey::TooLong)
}

#[cfg(test)]
mod tests {
    use rustix::pipe::{PipeFlags, pipe_with};

    use super::*;

    fn carried(found: Result<&[u8], &NoKey>) -> Result<Zeroizing<Vec<u8>>, NoKey> {
        let (reading, writing) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        write(writing, found).unwrap();
        read(reading)
    }

    #[test]
    fn what_was_found_arrives() {
        let longest = vec![7; MAX_BYTES];

        assert_eq!(carried(Ok(b"key")).unwrap().as_slice(), b"key");
        assert_eq!(*carried(Ok(&longest)).unwrap(), longest);
        assert!(matches!(carried(Err(&NoKey::Missing)), Err(NoKey::Missing)));
        assert!(matches!(
            carried(Err(&NoKey::Unreadable(None))),
            Err(NoKey::Unreadable(None))
        ));
    }

    #[test]
    fn a_pipe_that_breaks_or_overflows_is_no_key() {
        let (reading, writing) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        drop(writing);
        assert!(matches!(read(reading), Err(NoKey::Unreadable(None))));

        let too_long = vec![7; MAX_BYTES + 1];
        assert!(matches!(carried(Ok(&too_long)), Err(NoKey::TooLong)));
    }
}
