//! Drive and stick become a vault, as root, at the request of the daemon.
//!
//! The daemon is reached by the network, so nothing it says is trusted: what is there is looked at anew,
//! only an empty drive is formatted, and what the vault needs is written by a child with the daemon's rights.

use std::{
    fs, io,
    os::unix::{fs::MetadataExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::SystemTime,
};

use anyhow::{Context as _, bail, ensure};
use rustix::{
    fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx},
    io::Errno,
};
use vault::{
    OpenVault, SlotSecret, VaultFolder, VaultId, key::file::KEY_FILE_NAME, slot::SlotKind,
};

use super::{
    KEY_NAME, Undo, check_card, check_disks, check_stick, first_boot::machine::Tree, settings_text,
};
use crate::{
    config::{Config, Mode},
    daemon::evening::{ANSWER_FILE, Answered, Asked, take_request},
    keeper::evening::{Choice, Holds, Home, Outcome, Refused, Request},
    keys::{
        card::{self, PUBLIC_HALF_FILE},
        stick as key_stick,
    },
    state::write_for,
};

mod drives;
mod empty;
mod lines;
mod stick;

use drives::Drive;
use lines::{Lines, escaped, of_place};
pub use stick::{HoldStick, hold_stick};

const FSTAB: &str = "etc/fstab";
const RULES: &str = "etc/udev/rules.d/71-strongroom-sticks.rules";
const SPARE_PLACE: &str = "run/strongroom-spare";
const LABEL: &str = "strongroom-data";
/// Marks the line of a drive that was prepared here. fstab(5)
const PREPARED: &str = "x-strongroom.prepared";
const TRY_FILE: &str = "strongroom.try";
/// A smaller drive is no place for photos, and ext4 has no room on it.
const LEAST_BYTES: u64 = 32 << 20;

/// What `strongroom prepare` is told.
#[derive(Debug, clap::Args)]
pub struct Prepare {
    /// The system to set up, other than the running one
    #[arg(long, value_name = "FOLDER", default_value = "/")]
    pub root: PathBuf,
    /// Look at these disks only, also at images
    #[arg(long, value_name = "DISK", hide = true)]
    pub only: Vec<String>,
    /// Make the vault on drive and stick that are mounted, with the rights there are
    #[arg(long, hide = true)]
    pub vault: bool,
    /// Try to write a file in a folder, with the rights there are
    #[arg(long, hide = true, value_name = "FOLDER")]
    pub try_write: Option<PathBuf>,
}

/// Carries out the request that the daemon has laid down, and answers it.
///
/// # Errors
///
/// When the answer could not be written. What went wrong else is in the answer, and in the log.
pub fn prepare(path: &Path, told: &Prepare) -> anyhow::Result<()> {
    let config = Config::read(path)?;
    if told.vault {
        return make_vault(&config);
    }
    if let Some(folder) = &told.try_write {
        return try_write(folder);
    }
    let requests = config.commands.requests.as_ref();
    let requests = requests.context("the settings name no folder for requests")?;
    let owner = owner(&config)?;
    let asked = take_request(requests, owner.0).context("while reading the request")?;
    let Some(Asked { id, request }) = asked else {
        log::info!("there is no request");
        return Ok(());
    };
    let helper = Helper {
        path,
        told,
        tree: Tree(told.root.clone()),
        owner,
        config,
    };
    let outcome = helper.carry_out(&request).unwrap_or_else(|error| {
        log::error!("{error:#}");
        Outcome::Refused(Refused::Failed)
    });
    helper.answer(id, &outcome)?;
    if matches!(
        outcome,
        Outcome::Made | Outcome::MadeBut | Outcome::Lives(_)
    ) {
        // Its own view of the file systems is older than the drive. First it has the answer.
        let anew = [
            "--on-active=3",
            "systemctl",
            "restart",
            "strongroom.service",
        ];
        helper.have("systemd-run", &anew);
    }
    Ok(())
}

/// Returns whose the system folder is: the daemon's user's.
fn owner(config: &Config) -> anyhow::Result<(u32, u32)> {
    let system = &config.vault.system;
    let folder =
        fs::metadata(system).with_context(|| format!("while looking at {}", system.display()))?;
    Ok((folder.uid(), folder.gid()))
}

struct Helper<'a> {
    path: &'a Path,
    told: &'a Prepare,
    tree: Tree,
    config: Config,
    owner: (u32, u32),
}

