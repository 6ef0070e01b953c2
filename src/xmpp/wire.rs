//! The XML stream itself: whole elements in and out over any connection.
//!
//! Elements are taken as they come, not as typed stanzas, so that one unknown word in one of them
//! ends nothing. It knows neither login nor stanzas.

use std::borrow::Cow;
use std::io;
use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use minidom::Element;
use tokio_xmpp::connect::AsyncReadAndWrite;
use tokio_xmpp::xmlstream::{
    InitiatingStream, PendingFeaturesRecv, ReadError, StreamHeader, Timeouts, XmlStream,
    initiate_stream,
};

use super::sieve::Sieve;
use super::xml::ns;

/// A connection of any kind, behind the sieve.
pub(crate) type Io = Sieve<Box<dyn AsyncReadAndWrite + Send>>;
/// An XML stream of whole elements.
pub(crate) type Wire = XmlStream<Io, Element>;

/// How long the server may be silent before it is asked, and how long it then may take.
const TIMEOUTS: Timeouts = Timeouts {
    read_timeout: Duration::from_secs(60),
    response_timeout: Duration::from_secs(20),
};

/// Why there is no next element.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
    /// The server closed the stream.
    #[error("the server closed the stream")]
    Closed,
    /// The server ended the stream with an error.
    #[error("the server ended the stream: {}", .0.condition)]
    Stream(StreamError),
    /// Something else came than the protocol has here.
    #[error("the server sent something unexpected")]
    Unexpected,
}

/// A stream error (RFC 6120 4.9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StreamError {
    pub(crate) condition: String,
    pub(crate) text: Option<String>,
}

impl StreamError {
    /// Reads a stream error, if this is one.
    pub(crate) fn read(element: &Element) -> Option<Self> {
        const CONDITIONS: &str = "urn:ietf:params:xml:ns:xmpp-streams";
        if !element.is("error", ns::STREAMS) {
            return None;
        }
        let named = |text: bool| {
            element
                .children()
                .find(move |c| c.has_ns(CONDITIONS) && (c.name() == "text") == text)
        };
        Some(Self {
            condition: named(false)
                .map_or("undefined-condition", Element::name)
                .to_owned(),
            text: named(true).map(Element::text),
        })
    }
}

/// Opens a stream to `domain` and returns it with the features that the server offers.
pub(crate) async fn open(
    io: Box<dyn AsyncReadAndWrite + Send>,
    domain: &str,
    from: Option<&str>,
) -> Result<(Wire, Element), WireError> {
    let io = Sieve::new(io);
    let pending = initiate_stream(io, ns::CLIENT, header(domain, from), TIMEOUTS).await?;
    read_features(pending).await
}

/// Begins the stream anew on the same connection, as after a login.
pub(crate) async fn restart(
    wire: Wire,
    domain: &str,
    from: Option<&str>,
) -> Result<(Wire, Element), WireError> {
    let initiating: InitiatingStream<Io> = wire.initiate_reset();
    let pending = initiating.send_header(header(domain, from)).await?;
    read_features(pending).await
}

fn header<'a>(domain: &'a str, from: Option<&'a str>) -> StreamHeader<'a> {
    StreamHeader {
        to: Some(Cow::Borrowed(domain)),
        from: from.map(Cow::Borrowed),
        id: None,
    }
}

async fn read_features(pending: PendingFeaturesRecv<Io>) -> Result<(Wire, Element), WireError> {
    let mut wire: Wire = pending.skip_features();
    let features = next(&mut wire).await?;
    if features.is("features", ns::STREAMS) {
        Ok((wire, features))
    } else {
        Err(WireError::Unexpected)
    }
}

/// Waits for the next element of a negotiation.
pub(crate) async fn next(wire: &mut Wire) -> Result<Element, WireError> {
    loop {
        return match wire.next().await {
            Some(Ok(element)) => match StreamError::read(&element) {
                Some(error) => Err(WireError::Stream(error)),
                None => Ok(element),
            },
            Some(Err(ReadError::SoftTimeout)) => continue,
            Some(Err(ReadError::HardError(error))) => Err(error.into()),
            Some(Err(ReadError::ParseError(error))) => {
                Err(io::Error::new(io::ErrorKind::InvalidData, error).into())
            }
            Some(Err(ReadError::StreamFooterReceived)) | None => Err(WireError::Closed),
        };
    }
}

/// Sends one element of a negotiation.
pub(crate) async fn send(wire: &mut Wire, text: &str) -> Result<(), WireError> {
    let element = super::xml::read(text).ok_or(WireError::Unexpected)?;
    Ok(wire.send(&element).await?)
}

/// Whether a read failed because of what was read, and not because the connection broke.
pub(crate) fn is_about_content(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::InvalidData
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_error_is_known_by_its_condition() {
        let conflict: Element = "<error xmlns='http://etherx.jabber.org/streams'>\
            <conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>\
            <text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>Replaced</text></error>"
            .parse()
            .unwrap();
        let other: Element = "<error xmlns='jabber:client'/>".parse().unwrap();

        let read = StreamError::read(&conflict).unwrap();

        assert_eq!(read.condition, "conflict");
        assert_eq!(read.text.as_deref(), Some("Replaced"));
        assert_eq!(StreamError::read(&other), None);
    }
}
