use std::fs;

use super::*;
use crate::{
    BlobId, EntryNumber, Origin,
    testing::{TestVault, noon},
};

fn adopted(number: u64, caption: &str) -> Change {
    Change::Adopted {
        number: EntryNumber::new(number).unwrap(),
        blob: BlobId::from_bytes([u8::try_from(number % 251).unwrap(); 16]),
        at: crate::metadata::to_millis(Some(noon())),
        origin: Origin::Proven,
        caption: Some(caption.to_owned()).filter(|it| !it.is_empty()),
    }
}

fn open(vault: &TestVault) -> (ChangeLog, History) {
    let open = vault.open();
    ChangeLog::open(open.folder(), open.epochs()).unwrap()
}

fn segments(vault: &TestVault) -> Vec<PathBuf> {
    disk::list(&vault.path.join("changes")).unwrap()
}

fn numbers(history: &History) -> Vec<u64> {
    let number = |change: &Change| match change {
        Change::Adopted { number, .. } | Change::Duplicate { number, .. } => number.get(),
    };
    history
        .changes
        .iter()
        .map(|(_, change)| number(change))
        .collect()
}

#[test]
fn changes_come_back_in_order_and_appending_goes_on() {
    let vault = TestVault::new();
    let duplicate = Change::Duplicate {
        number: EntryNumber::new(1).unwrap(),
        blob: BlobId::from_bytes([9; 16]),
        at: 5,
    };

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
        ChangeLog::open(open.folder(), open.epochs()).unwrap().1
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
    let mut later = adopted(1, "").to_bytes();
    later[0] = 7;

    assert!(Change::parse(&later).unwrap().is_none());
    assert!(Change::parse(&adopted(1, "").to_bytes()).unwrap().is_some());
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

    assert_eq!(open(&vault).1.changes.len(), 2201);
    assert!(segments(&vault).len() >= 2);
}
