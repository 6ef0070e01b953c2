//! When the weekly report is due, and whether it has to say that one lost stick loses everything.

use serde::{Deserialize, Serialize};

use super::moment::Moment;

/// 1 January 2026: no clock that is right stands before.
const EARLIEST: i64 = 1_767_225_600;
const WEEK_SECONDS: i64 = 7 * 24 * 60 * 60;
/// From then on a restore drill brings the report with it.
const NEAR_SECONDS: i64 = 6 * 24 * 60 * 60;
/// How long the report waits for a restore drill.
const PATIENCE_SECONDS: i64 = 24 * 60 * 60;
/// How long the wall clock must have stood before the last warning until it is believed.
const BELIEVED_SECONDS: i64 = 24 * 60 * 60;

/// What has to outlive a restart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Whether there is a spare way in, as the vault process last said.
    pub has_spare: Option<bool>,
    /// When it was last told, in seconds since 1970.
    pub told_at: Option<i64>,
}

/// Knows when the report is due.
#[derive(Debug)]
pub(super) struct Weekly {
    record: Record,
    /// When this run set `told_at`, on the steady clock: then no wall clock is asked.
    told_here: Option<i64>,
    /// Since when the wall clock stands before `told_at`, on the steady clock.
    behind_since: Option<i64>,
}

impl Weekly {
    pub(super) fn new(record: Record) -> Self {
        Self {
            record,
            told_here: None,
            behind_since: None,
        }
    }

    pub(super) fn record(&self) -> &Record {
        &self.record
    }

    pub(super) fn learned(&mut self, has_spare: bool) {
        self.record.has_spare = Some(has_spare);
    }

    /// Returns whether nothing but what the owner carries opens the vault, as far as is known.
    pub(super) fn has_one_way_in(&self) -> bool {
        self.record.has_spare == Some(false)
    }

    /// Returns how much of the week has passed.
    fn passed(&self, at: Moment) -> Option<i64> {
        if let Some(then) = self.told_here {
            return Some(at.steady.saturating_sub(then));
        }
        let told_at = self.record.told_at.filter(|at| *at >= EARLIEST)?;
        Some(at.wall.saturating_sub(told_at))
    }

    /// Returns whether the week is about over, so that what has just happened can begin the report.
    pub(super) fn near(&mut self, at: Moment) -> bool {
        let near = self.passed(at).is_some_and(|it| it >= NEAR_SECONDS);
        if near {
            self.note(at);
        }
        near
    }

    /// Returns whether the report is to be told now. The first one comes after a week. Where
    /// something that belongs in it is expected, it waits a day for that.
    pub(super) fn due(&mut self, at: Moment, expecting: bool) -> bool {
        let Some(passed) = self.passed(at) else {
            self.note(at);
            return false;
        };
        let patience = if expecting { PATIENCE_SECONDS } else { 0 };
        if passed >= WEEK_SECONDS + patience {
            self.note(at);
            return true;
        }
        if passed >= 0 {
            self.behind_since = None;
        } else {
            let since = *self.behind_since.get_or_insert(at.steady);
            if at.steady.saturating_sub(since) >= BELIEVED_SECONDS {
                self.note(at);
            }
        }
        false
    }

    fn note(&mut self, at: Moment) {
        self.record.told_at = Some(at.wall);
        self.told_here = Some(at.steady);
        self.behind_since = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;
    const DAY: i64 = 24 * 60 * 60;

    fn told(days: i64) -> Weekly {
        Weekly::new(Record {
            has_spare: Some(false),
            told_at: Some(NOW - days * DAY),
        })
    }

    fn at(wall: i64, steady: i64) -> Moment {
        Moment { wall, steady }
    }

    #[test]
    fn it_is_told_once_a_week_and_first_after_one() {
        let mut weekly = Weekly::new(Record::default());

        let days: Vec<i64> = (0..22)
            .filter(|day| weekly.due(at(NOW + day * DAY, day * DAY), false))
            .collect();

        assert_eq!(days, [7, 14, 21]);
    }

    #[test]
    fn a_spare_ends_the_warning_and_nothing_is_warned_of_before_it_is_known() {
        let mut weekly = Weekly::new(Record::default());
        assert!(!weekly.has_one_way_in());
        weekly.learned(false);
        assert!(weekly.has_one_way_in());
        weekly.learned(true);

        assert!(!weekly.has_one_way_in());
    }

    #[test]
    fn it_waits_a_day_for_a_drill_and_comes_with_one_that_ends_in_time() {
        assert!(!told(7).due(at(NOW, 0), true));
        assert!(told(8).due(at(NOW, 0), true));
        assert!(!told(5).near(at(NOW, 0)));
        let mut weekly = told(6);
        assert!(weekly.near(at(NOW, 0)));
        assert!(!weekly.near(at(NOW, 0)) && !weekly.due(at(NOW, 0), false));
    }

    #[test]
    fn a_restart_forgets_no_day_of_the_week() {
        assert!(!told(6).due(at(NOW, 0), false));
        assert!(told(7).due(at(NOW, 0), false));
    }

    #[test]
    fn a_first_run_in_1970_does_not_make_the_second_one_tell() {
        let mut first = Weekly::new(Record::default());
        assert!(!first.due(at(12, 0), false));
        let mut second = Weekly::new(first.record().clone());

        assert!(!second.due(at(NOW, 0), false));
        assert!(second.due(at(NOW + 7 * DAY, 7 * DAY), false));
    }

    #[test]
    fn a_clock_that_jumps_within_a_run_neither_tells_nor_silences() {
        let mut weekly = told(7);
        assert!(weekly.due(at(NOW, 0), false));

        assert!(!weekly.due(at(NOW + 3_650 * DAY, 60), false));
        assert!(!weekly.due(at(0, 120), false));
        assert!(weekly.due(at(NOW, 7 * DAY), false));
    }

    #[test]
    fn a_start_with_the_clock_at_1970_tells_nothing_and_a_wrong_date_is_outlived() {
        let mut weekly = told(3);
        assert!(!weekly.due(at(0, 0), false));
        assert!(!weekly.due(at(NOW, 60), false));

        let mut ahead = told(-3_650);
        assert!(!ahead.due(at(NOW, 0), false));
        assert!(!ahead.due(at(NOW + DAY, DAY), false));
        assert!(ahead.due(at(NOW + 8 * DAY, 8 * DAY), false));
    }
}
