//! Whether losing one stick would lose everything: what the card knows of sticks and kits while
//! the vault is locked.
//!
//! The file has no names and no secrets: slot ids, which lie on the card anyway, with their kinds.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use vault::{
    OpenVault, SlotId,
    slot::{SlotKind, SlotRecord},
};

use super::card::SLOTS_FOLDER;
use crate::state::write_private;

/// The file's name in the system folder.
pub const SPARE_FILE: &str = "custody.toml";

/// How many ways in there are besides the one that might get lost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SpareState {
    /// Sticks that open the vault.
    pub sticks: usize,
    /// Whether the owner has shown that a page with recovery words is there and right.
    pub kit_confirmed: bool,
}

impl SpareState {
    /// Tells whether everything can be got back after any one stick is lost.
    #[must_use]
    pub fn survives_a_lost_stick(self) -> bool {
        self.sticks >= 2 || self.kit_confirmed
    }
}

#[derive(Default, Serialize, Deserialize)]
struct File {
    #[serde(default)]
    sticks: BTreeSet<String>,
    #[serde(default)]
    words: BTreeSet<String>,
    #[serde(default)]
    codes: BTreeSet<String>,
    /// Those words that were typed in again from paper.
    #[serde(default)]
    confirmed: BTreeSet<String>,
}

/// Reads from the system card how many ways in there are. A card without the file, or with a
/// damaged one, knows of none.
#[must_use]
pub fn has_spare(system: &Path) -> SpareState {
    let file = read(system);
    // What was revoked has no record on the card any more.
    let live = live(system);
    let among = |set: &BTreeSet<String>| set.iter().filter(|id| live.contains(*id)).count();
    SpareState {
        sticks: among(&file.sticks),
        kit_confirmed: among(&file.confirmed) > 0,
    }
}

/// Writes down of which kind each slot of the open vault is.
///
/// # Errors
///
/// The card's or the drive's.
pub fn remember(system: &Path, vault: &OpenVault) -> anyhow::Result<()> {
    let mut file = File::default();
    for (slot, label) in vault.slots().context("while reading the slot records")? {
        let id = slot.to_string();
        match label.map(|label| label.kind) {
            Some(SlotKind::Stick) => file.sticks.insert(id),
            Some(SlotKind::Words) => file.words.insert(id),
            Some(SlotKind::Code) => file.codes.insert(id),
            Some(_) | None => false,
        };
    }
    let known = read(system).confirmed;
    file.confirmed = known.intersection(&file.words).cloned().collect();
    write(system, &file)
}

/// Writes down that these words were typed in from paper.
///
/// # Errors
///
/// The card's.
pub fn confirm(system: &Path, slot: &SlotId) -> anyhow::Result<()> {
    let mut file = read(system);
    file.confirmed.insert(slot.to_string());
    write(system, &file)
}

fn read(system: &Path) -> File {
    let text = fs::read_to_string(system.join(SPARE_FILE)).unwrap_or_default();
    toml::from_str(&text).unwrap_or_default()
}

fn write(system: &Path, file: &File) -> anyhow::Result<()> {
    let text = toml::to_string(file).context("while writing what kinds of keys there are")?;
    write_private(&system.join(SPARE_FILE), text.as_bytes())
        .context("while writing what kinds of keys there are to the system card")
}

fn live(system: &Path) -> BTreeSet<String> {
    let Ok(copies) = fs::read_dir(system.join(SLOTS_FOLDER)) else {
        return BTreeSet::new();
    };
    let records = copies.filter_map(|copy| fs::read(copy.ok()?.path()).ok());
    records
        .filter_map(|bytes| Some(SlotRecord::parse(&bytes).ok()?.slot.to_string()))
        .collect()
}
