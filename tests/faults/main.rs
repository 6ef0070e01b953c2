//! Faults of disk, power and memory, against the invariant: what was acknowledged is readable
//! afterwards, nothing is half visible, nothing is there twice, and the program comes back or says why.
//!
//! No test harness: `make test` runs a short selection of each fault, `make faults` (`-- --all`) the whole.
//! A fault is done to a worker (`worker.rs`) that runs the real state, keeper, sealer and index with a
//! scripted network; the shim (`shim.c`) stands between it and its disk. `tests/peers/power.rs` does the
//! same to the whole daemon. Each fault has a control: the same check finds nothing wrong after an unharmed
//! run, and finds what a deliberately wrong order breaks.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    reason = "a test"
)]

mod faults;
mod flips;
mod home;
mod record;
mod run;
mod table;
mod worker;

use std::{env, process::ExitCode};

use table::Row;

/// Whether everything is to be done, or a selection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    Short,
    All,
}

impl Extent {
    /// How often something is done.
    pub(crate) fn times(self, short: usize, all: usize) -> usize {
        match self {
            Self::Short => short,
            Self::All => all,
        }
    }
}

type Fault = fn(Extent) -> Vec<Row>;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [first, rest @ ..] = arguments.as_slice()
        && first == "worker"
    {
        return ExitCode::from(worker::main(rest));
    }
    let extent = if arguments.iter().any(|it| it == "--all") {
        Extent::All
    } else {
        Extent::Short
    };
    let wanted = arguments.iter().find(|it| !it.starts_with('-'));
    run::shim();
    let all: [(&str, Fault); 9] = [
        ("controls", faults::controls),
        ("F1", faults::killed_at_every_change),
        ("F2", faults::killed_at_any_time),
        ("F3", faults::power_cut),
        ("F7", faults::disk_full),
        ("F8", faults::read_only),
        ("F9", faults::sync_fails),
        ("F13", flips::flipped),
        ("F22", faults::memory_fails),
    ];
    let mut rows = Vec::new();
    for (name, fault) in all {
        if wanted.is_none_or(|it| name.eq_ignore_ascii_case(it)) {
            let begun = std::time::Instant::now();
            let done = fault(extent);
            println!("{name}: {:.1} s", begun.elapsed().as_secs_f32());
            for row in &done {
                row.print_complaints();
            }
            rows.extend(done);
        }
    }
    table::print(&rows);
    table::append(&rows);
    ExitCode::from(u8::from(!rows.iter().all(Row::holds)))
}
