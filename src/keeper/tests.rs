#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "a test names the effects it looks for"
)]

use omemo::Namespace;

use super::{
    chat::{Beside, Chat},
    command::{Command, Filter},
    confirm::CONFIRM_SECONDS,
    delivery::Delivery,
    devices::{Known, Own},
    intake::Stage,
    reply::{CustodyReply, DeliveryFailure, Line, OpenFailure, StorageReply, Unproven, WayIn},
    *,
};

mod arrivals;
mod attached;
mod client;
mod clock;
mod contacts;
mod described;
mod keeping;
mod machine;
mod modes;
mod notices;
mod pairing;
mod pictures;
mod trust;

const OWNER: &str = "owner@example.org";
const NOW: i64 = 1_800_000_000;
const FINGERPRINT: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const KEY: &str =
    "000102030405060708090a0b000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

fn memory() -> Memory {
    Memory {
        owner: OWNER.to_owned(),
        pins: Vec::new(),
        has_trusted_device: true,
        devices: Vec::new(),
        pairing: None,
        locked_by_owner: false,
        intakes: Vec::new(),
        deliveries: Vec::new(),
        checks: verify::Record::default(),
        plan: verify::Plan::default(),
        own: Own {
            jid: "vault@example.org".to_owned(),
            device: 9,
            fingerprint: format!("{}0badcafe", "0".repeat(56)),
        },
        pace: None,
        alarm: false,
        aes: "in software",
    }
}

/// A keeper that is online.
fn started(memory: Memory) -> Keeper {
    let mut keeper = Keeper::new(memory);
    let _ = keeper.handle(Input::Online, NOW);
    keeper
}

fn device(standing: Standing) -> Device {
    Device {
        jid: OWNER.to_owned(),
        id: 7,
        fingerprint: FINGERPRINT.to_owned(),
        standing,
    }
}

fn told(number: u8, text: &str) -> Told {
    Told {
        from: device(Standing::Trusted),
        namespace: Namespace::Legacy,
        job: JobId([number; 32]),
        blob: [number; 16],
        text: Some(text.to_owned()),
        files: Vec::new(),
        attached: None,
        sent_at: NOW,
        receipt: Some(format!("stanza-{number}")),
        readers: Vec::new(),
        beside: Beside::default(),
    }
}

fn photo(number: u8) -> Told {
    told(
        number,
        &format!("aesgcm://up.example/{number}/photo-{number}.jpg#{KEY}"),
    )
}

fn line(number: u64) -> Line {
    Line {
        number,
        name: format!("photo-{number}.jpg"),
        bytes: 10,
        received_at: NOW,
        damaged: false,
        taken_at: None,
    }
}

fn says(effects: &[Effect]) -> Vec<Reply> {
    effects.iter().filter_map(Effect::words).cloned().collect()
}

fn fetched(effects: &[Effect]) -> Vec<u8> {
    let fetched = effects.iter().filter_map(|effect| match effect {
        Effect::Fetch(intake) => Some(intake.blob[0]),
        _ => None,
    });
    fetched.collect()
}

fn indexed(effects: &[Effect]) -> Vec<u8> {
    let indexed = effects.iter().filter_map(|effect| match effect {
        Effect::Index(intake) => Some(intake.blob[0]),
        _ => None,
    });
    indexed.collect()
}

fn open(keeper: &mut Keeper) -> Vec<Effect> {
    let effects = keeper.handle(Input::KeyDeviceCame, NOW);
    assert!(effects.contains(&Effect::Open));
    keeper.handle(Input::VaultOpened, NOW)
}

#[test]
fn a_photo_is_told_as_stored_only_after_it_is_in_the_index() {
    let mut keeper = started(memory());
    let _ = open(&mut keeper);
    let job = JobId([1; 32]);

    let announced = keeper.handle(Input::Told(photo(1)), NOW);
    let sealed = keeper.handle(Input::Sealed { job }, NOW);
    let done = keeper.handle(
        Input::Indexed {
            job,
            placed: Placed::Entry(line(1)),
        },
        NOW,
    );

    assert!(matches!(
        announced.as_slice(),
        [Effect::Receipt(_), Effect::SaveIntake(_), Effect::Fetch(_)]
    ));
    assert_eq!(says(&announced), []);
    assert_eq!((says(&sealed), indexed(&sealed)), (vec![], vec![1]));
    assert!(
        fetched(&sealed).is_empty(),
        "what is sealed is not fetched again"
    );
    let reply = Reply::Stored { line: line(1) };
    let told = Effect::Chat(Chat::Tell { topic: job, reply });
    assert!(done == [Effect::Close(job), told]);
}

