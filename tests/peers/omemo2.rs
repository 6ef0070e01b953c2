//! Phones that speak `urn:xmpp:omemo:2`, alone and beside the legacy namespace.

use std::{fs, thread, time::Duration};

use serde_json::{Value, json};

use crate::{
    home::{Home, OWNER, VAULT, noise},
    phone::{Phone, text},
    prosody::jid,
};

const LEGACY: &str = "eu.siacs.conversations.axolotl";
const OMEMO2: &str = "urn:xmpp:omemo:2";

fn paired(home: &Home, namespaces: &str, code: &str) -> Phone {
    let mut phone = Phone::start_in(&home.server, OWNER, namespaces);
    phone.befriend(&jid(VAULT));
    phone.send_text(&jid(VAULT), code);
    phone.wait_reply("Paired");
    phone
}

fn share(home: &Home, phone: &mut Phone, name: &str, bytes: &[u8]) {
    let path = home.path("to-share.bin");
    fs::write(&path, bytes).unwrap();
    phone.send_file(&jid(VAULT), &path, name);
}

fn ask_in(phone: &mut Phone, namespace: &str, words: &str) {
    let order = json!({ "to": jid(VAULT), "text": words, "namespace": namespace });
    phone.order("send_text", order);
}

/// Waits for a message that holds these words, and returns the namespace it came in.
fn answered_in(phone: &Phone, words: &str) -> String {
    let message = phone.wait("message", |it| {
        it["body"].as_str().is_some_and(|it| it.contains(words))
    });
    text(&message["namespace"])
}

/// Every message so far that could be decrypted.
fn messages(phone: &Phone) -> Vec<Value> {
    let seen = phone.seen("message").into_iter();
    seen.filter(|it| it["encrypted"] == true).collect()
}

#[test]
fn a_phone_that_speaks_only_omemo2_pairs_asks_stores_and_gets() {
    let mut home = Home::new();
    home.start();
    let code = home.code().to_owned();
    let mut phone = paired(&home, "omemo2", &code);
    let photo = noise(500_000, 1);

    let help = phone.send_text(&jid(VAULT), "help");
    phone.wait_receipt(&help);
    phone.wait_reply("status");
    share(&home, &mut phone, "IMG_2041.jpg", &photo);
    let stored = phone.wait_reply("stored");
    phone.send_text(&jid(VAULT), "get 1");
    phone.wait_reply("#1 IMG_2041.jpg");
    let back = fs::read(phone.wait_file().path).unwrap();

    assert_eq!(stored, "✅ #1 IMG_2041.jpg, 500.0 kB, stored.");
    assert!(back == photo, "the bytes are equal");
    assert_eq!(phone.seen("undecryptable"), [] as [Value; 0]);
    let outside = [
        "{urn:xmpp:sid:0}origin-id",
        "{urn:xmpp:omemo:2}encrypted",
        "{urn:xmpp:eme:0}encryption",
        "{urn:xmpp:hints}store",
    ];
    for message in messages(&phone) {
        assert_eq!(message["namespace"], OMEMO2);
        assert!(message["length"].as_u64().unwrap() >= 512, "{message}");
        let outer = message["outer"].as_array().unwrap();
        // What the server itself adds is no word of the vault's.
        let said = outer.iter().filter(|it| {
            let tag = it.as_str().unwrap();
            !tag.ends_with("}stanza-id") && !tag.ends_with("}delay")
        });
        assert_eq!(said.collect::<Vec<_>>(), outside);
        assert_eq!(message["inside"][0], "{jabber:client}body");
    }
    assert!(phone.assert_no_message_key_was_used_twice() >= 6);
}

