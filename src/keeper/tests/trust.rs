//! New devices, lost devices, and what a new one sends.

use super::*;
use crate::keeper::{
    devices::{Known, Level, Listed, MAX_LOOKED_UP, MAX_WAITING, News},
    intake::{BOX_BYTES, BOX_FILES},
    reply::{DeviceReply, Revocation},
};

const DAY: i64 = 24 * 60 * 60;
/// Ends in 8c1f.
const NEW: &str = "1111111111111111111111111111111111111111111111111111111100008c1f";
/// Ends in 8c1f as well.
const OTHER: &str = "2222222222222222222222222222222222222222222222222222222277778c1f";

fn of(id: u32, fingerprint: &str, standing: Standing) -> Device {
    Device {
        jid: OWNER.to_owned(),
        id,
        fingerprint: fingerprint.to_owned(),
        standing,
    }
}

fn from(device: &Device, told: Told) -> Input {
    Input::Told(Told {
        from: device.clone(),
        ..told
    })
}

fn new_device() -> Device {
    of(8, NEW, Standing::Undecided)
}

/// Two keepers' worth of story: the first phone is trusted, the second one wrote.
fn with_new_device() -> Keeper {
    let mut keeper = started(Memory {
        devices: vec![Known {
            id: 7,
            fingerprint: FINGERPRINT.to_owned(),
            level: Level::Paired,
            since: NOW,
        }],
        ..memory()
    });
    let _ = keeper.handle(from(&new_device(), told(50, "list")), NOW);
    keeper
}

fn say(keeper: &mut Keeper, number: u8, text: &str) -> Vec<Effect> {
    keeper.handle(Input::Told(told(number, text)), NOW)
}

/// The number that is asked back.
fn number(effects: &[Effect]) -> u32 {
    let numbers = says(effects).into_iter().filter_map(|reply| match reply {
        Reply::Device(
            DeviceReply::TrustAsk { number, .. }
            | DeviceReply::RevokeAsk(Revocation { number, .. }),
        ) => Some(number),
        _ => None,
    });
    let numbers: Vec<_> = numbers.collect();
    assert_eq!(numbers.len(), 1);
    numbers[0]
}

/// Asks, and sends the number back.
fn confirm(keeper: &mut Keeper, number_of_job: u8, text: &str) -> Vec<Effect> {
    let number = number(&say(keeper, number_of_job, text));
    say(keeper, number_of_job + 1, &number.to_string())
}

fn device_replies(effects: &[Effect]) -> Vec<DeviceReply> {
    let replies = says(effects).into_iter().filter_map(|reply| match reply {
        Reply::Device(reply) => Some(reply),
        _ => None,
    });
    replies.collect()
}

fn seal(keeper: &mut Keeper, number: u8, bytes: u64) -> Vec<Effect> {
    let job = JobId([number; 32]);
    let mac = [number; 32];
    let mut effects = keeper.handle(Input::Vouched { job, mac, bytes }, NOW);
    effects.extend(keeper.handle(Input::Sealed { job }, NOW));
    effects
}

fn discarded(effects: &[Effect]) -> Vec<u8> {
    let discarded = effects.iter().filter_map(|effect| match effect {
        Effect::Discard(blob) => Some(blob[0]),
        _ => None,
    });
    discarded.collect()
}

#[test]
fn a_new_device_is_shown_to_the_owner_once_and_told_so_once_a_day() {
    let mut keeper = started(memory());
    let tell = |keeper: &mut Keeper, now| keeper.handle(from(&new_device(), told(1, "list")), now);

    let first = tell(&mut keeper, NOW);
    let again = tell(&mut keeper, NOW + DAY - 1);
    let next_day = tell(&mut keeper, NOW + DAY);

    let new = Effect::Say(Reply::Device(DeviceReply::New {
        device: 8,
        fingerprint: NEW.to_owned(),
        digits: "8c1f".to_owned(),
    }));
    let not_let_in = Effect::SayTo(
        new_device(),
        Reply::Device(DeviceReply::NotLetIn {
            theirs: "00008c1f".to_owned(),
            ours: "0badcafe".to_owned(),
        }),
    );
    assert!(first == [Effect::Quarantine(new_device()), new, not_let_in.clone()]);
    assert!(again.is_empty());
    assert!(next_day == [not_let_in]);
}

