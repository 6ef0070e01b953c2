//! The index's questions. Each is answered through an index of its tables, or looks at a bounded
//! number of rows: a full scan of a sealed table costs five times one of a plain one.

use rusqlite::{Connection, OptionalExtension as _, Row};

use super::{Attributes, Entry, EntryNumber, Found, Origin, Totals};
use crate::{
    id::BlobId,
    metadata::{Metadata, from_millis},
};

/// How many entries a search by words too short for the text index looks at.
pub(super) const LOOKED_AT: usize = 10_000;

/// The text index works with pieces of this many characters.
const PIECE_CHARACTERS: usize = 3;

const COLUMNS: &str = "entries.number, entries.blob_id, entries.size, entries.name, entries.mime,
    entries.sender, entries.member, entries.sent_at, entries.received_at, entries.adopted_at,
    entries.origin, entries.caption";

pub(super) fn get(database: &Connection, number: EntryNumber) -> rusqlite::Result<Option<Entry>> {
    database
        .prepare(&format!("SELECT {COLUMNS} FROM entries WHERE number = ?1"))?
        .query_row([number], entry)
        .optional()
}

pub(super) fn by_blob(database: &Connection, blob: &BlobId) -> rusqlite::Result<Option<Entry>> {
    database
        .prepare(&format!("SELECT {COLUMNS} FROM entries WHERE blob_id = ?1"))?
        .query_row([blob.as_bytes()], entry)
        .optional()
}

pub(super) fn by_mark(
    database: &Connection,
    mark: &[u8; 32],
) -> rusqlite::Result<Option<EntryNumber>> {
    database
        .prepare("SELECT number FROM entries WHERE content_mark = ?1")?
        .query_row([mark], |row| row.get(0))
        .optional()
}

pub(super) fn duplicate_of(
    database: &Connection,
    blob: &BlobId,
) -> rusqlite::Result<Option<EntryNumber>> {
    database
        .prepare("SELECT number FROM duplicates WHERE blob_id = ?1")?
        .query_row([blob.as_bytes()], |row| row.get(0))
        .optional()
}

pub(super) fn next_number(database: &Connection) -> rusqlite::Result<EntryNumber> {
    database
        .prepare("SELECT last_number + 1 FROM state")?
        .query_row([], |row| row.get(0))
}

pub(super) fn totals(database: &Connection) -> rusqlite::Result<Totals> {
    database
        .prepare("SELECT entries, bytes FROM state")?
        .query_row([], |row| {
            let count = |it: i64| u64::try_from(it).unwrap_or_default();
            Ok(Totals {
                entries: count(row.get(0)?),
                bytes: count(row.get(1)?),
            })
        })
}

pub(super) fn list(
    database: &Connection,
    before: Option<EntryNumber>,
    limit: usize,
) -> rusqlite::Result<Vec<Entry>> {
    let before = before.map_or(u64::MAX, EntryNumber::get);
    database
        .prepare(&format!(
            "SELECT {COLUMNS} FROM entries WHERE number < ?1 ORDER BY number DESC LIMIT ?2"
        ))?
        .query_map((saturated(before), saturated(limit as u64)), entry)?
        .collect()
}

pub(super) fn find(database: &Connection, words: &str, limit: usize) -> rusqlite::Result<Found> {
    let words: Vec<String> = words
        .split(|it: char| it.is_whitespace() || it.is_control())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    let (long, short): (Vec<&str>, Vec<&str>) = words
        .iter()
        .map(String::as_str)
        .partition(|word| characters(word) >= PIECE_CHARACTERS);
    // Quoted, a word is only ever text: a quote inside it is doubled.
    let quoted: Vec<String> = long
        .iter()
        .map(|word| format!("\"{}\"", word.replace('"', "\"\"")))
        .collect();
    let looked_at = if short.is_empty() { limit } else { LOOKED_AT };
    if quoted.is_empty() {
        let sql = format!("SELECT {COLUMNS} FROM entries ORDER BY number DESC LIMIT ?1");
        let mut statement = database.prepare(&sql)?;
        let rows = statement.query_map([saturated(looked_at as u64)], entry)?;
        return matching(rows, &short, limit);
    }
    let sql = format!(
        "SELECT {COLUMNS} FROM texts JOIN entries ON entries.number = texts.rowid
         WHERE texts MATCH ?1 ORDER BY texts.rowid DESC LIMIT ?2"
    );
    let mut statement = database.prepare(&sql)?;
    let rows = statement.query_map((quoted.join(" AND "), saturated(looked_at as u64)), entry)?;
    matching(rows, &short, limit)
}

/// Takes the rows that hold all short words, until there are enough.
fn matching(
    rows: impl Iterator<Item = rusqlite::Result<Entry>>,
    short: &[&str],
    limit: usize,
) -> rusqlite::Result<Found> {
    let (mut entries, mut looked_at) = (Vec::new(), 0);
    for entry in rows {
        let entry = entry?;
        looked_at += 1;
        if short.iter().all(|word| holds(&entry, word)) {
            entries.push(entry);
            if entries.len() >= limit {
                break;
            }
        }
    }
    let searched_all = short.is_empty() || entries.len() >= limit || looked_at < LOOKED_AT;
    Ok(Found {
        entries,
        searched_all,
    })
}

fn holds(entry: &Entry, word: &str) -> bool {
    [&entry.metadata.name, &entry.attributes.caption]
        .into_iter()
        .flatten()
        .any(|text| text.to_lowercase().contains(word))
}

/// How many characters the text index sees: accents written apart are none.
fn characters(word: &str) -> usize {
    word.chars()
        .filter(|it| !('\u{300}'..='\u{36f}').contains(it))
        .count()
}

fn saturated(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let time = |column| {
        let millis: Option<i64> = row.get(column)?;
        Ok::<_, rusqlite::Error>(millis.and_then(from_millis))
    };
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
        },
        adopted_at: time(9)?,
        attributes: Attributes {
            origin: Origin::from_byte(row.get(10)?).unwrap_or(Origin::Unproven),
            caption: row.get(11)?,
        },
    })
}
