//! A clock for what must not be done because a clock was wrong.
//!
//! A Pi has no clock chip: it starts in 1970, or where it was switched off, and may be told any
//! date. This clock takes the wall clock's word for the time the machine was off, up to a week at a
//! time, and else counts what has really passed. It never goes back.

use serde::{Deserialize, Serialize};

use super::moment::Moment;

/// At most so much is believed to have passed between two looks, beside what was counted.
const GAP_SECONDS: i64 = 7 * 24 * 60 * 60;
/// How long the wall clock must have stood behind until it is believed.
const BELIEVED_SECONDS: i64 = 24 * 60 * 60;

/// What has to outlive a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// What this clock showed, in seconds since 1970.
    pub calm: i64,
    /// What the wall clock should have shown then.
    pub wall: i64,
}

/// The clock.
#[derive(Debug)]
pub struct Calm {
    shown: Option<Shown>,
    /// It begins no earlier than this.
    at_least: i64,
    /// The steady clock at the last look.
    steady: Option<i64>,
    /// Since when, on the steady clock, the wall clock stands behind.
    behind_since: Option<i64>,
}

impl Calm {
    /// Goes on where the last run ended, or begins at the wall clock and not before `at_least`.
    #[must_use]
    pub fn new(shown: Option<Shown>, at_least: i64) -> Self {
        Self {
            shown,
            at_least,
            steady: None,
            behind_since: None,
        }
    }

    /// Looks at the clock.
    pub fn look(&mut self, at: Moment) -> Shown {
        let before = self.shown.unwrap_or(Shown {
            calm: at.wall.max(self.at_least),
            wall: at.wall,
        });
        let counted = self
            .steady
            .map_or(0, |then| at.steady.saturating_sub(then).max(0));
        let passed = at.wall.saturating_sub(before.wall);
        let most = counted.saturating_add(GAP_SECONDS);
        let mut wall = at.wall;
        if passed >= counted {
            self.behind_since = None;
        } else {
            let since = *self.behind_since.get_or_insert(at.steady);
            if at.steady.saturating_sub(since) < BELIEVED_SECONDS {
                wall = before.wall.saturating_add(counted);
            } else {
                self.behind_since = None;
            }
        }
        let shown = Shown {
            calm: before.calm.saturating_add(passed.clamp(counted, most)),
            wall,
        };
        self.steady = Some(at.steady);
        self.shown = Some(shown);
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;
    const DAY: i64 = 24 * 60 * 60;

    fn at(wall: i64, steady: i64) -> Moment {
        Moment { wall, steady }
    }

    #[test]
    fn it_follows_a_good_clock_over_restarts() {
        let mut shown = None;
        for run in 0..30 {
            let mut calm = Calm::new(shown, 0);
            for hour in 0..20 {
                let moment = at(NOW + run * DAY + hour * 3_600, 5 + hour * 3_600);
                shown = Some(calm.look(moment));
                assert_eq!(shown.unwrap().calm, moment.wall);
            }
        }
    }

    #[test]
    fn a_start_in_1970_counts_nothing_and_the_right_date_is_taken_once_it_is_known() {
        let last = Calm::new(None, 0).look(at(NOW, 0));
        let mut calm = Calm::new(Some(last), 0);

        assert_eq!(calm.look(at(12, 0)).calm, NOW);
        assert_eq!(calm.look(at(72, 60)).calm, NOW + 60);
        assert_eq!(calm.look(at(NOW + 3 * DAY, 120)).calm, NOW + 3 * DAY);
    }

    #[test]
    fn a_jump_of_ten_years_counts_as_a_week_and_the_way_back_as_nothing() {
        let mut calm = Calm::new(None, 0);
        calm.look(at(NOW, 0));

        let ahead = calm.look(at(NOW + 3_650 * DAY, 60)).calm;
        let back = calm.look(at(NOW + 120, 120)).calm;

        assert_eq!(ahead, NOW + 60 + 7 * DAY);
        assert_eq!(back, ahead + 60);
        // The right date is believed again after a day, and nothing is counted twice.
        for hour in 1..=48 {
            let shown = calm.look(at(NOW + 120 + hour * 3_600, 120 + hour * 3_600));
            assert_eq!(shown.calm, back + hour * 3_600);
        }
        let restarted = calm.look(at(NOW + 120 + 2 * DAY, 120 + 2 * DAY));
        let mut calm = Calm::new(Some(restarted), 0);
        let next = calm.look(at(NOW + 120 + 3 * DAY, 0));
        assert_eq!(next.calm, restarted.calm + DAY);
    }

    #[test]
    fn it_begins_no_earlier_than_it_must_and_never_goes_back() {
        let mut calm = Calm::new(None, NOW);
        let mut last = calm.look(at(0, 0)).calm;
        assert_eq!(last, NOW);
        for (wall, steady) in [(NOW - 5, 9), (0, 10), (NOW + DAY, 11), (7, 12), (NOW, 13)] {
            let next = calm.look(at(wall, steady)).calm;
            assert!(next >= last);
            last = next;
        }
        assert!(last <= NOW + 14 * DAY);
    }
}
