//! Who talks to whom in the targets about messages: us, a phone with a session, and one without.

use std::slice;

use omemo::{
    Address, Changes, Envelope, MemoryStore, Namespace, Store, machine, store::suite::FixedRng,
};

/// When everything happens.
pub const NOW: u64 = 1_800_000_000;

/// Us, with a phone that we have a session with, and one that we have not.
pub struct World {
    /// The namespace that everybody speaks.
    pub namespace: Namespace,
    /// Our store.
    pub ours: MemoryStore,
    /// Our own address.
    pub us: Address,
    /// A phone that wrote to us before and got an answer.
    pub known: Phone,
    /// A phone that we never heard of; it has fetched our bundle.
    pub unknown: Phone,
    /// The first message of the known phone.
    pub first: Envelope,
}

/// A device that writes to us.
pub struct Phone {
    /// Its store, which has a session with us.
    pub store: MemoryStore,
    /// Its address.
    pub address: Address,
    namespace: Namespace,
}

impl World {
    /// Makes the same world each time.
    ///
    /// # Panics
    /// When the honest way fails.
    #[must_use]
    pub fn make(namespace: Namespace) -> Self {
        let mut rng = FixedRng::new(1);
        let mut ours = MemoryStore::new();
        let us = enrol(&mut ours, "vault@example.org", &mut rng);
        let mut known = Phone::make("phone@example.org", namespace, (&ours, &us), &mut rng);
        let unknown = Phone::make("stranger@example.org", namespace, (&ours, &us), &mut rng);
        let first = known.write(&us, Some("help"), &mut rng);
        let (_, changes) = machine::receive(&ours, &known.address.jid, &first, NOW)
            .expect("an honest message opens");
        ours.apply(changes).expect("memory does not fail");
        let to = (namespace, &known.address);
        let answer = encrypt(&mut ours, to, Some("What I can do"), &mut rng);
        let (_, changes) =
            machine::receive(&known.store, &us.jid, &answer, NOW).expect("an honest answer opens");
        known.store.apply(changes).expect("memory does not fail");
        Self {
            namespace,
            ours,
            us,
            known,
            unknown,
            first,
        }
    }
}

impl Phone {
    fn make(
        jid: &str,
        namespace: Namespace,
        (ours, us): (&MemoryStore, &Address),
        rng: &mut FixedRng,
    ) -> Self {
        let mut store = MemoryStore::new();
        let address = enrol(&mut store, jid, rng);
        let bundle = machine::own_bundle(ours, namespace)
            .expect("memory does not fail")
            .expect("we are enrolled");
        let changes =
            machine::start_session(&store, us, &bundle, rng, NOW).expect("our bundle is good");
        store.apply(changes).expect("memory does not fail");
        Self {
            store,
            address,
            namespace,
        }
    }

    /// Encrypts the phone's next message.
    pub fn write(&mut self, to: &Address, body: Option<&str>, rng: &mut FixedRng) -> Envelope {
        encrypt(&mut self.store, (self.namespace, to), body, rng)
    }
}

fn enrol(store: &mut MemoryStore, jid: &str, rng: &mut FixedRng) -> Address {
    let (own, changes) = machine::enrol(rng, NOW);
    store.apply(changes).expect("memory does not fail");
    Address::new(jid, own.device())
}

pub(super) fn encrypt(
    store: &mut MemoryStore,
    (namespace, to): (Namespace, &Address),
    body: Option<&str>,
    rng: &mut FixedRng,
) -> Envelope {
    let (envelope, changes) = machine::encrypt(
        store,
        namespace,
        slice::from_ref(to),
        body.map(str::as_bytes),
        rng,
        NOW,
    )
    .expect("a session that exists encrypts");
    store.apply(changes).expect("memory does not fail");
    envelope
}

/// Copies what our store holds about us and one phone.
pub(super) fn copy_of(store: &MemoryStore, phone: &Address) -> MemoryStore {
    let sessions = Namespace::ALL.into_iter().flat_map(|namespace| {
        let sessions = store.sessions(namespace, phone);
        sessions.expect("memory does not fail")
    });
    let changes = Changes {
        own_device: store.own_device().expect("memory does not fail"),
        signed_prekeys: store.signed_prekeys().expect("memory does not fail"),
        prekeys: store.prekeys().expect("memory does not fail"),
        sessions: sessions.map(|it| (phone.clone(), it)).collect(),
        devices: store
            .known_devices(&phone.jid)
            .expect("memory does not fail"),
        ..Changes::default()
    };
    let mut copy = MemoryStore::new();
    copy.apply(changes).expect("memory does not fail");
    copy
}
