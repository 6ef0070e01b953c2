use std::{fs, time::UNIX_EPOCH};

use super::*;
use crate::{
    SlotSecret,
    folder::MARK_NAME,
    testing::{TestVault, named, noon},
};

const BLOB: BlobId = BlobId::from_bytes([0x5A; 16]);

fn thumbnail(bytes: usize) -> Thumbnail {
    let picture = Picture {
        width: 4032,
        height: 3024,
        taken_at: Some(noon()),
        camera: Some("Fairphone 5 ü".to_owned()),
        place: Some(Place {
            latitude: 41_890_210,
            longitude: -12_492_231,
        }),
        is_described: true,
    };
    Thumbnail {
        picture: Some(picture),
        image: (0..bytes)
            .map(|it| u8::try_from(it % 251).unwrap())
            .collect(),
    }
}

fn path(vault: &TestVault, blob: &BlobId) -> PathBuf {
    vault.folder().thumbnail_path(blob)
}

#[test]
fn what_was_kept_is_read_again_and_every_file_has_the_same_length_and_date() {
    let vault = TestVault::new();
    let open = vault.open();
    for kept in [
        Thumbnail::default(),
        thumbnail(0),
        thumbnail(1),
        thumbnail(MAX_IMAGE_BYTES),
    ] {
        open.keep_thumbnail(&BLOB, &kept).unwrap();

        assert!(open.thumbnail(&BLOB) == Some(kept));
        let about = fs::metadata(path(&vault, &BLOB)).unwrap();
        assert_eq!(about.len(), FILE_BYTES as u64);
        assert_eq!(about.modified().unwrap(), blob_date());
    }
    let too_long = open.keep_thumbnail(&BLOB, &thumbnail(MAX_IMAGE_BYTES + 1));
    assert_eq!(too_long.unwrap_err().kind(), io::ErrorKind::FileTooLarge);
}

#[test]
fn any_flipped_bit_another_name_or_a_cut_leaves_nothing() {
    let vault = TestVault::new();
    let open = vault.open();
    open.keep_thumbnail(&BLOB, &thumbnail(900)).unwrap();
    let path = path(&vault, &BLOB);
    let bytes = fs::read(&path).unwrap();
    let opens = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        open.thumbnail(&BLOB).is_some()
    };
    assert!(opens(&bytes));

    for place in (0..200).chain((200..FILE_BYTES).step_by(97)) {
        let mut flipped = bytes.clone();
        flipped[place] ^= 1 << (place % 8);
        assert!(!opens(&flipped), "byte {place}");
    }
    for length in [0, 1, HEAD_BYTES, HEAD_BYTES + 30, FILE_BYTES - 1] {
        assert!(!opens(&bytes[..length]), "{length} bytes");
    }
    let other = BlobId::from_bytes([0x5B; 16]);
    let elsewhere = vault.folder().thumbnail_path(&other);
    fs::create_dir_all(elsewhere.parent().unwrap()).unwrap();
    fs::write(elsewhere, &bytes).unwrap();
    assert!(open.thumbnail(&other).is_none());
    assert!(opens(&bytes), "the control");
}

#[test]
fn a_removed_blob_takes_its_thumbnail_along_and_others_keep_theirs() {
    let mut vault = TestVault::new();
    let gone = vault.keep(b"one", named("a.jpg")).blob_id;
    let stays = vault.keep(b"two", named("b.jpg")).blob_id;
    let open = vault.open();
    for blob in [&gone, &stays] {
        open.keep_thumbnail(blob, &thumbnail(10)).unwrap();
    }

    vault.folder().remove_blob(&gone).unwrap();

    assert!(!path(&vault, &gone).exists());
    assert!(open.thumbnail(&stays).is_some());
}

#[test]
fn a_sweep_removes_what_belongs_to_no_blob_and_nothing_else() {
    let mut vault = TestVault::new();
    let there = vault.keep(b"one", named("a.jpg")).blob_id;
    let damaged = vault.keep(b"two", named("b.jpg")).blob_id;
    let open = vault.open();
    for blob in [&there, &damaged, &BLOB] {
        open.keep_thumbnail(blob, &thumbnail(10)).unwrap();
    }
    vault.folder().set_aside(&damaged).unwrap();
    fs::write(path(&vault, &there).with_extension("tmp"), b"cut").unwrap();

    let swept = vault.folder().sweep_thumbnails().unwrap();

    assert_eq!(swept, 2);
    assert!(open.thumbnail(&there).is_some() && open.thumbnail(&damaged).is_some());
    assert!(open.thumbnail(&BLOB).is_none());
    assert_eq!(vault.folder().sweep_thumbnails().unwrap(), 0);
}

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

fn field(text: &str, name: &str) -> Vec<u8> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    hex::decode(line.unwrap()).unwrap()
}

/// Sealing needs no randomness, so that the frozen file is both written and read. Run once for
/// each version of the format with `UPDATE_VECTORS=1`, which writes it.
#[test]
fn the_frozen_thumbnail_is_written_the_same_and_read_as_what_it_was_made_of() {
    let text = fs::read_to_string(vectors().join("vault.txt")).unwrap();
    let place = tempfile::tempdir().unwrap();
    let key_file = SlotSecret::from_key_file(&field(&text, "key-file")).unwrap();
    let epoch = place.path().join("epochs/0000000001");
    fs::create_dir_all(&epoch).unwrap();
    fs::write(place.path().join(MARK_NAME), field(&text, "mark")).unwrap();
    let record = epoch.join(format!("{}.slot", key_file.secret.slot_id()));
    fs::write(record, field(&text, "slot-record")).unwrap();
    let open = OpenVault::open(place.path(), &key_file.secret, UNIX_EPOCH).unwrap();

    let sealed = open.seal_thumbnail(&BLOB, &thumbnail(300)).unwrap();

    let path = vectors().join("thumbnail.txt");
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        let plain = thumbnail(300).to_plain().unwrap();
        let text = format!(
            "comment: a thumbnail of the vault in vault.txt\n\
             name: thumbnails/5a/{BLOB}.thumb\nplain-start: {}\nbytes: {}\n",
            hex::encode(&plain[..400]),
            hex::encode(&sealed)
        );
        fs::write(&path, text).unwrap();
    }
    let frozen = fs::read_to_string(&path).unwrap();
    assert!(field(&frozen, "bytes") == sealed);
    let plain = thumbnail(300).to_plain().unwrap();
    assert!(field(&frozen, "plain-start") == plain[..400]);
    open.keep_thumbnail(&BLOB, &Thumbnail::default()).unwrap();
    fs::write(open.folder().thumbnail_path(&BLOB), field(&frozen, "bytes")).unwrap();
    assert!(open.thumbnail(&BLOB) == Some(thumbnail(300)));
}
