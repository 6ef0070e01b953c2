//! What is different in `urn:xmpp:omemo:2`, and that one device speaks both namespaces.

use super::*;
use crate::Namespaces;

const NEW: Namespace = Namespace::Omemo2;

fn pair() -> (Device, Device) {
    let (mut a, mut b) = Device::pair();
    (a.namespace, b.namespace) = (NEW, NEW);
    (a, b)
}

/// Two devices of which both have answered.
fn acquainted() -> (Device, Device) {
    let (mut a, mut b) = pair();
    a.start(&b);
    let envelope = a.say("hello", &b);
    b.hear("hello", &a, &envelope);
    let envelope = b.say("hello back", &a);
    a.hear("hello back", &b, &envelope);
    (a, b)
}

#[test]
fn a_conversation_works_from_either_side_out_of_order_and_late() {
    for late in [true, false] {
        let (mut a, mut b) = acquainted();
        let before = ["1", "2", "3"].map(|it| a.say(it, &b));
        let turn = b.say("turn", &a);
        a.hear("turn", &b, &turn);
        let after = ["4", "5"].map(|it| a.say(it, &b));

        b.hear("5", &a, &after[1]);
        if late {
            b.hear("3", &a, &before[2]);
        }
        b.hear("1", &a, &before[0]);
        b.hear("4", &a, &after[0]);
        b.hear("2", &a, &before[1]);

        assert_refused!(b.refuses(&a, &before[0]), ReceiveError::AlreadyReceived);
    }
}

#[test]
fn an_exchange_needs_no_mark_and_ends_with_the_first_answer() {
    let (mut a, mut b) = pair();
    a.start(&b);
    let mut one = a.say("one", &b);
    assert!(one.keys[0].key_exchange);
    one.keys[0].key_exchange = false;

    assert!(b.hear("one", &a, &one).key_exchange);
    let mut answer = b.say("answer", &a);
    assert!(!answer.keys[0].key_exchange);
    answer.keys[0].key_exchange = true;
    assert!(!a.hear("answer", &b, &answer).key_exchange);

    let [first, second] = [one, a.say("two", &b)].map(|it| it.keys[0].data[0]);
    assert_eq!((first, second), (0x08, 0x0A));
}

#[test]
fn the_header_names_accounts_and_there_is_no_iv() {
    let (mut a, b) = acquainted();

    let new = a.say("x", &b);
    a.namespace = NS;
    a.start(&b_in(NS, &b));
    let old = a.say("x", &b);

    assert_eq!(new.keys[0].jid.as_deref(), Some("b@example"));
    assert!(new.iv.is_empty() && !old.iv.is_empty());
    assert_eq!(old.keys[0].jid, None);
}

/// A device of the same bundle that speaks in `namespace`.
fn b_in(namespace: Namespace, b: &Device) -> Device {
    let mut again = Device::new("b@example", 2);
    assert_eq!(again.address, b.address);
    again.namespace = namespace;
    again
}

#[test]
fn keys_for_another_account_are_passed_over() {
    let (mut a, b) = acquainted();
    let mut envelope = a.say("x", &b);
    let ours = envelope.keys[0].clone();
    envelope.keys[0].jid = Some("stranger@example".into());
    envelope.keys.push(ours);

    envelope.keep_only_for("b@example");

    assert_eq!(envelope.keys.len(), 1);
    assert_eq!(envelope.keys[0].jid.as_deref(), Some("b@example"));
    assert!(b.try_hear(&a, &envelope).is_ok());
    envelope.keep_only_for("c@example");
    assert_refused!(b.refuses(&a, &envelope), ReceiveError::NotForUs);
}

#[test]
fn an_empty_message_turns_the_ratchet_and_says_nothing() {
    let (mut a, mut b) = acquainted();

    let none = a.send(None, &[&b.address]);
    let (opened, changes) = b.try_hear(&a, &none).unwrap();
    b.store.apply(changes).unwrap();

    assert!(none.payload.is_none() && opened.body.is_none());
    let envelope = a.say("after it", &b);
    b.hear("after it", &a, &envelope);
}

