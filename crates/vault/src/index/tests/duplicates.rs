//! Two blobs with the same content, one of which may not hold.

use super::*;

/// An entry and a duplicate of it under another name, noted.
fn twins(vault: &mut TestVault, index: &mut Index) -> (BlobId, BlobId) {
    let first = vault.keep(b"content", named("a.jpg")).blob_id;
    let twin = vault.keep(b"content", named("b.jpg")).blob_id;
    index.adopt(&first, proven(), noon()).unwrap();
    let adopted = index.adopt(&twin, proven(), noon()).unwrap();
    assert_eq!(adopted, Adopted::SameContentAs(number(1)));
    (first, twin)
}

/// Flips a bit: the blob does not hold any more.
fn scratch(vault: &TestVault, blob: &BlobId) {
    let path = vault.blob_path(blob);
    let mut bytes = fs::read(&path).unwrap();
    bytes[1300] ^= 1;
    fs::write(&path, bytes).unwrap();
}

fn in_quarantine(vault: &TestVault, blob: &BlobId) -> bool {
    let set_aside = crate::disk::list(&vault.path.join("quarantine")).unwrap();
    set_aside.iter().any(|path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.starts_with(&blob.to_string())
    })
}

#[test]
fn a_good_duplicate_takes_the_place_of_a_first_copy_that_does_not_hold() {
    let mut vault = TestVault::new();
    let (mut index, _) = open(&vault);
    let (first, twin) = twins(&mut vault, &mut index);
    index.tag(number(1), "sea", noon()).unwrap();
    scratch(&vault, &first);

    let settled = settle(&vault, &mut index, &twin);

    assert_eq!(settled, Some(Settled::TookOver));
    let entry = index.get(number(1)).unwrap().unwrap();
    assert_eq!((entry.blob_id, entry.name()), (twin, Some("a.jpg")));
    assert_eq!(entry.labels.tags, ["sea"]);
    assert_eq!(vault.content_of(&entry.blob_id), b"content");
    assert!(in_quarantine(&vault, &first) && !in_quarantine(&vault, &twin));
    assert_eq!(index.totals().unwrap().entries, 1);
    // Asked again, nothing more happens; and the numbers survive the loss of the index.
    assert_eq!(
        index.adopt(&twin, proven(), noon()).unwrap(),
        Adopted::Already(number(1))
    );
    drop(index);
    remove_index(&vault);
    let (index, _) = open(&vault);
    assert!(index.get(number(1)).unwrap().unwrap() == entry);
    let catalog = Catalog::read(&vault.open(), || ()).unwrap();
    assert!(catalog.entries == [entry]);
}

#[test]
fn a_good_duplicate_takes_the_place_of_a_first_copy_that_is_gone() {
    let mut vault = TestVault::new();
    let (mut index, _) = open(&vault);
    let (first, twin) = twins(&mut vault, &mut index);
    fs::remove_file(vault.blob_path(&first)).unwrap();

    let settled = settle(&vault, &mut index, &twin);

    assert_eq!(settled, Some(Settled::TookOver));
    assert_eq!(index.get(number(1)).unwrap().unwrap().blob_id, twin);
}

#[test]
fn a_duplicate_that_does_not_hold_either_is_set_aside_and_the_entry_stays() {
    let mut vault = TestVault::new();
    let (mut index, _) = open(&vault);
    let (first, twin) = twins(&mut vault, &mut index);
    scratch(&vault, &first);
    scratch(&vault, &twin);

    let settled = settle(&vault, &mut index, &twin);

    assert_eq!(settled, Some(Settled::SetAside));
    assert_eq!(index.get(number(1)).unwrap().unwrap().blob_id, first);
    assert!(vault.sealer().has(&first).unwrap() && in_quarantine(&vault, &twin));
}

#[test]
fn a_comparison_that_was_overtaken_changes_nothing() {
    let mut vault = TestVault::new();
    let (mut index, _) = open(&vault);
    let (first, twin) = twins(&mut vault, &mut index);
    let duplicate = index.duplicate(&twin).unwrap().unwrap();
    scratch(&vault, &first);
    assert_eq!(settle(&vault, &mut index, &twin), Some(Settled::TookOver));

    let late = index.settle(&duplicate, Compared::KeptHolds, noon());

    assert_eq!(late.unwrap(), Settled::Outdated);
    assert!(vault.sealer().has(&twin).unwrap());
    assert_eq!(
        index.duplicate(&twin).unwrap(),
        None,
        "an entry is no duplicate"
    );
}

#[test]
fn what_lies_in_the_trash_comes_back_when_it_is_sent_again() {
    let mut vault = TestVault::new();
    let (mut index, _) = open(&vault);
    keep(&mut vault, &mut index, "a.jpg");
    index.trash(number(1), noon()).unwrap();
    let twin = vault.keep(b"a.jpg", named("again"));

    let adopted = index.adopt(&twin.blob_id, proven(), noon()).unwrap();

    assert_eq!(adopted, Adopted::SameContentAs(number(1)));
    assert_eq!(names(&index.last(9).unwrap()), ["a.jpg"]);
}
