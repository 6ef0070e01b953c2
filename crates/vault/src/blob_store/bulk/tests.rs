use std::mem::ManuallyDrop;

use super::*;
use crate::{
    Adopted, Index,
    testing::{TestVault, content, named, noon},
};

/// Seals files of a few sizes, names and contents into a group.
fn fill(bulk: &mut Bulk<'_>, vault_rng: &mut crate::testing::TestRng, count: u64) -> Vec<BlobId> {
    (0..count)
        .map(|seed| {
            let blob = BlobId::random(vault_rng).unwrap();
            let length = usize::try_from(seed * 700).unwrap();
            bulk.add(
                &blob,
                &content(length, seed),
                named(&seed.to_string()),
                vault_rng,
            )
            .unwrap();
            blob
        })
        .collect()
}

/// All names under the folder of blobs, by ending.
fn endings(vault: &TestVault) -> (usize, usize) {
    let fans = disk::list(&vault.path.join("blobs")).unwrap();
    let files: Vec<_> = fans
        .iter()
        .flat_map(|fan| disk::list(fan).unwrap())
        .collect();
    let count = |ending: &str| {
        let same = |it: &&PathBuf| it.extension().is_some_and(|it| it == ending);
        files.iter().filter(same).count()
    };
    (count("blob"), count("tmp"))
}

#[test]
fn a_group_is_kept_as_single_blobs_are_and_entered_in_one_step() {
    let mut vault = TestVault::new();
    let (mut index, _) = Index::open(&vault.open(), noon()).unwrap();
    let sealer = vault.sealer();
    let mut bulk = sealer.bulk().unwrap();
    let ids = fill(&mut bulk, &mut vault.rng, 40);
    let before = endings(&vault);

    let kept = bulk.commit().unwrap();
    let adopted = index.adopt_kept(&kept, noon()).unwrap();
    let again = index.adopt_kept(&kept, noon()).unwrap();

    assert_eq!((before, endings(&vault)), ((0, 40), (40, 0)));
    assert!(bulk.is_empty());
    for (seed, blob) in (0..).zip(&ids) {
        let length = usize::try_from(seed * 700).unwrap();
        assert!(vault.content_of(blob) == content(length, seed));
    }
    let numbers: Vec<u64> = adopted
        .iter()
        .map(|it| {
            let Adopted::New(number) = it else {
                panic!("{it:?}")
            };
            number.get()
        })
        .collect();
    assert_eq!(numbers, (1..=40).collect::<Vec<_>>());
    assert!(again.iter().all(|it| matches!(it, Adopted::Already(_))));
    assert_eq!(index.totals().unwrap(), index_totals(40));
    // What was taken from the sealing is what a reading of the blobs gives.
    let listed = index.list(None, 50).unwrap();
    let (index, _) = index.rebuild(noon()).unwrap();
    assert!(index.list(None, 50).unwrap() == listed);
    let clean = crate::check::check(&vault.open(), &index, |_| true).unwrap();
    assert!(clean.is_clean());
}

fn index_totals(count: u64) -> crate::Totals {
    crate::Totals {
        entries: count,
        bytes: (0..count).map(|seed| seed * 700).sum(),
        ..crate::Totals::default()
    }
}

