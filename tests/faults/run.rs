//! Runs the worker with the shim between it and its home.

use std::{
    env, fs,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use crate::{
    home::{Home, Said},
    record::Record,
};

/// The two devices of a home, by their place in `STRONGROOM_FAULT_ROOTS`.
pub(crate) const DEVICES: [&str; 2] = ["card", "drive"];

/// What the worker is to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Task {
    pub(crate) manner: &'static str,
    /// Messages that the server has.
    pub(crate) messages: u64,
    /// A wrong order, for a control.
    pub(crate) flaw: &'static str,
}

/// What is done to it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Harm {
    /// As in `STRONGROOM_FAULT`.
    pub(crate) fault: Option<String>,
    /// The device that it is about.
    pub(crate) device: Option<usize>,
    /// Whether every fsync only says that it was done.
    pub(crate) lies: bool,
    /// Kill it after this time.
    pub(crate) after: Option<Duration>,
}

/// How it ended.
#[derive(Clone, Debug)]
pub(crate) enum Ended {
    /// By itself, with this status.
    Status(i32),
    /// By this signal.
    Signal(i32),
}

/// One run and what it left.
pub(crate) struct Run {
    pub(crate) ended: Ended,
    pub(crate) record: Record,
    pub(crate) complaint: String,
}

/// Compiles the shim, once a run of the tests.
pub(crate) fn shim() -> PathBuf {
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("faults-shim.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/shim.c");
    let status = Command::new("gcc")
        .args(["-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o"])
        .args([&out, &source])
        .status()
        .unwrap();
    assert!(status.success(), "the shim does not compile");
    out
}

/// Runs the worker on a home; what it said is added to `said`.
pub(crate) fn work(home: &Home, task: Task, harm: &Harm, said: &mut Said) -> Run {
    let log = home.0.with_extension("log");
    let _ = fs::remove_file(&log);
    let roots = DEVICES.map(|it| home.0.join(it).to_str().unwrap().to_owned());
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .arg("worker")
        .arg(&home.0)
        .args([task.manner, &task.messages.to_string(), task.flaw])
        .env(
            "LD_PRELOAD",
            Path::new(env!("CARGO_TARGET_TMPDIR")).join("faults-shim.so"),
        )
        .env("STRONGROOM_FAULT_ROOTS", roots.join(":"))
        .env("STRONGROOM_FAULT_LOG", &log)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if let Some(fault) = &harm.fault {
        command.env("STRONGROOM_FAULT", fault);
    }
    if let Some(device) = harm.device {
        command.env("STRONGROOM_FAULT_ON", device.to_string());
    }
    if harm.lies {
        command.env("STRONGROOM_FAULT_LIES", "1");
    }
    let mut child = command.spawn().unwrap();
    if let Some(after) = harm.after {
        std::thread::sleep(after);
        // One that has ended already is a run without harm.
        let _ = child.kill();
    }
    let output = child.wait_with_output().unwrap();
    said.hear(&String::from_utf8_lossy(&output.stdout));
    let ended = match output.status.signal() {
        Some(signal) => Ended::Signal(signal),
        None => Ended::Status(output.status.code().unwrap()),
    };
    let record = Record::read(&fs::read(&log).unwrap_or_default());
    let _ = fs::remove_file(log);
    Run {
        ended,
        record,
        complaint: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Runs it without harm, several times if need be, until nothing is left to do.
pub(crate) fn recover(home: &Home, task: Task, said: &mut Said) -> Result<(), String> {
    let honest = Task { flaw: "", ..task };
    let mut complaint = String::new();
    for _ in 0..3 {
        let run = work(home, honest, &Harm::default(), said);
        complaint = run.complaint;
        match run.ended {
            Ended::Status(0) => return Ok(()),
            Ended::Status(3) => {}
            ended => return Err(format!("does not come back ({ended:?}): {complaint}")),
        }
    }
    Err(format!("does not come to an end: {complaint}"))
}
