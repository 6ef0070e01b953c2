//! What every store must do, as tests; [`store_suite!`](crate::store_suite) makes them.

use std::{convert::Infallible, error::Error};

use rand_core::{TryCryptoRng, TryRng};
use sha2::{Digest, Sha256};

use crate::{
    Address, Changes, DeviceId, IdentityKey, KnownDevice, MemoryStore, Namespace, Namespaces,
    OwnDevice, Prekey, ReceiveError, Session, SignedPrekey, Store, Trust, machine,
};

/// Makes a test of each rule that a store must keep; the argument makes an empty store.
///
/// ```
/// # #[cfg(test)]
/// mod tests {
///     omemo::store_suite!(omemo::MemoryStore::new());
/// }
/// ```
#[macro_export]
macro_rules! store_suite {
    ($make:expr) => {
        $crate::store_suite! { @each $make;
            an_empty_store_has_nothing
            a_new_device_is_read_back
            prekeys_are_removed_one_by_one
            used_prekeys_are_set_aside_until_they_are_removed
            starting_over_keeps_what_is_known_of_others_and_nothing_else
            signed_prekeys_come_newest_first
            sessions_come_highest_rank_first_and_are_replaced_by_id
            sessions_are_kept_apart_by_account_and_device
            sessions_are_kept_apart_by_namespace
            devices_are_replaced_and_listed_by_account
            two_stores_talk_to_each_other
        }
    };
    (@each $make:expr; $($rule:ident)*) => {
        $(
            #[test]
            fn $rule() -> $crate::store::suite::Outcome {
                $crate::store::suite::$rule(|| $make)
            }
        )*
    };
}

/// Random numbers that are the same in each run: tests only.
#[derive(Debug)]
pub struct FixedRng {
    seed: u64,
    drawn: u64,
}

impl FixedRng {
    /// Starts the sequence of one seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed, drawn: 0 }
    }
}

impl TryRng for FixedRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        for piece in out.chunks_mut(32) {
            let block = Sha256::new()
                .chain_update(self.seed.to_le_bytes())
                .chain_update(self.drawn.to_le_bytes())
                .finalize();
            self.drawn += 1;
            piece.copy_from_slice(block.get(..piece.len()).unwrap_or_default());
        }
        Ok(())
    }
}

impl TryCryptoRng for FixedRng {}

/// How a rule ends: broken rules panic, failing stores return.
pub type Outcome = Result<(), Box<dyn Error>>;

const NOW: u64 = 1_800_000_000;
const NS: Namespace = Namespace::Legacy;

/// Makes changes that start a session of `store` with `device`, which never answers.
///
/// Every such device has the same identity key.
fn session_changes<S: Store>(
    store: &S,
    device: &Address,
    seed: u64,
) -> Result<Changes, Box<dyn Error>> {
    let mut peer = MemoryStore::new();
    peer.apply(machine::enrol(&mut FixedRng::new(99), NOW).1)?;
    let bundle = machine::own_bundle(&peer, NS)?.ok_or("the peer has a bundle")?;
    Ok(machine::start_session(
        store,
        device,
        &bundle,
        &mut FixedRng::new(seed),
        NOW,
    )?)
}

fn enrolled<S: Store>(make: impl Fn() -> S, seed: u64) -> Result<S, Box<dyn Error>> {
    let mut store = make();
    store.apply(machine::enrol(&mut FixedRng::new(seed), NOW).1)?;
    Ok(store)
}

fn a_device(jid: &str, device: u32, trust: Trust) -> Result<KnownDevice, Box<dyn Error>> {
    let identity = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a";
    Ok(KnownDevice {
        address: Address::new(jid, DeviceId(device)),
        identity: IdentityKey::from_fingerprint(identity)?,
        trust,
        active: Namespaces::default().with(Namespace::Omemo2, trust != Trust::Revoked),
        first_seen_at: NOW,
        wrote_in: Some(Namespace::Omemo2),
    })
}

