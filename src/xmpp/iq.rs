//! Questions and answers: ours with their open replies, others' with the little we tell.
//!
//! Only the one who was asked can answer. Strangers get the standard error, whatever they ask.

use std::collections::HashMap;

use minidom::Element;
use tokio::sync::oneshot;
use xmpp_parsers::caps;
use xmpp_parsers::hashes::Algo;

use super::incoming::Parties;
use super::link::{Refusal, RequestError};
use super::xml::{self, Xml, ns};

const STANZA_ERRORS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";
const PING: &str = "urn:xmpp:ping";
const VERSION: &str = "jabber:iq:version";
const CAPS: &str = "http://jabber.org/protocol/caps";
const CAPS_NODE: &str = "urn:x-strongroom";
/// What we say we can do. Sorted: the hash of XEP-0115 needs them so.
const FEATURES: [&str; 13] = [
    "eu.siacs.conversations.axolotl.devicelist+notify",
    "http://jabber.org/protocol/caps",
    "http://jabber.org/protocol/chatstates",
    ns::DISCO_INFO,
    VERSION,
    "urn:xmpp:chat-markers:0",
    "urn:xmpp:message-correct:0",
    "urn:xmpp:message-retract:1",
    "urn:xmpp:omemo:2:devices+notify",
    PING,
    "urn:xmpp:reactions:0",
    ns::RECEIPTS,
    "urn:xmpp:reply:0",
];

/// The answer to a request of ours.
pub(crate) type Answer = Result<Option<Element>, RequestError>;

/// A request whose answer is awaited.
struct Open {
    /// Whom we asked; `None` is our own account or server.
    asked: Option<String>,
    reply: oneshot::Sender<Answer>,
}

/// Our open requests.
#[derive(Default)]
pub(crate) struct Tracker {
    open: HashMap<String, Open>,
}

impl Tracker {
    /// Awaits the answer to request `id`.
    pub(crate) fn open(
        &mut self,
        id: String,
        asked: Option<String>,
        reply: oneshot::Sender<Answer>,
    ) {
        // Whoever asked may have given up waiting.
        self.open.retain(|_, open| !open.reply.is_closed());
        self.open.insert(id, Open { asked, reply });
    }

    /// Returns whether an answer is awaited.
    pub(crate) fn awaits(&self) -> bool {
        self.open.values().any(|open| !open.reply.is_closed())
    }

    /// Hands an answer to whoever asked. Returns whether there was an open request that `from` may
    /// answer.
    pub(crate) fn answer(&mut self, parties: &Parties, from: Option<&str>, iq: &Element) -> bool {
        let id = iq.attr("id").unwrap_or_default();
        let fits = self
            .open
            .get(id)
            .is_some_and(|open| match (&open.asked, from) {
                (None, from) => parties.is_own_side(from),
                (Some(asked), None) => *asked == parties.bare,
                (Some(asked), Some(from)) => asked == from,
            });
        if !fits {
            return false;
        }
        if let Some(open) = self.open.remove(id) {
            // Nobody waits any more: nothing to do.
            let _ = open.reply.send(read_answer(iq));
        }
        true
    }

    /// Ends all requests: their answers will not come.
    pub(crate) fn fail_all(&mut self, error: &RequestError) {
        for (_, open) in self.open.drain() {
            let _ = open.reply.send(Err(error.clone()));
        }
    }
}

pub(super) fn read_answer(iq: &Element) -> Answer {
    match iq.attr("type") {
        Some("result") => Ok(iq.children().next().cloned()),
        Some("error") => Err(RequestError::Refused(read_refusal(iq))),
        _ => Err(RequestError::Unreadable),
    }
}

/// RFC 6120 8.3
pub(super) fn read_refusal(iq: &Element) -> Refusal {
    let error = iq.children().find(|child| child.name() == "error");
    let parts = || error.into_iter().flat_map(Element::children);
    let named = |part: &&Element| part.has_ns(STANZA_ERRORS) && part.name() != "text";
    let condition = parts()
        .find(named)
        .map_or("undefined-condition", Element::name);
    let detail = parts().find(|part| !part.has_ns(STANZA_ERRORS));
    let limit = detail.and_then(|detail| detail.children().find(|c| c.name() == "max-file-size"));
    Refusal {
        condition: condition.to_owned(),
        detail: detail.map(|detail| detail.name().to_owned()),
        text: parts()
            .find(|part| part.is("text", STANZA_ERRORS))
            .map(Element::text),
        limit: limit.and_then(|limit| limit.text().trim().parse().ok()),
    }
}

