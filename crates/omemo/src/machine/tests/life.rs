//! A device over days and weeks: used prekeys, rotation, heartbeats, and a state put back.

use super::*;
use crate::prekey::ROTATE_AFTER;

const DAY: u64 = 24 * 60 * 60;

impl Device {
    fn apply(&mut self, changes: Option<Changes>) -> bool {
        let is_some = changes.is_some();
        self.store.apply(changes.unwrap_or_default()).unwrap();
        is_some
    }

    fn rotate(&mut self, now: u64) -> bool {
        let changes = rotate(&self.store, &mut self.rng, now).unwrap();
        self.apply(changes)
    }

    fn signed_ids(&self) -> Vec<u32> {
        let all = self.store.signed_prekeys().unwrap();
        all.iter().map(SignedPrekey::id).collect()
    }

    /// Hears a message as from the archive.
    fn hear_late(&mut self, from: &Self, envelope: &Envelope) {
        let (_, mut changes) = self.try_hear(from, envelope).unwrap();
        changes.keep_prekeys();
        self.store.apply(changes).unwrap();
    }

    /// A copy of the device as it is now, as from a backup.
    fn backup(&self) -> Self {
        let mut store = MemoryStore::new();
        let devices = self.store.known_devices("b@example").unwrap();
        let sessions: Vec<_> = devices
            .iter()
            .flat_map(|it| self.store.sessions(NS, &it.address).unwrap())
            .map(|it| (devices[0].address.clone(), it))
            .collect();
        store
            .apply(Changes {
                own_device: self.store.own_device().unwrap(),
                signed_prekeys: self.store.signed_prekeys().unwrap(),
                prekeys: self.store.prekeys().unwrap(),
                sessions,
                devices,
                ..Changes::default()
            })
            .unwrap();
        Self {
            store,
            rng: FixedRng::new(77),
            address: self.address.clone(),
            namespace: self.namespace,
        }
    }
}

#[test]
fn in_ninety_days_the_signed_prekey_is_exchanged_twelve_times_and_four_stay() {
    let mut a = Device::new("a@example", 1);
    let mut changes = 0;

    for hour in 0..=90 * 24 {
        if a.rotate(NOW + hour * 60 * 60) {
            changes += 1;
        }
        let newest = a.store.signed_prekeys().unwrap().remove(0);
        assert!(NOW + hour * 60 * 60 - newest.created_at() < ROTATE_AFTER);
    }

    // made on the days 63, 70, 77 and 84; nine times one was forgotten and none made
    assert_eq!(a.signed_ids(), [13, 12, 11, 10]);
    assert_eq!(changes, 12 + 9);
    assert_eq!(
        a.store.own_device().unwrap().unwrap().next_signed_prekey,
        14
    );
}

#[test]
fn an_exchange_with_a_signed_prekey_of_29_days_works_and_with_one_of_31_days_is_refused() {
    for (days, works) in [(29, true), (30, true), (31, false)] {
        let (mut a, mut b) = Device::pair();
        let old = b.bundle();
        for day in 1..=days {
            b.rotate(NOW + day * DAY);
        }
        let changes = start_session(&a.store, &b.address, &old, &mut a.rng, NOW).unwrap();
        a.store.apply(changes).unwrap();
        let envelope = a.say("late", &b);

        if works {
            b.hear("late", &a, &envelope);
        } else {
            assert_refused!(b.refuses(&a, &envelope), ReceiveError::UnknownPrekey);
            a.start(&b);
            let envelope = a.say("with a fresh bundle", &b);
            b.hear("with a fresh bundle", &a, &envelope);
        }
    }
}

#[test]
fn a_time_before_the_newest_signed_prekey_exchanges_and_forgets_nothing() {
    let mut a = Device::new("a@example", 1);
    a.rotate(NOW + 8 * DAY);

    for now in [0, NOW - 20 * 365 * DAY, NOW, NOW + 8 * DAY] {
        assert!(!a.rotate(now), "{now}");
    }

    assert_eq!(a.signed_ids(), [2, 1]);
}

#[test]
fn after_a_year_without_a_look_the_newest_signed_prekey_is_still_there() {
    let mut a = Device::new("a@example", 1);
    a.rotate(NOW + 8 * DAY);

    assert!(a.rotate(NOW + 8 * DAY + 365 * DAY));

    // what the server still shows opens until it shows another
    assert_eq!(a.signed_ids(), [3, 2]);
    assert!(a.rotate(NOW + 8 * DAY + 365 * DAY + ROTATE_AFTER));
    assert_eq!(a.signed_ids(), [4, 3]);
}

