//! AES-GCM as a stream: counter mode and GHASH, piece by piece.
//!
//! The crate `aes-gcm` wants a whole message at once; a film does not fit into the memory of a Pi.

use aes::{
    Aes128, Aes256,
    cipher::{
        BlockCipherEncrypt, InnerIvInit, KeyInit, StreamCipher, StreamCipherError, array::Array,
        consts::U16,
    },
};
use ctr::{Ctr32BE, CtrCore};
use ghash::{GHash, universal_hash::UniversalHash};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use super::{Iv, MAX_CONTENT_BYTES, MediaCipher, MediaError, MediaSecret, TAG_BYTES};

const BLOCK_BYTES: usize = 16;
/// How much goes through copying, cipher and hash before the next piece: little enough to stay in
/// the nearest cache, and below the sizes for which copying takes a slower path.
const PIECE_BYTES: usize = 1024;

/// Decrypts; what comes out is authenticated by the tag at the end.
pub(super) struct GcmDecryptor {
    gcm: Box<Gcm>,
    /// The newest bytes, at most a tag's length: they may be the tag.
    held: Vec<u8>,
}

impl GcmDecryptor {
    pub(super) fn new(secret: &MediaSecret) -> Self {
        Self {
            gcm: Box::new(Gcm::new(secret)),
            held: Vec::with_capacity(TAG_BYTES),
        }
    }

    pub(super) fn update(
        &mut self,
        ciphertext: &[u8],
        content: &mut Vec<u8>,
    ) -> Result<(), MediaError> {
        let released = (self.held.len() + ciphertext.len()).saturating_sub(TAG_BYTES);
        self.gcm.make_room(released)?;
        let from_held = released.min(self.held.len());
        let (now, later) = ciphertext.split_at(released - from_held);
        let start = content.len();
        content.extend(self.held.drain(..from_held));
        content.extend_from_slice(now);
        self.held.extend_from_slice(later);
        let (_, new) = content.split_at_mut(start);
        for piece in new.chunks_mut(PIECE_BYTES) {
            self.gcm.hash(piece);
            self.gcm.apply_keystream(piece)?;
        }
        Ok(())
    }

    /// Checks the tag, which was the last 16 bytes taken in. Returns the length of the content.
    pub(super) fn finish(self) -> Result<u64, MediaError> {
        let Self { gcm, held } = self;
        let length = gcm.length;
        if bool::from(gcm.tag().ct_eq(&held)) {
            Ok(length)
        } else {
            Err(MediaError::NotAuthentic)
        }
    }
}

/// Encrypts, and makes the tag.
pub(super) struct GcmEncryptor {
    gcm: Box<Gcm>,
}

impl GcmEncryptor {
    pub(super) fn new(secret: &MediaSecret) -> Self {
        Self {
            gcm: Box::new(Gcm::new(secret)),
        }
    }

    pub(super) fn update(
        &mut self,
        content: &[u8],
        ciphertext: &mut Vec<u8>,
    ) -> Result<(), MediaError> {
        self.gcm.make_room(content.len())?;
        for piece in content.chunks(PIECE_BYTES) {
            let start = ciphertext.len();
            ciphertext.extend_from_slice(piece);
            let (_, piece) = ciphertext.split_at_mut(start);
            self.gcm.apply_keystream(piece)?;
            self.gcm.hash(piece);
        }
        Ok(())
    }

    /// Returns the tag, which is to follow the ciphertext.
    pub(super) fn finish(self) -> [u8; TAG_BYTES] {
        self.gcm.tag()
    }
}

/// Counter mode with either length of key.
enum Keystream {
    Aes128(Ctr32BE<Aes128>),
    Aes256(Ctr32BE<Aes256>),
}

impl Keystream {
    fn apply(&mut self, piece: &mut [u8]) -> Result<(), StreamCipherError> {
        match self {
            Self::Aes128(keystream) => keystream.try_apply_keystream(piece),
            Self::Aes256(keystream) => keystream.try_apply_keystream(piece),
        }
    }
}

/// The state of GCM without associated data, between two pieces. // NIST SP 800-38D 7
struct Gcm {
    keystream: Keystream,
    hash: GHash,
    /// Ciphertext that does not fill a block yet, at the front.
    partial: ghash::Block,
    partial_bytes: usize,
    mask: Zeroizing<[u8; BLOCK_BYTES]>,
    length: u64,
}

impl Gcm {
    fn new(secret: &MediaSecret) -> Self {
        let (hash, mut keystream) = if secret.cipher == MediaCipher::Aes128Gcm {
            let cipher = Aes128::new(first_half(&secret.key).into());
            let (hash, first) = hash_and_first_counter(&cipher, &secret.iv);
            let core = CtrCore::inner_iv_init(cipher, &first);
            (hash, Keystream::Aes128(Ctr32BE::from_core(core)))
        } else {
            let cipher = Aes256::new((&**secret.key).into());
            let (hash, first) = hash_and_first_counter(&cipher, &secret.iv);
            let core = CtrCore::inner_iv_init(cipher, &first);
            (hash, Keystream::Aes256(Ctr32BE::from_core(core)))
        };
        let mut mask = Zeroizing::new([0; BLOCK_BYTES]);
        // The first block of a keystream is always there.
        let _ = keystream.apply(mask.as_mut());
        Self {
            keystream,
            hash,
            partial: ghash::Block::default(),
            partial_bytes: 0,
            mask,
            length: 0,
        }
    }

