//! Tries what the vault process must not do, for tests: with the walls up and without them.
//!
//! Exists in test builds only (feature `peers`).

use std::{
    fs::{self, File},
    io::{self, Write as _},
    net::{TcpListener, UdpSocket},
    os::unix::net::{UnixDatagram, UnixStream},
    path::{Path, PathBuf},
    process::Command,
};

use rustix::{
    fs::MemfdFlags,
    process::{Resource, Rlimit},
};

/// The hidden sub-command.
pub const SUBCOMMAND: &str = "sandbox-probe";

/// What is tried.
#[derive(clap::Args)]
pub struct Probe {
    /// Tries without walls
    #[arg(long)]
    bare: bool,
    /// Tries behind the walls of a decoder, where no folder stays open
    #[arg(long)]
    decoder: bool,
    /// The folder that stays open
    inside: PathBuf,
    /// A folder beside it, with a file "secret" in it
    outside: PathBuf,
}

/// Tries everything and prints a line for each attempt: `what: yes` or `what: no`.
///
/// # Errors
///
/// When the walls cannot be put up, or nobody reads.
pub fn run(probe: &Probe) -> anyhow::Result<()> {
    // A child is started before, for the attempt at another process's memory.
    let parent = rustix::process::getppid().map_or(1, |pid| pid.as_raw_nonzero().get());
    if probe.decoder {
        crate::pictures::walls::confine()?;
    } else if !probe.bare {
        super::prepare()?;
        super::confine(&probe.inside)?;
    }
    let mut out = io::stdout();
    for (what, done) in attempts(&probe.inside, &probe.outside, parent) {
        let answer = if done.is_ok() { "yes" } else { "no" };
        writeln!(out, "{what}: {answer}")?;
    }
    Ok(())
}

fn attempts(inside: &Path, outside: &Path, parent: i32) -> Vec<(&'static str, io::Result<()>)> {
    let room = |length| Rlimit {
        current: Some(length),
        maximum: Some(length),
    };
    vec![
        ("write inside", fs::write(inside.join("new"), "x")),
        ("read inside", fs::read(inside.join("new")).map(drop)),
        ("thread", thread()),
        ("tcp", TcpListener::bind("127.0.0.1:0").map(drop)),
        ("udp", UdpSocket::bind("127.0.0.1:0").map(drop)),
        ("unix socket", UnixDatagram::unbound().map(drop)),
        ("socket pair", UnixStream::pair().map(drop)),
        ("read outside", fs::read(outside.join("secret")).map(drop)),
        ("list outside", fs::read_dir(outside).map(drop)),
        ("write outside", fs::write(outside.join("new"), "x")),
        ("read /etc/passwd", fs::read("/etc/passwd").map(drop)),
        ("link outward", link(inside, outside)),
        (
            "run a program",
            Command::new("/bin/true").status().map(drop),
        ),
        (
            "another process's memory",
            File::open(format!("/proc/{parent}/maps")).map(drop),
        ),
        ("signal another process", signal(parent)),
        (
            "memory file",
            rustix::fs::memfd_create("x", MemfdFlags::CLOEXEC)
                .map(drop)
                .map_err(io::Error::from),
        ),
        (
            "set a limit",
            rustix::process::setrlimit(Resource::Nofile, room(64)).map_err(io::Error::from),
        ),
        (
            "let others look",
            rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::Dumpable)
                .map_err(io::Error::from),
        ),
    ]
}

fn thread() -> io::Result<()> {
    let running = std::thread::Builder::new().spawn(|| ())?;
    running.join().map_err(|_| io::Error::other("it panicked"))
}

fn link(inside: &Path, outside: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(outside, inside.join("link"))
}

fn signal(parent: i32) -> io::Result<()> {
    let parent = rustix::process::Pid::from_raw(parent).ok_or(io::ErrorKind::NotFound)?;
    // Signal 0: whether it might. kill(2)
    rustix::process::test_kill_process(parent).map_err(io::Error::from)
}
