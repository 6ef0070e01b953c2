//! Catching up from the server's message archive after a gap (XEP-0313).
//!
//! It keeps no place of its own: the caller says where to read on and remembers how far it got.

use std::time::{Duration, SystemTime};

use minidom::Element;

use super::arrival::Message;
use super::link::{ArchiveFailure, ArchiveResult, Link, Request, RequestError};
use super::pubsub::submit_form;
use super::xml::{self, Xml, ns};

/// Most messages in a page.
const MAX_PAGE: u32 = 100;
/// Messages in a page while looking for what follows one that cannot be read.
const SEARCH_PAGE: u32 = 8;
/// How long to wait for a stream that broke.
const RECOVERY: Duration = Duration::from_secs(120);
/// How often a page is asked for again after the stream broke.
const TRIES: u32 = 3;

/// Where in the archive to read on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArchivePosition {
    /// With the first message after the one with this archive id.
    After(String),
    /// With the first message not older than this.
    Since(SystemTime),
    /// With the oldest message.
    Start,
}

/// A page of the archive, oldest first.
pub struct Page {
    /// The messages that could be read.
    pub messages: Vec<Message>,
    /// The archive id to read on after; `None` if nothing follows the position.
    pub last: Option<String>,
    /// Whether this was the newest page.
    pub complete: bool,
    /// How many messages could not be read and were jumped over.
    pub skipped: u32,
}

impl Page {
    /// Returns where to read on after this page of `position`; `None` after the newest one.
    #[must_use]
    pub fn next(&self, position: &ArchivePosition) -> Option<ArchivePosition> {
        let last = self.last.clone().filter(|_| !self.complete);
        // A server that points to where we stand would have us read for ever.
        last.map(ArchivePosition::After)
            .filter(|next| next != position)
    }
}

/// Why the archive could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The archive no longer has the id to read on after.
    #[error("the archive no longer has the last message known")]
    Expired,
    /// The account has no archive.
    #[error("the server keeps no archive for this account")]
    None,
    /// The request failed.
    #[error(transparent)]
    Request(#[from] RequestError),
}

/// One step of reading.
enum Read {
    Done(ArchiveResult),
    /// The stream broke over what came.
    Unreadable,
}

/// Which messages are wanted.
#[derive(Clone, Copy, Default)]
struct Only<'a> {
    since: Option<SystemTime>,
    with: Option<&'a str>,
}

