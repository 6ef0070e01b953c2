//! Messages that foreign libraries once sent to a device of ours still open, and no altered copy of
//! them does.
//!
//! Recorded by `STRONGROOM_RECORD=1 cargo test -p strongroom-omemo --features peers`; the device is
//! made from the fixed random numbers of seed 1.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use omemo::{
    DeviceId, Envelope, HeaderKey, MemoryStore, Namespace, ReceiveError, Store, machine,
    store::suite::FixedRng,
};
use serde_json::Value;

const NOW: u64 = 1_800_000_000;
const SENDER: &str = "phone@example.org";
const RECORDED: [(Namespace, &str); 3] = [
    (
        Namespace::Legacy,
        include_str!("vectors/from_oldmemo.jsonl"),
    ),
    (
        Namespace::Legacy,
        include_str!("vectors/from_omemo_dr.jsonl"),
    ),
    (
        Namespace::Omemo2,
        include_str!("vectors/from_twomemo.jsonl"),
    ),
];

#[test]
fn recorded_messages_of_foreign_libraries_open_in_any_order() {
    for (namespace, recorded) in RECORDED {
        let mut store = a_device();
        let mut messages: Vec<_> = recorded.lines().map(|it| read(namespace, it)).collect();
        assert_eq!(messages.len(), 4);
        messages.swap(0, 2);

        for (envelope, body) in &messages {
            let (opened, changes) = machine::receive(&store, SENDER, envelope, NOW).unwrap();
            store.apply(changes).unwrap();
            assert!(opened.key_exchange);
            assert_eq!(machine::text(&opened.body.unwrap()), Ok(body.as_str()));
        }

        for (envelope, _) in &messages {
            let again = machine::receive(&store, SENDER, envelope, NOW).map(drop);
            assert!(matches!(again, Err(ReceiveError::AlreadyReceived)));
        }
        assert_eq!(store.prekey_count(), Ok(99));
    }
}

#[test]
fn a_recorded_message_for_another_device_does_not_open() {
    for (namespace, recorded) in RECORDED {
        let mut other = MemoryStore::new();
        let (own, changes) = machine::enrol(&mut FixedRng::new(2), NOW);
        other.apply(changes).unwrap();
        let (mut envelope, _) = read(namespace, recorded.lines().next().unwrap());
        envelope.keys[0].device = own.device();

        let refused = machine::receive(&other, SENDER, &envelope, NOW).map(drop);

        assert!(matches!(refused, Err(ReceiveError::NotAuthentic)));
    }
}

#[test]
fn no_flipped_bit_of_a_recorded_message_opens_as_another_message() {
    for (namespace, recorded) in RECORDED {
        let store = a_device();
        let (real, body) = read(namespace, recorded.lines().next().unwrap());
        let mut refused = 0;
        for bit in 0..8 * real.keys[0].data.len() {
            let mut forged = real.clone();
            forged.keys[0].data[bit / 8] ^= 1 << (bit % 8);
            match machine::receive(&store, SENDER, &forged, NOW) {
                // the low half of the outer version and the registration id mean nothing
                Ok((opened, _)) => assert_eq!(machine::text(&opened.body.unwrap()), Ok(&*body)),
                Err(_) => refused += 1,
            }
        }
        assert!(refused > 8 * real.keys[0].data.len() - 64, "{refused}");
        assert!(machine::receive(&store, SENDER, &real, NOW).is_ok());
    }
}

fn a_device() -> MemoryStore {
    let mut store = MemoryStore::new();
    store
        .apply(machine::enrol(&mut FixedRng::new(1), NOW).1)
        .unwrap();
    store
}

fn read(namespace: Namespace, line: &str) -> (Envelope, String) {
    let message: Value = serde_json::from_str(line).unwrap();
    let bytes = |it: &Value| hex::decode(it.as_str().unwrap()).unwrap();
    let number = |it: &Value| DeviceId(it.as_u64().unwrap().try_into().unwrap());
    let envelope = Envelope {
        namespace,
        sender: number(&message["sid"]),
        keys: message["keys"]
            .as_array()
            .unwrap()
            .iter()
            .map(|key| HeaderKey {
                jid: key["jid"].as_str().map(str::to_owned),
                device: number(&key["rid"]),
                key_exchange: key["prekey"].as_bool().unwrap(),
                data: bytes(&key["data"]),
            })
            .collect(),
        iv: bytes(&message["iv"]),
        payload: Some(bytes(&message["payload"])),
    };
    (envelope, message["body"].as_str().unwrap().to_owned())
}
