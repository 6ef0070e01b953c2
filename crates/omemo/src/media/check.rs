//! Whether a file's content is what its sender described: its length and its hashes (XEP-0300).
//!
//! It knows no cipher. Hashes that are too weak to prove anything are not even read.

use blake2::{Blake2b512, digest::consts::U32};
use sha2::{Digest as _, Sha256, Sha512};
use sha3::{Sha3_256, Sha3_512};
use subtle::ConstantTimeEq as _;

use super::MediaError;

type Blake2b256 = blake2::Blake2b<U32>;

/// A hash that is strong enough to vouch for a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashAlgorithm {
    /// `sha-256`
    Sha256,
    /// `sha-512`
    Sha512,
    /// `sha3-256`
    Sha3With256,
    /// `sha3-512`
    Sha3With512,
    /// `blake2b-256`
    Blake2b256,
    /// `blake2b-512`
    Blake2b512,
}

impl HashAlgorithm {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Sha256,
        Self::Sha512,
        Self::Sha3With256,
        Self::Sha3With512,
        Self::Blake2b256,
        Self::Blake2b512,
    ];

    /// Returns the name by which messages call it. // XEP-0300 v1.0.0 2
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha-256",
            Self::Sha512 => "sha-512",
            Self::Sha3With256 => "sha3-256",
            Self::Sha3With512 => "sha3-512",
            Self::Blake2b256 => "blake2b-256",
            Self::Blake2b512 => "blake2b-512",
        }
    }

    /// Returns the algorithm of this name; `None` for weak and unknown ones.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }

    /// Returns how many bytes it yields.
    #[must_use]
    pub fn digest_bytes(self) -> usize {
        match self {
            Self::Sha256 | Self::Sha3With256 | Self::Blake2b256 => 32,
            Self::Sha512 | Self::Sha3With512 | Self::Blake2b512 => 64,
        }
    }
}

/// What a file's content hashes to, as its sender says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentHash {
    algorithm: HashAlgorithm,
    digest: Vec<u8>,
}

impl ContentHash {
    /// Takes a hash of the right length; `None` for any other.
    #[must_use]
    pub fn new(algorithm: HashAlgorithm, digest: Vec<u8>) -> Option<Self> {
        (digest.len() == algorithm.digest_bytes()).then_some(Self { algorithm, digest })
    }

    /// Returns how it was computed.
    #[must_use]
    pub fn algorithm(&self) -> HashAlgorithm {
        self.algorithm
    }

    /// Returns its bytes.
    #[must_use]
    pub fn digest(&self) -> &[u8] {
        &self.digest
    }
}

/// Compares content, piece by piece, with what its sender said of it.
pub struct ContentCheck {
    size: Option<u64>,
    taken: u64,
    running: Vec<(Running, ContentHash)>,
}

impl ContentCheck {
    /// Starts at the first byte of a file of `size` bytes, if that is known, with these hashes.
    #[must_use]
    pub fn new(size: Option<u64>, hashes: &[ContentHash]) -> Self {
        let running = hashes.iter().map(|it| (it.algorithm.start(), it.clone()));
        Self {
            size,
            taken: 0,
            running: running.collect(),
        }
    }

    /// Takes in the next piece and returns what of it belongs to the file: what lies beyond the
    /// announced size is padding. // XEP-0448 v0.2.0 3.2
    pub fn update<'a>(&mut self, content: &'a [u8]) -> &'a [u8] {
        let left = self.size.map_or(u64::MAX, |size| size - self.taken);
        let left = usize::try_from(left).unwrap_or(usize::MAX);
        let ours = content.get(..left).unwrap_or(content);
        self.taken += ours.len() as u64;
        for (running, _) in &mut self.running {
            running.update(ours);
        }
        ours
    }

    /// Returns the length of the file if it is as its sender said.
    ///
    /// # Errors
    /// [`MediaError::NotAuthentic`]
    pub fn finish(self) -> Result<u64, MediaError> {
        let mut good = self.size.is_none_or(|size| size == self.taken);
        for (running, expected) in self.running {
            good &= bool::from(running.finish().ct_eq(expected.digest()));
        }
        if good {
            Ok(self.taken)
        } else {
            Err(MediaError::NotAuthentic)
        }
    }
}

/// One hash being computed.
enum Running {
    Sha256(Sha256),
    Sha512(Sha512),
    Sha3With256(Sha3_256),
    Sha3With512(Sha3_512),
    Blake2b256(Box<Blake2b256>),
    Blake2b512(Box<Blake2b512>),
}

impl HashAlgorithm {
    fn start(self) -> Running {
        match self {
            Self::Sha256 => Running::Sha256(Sha256::new()),
            Self::Sha512 => Running::Sha512(Sha512::new()),
            Self::Sha3With256 => Running::Sha3With256(Sha3_256::new()),
            Self::Sha3With512 => Running::Sha3With512(Sha3_512::new()),
            Self::Blake2b256 => Running::Blake2b256(Box::new(Blake2b256::new())),
            Self::Blake2b512 => Running::Blake2b512(Box::new(Blake2b512::new())),
        }
    }
}

