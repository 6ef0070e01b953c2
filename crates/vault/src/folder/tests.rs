use std::io::ErrorKind;

use super::*;
use crate::{
    OpenVault,
    testing::{NoRng, TestRng, TestVault, noon},
};

fn create(path: &Path, secret: &SlotSecret) -> Result<PublicHalf, CreateError> {
    VaultFolder::create(
        path,
        None,
        &[(secret, "stick")],
        &mut TestRng::new(3),
        noon(),
    )
}

fn secret() -> SlotSecret {
    SlotSecret::init_with(|bytes| bytes.fill(1))
}

#[test]
fn a_new_vault_opens_with_every_slot_it_was_made_with() {
    let place = tempfile::tempdir().unwrap();
    let words = SlotSecret::init_with(|bytes| bytes.fill(2));
    let slots = [(&secret(), "stick"), (&words, "words")];

    let public =
        VaultFolder::create(place.path(), None, &slots, &mut TestRng::new(3), noon()).unwrap();

    for (slot, name) in slots {
        let open = OpenVault::open(place.path(), slot, noon()).unwrap();
        assert!(open.public_half() == public);
        assert_eq!(open.opened_by().1.name, name);
    }
}

#[test]
fn a_folder_that_holds_anything_is_refused_and_left_as_it_was() {
    for strange in ["holiday.jpg", "blobs/ab/foreign.blob", "index/x"] {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join(strange);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, "mine").unwrap();

        let refused = create(place.path(), &secret());

        assert!(
            matches!(refused, Err(CreateError::NotEmpty(_))),
            "{strange}"
        );
        assert_eq!(fs::read(&file).unwrap(), b"mine");
        assert!(!place.path().join(MARK_NAME).exists());
    }
}

#[test]
fn a_vault_is_never_made_over_a_vault() {
    let vault = TestVault::new();

    let refused = create(&vault.path, &secret());

    assert!(matches!(refused, Err(CreateError::AlreadyAVault)));
    assert!(vault.open().public_half() == vault.public);
}

#[test]
fn a_fresh_drive_with_lost_and_found_and_a_creation_cut_short_are_taken() {
    let place = tempfile::tempdir().unwrap();
    fs::create_dir(place.path().join("lost+found")).unwrap();
    create(place.path(), &secret()).unwrap();
    fs::remove_file(place.path().join(MARK_NAME)).unwrap();

    let again = create(place.path(), &secret()).unwrap();

    let open = OpenVault::open(place.path(), &secret(), noon()).unwrap();
    assert!(open.public_half() == again);
}

#[test]
fn a_vault_without_slots_or_randomness_is_not_made() {
    let place = tempfile::tempdir().unwrap();

    let slotless = VaultFolder::create(place.path(), None, &[], &mut TestRng::new(3), noon());
    let secret = secret();
    let slots = [(&secret, "stick")];
    let random = VaultFolder::create(place.path(), None, &slots, &mut NoRng, noon());

    assert!(matches!(slotless, Err(CreateError::NoSlots)));
    assert!(matches!(random, Err(CreateError::Randomness(_))));
    assert!(!place.path().join(MARK_NAME).exists());
}

#[test]
fn a_lost_or_damaged_mark_does_not_keep_the_vault_shut() {
    let vault = TestVault::new();
    let mark = vault.path.join(MARK_NAME);

    fs::write(&mark, "scratched").unwrap();
    assert!(vault.open().public_half() == vault.public);
    fs::remove_file(&mark).unwrap();
    assert!(vault.open().public_half() == vault.public);
}

#[test]
fn folders_that_are_no_vault_or_a_newer_one_say_so() {
    let place = tempfile::tempdir().unwrap();
    let vault = TestVault::new();
    let mut newer = mark(vault.folder().vault_id());
    newer[9] = 4;
    fs::write(vault.path.join(MARK_NAME), newer).unwrap();

    assert!(matches!(
        VaultFolder::open(place.path()),
        Err(FolderError::NotAVault)
    ));
    let absent = VaultFolder::open(&place.path().join("absent"));
    assert!(matches!(absent, Err(FolderError::NotAVault)));
    let newer = VaultFolder::open(&vault.path);
    assert!(matches!(newer, Err(FolderError::TooNew { found: 4 })));
}

#[test]
fn lost_slot_records_come_back_from_their_copies() {
    let vault = TestVault::new();
    let copies = vault.folder().slot_records().unwrap();
    let record = vault
        .path
        .join("epochs/0000000001")
        .join(slot_name(&vault.secret.slot_id()));
    fs::remove_file(&record).unwrap();
    let other = TestVault::new().folder().slot_records().unwrap();
    let strange: Vec<_> = [vec![b"nonsense".to_vec()], copies].concat();

    let restored = vault.folder().restore_slot_records(&strange).unwrap();
    let again = vault.folder().restore_slot_records(&strange).unwrap();

    assert_eq!((restored, again, other.len()), (1, 0, 1));
    assert!(vault.open().public_half() == vault.public);
}

#[test]
fn only_the_owner_of_the_files_may_read_them() {
    use std::os::unix::fs::PermissionsExt as _;
    let vault = TestVault::new();

    for path in disk::list(&vault.path).unwrap() {
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}", path.display());
    }
}

#[test]
fn free_room_is_what_the_drive_says() {
    let room = TestVault::new().folder().free_bytes().unwrap();

    assert!(room > 0 && room < 1 << 60);
}

#[test]
fn a_folder_without_a_parent_is_an_error_and_not_a_surprise() {
    let failed = create(Path::new("/nonexistent/for/sure/vault"), &secret()).unwrap_err();

    assert!(matches!(failed, CreateError::Io(error) if error.kind() == ErrorKind::NotFound));
}
