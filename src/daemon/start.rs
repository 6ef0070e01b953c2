//! The start: what the last run left is read, and what talks and watches is started.

use std::{collections::HashSet, fs, io, path::PathBuf, sync::Arc};

use anyhow::Context as _;
use omemo::{Store as _, machine};
use tokio::sync::mpsc;
use vault::{IntakeKey, PublicHalf, Sealer, VaultFolder, key::file::KEY_FILE_NAME};
use zeroize::Zeroizing;

use super::{
    CatchUp, Daemon, Ended, Own,
    chat::{ARRIVED, Clients},
    console,
    contacts::{self, Contacts},
    drive::DriveState,
    effects::{ALARM, CHECKS, LOCKED_BY_OWNER, NOTICES, ORIGINALS, PACE, PAIRING, REMEMBERED},
    inbox::rng,
    left_over, life, omemo_now,
    starts::Starts,
    trust, worked,
};
use crate::{
    clock,
    config::{self, Config, host_port},
    keeper::{
        Keeper, Memory, Remembered, Settings,
        arrivals::{self, Manners},
        custody::{self, Rules},
        devices::Own as OwnAddress,
        notices,
        owner::Pairing,
        pictures,
        verify::Plan,
        zone::Zone,
    },
    keydevice,
    keys::card::{self, PEPPER_FILE, PUBLIC_HALF_FILE, SLOTS_FOLDER},
    lamp::Lamp,
    service,
    state::{JobKind, State, write_private},
    transfer::{self, HostPort, Patience},
    xmpp::{self, Account, Password, TlsTrust},
};

/// File of the key in the system folder that vouches for what this Pi sealed.
pub const INTAKE_KEY_FILE: &str = "intake.key";
/// File of a new pairing code in the system folder; it is removed once it is taken in.
pub const PAIRING_FILE: &str = "pairing-code";
/// The resource of the vault's stream: fixed, so that a new stream replaces a lost one.
const RESOURCE: &str = "strongroom";
/// Reports on their way to the loop. All others wait in the stream's own queue, which counts bytes.
const ARRIVALS: usize = 2;

pub(super) fn public_half_path(config: &Config) -> PathBuf {
    config.vault.system.join(PUBLIC_HALF_FILE)
}

pub(super) fn intake_key_path(config: &Config) -> PathBuf {
    config.vault.system.join(INTAKE_KEY_FILE)
}

/// The name of the key file on a key device, for the key agent.
pub const KEY_FILE: &str = KEY_FILE_NAME;

fn key_source(config: &Config) -> anyhow::Result<keydevice::Source> {
    let settings = &config.keydevice;
    Ok(match (&settings.agent, &settings.device) {
        (Some(socket), _) => keydevice::Source::Agent(socket.clone()),
        (None, Some(device)) => keydevice::Source::Node(
            keydevice::node(&settings.nodes, device).context("while reading keydevice.device")?,
        ),
        (None, None) => keydevice::Source::Folder(config.vault.key.join(KEY_FILE_NAME)),
    })
}

