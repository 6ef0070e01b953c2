//! Who has a way in, as the open vault knows it.

use std::{io, time::UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use vault::OpenVault;

/// Most slots that one answer names.
const MAX_ROWS: usize = 100;

/// A slot as the vault process describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotRow {
    /// Its name; `None` for one that the vault did not make.
    pub name: Option<String>,
    /// When it was made, in seconds since 1970.
    pub since: Option<i64>,
    /// Whether it opened the vault this time.
    pub opened: bool,
}

/// Who has a way in.
pub(super) struct Slots(OpenVault);

impl Slots {
    pub(super) fn new(vault: &OpenVault) -> Self {
        Self(vault.clone())
    }

    /// Lists them in the order they were made.
    pub(super) fn list(&self) -> io::Result<Vec<SlotRow>> {
        let opened_by = self.0.opened_by().0;
        let mut slots = self.0.slots()?;
        slots.sort_by_key(|(_, label)| label.as_ref().and_then(|it| it.created_at));
        let rows = slots.into_iter().take(MAX_ROWS).map(|(id, label)| {
            let since = label.as_ref().and_then(|label| label.created_at);
            let since = since.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
            SlotRow {
                opened: id == *opened_by,
                since: since.and_then(|at| i64::try_from(at.as_secs()).ok()),
                name: label.map(|label| label.name),
            }
        });
        Ok(rows.collect())
    }
}
