//! Two and more devices as their machines see them.

use super::*;
use crate::{MemoryStore, ReceiveError, Store, store::suite::FixedRng, wire};

const NOW: u64 = 1_800_000_000;
const NS: Namespace = Namespace::Legacy;

struct Device {
    store: MemoryStore,
    rng: FixedRng,
    address: Address,
    namespace: Namespace,
}

impl Device {
    fn new(jid: &str, seed: u64) -> Self {
        let mut rng = FixedRng::new(seed);
        let mut store = MemoryStore::new();
        let (own, changes) = enrol(&mut rng, NOW);
        store.apply(changes).unwrap();
        Self {
            store,
            rng,
            address: Address::new(jid, own.device()),
            namespace: NS,
        }
    }

    fn pair() -> (Self, Self) {
        (Self::new("a@example", 1), Self::new("b@example", 2))
    }

    /// Two devices of which both have answered.
    fn acquainted() -> (Self, Self) {
        let (mut a, mut b) = Self::pair();
        a.start(&b);
        let envelope = a.say("hello", &b);
        b.hear("hello", &a, &envelope);
        let envelope = b.say("hello back", &a);
        a.hear("hello back", &b, &envelope);
        (a, b)
    }

    fn bundle(&self) -> Bundle {
        own_bundle(&self.store, self.namespace).unwrap().unwrap()
    }

    fn start(&mut self, other: &Self) {
        let bundle = other.bundle();
        let changes =
            start_session(&self.store, &other.address, &bundle, &mut self.rng, NOW).unwrap();
        self.store.apply(changes).unwrap();
    }

    fn say(&mut self, text: &str, other: &Self) -> Envelope {
        self.send(Some(text.as_bytes()), &[&other.address])
    }

    fn send(&mut self, body: Option<&[u8]>, others: &[&Address]) -> Envelope {
        let others: Vec<_> = others.iter().map(|it| (*it).clone()).collect();
        let (envelope, changes) = encrypt(
            &self.store,
            self.namespace,
            &others,
            body,
            &mut self.rng,
            NOW,
        )
        .unwrap();
        self.store.apply(changes).unwrap();
        envelope
    }

    fn try_hear(
        &self,
        from: &Self,
        envelope: &Envelope,
    ) -> Result<(Opened, Changes), ReceiveError<crate::Damaged>> {
        receive(&self.store, &from.address.jid, envelope, NOW)
    }

    fn hear(&mut self, expected: &str, from: &Self, envelope: &Envelope) -> Opened {
        let (opened, changes) = self.try_hear(from, envelope).unwrap();
        self.store.apply(changes).unwrap();
        assert_eq!(opened.body.as_ref().map(|it| text(it)), Some(Ok(expected)));
        opened
    }

    fn refuses(&self, from: &Self, envelope: &Envelope) -> ReceiveError<crate::Damaged> {
        self.try_hear(from, envelope).map(|_| ()).unwrap_err()
    }

    fn sessions(&self, other: &Self) -> Vec<Session> {
        self.store.sessions(self.namespace, &other.address).unwrap()
    }

    fn knows(&self, other: &Self) -> KnownDevice {
        self.store.known_device(&other.address).unwrap().unwrap()
    }
}

macro_rules! assert_refused {
    ($result:expr, $why:pat) => {
        let why = $result;
        assert!(matches!(why, $why), "{why:?}");
    };
}

mod omemo2;

#[test]
fn every_message_is_a_key_exchange_until_the_peer_has_answered() {
    let (mut a, mut b) = Device::pair();
    a.start(&b);

    let [one, two] = [a.say("one", &b), a.say("two", &b)];
    assert!(one.keys[0].key_exchange && two.keys[0].key_exchange);
    assert!(b.hear("one", &a, &one).key_exchange);
    let answer = b.say("answer", &a);
    assert!(!answer.keys[0].key_exchange);
    assert!(!a.hear("answer", &b, &answer).key_exchange);

    assert!(!a.say("three", &b).keys[0].key_exchange);
}

