//! A stick as it is bought: vfat, with somebody's photos on it. It gets one file and is not
//! formatted.
//!
//! A real vfat takes a kernel that has it, and root to mount it; or Debian's user-mode-linux, which
//! has it and needs neither: installed, or unpacked at the folder `STRONGROOM_UML`. Without either the
//! test says so and does nothing.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// A user-mode Linux boots in two seconds; a busy machine takes longer.
const PATIENCE: Duration = Duration::from_secs(120);
/// Each file's sum and path.
type Files = Vec<String>;

fn has_vfat() -> bool {
    let known = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    known.lines().any(|it| it.trim() == "vfat") && rustix::process::geteuid().is_root()
}

/// The user-mode Linux and its modules, where there is one.
fn user_mode_linux() -> Option<(PathBuf, PathBuf)> {
    let root = env::var_os("STRONGROOM_UML").map_or_else(|| "/".into(), PathBuf::from);
    let program = root.join("usr/bin/linux.uml");
    let modules = fs::read_dir(root.join("usr/lib/uml/modules")).ok()?;
    let modules = modules.filter_map(|it| Some(it.ok()?.path().join("kernel/fs")));
    let with_vfat = |it: &PathBuf| it.join("fat/vfat.ko").exists();
    let modules = modules.into_iter().find(with_vfat)?;
    program.exists().then_some((program, modules))
}

/// The script that does what an owner does, on this kernel or in one of its own.
fn command(base: &Path, image: &Path) -> Option<Command> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys/vfat.sh");
    let program = env!("CARGO_BIN_EXE_strongroom");
    if has_vfat() {
        let mut command = Command::new("sh");
        command
            .arg(script)
            .env("DEVICE", image)
            .env("OPTIONS", "loop");
        command.env("STRONGROOM", program).env("BASE", base);
        return Some(command);
    }
    let (linux, modules) = user_mode_linux()?;
    let mut command = Command::new(linux);
    command
        .args(["mem=256M", "rootfstype=hostfs", "rootflags=/", "rw"])
        .args(["con0=null", "con=null", "ssl=null", "DEVICE=/dev/ubda"])
        .arg(format!("init={}", script.display()))
        .arg(format!("STRONGROOM={program}"))
        .arg(format!("BASE={}", base.display()))
        .arg(format!("MODULES={}", modules.display()))
        .arg(format!("uml_dir={}/", base.join("uml").display()))
        .arg(format!("ubda={}", image.display()));
    Some(command)
}

fn run_to_end(command: &mut Command) {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
    let end = Instant::now() + PATIENCE;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > end {
            child.kill().unwrap();
            child.wait().unwrap();
            return;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

fn files(base: &TempDir, when: &str) -> Files {
    let text = fs::read_to_string(base.path().join(when)).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// The files that were not there before, or have another content.
fn new(before: &Files, after: &Files) -> Vec<String> {
    for old in before {
        let (_, path) = old.split_once("  ").unwrap();
        assert!(after.iter().any(|it| it.ends_with(path)), "{path} is gone");
    }
    let news = after.iter().filter(|it| !before.contains(it));
    let path = |it: &String| it.split_once("  ").unwrap().1.to_owned();
    news.map(path).collect()
}

#[test]
fn a_vfat_stick_gets_one_file_and_keeps_its_photos_and_its_format() {
    let base = tempfile::tempdir().unwrap();
    let image = base.path().join("stick.img");
    fs::File::create(&image).unwrap().set_len(16 << 20).unwrap();
    let formatted = Command::new("mkfs.vfat")
        .args(["-n", "PHOTOS"])
        .arg(&image)
        .output();
    let (Ok(_), Some(mut command)) = (formatted, command(base.path(), &image)) else {
        return eprintln!("left out: no vfat here (no kernel with it, no user-mode-linux)");
    };
    let boot_sector = fs::read(&image).unwrap()[..512].to_vec();

    run_to_end(&mut command);

    let log = fs::read_to_string(base.path().join("log")).unwrap_or_default();
    assert!(base.path().join("done").exists(), "{log}");
    let [before, made, added, renewed] =
        ["before", "made", "added", "renewed"].map(|it| files(&base, it));
    assert_eq!(before.len(), 3, "{before:?}");
    assert_eq!(new(&before, &made), ["./strongroom.key"]);
    assert_eq!(new(&made, &added), ["./spare/strongroom.key"]);
    assert_eq!(
        new(&added, &renewed),
        ["./strongroom.key"],
        "with a passphrase"
    );
    assert_eq!(renewed.len(), before.len() + 2, "and nothing is left over");
    assert!(
        log.contains("opened by it"),
        "the spare stick opens the vault: {log}"
    );
    // Serial number, label, sizes: who formats writes another.
    assert!(fs::read(&image).unwrap()[..512] == boot_sector);
    let checked = Command::new("fsck.vfat").arg("-n").arg(&image).output();
    let checked = checked.unwrap();
    assert!(checked.status.success(), "{checked:?}");
}
