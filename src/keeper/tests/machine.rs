//! Restart, off, eject.

use super::*;
use crate::keeper::{
    machine::{self, Errand},
    notices,
    reply::MachineReply,
};

fn tell(keeper: &mut Keeper, number: u8, text: &str) -> Vec<Effect> {
    keeper.handle(Input::Told(told(number, text)), NOW)
}

fn said(effects: &[Effect]) -> Vec<MachineReply> {
    let said = says(effects).into_iter().filter_map(|reply| match reply {
        Reply::Machine(reply) => Some(reply),
        _ => None,
    });
    said.collect()
}

fn number(effects: &[Effect]) -> String {
    match said(effects).as_slice() {
        [MachineReply::Ask { number, .. }] => number.unwrap().to_string(),
        other => panic!("{other:?}"),
    }
}

fn saved(effects: &[Effect]) -> Option<notices::Record> {
    effects.iter().rev().find_map(|effect| match effect {
        Effect::SaveNotices(record) => Some(record.clone()),
        _ => None,
    })
}

#[test]
fn a_restart_needs_its_number_and_is_told_once_it_is_done() {
    let mut keeper = started(memory());
    let asks = tell(&mut keeper, 1, "restart");

    let confirmed = tell(&mut keeper, 2, &number(&asks));
    let record = saved(&confirmed).unwrap();
    let mut second = Keeper::new(memory()).with_notices(record);
    let back = second.handle(Input::Online, NOW + 5);
    let mut third = Keeper::new(memory()).with_notices(saved(&back).unwrap());
    let later = third.handle(Input::Online, NOW + 500);

    assert!(!asks.contains(&Effect::Machine(Errand::Restart)));
    assert!(confirmed.contains(&Effect::Machine(Errand::Restart)));
    assert_eq!(said(&back), [MachineReply::Back]);
    assert_eq!(said(&later), []);
}

#[test]
fn switching_off_locks_first_and_is_refused_where_nobody_can_do_it() {
    let mut keeper = started(memory());
    let refused = tell(&mut keeper, 1, "off");
    let mut able = started(memory()).set_up(Settings {
        switches_off: true,
        ..Settings::default()
    });
    let _ = open(&mut able);

    let asks = tell(&mut able, 1, "off");
    let confirmed = tell(&mut able, 2, &number(&asks));

    assert_eq!(said(&refused), [MachineReply::NoSwitch]);
    let at = |wanted: &Effect| confirmed.iter().position(|it| it == wanted);
    assert!(at(&Effect::Lock).unwrap() < at(&Effect::Machine(Errand::Off)).unwrap());
    assert_eq!(said(&confirmed), [MachineReply::SwitchingOff]);
    assert!(!able.is_open());
}

#[test]
fn starts_that_came_to_nothing_are_told_by_their_number() {
    let mut keeper = started(memory());

    let told = keeper.handle(Input::Machine(machine::Heard::Recovered { starts: 4 }), NOW);

    assert_eq!(said(&told), [MachineReply::Recovered { starts: 4 }]);
    assert!(says(&told)[0].text().contains("after 4 starts"));
}

#[test]
fn ejecting_locks_and_takes_nothing_in_until_the_drive_is_back() {
    let mut keeper = started(memory());
    let _ = open(&mut keeper);
    let ejected = Seen {
        trouble: Some(DriveTrouble::Ejected),
        free: None,
        reserve: 0,
    };

    let effects = tell(&mut keeper, 1, "eject");
    let _ = keeper.handle(Input::Drive(ejected), NOW);
    let done = keeper.handle(Input::Machine(machine::Heard::Ejected), NOW);
    let again = tell(&mut keeper, 2, "eject");
    let back = tell(&mut keeper, 3, "eject off");

    assert!(effects.contains(&Effect::Lock));
    assert!(effects.contains(&Effect::Machine(Errand::Eject)));
    assert_eq!(says(&effects), [], "not before it is true");
    assert_eq!(says(&done), [Reply::Machine(MachineReply::Ejected)]);
    assert_eq!(said(&again), [MachineReply::Ejected]);
    assert!(back.contains(&Effect::Machine(Errand::TakeBack)));
    assert!(keeper.waits_for_the_drive());
}
