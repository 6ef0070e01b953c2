//! From a stanza to what it means for us, and from whom.
//!
//! The server vouches for the outer sender and for nothing inside. So carbons count only from our
//! own account, archive results only for an open query of ours, roster pushes only from our side, an
//! archive id only from our own archive; the rest is dropped with a reason, and counted. It decrypts
//! nothing and decides nothing about owners.

use std::str::FromStr as _;
use std::sync::Arc;
use std::time::SystemTime;

use jid::Jid;
use minidom::Element;
use omemo::{DeviceList, Namespace};
use xmpp_parsers::date::DateTime;

use super::arrival::{Content, Message, Source};
use super::envelope;
use super::handled::Handled;
use super::pubsub;
use super::signs::Signs;
use super::xml::{self, ns};

pub(super) const FORWARD: &str = "urn:xmpp:forward:0";
const PUBSUB_EVENT: &str = "http://jabber.org/protocol/pubsub#event";

/// Who is on our side of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parties {
    /// Our account.
    pub(crate) bare: String,
    /// Our account with the resource bound.
    pub(crate) full: String,
    /// Our server.
    pub(crate) domain: String,
}

impl Parties {
    /// Reads our addresses; `None` if they are none.
    pub(crate) fn new(bare: &str, full: &str) -> Option<Self> {
        let bare = Jid::new(bare)
            .ok()
            .filter(|jid| jid.is_bare() && jid.node().is_some())?;
        let full = Jid::new(full).ok()?;
        let domain = bare.domain().to_string();
        Some(Self {
            bare: bare.to_string(),
            full: full.to_string(),
            domain,
        })
    }

    /// Whether a stanza from here comes from our own account or server.
    ///
    /// RFC 6120 8.1.2.1: a stanza without a sender comes from our own account.
    pub(crate) fn is_own_side(&self, from: Option<&str>) -> bool {
        from.is_none_or(|from| from == self.bare || from == self.domain || from == self.full)
    }

    /// Whether a stanza from here comes from our own account itself, not one of its clients.
    fn is_own_account(&self, from: Option<&str>) -> bool {
        from.is_none_or(|from| from == self.bare)
    }
}

/// An address, normalised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sender {
    pub(crate) full: String,
    pub(crate) bare: String,
}

/// Reads the sender of a stanza. `Ok(None)`: it has none. `Err`: it is no address.
pub(crate) fn sender(stanza: &Element) -> Result<Option<Sender>, Dropped> {
    match stanza.attr("from") {
        None => Ok(None),
        Some(from) => {
            let jid = Jid::new(from).map_err(|_| Dropped::NoAddress)?;
            Ok(Some(Sender {
                full: jid.to_string(),
                bare: jid.to_bare().to_string(),
            }))
        }
    }
}

/// Why a stanza was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dropped {
    /// Its sender's address is none.
    NoAddress,
    /// It claims to be a carbon, and does not come from our account.
    ForgedCarbon,
    /// It claims to be from the archive, and answers no open query of ours.
    ForgedArchive,
    /// It is for a room, or a broadcast.
    NotForUs,
    /// It is a device list pushed by somebody who cannot, or that cannot be read.
    BadDeviceList,
    /// It carries nothing that we use.
    Nothing,
}

/// What a message stanza is.
pub(crate) enum Incoming {
    /// A message, live, kept for us or copied to us.
    Message(Box<Message>),
    /// A message from the archive, for this query.
    Archived {
        query: String,
        message: Box<Message>,
    },
    /// A message from the archive, for this query, that we have no use for.
    ArchivedNothing,
    DeviceList {
        namespace: Namespace,
        jid: String,
        devices: DeviceList,
    },
}

/// Reads a `<message/>`. `is_open` tells whether an archive query of ours has this id.
pub(crate) fn read_message(
    stanza: &Element,
    parties: &Parties,
    is_open: impl Fn(&str) -> bool,
) -> Result<Incoming, Dropped> {
    let sender = sender(stanza)?;
    let from = sender.as_ref().map(|sender| sender.full.as_str());
    if let Some(result) = xml::child(stanza, "result", ns::MAM) {
        return read_archived(result, from, parties, is_open);
    }
    if let Some(carbon) = stanza.children().find(|child| child.has_ns(ns::CARBONS)) {
        return read_carbon(carbon, from, parties);
    }
    let kind = stanza.attr("type");
    if kind != Some("error") {
        if let Some(event) = xml::child(stanza, "event", PUBSUB_EVENT) {
            return read_event(event, from, parties);
        }
        if matches!(kind, Some("groupchat" | "headline")) {
            return Err(Dropped::NotForUs);
        }
    }
    let stamp = own_delay(stanza, parties);
    let source = if stamp.is_some() {
        Source::Offline
    } else {
        Source::Live
    };
    let message = build(stanza, sender, parties, source, stamp);
    // A typing sign is worth nothing; but what the archive holds moves the place to read on after.
    let says_nothing = message.content == Content::Other && message.signs.retracts.is_none();
    if says_nothing && message.archive_id.is_none() && !message.is_error {
        return Err(Dropped::Nothing);
    }
    Ok(Incoming::Message(Box::new(message)))
}

