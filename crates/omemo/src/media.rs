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

/// Bytes of the tag at the end of the ciphertext.
pub const TAG_BYTES: usize = 16;

/// The most content one key and IV may carry. // NIST SP 800-38D 5.2.1.1
pub const MAX_CONTENT_BYTES: u64 = (1 << 36) - 32;

/// The key and IV of one file.
pub struct MediaSecret {
    key: Box<Zeroizing<[u8; 32]>>,
    iv: Iv,
}

#[derive(Clone, Copy)]
enum Iv {
    Short([u8; 12]),
    Long([u8; 16]),
}

impl MediaSecret {
    /// Draws a fresh key and a 12-byte IV, for one file only.
    #[must_use]
    pub fn random(rng: &mut impl CryptoRng) -> Self {
        let _ = rng;
        todo!()
    }

    /// Writes IV and key as in the fragment of a link (12 or 16, then 32 bytes). Secret.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        todo!()
    }

    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`LinkError::Secret`] if the length is neither 44 nor 48.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, LinkError> {
        let _ = bytes;
        todo!()
    }

    /// Builds the link for content that lies at `url` (`https://…`, without fragment).
    ///
    /// # Errors
    /// [`LinkError`] if the address could not be read back by [`MediaLink::parse`].
    pub fn link(&self, url: &str) -> Result<Zeroizing<String>, LinkError> {
        let _ = (url, &self.key, self.iv);
        todo!()
    }
}

impl fmt::Debug for MediaSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key: _, iv: _ } = self;
        f.write_str("MediaSecret(..)")
    }
}

/// A link to an encrypted file. `Debug` shows neither address nor key.
pub struct MediaLink {
    /// The `https` address of the ciphertext, without fragment.
    pub url: String,
    /// The file name: the last segment of the path, percent-decoded. Not sanitised.
    pub name: String,
    /// Key and IV.
    pub secret: MediaSecret,
}

impl MediaLink {
    /// Reads the body of a message that is nothing but a link, perhaps with a thumbnail
    /// (`data:` address) on further lines, which is ignored.
    ///
    /// # Errors
    /// [`LinkError`]; [`LinkError::NotALink`] if it is some other text.
    pub fn parse(body: &str) -> Result<Self, LinkError> {
        let _ = body;
        todo!()
    }
}

impl fmt::Debug for MediaLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            url: _,
            name: _,
            secret: _,
        } = self;
        f.write_str("MediaLink(..)")
    }
}

/// Why a text is no usable link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// It does not start with `aesgcm://`.
    #[error("not an aesgcm link")]
    NotALink,
    /// The address has characters or parts that a link may not have.
    #[error("the address in the link is malformed")]
    Address,
    /// The fragment is not an IV of 12 or 16 bytes and a key of 32 bytes in hex.
    #[error("the key in the link is malformed")]
    Secret,
    /// Something other than a thumbnail follows the link.
    #[error("the link is followed by other text")]
    TrailingText,
    /// It is longer than any real link.
    #[error("the link is too long")]
    TooLong,
}

/// Decrypts a file as a stream with constant memory.
///
/// What [`Self::update`] gives out is NOT authenticated until [`Self::finish`] has succeeded: it
/// must not be shown, parsed or committed before.
pub struct MediaDecryptor {
    _todo: (),
}

impl MediaDecryptor {
    /// Starts at the first byte of the ciphertext.
    #[must_use]
    pub fn new(secret: &MediaSecret) -> Self {
        let _ = secret;
        todo!()
    }

    /// Takes in the next piece of ciphertext, of any length, and appends the content it yields.
    ///
    /// # Errors
    /// [`MediaError::TooLong`].
    pub fn update(&mut self, ciphertext: &[u8], content: &mut Vec<u8>) -> Result<(), MediaError> {
        let _ = (ciphertext, content);
        todo!()
    }

    /// Checks the tag, which was the last 16 bytes taken in. Returns the length of the content.
    ///
    /// # Errors
    /// [`MediaError::NotAuthentic`]; then everything given out before is to be thrown away.
    pub fn finish(self) -> Result<u64, MediaError> {
        todo!()
    }
}

/// Encrypts a file as a stream with constant memory.
pub struct MediaEncryptor {
    _todo: (),
}

impl MediaEncryptor {
    /// Starts a file under `secret`, which must never be used for another.
    #[must_use]
    pub fn new(secret: &MediaSecret) -> Self {
        let _ = secret;
        todo!()
    }

    /// Takes in the next piece of content, of any length, and appends its ciphertext.
    ///
    /// # Errors
    /// [`MediaError::TooLong`].
    pub fn update(&mut self, content: &[u8], ciphertext: &mut Vec<u8>) -> Result<(), MediaError> {
        let _ = (content, ciphertext);
        todo!()
    }

    /// Returns the tag, which is to follow the ciphertext.
    #[must_use]
    pub fn finish(self) -> [u8; TAG_BYTES] {
        todo!()
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
