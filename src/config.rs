//! The settings file: what it may say, how it is read, and its reference.
//!
//! The doc comment of each field is its manual: [`reference()`] turns this very file into the
//! commented example `docs/strongroom.example.toml`, and a test keeps the two equal. Secrets are
//! never in the settings, only the paths of the files that hold them, so printing them is
//! harmless.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

mod chat;
mod reference;

pub use chat::Chat;
pub use reference::reference;

/// Days that the trash is kept unless the settings say otherwise.
pub const DEFAULT_TRASH_DAYS: u32 = 30;

/// Where the settings are looked for when the command line names no file.
pub const DEFAULT_PATH: &str = "/etc/strongroom/strongroom.toml";

/// How much of a drive stays free, in per cent, and between which bounds.
const RESERVE_PERCENT: u64 = 2;
const RESERVE_BYTES: std::ops::RangeInclusive<u64> = 256 << 20..=4 << 30;

/// The whole file.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The vault's own XMPP account.
    pub account: Account,
    /// Whose vault it is.
    pub owner: Owner,
    /// Where the vault and its key are.
    pub vault: Vault,
    /// What opens the vault and what locks it.
    #[serde(default)]
    pub custody: Custody,
    /// How the key device is noticed and read.
    #[serde(default)]
    pub keydevice: KeyDevice,
    /// What may be fetched from where.
    #[serde(default)]
    pub transfer: Transfer,
    /// How kept files are checked.
    #[serde(default)]
    pub verify: Verify,
    /// The way to the Internet.
    #[serde(default)]
    pub network: Network,
    /// How the vault behaves in the chat.
    #[serde(default)]
    pub chat: Chat,
    /// What may be asked of the machine by chat.
    #[serde(default)]
    pub commands: Commands,
}

/// The vault's own XMPP account.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// The vault's address. It needs an account of its own.
    ///
    /// Example: "vault@example.org"
    pub jid: String,
    /// The file that holds the account's password on its first line.
    ///
    /// Example: "/etc/strongroom/password"
    pub password_file: PathBuf,
    /// A server to connect to instead of the one that DNS names, as "host:port".
    ///
    /// Default: asked from DNS
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// Whether `server` speaks TLS from the first byte; otherwise STARTTLS is used, and nothing
    /// is sent before it.
    ///
    /// Default: false
    #[serde(default)]
    pub direct_tls: bool,
    /// A PEM file with the certificate authority to trust instead of the system's: for a server
    /// of one's own.
    ///
    /// Default: the system's authorities
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// The SHA-256 of the one certificate to trust, 64 hex digits: for a server with a
    /// self-made certificate.
    ///
    /// Default: none
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_sha256: Option<String>,
    /// Whether the password may be shown to the server (SASL PLAIN) when it offers nothing
    /// better.
    ///
    /// Default: false
    #[serde(default)]
    pub allow_plain: bool,
}

/// Whose vault it is.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Owner {
    /// The owner's address. Everybody else gets silence.
    ///
    /// Example: "me@example.org"
    pub jid: String,
    /// Fingerprints of the owner's phones, as their apps show them. A phone listed here needs no
    /// pairing code. One that was shut out comes back only by a line that was not there before.
    ///
    /// Default: none, the first phone pairs by a code
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fingerprints: Vec<String>,
}

/// Where the vault and its key are.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Vault {
    /// The folder on the data drive that holds the sealed files. It reveals nothing to whoever
    /// takes it.
    ///
    /// Example: "/srv/strongroom/vault"
    pub folder: PathBuf,
    /// The folder where the key device is mounted. Its coming opens the vault. In memory-only mode
    /// nothing looks there.
    ///
    /// Example: "/media/strongroom-key"
    pub key: PathBuf,
    /// The folder on the system card for the daemon's own state.
    ///
    /// Default: "/var/lib/strongroom"
    #[serde(default = "default_system")]
    pub system: PathBuf,
    /// Bytes to leave free on the data drive. A file that would not fit stays with its server and is
    /// fetched once there is room.
    ///
    /// Default: 2 % of the drive, at least 256 MiB and at most 4 GiB
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserve_bytes: Option<u64>,
    /// Days after which what was deleted is removed from the trash for good; 0 for never.
    ///
    /// Default: 30
    #[serde(default = "default_trash_days")]
    pub trash_days: u32,
}

