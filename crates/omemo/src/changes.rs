//! All that one step changes, to be saved in one transaction.
//!
//! It does not know how anything is saved; see [`crate::Store::apply`].

use crate::{Address, KnownDevice, OwnDevice, Prekey, Session, SessionId, SignedPrekey};

/// What a step of the [`crate::machine`] changes in the store.
///
/// Computed against the store as it was: apply it before the next step is computed, and before
/// anything that follows from the step (bytes sent, a file acknowledged) leaves the process.
#[derive(Debug, Default)]
#[must_use = "a step that is not saved reuses or loses message keys"]
pub struct Changes {
    /// Whether our own device, its prekeys and all sessions are forgotten before the rest is saved;
    /// what is known of other devices stays.
    pub starts_over: bool,
    /// Our own device, to be written over the earlier one.
    pub own_device: Option<OwnDevice>,
    /// Signed prekeys to be added.
    pub signed_prekeys: Vec<SignedPrekey>,
    /// Signed prekeys to be removed, by id.
    pub removed_signed_prekeys: Vec<u32>,
    /// Prekeys to be added.
    pub prekeys: Vec<Prekey>,
    /// Prekeys to be removed, by id: they were used.
    pub removed_prekeys: Vec<u32>,
    /// Prekeys to be set aside, by id: they were used, and others may have used them too.
    pub used_prekeys: Vec<u32>,
    /// Sessions to be written over those of the same address, namespace and id, or added.
    pub sessions: Vec<(Address, Session)>,
    /// Sessions to be removed.
    pub removed_sessions: Vec<(Address, SessionId)>,
    /// Devices to be written over those of the same address, or added.
    pub devices: Vec<KnownDevice>,
}

impl Changes {
    /// Has prekeys that were used set aside instead of removed: right while an archive is read,
    /// where several devices may have picked the same one. [`crate::machine::forget_used_prekeys`]
    /// removes them.
    pub fn keep_prekeys(&mut self) {
        self.used_prekeys.append(&mut self.removed_prekeys);
    }

    /// Tells whether there is nothing to save.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self {
            starts_over,
            own_device,
            signed_prekeys,
            removed_signed_prekeys,
            prekeys,
            removed_prekeys,
            used_prekeys,
            sessions,
            removed_sessions,
            devices,
        } = self;
        !starts_over
            && own_device.is_none()
            && signed_prekeys.is_empty()
            && removed_signed_prekeys.is_empty()
            && prekeys.is_empty()
            && removed_prekeys.is_empty()
            && used_prekeys.is_empty()
            && sessions.is_empty()
            && removed_sessions.is_empty()
            && devices.is_empty()
    }
}
