//! What is known between connections, and what each stanza and each command does to it.
//!
//! It reads and writes no connection: `stream` moves the elements.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use minidom::Element;
use tokio::sync::oneshot;

use super::arrival::{Arrival, Message, Stage};
use super::arrivals::Arrivals;
use super::clients;
use super::handled::Handled;
use super::incoming::{self, Dropped, Incoming, Parties};
use super::iq::{self, Tracker};
use super::link::{
    ArchiveAnswer, ArchiveFailure, ArchiveResult, Command, Request, RequestError, Shared,
};
use super::roster::Roster;
use super::sm::{Counts, Miscounted, Outgoing};
use super::xml::{self, Xml, ns};

/// Most messages kept of one archive query, whatever the server sends.
const MAX_ARCHIVED: usize = 500;
/// So many stanzas of ours may wait for the server before questions stay unanswered: who asks and
/// does not read must not fill our memory with answers.
const MAX_WAITING: usize = 1_000;
/// Stands before the number in the ids of our IQs that no caller waits for.
const OWN_ID: &str = "own";

/// An open query of the archive.
struct OpenQuery {
    messages: Vec<Message>,
    /// The answer's IQ, to be awaited together with the messages.
    iq: oneshot::Receiver<iq::Answer>,
    reply: oneshot::Sender<ArchiveAnswer>,
}

/// The state that outlives a connection.
pub(crate) struct Session {
    pub(crate) parties: Parties,
    pub(crate) counts: Counts,
    online: bool,
    /// A message of ours arrived since somebody last asked.
    carried: bool,
    /// Stanzas to be written.
    pub(crate) queue: VecDeque<Outgoing>,
    /// Counts and questions about counts, to be written before stanzas.
    pub(crate) nonzas: VecDeque<Element>,
    pub(crate) arrivals: Arrivals,
    tracker: Tracker,
    queries: HashMap<String, OpenQuery>,
    roster: Roster,
    /// Without XEP-0198: tokens written, and behind each how many written before an answered ping.
    unconfirmed: VecDeque<u64>,
    probe: Option<(oneshot::Receiver<iq::Answer>, usize)>,
    roster_answer: Option<oneshot::Receiver<iq::Answer>>,
    /// Answers that are expected, whatever they are.
    unheeded: Vec<oneshot::Receiver<iq::Answer>>,
    id_prefix: String,
    next_id: u64,
    shared: Shared,
}

impl Session {
    pub(crate) fn new(parties: Parties, arrivals: Arrivals, shared: Shared) -> Self {
        Self {
            parties,
            counts: Counts::default(),
            online: false,
            carried: false,
            queue: VecDeque::new(),
            nonzas: VecDeque::new(),
            arrivals,
            tracker: Tracker::default(),
            queries: HashMap::new(),
            roster: Roster::default(),
            unconfirmed: VecDeque::new(),
            probe: None,
            roster_answer: None,
            unheeded: Vec::new(),
            // RFC 6120 8.1.3: ids that nobody else can foresee.
            id_prefix: hex::encode(getrandom::u64().unwrap_or_default().to_be_bytes()),
            next_id: 0,
            shared,
        }
    }

    /// Notes whether the stream is up.
    pub(crate) fn set_online(&mut self, online: bool) {
        self.online = online;
        // Nobody may be watching.
        let _ = self.shared.online.send_replace(online);
    }

    /// Returns whether a message of ours arrived, or one came that somebody had use for, since this
    /// was last asked. Anybody can send us one that nobody has.
    pub(crate) fn take_carried(&mut self) -> bool {
        let was_of_use = self.shared.of_use.swap(false, Ordering::Relaxed);
        std::mem::take(&mut self.carried) || was_of_use
    }

    /// Whether an answer is awaited that somebody may be waiting for.
    pub(crate) fn awaits_answer(&self) -> bool {
        self.tracker.awaits()
    }

    /// Begins a fresh stream: what was under way is lost, and said to be.
    pub(crate) fn begin_fresh(&mut self) {
        let unacked = self.counts.give_up();
        let queued = std::mem::take(&mut self.queue);
        let unconfirmed = std::mem::take(&mut self.unconfirmed);
        let tokens = unacked
            .into_iter()
            .chain(queued)
            .filter_map(|stanza| stanza.token);
        for token in tokens.chain(unconfirmed).collect::<Vec<_>>() {
            self.report(token, Stage::Lost);
        }
        self.nonzas.clear();
        self.probe = None;
        self.tracker.fail_all(&RequestError::Offline);
        self.fail_queries(|| ArchiveFailure::Request(RequestError::Offline));
        self.roster = Roster::default();
    }

