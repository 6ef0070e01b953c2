//! Checks one entry as nobody but a reader could: its blob from the drive, every chunk, the
//! padding, the hash of the content, and what the index says of it.
//!
//! Reads only. What follows from the outcome is the caller's business.

use crate::{
    folder::VaultFolder, index::Verifiable, metadata::Metadata, open::OpenVault,
    unseal::UnsealError,
};

/// What is wrong with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum Damage {
    /// Its blob is neither in its place nor set aside.
    Missing,
    /// Its blob does not hold.
    Unsound,
    /// The drive fails to read its blob.
    Unreadable,
    /// Its blob holds, and the index says other things of it.
    Differs,
}

impl Damage {
    pub(crate) fn to_byte(self) -> u8 {
        match self {
            Self::Missing => 1,
            Self::Unsound => 2,
            Self::Unreadable => 3,
            Self::Differs => 4,
        }
    }

    pub(crate) fn from_byte(byte: u8) -> Self {
        match byte {
            1 => Self::Missing,
            3 => Self::Unreadable,
            4 => Self::Differs,
            _ => Self::Unsound,
        }
    }
}

/// What a check of one entry found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// Everything holds.
    Sound {
        /// How long the content is, in bytes.
        bytes: u64,
        /// The first reading did not hold, the second did: memory or cable falter.
        at_second_reading: bool,
    },
    /// Something does not hold.
    Damaged(Damage),
    /// The caller did not want to go on.
    Stopped,
}

/// The drive holds this vault no more: nothing can be said of its files.
#[derive(Debug, thiserror::Error)]
#[error("the drive with the vault is gone or fails")]
#[non_exhaustive]
pub struct DriveGone;

/// Checks one entry, reading from the drive and not from memory; what does not hold is read once
/// more. `step` is told of every piece that was read, and answers whether to go on.
///
/// # Errors
/// When a blob cannot be had because the whole drive cannot.
pub fn check_entry(
    vault: &OpenVault,
    entry: &Verifiable,
    mut step: impl FnMut(u64) -> bool,
) -> Result<Outcome, DriveGone> {
    let mut outcome = read(vault, entry, &mut step);
    if let Outcome::Damaged(Damage::Unsound | Damage::Unreadable) = outcome {
        outcome = read(vault, entry, &mut step);
        if let Outcome::Sound {
            at_second_reading, ..
        } = &mut outcome
        {
            *at_second_reading = true;
        }
    }
    let vanished = matches!(
        outcome,
        Outcome::Damaged(Damage::Missing | Damage::Unreadable)
    );
    if vanished && !is_there(vault.folder()) {
        return Err(DriveGone);
    }
    Ok(outcome)
}

fn read(vault: &OpenVault, entry: &Verifiable, step: &mut impl FnMut(u64) -> bool) -> Outcome {
    let blob = &entry.entry.blob_id;
    vault.folder().forget_cached(blob);
    let verified = vault.reader(blob).and_then(|mut reader| {
        let whole = reader.verify_with(step)?;
        Ok((whole, reader))
    });
    // What was read for the check alone should not push out what others read.
    vault.folder().forget_cached(blob);
    match verified {
        Ok((false, _)) => Outcome::Stopped,
        Ok((true, reader)) => {
            let mark = vault
                .epochs()
                .content_mark(reader.content_hash(), reader.size());
            // The index has no place for the date; it is with the blob alone.
            let told = Metadata {
                dated: None,
                ..reader.metadata().clone()
            };
            let same = entry.mark == Some(mark)
                && entry.entry.size == reader.size()
                && entry.entry.metadata == told;
            if same {
                Outcome::Sound {
                    bytes: reader.size(),
                    at_second_reading: false,
                }
            } else {
                Outcome::Damaged(Damage::Differs)
            }
        }
        Err(UnsealError::Missing) => Outcome::Damaged(match vault.folder().is_set_aside(blob) {
            Ok(true) => Damage::Unsound,
            Ok(false) => Damage::Missing,
            Err(_) => Damage::Unreadable,
        }),
        Err(UnsealError::Io(_)) => Outcome::Damaged(Damage::Unreadable),
        Err(
            UnsealError::NotAuthentic
            | UnsealError::Malformed
            | UnsealError::Header(_)
            | UnsealError::UnknownEpoch { .. },
        ) => Outcome::Damaged(Damage::Unsound),
    }
}

/// Tells whether the folder still is this vault's.
fn is_there(folder: &VaultFolder) -> bool {
    VaultFolder::open(folder.path()).is_ok_and(|found| found.vault_id() == folder.vault_id())
}
