//! The vault's account as the file has it becomes settings and a password file; or is made at its server.

use std::{
    fs, io,
    os::unix::fs::{MetadataExt as _, chown},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, anyhow};
use zeroize::Zeroizing;

use super::{machine::Tree, reading::Wishes};
use crate::{
    config::{
        Account, Chat, Commands, Config, Custody, DEFAULT_PATH, DEFAULT_TRASH_DAYS, KeyDevice,
        Network, Owner, Transfer, Vault, Verify,
    },
    daemon::start::{PAIRING_FILE, own_account},
    setup::{
        register::{PASSWORD_LETTERS, letters, name},
        settings_text,
    },
    state::write_private,
    xmpp::{self, RegisterError, Registered, Registration},
};

const PASSWORD_FILE: &str = "/etc/strongroom/password";
const SYSTEM: &str = "/var/lib/strongroom";
const VAULT: &str = "/srv/strongroom/vault";
const KEY: &str = "/media/strongroom-key";
const RUN: &str = "/run/strongroom";
const LAMP: &str = "/run/strongroom-lamp";
/// How often another name is drawn when somebody has the first.
const DRAWS: usize = 3;

/// Where settings and state are, in this tree.
pub(super) struct Places {
    pub(super) settings: PathBuf,
    pub(super) system: PathBuf,
}

impl Places {
    pub(super) fn new(tree: &Tree) -> Self {
        Self {
            settings: tree.at(DEFAULT_PATH),
            system: tree.at(SYSTEM),
        }
    }
}

/// Returns the settings that the wishes make, on top of those that are there.
pub(super) fn settings(places: &Places, wishes: &Wishes) -> anyhow::Result<Config> {
    let before = match places.settings.exists() {
        true => Some(Config::read(&places.settings)?),
        false => None,
    };
    let jid = match (&wishes.jid, &wishes.register) {
        (Some(jid), _) => jid.clone(),
        (None, Some(domain)) => format!("{}@{domain}", name()?),
        (None, None) => anyhow::bail!("the vault's own address is missing"),
    };
    let account = Account {
        jid,
        password_file: PASSWORD_FILE.into(),
        server: wishes.server.clone(),
        direct_tls: wishes.direct_tls,
        ca_file: None,
        certificate_sha256: wishes.certificate_sha256.clone(),
        allow_plain: false,
    };
    let owner = Owner {
        jid: wishes.owner.clone(),
        fingerprints: wishes.fingerprints.clone(),
    };
    let pins = wishes.upload_hosts.clone();
    let config = match before {
        // What is not of the file stays as it is.
        Some(before) => Config {
            account: Account {
                password_file: before.account.password_file.clone(),
                ..account
            },
            owner,
            transfer: Transfer {
                pins,
                ..before.transfer
            },
            ..before
        },
        None => Config {
            account,
            owner,
            vault: Vault {
                folder: VAULT.into(),
                key: KEY.into(),
                system: SYSTEM.into(),
                reserve_bytes: None,
                trash_days: DEFAULT_TRASH_DAYS,
            },
            custody: Custody::default(),
            keydevice: KeyDevice {
                agent: Some(Path::new(RUN).join("key.sock")),
                ..KeyDevice::default()
            },
            transfer: Transfer {
                pins,
                ..Transfer::default()
            },
            verify: Verify::default(),
            chat: Chat::default(),
            network: Network::default(),
            commands: Commands {
                lamp: Some(LAMP.into()),
                requests: Some(RUN.into()),
            },
        },
    };
    config.check()?;
    Ok(config)
}

/// Has the account, its password, the pairing code and at last the settings on the card, durably.
///
/// # Errors
///
/// The card's, and what the server said, with what to change.
pub(super) fn furnish(
    tree: &Tree,
    places: &Places,
    wishes: &Wishes,
    mut config: Config,
) -> anyhow::Result<Config> {
    let owner = owner_of(&places.system)?;
    let password_file = tree.at(&config.account.password_file);
    let password = match &wishes.password {
        Some(password) => password.clone(),
        None => letters::<PASSWORD_LETTERS>()?,
    };
    if let Some(folder) = password_file.parent() {
        fs::create_dir_all(folder).with_context(|| format!("while making {}", folder.display()))?;
    }
    let lay_down = |path: &Path, text: &str| {
        write_private(path, text.as_bytes())
            .and_then(|()| chown(path, Some(owner.0), Some(owner.1)))
            .with_context(|| format!("while writing {}", path.display()))
    };
    lay_down(&password_file, &Zeroizing::new(format!("{}\n", *password)))?;
    if let Some(domain) = &wishes.register {
        register(tree, &mut config, domain, wishes.jid.is_none())?;
    }
    if let Some(code) = &wishes.code {
        lay_down(&places.system.join(PAIRING_FILE), code)?;
    }
    let text = settings_text(&config, "the first-boot file")?;
    lay_down(&places.settings, &text)?;
    Ok(config)
}

/// Makes the system folder if it is missing, and returns whose it is: the daemon's user's.
fn owner_of(system: &Path) -> anyhow::Result<(u32, u32)> {
    let find = || -> io::Result<_> {
        fs::create_dir_all(system)?;
        let folder = fs::metadata(system)?;
        Ok((folder.uid(), folder.gid()))
    };
    find().with_context(|| format!("while looking at {}", system.display()))
}

/// Makes the account. `config` gets another name if the one drawn is taken.
fn register(tree: &Tree, config: &mut Config, domain: &str, drawn: bool) -> anyhow::Result<()> {
    for draw in 1.. {
        let mut here = config.clone();
        here.account.password_file = tree.at(&config.account.password_file);
        let account = own_account(&here)?;
        match xmpp::run_alone(async move { xmpp::register(&account).await })? {
            Ok(Registered::Ready | Registered::Untried(_)) => return Ok(()),
            // It is made, and will work once somebody has said so.
            Ok(Registered::NotLetIn) => {
                log::warn!("{domain} does not let the new account in yet: it has to be approved");
                return Ok(());
            }
            Err(RegisterError::Taken) if drawn && draw < DRAWS => {
                config.account.jid = format!("{}@{domain}", name()?);
            }
            Err(error) => return Err(NoAccount::new(&error, domain).into()),
        }
    }
    Err(anyhow!("no name was free at {domain}"))
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
                 with another password"
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