/// Builds the answer to somebody's request. `may_know`: our own side, or who sees our presence.
pub(crate) fn reply_to(iq: &Element, may_know: bool) -> Option<String> {
    let kind = iq.attr("type")?;
    if kind != "get" && kind != "set" {
        return None;
    }
    let id = iq.attr("id").unwrap_or_default();
    let reply = Xml::in_ns("iq", ns::CLIENT)
        .attr("id", id)
        .attr_if("to", iq.attr("from"));
    let asked = iq.children().next();
    let known = asked
        .filter(|_| may_know && kind == "get")
        .and_then(result_for);
    let reply = match known {
        Some(result) => reply.attr("type", "result").children(result),
        // RFC 6120 8.2.3; XEP-0030 7 wants no other answer for strangers.
        None => reply.attr("type", "error").child(
            Xml::new("error")
                .attr("type", "cancel")
                .child(Xml::in_ns("service-unavailable", STANZA_ERRORS)),
        ),
    };
    Some(reply.into_text())
}

/// Returns the content of the result: nothing, or one element.
fn result_for(asked: &Element) -> Option<Option<Xml>> {
    if asked.is("ping", PING) {
        // XEP-0199 4
        Some(None)
    } else if asked.is("query", ns::DISCO_INFO) {
        let node = asked.attr("node");
        let ours = node.is_none_or(|node| node == format!("{CAPS_NODE}#{}", caps_hash()));
        ours.then(|| Some(disco_info(node)))
    } else if asked.is("query", VERSION) {
        let query = Xml::in_ns("query", VERSION)
            .child(Xml::new("name").text("Strongroom"))
            .child(Xml::new("version").text(env!("CARGO_PKG_VERSION")));
        Some(Some(query))
    } else {
        None
    }
}

fn disco_info(node: Option<&str>) -> Xml {
    let identity = Xml::new("identity")
        .attr("category", "client")
        .attr("type", "bot")
        .attr("name", "Strongroom");
    Xml::in_ns("query", ns::DISCO_INFO)
        .attr_if("node", node)
        .child(identity)
        .children(FEATURES.map(|feature| Xml::new("feature").attr("var", feature)))
}

/// XEP-0115 5.1: the hash of what [`disco_info`] says.
fn caps_hash() -> String {
    let mut text = "client/bot//Strongroom<".to_owned();
    for feature in FEATURES {
        text.push_str(feature);
        text.push('<');
    }
    let hash = caps::hash_caps(text.as_bytes(), Algo::Sha_1).map(|hash| hash.hash);
    base64::Engine::encode(
        &base64::engine::general_purpose::STANDARD,
        hash.unwrap_or_default(),
    )
}

/// Builds the presence that announces us and what we can do.
pub(crate) fn available_presence(line: Option<&str>) -> String {
    let caps = Xml::in_ns("c", CAPS)
        .attr("hash", "sha-1")
        .attr("node", CAPS_NODE)
        .attr("ver", caps_hash());
    let mut presence = Xml::in_ns("presence", ns::CLIENT);
    if let Some(line) = line {
        presence = presence.child(Xml::new("status").text(line));
    }
    presence.child(caps).into_text()
}

