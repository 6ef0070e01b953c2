//! Carries changes out in the index's tables; twice is the same as once.

use std::time::SystemTime;

use rusqlite::{OptionalExtension as _, Transaction, named_params};

use super::{EntryNumber, FromBlob, query, texts};
use crate::{
    change_log::{Change, What},
    id::BlobId,
    metadata,
};

/// Carries out one change. One that names an entry which is not there changes nothing.
pub(super) fn carry_out(
    transaction: &Transaction<'_>,
    change: &Change,
    from: Option<&FromBlob>,
) -> rusqlite::Result<()> {
    let Change {
        number,
        blob,
        at,
        what,
    } = change;
    let set = |sql: &str, value: Option<&str>| {
        texts::following(transaction, *number, || {
            transaction
                .prepare_cached(sql)?
                .execute((number, value))
                .map(drop)
        })
    };
    match what {
        What::Adopted { .. } => adopt(transaction, change, from),
        What::Duplicate => note_duplicate(transaction, *number, blob, *at),
        What::Replaced { unsound } => replace(transaction, change, unsound, from),
        What::Renamed { name } => set(
            "UPDATE entries SET given_name = ?2 WHERE number = ?1",
            name.as_deref(),
        ),
        What::Captioned { caption } => set(
            "UPDATE entries SET caption = ?2 WHERE number = ?1",
            caption.as_deref(),
        ),
        What::Moved { album } => texts::following(transaction, *number, || {
            transaction
                .prepare_cached("UPDATE entries SET album = ?2, album_key = ?3 WHERE number = ?1")?
                .execute((number, album, album.as_deref().map(texts::fold)))
                .map(drop)
        }),
        What::Tagged { tag } => tag_entry(transaction, *number, tag, true),
        What::Untagged { tag } => tag_entry(transaction, *number, tag, false),
        What::Trashed => trash(transaction, *number, Some(*at)),
        What::Restored => trash(transaction, *number, None),
        What::Purged => purge(transaction, *number, blob),
    }
}

fn note_duplicate(
    transaction: &Transaction<'_>,
    number: EntryNumber,
    blob: &BlobId,
    at: i64,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO duplicates (blob_id, number, noticed_at) VALUES (?1, ?2, ?3)
             ON CONFLICT (blob_id) DO NOTHING",
        )?
        .execute((blob.as_bytes(), number, at))
        .map(drop)
}

fn adopt(
    transaction: &Transaction<'_>,
    change: &Change,
    from: Option<&FromBlob>,
) -> rusqlite::Result<()> {
    let What::Adopted { origin, caption } = &change.what else {
        return Ok(());
    };
    let known: Option<EntryNumber> = transaction
        .prepare_cached("SELECT number FROM entries WHERE blob_id = ?1")?
        .query_row([change.blob.as_bytes()], |row| row.get(0))
        .optional()?;
    if let Some(number) = known {
        return texts::following(transaction, number, || {
            transaction
                .prepare_cached("UPDATE entries SET origin = ?2, caption = ?3 WHERE number = ?1")?
                .execute((number, origin.to_byte(), caption))
                .map(drop)
        });
    }
    transaction
        .prepare_cached(
            "INSERT INTO entries (number, blob_id, size, adopted_at, origin, caption)
             VALUES (?1, ?2, 0, ?3, ?4, ?5)",
        )?
        .execute((
            change.number,
            change.blob.as_bytes(),
            change.at,
            origin.to_byte(),
            caption,
        ))?;
    if let Some(from) = from {
        describe(transaction, change.number, from)?;
    }
    if let Some(text) = texts::of(transaction, change.number)? {
        texts::put(transaction, change.number, &text)?;
    }
    Ok(())
}

