//! The front door: enrol, receive an envelope, encrypt for devices, start sessions.
//!
//! It knows no network and keeps nothing: every function reads a [`Store`] and returns the
//! [`Changes`] to be saved.

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::{
    Address, Bundle, Changes, DeviceId, DeviceList, EncryptError, Envelope, IdentityKey, Namespace,
    OwnDevice, ReceiveError, StartError, Store, Trust, TrustError,
};

/// A message that was opened. Not `Debug`: it carries what somebody wrote.
#[non_exhaustive]
pub struct Opened {
    /// The device that sent it.
    pub from: Address,
    /// The identity key that authenticated it.
    pub identity: IdentityKey,
    /// What the store says about the device; `Undecided` for one not seen before.
    pub trust: Trust,
    /// Whether the device was seen for the first time.
    pub is_new_device: bool,
    /// Whether the message was part of a key exchange.
    pub key_exchange: bool,
    /// The content; `None` in a key transport or empty message.
    ///
    /// In the legacy namespace every device that the sender encrypted for knows the content's key
    /// and can forge another body under it: a body alone must never authorise what can't be undone.
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

/// Makes a new device: random id, identity key, signed prekey and 100 prekeys.
pub fn enrol(rng: &mut impl CryptoRng, now: u64) -> (OwnDevice, Changes) {
    let _ = (rng, now);
    todo!()
}

/// Returns the bundle to publish; `None` before enrolment.
///
/// # Errors
/// The store's.
pub fn own_bundle<S: Store>(store: &S, namespace: Namespace) -> Result<Option<Bundle>, S::Error> {
    let _ = (store, namespace);
    todo!()
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
    let _ = (store, sender, envelope, now);
    todo!()
}

/// Encrypts `body` (`None`: an empty message) for all of `recipients`, which must have sessions.
///
/// Save the changes before the envelope leaves the process.
///
/// # Errors
/// [`EncryptError`]; nothing is encrypted for some if it can't be for all.
pub fn encrypt<S: Store>(
    store: &S,
    namespace: Namespace,
    recipients: &[Address],
    body: Option<&[u8]>,
    rng: &mut impl CryptoRng,
    now: u64,
) -> Result<(Envelope, Changes), EncryptError<S::Error>> {
    let _ = (store, namespace, recipients, body, rng, now);
    todo!()
}

/// Starts a session with `device` from its `bundle`; the next message to it carries the exchange.
///
/// # Errors
/// [`StartError`].
pub fn start_session<S: Store>(
    store: &S,
    device: &Address,
    bundle: &Bundle,
    rng: &mut impl CryptoRng,
    now: u64,
) -> Result<Changes, StartError<S::Error>> {
    let _ = (store, device, bundle, rng, now);
    todo!()
}

/// Records a trust decision about `device`, made on the sight of `identity`.
///
/// # Errors
/// [`TrustError`].
pub fn set_trust<S: Store>(
    store: &S,
    device: &Address,
    identity: &IdentityKey,
    trust: Trust,
) -> Result<Changes, TrustError<S::Error>> {
    let _ = (store, device, identity, trust);
    todo!()
}

/// Takes in a device list of `jid`: marks known devices active or not, and returns the ids on the
/// list that are not known yet.
///
/// # Errors
/// The store's.
pub fn update_device_list<S: Store>(
    store: &S,
    jid: &str,
    list: &DeviceList,
) -> Result<(Vec<DeviceId>, Changes), S::Error> {
    let _ = (store, jid, list);
    todo!()
}

/// Counts how many prekeys are missing from the full stock of 100.
///
/// # Errors
/// The store's.
pub fn prekeys_missing<S: Store>(store: &S) -> Result<usize, S::Error> {
    let _ = store;
    todo!()
}

/// Fills the stock of prekeys up when it is below 80; the bundle is then to be published again.
///
/// # Errors
/// The store's.
pub fn refill<S: Store>(
    store: &S,
    rng: &mut impl CryptoRng,
    now: u64,
) -> Result<Option<Changes>, S::Error> {
    let _ = (store, rng, now);
    todo!()
}

/// Reads a body as text.
///
/// # Errors
/// [`NotText`] if it is no UTF-8 or has control characters other than newline and tab.
pub fn text(body: &[u8]) -> Result<&str, NotText> {
    let text = std::str::from_utf8(body).map_err(|_| NotText)?;
    if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
        return Err(NotText);
    }
    Ok(text)
}

/// A body that is not clean text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body is not clean text")]
pub struct NotText;
