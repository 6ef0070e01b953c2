//! `strongroom stick`: what is mounted for the daemon and what is not, on real block devices.
//!
//! Images in memory stand for sticks. Takes loop devices and the right to mount; without, the tests say
//! so and do nothing.

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::{fs::MetadataExt as _, net::UnixListener, net::UnixStream},
    },
    path::Path,
    process::{Child, Command, Stdio},
    thread,
};

use rustix::{
    fs::{Mode, OFlags, openat},
    io::Errno,
};
use strongroom::{
    daemon::carry::held::{Asked, Held},
    keeper::{carry::Refused, evening::Choice},
};

use crate::prepare::{Place, Plugged, changed, ext4, ext4_more, said};

const STICK_BYTES: u64 = 64 << 20;
const DAEMONS: u32 = 12_345;

/// A kind of file system, what makes one, and how.
type Kind = (&'static str, &'static str, fn(&Path));

/// Asks as the daemon does; the program is started for the connection, as the service manager does.
fn ask(place: &Place, asked: &Asked, sticks: &[&Plugged]) -> (Result<Held, Refused>, Child) {
    let socket = place.at("sticks");
    let _ = fs::remove_file(&socket);
    let listener = UnixListener::bind(&socket).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_strongroom"));
    command.arg("--config").arg(place.at("settings.toml"));
    command.arg("stick");
    for stick in sticks {
        command.args(["--only", stick.name()]);
    }
    let starter = thread::spawn(move || {
        let (line, _): (UnixStream, _) = listener.accept().unwrap();
        command.stdin(Stdio::from(OwnedFd::from(line)));
        command.spawn().unwrap()
    });
    let held = Held::ask(&socket, asked);
    (held, starter.join().unwrap())
}

fn looked(place: &Place, sticks: &[&Plugged]) -> Result<Choice, Refused> {
    let (held, mut child) = ask(place, &Asked::to_look(None, true), sticks);
    let choice = held.map(|held| {
        let choice = held.stick.choice();
        assert!(held.let_go(), "it is free again");
        choice
    });
    assert!(child.wait().unwrap().success());
    choice
}

fn place() -> Option<Place> {
    let mut place = Place::new()?;
    let uid = rustix::fs::Uid::from_raw(DAEMONS);
    rustix::fs::chown(place.at("card"), Some(uid), None).unwrap();
    place.uid = Some(uid);
    Some(place)
}

fn vfat(image: &Path) {
    said("mkfs.vfat", &["-n", "HOLIDAY", image.to_str().unwrap()]).unwrap();
}

fn exfat(image: &Path) {
    said("mkfs.exfat", &[image.to_str().unwrap()]).unwrap();
}

fn has(program: &str) -> bool {
    let found = Command::new(program).arg("-V").output().is_ok();
    if !found {
        eprintln!("there is no {program}");
    }
    found
}

fn has_driver(kind: &str) -> bool {
    let _ = said("modprobe", &[kind]);
    let found = fs::read_to_string("/proc/filesystems")
        .unwrap()
        .contains(kind);
    if !found {
        eprintln!("this kernel has no {kind}");
    }
    found
}

