use std::fs;

use super::*;
use crate::{
    BlobId, EntryNumber, Origin,
    testing::{TestVault, noon},
};

fn adopted(number: u64, caption: &str) -> Change {
    let caption = Some(caption.to_owned()).filter(|it| !it.is_empty());
    let origin = Origin::Proven;
    change(number, What::Adopted { origin, caption })
}

fn change(number: u64, what: What) -> Change {
    Change {
        number: EntryNumber::new(number).unwrap(),
        blob: BlobId::from_bytes([u8::try_from(number % 251).unwrap(); 16]),
        at: crate::metadata::to_millis(Some(noon())),
        what,
    }
}

fn open(vault: &TestVault) -> (ChangeLog, History) {
    let open = vault.open();
    ChangeLog::open(open.folder(), open.epochs(), Look::Thorough).unwrap()
}

fn segments(vault: &TestVault) -> Vec<PathBuf> {
    disk::list(&vault.path.join("changes")).unwrap()
}

fn numbers(history: &History) -> Vec<u64> {
    let changes = history.changes.iter();
    changes.map(|(_, change)| change.number.get()).collect()
}

#[test]
fn changes_come_back_in_order_and_appending_goes_on() {
    let vault = TestVault::new();
    let duplicate = change(1, What::Duplicate);

    assert_eq!(
        open(&vault)
            .0
            .append(&[adopted(1, "at the sea"), adopted(2, "")])
            .unwrap(),
        2
    );
    assert_eq!(
        open(&vault)
            .0
            .append(std::slice::from_ref(&duplicate))
            .unwrap(),
        3
    );

    let (_, history) = open(&vault);
    let sequences: Vec<u64> = history
        .changes
        .iter()
        .map(|(sequence, _)| *sequence)
        .collect();
    assert_eq!(sequences, [1, 2, 3]);
    assert!(history.changes[0].1 == adopted(1, "at the sea"));
    assert!(history.changes[2].1 == duplicate);
    assert!(history.torn.is_empty() && !history.newer);
    assert_eq!(segments(&vault).len(), 1);
}

#[test]
fn a_torn_end_loses_only_itself_and_is_never_written_over() {
    let vault = TestVault::new();
    open(&vault)
        .0
        .append(&[adopted(1, ""), adopted(2, "")])
        .unwrap();
    let path = segments(&vault).remove(0);
    let whole = fs::read(&path).unwrap();
    let record = (whole.len() - 36) / 2;

    for cut in [1, 100, record - 1] {
        fs::write(&path, &whole[..whole.len() - cut]).unwrap();
        let (_, history) = open(&vault);
        assert_eq!(numbers(&history), [1], "{cut} bytes cut");
        assert_eq!(history.torn.len(), 1);
    }
    open(&vault).0.append(&[adopted(3, "")]).unwrap();

    assert_eq!(numbers(&open(&vault).1), [1, 3]);
    assert_eq!(fs::read(&path).unwrap().len(), whole.len() - (record - 1));
    assert_eq!(segments(&vault).len(), 2);
}

#[test]
fn records_dropped_swapped_or_flipped_are_noticed() {
    let vault = TestVault::new();
    open(&vault)
        .0
        .append(&[adopted(1, ""), adopted(2, ""), adopted(3, "")])
        .unwrap();
    let path = segments(&vault).remove(0);
    let whole = fs::read(&path).unwrap();
    let record = (whole.len() - 36) / 3;
    let part = |number: usize| whole[36 + number * record..36 + (number + 1) * record].to_vec();
    assert_eq!(numbers(&open(&vault).1), [1, 2, 3]);

    let dropped = [whole[..36].to_vec(), part(0), part(2)].concat();
    let swapped = [whole[..36].to_vec(), part(1), part(0), part(2)].concat();
    for (wrong, left) in [(dropped, vec![1]), (swapped, vec![])] {
        fs::write(&path, wrong).unwrap();
        let (_, history) = open(&vault);
        assert_eq!((numbers(&history), history.torn.len()), (left, 1));
    }
    for place in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[place] ^= 1 << (place % 8);
        fs::write(&path, flipped).unwrap();
        assert!(!open_quickly(&vault).torn.is_empty(), "byte {place}");
    }
}

/// Opens the log without opening the vault anew each time.
fn open_quickly(vault: &TestVault) -> History {
    thread_local!(static OPEN: std::cell::RefCell<Option<crate::OpenVault>> = const {
        std::cell::RefCell::new(None)
    });
    OPEN.with_borrow_mut(|open| {
        let open = open.get_or_insert_with(|| vault.open());
        ChangeLog::open(open.folder(), open.epochs(), Look::Thorough)
            .unwrap()
            .1
    })
}

