//! Constructed stanzas for the tests of other rooms, read as a stream would read them.

use minidom::Element;

use super::{
    Content, Message, envelope,
    incoming::{self, Incoming, Parties},
};

/// Our own account in these tests.
pub(crate) const OURS: &str = "vault@example.org";

/// Reads a message as it comes live, from offline storage, or from the archive for the query `q`.
pub(crate) fn message(text: &str) -> Box<Message> {
    let stanza: Element = text.parse().unwrap();
    let parties = Parties::new(OURS, "vault@example.org/strongroom").unwrap();
    match incoming::read_message(&stanza, &parties, |query| query == "q") {
        Ok(Incoming::Message(message) | Incoming::Archived { message, .. }) => message,
        Ok(_) => panic!("no message: {text}"),
        Err(why) => panic!("dropped, {why:?}: {text}"),
    }
}

/// Returns whether a stanza comes to nothing at all.
pub(crate) fn is_nothing(text: &str) -> bool {
    let stanza: Element = text.parse().unwrap();
    let parties = Parties::new(OURS, "vault@example.org/strongroom").unwrap();
    incoming::read_message(&stanza, &parties, |_| false).is_err()
}

/// Reads what is in a stanza that was made to be sent.
pub(crate) fn content(text: &str) -> Content {
    envelope::read_content(&text.parse().unwrap())
}
