//! Drawer, presence, memory only: what opens the vault, and what locks it.

use super::*;
use crate::keeper::{
    custody::{self, Mode, OpenedBy},
    reply::{NoticeReply, OpenFailure},
    unlock::{NEED_SECONDS, TRIES, TRIES_SECONDS},
};

const IDLE: i64 = 1_800;
const CODE: &str = "unlock ABCDE-12345";

fn rules(mode: Mode) -> Rules {
    Rules {
        mode,
        takes_codes: mode == Mode::MemoryOnly,
        idle_seconds: IDLE,
    }
}

fn keeper(mode: Mode) -> Keeper {
    let mut keeper = Keeper::new(memory()).under(rules(mode), Remembered::default());
    let _ = keeper.handle(Input::Online, NOW);
    keeper
}

/// What the next run begins with, when this one is killed now.
fn restarted(first: &mut Keeper, mode: Mode, deliveries: Vec<Delivery>, now: i64) -> Keeper {
    let remembered = first.remembered();
    let deliveries = Memory {
        deliveries,
        ..memory()
    };
    let mut second = Keeper::new(deliveries).under(rules(mode), remembered);
    let _ = second.handle(Input::Online, now);
    second
}

fn opened_and_key_out(keeper: &mut Keeper) {
    let _ = keeper.handle(Input::KeyDeviceGone, NOW);
    let _ = open(keeper);
    let _ = keeper.handle(Input::KeyDeviceGone, NOW + 5);
}

fn custody_says(effects: &[Effect]) -> Vec<CustodyReply> {
    let said = says(effects).into_iter().filter_map(|reply| match reply {
        Reply::Custody(reply) => Some(reply),
        _ => None,
    });
    said.collect()
}

fn saved_deliveries(effects: &[Effect]) -> Vec<Delivery> {
    let saved = effects.iter().filter_map(|effect| match effect {
        Effect::SaveDelivery(delivery) => Some(delivery.clone()),
        _ => None,
    });
    saved.collect()
}

/// Serves the one file that job `number` asked for, to its end.
fn serve(keeper: &mut Keeper, number: u8, now: i64) -> Vec<Effect> {
    let job = JobId([number; 32]);
    let answer = Answer::Picked {
        found: vec![7],
        missing: vec![],
    };
    let mut effects = keeper.handle(
        Input::Answered {
            job,
            answer,
            free: None,
        },
        now,
    );
    assert!(effects.contains(&Effect::Deliver(job, 7)));
    effects.extend(keeper.handle(
        Input::Uploaded {
            job,
            line: line(7),
            file: Uploaded::Link("l7".to_owned()),
        },
        now,
    ));
    effects
}

#[test]
fn in_drawer_mode_the_vault_stays_open_when_the_key_leaves() {
    let mut keeper = keeper(Mode::Drawer);
    let _ = keeper.handle(Input::KeyDeviceGone, NOW);

    let opened = open(&mut keeper);
    let pulled = keeper.handle(Input::KeyDeviceGone, NOW + 5);
    let listed = keeper.handle(Input::Told(told(1, "list")), NOW + 6);

    let idle_seconds = IDLE;
    assert_eq!(
        custody_says(&opened),
        [CustodyReply::MayTakeOut { idle_seconds }]
    );
    assert!(pulled.is_empty() && keeper.is_open());
    assert!(listed.iter().any(|it| matches!(it, Effect::Ask(..))));
}

#[test]
fn in_presence_mode_the_same_pull_locks_at_once() {
    let mut keeper = keeper(Mode::Presence);
    let _ = open(&mut keeper);

    let pulled = keeper.handle(Input::KeyDeviceGone, NOW + 5);

    assert!(pulled.first() == Some(&Effect::Lock) && !keeper.is_open());
}

