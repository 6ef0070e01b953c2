//! The key device as hardware: loop devices with real file systems stand for sticks, links in a
//! folder for what udev makes of them.
//!
//! Takes root and loop devices; without, these tests say so and do nothing.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use rustix::process::geteuid;

use crate::{
    daemon::{Daemon, strongroom},
    devices::{flush, let_in_second},
    home::{Home, VAULT, files},
    prosody::jid,
    sandbox::{vault_process, wait_gone},
};

const LABEL: &str = "SR-TEST-KEY";

/// Runs a program to its end; returns what it said, if all went well.
pub(crate) fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let output = Command::new(program)
        .env("PATH", path)
        .args(arguments)
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// A stick: an image, and a loop device while it is in.
struct Stick {
    image: PathBuf,
    node: PathBuf,
    device: Option<String>,
}

impl Stick {
    /// Makes a stick that holds what `folder` holds. `None` where the machine does not let us.
    fn new(home: &Home, name: &str, folder: &Path) -> Option<Self> {
        if !geteuid().is_root() || said("losetup", &["--find"]).is_none() {
            eprintln!("skipped: sticks take root and loop devices");
            return None;
        }
        let image = home.path(name);
        fs::File::create(&image).unwrap().set_len(4 << 20).unwrap();
        let made = said(
            "mkfs.ext4",
            &["-q", "-L", LABEL, "-d", folder.to_str()?, image.to_str()?],
        );
        made.expect("mkfs.ext4 fills an image from a folder");
        let nodes = home.path("nodes/by-label");
        fs::create_dir_all(&nodes).unwrap();
        Some(Self {
            image,
            node: nodes.join(LABEL),
            device: None,
        })
    }

    /// Puts it in, as the kernel and udev would.
    fn plug(&mut self) {
        let image = self.image.to_str().unwrap();
        let device = said("losetup", &["--find", "--show", image]).unwrap();
        // udev replaces the link in one step.
        let new = self.node.with_extension("new");
        symlink(&device, &new).unwrap();
        fs::rename(new, &self.node).unwrap();
        self.device = Some(device);
    }

    /// Pulls it; udev's link goes later.
    fn pull(&mut self) {
        self.yank();
        self.unlink();
    }

    fn yank(&mut self) {
        let device = self.device.take().unwrap();
        said("losetup", &["--detach", &device]).unwrap();
    }

    fn unlink(&self) {
        fs::remove_file(&self.node).unwrap();
    }
}

impl Drop for Stick {
    fn drop(&mut self) {
        if let Some(device) = self.device.take() {
            said("losetup", &["--detach", &device]);
        }
    }
}

/// Has the daemon look for a stick with the label among the test's own nodes.
fn by_label(home: &Home) {
    let lines = format!("[keydevice]\ndevice = \"LABEL={LABEL}\"\n");
    home.change_settings("[keydevice]\n", &lines);
    home.change_settings("/dev/disk", home.path("nodes").to_str().unwrap());
}