/// A mount that ends when it is dropped, unless it is to stay.
struct Mounted {
    place: PathBuf,
    stays: bool,
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if self.stays {
            return;
        }
        if let Err(error) = run(Command::new("umount").arg(&self.place)) {
            log::error!("{error:#}");
        }
    }
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let named = format!("{}", command.get_program().display());
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("while starting {named}"))?;
    ensure!(
        output.status.success(),
        "{named} failed: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}

impl Helper<'_> {
    fn carry_out(&self, request: &Request) -> anyhow::Result<Outcome> {
        Ok(match request {
            Request::Look => Outcome::Found(self.look()?.into_iter().map(|it| it.offer).collect()),
            Request::Make { drive, stick } => match self.choose(drive, stick)? {
                Ok((drive, stick)) => self.make(&drive, &stick)?,
                Err(refused) => Outcome::Refused(refused),
            },
            Request::Spare { stick } => self.spare(stick)?,
            Request::Live(_) if self.config.custody.mode == Mode::Memory => {
                Outcome::Refused(Refused::NoStick)
            }
            Request::Live(home) => self.live(*home)?,
        })
    }

    fn look(&self) -> anyhow::Result<Vec<Drive>> {
        self.let_go()?;
        let boot = self.tree.at("boot/firmware");
        let system = self.config.vault.system.as_path();
        let in_use = [Path::new("/"), boot.as_path(), system];
        drives::look(&self.told.only, &in_use).context("while looking at drives")
    }

    fn has_vault(&self) -> bool {
        self.config.vault.system.join(PUBLIC_HALF_FILE).exists()
    }

    fn place(&self) -> anyhow::Result<&Path> {
        let place = self.config.vault.folder.parent();
        place.context("the vault folder has no folder around it")
    }

    /// Unmounts a drive that was being prepared when the power went, so that it is looked at again.
    fn let_go(&self) -> anyhow::Result<()> {
        let place = self.place()?;
        if self.has_vault() || !is_mount_point(place)? {
            return Ok(());
        }
        let marked = |line: &[u8]| {
            let line = of_place(line, place);
            line.is_some_and(|it| {
                it.windows(PREPARED.len())
                    .any(|it| it == PREPARED.as_bytes())
            })
        };
        if Lines::read(&self.tree, FSTAB)?.has(marked) {
            run(Command::new("umount").arg(place))?;
        }
        Ok(())
    }

    /// Looks anew at what was named: it has to be what was shown under that name.
    fn choose(
        &self,
        drive: &Choice,
        stick: &Choice,
    ) -> anyhow::Result<Result<(Drive, Drive), Refused>> {
        if self.has_vault() {
            return Ok(Err(Refused::HasVault));
        }
        let there = self.look()?;
        let find = |wanted: &Choice| {
            there
                .iter()
                .find(|it| Choice::of(&it.offer) == *wanted)
                .cloned()
        };
        let (Some(drive), Some(stick)) = (find(drive), find(stick)) else {
            return Ok(Err(Refused::Gone));
        };
        Ok(if drive.disk == stick.disk {
            Err(Refused::SameDisk)
        } else if !drive.offer.is_empty() || drive.offer.bytes < LEAST_BYTES {
            Err(Refused::NotEmpty)
        } else if stick.offer.holds == Holds::Key {
            Err(Refused::IsAKey)
        } else if !stick.offer.takes_a_file() {
            Err(Refused::NotAStick)
        } else {
            Ok((drive, stick))
        })
    }

    fn make(&self, drive: &Drive, stick: &Drive) -> anyhow::Result<Outcome> {
        let place = self.place()?;
        // Whatever can fail is tried before the drive is formatted.
        let table = Lines::read(&self.tree, FSTAB)?;
        let rules = Lines::read(&self.tree, RULES)?;
        ensure!(!is_mount_point(place)?, "{} is in use", place.display());
        let Some(stick_is_in) = self.mount_stick(stick, &self.config.vault.key)? else {
            return Ok(Outcome::Refused(Refused::NotAStick));
        };
        let (uid, gid) = self.owner;
        drive.check()?;
        // Without a terminal it asks nothing; what is mounted or in use it refuses by itself.
        run(Command::new("mkfs.ext4")
            .args(["-q", "-m", "0", "-E"])
            .arg(format!("nodiscard,root_owner={uid}:{gid}"))
            .arg(&drive.node))?;
        let options = "noatime,nosuid,nodev,noexec";
        let mut drive_is_in = mount(drive, place, options)?;
        let uuid = drives::uuid(&drive.node)?.context("the new file system has no UUID")?;
        let line = format!(
            "UUID={uuid} {} ext4 {options},nofail,x-systemd.device-timeout=10,{PREPARED} 0 2\n",
            escaped(place)
        );
        // What the vault needs comes first: once its public half lies on the card, it is made.
        let made = table
            .put(&line, |it| of_place(it, place).is_some())
            .and_then(|()| believe(stick, &rules))
            .and_then(|()| self.as_daemon(&["prepare".as_ref(), "--vault".as_ref()]));
        if let Err(error) = &made {
            if !self.has_vault() {
                table.restore();
                rules.restore();
                return made.map(|()| Outcome::Made);
            }
            log::error!("{error:#}");
        }
        drop(stick_is_in);
        drive_is_in.stays = true;
        // Only now: an image mounts by this name at the next start.
        let labelled = run(Command::new("e2label").arg(&drive.node).arg(LABEL));
        if let Err(error) = &labelled {
            log::error!("{error:#}");
        }
        self.have("systemctl", &["daemon-reload"]);
        self.start_agent(stick);
        Ok(match (made, labelled) {
            (Ok(()), Ok(())) => Outcome::Made,
            _ => Outcome::MadeBut,
        })
    }

    fn spare(&self, choice: &Choice) -> anyhow::Result<Outcome> {
        let rules = Lines::read(&self.tree, RULES)?;
        let there = self.look()?;
        let Some(spare) = there.iter().find(|it| Choice::of(&it.offer) == *choice) else {
            return Ok(Outcome::Refused(Refused::Gone));
        };
        if spare.offer.holds == Holds::Key {
            return Ok(Outcome::Refused(Refused::IsAKey));
        }
        if !spare.offer.takes_a_file() {
            return Ok(Outcome::Refused(Refused::NotAStick));
        }
        let Some(first) = there.iter().find(|it| it.offer.holds == Holds::Key) else {
            return Ok(Outcome::Refused(Refused::NoKey));
        };
        let place = self.tree.at(SPARE_PLACE);
        let first_is_in = mount(first, &self.config.vault.key, &self.stick_options(first))?;
        let Some(spare_is_in) = self.mount_stick(spare, &place)? else {
            return Ok(Outcome::Refused(Refused::NotAStick));
        };
        believe(spare, &rules)?;
        let added = self.as_daemon(&[
            "key".as_ref(),
            "add".as_ref(),
            place.as_os_str(),
            "--name".as_ref(),
            choice.name.as_ref(),
            "--with".as_ref(),
            self.config.vault.key.as_os_str(),
        ]);
        if added.is_err() && !place.join(KEY_FILE_NAME).exists() {
            rules.restore();
        }
        drop((first_is_in, spare_is_in));
        added?;
        self.start_agent(spare);
        Ok(Outcome::SpareMade)
    }

    fn live(&self, home: Home) -> anyhow::Result<Outcome> {
        let mut config = self.config.clone();
        config.custody.mode = match home {
            Home::Drawer => Mode::Drawer,
            Home::Pi => Mode::Presence,
        };
        let text = settings_text(&config, "\"strongroom prepare\"")?;
        write_for(self.path, text.as_bytes(), self.owner)
            .with_context(|| format!("while writing {}", self.path.display()))?;
        Ok(Outcome::Lives(home))
    }

    fn stick_options(&self, stick: &Drive) -> String {
        let (uid, gid) = self.owner;
        match stick.offer.file_system.as_deref() {
            Some("ext4") => "nosuid,nodev,noexec".to_owned(),
            _ => format!("nosuid,nodev,noexec,uid={uid},gid={gid},umask=077"),
        }
    }

    /// Mounts a stick so that the daemon's user can add a file; `None` where he cannot.
    fn mount_stick(&self, stick: &Drive, place: &Path) -> anyhow::Result<Option<Mounted>> {
        if drives::uuid(&stick.node)?.is_none() {
            log::warn!("the stick's file system has no number to know it by");
            return Ok(None);
        }
        let mounted = mount(stick, place, &self.stick_options(stick))?;
        let tried = [
            "prepare".as_ref(),
            "--try-write".as_ref(),
            place.as_os_str(),
        ];
        Ok(match self.as_daemon(&tried) {
            Ok(()) => Some(mounted),
            Err(error) => {
                log::warn!("nothing can be written to the stick: {error:#}");
                None
            }
        })
    }

    /// Has the program do something with the rights of the daemon.
    fn as_daemon(&self, arguments: &[&std::ffi::OsStr]) -> anyhow::Result<()> {
        let program = std::env::current_exe().context("while looking for this program")?;
        let (uid, gid) = self.owner;
        run(Command::new(program)
            .arg("--config")
            .arg(self.path)
            .args(arguments)
            .uid(uid)
            .gid(gid)
            .current_dir("/"))
    }

    /// Has the key agent look at a stick at once.
    fn start_agent(&self, stick: &Drive) {
        self.have("udevadm", &["control", "--reload"]);
        let name = stick.node.file_name().unwrap_or_default().to_string_lossy();
        let agent = format!("strongroom-key@{name}.service");
        self.have("systemctl", &["--no-block", "start", &agent]);
    }

    /// Has a program of the running system do something that a restart would do as well.
    fn have(&self, program: &str, arguments: &[&str]) {
        if self.told.root != Path::new("/") {
            return;
        }
        if let Err(error) = run(Command::new(program).args(arguments)) {
            log::warn!("{error:#}");
        }
    }

    /// Lays the answer down in a folder that is the daemon's: no link of its making is followed.
    fn answer(&self, id: u32, outcome: &Outcome) -> anyhow::Result<()> {
        let path = self.config.vault.system.join(ANSWER_FILE);
        let outcome = outcome.clone();
        let text =
            toml::to_string(&Answered { id, outcome }).context("while writing the answer")?;
        write_for(&path, text.as_bytes(), self.owner)
            .with_context(|| format!("while writing {}", path.display()))
    }
}

