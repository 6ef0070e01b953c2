//! The counts of XEP-0198: what the server has of ours, what we have of the server's.
//!
//! Pure. It outlives the connection, so that the next one can go on where this one broke. Stanzas
//! are told to be handled only once whoever handles them is done ([`HandledCount`]).

use std::collections::VecDeque;
use std::sync::Arc;

use minidom::Element;

use super::handled::HandledCount;

pub(crate) const NS: &str = "urn:xmpp:sm:3";

/// A stanza on its way out.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) element: Box<Element>,
    /// Who wants to hear what becomes of it.
    pub(crate) token: Option<u64>,
}

/// The server counted wrongly; the stream cannot go on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Miscounted;

/// The counts of one session.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    enabled: bool,
    /// The name under which the server keeps the session, if it does.
    id: Option<String>,
    handled: Arc<HandledCount>,
    /// How many stanzas came, those that came again after a resumption counted once.
    received: u64,
    /// The highest number that was ever passed on.
    passed_on: u64,
    /// The last count told to the server.
    told: u64,
    /// The server asked, and was told less than has come.
    owes_answer: bool,
    /// How many of ours the server has, modulo 2^32.
    acked: u32,
    unacked: VecDeque<Outgoing>,
    /// We asked and have no answer yet.
    asked: bool,
}

impl Counts {
    /// Begins to count, after `<enabled/>`.
    pub(crate) fn enable(&mut self, id: Option<String>) {
        *self = Self {
            enabled: true,
            id,
            ..Self::default()
        };
    }

    pub(crate) fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// Gives the session up and returns what the server may not have.
    pub(crate) fn give_up(&mut self) -> VecDeque<Outgoing> {
        std::mem::take(self).unacked
    }

    pub(crate) fn handled(&self) -> Arc<HandledCount> {
        Arc::clone(&self.handled)
    }

    /// Returns what to resume with: the session's name and our count.
    pub(crate) fn resumption(&mut self) -> Option<(String, u32)> {
        let id = self.id.clone()?;
        self.received = self.handled.prefix();
        self.told = self.received;
        Some((id, wrap(self.received)))
    }

    /// Counts the next stanza as handled unread, because it cannot be read. Only where everything
    /// before it is handled; returns whether it was.
    pub(crate) fn skip_next(&mut self) -> bool {
        let clear = self.handled.prefix() == self.passed_on && self.id.is_some();
        if clear {
            self.passed_on = self.passed_on.saturating_add(1);
            self.handled.mark(self.passed_on);
        }
        clear
    }

    /// Returns how many stanzas were passed on.
    pub(crate) fn passed_on(&self) -> u64 {
        self.passed_on
    }

    /// Goes on after `<resumed/>`; returns what is to be sent again, before anything else.
    pub(crate) fn resumed(&mut self, h: u32) -> Result<Acked, Miscounted> {
        self.asked = false;
        self.owes_answer = false;
        self.acked(h)
    }

    /// Takes what is to be sent again after a resumption.
    pub(crate) fn take_unacked(&mut self) -> VecDeque<Outgoing> {
        std::mem::take(&mut self.unacked)
    }

    /// Counts a stanza that came. Returns its number, or `None` if it was passed on before a
    /// resumption already.
    pub(crate) fn receive(&mut self) -> Option<u64> {
        self.received = self.received.saturating_add(1);
        if self.received <= self.passed_on {
            return None;
        }
        self.passed_on = self.received;
        Some(self.received)
    }

    /// Keeps a stanza that was written until the server has it.
    pub(crate) fn written(&mut self, stanza: Outgoing) {
        self.unacked.push_back(stanza);
    }

    /// Returns whether to ask the server now how much it has.
    pub(crate) fn should_ask(&self) -> bool {
        self.enabled && !self.asked && !self.unacked.is_empty()
    }

    /// Notes that we asked.
    pub(crate) fn note_asked(&mut self) {
        self.asked = true;
    }

    /// Takes the server's count. Returns the tokens of what it now has.
    pub(crate) fn acked(&mut self, h: u32) -> Result<Acked, Miscounted> {
        self.asked = false;
        let count = usize::try_from(h.wrapping_sub(self.acked)).map_err(|_| Miscounted)?;
        if count > self.unacked.len() {
            return Err(Miscounted);
        }
        self.acked = h;
        Ok(self
            .unacked
            .drain(..count)
            .filter_map(|stanza| stanza.token)
            .collect())
    }

