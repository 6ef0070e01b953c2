//! A real Prosody on loopback, with its own folder, ports and certificate authority.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};
use std::{fs, thread};

use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

/// Accounts on `localhost`, each with the password `pw-<name>`.
const ACCOUNTS: [&str; 3] = ["vault", "owner", "mallory"];

/// The running server; it ends with this value.
pub(crate) struct Prosody {
    folder: TempDir,
    process: Child,
    log: Arc<(Mutex<String>, Condvar)>,
    pub(crate) starttls_port: u16,
    pub(crate) direct_tls_port: u16,
}

impl Prosody {
    pub(crate) fn start() -> Self {
        let folder = TempDir::new().unwrap();
        make_certificates(folder.path());
        let [starttls_port, direct_tls_port, http_port] = free_ports();
        let config = include_str!("prosody.cfg.lua")
            .replace("@FOLDER@", folder.path().to_str().unwrap())
            .replace("@STARTTLS@", &starttls_port.to_string())
            .replace("@DIRECT@", &direct_tls_port.to_string())
            .replace("@HTTP@", &http_port.to_string());
        fs::write(folder.path().join("prosody.cfg.lua"), config).unwrap();
        fs::create_dir(folder.path().join("modules")).unwrap();
        let module = include_str!("mod_strange.lua");
        fs::write(folder.path().join("modules/mod_strange.lua"), module).unwrap();
        for (host, name) in ACCOUNTS.map(|name| ("localhost", name)).into_iter().chain([
            ("plain%2elocalhost", "vault"),
            ("plain%2elocalhost", "owner"),
            ("other%2etest", "vault"),
        ]) {
            let accounts = folder.path().join("data").join(host).join("accounts");
            fs::create_dir_all(&accounts).unwrap();
            let account = format!("return {{ [\"password\"] = \"pw-{name}\" }};");
            fs::write(accounts.join(format!("{name}.dat")), account).unwrap();
        }
        let mut process = Command::new("prosody")
            .arg("--config")
            .arg(folder.path().join("prosody.cfg.lua"))
            .arg("-F")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the Debian package prosody is installed");
        let log = Arc::new((Mutex::new(String::new()), Condvar::new()));
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let shared = Arc::clone(&log);
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let (text, grown) = &*shared;
                let mut text = text.lock().unwrap();
                text.push_str(&line);
                text.push('\n');
                grown.notify_all();
            }
        });
        let server = Self {
            folder,
            process,
            log,
            starttls_port,
            direct_tls_port,
        };
        server.wait_for_log("Activated service 'c2s_direct_tls'");
        server.wait_for_log("Activated service 'c2s' on");
        server
    }

    /// Waits until the server's log has this text.
    pub(crate) fn wait_for_log(&self, text: &str) {
        let (log, grown) = &*self.log;
        let until = Instant::now() + Duration::from_secs(30);
        let mut log = log.lock().unwrap();
        while !log.contains(text) {
            let left = until.checked_duration_since(Instant::now());
            let left = left.unwrap_or_else(|| panic!("the log never said {text:?}:\n{log}"));
            log = grown.wait_timeout(log, left).unwrap().0;
        }
    }

    pub(crate) fn log(&self) -> String {
        self.log.0.lock().unwrap().clone()
    }

    pub(crate) fn ca(&self) -> Vec<u8> {
        fs::read(self.folder.path().join("ca.crt")).unwrap()
    }

    pub(crate) fn certificate_sha256(&self) -> [u8; 32] {
        Sha256::digest(fs::read(self.folder.path().join("server.der")).unwrap()).into()
    }
}

impl Drop for Prosody {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if thread::panicking() {
            let log = self.log();
            for line in log.lines().skip(log.lines().count().saturating_sub(40)) {
                println!("{}", line.chars().take(300).collect::<String>());
            }
        }
    }
}

fn free_ports<const N: usize>() -> [u16; N] {
    let listeners = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

fn make_certificates(folder: &Path) {
    let script = include_str!("certificates.sh");
    let made = Command::new("sh")
        .arg("-ec")
        .arg(script)
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
}