#[test]
fn only_so_many_new_devices_are_noted_at_a_time() {
    let mut keeper = started(memory());
    let mut shown = 0;
    for id in 100..200 {
        let device = of(id, &format!("{id:064x}"), Standing::Undecided);
        let effects = keeper.handle(from(&device, told(1, "list")), NOW);
        shown += usize::from(!effects.is_empty());
    }

    assert_eq!(shown, MAX_WAITING);
}

#[test]
fn a_new_device_is_let_in_by_its_digits_and_a_number() {
    let mut keeper = with_new_device();

    let asked = say(&mut keeper, 1, "Trust …8C1F");
    let too_late = number(&asked).to_string();
    let late = keeper.handle(
        Input::Told(told(2, &format!("confirm {too_late}"))),
        NOW + CONFIRM_SECONDS + 1,
    );
    let done = confirm(&mut keeper, 3, "trust phone 0000 8c1f");
    let command = keeper.handle(
        from(&of(8, NEW, Standing::Trusted), told(5, "fingerprints")),
        NOW,
    );

    assert!(!late.iter().any(|it| matches!(it, Effect::Vouch(_))));
    let vouched = of(8, NEW, Standing::Quarantined);
    let tail = "00008c1f".to_owned();
    let met = DeviceReply::Meet {
        theirs: tail.clone(),
        ours: "0badcafe".to_owned(),
    };
    assert!(
        done[1..]
            == [
                Effect::Say(Reply::Device(DeviceReply::LetIn { tail, held: 0 })),
                Effect::Vouch(vouched.clone()),
                Effect::SayTo(vouched, Reply::Device(met)),
            ]
    );
    assert!(matches!(
        device_replies(&command).as_slice(),
        [DeviceReply::Fingerprints { devices, .. }] if devices.len() == 2
    ));
}

#[test]
fn a_text_that_somebody_forged_lets_nobody_in() {
    let mut keeper = with_new_device();
    let number = number(&say(&mut keeper, 1, "trust 8c1f"));

    let unasked = say(&mut keeper, 2, "confirm 123456");
    let itself = keeper.handle(from(&new_device(), told(3, &number.to_string())), NOW);
    let twin = say(&mut keeper, 4, &number.to_string());

    for effects in [unasked, itself] {
        assert!(!effects.iter().any(|it| matches!(it, Effect::Vouch(_))));
    }
    assert!(twin.iter().any(|it| matches!(it, Effect::Vouch(_))));
}

#[test]
fn digits_that_two_new_devices_share_are_not_enough() {
    let mut keeper = with_new_device();
    let other = of(9, OTHER, Standing::Undecided);
    let shown = keeper.handle(from(&other, told(1, "list")), NOW);

    let both = say(&mut keeper, 2, "trust 8c1f");
    let one = confirm(&mut keeper, 3, "trust 77778c1f");
    let nobody = say(&mut keeper, 5, "trust 8c1e");
    let short = say(&mut keeper, 6, "trust c1f");

    assert!(matches!(
        device_replies(&shown).first(),
        Some(DeviceReply::New { digits, .. }) if digits == "78c1f"
    ));
    let digits = |digits: &str| digits.to_owned();
    assert_eq!(
        device_replies(&both),
        [DeviceReply::MoreDigits {
            digits: digits("8c1f")
        }]
    );
    assert!(
        one.iter()
            .any(|it| matches!(it, Effect::Vouch(device) if device.id == 9))
    );
    assert_eq!(
        device_replies(&nobody),
        [DeviceReply::NoSuch {
            digits: digits("8c1e")
        }]
    );
    assert_eq!(
        device_replies(&short),
        [DeviceReply::TrustWhom {
            word: digits("c1f")
        }]
    );
}

#[test]
fn what_a_new_device_sends_waits_apart_until_it_is_let_in() {
    for is_open in [true, false] {
        let mut keeper = with_new_device();
        let held = keeper.handle(from(&new_device(), photo(1)), NOW);
        let sealed = seal(&mut keeper, 1, 10);
        if is_open {
            assert!(indexed(&open(&mut keeper)).is_empty(), "it is not adopted");
        }

        let let_in = confirm(&mut keeper, 2, "trust 8c1f");
        let later = if is_open {
            let_in.clone()
        } else {
            assert!(says(&let_in).contains(&Reply::Kept { waiting: 1 }));
            open(&mut keeper)
        };

        assert_eq!(fetched(&held), [1]);
        assert_eq!(
            device_replies(&held),
            [DeviceReply::Held {
                tail: "00008c1f".to_owned()
            }]
        );
        assert_eq!((says(&sealed), indexed(&sealed)), (vec![], vec![]));
        assert!(!held.iter().any(|it| matches!(it, Effect::Receipt(_))));
        assert_eq!(indexed(&later), [1]);
        let placed = Placed::Entry(line(1));
        let job = JobId([1; 32]);
        let told = says(&keeper.handle(Input::Indexed { job, placed }, NOW));
        assert_eq!(told.len(), 1, "it is told as every file is");
    }
}

