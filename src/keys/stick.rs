//! Key files on sticks: written whole or not at all, with or without a passphrase. Nothing else on
//! a stick is touched.

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, ensure};
use clap::Subcommand;
use vault::{Passphrase, SlotSecret, VaultFolder, VaultId, ask, key::file::KEY_FILE_NAME};
use zeroize::Zeroizing;

use super::custodian;
use crate::{config::Config, disk, state::write_private};

/// Characters that a passphrase has at least: whoever finds the stick guesses at leisure.
pub const MIN_PASSPHRASE_LETTERS: usize = 8;

/// What `strongroom key passphrase` is told.
#[derive(Debug, Subcommand)]
pub enum Change {
    /// Make the stick want a passphrase, or another one
    Set {
        /// The folder where the stick is mounted, if not the one in the settings
        #[arg(long, value_name = "FOLDER")]
        stick: Option<PathBuf>,
    },
    /// Make the stick want none
    Remove {
        /// The folder where the stick is mounted, if not the one in the settings
        #[arg(long, value_name = "FOLDER")]
        stick: Option<PathBuf>,
    },
}

/// Puts a key file on a stick, in the place of one that is there.
///
/// # Errors
///
/// The stick's; what was there before is there still.
pub fn write(
    folder: &Path,
    vault: &VaultId,
    secret: &SlotSecret,
    passphrase: Option<&Passphrase>,
) -> anyhow::Result<()> {
    let bytes = match passphrase {
        None => secret.to_key_file(vault),
        Some(passphrase) => secret.to_locked_key_file(vault, passphrase, &mut getrandom::SysRng)?,
    };
    write_file(folder, &bytes)
}

fn write_file(folder: &Path, bytes: &Zeroizing<Vec<u8>>) -> anyhow::Result<()> {
    let path = folder.join(KEY_FILE_NAME);
    write_private(&path, bytes)
        .with_context(|| format!("while writing the key to {}", path.display()))
}

/// Refuses a folder on the data drive's or the system card's disk: whoever took the one would have
/// both.
///
/// # Errors
///
/// Which disk it is, and what to do.
pub fn check_disk(config: &Config, folder: &Path, what: &str) -> anyhow::Result<()> {
    for (other, place) in [
        ("data drive", &config.vault.folder),
        ("system card", &config.vault.system),
    ] {
        let shared = disk::share_a_disk(folder, place)
            .context("while looking which disk a folder lies on")?;
        ensure!(
            !shared,
            "{what} would lie on the same disk as the {other}, so whoever takes one has both; \
             mount a USB stick and name its folder, or add --trial if this is only a trial"
        );
    }
    Ok(())
}

pub(super) fn change_passphrase(config: &Config, change: &Change) -> anyhow::Result<()> {
    let (stick, set) = match change {
        Change::Set { stick } => (stick, true),
        Change::Remove { stick } => (stick, false),
    };
    let folder = stick.as_ref().unwrap_or(&config.vault.key);
    let file = custodian::read_key_file(folder)?
        .with_context(|| format!("there is no key in {}", folder.display()))?;
    if let Ok(known) = VaultFolder::open(&config.vault.folder) {
        ensure!(
            known.vault_id() == file.vault(),
            "the key in {} is another vault's; nothing was changed",
            folder.display()
        );
    }
    let key = custodian::unlock(file)?;
    let mut out = io::stdout().lock();
    if set {
        let passphrase = ask::new_passphrase(MIN_PASSPHRASE_LETTERS)?;
        write(folder, &key.vault, &key.secret, Some(&passphrase))?;
        writeln!(
            out,
            "The stick wants its passphrase from now on. If you forget it, the recovery words and \
             other sticks\nstill open the vault. Copies that were made of the stick before open \
             it without."
        )?;
    } else {
        write(folder, &key.vault, &key.secret, None)?;
        writeln!(out, "The stick wants no passphrase any more.")?;
    }
    Ok(())
}
