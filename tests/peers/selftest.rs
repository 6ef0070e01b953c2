//! The harness itself, and the control of every test that uses it: without the daemon, two phones
//! understand each other, and each bad input is found bad by foreign code too.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::json;

use crate::{
    daemon::{Daemon, run_to_end},
    host::Host,
    phone::{Phone, text},
    prosody::{Prosody, jid},
};

/// A file of `length` bytes that are not all the same.
fn file(folder: &Path, length: usize) -> PathBuf {
    let path = folder.join(format!("{length}.bin"));
    let bytes: Vec<u8> = (0..length as u64)
        .map(|it| (it * it / 7).to_le_bytes()[0])
        .collect();
    fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn two_phones_talk_through_prosody_both_ways() {
    let mut server = Prosody::start(&["alice"]);
    server.register(&["bob"]);
    assert_ne!(server.c2s_port(), server.direct_tls_port());
    let folder = tempfile::tempdir().unwrap();
    let mut alice = Phone::start(&server, "alice");
    let mut bob = Phone::start(&server, "bob");
    Phone::befriend_both(&mut alice, &mut bob);
    bob.wait("presence", |it| {
        it["from"] == jid("alice") && it["kind"] == "available"
    });
    assert_eq!(
        bob.order("roster", json!({}))["roster"][alice.jid()],
        "both"
    );

    let id = alice.send_text(&bob.jid(), "Good morning, Bob");
    assert_eq!(bob.wait_reply("morning"), "Good morning, Bob");
    alice.wait_receipt(&id);
    let id = bob.send_text(&alice.jid(), "Good morning, Alice");
    assert_eq!(alice.wait_reply("morning"), "Good morning, Alice");
    bob.wait_receipt(&id);

    let photo = file(folder.path(), 100_000);
    alice.send_file(&bob.jid(), &photo, "größe 1.jpg");
    let got = bob.wait_file();
    assert_eq!(got.name, "größe 1.jpg");
    assert!(fs::read(&got.path).unwrap() == fs::read(&photo).unwrap());
    assert!(
        got.link
            .starts_with(&format!("aesgcm://localhost:{}/", server.https_port()))
    );
    bob.send_file(&alice.jid(), &photo, "back.jpg");
    assert!(fs::read(alice.wait_file().path).unwrap() == fs::read(&photo).unwrap());

    // What a phone misses while the server is down or it is logged out reaches it afterwards.
    let state = bob.log_out();
    server.restart();
    alice.wait("online", |_| true);
    alice.send_text(&jid("bob"), "Are you there?");
    let mut bob = Phone::resume(&server, "bob", state);
    assert_eq!(bob.wait_reply("there"), "Are you there?");
    bob.send_text(&jid("alice"), "Back again");
    alice.wait_reply("Back");

    assert!(alice.assert_no_message_key_was_used_twice() >= 3);
    assert!(bob.assert_no_message_key_was_used_twice() >= 1);
}

#[test]
fn the_phone_sees_signs_devices_and_what_is_not_encrypted() {
    let server = Prosody::start(&["alice", "bob"]);
    let mut alice = Phone::start(&server, "alice");
    let mut bob = Phone::start(&server, "bob");
    let to = alice.jid();

    for body in [
        "<active xmlns='http://jabber.org/protocol/chatstates'/>",
        "<composing xmlns='http://jabber.org/protocol/chatstates'/>",
        "<displayed xmlns='urn:xmpp:chat-markers:0' id='m1'/>",
        "<reactions xmlns='urn:xmpp:reactions:0' id='m1'><reaction>✅</reaction></reactions>",
    ] {
        let xml = format!("<message to='{to}' type='chat'>{body}</message>");
        bob.order("send_stanza", json!({ "xml": xml }));
    }
    bob.send_plain(&to, "in the clear");

    let plain = alice.wait("message", |_| true);
    assert_eq!(
        (&plain["encrypted"], &plain["body"]),
        (&json!(false), &json!("in the clear"))
    );
    let states: Vec<_> = alice
        .seen("chatstate")
        .iter()
        .map(|it| text(&it["state"]))
        .collect();
    assert_eq!(states, ["active", "composing"]);
    assert_eq!(alice.wait("marker", |_| true)["marker_for"], "m1");
    assert_eq!(
        alice.wait("reactions", |_| true)["reactions"],
        json!(["✅"])
    );
    let devices = bob.order("devices", json!({ "jid": to }));
    assert_eq!(devices["devices"][0]["device"], alice.device);
    assert_eq!(devices["devices"][0]["fingerprint"], alice.fingerprint);
    assert_eq!(alice.fingerprint.len(), 64);

    alice.order("receipts", json!({ "on": false }));
    bob.send_text(&to, "no answer wanted");
    alice.wait_reply("no answer");
    bob.send_text(&to, "second");
    alice.wait_reply("second");
    alice.send_text(&bob.jid(), "fence");
    bob.wait_reply("fence");
    assert_eq!(bob.seen("receipt").len(), 0);

    for words in ["one", "two", "three"] {
        bob.send_text(&to, words);
        alice.wait_reply(words);
    }
    let last: Vec<_> = alice
        .seen("ratchet")
        .into_iter()
        .rev()
        .take(3)
        .rev()
        .collect();
    assert!(
        last.iter()
            .all(|it| it["ratchet_key"] == last[0]["ratchet_key"])
    );
    assert_eq!(
        last.iter().map(|it| &it["counter"]).collect::<Vec<_>>(),
        [0, 1, 2]
    );
    assert!(
        last.iter()
            .all(|it| it["recipients"] == json!([alice.device]))
    );
}

#[test]
fn a_phone_tells_devices_apart_and_whom_it_trusts() {
    let server = Prosody::start(&["alice", "bob"]);
    let folder = tempfile::tempdir().unwrap();
    let mut alice = Phone::start(&server, "alice");
    let tablet = Phone::start(&server, "alice");
    let mut bob = Phone::start(&server, "bob");
    let (to, back) = (alice.jid(), bob.jid());
    assert_ne!(alice.device, tablet.device);
    Phone::befriend_both(&mut alice, &mut bob);

    bob.send_text(&to, "to all of you");
    alice.wait_reply("all of you");
    tablet.wait_reply("all of you");
    let mut devices = [alice.device, tablet.device];
    devices.sort_unstable();
    assert_eq!(tablet.seen("ratchet")[0]["recipients"], json!(devices));

    let distrust = json!({ "jid": to, "device": tablet.device, "trusted": false });
    bob.order("trust", distrust);
    bob.send_text(&to, "to the phone alone");
    alice.wait_reply("phone alone");
    tablet.wait("undecryptable", |_| true);
    assert_eq!(
        alice.seen("ratchet").last().unwrap()["recipients"],
        json!([alice.device])
    );

    alice.order("send_empty", json!({ "to": back }));
    bob.wait("empty", |it| it["device"] == alice.device);
    let photo = file(folder.path(), 3_000);
    let uploaded = alice.order("upload", json!({ "path": photo, "name": "clear.jpg" }));
    assert!(text(&uploaded["url"]).ends_with("/clear.jpg"));
    alice.order("unsubscribe", json!({ "jid": back }));
    bob.wait("presence", |it| {
        it["from"] == to && it["kind"] == "unsubscribed"
    });
}

#[test]
fn every_fault_of_a_shared_file_is_found_and_its_honest_twin_is_not() {
    let server = Prosody::start_with(&["alice", "bob"], 1);
    let folder = tempfile::tempdir().unwrap();
    let photo = file(folder.path(), 5_000);
    let whole = fs::read(&photo).unwrap();
    let mut alice = Phone::start(&server, "alice");
    let bob = Phone::start(&server, "bob");
    let to = bob.jid();

    for fault in [
        json!({ "fault": "flip-tag" }),
        json!({ "fault": "flip-body" }),
        json!({ "fault": "truncate", "by": 1 }),
        json!({ "fault": "truncate", "by": 5_001 }),
        json!({ "fault": "extend", "by": 16 }),
    ] {
        alice.send_file_with(&to, &photo, fault.clone());
        bob.wait("file-error", |it| {
            let error = text(&it["error"]);
            error.contains("InvalidTag") || error.contains("shorter than its tag")
        });
    }
    let iv = "00".repeat(15) + "01";
    for honest in [
        json!({}),
        json!({ "iv_bytes": 16 }),
        json!({ "iv": iv, "key": "42".repeat(32) }),
        json!({ "url_name": "..%2F..%2Fetc%2Fpasswd" }),
        json!({ "name": "line\nbreak and \u{202e}gpj.exe" }),
    ] {
        let sent = alice.send_file_with(&to, &photo, honest.clone());
        let got = bob.wait_file();
        assert!(fs::read(&got.path).unwrap() == whole, "{honest}");
        if honest["url_name"].is_string() {
            assert_eq!(got.name, "../../etc/passwd");
        }
        if honest["iv"].is_string() {
            assert!(text(&sent["body"]).ends_with(&(iv.clone() + &"42".repeat(32))));
        }
    }
    let too_large = file(folder.path(), 1 << 20);
    let error = alice
        .try_order("send_file", json!({ "to": to, "path": too_large }))
        .unwrap_err();
    assert!(
        error.contains("file-too-large") || error.contains("not-acceptable"),
        "{error}"
    );
    assert_eq!(bob.seen("file-error").len(), 5);
}

#[test]
fn a_lying_host_is_caught_by_the_phone_and_counts_its_visitors() {
    let server = Prosody::start(&["alice", "bob"]);
    let folder = tempfile::tempdir().unwrap();
    let photo = file(folder.path(), 5_000);
    let mut alice = Phone::start(&server, "alice");
    let bob = Phone::start(&server, "bob");
    let host = Host::start(&server);
    let sealed = folder.path().join("sealed");
    let made = alice.order("encrypt", json!({ "path": photo, "out": sealed }));
    let (sealed, fragment) = (fs::read(&sealed).unwrap(), text(&made["fragment"]));
    let length = sealed.len() as u64;
    host.serve("/honest.jpg", length, &sealed);
    host.serve("/short.jpg", length + 1, &sealed);

    alice.send_text(&bob.jid(), &host.aesgcm("/gone.jpg", &fragment));
    bob.wait("file-error", |it| text(&it["error"]).contains("404"));
    alice.send_text(&bob.jid(), &host.aesgcm("/short.jpg", &fragment));
    bob.wait("file-error", |it| text(&it["link"]).contains("short"));
    assert_eq!(host.accepted(), 2);
    alice.send_text(
        &bob.jid(),
        &format!("http://localhost:{}/honest.jpg", host.port()),
    );
    alice.send_text(&bob.jid(), &host.aesgcm("/honest.jpg", &fragment));

    assert!(fs::read(bob.wait_file().path).unwrap() == fs::read(&photo).unwrap());
    assert_eq!(host.accepted(), 3);
}

#[test]
fn a_process_is_heard_asked_to_stop_and_killed() {
    let script = "trap 'echo stopping; exit 7' TERM; echo ready >&2; while :; do sleep 0.05; done";
    let shell = || Daemon::spawn(Command::new("bash").args(["-c", script]));

    let mut polite = shell();
    assert_eq!(polite.wait_line("ready"), "ready");
    polite.terminate();
    assert_eq!(polite.wait_exit(Duration::from_secs(10)).code(), Some(7));
    polite.wait_line("stopping");
    assert_eq!(polite.said(), ["ready", "stopping"]);

    let mut other = shell();
    other.wait_line("ready");
    let folder = PathBuf::from(format!("/proc/{}", other.pid()));
    assert!(folder.exists());
    other.kill_9();
    assert!(!folder.exists());
    assert_eq!(other.wait_exit(Duration::from_secs(10)).code(), None);
    assert_eq!(
        other.wait_line_within(Duration::from_secs(10), "stopping"),
        None
    );
}

#[test]
fn the_program_under_test_can_be_started_and_ends() {
    let output = run_to_end(&["--version"]);
    assert!(output.status.success());
    let said = String::from_utf8_lossy(&output.stdout);
    let aes = said.lines().nth(1);
    assert!(
        matches!(aes, Some("AES: in hardware" | "AES: in software")),
        "{said}"
    );

    let mut daemon = Daemon::start(&["--version"]);
    assert!(daemon.wait_exit(Duration::from_secs(30)).success());
}
