//! Changing many entries in one durable step, and telling what they were before.
//!
//! It knows nothing of why: whoever wants to take a change back keeps what [`Relabelled`] says.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::{
    Entry, EntryNumber, Index, IndexError,
    edit::{label, text},
    query, texts,
};
use crate::{
    change_log::{Change, What, change::MAX_CAPTION_BYTES},
    metadata::{self, MAX_NAME_BYTES},
};

/// One thing about an entry that its owner can change, and how it is or is to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Label {
    /// The name that the owner gave it; without one it has its file's.
    Name(Option<String>),
    /// What the owner wrote about it.
    Caption(Option<String>),
    /// The album it is in.
    Album(Option<String>),
    /// Whether it bears a tag.
    Tag {
        /// The tag.
        tag: String,
        /// Whether it bears it.
        borne: bool,
    },
    /// Whether it lies in the trash.
    Trashed(bool),
}

/// A change that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relabelled {
    /// The entry.
    pub number: EntryNumber,
    /// How it was.
    pub was: Label,
    /// How it is.
    pub is: Label,
}

impl Label {
    /// Returns how this thing is about an entry.
    #[must_use]
    pub fn of(&self, entry: &Entry) -> Self {
        match self {
            Self::Name(_) => Self::Name(entry.labels.name.clone()),
            Self::Caption(_) => Self::Caption(entry.attributes.caption.clone()),
            Self::Album(_) => Self::Album(entry.labels.album.clone()),
            Self::Tag { tag, .. } => {
                let key = texts::fold(tag);
                let mut tags = entry.labels.tags.iter();
                let borne = tags.find(|it| texts::fold(it) == key);
                Self::Tag {
                    tag: borne.unwrap_or(tag).clone(),
                    borne: borne.is_some(),
                }
            }
            Self::Trashed(_) => Self::Trashed(entry.labels.trashed_at.is_some()),
        }
    }

    /// Returns it as it would be kept: cut and without control characters, as its format says.
    /// `None` for a tag that is none.
    #[must_use]
    pub fn as_kept(&self) -> Option<Self> {
        Some(match self {
            Self::Name(name) => Self::Name(text(name.as_deref(), MAX_NAME_BYTES)),
            Self::Caption(caption) => Self::Caption(text(caption.as_deref(), MAX_CAPTION_BYTES)),
            Self::Album(album) => Self::Album(album.as_deref().and_then(label)),
            Self::Tag { tag, borne } => Self::Tag {
                tag: label(tag)?,
                borne: *borne,
            },
            Self::Trashed(trashed) => Self::Trashed(*trashed),
        })
    }

    /// Returns whether both say the same of an entry.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Tag { tag, borne }, Self::Tag { tag: of, borne: is }) => {
                borne == is && texts::fold(tag) == texts::fold(of)
            }
            _ => self == other,
        }
    }

    /// Returns whether both are about the same thing.
    #[must_use]
    pub fn is_about_the_same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Tag { tag, .. }, Self::Tag { tag: other, .. }) => {
                texts::fold(tag) == texts::fold(other)
            }
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }

    fn what(self) -> What {
        match self {
            Self::Name(name) => What::Renamed { name },
            Self::Caption(caption) => What::Captioned { caption },
            Self::Album(album) => What::Moved { album },
            Self::Tag { tag, borne: true } => What::Tagged { tag },
            Self::Tag { tag, borne: false } => What::Untagged { tag },
            Self::Trashed(true) => What::Trashed,
            Self::Trashed(false) => What::Restored,
        }
    }
}

impl Index {
    /// Makes entries as is asked, all or none of it, and returns what that has changed: doing it
    /// again changes nothing. Numbers that name no entry are passed over. What is asked for of one
    /// entry stands together; where one thing is asked for twice, the first counts.
    ///
    /// # Errors
    /// When the drive fails; see [`Index::adopt`].
    pub fn relabel(
        &mut self,
        wanted: &[(EntryNumber, Label)],
        now: SystemTime,
    ) -> Result<Vec<Relabelled>, IndexError> {
        let at = metadata::to_millis(Some(now));
        let (mut changes, mut done) = (Vec::new(), Vec::<Relabelled>::new());
        for (number, label) in wanted {
            let (Some(is), Some(entry)) = (label.as_kept(), query::get(&self.database, *number)?)
            else {
                continue;
            };
            let was = is.of(&entry);
            let mut before = done.iter().rev().take_while(|it| it.number == *number);
            let is_asked_before = before.any(|it| it.is.is_about_the_same_as(&is));
            if was.is_like(&is) || is_asked_before {
                continue;
            }
            let what = is.clone().what();
            changes.push((Change::new(*number, entry.blob_id, at, what), None));
            let number = *number;
            done.push(Relabelled { number, was, is });
        }
        if !changes.is_empty() {
            self.change_all(&changes)?;
        }
        Ok(done)
    }
}
