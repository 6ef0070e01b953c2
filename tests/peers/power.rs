//! The whole daemon killed at any time, losing power, and with little memory: the end-to-end part of
//! `make faults` (tests/faults has the rest). With `STRONGROOM_FAULTS=all` as often as THREATS demands,
//! else a few times. Power cuts and limits on memory need root; without it they say so and are left out.

use std::{
    collections::BTreeSet,
    env, fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

use crate::{
    crash::{assert_all_kept, share},
    daemon::Daemon,
    home::Home,
    journal::PATIENCE,
    phone::Phone,
};

/// How often: the short number in the tests, all of them in `make faults`.
pub(crate) fn times(short: u64, all: u64) -> u64 {
    if env::var_os("STRONGROOM_FAULTS").is_some_and(|it| it == "all") {
        all
    } else {
        short
    }
}

/// Adds a row to the table of `make faults`; whatever is wrong has ended the test before.
pub(crate) fn row(fault: &str, runs: u64, verdict: &str) {
    if let Some(path) = env::var_os("STRONGROOM_FAULTS_TABLE") {
        let mut file = fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .unwrap();
        writeln!(file, "{fault}\t{runs}\t{runs}\t0\t0\t0\t0 {verdict}").unwrap();
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Numbers that are the same in every run of the tests.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// Waits until the owner was told of each of the entries 1 to `count` that it is stored: one by one, or
/// in the summary of an opening.
fn wait_told(phone: &mut Phone, count: u64) {
    let mut told = BTreeSet::new();
    while told.len() as u64 != count {
        told.extend(numbers(&phone.wait_reply("stored")));
    }
}

/// The entries that a reply names: `#7`, or all from `#1-#5`.
fn numbers(reply: &str) -> Vec<u64> {
    let mut found: Vec<u64> = Vec::new();
    let mut is_range = false;
    for part in reply.split('#').skip(1) {
        let digits = part.chars().take_while(char::is_ascii_digit).count();
        if let Ok(number) = part[..digits].parse() {
            match found.last() {
                Some(&first) if is_range => found.extend(first + 1..=number),
                _ => found.push(number),
            }
        }
        is_range = &part[digits..] == "-";
    }
    found
}

#[test]
fn numbers_are_read_one_by_one_and_as_ranges() {
    assert_eq!(numbers("✅ #6 6.jpg, 70.0 kB, stored."), [6]);
    assert_eq!(numbers("stored as #1-#3, #7."), [1, 2, 3, 7]);
}

#[test]
fn a_daemon_killed_at_any_time_loses_nothing_and_doubles_nothing() {
    let mut home = Home::new();
    home.start();
    let mut phone = home.paired_phone();
    let kills = times(3, 20);
    let mut dice = Dice(2);

    for number in 1..=kills {
        share(&home, &mut phone, number);
        thread::sleep(Duration::from_millis(dice.below(250)));
        home.daemon.take().unwrap().kill_9();
        home.start();
    }

    wait_told(&mut phone, kills);
    assert_all_kept(&home, &mut phone, kills);
    row("F2 end to end: kill -9 at any time", kills, "holds");
}

/// Runs a program of the system as root.
fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {output:?}"
    );
}

/// An ext4 image mounted over a folder of the home: a device that can lose its power.
struct Device {
    image: PathBuf,
    at: PathBuf,
    cuts: u32,
}

impl Device {
    /// Puts what lies in a folder onto a device and mounts it there.
    fn under(home: &Home, at: PathBuf) -> Self {
        let name = at.file_name().unwrap().to_str().unwrap().to_owned();
        let (image, first) = (
            home.path(&format!("{name}.img")),
            home.path(&format!("{name}.old")),
        );
        // Beyond the daemon's reserve; nearly all of it is a hole.
        fs::File::create(&image).unwrap().set_len(4 << 30).unwrap();
        let device = Self { image, at, cuts: 0 };
        let image = device.image.to_str().unwrap();
        run("mkfs.ext4", &["-q", "-F", "-J", "size=4", image]);
        fs::rename(&device.at, &first).unwrap();
        fs::create_dir(&device.at).unwrap();
        device.mount();
        let from = format!("{}/.", first.display());
        run("cp", &["-a", &from, device.at.to_str().unwrap()]);
        run("sync", &["-f", device.at.to_str().unwrap()]);
        device
    }

    /// As forgetful as ext4 can be told to be.
    fn mount(&self) {
        let (image, at) = (self.image.to_str().unwrap(), self.at.to_str().unwrap());
        run(
            "mount",
            &["-o", "loop,commit=300,noauto_da_alloc", image, at],
        );
    }

    /// What has reached the device until now: all else is lost when the power goes.
    fn snapshot(&mut self) {
        self.cuts += 1;
        let left = self.image.with_extension(self.cuts.to_string());
        run(
            "cp",
            &[
                "--sparse=always",
                self.image.to_str().unwrap(),
                left.to_str().unwrap(),
            ],
        );
    }

    /// Goes on with what the snapshot has.
    fn come_back(&mut self) {
        run("umount", &[self.at.to_str().unwrap()]);
        fs::remove_file(&self.image).unwrap();
        fs::rename(
            self.image.with_extension(self.cuts.to_string()),
            &self.image,
        )
        .unwrap();
        self.mount();
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        // Nothing to be done if it is not mounted.
        let _ = Command::new("umount").arg("-l").arg(&self.at).output();
    }
}

#[test]
fn a_power_cut_that_loses_what_was_not_synced_loses_nothing_acknowledged() {
    const FAULT: &str = "F3 end to end: power cut of card and drive";
    if !is_root() {
        return row(FAULT, 0, "NOT RUN: it needs root to mount");
    }
    let mut home = Home::new();
    home.start();
    let mut phone = home.paired_phone();
    home.stop();
    let mut devices = [
        Device::under(&home, home.system()),
        Device::under(&home, home.path("drive")),
    ];
    let cuts = times(3, 20);
    let mut dice = Dice(3);
    home.start();

    for number in 1..=cuts {
        share(&home, &mut phone, number);
        thread::sleep(Duration::from_millis(dice.below(400)));
        // The control: what was synced is there afterwards, and what was written to it then is lost.
        let synced = format!("synced-{number}");
        for device in &devices {
            let file = fs::File::create(device.at.join(&synced)).unwrap();
            file.sync_all().unwrap();
            fs::File::open(&device.at).unwrap().sync_all().unwrap();
            fs::write(device.at.join(&synced), [7; 9000]).unwrap();
        }
        home.daemon.take().unwrap().kill_9();
        // What the owner has been told until now has to be there.
        devices.iter_mut().for_each(Device::snapshot);
        devices.iter_mut().for_each(Device::come_back);
        for device in &devices {
            assert_eq!(fs::metadata(device.at.join(&synced)).unwrap().len(), 0);
            fs::remove_file(device.at.join(&synced)).unwrap();
        }
        home.start();
    }

    wait_told(&mut phone, cuts);
    assert_all_kept(&home, &mut phone, cuts);
    home.stop();
    row(FAULT, cuts, "holds");
}

/// A group of processes that may use so much memory and no more; it goes with the last of them.
struct Group(PathBuf);

impl Group {
    /// `None` where there is no memory controller that can be used.
    fn limited_to(mib: u64) -> Option<Self> {
        let name = format!("strongroom-faults-{}-{mib}", std::process::id());
        let bytes = (mib << 20).to_string();
        for (root, file) in [
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            ("/sys/fs/cgroup", "memory.max"),
        ] {
            let group = Self(Path::new(root).join(&name));
            if fs::create_dir(&group.0).is_ok() && fs::write(group.0.join(file), &bytes).is_ok() {
                return Some(group);
            }
        }
        None
    }

    /// Starts the daemon inside, without its children having another place.
    fn start(&self, home: &Home) -> Daemon {
        let real = home.command();
        let mut command = Command::new("sh");
        command
            .args(["-c", "echo $$ > \"$0\" && exec \"$@\""])
            .arg(self.0.join("cgroup.procs"))
            .arg(real.get_program())
            .args(real.get_args())
            .arg("run");
        Daemon::spawn(&mut command)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for _ in 0..50 {
            if fs::remove_dir(&self.0).is_ok() {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn the_daemon_does_its_work_in_64_mib_of_memory() {
    const FAULT: &str = "F22 end to end: MemoryMax=64M, daemon and vault process";
    let Some(group) = Group::limited_to(64) else {
        return row(FAULT, 0, "NOT RUN: there is no memory controller to use");
    };
    let mut home = Home::new();
    home.start();
    let mut phone = home.paired_phone();
    home.stop();
    let files = times(3, 20);

    // The control: the limit is one. In 2 MiB nothing of ours can live.
    let tight = Group::limited_to(2).unwrap();
    let mut killed = tight.start(&home);
    assert!(!killed.wait_exit(PATIENCE).success());
    drop(tight);

    let daemon = group.start(&home);
    daemon.wait_line("online");
    let pid = daemon.pid();
    home.daemon = Some(daemon);
    for number in 1..=files {
        share(&home, &mut phone, number);
    }
    wait_told(&mut phone, files);
    assert_all_kept(&home, &mut phone, files);

    assert_eq!(
        home.daemon().pid(),
        pid,
        "it is the same process all the time"
    );
    home.stop();
    row(FAULT, files, "holds");
}
