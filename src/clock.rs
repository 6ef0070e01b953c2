//! What time it is.
//!
//! In a test build (feature `peers`) a test can have the clock stand wrong, as it does in a computer
//! without a clock chip; in every other build it is the system's.

use std::time::{SystemTime, UNIX_EPOCH};

/// Returns the time of day.
#[cfg(not(feature = "peers"))]
#[must_use]
pub fn now() -> SystemTime {
    SystemTime::now()
}

/// Returns the time of day, moved by the seconds in `STRONGROOM_CLOCK_OFFSET`.
#[cfg(feature = "peers")]
#[must_use]
pub fn now() -> SystemTime {
    let now = SystemTime::now();
    let offset = std::env::var(VARIABLE).ok();
    let Some(offset) = offset.and_then(|text| text.parse::<i64>().ok()) else {
        return now;
    };
    let by = std::time::Duration::from_secs(offset.unsigned_abs());
    let moved = if offset < 0 {
        now.checked_sub(by)
    } else {
        now.checked_add(by)
    };
    moved.unwrap_or(now)
}

/// The variable that moves the clock of a test build; any other build does not look at it.
pub const VARIABLE: &str = "STRONGROOM_CLOCK_OFFSET";

/// Returns how many seconds the clocks on the walls here are ahead of UTC now; 0 where that is not
/// known. localtime(5)
#[must_use]
pub fn ahead_of_utc() -> i64 {
    let now = now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    i64::from(ahead_of_utc_at()(now))
}

/// Returns what says how many seconds the clocks on the walls here are ahead of UTC at any moment,
/// in seconds since 1970; 0 where that is not known. localtime(5)
pub fn ahead_of_utc_at() -> impl Fn(i64) -> i32 {
    let zone = tz::TimeZone::local().ok();
    move |at| {
        let found = zone.as_ref().map(|zone| zone.find_local_time_type(at));
        found.map_or(0, |found| found.map_or(0, |it| it.ut_offset()))
    }
}
