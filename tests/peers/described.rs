//! Files that a phone describes in `urn:xmpp:omemo:2` (XEP-0447, XEP-0448), in and out: stored
//! whatever their cipher and length, refused in words where anything about them is wrong.

use std::{fs, os::unix::process::ExitStatusExt as _, path::Path, thread, time::Duration};

use serde_json::{Map, Value, json};

use crate::{
    home::{Home, OWNER, VAULT, noise},
    journal::PATIENCE,
    phone::{Phone, text},
    prosody::jid,
    scene::Scene,
};

const CBC: &str = "urn:xmpp:ciphers:aes-256-cbc-pkcs7:0";
const ALTERED: &str = "it was damaged or altered on its way. Please send it again.";
const BAD_ADDRESS: &str = "its link leads to an address I must not open. If the upload server \
     stands in your own home, pin it in the vault's settings.";
const NOT_HTTPS: &str = "the address that the message gives for it is no https address. Please \
     send it again, or with another app.";
const NO_HASH: &str = "nothing in the message would prove that it arrives unaltered. Please \
     update the app that sent it, or send it with another one.";
const NO_SOURCE: &str = "the message does not say where it is. Please send it again, or with \
     another app.";
const MALFORMED: &str = "its description in the message is not one I can read. Please send it \
     again, or with another app.";
const CIPHER: &str =
    "it is encrypted in a way that I do not know. Please send it with another app.";
const NOT_ENCRYPTED: &str = "it lies unencrypted on its server, where I leave it. Please switch on \
     OMEMO for files in this chat and send it again.";
const NOTED: &str = "Noted with the 3 files that are being stored: caption \"lock\".";
const PLAIN_REFUSED: &str = "I only read encrypted messages and kept nothing of this one. Please \
     switch on OMEMO for this chat and send it again.";
const ELSEWHERE: &str = "That file went to the device that asked for it, in a form that this app \
     does not read. Ask from here to get it here.";

/// A file that was encrypted and uploaded, and what an honest phone says of it.
pub(crate) struct Shared {
    pub(crate) description: Value,
    digests: Map<String, Value>,
    /// Of the ciphertext.
    sealed: Value,
}

impl Shared {
    /// The description with something else in it; `null` leaves a part out.
    pub(crate) fn but(&self, other: &Value) -> Value {
        let mut description = self.description.clone();
        for (name, value) in other.as_object().unwrap() {
            description[name] = value.clone();
        }
        let parts = description.as_object_mut().unwrap();
        parts.retain(|_, value| !value.is_null());
        description
    }
}

/// Makes what is wrong about a description.
type Wrong<'a> = &'a dyn Fn(&Shared) -> Value;

/// Encrypts a file with the options of `sealed` in sharing.py, and uploads it.
fn shared(phone: &mut Phone, path: &Path, name: &str, how: &Value) -> Shared {
    let out = path.with_extension("sealed");
    let mut order = how.clone();
    order["path"] = json!(path);
    order["out"] = json!(out);
    let sealed = phone.order("seal_file", order);
    let uploaded = phone.order("upload", json!({ "path": out, "name": name }));
    let digests = sealed["digests"].as_object().unwrap().clone();
    let description = json!({
        "urls": [uploaded["url"]],
        "key": sealed["key"],
        "iv": sealed["iv"],
        "cipher": sealed["cipher"],
        "name": name,
        "media_type": "image/jpeg",
        "size": sealed["size"],
        "hashes": { "sha-256": digests["sha-256"] },
    });
    Shared {
        description,
        digests,
        sealed: sealed["sealed_digests"].clone(),
    }
}

/// Sends a message that describes files.
fn describe(phone: &mut Phone, files: &[&Value], words: Option<&str>) {
    let order = json!({ "to": jid(VAULT), "files": files, "text": words });
    phone.order("send_described", order);
}

impl Scene {
    /// A new photo, encrypted and uploaded.
    pub(crate) fn shared(&mut self, name: &str, how: &Value) -> Shared {
        let path = self.photo();
        shared(&mut self.phone, &path, name, how)
    }

    /// Sends a message that describes a file.
    pub(crate) fn describe(&mut self, file: &Value) {
        describe(&mut self.phone, &[file], None);
    }
}

