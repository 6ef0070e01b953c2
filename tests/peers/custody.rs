//! A lost stick while the daemon runs, and a lost card: with a real server and a real phone.

use std::{fs, process::Output};

use crate::{
    home::{Home, OWNER, VAULT, noise},
    phone::Phone,
    prosody::jid,
};

fn share(home: &Home, phone: &mut Phone, number: u64, told: &str) {
    let path = home.path("to-share.bin");
    fs::write(&path, noise(30_000, number)).unwrap();
    phone.send_file(&jid(VAULT), &path, &format!("{number}.jpg"));
    phone.wait_reply(told);
}

fn assert_comes_back(phone: &mut Phone, number: u64) {
    phone.send_text(&jid(VAULT), &format!("get {number}"));
    phone.wait_reply(&format!("#{number} {number}.jpg"));
    let file = fs::read(phone.wait_file().path).unwrap();
    assert!(file == noise(30_000, number), "#{number}");
}

fn key(home: &Home, arguments: &[&str]) -> Output {
    home.command().arg("key").args(arguments).output().unwrap()
}

fn must(home: &Home, arguments: &[&str]) {
    let output = key(home, arguments);
    let why = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{why}");
}

/// The epochs of all blobs on the drive, in ascending order.
fn epochs(home: &Home) -> Vec<u32> {
    let epoch = |path| {
        let blob = fs::read(path).unwrap();
        u32::from_be_bytes(blob[44..48].try_into().unwrap())
    };
    let mut found: Vec<u32> = home.blobs().into_iter().map(epoch).collect();
    found.sort_unstable();
    found
}

#[test]
fn a_stick_is_revoked_while_the_daemon_runs_and_the_spare_opens_old_and_new() {
    let mut home = Home::new();
    home.start();
    let mut phone = home.paired_phone();
    share(&home, &mut phone, 1, "stored");
    let spare = home.path("spare").to_str().unwrap().to_owned();
    fs::create_dir(&spare).unwrap();
    must(&home, &["add", &spare, "--trial"]);
    let revoke = ["revoke", "key device", "--with", &spare];

    let while_open = key(&home, &revoke);
    home.pull_key();
    phone.wait_reply("The key is gone");
    let half = home.system().join("vault.pub");
    let older_half = fs::read(&half).unwrap();
    must(&home, &revoke);
    home.daemon().reload();
    home.daemon()
        .wait_line("the public key of epoch 2 is in use");
    share(&home, &mut phone, 2, "1 file waits");

    let why = String::from_utf8(while_open.stderr).unwrap();
    assert!(why.contains("the daemon has the vault open"), "{why}");
    assert_eq!(epochs(&home), [1, 2]);
    home.insert_key();
    phone.wait_reply("This key does not open the vault");
    home.pull_key();
    fs::rename(&spare, home.stick()).unwrap();
    phone.wait_reply("1 file that waited is stored as #2");
    assert_comes_back(&mut phone, 1);
    assert_comes_back(&mut phone, 2);

    // As if the revocation had been cut short before it reached the card.
    home.stop();
    let newest_half = fs::read(&half).unwrap();
    assert_ne!(newest_half, older_half);
    fs::write(&half, &older_half).unwrap();
    home.start();
    home.daemon()
        .wait_line("the system card has the public key of epoch 2 now");
    share(&home, &mut phone, 3, "stored");
    assert!(fs::read(&half).unwrap() == newest_half);
    assert_eq!(epochs(&home), [1, 2, 2]);
    assert_comes_back(&mut phone, 3);
}

#[test]
fn card_and_stick_are_lost_and_the_words_bring_everything_back_with_a_new_identity() {
    let mut home = Home::new();
    home.start();
    let mut phone = home.paired_phone();
    share(&home, &mut phone, 1, "stored");
    share(&home, &mut phone, 2, "stored");
    home.stop();
    let identity = |home: &Home| {
        let said = String::from_utf8(home.run("address").stdout).unwrap();
        let uri = said.lines().find(|line| line.starts_with("xmpp:"));
        uri.unwrap().to_owned()
    };
    let before = identity(&home);
    phone.log_out();

    home.recover();
    home.start();
    // A new phone, and contacts already.
    let mut phone = Phone::start(&home.server, OWNER);
    phone.send_text(&jid(VAULT), home.code());
    phone.wait_reply("Paired");

    assert_comes_back(&mut phone, 1);
    assert_comes_back(&mut phone, 2);
    share(&home, &mut phone, 3, "stored");
    assert_comes_back(&mut phone, 3);
    home.stop();
    assert_ne!(identity(&home), before);
}