    /// Asks for what every fresh stream needs: copies of what goes to others of our clients, and
    /// the roster.
    pub(crate) fn set_up(&mut self) {
        let carbons = self.ask(Request::set(None, Xml::in_ns("enable", ns::CARBONS)));
        self.unheeded = vec![carbons];
        let roster = self.ask(Request::get(None, Xml::in_ns("query", ns::ROSTER)));
        self.roster_answer = Some(roster);
    }

    /// Ends the archive queries over which the stream broke.
    pub(crate) fn fail_unreadable_queries(&mut self) {
        self.fail_queries(|| ArchiveFailure::Unreadable);
    }

    fn fail_queries(&mut self, failure: impl Fn() -> ArchiveFailure) {
        for (_, query) in self.queries.drain() {
            let _ = query.reply.send(Err(failure()));
        }
    }

    /// Does what a command says. Returns who waits for the stream to stop, if it is to.
    pub(crate) fn handle_command(&mut self, command: Command) -> Option<oneshot::Sender<()>> {
        match command {
            Command::Send { token, stanza_xml } => self.send(token, &stanza_xml),
            Command::Volatile { stanza_xml } => {
                if let Some(element) = xml::read(&stanza_xml).filter(|_| self.online) {
                    self.queue.push_back(Outgoing {
                        element: Box::new(element),
                        token: None,
                    });
                }
            }
            Command::Request { request, reply } => {
                if self.online {
                    self.ask_with(request, reply);
                } else {
                    let _ = reply.send(Err(RequestError::Offline));
                }
            }
            Command::Archive {
                query,
                request,
                reply,
            } => {
                if self.online {
                    let iq = self.ask(request);
                    let open = OpenQuery {
                        messages: Vec::new(),
                        iq,
                        reply,
                    };
                    self.queries.retain(|_, query| !query.reply.is_closed());
                    self.queries.insert(query, open);
                } else {
                    let failure = ArchiveFailure::Request(RequestError::Offline);
                    let _ = reply.send(Err(failure));
                }
            }
            Command::Stop { done } => return Some(done),
        }
        None
    }

    fn send(&mut self, token: u64, stanza_xml: &str) {
        let under_way = self.counts.keeps(token)
            || self.unconfirmed.contains(&token)
            || self.queue.iter().any(|stanza| stanza.token == Some(token));
        if under_way {
            return;
        }
        let element = xml::read(stanza_xml).filter(|element| {
            element.has_ns(ns::CLIENT) && matches!(element.name(), "message" | "presence" | "iq")
        });
        match element {
            Some(element) => {
                let element = Box::new(element);
                self.queue.push_back(Outgoing {
                    element,
                    token: Some(token),
                });
            }
            None => self.report(token, Stage::Refused),
        }
    }

    fn ask(&mut self, request: Request) -> oneshot::Receiver<iq::Answer> {
        let (reply, answer) = oneshot::channel();
        self.ask_with(request, reply);
        answer
    }

    fn ask_with(&mut self, request: Request, reply: oneshot::Sender<iq::Answer>) {
        self.next_id = self.next_id.wrapping_add(1);
        let id = format!("{OWN_ID}-{}-{}", self.id_prefix, self.next_id);
        let iq = Xml::in_ns("iq", ns::CLIENT)
            .attr("type", request.kind)
            .attr("id", &id)
            .attr_if("to", request.to.as_deref())
            .child(request.payload);
        match xml::read(&iq.into_text()) {
            Some(element) => {
                self.tracker.open(id, request.to, reply);
                self.queue.push_back(Outgoing {
                    element: Box::new(element),
                    token: None,
                });
            }
            None => {
                let _ = reply.send(Err(RequestError::Unreadable));
            }
        }
    }

    /// Notes that a stanza was written.
    pub(crate) fn note_written(&mut self, stanza: Outgoing) {
        if let Some(token) = stanza.token {
            self.report(token, Stage::Sent);
        }
        if self.counts.is_enabled() {
            self.counts.written(stanza);
        } else if let Some(token) = stanza.token {
            self.unconfirmed.push_back(token);
        }
    }

