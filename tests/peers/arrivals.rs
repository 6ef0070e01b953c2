//! Photos that come together, what is written about them, and what a chat program shows beside
//! words: reactions, corrections, answers, marks; with a phone of foreign make.

use std::{collections::BTreeMap, fs, os::unix::process::ExitStatusExt as _};

use serde_json::{Value, json};

use crate::{
    home::{Home, STRANGER, VAULT, noise},
    journal::PATIENCE,
    phone::{Phone, text},
    prosody::jid,
};

const REACTIONS: &str = "urn:xmpp:reactions:0";

/// A vault that tells arrivals as it does by default.
fn home() -> Home {
    let home = Home::new();
    home.change_settings("gather_seconds = 0", "gather_seconds = 10");
    home
}

fn share(home: &Home, phone: &mut Phone, number: u64, bytes: usize) -> String {
    let path = home.path("to-share.bin");
    fs::write(&path, noise(bytes, number)).unwrap();
    phone.send_file(&jid(VAULT), &path, &format!("{number}.jpg"))
}

/// What the chat shows in the end: every message whose place no other has taken.
fn shown(phone: &Phone) -> Vec<String> {
    let mut shown: BTreeMap<String, String> = BTreeMap::new();
    let mut order = Vec::new();
    for message in phone.seen("message") {
        if message["encrypted"] != true || !message["carbon"].is_null() {
            continue;
        }
        let id = message["corrects"].as_str().map(str::to_owned);
        let id = id.unwrap_or_else(|| text(&message["id"]));
        if shown.insert(id.clone(), text(&message["body"])).is_none() {
            order.push(id);
        }
    }
    order.iter().map(|id| shown[id].clone()).collect()
}

fn ticked(phone: &Phone) -> Vec<String> {
    let all = shown(phone).into_iter();
    all.filter(|it| it.starts_with('✅')).collect()
}

/// Lets the vault see that this phone shows reactions, and waits until it knows.
fn show_reactions(phone: &mut Phone) {
    phone.order("announce", json!({ "feature": REACTIONS }));
    phone.wait("disco", |it| it["from"] == jid(VAULT));
    // The answer is on the stream before what follows.
    phone.send_text(&jid(VAULT), "status");
    phone.wait_reply("The vault is");
}

#[test]
fn twelve_photos_leave_one_line_in_the_chat_that_counts_them_all() {
    for namespaces in ["legacy", "omemo2"] {
        let mut home = home();
        // However slow the machine is.
        home.change_settings("gather_seconds = 10", "gather_seconds = 100");
        home.start();
        let mut phone = home.paired_phone_in(namespaces);

        for number in 1..=12 {
            share(&home, &mut phone, number, 40_000);
        }
        phone.wait_reply("✅ 12 of 12 stored, 480.0 kB, #1-#12.");

        assert_eq!(
            ticked(&phone),
            ["✅ 12 of 12 stored, 480.0 kB, #1-#12."],
            "{namespaces}"
        );
        assert_eq!(home.blobs().len(), 12);
        phone.assert_no_message_key_was_used_twice();
    }
}

#[test]
fn a_phone_that_shows_reactions_gets_one_at_the_photo_and_another_phone_words() {
    for namespaces in ["legacy", "omemo2"] {
        let mut home = Home::new();
        home.start();
        let mut phone = home.paired_phone_in(namespaces);
        share(&home, &mut phone, 1, 20_000);
        phone.wait_reply("✅ #1 1.jpg, 20.0 kB, stored.");
        show_reactions(&mut phone);

        let sent = share(&home, &mut phone, 2, 20_000);
        let reaction = phone.wait("reactions", |_| true);
        phone.send_text(&jid(VAULT), "list");
        let listed = phone.wait_reply("2.jpg");

        assert_eq!(reaction["reactions_to"], sent.as_str());
        assert_eq!(reaction["reactions"], json!(["✅"]));
        assert!(listed.starts_with("#2 2.jpg"), "{listed}");
        assert_eq!(ticked(&phone).len(), 1, "{namespaces}");
        // What is kept already wants words.
        share(&home, &mut phone, 2, 20_000);
        phone.wait_reply("✅ 2.jpg is already kept as #2.");
    }
}

