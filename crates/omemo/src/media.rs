//! Files that messages lead to: what the message says of them, and the content as a stream.
//!
//! Either an `aesgcm` link (XEP-0454), or a description (XEP-0446) with encrypted sources
//! (XEP-0448). It knows no network and no XML: it neither fetches nor judges hosts. It depends on
//! no other file of the crate.
//!
//! ```text
//! aesgcm://host[:port]/path/name#<iv: 24 or 32 hex digits><key: 64 hex digits>
//! content at https://host[:port]/path/name: AES-256-GCM ciphertext, then the 16-byte tag
//!
//! AES-128-GCM and AES-256-GCM: ciphertext, then the 16-byte tag
//! AES-256-CBC: ciphertext with PKCS#7 padding; only a hash of the content proves it whole
//! ```

use std::fmt;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

mod cbc;
mod check;
mod gcm;
mod link;
mod shared;
mod stream;

pub use check::{ContentCheck, ContentHash, HashAlgorithm};
pub use link::{LinkError, MediaLink};
pub use shared::{FileSource, MAX_HASHES, MAX_SOURCES, SharedFile, SharedFileError};
pub use stream::{MAX_CONTENT_BYTES, MediaDecryptor, MediaEncryptor, MediaError, TAG_BYTES};

const KEY_BYTES: usize = 32;

/// How a file is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaCipher {
    /// AES-256-GCM, the one of `aesgcm` links.
    Aes256Gcm,
    /// AES-128-GCM; read only.
    Aes128Gcm,
    /// AES-256-CBC with PKCS#7 padding, which proves nothing by itself.
    Aes256Cbc,
}

impl MediaCipher {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Aes256Gcm, Self::Aes128Gcm, Self::Aes256Cbc];

    /// Returns the name by which messages call it. // XEP-0448 v0.2.0 4
    #[must_use]
    pub fn uri(self) -> &'static str {
        match self {
            Self::Aes256Gcm => "urn:xmpp:ciphers:aes-256-gcm-nopadding:0",
            Self::Aes128Gcm => "urn:xmpp:ciphers:aes-128-gcm-nopadding:0",
            Self::Aes256Cbc => "urn:xmpp:ciphers:aes-256-cbc-pkcs7:0",
        }
    }

    /// Returns the cipher of this name.
    #[must_use]
    pub fn named(uri: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.uri() == uri)
    }

    /// Returns whether content that was altered is noticed without a hash of it.
    #[must_use]
    pub fn is_authenticated(self) -> bool {
        match self {
            Self::Aes256Gcm | Self::Aes128Gcm => true,
            Self::Aes256Cbc => false,
        }
    }

    /// Returns the length of the ciphertext of so much content, tag or padding included.
    #[must_use]
    pub fn ciphertext_bytes(self, content: u64) -> u64 {
        let block = TAG_BYTES as u64;
        match self {
            Self::Aes256Gcm | Self::Aes128Gcm => content.saturating_add(block),
            Self::Aes256Cbc => (content - content % block).saturating_add(block),
        }
    }

    fn key_bytes(self) -> usize {
        match self {
            Self::Aes256Gcm | Self::Aes256Cbc => KEY_BYTES,
            Self::Aes128Gcm => KEY_BYTES / 2,
        }
    }
}

/// The cipher, key and IV of one file.
pub struct MediaSecret {
    cipher: MediaCipher,
    /// Filled up with zeros where the cipher takes less.
    key: Box<Zeroizing<[u8; KEY_BYTES]>>,
    iv: Iv,
}

#[derive(Clone, Copy)]
enum Iv {
    Short([u8; 12]),
    /// As CBC needs it, and as clients of before 2018 chose it for GCM.
    Long([u8; 16]),
}

