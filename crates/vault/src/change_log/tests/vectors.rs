//! Frozen files of the change log: written anew they are the same, byte for byte, since sealing
//! them needs no randomness; and they are read as what they were made of. What they say by the
//! documents alone is tried in `tests/formats`.
//!
//! Run once for each version of the formats with `UPDATE_VECTORS=1`, which writes them.

use std::path::Path;

use super::*;
use crate::{OpenVault, SlotSecret, folder::MARK_NAME};

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

fn field(text: &str, name: &str) -> Vec<u8> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    hex::decode(line.unwrap()).unwrap()
}

/// The vault of the vectors, in a folder of its own.
fn vault() -> (tempfile::TempDir, OpenVault) {
    let text = fs::read_to_string(vectors().join("vault.txt")).unwrap();
    let place = tempfile::tempdir().unwrap();
    let key_file = SlotSecret::from_key_file(&field(&text, "key-file")).unwrap();
    let epoch = place.path().join("epochs/0000000001");
    fs::create_dir_all(&epoch).unwrap();
    fs::write(place.path().join(MARK_NAME), field(&text, "mark")).unwrap();
    let record = epoch.join(format!("{}.slot", key_file.secret.slot_id()));
    fs::write(record, field(&text, "slot-record")).unwrap();
    let open = OpenVault::open(place.path(), &key_file.secret, noon()).unwrap();
    (place, open)
}

/// One change of every kind, and those again that can be without a text.
fn changes() -> Vec<Change> {
    let some = |text: &str| Some(text.to_owned());
    let unsound = BlobId::from_bytes([0xEE; 16]);
    let origin = Origin::Unproven;
    vec![
        adopted(1, "At the sea, in May 🌊"),
        adopted(2, ""),
        change(
            3,
            What::Adopted {
                origin,
                caption: None,
            },
        ),
        change(1, What::Duplicate),
        change(1, What::Replaced { unsound }),
        change(
            2,
            What::Renamed {
                name: some("photo ü.jpg"),
            },
        ),
        change(2, What::Renamed { name: None }),
        change(
            2,
            What::Captioned {
                caption: some("c".repeat(300).as_str()),
            },
        ),
        change(2, What::Captioned { caption: None }),
        change(
            2,
            What::Tagged {
                tag: "Élan".to_owned(),
            },
        ),
        change(
            2,
            What::Untagged {
                tag: "elan".to_owned(),
            },
        ),
        change(
            2,
            What::Moved {
                album: some("Holidays"),
            },
        ),
        change(2, What::Moved { album: None }),
        change(1, What::Trashed),
        change(1, What::Restored),
        change(3, What::Purged),
    ]
}

/// What a snapshot of the same says: entries 1 and 2, and that 3 was the highest number.
fn state() -> Vec<Change> {
    let name = Some("photo ü.jpg".to_owned());
    vec![
        adopted(1, "At the sea, in May 🌊"),
        adopted(2, ""),
        change(2, What::Renamed { name }),
        change(1, What::Duplicate),
    ]
}

/// The vector's text: where the file lies, what it was made of, and its bytes.
fn vector(comment: &str, name: &str, made_of: &[Change], bytes: &[u8]) -> String {
    let mut text = format!("comment: {comment}\nname: {name}\n");
    for change in made_of {
        text += &format!("change: {}\n", hex::encode(change.to_bytes()));
    }
    let lines: Vec<String> = bytes.chunks(50).map(hex::encode).collect();
    format!("{text}\n{}\n", lines.join("\n"))
}

/// Compares with the vector that was frozen, and returns its bytes.
fn frozen(file: &str, made: &str) -> Vec<u8> {
    let path = vectors().join(file);
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        fs::write(&path, made).unwrap();
    }
    let text = fs::read_to_string(path).unwrap();
    assert!(text == made, "{file} is no longer what is written");
    let (_, bytes) = text.split_once("\n\n").unwrap();
    hex::decode(bytes.replace('\n', "")).unwrap()
}

#[test]
fn a_segment_is_written_as_the_vector_has_it_and_the_vector_is_read_as_it_was_written() {
    let (place, open) = vault();
    let (mut log, _) = ChangeLog::open(open.folder(), open.epochs(), Look::Thorough).unwrap();
    let all = changes();
    // In two steps, which leave no trace.
    log.append(&all[..3]).unwrap();
    log.append(&all[3..]).unwrap();
    let name = "changes/0000000001-0000000001.log";
    let written = fs::read(place.path().join(name)).unwrap();
    let comment = "every kind of change in a segment of the vault in vault.txt";

    let bytes = frozen(
        "change_log_segment.txt",
        &vector(comment, name, &all, &written),
    );

    let (place, open) = vault();
    fs::create_dir(place.path().join("changes")).unwrap();
    fs::write(place.path().join(name), bytes).unwrap();
    let (_, history) = ChangeLog::open(open.folder(), open.epochs(), Look::Thorough).unwrap();
    let (sequences, read): (Vec<u64>, Vec<Change>) = history.changes.into_iter().unzip();
    assert!(read == all);
    assert_eq!(sequences, (1..=all.len() as u64).collect::<Vec<_>>());
    assert!(history.torn.is_empty() && !history.newer && !history.outdated);
}

#[test]
fn a_snapshot_is_written_as_the_vector_has_it_and_the_vector_is_read_as_it_was_written() {
    let (place, open) = vault();
    let (mut log, _) = ChangeLog::open(open.folder(), open.epochs(), Look::Thorough).unwrap();
    log.append(&changes()).unwrap();
    let all = state();
    let mut snapshot = log.start_snapshot(EntryNumber::new(3)).unwrap();
    for change in &all {
        snapshot.push(change).unwrap();
    }
    snapshot.finish().unwrap();
    let name = "snapshots/0000000001-0000000001.snap";
    let written = fs::read(place.path().join(name)).unwrap();
    let comment = "a snapshot after the segment in change_log_segment.txt";

    let bytes = frozen(
        "change_log_snapshot.txt",
        &vector(comment, name, &all, &written),
    );

    let (place, open) = vault();
    fs::create_dir(place.path().join("snapshots")).unwrap();
    fs::write(place.path().join(name), bytes).unwrap();
    let (_, history) = ChangeLog::open(open.folder(), open.epochs(), Look::Thorough).unwrap();
    let found = history.snapshot.unwrap();
    let mut read = Vec::new();
    let extent = found.read(open.folder(), open.epochs(), |some| {
        read.extend(some);
        Ok::<_, io::Error>(())
    });
    assert_eq!(extent.unwrap(), Extent::Whole);
    assert!(read == all);
    let last = changes().len() as u64;
    assert_eq!(
        (found.segment, found.sequence, found.last_number),
        (1, last, 3)
    );
}
