//! How the data drive is: whether it takes files, how much still fits, and for how long at the
//! pace of the last weeks.
//!
//! Knows what it was told of the drive and when; it asks no drive and has no clock.

use serde::{Deserialize, Serialize};

const WEEK_SECONDS: i64 = 7 * 24 * 60 * 60;
/// Weeks whose pace counts.
const WEEKS: i64 = 8;
/// A drive that has so much more room than when it was full is tried again at once.
const ROOMIER_BYTES: u64 = 1024 * 1024;
/// A drive that is full in fewer weeks is nearly full.
const SOON_WEEKS: u64 = 4;
/// More room than this is not little, however large the drive is.
const MOST_LITTLE_BYTES: u64 = 1 << 30;
/// What sealing adds at most to a file of usual size: header, record, padding.
const SEALED_EXTRA_BYTES: u64 = 8 * 1024;

/// What keeps the data drive from taking files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DriveTrouble {
    /// Nothing is there: the place of the vault folder is empty or absent.
    Missing,
    /// Something else is there, which is left alone.
    NoVault,
    /// Another vault is there, which is left alone.
    OtherVault,
    /// It takes no writes.
    ReadOnly,
    /// What is left is the reserve, or too little for the file.
    Full,
    /// It fails.
    Failing,
    /// The owner wants to pull it: it is left alone.
    Ejected,
    /// There is no vault yet: neither drive nor stick were ever chosen.
    NotSetUp,
}

/// How the drive was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// What keeps it from being used at all.
    pub trouble: Option<DriveTrouble>,
    /// Free bytes, while it can be used.
    pub free: Option<u64>,
    /// Bytes that are to stay free.
    pub reserve: u64,
}

/// What has changed for the better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Better {
    /// The drive can be used and could not before.
    pub(super) came: bool,
    /// There is more room than when it was full.
    pub(super) roomier: bool,
}

/// How much came in lately. Lies on the system card, so that a locked vault can tell.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pace {
    /// When the first file came, in seconds since 1970.
    since: i64,
    /// The last weeks in which something came, oldest first.
    weeks: Vec<Week>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Week {
    /// Weeks since 1970.
    number: i64,
    files: u64,
    bytes: u64,
}

/// What the room that is left means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Forecast {
    /// About how many files of the usual size still fit.
    pub files: Option<u64>,
    /// In about how many weeks the drive is full at the pace of the last ones.
    pub weeks: Option<u64>,
}

impl Pace {
    fn count(&mut self, bytes: u64, now: i64) {
        let number = now.div_euclid(WEEK_SECONDS);
        // Weeks that lie ahead were counted by a clock that was wrong.
        self.weeks
            .retain(|week| (number - WEEKS..=number).contains(&week.number));
        if self.weeks.is_empty() || self.since > now {
            self.since = now;
        }
        match self.weeks.last_mut() {
            Some(week) if week.number == number => {
                week.files += 1;
                week.bytes = week.bytes.saturating_add(bytes);
            }
            _ => self.weeks.push(Week {
                number,
                files: 1,
                bytes,
            }),
        }
    }

    fn forecast(&self, room: u64, kept: Option<(u64, u64)>, now: i64) -> Forecast {
        let files: u64 = self.weeks.iter().map(|week| week.files).sum();
        let bytes = self
            .weeks
            .iter()
            .fold(0_u64, |sum, week| sum.saturating_add(week.bytes));
        let usual = [Some((files, bytes)), kept]
            .into_iter()
            .flatten()
            .find_map(|(files, bytes)| bytes.checked_div(files));
        // The oldest week that counts may have begun before the first file came.
        let oldest = self.weeks.first().map(|week| week.number * WEEK_SECONDS);
        let since = oldest.map(|oldest| oldest.max(self.since));
        let seconds = since.map(|since| now.saturating_sub(since));
        // Less than a week says nothing about the next ones.
        let seconds = seconds.filter(|it| *it >= WEEK_SECONDS);
        let weeks = seconds.and_then(|seconds| {
            let seconds = u128::try_from(seconds).ok()?;
            let all = u128::from(room).checked_mul(seconds)?;
            let left = all.checked_div(u128::from(bytes))?;
            u64::try_from(left / u128::from(WEEK_SECONDS.unsigned_abs())).ok()
        });
        Forecast {
            files: usual.map(|usual| room / usual.saturating_add(SEALED_EXTRA_BYTES)),
            weeks,
        }
    }
}

/// The drive as it was last seen.
#[derive(Default)]
pub(super) struct Storage {
    seen: Option<Seen>,
    /// Free bytes when a file last did not fit.
    full_at: Option<u64>,
    pace: Pace,
}

impl Storage {
    pub(super) fn new(pace: Option<Pace>) -> Self {
        Self {
            pace: pace.unwrap_or_default(),
            ..Self::default()
        }
    }

    /// Takes note of how the drive is.
    pub(super) fn look(&mut self, seen: Seen) -> Better {
        let before = self.seen.replace(seen);
        let had_trouble = before.is_some_and(|it| it.trouble.is_some());
        let roomier = match (self.full_at, seen.free) {
            (Some(then), Some(free)) => free > then.saturating_add(ROOMIER_BYTES),
            _ => false,
        };
        if roomier {
            self.full_at = None;
        }
        Better {
            came: had_trouble && seen.trouble.is_none(),
            roomier,
        }
    }

