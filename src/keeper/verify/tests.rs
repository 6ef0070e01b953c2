#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "a test names the effects it looks for"
)]

use proptest::prelude::*;

use super::*;
use crate::keeper::reply::WayIn;

const NOW: i64 = 1_800_000_000;
const MINUTE: i64 = 60;

fn verify(record: Record) -> Verify {
    Verify::new(Plan::default(), record)
}

fn fresh() -> Verify {
    verify(Record::default())
}

fn needs_key() -> Reply {
    Reply::NeedsKey {
        waiting: 0,
        way: WayIn::PutIn,
    }
}

fn ask(verify: &mut Verify, asked: Asked) -> Vec<Effect> {
    verify.ask(asked, false, needs_key())
}

fn begun(effects: &[Effect]) -> Option<(u64, Scope)> {
    effects.iter().find_map(|effect| match effect {
        Effect::Verify(Act::Begin { run, scope }) => Some((*run, *scope)),
        _ => None,
    })
}

fn said(effects: &[Effect]) -> Vec<Reply> {
    let said = effects.iter().filter_map(|effect| match effect {
        Effect::Say(reply) => Some(reply.clone()),
        _ => None,
    });
    said.collect()
}

/// What a restart reads back: the last record that was saved, if any.
fn saved(effects: &[Effect], before: Record) -> Record {
    let saved = effects.iter().rev().find_map(|effect| match effect {
        Effect::SaveVerify(record) => Some(record.clone()),
        _ => None,
    });
    saved.unwrap_or(before)
}

fn tally(checked: u64, damaged: u64) -> Tally {
    Tally {
        checked,
        of: checked,
        bytes: checked * 10,
        damaged,
    }
}

fn end(verify: &mut Verify, run: u64, tally: Tally, now: i64) -> Vec<Effect> {
    let whole = true;
    verify.heard(Heard::Ended { run, tally, whole }, now)
}

fn file(number: u64) -> (Line, Fault) {
    let line = Line {
        number,
        name: format!("{number}.jpg"),
        bytes: 1,
        received_at: 0,
        damaged: true,
        taken_at: None,
    };
    (line, Fault::Unsound)
}

/// Lets the clock run by minutes; returns the runs that were begun and ended, and what was said.
fn run_for(verify: &mut Verify, now: &mut i64, minutes: i64) -> (Vec<Scope>, Vec<Reply>) {
    let (mut runs, mut replies) = (Vec::new(), Vec::new());
    for _ in 0..minutes {
        *now += MINUTE;
        let effects = verify.woke(*now);
        replies.extend(said(&effects));
        let mut next = begun(&effects);
        while let Some((run, scope)) = next {
            runs.push(scope);
            let effects = end(verify, run, tally(20, 0), *now);
            replies.extend(said(&effects));
            next = begun(&effects);
        }
    }
    (runs, replies)
}

#[test]
fn the_first_drill_comes_a_week_after_the_first_opening_and_then_every_week() {
    let (mut verify, mut now) = (fresh(), NOW);
    let first = verify.opened(now);
    let week = WEEK / MINUTE;

    let (before, _) = run_for(&mut verify, &mut now, week - 1);
    let (runs, replies) = run_for(&mut verify, &mut now, 2 * week + 1);

    assert!(begun(&first).is_none() && before.is_empty());
    assert_eq!(runs, [Scope::Sample(SAMPLE); 3]);
    assert_eq!(
        replies,
        vec![
            Reply::Verify(VerifyReply::Drill {
                tally: tally(20, 0),
                last_pass: None
            });
            3
        ]
    );
}

#[test]
fn everything_is_checked_every_four_weeks_and_told_only_by_the_next_drill() {
    let (mut verify, mut now) = (fresh(), NOW);
    let _ = verify.opened(now);

    let (runs, replies) = run_for(&mut verify, &mut now, 5 * WEEK / MINUTE + 1);

    assert_eq!(runs.iter().filter(|it| **it == Scope::All).count(), 1);
    assert!(
        replies
            .iter()
            .all(|it| matches!(it, Reply::Verify(VerifyReply::Drill { .. })))
    );
    let Some(Reply::Verify(VerifyReply::Drill { last_pass, .. })) = replies.last() else {
        panic!("there was a drill")
    };
    assert_eq!(last_pass.unwrap().1, tally(20, 0));
}

