//! Reads the command line, starts the log, calls the room that is meant.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use clap::{CommandFactory as _, Parser, Subcommand};
#[cfg(feature = "peers")]
use strongroom::vault_process::sandbox::probe;
use strongroom::{
    carry, check, client, config, console, daemon, keydevice, keys, lamp, manual, pictures,
    service, setup, vault_process, verify, xmpp,
};

/// What is freed is overwritten: a name that was once on the way stays in no corner of the heap.
#[global_allocator]
static HEAP: zeroizing_alloc::ZeroAlloc<std::alloc::System> =
    zeroizing_alloc::ZeroAlloc(std::alloc::System);

/// A home file vault whose only interface is an encrypted chat.
#[derive(Parser)]
#[command(version = daemon::VERSION, long_version = daemon::long_version())]
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
    /// Get everything back onto a new system card and stick, from the drive and the words
    Recover(Box<setup::Recover>),
    /// Say who has a way in: spare sticks, a code, revoking, fresh keys
    Key(Box<keys::Key>),
    /// Make a page with recovery words to print, or confirm one
    Kit(keys::kit::Kit),
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
    Address {
        /// The address alone
        #[arg(long)]
        plain: bool,
    },
    /// Write the file that a flashed card is set up from, with a new pairing code
    ImageConfig(Box<setup::ImageConfig>),
    /// Set the system up from the file on its card, as root; the service manager starts this
    FirstBoot(setup::FirstBoot),
    /// Look at drives, or make one a vault, as the daemon has asked; the service manager starts this
    Prepare(setup::Prepare),
    /// Mount the stick that the daemon asks for, as root; the service manager starts this
    Stick(setup::HoldStick),
    /// Show by the machine's lamp what the daemon says on standard input; the service manager starts this
    Lamp(lamp::Leds),
    /// Say on the card that the daemon does not start; the service manager starts this
    Trouble(setup::Trouble),
    /// Send files to a vault from a laptop or phone, over the same encrypted chat
    Send(Box<client::Send>),
    /// Fetch files from a vault to a laptop or phone, over the same encrypted chat
    Fetch(Box<client::Fetch>),
    /// Put a folder into the vault, on the Pi, while the daemon does not run
    Import(carry::Import),
    /// Get files out of the vault into a folder, on the Pi, while the daemon does not run
    Export(carry::Export),
    /// Check files while the daemon does not run
    Verify(verify::Verify),
    /// Tell what a server can do for a vault, and what is wrong with it
    Check(check::Check),
    /// Print what the settings file may say
    Config {
        /// Print what the file may say that a flashed card is set up from
        #[arg(long)]
        first_boot: bool,
    },
    /// Tell the daemon of a key stick and read it, as root; the service manager starts this
    #[command(name = keydevice::SUBCOMMAND)]
    KeyAgent(keydevice::agent::Agent),
    /// Write manual pages and completions for shells to a folder
    #[command(hide = true)]
    Manual { folder: PathBuf },
    #[command(name = vault_process::SUBCOMMAND, hide = true)]
    VaultProcess,
    #[command(name = pictures::SUBCOMMAND, hide = true)]
    Decoder,
    #[cfg(feature = "peers")]
    #[command(name = probe::SUBCOMMAND, hide = true)]
    SandboxProbe(probe::Probe),
}

impl Command {
    /// What the journal calls the process.
    fn process(&self) -> &'static str {
        if matches!(self, Self::Run) {
            "daemon"
        } else if matches!(self, Self::VaultProcess) {
            "vault-process"
        } else if matches!(self, Self::KeyAgent(_)) {
            "key-agent"
        } else if matches!(self, Self::Decoder) {
            "decoder"
        } else if matches!(self, Self::FirstBoot(_)) {
            "first-boot"
        } else {
            "command"
        }
    }
}

fn main() -> ExitCode {
    let line = Line::parse();
    // Somebody looks at a bar.
    let level = match matches!(line.command, Command::Send(_) | Command::Fetch(_)) {
        true => log::LevelFilter::Warn,
        false => log::LevelFilter::Info,
    };
    service::start_log(level, line.command.process());
    match act(line) {
        Ok(code) => code,
        Err(error) => {
            log::error!("{error:#}");
            daemon::exit_code(&error)
        }
    }
}

fn act(line: Line) -> anyhow::Result<ExitCode> {
    service::hide_memory()?;
    match line.command {
        Command::Init(init) => setup::init(&line.config, *init)?,
        Command::Recover(recover) => setup::recover(&line.config, *recover)?,
        Command::Key(key) => keys::act(&config::Config::read(&line.config)?, *key)?,
        Command::Kit(kit) => keys::kit::act(&config::Config::read(&line.config)?, &kit)?,
        Command::Unlock { words } => {
            console::unlock(&config::Config::read(&line.config)?, words)?;
        }
        Command::Pair => setup::pair(&config::Config::read(&line.config)?)?,
        Command::Address { plain } => {
            setup::address(&config::Config::read(&line.config)?, plain)?;
        }
        Command::ImageConfig(wanted) => setup::image_config(*wanted)?,
        Command::Prepare(told) => setup::prepare(&line.config, &told)?,
        Command::Stick(told) => setup::hold_stick(&line.config, &told)?,
        Command::Lamp(told) => lamp::run(&told, std::io::stdin().lock())?,
        Command::Trouble(told) => setup::trouble(&told, std::io::stdin().lock())?,
        Command::FirstBoot(told) => return setup::first_boot(&told),
        Command::Check(check) => return check::run(&line.config, &check),
        Command::Send(send) => return client::send(*send),
        Command::Fetch(fetch) => return client::fetch(*fetch),
        Command::Import(import) => {
            return carry::import(&config::Config::read(&line.config)?, &import);
        }
        Command::Export(export) => {
            return carry::export(&config::Config::read(&line.config)?, &export);
        }
        Command::Config { first_boot } => setup::reference(first_boot)?,
        Command::Verify(verify) => {
            return verify::run(&config::Config::read(&line.config)?, &verify);
        }
        // The same pages, whatever machine makes them.
        Command::Manual { folder } => {
            manual::write(&folder, Line::command().long_version(daemon::VERSION))?;
        }
        Command::KeyAgent(agent) => keydevice::agent::run(&agent, daemon::start::KEY_FILE)?,
        Command::VaultProcess => vault_process::serve::serve()?,
        Command::Decoder => pictures::decoder::run()?,
        #[cfg(feature = "peers")]
        Command::SandboxProbe(probe) => probe::run(&probe)?,
        Command::Run => {
            let config = config::Config::read(&line.config)?;
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .thread_stack_size(xmpp::STACK_BYTES)
                .enable_all()
                .build()?;
            let ended = runtime.block_on(daemon::run(config))?;
            drop(runtime);
            if ended == daemon::Ended::Anew {
                return Err(service::begin_anew()).context("while beginning anew");
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