#[test]
fn a_repeated_key_exchange_uses_the_same_session_and_no_second_prekey() {
    let (mut a, mut b) = Device::pair();
    a.start(&b);
    let envelopes = ["one", "two", "three"].map(|it| a.say(it, &b));

    b.hear("three", &a, &envelopes[2]);
    b.hear("one", &a, &envelopes[0]);
    b.hear("two", &a, &envelopes[1]);

    assert_eq!(b.sessions(&a).len(), 1);
    assert_eq!(b.store.prekey_count().unwrap(), 99);
    for again in &envelopes {
        assert_refused!(b.refuses(&a, again), ReceiveError::AlreadyReceived);
    }
}

#[test]
fn the_used_prekey_goes_with_the_message_and_only_then() {
    let (mut a, mut b) = Device::pair();
    a.start(&b);
    let envelope = a.say("hello", &b);

    let (_, changes) = b.try_hear(&a, &envelope).unwrap();
    assert_eq!(b.store.prekey_count().unwrap(), 100);
    let [used] = changes.removed_prekeys[..] else {
        panic!("one prekey is used")
    };
    b.store.apply(changes).unwrap();

    assert!(b.store.prekey(used).unwrap().is_none());
    assert!(b.bundle().prekeys.iter().all(|(id, _)| *id != used));
}

#[test]
fn a_prekey_that_was_used_starts_no_second_session() {
    let (mut a, mut b) = Device::pair();
    let mut c = Device::new("c@example", 3);
    let bundle = Bundle {
        prekeys: b.bundle().prekeys[..1].to_vec(),
        ..b.bundle()
    };
    for device in [&mut a, &mut c] {
        let changes =
            start_session(&device.store, &b.address, &bundle, &mut device.rng, NOW).unwrap();
        device.store.apply(changes).unwrap();
    }
    let from_a = a.say("from a", &b);
    let from_c = c.say("from c", &b);

    b.hear("from a", &a, &from_a);

    assert_refused!(b.refuses(&c, &from_c), ReceiveError::UnknownPrekey);
}

#[test]
fn a_key_exchange_without_prekey_or_with_an_unknown_signed_one_is_refused() {
    let (mut a, b) = Device::pair();
    a.start(&b);
    let real = a.say("hello", &b);
    let profile = NS.profile();
    let Ok(wire::Parsed::Exchange(exchange)) = wire::parse(profile, &real.keys[0].data, true)
    else {
        panic!("a key exchange")
    };
    let inner = [exchange.message.authenticated, exchange.message.mac].concat();
    let head = |prekey_id, signed_prekey_id| wire::ExchangeHead {
        prekey_id,
        signed_prekey_id,
        base_key: &exchange.base_key,
        identity: exchange.identity,
        registration_id: 0,
    };
    let with = |data: Vec<u8>| {
        let mut envelope = real.clone();
        envelope.keys[0].data = data;
        envelope
    };
    let good = wire::write_exchange(profile, &head(exchange.prekey_id.unwrap(), 1), &inner);
    // the same without its first field: prekey id, one byte of tag and one of value
    let without = [&good[..1], &good[3..]].concat();

    let unknown = with(wire::write_exchange(profile, &head(5000, 1), &inner));
    let unknown_signed = with(wire::write_exchange(
        profile,
        &head(exchange.prekey_id.unwrap(), 2),
        &inner,
    ));

    assert_refused!(b.refuses(&a, &with(without)), ReceiveError::UnknownPrekey);
    assert_refused!(b.refuses(&a, &unknown), ReceiveError::UnknownPrekey);
    assert_refused!(b.refuses(&a, &unknown_signed), ReceiveError::UnknownPrekey);
    assert!(b.try_hear(&a, &with(good)).is_ok());
}

