//! Names, captions, tags, albums, the trash.

use super::*;

#[test]
fn what_the_owner_does_to_an_entry_is_seen_found_and_survives_the_loss_of_the_index() {
    let mut vault = TestVault::new();
    let (mut index, _) = open(&vault);
    keep(&mut vault, &mut index, "IMG_1.jpg");
    keep(&mut vault, &mut index, "IMG_2.jpg");
    let first = number(1);

    assert!(index.rename(first, Some("Möwe"), noon()).unwrap());
    assert!(
        index
            .set_caption(first, Some("on the pier"), noon())
            .unwrap()
    );
    for tag in ["Birds", "sea", "bïrds", " \t", "gone"] {
        assert!(index.tag(first, tag, noon()).unwrap());
    }
    assert!(index.untag(first, "GONE", noon()).unwrap());
    assert!(
        index
            .move_to_album(first, Some("Holidays"), noon())
            .unwrap()
    );
    assert!(
        !index.rename(number(3), Some("x"), noon()).unwrap(),
        "there is no such entry"
    );

    let look = |index: &Index| {
        let entry = index.get(first).unwrap().unwrap();
        assert_eq!(entry.name(), Some("Möwe"));
        assert_eq!(entry.metadata.name.as_deref(), Some("IMG_1.jpg"));
        assert_eq!(entry.attributes.caption.as_deref(), Some("on the pier"));
        assert_eq!(entry.labels.tags, ["Birds", "sea"]);
        assert_eq!(entry.labels.album.as_deref(), Some("Holidays"));
        for words in ["mowe", "pier", "birds", "holiday", "ho se pi"] {
            assert_eq!(
                names(&index.find(words, None, 9).unwrap()),
                ["Möwe"],
                "{words}"
            );
        }
        assert!(
            index.find("img 1", None, 9).unwrap().is_empty(),
            "the old name"
        );
        assert!(index.find("gone", None, 9).unwrap().is_empty());
        assert_eq!(names(&index.tagged("BIRDS", None, 9).unwrap()), ["Möwe"]);
        assert_eq!(
            names(&index.in_album("holidays", None, 9).unwrap()),
            ["Möwe"]
        );
        assert!(index.tagged("gone", None, 9).unwrap().is_empty());
        assert!(index.tagged("birds", Some(first), 9).unwrap().is_empty());
    };
    look(&index);
    drop(index);
    remove_index(&vault);
    let (mut index, _) = open(&vault);
    look(&index);

    index.rename(first, None, noon()).unwrap();
    index.set_caption(first, None, noon()).unwrap();
    index.move_to_album(first, None, noon()).unwrap();
    let entry = index.get(first).unwrap().unwrap();
    assert_eq!(entry.name(), Some("IMG_1.jpg"));
    assert!(entry.attributes.caption.is_none() && entry.labels.album.is_none());
    assert!(index.in_album("holidays", None, 9).unwrap().is_empty());
}

#[test]
fn the_trash_is_left_out_of_lists_and_searches_and_counted_apart() {
    let mut vault = TestVault::new();
    let (mut index, _) = open(&vault);
    for name in ["a.jpg", "bb.jpg", "ccc.jpg"] {
        keep(&mut vault, &mut index, name);
        let newest = index.last(1).unwrap()[0].number;
        index.tag(newest, "all", noon()).unwrap();
        index.move_to_album(newest, Some("all"), noon()).unwrap();
    }
    let later = noon() + Duration::from_secs(60);

    index.trash(number(2), noon()).unwrap();
    index.trash(number(1), later).unwrap();
    index.trash(number(1), noon()).unwrap();

    assert_eq!(names(&index.last(9).unwrap()), ["ccc.jpg"]);
    assert_eq!(names(&index.find("jpg", None, 9).unwrap()), ["ccc.jpg"]);
    assert_eq!(names(&index.tagged("all", None, 9).unwrap()), ["ccc.jpg"]);
    assert_eq!(names(&index.in_album("all", None, 9).unwrap()), ["ccc.jpg"]);
    assert_eq!(names(&index.trashed(None, 9).unwrap()), ["bb.jpg", "a.jpg"]);
    assert_eq!(
        names(&index.trashed(Some(number(2)), 9).unwrap()),
        ["a.jpg"]
    );
    assert_eq!(names(&index.trashed_until(noon(), 9).unwrap()), ["bb.jpg"]);
    assert_eq!(
        names(&index.trashed_until(later, 9).unwrap()),
        ["bb.jpg", "a.jpg"]
    );
    let trashed = index.get(number(1)).unwrap().unwrap();
    assert_eq!(
        trashed.labels.trashed_at,
        Some(later),
        "the first time counts"
    );
    let totals = Totals {
        entries: 1,
        bytes: 7,
        trashed: 2,
        trashed_bytes: 5 + 6,
    };
    assert_eq!(index.totals().unwrap(), totals);
    assert!(index.is_sound().unwrap());

    index.restore(number(2), noon()).unwrap();

    assert_eq!(names(&index.last(9).unwrap()), ["ccc.jpg", "bb.jpg"]);
    assert_eq!(names(&index.find("bb", None, 9).unwrap()), ["bb.jpg"]);
    assert_eq!(index.totals().unwrap().trashed, 1);
    assert!(index.is_sound().unwrap());
}

#[test]
fn a_change_that_changes_nothing_is_not_logged() {
    let mut vault = TestVault::new();
    let (mut index, _) = open(&vault);
    keep(&mut vault, &mut index, "a.jpg");
    let length = || -> u64 {
        let segments = crate::disk::list(&vault.path.join("changes")).unwrap();
        segments
            .iter()
            .map(|it| fs::metadata(it).unwrap().len())
            .sum()
    };
    let before = length();

    index.restore(number(1), noon()).unwrap();
    index.untag(number(1), "none", noon()).unwrap();
    index.rename(number(1), Some(""), noon()).unwrap();
    assert_eq!(length(), before);

    index.trash(number(1), noon()).unwrap();
    assert!(length() > before);
}

#[test]
fn texts_too_long_are_cut_alike_in_index_and_log() {
    let mut vault = TestVault::new();
    let (mut index, _) = open(&vault);
    keep(&mut vault, &mut index, "a.jpg");
    let long = "ü".repeat(5000);
    index.rename(number(1), Some(&long), noon()).unwrap();
    index.set_caption(number(1), Some(&long), noon()).unwrap();
    index.tag(number(1), &long, noon()).unwrap();
    index.move_to_album(number(1), Some(&long), noon()).unwrap();
    let before = index.get(number(1)).unwrap().unwrap();
    drop(index);
    remove_index(&vault);

    let after = open(&vault).0.get(number(1)).unwrap().unwrap();

    assert!(after == before);
    assert_eq!(after.labels.tags[0].len(), 254);
}

#[test]
fn found_pages_follow_one_another_without_gap_or_repeat() {
    let mut vault = TestVault::new();
    let (mut index, _) = open(&vault);
    for place in 1..=25 {
        keep(&mut vault, &mut index, &format!("photo {place}"));
    }

    for words in ["photo", "ph"] {
        let (mut before, mut seen) = (None, Vec::new());
        loop {
            let page = index.find(words, before, 10).unwrap();
            let Some(last) = page.last() else { break };
            before = Some(last.number);
            seen.extend(page.iter().map(|it| it.number.get()));
        }
        assert_eq!(seen, (1..=25).rev().collect::<Vec<_>>(), "{words}");
    }
}