#[test]
fn the_same_message_again_is_the_same_job() {
    let mut keeper = started(memory());
    let _ = keeper.handle(Input::Told(photo(1)), NOW);

    let again = keeper.handle(Input::Told(photo(1)), NOW);

    assert!(fetched(&again).is_empty());
}

#[test]
fn photos_that_come_while_locked_wait_and_are_told_together_at_the_opening() {
    let mut keeper = started(memory());
    let mut kept = Vec::new();
    for number in 1..=3 {
        let _ = keeper.handle(Input::Told(photo(number)), NOW);
        let effects = keeper.handle(
            Input::Sealed {
                job: JobId([number; 32]),
            },
            NOW,
        );
        kept.extend(says(&effects));
    }
    let opened = open(&mut keeper);
    let mut told_at_opening = Vec::new();
    for number in 1..=3 {
        let job = JobId([number; 32]);
        let placed = Placed::Entry(line(number.into()));
        told_at_opening.push(says(&keeper.handle(Input::Indexed { job, placed }, NOW)));
    }

    let waiting = |waiting| Reply::Kept { waiting };
    assert_eq!(kept, [waiting(1), waiting(2), waiting(3)]);
    assert_eq!(indexed(&opened), [1, 2, 3]);
    let summary = Reply::Opened {
        adopted: vec![1, 2, 3],
        doubles: 0,
    };
    assert_eq!(told_at_opening, [vec![], vec![], vec![summary]]);
}

#[test]
fn a_photo_that_waited_before_a_restart_is_adopted_after_it() {
    let mut first = started(memory());
    let _ = first.handle(Input::Told(photo(1)), NOW);
    let saved = first.handle(
        Input::Sealed {
            job: JobId([1; 32]),
        },
        NOW,
    );
    let intakes: Vec<Intake> = saved
        .into_iter()
        .filter_map(|effect| match effect {
            Effect::SaveIntake(intake) => Some(intake),
            _ => None,
        })
        .collect();
    assert!(intakes[0].stage == Stage::Waiting && intakes[0].link.is_empty());
    let mut second = started(Memory {
        intakes,
        ..memory()
    });

    assert_eq!(indexed(&open(&mut second)), [1]);
}

#[test]
fn at_most_two_files_are_fetched_at_a_time_and_all_in_the_end() {
    let mut keeper = started(memory());
    let mut started = Vec::new();
    for number in 1..=4 {
        started.push(fetched(&keeper.handle(Input::Told(photo(number)), NOW)));
    }

    let next = fetched(&keeper.handle(
        Input::Sealed {
            job: JobId([1; 32]),
        },
        NOW,
    ));

    assert_eq!(started, [vec![1], vec![2], vec![], vec![]]);
    assert_eq!(next, [3]);
}

#[test]
fn a_server_in_trouble_is_asked_again_and_told_once() {
    let mut keeper = started(memory());
    let job = JobId([1; 32]);
    let failed = || Input::NotSealed {
        job,
        why: IntakeFailure::ServerTrouble,
        transient: true,
    };
    let _ = keeper.handle(Input::Told(photo(1)), NOW);
    let mut now = NOW;
    let mut said = Vec::new();
    let mut attempts = 1;

    loop {
        said.extend(says(&keeper.handle(failed(), now)));
        let Some(at) = keeper.next_wake() else { break };
        assert!(at > now);
        now = at;
        attempts += fetched(&keeper.handle(Input::Woke, now)).len();
    }

    let not_stored = |retrying| Reply::NotStored {
        name: "photo-1.jpg".to_owned(),
        why: IntakeFailure::ServerTrouble,
        retrying,
    };
    assert_eq!(said, [not_stored(true), not_stored(false)]);
    assert_eq!(attempts, 9);
}

#[test]
fn a_clock_that_is_set_back_does_not_delay_a_retry_for_ever() {
    let mut keeper = started(memory());
    let job = JobId([1; 32]);
    let _ = keeper.handle(Input::Told(photo(1)), NOW);
    let failed = Input::NotSealed {
        job,
        why: IntakeFailure::ServerTrouble,
        transient: true,
    };
    let _ = keeper.handle(failed, NOW);

    let woken = keeper.handle(Input::Woke, 0);

    assert_eq!(fetched(&woken), [1]);
}

