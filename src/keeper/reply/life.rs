//! What the owner is told about sessions and devices that live and die.

/// News of sessions and devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LifeReply {
    /// Messages could not be decrypted.
    Unreadable {
        /// How many.
        count: u32,
        /// When the first was sent, in seconds since 1970.
        sent_at: i64,
        /// What time it is now, in seconds since 1970.
        now: i64,
    },
    /// A device of the owner shows another key than before.
    IdentityChanged {
        /// Its OMEMO device id.
        device: u32,
    },
    /// Somebody keeps taking us off our own device list.
    Unlisted,
    /// An old copy of the state was put back, and the vault is a new device.
    Reborn {
        /// Last 8 hex digits of the vault's new fingerprint.
        ours: String,
    },
}
