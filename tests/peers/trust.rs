//! Who may command the vault and who may not, how that survives a restart, and what ends the
//! daemon until a person has mended it.

use std::{
    fs,
    os::unix::process::ExitStatusExt as _,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    daemon::Daemon,
    home::{Home, OWNER, VAULT},
    host::Host,
    journal::PATIENCE,
    phone::{Phone, text},
    prosody::{Prosody, jid},
    scene::Scene,
};

const EMPTY: &str = "The vault is empty. Share a photo here and I keep it.";
const PAIRING_NEEDED: &str =
    "I do not know this phone yet. Send the pairing code that set-up showed, and nothing else.";
const PAIRING_OVER: &str = "The pairing code is no longer valid. Run \"strongroom pair\" on the Pi \
     and send me the new one.";

fn pairing_wrong(left: u8) -> String {
    format!("That is not the pairing code. Check it and send it again; tries left: {left}.")
}

fn unknown(phone: &Phone) -> String {
    let (four, tail) = (&phone.fingerprint[60..], &phone.fingerprint[56..]);
    let groups = phone.fingerprint.as_bytes().chunks(8);
    let groups: Vec<_> = groups.map(|it| str::from_utf8(it).unwrap()).collect();
    format!(
        "A new device of yours, …{tail}, wants in (device {}); I do nothing it asks. Compare the \
         last digits on it; to trust it send: trust {four}\nIf it is not yours, send: revoke \
         {four}, remove it from your account and change that password.\n{}",
        phone.device,
        groups.join(" ")
    )
}

/// Sends a text and waits for exactly this reply.
fn say(phone: &mut Phone, words: &str, reply: &str) {
    phone.send_text(&jid(VAULT), words);
    assert_eq!(phone.wait_reply(reply), reply);
}

