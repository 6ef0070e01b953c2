use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, UNIX_EPOCH},
};

use super::*;
use crate::{
    Metadata, SlotSecret,
    catalog::Catalog,
    testing::{TestVault, content, named, noon},
};

fn proven() -> Attributes {
    Attributes {
        origin: Origin::Proven,
        caption: None,
    }
}

fn number(number: u64) -> EntryNumber {
    EntryNumber::new(number).unwrap()
}

fn open(vault: &TestVault) -> (Index, Opening) {
    Index::open(&vault.open(), noon()).unwrap()
}

fn keep(vault: &mut TestVault, index: &mut Index, name: &str) -> Adopted {
    let sealed = vault.keep(name.as_bytes(), named(name));
    index.adopt(&sealed.blob_id, proven(), noon()).unwrap()
}

fn names(entries: &[Entry]) -> Vec<String> {
    entries
        .iter()
        .map(|it| it.name().unwrap_or_default().to_owned())
        .collect()
}

/// Compares and settles a duplicate, as the vault process does on two threads.
fn settle(vault: &TestVault, index: &mut Index, blob: &BlobId) -> Option<Settled> {
    let duplicate = index.duplicate(blob).unwrap()?;
    let compared = duplicate.compare(&vault.open()).unwrap();
    Some(index.settle(&duplicate, compared, noon()).unwrap())
}

fn index_file(vault: &TestVault) -> PathBuf {
    vault.path.join("index/0000000001.db")
}

fn remove_index(vault: &TestVault) {
    for path in crate::disk::list(&vault.path.join("index")).unwrap() {
        fs::remove_file(path).unwrap();
    }
}

