//! Set-up from the command line: makes a vault, its key, its settings; shows its address.
//!
//! It runs once, before the daemon, and never touches the network.

use std::{
    fmt, fs,
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, chown},
    path::{Path, PathBuf},
    time::SystemTime,
};

use anyhow::{Context as _, bail, ensure};
use qrcode::{QrCode, render::unicode::Dense1x2};
use vault::{
    SlotSecret, UnlockCode, VaultFolder, header::VaultId, key::file::KEY_FILE_NAME,
    slot::SlotRecord, words::RecoveryWords,
};
use zeroize::Zeroizing;

use crate::{
    config::{Account, Config, Custody, Mode, Owner, Transfer, Vault},
    daemon::start::{PAIRING_FILE, PEPPER_FILE, PUBLIC_HALF_FILE, SLOTS_FOLDER, own_address},
    disk,
    keeper::owner::{CODE_ALPHABET, CODE_LETTERS},
    state::write_private,
};

mod mode;

/// What `strongroom init` is told.
#[derive(Debug, clap::Args)]
pub struct Init {
    /// The vault's own XMPP address
    #[arg(long, value_name = "ADDRESS")]
    pub jid: String,
    /// The file with the password of that account on its first line
    #[arg(long, value_name = "FILE")]
    pub password_file: PathBuf,
    /// The owner's XMPP address; everybody else gets silence
    #[arg(long, value_name = "ADDRESS")]
    pub owner: String,
    /// A fingerprint of the owner's phone; without one, the phone pairs by a code
    #[arg(long = "fingerprint", value_name = "HEX")]
    pub fingerprints: Vec<String>,
    /// The vault folder on the data drive; made if missing, never emptied
    #[arg(long, value_name = "FOLDER")]
    pub data: PathBuf,
    /// The folder where the key device is mounted; one file is added to it. Not used with --mode
    /// memory
    #[arg(long, value_name = "FOLDER", default_value = "/media/strongroom-key")]
    pub key: PathBuf,
    /// The folder for the daemon's own state on the system card
    #[arg(long, value_name = "FOLDER", default_value = "/var/lib/strongroom")]
    pub system: PathBuf,
    /// Connect to this server instead of the one DNS names, as host:port
    #[arg(long, value_name = "HOST:PORT")]
    pub server: Option<String>,
    /// The server given speaks TLS from the first byte
    #[arg(long, requires = "server")]
    pub direct_tls: bool,
    /// A PEM file with the authority to trust instead of the system's
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// An upload server at a private address or other port that may be used, as host:port
    #[arg(long = "pin", value_name = "HOST:PORT")]
    pub pins: Vec<String>,
    /// How the vault is opened
    #[arg(long, value_enum, default_value_t = Mode::Drawer)]
    pub mode: Mode,
    /// This is a trial: the key may lie on the same disk as the data, which protects nothing
    #[arg(long)]
    pub trial: bool,
}

/// Makes a vault and prints what its owner has to know and keep.
///
/// # Errors
///
/// What is in the way, and what to do. Nothing that was there before is touched, and a key file
/// that was made is removed again.
pub fn init(path: &Path, init: Init) -> anyhow::Result<()> {
    let trial = init.trial;
    let config = config(init)?;
    config.check()?;
    check_places(path, &config)?;
    check_disks(&config, trial)?;
    // Whatever can fail comes before the words, which are shown this once.
    let own = own_address(&config)?;
    let made = make(path, &config)?;
    report(path, &config, &made, &own, trial)
}

fn config(init: Init) -> anyhow::Result<Config> {
    let absolute = |path: PathBuf| std::path::absolute(&path).context("while reading a path");
    Ok(Config {
        account: Account {
            jid: init.jid,
            password_file: absolute(init.password_file)?,
            server: init.server,
            direct_tls: init.direct_tls,
            ca_file: init.ca_file.map(absolute).transpose()?,
            certificate_sha256: None,
            allow_plain: false,
        },
        owner: Owner {
            jid: init.owner,
            fingerprints: init.fingerprints,
        },
        vault: Vault {
            folder: absolute(init.data)?,
            key: absolute(init.key)?,
            system: absolute(init.system)?,
            reserve_bytes: 256 * 1024 * 1024,
        },
        custody: Custody {
            mode: init.mode,
            ..Custody::default()
        },
        transfer: Transfer {
            pins: init.pins,
            ..Transfer::default()
        },
    })
}

/// Refuses to overwrite anything.
fn check_places(path: &Path, config: &Config) -> anyhow::Result<()> {
    ensure!(
        !path.exists(),
        "the settings file {} exists already; move it away, or name another with --config",
        path.display()
    );
    if config.custody.mode != Mode::Memory {
        check_key_device(&config.vault.key)?;
    }
    let public_half = config.vault.system.join(PUBLIC_HALF_FILE);
    ensure!(
        !public_half.exists(),
        "the system folder belongs to a vault already ({}); name another with --system",
        public_half.display()
    );
    let password = &config.account.password_file;
    let text = fs::read_to_string(password)
        .with_context(|| format!("the password file {} could not be read", password.display()))?;
    ensure!(
        text.lines().next().is_some_and(|line| !line.is_empty()),
        "the password file {} is empty; write the account's password on its first line",
        password.display()
    );
    Ok(())
}

