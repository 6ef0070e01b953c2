//! Gives blobs of older epochs a fresh file key under the newest: after that, whoever had a
//! revoked key and the slot record of its day opens none of them.
//!
//! A blob keeps its name, so index, change log and jobs stay true. Each one is read whole, sealed
//! under the temporary name, made durable, read back, and put in the place of the old one by a
//! rename: at every instant the drive has one whole blob of that name. What is done is seen by the
//! epoch in the header, so nothing has to be remembered and a cut-short run is simply repeated.
//!
//! Blobs that the change log does not name are left: the proof of their origin, kept on the system
//! card, names the header they have now.

use std::{
    collections::HashSet,
    io::{self, Read as _, Write as _},
};

use rand_core::TryCryptoRng;
use zeroize::Zeroizing;

use crate::{
    blob_store::{Sealer, StoreError},
    change_log::{Change, ChangeLog, Look},
    id::BlobId,
    open::OpenVault,
    unseal::UnsealError,
};

/// Bytes unsealed at a time.
const PIECE_BYTES: usize = 256 * 1024;

/// Why blobs could not be resealed. What was done is done, and doing it again goes on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResealError {
    /// The drive failed while reading.
    #[error("the drive could not be read")]
    Read(#[source] io::Error),
    /// The drive failed while writing, or is full.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What was written does not read back as what was there; the old blob was kept.
    #[error("the drive gives back other bytes than were written")]
    BadDrive(#[source] UnsealError),
}

/// How far a run has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Blobs resealed by this run.
    pub blobs: u64,
    /// Blobs of older epochs when it began.
    pub of_blobs: u64,
    /// Bytes of blobs read so far.
    pub bytes: u64,
    /// Bytes of all those blobs.
    pub of_bytes: u64,
}

/// What a run did.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Resealed {
    /// Blobs that have a fresh key now.
    pub blobs: u64,
    /// Blobs that were left, because they are still to be taken in: they wait for the key, or for
    /// the owner's word.
    pub left: Vec<BlobId>,
    /// Blobs that do not open; they were not touched.
    pub unreadable: Vec<(BlobId, UnsealError)>,
    /// Whether `go_on` ended the run early.
    pub stopped: bool,
}

/// Reseals every settled blob of an older epoch. `go_on` is told of each step, and answers whether
/// to take the next.
///
/// # Errors
/// When the drive fails. No blob is lost then.
pub fn reseal(
    vault: &OpenVault,
    rng: &mut impl TryCryptoRng,
    mut go_on: impl FnMut(Progress) -> bool,
) -> Result<Resealed, ResealError> {
    let sealer = Sealer::new(&vault.public_half(), vault.folder().clone())?;
    let (todo, mut resealed) = survey(vault)?;
    let mut progress = Progress {
        of_blobs: todo.len() as u64,
        of_bytes: todo.iter().map(|(_, bytes)| *bytes).sum(),
        ..Progress::default()
    };
    for (blob, bytes) in todo {
        let before = progress.bytes;
        let step = |read: u64| {
            progress.bytes = before + read.min(bytes);
            go_on(progress)
        };
        match reseal_one(vault, &sealer, &blob, rng, step) {
            Ok(true) => {
                resealed.blobs += 1;
                progress.blobs += 1;
            }
            Ok(false) => {
                resealed.stopped = true;
                return Ok(resealed);
            }
            Err(Failed::Unreadable(error)) => resealed.unreadable.push((blob, error)),
            Err(Failed::Whole(error)) => return Err(error),
        }
        progress.bytes = before + bytes;
        if !go_on(progress) {
            resealed.stopped = true;
            break;
        }
    }
    Ok(resealed)
}

/// Counts what [`reseal`] would do, and reads no content.
///
/// # Errors
/// When the drive fails.
pub fn survey_older(vault: &OpenVault) -> Result<Progress, ResealError> {
    let (todo, _) = survey(vault)?;
    Ok(Progress {
        of_blobs: todo.len() as u64,
        of_bytes: todo.iter().map(|(_, bytes)| *bytes).sum(),
        ..Progress::default()
    })
}

