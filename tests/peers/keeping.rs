//! What the owner does to kept files, from the foreign phone: deleted, undone, restored, renamed,
//! removed for good without a trace; also with a kill -9 in the middle. And the machine: a restart
//! by chat, a drive that is let go of.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::process::ExitStatusExt as _,
    thread,
    time::{Duration, Instant},
};

use crate::{
    canary::find_in_state,
    home::{Home, VAULT, files, noise},
    journal::PATIENCE,
    needles::{Needles, canaries},
    phone::Phone,
    power::row,
    prosody::jid,
    rescue::{rescue, said},
};

const FILE_BYTES: usize = 20_000;

fn share(home: &Home, phone: &mut Phone, seed: u64, name: &str) {
    let path = home.path("to-share.bin");
    fs::write(&path, noise(FILE_BYTES, seed)).unwrap();
    phone.send_file(&jid(VAULT), &path, name);
    phone.wait_reply(", stored");
    fs::remove_file(path).unwrap();
}

fn ask(phone: &mut Phone, words: &str, answer: &str) -> String {
    phone.send_text(&jid(VAULT), words);
    phone.wait_reply(answer)
}

/// Sends a command that asks for a number, and the number.
fn confirm(phone: &mut Phone, words: &str, answer: &str) -> String {
    let question = ask(phone, words, "within 5 minutes");
    let number = question.split("Send ").nth(1).unwrap();
    let number = number.split(' ').next().unwrap().to_owned();
    ask(phone, &number, answer)
}

/// What the rescue tool lists with the key: whatever anybody could still find.
fn listed(home: &Home) -> String {
    let output = rescue(home, None, &["list"]);
    let (code, list) = said(&output);
    assert_eq!(code, Some(0), "{output:?}");
    list.to_owned()
}

fn on_disk(home: &Home, needles: &Needles) -> BTreeSet<String> {
    let mut found = find_in_state(home, needles);
    for file in files(&home.vault()).iter().chain(&files(&home.system())) {
        found.extend(needles.find(file.to_str().unwrap().as_bytes()));
        found.extend(needles.find_in_file(file));
    }
    found
}

#[test]
fn a_file_is_deleted_brought_back_and_removed_for_good_without_a_trace() {
    let words = canaries(2, 71);
    let (gone, stays) = (&words[0], &words[1]);
    let needles = Needles::default().words(&words);
    let mut home = Home::new();
    home.start();
    let mut phone = home.paired_phone();
    share(&home, &mut phone, 1, "one.jpg");
    share(&home, &mut phone, 2, "two.jpg");

    let renamed = ask(
        &mut phone,
        &format!("rename 1 to {gone}.jpg"),
        "#1 is called",
    );
    ask(
        &mut phone,
        &format!("rename 2 to {stays}.jpg"),
        "#2 is called",
    );
    ask(&mut phone, &format!("note 1 with {gone}"), "#1 has your");
    ask(&mut phone, "tag 1 #pier", "#1 bears #pier now.");
    ask(&mut phone, "move 1-2 to Rome", "#1-#2 are in album");
    let deleted = confirm(&mut phone, "delete 1", "in the trash");
    let list = ask(&mut phone, "list", "#2 ");
    let undone = ask(&mut phone, "undo", "Undone");
    phone.send_text(&jid(VAULT), "get 1");
    let caption = phone.wait_reply("#1 ");
    let back = fs::read(phone.wait_file().path).unwrap();
    confirm(&mut phone, "delete 1", "in the trash");
    let trash = ask(&mut phone, "trash", "In the trash: 1 file");
    let restored = ask(&mut phone, "restore 1", "#1 is back.");
    confirm(&mut phone, "delete 1", "in the trash");

    assert_eq!(renamed, format!("#1 is called \"{gone}.jpg\" now."));
    assert_eq!(
        deleted,
        "#1 is in the trash for 30 days. \"undo\" brings it back."
    );
    assert!(!list.contains("#1 "), "{list}");
    assert_eq!(undone, "Undone: #1 is back from the trash.");
    assert!(caption.contains(gone.as_str()), "{caption}");
    assert!(back == noise(FILE_BYTES, 1));
    assert!(
        trash.contains(&format!("#1 {gone}.jpg, 20.0 kB, until ")),
        "{trash}"
    );
    assert_eq!(restored, "#1 is back.");
    assert_eq!(home.blobs().len(), 2);
    // The control: whoever has the key finds both names.
    home.stop();
    let before = listed(&home);
    assert!(before.contains(stays.as_str()) && before.contains(gone.as_str()));
    home.start();

    assert_purged(&mut home, &mut phone, (gone, stays), &needles);
}

