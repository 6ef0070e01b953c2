//! Contact sheets, previews, and pictures that a phone made smaller.

use super::*;
use crate::keeper::{
    pictures::{Client, Made, PictureNews, Seen},
    reply::PictureReply,
};

/// An open keeper that was asked something, and what exists of it.
fn asked(text: &str, found: Vec<u64>) -> (Keeper, Vec<Effect>) {
    let mut keeper = started(memory());
    let _ = open(&mut keeper);
    let _ = keeper.handle(Input::Told(told(1, text)), NOW);
    let missing = Vec::new();
    let answered = Input::Answered {
        job: JobId([1; 32]),
        answer: Answer::Picked { found, missing },
        free: None,
    };
    let effects = keeper.handle(answered, NOW);
    (keeper, effects)
}

fn uploaded(keeper: &mut Keeper, number: u64) -> Vec<Effect> {
    let uploaded = Input::Uploaded {
        job: JobId([1; 32]),
        line: line(number),
        file: Uploaded::Link("aesgcm://up.example/x".to_owned()),
    };
    keeper.handle(uploaded, NOW)
}

fn delivers(effects: &[Effect]) -> Vec<u64> {
    let delivers = effects.iter().filter_map(|effect| match effect {
        Effect::Deliver(_, number) => Some(*number),
        _ => None,
    });
    delivers.collect()
}

#[test]
fn forty_five_files_make_three_sheets_one_after_another() {
    let (mut keeper, effects) = asked("sheet 1-45", (1..=45).collect());
    let job = JobId([1; 32]);
    let mut sheets = Vec::new();
    let mut next = delivers(&effects);

    while let [number] = next[..] {
        let Some(Made::Sheet(shown)) = keeper.made(&job) else {
            panic!("it is a sheet");
        };
        assert_eq!(shown.first(), Some(&number));
        let effects = uploaded(&mut keeper, number);
        let Some(Reply::Picture(PictureReply::Sheet { first, last, .. })) =
            says(&effects).into_iter().next()
        else {
            panic!("it is told");
        };
        sheets.push((first, last, shown.len()));
        next = delivers(&effects);
    }

    assert_eq!(sheets, [(1, 20, 20), (21, 40, 20), (41, 45, 5)]);
    assert_eq!(keeper.made(&job), None, "the job is closed");
}

#[test]
fn previews_go_one_by_one_and_what_is_no_picture_is_told_as_such() {
    let (mut keeper, effects) = asked("get 3-4 small", vec![3, 4]);
    let job = JobId([1; 32]);
    assert_eq!(delivers(&effects), [3]);
    assert_eq!(keeper.made(&job), Some(Made::Small(3)));
    let not_made = Input::NotUploaded {
        job,
        number: 3,
        why: DeliveryFailure::NothingToShow,
    };

    let refused = keeper.handle(not_made, NOW);
    let sent = uploaded(&mut keeper, 4);

    let why = DeliveryFailure::NothingToShow;
    assert_eq!(says(&refused), [Reply::NotSent { number: 3, why }]);
    assert_eq!(
        says(&refused)[0].text(),
        "#3 is no picture that I can make smaller. Send \"get 3\" for the file as it is."
    );
    assert_eq!(delivers(&refused), [4]);
    assert_eq!(says(&sent)[0], Reply::Caption { line: line(4) });
}

#[test]
fn a_get_is_a_delivery_as_ever() {
    let (keeper, effects) = asked("get 3", vec![3]);

    assert_eq!(delivers(&effects), [3]);
    assert_eq!(keeper.made(&JobId([1; 32])), None);
}

#[test]
fn a_sheet_that_a_lock_cuts_short_is_told_as_a_sheet() {
    let (mut keeper, _) = asked("sheet", vec![9, 8]);

    let effects = keeper.handle(Input::Told(told(2, "lock")), NOW);

    let why = DeliveryFailure::Locked;
    let wanted = Reply::Picture(PictureReply::SheetNotSent(why));
    assert!(says(&effects).contains(&wanted));
}

/// Takes in a photo of device 7, which is then looked at.
fn came(keeper: &mut Keeper, number: u8, name: &str) -> Vec<Effect> {
    let _ = keeper.handle(Input::Told(photo(number)), NOW);
    let job = JobId([number; 32]);
    let _ = keeper.handle(Input::Sealed { job }, NOW);
    let placed = Placed::Entry(line(number.into()));
    let _ = keeper.handle(Input::Indexed { job, placed }, NOW);
    let seen = Seen {
        number: number.into(),
        name: name.to_owned(),
        bytes: 400_000,
        width: 1920,
        height: 1080,
        is_described: false,
        is_film: false,
    };
    keeper.handle(Input::Picture(PictureNews::Seen(seen)), NOW)
}

fn client(keeper: &mut Keeper, name: Option<&str>) -> Vec<Effect> {
    let name = name.map(str::to_owned);
    keeper.handle(Input::Picture(PictureNews::Client { device: 7, name }), NOW)
}

fn asks(effects: &[Effect]) -> bool {
    effects.iter().any(|it| matches!(it, Effect::AskClient(7)))
}

#[test]
fn a_shrunk_picture_asks_for_the_program_and_is_told_once_and_never_after_off() {
    let mut keeper = started(memory());
    let _ = open(&mut keeper);

    assert!(asks(&came(&mut keeper, 1, "IMG.jpg")));
    let told_once = client(&mut keeper, Some("Monal"));
    let again = came(&mut keeper, 2, "IMG.jpg");

    let [Reply::Picture(PictureReply::Shrunk(shrunk))] = &says(&told_once)[..] else {
        panic!("it is told");
    };
    assert_eq!((shrunk.number, shrunk.client), (1, Client::Monal));
    assert!(
        told_once
            .iter()
            .any(|it| matches!(it, Effect::SaveOriginals(_)))
    );
    assert!(!asks(&again));
    let mut quiet = started(memory());
    let _ = open(&mut quiet);
    let _ = quiet.handle(Input::Told(told(9, "originals off")), NOW);
    assert!(!asks(&came(&mut quiet, 1, "IMG.jpg")));
    assert!(client(&mut quiet, None).is_empty());
}

#[test]
fn slips_are_told_in_words() {
    let mut keeper = started(memory());
    let mut say = |number, text: &str| {
        let effects = keeper.handle(Input::Told(told(number, text)), NOW);
        says(&effects).pop().unwrap()
    };

    assert_eq!(
        say(1, "sheet 7-"),
        Reply::Picture(PictureReply::SheetOfWhat)
    );
    assert_eq!(
        say(2, "originals"),
        Reply::Picture(PictureReply::OriginalsHow)
    );
    assert_eq!(
        say(3, "originals on"),
        Reply::Picture(PictureReply::Originals(true))
    );
}
