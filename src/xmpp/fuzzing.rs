//! A door for the fuzz targets `stanza`, `sce`, `described`, `answer`, `login` and `socks`: one
//! stanza's bytes, as a hostile server could send them, and what a device may have encrypted.
//!
//! It takes them the way they take on a live stream, through the sieve, the XML parser and the
//! readers, without a stream.

use minidom::Element;
use omemo::{
    Namespace,
    media::{FileSource, MAX_SOURCES},
};

use super::{
    Content, Message, Source, envelope,
    incoming::{self, Dropped, Incoming, Parties},
    iq,
    roster::Roster,
    sce::{SceContent, SceError},
    sfs,
    sieve::{MAX_DEPTH, Rules},
    upload,
    xml::{self, ns},
};

pub use answers::{read_answer, read_login, read_socks};

mod answers;

/// The archive query that is open.
const QUERY: &str = "q1";
const OURS: &str = "vault@example.org";
const PHONE: &str = "owner@example.org";

/// What a stanza came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// It was read, as this.
    Taken(&'static str),
    /// Nothing came of it, for this reason.
    Dropped(&'static str),
    /// Something was believed or made that must not be: a fault of this room.
    Broken(&'static str),
}

use Reading::{Broken, Taken};

/// Reads one stanza.
#[must_use]
pub fn read_stanza(bytes: &[u8]) -> Reading {
    let stanza = match parse(bytes) {
        Ok(stanza) => stanza,
        Err(why) => return Reading::Dropped(why),
    };
    if depth(&stanza) > MAX_DEPTH {
        return Broken("the sieve let deep nesting through");
    }
    let Some(parties) = Parties::new(OURS, "vault@example.org/strongroom") else {
        return Broken("our own address is none");
    };
    let read = match stanza.name() {
        "message" => read_message(&stanza, &parties),
        "iq" => Ok(read_iq(&stanza)),
        "presence" => incoming::sender(&stanza).map(|_| Taken("presence")),
        _ => return Reading::Dropped("unknown-stanza"),
    };
    read.unwrap_or_else(|dropped| Reading::Dropped(why(dropped)))
}

/// Reads what was inside an encrypted payload.
#[must_use]
pub fn read_inside(payload: &[u8]) -> Reading {
    let content = match SceContent::read(payload, PHONE, OURS) {
        Ok(content) => content,
        Err(SceError::OtherStanza) => return Reading::Dropped("other-stanza"),
        Err(SceError::Malformed) => return Reading::Dropped("malformed"),
    };
    if ["urn:xmpp:hints", ns::DELAY, ns::MAM]
        .iter()
        .any(|namespace| content.element("delay", namespace).is_some())
    {
        return Broken("what only a server may say was taken from inside");
    }
    match (content.body(), content.received()) {
        (Some(_), _) => Taken("text"),
        (None, Some(_)) => Taken("receipt"),
        (None, None) => Taken("nothing"),
    }
}

fn parse(bytes: &[u8]) -> Result<Element, &'static str> {
    let mut rules = Rules::new();
    let mut passed = Vec::new();
    let head = b"<stream:stream>";
    rules.pass(head, &mut passed).map_err(|_| "too-large")?;
    passed.clear();
    // the network cuts where it likes
    for piece in bytes.chunks(1 + bytes.len() / 3) {
        rules.pass(piece, &mut passed).map_err(|_| "too-large")?;
    }
    let text = std::str::from_utf8(&passed).map_err(|_| "not-text")?;
    text.parse().map_err(|_| "not-xml")
}

/// How deep elements nest, without recursion.
fn depth(stanza: &Element) -> usize {
    let mut level = vec![stanza];
    let mut depth = 0;
    while !level.is_empty() {
        depth += 1;
        level = level.into_iter().flat_map(Element::children).collect();
    }
    depth
}

fn read_message(stanza: &Element, parties: &Parties) -> Result<Reading, Dropped> {
    let sender = incoming::sender(stanza)?;
    let own = sender.is_none_or(|it| it.full == OURS);
    let message = match incoming::read_message(stanza, parties, |it| it == QUERY)? {
        Incoming::Message(message) => message,
        Incoming::Archived { query, message } => {
            let honest = own && query == QUERY && message.source == Source::Archive;
            return Ok(if honest {
                Taken("archived")
            } else {
                Broken("an archive result was forged")
            });
        }
        Incoming::ArchivedNothing if own => return Ok(Taken("archived-nothing")),
        Incoming::ArchivedNothing => return Ok(Broken("an archive result was forged")),
        Incoming::DeviceList { jid, .. } if jid.contains('/') => {
            return Ok(Broken("a client pushed its account's list"));
        }
        Incoming::DeviceList { .. } => return Ok(Taken("device-list")),
    };
    Ok(read_content(&message, own))
}

fn read_content(message: &Message, own: bool) -> Reading {
    if message.source == Source::Carbon && !own {
        return Broken("a carbon was forged");
    }
    if message.from_bare.contains('/') || !message.from.starts_with(&message.from_bare) {
        return Broken("the bare sender is not the sender");
    }
    if message.is_error && message.content != Content::Other {
        return Broken("what bounced back was taken as somebody's word");
    }
    Taken(match &message.content {
        Content::Encrypted(envelope) => {
            let text = envelope::write_envelope(envelope).into_text();
            let text = format!("<message xmlns='jabber:client'>{text}</message>");
            let again = xml::read(&text).map(|it| envelope::read_content(&it));
            if again.as_ref() != Some(&message.content) {
                return Broken("an envelope was not written as it was read");
            }
            "encrypted"
        }
        Content::Undecipherable { .. } => "undecipherable",
        Content::Plain(_) => "plain",
        Content::Received(_) => "received",
        Content::Other => "other",
    })
}

fn read_iq(stanza: &Element) -> Reading {
    for may_know in [false, true] {
        if let Some(reply) = iq::reply_to(stanza, may_know) {
            let reply = xml::read(&reply);
            let to = reply.as_ref().map(|it| it.attr("to"));
            if to != Some(stanza.attr("from")) {
                return Broken("an answer does not reach who asked");
            }
        }
    }
    let mut roster = Roster::default();
    for child in stanza.children() {
        roster.take_push(child);
        if upload::read_slot(child).is_some() {
            return Taken("slot");
        }
        let mut items = child.children().flat_map(Element::children);
        let is_bundle = |it: &Element| {
            let read = |namespace| envelope::read_bundle(namespace, it);
            Namespace::ALL.into_iter().any(|it| read(it).is_some())
        };
        if items.any(is_bundle) {
            return Taken("bundle");
        }
    }
    Taken("iq")
}

/// Reads the files that are described inside an encrypted payload.
#[must_use]
pub fn read_described(bytes: &[u8]) -> Reading {
    let content = match SceContent::read(bytes, "owner@example.org", "vault@example.org") {
        Ok(content) => content,
        Err(SceError::Malformed) => return Reading::Dropped("malformed"),
        Err(SceError::OtherStanza) => return Reading::Dropped("other-stanza"),
    };
    let found = content.files();
    let described: Vec<_> = found
        .iter()
        .filter_map(|it| it.file.as_ref().ok())
        .collect();
    for file in &described {
        let is_proven = |it: &FileSource| {
            let cipher = it.secret.cipher();
            cipher.is_authenticated() || !it.hashes.is_empty() || !file.hashes.is_empty()
        };
        let is_ahead = file.sources.is_empty() && !file.hashes.is_empty();
        if !is_ahead && (file.sources.is_empty() || !file.sources.iter().all(is_proven)) {
            return Broken("a file was taken that nothing proves");
        }
        if !file.sources.iter().all(|it| it.url.starts_with("https://")) {
            return Broken("a file was taken from an address that is not https");
        }
        if !is_ahead && !sfs::is_read_back(file) {
            return Broken("a description was not written as it was read");
        }
    }
    let attached = content.attached().and_then(|it| it.sources.ok());
    if let Some(sources) = &attached {
        if sources.len() > MAX_SOURCES + 1 {
            return Broken("more sources were attached than any file has");
        }
        if !sources.iter().all(|it| it.url.starts_with("https://")) {
            return Broken("a source was attached whose address is not https");
        }
    }
    Taken(match (described.is_empty(), found.is_empty()) {
        (false, _) => "file",
        (true, true) if attached.is_some() => "sources",
        (true, false) => "refused-file",
        (true, true) if content.words().is_some() => "words",
        (true, true) => "nothing",
    })
}

fn why(dropped: Dropped) -> &'static str {
    match dropped {
        Dropped::NoAddress => "no-address",
        Dropped::ForgedCarbon => "forged-carbon",
        Dropped::ForgedArchive => "forged-archive",
        Dropped::NotForUs => "not-for-us",
        Dropped::BadDeviceList => "bad-device-list",
        Dropped::Nothing => "nothing",
    }
}
