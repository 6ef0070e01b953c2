//! An index of an earlier version becomes one of this version, in one step or not at all.

use std::cell::RefCell;

use rusqlite::Transaction;

use super::*;
use crate::index::migrations::{STEPS, Step, migrate};

/// Makes an index of the first version with so many entries; returns its file and what opens it.
fn of_first_version(vault: &TestVault, entries: i64) -> PathBuf {
    let path = index_file(vault);
    let mut database = connect(vault, &path);
    migrate(&mut database, &STEPS[..1], noon()).unwrap();
    let transaction = database.transaction().unwrap();
    for place in 1..=entries {
        let mut blob = [0; 16];
        blob[..8].copy_from_slice(&place.to_be_bytes());
        transaction
            .execute(
                "INSERT INTO entries (number, blob_id, size, name, adopted_at, origin, caption)
                 VALUES (?1, ?2, 10, ?3, 5, 1, 'at the Lake')",
                (place, blob, format!("Müller {place}.jpg")),
            )
            .unwrap();
    }
    transaction
        .execute("UPDATE state SET unfinished = 0, last_sequence = 7", [])
        .unwrap();
    transaction.commit().unwrap();
    path
}

fn connect(vault: &TestVault, path: &Path) -> Connection {
    let key = vault.open().epochs().index_key(1).unwrap();
    schema::connect(path, &key).unwrap()
}

fn version(database: &Connection) -> i64 {
    database
        .query_row("SELECT max(version) FROM migrations", [], |row| row.get(0))
        .unwrap()
}

#[test]
fn an_index_of_the_first_version_is_brought_up_with_all_it_has() {
    let vault = TestVault::new();
    of_first_version(&vault, 700);

    let (mut index, opening) = open(&vault);

    assert_eq!(opening, Opening::Found);
    assert_eq!(version(&index.database), STEPS.len() as i64);
    let totals = index.totals().unwrap();
    assert_eq!(
        (totals.entries, totals.bytes, totals.trashed),
        (700, 7000, 0)
    );
    assert_eq!(
        names(&index.find("muller 699", None, 9).unwrap()),
        ["Müller 699.jpg"]
    );
    assert_eq!(index.find("la", None, 999).unwrap().len(), 700);
    index.trash(number(700), noon()).unwrap();
    assert!(index.is_sound().unwrap());
}

/// What the program of each version could have left besides [`of_first_version`]'s entries, of which
/// there are ten: tags, an album and the trash from the second version on, pictures from the third.
const LEFT: &[(usize, &str)] = &[
    (
        2,
        "UPDATE entries SET given_name = 'Evening', tags = 'Sea' WHERE number = 1;
         INSERT INTO tags VALUES ('sea', 1);
         UPDATE entries SET album = 'Rome', album_key = 'rome' WHERE number IN (1, 2);
         UPDATE entries SET trashed_at = 9 WHERE number = 10;",
    ),
    (
        3,
        "INSERT INTO pictures VALUES (3, 40, 30, 1750000000000, 'Leica', NULL, NULL, 1);
         INSERT INTO pictures (number, is_described) VALUES (4, 0);",
    ),
];

#[test]
fn an_index_of_every_version_is_brought_up_with_tags_albums_trash_and_pictures() {
    for from in 1..=STEPS.len() {
        let vault = TestVault::new();
        let path = of_first_version(&vault, 10);
        let mut database = connect(&vault, &path);
        for to in 2..=from {
            migrate(&mut database, &STEPS[..to], noon()).unwrap();
            for (_, sql) in LEFT.iter().filter(|(since, _)| *since == to) {
                database.execute_batch(sql).unwrap();
            }
        }
        drop(database);

        let (mut index, opening) = open(&vault);

        assert_eq!(opening, Opening::Found, "from version {from}");
        assert_eq!(version(&index.database), STEPS.len() as i64);
        let totals = index.totals().unwrap();
        let (kept, used) = if from < 2 { (10, 0) } else { (9, 1) };
        assert_eq!((totals.entries, totals.trashed), (kept, 10 - kept));
        assert_eq!(index.tags("", 9).unwrap().len(), used);
        let albums = index.albums("", 9).unwrap();
        assert_eq!(
            albums.iter().map(|it| it.entries).sum::<u64>(),
            used as u64 * 2
        );
        assert_eq!(
            names(&index.find("muller 7", None, 9).unwrap()),
            ["Müller 7.jpg"]
        );
        assert_eq!(index.find("evening", None, 9).unwrap().len(), used);
        let picture = index.picture_of(number(3)).unwrap();
        let camera = picture.and_then(|it| it.camera);
        assert_eq!(camera.as_deref(), (from >= 3).then_some("Leica"));
        assert!(index.is_sound().unwrap());
        // It is worked with as before.
        index.trash(number(2), noon()).unwrap();
        assert_eq!(index.totals().unwrap().trashed, 11 - kept);
        drop(index);
        assert_eq!(open(&vault).1, Opening::Found);
    }
}

#[test]
fn a_migration_that_is_killed_leaves_the_old_index() {
    thread_local!(static COPIED: RefCell<Option<PathBuf>> = const { RefCell::new(None) });
    fn kill(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        // All that a power cut at this instant would leave on the drive.
        let path = PathBuf::from(transaction.path().unwrap());
        let copy = path.with_extension("cut");
        fs::copy(&path, &copy).unwrap();
        fs::copy(wal(&path), wal(&copy)).unwrap();
        COPIED.set(Some(copy));
        Err(rusqlite::Error::InvalidQuery)
    }
    fn wal(path: &Path) -> PathBuf {
        PathBuf::from(format!("{}-wal", path.display()))
    }
    let vault = TestVault::new();
    let path = of_first_version(&vault, 3000);
    let mut database = connect(&vault, &path);
    // So little memory that the migration has to write before it is done.
    database.pragma_update(None, "cache_size", 10).unwrap();
    let before = fs::metadata(wal(&path)).unwrap().len();
    let killed = [STEPS[0], STEPS[1], STEPS[2], &[Step::Code(kill)]];

    let refused = migrate(&mut database, &killed, noon());
    drop(database);

    assert!(refused.is_err());
    let copy = COPIED.take().unwrap();
    assert!(
        fs::metadata(wal(&copy)).unwrap().len() > before,
        "half of it was written"
    );
    for path in [copy, path] {
        let mut database = connect(&vault, &path);
        assert_eq!(version(&database), 1);
        let found: i64 = database
            .query_row(
                "SELECT count(*) FROM texts WHERE texts MATCH 'muller'",
                [],
                |row| row.get(0),
            )
            .unwrap();
        assert_eq!(found, 3000, "the old search still works");
        migrate(&mut database, STEPS, noon()).unwrap();
        assert_eq!(version(&database), STEPS.len() as i64);
    }
}