    /// A file did not fit.
    pub(super) fn was_full(&mut self) {
        self.full_at = self.seen.and_then(|seen| seen.free);
    }

    /// Counts a file that came in; returns what is to be saved.
    pub(super) fn count(&mut self, bytes: u64, now: i64) -> Pace {
        self.pace.count(bytes, now);
        self.pace.clone()
    }

    /// Returns what keeps the drive from taking files.
    pub(super) fn trouble(&self) -> Option<DriveTrouble> {
        let seen = self.seen?;
        let full = self.room().is_some_and(|room| room == 0);
        seen.trouble.or(full.then_some(DriveTrouble::Full))
    }

    /// Returns what the room that is left means, with entries and bytes of the whole vault where
    /// they are known.
    pub(super) fn forecast(&self, kept: Option<(u64, u64)>, now: i64) -> Forecast {
        self.room()
            .map(|room| self.pace.forecast(room, kept, now))
            .unwrap_or_default()
    }

    /// Returns whether the drive was looked at.
    pub(super) fn is_known(&self) -> bool {
        self.seen.is_some()
    }

    /// Returns the free bytes as they were last seen.
    pub(super) fn free(&self) -> Option<u64> {
        self.seen?.free
    }

    /// Returns whether the drive will be full soon.
    pub(super) fn is_nearly_full(&self, now: i64) -> bool {
        let soon = self.forecast(None, now).weeks;
        self.is_below(1) || soon.is_some_and(|weeks| weeks < SOON_WEEKS)
    }

    /// Returns whether it will not be for a good while.
    pub(super) fn is_roomy(&self, now: i64) -> bool {
        let soon = self.forecast(None, now).weeks;
        self.room().is_some() && !self.is_below(2) && soon.is_none_or(|it| it > 2 * SOON_WEEKS)
    }

    /// Tells whether little room is left: so many times half of the reserve.
    fn is_below(&self, times: u64) -> bool {
        let reserve = self.seen.map_or(0, |seen| seen.reserve);
        let little = (reserve / 2).min(MOST_LITTLE_BYTES).saturating_mul(times);
        self.room().is_some_and(|room| room < little)
    }

    fn room(&self) -> Option<u64> {
        let seen = self.seen?;
        Some(seen.free?.saturating_sub(seen.reserve))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;
    const DAY: i64 = 24 * 60 * 60;
    const MB: u64 = 1_000_000;

    fn seen(free: u64) -> Seen {
        Seen {
            trouble: None,
            free: Some(free),
            reserve: 100 * MB,
        }
    }

    #[test]
    fn the_forecast_follows_the_pace_of_the_last_weeks() {
        let mut storage = Storage::new(None);
        storage.look(seen(1_100 * MB));
        for day in 0..28 {
            // 2 MB a day.
            let _ = storage.count(2 * MB - SEALED_EXTRA_BYTES, NOW + day * DAY);
        }

        let forecast = storage.forecast(None, NOW + 28 * DAY);

        assert_eq!(forecast.files, Some(500));
        // 1,000 MB at 14 MB a week.
        assert_eq!(forecast.weeks, Some(71));
    }

    #[test]
    fn an_old_pace_is_forgotten_and_the_vault_itself_tells_the_usual_size() {
        let mut storage = Storage::new(None);
        storage.look(seen(1_100 * MB));
        let _ = storage.count(50 * MB, NOW);
        let _ = storage.count(2 * MB - SEALED_EXTRA_BYTES, NOW + 100 * 7 * DAY);

        let recent = storage.forecast(Some((1, 900 * MB)), NOW + 100 * 7 * DAY);
        let nothing_yet = Storage::new(None).forecast(Some((1, MB)), NOW);
        let mut fresh = Storage::new(None);
        fresh.look(seen(200 * MB));
        let by_vault = fresh.forecast(Some((2, 20 * MB - 2 * SEALED_EXTRA_BYTES)), NOW);

        assert_eq!((recent.files, recent.weeks), (Some(500), None));
        assert_eq!(nothing_yet, Forecast::default());
        assert_eq!((by_vault.files, by_vault.weeks), (Some(10), None));
    }

    #[test]
    fn a_clock_that_was_wrong_does_not_spoil_the_pace() {
        let mut storage = Storage::new(None);
        storage.look(seen(1_100 * MB));
        let _ = storage.count(MB, NOW + 5_000 * DAY);
        for day in 0..14 {
            let _ = storage.count(2 * MB - SEALED_EXTRA_BYTES, NOW + day * DAY);
        }

        let forecast = storage.forecast(None, NOW + 14 * DAY);

        assert_eq!((forecast.files, forecast.weeks), (Some(500), Some(71)));
    }

    #[test]
    fn a_drive_that_came_back_or_has_more_room_is_noticed_once() {
        let mut storage = Storage::new(None);
        let missing = Seen {
            trouble: Some(DriveTrouble::Missing),
            free: None,
            ..seen(0)
        };
        let first = storage.look(missing);
        let back = storage.look(seen(120 * MB));
        storage.was_full();
        let same = storage.look(seen(120 * MB));
        let more = storage.look(seen(150 * MB));
        let again = storage.look(seen(150 * MB));

        assert!(!first.came && back.came && !same.came);
        assert!(!same.roomier && more.roomier && !again.roomier);
        assert_eq!(storage.trouble(), None);
        storage.look(seen(100 * MB));
        assert_eq!(storage.trouble(), Some(DriveTrouble::Full), "the reserve");
    }
}
