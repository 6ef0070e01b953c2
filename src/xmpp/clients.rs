//! Which programs a contact is logged in with, and what they say they can do (XEP-0030, XEP-0115).
//!
//! What a program says is nobody's proof: it only decides how something is shown.

use minidom::Element;

use super::arrival::Arrival;
use super::incoming::Sender;
use super::link::{Link, Request, RequestError};
use super::signs::SHOWS_REACTIONS;
use super::xml::{self, Xml, ns};

const CAPS: &str = "http://jabber.org/protocol/caps";
/// Most features that are looked at.
const MAX_FEATURES: usize = 500;
/// Longest name that is kept, in characters.
const MAX_NAME_CHARS: usize = 60;

/// What a program says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Client {
    /// Its name, with its version where it says so.
    pub name: Option<String>,
    /// Whether it shows reactions to messages (XEP-0444).
    pub shows_reactions: bool,
}

impl Client {
    // XEP-0030 v2.5.0 3.1
    fn read(info: &Element) -> Self {
        let named = |name: &'static str| {
            let children = info.children().take(MAX_FEATURES);
            children.filter(move |it| it.is(name, ns::DISCO_INFO))
        };
        let mut identities = named("identity").filter(|it| it.attr("category") == Some("client"));
        let name = identities.find_map(|it| it.attr("name"));
        Self {
            name: name.map(|it| it.chars().take(MAX_NAME_CHARS).collect()),
            shows_reactions: named("feature").any(|it| it.attr("var") == Some(SHOWS_REACTIONS)),
        }
    }
}

/// Reads who came or went, of a contact whose presence we see.
pub(crate) fn read_presence(presence: &Element, sender: Sender) -> Option<Arrival> {
    let is_available = match presence.attr("type") {
        None => true,
        Some("unavailable") => false,
        Some(_) => return None,
    };
    let caps = xml::child(presence, "c", CAPS);
    Some(Arrival::Client {
        jid: sender.full,
        bare: sender.bare,
        caps: caps.and_then(|it| it.attr("ver")).map(str::to_owned),
        is_available,
    })
}

impl Link {
    /// Asks a program what it is and what it can do.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn client(&self, jid: &str) -> Result<Client, RequestError> {
        let query = Xml::in_ns("query", ns::DISCO_INFO);
        let info = self.request(Request::get(Some(jid), query)).await?;
        Ok(Client::read(&info.ok_or(RequestError::Unreadable)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(inner: &str) -> Client {
        let info: Element = format!("<query xmlns='{}'>{inner}</query>", ns::DISCO_INFO)
            .parse()
            .unwrap();
        Client::read(&info)
    }

    #[test]
    fn a_program_shows_reactions_only_if_it_says_so() {
        let named = "<identity category='client' type='phone' name='Conversations'/>";

        let shows = info(&format!("{named}<feature var='urn:xmpp:reactions:0'/>"));
        let does_not = info(&format!("{named}<feature var='urn:xmpp:reactions:1'/>"));
        let foreign = info("<feature xmlns='urn:other' var='urn:xmpp:reactions:0'/>");

        assert_eq!(shows.name.as_deref(), Some("Conversations"));
        assert!(shows.shows_reactions);
        assert!(!does_not.shows_reactions && !foreign.shows_reactions);
        assert_eq!(foreign.name, None);
    }

    #[test]
    fn coming_and_going_is_told_and_questions_for_presence_are_not() {
        let read = |kind: &str| {
            let presence: Element = format!(
                "<presence xmlns='jabber:client' {kind}><c xmlns='{CAPS}' ver='v1'/></presence>"
            )
            .parse()
            .unwrap();
            let sender = Sender {
                full: "a@x/phone".to_owned(),
                bare: "a@x".to_owned(),
            };
            match read_presence(&presence, sender) {
                Some(Arrival::Client {
                    caps, is_available, ..
                }) => Some((caps.unwrap(), is_available)),
                Some(_) | None => None,
            }
        };

        assert_eq!(read(""), Some(("v1".to_owned(), true)));
        assert_eq!(read("type='unavailable'"), Some(("v1".to_owned(), false)));
        assert_eq!(read("type='error'"), None);
    }
}
