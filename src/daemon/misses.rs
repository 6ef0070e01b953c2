//! Devices whose bundle could not be had, and how long they are left alone: lists name dead
//! devices, and asking for them again and again would slow every message down.
//!
//! It has no clock and asks nobody.

use std::collections::HashMap;

use omemo::{Address, Namespace};

/// Seconds after the first miss; each further one waits four times as long.
const FIRST_SECONDS: i64 = 5;
/// The longest wait.
const LONGEST_SECONDS: i64 = 24 * 60 * 60;
/// Most devices remembered.
const MAX_DEVICES: usize = 1_000;

#[derive(Debug, Clone, Copy)]
struct Miss {
    wait: i64,
    until: i64,
}

/// A device in one namespace: it may be dead in one only.
type Key = (Namespace, Address);

/// The devices, with the time on the steady clock when each may be asked for again.
#[derive(Debug, Default)]
pub(super) struct Misses(HashMap<Key, Miss>);

impl Misses {
    /// Returns whether the device may be asked for.
    pub(super) fn may_ask(&self, key: &Key, now: i64) -> bool {
        self.0.get(key).is_none_or(|miss| miss.until <= now)
    }

    pub(super) fn missed(&mut self, key: Key, now: i64) {
        if self.0.len() >= MAX_DEVICES && !self.0.contains_key(&key) {
            let soonest = self.0.iter().min_by_key(|(_, miss)| miss.until);
            if let Some(soonest) = soonest.map(|(key, _)| key.clone()) {
                self.0.remove(&soonest);
            }
        }
        let miss = self.0.entry(key).or_insert(Miss {
            wait: FIRST_SECONDS / 4,
            until: now,
        });
        miss.wait = miss
            .wait
            .saturating_mul(4)
            .clamp(FIRST_SECONDS, LONGEST_SECONDS);
        miss.until = now.saturating_add(miss.wait);
    }

    pub(super) fn found(&mut self, key: &Key) {
        self.0.remove(key);
    }

    /// Returns when the next device may be asked for again.
    pub(super) fn next(&self, now: i64) -> Option<i64> {
        let waiting = self.0.values().map(|miss| miss.until);
        waiting.filter(|until| *until > now).min()
    }
}

#[cfg(test)]
mod tests {
    use omemo::DeviceId;

    use super::*;

    fn device(number: u32) -> Key {
        let address = Address::new("owner@example.org", DeviceId(number));
        (Namespace::Legacy, address)
    }

    #[test]
    fn a_dead_device_is_asked_for_a_dozen_times_in_the_first_week() {
        let (mut misses, mut asked) = (Misses::default(), Vec::new());
        for now in 0..7 * 24 * 60 * 60 {
            if misses.may_ask(&device(1), now) {
                asked.push(now);
                misses.missed(device(1), now);
            }
        }

        assert_eq!(asked[..4], [0, 5, 25, 105]);
        assert!(asked.len() <= 15, "{asked:?}");
        assert!(misses.may_ask(&device(2), 0), "nobody else waits");
    }

    #[test]
    fn a_device_that_is_found_has_a_clean_record() {
        let mut misses = Misses::default();
        for now in [0, 5, 30] {
            misses.missed(device(1), now);
        }
        assert!(!misses.may_ask(&device(1), 40));
        assert_eq!(misses.next(40), Some(110));

        misses.found(&device(1));

        assert!(misses.may_ask(&device(1), 40));
        misses.missed(device(1), 40);
        assert_eq!(misses.next(40), Some(45));
    }

    #[test]
    fn a_flood_of_dead_devices_takes_no_more_than_its_room() {
        let mut misses = Misses::default();
        for number in 0..5_000 {
            misses.missed(device(number), i64::from(number));
        }

        assert_eq!(misses.0.len(), MAX_DEVICES);
    }
}
