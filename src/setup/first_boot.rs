//! The first boot: one file on the card's small partition makes a system a vault that can be paired.
//!
//! It runs as root before the daemon, whenever such a file is there. Everything it says is on the card
//! durably before the file is overwritten; a file with a mistake stays, so that it can be mended.

use std::{
    os::unix::{fs::MetadataExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context as _, ensure};

mod account;
pub(super) mod code;
pub(super) mod fields;
mod imager;
mod judge;
pub(super) mod machine;
mod new_account;
pub(super) mod partition;
pub(super) mod reading;
#[cfg(test)]
mod tests;

use account::Places;
use machine::{Changed, Tree};
use new_account::NoAccount;
use partition::{File, Partition};
use reading::{Machine, Mistake, Wishes};

use crate::{config::Config, daemon::start::own_address, keeper::devices::Own};

/// What `strongroom first-boot` is told.
#[derive(Debug, clap::Args)]
pub struct FirstBoot {
    /// The card's small partition, mounted
    #[arg(long, value_name = "FOLDER", default_value = "/boot/firmware")]
    pub boot: PathBuf,
    /// The system to set up, other than the running one
    #[arg(long, value_name = "FOLDER", default_value = "/")]
    pub root: PathBuf,
}

/// Why the file was not applied.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FirstBootError {
    /// The owner has to mend the file.
    #[error(
        "the first-boot file was not applied; strongroom-status.txt on the card says what to mend"
    )]
    Mistakes,
    /// It will be tried again.
    #[error("the first-boot file was not applied yet")]
    Later(#[source] anyhow::Error),
}

/// Applies the file that lies on the card, if one does.
///
/// A file with mistakes ends it with 78 (EX_CONFIG, sysexits.h): it does not mend itself.
///
/// # Errors
///
/// [`FirstBootError`] where it has to be tried again; else the card's. The status file has the words.
pub fn first_boot(told: &FirstBoot) -> anyhow::Result<ExitCode> {
    let partition = Partition(told.boot.clone());
    let tree = Tree(told.root.clone());
    let mut written = partition.written()?;
    if written.len() > 1 {
        partition.tell(TWO_FILES)?;
        log::error!("{}", FirstBootError::Mistakes);
        return Ok(ExitCode::from(78));
    }
    let files = Files {
        written: written.pop(),
        imager: partition.imager()?,
    };
    if files.written.is_none() && files.imager.is_none() {
        log::info!("there is no first-boot file");
        return Ok(ExitCode::SUCCESS);
    }
    let outcome = apply(&partition, &tree, &files);
    let Err(error) = outcome else {
        return Ok(ExitCode::SUCCESS);
    };
    if let Some(FirstBootError::Mistakes) = error.downcast_ref() {
        log::error!("{error}");
        return Ok(ExitCode::from(78));
    }
    let kept = "The file on the card is kept, and tried again whenever the vault is switched on.";
    partition.tell(&format!(
        "Strongroom: NOT SET UP YET\n\n{}\n\n{kept}\n",
        capital(&format!("{error:#}"))
    ))?;
    Err(error)
}

/// What the owner reads when nobody can know which file counts.
const TWO_FILES: &str = "Strongroom: NOT SET UP\n\nThere are two files here: strongroom.toml and \
    strongroom.toml.txt. So nothing was changed.\nRemove the one that is not meant, put the card back in, \
    and switch on again. Both hold passwords.\n";

/// The files that were found.
struct Files {
    written: Option<File>,
    imager: Option<File>,
}

fn apply(partition: &Partition, tree: &Tree, files: &Files) -> anyhow::Result<()> {
    let Ok((wishes, machine, uses_imager)) = read(tree, files).map_err(|mistakes| {
        if let Err(error) = partition.tell(&told(&mistakes)) {
            log::error!("{error:#}");
        }
    }) else {
        return Err(FirstBootError::Mistakes.into());
    };
    if wishes.is_none() && !uses_imager {
        log::info!("custom.toml says nothing that is used here, and stays as it is");
        return Ok(());
    }
    let rest = match &files.imager {
        Some(file) if uses_imager => imager::rest(&file.bytes),
        _ => None,
    };
    let changed = machine::apply(tree, &machine)?;
    if is_running(tree) && changed != Changed::default() {
        machine::take_up(&changed);
    }
    let mut status = match wishes {
        Some(wishes) => {
            let places = Places::new(tree);
            let planned = account::settings(&places, &wishes)?;
            let config = account::furnish(tree, &places, &wishes, planned).map_err(later)?;
            let address = address(tree, &places, &config)?;
            partition.show_address(&address)?;
            done(&config, &address, wishes.code.is_some())
        }
        None => "Strongroom: the lines of custom.toml were taken.\n\nThe vault itself is not set up: put \
                 a file \"strongroom.toml\" here too.\n"
            .to_owned(),
    };
    if files.imager.is_some() && (rest.is_some() || !uses_imager) {
        status.push_str(
            "\nThe file custom.toml has lines that the vault does not use, like a user and its password. \
             They stay; remove the file if nothing else needs it.\n",
        );
    }
    partition.tell(&status)?;
    match (&files.imager, &rest) {
        (Some(file), Some(rest)) => partition.cut(file, rest)?,
        (Some(file), None) if uses_imager => partition.wipe(file)?,
        _ => {}
    }
    if let Some(file) = &files.written {
        partition.wipe(file)?;
    }
    log::info!("the first-boot file was applied and wiped");
    Ok(())
}