impl Vault {
    /// Returns how much of a drive of this size stays free, in bytes.
    #[must_use]
    pub fn reserve(&self, drive_bytes: u64) -> u64 {
        self.reserve_bytes.unwrap_or_else(|| {
            let share = drive_bytes / 100 * RESERVE_PERCENT;
            share.clamp(*RESERVE_BYTES.start(), *RESERVE_BYTES.end())
        })
    }
}

/// What opens the vault and what locks it.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Custody {
    /// How the vault is opened: "drawer" (the key device opens it and may be taken out again at
    /// once), "presence" (the key device stays in; pulled, it locks the vault at once) or "memory"
    /// (no device: a code in the chat, or words at the console).
    ///
    /// Default: "drawer"
    #[serde(default)]
    pub mode: Mode,
    /// Seconds without a command after which an open vault locks itself; 0 for never. In presence
    /// mode pulling the key does that instead.
    ///
    /// Default: 1800
    #[serde(default = "default_idle")]
    pub idle_seconds: u32,
}

/// How the vault is opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The key device opens the vault, and may be taken out again at once.
    #[default]
    Drawer,
    /// The key device stays in while the vault is open.
    Presence,
    /// No device: a code in the chat, or words at the console.
    Memory,
}

impl Default for Custody {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            idle_seconds: default_idle(),
        }
    }
}

/// How the key device is noticed and read, if nobody else mounts it at vault.key.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct KeyDevice {
    /// The stick, named as in fstab: "LABEL=…", "UUID=…" or "PARTUUID=…". It is mounted read-only
    /// where nobody else sees it, read, and let go; the daemon has to be root for that, or have
    /// the agent below.
    ///
    /// Default: none, vault.key is watched
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// The folder of device nodes, with by-label, by-uuid and by-partuuid in it.
    ///
    /// Default: "/dev/disk"
    #[serde(default = "default_nodes")]
    pub nodes: PathBuf,
    /// The socket on which "strongroom key-agent" tells of the stick. The service manager starts
    /// the agent for the stick; the daemon needs no rights for it.
    ///
    /// Default: none
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<PathBuf>,
}

impl Default for KeyDevice {
    fn default() -> Self {
        Self {
            device: None,
            nodes: default_nodes(),
            agent: None,
        }
    }
}

fn default_nodes() -> PathBuf {
    PathBuf::from("/dev/disk")
}

/// What may be fetched from where.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Transfer {
    /// Upload servers, as "host:port", that may be used although they stand at a private address
    /// or another port than 443: for a server in one's own home.
    ///
    /// Default: none
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pins: Vec<String>,
    /// The largest file to accept, in bytes.
    ///
    /// Default: 68719476720
    #[serde(default = "default_max_file")]
    pub max_file_bytes: u64,
}

impl Default for Transfer {
    fn default() -> Self {
        Self {
            pins: Vec::new(),
            max_file_bytes: default_max_file(),
        }
    }
}

/// How kept files are checked.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Verify {
    /// Whether a few files are really opened every week, and the result told in the chat. It
    /// happens when the key is in.
    ///
    /// Default: true
    #[serde(default = "default_drills")]
    pub drills: bool,
    /// Weeks between two checks of every byte of every file, which run in the background while the
    /// key is in; 0 for none.
    ///
    /// Default: 4
    #[serde(default = "default_weeks")]
    pub weeks: u32,
    /// The most bytes that a check reads in a second, so that the vault stays quick.
    ///
    /// Default: 16777216
    #[serde(default = "default_pace")]
    pub bytes_per_second: u64,
}

