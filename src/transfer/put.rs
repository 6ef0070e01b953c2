//! An upload: bytes go out as they come in, and exactly as many as were promised.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use futures::Stream;
use reqwest::{
    Body,
    header::{
        AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, EXPIRES, HeaderMap, HeaderValue,
    },
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};

use super::{
    Client, Patience,
    fault::{Fault, TlsFault},
    fetch::{is_transient_status, later},
    pace::Pace,
    route,
    rules::Refusal,
};

/// What is to be uploaded, and where to.
#[derive(Clone, Copy)]
pub struct Upload<'a> {
    /// The address of the slot.
    pub url: &'a str,
    /// The headers that came with the slot. All but Authorization, Cookie and Expires are dropped.
    pub headers: &'a [(String, String)],
    /// The exact number of bytes that will come.
    pub length: u64,
    /// The media type that the slot was asked for with.
    pub content_type: &'a str,
}

/// Why an upload failed. The server must not be taken to have the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PutError {
    /// The rules forbid the slot or every address of its host; no connection was made.
    #[error("refused to upload: {why}")]
    Refused {
        /// The rule that forbids it.
        why: Refusal,
    },
    /// The server does not know the slot, or not any more.
    #[error("the server does not know the upload slot (status {status})")]
    NotFound {
        /// 404 or 410.
        status: u16,
    },
    /// The server pointed to another address. Redirects are never followed.
    #[error("the server redirects (status {status}), and redirects are not followed")]
    Redirect {
        /// The status, 300 to 399.
        status: u16,
    },
    /// The server takes no file of this size.
    #[error("the file is too large for the server")]
    TooLarge,
    /// Too few bytes left in too long a time, the answer did not come, or the whole took too long.
    #[error("the upload is too slow")]
    TooSlow,
    /// Our own side brought more or fewer bytes than it had promised.
    #[error("{promised} bytes were promised and {brought} brought")]
    Length {
        /// The length that was promised.
        promised: u64,
        /// The bytes that were brought, with those of the first surplus chunk.
        brought: u64,
    },
    /// Our own side could not read the file on.
    #[error("the file could not be read on: {0}")]
    Source(io::ErrorKind),
    /// Any other status that is not a success.
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

impl PutError {
    /// Tells whether a new slot and another try may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Refused { .. }
            | Self::Redirect { .. }
            | Self::TooLarge
            | Self::Length { .. }
            | Self::Source(_) => false,
            Self::Status(status) => is_transient_status(*status),
            // An expired slot is gone; the next one is not.
            Self::NotFound { .. }
            | Self::Tls(_)
            | Self::TooSlow
            | Self::Unresolved
            | Self::Unreachable(_)
            | Self::Protocol => true,
        }
    }
}

impl From<Fault> for PutError {
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

/// Carries out [`Client::put`].
pub(super) async fn put(
    client: &Client,
    upload: &Upload<'_>,
    body: mpsc::Receiver<io::Result<Bytes>>,
) -> Result<(), PutError> {
    let patience = client.patience;
    let deadline = later(Instant::now(), patience.total);
    let headers = headers(upload).map_err(|why| PutError::Refused { why })?;
    let (http, target) = route::open(client, upload.url).await?;
    let progress = Progress::new(patience, upload.length, body);
    let progress = Ending(Arc::new(Mutex::new(progress)));
    let outgoing = Body::wrap_stream(Outgoing(Arc::clone(&progress.0)));
    let request = http.put(target.url).headers(headers).body(outgoing);
    let answer = tokio::select! {
        answer = request.send() => answer,
        () = too_slow(&progress.0, patience.window, deadline) => return Err(PutError::TooSlow),
    };
    // What our own side did wrong explains every fault that follows from it.
    if let Some(own) = lock(&progress.0).own_fault {
        return Err(own);
    }
    let response = answer.map_err(|error| Fault::of(&error))?;
    match response.status().as_u16() {
        200..=299 if lock(&progress.0).complete => Ok(()),
        // A success before the last byte was sent confirms nothing.
        200..=299 => Err(PutError::Protocol),
        status @ 300..=399 => Err(PutError::Redirect { status }),
        status @ (404 | 410) => Err(PutError::NotFound { status }),
        413 => Err(PutError::TooLarge),
        status => Err(PutError::Status(status)),
    }
}

/// Builds the head of the request from the slot's headers.
pub(super) fn headers(upload: &Upload<'_>) -> Result<HeaderMap, Refusal> {
    let mut headers = HeaderMap::new();
    for (name, value) in upload.headers {
        // XEP-0363 v1.2.0 4: three names are allowed, others are ignored, line breaks are
        // stripped from names and values, the order of values is kept.
        let name = without_line_breaks(name).to_ascii_lowercase();
        let known = [AUTHORIZATION, COOKIE, EXPIRES]
            .into_iter()
            .find(|it| it.as_str() == name);
        let Some(name) = known else { continue };
        headers.append(name, header_value(&without_line_breaks(value))?);
    }
    let content_type = header_value(upload.content_type)?;
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(CONTENT_LENGTH, HeaderValue::from(upload.length));
    Ok(headers)
}

fn header_value(text: &str) -> Result<HeaderValue, Refusal> {
    let mut value = HeaderValue::from_str(text).map_err(|_| Refusal::Header)?;
    // Keeps the server's tokens out of every debug output.
    value.set_sensitive(true);
    Ok(value)
}

fn without_line_breaks(text: &str) -> String {
    text.chars()
        .filter(|it| !matches!(it, '\r' | '\n'))
        .collect()
}

/// An upload under way, shared by the body and whoever watches it.
struct Progress {
    source: mpsc::Receiver<io::Result<Bytes>>,
    promised: u64,
    brought: u64,
    /// The chunk that completes the body, held back until our own side says that it was the last.
    last: Option<Bytes>,
    /// Whether the last byte was handed over; from then on the answer has its own time.
    complete: bool,
    own_fault: Option<PutError>,
    pace: Pace,
    /// Since when the network holds us up; `None` while our own side does.
    network_since: Option<Instant>,
    answer: Duration,
}

impl Progress {
    fn new(patience: Patience, promised: u64, source: mpsc::Receiver<io::Result<Bytes>>) -> Self {
        Self {
            source,
            promised,
            brought: 0,
            last: None,
            // The HTTP library does not ask for the bytes of an empty body.
            complete: promised == 0,
            own_fault: None,
            pace: Pace::new(patience.window, patience.bytes_per_window),
            // Connecting has a time limit of its own, and is over when the first bytes are wanted.
            network_since: (promised == 0).then(Instant::now),
            answer: if promised == 0 {
                patience.connect + patience.answer
            } else {
                patience.answer
            },
        }
    }

