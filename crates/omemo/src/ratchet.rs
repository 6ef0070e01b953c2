//! The Double Ratchet on owned state; no store, no namespace names.
//!
//! Both steps take the ratchet and give the next one back with their result: whoever decrypts a
//! message that turns out forged has used up a copy, and the stored ratchet is as before.
//!
//! Our side of a turn is made when we next send, so that receiving needs no randomness.

use std::collections::VecDeque;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::{
    cbc_hmac::{self, CbcHmac},
    kdf::{hkdf, hmac},
    key::{Agreement, ChainKey, MessageKey, PublicKey, RatchetSecret, RootKey, WeakKey},
    profile::Profile,
    wire::{Message, write_authenticated, write_message},
};

mod record;

/// How many messages one message may skip, and how many skipped keys a session keeps.
pub(crate) const MAX_SKIP: u32 = 1000;
/// How many receiving chains stay open behind the newest.
const MAX_OLD_CHAINS: usize = 5;
/// How many receiving chains behind those are remembered, to tell a repetition from a forgery.
const MAX_CLOSED_CHAINS: usize = 64;
/// How many keys just past the announced end of a chain are kept.
const MAX_PAST_END: usize = 32;

/// One side of a Double Ratchet session.
#[derive(Debug)]
pub(crate) struct Ratchet {
    root: RootKey,
    own: RatchetSecret,
    own_public: PublicKey,
    /// `None` from their turn until we send.
    sending: Option<SendingChain>,
    /// The true length of our sending chain before this one.
    previous: u32,
    /// Newest first.
    receiving: VecDeque<ReceivingChain>,
    /// Newest first.
    closed: VecDeque<ClosedChain>,
    /// Oldest first.
    skipped: VecDeque<SkippedKey>,
}

#[derive(Debug)]
struct SendingChain {
    key: ChainKey,
    next: u32,
}

#[derive(Debug)]
struct ReceivingChain {
    their: PublicKey,
    key: ChainKey,
    next: u32,
}

#[derive(Debug)]
struct ClosedChain {
    their: PublicKey,
    next: u32,
}

#[derive(Debug)]
struct SkippedKey {
    their: PublicKey,
    counter: u32,
    key: MessageKey,
    /// Whether the sender's announced length says that this message does not exist.
    past_end: bool,
}

/// Why a message was not decrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DecryptError {
    NotAuthentic,
    AlreadyReceived,
    TooFarAhead,
}

/// Why nothing more can be encrypted in this session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exhausted;

impl From<WeakKey> for DecryptError {
    fn from(_: WeakKey) -> Self {
        Self::NotAuthentic
    }
}

impl From<cbc_hmac::NotAuthentic> for DecryptError {
    fn from(_: cbc_hmac::NotAuthentic) -> Self {
        Self::NotAuthentic
    }
}

