//! `strongroom send` and `strongroom fetch`: a laptop or phone that speaks to the vault by itself.
//!
//! A device of the owner's account, paired like a phone, with an OMEMO state of its own. It knows
//! neither keys of the vault nor its drive: files go and come as a phone's do, and what was asked and
//! answered is the lines of `docs/formats/client.md`.
//!
//! ```text
//! send: files -> upload -> journal + line -> vault ... answer -> journal
//! fetch: line -> vault ... answers with links -> download -> file
//! ```

use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use crate::{clock, xmpp};

mod account;
mod desk;
mod download;
mod fetch;
mod journal;
mod meet;
mod send;
mod settle;
mod show;
mod talk;
mod upload;
mod watch;

/// Exit status: something was not stored or not fetched.
const INCOMPLETE: u8 = 1;

/// Whose vault it is, and how it is reached. What was given once need not be given again.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Connection {
    /// The vault's address, or all of what "strongroom address" shows on the Pi: that has its
    /// fingerprint
    #[arg(long, value_name = "ADDRESS")]
    pub to: Option<String>,
    /// Your own address: the one that the vault obeys
    #[arg(long = "as", value_name = "ADDRESS")]
    pub own: Option<String>,
    /// The file with the password of your address on its first line
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// The vault's fingerprint, as "fingerprints" in the chat shows it
    #[arg(long, value_name = "HEX")]
    pub fingerprint: Option<String>,
    /// The pairing code that "strongroom pair" shows on the Pi
    #[arg(long, value_name = "CODE")]
    pub code: Option<String>,
    /// Connect to this server instead of the one DNS names, as host:port
    #[arg(long, value_name = "HOST:PORT")]
    pub server: Option<String>,
    /// The server given speaks TLS from the first byte
    #[arg(long, requires = "server")]
    pub direct_tls: bool,
    /// A PEM file with the authority to trust instead of the system's
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// An upload server at a private address or other port that may be used, as host:port
    #[arg(long = "pin", value_name = "HOST:PORT")]
    pub pins: Vec<String>,
    /// Send everything through this SOCKS5 proxy, as address:port
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub socks5: Option<String>,
    /// Ask this name server instead of the system's, which a static program on Android has none of;
    /// may be given twice
    #[arg(long, value_name = "ADDRESS")]
    pub dns: Vec<String>,
    /// The folder for keys and journal; one for each vault
    #[arg(long, value_name = "FOLDER")]
    pub state: Option<PathBuf>,
    /// Give up when the vault has not answered for so many minutes
    #[arg(long, value_name = "MINUTES", default_value_t = 30)]
    pub patience: u64,
}

impl Connection {
    fn patience(&self) -> Duration {
        Duration::from_secs(self.patience.saturating_mul(60))
    }
}

/// What `strongroom send` is told.
#[derive(Debug, clap::Args)]
pub struct Send {
    /// Files and folders
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Go on and send each file that appears in the folders, until interrupted
    #[arg(long)]
    pub watch: bool,
    /// Leave out what is in the folders already
    #[arg(long, requires = "watch")]
    pub new_only: bool,
    /// The vault.
    #[command(flatten)]
    pub connection: Connection,
}

/// What `strongroom fetch` is told.
#[derive(Debug, clap::Args)]
pub struct Fetch {
    /// Which files: 7, 7-12, last 5, album Rome, tag beach, find WORDS, or all
    #[arg(required = true, value_name = "WHAT")]
    pub what: Vec<String>,
    /// The folder they are put into; nothing in it is written over
    #[arg(long, value_name = "FOLDER")]
    pub into: PathBuf,
    /// The vault.
    #[command(flatten)]
    pub connection: Connection,
}

/// Sends files, and returns 0 when the vault has all of them, else 1.
///
/// # Errors
///
/// What is in the way, and what to do.
pub fn send(send: Send) -> anyhow::Result<ExitCode> {
    status(xmpp::run_alone(send::run(send))??)
}

/// Fetches files, and returns 0 when all are there, else 1.
///
/// # Errors
///
/// What is in the way, and what to do.
pub fn fetch(fetch: Fetch) -> anyhow::Result<ExitCode> {
    status(xmpp::run_alone(fetch::run(fetch))??)
}

fn status(is_complete: bool) -> anyhow::Result<ExitCode> {
    io::stdout().flush()?;
    Ok(if is_complete {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(INCOMPLETE)
    })
}

/// Returns the seconds since 1970; 0 for a clock that stands before.
fn now() -> u64 {
    let since = clock::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |it| it.as_secs())
}

/// The operating system's randomness; where it fails nothing can go on.
fn rng() -> impl rand_core::CryptoRng {
    rand_core::UnwrapErr(getrandom::SysRng)
}