#[test]
fn after_a_simultaneous_start_both_sides_understand_each_other() {
    let (mut a, mut b) = Device::pair();
    a.start(&b);
    b.start(&a);
    let from_a = ["a1", "a2"].map(|it| a.say(it, &b));
    let from_b = ["b1", "b2"].map(|it| b.say(it, &a));

    a.hear("b1", &b, &from_b[0]);
    b.hear("a1", &a, &from_a[0]);
    let crossing = [a.say("a3", &b), a.say("a4", &b)];
    a.hear("b2", &b, &from_b[1]);
    b.hear("a2", &a, &from_a[1]);
    b.hear("a4", &a, &crossing[1]);
    b.hear("a3", &a, &crossing[0]);
    for number in 0..10 {
        let (from, to) = if number % 3 == 0 {
            (&mut a, &mut b)
        } else {
            (&mut b, &mut a)
        };
        let envelope = from.say("talk", to);
        to.hear("talk", from, &envelope);
    }

    assert_eq!((a.sessions(&b).len(), b.sessions(&a).len()), (2, 2));
    assert_eq!(a.sessions(&b)[0].id(), b.sessions(&a)[0].id());
}

#[test]
fn a_message_in_an_older_session_opens_and_makes_that_session_the_first() {
    let (mut a, mut b) = Device::acquainted();
    let older = a.sessions(&b)[0].id();
    let in_older = b.say("in the older session", &a);
    a.start(&b);
    assert_ne!(a.sessions(&b)[0].id(), older);

    // A peer that goes on in the older one a minute later has not heard of the new one.
    let from = b.address.jid.clone();
    let (opened, changes) = receive(&a.store, &from, &in_older, NOW + 61).unwrap();
    a.store.apply(changes).unwrap();

    assert_eq!(*opened.body.unwrap(), b"in the older session");
    assert_eq!(a.sessions(&b)[0].id(), older);
    assert_refused!(a.refuses(&b, &in_older), ReceiveError::AlreadyReceived);
}

#[test]
fn a_fresh_key_exchange_replaces_a_broken_session_on_both_sides() {
    let (mut a, mut b) = Device::acquainted();
    // b loses its sessions, as after a restored backup
    let removed_sessions = b
        .sessions(&a)
        .iter()
        .map(|it| (a.address.clone(), it.id()))
        .collect();
    b.store
        .apply(Changes {
            removed_sessions,
            ..Changes::default()
        })
        .unwrap();
    let unreadable = a.say("lost", &b);
    assert_refused!(b.refuses(&a, &unreadable), ReceiveError::NoSession);

    b.start(&a);
    let repair = b.send(None, &[&a.address]);
    let (opened, changes) = a.try_hear(&b, &repair).unwrap();
    a.store.apply(changes).unwrap();

    assert!(opened.key_exchange && opened.body.is_none());
    let envelope = a.say("readable again", &b);
    b.hear("readable again", &a, &envelope);
}

#[test]
fn what_was_on_its_way_when_we_began_anew_does_not_bring_the_old_session_back() {
    let (mut a, mut b) = Device::acquainted();
    let late = a.say("on its way", &b);
    b.start(&a);
    let began = b.sessions(&a)[0].id();

    b.hear("on its way", &a, &late);
    assert_eq!(b.sessions(&a)[0].id(), began);

    // a uses what b began; then b's place is as the peer has it.
    let repair = b.say("anew", &a);
    a.hear("anew", &b, &repair);
    let answer = a.say("in the new one", &b);
    b.hear("in the new one", &a, &answer);
    assert_eq!(b.sessions(&a)[0].id(), began);
}

#[test]
fn no_more_than_ten_sessions_with_a_device_are_kept() {
    let (mut a, b) = Device::pair();
    for _ in 0..25 {
        a.start(&b);
    }

    let sessions = a.sessions(&b);

    assert_eq!(sessions.len(), MAX_SESSIONS);
    assert_eq!(sessions[0].rank(), 24);
}

#[test]
fn another_identity_key_under_a_known_device_id_is_refused_and_said_so() {
    let (mut a, mut b) = Device::acquainted();
    let mut impostor = Device::new("a@example", 66);
    impostor.address = a.address.clone();
    impostor.start(&b);
    let mut envelope = impostor.say("it is me", &b);
    envelope.sender = a.address.device;

    assert_refused!(
        b.refuses(&impostor, &envelope),
        ReceiveError::IdentityChanged
    );
    let started =
        start_session(&b.store, &a.address, &impostor.bundle(), &mut b.rng, NOW).map(drop);
    assert!(matches!(started, Err(StartError::IdentityChanged)));
    let envelope = a.say("it is really me", &b);
    b.hear("it is really me", &a, &envelope);
}

