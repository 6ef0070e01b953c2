//! Opening by what is typed, and opening for what was asked for while locked.
//!
//! Counts tries and minutes. Knows no code that is right: the vault process tries it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{JobId, moment::Moment};

/// Wrong codes after which no more is tried for [`TRIES_SECONDS`].
pub const TRIES: u8 = 5;
/// Seconds after which wrong codes are forgiven.
pub const TRIES_SECONDS: i64 = 60 * 60;
/// Seconds that a `get` waits for the key.
pub const NEED_SECONDS: i64 = 10 * 60;
/// Letters of an unlock code.
const CODE_LETTERS: usize = 10;

/// A code as the owner typed it. It has no `Clone` and shows itself to the vault process only.
pub struct TypedCode(Zeroizing<String>);

impl TypedCode {
    /// Shows the code to whoever hands it to the vault process.
    #[must_use]
    pub fn expose_to_vault_process(&self) -> &str {
        &self.0
    }
}

/// What a line that begins with `unlock` says.
pub(super) enum Typed {
    /// Something that could be a code.
    Code(TypedCode),
    /// Nothing that could be one: trying it would tell an attacker nothing.
    NoCode,
}

/// Reads `unlock CODE`; `None` for any other line. Makes no copy of the text but the code's own.
pub(super) fn read(text: &str) -> Option<Typed> {
    let text = text.trim();
    let text = text.strip_prefix('/').unwrap_or(text);
    let (verb, code) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    if !verb.eq_ignore_ascii_case("unlock") {
        return None;
    }
    let letters = || code.chars().filter(|it| !it.is_whitespace() && *it != '-');
    if letters().count() != CODE_LETTERS || !letters().all(|it| it.is_ascii_alphanumeric()) {
        return Some(Typed::NoCode);
    }
    let mut typed = Zeroizing::new(String::with_capacity(CODE_LETTERS));
    typed.extend(letters());
    Some(Typed::Code(TypedCode(typed)))
}

/// Wrong codes, counted so that neither a restart nor a changed clock forgives one.
#[derive(Debug)]
pub(super) struct Tries {
    used: u8,
    /// When all are forgiven, on the steady clock.
    forgiven_at: Option<i64>,
}

impl Tries {
    /// Takes up the count of the last run. Its hour begins anew, since nobody knows how much of it
    /// has passed.
    pub(super) fn new(used: u8) -> Self {
        Self {
            used,
            forgiven_at: None,
        }
    }

    pub(super) fn used(&self) -> u8 {
        self.used
    }

    pub(super) fn left(&self) -> u8 {
        TRIES.saturating_sub(self.used)
    }

    pub(super) fn settle(&mut self, at: Moment) {
        if self.used == 0 {
            self.forgiven_at = None;
            return;
        }
        let until = *self
            .forgiven_at
            .get_or_insert(at.steady.saturating_add(TRIES_SECONDS));
        if at.steady >= until {
            *self = Self::new(0);
        }
    }

    /// Uses up one try before it is made; `false` when none is left.
    pub(super) fn take(&mut self) -> bool {
        if self.left() == 0 {
            return false;
        }
        self.used += 1;
        true
    }

    /// The code was right, or could not be tried.
    pub(super) fn give_back(&mut self, all: bool) {
        self.used = if all { 0 } else { self.used.saturating_sub(1) };
    }

    /// Returns when the next try is possible, in seconds since 1970.
    pub(super) fn again_at(&self, at: Moment) -> i64 {
        let until = self.forgiven_at.unwrap_or(at.steady + TRIES_SECONDS);
        at.wall
            .saturating_add(until.saturating_sub(at.steady).clamp(0, TRIES_SECONDS))
    }
}

/// What of the needs has to outlive a restart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NeedsRecord {
    /// The deliveries that wait for the key, each with its end in seconds since 1970.
    pub waiting: Vec<(JobId, i64)>,
    /// Whether the vault was opened for an errand, and locks after it.
    pub errand: bool,
}

/// Deliveries that were asked for while locked.
#[derive(Debug, Default)]
pub(super) struct Needs {
    waiting: BTreeMap<JobId, Need>,
    errand: bool,
}

#[derive(Debug, Clone, Copy)]
struct Need {
    ends_at: i64,
    /// The same on the steady clock, once this run knows it.
    steady: Option<i64>,
}

impl Needs {
    pub(super) fn new(record: NeedsRecord) -> Self {
        let need = |ends_at| Need {
            ends_at,
            steady: None,
        };
        let waiting = record.waiting.into_iter();
        Self {
            waiting: waiting.map(|(job, at)| (job, need(at))).collect(),
            errand: record.errand,
        }
    }

