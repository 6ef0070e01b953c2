//! What the keeper knows beside its jobs and has to know again after a restart.

use serde::{Deserialize, Serialize};

use super::{carry, custody, devices, unlock::NeedsRecord, weekly};

/// Small things, written together whenever one of them changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// Since when the vault is locked, and the like.
    pub custody: custody::Record,
    /// Wrong codes that are not forgiven yet.
    pub tries_used: u8,
    /// What was asked for while locked.
    pub needs: NeedsRecord,
    /// When the weekly warning was told.
    pub weekly: weekly::Record,
    /// When the unencrypted sentence was last sent, in seconds since 1970.
    pub plain_refused_at: Option<i64>,
    /// When the owner was last asked to send a message again, in seconds since 1970.
    pub unreadable_at: Option<i64>,
    /// The owner's devices.
    pub devices: devices::Record,
    /// What is being done with a stick.
    pub carrying: Option<carry::Carrying>,
}