#[test]
fn a_new_device_is_recorded_undecided_and_trust_is_told_with_each_message() {
    let (mut a, mut b) = Device::pair();
    a.start(&b);
    let [one, two] = ["one", "two"].map(|it| a.say(it, &b));

    let first = b.hear("one", &a, &one);
    assert!(first.is_new_device);
    assert_eq!(first.trust, Trust::Undecided);
    assert_eq!(b.knows(&a).identity, first.identity);
    assert_eq!(
        first.identity,
        a.store.own_device().unwrap().unwrap().identity()
    );
    let changes = set_trust(&b.store, &a.address, &first.identity, Trust::Pinned).unwrap();
    b.store.apply(changes).unwrap();

    let second = b.hear("two", &a, &two);
    assert!(!second.is_new_device);
    assert_eq!(second.trust, Trust::Pinned);
    assert_eq!(second.from, a.address);
}

#[test]
fn trust_is_set_only_on_a_known_device_with_the_key_that_was_seen() {
    let (mut a, b) = Device::pair();
    let own = a.store.own_device().unwrap().unwrap().identity();
    let unknown = set_trust(&a.store, &b.address, &own, Trust::Pinned).map(drop);
    assert!(matches!(unknown, Err(TrustError::UnknownDevice)));

    a.start(&b);

    let other = set_trust(&a.store, &b.address, &own, Trust::Pinned).map(drop);
    assert!(matches!(other, Err(TrustError::IdentityChanged)));
}

#[test]
fn a_revoked_device_gets_no_key_and_no_session() {
    let (mut a, b) = Device::acquainted();
    let identity = a.knows(&b).identity;
    let changes = set_trust(&a.store, &b.address, &identity, Trust::Revoked).unwrap();
    a.store.apply(changes).unwrap();
    let recipients = [b.address.clone()];

    let sent = encrypt(&a.store, NS, &recipients, Some(b"x"), &mut a.rng, NOW).map(drop);
    let started = start_session(&a.store, &b.address, &b.bundle(), &mut a.rng, NOW).map(drop);

    assert!(matches!(sent, Err(EncryptError::Revoked { addresses }) if addresses == recipients));
    assert!(matches!(started, Err(StartError::Revoked)));
}

#[test]
fn devices_without_session_are_named_and_nobody_gets_anything() {
    let (mut a, b) = Device::acquainted();
    let c = Device::new("c@example", 3);
    let before = a.sessions(&b)[0].to_bytes();

    let recipients = [b.address.clone(), c.address.clone()];
    let sent = encrypt(&a.store, NS, &recipients, Some(b"x"), &mut a.rng, NOW).map(drop);
    let nobody = encrypt(&a.store, NS, &[], Some(b"x"), &mut a.rng, NOW).map(drop);

    assert!(matches!(sent, Err(EncryptError::NoSession { addresses }) if addresses == [c.address]));
    assert!(matches!(nobody, Err(EncryptError::NoRecipient)));
    assert_eq!(a.sessions(&b)[0].to_bytes(), before);
}

#[test]
fn one_envelope_serves_several_devices_even_if_one_is_named_twice() {
    let (mut a, mut b) = Device::acquainted();
    let mut c = Device::new("c@example", 3);
    a.start(&c);

    let envelope = a.send(Some(b"for all"), &[&b.address, &c.address, &b.address]);

    assert_eq!(envelope.keys.len(), 2);
    b.hear("for all", &a, &envelope);
    c.hear("for all", &a, &envelope);
    let next = a.say("next", &b);
    b.hear("next", &a, &next);
}

#[test]
fn an_envelope_for_others_is_not_for_us() {
    let (mut a, b) = Device::acquainted();
    let c = Device::new("c@example", 3);
    let envelope = a.say("x", &b);

    assert_refused!(c.refuses(&a, &envelope), ReceiveError::NotForUs);
}

