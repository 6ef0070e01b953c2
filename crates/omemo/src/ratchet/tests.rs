//! Two ratchets, and a network that loses, delays, repeats and alters.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::{
    Namespace,
    encoding::{Reader, Writer},
    store::suite::FixedRng,
    wire::{Parsed, parse},
};

static_assertions::assert_not_impl_any!(Ratchet: Clone, PartialEq);

const ASSOCIATED: &[u8] = b"both identity keys";

fn legacy() -> &'static Profile {
    Namespace::Legacy.profile()
}

/// One side, as its machine would hold it: every step starts from the stored record.
struct Side {
    record: Vec<u8>,
    rng: FixedRng,
}

impl Side {
    fn pair() -> (Self, Self) {
        let mut rng = FixedRng::new(1);
        let root = || RootKey::copy_from(&[7; 32]);
        let signed_prekey = RatchetSecret::random(&mut rng);
        let starter = Ratchet::start(legacy(), &root(), &signed_prekey.public(), &mut rng).unwrap();
        let answerer = Ratchet::accept(root(), signed_prekey);
        (Self::keep(&starter, 2), Self::keep(&answerer, 3))
    }

    /// Two sides that have both sent and received.
    fn acquainted() -> (Self, Self) {
        let (mut a, mut b) = Self::pair();
        let hello = a.send(b"hello");
        b.open(&hello).unwrap();
        let answer = b.send(b"hello back");
        a.open(&answer).unwrap();
        (a, b)
    }

    fn keep(ratchet: &Ratchet, seed: u64) -> Self {
        let mut side = Self {
            record: Vec::new(),
            rng: FixedRng::new(seed),
        };
        side.save(ratchet);
        side
    }

    fn load(&self) -> Ratchet {
        let mut from = Reader::new(&self.record, 1).unwrap();
        let ratchet = Ratchet::read(&mut from).unwrap();
        from.finish().unwrap();
        ratchet
    }

    fn save(&mut self, ratchet: &Ratchet) {
        let mut out = Writer::new(1 + ratchet.record_bytes());
        out.u8(1);
        ratchet.write(&mut out);
        self.record = out.finish().to_vec();
        assert!(self.record.len() <= 1 + ratchet.record_bytes());
    }

    fn change(&mut self, change: impl FnOnce(&mut Ratchet)) {
        let mut ratchet = self.load();
        change(&mut ratchet);
        self.save(&ratchet);
    }

    fn send(&mut self, text: &[u8]) -> Vec<u8> {
        let (ratchet, message) = self
            .load()
            .encrypt(legacy(), ASSOCIATED, text, &mut self.rng)
            .unwrap();
        self.save(&ratchet);
        message
    }

    fn open(&mut self, data: &[u8]) -> Result<Vec<u8>, DecryptError> {
        let Ok(Parsed::Message(message)) = parse(legacy(), data, false) else {
            panic!("the message parses")
        };
        let (ratchet, text) = self.load().decrypt(legacy(), ASSOCIATED, &message)?;
        self.save(&ratchet);
        Ok(text.to_vec())
    }

    /// Each side sends `turns` times and the other reads it.
    fn turn_with(&mut self, other: &mut Self, turns: usize) {
        for _ in 0..turns {
            let message = self.send(b"turn");
            other.open(&message).unwrap();
            let message = other.send(b"turn");
            self.open(&message).unwrap();
        }
    }
}

/// Rewrites the head of a message, as a forger without the MAC key can.
fn with_head(data: &[u8], ratchet_key: Option<PublicKey>, counter: u32, previous: u32) -> Vec<u8> {
    let Ok(Parsed::Message(message)) = parse(legacy(), data, false) else {
        panic!("the message parses")
    };
    let key = ratchet_key.unwrap_or(message.ratchet_key);
    let mut forged = write_message(legacy(), &key, counter, previous, message.ciphertext);
    forged.extend_from_slice(message.mac);
    forged
}

