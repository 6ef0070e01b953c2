//! What is in a vault, read from blobs and change log alone: without an index, and without writing
//! a byte. For the rescue tool; numbers are those that a rebuilt index would have.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    io,
};

use crate::{
    change_log::{Change, ChangeLog},
    id::BlobId,
    index::{Attributes, Entry, EntryNumber, Origin},
    metadata,
    open::OpenVault,
    unseal::UnsealError,
};

/// Everything that could be found in a vault.
#[non_exhaustive]
pub struct Catalog {
    /// All entries whose blob can be opened, by number.
    pub entries: Vec<Entry>,
    /// Entries that the change log names and whose blob is not there.
    pub missing: Vec<(EntryNumber, BlobId)>,
    /// Blobs that hold the same as an entry's.
    pub duplicates: Vec<(BlobId, EntryNumber)>,
    /// Blobs that do not open.
    pub unreadable: Vec<(BlobId, UnsealError)>,
    /// Files of the change log that end too early: numbers may differ from those known.
    pub torn_log: Vec<String>,
}

/// A number that the change log gave.
struct Given {
    number: EntryNumber,
    attributes: Attributes,
    at: i64,
}

impl Catalog {
    /// Reads change log and blobs; `progress` is told of every blob that was looked at.
    ///
    /// # Errors
    /// When the drive fails as a whole; single blobs that cannot be read are listed instead.
    pub fn read(vault: &OpenVault, mut progress: impl FnMut()) -> io::Result<Self> {
        let (_, history) = ChangeLog::open(vault.folder(), vault.epochs())?;
        let torn_log = history.torn;
        let (given, noted) = given_numbers(history.changes);
        let mut highest = given
            .values()
            .map(|it| it.number.get())
            .max()
            .unwrap_or_default();
        let mut reading = Reading {
            vault,
            marks: HashMap::new(),
            entries: BTreeMap::new(),
        };
        let (mut duplicates, mut unreadable, mut unlisted) = (Vec::new(), Vec::new(), Vec::new());
        let mut seen = HashSet::new();
        for blob in vault.folder().blobs()? {
            let blob = blob?;
            seen.insert(blob);
            let listed = given.get(&blob);
            if let Some(number) = noted.get(&blob).filter(|_| listed.is_none()) {
                duplicates.push((blob, *number));
            } else {
                match (reading.entry(&blob, listed), listed) {
                    (Ok(read), Some(_)) => reading.enter(read),
                    (Ok(read), None) => unlisted.push(read),
                    (Err(error), _) => unreadable.push((blob, error)),
                }
            }
            progress();
        }
        unlisted.sort_by_key(|(entry, _)| {
            (
                metadata::to_millis(entry.metadata.received_at),
                entry.blob_id,
            )
        });
        for (mut entry, mark) in unlisted {
            if let Some(number) = reading.marks.get(&mark) {
                duplicates.push((entry.blob_id, *number));
                continue;
            }
            highest += 1;
            let Some(number) = EntryNumber::new(highest) else {
                break;
            };
            entry.number = number;
            reading.enter((entry, mark));
        }
        let mut missing: Vec<_> = given
            .iter()
            .filter(|(blob, _)| !seen.contains(*blob))
            .map(|(blob, given)| (given.number, *blob))
            .collect();
        missing.sort_unstable();
        let entries = reading.entries.into_values().collect();
        Ok(Self {
            entries,
            missing,
            duplicates,
            unreadable,
            torn_log,
        })
    }
}

/// Replays the change log: which blob got which number, and which is whose duplicate.
fn given_numbers(
    changes: Vec<(u64, Change)>,
) -> (HashMap<BlobId, Given>, HashMap<BlobId, EntryNumber>) {
    let (mut given, mut noted) = (HashMap::new(), HashMap::new());
    for (_, change) in changes {
        match change {
            Change::Adopted {
                number,
                blob,
                at,
                origin,
                caption,
            } => {
                let attributes = Attributes { origin, caption };
                given.insert(
                    blob,
                    Given {
                        number,
                        attributes,
                        at,
                    },
                );
            }
            Change::Duplicate { number, blob, .. } => {
                noted.insert(blob, number);
            }
        }
    }
    (given, noted)
}

struct Reading<'a> {
    vault: &'a OpenVault,
    marks: HashMap<[u8; 32], EntryNumber>,
    entries: BTreeMap<EntryNumber, Entry>,
}

impl Reading<'_> {
    fn enter(&mut self, (entry, mark): (Entry, [u8; 32])) {
        self.marks.entry(mark).or_insert(entry.number);
        self.entries.insert(entry.number, entry);
    }

    fn entry(
        &self,
        blob: &BlobId,
        given: Option<&Given>,
    ) -> Result<(Entry, [u8; 32]), UnsealError> {
        let reader = self.vault.reader(blob)?;
        let mark = self
            .vault
            .epochs()
            .content_mark(reader.content_hash(), reader.size());
        let unproven = Attributes {
            origin: Origin::Unproven,
            caption: None,
        };
        let entry = Entry {
            number: given.map_or(EntryNumber::FIRST, |it| it.number),
            blob_id: *blob,
            size: reader.size(),
            metadata: reader.metadata().clone(),
            attributes: given.map_or(unproven, |it| it.attributes.clone()),
            adopted_at: given.and_then(|it| metadata::from_millis(it.at)),
        };
        Ok((entry, mark))
    }
}
