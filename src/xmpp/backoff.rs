//! How long to wait before the next attempt, and which stream errors end all attempts.
//!
//! Pure: the random number is an argument.

use std::time::Duration;

use super::arrival::FatalReason;
use super::connector::ConnectError;
use super::wire::StreamError;

/// The first wait.
const FIRST: Duration = Duration::from_secs(1);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(300);
/// The wait where the other side asked to be left alone.
const LONG: Duration = Duration::from_secs(60);
/// How long a stream must hold to count as good, whatever it did.
const GOOD: Duration = Duration::from_secs(60);

/// Counts failures and says how long to wait.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Takes in how long a stream held, and whether it was of use: a line that breaks every half
    /// minute, but carries something each time, is not to be met with longer and longer silence.
    pub(crate) fn stream_over(&mut self, held: Duration, was_of_use: bool) {
        if held >= GOOD || was_of_use {
            self.failures = 0;
        }
    }

    /// Returns the next wait. `random` spreads the clients of a server that comes back.
    pub(crate) fn next(&mut self, random: u32) -> Duration {
        let exponent = self.failures.min(9);
        self.failures = self.failures.saturating_add(1);
        let full = FIRST.saturating_mul(1 << exponent).min(LONGEST);
        // Between half of it and all of it.
        let half = full / 2;
        half + half.mul_f64(f64::from(random) / f64::from(u32::MAX))
    }

    /// Returns the next wait after the other side asked to be left alone.
    pub(crate) fn next_long(&mut self, random: u32) -> Duration {
        self.next(random).max(LONG)
    }
}

/// What a stream error of an established stream means for the next attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AfterStreamError {
    /// The stream may be resumed after the usual wait.
    Resume,
    /// The stream is gone: start a fresh one after the usual wait.
    Fresh,
    /// Start a fresh one after a long wait.
    FreshLater,
}

/// RFC 6120 4.9.3: what to do when an established stream ends with this condition.
pub(crate) fn after_stream_error(condition: &str) -> AfterStreamError {
    match condition {
        // Another program uses our resource: throwing it out at once would make both flap.
        "conflict" | "policy-violation" | "resource-constraint" => AfterStreamError::FreshLater,
        // The server restarts, or lost sight of us: it may still know the session.
        "connection-timeout" | "reset" | "system-shutdown" | "remote-connection-failed" => {
            AfterStreamError::Resume
        }
        _ => AfterStreamError::Fresh,
    }
}

/// RFC 6120 4.9.3: whether a stream error while connecting will pass by itself.
pub(crate) fn judge_stream_error(error: &StreamError) -> ConnectError {
    let words = match &error.text {
        Some(text) => format!("{} ({text})", error.condition),
        None => error.condition.clone(),
    };
    match error.condition.as_str() {
        // host-gone too: the server says that it no longer serves the domain. not-authorized here
        // means an action before the login, which no waiting cures.
        "host-unknown" | "host-gone" | "not-authorized" | "unsupported-version" => {
            ConnectError::Fatal(FatalReason::Policy(words))
        }
        // A policy may be a limit on attempts, so it passes.
        _ => ConnectError::Passing(format!("the server ended the stream: {words}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_five_minutes() {
        let mut backoff = Backoff::default();

        let waits: Vec<u64> = (0..12).map(|_| backoff.next(u32::MAX).as_secs()).collect();

        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
    }

    #[test]
    fn waits_are_spread_over_their_upper_half() {
        let shortest = Backoff { failures: 5 }.next(0);
        let longest = Backoff { failures: 5 }.next(u32::MAX);

        assert_eq!((shortest.as_secs(), longest.as_secs()), (16, 32));
    }

    #[test]
    fn a_stream_that_held_starts_the_waits_anew() {
        let mut backoff = Backoff { failures: 9 };

        backoff.stream_over(GOOD, false);

        assert_eq!(backoff.next(u32::MAX), FIRST);
    }

    /// Streams of half a minute for an hour; returns how long we were away of it, in seconds.
    fn away(was_of_use: bool) -> u64 {
        let mut backoff = Backoff::default();
        let (mut clock, mut away) = (Duration::ZERO, Duration::ZERO);
        while clock < Duration::from_secs(60 * 60) {
            let held = Duration::from_secs(30);
            backoff.stream_over(held, was_of_use);
            let wait = backoff.next(u32::MAX);
            clock += held + wait;
            away += wait;
        }
        away.as_secs()
    }

    #[test]
    fn a_line_that_breaks_twice_a_minute_is_away_for_minutes_of_an_hour_if_it_is_of_use() {
        let (of_use, useless) = (away(true), away(false));

        assert!(of_use <= 120, "{of_use} s");
        // The control: who lets us in and ends it each time is left alone.
        assert!(useless >= 40 * 60, "{useless} s");
    }

    #[test]
    fn a_conflict_waits_long_and_a_restart_does_not() {
        let mut backoff = Backoff::default();

        assert_eq!(after_stream_error("conflict"), AfterStreamError::FreshLater);
        assert_eq!(
            after_stream_error("system-shutdown"),
            AfterStreamError::Resume
        );
        assert_eq!(
            after_stream_error("not-well-formed"),
            AfterStreamError::Fresh
        );
        assert_eq!(backoff.next_long(0), LONG);
    }

    #[test]
    fn an_unknown_host_is_fatal_and_a_shutdown_is_not() {
        let judge = |condition: &str| {
            judge_stream_error(&StreamError {
                condition: condition.to_owned(),
                text: None,
            })
        };

        assert!(matches!(judge("host-unknown"), ConnectError::Fatal(_)));
        assert!(matches!(judge("system-shutdown"), ConnectError::Passing(_)));
        assert!(matches!(
            judge("policy-violation"),
            ConnectError::Passing(_)
        ));
    }
}
