//! The cipher of one message: AES-256-CBC, then HMAC, under keys expanded from the message key.
//!
//! It knows no chains: whoever has the message key opens the message.

use aes::Aes256;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit, block_padding::Pkcs7};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::DecryptError;
use crate::{
    kdf::{hkdf, hmac},
    key::MessageKey,
    profile::Profile,
    wire::Message,
};

/// Block length of AES, in bytes.
const BLOCK_BYTES: usize = 16;

/// A message key, expanded.
pub(super) struct MessageKeys {
    cipher: Box<Zeroizing<[u8; 32]>>,
    mac: Box<Zeroizing<[u8; 32]>>,
    iv: Zeroizing<[u8; 16]>,
}

impl MessageKeys {
    // Double Ratchet 5.2 (CBC with HMAC)
    pub(super) fn expand(profile: &Profile, key: &MessageKey) -> Self {
        let mut out = Zeroizing::new([0; 80]);
        hkdf(
            &[0; 32],
            key.expose_to_cipher(),
            profile.message_info,
            out.as_mut(),
        );
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
    pub(super) fn encrypt(&self, plaintext: &[u8]) -> Vec<u8> {
        let padded = (plaintext.len() / BLOCK_BYTES + 1) * BLOCK_BYTES;
        let mut buffer = Zeroizing::new(plaintext.to_vec());
        buffer.resize(padded, 0);
        cbc::Encryptor::<Aes256>::new(self.cipher().into(), self.iv().into())
            .encrypt_padded::<Pkcs7>(&mut buffer, plaintext.len())
            .expect("the buffer has room for the padding")
            .to_vec()
    }

    pub(super) fn tag(&self, associated: &[u8], message: &[u8]) -> [u8; 32] {
        let mut mac = [0; 32];
        hmac(&self.mac, &[associated, message], &mut mac);
        mac
    }

    pub(super) fn open(
        &self,
        profile: &Profile,
        associated: &[u8],
        message: &Message<'_>,
    ) -> Result<Zeroizing<Vec<u8>>, DecryptError> {
        let mac = self.tag(associated, message.authenticated);
        let mac = mac.get(..profile.mac_bytes).unwrap_or(&mac);
        if !bool::from(mac.ct_eq(message.mac)) {
            return Err(DecryptError::NotAuthentic);
        }
        let mut buffer = Zeroizing::new(message.ciphertext.to_vec());
        let length = cbc::Decryptor::<Aes256>::new(self.cipher().into(), self.iv().into())
            .decrypt_padded::<Pkcs7>(&mut buffer)
            .map_err(|_| DecryptError::NotAuthentic)?
            .len();
        buffer.truncate(length);
        Ok(buffer)
    }
}
