//! Two parties, a network that does as a script says, and a reference that knows which message must
//! be readable.
//!
//! The reference keeps no keys and knows no ratchet: it keeps count of who sent what in which session
//! and what was read of it, and of which prekeys were used. The script is bytes, so that a
//! fuzzer can write it. It panics where the crate breaks a promise.

#![allow(
    dead_code,
    reason = "the fuzz target gives nobody a defect and adds nothing up"
)]

use std::collections::{BTreeSet, HashMap, HashSet};

use omemo::{
    Address, Bundle, Changes, EncryptError, Envelope, MemoryStore, MessageId, Namespace, Opened,
    ReceiveError, SessionId, Store, machine, store::suite::FixedRng,
};

/// When everything begins.
const BEGIN: u64 = 1_800_000_000;
const DAY: u64 = 24 * 60 * 60;
/// How many messages of a session and direction may be missing, so that each must still be readable.
const SURELY_KEPT: usize = 900;
/// How old a bundle may be so that its signed prekey is surely still there, and is surely gone.
const SURELY_HELD: u64 = 23 * DAY;
const SURELY_FORGOTTEN: u64 = 30 * DAY;
/// How many sessions are begun in a namespace before the end; ten are kept, two begin at the end.
const MOST_SESSIONS: usize = 8;
/// How many ratchet keys of the other side are surely remembered.
const REMEMBERED_CHAINS: usize = 64;
/// How long a script may go on.
const MOST_ACTS: usize = 400;
const MOST_MESSAGES: u64 = 3000;

/// A defect that a party may be given, to see that the reference notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defect {
    /// None: the crate as it is.
    None,
    /// What was changed by sending is not saved.
    ForgetsWhatItSent,
    /// What was changed by reading is not saved.
    ForgetsWhatItRead,
    /// Prekeys that were used are kept.
    KeepsPrekeys,
}

/// What came of a script, in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Messages sent.
    pub sent: u64,
    /// Messages read, each once.
    pub read: u64,
    /// Repetitions refused.
    pub repeated: u64,
    /// Altered, spliced and reflected messages refused.
    pub forged: u64,
    /// Steps that were cut short before they were saved.
    pub crashed: u64,
    /// Messages lost on the way.
    pub lost: u64,
    /// Messages refused as they must be: their prekey was used up or forgotten.
    pub too_late: u64,
    /// Messages of which more were missing than are kept.
    pub uncertain: u64,
    /// Sessions begun.
    pub begun: u64,
}

impl Tally {
    /// Adds another script's numbers.
    pub fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.read += other.read;
        self.repeated += other.repeated;
        self.forged += other.forged;
        self.crashed += other.crashed;
        self.lost += other.lost;
        self.too_late += other.too_late;
        self.uncertain += other.uncertain;
        self.begun += other.begun;
    }
}

/// Runs a script.
///
/// # Panics
/// When a message that must be readable is not, or one that must not be is.
pub fn run(script: &[u8]) -> Tally {
    run_with(script, Defect::None)
}

/// Runs a script with a defect.
///
/// # Panics
/// As [`run`]; with a defect it should.
pub fn run_with(script: &[u8], defect: Defect) -> Tally {
    let mut scene = Scene::new(defect);
    let mut script = script.iter().copied();
    for _ in 0..MOST_ACTS {
        let (Some(act), Some(how)) = (script.next(), script.next()) else {
            break;
        };
        let more = [script.next(), script.next()].map(Option::unwrap_or_default);
        scene.act(act, how, more);
    }
    scene.end();
    scene.tally
}

/// Which of the two.
type Side = usize;

/// A session as the reference names it.
type Key = (Namespace, SessionId);

#[derive(Clone)]
struct Sent {
    number: u64,
    session: Key,
    body: Option<Vec<u8>>,
    envelope: Envelope,
}

/// How a session was begun.
struct Begun {
    by: Side,
    prekey: u32,
    bundle_from: u64,
}

/// What the reference expects of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    Opens,
    IsRepeated,
    IsTooLate,
    Either,
}

