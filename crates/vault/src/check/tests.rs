use std::fs;

use super::*;
use crate::{
    Attributes, Origin,
    testing::{TestVault, content, named, noon},
};

fn adopt(vault: &mut TestVault, index: &mut Index, seed: u64) -> BlobId {
    let sealed = vault.keep(&content(40_000, seed), named("photo.jpg"));
    let proven = Attributes {
        origin: Origin::Proven,
        caption: None,
    };
    index.adopt(&sealed.blob_id, proven, noon()).unwrap();
    sealed.blob_id
}

#[test]
fn a_sound_vault_is_clean_and_every_damage_is_named_without_touching_it() {
    let mut vault = TestVault::new();
    let (mut index, _) = Index::open(&vault.open(), noon()).unwrap();
    let [lost, flipped, _sound] = [1, 2, 3].map(|seed| adopt(&mut vault, &mut index, seed));
    let mut calls = 0;
    let clean = check(&vault.open(), &index, |_| {
        calls += 1;
        true
    })
    .unwrap();
    let unlisted = vault.keep(b"nobody entered me", named("stray")).blob_id;
    fs::remove_file(vault.blob_path(&lost)).unwrap();
    let path = vault.blob_path(&flipped);
    let mut bytes = fs::read(&path).unwrap();
    bytes[20_000] ^= 1;
    fs::write(&path, &bytes).unwrap();

    let report = check(&vault.open(), &index, |_| true).unwrap();

    assert!(clean.is_clean());
    assert_eq!(
        (clean.entries, clean.blobs, clean.sound, clean.bytes),
        (3, 3, 3, 120_000)
    );
    assert_eq!(calls, 3);
    assert!(!report.is_clean());
    assert_eq!((report.entries, report.blobs, report.sound), (3, 3, 2));
    assert_eq!(report.missing, [(EntryNumber::FIRST, lost)]);
    assert_eq!(report.unlisted, [unlisted]);
    assert!(
        matches!(report.unsound.as_slice(), [(blob, UnsealError::NotAuthentic)] if *blob == flipped)
    );
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

#[test]
fn a_check_stops_when_it_is_told_to() {
    let mut vault = TestVault::new();
    let (mut index, _) = Index::open(&vault.open(), noon()).unwrap();
    for seed in 0..3 {
        adopt(&mut vault, &mut index, seed);
    }

    let report = check(&vault.open(), &index, |_| false).unwrap();

    assert_eq!(report.blobs, 1);
}

/// A vault with files of several chunks, open, and its index.
fn with_files(count: u64) -> (TestVault, Index, Vec<BlobId>) {
    let mut vault = TestVault::new();
    let (mut index, _) = Index::open(&vault.open(), noon()).unwrap();
    let blobs = (0..count)
        .map(|seed| adopt(&mut vault, &mut index, seed))
        .collect();
    (vault, index, blobs)
}

fn outcome(vault: &TestVault, index: &Index, number: u64) -> Outcome {
    let number = EntryNumber::new(number).unwrap();
    let entry = index.verifiable(number).unwrap().unwrap();
    check_entry(&vault.open(), &entry, |_| true).unwrap()
}

const SOUND: Outcome = Outcome::Sound {
    bytes: 40_000,
    at_second_reading: false,
};
const UNSOUND: Outcome = Outcome::Damaged(Damage::Unsound);

#[test]
fn a_flipped_bit_in_any_region_of_a_blob_is_found_and_its_twin_holds() {
    let (vault, index, blobs) = with_files(2);
    let path = vault.blob_path(&blobs[0]);
    let whole = fs::read(&path).unwrap();
    // magic, version, suite, vault id, blob id, epoch, KEM share, sealed key, salt, commitment
    let header = [0, 9, 11, 12, 28, 47, 48, 1_150, 1_180, 1_220, 1_271];
    // each chunk, its tag, padding and record in the last
    let body: Vec<usize> = (1_272..whole.len()).step_by(1_531).collect();
    let regions = header.into_iter().chain(body).chain([whole.len() - 1]);
    let mut found = 0;
    for at in regions {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        fs::write(&path, &bytes).unwrap();

        assert_eq!(outcome(&vault, &index, 1), UNSOUND, "byte {at}");
        found += 1;
    }
    assert!(found > 30, "{found}");
    assert_eq!(outcome(&vault, &index, 2), SOUND);
    fs::write(&path, &whole).unwrap();
    assert_eq!(outcome(&vault, &index, 1), SOUND);
}

#[test]
fn a_blob_that_is_cut_extended_swapped_or_lost_is_named_as_such() {
    let (vault, index, blobs) = with_files(3);
    let paths = [0, 1].map(|at| vault.blob_path(&blobs[at]));
    let [first, second] = [0, 1].map(|at| fs::read(&paths[at]).unwrap());
    for length in [0, 1, 1_271, 1_272, first.len() - 16_400, first.len() - 1] {
        fs::write(&paths[0], &first[..length]).unwrap();
        assert_eq!(outcome(&vault, &index, 1), UNSOUND, "{length}");
    }
    fs::write(&paths[0], [first.as_slice(), b"x"].concat()).unwrap();
    assert_eq!(outcome(&vault, &index, 1), UNSOUND);

    fs::write(&paths[0], &second).unwrap();
    fs::write(&paths[1], &first).unwrap();
    let swapped = [1, 2, 3].map(|number| outcome(&vault, &index, number));
    fs::remove_file(&paths[0]).unwrap();
    let lost = outcome(&vault, &index, 1);
    vault.folder().set_aside(&blobs[1]).unwrap();
    let set_aside = outcome(&vault, &index, 2);

    assert_eq!(swapped, [UNSOUND, UNSOUND, SOUND]);
    assert_eq!(lost, Outcome::Damaged(Damage::Missing));
    assert_eq!(set_aside, UNSOUND);
}

#[test]
fn an_index_that_says_other_things_than_the_blob_is_named() {
    let (vault, index, _) = with_files(1);
    let entry = index.verifiable(EntryNumber::FIRST).unwrap().unwrap();
    let checked = |entry| check_entry(&vault.open(), &entry, |_| true).unwrap();
    let (mut size, mut mark, mut name) = (entry.clone(), entry.clone(), entry.clone());
    size.entry.size += 1;
    mark.mark = Some([0; 32]);
    name.entry.metadata.name = Some("other.jpg".to_owned());

    let found = [size, mark, name].map(checked);

    assert_eq!(found, [Outcome::Damaged(Damage::Differs); 3]);
    assert_eq!(checked(entry), SOUND);
}

#[test]
fn a_drive_that_is_gone_damages_no_entry() {
    let (vault, index, _) = with_files(1);
    let open = vault.open();
    let entry = index.verifiable(EntryNumber::FIRST).unwrap().unwrap();
    fs::rename(&vault.path, vault.path.with_extension("away")).unwrap();

    let gone = check_entry(&open, &entry, |_| true);

    assert!(gone.is_err());
    fs::rename(vault.path.with_extension("away"), &vault.path).unwrap();
    assert_eq!(outcome(&vault, &index, 1), SOUND);
}

#[test]
fn a_check_of_one_entry_stops_when_told_and_counts_what_it_read() {
    let (vault, index, _) = with_files(1);
    let entry = index.verifiable(EntryNumber::FIRST).unwrap().unwrap();
    let mut read = 0;

    let whole = check_entry(&vault.open(), &entry, |bytes| {
        read += bytes;
        true
    });
    let stopped = check_entry(&vault.open(), &entry, |_| false);

    assert_eq!(
        (whole.unwrap(), stopped.unwrap()),
        (SOUND, Outcome::Stopped)
    );
    assert!((40_000..50_000).contains(&read), "{read}");
}

#[test]
fn damage_is_remembered_told_once_and_forgotten_when_it_is_mended() {
    let (vault, mut index, _) = with_files(3);
    let two = EntryNumber::new(2).unwrap();

    let news = [Damage::Unsound, Damage::Unsound, Damage::Missing]
        .map(|damage| index.note_damage(two, damage, noon()).unwrap());
    drop(index);
    let (mut index, _) = Index::open(&vault.open(), noon()).unwrap();
    let untold = index.damaged(true, 10).unwrap();
    index.damage_told(&[two]).unwrap();

    assert_eq!(news, [true, false, true]);
    assert_eq!(untold, [(two, Damage::Missing)]);
    assert_eq!(index.damaged(true, 10).unwrap(), []);
    assert_eq!(index.damaged(false, 10).unwrap(), untold);
    assert_eq!(
        (
            index.damaged_count().unwrap(),
            index.damage_of(two).unwrap()
        ),
        (1, Some(Damage::Missing))
    );
    assert!(index.note_sound(two).unwrap() && !index.note_sound(two).unwrap());
    assert_eq!(index.damaged_count().unwrap(), 0);
}

#[test]
fn a_pass_goes_on_where_it_was_saved() {
    let (vault, mut index, _) = with_files(5);
    let all = index.to_verify(None, 10).unwrap();
    let pass = crate::index::Pass {
        after: Some(all[2]),
        checked: 3,
        bytes: 120_000,
        damaged: 1,
    };

    assert_eq!(index.pass().unwrap(), None);
    index.save_pass(Some(&pass)).unwrap();
    drop(index);
    let (mut index, _) = Index::open(&vault.open(), noon()).unwrap();
    let found = index.pass().unwrap();

    assert_eq!(found, Some(pass));
    assert_eq!(index.to_verify(pass.after, 10).unwrap(), all[3..]);
    index.save_pass(None).unwrap();
    assert_eq!(index.pass().unwrap(), None);
}

#[test]
fn a_sample_names_different_entries_and_all_of_them_sooner_or_later() {
    let (_vault, index, _) = with_files(9);
    let mut state = 7_u64;
    let mut random = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state >> 20
    };
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..40 {
        let drawn = index.draw(4, &mut random).unwrap();
        assert_eq!(drawn.len(), 4);
        assert!(drawn.windows(2).all(|pair| pair[0] < pair[1]));
        seen.extend(drawn);
    }

    assert_eq!(seen.len(), 9);
    assert_eq!(index.draw(100, || 0).unwrap().len(), 9);
}