#[test]
fn a_key_for_another_accounts_device_of_our_number_does_not_hide_ours() {
    let (mut a, mut b) = Device::acquainted();
    let mut envelope = a.say("x", &b);
    let mut stranger = envelope.keys[0].clone();
    stranger.data[40] ^= 1;
    envelope.keys.insert(0, stranger);

    b.hear("x", &a, &envelope);
}

#[test]
fn every_flipped_bit_is_refused_and_the_honest_twin_is_accepted() {
    let (mut a, mut b) = Device::acquainted();
    let real = a.say("one bit", &b);
    let mut forged = Vec::new();
    for bit in 0..8 * real.keys[0].data.len() {
        let mut envelope = real.clone();
        envelope.keys[0].data[bit / 8] ^= 1 << (bit % 8);
        forged.push(envelope);
    }
    for bit in 0..8 * real.payload.as_ref().unwrap().len() {
        let mut envelope = real.clone();
        envelope.payload.as_mut().unwrap()[bit / 8] ^= 1 << (bit % 8);
        forged.push(envelope);
    }
    for bit in 0..8 * real.iv.len() {
        let mut envelope = real.clone();
        envelope.iv[bit / 8] ^= 1 << (bit % 8);
        forged.push(envelope);
    }

    for envelope in &forged {
        assert!(b.try_hear(&a, envelope).is_err());
    }
    b.hear("one bit", &a, &real);
}

#[test]
fn the_sender_cannot_be_exchanged_for_another_contact() {
    let (mut a, mut b) = Device::acquainted();
    let mut c = Device::new("c@example", 3);
    c.start(&b);
    let hello = c.say("hello", &b);
    b.hear("hello", &c, &hello);
    let mut from_c = c.say("from c", &b);
    from_c.sender = a.address.device;

    assert_refused!(b.refuses(&a, &from_c), ReceiveError::IdentityChanged);
    let mut plain = a.say("from a", &b);
    let real = plain.clone();
    plain.sender = c.address.device;
    assert_refused!(b.refuses(&c, &plain), ReceiveError::NotAuthentic);
    b.hear("from a", &a, &real);
}

#[test]
fn a_key_element_of_any_bytes_is_refused_without_harm() {
    let (mut a, b) = Device::acquainted();
    let real = a.say("x", &b);
    for data in [vec![], vec![0x33], vec![0x33; 500], vec![0xFF; 80]] {
        for key_exchange in [false, true] {
            let mut envelope = real.clone();
            envelope.keys[0].data.clone_from(&data);
            envelope.keys[0].key_exchange = key_exchange;
            assert_refused!(b.refuses(&a, &envelope), ReceiveError::Malformed);
        }
    }
    assert!(b.try_hear(&a, &real).is_ok());
}

#[test]
fn an_exchange_with_weak_keys_is_not_authentic() {
    let (mut a, b) = Device::pair();
    a.start(&b);
    let real = a.say("x", &b);
    let profile = NS.profile();
    let Ok(wire::Parsed::Exchange(exchange)) = wire::parse(profile, &real.keys[0].data, true)
    else {
        panic!("a key exchange")
    };
    let inner = [exchange.message.authenticated, exchange.message.mac].concat();
    let zero = crate::key::PublicKey([0; 32]);
    let nobody = wire::Shown {
        key: zero,
        is_negative: false,
    };
    for (base_key, identity) in [(&zero, exchange.identity), (&exchange.base_key, nobody)] {
        let head = wire::ExchangeHead {
            prekey_id: exchange.prekey_id.unwrap(),
            signed_prekey_id: 1,
            base_key,
            identity,
            registration_id: 0,
        };
        let mut envelope = real.clone();
        envelope.keys[0].data = wire::write_exchange(profile, &head, &inner);
        assert_refused!(b.refuses(&a, &envelope), ReceiveError::NotAuthentic);
    }
}

