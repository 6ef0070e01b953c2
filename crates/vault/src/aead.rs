//! The one file that names the AEAD library.
//!
//! Two uses: the chunks of a blob by C2SP chunked-encryption (Cobblestone-256), and short records
//! under a nonce that follows from their content. Files and formats are the callers' business.

use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    hkdf::{HKDF_SHA512, KeyType, Prk},
};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::key::{self, FileKey, KEY_BYTES, PurposeKey};

/// Length of an authentication tag, in bytes.
pub(crate) const TAG_BYTES: usize = 16;
/// Length of a nonce, in bytes.
pub(crate) const NONCE_BYTES: usize = 12;
/// Length of a whole chunk before sealing, in bytes.
pub(crate) const CHUNK_BYTES: usize = 16 * 1024;
/// Length of a whole chunk after sealing, in bytes.
pub(crate) const SEALED_CHUNK_BYTES: usize = CHUNK_BYTES + TAG_BYTES;
/// Length of the salt of a sealed message, in bytes.
pub(crate) const SALT_BYTES: usize = 24;
/// Length of the key commitment of a sealed message, in bytes.
pub(crate) const COMMITMENT_BYTES: usize = 32;
/// Chunks that one message may have.
// C2SP chunked-encryption, "Message chunking"
pub(crate) const MAX_CHUNKS: u64 = 1 << 38;

/// The bytes were not sealed with this key, or were altered, or there are too many of them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotAuthentic;

/// Seals and opens the chunks of one message.
pub(crate) struct ChunkCipher {
    key: LessSafeKey,
    base_nonce: [u8; NONCE_BYTES],
    commitment: [u8; COMMITMENT_BYTES],
}

struct Derived;

impl KeyType for Derived {
    fn len(&self) -> usize {
        KEY_BYTES + NONCE_BYTES + COMMITMENT_BYTES
    }
}

impl ChunkCipher {
    /// Derives key, base nonce and commitment for the message with this salt and context.
    // C2SP chunked-encryption, "Key derivation"
    pub(crate) fn new(file_key: &FileKey, salt: &[u8; SALT_BYTES], context: &[u8]) -> Self {
        let mut derived = Zeroizing::new([0; KEY_BYTES + NONCE_BYTES + COMMITMENT_BYTES]);
        let prk = Prk::new_less_safe(HKDF_SHA512, file_key.expose_to_cipher());
        let info: [&[u8]; 4] = [
            b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM",
            &[0],
            salt,
            context,
        ];
        #[expect(
            clippy::expect_used,
            reason = "76 bytes are far below 255 blocks of 64"
        )]
        prk.expand(&info, Derived)
            .and_then(|okm| okm.fill(derived.as_mut_slice()))
            .expect("the output is two blocks");
        let (key, rest) = derived.split_at(KEY_BYTES);
        let (nonce, commitment) = rest.split_at(NONCE_BYTES);
        let mut base_nonce = [0; NONCE_BYTES];
        base_nonce.copy_from_slice(nonce);
        let mut committed = [0; COMMITMENT_BYTES];
        committed.copy_from_slice(commitment);
        Self {
            key: aes_256_gcm(key),
            base_nonce,
            commitment: committed,
        }
    }

    pub(crate) fn commitment(&self) -> &[u8; COMMITMENT_BYTES] {
        &self.commitment
    }

    /// Tells whether a message that opens with `commitment` was sealed with this key and context.
    pub(crate) fn commits_to(&self, commitment: &[u8; COMMITMENT_BYTES]) -> bool {
        self.commitment.ct_eq(commitment).into()
    }

    /// Seals the chunk with this number in place and returns its tag.
    pub(crate) fn seal(
        &self,
        number: u64,
        chunk: &mut [u8],
    ) -> Result<[u8; TAG_BYTES], NotAuthentic> {
        let nonce = self.nonce(number)?;
        let tag = self
            .key
            .seal_in_place_separate_tag(nonce, Aad::empty(), chunk)
            .map_err(|_| NotAuthentic)?;
        tag.as_ref().try_into().map_err(|_| NotAuthentic)
    }

    /// Opens the chunk with this number in place; on failure the buffer holds nothing of use.
    pub(crate) fn open<'a>(
        &self,
        number: u64,
        sealed: &'a mut [u8],
    ) -> Result<&'a mut [u8], NotAuthentic> {
        let nonce = self.nonce(number)?;
        self.key
            .open_in_place(nonce, Aad::empty(), sealed)
            .map_err(|_| NotAuthentic)
    }

    // C2SP chunked-encryption, "AEAD usage"
    fn nonce(&self, number: u64) -> Result<Nonce, NotAuthentic> {
        if number >= MAX_CHUNKS {
            return Err(NotAuthentic);
        }
        let mut nonce = self.base_nonce;
        let counter = number.to_be_bytes();
        nonce
            .iter_mut()
            .rev()
            .zip(counter.iter().rev())
            .for_each(|(to, from)| *to ^= from);
        Ok(Nonce::assume_unique_for_key(nonce))
    }
}

