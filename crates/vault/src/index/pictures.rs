//! What pictures say of themselves, as far as they were looked at. A cache in the index: it stands
//! in no change, and is read again from the thumbnails or the blobs.

use rusqlite::{OptionalExtension as _, named_params};

use super::{EntryNumber, Index, IndexError, texts};
use crate::{
    id::BlobId,
    metadata::{from_millis, to_millis},
    thumbnail::{Picture, Place},
};

/// One entry on the way through all of them, newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unseen {
    /// Its number.
    pub number: EntryNumber,
    /// Its blob.
    pub blob: BlobId,
    /// Whether it was looked at.
    pub is_seen: bool,
}

impl Index {
    /// Returns what an entry's picture says of itself; `None` where it was not looked at, or is no
    /// picture.
    ///
    /// # Errors
    /// When the drive fails.
    pub fn picture_of(&self, number: EntryNumber) -> Result<Option<Picture>, IndexError> {
        let found = self
            .database
            .prepare_cached(
                "SELECT width, height, taken_at, camera, latitude, longitude, is_described
                 FROM pictures WHERE number = ?1 AND width IS NOT NULL",
            )?
            .query_row([number], |row| {
                let taken_at: Option<i64> = row.get(2)?;
                let latitude: Option<i32> = row.get(4)?;
                let longitude: Option<i32> = row.get(5)?;
                Ok(Picture {
                    width: row.get(0)?,
                    height: row.get(1)?,
                    taken_at: taken_at.and_then(from_millis),
                    camera: row.get(3)?,
                    place: latitude.zip(longitude).map(|(latitude, longitude)| Place {
                        latitude,
                        longitude,
                    }),
                    is_described: row.get(6)?,
                })
            })
            .optional()?;
        Ok(found)
    }

    /// Notes what was seen of an entry: its picture, or that it is none that can be shown. From then
    /// on it is found by when it was taken. Says whether it was noted: an entry that has another blob
    /// by now, or is gone, is left.
    ///
    /// # Errors
    /// When the drive fails.
    pub fn note_picture(
        &mut self,
        number: EntryNumber,
        blob: &BlobId,
        picture: Option<&Picture>,
    ) -> Result<bool, IndexError> {
        let place = picture.and_then(|it| it.place);
        let taken_at = picture.and_then(|it| it.taken_at);
        let transaction = self.database.transaction()?;
        let mut noted = 0;
        texts::following(&transaction, number, || {
            noted = transaction
                .prepare_cached(
                    "INSERT OR REPLACE INTO pictures
                     SELECT number, :width, :height, :taken_at, :camera, :latitude, :longitude,
                         :is_described
                     FROM entries WHERE number = :number AND blob_id = :blob",
                )?
                .execute(named_params! {
                    ":number": number,
                    ":blob": blob.as_bytes(),
                    ":width": picture.map(|it| it.width),
                    ":height": picture.map(|it| it.height),
                    ":taken_at": taken_at.map(|it| to_millis(Some(it))),
                    ":camera": picture.and_then(|it| it.camera.as_deref()),
                    ":latitude": place.map(|it| it.latitude),
                    ":longitude": place.map(|it| it.longitude),
                    ":is_described": picture.is_some_and(|it| it.is_described),
                })?;
            Ok(())
        })?;
        transaction.commit()?;
        Ok(noted > 0)
    }

    /// Returns entries before a number, or the newest, newest first, with whether each was looked
    /// at. What lies in the trash is left out.
    ///
    /// # Errors
    /// When the drive fails.
    pub fn unseen(
        &self,
        before: Option<EntryNumber>,
        limit: usize,
    ) -> Result<Vec<Unseen>, IndexError> {
        let before = before.map_or(i64::MAX, |it| i64::try_from(it.get()).unwrap_or(i64::MAX));
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let found = self
            .database
            .prepare_cached(
                "SELECT number, blob_id,
                     EXISTS (SELECT 1 FROM pictures WHERE pictures.number = entries.number)
                 FROM entries INDEXED BY entries_kept
                 WHERE trashed_at IS NULL AND number < ?1 ORDER BY number DESC LIMIT ?2",
            )?
            .query_map((before, limit), |row| {
                Ok(Unseen {
                    number: row.get(0)?,
                    blob: BlobId::from_bytes(row.get(1)?),
                    is_seen: row.get(2)?,
                })
            })?
            .collect::<rusqlite::Result<_>>()?;
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Adopted, Attributes, Origin,
        testing::{TestVault, named, noon},
    };