/// Runs the daemon until it is told to stop.
///
/// # Errors
///
/// What nobody but the owner can mend, in words for the journal.
pub async fn run(config: Config) -> anyhow::Result<Ended> {
    let starts = Starts::begin(&config.vault.system);
    let lamp = Lamp::new(config.commands.lamp.clone());
    let mut state = left_over::open_state(&config.vault.system)?;
    let life::Begun { own, record, life } = life::begin(&mut state, &config)?;
    let memory = memory(&mut state, &config, &own)?;
    let remembered = remembered(&mut state)?;
    let (notices, originals) = (notices(&mut state)?, originals(&mut state)?);
    let (known, contacts) = (contacts::known(&mut state)?, Contacts::begin(&mut state)?);
    let rules = rules(&config);
    let (manners, arrived) = (manners(&config), arrived(&mut state)?);
    let settings = settings(&config);
    let intake_key = Arc::new(intake_key(&config)?);
    let (trust, tls) = tls(&config)?;
    let transfer = transfer::Client::new(
        tls,
        transfer::Rules::new(pins(&config)?, None),
        Patience::default(),
    )
    .through(config.network.proxy()?);
    let account = Account {
        has_worked: worked::has_worked(&mut state, &config.account)?,
        ..account(&config, trust)?
    };
    let (tell, happenings) = mpsc::unbounded_channel();
    let (arrivals_tell, arrivals) = mpsc::channel(ARRIVALS);
    let source = key_source(&config)?;
    let (key_device, presence) =
        keydevice::start(source).context("while making the key agent's socket")?;
    console::listen(&config.vault.system, tell.clone())
        .context("while making the console's socket")?;
    let link = xmpp::start(account, arrivals_tell);
    let mut daemon = Daemon {
        config,
        state,
        keeper: Keeper::new(memory)
            .under(rules, remembered)
            .with_manners(manners, arrived)
            .set_up(settings)
            .with_notices(notices)
            .with_life(record)
            .with_originals(originals)
            .with_contacts(known)
            .in_zone(local_zone()),
        link,
        transfer,
        key_device,
        drive: DriveState::default(),
        intake_key,
        vault: None,
        generation: 0,
        tell,
        online: false,
        catch_up: CatchUp::Behind,
        settling: None,
        under_way: HashSet::new(),
        passed_over: 0,
        fetching_bundles: HashSet::new(),
        own,
        life,
        receiving: Vec::new(),
        carrying: Arc::default(),
        programs: super::pictures::Programs::default(),
        typing: None,
        contacts,
        clients: Clients::default(),
        begins_anew: false,
        lamp,
        starts,
    };
    daemon.keeper.set_local_time(clock::ahead_of_utc());
    // The keeper is told how it is.
    let _ = daemon.look_at_drive();
    daemon.look_after_device()?;
    daemon.read_pairing_file()?;
    daemon.read_answer();
    service::ready();
    let ended = daemon.turn(arrivals, happenings, presence).await;
    daemon.stop().await;
    ended
}

impl Daemon {
    /// Brings the card up to a newer epoch, which the open vault vouches for: a revocation was cut
    /// short before it reached the card.
    pub(super) fn renew_card(&mut self, public_half: &[u8]) -> anyhow::Result<()> {
        let half = PublicHalf::from_bytes(public_half)?;
        self.copy_slots()?;
        let system = &self.config.vault.system;
        card::keep_public_half(system, &half)
            .context("while writing the public key to the system card")?;
        log::info!(
            "the system card has the public key of epoch {} now",
            half.epoch
        );
        Ok(())
    }

    /// Brings the card's copies of the slot records up to date.
    pub(super) fn copy_slots(&self) -> anyhow::Result<()> {
        let system = &self.config.vault.system;
        let folder = VaultFolder::open(&self.config.vault.folder);
        match folder.map(|folder| folder.slot_records()) {
            Ok(Ok(records)) => card::copy_slots(system, &records)
                .context("while copying slot records to the card")?,
            Ok(Err(error)) => log::warn!("the slot records were not copied: {error}"),
            Err(error) => log::warn!("the slot records were not copied: {error}"),
        }
        Ok(())
    }

    /// Takes in a new pairing code that set-up or `strongroom pair` has laid down.
    pub(super) fn read_pairing_file(&mut self) -> anyhow::Result<()> {
        let path = self.config.vault.system.join(PAIRING_FILE);
        let code = match fs::read_to_string(&path) {
            Ok(code) => Zeroizing::new(code),
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    log::warn!("the pairing code could not be read: {error}");
                }
                return Ok(());
            }
        };
        let effects = self
            .keeper
            .begin_pairing(Pairing::new(&code), self.online, super::moment());
        self.carry_out(effects, None)?;
        fs::remove_file(&path).context("while removing the pairing code")
    }
}

/// Returns how days are counted here.
fn local_zone() -> Zone {
    Zone::sampled(clock::ahead_of_utc_at())
}

