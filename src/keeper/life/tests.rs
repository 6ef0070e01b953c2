#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "a test names the effects it looks for"
)]

use super::*;
use crate::keeper::{Input, Memory, verify};

const OWNER: &str = "owner@example.org";
const NOW: i64 = 1_800_000_000;
const MINUTE: i64 = 60;
const DAY: i64 = 24 * 60 * MINUTE;
const PHONE: u32 = 7;

fn keeper(record: Record) -> Keeper {
    let memory = Memory {
        owner: OWNER.to_owned(),
        pins: Vec::new(),
        has_trusted_device: true,
        pairing: None,
        locked_by_owner: false,
        intakes: Vec::new(),
        deliveries: Vec::new(),
        checks: verify::Record::default(),
        plan: verify::Plan::default(),
        own_tail: "0badcafe".to_owned(),
        pace: None,
        alarm: false,
        aes: "in software",
    };
    Keeper::new(memory).with_life(record)
}

fn broken(device: u32, sent_at: i64) -> Unreadable {
    Unreadable {
        jid: OWNER.to_owned(),
        device: Some(device),
        trusted: true,
        had_content: true,
        sent_at,
        catching_up: false,
    }
}

fn says(effects: &[Effect]) -> Vec<LifeReply> {
    let says = effects.iter().filter_map(|effect| match effect {
        Effect::Say(Reply::Life(reply)) => Some(reply.clone()),
        _ => None,
    });
    says.collect()
}

fn repairs(effects: &[Effect]) -> Vec<u32> {
    let repairs = effects.iter().filter_map(|effect| match effect {
        Effect::Repair(device) => Some(*device),
        _ => None,
    });
    repairs.collect()
}

fn saved(effects: &[Effect]) -> Option<Record> {
    effects.iter().rev().find_map(|effect| match effect {
        Effect::SaveLife(record) => Some(record.clone()),
        _ => None,
    })
}

fn unread(count: u32, sent_at: i64, now: i64) -> LifeReply {
    LifeReply::Unreadable {
        count,
        sent_at,
        now,
    }
}

#[test]
fn a_message_that_does_not_open_is_told_after_the_repair_and_the_next_ones_together_later() {
    let mut keeper = keeper(Record::default());

    let first = keeper.handle(Input::Life(News::Unreadable(broken(PHONE, NOW - 5))), NOW);
    let repaired = keeper.handle(Input::Life(News::Repaired { device: PHONE }), NOW + 1);
    let mut later = Vec::new();
    for second in 2..20 * MINUTE {
        let at = NOW + second;
        if second < 5 {
            later.extend(keeper.handle(Input::Life(News::Unreadable(broken(PHONE, at))), at));
        }
        later.extend(keeper.handle(Input::Woke, at));
    }

    assert_eq!((repairs(&first), says(&first)), (vec![PHONE], vec![]));
    assert_eq!(says(&repaired), [unread(1, NOW - 5, NOW + 1)]);
    assert_eq!(repairs(&later), [] as [u32; 0]);
    assert_eq!(says(&later), [unread(3, NOW + 2, NOW + 1 + 10 * MINUTE)]);
}

#[test]
fn a_repair_that_does_not_end_keeps_nobody_waiting() {
    let mut keeper = keeper(Record::default());
    let _ = keeper.handle(Input::Life(News::Unreadable(broken(PHONE, NOW))), NOW);

    assert_eq!(keeper.next_tick(), Some(NOW + MINUTE));
    let said = keeper.handle(Input::Woke, NOW + MINUTE);

    assert_eq!(says(&said), [unread(1, NOW, NOW + MINUTE)]);
}

#[test]
fn a_storm_of_broken_messages_is_one_repair_a_day_and_one_sentence_in_ten_minutes() {
    let mut keeper = keeper(Record::default());
    let (mut repaired, mut said) = (0, 0);
    for second in 0..2 * DAY {
        if second % 10 != 0 {
            continue;
        }
        let at = NOW + second;
        let mut effects = keeper.handle(Input::Life(News::Unreadable(broken(PHONE, at))), at);
        for device in repairs(&effects) {
            repaired += 1;
            effects.extend(keeper.handle(Input::Life(News::Repaired { device }), at));
        }
        said += says(&effects).len();
    }

    assert_eq!(repaired, 2);
    assert_eq!(said, 2 * 24 * 6);
}