/// An empty store has nothing, and says so without failing.
pub fn an_empty_store_has_nothing<S: Store>(make: impl Fn() -> S) -> Outcome {
    let store = make();
    let address = Address::new("a@example", DeviceId(1));

    assert!(store.own_device()?.is_none());
    assert!(store.signed_prekeys()?.is_empty());
    assert!(store.prekey(1)?.is_none());
    assert!(store.prekeys()?.is_empty());
    assert_eq!(store.prekey_count()?, 0);
    assert!(store.sessions(NS, &address)?.is_empty());
    assert!(store.known_device(&address)?.is_none());
    assert!(store.known_devices("a@example")?.is_empty());
    Ok(())
}

/// What enrolment made comes back byte for byte.
pub fn a_new_device_is_read_back<S: Store>(make: impl Fn() -> S) -> Outcome {
    let mut store = make();
    let (_, changes) = machine::enrol(&mut FixedRng::new(1), NOW);
    let own = changes.own_device.as_ref().map(OwnDevice::to_bytes);
    let prekeys: Vec<_> = changes.prekeys.iter().map(Prekey::to_bytes).collect();
    let signed: Vec<_> = changes
        .signed_prekeys
        .iter()
        .map(SignedPrekey::to_bytes)
        .collect();

    store.apply(changes)?;

    assert_eq!(store.own_device()?.map(|it| it.to_bytes()), own);
    assert_eq!(
        store
            .prekeys()?
            .iter()
            .map(Prekey::to_bytes)
            .collect::<Vec<_>>(),
        prekeys
    );
    assert_eq!(
        store
            .signed_prekeys()?
            .iter()
            .map(SignedPrekey::to_bytes)
            .collect::<Vec<_>>(),
        signed
    );
    Ok(())
}

/// A used prekey is gone; the others stay.
pub fn prekeys_are_removed_one_by_one<S: Store>(make: impl Fn() -> S) -> Outcome {
    let mut store = enrolled(make, 1)?;

    store.apply(Changes {
        removed_prekeys: vec![7],
        ..Changes::default()
    })?;

    assert_eq!(store.prekey_count()?, 99);
    assert!(store.prekey(7)?.is_none());
    assert_eq!(store.prekey(8)?.map(|it| it.id()), Some(8));
    assert!(store.prekeys()?.is_sorted_by_key(Prekey::id));
    Ok(())
}

/// A prekey set aside is no part of the stock and still there for whoever used it.
pub fn used_prekeys_are_set_aside_until_they_are_removed<S: Store>(
    make: impl Fn() -> S,
) -> Outcome {
    let mut store = enrolled(make, 1)?;

    // the last one was never there
    store.apply(Changes {
        used_prekeys: vec![9, 7, 9, 4_000],
        ..Changes::default()
    })?;

    assert_eq!(store.used_prekeys()?, [7, 9]);
    assert_eq!(store.prekey_count()?, 98);
    assert!(store.prekeys()?.iter().all(|it| it.id() != 7));
    assert_eq!(store.prekey(7)?.map(|it| it.id()), Some(7));
    store.apply(Changes {
        removed_prekeys: vec![7, 9],
        ..Changes::default()
    })?;
    assert_eq!(store.used_prekeys()?, [] as [u32; 0]);
    assert_eq!(store.prekey_count()?, 98);
    assert!(store.prekey(7)?.is_none());
    Ok(())
}

