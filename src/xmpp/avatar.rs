//! The picture of our account (XEP-0084), for those who see our presence.

use minidom::Element;
use xmpp_parsers::caps;
use xmpp_parsers::hashes::Algo;

use super::link::{Link, RequestError};
use super::pubsub::Place;
use super::xml::{self, Xml};

const DATA: &str = "urn:xmpp:avatar:data";
const METADATA: &str = "urn:xmpp:avatar:metadata";

impl Link {
    /// Publishes a square PNG as our picture where there is none, or where it is this one and its
    /// data are gone. Another picture, which somebody chose, stays.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn publish_avatar(&self, png: &[u8], side: u16) -> Result<(), RequestError> {
        let id = hash(png);
        let own = self.own_bare_jid();
        let metadata = Place::for_contacts(METADATA, None);
        let data = Place::for_contacts(DATA, Some(&id));
        if let Some(shown) = self
            .fetch_item(own, &metadata)
            .await?
            .and_then(|it| shown(&it))
        {
            let is_whole = || self.fetch_item(own, &data);
            if shown != id || is_whole().await?.is_some() {
                return Ok(());
            }
        }
        // XEP-0084 v1.1.4 4.1: the data first, so that nobody asks in vain
        self.publish(&data, Xml::in_ns("data", DATA).base64(png))
            .await?;
        let info = Xml::new("info")
            .attr("bytes", png.len())
            .attr("id", &id)
            .attr("type", "image/png")
            .attr("width", side)
            .attr("height", side);
        let metadata = Place::for_contacts(METADATA, Some(&id));
        let content = Xml::in_ns("metadata", METADATA).child(info);
        self.publish(&metadata, content).await
    }
}

/// Returns the hash of the picture that an item shows; `None` where it shows none.
fn shown(item: &Element) -> Option<String> {
    let metadata = xml::child(item, "metadata", METADATA)?;
    let info = xml::child(metadata, "info", METADATA)?;
    info.attr("id").map(str::to_owned)
}

/// SHA-1 in hex, which names the picture and proves nothing.
fn hash(png: &[u8]) -> String {
    let hash = caps::hash_caps(png, Algo::Sha_1);
    hex::encode(hash.map(|hash| hash.hash).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_named_by_its_sha1() {
        assert_eq!(hash(b"abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
    }

    #[test]
    fn an_item_without_a_picture_shows_none() {
        let item = |inner: &str| -> Element {
            format!("<item><metadata xmlns='{METADATA}'>{inner}</metadata></item>")
                .replacen(
                    "<item>",
                    "<item xmlns='http://jabber.org/protocol/pubsub'>",
                    1,
                )
                .parse()
                .unwrap()
        };

        assert_eq!(shown(&item("")), None);
        assert_eq!(shown(&item("<info id='ab'/>")).as_deref(), Some("ab"));
    }
}