fn check_key_device(key: &Path) -> anyhow::Result<()> {
    ensure!(
        key.is_dir(),
        "there is no folder {}; mount the key device there first",
        key.display()
    );
    let key_file = key.join(KEY_FILE_NAME);
    ensure!(
        !key_file.exists(),
        "the key device holds the key of a vault already ({}); use another device",
        key_file.display()
    );
    Ok(())
}

/// Refuses a key on the data drive or the system card: whoever took the one would have both.
fn check_disks(config: &Config, trial: bool) -> anyhow::Result<()> {
    fs::create_dir_all(&config.vault.folder)
        .with_context(|| format!("while making {}", config.vault.folder.display()))?;
    fs::create_dir_all(&config.vault.system)
        .with_context(|| format!("while making {}", config.vault.system.display()))?;
    if trial || config.custody.mode == Mode::Memory {
        return Ok(());
    }
    for (what, folder) in [
        ("data drive", &config.vault.folder),
        ("system card", &config.vault.system),
    ] {
        let shared = disk::share_a_disk(&config.vault.key, folder)
            .context("while looking which disk a folder lies on")?;
        ensure!(
            !shared,
            "the key would lie on the same disk as the {what}, so whoever takes one has both; \
             mount a USB stick at {}, or add --trial if this is only a trial",
            config.vault.key.display()
        );
    }
    Ok(())
}

/// What has to be taken back when set-up fails half-way: the next try finds nothing in its way.
struct Undo<'a> {
    made: Vec<&'a Path>,
}

impl Drop for Undo<'_> {
    fn drop(&mut self) {
        for path in self.made.drain(..).rev() {
            // All of it was made by this very run, a moment ago.
            let _ = if path.is_dir() {
                fs::remove_dir_all(path)
            } else {
                fs::remove_file(path)
            };
        }
    }
}

/// What the owner has to know of a vault that was made.
struct Made {
    words: RecoveryWords,
    pairing: Option<Zeroizing<String>>,
    unlock: Option<UnlockCode>,
}

fn make(path: &Path, config: &Config) -> anyhow::Result<Made> {
    let mut rng = getrandom::SysRng;
    let vault = VaultId::random(&mut rng)?;
    let spare = SlotSecret::generate(&mut rng)?;
    let (folder, system) = (&config.vault.folder, &config.vault.system);
    let key_path = config.vault.key.join(KEY_FILE_NAME);
    let pepper_path = system.join(PEPPER_FILE);
    let mut undo = Undo { made: Vec::new() };
    let (first, name, unlock) = if config.custody.mode == Mode::Memory {
        let (secret, code) = mode::code_slot(&vault, &pepper_path)?;
        undo.made.push(&pepper_path);
        (secret, "unlock code", Some(code))
    } else {
        let stick = SlotSecret::generate(&mut rng)?;
        write_key(&key_path, &stick.to_key_file(&vault))
            .with_context(|| format!("while writing the key to {}", key_path.display()))?;
        undo.made.push(&key_path);
        (stick, "key device", None)
    };
    let slots = [(&first, name), (&spare, "recovery words")];
    let public_half = VaultFolder::create(folder, Some(vault), &slots, &mut rng, SystemTime::now())
        .with_context(|| format!("while making the vault in {}", folder.display()))?;
    undo.made.push(folder);
    fs::set_permissions(system, fs::Permissions::from_mode(0o700))?;
    copy_slots(config)?;
    let pairing = match config.owner.fingerprints.as_slice() {
        [] => Some(new_code(system)?),
        _ => None,
    };
    write_settings(path, config)?;
    undo.made.push(path);
    write_private(&system.join(PUBLIC_HALF_FILE), &public_half.to_bytes())?;
    undo.made.clear();
    Ok(Made {
        words: spare.to_words(),
        pairing,
        unlock,
    })
}

/// Keeps copies of the slot records on the card, from which the daemon mends damaged ones. They
/// bear the names that they have on the drive.
fn copy_slots(config: &Config) -> anyhow::Result<()> {
    let copies = config.vault.system.join(SLOTS_FOLDER);
    fs::create_dir_all(&copies)?;
    for record in VaultFolder::open(&config.vault.folder)?.slot_records()? {
        let slot = SlotRecord::parse(&record)?.slot;
        write_private(&copies.join(format!("{slot}.slot")), &record)?;
    }
    Ok(())
}

/// Writes the key file durably; a stick may not know owners and modes.
fn write_key(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    match path.parent() {
        Some(folder) => fs::File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

fn write_settings(path: &Path, config: &Config) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("while making {}", folder.display()))?;
    }
    let text = format!(
        "# Made by \"strongroom init\". What every line means: strongroom config\n\n{}",
        toml::to_string(config).context("while writing the settings")?
    );
    fs::write(path, text).with_context(|| format!("while writing {}", path.display()))
}