struct Party {
    store: MemoryStore,
    address: Address,
    rng: FixedRng,
    /// The bundle that the server shows again when it does not show a fresh one.
    shown: HashMap<Namespace, (Bundle, u64)>,
    given: HashSet<u32>,
    spent: HashSet<u32>,
    set_aside: HashSet<u32>,
    is_catching_up: bool,
    holds: HashSet<Key>,
    read: BTreeSet<u64>,
    ids: HashSet<(Namespace, MessageId)>,
    /// On their way to this party.
    flying: Vec<Sent>,
    arrived: Vec<Sent>,
    /// Sent to this party in a session, and read of it.
    counts: HashMap<Key, (usize, usize)>,
    overflowed: HashSet<Key>,
}

struct Scene {
    parties: [Party; 2],
    begun: HashMap<Key, Begun>,
    now: u64,
    next: u64,
    defect: Defect,
    tally: Tally,
}

fn party(jid: &str, seed: u64) -> Party {
    let mut rng = FixedRng::new(seed);
    let mut store = MemoryStore::new();
    let (own, changes) = machine::enrol(&mut rng, BEGIN);
    store.apply(changes).expect("memory does not fail");
    Party {
        store,
        address: Address::new(jid, own.device()),
        rng,
        shown: HashMap::new(),
        given: HashSet::new(),
        spent: HashSet::new(),
        set_aside: HashSet::new(),
        is_catching_up: false,
        holds: HashSet::new(),
        read: BTreeSet::new(),
        ids: HashSet::new(),
        flying: Vec::new(),
        arrived: Vec::new(),
        counts: HashMap::new(),
        overflowed: HashSet::new(),
    }
}

impl Scene {
    fn new(defect: Defect) -> Self {
        Self {
            parties: [party("a@example.org", 1), party("b@example.org", 2)],
            begun: HashMap::new(),
            now: BEGIN,
            next: 0,
            defect,
            tally: Tally::default(),
        }
    }

    fn act(&mut self, act: u8, how: u8, more: [u8; 2]) {
        let side = usize::from(how & 1);
        let namespace = Namespace::ALL[usize::from(how >> 1 & 1)];
        let place = usize::from(how >> 1);
        match act & 31 {
            0..=9 => self.say(side, namespace, how & 12 != 12),
            10..=19 => self.deliver(side, place),
            20 => self.lose(side, place),
            21 | 22 => self.repeat(side, place),
            23 => self.alter(side, place, more),
            24 => self.splice(side, place, more[0].into()),
            25 => self.reflect(side, place),
            26 => self.crash_while_reading(side, place),
            27 => self.crash_while_sending(side, namespace),
            28 => self.begin(side, namespace, how & 4 != 0),
            29 => self.burst(side, namespace, how >> 2),
            30 => self.pass_days((how % 13).into()),
            _ => self.catch_up(side),
        }
    }

    /// Starts a session from the other side's bundle: a fresh one, or the one shown before.
    fn begin(&mut self, by: Side, namespace: Namespace, again: bool) {
        let begun = self.begun.keys().filter(|(it, _)| *it == namespace).count();
        if begun < MOST_SESSIONS {
            self.begin_anyway(by, namespace, again);
        }
    }

    fn begin_anyway(&mut self, by: Side, namespace: Namespace, again: bool) {
        let now = self.now;
        let (bundle, bundle_from) = self.parties[1 - by].show_bundle(namespace, again, now);
        let prekey = bundle.prekeys[0].0;
        let to = self.parties[1 - by].address.clone();
        let party = &mut self.parties[by];
        let changes = machine::start_session(&party.store, &to, &bundle, &mut party.rng, now)
            .expect("an honest bundle starts a session");
        let key = (namespace, changes.sessions[0].1.id());
        party.store.apply(changes).expect("memory does not fail");
        party.holds.insert(key);
        let begun = Begun {
            by,
            prekey,
            bundle_from,
        };
        self.begun.insert(key, begun);
        self.tally.begun += 1;
    }

