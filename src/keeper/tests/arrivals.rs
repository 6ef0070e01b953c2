//! Files that come together are told together; what is written after them is noted with them.

use vault::{EntryNumber, Label, Relabelled};

use super::*;
use crate::keeper::{
    arrivals::{Manners, Record},
    chat::News,
    keeping::{Keeping, Kept},
    labels::Labels,
    reply::{ArrivalReply, KeepReply},
};

const PROGRAM: &str = "owner@example.org/phone";

fn mannered(memory: Memory, record: Record) -> Keeper {
    let manners = Manners {
        reactions: true,
        gather_seconds: 10,
    };
    let mut keeper = Keeper::new(memory).with_manners(manners, record);
    let _ = keeper.handle(Input::Online, NOW);
    keeper
}

/// A keeper that is online, whose vault is open.
fn gathering() -> Keeper {
    let mut keeper = mannered(memory(), Record::default());
    let _ = open(&mut keeper);
    keeper
}

fn job(number: u8) -> JobId {
    JobId([number; 32])
}

fn seal(keeper: &mut Keeper, number: u8, now: i64) -> Vec<Effect> {
    let (mac, bytes) = ([number; 32], 10);
    let job = job(number);
    let _ = keeper.handle(Input::Vouched { job, mac, bytes }, now);
    keeper.handle(Input::Sealed { job }, now)
}

fn index(keeper: &mut Keeper, number: u8, now: i64) -> Vec<Effect> {
    let placed = Placed::Entry(line(number.into()));
    let job = job(number);
    keeper.handle(Input::Indexed { job, placed }, now)
}

/// Tells of a photo and has it stored.
fn store(keeper: &mut Keeper, number: u8, now: i64) -> Vec<Effect> {
    let told = Told {
        sent_at: now,
        ..photo(number)
    };
    let mut effects = keeper.handle(Input::Told(told), now);
    effects.extend(seal(keeper, number, now));
    effects.extend(index(keeper, number, now));
    effects
}

/// What is told, with its topic.
fn told_about(effects: &[Effect]) -> Vec<(u8, String)> {
    let told = effects.iter().filter_map(|effect| match effect {
        Effect::Chat(Chat::Tell { topic, reply }) => Some((topic.0[0], reply.text())),
        _ => None,
    });
    told.collect()
}

fn closed(effects: &[Effect]) -> Vec<u8> {
    let closed = effects.iter().filter_map(|effect| match effect {
        Effect::Close(job) => Some(job.0[0]),
        _ => None,
    });
    closed.collect()
}

fn rows(effects: &[Effect]) -> Vec<Intake> {
    let rows = effects.iter().filter_map(|effect| match effect {
        Effect::SaveIntake(intake) => Some(intake.clone()),
        _ => None,
    });
    rows.collect()
}

#[test]
fn twelve_photos_that_come_together_are_told_in_one_line() {
    let mut keeper = gathering();
    for number in 1..=12 {
        let _ = keeper.handle(Input::Told(photo(number)), NOW);
    }
    let mut effects = Vec::new();
    for number in 1..=12 {
        effects.extend(seal(&mut keeper, number, NOW));
        effects.extend(index(&mut keeper, number, NOW));
    }

    let said = "✅ 12 of 12 stored, 120 bytes, #1-#12.".to_owned();
    assert_eq!(told_about(&effects), [(1, said)]);
    assert_eq!(closed(&effects), (1..=12).collect::<Vec<u8>>());
}

#[test]
fn a_photo_alone_is_told_at_once_and_what_follows_takes_the_place_of_that() {
    let mut keeper = gathering();

    let first = store(&mut keeper, 1, NOW);
    let second = store(&mut keeper, 2, NOW + 9);
    let later = store(&mut keeper, 3, NOW + 60);

    assert_eq!(
        told_about(&first),
        [(1, "✅ #1 photo-1.jpg, 10 bytes, stored.".to_owned())]
    );
    assert_eq!(
        told_about(&second),
        [(1, "✅ 2 of 2 stored, 20 bytes, #1-#2.".to_owned())]
    );
    assert_eq!(
        told_about(&later),
        [(3, "✅ #3 photo-3.jpg, 10 bytes, stored.".to_owned())]
    );
}

#[test]
fn what_is_kept_already_and_what_fails_is_counted() {
    let mut keeper = gathering();
    for number in 1..=3 {
        let _ = keeper.handle(Input::Told(photo(number)), NOW);
    }
    let _ = seal(&mut keeper, 1, NOW);
    let _ = index(&mut keeper, 1, NOW);
    let _ = seal(&mut keeper, 2, NOW);
    let placed = Placed::SameAs(17);
    let _ = keeper.handle(
        Input::Indexed {
            job: job(2),
            placed,
        },
        NOW,
    );
    let gone = Input::NotSealed {
        job: job(3),
        why: IntakeFailure::Gone,
        transient: false,
    };

    let effects = keeper.handle(gone, NOW);

    let said = "✅ 1 of 3 stored, 10 bytes, #1, 1 already kept as #17.".to_owned();
    assert_eq!(told_about(&effects), [(1, said)]);
}

