//! Damage on the drive is found, named and set aside; what is whole is said to be; and the same
//! from the command line.

use std::{fs, path::PathBuf, process::Output};

use crate::{
    home::{Home, VAULT, files, noise},
    phone::Phone,
    prosody::jid,
};

/// Bytes of each file: three chunks and a part.
const FILE_BYTES: usize = 55_000;

/// Stores files one after the other; returns the blob of each.
fn store(home: &Home, phone: &mut Phone, names: &[&str]) -> Vec<PathBuf> {
    let path = home.path("to-share.bin");
    let mut blobs: Vec<PathBuf> = Vec::new();
    for (seed, name) in (1..).zip(names) {
        fs::write(&path, noise(FILE_BYTES, seed)).unwrap();
        phone.send_file(&jid(VAULT), &path, name);
        phone.wait_reply(&format!("#{seed} "));
        let new = home.blobs().into_iter().find(|it| !blobs.contains(it));
        blobs.push(new.unwrap());
    }
    blobs
}

fn ask(phone: &mut Phone, question: &str, answer: &str) -> String {
    phone.send_text(&jid(VAULT), question);
    phone.wait_reply(answer)
}

fn flip(blob: &PathBuf, at: usize) -> Vec<u8> {
    let mut bytes = fs::read(blob).unwrap();
    bytes[at] ^= 1;
    fs::write(blob, &bytes).unwrap();
    bytes
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn a_damaged_blob_is_named_by_chat_and_lies_in_quarantine_and_the_others_hold() {
    let mut home = Home::new();
    home.start();
    let mut phone = home.paired_phone();
    let blobs = store(&home, &mut phone, &["one.jpg", "two.jpg", "three.jpg"]);

    // The honest twin: an undamaged vault reports no damage.
    ask(&mut phone, "verify", "I check every file");
    let clean = phone.wait_reply("Full check done");
    assert_eq!(
        clean,
        "Full check done: all 3 files hold in every byte, 165.0 kB."
    );
    assert_eq!(
        ask(&mut phone, "verify 2", "#2 holds"),
        "#2 holds in every byte, 55.0 kB."
    );
    let sample = ask(&mut phone, "verify sample", "Sample:");
    assert_eq!(sample, "Sample: 3 of 3 files open, 165.0 kB.");

    let damaged = flip(&blobs[1], 30_000);
    ask(&mut phone, "verify", "I check every file");
    let named = phone.wait_reply("⚠");
    assert!(
        named.starts_with("⚠ #2 two.jpg is damaged; what is left of it is in the quarantine"),
        "{named}"
    );
    assert!(!named.contains("one.jpg") && !named.contains("three.jpg"));
    let sum = phone.wait_reply("Full check done");
    assert_eq!(
        sum,
        "Full check done: 2 of 3 files hold, 110.0 kB; 1 damaged or missing. I deleted nothing."
    );

    let aside = files(&home.vault().join("quarantine"));
    assert_eq!(aside.len(), 1);
    assert!(fs::read(&aside[0]).unwrap() == damaged, "byte for byte");
    let left = [blobs[0].clone(), blobs[2].clone()];
    assert!(home.blobs().iter().all(|it| left.contains(it)));
    let status = ask(&mut phone, "status", "The vault is");
    assert!(status.contains("\nDamaged: 1 file."), "{status}");
    phone.send_text(&jid(VAULT), "get 1");
    phone.wait_reply("#1 ");
    assert!(fs::read(phone.wait_file().path).unwrap() == noise(FILE_BYTES, 1));
    ask(&mut phone, "get 2", "#2 does not open");

    // Put back whole, it is found to hold again.
    fs::write(&blobs[1], {
        let mut whole = damaged;
        whole[30_000] ^= 1;
        whole
    })
    .unwrap();
    ask(&mut phone, "verify 2", "#2 holds");
    let status = ask(&mut phone, "status", "The vault is");
    assert!(!status.contains("Damaged"), "{status}");

    home.pull_key();
    phone.wait_reply("The key is gone");
    fs::write(&blobs[0], b"cut").unwrap();
    let outside = ask(&mut phone, "verify", "Locked: I checked");
    assert!(outside.contains(" 1 is cut, altered or not"), "{outside}");
    assert!(outside.contains("3 files,"), "{outside}");
    home.insert_key();
    let named = phone.wait_reply("⚠");
    assert!(named.starts_with("⚠ #1 one.jpg is damaged"), "{named}");
}

#[test]
fn the_command_line_checks_a_vault_that_the_daemon_leaves_alone() {
    let mut home = Home::new();
    home.start();
    let mut phone = home.paired_phone();
    let blobs = store(&home, &mut phone, &["one.jpg", "two.jpg"]);
    let verify = |home: &Home, options: &[&str]| {
        let output = home.command().arg("verify").args(options).output().unwrap();
        (output.status.code(), said(&output))
    };

    let running = verify(&home, &[]);
    home.stop();
    let clean = verify(&home, &[]);
    let sample = verify(&home, &["--sample", "1"]);
    flip(&blobs[0], 20_000);
    let other = verify(&home, &["--number", "2"]);
    let damaged = verify(&home, &[]);

    assert_eq!(running, (Some(3), String::new()));
    let sum = "2 of 2 files hold in every byte, 110000 bytes in all.\n";
    assert_eq!(clean, (Some(0), sum.to_owned()));
    let one = "1 of 1 files hold in every byte, 55000 bytes in all.\n";
    assert_eq!(sample, (Some(0), one.to_owned()));
    assert_eq!(other, (Some(0), one.to_owned()));
    assert_eq!(damaged.0, Some(1));
    assert!(
        damaged.1.starts_with("#1 one.jpg: damaged; "),
        "{}",
        damaged.1
    );
    assert_eq!(files(&home.vault().join("quarantine")).len(), 1);
    // What was found without the daemon is told by it.
    home.start();
    let named = phone.wait_reply("⚠");
    assert!(named.starts_with("⚠ #1 one.jpg is damaged"), "{named}");
}

/// Files of the check that is killed: at the slowest pace about a second each.
const SLOW_FILES: u64 = 14;

/// Waits until a check of everything has said, and so saved, that it is past this many files.
fn wait_checked(phone: &mut Phone, past: u64) -> u64 {
    loop {
        let told = ask(
            phone,
            "verify",
            &format!(" of {SLOW_FILES} files checked so far"),
        );
        let checked: u64 = told.split(' ').next().unwrap().parse().unwrap();
        if checked > past {
            return checked;
        }
    }
}

#[test]
fn a_check_that_is_killed_goes_on_where_it_was_and_a_listing_marks_what_it_found() {
    let mut home = Home::new();
    home.change_settings("bytes_per_second = 16777216", "bytes_per_second = 65536");
    home.start();
    let mut phone = home.paired_phone();
    let names: Vec<String> = (1..=SLOW_FILES).map(|it| format!("{it}.jpg")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let blobs = store(&home, &mut phone, &names);
    flip(&blobs[1], 30_000);

    ask(&mut phone, "verify", "I check every file");
    let named = phone.wait_reply("⚠");
    assert!(named.starts_with("⚠ #2 2.jpg is damaged"), "{named}");
    let before = wait_checked(&mut phone, 2);
    assert!(before < SLOW_FILES, "{before}: it was to be killed midway");
    home.daemon.take().unwrap().kill_9();
    // Checked already: only a check that began anew would meet this.
    flip(&blobs[0], 30_000);
    home.start();
    let sum = phone.wait_reply("Full check done");

    let hold = SLOW_FILES - 1;
    let bytes = "715.0 kB";
    assert_eq!(
        sum,
        format!(
            "Full check done: {hold} of {SLOW_FILES} files hold, {bytes}; 1 damaged or missing. I \
             deleted nothing."
        )
    );
    let warnings = |phone: &Phone| {
        let said = phone.seen("message").into_iter();
        let named = |it: &serde_json::Value| it["body"].as_str().is_some_and(|it| it.contains('⚠'));
        said.filter(named).count()
    };
    assert_eq!(warnings(&phone), 1, "and no file that is whole");
    let listed = ask(&mut phone, "list 30", "#1 1.jpg");
    let marked: Vec<&str> = listed.lines().filter(|it| it.contains('⚠')).collect();
    assert!(
        marked.len() == 1 && marked[0].starts_with("#2 2.jpg, 55.0 kB, "),
        "{listed}"
    );
    assert!(marked[0].ends_with(", ⚠ damaged"), "{listed}");
    let found = ask(&mut phone, "find 2.jpg", "#2 2.jpg");
    assert!(found.contains(", ⚠ damaged"), "{found}");
    // The control: what was altered behind the check's back is seen by a check that looks.
    ask(&mut phone, "verify 1", "#1 does not hold");

    let path = home.path("to-share.bin");
    fs::write(&path, noise(FILE_BYTES, 2)).unwrap();
    phone.send_file(&jid(VAULT), &path, "again.jpg");
    phone.wait_reply("already kept as #2");
    let found = ask(&mut phone, "find 2.jpg", "#2 2.jpg");
    assert!(
        !found.contains("#2 2.jpg, 55.0 kB, ⚠") && !found.contains('⚠'),
        "{found}"
    );
    let status = ask(&mut phone, "status", "The vault is");
    assert!(status.contains("\nDamaged: 1 file."), "only #1: {status}");
}
