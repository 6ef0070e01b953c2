//! What is inside an encrypted payload of `urn:xmpp:omemo:2`: an envelope of its own, in XML
//! (XEP-0420).
//!
//! It decrypts nothing and trusts no device. What it reads has passed no server, so it is looked
//! over before it is parsed; what it writes hides how long the words are.
//!
//! ```text
//! <envelope xmlns='urn:xmpp:sce:1'>
//!   <content> <body xmlns='jabber:client'/> … </content>
//!   <rpad/> <time stamp=''/> <to jid=''/> <from jid=''/>
//! </envelope>
//! ```

use std::time::SystemTime;

use jid::Jid;
use minidom::Element;
use rand_core::CryptoRng;

use super::archive::date_time;
use super::incoming::read_stamp;
use super::outgoing::ChatState;
use super::sieve;
use super::signs::{self, Sign, Signs};
use super::xml::{self, Xml, ns};

const SCE: &str = "urn:xmpp:sce:1";
/// Largest envelope read: more than any server passes on.
const MAX_BYTES: usize = 512 * 1024;
/// Most elements of the content that are looked at.
const MAX_ELEMENTS: usize = 100;
/// Shortest envelope written, so that short words are all of one length.
const LEAST_BYTES: usize = 512;
/// Most padding beyond that. // XEP-0420 v0.5.0 4.2
const MOST_PADDING: usize = 200;
/// What padding is made of: 64 characters that XML writes as they are.
const PADDING: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// Namespaces of what only a server, or the stanza itself, may say: inside it counts for nothing.
// XEP-0420 v0.5.0 9
const NOT_INSIDE: [&str; 7] = [
    "urn:xmpp:hints",
    "http://jabber.org/protocol/address",
    "urn:xmpp:eme:0",
    "urn:xmpp:mam:2",
    ns::DELAY,
    ns::CARBONS,
    SCE,
];

/// What an encrypted payload says.
///
/// Not `Debug`: it carries what people wrote.
#[derive(Clone, PartialEq)]
pub struct SceContent {
    elements: Vec<Element>,
    sent_at: Option<SystemTime>,
}

/// Why an encrypted payload was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SceError {
    /// It is no envelope, or one that would be dangerous to parse.
    #[error("the decrypted envelope cannot be read")]
    Malformed,
    /// It says that it was written by somebody else, or for somebody else, than the stanza says.
    #[error("the decrypted envelope was made for another stanza")]
    OtherStanza,
}

impl SceContent {
    /// Reads a decrypted payload of a message that came `from` one bare address `to` another.
    ///
    /// # Errors
    /// [`SceError`].
    pub fn read(payload: &[u8], from: &str, to: &str) -> Result<Self, SceError> {
        let envelope = parse(payload).ok_or(SceError::Malformed)?;
        let says = |name, address| affixes(&envelope, name).all(|it| is_account(it, address));
        if !says("from", from) || !says("to", to) {
            return Err(SceError::OtherStanza);
        }
        let mut contents = envelope.children().filter(|it| it.is("content", SCE));
        // Of two, nobody could say which was meant.
        let (Some(content), None) = (contents.next(), contents.next()) else {
            return Err(SceError::Malformed);
        };
        let time = xml::child(&envelope, "time", SCE);
        Ok(Self {
            elements: content
                .children()
                .take(MAX_ELEMENTS)
                .filter(|it| may_be_inside(it))
                .cloned()
                .collect(),
            sent_at: time.and_then(read_stamp),
        })
    }

    /// Returns the text, if there is one.
    #[must_use]
    pub fn body(&self) -> Option<String> {
        self.element("body", ns::CLIENT).map(Element::text)
    }

    /// Returns the id of the message of ours that the other side received (XEP-0184).
    #[must_use]
    pub fn received(&self) -> Option<String> {
        let received = self.element("received", ns::RECEIPTS);
        let received = received.and_then(|it| it.attr("id")).map(str::to_owned);
        // What was read came.
        received.or_else(|| self.signs().displayed)
    }

    /// Returns what stands beside the words.
    #[must_use]
    pub fn signs(&self) -> Signs {
        Signs::read(self.elements.iter())
    }

    /// Returns whether the sender wants to hear that it came (XEP-0184).
    #[must_use]
    pub fn asks_receipt(&self) -> bool {
        self.element("request", ns::RECEIPTS).is_some()
    }

    /// Returns when the sender says that it was sent, by the sender's clock.
    #[must_use]
    pub fn sent_at(&self) -> Option<SystemTime> {
        self.sent_at
    }

