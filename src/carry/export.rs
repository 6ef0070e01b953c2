//! Files come out of the vault into a folder, whole, named, and never over another file.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use vault::{Entry, Index, OpenVault, index::EntryNumber};

use super::{INCOMPLETE, alone, count};
use crate::{
    config::Config,
    disk,
    keeper::client::{lines::Which, what::What},
    keys::custodian::{self, Custodian},
    place::{Placed, Unfinished},
};

/// Entries asked of the index at once.
const PAGE: usize = 500;
const PIECE_BYTES: usize = 64 * 1024;

/// What `strongroom export` is told.
#[derive(Debug, clap::Args)]
pub struct Export {
    /// Which files: 7, 7-12, last 5, album Rome, tag beach, find WORDS, or all
    #[arg(value_name = "WHAT", default_value = "all")]
    pub what: Vec<String>,
    /// The folder they are put into, unencrypted; nothing in it is written over
    #[arg(long, value_name = "FOLDER")]
    pub into: PathBuf,
    /// Put them there although it is the disk of the vault or of the system, where they can be found
    /// again after they were deleted
    #[arg(long)]
    pub force: bool,
    /// What opens the vault.
    #[command(flatten)]
    pub custodian: Custodian,
}

/// Exports files, and returns 0 when all are there, else 1.
///
/// # Errors
///
/// What is in the way, and what to do.
pub fn export(config: &Config, export: &Export) -> anyhow::Result<ExitCode> {
    let what = What::read(&export.what)?;
    fs::create_dir_all(&export.into)
        .with_context(|| format!("while making {}", export.into.display()))?;
    let folder = fs::canonicalize(&export.into)?;
    check_place(config, &folder, export.force)?;
    let _state = alone(config)?;
    let opened = custodian::open(config, &export.custodian)?;
    let index = custodian::open_index(&opened.vault)?;
    let numbers = numbers(&index, what)?;
    let bar = bar(numbers.len() as u64);
    let (mut exported, mut before, mut failed) = (0, 0, 0);
    for number in numbers {
        let entry = EntryNumber::new(number)
            .map(|it| index.get(it))
            .transpose()?;
        let placed = match entry.flatten() {
            Some(entry) => unseal(&opened.vault, &entry, &folder)?,
            None => Err("there is no such file".to_owned()),
        };
        match placed {
            Ok(Placed::New(_)) => exported += 1,
            Ok(Placed::There(_)) => before += 1,
            Err(why) => {
                failed += 1;
                bar.suspend(|| writeln!(io::stdout().lock(), "not exported: #{number}: {why}"))?;
            }
        }
        bar.inc(1);
    }
    // What is told is there after a power cut, too: one wait for all.
    make_durable(&folder).context("while writing to the folder")?;
    bar.finish_and_clear();
    let files = count(exported + before + failed, "file", "files");
    let mut words = format!("{files}: {exported} exported");
    if before > 0 {
        words.push_str(&format!(", {before} there before"));
    }
    if failed > 0 {
        words.push_str(&format!(", {failed} not exported"));
    }
    let mut out = io::stdout().lock();
    writeln!(out, "{words}.")?;
    if exported > 0 {
        let place = folder.display();
        writeln!(
            out,
            "They lie in {place} unencrypted: whoever has that has them."
        )?;
    }
    Ok(match failed {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::from(INCOMPLETE),
    })
}

/// Refuses places where what was deleted could be found again by whoever takes the vault.
fn check_place(config: &Config, folder: &Path, force: bool) -> anyhow::Result<()> {
    let vault = fs::canonicalize(&config.vault.folder)?;
    ensure!(
        !folder.starts_with(&vault),
        "{} is inside the vault folder",
        folder.display()
    );
    if force {
        return Ok(());
    }
    for (place, name) in [
        (&config.vault.folder, "data drive"),
        (&config.vault.system, "system card"),
    ] {
        let is_shared = place.exists() && disk::share_a_disk(place, folder)?;
        ensure!(
            !is_shared,
            "{} lies on the {name}, where unencrypted files can be found even after they were \
             deleted. Name a folder on another disk, or add --force",
            folder.display()
        );
    }
    Ok(())
}

/// Finds out which entries are meant, lowest number first; what lies in the trash only by its number.
fn numbers(index: &Index, what: What) -> anyhow::Result<Vec<u64>> {
    let (what, most) = match what {
        What::Numbers(numbers) => return Ok(numbers.into_iter().collect()),
        What::Last(count) => (Which::All, usize::try_from(count).unwrap_or(usize::MAX)),
        What::Which(which) => (which, usize::MAX),
    };
    let mut found: Vec<u64> = Vec::new();
    let mut before = None;
    while found.len() < most {
        let page = match &what {
            Which::All => index.list(before, PAGE)?,
            Which::Album(name) => index.in_album(name, before, PAGE)?,
            Which::Tag(tag) => index.tagged(tag, before, PAGE)?,
            Which::Words(words) => index.find(words, before, PAGE)?,
        };
        let Some(last) = page.last() else { break };
        before = Some(last.number);
        found.extend(page.iter().map(|it| it.number.get()));
    }
    found.truncate(most);
    found.reverse();
    Ok(found)
}

/// Unseals one file into the folder. An error of the folder ends all; one of the file only itself.
fn unseal(
    vault: &OpenVault,
    entry: &Entry,
    folder: &Path,
) -> anyhow::Result<Result<Placed, String>> {
    let mut reader = match vault.reader(&entry.blob_id) {
        Ok(reader) => reader,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let mut file = Unfinished::new(folder).context("while writing to the folder")?;
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match reader.read(&mut piece) {
            Ok(0) => break,
            Ok(read) => file
                .write_all(piece.get(..read).unwrap_or_default())
                .context("while writing to the folder")?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Ok(Err(error.to_string())),
        }
    }
    let name = entry.name().unwrap_or_default();
    let at = entry.metadata.sent_at.or(entry.metadata.received_at);
    let placed = file.place(name, at);
    Ok(Ok(placed.context("while writing to the folder")?))
}

/// Waits until everything that was written to the folder's disk is on it.
fn make_durable(folder: &Path) -> io::Result<()> {
    Ok(rustix::fs::syncfs(fs::File::open(folder)?)?)
}

fn bar(files: u64) -> ProgressBar {
    let template = "{bar:30} {pos:>6} of {len} files  {eta:>4} left";
    let style = ProgressStyle::with_template(template);
    ProgressBar::new(files).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
