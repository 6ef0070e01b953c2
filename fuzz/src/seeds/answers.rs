//! Answers of servers and proxies, and what they might answer instead.

use super::Seeds;

const LEGACY: &str = "eu.siacs.conversations.axolotl";
const PUBSUB: &str = "http://jabber.org/protocol/pubsub";
const INFO: &str = "http://jabber.org/protocol/disco#info";

fn result(payload: &str) -> String {
    format!("<iq xmlns='jabber:client' type='result' id='1'>{payload}</iq>")
}

fn items(content: &str) -> String {
    result(&format!(
        "<pubsub xmlns='{PUBSUB}'><items node='n'><item id='current'>{content}</item></items>\
         </pubsub>"
    ))
}

fn form(fields: &str) -> String {
    format!("<x xmlns='jabber:x:data' type='form'>{fields}</x>")
}

#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn answers(seeds: &mut Seeds) {
    let field = |name: &str, value: &str| {
        format!("<field var='{name}' type='hidden'><value>{value}</value></field>")
    };
    let register = |inside: &str| {
        result(&format!(
            "<query xmlns='jabber:iq:register'>{inside}</query>"
        ))
    };
    let info = |inside: &str| result(&format!("<query xmlns='{INFO}'>{inside}</query>"));
    let user = "<field var='username'/><field var='password'/>";
    let list = "<list xmlns='eu.siacs.conversations.axolotl'><device id='7'/><device id='0'/>\
        <device id='7'/><device id='4294967295'/><device id='x'/></list>";
    let bundle = format!(
        "<bundle xmlns='{LEGACY}'><signedPreKeyPublic signedPreKeyId='1'>BQ==</signedPreKeyPublic>\
         <signedPreKeySignature>AA==</signedPreKeySignature><identityKey>BQ==</identityKey>\
         <prekeys><preKeyPublic preKeyId='3'>Bg==</preKeyPublic></prekeys></bundle>"
    );
    let upload = format!(
        "<feature var='urn:xmpp:http:upload:0'/>{}",
        form(&(field("FORM_TYPE", "urn:xmpp:http:upload:0") + &field("max-file-size", "1e9")))
    );
    let page = |inside: &str, rest: &str| {
        result(&format!(
            "<fin xmlns='urn:xmpp:mam:2' {rest}><set xmlns='http://jabber.org/protocol/rsm'>\
             {inside}</set></fin>"
        ))
    };
    let error = "<iq xmlns='jabber:client' type='error' id='1'><error type='wait'>\
        <resource-constraint xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>\
        <text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>no\n\u{202e}more</text>\
        <file-too-large xmlns='urn:xmpp:http:upload:0'><max-file-size>7</max-file-size>\
        </file-too-large></error></iq>";
    let configure = format!(
        "<pubsub xmlns='{PUBSUB}#owner'><configure node='n'>{}</configure></pubsub>",
        form(&field("pubsub#access_model", "open"))
    );
    let roster = "<query xmlns='jabber:iq:roster'><item jid='owner@example.org' \
        subscription='both'/><item jid='@' subscription='both'/></query>";
    let slot = "<slot xmlns='urn:xmpp:http:upload:0'><put url='https://u.example/1'>\
        <header name='Host'>x</header></put><get url='https://u.example/1'/></slot>";
    let page_elsewhere = "<x xmlns='jabber:x:oob'><url>https://e.example/\u{202e}join</url></x>";
    for (name, stanza) in [
        ("accepted-device-list", items(list)),
        ("accepted-bundle", items(&bundle)),
        ("accepted-items--of-something-else", items("<x xmlns='y'/>")),
        ("accepted-node", result(&configure)),
        ("accepted-roster", result(roster)),
        ("accepted-service", info(&upload)),
        (
            "accepted-info--policy",
            info(&form(
                &(field("FORM_TYPE", "urn:xmpp:data-policy:0")
                    + &field("data_retention", "30\ndays")),
            )),
        ),
        ("accepted-page", page("<last>x7</last>", "")),
        ("accepted-last-page", page("<last/>", "complete='1'")),
        ("accepted-slot", result(slot)),
        ("accepted-empty", result("")),
        ("accepted-other", result("<x xmlns='y'/>")),
        (
            "accepted-open-registration--plain",
            register("<username/><password/>"),
        ),
        (
            "accepted-open-registration--form",
            register(&form(&(field("FORM_TYPE", "a&lt;b") + user))),
        ),
        (
            "accepted-registration--more",
            register("<username/><password/><email/>"),
        ),
        ("accepted-registration--elsewhere", register(page_elsewhere)),
        (
            "accepted-registration--riddle",
            register(&form("<field var='ocr'/>")),
        ),
        ("refused-refused", error.to_owned()),
        (
            "refused-unreadable",
            "<iq xmlns='jabber:client' type='get'/>".to_owned(),
        ),
        (
            "refused-no-answer",
            "<message xmlns='jabber:client'/>".to_owned(),
        ),
        ("refused-not-xml", "<iq".to_owned()),
    ] {
        seeds.add("answer", name, stanza);
    }
}

