//! Reads the command line, starts the log, calls the room that is meant.

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use strongroom::{config, console, daemon, service, setup, vault_process, xmpp};

/// A home file vault whose only interface is an encrypted chat.
#[derive(Parser)]
#[command(version = daemon::VERSION)]
struct Line {
    /// The settings file
    #[arg(long, global = true, value_name = "FILE", default_value = config::DEFAULT_PATH)]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a vault, its key and its settings
    Init(Box<setup::Init>),
    /// Run the daemon
    Run,
    /// Open the running daemon's vault by what you type: the passphrase of the key that is in
    Unlock {
        /// Type the 24 recovery words instead
        #[arg(long)]
        words: bool,
    },
    /// Make a new pairing code
    Pair,
    /// Show the vault's address and its QR code
    Address,
    /// Print what the settings file may say
    Config,
    #[command(name = vault_process::SUBCOMMAND, hide = true)]
    VaultProcess,
}

fn main() -> ExitCode {
    let line = Line::parse();
    service::start_log(log::LevelFilter::Info);
    match act(line) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error!("{error:#}");
            daemon::exit_code(&error)
        }
    }
}

fn act(line: Line) -> anyhow::Result<()> {
    match line.command {
        Command::Init(init) => setup::init(&line.config, *init),
        Command::Unlock { words } => console::unlock(&config::Config::read(&line.config)?, words),
        Command::Pair => setup::pair(&config::Config::read(&line.config)?),
        Command::Address => setup::address(&config::Config::read(&line.config)?),
        Command::Config => setup::reference(),
        Command::VaultProcess => Ok(vault_process::serve::serve()?),
        Command::Run => {
            let config = config::Config::read(&line.config)?;
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .thread_stack_size(xmpp::STACK_BYTES)
                .enable_all()
                .build()?;
            runtime.block_on(daemon::run(config))
        }
    }
}
