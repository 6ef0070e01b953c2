//! AES-256-CBC with PKCS#7 padding as a stream, as clients of omemo:2 send files.
//!
//! It proves nothing: whoever can alter the ciphertext can alter the content. Whether it is what
//! the sender had, only a hash tells that came with the key.

use aes::{
    Aes256,
    cipher::{Block, BlockModeDecrypt, BlockModeEncrypt, KeyIvInit, array::Array},
};
use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _, ConstantTimeLess as _};
use zeroize::Zeroize as _;

use super::{Iv, MAX_CONTENT_BYTES, MediaError, MediaSecret, TAG_BYTES};

const BLOCK_BYTES: usize = 16;
/// How much is copied and then run through the cipher at a time, so that it is still in the cache.
const PIECE_BYTES: usize = 1024;

/// Decrypts; the padding is looked at only at the end.
pub(super) struct CbcDecryptor {
    blocks: cbc::Decryptor<Aes256>,
    /// The newest ciphertext, one block at most: it may be the last, which has the padding.
    held: Vec<u8>,
    length: u64,
}

impl CbcDecryptor {
    pub(super) fn new(secret: &MediaSecret) -> Self {
        Self {
            blocks: cbc::Decryptor::new((&**secret.key).into(), &first_block(&secret.iv).into()),
            held: Vec::with_capacity(BLOCK_BYTES),
            length: 0,
        }
    }

    pub(super) fn update(
        &mut self,
        mut ciphertext: &[u8],
        content: &mut Vec<u8>,
    ) -> Result<(), MediaError> {
        let all = self.held.len() + ciphertext.len();
        // The last block stays, and so does what does not fill one.
        let whole = all.saturating_sub(1) / BLOCK_BYTES * BLOCK_BYTES;
        let length = self.length.saturating_add(whole as u64);
        if length > MAX_CONTENT_BYTES {
            return Err(MediaError::TooLong);
        }
        self.length = length;
        if whole > 0 {
            let (first, rest) = ciphertext.split_at(BLOCK_BYTES - self.held.len());
            self.held.extend_from_slice(first);
            self.decrypt_held(content);
            let (now, later) = rest.split_at(whole - BLOCK_BYTES);
            for piece in now.chunks(PIECE_BYTES) {
                let start = content.len();
                content.extend_from_slice(piece);
                let (_, piece) = content.split_at_mut(start);
                let (blocks, _) = Array::slice_as_chunks_mut(piece);
                self.blocks.decrypt_blocks(blocks);
            }
            ciphertext = later;
        }
        self.held.extend_from_slice(ciphertext);
        Ok(())
    }

    fn decrypt_held(&mut self, content: &mut Vec<u8>) {
        let start = content.len();
        content.append(&mut self.held);
        let (_, piece) = content.split_at_mut(start);
        let (blocks, _) = Array::slice_as_chunks_mut(piece);
        self.blocks.decrypt_blocks(blocks);
    }

    /// Appends the last block without its padding. Every fault is the same one, and takes the same
    /// time: which it was would tell of the content.
    pub(super) fn finish(mut self, content: &mut Vec<u8>) -> Result<u64, MediaError> {
        let held: &[u8; BLOCK_BYTES] = self
            .held
            .as_slice()
            .try_into()
            .map_err(|_| MediaError::NotAuthentic)?;
        let mut last = Block::<cbc::Decryptor<Aes256>>::from(*held);
        self.blocks.decrypt_block(&mut last);
        let padding = padding_bytes(last.as_ref());
        let kept = padding.map(|padding| BLOCK_BYTES - padding);
        if let Some(rest) = kept.and_then(|kept| last.get(..kept)) {
            content.extend_from_slice(rest);
        }
        last.zeroize();
        match kept {
            Some(kept) => Ok(self.length + kept as u64),
            None => Err(MediaError::NotAuthentic),
        }
    }
}

