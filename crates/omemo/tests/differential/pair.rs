//! One of our devices and one foreign device, with the network between them in our hands.

use std::{collections::BTreeSet, fs, path::Path};

use omemo::{
    Address, Changes, DeviceId, Envelope, MemoryStore, ReceiveError, Store, machine,
    store::suite::FixedRng,
};
use serde_json::json;

use crate::foreign::{
    Foreign, bundle_from_json, bundle_to_json, envelope_from_json, envelope_to_json, number,
};

const NOW: u64 = 1_800_000_000;
const THEIRS: &str = "phone@example.org";

/// What happened, over all pairs with one library.
#[derive(Debug, Default)]
pub struct Figures {
    pub sessions: usize,
    pub started_by_us: usize,
    pub started_by_them: usize,
    pub started_by_both: usize,
    pub repaired: usize,
    pub to_us: usize,
    pub to_them: usize,
    pub empty: usize,
    pub late: usize,
    pub skipped: usize,
    pub replays_refused: usize,
    pub forgeries_refused: usize,
    pub lost: usize,
    pub wrong: usize,
}

/// A message on its way.
pub struct Flying {
    pub envelope: Envelope,
    pub body: Option<String>,
    /// Our turn of the ratchet when it was sent, as far as we caused it.
    pub turn: usize,
}

pub struct Pair<'a> {
    foreign: &'a mut Foreign,
    peer: usize,
    store: MemoryStore,
    theirs: Address,
    rng: FixedRng,
    bundle: omemo::Bundle,
    started: bool,
    heard_since_sent: bool,
    pub turn: usize,
    pub to_us: Vec<Flying>,
    pub to_them: Vec<Flying>,
    /// Bodies that were sent and not yet seen on the other side.
    expected: BTreeSet<String>,
    sent: usize,
    pub figures: &'a mut Figures,
}

impl<'a> Pair<'a> {
    pub fn new(foreign: &'a mut Foreign, peer: usize, figures: &'a mut Figures) -> Self {
        let mut rng = FixedRng::new(peer as u64);
        let mut store = MemoryStore::new();
        let (own, changes) = machine::enrol(&mut rng, NOW);
        store.apply(changes).unwrap();
        let ours = machine::own_bundle(&store, foreign.namespace)
            .unwrap()
            .unwrap();
        let made = foreign.ask(peer, "new", json!({}));
        let device = DeviceId(number(&made["device"]));
        let request = json!({"device": own.device().0, "bundle": bundle_to_json(&ours)});
        let met = foreign.ask(peer, "meet", request);
        assert!(met["error"].is_null(), "{met}");
        figures.sessions += 1;
        let bundle = bundle_from_json(foreign.namespace, &made["bundle"]);
        Self {
            foreign,
            peer,
            store,
            theirs: Address::new(THEIRS, device),
            rng,
            bundle,
            started: false,
            heard_since_sent: false,
            turn: 0,
            to_us: Vec::new(),
            to_them: Vec::new(),
            expected: BTreeSet::new(),
            sent: 0,
            figures,
        }
    }

