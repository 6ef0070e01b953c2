//! Blobs, snapshot and log together are the index.

use super::*;

const FILES: u64 = 10_000;

/// All that can be asked of an index.
struct Told {
    entries: Vec<Entry>,
    duplicates: Vec<(BlobId, EntryNumber, i64)>,
    totals: Totals,
    last: Option<EntryNumber>,
    found: Vec<Vec<u64>>,
}

fn told(index: &Index) -> Told {
    let numbers = |entries: Vec<Entry>| entries.iter().map(|it| it.number.get()).collect();
    let all = usize::MAX;
    let mut found: Vec<Vec<u64>> = ["jpg", "ne", "new 7", "caption", "tag-3", "album", "IMG_9"]
        .iter()
        .map(|words| numbers(index.find(words, None, all).unwrap()))
        .collect();
    found.push(numbers(index.tagged("tag-5", None, all).unwrap()));
    found.push(numbers(index.in_album("album 2", None, all).unwrap()));
    found.push(numbers(index.trashed(None, all).unwrap()));
    found.push(numbers(
        index
            .trashed_until(noon() + Duration::from_secs(5), all)
            .unwrap(),
    ));
    Told {
        entries: query::ascending(&index.database, None, all).unwrap(),
        duplicates: query::duplicates(&index.database, None, all).unwrap(),
        totals: index.totals().unwrap(),
        last: query::last_number(&index.database).unwrap(),
        found,
    }
}

fn assert_same(one: &Told, other: &Told) {
    assert!(one.entries == other.entries);
    assert!(one.duplicates == other.duplicates);
    assert_eq!((one.totals, one.last), (other.totals, other.last));
    assert_eq!(one.found, other.found);
}

/// Does to one entry after the other what owners do.
fn live(vault: &mut TestVault, index: &mut Index) {
    let mut trashed = Vec::new();
    for file in 1..=FILES {
        // Every 50th holds what the one before it holds.
        let content = if file % 50 == 0 { file - 1 } else { file };
        let sealed = vault.keep(&content.to_be_bytes(), named(&format!("IMG_{file}.jpg")));
        let at = noon() + Duration::from_millis(file);
        let caption = (file % 6 == 0).then(|| format!("caption {file}"));
        let origin = if file % 9 == 0 {
            Origin::Unproven
        } else {
            Origin::Proven
        };
        let attributes = Attributes { origin, caption };
        let Adopted::New(entry) = index.adopt(&sealed.blob_id, attributes, at).unwrap() else {
            continue;
        };
        if file % 5 == 0 {
            index
                .rename(entry, Some(&format!("new {file}")), at)
                .unwrap();
        }
        if file % 3 == 0 {
            index.tag(entry, &format!("tag-{}", file % 7), at).unwrap();
            index.tag(entry, "Töne", at).unwrap();
        }
        if file % 15 == 0 {
            index.untag(entry, "tone", at).unwrap();
        }
        if file % 4 == 0 {
            index
                .move_to_album(entry, Some(&format!("Album {}", file % 3)), at)
                .unwrap();
        }
        if file % 10 == 1 {
            index.trash(entry, at).unwrap();
            trashed.push(entry);
        }
        if file % 30 == 1 {
            index.restore(entry, at).unwrap();
        }
        if file % 2000 == 0 {
            let gone: Vec<_> = trashed.drain(..).step_by(3).collect();
            assert!(index.purge(&gone, at).unwrap().len() > 40);
        }
    }
}

