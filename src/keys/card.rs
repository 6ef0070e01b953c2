//! What the system card keeps of the vault: its public half, copies of the slot records, the
//! pepper. None of it opens a file.
//!
//! The drive goes first, the card follows: the public half last, since what is sealed to one that
//! the drive does not know would be lost, and what is sealed to an older one opens.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use vault::{OpenVault, PublicHalf, slot::SlotRecord};

use super::spare;
use crate::{crash, state::write_private};

/// File of the vault's public half in the system folder.
pub const PUBLIC_HALF_FILE: &str = "vault.pub";
/// Folder of copies of the slot records in the system folder.
pub const SLOTS_FOLDER: &str = "slots";
/// File of the unlock code's other half in the system folder.
pub const PEPPER_FILE: &str = "unlock-code.pepper";

/// Makes the card agree with the open vault.
///
/// # Errors
///
/// The card's or the drive's.
pub fn keep(system: &Path, vault: &OpenVault) -> anyhow::Result<()> {
    let records = vault.folder().slot_records();
    copy_slots(system, &records.context("while reading the slot records")?)
        .context("while copying the slot records to the system card")?;
    crash::point("slots copied");
    spare::remember(system, vault)?;
    crash::point("kinds of slots kept");
    keep_public_half(system, &vault.public_half())
        .context("while writing the public key to the system card")?;
    crash::point("public half kept");
    Ok(())
}

/// Reads the public half; `None` if there is none on this card.
///
/// # Errors
///
/// The card's; also when the file is damaged.
pub fn public_half(system: &Path) -> anyhow::Result<Option<PublicHalf>> {
    match fs::read(system.join(PUBLIC_HALF_FILE)) {
        Ok(bytes) => Ok(Some(PublicHalf::from_bytes(&bytes)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).context("while reading the public key on the system card"),
    }
}

/// Puts a public half in the place of the one that is there, durably.
///
/// # Errors
///
/// The card's.
pub fn keep_public_half(system: &Path, half: &PublicHalf) -> io::Result<()> {
    let path = system.join(PUBLIC_HALF_FILE);
    let bytes = half.to_bytes();
    if fs::read(&path).is_ok_and(|found| found == bytes) {
        return Ok(());
    }
    write_private(&path, &bytes)
}

/// Keeps exactly these slot records on the card, under the names that they have on the drive. What
/// is dropped could open what is revoked, and is overwritten.
///
/// # Errors
///
/// The card's.
pub fn copy_slots(system: &Path, records: &[Vec<u8>]) -> io::Result<()> {
    let folder = system.join(SLOTS_FOLDER);
    fs::create_dir_all(&folder)?;
    let mut kept: Vec<PathBuf> = Vec::with_capacity(records.len());
    for bytes in records {
        let Ok(record) = SlotRecord::parse(bytes) else {
            continue;
        };
        let path = folder.join(format!("{}.slot", record.slot));
        if fs::read(&path).map_or(true, |found| found != *bytes) {
            write_private(&path, bytes)?;
        }
        kept.push(path);
    }
    // Nothing readable on the drive is no reason to forget what the card has.
    if kept.is_empty() {
        return Ok(());
    }
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        if !kept.contains(&path) {
            remove_for_good(&path)?;
        }
    }
    fs::File::open(&folder)?.sync_all()
}

/// Removes a small file whose bytes must not be found again, as far as the card lets that be done.
///
/// # Errors
///
/// The card's; none if there is no such file.
pub fn remove_for_good(path: &Path) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).custom_flags(libc::O_NOFOLLOW);
    let mut file = match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        // A link holds nothing, and what it leads to may be somebody else's.
        Err(error) if error.raw_os_error() == Some(libc::ELOOP) => return fs::remove_file(path),
        opened => opened?,
    };
    let length = usize::try_from(file.metadata()?.len()).unwrap_or_default();
    file.write_all(&vec![0; length])?;
    file.sync_all()?;
    fs::remove_file(path)?;
    match path.parent() {
        Some(folder) => fs::File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}
