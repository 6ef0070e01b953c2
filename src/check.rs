//! `strongroom check`: tells what a server can do for a vault, and what to do where it cannot.
//!
//! It looks at the server anew each time and knows nothing of a running daemon. What is found out is
//! the business of the room `xmpp`; here it is judged and put into words.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, bail, ensure};
use zeroize::Zeroizing;

use crate::{
    config::{Config, Network, host_port},
    daemon::start::own_account,
    xmpp::{self, Account, Password, TlsTrust},
};

mod judge;

use judge::{Finding, Mark};

/// Exit status: something is in the way.
const PROBLEMS: u8 = 1;
/// Columns of what is printed.
const WIDTH: usize = 96;
/// Columns of the marks.
const INDENT: usize = 9;

/// What `strongroom check` is told.
#[derive(Debug, clap::Args)]
pub struct Check {
    /// A domain, such as example.org, or an address; without one, the vault's own account of the
    /// settings
    #[arg(value_name = "DOMAIN|ADDRESS")]
    pub target: Option<String>,
    /// Log in as the address given, with the password on the first line of this file
    #[arg(long, value_name = "FILE", requires = "target")]
    pub password_file: Option<PathBuf>,
    /// The owner's address, to see whether both are contacts of each other
    #[arg(long, value_name = "ADDRESS")]
    pub owner: Option<String>,
    /// Connect to this server instead of the one DNS names, as host:port
    #[arg(long, value_name = "HOST:PORT", requires = "target")]
    pub server: Option<String>,
    /// The server given speaks TLS from the first byte
    #[arg(long, requires = "server")]
    pub direct_tls: bool,
    /// A PEM file with the authority to trust instead of the system's
    #[arg(long, value_name = "FILE", requires = "target")]
    pub ca_file: Option<PathBuf>,
    /// Go through this SOCKS5 proxy, as address:port
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub socks5: Option<String>,
}

/// Looks at a server and prints what it finds. Returns 0 when nothing is in the way of a vault, and
/// 1 when something is.
///
/// # Errors
///
/// When the arguments or the settings cannot be used; never because of the server.
pub fn run(path: &Path, check: &Check) -> anyhow::Result<ExitCode> {
    // Whoever has no vault yet has no settings.
    let config = match path.exists() {
        true => Some(Config::read(path)?),
        false => None,
    };
    let account = account(path, config.as_ref(), check)?;
    let settings_owner = config
        .filter(|config| config.account.jid == account.jid)
        .map(|config| config.owner.jid);
    let owner = check.owner.clone().or(settings_owner);
    let allows_plain = account.allow_plain;
    let named = check.target.clone().unwrap_or(account.jid.clone());
    let asked_for = owner.clone();
    let survey =
        xmpp::run_alone(async move { xmpp::survey(&account, asked_for.as_deref()).await })?
            .context("while preparing to connect")?;
    let findings = judge::judge(&survey, owner.as_deref(), allows_plain);
    print(&named, &findings)?;
    Ok(match findings.iter().any(|it| it.mark == Mark::Problem) {
        true => ExitCode::from(PROBLEMS),
        false => ExitCode::SUCCESS,
    })
}

/// Whom to look as: the vault's own account, an account whose password is given, or nobody.
fn account(path: &Path, config: Option<&Config>, check: &Check) -> anyhow::Result<Account> {
    let typed = match (&check.target, config) {
        (Some(target), _) => target,
        (None, Some(config)) => &config.account.jid,
        (None, None) => bail!(
            "there are no settings in {}; name a domain: strongroom check example.org",
            path.display()
        ),
    };
    let jid = jid::BareJid::new(typed)
        .with_context(|| format!("\"{typed}\" is neither a domain nor an address"))?;
    let proxy = match (&check.socks5, config) {
        (Some(_), _) => Network {
            socks5: check.socks5.clone(),
        }
        .proxy()
        .context("--socks5")?,
        (None, Some(config)) => config.network.proxy()?,
        (None, None) => None,
    };
    if let Some(config) = config
        && check.password_file.is_none()
        && check.server.is_none()
        && check.ca_file.is_none()
        && jid.to_string() == config.account.jid
    {
        return Ok(Account {
            proxy,
            ..own_account(config)?
        });
    }
    let trust = match &check.ca_file {
        None => TlsTrust::System,
        Some(path) => TlsTrust::Ca(
            fs::read(path).with_context(|| format!("while reading {}", path.display()))?,
        ),
    };
    let server = check.server.as_deref();
    let (jid, password) = match &check.password_file {
        Some(path) => {
            ensure!(
                jid.node().is_some(),
                "a password belongs to an address, such as vault@{jid}; name it instead of {jid}"
            );
            (jid.to_string(), password(path)?)
        }
        // Nobody logs in: what is told is what everybody can see.
        None => (jid.domain().to_string(), Password::new(String::new())),
    };
    Ok(Account {
        jid,
        password,
        resource: String::new(),
        host: server
            .map(|server| host_port("--server", server))
            .transpose()?,
        direct_tls: check.direct_tls,
        trust,
        proxy,
        allow_plain: false,
        has_worked: false,
    })
}

fn password(path: &Path) -> anyhow::Result<Password> {
    let text = fs::read_to_string(path)
        .map(Zeroizing::new)
        .with_context(|| format!("the password file {} could not be read", path.display()))?;
    let line = text.lines().next().unwrap_or_default();
    ensure!(
        !line.is_empty(),
        "the password file {} is empty; write the account's password on its first line",
        path.display()
    );
    Ok(Password::new(line.to_owned()))
}

fn print(named: &str, findings: &[Finding]) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "What {named} can do for a vault:\n")?;
    for Finding { mark, text } in findings {
        let mark = match mark {
            Mark::Fine => "ok",
            Mark::Note => "note",
            Mark::Problem => "PROBLEM",
        };
        for (number, line) in wrap(text, WIDTH - INDENT).iter().enumerate() {
            let mark = if number == 0 { mark } else { "" };
            writeln!(out, "{mark:<INDENT$}{line}")?;
        }
    }
    let problems = findings.iter().filter(|it| it.mark == Mark::Problem);
    match problems.count() {
        0 => writeln!(out, "\nNothing is in the way of a vault there.")?,
        1 => writeln!(out, "\nOne thing is in the way of a vault there.")?,
        count => writeln!(out, "\n{count} things are in the way of a vault there.")?,
    }
    Ok(())
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_between_words_only() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("elephantine a", 5), ["elephantine", "a"]);
    }

    fn check(target: Option<&str>) -> Check {
        Check {
            target: target.map(str::to_owned),
            password_file: None,
            owner: None,
            server: None,
            direct_tls: false,
            ca_file: None,
            socks5: None,
        }
    }

    #[test]
    fn an_address_without_its_password_is_looked_at_from_outside() {
        let path = Path::new("/nonexistent");

        let account = account(path, None, &check(Some("vault@example.org"))).unwrap();

        assert_eq!(account.jid, "example.org");
    }

    #[test]
    fn without_settings_and_target_it_says_what_to_name() {
        let path = Path::new("/nonexistent");

        let nothing = account(path, None, &check(None)).unwrap_err().to_string();
        let nonsense = account(path, None, &check(Some("a@b@c"))).unwrap_err();

        assert!(nothing.contains("strongroom check example.org"));
        assert!(nonsense.to_string().contains("neither a domain nor"));
    }
}
