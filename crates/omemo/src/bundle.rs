//! Bundles: what a device publishes so that others can start a session with it.
//!
//! It does not know where bundles are published. A received bundle is carried as raw bytes and
//! checked when it is used, so that one bad prekey does not spoil the others.

use rand_core::CryptoRng;

use crate::{
    IdentityKey, Namespace, OwnDevice, Prekey, SignedPrekey,
    key::PublicKey,
    profile::IdentityForm,
    wire::{decode_identity, decode_key, encode_identity, encode_key},
    xeddsa,
};

/// A bundle as it is published, or as it was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// The namespace the bundle is published in.
    pub namespace: Namespace,
    /// The identity key, as encoded on the wire.
    pub identity_key: Vec<u8>,
    /// The id of the signed prekey.
    pub signed_prekey_id: u32,
    /// The signed prekey, as encoded on the wire.
    pub signed_prekey: Vec<u8>,
    /// The identity key's signature over the encoded signed prekey.
    pub signed_prekey_signature: Vec<u8>,
    /// The prekeys that can each start one session: id and key as encoded on the wire.
    pub prekeys: Vec<(u32, Vec<u8>)>,
}

/// A bundle whose signature holds, with the prekey chosen from it.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) identity: IdentityKey,
    /// Which of the two points on Ed25519 the identity key was shown as.
    pub(crate) is_negative: bool,
    pub(crate) signed_prekey_id: u32,
    pub(crate) signed_prekey: PublicKey,
    pub(crate) prekey_id: u32,
    pub(crate) prekey: PublicKey,
}

/// Why a bundle is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BundleError {
    Malformed,
    NotAuthentic,
    NoPrekey,
}

impl Bundle {
    /// Builds our own bundle for one namespace.
    pub(crate) fn of(
        namespace: Namespace,
        own: &OwnDevice,
        signed: &SignedPrekey,
        prekeys: &[Prekey],
    ) -> Self {
        let profile = namespace.profile();
        let encode = |key: &PublicKey| encode_key(profile, key);
        let signed_prekey = encode(&signed.public);
        // one pair of keys serves all namespaces, but each signs its own encoding
        let signature = match namespace {
            Namespace::Legacy => signed.signature,
            Namespace::Omemo2 => xeddsa::sign_same(&own.secret, &signed_prekey),
        };
        Self {
            namespace,
            identity_key: encode_identity(profile, own.shown()),
            signed_prekey_id: signed.id,
            signed_prekey,
            signed_prekey_signature: signature.to_vec(),
            prekeys: prekeys
                .iter()
                .map(|it| (it.id, encode(&it.public)))
                .collect(),
        }
    }

    /// Returns the identity key that the bundle shows, checked for form but not for trust.
    #[must_use]
    pub fn identity(&self) -> Option<IdentityKey> {
        let shown = decode_identity(self.namespace.profile(), &self.identity_key).ok()?;
        IdentityKey::checked(shown.key)
    }

    /// Checks the bundle and picks one of its prekeys.
    pub(crate) fn check(&self, rng: &mut impl CryptoRng) -> Result<Checked, BundleError> {
        let (identity, is_negative, signed_prekey) = self.authenticate()?;
        let (prekey_id, prekey) = self.pick(rng).ok_or(BundleError::NoPrekey)?;
        Ok(Checked {
            identity,
            is_negative,
            signed_prekey_id: self.signed_prekey_id,
            signed_prekey,
            prekey_id,
            prekey,
        })
    }

    /// Returns the identity key, the point it is shown as, and the signed prekey, if the signature
    /// holds.
    pub(crate) fn authenticate(&self) -> Result<(IdentityKey, bool, PublicKey), BundleError> {
        let profile = self.namespace.profile();
        let decode = |bytes: &[u8]| decode_key(profile, bytes).map_err(|_| BundleError::Malformed);
        let signature = self
            .signed_prekey_signature
            .as_slice()
            .try_into()
            .map_err(|_| BundleError::Malformed)?;
        let signed_prekey = decode(&self.signed_prekey)?;
        let shown =
            decode_identity(profile, &self.identity_key).map_err(|_| BundleError::Malformed)?;
        let identity = IdentityKey::checked(shown.key).ok_or(BundleError::NotAuthentic)?;
        // X3DH 3.3: the key exchange ends here if the signature does not hold
        let signed = encode_key(profile, &signed_prekey);
        let is_signed = match profile.identity {
            IdentityForm::Montgomery => xeddsa::verify(&shown.key, &signed, signature),
            IdentityForm::Edwards => {
                xeddsa::verify_edwards(&shown.key, shown.is_negative, &signed, signature)
            }
        };
        if signed_prekey.is_weak() || !is_signed {
            return Err(BundleError::NotAuthentic);
        }
        Ok((identity, shown.is_negative, signed_prekey))
    }

    /// Picks a usable prekey at random, so that two who start at once seldom pick the same.
    fn pick(&self, rng: &mut impl CryptoRng) -> Option<(u32, PublicKey)> {
        let profile = self.namespace.profile();
        let mut left: Vec<_> = self.prekeys.iter().collect();
        while !left.is_empty() {
            let place = usize::try_from(rng.next_u64() % left.len() as u64).ok()?;
            let (id, bytes) = left.swap_remove(place);
            if let Ok(key) = decode_key(profile, bytes)
                && !key.is_weak()
            {
                return Some((*id, key));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
