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