#[test]
fn what_a_new_device_sent_survives_a_restart_and_is_still_apart() {
    let mut first = with_new_device();
    let _ = first.handle(from(&new_device(), photo(1)), NOW);
    let saved = seal(&mut first, 1, 10);
    let mut intakes = saved.into_iter().filter_map(|effect| match effect {
        Effect::SaveIntake(intake) => Some(intake),
        _ => None,
    });
    let intakes = vec![intakes.next_back().unwrap()];
    let rules = Rules {
        mode: Mode::Presence,
        takes_codes: false,
        idle_seconds: 0,
    };
    let remembered = first.to_remember().unwrap();
    let mut second = Keeper::new(Memory {
        intakes,
        ..memory()
    })
    .under(rules, remembered);
    let _ = second.handle(Input::Online, NOW);

    assert!(indexed(&open(&mut second)).is_empty());
    assert_eq!(indexed(&confirm(&mut second, 2, "trust 8c1f")), [1]);
}

#[test]
fn the_box_takes_so_many_files_and_bytes_and_counts_the_rest() {
    let mut keeper = with_new_device();
    for number in 0..BOX_FILES {
        let mut file = photo(1);
        file.job = JobId([u8::try_from(number).unwrap(); 32]);
        let effects = keeper.handle(from(&new_device(), file), NOW);
        assert!(effects.iter().any(|it| matches!(it, Effect::SaveIntake(_))));
    }
    let over = keeper.handle(from(&new_device(), photo(200)), NOW);
    let again = keeper.handle(from(&new_device(), photo(201)), NOW);
    let listed = say(&mut keeper, 202, "devices");

    let mut large = with_new_device();
    let started = large.handle(from(&new_device(), photo(1)), NOW);
    let _ = seal(&mut large, 1, BOX_BYTES - 1);
    let last = large.handle(from(&new_device(), photo(2)), NOW);
    let _ = seal(&mut large, 2, 1);
    let none = large.handle(from(&new_device(), photo(3)), NOW);

    let full = DeviceReply::BoxFull {
        tail: "00008c1f".to_owned(),
    };
    assert_eq!(device_replies(&over), [full]);
    assert!(again.is_empty(), "said once");
    let DeviceReply::List(lines) = &device_replies(&listed)[0] else {
        panic!("no list")
    };
    assert_eq!((lines[1].held.0, lines[1].lost), (BOX_FILES as u64, 2));
    let most = |effects: &[Effect]| {
        let most = effects.iter().find_map(|effect| match effect {
            Effect::Fetch(intake) => intake.held.map(|held| held.most),
            _ => None,
        });
        most.unwrap()
    };
    assert_eq!((most(&started), most(&last)), (BOX_BYTES, 1));
    assert!(!none.iter().any(|it| matches!(it, Effect::SaveIntake(_))));
}

#[test]
fn files_of_trusted_devices_go_before_those_of_new_ones() {
    let mut keeper = with_new_device();
    let first = keeper.handle(from(&new_device(), photo(1)), NOW);
    let second = keeper.handle(from(&new_device(), photo(2)), NOW);
    let trusted = keeper.handle(Input::Told(photo(3)), NOW);

    assert_eq!(
        [fetched(&first), fetched(&second), fetched(&trusted)],
        [vec![1], vec![], vec![3]]
    );
}

#[test]
fn a_new_device_that_is_turned_away_leaves_nothing_behind() {
    let mut keeper = with_new_device();
    let _ = keeper.handle(from(&new_device(), photo(1)), NOW);
    let _ = seal(&mut keeper, 1, 10);
    // This one is still being fetched.
    let _ = keeper.handle(from(&new_device(), photo(2)), NOW);
    let job = JobId([2; 32]);
    let mac = [2; 32];
    let _ = keeper.handle(Input::Vouched { job, mac, bytes: 9 }, NOW);

    let away = confirm(&mut keeper, 3, "revoke 8c1f");
    let sealed = keeper.handle(Input::Sealed { job }, NOW);

    assert_eq!(discarded(&away), [1]);
    assert_eq!(discarded(&sealed), [2]);
    assert!(away.contains(&Effect::Close(JobId([1; 32]))));
    assert!(keeper.open_blobs().is_empty());
}

