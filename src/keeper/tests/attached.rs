//! Files whose sources come in a message of their own.

use omemo::media::{
    ContentHash, FileSource, HashAlgorithm, MAX_SOURCES, MediaCipher, MediaSecret, SharedFile,
    SharedFileError,
};

use super::*;
use crate::keeper::{
    described::Announced,
    intake::{Attached, SharedAs},
    reply::FileFault,
};

const HOUR: i64 = 60 * 60;
const DAY: i64 = 24 * HOUR;

fn source(url: &str) -> FileSource {
    let secret = MediaSecret::new(MediaCipher::Aes256Cbc, &[7; 32], &[8; 16]).unwrap();
    FileSource::new(url, secret).unwrap()
}

/// A message with this id that describes a file, which may be in several places.
fn describes(number: u8, message: &str, part: Option<&str>, urls: &[&str]) -> Told {
    let hash = ContentHash::new(HashAlgorithm::Sha256, vec![9; 32]);
    let file = SharedFile {
        name: Some(format!("{number}.jpg")),
        hashes: hash.into_iter().collect(),
        sources: urls.iter().map(|url| source(url)).collect(),
        ..SharedFile::default()
    };
    let mut described = told(number, "");
    described.text = None;
    described.beside.message = Some(message.to_owned());
    described.files = vec![Announced {
        job: JobId([number; 32]),
        blob: [number; 16],
        name: file.name.clone(),
        part: part.map(str::to_owned),
        file: Ok(file),
    }];
    described
}

fn attaches(
    to: &str,
    part: Option<&str>,
    sources: Result<Vec<FileSource>, SharedFileError>,
) -> Told {
    let to = SharedAs {
        message: to.to_owned(),
        part: part.map(str::to_owned),
    };
    let mut attaching = told(99, "");
    attaching.text = None;
    attaching.attached = Some(Box::new(Attached::new(to, sources)));
    attaching
}

fn one(to: &str, part: Option<&str>) -> Told {
    attaches(to, part, Ok(vec![source("https://up.example/late")]))
}

fn of_other_device(mut told: Told) -> Told {
    told.from.id += 1;
    told.from.fingerprint = "7".repeat(64);
    told
}

fn saved(effects: &[Effect]) -> Vec<&Intake> {
    let saved = effects.iter().filter_map(|effect| match effect {
        Effect::SaveIntake(intake) => Some(intake),
        _ => None,
    });
    saved.collect()
}

/// Where the files that are being fetched lie.
fn places(effects: &[Effect]) -> Vec<Vec<String>> {
    let fetched = effects.iter().filter_map(|effect| match effect {
        Effect::Fetch(intake) => intake.described.as_ref(),
        _ => None,
    });
    let urls = fetched.map(|it| it.file().sources.into_iter().map(|it| it.url).collect());
    urls.collect()
}

fn not_stored(name: &str, why: FileFault, retrying: bool) -> Reply {
    Reply::NotStored {
        name: name.to_owned(),
        why: IntakeFailure::Described(why),
        retrying,
    }
}

#[test]
fn a_file_is_fetched_once_its_source_comes_whichever_message_comes_first() {
    for part in [None, Some("photo1")] {
        for source_first in [false, true] {
            let mut keeper = started(memory());
            let mut messages = vec![describes(1, "m1", part, &[]), one("m1", part)];
            if source_first {
                messages.reverse();
            }
            let second = messages.pop().unwrap();
            let first = messages.pop().unwrap();

            let before = keeper.handle(Input::Told(first), NOW);
            let after = keeper.handle(Input::Told(second), NOW + 600);

            assert!(fetched(&before).is_empty() && says(&before).is_empty());
            assert_eq!(places(&after), [["https://up.example/late"]]);
            assert_eq!(fetched(&after), [1]);
            let kept = saved(&after);
            assert!(kept.last().unwrap().described.is_some());
        }
    }
}

#[test]
fn what_waits_for_its_source_survives_a_restart_and_a_caption_stays_with_it() {
    let mut first = started(memory());
    let _ = open(&mut first);
    let _ = first.handle(Input::Told(describes(1, "m1", None, &[])), NOW);
    let caption = first.handle(Input::Told(told(2, "Sunset in Rome")), NOW + 1);
    let intakes = saved(&caption).into_iter().cloned().collect();
    let mut second = started(Memory {
        intakes,
        ..memory()
    });

    let effects = second.handle(Input::Told(one("m1", None)), NOW + 30);

    assert_eq!(fetched(&effects), [1]);
    let kept = saved(&effects);
    assert_eq!(kept[0].labels.caption.as_deref(), Some("Sunset in Rome"));
}

#[test]
fn a_source_of_another_device_message_or_part_is_not_taken_and_its_honest_twin_is() {
    for forged in [
        of_other_device(one("m1", Some("a"))),
        one("m2", Some("a")),
        one("m1", Some("b")),
        one("m1", None),
    ] {
        let mut keeper = started(memory());
        let _ = keeper.handle(Input::Told(describes(1, "m1", Some("a"), &[])), NOW);

        let refused = keeper.handle(Input::Told(forged), NOW + 1);
        let taken = keeper.handle(Input::Told(one("m1", Some("a"))), NOW + 2);

        assert!(saved(&refused).is_empty() && fetched(&refused).is_empty());
        assert!(
            !says(&refused)
                .iter()
                .any(|it| matches!(it, Reply::NotStored { .. }))
        );
        assert_eq!(fetched(&taken), [1]);
    }
}

