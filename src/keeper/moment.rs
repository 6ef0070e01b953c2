//! A moment as two clocks show it.

/// When something happened.
///
/// People and restarts need the wall clock, which on a machine without a clock chip jumps.
/// Waiting needs one that does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Seconds since 1970.
    pub wall: i64,
    /// Seconds since some point in this run, never set back or forward.
    pub steady: i64,
}

/// Takes both clocks to agree.
impl From<i64> for Moment {
    fn from(seconds: i64) -> Self {
        Self {
            wall: seconds,
            steady: seconds,
        }
    }
}