#[test]
fn after_ten_seconds_what_is_stored_is_told_although_more_is_coming() {
    let mut keeper = gathering();
    let _ = keeper.handle(Input::Told(photo(1)), NOW);
    let _ = keeper.handle(Input::Told(photo(2)), NOW);
    let _ = seal(&mut keeper, 1, NOW);
    let indexed = index(&mut keeper, 1, NOW);

    let due = keeper.next_wake();
    let early = keeper.handle(Input::Woke, NOW + 9);
    let woken = keeper.handle(Input::Woke, NOW + 10);
    let _ = seal(&mut keeper, 2, NOW + 30);
    let last = index(&mut keeper, 2, NOW + 30);

    assert_eq!(told_about(&indexed), []);
    assert_eq!(due, Some(NOW + 10));
    assert_eq!((told_about(&early), closed(&early)), (vec![], vec![]));
    let so_far = "✅ 1 of 2 stored so far, 10 bytes, #1.".to_owned();
    assert_eq!(told_about(&woken), [(1, so_far)]);
    let all = "✅ 2 of 2 stored, 20 bytes, #1-#2.".to_owned();
    assert_eq!(told_about(&last), [(1, all)]);
}

#[test]
fn what_was_stored_and_not_told_before_a_crash_is_told_after_it_and_once() {
    let mut first = gathering();
    let _ = first.handle(Input::Told(photo(1)), NOW);
    let _ = first.handle(Input::Told(photo(2)), NOW);
    let _ = seal(&mut first, 1, NOW);
    let intakes = rows(&index(&mut first, 1, NOW));
    let stored = Stage::Indexed {
        number: 1,
        double: false,
    };
    assert!(intakes.len() == 1 && intakes[0].stage == stored);

    let before = Memory {
        intakes,
        ..memory()
    };
    let mut second = Keeper::new(before);
    let online = second.handle(Input::Online, NOW);
    let opened = open(&mut second);

    let said = "✅ #1 photo-1.jpg, 10 bytes, stored.".to_owned();
    assert_eq!(told_about(&online), [(1, said)]);
    assert_eq!(closed(&online), [1]);
    assert!(says(&opened).is_empty(), "nothing is told twice");
}

/// A photo whose program shows reactions, or does not.
fn from_program(number: u8) -> Told {
    Told {
        beside: Beside {
            message: Some(format!("stanza-{number}")),
            program: Some(PROGRAM.to_owned()),
            ..Beside::default()
        },
        ..photo(number)
    }
}

#[test]
fn where_reactions_are_shown_a_photo_is_told_by_one_and_elsewhere_by_words() {
    for (shows_reactions, words) in [(true, 0), (false, 1)] {
        let mut keeper = gathering();
        let jid = PROGRAM.to_owned();
        let news = News::Program {
            jid,
            shows_reactions,
        };
        let _ = keeper.handle(Input::Chat(news), NOW);
        let _ = keeper.handle(Input::Told(from_program(1)), NOW);
        let _ = seal(&mut keeper, 1, NOW);

        let effects = index(&mut keeper, 1, NOW);

        let to = Asker {
            device: 7,
            namespace: Namespace::Legacy,
        };
        let message = "stanza-1".to_owned();
        let react = Effect::Chat(Chat::React {
            message: message.clone(),
            to,
        });
        let brought = Effect::Chat(Chat::Brought { message, number: 1 });
        assert_eq!(effects.contains(&react), shows_reactions);
        assert!(effects.contains(&brought));
        assert_eq!(says(&effects).len(), words);
        assert_eq!(closed(&effects), [1]);
    }
}

fn label_of(effects: &[Effect]) -> Option<(u64, Labels)> {
    effects.iter().find_map(|effect| match effect {
        Effect::Chat(Chat::Label { number, labels, .. }) => Some((*number, labels.clone())),
        _ => None,
    })
}

/// The vault process has noted the labels of an intake with its entry.
fn labels_noted(intake: u8, number: u64) -> Input {
    let entry = EntryNumber::new(number).unwrap();
    Input::Answered {
        job: job(intake),
        answer: Answer::Kept(Kept::Labelled {
            steps: vec![captioned(entry)],
            numbers: vec![number],
            in_trash: Vec::new(),
            missing: Vec::new(),
        }),
        free: None,
    }
}

