//! A hostile server and hostile contacts: every attack is made beside its honest twin, which differs
//! in what makes the attack one and is accepted.
//!
//! "Accepted" is what the attack is after: a command obeyed, a key believed, a connection made, a
//! password said. `make hostile` runs all of it, with the flood, and prints the table.

use std::{env, fs, io::Write as _};

mod archive;
mod errors;
mod flood;
mod hosts;
mod inside;
mod intruder;
mod login;
mod messages;
mod nodes;
mod siege;
mod slots;

/// Adds a line to what `make hostile` prints at its end.
pub(crate) fn line(line: &str) {
    eprintln!("{line}");
    if let Some(path) = env::var_os("STRONGROOM_HOSTILE_TABLE") {
        let file = fs::OpenOptions::new().append(true).create(true).open(path);
        // One write a line: several tests add to it at once.
        file.unwrap()
            .write_all(format!("{line}\n").as_bytes())
            .unwrap();
    }
}

/// Notes one attack with its twin, and ends the test where one was accepted or the other was not.
fn row(attack: &str, accepted: bool, twin: bool) {
    let (accepted_times, twin_times) = (u8::from(accepted), u8::from(twin));
    line(&format!("{attack}\t{accepted_times}/1\t{twin_times}/1"));
    assert!(!accepted, "accepted: {attack}");
    assert!(twin, "refused: the honest twin of: {attack}");
}
