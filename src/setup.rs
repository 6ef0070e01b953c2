//! Set-up from the command line: makes a vault, its key, its settings; shows its address.
//!
//! It runs once, before the daemon, and never touches the network unless it is told to register an
//! account.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::SystemTime,
};

use anyhow::{Context as _, bail, ensure};
use qrcode::QrCode;
use vault::{
    OpenVault, Passphrase, SlotSecret, UnlockCode, VaultFolder, VaultId, ask,
    key::file::KEY_FILE_NAME, slot::SlotKind, words::RecoveryWords,
};
use zeroize::Zeroizing;

use crate::{
    config::{
        Account, Chat, Commands, Config, Custody, DEFAULT_TRASH_DAYS, KeyDevice, Mode, Network,
        Owner, Transfer, Vault, Verify,
    },
    daemon::start::{PAIRING_FILE, own_address},
    disk,
    keeper::{
        devices::Own,
        owner::{CODE_ALPHABET, CODE_LETTERS},
    },
    keys::{
        card::{self, PEPPER_FILE, PUBLIC_HALF_FILE},
        stick,
    },
    state::write_for,
};

/// Where a stick is mounted for the daemon: systemd/strongroom-stick.socket.
const STICKS: &str = "/run/strongroom-sticks";

mod drawn;
mod first_boot;
mod image_config;
mod mode;
mod prepare;
mod recover;
mod register;
mod trouble;

pub use first_boot::{FirstBoot, FirstBootError, first_boot};
pub use image_config::{ImageConfig, image_config};
pub use prepare::{HoldStick, Prepare, hold_stick, prepare};
pub use recover::{Recover, recover};
pub use trouble::{Trouble, trouble};

/// The name of the first stick's slot.
const KEY_NAME: &str = "key device";
/// The name of the first words' slot.
const WORDS_NAME: &str = "recovery words";