    /// Returns all elements of the content with this name and namespace.
    pub(crate) fn all<'a>(
        &'a self,
        name: &'a str,
        namespace: &'a str,
    ) -> impl Iterator<Item = &'a Element> {
        self.elements
            .iter()
            .filter(move |it| it.is(name, namespace))
    }

    /// Returns the first element of the content with this name and namespace.
    pub(crate) fn element(&self, name: &str, namespace: &str) -> Option<&Element> {
        self.elements.iter().find(|it| it.is(name, namespace))
    }
}

fn parse(payload: &[u8]) -> Option<Element> {
    if payload.len() > MAX_BYTES {
        return None;
    }
    let text = std::str::from_utf8(payload).ok()?.trim();
    // XML 1.0 2.8: a document may begin by saying so.
    let text = match text.strip_prefix("<?xml ") {
        Some(declared) => declared.split_once("?>")?.1.trim_start(),
        None => text,
    };
    // XEP-0420 v0.5.0 10: only what is whole and harmless is looked at.
    if !sieve::is_harmless_element(text.as_bytes()) {
        return None;
    }
    let envelope: Element = text.parse().ok()?;
    envelope.is("envelope", SCE).then_some(envelope)
}

/// Returns the addresses of the affixes with this name; an affix without one counts as empty.
fn affixes<'a>(envelope: &'a Element, name: &'a str) -> impl Iterator<Item = &'a str> {
    let affixes = envelope.children().filter(move |it| it.is(name, SCE));
    affixes.map(|it| it.attr("jid").unwrap_or_default())
}

fn is_account(affix: &str, address: &str) -> bool {
    Jid::new(affix).is_ok_and(|jid| jid.to_bare().as_str() == address)
}

fn may_be_inside(element: &Element) -> bool {
    let namespace = element.ns();
    let is_archive_id = namespace == ns::STANZA_IDS && element.name() == "stanza-id";
    !NOT_INSIDE.contains(&namespace.as_str()) && !is_archive_id
}

/// An envelope being written.
#[derive(Debug, Clone)]
pub struct SceDraft {
    content: Xml,
}

impl Default for SceDraft {
    fn default() -> Self {
        Self {
            content: Xml::new("content"),
        }
    }
}

impl SceDraft {
    /// Adds a text.
    #[must_use]
    pub fn body(self, text: &str) -> Self {
        self.element(Xml::in_ns("body", ns::CLIENT).text(text))
    }

    /// Asks to hear when it came (XEP-0184).
    #[must_use]
    pub fn ask_receipt(self) -> Self {
        self.element(Xml::in_ns("request", ns::RECEIPTS))
    }

    /// Says something of a message of the other side.
    #[must_use]
    pub fn sign(self, sign: Sign<'_>) -> Self {
        self.element(sign.xml())
    }

    /// Takes the place of the message with this id, if one is given (XEP-0308).
    #[must_use]
    pub fn replace(self, id: Option<&str>) -> Self {
        match id {
            Some(id) => self.element(signs::replace(id)),
            None => self,
        }
    }

    /// Says what we are doing (XEP-0085).
    #[must_use]
    pub fn chat_state(self, state: ChatState) -> Self {
        self.element(state.xml())
    }

    /// Adds an element to the content.
    pub(crate) fn element(self, element: Xml) -> Self {
        Self {
            content: self.content.child(element),
        }
    }

    /// Writes the envelope of a message from one bare address to another, sent at `now`; this is
    /// what is to be encrypted. `rng` draws the padding.
    #[must_use]
    pub fn write(self, from: &str, to: &str, now: SystemTime, rng: &mut impl CryptoRng) -> Vec<u8> {
        // XEP-0384 v0.9.1 5.5.1
        let envelope = |padding: &str| {
            Xml::in_ns("envelope", SCE)
                .child(self.content.clone())
                .child(Xml::new("rpad").text(padding))
                .child(Xml::new("time").attr("stamp", date_time(now)))
                .child(Xml::new("to").attr("jid", to))
                .child(Xml::new("from").attr("jid", from))
                .into_text()
        };
        let bare = envelope("-").len() - 1;
        let beyond = usize::try_from(rng.next_u64() % (MOST_PADDING as u64 + 1)).unwrap_or(0);
        let mut padding = vec![0; LEAST_BYTES.saturating_sub(bare).max(1) + beyond];
        rng.fill_bytes(&mut padding);
        let padding: String = padding
            .into_iter()
            .filter_map(|it| PADDING.get(usize::from(it % 64)))
            .map(|it| char::from(*it))
            .collect();
        envelope(&padding).into_bytes()
    }
}

#[cfg(test)]
mod tests;
