//! Who has a way in: adding a slot, and revoking one by a new epoch.

use std::{io, sync::Arc, time::SystemTime};

use rand_core::TryCryptoRng;

use super::OpenVault;
use crate::{
    epoch::{self, Epochs},
    key::{EpochSecret, PublicHalf, RandomnessError, SlotSecret},
    slot::{SlotId, SlotKind, SlotLabel, SlotRecord},
};

/// Why custody could not be changed. Nothing was changed then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CustodyError {
    /// There is no such slot.
    #[error("the vault has no such slot")]
    NoSuchSlot,
    /// The last slot stays: without one the vault could never be opened again.
    #[error("this is the vault's last slot")]
    LastSlot,
    /// There have been as many epochs as can be counted.
    #[error("the vault has had too many epochs")]
    TooManyEpochs,
    /// The system gave no random numbers.
    #[error(transparent)]
    Randomness(#[from] RandomnessError),
    /// The drive failed.
    #[error("the change could not be written to the drive")]
    Io(#[from] io::Error),
}

/// What a public half is to a vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Standing {
    /// It is the newest epoch's.
    Newest,
    /// It is an older epoch's: a revocation has not reached the card. What was sealed with it opens.
    Older,
    /// It is not this vault's: somebody exchanged the one or the other, or the drive is an older
    /// copy.
    Foreign,
}

impl OpenVault {
    /// Lists the slots of the newest epoch. One whose label does not open is listed without name:
    /// it was not made by this vault.
    ///
    /// # Errors
    /// When the drive fails.
    pub fn slots(&self) -> io::Result<Vec<(SlotId, Option<SlotLabel>)>> {
        let secret = self.epochs.newest_secret();
        let records = self.records()?.into_iter();
        Ok(records
            .map(|record| (record.slot, record.label(secret).ok()))
            .collect())
    }

    /// Gives one more stick a way in.
    ///
    /// # Errors
    /// When the drive or `rng` fails.
    pub fn add_slot(
        &self,
        secret: &SlotSecret,
        name: &str,
        rng: &mut impl TryCryptoRng,
        now: SystemTime,
    ) -> Result<SlotId, CustodyError> {
        self.add_slot_of(SlotKind::Stick, secret, name, rng, now)
    }

    /// Gives one more custodian of some kind a way in.
    ///
    /// # Errors
    /// When the drive or `rng` fails.
    pub fn add_slot_of(
        &self,
        kind: SlotKind,
        secret: &SlotSecret,
        name: &str,
        rng: &mut impl TryCryptoRng,
        now: SystemTime,
    ) -> Result<SlotId, CustodyError> {
        let label = SlotLabel {
            kind,
            name: name.to_owned(),
            created_at: Some(now),
        };
        let record = SlotRecord::seal(
            self.folder.vault_id(),
            self.epochs.newest(),
            self.epochs.newest_secret(),
            secret.key_pair().public(),
            &label,
            rng,
        )?;
        self.folder.write_slot(&record)?;
        Ok(record.slot)
    }

    /// Gives a slot another name.
    ///
    /// # Errors
    /// When there is no such slot, or the drive fails.
    pub fn rename_slot(&self, slot: &SlotId, name: &str) -> Result<(), CustodyError> {
        let secret = self.epochs.newest_secret();
        let mut records = self.records()?.into_iter();
        let found = records.find_map(|record| {
            let label = record.label(secret).ok()?;
            (record.slot == *slot).then_some((record, label))
        });
        let (mut record, mut label) = found.ok_or(CustodyError::NoSuchSlot)?;
        name.clone_into(&mut label.name);
        record.relabel(secret, &label);
        Ok(self.folder.write_slot(&record)?)
    }

    /// Removes slot records of older epochs, in case a revocation was cut short before it did.
    ///
    /// # Errors
    /// When the drive fails.
    pub fn finish_revocation(&self) -> io::Result<()> {
        self.folder.forget_older_slots(self.epochs.newest())
    }

    /// Tells what to make of the public half that a system card holds.
    #[must_use]
    pub fn standing_of(&self, half: &PublicHalf) -> Standing {
        let newest = self.epochs.newest();
        let of_epoch = self.epochs.key_pair(half.epoch);
        let own = half.vault == *self.folder.vault_id()
            && of_epoch.is_some_and(|pair| pair.public() == *half.key());
        match own {
            true if half.epoch == newest => Standing::Newest,
            true => Standing::Older,
            false => Standing::Foreign,
        }
    }

    /// Takes a slot's way in: a new epoch begins, sealed to all other slots, and the new public
    /// half is to replace the one on the system card. The index must be closed before and opened
    /// again after. Slots whose label does not open are dropped as well.
    ///
    /// What a revoked custodian could read before, it can still read on an old copy of the drive.
    ///
    /// # Errors
    /// When there is no such slot, it is the last, or the drive fails.
    pub fn revoke(
        &mut self,
        slot: &SlotId,
        rng: &mut impl TryCryptoRng,
    ) -> Result<PublicHalf, CustodyError> {
        let old = self.epochs.newest_secret();
        let vault = *self.folder.vault_id();
        let mut known = Vec::new();
        for record in self.records()? {
            if let Ok(label) = record.label(old) {
                known.push((record, label));
            }
        }
        let before = known.len();
        known.retain(|(record, _)| record.slot != *slot);
        if known.len() == before {
            return Err(CustodyError::NoSuchSlot);
        }
        if known.is_empty() {
            return Err(CustodyError::LastSlot);
        }
        let number = self
            .epochs
            .newest()
            .checked_add(1)
            .ok_or(CustodyError::TooManyEpochs)?;
        let secret = EpochSecret::generate(rng)?;
        let mut records = Vec::with_capacity(known.len());
        for (record, label) in known {
            let public = record.public().clone();
            records.push(SlotRecord::seal(
                &vault, number, &secret, public, &label, rng,
            )?);
        }
        let chain = epoch::seal_previous(&vault, number, &secret, old);
        self.folder.write_epoch(number, &records, Some(&chain))?;
        self.folder.forget_older_slots(number)?;
        let read = |epoch| self.folder.read_chain(epoch, epoch::CHAIN_BYTES);
        let damaged = |_| io::ErrorKind::InvalidData.into();
        let epochs = Epochs::follow(vault, number, secret, read, damaged)?;
        self.epochs = Arc::new(epochs);
        Ok(self.public_half())
    }

    fn records(&self) -> io::Result<Vec<SlotRecord>> {
        let records = self.folder.slot_records()?;
        Ok(records
            .iter()
            .filter_map(|bytes| SlotRecord::parse(bytes).ok())
            .collect())
    }
}

#[cfg(test)]
mod tests;
