//! `strongroom init --register`: an account made at a real server, and every way not to get one.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;

use crate::{
    daemon::{Daemon, strongroom},
    mock::Mock,
    prosody::{DOMAIN, Prosody, jid},
};

pub(crate) const OPEN: [(&str, &str); 2] = [
    ("allow_registration = false", "allow_registration = true"),
    (
        "\"limits\",",
        "\"limits\", \"register_ibr\", \"register_limits\",",
    ),
];

/// Somewhere to set a vault up.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("stick")).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, further: &[&str]) -> Command {
        let mut command = strongroom();
        command.arg("--config").arg(self.path("settings.toml"));
        command.args(["init", "--trial", "--owner", &jid("owner")]);
        for (argument, name) in [
            ("--password-file", "secret/password"),
            ("--data", "drive/vault"),
            ("--key", "stick"),
            ("--system", "card"),
        ] {
            command.arg(argument).arg(self.path(name));
        }
        command.args(further);
        command
    }

    fn is_untouched(&self) -> bool {
        let left = |name| self.path(name).exists();
        let vault = self.path("card/vault.pub");
        !left("secret/password") && !left("settings.toml") && !vault.exists()
    }
}

fn lead(command: &mut Command, server: &Prosody) {
    command
        .args(["--server", &format!("127.0.0.1:{}", server.c2s_port())])
        .arg("--ca-file")
        .arg(server.authority());
}

