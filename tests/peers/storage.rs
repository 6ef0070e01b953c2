//! A data drive that is missing, another one, read-only or full: plain words, nothing written where
//! nothing belongs, and what was shared meanwhile comes in by itself.
//!
//! Mounts need root or `sudo -n`; without them the tests say so and end.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use crate::{
    home::{Home, OWNER, STRANGER, VAULT, files, noise},
    host::Host,
    phone::Phone,
    prosody::{Prosody, jid},
};

/// Runs a shell line as root.
fn root(line: &str) -> Output {
    let is_root = rustix::process::geteuid().is_root();
    let mut command = Command::new(if is_root { "sh" } else { "sudo" });
    if !is_root {
        command.args(["-n", "sh"]);
    }
    let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    command
        .env("PATH", path)
        .args(["-c", line])
        .output()
        .unwrap()
}

fn must(line: &str) {
    let output = root(line);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {said}");
}

/// Whether this machine lets the test mount; says so where it does not.
fn may_mount() -> bool {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().display();
    let may = root(&format!("mount -t tmpfs none {at} && umount {at}"));
    if !may.status.success() {
        eprintln!("skipped: this test needs root or sudo, and the right to mount");
    }
    may.status.success()
}

/// The place of the data drive; whatever is mounted there is taken away at the end.
struct Drive(PathBuf);

impl Drive {
    fn mount(&self, options: &str) {
        must(&format!("mount {options} {}", self.0.display()));
    }

    fn remount(&self, options: &str) {
        self.mount(&format!("-o remount,{options}"));
    }

    /// As a drive that is pulled: at once, whoever uses it.
    fn pull(&self) {
        must(&format!("umount --lazy {}", self.0.display()));
    }
}

impl Drop for Drive {
    fn drop(&mut self) {
        root(&format!("umount --lazy {}", self.0.display()));
    }
}

/// A home whose data drive is mounted with these options; `disk` in its folder is at hand.
fn home(options: impl Fn(&Path) -> String) -> (Home, Drive) {
    let server = Prosody::start_with(&[VAULT, OWNER, STRANGER], 64);
    let mut drive = None;
    let home = Home::with_drive(server, &[], |folder| {
        fs::create_dir(folder.join("disk")).unwrap();
        fs::create_dir(folder.join("drive")).unwrap();
        let mounted = Drive(folder.join("drive"));
        mounted.mount(&options(folder));
        drive = Some(mounted);
    });
    (home, drive.unwrap())
}

fn share(home: &Home, phone: &mut Phone, number: u64, bytes: usize) {
    let path = home.path(&format!("share-{number}.bin"));
    fs::write(&path, noise(bytes, number)).unwrap();
    phone.send_file(&jid(VAULT), &path, &format!("{number}.jpg"));
}

fn ask(phone: &mut Phone, words: &str, answer: &str) -> String {
    phone.send_text(&jid(VAULT), words);
    phone.wait_reply(answer)
}