#[test]
fn taking_the_key_out_locks_before_it_tells_and_what_was_sealed_waits() {
    let mut keeper = started(memory());
    let _ = open(&mut keeper);
    let _ = keeper.handle(Input::Told(photo(1)), NOW);
    let _ = keeper.handle(
        Input::Sealed {
            job: JobId([1; 32]),
        },
        NOW,
    );

    let effects = keeper.handle(Input::KeyDeviceGone, NOW);

    assert!(effects.first() == Some(&Effect::Lock));
    assert_eq!(
        says(&effects),
        [Reply::LockedByRemoval, Reply::Kept { waiting: 1 }]
    );
    assert!(!keeper.is_open());
}

#[test]
fn a_lock_by_command_holds_until_the_key_was_out() {
    let mut keeper = started(memory());
    let _ = open(&mut keeper);

    let locked = keeper.handle(Input::Told(told(1, "lock")), NOW);
    let still_in = keeper.handle(Input::KeyDeviceCame, NOW);
    let _ = keeper.handle(Input::KeyDeviceGone, NOW);
    let back = keeper.handle(Input::KeyDeviceCame, NOW);

    assert!(locked.contains(&Effect::Lock) && locked.contains(&Effect::SaveLockedByOwner(true)));
    assert!(still_in.is_empty());
    assert!(back == [Effect::Open]);
}

#[test]
fn a_lock_by_command_outlives_a_restart() {
    let mut keeper = started(Memory {
        locked_by_owner: true,
        ..memory()
    });

    assert!(keeper.handle(Input::KeyDeviceCame, NOW).is_empty());
    assert!(!keeper.handle(Input::KeyDeviceGone, NOW).is_empty());
    assert!(keeper.handle(Input::KeyDeviceCame, NOW) == [Effect::Open]);
}

#[test]
fn while_locked_a_question_is_answered_and_nothing_is_sent() {
    let mut keeper = started(memory());

    let listed = keeper.handle(Input::Told(told(1, "list")), NOW);
    let got = keeper.handle(Input::Told(told(2, "get 1")), NOW);

    let (waiting, way) = (0, WayIn::PutIn);
    assert_eq!(says(&listed), [Reply::NeedsKey { waiting, way }]);
    assert_eq!(says(&got), [CustodyReply::PutKeyIn { waiting, way }.into()]);
    for effects in [listed, got] {
        assert!(
            !effects
                .iter()
                .any(|it| matches!(it, Effect::Deliver(..) | Effect::Ask(..)))
        );
    }
}

#[test]
fn a_question_while_the_vault_is_being_opened_is_answered_when_it_is_open() {
    let mut keeper = started(memory());
    let _ = keeper.handle(Input::KeyDeviceCame, NOW);

    let asked = keeper.handle(Input::Told(told(1, "list")), NOW);
    let opened = keeper.handle(Input::VaultOpened, NOW);

    assert_eq!(says(&asked), []);
    let question = Effect::Ask(
        JobId([1; 32]),
        Command::List {
            what: Filter::default(),
            lines: 10,
            before: None,
        },
    );
    assert!(!asked.contains(&question) && opened.contains(&question));
}

#[test]
fn a_question_is_answered_with_a_refusal_if_the_vault_does_not_open() {
    let mut keeper = started(memory());
    let _ = keeper.handle(Input::KeyDeviceCame, NOW);
    let _ = keeper.handle(Input::Told(told(1, "list")), NOW);

    let effects = keeper.handle(Input::VaultNotOpened(OpenFailure::WrongKey), NOW);

    let way = WayIn::PutInAgain;
    assert_eq!(
        says(&effects),
        [
            Reply::NotOpened(OpenFailure::WrongKey),
            Reply::NeedsKey { waiting: 0, way }
        ]
    );
}

