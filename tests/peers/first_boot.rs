//! A card is set up from the file that `image-config` wrote: its account is made, the daemon logs in, a
//! phone pairs by the code of the file, and the lamp shows it.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::{
    daemon::{Daemon, strongroom},
    home::OWNER,
    phone::Phone,
    prosody::{DOMAIN, Prosody, jid},
    register::OPEN,
};

pub(crate) struct Card(TempDir);

impl Card {
    pub(crate) fn new() -> Self {
        let card = Self(tempfile::tempdir().unwrap());
        for folder in ["boot", "root/run/strongroom"] {
            fs::create_dir_all(card.at(folder)).unwrap();
        }
        card
    }

    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.at(path)).unwrap()
    }

    /// Has `image-config` write the file; returns what it printed.
    pub(crate) fn configure(&self) -> String {
        let output = strongroom()
            .args(["image-config", "--register", DOMAIN, "--owner", &jid(OWNER)])
            .arg("--boot")
            .arg(self.at("boot"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Puts further lines below `[account]`.
    pub(crate) fn add(&self, lines: &str) {
        let text = self.read("boot/strongroom.toml");
        let put = format!("[account]\n{lines}");
        fs::write(
            self.at("boot/strongroom.toml"),
            text.replacen("[account]\n", &put, 1),
        )
        .unwrap();
    }

    pub(crate) fn boot(&self) -> Option<i32> {
        let status = strongroom()
            .arg("first-boot")
            .arg("--boot")
            .arg(self.at("boot"))
            .arg("--root")
            .arg(self.at("root"))
            .status()
            .unwrap();
        status.code()
    }

    /// Returns the settings file, its paths led into the card's folder.
    pub(crate) fn settings(&self) -> PathBuf {
        let path = self.at("root/etc/strongroom/strongroom.toml");
        let root = self.at("root");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(
            &path,
            text.replace("= \"/", &format!("= \"{}/", root.display())),
        )
        .unwrap();
        path
    }
}

pub(crate) fn digest(certificate: &Path) -> String {
    let pem = fs::read_to_string(certificate).unwrap();
    let body: String = pem.lines().filter(|it| !it.starts_with('-')).collect();
    hex::encode(Sha256::digest(STANDARD.decode(body).unwrap()))
}

#[test]
fn a_card_with_one_file_becomes_a_vault_that_a_phone_pairs_with() {
    let server = Prosody::start_changed(&[OWNER], &OPEN);
    let card = Card::new();
    let said = card.configure();
    let code = said
        .lines()
        .map(str::trim)
        .find(|it| it.len() == 14 && it.contains('-'));
    card.add("sever = \"localhost:1\"\n");
    let refused = card.boot();
    let status = card.read("boot/strongroom-status.txt");
    let text = card.read("boot/strongroom.toml");
    let mended = text.replace("sever = \"localhost:1\"\n", "");
    fs::write(card.at("boot/strongroom.toml"), mended).unwrap();
    card.add(&format!(
        "server = \"127.0.0.1:{}\"\ncertificate_sha256 = \"{}\"\n",
        server.c2s_port(),
        digest(&server.folder().join("server.crt"))
    ));

    let applied = card.boot();

    assert_eq!(refused, Some(78));
    assert!(status.contains("Line 4: [account] has no line \"sever\"; did you mean \"server\"?"));
    assert_eq!(
        applied,
        Some(0),
        "{}",
        card.read("boot/strongroom-status.txt")
    );
    assert!(!card.at("boot/strongroom.toml").exists());
    let status = card.read("boot/strongroom-status.txt");
    let address = status
        .lines()
        .find_map(|it| it.strip_prefix("xmpp:"))
        .unwrap();
    let vault = address.split('?').next().unwrap();
    assert!(said.contains(vault), "the laptop knew the address before");
    let settings = card.settings();
    let pipe = card.at("root/run/strongroom-lamp");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    let held = fs::OpenOptions::new().read(true).write(true).open(&pipe);
    let mut lamp = BufReader::new(held.unwrap()).lines();
    let daemon = Daemon::start(&["--config", settings.to_str().unwrap(), "run"]);
    daemon.wait_line("online");
    let mut phone = Phone::start(&server, OWNER);
    phone.befriend(vault);
    phone.send_text(vault, code.unwrap());
    phone.wait_reply("Paired");
    // No drive is there yet.
    assert_eq!(lamp.next().unwrap().unwrap(), "trouble");
    daemon.terminate();
}

#[test]
fn an_account_that_was_made_before_a_power_cut_is_kept_by_the_next_try() {
    let server = Prosody::start_changed(&[OWNER], &OPEN);
    let card = Card::new();
    card.configure();
    card.add(&format!(
        "server = \"127.0.0.1:{}\"\ncertificate_sha256 = \"{}\"\n",
        server.c2s_port(),
        digest(&server.folder().join("server.crt"))
    ));
    let asked = card.read("boot/strongroom.toml");
    let again = || fs::write(card.at("boot/strongroom.toml"), &asked).unwrap();
    // The settings cannot be written, then the small partition cannot: both after the server's yes.
    let (settings, page) = (
        card.at("root/etc/strongroom/strongroom.toml.new"),
        card.at("boot/strongroom-address.txt"),
    );
    fs::create_dir_all(&settings).unwrap();
    fs::create_dir(&page).unwrap();

    let cut_early = card.boot();
    let drawn = card.read("root/etc/strongroom/password.drawn");
    fs::remove_dir(&settings).unwrap();
    let cut_late = card.boot();
    let kept = card.read("root/etc/strongroom/password");
    fs::remove_dir(&page).unwrap();
    let applied = card.boot();
    again();
    let applied_again = card.boot();
    fs::write(card.at("root/etc/strongroom/strongroom.toml"), "broken").unwrap();
    again();
    let mended = card.boot();

    assert!(cut_early != Some(0) && cut_late != Some(0));
    let status = card.read("boot/strongroom-status.txt");
    assert_eq!(applied, Some(0), "{status}");
    assert_eq!(applied_again, Some(0), "{status}");
    assert_eq!(mended, Some(0), "{status}");
    assert!(status.starts_with("Strongroom: SET UP"), "{status}");
    assert_eq!(drawn.lines().next(), kept.lines().next());
    assert_eq!(card.read("root/etc/strongroom/password"), kept);
    assert!(!card.at("root/etc/strongroom/password.drawn").exists());
    let broken = card.read("root/etc/strongroom/strongroom.toml.broken");
    assert_eq!(broken, "broken");
}