#[test]
fn a_restart_forgets_no_date() {
    let mut now = NOW;
    let mut first = fresh();
    let record = saved(&first.opened(now), Record::default());
    let six_days = 6 * DAY / MINUTE;
    let (early, _) = run_for(&mut first, &mut now, six_days);

    let mut second = verify(record);
    let _ = second.opened(now);
    let (runs, _) = run_for(&mut second, &mut now, DAY / MINUTE + 1);

    assert_eq!((early, runs), (vec![], vec![Scope::Sample(SAMPLE)]));
}

#[test]
fn while_locked_the_drill_says_once_that_it_waits_and_runs_when_the_key_comes() {
    let (mut verify, mut now) = (fresh(), NOW);
    let _ = verify.opened(now);
    let _ = verify.locked();

    let (runs, replies) = run_for(&mut verify, &mut now, 2 * WEEK / MINUTE);
    let opened = verify.opened(now);

    assert!(runs.is_empty());
    assert_eq!(replies, [Reply::Verify(VerifyReply::DrillWaits)]);
    assert_eq!(begun(&opened).unwrap().1, Scope::Sample(SAMPLE));
}

#[test]
fn a_drill_that_the_lock_cuts_short_is_due_at_the_next_opening() {
    let mut now = NOW;
    let mut verify = fresh();
    let _ = verify.opened(now);
    now += WEEK;
    let (run, _) = begun(&verify.woke(now)).unwrap();

    let _ = verify.locked();
    let late = end(&mut verify, run, tally(3, 0), now);
    let again = begun(&verify.opened(now)).unwrap();

    assert!(late.is_empty());
    assert!(again.0 > run && again.1 == Scope::Sample(SAMPLE));
}

#[test]
fn verify_checks_all_says_how_far_it_is_and_ends_with_the_sum() {
    let mut verify = fresh();
    let _ = verify.opened(NOW);

    let asked = ask(&mut verify, Asked::All);
    let (run, scope) = begun(&asked).unwrap();
    let far = Tally {
        checked: 5,
        of: 9,
        bytes: 50,
        damaged: 0,
    };
    let _ = verify.heard(Heard::Progress { run, tally: far }, NOW);
    let again = ask(&mut verify, Asked::All);
    let done = end(&mut verify, run, tally(9, 0), NOW);

    assert_eq!(scope, Scope::All);
    assert_eq!(said(&asked), [Reply::Verify(VerifyReply::Begun)]);
    assert_eq!(said(&again), [Reply::Verify(VerifyReply::Progress(far))]);
    assert!(begun(&again).is_none());
    assert_eq!(
        said(&done),
        [Reply::Verify(VerifyReply::Whole(tally(9, 0)))]
    );
    assert_eq!(verify.facts().last_pass, Some((NOW, tally(9, 0))));
}

#[test]
fn a_check_of_all_goes_on_after_lock_crash_and_a_single_file_in_between() {
    let mut verify = fresh();
    let _ = verify.opened(NOW);
    let asked = ask(&mut verify, Asked::All);
    let record = saved(&asked, Record::default());

    let _ = verify.locked();
    let unlocked = begun(&verify.opened(NOW)).unwrap();
    let mut verify = self::verify(record);
    let restarted = begun(&verify.opened(NOW)).unwrap();
    let one = begun(&ask(&mut verify, Asked::One(7))).unwrap();
    let done = end(&mut verify, one.0, tally(1, 0), NOW);

    assert_eq!((unlocked.1, restarted.1), (Scope::All, Scope::All));
    assert_eq!(one.1, Scope::One(7));
    assert_eq!(begun(&done).unwrap().1, Scope::All);
    assert!(matches!(
        said(&done)[..],
        [Reply::Verify(VerifyReply::One { number: 7, .. })]
    ));
}

#[test]
fn verify_stop_ends_the_check_and_nothing_begins_it_again() {
    let mut verify = fresh();
    let _ = verify.opened(NOW);
    let _ = ask(&mut verify, Asked::All);

    let stopped = ask(&mut verify, Asked::Stop);
    let again = ask(&mut verify, Asked::Stop);
    let woke = verify.woke(NOW + MINUTE);

    assert!(stopped.contains(&Effect::Verify(Act::Stop)));
    assert_eq!(said(&again), [Reply::Verify(VerifyReply::NothingRuns)]);
    assert!(begun(&woke).is_none());
}