#[test]
fn a_lost_phone_is_shut_out_for_good_and_the_other_one_is_not() {
    let mut keeper = with_new_device();
    let _ = confirm(&mut keeper, 1, "trust 8c1f");
    let trusted = of(8, NEW, Standing::Trusted);
    let before = keeper.handle(from(&trusted, told(3, "status")), NOW);

    let unconfirmed = say(&mut keeper, 4, "revoke 8c1f");
    let done = say(&mut keeper, 5, &number(&unconfirmed).to_string());
    let silent: Vec<Effect> = ["status", "get 1", "unlock ABCDE-12345"]
        .into_iter()
        .flat_map(|text| {
            let standing = [Standing::Trusted, Standing::Revoked, Standing::Undecided];
            standing.map(|standing| (text, standing))
        })
        .flat_map(|(text, standing)| keeper.handle(from(&of(8, NEW, standing), told(6, text)), NOW))
        .collect();
    // The same identity under another number.
    let renamed = keeper.handle(from(&of(80, NEW, Standing::Undecided), photo(7)), NOW);
    let back = say(&mut keeper, 8, "trust 8c1f");
    let control = say(&mut keeper, 9, "status");

    assert!(!before.is_empty());
    let is_revoke = |it: &&Effect| matches!(it, Effect::Revoke(_));
    assert!(unconfirmed.iter().find(is_revoke).is_none());
    let place = done.iter().position(|it| matches!(it, Effect::Revoke(_)));
    let said = done.iter().position(|it| matches!(it, Effect::Say(_)));
    assert!(place < said, "nothing is encrypted to it any more");
    assert!(silent.is_empty() && renamed.is_empty());
    let tail = "00008c1f".to_owned();
    assert_eq!(device_replies(&back), [DeviceReply::IsRevoked { tail }]);
    assert!(control.iter().any(|it| matches!(it, Effect::Ask(..))));
    assert!(keeper.is_shut_out(NEW) && !keeper.is_shut_out(FINGERPRINT));
}

#[test]
fn the_last_phone_is_told_what_remains_before_it_shuts_itself_out() {
    let mut keeper = started(memory());
    let asked = say(&mut keeper, 1, "revoke ddeeff");
    let done = say(&mut keeper, 2, &number(&asked).to_string());
    let after = say(&mut keeper, 3, "status");
    let stranger = keeper.handle(from(&new_device(), told(4, "status")), NOW);

    assert!(matches!(
        device_replies(&asked).as_slice(),
        [DeviceReply::RevokeAsk(Revocation {
            is_asker: true,
            is_last: true,
            ..
        })]
    ));
    let place = done.iter().position(|it| matches!(it, Effect::Revoke(_)));
    let said = done.iter().position(|it| matches!(it, Effect::Say(_)));
    assert!(said < place, "whoever asked is answered");
    assert!(after.is_empty());
    assert_eq!(device_replies(&stranger), [DeviceReply::PairingOver]);
}

#[test]
fn only_a_new_line_in_the_settings_brings_a_lost_phone_back() {
    let start = |remembered: Remembered, pins: &[&str]| {
        let rules = Rules {
            mode: Mode::Presence,
            takes_codes: false,
            idle_seconds: 0,
        };
        Keeper::new(Memory {
            pins: pins.iter().map(|pin| (*pin).to_owned()).collect(),
            ..memory()
        })
        .under(rules, remembered)
    };
    let revoked = || of(8, NEW, Standing::Revoked);
    let mut first = start(Remembered::default(), &[NEW]);
    let _ = first.handle(
        from(&of(8, NEW, Standing::Undecided), told(1, "status")),
        NOW,
    );
    let _ = confirm(&mut first, 2, "revoke 8c1f");

    let remembered = first.to_remember().unwrap();
    let mut same_line = start(remembered.clone(), &[NEW]);
    let still_out = same_line.handle(from(&revoked(), told(4, "status")), NOW);
    let mut without = start(same_line.to_remember().unwrap_or(remembered), &[]);
    let out = without.handle(from(&revoked(), told(5, "status")), NOW);
    let mut anew = start(without.to_remember().unwrap(), &[NEW]);
    let back = anew.handle(from(&revoked(), told(6, "status")), NOW);

    assert!(still_out.is_empty() && out.is_empty());
    assert!(back.contains(&Effect::Trust(revoked())));
}

