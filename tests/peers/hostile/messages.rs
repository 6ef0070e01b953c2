//! Messages that are not the owner's word, though each carries a command that he really encrypted.

use serde_json::json;

use super::{
    intruder::Intruder,
    row,
    siege::{Held, Siege, message},
};
use crate::{
    home::VAULT,
    middle::{Verdict, frames},
    prosody::jid,
};

const OWNERS: &str = "owner@localhost/phone";
const STRANGERS: &str = "stranger@localhost/pc";
const OURS: &str = "vault@localhost";

/// Makes a stanza of a held command.
type Make = fn(&Held) -> String;

/// One attack: what it is, how it is made, and its twin, which carries the same command.
struct Attack(&'static str, Make, Make);

fn carbon(outer: &str, way: &str, inner: &str) -> String {
    message(
        outer,
        &format!(
            "<{way} xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>{inner}\
             </forwarded></{way}>"
        ),
    )
}

/// A copy as the vault's own account sends it.
fn honest_carbon(held: &Held) -> String {
    carbon(OURS, "received", &held.from(OWNERS))
}

fn as_it_came(held: &Held) -> String {
    held.stanza.clone()
}

fn nested(levels: usize, inner: &str) -> String {
    let open = "<x xmlns='urn:x'>".repeat(levels);
    format!("{open}{inner}{}", "</x>".repeat(levels))
}

/// Turns one bit over in the base64 text that ends before `mark`.
fn flipped(stanza: &str, mark: &str) -> String {
    let end = stanza.find(mark).unwrap();
    // Not the last letter before the padding: some of its bits mean nothing.
    let at = stanza[..end].trim_end_matches('=').len() - 3;
    let old = &stanza[at..=at];
    let new = if old == "A" { "B" } else { "A" };
    format!("{}{new}{}", &stanza[..at], &stanza[at + 1..])
}

const FORGED_COPIES: [Attack; 8] = [
    Attack(
        "a carbon from a stranger",
        |held| carbon(STRANGERS, "received", &held.from(OWNERS)),
        honest_carbon,
    ),
    Attack(
        "a carbon from the owner's address",
        |held| carbon("owner@localhost", "sent", &held.from(OWNERS)),
        honest_carbon,
    ),
    Attack(
        "a carbon from another client of the vault's account",
        |held| carbon("vault@localhost/other", "received", &held.from(OWNERS)),
        honest_carbon,
    ),
    Attack(
        "a carbon from the server's domain",
        |held| carbon("localhost", "received", &held.from(OWNERS)),
        honest_carbon,
    ),
    Attack(
        "a carbon in a carbon",
        |held| {
            carbon(
                OURS,
                "received",
                &carbon(STRANGERS, "received", &held.from(OWNERS)),
            )
        },
        honest_carbon,
    ),
    Attack(
        "a carbon whose copy names no sender",
        |held| carbon(OURS, "received", &held.from("")),
        honest_carbon,
    ),
    Attack(
        "a carbon whose copy names a stranger",
        |held| carbon(OURS, "received", &held.from(STRANGERS)),
        honest_carbon,
    ),
    Attack(
        "an archive result that nobody asked for",
        |held| {
            let inner = held.from(OWNERS);
            message(
                OURS,
                &format!(
                    "<result xmlns='urn:xmpp:mam:2' queryid='q1' id='1'>\
                     <forwarded xmlns='urn:xmpp:forward:0'>{inner}</forwarded></result>"
                ),
            )
        },
        as_it_came,
    ),
];

const FORGED_SENDERS: [Attack; 10] = [
    Attack(
        "the owner's ciphertext from a stranger",
        |held| held.from(STRANGERS),
        as_it_came,
    ),
    Attack(
        "from an address that looks alike",
        |held| held.from("\u{43e}wner@localhost/phone"),
        as_it_came,
    ),
    Attack(
        "from the owner's name elsewhere",
        |held| held.from("owner@localhost.evil.example/phone"),
        as_it_came,
    ),
    Attack(
        "from a resource like the owner",
        |held| held.from("stranger@localhost/owner@localhost"),
        as_it_came,
    ),
    Attack("from no address", |held| held.from("owner@"), as_it_came),
    Attack(
        "from nobody, that is our own account",
        |held| held.from(""),
        as_it_came,
    ),
    Attack(
        "from an address of 9,000 bytes",
        |held| held.from(&format!("owner@localhost/{}", "x".repeat(9_000))),
        |held| held.from(&format!("owner@localhost/{}", "x".repeat(900))),
    ),
    Attack(
        "as an error that comes back",
        |held| held.from(OWNERS).replace("'chat'", "'error'"),
        |held| held.from(OWNERS),
    ),
    Attack(
        "as a message of a room",
        |held| held.from(OWNERS).replace("'chat'", "'groupchat'"),
        |held| held.from(OWNERS).replace("'chat'", "'normal'"),
    ),
    Attack(
        "as a headline",
        |held| held.from(OWNERS).replace("'chat'", "'headline'"),
        |held| held.from(OWNERS).replace(" type='chat'", ""),
    ),
];

fn words(held: &Held, around: &str) -> String {
    let body = format!("<body>find {}</body>{around}", held.word);
    message(OWNERS, &body)
}

const STRIPPED: [Attack; 5] = [
    Attack(
        "OMEMO stripped: the same words in clear",
        |held| words(held, ""),
        as_it_came,
    ),
    Attack(
        "words in clear beside an element that does not open",
        |held| words(held, "<encrypted xmlns='eu.siacs.conversations.axolotl'/>"),
        |held| {
            message(
                OWNERS,
                &format!("<body>find nothing</body>{}", held.encrypted),
            )
        },
    ),
    Attack(
        "a correction in clear",
        |held| words(held, "<replace xmlns='urn:xmpp:message-correct:0' id='1'/>"),
        as_it_came,
    ),
    Attack(
        "words in clear that say they are encrypted",
        |held| {
            words(
                held,
                "<encryption xmlns='urn:xmpp:eme:0' namespace='eu.siacs.conversations.axolotl'/>",
            )
        },
        as_it_came,
    ),
    Attack(
        "forwarded by the owner",
        |held| {
            let inner = held.from(OWNERS);
            message(
                OWNERS,
                &format!("<forwarded xmlns='urn:xmpp:forward:0'>{inner}</forwarded>"),
            )
        },
        as_it_came,
    ),
];

const ALTERED: [Attack; 9] = [
    Attack(
        "a bit of the payload turned over",
        |held| flipped(&held.stanza, "</payload>"),
        as_it_came,
    ),
    Attack(
        "a bit of the iv turned over",
        |held| flipped(&held.stanza, "</iv>"),
        as_it_came,
    ),
    Attack(
        "a bit of the key turned over",
        |held| flipped(&held.stanza, "</key>"),
        as_it_came,
    ),
    Attack(
        "another device named as the sender",
        |held| held.with(" sid=", " sid='77' was="),
        as_it_came,
    ),
    Attack(
        "the key named as for another device",
        |held| held.with(" rid=", " rid='77' was="),
        as_it_came,
    ),
    Attack(
        "the key cut short",
        |held| {
            let end = held.stanza.find("</key>").unwrap();
            format!("{}{}", &held.stanza[..end - 8], &held.stanza[end..])
        },
        as_it_came,
    ),
    Attack(
        "the ciphertext 60 levels deep",
        |held| message(OWNERS, &nested(60, &held.encrypted)),
        |held| message(OWNERS, &format!("{}{}", held.encrypted, nested(20, ""))),
    ),
    Attack(
        "the ciphertext 60,000 levels deep",
        |held| message(OWNERS, &nested(60_000, &held.encrypted)),
        |held| message(OWNERS, &format!("{}{}", nested(60_000, ""), held.encrypted)),
    ),
    Attack(
        "another namespace's element of the same name",
        |held| held.with("eu.siacs.conversations.axolotl", "urn:example:axolotl"),
        as_it_came,
    ),
];

fn run(siege: &mut Siege, attacks: &[Attack]) {
    for Attack(name, forge, honest) in attacks {
        let held = siege.hold();
        siege.middle.inject(forge(&held));
        siege.settle();
        let accepted = siege.heard(&held.word) > 0;
        siege.middle.inject(honest(&held));
        let twin = siege.expect(&held.word);
        row(name, accepted, twin);
    }
}

/// What was obeyed once and comes again.
fn replays(siege: &mut Siege) {
    let again: [(&str, Make); 6] = [
        ("a replay: the same stanza", as_it_came),
        ("a replay: the same ciphertext in a new stanza", |held| {
            held.from("owner@localhost/tablet")
        }),
        ("a replay: as a carbon", honest_carbon),
        ("a replay: as if from offline storage", |held| {
            held.with(
                "<encrypted",
                "<delay xmlns='urn:xmpp:delay' from='localhost' stamp='2026-01-01T00:00:00Z'/>\
                 <encrypted",
            )
        }),
        ("a replay: with another payload", |held| {
            flipped(&held.stanza, "</payload>")
        }),
        ("a replay: from a stranger", |held| held.from(STRANGERS)),
    ];
    for (name, make) in again {
        let held = siege.hold();
        siege.middle.inject(held.stanza.clone());
        let twin = siege.expect(&held.word);
        siege.middle.inject(make(&held));
        siege.settle();
        row(name, siege.heard(&held.word) > 1, twin);
    }
}

/// What needs two messages, or uses one up.
fn swaps(siege: &mut Siege) {
    let (one, other) = (siege.hold(), siege.hold());
    let payload = |held: &Held| frames::within(&held.stanza, "payload").unwrap();
    siege
        .middle
        .inject(one.with(&payload(&one), &payload(&other)));
    siege.settle();
    let accepted = siege.heard(&one.word) + siege.heard(&other.word) > 0;
    siege.middle.inject(one.stanza);
    siege.middle.inject(other.stanza);
    let twin = siege.expect(&one.word) && siege.expect(&other.word);
    row(
        "the payload of one message with the keys of another",
        accepted,
        twin,
    );

    let used = siege.hold();
    siege.middle.inject(used.with(&payload(&used), ""));
    siege.settle();
    let accepted = siege.heard(&used.word) > 0;
    row("the payload taken away", accepted, siege.obeys());

    let huge = siege.hold();
    let padding = |bytes| format!("<x xmlns='urn:x'>{}</x>", "x".repeat(bytes));
    let lines = siege.middle.connections();
    siege.middle.inject(message(
        OWNERS,
        &format!("{}{}", padding(5 << 20), huge.encrypted),
    ));
    siege.home.daemon().wait_line("stream resumed");
    siege.settle();
    let accepted = siege.heard(&huge.word) > 0;
    siege.middle.inject(message(
        OWNERS,
        &format!("{}{}", padding(60_000), huge.encrypted),
    ));
    row("a stanza of 5 MiB", accepted, siege.expect(&huge.word));
    assert_eq!(
        siege.middle.connections() - lines,
        1,
        "it was resumed over, once"
    );
}

/// Another body under the same key and tag, as every device can make it that the phone encrypts to.
fn forged_body(siege: &mut Siege) {
    const NOT_TEXT: &str =
        "That message was not plain text, so I did nothing with it. Please type it again.";
    let order =
        json!({ "to": jid(VAULT), "text": "find wordhonest", "forged": "find wordforged\n" });
    siege.phone.order("send_forged", order);
    // It did open: the tag holds.
    assert_eq!(siege.phone.wait_reply(NOT_TEXT), NOT_TEXT);
    let accepted = siege.heard("wordforged") > 0;
    let order = json!({ "to": jid(VAULT), "text": "find wordhonest", "forged": null });
    siege.phone.order("send_forged", order);
    let name = "a body forged under the same key and tag";
    row(name, accepted, siege.expect("wordhonest"));
}

/// Devices that are not the owner's, in his name and in theirs.
fn intruders(siege: &mut Siege) {
    let vault = siege
        .middle
        .sent()
        .all(|it| it.contains(".bundles:") && it.contains("publish"));
    let vault = vault.last().unwrap().clone();
    let phone = u32::try_from(siege.phone.device).unwrap();
    for (name, from, device) in [
        (
            "a key exchange with another identity under the phone's number",
            OWNERS,
            Some(phone),
        ),
        (
            "a device of the attacker's own in the owner's name",
            OWNERS,
            None,
        ),
        (
            "a device of the attacker's own in a stranger's name",
            STRANGERS,
            None,
        ),
    ] {
        let mut intruder = Intruder::new(&vault);
        let held = siege.hold();
        let words = format!("find {}", held.word);
        siege.middle.inject(intruder.write(from, device, &words));
        siege.settle();
        let accepted = siege.heard(&held.word) > 0;
        siege.middle.inject(held.stanza);
        row(name, accepted, siege.expect(&held.word));
    }
}

#[test]
fn only_the_owners_own_messages_are_obeyed_and_each_only_once() {
    let mut siege = Siege::begin();
    siege.rule(|_, _| Verdict::Pass);
    let lines = siege.middle.connections();

    run(&mut siege, &FORGED_COPIES);
    run(&mut siege, &FORGED_SENDERS);
    run(&mut siege, &STRIPPED);
    run(&mut siege, &ALTERED);
    replays(&mut siege);
    forged_body(&mut siege);
    intruders(&mut siege);
    assert_eq!(
        siege.middle.connections(),
        lines,
        "the line held all the time"
    );
    swaps(&mut siege);

    let to_strangers = |it: &String| it.contains("to='stranger@") || it.contains("to=\"stranger@");
    assert_eq!(siege.middle.sent().all(to_strangers), [] as [String; 0]);
    siege.phone.assert_no_message_key_was_used_twice();
}
