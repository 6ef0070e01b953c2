//! Messages, bundles and records of the store, made by honest devices and then spoilt.

use omemo::{
    Address, Bundle, Envelope, KnownDevice, Namespace, Store, Trust, machine,
    store::suite::FixedRng,
};

use super::{Seeds, with};
use crate::targets::{
    messages::{lay_out, lay_out_bundle},
    world::{NOW, World},
};

pub(super) fn envelopes(seeds: &mut Seeds) {
    let mut world = World::make(Namespace::Legacy);
    let mut rng = FixedRng::new(5);
    let message = world.known.write(&world.us, Some("get last"), &mut rng);
    let later = world.known.write(&world.us, Some("status"), &mut rng);
    let empty = world.known.write(&world.us, None, &mut rng);
    let exchange = world.unknown.write(&world.us, Some("hello"), &mut rng);
    let mut add = |name: &str, from_known: bool, envelope: &Envelope| {
        seeds.add("envelope", name, lay_out(from_known, envelope));
    };
    add("accepted-message", true, &message);
    add("accepted-message--two-skipped-no-payload", true, &empty);
    add("accepted-exchange", false, &exchange);
    add(
        "accepted-exchange--not-marked",
        false,
        &with(&exchange, |it| it.keys[0].key_exchange = false),
    );
    add("refused-already-received", true, &world.first);
    add("refused-no-session", false, &later);
    add("refused-identity-changed", true, &exchange);
    let cut = |it: &mut Envelope| it.keys[0].data.truncate(30);
    add("refused-malformed--cut", true, &with(&message, cut));
    let newer = |it: &mut Envelope| it.keys[0].data[0] = 0x44;
    add(
        "refused-malformed--other-version",
        true,
        &with(&message, newer),
    );
    let no_iv = |it: &mut Envelope| it.iv.clear();
    add("refused-malformed--no-iv", true, &with(&message, no_iv));
    let flip_mac = |it: &mut Envelope| *it.keys[0].data.last_mut().expect("not empty") ^= 1;
    add(
        "refused-not-authentic--mac",
        true,
        &with(&message, flip_mac),
    );
    let flip_tag = |it: &mut Envelope| {
        let payload = it.payload.as_mut().expect("there is one");
        payload[0] ^= 1;
    };
    add(
        "refused-not-authentic--payload",
        true,
        &with(&message, flip_tag),
    );
    add(
        "refused-not-authentic--inside-an-exchange",
        false,
        &with(&exchange, flip_tag),
    );
    // version, ratchet key with tag and length, tag of the counter
    let far = |it: &mut Envelope| {
        let data = &mut it.keys[0].data;
        data.splice(37..38, [0xFF, 0xFF, 0xFF, 0xFF, 0x0F]);
    };
    add("refused-too-far-ahead", true, &with(&message, far));
    // version, tag of the prekey id
    let used_up = |it: &mut Envelope| {
        let data = &mut it.keys[0].data;
        data.splice(2..3, [0xFF, 0xFF, 0xFF, 0xFF, 0x0F]);
    };
    add("refused-unknown-prekey", false, &with(&exchange, used_up));
}

pub(super) fn envelopes_of_omemo2(seeds: &mut Seeds) {
    let mut world = World::make(Namespace::Omemo2);
    let mut rng = FixedRng::new(5);
    let message = world.known.write(&world.us, Some("get last"), &mut rng);
    let empty = world.known.write(&world.us, None, &mut rng);
    let exchange = world.unknown.write(&world.us, Some("hello"), &mut rng);
    let mut add = |name: &str, from_known: bool, envelope: &Envelope| {
        seeds.add("envelope", name, lay_out(from_known, envelope));
    };
    add("accepted-message--omemo2", true, &message);
    add("accepted-message--omemo2-no-payload", true, &empty);
    add("accepted-exchange--omemo2", false, &exchange);
    let unmark = |it: &mut Envelope| it.keys[0].key_exchange = false;
    let unmarked = with(&exchange, unmark);
    add("accepted-exchange--omemo2-not-marked", false, &unmarked);
    add("refused-already-received--omemo2", true, &world.first);
    let cut = |it: &mut Envelope| it.keys[0].data.truncate(30);
    add("refused-malformed--omemo2-cut", true, &with(&message, cut));
    // tag and length of the MAC, then the MAC
    let flip_mac = |it: &mut Envelope| it.keys[0].data[2] ^= 1;
    let forged = with(&message, flip_mac);
    add("refused-not-authentic--omemo2-mac", true, &forged);
    let of_legacy = |it: &mut Envelope| it.namespace = Namespace::Legacy;
    let confused = with(&message, of_legacy);
    add("refused-malformed--omemo2-as-legacy", true, &confused);
}