    /// Encrypts the side's next message; says in which session.
    fn encrypt(
        &mut self,
        from: Side,
        namespace: Namespace,
        body: Option<&[u8]>,
    ) -> (Envelope, Changes) {
        let to = [self.parties[1 - from].address.clone()];
        let now = self.now;
        let party = &mut self.parties[from];
        let encrypt = |party: &mut Party| {
            machine::encrypt(&party.store, namespace, &to, body, &mut party.rng, now)
        };
        match encrypt(party) {
            Ok(made) => made,
            Err(EncryptError::NoSession { .. }) => {
                assert!(
                    !party.holds.iter().any(|(it, _)| *it == namespace),
                    "a session is gone"
                );
                self.begin_anyway(from, namespace, false);
                encrypt(&mut self.parties[from]).expect("a session that was begun encrypts")
            }
            Err(why) => panic!("nothing was encrypted: {why}"),
        }
    }

    fn say(&mut self, from: Side, namespace: Namespace, has_body: bool) {
        if self.next == MOST_MESSAGES {
            return;
        }
        let number = self.next;
        self.next += 1;
        let body = has_body.then(|| {
            let times = usize::try_from(number % 5).unwrap_or_default();
            format!("message {number}").repeat(1 + times).into_bytes()
        });
        let (envelope, changes) = self.encrypt(from, namespace, body.as_deref());
        let session = (namespace, changes.sessions[0].1.id());
        if self.defect != Defect::ForgetsWhatItSent {
            self.parties[from]
                .store
                .apply(changes)
                .expect("memory does not fail");
        }
        let receiver = &mut self.parties[1 - from];
        let (sent, read) = receiver.counts.entry(session).or_default();
        *sent += 1;
        if *sent - *read > SURELY_KEPT {
            receiver.overflowed.insert(session);
        }
        receiver.flying.push(Sent {
            number,
            session,
            body,
            envelope,
        });
        self.tally.sent += 1;
    }

    fn burst(&mut self, from: Side, namespace: Namespace, how: u8) {
        let count = if how == 63 { 1000 } else { u16::from(how) };
        for _ in 0..count {
            self.say(from, namespace, true);
        }
    }

    fn crash_while_sending(&mut self, from: Side, namespace: Namespace) {
        // a session that had to be begun is saved before
        let _ = self.encrypt(from, namespace, Some(b"never leaves"));
        self.tally.crashed += 1;
    }

    fn expected(&self, to: Side, sent: &Sent) -> Expected {
        let party = &self.parties[to];
        if party.read.contains(&sent.number) {
            return Expected::IsRepeated;
        }
        if !party.holds.contains(&sent.session) {
            let begun = &self.begun[&sent.session];
            assert!(
                begun.by != to && sent.is_exchange(),
                "who began it was answered by nobody"
            );
            let age = self.now - begun.bundle_from;
            if party.spent.contains(&begun.prekey) || age > SURELY_FORGOTTEN {
                return Expected::IsTooLate;
            }
            if age > SURELY_HELD {
                return Expected::Either;
            }
        }
        if party.overflowed.contains(&sent.session) {
            return Expected::Either;
        }
        Expected::Opens
    }

    fn receive(
        &self,
        to: Side,
        envelope: &Envelope,
    ) -> Result<(Opened, Changes), ReceiveError<omemo::Damaged>> {
        let from = &self.parties[1 - to].address;
        machine::receive(&self.parties[to].store, &from.jid, envelope, self.now)
    }

    /// Has a party read a message as it was sent; returns what that changes, if it may be read.
    fn read(&mut self, to: Side, sent: &Sent) -> Option<(Opened, Changes)> {
        let expected = self.expected(to, sent);
        let outcome = self.receive(to, &sent.envelope);
        let what = format!("message {} to {to} in {:?}", sent.number, sent.session.0);
        match (expected, outcome) {
            (Expected::Opens | Expected::Either, Ok(read)) => {
                self.check(to, sent, &read.0);
                Some(read)
            }
            (Expected::Opens, Err(why)) => panic!("{what} must be readable: {why}"),
            (Expected::IsRepeated | Expected::IsTooLate, Ok(_)) => {
                panic!("{what} must not be readable: {expected:?}")
            }
            (Expected::IsRepeated, Err(why)) => {
                let (sent_in_all, _) = self.parties[to].counts[&sent.session];
                let is_told = matches!(why, ReceiveError::AlreadyReceived);
                assert!(
                    is_told || sent_in_all > REMEMBERED_CHAINS,
                    "{what}, repeated: {why}"
                );
                self.tally.repeated += 1;
                None
            }
            (Expected::IsTooLate, Err(why)) => {
                assert!(
                    matches!(why, ReceiveError::UnknownPrekey),
                    "{what}, too late: {why}"
                );
                self.tally.too_late += 1;
                None
            }
            (Expected::Either, Err(_)) => {
                self.tally.uncertain += 1;
                None
            }
        }
    }

