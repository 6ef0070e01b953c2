//! The encrypted element as plain data.
//!
//! It does not know XML: the caller maps `<encrypted/>` to [`Envelope`] and back, base64 included.

use crate::{DeviceId, Namespace};

/// One encrypted element, as received or as it is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The namespace of the element.
    pub namespace: Namespace,
    /// The device that sends (`sid`).
    pub sender: DeviceId,
    /// The content key, encrypted once for each device.
    pub keys: Vec<HeaderKey>,
    /// The initialisation vector of the payload (`iv`, legacy only; otherwise empty).
    pub iv: Vec<u8>,
    /// The encrypted content; `None` in a key transport or empty message.
    pub payload: Option<Vec<u8>>,
}

impl Envelope {
    /// Drops the keys for devices of other accounts than `jid`, where the namespace names accounts:
    /// a device's number is its own within its account only.
    pub fn keep_only_for(&mut self, jid: &str) {
        self.keys
            .retain(|key| key.jid.as_deref().is_none_or(|it| it == jid));
    }
}

/// The content key for one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderKey {
    /// The bare address that the device belongs to, normalised, where the namespace tells it.
    pub jid: Option<String>,
    /// The device that can decrypt this key (`rid`).
    pub device: DeviceId,
    /// Whether the element says that this is a key exchange (`prekey`, `kex`).
    ///
    /// Only a hint on receipt: some clients leave it out, so the bytes decide.
    pub key_exchange: bool,
    /// The ratchet message or key exchange.
    pub data: Vec<u8>,
}
