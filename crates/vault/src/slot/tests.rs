use super::*;
use crate::testing::{TestRng, noon};

const VAULT: VaultId = VaultId::from_bytes([6; 16]);

fn pair(byte: u8) -> KeyPair {
    crate::SlotSecret::init_with(|bytes| bytes.fill(byte)).key_pair()
}

fn record(byte: u8) -> Vec<u8> {
    let label = SlotLabel {
        kind: SlotKind::Words,
        name: "Anna's stick".to_owned(),
        created_at: Some(noon()),
    };
    let secret = EpochSecret::init_with(|bytes| bytes.fill(9));
    let public = pair(byte).public();
    SlotRecord::seal(&VAULT, 4, &secret, public, &label, &mut TestRng::new(2))
        .unwrap()
        .to_bytes()
}

#[test]
fn a_slot_record_opens_with_its_own_slot_secret_only() {
    let bytes = record(1);
    let read = SlotRecord::parse(&bytes).unwrap();

    let secret = read.open(&pair(1)).unwrap();

    assert_eq!(bytes.len(), SLOT_RECORD_BYTES);
    assert_eq!(secret.expose_to_cipher(), &[9; 32]);
    assert_eq!(read.label(&secret).unwrap().name, "Anna's stick");
    assert_eq!(read.label(&secret).unwrap().created_at, Some(noon()));
    assert!(read.open(&pair(2)).is_err());
}

#[test]
fn the_name_of_a_slot_cannot_be_read_on_the_drive() {
    let bytes = record(1);

    assert!(!bytes.windows(4).any(|window| window == b"Anna"));
}

#[test]
fn any_flipped_byte_of_a_slot_record_is_noticed() {
    let bytes = record(1);

    for place in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[place] ^= 1 << (place % 8);
        let opened = SlotRecord::parse(&flipped).is_ok_and(|it| it.open(&pair(1)).is_ok());
        assert!(!opened, "byte {place}");
    }
}

#[test]
fn a_slot_record_of_another_length_or_version_is_refused() {
    let bytes = record(1);
    let mut newer = bytes.clone();
    newer[9] = 5;

    for length in 0..bytes.len() {
        assert_eq!(
            SlotRecord::parse(&bytes[..length]).err(),
            Some(SlotError::Damaged)
        );
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert_eq!(SlotRecord::parse(&longer).err(), Some(SlotError::Damaged));
    assert_eq!(
        SlotRecord::parse(&newer).err(),
        Some(SlotError::TooNew { found: 5 })
    );
    assert!(SlotRecord::parse(&bytes).is_ok());
}

#[test]
fn a_long_slot_name_is_cut_between_characters() {
    let label = SlotLabel {
        kind: SlotKind::Words,
        name: "ö".repeat(80),
        created_at: None,
    };

    let read = SlotLabel::parse(&label.to_bytes()).unwrap();

    assert_eq!(read.name, "ö".repeat(31));
}
