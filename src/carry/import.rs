//! A folder goes into the vault: small files in groups that become durable together, large ones one
//! by one.
//!
//! ```text
//! read -> known content? -> sealed into the group
//! the group's blobs are noted on the card -> durable, named -> entered -> told
//! ```
//!
//! What a kill leaves between the names and the entries is entered by the next run, since the card
//! says that it was sealed here; and content that is in the vault is not sealed again, so that the
//! next run goes on where this one ended.

use std::{
    collections::HashSet,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
    time::SystemTime,
};

use anyhow::{Context as _, bail, ensure};
use getrandom::SysRng;
use indicatif::{ProgressBar, ProgressStyle};
use vault::{
    Adopted, Attributes, BlobId, Bulk, Index, Metadata, Origin, Sealer, index::EntryNumber,
};

use super::{INCOMPLETE, alone, count};
use crate::{
    clock,
    config::Config,
    crash,
    keys::custodian::{self, Custodian},
    place::gather,
    state::State,
};

/// The note that holds the blobs of a group that may be on the drive and not in the index.
const GROUP_NOTE: &str = "import";
/// Files of a group, and bytes of their content.
const GROUP_FILES: usize = 500;
const GROUP_BYTES: u64 = 64 * 1024 * 1024;
/// Larger files are sealed one by one, as they are read.
const LARGE_BYTES: u64 = 8 * 1024 * 1024;

/// What `strongroom import` is told.
#[derive(Debug, clap::Args)]
pub struct Import {
    /// Files and folders
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Put what lies in a folder inside into the album of that name
    #[arg(long)]
    pub albums: bool,
    /// What opens the vault.
    #[command(flatten)]
    pub custodian: Custodian,
}

/// A file of the group.
struct Added {
    album: Option<String>,
    content: ([u8; 32], u64),
}

#[derive(Default)]
struct Tally {
    stored: u64,
    same: u64,
    failed: u64,
    first: Option<EntryNumber>,
    last: Option<EntryNumber>,
}

struct Importing<'a> {
    config: &'a Config,
    state: Option<State>,
    index: Index,
    sealer: &'a Sealer,
    bulk: Bulk<'a>,
    blobs: Vec<BlobId>,
    added: Vec<Added>,
    contents: HashSet<([u8; 32], u64)>,
    bytes: u64,
    tally: Tally,
    bar: ProgressBar,
}

/// Imports files, and returns 0 when all of them are in the vault, else 1.
///
/// # Errors
///
/// What is in the way, and what to do.
pub fn import(config: &Config, import: &Import) -> anyhow::Result<ExitCode> {
    let mut files = Vec::new();
    for path in &import.paths {
        let path = fs::canonicalize(path)
            .with_context(|| format!("while looking for {}", path.display()))?;
        let vault = fs::canonicalize(&config.vault.folder)?;
        ensure!(
            !path.starts_with(&vault) && !vault.starts_with(&path),
            "{} holds the vault itself",
            path.display()
        );
        let found = gather(&path).with_context(|| format!("while reading {}", path.display()))?;
        files.extend(found.into_iter().map(|file| (path.clone(), file)));
    }
    ensure!(!files.is_empty(), "there are no files there");
    let state = alone(config)?;
    let opened = custodian::open(config, &import.custodian)?;
    let index = custodian::open_index(&opened.vault)?;
    let sealer = Sealer::new(&opened.vault.public_half(), opened.vault.folder().clone())?;
    sealer.sweep(&[]).context("while tidying up the drive")?;
    let total = files.iter().map(|(_, file)| size(file)).sum();
    let mut importing = Importing {
        config,
        state,
        index,
        sealer: &sealer,
        bulk: sealer.bulk()?,
        blobs: Vec::new(),
        added: Vec::new(),
        contents: HashSet::new(),
        bytes: 0,
        tally: Tally::default(),
        bar: bar(total),
    };
    importing.finish_earlier()?;
    for (root, file) in &files {
        let album = import.albums.then(|| album(root, file)).flatten();
        importing.take(file, album)?;
    }
    importing.flush()?;
    importing.end()
}

fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |it| it.len())
}

/// Returns the name of the folder that a file lies in, below the one that is imported.
fn album(root: &Path, file: &Path) -> Option<String> {
    let folder = file.parent()?.strip_prefix(root).ok()?.file_name()?;
    Some(folder.to_string_lossy().into_owned())
}

