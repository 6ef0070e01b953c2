//! Checks what can be seen of a vault without any key: that files are there, bear this vault's
//! header, and are as long as a sealed file can be. What is in them only the key tells.

use std::io;

use crate::{
    epoch::CHAIN_BYTES,
    extent,
    folder::VaultFolder,
    header::{HEADER_BYTES, Header},
    id::BlobId,
    slot::SlotRecord,
    unseal::Source as _,
};

/// What can be seen of a vault from outside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outside {
    /// How many sealed files lie in their places.
    pub blobs: u64,
    /// How long they are together, in bytes, as they lie there.
    pub bytes: u64,
    /// Those that are not this vault's, not under their own name, or of a length that cannot be.
    pub strange: Vec<BlobId>,
    /// Those that the drive fails to read.
    pub unreadable: Vec<BlobId>,
    /// Those that are expected and are not there.
    pub missing: Vec<BlobId>,
    /// How many files were set aside before.
    pub set_aside: u64,
    /// How many slots have a record that can be read.
    pub slots: u64,
    /// How many have one that cannot.
    pub damaged_slots: u64,
    /// Epochs whose record of the one before is lost or cut.
    pub broken_epochs: Vec<u32>,
}

impl Outside {
    /// Tells whether nothing at all looks wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.strange.is_empty()
            && self.unreadable.is_empty()
            && self.missing.is_empty()
            && self.damaged_slots == 0
            && self.slots > 0
            && self.broken_epochs.is_empty()
    }
}

/// Checks without a key. `expected` are blobs that are known to be kept, as those that wait;
/// `progress` is told of every blob and answers whether to go on.
///
/// # Errors
/// When the drive fails as a whole.
pub fn check_outside(
    folder: &VaultFolder,
    expected: &[BlobId],
    mut progress: impl FnMut(&Outside) -> bool,
) -> io::Result<Outside> {
    let mut seen = Outside::default();
    let newest = folder.newest_epoch()?.unwrap_or(0);
    for bytes in folder.slot_records()? {
        let ours = SlotRecord::parse(&bytes).is_ok_and(|it| it.vault == *folder.vault_id());
        if ours {
            seen.slots += 1;
        } else {
            seen.damaged_slots += 1;
        }
    }
    for epoch in 2..=newest {
        let chain = folder.read_chain(epoch, CHAIN_BYTES);
        if !chain.is_ok_and(|chain| chain.len() == CHAIN_BYTES) {
            seen.broken_epochs.push(epoch);
        }
    }
    for blob in expected {
        if !folder.has_blob(blob) {
            seen.missing.push(*blob);
        }
    }
    seen.set_aside = folder.set_aside_count()?;
    for blob in folder.blobs()? {
        let blob = blob?;
        match look_at(folder, &blob, newest) {
            Ok((length, plausible)) => {
                seen.blobs += 1;
                seen.bytes = seen.bytes.saturating_add(length);
                if !plausible {
                    seen.strange.push(blob);
                }
            }
            // It may have been taken away since the folder was listed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(_) => seen.unreadable.push(blob),
        }
        if !progress(&seen) {
            break;
        }
    }
    Ok(seen)
}

/// Returns how long a blob is, and whether header and length can be those of a blob of this name.
fn look_at(folder: &VaultFolder, blob: &BlobId, newest: u32) -> io::Result<(u64, bool)> {
    let file = folder.open_blob(blob)?;
    let length = file.length()?;
    if length < HEADER_BYTES as u64 {
        return Ok((length, false));
    }
    let mut bytes = [0; HEADER_BYTES];
    file.read_exact_at(&mut bytes, 0)?;
    let plausible = Header::parse(&bytes).is_ok_and(|header| {
        header.vault == *folder.vault_id()
            && header.blob == *blob
            && (1..=newest).contains(&header.epoch)
    });
    let padded = extent::message_of_blob(length).is_some_and(extent::is_plausible);
    Ok((length, plausible && padded))
}