#[test]
fn a_stick_that_is_pulled_fifty_times_locks_fifty_times() {
    let mut home = Home::new();
    let Some(mut stick) = Stick::new(&home, "stick.img", &home.stick()) else {
        return;
    };
    by_label(&home);
    home.start();

    for round in 0..50 {
        stick.plug();
        let vault = vault_process(home.daemon());
        match round % 3 {
            // The kernel's event comes first, udev's second; either is enough.
            0 => stick.pull(),
            1 => {
                stick.yank();
                wait_gone(vault);
                stick.unlink();
            }
            _ => {
                stick.unlink();
                wait_gone(vault);
                stick.yank();
            }
        }
        wait_gone(vault);
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(
        !mounts.contains(home.path("").to_str().unwrap()),
        "{mounts}"
    );
}

#[test]
fn a_stick_that_bounces_or_that_somebody_else_has_mounted_locks_as_well() {
    let mut home = Home::new();
    let Some(mut stick) = Stick::new(&home, "stick.img", &home.stick()) else {
        return;
    };
    by_label(&home);
    home.start();
    stick.plug();
    let first = vault_process(home.daemon());

    // Out and in again at once.
    stick.yank();
    stick.plug();
    wait_gone(first);
    let second = vault_process(home.daemon());

    // A desktop has mounted it too, and its mount stays behind after the pull.
    let point = home.path("media");
    fs::create_dir(&point).unwrap();
    let device = stick.device.clone().unwrap();
    said("mount", &[&device, point.to_str().unwrap()]).unwrap();
    stick.unlink();
    wait_gone(second);
    // It is read beside the other mount.
    symlink(&device, &stick.node).unwrap();
    let third = vault_process(home.daemon());
    stick.unlink();
    wait_gone(third);
    assert!(
        point.join("strongroom.key").is_file(),
        "the mount is still there"
    );
    said("umount", &[point.to_str().unwrap()]).unwrap();
}

#[test]
fn each_wrong_stick_gets_its_words_and_the_right_one_opens() {
    let mut home = Home::new();
    let Some(mut right) = Stick::new(&home, "right.img", &home.stick()) else {
        return;
    };
    let other = Home::new();
    let key = fs::read(home.stick().join("strongroom.key")).unwrap();
    let holding = |name: &str, bytes: &[u8]| {
        let folder = home.path(name);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("strongroom.key"), bytes).unwrap();
        Stick::new(&home, &format!("{name}.img"), &folder).unwrap()
    };
    let half = holding("half", &key[..50]);
    let foreign = holding(
        "foreign",
        &fs::read(other.stick().join("strongroom.key")).unwrap(),
    );
    let long = holding("long", &[7; 20_000]);
    fs::create_dir(home.path("nothing")).unwrap();
    let without = Stick::new(&home, "without.img", &home.path("nothing")).unwrap();
    let mut unreadable = Stick::new(&home, "noise.img", &home.path("nothing")).unwrap();
    unreadable.image = home.path("noise");
    fs::write(&unreadable.image, crate::home::noise(1 << 20, 5)).unwrap();
    by_label(&home);
    home.start();
    let mut phone = home.paired_phone();

    for (mut stick, words) in [
        (half, "The key file on this stick is not whole"),
        (long, "The key file on this stick is not whole"),
        (foreign, "This key does not open the vault"),
        (without, "There is no vault key on the stick"),
        (unreadable, "The key stick could not be read"),
    ] {
        stick.plug();
        phone.wait_reply(words);
        stick.pull();
        home.daemon().wait_line("the key device is not there");
    }

    right.plug();
    phone.wait_reply("The vault is open");
    phone.send_text(&jid(VAULT), "status");
    phone.wait_reply("The vault is open:");
}

/// Starts a key agent as the service manager does.
fn agent(node: &Path, socket: &Path) -> Daemon {
    let mut command = strongroom();
    command
        .arg("key-agent")
        .arg("--device")
        .arg(node)
        .arg("--socket")
        .arg(socket);
    Daemon::spawn(&mut command)
}

#[test]
fn a_key_agent_of_the_service_manager_opens_and_its_end_locks() {
    let mut home = Home::new();
    let Some(mut stick) = Stick::new(&home, "stick.img", &home.stick()) else {
        return;
    };
    let mut second = Stick::new(&home, "second.img", &home.stick()).unwrap();
    second.node.set_file_name("SECOND");
    let socket = home.path("key.sock");
    home.change_settings(
        "[keydevice]\n",
        &format!("[keydevice]\nagent = {socket:?}\n"),
    );
    stick.plug();
    second.plug();
    // Started before the daemon: it waits for it.
    let mut first_agent = agent(&stick.node, &socket);
    home.start();
    let vault = vault_process(home.daemon());

    let _second_agent = agent(&second.node, &socket);
    home.daemon().wait_line("a second one is not used");
    assert!(
        Path::new(&format!("/proc/{vault}")).exists(),
        "it did no harm"
    );

    first_agent.kill_9();
    wait_gone(vault);

    let mut first_agent = agent(&stick.node, &socket);
    let vault = vault_process(home.daemon());
    stick.yank();
    wait_gone(vault);
    assert!(first_agent.wait_exit(crate::journal::PATIENCE).success());
    stick.unlink();
}