#[test]
fn an_open_vault_locks_itself_after_the_idle_time_and_every_command_delays_that() {
    let mut keeper = keeper(Mode::Drawer);
    opened_and_key_out(&mut keeper);
    assert_eq!(keeper.next_tick(), Some(NOW + IDLE));
    let _ = keeper.handle(Input::Told(told(1, "help")), NOW + 100);

    let before = keeper.handle(Input::Woke, NOW + 100 + IDLE - 1);
    let after = keeper.handle(Input::Woke, NOW + 100 + IDLE);

    assert!(before.is_empty());
    assert!(after.contains(&Effect::Lock) && !keeper.is_open());
    let (seconds, way) = (IDLE, WayIn::PutIn);
    assert_eq!(
        custody_says(&after),
        [CustodyReply::LockedByIdle { seconds, way }]
    );
    assert!(keeper.handle(Input::KeyDeviceCame, NOW + 3_000) == [Effect::Open]);
}

#[test]
fn a_wall_clock_that_jumps_neither_locks_nor_keeps_open() {
    let mut keeper = keeper(Mode::Drawer);
    let at = |wall, steady| Moment { wall, steady };
    let _ = keeper.handle(Input::KeyDeviceCame, at(NOW, 0));
    let _ = keeper.handle(Input::VaultOpened, at(NOW, 0));

    let ahead = keeper.handle(Input::Woke, at(NOW + 86_400 * 3_650, 60));
    let behind = keeper.handle(Input::Woke, at(0, IDLE - 1));
    let due = keeper.handle(Input::Woke, at(0, IDLE));

    // A check of the drive may well be due by the date.
    assert!(!ahead.contains(&Effect::Lock) && !behind.contains(&Effect::Lock));
    assert!(due.contains(&Effect::Lock));
}

#[test]
fn a_delivery_that_takes_longer_than_the_idle_time_is_not_cut() {
    let mut keeper = keeper(Mode::Drawer);
    opened_and_key_out(&mut keeper);
    let _ = keeper.handle(Input::Told(told(1, "get 7")), NOW + 10);
    let job = JobId([1; 32]);
    let answer = Answer::Picked {
        found: vec![7],
        missing: vec![],
    };
    let free = None;
    let _ = keeper.handle(Input::Answered { job, answer, free }, NOW + 11);

    let meanwhile = keeper.handle(Input::Woke, NOW + 3 * IDLE);
    let line = line(7);
    let file = Uploaded::Link("l7".to_owned());
    let _ = keeper.handle(Input::Uploaded { job, line, file }, NOW + 4 * IDLE);
    let soon_after = keeper.handle(Input::Woke, NOW + 5 * IDLE - 1);
    let idle = keeper.handle(Input::Woke, NOW + 5 * IDLE);

    assert!(meanwhile.is_empty() && soon_after.is_empty());
    assert!(idle.contains(&Effect::Lock));
}

#[test]
fn after_an_idle_lock_a_key_that_stayed_in_does_not_open_the_vault_not_even_after_a_restart() {
    let mut keeper = keeper(Mode::Drawer);
    let _ = open(&mut keeper);

    let locked = keeper.handle(Input::Woke, NOW + IDLE);

    assert!(locked.contains(&Effect::SaveLockedByOwner(true)));
    let way = WayIn::PutInAgain;
    let seconds = IDLE;
    assert_eq!(
        custody_says(&locked),
        [CustodyReply::LockedByIdle { seconds, way }]
    );
    assert!(keeper.handle(Input::KeyDeviceCame, NOW + IDLE).is_empty());
    let held = Memory {
        locked_by_owner: true,
        ..memory()
    };
    let mut second = Keeper::new(held).under(rules(Mode::Drawer), keeper.remembered());
    assert!(second.handle(Input::KeyDeviceCame, NOW + IDLE).is_empty());
}