/// Gets an entry back and returns what the phone says of it.
fn get(phone: &mut Phone, number: u64) -> Value {
    phone.send_text(&jid(VAULT), &format!("get {number}"));
    phone.wait_reply(&format!("#{number} "));
    phone.wait("file", |it| it["carbon"].is_null())
}

#[test]
fn a_described_file_of_any_length_is_stored_and_comes_back_described() {
    let mut home = Home::new();
    home.start();
    let mut phone = home.paired_phone_in("omemo2");
    let lengths = [0, 1, 15, 16, 17, 65_535, 65_536, 65_537, 5_000_000];
    let mut stored = 0;
    for (seed, cipher) in [(1, "cbc"), (2, "gcm")] {
        for length in lengths {
            let name = format!("{cipher}-{length}.jpg");
            let path = home.path(&name);
            let content = noise(length, seed * 1_000 + length as u64);
            fs::write(&path, &content).unwrap();
            let shared = shared(&mut phone, &path, &name, &json!({ "cipher": cipher }));

            describe(&mut phone, &[&shared.description], None);
            let said = phone.wait_reply(&name);

            if cipher == "gcm" && length == 0 {
                assert_eq!(said, format!("✅ {name} is already kept as #1."));
                continue;
            }
            stored += 1;
            assert!(
                said.starts_with(&format!("✅ #{stored} {name}, ")),
                "{said}"
            );
            assert!(said.ends_with(", stored."), "{said}");
            let back = get(&mut phone, stored);
            assert_eq!(
                [&back["name"], &back["media_type"], &back["disposition"]],
                [name.as_str(), "image/jpeg", "inline"]
            );
            assert_eq!(
                (text(&back["cipher"]), &back["iv_bytes"]),
                (CBC.into(), &json!(16))
            );
            assert_eq!(back["hashes"], json!(["sha-256"]));
            assert_eq!(back["sealed_hashes"], json!(["sha-256"]));
            assert!(text(&back["date"]).ends_with('Z'), "{back}");
            assert!(fs::read(text(&back["path"])).unwrap() == content, "{name}");
        }
    }
    assert_eq!(home.blobs().len() as u64, stored);
    for trouble in ["file-error", "phone-error", "undecryptable"] {
        assert_eq!(phone.seen(trouble), [] as [Value; 0]);
    }
}

#[test]
fn a_described_file_that_was_altered_is_refused_and_its_honest_twin_is_stored() {
    let mut scene = Scene::new_in("omemo2");
    let wrong_hash = json!({ "hashes": { "sha-256": "AAAA".repeat(11)[..43].to_owned() + "=" } });
    let refuse = |scene: &mut Scene, description: &Value| {
        scene.describe(description);
        scene.expect(&format!("photo.jpg is not stored: {ALTERED}"));
        scene.assert_kept();
    };
    for how in [
        json!({ "fault": "truncate", "by": 1 }),
        json!({ "fault": "truncate", "by": 16 }),
        json!({ "fault": "truncate", "by": 20_016 }),
        json!({ "fault": "extend", "by": 16 }),
        json!({ "fault": "pad-zero" }),
        json!({ "fault": "pad-long" }),
        json!({ "fault": "pad-odd" }),
        json!({ "fault": "flip-last" }),
        json!({ "fault": "flip-first" }),
        json!({ "fault": "flip-last", "cipher": "gcm" }),
        json!({ "fault": "flip-first", "cipher": "gcm-128" }),
    ] {
        let bad = scene.shared("photo.jpg", &how);
        refuse(&mut scene, &bad.description);
    }
    for cipher in ["cbc", "gcm", "gcm-128"] {
        let good = scene.shared("photo.jpg", &json!({ "cipher": cipher }));
        for wrong in [
            &wrong_hash,
            &json!({ "size": 20_001 }),
            &json!({ "size": 19_999 }),
        ] {
            refuse(&mut scene, &good.but(wrong));
        }
        scene.describe(&good.description);
        scene.expect_stored("photo.jpg");
    }
    scene.assert_a_photo_is_stored();
}

