//! One step of the established stream: write what is due, read what came, and see how it ends.
//!
//! It waits for nothing itself; `stream` decides what to do between the steps.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::{Sink, Stream as _};
use minidom::Element;
use tokio_xmpp::xmlstream::ReadError;

use super::session::Session;
use super::sm::Miscounted;
use super::wire::{self, StreamError, Wire};

/// How a stream ended.
pub(crate) enum End {
    /// The connection broke.
    Broken(String),
    /// Something came that cannot be read.
    Unreadable(String),
    /// The server ended the stream.
    Ended(StreamError),
}

/// What happened on the connection.
pub(crate) enum Step {
    Read(Option<Result<Element, ReadError>>),
    WriteFailed(io::Error),
}

/// Writes what is to be written and reads, if there is `room` for more.
pub(crate) fn poll_wire(
    wire: &mut Wire,
    session: &mut Session,
    room: bool,
    cx: &mut Context<'_>,
) -> Poll<Step> {
    let failed = |error| Poll::Ready(Step::WriteFailed(error));
    loop {
        match Sink::<&Element>::poll_ready(Pin::new(wire), cx) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(error)) => return failed(error),
            Poll::Pending => break,
        }
        if let Some(nonza) = session.nonzas.pop_front() {
            if let Err(error) = Pin::new(&mut *wire).start_send(&nonza) {
                return failed(error);
            }
        } else if let Some(stanza) = session.queue.pop_front() {
            match Pin::new(&mut *wire).start_send(&*stanza.element) {
                Ok(()) => session.note_written(stanza),
                // XML that cannot be written: the connection is none the worse.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                    session.note_unwritable(&stanza);
                }
                Err(error) => return failed(error),
            }
        } else {
            session.ask_for_counts();
            if session.nonzas.is_empty() && session.queue.is_empty() {
                break;
            }
        }
    }
    if let Poll::Ready(Err(error)) = Sink::<&Element>::poll_flush(Pin::new(wire), cx) {
        return failed(error);
    }
    if room {
        Pin::new(wire).poll_next(cx).map(Step::Read)
    } else {
        Poll::Pending
    }
}

/// Takes in what happened. Returns how the stream ended, if it did.
pub(crate) fn take_step(session: &mut Session, step: Step) -> Option<End> {
    let element = match step {
        Step::Read(Some(Ok(element))) => element,
        Step::Read(Some(Err(ReadError::SoftTimeout))) => {
            session.ask_for_a_sign();
            return None;
        }
        Step::Read(Some(Err(ReadError::HardError(error)))) => {
            let reason = error.to_string();
            let content = wire::is_about_content(&error);
            return Some(if content {
                End::Unreadable(reason)
            } else {
                End::Broken(reason)
            });
        }
        Step::Read(Some(Err(ReadError::ParseError(error)))) => {
            return Some(End::Unreadable(error.to_string()));
        }
        Step::Read(Some(Err(ReadError::StreamFooterReceived)) | None) => {
            return Some(End::Broken("the server closed the stream".to_owned()));
        }
        Step::WriteFailed(error) => return Some(End::Broken(error.to_string())),
    };
    if let Some(error) = StreamError::read(&element) {
        return Some(End::Ended(error));
    }
    match session.handle_element(&element) {
        Ok(()) => None,
        Err(Miscounted) => Some(End::Ended(StreamError {
            condition: "undefined-condition".to_owned(),
            text: Some("the server counted wrongly".to_owned()),
        })),
    }
}