#[test]
fn lock_in_drawer_mode_with_the_key_out_opens_again_by_putting_it_in() {
    let mut keeper = keeper(Mode::Drawer);
    opened_and_key_out(&mut keeper);

    let locked = keeper.handle(Input::Told(told(1, "lock")), NOW + 10);

    assert!(locked.contains(&Effect::Lock));
    assert!(!locked.contains(&Effect::SaveLockedByOwner(true)));
    assert_eq!(says(&locked), [Reply::LockedByCommand(WayIn::PutIn)]);
    assert!(keeper.handle(Input::KeyDeviceCame, NOW + 11) == [Effect::Open]);
}

#[test]
fn what_was_asked_for_while_locked_is_served_when_the_key_comes_and_then_it_locks_again() {
    for mode in [Mode::Drawer, Mode::Presence] {
        let mut keeper = keeper(mode);
        let _ = keeper.handle(Input::KeyDeviceGone, NOW);

        let first = keeper.handle(Input::Told(told(1, "get 7")), NOW + 1);
        let second = keeper.handle(Input::Told(told(2, "get 7")), NOW + 2);
        let opening = keeper.handle(Input::KeyDeviceCame, NOW + NEED_SECONDS);
        let opened = keeper.handle(Input::VaultOpened, NOW + NEED_SECONDS + 5);
        let sent = serve(&mut keeper, 1, NOW + NEED_SECONDS + 6);
        assert!(keeper.is_open(), "one more is wanted");
        let all_sent = serve(&mut keeper, 2, NOW + NEED_SECONDS + 7);

        let (waiting, way) = (0, WayIn::PutIn);
        let asks = [CustodyReply::PutKeyIn { waiting, way }];
        assert_eq!(
            (custody_says(&first), custody_says(&second)),
            (asks.to_vec(), asks.to_vec())
        );
        assert!(opening == [Effect::Open]);
        let asked = opened
            .iter()
            .filter(|it| matches!(it, Effect::Ask(..)))
            .count();
        assert_eq!(asked, 2);
        assert!(!sent.contains(&Effect::Lock));
        assert!(all_sent.contains(&Effect::Lock) && !keeper.is_open());
        assert_eq!(
            custody_says(&all_sent),
            [CustodyReply::LockedAfterErrand(WayIn::PutInAgain)]
        );
        // The key is still in: it was put in for this and not to leave the vault open.
        assert!(keeper.handle(Input::KeyDeviceCame, NOW + 900).is_empty());
    }
}

#[test]
fn a_key_that_does_not_come_in_time_ends_the_wait_with_words() {
    let mut keeper = keeper(Mode::Drawer);
    let _ = keeper.handle(Input::KeyDeviceGone, NOW);
    let _ = keeper.handle(Input::Told(told(1, "get 7")), NOW);
    let _ = keeper.handle(Input::Told(told(2, "get 8")), NOW);
    assert_eq!(keeper.next_tick(), Some(NOW + NEED_SECONDS));

    let before = keeper.handle(Input::Woke, NOW + NEED_SECONDS - 1);
    let after = keeper.handle(Input::Woke, NOW + NEED_SECONDS);
    let _ = keeper.handle(Input::KeyDeviceCame, NOW + NEED_SECONDS + 1);
    let late = keeper.handle(Input::VaultOpened, NOW + NEED_SECONDS + 2);

    assert!(before.is_empty());
    assert_eq!(custody_says(&after), [CustodyReply::NeedOver(WayIn::PutIn)]);
    for number in [1, 2] {
        assert!(after.contains(&Effect::Close(JobId([number; 32]))));
    }
    assert!(!late.iter().any(|it| matches!(it, Effect::Ask(..))));
    assert!(keeper.is_open());
}

