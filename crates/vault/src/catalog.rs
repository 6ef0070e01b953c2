//! What is in a vault, read from blobs, snapshot and change log alone: without an index, and without
//! writing a byte. For the rescue tool; numbers are those that a rebuilt index would have.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    io,
};

use crate::{
    change_log::{Change, ChangeLog, History, Look, What, snapshot::Extent},
    id::BlobId,
    index::{Attributes, Entry, EntryNumber, Labels, Origin, fold},
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
    /// Snapshots and files of the change log that end too early: numbers may differ from those
    /// known.
    pub torn_log: Vec<String>,
}

/// What the change log says of one number.
struct Given {
    blob: BlobId,
    attributes: Attributes,
    labels: Labels,
    at: i64,
}

impl Catalog {
    /// Reads change log and blobs; `progress` is told of every blob that was looked at.
    ///
    /// # Errors
    /// When the drive fails as a whole; single blobs that cannot be read are listed instead.
    pub fn read(vault: &OpenVault, mut progress: impl FnMut()) -> io::Result<Self> {
        let (_, history) = ChangeLog::open(vault.folder(), vault.epochs(), Look::Thorough)?;
        let roll = Roll::call(vault, &history)?;
        let torn_log = history.torn;
        let by_blob: HashMap<BlobId, EntryNumber> = roll
            .given
            .iter()
            .map(|(number, given)| (given.blob, *number))
            .collect();
        let mut highest = roll.highest;
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
            let listed = by_blob
                .get(&blob)
                .and_then(|it| Some((*it, roll.given.get(it)?)));
            if roll.purged.contains(&blob) {
                // A crash came between the purge and the removal of the blob.
            } else if let Some(number) = roll.noted.get(&blob).filter(|_| listed.is_none()) {
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
        let missing = roll
            .given
            .iter()
            .filter(|(_, given)| !seen.contains(&given.blob))
            .map(|(number, given)| (*number, given.blob))
            .collect();
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

/// What snapshot and change log say, carried out in memory as the index does in its tables.
#[derive(Default)]
struct Roll {
    given: BTreeMap<EntryNumber, Given>,
    noted: HashMap<BlobId, EntryNumber>,
    purged: HashSet<BlobId>,
    highest: u64,
}

impl Roll {
    fn call(vault: &OpenVault, history: &History) -> io::Result<Self> {
        let mut roll = Self::default();
        if let Some(snapshot) = &history.snapshot {
            let each = |changes: Vec<Change>| {
                changes.into_iter().for_each(|it| roll.carry_out(it));
                Ok::<_, io::Error>(())
            };
            // How far it goes is said in the history.
            let (Extent::Whole | Extent::Torn | Extent::Newer) =
                snapshot.read(vault.folder(), vault.epochs(), each)?;
            roll.highest = roll.highest.max(snapshot.last_number);
        }
        for (_, change) in &history.changes {
            roll.carry_out(change.clone());
        }
        Ok(roll)
    }

    fn carry_out(&mut self, change: Change) {
        let Change {
            number,
            blob,
            at,
            what,
        } = change;
        self.highest = self.highest.max(number.get());
        let given = self.given.get_mut(&number);
        match (what, given) {
            (What::Adopted { origin, caption }, Some(given)) if given.blob == blob => {
                given.attributes = Attributes { origin, caption };
            }
            (What::Adopted { origin, caption }, _) => {
                let given = Given {
                    blob,
                    attributes: Attributes { origin, caption },
                    labels: Labels::default(),
                    at,
                };
                self.given.insert(number, given);
            }
            (What::Duplicate, _) => {
                self.noted.insert(blob, number);
            }
            (What::Purged, given) => {
                self.purged.insert(blob);
                self.purged.extend(given.map(|it| it.blob));
                let duplicates = self.noted.extract_if(|_, of| *of == number);
                self.purged.extend(duplicates.map(|(blob, _)| blob));
                self.given.remove(&number);
            }
            (_, None) => {}
            (What::Replaced { unsound }, Some(given)) => {
                given.blob = blob;
                self.noted.remove(&blob);
                self.noted.insert(unsound, number);
            }
            (What::Renamed { name }, Some(given)) => given.labels.name = name,
            (What::Captioned { caption }, Some(given)) => given.attributes.caption = caption,
            (What::Moved { album }, Some(given)) => given.labels.album = album,
            (What::Trashed, Some(given)) => given.labels.trashed_at = metadata::from_millis(at),
            (What::Restored, Some(given)) => given.labels.trashed_at = None,
            (What::Tagged { tag }, Some(given)) => {
                given.labels.tags.retain(|it| fold(it) != fold(&tag));
                given.labels.tags.push(tag);
                given.labels.tags.sort_unstable();
            }
            (What::Untagged { tag }, Some(given)) => {
                given.labels.tags.retain(|it| fold(it) != fold(&tag));
            }
        }
    }
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
        given: Option<(EntryNumber, &Given)>,
    ) -> Result<(Entry, [u8; 32]), UnsealError> {
        let reader = self.vault.reader(blob)?;
        let mark = self
            .vault
            .epochs()
            .content_mark(reader.content_hash(), reader.size());
        let (number, given) = given.unzip();
        let unproven = Attributes {
            origin: Origin::Unproven,
            caption: None,
        };
        let entry = Entry {
            number: number.unwrap_or(EntryNumber::FIRST),
            blob_id: *blob,
            size: reader.size(),
            metadata: reader.metadata().clone(),
            attributes: given.map_or(unproven, |it| it.attributes.clone()),
            labels: given.map_or(Labels::default(), |it| it.labels.clone()),
            adopted_at: given.and_then(|it| metadata::from_millis(it.at)),
        };
        Ok((entry, mark))
    }
}
