//! `strongroom prepare`: what may be formatted and what may not, on real block devices.
//!
//! Images in memory stand for drives and sticks. Takes loop devices and the right to mount; without, the
//! tests say so and do nothing.

use std::{
    fs,
    io::{Seek as _, SeekFrom, Write as _},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use strongroom::{daemon::evening::Answered, keeper::evening::Outcome};
use tempfile::TempDir;

const MEMORY: &str = "/dev/shm";
const DRIVE_BYTES: u64 = 64 << 20;
const STICK_BYTES: u64 = 16 << 20;

pub(crate) fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    output.status.success().then_some(text)
}

/// An image that is a block device until it is dropped.
pub(crate) struct Plugged {
    image: PathBuf,
    node: String,
}

impl Plugged {
    pub(crate) fn node(&self) -> String {
        self.node.clone()
    }

    pub(crate) fn name(&self) -> &str {
        self.node.trim_start_matches("/dev/")
    }
}

impl Drop for Plugged {
    fn drop(&mut self) {
        let _ = said("losetup", &["--detach", &self.node]);
    }
}

pub(crate) struct Place {
    memory: TempDir,
    folder: TempDir,
    /// Whose the daemon's folders are; `None` for this very user's.
    pub(crate) uid: Option<rustix::fs::Uid>,
}