/// What `strongroom init` is told.
#[derive(Debug, clap::Args)]
pub struct Init {
    /// The vault's own XMPP address
    #[arg(long, value_name = "ADDRESS", required_unless_present = "register")]
    pub jid: Option<String>,
    /// Make a new account at this server, with a drawn name unless --jid gives one and a drawn
    /// password; this goes over the network
    #[arg(long, value_name = "DOMAIN")]
    pub register: Option<String>,
    /// The file with the password of that account on its first line; with --register it is written
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
    /// Send everything through this SOCKS5 proxy, as address:port; for Tor 127.0.0.1:9050
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub socks5: Option<String>,
    /// An upload server at a private address or other port that may be used, as host:port
    #[arg(long = "pin", value_name = "HOST:PORT")]
    pub pins: Vec<String>,
    /// The socket at which the key agent of the service manager tells of the stick; requests to
    /// switch the machine off are laid into its folder
    #[arg(long, value_name = "SOCKET")]
    pub agent: Option<PathBuf>,
    /// How the vault is opened
    #[arg(long, value_enum, default_value_t = Mode::Drawer)]
    pub mode: Mode,
    /// Ask for a passphrase that the key device is to want
    #[arg(long)]
    pub passphrase: bool,
    /// Take the key device's passphrase from the first line of this file
    #[arg(long, value_name = "FILE", conflicts_with = "passphrase")]
    pub passphrase_file: Option<PathBuf>,
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
pub fn init(path: &Path, mut init: Init) -> anyhow::Result<()> {
    let trial = init.trial;
    let passphrase = passphrase(&init)?;
    check_settings(path)?;
    let new = register::prepare(&mut init)?;
    let mut config = config(init)?;
    config.check()?;
    check_places(path, &config)?;
    check_disks(&config, trial)?;
    // Whatever can fail comes before the words, which are shown this once.
    let own = own_address(&config)?;
    let made = match new {
        None => make(path, &config, passphrase.as_ref())?,
        Some(new) => {
            let registered = register::register(new, &mut config)?;
            make(path, &config, passphrase.as_ref()).context(registered)?
        }
    };
    report(path, &config, &made, &own, trial)
}

/// Gets the passphrase that the key device is to want, if it is to want one.
fn passphrase(init: &Init) -> anyhow::Result<Option<Passphrase>> {
    let least = stick::MIN_PASSPHRASE_LETTERS;
    let Some(path) = &init.passphrase_file else {
        return Ok(match init.passphrase {
            true => Some(ask::new_passphrase(least)?),
            false => None,
        });
    };
    let text =
        Zeroizing::new(fs::read_to_string(path).with_context(|| {
            format!("the passphrase file {} could not be read", path.display())
        })?);
    let passphrase = Passphrase::new(text.lines().next().unwrap_or_default());
    ensure!(
        passphrase.letters() >= least,
        "the passphrase in {} is too short: at least {least} characters keep a finder out",
        path.display()
    );
    Ok(Some(passphrase))
}

fn config(init: Init) -> anyhow::Result<Config> {
    let absolute = |path: PathBuf| std::path::absolute(&path).context("while reading a path");
    let agent = init.agent.map(absolute).transpose()?;
    let requests = agent.as_deref().and_then(Path::parent).map(Path::to_owned);
    Ok(Config {
        account: Account {
            jid: init
                .jid
                .context("the vault's own address is missing; give it with --jid")?,
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
            reserve_bytes: None,
            trash_days: DEFAULT_TRASH_DAYS,
        },
        custody: Custody {
            mode: init.mode,
            ..Custody::default()
        },
        keydevice: KeyDevice {
            agent,
            ..KeyDevice::default()
        },
        transfer: Transfer {
            pins: init.pins,
            ..Transfer::default()
        },
        verify: Verify::default(),
        chat: Chat::default(),
        network: Network {
            socks5: init.socks5,
        },
        commands: Commands {
            lamp: None,
            sticks: requests.is_some().then(|| STICKS.into()),
            requests,
        },
    })
}

fn check_settings(path: &Path) -> anyhow::Result<()> {
    ensure!(
        !path.exists(),
        "the settings file {} exists already; move it away, or name another with --config",
        path.display()
    );
    Ok(())
}

/// Refuses to overwrite anything.
fn check_places(path: &Path, config: &Config) -> anyhow::Result<()> {
    check_settings(path)?;
    check_card(config)?;
    if config.custody.mode == Mode::Memory {
        return Ok(());
    }
    let key = &config.vault.key;
    check_stick(key)?;
    let key_file = key.join(KEY_FILE_NAME);
    ensure!(
        !key_file.exists(),
        "the key device holds the key of a vault already ({}); use another device",
        key_file.display()
    );
    Ok(())
}

fn check_stick(key: &Path) -> anyhow::Result<()> {
    ensure!(
        key.is_dir(),
        "there is no folder {}; mount the key device there first",
        key.display()
    );
    Ok(())
}

/// Refuses the system folder of another vault, and an account without a password.
fn check_card(config: &Config) -> anyhow::Result<()> {
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

fn make(path: &Path, config: &Config, passphrase: Option<&Passphrase>) -> anyhow::Result<Made> {
    let mut rng = getrandom::SysRng;
    let id = VaultId::random(&mut rng)?;
    let spare = SlotSecret::generate(&mut rng)?;
    let (folder, system) = (&config.vault.folder, &config.vault.system);
    let key_path = config.vault.key.join(KEY_FILE_NAME);
    let pepper_path = system.join(PEPPER_FILE);
    let mut undo = Undo { made: Vec::new() };
    let (kind, name, key, unlock) = if config.custody.mode == Mode::Memory {
        let (key, code) = mode::code_slot(&id, &pepper_path)?;
        undo.made.push(&pepper_path);
        (SlotKind::Code, mode::CODE_NAME, key, Some(code))
    } else {
        let key = SlotSecret::generate(&mut rng)?;
        stick::write(&config.vault.key, &id, &key, passphrase)?;
        undo.made.push(&key_path);
        (SlotKind::Stick, KEY_NAME, key, None)
    };
    let slots = [(kind, &key, name), (SlotKind::Words, &spare, WORDS_NAME)];
    let now = SystemTime::now();
    VaultFolder::create_for(folder, Some(id), &slots, &mut rng, now)
        .with_context(|| format!("while making the vault in {}", folder.display()))?;
    undo.made.push(folder);
    let vault = OpenVault::open(folder, &key, now).context("while opening the new vault")?;
    let pairing = furnish(path, config, &mut undo.made)?;
    card::keep(system, &vault)?;
    undo.made.clear();
    Ok(Made {
        words: spare.to_words(),
        pairing,
        unlock,
    })
}

/// Writes what the daemon needs besides the vault: its folder's mode, a pairing code unless a
/// phone is known, the settings.
fn furnish<'a>(
    path: &'a Path,
    config: &Config,
    made: &mut Vec<&'a Path>,
) -> anyhow::Result<Option<Zeroizing<String>>> {
    let system = &config.vault.system;
    fs::set_permissions(system, fs::Permissions::from_mode(0o700))?;
    let code = match config.owner.fingerprints.as_slice() {
        [] => Some(new_code(system)?),
        _ => None,
    };
    write_settings(path, config)?;
    made.push(path);
    Ok(code)
}

fn write_settings(path: &Path, config: &Config) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("while making {}", folder.display()))?;
    }
    let text = settings_text(config, "\"strongroom init\"")?;
    fs::write(path, text).with_context(|| format!("while writing {}", path.display()))
}

