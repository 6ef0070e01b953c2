//! The handle by which the rest of the daemon speaks to the stream's task.
//!
//! A handle owns nothing but the way to the task; each question waits for its answer, and never for
//! longer than its time.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jid::Jid;
use minidom::Element;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use super::account::Account;
use super::arrival::{Arrival, FatalReason, Message};
use super::incoming::Parties;
use super::iq::Answer;
use super::stream;
use super::upload::UploadService;
use super::xml::Xml;

/// How long an answer may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a page of the archive may take.
const ARCHIVE_TIMEOUT: Duration = Duration::from_secs(90);
/// How long going offline may take.
const STOP_TIMEOUT: Duration = Duration::from_secs(6);

/// What the task is asked to do.
pub(crate) enum Command {
    Send {
        token: u64,
        stanza_xml: String,
    },
    Volatile {
        stanza_xml: String,
    },
    Request {
        request: Request,
        reply: oneshot::Sender<Answer>,
    },
    Archive {
        query: String,
        request: Request,
        reply: oneshot::Sender<ArchiveAnswer>,
    },
    Stop {
        done: oneshot::Sender<()>,
    },
}

/// An IQ to be sent.
pub(crate) struct Request {
    /// Whom to ask, normalised; `None` is our own account.
    pub(crate) to: Option<String>,
    pub(crate) kind: &'static str,
    pub(crate) payload: Xml,
}

impl Request {
    pub(crate) fn get(to: Option<&str>, payload: Xml) -> Self {
        Self {
            to: to.map(normalised),
            kind: "get",
            payload,
        }
    }

    pub(crate) fn set(to: Option<&str>, payload: Xml) -> Self {
        Self {
            to: to.map(normalised),
            kind: "set",
            payload,
        }
    }
}

/// Answers come from the address as the server writes it.
fn normalised(jid: &str) -> String {
    Jid::new(jid).map_or_else(|_| jid.to_owned(), |jid| jid.to_string())
}

/// The answer to a query of the archive.
pub(crate) type ArchiveAnswer = Result<ArchiveResult, ArchiveFailure>;

/// What a query of the archive brought.
pub(crate) struct ArchiveResult {
    pub(crate) messages: Vec<Message>,
    /// The `<fin/>` element.
    pub(crate) fin: Option<Element>,
}

/// Why a query of the archive brought nothing.
pub(crate) enum ArchiveFailure {
    Request(RequestError),
    /// The stream broke over what came.
    Unreadable,
}

/// What the handles see of the task without asking it.
pub(crate) struct Shared {
    pub(crate) dropped: Arc<AtomicU64>,
    pub(crate) online: watch::Sender<bool>,
    pub(crate) of_use: Arc<AtomicBool>,
}

/// A handle to the stream. Cheap to clone; the stream ends with [`stop`](Link::stop), or when the
/// last handle is gone.
#[derive(Clone)]
pub struct Link {
    commands: mpsc::UnboundedSender<Command>,
    own_bare_jid: Arc<str>,
    pub(crate) domain: Arc<str>,
    dropped: Arc<AtomicU64>,
    online: watch::Receiver<bool>,
    of_use: Arc<AtomicBool>,
    /// The upload service, once it was found.
    pub(crate) upload: Arc<Mutex<Option<UploadService>>>,
}

/// What the other side answered in place of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The defined condition, for example `item-not-found` (RFC 6120 8.3.3).
    pub condition: String,
    /// The more exact condition of the extension, for example `precondition-not-met`.
    pub detail: Option<String>,
    /// The server's words.
    pub text: Option<String>,
    /// The limit that was passed, in bytes, if the refusal names one.
    pub limit: Option<u64>,
}

/// Why a request brought no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The stream is down, or went down for good before the answer came.
    #[error("there is no connection to the server")]
    Offline,
    /// No answer came in time.
    #[error("the server did not answer in time")]
    TimedOut,
    /// The other side refused.
    #[error("the server refused: {}", .0.condition)]
    Refused(Refusal),
    /// The answer makes no sense.
    #[error("the server's answer cannot be read")]
    Unreadable,
}

impl RequestError {
    /// Whether the other side refused with this condition.
    #[must_use]
    pub fn is_refusal(&self, condition: &str) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.condition == condition)
    }
}

