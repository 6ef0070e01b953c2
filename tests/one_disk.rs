//! Set-up refuses a key on the data drive's physical disk, whatever the partition.
//!
//! Two partitions of one loop image stand for the wrong stick, two images in memory for the right
//! one. Needs loop devices and the right to mount: as root, or through `sudo -n`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// Runs a shell line as root.
fn root(line: &str) -> Output {
    let is_root = rustix::process::geteuid().is_root();
    let mut command = if is_root {
        Command::new("sh")
    } else {
        Command::new("sudo")
    };
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

fn must(line: &str) -> String {
    let output = root(line);
    assert!(
        output.status.success(),
        "\"{line}\" failed; this test needs loop devices and root or sudo: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A loop device with mounted partitions, taken down when dropped.
struct Disk {
    device: String,
    partitions: Vec<PathBuf>,
}

impl Disk {
    /// Makes an image in `folder` with one ext4 partition for each mount point.
    fn new(folder: &Path, mount_points: &[PathBuf]) -> Self {
        let image = folder.join("image");
        let megabytes = 8;
        let length = (mount_points.len() as u64 * megabytes + 1) * 1024 * 1024;
        fs::File::create(&image).unwrap().set_len(length).unwrap();
        let device = must(&format!("losetup --find --show {}", image.display()));
        let mut disk = Self {
            device,
            partitions: Vec::new(),
        };
        for (at, point) in mount_points.iter().enumerate() {
            let number = at + 1;
            let sectors = megabytes * 2048;
            let start = 2048 + at as u64 * sectors;
            let device = &disk.device;
            must(&format!("addpart {device} {number} {start} {sectors}"));
            must(&format!("mkfs.ext4 -q {device}p{number}"));
            fs::create_dir_all(point).unwrap();
            must(&format!(
                "mount {device}p{number} {} && chmod 777 {0}",
                point.display()
            ));
            disk.partitions.push(point.clone());
        }
        disk
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        for (at, point) in self.partitions.iter().enumerate() {
            root(&format!("umount {}", point.display()));
            root(&format!("delpart {} {}", self.device, at + 1));
        }
        root(&format!("losetup --detach {}", self.device));
    }
}

fn init(base: &Path, key: &Path, data: &Path, system: &Path) -> Output {
    fs::write(base.join("password"), "secret\n").unwrap();
    Command::new(env!("CARGO_BIN_EXE_strongroom"))
        .arg("--config")
        .arg(base.join("settings.toml"))
        .args([
            "init",
            "--jid",
            "vault@example.org",
            "--owner",
            "owner@example.org",
        ])
        .arg("--password-file")
        .arg(base.join("password"))
        .arg("--key")
        .arg(key)
        .arg("--data")
        .arg(data.join("vault"))
        .arg("--system")
        .arg(system)
        .output()
        .unwrap()
}

#[test]
fn a_key_on_another_partition_of_the_data_drive_is_refused_and_a_stick_is_taken() {
    let on_disk = tempfile::tempdir().unwrap();
    // Images in memory lie on no disk that they could share.
    let in_memory = tempfile::tempdir_in("/dev/shm").unwrap();
    let (first, second) = (
        in_memory.path().join("first"),
        in_memory.path().join("second"),
    );
    fs::create_dir(&first).unwrap();
    fs::create_dir(&second).unwrap();
    let (data, wrong_key) = (
        on_disk.path().join("data"),
        on_disk.path().join("wrong-key"),
    );
    let right_key = on_disk.path().join("right-key");
    let drive = Disk::new(&first, &[data.clone(), wrong_key.clone()]);
    let stick = Disk::new(&second, std::slice::from_ref(&right_key));
    let system = on_disk.path().join("system");

    let refused = init(on_disk.path(), &wrong_key, &data, &system);
    let untouched =
        !wrong_key.join("strongroom.key").exists() && !system.join("vault.pub").exists();
    let taken = init(on_disk.path(), &right_key, &data, &system);
    let key_is_there = right_key.join("strongroom.key").exists();
    drop((drive, stick));

    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("same disk as the data drive"), "{said}");
    assert!(untouched, "a refusal leaves nothing behind");
    assert!(
        taken.status.success(),
        "{}",
        String::from_utf8_lossy(&taken.stderr)
    );
    assert!(key_is_there);
}
