//! A file as a message describes it (XEP-0446), with where to get it (XEP-0447, XEP-0448).
//!
//! Plain data that was read from XML elsewhere; here is only what it takes to be trusted with it.

use std::fmt;

use super::{ContentHash, MediaSecret, link};

/// Longest name that is read, in bytes: four times what file systems take.
const MAX_NAME_BYTES: usize = 1024;
/// Longest media type that is kept. // RFC 6838 4.2
const MAX_TYPE_BYTES: usize = 255;
/// Most hashes of one file: each is computed.
pub const MAX_HASHES: usize = 8;
/// Most places of one file: each may be asked in turn.
pub const MAX_SOURCES: usize = 4;

/// What a message says of a file. `Debug` shows nothing of it.
#[derive(Default)]
pub struct SharedFile {
    /// Its name. Not sanitised: it may hold slashes, control characters or nothing at all.
    pub name: Option<String>,
    /// Its media type.
    pub media_type: Option<String>,
    /// Its length in bytes.
    pub size: Option<u64>,
    /// When it was last changed, in seconds since 1970.
    pub changed_at: Option<i64>,
    /// Hashes of its content that are strong enough to vouch for it.
    pub hashes: Vec<ContentHash>,
    /// Where its ciphertext lies, in the order of the message.
    pub sources: Vec<FileSource>,
}

/// One place where a file's ciphertext lies. `Debug` shows neither address nor key.
pub struct FileSource {
    /// The `https` address of the ciphertext, without fragment.
    pub url: String,
    /// Cipher, key and IV.
    pub secret: MediaSecret,
    /// Hashes of the ciphertext that are strong enough to vouch for it.
    pub hashes: Vec<ContentHash>,
}

impl FileSource {
    /// Takes an address as a message gives it, without a hash of what lies there.
    ///
    /// # Errors
    /// [`SharedFileError::Address`]
    pub fn new(url: &str, secret: MediaSecret) -> Result<Self, SharedFileError> {
        let (url, _) = link::read_url(url).map_err(|_| SharedFileError::Address)?;
        Ok(Self {
            url,
            secret,
            hashes: Vec::new(),
        })
    }

    /// Returns whether ciphertext that was altered is noticed by itself: the cipher has a tag, or the
    /// message a hash of the ciphertext.
    #[must_use]
    pub fn is_proven(&self) -> bool {
        self.secret.cipher().is_authenticated() || !self.hashes.is_empty()
    }
}

impl SharedFile {
    /// Checks that the description can be worked with, and that what will be fetched can be proven
    /// to be what the sender had. A file without a name gets the one in its first address.
    ///
    /// # Errors
    /// [`SharedFileError`]
    pub fn checked(mut self) -> Result<Self, SharedFileError> {
        let Some(first) = self.sources.first() else {
            return Err(SharedFileError::NoSource);
        };
        if self.name.as_ref().is_none_or(String::is_empty) {
            let (_, name) = link::read_url(&first.url).map_err(|_| SharedFileError::Address)?;
            self.name = Some(name);
        }
        self = self.within_bounds()?;
        // Whoever holds the ciphertext can change what CBC decrypts to.
        if self.hashes.is_empty() {
            self.sources.retain(FileSource::is_proven);
        }
        if self.sources.is_empty() {
            return Err(SharedFileError::NoHash);
        }
        Ok(self)
    }

    /// Checks a description whose sources a later message is to bring. Without a hash of the content
    /// nothing would tie them to it.
    ///
    /// # Errors
    /// [`SharedFileError`]
    pub fn checked_ahead(self) -> Result<Self, SharedFileError> {
        if self.hashes.is_empty() || !self.sources.is_empty() {
            return Err(SharedFileError::NoSource);
        }
        self.within_bounds()
    }

