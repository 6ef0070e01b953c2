//! Notes captions, tags and albums in the index.

use std::{io, time::SystemTime};

use vault::{Index, IndexError, index::EntryNumber};

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
        let (now, mut noted) = (self.now(), Vec::new());
        for number in numbers {
            match note(&mut self.index, *number, labels, now) {
                Ok(true) => noted.push(*number),
                Ok(false) => {}
                Err(error) => {
                    log::error!("nothing was noted with an entry: {error}");
                    self.mouth.say(&Word::NoAnswer { job })?;
                    // After a failed write the index takes no more: a new process opens it.
                    return Err(io::Error::other(error));
                }
            }
        }
        self.mouth.say(&Word::Labelled {
            job,
            numbers: noted,
            for_intake,
        })
    }
}

/// Returns whether there is such an entry.
fn note(
    index: &mut Index,
    number: u64,
    labels: &Labels,
    now: SystemTime,
) -> Result<bool, IndexError> {
    let Some(number) = EntryNumber::new(number) else {
        return Ok(false);
    };
    let mut is_there = index.get(number)?.is_some();
    if let Some(caption) = &labels.caption {
        is_there &= index.set_caption(number, Some(caption), now)?;
    }
    for tag in &labels.tags {
        is_there &= index.tag(number, tag, now)?;
    }
    if let Some(album) = &labels.album {
        is_there &= index.move_to_album(number, Some(album), now)?;
    }
    Ok(is_there)
}
