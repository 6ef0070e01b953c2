//! The kinds of server that the tests run against: how each is configured, started and given
//! accounts.
//!
//! `STRONGROOM_PEERS_SERVER` names the kind; `make servers` runs through all of them.

use std::{
    env, fs,
    io::{Read, Write},
    net::{Ipv4Addr, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use rustix::process::geteuid;

use crate::journal::PATIENCE;

/// Where Debian's ejabberd keeps the programs of its virtual machine.
const ERLANG: &str = "/usr/lib/erlang";

/// A kind of server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The Prosody that is installed.
    Prosody,
    /// Prosody 13.0, unpacked by `scripts/fetch-servers.sh`.
    Prosody13,
    /// ejabberd, unpacked by `scripts/fetch-servers.sh`.
    Ejabberd,
}

/// What is filled into the settings of a server.
pub(crate) struct Ports {
    pub(crate) c2s: u16,
    pub(crate) direct_tls: u16,
    pub(crate) https: u16,
    /// For orders to ejabberd.
    pub(crate) api: u16,
}

impl Kind {
    /// The kind that this run is about.
    pub(crate) fn of_this_run() -> Self {
        match env::var("STRONGROOM_PEERS_SERVER").as_deref() {
            Ok("prosody-13") => Self::Prosody13,
            Ok("ejabberd") => Self::Ejabberd,
            Ok("prosody") | Err(_) => Self::Prosody,
            Ok(other) => panic!("STRONGROOM_PEERS_SERVER is {other}, which no test knows"),
        }
    }

    /// Writes the settings into the server's folder, where the certificates are already.
    pub(crate) fn configure(
        self,
        folder: &Path,
        ports: &Ports,
        limit_mib: u32,
        changes: &[(&str, &str)],
    ) {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers");
        let mut config = fs::read_to_string(sources.join(self.template())).unwrap();
        for (from, to) in changes {
            assert!(config.contains(from), "{from}");
            config = config.replace(from, to);
        }
        for (word, value) in [
            ("@BASE@", folder.display().to_string()),
            ("@RUN_AS_ROOT@", geteuid().is_root().to_string()),
            ("@C2S@", ports.c2s.to_string()),
            ("@DIRECT_TLS@", ports.direct_tls.to_string()),
            ("@HTTPS@", ports.https.to_string()),
            ("@API@", ports.api.to_string()),
            ("@LIMIT_MIB@", limit_mib.to_string()),
            ("@LIMIT_BYTES@", (u64::from(limit_mib) << 20).to_string()),
            ("@LOG_LEVEL@", "info".to_owned()),
        ] {
            config = config.replace(word, &value);
        }
        let module = "mod_s2s_at.lua";
        fs::copy(sources.join(module), folder.join(module)).unwrap();
        if self == Self::Ejabberd {
            let both = ["server.crt", "server.key"].map(|it| fs::read(folder.join(it)).unwrap());
            fs::write(folder.join("server.pem"), both.concat()).unwrap();
            fs::create_dir(folder.join("uploads")).unwrap();
        }
        fs::write(folder.join(self.template()), config).unwrap();
    }

    fn template(self) -> &'static str {
        match self {
            Self::Prosody | Self::Prosody13 => "prosody.cfg.lua",
            Self::Ejabberd => "ejabberd.yml",
        }
    }

    /// The ports that are open once the server runs.
    pub(crate) fn listens_on(self, ports: &Ports) -> Vec<u16> {
        let mut open = vec![ports.c2s, ports.direct_tls, ports.https];
        open.extend((self == Self::Ejabberd).then_some(ports.api));
        open
    }

    /// Whether an account can be made only while the server runs.
    pub(crate) fn registers_running(self) -> bool {
        self == Self::Ejabberd
    }

    /// The server as a program.
    pub(crate) fn command(self, folder: &Path) -> Command {
        let config = folder.join(self.template());
        match self {
            Self::Prosody => {
                let mut command = Command::new("prosody");
                command.arg("--config").arg(config).arg("-F");
                command
            }
            Self::Prosody13 => {
                let mut command = in_root(folder, &[]);
                command.args(["/usr/bin/lua5.4", "/usr/bin/prosody", "--config"]);
                command.arg(config).arg("-F");
                command
            }
            Self::Ejabberd => {
                let programs = erlang_programs();
                let spool = folder.join("spool");
                let environment = [
                    format!("ROOTDIR={ERLANG}"),
                    format!("BINDIR={programs}"),
                    "EMU=beam".to_owned(),
                    "PROGNAME=erl".to_owned(),
                    "ERL_LIBS=/usr/lib/x86_64-linux-gnu:/usr/lib/aarch64-linux-gnu".to_owned(),
                    format!("EJABBERD_CONFIG_PATH={}", config.display()),
                    format!("EJABBERD_LOG_PATH={}", folder.join(LOG).display()),
                ];
                let mut command = in_root(folder, &environment);
                command
                    .arg(format!("{programs}/erlexec"))
                    .args(["-noinput", "-boot", "start_clean", "-mnesia", "dir"])
                    .arg(format!("\"{}\"", spool.display()))
                    .args(["-s", "ejabberd"]);
                command
            }
        }
    }

    /// Makes an account.
    pub(crate) fn register(self, folder: &Path, ports: &Ports, [user, host, password]: [&str; 3]) {
        let config = folder.join(self.template());
        match self {
            Self::Prosody => {
                let mut command = Command::new("prosodyctl");
                command.arg("--config").arg(config);
                run(command.args(["register", user, host, password]));
            }
            Self::Prosody13 => {
                let mut command = in_root(folder, &[]);
                command.args(["/usr/bin/lua5.4", "/usr/bin/prosodyctl", "--config"]);
                command.arg(config);
                run(command.args(["register", user, host, password]));
            }
            Self::Ejabberd => {
                let order =
                    format!(r#"{{"user":"{user}","host":"{host}","password":"{password}"}}"#);
                let end = Instant::now() + PATIENCE;
                // Its ports are open a moment before everything behind them is there.
                while let Err(answer) = post(ports.api, "/api/register", &order) {
                    assert!(Instant::now() < end, "{answer}");
                    std::thread::sleep(Duration::from_millis(50));
                }
            }
        }
    }
}

/// The server's log in its folder.
pub(crate) const LOG: &str = "server.log";

/// A program inside of what `scripts/fetch-servers.sh` has unpacked.
fn in_root(shared: &Path, environment: &[String]) -> Command {
    let mut command = Command::new("bash");
    command
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/in-root.sh"))
        .arg(root())
        .arg(shared)
        .args(environment)
        .arg("--");
    command
}

fn root() -> PathBuf {
    let root = env::var_os("STRONGROOM_PEERS_ROOT").expect("run `make servers`");
    PathBuf::from(root)
}

fn erlang_programs() -> String {
    let folder = root().join(ERLANG.trim_start_matches('/'));
    let mut names = fs::read_dir(folder).unwrap().map(|it| {
        let name = it.unwrap().file_name();
        name.into_string().unwrap()
    });
    let runtime = names.find(|it| it.starts_with("erts-")).unwrap();
    format!("{ERLANG}/{runtime}/bin")
}

/// Gives an order over HTTP; anything but success comes back as an error.
fn post(port: u16, path: &str, body: &str) -> Result<(), String> {
    let mut stream =
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).map_err(|it| it.to_string())?;
    let length = body.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    let mut answer = String::new();
    stream
        .write_all(request.as_bytes())
        .and_then(|()| stream.read_to_string(&mut answer))
        .map_err(|it| it.to_string())?;
    match answer.split(' ').nth(1) {
        Some("200") => Ok(()),
        _ => Err(answer),
    }
}

/// Runs a program to its end, which has to be good.
pub(crate) fn run(command: &mut Command) {
    let output = command
        .stdin(std::process::Stdio::null())
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
