//! Upload slots and download links that lead the vault to where it must not go.

use std::fs;

use serde_json::json;

use super::{row, siege::Siege};
use crate::{
    home::{VAULT, noise},
    host::Host,
    middle::{Verdict, Way, frames},
    phone::text,
    prosody::jid,
};

const NOT_SENT: &str = "#1 was not sent because the upload failed. Please ask again later.";
/// Answers an upload, and whoever asks for it again.
const TAKEN: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

fn slot(put: &str, headers: &str, get: &str) -> String {
    format!(
        "<slot xmlns='urn:xmpp:http:upload:0'><put url='{put}'>{headers}</put><get url='{get}'/></slot>"
    )
}

/// Has file 1 asked back while the server answers with this slot. Returns whether it was sent.
fn is_sent(siege: &mut Siege, answer: String) -> bool {
    siege.rule(move |way, element| {
        if way == Way::ToVault
            && let Some(honest) = frames::within(element, "slot")
        {
            return Verdict::Replace(vec![element.replace(&honest, &answer)]);
        }
        Verdict::Pass
    });
    siege.phone.send_text(&jid(VAULT), "get 1");
    let reply = siege.phone.wait("message", |it| {
        let body = it["body"].as_str().unwrap_or_default();
        it["encrypted"] == true && (body == NOT_SENT || body.starts_with("aesgcm://"))
    });
    if reply["body"] == NOT_SENT {
        return false;
    }
    // The phone looks at it: the hosts here do not have it.
    siege.phone.wait("file-error", |_| true);
    true
}

fn keep_a_file(siege: &mut Siege) {
    let path = siege.home.path("1.jpg");
    fs::write(&path, noise(20_000, 1)).unwrap();
    siege.phone.send_file(&jid(VAULT), &path, "1.jpg");
    siege.phone.wait_reply("1.jpg, 20.0 kB, stored");
}

#[test]
fn no_slot_and_no_link_leads_the_vault_where_it_must_not_go() {
    let mut siege = Siege::begin();
    siege.rule(|_, _| Verdict::Pass);
    keep_a_file(&mut siege);
    let other = Host::start(&siege.home.server);
    let (pinned, unpinned) = (siege.host.port(), other.port());
    let good = format!("https://localhost:{pinned}/up/1.jpg");
    siege.host.answer("/up/1.jpg", TAKEN);
    other.answer("/up/1.jpg", TAKEN);
    let redirect = format!(
        "HTTP/1.1 307 There\r\nLocation: https://localhost:{unpinned}/up/1.jpg\r\n\
         Content-Length: 0\r\n\r\n"
    );
    siege.host.answer("/up/away.jpg", redirect);

    for (name, put) in [
        (
            "a slot over http",
            format!("http://localhost:{pinned}/up/1.jpg"),
        ),
        (
            "a slot at an address in place of a host",
            format!("https://127.0.0.1:{pinned}/up/1.jpg"),
        ),
        (
            "a slot at a short address",
            format!("https://127.1:{pinned}/up/1.jpg"),
        ),
        (
            "a slot at IPv6 loopback",
            format!("https://[::1]:{pinned}/up/1.jpg"),
        ),
        (
            "a slot with a user's name",
            format!("https://me:secret@localhost:{pinned}/up/1.jpg"),
        ),
        (
            "a slot at a port that is not pinned",
            format!("https://localhost:{unpinned}/up/1.jpg"),
        ),
        (
            "a slot at a private address",
            "https://10.0.0.1/up/1.jpg".to_owned(),
        ),
        (
            "a slot at the address of the cloud's keys",
            "https://169.254.169.254/up/1.jpg".to_owned(),
        ),
        (
            "a slot at no web address",
            format!("file:///up/localhost:{pinned}/1.jpg"),
        ),
    ] {
        let before = siege.host.accepted() + other.accepted();
        let sent = is_sent(&mut siege, slot(&put, "", &good));
        let accepted = sent || siege.host.accepted() + other.accepted() > before;
        let before = siege.host.heads().len();
        let sent = is_sent(&mut siege, slot(&good, "", &good));
        let puts = siege.host.heads().split_off(before);
        row(
            name,
            accepted,
            sent && puts.iter().any(|it| it.starts_with("PUT ")),
        );
    }

    let away = good.replace("1.jpg", "away.jpg");
    let sent = is_sent(&mut siege, slot(&away, "", &good));
    let accepted = sent || other.accepted() > 0;
    let twin = is_sent(&mut siege, slot(&good, "", &good));
    row("a slot that points elsewhere", accepted, twin);
    headers(&mut siege, &good);
    links_back(&mut siege, &good);
    downloads(&mut siege, &other);
}