/// Which way to turn the pages (XEP-0059).
#[derive(Clone, Copy)]
enum Turn<'a> {
    After(Option<&'a str>),
    Before(Option<&'a str>),
}

impl Link {
    /// Fetches one page of at most `max` messages.
    ///
    /// If the page holds a message that breaks the stream, it waits for the stream to come back,
    /// reads the messages before it one by one, and jumps over it. It also survives a stream that
    /// breaks for another reason, so one catch-up at a time is enough.
    ///
    /// # Errors
    /// [`ArchiveError::Expired`] if the position is gone; read on from a time then.
    pub async fn archive_page(
        &self,
        position: ArchivePosition,
        max: u32,
    ) -> Result<Page, ArchiveError> {
        self.archive_page_with(position, max, None).await
    }

    /// Does as [`Self::archive_page`] with only the messages from and to this address.
    ///
    /// # Errors
    /// As there.
    pub async fn archive_page_with(
        &self,
        position: ArchivePosition,
        max: u32,
        with: Option<&str>,
    ) -> Result<Page, ArchiveError> {
        let (mut after, since) = match position {
            ArchivePosition::After(id) => (Some(id), None),
            ArchivePosition::Since(time) => (None, Some(time)),
            ArchivePosition::Start => (None, None),
        };
        let only = Only { since, with };
        let max = max.clamp(1, MAX_PAGE);
        let turn = Turn::After(after.as_deref());
        if let Read::Done(result) = self.read_patiently(only, turn, max).await? {
            return Ok(page(result));
        }
        let mut gathered = Page {
            messages: Vec::new(),
            last: None,
            complete: false,
            skipped: 0,
        };
        for _ in 0..max {
            let turn = Turn::After(after.as_deref());
            let found = match self.read_patiently(only, turn, 1).await? {
                Read::Done(result) => page(result),
                Read::Unreadable => self.jump(only).await?,
            };
            after = found.last.clone().or(after);
            gathered.last = found.last.or(gathered.last);
            gathered.messages.extend(found.messages);
            gathered.skipped += found.skipped;
            gathered.complete = found.complete;
            if found.complete || found.skipped > 0 {
                break;
            }
        }
        Ok(gathered)
    }

    /// Fetches the id of the newest archived message; `None` if there is none.
    ///
    /// # Errors
    /// If the archive cannot be asked.
    pub async fn archive_latest_id(&self) -> Result<Option<String>, ArchiveError> {
        // Only the id is wanted, but a page of none has no id.
        match self
            .read_archive(Only::default(), Turn::Before(None), 1)
            .await?
        {
            Read::Done(result) => Ok(page(result).last),
            Read::Unreadable => Err(RequestError::Unreadable.into()),
        }
    }

    /// Finds what follows a message that cannot be read, coming from the newest.
    async fn jump(&self, only: Only<'_>) -> Result<Page, ArchiveError> {
        let mut next: Option<Message> = None;
        let mut size = SEARCH_PAGE;
        loop {
            self.wait_until_online(RECOVERY).await?;
            let before = next
                .as_ref()
                .and_then(|message| message.archive_id.as_deref());
            match self.read_archive(only, Turn::Before(before), size).await? {
                Read::Unreadable if size > 1 => size = 1,
                Read::Unreadable => break,
                Read::Done(result) => match result.messages.into_iter().next() {
                    Some(oldest) => next = Some(oldest),
                    // The archive forgot it meanwhile.
                    None => break,
                },
            }
        }
        log::warn!("jumped over an archived message that cannot be read");
        let last = next.as_ref().and_then(|message| message.archive_id.clone());
        let complete = next.is_none();
        Ok(Page {
            messages: next.into_iter().collect(),
            last,
            complete,
            skipped: 1,
        })
    }

    /// Reads once, and again if the stream breaks for a reason of its own.
    async fn read_patiently(
        &self,
        only: Only<'_>,
        turn: Turn<'_>,
        max: u32,
    ) -> Result<Read, ArchiveError> {
        let mut tries = 0;
        loop {
            let read = self.read_archive(only, turn, max).await;
            let broken = matches!(read, Err(ArchiveError::Request(RequestError::Offline)));
            if broken && tries < TRIES {
                tries += 1;
                self.wait_until_online(RECOVERY).await?;
                continue;
            }
            if matches!(read, Ok(Read::Unreadable)) {
                self.wait_until_online(RECOVERY).await?;
            }
            return read;
        }
    }

    async fn read_archive(
        &self,
        only: Only<'_>,
        turn: Turn<'_>,
        max: u32,
    ) -> Result<Read, ArchiveError> {
        let id = hex::encode(getrandom::u64().unwrap_or_default().to_be_bytes());
        let mut set = Xml::in_ns("set", ns::RSM).child(Xml::new("max").text(&max.to_string()));
        set = match turn {
            Turn::After(None) => set,
            Turn::After(Some(id)) => set.child(Xml::new("after").text(id)),
            Turn::Before(id) => set.child(Xml::new("before").text(id.unwrap_or_default())),
        };
        let start = only.since.map(date_time);
        let start = start.iter().map(|start| ("start", start.as_str()));
        // XEP-0313 4.1.1
        let with = only.with.iter().map(|with| ("with", *with));
        let fields: Vec<_> = start.chain(with).collect();
        let query = Xml::in_ns("query", ns::MAM)
            .attr("queryid", &id)
            .child(submit_form(ns::MAM, &fields))
            .child(set);
        match self.request_archive(id, Request::set(None, query)).await {
            Ok(result) => Ok(Read::Done(result)),
            Err(ArchiveFailure::Unreadable) => Ok(Read::Unreadable),
            Err(ArchiveFailure::Request(RequestError::Refused(refusal))) => {
                Err(match refusal.condition.as_str() {
                    // XEP-0313 4.1.2
                    "item-not-found" => ArchiveError::Expired,
                    "service-unavailable" | "feature-not-implemented" => ArchiveError::None,
                    _ => RequestError::Refused(refusal).into(),
                })
            }
            Err(ArchiveFailure::Request(error)) => Err(error.into()),
        }
    }
}

/// XEP-0313 4.1
pub(super) fn page(result: ArchiveResult) -> Page {
    let fin = result.fin.as_ref().filter(|fin| fin.is("fin", ns::MAM));
    let complete = fin.and_then(|fin| fin.attr("complete"));
    let set = fin.and_then(|fin| xml::child(fin, "set", ns::RSM));
    let last = set
        .and_then(|set| xml::child(set, "last", ns::RSM))
        .map(Element::text);
    Page {
        messages: result.messages,
        last: last.filter(|id| !id.is_empty()),
        complete: matches!(complete, Some("true" | "1")),
        skipped: 0,
    }
}

/// Writes a time as XEP-0082 has it, in UTC.
pub(crate) fn date_time(time: SystemTime) -> String {
    let seconds = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    // Later than the year 9999 no archive begins.
    let seconds = seconds.min(253_402_300_799);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (mut year, mut left) = (1970, days);
    while left >= days_of_year(year) {
        left -= days_of_year(year);
        year += 1;
    }
    let february = if days_of_year(year) == 366 { 29 } else { 28 };
    let mut month = 1;
    for days in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if left < days {
            break;
        }
        left -= days;
        month += 1;
    }
    let (hour, minute) = (second / 3_600, second / 60 % 60);
    format!(
        "{year:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{:02}Z",
        left + 1,
        second % 60
    )
}

