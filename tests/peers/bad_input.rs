//! What must not go in does not go in: it is refused in words or met with silence, leaves nothing
//! on the drive, and the honest photo after it is stored.

use std::fs;

use aes::{
    Aes256,
    cipher::{BlockCipherDecrypt as _, KeyInit as _},
};
use serde_json::{Value, json};
use strongroom::keeper::reply::Reply;

use crate::{
    home::{STRANGER, VAULT},
    host::Host,
    phone::{Phone, text},
    prosody::jid,
    scene::Scene,
};

const BAD_LINK: &str =
    "The file is not stored: its link is not one I can read. Please send it again.";
const BAD_ADDRESS: &str = "photo.jpg is not stored: its link leads to an address I must not open. \
     If the upload server stands in your own home, pin it in the vault's settings.";
const NOT_TEXT: &str =
    "That message was not plain text, so I did nothing with it. Please type it again.";
const PLAIN_REFUSED: &str = "I only read encrypted messages and kept nothing of this one. \
     Please switch on OMEMO for this chat and send it again.";

fn help() -> String {
    Reply::Help.text()
}

fn not_understood() -> String {
    format!("I did not understand that. I know these:\n{}", help())
}

#[test]
fn a_file_that_was_altered_or_cut_on_its_way_is_refused() {
    let mut scene = Scene::new();
    // The last cut leaves less than a tag.
    for (fault, by) in [
        ("flip-tag", 1),
        ("flip-body", 1),
        ("truncate", 1),
        ("truncate", 16),
        ("truncate", 20_006),
        ("extend", 1),
        ("extend", 16),
        ("extend", 70_000),
    ] {
        scene.share(json!({ "name": "bad.jpg", "fault": fault, "by": by }));

        scene.expect_refusal(
            "bad.jpg is not stored: it was damaged or altered on its way. Please send it again.",
        );
    }
}

#[test]
fn a_host_that_lies_refuses_or_points_elsewhere_gets_nothing_into_the_vault() {
    let mut scene = Scene::new();
    let (sealed, fragment) = scene.sealed();
    let length = sealed.len() as u64;
    // Less than announced may be a broken connection, so it is tried again later.
    scene.host.serve("/short.jpg", length + 1_000, &sealed);
    scene.tell(&scene.host.aesgcm("/short.jpg", &fragment));

    scene.host.serve("/long.jpg", length - 1, &sealed);
    scene.tell(&scene.host.aesgcm("/long.jpg", &fragment));
    scene.expect_refusal(
        "long.jpg is not stored: it was damaged or altered on its way. Please send it again.",
    );

    scene.tell(&scene.host.aesgcm("/gone.jpg", &fragment));
    scene.expect_refusal(
        "gone.jpg is not stored: its server no longer has it. Please send it again.",
    );

    // 403 is what some servers answer once a link has expired.
    for (refusal, why) in [
        (
            "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n",
            "its server no longer has it. Please send it again.",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 20\r\n\r\n12345678901234567890",
            "its server did not give it to me. Please send it again later.",
        ),
    ] {
        scene.host.answer("/no.jpg", refusal);
        scene.tell(&scene.host.aesgcm("/no.jpg", &fragment));
        scene.expect_refusal(&format!("no.jpg is not stored: {why}"));
    }

    scene.expect(
        "short.jpg is not stored yet: its server does not give it to me now. \
         I keep trying; you need not send it again.",
    );
    scene.assert_kept();
    scene.host.serve("/short.jpg", length, &sealed);
    scene.expect_stored_with_others();
    scene.assert_a_photo_is_stored();
}

#[test]
fn a_redirect_is_not_followed_even_to_a_host_that_may_be_used() {
    let mut scene = Scene::new();
    let target = Host::start(&scene.home.server);
    scene.home.stop();
    scene.home.pin(target.port());
    scene.home.start();
    let (sealed, fragment) = scene.sealed();
    target.serve("/photo.jpg", sealed.len() as u64, &sealed);

    for status in [301, 302, 303, 307, 308] {
        let head = format!(
            "HTTP/1.1 {status} There\r\nLocation: https://localhost:{}/photo.jpg\r\n\
             Content-Length: 0\r\n\r\n",
            target.port()
        );
        scene.host.answer("/photo.jpg", head);
        scene.tell(&scene.host.aesgcm("/photo.jpg", &fragment));
        scene.expect_refusal(
            "photo.jpg is not stored: its server pointed elsewhere, which I do not follow. \
             Please send it again; if that repeats, use another upload server.",
        );
    }

    assert_eq!((scene.host.accepted(), target.accepted()), (5, 0));
    scene.tell(&target.aesgcm("/photo.jpg", &fragment));
    scene.expect_stored("photo.jpg");
    assert_eq!((scene.host.accepted(), target.accepted()), (5, 1));
}

