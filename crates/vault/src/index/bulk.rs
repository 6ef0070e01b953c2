//! Many blobs into the index in one durable step.

use std::{collections::HashMap, time::SystemTime};

use super::{Adopted, EntryNumber, FromBlob, Index, IndexError, Origin, edit::label, query};
use crate::{
    blob_store::Kept,
    change_log::{Change, What},
    metadata,
};

/// How many blobs one step takes.
const GROUP: usize = 1_000;

impl Index {
    /// Enters blobs that this very process has just sealed: as [`Index::adopt`] does, with one
    /// append to the change log and one transaction for many. What it says of them is taken from
    /// the sealing and not read back.
    ///
    /// # Errors
    /// When the drive fails. After a failed write every further change is refused until the index
    /// is opened anew.
    pub fn adopt_kept(
        &mut self,
        group: &[Kept],
        now: SystemTime,
    ) -> Result<Vec<Adopted>, IndexError> {
        let mut adopted = Vec::with_capacity(group.len());
        for part in group.chunks(GROUP) {
            self.adopt_part(part, now, &mut adopted)?;
        }
        Ok(adopted)
    }

    /// Returns the entry with this content, also one in the trash: BLAKE3 and length.
    ///
    /// # Errors
    /// When the drive fails.
    pub fn with_content(
        &self,
        hash: &[u8; 32],
        size: u64,
    ) -> Result<Option<EntryNumber>, IndexError> {
        let mark = self.vault.epochs().content_mark(hash, size);
        Ok(query::by_mark(&self.database, &mark)?)
    }

    /// Moves entries to albums, with one append to the change log and one transaction for many.
    ///
    /// # Errors
    /// When the drive fails. After a failed write every further change is refused until the index
    /// is opened anew.
    pub fn move_to_albums(
        &mut self,
        moves: &[(EntryNumber, String)],
        now: SystemTime,
    ) -> Result<(), IndexError> {
        let at = metadata::to_millis(Some(now));
        for part in moves.chunks(GROUP) {
            let mut changes = Vec::with_capacity(part.len());
            for (number, album) in part {
                let album = label(album);
                let entry = query::get(&self.database, *number)?;
                if let Some(entry) = entry.filter(|it| it.labels.album != album) {
                    let what = What::Moved { album };
                    changes.push((Change::new(*number, entry.blob_id, at, what), None));
                }
            }
            if !changes.is_empty() {
                self.change_all(&changes)?;
            }
        }
        Ok(())
    }

    fn adopt_part(
        &mut self,
        part: &[Kept],
        now: SystemTime,
        adopted: &mut Vec<Adopted>,
    ) -> Result<(), IndexError> {
        let at = metadata::to_millis(Some(now));
        let mut next = query::next_number(&self.database)?;
        let mut marks: HashMap<[u8; 32], EntryNumber> = HashMap::new();
        let mut seen: HashMap<crate::BlobId, EntryNumber> = HashMap::new();
        let mut entered: Vec<(Change, Option<FromBlob>)> = Vec::with_capacity(part.len());
        for Kept { sealed, metadata } in part {
            let blob = sealed.blob_id;
            let known = match seen.get(&blob) {
                Some(number) => Some(*number),
                None => self.number_of(&blob)?,
            };
            if let Some(number) = known {
                adopted.push(Adopted::Already(number));
                continue;
            }
            let mark = self
                .vault
                .epochs()
                .content_mark(&sealed.content_hash, sealed.size);
            let same = match marks.get(&mark) {
                Some(number) => Some(*number),
                None => query::by_mark(&self.database, &mark)?,
            };
            let number = same.unwrap_or(next);
            seen.insert(blob, number);
            if same.is_some() {
                // Whoever brings again what lies in the trash wants it kept.
                if let Some(kept) = query::get(&self.database, number)?
                    && kept.labels.trashed_at.is_some()
                {
                    let restored = Change::new(number, kept.blob_id, at, What::Restored);
                    entered.push((restored, None));
                }
                entered.push((Change::new(number, blob, at, What::Duplicate), None));
                adopted.push(Adopted::SameContentAs(number));
                continue;
            }
            marks.insert(mark, number);
            let what = What::Adopted {
                origin: Origin::Proven,
                caption: None,
            };
            let change = Change::new(number, blob, at, what);
            let from = FromBlob {
                size: sealed.size,
                mark,
                metadata: metadata.clone(),
            };
            entered.push((change, Some(from)));
            adopted.push(Adopted::New(number));
            next = EntryNumber::new(number.get() + 1).ok_or(IndexError::TooNew)?;
        }
        if entered.is_empty() {
            return Ok(());
        }
        let changes: Vec<_> = entered
            .iter()
            .map(|(change, from)| (change.clone(), from.as_ref()))
            .collect();
        self.change_all(&changes)
    }
}
