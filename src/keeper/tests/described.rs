//! Files that a message describes: taken in, or refused in words.

use omemo::media::{
    ContentHash, FileSource, HashAlgorithm, MediaCipher, MediaSecret, SharedFile, SharedFileError,
};

use super::*;
use crate::keeper::{
    described::{Announced, Described},
    labels::Labels,
    reply::{ArrivalReply, FileFault},
};

fn file(name: &str) -> SharedFile {
    let secret = MediaSecret::new(MediaCipher::Aes256Cbc, &[7; 32], &[8; 16]).unwrap();
    let hash = ContentHash::new(HashAlgorithm::Sha256, vec![9; 32]);
    SharedFile {
        changed_at: None,
        name: Some(name.to_owned()),
        media_type: Some("image/jpeg".to_owned()),
        size: Some(10),
        hashes: hash.into_iter().collect(),
        sources: vec![FileSource::new("https://up.example/x", secret).unwrap()],
    }
}

fn found(number: u8, file: Result<SharedFile, SharedFileError>) -> Announced {
    let name = match &file {
        Ok(file) => file.name.clone(),
        Err(_) => Some("bad.jpg".to_owned()),
    };
    Announced {
        job: JobId([number; 32]),
        blob: [number; 16],
        name,
        part: None,
        file,
    }
}

fn described(text: Option<&str>, files: Vec<Announced>) -> Told {
    Told {
        text: text.map(str::to_owned),
        files,
        ..told(99, "")
    }
}

fn saved(effects: &[Effect]) -> Vec<&Intake> {
    let saved = effects.iter().filter_map(|effect| match effect {
        Effect::SaveIntake(intake) => Some(intake),
        _ => None,
    });
    saved.collect()
}

#[test]
fn every_file_of_a_message_becomes_a_job_and_words_beside_them_are_their_caption() {
    let noted = |caption: &str| {
        let labels = Labels::read(caption).unwrap();
        Reply::Arrival(ArrivalReply::noted(Vec::new(), 2, &labels))
    };
    for (text, said) in [
        (None, vec![]),
        (Some(" "), vec![]),
        (Some("lock"), vec![noted("lock")]),
        (Some("Rome"), vec![noted("Rome")]),
        (Some("a\u{7}b"), vec![Reply::WordsNotKept]),
    ] {
        let mut keeper = started(memory());
        let _ = open(&mut keeper);
        let files = vec![found(1, Ok(file("a.jpg"))), found(2, Ok(file("b.jpg")))];

        let effects = keeper.handle(Input::Told(described(text, files)), NOW);

        let names: Vec<_> = saved(&effects).iter().map(|it| it.name.clone()).collect();
        assert_eq!(names[..2], ["a.jpg", "b.jpg"]);
        assert_eq!(fetched(&effects), [1, 2]);
        assert_eq!(says(&effects), said, "{text:?}");
        assert!(keeper.is_open());
    }
}

#[test]
fn the_keys_of_a_described_file_are_forgotten_once_it_is_sealed() {
    let mut keeper = started(memory());
    let files = vec![found(1, Ok(file("a.jpg")))];
    let job = JobId([1; 32]);

    let announced = keeper.handle(Input::Told(described(None, files)), NOW);
    let sealed = keeper.handle(Input::Sealed { job }, NOW);

    let held = saved(&announced)[0].described.as_ref().unwrap();
    assert!(*held == Described::new(&file("")));
    assert!(saved(&sealed)[0].described.is_none());
    assert_eq!(says(&sealed), [Reply::Kept { waiting: 1 }]);
}