#[test]
fn a_list_beside_the_key_reaches_the_vault_through_the_key_agent_and_shuts_a_phone_out() {
    let mut home = Home::new();
    let Some(mut stick) = Stick::new(&home, "stick.img", &home.stick()) else {
        return;
    };
    let socket = home.path("key.sock");
    home.change_settings(
        "[keydevice]\n",
        &format!("[keydevice]\nagent = {socket:?}\n"),
    );
    stick.plug();
    let mut first_agent = agent(&stick.node, &socket);
    home.start();
    let mut phone = home.paired_phone();
    let mut second = let_in_second(&home, &mut phone);
    second.send_text(&jid(VAULT), "list");
    second.wait_reply("The vault is empty");
    stick.pull();
    assert!(first_agent.wait_exit(crate::journal::PATIENCE).success());
    phone.wait_reply("The key is gone");

    let list = format!("# lost\n{}\n8c1f\n", second.fingerprint);
    fs::write(home.stick().join("revoke.txt"), list).unwrap();
    let mut listed = Stick::new(&home, "listed.img", &home.stick()).unwrap();
    listed.plug();
    let _agent = agent(&listed.node, &socket);

    let told = phone.wait_reply("revoke.txt");
    let tail = &second.fingerprint[56..];
    assert!(
        told.contains(&format!("never obeyed again: …{tail}.")),
        "{told}"
    );
    assert!(told.contains("One line is no whole fingerprint"), "{told}");
    second.send_text(&jid(VAULT), "list");
    flush(&mut second);
    phone.send_text(&jid(VAULT), "list");
    phone.wait_reply("The vault is empty");
    let answers = second.seen("message").into_iter();
    let answers = answers.filter(|it| it["body"].as_str().is_some_and(|it| it.contains("empty")));
    assert_eq!(answers.count(), 1, "none since it was shut out");
}

/// What makes a file system of its kind in an image, where the kernel can mount it.
fn makers() -> Vec<(&'static str, &'static [&'static str])> {
    let known = fs::read_to_string("/proc/filesystems").unwrap();
    let makers: [(&str, &[&str]); 3] = [
        ("vfat", &["mkfs.vfat"]),
        ("exfat", &["mkfs.exfat"]),
        ("ext4", &["mkfs.ext4", "-q"]),
    ];
    let there = |kind: &str| {
        said("modprobe", &[kind]);
        known.contains(&format!("\t{kind}\n"))
    };
    makers.into_iter().filter(|(kind, _)| there(kind)).collect()
}

#[test]
fn set_up_adds_one_file_to_a_stick_and_leaves_the_rest_as_it_was() {
    if !geteuid().is_root() || said("losetup", &["--find"]).is_none() {
        eprintln!("skipped: sticks take root and loop devices");
        return;
    }
    for (kind, maker) in makers() {
        let base = tempfile::tempdir().unwrap();
        let (image, point) = (base.path().join("image"), base.path().join("stick"));
        fs::create_dir(&point).unwrap();
        fs::File::create(&image).unwrap().set_len(16 << 20).unwrap();
        let image = image.to_str().unwrap();
        let arguments = [&maker[1..], &[image]].concat();
        if said(maker[0], &arguments).is_none() {
            eprintln!("skipped: there is no {}", maker[0]);
            continue;
        }
        let mount = || said("mount", &["-o", "loop", image, point.to_str().unwrap()]).unwrap();
        let unmount = || said("umount", &[point.to_str().unwrap()]).unwrap();
        let identity = || said("blkid", &["-p", "-s", "UUID", "-o", "value", image]).unwrap();
        mount();
        fs::write(point.join("holiday.txt"), "sea").unwrap();
        let before = files(&point);
        unmount();
        let made_as = identity();
        mount();
        fs::write(base.path().join("password"), "secret\n").unwrap();

        let output = init(base.path(), &point);
        let after = files(&point);
        let kept = fs::read_to_string(point.join("holiday.txt")).unwrap();
        unmount();

        assert!(output.status.success(), "{kind}: {output:?}");
        let added: Vec<_> = after.iter().filter(|it| !before.contains(it)).collect();
        assert_eq!(added, [&point.join("strongroom.key")], "{kind}");
        assert_eq!(
            (after.len(), kept.as_str()),
            (before.len() + 1, "sea"),
            "{kind}"
        );
        assert_eq!(identity(), made_as, "{kind} was formatted");
    }
}

fn init(base: &Path, key: &Path) -> std::process::Output {
    let mut command: Command = strongroom();
    command.arg("--config").arg(base.join("settings.toml"));
    command.args(["init", "--trial", "--jid", "vault@example.org"]);
    command.args(["--owner", "owner@example.org"]);
    command.arg("--password-file").arg(base.join("password"));
    command.arg("--key").arg(key);
    command.arg("--data").arg(base.join("data/vault"));
    command.arg("--system").arg(base.join("system"));
    command.output().unwrap()
}
