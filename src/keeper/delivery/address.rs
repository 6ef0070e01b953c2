//! The vault's own address as a picture: a delivery without an entry, made without the vault process
//! and so also while the vault is locked.

use super::{Asked, Deliveries, Delivery, JobId};
use crate::keeper::{
    Effect, Keeper,
    reply::{DeliveryFailure, DeviceReply, Reply},
};

/// Stands for the entry that there is not.
pub(super) const NO_ENTRY: u64 = 0;

impl Asked {
    /// Returns whether this is the vault's own address.
    pub(super) fn is_address(&self) -> bool {
        *self == Self::AddressPicture
    }

    /// Returns whether this is answered without the key.
    pub(super) fn needs_no_key(&self) -> bool {
        *self == Self::Status || self.is_address()
    }
}

impl Deliveries {
    /// Sends our address as a picture.
    pub(in crate::keeper) fn ask_address(&mut self, job: JobId) -> Vec<Effect> {
        if self.get(&job).is_some() {
            return Vec::new();
        }
        let delivery = Delivery {
            job,
            command: Asked::AddressPicture,
            remaining: Some(vec![NO_ENTRY]),
            asker: self.asker,
            client: self.client,
        };
        let mut effects = vec![Effect::SaveDelivery(delivery.clone())];
        self.open.push_back(delivery);
        effects.extend(self.send_next());
        effects
    }

    /// Returns whether this job sends our address.
    pub(super) fn sends_address(&self, job: &JobId) -> bool {
        self.get(job).is_some_and(|it| it.command.is_address())
    }
}

impl Keeper {
    /// Returns whether this job sends our address, and no entry.
    #[must_use]
    pub fn sends_address(&self, job: &JobId) -> bool {
        self.deliveries.sends_address(job)
    }
}

/// Returns what is said before the picture.
pub(super) fn caption() -> Reply {
    Reply::Device(DeviceReply::AddressPicture)
}

/// Returns what is said where the picture was not sent.
pub(super) fn not_sent(why: DeliveryFailure) -> Reply {
    Reply::Device(DeviceReply::AddressPictureNotSent(why))
}