/// Makes a second vault, which is none of the home's.
fn other_vault(home: &Home) -> PathBuf {
    let base = home.path("other");
    fs::create_dir_all(base.join("stick")).unwrap();
    let output = crate::daemon::strongroom()
        .arg("--config")
        .arg(base.join("settings.toml"))
        .args(["init", "--trial", "--jid", "other@example.org"])
        .args(["--owner", &jid(OWNER), "--password-file"])
        .arg(home.path("password"))
        .arg("--data")
        .arg(base.join("disk/vault"))
        .arg("--key")
        .arg(base.join("stick"))
        .arg("--system")
        .arg(base.join("card"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    base.join("disk")
}

#[test]
fn a_drive_that_is_missing_strange_or_read_only_gets_nothing_and_comes_back_to_all_of_it() {
    if !may_mount() {
        return;
    }
    let (mut home, drive) = home(|folder| format!("--bind {}", folder.join("disk").display()));
    let other = other_vault(&home);
    let before = files(&other);
    home.start();
    let mut phone = home.paired_phone();
    home.pull_key();
    phone.wait_reply("The key is gone");

    drive.pull();
    share(&home, &mut phone, 1, 50_000);
    let missing = phone.wait_reply("1.jpg is not stored yet");
    let status = ask(&mut phone, "status", "The vault is locked");
    assert_eq!(files(&drive.0), [] as [PathBuf; 0], "nothing on the card");

    drive.mount("-t tmpfs none");
    must(&format!(
        "mkdir {0}/vault && echo sea > {0}/vault/holiday.txt && chmod -R a+rX {0}",
        drive.0.display()
    ));
    share(&home, &mut phone, 2, 50_000);
    let strange = phone.wait_reply("2.jpg is not stored yet");
    assert_eq!(files(&drive.0), [drive.0.join("vault/holiday.txt")]);
    drive.pull();

    drive.mount(&format!("--bind {}", other.display()));
    share(&home, &mut phone, 3, 50_000);
    let another = phone.wait_reply("3.jpg is not stored yet");
    assert_eq!(files(&other), before, "nothing in the other vault");
    drive.pull();

    drive.mount(&format!("--bind {}", home.path("disk").display()));
    drive.remount("bind,ro");
    share(&home, &mut phone, 4, 50_000);
    let read_only = phone.wait_reply("4.jpg is not stored yet");
    assert_eq!(home.blobs(), [] as [PathBuf; 0]);
    drive.remount("bind,rw");
    phone.wait_reply("4 files wait for the key");
    home.insert_key();
    let opened = phone.wait_reply("The vault is open");

    let again = "I try again by myself as long as its server keeps it; you need not send it again.";
    assert_eq!(
        missing,
        format!(
            "1.jpg is not stored yet: the data drive is not there. Plug it in, or check that it is \
             mounted. {again}"
        )
    );
    assert!(
        status.contains("The data drive takes no files: the data drive is not there."),
        "{status}"
    );
    assert!(
        strange.contains("holds other things and no vault"),
        "{strange}"
    );
    assert!(
        another.contains("the drive holds another vault"),
        "{another}"
    );
    assert!(read_only.contains("can only be read"), "{read_only}");
    assert!(
        opened.contains("4 files that waited are stored as #1-#4"),
        "{opened}"
    );
    assert_eq!(home.blobs().len(), 4);
}

#[test]
fn a_full_drive_refuses_before_fetching_takes_in_when_there_is_room_and_names_what_expired() {
    if !may_mount() {
        return;
    }
    let (mut home, drive) = home(|_| "-t tmpfs -o size=12m,mode=777 none".to_owned());
    home.change_settings("[vault]\n", "[vault]\nreserve_bytes = 4000000\n");
    let host = Host::start(&home.server);
    home.pin(host.port());
    home.start();
    let mut phone = home.paired_phone();
    let body = noise(7_000_000, 9);
    let fragment = "00".repeat(44);
    host.serve("/late.jpg", body.len() as u64, &body);

    share(&home, &mut phone, 1, 3_000_000);
    phone.wait_reply("#1 1.jpg, 3.0 MB, stored");
    share(&home, &mut phone, 2, 7_000_000);
    let full = phone.wait_reply("2.jpg is not stored yet");
    phone.send_text(&jid(VAULT), &host.aesgcm("/late.jpg", &fragment));
    phone.wait_reply("late.jpg is not stored yet");
    let status = ask(&mut phone, "status", "The vault is open");
    let kept = files(&home.vault().join("blobs"));
    host.answer(
        "/late.jpg",
        "HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n",
    );
    drive.remount("size=60m");
    let stored = phone.wait_reply("2.jpg, 7.0 MB, stored");
    let expired = phone.wait_reply("late.jpg, sent");

    assert!(
        full.contains("there is no room for it on the data drive. Make room"),
        "{full}"
    );
    assert!(status.contains("\nRoom for about 1 more file"), "{status}");
    assert!(status.contains("On their way in: 2."), "{status}");
    assert_eq!(kept.len(), 1, "nothing of the second was fetched: {kept:?}");
    assert_eq!(stored, "✅ #2 2.jpg, 7.0 MB, stored.");
    assert!(
        expired.ends_with("is not stored: its server has it no longer. Please share it again."),
        "{expired}"
    );
}
