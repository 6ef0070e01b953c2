//! The vault's account as the file has it becomes settings and a password file.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use zeroize::Zeroizing;

use super::{machine::Tree, new_account, reading::Wishes};
use crate::{
    config::{
        Account, Chat, Commands, Config, ConfigError, Custody, DEFAULT_PATH, DEFAULT_TRASH_DAYS,
        KeyDevice, Network, Owner, Transfer, Vault, Verify,
    },
    daemon::start::PAIRING_FILE,
    setup::{register::name, settings_text},
    state::{write_for, write_private},
};

const PASSWORD_FILE: &str = "/etc/strongroom/password";
const SYSTEM: &str = "/var/lib/strongroom";
const VAULT: &str = "/srv/strongroom/vault";
const KEY: &str = "/media/strongroom-key";
const RUN: &str = "/run/strongroom";
const STICKS: &str = "/run/strongroom-sticks";
const LAMP: &str = "/run/strongroom-lamp";

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

/// The settings that are to be.
pub(super) struct Planned {
    pub(super) config: Config,
    /// The account that the settings have until then.
    before: Option<String>,
    /// Whether settings are there that nobody can read.
    is_broken: bool,
}

/// Returns the settings that the wishes make, on top of those that are there.
pub(super) fn settings(places: &Places, wishes: &Wishes) -> anyhow::Result<Planned> {
    let (before, is_broken) = match Config::read(&places.settings) {
        Ok(before) => (Some(before), false),
        Err(ConfigError::Unreadable { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            (None, false)
        }
        // A file without sense is what a new first-boot file is to mend; a card's fault is not.
        Err(ConfigError::Unreadable { source, path })
            if source.kind() != io::ErrorKind::InvalidData =>
        {
            return Err(ConfigError::Unreadable { source, path }.into());
        }
        Err(_) => (None, true),
    };
    let account_before = before.as_ref().map(|it| it.account.jid.clone());
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
                sticks: Some(STICKS.into()),
            },
        },
    };
    config.check()?;
    Ok(Planned {
        config,
        before: account_before,
        is_broken,
    })
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
    planned: Planned,
) -> anyhow::Result<Config> {
    let Planned {
        mut config,
        before,
        is_broken,
    } = planned;
    let owner = owner_of(&places.system)?;
    let password_file = tree.at(&config.account.password_file);
    if let Some(folder) = password_file.parent() {
        fs::create_dir_all(folder).with_context(|| format!("while making {}", folder.display()))?;
    }
    let drawn = new_account::Drawn::beside(&password_file);
    let password = match (&wishes.password, &wishes.register) {
        (Some(password), _) => Some(password.clone()),
        (None, Some(domain)) => match settled(before.as_deref(), wishes, domain, &password_file) {
            Some(jid) => {
                log::info!("{jid} is the vault's account already, so none is made");
                jid.clone_into(&mut config.account.jid);
                None
            }
            None => {
                Some(drawn.register(&mut config, domain, wishes.jid.is_none(), &password_file)?)
            }
        },
        (None, None) => anyhow::bail!("the password of the vault's account is missing"),
    };
    let lay_down = |path: &Path, text: &[u8]| {
        write_for(path, text, owner).with_context(|| format!("while writing {}", path.display()))
    };
    if let Some(password) = password {
        let line = Zeroizing::new(format!("{}\n", *password));
        keep_before(&password_file, &line)?;
        lay_down(&password_file, line.as_bytes())?;
    }
    if let Some(code) = &wishes.code {
        lay_down(&places.system.join(PAIRING_FILE), code.as_bytes())?;
    }
    if is_broken {
        let mut aside = places.settings.clone();
        aside.as_mut_os_string().push(".broken");
        log::warn!(
            "the settings could not be read; they are kept as {}",
            aside.display()
        );
        fs::rename(&places.settings, &aside)
            .with_context(|| format!("while writing {}", aside.display()))?;
    }
    let text = settings_text(&config, "the first-boot file")?;
    lay_down(&places.settings, text.as_bytes())?;
    drawn.forget()?;
    Ok(config)
}

/// Returns the address that the settings have already, if that is the account that is wished.
fn settled<'a>(
    before: Option<&'a str>,
    wishes: &Wishes,
    domain: &str,
    password_file: &Path,
) -> Option<&'a str> {
    let jid = before?;
    let fits = match &wishes.jid {
        Some(wished) => wished == jid,
        None => jid.split_once('@').is_some_and(|(_, at)| at == domain),
    };
    let has_password = fs::metadata(password_file).is_ok_and(|it| it.len() > 0);
    (fits && has_password).then_some(jid)
}

/// Keeps the password that is replaced: it may be the only copy of one that was drawn.
fn keep_before(password_file: &Path, new: &str) -> anyhow::Result<()> {
    let reading = || format!("while reading {}", password_file.display());
    let old = match fs::read(password_file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        old => Zeroizing::new(old.with_context(reading)?),
    };
    if old.as_slice() == new.as_bytes() || old.is_empty() {
        return Ok(());
    }
    let kept = password_file.with_extension("before");
    write_private(&kept, &old).with_context(|| format!("while writing {}", kept.display()))
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
