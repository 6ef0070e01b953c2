//! The command line of `strongroom-rescue`, from which its manual is made as well.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

const AFTER_HELP: &str = "\
Examples:
  strongroom-rescue --vault /media/drive/vault --key /media/stick list
  strongroom-rescue --vault /media/drive/vault --key /media/stick extract 3 7-12 Pictures
  strongroom-rescue --vault /media/drive/vault --words extract --all Everything

Exit status: 0 all well, 1 something was damaged or missing, 2 wrong command line, 3 the vault did not open.
The vault itself is only read, never changed.";

/// Gets files out of a Strongroom vault: on any computer, without the daemon or a network.
#[derive(Parser)]
#[command(name = "strongroom-rescue", version, about, after_help = AFTER_HELP)]
pub struct Line {
    /// The vault's folder on the data drive.
    #[arg(long, value_name = "FOLDER")]
    pub vault: PathBuf,
    /// Where the key is.
    #[command(flatten)]
    pub key: KeySource,
    /// What is to be done.
    #[command(subcommand)]
    pub task: Task,
}

/// What opens the vault: one of the two.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub struct KeySource {
    /// The key file, or the folder of the stick it lies on.
    #[arg(long, value_name = "FILE-OR-FOLDER")]
    pub key: Option<PathBuf>,
    /// Ask for the 24 recovery words; they are read from the keyboard, never from the command line.
    #[arg(long)]
    pub words: bool,
}

/// What is to be done.
#[derive(Subcommand)]
pub enum Task {
    /// List what is in the vault.
    List,
    /// Write files to a folder; nothing that is there is overwritten.
    Extract {
        /// Everything.
        #[arg(long)]
        all: bool,
        /// Numbers or ranges as in 3 or 7-12 (none with --all), then the folder to write to.
        #[arg(required = true, value_name = "NUMBERS... FOLDER")]
        what: Vec<String>,
    },
    /// Check every byte of every file in the vault.
    Verify,
}
