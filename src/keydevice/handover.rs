//! Both ends of the pipe that carries the key file from the key agent to the vault process, and
//! the list of lost devices that may lie beside it.
//!
//! ```text
//! 1 byte    0: the key file follows, up to the end of the pipe
//!           1: there is no key file on the device
//!           2: the device could not be read
//!           3: the file is longer than any key file
//!           4: length of the key file (u16, little endian), the key file, and the list of lost
//!              devices up to the end of the pipe
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

/// The list of lost devices beside the key file.
pub const REVOKE_FILE: &str = "revoke.txt";

const FOLLOWS: u8 = 0;
const MISSING: u8 = 1;
const UNREADABLE: u8 = 2;
const TOO_LONG: u8 = 3;
const BOTH_FOLLOW: u8 = 4;

/// What was on the device.
pub struct Found {
    /// The key file.
    pub key: Zeroizing<Vec<u8>>,
    /// The list of lost devices, if there is one; one that is too long is taken for none.
    pub revoked: Option<Vec<u8>>,
}

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

/// Writes what was found. The pipe holds more than twice [`MAX_BYTES`], so this waits for nobody.
///
/// # Errors
///
/// When nobody reads any more.
pub(super) fn write(pipe: OwnedFd, found: Result<&Found, &NoKey>) -> io::Result<()> {
    let mut pipe = File::from(pipe);
    match found {
        Ok(Found { key, revoked: None }) => {
            pipe.write_all(&[FOLLOWS])?;
            pipe.write_all(key)
        }
        Ok(Found {
            key,
            revoked: Some(revoked),
        }) => {
            let length = u16::try_from(key.len()).map_err(|_| io::ErrorKind::InvalidData)?;
            pipe.write_all(&[BOTH_FOLLOW])?;
            pipe.write_all(&length.to_le_bytes())?;
            pipe.write_all(key)?;
            pipe.write_all(revoked)
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
pub fn read(pipe: OwnedFd) -> Result<Found, NoKey> {
    let mut pipe = File::from(pipe);
    let mut head = [UNREADABLE];
    let first = pipe.read(&mut head);
    match (first, head) {
        (Ok(1), [FOLLOWS]) => Ok(Found {
            key: read_file(pipe)?,
            revoked: None,
        }),
        (Ok(1), [BOTH_FOLLOW]) => read_both(pipe),
        (Ok(1), [MISSING]) => Err(NoKey::Missing),
        (Ok(1), [TOO_LONG]) => Err(NoKey::TooLong),
        (Ok(_), _) => Err(NoKey::Unreadable(None)),
        (Err(error), _) => Err(NoKey::Unreadable(Some(error))),
    }
}

fn read_both(mut pipe: File) -> Result<Found, NoKey> {
    let unreadable = |error| NoKey::Unreadable(Some(error));
    let mut length = [0; 2];
    pipe.read_exact(&mut length).map_err(unreadable)?;
    let length = usize::from(u16::from_le_bytes(length));
    if length > MAX_BYTES {
        return Err(NoKey::TooLong);
    }
    let mut key = Zeroizing::new(vec![0; length]);
    pipe.read_exact(&mut key).map_err(unreadable)?;
    let revoked = read_list(pipe);
    Ok(Found { key, revoked })
}

/// Reads the list of lost devices. One that cannot be read, or is longer than any, is none: it must
/// not keep the vault shut.
#[must_use]
pub fn read_list(file: File) -> Option<Vec<u8>> {
    match read_file(file) {
        Ok(list) => Some(list.to_vec()),
        Err(error) => {
            log::warn!("{REVOKE_FILE} on the key device was not read: {error}");
            None
        }
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

    fn found(key: &[u8], revoked: Option<&[u8]>) -> Found {
        Found {
            key: Zeroizing::new(key.to_vec()),
            revoked: revoked.map(<[u8]>::to_vec),
        }
    }

    fn carried(found: Result<&Found, &NoKey>) -> Result<Found, NoKey> {
        let (reading, writing) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        write(writing, found).unwrap();
        read(reading)
    }

    #[test]
    fn what_was_found_arrives() {
        let longest = vec![7; MAX_BYTES];

        for (key, revoked) in [
            (b"key".as_slice(), None),
            (&longest, None),
            (b"key", Some(b"list".as_slice())),
            (b"key", Some(b"")),
            (&longest, Some(&longest)),
        ] {
            let carried = carried(Ok(&found(key, revoked))).unwrap();

            assert_eq!(
                (carried.key.as_slice(), carried.revoked.as_deref()),
                (key, revoked)
            );
        }
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
        let sent = found(&too_long, None);
        assert!(matches!(carried(Ok(&sent)), Err(NoKey::TooLong)));
        let sent = found(&too_long, Some(b"list"));
        assert!(matches!(carried(Ok(&sent)), Err(NoKey::TooLong)));
        // A list like that keeps nobody out of the vault.
        let sent = found(b"key", Some(&too_long));
        let carried = carried(Ok(&sent)).unwrap();
        assert_eq!(
            (carried.key.as_slice(), carried.revoked),
            (b"key".as_slice(), None)
        );
    }
}
