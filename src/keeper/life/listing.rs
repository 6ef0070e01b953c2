//! Our place on our own device list: taken again when somebody takes it, with growing patience, and
//! told when that does not end.

use std::collections::VecDeque;

use crate::keeper::moment::Moment;

const HOUR_SECONDS: i64 = 60 * 60;
/// Losses within an hour after which the owner is told.
const ALARM_LOSSES: usize = 5;
/// Least seconds between two alarms.
const ALARM_PAUSE_SECONDS: i64 = 24 * HOUR_SECONDS;
/// Seconds waited before the list is published, by the number of losses in the last hour.
const PATIENCE: [i64; 6] = [0, 5, 30, 120, 600, 600];

/// What is to be done about the list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Due {
    /// Publish it with us on it.
    pub(super) announce: bool,
    /// Tell the owner.
    pub(super) alarm: bool,
}

/// How often we were taken off the list lately.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// When, on the steady clock; oldest first.
    losses: VecDeque<i64>,
    announce_at: Option<i64>,
    alarmed_at: Option<i64>,
    alarm: bool,
}

impl Listing {
    /// The list came, and does not name us.
    pub(super) fn lost(&mut self, at: Moment) {
        self.losses
            .retain(|it| at.steady.saturating_sub(*it) < HOUR_SECONDS);
        if self.announce_at.is_some() {
            // The loss that is waited over already.
            return;
        }
        let place = self.losses.len().min(PATIENCE.len() - 1);
        let wait = PATIENCE.get(place).copied().unwrap_or_default();
        self.losses.push_back(at.steady);
        if self.losses.len() > PATIENCE.len() {
            self.losses.pop_front();
        }
        self.announce_at = Some(at.steady.saturating_add(wait));
        let pause_over = self
            .alarmed_at
            .is_none_or(|it| at.steady.saturating_sub(it) >= ALARM_PAUSE_SECONDS);
        if self.losses.len() >= ALARM_LOSSES && pause_over {
            self.alarmed_at = Some(at.steady);
            self.alarm = true;
        }
    }

    /// Returns what is due now, once.
    pub(super) fn due(&mut self, at: Moment) -> Due {
        let announce = self.announce_at.is_some_and(|it| it <= at.steady);
        if announce {
            self.announce_at = None;
        }
        Due {
            announce,
            alarm: std::mem::take(&mut self.alarm),
        }
    }

    /// Returns when, on the steady clock, something is due.
    pub(super) fn next(&self) -> Option<i64> {
        self.announce_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes us off the list whenever we are on it; returns when we came back and were told.
    fn fight(seconds: i64) -> (Vec<i64>, Vec<i64>) {
        let mut listing = Listing::default();
        let (mut announced, mut alarms) = (Vec::new(), Vec::new());
        listing.lost(Moment::from(0));
        for now in 0..seconds {
            let due = listing.due(Moment::from(now));
            if due.alarm {
                alarms.push(now);
            }
            if due.announce {
                announced.push(now);
                listing.lost(Moment::from(now));
                // What is pushed twice is one loss.
                listing.lost(Moment::from(now));
            }
        }
        (announced, alarms)
    }

    #[test]
    fn a_fight_over_the_list_slows_down_and_is_told_once_a_day() {
        let (announced, alarms) = fight(2 * 24 * 60 * 60);

        assert_eq!(announced[..5], [0, 5, 35, 155, 755]);
        let a_day: Vec<_> = announced.iter().filter(|it| **it < 86_400).collect();
        assert!(a_day.len() <= 160, "{} times a day", a_day.len());
        assert_eq!(alarms.len(), 2, "{alarms:?}");
        assert!(alarms[0] <= 156, "at the fifth loss");
    }

    #[test]
    fn a_single_loss_is_mended_at_once_and_told_nobody() {
        let mut listing = Listing::default();
        for day in 0..10 {
            let at = Moment::from(day * 24 * HOUR_SECONDS);
            listing.lost(at);
            assert_eq!(
                listing.due(at),
                Due {
                    announce: true,
                    alarm: false
                }
            );
            assert_eq!(listing.due(at), Due::default());
            assert_eq!(listing.next(), None);
        }
    }
}