pub(super) fn logins(seeds: &mut Seeds) {
    let sasl = "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'";
    let features = |mechanisms: &[&str]| {
        let offered = mechanisms
            .iter()
            .map(|it| format!("<mechanism>{it}</mechanism>"));
        format!(
            "<features xmlns='http://etherx.jabber.org/streams'><mechanisms {sasl}>{}</mechanisms>\
             <sasl-channel-binding xmlns='urn:xmpp:sasl-cb:0'>\
             <channel-binding type='tls-exporter'/></sasl-channel-binding></features>",
            offered.collect::<String>()
        )
    };
    let ends = "<error xmlns='http://etherx.jabber.org/streams'>\
        <host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></error>";
    for (name, words) in [
        ("accepted-features--only-plain", features(&["PLAIN"])),
        (
            "accepted-features--all",
            features(&["PLAIN", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-1"]),
        ),
        (
            "accepted-challenge--element",
            format!("<challenge {sasl}>cj1h</challenge>"),
        ),
        (
            "accepted-success--no-data",
            format!("<success {sasl}>=</success>"),
        ),
        (
            "refused-failure",
            format!("<failure {sasl}><not-authorized/></failure>"),
        ),
        (
            "refused-failure--no-base64",
            format!("<success {sasl}>!</success>"),
        ),
        ("refused-stream-error", ends.to_owned()),
        ("refused-not-xml", "PLAIN".to_owned()),
        (
            "accepted-challenge--proof",
            "\0r=x,s=c2FsdA==,i=4096\nv=AAAA".to_owned(),
        ),
        (
            "accepted-long-challenge",
            "\0r=x,s=c2FsdA==,i=999999".to_owned(),
        ),
        (
            "refused-challenge-refused--too-few",
            "\0r=x,s=c2FsdA==,i=1".to_owned(),
        ),
        (
            "refused-challenge-refused--extension",
            "\0m=x,r=x,s=c2FsdA==,i=4096".to_owned(),
        ),
        (
            "refused-challenge-unreadable--salt",
            "\0r=x,s=!,i=4096".to_owned(),
        ),
    ] {
        seeds.add("login", name, words);
    }
}

pub(super) fn proxies(seeds: &mut Seeds) {
    for (name, words) in [
        (
            "accepted-connection--ipv4",
            &[5, 0, 5, 0, 0, 1, 10, 0, 0, 1, 0, 80][..],
        ),
        (
            "accepted-connection--empty-name",
            &[5, 0, 5, 0, 0, 3, 0, 0, 80],
        ),
        (
            "accepted-connection--more",
            &[5, 0, 5, 0, 0, 3, 1, 97, 0, 80, 60],
        ),
        ("refused-wants-login", &[5, 2]),
        ("refused-refused", &[5, 0, 5, 5, 0, 1, 0, 0, 0, 0, 0, 0]),
        ("refused-no-proxy--http", b"HTTP/1.1 400"),
        ("refused-no-proxy--address", &[5, 0, 5, 0, 0, 9, 0, 0]),
        ("refused-cut-short", &[5, 0, 5, 0, 0, 3, 255, 97]),
    ] {
        seeds.add("socks", name, words);
    }
}

pub(super) fn http(seeds: &mut Seeds) {
    seeds.all(
        "http",
        &[
            (
                "accepted-address",
                "https://upload.example.org/1/a%20b.jpg?x=y#key",
            ),
            (
                "accepted-address--final-dot",
                "https://upload.example.org./1",
            ),
            ("accepted-local-name", "https://nas.local/1"),
            ("refused-address--http", "http://upload.example.org/1"),
            (
                "refused-address--user",
                "https://me:pw@upload.example.org/1",
            ),
            ("refused-address--bare", "https://192.168.0.1/1"),
            ("refused-address--number", "https://3232235521/1"),
            ("refused-address--ipv6", "https://[::ffff:127.0.0.1]/1"),
            ("refused-address--port", "https://upload.example.org:22/1"),
            (
                "refused-address--backslash",
                "https://upload.example.org\\@evil.example/1",
            ),
            ("accepted-head", "HTTP/1.1 200\nContent-Length: 1000\n"),
            (
                "accepted-head--no-length",
                "HTTP/1.1 200\nContent-Type: image/jpeg\n",
            ),
            (
                "refused-head--too-large",
                "HTTP/1.1 200\nContent-Length: 1001\n",
            ),
            (
                "refused-head--negative",
                "HTTP/1.1 200\nContent-Length: -1\n",
            ),
            (
                "refused-head--packed",
                "HTTP/1.1 200\nContent-Encoding: gzip\n",
            ),
            (
                "refused-head--redirect",
                "HTTP/1.1 302\nLocation: https://nas.local/\n",
            ),
            ("refused-head--part", "HTTP/1.1 206\nContent-Length: 7\n"),
            ("refused-no-http", "HTTP/1.1 2000\n"),
            (
                "accepted-slot",
                "PUT\nAuthorization: Bearer x\ncookie: a=b\nExpires: never\n",
            ),
            (
                "accepted-slot--headers-of-its-own",
                "PUT\nHost: nas.local\nContent-Length: 9\n",
            ),
            ("refused-slot", "PUT\nCookie: \u{7f}\n"),
        ],
    );
    seeds.add("http", "refused-not-text", *b"https://\xFF");
}