#[test]
fn no_connection_is_made_to_an_address_that_is_neither_public_nor_pinned() {
    let mut scene = Scene::new();
    let other = Host::start(&scene.home.server);
    // Only root may listen there, or nobody if it is taken; the words below hold either way.
    let https = Host::listen(&scene.home.server, 443)
        .inspect_err(|error| eprintln!("connections to port 443 are not counted: {error}"))
        .ok();
    let (sealed, fragment) = scene.sealed();
    for host in [Some(&scene.host), Some(&other), https.as_ref()]
        .into_iter()
        .flatten()
    {
        host.serve("/photo.jpg", sealed.len() as u64, &sealed);
    }
    let (pinned, unpinned) = (scene.host.port(), other.port());
    let number = "the link names an address instead of a host";
    let port = "the link names a port other than 443";
    let address = "the host has no address on the Internet";
    for (authority, why) in [
        (format!("127.0.0.1:{pinned}"), number),
        (format!("127.1:{pinned}"), number),
        (format!("2130706433:{pinned}"), number),
        (format!("0x7f000001:{pinned}"), number),
        (format!("[::1]:{pinned}"), number),
        (format!("[::ffff:127.0.0.1]:{pinned}"), number),
        ("10.0.0.1".to_owned(), number),
        ("192.168.1.1".to_owned(), number),
        ("169.254.169.254".to_owned(), number),
        (format!("localhost:{unpinned}"), port),
        (format!("upload.localhost:{pinned}"), port),
        ("localhost".to_owned(), address),
        ("LOCALHOST:443".to_owned(), address),
    ] {
        scene.tell(&format!("aesgcm://{authority}/photo.jpg#{fragment}"));

        scene.expect_refusal(BAD_ADDRESS);
        let line = scene.home.daemon().wait_line("refused to fetch");
        assert!(line.ends_with(why), "{authority}: {line}");
    }

    assert_eq!((scene.host.accepted(), other.accepted()), (0, 0));
    assert_eq!(https.map_or(0, |it| it.accepted()), 0);
    scene.tell(&scene.host.aesgcm("/photo.jpg", &fragment));
    scene.expect_stored("photo.jpg");
    assert_eq!(scene.host.accepted(), 1);
}

#[test]
fn a_malformed_link_is_refused_and_a_plain_one_is_no_command() {
    let mut scene = Scene::new();
    let (sealed, fragment) = scene.sealed();
    scene.host.serve("/p.jpg", sealed.len() as u64, &sealed);
    let host = format!("localhost:{}", scene.host.port());
    let link = scene.host.aesgcm("/p.jpg", &fragment);

    for bad in [
        format!("aesgcm://http://{host}/p.jpg#{fragment}"),
        format!("aesgcm://owner@{host}/p.jpg#{fragment}"),
        format!("aesgcm://owner:secret@{host}/p.jpg#{fragment}"),
        format!("aesgcm:///p.jpg#{fragment}"),
        format!("aesgcm://{host}\\p.jpg#{fragment}"),
        format!("aesgcm://localhost:99999/p.jpg#{fragment}"),
        format!("aesgcm://{host}/p.jpg"),
        format!("aesgcm://{host}/p.jpg#"),
        format!("aesgcm://{host}/p.jpg#{}", &fragment[1..]),
        format!("aesgcm://{host}/p.jpg#{}00", fragment),
        format!(
            "aesgcm://{host}/p.jpg#{}",
            fragment.replace(&fragment[..2], "zz")
        ),
        format!("{link}\nand some words"),
        format!("aesgcm://{host}/{}#{fragment}", "p".repeat(9_000)),
    ] {
        scene.tell(&bad);
        scene.expect_refusal(BAD_LINK);
    }
    for plain in [
        format!("http://{host}/p.jpg"),
        format!("https://{host}/p.jpg#{fragment}"),
        format!("this is it: {link}"),
    ] {
        scene.tell(&plain);
        scene.expect_refusal(&not_understood());
    }

    assert_eq!(scene.host.accepted(), 0);
    scene.tell(&link);
    scene.expect_stored("p.jpg");
    assert_eq!(scene.host.accepted(), 1);
}