/// Makes a new pairing code and lays it down for the daemon.
///
/// # Errors
///
/// The system folder's.
pub fn pair(config: &Config) -> anyhow::Result<()> {
    let code = new_code(&config.vault.system)?;
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "Send this code to {} from your phone, encrypted, within 30 minutes:\n\n    {}\n\n\
         The daemon takes it in when it starts, or at once on SIGHUP: pkill -HUP -x strongroom",
        config.account.jid, *code
    )?;
    Ok(())
}

fn new_code(system: &Path) -> anyhow::Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new([0_u8; CODE_LETTERS]);
    getrandom::fill(&mut *bytes).context("while drawing a pairing code")?;
    let mut code = Zeroizing::new(String::with_capacity(CODE_LETTERS + 1));
    for (at, byte) in bytes.iter().enumerate() {
        if at == CODE_LETTERS / 2 {
            code.push('-');
        }
        // 32 letters divide 256 evenly, so each is as likely as any other.
        let letter = CODE_ALPHABET
            .get(usize::from(byte % 32))
            .copied()
            .unwrap_or(b'0');
        code.push(char::from(letter));
    }
    let path = system.join(PAIRING_FILE);
    let lay_down = || {
        write_private(&path, code.as_bytes())?;
        // Made by root, it is for the daemon's user all the same.
        let folder = fs::metadata(system)?;
        chown(&path, Some(folder.uid()), Some(folder.gid()))
    };
    lay_down().context("while laying down the pairing code")?;
    Ok(code)
}

/// Prints the vault's address, with a QR code.
///
/// # Errors
///
/// The state's; also while the daemon runs, which holds the state alone.
pub fn address(config: &Config) -> anyhow::Result<()> {
    let (device, fingerprint) = own_address(config)?;
    print_address(
        &mut io::stdout().lock(),
        &config.account.jid,
        device,
        &fingerprint,
    )
}

fn print_address(
    out: &mut impl io::Write,
    jid: &str,
    device: u32,
    fingerprint: &str,
) -> anyhow::Result<()> {
    let address = Address {
        jid,
        device,
        fingerprint,
    };
    let text = address.to_string();
    let code = QrCode::new(&text).context("while drawing the QR code")?;
    let code = code.render::<Dense1x2>().build();
    writeln!(out, "{code}\n{text}\n")?;
    Ok(())
}

/// The vault's address with its fingerprint, as Conversations and others read it.
struct Address<'a> {
    jid: &'a str,
    device: u32,
    fingerprint: &'a str,
}

impl fmt::Display for Address<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            jid,
            device,
            fingerprint,
        } = self;
        write!(f, "xmpp:{jid}?omemo-sid-{device}={fingerprint}")
    }
}

fn report(
    path: &Path,
    config: &Config,
    made: &Made,
    (device, fingerprint): &(u32, String),
    trial: bool,
) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "The vault is made. Its settings are in {}.\n",
        path.display()
    )?;
    if trial {
        writeln!(
            out,
            "This is a TRIAL: the key may lie beside the data and protects nothing.\n"
        )?;
    }
    writeln!(
        out,
        "RECOVERY WORDS. They open the vault when {} is lost. Write them on paper \
         now:\nthey are shown this once, and are kept nowhere.\n",
        match config.custody.mode {
            Mode::Drawer | Mode::Presence => "the key device",
            Mode::Memory => "the code or the system card",
        }
    )?;
    for (line, words) in made
        .words
        .expose_to_owner()
        .split(' ')
        .collect::<Vec<_>>()
        .chunks(6)
        .enumerate()
    {
        let first = line * 6 + 1;
        let numbered: Vec<String> = (first..)
            .zip(words)
            .map(|(number, word)| format!("{number:>2} {word:<9}"))
            .collect();
        writeln!(out, "    {}", numbered.join(" ").trim_end())?;
    }
    writeln!(
        out,
        "\nThe vault's address. Scan it with your phone's XMPP app, or add it by hand:\n"
    )?;
    print_address(&mut out, &config.account.jid, *device, fingerprint)?;
    if let Some(code) = &made.pairing {
        writeln!(
            out,
            "PAIRING CODE. First compare the fingerprint above with what your phone shows for the \
             vault;\nthen send the code as your first message, encrypted, within 30 minutes of \
             the daemon's\nfirst login:\n\n    {}\n",
            **code
        )?;
    }
    writeln!(out, "{}\n", mode::words(config.custody.mode))?;
    if let Some(code) = &made.unlock {
        writeln!(
            out,
            "UNLOCK CODE. Keep it in your head; it is shown this once:\n\n    unlock {}\n",
            *code.expose_to_owner()
        )?;
    }
    writeln!(
        out,
        "Now start it: strongroom --config {} run",
        path.display()
    )?;
    Ok(())
}

/// Prints the commented reference of all settings.
///
/// # Errors
///
/// Standard output's.
pub fn reference() -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    if out
        .write_all(crate::config::reference().as_bytes())
        .is_err()
    {
        bail!("the reference could not be printed");
    }
    Ok(())
}