#[test]
fn what_was_asked_for_while_locked_outlives_a_restart_with_its_end() {
    let mut first = keeper(Mode::Drawer);
    let asked = first.handle(Input::Told(told(1, "get 7")), NOW);
    let jobs = saved_deliveries(&asked);

    let mut second = restarted(&mut first, Mode::Drawer, jobs.clone(), NOW + 300);
    let _ = second.handle(Input::KeyDeviceGone, NOW + 300);
    assert_eq!(second.next_tick(), Some(NOW + NEED_SECONDS));
    let _ = second.handle(Input::KeyDeviceCame, NOW + 400);
    let opened = second.handle(Input::VaultOpened, NOW + 401);
    let mut third = restarted(&mut first, Mode::Drawer, jobs, NOW + 86_400);
    let over = third.handle(Input::KeyDeviceGone, NOW + 86_400);

    assert!(opened.iter().any(|it| matches!(it, Effect::Ask(..))));
    assert!(serve(&mut second, 1, NOW + 402).contains(&Effect::Lock));
    assert!(third.next_tick().is_none() && over.is_empty());
}

#[test]
fn a_restart_in_the_middle_of_an_errand_still_locks_after_it() {
    let mut first = keeper(Mode::Drawer);
    let asked = first.handle(Input::Told(told(1, "get 7")), NOW);
    let _ = first.handle(Input::KeyDeviceCame, NOW + 1);
    let _ = first.handle(Input::VaultOpened, NOW + 2);

    let jobs = saved_deliveries(&asked);
    let mut second = restarted(&mut first, Mode::Drawer, jobs, NOW + 3);
    let _ = second.handle(Input::KeyDeviceCame, NOW + 3);
    let _ = second.handle(Input::VaultOpened, NOW + 4);

    assert!(serve(&mut second, 1, NOW + 5).contains(&Effect::Lock));
}

#[test]
fn the_wrong_key_does_not_end_the_wait_for_the_right_one() {
    let mut keeper = keeper(Mode::Drawer);
    let _ = keeper.handle(Input::Told(told(1, "get 7")), NOW);
    let _ = keeper.handle(Input::KeyDeviceCame, NOW + 1);
    let wrong = keeper.handle(Input::VaultNotOpened(OpenFailure::WrongKey), NOW + 2);
    let _ = keeper.handle(Input::KeyDeviceGone, NOW + 3);
    let _ = keeper.handle(Input::KeyDeviceCame, NOW + 4);
    let _ = keeper.handle(Input::VaultOpened, NOW + 5);

    assert_eq!(says(&wrong), [Reply::NotOpened(OpenFailure::WrongKey)]);
    assert!(serve(&mut keeper, 1, NOW + 6).contains(&Effect::Lock));
}

#[test]
fn in_memory_only_mode_a_code_opens_and_the_key_device_does_not() {
    let mut keeper = keeper(Mode::MemoryOnly);

    let stick = keeper.handle(Input::KeyDeviceCame, NOW);
    let tried = keeper.handle(Input::Told(told(1, CODE)), NOW + 1);
    let code = keeper.take_code().unwrap();
    let opened = keeper.handle(Input::VaultOpened, NOW + 2);

    assert!(stick.is_empty());
    assert!(tried.contains(&Effect::OpenByCode));
    assert_eq!(code.expose_to_vault_process(), "ABCDE12345");
    assert!(keeper.take_code().is_none());
    assert_eq!(custody_says(&opened), [CustodyReply::CodeInHistory]);
    assert_eq!(keeper.remembered().tries_used, 0);
}

#[test]
fn a_code_leaves_no_trace_in_what_is_saved_or_said() {
    let mut keeper = keeper(Mode::MemoryOnly);

    let effects = keeper.handle(Input::Told(told(1, CODE)), NOW);

    assert!(
        effects
            .iter()
            .all(|it| matches!(it, Effect::Receipt(_) | Effect::OpenByCode))
    );
}

