//! When a check may read on, and when it is time to save how far it has come.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

/// How often progress is saved and told.
const PULSE: Duration = Duration::from_secs(5);
/// Longest sleep before the check looks whether it may go on.
const NAP: Duration = Duration::from_millis(50);

/// Says when it is time to save and tell.
pub(super) struct Pulse(Instant);

impl Pulse {
    pub(super) fn new() -> Self {
        Self(Instant::now())
    }

    pub(super) fn is_due(&mut self) -> bool {
        let due = self.0.elapsed() >= PULSE;
        if due {
            self.0 = Instant::now();
        }
        due
    }
}

/// Keeps a check below its share of the drive, lets deliveries go first, and stops it.
pub(super) struct Pace<'a> {
    running: &'a AtomicU64,
    deliveries: &'a AtomicU64,
    ticket: u64,
    bytes_per_second: u64,
    /// When the bytes read so far may have been read.
    due: Instant,
}

impl<'a> Pace<'a> {
    pub(super) fn new(
        running: &'a AtomicU64,
        deliveries: &'a AtomicU64,
        ticket: u64,
        bytes_per_second: u64,
    ) -> Self {
        Self {
            running,
            deliveries,
            ticket,
            bytes_per_second: bytes_per_second.max(1),
            due: Instant::now(),
        }
    }

    /// Waits as long as `bytes` may take; false when the check is to stop.
    pub(super) fn go_on(&mut self, bytes: u64) -> bool {
        let nanoseconds = u128::from(bytes) * 1_000_000_000 / u128::from(self.bytes_per_second);
        let share = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
        // What was not used up in a pause is not made up for afterwards.
        self.due = self.due.max(Instant::now()) + share;
        loop {
            if self.running.load(Ordering::SeqCst) != self.ticket {
                return false;
            }
            let early = self.due.saturating_duration_since(Instant::now());
            let busy = self.deliveries.load(Ordering::SeqCst) > 0;
            // Naps are coarse: what is less than one of them is waited for with the next bytes.
            if early < NAP && !busy {
                return true;
            }
            thread::sleep(NAP);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_takes_as_long_as_its_share_of_the_drive_says() {
        let (running, deliveries) = (AtomicU64::new(1), AtomicU64::new(0));
        let began = Instant::now();
        let mut slow = Pace::new(&running, &deliveries, 1, 1_000_000);
        for _ in 0..25 {
            assert!(slow.go_on(16_000));
        }
        let slow = began.elapsed();
        let mut fast = Pace::new(&running, &deliveries, 1, u64::MAX);
        for _ in 0..25 {
            assert!(fast.go_on(16_000));
        }

        assert!(slow >= Duration::from_millis(350), "{slow:?}");
    }

    #[test]
    fn a_check_that_is_replaced_stops_at_the_next_piece() {
        let (running, deliveries) = (AtomicU64::new(1), AtomicU64::new(0));
        let mut pace = Pace::new(&running, &deliveries, 1, 1);
        running.store(2, Ordering::SeqCst);

        // A byte a second: it does not wait before it looks.
        assert!(!pace.go_on(1_000_000));
    }

    #[test]
    fn a_check_waits_while_a_delivery_runs() {
        let (running, deliveries) = (AtomicU64::new(1), AtomicU64::new(1));
        let went_on = thread::scope(|scope| {
            let check = scope.spawn(|| Pace::new(&running, &deliveries, 1, u64::MAX).go_on(1));
            let waited = Instant::now();
            while waited.elapsed() < Duration::from_millis(120) {
                assert!(!check.is_finished());
                thread::yield_now();
            }
            deliveries.store(0, Ordering::SeqCst);
            check.join().unwrap()
        });

        assert!(went_on);
    }
}
