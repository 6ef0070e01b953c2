//! Notes captions, tags and albums in the index.

use std::{io, time::SystemTime};

use vault::{Index, IndexError, Label, index::EntryNumber};

use super::Clerk;
use crate::vault_process::{Labels, Word};

impl Clerk {
    /// Notes the same with several entries. Done twice it changes nothing more.
    pub(super) fn label(
        &mut self,
        job: [u8; 32],
        numbers: &[u64],
        labels: &Labels,
        for_intake: bool,
    ) -> io::Result<()> {
        let now = self.now();
        let noted = match note(&mut self.index, numbers, labels, now) {
            Ok(noted) => noted,
            Err(error) => {
                log::error!("nothing was noted with an entry: {error}");
                self.mouth.say(&Word::NoAnswer { job })?;
                // After a failed write the index takes no more: a new process opens it.
                return Err(io::Error::other(error));
            }
        };
        self.mouth.say(&Word::Labelled {
            job,
            numbers: noted,
            for_intake,
        })
    }
}

/// Notes all of it in one durable step, and returns the numbers that name an entry.
fn note(
    index: &mut Index,
    numbers: &[u64],
    labels: &Labels,
    now: SystemTime,
) -> Result<Vec<u64>, IndexError> {
    let caption = labels.caption.iter().cloned();
    let caption = caption.map(|it| Label::Caption(Some(it)));
    let tags = labels.tags.iter().cloned();
    let tags = tags.map(|tag| Label::Tag { tag, borne: true });
    let album = labels.album.iter().cloned();
    let album = album.map(|it| Label::Album(Some(it)));
    let asked: Vec<Label> = caption.chain(tags).chain(album).collect();
    let (mut noted, mut wanted) = (Vec::new(), Vec::new());
    for number in numbers.iter().filter_map(|it| EntryNumber::new(*it)) {
        if index.get(number)?.is_some() {
            noted.push(number.get());
            wanted.extend(asked.iter().map(|label| (number, label.clone())));
        }
    }
    index.relabel(&wanted, now)?;
    Ok(noted)
}