#[test]
fn what_cannot_be_fetched_is_refused_in_two_sentences_and_the_honest_twin_is_taken() {
    for (why, fault) in [
        (SharedFileError::NoSource, FileFault::NoSource),
        (SharedFileError::NotEncrypted, FileFault::NotEncrypted),
        (SharedFileError::Cipher, FileFault::Cipher),
        (SharedFileError::Address, FileFault::Address),
        (SharedFileError::NoHash, FileFault::NoHash),
        (SharedFileError::Malformed, FileFault::Malformed),
    ] {
        let mut keeper = started(memory());
        let files = vec![found(1, Err(why)), found(2, Ok(file("a.jpg")))];

        let effects = keeper.handle(Input::Told(described(None, files)), NOW);

        assert_eq!(fetched(&effects), [2]);
        let refused = Reply::NotStored {
            name: "bad.jpg".to_owned(),
            why: IntakeFailure::Described(fault),
            retrying: false,
        };
        let text = refused.text();
        assert!(text.starts_with("bad.jpg is not stored: "), "{text}");
        assert!(text.ends_with('.') && text.contains(". Please "), "{text}");
        assert_eq!(says(&effects), [refused]);
    }
}

#[test]
fn a_described_file_of_a_device_that_was_not_let_in_is_held_apart_or_not_looked_at() {
    for (standing, held) in [(Standing::Revoked, 0), (Standing::Undecided, 1)] {
        let mut keeper = started(memory());
        let files = vec![
            found(1, Ok(file("a.jpg"))),
            found(2, Err(SharedFileError::NoHash)),
        ];
        let mut told = described(None, files);
        told.from = device(standing);

        let effects = keeper.handle(Input::Told(told), NOW);

        let kept = saved(&effects);
        assert_eq!(kept.len(), held, "{standing:?}");
        assert!(
            kept.iter()
                .all(|it| it.held.is_some() && it.described.is_some())
        );
        let refused = |it: &Reply| matches!(it, Reply::NotStored { .. });
        assert!(!says(&effects).iter().any(refused));
    }
}

#[test]
fn recovery_words_beside_a_file_are_exposed_words() {
    let words = vault::words::holds_recovery_words;
    let exposed = ["abandon"; 24].join(" ");
    assert!(words(&exposed));
    let mut keeper = started(memory());
    let files = vec![found(1, Ok(file("a.jpg")))];

    let effects = keeper.handle(Input::Told(described(Some(&exposed), files)), NOW);

    assert_eq!(says(&effects), [CustodyReply::WordsExposed.into()]);
}

#[test]
fn a_file_that_was_described_for_the_phone_is_told_after_its_line() {
    let mut keeper = started(memory());
    let _ = open(&mut keeper);
    let _ = keeper.handle(Input::Told(told(1, "get 7")), NOW);
    let job = JobId([1; 32]);
    let answer = Answer::Picked {
        found: vec![7],
        missing: vec![],
    };
    let free = None;
    let _ = keeper.handle(Input::Answered { job, answer, free }, NOW);
    let uploaded = Input::Uploaded {
        job,
        line: line(7),
        file: Uploaded::Described(Described::new(&file("photo-7.jpg"))),
    };

    let effects = keeper.handle(uploaded, NOW);

    let file = Reply::Described {
        name: "photo-7.jpg".to_owned(),
        file: Described::new(&file("")),
    };
    assert_eq!(says(&effects), [Reply::Caption { line: line(7) }, file]);
}

#[test]
fn a_date_is_kept_as_the_wall_showed_it_and_one_that_cannot_be_is_left_out() {
    const DAY: i64 = 24 * 60 * 60;
    let zone = Zone::fixed(7_200);
    for (date, kept) in [
        (None, None),
        (Some(1_437_943_560), Some(1_437_943_560 + 7_200)),
        (Some(NOW + DAY), Some(NOW + DAY + 7_200)),
        (Some(NOW + DAY + 1), None),
        (Some(0), None),
        (Some(DAY - 1), None),
        (Some(-5), None),
        (Some(i64::MAX), None),
    ] {
        let mut keeper = started(memory()).in_zone(zone.clone());
        let dated = SharedFile {
            changed_at: date,
            ..file("a.jpg")
        };

        let files = vec![found(1, Ok(dated))];
        let effects = keeper.handle(Input::Told(described(None, files)), NOW);

        let described = saved(&effects)[0].described.as_ref().unwrap();
        assert_eq!(described.dated(), kept, "{date:?}");
    }
}
