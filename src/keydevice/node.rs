//! A stick whose node is watched by the daemon itself: while the node is there, a key agent runs
//! for it as a child process. For systems without a service manager, and as root.

use std::{
    io,
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::{
    SUBCOMMAND,
    seat::Seat,
    signs::{self, NODES, Sign, Signs},
    stick::Stick,
};

/// How often to look without any sign.
const LOOK: Duration = Duration::from_secs(5);
/// An agent that ended by itself is not started again before.
const AGAIN: Duration = Duration::from_secs(5);

/// Watches for the node.
pub(super) fn watch(node: PathBuf, seat: Seat, (sign, signs): (Sign, Signs)) {
    signs::watch_devices(sign.clone());
    thread::spawn(move || look_at_each_sign(&node, &seat, &sign, &signs));
}

/// An agent and the stick it was started for.
struct Running {
    stick: Stick,
    child: Child,
    since: Instant,
}

fn look_at_each_sign(node: &Path, seat: &Seat, sign: &Sign, signs: &Signs) {
    let mut watched = None;
    let mut running: Option<Running> = None;
    loop {
        let around = node.ancestors().skip(1).take(3).map(Path::to_owned);
        watched = signs::watch_folders(around.chain([PathBuf::from(NODES)]), watched, sign);
        if let Some(agent) = &mut running {
            if !agent.stick.is_there() {
                seat.leave();
            }
            if agent.child.try_wait().is_ok_and(|ended| ended.is_some())
                && !seat.is_taken()
                && (!agent.stick.is_there() || agent.since.elapsed() >= AGAIN)
            {
                running = None;
            }
        }
        if running.is_none()
            && let Ok(stick) = Stick::find(node)
        {
            running = start(stick, seat);
        }
        // An agent that is just ending gives no sign of its own.
        let ending = running.as_ref().is_some_and(|it| !it.stick.is_there());
        let longest = if ending {
            Duration::from_millis(50)
        } else {
            LOOK
        };
        if !signs::wait(signs, longest) || seat.is_closed() {
            seat.leave();
            return;
        }
    }
}

fn start(stick: Stick, seat: &Seat) -> Option<Running> {
    match start_agent(&stick) {
        Ok((child, connection)) => {
            seat.take(connection);
            Some(Running {
                stick,
                child,
                since: Instant::now(),
            })
        }
        Err(error) => {
            log::error!("the key agent did not start: {error}");
            None
        }
    }
}

fn start_agent(stick: &Stick) -> io::Result<(Child, UnixStream)> {
    let (ours, its) = UnixStream::pair()?;
    let mut command = Command::new("/proc/self/exe");
    command
        .arg(SUBCOMMAND)
        .arg("--device")
        .arg(stick.node())
        .env_clear()
        .stdin(Stdio::from(OwnedFd::from(its)))
        .stdout(Stdio::null());
    if let Some(journal) = std::env::var_os("JOURNAL_STREAM") {
        command.env("JOURNAL_STREAM", journal);
    }
    Ok((command.spawn()?, ours))
}
