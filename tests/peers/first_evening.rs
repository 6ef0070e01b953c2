//! The whole first evening: a flashed card, an empty drive, two sticks as they are bought, a phone.
//!
//! Images in memory stand for drive and sticks, and the test stands for the service manager. Takes loop
//! devices and the right to mount; without, the test says so and does nothing.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Child,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{
    daemon::{Daemon, strongroom},
    first_boot::{Card, digest},
    home::{OWNER, noise},
    keydevice::said,
    phone::Phone,
    prosody::Prosody,
    register::OPEN,
};

/// Images that are block devices until they are dropped, and what is mounted of them.
struct Plugged {
    memory: TempDir,
    nodes: Vec<String>,
    mounts: Vec<PathBuf>,
    agent: Option<Child>,
}

impl Plugged {
    fn new() -> Option<Self> {
        if !rustix::process::geteuid().is_root() || said("losetup", &["--find"]).is_none() {
            eprintln!("no loop devices, or not root: there is no evening");
            return None;
        }
        Some(Self {
            memory: TempDir::new_in("/dev/shm").ok()?,
            nodes: Vec::new(),
            mounts: Vec::new(),
            agent: None,
        })
    }

    fn plug(&mut self, name: &str, bytes: u64, is_formatted: bool) -> String {
        let image = self.memory.path().join(name);
        fs::File::create(&image).unwrap().set_len(bytes).unwrap();
        let path = image.to_str().unwrap();
        if is_formatted {
            said("mkfs.ext4", &["-q", "-F", path]).unwrap();
        }
        let node = said("losetup", &["--find", "--show", path]).unwrap();
        self.nodes.push(node.clone());
        node.trim_start_matches("/dev/").to_owned()
    }
}

impl Drop for Plugged {
    fn drop(&mut self) {
        if let Some(agent) = &mut self.agent {
            let _ = agent.kill();
            let _ = agent.wait();
        }
        for mount in &self.mounts {
            let _ = said("umount", &[mount.to_str().unwrap()]);
        }
        for node in &self.nodes {
            let _ = said("losetup", &["--detach", node]);
        }
    }
}

/// Does what the path unit does: waits for a request and has it carried out.
fn carry_out(card: &Card, settings: &Path, disks: &[String]) {
    let request = card.at("root/run/strongroom/prepare");
    let end = Instant::now() + Duration::from_secs(30);
    while !request.exists() {
        assert!(Instant::now() < end, "nothing was asked for");
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut command = strongroom();
    command.arg("--config").arg(settings);
    command.arg("prepare").arg("--root").arg(card.at("root"));
    for disk in disks {
        command.args(["--only", disk]);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// The number that is to be sent back.
fn number(reply: &str) -> String {
    let digits = |it: &&str| it.len() == 6 && it.chars().all(|c| c.is_ascii_digit());
    reply.split_whitespace().find(digits).unwrap().to_owned()
}

#[test]
fn a_flashed_card_an_empty_drive_and_a_stick_become_a_vault_by_chat_alone() {
    let Some(mut plugged) = Plugged::new() else {
        return;
    };
    let server = Prosody::start_changed(&[OWNER], &OPEN);
    let card = Card::new();
    let said_by_laptop = card.configure();
    card.add(&format!(
        "server = \"127.0.0.1:{}\"\ncertificate_sha256 = \"{}\"\nupload_hosts = [\"localhost:{}\"]\n",
        server.c2s_port(),
        digest(&server.folder().join("server.crt")),
        server.https_port()
    ));
    assert_eq!(card.boot(), Some(0));
    let settings = card.settings();
    let status = card.read("boot/strongroom-status.txt");
    let address = status
        .lines()
        .find_map(|it| it.strip_prefix("xmpp:"))
        .unwrap();
    let vault = address.split('?').next().unwrap();
    let mut code = said_by_laptop.lines().map(str::trim);
    let code = code.find(|it| it.len() == 14 && it.contains('-')).unwrap();
    let daemon = Daemon::start(&["--config", settings.to_str().unwrap(), "run"]);
    daemon.wait_line("online");
    let mut phone = Phone::start(&server, OWNER);
    phone.befriend(vault);
    phone.send_text(vault, code);
    phone.wait_reply("Paired");
    phone.wait_reply("There is no vault yet");
    plugged.mounts.push(card.at("root/srv/strongroom"));
    let drive = plugged.plug("drive", 1 << 30, false);
    let stick = plugged.plug("stick", 16 << 20, true);
    let disks = [drive.clone(), stick.clone()];

    phone.send_text(vault, "drives");
    carry_out(&card, &settings, &disks);
    let shown = phone.wait_reply("I see:");
    phone.send_text(vault, &format!("prepare {drive} {stick}"));
    let asked = phone.wait_reply("I format this drive");
    phone.send_text(vault, &number(&asked));
    phone.wait_reply("I prepare it");
    carry_out(&card, &settings, &disks);
    phone.wait_reply("The vault is made");
    let agent = strongroom()
        .args([
            "key-agent",
            "--device",
            &format!("/dev/{stick}"),
            "--socket",
        ])
        .arg(card.at("root/run/strongroom/key.sock"))
        .spawn();
    plugged.agent = Some(agent.unwrap());
    phone.wait_reply("You may take the key out now");
    let photo = noise(300_000, 7);
    let path = card.at("photo.jpg");
    fs::write(&path, &photo).unwrap();
    phone.send_file(vault, &path, "first.jpg");
    phone.wait_reply("stored.");
    phone.send_text(vault, "get 1");
    let back = fs::read(phone.wait_file().path).unwrap();

    assert!(
        shown.contains(&format!("{drive}: {drive}, 1.0 GB (empty)")),
        "{shown}"
    );
    assert!(
        shown.contains(&format!("prepare {drive} {stick}")),
        "{shown}"
    );
    assert!(back == photo, "the first photo comes back as it was");
    daemon.terminate();
}
