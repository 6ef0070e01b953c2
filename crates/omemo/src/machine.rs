//! The front door: enrol, receive an envelope, encrypt for devices, start sessions.
//!
//! It knows no network and keeps nothing: every function reads a [`Store`] and returns the
//! [`Changes`] to be saved.
//!
//! Two parties in `urn:xmpp:omemo:2`, where the body is an envelope of XEP-0420 that the caller
//! writes and reads:
//!
//! ```
//! use getrandom::{SysRng, rand_core::UnwrapErr};
//! use omemo::{Address, MemoryStore, Namespace, Store, machine};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (mut rng, now) = (UnwrapErr(SysRng), 1_800_000_000);
//! let (mut phone, mut vault) = (MemoryStore::new(), MemoryStore::new());
//! let (phone_device, changes) = machine::enrol(&mut rng, now);
//! phone.apply(changes)?;
//! let (vault_device, changes) = machine::enrol(&mut rng, now);
//! vault.apply(changes)?;
//! let phone_address = Address::new("phone@example.org", phone_device.device());
//! let vault_address = Address::new("vault@example.org", vault_device.device());
//!
//! let bundle = machine::own_bundle(&vault, Namespace::Omemo2)?.ok_or("not enrolled")?;
//! phone.apply(machine::start_session(&phone, &vault_address, &bundle, &mut rng, now)?)?;
//! let question = b"<envelope xmlns='urn:xmpp:sce:1'><content><body xmlns='jabber:client'>list\
//!     </body></content><rpad>x7Kq</rpad><from jid='phone@example.org'/></envelope>";
//! let to = [vault_address.clone()];
//! let (mut envelope, changes) =
//!     machine::encrypt(&phone, Namespace::Omemo2, &to, Some(question), &mut rng, now)?;
//! phone.apply(changes)?;
//!
//! envelope.keep_only_for("vault@example.org");
//! let (opened, changes) = machine::receive(&vault, "phone@example.org", &envelope, now)?;
//! vault.apply(changes)?;
//! assert_eq!(opened.body.as_deref().map(Vec::as_slice), Some(&question[..]));
//!
//! // The session works both ways: the answer needs no bundle, and ends the key exchange.
//! let to = [phone_address];
//! let (envelope, changes) =
//!     machine::encrypt(&vault, Namespace::Omemo2, &to, Some(b"<envelope/>"), &mut rng, now)?;
//! vault.apply(changes)?;
//! let (opened, changes) = machine::receive(&phone, "vault@example.org", &envelope, now)?;
//! phone.apply(changes)?;
//! assert!(!opened.key_exchange && opened.identity == vault_device.identity());
//! # Ok(())
//! # }
//! ```

use rand_core::CryptoRng;

use crate::{
    Address, Bundle, Changes, DeviceId, DeviceList, EncryptError, Envelope, HeaderKey, IdentityKey,
    KnownDevice, Namespace, OwnDevice, Session, SessionId, SignedPrekey, StartError, Store, Trust,
    TrustError,
    bundle::BundleError,
    key::WeakKey,
    payload::{self, Encrypted},
    prekey::{self, FULL_STOCK, REFILL_BELOW},
};

pub use receive::{MessageId, Opened, receive};
pub use upkeep::{enrol_anew, forget_used_prekeys, is_from_a_later_state, rotate};

mod receive;
mod upkeep;

/// How many sessions with one device are kept; each costs a try when a message does not open.
const MAX_SESSIONS: usize = 10;

/// Makes a new device: random id, identity key, signed prekey and 100 prekeys.
pub fn enrol(rng: &mut impl CryptoRng, now: u64) -> (OwnDevice, Changes) {
    let mut own = OwnDevice::random(rng, now);
    let signed_prekey = new_signed_prekey(&mut own, rng, now);
    let prekeys = prekey::make(&mut own, FULL_STOCK, rng, now);
    let changes = Changes {
        own_device: Some(own.duplicate()),
        signed_prekeys: vec![signed_prekey],
        prekeys,
        ..Changes::default()
    };
    (own, changes)
}

