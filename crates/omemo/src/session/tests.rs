//! Records of sessions: exact, strict, silent.

use proptest::prelude::*;

use super::*;
use crate::{
    Address, DeviceId, KnownDevice, MemoryStore, Namespaces, Prekey, SignedPrekey, Store, Trust,
    machine, store::suite::FixedRng,
};

static_assertions::assert_not_impl_any!(Session: Clone, Copy, PartialEq);

/// A session that has sent, received and skipped.
fn a_session() -> Session {
    let mut rng = FixedRng::new(5);
    let mut stores = [MemoryStore::new(), MemoryStore::new()];
    for store in &mut stores {
        store.apply(machine::enrol(&mut rng, 7).1).unwrap();
    }
    let device = |store: &MemoryStore| store.own_device().unwrap().unwrap().device();
    let addresses = [
        Address::new("a@x", device(&stores[0])),
        Address::new("b@x", device(&stores[1])),
    ];
    let bundle = machine::own_bundle(&stores[1], Namespace::Legacy)
        .unwrap()
        .unwrap();
    let started = machine::start_session(&stores[0], &addresses[1], &bundle, &mut rng, 8).unwrap();
    stores[0].apply(started).unwrap();
    for (from, heard) in [
        (0, false),
        (0, true),
        (1, true),
        (0, false),
        (0, true),
        (1, true),
        (0, true),
    ] {
        let (envelope, changes) = machine::encrypt(
            &stores[from],
            Namespace::Legacy,
            &addresses[1 - from..=1 - from],
            Some(b"x"),
            &mut rng,
            9,
        )
        .unwrap();
        stores[from].apply(changes).unwrap();
        if heard {
            let (_, changes) =
                machine::receive(&stores[1 - from], &addresses[from].jid, &envelope, 10).unwrap();
            stores[1 - from].apply(changes).unwrap();
        }
    }
    stores[1]
        .sessions(Namespace::Legacy, &addresses[0])
        .unwrap()
        .remove(0)
}

#[test]
fn a_record_is_read_back_byte_for_byte() {
    let session = a_session();

    let again = Session::from_bytes(&session.to_bytes()).unwrap();

    assert_eq!(again.to_bytes(), session.to_bytes());
    assert_eq!(
        (again.id(), again.rank(), again.peer()),
        (session.id(), session.rank(), session.peer())
    );
    assert_eq!((again.created_at, again.used_at()), (10, 10));
}

#[test]
fn a_session_that_we_began_is_new_for_a_minute_and_was_used_when_it_sent() {
    let mut rng = FixedRng::new(6);
    let mut stores = [MemoryStore::new(), MemoryStore::new()];
    for store in &mut stores {
        store.apply(machine::enrol(&mut rng, 7).1).unwrap();
    }
    let [mut ours, theirs] = stores;
    let device = theirs.own_device().unwrap().unwrap().device();
    let address = Address::new("b@x", device);
    let bundle = machine::own_bundle(&theirs, Namespace::Legacy);
    let bundle = bundle.unwrap().unwrap();
    let started = machine::start_session(&ours, &address, &bundle, &mut rng, 100).unwrap();
    ours.apply(started).unwrap();
    let session = || {
        ours.sessions(Namespace::Legacy, &address)
            .unwrap()
            .remove(0)
    };

    assert_eq!(session().used_at(), 100);
    assert!(session().is_new_and_unanswered(100 + 59));
    assert!(!session().is_new_and_unanswered(100 + 60));
    // a clock that was set back makes nothing new
    assert!(!session().is_new_and_unanswered(40));

    let to = [address.clone()];
    let sent = machine::encrypt(&ours, Namespace::Legacy, &to, None, &mut rng, 130);
    ours.apply(sent.unwrap().1).unwrap();
    let session = ours
        .sessions(Namespace::Legacy, &address)
        .unwrap()
        .remove(0);
    assert_eq!((session.created_at, session.used_at()), (100, 130));
}

#[test]
fn a_cut_or_longer_record_is_damaged_and_so_is_a_later_version() {
    let good = a_session().to_bytes();

    for length in 0..good.len() {
        assert_eq!(
            Session::from_bytes(&good[..length]).err(),
            Some(Damaged),
            "{length}"
        );
    }
    let longer = [good.as_slice(), &[0]].concat();
    assert_eq!(Session::from_bytes(&longer).err(), Some(Damaged));
    let mut later = good.to_vec();
    later[0] += 1;
    assert_eq!(Session::from_bytes(&later).err(), Some(Damaged));
}

#[test]
fn debug_shows_no_byte_of_a_secret() {
    let session = a_session();
    let record = session.to_bytes();

    let shown = format!("{session:?}");

    // root and own ratchet key follow the fixed fields
    for secret in [&record[92..96], &record[124..128]] {
        assert!(!shown.contains(&hex::encode(secret)), "{shown}");
    }
    assert!(shown.contains("RootKey(..)"), "{shown}");
}

proptest! {
    #[test]
    fn no_bytes_make_a_record_reader_panic(mut data in prop::collection::vec(any::<u8>(), 0..400)) {
        for version in [None, Some(1)] {
            if let (Some(version), Some(first)) = (version, data.first_mut()) {
                *first = version;
            }
            let _ = Session::from_bytes(&data);
            let _ = OwnDevice::from_bytes(&data);
            let _ = Prekey::from_bytes(&data);
            let _ = SignedPrekey::from_bytes(&data);
            let _ = KnownDevice::from_bytes(Address::new("a@x", DeviceId(1)), &data);
        }
    }

    #[test]
    fn no_altered_record_makes_its_reader_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
    ) {
        let mut data = a_session().to_bytes().to_vec();
        for (place, byte) in changes {
            let place = place.index(data.len());
            data[place] = byte;
        }
        if let Ok(read) = Session::from_bytes(&data) {
            let written = read.to_bytes();
            prop_assert_eq!(written.as_slice(), data.as_slice());
        }
    }
}

#[test]
fn a_known_device_is_read_back_and_an_unknown_trust_is_damaged() {
    for trust in [
        Trust::Undecided,
        Trust::Paired,
        Trust::Vouched,
        Trust::Pinned,
        Trust::Revoked,
    ] {
        let device = KnownDevice {
            address: Address::new("a@x", DeviceId(1)),
            identity: a_session().peer(),
            trust,
            active: Namespaces::default().with(Namespace::Omemo2, trust != Trust::Revoked),
            first_seen_at: 5,
            wrote_in: (trust != Trust::Pinned).then_some(Namespace::Legacy),
        };
        let bytes = device.to_bytes();
        assert_eq!(
            KnownDevice::from_bytes(device.address.clone(), &bytes),
            Ok(device.clone())
        );
        let mut unknown = bytes;
        unknown[33] = 9;
        assert_eq!(
            KnownDevice::from_bytes(device.address, &unknown),
            Err(Damaged)
        );
    }
}
