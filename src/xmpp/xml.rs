//! Writing XML as text, and the few questions asked of XML that was read.
//!
//! It knows no stanza. What it writes is what the outbox keeps and what is sent.

use std::fmt::{self, Write as _};

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use minidom::Element;

/// Namespaces that more than one file names.
pub(crate) mod ns {
    pub(crate) const CLIENT: &str = "jabber:client";
    pub(crate) const STREAMS: &str = "http://etherx.jabber.org/streams";
    pub(crate) const DELAY: &str = "urn:xmpp:delay";
    pub(crate) const DATA_FORMS: &str = "jabber:x:data";
    pub(crate) const DISCO_INFO: &str = "http://jabber.org/protocol/disco#info";
    pub(crate) const PUBSUB: &str = "http://jabber.org/protocol/pubsub";
    pub(crate) const RECEIPTS: &str = "urn:xmpp:receipts";
    pub(crate) const ROSTER: &str = "jabber:iq:roster";
    pub(crate) const STANZA_IDS: &str = "urn:xmpp:sid:0";
    pub(crate) const MAM: &str = "urn:xmpp:mam:2";
    pub(crate) const RSM: &str = "http://jabber.org/protocol/rsm";
    pub(crate) const CARBONS: &str = "urn:xmpp:carbons:2";
}

/// An element being written.
#[derive(Debug, Clone)]
pub(crate) struct Xml {
    name: &'static str,
    head: String,
    inner: String,
}

impl Xml {
    /// Begins an element in the namespace of its parent.
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            head: format!("<{name}"),
            inner: String::new(),
        }
    }

    /// Begins an element in a namespace of its own.
    pub(crate) fn in_ns(name: &'static str, namespace: &str) -> Self {
        Self::new(name).attr("xmlns", namespace)
    }

    /// Adds an attribute.
    pub(crate) fn attr(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.head.push(' ');
        self.head.push_str(name);
        self.head.push_str("='");
        escape(&value.to_string(), &mut self.head);
        self.head.push('\'');
        self
    }

    /// Adds an attribute if there is a value.
    pub(crate) fn attr_if(self, name: &str, value: Option<impl fmt::Display>) -> Self {
        match value {
            Some(value) => self.attr(name, value),
            None => self,
        }
    }

    /// Adds text.
    pub(crate) fn text(mut self, text: &str) -> Self {
        escape(text, &mut self.inner);
        self
    }

    /// Adds bytes as base64.
    pub(crate) fn base64(mut self, bytes: &[u8]) -> Self {
        base64::engine::general_purpose::STANDARD.encode_string(bytes, &mut self.inner);
        self
    }

    /// Adds a child element.
    pub(crate) fn child(mut self, child: Self) -> Self {
        child.write_into(&mut self.inner);
        self
    }

    /// Adds child elements.
    pub(crate) fn children(self, children: impl IntoIterator<Item = Self>) -> Self {
        children.into_iter().fold(self, Self::child)
    }

    /// Adds a child element if there is one.
    pub(crate) fn child_if(self, child: Option<Self>) -> Self {
        self.children(child)
    }

    /// Returns the element as text.
    pub(crate) fn into_text(self) -> String {
        let mut out = String::with_capacity(self.head.len() + self.inner.len() + 16);
        self.write_into(&mut out);
        out
    }

    fn write_into(&self, out: &mut String) {
        out.push_str(&self.head);
        if self.inner.is_empty() {
            out.push_str("/>");
        } else {
            out.push('>');
            out.push_str(&self.inner);
            // Writing to a String cannot fail.
            let _ = write!(out, "</{}>", self.name);
        }
    }
}

/// Writes text so that it can stand in an element or an attribute.
///
/// Characters that XML cannot carry at all become U+FFFD: a file name may contain them, and the
/// server would end the stream.
fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\'' => out.push_str("&apos;"),
            '"' => out.push_str("&quot;"),
            '\r' => out.push_str("&#13;"),
            '\n' | '\t' => out.push(c),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(c),
        }
    }
}

/// Reads one element from text of our own.
pub(crate) fn read(text: &str) -> Option<Element> {
    text.parse().ok()
}

/// Returns the child with this name and namespace.
pub(crate) fn child<'a>(parent: &'a Element, name: &str, namespace: &str) -> Option<&'a Element> {
    parent.children().find(|child| child.is(name, namespace))
}

/// Decodes base64 as people's programs write it: with line breaks, with or without padding.
pub(crate) fn lenient_base64(text: &str) -> Option<Vec<u8>> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true),
    );
    let compact: Vec<u8> = text
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    LENIENT.decode(compact).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let text = Xml::in_ns("a", "urn:x")
            .attr("b", "<'\"&>")
            .child(Xml::new("c").text("1 < 2 & \u{1}"))
            .into_text();

        let element = read(&text).unwrap();

        assert_eq!(element.attr("b"), Some("<'\"&>"));
        assert_eq!(
            child(&element, "c", "urn:x").unwrap().text(),
            "1 < 2 & \u{fffd}"
        );
    }

    #[test]
    fn base64_may_be_broken_into_lines_and_lack_its_padding() {
        let whole = lenient_base64("AAECAw==");
        let broken = lenient_base64("\n  AAEC\r\n  Aw\n");

        assert_eq!(whole.as_deref(), Some(&[0, 1, 2, 3][..]));
        assert_eq!(broken, whole);
    }

    #[test]
    fn base64_with_foreign_letters_is_refused() {
        assert_eq!(lenient_base64("AA*C"), None);
        assert_eq!(lenient_base64("AAEC").as_deref(), Some(&[0, 1, 2][..]));
    }
}