    /// Notes that a stanza could not be written as XML.
    pub(crate) fn note_unwritable(&mut self, stanza: &Outgoing) {
        if let Some(token) = stanza.token {
            self.report(token, Stage::Refused);
        }
    }

    /// Whether everything is written, and the server is known to have it.
    pub(crate) fn has_settled(&self) -> bool {
        self.queue.is_empty() && self.nonzas.is_empty() && self.counts.all_acked()
    }

    /// Asks how much the server has, when nothing more is to be written.
    pub(crate) fn ask_for_counts(&mut self) {
        if self.counts.should_ask() {
            self.counts.note_asked();
            self.nonzas.push_back(Element::bare("r", super::sm::NS));
        } else if self.probe.is_none() && !self.unconfirmed.is_empty() {
            // Without XEP-0198: what was written before an answered ping has arrived.
            let count = self.unconfirmed.len();
            self.probe = Some((self.ping(), count));
        }
    }

    /// Makes the server say something, after a long silence.
    pub(crate) fn ask_for_a_sign(&mut self) {
        if self.counts.is_enabled() {
            self.counts.note_asked();
            self.nonzas.push_back(Element::bare("r", super::sm::NS));
        } else {
            self.unheeded = vec![self.ping()];
        }
    }

    fn ping(&mut self) -> oneshot::Receiver<iq::Answer> {
        let domain = self.parties.domain.clone();
        self.ask(Request::get(
            Some(&domain),
            Xml::in_ns("ping", "urn:xmpp:ping"),
        ))
    }

    /// Tells the server how much is handled.
    pub(crate) fn tell(&mut self, h: u32) {
        let answer = Xml::in_ns("a", super::sm::NS).attr("h", h).into_text();
        self.nonzas.extend(xml::read(&answer));
    }

    /// Takes in one element of the established stream.
    pub(crate) fn handle_element(&mut self, element: &Element) -> Result<(), Miscounted> {
        if element.has_ns(super::sm::NS) {
            return self.handle_count(element);
        }
        if !element.has_ns(ns::CLIENT) {
            self.drop_counted("an unknown element");
            return Ok(());
        }
        let number = if self.counts.is_enabled() {
            match self.counts.receive() {
                Some(number) => number,
                None => return Ok(()),
            }
        } else {
            0
        };
        let handled = Arc::new(Handled::hold(self.counts.handled(), number));
        match element.name() {
            "message" => self.handle_message(element, handled),
            "iq" => self.handle_iq(element),
            "presence" => self.handle_presence(element),
            _ => self.drop_counted("an unknown stanza"),
        }
        self.check_own_answers();
        Ok(())
    }