/// Seals a short record; returns nonce, ciphertext and tag.
///
/// The nonce is the start of an HMAC over everything sealed, so that no source of randomness is
/// needed and a nonce repeats only for the very same record.
pub(crate) fn seal_record(key: &PurposeKey, aad: &[u8], record: &[u8]) -> Vec<u8> {
    let nonce = record_nonce(key, aad, record);
    let mut sealed = Vec::with_capacity(record.len() + RECORD_OVERHEAD);
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(record);
    let body = sealed.get_mut(NONCE_BYTES..).unwrap_or_default();
    #[expect(
        clippy::expect_used,
        reason = "records are far below the cipher's limit of 64 GiB"
    )]
    let tag = record_cipher(key)
        .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), body)
        .expect("the record is short");
    sealed.extend_from_slice(tag.as_ref());
    sealed
}

/// What [`seal_record`] adds to a record, in bytes.
pub(crate) const RECORD_OVERHEAD: usize = NONCE_BYTES + TAG_BYTES;

/// Opens what [`seal_record`] made.
pub(crate) fn open_record(
    key: &PurposeKey,
    aad: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, NotAuthentic> {
    let (nonce, body) = sealed
        .split_first_chunk::<NONCE_BYTES>()
        .ok_or(NotAuthentic)?;
    let mut body = Zeroizing::new(body.to_vec());
    let length = record_cipher(key)
        .open_in_place(
            Nonce::assume_unique_for_key(*nonce),
            Aad::from(aad),
            &mut body,
        )
        .map_err(|_| NotAuthentic)?
        .len();
    body.truncate(length);
    Ok(body)
}

fn record_cipher(key: &PurposeKey) -> LessSafeKey {
    aes_256_gcm(key::expand(key.expose_to_cipher(), "record-cipher").expose_to_cipher())
}

fn record_nonce(key: &PurposeKey, aad: &[u8], record: &[u8]) -> [u8; NONCE_BYTES] {
    let nonce_key = key::expand(key.expose_to_cipher(), "record-nonce");
    let aad_length = (aad.len() as u64).to_be_bytes();
    let mac = key::hmac(nonce_key.expose_to_cipher(), &[&aad_length, aad, record]);
    let mut nonce = [0; NONCE_BYTES];
    nonce.iter_mut().zip(mac).for_each(|(to, from)| *to = from);
    nonce
}

fn aes_256_gcm(key: &[u8]) -> LessSafeKey {
    #[expect(clippy::expect_used, reason = "every caller passes 32 bytes")]
    let key = UnboundKey::new(&AES_256_GCM, key).expect("the key has the cipher's length");
    LessSafeKey::new(key)
}

#[cfg(test)]
mod tests;
