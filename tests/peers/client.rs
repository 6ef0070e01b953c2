//! `strongroom send` and `fetch`: our own client against the daemon, with a real server between, and
//! the foreign phone to see what came.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::atomic::{AtomicU64, Ordering},
};

use serde_json::json;

use crate::{
    daemon::{Daemon, strongroom},
    home::{Home, OWNER, STRANGER, VAULT, noise},
    middle::{Middle, Verdict, Way, frames},
    phone::{Phone, text},
    prosody::{Prosody, jid, password},
};

/// A laptop beside a home: folders, and what the command line needs.
struct Laptop {
    folder: tempfile::TempDir,
    arguments: Vec<String>,
}

impl Laptop {
    /// A laptop that reaches the server at this port.
    fn new(home: &Home, phone: &mut Phone, port: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("password"), password(OWNER) + "\n").unwrap();
        let devices = phone.order("devices", json!({ "jid": jid(VAULT) }));
        let fingerprint = text(&devices["devices"][0]["fingerprint"]);
        let path = |it: PathBuf| it.to_str().unwrap().to_owned();
        let pin = format!("localhost:{}", home.server.https_port());
        let arguments = [
            (
                "--to",
                format!("xmpp:{}?omemo-sid-1={fingerprint}", jid(VAULT)),
            ),
            ("--as", jid(OWNER)),
            ("--password-file", path(folder.path().join("password"))),
            ("--server", format!("127.0.0.1:{port}")),
            ("--ca-file", path(home.server.authority())),
            ("--pin", pin),
            ("--state", path(folder.path().join("state"))),
            ("--patience", "1".to_owned()),
        ];
        let arguments = arguments
            .into_iter()
            .flat_map(|(name, value)| [name.to_owned(), value])
            .collect();
        Self { folder, arguments }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes a folder with files of these sizes, which are named after their numbers.
    fn files(&self, name: &str, sizes: &[usize]) -> PathBuf {
        let folder = self.path(name);
        fs::create_dir_all(&folder).unwrap();
        for (number, size) in (1_u64..).zip(sizes) {
            let content = noise(*size, number);
            fs::write(folder.join(format!("{number:03}.jpg")), content).unwrap();
        }
        folder
    }

    fn command(&self, verb: &str, more: &[&str]) -> Command {
        let mut command = strongroom();
        command.arg(verb).args(more).args(&self.arguments);
        command
    }

    fn run(&self, verb: &str, more: &[&str]) -> Output {
        self.command(verb, more).output().unwrap()
    }

    /// Runs to the end, which must be good, and returns what was said.
    fn must(&self, verb: &str, more: &[&str]) -> String {
        let output = self.run(verb, more);
        let (said, complaint) = (said(&output), complaint(&output));
        assert!(output.status.success(), "{said}\n{complaint}");
        said
    }