#[test]
fn five_wrong_codes_an_hour_are_tried_and_a_restart_does_not_help() {
    let mut keeper = keeper(Mode::MemoryOnly);
    let mut left = Vec::new();
    for _ in 0..TRIES {
        let tried = keeper.handle(Input::Told(told(1, CODE)), NOW);
        assert!(tried.contains(&Effect::OpenByCode));
        assert!(keeper.has_to_remember(), "counted before it is tried");
        let _ = keeper.to_remember();
        let wrong = keeper.handle(Input::VaultNotOpened(OpenFailure::WrongKey), NOW);
        left.extend(custody_says(&wrong));
    }

    let sixth = keeper.handle(Input::Told(told(1, CODE)), NOW + TRIES_SECONDS - 60);
    let mut second = restarted(&mut keeper, Mode::MemoryOnly, vec![], NOW + 60);
    let after_restart = second.handle(Input::Told(told(2, CODE)), NOW + TRIES_SECONDS);
    let after_the_hour = second.handle(Input::Told(told(3, CODE)), NOW + 60 + TRIES_SECONDS);

    let again_at = NOW + TRIES_SECONDS;
    let lefts: Vec<CustodyReply> = (0..TRIES)
        .rev()
        .map(|left| CustodyReply::WrongCode { left, again_at })
        .collect();
    assert_eq!(left, lefts);
    assert_eq!(
        custody_says(&sixth),
        [CustodyReply::NoTriesLeft { again_at }]
    );
    assert!(!sixth.contains(&Effect::OpenByCode));
    assert!(!after_restart.contains(&Effect::OpenByCode));
    assert!(after_the_hour.contains(&Effect::OpenByCode));
}

#[test]
fn a_drive_that_is_away_costs_no_try_and_what_is_no_code_neither() {
    let mut keeper = keeper(Mode::MemoryOnly);
    let no_code = keeper.handle(Input::Told(told(1, "unlock sesame")), NOW);
    let _ = keeper.handle(Input::Told(told(2, CODE)), NOW);
    let failed = keeper.handle(Input::VaultNotOpened(OpenFailure::NoVault), NOW);

    assert_eq!(custody_says(&no_code), [CustodyReply::WhichCode]);
    assert_eq!(says(&failed), [Reply::NotOpened(OpenFailure::NoVault)]);
    assert_eq!(keeper.remembered().tries_used, 0);
}

#[test]
fn where_a_key_device_opens_the_vault_no_code_is_tried() {
    for mode in [Mode::Drawer, Mode::Presence] {
        let mut keeper = keeper(mode);

        let effects = keeper.handle(Input::Told(told(1, CODE)), NOW);

        assert_eq!(
            custody_says(&effects),
            [CustodyReply::NoCodeHere(WayIn::PutIn)]
        );
        assert!(keeper.take_code().is_none());
    }
}

#[test]
fn a_get_in_memory_only_mode_is_served_by_the_code_and_locks_again() {
    let mut keeper = keeper(Mode::MemoryOnly);
    let asked = keeper.handle(Input::Told(told(1, "get 7")), NOW);
    let _ = keeper.handle(Input::Told(told(2, CODE)), NOW + 1);
    let _ = keeper.handle(Input::VaultOpened, NOW + 2);

    let sent = serve(&mut keeper, 1, NOW + 3);

    let (waiting, way) = (0, WayIn::SendCode);
    assert_eq!(
        custody_says(&asked),
        [CustodyReply::PutKeyIn { waiting, way }]
    );
    assert!(sent.contains(&Effect::Lock));
}

#[test]
fn words_at_the_console_open_every_mode_and_pulling_a_key_does_not_lock_then() {
    for mode in [Mode::Drawer, Mode::Presence, Mode::MemoryOnly] {
        let mut keeper = keeper(mode);
        let _ = keeper.handle(Input::KeyDeviceGone, NOW);

        let asked = keeper.handle(Input::ConsoleUnlock, NOW);
        let _ = keeper.handle(Input::VaultOpened, NOW);
        let _ = keeper.handle(Input::KeyDeviceCame, NOW + 1);
        let _ = keeper.handle(Input::KeyDeviceGone, NOW + 2);

        assert!(asked == [Effect::OpenByConsole]);
        assert!(keeper.is_open());
        assert_eq!(keeper.custody.opened_by(), Some(OpenedBy::Console));
        assert_eq!(keeper.next_tick(), Some(NOW + IDLE));
        assert!(keeper.handle(Input::ConsoleUnlock, NOW + 3).is_empty());
    }
}

