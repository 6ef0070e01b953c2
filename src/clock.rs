//! What time it is.
//!
//! In a test build (feature `peers`) a test can have the clock stand wrong, as it does in a computer
//! without a clock chip; in every other build it is the system's.

use std::{
    sync::LazyLock,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

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
    let by = Duration::from_secs(offset.unsigned_abs());
    let moved = if offset < 0 {
        now.checked_sub(by)
    } else {
        now.checked_add(by)
    };
    moved.unwrap_or(now)
}

/// The variable that moves the clock of a test build; any other build does not look at it.
pub const VARIABLE: &str = "STRONGROOM_CLOCK_OFFSET";

/// The variable that has a test build's steady clock run so many times as fast.
pub const RATE_VARIABLE: &str = "STRONGROOM_CLOCK_RATE";

/// Returns how long this program has been running, in seconds, by a clock that nobody sets.
#[must_use]
pub fn steady() -> i64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    let seconds = START.elapsed().saturating_mul(rate()).as_secs();
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

/// Returns how long one has to wait for so many seconds to pass on the steady clock.
#[must_use]
pub fn span(seconds: u64) -> Duration {
    Duration::from_secs(seconds) / rate()
}

#[cfg(not(feature = "peers"))]
fn rate() -> u32 {
    1
}

#[cfg(feature = "peers")]
fn rate() -> u32 {
    let rate = std::env::var(RATE_VARIABLE).ok();
    rate.and_then(|text| text.parse().ok()).unwrap_or(1).max(1)
}

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
