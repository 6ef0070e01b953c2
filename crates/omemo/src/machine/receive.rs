//! Opening an envelope: which key element, which session, which body.
//!
//! It changes nothing: what is to be saved is in the [`Changes`] that come with the message.

use zeroize::Zeroizing;

use super::{Places, first_seen, places, put_first};
use crate::{
    Address, Changes, Envelope, HeaderKey, IdentityKey, KnownDevice, Namespace, OwnDevice,
    ReceiveError, Session, SessionId, Store, Trust,
    key::WeakKey,
    payload::{self, PayloadError},
    ratchet::DecryptError,
    session::Named,
    wire::{self, Exchange, Message, Parsed},
};

/// How many key elements for our device number are tried: in the legacy namespace one may be
/// meant for another account's device of the same number.
const MAX_KEYS_TRIED: usize = 4;

/// A message that was opened. Not `Debug`: it carries what somebody wrote.
#[non_exhaustive]
pub struct Opened {
    /// The device that sent it.
    pub from: Address,
    /// The namespace it came in.
    pub namespace: Namespace,
    /// The identity key that authenticated it.
    pub identity: IdentityKey,
    /// What the store says about the device; `Undecided` for one not seen before.
    pub trust: Trust,
    /// Whether the device was seen for the first time.
    pub is_new_device: bool,
    /// Whether the message was part of a key exchange.
    pub key_exchange: bool,
    /// Whether the sender should see a new ratchet key of ours: it is to be sent an empty message,
    /// unless something else is sent to it anyway.
    pub heartbeat_due: bool,
    /// The content; `None` in a key transport or empty message.
    ///
    /// In the legacy namespace every device that the sender encrypted for knows the content's key
    /// and can forge another body under it: a body alone must never authorise what can't be undone.
    /// In `urn:xmpp:omemo:2` it is the envelope of XEP-0420, which did not pass any server: bound its
    /// depth before it is parsed.
    pub body: Option<Zeroizing<Vec<u8>>>,
    /// What identifies the message among all of the sending device.
    pub id: MessageId,
}

/// The place of a message in its session: no two messages share it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MessageId {
    /// The sender's ratchet key.
    pub ratchet_key: [u8; 32],
    /// The message's number under that key.
    pub counter: u32,
}

/// Opens an envelope from the bare address `sender`, as seen at `now` (seconds since 1970).
///
/// # Errors
/// [`ReceiveError`]; the store is as before, so that an altered copy does no harm to the real one.
pub fn receive<S: Store>(
    store: &S,
    sender: &str,
    envelope: &Envelope,
    now: u64,
) -> Result<(Opened, Changes), ReceiveError<S::Error>> {
    let own = store
        .own_device()
        .map_err(ReceiveError::Store)?
        .ok_or(ReceiveError::NotEnrolled)?;
    let from = Address::new(sender, envelope.sender);
    let receiver = Receiver {
        store,
        own: &own,
        namespace: envelope.namespace,
        known: store.known_device(&from).map_err(ReceiveError::Store)?,
        from,
        now,
    };
    let mut refused = ReceiveError::NotForUs;
    let ours = envelope
        .keys
        .iter()
        .filter(|it| it.device == own.device)
        .take(MAX_KEYS_TRIED);
    for (place, key) in ours.enumerate() {
        match receiver.open(envelope, key) {
            Ok(opened) => return Ok(opened),
            Err(why) if place == 0 => refused = why,
            Err(_) => {}
        }
    }
    Err(refused)
}

struct Receiver<'a, S> {
    store: &'a S,
    own: &'a OwnDevice,
    namespace: Namespace,
    from: Address,
    known: Option<KnownDevice>,
    now: u64,
}

/// What one key element came to.
struct Decrypted {
    session: Session,
    others: Places,
    used_prekey: Option<u32>,
    heartbeat_due: bool,
    material: Zeroizing<Vec<u8>>,
}

