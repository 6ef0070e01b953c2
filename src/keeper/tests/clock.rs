//! Clocks that stand wrong and jump, as in a computer without a clock chip: what waits is taken up
//! again, and what was good for minutes is not good again after years.

use super::*;
use crate::keeper::{
    devices::Level,
    reply::{
        About, ContactLine, ContactReply, DeviceLine, DeviceReply, FindingReply, IntakeFailure,
        KeepReply, LifeReply, Slot,
    },
    zone::Zone,
};

const YEAR: i64 = 365 * 86_400;
/// 1970, 2000, now, and ten years ahead.
const CLOCKS: [i64; 4] = [0, 946_684_800, NOW, NOW + 10 * YEAR];

#[test]
fn a_file_that_waits_is_asked_for_again_soon_after_any_jump_of_the_clock() {
    for before in CLOCKS {
        for after in CLOCKS {
            let mut keeper = started(memory());
            let _ = open(&mut keeper);
            let _ = keeper.handle(Input::Told(photo(1)), before);
            let failed = Input::NotSealed {
                job: JobId([1; 32]),
                why: IntakeFailure::ServerTrouble,
                transient: true,
            };
            let at_once = keeper.handle(failed, before);

            // The daemon looks at least once a minute.
            let asked = (1..=5).find(|minute| {
                let woke = keeper.handle(Input::Woke, after + 60 * minute);
                fetched(&woke) == [1]
            });

            assert!(fetched(&at_once).is_empty(), "not without a pause");
            assert_eq!(asked, Some(1), "from {before} to {after}");
        }
    }
}

#[test]
fn a_pairing_code_is_not_good_for_longer_because_the_clock_was_set_back() {
    let pairing_at = |login: i64, told_at: i64| {
        let mut keeper = Keeper::new(Memory {
            has_trusted_device: false,
            pairing: Some(Pairing::new("ABCDE-12345")),
            ..memory()
        });
        let _ = keeper.handle(Input::Online, login);
        let mut code = told(1, "ABCDE-12345");
        code.from = device(Standing::Undecided);
        let effects = keeper.handle(Input::Told(code), told_at);
        effects.iter().any(|it| matches!(it, Effect::Trust(_)))
    };

    let jumps = CLOCKS.map(|login| CLOCKS.map(|told_at| pairing_at(login, told_at)));

    for (row, login) in jumps.into_iter().zip(CLOCKS) {
        let wanted = CLOCKS.map(|told_at| told_at == login);
        assert_eq!(row, wanted, "login at {login}");
    }
    assert!(
        pairing_at(NOW, NOW - 1),
        "a clock that is put right by a second"
    );
}

#[test]
fn a_list_shows_the_day_that_the_wall_shows_where_the_vault_stands() {
    let listed = |zone: Zone| {
        let mut keeper = started(memory()).in_zone(zone);
        let _ = open(&mut keeper);
        let _ = keeper.handle(Input::Told(told(1, "list")), NOW);
        let answered = Input::Answered {
            job: JobId([1; 32]),
            answer: Answer::Rows {
                lines: vec![line(7)],
                total: 1,
                more: false,
            },
            free: None,
        };
        let effects = keeper.handle(answered, NOW);
        let Some(Reply::Listing { lines, .. }) = says(&effects).pop() else {
            panic!("it is listed");
        };
        lines[0].received_at
    };

    assert_eq!(listed(Zone::default()), NOW);
    assert_eq!(listed(Zone::fixed(7_200)), NOW + 7_200);
}

/// What names this moment.
fn told_of(at: i64) -> [Reply; 9] {
    let entry = Line {
        received_at: at,
        ..line(7)
    };
    let device = DeviceLine {
        id: 1,
        fingerprint: "0".repeat(64),
        level: Level::Paired,
        since: at,
        heard_at: Some(at),
        held: (0, 0),
        lost: 0,
    };
    let about = About {
        line: entry.clone(),
        came_as: None,
        media_type: None,
        sender: Some(OWNER.to_owned()),
        member: None,
        sent_at: Some(at),
        entered_at: Some(at),
        is_proven: true,
        caption: None,
        tags: Vec::new(),
        album: None,
        trashed_at: Some(at),
        shot: None,
    };
    [
        Reply::Listing {
            lines: vec![entry.clone()],
            total: 1,
        },
        Reply::Finding(FindingReply::About(Box::new(about))),
        Reply::Keep(KeepReply::Trash {
            lines: vec![(entry, at)],
            count: 1,
            bytes: 1,
            days: 30,
        }),
        Reply::Device(DeviceReply::List(vec![device])),
        Reply::Contact(ContactReply::List(vec![ContactLine {
            jid: "bob@example.org".to_owned(),
            since: at,
            tails: Vec::new(),
        }])),
        CustodyReply::Keys {
            slots: vec![Slot {
                name: None,
                since: Some(at),
                opened: false,
            }],
        }
        .into(),
        CustodyReply::NoTriesLeft { again_at: at }.into(),
        Reply::Life(LifeReply::Unreadable {
            count: 1,
            sent_at: at,
            now: at + 86_400,
        }),
        Reply::Storage(StorageReply::Expired {
            files: vec![("a.jpg".to_owned(), at)],
        }),
    ]
}

#[test]
fn everything_that_is_told_names_days_and_hours_as_the_wall_shows_them() {
    // 19 June 2026, 22:30 by universal time: the twentieth, half past midnight, on the wall.
    let told = told_of(1_781_908_200);
    let said = |zone: Zone| {
        let effects = told.iter().cloned().map(Effect::Say).collect();
        let keeper = started(memory()).in_zone(zone);
        let said = keeper.on_the_wall(effects);
        says(&said).iter().map(Reply::text).collect::<Vec<_>>()
    };

    let by_utc = ["19 Jun", "22:30", "19 Jul"];
    let by_the_wall = ["20 Jun", "00:30", "20 Jul"];
    for (zone, shown, not_shown) in [
        (Zone::default(), by_utc, by_the_wall),
        (Zone::fixed(7_200), by_the_wall, by_utc),
    ] {
        for text in said(zone) {
            assert!(shown.iter().any(|it| text.contains(it)), "{text}");
            assert!(!not_shown.iter().any(|it| text.contains(it)), "{text}");
        }
    }
}
