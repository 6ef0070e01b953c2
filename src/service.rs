//! The service manager and the log: ready, watchdog, stopping; the journal or plain stderr.
//!
//! Knows nothing of what the daemon does.

use std::{
    io::{self, Write as _},
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::Command,
    time::Duration,
};

use log::{LevelFilter, Log, Metadata, Record};
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use systemd_journal_logger::{JournalLog, connected_to_journal};

/// Starts the log: the journal when the service manager connected us to it, else plain lines on
/// stderr.
pub fn start_log(level: LevelFilter) {
    let journal = connected_to_journal()
        .then(JournalLog::new)
        .and_then(Result::ok);
    let started = match journal {
        Some(journal) => log::set_boxed_logger(Box::new(Quiet(journal))),
        None => log::set_boxed_logger(Box::new(Quiet(Plain))),
    };
    if started.is_ok() {
        log::set_max_level(level);
    }
}

/// Lets only our own rooms speak: what dependencies say may hold other people's addresses or
/// bodies.
struct Quiet<L>(L);

impl<L: Log> Log for Quiet<L> {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let ours = ["strongroom", "omemo", "vault"];
        let target = metadata.target().split("::").next().unwrap_or_default();
        ours.contains(&target) && self.0.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            self.0.log(record);
        }
    }

    fn flush(&self) {
        self.0.flush();
    }
}

struct Plain;

impl Log for Plain {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let line = format!("{:<5} {}\n", record.level().as_str(), record.args());
        // A log that cannot be written has nobody to tell.
        let _ = io::stderr().write_all(line.as_bytes());
    }

    fn flush(&self) {}
}

/// Keeps the memory of this process from core dumps, and from other processes of this user.
/// prctl(2), core(5)
///
/// # Errors
///
/// The operating system's.
pub fn hide_memory() -> io::Result<()> {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, none)?;
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

/// Puts a fresh run of this program, with the same command line, in the place of this process;
/// comes back only if that is impossible. An upgrade that has replaced the file is taken up.
#[must_use]
pub fn begin_anew() -> io::Error {
    log::info!("the daemon begins anew");
    let own = std::env::current_exe().unwrap_or_default();
    // What the kernel adds where the file was replaced. proc(5)
    let own = own.to_string_lossy();
    let own = PathBuf::from(own.strip_suffix(" (deleted)").unwrap_or(&own));
    let program = if own.exists() {
        own
    } else {
        PathBuf::from("/proc/self/exe")
    };
    Command::new(program)
        .args(std::env::args_os().skip(1))
        .exec()
}

/// Tells the service manager that the daemon is up.
pub fn ready() {
    notify(&[sd_notify::NotifyState::Ready]);
}

/// Tells the service manager that the daemon is going down.
pub fn stopping() {
    notify(&[sd_notify::NotifyState::Stopping]);
}

/// Shows one line in `systemctl status`.
pub fn status(line: &str) {
    notify(&[sd_notify::NotifyState::Status(line)]);
}

/// Tells the service manager that the event loop still turns.
pub fn alive() {
    notify(&[sd_notify::NotifyState::Watchdog]);
}

fn notify(states: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        log::debug!("the service manager was not told: {error}");
    }
}

/// Returns how often [`alive`] is to be called: half of what the service manager waits.
#[must_use]
pub fn watchdog_period() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|limit| limit / 2)
}
