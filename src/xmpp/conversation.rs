//! One question after another on a stream of its own, for what is done once and by hand: looking at
//! a server, making an account.
//!
//! It keeps nothing and resumes nothing. What comes besides the answers is put aside for whoever
//! asked.

use std::time::Duration;

use minidom::Element;
use tokio::time::timeout;

use super::connector::ConnectError;
use super::iq::{self, Answer};
use super::link::{Request, RequestError};
use super::wire::{self, Wire, WireError};
use super::xml::{Xml, ns};

/// How long an answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
/// How long the other side may take to say good-bye.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// How many other elements may come before an answer.
const MAX_STRAY: usize = 200;

/// A stream on which one question is asked after another.
pub(crate) struct Conversation {
    wire: Wire,
    id_prefix: String,
    next_id: u32,
    /// What came before the last answer.
    pub(crate) strays: Vec<Element>,
    /// Why there will be no more answers.
    broken: Option<RequestError>,
}

impl Conversation {
    pub(crate) fn new(wire: Wire) -> Self {
        Self {
            wire,
            id_prefix: hex::encode(getrandom::u64().unwrap_or_default().to_be_bytes()),
            next_id: 0,
            strays: Vec::new(),
            broken: None,
        }
    }

    /// Asks, waits, and returns the content of the answer.
    pub(crate) async fn ask(&mut self, request: Request) -> Answer {
        iq::read_answer(&self.ask_whole(request).await?)
    }

    /// Asks, waits, and returns the answer as it came, refusals too.
    pub(crate) async fn ask_whole(&mut self, request: Request) -> Result<Element, RequestError> {
        if let Some(error) = &self.broken {
            return Err(error.clone());
        }
        self.strays.clear();
        self.next_id = self.next_id.wrapping_add(1);
        let id = format!("{}-{}", self.id_prefix, self.next_id);
        let iq = Xml::in_ns("iq", ns::CLIENT)
            .attr("type", request.kind)
            .attr("id", &id)
            .attr_if("to", request.to.as_deref())
            .child(request.payload);
        let exchange = async {
            wire::send(&mut self.wire, &iq.into_text()).await?;
            for _ in 0..MAX_STRAY {
                let element = wire::next(&mut self.wire).await?;
                let answers = element.is("iq", ns::CLIENT)
                    && element.attr("id") == Some(&id)
                    && matches!(element.attr("type"), Some("result" | "error"));
                if answers {
                    return Ok(element);
                }
                self.strays.push(element);
            }
            Err(WireError::Unexpected)
        };
        let answer = match timeout(ANSWER_TIMEOUT, exchange).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(WireError::Unexpected)) => RequestError::Unreadable,
            Ok(Err(WireError::Io(_) | WireError::Closed | WireError::Stream(_))) => {
                RequestError::Offline
            }
            Err(_) => return Err(RequestError::TimedOut),
        };
        self.broken = Some(answer.clone());
        Err(answer)
    }

    /// Closes the stream, in good order if the other side does.
    pub(crate) async fn close(mut self) {
        if self.broken.is_none() {
            let _ = timeout(CLOSE_TIMEOUT, self.wire.shutdown()).await;
        }
    }
}

/// What there is to say of an attempt that did not lead to a stream.
pub(crate) fn words(error: &ConnectError) -> String {
    match error {
        ConnectError::Fatal(reason) => reason.to_string(),
        ConnectError::Passing(reason) => reason.clone(),
    }
}

/// Makes somebody else's text safe to print: one line, not endless, nothing that moves the cursor.
pub(crate) fn tidy(text: &str) -> String {
    const MOST: usize = 300;
    let shown = |c: char| !c.is_control() && !('\u{2028}'..='\u{202e}').contains(&c);
    let text: String = text
        .trim()
        .chars()
        .map(|c| if shown(c) { c } else { ' ' })
        .take(MOST)
        .collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_is_printed_on_one_line_without_moving_anything() {
        let text = tidy(" first\nsecond\u{1b}[2J\u{202e}third ");

        assert_eq!(text, "first second [2J third");
        assert_eq!(tidy(&"x".repeat(10_000)).len(), 300);
    }
}
