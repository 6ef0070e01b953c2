//! Deleting, undoing, and what else the owner does to kept files.

use vault::{EntryNumber, Label, Relabelled};

use super::*;
use crate::keeper::{
    keeping::{self, Keeping, Kept},
    reply::KeepReply,
};

fn answer(keeper: &mut Keeper, number: u8, kept: Kept) -> Vec<Effect> {
    let input = Input::Answered {
        job: JobId([number; 32]),
        answer: Answer::Kept(kept),
        free: None,
    };
    keeper.handle(input, NOW)
}

fn tell(keeper: &mut Keeper, number: u8, text: &str) -> Vec<Effect> {
    keeper.handle(Input::Told(told(number, text)), NOW)
}

fn asked(effects: &[Effect]) -> Vec<Keeping> {
    let asked = effects.iter().filter_map(|effect| match effect {
        Effect::Ask(_, Command::Keep(keeping)) => Some(keeping.clone()),
        _ => None,
    });
    asked.collect()
}

fn said(effects: &[Effect]) -> Vec<KeepReply> {
    let said = says(effects).into_iter().filter_map(|reply| match reply {
        Reply::Keep(reply) => Some(reply),
        _ => None,
    });
    said.collect()
}

fn found(numbers: &[u64]) -> Kept {
    Kept::Found {
        lines: numbers.iter().map(|number| line(*number)).collect(),
        in_trash: Vec::new(),
        missing: Vec::new(),
    }
}

fn step(number: u64, was: Label, is: Label) -> Relabelled {
    let number = EntryNumber::new(number).unwrap();
    Relabelled { number, was, is }
}

fn trashed(number: u64) -> Relabelled {
    step(number, Label::Trashed(false), Label::Trashed(true))
}

fn labelled(steps: Vec<Relabelled>) -> Kept {
    Kept::Labelled {
        numbers: steps.iter().map(|it| it.number.get()).collect(),
        steps,
        in_trash: Vec::new(),
        missing: Vec::new(),
    }
}

fn opened() -> Keeper {
    let mut keeper = started(memory());
    let _ = open(&mut keeper);
    keeper
}

/// Has `delete` of these carried out, with jobs `number` and the next.
fn delete(keeper: &mut Keeper, number: u8, files: &[u64]) -> Vec<Effect> {
    let _ = tell(keeper, number, &format!("delete {}", files[0]));
    let asks = answer(keeper, number, found(files));
    let drawn = match said(&asks).as_slice() {
        [
            KeepReply::AskDelete {
                number: Some(drawn),
                ..
            },
        ] => *drawn,
        other => panic!("{other:?}"),
    };
    let confirmed = tell(keeper, number + 1, &drawn.to_string());
    assert_eq!(asked(&confirmed).len(), 1);
    let steps = files.iter().map(|it| trashed(*it)).collect();
    answer(keeper, number + 1, labelled(steps))
}

#[test]
fn a_file_goes_to_the_trash_only_after_the_number_came_back() {
    let mut keeper = opened();

    let looked = tell(&mut keeper, 1, "delete 7-9");
    let asks = answer(&mut keeper, 1, found(&[7, 8, 9]));
    let refused = tell(&mut keeper, 2, "confirm 100000");

    let ranges = vec![(7, 9)];
    assert_eq!(asked(&looked), [Keeping::Delete { ranges }]);
    assert_eq!(asked(&asks), []);
    let asked_back = said(&asks);
    let [KeepReply::AskDelete { lines, number, .. }] = asked_back.as_slice() else {
        panic!("it asks");
    };
    assert_eq!(lines.len(), 3);
    assert_eq!(asked(&refused), []);

    let confirmed = tell(&mut keeper, 3, &number.unwrap().to_string());
    assert_eq!(
        asked(&confirmed),
        [Keeping::Label {
            ranges: vec![(7, 7), (8, 8), (9, 9)],
            labels: vec![Label::Trashed(true)]
        }]
    );
}

#[test]
fn the_newest_files_are_named_before_anything_is_done_to_them() {
    let mut keeper = opened();

    let _ = tell(&mut keeper, 1, "tag last 2 #x");
    let named = answer(&mut keeper, 1, found(&[9, 8]));

    let goes_on = asked(&named);
    let [Keeping::Label { ranges, .. }] = goes_on.as_slice() else {
        panic!("it goes on");
    };
    assert_eq!(*ranges, [(9, 9), (8, 8)]);
    let saved = named.iter().any(|it| matches!(it, Effect::SaveDelivery(_)));
    assert!(saved, "a repeat does it to the same files");
}

