//! AES-256-CBC, then HMAC, under keys expanded from one key: the cipher of ratchet messages, and of
//! content in `urn:xmpp:omemo:2`.
//!
//! It knows neither: callers bring the key, the HKDF info, and what the MAC covers.

use aes::Aes256;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit, block_padding::Pkcs7};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::{
    kdf::{hkdf, hmac},
    key::KEY_BYTES,
};

/// Block length of AES, in bytes.
const BLOCK_BYTES: usize = 16;

/// Cipher key, MAC key and IV, for one message only.
pub(crate) struct CbcHmac {
    cipher: Box<Zeroizing<[u8; 32]>>,
    mac: Box<Zeroizing<[u8; 32]>>,
    iv: Zeroizing<[u8; 16]>,
}

/// A MAC that does not hold, or a padding that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotAuthentic;

impl CbcHmac {
    // Double Ratchet 5.2 (CBC with HMAC); XEP-0384 v0.9.1 4.4
    pub(crate) fn expand(key: &[u8; KEY_BYTES], info: &[u8]) -> Self {
        let mut out = Zeroizing::new([0; 80]);
        hkdf(&[0; 32], key, info, out.as_mut());
        let (cipher, rest) = out.split_at(32);
        let (mac, iv) = rest.split_at(32);
        let mut keys = Self {
            cipher: Box::new(Zeroizing::new([0; 32])),
            mac: Box::new(Zeroizing::new([0; 32])),
            iv: Zeroizing::new([0; 16]),
        };
        keys.cipher.copy_from_slice(cipher);
        keys.mac.copy_from_slice(mac);
        keys.iv.copy_from_slice(iv);
        keys
    }

    fn cipher(&self) -> &[u8; 32] {
        &self.cipher
    }

    fn iv(&self) -> &[u8; 16] {
        &self.iv
    }

    #[expect(
        clippy::expect_used,
        reason = "the buffer is made with room for the padding"
    )]
    pub(crate) fn encrypt(&self, plaintext: &[u8]) -> Vec<u8> {
        let padded = (plaintext.len() / BLOCK_BYTES + 1) * BLOCK_BYTES;
        let mut buffer = Zeroizing::new(Vec::with_capacity(padded));
        buffer.extend_from_slice(plaintext);
        buffer.resize(padded, 0);
        cbc::Encryptor::<Aes256>::new(self.cipher().into(), self.iv().into())
            .encrypt_padded::<Pkcs7>(&mut buffer, plaintext.len())
            .expect("the buffer has room for the padding")
            .to_vec()
    }

    /// Returns the whole MAC of all `parts`; senders cut it off.
    pub(crate) fn tag(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = [0; 32];
        hmac(&self.mac, parts, &mut mac);
        mac
    }

    /// Opens `ciphertext` if `mac`, of the length that is sent, is the one of all `parts`.
    pub(crate) fn open(
        &self,
        parts: &[&[u8]],
        mac: &[u8],
        mac_bytes: usize,
        ciphertext: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, NotAuthentic> {
        let expected = self.tag(parts);
        let expected = expected.get(..mac_bytes).unwrap_or(&expected);
        if !bool::from(expected.ct_eq(mac)) {
            return Err(NotAuthentic);
        }
        let mut buffer = Zeroizing::new(ciphertext.to_vec());
        let length = cbc::Decryptor::<Aes256>::new(self.cipher().into(), self.iv().into())
            .decrypt_padded::<Pkcs7>(&mut buffer)
            .map_err(|_| NotAuthentic)?
            .len();
        buffer.truncate(length);
        Ok(buffer)
    }
}
