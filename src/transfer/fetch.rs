//! A download: its head is judged first, then its body is handed on chunk by chunk.

use std::{io, time::Duration};

use bytes::Bytes;
use reqwest::{
    Response, StatusCode,
    header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap},
};
use tokio::time::{Instant, timeout_at};

use super::{
    Client,
    fault::{Fault, TlsFault},
    pace::Pace,
    route,
    rules::Refusal,
};

/// How much a download may bring.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The most bytes that will be accepted, announced or not.
    pub max_bytes: u64,
}

/// Why a download failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The rules forbid the URL or every address of its host; no connection was made.
    #[error("refused to fetch: {why}")]
    Refused {
        /// The rule that forbids it.
        why: Refusal,
    },
    /// The server does not have the file, or not any more.
    #[error("the file is not on the server (status {status})")]
    NotFound {
        /// 403, 404 or 410: servers answer so once a link has expired.
        status: u16,
    },
    /// The server pointed to another address. Redirects are never followed.
    #[error("the server redirects (status {status}), and redirects are not followed")]
    Redirect {
        /// The status, 300 to 399.
        status: u16,
    },
    /// The file is larger than allowed.
    #[error("the file is larger than {limit} bytes")]
    TooLarge {
        /// The most bytes that were allowed.
        limit: u64,
        /// How many the server announced, if it did.
        announced: Option<u64>,
    },
    /// Too few bytes came in too long a time, or the whole took too long.
    #[error("the download is too slow")]
    TooSlow,
    /// The body is shorter or longer than the server announced.
    #[error("the server announced {announced} bytes and sent {received}")]
    Length {
        /// The length in the head of the answer.
        announced: u64,
        /// The bytes that came, with those of the first surplus chunk.
        received: u64,
    },
    /// The body is compressed, although that was ruled out in the request.
    #[error("the server encoded the file, although it was asked not to")]
    Encoded,
    /// Any other status than 200.
    #[error("the server answered with status {0}")]
    Status(u16),
    /// The server's identity was not proven.
    #[error(transparent)]
    Tls(TlsFault),
    /// The host's name has no address at present.
    #[error("the host's name could not be resolved")]
    Unresolved,
    /// There is no connection to the host, or it broke.
    #[error("the connection failed: {0}")]
    Unreachable(io::ErrorKind),
    /// The answer broke off or is no HTTP.
    #[error("the server's answer makes no sense")]
    Protocol,
}

impl FetchError {
    /// Tells whether the same download may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Refused { .. }
            | Self::NotFound { .. }
            | Self::Redirect { .. }
            | Self::TooLarge { .. }
            | Self::Encoded => false,
            Self::Length {
                announced,
                received,
            } => received < announced,
            Self::Status(status) => is_transient_status(*status),
            // A clock that has not been set yet, or a hotel's login page, heals by itself.
            Self::Tls(_)
            | Self::TooSlow
            | Self::Unresolved
            | Self::Unreachable(_)
            | Self::Protocol => true,
        }
    }
}

impl From<Fault> for FetchError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Refused(why) => Self::Refused { why },
            Fault::Unresolved => Self::Unresolved,
            Fault::Unreachable(kind) => Self::Unreachable(kind),
            Fault::Tls(fault) => Self::Tls(fault),
            Fault::Protocol => Self::Protocol,
        }
    }
}

/// Tells whether a status means "later" rather than "no" (RFC 9110 15, RFC 6585 4).
pub(super) fn is_transient_status(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500..=599)
}

/// A download whose head has been accepted and whose body is waiting to be read.
///
/// Dropping it ends the transfer and closes the connection.
pub struct Download {
    announced: Option<u64>,
    received: u64,
    limit: u64,
    state: State,
    pace: Pace,
    deadline: Instant,
}

enum State {
    Open(Response),
    Complete,
    Failed(FetchError),
}

impl Download {
    /// Returns the length of the body if the server announced one; it is within the limit.
    #[must_use]
    pub fn announced(&self) -> Option<u64> {
        self.announced
    }

