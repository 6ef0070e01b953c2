//! A photo goes in and comes back, through a real server and a phone of foreign make.

use std::{fs, time::Duration};

use serde_json::json;

use crate::{
    daemon::Daemon,
    home::{Home, VAULT, files, noise},
    prosody::jid,
};

/// Shares bytes under a name and returns what the vault says of it.
fn share(home: &Home, phone: &mut crate::phone::Phone, name: &str, bytes: &[u8]) -> String {
    let path = home.path("to-share.bin");
    fs::write(&path, bytes).unwrap();
    phone.send_file(&jid(VAULT), &path, name);
    phone.wait_reply("stored")
}

fn get(phone: &mut crate::phone::Phone, number: u64) -> (String, Vec<u8>) {
    phone.send_text(&jid(VAULT), &format!("get {number}"));
    let caption = phone.wait_reply(&format!("#{number} "));
    let file = phone.wait_file();
    (caption, fs::read(file.path).unwrap())
}

#[test]
fn a_photo_is_stored_listed_found_and_comes_back_equal() {
    let mut home = Home::new();
    home.start();
    let mut phone = home.paired_phone();
    let photo = noise(5_000_000, 1);

    let stored = share(&home, &mut phone, "IMG_2041.jpg", &photo);
    phone.send_text(&jid(VAULT), "LIST");
    let listed = phone.wait_reply("IMG_2041");
    phone.send_text(&jid(VAULT), "find 2041");
    let found = phone.wait_reply("IMG_2041");
    let (caption, back) = get(&mut phone, 1);

    assert_eq!(stored, "✅ #1 IMG_2041.jpg, 5.0 MB, stored.");
    assert!(listed.starts_with("#1 IMG_2041.jpg, 5.0 MB, "), "{listed}");
    assert_eq!(listed, found);
    assert_eq!(caption, format!("{listed}:"));
    assert!(back == photo, "the bytes are equal");
    phone.assert_no_message_key_was_used_twice();
}

#[test]
fn files_of_every_border_size_come_back_equal() {
    let mut home = Home::new();
    home.start();
    let mut phone = home.paired_phone();
    let sizes = [
        0, 1, 16_383, 16_384, 16_385, 32_767, 32_768, 65_535, 65_536, 65_537, 1_048_576,
    ];

    for (number, size) in (1..).zip(sizes) {
        let bytes = noise(size, number);
        let stored = share(&home, &mut phone, "border.bin", &bytes);
        assert!(
            stored.starts_with(&format!("✅ #{number} ")),
            "{size}: {stored}"
        );
        let (_, back) = get(&mut phone, number);
        assert!(back == bytes, "{size} bytes");
    }
    assert_eq!(home.blobs().len(), sizes.len());
}

#[test]
fn hard_names_are_kept_whole_and_shown_on_one_line() {
    let mut home = Home::new();
    home.start();
    let mut phone = home.paired_phone();
    let long = format!("{}.jpg", "n".repeat(251));
    // As in the link, and as the vault shows it.
    let names = [
        ("a%20b%20c.jpg", "a b c.jpg"),
        ("Gr%C3%B6%C3%9Fe.jpg", "Größe.jpg"),
        ("%F0%9F%98%80.png", "😀.png"),
        ("..%2F..%2Fetc%2Fpasswd", "../../etc/passwd"),
        ("%E2%80%AEgpj.exe", "·gpj.exe"),
        ("two%0Alines.txt", "two·lines.txt"),
    ];
    let path = home.path("to-share.bin");

    for (number, (in_link, shown)) in (1_u64..).zip(names) {
        fs::write(&path, noise(100, number)).unwrap();
        phone.send_file_with(
            &jid(VAULT),
            &path,
            json!({ "name": "x", "url_name": in_link }),
        );
        let stored = phone.wait_reply("stored");
        assert_eq!(stored, format!("✅ #{number} {shown}, 100 bytes, stored."));
    }
    fs::write(&path, noise(100, 99)).unwrap();
    phone.send_file_with(&jid(VAULT), &path, json!({ "name": "x", "url_name": long }));
    let stored = phone.wait_reply("stored");

    assert!(stored.starts_with("✅ #7 nnnnnnnnnn"), "{stored}");
    assert!(!home.path("etc").exists());
    let (caption, back) = get(&mut phone, 4);
    assert!(
        caption.starts_with("#4 ../../etc/passwd, 100 bytes"),
        "{caption}"
    );
    assert!(back == noise(100, 4));
}

