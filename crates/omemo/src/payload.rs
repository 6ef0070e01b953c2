//! The body layer: how the content of an envelope is encrypted, once for all devices.
//!
//! It knows no ratchet: what opens the content travels to each device as the plaintext of a ratchet
//! message. It does not look into the content.

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::profile::{ContentCipher, Profile};

mod cbc;
mod gcm;

/// Encrypted content.
pub(crate) struct Encrypted {
    /// What goes to each device.
    pub(crate) material: Zeroizing<Vec<u8>>,
    /// Empty where the namespace has none.
    pub(crate) iv: Vec<u8>,
    /// `None` for an empty message.
    pub(crate) payload: Option<Vec<u8>>,
}

/// Content longer than the cipher allows.
pub(crate) struct TooLong;

/// Content that does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PayloadError {
    NotAuthentic,
    Malformed,
}

/// Encrypts `body`, or makes what is sent in an empty message.
pub(crate) fn encrypt(
    profile: &Profile,
    body: Option<&[u8]>,
    rng: &mut impl CryptoRng,
) -> Result<Encrypted, TooLong> {
    match profile.content {
        ContentCipher::Gcm => gcm::encrypt(body, rng),
        ContentCipher::CbcHmac(info) => Ok(cbc::encrypt(info, body, rng)),
    }
}

/// Opens the payload of an envelope with what came through the ratchet.
pub(crate) fn decrypt(
    profile: &Profile,
    material: &[u8],
    iv: &[u8],
    payload: &[u8],
) -> Result<Zeroizing<Vec<u8>>, PayloadError> {
    match profile.content {
        ContentCipher::Gcm => gcm::decrypt(material, iv, payload),
        ContentCipher::CbcHmac(info) => cbc::decrypt(info, material, payload),
    }
}