/// Starting over replaces our own device with all that belongs to it.
pub fn starting_over_keeps_what_is_known_of_others_and_nothing_else<S: Store>(
    make: impl Fn() -> S,
) -> Outcome {
    let mut store = enrolled(make, 1)?;
    let peer = Address::new("a@example", DeviceId(5));
    let changes = session_changes(&store, &peer, 7)?;
    store.apply(changes)?;
    let mut set_aside = Changes::default();
    set_aside.used_prekeys.push(3);
    store.apply(set_aside)?;
    let (own, mut changes) = machine::enrol(&mut FixedRng::new(2), NOW);
    changes.starts_over = true;

    store.apply(changes)?;

    assert_eq!(
        store.own_device()?.map(|it| it.device()),
        Some(own.device())
    );
    assert!(store.sessions(NS, &peer)?.is_empty());
    assert!(store.known_device(&peer)?.is_some());
    assert_eq!(
        (store.prekey_count()?, store.signed_prekeys()?.len()),
        (100, 1)
    );
    assert_eq!(store.used_prekeys()?, [] as [u32; 0]);
    Ok(())
}

/// The newest signed prekey comes first, and removed ones are gone.
pub fn signed_prekeys_come_newest_first<S: Store>(make: impl Fn() -> S) -> Outcome {
    let mut store = enrolled(make, 1)?;
    for id in [3, 2] {
        let mut changes = machine::enrol(&mut FixedRng::new(id), NOW).1;
        let mut signed_prekeys = std::mem::take(&mut changes.signed_prekeys);
        signed_prekeys
            .iter_mut()
            .for_each(|it| it.id = u32::try_from(id).unwrap_or(0));
        store.apply(Changes {
            signed_prekeys,
            ..Changes::default()
        })?;
    }
    let ids = |store: &S| -> Result<Vec<u32>, S::Error> {
        Ok(store
            .signed_prekeys()?
            .iter()
            .map(SignedPrekey::id)
            .collect())
    };

    assert_eq!(ids(&store)?, [3, 2, 1]);
    store.apply(Changes {
        removed_signed_prekeys: vec![2],
        ..Changes::default()
    })?;
    assert_eq!(ids(&store)?, [3, 1]);
    Ok(())
}

/// The session of the highest rank comes first; saving one again replaces it.
pub fn sessions_come_highest_rank_first_and_are_replaced_by_id<S: Store>(
    make: impl Fn() -> S,
) -> Outcome {
    let mut store = enrolled(make, 1)?;
    let peer = Address::new("b@example", DeviceId(5));
    for seed in 10..13 {
        store.apply(session_changes(&store, &peer, seed)?)?;
    }
    let ranks = |store: &S| -> Result<Vec<u64>, S::Error> {
        Ok(store
            .sessions(NS, &peer)?
            .iter()
            .map(Session::rank)
            .collect())
    };
    assert_eq!(ranks(&store)?, [2, 1, 0]);

    let last = store.sessions(NS, &peer)?.pop().ok_or("there are three")?;
    let id = last.id();
    let mut promoted = last;
    promoted.promote_above(2);
    let sessions = vec![(peer.clone(), promoted)];
    store.apply(Changes {
        sessions,
        ..Changes::default()
    })?;

    assert_eq!(ranks(&store)?, [3, 2, 1]);
    assert_eq!(
        store.sessions(NS, &peer)?.first().map(Session::id),
        Some(id)
    );
    let removed_sessions = vec![(peer.clone(), id)];
    store.apply(Changes {
        removed_sessions,
        ..Changes::default()
    })?;
    assert_eq!(ranks(&store)?, [2, 1]);
    Ok(())
}

/// Sessions of one device are not those of another.
pub fn sessions_are_kept_apart_by_account_and_device<S: Store>(make: impl Fn() -> S) -> Outcome {
    let mut store = enrolled(make, 1)?;
    let all = [("b@example", 5), ("b@example", 6), ("c@example", 5)];
    for (seed, (jid, device)) in (10..).zip(all) {
        store.apply(session_changes(
            &store,
            &Address::new(jid, DeviceId(device)),
            seed,
        )?)?;
    }

    for (jid, device) in all {
        let found = store.sessions(NS, &Address::new(jid, DeviceId(device)))?;
        assert_eq!(found.len(), 1);
    }
    assert!(
        store
            .sessions(NS, &Address::new("c@example", DeviceId(6)))?
            .is_empty()
    );
    Ok(())
}