#[test]
fn ten_thousand_files_come_back_exactly_from_blobs_snapshot_and_log() {
    let mut vault = TestVault::in_memory();
    let (mut index, _) = open(&vault);
    index.log.snapshot_after = 300_000;
    // Locking each piece of memory would take half the time of this test.
    let security = "cipher_memory_security";
    index.database.pragma_update(None, security, false).unwrap();
    live(&mut vault, &mut index);
    let sealed_again: u64 = crate::disk::list(&vault.path.join("changes"))
        .unwrap()
        .iter()
        .map(|it| fs::metadata(it).unwrap().len())
        .sum();
    let before = told(&index);
    assert!(index.is_sound().unwrap());
    drop(index);
    let snapshots = crate::disk::list(&vault.path.join("snapshots")).unwrap();
    assert_eq!(snapshots.len(), 1);
    assert!(sealed_again > 10_000, "and a log after it");
    assert!(before.entries.len() > 9000 && before.totals.trashed > 100);
    assert!(before.duplicates.len() > 150);
    assert!(before.found.iter().all(|it| !it.is_empty()));
    remove_index(&vault);

    let (index, opening) = open(&vault);

    assert!(
        matches!(&opening, Opening::Rebuilt { unproven: 0, unreadable, .. } if unreadable.is_empty())
    );
    assert_same(&told(&index), &before);
    assert!(index.is_sound().unwrap());
    let mut catalog = Catalog::read(&vault.open(), || ()).unwrap();
    assert!(catalog.entries == before.entries);
    catalog.duplicates.sort_unstable();
    assert_eq!(catalog.duplicates.len(), before.duplicates.len());
}

#[test]
fn a_log_that_was_lost_is_healed_from_the_index_at_the_next_opening() {
    let mut vault = TestVault::new();
    let (mut index, _) = open(&vault);
    keep(&mut vault, &mut index, "a.jpg");
    index.rename(number(1), Some("mine"), noon()).unwrap();
    drop(index);
    remove_log(&vault);

    let before = told(&open(&vault).0);
    remove_index(&vault);
    let (mut index, _) = open(&vault);

    assert_same(&told(&index), &before);
    assert_eq!(names(&index.last(9).unwrap()), ["mine"]);
    assert_eq!(
        keep(&mut vault, &mut index, "b.jpg"),
        Adopted::New(number(2))
    );
}

#[test]
fn an_index_older_than_the_snapshot_is_set_aside_and_made_anew() {
    let mut vault = TestVault::new();
    let (mut index, _) = open(&vault);
    keep(&mut vault, &mut index, "a.jpg");
    drop(index);
    let old = fs::read(index_file(&vault)).unwrap();
    let (mut index, _) = open(&vault);
    keep(&mut vault, &mut index, "b.jpg");
    index.rename(number(1), Some("mine"), noon()).unwrap();
    index.take_snapshot().unwrap();
    let before = told(&index);
    drop(index);
    fs::write(index_file(&vault), old).unwrap();

    let (index, opening) = open(&vault);

    assert!(matches!(opening, Opening::Rebuilt { entries: 2, .. }));
    assert_same(&told(&index), &before);
}

#[test]
fn after_a_revocation_no_file_is_left_that_the_old_epoch_opens() {
    let mut vault = TestVault::new();
    let (mut index, _) = open(&vault);
    keep(&mut vault, &mut index, "a.jpg");
    index.take_snapshot().unwrap();
    index.rename(number(1), Some("mine"), noon()).unwrap();
    let before = told(&index);
    drop(index);
    let mut open_vault = vault.open();
    let lost = SlotSecret::init_with(|bytes| bytes.fill(2));
    open_vault
        .add_slot(&lost, "lost", &mut vault.rng, noon())
        .unwrap();
    vault.public = open_vault.revoke(&lost.slot_id(), &mut vault.rng).unwrap();

    let (index, _) = open(&vault);

    assert_same(&told(&index), &before);
    for folder in ["changes", "snapshots", "index"] {
        for path in crate::disk::list(&vault.path.join(folder)).unwrap() {
            let name = path.file_name().unwrap().to_str().unwrap();
            assert!(name.starts_with("0000000002"), "{folder}/{name}");
        }
    }
    drop(index);
    remove_index(&vault);
    assert_same(&told(&open(&vault).0), &before);
}