    pub(super) fn record(&self) -> NeedsRecord {
        let waiting = self.waiting.iter();
        NeedsRecord {
            waiting: waiting.map(|(job, need)| (*job, need.ends_at)).collect(),
            errand: self.errand,
        }
    }

    pub(super) fn add(&mut self, job: JobId, at: Moment) {
        let need = Need {
            ends_at: at.wall.saturating_add(NEED_SECONDS),
            steady: Some(at.steady.saturating_add(NEED_SECONDS)),
        };
        self.waiting.insert(job, need);
    }

    /// Forgets a delivery that was ended.
    pub(super) fn remove(&mut self, job: &JobId) {
        self.waiting.remove(job);
    }

    pub(super) fn has(&self, job: &JobId) -> bool {
        self.waiting.contains_key(job)
    }

    pub(super) fn is_errand(&self) -> bool {
        self.errand
    }

    /// The vault is open: what waited is served, and that is all it was opened for.
    pub(super) fn opened(&mut self) {
        if !self.waiting.is_empty() {
            self.errand = true;
            self.waiting.clear();
        }
    }

    /// The vault is locked, or the owner wants it open for more.
    pub(super) fn end_errand(&mut self) {
        self.errand = false;
    }

    /// Gives each need its end on the steady clock. One further ahead than its time was made
    /// before the clock was set back.
    pub(super) fn settle(&mut self, at: Moment) {
        for need in self.waiting.values_mut() {
            let left = need.ends_at.saturating_sub(at.wall).clamp(0, NEED_SECONDS);
            need.steady.get_or_insert(at.steady.saturating_add(left));
        }
    }

    /// Returns when the first of them ends, on the steady clock.
    pub(super) fn next_end(&self) -> Option<i64> {
        self.waiting.values().filter_map(|need| need.steady).min()
    }

    /// Takes those out whose time is over.
    pub(super) fn take_ended(&mut self, at: Moment) -> Vec<JobId> {
        let over = |need: &Need| need.steady.is_some_and(|end| end <= at.steady);
        let ended: Vec<JobId> = self
            .waiting
            .iter()
            .filter(|(_, need)| over(need))
            .map(|(job, _)| *job)
            .collect();
        for job in &ended {
            self.waiting.remove(job);
        }
        ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> Option<String> {
        match read(text) {
            Some(Typed::Code(code)) => Some(code.expose_to_vault_process().to_owned()),
            Some(Typed::NoCode) | None => None,
        }
    }

    #[test]
    fn a_code_is_read_as_people_type_it() {
        assert_eq!(code("unlock ABCDE-12345").unwrap(), "ABCDE12345");
        assert_eq!(code(" /Unlock abcde 12345 ").unwrap(), "abcde12345");
        assert!(matches!(read("unlock"), Some(Typed::NoCode)));
        assert!(matches!(read("unlock abcde-1234"), Some(Typed::NoCode)));
        assert!(matches!(read("unlock abcde-1234€"), Some(Typed::NoCode)));
        assert!(read("unlocked ABCDE-12345").is_none());
    }

    #[test]
    fn a_restart_forgives_no_try_and_begins_the_hour_anew() {
        let mut tries = Tries::new(TRIES);
        let start = Moment {
            wall: 1_800_000_000,
            steady: 0,
        };
        tries.settle(start);

        assert!(!tries.take());
        assert_eq!(tries.again_at(start), start.wall + TRIES_SECONDS);
    }

    #[test]
    fn a_clock_that_jumps_forgives_no_try() {
        let mut tries = Tries::new(0);
        while tries.take() {}
        tries.settle(Moment {
            wall: 1_800_000_000,
            steady: 0,
        });

        for (wall, steady, expected) in [
            (4_000_000_000, TRIES_SECONDS - 1, false),
            (0, TRIES_SECONDS - 1, false),
            (0, TRIES_SECONDS, true),
        ] {
            tries.settle(Moment { wall, steady });
            assert_eq!(tries.left() > 0, expected, "{wall} {steady}");
        }
    }

    #[test]
    fn a_need_outlives_a_restart_and_no_longer_than_its_time() {
        let job = JobId([1; 32]);
        let mut first = Needs::default();
        let asked = Moment {
            wall: 1_800_000_000,
            steady: 5_000,
        };
        first.add(job, asked);

        // After 4 minutes; with the clock at 1970; after a day.
        for (wall, left) in [
            (asked.wall + 240, NEED_SECONDS - 240),
            (0, NEED_SECONDS),
            (asked.wall + 86_400, 0),
        ] {
            let mut second = Needs::new(first.record());
            second.settle(Moment { wall, steady: 7 });
            assert_eq!(second.next_end(), Some(7 + left));
        }
    }
}