/// What the server would have the vault say to the upload host.
fn headers(siege: &mut Siege, good: &str) {
    for (name, header, forbidden) in [
        (
            "a foreign header",
            "<header name='X-Evil'>evil</header>",
            "evil",
        ),
        (
            "another host's name as a header",
            "<header name='Host'>evil.example</header>",
            "evil",
        ),
        (
            "a header with a line break",
            "<header name='Cookie'>a=b&#13;&#10;X-Evil: evil</header>",
            "evil",
        ),
        (
            "a length as a header",
            "<header name='Content-Length'>123456789</header>",
            "123456789",
        ),
        (
            "a proxy's header",
            "<header name='Transfer-Encoding'>evil</header>",
            "evil",
        ),
    ] {
        let honest = "<header name='Authorization'>Bearer honest</header>";
        let before = siege.host.heads().len();
        // The test's host may lose a connection on a loaded machine: then the owner asks again.
        let with_both = format!("{header}{honest}");
        let sent = (0..3).any(|_| is_sent(siege, slot(good, &with_both, good)));
        let heads = siege.host.heads().split_off(before);
        let puts: Vec<&String> = heads.iter().filter(|it| it.starts_with("PUT ")).collect();
        let twin = sent && puts.iter().all(|it| it.contains("Bearer honest"));
        let accepted =
            puts.is_empty() || puts.iter().any(|it| it.to_lowercase().contains(forbidden));
        row(name, accepted, twin);
    }
}

/// Addresses that the owner's phone would be sent to.
fn links_back(siege: &mut Siege, good: &str) {
    for (name, get) in [
        ("a file's address over http", good.replace("https", "http")),
        (
            "a file's address with a key of its own",
            format!("{good}#{}", "00".repeat(44)),
        ),
        (
            "a file's address with a line break",
            format!("{good}&#10;lock"),
        ),
        (
            "a file's address that is none",
            "javascript:alert(1)".to_owned(),
        ),
    ] {
        let accepted = is_sent(siege, slot(good, "", &get));
        let twin = is_sent(siege, slot(good, "", good));
        row(name, accepted, twin);
    }
}

/// Links that are the owner's own, at hosts that are the attacker's.
fn downloads(siege: &mut Siege, other: &Host) {
    siege.rule(|_, _| Verdict::Pass);
    let (pinned, unpinned) = (siege.host.port(), other.port());
    let away = format!("https://localhost:{unpinned}/up/p.jpg");
    let answers = [301, 302, 307].map(|status| {
        format!("HTTP/1.1 {status} There\r\nLocation: {away}\r\nContent-Length: 0\r\n\r\n")
    });
    let mut attacks: Vec<(String, String)> = vec![
        (
            "a link to an address in place of a host".to_owned(),
            format!("127.0.0.1:{unpinned}/up/p.jpg"),
        ),
        (
            "a link to a port that is not pinned".to_owned(),
            format!("localhost:{unpinned}/up/p.jpg"),
        ),
        (
            "a link to a private address".to_owned(),
            "192.168.1.1/up/p.jpg".to_owned(),
        ),
    ];
    for (number, answer) in answers.into_iter().enumerate() {
        let path = format!("/away/{number}.jpg");
        siege.host.answer(&path, answer);
        let what = format!(
            "a download that points elsewhere ({})",
            [301, 302, 307][number]
        );
        attacks.push((what, format!("localhost:{pinned}{path}")));
    }
    for (number, (name, address)) in attacks.into_iter().enumerate() {
        let (path, out) = (siege.home.path("p.jpg"), siege.home.path("p.sealed"));
        fs::write(&path, noise(20_000, 100 + number as u64)).unwrap();
        let made = siege
            .phone
            .order("encrypt", json!({ "path": path, "out": out }));
        let (sealed, fragment) = (fs::read(&out).unwrap(), text(&made["fragment"]));
        let twin = format!("/p{number}.jpg");
        siege.host.serve(&twin, sealed.len() as u64, &sealed);
        other.serve("/up/p.jpg", sealed.len() as u64, &sealed);
        let before = other.accepted();

        siege
            .phone
            .send_text(&jid(VAULT), &format!("aesgcm://{address}#{fragment}"));
        siege.phone.wait_reply("is not stored");
        let accepted = other.accepted() > before;
        let link = siege.host.aesgcm(&twin, &fragment);
        siege.phone.send_text(&jid(VAULT), &link);
        row(
            &name,
            accepted,
            siege.expect(&format!("p{number}.jpg, 20.0 kB, stored")),
        );
    }
}
