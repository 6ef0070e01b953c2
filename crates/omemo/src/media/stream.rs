//! A file as a stream of pieces, whichever cipher it has.
//!
//! It knows no format of messages: what a file is, and what proves it whole, has been read before.

use super::{
    MediaCipher, MediaSecret,
    cbc::{CbcDecryptor, CbcEncryptor},
    gcm::{GcmDecryptor, GcmEncryptor},
};

/// Bytes of the tag at the end of the ciphertext.
pub const TAG_BYTES: usize = 16;

/// The most content one key and IV may carry. // NIST SP 800-38D 5.2.1.1
pub const MAX_CONTENT_BYTES: u64 = (1 << 36) - 32;

/// Decrypts a file as a stream with constant memory.
///
/// What [`Self::update`] gives out is NOT authenticated until [`Self::finish`] has succeeded, and
/// under [`MediaCipher::Aes256Cbc`] not even then: only a [`ContentCheck`](super::ContentCheck)
/// with a hash tells. It must not be shown, parsed or committed before.
pub struct MediaDecryptor(Decryptor);

enum Decryptor {
    Gcm(GcmDecryptor),
    Cbc(Box<CbcDecryptor>),
}

impl MediaDecryptor {
    /// Starts at the first byte of the ciphertext.
    #[must_use]
    pub fn new(secret: &MediaSecret) -> Self {
        Self(match secret.cipher {
            MediaCipher::Aes256Gcm | MediaCipher::Aes128Gcm => {
                Decryptor::Gcm(GcmDecryptor::new(secret))
            }
            MediaCipher::Aes256Cbc => Decryptor::Cbc(Box::new(CbcDecryptor::new(secret))),
        })
    }

    /// Takes in the next piece of ciphertext, of any length, and appends the content it yields.
    ///
    /// # Errors
    /// [`MediaError::TooLong`].
    pub fn update(&mut self, ciphertext: &[u8], content: &mut Vec<u8>) -> Result<(), MediaError> {
        match &mut self.0 {
            Decryptor::Gcm(decryptor) => decryptor.update(ciphertext, content),
            Decryptor::Cbc(decryptor) => decryptor.update(ciphertext, content),
        }
    }

    /// Checks tag or padding, which came last, and appends the content that was held back with it.
    /// Returns the length of the whole content.
    ///
    /// # Errors
    /// [`MediaError::NotAuthentic`]; then everything given out before is to be thrown away.
    pub fn finish(self, content: &mut Vec<u8>) -> Result<u64, MediaError> {
        match self.0 {
            Decryptor::Gcm(decryptor) => decryptor.finish(),
            Decryptor::Cbc(decryptor) => decryptor.finish(content),
        }
    }
}

/// Encrypts a file as a stream with constant memory.
pub struct MediaEncryptor(Encryptor);

enum Encryptor {
    Gcm(GcmEncryptor),
    Cbc(Box<CbcEncryptor>),
}

impl MediaEncryptor {
    /// Starts a file under `secret`, which must never be used for another.
    #[must_use]
    pub fn new(secret: &MediaSecret) -> Self {
        Self(match secret.cipher {
            MediaCipher::Aes256Gcm | MediaCipher::Aes128Gcm => {
                Encryptor::Gcm(GcmEncryptor::new(secret))
            }
            MediaCipher::Aes256Cbc => Encryptor::Cbc(Box::new(CbcEncryptor::new(secret))),
        })
    }

    /// Takes in the next piece of content, of any length, and appends its ciphertext.
    ///
    /// # Errors
    /// [`MediaError::TooLong`].
    pub fn update(&mut self, content: &[u8], ciphertext: &mut Vec<u8>) -> Result<(), MediaError> {
        match &mut self.0 {
            Encryptor::Gcm(encryptor) => encryptor.update(content, ciphertext),
            Encryptor::Cbc(encryptor) => encryptor.update(content, ciphertext),
        }
    }

    /// Returns what is to follow the ciphertext: the tag, or the padded last block.
    #[must_use]
    pub fn finish(self) -> [u8; TAG_BYTES] {
        match self.0 {
            Encryptor::Gcm(encryptor) => encryptor.finish(),
            Encryptor::Cbc(encryptor) => encryptor.finish(),
        }
    }
}

/// Why a file could not be encrypted or decrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MediaError {
    /// It was altered or cut, or the key is another's.
    #[error("the file does not open with this key, or it was altered")]
    NotAuthentic,
    /// It is longer than the cipher allows.
    #[error("the file is too long for its cipher")]
    TooLong,
}
