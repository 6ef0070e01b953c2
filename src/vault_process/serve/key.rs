//! The key that the vault is opened with, from a file, a pipe, or what somebody types; and the
//! opening.

use std::{
    fs::File,
    io,
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::{Path, PathBuf},
};

use vault::{
    BlobId, Index, IndexError, IntakeKey, OpenError, OpenVault, PublicHalf, SlotSecret,
    key::file::KeyFileError, open::custody::Standing,
};
use zeroize::Zeroizing;

use crate::{
    keydevice::handover::{self, Found, NoKey, REVOKE_FILE},
    vault_process::{Shut, typed::Typed},
};

/// Opens what the key is read from, without reading.
pub(super) fn find_key(key_file: Option<PathBuf>, pipe: Option<OwnedFd>) -> Result<File, Shut> {
    match (key_file, pipe) {
        (Some(path), _) => File::open(path).map_err(|error| missing(&error)),
        (None, Some(pipe)) => Ok(File::from(pipe)),
        (None, None) => Err(Shut::UnreadableKey),
    }
}

pub(super) fn read_intake_key(path: &Path) -> Option<IntakeKey> {
    let text = Zeroizing::new(std::fs::read(path).ok()?);
    IntakeKey::from_card(&text)
}

pub(super) fn missing(error: &io::Error) -> Shut {
    log::warn!("the key file could not be opened: {error}");
    if error.kind() == io::ErrorKind::NotFound {
        Shut::NoKeyFile
    } else {
        Shut::UnreadableKey
    }
}

/// Opens the list of lost devices beside the key file, without reading.
pub(super) fn find_list(key_file: &Path) -> Option<File> {
    File::open(key_file.with_file_name(REVOKE_FILE)).ok()
}

pub(super) fn read_key(file: File, list: Option<File>, from_pipe: bool) -> Result<Found, Shut> {
    let read = if from_pipe {
        handover::read(file.into())
    } else {
        handover::read_file(file).map(|key| Found {
            key,
            revoked: list.and_then(handover::read_list),
        })
    };
    read.map_err(|error| {
        log::warn!("{error}");
        match error {
            NoKey::Missing => Shut::NoKeyFile,
            NoKey::TooLong => Shut::BrokenKeyFile,
            NoKey::Unreadable(_) => Shut::UnreadableKey,
        }
    })
}

/// Makes the slot secret of what is typed or of the key device's file. Whoever typed is still to be
/// told whether it opens the vault.
pub(super) fn secret(
    typed: Option<Typed>,
    key: Result<Zeroizing<Vec<u8>>, Shut>,
    folder: &Path,
) -> Result<(SlotSecret, Option<UnixStream>), Shut> {
    match typed {
        None => Ok((key_on_device(&key?)?, None)),
        Some(typed) => {
            let (secret, typist) = typed.hear(folder, key.ok())?;
            Ok((secret, Some(typist)))
        }
    }
}

fn key_on_device(key_file: &[u8]) -> Result<SlotSecret, Shut> {
    let key = SlotSecret::from_key_file(key_file).map_err(|error| {
        log::warn!("the key file cannot be used: {error}");
        match error {
            KeyFileError::TooNew { .. } => Shut::TooNew,
            KeyFileError::WantsPassphrase => Shut::WantsPassphrase,
            KeyFileError::Empty
            | KeyFileError::NotAKey
            | KeyFileError::HalfWritten { .. }
            | KeyFileError::Damaged
            | _ => Shut::BrokenKeyFile,
        }
    })?;
    Ok(key.secret)
}

/// Opens the vault and its index, if the public half on the card is the vault's.
pub(super) fn open(
    folder: &Path,
    secret: &SlotSecret,
    public_half: &[u8],
    waiting: &[[u8; 16]],
) -> Result<(OpenVault, Index), Shut> {
    let now = crate::clock::now();
    let vault = OpenVault::open(folder, secret, now).map_err(|error| {
        log::warn!("the vault did not open: {error}");
        match error {
            OpenError::NotAVault => Shut::NoVault,
            OpenError::WrongKey { .. } => Shut::WrongKey,
            OpenError::TooNew { .. } => Shut::TooNew,
            OpenError::DamagedSlot
            | OpenError::NoSlots
            | OpenError::DamagedEpoch { .. }
            | OpenError::Io(_)
            | _ => Shut::Trouble,
        }
    })?;
    let standing = PublicHalf::from_bytes(public_half).map(|half| vault.standing_of(&half));
    if !matches!(standing, Ok(Standing::Newest | Standing::Older)) {
        log::error!("the public half on the system card is not this vault's");
        return Err(Shut::ForeignPublicHalf);
    }
    let waiting: Vec<BlobId> = waiting.iter().copied().map(BlobId::from_bytes).collect();
    let (index, how) = Index::open_leaving(&vault, &waiting, now).map_err(|error| {
        log::error!("the index did not open: {error}");
        shut_by(&error)
    })?;
    log::info!("the index is open ({how:?})");
    Ok((vault, index))
}

/// Tells why an index keeps the vault shut.
fn shut_by(error: &IndexError) -> Shut {
    if matches!(error, IndexError::TooNew) {
        Shut::TooNew
    } else {
        Shut::Trouble
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_of_a_newer_program_is_not_told_as_trouble_with_the_drive() {
        assert_eq!(shut_by(&IndexError::TooNew), Shut::TooNew);
        assert_eq!(shut_by(&IndexError::Broken), Shut::Trouble);
    }
}
