//! The index's tables and their versions.

use std::time::SystemTime;

use rusqlite::{Connection, Transaction};

use super::{EntryNumber, IndexError, texts};
use crate::metadata;

/// One step that brought the tables to their present form.
pub(super) enum Step {
    /// It is told in SQL.
    Sql(&'static str),
    /// It needs to look at every entry.
    Code(fn(&Transaction<'_>) -> rusqlite::Result<()>),
}

/// All steps; never edited after a release.
pub(super) const STEPS: &[&[Step]] = &[
    &[Step::Sql(FIRST)],
    // The texts that were made here are made anew by the fourth.
    &[Step::Sql(SECOND)],
    &[Step::Sql(PICTURES)],
    // As are those of this one, by the fifth.
    &[Step::Sql(SEARCHED), Step::Code(fill_texts)],
    &[Step::Sql(BY_TAKING), Step::Code(fill_texts)],
];

const FIRST: &str = "
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
";

/// Names, tags, albums, trash; search in folded texts of our own making.
const SECOND: &str = "
    DROP TRIGGER entries_added;
    DROP TRIGGER entries_captioned;
    DROP TABLE texts;
    ALTER TABLE entries ADD COLUMN given_name TEXT;
    ALTER TABLE entries ADD COLUMN album TEXT;
    ALTER TABLE entries ADD COLUMN album_key TEXT;
    ALTER TABLE entries ADD COLUMN tags TEXT;
    ALTER TABLE entries ADD COLUMN trashed_at INTEGER;
    CREATE INDEX entries_kept ON entries (number) WHERE trashed_at IS NULL;
    CREATE INDEX entries_trashed ON entries (number) WHERE trashed_at IS NOT NULL;
    CREATE INDEX entries_by_trashing ON entries (trashed_at) WHERE trashed_at IS NOT NULL;
    CREATE INDEX entries_in_album ON entries (album_key, number)
        WHERE album_key IS NOT NULL AND trashed_at IS NULL;
    CREATE TABLE tags (
        key    TEXT NOT NULL,
        number INTEGER NOT NULL,
        PRIMARY KEY (key, number)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX duplicates_by_number ON duplicates (number);
    CREATE TABLE purging (blob_id BLOB PRIMARY KEY) STRICT, WITHOUT ROWID;
    ALTER TABLE state ADD COLUMN trashed INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE state ADD COLUMN trashed_bytes INTEGER NOT NULL DEFAULT 0;
    CREATE TRIGGER entries_added AFTER INSERT ON entries BEGIN
        UPDATE state SET entries = entries + 1, bytes = bytes + new.size,
            last_number = max(last_number, new.number);
    END;
    CREATE TRIGGER entries_changed AFTER UPDATE OF size, trashed_at ON entries BEGIN
        UPDATE state SET
            entries = entries + (new.trashed_at IS NULL) - (old.trashed_at IS NULL),
            bytes = bytes + iif(new.trashed_at IS NULL, new.size, 0)
                          - iif(old.trashed_at IS NULL, old.size, 0),
            trashed = trashed + (new.trashed_at IS NOT NULL) - (old.trashed_at IS NOT NULL),
            trashed_bytes = trashed_bytes + iif(new.trashed_at IS NULL, 0, new.size)
                          - iif(old.trashed_at IS NULL, 0, old.size);
    END;
    CREATE TRIGGER entries_removed AFTER DELETE ON entries BEGIN
        UPDATE state SET
            entries = entries - (old.trashed_at IS NULL),
            bytes = bytes - iif(old.trashed_at IS NULL, old.size, 0),
            trashed = trashed - (old.trashed_at IS NOT NULL),
            trashed_bytes = trashed_bytes - iif(old.trashed_at IS NULL, 0, old.size);
    END;
    CREATE VIRTUAL TABLE texts USING fts5 (
        text, content = '', tokenize = 'trigram case_sensitive 1'
    );
";

/// What pictures say of themselves. A row without a width: it was looked at, and is none.
const PICTURES: &str = "
    CREATE TABLE pictures (
        number       INTEGER PRIMARY KEY,
        width        INTEGER,
        height       INTEGER,
        taken_at     INTEGER,
        camera       TEXT,
        latitude     INTEGER,
        longitude    INTEGER,
        is_described INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX pictures_by_time ON pictures (taken_at, number) WHERE taken_at IS NOT NULL;
    CREATE TRIGGER pictures_of_removed AFTER DELETE ON entries BEGIN
        DELETE FROM pictures WHERE number = old.number;
    END;
    CREATE TRIGGER pictures_of_replaced AFTER UPDATE OF blob_id ON entries BEGIN
        DELETE FROM pictures WHERE number = old.number;
    END;
";

/// Time, kind and the like in the texts; how often tags and albums are used.
const SEARCHED: &str = "
    DROP TABLE texts;
    CREATE VIRTUAL TABLE texts USING fts5 (
        text, content = '', tokenize = 'trigram case_sensitive 1'
    );
    CREATE INDEX tags_by_number ON tags (number);
    CREATE TABLE albums (
        key     TEXT PRIMARY KEY,
        entries INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    INSERT INTO albums SELECT album_key, count(*) FROM entries
        WHERE album_key IS NOT NULL AND trashed_at IS NULL GROUP BY album_key;
    CREATE TABLE tag_totals (
        key     TEXT PRIMARY KEY,
        entries INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    INSERT INTO tag_totals SELECT key, count(*) FROM tags
        JOIN entries ON entries.number = tags.number
        WHERE trashed_at IS NULL GROUP BY key;
    CREATE TRIGGER entries_moved AFTER UPDATE OF album_key, trashed_at ON entries BEGIN
        UPDATE albums SET entries = entries - 1
            WHERE key = old.album_key AND old.trashed_at IS NULL;
        INSERT INTO albums SELECT new.album_key, 1
            WHERE new.album_key IS NOT NULL AND new.trashed_at IS NULL
            ON CONFLICT (key) DO UPDATE SET entries = entries + 1;
        DELETE FROM albums WHERE key = old.album_key AND entries < 1;
    END;
    CREATE TRIGGER entries_left AFTER DELETE ON entries BEGIN
        UPDATE albums SET entries = entries - 1
            WHERE key = old.album_key AND old.trashed_at IS NULL;
        DELETE FROM albums WHERE key = old.album_key AND entries < 1;
    END;
    CREATE TRIGGER tags_given AFTER INSERT ON tags
        WHEN (SELECT trashed_at IS NULL FROM entries WHERE number = new.number) BEGIN
        INSERT INTO tag_totals VALUES (new.key, 1)
            ON CONFLICT (key) DO UPDATE SET entries = entries + 1;
    END;
    CREATE TRIGGER tags_taken AFTER DELETE ON tags
        WHEN (SELECT trashed_at IS NULL FROM entries WHERE number = old.number) BEGIN
        UPDATE tag_totals SET entries = entries - 1 WHERE key = old.key;
        DELETE FROM tag_totals WHERE key = old.key AND entries < 1;
    END;
    CREATE TRIGGER tags_trashed AFTER UPDATE OF trashed_at ON entries
        WHEN old.trashed_at IS NULL AND new.trashed_at IS NOT NULL BEGIN
        UPDATE tag_totals SET entries = entries - 1
            WHERE key IN (SELECT key FROM tags WHERE number = new.number);
        DELETE FROM tag_totals
            WHERE key IN (SELECT key FROM tags WHERE number = new.number) AND entries < 1;
    END;
    CREATE TRIGGER tags_restored AFTER UPDATE OF trashed_at ON entries
        WHEN old.trashed_at IS NOT NULL AND new.trashed_at IS NULL BEGIN
        INSERT INTO tag_totals SELECT key, 1 FROM tags WHERE number = new.number
            ON CONFLICT (key) DO UPDATE SET entries = entries + 1;
    END;
";

/// Pictures are found by when they were taken: that time is in the texts, like all others.
const BY_TAKING: &str = "
    DROP INDEX pictures_by_time;
    DROP TABLE texts;
    CREATE VIRTUAL TABLE texts USING fts5 (
        text, content = '', tokenize = 'trigram case_sensitive 1'
    );
";

fn fill_texts(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    let mut numbers = transaction.prepare("SELECT number FROM entries ORDER BY number")?;
    for number in numbers.query_map([], |row| row.get::<_, EntryNumber>(0))? {
        let number = number?;
        if let Some(text) = texts::of(transaction, number)? {
            texts::put(transaction, number, &text)?;
        }
    }
    Ok(())
}

/// Brings the tables to their present form, in one transaction.
pub(super) fn migrate(
    database: &mut Connection,
    steps: &[&[Step]],
    now: SystemTime,
) -> Result<(), IndexError> {
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
    let missing = steps.get(found..).ok_or(IndexError::TooNew)?;
    for (version, step) in (found + 1..).zip(missing) {
        for part in *step {
            match part {
                Step::Sql(sql) => transaction.execute_batch(sql)?,
                Step::Code(code) => code(&transaction)?,
            }
        }
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