    fn check(&self, to: Side, sent: &Sent, opened: &Opened) {
        let from = &self.parties[1 - to];
        let own = from.store.own_device().expect("memory does not fail");
        assert_eq!(
            opened.body.as_ref().map(|it| it.to_vec()),
            sent.body,
            "another text"
        );
        assert_eq!(Some(opened.identity), own.map(|it| it.identity()));
        assert_eq!(opened.from, from.address);
        assert_eq!(opened.namespace, sent.session.0);
        assert_eq!(opened.key_exchange, sent.is_exchange());
    }

    fn arrive(&mut self, to: Side, sent: Sent) {
        let Some((opened, mut changes)) = self.read(to, &sent) else {
            self.parties[to].arrived.push(sent);
            return;
        };
        let defect = self.defect;
        let begun = &self.begun[&sent.session];
        let party = &mut self.parties[to];
        if party.holds.insert(sent.session) && begun.by != to {
            assert_eq!(
                changes.removed_prekeys,
                [begun.prekey],
                "another prekey was used up"
            );
            let spent = if party.is_catching_up {
                &mut party.set_aside
            } else {
                &mut party.spent
            };
            spent.insert(begun.prekey);
        }
        if party.is_catching_up {
            changes.keep_prekeys();
        }
        if defect == Defect::KeepsPrekeys {
            changes.removed_prekeys.clear();
        }
        if defect != Defect::ForgetsWhatItRead {
            party.store.apply(changes).expect("memory does not fail");
        }
        assert!(
            party.ids.insert((sent.session.0, opened.id)),
            "two messages have one id"
        );
        party.read.insert(sent.number);
        party.counts.entry(sent.session).or_default().1 += 1;
        party.arrived.push(sent);
        self.tally.read += 1;
    }

    fn deliver(&mut self, to: Side, place: usize) {
        if let Some(place) = index(place, self.parties[to].flying.len()) {
            let sent = self.parties[to].flying.remove(place);
            self.arrive(to, sent);
        }
    }

    fn lose(&mut self, to: Side, place: usize) {
        if let Some(place) = index(place, self.parties[to].flying.len()) {
            self.parties[to].flying.remove(place);
            self.tally.lost += 1;
        }
    }

    fn repeat(&mut self, to: Side, place: usize) {
        if let Some(place) = index(place, self.parties[to].arrived.len()) {
            let sent = self.parties[to].arrived[place].clone();
            // one that came too late or too far ahead may be readable by now
            if self.parties[to].read.contains(&sent.number) {
                self.read(to, &sent);
            }
        }
    }

    fn crash_while_reading(&mut self, to: Side, place: usize) {
        if let Some(place) = index(place, self.parties[to].flying.len()) {
            let sent = self.parties[to].flying[place].clone();
            self.read(to, &sent);
            self.tally.crashed += 1;
        }
    }

    /// Shows a party what a forger made of a message: it is refused, or reads as it was written.
    fn show_forgery(&mut self, to: Side, sent: &Sent, forged: &Envelope, may_open: bool) {
        match self.receive(to, forged) {
            Err(_) => self.tally.forged += 1,
            Ok((opened, _)) => {
                assert!(may_open, "a forgery was read");
                let expected = self.expected(to, sent);
                assert!(
                    matches!(expected, Expected::Opens | Expected::Either),
                    "{expected:?}"
                );
                self.check(to, sent, &opened);
            }
        }
    }

    /// Flips a bit. Outside of what is authenticated lie a version's low half, a registration id.
    fn alter(&mut self, to: Side, place: usize, [byte, bit]: [u8; 2]) {
        let Some(place) = index(place, self.parties[to].flying.len()) else {
            return;
        };
        let sent = self.parties[to].flying[place].clone();
        let mut forged = sent.envelope.clone();
        let part = match (bit >> 3 & 3, &mut forged.payload) {
            (0, Some(payload)) => payload,
            (1, _) if !forged.iv.is_empty() => &mut forged.iv,
            _ => &mut forged.keys[0].data,
        };
        let length = part.len();
        let byte = usize::from(byte) + 256 * usize::from(bit >> 5);
        part[byte % length] ^= 1 << (bit & 7);
        self.show_forgery(to, &sent, &forged, true);
    }