#[test]
fn a_stick_is_mounted_nowhere_takes_a_file_of_the_daemons_and_is_free_when_it_is_let_go_of() {
    let Some(place) = place() else { return };
    let kinds: [Kind; 3] = [
        ("vfat", "mkfs.vfat", vfat),
        ("exfat", "mkfs.exfat", exfat),
        ("ext4", "mkfs.ext4", ext4),
    ];
    for (kind, program, make) in kinds {
        if !has(program) || !has_driver(kind) {
            continue;
        }
        let stick = place.plug(kind, STICK_BYTES, make);
        let choice = looked(&place, &[&stick]).unwrap();

        let (held, mut child) = ask(&place, &Asked::very(&choice, true), &[&stick]);
        let held = held.unwrap();
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let (free, file_system) = (held.stick.free, held.stick.file_system.clone());
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
        let name = "Strongroom/Fähre ☀.jpg";
        let file = openat(held.folder.as_fd(), name, flags, Mode::RUSR | Mode::WUSR);
        File::from(file.unwrap()).write_all(b"a photo").unwrap();
        let top = openat(
            held.folder.as_fd(),
            "Strongroom",
            OFlags::RDONLY,
            Mode::empty(),
        );
        let top = File::from(top.unwrap()).metadata().unwrap();
        assert!(held.let_go(), "{kind}: it is free");
        assert!(child.wait().unwrap().success());

        assert!(
            !mounts.contains(stick.name()),
            "{kind}: nobody else sees it"
        );
        assert_eq!(file_system, kind);
        assert!(
            (STICK_BYTES / 2..STICK_BYTES).contains(&free),
            "{kind}: {free}"
        );
        assert_eq!(top.uid(), DAEMONS, "{kind}: the folder is the daemon's");
        // What was written is on it, and nothing can be written where that is not wanted.
        let (held, mut child) = ask(&place, &Asked::very(&choice, false), &[&stick]);
        let held = held.unwrap();
        let file = openat(held.folder.as_fd(), name, OFlags::RDONLY, Mode::empty());
        let mut content = Vec::new();
        File::from(file.unwrap()).read_to_end(&mut content).unwrap();
        assert_eq!(content, b"a photo", "{kind}");
        let refused = openat(held.folder.as_fd(), "Strongroom/more", flags, Mode::RUSR);
        assert_eq!(refused.unwrap_err(), Errno::ROFS, "{kind}");
        assert!(held.let_go(), "{kind}: it is free");
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn an_ext4_that_asks_for_a_kernel_panic_at_its_first_error_is_not_obeyed() {
    let Some(place) = place() else { return };
    let stick = place.plug("angry", STICK_BYTES, |it| {
        ext4(it);
        said("tune2fs", &["-e", "panic", it.to_str().unwrap()]).unwrap();
    });
    let of_mount = || {
        let path = format!("/proc/fs/ext4/{}/options", stick.name());
        let options = fs::read_to_string(path).unwrap();
        let errors = options.lines().find(|it| it.starts_with("errors="));
        errors.unwrap_or_default().to_owned()
    };
    let choice = looked(&place, &[&stick]).unwrap();

    let mut held_with = Vec::new();
    for writes in [false, true] {
        let (held, mut child) = ask(&place, &Asked::very(&choice, writes), &[&stick]);
        let held = held.unwrap();
        held_with.push(of_mount());
        assert!(held.let_go(), "it is free");
        assert!(child.wait().unwrap().success());
    }
    fs::create_dir_all(place.at("look")).unwrap();
    let look = place.at("look");
    let look = look.to_str().unwrap();
    said("mount", &["-o", "ro", &*stick.node(), look]).unwrap();
    let else_with = of_mount();
    said("umount", &[look]).unwrap();

    assert_eq!(held_with, ["errors=remount-ro"; 2]);
    assert_eq!(else_with, "errors=panic", "the control");
}

#[test]
fn a_key_a_vault_a_labelled_drive_and_what_is_in_use_are_never_held() {
    let Some(place) = place() else { return };
    let key = place.plug("key", STICK_BYTES, |it| {
        ext4(it);
        ext4_more(it, "strongroom.key");
    });
    let vault = place.plug("vault", STICK_BYTES, |it| {
        ext4(it);
        changed(it, "mkdir vault");
        ext4_more(it, "vault/strongroom.vault");
    });
    let labelled = place.plug("labelled", STICK_BYTES, |it| {
        said(
            "mkfs.ext4",
            &["-q", "-F", "-L", "strongroom-data", it.to_str().unwrap()],
        )
        .unwrap();
    });
    let bare = place.plug("bare", STICK_BYTES, |_| ());
    let used = place.plug("used", STICK_BYTES, ext4);
    fs::create_dir_all(place.at("look")).unwrap();
    said(
        "mount",
        &[&*used.node(), place.at("look").to_str().unwrap()],
    )
    .unwrap();
    let honest = place.plug("honest", STICK_BYTES, ext4);
    let other = place.plug("other", STICK_BYTES, ext4);

    for (what, stick) in [
        ("a key", &key),
        ("a vault", &vault),
        ("a label", &labelled),
        ("no file system", &bare),
        ("in use", &used),
    ] {
        assert_eq!(
            looked(&place, &[stick]).unwrap_err(),
            Refused::NoStick,
            "{what}"
        );
    }

    assert!(looked(&place, &[&key, &honest]).is_ok(), "the honest twin");
    let several = looked(&place, &[&honest, &other]).unwrap_err();
    assert!(matches!(several, Refused::Several(it) if it.len() == 2));
    // What was shown is no longer there, although one of its name is.
    let another = Choice {
        name: honest.name().to_owned(),
        seen: Some((STICK_BYTES, "another".to_owned())),
    };
    let (held, mut child) = ask(&place, &Asked::very(&another, true), &[&honest]);
    assert!(matches!(held, Err(Refused::NotThere { .. })));
    assert!(child.wait().unwrap().success());
}
