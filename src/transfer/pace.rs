//! Notices a transfer that crawls: fewer bytes than agreed within any stretch of waiting.
//!
//! The clock is an argument and counts only the time spent waiting for the network, so a slow
//! drive on our side is not held against the server.

use std::{collections::VecDeque, time::Duration};

/// Into how many slices a window is cut; what moved within one slice is remembered as one.
const SLICES: u32 = 12;

/// The bytes of the last window, by slice.
pub(super) struct Pace {
    window: Duration,
    least: u64,
    waited: Duration,
    slices: VecDeque<Slice>,
}

struct Slice {
    begin: Duration,
    last: Duration,
    bytes: u64,
}

impl Pace {
    /// Demands `least` bytes in any `window`.
    pub(super) fn new(window: Duration, least: u64) -> Self {
        Self {
            window,
            least,
            waited: Duration::ZERO,
            slices: VecDeque::new(),
        }
    }

    /// Takes in that `waiting` passed, after which `bytes` moved.
    pub(super) fn moved(&mut self, waiting: Duration, bytes: u64) {
        self.waited = self.waited.saturating_add(waiting);
        let (now, window) = (self.waited, self.window);
        while self
            .slices
            .front()
            .is_some_and(|it| it.last + window <= now)
        {
            self.slices.pop_front();
        }
        if bytes == 0 {
            return;
        }
        match self.slices.back_mut() {
            Some(slice) if now < slice.begin + window / SLICES => {
                slice.last = now;
                slice.bytes = slice.bytes.saturating_add(bytes);
            }
            _ => self.slices.push_back(Slice {
                begin: now,
                last: now,
                bytes,
            }),
        }
    }

    /// Returns how much longer nothing may move before the transfer is too slow.
    pub(super) fn patience(&self) -> Duration {
        if self.least == 0 {
            return Duration::MAX;
        }
        let mut left: u64 = self
            .slices
            .iter()
            .map(|it| it.bytes)
            .fold(0, u64::saturating_add);
        let mut end = self.window;
        for slice in &self.slices {
            if left < self.least {
                break;
            }
            end = end.max(slice.last + self.window);
            left -= slice.bytes;
        }
        end.saturating_sub(self.waited)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(60);
    const LEAST: u64 = 60 * 1024;

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn a_server_that_sends_nothing_is_given_one_window() {
        let mut pace = Pace::new(WINDOW, LEAST);

        assert_eq!(pace.patience(), WINDOW);
        pace.moved(seconds(59), 0);

        assert_eq!(pace.patience(), seconds(1));
        pace.moved(seconds(1), 0);
        assert_eq!(pace.patience(), Duration::ZERO);
    }

    #[test]
    fn a_steady_kibibyte_a_second_is_fast_enough_for_hours() {
        let mut pace = Pace::new(WINDOW, LEAST);

        for second in 0..20_000 {
            pace.moved(seconds(1), 1024);
            assert!(pace.patience() > Duration::ZERO, "after {second} s");
            assert!(pace.slices.len() <= SLICES as usize + 1);
        }
    }

    #[test]
    fn nine_tenths_of_a_kibibyte_a_second_is_too_slow_after_one_window() {
        let mut pace = Pace::new(WINDOW, LEAST);
        let mut waited = 0;

        while pace.patience() > Duration::ZERO && waited < 1000 {
            pace.moved(seconds(1), 921);
            waited += 1;
        }

        assert_eq!(waited, 60);
    }

    #[test]
    fn a_burst_does_not_pay_for_a_later_silence() {
        let mut pace = Pace::new(WINDOW, LEAST);

        pace.moved(seconds(1), 100 << 20);
        pace.moved(seconds(99), 1);

        assert_eq!(pace.patience(), Duration::ZERO);
        let mut honest = Pace::new(WINDOW, LEAST);
        honest.moved(seconds(1), 100 << 20);
        honest.moved(seconds(59), LEAST);
        assert_eq!(honest.patience(), seconds(60));
    }

    #[test]
    fn a_floor_of_zero_never_gives_up() {
        let mut pace = Pace::new(WINDOW, 0);

        pace.moved(seconds(1 << 40), 0);

        assert_eq!(pace.patience(), Duration::MAX);
    }
}