impl Iv {
    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Short(iv) => iv,
            Self::Long(iv) => iv,
        }
    }

    fn read(cipher: MediaCipher, iv: &[u8]) -> Option<Self> {
        let long = iv.try_into().map(Self::Long).ok();
        match cipher {
            MediaCipher::Aes256Gcm | MediaCipher::Aes128Gcm => {
                long.or_else(|| iv.try_into().map(Self::Short).ok())
            }
            // Kaidan gives 32 bytes, of which its library uses the first half.
            MediaCipher::Aes256Cbc => {
                let first = iv.first_chunk().filter(|_| iv.len() == KEY_BYTES);
                long.or_else(|| first.copied().map(Self::Long))
            }
        }
    }
}

impl MediaSecret {
    /// Draws a fresh key and a 12-byte IV for AES-256-GCM, for one file only. // XEP-0454 v0.1 3
    #[must_use]
    pub fn random(rng: &mut impl CryptoRng) -> Self {
        Self::random_for(MediaCipher::Aes256Gcm, rng)
    }

    /// Draws a fresh key and IV for this cipher, for one file only.
    #[must_use]
    pub fn random_for(cipher: MediaCipher, rng: &mut impl CryptoRng) -> Self {
        let mut key = Box::new(Zeroizing::new([0; KEY_BYTES]));
        if let Some(key) = key.get_mut(..cipher.key_bytes()) {
            rng.fill_bytes(key);
        }
        let iv = if cipher.is_authenticated() {
            let mut iv = [0; 12];
            rng.fill_bytes(&mut iv);
            Iv::Short(iv)
        } else {
            let mut iv = [0; 16];
            rng.fill_bytes(&mut iv);
            Iv::Long(iv)
        };
        Self { cipher, key, iv }
    }

    /// Takes key and IV as a message gives them.
    ///
    /// # Errors
    /// [`LinkError::Secret`] if one of them has not the length that the cipher needs.
    pub fn new(cipher: MediaCipher, key: &[u8], iv: &[u8]) -> Result<Self, LinkError> {
        if key.len() != cipher.key_bytes() {
            return Err(LinkError::Secret);
        }
        let iv = Iv::read(cipher, iv).ok_or(LinkError::Secret)?;
        let mut boxed = Box::new(Zeroizing::new([0; KEY_BYTES]));
        for (place, byte) in boxed.iter_mut().zip(key) {
            *place = *byte;
        }
        Ok(Self {
            cipher,
            key: boxed,
            iv,
        })
    }

    /// Returns how the file is encrypted.
    #[must_use]
    pub fn cipher(&self) -> MediaCipher {
        self.cipher
    }

    /// Shows the key for the message that leads to the file.
    #[must_use]
    pub fn expose_key_to_message(&self) -> &[u8] {
        self.key.get(..self.cipher.key_bytes()).unwrap_or_default()
    }

    /// Returns the IV.
    #[must_use]
    pub fn iv(&self) -> &[u8] {
        self.iv.as_bytes()
    }

    /// Writes IV and key, for AES-256-GCM as in the fragment of a link (12 or 16, then 32 bytes).
    /// Secret.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let (iv, key) = (self.iv.as_bytes(), self.expose_key_to_message());
        let mut out = Zeroizing::new(Vec::with_capacity(iv.len() + key.len()));
        out.extend_from_slice(iv);
        out.extend_from_slice(key);
        out
    }

    /// Reads what [`Self::to_bytes`] wrote of a secret for AES-256-GCM.
    ///
    /// # Errors
    /// [`LinkError::Secret`] if the length is neither 44 nor 48.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, LinkError> {
        Self::from_bytes_for(MediaCipher::Aes256Gcm, bytes)
    }

    /// Reads what [`Self::to_bytes`] wrote of a secret for this cipher.
    ///
    /// # Errors
    /// [`LinkError::Secret`] if it has not the length that the cipher needs.
    pub fn from_bytes_for(cipher: MediaCipher, bytes: &[u8]) -> Result<Self, LinkError> {
        let at = bytes.len().checked_sub(cipher.key_bytes());
        let (iv, key) = bytes.split_at(at.ok_or(LinkError::Secret)?);
        Self::new(cipher, key, iv)
    }
}

impl fmt::Debug for MediaSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            cipher: _,
            key: _,
            iv: _,
        } = self;
        f.write_str("MediaSecret(..)")
    }
}

#[cfg(test)]
mod tests;