/// Sessions with one device in two namespaces do not know each other.
///
/// # Errors
/// The store's.
pub fn sessions_are_kept_apart_by_namespace<S: Store>(make: impl Fn() -> S) -> Outcome {
    let mut store = enrolled(&make, 1)?;
    let mut peer = MemoryStore::new();
    peer.apply(machine::enrol(&mut FixedRng::new(99), NOW).1)?;
    let device = Address::new("a@example", DeviceId(7));
    let mut ids = Vec::new();
    for (namespace, seed) in Namespace::ALL.into_iter().zip(1..) {
        let bundle = machine::own_bundle(&peer, namespace)?.ok_or("the peer has a bundle")?;
        let mut rng = FixedRng::new(seed);
        let changes = machine::start_session(&store, &device, &bundle, &mut rng, NOW)?;
        ids.extend(changes.sessions.iter().map(|(_, it)| it.id()));
        store.apply(changes)?;
    }

    for (namespace, id) in Namespace::ALL.into_iter().zip(ids) {
        let found = store.sessions(namespace, &device)?;
        let found: Vec<_> = found.iter().map(|it| (it.namespace(), it.id())).collect();
        assert_eq!(found, [(namespace, id)]);
    }
    Ok(())
}

/// A device is saved over itself, and an account's devices are listed by id.
pub fn devices_are_replaced_and_listed_by_account<S: Store>(make: impl Fn() -> S) -> Outcome {
    let mut store = make();
    let devices = vec![
        a_device("b@example", 700, Trust::Undecided)?,
        a_device("b@example", 5, Trust::Pinned)?,
        a_device("b@example.org", 6, Trust::Vouched)?,
        a_device("a@example", 5, Trust::Paired)?,
    ];
    store.apply(Changes {
        devices,
        ..Changes::default()
    })?;

    let changed = a_device("b@example", 700, Trust::Revoked)?;
    store.apply(Changes {
        devices: vec![changed.clone()],
        ..Changes::default()
    })?;

    assert_eq!(store.known_device(&changed.address)?, Some(changed.clone()));
    assert_eq!(
        store.known_devices("b@example")?,
        [a_device("b@example", 5, Trust::Pinned)?, changed]
    );
    Ok(())
}

/// Two devices on such stores exchange messages.
pub fn two_stores_talk_to_each_other<S: Store>(make: impl Fn() -> S) -> Outcome {
    let mut stores = [enrolled(&make, 1)?, enrolled(&make, 2)?];
    let jids = ["a@example", "b@example"];
    let mut rng = FixedRng::new(3);
    let bundle = machine::own_bundle(&stores[1], NS)?.ok_or("b has a bundle")?;
    let b = stores[1].own_device()?.ok_or("b has a device")?.device();
    let started = machine::start_session(
        &stores[0],
        &Address::new(jids[1], b),
        &bundle,
        &mut rng,
        NOW,
    )?;
    stores[0].apply(started)?;

    for number in 0..40_usize {
        let (from, to) = if number % 3 == 0 { (0, 1) } else { (1, 0) };
        let device = stores[to].own_device()?.ok_or("it has a device")?.device();
        let body = number.to_string();
        let (envelope, changes) = machine::encrypt(
            &stores[from],
            NS,
            &[Address::new(jids[to], device)],
            Some(body.as_bytes()),
            &mut rng,
            NOW,
        )?;
        stores[from].apply(changes)?;
        let (opened, changes) = machine::receive(&stores[to], jids[from], &envelope, NOW)?;
        stores[to].apply(changes)?;
        assert_eq!(
            opened.body.as_ref().map(|it| it.as_slice()),
            Some(body.as_bytes())
        );
        let again = machine::receive(&stores[to], jids[from], &envelope, NOW);
        assert!(matches!(again, Err(ReceiveError::AlreadyReceived)));
    }
    assert_eq!(stores[1].prekey_count()?, 99);
    Ok(())
}
