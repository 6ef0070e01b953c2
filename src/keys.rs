//! Who has a way into the vault, from the command line: sticks, words, code, kit, fresh keys.
//!
//! Runs beside the daemon or without it and never touches the network. What it changes on the
//! drive is durable before the system card's copies follow; cut short anywhere, the vault opens
//! and the card seals, and the next command finishes what was begun.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::config::Config;

pub mod card;
pub mod code;
pub mod custodian;
pub mod kit;
pub mod spare;
pub mod stick;

mod fresh;
pub(crate) mod slots;

use custodian::Custodian;

/// What `strongroom key` is told.
#[derive(Debug, Args)]
pub struct Key {
    #[command(subcommand)]
    command: KeyCommand,
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// Make a spare stick: one file is added to it, nothing else is touched
    Add(Add),
    /// List everything that opens the vault
    List {
        #[command(flatten)]
        custodian: Custodian,
    },
    /// Give a key another name
    Rename {
        /// The name it has
        name: String,
        /// The name it is to have
        new_name: String,
        #[command(flatten)]
        custodian: Custodian,
    },
    /// Take a lost stick's, old words' or a known code's way in
    Revoke {
        /// Its name, as "key list" shows it
        name: String,
        #[command(flatten)]
        custodian: Custodian,
    },
    /// Put a passphrase on a stick, or take it off
    Passphrase {
        #[command(subcommand)]
        change: stick::Change,
    },
    /// Make a code that opens the vault from chat, kept on no device
    Code {
        /// Take the code's way in instead
        #[arg(long)]
        remove: bool,
        #[command(flatten)]
        custodian: Custodian,
    },
    /// Give all stored files fresh keys after a revocation; may be interrupted and repeated
    Reseal {
        #[command(flatten)]
        custodian: Custodian,
    },
}

/// What `strongroom key add` is told.
#[derive(Debug, Args)]
struct Add {
    /// The folder where the new stick is mounted
    folder: PathBuf,
    /// What the stick is to be called
    #[arg(long, default_value = "spare stick")]
    name: String,
    /// Ask for a passphrase that the stick is to want
    #[arg(long)]
    passphrase: bool,
    /// This is a trial: the key may lie on the same disk as the data, which protects nothing
    #[arg(long)]
    trial: bool,
    #[command(flatten)]
    custodian: Custodian,
}

/// Does what `strongroom key` was told.
///
/// # Errors
///
/// What is in the way, and what to do.
pub fn act(config: &Config, key: Key) -> anyhow::Result<()> {
    match key.command {
        KeyCommand::Add(add) => slots::add(config, &add),
        KeyCommand::List { custodian } => slots::list(config, &custodian),
        KeyCommand::Rename {
            name,
            new_name,
            custodian,
        } => slots::rename(config, &custodian, &name, &new_name),
        KeyCommand::Revoke { name, custodian } => slots::revoke_named(config, &custodian, &name),
        KeyCommand::Passphrase { change } => stick::change_passphrase(config, &change),
        KeyCommand::Code {
            remove: false,
            custodian,
        } => code::make(config, &custodian),
        KeyCommand::Code {
            remove: true,
            custodian,
        } => code::remove(config, &custodian),
        KeyCommand::Reseal { custodian } => fresh::reseal(config, &custodian),
    }
}
