//! Who sees whose presence (RFC 6121 3): asking, approving, ignoring.
//!
//! Who may command is not decided by this.

use std::collections::HashMap;

use jid::Jid;
use minidom::Element;

use super::link::{Link, Request, RequestError};
use super::xml::{Xml, ns};

/// Most contacts remembered.
const MAX_CONTACTS: usize = 10_000;

/// Who sees whose presence.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Subscription {
    /// Neither side.
    #[default]
    None,
    /// We see theirs.
    To,
    /// They see ours.
    From,
    /// Both.
    Both,
}

impl Subscription {
    fn read(item: &Element) -> Self {
        match item.attr("subscription") {
            Some("to") => Self::To,
            Some("from") => Self::From,
            Some("both") => Self::Both,
            _ => Self::None,
        }
    }

    /// Tells whether we see theirs, and so hear of their device lists.
    #[must_use]
    pub fn we_see_them(self) -> bool {
        matches!(self, Self::To | Self::Both)
    }

    fn they_see_us(self) -> bool {
        matches!(self, Self::From | Self::Both)
    }
}

/// The contacts, as far as the stream needs them.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    contacts: HashMap<String, Subscription>,
}

impl Roster {
    /// Takes the whole roster.
    pub(crate) fn take_all(&mut self, query: &Element) {
        self.contacts.clear();
        self.take_push(query);
    }

    /// Takes a change.
    pub(crate) fn take_push(&mut self, query: &Element) {
        for (jid, subscription) in items(query) {
            if subscription == Subscription::None {
                self.contacts.remove(&jid);
            } else if self.contacts.len() < MAX_CONTACTS {
                self.contacts.insert(jid, subscription);
            }
        }
    }

    /// Whether we see the presence of `bare`.
    pub(crate) fn we_see(&self, bare: &str) -> bool {
        self.contacts
            .get(bare)
            .is_some_and(|subscription| subscription.we_see_them())
    }

    /// Whether we let `bare` see our presence, and so may tell it what we are.
    pub(crate) fn lets_see_us(&self, bare: &str) -> bool {
        self.contacts
            .get(bare)
            .is_some_and(|subscription| subscription.they_see_us())
    }
}

fn items(query: &Element) -> impl Iterator<Item = (String, Subscription)> {
    let items = query
        .children()
        .filter(|child| child.is("item", ns::ROSTER));
    items.filter_map(|item| {
        let jid = Jid::new(item.attr("jid")?).ok()?;
        Some((jid.to_string(), Subscription::read(item)))
    })
}

/// Returns what a roster says of `jid`.
pub(super) fn subscription_in(query: &Element, jid: &str) -> Subscription {
    let jid = Jid::new(jid).map_or_else(|_| jid.to_owned(), |jid| jid.to_bare().to_string());
    let found = items(query).find(|(contact, _)| *contact == jid);
    found
        .map(|(_, subscription)| subscription)
        .unwrap_or_default()
}

fn presence(kind: &str, jid: &str) -> String {
    Xml::in_ns("presence", ns::CLIENT)
        .attr("type", kind)
        .attr("to", jid)
        .into_text()
}

impl Link {
    /// Fetches the subscription state with `jid`.
    ///
    /// # Errors
    /// If the roster cannot be fetched.
    pub async fn subscription_with(&self, jid: &str) -> Result<Subscription, RequestError> {
        let answer = self
            .request(Request::get(None, Xml::in_ns("query", ns::ROSTER)))
            .await?;
        let query = answer.ok_or(RequestError::Unreadable)?;
        Ok(subscription_in(&query, jid))
    }

    /// Sees to it that both sides see each other: asks where it is missing, approves what was or
    /// will be asked. Returns the state before.
    ///
    /// # Errors
    /// If the roster cannot be fetched.
    pub async fn subscribe_with(&self, jid: &str) -> Result<Subscription, RequestError> {
        let before = self.subscription_with(jid).await?;
        if !before.they_see_us() {
            // RFC 6121 3.4: also an approval ahead of the question.
            self.approve(jid);
        }
        if !before.we_see_them() {
            self.send_volatile(presence("subscribe", jid));
        }
        Ok(before)
    }

    /// Lets `jid` see our presence.
    pub fn approve(&self, jid: &str) {
        self.send_volatile(presence("subscribed", jid));
    }

    /// Leaves the question of `jid` unanswered, which tells nothing to who asks.
    pub fn ignore(&self, jid: &str) {
        log::debug!(
            "a question for our presence stays unanswered ({} bytes)",
            jid.len()
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(items: &str) -> Element {
        format!("<query xmlns='jabber:iq:roster'>{items}</query>")
            .parse()
            .unwrap()
    }

    #[test]
    fn only_contacts_whom_we_let_see_us_may_know_us() {
        let mut roster = Roster::default();

        roster.take_all(&query(
            "<item jid='a@x' subscription='both'/><item jid='b@x' subscription='from'/>\
             <item jid='c@x' subscription='to'/><item jid='d@x' subscription='none'/>",
        ));

        let seen = ["a@x", "b@x", "c@x", "d@x", "e@x"].map(|jid| roster.lets_see_us(jid));
        assert_eq!(seen, [true, true, false, false, false]);
    }

    #[test]
    fn a_push_changes_one_contact_and_leaves_the_others() {
        let mut roster = Roster::default();
        roster.take_all(&query(
            "<item jid='a@x' subscription='both'/><item jid='b@x' subscription='both'/>",
        ));

        roster.take_push(&query("<item jid='A@X' subscription='remove'/>"));

        assert!(!roster.lets_see_us("a@x"));
        assert!(roster.lets_see_us("b@x"));
    }
}
