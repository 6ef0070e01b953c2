//! Which program somebody writes with, as it says itself (XEP-0030). What it says is nobody's proof.

use minidom::Element;

use super::link::{Link, Request, RequestError};
use super::xml::{Xml, ns};

/// Longest name that is kept, in characters.
const MAX_NAME_CHARS: usize = 60;

impl Link {
    /// Asks the program at a full address for its name; `None` where it says none.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn program(&self, jid: &str) -> Result<Option<String>, RequestError> {
        let query = Xml::in_ns("query", ns::DISCO_INFO);
        let info = self.request(Request::get(Some(jid), query)).await?;
        Ok(info.as_ref().and_then(name))
    }
}

// XEP-0030 v2.5.0 3.1
fn name(info: &Element) -> Option<String> {
    let mut identities = info
        .children()
        .filter(|it| it.is("identity", ns::DISCO_INFO) && it.attr("category") == Some("client"));
    let name = identities.find_map(|it| it.attr("name"))?;
    Some(name.chars().take(MAX_NAME_CHARS).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_named_by_its_client_identity() {
        let named = |inner: &str| {
            let info: Element = format!("<query xmlns='{}'>{inner}</query>", ns::DISCO_INFO)
                .parse()
                .unwrap();
            name(&info)
        };

        let client = "<identity category='client' type='phone' name='Conversations'/>";
        let server = "<identity category='server' type='im' name='Prosody'/>";
        assert_eq!(
            named(&[server, client].concat()).as_deref(),
            Some("Conversations")
        );
        assert_eq!(named(server), None);
        let long = format!("<identity category='client' name='{}'/>", "x".repeat(100));
        assert_eq!(named(&long).unwrap().len(), MAX_NAME_CHARS);
    }
}
