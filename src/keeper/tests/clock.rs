//! Clocks that stand wrong and jump, as in a computer without a clock chip: what waits is taken up
//! again, and what was good for minutes is not good again after years.

use super::*;
use crate::keeper::{reply::IntakeFailure, zone::Zone};

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