/// Has the key agent take this stick for a key, by what its file system is called.
fn believe(stick: &Drive, rules: &Lines<'_>) -> anyhow::Result<()> {
    stick.check()?;
    let uuid = drives::uuid(&stick.node)?.context("the stick's file system has no UUID")?;
    let named = format!("ENV{{ID_FS_UUID}}==\"{uuid}\"");
    let line = format!(
        "ACTION!=\"remove\", SUBSYSTEM==\"block\", ENV{{ID_BUS}}==\"usb\", {named}, \
         ENV{{UDISKS_AUTO}}=\"0\", TAG+=\"systemd\", \
         ENV{{SYSTEMD_WANTS}}+=\"strongroom-key@$name.service\"\n"
    );
    let named = named.as_bytes();
    rules.put(&line, |it| it.windows(named.len()).any(|it| it == named))
}

/// Tells whether something is mounted there. statx(2)
fn is_mount_point(place: &Path) -> anyhow::Result<bool> {
    let flags = (AtFlags::NO_AUTOMOUNT, StatxFlags::BASIC_STATS);
    match statx(CWD, place, flags.0, flags.1) {
        Ok(stat) => {
            let attributes = stat.stx_attributes;
            Ok(attributes.contains(StatxAttributes::MOUNT_ROOT))
        }
        Err(Errno::NOENT) => Ok(false),
        Err(error) => Err(error).with_context(|| format!("while looking at {}", place.display())),
    }
}