    /// A random number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        use rand_core::Rng;
        usize::try_from(self.rng.next_u64() % end as u64).unwrap()
    }

    fn next_body(&mut self) -> String {
        self.sent += 1;
        let body = format!("message {} of pair {}: grüße 📷", self.sent, self.peer);
        self.expected.insert(body.clone());
        body
    }

    fn start_once(&mut self) {
        if self.started {
            return;
        }
        let changes =
            machine::start_session(&self.store, &self.theirs, &self.bundle, &mut self.rng, NOW)
                .unwrap();
        self.store.apply(changes).unwrap();
        self.started = true;
    }

    /// We send a message; it is on its way.
    pub fn send(&mut self) {
        let body = self.next_body();
        self.send_body(Some(body));
        self.figures.to_them += 1;
    }

    /// We send an empty message; it is on its way.
    pub fn send_empty(&mut self) {
        self.send_body(None);
    }

    fn send_body(&mut self, body: Option<String>) {
        self.start_once();
        if std::mem::take(&mut self.heard_since_sent) {
            self.turn += 1;
        }
        let (envelope, changes) = machine::encrypt(
            &self.store,
            self.foreign.namespace,
            std::slice::from_ref(&self.theirs),
            body.as_deref().map(str::as_bytes),
            &mut self.rng,
            NOW,
        )
        .unwrap();
        self.store.apply(changes).unwrap();
        self.to_them.push(Flying {
            envelope,
            body,
            turn: self.turn,
        });
    }

    /// They send a message; it is on its way.
    pub fn let_them_send(&mut self) {
        let body = self.next_body();
        let answer = self
            .foreign
            .ask(self.peer, "encrypt", json!({"body": body}));
        assert!(answer["error"].is_null(), "{answer}");
        let envelope = envelope_from_json(self.foreign.namespace, &answer["message"]);
        self.to_us.push(Flying {
            envelope,
            body: Some(body),
            turn: self.turn,
        });
        self.figures.to_us += 1;
    }

    /// The message `place` on its way to us arrives.
    pub fn arrive(&mut self, place: usize) -> Flying {
        let flying = self.to_us.remove(place);
        let received = machine::receive(&self.store, THEIRS, &flying.envelope, NOW);
        match received {
            Ok((opened, changes)) => {
                self.store.apply(changes).unwrap();
                self.started = true;
                self.heard_since_sent = true;
                let body = opened.body.map(|it| {
                    machine::text(&it)
                        .expect("phones send clean text")
                        .to_owned()
                });
                self.check(body, &flying);
            }
            Err(why) => self.lose("we could not read", &why.to_string(), &flying),
        }
        flying
    }

    /// The message `place` on its way to them arrives.
    pub fn deliver(&mut self, place: usize) -> Flying {
        let flying = self.to_them.remove(place);
        let request = json!({"message": envelope_to_json(&flying.envelope)});
        let answer = self.foreign.ask(self.peer, "decrypt", request);
        for message in answer["sent"].as_array().unwrap() {
            let envelope = envelope_from_json(self.foreign.namespace, message);
            self.to_us.push(Flying {
                envelope,
                body: None,
                turn: self.turn,
            });
        }
        if answer["error"].is_null() {
            self.check(answer["body"].as_str().map(str::to_owned), &flying);
        } else {
            self.lose("they could not read", &answer.to_string(), &flying);
        }
        flying
    }

    fn check(&mut self, body: Option<String>, flying: &Flying) {
        if body != flying.body {
            self.figures.wrong += 1;
        }
        match body {
            Some(body) => assert!(self.expected.remove(&body), "seen twice: {body}"),
            None => self.figures.empty += 1,
        }
    }

    fn lose(&mut self, what: &str, why: &str, flying: &Flying) {
        self.figures.lost += 1;
        println!("pair {}: {what} {:?}: {why}", self.peer, flying.body);
        if let Some(body) = &flying.body {
            self.expected.remove(body);
        }
    }

    /// A message that we opened before comes again: refused.
    pub fn replay_to_us(&mut self, flying: &Flying) {
        let again = machine::receive(&self.store, THEIRS, &flying.envelope, NOW);
        assert!(
            matches!(again, Err(ReceiveError::AlreadyReceived)),
            "{:?}",
            again.err()
        );
        self.figures.replays_refused += 1;
    }

    /// A message that they opened before comes again: refused by them.
    pub fn replay_to_them(&mut self, flying: &Flying) {
        let request = json!({"message": envelope_to_json(&flying.envelope)});
        let answer = self.foreign.ask(self.peer, "decrypt", request);
        assert!(!answer["error"].is_null(), "{answer}");
        assert!(answer["sent"].as_array().unwrap().is_empty(), "{answer}");
        self.figures.replays_refused += 1;
    }

    /// A message on its way to us is altered in one bit: refused, and the store is as before, so
    /// that the real one opens later.
    pub fn forge_to_us(&mut self, place: usize) {
        let mut forged = self.to_us[place].envelope.clone();
        // the head of a key exchange says things that only matter to a new session
        let in_payload = forged.keys[0].key_exchange || self.below(2) == 0;
        let target = match &mut forged.payload {
            Some(payload) if in_payload => payload,
            None if forged.keys[0].key_exchange => return,
            Some(_) | None => &mut forged.keys[0].data,
        };
        let bit = self.below(8 * target.len());
        target[bit / 8] ^= 1 << (bit % 8);
        let refused = machine::receive(&self.store, THEIRS, &forged, NOW);
        assert!(refused.is_err(), "a forgery was accepted");
        self.figures.forgeries_refused += 1;
    }

    /// We lose all our sessions, and start again from the bundle that they publish by now.
    pub fn lose_our_sessions(&mut self) {
        let sessions = self
            .store
            .sessions(self.foreign.namespace, &self.theirs)
            .unwrap();
        let removed_sessions = sessions
            .iter()
            .map(|it| (self.theirs.clone(), it.id()))
            .collect();
        self.store
            .apply(Changes {
                removed_sessions,
                ..Changes::default()
            })
            .unwrap();
        let made = self.foreign.ask(self.peer, "new", json!({}));
        self.bundle = bundle_from_json(self.foreign.namespace, &made["bundle"]);
        self.started = false;
    }

    /// Everything on its way arrives, in random order; nothing may be missing then.
    pub fn drain(&mut self) {
        while !self.to_us.is_empty() || !self.to_them.is_empty() {
            while !self.to_us.is_empty() {
                let place = self.below(self.to_us.len());
                self.arrive(place);
            }
            while !self.to_them.is_empty() {
                let place = self.below(self.to_them.len());
                self.deliver(place);
            }
        }
        self.figures.lost += self.expected.len();
        for body in std::mem::take(&mut self.expected) {
            println!("pair {}: lost {body}", self.peer);
        }
    }
}

/// Writes what the library sends to a device that is the same each time, for tests that run
/// without the library (`tests/transcripts.rs`).
pub fn record(foreign: &mut Foreign, library: &str) {
    let peer = 1000;
    let mut store = MemoryStore::new();
    let (own, changes) = machine::enrol(&mut FixedRng::new(1), NOW);
    store.apply(changes).unwrap();
    let ours = machine::own_bundle(&store, foreign.namespace)
        .unwrap()
        .unwrap();
    foreign.ask(peer, "new", json!({}));
    let request = json!({"device": own.device().0, "bundle": bundle_to_json(&ours)});
    foreign.ask(peer, "meet", request);
    let mut lines = String::new();
    for number in 0..4 {
        let body = format!("recorded {number}: grüße 📷");
        let mut answer = foreign.ask(peer, "encrypt", json!({"body": body}));
        answer["message"]["body"] = json!(body);
        lines.push_str(&answer["message"].to_string());
        lines.push('\n');
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/vectors")
        .join(format!("from_{library}.jsonl"));
    fs::write(path, lines).unwrap();
}