#[test]
fn reactions_that_the_settings_do_not_want_are_not_sent() {
    let mut home = Home::new();
    home.change_settings("reactions = true", "reactions = false");
    home.start();
    let mut phone = home.paired_phone();
    show_reactions(&mut phone);

    share(&home, &mut phone, 1, 20_000);
    phone.wait_reply("✅ #1 1.jpg, 20.0 kB, stored.");

    assert_eq!(phone.seen("reactions"), [] as [Value; 0]);
}

#[test]
fn words_after_a_photo_are_found_with_it_and_survive_a_lock() {
    let mut home = Home::new();
    home.start();
    let mut phone = home.paired_phone();
    share(&home, &mut phone, 1, 20_000);
    phone.wait_reply("stored");
    phone.send_text(&jid(VAULT), "Lagoon at noon #sea");
    phone.wait_reply("Noted with #1: caption \"Lagoon at noon #sea\", tag #sea.");

    home.pull_key();
    phone.wait_reply("The key is gone");
    share(&home, &mut phone, 2, 20_000);
    phone.wait_reply("for the key");
    phone.send_text(&jid(VAULT), "Glacier");
    phone.wait_reply("Noted with the file that is being stored: caption \"Glacier\".");
    home.insert_key();
    phone.wait_reply("The vault is open.");

    for (word, row) in [
        ("lagoon", "#1 1.jpg"),
        ("sea", "#1 1.jpg"),
        ("glacier", "#2 2.jpg"),
    ] {
        phone.send_text(&jid(VAULT), &format!("find {word}"));
        let found = phone.wait_reply(row);
        assert_eq!(found.lines().count(), 1, "{found}");
    }
    phone.send_text(&jid(VAULT), "find volcano");
    phone.wait_reply("Nothing is named");
}

/// Answers to a message as Dino does: with a quote in the text and its place told beside it.
fn answer(phone: &mut Phone, words: &str, to: &str) {
    let quoted = words
        .rsplit_once('\n')
        .map_or(0, |(quote, _)| quote.chars().count() + 1);
    let vault = jid(VAULT);
    // XEP-0461 v0.2.1 3, XEP-0428 v0.2.1 3
    let beside = format!(
        "<reply xmlns='urn:xmpp:reply:0' to='{vault}' id='{to}'/>\
         <fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:reply:0'>\
         <body start='0' end='{quoted}'/></fallback>"
    );
    let order = json!({ "to": vault, "text": words, "xml": beside });
    phone.order("send_beside", order);
}

#[test]
fn an_answer_to_a_photo_or_to_our_words_means_that_photo_and_a_changed_id_does_not_overrule_a_quote()
 {
    let mut home = Home::new();
    home.start();
    let mut phone = home.paired_phone();
    let sent = share(&home, &mut phone, 1, 20_000);
    let ours = phone.wait("message", |it| {
        it["body"] == "✅ #1 1.jpg, 20.0 kB, stored."
    });
    let other = share(&home, &mut phone, 2, 20_000);
    phone.wait_reply("✅ #2 2.jpg, 20.0 kB, stored.");

    // The photo itself; what we said of it; and an id that a server changed, beside an honest quote.
    let quote = "> ✅ #1 1.jpg, 20.0 kB, stored.\nget";
    for (words, id) in [("get", &sent), ("get", &text(&ours["id"])), (quote, &other)] {
        answer(&mut phone, words, id);
        let file = fs::read(phone.wait_file().path).unwrap();
        assert!(file == noise(20_000, 1), "{words:?}");
    }
    // Twin: with nothing quoted the id counts.
    answer(&mut phone, "get", &other);
    assert!(fs::read(phone.wait_file().path).unwrap() == noise(20_000, 2));
}