#[test]
fn what_is_said_of_the_ciphertext_has_to_be_true_and_is_proof_enough() {
    let mut scene = Scene::new_in("omemo2");
    for cipher in ["cbc", "gcm"] {
        let shared = scene.shared("photo.jpg", &json!({ "cipher": cipher }));
        // The content's own hash is right in each of them.
        for algorithm in ["sha-256", "sha3-512", "blake2b-256"] {
            let wrong = json!({ "sealed_hashes": { algorithm: shared.digests[algorithm] } });
            scene.describe(&shared.but(&wrong));
            scene.expect(&format!("photo.jpg is not stored: {ALTERED}"));
            scene.assert_kept();
        }
        let right = json!({
            "sealed_hashes": { "sha-512": shared.sealed["sha-512"], "sha-1": "AAAA" },
            "date": "2015-07-26T21:46:00+01:00",
        });
        scene.describe(&shared.but(&right));
        scene.expect_stored("photo.jpg");
    }
    let shared = scene.shared("photo.jpg", &json!({}));
    let nothing = json!({ "hashes": null, "sealed_hashes": { "sha-1": shared.sealed["sha-1"] } });
    scene.describe(&shared.but(&nothing));
    scene.expect(&format!("photo.jpg is not stored: {NO_HASH}"));
    let only = json!({ "hashes": null, "sealed_hashes": { "sha-256": shared.sealed["sha-256"] } });
    scene.describe(&shared.but(&only));
    scene.expect_stored("photo.jpg");
    scene.assert_a_photo_is_stored();
}