#[test]
fn an_answer_goes_back_in_the_namespace_of_the_question_also_after_a_restart() {
    let mut home = Home::new();
    home.start();
    let code = home.code().to_owned();
    let mut phone = paired(&home, "omemo2,legacy", &code);
    let photo = noise(20_000, 1);
    share(&home, &mut phone, "p.jpg", &photo);
    phone.wait_reply("stored");

    for namespace in ["legacy", "omemo2", "legacy"] {
        ask_in(&mut phone, namespace, "help");
        let uri = if namespace == "legacy" {
            LEGACY
        } else {
            OMEMO2
        };
        assert_eq!(answered_in(&phone, "status"), uri);
    }
    // What is asked in one and answered later does not follow what is said meanwhile.
    home.pull_key();
    phone.wait_reply("The key is gone");
    ask_in(&mut phone, "omemo2", "get 1");
    assert_eq!(answered_in(&phone, "within 10 minutes"), OMEMO2);
    ask_in(&mut phone, "legacy", "help");
    assert_eq!(answered_in(&phone, "status"), LEGACY);
    home.stop();
    home.start();
    home.insert_key();

    assert_eq!(answered_in(&phone, "#1 p.jpg"), OMEMO2);
    let file = phone.wait("file", |_| true);
    assert_eq!(file["namespace"], OMEMO2);
    assert!(fs::read(text(&file["path"])).unwrap() == photo);
    assert_eq!(phone.seen("undecryptable"), [] as [Value; 0]);
    assert!(phone.assert_no_message_key_was_used_twice() >= 8);
}

#[test]
fn phones_of_either_namespace_are_both_told_each_in_its_own() {
    let mut home = Home::new();
    home.start();
    let code = home.code().to_owned();
    let mut new = paired(&home, "omemo2", &code);
    let second = home.new_code();
    home.daemon().reload();
    let laid_down = home.system().join("pairing-code");
    while laid_down.exists() {
        thread::sleep(Duration::from_millis(10));
    }
    let mut old = Phone::start(&home.server, OWNER);
    old.send_text(&jid(VAULT), &second);
    old.wait_reply("Paired");
    new.wait_reply("Paired");

    share(&home, &mut old, "from-old.jpg", &noise(20_000, 1));
    assert_eq!(answered_in(&old, "#1 from-old.jpg"), LEGACY);
    assert_eq!(answered_in(&new, "#1 from-old.jpg"), OMEMO2);
    share(&home, &mut new, "from-new.jpg", &noise(20_000, 2));
    assert_eq!(answered_in(&new, "#2 from-new.jpg"), OMEMO2);
    assert_eq!(answered_in(&old, "#2 from-new.jpg"), LEGACY);
    // What nobody asked for reaches both too.
    home.pull_key();
    assert_eq!(answered_in(&old, "The key is gone"), LEGACY);
    assert_eq!(answered_in(&new, "The key is gone"), OMEMO2);

    for phone in [&old, &new] {
        assert_eq!(phone.seen("undecryptable"), [] as [Value; 0]);
        assert!(phone.assert_no_message_key_was_used_twice() >= 3);
    }
}

#[test]
fn an_envelope_that_lies_or_would_hurt_is_answered_with_words_and_the_honest_one_is_obeyed() {
    let mut home = Home::new();
    home.start();
    let code = home.code().to_owned();
    let mut phone = paired(&home, "omemo2", &code);
    let envelope = |content: &str, affixes: &str| {
        format!("<envelope xmlns='urn:xmpp:sce:1'><content>{content}</content>{affixes}</envelope>")
    };
    let list = "<body xmlns='jabber:client'>list</body>";
    let from = format!("<from jid='{}'/>", jid(OWNER));
    let bad = [
        envelope(list, "<from jid='mallory@localhost'/>"),
        envelope(list, &format!("{from}<to jid='mallory@localhost'/>")),
        envelope(&"<x>".repeat(20_000), &from),
        "list".to_owned(),
    ];
    // What has no text is no command: nothing to be said.
    let wordless = "<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/>";
    let before = messages(&phone).len();

    for xml in &bad {
        phone.order("send_envelope", json!({ "to": jid(VAULT), "xml": xml }));
    }
    let order = json!({ "to": jid(VAULT), "xml": wordless });
    phone.order("send_inside", order);
    let honest = envelope(list, &from);
    phone.order("send_envelope", json!({ "to": jid(VAULT), "xml": honest }));
    phone.wait_reply("empty");

    // One sentence for all of them: the next is due after ten minutes.
    let said: Vec<String> = messages(&phone)
        .iter()
        .skip(before)
        .map(|it| text(&it["body"]))
        .collect();
    assert_eq!(said.len(), 2, "{said:?}");
    let (what, when) = said[0].split_at("I could not read your message of ".len());
    assert_eq!(what, "I could not read your message of ");
    assert_eq!(&when["14:02".len()..], ". Please send it again.");
}