/// XEP-0313 4.2
fn read_archived(
    result: &Element,
    from: Option<&str>,
    parties: &Parties,
    is_open: impl Fn(&str) -> bool,
) -> Result<Incoming, Dropped> {
    let query = result.attr("queryid").unwrap_or_default();
    if !parties.is_own_account(from) || !is_open(query) {
        return Err(Dropped::ForgedArchive);
    }
    let query = query.to_owned();
    let id = result.attr("id").map(str::to_owned);
    let forwarded = xml::child(result, "forwarded", FORWARD);
    let stanza = forwarded.and_then(|forwarded| xml::child(forwarded, "message", ns::CLIENT));
    let (Some(forwarded), Some(stanza)) = (forwarded, stanza) else {
        return Ok(Incoming::ArchivedNothing);
    };
    let kind = stanza.attr("type");
    let Ok(sender) = sender(stanza) else {
        return Ok(Incoming::ArchivedNothing);
    };
    if matches!(kind, Some("groupchat" | "headline")) {
        return Ok(Incoming::ArchivedNothing);
    }
    let stamp = xml::child(forwarded, "delay", ns::DELAY).and_then(read_stamp);
    let mut message = build(stanza, sender, parties, Source::Archive, stamp);
    message.archive_id = id;
    Ok(Incoming::Archived {
        query,
        message: Box::new(message),
    })
}

/// XEP-0280 7, 11
fn read_carbon(
    carbon: &Element,
    from: Option<&str>,
    parties: &Parties,
) -> Result<Incoming, Dropped> {
    if !parties.is_own_account(from) {
        return Err(Dropped::ForgedCarbon);
    }
    let forwarded = xml::child(carbon, "forwarded", FORWARD).ok_or(Dropped::Nothing)?;
    let stanza = xml::child(forwarded, "message", ns::CLIENT).ok_or(Dropped::Nothing)?;
    if matches!(stanza.attr("type"), Some("groupchat" | "headline")) {
        return Err(Dropped::NotForUs);
    }
    let sender = sender(stanza)?;
    // A copy says who sent the original; one that says nothing is no copy.
    let sender = Some(sender.ok_or(Dropped::NoAddress)?);
    let stamp = xml::child(forwarded, "delay", ns::DELAY).and_then(read_stamp);
    Ok(Incoming::Message(Box::new(build(
        stanza,
        sender,
        parties,
        Source::Carbon,
        stamp,
    ))))
}

/// XEP-0163 4.3
fn read_event(event: &Element, from: Option<&str>, parties: &Parties) -> Result<Incoming, Dropped> {
    let items = xml::child(event, "items", PUBSUB_EVENT).ok_or(Dropped::Nothing)?;
    let node = items.attr("node").unwrap_or_default();
    let namespace = pubsub::namespace_of_list(node).ok_or(Dropped::Nothing)?;
    let jid = from.unwrap_or(&parties.bare);
    // The account pushes its list; one of its clients, or anyone's, cannot.
    if jid.contains('/') {
        return Err(Dropped::BadDeviceList);
    }
    let item = xml::child(items, "item", PUBSUB_EVENT).ok_or(Dropped::Nothing)?;
    let devices = envelope::read_device_list(namespace, item).ok_or(Dropped::BadDeviceList)?;
    Ok(Incoming::DeviceList {
        namespace,
        jid: jid.to_owned(),
        devices,
    })
}

fn build(
    stanza: &Element,
    sender: Option<Sender>,
    parties: &Parties,
    source: Source,
    stamp: Option<SystemTime>,
) -> Message {
    let own = || Sender {
        full: parties.bare.clone(),
        bare: parties.bare.clone(),
    };
    let sender = sender.unwrap_or_else(own);
    let to = stanza.attr("to").and_then(|to| Jid::new(to).ok());
    let is_error = stanza.attr("type") == Some("error");
    let origin = xml::child(stanza, "origin-id", ns::STANZA_IDS);
    Message {
        from: sender.full,
        from_bare: sender.bare,
        to_bare: to.map_or_else(|| parties.bare.clone(), |to| to.to_bare().to_string()),
        id: stanza.attr("id").map(str::to_owned),
        origin_id: origin
            .and_then(|origin| origin.attr("id"))
            .map(str::to_owned),
        archive_id: own_archive_id(stanza, parties),
        stamp,
        source,
        // What bounces back holds our own words, or anything.
        content: if is_error {
            Content::Other
        } else {
            envelope::read_content(stanza)
        },
        asks_receipt: !is_error && stanza.has_child("request", ns::RECEIPTS),
        signs: if is_error {
            Signs::default()
        } else {
            Signs::read(stanza.children())
        },
        is_error,
        handled: Arc::new(Handled::nothing()),
    }
}

/// XEP-0359 5: only our own account gives ids of our own archive. Two of them is one too many.
fn own_archive_id(stanza: &Element, parties: &Parties) -> Option<String> {
    let mut ids = stanza
        .children()
        .filter(|child| child.is("stanza-id", ns::STANZA_IDS))
        .filter(|child| {
            child
                .attr("by")
                .is_some_and(|by| is_address(by, &parties.bare))
        });
    let id = ids.next()?.attr("id")?;
    ids.next().is_none().then(|| id.to_owned())
}

/// XEP-0203: a time that our own server gives; others' clocks and claims are not ours.
fn own_delay(stanza: &Element, parties: &Parties) -> Option<SystemTime> {
    let own = |delay: &&Element| {
        delay.attr("from").is_some_and(|from| {
            is_address(from, &parties.domain) || is_address(from, &parties.bare)
        })
    };
    let mut delays = stanza
        .children()
        .filter(|child| child.is("delay", ns::DELAY));
    delays.find(own).and_then(read_stamp)
}

fn is_address(text: &str, address: &str) -> bool {
    Jid::new(text).is_ok_and(|jid| jid.as_str() == address)
}

pub(crate) fn read_stamp(delay: &Element) -> Option<SystemTime> {
    let stamp = DateTime::from_str(delay.attr("stamp")?).ok()?;
    Some(SystemTime::from(stamp.0))
}

/// Reads a time as XEP-0082 has it, in seconds since 1970.
pub(crate) fn read_time(text: &str) -> Option<i64> {
    Some(DateTime::from_str(text).ok()?.0.timestamp())
}

#[cfg(test)]
mod tests;
