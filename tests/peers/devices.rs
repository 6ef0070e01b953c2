//! A new phone, a lost phone, and keys from the chat: with a real server and real phones.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    home::{Home, OWNER, VAULT, noise},
    journal::PATIENCE,
    phone::{Phone, text},
    prosody::jid,
};

fn share(home: &Home, phone: &mut Phone, number: u64) -> String {
    let path = home.path(&format!("to-share-{number}.bin"));
    fs::write(&path, noise(30_000, number)).unwrap();
    phone.send_file(&jid(VAULT), &path, &format!("{number}.jpg"))
}

fn assert_comes_back(phone: &mut Phone, number: u64) {
    phone.send_text(&jid(VAULT), &format!("get {number}"));
    phone.wait_reply(&format!("#{number} {number}.jpg"));
    let file = fs::read(phone.wait_file().path).unwrap();
    assert!(file == noise(30_000, number), "#{number}");
}

fn ask(phone: &mut Phone, words: &str, reply: &str) -> String {
    phone.send_text(&jid(VAULT), words);
    phone.wait_reply(reply)
}

/// Sends a command that asks a number back, and the number.
fn confirm(phone: &mut Phone, words: &str, question: &str, done: &str) -> String {
    let asked = ask(phone, words, question);
    let (_, number) = asked.rsplit_once("send ").unwrap();
    let number = number.split(' ').next().unwrap().to_owned();
    ask(phone, &number, done);
    asked
}

/// Every encrypted text of the vault that this phone could read.
fn heard(phone: &Phone) -> Vec<String> {
    let messages = phone.seen("message").into_iter();
    let own = messages.filter(|it| it["from"] == jid(VAULT) && it["carbon"].is_null());
    own.map(|it| text(&it["body"])).collect()
}

/// Waits until the server has handed on all that the phone has sent.
pub(crate) fn flush(phone: &mut Phone) {
    phone.order("devices", json!({ "jid": jid(VAULT) }));
}

fn wait_for_blobs(home: &Home, count: usize) {
    let end = Instant::now() + PATIENCE;
    while home.blobs().len() != count {
        assert!(Instant::now() < end, "{} blobs", home.blobs().len());
        thread::sleep(Duration::from_millis(10));
    }
}

fn groups(fingerprint: &str) -> String {
    let groups = fingerprint.as_bytes().chunks(8);
    let groups: Vec<_> = groups.map(|it| str::from_utf8(it).unwrap()).collect();
    groups.join(" ")
}

fn last(phone: &Phone, digits: usize) -> String {
    phone.fingerprint[64 - digits..].to_owned()
}

fn vaults_tail(phone: &mut Phone) -> String {
    let devices = phone.order("devices", json!({ "jid": jid(VAULT) }));
    text(&devices["devices"][0]["fingerprint"])[56..].to_owned()
}

/// Logs a second phone in and has the first one let it in.
pub(crate) fn let_in_second(home: &Home, phone: &mut Phone) -> Phone {
    let mut second = Phone::start(&home.server, OWNER);
    second.send_text(&jid(VAULT), "help");
    phone.wait_reply("wants in");
    let trust = format!("trust {}", last(&second, 8));
    confirm(phone, &trust, "Shall this device", "may now command");
    second.wait_reply("You may command this vault");
    second
}

