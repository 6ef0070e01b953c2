//! `strongroom check` against a real server: all is well, and one thing after another switched off.

use std::{
    fs,
    process::{Command, Output},
};

use crate::{
    daemon::strongroom,
    home::{Home, OWNER, VAULT},
    mock::Mock,
    prosody::{DOMAIN, Prosody, jid, password},
};

/// What a check said, on one line, so that a broken line breaks no test.
fn said(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn problems(output: &Output) -> usize {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().filter(|it| it.starts_with("PROBLEM")).count()
}

/// `strongroom check` for somebody who has no vault yet.
fn check(server: &Prosody, target: &str) -> Command {
    let mut command = strongroom();
    command
        .args(["--config", "/nonexistent", "check", target])
        .args(["--server", &format!("127.0.0.1:{}", server.c2s_port())])
        .arg("--ca-file")
        .arg(server.authority());
    command
}

/// The check of an account, with its password.
fn from_inside(server: &Prosody) -> Output {
    let file = server.folder().join("password");
    fs::write(&file, password(VAULT)).unwrap();
    let mut command = check(server, &jid(VAULT));
    command.arg("--password-file").arg(file).output().unwrap()
}

#[test]
fn a_good_server_has_nothing_in_the_way_and_each_of_its_gifts_is_named() {
    let mut home = Home::new();
    home.start();
    let _phone = home.paired_phone();

    let output = home.run("check");

    let said = said(&output);
    assert!(output.status.success(), "{output:?}");
    for words in [
        "its certificate is believed",
        "SCRAM-SHA-256",
        "is taken up again without loss",
        "Archive of messages: yes",
        "takes files of up to 67.11 MB",
        "can be published, and read by everybody",
        "owner@localhost and the vault are contacts of each other",
        "New accounts: not from here",
        "Nothing is in the way",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert_eq!(problems(&output), 0, "{said}");
    let daemon = home.daemon.as_ref().unwrap();
    let lost = daemon.said().iter().any(|it| it.contains("not connected"));
    assert!(!lost, "the daemon was not disturbed");
}

#[test]
fn whoever_has_no_account_is_told_what_can_be_seen_from_outside() {
    let server = Prosody::start(&[VAULT]);

    let outside = check(&server, DOMAIN).output().unwrap();
    let without_password = check(&server, &jid(VAULT)).output().unwrap();

    let words = said(&outside);
    assert!(outside.status.success(), "{outside:?}");
    assert!(words.contains("SCRAM-SHA-256"), "{words}");
    assert!(
        words.contains("Without an account there it cannot be said"),
        "{words}"
    );
    assert!(said(&without_password).contains("Without an account there"));
}

/// Checks a server with something switched off, and returns what is said of it.
fn without(changes: &[(&str, &str)]) -> (String, usize) {
    let server = Prosody::start_changed(&[VAULT, OWNER], changes);
    let output = from_inside(&server);
    let problems = problems(&output);
    let code = i32::from(problems > 0);
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    (said(&output), problems)
}

#[test]
fn what_a_server_lacks_is_named_one_by_one() {
    let (whole, none) = without(&[]);
    let (archive, archive_problems) = without(&[("\"mam\", ", "")]);
    let (counts, counts_problems) = without(&[("\"smacks\", ", "")]);
    let (nodes, nodes_problems) = without(&[("\"pep\", ", "")]);
    let component = "Component \"upload.localhost\" \"http_file_share\"";
    let (uploads, uploads_problems) = without(&[(component, "Component \"upload.localhost\"")]);
    let never = (
        "default_archive_policy = true",
        "default_archive_policy = false",
    );
    let (kept_out, kept_out_problems) = without(&[never]);

    assert_eq!(none, 0, "{whole}");
    assert!(archive.contains("There is no archive"), "{archive}");
    assert!(counts.contains("does not count messages"), "{counts}");
    assert!(
        nodes.contains("cannot publish its encryption keys"),
        "{nodes}"
    );
    assert!(uploads.contains("There is no upload service"), "{uploads}");
    assert!(
        kept_out.contains("Nothing gets into the archive"),
        "{kept_out}"
    );
    assert_eq!(
        [
            archive_problems,
            counts_problems,
            nodes_problems,
            uploads_problems,
            kept_out_problems
        ],
        [1, 0, 1, 1, 1]
    );
    for words in [
        "There is no",
        "does not count",
        "cannot publish",
        "Nothing gets into",
    ] {
        assert!(!whole.contains(words), "the control: {whole}");
    }
}

#[test]
fn a_small_limit_a_closed_upload_and_a_login_in_clear_are_told() {
    let small = ("@LIMIT_MIB@ * 1024 * 1024", "3 * 1000 * 1000");
    let (limit, limit_problems) = without(&[small]);
    let closed = (
        "http_file_share_size_limit",
        "http_file_share_access = { \"nobody.test\" }\n  http_file_share_size_limit",
    );
    let (access, access_problems) = without(&[closed]);
    // A server that has the passwords hashed in a way that it can only compare.
    let only_plain = (
        "password_hash = \"SHA-256\"",
        "disable_sasl_mechanisms = { \"SCRAM-SHA-1\", \"SCRAM-SHA-256\", \"SCRAM-SHA-1-PLUS\", \
         \"SCRAM-SHA-256-PLUS\" }",
    );
    let server = Prosody::start_changed(&[VAULT], &[only_plain]);
    let plain = check(&server, DOMAIN).output().unwrap();

    assert!(limit.contains("files of up to 3.00 MB"), "{limit}");
    assert!(access.contains("This account may not upload"), "{access}");
    assert_eq!([limit_problems, access_problems], [0, 1]);
    assert!(
        said(&plain).contains("shows the password itself"),
        "{plain:?}"
    );
    assert_eq!(plain.status.code(), Some(1));
}

#[test]
fn a_contact_on_one_side_only_a_wrong_password_and_a_foreign_certificate_are_told() {
    let home = Home::new();
    let alone = home.run("check");
    let file = home.path("password");
    fs::write(&file, "guess\n").unwrap();
    let wrong = home.run("check");
    let mut command = check(&home.server, DOMAIN);
    let arguments: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
    command = strongroom();
    // All but the authority.
    command.args(&arguments[..arguments.len() - 2]);
    let foreign = command.output().unwrap();

    assert!(
        said(&alone).contains("owner@localhost and the vault are not contacts of each other"),
        "{alone:?}"
    );
    assert_eq!((alone.status.code(), problems(&alone)), (Some(1), 1));
    assert!(said(&wrong).contains("refuses the account name or the password"));
    assert_eq!(wrong.status.code(), Some(1));
    assert!(
        said(&foreign).contains("certificate that is not believed"),
        "{foreign:?}"
    );
    assert_eq!(foreign.status.code(), Some(1));
}

#[test]
fn what_a_server_wants_of_new_accounts_is_told() {
    let open = Prosody::start_changed(
        &[],
        &[
            ("allow_registration = false", "allow_registration = true"),
            ("\"limits\",", "\"limits\", \"register_ibr\","),
        ],
    );
    let mock = Mock::start(&open);
    let page = "https://localhost/join";

    let offered = check(&open, DOMAIN).output().unwrap();
    mock.offer(&format!(
        "<instructions>On the page</instructions><x xmlns='jabber:x:oob'><url>{page}</url></x>"
    ));
    let redirected = mock.check();
    mock.offer(
        "<username/><password/><x xmlns='jabber:x:data' type='form'>\
         <field var='username'/><field var='ocr'><required/></field></x>",
    );
    let riddle = mock.check();

    assert!(
        said(&offered).contains("a name and a password are enough"),
        "{offered:?}"
    );
    assert!(said(&redirected).contains(&format!("Go to {page} with a browser")));
    assert!(
        said(&riddle).contains("proof that you are a person"),
        "{riddle:?}"
    );
}

#[test]
fn a_server_that_cannot_be_reached_is_told_with_what_to_look_at() {
    let output = strongroom()
        .args(["--config", "/nonexistent", "check", "localhost"])
        .args(["--server", "127.0.0.1:1"])
        .output()
        .unwrap();

    let said = said(&output);
    assert!(said.contains("Not reached"), "{said}");
    assert!(said.contains("firewall"), "{said}");
    assert_eq!(output.status.code(), Some(1));
}
