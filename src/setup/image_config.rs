//! `image-config`: on the laptop, writes the file that a flashed card is set up from.
//!
//! What it writes is read back by the card's own reader, so no card comes home for a mistake. It asks
//! nothing of the network.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail, ensure};
use qrcode::QrCode;
use vault::ask;
use zeroize::Zeroizing;

use super::{
    drawn::drawn,
    first_boot::{code, fields::FIELDS, reading},
    register::name,
};
use crate::state::write_private;

const FILE: &str = "strongroom.toml";
const ZONES: &str = "/usr/share/zoneinfo";

/// What `strongroom image-config` is told.
#[derive(Debug, clap::Args)]
pub struct ImageConfig {
    /// The small partition of the flashed card, as this computer shows it
    #[arg(long, value_name = "FOLDER")]
    pub boot: PathBuf,
    /// The vault's own XMPP address
    #[arg(long, value_name = "ADDRESS", required_unless_present = "register")]
    pub jid: Option<String>,
    /// Have the card make a new account at this server, with a drawn password
    #[arg(long, value_name = "DOMAIN", conflicts_with = "password_file")]
    pub register: Option<String>,
    /// The file with the password of that account on its first line; asked for without it
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// Your XMPP address; everybody else gets silence
    #[arg(long, value_name = "ADDRESS")]
    pub owner: String,
    /// A fingerprint of your phone, if you know it; then no pairing code is drawn
    #[arg(long = "fingerprint", value_name = "HEX")]
    pub fingerprints: Vec<String>,
    /// The wireless network; none with a cable
    #[arg(long, value_name = "NAME", requires = "country")]
    pub ssid: Option<String>,
    /// The file with the network's password on its first line, empty for an open network; asked for
    /// without it
    #[arg(long, value_name = "FILE", requires = "ssid")]
    pub wifi_password_file: Option<PathBuf>,
    /// The country you are in, by its two letters
    #[arg(long, value_name = "CC", requires = "ssid")]
    pub country: Option<String>,
    /// The network does not show its name
    #[arg(long, requires = "ssid")]
    pub hidden: bool,
    /// The machine's name in your network
    #[arg(long, value_name = "NAME")]
    pub host_name: Option<String>,
    /// The time zone, like Europe/Berlin
    #[arg(long, value_name = "ZONE")]
    pub time_zone: Option<String>,
    /// A file with a public SSH key that may log in as root
    #[arg(long = "ssh-key", value_name = "FILE")]
    pub ssh_keys: Vec<PathBuf>,
}

/// Writes the file, and shows what the phone has to send.
///
/// # Errors
///
/// What is in the way, and what to do. A file that is there already is not touched.
pub fn image_config(mut wanted: ImageConfig) -> anyhow::Result<()> {
    let path = wanted.boot.join(FILE);
    ensure!(
        wanted.boot.is_dir(),
        "there is no folder {}; put the flashed card in, and name the place of its small partition",
        wanted.boot.display()
    );
    ensure!(
        !path.exists(),
        "{} is there already; remove it to write a new one",
        path.display()
    );
    if let (None, Some(domain)) = (&wanted.jid, &wanted.register) {
        // Drawn here, so that the address is known before the card is.
        wanted.jid = Some(format!("{}@{domain}", name()?));
    }
    let code = match wanted.fingerprints.is_empty() {
        true => Some(code::draw()?),
        false => None,
    };
    let text = write(&wanted, code.as_ref())?;
    check(&text)?;
    write_private(&path, text.as_bytes())
        .with_context(|| format!("while writing {}", path.display()))?;
    report(&path, &wanted, code.as_ref())
}

