//! One session with one device: the ratchet, whose it is, and whether its key exchange is still
//! to be repeated.
//!
//! It does not know the store; [`crate::machine`] loads sessions, tries them and saves them.

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::{
    Damaged, IdentityKey, Namespace, OwnDevice,
    bundle::Checked,
    encoding::{Reader, Writer},
    key::{BaseSecret, PrekeySecret, PublicKey, RatchetSecret, WeakKey},
    profile::{First, IdentityForm},
    ratchet::{DecryptError, Exhausted, Ratchet},
    wire::{Exchange, ExchangeHead, Message, Shown, encode_identity, write_exchange},
    x3dh::{Initiator, Responder},
};

const VERSION: u8 = 1;
/// The first counter of a ratchet key that makes a heartbeat due. // XEP-0384 v0.9.1 6
const HEARTBEAT_FROM: u32 = 53;

/// Tells the sessions with one device apart: the public base key of the exchange that started it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub [u8; 32]);

/// How long a session that we began keeps its place before older ones that the peer still uses.
const ANSWER_SECONDS: u64 = 60;

/// A Double Ratchet session with one device in one namespace.
#[derive(Debug)]
pub struct Session {
    id: SessionId,
    namespace: Namespace,
    rank: u64,
    peer: IdentityKey,
    /// Which of the two points on Ed25519 the peer shows its identity key as.
    peer_is_negative: bool,
    started_by_us: bool,
    created_at: u64,
    used_at: u64,
    /// The exchange that goes with every message until the peer has answered.
    pending: Option<Pending>,
    ratchet: Ratchet,
}

#[derive(Debug)]
struct Pending {
    prekey_id: u32,
    signed_prekey_id: u32,
}

/// The keys of ours that a received exchange names.
pub(crate) struct Named<'a> {
    pub(crate) signed_prekey: &'a PrekeySecret,
    pub(crate) prekey: &'a PrekeySecret,
}

impl Session {
    /// Starts a session from a checked bundle.
    pub(crate) fn start(
        namespace: Namespace,
        own: &OwnDevice,
        bundle: &Checked,
        rng: &mut impl CryptoRng,
        now: u64,
    ) -> Result<Self, WeakKey> {
        let profile = namespace.profile();
        let base = BaseSecret::random(rng);
        let root = Initiator {
            identity: &own.secret,
            base: &base,
            their_identity: &bundle.identity.public(),
            their_signed_prekey: &bundle.signed_prekey,
            their_prekey: &bundle.prekey,
        }
        .agree(profile)?;
        Ok(Self {
            id: SessionId(base.public().0),
            namespace,
            rank: 0,
            peer: bundle.identity,
            peer_is_negative: bundle.is_negative,
            started_by_us: true,
            created_at: now,
            used_at: now,
            pending: Some(Pending {
                prekey_id: bundle.prekey_id,
                signed_prekey_id: bundle.signed_prekey_id,
            }),
            ratchet: Ratchet::start(profile, &root, &bundle.signed_prekey, rng)?,
        })
    }

    /// Takes part in a session that `peer` started; the message in the exchange proves it.
    pub(crate) fn accept(
        namespace: Namespace,
        own: &OwnDevice,
        peer: IdentityKey,
        named: &Named<'_>,
        exchange: &Exchange<'_>,
        now: u64,
    ) -> Result<Self, WeakKey> {
        let root = Responder {
            identity: &own.secret,
            signed_prekey: named.signed_prekey,
            prekey: named.prekey,
            their_identity: &peer.public(),
            their_base: &exchange.base_key,
        }
        .agree(namespace.profile())?;
        let ratchet_key = RatchetSecret::copy_from(named.signed_prekey.expose_to_cipher());
        Ok(Self {
            id: SessionId(exchange.base_key.0),
            namespace,
            rank: 0,
            peer,
            peer_is_negative: exchange.identity.is_negative,
            started_by_us: false,
            created_at: now,
            used_at: now,
            pending: None,
            ratchet: Ratchet::accept(root, ratchet_key),
        })
    }

    /// Encrypts `plaintext`; returns the session after it, the key element, and whether that is a
    /// key exchange.
    pub(crate) fn encrypt(
        self,
        own: &OwnDevice,
        plaintext: &[u8],
        rng: &mut impl CryptoRng,
        now: u64,
    ) -> Result<(Self, Vec<u8>, bool), Exhausted> {
        let profile = self.namespace.profile();
        let associated = self.associated(own, true);
        let (ratchet, message) = self.ratchet.encrypt(profile, &associated, plaintext, rng)?;
        let session = Self {
            ratchet,
            used_at: now,
            ..self
        };
        let Some(Pending {
            prekey_id,
            signed_prekey_id,
        }) = &session.pending
        else {
            return Ok((session, message, false));
        };
        let head = ExchangeHead {
            prekey_id: *prekey_id,
            signed_prekey_id: *signed_prekey_id,
            base_key: &PublicKey(session.id.0),
            identity: own.shown(),
            registration_id: own.device.0,
        };
        let exchange = write_exchange(profile, &head, &message);
        Ok((session, exchange, true))
    }

