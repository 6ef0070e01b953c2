use std::io::Write as _;

use getrandom::SysRng;
use vault::{Attributes, BlobId, Metadata, OpenVault, Origin, Sealer, SlotSecret, VaultFolder};

use super::*;

/// A vault with the files 1 to 3.
fn three() -> (tempfile::TempDir, Index) {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("vault");
    let secret = SlotSecret::generate(&mut SysRng).unwrap();
    let slots = [(&secret, "stick")];
    let public = VaultFolder::create(&path, None, &slots, &mut SysRng, UNIX_EPOCH).unwrap();
    let sealer = Sealer::new(&public, VaultFolder::open(&path).unwrap()).unwrap();
    let vault = OpenVault::open(&path, &secret, UNIX_EPOCH).unwrap();
    let (mut index, _) = Index::open(&vault, UNIX_EPOCH).unwrap();
    for name in ["a.jpg", "b.jpg", "c.jpg"] {
        let blob = BlobId::random(&mut SysRng).unwrap();
        let mut writer = sealer.start(&blob, &mut SysRng).unwrap();
        writer.write_all(name.as_bytes()).unwrap();
        let metadata = Metadata {
            name: Some(name.to_owned()),
            ..Metadata::default()
        };
        writer.finish(metadata).unwrap();
        let attributes = Attributes {
            origin: Origin::Proven,
            caption: None,
        };
        index.adopt(&blob, attributes, UNIX_EPOCH).unwrap();
    }
    (place, index)
}

fn label(index: &mut Index, ranges: &[(u64, u64)], label: Label, at: i64) -> Edited {
    let ask = EditAsk::Label {
        ranges: ranges.to_vec(),
        labels: vec![label],
        at,
    };
    edit(index, ask).unwrap()
}

fn steps(edited: Edited) -> Vec<Relabelled> {
    let Edited::Labelled { steps, .. } = edited else {
        panic!("{edited:?}");
    };
    steps
}

fn album(name: &str) -> Label {
    Label::Album(Some(name.to_owned()))
}

#[test]
fn what_lies_in_the_trash_is_restored_and_not_changed() {
    let (_place, mut index) = three();
    label(&mut index, &[(2, 2)], Label::Trashed(true), 1_000);

    let moved = label(&mut index, &[(1, 4), (1, 1)], album("Rome"), 1_001);
    let restored = label(&mut index, &[(1, 2)], Label::Trashed(false), 1_002);

    let Edited::Labelled {
        numbers,
        in_trash,
        missing,
        ..
    } = moved
    else {
        panic!("it is done");
    };
    assert_eq!((numbers, in_trash, missing), (vec![1, 3], vec![2], vec![4]));
    let back: Vec<u64> = steps(restored).iter().map(|it| it.number.get()).collect();
    assert_eq!(back, [2]);
}

#[test]
fn a_change_is_taken_back_once_and_not_where_somebody_changed_it_since() {
    let (_place, mut index) = three();
    let done = steps(label(&mut index, &[(1, 2)], album("Rome"), 1_000));
    label(&mut index, &[(2, 2)], album("Oslo"), 1_001);
    let revert = EditAsk::Revert {
        steps: done,
        at: 1_002,
    };

    let first = edit(&mut index, revert.clone()).unwrap();
    let again = edit(&mut index, revert).unwrap();

    let expected = Edited::Reverted {
        numbers: vec![1],
        changed: vec![2],
        missing: vec![],
    };
    assert_eq!(first, expected);
    assert_eq!(again, expected);
    let albums = [1, 2].map(|it| {
        let entry = index.get(EntryNumber::new(it).unwrap()).unwrap().unwrap();
        entry.labels.album
    });
    assert_eq!(albums, [None, Some("Oslo".to_owned())]);
}

#[test]
fn no_more_is_removed_for_good_than_was_shown_and_nothing_before_its_time() {
    let (_place, mut index) = three();
    label(&mut index, &[(1, 1)], Label::Trashed(true), 1_000);
    label(&mut index, &[(2, 2)], Label::Trashed(true), 2_000);
    let purge =
        |index: &mut Index, until, most| edit(index, EditAsk::Purge { until, most }).unwrap();

    let more = purge(&mut index, 2_000, Some(1));
    let too_soon = purge(&mut index, 999, None);
    let old = purge(&mut index, 1_999, None);
    let again = purge(&mut index, 1_999, None);
    let rest = purge(&mut index, 2_000, Some(1));

    assert_eq!(more, Edited::MoreThanShown);
    assert_eq!(too_soon, Edited::Purged { count: 0, bytes: 0 });
    assert_eq!(old, Edited::Purged { count: 1, bytes: 5 });
    assert_eq!(again, Edited::Purged { count: 0, bytes: 0 });
    assert_eq!(rest, Edited::Purged { count: 1, bytes: 5 });
    assert_eq!(index.totals().unwrap().entries, 1);
}

#[test]
fn the_trash_tells_what_lies_in_it_since_when() {
    let (_place, mut index) = three();
    label(&mut index, &[(3, 3)], Label::Trashed(true), 1_000);

    let ask = |lines| EditAsk::Trash { lines, at: 5_000 };
    let shown = edit(&mut index, ask(50)).unwrap();
    let counted = edit(&mut index, ask(0)).unwrap();

    let Edited::Trash {
        rows, count, at, ..
    } = shown
    else {
        panic!("it is shown");
    };
    let rows: Vec<_> = rows.iter().map(|(row, at)| (row.number, *at)).collect();
    assert_eq!((rows, count, at), (vec![(3, 1_000)], 1, 5_000));
    let Edited::Trash { rows, count, .. } = counted else {
        panic!("it is counted");
    };
    assert_eq!((rows.len(), count), (0, 1));
}

#[test]
fn what_was_trashed_before_the_clock_lost_some_seconds_is_removed_with_what_was_shown() {
    let (_place, mut index) = three();
    label(&mut index, &[(1, 1)], Label::Trashed(true), 5_010);

    let shown = edit(
        &mut index,
        EditAsk::Trash {
            lines: 0,
            at: 5_000,
        },
    )
    .unwrap();
    let Edited::Trash { count, at, .. } = shown else {
        panic!("{shown:?}");
    };
    let purged = edit(
        &mut index,
        EditAsk::Purge {
            until: at,
            most: Some(count),
        },
    )
    .unwrap();

    assert_eq!((count, at), (1, 5_010));
    assert!(
        matches!(purged, Edited::Purged { count: 1, .. }),
        "{purged:?}"
    );
}
