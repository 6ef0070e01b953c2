//! `strongroom kit`: a page to print, with words, QR code and what to do; and its confirmation.
//!
//! The words never lie on the drive or the system card, and are in no chat. The page is written
//! once, to where the owner says, and is self-contained: no script, no picture, no link is loaded.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::SystemTime,
};

use anyhow::{Context as _, bail, ensure};
use vault::{OpenVault, SlotSecret, ask, slot::SlotKind};
use zeroize::Zeroizing;

use super::{
    card,
    custodian::{self, Custodian},
    slots, spare, stick,
};
use crate::{config::Config, crash};

mod page;

/// The name of a kit's slot.
const KIT_NAME: &str = "recovery kit";

/// What `strongroom kit` is told.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("task").required(true).args(["out", "confirm"]))]
pub struct Kit {
    /// Write the page to this new file, on neither the data drive nor the system card
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Type the words in from the printed page, to show that it is there and right
    #[arg(long)]
    confirm: bool,
    /// Print words that are there already, and ask for them; otherwise the kit has new ones
    #[arg(long, conflicts_with_all = ["with", "confirm"])]
    words: bool,
    /// The folder of the stick to open the vault with, instead of the one in the settings
    #[arg(long, value_name = "FOLDER", conflicts_with = "confirm")]
    with: Option<PathBuf>,
    /// This is a trial: the page may lie on the same disk as the vault
    #[arg(long)]
    trial: bool,
}

/// Makes a recovery kit, or has one confirmed.
///
/// # Errors
///
/// What is in the way, and what to do.
pub fn act(config: &Config, kit: &Kit) -> anyhow::Result<()> {
    match &kit.out {
        Some(path) => make(config, kit, path),
        None => confirm(config),
    }
}

fn make(config: &Config, kit: &Kit, path: &Path) -> anyhow::Result<()> {
    let path = std::path::absolute(path).context("while reading the page's path")?;
    check_place(config, &path, kit.trial)?;
    let (secret, fresh) = match kit.words {
        true => (ask::words()?, false),
        false => (SlotSecret::generate(&mut getrandom::SysRng)?, true),
    };
    let opened = match fresh {
        true => {
            let custodian = Custodian {
                words: false,
                with: kit.with.clone(),
            };
            custodian::open(config, &custodian)?
        }
        false => custodian::open_by(config, &secret)?,
    };
    let vault = &opened.vault;
    let name = match fresh {
        true => slots::free_name(vault, KIT_NAME)?,
        false => vault.opened_by().1.name.clone(),
    };
    // The page first: words that open nothing yet are no loss if this is cut short.
    write_page(config, vault, &secret, &name, &path)?;
    crash::point("page written");
    if fresh {
        let now = SystemTime::now();
        vault
            .add_slot_of(SlotKind::Words, &secret, &name, &mut getrandom::SysRng, now)
            .context("while giving the new words their way in")?;
        crash::point("slot added");
    }
    card::keep(&config.vault.system, vault)?;
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "The page is in {}. Open it in a browser on a computer you trust and print it; then \
         delete the file.\nWhoever has the page and the drive has every file. Keep them apart.\n\n\
         When it is printed, type the words in from the paper: strongroom kit --confirm",
        path.display()
    )?;
    if fresh {
        writeln!(
            out,
            "The words on it are new, \"{name}\". Older words stay good until you revoke them."
        )?;
    }
    Ok(())
}

/// Refuses a place where the words must not lie, and to overwrite anything.
fn check_place(config: &Config, path: &Path, trial: bool) -> anyhow::Result<()> {
    let folder = path.parent().context("the page needs a file name")?;
    ensure!(folder.is_dir(), "there is no folder {}", folder.display());
    ensure!(
        fs::symlink_metadata(path).is_err(),
        "{} exists already; name a new file",
        path.display()
    );
    let real = fs::canonicalize(folder).context("while looking at the page's folder")?;
    for place in [&config.vault.folder, &config.vault.system] {
        let inside = fs::canonicalize(place).is_ok_and(|place| real.starts_with(place));
        ensure!(
            !inside,
            "the words must not lie in {}; name a place on a USB stick or in memory, such as \
             /dev/shm",
            place.display()
        );
    }
    if !trial {
        stick::check_disk(config, folder, "the page with the words")?;
    }
    Ok(())
}

fn write_page(
    config: &Config,
    vault: &OpenVault,
    secret: &SlotSecret,
    name: &str,
    path: &Path,
) -> anyhow::Result<()> {
    let facts = page::Facts {
        vault: vault.folder().vault_id(),
        address: &config.account.jid,
        owner: &config.owner.jid,
        name,
        made_at: SystemTime::now(),
        version: crate::daemon::VERSION,
    };
    let text: Zeroizing<String> = page::render(&facts, &secret.to_words())?;
    let write = || {
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    write().with_context(|| format!("while writing {}", path.display()))
}

fn confirm(config: &Config) -> anyhow::Result<()> {
    let secret = ask::words()?;
    let opened = custodian::open_by(config, &secret)?;
    let (slot, label, _) = opened.vault.opened_by();
    if label.kind != SlotKind::Words {
        bail!(
            "these words are the key of \"{}\", which is no kit",
            label.name
        );
    }
    spare::confirm(&config.vault.system, slot)?;
    writeln!(
        io::stdout().lock(),
        "The words are right: \"{}\" opens the vault. A lost stick loses nothing now.",
        label.name
    )?;
    Ok(())
}