#[test]
fn the_log_shows_neither_captions_nor_their_lengths() {
    let length = |caption: &str| {
        let vault = TestVault::new();
        open(&vault).0.append(&[adopted(1, caption)]).unwrap();
        let bytes = fs::read(segments(&vault).remove(0)).unwrap();
        assert!(caption.is_empty() || !bytes.windows(3).any(|it| it == &caption.as_bytes()[..3]));
        bytes.len()
    };

    assert_eq!(length(""), length("a caption of quite another length"));
}

#[test]
fn a_kind_of_change_made_up_later_is_told() {
    let parse = |bytes: &[u8]| Change::parse(&mut Fields::new(bytes)).unwrap();
    let mut later = adopted(1, "").to_bytes();
    later[0] = 12;

    assert!(parse(&later).is_none());
    assert!(parse(&adopted(1, "").to_bytes()).is_some());
}

fn every_kind() -> Vec<What> {
    let text = |text: &str| Some(text.to_owned());
    vec![
        What::Adopted {
            origin: Origin::Unproven,
            caption: text("at the sea"),
        },
        What::Duplicate,
        What::Replaced {
            unsound: BlobId::from_bytes([7; 16]),
        },
        What::Renamed {
            name: text("ü.jpg"),
        },
        What::Renamed { name: None },
        What::Captioned { caption: None },
        What::Tagged { tag: "t".into() },
        What::Untagged { tag: "t".into() },
        What::Moved { album: text("a") },
        What::Trashed,
        What::Restored,
        What::Purged,
    ]
}

#[test]
fn the_bytes_of_every_kind_are_those_of_the_document() {
    let added = [
        ("01", "02000a61742074686520736561"),
        ("02", ""),
        ("03", "07070707070707070707070707070707"),
        ("04", "0006c3bc2e6a7067"),
        ("04", "0000"),
        ("05", "0000"),
        ("06", "000174"),
        ("07", "000174"),
        ("08", "000161"),
        ("09", ""),
        ("0a", ""),
        ("0b", ""),
    ];
    // Entry number 5, its blob, and the time in milliseconds.
    let head = "000000000000000505050505050505050505050505050505000001a0c4506c00";

    assert_eq!(added.len(), every_kind().len());
    for (what, (kind, added)) in every_kind().into_iter().zip(added) {
        let bytes = hex::encode(change(5, what).to_bytes());
        assert_eq!(bytes, format!("{kind}{head}{added}"));
    }
}

#[test]
fn every_kind_of_change_survives_being_written_and_read_and_none_cut_short_is_taken() {
    for what in every_kind() {
        let change = change(5, what);
        let bytes = change.to_bytes();

        let padded = [bytes.as_slice(), &[0; 30]].concat();
        assert!(Change::parse(&mut Fields::new(&padded)).unwrap() == Some(change));
        for cut in 0..bytes.len() {
            let read = Change::parse(&mut Fields::new(&bytes[..cut]));
            assert!(read.is_err(), "kind {} cut to {cut}", bytes[0]);
        }
    }
}

fn write_snapshot(log: &mut ChangeLog, changes: &[Change]) {
    let mut writer = log.start_snapshot(EntryNumber::new(99)).unwrap();
    for change in changes {
        writer.push(change).unwrap();
    }
    log.replace_with(writer).unwrap();
}

fn of_snapshot(vault: &TestVault, history: &History) -> (Vec<Change>, Extent) {
    let (open, mut read) = (vault.open(), Vec::new());
    let each = |changes: Vec<Change>| {
        read.extend(changes);
        Ok::<_, io::Error>(())
    };
    let snapshot = history.snapshot.as_ref().unwrap();
    let extent = snapshot.read(open.folder(), open.epochs(), each).unwrap();
    (read, extent)
}

fn snapshots(vault: &TestVault) -> Vec<PathBuf> {
    disk::list(&vault.path.join("snapshots")).unwrap()
}

#[test]
fn a_snapshot_takes_the_place_of_the_log_and_counting_goes_on_after_it() {
    let vault = TestVault::new();
    let (mut log, _) = open(&vault);
    log.append(&[adopted(1, "old"), adopted(2, "old")]).unwrap();
    let many: Vec<Change> = (1..3000).map(|number| adopted(number, "at sea")).collect();

    write_snapshot(&mut log, &many);
    assert!(segments(&vault).is_empty());
    log.append(&[adopted(3000, "")]).unwrap();
    open(&vault).0.append(&[adopted(3001, "")]).unwrap();

    let (_, history) = open(&vault);
    let (read, extent) = of_snapshot(&vault, &history);
    assert!(read == many && extent == Extent::Whole);
    assert_eq!(numbers(&history), [3000, 3001]);
    assert_eq!(history.changes[0].0, 3, "two changes were replaced");
    assert_eq!(history.snapshot.unwrap().last_number, 99);
    assert_eq!((segments(&vault).len(), snapshots(&vault).len()), (1, 1));
    assert!(history.torn.is_empty() && !history.outdated);
}

