use std::os::unix::fs::MetadataExt as _;

use super::*;
use crate::{
    SlotSecret,
    testing::{TestRng, TestVault, content, named},
};

fn files_under(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in disk::list(folder).unwrap() {
        if path.is_dir() {
            found.extend(files_under(&path))
        } else {
            found.push(path)
        }
    }
    found
}

#[test]
fn a_kept_blob_has_its_name_its_date_and_its_content() {
    let mut vault = TestVault::new();
    let content = content(50_000, 1);

    let sealed = vault.keep(&content, named("photo.jpg"));

    let file = fs::metadata(vault.blob_path(&sealed.blob_id)).unwrap();
    assert_eq!((file.mtime(), file.mode() & 0o777), (946_684_800, 0o600));
    assert!(vault.content_of(&sealed.blob_id) == content);
    assert_eq!(sealed.size, 50_000);
    assert_eq!(
        vault.sealer().header_hash(&sealed.blob_id).unwrap(),
        sealed.header_hash
    );
    assert_eq!(
        vault.open().reader(&sealed.blob_id).unwrap().content_hash(),
        &sealed.content_hash
    );
}

#[test]
fn nothing_is_kept_before_it_is_finished_and_nothing_remains_when_it_is_dropped() {
    let mut vault = TestVault::new();
    let blob = BlobId::from_bytes([7; 16]);
    let mut writer = vault.sealer().start(&blob, &mut vault.rng).unwrap();
    writer.write_all(&content(300_000, 1)).unwrap();
    let while_writing = files_under(&vault.path.join("blobs"));

    assert!(!vault.sealer().has(&blob).unwrap());
    drop(writer);

    assert!(while_writing[0].extension().unwrap() == "tmp");
    assert_eq!(
        files_under(&vault.path.join("blobs")),
        Vec::<PathBuf>::new()
    );
    assert!(!vault.sealer().has(&blob).unwrap());
}

#[test]
fn a_blob_is_never_written_over() {
    let mut vault = TestVault::new();
    let sealed = vault.keep(b"first", named("a"));

    let again = vault.sealer().start(&sealed.blob_id, &mut TestRng::new(8));

    assert!(matches!(again.err(), Some(StoreError::AlreadyKept)));
    assert!(vault.sealer().has(&sealed.blob_id).unwrap());
    assert_eq!(vault.content_of(&sealed.blob_id), b"first");
}

#[test]
fn what_a_crash_left_is_begun_anew_or_swept() {
    let mut vault = TestVault::new();
    let (resumed, lost, kept) = (
        BlobId::from_bytes([7; 16]),
        BlobId::from_bytes([8; 16]),
        vault.keep(b"x", named("x")),
    );
    for blob in [&resumed, &lost] {
        let mut writer = vault.sealer().start(blob, &mut vault.rng).unwrap();
        writer.write_all(&content(300_000, 1)).unwrap();
        // As after kill -9: the destructor never ran.
        let path = writer.unfinished.clone();
        let bytes = fs::read(&path).unwrap();
        drop(writer);
        fs::write(path, bytes).unwrap();
    }

    let mut writer = vault.sealer().start(&resumed, &mut vault.rng).unwrap();
    writer.write_all(b"second try").unwrap();
    let swept = vault.sealer().sweep(&[resumed]).unwrap();
    writer.finish(named("y")).unwrap();

    assert_eq!(swept, 1);
    assert_eq!(vault.content_of(&resumed), b"second try");
    assert_eq!(vault.content_of(&kept.blob_id), b"x");
    assert_eq!(files_under(&vault.path.join("blobs")).len(), 2);
}

#[test]
fn sealing_for_another_vaults_folder_is_refused() {
    let vault = TestVault::new();
    let other = tempfile::tempdir().unwrap();
    let secret = SlotSecret::init_with(|bytes| bytes.fill(1));
    let slots = [(&secret, "")];
    let public = VaultFolder::create(
        other.path(),
        None,
        &slots,
        &mut TestRng::new(77),
        UNIX_EPOCH,
    )
    .unwrap();

    assert!(matches!(
        Sealer::new(&public, vault.folder()),
        Err(StoreError::OtherVault)
    ));
    assert!(Sealer::new(&vault.public, vault.folder()).is_ok());
}

#[test]
fn all_kept_blobs_are_named_and_nothing_else() {
    let mut vault = TestVault::new();
    let mut kept: Vec<_> = (0..20)
        .map(|_| vault.keep(b"", named("")).blob_id)
        .collect();
    fs::write(vault.path.join("blobs/stray.txt"), "").unwrap();
    fs::create_dir_all(vault.path.join("blobs/zz")).unwrap();
    fs::write(vault.path.join("blobs/zz/stray.blob"), "").unwrap();

    let named: Vec<_> = vault
        .folder()
        .blobs()
        .unwrap()
        .map(Result::unwrap)
        .collect();

    kept.sort();
    assert_eq!(named, kept);
}

#[test]
fn a_blob_set_aside_is_kept_byte_for_byte() {
    let mut vault = TestVault::new();
    let sealed = vault.keep(b"bad", named(""));
    let bytes = fs::read(vault.blob_path(&sealed.blob_id)).unwrap();

    let place = vault.folder().set_aside(&sealed.blob_id).unwrap();

    assert_eq!(fs::read(vault.path.join(place)).unwrap(), bytes);
    assert!(!vault.sealer().has(&sealed.blob_id).unwrap());
    let gone = vault.open().reader(&sealed.blob_id).err().unwrap();
    assert!(matches!(gone, UnsealError::Missing));
}

#[test]
fn a_drive_that_cannot_be_written_to_is_told_and_leaves_nothing() {
    let vault = TestVault::new();
    fs::remove_dir_all(vault.path.join("blobs")).unwrap();
    fs::write(vault.path.join("blobs"), "a file in the way").unwrap();

    let started = vault
        .sealer()
        .start(&BlobId::from_bytes([7; 16]), &mut TestRng::new(8));

    assert!(matches!(started.err(), Some(StoreError::Write(_))));
}
