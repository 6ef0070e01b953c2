//! Upgrades: a state of an earlier version is brought up, also where kill -9 cuts in, and the vault
//! that comes back is the one the phone knows.

use std::{fs, os::unix::process::ExitStatusExt as _, path::PathBuf};

use rusqlite::Connection;

use crate::{
    crash::share,
    home::{Home, VAULT, noise},
    journal::PATIENCE,
    phone::Phone,
    power::row,
    prosody::jid,
};

const FILE_BYTES: usize = 70_000;

/// The daemon's state, while no daemon runs.
fn state(home: &Home) -> Connection {
    vault::index::make_library_ready();
    let key = fs::read_to_string(home.system().join("state.key")).unwrap();
    let state = Connection::open(home.system().join("state.db")).unwrap();
    state
        .pragma_update(None, "key", format!("x'{}'", key.trim()))
        .unwrap();
    state
}

fn version(home: &Home) -> i64 {
    state(home)
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .unwrap()
}

/// Leaves the state as the program did before it had a client of its own and contacts.
fn take_back_to_80(home: &Home) {
    let state = state(home);
    let newer: i64 = state
        .query_row(
            "SELECT count(*) FROM job WHERE substr(bytes, -1) <> x'00'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(newer, 0, "no job of a client");
    state
        .execute_batch(
            "BEGIN;
             DROP TABLE contact_device; DROP TABLE contact_letter;
             DROP TABLE upload; DROP TABLE download; DROP TABLE unread_job;
             UPDATE job SET bytes = substr(bytes, 1, length(bytes) - 1) WHERE kind = 'intake';
             UPDATE job SET bytes = substr(bytes, 1, length(bytes) - 1);
             PRAGMA user_version = 80;
             COMMIT;",
        )
        .unwrap();
}

/// The vault's address with its device and fingerprint.
fn identity(home: &Home) -> String {
    let output = home
        .command()
        .args(["address", "--plain"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A home with a paired phone and one photo that waits for the key.
fn with_one_that_waits() -> (Home, Phone) {
    let mut home = Home::new();
    home.start();
    let mut phone = home.paired_phone();
    home.stop();
    home.take_key_away();
    home.start();
    share(&home, &mut phone, 1);
    phone.wait_reply("for the key");
    home.stop();
    (home, phone)
}

#[test]
fn killed_anywhere_in_a_migration_the_next_start_goes_on_with_the_same_vault() {
    let (mut home, mut phone) = with_one_that_waits();
    let before = identity(&home);
    let newest = version(&home);
    let points = [
        ("migration 100 made", 80),
        ("migration 100 kept", 100),
        ("migration 140 made", 100),
        ("migration 140 kept", 140),
        ("migration 150 made", 140),
        ("migration 150 kept", 150),
        ("migration 165 made", 150),
        ("migration 165 kept", 165),
    ];

    take_back_to_80(&home);
    for (point, left) in points {
        home.start_to_crash(point);
        let status = home.daemon.take().unwrap().wait_exit(PATIENCE);
        assert_eq!(status.signal(), Some(9), "at \"{point}\": {status}");
        assert_eq!(version(&home), left, "after \"{point}\"");
    }
    home.insert_key();
    home.start();

    let opened = phone.wait_reply("The vault is open.");
    assert!(
        opened.contains("1 file that waited is stored as #1"),
        "{opened}"
    );
    phone.send_text(&jid(VAULT), "get 1");
    assert_eq!(
        fs::read(phone.wait_file().path).unwrap(),
        noise(FILE_BYTES, 1)
    );
    phone.assert_no_message_key_was_used_twice();
    home.stop();
    assert_eq!(identity(&home), before);
    assert_eq!(version(&home), newest);
    row("F1 end to end: migration", points.len() as u64, "holds");
}

#[test]
fn a_job_that_does_not_read_is_told_once_and_the_vault_starts() {
    let (mut home, mut phone) = with_one_that_waits();
    let jobs = state(&home)
        .execute("UPDATE job SET bytes = substr(bytes, 1, 60)", [])
        .unwrap();
    assert_eq!(jobs, 1);

    home.insert_key();
    home.start();

    let told = phone.wait_reply("left 1 file on its way in");
    assert!(told.contains("send that again"), "{told}");
    // What was sealed is there, and nobody vouches for it any more.
    phone.send_text(&jid(VAULT), "unproven");
    let shown = phone.wait_reply("1 file of unproven origin");
    assert!(shown.contains("1.jpg"), "{shown}");
    home.stop();
    home.start();
    phone.send_text(&jid(VAULT), "status");
    phone.wait_reply("The vault is open:");
    home.stop();
    let left: i64 = state(&home)
        .query_row(
            "SELECT count(*) FROM note WHERE name = 'unread jobs'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(left, 0, "it is not told again");
}

#[test]
fn a_state_of_a_newer_version_is_refused_with_what_to_do_and_left_as_it_is() {
    let mut home = Home::new();
    home.start();
    let mut phone = home.paired_phone();
    home.stop();
    let newest = version(&home);
    state(&home)
        .pragma_update(None, "user_version", newest + 1)
        .unwrap();
    let file: PathBuf = home.system().join("state.db");
    let before = fs::read(&file).unwrap();

    let output = home.run("run");

    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(78), "{said}");
    assert!(said.contains("newer Strongroom"), "{said}");
    assert!(said.contains("install the newer one again"), "{said}");
    assert!(fs::read(&file).unwrap() == before);
    // The twin: with its own version it starts.
    state(&home)
        .pragma_update(None, "user_version", newest)
        .unwrap();
    home.start();
    phone.send_text(&jid(VAULT), "status");
    phone.wait_reply("The vault is open:");
    home.stop();
}