#[test]
fn a_crash_at_any_step_of_a_snapshot_leaves_the_old_or_the_new() {
    let vault = TestVault::new();
    let (mut log, _) = open(&vault);
    log.append(&[adopted(1, "first")]).unwrap();
    write_snapshot(&mut log, &[adopted(1, "first")]);
    log.append(&[adopted(2, "second")]).unwrap();
    let old: Vec<_> = [segments(&vault), snapshots(&vault)].concat();
    let old: Vec<_> = old
        .into_iter()
        .map(|it| (fs::read(&it).unwrap(), it))
        .collect();
    let unfinished = log.start_snapshot(None).unwrap();
    let left_over = snapshots(&vault).pop().unwrap();
    assert_eq!(left_over.extension().unwrap(), "tmp");
    let all = |history: &History| {
        let (mut read, _) = of_snapshot(&vault, history);
        read.extend(history.changes.iter().map(|(_, it)| it.clone()));
        read
    };
    let whole = [adopted(1, "first"), adopted(2, "second")];

    // Before the rename: what there is of the new one is passed over.
    assert!(all(&open(&vault).1) == whole);
    drop(unfinished);
    assert!(!left_over.exists());
    // After the rename, before the old is removed.
    write_snapshot(&mut log, &whole);
    for (bytes, path) in old {
        assert!(!path.exists(), "removed in the end");
        fs::write(path, bytes).unwrap();
        let (_, history) = open(&vault);
        assert!(all(&history) == whole && history.outdated);
    }
}

#[test]
fn a_snapshot_flipped_or_cut_anywhere_is_noticed_and_the_one_before_it_serves() {
    let vault = TestVault::new();
    let (mut log, _) = open(&vault);
    log.append(&[adopted(1, "")]).unwrap();
    write_snapshot(&mut log, &[adopted(1, "")]);
    let older = snapshots(&vault).remove(0);
    let kept = fs::read(&older).unwrap();
    log.append(&[adopted(2, "")]).unwrap();
    let segment = segments(&vault).remove(0);
    let segment = (fs::read(&segment).unwrap(), segment);
    write_snapshot(&mut log, &[adopted(1, ""), adopted(2, "")]);
    let newest = snapshots(&vault).remove(0);
    let whole = fs::read(&newest).unwrap();
    assert_eq!(open_quickly(&vault).snapshot.unwrap().sequence, 2);
    fs::write(&older, kept).unwrap();
    fs::write(segment.1, segment.0).unwrap();

    for place in (0..whole.len()).step_by(97).chain(0..120) {
        let mut flipped = whole.clone();
        flipped[place] ^= 1 << (place % 8);
        fs::write(&newest, flipped).unwrap();
        let history = open_quickly(&vault);
        assert_eq!(
            history.snapshot.as_ref().unwrap().sequence,
            1,
            "byte {place}"
        );
        assert_eq!(numbers(&history), [2]);
        assert_eq!(history.torn.len(), 1);
    }
    for cut in [0, 35, 36, 4000, whole.len() - 1] {
        fs::write(&newest, &whole[..cut]).unwrap();
        assert_eq!(
            open_quickly(&vault).snapshot.unwrap().sequence,
            1,
            "{cut} bytes"
        );
    }
}

#[test]
fn a_damaged_snapshot_alone_is_read_as_far_as_it_goes_and_its_number_is_not_used_again() {
    let vault = TestVault::new();
    let (mut log, _) = open(&vault);
    log.append(&[adopted(1, "")]).unwrap();
    let many: Vec<Change> = (1..3000).map(|number| adopted(number, "at sea")).collect();
    write_snapshot(&mut log, &many);
    let path = snapshots(&vault).remove(0);
    let mut bytes = fs::read(&path).unwrap();
    let end = bytes.len() - 1;
    bytes[end] ^= 1;
    fs::write(&path, bytes).unwrap();

    let (mut log, history) = open(&vault);
    let (read, extent) = of_snapshot(&vault, &history);
    log.append(&[adopted(3000, "")]).unwrap();

    assert!(read == many && extent == Extent::Torn);
    assert_eq!(history.torn.len(), 1);
    assert_eq!(numbers(&open(&vault).1), [3000]);
}

#[test]
fn a_long_segment_is_followed_by_another() {
    let vault = TestVault::new();
    let (mut log, _) = open(&vault);
    let caption = "x".repeat(4000);
    let many: Vec<Change> = (1..=2200).map(|number| adopted(number, &caption)).collect();

    many.chunks(1100).for_each(|part| {
        log.append(part).unwrap();
    });
    log.append(&[adopted(9999, "")]).unwrap();

    assert!(log.is_long(), "a snapshot is due");
    assert_eq!(open(&vault).1.changes.len(), 2201);
    assert!(segments(&vault).len() >= 2);
}

mod vectors;