fn mount(drive: &Drive, place: &Path, options: &str) -> anyhow::Result<Mounted> {
    fs::create_dir_all(place).with_context(|| format!("while making {}", place.display()))?;
    ensure!(!is_mount_point(place)?, "{} is in use", place.display());
    drive.check()?;
    run(Command::new("mount")
        .args(["-o", options])
        .arg(&drive.node)
        .arg(place))?;
    Ok(Mounted {
        place: place.to_owned(),
        stays: false,
    })
}

/// Writes a file and takes it away again.
fn try_write(folder: &Path) -> anyhow::Result<()> {
    let path = folder.join(TRY_FILE);
    let write = || {
        let mut file = fs::File::create(&path)?;
        io::Write::write_all(&mut file, TRY_FILE.as_bytes())?;
        file.sync_all()
    };
    let written = write();
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => written,
    }
    .with_context(|| format!("while writing to {}", folder.display()))
}

/// Makes the vault on a drive and a stick that are mounted where the settings say. Whoever has no shell
/// has no recovery words, and is asked for a spare stick.
fn make_vault(config: &Config) -> anyhow::Result<()> {
    check_card(config)?;
    check_stick(&config.vault.key)?;
    check_disks(config, false)?;
    let key_path = config.vault.key.join(KEY_FILE_NAME);
    if key_path.exists() {
        bail!("the stick holds the key of a vault already");
    }
    let public = config.vault.system.join(PUBLIC_HALF_FILE);
    ensure!(!public.exists(), "there is a vault already");
    let mut rng = getrandom::SysRng;
    let id = VaultId::random(&mut rng)?;
    let key = SlotSecret::generate(&mut rng)?;
    let (folder, now) = (&config.vault.folder, SystemTime::now());
    let mut inside = fs::read_dir(folder).context("while looking into the vault folder")?;
    ensure!(
        inside.next().is_none(),
        "there is something in {}, which is left alone",
        folder.display()
    );
    let mut undo = Undo { made: vec![folder] };
    key_stick::write(&config.vault.key, &id, &key, None)?;
    undo.made.push(&key_path);
    let slots = [(SlotKind::Stick, &key, KEY_NAME)];
    VaultFolder::create_for(folder, Some(id), &slots, &mut rng, now)
        .with_context(|| format!("while making the vault in {}", folder.display()))?;
    let vault = OpenVault::open(folder, &key, now).context("while opening the new vault")?;
    undo.made.push(&public);
    card::keep(&config.vault.system, &vault)?;
    undo.made.clear();
    Ok(())
}
