//! Who sees whose presence (RFC 6121 3): asking, approving, ignoring.

use super::link::{Link, RequestError};

/// Who sees whose presence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subscription {
    /// Neither side.
    None,
    /// We see theirs.
    To,
    /// They see ours.
    From,
    /// Both.
    Both,
}

impl Link {
    /// Fetches the subscription state with `jid`.
    ///
    /// # Errors
    /// If the roster cannot be fetched.
    pub async fn subscription_with(&self, jid: &str) -> Result<Subscription, RequestError> {
        let _ = jid;
        Err(RequestError::Offline)
    }

    /// Sees to it that both sides see each other: asks where it is missing, approves what was or
    /// will be asked. Returns the state before.
    ///
    /// # Errors
    /// If the roster cannot be fetched.
    pub async fn subscribe_with(&self, jid: &str) -> Result<Subscription, RequestError> {
        let _ = jid;
        Err(RequestError::Offline)
    }

    /// Lets `jid` see our presence.
    pub fn approve(&self, jid: &str) {
        let _ = jid;
    }

    /// Leaves the question of `jid` unanswered, which tells nothing to who asks.
    pub fn ignore(&self, jid: &str) {
        let _ = jid;
    }
}
