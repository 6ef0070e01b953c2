//! Under a service manager: ready, alive, stopping, each said on its socket, sd_notify(3); and the
//! log in its journal.

use std::{
    os::unix::net::UnixDatagram,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use rustix::process::geteuid;
use serde_json::Value;

use crate::{daemon::Daemon, home::Home, journal::PATIENCE};

/// The service manager's end of the socket.
struct Manager {
    socket: UnixDatagram,
    said: Vec<String>,
}

impl Manager {
    /// Reads until one of the lines is `wanted`.
    fn wait(&mut self, wanted: &str) {
        let end = Instant::now() + PATIENCE;
        let mut buffer = [0; 4096];
        while !self.said.iter().any(|line| line == wanted) {
            assert!(Instant::now() < end, "no {wanted} in {:?}", self.said);
            if let Ok(length) = self.socket.recv(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..length]);
                self.said.extend(text.lines().map(str::to_owned));
            }
        }
    }

    fn count(&self, wanted: &str) -> usize {
        self.said.iter().filter(|line| *line == wanted).count()
    }
}

#[test]
fn the_service_manager_hears_ready_then_signs_of_life_then_stopping() {
    let home = Home::new();
    let path = home.path("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    let mut manager = Manager {
        socket,
        said: Vec::new(),
    };
    let mut command = home.command();
    command
        .arg("run")
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "400000");
    let mut daemon = Daemon::spawn(&mut command);

    manager.wait("READY=1");
    let before_ready = manager.count("STOPPING=1");
    manager.wait("WATCHDOG=1");
    manager.wait("STATUS=online");
    daemon.terminate();
    manager.wait("STOPPING=1");

    assert_eq!((before_ready, manager.count("READY=1")), (0, 1));
    assert!(daemon.wait_exit(Duration::from_secs(10)).success());
}

const JOURNALD: &str = "/lib/systemd/systemd-journald";

/// Starts a journal of its own on an empty `/run`, then the daemon with its standard error there
/// as a service manager connects it; ends both when the daemon is online, and prints the journal.
const UNDER_A_JOURNAL: &str = r#"
set -eu
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/journal /run/log/journal
"$1" 2> /dev/null & journald=$!
until [ -S /run/systemd/journal/stdout ]; do sleep 0.05; done
shift
systemd-cat --identifier=strongroom sh -c \
    'JOURNAL_STREAM=$(stat -L -c %d:%i /dev/stderr) exec "$@"' sh "$@" & daemon=$!
journal() { journalctl --directory=/run/log/journal --output=json --quiet _TRANSPORT=journal; }
tries=600
until journal | grep -q online; do
    tries=$((tries - 1)); [ $tries -gt 0 ] || break; sleep 0.1
done
kill $daemon; wait $daemon
journal
kill $journald
"#;

#[test]
fn connected_to_the_journal_each_line_of_the_log_is_an_entry_with_its_level_and_room() {
    if !geteuid().is_root() || !Path::new(JOURNALD).exists() {
        println!("not run: a journal of one's own needs root and systemd-journald");
        return;
    }
    let home = Home::new();
    let run = home.command();
    let output = Command::new("unshare")
        .args(["--mount", "--propagation", "private"])
        .args(["sh", "-c", UNDER_A_JOURNAL, "sh", JOURNALD])
        .arg(run.get_program())
        .args(run.get_args())
        .arg("run")
        .output()
        .unwrap();

    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let entries: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let online = entries
        .iter()
        .find(|entry| {
            entry["MESSAGE"]
                .as_str()
                .is_some_and(|it| it.contains("online"))
        })
        .unwrap_or_else(|| panic!("{text}"));
    assert_eq!(online["SYSLOG_IDENTIFIER"], "strongroom");
    // "notice": the logger keeps 6 for what is of use to developers.
    assert_eq!(online["PRIORITY"], "5");
    assert!(online["TARGET"].as_str().unwrap().starts_with("strongroom"));
    assert_eq!(online["STRONGROOM_PROCESS"], "daemon");
    assert_eq!(online["STRONGROOM_VERSION"], env!("CARGO_PKG_VERSION"));
}
