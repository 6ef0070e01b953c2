//! Stanzas as servers and phones send them, and as somebody might who wants to be believed.

use super::Seeds;

const LEGACY: &str = "eu.siacs.conversations.axolotl";

fn message(from: &str, inner: &str) -> String {
    format!(
        "<message xmlns='jabber:client' type='chat' from='{from}' to='vault@example.org/strongroom' \
         id='m1'>{inner}</message>"
    )
}

fn encrypted(payload: &str) -> String {
    message(
        "owner@example.org/phone",
        &format!(
            "<encrypted xmlns='{LEGACY}'><header sid='27183'>\
             <key rid='31415' prekey='true'>Mwoh\nBQ==</key><key rid='7'>Mw</key>\
             <iv>AAAAAAAAAAAAAAAA</iv></header>{payload}</encrypted>\
             <encryption xmlns='urn:xmpp:eme:0' namespace='{LEGACY}'/>\
             <body>no OMEMO here</body><store xmlns='urn:xmpp:hints'/>\
             <origin-id xmlns='urn:xmpp:sid:0' id='o1'/>\
             <stanza-id xmlns='urn:xmpp:sid:0' by='vault@example.org' id='a1'/>\
             <request xmlns='urn:xmpp:receipts'/>"
        ),
    )
}

fn carbon(from: &str) -> String {
    let inner = encrypted("");
    message(
        from,
        &format!(
            "<received xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>{inner}\
             </forwarded></received>"
        ),
    )
}

fn archived(from: &str, query: &str, inner: &str) -> String {
    message(
        from,
        &format!(
            "<result xmlns='urn:xmpp:mam:2' queryid='{query}' id='a7'>\
             <forwarded xmlns='urn:xmpp:forward:0'>\
             <delay xmlns='urn:xmpp:delay' stamp='2026-01-02T03:04:05.678Z'/>{inner}\
             </forwarded></result>"
        ),
    )
}

fn device_list(from: &str, content: &str) -> String {
    message(
        from,
        &format!(
            "<event xmlns='http://jabber.org/protocol/pubsub#event'>\
             <items node='{LEGACY}.devicelist'><item id='current'>{content}</item></items></event>"
        ),
    )
}

pub(super) fn messages(seeds: &mut Seeds) {
    let phone = "owner@example.org/phone";
    let list = format!("<list xmlns='{LEGACY}'><device id='1'/><device id='x'/></list>");
    let payload = encrypted("<payload>AAECAw==</payload>");
    let foreign = "<encrypted xmlns='urn:xmpp:omemo:2'/><body>delete all</body>";
    let offline = "<delay xmlns='urn:xmpp:delay' from='example.org' stamp='2026-01-02T03:04:05Z'/>\
                   <body>list</body>";
    let bounced = message(phone, "<body>my own words</body>").replace("chat", "error");
    let room = message(phone, "<body>x</body>").replace("chat", "groupchat");
    let receipt = "<received xmlns='urn:xmpp:receipts' id='7'/>";
    let typing = "<composing xmlns='http://jabber.org/protocol/chatstates'/>";
    let deep = "<a>".repeat(3000) + &"</a>".repeat(3000);
    let long = format!("<body>x</body><x xmlns='y' z='{}'/>", "a".repeat(9000));
    let forged_page = archived("mallory@evil.example", "q1", &payload);
    for (name, text) in [
        ("accepted-encrypted", payload.clone()),
        ("accepted-encrypted--no-payload", encrypted("")),
        (
            "accepted-undecipherable--other-namespace",
            message(phone, foreign),
        ),
        (
            "accepted-undecipherable--damaged",
            encrypted("<payload>***</payload>"),
        ),
        (
            "accepted-plain",
            message(phone, "<body>help &amp; &#x1F3D6;</body>"),
        ),
        ("accepted-plain--kept-offline", message(phone, offline)),
        ("accepted-plain--overlong-attribute", message(phone, &long)),
        ("accepted-received", message(phone, receipt)),
        ("accepted-other--bounced", bounced),
        ("accepted-encrypted--carbon", carbon("vault@example.org")),
        (
            "accepted-archived",
            archived("vault@example.org", "q1", &payload),
        ),
        (
            "accepted-archived-nothing",
            archived("vault@example.org", "q1", ""),
        ),
        (
            "accepted-device-list",
            device_list("owner@example.org", &list),
        ),
        (
            "refused-bad-device-list--from-a-client",
            device_list(phone, &list),
        ),
        (
            "refused-bad-device-list--none",
            device_list("owner@example.org", ""),
        ),
        ("refused-forged-carbon", carbon("mallory@evil.example")),
        ("refused-forged-archive", forged_page),
        (
            "refused-forged-archive--other-query",
            archived("vault@example.org", "q2", &payload),
        ),
        ("refused-no-address", message("@@", "<body>x</body>")),
        ("refused-not-for-us", room),
        ("refused-nothing--typing", message(phone, typing)),
        ("refused-nothing--deep", message(phone, &deep)),
    ] {
        seeds.add("stanza", name, text);
    }
}