/// What may be asked of the machine by chat.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Commands {
    /// The pipe in which the daemon says how it is, one word a line: "locked", "open", "busy" or
    /// "trouble", for a lamp.
    ///
    /// Default: none
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lamp: Option<PathBuf>,
    /// The folder for requests to whoever may do what the daemon may not: a file "poweroff" that
    /// appears in it asks for the machine to be switched off. Without it "off" is refused.
    ///
    /// Default: none
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<PathBuf>,
    /// The socket at which a stick is mounted for "export" and "import". Without it both are refused.
    ///
    /// Default: none
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sticks: Option<PathBuf>,
}

/// The way to the Internet.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// A SOCKS5 proxy that everything goes through, chat and files, as "address:port": for Tor
    /// "127.0.0.1:9050". The proxy is given names, and nothing is asked of a name server. A domain's
    /// records cannot be asked for either: unless `account.server` names it, the server has to be at
    /// the domain itself, port 5222 or 5223.
    ///
    /// Default: none
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub socks5: Option<String>,
}

impl Network {
    /// Returns the proxy's address.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Value`] if it is none.
    pub fn proxy(&self) -> Result<Option<SocketAddr>, ConfigError> {
        let proxy = self.socks5.as_deref().map(|typed| {
            typed.parse().map_err(|_| {
                let why = format!(
                    "\"{typed}\" is not of the form \"address:port\"; a name would have to be asked \
                     of a name server"
                );
                value("network.socks5", why)
            })
        });
        proxy.transpose()
    }
}

fn default_idle() -> u32 {
    30 * 60
}

impl Default for Verify {
    fn default() -> Self {
        Self {
            drills: default_drills(),
            weeks: default_weeks(),
            bytes_per_second: default_pace(),
        }
    }
}

fn default_trash_days() -> u32 {
    DEFAULT_TRASH_DAYS
}

fn default_drills() -> bool {
    true
}

fn default_weeks() -> u32 {
    4
}

fn default_pace() -> u64 {
    16 << 20
}

fn default_system() -> PathBuf {
    PathBuf::from("/var/lib/strongroom")
}

/// The most that one AES-GCM message carries. NIST SP 800-38D 5.2.1.1
fn default_max_file() -> u64 {
    omemo::media::MAX_CONTENT_BYTES + omemo::media::TAG_BYTES as u64
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file could not be read.
    #[error("the settings file {} could not be read; make one with \"strongroom init\"", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is no TOML, or has a wrong or missing line.
    #[error("the settings file {} has a mistake: {message}", path.display())]
    Mistake {
        /// The file.
        path: PathBuf,
        /// Line and reason.
        message: String,
    },
    /// A value has the right type and makes no sense.
    #[error("the setting {name} cannot be used: {why}")]
    Value {
        /// Its dotted name.
        name: &'static str,
        /// What is wrong and what is expected.
        why: String,
    },
}