#[test]
fn a_prekey_that_two_devices_picked_serves_both_while_the_archive_is_read() {
    let (mut a, mut b) = Device::pair();
    let mut c = Device::new("c@example", 3);
    let mut only = b.bundle();
    only.prekeys.truncate(1);
    for one in [&mut a, &mut c] {
        let changes = start_session(&one.store, &b.address, &only, &mut one.rng, NOW).unwrap();
        one.store.apply(changes).unwrap();
    }
    let (from_a, from_c) = (a.say("one", &b), c.say("two", &b));

    b.hear_late(&a, &from_a);
    b.hear_late(&c, &from_c);

    let stock = b.store.prekey_count().unwrap();
    assert_eq!((stock, b.store.used_prekeys().unwrap().len()), (99, 1));
    assert!(
        b.bundle()
            .prekeys
            .iter()
            .all(|it| it.0 != only.prekeys[0].0)
    );
    let changes = forget_used_prekeys(&b.store).unwrap();
    assert!(b.apply(changes));
    let mut d = Device::new("d@example", 4);
    let changes = start_session(&d.store, &b.address, &only, &mut d.rng, NOW).unwrap();
    d.store.apply(changes).unwrap();
    let from_d = d.say("three", &b);
    assert_refused!(b.refuses(&d, &from_d), ReceiveError::UnknownPrekey);
    assert!(forget_used_prekeys(&b.store).unwrap().is_none());
    // both sessions go on
    let (from_a, from_c) = (a.say("four", &b), c.say("five", &b));
    b.hear("four", &a, &from_a);
    b.hear("five", &c, &from_c);
}

#[test]
fn a_heartbeat_is_due_once_for_each_ratchet_key_that_is_used_so_often() {
    let (mut a, mut b) = Device::acquainted();
    for round in 0..2 {
        let due: Vec<_> = (0..80)
            .filter(|number| {
                let envelope = a.say("photo", &b);
                // one is lost on its way: the next one stands in for it
                *number != 53 - round && b.hear("photo", &a, &envelope).heartbeat_due
            })
            .collect();

        assert_eq!(due, [if round == 0 { 54 } else { 53 }]);
        let beat = b.send(None, &[&a.address]);
        let (opened, changes) = a.try_hear(&b, &beat).unwrap();
        a.store.apply(changes).unwrap();
        assert!(opened.body.is_none() && !opened.heartbeat_due);
    }
}

#[test]
fn a_heartbeat_is_due_where_the_peer_was_never_answered() {
    let (mut a, mut b) = Device::pair();
    a.start(&b);

    let due: Vec<_> = (0..120)
        .filter(|_| {
            let envelope = a.say("photo", &b);
            b.hear("photo", &a, &envelope).heartbeat_due
        })
        .collect();

    assert_eq!(due, [53]);
}

#[test]
fn a_bundle_made_after_the_copy_gives_an_old_copy_away_and_no_other_bundle_does() {
    let (mut a, _) = Device::acquainted();
    let backup = a.backup();
    let is_later = |device: &Device, bundle: &Bundle| {
        is_from_a_later_state(&device.store, bundle, &[]).unwrap()
    };
    assert!(!is_later(&backup, &a.bundle()));
    a.rotate(NOW + 8 * DAY);
    let later = a.bundle();

    assert!(is_later(&backup, &later));
    assert!(!is_later(&a, &later));
    assert!(
        !is_later(&a, &backup.bundle()),
        "one that was published before"
    );
    let mut forged = later.clone();
    forged.signed_prekey_signature[5] ^= 1;
    assert!(!is_later(&backup, &forged));
    let stranger = Device::new("a@example", 9).bundle();
    assert!(!is_later(&backup, &stranger));
    // The server shows a key again that we made and have forgotten, under a higher number.
    let mut shown_again = backup.bundle();
    shown_again.signed_prekey_id = 4_000;
    let was = *backup.store.signed_prekeys().unwrap()[0].public();
    for day in 0..60 {
        a.rotate(NOW + (9 + day) * DAY);
    }
    assert!(!is_from_a_later_state(&a.store, &shown_again, &[was]).unwrap());
    assert!(is_later(&a, &shown_again), "without the list it would");
}

#[test]
fn whoever_enrols_anew_is_another_device_with_none_of_the_sessions_and_knows_its_friends() {
    let (mut a, mut b) = Device::acquainted();
    let (was, identity) = (a.address.clone(), a.store.own_device().unwrap().unwrap());
    let to_the_old = b.say("for the old device", &a);

    let (own, changes) = enrol_anew(&mut a.rng, NOW);
    a.store.apply(changes).unwrap();
    a.address.device = own.device();

    assert_ne!(a.address, was);
    assert_ne!(own.identity(), identity.identity());
    assert!(a.sessions(&b).is_empty());
    let known = a.knows(&b).identity;
    assert_eq!(known, b.store.own_device().unwrap().unwrap().identity());
    assert_refused!(a.refuses(&b, &to_the_old), ReceiveError::NotForUs);
    a.start(&b);
    let envelope = a.say("I am a new device", &b);
    let opened = b.hear("I am a new device", &a, &envelope);
    assert!(opened.is_new_device);
    let envelope = b.say("hello again", &a);
    a.hear("hello again", &b, &envelope);
}
