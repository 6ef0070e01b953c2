//! What the vault process cannot do, and what nobody can do to it.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, geteuid, kill_process};

use crate::{
    daemon::{Daemon, strongroom},
    home::Home,
    journal::PATIENCE,
};

/// What the walls leave.
const ALLOWED: &[&str] = &["write inside", "read inside", "thread"];

/// Tries everything that the probe knows; returns each attempt and whether it succeeded.
fn attempts(folder: &Path, with: &[&str]) -> BTreeMap<String, bool> {
    let (inside, outside) = (folder.join("inside"), folder.join("outside"));
    fs::create_dir_all(&inside).unwrap();
    fs::create_dir_all(&outside).unwrap();
    fs::write(outside.join("secret"), "x").unwrap();
    let mut command = strongroom();
    command
        .arg("sandbox-probe")
        .args(with)
        .arg(inside)
        .arg(outside);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    said.lines()
        .map(|line| line.rsplit_once(": ").unwrap())
        .map(|(what, answer)| (what.to_owned(), answer == "yes"))
        .collect()
}

#[test]
fn the_vault_process_can_do_nothing_but_keep_its_folder() {
    let folder = tempfile::tempdir().unwrap();

    let free = attempts(&folder.path().join("free"), &["--bare"]);
    let confined = attempts(&folder.path().join("confined"), &[]);

    assert!(free.len() >= 18, "{free:?}");
    for (what, succeeds) in &free {
        assert!(succeeds, "without walls: {what}");
    }
    for (what, succeeds) in &confined {
        assert_eq!(*succeeds, ALLOWED.contains(&what.as_str()), "{what}");
    }
    assert_eq!(free.len(), confined.len());
}

/// Waits for the vault to be open, and returns the process that has it.
pub(crate) fn vault_process(daemon: &Daemon) -> u32 {
    daemon.wait_line("the index is open");
    daemon.children()[0]
}

/// Reads a line of /proc/PID/status.
fn status(pid: u32, name: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|it| it.strip_prefix(name));
    line.unwrap().trim_start_matches(':').trim().to_owned()
}

/// The writable memory of a process that may be swapped out. proc(5)
fn swappable(pid: u32) -> Vec<String> {
    let maps = fs::read_to_string(format!("/proc/{pid}/smaps")).unwrap();
    let mut found = Vec::new();
    let mut mapping = "";
    for line in maps.lines() {
        if let Some(flags) = line.strip_prefix("VmFlags:") {
            let is_locked = flags.split_whitespace().any(|it| it == "lo");
            if mapping.contains(" rw") && !mapping.contains("[v") && !is_locked {
                found.push(mapping.to_owned());
            }
        } else if line
            .split_whitespace()
            .next()
            .is_some_and(|it| it.contains('-'))
        {
            mapping = line;
        }
    }
    found
}

/// Waits until a process is no more, not even as a zombie.
pub(crate) fn wait_gone(pid: u32) -> Duration {
    let start = Instant::now();
    while Path::new(&format!("/proc/{pid}")).exists() {
        assert!(start.elapsed() < PATIENCE, "process {pid} is still there");
        std::thread::sleep(Duration::from_millis(1));
    }
    start.elapsed()
}

fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

/// The vault process has nothing of the daemon's environment, and none of its files.
fn assert_no_strays(home: &Home, daemon: &Daemon, vault: u32) {
    let environment = fs::read(format!("/proc/{vault}/environ")).unwrap();
    let environment = String::from_utf8(environment).unwrap();
    let stray = environment
        .split('\0')
        .find(|it| !it.is_empty() && !it.starts_with("JOURNAL_"));
    assert_eq!(stray, None);
    let open = |pid| -> Vec<String> {
        let folder = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
        let links = folder.map(|it| fs::read_link(it.unwrap().path()).unwrap());
        links.map(|it| it.display().to_string()).collect()
    };
    assert!(
        open(daemon.pid()).contains(&"/etc/passwd".to_owned()),
        "the control"
    );
    let vault_folder = home.vault().canonicalize().unwrap();
    for it in open(vault) {
        let own = it.starts_with(vault_folder.to_str().unwrap());
        assert!(
            own || it.starts_with("socket:") || it.starts_with("pipe:"),
            "it holds {it}"
        );
    }
}

#[test]
fn the_vault_process_is_walled_in_leaves_no_dump_and_dies_with_the_daemon() {
    let mut home = Home::new();
    // A descriptor that the daemon did not ask for.
    let mut command = Command::new("sh");
    command
        .args(["-c", "exec 9</etc/passwd; exec \"$@\"", "sh"])
        .arg(env!("CARGO_BIN_EXE_strongroom"))
        .arg("--config")
        .arg(home.settings())
        .arg("run");
    let daemon = Daemon::spawn(&mut command);
    let vault = vault_process(&daemon);

    let limits = |pid| fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    for pid in [daemon.pid(), vault] {
        let core = limits(pid);
        let core = core
            .lines()
            .find(|it| it.starts_with("Max core file size"))
            .unwrap();
        assert_eq!(
            core.split_whitespace().filter(|it| *it == "0").count(),
            2,
            "{core}"
        );
    }
    assert_eq!(status(vault, "NoNewPrivs"), "1");
    assert_eq!(status(vault, "Seccomp"), "2");
    if geteuid().is_root() {
        assert_eq!(swappable(vault), [] as [String; 0]);
        let said = daemon.said();
        assert!(!said.iter().any(|it| it.contains("mlock")), "{said:?}");
        assert!(!swappable(daemon.pid()).is_empty(), "the control");
        assert_no_strays(&home, &daemon, vault);
    } else {
        eprintln!("left out: what the vault process holds is shown to root only");
    }

    // Stopped, it cannot see its socket close: only the kernel's signal ends it.
    signal(vault, Signal::STOP);
    home.daemon = Some(daemon);
    home.daemon.as_mut().unwrap().kill_9();

    wait_gone(vault);
}
