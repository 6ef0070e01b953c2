//! Bundles good and bad.

use super::*;
use crate::{MemoryStore, Store, machine, store::suite::FixedRng};

fn a_bundle() -> Bundle {
    let mut store = MemoryStore::new();
    store
        .apply(machine::enrol(&mut FixedRng::new(1), 0).1)
        .unwrap();
    machine::own_bundle(&store, Namespace::Legacy)
        .unwrap()
        .unwrap()
}

fn check(bundle: &Bundle) -> Result<Checked, BundleError> {
    bundle.check(&mut FixedRng::new(2))
}

#[test]
fn our_own_bundle_holds_and_has_a_hundred_prekeys() {
    let bundle = a_bundle();

    let checked = check(&bundle).unwrap();

    assert_eq!(bundle.prekeys.len(), 100);
    assert_eq!(bundle.identity(), Some(checked.identity));
    assert_eq!(bundle.identity_key.len(), 33);
    assert_eq!(bundle.identity_key[0], 0x05);
}

#[test]
fn another_signed_prekey_identity_or_signature_is_not_authentic() {
    let good = a_bundle();
    let other = {
        let mut store = MemoryStore::new();
        store
            .apply(machine::enrol(&mut FixedRng::new(7), 0).1)
            .unwrap();
        machine::own_bundle(&store, Namespace::Legacy)
            .unwrap()
            .unwrap()
    };
    let mut flipped = good.signed_prekey_signature.clone();
    flipped[20] ^= 1;

    for bad in [
        Bundle {
            signed_prekey: other.signed_prekey.clone(),
            ..good.clone()
        },
        Bundle {
            identity_key: other.identity_key.clone(),
            ..good.clone()
        },
        Bundle {
            signed_prekey_signature: flipped,
            ..good.clone()
        },
        Bundle {
            identity_key: vec![0; 32],
            ..good.clone()
        },
    ] {
        assert_eq!(check(&bad).err(), Some(BundleError::NotAuthentic));
    }
    assert!(check(&good).is_ok());
}

#[test]
fn a_signed_prekey_of_small_order_is_not_authentic_though_its_signature_holds() {
    let mut rng = FixedRng::new(1);
    let own = OwnDevice::random(&mut rng, 0);
    let bundle_of = |signed_prekey: Vec<u8>| {
        let signature = xeddsa::sign(&own.secret, &signed_prekey, &mut FixedRng::new(3));
        Bundle {
            identity_key: encode_key(Namespace::Legacy.profile(), &own.identity.public()),
            signed_prekey,
            signed_prekey_signature: signature.to_vec(),
            ..a_bundle()
        }
    };
    let weak = bundle_of([&[5_u8][..], &[0; 32]].concat());
    let honest = bundle_of(a_bundle().signed_prekey);

    assert_eq!(check(&weak).err(), Some(BundleError::NotAuthentic));
    assert!(check(&honest).is_ok());
}

#[test]
fn keys_and_signatures_of_other_lengths_are_malformed() {
    let good = a_bundle();
    let cut = |bytes: &[u8]| bytes[..bytes.len() - 1].to_vec();
    let mut wrong_prefix = good.identity_key.clone();
    wrong_prefix[0] = 6;

    for bad in [
        Bundle {
            signed_prekey: vec![],
            ..good.clone()
        },
        Bundle {
            signed_prekey_signature: cut(&good.signed_prekey_signature),
            ..good.clone()
        },
        Bundle {
            signed_prekey_signature: vec![0; 65],
            ..good.clone()
        },
        Bundle {
            identity_key: vec![5; 34],
            ..good.clone()
        },
        Bundle {
            identity_key: wrong_prefix,
            ..good.clone()
        },
    ] {
        assert_eq!(check(&bad).err(), Some(BundleError::Malformed));
    }
}

#[test]
fn one_bad_prekey_does_not_spoil_the_others_and_is_never_picked() {
    let mut bundle = a_bundle();
    bundle.prekeys.truncate(4);
    bundle.prekeys[0].1 = vec![];
    bundle.prekeys[1].1 = vec![0; 32];
    bundle.prekeys[2].1.push(0);

    for seed in 0..50 {
        let checked = bundle.check(&mut FixedRng::new(seed)).unwrap();
        assert_eq!(checked.prekey_id, bundle.prekeys[3].0);
    }
}

#[test]
fn a_bundle_without_usable_prekey_starts_nothing() {
    let none = Bundle {
        prekeys: vec![],
        ..a_bundle()
    };
    let bad = Bundle {
        prekeys: vec![(1, vec![0; 33]), (2, vec![0; 32])],
        ..a_bundle()
    };

    assert_eq!(check(&none).err(), Some(BundleError::NoPrekey));
    assert_eq!(check(&bad).err(), Some(BundleError::NoPrekey));
}

#[test]
fn the_prekey_is_picked_at_random() {
    let bundle = a_bundle();

    let picked: std::collections::BTreeSet<u32> = (0..200)
        .map(|seed| bundle.check(&mut FixedRng::new(seed)).unwrap().prekey_id)
        .collect();

    assert!(picked.len() > 60, "{}", picked.len());
}

#[test]
fn keys_without_their_prefix_are_read_too() {
    let good = a_bundle();
    let bare = Bundle {
        identity_key: good.identity_key[1..].to_vec(),
        signed_prekey: good.signed_prekey[1..].to_vec(),
        prekeys: vec![(1, good.prekeys[0].1[1..].to_vec())],
        ..good
    };

    assert!(check(&bare).is_ok());
}

#[test]
fn a_bundle_of_omemo2_shows_bare_keys_and_is_signed_over_them() {
    let mut store = MemoryStore::new();
    let (own, changes) = machine::enrol(&mut FixedRng::new(1), 0);
    store.apply(changes).unwrap();
    let bundle = || {
        machine::own_bundle(&store, Namespace::Omemo2)
            .unwrap()
            .unwrap()
    };

    let good = bundle();
    let checked = check(&good).unwrap();

    assert_eq!(good, bundle(), "published again it is the same");
    assert_eq!(checked.identity, own.identity());
    assert_eq!(good.identity(), Some(own.identity()));
    assert!(!checked.is_negative);
    let keys = good.prekeys.iter().map(|(_, key)| key);
    for key in keys.chain([&good.identity_key, &good.signed_prekey]) {
        assert_eq!(key.len(), 32);
    }
    // the other point of the same key has not signed it
    let mut other_point = good.clone();
    other_point.identity_key[31] ^= 0x80;
    let legacy = a_bundle();
    let other_encoding = Bundle {
        signed_prekey_signature: legacy.signed_prekey_signature.clone(),
        ..good.clone()
    };
    let other_form = Bundle {
        identity_key: legacy.identity_key[1..].to_vec(),
        ..good
    };
    for bad in [other_point, other_encoding] {
        assert_eq!(check(&bad).err(), Some(BundleError::NotAuthentic));
    }
    assert!(check(&other_form).is_err());
}
