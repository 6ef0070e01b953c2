//! The key agreement; formula and letters of the X3DH specification.
//!
//! It knows no bundles and no store: the caller has checked signatures and found the prekeys.

use zeroize::Zeroizing;

use crate::{
    kdf::hkdf,
    key::{
        Agreement, BaseSecret, IdentitySecret, KEY_BYTES, PrekeySecret, PublicKey, RootKey, WeakKey,
    },
    profile::Profile,
};

/// The keys of the one who starts: IK_A and EK_A, against IK_B, SPK_B and OPK_B.
pub(crate) struct Initiator<'a> {
    pub(crate) identity: &'a IdentitySecret,
    pub(crate) base: &'a BaseSecret,
    pub(crate) their_identity: &'a PublicKey,
    pub(crate) their_signed_prekey: &'a PublicKey,
    pub(crate) their_prekey: &'a PublicKey,
}

impl Initiator<'_> {
    /// Computes the root key that both sides share.
    pub(crate) fn agree(&self, profile: &Profile) -> Result<RootKey, WeakKey> {
        // X3DH 3.3
        let dh1 = self.identity.agree(self.their_signed_prekey)?;
        let dh2 = self.base.agree(self.their_identity)?;
        let dh3 = self.base.agree(self.their_signed_prekey)?;
        let dh4 = self.base.agree(self.their_prekey)?;
        Ok(derive(profile, [&dh1, &dh2, &dh3, &dh4]))
    }
}

/// The keys of the one who answers: IK_B, SPK_B and OPK_B, against IK_A and EK_A.
pub(crate) struct Responder<'a> {
    pub(crate) identity: &'a IdentitySecret,
    pub(crate) signed_prekey: &'a PrekeySecret,
    pub(crate) prekey: &'a PrekeySecret,
    pub(crate) their_identity: &'a PublicKey,
    pub(crate) their_base: &'a PublicKey,
}

impl Responder<'_> {
    /// Computes the root key that both sides share.
    pub(crate) fn agree(&self, profile: &Profile) -> Result<RootKey, WeakKey> {
        // X3DH 3.4
        let dh1 = self.signed_prekey.agree(self.their_identity)?;
        let dh2 = self.identity.agree(self.their_base)?;
        let dh3 = self.signed_prekey.agree(self.their_base)?;
        let dh4 = self.prekey.agree(self.their_base)?;
        Ok(derive(profile, [&dh1, &dh2, &dh3, &dh4]))
    }
}

// X3DH 2.2: F is 32 bytes 0xFF on this curve, the salt is zero
fn derive(profile: &Profile, dh: [&Agreement; 4]) -> RootKey {
    let mut input = Zeroizing::new([0xFF; 5 * KEY_BYTES]);
    for (place, dh) in input.chunks_exact_mut(KEY_BYTES).skip(1).zip(dh) {
        place.copy_from_slice(dh.expose_to_cipher());
    }
    RootKey::init_with(|root| hkdf(&[0; 32], input.as_ref(), profile.agreement_info, root))
}
