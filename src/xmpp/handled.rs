//! Which received stanzas are handled, so that the server is told no more than that.
//!
//! XEP-0198 counts: the answer to "how many" can only name a prefix. A message that is still being
//! stored holds the count back; the server then sends it again should this process die.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// The count of handled stanzas of one XEP-0198 session.
#[derive(Debug, Default)]
pub(crate) struct HandledCount {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// All stanzas up to this one are handled.
    prefix: u64,
    /// Handled ones beyond the prefix.
    beyond: BTreeSet<u64>,
}

impl HandledCount {
    /// Marks stanza `number` (the first is 1) as handled.
    pub(crate) fn mark(&self, number: u64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if number > state.prefix {
            state.beyond.insert(number);
        }
        let before = state.prefix;
        while let Some(next) = state.prefix.checked_add(1) {
            if !state.beyond.remove(&next) {
                break;
            }
            state.prefix = next;
        }
        if state.prefix != before {
            self.changed.notify_one();
        }
    }

    /// Returns how many stanzas from the beginning are handled.
    pub(crate) fn prefix(&self) -> u64 {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .prefix
    }

    /// Waits until the count has grown since the last call.
    pub(crate) async fn grown(&self) {
        self.changed.notified().await;
    }
}

/// Holds one received stanza unhandled until it is dropped.
#[derive(Debug)]
pub struct Handled {
    count: Option<(Arc<HandledCount>, u64)>,
}

impl Handled {
    /// Holds stanza `number` of the session that `count` belongs to.
    pub(crate) fn hold(count: Arc<HandledCount>, number: u64) -> Self {
        Self {
            count: Some((count, number)),
        }
    }

    /// Holds nothing: for messages that are not stanzas of a counted stream of their own.
    #[must_use]
    pub fn nothing() -> Self {
        Self { count: None }
    }
}

impl Drop for Handled {
    fn drop(&mut self) {
        if let Some((count, number)) = self.count.take() {
            count.mark(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_gapless_prefix_counts_as_handled() {
        let count = Arc::new(HandledCount::default());
        let first = Handled::hold(Arc::clone(&count), 1);
        let second = Handled::hold(Arc::clone(&count), 2);
        let third = Handled::hold(Arc::clone(&count), 3);

        drop(third);
        let with_a_gap = count.prefix();
        drop(first);
        let up_to_the_second = count.prefix();
        drop(second);

        assert_eq!((with_a_gap, up_to_the_second, count.prefix()), (0, 1, 3));
    }

    #[test]
    fn a_stanza_marked_twice_counts_once() {
        let count = HandledCount::default();

        count.mark(1);
        count.mark(1);

        assert_eq!(count.prefix(), 1);
    }
}
