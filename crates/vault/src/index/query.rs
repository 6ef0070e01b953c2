//! The index's questions. Each is answered through an index of its tables and reads no more rows
//! than it returns: a full scan of a sealed table costs five times one of a plain one.

use rusqlite::{Connection, OptionalExtension as _, Params, Row};

use super::{
    Attributes, Entry, EntryNumber, Labels, Origin, Totals,
    texts::{self, Query},
};
use crate::{
    id::BlobId,
    metadata::{Metadata, from_millis},
};

const COLUMNS: &str = "entries.number, entries.blob_id, entries.size, entries.name, entries.mime,
    entries.sender, entries.member, entries.sent_at, entries.received_at, entries.adopted_at,
    entries.origin, entries.caption, entries.given_name, entries.tags, entries.album,
    entries.trashed_at";

pub(super) fn entries(
    database: &Connection,
    from: &str,
    parameters: impl Params,
) -> rusqlite::Result<Vec<Entry>> {
    database
        .prepare_cached(&format!("SELECT {COLUMNS} FROM {from}"))?
        .query_map(parameters, entry)?
        .collect()
}

pub(super) fn get(database: &Connection, number: EntryNumber) -> rusqlite::Result<Option<Entry>> {
    entries(database, "entries WHERE number = ?1", [number]).map(|mut it| it.pop())
}

pub(super) fn by_blob(database: &Connection, blob: &BlobId) -> rusqlite::Result<Option<Entry>> {
    let from = "entries WHERE blob_id = ?1";
    entries(database, from, [blob.as_bytes()]).map(|mut it| it.pop())
}

pub(super) fn by_mark(
    database: &Connection,
    mark: &[u8; 32],
) -> rusqlite::Result<Option<EntryNumber>> {
    database
        .prepare_cached("SELECT number FROM entries WHERE content_mark = ?1")?
        .query_row([mark], |row| row.get(0))
        .optional()
}

pub(super) fn duplicate_of(
    database: &Connection,
    blob: &BlobId,
) -> rusqlite::Result<Option<EntryNumber>> {
    database
        .prepare_cached("SELECT number FROM duplicates WHERE blob_id = ?1")?
        .query_row([blob.as_bytes()], |row| row.get(0))
        .optional()
}

/// Returns the highest number that was ever given.
pub(super) fn last_number(database: &Connection) -> rusqlite::Result<Option<EntryNumber>> {
    let found: i64 = database
        .prepare_cached("SELECT last_number FROM state")?
        .query_row([], |row| row.get(0))?;
    Ok(u64::try_from(found).ok().and_then(EntryNumber::new))
}

pub(super) fn next_number(database: &Connection) -> rusqlite::Result<EntryNumber> {
    database
        .prepare_cached("SELECT last_number + 1 FROM state")?
        .query_row([], |row| row.get(0))
}

pub(super) fn totals(database: &Connection) -> rusqlite::Result<Totals> {
    database
        .prepare_cached("SELECT entries, bytes, trashed, trashed_bytes FROM state")?
        .query_row([], |row| {
            let count = |column| {
                let count: i64 = row.get(column)?;
                Ok::<_, rusqlite::Error>(u64::try_from(count).unwrap_or_default())
            };
            Ok(Totals {
                entries: count(0)?,
                bytes: count(1)?,
                trashed: count(2)?,
                trashed_bytes: count(3)?,
            })
        })
}

pub(super) fn list(
    database: &Connection,
    before: Option<EntryNumber>,
    limit: usize,
) -> rusqlite::Result<Vec<Entry>> {
    let from = "entries INDEXED BY entries_kept WHERE trashed_at IS NULL AND number < ?1
        ORDER BY number DESC LIMIT ?2";
    entries(database, from, page(before, limit))
}

pub(super) fn trashed(
    database: &Connection,
    before: Option<EntryNumber>,
    limit: usize,
) -> rusqlite::Result<Vec<Entry>> {
    let from = "entries INDEXED BY entries_trashed WHERE trashed_at IS NOT NULL AND number < ?1
        ORDER BY number DESC LIMIT ?2";
    entries(database, from, page(before, limit))
}

pub(super) fn trashed_until(
    database: &Connection,
    then: i64,
    limit: usize,
) -> rusqlite::Result<Vec<Entry>> {
    let from = "entries INDEXED BY entries_by_trashing WHERE trashed_at <= ?1
        ORDER BY trashed_at LIMIT ?2";
    entries(database, from, (then, saturated(limit as u64)))
}

pub(super) fn last_trashed_at(database: &Connection) -> rusqlite::Result<Option<i64>> {
    let last = "SELECT max(trashed_at) FROM entries INDEXED BY entries_by_trashing
        WHERE trashed_at IS NOT NULL";
    database
        .prepare_cached(last)?
        .query_row([], |row| row.get(0))
}