impl<S: Store> Receiver<'_, S> {
    fn open(
        &self,
        envelope: &Envelope,
        key: &HeaderKey,
    ) -> Result<(Opened, Changes), ReceiveError<S::Error>> {
        let parsed = wire::parse(self.namespace.profile(), &key.data, key.key_exchange)
            .map_err(|wire::Malformed| ReceiveError::Malformed)?;
        let (message, key_exchange, decrypted) = match &parsed {
            Parsed::Message(message) => (message, false, self.try_sessions(message)?),
            Parsed::Exchange(exchange) => (&exchange.message, true, self.answer(exchange)?),
        };
        let Decrypted {
            session,
            others,
            used_prekey,
            heartbeat_due,
            material,
        } = decrypted;
        let identity = session.peer();
        if self
            .known
            .as_ref()
            .is_some_and(|it| it.identity != identity)
        {
            return Err(ReceiveError::IdentityChanged);
        }
        let body = match &envelope.payload {
            Some(payload) => Some(payload::decrypt(
                self.namespace.profile(),
                &material,
                &envelope.iv,
                payload,
            )?),
            None => None,
        };
        let mut changes = Changes::default();
        let wrote_in = Some(self.namespace);
        let known = match &self.known {
            Some(known) => known.clone(),
            None => first_seen(&self.from, identity, self.namespace, self.now),
        };
        if known.wrote_in != wrote_in {
            changes.devices.push(KnownDevice { wrote_in, ..known });
        }
        changes.removed_prekeys.extend(used_prekey);
        put_first(&mut changes, &self.from, session, &others);
        let opened = Opened {
            from: self.from.clone(),
            namespace: self.namespace,
            identity,
            trust: self.known.as_ref().map_or(Trust::Undecided, |it| it.trust),
            is_new_device: self.known.is_none(),
            key_exchange,
            heartbeat_due,
            body,
            id: MessageId {
                ratchet_key: message.ratchet_key.0,
                counter: message.counter,
            },
        };
        Ok((opened, changes))
    }

    /// Tries the sessions with the device in order, since after a simultaneous start the two
    /// sides may send in different ones.
    fn try_sessions(&self, message: &Message<'_>) -> Result<Decrypted, ReceiveError<S::Error>> {
        let sessions = self.sessions()?;
        let mut others = places(&sessions);
        // What comes in an older one may have been on its way when we began anew. A peer that keeps
        // one session has left that one; every message of ours in the new one can be read by all.
        let is_begun_anew = sessions
            .first()
            .is_some_and(|first| first.is_new_and_unanswered(self.now));
        let mut refused = ReceiveError::NoSession;
        for session in sessions {
            let heartbeat_due = session.is_heartbeat_due_after(message);
            match session.decrypt(self.own, message, self.now) {
                Ok((session, material)) => {
                    if is_begun_anew {
                        others.retain(|(_, rank)| *rank < session.rank());
                    }
                    return Ok(Decrypted {
                        session,
                        others,
                        used_prekey: None,
                        heartbeat_due,
                        material,
                    });
                }
                // only the session that knows the ratchet key can say so
                Err(DecryptError::AlreadyReceived) => return Err(ReceiveError::AlreadyReceived),
                Err(why) => refused = why.into(),
            }
        }
        Err(refused)
    }

    /// Decrypts the message in a key exchange: in the session that the exchange started before, or
    /// in a new one.
    fn answer(&self, exchange: &Exchange<'_>) -> Result<Decrypted, ReceiveError<S::Error>> {
        let peer = IdentityKey::checked(exchange.identity.key).ok_or(ReceiveError::NotAuthentic)?;
        if self.known.as_ref().is_some_and(|it| it.identity != peer) {
            return Err(ReceiveError::IdentityChanged);
        }
        let sessions = self.sessions()?;
        let others = places(&sessions);
        let is_same = |it: &Session| it.id() == SessionId(exchange.base_key.0);
        let (session, used_prekey) = match sessions.into_iter().find(is_same) {
            Some(session) => (session, None),
            None => {
                let (session, prekey_id) = self.accept(peer, exchange)?;
                (session, Some(prekey_id))
            }
        };
        let heartbeat_due = session.is_heartbeat_due_after(&exchange.message);
        let (session, material) = session.decrypt(self.own, &exchange.message, self.now)?;
        Ok(Decrypted {
            session,
            others,
            used_prekey,
            heartbeat_due,
            material,
        })
    }

    fn accept(
        &self,
        peer: IdentityKey,
        exchange: &Exchange<'_>,
    ) -> Result<(Session, u32), ReceiveError<S::Error>> {
        let prekey_id = exchange.prekey_id.ok_or(ReceiveError::UnknownPrekey)?;
        let prekey = self
            .store
            .prekey(prekey_id)
            .map_err(ReceiveError::Store)?
            .ok_or(ReceiveError::UnknownPrekey)?;
        let signed_prekeys = self.store.signed_prekeys().map_err(ReceiveError::Store)?;
        let signed_prekey = signed_prekeys
            .iter()
            .find(|it| it.id == exchange.signed_prekey_id)
            .ok_or(ReceiveError::UnknownPrekey)?;
        let named = Named {
            signed_prekey: &signed_prekey.secret,
            prekey: &prekey.secret,
        };
        let session = Session::accept(self.namespace, self.own, peer, &named, exchange, self.now)
            .map_err(|WeakKey| ReceiveError::NotAuthentic)?;
        Ok((session, prekey_id))
    }

    fn sessions(&self) -> Result<Vec<Session>, ReceiveError<S::Error>> {
        self.store
            .sessions(self.namespace, &self.from)
            .map_err(ReceiveError::Store)
    }
}

impl<E> From<DecryptError> for ReceiveError<E> {
    fn from(why: DecryptError) -> Self {
        match why {
            DecryptError::NotAuthentic => Self::NotAuthentic,
            DecryptError::AlreadyReceived => Self::AlreadyReceived,
            DecryptError::TooFarAhead => Self::TooFarAhead,
        }
    }
}

impl<E> From<PayloadError> for ReceiveError<E> {
    fn from(why: PayloadError) -> Self {
        match why {
            PayloadError::NotAuthentic => Self::NotAuthentic,
            PayloadError::Malformed => Self::Malformed,
        }
    }
}