    /// Decrypts `message`; returns the session after it and the plaintext. On an error the stored
    /// session is as it was: this one was a copy.
    pub(crate) fn decrypt(
        self,
        own: &OwnDevice,
        message: &Message<'_>,
        now: u64,
    ) -> Result<(Self, Zeroizing<Vec<u8>>), DecryptError> {
        let associated = self.associated(own, false);
        let (ratchet, plaintext) =
            self.ratchet
                .decrypt(self.namespace.profile(), &associated, message)?;
        // the peer has the session, so the exchange needs no repeating
        let session = Self {
            ratchet,
            used_at: now,
            pending: None,
            ..self
        };
        Ok((session, plaintext))
    }

    /// Tells whether `message`, if it opens, is the first that makes a heartbeat due: the peer has
    /// sent so much under one ratchet key that it should see one of ours.
    pub(crate) fn is_heartbeat_due_after(&self, message: &Message<'_>) -> bool {
        message.counter >= HEARTBEAT_FROM
            && self.ratchet.expected(&message.ratchet_key) <= HEARTBEAT_FROM
    }

    /// What the MAC binds besides the message. // X3DH 3.3; XEP-0384 v0.3.0, v0.9.1 4.2
    fn associated(&self, own: &OwnDevice, is_sending: bool) -> Vec<u8> {
        let profile = self.namespace.profile();
        let ours = encode_identity(profile, own.shown());
        let their = Shown {
            key: self.peer.public(),
            is_negative: self.peer_is_negative,
        };
        let theirs = encode_identity(profile, their);
        let ours_first = match profile.first {
            First::Sender => is_sending,
            First::Starter => self.started_by_us,
        };
        if ours_first {
            [ours, theirs].concat()
        } else {
            [theirs, ours].concat()
        }
    }

    /// Tells whether we began it within the last minute and the peer has not used it.
    pub(crate) fn is_new_and_unanswered(&self, now: u64) -> bool {
        self.pending.is_some() && now.abs_diff(self.created_at) < ANSWER_SECONDS
    }

    /// Puts the session before one of rank `highest`.
    pub(crate) fn promote_above(&mut self, highest: u64) {
        self.rank = highest.saturating_add(1);
    }

    /// Returns what tells it from the other sessions with the same device.
    #[must_use]
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// Returns the namespace it belongs to.
    #[must_use]
    pub fn namespace(&self) -> Namespace {
        self.namespace
    }

    /// Returns its rank among the sessions with the same device: the highest is used first.
    #[must_use]
    pub fn rank(&self) -> u64 {
        self.rank
    }

    /// Returns the identity key of the device at the other end.
    #[must_use]
    pub fn peer(&self) -> IdentityKey {
        self.peer
    }

    /// Returns when it was last used, in seconds since 1970.
    #[must_use]
    pub fn used_at(&self) -> u64 {
        self.used_at
    }

    /// Writes the session for the store. The bytes are secret.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let Self {
            id,
            namespace,
            rank,
            peer,
            peer_is_negative,
            started_by_us,
            created_at,
            used_at,
            pending,
            ratchet,
        } = self;
        let mut out = Writer::new(101 + ratchet.record_bytes());
        out.u8(VERSION);
        out.u8(namespace.code());
        out.bytes(&id.0);
        out.u64(*rank);
        out.bytes(peer.as_bytes());
        if shows_a_sign(*namespace) {
            out.bool(*peer_is_negative);
        }
        out.bool(*started_by_us);
        out.u64(*created_at);
        out.u64(*used_at);
        out.bool(pending.is_some());
        if let Some(Pending {
            prekey_id,
            signed_prekey_id,
        }) = pending
        {
            out.u32(*prekey_id);
            out.u32(*signed_prekey_id);
        }
        ratchet.write(&mut out);
        out.finish()
    }

    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`Damaged`] if the bytes are anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Damaged> {
        let mut from = Reader::new(bytes, VERSION)?;
        let namespace = Namespace::from_code(from.u8()?).ok_or(Damaged)?;
        let id = SessionId(*from.array()?);
        let rank = from.u64()?;
        let peer = IdentityKey(*from.array()?);
        let peer_is_negative = shows_a_sign(namespace) && from.bool()?;
        let started_by_us = from.bool()?;
        let created_at = from.u64()?;
        let used_at = from.u64()?;
        let pending = if from.bool()? {
            Some(Pending {
                prekey_id: from.u32()?,
                signed_prekey_id: from.u32()?,
            })
        } else {
            None
        };
        let ratchet = Ratchet::read(&mut from)?;
        from.finish()?;
        Ok(Self {
            id,
            namespace,
            rank,
            peer,
            peer_is_negative,
            started_by_us,
            created_at,
            used_at,
            pending,
            ratchet,
        })
    }
}

/// Tells whether identity keys are shown with a sign, which is then part of the record.
fn shows_a_sign(namespace: Namespace) -> bool {
    namespace.profile().identity == IdentityForm::Edwards
}

#[cfg(test)]
mod tests;