#[test]
fn recovery_words_in_the_chat_are_not_obeyed_and_the_owner_is_warned() {
    let mut keeper = keeper(Mode::MemoryOnly);
    let words = "void come effort suffer camp survey warrior heavy shoot primary clutch crush \
                 open amazing screen patrol group space point ten exist slush involve unfold";

    let plain = keeper.handle(Input::Told(told(1, words)), NOW);
    let found = keeper.handle(Input::Told(told(2, &format!("find {words}"))), NOW);

    for effects in [plain, found] {
        assert_eq!(custody_says(&effects), [CustodyReply::WordsExposed]);
        assert!(saved_deliveries(&effects).is_empty());
    }
}

#[test]
fn what_is_remembered_outlives_a_restart() {
    let mut first = keeper(Mode::Drawer);
    let _ = first.handle(Input::KeyDeviceCame, NOW + 1);
    let plain = || Input::ToldPlain {
        jid: OWNER.to_owned(),
    };
    let _ = first.handle(plain(), NOW + 2);
    let _ = first.handle(Input::VaultNotOpened(OpenFailure::Trouble), NOW + 3);

    let mut second = restarted(&mut first, Mode::Drawer, vec![], NOW + 3_600);
    let again = second.handle(plain(), NOW + 3_601);
    let _ = second.handle(Input::KeyDeviceCame, NOW + 3_601);

    assert!(again.is_empty());
    assert_eq!(
        second.remembered().custody,
        custody::Record {
            locked_since: Some(NOW + 3),
            key_in_since: Some(NOW + 1),
            restarts: 0,
        }
    );
}

#[test]
fn a_vault_process_that_keeps_ending_is_not_started_again_by_restarting_the_daemon() {
    let mut first = keeper(Mode::Presence);
    let _ = open(&mut first);
    for _ in 0..2 {
        let _ = first.handle(Input::VaultEnded, NOW);
        let _ = first.handle(Input::VaultOpened, NOW);
    }

    let mut second = restarted(&mut first, Mode::Presence, vec![], NOW);
    let _ = open(&mut second);
    let ended = second.handle(Input::VaultEnded, NOW);

    assert!(!ended.contains(&Effect::Open));
}

#[test]
fn one_way_in_is_warned_of_once_a_week_until_there_is_a_spare() {
    let mut keeper = keeper(Mode::Drawer);
    let _ = keeper.handle(Input::SpareKnown(false), NOW);
    let week = 7 * 86_400;

    let first = keeper.handle(Input::Woke, NOW + week);
    let same_day = keeper.handle(Input::Woke, NOW + week + 86_400);
    let mut second = restarted(&mut keeper, Mode::Drawer, vec![], NOW + 2 * week - 1);
    let in_second = second.handle(Input::Woke, NOW + 2 * week);
    let _ = second.handle(Input::SpareKnown(true), NOW + 2 * week);
    let with_spare = second.handle(Input::Woke, NOW + 4 * week);

    let warned = |effects: &[Effect]| {
        let reports = says(effects).into_iter().map(|reply| match reply {
            Reply::Notice(NoticeReply::Weekly(report)) => report.one_way_in,
            other => panic!("{other:?}"),
        });
        reports.collect::<Vec<_>>()
    };
    assert_eq!(warned(&first), [Some(Mode::Drawer)]);
    assert_eq!(warned(&in_second), [Some(Mode::Drawer)]);
    assert_eq!(warned(&same_day), []);
    assert_eq!(warned(&with_spare), [None]);
}
