//! What is inside a payload of `urn:xmpp:omemo:2`, from a device that is trusted: envelopes that were
//! made for others or that lie, and descriptions of files that prove nothing or lead astray.

use serde_json::{Value, json};

use super::row;
use crate::{
    home::{OWNER, VAULT},
    host::Host,
    prosody::jid,
    scene::Scene,
};

fn body(words: &str) -> String {
    format!("<body xmlns='jabber:client'>{words}</body>")
}

fn envelope(content: &str, affixes: &str) -> String {
    format!(
        "<envelope xmlns='urn:xmpp:sce:1'><content>{content}</content><rpad>x</rpad>{affixes}\
         </envelope>"
    )
}

/// The attacks, each with words in it that would be obeyed.
fn envelopes(words: &str) -> Vec<(&'static str, String)> {
    let (us, owner) = (jid(VAULT), jid(OWNER));
    let from = format!("<from jid='{owner}'/>");
    let said = body(words);
    let message = format!("<message xmlns='jabber:client' from='{owner}'>{said}</message>");
    let forwarded = format!("<forwarded xmlns='urn:xmpp:forward:0'>{message}</forwarded>");
    let of_other = |jid: &str| format!("<from jid='{jid}'/>");
    let good = envelope(&said, &from);
    vec![
        (
            "envelope: from another account",
            envelope(&said, &of_other("mallory@localhost")),
        ),
        (
            "envelope: for another account",
            envelope(&said, &format!("{from}<to jid='mallory@localhost'/>")),
        ),
        (
            "envelope: from and to swapped",
            envelope(&said, &format!("<from jid='{us}'/><to jid='{owner}'/>")),
        ),
        (
            "envelope: one from of two is another's",
            envelope(&said, &format!("{from}{}", of_other("mallory@localhost"))),
        ),
        ("envelope: from nobody", envelope(&said, "<from/>")),
        ("envelope: from no address", envelope(&said, &of_other("@"))),
        (
            "envelope: of another version",
            good.replace("urn:xmpp:sce:1", "urn:xmpp:sce:9"),
        ),
        ("envelope: none", said.clone()),
        ("envelope: only words", words.to_owned()),
        (
            "envelope: words beside the content",
            format!("<envelope xmlns='urn:xmpp:sce:1'><content/>{said}{from}</envelope>"),
        ),
        (
            "envelope: words of another language",
            envelope(&said.replace("jabber:client", "urn:example"), &from),
        ),
        (
            "envelope: words within something else",
            envelope(&format!("<x xmlns='urn:example'>{said}</x>"), &from),
        ),
        (
            "envelope: a carbon inside",
            envelope(
                &format!("<sent xmlns='urn:xmpp:carbons:2'>{forwarded}</sent>"),
                &from,
            ),
        ),
        (
            "envelope: an archive's result inside",
            envelope(
                &format!("<result xmlns='urn:xmpp:mam:2'>{forwarded}</result>"),
                &from,
            ),
        ),
        ("envelope: a message inside", envelope(&message, &from)),
        ("envelope: an envelope inside", envelope(&good, &from)),
        (
            "envelope: 20,000 deep",
            envelope(&"<x>".repeat(20_000), &from),
        ),
        (
            "envelope: with entities of its own",
            format!(
                "<!DOCTYPE e [<!ENTITY w '{words}'>]>{}",
                envelope(&body("&w;"), &from)
            ),
        ),
        (
            "envelope: with a second one after it",
            format!("{good}{good}"),
        ),
    ]
}

#[test]
fn no_envelope_is_obeyed_that_lies_or_hides_and_its_honest_twin_is() {
    let mut scene = Scene::new_in("omemo2");
    let honest = format!("<from jid='{}'/><to jid='{}'/>", jid(OWNER), jid(VAULT));
    let count = envelopes("").len();
    for place in 0..count {
        let words = format!("find attack-{place}");
        let (name, attack) = envelopes(&words).swap_remove(place);
        let order = |xml: &str| json!({ "to": jid(VAULT), "xml": xml });

        scene.phone.order("send_envelope", order(&attack));
        let twin = envelope(&body(&format!("find twin-{place}")), &honest);
        scene.phone.order("send_envelope", order(&twin));
        let answer = scene.phone.wait_reply(&format!("twin-{place}"));

        let said = scene.phone.seen("message");
        let mut said = said.iter().filter_map(|it| it["body"].as_str());
        let obeyed = said.any(|it| it.contains(&format!("attack-{place}\"")));
        row(name, obeyed, answer.starts_with("Nothing is named"));
    }
    assert_eq!(count, 19);
}

/// A description that is wrong, how its file was encrypted, and what the owner reads of it.
struct Attack {
    name: &'static str,
    how: Value,
    wrong: Value,
    words: &'static str,
}

const ALTERED: &str = "was damaged or altered";
const ADDRESS: &str = "an address I must not open";
const PROOF: &str = "nothing in the message would prove";