#[test]
fn a_get_sends_one_file_after_another_with_its_name_before_it() {
    let mut keeper = started(memory());
    let _ = open(&mut keeper);
    let job = JobId([1; 32]);
    let asked = keeper.handle(Input::Told(told(1, "get 2 5-6")), NOW);
    let answer = Answer::Picked {
        found: vec![2, 5],
        missing: vec![6],
    };
    let picked = keeper.handle(
        Input::Answered {
            job,
            answer,
            free: None,
        },
        NOW,
    );
    let uploaded = |number| Input::Uploaded {
        job,
        line: line(number),
        file: Uploaded::Link(format!("l{number}")),
    };

    let first = keeper.handle(uploaded(2), NOW);
    let last = keeper.handle(uploaded(5), NOW);

    assert!(
        asked
            .iter()
            .any(|it| matches!(it, Effect::Ask(_, Command::Get { .. })))
    );
    assert_eq!(says(&picked), [Reply::NoSuch { numbers: vec![6] }]);
    assert!(picked.contains(&Effect::Deliver(job, 2)));
    let file = |number: u64| {
        vec![
            Reply::Caption { line: line(number) },
            Reply::File {
                link: format!("l{number}"),
            },
        ]
    };
    assert_eq!((says(&first), says(&last)), (file(2), file(5)));
    assert!(first.contains(&Effect::Deliver(job, 5)) && !last.contains(&Effect::Deliver(job, 5)));
    assert!(last.contains(&Effect::Close(job)));
}

#[test]
fn a_delivery_cut_by_the_network_is_tried_again() {
    let mut keeper = started(memory());
    let _ = open(&mut keeper);
    let job = JobId([1; 32]);
    let _ = keeper.handle(Input::Told(told(1, "get 2")), NOW);
    let answer = Answer::Picked {
        found: vec![2],
        missing: vec![],
    };
    let _ = keeper.handle(
        Input::Answered {
            job,
            answer,
            free: None,
        },
        NOW,
    );
    let why = DeliveryFailure::Offline;

    let cut = keeper.handle(
        Input::NotUploaded {
            job,
            number: 2,
            why,
        },
        NOW,
    );
    let _ = keeper.handle(Input::Offline, NOW);
    let while_offline = keeper.handle(Input::Woke, NOW + 60);
    let back = keeper.handle(Input::Online, NOW + 70);

    assert!(cut.is_empty() && while_offline.is_empty());
    assert!(back.contains(&Effect::Deliver(job, 2)));
}

#[test]
fn a_delivery_cut_by_the_end_of_the_vault_process_goes_on_with_the_next_one() {
    let mut keeper = started(memory());
    let _ = open(&mut keeper);
    let job = JobId([1; 32]);
    let _ = keeper.handle(Input::Told(told(1, "get 2")), NOW);
    let answer = Answer::Picked {
        found: vec![2],
        missing: vec![],
    };
    let free = None;
    let _ = keeper.handle(Input::Answered { job, answer, free }, NOW);

    let ended = keeper.handle(Input::VaultEnded, NOW);
    let opened = keeper.handle(Input::VaultOpened, NOW);

    assert!(ended.contains(&Effect::Open) && says(&ended).is_empty());
    assert!(opened.contains(&Effect::Deliver(job, 2)));
}

#[test]
fn a_delivery_that_was_open_at_a_restart_goes_on_once_the_vault_is_open_and_online() {
    let deliveries = vec![Delivery {
        job: JobId([1; 32]),
        command: delivery::Asked::Get {
            picks: vec![(2, 2)],
        },
        remaining: Some(vec![2]),
        asker: None,
        client: None,
    }];
    let mut keeper = Keeper::new(Memory {
        deliveries,
        ..memory()
    });

    let opened = open(&mut keeper);
    let online = keeper.handle(Input::Online, NOW);

    assert!(
        !opened
            .iter()
            .any(|it| matches!(it, Effect::Deliver(..) | Effect::Close(_)))
    );
    assert!(online.contains(&Effect::Deliver(JobId([1; 32]), 2)));
}

#[test]
fn a_delivery_cut_by_the_lock_is_told_and_closed() {
    let mut keeper = started(memory());
    let _ = open(&mut keeper);
    let job = JobId([1; 32]);
    let _ = keeper.handle(Input::Told(told(1, "get 2")), NOW);
    let answer = Answer::Picked {
        found: vec![2],
        missing: vec![],
    };
    let _ = keeper.handle(
        Input::Answered {
            job,
            answer,
            free: None,
        },
        NOW,
    );

    let effects = keeper.handle(Input::KeyDeviceGone, NOW);
    let late = keeper.handle(
        Input::Uploaded {
            job,
            line: line(2),
            file: Uploaded::Link("l".to_owned()),
        },
        NOW,
    );

    let not_sent = Reply::NotSent {
        number: 2,
        why: DeliveryFailure::Locked,
    };
    assert_eq!(says(&effects), [Reply::LockedByRemoval, not_sent]);
    assert!(effects.contains(&Effect::Close(job)));
    assert_eq!(says(&late), []);
}

