use std::fs;

use super::*;
use crate::testing::{TestVault, named, noon};

fn slot_path(vault: &TestVault) -> std::path::PathBuf {
    vault
        .path
        .join("epochs/0000000001")
        .join(format!("{}.slot", vault.secret.slot_id()))
}

fn refusal(vault: &TestVault, secret: &SlotSecret) -> OpenError {
    OpenVault::open(&vault.path, secret, noon()).err().unwrap()
}

#[test]
fn a_wrong_key_is_told_from_no_vault() {
    let vault = TestVault::new();
    let wrong = SlotSecret::init_with(|bytes| bytes.fill(0x77));

    let nowhere = OpenVault::open(&vault.path.join("blobs"), &vault.secret, noon());

    assert!(matches!(
        refusal(&vault, &wrong),
        OpenError::WrongKey { slots: 1 }
    ));
    assert!(matches!(nowhere.err(), Some(OpenError::NotAVault)));
    assert!(vault.open().public_half() == vault.public);
}

#[test]
fn damage_to_the_keys_own_slot_is_told_from_a_wrong_key() {
    let vault = TestVault::new();
    let honest = fs::read(slot_path(&vault)).unwrap();
    let altered = |place: usize| {
        let mut bytes = honest.clone();
        bytes[place] ^= 1;
        bytes
    };

    for damaged in [
        altered(1300),
        altered(100),
        altered(2500),
        honest[..900].to_vec(),
        vec![],
    ] {
        fs::write(slot_path(&vault), damaged).unwrap();
        assert!(matches!(
            refusal(&vault, &vault.secret),
            OpenError::DamagedSlot
        ));
    }
    fs::write(slot_path(&vault), altered(9)).unwrap();
    assert!(matches!(
        refusal(&vault, &vault.secret),
        OpenError::TooNew { found: 1 }
    ));
    fs::remove_file(slot_path(&vault)).unwrap();
    assert!(matches!(refusal(&vault, &vault.secret), OpenError::NoSlots));
    fs::write(slot_path(&vault), honest).unwrap();
    assert!(vault.open().public_half() == vault.public);
}

#[test]
fn an_exchanged_slot_record_shows_in_the_public_half() {
    let vault = TestVault::new();
    let planted = tempfile::tempdir().unwrap();
    let slots = [(&vault.secret, "stick")];
    let id = Some(*vault.folder().vault_id());
    let mut rng = crate::testing::TestRng::new(99);
    VaultFolder::create(planted.path(), id, &slots, &mut rng, noon()).unwrap();
    let record = planted
        .path()
        .join(slot_path(&vault).strip_prefix(&vault.path).unwrap());

    fs::copy(record, slot_path(&vault)).unwrap();

    assert!(
        vault.open().public_half() != vault.public,
        "the daemon compares and warns"
    );
}

#[test]
fn opening_writes_nothing() {
    let mut vault = TestVault::new();
    let sealed = vault.keep(b"content", named("name"));
    let times = |folder: &Path| {
        let mut seen = Vec::new();
        for name in [
            "",
            "blobs",
            "epochs",
            "epochs/0000000001",
            "index",
            "changes",
            "quarantine",
        ] {
            seen.push(fs::metadata(folder.join(name)).unwrap().modified().unwrap());
        }
        seen
    };
    let before = times(&vault.path);

    vault
        .open()
        .reader(&sealed.blob_id)
        .unwrap()
        .verify()
        .unwrap();

    assert_eq!(times(&vault.path), before);
}
