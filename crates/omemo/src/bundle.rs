//! Bundles: what a device publishes so that others can start a session with it.
//!
//! It does not know where bundles are published. A received bundle is carried as raw bytes and
//! checked when it is used, so that one bad prekey does not spoil the others.

use crate::Namespace;

/// A bundle as it is published, or as it was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// The namespace the bundle is published in.
    pub namespace: Namespace,
    /// The identity key, as encoded on the wire.
    pub identity_key: Vec<u8>,
    /// The id of the signed prekey.
    pub signed_prekey_id: u32,
    /// The signed prekey, as encoded on the wire.
    pub signed_prekey: Vec<u8>,
    /// The identity key's signature over the encoded signed prekey.
    pub signed_prekey_signature: Vec<u8>,
    /// The prekeys that can each start one session: id and key as encoded on the wire.
    pub prekeys: Vec<(u32, Vec<u8>)>,
}
