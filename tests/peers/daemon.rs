//! The program under test as a process: its log, its end, and ways to bring that about.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open},
};

use crate::journal::{Journal, PATIENCE};

/// A running process whose standard error and output are read line by line. Dropping it kills it.
pub(crate) struct Daemon {
    child: Child,
    log: Arc<Journal<String>>,
}

impl Daemon {
    /// Starts `strongroom` with these arguments.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut command = strongroom();
        command.args(arguments);
        Self::spawn(&mut command)
    }

    /// Starts any program.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let log = Journal::new();
        let outputs: [Box<dyn Read + Send>; 2] = [
            Box::new(child.stderr.take().unwrap()),
            Box::new(child.stdout.take().unwrap()),
        ];
        let readers = outputs.map(|output| {
            let log = Arc::clone(&log);
            thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    log.push(line);
                }
            })
        });
        let closed = Arc::clone(&log);
        thread::spawn(move || {
            for reader in readers {
                reader.join().ok();
            }
            closed.close();
        });
        Self { child, log }
    }

    /// Waits for a line with these words and takes it.
    pub(crate) fn wait_line(&self, words: &str) -> String {
        self.wait_line_within(PATIENCE, words)
            .unwrap_or_else(|| panic!("the daemon never said: {words}"))
    }

    /// Waits this long for a line with these words and takes it.
    pub(crate) fn wait_line_within(&self, patience: Duration, words: &str) -> Option<String> {
        self.log.take(patience, |line| line.contains(words))
    }

    /// Returns everything it has said so far.
    pub(crate) fn said(&self) -> Vec<String> {
        self.log.all(|_| true)
    }

    /// The process id, for looking at its memory or its children.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The process ids of its children: the vault process, while it is open.
    pub(crate) fn children(&self) -> Vec<u32> {
        let mut found = Vec::new();
        for task in fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap() {
            let children = task.unwrap().path().join("children");
            // A thread may have ended meanwhile.
            let children = fs::read_to_string(children).unwrap_or_default();
            found.extend(
                children
                    .split_whitespace()
                    .map(|it| it.parse::<u32>().unwrap()),
            );
        }
        found
    }

    /// Waits until the kernel has taken these processes apart, after whose end was told already.
    pub(crate) fn wait_gone(pids: &[u32]) {
        for pid in pids {
            let pid = Pid::from_raw(i32::try_from(*pid).unwrap()).unwrap();
            let process = match pidfd_open(pid, PidfdFlags::empty()) {
                Ok(process) => process,
                Err(Errno::SRCH) => continue,
                Err(error) => panic!("{error}"),
            };
            let mut waited = [PollFd::new(&process, PollFlags::IN)];
            let patience = Timespec::try_from(PATIENCE).unwrap();
            assert_eq!(
                poll(&mut waited, Some(&patience)).unwrap(),
                1,
                "{pid:?} is still there"
            );
        }
    }

    /// Kills it without warning, as a power cut would, and waits until it is gone with its vault
    /// process.
    pub(crate) fn kill_9(&mut self) {
        let children = self.children();
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        Self::wait_gone(&children);
    }

    /// Asks it to stop, as systemd does.
    pub(crate) fn terminate(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
    }

    /// Asks it to look for a new pairing code, as `systemctl reload` does.
    pub(crate) fn reload(&self) {
        kill_process(Pid::from_child(&self.child), Signal::HUP).unwrap();
    }

    /// Waits for its end and returns how it ended.
    pub(crate) fn wait_exit(&mut self, patience: Duration) -> ExitStatus {
        let end = Instant::now() + patience;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(
                Instant::now() < end,
                "the daemon still runs after {patience:?}"
            );
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        if thread::panicking() {
            // What it said last is worth waiting for; a child of its own may hold the pipe open.
            self.log.take(Duration::from_secs(1), |_| false);
            eprintln!("--- the daemon\n{}", self.said().join("\n"));
        }
    }
}

/// The program under test.
pub(crate) fn strongroom() -> Command {
    Command::new(env!("CARGO_BIN_EXE_strongroom"))
}

/// Runs `strongroom` with these arguments to its end.
pub(crate) fn run_to_end(arguments: &[&str]) -> Output {
    strongroom()
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}
