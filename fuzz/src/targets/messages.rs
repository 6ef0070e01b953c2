//! Targets that read what other devices send or publish, and the store's own records.

use std::{iter, slice, sync::LazyLock};

use omemo::{
    Address, Bundle, Changes, Envelope, HeaderKey, KnownDevice, MemoryStore, Namespace, Opened,
    OwnDevice, Prekey, ReceiveError, Session, SignedPrekey, StartError, Store, machine,
    store::suite::FixedRng,
};

use super::{
    Verdict::{self, Accepted, Refused},
    take,
    world::{NOW, World, copy_of, encrypt},
};

static WORLD: LazyLock<World> = LazyLock::new(|| World::make(Namespace::Legacy));
static WORLD_OF_OMEMO2: LazyLock<World> = LazyLock::new(|| World::make(Namespace::Omemo2));

/// From the known phone, not from the unknown one.
pub const FROM_KNOWN: u8 = 1;
/// The key element says that it is a key exchange.
pub const MARKED: u8 = 2;
/// The element has a payload.
pub const PAYLOAD: u8 = 4;

/// Everybody speaks `urn:xmpp:omemo:2`, not the legacy namespace.
pub const OMEMO2: u8 = 8;

/// Lays an envelope out as [`envelope`] reads it: flags, length of the IV, length of the key
/// element in two bytes, then IV, key element and payload.
#[must_use]
pub fn lay_out(from_known: bool, envelope: &Envelope) -> Vec<u8> {
    let key = envelope.keys.first();
    let data = key.map(|it| it.data.as_slice()).unwrap_or_default();
    let flags = [
        (from_known, FROM_KNOWN),
        (key.is_some_and(|it| it.key_exchange), MARKED),
        (envelope.payload.is_some(), PAYLOAD),
        (envelope.namespace == Namespace::Omemo2, OMEMO2),
    ];
    let flags = flags.iter().filter(|(set, _)| *set).map(|(_, flag)| flag);
    let [.., high, low] = data.len().to_be_bytes();
    let [.., iv] = envelope.iv.len().to_be_bytes();
    let mut out = vec![flags.sum(), iv, high, low];
    out.extend_from_slice(&envelope.iv);
    out.extend_from_slice(data);
    out.extend_from_slice(envelope.payload.as_deref().unwrap_or_default());
    out
}

/// Receives an envelope whose every byte but the device numbers is the input's.
///
/// # Panics
/// When a message opens twice, or leaves a session that cannot answer.
pub fn envelope(bytes: &[u8]) -> Verdict {
    let (head, rest) = take(bytes, 4);
    let [flags, iv, high, low] = head.try_into().unwrap_or_default();
    let world = if flags & OMEMO2 == 0 {
        &*WORLD
    } else {
        &*WORLD_OF_OMEMO2
    };
    let (iv, rest) = take(rest, iv.into());
    let (data, payload) = take(rest, u16::from_be_bytes([high, low]).into());
    let phone = if flags & FROM_KNOWN == 0 {
        &world.unknown.address
    } else {
        &world.known.address
    };
    let envelope = Envelope {
        namespace: world.namespace,
        sender: phone.device,
        keys: vec![HeaderKey {
            jid: None,
            device: world.us.device,
            key_exchange: flags & MARKED != 0,
            data: data.to_vec(),
        }],
        iv: iv.to_vec(),
        payload: (flags & PAYLOAD != 0).then(|| payload.to_vec()),
    };
    match machine::receive(&world.ours, &phone.jid, &envelope, NOW) {
        Ok((opened, changes)) => opened_once(world, &opened, changes, &envelope, phone),
        Err(why) => Refused(why_not_received(&why)),
    }
}

fn opened_once(
    world: &World,
    opened: &Opened,
    changes: Changes,
    envelope: &Envelope,
    phone: &Address,
) -> Verdict {
    assert!(opened.from == *phone && opened.is_new_device == opened.key_exchange);
    assert_eq!(opened.body.is_some(), envelope.payload.is_some());
    if let Some(body) = &opened.body {
        // whatever it says, it is text or it is not
        let _ = machine::text(body);
    }
    let mut store = copy_of(&world.ours, phone);
    store.apply(changes).expect("memory does not fail");
    let again = machine::receive(&store, &phone.jid, envelope, NOW);
    assert!(matches!(again, Err(ReceiveError::AlreadyReceived)));
    let to = (world.namespace, phone);
    encrypt(&mut store, to, Some("✓"), &mut FixedRng::new(2));
    Accepted(if opened.key_exchange {
        "exchange"
    } else {
        "message"
    })
}

fn why_not_received<E>(why: &ReceiveError<E>) -> &'static str {
    match why {
        ReceiveError::AlreadyReceived => "already-received",
        ReceiveError::NotAuthentic => "not-authentic",
        ReceiveError::NoSession => "no-session",
        ReceiveError::IdentityChanged => "identity-changed",
        ReceiveError::Malformed => "malformed",
        ReceiveError::TooFarAhead => "too-far-ahead",
        ReceiveError::UnknownPrekey => "unknown-prekey",
        ReceiveError::NotEnrolled | ReceiveError::NotForUs | ReceiveError::Store(_) | _ => {
            unreachable!("the store is good and the key is ours")
        }
    }
}