pub(super) fn others(seeds: &mut Seeds) {
    let iq = |kind: &str, inner: &str| {
        format!(
            "<iq xmlns='jabber:client' type='{kind}' id='q1' from='owner@example.org/phone'>{inner}\
             </iq>"
        )
    };
    let bundle = format!(
        "<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='{LEGACY}.bundles:7'>\
         <item id='current'><bundle xmlns='{LEGACY}'>\
         <signedPreKeyPublic signedPreKeyId='1'>BQ</signedPreKeyPublic>\
         <signedPreKeySignature>AA\n==</signedPreKeySignature><identityKey>BQ==</identityKey>\
         <prekeys><preKeyPublic preKeyId='1'>BQ==</preKeyPublic></prekeys></bundle></item></items>\
         </pubsub>"
    );
    let slot = "<slot xmlns='urn:xmpp:http:upload:0'><put url='https://up.example/a'>\
                <header name='Authorization'>Basic Zm9v</header></put>\
                <get url='https://up.example/b'/></slot>";
    let roster = "<query xmlns='jabber:iq:roster'><item jid='a@b' subscription='both'/></query>";
    let disco = "<query xmlns='http://jabber.org/protocol/disco#info'/>";
    let cdata = "<query xmlns='x'><![CDATA[</query><message/>]]></query>";
    for (name, text) in [
        (
            "accepted-iq--ping",
            iq("get", "<ping xmlns='urn:xmpp:ping'/>"),
        ),
        ("accepted-iq--disco", iq("get", disco)),
        ("accepted-iq--roster-push", iq("set", roster)),
        ("accepted-iq--cdata", iq("set", cdata)),
        ("accepted-bundle", iq("result", &bundle)),
        ("accepted-slot", iq("result", slot)),
        (
            "accepted-presence",
            "<presence xmlns='jabber:client' from='a@b/c'/>".to_owned(),
        ),
        (
            "refused-unknown-stanza",
            "<r xmlns='urn:xmpp:sm:3'/>".to_owned(),
        ),
        (
            "refused-not-xml",
            "<message xmlns='jabber:client'".to_owned(),
        ),
        (
            "refused-not-xml--entity",
            "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>".to_owned(),
        ),
    ] {
        seeds.add("stanza", name, text);
    }
    seeds.add(
        "stanza",
        "refused-not-text",
        *b"<message xmlns='jabber:client'>\xFF</message>",
    );
}

pub(super) fn inside(seeds: &mut Seeds) {
    let envelope = |inner: &str| format!("<envelope xmlns='urn:xmpp:sce:1'>{inner}</envelope>");
    let list = "<content><body xmlns='jabber:client'>list</body></content>";
    let with = |affix: &str| envelope(&format!("{list}<rpad>Zm9v</rpad>{affix}"));
    let received = "<content><received xmlns='urn:xmpp:receipts' id='1'/></content>";
    let deep = format!(
        "<content>{}{}</content>",
        "<x>".repeat(60),
        "</x>".repeat(60)
    );
    for (name, text) in [
        (
            "accepted-text",
            with("<time stamp='2026-11-22T12:00:00Z'/><from jid='owner@example.org'/>"),
        ),
        (
            "accepted-text--declared",
            format!(
                "<?xml version='1.0'?>{}",
                with("<to jid='vault@example.org'/>")
            ),
        ),
        ("accepted-receipt", envelope(received)),
        ("accepted-nothing", envelope("<content/>")),
        (
            "refused-other-stanza--from",
            with("<from jid='mallory@example.org'/>"),
        ),
        (
            "refused-other-stanza--to",
            with("<to jid='mallory@example.org'/>"),
        ),
        ("refused-malformed--deep", envelope(&deep)),
        ("refused-malformed--no-content", envelope("")),
        ("refused-malformed--text", "list".to_owned()),
        (
            "refused-malformed--entity",
            format!("<!DOCTYPE a [<!ENTITY b 'c'>]>{}", with("")),
        ),
    ] {
        seeds.add("sce", name, text);
    }
}
