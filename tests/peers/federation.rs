//! Two servers that talk to each other: the vault has its account at the one, its owner at the other.

use std::fs;

use crate::{
    home::{Home, OWNER, VAULT, noise},
    phone::Phone,
    prosody::{Prosody, free_ports, jid},
};

/// The other domain than the usual one.
pub(crate) const ELSEWHERE: &str = "home.test";

fn borrowed<'a>(changes: &'a [(&'a str, String)]) -> Vec<(&'a str, &'a str)> {
    changes.iter().map(|(from, to)| (*from, &**to)).collect()
}

/// Starts two servers that talk to each other: the usual domain with these accounts, and one
/// elsewhere.
pub(crate) fn two_servers(here: &[&str], elsewhere: &[&str]) -> (Prosody, Prosody) {
    let [near, far] = free_ports();
    let federated = |own: u16, other: &str, port: u16| {
        let at = format!("s2s_secure_auth = true\ns2s_at = {{ [\"{other}\"] = {port} }}");
        vec![
            ("modules_disabled = { \"s2s\" }", at),
            ("s2s_ports = { }", format!("s2s_ports = {{ {own} }}")),
            (
                "\"limits\",",
                "\"limits\", \"s2s\", \"s2s_auth_certs\", \"s2s_at\",".to_owned(),
            ),
            (
                "\nssl = { key",
                "\nssl = { cafile = \"@BASE@/ca.crt\", key".to_owned(),
            ),
        ]
    };
    let mut ours = federated(near, ELSEWHERE, far);
    ours.push(("VirtualHost \"home.test\"", String::new()));
    let mut theirs = federated(far, "localhost", near);
    theirs.push(("VirtualHost \"localhost\"", String::new()));
    theirs.push(("upload.localhost", "upload.home.test".to_owned()));
    let server = Prosody::start_changed(here, &borrowed(&ours));
    let other = server.start_beside(&borrowed(&theirs), elsewhere);
    (server, other)
}

#[test]
fn a_vault_and_its_owner_at_different_servers_share_and_get() {
    let (server, other) = two_servers(&[VAULT], &["owner@home.test"]);
    let pin = format!("localhost:{}", other.https_port());
    let owner = format!("{OWNER}@{ELSEWHERE}");
    let mut home = Home::for_owner(server, &owner, &["--pin", &pin]);

    home.start();
    let mut phone = Phone::start_at(&other, OWNER, ELSEWHERE);
    phone.befriend(&jid(VAULT));
    phone.send_text(&jid(VAULT), home.code());
    phone.wait_reply("Paired");
    let path = home.path("to-share.bin");
    let photo = noise(300_000, 1);
    fs::write(&path, &photo).unwrap();
    phone.send_file(&jid(VAULT), &path, "photo.jpg");
    let stored = phone.wait_reply("stored");
    phone.send_text(&jid(VAULT), "get 1");
    let back = phone.wait_file();

    assert_eq!(stored, "✅ #1 photo.jpg, 300.0 kB, stored.");
    assert!(fs::read(&back.path).unwrap() == photo);
    let kept_at = |server: &Prosody, link: &str| link.contains(&server.https_port().to_string());
    assert!(kept_at(&home.server, &back.link), "by the vault's server");
    assert!(
        home.server.log().contains("home.test") && other.log().contains("localhost"),
        "the two have met"
    );
}
