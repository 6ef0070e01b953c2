//! This crate against three foreign OMEMO libraries: what either side sends, the other reads.
//!
//! The libraries run as processes of their own (see `foreign.rs`), the network between them and us
//! is played here: it delays, reorders, repeats and alters.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    unreachable_pub,
    reason = "a test"
)]

use std::time::Instant;

use foreign::Foreign;
use omemo::Namespace;
use pair::{Figures, Pair};

mod foreign;
mod pair;

const SESSIONS: usize = 20;
const MESSAGES: usize = 400;

#[test]
fn nothing_is_lost_or_wrong_between_us_and_oldmemo() {
    run("oldmemo", Namespace::Legacy);
}

#[test]
fn nothing_is_lost_or_wrong_between_us_and_omemo_dr() {
    run("omemo_dr", Namespace::Legacy);
}

#[test]
fn nothing_is_lost_or_wrong_between_us_and_twomemo() {
    run("twomemo", Namespace::Omemo2);
}

fn run(library: &str, namespace: Namespace) {
    let begun = Instant::now();
    let mut foreign = Foreign::start(library, namespace);
    let mut figures = Figures::default();

    for peer in 0..SESSIONS {
        let mut pair = Pair::new(&mut foreign, peer, &mut figures);
        start(&mut pair, peer);
        last_of_a_chain_comes_late(&mut pair);
        two_hundred_are_skipped(&mut pair, peer);
        talk(&mut pair);
        pair.drain();
        we_start_again(&mut pair);
    }

    if std::env::var_os("STRONGROOM_RECORD").is_some() {
        pair::record(&mut foreign, library);
    }
    println!(
        "{library}: {figures:?} in {:.1} s",
        begun.elapsed().as_secs_f64()
    );
    assert_eq!((figures.lost, figures.wrong), (0, 0));
    assert_eq!(figures.sessions, SESSIONS);
    assert!(figures.to_us + figures.to_them >= SESSIONS * MESSAGES);
    assert!(figures.replays_refused > SESSIONS);
    assert!(figures.forgeries_refused > SESSIONS);
}

/// Either side starts, or both at once before either has heard of the other.
fn start(pair: &mut Pair<'_>, peer: usize) {
    match peer % 3 {
        0 => {
            pair.figures.started_by_us += 1;
            pair.send();
            pair.send();
            // the second key exchange arrives before the first
            pair.deliver(1);
            pair.deliver(0);
        }
        1 => {
            pair.figures.started_by_them += 1;
            pair.let_them_send();
            pair.let_them_send();
            pair.forge_to_us(1);
            let first = pair.arrive(1);
            pair.arrive(0);
            pair.replay_to_us(&first);
        }
        _ => {
            pair.figures.started_by_both += 1;
            pair.send();
            pair.let_them_send();
            pair.send();
            pair.let_them_send();
            pair.arrive(0);
            pair.deliver(0);
            pair.arrive(0);
            pair.deliver(0);
        }
    }
    while !pair.to_us.is_empty() {
        pair.arrive(0);
    }
    pair.let_them_send();
    pair.arrive(0);
    pair.send();
    pair.deliver(0);
    pair.drain();
}

/// The last message of a chain arrives after the ratchet has turned, once or many times.
fn last_of_a_chain_comes_late(pair: &mut Pair<'_>) {
    for turns in [1, 2, 5, 9] {
        for _ in 0..3 {
            pair.let_them_send();
        }
        pair.arrive(0);
        pair.arrive(0);
        for _ in 0..turns {
            pair.send();
            pair.deliver(0);
            pair.let_them_send();
            let last = pair.to_us.len() - 1;
            pair.arrive(last);
        }
        let late = pair.arrive(0);
        pair.replay_to_us(&late);
        pair.figures.late += 1;
    }
    // libraries of the libsignal family forget chains after five turns
    for turns in [1, 2, 4] {
        for _ in 0..3 {
            pair.send();
        }
        pair.deliver(0);
        pair.deliver(0);
        for _ in 0..turns {
            pair.let_them_send();
            let last = pair.to_us.len() - 1;
            pair.arrive(last);
            pair.send();
            pair.deliver(1);
        }
        let late = pair.deliver(0);
        pair.replay_to_them(&late);
        pair.figures.late += 1;
    }
    pair.drain();
}

/// The last of 201 messages comes first, on one side or the other.
fn two_hundred_are_skipped(pair: &mut Pair<'_>, peer: usize) {
    if peer.is_multiple_of(10) {
        for _ in 0..=200 {
            pair.let_them_send();
        }
        pair.arrive(200);
        pair.figures.skipped += 200;
    } else if peer % 10 == 1 {
        for _ in 0..=200 {
            pair.send();
        }
        pair.deliver(200);
        pair.figures.skipped += 200;
    }
    pair.drain();
}

/// A long talk over a network that delays, reorders, repeats and alters.
fn talk(pair: &mut Pair<'_>) {
    let mut sent = 0;
    while sent < MESSAGES {
        match pair.below(6) {
            0 => {
                pair.send();
                sent += 1;
            }
            1 => {
                pair.let_them_send();
                sent += 1;
            }
            2 if sent % 16 == 0 => pair.send_empty(),
            2 | 3 => arrive_any(pair),
            _ => deliver_any(pair),
        }
    }
}

/// Our sessions are gone; a fresh key exchange makes both sides understand each other again.
fn we_start_again(pair: &mut Pair<'_>) {
    pair.lose_our_sessions();
    pair.send();
    pair.drain();
    pair.let_them_send();
    pair.send();
    pair.drain();
    pair.figures.repaired += 1;
}

fn arrive_any(pair: &mut Pair<'_>) {
    if pair.to_us.is_empty() {
        return;
    }
    let place = pair.below(pair.to_us.len());
    if pair.below(8) == 0 {
        pair.forge_to_us(place);
    }
    let flying = pair.arrive(place);
    if pair.below(8) == 0 {
        pair.replay_to_us(&flying);
    }
}

fn deliver_any(pair: &mut Pair<'_>) {
    if pair.to_them.is_empty() {
        return;
    }
    let aging = pair.to_them.iter().position(|it| pair.turn > it.turn + 2);
    let place = aging.unwrap_or_else(|| pair.below(pair.to_them.len()));
    let flying = pair.deliver(place);
    if pair.below(8) == 0 {
        pair.replay_to_them(&flying);
    }
}
