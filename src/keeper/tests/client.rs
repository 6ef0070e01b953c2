//! Our own client: answered alone, in lines, and about everything that becomes of what it asked.

use super::*;
use crate::keeper::client::lines::{Request, RequestId, Response, Which};

const ID: RequestId = RequestId([0xc1; 16]);

fn asked(number: u8, request: &Request) -> Told {
    told(number, &request.line(ID))
}

fn put(number: u8) -> Request {
    Request::Put {
        link: format!("aesgcm://up.example/{number}/x.jpg#{KEY}"),
        name: format!("of the laptop {number}.jpg"),
        time: NOW - 1_000,
    }
}

/// What is said to the client; fails if anything is said to the owner.
fn answers(effects: &[Effect]) -> Vec<Response> {
    let said = effects.iter().filter_map(|effect| match effect {
        Effect::SayTo(device, Reply::Client(reply)) => {
            assert_eq!((device.id, device.jid.as_str()), (7, OWNER));
            assert_eq!(reply.id, ID);
            Some(reply.response.clone())
        }
        Effect::Say(reply) => panic!("said to the owner: {reply:?}"),
        _ => None,
    });
    said.collect()
}

fn lines(effects: &[Effect]) -> Vec<String> {
    let id = ID.to_string();
    let answers = answers(effects).into_iter();
    let lines = answers.map(|it| it.line(ID).replace(&id, "ID"));
    lines
        .map(|it| it.trim_start_matches("strongroom:1 ").to_owned())
        .collect()
}

#[test]
fn a_client_hears_alone_that_its_file_is_stored_and_only_once_it_is_in_the_index() {
    let mut keeper = started(memory());
    let _ = open(&mut keeper);
    let job = JobId([1; 32]);

    let hello = keeper.handle(Input::Told(asked(9, &Request::Hello)), NOW);
    let announced = keeper.handle(Input::Told(asked(1, &put(1))), NOW);
    let sealed = keeper.handle(Input::Sealed { job }, NOW);
    let done = keeper.handle(
        Input::Indexed {
            job,
            placed: Placed::Entry(line(12)),
        },
        NOW,
    );

    assert_eq!(lines(&hello), ["welcome ID open"]);
    assert_eq!(fetched(&announced), [1]);
    let saved = announced.iter().find_map(|effect| match effect {
        Effect::SaveIntake(intake) => Some(intake.clone()),
        _ => None,
    });
    let saved = saved.unwrap();
    assert_eq!(saved.name, "of the laptop 1.jpg");
    assert_eq!((saved.sent_at, saved.received_at), (NOW - 1_000, NOW));
    assert_eq!(answers(&announced).len() + answers(&sealed).len(), 0);
    assert_eq!(lines(&done), ["stored ID 12"]);
    assert!(done.contains(&Effect::Close(job)));
}

#[test]
fn while_locked_it_hears_kept_and_the_number_at_the_opening_also_after_a_restart() {
    let mut keeper = started(memory());
    let job = JobId([1; 32]);
    let _ = keeper.handle(Input::Told(asked(1, &put(1))), NOW);
    let kept = keeper.handle(Input::Sealed { job }, NOW);
    let intake = kept.iter().find_map(|effect| match effect {
        Effect::SaveIntake(intake) => Some(intake.clone()),
        _ => None,
    });
    let intake = postcard::from_bytes(&postcard::to_stdvec(&intake.unwrap()).unwrap());

    let mut again = started(Memory {
        intakes: vec![intake.unwrap()],
        devices: vec![Known {
            id: 7,
            fingerprint: FINGERPRINT.to_owned(),
            level: devices::Level::Paired,
            since: NOW,
        }],
        ..memory()
    });
    let _ = open(&mut again);
    let same = again.handle(
        Input::Indexed {
            job,
            placed: Placed::SameAs(3),
        },
        NOW,
    );

    assert_eq!(lines(&kept), ["kept ID"]);
    let to_client: Vec<_> = same
        .iter()
        .filter(|it| matches!(it, Effect::SayTo(..)))
        .cloned()
        .collect();
    assert_eq!(lines(&to_client), ["same ID 3"]);
}

#[test]
fn a_file_that_is_not_taken_is_told_to_the_client_with_the_reason() {
    let mut keeper = started(memory());
    let job = JobId([1; 32]);
    let _ = keeper.handle(Input::Told(asked(1, &put(1))), NOW);

    let gone = keeper.handle(
        Input::NotSealed {
            job,
            why: IntakeFailure::Gone,
            transient: false,
        },
        NOW,
    );
    let bad = Request::Put {
        link: "https://up.example/x".to_owned(),
        name: "x".to_owned(),
        time: 0,
    };
    let bad = keeper.handle(Input::Told(asked(2, &bad)), NOW);

    let why = "of%20the%20laptop%201.jpg%20is%20not%20stored%3A%20its%20server%20no%20longer%20has\
               %20it.%20Please%20send%20it%20again.";
    assert_eq!(lines(&gone), [format!("failed ID {why}")]);
    assert!(matches!(&answers(&bad)[..], [Response::Failed { .. }]));
}