#[test]
fn a_new_phone_waits_apart_until_it_is_let_in_and_a_lost_one_gets_silence() {
    let mut home = Home::new();
    home.start();
    let mut phone = home.paired_phone();
    let ours = vaults_tail(&mut phone);
    share(&home, &mut phone, 1);
    phone.wait_reply("✅ #1 1.jpg");
    let mut second = Phone::start(&home.server, OWNER);
    let (four, tail) = (last(&second, 4), last(&second, 8));

    // It is shown to the first phone, and told so itself; it gets nothing else.
    let mut sent = vec![second.send_text(&jid(VAULT), "list")];
    let notice = phone.wait_reply("wants in");
    assert!(notice.contains(&format!("to trust it send: trust {four}\n")));
    assert!(notice.ends_with(&groups(&second.fingerprint)), "{notice}");
    let not_let_in = format!(
        "I do not know this device yet and do nothing it asks: you are …{tail}, I am …{ours}. A \
         device that I trust can let it in; files that you send meanwhile I keep apart until then."
    );
    second.wait_reply(&not_let_in);
    for words in ["get 1", "help", "lock", home.code(), "trust 0000"] {
        sent.push(second.send_text(&jid(VAULT), words));
    }
    sent.push(share(&home, &mut second, 2));
    phone.wait_reply(&format!("The new device …{tail} sent a file."));
    wait_for_blobs(&home, 2);
    home.stop();
    home.start();
    let listed = ask(&mut phone, "list", "#1 1.jpg");
    assert!(!listed.contains("2.jpg"), "{listed}");
    let devices = ask(&mut phone, "devices", "Your devices:");
    let held = "from a new device, not yet trusted: 1 file, 30.0 kB";
    assert!(devices.contains(held), "{devices}");
    assert_eq!(heard(&second), [not_let_in]);
    let receipts = second.seen("receipt");
    let is_for_it = |it: &&Value| sent.iter().any(|id| it["receipt_for"] == *id);
    assert_eq!(receipts.iter().find(is_for_it), None);

    // Let in: what it sent is stored, and it may command.
    let asked = confirm(
        &mut phone,
        &format!("trust {four}"),
        "Shall this device command",
        &format!("…{tail} may now command the vault. I take in what it sent before (1 file)."),
    );
    assert!(asked.contains(&groups(&second.fingerprint)), "{asked}");
    second.wait_reply(&format!("you are …{tail}, I am …{ours}."));
    phone.wait_reply("✅ #2 2.jpg, 30.0 kB, stored.");
    assert_comes_back(&mut second, 1);
    let all = ask(&mut second, "fingerprints", "My fingerprint:");
    assert!(all.contains(&groups(&phone.fingerprint)) && all.contains("xmpp:vault@"));

    // Lost: it gets silence, and its files are not taken. The first one goes on.
    confirm(
        &mut phone,
        &format!("revoke {four}"),
        "Shall I shut out",
        &format!("…{tail} is shut out"),
    );
    flush(&mut second);
    let (before, ratchets) = (heard(&second).len(), phone.seen("ratchet").len());
    for round in 0..2 {
        for words in ["list", "get 1", "lock", "trust 0000"] {
            second.send_text(&jid(VAULT), words);
        }
        share(&home, &mut second, 3 + round);
        flush(&mut second);
        share(&home, &mut phone, 10 + round);
        phone.wait_reply(&format!("{}.jpg, 30.0 kB, stored.", 10 + round));
        home.stop();
        home.start();
    }
    ask(&mut phone, &format!("trust {four}"), "was shut out");
    assert_eq!(home.blobs().len(), 4, "one of the second phone");
    assert_eq!(heard(&second).len(), before);
    let from_vault = |it: &&Value| it["from"] == jid(VAULT);
    let since: Vec<_> = phone.seen("ratchet").split_off(ratchets);
    let recipients: Vec<_> = since.iter().filter(from_vault).collect();
    assert!(recipients.len() >= 3);
    for event in recipients {
        assert_eq!(event["recipients"], json!([phone.device]));
    }
    // What the second one asked for went to both.
    assert!(fs::read(phone.wait_file().path).unwrap() == noise(30_000, 1));
    ask(&mut phone, "get 3", "#3 10.jpg");
    assert!(fs::read(phone.wait_file().path).unwrap() == noise(30_000, 10));
}

#[test]
fn a_new_phone_that_is_turned_away_leaves_nothing_on_the_drive() {
    let mut home = Home::new();
    home.start();
    let mut phone = home.paired_phone();
    let mut second = Phone::start(&home.server, OWNER);
    share(&home, &mut second, 1);
    phone.wait_reply("wants in");
    wait_for_blobs(&home, 1);
    home.pull_key();
    phone.wait_reply("The key is gone");

    let revoke = format!("revoke {}", last(&second, 4));
    let asked = confirm(&mut phone, &revoke, "Shall I turn", "is shut out");

    assert!(asked.contains("What it sent so far (1 file) is removed."));
    wait_for_blobs(&home, 0);
    share(&home, &mut phone, 2);
    phone.wait_reply("Kept. 1 file waits for the key.");
    assert_eq!(home.blobs().len(), 1);
}