/// Writes down what is known from the entry's blob.
fn describe(
    transaction: &Transaction<'_>,
    number: EntryNumber,
    from: &FromBlob,
) -> rusqlite::Result<()> {
    let time = |time: Option<SystemTime>| time.map(|it| metadata::to_millis(Some(it)));
    transaction
        .prepare_cached(
            "UPDATE entries SET content_mark = :mark, size = :size, name = :name, mime = :mime,
                 sender = :sender, member = :member, sent_at = :sent_at,
                 received_at = :received_at
             WHERE number = :number",
        )?
        .execute(named_params! {
            ":number": number,
            ":mark": from.mark,
            ":size": i64::try_from(from.size).unwrap_or(i64::MAX),
            ":name": from.metadata.name,
            ":mime": from.metadata.mime,
            ":sender": from.metadata.sender,
            ":member": from.metadata.member,
            ":sent_at": time(from.metadata.sent_at),
            ":received_at": time(from.metadata.received_at),
        })
        .map(drop)
}

/// Puts a duplicate in the place of an entry's blob, which becomes the duplicate.
fn replace(
    transaction: &Transaction<'_>,
    change: &Change,
    unsound: &BlobId,
    from: Option<&FromBlob>,
) -> rusqlite::Result<()> {
    let Change {
        number, blob, at, ..
    } = change;
    let taken = query::by_blob(transaction, blob)?.is_some();
    if taken || query::get(transaction, *number)?.is_none() {
        return Ok(());
    }
    transaction
        .prepare_cached("DELETE FROM duplicates WHERE blob_id = ?1")?
        .execute([blob.as_bytes()])?;
    texts::following(transaction, *number, || {
        transaction
            .prepare_cached("UPDATE entries SET blob_id = ?2 WHERE number = ?1")?
            .execute((number, blob.as_bytes()))?;
        from.map_or(Ok(()), |from| describe(transaction, *number, from))
    })?;
    note_duplicate(transaction, *number, unsound, *at)
}

/// Gives a tag or takes it away. Tags that differ in case and accents only are one.
fn tag_entry(
    transaction: &Transaction<'_>,
    number: EntryNumber,
    tag: &str,
    give: bool,
) -> rusqlite::Result<()> {
    let Some(entry) = query::get(transaction, number)? else {
        return Ok(());
    };
    let key = texts::fold(tag);
    let mut tags = entry.labels.tags;
    tags.retain(|it| texts::fold(it) != key);
    if give {
        tags.push(tag.to_owned());
    }
    tags.sort_unstable();
    let sql = if give {
        "INSERT OR IGNORE INTO tags (key, number) VALUES (?1, ?2)"
    } else {
        "DELETE FROM tags WHERE key = ?1 AND number = ?2"
    };
    transaction.prepare_cached(sql)?.execute((key, number))?;
    texts::following(transaction, number, || {
        let tags = Some(tags.join("\n")).filter(|it| !it.is_empty());
        transaction
            .prepare_cached("UPDATE entries SET tags = ?2 WHERE number = ?1")?
            .execute((number, tags))
            .map(drop)
    })
}

fn trash(
    transaction: &Transaction<'_>,
    number: EntryNumber,
    at: Option<i64>,
) -> rusqlite::Result<()> {
    texts::following(transaction, number, || {
        transaction
            .prepare_cached("UPDATE entries SET trashed_at = ?2 WHERE number = ?1")?
            .execute((number, at))
            .map(drop)
    })
}

/// Removes an entry, and notes its blob and the duplicates of it as to be removed.
fn purge(
    transaction: &Transaction<'_>,
    number: EntryNumber,
    blob: &BlobId,
) -> rusqlite::Result<()> {
    let run = |sql: &str| transaction.prepare_cached(sql)?.execute([number]).map(drop);
    transaction
        .prepare_cached("INSERT OR IGNORE INTO purging (blob_id) VALUES (?1)")?
        .execute([blob.as_bytes()])?;
    run("INSERT OR IGNORE INTO purging SELECT blob_id FROM duplicates WHERE number = ?1")?;
    run("DELETE FROM duplicates WHERE number = ?1")?;
    let tags = query::get(transaction, number)?.map(|it| it.labels.tags);
    for tag in tags.into_iter().flatten() {
        transaction
            .prepare_cached("DELETE FROM tags WHERE key = ?1 AND number = ?2")?
            .execute((texts::fold(&tag), number))?;
    }
    texts::following(transaction, number, || {
        run("DELETE FROM entries WHERE number = ?1")
    })
}
