//! What the file on the card may say: every line of it, in one table.
//!
//! The reader, the example in `docs/first-boot.example.toml` and the tests of wrong lines are all made
//! from this table. It knows no file.

use std::fmt::Write as _;

/// What a line's value has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::setup) enum Kind {
    /// An XMPP address without resource.
    Address,
    /// A domain.
    Domain,
    /// A password of an account.
    Password,
    /// "host:port".
    HostPort,
    /// Yes or no.
    Flag,
    /// The SHA-256 of a certificate.
    Digest,
    /// A list of OMEMO fingerprints.
    Fingerprints,
    /// A pairing code.
    PairingCode,
    /// A list of "host:port".
    Hosts,
    /// The name of a wireless network.
    Ssid,
    /// The password of a wireless network.
    WifiPassword,
    /// A country by its two letters.
    Country,
    /// The name of the machine.
    HostName,
    /// A time zone.
    TimeZone,
    /// A list of public SSH keys.
    SshKeys,
}

impl Kind {
    /// Tells whether the value is a list of texts.
    pub(super) fn is_list(self) -> bool {
        matches!(self, Self::Fingerprints | Self::Hosts | Self::SshKeys)
    }
}

/// One line that the file may have.
#[derive(Debug)]
pub(in crate::setup) struct Field {
    /// The section that it stands in.
    pub(in crate::setup) section: &'static str,
    /// Its name there.
    pub(in crate::setup) name: &'static str,
    /// What its value has to be.
    pub(super) kind: Kind,
    /// A value as it could stand there, in TOML.
    pub(super) example: &'static str,
    /// Whether the example file shows it commented out.
    pub(super) is_rare: bool,
    /// What it means, for the example file.
    manual: &'static str,
}

impl Field {
    /// Returns the name with its section.
    pub(super) fn dotted(&self) -> String {
        format!("{}.{}", self.section, self.name)
    }
}

const fn field(
    section: &'static str,
    name: &'static str,
    kind: Kind,
    example: &'static str,
    manual: &'static str,
) -> Field {
    Field {
        section,
        name,
        kind,
        example,
        is_rare: false,
        manual,
    }
}

const fn rare(field: Field) -> Field {
    Field {
        is_rare: true,
        ..field
    }
}

/// The sections, with what they are about.
pub(super) const SECTIONS: &[(&str, &str)] = &[
    (
        "account",
        "The vault's own XMPP account: not yours, a second one.",
    ),
    ("owner", "Whose vault it is."),
    (
        "wifi",
        "The wireless network. Leave the whole section out with a network cable.",
    ),
    ("system", "The machine itself. All of it may be left out."),
];

/// Every line there is.
pub(in crate::setup) const FIELDS: &[Field] = &[
    field(
        "account",
        "jid",
        Kind::Address,
        "\"vault@example.org\"",
        "The vault's address. With \"register\" it may be left out, and a name is drawn.",
    ),
    field(
        "account",
        "password",
        Kind::Password,
        "\"the password of the vault's account\"",
        "The password of that account, unless it is to be made.",
    ),
    rare(field(
        "account",
        "register",
        Kind::Domain,
        "\"example.org\"",
        "Make a new account at this server instead; its password is drawn.",
    )),
    rare(field(
        "account",
        "server",
        Kind::HostPort,
        "\"xmpp.example.org:5222\"",
        "A server to connect to instead of the one that DNS names.",
    )),
    rare(field(
        "account",
        "direct_tls",
        Kind::Flag,
        "true",
        "Whether that server speaks TLS from the first byte.",
    )),
    rare(field(
        "account",
        "certificate_sha256",
        Kind::Digest,
        "\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"",
        "The one certificate to trust, for a server of your own with a self-made one.",
    )),
    rare(field(
        "account",
        "upload_hosts",
        Kind::Hosts,
        "[\"upload.home.example:5281\"]",
        "Upload servers in your own home, which stand at a private address or another port than 443.",
    )),
    field(
        "owner",
        "jid",
        Kind::Address,
        "\"me@example.org\"",
        "Your address. Everybody else gets silence.",
    ),
    rare(field(
        "owner",
        "pairing_code",
        Kind::PairingCode,
        "\"7GQ4-K2MX-9TBR\"",
        "What your phone sends first, within 30 minutes of the vault's first login. \"strongroom\n\
         image-config\" draws one; by hand throw a die 25 times and write the numbers\n\
         down, and take the # away.",
    )),
    rare(field(
        "owner",
        "fingerprints",
        Kind::Fingerprints,
        "[\"05 a9 33 fc 4c 71 d5 92 0b 6f 8a 3e e0 27 b4 1d 58 c6 92 7f 30 ad e1 84 6b 0c f9 25 d7 13 \
         8e 40\"]",
        "The OMEMO fingerprints of your phones, if you know them; then no code is needed.",
    )),
    field(
        "wifi",
        "ssid",
        Kind::Ssid,
        "\"My network\"",
        "The name of the network, exactly as your phone shows it.",
    ),
    field(
        "wifi",
        "password",
        Kind::WifiPassword,
        "\"its password\"",
        "Its password; \"\" for a network without one.",
    ),
    field(
        "wifi",
        "country",
        Kind::Country,
        "\"DE\"",
        "The country you are in, by its two letters: it decides on which channels may be sent.",
    ),
    rare(field(
        "wifi",
        "hidden",
        Kind::Flag,
        "true",
        "Whether the network does not show its name.",
    )),
    field(
        "system",
        "host_name",
        Kind::HostName,
        "\"strongroom\"",
        "The machine's name in your network.",
    ),
    field(
        "system",
        "time_zone",
        Kind::TimeZone,
        "\"Europe/Berlin\"",
        "How the vault tells the time.",
    ),
    rare(field(
        "system",
        "ssh_keys",
        Kind::SshKeys,
        "[\"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBESIzRFVmd4iZqrvM3u/wARIjNEVWZ3iJmqu8zd7v8R me\"]",
        "Public SSH keys that may log in as root, besides those that may already. Without any, nobody\n\
         can log in.",
    )),
];

/// Returns the line of this name.
pub(super) fn find(section: &str, name: &str) -> Option<&'static Field> {
    FIELDS
        .iter()
        .find(|it| it.section == section && it.name == name)
}

/// Returns the commented example of a file.
#[must_use]
pub(in crate::setup) fn reference() -> String {
    let mut text = String::from(
        "# The first-boot file of Strongroom: save it as \"strongroom.toml\" on the card's small partition,\n\
         # beside config.txt. The vault reads it when it is switched on, overwrites and removes it, and\n\
         # writes \"strongroom-status.txt\" in its place. Lines that begin with # do nothing.\n",
    );
    for (section, about) in SECTIONS {
        let _ = write!(text, "\n# {about}\n[{section}]\n");
        for field in FIELDS.iter().filter(|it| it.section == *section) {
            for line in field.manual.lines() {
                let _ = writeln!(text, "# {line}");
            }
            let off = if field.is_rare { "#" } else { "" };
            let _ = writeln!(text, "{off}{} = {}", field.name, field.example);
        }
    }
    text
}