#[test]
fn every_flipped_bit_is_refused_and_the_honest_twin_is_accepted() {
    let (mut a, mut b) = acquainted();
    let real = a.say("one bit", &b);

    for bit in 0..8 * real.keys[0].data.len() {
        let mut envelope = real.clone();
        envelope.keys[0].data[bit / 8] ^= 1 << (bit % 8);
        assert!(b.try_hear(&a, &envelope).is_err(), "key bit {bit}");
    }
    for bit in 0..8 * real.payload.as_ref().unwrap().len() {
        let mut envelope = real.clone();
        envelope.payload.as_mut().unwrap()[bit / 8] ^= 1 << (bit % 8);
        assert_refused!(b.refuses(&a, &envelope), ReceiveError::NotAuthentic);
    }
    b.hear("one bit", &a, &real);
}

#[test]
fn a_content_of_another_message_is_refused_with_this_ones_key() {
    let (mut a, mut b) = acquainted();
    let [one, two] = ["one", "two"].map(|it| a.say(it, &b));
    let mut mixed = one.clone();
    mixed.payload = two.payload.clone();

    assert_refused!(b.refuses(&a, &mixed), ReceiveError::NotAuthentic);
    b.hear("one", &a, &one);
}

#[test]
fn one_device_speaks_both_namespaces_with_one_identity_and_one_stock_of_prekeys() {
    let (mut a, mut b) = acquainted();
    (a.namespace, b.namespace) = (NS, NS);
    a.start(&b);
    let legacy = a.say("legacy", &b);
    let heard = b.hear("legacy", &a, &legacy);

    assert_eq!(heard.namespace, NS);
    assert!(!heard.is_new_device);
    assert_eq!(b.store.prekey_count().unwrap(), 98);
    let [old, new] = [NS, NEW].map(|it| own_bundle(&b.store, it).unwrap().unwrap());
    assert_eq!(old.identity(), new.identity());
    let ids = |bundle: &Bundle| bundle.prekeys.iter().map(|(id, _)| *id).collect::<Vec<_>>();
    assert_eq!(ids(&old), ids(&new));
    // and each has its own ratchet
    (a.namespace, b.namespace) = (NEW, NEW);
    let envelope = a.say("new", &b);
    assert_eq!(b.hear("new", &a, &envelope).namespace, NEW);
}

#[test]
fn an_exchange_of_one_namespace_starts_nothing_in_the_other() {
    let (mut a, b) = pair();
    a.start(&b);
    let mut envelope = a.say("x", &b);
    envelope.namespace = NS;

    assert!(b.try_hear(&a, &envelope).is_err());
    envelope.namespace = NEW;
    assert!(b.try_hear(&a, &envelope).is_ok());
}

#[test]
fn it_is_known_where_a_device_is_listed_and_what_it_last_wrote_in() {
    let (mut a, b) = acquainted();
    assert_eq!(a.knows(&b).active, Namespaces::from(NEW));
    assert_eq!(a.knows(&b).wrote_in, Some(NEW));

    for (namespace, devices, expected) in [
        (NS, vec![b.address.device], [true, true]),
        (NEW, vec![], [true, false]),
        (NS, vec![], [false, false]),
    ] {
        let list = DeviceList { devices };
        let (unknown, changes) =
            update_device_list(&a.store, namespace, "b@example", &list).unwrap();
        a.store.apply(changes).unwrap();

        assert!(unknown.is_empty());
        let active = a.knows(&b).active;
        assert_eq!([NS, NEW].map(|it| active.contains(it)), expected);
    }
}

#[test]
fn a_session_of_omemo2_is_read_back_byte_for_byte() {
    let (a, b) = acquainted();
    let session = a.sessions(&b).remove(0);

    let again = Session::from_bytes(&session.to_bytes()).unwrap();

    assert_eq!(again.to_bytes(), session.to_bytes());
    assert_eq!(again.namespace(), NEW);
    let bytes = session.to_bytes();
    for cut in 0..bytes.len() {
        assert!(Session::from_bytes(&bytes[..cut]).is_err(), "{cut}");
    }
}
