//! Who we are and where the vault is: from the command line, or from what was given before.

use std::{
    env, fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail, ensure};
use omemo::IdentityKey;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::Connection;
use crate::{
    config::{Network, host_port},
    names,
    state::State,
    transfer::{self, HostPort, Patience},
    xmpp::{Account, Password, TlsTrust},
};

/// The note that holds what was given.
const GIVEN: &str = "client";
/// Digits of a whole fingerprint.
const FINGERPRINT_DIGITS: usize = 64;

/// What is kept of the command line.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Given {
    /// The vault's bare address.
    pub(super) vault: String,
    /// The owner's bare address.
    pub(super) own: String,
    /// The vault's fingerprint: 64 lower-case hex digits, or empty.
    pub(super) fingerprint: String,
    password_file: PathBuf,
    server: Option<String>,
    direct_tls: bool,
    ca_file: Option<PathBuf>,
    pins: Vec<String>,
    socks5: Option<String>,
    dns: Vec<String>,
}

/// Opens the client's own state, and returns it with what was given.
pub(super) fn open(connection: &Connection) -> anyhow::Result<(State, Given)> {
    let folder = match &connection.state {
        Some(folder) => folder.clone(),
        None => data_folder()?,
    };
    let mut state = State::open(&folder).map_err(|error| {
        if error.is_in_use() {
            return anyhow::anyhow!(
                "another \"strongroom send\" or \"fetch\" runs with {}; wait for it to end, or name \
                 another folder with --state",
                folder.display()
            );
        }
        anyhow::Error::from(error).context(format!("while opening {}", folder.display()))
    })?;
    let step = state.begin()?;
    let before = step.note::<Given>(GIVEN)?;
    let given = merge(before.clone(), connection, &folder)?;
    if before.as_ref() != Some(&given) {
        step.set_note(GIVEN, Some(&given))?;
    }
    step.commit()?;
    Ok((state, given))
}

fn merge(before: Option<Given>, connection: &Connection, folder: &Path) -> anyhow::Result<Given> {
    let is_first = before.is_none();
    let mut given = before.unwrap_or_default();
    if let Some(to) = &connection.to {
        let (vault, fingerprint) = address(to)?;
        ensure!(
            is_first || vault == given.vault,
            "{} belongs to {}; name another folder with --state for {vault}",
            folder.display(),
            given.vault
        );
        given.vault = vault;
        if let Some(fingerprint) = fingerprint {
            given.fingerprint = fingerprint;
        }
    }
    if let Some(own) = &connection.own {
        let own = bare(own)?;
        ensure!(
            is_first || own == given.own,
            "{} belongs to {}; name another folder with --state for {own}",
            folder.display(),
            given.own
        );
        given.own = own;
    }
    if let Some(typed) = &connection.fingerprint {
        given.fingerprint = fingerprint(typed)?;
    }
    if let Some(path) = &connection.password_file {
        given.password_file = std::path::absolute(path)?;
    }
    if connection.server.is_some() {
        given.server.clone_from(&connection.server);
        given.direct_tls = connection.direct_tls;
    }
    if let Some(path) = &connection.ca_file {
        given.ca_file = Some(std::path::absolute(path)?);
    }
    if !connection.pins.is_empty() {
        given.pins.clone_from(&connection.pins);
    }
    if connection.socks5.is_some() {
        given.socks5.clone_from(&connection.socks5);
    }
    if !connection.dns.is_empty() {
        given.dns.clone_from(&connection.dns);
    }
    ensure!(!given.vault.is_empty(), "which vault? Name it with --to");
    ensure!(
        !given.own.is_empty(),
        "who are you? Name your own address with --as: the one that the vault obeys"
    );
    ensure!(
        !given.password_file.as_os_str().is_empty(),
        "name the file with the password of {} with --password-file",
        given.own
    );
    Ok(given)
}

/// Reads an address, or all of what `strongroom address` shows.
fn address(typed: &str) -> anyhow::Result<(String, Option<String>)> {
    let typed = typed.trim();
    let rest = typed.strip_prefix("xmpp:").unwrap_or(typed);
    let (jid, query) = rest.split_once('?').unwrap_or((rest, ""));
    let named = query.split(['&', ';']).find_map(|part| {
        let value = part.strip_prefix("omemo-sid-")?;
        Some(value.split_once('=')?.1)
    });
    Ok((bare(jid)?, named.map(fingerprint).transpose()?))
}

fn bare(typed: &str) -> anyhow::Result<String> {
    let jid = jid::BareJid::new(typed).ok();
    let jid = jid.filter(|jid| jid.node().is_some());
    match jid {
        Some(jid) => Ok(jid.to_string()),
        None => bail!("\"{typed}\" is no address; one looks like vault@example.org"),
    }
}

fn fingerprint(typed: &str) -> anyhow::Result<String> {
    match IdentityKey::from_fingerprint(typed) {
        Ok(key) => Ok(key.fingerprint()),
        Err(_) => bail!("a fingerprint has {FINGERPRINT_DIGITS} hex digits; blanks do no harm"),
    }
}

