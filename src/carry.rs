//! `strongroom import` and `strongroom export`: files between a folder and the vault on the Pi itself,
//! without any server.
//!
//! The daemon does not run meanwhile. It knows no chat; what it enters looks like what came by chat.

use crate::{config::Config, keys::custodian, state::State};

mod export;
mod import;

pub use export::{Export, export};
pub use import::{Import, import};

/// Exit status: something was left out.
const INCOMPLETE: u8 = 1;

/// Keeps the daemon away for as long as what this returns lives.
fn alone(config: &Config) -> anyhow::Result<Option<State>> {
    custodian::keep_daemon_away(
        config,
        "the daemon is running and uses the vault; stop it for as long as this takes: sudo \
         systemctl stop strongroom",
    )
}

/// Writes a count of things.
fn count(number: u64, one: &str, many: &str) -> String {
    if number == 1 {
        format!("1 {one}")
    } else {
        format!("{number} {many}")
    }
}