#[test]
fn an_iv_of_16_bytes_works_and_so_does_one_whose_counter_wraps() {
    // From this IV, GHASH makes a first counter block of 00112233445566778899aabbfffffffe: the
    // second block of the file is encrypted with a counter that has begun again at 0.
    // NIST SP 800-38D 6.2, 7.1
    let key: Vec<u8> = (0..32).collect();
    let wrapping = json!({
        "name": "wrap.jpg", "iv": "8db93b7232bdcaee187da59ac570d0c2", "key": hex::encode(&key),
    });
    let mut scene = Scene::new();
    let (plain, out) = (scene.photo(), scene.home.path("wrap.sealed"));
    let order = json!({ "path": plain, "out": out, "iv": wrapping["iv"], "key": wrapping["key"] });
    scene.phone.order("encrypt", order);
    let (plain, sealed) = (fs::read(plain).unwrap(), fs::read(out).unwrap());
    let aes = Aes256::new_from_slice(&key).unwrap();
    let counters: Vec<String> = (0..3)
        .map(|block| {
            let at = block * 16..block * 16 + 16;
            let both = plain[at.clone()].iter().zip(&sealed[at]);
            let stream: Vec<u8> = both.map(|(one, other)| one ^ other).collect();
            let mut block = stream.as_slice().try_into().unwrap();
            aes.decrypt_block(&mut block);
            hex::encode(&block[12..])
        })
        .collect();
    assert_eq!(counters, ["ffffffff", "00000000", "00000001"]);

    let with_long_iv = json!({ "name": "old.jpg", "iv_bytes": 16 });
    for (name, with) in [("old.jpg", with_long_iv), ("wrap.jpg", wrapping)] {
        let path = scene.share(with);
        scene.expect_stored(name);
        scene.assert_comes_back(&path);
    }
    scene.assert_a_photo_is_stored();
}

#[test]
fn an_unusual_but_good_message_is_obeyed_and_an_empty_one_met_with_silence() {
    let mut scene = Scene::new();
    let (sealed, fragment) = scene.sealed();
    scene.host.serve("/p.jpg", sealed.len() as u64, &sealed);
    let link = scene.host.aesgcm("/p.jpg", &fragment);

    // No body for those who cannot decrypt.
    let bodiless = json!({ "to": jid(VAULT), "text": link });
    scene.phone.order("send_bodiless", bodiless);
    scene.expect_stored("p.jpg");
    for _ in 0..2 {
        // New sessions, told by messages without content.
        scene.phone.order("send_empty", json!({ "to": jid(VAULT) }));
        scene.assert_open();
    }

    assert_eq!(scene.phone.seen("error"), [] as [Value; 0]);
    assert_eq!(scene.phone.seen("undecryptable"), [] as [Value; 0]);
    scene.assert_a_photo_is_stored();
}

#[test]
fn a_message_that_is_no_clean_text_is_refused_whole() {
    let mut scene = Scene::new();
    let (sealed, fragment) = scene.sealed();
    scene.host.serve("/p.jpg", sealed.len() as u64, &sealed);
    let link = scene.host.aesgcm("/p.jpg", &fragment);
    let dirty: [Vec<u8>; 9] = [
        b"lock\x00".into(),
        b"\x07lock".into(),
        b"\x1b[2Jlist".into(),
        b"list\x7f".into(),
        "list\u{85}".into(),
        b"list\xff".into(),
        b"\xc0\xaf".into(),
        b"l\0i\0s\0t\0".into(),
        [link.as_bytes(), b"\x00"].concat(),
    ];

    for body in dirty {
        let order = json!({ "to": jid(VAULT), "body": hex::encode(body) });
        scene.phone.order("send_bytes", order);
        scene.expect_refusal(NOT_TEXT);
    }

    scene.assert_open();
    assert_eq!(scene.host.accepted(), 0);
    scene.tell(&link);
    scene.expect_stored("p.jpg");
}

#[test]
fn what_is_no_command_is_answered_with_what_would_be_one() {
    let mut scene = Scene::new();
    let number = |word: &str| {
        format!("\"{word}\" is no number I know. Send numbers like 7 or 7-9; \"list\" shows them.")
    };
    let empty = "The vault is empty. Share a photo here and I keep it.".to_owned();
    let which = "Which file? Send for example \"get 7\"; \"list\" shows the numbers.".to_owned();
    let too_many = "That is more than 100 files at once. Ask for fewer.".to_owned();
    let alone =
        "\"lock\" stands alone, so I did nothing. Send just \"lock\" if that is what you mean.";
    let slip = "I did not understand that and did nothing. Did you mean \"lock\"?".to_owned();
    let no_such = |numbers: &str| format!("There is no {numbers}. \"list\" shows the numbers.");
    scene.tell("list");
    scene.expect(&empty);
    scene.tell("get last");
    scene.expect(&empty);
    // Right after a photo these would be its caption.
    for prose in ["hello", "💙"] {
        scene.tell(prose);
        scene.expect(&not_understood());
    }
    for (line, reply) in [
        ("help", help()),
        ("lock now", alone.to_owned()),
        ("lokc", slip),
        ("list\nlock", not_understood()),
        (&"x".repeat(60_000), not_understood()),
        ("get", which),
        ("get me", number("me")),
        ("get 0", number("0")),
        ("get 9-7", number("9-7")),
        ("get -1", number("-1")),
        ("get 99999999999999999999", number("99999999999999999999")),
        (
            "list many",
            "Nothing is named \"many\". Try fewer letters, or \"list\".".to_owned(),
        ),
        ("get 1-101", too_many.clone()),
        ("get last 4000000000", too_many),
        ("get 1000", no_such("#1000")),
        ("get 1000-1002, 1007", no_such("#1000-#1002, #1007")),
        (
            "find",
            "Find what? Send for example \"find summer\".".to_owned(),
        ),
        (
            "find nowhere",
            "Nothing is named \"nowhere\". Try fewer letters, or \"list\".".to_owned(),
        ),
    ] {
        scene.tell(line);
        scene.expect_refusal(&reply);
    }

    let path = scene.share(json!({ "name": "last.jpg" }));
    scene.expect_stored("last.jpg");
    scene.tell("hello");
    scene.phone.wait_reply(": caption \"hello\".");
    scene.assert_comes_back(&path);
}

