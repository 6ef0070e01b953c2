//! When our bundle is published anew: soon after it has changed, not too often, and never so late
//! that other devices find no prekey in it that still works.
//!
//! It has no clock and publishes nothing itself.

/// Least seconds between two publications, so that a burst of new sessions is one.
const PAUSE_SECONDS: i64 = 30;
/// With fewer usable prekeys at the server than this, the pause is not waited for.
const LOW: usize = 60;

/// What the server has of our bundle, as far as we know.
#[derive(Debug, Default)]
pub(super) struct Publication {
    /// Prekeys in the server's copy that nobody has used.
    usable: usize,
    /// The same of the copy that is under way.
    under_way: Option<usize>,
    /// Whether ours has changed since the last copy was made.
    changed: bool,
    /// Whether the last try failed.
    failed: bool,
    /// When the pause is over, on the steady clock.
    not_before: i64,
}

impl Publication {
    /// The server has, or is just being given, a bundle with so many prekeys.
    pub(super) fn settled(&mut self, prekeys: usize) {
        *self = Self {
            usable: prekeys,
            not_before: self.not_before,
            ..Self::default()
        };
    }

    /// So many prekeys were used, and the bundle may have got others.
    pub(super) fn changed(&mut self, used: usize) {
        self.changed = true;
        self.usable = self.usable.saturating_sub(used);
        self.under_way = self.under_way.map(|prekeys| prekeys.saturating_sub(used));
    }

    /// Returns when the next publication is due, if it waits for nothing but time.
    pub(super) fn due_at(&self) -> Option<i64> {
        if !self.changed || self.under_way.is_some() {
            return None;
        }
        // A server that refuses is not asked more often because it refuses.
        let is_urgent = self.usable < LOW && !self.failed;
        Some(if is_urgent { i64::MIN } else { self.not_before })
    }

    /// A copy with so many prekeys is on its way since `now`.
    pub(super) fn began(&mut self, prekeys: usize, now: i64) {
        self.changed = false;
        self.under_way = Some(prekeys);
        self.not_before = now.saturating_add(PAUSE_SECONDS);
    }

    /// It arrived, or not.
    pub(super) fn ended(&mut self, well: bool) {
        let prekeys = self.under_way.take();
        self.failed = !well;
        match prekeys {
            Some(prekeys) if well => self.usable = prekeys,
            _ => self.changed |= !well,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use omemo::{Address, Bundle, MemoryStore, Namespace, Store, machine, store::suite::FixedRng};

    use super::*;

    const NS: Namespace = Namespace::Legacy;
    const NOW: u64 = 1_800_000_000;

    fn device(seed: u64) -> MemoryStore {
        let mut store = MemoryStore::new();
        let (_, changes) = machine::enrol(&mut FixedRng::new(seed), NOW);
        store.apply(changes).unwrap();
        store
    }

    fn bundle(store: &MemoryStore) -> Bundle {
        machine::own_bundle(store, NS).unwrap().unwrap()
    }

    /// The vault and its server, where a publication takes a while.
    struct Vault {
        store: MemoryStore,
        at_server: Bundle,
        on_its_way: Option<Bundle>,
        publication: Publication,
        published: u32,
        /// Stands in for all phones: each has another account.
        phone: MemoryStore,
    }

    impl Vault {
        fn new() -> Self {
            let store = device(1);
            let at_server = bundle(&store);
            let mut publication = Publication::default();
            publication.settled(at_server.prekeys.len());
            Self {
                store,
                at_server,
                on_its_way: None,
                publication,
                published: 0,
                phone: device(2),
            }
        }

        fn usable(&self) -> BTreeSet<u32> {
            let ids = |bundle: &Bundle| bundle.prekeys.iter().map(|it| it.0).collect();
            let (ours, theirs): (BTreeSet<u32>, BTreeSet<u32>) =
                (ids(&bundle(&self.store)), ids(&self.at_server));
            &ours & &theirs
        }

        fn publish_if_due(&mut self, now: i64) {
            if self.publication.due_at().is_some_and(|at| at <= now) {
                let ours = bundle(&self.store);
                self.publication.began(ours.prekeys.len(), now);
                self.on_its_way = Some(ours);
                self.published += 1;
            }
        }

        fn arrives(&mut self) {
            if let Some(bundle) = self.on_its_way.take() {
                self.at_server = bundle;
                self.publication.ended(true);
            }
        }

        /// A new device starts a session with one of the prekeys at the server that still work.
        fn hear_a_new_device(&mut self, seed: u64) {
            let mut rng = FixedRng::new(seed);
            let mut offered = self.at_server.clone();
            let usable = self.usable();
            offered.prekeys.retain(|(id, _)| usable.contains(id));
            let phone = &mut self.phone;
            let own = self.store.own_device().unwrap().unwrap();
            let vault = Address::new("vault@example.org", own.device());
            let changes = machine::start_session(&*phone, &vault, &offered, &mut rng, NOW).unwrap();
            phone.apply(changes).unwrap();
            let (envelope, changes) =
                machine::encrypt(&*phone, NS, &[vault], Some(b"hi"), &mut rng, NOW).unwrap();
            phone.apply(changes).unwrap();
            let jid = format!("{seed}@example.org");
            let (_, changes) = machine::receive(&self.store, &jid, &envelope, NOW).unwrap();
            let used = changes.removed_prekeys.len();
            assert_eq!(used, 1);
            self.store.apply(changes).unwrap();
            let refill = machine::refill(&self.store, &mut rng, NOW).unwrap();
            self.store.apply(refill.unwrap_or_default()).unwrap();
            self.publication.changed(used);
        }
    }

    #[test]
    fn two_hundred_prekeys_used_at_once_never_leave_fewer_than_25_published() {
        // A publication takes as long as this many new devices need to write.
        for delay in [0, 1, 10, 25] {
            let mut vault = Vault::new();
            let (mut fewest, mut left) = (usize::MAX, 0);
            for number in 0..200 {
                vault.hear_a_new_device(1_000 + number);
                fewest = fewest.min(vault.usable().len());
                if vault.on_its_way.is_some() && left == 0 {
                    vault.arrives();
                }
                left = usize::saturating_sub(left, 1);
                let before = vault.published;
                // all within one second
                vault.publish_if_due(0);
                if vault.published > before {
                    left = delay;
                }
            }

            assert!(fewest >= 25, "{fewest} with a delay of {delay}");
            assert!(vault.published <= 10, "{} times", vault.published);
        }
    }

    #[test]
    fn a_few_changes_are_published_together_and_twice_in_a_minute_at_most() {
        let mut publication = Publication::default();
        publication.settled(100);
        let mut published = Vec::new();
        for now in 0..120 {
            publication.changed(usize::from(now % 10 == 0));
            if publication.due_at().is_some_and(|at| at <= now) {
                publication.began(100, now);
                published.push(now);
                publication.ended(true);
            }
        }

        assert_eq!(published, [0, 30, 60, 90]);
    }

    #[test]
    fn a_refusal_is_tried_again_and_not_at_once_even_when_few_are_left() {
        let mut publication = Publication::default();
        publication.settled(100);
        publication.changed(90);
        assert!(publication.due_at().is_some_and(|at| at <= 7));
        publication.began(100, 7);
        assert_eq!(publication.due_at(), None, "it is under way");

        publication.ended(false);

        assert_eq!(publication.due_at(), Some(37));
        publication.began(100, 37);
        publication.changed(1);
        publication.ended(true);
        assert_eq!(publication.due_at(), Some(67), "what changed meanwhile");
    }
}
