//! The box for what a new device sends before anybody has let it in: sealed like every file, and
//! held apart from all that is told, numbered or compared.
//!
//! Bounded over all new devices together, so that an account that somebody else uses cannot fill
//! the drive.

use serde::{Deserialize, Serialize};

use super::{Effect, Intake, Intakes, JobId, Stage};

/// Files that are held at most.
pub const BOX_FILES: usize = 100;
/// Bytes of their content that are held at most.
pub const BOX_BYTES: u64 = 1 << 30;

/// Says that a file is of a device that nobody has let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The device's id.
    pub device: u32,
    /// How large it may be, by the room that the box has when it is fetched.
    pub most: u64,
    /// How large it is, once that is known.
    pub bytes: u64,
}

impl Intakes {
    /// Takes a file of a new device into the box; `None` when the box is full.
    pub(in crate::keeper) fn hold_apart(
        &mut self,
        device: u32,
        intake: Intake,
    ) -> Option<Vec<Effect>> {
        if self.open.contains_key(&intake.job) {
            return Some(Vec::new());
        }
        let held = self.open.values().filter(|it| it.held.is_some()).count();
        if held >= BOX_FILES || self.box_room() == 0 {
            return None;
        }
        let held = Some(Held {
            device,
            most: 0,
            bytes: 0,
        });
        Some(self.announced(Intake { held, ..intake }))
    }

    /// Returns how many bytes the box still takes.
    pub(super) fn box_room(&self) -> u64 {
        let held = self.open.values().filter_map(|it| it.held);
        BOX_BYTES.saturating_sub(held.map(|it| it.bytes).sum())
    }

    /// Returns how many files of this device are held, and their bytes.
    pub(in crate::keeper) fn held_of(&self, device: u32) -> (u64, u64) {
        let held = self.open.values().filter_map(|it| it.held);
        let held = held.filter(|it| it.device == device);
        held.fold((0, 0), |(files, bytes), it| (files + 1, bytes + it.bytes))
    }

    /// Returns how many files are held in all.
    pub(in crate::keeper) fn held(&self) -> u64 {
        self.open.values().filter(|it| it.held.is_some()).count() as u64
    }

    /// Returns the devices whose files were given up since this was last asked, one for each file.
    pub(in crate::keeper) fn take_lost(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.lost)
    }

    /// The device is let in: what it sent goes the way of every other file.
    pub(in crate::keeper) fn release(&mut self, device: u32, is_open: bool) -> Vec<Effect> {
        let mut effects = Vec::new();
        let mut sealed = Vec::new();
        for intake in self.open.values_mut() {
            if intake.held.is_none_or(|it| it.device != device) {
                continue;
            }
            intake.held = None;
            effects.push(Effect::SaveIntake(intake.clone()));
            if intake.stage == Stage::Waiting {
                sealed.push((intake.order, intake.job));
            }
        }
        sealed.sort_unstable();
        let sealed: Vec<JobId> = sealed.into_iter().map(|(_, job)| job).collect();
        if !is_open {
            effects.extend(self.wait(&sealed));
            return effects;
        }
        for job in sealed {
            if let Some(intake) = self.open.get_mut(&job) {
                // Told one by one, as what is sealed while the vault is open. On the card it waits.
                intake.stage = Stage::Announced {
                    attempts: 0,
                    retry_at: 0,
                };
                self.indexing.insert(job);
                effects.push(Effect::Index(intake.clone()));
            }
        }
        effects
    }

    /// The device is turned away: what it sent is removed.
    pub(in crate::keeper) fn turn_away(&mut self, device: u32) -> Vec<Effect> {
        let of_device = |it: &&Intake| it.held.is_some_and(|held| held.device == device);
        let of_device = self.open.values().filter(of_device);
        let jobs: Vec<JobId> = of_device.map(|it| it.job).collect();
        let mut effects = Vec::new();
        for job in jobs {
            let Some(intake) = self.open.remove(&job) else {
                continue;
            };
            self.held.remove(&job);
            effects.push(Effect::Close(job));
            if self.fetching.contains(&job) {
                // Its blob may be about to get its name.
                self.turned_away.insert(job, intake.blob);
            } else if intake.mac.is_some() {
                effects.push(Effect::Discard(intake.blob));
            }
        }
        effects
    }

    /// A file that was turned away while it was being sealed: nothing of it stays.
    pub(super) fn discard(&mut self, job: &JobId) -> Option<Effect> {
        self.turned_away.remove(job).map(Effect::Discard)
    }
}
