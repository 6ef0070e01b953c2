//! Files for somebody else, at another server: after the owner has compared fingerprints, to the
//! devices that were compared, and back comes nothing.

use std::fs;

use serde_json::{Value, json};

use crate::{
    federation::{ELSEWHERE, two_servers},
    home::{Home, OWNER, VAULT, noise},
    phone::Phone,
    prosody::{Prosody, jid},
};

const BOB: &str = "bob@home.test";

fn groups(fingerprint: &str) -> String {
    let groups = fingerprint.as_bytes().chunks(8);
    let groups: Vec<_> = groups.map(|it| str::from_utf8(it).unwrap()).collect();
    groups.join(" ")
}

/// The number that a question asks back.
fn number(question: &str) -> String {
    let (_, rest) = question.rsplit_once(" send ").unwrap();
    let number: String = rest.chars().take(6).collect();
    assert!(number.bytes().all(|it| it.is_ascii_digit()), "{question}");
    number
}

/// A vault with one photo, its owner's phone, and bob's at the other server.
struct Neighbours {
    home: Home,
    other: Prosody,
    owner: Phone,
    bob: Phone,
    photo: Vec<u8>,
}

impl Neighbours {
    fn new() -> Self {
        let (server, other) = two_servers(&[VAULT, OWNER], &[BOB, "eve@home.test"]);
        let mut home = Home::on(server, &[]);
        home.start();
        let mut owner = home.paired_phone();
        let bob = Phone::start_at(&other, "bob", ELSEWHERE);
        let photo = noise(300_000, 1);
        let path = home.path("to-share.bin");
        fs::write(&path, &photo).unwrap();
        owner.send_file(&jid(VAULT), &path, "photo.jpg");
        owner.wait_reply("#1 photo.jpg, 300.0 kB, stored");
        Self {
            home,
            other,
            owner,
            bob,
            photo,
        }
    }

    /// Has the photo sent, and returns what is asked back.
    fn send(&mut self, answer: &str) -> String {
        self.owner
            .send_text(&jid(VAULT), &format!("send 1 to {BOB}"));
        self.owner.wait_reply(answer)
    }

    fn confirm(&mut self, question: &str) {
        self.owner.send_text(&jid(VAULT), &number(question));
        self.owner
            .wait_reply("I know 1 device of bob@home.test now");
    }

    /// Has the photo sent to those that are known already.
    fn send_again(&mut self) {
        let question = self.send("Shall I send #1 to bob@home.test (");
        self.owner.send_text(&jid(VAULT), &number(&question));
    }

    fn wait_sent(&self) {
        let sent = "✅ #1 sent to bob@home.test.";
        assert_eq!(self.owner.wait_reply(sent), sent);
    }

    fn assert_bob_gets_the_photo(&self) {
        assert!(fs::read(self.bob.wait_file().path).unwrap() == self.photo);
    }
}

/// Everything that a phone has from the vault.
fn from_vault(phone: &Phone) -> Vec<Value> {
    let all = ["message", "empty", "file", "receipt", "chatstate", "marker"];
    let all = all.into_iter().flat_map(|kind| phone.seen(kind));
    all.filter(|it| it["from"] == jid(VAULT)).collect()
}

/// Waits until a phone has got all that its server has for it.
fn flush(phone: &mut Phone) {
    phone.order("devices", json!({ "jid": jid(VAULT) }));
}

#[test]
fn a_file_for_bob_goes_to_the_device_that_was_compared_and_bob_commands_nothing() {
    let mut all = Neighbours::new();

    let question = all.send("I never sent anything to bob@home.test before");
    assert!(
        question.contains(&groups(&all.bob.fingerprint)),
        "{question}"
    );
    flush(&mut all.bob);
    assert_eq!(from_vault(&all.bob), [] as [Value; 0], "not yet compared");
    all.confirm(&question);
    all.wait_sent();
    all.assert_bob_gets_the_photo();

    // Bob asks, shares, and answers with the number: silence. The owner is answered.
    let before = from_vault(&all.bob);
    let path = all.home.path("bobs.bin");
    fs::write(&path, noise(20_000, 2)).unwrap();
    for words in ["list", "get 1", "lock", &number(&question)] {
        all.bob.send_text(&jid(VAULT), words);
    }
    all.bob.send_file(&jid(VAULT), &path, "bobs.jpg");
    flush(&mut all.bob);
    all.owner.send_text(&jid(VAULT), "list");
    let list = all.owner.wait_reply("photo.jpg");
    assert!(
        !list.contains("bobs.jpg") && list.starts_with("#1 "),
        "{list}"
    );
    flush(&mut all.bob);
    assert_eq!(from_vault(&all.bob), before);
    assert_eq!(all.home.blobs().len(), 1);
    // The honest twin: the same file from the owner goes in.
    all.owner.send_file(&jid(VAULT), &path, "bobs.jpg");
    all.owner.wait_reply("#2 bobs.jpg, 20.0 kB, stored");

    // A later device of bob's gets nothing; the first one does.
    let mut second = Phone::start_at(&all.other, "bob", ELSEWHERE);
    all.send_again();
    let question = all
        .owner
        .wait_reply("bob@home.test has 1 device that you have not compared");
    assert!(
        question.contains(&groups(&second.fingerprint)),
        "{question}"
    );
    all.wait_sent();
    all.assert_bob_gets_the_photo();
    flush(&mut second);
    assert_eq!(second.seen("file"), [] as [Value; 0]);
    for event in all.bob.seen("ratchet") {
        assert_eq!(event["recipients"], json!([all.bob.device]));
    }
    all.confirm(&question);
    all.send_again();
    all.wait_sent();
    assert!(fs::read(second.wait_file().path).unwrap() == all.photo);
    all.assert_bob_gets_the_photo();
}

#[test]
fn a_key_that_was_swapped_is_told_as_an_alarm_and_gets_nothing() {
    let mut all = Neighbours::new();
    let question = all.send("I never sent anything to bob@home.test before");
    all.confirm(&question);
    all.wait_sent();
    all.assert_bob_gets_the_photo();
    let eve = Phone::start_at(&all.other, "eve", ELSEWHERE);

    let theirs = json!({ "jid": "eve@home.test", "device": eve.device });
    all.bob.order("show_bundle_of", theirs);
    let alarm = all.send("ALARM: device");

    assert!(alarm.contains(&eve.fingerprint[56..]), "{alarm}");
    flush(&mut all.bob);
    assert_eq!(all.bob.seen("file").len(), 1);
    assert_eq!(from_vault(&eve), [] as [Value; 0]);
    // A server that cannot be reached gets nothing, and that is said.
    all.other.stop();
    all.send("I could not learn which devices bob@home.test has");
}