    /// Returns the next bytes for the network, and counts whose time it is.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, PutError>>> {
        if let Some(since) = self.network_since.take() {
            self.pace.moved(since.elapsed(), 0);
        }
        let next = ready!(self.poll_source(cx));
        if let Some(Ok(bytes)) = &next {
            self.pace.moved(Duration::ZERO, bytes.len() as u64);
        }
        self.network_since = Some(Instant::now());
        Poll::Ready(next)
    }

    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, PutError>>> {
        loop {
            match ready!(self.source.poll_recv(cx)) {
                Some(Ok(bytes)) if bytes.is_empty() => {}
                Some(Ok(bytes)) => {
                    self.brought = self.brought.saturating_add(bytes.len() as u64);
                    if self.brought > self.promised {
                        return Poll::Ready(Some(Err(self.wrong_length())));
                    }
                    if self.brought < self.promised {
                        return Poll::Ready(Some(Ok(bytes)));
                    }
                    self.last = Some(bytes);
                }
                Some(Err(error)) => {
                    return Poll::Ready(Some(Err(PutError::Source(error.kind()))));
                }
                None if self.brought < self.promised => {
                    return Poll::Ready(Some(Err(self.wrong_length())));
                }
                None => {
                    self.complete = true;
                    return Poll::Ready(self.last.take().map(Ok));
                }
            }
        }
    }

    fn wrong_length(&self) -> PutError {
        PutError::Length {
            promised: self.promised,
            brought: self.brought,
        }
    }

    fn is_too_slow(&self) -> bool {
        let allowed = if self.complete {
            self.answer
        } else {
            self.pace.patience()
        };
        self.network_since
            .is_some_and(|since| since.elapsed() >= allowed)
    }
}

fn lock(progress: &Mutex<Progress>) -> MutexGuard<'_, Progress> {
    progress.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns once the network has been too slow, or at the deadline.
async fn too_slow(progress: &Mutex<Progress>, window: Duration, deadline: Instant) {
    // A twelfth of the window is as exact as the pace itself.
    let step = (window / 12).max(Duration::from_millis(1));
    while Instant::now() < deadline && !lock(progress).is_too_slow() {
        sleep_until(later(Instant::now(), step).min(deadline)).await;
    }
}

/// Lets go of the source when the upload ends, even while the connection still lingers.
struct Ending(Arc<Mutex<Progress>>);

impl Drop for Ending {
    fn drop(&mut self) {
        lock(&self.0).source.close();
    }
}

/// The body as the HTTP library pulls it. An error in it ends the connection, so that the server
/// cannot take what it has for the whole.
struct Outgoing(Arc<Mutex<Progress>>);

impl Stream for Outgoing {
    type Item = io::Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut progress = lock(&self.0);
        let next = ready!(progress.poll_next(cx));
        Poll::Ready(next.map(|bytes| {
            bytes.map_err(|fault| {
                progress.own_fault = Some(fault);
                io::Error::other("the upload was ended")
            })
        }))
    }
}

#[cfg(test)]
mod tests;
