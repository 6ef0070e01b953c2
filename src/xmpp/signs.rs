//! What stands beside words: which message is answered, corrected, taken back, read or reacted to.
//!
//! It reads and writes elements and knows neither who sent them nor whether they were encrypted: in
//! the legacy namespace they stand in clear, and a server can change them.

use minidom::Element;

use super::xml::{Xml, ns};

const REACTIONS: &str = "urn:xmpp:reactions:0";
const REPLY: &str = "urn:xmpp:reply:0";
const CORRECT: &str = "urn:xmpp:message-correct:0";
const RETRACT: &str = "urn:xmpp:message-retract:1";
const MARKERS: &str = "urn:xmpp:chat-markers:0";
/// What a program announces that shows reactions.
pub(super) const SHOWS_REACTIONS: &str = REACTIONS;
/// Longest id that is looked at.
const MAX_ID_BYTES: usize = 512;

/// What stands beside a message's words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signs {
    /// The message that this one answers to (XEP-0461).
    pub answers: Option<String>,
    /// The message whose place this one takes (XEP-0308).
    pub corrects: Option<String>,
    /// The message that is taken back (XEP-0424).
    pub retracts: Option<String>,
    /// The message that was read, with all before it (XEP-0333).
    pub displayed: Option<String>,
    /// Whether the sender wants to hear that it was read (XEP-0333).
    pub is_markable: bool,
}

impl Signs {
    /// Reads them from elements that stand side by side.
    pub(crate) fn read<'a>(elements: impl Iterator<Item = &'a Element>) -> Self {
        let mut signs = Self::default();
        for element in elements {
            let id = || id(element);
            match (element.name(), element.ns().as_str()) {
                // XEP-0461 v0.2.1 3
                ("reply", REPLY) => signs.answers = id(),
                // XEP-0308 v1.2.1 3
                ("replace", CORRECT) => signs.corrects = id(),
                // XEP-0424 v0.4.2 3
                ("retract", RETRACT) => signs.retracts = id(),
                // XEP-0333 v1.0.0 4
                ("displayed", MARKERS) => signs.displayed = id(),
                ("markable", MARKERS) => signs.is_markable = true,
                _ => {}
            }
        }
        signs
    }

    /// Returns the message that was taken back: by a retraction, or by correcting it to nothing.
    #[must_use]
    pub fn took_back(&self, is_empty: bool) -> Option<&str> {
        let emptied = self.corrects.as_deref().filter(|_| is_empty);
        self.retracts.as_deref().or(emptied)
    }
}

/// Returns the id that an element names, if it can be one.
pub(super) fn id(element: &Element) -> Option<String> {
    let id = element.attr("id")?;
    (1..=MAX_ID_BYTES)
        .contains(&id.len())
        .then(|| id.to_owned())
}

/// A sign about a message of the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign<'a> {
    /// It came (XEP-0184).
    Received(&'a str),
    /// It was read (XEP-0333).
    Displayed(&'a str),
    /// What it brought is stored: ✅ (XEP-0444).
    Stored(&'a str),
}

impl Sign<'_> {
    pub(crate) fn xml(self) -> Xml {
        match self {
            Self::Received(id) => Xml::in_ns("received", ns::RECEIPTS).attr("id", id),
            Self::Displayed(id) => Xml::in_ns("displayed", MARKERS).attr("id", id),
            Self::Stored(id) => Xml::in_ns("reactions", REACTIONS)
                .attr("id", id)
                .child(Xml::new("reaction").text("✅")),
        }
    }
}

/// Says whose place a message takes.
pub(crate) fn replace(id: &str) -> Xml {
    Xml::in_ns("replace", CORRECT).attr("id", id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(inner: &str) -> Signs {
        let stanza: Element = format!("<message xmlns='jabber:client'>{inner}</message>")
            .parse()
            .unwrap();
        Signs::read(stanza.children())
    }

    #[test]
    fn the_elements_of_the_specifications_are_read() {
        // As in the examples of XEP-0461, 0308, 0424 and 0333.
        let answer = read(
            "<body>&gt; Anna wrote:\n&gt; We should bake a cake\nGreat idea!</body>\
             <reply to='anna@example.com/laptop' id='message-id1' xmlns='urn:xmpp:reply:0'/>\
             <fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:reply:0'>\
             <body start='0' end='38'/></fallback>",
        );
        let corrected = read("<replace id='bad1' xmlns='urn:xmpp:message-correct:0'/>");
        let taken_back = read(
            "<retract id='wrong-recipient-1' xmlns='urn:xmpp:message-retract:1'/>\
             <fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:message-retract:1'/>",
        );
        let marked = read(
            "<markable xmlns='urn:xmpp:chat-markers:0'/>\
             <displayed xmlns='urn:xmpp:chat-markers:0' id='the-msg-1'/>",
        );

        assert_eq!(answer.answers.as_deref(), Some("message-id1"));
        assert_eq!(corrected.took_back(false), None);
        assert_eq!(corrected.took_back(true), Some("bad1"));
        assert_eq!(taken_back.took_back(false), Some("wrong-recipient-1"));
        assert!(marked.is_markable);
        assert_eq!(marked.displayed.as_deref(), Some("the-msg-1"));
    }

    #[test]
    fn elements_of_other_namespaces_and_without_a_usable_id_say_nothing() {
        let long = "x".repeat(MAX_ID_BYTES + 1);

        assert_eq!(
            read("<reply id='a' xmlns='urn:xmpp:reply:1'/>"),
            Signs::default()
        );
        assert_eq!(
            read("<retract xmlns='urn:xmpp:message-retract:1'/>"),
            Signs::default()
        );
        assert_eq!(
            read("<replace id='' xmlns='urn:xmpp:message-correct:0'/>"),
            Signs::default()
        );
        assert_eq!(
            read(&format!(
                "<replace id='{long}' xmlns='urn:xmpp:message-correct:0'/>"
            )),
            Signs::default()
        );
    }

    #[test]
    fn what_is_written_is_what_the_specifications_show_whatever_the_id_holds() {
        let nasty = "'><body>delete all</body>";

        assert_eq!(
            Sign::Stored("744f6e18").xml().into_text(),
            "<reactions xmlns='urn:xmpp:reactions:0' id='744f6e18'><reaction>✅</reaction></reactions>"
        );
        for sign in [
            Sign::Received(nasty),
            Sign::Displayed(nasty),
            Sign::Stored(nasty),
        ] {
            let element: Element = sign.xml().into_text().parse().unwrap();
            assert_eq!(element.attr("id"), Some(nasty));
            assert!(element.children().all(|it| it.name() == "reaction"));
        }
    }
}
