//! Messages as others write them, and bytes that nobody should write.

use proptest::prelude::*;

use super::*;
use crate::{IdentityKey, Namespace};

fn legacy() -> &'static Profile {
    Namespace::Legacy.profile()
}

fn shown(key: [u8; 32]) -> Shown {
    Shown {
        key: PublicKey(key),
        is_negative: false,
    }
}

fn a_message() -> Vec<u8> {
    let mut data = write_message(legacy(), &PublicKey([9; 32]), 300, 7, b"ciphertext......");
    data.extend([0xEE; 8]);
    data
}

fn an_exchange() -> Vec<u8> {
    let head = ExchangeHead {
        prekey_id: 1,
        signed_prekey_id: 0x00FF_FFFF,
        base_key: &PublicKey([1; 32]),
        identity: shown([2; 32]),
        registration_id: u32::MAX,
    };
    write_exchange(legacy(), &head, &a_message())
}

fn message(data: &[u8]) -> Message<'_> {
    match parse(legacy(), data, false) {
        Ok(Parsed::Message(message)) => message,
        other => panic!("{other:?}"),
    }
}

fn exchange(data: &[u8]) -> Exchange<'_> {
    match parse(legacy(), data, true) {
        Ok(Parsed::Exchange(exchange)) => exchange,
        other => panic!("{other:?}"),
    }
}

/// The bytes without the version byte, so that fields can be put before and after them.
fn fields(data: &[u8]) -> &[u8] {
    &data[1..]
}

#[test]
fn a_message_is_read_back_and_its_mac_covers_all_before_it() {
    let data = a_message();

    let read = message(&data);

    assert_eq!(read.ratchet_key, PublicKey([9; 32]));
    assert_eq!((read.counter, read.previous), (300, 7));
    assert_eq!(read.ciphertext, b"ciphertext......");
    assert_eq!(read.authenticated, &data[..data.len() - 8]);
    assert_eq!(read.mac, [0xEE; 8]);
}

#[test]
fn an_exchange_is_read_back() {
    let data = an_exchange();

    let read = exchange(&data);

    assert_eq!(read.prekey_id, Some(1));
    assert_eq!(read.signed_prekey_id, 0x00FF_FFFF);
    assert_eq!(read.base_key, PublicKey([1; 32]));
    assert_eq!(read.identity, shown([2; 32]));
    assert_eq!(read.message.counter, 300);
}

#[test]
fn the_bytes_of_a_message_are_those_that_protobuf_makes() {
    let data = write_message(legacy(), &PublicKey([9; 32]), 300, 0, &[0xAB; 200]);

    let expected = format!(
        "330a2105{}10ac02180022c801{}",
        "09".repeat(32),
        "ab".repeat(200)
    );
    assert_eq!(hex::encode(data), expected);
}

#[test]
fn any_low_half_of_the_version_is_read_and_another_high_half_is_not() {
    for version in 0..=255 {
        let mut data = a_message();
        data[0] = version;
        assert_eq!(
            parse(legacy(), &data, false).is_ok(),
            version >> 4 == 3,
            "{version:#x}"
        );
        let mut data = an_exchange();
        data[0] = version;
        assert_eq!(
            parse(legacy(), &data, true).is_ok(),
            version >> 4 == 3,
            "{version:#x}"
        );
    }
}

#[test]
fn a_wrong_mark_does_not_hide_what_the_bytes_are() {
    assert!(matches!(
        parse(legacy(), &a_message(), true),
        Ok(Parsed::Message(_))
    ));
    assert!(matches!(
        parse(legacy(), &an_exchange(), false),
        Ok(Parsed::Exchange(_))
    ));
}

#[test]
fn registration_and_prekey_id_may_be_absent_and_unknown_fields_are_ignored() {
    let inner = a_message();
    let mut data = vec![0x33];
    put_u32(&mut data, 99, 5);
    put_varint(&mut data, (127 << 3) | 5);
    data.extend([1, 2, 3, 4]);
    put_varint(&mut data, (128 << 3) | 1);
    data.extend([0xFF; 8]);
    put_bytes(&mut data, 2, &encode_key(legacy(), &PublicKey([1; 32])));
    put_bytes(&mut data, 3, &[2; 32]);
    put_bytes(&mut data, 4, &inner);
    put_bytes(&mut data, 100, b"whatever");
    put_u32(&mut data, 6, 3);

    let read = exchange(&data);

    assert_eq!(read.prekey_id, None);
    assert_eq!(read.identity, shown([2; 32]));
    assert_eq!(read.signed_prekey_id, 3);
}

#[test]
fn of_a_repeated_field_the_last_counts() {
    let data = a_message();
    let (authenticated, mac) = data.split_at(data.len() - 8);
    let mut twice = vec![0x33];
    put_u32(&mut twice, 2, 1);
    twice.extend_from_slice(fields(authenticated));
    twice.extend_from_slice(mac);

    assert_eq!(message(&twice).counter, 300);
}

#[test]
fn numbers_and_lengths_out_of_range_are_malformed() {
    let cases: [&[u8]; 8] = [
        &[],
        &[0x33],
        &[0x33, 0x10],
        // a counter of more than 32 bits, and one of more than 64
        &[0x33, 0x10, 0xFF, 0xFF, 0xFF, 0xFF, 0x1F],
        &[
            0x33, 0x10, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01,
        ],
        // a length beyond the end, and one beyond all memory
        &[0x33, 0x0A, 0x22, 5],
        &[
            0x33, 0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F,
        ],
        // a group, which no message has
        &[0x33, 0x0B, 0x0C],
    ];

    for bytes in cases {
        let data = [bytes, &[0; 8]].concat();
        assert!(parse(legacy(), &data, false).is_err(), "{bytes:x?}");
        assert!(parse(legacy(), bytes, true).is_err(), "{bytes:x?}");
    }
}