#[test]
fn a_list_on_the_key_stick_shuts_a_lost_phone_out() {
    let mut home = Home::new();
    home.start();
    let mut phone = home.paired_phone();
    let mut second = let_in_second(&home, &mut phone);
    ask(&mut second, "list", "The vault is empty");
    home.pull_key();
    phone.wait_reply("The key is gone");
    let list = format!(
        "# lost on the train\n{}\n8c1f\n",
        groups(&second.fingerprint).to_uppercase()
    );
    fs::write(home.path("drawer").join("revoke.txt"), list).unwrap();

    home.insert_key();

    let told = phone.wait_reply("revoke.txt");
    assert_eq!(
        told,
        format!(
            "I read revoke.txt on the key stick. Shut out, and never obeyed again: …{}. One line \
             is no whole fingerprint, and I did nothing for it; write all 64 digits.",
            last(&second, 8)
        )
    );
    flush(&mut second);
    let before = heard(&second).len();
    second.send_text(&jid(VAULT), "list");
    flush(&mut second);
    ask(&mut phone, "list", "The vault is empty");
    // Read at every opening, told once.
    home.pull_key();
    phone.wait_reply("The key is gone");
    home.insert_key();
    phone.wait_reply("The vault is open");
    ask(&mut phone, "list", "The vault is empty");
    assert_eq!(heard(&second).len(), before);
    let told = heard(&phone).into_iter();
    assert_eq!(told.filter(|it| it.contains("revoke.txt")).count(), 1);
}

#[test]
fn a_device_that_somebody_put_on_the_vaults_account_is_told() {
    let mut home = Home::new();
    home.start();
    let mut phone = home.paired_phone();
    ask(&mut phone, "list", "The vault is empty");
    let foreign = Phone::start(&home.server, VAULT);
    let end = Instant::now() + PATIENCE;
    loop {
        let devices = phone.order("devices", json!({ "jid": jid(VAULT) }));
        if devices["devices"].as_array().unwrap().len() > 1 {
            break;
        }
        assert!(Instant::now() < end, "the phone does not see the device");
    }

    phone.send_text(&jid(VAULT), "list");

    let told = phone.wait_reply("Your phone also encrypts to");
    let who = format!(
        "device {}, which I don't know: it stands on my account",
        foreign.device
    );
    assert!(told.contains(&who), "{told}");
    ask(&mut phone, "list", "The vault is empty");
    ask(&mut phone, "list", "The vault is empty");
    let told = heard(&phone).into_iter();
    assert_eq!(told.filter(|it| it.contains("also encrypts")).count(), 1);
}

#[test]
fn a_stick_is_renamed_and_revoked_from_the_chat_and_the_spare_opens_everything() {
    let mut home = Home::new();
    home.start();
    let mut phone = home.paired_phone();
    share(&home, &mut phone, 1);
    phone.wait_reply("✅ #1 1.jpg");
    let spare = home.path("spare");
    fs::create_dir(&spare).unwrap();
    let mut add = home.command();
    add.args(["key", "add"]).arg(&spare).arg("--trial");
    assert!(add.output().unwrap().status.success());
    let half = home.system().join("vault.pub");
    let older_half = fs::read(&half).unwrap();

    ask(&mut phone, "add key", "strongroom key add FOLDER");
    ask(&mut phone, "revoke key", "Revoke which key?");
    ask(&mut phone, "revoke key nobody's", "No key is called");
    ask(
        &mut phone,
        "rename key Key Device to old stick",
        "\"key device\" is called \"old stick\" now.",
    );
    let keys = ask(&mut phone, "keys", "What opens the vault:");
    assert!(keys.contains("old stick") && !keys.contains("key device"));
    confirm(
        &mut phone,
        "revoke key old stick",
        "Shall I revoke the key \"old stick\"?",
        "\"old stick\" opens no file of this drive any more",
    );

    // It is still in, and opens nothing.
    phone.wait_reply("This key does not open the vault");
    assert_ne!(fs::read(&half).unwrap(), older_half);
    home.pull_key();
    fs::rename(&spare, home.stick()).unwrap();
    phone.wait_reply("The vault is open");
    assert_comes_back(&mut phone, 1);
    share(&home, &mut phone, 2);
    phone.wait_reply("✅ #2 2.jpg");
    assert_comes_back(&mut phone, 2);
    let keys = ask(&mut phone, "keys", "What opens the vault:");
    assert!(!keys.contains("old stick"), "{keys}");
    let epochs = home
        .blobs()
        .into_iter()
        .map(|path| fs::read(path).unwrap()[47]);
    let mut epochs: Vec<u8> = epochs.collect();
    epochs.sort_unstable();
    assert_eq!(epochs, [1, 2]);
}
