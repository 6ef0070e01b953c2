//! Drive and stick become a vault, as root, at the request of the daemon.
//!
//! The daemon is reached by the network, so nothing it says is trusted: what is there is looked at anew,
//! only an empty drive is formatted, and what the vault needs is written by a child with the daemon's rights.

use std::{
    fs, io,
    os::unix::{
        fs::{MetadataExt as _, OpenOptionsExt as _, fchown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::SystemTime,
};

use anyhow::{Context as _, bail, ensure};
use vault::{
    OpenVault, SlotSecret, VaultFolder, VaultId, key::file::KEY_FILE_NAME, slot::SlotKind,
};

use super::{
    KEY_NAME, Undo, check_card, check_disks, check_stick, first_boot::machine::Tree, settings_text,
};
use crate::{
    config::{Config, Mode},
    daemon::evening::{ANSWER_FILE, Answered, take_request},
    keeper::evening::{Holds, Home, Outcome, Refused, Request},
    keys::{
        card::{self, PUBLIC_HALF_FILE},
        stick,
    },
    state::write_for,
};

mod drives;

use drives::Drive;

const FSTAB: &str = "etc/fstab";
const RULES: &str = "etc/udev/rules.d/71-strongroom-sticks.rules";
const SPARE_PLACE: &str = "run/strongroom-spare";
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
    let requests = config.commands.requests.as_ref();
    let requests = requests.context("the settings name no folder for requests")?;
    let Some(request) = take_request(requests).context("while reading the request")? else {
        log::info!("there is no request");
        return Ok(());
    };
    let helper = Helper {
        path,
        told,
        tree: Tree(told.root.clone()),
        owner: owner(&config)?,
        config,
    };
    let outcome = helper.carry_out(&request).unwrap_or_else(|error| {
        log::error!("{error:#}");
        Outcome::Refused(Refused::Failed)
    });
    helper.answer(&outcome)?;
    if matches!(outcome, Outcome::Made | Outcome::Lives(_)) {
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
            Request::Live(home) => self.live(*home)?,
        })
    }

    fn look(&self) -> anyhow::Result<Vec<Drive>> {
        let boot = self.tree.at("boot/firmware");
        let system = self.config.vault.system.as_path();
        let in_use = [Path::new("/"), boot.as_path(), system];
        drives::look(&self.told.only, &in_use).context("while looking at drives")
    }

    /// Looks anew at what was named.
    fn choose(&self, drive: &str, stick: &str) -> anyhow::Result<Result<(Drive, Drive), Refused>> {
        if self.config.vault.system.join(PUBLIC_HALF_FILE).exists() {
            return Ok(Err(Refused::HasVault));
        }
        let there = self.look()?;
        let find = |name: &str| there.iter().find(|it| it.offer.name == name).cloned();
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
        let (uid, gid) = self.owner;
        // Without a terminal it asks nothing; what is mounted or in use it refuses by itself.
        run(Command::new("mkfs.ext4")
            .args(["-q", "-L", "strongroom-data", "-m", "0", "-E"])
            .arg(format!("root_owner={uid}:{gid}"))
            .arg(&drive.node))?;
        let place = self.config.vault.folder.parent();
        let place = place.context("the vault folder has no folder around it")?;
        let mut drive_is_in = mount(&drive.node, place, "noatime,nosuid,nodev,noexec")?;
        let stick_is_in = self.mount_stick(stick, &self.config.vault.key)?;
        self.as_daemon(&["prepare".as_ref(), "--vault".as_ref()])?;
        drop(stick_is_in);
        let uuid = drives::uuid(&drive.node)?.context("the new file system has no UUID")?;
        let line = format!(
            "UUID={uuid} {} ext4 noatime,nosuid,nodev,noexec,nofail,x-systemd.device-timeout=10 0 2\n",
            place.display()
        );
        self.append(FSTAB, &line)?;
        drive_is_in.stays = true;
        self.have("systemctl", &["daemon-reload"]);
        self.believe(stick)?;
        Ok(Outcome::Made)
    }

    fn spare(&self, name: &str) -> anyhow::Result<Outcome> {
        let there = self.look()?;
        let Some(spare) = there.iter().find(|it| it.offer.name == name) else {
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
        let first_is_in = self.mount_stick(first, &self.config.vault.key)?;
        let spare_is_in = self.mount_stick(spare, &place)?;
        self.as_daemon(&[
            "key".as_ref(),
            "add".as_ref(),
            place.as_os_str(),
            "--name".as_ref(),
            name.as_ref(),
            "--with".as_ref(),
            self.config.vault.key.as_os_str(),
        ])?;
        drop((first_is_in, spare_is_in));
        self.believe(spare)?;
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

    /// Mounts a stick so that the daemon's user can add a file.
    fn mount_stick(&self, stick: &Drive, place: &Path) -> anyhow::Result<Mounted> {
        let (uid, gid) = self.owner;
        let is_fat = stick.offer.file_system.as_deref() != Some("ext4");
        let mut options = "nosuid,nodev,noexec".to_owned();
        if is_fat {
            options.push_str(&format!(",uid={uid},gid={gid},umask=077"));
        }
        mount(&stick.node, place, &options)
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

    /// Has the key agent take this stick for a key, by what its file system is called.
    fn believe(&self, stick: &Drive) -> anyhow::Result<()> {
        let uuid = drives::uuid(&stick.node)?.context("the stick's file system has no UUID")?;
        let line = format!(
            "ACTION!=\"remove\", SUBSYSTEM==\"block\", ENV{{ID_BUS}}==\"usb\", \
             ENV{{ID_FS_UUID}}==\"{uuid}\", ENV{{UDISKS_AUTO}}=\"0\", TAG+=\"systemd\", \
             ENV{{SYSTEMD_WANTS}}+=\"strongroom-key@$name.service\"\n"
        );
        self.append(RULES, &line)?;
        self.have("udevadm", &["control", "--reload"]);
        let name = stick.node.file_name().unwrap_or_default().to_string_lossy();
        let agent = format!("strongroom-key@{name}.service");
        self.have("systemctl", &["--no-block", "start", &agent]);
        Ok(())
    }

    fn append(&self, path: &str, line: &str) -> anyhow::Result<()> {
        let there = fs::read_to_string(self.tree.at(path)).unwrap_or_default();
        let end = if there.is_empty() || there.ends_with('\n') {
            ""
        } else {
            "\n"
        };
        self.tree
            .write(path, format!("{there}{end}{line}").as_bytes(), 0o644)?;
        Ok(())
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
    fn answer(&self, outcome: &Outcome) -> anyhow::Result<()> {
        let path = self.config.vault.system.join(ANSWER_FILE);
        let new = path.with_extension("new");
        let outcome = outcome.clone();
        let text = toml::to_string(&Answered { outcome }).context("while writing the answer")?;
        let write = || {
            match fs::remove_file(&new) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut file = fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&new)?;
            io::Write::write_all(&mut file, text.as_bytes())?;
            fchown(&file, Some(self.owner.0), Some(self.owner.1))?;
            file.sync_all()?;
            fs::rename(&new, &path)
        };
        write().with_context(|| format!("while writing {}", path.display()))
    }
}

fn mount(node: &Path, place: &Path, options: &str) -> anyhow::Result<Mounted> {
    fs::create_dir_all(place).with_context(|| format!("while making {}", place.display()))?;
    run(Command::new("mount")
        .args(["-o", options])
        .arg(node)
        .arg(place))?;
    Ok(Mounted {
        place: place.to_owned(),
        stays: false,
    })
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
    stick::write(&config.vault.key, &id, &key, None)?;
    undo.made.push(&key_path);
    let slots = [(SlotKind::Stick, &key, KEY_NAME)];
    VaultFolder::create_for(folder, Some(id), &slots, &mut rng, now)
        .with_context(|| format!("while making the vault in {}", folder.display()))?;
    let vault = OpenVault::open(folder, &key, now).context("while opening the new vault")?;
    card::keep(&config.vault.system, &vault)?;
    undo.made.clear();
    Ok(())
}