/// Returns how long the padding of a last block is, if it is one. // RFC 5652 6.3
fn padding_bytes(block: &[u8; BLOCK_BYTES]) -> Option<usize> {
    let [.., last] = *block;
    let mut good = !last.ct_eq(&0) & last.ct_lt(&17);
    for (place, byte) in (0_u8..).zip(block.iter().rev()) {
        let is_padding = place.ct_lt(&last);
        let agrees = byte.ct_eq(&last);
        good &= Choice::conditional_select(&Choice::from(1), &agrees, is_padding);
    }
    bool::from(good).then_some(usize::from(last))
}

/// Encrypts, and pads at the end.
pub(super) struct CbcEncryptor {
    blocks: cbc::Encryptor<Aes256>,
    /// Content that does not fill a block yet.
    held: Vec<u8>,
    length: u64,
}

impl CbcEncryptor {
    pub(super) fn new(secret: &MediaSecret) -> Self {
        Self {
            blocks: cbc::Encryptor::new((&**secret.key).into(), &first_block(&secret.iv).into()),
            held: Vec::with_capacity(BLOCK_BYTES),
            length: 0,
        }
    }

    pub(super) fn update(
        &mut self,
        content: &[u8],
        ciphertext: &mut Vec<u8>,
    ) -> Result<(), MediaError> {
        let length = self.length.saturating_add(content.len() as u64);
        if length > MAX_CONTENT_BYTES {
            return Err(MediaError::TooLong);
        }
        self.length = length;
        let whole = (self.held.len() + content.len()) / BLOCK_BYTES * BLOCK_BYTES;
        let (now, later) = content.split_at(whole.saturating_sub(self.held.len()));
        if whole > 0 {
            let start = ciphertext.len();
            ciphertext.append(&mut self.held);
            ciphertext.extend_from_slice(now);
            let (_, piece) = ciphertext.split_at_mut(start);
            let (blocks, _) = Array::slice_as_chunks_mut(piece);
            self.blocks.encrypt_blocks(blocks);
        }
        self.held.extend_from_slice(later);
        Ok(())
    }

    /// Returns the last block, which is padding at least in part.
    pub(super) fn finish(mut self) -> [u8; TAG_BYTES] {
        let padding = BLOCK_BYTES - self.held.len();
        let byte = u8::try_from(padding).unwrap_or_default();
        let mut last = Block::<cbc::Encryptor<Aes256>>::from([byte; BLOCK_BYTES]);
        for (place, held) in last.iter_mut().zip(&self.held) {
            *place = *held;
        }
        self.held.zeroize();
        self.blocks.encrypt_block(&mut last);
        last.into()
    }
}

fn first_block(iv: &Iv) -> [u8; BLOCK_BYTES] {
    match iv {
        Iv::Long(iv) => *iv,
        // MediaSecret makes none of these for this cipher
        Iv::Short(iv) => {
            let mut block = [0; BLOCK_BYTES];
            for (place, byte) in block.iter_mut().zip(iv) {
                *place = *byte;
            }
            block
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_the_paddings_of_the_standard_are_accepted() {
        for byte in 0..=255_u8 {
            for length in 0..=16 {
                let mut block = [0xEE; BLOCK_BYTES];
                block[BLOCK_BYTES - length..].fill(byte);
                let is_good = (1..=16).contains(&byte) && usize::from(byte) <= length;

                let found = padding_bytes(&block);

                let expected = is_good.then_some(usize::from(byte));
                assert_eq!(found, expected, "{length} times {byte:#x}");
            }
        }
    }

    #[test]
    fn a_padding_with_one_wrong_byte_is_none() {
        for length in 2..=16_u8 {
            for wrong in 1..length {
                let mut block = [length; BLOCK_BYTES];
                block[BLOCK_BYTES - 1 - usize::from(wrong)] ^= 1;

                assert_eq!(padding_bytes(&block), None, "{wrong} of {length}");
            }
        }
    }
}
