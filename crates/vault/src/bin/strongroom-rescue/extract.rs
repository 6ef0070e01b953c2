//! Writes entries to a folder: safe names, nothing overwritten, nothing half written left behind.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use indicatif::ProgressBar;
use vault::{Entry, OpenVault, name::numbered_name, safe_name};

use crate::text::{self, Trouble};

const PART_NAME: &str = "strongroom-rescue.part";

pub(crate) fn run(vault: &OpenVault, all: bool, what: &[String]) -> Result<ExitCode, Trouble> {
    let (folder, numbers) = what.split_last().ok_or_else(text::nothing_asked)?;
    let ranges = numbers
        .iter()
        .map(|it| range(it))
        .collect::<Result<Vec<_>, _>>()?;
    if all != ranges.is_empty() {
        return Err(text::nothing_asked());
    }
    let folder = Path::new(folder);
    prepare(vault, folder)?;
    let catalog = super::read_catalog(vault)?;
    let wanted: Vec<&Entry> = catalog
        .entries
        .iter()
        .filter(|entry| all || ranges.iter().any(|it| it.contains(&entry.number.get())))
        .collect();
    let mut complete = true;
    for range in &ranges {
        let found = wanted
            .iter()
            .any(|entry| range.contains(&entry.number.get()));
        if !found {
            complete = false;
            complain(&text::no_such_entry(*range.start(), *range.end()));
        }
    }
    let bytes = wanted.iter().map(|entry| entry.size).sum();
    room_for(folder, bytes)?;
    let bar = ProgressBar::new(bytes).with_style(text::bytes_style());
    let mut written = 0_u64;
    for entry in &wanted {
        let name = safe_name(entry.name());
        bar.set_message(name.clone());
        match extract(vault, entry, folder, &name, &bar) {
            Ok(path) => {
                written += 1;
                let name = path
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned();
                bar.suspend(|| {
                    let _ = writeln!(io::stdout().lock(), "#{} {name}", entry.number);
                });
            }
            Err(error) => {
                complete = false;
                bar.suspend(|| complain(&text::not_extracted(entry, &name, &error)));
                if is_fatal(&error) {
                    break;
                }
            }
        }
    }
    bar.finish_and_clear();
    File::open(folder)
        .and_then(|it| Ok(rustix::fs::syncfs(it)?))
        .map_err(|error| text::not_written(folder, &error))?;
    complain(&text::extracted(written, folder));
    let code = if all {
        super::report_catalog(&catalog)
    } else {
        ExitCode::SUCCESS
    };
    Ok(if complete {
        code
    } else {
        ExitCode::from(text::INCOMPLETE)
    })
}

/// Reads `3` or `7-12`.
fn range(text: &str) -> Result<std::ops::RangeInclusive<u64>, Trouble> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let number = |it: &str| {
        it.trim_start_matches('#')
            .parse::<u64>()
            .ok()
            .filter(|it| *it > 0)
    };
    match (number(from), number(to)) {
        (Some(from), Some(to)) if from <= to => Ok(from..=to),
        _ => Err(text::no_number(text)),
    }
}

/// Makes sure that the folder is there and is not the vault itself.
fn prepare(vault: &OpenVault, folder: &Path) -> Result<(), Trouble> {
    fs::create_dir_all(folder).map_err(|error| text::not_written(folder, &error))?;
    let (inside, outside) = (folder.canonicalize(), vault.folder().path().canonicalize());
    match (inside, outside) {
        (Ok(inside), Ok(outside)) if inside.starts_with(&outside) => Err(text::inside_vault()),
        (Ok(_), Ok(_)) => Ok(()),
        (Err(error), _) | (_, Err(error)) => Err(text::not_written(folder, &error)),
    }
}

fn room_for(folder: &Path, bytes: u64) -> Result<(), Trouble> {
    let room =
        rustix::fs::statvfs(folder).map_err(|error| text::not_written(folder, &error.into()))?;
    let free = room.f_bavail.saturating_mul(room.f_frsize);
    if free < bytes {
        Err(text::no_room(bytes, free))
    } else {
        Ok(())
    }
}

fn extract(
    vault: &OpenVault,
    entry: &Entry,
    folder: &Path,
    name: &str,
    bar: &ProgressBar,
) -> io::Result<PathBuf> {
    let mut reader = vault.reader(&entry.blob_id)?;
    let (mut file, part) = create_free(folder, PART_NAME)?;
    let copied = (|| {
        let mut buffer = vec![0; 256 * 1024];
        loop {
            let now = reader.read(&mut buffer)?;
            if now == 0 {
                break;
            }
            file.write_all(buffer.get(..now).unwrap_or_default())?;
            bar.inc(now as u64);
        }
        if let Some(time) = entry.metadata.sent_at.or(entry.metadata.received_at) {
            // A date that the file system cannot store is no reason to withhold the file.
            let _ = file.set_modified(time);
        }
        // Taking the name first and renaming over our own empty file never replaces another's.
        let (_, path) = create_free(folder, name)?;
        fs::rename(&part, &path)?;
        Ok(path)
    })();
    if copied.is_err() {
        let _ = fs::remove_file(&part);
    }
    copied
}

/// Makes a new file under this name, or under the first numbered one that is free.
fn create_free(folder: &Path, name: &str) -> io::Result<(File, PathBuf)> {
    for number in 1..=u32::MAX {
        let path = folder.join(if number == 1 {
            name.to_owned()
        } else {
            numbered_name(name, number)
        });
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made.map(|file| (file, path)),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Tells a failing or full drive, which ends the work, from a blob that does not open.
fn is_fatal(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::PermissionDenied
    )
}

fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}
