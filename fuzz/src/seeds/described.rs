//! Files as phones describe them inside an encrypted payload, and as they should not.

use super::Seeds;

const CBC: &str = "urn:xmpp:ciphers:aes-256-cbc-pkcs7:0";
const GCM: &str = "urn:xmpp:ciphers:aes-128-gcm-nopadding:0";
const URL: &str = "https://up.example/1/a%20b.jpg";

fn envelope(content: &str, affixes: &str) -> String {
    format!(
        "<envelope xmlns='urn:xmpp:sce:1'><content>{content}</content><rpad>x</rpad>{affixes}\
         </envelope>"
    )
}

fn file(cipher: &str, secret: (usize, usize), hash: &str, url: &str) -> String {
    let zeros = |bytes: usize| "A".repeat((bytes * 8).div_ceil(6));
    let (key, iv) = (zeros(secret.0), zeros(secret.1));
    format!(
        "<file-sharing xmlns='urn:xmpp:sfs:0' disposition='inline'>\
         <file xmlns='urn:xmpp:file:metadata:0'><media-type>image/jpeg</media-type>\
         <name>a &lt;b.jpg</name><size>17</size>{hash}</file><sources>\
         <encrypted xmlns='urn:xmpp:esfs:0' cipher='{cipher}'><key>{key}</key><iv>{iv}</iv>\
         <sources xmlns='urn:xmpp:sfs:0'>\
         <url-data xmlns='http://jabber.org/protocol/url-data' target='{url}'/></sources>\
         </encrypted></sources></file-sharing>"
    )
}

pub(super) fn payloads(seeds: &mut Seeds) {
    let body = "<body xmlns='jabber:client'>list</body>";
    let from = "<from jid='owner@example.org/phone'/><to jid='vault@example.org'/>";
    let sha = format!(
        "<hash xmlns='urn:xmpp:hashes:2' algo='sha3-512'>{}==</hash>",
        "A".repeat(86)
    );
    let cbc = file(CBC, (32, 32), &sha, URL);
    let gcm = file(GCM, (16, 16), "", URL);
    let fallback = "<fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:sfs:0'>\
         <body start='0' end='2'/></fallback>";
    for (name, content) in [
        ("accepted-words--list", body.to_owned()),
        ("accepted-words--fallback", format!("{body}{fallback}")),
        ("accepted-file--cbc", cbc.clone()),
        (
            "accepted-file--cbc-sealed-hash",
            file(CBC, (32, 16), "", URL).replace("</iv>", &format!("</iv>{sha}")),
        ),
        (
            "accepted-file--gcm-dated",
            file(GCM, (16, 12), "<date>2015-07-26T21:46:00+01:00</date>", URL)
                .replace("</iv>", &format!("</iv>{sha}")),
        ),
        (
            "accepted-refused-file--short-sealed-hash",
            file(CBC, (32, 16), &sha, URL).replace(
                "</iv>",
                "</iv><hash xmlns='urn:xmpp:hashes:2' algo='sha-256'>AAAA</hash>",
            ),
        ),
        ("accepted-file--both", format!("{body}{cbc}{gcm}")),
        (
            "accepted-refused-file--unproven",
            file(CBC, (32, 16), "", URL),
        ),
        (
            "accepted-refused-file--http",
            file(CBC, (32, 16), &sha, "http://up.example/x"),
        ),
        (
            "accepted-refused-file--short",
            file(GCM, (15, 12), &sha, URL),
        ),
        (
            "accepted-file--ahead",
            format!(
                "<file-sharing xmlns='urn:xmpp:sfs:0' id='1'>\
                 <file xmlns='urn:xmpp:file:metadata:0'><name>a.jpg</name>{sha}</file>\
                 </file-sharing>"
            ),
        ),
        (
            "accepted-sources--attached",
            format!(
                "<attach-to xmlns='urn:xmpp:message-attaching:1' id='m'/>\
                 <sources xmlns='urn:xmpp:sfs:0' id='1'>{}</sources>",
                cbc.split_once("<sources>")
                    .and_then(|it| it.1.rsplit_once("</sources></file-sharing>"))
                    .map_or("", |it| it.0)
            ),
        ),
        ("accepted-nothing", String::new()),
    ] {
        seeds.add("described", name, envelope(&content, from));
    }
    let other = "<from jid='mallory@example.org'/>";
    seeds.add("described", "refused-other-stanza", envelope(body, other));
    let deep = "<x>".repeat(100) + &"</x>".repeat(100);
    seeds.add(
        "described",
        "refused-malformed--deep",
        envelope(&deep, from),
    );
    seeds.add("described", "refused-malformed--text", "list");
}