    fn let_in(&self, phone: &mut Phone, daemon: &Daemon) {
        let asked = daemon.wait_line("Its fingerprint ends in");
        let digits = asked.split("\"trust ").nth(1).unwrap();
        let digits = digits.split('"').next().unwrap();
        confirm(phone, &format!("trust {digits}"), "may now command");
    }
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn complaint(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Sends a command that asks a number back, and the number.
fn confirm(phone: &mut Phone, words: &str, done: &str) {
    phone.send_text(&jid(VAULT), words);
    let asked = phone.wait_reply("send ");
    let (_, number) = asked.rsplit_once("send ").unwrap();
    let number = number.split(' ').next().unwrap().to_owned();
    phone.send_text(&jid(VAULT), &number);
    phone.wait_reply(done);
}

fn entries(phone: &mut Phone) -> String {
    phone.send_text(&jid(VAULT), "status");
    phone.wait_reply("The vault is")
}

fn str(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_laptop_that_a_phone_lets_in_sends_and_fetches_and_each_file_goes_once() {
    let mut home = Home::new();
    home.start();
    let mut phone = home.paired_phone();
    let laptop = Laptop::new(&home, &mut phone, home.server.c2s_port());
    let sizes = [70_000, 0, 1, 65_536, 300_000];
    let photos = laptop.files("photos", &sizes);
    fs::write(photos.join(".hidden.jpg"), "not meant").unwrap();
    let awkward = photos.join("Größe 100 %.jpg");
    fs::write(&awkward, noise(5_000, 9)).unwrap();

    // It waits until the phone lets it in.
    let mut first = Daemon::spawn(&mut laptop.command("send", &[str(&photos)]));
    laptop.let_in(&mut phone, &first);
    first.wait_line("6 files: 6 stored.");
    assert!(first.wait_exit(crate::journal::PATIENCE).success());

    // The phone sees what the laptop sent.
    phone.send_text(&jid(VAULT), "find Größe");
    let line = phone.wait_reply("Größe 100 %.jpg, 5.0 kB");
    let number = line.split([' ', '#']).nth(1).unwrap().to_owned();
    phone.send_text(&jid(VAULT), &format!("get {number}"));
    assert!(fs::read(phone.wait_file().path).unwrap() == noise(5_000, 9));
    let messages = phone.seen("message");
    let lines = messages.iter().filter(|it| {
        let body = it["body"].as_str().unwrap_or_default();
        body.starts_with("strongroom:1") || body.contains("stored.")
    });
    assert_eq!(lines.count(), 0, "nothing of it is said to the phone");

    // Again: nothing is sent. One more, and the same content under another name: one is.
    let again = laptop.must("send", &[str(&photos)]);
    assert!(
        again.ends_with("6 files: 0 stored, 6 sent before.\n"),
        "{again}"
    );
    fs::write(photos.join("new.jpg"), noise(2_000, 77)).unwrap();
    fs::copy(&awkward, photos.join("copy.jpg")).unwrap();
    let more = laptop.must("send", &[str(&photos)]);
    assert!(
        more.ends_with("8 files: 1 stored, 7 sent before.\n"),
        "{more}"
    );
    let status = entries(&mut phone);
    assert!(status.starts_with("The vault is open: 7 files"), "{status}");

    // What the phone sent comes to the laptop, with all others, and nothing is written over.
    let path = home.path("to-share.bin");
    fs::write(&path, noise(90_000, 55)).unwrap();
    phone.send_file(&jid(VAULT), &path, "of the phone.jpg");
    phone.wait_reply("stored");
    let into = laptop.path("into");
    fs::create_dir(&into).unwrap();
    fs::write(into.join("new.jpg"), "mine").unwrap();
    let fetched = laptop.must("fetch", &["all", "--into", str(&into)]);
    assert!(fetched.ends_with("8 files: 8 fetched.\n"), "{fetched}");
    assert!(fs::read(into.join("of the phone.jpg")).unwrap() == noise(90_000, 55));
    assert_eq!(fs::read(into.join("new.jpg")).unwrap(), b"mine");
    assert!(fs::read(into.join("new (2).jpg")).unwrap() == noise(2_000, 77));
    for (number, size) in (1..).zip(sizes) {
        let there = fs::read(into.join(format!("{number:03}.jpg"))).unwrap();
        assert!(there == noise(size, number), "{number}");
    }

    // Again: nothing is fetched but what was taken away.
    fs::remove_file(into.join("003.jpg")).unwrap();
    let again = laptop.must("fetch", &["all", "--into", str(&into)]);
    assert!(
        again.ends_with("8 files: 1 fetched, 7 there before.\n"),
        "{again}"
    );
    let missing = laptop.run("fetch", &["7-9", "--into", str(&into)]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(
        said(&missing).contains("there is no #9"),
        "{}",
        said(&missing)
    );
    phone.assert_no_message_key_was_used_twice();
}

#[test]
fn a_laptop_is_paired_by_the_code_and_a_wrong_fingerprint_gets_nothing() {
    let mut home = Home::new();
    home.start();
    // It is a contact, and commands nothing yet.
    let mut phone = Phone::start(&home.server, OWNER);
    phone.befriend(&jid(VAULT));
    let laptop = Laptop::new(&home, &mut phone, home.server.c2s_port());
    let photos = laptop.files("photos", &[1_000]);

    let wrong = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a";
    let refused = laptop.run("send", &[str(&photos), "--fingerprint", wrong]);
    assert!(
        complaint(&refused).contains("Nothing was sent"),
        "{refused:?}"
    );
    let to = laptop.arguments[1].split("=").nth(1).unwrap();
    let code = home.code().to_owned();
    let sent = laptop.must(
        "send",
        &[str(&photos), "--fingerprint", to, "--code", &code],
    );
    assert!(sent.ends_with("1 file: 1 stored.\n"), "{sent}");
    let remembered = strongroom()
        .args(["send", str(&photos), "--state"])
        .arg(laptop.path("state"))
        .output()
        .unwrap();
    assert!(said(&remembered).ends_with("1 file: 0 stored, 1 sent before.\n"));
}

#[test]
fn what_a_locked_vault_keeps_is_safe_and_what_is_too_large_is_said() {
    let mut home = Home::with(&[], 1);
    home.start();
    let mut phone = home.paired_phone();
    let laptop = Laptop::new(&home, &mut phone, home.server.c2s_port());
    let code = home.new_code();
    home.daemon().reload();
    let photos = laptop.files("photos", &[1_000, 2_000_000]);
    home.pull_key();
    phone.wait_reply("The key is gone");

    let output = laptop.run("send", &[str(&photos), "--code", &code]);

    let said = said(&output);
    assert_eq!(
        output.status.code(),
        Some(1),
        "{said}{}",
        complaint(&output)
    );
    assert!(said.contains("001.jpg: kept, waits for the key"), "{said}");
    assert!(
        said.contains("002.jpg: larger than your server takes"),
        "{said}"
    );
    home.insert_key();
    phone.wait_reply("The vault is open");
    let again = laptop.run("send", &[str(&photos.join("001.jpg"))]);
    assert!(again.status.success());
    let status = entries(&mut phone);
    assert!(status.starts_with("The vault is open: 1 file"), "{status}");
}

/// A server, a middle that the laptop's line goes through, the daemon, and the laptop let in.
fn flapping() -> (Home, Phone, Middle, Laptop) {
    let server = Prosody::start(&[VAULT, OWNER, STRANGER]);
    let middle = Middle::before(&server);
    let mut home = Home::on(server, &[]);
    home.start();
    let mut phone = home.paired_phone();
    let laptop = Laptop::new(&home, &mut phone, middle.port());
    let code = home.new_code();
    home.daemon().reload();
    let first = laptop.files("first", &[10]);
    let sent = laptop.must("send", &[str(&first), "--code", &code]);
    assert!(sent.ends_with("1 file: 1 stored.\n"), "{sent}");
    (home, phone, middle, laptop)
}

#[test]
fn files_that_appear_while_the_line_breaks_are_stored_once_each() {
    let many = std::env::var_os("STRONGROOM_HOSTILE").is_some_and(|it| it == "all");
    let count: u64 = if many { 500 } else { 100 };
    let (_home, mut phone, middle, laptop) = flapping();
    let camera = laptop.path("camera");
    fs::create_dir(&camera).unwrap();
    let mut watch = Daemon::spawn(&mut laptop.command("send", &[str(&camera), "--watch"]));
    watch.wait_line("Watching");

    // The line breaks after every so many stanzas, now resumed and now not. Not for ever: each pause
    // before the next try is longer.
    let most = if many { 7 } else { 4 };
    let (seen, cuts) = (AtomicU64::new(0), std::sync::Arc::new(AtomicU64::new(0)));
    let cut = std::sync::Arc::clone(&cuts);
    let every = if many { 97 } else { 61 };
    middle.rule(move |_: Way, element| {
        let counts = frames::is_stanza(element) && cut.load(Ordering::SeqCst) < most;
        if counts && seen.fetch_add(1, Ordering::SeqCst) % every == every - 1 {
            cut.fetch_add(1, Ordering::SeqCst);
            return Verdict::Cut;
        }
        Verdict::Pass
    });
    for number in 1..=count {
        middle.allow_resumption(number % 3 != 0);
        let content = noise(500 + usize::try_from(number).unwrap(), number);
        fs::write(camera.join(format!("IMG_{number:04}.jpg")), content).unwrap();
    }
    for number in 1..=count {
        let words = format!(" IMG_{number:04}.jpg");
        watch
            .wait_line_within(std::time::Duration::from_secs(300), &words)
            .unwrap_or_else(|| panic!("{words} was not stored"));
    }
    middle.be_honest();
    watch.terminate();
    watch.wait_exit(crate::journal::PATIENCE);

    let status = entries(&mut phone);
    let wanted = format!("The vault is open: {} files", count + 1);
    assert!(status.starts_with(&wanted), "{status}");
    assert_eq!(cuts.load(Ordering::SeqCst), most, "the line broke");
    let again = laptop.must("send", &[str(&camera)]);
    let wanted = format!("{count} files: 0 stored, {count} sent before.\n");
    assert!(again.ends_with(&wanted), "{again}");
    super::hostile::line(&format!(
        "client: {count} files appeared, the line was cut {} times, {count} stored once",
        cuts.load(Ordering::SeqCst)
    ));
}

#[test]
fn a_client_that_is_killed_goes_on_where_it_was() {
    let (_home, mut phone, _middle, laptop) = flapping();
    let photos = laptop.files("photos", &[50_000; 30]);

    let mut killed = Daemon::spawn(&mut laptop.command("send", &[str(&photos)]));
    killed.wait_line("#5 ");
    killed.kill_9();
    let rest = laptop.must("send", &[str(&photos)]);

    assert!(rest.contains("30 files: "), "{rest}");
    let status = entries(&mut phone);
    assert!(
        status.starts_with("The vault is open: 31 files"),
        "{status}"
    );
}