    fn handle_count(&mut self, element: &Element) -> Result<(), Miscounted> {
        match element.name() {
            "a" => {
                let h = element
                    .attr("h")
                    .and_then(|h| h.parse().ok())
                    .ok_or(Miscounted)?;
                self.acked(h)
            }
            "r" => {
                let h = self.counts.answer();
                self.tell(h);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Takes the server's count.
    pub(crate) fn acked(&mut self, h: u32) -> Result<(), Miscounted> {
        for token in self.counts.acked(h)? {
            self.report(token, Stage::Acked);
        }
        Ok(())
    }

    /// Goes on after a resumption: what the server does not have is written again, first.
    pub(crate) fn resumed(&mut self, h: u32) -> Result<(), Miscounted> {
        for token in self.counts.resumed(h)? {
            self.report(token, Stage::Acked);
        }
        let mut again = self.counts.take_unacked();
        again.append(&mut self.queue);
        self.queue = again;
        self.nonzas.clear();
        Ok(())
    }

    fn handle_message(&mut self, element: &Element, handled: Arc<Handled>) {
        let queries = &self.queries;
        let is_open = |query: &str| queries.contains_key(query);
        match incoming::read_message(element, &self.parties, is_open) {
            Ok(Incoming::Message(mut message)) => {
                message.handled = handled;
                self.arrivals.push(Arrival::Message(message));
            }
            Ok(Incoming::Archived { query, message }) => {
                if let Some(open) = self.queries.get_mut(&query)
                    && open.messages.len() < MAX_ARCHIVED
                {
                    open.messages.push(*message);
                }
            }
            Ok(Incoming::ArchivedNothing) => self.drop_counted("an archived extra"),
            Ok(Incoming::DeviceList {
                namespace,
                jid,
                devices,
            }) => {
                self.arrivals.push(Arrival::DeviceList {
                    namespace,
                    jid,
                    devices,
                });
            }
            Err(Dropped::Nothing) => self.drop_counted("a message without anything for us"),
            Err(reason) => self.drop_counted(&format!("a message: {reason:?}")),
        }
    }

    fn handle_iq(&mut self, element: &Element) {
        let Ok(sender) = incoming::sender(element) else {
            self.drop_counted("an iq from no address");
            return;
        };
        let from = sender.as_ref().map(|sender| sender.full.as_str());
        if matches!(element.attr("type"), Some("result" | "error")) {
            if self.tracker.answer(&self.parties, from, element) {
                self.finish_queries();
            } else {
                self.drop_counted("an answer to nothing");
            }
            return;
        }
        if self.queue.len().saturating_add(self.counts.unacked()) >= MAX_WAITING {
            return self.drop_counted("a question too many");
        }
        let own_side = self.parties.is_own_side(from);
        let bare = sender.as_ref().map(|sender| sender.bare.as_str());
        let pushed = xml::child(element, "query", ns::ROSTER);
        let reply = match pushed {
            // RFC 6121 2.1.6: only from our own account.
            Some(query) if own_side && element.attr("type") == Some("set") => {
                self.roster.take_push(query);
                let id = element.attr("id").unwrap_or_default();
                let reply = Xml::in_ns("iq", ns::CLIENT)
                    .attr("type", "result")
                    .attr("id", id);
                Some(reply.attr_if("to", element.attr("from")).into_text())
            }
            Some(_) | None => {
                let same_account = bare == Some(self.parties.bare.as_str());
                let seen_by = bare.is_some_and(|bare| self.roster.lets_see_us(bare));
                iq::reply_to(element, own_side || same_account || seen_by)
            }
        };
        if let Some(element) = reply.and_then(|reply| xml::read(&reply)) {
            self.queue.push_back(Outgoing {
                element: Box::new(element),
                token: None,
            });
        }
    }

    fn handle_presence(&mut self, element: &Element) {
        match incoming::sender(element) {
            Ok(Some(sender)) if element.attr("type") == Some("subscribe") => {
                self.arrivals
                    .push(Arrival::SubscriptionAsked { jid: sender.bare });
            }
            // Of strangers it is nothing to us who is available.
            Ok(Some(sender)) if self.roster.we_see(&sender.bare) => {
                if let Some(arrival) = clients::read_presence(element, sender) {
                    self.arrivals.push(arrival);
                }
            }
            Ok(_) => {}
            Err(_) => self.drop_counted("a presence from no address"),
        }
    }

    /// Ends the archive queries whose answer is there.
    fn finish_queries(&mut self) {
        let mut finished = Vec::new();
        for (id, query) in &mut self.queries {
            if let Ok(answer) = query.iq.try_recv() {
                finished.push((id.clone(), answer));
            }
        }
        for (id, answer) in finished {
            if let Some(query) = self.queries.remove(&id) {
                let messages = query.messages;
                let _ = query.reply.send(match answer {
                    Ok(fin) => Ok(ArchiveResult { messages, fin }),
                    Err(error) => Err(ArchiveFailure::Request(error)),
                });
            }
        }
    }

    /// Looks whether the answers that this room itself waits for are there.
    fn check_own_answers(&mut self) {
        if let Some(answer) = &mut self.roster_answer
            && let Ok(answer) = answer.try_recv()
        {
            if let Ok(Some(query)) = answer {
                self.roster.take_all(&query);
            }
            self.roster_answer = None;
        }
        if let Some((answer, count)) = &mut self.probe
            && answer.try_recv().is_ok()
        {
            let count = (*count).min(self.unconfirmed.len());
            let tokens: Vec<u64> = self.unconfirmed.drain(..count).collect();
            self.probe = None;
            for token in tokens {
                self.report(token, Stage::Acked);
            }
        }
    }

    fn report(&mut self, token: u64, stage: Stage) {
        self.carried |= stage == Stage::Acked;
        self.arrivals.push(Arrival::Stage { token, stage });
    }

    fn drop_counted(&self, what: &str) {
        self.shared.dropped.fetch_add(1, Ordering::Relaxed);
        log::debug!("dropped {what}");
    }
}

#[cfg(test)]
mod tests;
