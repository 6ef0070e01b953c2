//! A server of its own for one test, on loopback: the installed Prosody, unless the run is about
//! another kind.

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

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::{
    journal::PATIENCE,
    server::{Kind, LOG, Ports, run},
};

/// The virtual host of all but one test; its upload service is `upload.localhost`.
pub(crate) const DOMAIN: &str = "localhost";

/// Ports that were handed out in this process, so that no two servers share one.
static TAKEN: LazyLock<Mutex<HashSet<u16>>> = LazyLock::new(Mutex::default);

/// A running server with its accounts. Dropping it stops it.
pub(crate) struct Prosody {
    kind: Kind,
    folder: TempDir,
    ports: Ports,
    child: Option<Child>,
}

impl Prosody {
    /// Starts a server with these accounts that takes uploads of up to 64 MiB.
    pub(crate) fn start(accounts: &[&str]) -> Self {
        Self::start_with(accounts, 64)
    }

    /// Starts a server that takes uploads of up to `limit_mib`.
    pub(crate) fn start_with(accounts: &[&str], limit_mib: u32) -> Self {
        Self::launch(Kind::of_this_run(), accounts, limit_mib, &[])
    }

    /// Starts the installed Prosody with changes to its settings: each text replaced by another.
    pub(crate) fn start_changed(accounts: &[&str], changes: &[(&str, &str)]) -> Self {
        Self::launch(Kind::Prosody, accounts, 64, changes)
    }

    /// Starts a second Prosody with the certificates of a first one, for another domain.
    pub(crate) fn start_beside(&self, changes: &[(&str, &str)], accounts: &[&str]) -> Self {
        for _ in 0..3 {
            let folder = tempfile::tempdir().unwrap();
            for name in ["ca.crt", "server.crt", "server.key"] {
                fs::copy(self.folder.path().join(name), folder.path().join(name)).unwrap();
            }
            let mut server = Self::configure(Kind::Prosody, folder, 64, changes);
            for account in accounts {
                let (user, domain) = account.split_once('@').unwrap();
                server.register_at(user, domain);
            }
            if server.run() {
                return server;
            }
        }
        panic!("the server found its ports taken three times");
    }

    fn launch(kind: Kind, accounts: &[&str], limit_mib: u32, changes: &[(&str, &str)]) -> Self {
        for _ in 0..3 {
            let folder = tempfile::tempdir().unwrap();
            let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers");
            run(Command::new("bash")
                .arg(sources.join("mkca.sh"))
                .arg(folder.path()));
            let mut server = Self::configure(kind, folder, limit_mib, changes);
            if !kind.registers_running() {
                server.register(accounts);
            }
            if server.run() {
                if kind.registers_running() {
                    server.register(accounts);
                }
                return server;
            }
        }
        panic!("the server found its ports taken three times");
    }

    fn configure(kind: Kind, folder: TempDir, limit_mib: u32, changes: &[(&str, &str)]) -> Self {
        fs::create_dir(folder.path().join("data")).unwrap();
        fs::create_dir(folder.path().join("certs")).unwrap();
        let [c2s, direct_tls, https, api] = free_ports();
        let ports = Ports {
            c2s,
            direct_tls,
            https,
            api,
        };
        kind.configure(folder.path(), &ports, limit_mib, changes);
        Self {
            kind,
            folder,
            ports,
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
        let secret = password(account);
        let account = [account, domain, &secret];
        self.kind.register(self.folder.path(), &self.ports, account);
    }

    /// Starts the process; tells whether it got its ports.
    fn run(&mut self) -> bool {
        fs::write(self.log_file(), "").unwrap();
        let child = self
            .kind
            .command(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server is not installed: run `make setup`");
        self.child = Some(child);
        let end = Instant::now() + PATIENCE;
        for port in self.kind.listens_on(&self.ports) {
            while TcpStream::connect(address(port)).is_err() {
                let exited = self.child.as_mut().unwrap().try_wait().unwrap();
                assert!(
                    exited.is_none(),
                    "the server ended at once:\n{}",
                    self.log()
                );
                assert!(
                    Instant::now() < end,
                    "the server does not listen:\n{}",
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
        self.ports.c2s
    }

    /// The port for TLS from the first byte (XEP-0368).
    pub(crate) fn direct_tls_port(&self) -> u16 {
        self.ports.direct_tls
    }

    /// The port of the upload service.
    pub(crate) fn https_port(&self) -> u16 {
        self.ports.https
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
        self.folder.path().join(LOG)
    }
}

impl Drop for Prosody {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("--- the server's log\n{}", self.log());
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

/// Ports that nobody listens on.
pub(crate) fn free_ports<const N: usize>() -> [u16; N] {
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
