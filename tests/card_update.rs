//! The card's start files: whatever cuts off `publish`, the Pi finds an old or a new kernel, whole.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::{
    fs,
    os::unix::{fs::PermissionsExt as _, process::ExitStatusExt as _},
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
};

/// Stands in the path for the tools that write: counts them, and at the wanted one leaves what a power
/// cut would, half a file, and kills whoever called.
const CUTTER: &str = r#"#!/bin/bash
count=$(($(< "$COUNT") + 1))
echo $count > "$COUNT"
tool=${0##*/}
if [ $count = "$CUT" ]; then
    if [ $tool = cp ] && [ -f "${@: -2:1}" ]; then
        /usr/bin/head -c 5 "${@: -2:1}" > "${@: -1}"
    fi
    kill -9 $PPID
    exit
fi
# What is killed here is a process: all that was written is there, flushed or not.
[ $tool != sync ] || exit 0
exec /usr/bin/$tool "$@"
"#;

struct Card {
    folder: tempfile::TempDir,
    old: Version,
    new: Version,
}

/// What one version starts with: names and contents.
#[derive(Clone)]
struct Version {
    kernel: &'static str,
    initrd: &'static str,
    release: &'static str,
}

impl Version {
    fn files(&self) -> Vec<(String, String)> {
        let Self {
            kernel,
            initrd,
            release,
        } = self;
        let text = |what: &str| format!("the {what} of {release}, whole to its end");
        vec![
            ((*kernel).to_owned(), text("kernel")),
            ((*initrd).to_owned(), text("initrd")),
            ("bcm2711-rpi-4-b.dtb".to_owned(), text("tree")),
            ("overlays/one.dtbo".to_owned(), text("overlay")),
            ("fixup.dat".to_owned(), text("firmware's half")),
            ("start.elf".to_owned(), text("firmware")),
            ("fixup4.dat".to_owned(), text("firmware's half")),
            ("start4.elf".to_owned(), text("firmware")),
            ("cmdline.txt".to_owned(), format!("root=/dev/{release}\n")),
            (
                "config.txt".to_owned(),
                format!("# {release}\nkernel={kernel}\ninitramfs {initrd}\n"),
            ),
        ]
    }

    fn lay(&self, folder: &Path) {
        fs::create_dir_all(folder.join("overlays")).unwrap();
        for (name, text) in self.files() {
            fs::write(folder.join(name), text).unwrap();
        }
    }

    /// Whether a card has one of these files as this version has it.
    fn has(&self, live: &Path, name: &str) -> bool {
        let found = fs::read_to_string(live.join(name)).ok();
        self.files()
            .into_iter()
            .any(|(it, text)| it == name && Some(text) == found)
    }
}

impl Card {
    fn new(old: Version, new: Version) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tools = folder.path().join("tools");
        fs::create_dir(&tools).unwrap();
        for tool in ["cp", "mv", "rm", "mkdir", "sync"] {
            let tool = tools.join(tool);
            fs::write(&tool, CUTTER).unwrap();
            fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let card = Self { folder, old, new };
        card.begin();
        card.new.lay(&card.at("staged"));
        card
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Lays the card as the old version left it, with a file of its owner.
    fn begin(&self) {
        let live = self.at("live");
        let _ = fs::remove_dir_all(&live);
        self.old.lay(&live);
        fs::write(live.join("strongroom.toml"), "of the owner").unwrap();
    }

    /// Runs a script on the two folders; the tool of this number cuts it off.
    fn run(&self, script: &[&str], cut: u32) -> ExitStatus {
        fs::write(self.at("count"), "0\n").unwrap();
        let path = format!("{}:/usr/bin:/bin", self.at("tools").display());
        let done = Command::new("/bin/bash")
            .args(script)
            .arg(self.at("staged"))
            .arg(self.at("live"))
            .env("PATH", path)
            .env("COUNT", self.at("count"))
            .env("CUT", cut.to_string())
            .output()
            .unwrap();
        assert!(
            done.status.success() || done.status.signal() == Some(9),
            "{done:?}"
        );
        done.status
    }

    /// Whether the Pi would start: each file is of one version, and those that are named are there.
    fn starts(&self) -> bool {
        let live = self.at("live");
        [&self.old, &self.new].into_iter().any(|version| {
            let whole = |name| self.old.has(&live, name) || self.new.has(&live, name);
            version.has(&live, "config.txt")
                && whole("cmdline.txt")
                && whole(version.kernel)
                && whole(version.initrd)
                && whole("bcm2711-rpi-4-b.dtb")
        })
    }

    /// Counts the pairs of the Pi's own firmware that are not of one version.
    fn mixed_pairs(&self) -> usize {
        let live = self.at("live");
        let is_new = |name| self.new.has(&live, name);
        [("start.elf", "fixup.dat"), ("start4.elf", "fixup4.dat")]
            .into_iter()
            .filter(|(start, fixup)| is_new(start) != is_new(fixup))
            .count()
    }

    /// Cuts a script off at each of its tools in turn; returns how many there were, and after how
    /// many the Pi would not start.
    fn cut_everywhere(&self, script: &[&str]) -> (u32, u32) {
        let mut spoilt = 0;
        for cut in 1.. {
            self.begin();
            if self.run(script, cut).success() {
                return (cut - 1, spoilt);
            }
            spoilt += u32::from(!self.starts());
            // Again, and nobody pulls the plug.
            assert!(self.run(script, 0).success());
            for (name, text) in self.new.files() {
                let found = fs::read_to_string(self.at("live").join(&name)).unwrap();
                assert_eq!(found, text, "{name} after cut {cut}");
            }
        }
        unreachable!("a script has an end");
    }
}

const OLD: Version = Version {
    kernel: "vmlinuz-7.3.4",
    initrd: "initrd.img-7.3.4",
    release: "7.3.4-1",
};

#[test]
fn cut_off_anywhere_the_card_starts_and_the_next_run_brings_the_rest() {
    let publish = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/pi-image/files/usr/lib/strongroom-image/publish"
    );
    let next = Version {
        kernel: "vmlinuz-7.3.5",
        initrd: "initrd.img-7.3.5",
        release: "7.3.5-1",
    };
    let rebuilt = Version {
        release: "7.3.4-2",
        ..OLD
    };
    for new in [next, rebuilt] {
        let card = Card::new(OLD, new.clone());

        let (cuts, spoilt) = card.cut_everywhere(&[publish]);

        assert_eq!(spoilt, 0, "of {cuts} cuts, to {}", new.release);
        assert!(cuts >= 18, "{cuts} cuts");
        assert_eq!(
            card.at("live").join(OLD.kernel).exists(),
            new.kernel == OLD.kernel
        );
        let owners = fs::read_to_string(card.at("live").join("strongroom.toml"));
        assert_eq!(owners.unwrap(), "of the owner");
        // The control: copied one by one, as Debian's hook does it, a cut spoils the card.
        let copied = "for f in $(cd $1 && find . -type f); do cp $1/$f $2/$f; done";
        let (_, spoilt) = card.cut_everywhere(&["-ec", copied, "copied"]);
        assert!(spoilt >= 1);
    }
}

#[test]
fn the_halves_of_the_firmware_are_renamed_one_right_after_the_other() {
    let publish = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/pi-image/files/usr/lib/strongroom-image/publish"
    );
    let card = Card::new(
        OLD,
        Version {
            release: "7.3.4-2",
            ..OLD
        },
    );
    let mut mixed = Vec::new();
    for cut in 1.. {
        card.begin();
        let is_through = card.run(&[publish], cut).success();
        mixed.push(card.mixed_pairs());
        if is_through {
            break;
        }
    }

    // Between two renames, once for each pair: what nothing here can take away.
    assert_eq!(mixed.iter().max(), Some(&1), "{mixed:?}");
    assert_eq!(mixed.iter().sum::<usize>(), 2, "{mixed:?}");
}

#[test]
fn where_nothing_is_new_nothing_is_written() {
    let publish = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/pi-image/files/usr/lib/strongroom-image/publish"
    );
    let card = Card::new(OLD, OLD);
    let config = card.at("live").join("config.txt");
    let before = fs::metadata(&config).unwrap().modified().unwrap();

    assert!(card.run(&[publish], 0).success());

    assert_eq!(fs::metadata(&config).unwrap().modified().unwrap(), before);
    assert!(card.starts());
}