/// Empties the trash, and looks for what was in it: with the key, and in everything as it lies on
/// drive and card.
fn assert_purged(
    home: &mut Home,
    phone: &mut Phone,
    (gone, stays): (&str, &str),
    needles: &Needles,
) {
    let purged = confirm(phone, "trash empty", "removed for good");
    let nothing = ask(phone, "restore 1", "There is no #1.");
    let empty = ask(phone, "trash", "The trash is empty.");
    home.stop();

    assert_eq!(purged, "1 file, 20.0 kB, removed for good.");
    assert!(
        nothing.ends_with("\"list\" shows the numbers."),
        "{nothing}"
    );
    assert_eq!(empty, "The trash is empty.");
    assert_eq!(home.blobs().len(), 1);
    let after = listed(home);
    assert!(after.contains(stays), "{after}");
    assert!(!after.contains(gone), "{after}");
    let out = home.path("rescued");
    let rescued = rescue(home, None, &["extract", "--all", out.to_str().unwrap()]);
    assert_eq!(rescued.status.code(), Some(0), "{rescued:?}");
    let names: Vec<String> = files(&out)
        .iter()
        .map(|it| it.to_string_lossy().into_owned())
        .collect();
    assert!(names.iter().any(|it| it.contains(stays)));
    assert!(!names.iter().any(|it| it.contains(gone)), "{names:?}");
    assert_eq!(on_disk(home, needles), BTreeSet::new());
    // The control: a plain copy is found.
    fs::write(home.vault().join("plain"), needles.plain()).unwrap();
    assert_eq!(on_disk(home, needles), needles.names());
}

#[test]
fn a_kill_in_the_middle_of_a_change_or_a_purge_repeats_it_and_does_no_harm() {
    let mut home = Home::new();
    home.start();
    let mut phone = home.paired_phone();
    share(&home, &mut phone, 1, "one.jpg");
    share(&home, &mut phone, 2, "two.jpg");
    home.stop();
    let points = ["message saved", "job closed", "letter acknowledged"];

    for (place, point) in points.into_iter().enumerate() {
        home.start_to_crash(point);
        phone.send_text(&jid(VAULT), &format!("tag 1-2 #t{place}"));
        let status = home.daemon.take().unwrap().wait_exit(PATIENCE);
        assert_eq!(status.signal(), Some(9), "at \"{point}\": {status}");
        home.start();
        let said = phone.wait_reply(&format!("#t{place} now."));
        assert_eq!(said, format!("#1-#2 bear #t{place} now."), "{point}");
        home.stop();
    }
    // The vault process dies between the change and its word, and so does the next that repeats it.
    home.start_to_crash("edited");
    ask(
        &mut phone,
        "move 1-2 to Rome",
        "locked itself after a fault",
    );
    home.stop();
    home.start();
    let again = ask(&mut phone, "move 1-2 to Rome", "are in album");
    let nothing = ask(&mut phone, "undo", "nothing to undo");
    confirm(&mut phone, "delete 1", "in the trash");
    home.stop();
    home.start_to_crash("purged");
    confirm(&mut phone, "trash empty", "locked itself after a fault");
    home.stop();
    home.start();
    let empty = ask(&mut phone, "trash", "The trash is empty.");
    let list = ask(&mut phone, "list", "#2 ");
    phone.send_text(&jid(VAULT), "get 2");
    phone.wait_reply("#2 two.jpg");
    let stays = fs::read(phone.wait_file().path).unwrap();

    assert_eq!(again, "#1-#2 are in album \"Rome\" now.");
    assert!(nothing.starts_with("There is nothing to undo"), "{nothing}");
    assert_eq!(empty, "The trash is empty.");
    assert!(!list.contains("#1 "), "{list}");
    assert!(stays == noise(FILE_BYTES, 2));
    assert_eq!(home.blobs().len(), 1);
    row("F1 end to end: change and purge", 5, "holds");
}

#[test]
fn the_machine_begins_anew_by_chat_and_lets_go_of_the_drive() {
    let mut home = Home::new();
    let requests = home.path("requests");
    fs::create_dir(&requests).unwrap();
    let commands = format!("[commands]\nrequests = {requests:?}\n");
    home.change_settings("[commands]\n", &commands);
    home.start();
    let mut phone = home.paired_phone();
    share(&home, &mut phone, 1, "one.jpg");
    let before = home.daemon().pid();

    confirm(&mut phone, "restart", "I restart now");
    phone.wait_reply("I am back.");
    let status = ask(&mut phone, "status", "The vault is");
    assert_eq!(home.daemon().pid(), before, "in the same place");
    assert!(status.contains("1 file, 20.0 kB"), "{status}");

    let ejected = ask(&mut phone, "eject", "you may pull it now");
    assert!(ejected.starts_with("The vault is locked"), "{ejected}");
    let path = home.path("late.bin");
    fs::write(&path, noise(FILE_BYTES, 3)).unwrap();
    phone.send_file(&jid(VAULT), &path, "late.jpg");
    let late = phone.wait_reply("late.jpg is not stored yet");
    assert!(late.contains("I let go of the data drive"), "{late}");
    assert_eq!(home.blobs().len(), 1);
    ask(&mut phone, "eject off", "I use the data drive again.");
    phone.wait_reply("1 file waits for the key");

    confirm(&mut phone, "off", "switches off now");
    let wanted = requests.join("poweroff");
    let end = Instant::now() + PATIENCE;
    while !wanted.exists() {
        assert!(Instant::now() < end, "nobody was asked");
        thread::sleep(Duration::from_millis(10));
    }
}
