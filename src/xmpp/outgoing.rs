//! Finished stanzas as text, ready for the outbox: sending one again sends the same bytes.
//!
//! It opens no connection and keeps no state.

use omemo::{Envelope, Namespace};

use super::envelope::write_envelope;
use super::signs::{self, Sign};
use super::xml::{Xml, ns};

const CHAT_STATES: &str = "http://jabber.org/protocol/chatstates";
const EME: &str = "urn:xmpp:eme:0";
const HINTS: &str = "urn:xmpp:hints";
/// What programs show that cannot decrypt.
const FALLBACK: &str = "I sent you an OMEMO encrypted message but your client doesn't seem to \
                        support that. Find more information on https://conversations.im/omemo";

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

impl ChatState {
    pub(crate) fn xml(self) -> Xml {
        let name = match self {
            Self::Active => "active",
            Self::Composing => "composing",
            Self::Paused => "paused",
        };
        Xml::in_ns(name, CHAT_STATES)
    }
}

/// What goes around the encrypted element.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wrapping {
    /// Ask to hear when it came (XEP-0184).
    pub ask_receipt: bool,
    /// Say in the same stanza what we are doing.
    pub chat_state: Option<ChatState>,
    /// Take the place of the message with this id (XEP-0308).
    pub replaces: Option<String>,
    /// The server need not keep it (for empty messages that only turn a ratchet).
    pub no_store: bool,
}

/// Builds an encrypted message to the bare address `to`. `id` is its id and its origin id.
#[must_use]
pub fn encrypted_message(to: &str, id: &str, envelope: &Envelope, wrapping: Wrapping) -> String {
    // XEP-0384 v0.3.0 4.4: an empty message has no payload, and so nothing to apologise for;
    // XEP-0420 v0.5.0 7: with an envelope inside, nothing may stand beside it.
    let apologises = envelope.namespace == Namespace::Legacy && envelope.payload.is_some();
    let body = apologises.then(|| Xml::new("body").text(FALLBACK));
    let eme = Xml::in_ns("encryption", EME)
        .attr("namespace", envelope.namespace.uri())
        .attr("name", "OMEMO");
    let hint = if wrapping.no_store {
        "no-store"
    } else {
        "store"
    };
    message(to, Some(id))
        .child(write_envelope(envelope))
        .child(eme)
        .child(Xml::in_ns(hint, HINTS))
        .child_if(body)
        .child_if(
            wrapping
                .ask_receipt
                .then(|| Xml::in_ns("request", ns::RECEIPTS)),
        )
        .child_if(wrapping.replaces.as_deref().map(signs::replace))
        .child_if(wrapping.chat_state.map(ChatState::xml))
        .into_text()
}

/// Builds the one kind of message that goes out in clear: a fixed sentence.
#[must_use]
pub fn plain_message(to: &str, id: &str, text: &str) -> String {
    message(to, Some(id))
        .child(Xml::new("body").text(text))
        .into_text()
}

/// Builds a sign about a message of the other side, in clear.
#[must_use]
pub fn sign(to: &str, id: &str, sign: Sign<'_>) -> String {
    message(to, Some(id))
        .child(sign.xml())
        .child(Xml::in_ns("store", HINTS))
        .into_text()
}

/// Builds a typing sign (XEP-0085).
#[must_use]
pub fn chat_state(to: &str, state: ChatState) -> String {
    message(to, None)
        .child(state.xml())
        .child(Xml::in_ns("no-store", HINTS))
        .into_text()
}

fn message(to: &str, id: Option<&str>) -> Xml {
    // XEP-0359 3.1
    let origin = id.map(|id| Xml::in_ns("origin-id", ns::STANZA_IDS).attr("id", id));
    Xml::in_ns("message", ns::CLIENT)
        .attr("type", "chat")
        .attr("to", to)
        .attr_if("id", id)
        .child_if(origin)
}

#[cfg(test)]
mod tests {
    use minidom::Element;
    use omemo::{DeviceId, HeaderKey};

    use super::*;

    fn envelope(payload: Option<Vec<u8>>) -> Envelope {
        let key = HeaderKey {
            jid: None,
            device: DeviceId(2),
            key_exchange: false,
            data: vec![1, 2],
        };
        Envelope {
            namespace: Namespace::Legacy,
            sender: DeviceId(1),
            keys: vec![key],
            iv: vec![3; 12],
            payload,
        }
    }

    #[test]
    fn an_encrypted_message_carries_all_that_a_phone_looks_for() {
        let wrapping = Wrapping {
            ask_receipt: true,
            chat_state: Some(ChatState::Active),
            ..Wrapping::default()
        };

        let text = encrypted_message("owner@x", "id-1", &envelope(Some(vec![5])), wrapping);

        let stanza: Element = text.parse().unwrap();
        assert_eq!(stanza.attr("type"), Some("chat"));
        assert_eq!(stanza.attr("id"), Some("id-1"));
        let parts: Vec<_> = stanza
            .children()
            .map(|c| (c.name().to_owned(), c.ns()))
            .collect();
        let parts: Vec<_> = parts
            .iter()
            .map(|(name, ns)| (name.as_str(), ns.as_str()))
            .collect();
        assert_eq!(
            parts,
            [
                ("origin-id", "urn:xmpp:sid:0"),
                ("encrypted", "eu.siacs.conversations.axolotl"),
                ("encryption", "urn:xmpp:eme:0"),
                ("store", "urn:xmpp:hints"),
                ("body", "jabber:client"),
                ("request", "urn:xmpp:receipts"),
                ("active", "http://jabber.org/protocol/chatstates"),
            ]
        );
    }

    #[test]
    fn an_empty_message_has_no_body_and_the_same_input_gives_the_same_bytes() {
        let wrapping = Wrapping {
            no_store: true,
            ..Wrapping::default()
        };

        let first = encrypted_message("owner@x", "id-1", &envelope(None), wrapping.clone());
        let second = encrypted_message("owner@x", "id-1", &envelope(None), wrapping);

        assert_eq!(first, second);
        assert!(!first.contains("<body"));
        assert!(first.contains("no-store"));
    }

    #[test]
    fn a_message_of_omemo2_says_nothing_in_clear() {
        let envelope = Envelope {
            namespace: Namespace::Omemo2,
            ..envelope(Some(vec![5]))
        };

        let text = encrypted_message("owner@x", "id-1", &envelope, Wrapping::default());

        let stanza: Element = text.parse().unwrap();
        let parts: Vec<_> = stanza.children().map(Element::name).collect();
        assert_eq!(parts, ["origin-id", "encrypted", "encryption", "store"]);
        let hint = stanza.get_child("encryption", EME).unwrap();
        assert_eq!(hint.attr("namespace"), Some("urn:xmpp:omemo:2"));
    }

    #[test]
    fn signs_are_well_formed_whatever_their_ids_contain() {
        let nasty = "'><body>delete all</body>";

        for text in [
            sign("a@x", "1", Sign::Received(nasty)),
            chat_state("a@x", ChatState::Composing),
            plain_message("a@x", nasty, "1 < 2"),
        ] {
            let stanza: Element = text.parse().unwrap();
            assert!(stanza.is("message", "jabber:client"));
            let bodies: Vec<_> = stanza
                .children()
                .filter(|c| c.name() == "body")
                .map(Element::text)
                .collect();
            assert!(bodies.is_empty() || bodies == ["1 < 2"]);
        }
    }
}