pub(super) fn in_album(
    database: &Connection,
    album: &str,
    before: Option<EntryNumber>,
    limit: usize,
) -> rusqlite::Result<Vec<Entry>> {
    let from = "entries INDEXED BY entries_in_album
        WHERE album_key = ?3 AND trashed_at IS NULL AND number < ?1
        ORDER BY number DESC LIMIT ?2";
    let (before, limit) = page(before, limit);
    entries(database, from, (before, limit, texts::fold(album)))
}

pub(super) fn tagged(
    database: &Connection,
    tag: &str,
    before: Option<EntryNumber>,
    limit: usize,
) -> rusqlite::Result<Vec<Entry>> {
    // In this order: from the tag to its entries.
    let from = "tags CROSS JOIN entries ON entries.number = tags.number
        WHERE tags.key = ?3 AND tags.number < ?1 AND entries.trashed_at IS NULL
        ORDER BY tags.number DESC LIMIT ?2";
    let (before, limit) = page(before, limit);
    entries(database, from, (before, limit, texts::fold(tag)))
}

pub(super) fn find(
    database: &Connection,
    words: &str,
    before: Option<EntryNumber>,
    limit: usize,
) -> rusqlite::Result<Vec<Entry>> {
    let expression = match texts::query(words) {
        Query::Everything => return list(database, before, limit),
        Query::Nothing => return Ok(Vec::new()),
        Query::Match(expression) => expression,
    };
    let from = "texts CROSS JOIN entries ON entries.number = texts.rowid
        WHERE texts MATCH ?3 AND texts.rowid < ?1 ORDER BY texts.rowid DESC LIMIT ?2";
    let (before, limit) = page(before, limit);
    entries(database, from, (before, limit, expression))
}

/// Returns all entries after a number, those in the trash as well, in the order of their numbers.
pub(super) fn ascending(
    database: &Connection,
    after: Option<EntryNumber>,
    limit: usize,
) -> rusqlite::Result<Vec<Entry>> {
    let after = saturated(after.map_or(0, EntryNumber::get));
    let from = "entries WHERE number > ?1 ORDER BY number LIMIT ?2";
    entries(database, from, (after, saturated(limit as u64)))
}

/// Returns noted duplicates after a blob: blob, entry, when.
pub(super) fn duplicates(
    database: &Connection,
    after: Option<BlobId>,
    limit: usize,
) -> rusqlite::Result<Vec<(BlobId, EntryNumber, i64)>> {
    let after = after.map_or(Vec::new(), |it| it.as_bytes().to_vec());
    database
        .prepare_cached(
            "SELECT blob_id, number, noticed_at FROM duplicates WHERE blob_id > ?1
             ORDER BY blob_id LIMIT ?2",
        )?
        .query_map((after, saturated(limit as u64)), |row| {
            Ok((BlobId::from_bytes(row.get(0)?), row.get(1)?, row.get(2)?))
        })?
        .collect()
}

/// Returns the blobs of entries that are being removed for good.
pub(super) fn purging(database: &Connection) -> rusqlite::Result<Vec<BlobId>> {
    database
        .prepare_cached("SELECT blob_id FROM purging")?
        .query_map([], |row| row.get(0).map(BlobId::from_bytes))?
        .collect()
}

pub(super) fn page(before: Option<EntryNumber>, limit: usize) -> (i64, i64) {
    let before = before.map_or(u64::MAX, EntryNumber::get);
    (saturated(before), saturated(limit as u64))
}

fn saturated(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let time = |column| {
        let millis: Option<i64> = row.get(column)?;
        Ok::<_, rusqlite::Error>(millis.and_then(from_millis))
    };
    let tags: Option<String> = row.get(13)?;
    Ok(Entry {
        number: row.get(0)?,
        blob_id: BlobId::from_bytes(row.get(1)?),
        size: u64::try_from(row.get::<_, i64>(2)?).unwrap_or_default(),
        metadata: Metadata {
            name: row.get(3)?,
            mime: row.get(4)?,
            sender: row.get(5)?,
            member: row.get(6)?,
            sent_at: time(7)?,
            received_at: time(8)?,
            // It is with the blob, and with what is known of a picture.
            dated: None,
        },
        adopted_at: time(9)?,
        attributes: Attributes {
            origin: Origin::from_byte(row.get(10)?).unwrap_or(Origin::Unproven),
            caption: row.get(11)?,
        },
        labels: Labels {
            name: row.get(12)?,
            tags: tags.map_or(Vec::new(), |it| it.lines().map(str::to_owned).collect()),
            album: row.get(14)?,
            trashed_at: time(15)?,
        },
    })
}