fn words(output: &Output) -> String {
    assert!(!output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn setting(place: &Place, name: &str) -> String {
    let text = fs::read_to_string(place.path("settings.toml")).unwrap();
    let line = text.lines().find(|it| it.starts_with(name)).unwrap();
    line.split('"').nth(1).unwrap().to_owned()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_server_that_makes_accounts_makes_one_with_a_password_that_nobody_has_seen() {
    let server = Prosody::start_changed(&[], &OPEN);
    let (drawn, given) = (Place::new(), Place::new());
    let mut command = drawn.command(&["--register", DOMAIN]);
    lead(&mut command, &server);
    let output = command.output().unwrap();
    let mut command = given.command(&["--register", DOMAIN, "--jid", "attic@localhost"]);
    lead(&mut command, &server);
    let named = command.output().unwrap();

    assert!(output.status.success(), "{output:?}");
    assert!(named.status.success(), "{named:?}");
    let address = setting(&drawn, "jid");
    let (name, at) = address.split_once('@').unwrap();
    assert_eq!((name.len(), at), (12, DOMAIN));
    assert_eq!(setting(&given, "jid"), "attic@localhost");
    let passwords = [&drawn, &given].map(|place| {
        let path = place.path("secret/password");
        assert_eq!(mode(&path), 0o600);
        fs::read_to_string(path).unwrap()
    });
    assert_eq!(passwords.each_ref().map(|it| it.trim().len()), [32, 32]);
    assert_ne!(passwords[0], passwords[1]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        said.contains(&format!("The account {address} is made.")),
        "{said}"
    );
    assert!(
        !said.contains(passwords[0].trim()),
        "the password is not shown"
    );
    // The proof: the daemon is let in.
    let settings = drawn.path("settings.toml");
    let daemon = Daemon::start(&["--config", settings.to_str().unwrap(), "run"]);
    daemon.wait_line("online");
    daemon.terminate();
}

#[test]
fn a_server_that_makes_none_a_name_that_is_taken_and_too_many_wishes_are_told() {
    let closed = Prosody::start_changed(&[], &[]);
    let open = Prosody::start_changed(&["attic"], &OPEN);
    let strict = [
        OPEN[0],
        OPEN[1],
        (
            "storage = ",
            "registration_allowlist = {}\nregistration_throttle_max = 1\n\
             registration_throttle_period = 3600\nstorage = ",
        ),
    ];
    let strict = Prosody::start_changed(&[], &strict);
    let attempt = |server: &Prosody, further: &[&str]| {
        let place = Place::new();
        let mut command = place.command(further);
        lead(&mut command, server);
        (command.output().unwrap(), place)
    };

    let (none, none_place) = attempt(&closed, &["--register", DOMAIN]);
    let taken = ["--register", DOMAIN, "--jid", "attic@localhost"];
    let (taken, taken_place) = attempt(&open, &taken);
    let (first, _place) = attempt(&strict, &["--register", DOMAIN]);
    let (second, second_place) = attempt(&strict, &["--register", DOMAIN]);

    let none = words(&none);
    assert!(
        none.contains("localhost makes no accounts this way"),
        "{none}"
    );
    let taken = words(&taken);
    assert!(
        taken.contains("somebody at localhost has this name"),
        "{taken}"
    );
    assert!(first.status.success(), "{first:?}");
    let second = words(&second);
    assert!(second.contains("Wait an hour or a day"), "{second}");
    for place in [none_place, taken_place, second_place] {
        assert!(place.is_untouched(), "nothing is left behind");
    }
}

#[test]
fn riddles_web_pages_and_further_questions_are_told_with_where_to_go() {
    let server = Prosody::start_changed(&[], &[]);
    let mock = Mock::start(&server);
    let attempt = |offer: &str| {
        mock.offer(offer);
        let place = Place::new();
        let mut command = place.command(&["--register", DOMAIN]);
        mock.lead(&mut command);
        let words = words(&command.output().unwrap());
        assert!(place.is_untouched(), "nothing is left behind");
        words
    };
    let name = "<field var='username'/><field var='password'/>";

    let riddle = attempt(&format!(
        "<x xmlns='jabber:x:data' type='form'>{name}<field var='ocr'><required/></field></x>"
    ));
    let page = attempt("<x xmlns='jabber:x:oob'><url>https://localhost/join</url></x>");
    let more = attempt("<username/><password/><email/>");

    assert!(riddle.contains("a CAPTCHA"), "{riddle}");
    assert!(
        page.contains("with a browser at https://localhost/join"),
        "{page}"
    );
    assert!(
        more.contains("more than a name and a password: email"),
        "{more}"
    );
    assert_eq!(mock.wishes(), [] as [String; 0], "nothing was sent to it");
}

#[test]
fn an_account_that_waits_for_approval_and_a_line_that_breaks_keep_the_password() {
    let server = Prosody::start_changed(&[], &[]);
    let mock = Mock::start(&server);
    mock.offer("<username/><password/>");
    let attempt = |refusal: &str| {
        mock.refuse(refusal);
        let place = Place::new();
        let mut command = place.command(&["--register", DOMAIN]);
        mock.lead(&mut command);
        let words = words(&command.output().unwrap());
        (words, place.path("secret/password").exists())
    };
    let forbidden = "<error type='auth'>\
        <forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>";

    let (approval, approval_kept) = attempt("");
    let (broken, broken_kept) = attempt("hang up");
    let (forbidden, forbidden_kept) = attempt(forbidden);

    assert!(
        approval.contains("somebody there has to approve it"),
        "{approval}"
    );
    assert!(broken.contains("it is not known whether"), "{broken}");
    assert!(
        forbidden.contains("makes no accounts this way"),
        "{forbidden}"
    );
    assert_eq!(
        [approval_kept, broken_kept, forbidden_kept],
        [true, true, false]
    );
    assert_eq!(mock.wishes().len(), 3);
}

#[test]
fn an_existing_password_file_and_a_foreign_name_are_refused_before_anybody_is_asked() {
    let place = Place::new();
    fs::create_dir(place.path("secret")).unwrap();
    fs::write(place.path("secret/password"), "of another\n").unwrap();
    let server = ["--server", "127.0.0.1:1"];

    let existing = place.command(&["--register", DOMAIN]).args(server).output();
    let foreign = Place::new()
        .command(&["--register", DOMAIN, "--jid", "a@other.test"])
        .args(server)
        .output();

    assert!(words(&existing.unwrap()).contains("exists already"));
    assert!(words(&foreign.unwrap()).contains("NAME@localhost"));
    let kept = fs::read_to_string(place.path("secret/password")).unwrap();
    assert_eq!(kept, "of another\n");
}
