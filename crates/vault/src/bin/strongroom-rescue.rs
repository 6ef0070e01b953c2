//! Opens a vault on any computer, without the daemon, XMPP or an index. Never writes to the vault.

use std::{
    io::{self, Write as _},
    path::Path,
    process::ExitCode,
    time::SystemTime,
};

use clap::Parser as _;
use indicatif::ProgressBar;
use vault::{
    KEY_FILE_NAME, KeyFile, OpenVault, SlotSecret,
    ask::{self, AskError},
    catalog::Catalog,
    check,
    line::{KeySource, Line, Task},
    safe_name,
};
use zeroize::Zeroizing;

#[path = "strongroom-rescue/extract.rs"]
mod extract;
#[path = "strongroom-rescue/text.rs"]
mod text;

use text::Trouble;

fn main() -> ExitCode {
    let line = Line::parse();
    match run(&line) {
        Ok(code) => code,
        Err(trouble) => {
            let _ = writeln!(io::stderr().lock(), "{}", trouble.text);
            ExitCode::from(trouble.status)
        }
    }
}

fn run(line: &Line) -> Result<ExitCode, Trouble> {
    let secret = read_secret(&line.key)?;
    let vault = OpenVault::open(&line.vault, &secret, SystemTime::now())
        .map_err(|error| text::not_opened(&error, line.key.words))?;
    drop(secret);
    match &line.task {
        Task::List => list(&vault),
        Task::Extract { all, what } => extract::run(&vault, *all, what),
        Task::Verify => verify(&vault),
    }
}

fn read_secret(source: &KeySource) -> Result<SlotSecret, Trouble> {
    match &source.key {
        Some(path) => read_key_file(path),
        None => read_words(),
    }
}

fn read_key_file(path: &Path) -> Result<SlotSecret, Trouble> {
    let file = if path.is_dir() {
        path.join(KEY_FILE_NAME)
    } else {
        path.to_owned()
    };
    let read = || -> io::Result<Zeroizing<Vec<u8>>> {
        use std::io::Read as _;
        let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
        std::fs::File::open(&file)?
            .take(4096)
            .read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().map_err(|error| text::no_key_file(&file, &error))?;
    match KeyFile::parse(&bytes).map_err(|error| text::bad_key(&file, &error))? {
        KeyFile::Plain(key) => Ok(key.secret),
        KeyFile::WithPassphrase(locked) => {
            let typed =
                ask::passphrase("Passphrase of the key: ").map_err(|_| text::no_phrase())?;
            let opened = locked.unlock(&typed);
            Ok(opened.map_err(|error| text::bad_phrase(&error))?.secret)
        }
    }
}

fn read_words() -> Result<SlotSecret, Trouble> {
    ask::words().map_err(|error| match error {
        AskError::Words(error) => text::bad_words(&error),
        AskError::NoInput | AskError::Io(_) | AskError::NotTheSame | _ => text::no_words(),
    })
}

fn list(vault: &OpenVault) -> Result<ExitCode, Trouble> {
    let catalog = read_catalog(vault)?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    for entry in &catalog.entries {
        let line = text::entry_line(entry, &safe_name(entry.name()));
        writeln!(out, "{line}").map_err(|error| text::no_output(&error))?;
    }
    out.flush().map_err(|error| text::no_output(&error))?;
    Ok(report_catalog(&catalog))
}

fn verify(vault: &OpenVault) -> Result<ExitCode, Trouble> {
    let catalog = read_catalog(vault)?;
    let blobs = catalog.entries.len() + catalog.duplicates.len() + catalog.unreadable.len();
    let bar = ProgressBar::new(blobs as u64).with_style(text::count_style());
    let mut report = check::Report::default();
    let read = check::check_blobs(vault, &mut report, |_| {
        bar.inc(1);
        true
    });
    bar.finish_and_clear();
    read.map_err(|error| text::drive_failed(&error))?;
    let mut out = io::stdout().lock();
    let written = writeln!(out, "{}", text::verified(&report));
    written.map_err(|error| text::no_output(&error))?;
    for (blob, error) in &report.unsound {
        let entry = catalog.entries.iter().find(|entry| entry.blob_id == *blob);
        let which = entry.map_or_else(|| format!("blob {blob}"), |it| format!("#{}", it.number));
        let _ = writeln!(io::stderr().lock(), "{which}: {error}.");
    }
    let code = report_catalog(&catalog);
    Ok(if report.unsound.is_empty() {
        code
    } else {
        ExitCode::from(text::INCOMPLETE)
    })
}

fn read_catalog(vault: &OpenVault) -> Result<Catalog, Trouble> {
    let bar = ProgressBar::new_spinner().with_message("Reading the vault");
    let catalog = Catalog::read(vault, || bar.inc(1));
    bar.finish_and_clear();
    catalog.map_err(|error| text::drive_failed(&error))
}

/// Tells what is wrong with the vault as a whole, and ends with the status that says so.
fn report_catalog(catalog: &Catalog) -> ExitCode {
    let complaints = text::complaints(catalog);
    let mut err = io::stderr().lock();
    for complaint in &complaints {
        let _ = writeln!(err, "{complaint}");
    }
    if complaints.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(text::INCOMPLETE)
    }
}