/// Why one blob was not resealed.
enum Failed {
    /// It does not open; others may.
    Unreadable(UnsealError),
    /// The drive failed, and with it the run.
    Whole(ResealError),
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self::Whole(error.into())
    }
}

/// Finds the blobs of older epochs that are to be resealed, with their lengths.
fn survey(vault: &OpenVault) -> Result<(Vec<(BlobId, u64)>, Resealed), ResealError> {
    let settled = settled(vault).map_err(ResealError::Read)?;
    let newest = vault.public_half().epoch;
    let (mut todo, mut resealed) = (Vec::new(), Resealed::default());
    for blob in vault.folder().blobs().map_err(ResealError::Read)? {
        let blob = blob.map_err(ResealError::Read)?;
        match vault.folder().epoch_of(&blob) {
            Ok((epoch, _)) if epoch >= newest => {}
            Ok((_, bytes)) if settled.contains(&blob) => todo.push((blob, bytes)),
            Ok(_) => resealed.left.push(blob),
            Err(UnsealError::Io(error)) => return Err(ResealError::Read(error)),
            Err(UnsealError::Missing) => {}
            Err(error) => resealed.unreadable.push((blob, error)),
        }
    }
    Ok((todo, resealed))
}

/// Names the blobs that were taken in, whose proof of origin has done its work.
fn settled(vault: &OpenVault) -> io::Result<HashSet<BlobId>> {
    let (_, history) = ChangeLog::open(vault.folder(), vault.epochs(), Look::Thorough)?;
    let mut settled = HashSet::new();
    if let Some(snapshot) = &history.snapshot {
        let each = |changes: Vec<Change>| {
            settled.extend(changes.iter().map(|it| it.blob));
            Ok::<_, io::Error>(())
        };
        snapshot.read(vault.folder(), vault.epochs(), each)?;
    }
    settled.extend(history.changes.iter().map(|(_, it)| it.blob));
    Ok(settled)
}

/// Reseals one blob; false when `step` said to stop before it took its name.
fn reseal_one(
    vault: &OpenVault,
    sealer: &Sealer,
    blob: &BlobId,
    rng: &mut impl TryCryptoRng,
    mut step: impl FnMut(u64) -> bool,
) -> Result<bool, Failed> {
    let read_error = |error: UnsealError| {
        if let UnsealError::Io(error) = error {
            Failed::Whole(ResealError::Read(error))
        } else {
            Failed::Unreadable(error)
        }
    };
    let mut old = match vault.reader(blob) {
        // Somebody removed it since the survey.
        Err(UnsealError::Missing) => return Ok(step(0)),
        opened => opened.map_err(read_error)?,
    };
    let mut writer = sealer.start_again(blob, rng)?;
    let mut piece = Zeroizing::new(vec![0; PIECE_BYTES]);
    let mut done = 0;
    loop {
        // Reading compares the whole content with its hash before the last piece is handed out.
        let read = old
            .read(&mut piece)
            .map_err(|error| read_error(error.into()))?;
        let Some(read) = piece.get(..read).filter(|read| !read.is_empty()) else {
            break;
        };
        writer
            .write_all(read)
            .map_err(|error| Failed::Whole(StoreError::Write(error).into()))?;
        done += read.len() as u64;
        if !step(done) {
            return Ok(false);
        }
    }
    writer.close(old.metadata().clone())?;
    if !step(done) {
        return Ok(false);
    }
    let bad_drive = |error| Failed::Whole(ResealError::BadDrive(error));
    let file = writer
        .read_back()
        .map_err(|error| Failed::Whole(ResealError::Read(error)))?;
    let mut new = vault.reader_of(file, blob).map_err(bad_drive)?;
    new.verify().map_err(bad_drive)?;
    let same = new.content_hash() == old.content_hash() && new.metadata() == old.metadata();
    if !same || new.size() != old.size() {
        return Err(bad_drive(UnsealError::NotAuthentic));
    }
    if !step(done) {
        return Ok(false);
    }
    // A blob that was removed meanwhile is not to come back.
    if vault.folder().has_blob(blob) {
        writer.take_name()?;
        // What is lost of it is made again.
        if let Err(error) = vault.renew_thumbnail(blob) {
            return Err(Failed::Whole(ResealError::Read(error)));
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests;