#[test]
fn plain_text_of_the_owner_is_answered_once_a_day_and_of_others_never() {
    let mut keeper = started(memory());
    let plain = |jid: &str| Input::ToldPlain {
        jid: jid.to_owned(),
    };

    let said = [
        keeper.handle(plain("stranger@example.org"), NOW).len(),
        keeper.handle(plain(OWNER), NOW).len(),
        keeper.handle(plain(OWNER), NOW + 3_600).len(),
        keeper.handle(plain(OWNER), NOW + 86_400).len(),
    ];

    assert_eq!(said, [0, 1, 0, 1]);
}

#[test]
fn a_body_that_is_no_text_is_refused_whole() {
    let mut keeper = started(memory());
    let mut told = told(1, "");
    told.text = None;

    let effects = keeper.handle(Input::Told(told), NOW);

    assert_eq!(says(&effects), [Reply::NotText]);
}

#[test]
fn a_vault_process_that_ends_by_itself_is_started_again_twice() {
    let mut keeper = started(memory());
    let _ = open(&mut keeper);
    let mut ended = Vec::new();
    for _ in 0..3 {
        ended.push(keeper.handle(Input::VaultEnded, NOW));
        let _ = keeper.handle(Input::VaultOpened, NOW);
    }

    assert!(ended[0].contains(&Effect::Open) && ended[1].contains(&Effect::Open));
    assert!(!ended[2].contains(&Effect::Open));
    assert_eq!(says(&ended[2]), [Reply::LockedByTrouble(WayIn::PutInAgain)]);
}

fn drive(trouble: Option<DriveTrouble>, free: u64) -> Input {
    Input::Drive(Seen {
        trouble,
        free: trouble.is_none().then_some(free),
        reserve: 0,
    })
}

fn not_yet(why: IntakeFailure) -> Reply {
    Reply::NotStored {
        name: "photo-1.jpg".to_owned(),
        why,
        retrying: true,
    }
}

#[test]
fn a_file_that_the_drive_does_not_take_is_tried_until_it_does_and_told_once() {
    let mut keeper = started(memory());
    let job = JobId([1; 32]);
    let why = IntakeFailure::Drive(DriveTrouble::Missing);
    let missing = Some(DriveTrouble::Missing);
    let _ = keeper.handle(drive(missing, 0), NOW);
    let _ = keeper.handle(Input::Told(photo(1)), NOW);
    let (mut now, mut said, mut pauses) = (NOW, Vec::new(), Vec::new());
    for _ in 0..40 {
        let failed = Input::NotSealed {
            job,
            why,
            transient: true,
        };
        said.extend(says(&keeper.handle(failed, now)));
        let at = keeper.next_wake().unwrap();
        pauses.push(at - now);
        now = at;
        assert_eq!(fetched(&keeper.handle(Input::Woke, now)), [1]);
    }
    let failed = Input::NotSealed {
        job,
        why,
        transient: true,
    };
    let _ = keeper.handle(failed, now);
    let waits = keeper.waits_for_the_drive();

    let still = keeper.handle(drive(missing, 0), now + 1);
    let back = keeper.handle(drive(None, 1 << 30), now + 2);

    assert_eq!(said, [not_yet(why)], "once in 40 tries");
    assert_eq!((pauses[0], pauses[39]), (30, 3_600));
    assert!(waits && fetched(&still).is_empty());
    assert_eq!(fetched(&back), [1], "at once when the drive is back");
}

#[test]
fn more_room_lets_in_what_did_not_fit() {
    let mut keeper = started(memory());
    let job = JobId([1; 32]);
    let why = IntakeFailure::Drive(DriveTrouble::Full);
    let _ = keeper.handle(drive(None, 1 << 20), NOW);
    let _ = keeper.handle(Input::Told(photo(1)), NOW);
    let failed = Input::NotSealed {
        job,
        why,
        transient: true,
    };

    let told = says(&keeper.handle(failed, NOW));
    let same = keeper.handle(drive(None, 1 << 20), NOW + 1);
    let more = keeper.handle(drive(None, 1 << 30), NOW + 2);

    assert_eq!(told, [not_yet(why)]);
    assert_eq!((fetched(&same), fetched(&more)), (vec![], vec![1]));
}

