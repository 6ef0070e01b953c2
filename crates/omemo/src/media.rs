//! Files behind `aesgcm` links (XEP-0454): the link itself, and the content as a stream.
//!
//! It knows no network: it neither fetches nor judges hosts. It depends on no other file of the
//! crate.
//!
//! ```text
//! aesgcm://host[:port]/path/name#<iv: 24 or 32 hex digits><key: 64 hex digits>
//! content at https://host[:port]/path/name: AES-256-GCM ciphertext, then the 16-byte tag
//! ```

use std::fmt;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

mod link;
mod stream;

pub use link::{LinkError, MediaLink};
pub use stream::{MAX_CONTENT_BYTES, MediaDecryptor, MediaEncryptor, MediaError, TAG_BYTES};

const KEY_BYTES: usize = 32;

/// The key and IV of one file.
pub struct MediaSecret {
    key: Box<Zeroizing<[u8; KEY_BYTES]>>,
    iv: Iv,
}

#[derive(Clone, Copy)]
enum Iv {
    Short([u8; 12]),
    /// As clients of before 2018 chose it.
    Long([u8; 16]),
}

impl Iv {
    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Short(iv) => iv,
            Self::Long(iv) => iv,
        }
    }
}

impl MediaSecret {
    /// Draws a fresh key and a 12-byte IV, for one file only. // XEP-0454 v0.1 3
    #[must_use]
    pub fn random(rng: &mut impl CryptoRng) -> Self {
        let mut key = Box::new(Zeroizing::new([0; KEY_BYTES]));
        rng.fill_bytes(key.as_mut_slice());
        let mut iv = [0; 12];
        rng.fill_bytes(&mut iv);
        Self {
            key,
            iv: Iv::Short(iv),
        }
    }

    /// Writes IV and key as in the fragment of a link (12 or 16, then 32 bytes). Secret.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let iv = self.iv.as_bytes();
        let mut out = Zeroizing::new(Vec::with_capacity(iv.len() + KEY_BYTES));
        out.extend_from_slice(iv);
        out.extend_from_slice(self.key.as_slice());
        out
    }

    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`LinkError::Secret`] if the length is neither 44 nor 48.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, LinkError> {
        let (iv, key) = bytes
            .split_last_chunk::<KEY_BYTES>()
            .ok_or(LinkError::Secret)?;
        let iv = if let Ok(iv) = iv.try_into() {
            Iv::Short(iv)
        } else {
            Iv::Long(iv.try_into().map_err(|_| LinkError::Secret)?)
        };
        let mut boxed = Box::new(Zeroizing::new([0; KEY_BYTES]));
        boxed.copy_from_slice(key);
        Ok(Self { key: boxed, iv })
    }
}

impl fmt::Debug for MediaSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key: _, iv: _ } = self;
        f.write_str("MediaSecret(..)")
    }
}

#[cfg(test)]
mod tests;