    /// Puts another message's payload under a message's key.
    fn splice(&mut self, to: Side, place: usize, other: usize) {
        let flying = &self.parties[to].flying;
        let (Some(place), Some(other)) = (index(place, flying.len()), index(other, flying.len()))
        else {
            return;
        };
        let (sent, other) = (flying[place].clone(), flying[other].clone());
        let is_pair = sent.number != other.number && sent.session.0 == other.session.0;
        if is_pair && sent.body.is_some() && other.body.is_some() {
            let mut forged = sent.envelope.clone();
            forged.payload = other.envelope.payload;
            forged.iv = other.envelope.iv;
            self.show_forgery(to, &sent, &forged, false);
        }
    }

    /// Sends a message back to who wrote it, as if the other side had.
    fn reflect(&mut self, to: Side, place: usize) {
        if let Some(place) = index(place, self.parties[to].flying.len()) {
            let sent = self.parties[to].flying[place].clone();
            let mut forged = sent.envelope.clone();
            forged.sender = self.parties[to].address.device;
            forged.keys[0].device = self.parties[1 - to].address.device;
            self.show_forgery(1 - to, &sent, &forged, false);
        }
    }

    fn pass_days(&mut self, days: u64) {
        self.now += days * DAY;
        let now = self.now;
        for party in &mut self.parties {
            let rotated = machine::rotate(&party.store, &mut party.rng, now);
            party.save(rotated.expect("memory does not fail"));
            let refilled = machine::refill(&party.store, &mut party.rng, now);
            party.save(refilled.expect("memory does not fail"));
        }
    }

    /// Begins reading an archive, or ends it.
    fn catch_up(&mut self, side: Side) {
        let party = &mut self.parties[side];
        party.is_catching_up = !party.is_catching_up;
        if !party.is_catching_up {
            let forgotten = machine::forget_used_prekeys(&party.store);
            party.save(forgotten.expect("memory does not fail"));
            party.spent.extend(party.set_aside.drain());
        }
    }

    /// Delivers what is still flying; then each side must reach the other in both namespaces.
    fn end(&mut self) {
        for side in [0, 1] {
            if self.parties[side].is_catching_up {
                self.catch_up(side);
            }
            while let Some(sent) = self.parties[side].flying.pop() {
                self.arrive(side, sent);
            }
        }
        for namespace in Namespace::ALL {
            for side in [0, 1] {
                self.begin_anyway(side, namespace, false);
                for from in [side, 1 - side, side] {
                    self.say(from, namespace, true);
                    let read = self.tally.read;
                    self.deliver(1 - from, 0);
                    let is_full = self.next == MOST_MESSAGES;
                    assert!(
                        is_full || self.tally.read == read + 1,
                        "a fresh session is dead"
                    );
                }
            }
        }
    }
}

impl Sent {
    fn is_exchange(&self) -> bool {
        self.envelope.keys[0].key_exchange
    }
}

impl Party {
    fn save(&mut self, changes: Option<Changes>) {
        if let Some(changes) = changes {
            self.store.apply(changes).expect("memory does not fail");
        }
    }

    /// Returns the bundle with one prekey, and since when the server shows it.
    fn show_bundle(&mut self, namespace: Namespace, again: bool, now: u64) -> (Bundle, u64) {
        if let (true, Some(shown)) = (again, self.shown.get(&namespace)) {
            return shown.clone();
        }
        let bundle = machine::own_bundle(&self.store, namespace).expect("memory does not fail");
        let mut bundle = bundle.expect("every party is enrolled");
        bundle.prekeys.retain(|(id, _)| !self.given.contains(id));
        bundle.prekeys.truncate(1);
        self.given.extend(bundle.prekeys.iter().map(|(id, _)| *id));
        self.shown.insert(namespace, (bundle.clone(), now));
        (bundle, now)
    }
}

fn index(place: usize, length: usize) -> Option<usize> {
    place.checked_rem(length)
}