#[test]
fn while_locked_verify_looks_from_outside_and_checks_all_once_the_key_comes() {
    let mut verify = fresh();
    let seen = Outside {
        files: 3,
        ..Outside::default()
    };

    let all = ask(&mut verify, Asked::All);
    let twice = ask(&mut verify, Asked::All);
    let told = verify.heard(Heard::Outside(Some(seen.clone())), NOW);
    let one = ask(&mut verify, Asked::One(7));
    let opened = verify.opened(NOW);

    assert!(all.contains(&Effect::Verify(Act::LookOutside)));
    assert!(!twice.contains(&Effect::Verify(Act::LookOutside)));
    assert_eq!(
        said(&told),
        [Reply::Verify(VerifyReply::Outside(Some(seen)))]
    );
    assert_eq!(said(&one), [needs_key()]);
    assert_eq!(begun(&opened).unwrap().1, Scope::All);
}

#[test]
fn damage_is_named_at_once_then_in_batches_and_never_twice() {
    let mut verify = fresh();
    let _ = verify.opened(NOW);
    let damage = |verify: &mut Verify, numbers: &[u64], now| {
        let files = numbers.iter().map(|it| file(*it)).collect();
        let total = numbers.len() as u64;
        let more = 0;
        verify.heard(Heard::Damage { files, more, total }, now)
    };

    let first = damage(&mut verify, &[3], NOW);
    let second = damage(&mut verify, &[3, 5], NOW + 1);
    let third = damage(&mut verify, &[5, 8], NOW + 2);
    let early = verify.woke(NOW + 60);
    let late = verify.woke(NOW + TELL_PAUSE);

    let named = |numbers: &[u64]| {
        let files = numbers.iter().map(|it| file(*it)).collect();
        Reply::Verify(VerifyReply::Damage { files, more: 0 })
    };
    assert_eq!(said(&first), [named(&[3])]);
    let told = Act::Told {
        numbers: vec![3],
        all: false,
    };
    assert!(first.contains(&Effect::Verify(told)));
    assert!(said(&second).is_empty() && said(&third).is_empty() && said(&early).is_empty());
    assert_eq!(said(&late), [named(&[5, 8])]);
    assert_eq!(verify.facts().damaged, 2);
}

#[test]
fn a_failing_drive_is_told_once_and_tried_again_an_hour_later() {
    let mut verify = fresh();
    let _ = verify.opened(NOW);
    let (run, _) = begun(&ask(&mut verify, Asked::All)).unwrap();
    let failed = |run| Heard::Ended {
        run,
        tally: Tally::default(),
        whole: false,
    };

    let first = verify.heard(failed(run), NOW);
    let soon = verify.woke(NOW + MINUTE);
    let later = verify.woke(NOW + PAUSE + 1);

    assert_eq!(said(&first), [Reply::Verify(VerifyReply::Trouble)]);
    assert!(begun(&soon).is_none());
    assert_eq!(begun(&later).unwrap().1, Scope::All);
}

#[test]
fn a_number_that_names_no_entry_is_told() {
    let mut verify = fresh();
    let _ = verify.opened(NOW);
    let (run, _) = begun(&ask(&mut verify, Asked::One(9))).unwrap();
    let nothing = Tally {
        of: 1,
        ..Tally::default()
    };

    let done = end(&mut verify, run, nothing, NOW);

    assert_eq!(said(&done), [Reply::NoSuch { numbers: vec![9] }]);
}

/// Where the clock jumps to.
fn jump() -> impl Strategy<Value = i64> {
    prop_oneof![
        Just(0),
        Just(946_684_800),
        Just(NOW),
        Just(NOW + 10 * 52 * WEEK),
        Just(i64::MAX),
        NOW - WEEK..NOW + 30 * WEEK,
    ]
}

proptest! {
    #[test]
    fn no_clock_makes_a_storm_of_drills(
        story in proptest::collection::vec((jump(), 1..4_000_i64), 1..12)
    ) {
        let mut verify = fresh();
        let _ = verify.opened(NOW);
        let (mut minutes, mut drills) = (0, 0);
        for (to, quiet) in story {
            let mut now = to.saturating_sub(1_000_000);
            let (runs, _) = run_for(&mut verify, &mut now, quiet);
            minutes += quiet;
            drills += runs.iter().filter(|it| **it == Scope::Sample(SAMPLE)).count();
        }
        let days = usize::try_from(minutes * MINUTE / DAY).unwrap();
        prop_assert!(drills <= 1 + days, "{} drills in {} days", drills, days);

        // Once the clock is right again, drills come every week as before.
        let mut now = NOW + 60 * WEEK;
        let _ = run_for(&mut verify, &mut now, WEEK / MINUTE + DAY / MINUTE + 2);
        let (runs, _) = run_for(&mut verify, &mut now, 4 * WEEK / MINUTE);
        let drills = runs.iter().filter(|it| **it == Scope::Sample(SAMPLE)).count();
        prop_assert!((3..=4).contains(&drills), "{}", drills);
    }
}