#[test]
fn a_file_that_waited_for_the_drive_too_long_is_named_as_expired() {
    let gone = || Input::NotSealed {
        job: JobId([1; 32]),
        why: IntakeFailure::Gone,
        transient: false,
    };
    let mut at_once = started(memory());
    let _ = at_once.handle(Input::Told(photo(1)), NOW);
    let mut keeper = started(memory());
    let _ = keeper.handle(Input::Told(photo(1)), NOW);
    let held = Input::NotSealed {
        job: JobId([1; 32]),
        why: IntakeFailure::Drive(DriveTrouble::ReadOnly),
        transient: true,
    };
    let _ = keeper.handle(held, NOW);

    let told_at_once = says(&at_once.handle(gone(), NOW));
    let expired = keeper.handle(gone(), NOW + 100_000);

    assert_eq!(
        told_at_once,
        [Reply::NotStored {
            name: "photo-1.jpg".to_owned(),
            why: IntakeFailure::Gone,
            retrying: false
        }]
    );
    assert!(expired.contains(&Effect::Close(JobId([1; 32]))));
    assert_eq!(
        says(&expired),
        [Reply::Storage(StorageReply::Expired {
            files: vec![("photo-1.jpg".to_owned(), NOW)]
        })]
    );
    assert!(!keeper.waits_for_the_drive());
}

/// A keeper with `count` photos that the drive did not take.
fn with_held(count: u8) -> Keeper {
    let mut keeper = started(memory());
    let _ = keeper.handle(drive(Some(DriveTrouble::Missing), 0), NOW);
    for number in 1..=count {
        let _ = keeper.handle(Input::Told(photo(number)), NOW);
        let _ = keeper.handle(
            not_sealed(number, IntakeFailure::Drive(DriveTrouble::Missing)),
            NOW,
        );
    }
    keeper
}

fn not_sealed(number: u8, why: IntakeFailure) -> Input {
    Input::NotSealed {
        job: JobId([number; 32]),
        why,
        transient: matches!(why, IntakeFailure::Drive(_)),
    }
}

#[test]
fn many_files_that_expired_are_told_in_one_message_when_all_were_asked_for() {
    let mut keeper = with_held(5);

    let mut asked_for = fetched(&keeper.handle(drive(None, 1 << 30), NOW + 100_000));
    let (mut told, mut closed) = (Vec::new(), 0);
    while !asked_for.is_empty() {
        let number = asked_for.remove(0);
        // The third one is still there.
        let input = if number == 3 {
            let job = JobId([3; 32]);
            Input::Sealed { job }
        } else {
            not_sealed(number, IntakeFailure::Gone)
        };
        let effects = keeper.handle(input, NOW + 100_001);
        closed += effects
            .iter()
            .filter(|it| matches!(it, Effect::Close(_)))
            .count();
        asked_for.extend(fetched(&effects));
        told.push(says(&effects));
    }

    let named = |it: u8| (format!("photo-{it}.jpg"), NOW);
    let files = vec![named(1), named(2), named(4), named(5)];
    let last = told.pop().unwrap();
    assert_eq!(last, [Reply::Storage(StorageReply::Expired { files })]);
    let before: Vec<Reply> = told.into_iter().flatten().collect();
    assert!(
        before.iter().all(|it| matches!(it, Reply::Kept { .. })),
        "{before:?}"
    );
    assert_eq!(
        closed, 4,
        "what is told is closed in the same step, and nothing before"
    );
}

#[test]
fn a_file_that_expired_is_not_asked_for_again_while_the_others_are() {
    let mut keeper = with_held(4);
    let first = fetched(&keeper.handle(drive(None, 1 << 30), NOW + 100_000));

    let then = fetched(&keeper.handle(not_sealed(1, IntakeFailure::Gone), NOW + 100_001));
    let woken = keeper.handle(Input::Woke, NOW + 200_000);

    assert_eq!((first, then), (vec![1, 2], vec![3]));
    assert!(fetched(&woken).is_empty() && says(&woken).is_empty());
}