#[test]
fn files_that_are_asked_for_come_as_lines_and_the_end_is_said() {
    let mut keeper = started(memory());
    let _ = open(&mut keeper);
    let job = JobId([1; 32]);
    let get = Request::Get {
        numbers: vec![7, 9],
    };

    let question = keeper.handle(Input::Told(asked(1, &get)), NOW);
    let picked = Answer::Picked {
        found: vec![7],
        missing: vec![9],
    };
    let picked = keeper.handle(
        Input::Answered {
            job,
            answer: picked,
            free: None,
        },
        NOW,
    );
    let sent = keeper.handle(
        Input::Uploaded {
            job,
            line: line(7),
            file: Uploaded::Link("aesgcm://u/x#0".to_owned()),
        },
        NOW,
    );

    assert!(answers(&question).is_empty());
    assert_eq!(lines(&picked), ["missing ID 9"]);
    assert!(picked.contains(&Effect::Deliver(job, 7)));
    let file = format!("file ID 7 10 {NOW} photo%2D7.jpg aesgcm://u/x#0");
    assert_eq!(lines(&sent), [file, "done ID".to_owned()]);
}

#[test]
fn numbers_are_told_in_a_line_and_a_locked_vault_says_what_it_wants() {
    let mut keeper = started(memory());
    let job = JobId([1; 32]);
    let which = Request::Which {
        before: 0,
        what: Which::All,
    };

    let locked = keeper.handle(Input::Told(asked(2, &which)), NOW);
    let _ = open(&mut keeper);
    let question = keeper.handle(Input::Told(asked(1, &which)), NOW);
    let answer = Answer::Numbers {
        numbers: vec![12, 11, 7],
        more: false,
    };
    let answered = keeper.handle(
        Input::Answered {
            job,
            answer,
            free: None,
        },
        NOW,
    );

    let wants = "said ID The%20vault%20is%20locked.%20Put%20the%20key%20in%20to%20open%20it.";
    assert_eq!(lines(&locked), [wants, "done ID"]);
    let command = Command::Numbers {
        before: 0,
        what: Which::All,
    };
    assert!(question.contains(&Effect::Ask(job, command)));
    assert_eq!(lines(&answered), ["numbers ID all 12-11,7", "done ID"]);
}

#[test]
fn a_lock_in_the_middle_is_told_as_the_end() {
    let mut keeper = started(memory());
    let _ = open(&mut keeper);
    let get = Request::Get { numbers: vec![7] };
    let _ = keeper.handle(Input::Told(asked(1, &get)), NOW);

    let locked = keeper.handle(Input::KeyDeviceGone, NOW);

    let to_client: Vec<_> = locked
        .iter()
        .filter(|it| matches!(it, Effect::SayTo(..)))
        .cloned()
        .collect();
    assert_eq!(lines(&to_client), ["done ID"]);
}

#[test]
fn a_device_that_is_not_let_in_gets_no_line_and_one_that_was_shut_out_no_more() {
    let mut keeper = started(memory());
    let _ = open(&mut keeper);
    let mut stranger = asked(1, &Request::Hello);
    stranger.from.standing = Standing::Undecided;
    let mut putting = asked(2, &put(2));
    putting.from.standing = Standing::Quarantined;

    let hello = keeper.handle(Input::Told(stranger), NOW);
    let put_ = keeper.handle(Input::Told(putting), NOW);
    let is_line = |it: &Effect| matches!(it, Effect::SayTo(_, Reply::Client(_)));
    assert!(!hello.iter().any(is_line));
    assert!(fetched(&put_).is_empty() && !put_.iter().any(is_line));

    let mut keeper = started(memory());
    let welcome = keeper.handle(Input::Told(asked(1, &Request::Hello)), NOW);
    assert_eq!(lines(&welcome), ["welcome ID locked"]);
    let _ = keeper.handle(Input::Told(asked(3, &put(3))), NOW);
    let news = devices::News::StickRevokes {
        fingerprints: vec![FINGERPRINT.to_owned()],
        unread: 0,
    };
    let _ = keeper.handle(Input::Device(news), NOW);
    let gone = keeper.handle(
        Input::NotSealed {
            job: JobId([3; 32]),
            why: IntakeFailure::Gone,
            transient: false,
        },
        NOW,
    );
    assert!(!gone.iter().any(is_line), "nothing can be encrypted for it");
}

#[test]
fn a_line_of_a_later_version_is_answered_and_prose_stays_prose() {
    let mut keeper = started(memory());

    let later = told(1, &format!("strongroom:1 dance {ID}"));
    let later = keeper.handle(Input::Told(later), NOW);
    let prose = keeper.handle(Input::Told(told(2, "strongroom:1 is what I read")), NOW);

    assert!(matches!(&answers(&later)[..], [Response::Failed { .. }]));
    let is_line = |it: &Reply| matches!(it, Reply::Client(_));
    assert_eq!(says(&prose).iter().filter(|it| !is_line(it)).count(), 1);
    assert!(!says(&prose).iter().any(is_line));
}
