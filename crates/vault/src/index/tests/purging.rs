//! After a purge nothing on the drive names what was purged, even to whoever has all keys.

use cbc::cipher::{BlockModeDecrypt as _, KeyIvInit as _, block_padding::NoPadding};

use super::*;
use crate::change_log::Look;

const PAGE_BYTES: usize = 4096;
/// At the end of each page: IV and MAC.
const RESERVED_BYTES: usize = 80;

/// Opens pages without SQLite: whatever lies in them, whether a table still points to it or not.
fn decrypted(vault: &TestVault, bytes: &[u8], head: usize, each: usize) -> Vec<u8> {
    let key = vault.open().epochs().index_key(1).unwrap();
    let mut plain = Vec::new();
    for frame in bytes
        .get(head..)
        .unwrap_or_default()
        .chunks_exact(each + PAGE_BYTES)
    {
        let page = &frame[each..];
        let (sealed, reserved) = page.split_at(PAGE_BYTES - RESERVED_BYTES);
        // The first page of the file begins with 16 bytes of salt.
        let salted = usize::from(head == 0 && plain.is_empty()) * 16;
        let mut sealed = sealed[salted..].to_vec();
        let cipher =
            cbc::Decryptor::<aes::Aes256>::new_from_slices(key.expose_to_cipher(), &reserved[..16]);
        let opened = cipher.unwrap().decrypt_padded::<NoPadding>(&mut sealed);
        plain.extend_from_slice(opened.unwrap());
    }
    plain
}

/// Everything that index, log and snapshots hold, opened.
fn everything(vault: &TestVault) -> Vec<u8> {
    let mut plain = Vec::new();
    for path in crate::disk::list(&vault.path.join("index")).unwrap() {
        let bytes = fs::read(&path).unwrap();
        let is_log = path.to_str().unwrap().ends_with("-wal");
        let (head, each) = if is_log { (32, 24) } else { (0, 0) };
        plain.extend(decrypted(vault, &bytes, head, each));
    }
    let open = vault.open();
    let (_, history) = ChangeLog::open(open.folder(), open.epochs(), Look::Thorough).unwrap();
    for (_, change) in &history.changes {
        plain.extend(change.to_bytes());
    }
    if let Some(snapshot) = history.snapshot {
        let each = |changes: Vec<Change>| {
            changes.iter().for_each(|it| plain.extend(it.to_bytes()));
            Ok::<_, std::io::Error>(())
        };
        snapshot.read(open.folder(), open.epochs(), each).unwrap();
    }
    plain
}

fn raw(vault: &TestVault) -> Vec<u8> {
    let mut raw = Vec::new();
    for folder in ["index", "changes", "snapshots"] {
        for path in crate::disk::list(&vault.path.join(folder)).unwrap() {
            raw.extend(fs::read(path).unwrap());
        }
    }
    raw
}

fn has(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|it| it == text.as_bytes())
}

/// Gives an entry texts of all kinds that bear a word.
fn describe(index: &mut Index, entry: EntryNumber, word: &str) {
    index
        .rename(entry, Some(&format!("name-{word}")), noon())
        .unwrap();
    index
        .rename(entry, Some(&format!("later-{word}")), noon())
        .unwrap();
    index
        .set_caption(entry, Some(&format!("caption {word}")), noon())
        .unwrap();
    index.tag(entry, &format!("tag-{word}"), noon()).unwrap();
    index
        .move_to_album(entry, Some(&format!("album-{word}")), noon())
        .unwrap();
}

