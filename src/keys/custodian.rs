//! Opens the vault for a command: by the key device, another stick, or the recovery words.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::SystemTime,
};

use anyhow::{Context as _, bail, ensure};
use rustix::fs::FlockOperation;
use vault::{
    Index, KeyFile, OpenError, OpenVault, PlainKey, SlotSecret, VaultFolder, VaultId, ask,
    key::file::KEY_FILE_NAME, open::custody::Standing,
};
use zeroize::Zeroizing;

use super::card;
use crate::{
    config::Config,
    state::{STATE_FILE, State},
};

/// The longest file that is read as a key.
const MAX_KEY_FILE_BYTES: u64 = 4096;
/// Passphrases that may be tried at a terminal.
const PASSPHRASE_TRIES: u8 = 3;

/// What opens the vault for this command.
#[derive(Debug, Clone, clap::Args)]
pub struct Custodian {
    /// Ask for the recovery words instead of using the key device
    #[arg(long, conflicts_with = "with")]
    pub words: bool,
    /// The folder of the stick to open the vault with, instead of the one in the settings
    #[arg(long, value_name = "FOLDER")]
    pub with: Option<PathBuf>,
}

/// A vault that a command has opened, with a lock that keeps other commands out.
pub struct Opened {
    /// The vault.
    pub vault: OpenVault,
    _lock: fs::File,
}

/// Opens the vault and finishes what an earlier command was kept from.
///
/// # Errors
///
/// What is in the way, and what to do.
pub fn open(config: &Config, custodian: &Custodian) -> anyhow::Result<Opened> {
    let folder = &config.vault.folder;
    check_user(folder)?;
    let known = VaultFolder::open(folder)
        .with_context(|| format!("while looking into {}", folder.display()))?;
    let secret = secret(&config.vault.key, custodian, known.vault_id())?;
    open_by(config, &secret)
}

/// Does as [`open`] with a secret that is known already.
///
/// # Errors
///
/// What is in the way, and what to do.
pub fn open_by(config: &Config, secret: &SlotSecret) -> anyhow::Result<Opened> {
    let (folder, system) = (&config.vault.folder, &config.vault.system);
    check_user(folder)?;
    let lock = lock(folder)?;
    let vault = OpenVault::open(folder, secret, SystemTime::now()).map_err(explain)?;
    if let Some(half) = card::public_half(system)? {
        ensure!(
            vault.standing_of(&half) != Standing::Foreign,
            "the public key on the system card is not this vault's: somebody exchanged it, or the \
             drive is an older copy; nothing was changed"
        );
    }
    vault
        .finish_revocation()
        .context("while removing slot records of older epochs")?;
    card::keep(system, &vault)?;
    Ok(Opened { vault, _lock: lock })
}

/// Opens the index as well, which nobody else may have open then.
///
/// # Errors
///
/// When the daemon has the vault open, or the drive fails.
pub fn open_index(vault: &OpenVault) -> anyhow::Result<Index> {
    match Index::open(vault, SystemTime::now()) {
        Ok((index, _)) => Ok(index),
        Err(error) if error.is_in_use() => bail!(
            "the daemon has the vault open; send it \"lock\", or stop it for a moment, and repeat \
             this"
        ),
        Err(error) => Err(error).context("while opening the index"),
    }
}

/// Holds the daemon's state, if there is any on this machine: while it runs, it holds it itself.
///
/// # Errors
///
/// `running` when the daemon does.
pub fn keep_daemon_away(config: &Config, running: &str) -> anyhow::Result<Option<State>> {
    if !config.vault.system.join(STATE_FILE).exists() {
        return Ok(None);
    }
    match State::open(&config.vault.system) {
        Ok(state) => Ok(Some(state)),
        Err(error) if error.is_in_use() => bail!("{running}"),
        Err(error) => Err(error).context("while opening the daemon's state"),
    }
}

/// Gets a slot secret from where the command line says, or from the stick mounted at `key`.
///
/// # Errors
///
/// What is wrong with the key, words or passphrase.
pub fn secret(key: &Path, custodian: &Custodian, vault: &VaultId) -> anyhow::Result<SlotSecret> {
    if custodian.words {
        return Ok(ask::words()?);
    }
    let folder = custodian.with.as_deref().unwrap_or(key);
    let file = read_key_file(folder)?.with_context(|| {
        format!(
            "there is no key in {}; put the stick in, name another with --with, or use --words",
            folder.display()
        )
    })?;
    ensure!(
        file.vault() == vault,
        "the key in {} is another vault's",
        folder.display()
    );
    Ok(unlock(file)?.secret)
}

/// Reads the key file in a folder; `None` if there is none.
///
/// # Errors
///
/// When what is there is no whole key.
pub fn read_key_file(folder: &Path) -> anyhow::Result<Option<KeyFile>> {
    use io::Read as _;
    let path = folder.join(KEY_FILE_NAME);
    let file = match fs::File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.with_context(|| format!("while opening {}", path.display()))?,
    };
    let mut bytes = Zeroizing::new(Vec::with_capacity(2 * 4096));
    file.take(MAX_KEY_FILE_BYTES)
        .read_to_end(&mut bytes)
        .with_context(|| format!("while reading {}", path.display()))?;
    let key = KeyFile::parse(&bytes);
    key.map(Some)
        .with_context(|| format!("while reading {}", path.display()))
}

/// Opens a key, asking for its passphrase if it wants one.
///
/// # Errors
///
/// When the passphrase is wrong.
pub fn unlock(file: KeyFile) -> anyhow::Result<PlainKey> {
    let locked = match file {
        KeyFile::Plain(key) => return Ok(key),
        KeyFile::WithPassphrase(locked) => locked,
    };
    for left in (0..PASSPHRASE_TRIES).rev() {
        let typed = ask::passphrase("Passphrase of the key: ")?;
        match locked.unlock(&typed) {
            Ok(key) => return Ok(key),
            Err(vault::PassphraseError::Wrong) if left > 0 && ask::at_terminal() => {
                writeln!(io::stderr().lock(), "The passphrase is wrong.")?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    bail!("the passphrase is wrong")
}

/// Refuses to leave files behind that the daemon could not read.
fn check_user(folder: &Path) -> anyhow::Result<()> {
    let owner = fs::metadata(folder)
        .with_context(|| format!("while looking for the vault in {}", folder.display()))?
        .uid();
    ensure!(
        rustix::process::geteuid().as_raw() == owner,
        "the vault belongs to user {owner}; run this as that user: sudo -u '#{owner}' strongroom …"
    );
    Ok(())
}

/// Keeps a second command out until the file is dropped.
fn lock(folder: &Path) -> anyhow::Result<fs::File> {
    let file = fs::File::open(folder.join("epochs"))
        .with_context(|| format!("{} holds no vault", folder.display()))?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => {
            bail!("another \"strongroom\" command is changing this vault; wait for it to end")
        }
        Err(error) => Err(io::Error::from(error)).context("while locking the vault"),
    }
}

/// Says what a vault that does not open means for the owner.
pub fn explain(error: OpenError) -> anyhow::Error {
    if let OpenError::WrongKey { .. } = error {
        return anyhow::anyhow!(
            "this key opens nothing here: it was revoked, or is another vault's"
        );
    }
    error.into()
}