fn new_signed_prekey(own: &mut OwnDevice, rng: &mut impl CryptoRng, now: u64) -> SignedPrekey {
    let id = own.next_signed_prekey;
    own.next_signed_prekey = id.saturating_add(1);
    SignedPrekey::random(Namespace::Legacy.profile(), own, id, rng, now)
}

/// Returns the bundle to publish; `None` before enrolment.
///
/// # Errors
/// The store's.
pub fn own_bundle<S: Store>(store: &S, namespace: Namespace) -> Result<Option<Bundle>, S::Error> {
    let Some(own) = store.own_device()? else {
        return Ok(None);
    };
    let signed_prekeys = store.signed_prekeys()?;
    let Some(newest) = signed_prekeys.first() else {
        return Ok(None);
    };
    Ok(Some(Bundle::of(namespace, &own, newest, &store.prekeys()?)))
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
    let own = store
        .own_device()
        .map_err(EncryptError::Store)?
        .ok_or(EncryptError::NotEnrolled)?;
    let sessions = sessions_to_send(store, namespace, recipients)?;
    let Encrypted {
        material,
        iv,
        payload,
    } = payload::encrypt(namespace.profile(), body, rng)
        .map_err(|payload::TooLong| EncryptError::TooLong)?;
    let mut keys = Vec::with_capacity(sessions.len());
    let mut changes = Changes::default();
    for (address, session) in sessions {
        let Ok((session, data, key_exchange)) = session.encrypt(&own, &material, rng, now) else {
            return Err(EncryptError::NoSession {
                addresses: vec![address],
            });
        };
        // XEP-0384 v0.3.0 4.5: the header names devices only; v0.9.1 5.5.3: their accounts too
        let names_accounts = namespace.profile().names_accounts;
        keys.push(HeaderKey {
            jid: names_accounts.then(|| address.jid.clone()),
            device: address.device,
            key_exchange,
            data,
        });
        changes.sessions.push((address, session));
    }
    let envelope = Envelope {
        namespace,
        sender: own.device,
        keys,
        iv,
        payload,
    };
    Ok((envelope, changes))
}

fn sessions_to_send<S: Store>(
    store: &S,
    namespace: Namespace,
    recipients: &[Address],
) -> Result<Vec<(Address, Session)>, EncryptError<S::Error>> {
    let mut recipients = recipients.to_vec();
    // two keys for one device would both move the same session on
    recipients.sort();
    recipients.dedup();
    if recipients.is_empty() {
        return Err(EncryptError::NoRecipient);
    }
    let mut found = Vec::with_capacity(recipients.len());
    let mut missing = Vec::new();
    let mut revoked = Vec::new();
    for address in recipients {
        let known = store.known_device(&address).map_err(EncryptError::Store)?;
        if known.is_some_and(|it| it.trust == Trust::Revoked) {
            revoked.push(address);
            continue;
        }
        let sessions = store
            .sessions(namespace, &address)
            .map_err(EncryptError::Store)?;
        match sessions.into_iter().next() {
            Some(session) => found.push((address, session)),
            None => missing.push(address),
        }
    }
    if !revoked.is_empty() {
        return Err(EncryptError::Revoked { addresses: revoked });
    }
    if !missing.is_empty() {
        return Err(EncryptError::NoSession { addresses: missing });
    }
    Ok(found)
}

/// Starts a session with `device` from its `bundle`; the next message to it carries the exchange.
///
/// A device that has sessions already gets one more, which is used first: that is how a broken
/// session is repaired.
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
    let own = store
        .own_device()
        .map_err(StartError::Store)?
        .ok_or(StartError::NotEnrolled)?;
    let known = store.known_device(device).map_err(StartError::Store)?;
    if known.as_ref().is_some_and(|it| it.trust == Trust::Revoked) {
        return Err(StartError::Revoked);
    }
    let checked = bundle.check(rng).map_err(|why| match why {
        BundleError::Malformed => StartError::Malformed,
        BundleError::NotAuthentic => StartError::NotAuthentic,
        BundleError::NoPrekey => StartError::NoPrekey,
    })?;
    if known
        .as_ref()
        .is_some_and(|it| it.identity != checked.identity)
    {
        return Err(StartError::IdentityChanged);
    }
    let session = Session::start(bundle.namespace, &own, &checked, rng, now)
        .map_err(|WeakKey| StartError::NotAuthentic)?;
    let earlier = store
        .sessions(bundle.namespace, device)
        .map_err(StartError::Store)?;
    let mut changes = Changes::default();
    if known.is_none() {
        changes
            .devices
            .push(first_seen(device, checked.identity, bundle.namespace, now));
    }
    put_first(&mut changes, device, session, &places(&earlier));
    Ok(changes)
}