    fn picture() -> Picture {
        Picture {
            width: 3024,
            height: 4032,
            taken_at: Some(noon()),
            camera: Some("Pixel 8".to_owned()),
            place: Some(Place {
                latitude: -33_856_784,
                longitude: 151_215_297,
            }),
            is_described: true,
        }
    }

    fn entered(vault: &mut TestVault, index: &mut Index, content: &[u8]) -> (EntryNumber, BlobId) {
        let blob = vault.keep(content, named("a.jpg")).blob_id;
        let attributes = Attributes {
            origin: Origin::Proven,
            caption: None,
        };
        match index.adopt(&blob, attributes, noon()).unwrap() {
            Adopted::New(number) => (number, blob),
            Adopted::Already(_) | Adopted::SameContentAs(_) => panic!("it is new"),
        }
    }

    #[test]
    fn what_was_seen_is_told_and_only_for_the_blob_that_was_looked_at() {
        let mut vault = TestVault::new();
        let (mut index, _) = Index::open(&vault.open(), noon()).unwrap();
        let (one, its_blob) = entered(&mut vault, &mut index, b"one");
        let (two, other_blob) = entered(&mut vault, &mut index, b"two");

        assert!(
            !index
                .note_picture(one, &other_blob, Some(&picture()))
                .unwrap()
        );
        assert!(index.picture_of(one).unwrap().is_none());
        assert!(
            index
                .note_picture(one, &its_blob, Some(&picture()))
                .unwrap()
        );
        assert!(index.note_picture(two, &other_blob, None).unwrap());

        assert!(index.picture_of(one).unwrap() == Some(picture()));
        assert!(index.picture_of(two).unwrap().is_none());
        let seen = |it: Unseen| (it.number, it.is_seen);
        let all: Vec<_> = index
            .unseen(None, 9)
            .unwrap()
            .into_iter()
            .map(seen)
            .collect();
        assert_eq!(all, [(two, true), (one, true)]);
    }

    #[test]
    fn entries_come_newest_first_in_pages_and_the_unseen_are_known() {
        let mut vault = TestVault::new();
        let (mut index, _) = Index::open(&vault.open(), noon()).unwrap();
        let made: Vec<_> = (0..5_u8)
            .map(|it| entered(&mut vault, &mut index, &[it]))
            .collect();
        index.note_picture(made[2].0, &made[2].1, None).unwrap();

        let first = index.unseen(None, 3).unwrap();
        let second = index.unseen(Some(first[2].number), 3).unwrap();

        let found: Vec<_> = first.iter().chain(&second).map(|it| it.is_seen).collect();
        assert_eq!(found, [false, false, true, false, false]);
    }

    #[test]
    fn a_purged_entry_leaves_neither_facts_nor_thumbnail() {
        let mut vault = TestVault::new();
        let open = vault.open();
        let (mut index, _) = Index::open(&open, noon()).unwrap();
        let (gone, blob) = entered(&mut vault, &mut index, b"one");
        let (stays, other) = entered(&mut vault, &mut index, b"two");
        for (number, blob) in [(gone, &blob), (stays, &other)] {
            index.note_picture(number, blob, Some(&picture())).unwrap();
            let kept = crate::Thumbnail {
                picture: Some(picture()),
                image: vec![7; 100],
            };
            open.keep_thumbnail(blob, &kept).unwrap();
        }
        index.trash(gone, noon()).unwrap();

        index.purge(&[gone], noon()).unwrap();

        let rows: i64 = index
            .database
            .query_row("SELECT count(*) FROM pictures", [], |row| row.get(0))
            .unwrap();
        assert_eq!(rows, 1);
        assert!(open.thumbnail(&blob).is_none());
        assert!(index.picture_of(stays).unwrap().is_some() && open.thumbnail(&other).is_some());
    }
}
