//! Checks: what the keeper wants of the vault process, and the look at a locked vault, which needs
//! none.

use std::path::Path;

use vault::{BlobId, VaultFolder, check};

use super::{Daemon, Happening, dialogue};
use crate::keeper::{
    Input,
    verify::{Act, Heard, Outside},
};

impl Daemon {
    /// Does what the keeper wants about checks. Without a vault process there is nothing to do: the
    /// keeper hears that the vault is locked.
    pub(super) fn verify(&mut self, act: Act) {
        let Some(order) = dialogue::check(act, self.config.verify.bytes_per_second) else {
            return self.look_outside();
        };
        if let Some(vault) = &self.vault {
            vault.process.order(order);
        }
    }

    /// Looks at what can be seen of a locked vault, on a thread where nothing waits for it.
    fn look_outside(&self) {
        let folder = self.config.vault.folder.clone();
        let waiting: Vec<BlobId> = self
            .keeper
            .waiting_blobs()
            .into_iter()
            .map(BlobId::from_bytes)
            .collect();
        let tell = self.tell.clone();
        tokio::task::spawn_blocking(move || {
            let seen = seen_outside(&folder, &waiting);
            // The loop is gone only when the daemon stops.
            let _ = tell.send(Happening::Input(Input::Verify(Heard::Outside(seen))));
        });
    }
}

/// Looks at what can be seen of a vault without its key; `None` when the drive is not there.
#[must_use]
pub fn seen_outside(folder: &Path, waiting: &[BlobId]) -> Option<Outside> {
    let seen = VaultFolder::open(folder)
        .map_err(|error| error.to_string())
        .and_then(|folder| {
            check::check_outside(&folder, waiting, |_| true).map_err(|error| error.to_string())
        });
    match seen {
        Ok(seen) => Some(outside(&seen)),
        Err(error) => {
            log::warn!("the locked vault could not be looked at: {error}");
            None
        }
    }
}

fn outside(seen: &check::Outside) -> Outside {
    for blob in seen.strange.iter().chain(&seen.unreadable) {
        log::warn!("blob {blob} does not look as it should");
    }
    let count = |list: &[BlobId]| list.len() as u64;
    Outside {
        files: seen.blobs,
        bytes: seen.bytes,
        strange: count(&seen.strange),
        unreadable: count(&seen.unreadable),
        missing: count(&seen.missing),
        set_aside: seen.set_aside,
        slots: seen.slots,
        damaged_records: seen.damaged_slots + seen.broken_epochs.len() as u64,
    }
}