#[test]
fn an_empty_message_has_no_body_and_an_empty_body_is_one() {
    let (mut a, mut b) = Device::acquainted();

    let none = a.send(None, &[&b.address]);
    let empty = a.send(Some(b""), &[&b.address]);

    assert!(none.payload.is_none());
    let (opened, changes) = b.try_hear(&a, &none).unwrap();
    b.store.apply(changes).unwrap();
    assert!(opened.body.is_none());
    b.hear("", &a, &empty);
}

#[test]
fn no_two_messages_have_the_same_id() {
    let (mut a, mut b) = Device::acquainted();
    let mut seen = std::collections::HashSet::new();

    for number in 0..30 {
        let (from, to) = if number % 4 == 0 {
            (&mut b, &mut a)
        } else {
            (&mut a, &mut b)
        };
        let envelope = from.say("x", to);
        let opened = to.hear("x", from, &envelope);
        assert!(seen.insert(opened.id));
    }
}

#[test]
fn prekeys_are_filled_up_below_eighty_with_ids_never_used_before() {
    let mut a = Device::new("a@example", 1);
    let use_up = |a: &mut Device, removed_prekeys: Vec<u32>| {
        a.store
            .apply(Changes {
                removed_prekeys,
                ..Changes::default()
            })
            .unwrap();
    };
    use_up(&mut a, (1..=20).collect());
    assert_eq!(prekeys_missing(&a.store), Ok(20));
    assert!(refill(&a.store, &mut a.rng, NOW).unwrap().is_none());

    use_up(&mut a, vec![100]);
    let changes = refill(&a.store, &mut a.rng, NOW).unwrap().unwrap();
    a.store.apply(changes).unwrap();

    assert_eq!(prekeys_missing(&a.store), Ok(0));
    let ids: Vec<_> = a
        .store
        .prekeys()
        .unwrap()
        .iter()
        .map(|it| it.id())
        .collect();
    assert_eq!(ids, (21..=99).chain(101..=121).collect::<Vec<_>>());
}

#[test]
fn nothing_works_before_enrolment() {
    let empty = MemoryStore::new();
    let (mut a, b) = Device::acquainted();
    let envelope = a.say("x", &b);
    let mut rng = FixedRng::new(1);

    assert_eq!(own_bundle(&empty, NS), Ok(None));
    let heard = receive(&empty, "a@example", &envelope, NOW).map(|_| ());
    assert!(matches!(heard, Err(ReceiveError::NotEnrolled)));
    let said = encrypt(
        &empty,
        NS,
        std::slice::from_ref(&b.address),
        None,
        &mut rng,
        NOW,
    )
    .map(drop);
    assert!(matches!(said, Err(EncryptError::NotEnrolled)));
    let started = start_session(&empty, &b.address, &b.bundle(), &mut rng, NOW).map(drop);
    assert!(matches!(started, Err(StartError::NotEnrolled)));
}

#[test]
fn a_device_list_marks_devices_and_names_the_unknown_ones() {
    let (mut a, b) = Device::acquainted();
    let apply = |a: &mut Device, devices: Vec<DeviceId>| {
        let list = DeviceList { devices };
        let (unknown, changes) = update_device_list(&a.store, NS, "b@example", &list).unwrap();
        a.store.apply(changes).unwrap();
        unknown
    };

    assert_eq!(
        apply(&mut a, vec![DeviceId(9), DeviceId(8), DeviceId(9)]),
        [DeviceId(8), DeviceId(9)]
    );
    assert!(!a.knows(&b).active.contains(NS));
    assert_eq!(apply(&mut a, vec![b.address.device]), []);
    assert!(a.knows(&b).active.contains(NS));
}

#[test]
fn clean_text_is_read_and_anything_else_is_refused_whole() {
    assert_eq!(
        text("get 7\n\tgrüße 📷".as_bytes()),
        Ok("get 7\n\tgrüße 📷")
    );
    assert_eq!(text(b""), Ok(""));
    for bad in [
        &b"get 7\0"[..],
        b"get\r\n",
        b"\x1b[31m",
        b"\x7f",
        b"\xff",
        b"\xc3",
        "\u{85}".as_bytes(),
    ] {
        assert_eq!(text(bad), Err(NotText), "{bad:?}");
    }
}

// behind the macro that it uses
mod life;
