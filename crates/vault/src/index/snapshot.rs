//! Writes what the index knows beyond the blobs as the changes that lead there.

use super::{Entry, Index, IndexError, query};
use crate::{
    change_log::{Change, SnapshotWriter, What},
    metadata,
};

/// How many entries are read at once.
const PAGE: usize = 500;

impl Index {
    /// Puts a sealed snapshot in the place of the change log and all older snapshots.
    pub(super) fn take_snapshot(&mut self) -> Result<(), IndexError> {
        let last = query::last_number(&self.database)?;
        let mut writer = self.log.start_snapshot(last).map_err(IndexError::Log)?;
        let mut after = None;
        loop {
            let page = query::ascending(&self.database, after, PAGE)?;
            let Some(last) = page.last() else { break };
            after = Some(last.number);
            for entry in &page {
                push(&mut writer, entry).map_err(IndexError::Log)?;
            }
        }
        let mut after = None;
        loop {
            let page = query::duplicates(&self.database, after, PAGE)?;
            let Some(last) = page.last() else { break };
            after = Some(last.0);
            for (blob, number, at) in &page {
                let change = Change::new(*number, *blob, *at, What::Duplicate);
                writer.push(&change).map_err(IndexError::Log)?;
            }
        }
        self.log.replace_with(writer).map_err(IndexError::Log)
    }
}

fn push(writer: &mut SnapshotWriter, entry: &Entry) -> std::io::Result<()> {
    let Entry {
        number,
        blob_id,
        size: _,
        metadata: _,
        attributes,
        labels,
        adopted_at,
    } = entry;
    let adopted_at = metadata::to_millis(*adopted_at);
    let mut push = |at: i64, what: What| writer.push(&Change::new(*number, *blob_id, at, what));
    push(
        adopted_at,
        What::Adopted {
            origin: attributes.origin,
            caption: attributes.caption.clone(),
        },
    )?;
    if let Some(name) = labels.name.clone() {
        push(adopted_at, What::Renamed { name: Some(name) })?;
    }
    for tag in labels.tags.iter().cloned() {
        push(adopted_at, What::Tagged { tag })?;
    }
    if let Some(album) = labels.album.clone() {
        push(adopted_at, What::Moved { album: Some(album) })?;
    }
    if let Some(at) = labels.trashed_at {
        push(metadata::to_millis(Some(at)), What::Trashed)?;
    }
    Ok(())
}