/// Starts a session from a bundle, laid out as [`lay_out_bundle`] has it.
///
/// # Panics
/// When a session that was started cannot encrypt.
pub fn bundle(bytes: &[u8]) -> Verdict {
    match bundle_in(&WORLD, bytes) {
        Refused(why) => match bundle_in(&WORLD_OF_OMEMO2, bytes) {
            Accepted(_) => Accepted("bundle-of-omemo2"),
            Refused(_) => Refused(why),
        },
        accepted @ Accepted(_) => accepted,
    }
}

fn bundle_in(world: &World, bytes: &[u8]) -> Verdict {
    let mut rest = bytes;
    let mut part = || {
        let (length, after) = take(rest, 1);
        let (part, after) = take(after, length.first().copied().unwrap_or_default().into());
        rest = after;
        part.to_vec()
    };
    let bundle = Bundle {
        namespace: world.namespace,
        identity_key: part(),
        signed_prekey_id: 1,
        signed_prekey: part(),
        signed_prekey_signature: part(),
        prekeys: iter::from_fn(|| Some(part()).filter(|it| !it.is_empty()))
            .zip(1..)
            .map(|(key, id)| (id, key))
            .collect(),
    };
    let phone = &world.unknown.address;
    let mut rng = FixedRng::new(3);
    match machine::start_session(&world.ours, phone, &bundle, &mut rng, NOW) {
        Ok(changes) => {
            assert!(bundle.identity().is_some());
            let mut store = copy_of(&world.ours, phone);
            store.apply(changes).expect("memory does not fail");
            let to = (world.namespace, phone);
            let envelope = encrypt(&mut store, to, None, &mut rng);
            assert!(envelope.keys.iter().all(|it| it.key_exchange));
            Accepted("bundle")
        }
        Err(StartError::Malformed) => Refused("malformed"),
        Err(StartError::NotAuthentic) => Refused("not-authentic"),
        Err(StartError::NoPrekey) => Refused("no-prekey"),
        Err(
            StartError::NotEnrolled
            | StartError::IdentityChanged
            | StartError::Revoked
            | StartError::Store(_)
            | _,
        ) => unreachable!("we are enrolled and never saw the device"),
    }
}

/// Lays a bundle out as [`bundle`] reads it: each part after a byte with its length; the prekeys
/// end at an empty one.
#[must_use]
pub fn lay_out_bundle(bundle: &Bundle) -> Vec<u8> {
    let head = [
        &bundle.identity_key,
        &bundle.signed_prekey,
        &bundle.signed_prekey_signature,
    ];
    let parts = head
        .into_iter()
        .chain(bundle.prekeys.iter().map(|(_, key)| key));
    parts
        .flat_map(|part| {
            let [.., length] = part.len().to_be_bytes();
            iter::once(length).chain(part.iter().copied())
        })
        .collect()
}

/// Reads a record of the store, whichever it is.
///
/// # Panics
/// When a record that was read is not written back the same, or a session from it panics in use.
pub fn record(bytes: &[u8]) -> Verdict {
    let world = &*WORLD;
    let phone = &world.known.address;
    if let Ok(it) = OwnDevice::from_bytes(bytes) {
        assert_eq!(it.to_bytes().as_slice(), bytes);
        return Accepted("own-device");
    }
    if let Ok(it) = Prekey::from_bytes(bytes) {
        assert_eq!(it.to_bytes().as_slice(), bytes);
        return Accepted("prekey");
    }
    if let Ok(it) = SignedPrekey::from_bytes(bytes) {
        assert_eq!(it.to_bytes().as_slice(), bytes);
        return Accepted("signed-prekey");
    }
    if let Ok(it) = KnownDevice::from_bytes(phone.clone(), bytes) {
        assert_eq!(it.to_bytes(), bytes);
        return Accepted("known-device");
    }
    let Ok(session) = Session::from_bytes(bytes) else {
        return Refused("damaged");
    };
    assert_eq!(session.to_bytes().as_slice(), bytes);
    let mut store = MemoryStore::new();
    let changes = Changes {
        own_device: world.ours.own_device().expect("memory does not fail"),
        sessions: vec![(phone.clone(), session)],
        ..Changes::default()
    };
    store.apply(changes).expect("memory does not fail");
    let to = slice::from_ref(phone);
    let mut rng = FixedRng::new(4);
    for namespace in Namespace::ALL {
        let sent = machine::encrypt(&store, namespace, to, None, &mut rng, NOW);
        if let Ok((_, changes)) = sent {
            store.apply(changes).expect("memory does not fail");
        }
    }
    // it is another session's message, or this one's first again
    assert!(machine::receive(&store, &phone.jid, &world.first, NOW).is_err());
    Accepted("session")
}
