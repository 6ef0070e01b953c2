//! Deliveries whose content is made for them: contact sheets and previews.

use std::io::{self, Read};

use vault::{BlobId, EntryNumber};

use super::{
    Clerk, Row, UNNAMED, Word,
    sender::{Content, Sender},
};
use crate::{
    pictures::{Drawn, MAX_CONTENT_BYTES, Task, Tile, studio::DrawError},
    vault_process::{Make, PictureAsk, PictureWord},
};

/// The media type of whatever is made.
pub(super) const JPEG: &str = "image/jpeg";
/// How a contact sheet is called.
const SHEET_NAME: &str = "sheet.jpg";

/// What is to be made for a delivery.
pub(super) enum Made {
    /// A preview of this.
    Small(BlobId),
    /// A sheet of these.
    Sheet(Vec<(u64, String, BlobId)>),
}

impl Clerk {
    /// Has something made and delivered.
    pub(super) fn start_made(&mut self, ask: PictureAsk) -> io::Result<()> {
        let PictureAsk { job, form, make } = ask;
        let number = make.number();
        let numbers = match &make {
            Make::Small(number) => std::slice::from_ref(number),
            Make::Sheet(numbers) => numbers.as_slice(),
        };
        let entries: Vec<_> = numbers
            .iter()
            .filter_map(|it| self.index.get(EntryNumber::new(*it)?).ok()?)
            .collect();
        let Some(first) = entries.first() else {
            return self.mouth.say(&Word::NotPrepared { job, number });
        };
        let mut row = super::row(first);
        let blob = first.blob_id;
        let made = match make {
            Make::Small(_) => {
                row.name = small_name(&row.name);
                Made::Small(blob)
            }
            Make::Sheet(_) => {
                row.number = number;
                SHEET_NAME.clone_into(&mut row.name);
                let tiles = entries.iter().map(|entry| {
                    let name = entry.name().unwrap_or(UNNAMED).to_owned();
                    (entry.number.get(), name, entry.blob_id)
                });
                Made::Sheet(tiles.collect())
            }
        };
        self.begin(job, form, Content::Made { row, made })
    }
}

/// Names a preview after what it is of.
fn small_name(name: &str) -> String {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    format!("{stem} small.jpg")
}

impl Sender {
    /// Makes a picture, or says what is wrong with it.
    pub(super) fn make(&self, job: [u8; 32], row: &Row, made: &Made) -> Result<Vec<u8>, Box<Word>> {
        let number = row.number;
        let drawn = match made {
            Made::Small(blob) => self.small(blob),
            Made::Sheet(tiles) => self.sheet(tiles),
        };
        match drawn {
            Ok(Some(image)) => Ok(image),
            Ok(None) => Err(Box::new(Word::Picture(PictureWord::NotMade {
                job,
                number,
            }))),
            Err(error) => {
                log::error!("a picture was not made: {error}");
                Err(Box::new(Word::NotPrepared { job, number }))
            }
        }
    }

    fn draw(&self, task: &Task, content: &mut impl Read) -> Result<Option<Drawn>, DrawError> {
        let none = || DrawError::NoDecoder(io::ErrorKind::NotConnected.into());
        let studio = self.studio.as_ref().ok_or_else(none)?;
        studio.draw(task, content)
    }

    fn small(&self, blob: &BlobId) -> Result<Option<Vec<u8>>, DrawError> {
        let content = |error: vault::UnsealError| DrawError::Content(error.into());
        let mut reader = self.vault.reader(blob).map_err(content)?;
        let bytes = reader.size();
        if bytes > MAX_CONTENT_BYTES {
            return Ok(None);
        }
        let drawn = self.draw(&Task::Preview { bytes }, &mut reader)?;
        Ok(drawn.map(|drawn| drawn.image))
    }

    fn sheet(&self, tiles: &[(u64, String, BlobId)]) -> Result<Option<Vec<u8>>, DrawError> {
        let tiles = tiles.iter().map(|(number, name, blob)| Tile {
            number: *number,
            name: name.clone(),
            image: self
                .vault
                .thumbnail(blob)
                .map_or_else(Vec::new, |it| it.image),
        });
        let task = Task::Sheet(tiles.collect());
        let drawn = self.draw(&task, &mut io::empty())?;
        Ok(drawn.map(|drawn| drawn.image))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preview_is_named_after_its_picture() {
        assert_eq!(small_name("beach.HEIC"), "beach small.jpg");
        assert_eq!(small_name("no ending"), "no ending small.jpg");
    }
}
