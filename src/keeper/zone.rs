//! Days as the owner counts them: what the clock on the wall shows where the vault stands.
//!
//! It asks no clock and reads no file: whoever makes it says how far the wall clock is off.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime};

/// The first and last second that is looked at, in seconds since 1970: 1900 and 2200.
const FIRST: i64 = -2_208_988_800;
const LAST: i64 = 7_258_118_400;
/// No zone changes its clock twice within so many seconds.
const STEP: i64 = 4 * 24 * 60 * 60;

/// How far the clock on the wall is ahead of universal time, and since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone(Arc<[(i64, i32)]>);

/// Universal time itself.
impl Default for Zone {
    fn default() -> Self {
        Self::fixed(0)
    }
}

impl Zone {
    /// Makes a zone that is always so many seconds ahead.
    #[must_use]
    pub fn fixed(seconds: i32) -> Self {
        Self(Arc::new([(i64::MIN, seconds)]))
    }

    /// Makes a zone from what `ahead` says for any moment, in seconds.
    #[must_use]
    pub fn sampled(ahead: impl Fn(i64) -> i32) -> Self {
        let mut changes = vec![(i64::MIN, ahead(FIRST))];
        let mut at = FIRST;
        let mut now = ahead(at);
        while at < LAST {
            let next = at + STEP;
            let then = ahead(next);
            if then != now {
                let (mut before, mut after) = (at, next);
                while after - before > 1 {
                    let middle = before + (after - before) / 2;
                    if ahead(middle) == now {
                        before = middle;
                    } else {
                        after = middle;
                    }
                }
                changes.push((after, then));
            }
            (at, now) = (next, then);
        }
        Self(changes.into())
    }

    fn ahead(&self, at: i64) -> i64 {
        let after = self.0.partition_point(|(since, _)| *since <= at);
        let found = after.checked_sub(1).and_then(|place| self.0.get(place));
        found.map_or(0, |(_, ahead)| i64::from(*ahead))
    }

    /// Returns the moment at which a clock of universal time shows what the wall shows at this one.
    #[must_use]
    pub fn shown(&self, at: i64) -> i64 {
        at.saturating_add(self.ahead(at))
    }

    /// Returns what the wall shows at a moment, in seconds since 1970.
    #[must_use]
    pub fn local(&self, at: i64) -> NaiveDateTime {
        DateTime::from_timestamp(self.shown(at), 0)
            .unwrap_or_default()
            .naive_utc()
    }

    /// Returns the moment at which a day begins, in seconds since 1970. Where the clock is put
    /// forward over midnight, the day begins with the change.
    #[must_use]
    pub fn start_of(&self, day: NaiveDate) -> i64 {
        let shown = day.and_time(NaiveTime::MIN).and_utc().timestamp();
        // What holds a day before the change or a day after it fits, unless the hour is left out.
        let fits = [-86_400, 86_400]
            .into_iter()
            .map(|near| shown - self.ahead(shown.saturating_add(near)))
            .find(|at| at + self.ahead(*at) == shown);
        fits.unwrap_or_else(|| {
            let before = self.ahead(shown - 86_400);
            shown - before
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(year: i32, month: u32, day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(year, month, day).unwrap()
    }

    /// Two hours ahead from 29 March 2026, 01:00 UTC, to 25 October, 01:00 UTC; one otherwise.
    fn berlin() -> Zone {
        let summer = 1_774_746_000..1_792_890_000;
        Zone::sampled(move |at| if summer.contains(&at) { 7_200 } else { 3_600 })
    }

    #[test]
    fn a_day_begins_when_the_wall_shows_midnight_in_summer_and_in_winter() {
        let zone = berlin();

        assert_eq!(zone.0.len(), 3, "{:?}", zone.0);
        for (date, shown) in [
            (day(2026, 1, 15), "2026-01-14T23:00:00"),
            (day(2026, 3, 29), "2026-03-28T23:00:00"),
            (day(2026, 3, 30), "2026-03-29T22:00:00"),
            (day(2026, 10, 25), "2026-10-24T22:00:00"),
            (day(2026, 10, 26), "2026-10-25T23:00:00"),
        ] {
            let at = zone.start_of(date);
            let utc = DateTime::from_timestamp(at, 0).unwrap().naive_utc();
            assert_eq!(utc.format("%FT%T").to_string(), shown);
            assert_eq!(zone.local(at).date(), date);
            assert_eq!(zone.local(at - 1).date(), date.pred_opt().unwrap());
        }
    }

    #[test]
    fn a_midnight_that_the_clock_leaves_out_is_the_moment_of_the_change() {
        // At 00:00 the wall shows 01:00, on 6 September 2026, 04:00 UTC.
        let change = 1_788_667_200;
        let zone = Zone::sampled(move |at| if at < change { -14_400 } else { -10_800 });

        assert_eq!(zone.start_of(day(2026, 9, 6)), change);
    }
}
