//! Who has a way in, as the open vault knows it.

use std::{io, time::UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use vault::{
    OpenVault, SlotId,
    open::custody::CustodyError,
    slot::{MAX_SLOT_NAME_BYTES, SlotKind, SlotLabel},
};

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

/// A change of who has a way in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SlotAsk {
    /// Which slot has this name, and may it go?
    Find {
        /// The name.
        name: String,
    },
    /// Give a slot another name.
    Rename {
        /// Its name.
        name: String,
        /// The name it gets.
        to: String,
    },
    /// Begin a new epoch without this slot. The process ends afterwards.
    Revoke {
        /// Names the slot.
        slot: [u8; 16],
    },
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SlotAnswer {
    /// No slot has this name.
    NoSuch {
        /// The name.
        name: String,
    },
    /// More than one slot has this name.
    Several {
        /// The name.
        name: String,
    },
    /// Without this slot neither a stick nor words would be left.
    Last {
        /// Its name.
        name: String,
    },
    /// The slot that was looked for.
    Found {
        /// Names it.
        slot: [u8; 16],
        /// Its name as it was given.
        name: String,
        /// Whether it opened the vault this time.
        opened: bool,
    },
    /// It has another name.
    Renamed {
        /// Its name before.
        name: String,
        /// Its name now.
        to: String,
    },
    /// Another slot has this name.
    Taken {
        /// The name.
        name: String,
    },
    /// No slot can have this name.
    BadName {
        /// The name.
        name: String,
    },
    /// A new epoch has begun without it.
    Revoked {
        /// Its name.
        name: String,
        /// Whether it was the code.
        was_code: bool,
    },
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
        // Those that were made together stand by their names.
        slots.sort_by(|(_, one), (_, other)| {
            let made =
                |it: &Option<SlotLabel>| it.as_ref().map(|it| (it.created_at, it.name.clone()));
            made(one).cmp(&made(other))
        });
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

    /// Finds the slot of this name; a name in other capitals will do where only one has it.
    fn find(&self, name: &str) -> io::Result<Result<(SlotId, SlotLabel), SlotAnswer>> {
        let slots = self.0.slots()?.into_iter();
        let slots: Vec<_> = slots.filter_map(|(id, label)| Some((id, label?))).collect();
        let exact = slots.iter().filter(|(_, label)| label.name == name);
        let mut found: Vec<_> = exact.cloned().collect();
        if found.is_empty() {
            let wished = name.to_lowercase();
            let alike = slots.into_iter();
            found = alike
                .filter(|(_, label)| label.name.to_lowercase() == wished)
                .collect();
        }
        let name = name.to_owned();
        Ok(match (found.pop(), found.is_empty()) {
            (Some(found), true) => Ok(found),
            (Some(_), false) => Err(SlotAnswer::Several { name }),
            (None, _) => Err(SlotAnswer::NoSuch { name }),
        })
    }

    /// Tells which slot has this name, if it may be revoked.
    pub(super) fn look_for(&self, name: &str) -> io::Result<SlotAnswer> {
        let (slot, label) = match self.find(name)? {
            Ok(found) => found,
            Err(answer) => return Ok(answer),
        };
        let name = label.name;
        if !self.lasts_without(&slot)? {
            return Ok(SlotAnswer::Last { name });
        }
        Ok(SlotAnswer::Found {
            opened: slot == *self.0.opened_by().0,
            slot: *slot.as_bytes(),
            name,
        })
    }

    /// Tells whether a stick or words are left without this slot.
    fn lasts_without(&self, slot: &SlotId) -> io::Result<bool> {
        let lasting = |kind| matches!(kind, SlotKind::Stick | SlotKind::Words);
        let slots = self.0.slots()?.into_iter();
        let mut others = slots.filter(|(other, _)| other != slot);
        Ok(others.any(|(_, label)| label.is_some_and(|label| lasting(label.kind))))
    }

    /// Gives a slot another name.
    pub(super) fn rename(&self, name: &str, to: &str) -> Result<SlotAnswer, CustodyError> {
        let fits = to.len() <= MAX_SLOT_NAME_BYTES && !to.contains(char::is_control);
        if !fits || to.trim() != to || to.is_empty() {
            return Ok(SlotAnswer::BadName {
                name: to.to_owned(),
            });
        }
        let (slot, label) = match self.find(name)? {
            Ok(found) => found,
            Err(answer) => return Ok(answer),
        };
        let mut others = self.0.slots()?.into_iter();
        let wished = to.to_lowercase();
        if others.any(|(other, label)| {
            other != slot && label.is_some_and(|label| label.name.to_lowercase() == wished)
        }) {
            return Ok(SlotAnswer::Taken {
                name: to.to_owned(),
            });
        }
        self.0.rename_slot(&slot, to)?;
        Ok(SlotAnswer::Renamed {
            name: label.name,
            to: to.to_owned(),
        })
    }

    /// Begins a new epoch without this slot.
    pub(super) fn revoke(&mut self, slot: [u8; 16]) -> Result<SlotAnswer, CustodyError> {
        let slot = SlotId::from_bytes(slot);
        let slots = self.0.slots()?.into_iter();
        let mut slots = slots.filter_map(|(id, label)| Some((id, label?)));
        let Some((_, label)) = slots.find(|(id, _)| *id == slot) else {
            return Err(CustodyError::NoSuchSlot);
        };
        let name = label.name;
        if !self.lasts_without(&slot)? {
            return Ok(SlotAnswer::Last { name });
        }
        self.0.revoke(&slot, &mut getrandom::SysRng)?;
        Ok(SlotAnswer::Revoked {
            name,
            was_code: label.kind == SlotKind::Code,
        })
    }

    /// Returns the public half of the newest epoch.
    pub(super) fn public_half(&self) -> Vec<u8> {
        self.0.public_half().to_bytes()
    }
}