#[expect(clippy::too_many_lines, reason = "a table")]
fn attacks(other: u16) -> Vec<Attack> {
    let attack = |name, how, wrong, words| Attack {
        name,
        how,
        wrong,
        words,
    };
    let fault = |fault: &str| json!({ "fault": fault });
    let at = |url: String| json!({ "urls": [url] });
    let hash = json!({ "hashes": { "sha-256": "AAAA".repeat(11)[..43].to_owned() + "=" } });
    vec![
        attack(
            "file: CBC, padding of zero",
            fault("pad-zero"),
            json!({}),
            ALTERED,
        ),
        attack(
            "file: CBC, padding too long",
            fault("pad-long"),
            json!({}),
            ALTERED,
        ),
        attack(
            "file: CBC, padding uneven",
            fault("pad-odd"),
            json!({}),
            ALTERED,
        ),
        attack(
            "file: CBC, first block flipped",
            fault("flip-first"),
            json!({}),
            ALTERED,
        ),
        attack(
            "file: CBC, last block flipped",
            fault("flip-last"),
            json!({}),
            ALTERED,
        ),
        attack(
            "file: CBC, a block appended",
            json!({ "fault": "extend", "by": 16 }),
            json!({}),
            ALTERED,
        ),
        attack(
            "file: CBC, a block removed",
            json!({ "fault": "truncate", "by": 16 }),
            json!({}),
            ALTERED,
        ),
        attack(
            "file: CBC, hash of another",
            json!({}),
            hash.clone(),
            ALTERED,
        ),
        attack(
            "file: CBC, another size",
            json!({}),
            json!({ "size": 19_999 }),
            ALTERED,
        ),
        attack(
            "file: CBC, no hash",
            json!({}),
            json!({ "hashes": null }),
            PROOF,
        ),
        attack(
            "file: GCM, hash of another",
            json!({ "cipher": "gcm" }),
            hash,
            ALTERED,
        ),
        attack(
            "file: GCM, tag flipped",
            json!({ "cipher": "gcm", "fault": "flip-last" }),
            json!({}),
            ALTERED,
        ),
        attack(
            "file: GCM, another key",
            json!({ "cipher": "gcm" }),
            json!({ "key": "A".repeat(43) + "=" }),
            ALTERED,
        ),
        attack(
            "file: unencrypted",
            json!({}),
            json!({ "plain": true }),
            "it lies unencrypted",
        ),
        attack(
            "file: at this computer",
            json!({}),
            at(format!("https://127.0.0.1:{other}/x")),
            ADDRESS,
        ),
        attack(
            "file: at this computer, by IPv6",
            json!({}),
            at(format!("https://[::1]:{other}/x")),
            ADDRESS,
        ),
        attack(
            "file: at this computer, by a number",
            json!({}),
            at(format!("https://2130706433:{other}/x")),
            ADDRESS,
        ),
        attack(
            "file: at this computer, by name",
            json!({}),
            at(format!("https://localhost:{other}/x")),
            ADDRESS,
        ),
        attack(
            "file: in the home",
            json!({}),
            at("https://192.168.1.1/x".to_owned()),
            ADDRESS,
        ),
        attack(
            "file: without TLS",
            json!({}),
            at(format!("http://localhost:{other}/x")),
            "no https address",
        ),
        attack(
            "file: on this computer's disk",
            json!({}),
            at("file:///etc/passwd".to_owned()),
            "no https address",
        ),
        attack(
            "file: at five places",
            json!({}),
            json!({ "urls": vec![format!("https://localhost:{other}/x"); 5] }),
            "not one I can read",
        ),
        attack(
            "file: at two places, both at this computer",
            json!({}),
            json!({ "urls": [format!("https://127.0.0.1:{other}/x"), "https://localhost/x"] }),
            ADDRESS,
        ),
    ]
}

#[test]
fn no_described_file_is_taken_that_is_not_what_was_described_and_its_honest_twin_is() {
    let mut scene = Scene::new_in("omemo2");
    let other = Host::start(&scene.home.server);
    let attacks = attacks(other.port());
    let count = attacks.len();
    for (place, attack) in attacks.into_iter().enumerate() {
        let Attack {
            name,
            how,
            wrong,
            words,
        } = attack;
        let bad = scene.shared("photo.jpg", &how);
        scene.describe(&bad.but(&wrong));
        let said = scene.phone.wait_reply("photo.jpg");
        let accepted = !(said.starts_with("photo.jpg is not stored: ") && said.contains(words));
        assert!(!accepted, "{name}: {said}");

        let mut honest = how;
        honest.as_object_mut().unwrap().remove("fault");
        honest.as_object_mut().unwrap().remove("by");
        let good = scene.shared("twin.jpg", &honest);
        scene.describe(&good.description);
        let twin = scene.phone.wait_reply("twin.jpg").contains("stored");
        let kept = scene.home.blobs().len();
        row(name, kept != place + 1, twin);
    }
    assert_eq!((count, other.accepted()), (23, 0));
}