/// Starts the task that keeps the stream, and returns the handle to it.
///
/// Must be called inside a Tokio runtime, whose threads should have
/// [`STACK_BYTES`](super::STACK_BYTES) of stack. Settings that cannot work arrive as
/// [`Arrival::Fatal`].
#[must_use]
pub fn start(account: Account, arrivals: mpsc::Sender<Arrival>) -> Link {
    let (commands, received) = mpsc::unbounded_channel();
    let full = format!("{}/{}", account.jid, account.resource);
    let parties = Parties::new(&account.jid, &full);
    let dropped = Arc::new(AtomicU64::new(0));
    let (online, is_online) = watch::channel(false);
    let of_use = Arc::new(AtomicBool::new(false));
    let link = Link {
        commands,
        own_bare_jid: parties
            .as_ref()
            .map_or(account.jid.as_str(), |p| &p.bare)
            .into(),
        domain: parties.as_ref().map_or("", |p| &p.domain).into(),
        dropped: Arc::clone(&dropped),
        online: is_online,
        of_use: Arc::clone(&of_use),
        upload: Arc::default(),
    };
    let shared = Shared {
        dropped,
        online,
        of_use,
    };
    match parties {
        Some(parties) => stream::spawn(account, parties, received, arrivals, shared),
        None => {
            let reason = FatalReason::Settings(format!("{} is no account address", account.jid));
            tokio::spawn(async move { arrivals.send(Arrival::Fatal(reason)).await });
        }
    }
    link
}

impl Link {
    /// Sends a finished stanza; never blocks. What becomes of it arrives as
    /// [`Arrival::Stage`] with this token.
    ///
    /// While the stream is down the stanza waits for it to be resumed; if a fresh stream comes
    /// instead, it is reported as lost. A token that is still under way is not sent a second time.
    pub fn send(&self, token: u64, stanza_xml: String) {
        self.command(Command::Send { token, stanza_xml });
    }

    /// Sends a stanza that is worth nothing later: typing, presence. Dropped while offline.
    pub fn send_volatile(&self, stanza_xml: String) {
        self.command(Command::Volatile { stanza_xml });
    }

    /// Says that what this stream brought was of use: should it break, it is begun anew soon, however
    /// short it was.
    pub fn note_use(&self) {
        self.of_use.store(true, Ordering::Relaxed);
    }

    /// Announces us as available, with what we can do (XEP-0115). Offline messages and device list
    /// pushes follow.
    pub fn announce(&self) {
        self.send_volatile(super::iq::available_presence(None));
    }

    /// Announces us with a line for people to whoever may see our presence. RFC 6121 4.7.2.2
    pub fn show(&self, line: &str) {
        self.send_volatile(super::iq::available_presence(Some(line)));
    }

    /// Returns our own bare address.
    #[must_use]
    pub fn own_bare_jid(&self) -> &str {
        &self.own_bare_jid
    }

    /// Returns how many stanzas were dropped because they were forged, unreadable or meant nothing.
    #[must_use]
    pub fn dropped_stanzas(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Goes offline: unavailable presence, closed stream, at most a few seconds.
    pub async fn stop(&self) {
        let (done, stopped) = oneshot::channel();
        self.command(Command::Stop { done });
        // Whether it took too long or the task is gone already: it is over.
        let _ = timeout(STOP_TIMEOUT, stopped).await;
    }

    /// Asks and waits for the answer.
    pub(crate) async fn request(&self, request: Request) -> Answer {
        let (reply, answer) = oneshot::channel();
        self.command(Command::Request { request, reply });
        match timeout(REQUEST_TIMEOUT, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(RequestError::Offline),
            Err(_) => Err(RequestError::TimedOut),
        }
    }

    /// Asks the archive and waits for all of the answer.
    pub(crate) async fn request_archive(&self, query: String, request: Request) -> ArchiveAnswer {
        let (reply, answer) = oneshot::channel();
        self.command(Command::Archive {
            query,
            request,
            reply,
        });
        match timeout(ARCHIVE_TIMEOUT, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(ArchiveFailure::Request(RequestError::Offline)),
            Err(_) => Err(ArchiveFailure::Request(RequestError::TimedOut)),
        }
    }

    /// Waits until the stream is up.
    pub(crate) async fn wait_until_online(&self, patience: Duration) -> Result<(), RequestError> {
        let mut online = self.online.clone();
        match timeout(patience, online.wait_for(|online| *online)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(RequestError::Offline),
        }
    }

    fn command(&self, command: Command) {
        // The task is gone only after a fatal error or a stop, and both were reported.
        let _ = self.commands.send(command);
    }
}