/// Returns the value of a field in a data form (XEP-0004).
pub(crate) fn form_value(form: &Element, name: &str) -> Option<String> {
    let field = form
        .children()
        .find(|f| f.name() == "field" && f.attr("var") == Some(name))?;
    xml::child(field, "value", ns::DATA_FORMS).map(Element::text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presence_says_what_it_is_told_to_and_nothing_otherwise() {
        let shown = |line| {
            let presence = available_presence(line).parse::<Element>().unwrap();
            let status = presence.children().find(|it| it.name() == "status");
            status.map(Element::text)
        };

        assert_eq!(shown(Some("a < b")).as_deref(), Some("a < b"));
        assert_eq!(shown(None), None);
    }

    fn parties() -> Parties {
        Parties::new("vault@example.org", "vault@example.org/strongroom").unwrap()
    }

    fn iq(text: &str) -> Element {
        text.parse().unwrap()
    }

    fn result(id: &str) -> Element {
        iq(&format!(
            "<iq xmlns='jabber:client' type='result' id='{id}'><x xmlns='y'/></iq>"
        ))
    }

    fn open(asked: Option<&str>) -> (Tracker, oneshot::Receiver<Answer>) {
        let mut tracker = Tracker::default();
        let (reply, answer) = oneshot::channel();
        tracker.open("q1".to_owned(), asked.map(str::to_owned), reply);
        (tracker, answer)
    }

    #[test]
    fn only_who_was_asked_can_answer() {
        let (mut tracker, mut answer) = open(Some("upload.example.org"));

        let forged = tracker.answer(&parties(), Some("mallory@evil.example/x"), &result("q1"));
        let still_open = answer.try_recv().is_err();
        let honest = tracker.answer(&parties(), Some("upload.example.org"), &result("q1"));

        assert!(!forged && still_open && honest);
        assert!(answer.try_recv().unwrap().unwrap().is_some());
    }

    #[test]
    fn our_server_answers_under_any_of_its_names_and_nobody_else_does() {
        for (from, fits) in [
            (None, true),
            (Some("vault@example.org"), true),
            (Some("example.org"), true),
            (Some("vault@example.org/strongroom"), true),
            (Some("vault@evil.example"), false),
            (Some("evil.example"), false),
        ] {
            let (mut tracker, _answer) = open(None);

            assert_eq!(
                tracker.answer(&parties(), from, &result("q1")),
                fits,
                "{from:?}"
            );
        }
    }

    #[test]
    fn a_refusal_tells_its_conditions_and_its_limit() {
        let (mut tracker, mut answer) = open(None);
        let refusal = iq(
            "<iq xmlns='jabber:client' type='error' id='q1'><error type='modify'>\
            <not-acceptable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>\
            <text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>too big</text>\
            <file-too-large xmlns='urn:xmpp:http:upload:0'>\
            <max-file-size>20000</max-file-size></file-too-large></error></iq>",
        );

        tracker.answer(&parties(), None, &refusal);

        let expected = Refusal {
            condition: "not-acceptable".to_owned(),
            detail: Some("file-too-large".to_owned()),
            text: Some("too big".to_owned()),
            limit: Some(20_000),
        };
        assert_eq!(
            answer.try_recv().unwrap(),
            Err(RequestError::Refused(expected))
        );
    }

    #[test]
    fn strangers_get_the_standard_error_and_friends_an_answer() {
        let ping = iq("<iq xmlns='jabber:client' type='get' id='1' from='a@b/c'>\
            <ping xmlns='urn:xmpp:ping'/></iq>");

        let stranger = reply_to(&ping, false).unwrap();
        let friend = reply_to(&ping, true).unwrap();

        assert!(stranger.contains("type='error'") && stranger.contains("service-unavailable"));
        assert!(!stranger.contains("Strongroom"));
        assert!(friend.contains("type='result'") && friend.contains("to='a@b/c'"));
    }

    #[test]
    fn unknown_questions_and_all_commands_get_the_standard_error() {
        for body in ["<x xmlns='unknown'/>", ""] {
            let text = format!("<iq xmlns='jabber:client' type='get' id='1'>{body}</iq>");
            assert!(
                reply_to(&iq(&text), true)
                    .unwrap()
                    .contains("service-unavailable")
            );
        }
        let set =
            iq("<iq xmlns='jabber:client' type='set' id='1'><ping xmlns='urn:xmpp:ping'/></iq>");
        assert!(
            reply_to(&set, true)
                .unwrap()
                .contains("service-unavailable")
        );
    }

    #[test]
    fn answers_are_never_answered() {
        assert_eq!(reply_to(&result("x"), true), None);
        let error = iq("<iq xmlns='jabber:client' type='error' id='1'/>");
        assert_eq!(reply_to(&error, true), None);
    }

    #[test]
    fn the_capability_hash_is_that_of_the_answer_given() {
        let query = format!("<query xmlns='{}'/>", ns::DISCO_INFO);
        let info = result_for(&query.parse().unwrap())
            .unwrap()
            .unwrap()
            .into_text();
        let parsed = xmpp_parsers::disco::DiscoInfoResult::try_from(xml::read(&info).unwrap());

        let text = caps::compute_disco(&parsed.unwrap());
        let hash = caps::hash_caps(&text, Algo::Sha_1).unwrap();

        let hash = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, hash.hash);
        assert_eq!(hash, caps_hash());
    }
}