#[test]
fn the_last_message_of_a_chain_opens_after_many_turns_from_a_strict_sender() {
    let (mut a, mut b) = Side::acquainted();
    let early = a.send(b"first");
    let late = a.send(b"the last photo before the answer");
    b.open(&early).unwrap();

    b.turn_with(&mut a, 20);

    assert_eq!(b.open(&late).unwrap(), b"the last photo before the answer");
    assert_eq!(b.open(&late), Err(DecryptError::AlreadyReceived));
}

#[test]
fn the_last_message_of_a_chain_opens_after_many_turns_from_a_sender_that_says_one_less() {
    let (mut a, mut b) = Side::acquainted();
    let early = a.send(b"first");
    let late = a.send(b"the last photo before the answer");
    b.open(&early).unwrap();

    for _ in 0..20 {
        let message = b.send(b"turn");
        a.open(&message).unwrap();
        a.change(|it| it.previous = it.previous.saturating_sub(1));
        let message = a.send(b"turn");
        b.open(&message).unwrap();
    }

    assert_eq!(b.open(&late).unwrap(), b"the last photo before the answer");
}

#[test]
fn we_announce_the_true_length_of_the_chain_before() {
    let (mut a, mut b) = Side::acquainted();
    for _ in 0..5 {
        let message = a.send(b"x");
        b.open(&message).unwrap();
    }
    b.turn_with(&mut a, 1);

    let message = a.send(b"x");

    let Ok(Parsed::Message(message)) = parse(legacy(), &message, false) else {
        panic!()
    };
    assert_eq!((message.counter, message.previous), (1, 5));
}

#[test]
fn chains_stay_open_for_five_turns_whatever_length_was_announced() {
    let (mut a, mut b) = Side::acquainted();
    let early = a.send(b"0");
    b.open(&early).unwrap();
    let late: Vec<_> = (1..4_u8).map(|it| a.send(&[it])).collect();

    for _ in 0..5 {
        let message = b.send(b"turn");
        a.open(&message).unwrap();
        a.change(|it| it.previous = 0);
        let message = a.send(b"turn");
        b.open(&message).unwrap();
    }

    for (number, message) in (1..4_u8).zip(&late) {
        assert_eq!(b.open(message).unwrap(), [number]);
    }
}

#[test]
fn a_length_out_of_bounds_derives_nothing_and_leaves_the_chain_open() {
    let (mut a, mut b) = Side::acquainted();
    let early = a.send(b"early");
    b.open(&early).unwrap();
    let late = a.send(b"late");
    let message = b.send(b"turn");
    a.open(&message).unwrap();
    a.change(|it| it.previous = u32::MAX);
    let message = a.send(b"turn");
    let kept = b.load().skipped.len();

    let begun = Instant::now();
    b.open(&message).unwrap();

    assert!(begun.elapsed() < Duration::from_millis(500));
    assert_eq!(b.load().skipped.len(), kept);
    assert_eq!(b.open(&late).unwrap(), b"late");
}