impl Importing<'_> {
    /// Enters what an earlier import has put on the drive and could not enter.
    fn finish_earlier(&mut self) -> anyhow::Result<()> {
        let Some(state) = &mut self.state else {
            return Ok(());
        };
        let noted: Vec<[u8; 16]> = state.begin()?.note(GROUP_NOTE)?.unwrap_or_default();
        for blob in noted.into_iter().map(BlobId::from_bytes) {
            if self.index.number_of(&blob)?.is_some() || !self.sealer.has(&blob)? {
                continue;
            }
            match self.index.adopt(&blob, proven(), clock::now()) {
                Ok(_) => {}
                Err(vault::IndexError::Blob(error)) => {
                    log::warn!("a blob of an earlier import does not open: {error}");
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn take(&mut self, path: &Path, album: Option<String>) -> anyhow::Result<()> {
        let taken = match size(path) {
            bytes if bytes > LARGE_BYTES => self.take_large(path, album),
            _ => self.take_small(path, album),
        };
        let Err(error) = taken else {
            return Ok(());
        };
        // A file that cannot be read is left out; a drive that fails ends it all.
        let is_source = error.downcast_ref::<Unread>().is_some();
        if !is_source {
            return Err(error);
        }
        self.tally.failed += 1;
        let words = format!("not imported: {}: {error}", path.display());
        self.bar
            .suspend(|| writeln!(io::stdout().lock(), "{words}"))?;
        Ok(())
    }

    fn take_small(&mut self, path: &Path, album: Option<String>) -> anyhow::Result<()> {
        let (content, metadata) = read(path).map_err(Unread)?;
        let bytes = content.len() as u64;
        let hash = *blake3::hash(&content).as_bytes();
        if self.is_known((hash, bytes))? {
            return Ok(());
        }
        let blob = BlobId::random(&mut SysRng)?;
        self.bulk.add(&blob, &content, metadata, &mut SysRng)?;
        self.blobs.push(blob);
        self.contents.insert((hash, bytes));
        self.added.push(Added {
            album,
            content: (hash, bytes),
        });
        self.bytes += bytes;
        self.bar.inc(bytes);
        if self.added.len() >= GROUP_FILES || self.bytes >= GROUP_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    fn take_large(&mut self, path: &Path, album: Option<String>) -> anyhow::Result<()> {
        let mut hasher = blake3::Hasher::new();
        let hashed = File::open(path).and_then(|file| Ok(hasher.update_reader(file)?.count()));
        let bytes = hashed.map_err(Unread)?;
        if self.is_known((*hasher.finalize().as_bytes(), bytes))? {
            return Ok(());
        }
        self.flush()?;
        self.check_room(bytes)?;
        let blob = BlobId::random(&mut SysRng)?;
        self.note(&[blob])?;
        let mut source = File::open(path).map_err(Unread)?;
        let metadata = metadata(path).map_err(Unread)?;
        let mut writer = self.sealer.start(&blob, &mut SysRng)?;
        io::copy(&mut source, &mut writer).context("while sealing a file")?;
        writer.finish(metadata)?;
        crash::point("import placed");
        let adopted = self.index.adopt(&blob, proven(), clock::now())?;
        self.enter(adopted, album)?;
        self.bar.inc(bytes);
        Ok(())
    }

    /// Returns whether the vault, or the group, has this content; what lay in the trash is taken out.
    fn is_known(&mut self, content: ([u8; 32], u64)) -> anyhow::Result<bool> {
        let known = self.index.with_content(&content.0, content.1)?;
        if let Some(number) = known
            && let Some(entry) = self.index.get(number)?
            && entry.labels.trashed_at.is_some()
        {
            self.index.restore(number, clock::now())?;
        }
        let is_known = known.is_some() || self.contents.contains(&content);
        if is_known {
            self.tally.same += 1;
            self.bar.inc(content.1);
        }
        Ok(is_known)
    }

    /// Makes the group durable and enters it.
    fn flush(&mut self) -> anyhow::Result<()> {
        if self.added.is_empty() {
            return Ok(());
        }
        self.check_room(0)?;
        let blobs = std::mem::take(&mut self.blobs);
        self.note(&blobs)?;
        let kept = self.bulk.commit()?;
        crash::point("import placed");
        let adopted = self.index.adopt_kept(&kept, clock::now())?;
        let mut moves = Vec::new();
        for (adopted, added) in adopted.into_iter().zip(self.added.drain(..)) {
            self.contents.remove(&added.content);
            self.tally.count(adopted);
            if let (Adopted::New(number), Some(album)) = (adopted, added.album) {
                moves.push((number, album));
            }
        }
        self.index.move_to_albums(&moves, clock::now())?;
        self.bytes = 0;
        Ok(())
    }

    fn enter(&mut self, adopted: Adopted, album: Option<String>) -> anyhow::Result<()> {
        self.tally.count(adopted);
        if let (Adopted::New(number), Some(album)) = (adopted, album) {
            self.index
                .move_to_album(number, Some(&album), clock::now())?;
        }
        Ok(())
    }

    /// Notes on the card which blobs are about to get their names, where this machine has one.
    fn note(&mut self, blobs: &[BlobId]) -> anyhow::Result<()> {
        let Some(state) = &mut self.state else {
            return Ok(());
        };
        let blobs: Vec<[u8; 16]> = blobs.iter().map(|it| *it.as_bytes()).collect();
        let step = state.begin()?;
        step.set_note(GROUP_NOTE, Some(&blobs))?;
        Ok(step.commit()?)
    }

    /// Stops before the drive is so full that index and log cannot grow.
    fn check_room(&self, more: u64) -> anyhow::Result<()> {
        let drive = rustix::fs::statvfs(&self.config.vault.folder).map_err(io::Error::from)?;
        let free = drive.f_bavail.saturating_mul(drive.f_frsize);
        let bytes = drive.f_blocks.saturating_mul(drive.f_frsize);
        // Padding adds an eighth at most.
        if free.saturating_sub(more + more / 8) < self.config.vault.reserve(bytes) {
            bail!(
                "the data drive is nearly full: {free} bytes are free. What was told so far is \
                 stored; run the same again with more room"
            );
        }
        Ok(())
    }

    fn end(mut self) -> anyhow::Result<ExitCode> {
        self.bar.finish_and_clear();
        if let Some(state) = &mut self.state {
            let step = state.begin()?;
            step.set_note(GROUP_NOTE, None::<&Vec<[u8; 16]>>)?;
            step.commit()?;
        }
        let Tally {
            stored,
            same,
            failed,
            first,
            last,
        } = self.tally;
        let numbers = match (first, last) {
            (Some(first), Some(last)) if first == last => format!(" as #{first}"),
            (Some(first), Some(last)) => format!(" as #{first} to #{last}"),
            _ => String::new(),
        };
        let mut words = format!(
            "{}: {stored} stored{numbers}",
            count(stored + same + failed, "file", "files")
        );
        if same > 0 {
            words.push_str(&format!(", {same} in the vault before"));
        }
        if failed > 0 {
            words.push_str(&format!(", {failed} not imported"));
        }
        writeln!(io::stdout().lock(), "{words}.")?;
        Ok(match failed {
            0 => ExitCode::SUCCESS,
            _ => ExitCode::from(INCOMPLETE),
        })
    }
}

impl Tally {
    fn count(&mut self, adopted: Adopted) {
        let (Adopted::New(number) | Adopted::Already(number)) = adopted else {
            self.same += 1;
            return;
        };
        self.stored += 1;
        self.first = Some(self.first.map_or(number, |first| first.min(number)));
        self.last = Some(self.last.map_or(number, |last| last.max(number)));
    }
}

/// A file of the source that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Unread(io::Error);

fn proven() -> Attributes {
    Attributes {
        origin: Origin::Proven,
        caption: None,
    }
}

fn read(path: &Path) -> io::Result<(Vec<u8>, Metadata)> {
    Ok((fs::read(path)?, metadata(path)?))
}

fn metadata(path: &Path) -> io::Result<Metadata> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let written: Option<SystemTime> = fs::metadata(path)?.modified().ok();
    Ok(Metadata {
        name: Some(name.into_owned()),
        sent_at: written,
        received_at: Some(clock::now()),
        ..Metadata::default()
    })
}

fn bar(bytes: u64) -> ProgressBar {
    let template = "{bar:30} {bytes:>10} of {total_bytes}  {bytes_per_sec}  {eta:>4} left";
    let style = ProgressStyle::with_template(template);
    ProgressBar::new(bytes).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