/// Waits until the server has handed on all that the phone has sent.
fn flush(phone: &mut Phone) {
    phone.order("devices", json!({ "jid": jid(VAULT) }));
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn five_wrong_codes_end_pairing_until_the_pi_makes_a_new_code() {
    let mut home = Home::new();
    let host = Host::start(&home.server);
    home.pin(host.port());
    home.start();
    let mut phone = Phone::start(&home.server, OWNER);
    phone.befriend(&jid(VAULT));
    let first = home.code().to_owned();
    let wrong = first.replace(&first[..1], if first.starts_with('7') { "8" } else { "7" });

    // What cannot be a code costs no try, and a file is not even looked at.
    say(&mut phone, "hello", PAIRING_NEEDED);
    let link = host.aesgcm("/p.jpg", &"00".repeat(44));
    say(&mut phone, &link, PAIRING_NEEDED);
    for left in (1..5).rev() {
        say(&mut phone, &wrong, &pairing_wrong(left));
    }
    for words in [&wrong, &first, "list"] {
        say(&mut phone, words, PAIRING_OVER);
    }

    let second = home.new_code();
    home.daemon().reload();
    let laid_down = home.system().join("pairing-code");
    wait_until("the code is taken in", || !laid_down.exists());
    say(&mut phone, &first, &pairing_wrong(4));
    let devices = phone.order("devices", json!({ "jid": jid(VAULT) }));
    let vaults = text(&devices["devices"][0]["fingerprint"]);
    let paired = format!(
        "Paired: this phone may now command the vault. Compare once: your fingerprint ends in {}, \
         mine in {}. Share a photo and I keep it; \"help\" tells the rest.",
        &phone.fingerprint[56..],
        &vaults[56..]
    );
    // As people type it.
    say(
        &mut phone,
        &second.to_lowercase().replace('-', " "),
        &paired,
    );
    say(&mut phone, "list", EMPTY);
    assert_eq!(host.accepted(), 0);
    assert_eq!(phone.seen("message").len(), 12);
}

#[test]
fn a_second_device_of_the_owner_commands_nothing_until_the_settings_name_it() {
    let mut scene = Scene::new();
    scene.assert_a_photo_is_stored();
    let (sealed, fragment) = scene.sealed();
    scene.host.serve("/p.jpg", sealed.len() as u64, &sealed);
    let link = scene.host.aesgcm("/p.jpg", &fragment);
    let mut second = Phone::start(&scene.home.server, OWNER);
    let old_code = scene.home.code().to_owned();

    let mut asked = vec![second.send_text(&jid(VAULT), "list")];
    scene.expect(&unknown(&second));
    for words in ["get 1", "help", "lock", &old_code] {
        asked.push(second.send_text(&jid(VAULT), words));
    }
    flush(&mut second);
    scene.assert_open();
    scene.home.stop();
    scene.home.start();
    asked.push(second.send_text(&jid(VAULT), "list"));
    flush(&mut second);
    scene.assert_a_photo_is_stored();

    // It is told once that it is not let in.
    let from_vault = |event: &&Value| event["from"] == jid(VAULT);
    let told = second.seen("message").into_iter();
    let told: Vec<_> = told.filter(|it| it["from"] == jid(VAULT)).collect();
    assert_eq!(told.len(), 1);
    assert!(text(&told[0]["body"]).starts_with("I do not know this device yet"));
    for event in second.seen("ratchet").iter().filter(from_vault) {
        assert_eq!(event["recipients"], json!([second.device]));
    }
    for kind in ["empty", "file", "file-error"] {
        assert_eq!(second.seen(kind).iter().find(from_vault), None, "{kind}");
    }
    let receipts = second.seen("receipt");
    let for_asked = |it: &&Value| asked.iter().any(|id| it["receipt_for"] == *id);
    assert_eq!(receipts.iter().find(for_asked), None);
    // It did see what was meant for the other phone, which no key of its own opens.
    assert!(
        second
            .seen("undecryptable")
            .iter()
            .any(|it| from_vault(&it))
    );
    for event in scene.phone.seen("ratchet").iter().filter(from_vault) {
        assert_eq!(event["recipients"], json!([scene.phone.device]));
    }

    // The way that the vault told works.
    scene.home.stop();
    let pinned = format!("[owner]\nfingerprints = [\"{}\"]", second.fingerprint);
    scene.home.change_settings("[owner]", &pinned);
    scene.home.start();
    say(
        &mut second,
        "get 1-101",
        "That is more than 100 files at once. Ask for fewer.",
    );
    second.send_text(&jid(VAULT), &link);
    second.wait_reply("p.jpg, 20.0 kB, stored.");
    scene
        .phone
        .wait("file", |it| it["link"] == link && it["carbon"] == "sent");
    assert_eq!(scene.host.accepted(), 2, "the other phone, and the vault");
}

#[test]
fn a_phone_whose_fingerprint_is_in_the_settings_needs_no_code() {
    let server = Prosody::start(&[VAULT, OWNER]);
    let mut phone = Phone::start(&server, OWNER);
    let mut home = Home::on(server, &["--fingerprint", &phone.fingerprint]);
    assert!(!home.has_code());
    home.start();
    phone.befriend(&jid(VAULT));

    say(&mut phone, "list", EMPTY);
    let mut other = Phone::start(&home.server, OWNER);
    other.send_text(&jid(VAULT), "list");

    assert_eq!(phone.wait_reply("A new device of yours"), unknown(&other));
    say(&mut phone, "list", EMPTY);
    other.wait_reply("I do not know this device yet");
    let heard = other.seen("message").into_iter();
    assert_eq!(heard.filter(|it| it["from"] == jid(VAULT)).count(), 1);
    // The first answer to a phone that needed no code shows both fingerprints.
    let tail = &phone.fingerprint[56..];
    phone.wait_reply(&format!(
        "You may command this vault: you are …{tail}, I am …"
    ));
}

/// Starts the daemon and checks that it ends with these words and the status that keeps the
/// service manager from starting it again (EX_CONFIG of sysexits.h).
fn assert_ends(home: &Home, words: &str) {
    let mut daemon = Daemon::spawn(home.command().arg("run"));
    let status = daemon.wait_exit(Duration::from_secs(10));
    let line = daemon.wait_line(words);
    assert_eq!(status.code(), Some(78), "{line}");
    assert!(daemon.said().iter().any(|it| it.starts_with("ERROR ")));
}

#[test]
fn what_only_a_person_can_mend_at_the_server_ends_the_daemon_in_words() {
    let mut home = Home::new();
    let advice = "the XMPP server cannot be used, so the daemon ends; mend this and start it again";
    let right = fs::read(home.path("password")).unwrap();

    fs::write(home.path("password"), "guess\n").unwrap();
    let why = "the server refuses the account name or the password";
    assert_ends(&home, &format!("{advice}: {why}"));
    fs::write(home.path("password"), right).unwrap();
    home.start();
    home.stop();

    let folder = home.path("other-authority");
    fs::create_dir(&folder).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/mkca.sh");
    let made = Command::new("bash").arg(script).arg(&folder).output();
    assert!(made.unwrap().status.success());
    let (right, wrong) = (home.server.authority(), folder.join("ca.crt"));
    home.change_settings(right.to_str().unwrap(), wrong.to_str().unwrap());
    let why = "the server's certificate is not trusted";
    assert_ends(&home, &format!("{advice}: {why}"));
    home.change_settings(wrong.to_str().unwrap(), right.to_str().unwrap());
    home.start();
    home.stop();
}

#[test]
fn a_mistake_in_the_settings_is_named_and_ends_the_daemon() {
    let mut home = Home::new();
    let right = fs::read_to_string(home.settings()).unwrap();
    let stick = home.stick();
    let key = format!("key = \"{}\"\n", stick.display());
    let inside = format!("key = \"{}/key\"\n", home.vault().display());
    for (from, to, words) in [
        (
            "[owner]",
            "[owner]\ncolour = \"red\"",
            "unknown field `colour`",
        ),
        (key.as_str(), "", "missing field `key`"),
        ("direct_tls = false", "direct_tls = 1", "expected a boolean"),
        ("[owner]", "[owner", "has a mistake"),
        (
            "\"owner@localhost\"",
            "\"nobody\"",
            "the setting owner.jid cannot be used: \"nobody\" is no address like \
             \"name@example.org\"",
        ),
        (
            "\"owner@localhost\"",
            "\"vault@localhost\"",
            "the setting owner.jid cannot be used: the vault needs an account of its own",
        ),
        (
            "pins = [",
            "pins = [\"localhost\", ",
            "the setting transfer.pins cannot be used: \"localhost\" is not of the form \
             \"host:port\"",
        ),
        (
            key.as_str(),
            inside.as_str(),
            "the setting vault.key cannot be used: it must not lie in or around",
        ),
    ] {
        home.change_settings(from, to);
        assert_ends(&home, words);
        fs::write(home.settings(), &right).unwrap();
    }
    fs::remove_file(home.settings()).unwrap();
    assert_ends(
        &home,
        "could not be read; make one with \"strongroom init\"",
    );

    fs::write(home.settings(), &right).unwrap();
    home.start();
}

#[test]
fn a_restarted_daemon_is_the_same_device_and_knows_its_phone() {
    let mut home = Home::new();
    home.start();
    let mut phone = home.paired_phone();
    let devices = |phone: &mut Phone| {
        let all = phone.order("devices", json!({ "jid": jid(VAULT) }));
        let all = all["devices"].as_array().unwrap().clone();
        let named = |it: &Value| (it["device"].clone(), it["fingerprint"].clone());
        all.iter().map(named).collect::<Vec<_>>()
    };
    let before = devices(&mut phone);

    for round in 0..4 {
        if round % 2 == 0 {
            home.stop();
        } else {
            home.daemon.take().unwrap().kill_9();
        }
        home.start();
        for _ in 0..2 {
            say(&mut phone, "list", EMPTY);
        }
    }

    assert_eq!(before.len(), 1);
    assert_eq!(devices(&mut phone), before);
    assert_eq!(phone.seen("undecryptable"), [] as [Value; 0]);
    // "Paired" and eight lists.
    assert!(phone.assert_no_message_key_was_used_twice() >= 9);
}

#[test]
fn a_receipt_comes_only_when_the_message_is_saved() {
    let mut home = Home::new();
    home.start();
    let mut phone = home.paired_phone();
    // What the phone itself would answer is a message too, and would end the daemon before its time.
    phone.order("receipts", json!({ "on": false }));
    let control = phone.send_text(&jid(VAULT), "status");
    phone.wait_receipt(&control);
    phone.wait_reply("The vault is");
    home.stop();

    home.start_to_crash("message saved");
    home.daemon().wait_line("the vault is open");
    let id = phone.send_text(&jid(VAULT), "status");
    let status = home.daemon.take().unwrap().wait_exit(PATIENCE);
    flush(&mut phone);

    assert_eq!(status.signal(), Some(9));
    let receipts = phone.seen("receipt");
    assert!(receipts.iter().all(|it| it["receipt_for"] != id));
    // What was saved is answered, though nobody sends it again.
    home.start();
    phone.wait_reply("The vault is");
}

#[test]
fn the_phone_sees_that_the_vault_is_at_work_while_it_gets_a_file() {
    let mut scene = Scene::new();
    let path = scene.photo();
    scene.phone.send_file(&jid(VAULT), &path, "p.jpg");
    scene.expect_stored("p.jpg");
    let states = |phone: &Phone| -> Vec<String> {
        let seen = phone.seen("chatstate").into_iter();
        seen.map(|it| text(&it["state"])).collect()
    };
    assert!(!states(&scene.phone).contains(&"composing".to_owned()));

    scene.assert_comes_back(&path);

    assert!(states(&scene.phone).contains(&"composing".to_owned()));
    // The sign ends: it is followed by another.
    scene.assert_open();
    assert_eq!(states(&scene.phone).last().unwrap(), "active");
}