#[test]
fn while_locked_photos_wait_and_are_adopted_when_the_key_comes_back() {
    let mut home = Home::new();
    home.start();
    let mut phone = home.paired_phone();
    let path = home.path("to-share.bin");
    home.pull_key();
    phone.wait_reply("The key is gone");

    for number in 1..=3 {
        fs::write(&path, noise(50_000, number)).unwrap();
        phone.send_file(&jid(VAULT), &path, &format!("locked-{number}.jpg"));
        let plural = if number == 1 {
            "1 file waits"
        } else {
            "files wait"
        };
        phone.wait_reply(plural);
    }
    phone.send_text(&jid(VAULT), "list");
    let refused = phone.wait_reply("locked;");
    home.insert_key();
    let opened = phone.wait_reply("The vault is open");
    let (_, back) = get(&mut phone, 2);

    assert_eq!(
        refused,
        "The vault is locked; 3 files wait for the key. Put the key in to open it."
    );
    assert_eq!(
        opened,
        "The vault is open. ✅ 3 files that waited are stored as #1-#3."
    );
    assert!(back == noise(50_000, 2));
    assert_eq!(home.blobs().len(), 3);
}

#[test]
fn the_same_photo_twice_is_kept_once() {
    let mut home = Home::new();
    home.start();
    let mut phone = home.paired_phone();
    let photo = noise(100_000, 7);
    share(&home, &mut phone, "first.jpg", &photo);

    let path = home.path("to-share.bin");
    phone.send_file(&jid(VAULT), &path, "second.jpg");
    let told = phone.wait_reply("already kept");

    assert_eq!(told, "✅ second.jpg is already kept as #1.");
    assert_eq!(home.blobs().len(), 1);
    assert!(get(&mut phone, 1).1 == photo);
}

#[test]
fn several_files_come_one_after_another_and_missing_numbers_are_named() {
    let mut home = Home::new();
    home.start();
    let mut phone = home.paired_phone();
    for number in 1..=3 {
        share(
            &home,
            &mut phone,
            &format!("{number}.jpg"),
            &noise(1_000, number),
        );
    }

    phone.send_text(&jid(VAULT), "get 2-3, 9");
    let missing = phone.wait_reply("There is no");
    let got: Vec<Vec<u8>> = (0..2)
        .map(|_| fs::read(phone.wait_file().path).unwrap())
        .collect();

    assert_eq!(missing, "There is no #9. \"list\" shows the numbers.");
    assert!(got[0] == noise(1_000, 2) && got[1] == noise(1_000, 3));
}

#[test]
fn lock_ends_the_vault_process_at_once() {
    let mut home = Home::new();
    home.start();
    let mut phone = home.paired_phone();
    let before = home.daemon().children();

    phone.send_text(&jid(VAULT), "lock");
    phone.wait_reply("The vault is locked.");

    assert_eq!(before.len(), 1, "the vault process runs");
    Daemon::wait_gone(&before);
}

#[test]
fn neither_names_nor_contents_are_found_on_drive_or_card() {
    let mut home = Home::new();
    home.start();
    let mut phone = home.paired_phone();
    let canary = "canary-4c1f77a0e2";
    let content = format!("{canary}-content").repeat(1_000);
    share(
        &home,
        &mut phone,
        &format!("{canary}-name.txt"),
        content.as_bytes(),
    );
    home.pull_key();
    phone.wait_reply("The key is gone");
    let holds = |folder: &std::path::Path| {
        // The console's socket holds nothing that could be read.
        let files = files(folder).into_iter().filter(|path| path.is_file());
        files.collect::<Vec<_>>().iter().any(|path| {
            let bytes = fs::read(path).unwrap();
            path.to_string_lossy().contains(canary)
                || bytes
                    .windows(canary.len())
                    .any(|window| window == canary.as_bytes())
        })
    };

    assert!(!holds(&home.path("drive")), "the drive");
    assert!(!holds(&home.system()), "the card");
    let control = home.path("control");
    fs::create_dir(&control).unwrap();
    fs::copy(home.path("to-share.bin"), control.join("plain.txt")).unwrap();
    assert!(holds(&control), "the search finds the plain copy");
}

#[test]
fn what_was_sent_while_the_daemon_was_down_is_taken_in_from_the_archive() {
    let mut home = Home::new();
    home.start();
    let mut phone = home.paired_phone();
    home.stop();
    let path = home.path("to-share.bin");
    for number in 1..=3 {
        fs::write(&path, noise(10_000, number)).unwrap();
        phone.send_file(&jid(VAULT), &path, &format!("{number}.jpg"));
    }

    home.start();
    phone.wait_reply("✅ 3 of 3 stored, 30.0 kB, #1-#3.");
    phone.send_text(&jid(VAULT), "status");
    let status = phone.wait_reply("The vault is");

    assert!(
        status.starts_with("The vault is open: 3 files, 30.0 kB."),
        "{status}"
    );
}

#[test]
fn sigterm_stops_the_daemon_within_ten_seconds_and_its_vault_process_with_it() {
    let mut home = Home::new();
    home.start();
    home.daemon().wait_line("the vault is open");
    let mut daemon = home.daemon.take().unwrap();

    daemon.terminate();

    assert!(daemon.wait_exit(Duration::from_secs(10)).success());
}
