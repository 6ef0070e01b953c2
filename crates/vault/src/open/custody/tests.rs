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

#[test]
fn a_slot_keeps_its_kind_and_its_way_in_when_it_gets_another_name() {
    let mut vault = TestVault::new();
    let open = vault.open();
    open.add_slot_of(SlotKind::Words, &second(), "page", &mut vault.rng, noon())
        .unwrap();

    open.rename_slot(&second().slot_id(), "page in the safe")
        .unwrap();

    let by_words = OpenVault::open(&vault.path, &second(), noon()).unwrap();
    let label = by_words.opened_by().1;
    assert_eq!(label.name, "page in the safe");
    assert_eq!(
        (label.kind, label.created_at),
        (SlotKind::Words, Some(noon()))
    );
    let unknown = open.rename_slot(&SlotId::from_bytes([0; 16]), "nobody");
    assert!(matches!(unknown, Err(CustodyError::NoSuchSlot)));
}

#[test]
fn the_public_half_of_an_older_epoch_is_known_and_a_foreign_one_is_not() {
    let mut vault = TestVault::new();
    let mut open = vault.open();
    open.add_slot(&second(), "lost stick", &mut vault.rng, noon())
        .unwrap();
    let before = vault.public.clone();
    assert_eq!(open.standing_of(&before), Standing::Newest);

    let after = open.revoke(&second().slot_id(), &mut vault.rng).unwrap();

    assert_eq!(open.standing_of(&before), Standing::Older);
    assert_eq!(open.standing_of(&after), Standing::Newest);
    let mut foreign = after.clone();
    foreign.vault = crate::VaultId::from_bytes([0; 16]);
    assert_eq!(open.standing_of(&foreign), Standing::Foreign);
    let mut disguised = before.clone();
    disguised.epoch = 2;
    assert_eq!(open.standing_of(&disguised), Standing::Foreign);
    let mut from_later = before;
    from_later.epoch = 3;
    assert_eq!(open.standing_of(&from_later), Standing::Foreign);
}

#[test]
fn what_an_older_public_half_sealed_after_a_revocation_opens() {
    let mut vault = TestVault::new();
    let mut open = vault.open();
    open.add_slot(&second(), "lost stick", &mut vault.rng, noon())
        .unwrap();
    open.revoke(&second().slot_id(), &mut vault.rng).unwrap();

    let late = vault.keep(b"the card had not heard yet", named("late"));

    assert_eq!(vault.public.epoch, 1);
    assert_eq!(
        vault.content_of(&late.blob_id),
        b"the card had not heard yet"
    );
}
