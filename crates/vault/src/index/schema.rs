//! How the index's file is opened, and what it notes about itself.

use std::{path::Path, sync::Once};

use rusqlite::{Connection, Transaction};
use zeroize::Zeroizing;

use crate::key::PurposeKey;

/// Makes the database library ready, once in a process; whoever calls meanwhile waits.
///
/// SQLite lets a second thread in before SQLCipher has set itself up, and that thread's key is refused.
pub fn make_library_ready() {
    static READY: Once = Once::new();
    READY.call_once(|| drop(Connection::open_in_memory()));
}

/// Opens the file with its key; fails if it is damaged, or of another key.
pub(super) fn connect(path: &Path, key: &PurposeKey) -> rusqlite::Result<Connection> {
    make_library_ready();
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
    // What a purge removes is overwritten.
    database.pragma_update(None, "secure_delete", true)?;
    database.set_prepared_statement_cache_capacity(64);
    // The first read tells whether the key fits; journal_mode answers with a row.
    database.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    database.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    Ok(database)
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
        "SELECT (state.entries, state.bytes, state.trashed, state.trashed_bytes) =
            (SELECT count(*) FILTER (WHERE trashed_at IS NULL),
                    coalesce(sum(size) FILTER (WHERE trashed_at IS NULL), 0),
                    count(*) FILTER (WHERE trashed_at IS NOT NULL),
                    coalesce(sum(size) FILTER (WHERE trashed_at IS NOT NULL), 0)
             FROM entries) FROM state",
        [],
        |row| row.get(0),
    )?;
    Ok(pages_hold && ordered == "ok" && counted)
}
