use std::{fs, io::Read as _};

use super::*;
use crate::{
    OpenError, SlotSecret,
    testing::{TestVault, named, noon},
};

fn second() -> SlotSecret {
    SlotSecret::init_with(|bytes| bytes.fill(2))
}

#[test]
fn an_added_slot_opens_and_is_listed_by_its_name() {
    let mut vault = TestVault::new();
    let open = vault.open();

    let added = open
        .add_slot(&second(), "spare stick", &mut vault.rng, noon())
        .unwrap();

    let by_spare = OpenVault::open(&vault.path, &second(), noon()).unwrap();
    assert!(by_spare.public_half() == vault.public);
    assert_eq!(*by_spare.opened_by().0, added);
    let mut names: Vec<_> = open
        .slots()
        .unwrap()
        .into_iter()
        .map(|(_, label)| label.unwrap().name)
        .collect();
    names.sort();
    assert_eq!(names, ["spare stick", "stick"]);
}

#[test]
fn a_revoked_slot_opens_nothing_and_the_others_open_old_and_new_blobs() {
    let mut vault = TestVault::new();
    let old = vault.keep(b"from before", named("old"));
    let mut open = vault.open();
    open.add_slot(&second(), "lost stick", &mut vault.rng, noon())
        .unwrap();
    assert!(OpenVault::open(&vault.path, &second(), noon()).is_ok());

    vault.public = open.revoke(&second().slot_id(), &mut vault.rng).unwrap();

    let refused = OpenVault::open(&vault.path, &second(), noon())
        .err()
        .unwrap();
    assert!(matches!(refused, OpenError::WrongKey { slots: 1 }));
    let new = vault.keep(b"from after", named("new"));
    assert_eq!(vault.public.epoch, 2);
    assert_eq!(vault.content_of(&old.blob_id), b"from before");
    assert_eq!(vault.content_of(&new.blob_id), b"from after");
    let mut read = Vec::new();
    open.reader(&new.blob_id)
        .unwrap()
        .read_to_end(&mut read)
        .unwrap();
    assert_eq!(read, b"from after", "the vault that revoked reads on");
}

#[test]
fn the_last_slot_and_unknown_slots_are_not_revoked() {
    let mut vault = TestVault::new();
    let mut open = vault.open();

    let last = open.revoke(&vault.secret.slot_id(), &mut vault.rng);
    let unknown = open.revoke(&second().slot_id(), &mut vault.rng);

    assert!(matches!(last, Err(CustodyError::LastSlot)));
    assert!(matches!(unknown, Err(CustodyError::NoSuchSlot)));
    assert!(vault.open().public_half() == vault.public);
}

#[test]
fn a_revocation_cut_short_leaves_the_old_epoch_or_the_new_one() {
    let mut vault = TestVault::new();
    let mut open = vault.open();
    open.add_slot(&second(), "lost stick", &mut vault.rng, noon())
        .unwrap();
    let before = fs::read(
        vault
            .path
            .join(format!("epochs/0000000001/{}.slot", second().slot_id())),
    );
    // Cut short before the rename: the new epoch is there under its temporary name only.
    fs::create_dir(vault.path.join("epochs/0000000002.tmp")).unwrap();
    fs::write(vault.path.join("epochs/0000000002.tmp/previous"), "half").unwrap();
    assert!(OpenVault::open(&vault.path, &second(), noon()).is_ok());

    let public = open.revoke(&second().slot_id(), &mut vault.rng).unwrap();

    // Cut short after the rename: the old records have not been removed yet.
    let old = vault
        .path
        .join(format!("epochs/0000000001/{}.slot", second().slot_id()));
    assert!(!old.exists());
    fs::write(&old, before.unwrap()).unwrap();
    assert!(OpenVault::open(&vault.path, &second(), noon()).is_err());
    assert!(vault.open().public_half() == public);
}

#[test]
fn a_broken_chain_is_named() {
    let mut vault = TestVault::new();
    let mut open = vault.open();
    open.add_slot(&second(), "", &mut vault.rng, noon())
        .unwrap();
    open.revoke(&second().slot_id(), &mut vault.rng).unwrap();
    fs::remove_file(vault.path.join("epochs/0000000002/previous")).unwrap();

    let refused = OpenVault::open(&vault.path, &vault.secret, noon())
        .err()
        .unwrap();

    assert!(matches!(refused, OpenError::DamagedEpoch { epoch: 2 }));
}
