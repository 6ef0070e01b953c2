//! Whether a value makes sense, and what to write instead. What is secret is never repeated.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    code::{LEAST_BITS, THROWN, bits},
    fields::{Kind, find},
};
use crate::{config::host_port, keeper::owner::normal};

/// Longest password of an account, in bytes. RFC 7613 leaves it to the server; none takes more.
const MAX_PASSWORD_BYTES: usize = 1023;

/// Says what is wrong with a value of this kind, if anything.
pub(super) fn text(kind: Kind, value: &str, has_zone: &dyn Fn(&str) -> bool) -> Option<String> {
    match kind {
        Kind::Address => address(value),
        Kind::Domain => domain(value),
        Kind::Password => password(value),
        Kind::HostPort | Kind::Hosts => host_port("here", value)
            .is_err()
            .then(|| format!("\"{value}\" is no server with its port, like \"xmpp.example.org:5222\"")),
        Kind::Flag => None,
        Kind::Digest => digest(value),
        Kind::Fingerprints => omemo::IdentityKey::from_fingerprint(value).err().map(|_| {
            format!(
                "\"{value}\" is no OMEMO fingerprint; copy all of it from your phone, 64 digits and \
                 letters a to f"
            )
        }),
        Kind::PairingCode => pairing_code(value),
        Kind::Ssid => ssid(value),
        Kind::WifiPassword => wifi_password(value),
        Kind::Country => country(value),
        Kind::HostName => host_name(value),
        Kind::TimeZone => (!is_zone(value) || !has_zone(value)).then(|| {
            format!("\"{value}\" is no time zone that is known here; write one like \"Europe/Berlin\"")
        }),
        Kind::SshKeys => ssh_key(value),
    }
}

/// An address without resource. RFC 7622 3.1
fn address(value: &str) -> Option<String> {
    match jid::BareJid::new(value) {
        Ok(jid) if jid.node().is_some() && jid.to_string() == value => None,
        Ok(jid) if jid.node().is_some() => Some(format!("write it as \"{jid}\"")),
        _ => Some(format!(
            "\"{value}\" is no address; it looks like \"name@example.org\""
        )),
    }
}

fn domain(value: &str) -> Option<String> {
    let bare = jid::BareJid::new(value).ok();
    let fits = bare.is_some_and(|it| it.node().is_none() && it.to_string() == value);
    (!fits).then(|| format!("\"{value}\" is no domain; it looks like \"example.org\""))
}

fn password(value: &str) -> Option<String> {
    if value.is_empty() {
        Some("it is empty; write the password of the vault's account".to_owned())
    } else if value.len() > MAX_PASSWORD_BYTES || value.contains(char::is_control) {
        Some("no account has such a password: it is too long, or goes over a line's end".to_owned())
    } else {
        None
    }
}

fn digest(value: &str) -> Option<String> {
    let fits = value.len() == 64 && hex::decode(value).is_ok();
    (!fits).then(|| {
        "it is no SHA-256 of a certificate; that is 64 digits and letters a to f, without colons"
            .to_owned()
    })
}

fn pairing_code(value: &str) -> Option<String> {
    let example = find("owner", "pairing_code").map(|it| normal(it.example.trim_matches('"')));
    if example.is_some_and(|it| it == normal(value)) {
        return Some(
            "it is the one of the example, which everybody knows. Draw one with \"strongroom \
             image-config\", or throw a die 25 times and write the numbers down"
                .to_owned(),
        );
    }
    if normal(value) == normal(THROWN) {
        return Some(
            "it is one that everybody knows. Throw a die 25 times and write down what it shows"
                .to_owned(),
        );
    }
    (bits(value) < LEAST_BITS).then(|| {
        format!(
            "it could be guessed. Draw one with \"strongroom image-config\", or throw a die 25 times \
             and write the numbers down, like {THROWN}"
        )
    })
}

/// IEEE 802.11-2020 9.4.2.2
fn ssid(value: &str) -> Option<String> {
    if value.is_empty() || value.len() > 32 || value.contains(char::is_control) {
        Some("no network has such a name; it has 1 to 32 letters".to_owned())
    } else {
        None
    }
}

/// A passphrase or the key itself. IEEE 802.11-2020 J.4.1
pub(super) fn wifi_password(value: &str) -> Option<String> {
    let is_key = value.len() == 64 && hex::decode(value).is_ok();
    let is_plain = value.bytes().all(|it| (0x20..0x7f).contains(&it));
    let fits = value.is_empty() || is_key || (is_plain && (8..=63).contains(&value.len()));
    (!fits).then(|| {
        "no network has such a password; it has 8 to 63 letters, digits and signs of an English \
         keyboard"
            .to_owned()
    })
}

/// ISO 3166-1 alpha-2
fn country(value: &str) -> Option<String> {
    let upper = value.trim().to_ascii_uppercase();
    let is_code = upper.len() == 2 && upper.bytes().all(|it| it.is_ascii_uppercase());
    if upper == "UK" {
        Some("the United Kingdom is \"GB\"".to_owned())
    } else if is_code && upper == value {
        None
    } else if is_code {
        Some(format!("write it as \"{upper}\""))
    } else {
        Some(format!(
            "\"{value}\" is no country by its two letters, like \"DE\" or \"FR\""
        ))
    }
}

/// One label. RFC 1123 2.1
fn host_name(value: &str) -> Option<String> {
    let plain = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-';
    let fits = (1..=63).contains(&value.len())
        && value.bytes().all(plain)
        && !value.starts_with('-')
        && !value.ends_with('-');
    (!fits).then(|| {
        format!("\"{value}\" is no name of a machine; use small letters, digits and dashes only")
    })
}

fn is_zone(value: &str) -> bool {
    let plain = |it: char| it.is_ascii_alphanumeric() || "+-_".contains(it);
    value.len() <= 64
        && value
            .split('/')
            .all(|part| !part.is_empty() && part.chars().all(plain))
}

/// A line of authorized_keys without options. sshd(8); RFC 4253 6.6
pub(super) fn ssh_key(value: &str) -> Option<String> {
    const ALGORITHMS: &[&str] = &[
        "ssh-ed25519",
        "ecdsa-sha2-nistp256",
        "ecdsa-sha2-nistp384",
        "ecdsa-sha2-nistp521",
        "ssh-rsa",
        "sk-ssh-ed25519@openssh.com",
        "sk-ecdsa-sha2-nistp256@openssh.com",
    ];
    if value.contains("PRIVATE KEY") {
        return Some(
            "this is the private half, which must never leave your computer; write the line of the \
             file that ends in .pub"
                .to_owned(),
        );
    }
    let mut parts = value.split(' ');
    let (algorithm, body) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    let named = STANDARD.decode(body).is_ok_and(|bytes| {
        let name = bytes.get(4..4 + algorithm.len());
        name == Some(algorithm.as_bytes()) && bytes.len() > algorithm.len() + 4
    });
    let fits = ALGORITHMS.contains(&algorithm) && named && !value.contains(char::is_control);
    (!fits).then(|| {
        "it is no public SSH key; copy the one line of the file that ends in .pub, from \"ssh-\" on"
            .to_owned()
    })
}
