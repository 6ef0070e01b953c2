//! Two parties against a reference, with drops, reorders, repetitions, forgeries and crashes.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    unreachable_pub,
    reason = "a test"
)]

use std::panic;

use omemo::store::suite::FixedRng;
use proptest::prelude::*;

#[path = "two_party/model.rs"]
mod model;

use model::{Defect, Tally};

/// A script that is the same each time.
fn script(seed: u64, length: usize) -> Vec<u8> {
    let mut script = vec![0; length];
    FixedRng::new(seed).fill_bytes(&mut script);
    script
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 24,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn whatever_the_network_does_every_message_is_read_once_or_was_lost(
        script in prop::collection::vec(any::<u8>(), 0..1200),
    ) {
        model::run(&script);
    }
}

#[test]
fn two_parties_agree_with_the_reference_in_long_scripts_that_have_everything() {
    let mut tally = Tally::default();
    for seed in 0..20 {
        tally.add(&model::run(&script(seed, 1600)));
    }

    println!("{tally:?}");
    assert!(tally.sent > 8000 && tally.read > 7000, "{tally:?}");
    assert!(tally.repeated > 300 && tally.forged > 400, "{tally:?}");
    assert!(tally.crashed > 300 && tally.lost > 100, "{tally:?}");
    assert!(tally.too_late > 500 && tally.begun > 250, "{tally:?}");
}

#[test]
fn a_gap_above_the_bound_costs_no_more_than_the_messages_in_it() {
    // a burst of a thousand, twice, and a crash; then what is there is delivered
    let gap = [29, 252, 0, 0, 29, 252, 0, 0, 27, 0, 0, 0];

    let tally = model::run(&gap);

    assert!(tally.uncertain > 0, "{tally:?}");
    assert!(tally.read >= 1000, "{tally:?}");
}

#[test]
fn the_reference_notices_what_a_party_forgets() {
    let notices = |defect| {
        let seeds = 0..6;
        let found = seeds.filter(|seed| {
            let script = script(*seed, 1600);
            panic::catch_unwind(|| model::run_with(&script, defect)).is_err()
        });
        found.count()
    };
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let found = [
        Defect::ForgetsWhatItSent,
        Defect::ForgetsWhatItRead,
        Defect::KeepsPrekeys,
        Defect::None,
    ]
    .map(notices);
    panic::set_hook(hook);

    assert_eq!(found[3], 0, "the control");
    assert_eq!(&found[..2], [6, 6]);
    // only a script in which a prekey is offered twice and used twice can show it
    assert!(found[2] >= 3, "{found:?}");
}