#[test]
fn every_cut_message_is_malformed_or_has_another_mac() {
    let data = a_message();

    for length in 0..data.len() {
        if let Ok(Parsed::Message(cut)) = parse(legacy(), &data[..length], false) {
            assert_ne!(cut.mac, [0xEE; 8]);
        }
        assert!(parse(legacy(), &an_exchange()[..length], true).is_err());
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_parser_panic(
        data in prop::collection::vec(any::<u8>(), 0..300),
        mark in any::<bool>(),
    ) {
        let _ = parse(legacy(), &data, mark);
        let _ = parse(legacy(), &[&[0x33], data.as_slice()].concat(), mark);
    }

    #[test]
    fn no_altered_message_makes_the_parser_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        mark in any::<bool>(),
    ) {
        let mut data = an_exchange();
        for (place, byte) in changes {
            let place = place.index(data.len());
            data[place] = byte;
        }
        let _ = parse(legacy(), &data, mark);
    }

    #[test]
    fn whatever_is_written_is_read_back(
        key in any::<[u8; 32]>(),
        counter in any::<u32>(),
        previous in any::<u32>(),
        ciphertext in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let mut data = write_message(legacy(), &PublicKey(key), counter, previous, &ciphertext);
        data.extend([1; 8]);
        let read = message(&data);
        prop_assert_eq!(read.ratchet_key, PublicKey(key));
        prop_assert_eq!((read.counter, read.previous), (counter, previous));
        prop_assert_eq!(read.ciphertext, ciphertext.as_slice());
    }
}

fn omemo2() -> &'static Profile {
    Namespace::Omemo2.profile()
}

/// An identity key: the u coordinate of RFC 7748 6.1, and its two points on Ed25519.
fn identity(is_negative: bool) -> Shown {
    let digits = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a";
    let key = IdentityKey::from_fingerprint(digits).unwrap();
    Shown {
        key: key.public(),
        is_negative,
    }
}

#[test]
fn the_bytes_of_omemo2_are_those_that_protobuf_makes() {
    let profile = omemo2();
    let message = write_message(profile, &PublicKey([9; 32]), 300, 0, &[0xAB; 200]);
    let whole = write_authenticated(profile, message.clone(), &[0xEE; 16]);
    let head = ExchangeHead {
        prekey_id: 1,
        signed_prekey_id: 0x00FF_FFFF,
        base_key: &PublicKey([1; 32]),
        identity: identity(false),
        registration_id: 5,
    };
    let exchange = write_exchange(profile, &head, b"message");

    // XEP-0384 v0.9.1 15: n, pn, dh_pub, ciphertext; mac, message; pk_id, spk_id, ik, ek, message
    let expected = format!(
        "08ac0210001a20{}22c801{}",
        "09".repeat(32),
        "ab".repeat(200)
    );
    assert_eq!(hex::encode(&message), expected);
    let expected = format!("0a10{}12f201{expected}", "ee".repeat(16));
    assert_eq!(hex::encode(whole), expected);
    let identity = hex::encode(encode_identity(profile, identity(false)));
    let expected = format!(
        "080110ffffff071a20{identity}2220{}2a07{}",
        "01".repeat(32),
        hex::encode("message")
    );
    assert_eq!(hex::encode(exchange), expected);
}

#[test]
fn in_omemo2_the_bytes_tell_a_message_from_an_exchange_whatever_the_mark_says() {
    let profile = omemo2();
    let message = write_message(profile, &PublicKey([9; 32]), 0, 0, b"ciphertext");
    let message = write_authenticated(profile, message, &[0xEE; 16]);
    let head = ExchangeHead {
        prekey_id: 1,
        signed_prekey_id: 2,
        base_key: &PublicKey([1; 32]),
        identity: identity(true),
        registration_id: 0,
    };
    let exchange = write_exchange(profile, &head, &message);

    assert_eq!((message[0], exchange[0]), (0x0A, 0x08));
    for mark in [true, false] {
        let Ok(Parsed::Message(read)) = parse(profile, &message, mark) else {
            panic!("a message")
        };
        assert_eq!((read.counter, read.previous), (0, 0));
        assert_eq!(
            (read.mac, read.ciphertext),
            (&[0xEE; 16][..], &b"ciphertext"[..])
        );
        let Ok(Parsed::Exchange(read)) = parse(profile, &exchange, mark) else {
            panic!("an exchange")
        };
        assert_eq!(read.identity, identity(true));
        assert_eq!((read.prekey_id, read.signed_prekey_id), (Some(1), 2));
    }
}

#[test]
fn an_identity_key_of_omemo2_is_a_point_on_ed25519_with_its_sign() {
    let profile = omemo2();
    for sign in [false, true] {
        let encoded = encode_identity(profile, identity(sign));

        assert_eq!(encoded.len(), 32);
        assert_eq!(encoded[31] >> 7 == 1, sign);
        assert_eq!(decode_identity(profile, &encoded), Ok(identity(sign)));
    }
    // y = 2 is on no point; and 33 bytes are none
    let mut none = [0; 32];
    none[0] = 2;
    assert_eq!(decode_identity(profile, &none), Err(Malformed));
    assert_eq!(decode_identity(profile, &[5; 33]), Err(Malformed));
}

proptest! {
    #[test]
    fn no_bytes_upset_the_reader_of_omemo2(data in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse(omemo2(), &data, false);
        let _ = parse(omemo2(), &data, true);
        let _ = decode_identity(omemo2(), &data);
    }
}