    /// Answers the server's question with what is handled.
    pub(crate) fn answer(&mut self) -> u32 {
        let prefix = self.handled.prefix();
        self.owes_answer = prefix < self.received;
        self.told = prefix;
        wrap(prefix)
    }

    /// Returns a count that the server waits for since more was handled.
    pub(crate) fn later_answer(&mut self) -> Option<u32> {
        (self.owes_answer && self.handled.prefix() > self.told).then(|| self.answer())
    }

    /// Returns whether the server has all of ours.
    pub(crate) fn all_acked(&self) -> bool {
        self.unacked.is_empty()
    }

    /// Returns how many of ours the server may not have.
    pub(crate) fn unacked(&self) -> usize {
        self.unacked.len()
    }

    /// Returns whether a stanza with this token is kept.
    pub(crate) fn keeps(&self, token: u64) -> bool {
        self.unacked
            .iter()
            .any(|stanza| stanza.token == Some(token))
    }
}

/// The tokens of stanzas that the server has.
pub(crate) type Acked = Vec<u64>;

/// XEP-0198 4: counts are modulo 2^32.
fn wrap(count: u64) -> u32 {
    u32::try_from(count & u64::from(u32::MAX)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stanza(token: u64) -> Outgoing {
        Outgoing {
            element: Box::new(Element::bare("message", "jabber:client")),
            token: Some(token),
        }
    }

    fn counting() -> Counts {
        let mut counts = Counts::default();
        counts.enable(Some("session".to_owned()));
        counts
    }

    #[test]
    fn the_server_acknowledges_in_order() {
        let mut counts = counting();
        for token in 1..=3 {
            counts.written(stanza(token));
        }

        let first = counts.acked(2);
        let again = counts.acked(2);
        let rest = counts.acked(3);

        assert_eq!(
            (first, again, rest),
            (Ok(vec![1, 2]), Ok(vec![]), Ok(vec![3]))
        );
    }

    #[test]
    fn a_count_beyond_what_was_sent_or_backwards_is_refused() {
        let mut counts = counting();
        counts.written(stanza(1));
        counts.written(stanza(2));

        assert_eq!(counts.acked(3), Err(Miscounted));
        assert_eq!(counts.acked(1), Ok(vec![1]));
        assert_eq!(counts.acked(0), Err(Miscounted));
    }

    #[test]
    fn only_handled_stanzas_are_told_and_the_rest_follows_later() {
        let mut counts = counting();
        let handled = counts.handled();
        counts.receive();
        counts.receive();
        handled.mark(1);

        let asked = counts.answer();
        let nothing_new = counts.later_answer();
        handled.mark(2);
        let later = counts.later_answer();

        assert_eq!((asked, nothing_new, later), (1, None, Some(2)));
        assert_eq!(counts.later_answer(), None);
    }

    #[test]
    fn what_comes_again_after_a_resumption_is_not_passed_on_twice() {
        let mut counts = counting();
        counts.receive();
        counts.receive();
        counts.handled().mark(1);

        let resume = counts.resumption();
        counts.resumed(0).unwrap();
        let again = counts.receive();
        let new = counts.receive();

        assert_eq!(resume, Some(("session".to_owned(), 1)));
        assert_eq!((again, new), (None, Some(3)));
    }

    #[test]
    fn an_unreadable_stanza_is_skipped_only_when_nothing_before_it_is_pending() {
        let mut counts = counting();
        counts.receive();

        let too_early = counts.skip_next();
        counts.handled().mark(1);
        let skipped = counts.skip_next();

        assert!(!too_early);
        assert!(skipped);
        assert_eq!(counts.resumption().map(|(_, h)| h), Some(2));
    }

    #[test]
    fn what_is_given_up_comes_back() {
        let mut counts = counting();
        counts.written(stanza(7));

        let lost = counts.give_up();

        assert_eq!(lost.front().and_then(|s| s.token), Some(7));
        assert!(counts.resumption().is_none());
    }
}
