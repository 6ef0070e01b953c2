//! Who may command, and how a phone pairs.

use super::*;
use crate::keeper::{
    owner::{PAIRING_SECONDS, PAIRING_TRIES, normal},
    reply::DeviceReply,
};

#[test]
fn only_the_code_pairs_and_only_five_times() {
    let pairing = Pairing::new("abcde-12345");
    let mut keeper = started(Memory {
        has_trusted_device: false,
        pairing: Some(pairing.clone()),
        ..memory()
    });
    let _ = keeper.handle(Input::Online, NOW);
    let try_with = |keeper: &mut Keeper, text: &str| {
        let mut told = told(1, text);
        told.from = device(Standing::Undecided);
        keeper.handle(Input::Told(told), NOW + 1)
    };
    let mut other = started(Memory {
        has_trusted_device: false,
        pairing: Some(pairing),
        ..memory()
    });

    let hello = try_with(&mut keeper, "hello");
    let wrong: Vec<_> = (0..PAIRING_TRIES)
        .flat_map(|_| says(&try_with(&mut keeper, "ABCDE-12346")))
        .collect();
    let too_late = try_with(&mut keeper, "ABCDE-12345");
    let right = try_with(&mut other, " abcde 12345 ");

    let about = |reply| vec![Reply::Device(reply)];
    assert_eq!(says(&hello), about(DeviceReply::PairingNeeded));
    assert_eq!(
        wrong[0],
        Reply::Device(DeviceReply::PairingWrong { left: 4 })
    );
    assert_eq!(wrong[4], Reply::Device(DeviceReply::PairingOver));
    assert_eq!(says(&too_late), about(DeviceReply::PairingOver));
    assert!(!too_late.iter().any(|it| matches!(it, Effect::Trust(_))));
    assert!(right.iter().any(|it| matches!(it, Effect::Trust(_))));
}

#[test]
fn a_pairing_code_is_good_for_thirty_minutes_from_the_first_login() {
    let code = "ABCDE-12345";
    let after = |seconds: i64| {
        let mut keeper = started(Memory {
            has_trusted_device: false,
            pairing: Some(Pairing::new(code)),
            ..memory()
        });
        let _ = keeper.handle(Input::Online, NOW);
        let mut told = told(1, code);
        told.from = device(Standing::Undecided);
        let effects = keeper.handle(Input::Told(told), NOW + seconds);
        effects.iter().any(|it| matches!(it, Effect::Trust(_)))
    };

    assert!(after(PAIRING_SECONDS));
    assert!(!after(PAIRING_SECONDS + 1));
}

#[test]
fn a_clock_that_is_set_after_the_login_neither_ends_a_pairing_code_nor_keeps_it_good() {
    const MONTH: i64 = 30 * 24 * 60 * 60;
    let code = "ABCDE-12345";
    let pairs = |jump: i64, passed: i64, memory: Memory| {
        let mut keeper = started(memory);
        let _ = keeper.handle(Input::Online, NOW);
        let at = Moment {
            wall: NOW + jump,
            steady: NOW + passed,
        };
        let mut told = told(1, code);
        told.from = device(Standing::Undecided);
        let effects = keeper.handle(Input::Told(told), at);
        effects.iter().any(|it| matches!(it, Effect::Trust(_)))
    };
    let fresh = |first_login_at: Option<i64>| Memory {
        has_trusted_device: false,
        pairing: Some(Pairing {
            first_login_at,
            ..Pairing::new(code)
        }),
        ..memory()
    };

    assert!(pairs(MONTH, PAIRING_SECONDS, fresh(None)));
    assert!(pairs(-MONTH, PAIRING_SECONDS, fresh(None)));
    assert!(!pairs(0, PAIRING_SECONDS + 1, fresh(None)));
    // What an earlier run used of its time stays used.
    assert!(pairs(MONTH, 60, fresh(Some(NOW + 60 - PAIRING_SECONDS))));
    assert!(!pairs(0, 61, fresh(Some(NOW + 60 - PAIRING_SECONDS))));
    assert!(!pairs(0, 0, fresh(Some(NOW + PAIRING_SECONDS + 1))));
}

#[test]
fn a_clock_that_is_set_after_the_first_login_moves_what_the_next_run_counts_by() {
    const WEEK: i64 = 7 * 24 * 60 * 60;
    let mut keeper = started(Memory {
        has_trusted_device: false,
        pairing: Some(Pairing::new("ABCDE-12345")),
        ..memory()
    });
    let saved = |effects: &[Effect]| {
        effects.iter().find_map(|it| match it {
            Effect::SavePairing(pairing) => pairing.as_ref()?.first_login_at,
            _ => None,
        })
    };
    let woken = |keeper: &mut Keeper, set_by: i64, steady: i64| {
        let wall = NOW + set_by + steady;
        let steady = NOW + steady;
        saved(&keeper.handle(Input::Woke, Moment { wall, steady }))
    };

    let _ = keeper.handle(Input::Online, NOW);
    let before = woken(&mut keeper, 0, 20);
    let set = woken(&mut keeper, WEEK, 40);
    let after = woken(&mut keeper, WEEK, 60);

    assert_eq!((before, set, after), (None, Some(NOW + WEEK), None));
}

#[test]
fn a_pinned_fingerprint_needs_no_code_and_another_one_gets_nothing() {
    let mut keeper = started(Memory {
        pins: vec![FINGERPRINT.to_owned()],
        has_trusted_device: false,
        ..memory()
    });
    let mut pinned = told(1, "help");
    pinned.from = device(Standing::Undecided);
    let mut other = told(2, "help");
    other.from = Device {
        fingerprint: FINGERPRINT.replace('0', "f"),
        ..device(Standing::Undecided)
    };

    let obeyed = keeper.handle(Input::Told(pinned), NOW);
    let quarantined = keeper.handle(Input::Told(other), NOW);

    assert!(obeyed.contains(&Effect::Say(Reply::Help)));
    assert!(
        quarantined
            .iter()
            .any(|it| matches!(it, Effect::Quarantine(_)))
    );
    assert!(!quarantined.contains(&Effect::Say(Reply::Help)));
}

#[test]
fn strangers_and_revoked_devices_get_silence() {
    let mut keeper = started(memory());
    let mut stranger = told(1, "help");
    stranger.from.jid = "stranger@example.org".to_owned();
    let mut revoked = told(2, "help");
    revoked.from = device(Standing::Revoked);

    for told in [stranger, revoked] {
        assert!(keeper.handle(Input::Told(told), NOW).is_empty());
    }
    let honest = keeper.handle(Input::Told(told(4, "help")), NOW);
    assert_eq!(says(&honest), [Reply::Help]);
}

#[test]
fn codes_are_read_as_people_type_them() {
    assert_eq!(normal(" oIl-ab "), "011AB");
}