#[test]
fn the_highest_counters_are_refused_at_once_and_do_no_harm() {
    let (mut a, mut b) = Side::acquainted();
    let message = a.send(b"real");
    let new_key = RatchetSecret::random(&mut FixedRng::new(9)).public();
    let before = b.record.clone();

    let begun = Instant::now();
    for counter in [u32::MAX, u32::MAX - 1, 1 << 31, MAX_SKIP + 5] {
        for key in [None, Some(new_key)] {
            let forged = with_head(&message, key, counter, u32::MAX);
            assert_eq!(b.open(&forged), Err(DecryptError::TooFarAhead), "{counter}");
        }
    }

    assert!(
        begun.elapsed() < Duration::from_millis(100),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(b.record, before);
    assert_eq!(b.open(&message).unwrap(), b"real");
}

#[test]
fn a_thousand_messages_may_be_skipped_and_not_one_more() {
    let (mut a, mut b) = Side::acquainted();
    let first = a.send(b"first");
    let mut skipped: Vec<_> = (1..1001).map(|_| a.send(b"x")).collect();
    let last_allowed = a.send(b"allowed");
    skipped.push(last_allowed.clone());
    let refused = a.send(b"refused");

    // "first" opens a chain that b does not know yet, so that without it 1001 are skipped
    assert_eq!(b.open(&refused), Err(DecryptError::TooFarAhead));
    assert_eq!(b.open(&last_allowed), Err(DecryptError::TooFarAhead));
    b.open(&first).unwrap();
    assert_eq!(b.open(&last_allowed).unwrap(), b"allowed");
    assert_eq!(b.load().skipped.len(), 1000);
    assert_eq!(b.open(&refused).unwrap(), b"refused");
    for message in &skipped[..1000] {
        assert_eq!(b.open(message).unwrap(), b"x");
    }
}

#[test]
fn of_more_than_a_thousand_skipped_keys_the_oldest_go_first() {
    let (mut a, mut b) = Side::acquainted();
    let mut send_with_gap = |b: &mut Side, gap: usize| {
        let skipped: Vec<_> = (0..gap).map(|_| a.send(b"skipped")).collect();
        let message = a.send(b"seen");
        b.open(&message).unwrap();
        skipped
    };
    let oldest = send_with_gap(&mut b, 600);
    let newest = send_with_gap(&mut b, 600);

    assert_eq!(b.load().skipped.len(), 1000);
    assert!(oldest[..200].iter().all(|it| b.open(it).is_err()));
    assert!(oldest[200..].iter().all(|it| b.open(it).is_ok()));
    assert!(newest.iter().all(|it| b.open(it).is_ok()));
}

#[test]
fn keys_just_past_a_chains_end_do_not_pile_up() {
    let (mut a, mut b) = Side::acquainted();

    b.turn_with(&mut a, 200);

    assert_eq!(b.load().skipped.len(), MAX_PAST_END);
    assert!(b.record.len() < 6000, "{}", b.record.len());
}

#[test]
fn a_message_from_a_chain_long_closed_is_a_repetition_and_no_forgery() {
    let (mut a, mut b) = Side::acquainted();
    let message = a.send(b"x");
    b.open(&message).unwrap();

    b.turn_with(&mut a, 60);
    assert_eq!(b.open(&message), Err(DecryptError::AlreadyReceived));

    b.turn_with(&mut a, 60);
    assert_eq!(b.open(&message), Err(DecryptError::NotAuthentic));
}

#[test]
fn a_chain_longer_than_announced_stays_open_behind_five_others_and_no_longer() {
    for (turns, opens) in [(5, true), (6, false)] {
        let (mut a, mut b) = Side::acquainted();
        let first = a.send(b"first");
        b.open(&first).unwrap();
        let next = a.send(b"next");
        let late = a.send(b"late");
        a.change(|it| it.sending.as_mut().unwrap().next = 0);

        b.turn_with(&mut a, turns);

        assert_eq!(b.open(&late).is_ok(), opens, "behind {turns}");
        if !opens {
            // it never came, so it is no repetition
            assert_eq!(b.open(&next), Err(DecryptError::NotAuthentic));
        }
    }
}

#[test]
fn what_misses_at_the_end_of_a_long_chain_is_kept_up_to_a_thousand() {
    for (missing, kept) in [(500, true), (1001, false)] {
        let (mut a, mut b) = Side::acquainted();
        for _ in 0..600 {
            let message = a.send(b"read");
            b.open(&message).unwrap();
        }
        let late: Vec<_> = (0..missing).map(|_| a.send(b"late")).collect();

        b.turn_with(&mut a, 1);

        // besides, one key past the end of the first chain, and of this one if it is ended
        let expected = if kept { missing + 2 } else { 1 };
        assert_eq!(b.load().skipped.len(), expected);
        b.turn_with(&mut a, 6);
        assert_eq!(b.open(&late[0]).is_ok(), kept, "{missing} missing");
    }
}

#[test]
fn a_sender_that_says_one_less_is_understood_also_where_nothing_is_missing() {
    let (mut a, mut b) = Side::acquainted();
    for _ in 0..2 {
        let message = a.send(b"read");
        b.open(&message).unwrap();
    }
    a.change(|it| it.sending.as_mut().unwrap().next -= 1);

    b.turn_with(&mut a, 2);

    let message = a.send(b"after");
    assert_eq!(b.open(&message).unwrap(), b"after");
}

#[test]
fn a_chain_of_the_highest_length_is_followed_by_another() {
    let (mut a, mut b) = Side::acquainted();
    let message = a.send(b"x");
    b.open(&message).unwrap();
    b.change(|it| it.receiving.front_mut().unwrap().next = u32::MAX);
    a.change(|it| it.sending.as_mut().unwrap().next = u32::MAX);

    b.turn_with(&mut a, 1);

    let message = a.send(b"after");
    assert_eq!(b.open(&message).unwrap(), b"after");
}

#[test]
fn every_flipped_bit_is_refused_and_the_real_message_opens_after_it() {
    let (mut a, mut b) = Side::acquainted();
    let message = a.send(b"sixteen bytes...and more");
    let before = b.record.clone();

    for bit in 0..message.len() * 8 {
        let mut forged = message.clone();
        forged[bit / 8] ^= 1 << (bit % 8);
        if let Ok(Parsed::Message(_)) = parse(legacy(), &forged, false) {
            assert!(b.open(&forged).is_err(), "bit {bit}");
        }
    }

    assert_eq!(b.record, before);
    assert_eq!(b.open(&message).unwrap(), b"sixteen bytes...and more");
}

#[test]
fn a_ratchet_key_of_small_order_is_refused() {
    let (mut a, mut b) = Side::acquainted();
    let message = a.send(b"x");

    let forged = with_head(&message, Some(PublicKey([0; 32])), 0, 0);

    assert_eq!(b.open(&forged), Err(DecryptError::NotAuthentic));
    assert!(b.open(&message).is_ok());
}

#[test]
fn other_associated_data_is_refused() {
    let (mut a, b) = Side::acquainted();
    let data = a.send(b"x");
    let Ok(Parsed::Message(message)) = parse(legacy(), &data, false) else {
        panic!()
    };

    assert!(
        b.load()
            .decrypt(legacy(), b"someone else's", &message)
            .is_err()
    );
    assert!(b.load().decrypt(legacy(), ASSOCIATED, &message).is_ok());
}

#[test]
fn a_sending_chain_ends_before_its_counter_would_wrap() {
    let (mut a, _) = Side::acquainted();
    a.send(b"x");
    a.change(|it| it.sending.as_mut().unwrap().next = u32::MAX - 1);

    a.send(b"the last one");

    let refused = a
        .load()
        .encrypt(legacy(), ASSOCIATED, b"x", &mut FixedRng::new(1));
    assert_eq!(refused.err(), Some(Exhausted));
}

#[test]
fn who_has_not_heard_anything_yet_cannot_send_as_answerer() {
    let (_, b) = Side::pair();

    let refused = b
        .load()
        .encrypt(legacy(), ASSOCIATED, b"x", &mut FixedRng::new(1));

    assert_eq!(refused.err(), Some(Exhausted));
}

#[test]
fn debug_shows_no_byte_of_a_secret() {
    let (mut a, mut b) = Side::acquainted();
    a.send(b"skipped");
    let message = a.send(b"seen");
    b.open(&message).unwrap();
    let ratchet = b.load();

    let shown = format!("{ratchet:?}");

    let secrets = [
        ratchet.root.expose_to_cipher(),
        ratchet.own.expose_to_cipher(),
        ratchet.receiving[0].key.expose_to_cipher(),
        ratchet.skipped[0].key.expose_to_cipher(),
    ];
    for secret in secrets {
        assert!(!shown.contains(&hex::encode(&secret[..4])), "{shown}");
        assert!(
            !shown.contains(&format!("{:?}", &secret[..4]).replace(['[', ']'], "")),
            "{shown}"
        );
    }
}

#[derive(Debug, Clone)]
enum Act {
    Send {
        from_a: bool,
    },
    Deliver {
        to_b: bool,
        place: prop::sample::Index,
    },
    Lose {
        to_b: bool,
        place: prop::sample::Index,
    },
    Repeat {
        to_b: bool,
        place: prop::sample::Index,
    },
    Forge {
        to_b: bool,
        place: prop::sample::Index,
        bit: prop::sample::Index,
    },
}

fn act() -> impl Strategy<Value = Act> {
    let place = any::<prop::sample::Index>;
    prop_oneof![
        5 => any::<bool>().prop_map(|from_a| Act::Send { from_a }),
        5 => (any::<bool>(), place()).prop_map(|(to_b, place)| Act::Deliver { to_b, place }),
        1 => (any::<bool>(), place()).prop_map(|(to_b, place)| Act::Lose { to_b, place }),
        1 => (any::<bool>(), place()).prop_map(|(to_b, place)| Act::Repeat { to_b, place }),
        1 => (any::<bool>(), place(), place())
            .prop_map(|(to_b, place, bit)| Act::Forge { to_b, place, bit }),
    ]
}

#[derive(Default)]
struct Way {
    flying: Vec<(Vec<u8>, u32)>,
    arrived: Vec<Vec<u8>>,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_message_that_arrives_opens_once_and_nothing_else_does(
        acts in prop::collection::vec(act(), 1..200),
    ) {
        let (mut a, mut b) = Side::acquainted();
        let (mut to_a, mut to_b) = (Way::default(), Way::default());
        let mut number = 0_u32;
        for act in acts {
            match act {
                Act::Send { from_a } => {
                    number += 1;
                    let (side, way) = if from_a { (&mut a, &mut to_b) } else { (&mut b, &mut to_a) };
                    way.flying.push((side.send(&number.to_be_bytes()), number));
                }
                Act::Deliver { to_b: there, place } => {
                    let (side, way) = if there { (&mut b, &mut to_b) } else { (&mut a, &mut to_a) };
                    if way.flying.is_empty() { continue }
                    let (message, number) = way.flying.remove(place.index(way.flying.len()));
                    prop_assert_eq!(side.open(&message), Ok(number.to_be_bytes().to_vec()));
                    way.arrived.push(message);
                }
                Act::Lose { to_b: there, place } => {
                    let way = if there { &mut to_b } else { &mut to_a };
                    if way.flying.is_empty() { continue }
                    way.flying.remove(place.index(way.flying.len()));
                }
                Act::Repeat { to_b: there, place } => {
                    let (side, way) = if there { (&mut b, &mut to_b) } else { (&mut a, &mut to_a) };
                    if way.arrived.is_empty() { continue }
                    let message = place.get(&way.arrived);
                    prop_assert_eq!(side.open(message), Err(DecryptError::AlreadyReceived));
                }
                Act::Forge { to_b: there, place, bit } => {
                    let (side, way) = if there { (&mut b, &mut to_b) } else { (&mut a, &mut to_a) };
                    if way.flying.is_empty() { continue }
                    let mut message = place.get(&way.flying).0.clone();
                    let bit = bit.index(message.len() * 8);
                    message[bit / 8] ^= 1 << (bit % 8);
                    let before = side.record.clone();
                    if let Ok(Parsed::Message(_)) = parse(legacy(), &message, false) {
                        prop_assert!(side.open(&message).is_err());
                    }
                    prop_assert_eq!(&side.record, &before);
                }
            }
        }
        for (side, way) in [(&mut a, to_a), (&mut b, to_b)] {
            for (message, number) in way.flying {
                prop_assert_eq!(side.open(&message), Ok(number.to_be_bytes().to_vec()));
            }
        }
    }
}
