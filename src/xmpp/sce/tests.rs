//! Envelopes as peers write them, and as they should not.

use std::time::Duration;

use super::*;

const PHONE: &str = "owner@example.org";
const VAULT: &str = "vault@example.org";

fn rng() -> impl CryptoRng {
    rand_core::UnwrapErr(getrandom::SysRng)
}

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn envelope(inner: &str) -> String {
    format!("<envelope xmlns='urn:xmpp:sce:1'>{inner}</envelope>")
}

fn read(text: &str) -> Result<SceContent, SceError> {
    SceContent::read(text.as_bytes(), PHONE, VAULT)
}

fn refused(text: &str) -> Option<SceError> {
    read(text).err()
}

const LIST: &str = "<content><body xmlns='jabber:client'>list</body></content>";

#[test]
fn what_is_written_is_read_back() {
    let draft = SceDraft::default().body("1 < 2 & \u{1f4f7}").ask_receipt();

    let written = draft.write(PHONE, VAULT, at(1_800_000_000), &mut rng());
    let content = SceContent::read(&written, PHONE, VAULT).unwrap();

    assert_eq!(content.body().as_deref(), Some("1 < 2 & \u{1f4f7}"));
    assert!(content.asks_receipt());
    assert_eq!(content.sent_at(), Some(at(1_800_000_000)));
    assert_eq!(content.received(), None);
}

#[test]
fn an_envelope_as_the_specification_shows_it_is_read() {
    let text = "<?xml version='1.0' encoding='UTF-8'?>\n\
        <envelope xmlns='urn:xmpp:sce:1'>\n <content>\n\
        <body xmlns='jabber:client'>\n     Hello World!\n    </body>\n </content>\n\
        <rpad>...</rpad>\n <from jid='owner@example.org'/>\n</envelope>\n";

    let content = read(text).unwrap();

    assert_eq!(content.body().unwrap().trim(), "Hello World!");
    assert_eq!(content.sent_at(), None);
}

#[test]
fn an_envelope_for_another_stanza_is_refused() {
    let other = "<from jid='stranger@example.org'/>";
    let both = format!("<from jid='{PHONE}'/>{other}");

    for (affix, expected) in [
        (other, Some(SceError::OtherStanza)),
        (both.as_str(), Some(SceError::OtherStanza)),
        ("<from/>", Some(SceError::OtherStanza)),
        ("<to jid='owner@example.org'/>", Some(SceError::OtherStanza)),
        // the honest twins: no affix, and those that fit, also with a resource
        ("", None),
        ("<from jid='Owner@Example.org/phone'/>", None),
        (
            "<to jid='vault@example.org'/><from jid='owner@example.org'/>",
            None,
        ),
    ] {
        assert_eq!(
            refused(&envelope(&format!("{LIST}{affix}"))),
            expected,
            "{affix}"
        );
    }
}

#[test]
fn padding_is_never_a_reason_to_refuse_and_a_time_that_is_none_counts_as_none() {
    for affix in [
        "",
        "<rpad/>",
        "<rpad>x</rpad><rpad>y</rpad>",
        &format!("<rpad>{}</rpad>", "x".repeat(5_000)),
        "<time/>",
        "<time stamp='noon'/>",
    ] {
        let content = read(&envelope(&format!("{LIST}{affix}"))).unwrap();

        assert_eq!(content.body().as_deref(), Some("list"), "{affix}");
        assert_eq!(content.sent_at(), None, "{affix}");
    }
}

#[test]
fn what_is_no_envelope_is_refused() {
    for text in [
        "list",
        "",
        "<body xmlns='jabber:client'>list</body>",
        "<envelope xmlns='urn:xmpp:sce:0'><content/></envelope>",
        "<envelope xmlns='urn:xmpp:sce:1'/>",
        "<envelope xmlns='urn:xmpp:sce:1'><content></envelope>",
        "<!DOCTYPE x [<!ENTITY y 'z'>]><envelope xmlns='urn:xmpp:sce:1'><content/></envelope>",
        "<envelope xmlns='urn:xmpp:sce:1'><content/></envelope><envelope/>",
        "<envelope xmlns='urn:xmpp:sce:1'><content/><content/></envelope>",
    ] {
        assert_eq!(refused(text), Some(SceError::Malformed), "{text}");
    }
    assert_eq!(
        SceContent::read(b"\xff\xfe", PHONE, VAULT).err(),
        Some(SceError::Malformed)
    );
    assert_eq!(refused(&envelope(LIST)), None);
}

#[test]
fn an_envelope_that_would_hurt_the_parser_is_refused() {
    let nested = |name: &str, depth| {
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        let nest = format!("{}{}", open.repeat(depth), close.repeat(depth));
        envelope(&format!("<content>{nest}</content>"))
    };
    let wide = envelope(&format!(
        "<content><x a='{}'/></content>",
        "y".repeat(9_000)
    ));
    let large = envelope(&format!("<content/><rpad>{}</rpad>", "y".repeat(MAX_BYTES)));

    assert_eq!(refused(&nested("x", 100_000)), Some(SceError::Malformed));
    assert_eq!(refused(&nested("x", 60)), Some(SceError::Malformed));
    assert_eq!(refused(&nested("x", 20)), None);
    for text in [nested("stream:stream", 60), wide, large] {
        assert_eq!(refused(&text), Some(SceError::Malformed));
    }
}

#[test]
fn what_only_a_server_may_say_counts_for_nothing_inside() {
    let inner = "<content><stanza-id xmlns='urn:xmpp:sid:0' id='1' by='vault@example.org'/>\
        <origin-id xmlns='urn:xmpp:sid:0' id='2'/><no-store xmlns='urn:xmpp:hints'/>\
        <delay xmlns='urn:xmpp:delay' stamp='2020-01-01T00:00:00Z'/></content>";

    let content = read(&envelope(inner)).unwrap();

    assert!(content.element("stanza-id", ns::STANZA_IDS).is_none());
    assert!(content.element("no-store", "urn:xmpp:hints").is_none());
    assert!(content.element("delay", ns::DELAY).is_none());
    assert!(content.element("origin-id", ns::STANZA_IDS).is_some());
}

#[test]
fn only_a_body_of_the_client_namespace_is_a_text() {
    let inner = "<content><body xmlns='urn:x'>delete 1</body></content>\
        <body xmlns='jabber:client'>delete 2</body>";

    let content = read(&envelope(inner)).unwrap();

    assert_eq!(content.body(), None);
}

#[test]
fn the_length_tells_nothing_of_short_words_and_varies_for_the_same_ones() {
    let length = |words: &str| {
        let draft = SceDraft::default().body(words);
        draft.write(PHONE, VAULT, at(0), &mut rng()).len()
    };
    let lengths: Vec<usize> = (0..200)
        .map(|turn| length(&"x".repeat(turn % 100)))
        .collect();

    assert!(
        lengths
            .iter()
            .all(|it| (LEAST_BYTES..=LEAST_BYTES + MOST_PADDING).contains(it))
    );
    let distinct: std::collections::BTreeSet<_> = lengths.iter().collect();
    assert!(distinct.len() > 50, "{} lengths", distinct.len());
    assert!(length(&"x".repeat(5_000)) > 5_000);
}