#[test]
fn without_a_key_a_sound_vault_looks_clean_and_what_can_be_seen_is_named() {
    let (vault, _index, blobs) = with_files(6);
    let [cut, renamed, foreign, flipped, lost, _sound] = blobs[..] else {
        panic!("six were made")
    };
    let look = |expected: &[BlobId]| check_outside(&vault.folder(), expected, |_| true).unwrap();
    let clean = look(&[lost]);
    let change = |blob: &BlobId, change: &dyn Fn(&mut Vec<u8>)| {
        let path = vault.blob_path(blob);
        let mut bytes = fs::read(&path).unwrap();
        change(&mut bytes);
        fs::write(path, bytes).unwrap();
    };
    change(&cut, &|bytes| bytes.truncate(30_000));
    change(&renamed, &|bytes| bytes[30] ^= 1);
    change(&foreign, &|bytes| bytes[15] ^= 1);
    // Only the key tells this one.
    change(&flipped, &|bytes| bytes[20_000] ^= 1);
    fs::remove_file(vault.blob_path(&lost)).unwrap();

    let seen = look(&[lost]);

    assert!(clean.is_clean(), "{clean:?}");
    assert_eq!((clean.blobs, clean.slots), (6, 1));
    let mut strange = vec![cut, renamed, foreign];
    strange.sort();
    assert_eq!(seen.strange, strange);
    assert_eq!(
        (seen.blobs, seen.missing.as_slice()),
        (5, [lost].as_slice())
    );
    assert!(!seen.is_clean());
}

#[test]
fn without_a_key_lost_records_of_slots_are_named() {
    let (vault, _index, _) = with_files(1);
    let folder = vault.path.join("epochs/0000000001");
    for record in fs::read_dir(folder).unwrap() {
        let path = record.unwrap().path();
        let mut bytes = fs::read(&path).unwrap();
        bytes[0] ^= 1;
        fs::write(path, bytes).unwrap();
    }

    let seen = check_outside(&vault.folder(), &[], |_| true).unwrap();

    assert_eq!((seen.slots, seen.damaged_slots), (0, 1));
    assert!(!seen.is_clean());
}
