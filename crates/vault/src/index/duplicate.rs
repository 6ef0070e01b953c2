//! Which of two blobs with the same content stays: the first, if it holds in every byte.
//!
//! Reading a whole film takes long, so it is apart from the index: [`Duplicate::compare`] needs
//! none and may run beside it.

use super::{EntryNumber, Index, IndexError, query, read_blob};
use crate::{
    change_log::{Change, What},
    id::BlobId,
    metadata,
    open::OpenVault,
    unseal::UnsealError,
};
use std::time::SystemTime;

/// A blob that holds what an entry's blob holds, as both of them say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Duplicate {
    number: EntryNumber,
    kept: BlobId,
    blob: BlobId,
}

/// What reading both blobs showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compared {
    /// The entry's blob holds in every byte: the duplicate is not needed.
    KeptHolds,
    /// The entry's blob does not hold, or is not there, and the duplicate holds in every byte.
    OnlyDuplicateHolds,
    /// Neither of them holds.
    NeitherHolds,
}

/// What became of a duplicate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Settled {
    /// It was removed.
    Removed,
    /// It is the entry's blob now, and the other was set aside.
    TookOver,
    /// It does not hold either, and was set aside. The entry's blob stays where it is.
    SetAside,
    /// Something changed meanwhile, and nothing was done.
    Outdated,
}

impl Duplicate {
    /// Returns the entry that has the content.
    #[must_use]
    pub fn number(&self) -> EntryNumber {
        self.number
    }

    /// Reads the entry's blob from end to end, and if it does not hold, the duplicate too.
    ///
    /// # Errors
    /// When the drive fails: then nobody can tell.
    pub fn compare(&self, vault: &OpenVault) -> Result<Compared, UnsealError> {
        if holds(vault, &self.kept)? {
            Ok(Compared::KeptHolds)
        } else if holds(vault, &self.blob)? {
            Ok(Compared::OnlyDuplicateHolds)
        } else {
            Ok(Compared::NeitherHolds)
        }
    }
}

fn holds(vault: &OpenVault, blob: &BlobId) -> Result<bool, UnsealError> {
    let read = vault.reader(blob).and_then(|mut reader| reader.verify());
    match read {
        Ok(()) => Ok(true),
        Err(
            UnsealError::NotAuthentic
            | UnsealError::Header(_)
            | UnsealError::Malformed
            | UnsealError::Missing,
        ) => Ok(false),
        Err(error) => Err(error),
    }
}

impl Index {
    /// Returns what is to be compared before a noted duplicate can be settled; nothing if the
    /// blob is no duplicate, or no longer there.
    ///
    /// # Errors
    /// When the drive fails.
    pub fn duplicate(&self, blob: &BlobId) -> Result<Option<Duplicate>, IndexError> {
        let Some(number) = query::duplicate_of(&self.database, blob)? else {
            return Ok(None);
        };
        let kept = query::get(&self.database, number)?.map(|it| it.blob_id);
        let there = self.vault.folder().has_blob(blob);
        Ok(kept
            .filter(|kept| there && kept != blob)
            .map(|kept| Duplicate {
                number,
                kept,
                blob: *blob,
            }))
    }

    /// Does with a duplicate what the comparison asks for. The entry keeps number, name and all
    /// else that the owner gave it. No blob is removed unless the other one held.
    ///
    /// # Errors
    /// When the drive fails; see [`Index::adopt`].
    pub fn settle(
        &mut self,
        duplicate: &Duplicate,
        compared: Compared,
        now: SystemTime,
    ) -> Result<Settled, IndexError> {
        if self.duplicate(&duplicate.blob)? != Some(*duplicate) {
            return Ok(Settled::Outdated);
        }
        let folder = self.vault.folder().clone();
        let set_aside = |blob| match folder.set_aside(blob) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(IndexError::Blob(UnsealError::Io(error)))
            }
            _ => Ok(()),
        };
        match compared {
            Compared::KeptHolds => {
                if !self.hold_the_same(duplicate) {
                    return Ok(Settled::Outdated);
                }
                let removed = folder.remove_blob(&duplicate.blob);
                removed.map_err(UnsealError::Io)?;
                Ok(Settled::Removed)
            }
            Compared::OnlyDuplicateHolds => {
                self.replace(duplicate, now)?;
                self.note_sound(duplicate.number)?;
                set_aside(&duplicate.kept)?;
                Ok(Settled::TookOver)
            }
            Compared::NeitherHolds => {
                set_aside(&duplicate.blob)?;
                Ok(Settled::SetAside)
            }
        }
    }

    /// Tells whether both blobs still say to hold the same, or the duplicate says nothing at all.
    fn hold_the_same(&self, duplicate: &Duplicate) -> bool {
        let mark = |blob| read_blob(&self.vault, blob).map(|it| it.mark).ok();
        let kept = mark(&duplicate.kept);
        kept.is_some() && kept == mark(&duplicate.blob)
    }

    fn replace(&mut self, duplicate: &Duplicate, now: SystemTime) -> Result<(), IndexError> {
        let Duplicate { number, kept, blob } = *duplicate;
        let from = read_blob(&self.vault, &blob)?;
        let at = metadata::to_millis(Some(now));
        let what = What::Replaced { unsound: kept };
        let mut changes = vec![(Change::new(number, blob, at, what), Some(&from))];
        let entry = query::get(&self.database, number)?;
        // The duplicate may have come under another name.
        if let Some(name) = entry.as_ref().and_then(super::Entry::name)
            && from.metadata.name.as_deref() != Some(name)
            && entry.as_ref().is_some_and(|it| it.labels.name.is_none())
        {
            let name = Some(name.to_owned());
            changes.push((Change::new(number, blob, at, What::Renamed { name }), None));
        }
        self.change_all(&changes)
    }
}
