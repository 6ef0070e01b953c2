//! An account that is made at its server: its password is on the card before the server is asked, and
//! stays there until the settings name the account, so that a power cut loses none.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, anyhow};
use zeroize::Zeroizing;

use crate::{
    config::Config,
    daemon::start::own_account,
    keys::card::remove_for_good,
    setup::register::{PASSWORD_LETTERS, letters, name},
    state::write_private,
    xmpp::{self, RegisterError, Registered, Registration},
};

/// How often another name is drawn when somebody has the first.
const DRAWS: usize = 3;

/// The file that keeps a drawn password, and below it the address that it is for.
pub(super) struct Drawn(PathBuf);

impl Drawn {
    /// Returns the one that belongs to this password file.
    pub(super) fn beside(password_file: &Path) -> Self {
        Self(password_file.with_extension("drawn"))
    }

    /// Makes the account, or finds that an earlier try has made it; returns its password. `config` gets
    /// another name where the first was drawn and somebody has it.
    pub(super) fn register(
        &self,
        config: &mut Config,
        domain: &str,
        drawn: bool,
        password_file: &Path,
    ) -> anyhow::Result<Zeroizing<String>> {
        let jid = &mut config.account.jid;
        let password = match self.kept()? {
            Some((password, kept)) if kept == *jid || (drawn && is_at(&kept, domain)) => {
                *jid = kept;
                password
            }
            _ => letters::<PASSWORD_LETTERS>()?,
        };
        for draw in 1.. {
            self.keep(&password, &config.account.jid)?;
            let account = account(config, &self.0)?;
            let made = xmpp::run_alone(async move { xmpp::register(&account).await })?;
            match made {
                Ok(Registered::Ready | Registered::Untried(_)) => return Ok(password),
                // It is made, and will work once somebody has said so.
                Ok(Registered::NotLetIn) => {
                    log::warn!(
                        "{domain} does not let the new account in yet: it has to be approved"
                    );
                    return Ok(password);
                }
                Err(RegisterError::Taken) => {}
                Err(error) => return Err(NoAccount::new(&error, domain).into()),
            }
            // Perhaps by an earlier try, or by the vault itself before its settings broke.
            for file in [&self.0, password_file] {
                if let Some(own) = self.lets_in(config, file, domain)? {
                    return Ok(own);
                }
            }
            if !drawn || draw >= DRAWS {
                return Err(NoAccount::new(&RegisterError::Taken, domain).into());
            }
            config.account.jid = format!("{}@{domain}", name()?);
        }
        Err(anyhow!("no name was free at {domain}"))
    }

    /// Returns the password in a file if the account's server lets it in.
    fn lets_in(
        &self,
        config: &Config,
        file: &Path,
        domain: &str,
    ) -> anyhow::Result<Option<Zeroizing<String>>> {
        let Some((password, _)) = read(file)?.filter(|(password, _)| !password.is_empty()) else {
            return Ok(None);
        };
        let account = account(config, file)?;
        match xmpp::run_alone(async move { xmpp::try_login(&account).await })? {
            Ok(Registered::Ready) => Ok(Some(password)),
            Ok(Registered::NotLetIn) => Ok(None),
            Ok(Registered::Untried(why)) => {
                let error = RegisterError::NotReached(why);
                Err(NoAccount::new(&error, domain).into())
            }
            Err(error) => Err(NoAccount::new(&error, domain).into()),
        }
    }

    fn kept(&self) -> anyhow::Result<Option<(Zeroizing<String>, String)>> {
        Ok(read(&self.0)?.filter(|(password, _)| password.len() == PASSWORD_LETTERS))
    }

    fn keep(&self, password: &str, jid: &str) -> anyhow::Result<()> {
        let text = Zeroizing::new(format!("{password}\n{jid}\n"));
        write_private(&self.0, text.as_bytes())
            .with_context(|| format!("while writing {}", self.0.display()))
    }

    /// Removes it, once the settings name the account or another one.
    pub(super) fn forget(&self) -> anyhow::Result<()> {
        remove_for_good(&self.0).with_context(|| format!("while wiping {}", self.0.display()))
    }
}

fn account(config: &Config, password_file: &Path) -> anyhow::Result<xmpp::Account> {
    let mut here = config.clone();
    password_file.clone_into(&mut here.account.password_file);
    own_account(&here)
}

fn is_at(jid: &str, domain: &str) -> bool {
    jid.split_once('@').is_some_and(|(_, at)| at == domain)
}

/// Returns the first two lines of a file.
fn read(path: &Path) -> anyhow::Result<Option<(Zeroizing<String>, String)>> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        text => Zeroizing::new(text.with_context(|| format!("while reading {}", path.display()))?),
    };
    let mut lines = text.lines();
    let mut next = || lines.next().unwrap_or_default().to_owned();
    Ok(Some((Zeroizing::new(next()), next())))
}

/// Why there is no account, and what to change in the file.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub(super) struct NoAccount {
    what: String,
    /// Whether the same will work later.
    pub(super) is_for_now: bool,
}

impl NoAccount {
    fn new(error: &RegisterError, domain: &str) -> Self {
        let instead = "then write its address and password in place of \"register\"";
        let what = match error {
            RegisterError::NotReached(why) => format!(
                "{domain} could not be asked for an account: {why}. It is tried again every minute; \
                 look whether the network cable is in, or the lines below [wifi] are right"
            ),
            RegisterError::Later(_) => format!(
                "{domain} has no account for you now: {error}. It is tried again; or choose another \
                 server"
            ),
            RegisterError::Unknown(_) => format!(
                "it is not known whether {domain} has made the account: {error}. It is tried again, \
                 with the same password"
            ),
            RegisterError::Demands(Registration::Captcha { url: Some(url) }) => format!(
                "{domain} wants proof that you are a person. Make the account with a browser at \
                 {url}, {instead}"
            ),
            RegisterError::Demands(Registration::WebForm { url }) => format!(
                "{domain} makes accounts on a web page only. Make it with a browser at {url}, \
                 {instead}"
            ),
            RegisterError::Demands(
                Registration::Captcha { url: None } | Registration::WantsMore(_),
            ) => format!(
                "{domain} asks more than a program can answer. Make the account with an XMPP app, \
                 {instead}"
            ),
            RegisterError::Taken => format!(
                "somebody at {domain} has this name. Write another one for account.jid, or leave the \
                 line out and one is drawn"
            ),
            RegisterError::NotAcceptable(_) => format!(
                "{domain} cannot use this name: {error}. Write another one for account.jid, or leave \
                 the line out and one is drawn"
            ),
            RegisterError::Demands(Registration::Open | Registration::NotOffered)
            | RegisterError::NotAllowed(_) => format!(
                "{domain} makes no accounts this way: {error}. Get one from its web page or its \
                 administrator, {instead}; or choose another server"
            ),
        };
        Self {
            what,
            is_for_now: matches!(
                error,
                RegisterError::NotReached(_) | RegisterError::Later(_) | RegisterError::Unknown(_)
            ),
        }
    }
}