#[test]
fn a_source_that_came_twice_or_after_the_file_changes_nothing() {
    let mut keeper = started(memory());
    let job = JobId([1; 32]);
    let _ = keeper.handle(Input::Told(describes(1, "m1", None, &[])), NOW);
    let _ = keeper.handle(Input::Told(one("m1", None)), NOW);

    let again = keeper.handle(Input::Told(one("m1", None)), NOW);
    let sealed = keeper.handle(Input::Sealed { job }, NOW);
    let late = keeper.handle(Input::Told(one("m1", None)), NOW);

    assert!(saved(&again).is_empty() && fetched(&again).is_empty());
    assert_eq!(says(&sealed), [Reply::Kept { waiting: 1 }]);
    assert!(saved(&sealed)[0].shared.is_none());
    assert!(saved(&late).is_empty() && fetched(&late).is_empty());
}

#[test]
fn a_further_source_is_tried_at_once_where_the_first_failed_and_no_file_gets_too_many() {
    let mut keeper = started(memory());
    let job = JobId([1; 32]);
    let first = describes(1, "m1", None, &["https://up.example/first"]);
    let _ = keeper.handle(Input::Told(first), NOW);
    let _ = keeper.handle(
        Input::NotSealed {
            job,
            why: IntakeFailure::ServerTrouble,
            transient: true,
        },
        NOW,
    );
    let many = (0..9).map(|it| source(&format!("https://up.example/{it}")));

    let effects = keeper.handle(Input::Told(attaches("m1", None, Ok(many.collect()))), NOW);

    let places = places(&effects);
    assert_eq!(places[0].len(), MAX_SOURCES);
    assert_eq!(
        places[0][..2],
        ["https://up.example/first", "https://up.example/0"]
    );
}

#[test]
fn a_source_that_cannot_be_used_ends_the_wait_in_two_sentences() {
    let mut keeper = started(memory());
    let _ = keeper.handle(Input::Told(describes(1, "m1", None, &[])), NOW);

    let plain = attaches("m1", None, Err(SharedFileError::NotEncrypted));
    let effects = keeper.handle(Input::Told(plain), NOW);

    let refused = not_stored("1.jpg", FileFault::NotEncrypted, false);
    assert_eq!(says(&effects), [refused]);
    assert!(effects.contains(&Effect::Close(JobId([1; 32]))));
}

#[test]
fn a_file_whose_source_never_comes_is_told_after_an_hour_and_given_up_after_a_day() {
    let mut keeper = started(memory());
    let _ = keeper.handle(Input::Told(describes(1, "m1", None, &[])), NOW);

    let hour = keeper.next_wake().unwrap();
    let told = keeper.handle(Input::Woke, hour);
    let day = keeper.next_wake().unwrap();
    let ended = keeper.handle(Input::Woke, day);

    assert_eq!([hour, day], [NOW + HOUR, NOW + DAY]);
    assert_eq!(
        says(&told),
        [not_stored("1.jpg", FileFault::NoSource, true)]
    );
    assert_eq!(
        says(&told)[0].text(),
        "1.jpg is not stored yet: it was announced, and no message has said where it is. If your \
         app is not still sending it, please send it again."
    );
    assert_eq!(
        says(&ended),
        [not_stored("1.jpg", FileFault::NoSource, false)]
    );
    assert_eq!(keeper.next_wake(), None);
    assert!(fetched(&keeper.handle(Input::Told(one("m1", None)), day)).is_empty());
}

#[test]
fn a_vault_that_was_away_for_days_waits_for_what_it_missed_before_it_gives_up() {
    let mut keeper = started(memory());
    let _ = keeper.handle(Input::Told(describes(1, "m1", None, &[])), NOW);
    let _ = keeper.handle(Input::Offline, NOW + 1);
    let back = NOW + 3 * DAY;

    let online = keeper.handle(Input::Online, back);
    let woken = keeper.handle(Input::Woke, back + 500);
    let came = keeper.handle(Input::Told(one("m1", None)), back + 501);

    assert!(says(&online).is_empty() && says(&woken).is_empty());
    assert_eq!(fetched(&came), [1]);
}

#[test]
fn a_hundred_files_may_wait_for_their_sources_and_one_more_is_refused() {
    let mut keeper = started(memory());
    for number in 0..100 {
        let described = describes(number, &format!("m{number}"), None, &[]);
        assert!(says(&keeper.handle(Input::Told(described), NOW)).is_empty());
    }

    let more = keeper.handle(Input::Told(describes(100, "m100", None, &[])), NOW);
    let whole = describes(101, "m101", None, &["https://up.example/first"]);
    let whole = keeper.handle(Input::Told(whole), NOW);

    assert_eq!(
        says(&more),
        [not_stored("100.jpg", FileFault::NoSource, false)]
    );
    assert_eq!(fetched(&whole), [101]);
}

#[test]
fn a_file_that_waits_for_its_source_keeps_no_other_from_being_told() {
    let mut keeper = started(memory());
    let _ = open(&mut keeper);
    let _ = keeper.handle(Input::Told(describes(1, "m1", None, &[])), NOW);
    let _ = keeper.handle(Input::Told(photo(2)), NOW);
    let job = JobId([2; 32]);
    let _ = keeper.handle(Input::Sealed { job }, NOW);

    let placed = Placed::Entry(line(2));
    let told = keeper.handle(Input::Indexed { job, placed }, NOW);

    assert_eq!(says(&told), [Reply::Stored { line: line(2) }]);
}