/// Puts slot records that are lost or damaged on the drive back from their copies on the card.
pub(super) fn mend_slots(config: &Config, folder: &VaultFolder) {
    let copies = match fs::read_dir(config.vault.system.join(SLOTS_FOLDER)) {
        Ok(copies) => copies
            .filter_map(|copy| fs::read(copy.ok()?.path()).ok())
            .collect(),
        Err(_) => Vec::new(),
    };
    match folder.restore_slot_records(&copies) {
        Ok(0) => {}
        Ok(mended) => log::warn!("{mended} damaged slot records were put back from the card"),
        Err(error) => log::warn!("slot records could not be put back: {error}"),
    }
}

/// Removes what a crash left half-written.
pub(super) fn sweep(sealer: &Sealer) {
    match sealer.sweep(&[]) {
        Ok(0) => {}
        Ok(swept) => log::info!("{swept} unfinished blobs of the last run were removed"),
        Err(error) => log::warn!("unfinished blobs could not be removed: {error}"),
    }
}

/// Reads the key that vouches for what this Pi sealed; made where there is none, and anew where it
/// is damaged. Blobs that wait under another one are then of unproven origin.
fn intake_key(config: &Config) -> anyhow::Result<IntakeKey> {
    let path = intake_key_path(config);
    match fs::read(&path).map(Zeroizing::new) {
        Ok(text) => match IntakeKey::from_card(&text) {
            Some(key) => return Ok(key),
            None => log::error!("the intake key on the system card is damaged; it is made anew"),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).context("while reading the intake key"),
    }
    let key = IntakeKey::generate(&mut getrandom::SysRng)?;
    write_private(&path, &key.to_card()).context("while writing the intake key")?;
    Ok(key)
}

/// Returns our own OMEMO device, which is made at the first start.
fn own_device(state: &mut State) -> anyhow::Result<Own> {
    let mut step = state.begin().context("while beginning a step")?;
    if step.own_device()?.is_none() {
        let (_, changes) = machine::enrol(&mut rng(), omemo_now());
        step.apply(changes).context("while enrolling")?;
    }
    let own = step
        .own_device()?
        .context("the OMEMO device was not kept")?;
    step.commit().context("while enrolling")?;
    Ok(Own {
        device: own.device(),
        fingerprint: own.identity().fingerprint(),
    })
}

/// Returns our own device id and fingerprint, for set-up to show.
///
/// # Errors
///
/// The state's.
pub fn own_address(config: &Config) -> anyhow::Result<(u32, String)> {
    let mut state = State::open(&config.vault.system).context("while opening the state")?;
    let own = own_device(&mut state)?;
    Ok((own.device.0, own.fingerprint))
}

fn memory(state: &mut State, config: &Config, own: &Own) -> anyhow::Result<Memory> {
    let step = state.begin().context("while reading the state")?;
    let known = step.known_devices(&config.owner.jid)?;
    Ok(Memory {
        owner: config.owner.jid.clone(),
        pins: config.pinned_fingerprints(),
        has_trusted_device: known.iter().any(|device| device.trust.is_trusted()),
        devices: trust::known(&step, config)?,
        pairing: step.note(PAIRING)?,
        locked_by_owner: step.note::<bool>(LOCKED_BY_OWNER)?.unwrap_or(false),
        intakes: step.jobs(JobKind::Intake)?,
        deliveries: step.jobs(JobKind::Delivery)?,
        checks: step.note(CHECKS)?.unwrap_or_default(),
        plan: Plan {
            drills: config.verify.drills,
            weeks: config.verify.weeks,
        },
        pace: step.note(PACE)?,
        alarm: step.note::<bool>(ALARM)?.unwrap_or(false),
        own: OwnAddress {
            jid: config.account.jid.clone(),
            device: own.device.0,
            fingerprint: own.fingerprint.clone(),
        },
        aes: aes_path(),
    })
}

fn remembered(state: &mut State) -> anyhow::Result<Remembered> {
    let step = state.begin().context("while reading the state")?;
    Ok(step.note(REMEMBERED)?.unwrap_or_default())
}

fn arrived(state: &mut State) -> anyhow::Result<arrivals::Record> {
    let step = state.begin().context("while reading the state")?;
    Ok(step.note(ARRIVED)?.unwrap_or_default())
}