fn later(error: anyhow::Error) -> anyhow::Error {
    match error.downcast_ref::<NoAccount>() {
        Some(why) if why.is_for_now => FirstBootError::Later(error).into(),
        _ => error,
    }
}

/// Reads both files; what the owner wrote counts where both say something. The last is whether
/// `custom.toml` says something that is used here.
fn read(tree: &Tree, files: &Files) -> Result<(Option<Wishes>, Machine, bool), Vec<Mistake>> {
    let has_zone = |zone: &str| tree.has_zone(zone);
    let mut mistakes = Vec::new();
    let mut wishes = None;
    let mut machine = Machine::default();
    let mut uses_imager = false;
    if let Some(file) = &files.written {
        match reading::read(&file.bytes, &has_zone) {
            Ok(mut found) => {
                machine = std::mem::take(&mut found.machine);
                wishes = Some(found);
            }
            Err(found) => mistakes.extend(found),
        }
    }
    if let Some(file) = &files.imager {
        match imager::read(&file.bytes, &has_zone) {
            Ok(found) => {
                uses_imager = !found.is_empty();
                machine = machine.or(found);
            }
            Err(found) => mistakes.extend(found),
        }
    }
    if mistakes.is_empty() {
        Ok((wishes, machine, uses_imager))
    } else {
        Err(mistakes)
    }
}

/// Tells whether the tree is the system that runs, and not one that is prepared or tried.
fn is_running(tree: &Tree) -> bool {
    tree.0 == Path::new("/")
}

/// Returns the vault's address. Its identity is made for it, as the daemon's user: what root made, the
/// daemon could not use.
fn address(tree: &Tree, places: &Places, config: &Config) -> anyhow::Result<String> {
    let system = &places.system;
    let folder = std::fs::metadata(system)
        .with_context(|| format!("while looking at {}", system.display()))?;
    if is_running(tree) && folder.uid() != 0 && rustix::process::geteuid().is_root() {
        let program = std::env::current_exe().context("while looking for this program")?;
        let asked = Command::new(program)
            .arg("--config")
            .arg(&places.settings)
            .args(["address", "--plain"])
            .uid(folder.uid())
            .gid(folder.gid())
            .current_dir("/")
            .output()
            .context("while asking for the vault's address")?;
        ensure!(
            asked.status.success(),
            "the vault's address could not be made: {}",
            String::from_utf8_lossy(&asked.stderr).trim()
        );
        let said = String::from_utf8(asked.stdout).context("while reading the vault's address")?;
        return Ok(said.trim().to_owned());
    }
    let mut here = config.clone();
    here.vault.system.clone_from(system);
    let (device, fingerprint) = own_address(&here)?;
    let own = Own {
        jid: config.account.jid.clone(),
        device,
        fingerprint,
    };
    Ok(own.to_string())
}

/// What the owner reads when all went well.
fn done(config: &Config, address: &str, has_code: bool) -> String {
    let (vault, owner) = (&config.account.jid, &config.owner.jid);
    let next = if has_code {
        "Add that address on your phone, switch OMEMO on, compare the fingerprint, and send your \
         pairing code as the first message. It counts for 30 minutes from the vault's first login; if \
         you were too late, put a new strongroom.toml here."
    } else {
        "Add that address on your phone, switch OMEMO on, and write \"help\"."
    };
    format!(
        "Strongroom: SET UP\n\nThe vault is {vault} and obeys {owner}.\n\n{address}\n\nThe same as a page \
         and as a picture to scan: strongroom-address.html, strongroom-address.png.\n\n{next}\n\nThe file \
         strongroom.toml was overwritten and removed from this card.\n"
    )
}

/// What the owner reads when lines are wrong.
fn told(mistakes: &[Mistake]) -> String {
    let mut text = String::from(
        "Strongroom: NOT SET UP\n\nThe file strongroom.toml cannot be used as it is, so nothing was \
         changed. Mend what follows,\nput the card back in, and switch on again.\n\n",
    );
    for mistake in mistakes {
        text.push_str(&mistake.to_string());
        text.push('\n');
    }
    text
}

/// Makes a whole sentence of an error.
fn capital(text: &str) -> String {
    let mut letters = text.trim_end_matches('.').chars();
    let first = letters.next().map(|it| it.to_uppercase().to_string());
    format!("{}{}.", first.unwrap_or_default(), letters.as_str())
}
