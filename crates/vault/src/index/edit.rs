//! What the owner does to an entry: names, captions, tags, albums, the trash.
//!
//! Each returns whether there is such an entry; a change that changes nothing is not logged.

use std::time::SystemTime;

use super::{Entry, EntryNumber, Index, IndexError, query, texts};
use crate::{
    change_log::{
        Change, What,
        change::{MAX_CAPTION_BYTES, MAX_LABEL_BYTES},
    },
    metadata::{self, MAX_NAME_BYTES},
};

impl Index {
    /// Gives an entry another name, cut at 1,024 bytes; without one it gets its file's back.
    ///
    /// # Errors
    /// When the drive fails; see [`Index::adopt`].
    pub fn rename(
        &mut self,
        number: EntryNumber,
        name: Option<&str>,
        now: SystemTime,
    ) -> Result<bool, IndexError> {
        let name = text(name, MAX_NAME_BYTES);
        self.edit(number, now, |entry| {
            (entry.labels.name != name).then_some(What::Renamed { name })
        })
    }

    /// Gives an entry another caption, cut at 4,096 bytes, or none.
    ///
    /// # Errors
    /// When the drive fails; see [`Index::adopt`].
    pub fn set_caption(
        &mut self,
        number: EntryNumber,
        caption: Option<&str>,
        now: SystemTime,
    ) -> Result<bool, IndexError> {
        let caption = text(caption, MAX_CAPTION_BYTES);
        self.edit(number, now, |entry| {
            (entry.attributes.caption != caption).then_some(What::Captioned { caption })
        })
    }

    /// Gives an entry a tag, cut at 255 bytes. One that it bears already, in whatever case and
    /// accents, stays as it is; blanks around it and control characters are left out.
    ///
    /// # Errors
    /// When the drive fails; see [`Index::adopt`].
    pub fn tag(
        &mut self,
        number: EntryNumber,
        tag: &str,
        now: SystemTime,
    ) -> Result<bool, IndexError> {
        let tag = label(tag);
        self.edit(number, now, |entry| {
            let tag = tag.filter(|tag| !bears(entry, tag))?;
            Some(What::Tagged { tag })
        })
    }

    /// Takes a tag from an entry, in whatever case and accents it is written.
    ///
    /// # Errors
    /// When the drive fails; see [`Index::adopt`].
    pub fn untag(
        &mut self,
        number: EntryNumber,
        tag: &str,
        now: SystemTime,
    ) -> Result<bool, IndexError> {
        let tag = label(tag);
        self.edit(number, now, |entry| {
            let tag = tag.filter(|tag| bears(entry, tag))?;
            Some(What::Untagged { tag })
        })
    }

    /// Puts an entry into an album, whose name is cut at 255 bytes, or takes it out. An entry is
    /// in one album at most.
    ///
    /// # Errors
    /// When the drive fails; see [`Index::adopt`].
    pub fn move_to_album(
        &mut self,
        number: EntryNumber,
        album: Option<&str>,
        now: SystemTime,
    ) -> Result<bool, IndexError> {
        let album = album.and_then(label);
        self.edit(number, now, |entry| {
            (entry.labels.album != album).then_some(What::Moved { album })
        })
    }

    /// Moves an entry to the trash. Its blob stays where it is.
    ///
    /// # Errors
    /// When the drive fails; see [`Index::adopt`].
    pub fn trash(&mut self, number: EntryNumber, now: SystemTime) -> Result<bool, IndexError> {
        self.edit(number, now, |entry| {
            entry.labels.trashed_at.is_none().then_some(What::Trashed)
        })
    }

    /// Takes an entry out of the trash.
    ///
    /// # Errors
    /// When the drive fails; see [`Index::adopt`].
    pub fn restore(&mut self, number: EntryNumber, now: SystemTime) -> Result<bool, IndexError> {
        self.edit(number, now, |entry| {
            entry.labels.trashed_at.is_some().then_some(What::Restored)
        })
    }

    fn edit(
        &mut self,
        number: EntryNumber,
        now: SystemTime,
        what: impl FnOnce(&Entry) -> Option<What>,
    ) -> Result<bool, IndexError> {
        let Some(entry) = query::get(&self.database, number)? else {
            return Ok(false);
        };
        if let Some(what) = what(&entry) {
            let at = metadata::to_millis(Some(now));
            self.change(Change::new(number, entry.blob_id, at, what), None)?;
        }
        Ok(true)
    }
}

fn bears(entry: &Entry, tag: &str) -> bool {
    let key = texts::fold(tag);
    entry.labels.tags.iter().any(|it| texts::fold(it) == key)
}

/// Cuts a text as its format does, so that log and index say the same; an empty one is none.
pub(super) fn text(text: Option<&str>, limit: usize) -> Option<String> {
    text.map(|it| metadata::cut(it, limit).to_owned())
        .filter(|it| !it.is_empty())
}

pub(super) fn label(label: &str) -> Option<String> {
    let label: String = label.chars().filter(|it| !it.is_control()).collect();
    let label = metadata::cut(label.trim(), MAX_LABEL_BYTES).trim_end();
    (!label.is_empty()).then(|| label.to_owned())
}
