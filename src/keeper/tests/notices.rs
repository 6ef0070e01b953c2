//! What is said without being asked, when, and that it can be switched off.

use super::*;
use crate::keeper::{
    notices,
    reply::{NoticeReply, VerifyReply},
    verify::{Heard, Tally},
};

const DAY: i64 = 86_400;
/// Midnight, UTC.
const MIDNIGHT: i64 = NOW - NOW % DAY;

fn tell(keeper: &mut Keeper, number: u8, text: &str) -> Vec<Effect> {
    keeper.handle(Input::Told(told(number, text)), MIDNIGHT)
}

fn said(effects: &[Effect]) -> Vec<NoticeReply> {
    let said = says(effects).into_iter().filter_map(|reply| match reply {
        Reply::Notice(reply) => Some(reply),
        _ => None,
    });
    said.collect()
}

fn saved(effects: &[Effect]) -> Option<notices::Record> {
    effects.iter().rev().find_map(|effect| match effect {
        Effect::SaveNotices(record) => Some(record.clone()),
        _ => None,
    })
}

fn drive(trouble: Option<DriveTrouble>) -> Input {
    Input::Drive(Seen {
        trouble,
        free: trouble.is_none().then_some(1 << 40),
        reserve: 1 << 30,
    })
}

/// Has the drive fail for longer than a moment.
fn drive_is_gone(keeper: &mut Keeper, at: i64) -> Vec<Effect> {
    let mut effects = keeper.handle(drive(Some(DriveTrouble::Missing)), at);
    effects.extend(keeper.handle(Input::Woke, at + 120));
    effects
}

#[test]
fn a_drive_in_trouble_is_told_once_and_that_it_is_well_again() {
    let mut keeper = started(memory());

    let moment = keeper.handle(drive(Some(DriveTrouble::Missing)), NOW);
    let lasts = keeper.handle(Input::Woke, NOW + 120);
    let restarted = saved(&lasts).unwrap();
    let mut keeper = started(memory()).with_notices(restarted);
    let again = drive_is_gone(&mut keeper, NOW + 300);
    let back = keeper.handle(drive(None), NOW + 600);

    assert_eq!(said(&moment), []);
    assert_eq!(said(&lasts), [NoticeReply::Drive(DriveTrouble::Missing)]);
    assert_eq!(said(&again), []);
    assert_eq!(said(&back), [NoticeReply::DriveBack]);
}

#[test]
fn quiet_hours_hold_notices_back_over_a_restart_and_let_alarms_and_answers_through() {
    let mut keeper = started(memory());
    keeper.set_local_time(2 * 3_600);
    let set = tell(&mut keeper, 1, "quiet 22-7");
    // 23:00 here.
    let night = MIDNIGHT + 21 * 3_600;

    let held = drive_is_gone(&mut keeper, night);
    let alarm = keeper.handle(Input::KeyDeviceGone, night + 200);
    let _ = open(&mut keeper);
    let alarm = [alarm, keeper.handle(Input::KeyDeviceGone, night + 300)].concat();
    let answer = keeper.handle(Input::Told(told(2, "help")), night + 400);
    let record = saved(&held).unwrap();
    let mut keeper = started(memory()).with_notices(record);
    keeper.set_local_time(2 * 3_600);
    let still = keeper.handle(Input::Woke, MIDNIGHT + DAY + 4 * 3_600);
    let morning = keeper.handle(Input::Woke, MIDNIGHT + DAY + 5 * 3_600);
    let later = keeper.handle(Input::Woke, MIDNIGHT + DAY + 5 * 3_600 + 60);

    assert_eq!(
        said(&set),
        [NoticeReply::Quiet {
            hours: Some((22, 7)),
            local: (2, 0)
        }]
    );
    assert_eq!(said(&held), []);
    assert!(says(&alarm).contains(&Reply::LockedByRemoval));
    assert_eq!(says(&answer), [Reply::Help]);
    assert_eq!(said(&still), []);
    let words = vec![Reply::Notice(NoticeReply::Drive(DriveTrouble::Missing)).text()];
    assert_eq!(said(&morning), [NoticeReply::Held { words, more: 0 }]);
    assert_eq!(said(&later), []);
}

#[test]
fn a_notice_that_is_switched_off_is_not_said_and_its_twin_is() {
    let mut off = started(memory());
    let _ = tell(&mut off, 1, "notices drive off");
    let mut on = started(memory());
    let _ = tell(&mut on, 1, "notices drive off");
    let _ = tell(&mut on, 2, "notices drive on");

    assert_eq!(said(&drive_is_gone(&mut off, NOW)), []);
    assert_eq!(said(&drive_is_gone(&mut on, NOW)).len(), 1);
}

#[test]
fn files_that_wait_for_the_key_are_told_of_after_a_day_and_once() {
    let mut keeper = started(memory());
    let _ = keeper.handle(Input::Told(photo(1)), NOW);
    let job = JobId([1; 32]);
    let _ = keeper.handle(
        Input::Vouched {
            job,
            mac: [0; 32],
            bytes: 5,
        },
        NOW,
    );
    let _ = keeper.handle(Input::Sealed { job }, NOW);

    let soon = keeper.handle(Input::Woke, NOW + 3_600);
    let day = keeper.handle(Input::Woke, NOW + DAY + 60);
    let after = keeper.handle(Input::Woke, NOW + 2 * DAY);

    assert_eq!(said(&soon), []);
    let way = WayIn::PutIn;
    assert_eq!(said(&day), [NoticeReply::Waiting { files: 1, way }]);
    assert_eq!(said(&after), []);
}

#[test]
fn the_weekly_report_counts_what_came_and_comes_with_the_drill() {
    let mut keeper = started(memory());
    let _ = open(&mut keeper);
    for number in 1..=3 {
        let _ = keeper.handle(Input::Told(photo(number)), NOW);
        let vouched = Input::Vouched {
            job: JobId([number; 32]),
            mac: [0; 32],
            bytes: 5,
        };
        let _ = keeper.handle(vouched, NOW);
    }
    let mut effects = Vec::new();
    for minute in 0..=7 * 24 * 60 {
        effects.extend(keeper.handle(Input::Woke, NOW + minute * 60));
    }
    let run = effects.iter().find_map(|effect| match effect {
        Effect::Verify(verify::Act::Begin { run, .. }) => Some(*run),
        _ => None,
    });
    let tally = Tally {
        checked: 3,
        of: 3,
        bytes: 15,
        damaged: 0,
    };

    let ended = Input::Verify(Heard::Ended {
        run: run.unwrap(),
        tally,
        whole: true,
    });
    let done = keeper.handle(ended, NOW + 7 * DAY + 60);

    assert_eq!(said(&effects), [], "it waits for the drill");
    let told = said(&done);
    let [NoticeReply::Weekly(report)] = told.as_slice() else {
        panic!("it comes with the drill");
    };
    assert_eq!((report.came, report.drill), ((3, 15), Some(tally)));
    let bare = says(&done)
        .into_iter()
        .any(|it| matches!(it, Reply::Verify(VerifyReply::Drill { .. })));
    assert!(!bare, "it is said once");
}
