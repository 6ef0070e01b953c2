//! Entries by all that can be asked for at once.

use super::*;
use crate::index::{Kind, Search, Used};

const HOUR: u64 = 3_600;

fn at(hours: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_750_000_000 / HOUR * HOUR + hours * HOUR)
}

fn seconds(hours: u64) -> i64 {
    i64::try_from(at(hours).duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

/// Keeps a file that was sent so many hours after a beginning.
fn keep_of(vault: &mut TestVault, index: &mut Index, name: &str, hours: u64) {
    let metadata = Metadata {
        name: Some(name.to_owned()),
        sender: Some("Ann@example.org".to_owned()),
        sent_at: Some(at(hours)),
        received_at: Some(at(hours + 10_000)),
        ..Metadata::default()
    };
    let sealed = vault.keep(name.as_bytes(), metadata);
    index.adopt(&sealed.blob_id, proven(), noon()).unwrap();
}

fn found(index: &Index, search: &Search) -> Vec<String> {
    let mut all = Vec::new();
    let mut before = None;
    // One at a time: pages neither repeat nor leave out.
    while let Some(entry) = index.search(search, before, 1).unwrap().pop() {
        before = Some(entry.number);
        all.extend(entry.name().map(str::to_owned));
    }
    let at_once = index.search(search, None, 100).unwrap();
    assert_eq!(names(&at_once), all);
    all
}

fn scene() -> (TestVault, Index) {
    let mut vault = TestVault::new();
    let (mut index, _) = open(&vault);
    for (name, hours) in [
        ("Rome at night.jpg", 0),
        ("Rome by day.mp4", 5),
        ("beach.jpg", 30),
        ("bill.pdf", 1_000),
    ] {
        keep_of(&mut vault, &mut index, name, hours);
    }
    index.tag(number(1), "Summer", noon()).unwrap();
    index.tag(number(3), "summer", noon()).unwrap();
    index.tag(number(3), "sea", noon()).unwrap();
    index
        .move_to_album(number(1), Some("Italy"), noon())
        .unwrap();
    index
        .move_to_album(number(2), Some("ITALY"), noon())
        .unwrap();
    index
        .move_to_album(number(3), Some("Norway"), noon())
        .unwrap();
    (vault, index)
}

#[test]
fn each_condition_alone_and_all_together_find_what_they_say() {
    let (_vault, index) = scene();
    let none = Search::default;

    assert_eq!(found(&index, &none()).len(), 4);
    let words = Search {
        words: "rome".into(),
        ..none()
    };
    assert_eq!(
        found(&index, &words),
        ["Rome by day.mp4", "Rome at night.jpg"]
    );
    let photos = Search {
        kind: Some(Kind::Photo),
        ..none()
    };
    assert_eq!(found(&index, &photos), ["beach.jpg", "Rome at night.jpg"]);
    let tagged = Search {
        tags: vec!["SUMMER".into()],
        ..none()
    };
    assert_eq!(found(&index, &tagged), ["beach.jpg", "Rome at night.jpg"]);
    let both = Search {
        tags: vec!["summer".into(), "sea".into()],
        ..none()
    };
    assert_eq!(found(&index, &both), ["beach.jpg"]);
    let italy = Search {
        album: Some("italy".into()),
        ..none()
    };
    assert_eq!(
        found(&index, &italy),
        ["Rome by day.mp4", "Rome at night.jpg"]
    );
    for sender in ["ann", "ann@example.org"] {
        let sent = Search {
            sender: Some(sender.into()),
            ..none()
        };
        assert_eq!(found(&index, &sent).len(), 4, "{sender}");
    }
    let all = Search {
        words: "rome".into(),
        tags: vec!["summer".into()],
        album: Some("Italy".into()),
        kind: Some(Kind::Photo),
        sender: Some("ann".into()),
        from: Some(seconds(0)),
        until: Some(seconds(1)),
        shown_from: None,
        shown_until: None,
    };
    assert_eq!(found(&index, &all), ["Rome at night.jpg"]);
    let other = Search {
        album: Some("Norway".into()),
        ..all
    };
    assert!(found(&index, &other).is_empty());
}

#[test]
fn a_span_of_time_goes_by_when_a_file_was_sent_to_the_second() {
    let (_vault, index) = scene();
    let within = |from, until| {
        let search = Search {
            from,
            until,
            ..Search::default()
        };
        found(&index, &search)
    };

    assert_eq!(
        within(Some(seconds(5)), Some(seconds(30))),
        ["Rome by day.mp4"]
    );
    assert_eq!(
        within(Some(seconds(30)), Some(seconds(30) + 1)),
        ["beach.jpg"]
    );
    assert!(within(Some(seconds(30) + 1), Some(seconds(31))).is_empty());
    assert_eq!(within(Some(seconds(30)), None), ["bill.pdf", "beach.jpg"]);
    assert_eq!(within(None, Some(seconds(5))), ["Rome at night.jpg"]);
    assert_eq!(within(Some(i64::MIN), Some(i64::MAX)).len(), 4);
    assert!(within(Some(seconds(9)), Some(seconds(5))).is_empty());
}

#[test]
fn a_picture_is_of_the_day_its_camera_showed_and_all_else_of_the_day_it_came() {
    const NAME: &str = "Rome at night.jpg";
    let (vault, mut index) = scene();
    let note = |index: &mut Index, taken_at: Option<SystemTime>| {
        let blob = index.get(number(1)).unwrap().unwrap().blob_id;
        let picture = crate::Picture {
            taken_at,
            ..crate::Picture::default()
        };
        assert!(
            index
                .note_picture(number(1), &blob, Some(&picture))
                .unwrap()
        );
    };
    // Where the vault stands the clock is two hours ahead; the camera's showed half past one.
    let day = |first: u64| Search {
        from: Some(seconds(first - 2)),
        until: Some(seconds(first + 22)),
        shown_from: Some(seconds(first)),
        shown_until: Some(seconds(first + 24)),
        ..Search::default()
    };
    let taken = Some(at(5_001) + Duration::from_secs(1_800));
    let of_its_coming = Search {
        from: Some(seconds(0)),
        until: Some(seconds(1)),
        ..Search::default()
    };
    assert!(found(&index, &day(5_000)).is_empty());
    assert_eq!(found(&index, &of_its_coming), [NAME]);

    note(&mut index, taken);

    assert_eq!(found(&index, &day(5_000)), [NAME]);
    assert!(found(&index, &day(4_976)).is_empty());
    assert!(found(&index, &day(5_024)).is_empty());
    assert!(found(&index, &of_its_coming).is_empty());
    // The text index follows all that is noted.
    note(&mut index, None);
    assert!(found(&index, &day(5_000)).is_empty());
    assert_eq!(found(&index, &of_its_coming), [NAME]);
    note(&mut index, taken);
    index.trash(number(1), noon()).unwrap();
    assert!(found(&index, &day(5_000)).is_empty());
    index.restore(number(1), noon()).unwrap();
    assert_eq!(found(&index, &day(5_000)), [NAME]);
    drop(index);
    assert_eq!(found(&open(&vault).0, &day(5_000)), [NAME]);
}

#[test]
fn albums_and_tags_are_counted_without_the_trash() {
    let (vault, mut index) = scene();
    let used = |key: &str, name: &str, entries| Used {
        key: key.to_owned(),
        name: name.to_owned(),
        entries,
    };
    let italy = used("italy", "ITALY", 2);
    let norway = used("norway", "Norway", 1);

    assert_eq!(
        index.albums("", 9).unwrap(),
        [italy.clone(), norway.clone()]
    );
    assert_eq!(index.albums("", 1).unwrap(), [italy]);
    assert_eq!(index.albums("italy", 9).unwrap(), [norway]);
    let tags = [used("sea", "sea", 1), used("summer", "summer", 2)];
    assert_eq!(index.tags("", 9).unwrap(), tags);

    index.trash(number(3), noon()).unwrap();
    index.move_to_album(number(2), None, noon()).unwrap();
    assert_eq!(index.albums("", 9).unwrap(), [used("italy", "Italy", 1)]);
    assert_eq!(index.tags("", 9).unwrap(), [used("summer", "Summer", 1)]);
    index.restore(number(3), noon()).unwrap();
    assert_eq!(index.tags("", 9).unwrap(), tags);
    index.trash(number(3), noon()).unwrap();
    index.untag(number(1), "summer", noon()).unwrap();
    index.purge(&[number(3)], noon()).unwrap();
    assert!(index.tags("", 9).unwrap().is_empty());

    // The same after the index is made anew from the log.
    drop(index);
    remove_index(&vault);
    let (index, _) = open(&vault);
    assert_eq!(index.albums("", 9).unwrap(), [used("italy", "Italy", 1)]);
    assert!(index.tags("", 9).unwrap().is_empty());
    let search = Search {
        album: Some("italy".to_owned()),
        ..Search::default()
    };
    assert_eq!(found(&index, &search), ["Rome at night.jpg"]);
}
