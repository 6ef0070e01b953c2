//! Verifies a vault: every entry has its blob, every blob its entry, every tag holds. Reads only;
//! nothing is deleted, moved or repaired.
//!
//! As a whole ([`check`]), entry by entry for who has to stop in between ([`check_entry`]), or
//! without a key as far as that goes ([`check_outside`]).

use std::io;

mod entry;
mod outside;

pub use entry::{Damage, DriveGone, Outcome, check_entry};
pub use outside::{Outside, check_outside};

use crate::{
    id::BlobId,
    index::{EntryNumber, Index, IndexError},
    open::OpenVault,
    unseal::UnsealError,
};

/// How many entries are asked of the index at once.
const PAGE: usize = 500;

/// What a check found.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Report {
    /// How many entries the index has.
    pub entries: u64,
    /// How many blobs lie on the drive.
    pub blobs: u64,
    /// How many of them hold in every byte.
    pub sound: u64,
    /// How long the contents of the sound ones are together, in bytes.
    pub bytes: u64,
    /// Entries whose blob is not there.
    pub missing: Vec<(EntryNumber, BlobId)>,
    /// Blobs that are neither an entry's nor noted as a duplicate.
    pub unlisted: Vec<BlobId>,
    /// Blobs that do not hold.
    pub unsound: Vec<(BlobId, UnsealError)>,
    /// Whether every page of the index is as it was written; nothing if there was no index to ask.
    pub index_sound: Option<bool>,
}

impl Report {
    /// Tells whether nothing at all is wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.missing.is_empty()
            && self.unlisted.is_empty()
            && self.unsound.is_empty()
            && self.index_sound != Some(false)
    }
}

/// Checks blobs and index against each other; `progress` is told of every blob that was read, and
/// answers whether to go on.
///
/// # Errors
/// When the drive or the index fails as a whole.
pub fn check(
    vault: &OpenVault,
    index: &Index,
    progress: impl FnMut(&Report) -> bool,
) -> Result<Report, IndexError> {
    let mut report = Report {
        index_sound: Some(index.is_sound().unwrap_or(false)),
        ..Report::default()
    };
    let mut after = None;
    loop {
        // What lies in the trash is checked as well.
        let page = index.to_verify(after, PAGE)?;
        for entry in page.iter().filter_map(|it| index.get(*it).transpose()) {
            let entry = entry?;
            report.entries += 1;
            if !vault.folder().has_blob(&entry.blob_id) {
                report.missing.push((entry.number, entry.blob_id));
            }
        }
        let Some(last) = page.last() else { break };
        after = Some(*last);
    }
    for blob in vault.folder().blobs().map_err(IndexError::Log)? {
        let blob = blob.map_err(IndexError::Log)?;
        if index.number_of(&blob)?.is_none() {
            report.unlisted.push(blob);
        }
    }
    check_blobs(vault, &mut report, progress).map_err(IndexError::Log)?;
    Ok(report)
}

/// Checks every byte of every blob, without an index.
///
/// # Errors
/// When the drive fails as a whole.
pub fn check_blobs(
    vault: &OpenVault,
    report: &mut Report,
    mut progress: impl FnMut(&Report) -> bool,
) -> io::Result<()> {
    for blob in vault.folder().blobs()? {
        let blob = blob?;
        report.blobs += 1;
        let verified = vault.reader(&blob).and_then(|mut reader| {
            reader.verify()?;
            Ok(reader.size())
        });
        match verified {
            Ok(size) => {
                report.sound += 1;
                report.bytes = report.bytes.saturating_add(size);
            }
            Err(error) => report.unsound.push((blob, error)),
        }
        if !progress(report) {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
