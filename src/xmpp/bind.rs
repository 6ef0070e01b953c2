//! The first words after the login: go on with the old stream, or bind a resource for a new one.
//!
//! It keeps no state; `session` takes over what is found here.

use minidom::Element;

use super::connector::ConnectError;
use super::sm;
use super::wire::{self, Wire, WireError};
use super::xml::{self, Xml, ns};

const BIND: &str = "urn:ietf:params:xml:ns:xmpp-bind";
const BIND_ID: &str = "bind";
/// How many stanzas may come between; none should.
const MAX_STRAY: usize = 100;

/// How a stream begins.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Begun {
    /// The old one goes on; the server has so many of ours.
    Resumed { h: u32 },
    /// A fresh one.
    Bound {
        full_jid: String,
        /// Whether the server counts, and under which name it keeps the session, if it does.
        counted: Option<Option<String>>,
        /// How many of ours the old one still had.
        last_h: Option<u32>,
    },
}

/// Resumes if there is something to resume and the server agrees, and binds otherwise.
pub(crate) async fn begin(
    wire: &mut Wire,
    features: &Element,
    resumption: Option<(String, u32)>,
    resource: &str,
) -> Result<Begun, ConnectError> {
    let counts = xml::child(features, "sm", sm::NS).is_some();
    let mut last_h = None;
    if let Some((id, h)) = resumption.filter(|_| counts) {
        // XEP-0198 5
        let resume = Xml::in_ns("resume", sm::NS).attr("h", h).attr("previd", id);
        wire::send(wire, &resume.into_text()).await?;
        let answer = wire::next(wire).await?;
        let h = answer.attr("h").and_then(|h| h.parse().ok());
        match (answer.has_ns(sm::NS), answer.name(), h) {
            (true, "resumed", Some(h)) => return Ok(Begun::Resumed { h }),
            (true, "failed", h) => last_h = h,
            _ => return Err(WireError::Unexpected.into()),
        }
    }
    let full_jid = bind(wire, resource).await?;
    let counted = if counts { enable(wire).await? } else { None };
    Ok(Begun::Bound {
        full_jid,
        counted,
        last_h,
    })
}

/// RFC 6120 7.7
async fn bind(wire: &mut Wire, resource: &str) -> Result<String, ConnectError> {
    let bind = Xml::in_ns("bind", BIND).child(Xml::new("resource").text(resource));
    let iq = Xml::in_ns("iq", ns::CLIENT)
        .attr("type", "set")
        .attr("id", BIND_ID)
        .child(bind);
    wire::send(wire, &iq.into_text()).await?;
    for _ in 0..MAX_STRAY {
        let answer = wire::next(wire).await?;
        if !answer.is("iq", ns::CLIENT) || answer.attr("id") != Some(BIND_ID) {
            continue;
        }
        if answer.attr("type") == Some("error") {
            return Err(ConnectError::Passing(
                "the server refuses our resource".to_owned(),
            ));
        }
        let jid = xml::child(&answer, "bind", BIND).and_then(|bind| xml::child(bind, "jid", BIND));
        return jid
            .map(Element::text)
            .ok_or_else(|| WireError::Unexpected.into());
    }
    Err(WireError::Unexpected.into())
}

/// XEP-0198 3
async fn enable(wire: &mut Wire) -> Result<Option<Option<String>>, ConnectError> {
    let enable = Xml::in_ns("enable", sm::NS).attr("resume", "true");
    wire::send(wire, &enable.into_text()).await?;
    for _ in 0..MAX_STRAY {
        let answer = wire::next(wire).await?;
        if !answer.has_ns(sm::NS) {
            // Before <enabled/> nothing is counted, and nothing of ours is awaited yet.
            continue;
        }
        return match answer.name() {
            "enabled" => {
                let resumable = matches!(answer.attr("resume"), Some("true" | "1"));
                let id = answer.attr("id").filter(|_| resumable);
                Ok(Some(id.map(str::to_owned)))
            }
            "failed" => Ok(None),
            _ => Err(WireError::Unexpected.into()),
        };
    }
    Err(WireError::Unexpected.into())
}