pub(super) fn bundles(seeds: &mut Seeds) {
    let world = World::make(Namespace::Legacy);
    let whole = machine::own_bundle(&world.unknown.store, Namespace::Legacy)
        .expect("memory does not fail")
        .expect("the phone is enrolled");
    let bundle = with(&whole, |it| it.prekeys.truncate(3));
    let mut add = |name: &str, bundle: &Bundle| {
        seeds.add("bundle", name, lay_out_bundle(bundle));
    };
    add("accepted-bundle", &bundle);
    let bare = |it: &mut Bundle| {
        it.identity_key.remove(0);
        it.signed_prekey.remove(0);
    };
    add("accepted-bundle--keys-without-prefix", &with(&bundle, bare));
    let spoilt = |it: &mut Bundle| it.prekeys[0].1.truncate(7);
    add("accepted-bundle--one-prekey-spoilt", &with(&bundle, spoilt));
    add("refused-no-prekey", &with(&bundle, |it| it.prekeys.clear()));
    let flip = |it: &mut Bundle| it.signed_prekey_signature[5] ^= 1;
    add("refused-not-authentic--signature", &with(&bundle, flip));
    let weak = |it: &mut Bundle| it.signed_prekey = vec![0; 32];
    add("refused-not-authentic--weak-key", &with(&bundle, weak));
    let cut = |it: &mut Bundle| it.identity_key.truncate(20);
    add("refused-malformed", &with(&bundle, cut));
    let whole = machine::own_bundle(&world.unknown.store, Namespace::Omemo2)
        .expect("memory does not fail")
        .expect("the phone is enrolled");
    let bundle = with(&whole, |it| it.prekeys.truncate(3));
    add("accepted-bundle-of-omemo2", &bundle);
    let other_point = |it: &mut Bundle| it.identity_key[31] ^= 0x80;
    let forged = with(&bundle, other_point);
    add("refused-not-authentic--omemo2-other-point", &forged);
}

pub(super) fn records(seeds: &mut Seeds) {
    let world = World::make(Namespace::Legacy);
    let store = &world.ours;
    let phone = &world.known.address;
    let own = store.own_device().expect("memory does not fail");
    let own = own.expect("we are enrolled").to_bytes();
    let prekeys = store.prekeys().expect("memory does not fail");
    let signed = store.signed_prekeys().expect("memory does not fail");
    let sessions = store.sessions(Namespace::Legacy, phone);
    let session = sessions.expect("memory does not fail")[0].to_bytes();
    let pending = world.unknown.store.sessions(Namespace::Legacy, &world.us);
    let pending = pending.expect("memory does not fail")[0].to_bytes();
    let known = known_device(store, phone);
    seeds.add("record", "accepted-own-device", own.as_slice());
    seeds.add(
        "record",
        "accepted-prekey",
        prekeys[0].to_bytes().as_slice(),
    );
    seeds.add(
        "record",
        "accepted-signed-prekey",
        signed[0].to_bytes().as_slice(),
    );
    seeds.add("record", "accepted-known-device", known);
    seeds.add("record", "accepted-session", session.as_slice());
    let world = World::make(Namespace::Omemo2);
    let sessions = world.ours.sessions(Namespace::Omemo2, &world.known.address);
    let of_omemo2 = sessions.expect("memory does not fail")[0].to_bytes();
    seeds.add("record", "accepted-session--omemo2", of_omemo2.as_slice());
    seeds.add(
        "record",
        "accepted-session--not-answered",
        pending.as_slice(),
    );
    seeds.add(
        "record",
        "accepted-session--with-skipped-keys",
        skipping_session(),
    );
    seeds.add(
        "record",
        "refused-damaged--cut",
        &session[..session.len() - 1],
    );
    seeds.add(
        "record",
        "refused-damaged--longer",
        [session.as_slice(), &[0]].concat(),
    );
    let other_version = with(&own, |it| it[0] = 9);
    seeds.add(
        "record",
        "refused-damaged--other-version",
        other_version.as_slice(),
    );
}

fn known_device(store: &impl Store, phone: &Address) -> Vec<u8> {
    let known = store.known_device(phone).ok().flatten();
    let known = known.expect("the phone wrote to us");
    KnownDevice {
        trust: Trust::Pinned,
        ..known
    }
    .to_bytes()
}

/// A session that has received the third message of a chain, but not the first two.
fn skipping_session() -> Vec<u8> {
    let mut world = World::make(Namespace::Legacy);
    let mut rng = FixedRng::new(6);
    for _ in 0..2 {
        world.known.write(&world.us, None, &mut rng);
    }
    let third = world.known.write(&world.us, None, &mut rng);
    let (_, changes) = machine::receive(&world.ours, &world.known.address.jid, &third, NOW)
        .expect("an honest message opens");
    changes.sessions[0].1.to_bytes().to_vec()
}
