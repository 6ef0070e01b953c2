//! The console at the Pi itself: what is typed there goes to the running daemon's socket.
//!
//! Knows no key: it passes on what was typed, and shows the one line that comes back.

use std::{
    io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _},
    net::Shutdown,
    os::unix::net::UnixStream,
    path::Path,
};

use anyhow::{Context as _, bail, ensure};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use crate::{
    config::Config,
    daemon::console,
    vault_process::typed::{Kind, OPEN, READY},
};

/// Longest text that is read, in bytes.
const MAX_BYTES: usize = 4096;

/// Opens the running daemon's vault by recovery words, or by the passphrase of the key device
/// that is in.
///
/// # Errors
///
/// What is in the way, and what to do.
pub fn unlock(config: &Config, words: bool) -> anyhow::Result<()> {
    let (kind, prompt) = if words {
        (Kind::Words, "The 24 recovery words: ")
    } else {
        (Kind::Passphrase, "The passphrase of the key that is in: ")
    };
    let text = typed(prompt)?;
    let said = ask(&console::socket(&config.vault.system), kind, &text)?;
    if said != OPEN {
        ensure!(
            !said.is_empty(),
            "the daemon gave no answer; its journal says why"
        );
        bail!("{said}");
    }
    writeln!(io::stdout().lock(), "{said}")?;
    Ok(())
}

fn ask(socket: &Path, kind: Kind, text: &[u8]) -> anyhow::Result<String> {
    let mut daemon = UnixStream::connect(socket).with_context(|| {
        format!(
            "the daemon does not listen at {}; start it, and type this as its user or as root",
            socket.display()
        )
    })?;
    daemon.write_all(&[kind.byte()])?;
    let mut said = Vec::new();
    // Anything else is already the reason why the text is not wanted.
    if read_some(&mut daemon, &mut said)? && said == [READY] {
        said.clear();
        daemon.write_all(text)?;
        daemon.shutdown(Shutdown::Write)?;
    }
    daemon.take(MAX_BYTES as u64).read_to_end(&mut said)?;
    Ok(String::from_utf8_lossy(&said).trim_end().to_owned())
}

/// Reads one byte; `false` when there is none.
fn read_some(daemon: &mut UnixStream, said: &mut Vec<u8>) -> io::Result<bool> {
    Ok(daemon.take(1).read_to_end(said)? == 1)
}

/// Reads one line without showing it, into one place that never moves.
fn typed(prompt: &str) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let stdin = io::stdin();
    let hidden = if stdin.is_terminal() {
        io::stderr().write_all(prompt.as_bytes())?;
        Some(Hidden::new().context("while hiding what is typed")?)
    } else {
        None
    };
    let mut line = Zeroizing::new(Vec::with_capacity(MAX_BYTES));
    stdin
        .lock()
        .take(MAX_BYTES as u64)
        .read_until(b'\n', &mut line)
        .context("while reading what is typed")?;
    if hidden.is_some() {
        io::stderr().write_all(b"\n")?;
    }
    while line.last().is_some_and(|it| matches!(it, b'\n' | b'\r')) {
        line.pop();
    }
    ensure!(!line.is_empty(), "nothing was typed");
    Ok(line)
}

/// The terminal shows nothing of what is typed as long as this lives.
struct Hidden(Termios);

impl Hidden {
    fn new() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Flush, &silent)?;
        Ok(Self(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // A terminal that is gone shows nothing anyway.
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
    }
}