fn write(
    wanted: &ImageConfig,
    code: Option<&Zeroizing<String>>,
) -> anyhow::Result<Zeroizing<String>> {
    let mut lines: Vec<(&str, &str, Zeroizing<String>)> = Vec::new();
    let mut line = |section, name, value: Option<&str>| {
        if let Some(value) = value {
            lines.push((section, name, Zeroizing::new(quoted(value))));
        }
    };
    line("account", "jid", wanted.jid.as_deref());
    line("account", "register", wanted.register.as_deref());
    if wanted.register.is_none() {
        let asked = "Password of the vault's account: ";
        let password = secret(wanted.password_file.as_deref(), asked)?;
        line("account", "password", Some(&password));
    }
    line("owner", "jid", Some(&wanted.owner));
    line("owner", "pairing_code", code.map(|it| it.as_str()));
    if let Some(ssid) = &wanted.ssid {
        line("wifi", "ssid", Some(ssid));
        let asked = format!("Password of the network {ssid}: ");
        let password = secret(wanted.wifi_password_file.as_deref(), &asked)?;
        line("wifi", "password", Some(&password));
        line("wifi", "country", wanted.country.as_deref());
    }
    line("system", "host_name", wanted.host_name.as_deref());
    line("system", "time_zone", wanted.time_zone.as_deref());
    let keys = wanted.ssh_keys.iter().map(|path| {
        let text = fs::read_to_string(path);
        let text = text.with_context(|| format!("while reading {}", path.display()))?;
        Ok(text.trim().to_owned())
    });
    let keys: Vec<String> = keys.collect::<anyhow::Result<_>>()?;
    for (section, name, list) in [
        ("owner", "fingerprints", &wanted.fingerprints),
        ("system", "ssh_keys", &keys),
    ] {
        if !list.is_empty() {
            let inside: Vec<String> = list.iter().map(|it| quoted(it)).collect();
            let value = format!("[{}]", inside.join(", "));
            lines.push((section, name, Zeroizing::new(value)));
        }
    }
    if wanted.hidden {
        lines.push(("wifi", "hidden", Zeroizing::new("true".to_owned())));
    }
    let mut text = Zeroizing::new(String::with_capacity(16 << 10));
    text.push_str(
        "# Made by \"strongroom image-config\". The vault reads, overwrites and removes it.\n",
    );
    let mut before = "";
    for field in FIELDS {
        for (_, _, value) in lines
            .iter()
            .filter(|(section, name, _)| (*section, *name) == (field.section, field.name))
        {
            if field.section != before {
                text.push_str(&format!("\n[{}]\n", field.section));
            }
            before = field.section;
            text.push_str(field.name);
            text.push_str(" = ");
            text.push_str(value);
            text.push('\n');
        }
    }
    Ok(text)
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// Reads a secret from the first line of a file, or asks for it.
fn secret(path: Option<&Path>, prompt: &str) -> anyhow::Result<Zeroizing<String>> {
    let text = match path {
        Some(path) => Zeroizing::new(
            fs::read_to_string(path)
                .with_context(|| format!("while reading {}", path.display()))?,
        ),
        None => ask::secret(prompt)?,
    };
    Ok(Zeroizing::new(
        text.lines().next().unwrap_or_default().to_owned(),
    ))
}

/// Reads what was written as the card will. A computer without time zones believes any.
fn check(text: &str) -> anyhow::Result<()> {
    let zones = Path::new(ZONES);
    let has_zone = |zone: &str| !zones.is_dir() || zones.join(zone).is_file();
    let Err(mistakes) = reading::read(text.as_bytes(), &has_zone) else {
        return Ok(());
    };
    let what: Vec<&str> = mistakes.iter().map(|it| it.what.as_str()).collect();
    bail!("nothing was written: {}", what.join("; "))
}

fn report(
    path: &Path,
    wanted: &ImageConfig,
    code: Option<&Zeroizing<String>>,
) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    let vault = wanted.jid.as_deref().unwrap_or_default();
    writeln!(
        out,
        "{} is written. Eject the card, put it into the Pi, and switch on.\nAfter some minutes the \
         vault is {vault}. What became of it stands in\nstrongroom-status.txt on the card.\n",
        path.display()
    )?;
    let Some(code) = code else {
        writeln!(
            out,
            "Write \"help\" to it from your phone, with OMEMO switched on."
        )?;
        return Ok(());
    };
    let address = QrCode::new(format!("xmpp:{vault}")).context("while drawing the QR code")?;
    writeln!(
        out,
        "{}\n\n1. Scan this on your phone, or add {vault} by hand, and switch OMEMO on.\n2. Compare the \
         fingerprint that your phone shows for it with the one in\n   strongroom-status.txt on the card: \
         a server could stand in between.\n3. Only if they are the same, send the PAIRING CODE as your \
         first message, within 30 minutes\n   of the vault's first login:\n\n    {}\n",
        drawn(&address),
        code.as_str()
    )?;
    Ok(())
}
