//! Finished stanzas as text, ready for the outbox: sending one again sends the same bytes.
//!
//! It opens no connection and keeps no state.

use omemo::Envelope;

/// What a chat partner is doing (XEP-0085).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChatState {
    /// Paying attention.
    Active,
    /// At work on an answer.
    Composing,
    /// Stopped working on an answer.
    Paused,
}

/// What goes around the encrypted element.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wrapping {
    /// Ask to hear when it came (XEP-0184).
    pub ask_receipt: bool,
    /// Say in the same stanza what we are doing.
    pub chat_state: Option<ChatState>,
    /// The server need not keep it (for empty messages that only turn a ratchet).
    pub no_store: bool,
}

/// Builds an encrypted message to the bare address `to`.
#[must_use]
pub fn encrypted_message(to: &str, id: &str, envelope: &Envelope, wrapping: Wrapping) -> String {
    let _ = (to, id, envelope, wrapping);
    String::new()
}

/// Builds the one kind of message that goes out in clear: a fixed sentence.
#[must_use]
pub fn plain_message(to: &str, id: &str, text: &str) -> String {
    let _ = (to, id, text);
    String::new()
}

/// Builds the sign that message `received` came (XEP-0184).
#[must_use]
pub fn receipt(to: &str, id: &str, received: &str) -> String {
    let _ = (to, id, received);
    String::new()
}

/// Builds a typing sign (XEP-0085).
#[must_use]
pub fn chat_state(to: &str, state: ChatState) -> String {
    let _ = (to, state);
    String::new()
}

/// Builds a reaction to message `target` (XEP-0444); no emoji takes earlier ones back.
#[must_use]
pub fn reaction(to: &str, id: &str, target: &str, emoji: &[&str]) -> String {
    let _ = (to, id, target, emoji);
    String::new()
}
