//! The one file that names the HPKE library: seals short secrets to a public half.
//!
//! HPKE base mode with X-Wing (0x647a), HKDF-SHA256 and AES-256-GCM. What is sealed and to whom is
//! the callers' business.

use hpke::{
    Deserializable as _, HpkeError, OpModeR, OpModeS, Serializable as _,
    aead::AesGcm256,
    kdf::HkdfSha256,
    kem::{Kem, XWing},
    single_shot_open, single_shot_seal_with_rng,
};
use rand_core::{TryCryptoRng, TryRng};
use zeroize::Zeroizing;

use crate::key::{KEY_BYTES, PurposeKey, RandomnessError};

/// Length of a public half, in bytes.
pub(crate) const PUBLIC_BYTES: usize = 1216;
/// Length of an encapsulated key, in bytes.
pub(crate) const ENCAPSULATED_BYTES: usize = 1120;
/// Length of a sealed 32-byte secret with its tag, in bytes.
pub(crate) const SEALED_SECRET_BYTES: usize = KEY_BYTES + 16;
/// Length of what [`PublicKey::seal`] returns, in bytes.
pub(crate) const SEALED_BYTES: usize = ENCAPSULATED_BYTES + SEALED_SECRET_BYTES;

/// The public half of a key pair, checked for being one.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PublicKey(<XWing as Kem>::PublicKey);

/// The secret half of a key pair with its public half.
pub(crate) struct KeyPair(<XWing as Kem>::PrivateKey);

/// The sealed secret does not open with this key, or the bytes are no public half.
#[derive(Debug)]
pub(crate) struct NotAuthentic;

impl PublicKey {
    pub(crate) fn from_bytes(bytes: &[u8; PUBLIC_BYTES]) -> Result<Self, NotAuthentic> {
        <XWing as Kem>::PublicKey::from_bytes(bytes)
            .map(Self)
            .map_err(|_| NotAuthentic)
    }

    pub(crate) fn to_bytes(&self) -> [u8; PUBLIC_BYTES] {
        self.0.to_bytes().into()
    }

    /// Seals `secret` to this public half: encapsulated key, then ciphertext and tag.
    // RFC 9180 6.1, draft-ietf-hpke-pq-03 4
    pub(crate) fn seal(
        &self,
        purpose: &str,
        aad: &[u8],
        secret: &[u8; KEY_BYTES],
        rng: &mut impl TryCryptoRng,
    ) -> Result<[u8; SEALED_BYTES], RandomnessError> {
        let mut rng = Remembering { rng, failed: false };
        let sealed = single_shot_seal_with_rng::<AesGcm256, HkdfSha256, XWing>(
            &OpModeS::Base,
            &self.0,
            &info(purpose),
            secret,
            aad,
            &mut rng,
        );
        // A failed source left zeros behind: what was made from them must not leave this function.
        let failed = rng.failed;
        let (encapsulated, ciphertext) = sealed.map_err(|_: HpkeError| RandomnessError)?;
        let mut out = [0; SEALED_BYTES];
        let (front, back) = out.split_at_mut(ENCAPSULATED_BYTES);
        if failed || ciphertext.len() != back.len() {
            return Err(RandomnessError);
        }
        encapsulated.write_exact(front);
        back.copy_from_slice(&ciphertext);
        Ok(out)
    }
}

impl KeyPair {
    /// Takes `seed` as the X-Wing decapsulation key, which it is.
    // draft-connolly-cfrg-xwing-kem-09 5.2
    pub(crate) fn from_seed(seed: &PurposeKey) -> Self {
        #[expect(
            clippy::expect_used,
            reason = "an X-Wing decapsulation key is any 32 bytes"
        )]
        let secret = <XWing as Kem>::PrivateKey::from_bytes(seed.expose_to_cipher())
            .expect("the seed has the right length");
        Self(secret)
    }

    pub(crate) fn public(&self) -> PublicKey {
        PublicKey(XWing::sk_to_pk(&self.0))
    }

    /// Opens what [`PublicKey::seal`] made and hands the secret to `take`.
    pub(crate) fn open<T>(
        &self,
        purpose: &str,
        aad: &[u8],
        sealed: &[u8; SEALED_BYTES],
        take: impl FnOnce(&[u8; KEY_BYTES]) -> T,
    ) -> Result<T, NotAuthentic> {
        let (encapsulated, ciphertext) = sealed.split_at(ENCAPSULATED_BYTES);
        let encapsulated = <XWing as Kem>::EncappedKey::from_bytes(encapsulated)
            .map_err(|_: HpkeError| NotAuthentic)?;
        let secret = single_shot_open::<AesGcm256, HkdfSha256, XWing>(
            &OpModeR::Base,
            &self.0,
            &encapsulated,
            &info(purpose),
            ciphertext,
            aad,
        )
        .map_err(|_| NotAuthentic)?;
        let secret = Zeroizing::new(secret);
        let secret: &[u8; KEY_BYTES] = secret.as_slice().try_into().map_err(|_| NotAuthentic)?;
        Ok(take(secret))
    }
}

fn info(purpose: &str) -> Vec<u8> {
    [b"strongroom/v1/", purpose.as_bytes()].concat()
}

/// Lets the HPKE library, which wants a source that cannot fail, use one that can.
struct Remembering<'a, R> {
    rng: &'a mut R,
    failed: bool,
}

impl<R: TryCryptoRng> TryRng for Remembering<'_, R> {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        self.failed |= self.rng.try_fill_bytes(bytes).is_err();
        Ok(())
    }
}

impl<R: TryCryptoRng> TryCryptoRng for Remembering<'_, R> {}

#[cfg(test)]
mod tests;
