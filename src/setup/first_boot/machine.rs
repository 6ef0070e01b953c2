//! What the file wishes of the machine becomes files of the system: Wi-Fi, names, time, SSH keys.
//!
//! Everything below one folder, `/` but for tests; all of it durable before the file on the card
//! goes. It asks nothing of a running system.

use std::{
    fmt::Write as _,
    fs, io,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, symlink},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, ensure};
use zeroize::Zeroizing;

use super::reading::{Machine, Wifi};

/// The wireless device of every Raspberry Pi.
const DEVICE: &str = "wlan0";
const SUPPLICANT: &str = "usr/lib/systemd/system/wpa_supplicant@.service";
const ZONES: &str = "usr/share/zoneinfo";

/// A file system tree that is written to as if it were the whole system.
#[derive(Debug, Clone)]
pub(in crate::setup) struct Tree(pub(in crate::setup) PathBuf);

impl Tree {
    pub(in crate::setup) fn at(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.0.join(path.strip_prefix("/").unwrap_or(path))
    }

    pub(super) fn has_zone(&self, zone: &str) -> bool {
        self.at(ZONES).join(zone).is_file()
    }

    /// Writes a file durably and all or nothing. Returns whether it said something else before.
    pub(in crate::setup) fn write(
        &self,
        path: &str,
        bytes: &[u8],
        mode: u32,
    ) -> anyhow::Result<bool> {
        let path = self.at(path);
        if fs::read(&path).is_ok_and(|found| found == bytes) {
            return Ok(false);
        }
        write(&path, bytes, mode).with_context(|| format!("while writing {}", path.display()))?;
        Ok(true)
    }

    /// Makes a link durably. Returns whether it was another one before.
    fn link(&self, path: &str, target: &str) -> anyhow::Result<bool> {
        let path = self.at(path);
        if fs::read_link(&path).is_ok_and(|found| found == Path::new(target)) {
            return Ok(false);
        }
        let make = || {
            let folder = path.parent().unwrap_or(&self.0);
            fs::create_dir_all(folder)?;
            let new = path.with_extension("new");
            match fs::remove_file(&new) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => symlink(target, &new)?,
            }
            fs::rename(&new, &path)?;
            fs::File::open(folder)?.sync_all()
        };
        make().with_context(|| format!("while making the link {}", path.display()))?;
        Ok(true)
    }
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder)?;
    let mut new = path.to_owned();
    new.as_mut_os_string().push(".new");
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)?;
    io::Write::write_all(&mut file, bytes)?;
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    fs::File::open(folder)?.sync_all()
}

/// What a running system has to take up.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changed {
    pub(super) wifi: bool,
    pub(super) host_name: Option<String>,
    pub(super) ssh: bool,
}

/// Applies what is wished. Doing it again changes nothing.
pub(super) fn apply(tree: &Tree, wished: &Machine) -> anyhow::Result<Changed> {
    let mut changed = Changed::default();
    if let Some(wifi) = &wished.wifi {
        changed.wifi = apply_wifi(tree, wifi)?;
    }
    if let Some(name) = &wished.host_name {
        let new = tree.write("etc/hostname", format!("{name}\n").as_bytes(), 0o644)?;
        changed.host_name = new.then(|| name.clone());
    }
    if let Some(zone) = &wished.time_zone {
        tree.link("etc/localtime", &format!("/{ZONES}/{zone}"))?;
        tree.write("etc/timezone", format!("{zone}\n").as_bytes(), 0o644)?;
    }
    if !wished.ssh_keys.is_empty() {
        let home = tree.at("root/.ssh");
        fs::create_dir_all(&home)
            .and_then(|()| fs::set_permissions(&home, fs::Permissions::from_mode(0o700)))
            .with_context(|| format!("while making {}", home.display()))?;
        let path = home.join("authorized_keys");
        let mut lines = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            found => found.with_context(|| format!("while reading {}", path.display()))?,
        };
        for key in &wished.ssh_keys {
            if lines
                .split(|it| *it == b'\n')
                .any(|it| it == key.as_bytes())
            {
                continue;
            }
            if lines.last().is_some_and(|it| *it != b'\n') {
                lines.push(b'\n');
            }
            lines.extend_from_slice(key.as_bytes());
            lines.push(b'\n');
        }
        changed.ssh = tree.write("root/.ssh/authorized_keys", &lines, 0o600)?;
    }
    Ok(changed)
}