impl Config {
    /// Reads and checks the settings in `path`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`], which names the line or the setting.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        let mistake = |error: toml::de::Error| ConfigError::Mistake {
            path: path.to_owned(),
            message: error.to_string().trim_end().to_owned(),
        };
        let config: Self = toml::from_str(&text).map_err(mistake)?;
        config.check()?;
        Ok(config)
    }

    /// Checks what the types cannot say.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Value`].
    pub fn check(&self) -> Result<(), ConfigError> {
        bare("account.jid", &self.account.jid)?;
        bare("owner.jid", &self.owner.jid)?;
        if self.account.jid == self.owner.jid {
            return Err(value("owner.jid", "the vault needs an account of its own"));
        }
        if let Some(server) = &self.account.server {
            host_port("account.server", server)?;
        }
        self.network.proxy()?;
        if let Some(digest) = &self.account.certificate_sha256
            && (digest.len() != 64 || hex::decode(digest).is_err())
        {
            return Err(value(
                "account.certificate_sha256",
                "64 hex digits are expected",
            ));
        }
        if self.account.certificate_sha256.is_some() && self.account.ca_file.is_some() {
            return Err(value(
                "account.ca_file",
                "either an authority or one certificate can be trusted, not both",
            ));
        }
        for typed in &self.owner.fingerprints {
            omemo::IdentityKey::from_fingerprint(typed)
                .map_err(|error| value("owner.fingerprints", error.to_string()))?;
        }
        for pin in &self.transfer.pins {
            host_port("transfer.pins", pin)?;
        }
        if let Some(device) = &self.keydevice.device {
            let kind = device.split_once('=').filter(|(_, name)| {
                let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
                !name.is_empty() && !name.starts_with('.') && name.chars().all(plain)
            });
            if !matches!(kind, Some(("LABEL" | "UUID" | "PARTUUID", _))) {
                return Err(value(
                    "keydevice.device",
                    "\"LABEL=…\", \"UUID=…\" or \"PARTUUID=…\" is expected, of letters, digits, \
                     dots and dashes",
                ));
            }
        }
        if self.verify.bytes_per_second < 65_536 {
            return Err(value(
                "verify.bytes_per_second",
                "a check needs at least 65536 bytes a second to come to an end",
            ));
        }
        if self.transfer.max_file_bytes > default_max_file() {
            return Err(value(
                "transfer.max_file_bytes",
                format!("AES-GCM carries at most {} bytes", default_max_file()),
            ));
        }
        let Vault {
            folder,
            key,
            system,
            ..
        } = &self.vault;
        for (name, one, other) in [
            ("vault.key", key, folder),
            ("vault.key", key, system),
            ("vault.system", system, folder),
        ] {
            if one.starts_with(other) || other.starts_with(one) {
                let why = format!("it must not lie in or around {}", other.display());
                return Err(value(name, why));
            }
        }
        Ok(())
    }

    /// Returns the pinned fingerprints in the form the keeper compares: 64 lower-case hex digits.
    #[must_use]
    pub fn pinned_fingerprints(&self) -> Vec<String> {
        let keys = self.owner.fingerprints.iter();
        keys.filter_map(|typed| omemo::IdentityKey::from_fingerprint(typed).ok())
            .map(|key| key.fingerprint())
            .collect()
    }
}

fn value(name: &'static str, why: impl Into<String>) -> ConfigError {
    ConfigError::Value {
        name,
        why: why.into(),
    }
}

/// Checks an address without resource. RFC 7622 3.1
fn bare(name: &'static str, typed: &str) -> Result<(), ConfigError> {
    match jid::BareJid::new(typed) {
        Ok(jid) if jid.node().is_some() && jid.to_string() == typed => Ok(()),
        Ok(jid) if jid.node().is_some() => Err(value(name, format!("write it as \"{jid}\""))),
        _ => Err(value(
            name,
            format!("\"{typed}\" is no address like \"name@example.org\""),
        )),
    }
}

/// Splits "host:port"; an IPv6 address stands in brackets.
///
/// # Errors
///
/// [`ConfigError::Value`] under the setting's `name`.
pub fn host_port(name: &'static str, typed: &str) -> Result<(String, u16), ConfigError> {
    let wrong = || {
        value(
            name,
            format!("\"{typed}\" is not of the form \"host:port\""),
        )
    };
    let (host, port) = typed.rsplit_once(':').ok_or_else(wrong)?;
    let port: u16 = port
        .parse()
        .ok()
        .filter(|port| *port != 0)
        .ok_or_else(wrong)?;
    let inner = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    if host.is_empty() || (inner.is_none() && host.contains(':')) {
        return Err(wrong());
    }
    Ok((inner.unwrap_or(host).to_owned(), port))
}

#[cfg(test)]
mod tests;