fn remove_log(vault: &TestVault) {
    for path in crate::disk::list(&vault.path.join("changes")).unwrap() {
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn entries_are_numbered_from_one_and_totalled() {
    let mut vault = TestVault::new();
    let (mut index, opening) = open(&vault);

    let adopted: Vec<_> = ["a.jpg", "bb.jpg", "ccc.jpg"]
        .map(|name| keep(&mut vault, &mut index, name))
        .into();

    assert_eq!(
        opening,
        Opening::Rebuilt {
            entries: 0,
            unproven: 0,
            unreadable: vec![]
        }
    );
    assert_eq!(adopted, [1, 2, 3].map(|it| Adopted::New(number(it))));
    assert_eq!(
        index.totals().unwrap(),
        Totals {
            entries: 3,
            bytes: 5 + 6 + 7,
            ..Totals::default()
        }
    );
    let second = index.get(number(2)).unwrap().unwrap();
    assert_eq!(
        (second.size, second.metadata.received_at),
        (6, Some(noon()))
    );
    assert_eq!(second.adopted_at, Some(noon()));
    assert!(index.get(number(4)).unwrap().is_none());
}

#[test]
fn entering_a_blob_again_changes_nothing() {
    let mut vault = TestVault::new();
    let (mut index, _) = open(&vault);
    let sealed = vault.keep(b"content", named("photo.jpg"));
    index.adopt(&sealed.blob_id, proven(), noon()).unwrap();

    for _ in 0..2 {
        let again = index.adopt(&sealed.blob_id, proven(), noon()).unwrap();
        assert_eq!(again, Adopted::Already(number(1)));
        drop(index);
        index = open(&vault).0;
    }

    assert_eq!(
        index.totals().unwrap(),
        Totals {
            entries: 1,
            bytes: 7,
            ..Totals::default()
        }
    );
}

#[test]
fn the_same_content_in_another_blob_is_noted_and_not_numbered() {
    let mut vault = TestVault::new();
    let (mut index, _) = open(&vault);
    keep(&mut vault, &mut index, "a.jpg");
    let twin = vault.keep(b"a.jpg", named("copy of a.jpg"));
    let other = vault.keep(b"a.jpg ", named("a.jpg"));

    for _ in 0..2 {
        let adopted = index.adopt(&twin.blob_id, proven(), noon()).unwrap();
        assert_eq!(adopted, Adopted::SameContentAs(number(1)));
    }
    assert_eq!(
        settle(&vault, &mut index, &twin.blob_id),
        Some(Settled::Removed)
    );
    assert!(!vault.sealer().has(&twin.blob_id).unwrap());

    assert_eq!(
        index.adopt(&other.blob_id, proven(), noon()).unwrap(),
        Adopted::New(number(2))
    );
    assert_eq!(index.totals().unwrap().entries, 2);
    let kept = index.get(number(1)).unwrap().unwrap();
    assert_eq!(vault.content_of(&kept.blob_id), b"a.jpg");
}

#[test]
fn plain_data_survives_being_sent_even_with_times_before_1970() {
    let metadata = Metadata {
        sent_at: Some(UNIX_EPOCH - Duration::from_secs(7)),
        ..named("photo.jpg")
    };
    let entry = Entry {
        number: number(7),
        blob_id: BlobId::from_bytes([3; 16]),
        size: 9,
        metadata,
        attributes: Attributes {
            origin: Origin::Unproven,
            caption: Some("sea".to_owned()),
        },
        labels: Labels::default(),
        adopted_at: None,
    };

    let sent = postcard::to_allocvec(&entry).unwrap();

    assert!(postcard::from_bytes::<Entry>(&sent).unwrap() == entry);
    assert!(
        postcard::from_bytes::<EntryNumber>(&[0]).is_err(),
        "there is no entry 0"
    );
    assert!(postcard::from_bytes::<EntryNumber>(&[1]).is_ok());
}

#[test]
fn a_blob_that_does_not_open_is_not_entered() {
    let mut vault = TestVault::new();
    let (mut index, _) = open(&vault);
    let sealed = vault.keep(b"content", named("photo.jpg"));
    let path = vault.blob_path(&sealed.blob_id);
    let honest = fs::read(&path).unwrap();
    fs::write(&path, &honest[..honest.len() - 1]).unwrap();

    let refused = index.adopt(&sealed.blob_id, proven(), noon());
    let missing = index.adopt(&BlobId::from_bytes([1; 16]), proven(), noon());

    assert!(matches!(
        refused,
        Err(IndexError::Blob(UnsealError::NotAuthentic))
    ));
    assert!(matches!(
        missing,
        Err(IndexError::Blob(UnsealError::Missing))
    ));
    fs::write(&path, honest).unwrap();
    assert_eq!(
        index.adopt(&sealed.blob_id, proven(), noon()).unwrap(),
        Adopted::New(number(1))
    );
}

#[test]
fn a_proof_of_origin_and_a_caption_can_come_later() {
    let mut vault = TestVault::new();
    let (mut index, _) = open(&vault);
    let sealed = vault.keep(b"content", named("photo.jpg"));
    let unproven = Attributes {
        origin: Origin::Unproven,
        caption: None,
    };
    index.adopt(&sealed.blob_id, unproven, noon()).unwrap();
    let told = Attributes {
        origin: Origin::Proven,
        caption: Some("at the lake".to_owned()),
    };

    index.adopt(&sealed.blob_id, told.clone(), noon()).unwrap();
    drop(index);
    remove_index(&vault);

    let entry = open(&vault).0.get(number(1)).unwrap().unwrap();
    assert!(entry.attributes == told, "also after the index was lost");
    let (index, _) = open(&vault);
    assert_eq!(names(&index.find("lake", None, 9).unwrap()), ["photo.jpg"]);
}

#[test]
fn pages_follow_one_another_without_gap_or_repeat() {
    let mut vault = TestVault::new();
    let (mut index, _) = open(&vault);
    for place in 1..=25 {
        keep(&mut vault, &mut index, &format!("{place}"));
    }

    let (mut before, mut seen) = (None, Vec::new());
    loop {
        let page = index.list(before, 10).unwrap();
        let Some(last) = page.last() else { break };
        before = Some(last.number);
        seen.extend(page.iter().map(|it| it.number.get()));
    }

    assert_eq!(seen, (1..=25).rev().collect::<Vec<_>>());
    assert_eq!(names(&index.last(2).unwrap()), ["25", "24"]);
}

#[test]
fn a_search_finds_parts_of_names_whatever_their_case_and_accents() {
    let mut vault = TestVault::new();
    let (mut index, _) = open(&vault);
    for name in [
        "Müller Urlaub 2019.jpg",
        "u\u{308}berall.png",
        "100%_sure.txt",
        "say \"hello\".txt",
        "写真アルバム.zip",
        "IMG_2041.jpg",
    ] {
        keep(&mut vault, &mut index, name);
    }
    let find = |words: &str| names(&index.find(words, None, 9).unwrap());

    assert_eq!(find("url"), ["Müller Urlaub 2019.jpg"]);
    assert_eq!(find("MULLER"), ["Müller Urlaub 2019.jpg"]);
    assert_eq!(find("jpg müller"), ["Müller Urlaub 2019.jpg"]);
    assert_eq!(find("uberall"), ["u\u{308}berall.png"]);
    assert_eq!(find("überall"), ["u\u{308}berall.png"]);
    assert_eq!(find("0%_"), ["100%_sure.txt"]);
    assert_eq!(find("Mü ja"), Vec::<String>::new());
    assert_eq!(find("mü ur"), ["Müller Urlaub 2019.jpg"]);
    assert_eq!(find("\"hello\""), ["say \"hello\".txt"]);
    assert_eq!(find("アルバ"), ["写真アルバム.zip"]);
    assert_eq!(find("jpg"), ["IMG_2041.jpg", "Müller Urlaub 2019.jpg"]);
    assert_eq!(
        find("jpg NOT img"),
        Vec::<String>::new(),
        "operators are only words"
    );
    assert_eq!(find("nothing"), Vec::<String>::new());
    assert_eq!(index.find("jpg", None, 1).unwrap().len(), 1);
}

#[test]
fn words_of_one_or_two_characters_are_found_where_words_start() {
    let mut vault = TestVault::new();
    let (mut index, _) = open(&vault);
    for name in ["写真.zip", "ab.txt", "xy Äb long.txt", "crab.txt", "❤ love"] {
        keep(&mut vault, &mut index, name);
    }
    let find = |words: &str| names(&index.find(words, None, 9).unwrap());

    assert_eq!(find("真"), ["写真.zip"]);
    assert_eq!(find("AB"), ["xy Äb long.txt", "ab.txt"]);
    assert_eq!(find("ä"), ["xy Äb long.txt", "ab.txt"]);
    assert_eq!(find("ab long"), ["xy Äb long.txt"]);
    assert_eq!(find("cr"), ["crab.txt"]);
    assert_eq!(find("❤"), ["❤ love"]);
    assert_eq!(find("ö"), Vec::<String>::new());
    assert_eq!(find("%"), Vec::<String>::new());
    assert_eq!(find("").len(), 5, "no word at all is held by every name");
}

#[test]
fn strange_search_words_do_no_harm() {
    let mut vault = TestVault::new();
    let (mut index, _) = open(&vault);
    keep(&mut vault, &mut index, "a.jpg");

    for words in [
        "\"",
        "\"\"\"",
        "name:",
        "*",
        "^abc",
        "(((",
        "a\0b\0c",
        "NEAR(abc def)",
        "-jpg",
        "'; DROP",
    ] {
        assert!(index.find(words, None, 9).is_ok(), "{words:?}");
    }
    assert_eq!(index.totals().unwrap().entries, 1);
}

#[test]
fn a_lost_index_comes_back_with_the_same_numbers() {
    let mut vault = TestVault::new();
    let (mut index, _) = open(&vault);
    // Blob ids are random, so the order on the drive differs from that of the numbers.
    for place in 1..=12 {
        keep(&mut vault, &mut index, &format!("photo {place}.jpg"));
    }
    let twin = vault.keep(b"photo 3.jpg", named("twin"));
    index.adopt(&twin.blob_id, proven(), noon()).unwrap();
    let before = index.list(None, 99).unwrap();
    drop(index);
    remove_index(&vault);

    let (mut index, opening) = open(&vault);

    assert_eq!(
        opening,
        Opening::Rebuilt {
            entries: 12,
            unproven: 0,
            unreadable: vec![]
        }
    );
    assert!(index.list(None, 99).unwrap() == before);
    assert_eq!(index.number_of(&twin.blob_id).unwrap(), Some(number(3)));
    assert_eq!(
        names(&index.find("photo 7", None, 9).unwrap()),
        ["photo 7.jpg"]
    );
    assert_eq!(
        keep(&mut vault, &mut index, "new"),
        Adopted::New(number(13))
    );
}

#[test]
fn a_damaged_index_is_set_aside_and_made_anew() {
    let mut vault = TestVault::new();
    let (mut index, _) = open(&vault);
    keep(&mut vault, &mut index, "a.jpg");
    drop(index);
    let honest = fs::read(index_file(&vault)).unwrap();

    for (round, damaged) in [b"scratched".repeat(2000), vec![0; 100], {
        let mut bytes = honest.clone();
        bytes[100] ^= 1;
        bytes
    }]
    .into_iter()
    .enumerate()
    {
        fs::write(index_file(&vault), &damaged).unwrap();
        let (index, opening) = open(&vault);
        assert!(
            matches!(opening, Opening::Rebuilt { entries: 1, .. }),
            "round {round}"
        );
        assert_eq!(names(&index.last(9).unwrap()), ["a.jpg"]);
        let aside = vault
            .path
            .join(format!("index/0000000001.db.damaged-{}", round + 1));
        assert_eq!(fs::read(aside).unwrap(), damaged);
    }
}

#[test]
fn damage_deep_in_the_index_is_found_by_its_check_and_mended_by_a_rebuild() {
    let mut vault = TestVault::new();
    let (mut index, _) = open(&vault);
    for place in 0..60 {
        keep(
            &mut vault,
            &mut index,
            &format!("{}{place}", "long name ".repeat(30)),
        );
    }
    assert!(index.is_sound().unwrap());
    drop(index);
    let mut bytes = fs::read(index_file(&vault)).unwrap();
    let place = bytes.len() - 2000;
    bytes[place] ^= 1;
    fs::write(index_file(&vault), bytes).unwrap();

    let (index, opening) = open(&vault);
    let sound = index.is_sound();
    let (index, mended) = index.rebuild(noon()).unwrap();

    assert_eq!(opening, Opening::Found);
    assert!(!matches!(sound, Ok(true)));
    assert!(matches!(mended, Opening::Rebuilt { entries: 60, .. }));
    assert!(index.is_sound().unwrap());
}

#[test]
fn a_crash_between_log_and_index_is_caught_up() {
    let mut vault = TestVault::new();
    let (mut index, _) = open(&vault);
    keep(&mut vault, &mut index, "a.jpg");
    drop(index);
    let behind = fs::read(index_file(&vault)).unwrap();
    let (mut index, _) = open(&vault);
    keep(&mut vault, &mut index, "b.jpg");
    let sealed = vault.keep(b"c", named("c.jpg"));
    index.adopt(&sealed.blob_id, proven(), noon()).unwrap();
    drop(index);
    // The log has all three, the index only the first.
    fs::write(index_file(&vault), behind).unwrap();

    let (mut index, opening) = open(&vault);
    let again = index.adopt(&sealed.blob_id, proven(), noon()).unwrap();

    assert_eq!(opening, Opening::Found);
    assert_eq!(again, Adopted::Already(number(3)));
    assert_eq!(names(&index.last(9).unwrap()), ["c.jpg", "b.jpg", "a.jpg"]);
}

#[test]
fn without_log_and_index_blobs_are_shown_and_entered_by_time_when_they_are_taken_in() {
    let mut vault = TestVault::new();
    let (mut index, _) = open(&vault);
    for hour in [3_u64, 1, 2] {
        let received_at = Some(UNIX_EPOCH + Duration::from_secs(hour * 3600));
        let name = Some(format!("hour {hour}"));
        let metadata = Metadata {
            name,
            received_at,
            ..Metadata::default()
        };
        let sealed = vault.keep(&hour.to_be_bytes(), metadata);
        index.adopt(&sealed.blob_id, proven(), noon()).unwrap();
    }
    let twin = vault.keep(&3_u64.to_be_bytes(), named("twin"));
    drop(index);
    remove_index(&vault);
    remove_log(&vault);

    let (mut index, opening) = open(&vault);
    let before = index.totals().unwrap();
    let seen = index.unlisted(&[]).unwrap();
    let taken = index.take_unlisted(&[], &seen.digest, noon()).unwrap();

    assert_eq!(
        opening,
        Opening::Rebuilt {
            entries: 0,
            unproven: 4,
            unreadable: vec![]
        }
    );
    assert_eq!(before, Totals::default(), "nothing is taken in silently");
    assert_eq!((seen.count, seen.bytes), (4, 4 * 8));
    assert_eq!(seen.oldest[0].1.name.as_deref(), Some("hour 1"));
    assert_eq!(taken, Some([1, 2, 3].map(number).to_vec()));
    let entries = index.last(9).unwrap();
    assert_eq!(names(&entries), ["hour 3", "hour 2", "hour 1"]);
    assert!(
        entries
            .iter()
            .all(|it| it.attributes.origin == Origin::Unproven)
    );
    assert_eq!(index.number_of(&twin.blob_id).unwrap(), Some(number(3)));
}

#[test]
fn blobs_that_wait_for_their_proof_are_left_out_of_a_rebuild() {
    let mut vault = TestVault::new();
    let waiting = vault.keep(b"sealed while locked", named("waiting")).blob_id;
    vault.keep(b"planted", named("planted"));

    let (mut index, opening) = Index::open_leaving(&vault.open(), &[waiting], noon()).unwrap();
    let seen = index.unlisted(&[waiting]).unwrap();
    let planted = index.take_unlisted(&[waiting], &seen.digest, noon());
    let adopted = index.adopt(&waiting, proven(), noon()).unwrap();

    assert_eq!(planted.unwrap(), Some(vec![number(1)]));
    assert_eq!(
        opening,
        Opening::Rebuilt {
            entries: 0,
            unproven: 1,
            unreadable: vec![]
        }
    );
    assert_eq!(adopted, Adopted::New(number(2)));
    let origins: Vec<_> = index
        .last(9)
        .unwrap()
        .into_iter()
        .map(|it| it.attributes.origin)
        .collect();
    assert_eq!(origins, [Origin::Proven, Origin::Unproven]);
}

#[test]
fn the_catalog_of_the_rescue_tool_has_the_numbers_of_a_rebuilt_index() {
    let mut vault = TestVault::new();
    let (mut index, _) = open(&vault);
    for place in 0..5 {
        keep(&mut vault, &mut index, &format!("known {place}"));
    }
    let gone = vault.keep(b"gone", named("gone"));
    index.adopt(&gone.blob_id, proven(), noon()).unwrap();
    for seed in 0..5 {
        vault.keep(&content(10, seed), named("unlisted"));
    }
    vault.keep(&content(10, 2), named("unlisted twin"));
    let broken = vault.keep(b"broken", named("broken")).blob_id;
    fs::write(vault.blob_path(&broken), "x").unwrap();
    drop(index);
    fs::remove_file(vault.blob_path(&gone.blob_id)).unwrap();

    let catalog = Catalog::read(&vault.open(), || ()).unwrap();
    remove_index(&vault);
    let (mut index, opening) = open(&vault);
    let seen = index.unlisted(&[]).unwrap();
    index.take_unlisted(&[], &seen.digest, noon()).unwrap();

    let unreadable = vec![broken];
    assert_eq!(
        opening,
        Opening::Rebuilt {
            entries: 6,
            unproven: 6,
            unreadable
        }
    );
    assert_eq!(catalog.missing, [(number(6), gone.blob_id)]);
    assert_eq!(catalog.unreadable.len(), 1);
    assert_eq!(catalog.duplicates.len(), 1);
    let mut of_index = index.list(None, 99).unwrap();
    of_index.reverse();
    let of_index: Vec<_> = of_index
        .into_iter()
        .filter(|it| it.number != number(6))
        .map(|it| (it.number, it.blob_id, it.size))
        .collect();
    let of_catalog: Vec<_> = catalog
        .entries
        .iter()
        .map(|it| (it.number, it.blob_id, it.size))
        .collect();
    assert_eq!(of_catalog, of_index);
}

#[test]
fn numbers_whose_records_were_lost_are_not_given_again_while_the_index_lives() {
    let mut vault = TestVault::new();
    let (mut index, _) = open(&vault);
    keep(&mut vault, &mut index, "a.jpg");
    keep(&mut vault, &mut index, "b.jpg");
    drop(index);
    remove_log(&vault);

    let (mut index, _) = open(&vault);
    let third = keep(&mut vault, &mut index, "c.jpg");
    drop(index);
    let (index, _) = open(&vault);

    assert_eq!(third, Adopted::New(number(3)));
    assert_eq!(names(&index.last(9).unwrap()), ["c.jpg", "b.jpg", "a.jpg"]);
}

#[test]
fn a_revocation_gives_the_index_a_new_key_and_takes_the_old_file_away() {
    let mut vault = TestVault::new();
    let (mut index, _) = open(&vault);
    keep(&mut vault, &mut index, "a.jpg");
    drop(index);
    let mut open_vault = vault.open();
    let lost = SlotSecret::init_with(|bytes| bytes.fill(2));
    open_vault
        .add_slot(&lost, "lost", &mut vault.rng, noon())
        .unwrap();
    vault.public = open_vault.revoke(&lost.slot_id(), &mut vault.rng).unwrap();

    let (mut index, opening) = open(&vault);
    keep(&mut vault, &mut index, "b.jpg");

    assert!(matches!(
        opening,
        Opening::Rebuilt {
            entries: 1,
            unproven: 0,
            ..
        }
    ));
    assert_eq!(names(&index.last(9).unwrap()), ["b.jpg", "a.jpg"]);
    assert!(!index_file(&vault).exists());
    drop(index);
    remove_index(&vault);
    assert_eq!(names(&open(&vault).0.last(9).unwrap()), ["b.jpg", "a.jpg"]);
}

#[test]
fn an_index_of_a_later_version_is_refused() {
    let vault = TestVault::new();
    let (index, _) = open(&vault);
    index
        .database
        .execute("INSERT INTO migrations VALUES (99, 0)", [])
        .unwrap();
    drop(index);

    let refused = Index::open(&vault.open(), noon()).err().unwrap();

    assert!(matches!(refused, IndexError::TooNew));
}

#[test]
fn after_a_failed_write_the_index_takes_no_change_and_opens_sound() {
    let mut vault = TestVault::new();
    let (mut index, _) = open(&vault);
    keep(&mut vault, &mut index, "a.jpg");
    let sealed = vault.keep(b"b", named("b.jpg"));
    let changes = vault.path.join("changes");
    let aside = vault.path.join("changes.aside");
    fs::rename(&changes, &aside).unwrap();

    let failed = index.adopt(&sealed.blob_id, proven(), noon());
    let refused = index.adopt(&sealed.blob_id, proven(), noon());
    drop(index);
    fs::rename(&aside, &changes).unwrap();

    assert!(matches!(failed, Err(IndexError::Log(_))));
    assert!(matches!(refused, Err(IndexError::Broken)));
    let (mut index, _) = open(&vault);
    assert_eq!(
        index.adopt(&sealed.blob_id, proven(), noon()).unwrap(),
        Adopted::New(number(2))
    );
}

#[test]
fn only_the_owner_of_the_files_may_read_the_index() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut vault = TestVault::new();
    let (mut index, _) = open(&vault);
    keep(&mut vault, &mut index, "a.jpg");

    let modes = |folder: &Path| -> Vec<u32> {
        let files = crate::disk::list(folder).unwrap();
        files
            .iter()
            .map(|it| fs::metadata(it).unwrap().permissions().mode() & 0o777)
            .collect()
    };

    assert_eq!(
        modes(&vault.path.join("index")),
        [0o600, 0o600],
        "file and write-ahead log"
    );
    assert_eq!(modes(&vault.path.join("changes")), [0o600]);
}

mod duplicates;
mod edits;
mod migrating;
mod plans;
mod purging;
mod rebuilding;
mod relabelling;
mod searching;