#[test]
fn what_the_owner_sends_unencrypted_is_refused_once_a_day_and_not_kept() {
    let mut scene = Scene::new();
    let (sealed, _) = scene.sealed();
    scene.host.serve("/p.jpg", sealed.len() as u64, &sealed);
    let photo = scene.photo();
    let shared = scene.phone.order("upload", json!({ "path": photo }));
    let in_clear = |scene: &Scene| -> Vec<String> {
        let messages = scene.phone.seen("message").into_iter();
        messages
            .filter(|it| it["encrypted"] == false)
            .map(|it| text(&it["body"]))
            .collect()
    };

    scene.phone.send_plain(&jid(VAULT), &text(&shared["url"]));
    scene.phone.wait("message", |it| it["encrypted"] == false);
    for again in [
        format!("https://localhost:{}/p.jpg", scene.host.port()),
        scene.host.aesgcm("/p.jpg", &"00".repeat(44)),
        "list".to_owned(),
        "lock".to_owned(),
    ] {
        let id = scene.phone.send_plain(&jid(VAULT), &again);
        scene.assert_open();
        let receipts = scene.phone.seen("receipt");
        assert!(receipts.iter().all(|it| it["receipt_for"] != id));
    }

    assert_eq!(in_clear(&scene), [PLAIN_REFUSED]);
    assert_eq!(scene.host.accepted(), 0);
    scene.assert_a_photo_is_stored();
}

#[test]
fn a_stranger_gets_silence_and_nothing_into_the_vault() {
    let mut scene = Scene::new();
    let (sealed, fragment) = scene.sealed();
    scene.host.serve("/p.jpg", sealed.len() as u64, &sealed);
    let link = scene.host.aesgcm("/p.jpg", &fragment);
    let mut stranger = Phone::start(&scene.home.server, STRANGER);
    let vault = jid(VAULT);

    // The server acknowledges a request by itself, for an account that nobody uses too.
    scene.home.server.register(&["absent"]);
    for account in [&vault, &jid("absent")] {
        stranger.order("subscribe", json!({ "jid": account }));
    }
    for words in [link.as_str(), "list", "help", scene.home.code()] {
        let order = json!({ "to": vault, "text": words });
        let sent = stranger.order("send_text", order);
        // The words were encrypted for the vault's device.
        assert_eq!(sent["devices"].as_array().unwrap().len(), 1);
        stranger.send_plain(&vault, words);
    }
    let asking = format!(
        "<message to='{vault}' type='chat' id='r'><body>help</body>\
         <request xmlns='urn:xmpp:receipts'/></message>"
    );
    stranger.order("send_stanza", json!({ "xml": asking }));
    // An answer of the server: everything before it has left for the vault.
    stranger.order("devices", json!({ "jid": vault }));
    scene.assert_open();
    assert_eq!(scene.host.accepted(), 0);
    scene.tell(&link);
    scene.expect_stored("p.jpg");

    assert_eq!(scene.host.accepted(), 1);
    scene.assert_a_photo_is_stored();
    for sign in [
        "message",
        "empty",
        "undecryptable",
        "error",
        "receipt",
        "chatstate",
        "marker",
        "reactions",
    ] {
        assert_eq!(stranger.seen(sign), [] as [Value; 0], "{sign}");
    }
    let presence = |account: &str| -> Vec<String> {
        let all = stranger.seen("presence").into_iter();
        all.filter(|it| it["from"] == account)
            .map(|it| text(&it["kind"]))
            .collect()
    };
    assert_eq!(presence(&vault), presence(&jid("absent")));
    assert!(!presence(&vault).contains(&"available".to_owned()));
    let owners = scene.phone.seen("presence");
    assert!(owners.iter().any(|it| it["kind"] == "available"));
    assert_ne!(scene.phone.seen("receipt"), [] as [Value; 0]);
}
