//! A Prosody of its own for one test, on loopback.

use std::{
    collections::HashSet,
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{LazyLock, Mutex},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::TempDir;

use crate::journal::PATIENCE;

/// The virtual host of all but one test; its upload service is `upload.localhost`.
pub(crate) const DOMAIN: &str = "localhost";

/// Ports that were handed out in this process, so that no two servers share one.
static TAKEN: LazyLock<Mutex<HashSet<u16>>> = LazyLock::new(Mutex::default);

/// A running server with its accounts. Dropping it stops it.
pub(crate) struct Prosody {
    folder: TempDir,
    c2s: u16,
    direct_tls: u16,
    https: u16,
    child: Option<Child>,
}

impl Prosody {
    /// Starts a server with these accounts that takes uploads of up to 64 MiB.
    pub(crate) fn start(accounts: &[&str]) -> Self {
        Self::start_with(accounts, 64)
    }

    /// Starts a server that takes uploads of up to `limit_mib`.
    pub(crate) fn start_with(accounts: &[&str], limit_mib: u32) -> Self {
        for _ in 0..3 {
            let mut server = Self::configure(limit_mib);
            server.register(accounts);
            if server.run() {
                return server;
            }
        }
        panic!("Prosody found its ports taken three times");
    }

    fn configure(limit_mib: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("data")).unwrap();
        fs::create_dir(folder.path().join("certs")).unwrap();
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers");
        run(Command::new("bash")
            .arg(sources.join("mkca.sh"))
            .arg(folder.path()));
        let [c2s, direct_tls, https] = free_ports();
        let mut config = fs::read_to_string(sources.join("prosody.cfg.lua")).unwrap();
        for (word, value) in [
            ("@BASE@", folder.path().display().to_string()),
            ("@RUN_AS_ROOT@", geteuid().is_root().to_string()),
            ("@C2S@", c2s.to_string()),
            ("@DIRECT_TLS@", direct_tls.to_string()),
            ("@HTTPS@", https.to_string()),
            ("@LIMIT_MIB@", limit_mib.to_string()),
            ("@LOG_LEVEL@", "info".to_owned()),
        ] {
            config = config.replace(word, &value);
        }
        fs::write(folder.path().join("prosody.cfg.lua"), config).unwrap();
        Self {
            folder,
            c2s,
            direct_tls,
            https,
            child: None,
        }
    }

    /// Makes accounts; works on a running server too.
    pub(crate) fn register(&self, accounts: &[&str]) {
        for account in accounts {
            self.register_at(account, DOMAIN);
        }
    }

    /// Makes an account on one of the virtual hosts.
    pub(crate) fn register_at(&self, account: &str, domain: &str) {
        let mut command = Command::new("prosodyctl");
        command.arg("--config").arg(self.config());
        run(command.args(["register", account, domain, &password(account)]));
    }

    /// Starts the process; tells whether it got its ports.
    fn run(&mut self) -> bool {
        fs::write(self.log_file(), "").unwrap();
        let child = Command::new("prosody")
            .arg("--config")
            .arg(self.config())
            .arg("-F")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("Prosody is not installed: run `make setup`");
        self.child = Some(child);
        let end = Instant::now() + PATIENCE;
        for port in [self.c2s, self.direct_tls, self.https] {
            while TcpStream::connect(address(port)).is_err() {
                let exited = self.child.as_mut().unwrap().try_wait().unwrap();
                assert!(exited.is_none(), "Prosody ended at once:\n{}", self.log());
                assert!(
                    Instant::now() < end,
                    "Prosody does not listen:\n{}",
                    self.log()
                );
                thread::sleep(Duration::from_millis(20));
            }
        }
        // Somebody else may be listening there.
        !self.log().contains("Failed to open server port")
    }

    /// Stops the server in good order, if it runs.
    pub(crate) fn stop(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        let pid = Pid::from_child(&child);
        kill_process(pid, Signal::TERM).ok();
        let end = Instant::now() + Duration::from_secs(10);
        while child.try_wait().unwrap().is_none() {
            if Instant::now() > end {
                child.kill().ok();
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Starts the server again on the same ports with all it had.
    pub(crate) fn start_again(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        assert!(self.run(), "the ports were taken meanwhile");
    }

    /// Stops the server and starts it again.
    pub(crate) fn restart(&mut self) {
        self.stop();
        self.start_again();
    }

    /// The process id, for looking at its memory.
    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// The port for STARTTLS.
    pub(crate) fn c2s_port(&self) -> u16 {
        self.c2s
    }

    /// The port for TLS from the first byte (XEP-0368).
    pub(crate) fn direct_tls_port(&self) -> u16 {
        self.direct_tls
    }

    /// The port of the upload service.
    pub(crate) fn https_port(&self) -> u16 {
        self.https
    }

    /// The folder of everything the server has.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The authority that signed the server's certificate, PEM.
    pub(crate) fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.crt")
    }

    /// What the server has written to its log since it was last started.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("prosody.log")
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("prosody.cfg.lua")
    }
}

impl Drop for Prosody {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("--- Prosody's log\n{}", self.log());
        }
        self.stop();
    }
}

/// The password of a test account.
pub(crate) fn password(account: &str) -> String {
    format!("pw-{account}")
}

/// The address of a test account.
pub(crate) fn jid(account: &str) -> String {
    format!("{account}@{DOMAIN}")
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn free_ports<const N: usize>() -> [u16; N] {
    let mut taken = TAKEN.lock().unwrap();
    let mut held = Vec::new();
    let mut ports = Vec::new();
    while ports.len() < N {
        let listener = TcpListener::bind(address(0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        held.push(listener);
        if taken.insert(port) {
            ports.push(port);
        }
    }
    ports.try_into().unwrap()
}

fn run(command: &mut Command) {
    let output = command
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| {
            panic!("{command:?}: {error}; run `make setup`");
        });
    assert!(
        output.status.success(),
        "{command:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
