//! Deliveries whose content is made for them: contact sheets and previews.

use std::io::{self, Cursor, Read};

use vault::{BlobId, EntryNumber};

use super::{Clerk, Delivery, Row, UNNAMED, Word, sender::Sender};
use crate::{
    pictures::{Drawn, MAX_CONTENT_BYTES, Task, Tile, studio::DrawError},
    vault_process::{Make, PictureAsk, PictureWord},
};

/// The media type of whatever is made.
const MEDIA_TYPE: &str = "image/jpeg";
/// How a contact sheet is called.
const SHEET_NAME: &str = "sheet.jpg";

/// What is to be made for a delivery.
pub(super) enum Made {
    /// A preview of the delivery's own blob.
    Small,
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
                Made::Small
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
        self.deliver_as(Delivery {
            ticket: 0,
            job,
            row,
            media_type: Some(MEDIA_TYPE.to_owned()),
            form,
            blob,
            made: Some(made),
        })
    }
}

/// Names a preview after what it is of.
fn small_name(name: &str) -> String {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    format!("{stem} small.jpg")
}

/// What a delivery sends: its content, how long that is, and how it is described.
pub(super) struct Parcel {
    pub(super) content: Box<dyn Read>,
    pub(super) bytes: u64,
    pub(super) row: Row,
}

impl Sender {
    /// Gets the content of a delivery ready, or says what is wrong with it.
    pub(super) fn parcel(&self, delivery: &Delivery) -> Result<Parcel, Box<Word>> {
        let (job, number) = (delivery.job, delivery.row.number);
        let Some(made) = &delivery.made else {
            return match self.vault.reader(&delivery.blob) {
                Ok(reader) => Ok(Parcel {
                    bytes: reader.size(),
                    content: Box::new(reader),
                    row: delivery.row.clone(),
                }),
                Err(error) => {
                    log::error!("a blob does not open: {error}");
                    Err(Box::new(Word::NotPrepared { job, number }))
                }
            };
        };
        let drawn = match made {
            Made::Small => self.small(&delivery.blob),
            Made::Sheet(tiles) => self.sheet(tiles),
        };
        match drawn {
            Ok(Some(image)) => Ok(Parcel {
                bytes: image.len() as u64,
                row: Row {
                    bytes: image.len() as u64,
                    ..delivery.row.clone()
                },
                content: Box::new(Cursor::new(image)),
            }),
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