    /// Counts `more` bytes of content, if the cipher has room for them.
    fn make_room(&mut self, more: usize) -> Result<(), MediaError> {
        let length = self.length.saturating_add(more as u64);
        if length > MAX_CONTENT_BYTES {
            return Err(MediaError::TooLong);
        }
        self.length = length;
        Ok(())
    }

    fn apply_keystream(&mut self, piece: &mut [u8]) -> Result<(), MediaError> {
        self.keystream.apply(piece).map_err(|_| MediaError::TooLong)
    }

    fn hash(&mut self, mut ciphertext: &[u8]) {
        if self.partial_bytes > 0 {
            let wanted = ciphertext.len().min(BLOCK_BYTES - self.partial_bytes);
            let (fill, rest) = ciphertext.split_at(wanted);
            self.put_partial(fill);
            ciphertext = rest;
            if self.partial_bytes < BLOCK_BYTES {
                return;
            }
            self.hash.update(&[self.partial]);
            self.partial_bytes = 0;
        }
        let (blocks, tail) = Array::slice_as_chunks(ciphertext);
        self.hash.update(blocks);
        self.put_partial(tail);
    }

    fn put_partial(&mut self, bytes: &[u8]) {
        for (place, byte) in self.partial.iter_mut().skip(self.partial_bytes).zip(bytes) {
            *place = *byte;
        }
        self.partial_bytes += bytes.len();
    }

    fn tag(mut self: Box<Self>) -> [u8; TAG_BYTES] {
        if self.partial_bytes > 0 {
            self.partial
                .iter_mut()
                .skip(self.partial_bytes)
                .for_each(|it| *it = 0);
            self.hash.update(&[self.partial]);
        }
        let mut lengths = ghash::Block::default();
        lengths[8..].copy_from_slice(&(self.length * 8).to_be_bytes());
        self.hash.update(&[lengths]);
        let mut tag = <[u8; TAG_BYTES]>::from(self.hash.clone().finalize());
        for (byte, mask) in tag.iter_mut().zip(self.mask.iter()) {
            *byte ^= mask;
        }
        tag
    }
}

fn first_half(key: &[u8; 32]) -> &[u8; 16] {
    key.first_chunk().unwrap_or(&[0; 16])
}

fn hash_and_first_counter<C>(cipher: &C, iv: &Iv) -> (GHash, ghash::Block)
where
    C: BlockCipherEncrypt<BlockSize = U16>,
{
    let mut hash_key = ghash::Key::default();
    cipher.encrypt_block(&mut hash_key);
    let hash = GHash::new(&hash_key);
    hash_key.zeroize();
    let first = first_counter(iv, &hash);
    (hash, first)
}

/// Derives the first counter block from the IV. // NIST SP 800-38D 7.1
fn first_counter(iv: &Iv, hash: &GHash) -> ghash::Block {
    match iv {
        Iv::Short(iv) => {
            let mut block = ghash::Block::default();
            block[..12].copy_from_slice(iv);
            block[15] = 1;
            block
        }
        Iv::Long(iv) => {
            let mut lengths = ghash::Block::default();
            lengths[8..].copy_from_slice(&(8 * iv.len() as u64).to_be_bytes());
            let mut hash = hash.clone();
            hash.update(&[(*iv).into(), lengths]);
            hash.finalize()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(iv: Iv) -> MediaSecret {
        MediaSecret {
            cipher: MediaCipher::Aes256Gcm,
            key: Box::new(Zeroizing::new([1; 32])),
            iv,
        }
    }

    #[test]
    fn no_byte_beyond_the_limit_of_the_cipher_is_taken() {
        let secret = secret(Iv::Short([2; 12]));
        let mut encryptor = GcmEncryptor::new(&secret);
        let mut decryptor = GcmDecryptor::new(&secret);
        encryptor.gcm.length = MAX_CONTENT_BYTES - 1;
        decryptor.gcm.length = MAX_CONTENT_BYTES - 1;

        assert_eq!(
            encryptor.update(&[0; 2], &mut Vec::new()),
            Err(MediaError::TooLong)
        );
        assert_eq!(encryptor.update(&[0; 1], &mut Vec::new()), Ok(()));
        assert_eq!(
            decryptor.update(&[0; 18], &mut Vec::new()),
            Err(MediaError::TooLong)
        );
        assert_eq!(decryptor.update(&[0; 17], &mut Vec::new()), Ok(()));
    }

    #[test]
    fn the_keystream_itself_ends_where_the_limit_is() {
        use aes::cipher::StreamCipherCore;

        let gcm = Gcm::new(&secret(Iv::Long([2; 16])));
        let Keystream::Aes256(keystream) = &gcm.keystream else {
            panic!("a key of 32 bytes");
        };
        let left = keystream.get_core().remaining_blocks().unwrap();

        assert_eq!(left as u64 * BLOCK_BYTES as u64, MAX_CONTENT_BYTES);
    }
}