    fn within_bounds(mut self) -> Result<Self, SharedFileError> {
        let long_name = self
            .name
            .as_ref()
            .is_some_and(|it| it.len() > MAX_NAME_BYTES);
        let many_hashes = |it: &FileSource| it.hashes.len() > MAX_HASHES;
        if long_name
            || self.hashes.len() > MAX_HASHES
            || self.sources.len() > MAX_SOURCES
            || self.sources.iter().any(many_hashes)
        {
            return Err(SharedFileError::Malformed);
        }
        let is_type = |it: &String| {
            it.len() <= MAX_TYPE_BYTES
                && it.contains('/')
                && it
                    .bytes()
                    .all(|byte| byte.is_ascii_graphic() || byte == b' ')
        };
        self.media_type = self.media_type.filter(is_type);
        Ok(self)
    }
}

impl fmt::Debug for FileSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            url: _,
            secret: _,
            hashes: _,
        } = self;
        f.write_str("FileSource(..)")
    }
}

impl fmt::Debug for SharedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name: _,
            media_type: _,
            size: _,
            changed_at: _,
            hashes: _,
            sources: _,
        } = self;
        f.write_str("SharedFile(..)")
    }
}

/// Why a file is not fetched that a message describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SharedFileError {
    /// No source says where the file is.
    #[error("the description does not say where the file is")]
    NoSource,
    /// The file lies on its server for everybody to read.
    #[error("the file is not encrypted")]
    NotEncrypted,
    /// It is encrypted in a way that is not known here.
    #[error("the cipher is not known")]
    Cipher,
    /// Its address is not `https`, or malformed.
    #[error("the address of the file is malformed or not https")]
    Address,
    /// The cipher proves nothing, and no strong hash does.
    #[error("nothing proves that the file is what was sent")]
    NoHash,
    /// A part of the description makes no sense, or is too large.
    #[error("the description is malformed")]
    Malformed,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        media::{HashAlgorithm, MediaCipher},
        store::suite::FixedRng,
    };

    static_assertions::assert_not_impl_any!(SharedFile: Clone, Copy, PartialEq);
    static_assertions::assert_not_impl_any!(FileSource: Clone, Copy, PartialEq);

    const URL: &str = "https://up.example/x/a%20b.jpg";

    fn source(cipher: MediaCipher) -> FileSource {
        let secret = MediaSecret::random_for(cipher, &mut FixedRng::new(1));
        FileSource::new(URL, secret).unwrap()
    }

    fn hash() -> ContentHash {
        ContentHash::new(HashAlgorithm::Sha256, vec![7; 32]).unwrap()
    }

    fn file(ciphers: &[MediaCipher], hashes: usize) -> SharedFile {
        SharedFile {
            name: Some("photo.jpg".to_owned()),
            hashes: (0..hashes).map(|_| hash()).collect(),
            sources: ciphers.iter().map(|it| source(*it)).collect(),
            ..SharedFile::default()
        }
    }

    #[test]
    fn what_only_a_hash_can_prove_needs_one_and_what_has_a_tag_does_not() {
        use MediaCipher::{Aes128Gcm, Aes256Cbc, Aes256Gcm};

        for cipher in [Aes128Gcm, Aes256Gcm] {
            assert_eq!(file(&[cipher], 0).checked().unwrap().sources.len(), 1);
        }
        assert_eq!(file(&[Aes256Cbc], 1).checked().unwrap().sources.len(), 1);
        let refused = file(&[Aes256Cbc, Aes256Cbc], 0).checked();
        assert_eq!(refused.err(), Some(SharedFileError::NoHash));
        // A hash of the ciphertext is as good: only one content comes of it.
        let mut outer = file(&[Aes256Cbc, Aes256Cbc], 0);
        outer.sources[1].hashes.push(hash());
        assert_eq!(outer.checked().unwrap().sources.len(), 1);
        let half = file(&[Aes256Cbc, Aes256Gcm], 0).checked().unwrap();
        assert_eq!(half.sources.len(), 1);
        assert!(
            half.sources
                .iter()
                .all(|it| it.secret.cipher() == Aes256Gcm)
        );
    }

    #[test]
    fn a_file_without_a_name_has_the_one_in_its_address() {
        for none in [None, Some(String::new())] {
            let mut nameless = file(&[MediaCipher::Aes256Gcm], 1);
            nameless.name = none;

            let named = nameless.checked().unwrap();

            assert_eq!(named.name.as_deref(), Some("a b.jpg"));
        }
    }

    #[test]
    fn more_than_any_client_sends_is_refused() {
        let gcm = MediaCipher::Aes256Gcm;
        let mut long = file(&[gcm], 1);
        long.name = Some("x".repeat(MAX_NAME_BYTES + 1));
        let mut hashed = file(&[gcm], 1);
        hashed.sources[0].hashes = (0..=MAX_HASHES).map(|_| hash()).collect();
        let mut longest = file(&[gcm; MAX_SOURCES], MAX_HASHES);
        longest.name = Some("x".repeat(MAX_NAME_BYTES));

        assert!(longest.checked().is_ok());
        for more in [
            long,
            hashed,
            file(&[gcm], MAX_HASHES + 1),
            file(&[gcm; MAX_SOURCES + 1], 1),
        ] {
            assert_eq!(more.checked().err(), Some(SharedFileError::Malformed));
        }
        let nowhere = file(&[], 1).checked();
        assert_eq!(nowhere.err(), Some(SharedFileError::NoSource));
    }

    #[test]
    fn a_description_ahead_of_its_sources_needs_a_hash_and_is_bounded_too() {
        let mut long = file(&[], 1);
        long.name = Some("x".repeat(MAX_NAME_BYTES + 1));

        assert!(file(&[], MAX_HASHES).checked_ahead().is_ok());
        for (bad, why) in [
            (file(&[], 0), SharedFileError::NoSource),
            (
                file(&[MediaCipher::Aes256Gcm], 1),
                SharedFileError::NoSource,
            ),
            (file(&[], MAX_HASHES + 1), SharedFileError::Malformed),
            (long, SharedFileError::Malformed),
        ] {
            assert_eq!(bad.checked_ahead().err(), Some(why));
        }
    }

    #[test]
    fn only_a_plain_https_address_is_an_address() {
        let made = |url: &str| {
            let secret = MediaSecret::random(&mut FixedRng::new(1));
            FileSource::new(url, secret).map(|it| it.url)
        };
        let long = format!("https://up.example/{}", "x".repeat(9_000));

        assert_eq!(made(URL).as_deref(), Ok(URL));
        assert_eq!(made(&format!("{URL}#part")).as_deref(), Ok(URL));
        for bad in [
            "",
            "http://up.example/x",
            "ftp://up.example/x",
            "file:///etc/passwd",
            "https:/up.example/x",
            "https://",
            "https://up.example",
            "https://me@up.example/x",
            "https://up.example/a b",
            "aesgcm://up.example/x",
            "\u{2028}https://up.example/x",
            long.as_str(),
        ] {
            assert_eq!(made(bad), Err(SharedFileError::Address), "{bad}");
        }
    }

    #[test]
    fn a_media_type_that_is_none_is_left_out() {
        for (given, kept) in [
            ("image/jpeg", true),
            ("text/plain; charset=utf-8", true),
            ("image", false),
            ("image/\njpeg", false),
            ("", false),
        ] {
            let mut typed = file(&[MediaCipher::Aes256Gcm], 1);
            typed.media_type = Some(given.to_owned());

            let typed = typed.checked().unwrap();

            assert_eq!(typed.media_type.is_some(), kept, "{given}");
        }
    }

    #[test]
    fn debug_shows_nothing_of_a_file() {
        let file = file(&[MediaCipher::Aes256Gcm], 1);

        assert_eq!(format!("{file:?}"), "SharedFile(..)");
        assert_eq!(format!("{:?}", file.sources), "[FileSource(..)]");
    }
}