fn manners(config: &Config) -> Manners {
    Manners {
        reactions: config.chat.reactions,
        gather_seconds: i64::from(config.chat.gather_seconds),
    }
}

fn notices(state: &mut State) -> anyhow::Result<notices::Record> {
    let step = state.begin().context("while reading the state")?;
    Ok(step.note(NOTICES)?.unwrap_or_default())
}

fn settings(config: &Config) -> Settings {
    Settings {
        trash_days: config.vault.trash_days,
        switches_off: config.commands.requests.is_some(),
        prepares: config.commands.requests.is_some(),
        carries: config.commands.sticks.is_some(),
    }
}

fn originals(state: &mut State) -> anyhow::Result<pictures::Record> {
    let step = state.begin().context("while reading the state")?;
    Ok(step.note(ORIGINALS)?.unwrap_or_default())
}

fn rules(config: &Config) -> Rules {
    Rules {
        mode: match config.custody.mode {
            config::Mode::Drawer => custody::Mode::Drawer,
            config::Mode::Presence => custody::Mode::Presence,
            config::Mode::Memory => custody::Mode::MemoryOnly,
        },
        takes_codes: config.vault.system.join(PEPPER_FILE).exists(),
        idle_seconds: i64::from(config.custody.idle_seconds),
    }
}

/// Says how AES is computed on this machine.
#[must_use]
pub fn aes_path() -> &'static str {
    #[cfg(any(target_arch = "x86_64", target_arch = "x86"))]
    let hardware = std::arch::is_x86_feature_detected!("aes");
    #[cfg(target_arch = "aarch64")]
    let hardware = std::arch::is_aarch64_feature_detected!("aes");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "x86", target_arch = "aarch64")))]
    let hardware = false;
    if hardware {
        "in hardware"
    } else {
        "in software"
    }
}

fn tls(config: &Config) -> anyhow::Result<(TlsTrust, rustls::ClientConfig)> {
    let account = &config.account;
    let (xmpp, https) = if let Some(path) = &account.ca_file {
        let pem = fs::read(path).with_context(|| format!("while reading {}", path.display()))?;
        (
            TlsTrust::Ca(pem.clone()),
            transfer::tls::Trust::SystemAnd(pem),
        )
    } else if let Some(digest) = &account.certificate_sha256 {
        let mut bytes = [0; 32];
        hex::decode_to_slice(digest, &mut bytes).context("while reading the pinned certificate")?;
        (
            TlsTrust::PinnedCertificate(bytes),
            transfer::tls::Trust::Certificate(bytes),
        )
    } else {
        (TlsTrust::System, transfer::tls::Trust::System)
    };
    let https = transfer::tls::client_config(&https).context("while preparing TLS")?;
    Ok((xmpp, https))
}

fn pins(config: &Config) -> anyhow::Result<Vec<HostPort>> {
    let pins = config.transfer.pins.iter();
    pins.map(|pin| {
        pin.parse()
            .with_context(|| format!("while reading the pin {pin}"))
    })
    .collect()
}

/// Returns the vault's account as the settings have it, for whoever looks at its server.
///
/// # Errors
///
/// When the password or the authority cannot be read.
pub fn own_account(config: &Config) -> anyhow::Result<Account> {
    let (trust, _) = tls(config)?;
    account(config, trust)
}

fn account(config: &Config, trust: TlsTrust) -> anyhow::Result<Account> {
    let path = &config.account.password_file;
    let text = Zeroizing::new(
        fs::read_to_string(path).with_context(|| format!("while reading {}", path.display()))?,
    );
    let password = text.lines().next().unwrap_or_default();
    anyhow::ensure!(
        !password.is_empty(),
        "the password file {} is empty",
        path.display()
    );
    let server = config.account.server.as_deref();
    Ok(Account {
        jid: config.account.jid.clone(),
        password: Password::new(password.to_owned()),
        resource: RESOURCE.to_owned(),
        host: server
            .map(|server| host_port("account.server", server))
            .transpose()?,
        direct_tls: config.account.direct_tls,
        trust,
        proxy: config.network.proxy()?,
        allow_plain: config.account.allow_plain,
        has_worked: false,
    })
}
