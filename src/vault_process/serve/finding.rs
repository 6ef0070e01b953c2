//! Questions about entries, answered from the index.

use std::time::{SystemTime, UNIX_EPOCH};

use vault::{
    Entry, IndexError, Origin, Picture,
    index::{EntryNumber, Kind, Search, Used},
};

use super::{Clerk, MAX_ROWS, Word, limit, listed, row};
use crate::vault_process::{About, FindAsk, FindWord, Shot};

/// Most albums or tags that one answer names.
const MAX_USED: usize = 50;

impl Clerk {
    pub(super) fn find(&self, job: [u8; 32], ask: FindAsk) -> Result<Word, IndexError> {
        let find = match ask {
            FindAsk::Show {
                search,
                before,
                lines,
            } => return self.show(job, &search, before, lines),
            FindAsk::About { number } => {
                let number = EntryNumber::new(number);
                let entry = number.map(|it| self.index.get(it)).transpose()?.flatten();
                let about = entry.map(|it| self.about(&it)).transpose()?;
                FindWord::About(about.map(Box::new))
            }
            FindAsk::Albums { after } => used(self.index.albums(&after, MAX_USED + 1)?),
            FindAsk::Tags { after } => used(self.index.tags(&after, MAX_USED + 1)?),
        };
        Ok(Word::Find { job, find })
    }

    fn show(
        &self,
        job: [u8; 32],
        search: &Search,
        before: Option<u64>,
        lines: u32,
    ) -> Result<Word, IndexError> {
        let before = before.and_then(EntryNumber::new);
        let limit = limit(lines).min(MAX_ROWS);
        let found = self.index.search(search, before, limit + 1)?;
        Ok(Word::Rows {
            job,
            more: found.len() > limit,
            rows: listed(&self.index, found.get(..limit).unwrap_or(&found))?,
            total: self.index.totals()?.entries,
        })
    }

    fn about(&self, entry: &Entry) -> Result<About, IndexError> {
        let is_damaged = self.index.damage_of(entry.number)?.is_some();
        let mut row = row(entry);
        row.damaged = is_damaged;
        let picture = self.index.picture_of(entry.number)?;
        row.taken_at = picture.as_ref().and_then(|it| seconds(it.taken_at?));
        let given = entry.labels.name.is_some();
        let told = &entry.metadata;
        let kind = Kind::of(told.mime.as_deref(), told.name.as_deref());
        let is_film = kind == Some(Kind::Video);
        Ok(About {
            came_as: told.name.clone().filter(|_| given),
            media_type: told.mime.clone(),
            sender: told.sender.clone(),
            member: told.member.clone(),
            sent_at: told.sent_at.and_then(seconds),
            entered_at: entry.adopted_at.and_then(seconds),
            is_proven: entry.attributes.origin == Origin::Proven,
            caption: entry.attributes.caption.clone(),
            tags: entry.labels.tags.clone(),
            album: entry.labels.album.clone(),
            trashed_at: entry.labels.trashed_at.and_then(seconds),
            shot: picture.map(|it| shot(it, is_film)),
            row,
        })
    }
}

fn shot(picture: Picture, is_film: bool) -> Shot {
    Shot {
        is_film,
        size: (picture.width, picture.height),
        taken_at: picture.taken_at.and_then(seconds),
        camera: picture.camera,
        place: picture.place.map(|it| (it.latitude, it.longitude)),
    }
}

/// Says what is used, and where the next ones begin.
fn used(mut used: Vec<Used>) -> FindWord {
    let more = used.len() > MAX_USED;
    used.truncate(MAX_USED);
    FindWord::Used {
        more_after: used.last().filter(|_| more).map(|it| it.key.clone()),
        used: used.into_iter().map(|it| (it.name, it.entries)).collect(),
    }
}

/// Returns whole seconds since 1970; `None` before it.
pub(super) fn seconds(at: SystemTime) -> Option<i64> {
    let since = at.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_secs()).ok()
}