fn captioned(number: EntryNumber) -> Relabelled {
    Relabelled {
        number,
        was: Label::Caption(None),
        is: Label::Caption(Some("Lagoon".to_owned())),
    }
}

#[test]
fn words_for_photos_that_are_here_and_that_still_come_are_taken_back_as_one() {
    let mut keeper = gathering();
    let _ = store(&mut keeper, 1, NOW);
    let _ = keeper.handle(Input::Told(photo(2)), NOW);
    let _ = keeper.handle(Input::Told(told(51, "Lagoon")), NOW);
    let mut answer = labels_noted(51, 1);
    let _ = keeper.handle(answer, NOW);

    let too_early = keeper.handle(Input::Told(told(52, "undo")), NOW);
    let _ = seal(&mut keeper, 2, NOW);
    let _ = index(&mut keeper, 2, NOW);
    answer = labels_noted(2, 2);
    let _ = keeper.handle(answer, NOW);
    let undone = keeper.handle(Input::Told(told(53, "undo")), NOW);
    let nothing = keeper.handle(Input::Told(told(54, "undo")), NOW);

    let later = Reply::Keep(KeepReply::UndoLater { coming: 1 });
    assert_eq!(says(&too_early), [later]);
    let steps = [1, 2].map(|it| captioned(EntryNumber::new(it).unwrap()));
    let revert = Command::Keep(Keeping::Revert {
        steps: steps.to_vec(),
    });
    assert!(undone.contains(&Effect::Ask(job(53), revert)));
    assert_eq!(says(&nothing), [Reply::Keep(KeepReply::NothingToUndo)]);
}

#[test]
fn words_right_after_a_photo_are_noted_with_it_and_alone_they_are_not_understood() {
    let mut keeper = gathering();
    let alone = keeper.handle(Input::Told(told(50, "Lagoon #sea")), NOW);
    let _ = keeper.handle(Input::Told(photo(1)), NOW);
    let noted = keeper.handle(Input::Told(told(51, "Lagoon #sea")), NOW);
    let _ = seal(&mut keeper, 1, NOW);
    let indexed = index(&mut keeper, 1, NOW);
    let labelled = keeper.handle(labels_noted(1, 1), NOW);

    let labels = Labels::read("Lagoon #sea").unwrap();
    assert_eq!(says(&alone), [Reply::NotUnderstood]);
    assert_eq!(
        says(&noted),
        [Reply::Arrival(ArrivalReply::noted(vec![], 1, &labels))]
    );
    assert_eq!(rows(&noted)[0].labels, labels);
    assert_eq!(label_of(&indexed), Some((1, labels)));
    assert!(closed(&indexed).is_empty(), "not told before it is noted");
    assert_eq!(closed(&labelled), [1]);
    assert_eq!(told_about(&labelled).len(), 1);
}

#[test]
fn words_that_come_while_others_are_being_noted_are_noted_too() {
    let mut keeper = gathering();
    let _ = keeper.handle(Input::Told(photo(1)), NOW);
    let _ = keeper.handle(Input::Told(told(51, "Lagoon")), NOW);
    let _ = seal(&mut keeper, 1, NOW);
    let _ = index(&mut keeper, 1, NOW);
    let _ = keeper.handle(Input::Told(told(52, "with Anna")), NOW);

    let again = keeper.handle(labels_noted(1, 1), NOW);
    let done = keeper.handle(labels_noted(1, 1), NOW);

    let both = Labels::read("Lagoon\nwith Anna").unwrap();
    assert_eq!(label_of(&again), Some((1, both)));
    assert_eq!((closed(&again), closed(&done)), (vec![], vec![1]));
}

#[test]
fn a_corrected_caption_takes_the_place_of_the_first() {
    let corrected = Told {
        beside: Beside {
            corrects: true,
            ..Beside::default()
        },
        ..told(52, "Lagoon")
    };
    let mut keeper = gathering();
    let _ = keeper.handle(Input::Told(photo(1)), NOW);
    let _ = keeper.handle(Input::Told(told(51, "Lagon #sea")), NOW);

    let effects = keeper.handle(Input::Told(corrected), NOW);

    assert_eq!(rows(&effects)[0].labels, Labels::read("Lagoon").unwrap());
}

#[test]
fn words_after_a_photo_that_is_stored_are_noted_in_the_index_and_after_a_minute_they_are_none() {
    let mut keeper = gathering();
    let _ = store(&mut keeper, 1, NOW);
    let later = |number, seconds| Told {
        sent_at: NOW + seconds,
        ..told(number, "Lagoon")
    };

    let in_time = keeper.handle(Input::Told(later(51, 60)), NOW + 60);
    let too_late = keeper.handle(Input::Told(later(52, 61)), NOW + 61);

    let labels = Labels::read("Lagoon").unwrap();
    let command = Command::Label {
        numbers: vec![1],
        coming: 0,
        labels,
    };
    assert!(in_time.contains(&Effect::Ask(job(51), command)));
    assert_eq!(says(&too_late), [Reply::NotUnderstood]);
}