fn settings_text(config: &Config, made_by: &str) -> anyhow::Result<String> {
    Ok(format!(
        "# Made by {made_by}. What every line means: strongroom config\n\n{}",
        toml::to_string(config).context("while writing the settings")?
    ))
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
        // Made by root, it is for the daemon's user all the same.
        let folder = fs::metadata(system)?;
        write_for(&path, code.as_bytes(), (folder.uid(), folder.gid()))
    };
    lay_down().context("while laying down the pairing code")?;
    Ok(code)
}

/// Prints the vault's address, with a QR code unless it is wanted `plain`.
///
/// # Errors
///
/// The state's; also while the daemon runs, which holds the state alone.
pub fn address(config: &Config, plain: bool) -> anyhow::Result<()> {
    let (device, fingerprint) = own_address(config)?;
    let (mut out, jid) = (io::stdout().lock(), config.account.jid.clone());
    if !plain {
        return print_address(&mut out, &jid, device, &fingerprint);
    }
    let own = Own {
        jid,
        device,
        fingerprint,
    };
    Ok(writeln!(out, "{own}")?)
}

fn print_address(
    out: &mut impl io::Write,
    jid: &str,
    device: u32,
    fingerprint: &str,
) -> anyhow::Result<()> {
    let address = Own {
        jid: jid.to_owned(),
        device,
        fingerprint: fingerprint.to_owned(),
    };
    let text = address.to_string();
    let code = QrCode::new(&text).context("while drawing the QR code")?;
    writeln!(out, "{}\n{text}\n", drawn::drawn(&code))?;
    Ok(())
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
        "\nOr print them later as a page: strongroom kit --help"
    )?;
    if let Some(code) = &made.unlock {
        writeln!(
            out,
            "\nUNLOCK CODE. Keep it in your head; it is shown this once:\n\n    unlock {}",
            *code.expose_to_owner()
        )?;
    }
    let pairing = made.pairing.as_ref();
    report_way_in(&mut out, path, config, pairing, (*device, fingerprint))
}

/// Prints how the phone finds the vault, and how the vault knows the phone.
fn report_way_in(
    out: &mut impl io::Write,
    path: &Path,
    config: &Config,
    code: Option<&Zeroizing<String>>,
    (device, fingerprint): (u32, &str),
) -> anyhow::Result<()> {
    writeln!(
        out,
        "\nThe vault's address. Scan it with your phone's XMPP app, or add it by hand:\n"
    )?;
    print_address(out, &config.account.jid, device, fingerprint)?;
    if let Some(code) = code {
        writeln!(
            out,
            "PAIRING CODE. First compare the fingerprint above with what your phone shows for the \
             vault;\nthen send the code as your first message, encrypted, within 30 minutes of \
             the daemon's\nfirst login:\n\n    {}\n",
            **code
        )?;
    }
    writeln!(out, "{}\n", mode::words(config.custody.mode))?;
    writeln!(
        out,
        "Now start it: strongroom --config {} run",
        path.display()
    )?;
    Ok(())
}

/// Prints the commented reference of all settings, or of the file that a card is set up from.
///
/// # Errors
///
/// Standard output's.
pub fn reference(first_boot: bool) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    let text = match first_boot {
        true => first_boot::fields::reference(),
        false => crate::config::reference(),
    };
    if out.write_all(text.as_bytes()).is_err() {
        bail!("the reference could not be printed");
    }
    Ok(())
}