#[test]
fn undo_takes_back_one_change_after_the_other_and_each_phone_its_own() {
    let mut keeper = opened();
    let _ = delete(&mut keeper, 1, &[7, 8]);
    let _ = tell(&mut keeper, 3, "move 9 to Rome");
    let moved = step(9, Label::Album(None), Label::Album(Some("Rome".into())));
    let _ = answer(&mut keeper, 3, labelled(vec![moved.clone()]));
    let mut other = told(4, "undo");
    other.from.id = 8;

    let others = keeper.handle(Input::Told(other), NOW);
    let first = tell(&mut keeper, 5, "undo");
    let second = tell(&mut keeper, 6, "undo");
    let third = tell(&mut keeper, 7, "undo");

    assert_eq!(said(&others), [KeepReply::NothingToUndo]);
    let steps = vec![moved];
    assert_eq!(asked(&first), [Keeping::Revert { steps }]);
    let steps = vec![trashed(7), trashed(8)];
    assert_eq!(asked(&second), [Keeping::Revert { steps }]);
    assert_eq!(said(&third), [KeepReply::NothingToUndo]);
}

#[test]
fn what_could_not_be_taken_back_is_still_the_last_change() {
    let mut keeper = opened();
    let _ = delete(&mut keeper, 1, &[7]);
    let _ = tell(&mut keeper, 3, "undo");

    let locked = tell(&mut keeper, 4, "lock");
    let while_locked = tell(&mut keeper, 5, "undo");
    let _ = keeper.handle(Input::KeyDeviceGone, NOW);
    let _ = open(&mut keeper);
    let again = tell(&mut keeper, 6, "undo");

    let needs_key = |effects: &[Effect]| {
        let mut said = says(effects).into_iter();
        said.any(|it| matches!(it, Reply::NeedsKey { .. }))
    };
    assert!(needs_key(&locked) && needs_key(&while_locked));
    let steps = vec![trashed(7)];
    assert_eq!(asked(&again), [Keeping::Revert { steps }]);
}

#[test]
fn at_most_twenty_changes_are_remembered() {
    let mut keeper = opened();
    for number in 1..=25 {
        let _ = tell(&mut keeper, number, "note 7 -");
        let text = Label::Caption(Some(number.to_string()));
        let noted = step(7, text, Label::Caption(None));
        let _ = answer(&mut keeper, number, labelled(vec![noted]));
    }

    let undone = (30..60).take_while(|job| {
        let effects = tell(&mut keeper, *job, "undo");
        let reverted = Kept::Reverted {
            numbers: vec![7],
            changed: Vec::new(),
            missing: Vec::new(),
        };
        let _ = answer(&mut keeper, *job, reverted);
        said(&effects).is_empty()
    });

    assert_eq!(undone.count(), 20);
}

#[test]
fn the_trash_is_emptied_of_what_was_shown_and_by_itself_once_a_day_while_open() {
    let mut keeper = started(memory());
    let purges = |effects: &[Effect]| effects.contains(&Effect::PurgeOld { days: 30 });

    let locked = keeper.handle(Input::Woke, NOW);
    let opening = open(&mut keeper);
    let later = keeper.handle(Input::Woke, NOW + 3_600);
    let next_day = keeper.handle(Input::Woke, NOW + 86_400);
    let _ = tell(&mut keeper, 1, "trash empty");
    let trash = Kept::Trash {
        lines: Vec::new(),
        count: 3,
        bytes: 30,
        at: 77,
    };
    let asks = answer(&mut keeper, 1, trash);
    let asked_back = said(&asks);
    let [KeepReply::AskEmpty { number, .. }] = asked_back.as_slice() else {
        panic!("it asks");
    };
    let confirmed = tell(&mut keeper, 2, &number.unwrap().to_string());

    assert!(!purges(&locked) && purges(&opening) && !purges(&later) && purges(&next_day));
    assert_eq!(asked(&confirmed), [Keeping::Purge { until: 77, most: 3 }]);
}

#[test]
fn a_message_that_is_taken_back_deletes_nothing() {
    let mut keeper = opened();

    let numbers = vec![17];
    let heard = keeping::Heard::Retracted { numbers };
    let effects = keeper.handle(Input::Files(heard), NOW);

    assert_eq!(asked(&effects), []);
    assert_eq!(
        said(&effects)[0],
        KeepReply::Retracted { numbers: vec![17] }
    );
}