impl Place {
    /// Makes a system without a vault; `None` where there are no loop devices.
    pub(crate) fn new() -> Option<Self> {
        if !rustix::process::geteuid().is_root() || said("losetup", &["--find"]).is_none() {
            eprintln!("no loop devices, or not root: nothing is prepared");
            return None;
        }
        let place = Self {
            memory: TempDir::new_in(MEMORY).ok()?,
            folder: TempDir::new().unwrap(),
            uid: None,
        };
        for folder in ["run", "card", "srv", "key"] {
            fs::create_dir(place.at(folder)).unwrap();
        }
        fs::write(place.at("password"), "secret\n").unwrap();
        let path = |name: &str| format!("\"{}\"", place.at(name).display());
        let settings = format!(
            "[account]\njid = \"vault@example.org\"\npassword_file = {}\n[owner]\njid = \
             \"me@example.org\"\n[vault]\nfolder = {}\nkey = {}\nsystem = {}\n[commands]\nrequests = \
             {}\n",
            path("password"),
            path("srv/vault"),
            path("key"),
            path("card"),
            path("run")
        );
        fs::write(place.at("settings.toml"), settings).unwrap();
        Some(place)
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Plugs an image in, of which `make` says what is on it.
    pub(crate) fn plug(&self, name: &str, bytes: u64, make: impl FnOnce(&Path)) -> Plugged {
        let image = self.memory.path().join(name);
        fs::File::create(&image).unwrap().set_len(bytes).unwrap();
        make(&image);
        let path = image.to_str().unwrap();
        let node = said("losetup", &["--find", "--show", "--partscan", path]).unwrap();
        let _ = said("udevadm", &["settle"]);
        Plugged { image, node }
    }

    /// Has a request carried out on these devices; returns the answer.
    fn ask(&self, request: &str, devices: &[&Plugged]) -> String {
        fs::write(self.at("run/prepare"), format!("id = 7\n{request}\n")).unwrap();
        let _ = rustix::fs::chown(self.at("run/prepare"), self.uid, None);
        let mut command = Command::new(env!("CARGO_BIN_EXE_strongroom"));
        command.arg("--config").arg(self.at("settings.toml"));
        command.arg("prepare").arg("--root").arg(self.at("root"));
        for device in devices {
            command.args(["--only", device.name()]);
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        eprint!("{}", String::from_utf8_lossy(&output.stderr));
        assert!(!self.at("run/prepare").exists(), "a request is taken once");
        let answer = fs::read_to_string(self.at("card/prepared")).unwrap();
        assert!(answer.starts_with("id = 7\n"), "{answer}");
        answer
    }

    /// What is shown of a device, as it is to be chosen.
    fn shown(&self, device: &Plugged) -> String {
        let looked = self.ask("request = \"look\"", &[device]);
        let answered: Answered = toml::from_str(&looked).unwrap();
        let Outcome::Found(offers) = answered.outcome else {
            panic!("{looked}");
        };
        let [offer] = offers.as_slice() else {
            panic!("{looked}");
        };
        let (bytes, mark) = (offer.bytes, &offer.mark);
        let name = device.name();
        format!("{{ name = \"{name}\", seen = [{bytes}, \"{mark}\"] }}")
    }

    fn make(&self, drive: &Plugged, stick: &Plugged) -> String {
        let (one, other) = (self.shown(drive), self.shown(stick));
        let request = format!("[request.make]\ndrive = {one}\nstick = {other}");
        self.ask(&request, &[drive, stick])
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for folder in ["srv", "key", "look"] {
            let _ = said("umount", &[self.at(folder).to_str().unwrap()]);
        }
    }
}

pub(crate) fn ext4(image: &Path) {
    said("mkfs.ext4", &["-q", "-F", image.to_str().unwrap()]).unwrap();
}

fn ext4_with(image: &Path, name: &str) {
    ext4(image);
    ext4_more(image, name);
}

/// Adds a file longer than what a fresh file system uses.
pub(crate) fn ext4_more(image: &Path, name: &str) {
    let (folder, name) = name.rsplit_once('/').unwrap_or(("/", name));
    let some = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock");
    let script = image.with_extension("debugfs");
    fs::write(&script, format!("cd \"{folder}\"\nwrite {some} {name}\n")).unwrap();
    let (script, image) = (script.to_str().unwrap(), image.to_str().unwrap());
    said("debugfs", &["-w", "-f", script, image]).unwrap();
}

pub(crate) fn changed(image: &Path, how: &str) {
    said("debugfs", &["-w", "-R", how, image.to_str().unwrap()]).unwrap();
}

fn bytes_at(image: &Path, at: SeekFrom, bytes: &[u8]) {
    let mut file = fs::OpenOptions::new().write(true).open(image).unwrap();
    file.seek(at).unwrap();
    file.write_all(bytes).unwrap();
}

fn table(image: &Path, parts: &str) {
    let mut child = Command::new("sfdisk")
        .args(["--quiet", "--no-reread"])
        .arg(image)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(parts.as_bytes())
        .unwrap();
    assert!(child.wait().unwrap().success());
}

type Make = fn(&Path);

/// Drives that hold something, each in another way.
const FULL: &[(&str, Make)] = &[
    ("a file", |it| ext4_with(it, "photo.jpg")),
    ("a hidden file", |it| ext4_with(it, ".photo")),
    ("a file that was lost and found", |it| {
        ext4_with(it, "lost+found/1")
    }),
    ("somebody's trash", |it| {
        ext4(it);
        said(
            "debugfs",
            &["-w", "-R", "mkdir .Trashes", it.to_str().unwrap()],
        )
        .unwrap();
    }),
    ("an empty partition table", |it| table(it, "label: gpt\n")),
    ("two partitions", |it| {
        table(it, "label: dos\nsize=8M\nsize=8M\n")
    }),
    ("a partition that is not known", |it| {
        table(it, "label: dos\nsize=8M\n");
        bytes_at(it, SeekFrom::Start(1 << 20), b"something");
    }),
    ("bytes at its beginning", |it| {
        bytes_at(it, SeekFrom::Start(4_321), b"x")
    }),
    ("bytes at its end", |it| {
        bytes_at(it, SeekFrom::End(-7), b"x")
    }),
    ("an encrypted volume", |it| {
        bytes_at(it, SeekFrom::Start(0), b"LUKS\xba\xbe\x00\x01aes");
    }),
    ("swapped memory", |it| {
        said("mkswap", &[it.to_str().unwrap()]).unwrap();
    }),
    ("a key of a vault", |it| ext4_with(it, "strongroom.key")),
    ("a file system where a lost table had its partition", |it| {
        let offset = [
            "-q",
            "-F",
            "-E",
            "offset=1048576",
            it.to_str().unwrap(),
            "40M",
        ];
        said("mkfs.ext4", &offset).unwrap();
    }),
    ("bytes in its middle", |it| {
        bytes_at(it, SeekFrom::Start(DRIVE_BYTES / 2), b"x")
    }),
    ("a journal that was not written back", |it| {
        ext4(it);
        changed(it, "feature needs_recovery");
    }),
    ("a file system with a mark of errors", |it| {
        ext4(it);
        changed(it, "ssv state 2");
    }),
    ("a file in no folder", |it| {
        ext4_with(it, "photo.jpg");
        changed(it, "unlink photo.jpg");
    }),
    ("much in a folder of another computer", |it| {
        ext4(it);
        changed(it, "mkdir \"System Volume Information\"");
        ext4_more(it, "System Volume Information/backup");
    }),
];

#[test]
fn nothing_that_holds_anything_is_formatted() {
    let Some(place) = Place::new() else { return };
    let stick = place.plug("stick", STICK_BYTES, ext4);
    let mut refused = 0;
    for (what, make) in FULL {
        let drive = place.plug("drive", DRIVE_BYTES, make);
        let before = fs::read(&drive.image).unwrap();

        let answer = place.make(&drive, &stick);

        assert!(
            answer.contains("refused = \"not_empty\""),
            "{what}: {answer}"
        );
        assert!(
            before == fs::read(&drive.image).unwrap(),
            "{what} was written to"
        );
        refused += 1;
    }
    assert_eq!(refused, 18);
    let looked = place.ask("request = \"look\"", &[&stick]);
    assert!(looked.contains("nothing"), "the stick got no key: {looked}");
    // The honest twin: nothing at all on it.
    let drive = place.plug("drive", DRIVE_BYTES, |_| ());
    let answer = place.make(&drive, &stick);
    assert!(answer.contains("outcome = \"made\""), "{answer}");
}

#[test]
fn an_empty_file_system_becomes_a_vault_and_a_stick_keeps_what_is_on_it() {
    let Some(place) = Place::new() else { return };
    let drive = place.plug("drive", DRIVE_BYTES, ext4);
    let stick = place.plug("stick", STICK_BYTES, |it| ext4_with(it, "holiday.txt"));
    let spare = place.plug("spare", STICK_BYTES, ext4);

    let looked = place.ask("request = \"look\"", &[&drive, &stick]);
    let chosen = (place.shown(&drive), place.shown(&stick));
    let made = place.make(&drive, &stick);
    let again = format!("[request.make]\ndrive = {}\nstick = {}", chosen.0, chosen.1);
    let again = place.ask(&again, &[&drive, &stick]);
    let label = said("e2label", &[&drive.node]).unwrap();
    let request = format!("[request.spare]\nstick = {}", place.shown(&spare));
    let alone = place.ask(&request, &[&spare]);
    let second = place.ask(&request, &[&stick, &spare]);
    let twice = place.ask(&request, &[&stick, &spare]);
    let lives = place.ask("[request]\nlive = \"pi\"", &[]);

    assert!(
        looked.contains("holds = \"nothing\"") && looked.contains("count = 1"),
        "{looked}"
    );
    assert!(made.contains("\"made\""), "{made}");
    assert_eq!(label, "strongroom-data");
    assert!(again.contains("\"has_vault\""), "{again}");
    assert!(alone.contains("\"no_key\""), "{alone}");
    assert!(second.contains("\"spare_made\""), "{second}");
    assert!(twice.contains("\"is_a_key\""), "{twice}");
    assert!(lives.contains("lives = \"pi\""), "{lives}");
    let settings = fs::read_to_string(place.at("settings.toml")).unwrap();
    assert!(settings.contains("mode = \"presence\""), "{settings}");
    assert!(place.at("card/vault.pub").exists() && place.at("srv/vault").is_dir());
    let table = fs::read_to_string(place.at("root/etc/fstab")).unwrap();
    assert!(
        table.starts_with("UUID=") && table.contains("nofail"),
        "{table}"
    );
    let rules = place.at("root/etc/udev/rules.d/71-strongroom-sticks.rules");
    assert_eq!(fs::read_to_string(rules).unwrap().lines().count(), 2);
    // Nothing but the key was added, and each stick has its own.
    let files = |stick: &Plugged| {
        let listed = said("debugfs", &["-R", "ls -p", stick.image.to_str().unwrap()]).unwrap();
        let names = listed
            .lines()
            .filter_map(|it| it.split('/').nth(5).map(str::to_owned));
        let mut names: Vec<String> = names.filter(|it| !it.starts_with('.')).collect();
        names.sort();
        names
    };
    assert_eq!(
        files(&stick),
        ["holiday.txt", "lost+found", "strongroom.key"]
    );
    assert_eq!(files(&spare), ["lost+found", "strongroom.key"]);
    for stick in [&stick, &spare] {
        let point = place.at("look");
        fs::create_dir_all(&point).unwrap();
        let path = point.to_str().unwrap();
        said("mount", &["-o", "ro", &stick.node, path]).unwrap();
        let listed = Command::new(env!("CARGO_BIN_EXE_strongroom"))
            .arg("--config")
            .arg(place.at("settings.toml"))
            .args(["key", "list", "--with", path])
            .output()
            .unwrap();
        said("umount", &[path]).unwrap();
        assert!(listed.status.success(), "{listed:?}");
    }
}

#[test]
fn a_drive_that_was_swapped_after_it_was_shown_is_left_alone() {
    let Some(place) = Place::new() else { return };
    let stick = place.plug("stick", STICK_BYTES, ext4);
    let drive = place.plug("drive", DRIVE_BYTES, |_| ());
    let (shown, key) = (place.shown(&drive), place.shown(&stick));
    let request = format!("[request.make]\ndrive = {shown}\nstick = {key}");
    // Behind its back somebody writes to it.
    let node = fs::OpenOptions::new()
        .write(true)
        .open(&drive.node)
        .unwrap();
    node.write_all_at(b"the only copy", 0).unwrap();
    node.sync_all().unwrap();

    let written = place.ask(&request, &[&drive, &stick]);
    let found = fs::read(&drive.image).unwrap();
    node.write_all_at(&[0; 13], 0).unwrap();
    node.sync_all().unwrap();
    drop(node);
    // Another one of its name, as empty: what was asked about was not this one.
    let name = drive.node.clone();
    drop(drive);
    let image = place.memory.path().join("other");
    fs::File::create(&image)
        .unwrap()
        .set_len(DRIVE_BYTES)
        .unwrap();
    said("losetup", &[&name, image.to_str().unwrap()]).unwrap();
    let other = Plugged { image, node: name };
    let swapped = place.ask(&request, &[&other, &stick]);
    let nameless = request.replace("seen =", "was =");
    let nameless = place.ask(&nameless, &[&other, &stick]);
    let untouched = fs::read(&other.image).unwrap();
    let twin = place.make(&other, &stick);

    assert!(written.contains("\"not_empty\""), "{written}");
    assert!(found.starts_with(b"the only copy"));
    assert!(swapped.contains("\"gone\""), "{swapped}");
    assert!(nameless.contains("\"gone\""), "{nameless}");
    assert!(untouched.iter().all(|it| *it == 0));
    assert!(twin.contains("\"made\""), "{twin}");
}

#[test]
fn what_fails_before_the_vault_is_made_leaves_everything_to_be_tried_again() {
    const LATIN: &[u8] = b"# f\xFCr die Karte\nPARTUUID=1-02 / ext4 defaults 0 1";
    let Some(place) = Place::new() else { return };
    let drive = place.plug("drive", DRIVE_BYTES, |_| ());
    let stick = place.plug("stick", STICK_BYTES, ext4);
    let table = place.at("root/etc/fstab");
    let rules = place.at("root/etc/udev/rules.d/71-strongroom-sticks.rules");
    let blank = |it: &Plugged| fs::read(&it.image).unwrap().iter().all(|it| *it == 0);

    // The table cannot be read.
    fs::create_dir_all(&table).unwrap();
    let unreadable = place.make(&drive, &stick);
    let was_blank = blank(&drive);
    fs::remove_dir(&table).unwrap();
    fs::write(&table, LATIN).unwrap();
    // Something is mounted where the drive is to be.
    let srv = place.at("srv");
    let srv = srv.to_str().unwrap();
    said("mount", &["-t", "tmpfs", "tmpfs", srv]).unwrap();
    let in_use = place.make(&drive, &stick);
    said("umount", &[srv]).unwrap();
    let still_blank = blank(&drive);
    // The card takes no slots.
    fs::write(place.at("card/slots"), "no folder").unwrap();
    let no_card = place.make(&drive, &stick);
    let restored = fs::read(&table).unwrap() == LATIN && !rules.exists();
    fs::remove_file(place.at("card/slots")).unwrap();
    // The power goes while it is made: what was begun is mounted at the next start.
    let uuid = said("blkid", &["-p", "-s", "UUID", "-o", "value", &drive.node]).unwrap();
    let line = format!("\nUUID={uuid} {srv} ext4 nofail,x-strongroom.prepared 0 2\n");
    fs::write(&table, [LATIN, line.as_bytes()].concat()).unwrap();
    said("mount", &[&drive.node, srv]).unwrap();
    let made = place.make(&drive, &stick);

    assert!(
        unreadable.contains("\"failed\"") && was_blank,
        "{unreadable}"
    );
    assert!(in_use.contains("\"failed\"") && still_blank, "{in_use}");
    assert!(no_card.contains("\"failed\"") && restored, "{no_card}");
    assert!(made.contains("\"made\""), "{made}");
    let written = fs::read(&table).unwrap();
    assert!(written.starts_with(&[LATIN, b"\nUUID="].concat()));
    assert_eq!(written.iter().filter(|it| **it == b'\n').count(), 3);
}

#[test]
fn a_stick_that_the_daemon_cannot_write_to_is_refused_before_anything_is_formatted() {
    use std::os::unix::fs::PermissionsExt as _;
    const NOBODY: &str = "root_owner=65534:65534";
    let Some(mut place) = Place::new() else {
        return;
    };
    let uid = rustix::fs::Uid::from_raw(65534);
    for folder in ["run", "card", "srv", "key"] {
        rustix::fs::chown(place.at(folder), Some(uid), None).unwrap();
    }
    let reach = fs::Permissions::from_mode(0o755);
    fs::set_permissions(place.folder.path(), reach).unwrap();
    place.uid = Some(uid);
    let drive = place.plug("drive", DRIVE_BYTES, |_| ());
    let stick = place.plug("stick", STICK_BYTES, ext4);
    let twin = place.plug("twin", STICK_BYTES, |it| {
        let options = ["-q", "-F", "-E", NOBODY, it.to_str().unwrap()];
        said("mkfs.ext4", &options).unwrap();
    });

    let refused = place.make(&drive, &stick);
    let is_blank = fs::read(&drive.image).unwrap().iter().all(|it| *it == 0);
    let made = place.make(&drive, &twin);

    assert!(refused.contains("\"not_a_stick\""), "{refused}");
    assert!(is_blank);
    assert!(made.contains("\"made\""), "{made}");
}

#[test]
fn a_stick_that_cannot_be_told_from_another_is_refused_before_anything_is_formatted() {
    let Some(place) = Place::new() else {
        return;
    };
    let drive = place.plug("drive", DRIVE_BYTES, |_| ());
    let stick = place.plug("stick", STICK_BYTES, |it| {
        let options = ["-q", "-F", "-U", "clear", it.to_str().unwrap()];
        said("mkfs.ext4", &options).unwrap();
    });
    let twin = place.plug("twin", STICK_BYTES, ext4);

    let refused = place.make(&drive, &stick);
    let is_blank = fs::read(&drive.image).unwrap().iter().all(|it| *it == 0);
    let made = place.make(&drive, &twin);

    assert!(refused.contains("\"not_a_stick\""), "{refused}");
    assert!(is_blank);
    assert!(made.contains("\"made\""), "{made}");
}
