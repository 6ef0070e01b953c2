//! The index's tables, their versions, and how its file is opened.

use std::{path::Path, time::SystemTime};

use rusqlite::{Connection, Transaction};
use zeroize::Zeroizing;

use super::IndexError;
use crate::{key::PurposeKey, metadata};

/// Each step that brought the tables to their present form; never edited after a release.
const MIGRATIONS: &[&str] = &["
    CREATE TABLE entries (
        number       INTEGER PRIMARY KEY,
        blob_id      BLOB NOT NULL UNIQUE,
        content_mark BLOB UNIQUE,
        size         INTEGER NOT NULL,
        name         TEXT,
        mime         TEXT,
        sender       TEXT,
        member       TEXT,
        sent_at      INTEGER,
        received_at  INTEGER,
        adopted_at   INTEGER NOT NULL,
        origin       INTEGER NOT NULL,
        caption      TEXT
    ) STRICT;
    CREATE TABLE duplicates (
        blob_id    BLOB PRIMARY KEY,
        number     INTEGER NOT NULL,
        noticed_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE state (
        one           INTEGER PRIMARY KEY CHECK (one = 1),
        last_sequence INTEGER NOT NULL,
        last_number   INTEGER NOT NULL,
        entries       INTEGER NOT NULL,
        bytes         INTEGER NOT NULL,
        unfinished    INTEGER NOT NULL
    ) STRICT;
    INSERT INTO state VALUES (1, 0, 0, 0, 0, 1);
    CREATE VIRTUAL TABLE texts USING fts5 (
        name, caption, content = 'entries', content_rowid = 'number',
        tokenize = 'trigram remove_diacritics 1'
    );
    CREATE TRIGGER entries_added AFTER INSERT ON entries BEGIN
        INSERT INTO texts (rowid, name, caption) VALUES (new.number, new.name, new.caption);
        UPDATE state SET entries = entries + 1, bytes = bytes + new.size,
            last_number = max(last_number, new.number);
    END;
    CREATE TRIGGER entries_captioned AFTER UPDATE OF caption ON entries BEGIN
        INSERT INTO texts (texts, rowid, name, caption)
            VALUES ('delete', old.number, old.name, old.caption);
        INSERT INTO texts (rowid, name, caption) VALUES (new.number, new.name, new.caption);
    END;
"];

/// Opens the file with its key; fails if it is damaged, or of another key.
pub(super) fn connect(path: &Path, key: &PurposeKey) -> rusqlite::Result<Connection> {
    let database = Connection::open(path)?;
    let mut raw = Zeroizing::new(String::with_capacity(80));
    raw.push_str("x'");
    for byte in key.expose_to_cipher() {
        for digit in [byte >> 4, byte & 15] {
            raw.push(char::from_digit(u32::from(digit), 16).unwrap_or_default());
        }
    }
    raw.push('\'');
    // Whatever goes wrong comes back as an error; the library need not print it as well.
    database.pragma_update(None, "cipher_log_level", "NONE")?;
    database.pragma_update(None, "key", raw.as_str())?;
    database.pragma_update(None, "cipher_memory_security", true)?;
    database.pragma_update(None, "temp_store", "MEMORY")?;
    database.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    database.pragma_update(None, "synchronous", "FULL")?;
    database.pragma_update(None, "trusted_schema", false)?;
    // The first read tells whether the key fits; journal_mode answers with a row.
    database.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    database.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    Ok(database)
}

/// Brings the tables to their present form.
pub(super) fn migrate(database: &mut Connection, now: SystemTime) -> Result<(), IndexError> {
    let transaction = database.transaction()?;
    transaction.execute_batch(
        "CREATE TABLE IF NOT EXISTS migrations (
             version INTEGER PRIMARY KEY, applied_at INTEGER NOT NULL
         ) STRICT",
    )?;
    let found: i64 = transaction.query_row(
        "SELECT coalesce(max(version), 0) FROM migrations",
        [],
        |row| row.get(0),
    )?;
    let found = usize::try_from(found).map_err(|_| IndexError::TooNew)?;
    let missing = MIGRATIONS.get(found..).ok_or(IndexError::TooNew)?;
    for (version, step) in (found + 1..).zip(missing) {
        transaction.execute_batch(step)?;
        transaction.execute(
            "INSERT INTO migrations VALUES (?1, ?2)",
            (
                i64::try_from(version).unwrap_or(i64::MAX),
                metadata::to_millis(Some(now)),
            ),
        )?;
    }
    transaction.commit()?;
    Ok(())
}

pub(super) fn last_sequence(database: &Connection) -> rusqlite::Result<u64> {
    let found: i64 = database.query_row("SELECT last_sequence FROM state", [], |row| row.get(0))?;
    Ok(u64::try_from(found).unwrap_or_default())
}

pub(super) fn set_last_sequence(
    transaction: &Transaction<'_>,
    sequence: u64,
) -> rusqlite::Result<()> {
    let sequence = i64::try_from(sequence).unwrap_or(i64::MAX);
    transaction
        .prepare("UPDATE state SET last_sequence = max(last_sequence, ?1)")?
        .execute([sequence])
        .map(drop)
}

/// Makes sure that no number up to `number` is given to another blob.
pub(super) fn set_last_number(
    transaction: &Transaction<'_>,
    number: super::EntryNumber,
) -> rusqlite::Result<()> {
    transaction
        .prepare("UPDATE state SET last_number = max(last_number, ?1)")?
        .execute([number])
        .map(drop)
}

/// Tells whether the index was not yet compared with the blobs on the drive.
pub(super) fn is_unfinished(database: &Connection) -> rusqlite::Result<bool> {
    database.query_row("SELECT unfinished FROM state", [], |row| row.get(0))
}

pub(super) fn set_finished(database: &Connection) -> rusqlite::Result<()> {
    database
        .execute("UPDATE state SET unfinished = 0", [])
        .map(drop)
}

/// Checks the MAC of every page, the tables' order, and the totals against a count.
pub(super) fn is_sound(database: &Connection) -> rusqlite::Result<bool> {
    let mut pages = database.prepare("PRAGMA cipher_integrity_check")?;
    let pages_hold = pages.query([])?.next()?.is_none();
    let ordered: String = database.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    let counted: bool = database.query_row(
        "SELECT state.entries = (SELECT count(*) FROM entries)
            AND state.bytes = (SELECT coalesce(sum(size), 0) FROM entries) FROM state",
        [],
        |row| row.get(0),
    )?;
    Ok(pages_hold && ordered == "ok" && counted)
}