#[test]
fn while_the_archive_is_read_nothing_is_repaired_or_said_and_then_all_at_once() {
    let mut keeper = keeper(Record::default());
    let mut while_reading = Vec::new();
    for number in 0..30 {
        let mut what = broken(
            PHONE + u32::from(number > 20),
            NOW - DAY + i64::from(number),
        );
        what.catching_up = true;
        while_reading.extend(keeper.handle(Input::Life(News::Unreadable(what)), NOW));
    }

    let record = saved(&while_reading).unwrap();
    let after = keeper.handle(Input::Life(News::CaughtUp), NOW);
    let mut end = keeper.handle(Input::Life(News::Repaired { device: PHONE }), NOW);
    assert_eq!(says(&end), []);
    end.extend(keeper.handle(Input::Life(News::Repaired { device: PHONE + 1 }), NOW));

    assert_eq!(repairs(&while_reading), [] as [u32; 0]);
    assert_eq!(says(&while_reading), []);
    assert_eq!(repairs(&after), [PHONE, PHONE + 1]);
    assert_eq!(says(&end), [unread(30, NOW - DAY, NOW)]);
    // What was not said before the process died is said by the next one.
    let mut next = self::keeper(record);
    assert_eq!(
        says(&next.handle(Input::Life(News::CaughtUp), NOW + 9)),
        [unread(30, NOW - DAY, NOW + 9)]
    );
}

#[test]
fn a_restart_does_not_allow_a_second_repair_and_a_wrong_clock_does_not_forbid_it_for_ever() {
    let mut first = keeper(Record::default());
    let effects = first.handle(Input::Life(News::Unreadable(broken(PHONE, NOW))), NOW);
    let record = saved(&effects).unwrap();

    let repairs_at = |now: i64| {
        let mut keeper = keeper(record.clone());
        repairs(&keeper.handle(Input::Life(News::Unreadable(broken(PHONE, now))), now))
    };

    assert_eq!(repairs_at(NOW + 60), [] as [u32; 0]);
    assert_eq!(repairs_at(NOW + DAY - 1), [] as [u32; 0]);
    assert_eq!(repairs_at(NOW + DAY), [PHONE]);
    assert_eq!(repairs_at(0), [PHONE]);
    // Within a run only what has passed counts.
    let jumped = Moment {
        wall: NOW + 3_650 * DAY,
        steady: NOW + 60,
    };
    let effects = first.handle(Input::Life(News::Unreadable(broken(PHONE, NOW))), jumped);
    assert_eq!(repairs(&effects), [] as [u32; 0]);
}

#[test]
fn only_trusted_devices_of_the_owner_are_answered_and_only_lost_content_is_missed() {
    let mut keeper = keeper(Record::default());
    let mut untrusted = broken(PHONE, NOW);
    untrusted.trusted = false;
    let mut stranger = broken(PHONE, NOW);
    stranger.jid = "mallory@example.org".to_owned();
    let mut empty = broken(PHONE, NOW);
    empty.had_content = false;

    assert!(
        keeper
            .handle(Input::Life(News::Unreadable(untrusted)), NOW)
            .is_empty()
    );
    assert!(
        keeper
            .handle(Input::Life(News::Unreadable(stranger)), NOW)
            .is_empty()
    );
    let effects = keeper.handle(Input::Life(News::Unreadable(empty)), NOW);
    let end = keeper.handle(Input::Life(News::Repaired { device: PHONE }), NOW);

    assert_eq!(repairs(&effects), [PHONE]);
    assert_eq!((says(&effects), says(&end)), (vec![], vec![]));
}

#[test]
fn another_key_of_a_known_device_is_told_once_ever() {
    let mut first = keeper(Record::default());
    let told = first.handle(Input::Life(News::IdentityChanged { device: 5 }), NOW);
    let again = first.handle(Input::Life(News::IdentityChanged { device: 5 }), NOW + DAY);
    let mut next = keeper(saved(&told).unwrap());
    let after_restart = next.handle(
        Input::Life(News::IdentityChanged { device: 5 }),
        NOW + 2 * DAY,
    );
    let other = next.handle(
        Input::Life(News::IdentityChanged { device: 6 }),
        NOW + 2 * DAY,
    );

    assert_eq!(says(&told), [LifeReply::IdentityChanged { device: 5 }]);
    assert!(again.is_empty() && after_restart.is_empty());
    assert_eq!(says(&other), [LifeReply::IdentityChanged { device: 6 }]);
}

#[test]
fn a_lost_place_on_the_list_is_taken_again_and_a_fight_is_told() {
    let mut keeper = keeper(Record::default());
    let (mut announced, mut alarms) = (0, 0);
    for second in 0..200 {
        let at = NOW + second;
        let mut effects = keeper.handle(Input::Life(News::Unlisted), at);
        effects.extend(keeper.handle(Input::Woke, at));
        announced += effects.iter().filter(|it| **it == Effect::Announce).count();
        alarms += says(&effects).len();
    }

    assert_eq!((announced, alarms), (4, 1));
}

#[test]
fn a_new_life_is_told_once_when_everything_is_read() {
    let mut first = keeper(Record::default().reborn());

    let told = first.handle(Input::Life(News::CaughtUp), NOW);
    let mut next = keeper(saved(&told).unwrap());

    assert_eq!(
        says(&told),
        [LifeReply::Reborn {
            ours: "0badcafe".to_owned()
        }]
    );
    assert_eq!(says(&first.handle(Input::Life(News::CaughtUp), NOW)), []);
    assert_eq!(says(&next.handle(Input::Life(News::CaughtUp), NOW)), []);
}