impl Ratchet {
    /// Starts as the one who sends first, towards the signed prekey of the other.
    pub(crate) fn start(
        profile: &Profile,
        root: &RootKey,
        their: &PublicKey,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, WeakKey> {
        let own = RatchetSecret::random(rng);
        let (root, key) = turn(profile, root, &own.agree(their)?);
        Ok(Self {
            root,
            own_public: own.public(),
            own,
            sending: Some(SendingChain { key, next: 0 }),
            previous: 0,
            receiving: VecDeque::new(),
            closed: VecDeque::new(),
            skipped: VecDeque::new(),
        })
    }

    /// Starts as the one who receives first; `own` is the signed prekey that was used.
    pub(crate) fn accept(root: RootKey, own: RatchetSecret) -> Self {
        Self {
            root,
            own_public: own.public(),
            own,
            sending: None,
            previous: 0,
            receiving: VecDeque::new(),
            closed: VecDeque::new(),
            skipped: VecDeque::new(),
        }
    }

    /// Encrypts `plaintext`; returns the ratchet after it and the finished message.
    pub(crate) fn encrypt(
        mut self,
        profile: &Profile,
        associated: &[u8],
        plaintext: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Result<(Self, Vec<u8>), Exhausted> {
        let SendingChain { key, next } = match self.sending.take() {
            Some(chain) => chain,
            None => self.turn_to_send(profile, rng)?,
        };
        let after = next.checked_add(1).ok_or(Exhausted)?;
        let (message_key, key) = step(&key);
        let keys = CbcHmac::expand(message_key.expose_to_cipher(), profile.message_info);
        let message = write_message(
            profile,
            &self.own_public,
            next,
            self.previous,
            &keys.encrypt(plaintext),
        );
        let mac = keys.tag(&[associated, &message]);
        let mac = mac.get(..profile.mac_bytes).unwrap_or(&mac);
        let message = write_authenticated(profile, message, mac);
        self.sending = Some(SendingChain { key, next: after });
        Ok((self, message))
    }

    fn turn_to_send(
        &mut self,
        profile: &Profile,
        rng: &mut impl CryptoRng,
    ) -> Result<SendingChain, Exhausted> {
        let their = self.receiving.front().ok_or(Exhausted)?.their;
        let own = RatchetSecret::random(rng);
        let agreement = own.agree(&their).map_err(|WeakKey| Exhausted)?;
        let (root, key) = turn(profile, &self.root, &agreement);
        self.root = root;
        self.own_public = own.public();
        self.own = own;
        Ok(SendingChain { key, next: 0 })
    }

    /// Decrypts `message`; returns the ratchet after it and the plaintext.
    pub(crate) fn decrypt(
        mut self,
        profile: &Profile,
        associated: &[u8],
        message: &Message<'_>,
    ) -> Result<(Self, Zeroizing<Vec<u8>>), DecryptError> {
        let open = |key: &MessageKey| {
            let covered = [associated, message.authenticated];
            CbcHmac::expand(key.expose_to_cipher(), profile.message_info).open(
                &covered,
                message.mac,
                profile.mac_bytes,
                message.ciphertext,
            )
        };
        let is_chain = |chain: &ReceivingChain| chain.their == message.ratchet_key;
        if let Some(place) = self.find_skipped(message) {
            let skipped = self
                .skipped
                .remove(place)
                .ok_or(DecryptError::NotAuthentic)?;
            let plaintext = open(&skipped.key)?;
            return Ok((self, plaintext));
        }
        if let Some(place) = self.receiving.iter().position(is_chain) {
            let chain = self
                .receiving
                .get_mut(place)
                .ok_or(DecryptError::NotAuthentic)?;
            let (skipped, key) = chain.advance(message.counter)?;
            let plaintext = open(&key)?;
            self.keep(skipped);
            return Ok((self, plaintext));
        }
        if self.was_closed(message) {
            return Err(DecryptError::AlreadyReceived);
        }
        let (root, key) = turn(profile, &self.root, &self.own.agree(&message.ratchet_key)?);
        let mut chain = ReceivingChain {
            their: message.ratchet_key,
            key,
            next: 0,
        };
        let (skipped, key) = chain.advance(message.counter)?;
        let plaintext = open(&key)?;
        self.root = root;
        self.end_newest_chain(message.previous);
        self.keep(skipped);
        self.begin_chain(chain);
        Ok((self, plaintext))
    }

    /// Returns the number that the next new message under a ratchet key of the peer has.
    pub(crate) fn expected(&self, their: &PublicKey) -> u32 {
        let chain = self.receiving.iter().find(|it| it.their == *their);
        chain.map_or(0, |it| it.next)
    }

    fn find_skipped(&self, message: &Message<'_>) -> Option<usize> {
        self.skipped
            .iter()
            .position(|it| it.counter == message.counter && it.their == message.ratchet_key)
    }

    fn was_closed(&self, message: &Message<'_>) -> bool {
        self.closed
            .iter()
            .any(|it| it.their == message.ratchet_key && message.counter < it.next)
    }

    /// Keeps what is missing of the newest receiving chain, which the sender says had `length`
    /// messages.
    fn end_newest_chain(&mut self, length: u32) {
        let Some(chain) = self.receiving.front_mut() else {
            return;
        };
        let mut keys = Vec::new();
        // A length out of bounds leaves the chain open where it is: nothing is derived, and what
        // comes late still opens as long as the chain is kept.
        if length > chain.next && length - chain.next <= MAX_SKIP {
            chain.skip_to(length, &mut keys);
        }
        // The libsignal family announces one less than the true length, so the last message of
        // the chain may lie one past its announced end.
        if length == chain.next && length < u32::MAX {
            chain.skip_to(length + 1, &mut keys);
            if let Some(last) = keys.last_mut() {
                last.past_end = true;
            }
        }
        self.keep(keys);
    }

    fn begin_chain(&mut self, chain: ReceivingChain) {
        if let Some(sending) = self.sending.take() {
            self.previous = sending.next;
        }
        self.receiving.push_front(chain);
        while self.receiving.len() > 1 + MAX_OLD_CHAINS {
            if let Some(ReceivingChain { their, next, .. }) = self.receiving.pop_back() {
                self.closed.push_front(ClosedChain { their, next });
            }
        }
        self.closed.truncate(MAX_CLOSED_CHAINS);
    }

    /// Adds skipped keys; the oldest go when there are too many.
    fn keep(&mut self, keys: Vec<SkippedKey>) {
        self.skipped.extend(keys);
        let mut past_end = self.skipped.iter().filter(|it| it.past_end).count();
        while past_end > MAX_PAST_END
            && let Some(oldest) = self.skipped.iter().position(|it| it.past_end)
        {
            self.skipped.remove(oldest);
            past_end -= 1;
        }
        let excess = self.skipped.len().saturating_sub(MAX_SKIP as usize);
        self.skipped.drain(..excess);
    }
}

impl ReceivingChain {
    /// Moves past the message `counter`; returns the keys skipped on the way and the message's own.
    fn advance(&mut self, counter: u32) -> Result<(Vec<SkippedKey>, MessageKey), DecryptError> {
        let ahead = counter
            .checked_sub(self.next)
            .ok_or(DecryptError::AlreadyReceived)?;
        // bounded before anything is derived: the counter is not authenticated yet
        let after = counter.checked_add(1).ok_or(DecryptError::TooFarAhead)?;
        if ahead > MAX_SKIP {
            return Err(DecryptError::TooFarAhead);
        }
        let mut skipped = Vec::new();
        self.skip_to(counter, &mut skipped);
        let (message_key, key) = step(&self.key);
        self.key = key;
        self.next = after;
        Ok((skipped, message_key))
    }

    fn skip_to(&mut self, counter: u32, skipped: &mut Vec<SkippedKey>) {
        while self.next < counter {
            let (message_key, key) = step(&self.key);
            skipped.push(SkippedKey {
                their: self.their,
                counter: self.next,
                key: message_key,
                past_end: false,
            });
            self.key = key;
            self.next += 1;
        }
    }
}

/// Turns the root by a new agreement. // Double Ratchet 2.3, 5.2
fn turn(profile: &Profile, root: &RootKey, agreement: &Agreement) -> (RootKey, ChainKey) {
    let mut out = Zeroizing::new([0; 64]);
    hkdf(
        root.expose_to_cipher(),
        agreement.expose_to_cipher(),
        profile.root_info,
        out.as_mut(),
    );
    let (root, chain) = out.split_at(32);
    (
        RootKey::init_with(|key| key.copy_from_slice(root)),
        ChainKey::init_with(|key| key.copy_from_slice(chain)),
    )
}

/// Takes the next message key from a chain. // Double Ratchet 2.2, 5.2
fn step(chain: &ChainKey) -> (MessageKey, ChainKey) {
    let chain = chain.expose_to_cipher();
    (
        MessageKey::init_with(|key| hmac(chain, &[&[0x01]], key)),
        ChainKey::init_with(|key| hmac(chain, &[&[0x02]], key)),
    )
}

#[cfg(test)]
mod tests;