fn first_seen(
    address: &Address,
    identity: IdentityKey,
    namespace: Namespace,
    now: u64,
) -> KnownDevice {
    KnownDevice {
        address: address.clone(),
        identity,
        trust: Trust::Undecided,
        active: namespace.into(),
        first_seen_at: now,
        wrote_in: None,
    }
}

/// Id and rank of each session with a device, best first.
type Places = Vec<(SessionId, u64)>;

fn places(sessions: &[Session]) -> Places {
    sessions.iter().map(|it| (it.id(), it.rank())).collect()
}

/// Saves `session` as the first among the `others`; the last go when there are too many.
fn put_first(changes: &mut Changes, device: &Address, mut session: Session, others: &Places) {
    let id = session.id();
    let others = || others.iter().filter(|(other, _)| *other != id);
    if let Some(best) = others().map(|(_, rank)| *rank).max()
        && session.rank() <= best
    {
        session.promote_above(best);
    }
    let dropped = others()
        .skip(MAX_SESSIONS - 1)
        .map(|(other, _)| (device.clone(), *other));
    changes.removed_sessions.extend(dropped);
    changes.sessions.push((device.clone(), session));
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
    let known = store
        .known_device(device)
        .map_err(TrustError::Store)?
        .ok_or(TrustError::UnknownDevice)?;
    if known.identity != *identity {
        return Err(TrustError::IdentityChanged);
    }
    Ok(Changes {
        devices: vec![KnownDevice { trust, ..known }],
        ..Changes::default()
    })
}

/// Takes in the device list of `jid` in one namespace: marks known devices active there or not, and
/// returns the ids on the list that are not known yet.
///
/// # Errors
/// The store's.
pub fn update_device_list<S: Store>(
    store: &S,
    namespace: Namespace,
    jid: &str,
    list: &DeviceList,
) -> Result<(Vec<DeviceId>, Changes), S::Error> {
    let known = store.known_devices(jid)?;
    let is_known = |id: &DeviceId| known.iter().any(|it| it.address.device == *id);
    let mut unknown: Vec<_> = list
        .devices
        .iter()
        .copied()
        .filter(|id| !is_known(id))
        .collect();
    unknown.sort_unstable();
    unknown.dedup();
    let devices = known
        .into_iter()
        .filter_map(|it| {
            let is_on_list = list.contains(it.address.device);
            let active = it.active.with(namespace, is_on_list);
            (active != it.active).then_some(KnownDevice { active, ..it })
        })
        .collect();
    Ok((
        unknown,
        Changes {
            devices,
            ..Changes::default()
        },
    ))
}

/// Counts how many prekeys are missing from the full stock of 100.
///
/// # Errors
/// The store's.
pub fn prekeys_missing<S: Store>(store: &S) -> Result<usize, S::Error> {
    Ok(FULL_STOCK.saturating_sub(store.prekey_count()?))
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
    let Some(mut own) = store.own_device()? else {
        return Ok(None);
    };
    let stock = store.prekey_count()?;
    if stock >= REFILL_BELOW {
        return Ok(None);
    }
    let prekeys = prekey::make(&mut own, FULL_STOCK - stock, rng, now);
    Ok(Some(Changes {
        own_device: Some(own),
        prekeys,
        ..Changes::default()
    }))
}

/// Reads a body as text.
///
/// # Errors
/// [`NotText`] if it is no UTF-8 or has control characters other than newline and tab.
pub fn text(body: &[u8]) -> Result<&str, NotText> {
    let text = std::str::from_utf8(body).map_err(|_| NotText)?;
    if text
        .chars()
        .any(|c| c.is_control() && c != '\n' && c != '\t')
    {
        return Err(NotText);
    }
    Ok(text)
}

/// A body that is not clean text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body is not clean text")]
pub struct NotText;

#[cfg(test)]
mod tests;