#[test]
fn the_vault_opens_when_the_drive_comes_back() {
    let mut keeper = started(memory());
    let _ = keeper.handle(drive(Some(DriveTrouble::OtherVault), 0), NOW);
    let _ = keeper.handle(Input::KeyDeviceCame, NOW);
    let why = OpenFailure::Drive(DriveTrouble::OtherVault);
    let refused = keeper.handle(Input::VaultNotOpened(why), NOW);

    let back = keeper.handle(drive(None, 1 << 30), NOW);
    let again = keeper.handle(drive(None, 1 << 30), NOW);

    assert_eq!(says(&refused), [Reply::NotOpened(why)]);
    assert!(back == [Effect::Open] && again.is_empty());
}

#[test]
fn the_proof_of_origin_is_saved_before_the_file_gets_its_name_and_goes_with_it() {
    let mut keeper = started(memory());
    let _ = open(&mut keeper);
    let job = JobId([1; 32]);
    let _ = keeper.handle(Input::Told(photo(1)), NOW);
    let vouched = |mac| Input::Vouched {
        job,
        mac,
        bytes: 10,
    };

    let first = keeper.handle(vouched([4; 32]), NOW);
    let repeated = keeper.handle(vouched([5; 32]), NOW);
    let may_keep = keeper.may_keep(&job);
    let sealed = keeper.handle(Input::Sealed { job }, NOW);

    let mac = |effects: &[Effect]| match effects.first() {
        Some(Effect::SaveIntake(intake) | Effect::Index(intake)) => intake.mac,
        _ => None,
    };
    assert_eq!(
        (mac(&first), mac(&repeated), mac(&sealed)),
        (Some([4; 32]), Some([5; 32]), Some([5; 32]))
    );
    assert!(matches!(first.get(1), Some(Effect::SavePace(_))));
    assert_eq!(repeated.len(), 1, "a repeated step counts no file twice");
    assert!(may_keep && !keeper.may_keep(&JobId([9; 32])));
}

#[test]
fn a_blob_that_nobody_vouches_for_is_told_and_its_job_ends() {
    let mut keeper = started(memory());
    let _ = open(&mut keeper);
    let job = JobId([1; 32]);
    let _ = keeper.handle(Input::Told(photo(1)), NOW);
    let _ = keeper.handle(Input::Sealed { job }, NOW);

    let effects = keeper.handle(Input::NotVouched { job }, NOW);

    assert!(effects.contains(&Effect::Close(job)));
    assert_eq!(
        says(&effects),
        [Reply::NotStored {
            name: "photo-1.jpg".to_owned(),
            why: IntakeFailure::NotVouched,
            retrying: false
        }]
    );
}

#[test]
fn a_foreign_public_half_stops_the_intake_until_the_vault_opens_again() {
    let mut keeper = started(memory());
    let _ = keeper.handle(Input::Told(photo(1)), NOW);
    let _ = keeper.handle(Input::Told(photo(2)), NOW);
    let kept = keeper.handle(
        Input::Sealed {
            job: JobId([2; 32]),
        },
        NOW,
    );
    let _ = keeper.handle(Input::KeyDeviceCame, NOW);

    let why = OpenFailure::ForeignPublicHalf;
    let alarm = keeper.handle(Input::VaultNotOpened(why), NOW);
    let late = keeper.handle(
        Input::Sealed {
            job: JobId([1; 32]),
        },
        NOW,
    );
    let shared = keeper.handle(Input::Told(photo(3)), NOW);
    let may_keep = keeper.may_keep(&JobId([3; 32]));
    let woken = keeper.handle(Input::Woke, NOW + 100_000);
    let _ = keeper.handle(Input::KeyDeviceGone, NOW);
    let mended = open(&mut keeper);

    assert_eq!(says(&kept), [Reply::Kept { waiting: 1 }]);
    assert!(alarm.contains(&Effect::SaveAlarm(true)) && alarm.contains(&Effect::StopFetching));
    assert_eq!(
        says(&alarm),
        [
            Reply::NotOpened(why),
            Reply::Storage(StorageReply::KeptInVain { files: 1 })
        ]
    );
    assert_eq!(says(&late), [], "nothing is acknowledged");
    assert_eq!(
        says(&shared),
        [Reply::NotStored {
            name: "photo-3.jpg".to_owned(),
            why: IntakeFailure::ForeignKey,
            retrying: true
        }]
    );
    assert!(fetched(&shared).is_empty() && fetched(&woken).is_empty() && !may_keep);
    assert!(mended.contains(&Effect::SaveAlarm(false)));
    assert_eq!(fetched(&mended), [3]);
}

