//! kill -9 at every durable step, in and out, locked and open: after a restart nothing that was
//! acknowledged is lost, nothing is stored twice, and no message key is used twice.

use std::{fs, os::unix::process::ExitStatusExt as _};

use crate::{
    home::{Home, VAULT, noise},
    journal::PATIENCE,
    phone::Phone,
    power::row,
    prosody::jid,
};

const KILLED: i32 = 9;
const FILE_BYTES: usize = 70_000;

/// Starts a daemon that will kill itself at `point`, has `act` bring it there, and waits for the
/// end.
fn crash_at(home: &mut Home, point: &str, act: impl FnOnce(&mut Home)) {
    home.start_to_crash(point);
    act(home);
    let status = home.daemon.take().unwrap().wait_exit(PATIENCE);
    assert_eq!(status.signal(), Some(KILLED), "at \"{point}\": {status}");
}

pub(crate) fn share(home: &Home, phone: &mut Phone, number: u64) {
    let path = home.path("to-share.bin");
    fs::write(&path, noise(FILE_BYTES, number)).unwrap();
    phone.send_file(&jid(VAULT), &path, &format!("{number}.jpg"));
}

/// Checks that exactly the files 1 to `count` are kept, once each, and come back equal.
pub(crate) fn assert_all_kept(home: &Home, phone: &mut Phone, count: u64) {
    phone.send_text(&jid(VAULT), "status");
    let status = phone.wait_reply("The vault is open:");
    let files = if count == 1 {
        "1 file,".to_owned()
    } else {
        format!("{count} files,")
    };
    assert!(status.contains(&files), "{status}");
    assert_eq!(home.blobs().len() as u64, count, "blobs on the drive");
    let mut wanted: Vec<Vec<u8>> = (1..=count)
        .map(|number| noise(FILE_BYTES, number))
        .collect();
    for number in 1..=count {
        phone.send_text(&jid(VAULT), &format!("get {number}"));
        let file = fs::read(phone.wait_file().path).unwrap();
        let at = wanted.iter().position(|it| *it == file);
        wanted.remove(at.unwrap_or_else(|| panic!("#{number} is none of the files sent")));
    }
    phone.assert_no_message_key_was_used_twice();
}

#[test]
fn a_crash_at_any_step_of_an_intake_loses_nothing_and_doubles_nothing() {
    let mut home = Home::new();
    home.start();
    let mut phone = home.paired_phone();
    home.stop();
    let points = [
        "message saved",
        "tag held",
        "vouched",
        "blob durable",
        "job closed",
        "letter acknowledged",
    ];

    for (number, point) in (1..).zip(points) {
        crash_at(&mut home, point, |home| share(home, &mut phone, number));
        home.start();
        phone.wait_reply(&format!("{number}.jpg, 70.0 kB, stored"));
        home.stop();
    }

    home.start();
    assert_all_kept(&home, &mut phone, points.len() as u64);
    row("F1 end to end: intake", points.len() as u64, "holds");
}

#[test]
fn a_crash_at_any_step_of_an_intake_while_locked_loses_nothing_and_doubles_nothing() {
    let mut home = Home::new();
    home.start();
    let mut phone = home.paired_phone();
    home.stop();
    home.take_key_away();
    let points = [
        "message saved",
        "tag held",
        "vouched",
        "blob durable",
        "intake saved",
        "letter acknowledged",
    ];

    for (number, point) in (1..).zip(points) {
        crash_at(&mut home, point, |home| share(home, &mut phone, number));
        home.start();
        let waits = if number == 1 {
            "1 file waits".into()
        } else {
            format!("{number} files wait")
        };
        phone.wait_reply(&waits);
        home.stop();
    }

    home.insert_key();
    home.start();
    let opened = phone.wait_reply("The vault is open.");
    assert!(
        opened.contains("6 files that waited are stored as #1-#6"),
        "{opened}"
    );
    assert_all_kept(&home, &mut phone, points.len() as u64);
    row(
        "F1 end to end: intake while locked",
        points.len() as u64,
        "holds",
    );
}

#[test]
fn a_crash_during_adoption_loses_nothing_and_doubles_nothing() {
    let mut home = Home::new();
    home.start();
    let mut phone = home.paired_phone();
    home.stop();
    home.take_key_away();
    home.start();
    for number in 1..=3 {
        share(&home, &mut phone, number);
        phone.wait_reply("for the key");
    }
    home.stop();

    for point in ["intake saved", "job closed"] {
        crash_at(&mut home, point, |home| home.insert_key());
        home.take_key_away();
    }

    home.insert_key();
    home.start();
    phone.wait_reply("The vault is open.");
    assert_all_kept(&home, &mut phone, 3);
    row("F1 end to end: adoption", 2, "holds");
}

#[test]
fn a_vault_process_that_is_killed_while_it_adopts_costs_nothing() {
    let mut home = Home::new();
    home.start();
    let mut phone = home.paired_phone();
    home.stop();
    home.start_to_crash("adopted");
    share(&home, &mut phone, 1);
    phone.wait_reply("locked itself after a fault");
    home.stop();

    home.start();
    phone.wait_reply("The vault is open.");

    assert_all_kept(&home, &mut phone, 1);
}

#[test]
fn a_crash_at_any_step_of_a_delivery_still_brings_the_file() {
    let mut home = Home::new();
    home.start();
    let mut phone = home.paired_phone();
    share(&home, &mut phone, 1);
    phone.wait_reply("stored");
    home.stop();

    for point in [
        "message saved",
        "delivery saved",
        "uploaded",
        "job closed",
        "letter acknowledged",
    ] {
        crash_at(&mut home, point, |_| {
            phone.send_text(&jid(VAULT), "get 1");
        });
        home.start();
        let file = fs::read(phone.wait_file().path).unwrap();
        assert!(file == noise(FILE_BYTES, 1), "after \"{point}\"");
        home.stop();
    }

    home.start();
    assert_all_kept(&home, &mut phone, 1);
    row("F1 end to end: delivery", 5, "holds");
}