#[test]
fn an_album_is_for_the_photos_that_just_came_or_else_for_all_that_come() {
    let mut keeper = gathering();
    let _ = keeper.handle(Input::Told(photo(1)), NOW);
    let for_these = keeper.handle(Input::Told(told(51, "album Norway")), NOW);
    let follows = keeper.handle(Input::Told(photo(2)), NOW);
    let mut other = mannered(memory(), Record::default());
    let from_now_on = other.handle(Input::Told(told(52, "album Norway")), NOW);

    let labels = Labels::of_album("Norway");
    let record = Record {
        album: Some("Norway".to_owned()),
    };
    let saved = Effect::Chat(Chat::SaveArrivals(record.clone()));
    assert_eq!(rows(&for_these)[0].labels, labels);
    assert!(!for_these.contains(&saved));
    assert_eq!(rows(&follows)[1].labels, labels);
    assert!(from_now_on.contains(&saved));

    let mut after = mannered(memory(), record);
    let photo_then = after.handle(Input::Told(photo(3)), NOW);
    let off = Told {
        sent_at: NOW + 600,
        ..told(53, "album off")
    };
    let _ = after.handle(Input::Told(off), NOW);
    let photo_later = after.handle(Input::Told(photo(4)), NOW);

    assert_eq!(rows(&photo_then)[1].labels, labels);
    assert_eq!(rows(&photo_later).len(), 1);
}

#[test]
fn an_answer_to_a_photo_means_that_photo() {
    let answer = |number, text: &str| Told {
        beside: Beside {
            about: vec![7],
            ..Beside::default()
        },
        ..told(number, text)
    };
    let mut keeper = gathering();

    let got = keeper.handle(Input::Told(answer(51, "get")), NOW);
    let noted = keeper.handle(Input::Told(answer(52, "Lagoon")), NOW);

    let pick = command::Pick::Range { first: 7, last: 7 };
    let get = Command::Get { picks: vec![pick] };
    let label = Command::Label {
        numbers: vec![7],
        coming: 0,
        labels: Labels::read("Lagoon").unwrap(),
    };
    assert!(got.contains(&Effect::Ask(job(51), get)));
    assert!(noted.contains(&Effect::Ask(job(52), label)));
}

#[test]
fn a_message_that_is_taken_back_only_asks_and_not_twice_nor_for_strangers() {
    let took_back = |jid: &str| {
        Input::Chat(News::TookBack {
            jid: jid.to_owned(),
            numbers: vec![17],
        })
    };
    let mut keeper = gathering();

    let stranger = keeper.handle(took_back("eve@example.org"), NOW);
    let owner = keeper.handle(took_back(OWNER), NOW);
    let again = keeper.handle(took_back(OWNER), NOW + 1);

    assert!(stranger.is_empty() && again.is_empty());
    let [Effect::Say(reply)] = owner.as_slice() else {
        panic!("only words")
    };
    assert_eq!(
        reply.text(),
        "You took back #17. I keep it; send \"delete 17\" to move it to the trash."
    );
}

#[test]
fn a_large_file_is_told_of_while_it_comes_and_its_end_takes_the_place_of_that() {
    let mut keeper = gathering();
    let _ = keeper.handle(Input::Told(from_program(1)), NOW);
    let fetching = |done: u64, total: u64| {
        Input::Chat(News::Fetching {
            job: job(1),
            done,
            total,
        })
    };

    let small = keeper.handle(fetching(5_000_000, 19_999_999), NOW);
    let third = keeper.handle(fetching(340_000_000, 1_000_000_000), NOW);
    let bit_more = keeper.handle(fetching(430_000_000, 1_000_000_000), NOW);
    let half = keeper.handle(fetching(500_000_000, 1_000_000_000), NOW);
    let _ = seal(&mut keeper, 1, NOW);
    let end = index(&mut keeper, 1, NOW);

    assert!(small.is_empty() && bit_more.is_empty());
    let said = "Receiving photo-1.jpg: 34 % of 1.0 GB.".to_owned();
    assert_eq!(told_about(&third), [(1, said)]);
    assert_eq!(told_about(&half).len(), 1);
    let stored = "✅ #1 photo-1.jpg, 10 bytes, stored.".to_owned();
    assert_eq!(told_about(&end), [(1, stored)]);
}