#[test]
fn an_alarm_outlives_a_restart() {
    let mut keeper = started(Memory {
        alarm: true,
        ..memory()
    });

    assert!(fetched(&keeper.handle(Input::Told(photo(1)), NOW)).is_empty());
    assert_eq!(fetched(&open(&mut keeper)), [1]);
}

#[test]
fn what_is_of_unproven_origin_is_taken_in_by_its_number_only() {
    let mut keeper = started(memory());
    let _ = open(&mut keeper);
    let job = JobId([1; 32]);
    let found = Unproven {
        count: 2,
        bytes: 7,
        unreadable: 0,
        oldest: Vec::new(),
        seen: [9; 32],
    };
    let _ = keeper.handle(Input::Told(told(1, "unproven")), NOW);
    let shown = keeper.handle(
        Input::Answered {
            job,
            answer: Answer::Unproven(found),
            free: None,
        },
        NOW,
    );
    let [Reply::Storage(StorageReply::Unproven { number, .. })] = says(&shown)[..] else {
        panic!("what was found is shown");
    };
    let number = number.unwrap();
    let take = |effects: &[Effect]| {
        let seen = [9; 32];
        let wanted = Command::TakeUnproven { seen };
        effects
            .iter()
            .any(|it| matches!(it, Effect::Ask(_, command) if *command == wanted))
    };
    let say = |keeper: &mut Keeper, number: u32, at: i64| {
        let line = format!("confirm {number}");
        keeper.handle(Input::Told(told(2, &line)), at)
    };

    let wrong = say(&mut keeper, number ^ 1, NOW);
    let late = say(&mut keeper, number, NOW + CONFIRM_SECONDS + 1);
    let right = say(&mut keeper, number, NOW + CONFIRM_SECONDS);

    assert_eq!(says(&wrong), [Reply::NotConfirmed]);
    assert_eq!(says(&late), [Reply::NotConfirmed]);
    assert!(!take(&wrong) && !take(&late) && take(&right));
}

#[test]
fn while_locked_nothing_is_said_of_unproven_origin() {
    let mut keeper = started(memory());

    let effects = keeper.handle(Input::Told(told(1, "unproven")), NOW);

    let way = WayIn::PutIn;
    assert_eq!(says(&effects), [Reply::NeedsKey { waiting: 0, way }]);
}

#[test]
fn what_a_job_brings_is_for_who_asked_whatever_is_said_meanwhile_and_after_a_restart() {
    let mut keeper = Keeper::new(memory());
    let _ = open(&mut keeper);
    let in_omemo2 = |told: Told| Told {
        namespace: Namespace::Omemo2,
        ..told
    };
    let asker = in_omemo2(told(1, "")).asker();
    let answer = |number| Input::Answered {
        job: JobId([number; 32]),
        answer: Answer::Failed,
        free: None,
    };
    let sealed = |number| Input::Sealed {
        job: JobId([number; 32]),
    };

    let mut effects = keeper.handle(Input::Told(in_omemo2(told(1, "list"))), NOW);
    effects.extend(keeper.handle(Input::Told(in_omemo2(photo(2))), NOW));
    let _ = keeper.handle(Input::Told(told(3, "list")), NOW);

    assert_eq!(keeper.asker(&answer(1)), Some(asker));
    assert_eq!(keeper.asker(&sealed(2)), Some(asker));
    assert_eq!(keeper.asker(&answer(3)), Some(told(3, "").asker()));
    assert_eq!(keeper.asker(&Input::Woke), None);
    let mut saved = memory();
    for effect in effects {
        match effect {
            Effect::SaveIntake(intake) => saved.intakes = vec![intake],
            Effect::SaveDelivery(delivery) => saved.deliveries = vec![delivery],
            _ => {}
        }
    }
    let restarted = Keeper::new(saved);
    assert_eq!(restarted.asker(&answer(1)), Some(asker));
    assert_eq!(restarted.asker(&sealed(2)), Some(asker));
}