/// wpa_supplicant.conf(5), systemd.network(5)
fn apply_wifi(tree: &Tree, wifi: &Wifi) -> anyhow::Result<bool> {
    ensure!(
        tree.at(SUPPLICANT).exists(),
        "this system does not use wpa_supplicant@{DEVICE}.service, so Wi-Fi has to be set up by its \
         own means, like Raspberry Pi Imager; take the section [wifi] out"
    );
    let mut text = Zeroizing::new(String::with_capacity(1024));
    let (country, hidden) = (&wifi.country, u8::from(wifi.is_hidden));
    // Hexadecimal, so that no sign of a name means anything.
    let ssid = hex::encode(&wifi.ssid);
    let _ = write!(
        text,
        "country={country}\nnetwork={{\n\tssid={ssid}\n\tscan_ssid={hidden}\n"
    );
    let password = wifi.password.as_str();
    let _ = match password.len() {
        0 => writeln!(text, "\tkey_mgmt=NONE"),
        // The key itself: WPA3 wants a password.
        64 => writeln!(text, "\tkey_mgmt=WPA-PSK WPA-PSK-SHA256\n\tpsk={password}"),
        _ => writeln!(
            text,
            "\tkey_mgmt=WPA-PSK WPA-PSK-SHA256 SAE\n\tieee80211w=1\n\tpsk=\"{password}\""
        ),
    };
    text.push_str("}\n");
    let supplicant = format!("etc/wpa_supplicant/wpa_supplicant-{DEVICE}.conf");
    let mut new = tree.write(&supplicant, text.as_bytes(), 0o600)?;
    let network = format!(
        "[Match]\nName={DEVICE}\n\n[Network]\nDHCP=yes\nMulticastDNS=yes\n\n\
         [DHCPv4]\nRouteMetric=600\n\n[IPv6AcceptRA]\nRouteMetric=600\n"
    );
    let path = format!("etc/systemd/network/30-strongroom-{DEVICE}.network");
    new |= tree.write(&path, network.as_bytes(), 0o644)?;
    new |= tree.link(
        &format!("etc/systemd/system/multi-user.target.wants/wpa_supplicant@{DEVICE}.service"),
        &format!("/{SUPPLICANT}"),
    )?;
    Ok(new)
}

/// Has the running system take up what has changed, as far as it will: the next start does the rest.
pub(super) fn take_up(changed: &Changed) {
    if let Some(name) = &changed.host_name
        && let Err(error) = fs::write("/proc/sys/kernel/hostname", name)
    {
        log::warn!("the new name counts from the next start on: {error}");
    }
    let mut units: Vec<String> = Vec::new();
    if changed.wifi {
        units.push("systemd-networkd.service".to_owned());
        units.push(format!("wpa_supplicant@{DEVICE}.service"));
    }
    if changed.host_name.is_some() {
        units.push("systemd-resolved.service".to_owned());
    }
    if changed.ssh {
        units.push("ssh.service".to_owned());
    }
    // Each alone: one that this system has not is no reason to leave out the others.
    for unit in units {
        let asked = std::process::Command::new("systemctl")
            .args(["--no-block", "restart", &unit])
            .status();
        match asked {
            Ok(status) if status.success() => {}
            Ok(_) => log::warn!("{unit} was not started anew"),
            Err(error) => log::warn!("{unit} was not started anew: {error}"),
        }
    }
}