fn days_of_year(year: u64) -> u64 {
    let leap = year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    if leap { 366 } else { 365 }
}

#[cfg(test)]
mod tests {
    use std::str::FromStr as _;

    use xmpp_parsers::date::DateTime;

    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn times_are_written_as_the_archive_wants_them() {
        assert_eq!(date_time(at(0)), "1970-01-01T00:00:00Z");
        assert_eq!(date_time(at(951_827_696)), "2000-02-29T12:34:56Z");
        assert_eq!(date_time(at(4_102_444_799)), "2099-12-31T23:59:59Z");
        assert_eq!(date_time(at(u64::MAX >> 2)), "9999-12-31T23:59:59Z");
    }

    proptest::proptest! {
        #[test]
        fn written_times_are_read_back(seconds in 0_u64..253_402_300_800) {
            let read = DateTime::from_str(&date_time(at(seconds))).unwrap();

            proptest::prop_assert_eq!(SystemTime::from(read.0), at(seconds));
        }
    }

    fn fin(text: &str) -> ArchiveResult {
        ArchiveResult {
            messages: Vec::new(),
            fin: Some(text.parse().unwrap()),
        }
    }

    #[test]
    fn a_page_tells_where_to_read_on_and_whether_it_was_the_last() {
        let more = page(fin("<fin xmlns='urn:xmpp:mam:2'>\
            <set xmlns='http://jabber.org/protocol/rsm'><last>x7</last></set></fin>"));
        let end = page(fin("<fin xmlns='urn:xmpp:mam:2' complete='true'>\
            <set xmlns='http://jabber.org/protocol/rsm'/></fin>"));

        assert_eq!((more.last.as_deref(), more.complete), (Some("x7"), false));
        assert_eq!((end.last, end.complete), (None, true));
    }
}