impl Running {
    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hash) => hash.update(bytes),
            Self::Sha512(hash) => hash.update(bytes),
            Self::Sha3With256(hash) => hash.update(bytes),
            Self::Sha3With512(hash) => hash.update(bytes),
            Self::Blake2b256(hash) => hash.update(bytes),
            Self::Blake2b512(hash) => hash.update(bytes),
        }
    }

    fn finish(self) -> Vec<u8> {
        match self {
            Self::Sha256(hash) => hash.finalize().to_vec(),
            Self::Sha512(hash) => hash.finalize().to_vec(),
            Self::Sha3With256(hash) => hash.finalize().to_vec(),
            Self::Sha3With512(hash) => hash.finalize().to_vec(),
            Self::Blake2b256(hash) => hash.finalize().to_vec(),
            Self::Blake2b512(hash) => hash.finalize().to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `abc` under each, by Python's hashlib.
    const OF_ABC: [(HashAlgorithm, &str); 6] = [
        (
            HashAlgorithm::Sha256,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        ),
        (
            HashAlgorithm::Sha512,
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
             2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        ),
        (
            HashAlgorithm::Sha3With256,
            "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532",
        ),
        (
            HashAlgorithm::Sha3With512,
            "b751850b1a57168a5693cd924b6b096e08f621827444f70d884f5d0240d2712e\
             10e116e9192af3c91a7ec57647e3934057340b4cf408d5a56592f8274eec53f0",
        ),
        (
            HashAlgorithm::Blake2b256,
            "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319",
        ),
        (
            HashAlgorithm::Blake2b512,
            "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1\
             7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923",
        ),
    ];

    fn check(size: Option<u64>, hashes: &[ContentHash], pieces: &[&[u8]]) -> (Vec<u8>, bool) {
        let mut check = ContentCheck::new(size, hashes);
        let kept = pieces.iter().flat_map(|piece| check.update(piece).to_vec());
        let kept: Vec<u8> = kept.collect();
        let length = kept.len() as u64;
        let verdict = check.finish();
        if let Ok(told) = verdict {
            assert_eq!(told, length);
        }
        (kept, verdict.is_ok())
    }

    #[test]
    fn every_hash_is_the_one_of_its_name_and_any_other_content_is_refused() {
        for (algorithm, hex_) in OF_ABC {
            assert_eq!(HashAlgorithm::named(algorithm.name()), Some(algorithm));
            let hash = ContentHash::new(algorithm, hex::decode(hex_).unwrap()).unwrap();
            let hashes = [hash];

            for pieces in [&[b"abc".as_slice()][..], &[b"a", b"", b"bc"]] {
                assert!(check(None, &hashes, pieces).1, "{algorithm:?}");
                assert!(check(Some(3), &hashes, pieces).1, "{algorithm:?}");
            }
            for other in [b"abd".as_slice(), b"ab", b"abcd", b""] {
                assert!(!check(None, &hashes, &[other]).1, "{algorithm:?}");
            }
        }
    }

    #[test]
    fn all_hashes_have_to_agree() {
        let [right, wrong] = [*b"abc", *b"abd"].map(|of| Sha256::digest(of).to_vec());
        let right = ContentHash::new(HashAlgorithm::Sha256, right).unwrap();
        let wrong = ContentHash::new(HashAlgorithm::Sha256, wrong).unwrap();

        assert!(check(None, &[right.clone(), right.clone()], &[b"abc"]).1);
        assert!(!check(None, &[right.clone(), wrong.clone()], &[b"abc"]).1);
        assert!(!check(None, &[wrong, right], &[b"abc"]).1);
    }

    #[test]
    fn what_lies_beyond_the_announced_size_is_cut_off_and_what_is_missing_is_missed() {
        let hash = ContentHash::new(HashAlgorithm::Sha256, Sha256::digest(b"abc").to_vec());
        let hashes = [hash.unwrap()];

        for pieces in [&[b"abc\0\0\0".as_slice()][..], &[b"ab", b"c\0", b"\0\0"]] {
            let (kept, good) = check(Some(3), &hashes, pieces);
            assert_eq!((kept.as_slice(), good), (b"abc".as_slice(), true));
        }
        assert!(!check(Some(4), &[], &[b"abc"]).1);
        assert!(check(Some(0), &[], &[b""]).1);
        assert!(check(Some(0), &[], &[b"padding"]).1);
        assert!(check(None, &[], &[b"abc"]).1);
    }

    #[test]
    fn weak_unknown_and_misnamed_hashes_are_none() {
        for name in ["md5", "sha-1", "sha1", "SHA-256", "sha256", "", "sha-224"] {
            assert_eq!(HashAlgorithm::named(name), None, "{name}");
        }
        for algorithm in HashAlgorithm::ALL {
            for length in (0..100).filter(|it| *it != algorithm.digest_bytes()) {
                assert_eq!(ContentHash::new(algorithm, vec![0; length]), None);
            }
        }
    }
}