    /// Returns the next bytes, or `None` once the body is complete.
    ///
    /// Dropping the future loses nothing: the next call goes on where it stopped.
    ///
    /// # Errors
    ///
    /// Returns why the body will never be complete, and the same again on later calls.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, FetchError> {
        match self.next().await {
            Ok(Some(bytes)) => Ok(Some(bytes)),
            Ok(None) => {
                self.state = State::Complete;
                Ok(None)
            }
            Err(error) => {
                self.state = State::Failed(error);
                Err(error)
            }
        }
    }

    async fn next(&mut self) -> Result<Option<Bytes>, FetchError> {
        let response = match &mut self.state {
            State::Open(response) => response,
            State::Complete => return Ok(None),
            State::Failed(error) => return Err(*error),
        };
        let begin = Instant::now();
        let give_up = later(begin, self.pace.patience()).min(self.deadline);
        let outcome = timeout_at(give_up, response.chunk())
            .await
            .map_err(|_| FetchError::TooSlow)?;
        let Some(bytes) = outcome.map_err(|error| self.broken(&error))? else {
            return match self.announced {
                Some(announced) if self.received < announced => Err(self.length(announced)),
                _ => Ok(None),
            };
        };
        self.pace.moved(begin.elapsed(), bytes.len() as u64);
        self.received = self.received.saturating_add(bytes.len() as u64);
        match self.announced {
            Some(announced) if self.received > announced => Err(self.length(announced)),
            _ if self.received > self.limit => Err(FetchError::TooLarge {
                limit: self.limit,
                announced: self.announced,
            }),
            _ => Ok(Some(bytes)),
        }
    }

    /// Tells a body that ended too early from a connection that broke.
    fn broken(&self, error: &reqwest::Error) -> FetchError {
        match (Fault::of(error), self.announced) {
            (Fault::Protocol | Fault::Unreachable(io::ErrorKind::UnexpectedEof), Some(n)) => {
                self.length(n)
            }
            (fault, _) => fault.into(),
        }
    }

    fn length(&self, announced: u64) -> FetchError {
        FetchError::Length {
            announced,
            received: self.received,
        }
    }
}

/// Carries out [`Client::fetch`].
pub(super) async fn fetch(
    client: &Client,
    url: &str,
    limits: Limits,
) -> Result<Download, FetchError> {
    let patience = client.patience;
    let deadline = later(Instant::now(), patience.total);
    let (http, target) = route::open(client, url).await?;
    let request = http.get(target.url).header(ACCEPT_ENCODING, "identity");
    let give_up = later(Instant::now(), patience.connect + patience.answer).min(deadline);
    let response = timeout_at(give_up, request.send())
        .await
        .map_err(|_| FetchError::TooSlow)?
        .map_err(|error| Fault::of(&error))?;
    let announced = judge_head(response.status(), response.headers(), limits)?;
    Ok(Download {
        announced,
        received: 0,
        limit: limits.max_bytes,
        state: State::Open(response),
        pace: Pace::new(patience.window, patience.bytes_per_window),
        deadline,
    })
}

/// Judges the head of an answer; returns the length that it announces.
pub(super) fn judge_head(
    status: StatusCode,
    headers: &HeaderMap,
    limits: Limits,
) -> Result<Option<u64>, FetchError> {
    judge_status(status)?;
    let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
    if encodings.any(|it| it != "identity") {
        return Err(FetchError::Encoded);
    }
    let announced = announced(headers)?;
    if announced.is_some_and(|it| it > limits.max_bytes) {
        return Err(FetchError::TooLarge {
            limit: limits.max_bytes,
            announced,
        });
    }
    Ok(announced)
}

fn judge_status(status: StatusCode) -> Result<(), FetchError> {
    match status.as_u16() {
        200 => Ok(()),
        status @ 300..=399 => Err(FetchError::Redirect { status }),
        status @ (403 | 404 | 410) => Err(FetchError::NotFound { status }),
        status => Err(FetchError::Status(status)),
    }
}

/// Reads the announced length from the head itself, since it is to hold for a chunked body too.
fn announced(headers: &HeaderMap) -> Result<Option<u64>, FetchError> {
    headers
        .get(CONTENT_LENGTH)
        .map(|value| value.to_str().ok().and_then(|it| it.parse().ok()))
        .map(|length: Option<u64>| length.ok_or(FetchError::Protocol))
        .transpose()
}

/// Adds up, as far as the clock goes.
pub(super) fn later(now: Instant, wait: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
    now + wait.min(FAR)
}