#[test]
fn a_crash_between_any_two_steps_leaves_whole_blobs_or_none() {
    for steps in 0..=3 {
        let mut vault = TestVault::new();
        let sealer = vault.sealer();
        let mut bulk = ManuallyDrop::new(sealer.bulk().unwrap());
        let ids = fill(&mut bulk, &mut vault.rng, 12);

        if steps > 0 {
            bulk.confirm_bytes().unwrap();
        }
        if steps > 1 {
            bulk.place().unwrap();
        }
        if steps > 2 {
            bulk.confirm_names().unwrap();
        }
        // The destructor never runs, as after kill -9.

        let visible = vault.folder().blobs().unwrap().count();
        assert_eq!(
            visible,
            if steps > 1 { 12 } else { 0 },
            "after {steps} steps"
        );
        let swept = vault.sealer().sweep(&[]).unwrap();
        assert_eq!(swept, 12 - visible);
        // The same import once more: what is there is told, what is not is made.
        let mut again = sealer.bulk().unwrap();
        for (seed, blob) in (0..).zip(&ids) {
            let length = usize::try_from(seed * 700).unwrap();
            let added = again.add(blob, &content(length, seed), named("x"), &mut vault.rng);
            match added {
                Err(StoreError::AlreadyKept) => assert!(sealer.has(blob).unwrap()),
                other => other.unwrap(),
            }
        }
        again.commit().unwrap();
        for (seed, blob) in (0..).zip(&ids) {
            let length = usize::try_from(seed * 700).unwrap();
            assert!(vault.content_of(blob) == content(length, seed));
        }
    }
}

#[test]
fn every_folder_a_blob_may_need_is_there_before_the_first_and_none_is_made_later() {
    let mut vault = TestVault::new();
    let blobs = vault.path.join("blobs");
    vault.keep(b"alone", named("a"));
    let before = disk::list(&blobs).unwrap().len();
    let sealer = vault.sealer();

    let mut bulk = sealer.bulk().unwrap();
    let at_the_start = disk::list(&blobs).unwrap();
    fill(&mut bulk, &mut vault.rng, 300);
    bulk.commit().unwrap();

    assert_eq!((before, at_the_start.len()), (1, 256));
    assert_eq!(disk::list(&blobs).unwrap(), at_the_start);
    assert_eq!(endings(&vault), (301, 0));
}

#[test]
fn a_group_that_is_dropped_leaves_nothing_and_one_name_is_taken_once() {
    let mut vault = TestVault::new();
    let kept = vault.keep(b"first", named("a")).blob_id;
    let sealer = vault.sealer();
    let mut bulk = sealer.bulk().unwrap();
    let [once, ..] = fill(&mut bulk, &mut vault.rng, 3)[..] else {
        panic!("three were made")
    };

    let taken = bulk.add(&kept, b"second", named("b"), &mut vault.rng);
    let twice = bulk.add(&once, b"second", named("b"), &mut vault.rng);
    drop(bulk);

    assert!(matches!(taken, Err(StoreError::AlreadyKept)));
    assert!(matches!(twice, Err(StoreError::AlreadyKept)));
    assert_eq!(endings(&vault), (1, 0));
    assert_eq!(vault.content_of(&kept), b"first");
}

#[test]
fn the_same_content_twice_in_a_group_is_one_entry() {
    let mut vault = TestVault::new();
    let (mut index, _) = Index::open(&vault.open(), noon()).unwrap();
    let sealer = vault.sealer();
    let mut bulk = sealer.bulk().unwrap();
    for _ in 0..2 {
        let blob = BlobId::random(&mut vault.rng).unwrap();
        bulk.add(&blob, b"same", named("a"), &mut vault.rng)
            .unwrap();
    }
    let kept = bulk.commit().unwrap();

    let adopted = index.adopt_kept(&kept, noon()).unwrap();

    let [Adopted::New(new), Adopted::SameContentAs(same)] = adopted[..] else {
        panic!("{adopted:?}")
    };
    assert_eq!((new, index.totals().unwrap().entries), (same, 1));
}

#[test]
fn without_an_honest_syncfs_every_file_and_folder_is_confirmed_by_itself() {
    for (release, since) in [
        ("6.1.0-rpi7-rpi-v8\n", true),
        ("5.8.0", true),
        ("5.7.19", false),
        ("4.19.0-27-arm64", false),
        ("", false),
    ] {
        assert_eq!(is_since_5_8(release), since, "{release}");
    }
    let mut vault = TestVault::new();
    let sealer = vault.sealer();
    let mut bulk = sealer.bulk().unwrap();
    bulk.whole = false;
    fill(&mut bulk, &mut vault.rng, 5);

    assert_eq!(bulk.commit().unwrap().len(), 5);
    assert_eq!(endings(&vault), (5, 0));
}