#[test]
fn a_description_that_proves_nothing_or_leads_astray_is_refused_before_anything_is_fetched() {
    let mut scene = Scene::new_in("omemo2");
    let port = scene.host.port();
    let sha_1 = |shared: &Shared| json!({ "hashes": { "sha-1": shared.digests["sha-1"] } });
    let cases: [(Wrong<'_>, &str); 16] = [
        (&|_| json!({ "hashes": null }), NO_HASH),
        (&sha_1, NO_HASH),
        (&|_| json!({ "hashes": { "sha-256": "AAAA" } }), MALFORMED),
        (&|_| json!({ "size": "many" }), MALFORMED),
        (
            &|_| json!({ "name": "photo.jpg", "key": "AAAA" }),
            MALFORMED,
        ),
        (&|_| json!({ "iv": "AAAA" }), MALFORMED),
        (&|_| json!({ "cipher": "urn:xmpp:ciphers:rot13:0" }), CIPHER),
        (&|_| json!({ "plain": true }), NOT_ENCRYPTED),
        (&|_| json!({ "urls": [] }), NO_SOURCE),
        (
            &|_| json!({ "urls": [format!("http://localhost:{port}/x")] }),
            NOT_HTTPS,
        ),
        (&|_| json!({ "urls": ["file:///etc/passwd"] }), NOT_HTTPS),
        (
            &|_| json!({ "urls": [format!("https://me@localhost:{port}/x")] }),
            NOT_HTTPS,
        ),
        (
            &|_| json!({ "urls": [format!("https://127.0.0.1:{port}/x")] }),
            BAD_ADDRESS,
        ),
        (&|_| json!({ "urls": ["https://10.0.0.1/x"] }), BAD_ADDRESS),
        (&|_| json!({ "urls": ["https://localhost/x"] }), BAD_ADDRESS),
        (
            &|shared| json!({ "urls": vec![&shared.description["urls"][0]; 5] }),
            MALFORMED,
        ),
    ];
    let shared = scene.shared("photo.jpg", &json!({}));
    for (wrong, why) in cases {
        scene.describe(&shared.but(&wrong(&shared)));
        scene.expect(&format!("photo.jpg is not stored: {why}"));
        scene.assert_kept();
    }
    // More words than any file has a name of.
    scene.describe(&shared.but(&json!({ "name": "x".repeat(100_000) })));
    scene.expect(&format!("{}… is not stored: {MALFORMED}", "x".repeat(120)));
    // The honest twin of all of them.
    scene.describe(&shared.description);
    scene.expect_stored("photo.jpg");

    assert_eq!(scene.host.accepted(), 0);
    scene.assert_a_photo_is_stored();
}

#[test]
fn whatever_vouches_for_a_file_does_and_a_second_place_helps_where_the_first_fails() {
    let mut scene = Scene::new_in("omemo2");
    let hashes = [
        "sha-512",
        "sha3-256",
        "sha3-512",
        "blake2b-256",
        "blake2b-512",
    ];
    for hash in hashes {
        let shared = scene.shared("photo.jpg", &json!({ "iv_bytes": 16 }));
        let digest = &shared.digests[hash];
        let wrong = &shared.digests[if hash.ends_with("512") {
            "sha-512"
        } else {
            "sha-256"
        }];
        if digest != wrong {
            scene.describe(&shared.but(&json!({ "hashes": { hash: wrong } })));
            scene.expect(&format!("photo.jpg is not stored: {ALTERED}"));
        }
        scene.describe(&shared.but(&json!({ "hashes": { hash: digest } })));
        scene.expect_stored("photo.jpg");
    }
    // What has a tag needs neither hash nor size nor type.
    for cipher in ["gcm", "gcm-128"] {
        let shared = scene.shared("photo.jpg", &json!({ "cipher": cipher }));
        let bare = json!({ "hashes": null, "size": null, "media_type": null });
        scene.describe(&shared.but(&bare));
        scene.expect_stored("photo.jpg");
    }
    let shared = scene.shared("photo.jpg", &json!({}));
    let gone = scene.host.port();
    let places = json!({
        "urls": [format!("https://localhost:{gone}/gone"), shared.description["urls"][0]],
    });
    scene.describe(&shared.but(&places));
    scene.expect_stored("photo.jpg");

    assert_eq!(scene.host.accepted(), 1);
    scene.assert_a_photo_is_stored();
}

#[test]
fn one_message_may_describe_several_files_and_its_words_are_their_caption_and_not_obeyed() {
    let mut scene = Scene::new_in("omemo2");
    let files: Vec<Shared> = (0..3)
        .map(|it| scene.shared(&format!("{it}.jpg"), &json!({})))
        .collect();
    let files: Vec<&Value> = files.iter().map(|it| &it.description).collect();

    describe(&mut scene.phone, &files, Some("lock"));

    scene.expect(NOTED);
    scene.phone.wait_reply("✅ 3 of 3 stored, 60.0 kB, #1-#3.");
    assert_eq!(scene.home.blobs().len(), 3);
    // What only stands for the file, for programs that cannot read the description, is no words.
    let shared = scene.shared("3.jpg", &json!({}));
    let url = text(&shared.description["urls"][0]);
    describe(&mut scene.phone, &[&shared.description], Some(&url));
    scene.phone.wait_reply("#4 3.jpg, 20.0 kB, stored.");
    scene.tell("status");
    let status = scene.phone.wait_reply("The vault is");
    assert!(status.starts_with("The vault is open: 4 files"), "{status}");
    let said = scene.phone.seen("message");
    let noted = said.iter().filter(|it| it["body"] == NOTED);
    assert_eq!(noted.count(), 1);
}

#[test]
fn a_file_that_is_described_in_clear_is_refused_as_plain_words_are() {
    let mut scene = Scene::new_in("omemo2");
    let shared = scene.shared("photo.jpg", &json!({}));
    let url = text(&shared.description["urls"][0]);
    let clear = format!(
        "<message to='{}' type='chat' id='c'><file-sharing xmlns='urn:xmpp:sfs:0'>\
         <file xmlns='urn:xmpp:file:metadata:0'><name>photo.jpg</name></file><sources>\
         <url-data xmlns='http://jabber.org/protocol/url-data' target='{url}'/></sources>\
         </file-sharing></message>",
        jid(VAULT)
    );

    scene.phone.order("send_stanza", json!({ "xml": clear }));

    let said = scene.phone.wait("message", |it| it["encrypted"] == false);
    assert_eq!(said["body"], PLAIN_REFUSED);
    scene.assert_kept();
    scene.describe(&shared.description);
    scene.expect_stored("photo.jpg");
    scene.assert_a_photo_is_stored();
}

#[test]
fn a_file_that_is_described_with_nothing_beside_it_reaches_a_vault_that_was_away() {
    let mut home = Home::new();
    home.start();
    let mut phone = home.paired_phone_in("omemo2");
    home.stop();
    let content = noise(20_000, 1);
    let path = home.path("photo.jpg");
    fs::write(&path, &content).unwrap();
    let shared = shared(&mut phone, &path, "photo.jpg", &json!({}));

    // As Kaidan sends it: neither text nor hint, and so perhaps in no archive.
    let order = json!({ "to": jid(VAULT), "files": [shared.description], "bare": true });
    phone.order("send_described", order);
    home.start();

    phone.wait_reply("#1 photo.jpg, 20.0 kB, stored.");
    let back = get(&mut phone, 1);
    assert!(fs::read(text(&back["path"])).unwrap() == content);
}

#[test]
fn a_described_file_survives_kill_9_at_each_step_in_and_out() {
    let mut home = Home::new();
    home.start();
    let mut phone = home.paired_phone_in("omemo2");
    home.stop();
    let mut kept = Vec::new();
    let points = [
        "message saved",
        "tag held",
        "vouched",
        "blob durable",
        "job closed",
    ];
    for (number, point) in (1..).zip(points) {
        let content = noise(70_000, number);
        let name = format!("{number}.jpg");
        let path = home.path(&name);
        fs::write(&path, &content).unwrap();
        let shared = shared(&mut phone, &path, &name, &json!({}));
        home.start_to_crash(point);
        describe(&mut phone, &[&shared.description], None);
        assert_killed(&mut home, point);
        home.start();
        phone.wait_reply(&format!("{name}, 70.0 kB, stored."));
        home.stop();
        kept.push(content);
    }
    assert_eq!(home.blobs().len(), kept.len());

    for (number, point) in (1..).zip(["delivery saved", "uploaded"]) {
        home.start_to_crash(point);
        phone.send_text(&jid(VAULT), &format!("get {number}"));
        assert_killed(&mut home, point);
        home.start();
        let back = phone.wait("file", |it| it["carbon"].is_null());
        assert_eq!(
            text(&back["cipher"]),
            CBC,
            "the form of who asked, after a restart too"
        );
        let back = fs::read(text(&back["path"])).unwrap();
        assert!(kept.contains(&back));
        home.stop();
    }
    phone.assert_no_message_key_was_used_twice();
}

fn assert_killed(home: &mut Home, point: &str) {
    let status = home.daemon.take().unwrap().wait_exit(PATIENCE);
    assert_eq!(status.signal(), Some(9), "at \"{point}\": {status}");
}

#[test]
fn who_asks_in_the_old_namespace_gets_a_link_and_the_other_devices_a_sentence() {
    let mut home = Home::new();
    home.start();
    let mut new = home.paired_phone_in("omemo2");
    let second = home.new_code();
    home.daemon().reload();
    let laid_down = home.system().join("pairing-code");
    while laid_down.exists() {
        thread::sleep(Duration::from_millis(10));
    }
    let mut old = Phone::start(&home.server, OWNER);
    old.send_text(&jid(VAULT), &second);
    old.wait_reply("Paired");
    let content = noise(20_000, 1);
    let path = home.path("to-share.bin");
    fs::write(&path, &content).unwrap();
    old.send_file(&jid(VAULT), &path, "p.jpg");
    new.wait_reply("#1 p.jpg, 20.0 kB, stored.");

    let described = get(&mut new, 1);
    old.wait_reply("#1 p.jpg, ");
    assert_eq!(old.wait_reply("That file went"), ELSEWHERE);
    assert_eq!(old.seen("file"), [] as [Value; 0]);
    let linked = get(&mut old, 1);

    assert_eq!(described["media_type"], "image/jpeg");
    assert!(text(&linked["link"]).starts_with("aesgcm://"));
    for file in [described, linked] {
        assert!(fs::read(text(&file["path"])).unwrap() == content);
    }
}

/// Describes a file without saying where it is; returns the message's id.
fn describe_ahead(phone: &mut Phone, file: &Value, part: &str) -> String {
    let mut ahead = file.clone();
    ahead["ahead"] = json!(true);
    ahead["part"] = json!(part);
    let order = json!({ "to": jid(VAULT), "files": [ahead] });
    text(&phone.order("send_described", order)["id"])
}

fn attach(phone: &mut Phone, message: &str, file: &Value, part: &str, words: Option<&str>) {
    let mut file = file.clone();
    file["part"] = json!(part);
    let order = json!({ "to": jid(VAULT), "message": message, "file": file, "text": words });
    phone.order("attach_source", order);
}

#[test]
fn a_file_is_stored_whose_source_comes_in_a_later_message_also_over_a_restart() {
    let mut home = Home::new();
    home.start();
    let mut phone = home.paired_phone_in("omemo2");
    let mut other = Phone::start_in(&home.server, OWNER, "omemo2");
    let (content, another) = (noise(20_000, 1), noise(20_000, 2));
    let path = home.path("photo.jpg");
    fs::write(&path, &content).unwrap();
    let first = shared(&mut phone, &path, "photo.jpg", &json!({}));
    fs::write(&path, &another).unwrap();
    let wrong = shared(&mut phone, &path, "photo.jpg", &json!({}));

    // While it is being uploaded, and the address beside the source for apps that know no better.
    let message = describe_ahead(&mut phone, &first.description, "a");
    phone.send_text(&jid(VAULT), "status");
    phone.wait_reply("On their way in: 1.");
    home.stop();
    home.start();
    // A device that nobody let in says nothing of where it is.
    attach(&mut other, &message, &wrong.description, "a", None);
    other.wait_reply("I do not know this device yet");
    let url = text(&first.description["urls"][0]);
    attach(&mut phone, &message, &first.description, "a", Some(&url));
    phone.wait_reply("#1 photo.jpg, 20.0 kB, stored.");
    let back = get(&mut phone, 1);
    assert!(fs::read(text(&back["path"])).unwrap() == content);

    // What lies there is not what was described.
    let message = describe_ahead(&mut phone, &first.description, "b");
    attach(&mut phone, &message, &wrong.description, "b", None);
    phone.wait_reply(&format!("photo.jpg is not stored: {ALTERED}"));
    assert_eq!(home.blobs().len(), 1);
}

/// Makes a grey picture, with or without a camera's note of when.
const TAKE: &str = r#"
import sys
from PIL import ExifTags, Image
exif = Image.Exif()
if len(sys.argv) > 3:
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = sys.argv[3]
Image.new("RGB", (int(sys.argv[2]), 300), (90, 90, 90)).save(sys.argv[1], exif=exif)
"#;

#[test]
fn a_picture_that_says_no_day_itself_is_found_by_the_one_its_sender_dated_it() {
    let mut home = Home::new();
    home.start();
    let mut phone = home.paired_phone_in("omemo2");
    let path = home.path("photo.jpg");
    for (number, width, noted, date, day) in [
        (1, 400, None, "2015-07-26T21:46:00Z", "26 Jul 2015"),
        (
            2,
            500,
            Some("2025:06:03 14:05:00"),
            "2015-07-26T21:46:00Z",
            "3 Jun 2025",
        ),
    ] {
        let made = std::process::Command::new(crate::phone::python())
            .args(["-c", TAKE])
            .arg(&path)
            .arg(width.to_string())
            .args(noted)
            .status();
        assert!(made.unwrap().success());
        let shared = shared(&mut phone, &path, &format!("{width}.jpg"), &json!({}));
        describe(&mut phone, &[&shared.but(&json!({ "date": date }))], None);
        phone.wait_reply(&format!("{width}.jpg, "));
        // Pictures are looked at behind what the owner waits for.
        crate::life::wait_until("it is looked at", || {
            phone.send_text(&jid(VAULT), &format!("info {number}"));
            phone
                .wait_reply(&format!("#{number} {width}.jpg"))
                .contains(&format!("Taken {day}"))
        });
    }
    phone.send_text(&jid(VAULT), "find photos 26 july 2015");
    let found = phone.wait_reply("taken 26 Jul 2015");
    assert!(
        found.contains("#1 400.jpg") && !found.contains("#2"),
        "{found}"
    );
}
