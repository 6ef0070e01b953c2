//! What a child process has said so far, and waiting for what it will say.

use std::{
    sync::{Arc, Condvar, Mutex},
    time::{Duration, Instant},
};

/// How long anything that is expected may take on a slow machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Items in the order they came. Each can be taken once; all stay readable.
pub(crate) struct Journal<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    items: Vec<(T, bool)>,
    closed: bool,
}

impl<T: Clone> Journal<T> {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                items: Vec::new(),
                closed: false,
            }),
            changed: Condvar::new(),
        })
    }

    pub(crate) fn push(&self, item: T) {
        self.state.lock().unwrap().items.push((item, false));
        self.changed.notify_all();
    }

    /// Ends all waiting: nothing more will come.
    pub(crate) fn close(&self) {
        self.state.lock().unwrap().closed = true;
        self.changed.notify_all();
    }

    /// Takes the first item not yet taken that matches, waiting for it if need be. Others stay
    /// for later calls.
    pub(crate) fn take(&self, patience: Duration, wanted: impl Fn(&T) -> bool) -> Option<T> {
        let end = Instant::now() + patience;
        let mut state = self.state.lock().unwrap();
        loop {
            let found = state
                .items
                .iter_mut()
                .find(|(item, taken)| !taken && wanted(item));
            if let Some((item, taken)) = found {
                *taken = true;
                return Some(item.clone());
            }
            let left = end.saturating_duration_since(Instant::now());
            if state.closed || left.is_zero() {
                return None;
            }
            state = self.changed.wait_timeout(state, left).unwrap().0;
        }
    }

    /// Returns every item so far that matches, taken or not.
    pub(crate) fn all(&self, wanted: impl Fn(&T) -> bool) -> Vec<T> {
        let state = self.state.lock().unwrap();
        state
            .items
            .iter()
            .map(|(item, _)| item)
            .filter(|it| wanted(it))
            .cloned()
            .collect()
    }
}