#[test]
fn a_pinned_phone_is_shown_both_fingerprints_once() {
    let mut keeper = started(Memory {
        pins: vec![NEW.to_owned()],
        ..memory()
    });
    let meets = |effects: Vec<Effect>| {
        let replies = device_replies(&effects).into_iter();
        replies
            .filter(|it| matches!(it, DeviceReply::Meet { .. }))
            .count()
    };

    let first = meets(keeper.handle(from(&new_device(), told(1, "help")), NOW));
    let trusted = of(8, NEW, Standing::Trusted);
    let second = meets(keeper.handle(from(&trusted, told(2, "help")), NOW));

    assert_eq!((first, second), (1, 0));
}

#[test]
fn a_list_on_the_stick_shuts_out_once_and_is_told() {
    let mut keeper = with_new_device();
    let _ = confirm(&mut keeper, 1, "trust 8c1f");
    let list = || {
        Input::Device(News::StickRevokes {
            fingerprints: vec![NEW.to_owned(), OTHER.to_owned()],
            unread: 1,
        })
    };

    let first = keeper.handle(list(), NOW);
    let again = keeper.handle(list(), NOW);
    let never_seen = keeper.handle(
        from(&of(9, OTHER, Standing::Undecided), told(3, "list")),
        NOW,
    );

    assert_eq!(
        device_replies(&first),
        [DeviceReply::RevokedByStick {
            contacts: Vec::new(),
            tails: vec!["00008c1f".to_owned()],
            unknown: 1,
            unread: 1
        }]
    );
    assert!(
        first
            .iter()
            .any(|it| matches!(it, Effect::Revoke(device) if device.id == 8))
    );
    assert!(again.is_empty() && never_seen.is_empty());
}

#[test]
fn a_device_that_the_phone_also_encrypts_to_is_told_once_a_day() {
    let mut keeper = with_new_device();
    let also_for = |keeper: &mut Keeper, readers: &[u32], now| {
        let readers = readers.to_vec();
        let mut asked = Vec::new();
        let told = Told {
            readers,
            ..told(1, "help")
        };
        for effect in keeper.handle(Input::Told(told), now) {
            if let Effect::LookUp(ids) = effect {
                asked.extend(ids);
            }
        }
        asked
    };

    // Device 8 is known, if only as a new one.
    let first = also_for(&mut keeper, &[8, 12_345, 777], NOW);
    let found = vec![(12_345, Listed::AsOurs), (777, Listed::AsOwners)];
    let said = device_replies(&keeper.handle(Input::Device(News::LookedUp(found)), NOW));
    let same_day = also_for(&mut keeper, &[12_345, 777], NOW + DAY - 1);
    let next_day = also_for(&mut keeper, &[12_345, 777], NOW + DAY);

    assert_eq!(first, [12_345, 777]);
    assert_eq!(said.len(), 2);
    assert_eq!(same_day, [0_u32; 0]);
    assert_eq!(next_day, [12_345], "the owner's own is said once");
    let flood: Vec<u32> = (1_000..2_000).collect();
    let mut looked_up = 0;
    for readers in flood.chunks(10) {
        looked_up += also_for(&mut keeper, readers, NOW + 3 * DAY).len();
    }
    assert_eq!(looked_up, MAX_LOOKED_UP);
}

#[test]
fn files_that_fail_are_counted_and_do_not_fill_the_chat() {
    let mut keeper = with_new_device();
    let mut said = Vec::new();
    for number in 1..=20 {
        said.extend(says(
            &keeper.handle(from(&new_device(), photo(number)), NOW),
        ));
        let failed = Input::NotSealed {
            job: JobId([number; 32]),
            why: IntakeFailure::Gone,
            transient: false,
        };
        said.extend(says(&keeper.handle(failed, NOW)));
    }
    let listed = say(&mut keeper, 30, "devices");

    assert_eq!(said.len(), 1, "that it sends something");
    let DeviceReply::List(lines) = &device_replies(&listed)[0] else {
        panic!("no list")
    };
    assert_eq!((lines[1].held.0, lines[1].lost), (0, 20));
}