#[test]
fn a_purge_leaves_no_name_behind_and_the_twin_that_stays_is_found() {
    let (purged, kept) = ("Zwitschermaschine", "Wolkenschaufler");
    let mut vault = TestVault::new();
    let (mut index, _) = open(&vault);
    for place in 0..40 {
        keep(&mut vault, &mut index, &format!("other {place}"));
    }
    let mut blobs = Vec::new();
    for word in [purged, kept] {
        let sealed = vault.keep(word.as_bytes(), named(&format!("file-{word}.jpg")));
        let twin = vault.keep(word.as_bytes(), named(&format!("twin-{word}.jpg")));
        let Adopted::New(entry) = index.adopt(&sealed.blob_id, proven(), noon()).unwrap() else {
            panic!("it is new");
        };
        index.adopt(&twin.blob_id, proven(), noon()).unwrap();
        describe(&mut index, entry, word);
        blobs.push((entry, sealed.blob_id, twin.blob_id));
    }
    // An index that was set aside holds the name too.
    fs::copy(
        index_file(&vault),
        vault.path.join("index/0000000001.db.damaged-1"),
    )
    .unwrap();
    let (gone, stays) = (blobs[0], blobs[1]);
    assert!(has(&everything(&vault), purged) && has(&everything(&vault), kept));
    assert_eq!(
        index.purge(&[gone.0], noon()).unwrap(),
        [],
        "it is not in the trash"
    );
    index.trash(gone.0, noon()).unwrap();

    assert_eq!(index.purge(&[gone.0, gone.0], noon()).unwrap(), [gone.0]);

    for when in ["open", "closed"] {
        let plain = everything(&vault);
        assert!(!has(&plain, purged) && has(&plain, kept), "{when}");
        assert!(
            !has(&plain, "Zwitsch") && !has(&plain, &fold(purged)),
            "{when}"
        );
        if when == "open" {
            drop(index);
            index = open(&vault).0;
        }
    }
    drop(index);
    let raw = raw(&vault);
    assert!(
        !has(&raw, purged) && !has(&raw, kept),
        "sealed, neither is seen"
    );
    for blob in [gone.1, gone.2] {
        assert!(!vault.blob_path(&blob).exists());
    }
    for blob in [stays.1, stays.2] {
        assert!(vault.blob_path(&blob).exists());
    }
    remove_index(&vault);
    let (mut index, _) = open(&vault);
    assert!(index.get(gone.0).unwrap().is_none());
    assert_eq!(index.number_of(&gone.2).unwrap(), None);
    assert_eq!(index.find(kept, None, 9).unwrap().len(), 1);
    assert_eq!(
        keep(&mut vault, &mut index, "new"),
        Adopted::New(number(43)),
        "no number twice"
    );
    assert!(index.is_sound().unwrap());
}

#[test]
fn the_trigrams_of_a_purged_name_are_gone_from_the_text_index() {
    let mut vault = TestVault::new();
    let (mut index, _) = open(&vault);
    // Khmer letters: each trigram is nine bytes that nothing else on a page has.
    let (purged, kept) = ("\u{1780}\u{1791}\u{17a2}", "\u{1783}\u{1792}\u{179f}");
    keep(&mut vault, &mut index, purged);
    keep(&mut vault, &mut index, kept);
    for place in 0..300 {
        keep(&mut vault, &mut index, &format!("other {place}"));
    }
    index.trash(number(1), noon()).unwrap();

    index.purge(&[number(1)], noon()).unwrap();

    let plain = everything(&vault);
    let found = |text: &str| plain.windows(7).any(|it| it == &text.as_bytes()[2..]);
    assert!(!found(purged) && found(kept));
}

#[test]
fn a_purge_that_a_crash_cut_short_is_brought_to_its_end() {
    let mut vault = TestVault::new();
    let (mut index, _) = open(&vault);
    keep(&mut vault, &mut index, "gone.jpg");
    keep(&mut vault, &mut index, "stays.jpg");
    index.tag(number(1), "gone", noon()).unwrap();
    index.tag(number(2), "stays", noon()).unwrap();
    let blob = index.get(number(1)).unwrap().unwrap().blob_id;
    index.trash(number(1), noon()).unwrap();
    // The change is in the log and in the index, and then the power goes.
    let what = What::Purged;
    index
        .change(Change::new(number(1), blob, 5, what), None)
        .unwrap();
    drop(index);
    assert!(vault.blob_path(&blob).exists() && has(&everything(&vault), "gone"));
    let cut_short = fs::read(index_file(&vault)).unwrap();

    for index_is_lost in [false, true] {
        let index = if index_is_lost {
            remove_index(&vault);
            open(&vault).0
        } else {
            fs::write(index_file(&vault), &cut_short).unwrap();
            open(&vault).0
        };
        assert_eq!(names(&index.last(9).unwrap()), ["stays.jpg"]);
        assert_eq!(index.trashed(None, 9).unwrap().len(), 0);
        drop(index);
        assert!(!vault.blob_path(&blob).exists());
        assert!(!has(&everything(&vault), "gone") && has(&everything(&vault), "stays"));
    }
}