fn data_folder() -> anyhow::Result<PathBuf> {
    let absolute = |name| {
        env::var_os(name)
            .map(PathBuf::from)
            .filter(|it| it.is_absolute())
    };
    let data = absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local/share")));
    let data = data.context("there is no home folder; name a folder with --state")?;
    Ok(data.join("strongroom"))
}

impl Given {
    /// Returns the account to log in with; `device` tells several clients of one owner apart.
    pub(super) fn account(&self, device: u32) -> anyhow::Result<Account> {
        let path = &self.password_file;
        let text = fs::read_to_string(path)
            .map(Zeroizing::new)
            .with_context(|| format!("the password file {} could not be read", path.display()))?;
        let password = text.lines().next().unwrap_or_default();
        ensure!(
            !password.is_empty(),
            "the password file {} is empty",
            path.display()
        );
        let server = self.server.as_deref();
        Ok(Account {
            jid: self.own.clone(),
            password: Password::new(password.to_owned()),
            resource: format!("strongroom-{device}"),
            host: server.map(|it| host_port("--server", it)).transpose()?,
            direct_tls: self.direct_tls,
            trust: match &self.ca_file {
                None => TlsTrust::System,
                Some(path) => TlsTrust::Ca(read(path)?),
            },
            proxy: self.proxy()?,
            allow_plain: false,
            // Somebody looks on: what is wrong at the first login is said at once.
            has_worked: false,
        })
    }

    /// Has names looked up where it was said.
    pub(super) fn ask_name_servers(&self) -> anyhow::Result<()> {
        let servers = self.dns.iter().map(|typed| {
            names::read_server(typed)
                .with_context(|| format!("--dns: \"{typed}\" is no address of a name server"))
        });
        names::ask(servers.collect::<anyhow::Result<_>>()?);
        Ok(())
    }

    /// Returns what transfers files.
    pub(super) fn transfer(&self) -> anyhow::Result<transfer::Client> {
        let trust = match &self.ca_file {
            None => transfer::tls::Trust::System,
            Some(path) => transfer::tls::Trust::SystemAnd(read(path)?),
        };
        let tls = transfer::tls::client_config(&trust).context("while preparing TLS")?;
        let pins = self.pins.iter().map(|pin| {
            let pin = pin.parse::<HostPort>();
            pin.context("while reading --pin")
        });
        let pins = pins.collect::<anyhow::Result<_>>()?;
        let rules = transfer::Rules::new(pins, None);
        Ok(transfer::Client::new(tls, rules, Patience::default()).through(self.proxy()?))
    }

    fn proxy(&self) -> anyhow::Result<Option<SocketAddr>> {
        let network = Network {
            socks5: self.socks5.clone(),
        };
        network.proxy().context("--socks5")
    }
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("while reading {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a";

    fn first() -> Connection {
        Connection {
            to: Some(format!("xmpp:vault@example.org?omemo-sid-7={KEY}")),
            own: Some("me@example.org".to_owned()),
            password_file: Some("/p".into()),
            ..Connection::default()
        }
    }

    #[test]
    fn the_address_of_the_pi_brings_the_fingerprint_and_all_is_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let mut connection = first();
        connection.state = Some(folder.path().to_owned());

        let (state, given) = open(&connection).unwrap();
        drop(state);
        let again = Connection {
            state: connection.state.clone(),
            ..Connection::default()
        };
        let (_, remembered) = open(&again).unwrap();

        assert_eq!(given.vault, "vault@example.org");
        assert_eq!(given.fingerprint, KEY);
        assert_eq!(remembered, given);
    }

    #[test]
    fn a_folder_of_one_vault_is_not_used_for_another() {
        let folder = Path::new("/state");
        let given = merge(None, &first(), folder).unwrap();
        let other = Connection {
            to: Some("other@example.org".to_owned()),
            ..Connection::default()
        };

        let refused = merge(Some(given.clone()), &other, folder).unwrap_err();
        let same = merge(Some(given.clone()), &Connection::default(), folder);

        assert!(refused.to_string().contains("--state"), "{refused}");
        assert_eq!(same.unwrap(), given);
    }

    #[test]
    fn what_is_missing_is_asked_for_by_name() {
        let nothing = merge(None, &Connection::default(), Path::new("/state"));
        let nobody = Connection {
            own: None,
            ..first()
        };
        let nobody = merge(None, &nobody, Path::new("/state"));
        let short = Connection {
            fingerprint: Some("8c1f".to_owned()),
            ..first()
        };
        let short = merge(None, &short, Path::new("/state"));

        assert!(nothing.unwrap_err().to_string().contains("--to"));
        assert!(nobody.unwrap_err().to_string().contains("--as"));
        assert!(short.unwrap_err().to_string().contains("64"));
    }
}