#[test]
fn a_photo_that_is_taken_back_is_asked_about_and_stays() {
    let mut home = Home::new();
    home.start();
    let mut phone = home.paired_phone();
    let sent = share(&home, &mut phone, 1, 20_000);
    phone.wait_reply("✅ #1 1.jpg, 20.0 kB, stored.");
    let vault = jid(VAULT);
    let retract = |id: &str| {
        // XEP-0424 v0.4.2 3; anybody on the way can write that.
        format!(
            "<message to='{vault}' type='chat' id='r-{id}'>\
             <retract xmlns='urn:xmpp:message-retract:1' id='{id}'/>\
             <fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:message-retract:1'/>\
             <body>/me retracted a previous message</body>\
             <store xmlns='urn:xmpp:hints'/></message>"
        )
    };

    for id in [sent.as_str(), sent.as_str()] {
        phone.order("send_stanza", json!({ "xml": retract(id) }));
    }
    phone.wait_reply("You took back #1. I keep it; send \"delete 1\" to move it to the trash.");
    let replace = format!("<replace xmlns='urn:xmpp:message-correct:0' id='{sent}'/>");
    let emptied = json!({ "to": vault, "text": "", "xml": replace });
    phone.order("send_beside", emptied);
    phone.send_text(&vault, "status");
    phone.wait_reply("The vault is open: 1 file");

    let asked = shown(&phone).into_iter();
    assert_eq!(
        asked.filter(|it| it.starts_with("You took back")).count(),
        1
    );
    assert_eq!(home.blobs().len(), 1);
}

#[test]
fn a_message_that_asks_for_it_is_marked_as_read_and_another_is_not() {
    let mut home = Home::new();
    home.start();
    let mut phone = home.paired_phone();

    let silent = json!({ "to": jid(VAULT), "text": "list", "receipt": false });
    let unmarked = text(&phone.order("send_text", silent)["id"]);
    phone.wait_reply("The vault is empty");
    let marked = phone.send_text(&jid(VAULT), "list");
    let marker = phone.wait("marker", |it| it["marker_for"] == marked.as_str());

    assert_eq!(marker["marker"], "displayed");
    let seen = phone.seen("marker");
    assert!(seen.iter().all(|it| it["marker_for"] != unmarked.as_str()));
}

#[test]
fn a_crash_between_stored_and_told_loses_no_word_and_says_none_twice() {
    let mut home = home();
    home.start();
    let mut phone = home.paired_phone();
    home.stop();
    share(&home, &mut phone, 1, 20_000);
    share(&home, &mut phone, 2, 12_000_000);

    // The small one is in the index while the large one is on its way.
    home.start_to_crash("untold saved");
    let status = home.daemon.take().unwrap().wait_exit(PATIENCE);
    assert_eq!(status.signal(), Some(9), "{status}");
    let before = ticked(&phone);
    home.start();
    let both = |phone: &Phone| {
        let all = ticked(phone).join("\n");
        all.contains("#1") && (all.contains("#2") || all.contains("#1-#2"))
    };
    while !both(&phone) {
        phone.wait_reply("✅");
    }
    phone.send_text(&jid(VAULT), "status");
    phone.wait_reply("The vault is open: 2 files, 12.0 MB.");

    assert_eq!(before, [] as [&str; 0]);
    let after = ticked(&phone).join("\n");
    assert_eq!(after.matches("#1").count(), 1, "{after}");
    assert_eq!(home.blobs().len(), 2);
    phone.assert_no_message_key_was_used_twice();
}

#[test]
fn the_vault_shows_its_picture_to_the_owner_and_not_to_strangers() {
    let mut home = Home::new();
    home.change_settings("avatar = false", "avatar = true");
    home.start();
    let mut phone = home.paired_phone();
    let mut stranger = Phone::start(&home.server, STRANGER);
    let ask = |phone: &mut Phone| {
        let node = "urn:xmpp:avatar:data";
        let order = json!({ "jid": jid(VAULT), "node": node });
        phone.try_order("items", order)
    };

    // It comes last, when all else that a new stream needs is done.
    let shown = std::iter::from_fn(|| Some(ask(&mut phone)))
        .take(20_000)
        .find_map(|it| it.ok()?["items"].as_array()?.first().map(text))
        .expect("a picture");
    let refused = ask(&mut stranger);

    let png = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, &shown).unwrap();
    assert!(png.starts_with(b"\x89PNG\r\n\x1a\n"));
    assert!(refused.is_err(), "{refused:?}");
}
