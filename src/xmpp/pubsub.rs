//! Device lists and bundles: the PEP nodes of OMEMO, published and fetched (XEP-0163, XEP-0384).
//!
//! It knows where they are published, not what makes them good.

use minidom::Element;
use omemo::{Bundle, DeviceId, DeviceList, Namespace};

use super::envelope;
use super::iq;
use super::link::{Link, Request, RequestError};
use super::xml::{self, Xml, ns};

const OWNER: &str = "http://jabber.org/protocol/pubsub#owner";
const PUBLISH_OPTIONS: &str = "http://jabber.org/protocol/pubsub#publish-options";
const NODE_CONFIG: &str = "http://jabber.org/protocol/pubsub#node_config";
/// The id of the only item of a node (XEP-0060 12.20).
const ONLY_ITEM: &str = "current";
/// How our nodes are to be: readable by all, since a sender need not be a contact; and kept, since
/// we are not always there.
const OPTIONS: [(&str, &str); 3] = [
    ("pubsub#access_model", "open"),
    ("pubsub#persist_items", "true"),
    ("pubsub#max_items", "1"),
];

/// XEP-0384 v0.3.0 4.2
fn list_node(namespace: Namespace) -> String {
    format!("{}.devicelist", namespace.uri())
}

/// XEP-0384 v0.3.0 4.3
fn bundle_node(namespace: Namespace, device: DeviceId) -> String {
    format!("{}.bundles:{device}", namespace.uri())
}

/// Returns the namespace whose device lists this node holds.
pub(crate) fn namespace_of_list(node: &str) -> Option<Namespace> {
    envelope::namespace(node.strip_suffix(".devicelist")?)
}

impl Link {
    /// Fetches the device list of `jid`; empty if there is none.
    ///
    /// # Errors
    /// If it cannot be fetched; a stranger's list may be refused.
    pub async fn fetch_device_list(
        &self,
        namespace: Namespace,
        jid: &str,
    ) -> Result<DeviceList, RequestError> {
        match self.fetch_item(jid, &list_node(namespace)).await? {
            None => Ok(DeviceList::default()),
            Some(item) => {
                envelope::read_device_list(namespace, &item).ok_or(RequestError::Unreadable)
            }
        }
    }

    /// Fetches the bundle of one device of `jid`; `None` if there is none.
    ///
    /// # Errors
    /// If it cannot be fetched or read.
    pub async fn fetch_bundle(
        &self,
        namespace: Namespace,
        jid: &str,
        device: DeviceId,
    ) -> Result<Option<Bundle>, RequestError> {
        match self
            .fetch_item(jid, &bundle_node(namespace, device))
            .await?
        {
            None => Ok(None),
            Some(item) => match envelope::read_bundle(namespace, &item) {
                Some(bundle) => Ok(Some(bundle)),
                None => Err(RequestError::Unreadable),
            },
        }
    }

    /// Publishes our device list, readable by all and kept by the server.
    ///
    /// # Errors
    /// If the server refuses, also after the node was reconfigured.
    pub async fn publish_device_list(
        &self,
        namespace: Namespace,
        list: &DeviceList,
    ) -> Result<(), RequestError> {
        let list = envelope::write_device_list(namespace, list);
        self.publish(&list_node(namespace), list).await
    }

    /// Publishes our bundle, readable by all and kept by the server.
    ///
    /// # Errors
    /// If the server refuses, also after the node was reconfigured.
    pub async fn publish_bundle(
        &self,
        device: DeviceId,
        bundle: &Bundle,
    ) -> Result<(), RequestError> {
        let node = bundle_node(bundle.namespace, device);
        self.publish(&node, envelope::write_bundle(bundle)).await
    }

    /// Takes back the bundle of a device of ours that is no more.
    ///
    /// # Errors
    /// If the server refuses; that there is none is no error.
    pub async fn delete_bundle(
        &self,
        namespace: Namespace,
        device: DeviceId,
    ) -> Result<(), RequestError> {
        let delete = Xml::new("delete").attr("node", bundle_node(namespace, device));
        let pubsub = Xml::in_ns("pubsub", OWNER).child(delete);
        match self.request(Request::set(None, pubsub)).await {
            Err(error) if !error.is_refusal("item-not-found") => Err(error),
            _ => Ok(()),
        }
    }

    /// Makes our device list and bundle readable by all, where a server or another program has it
    /// otherwise.
    ///
    /// # Errors
    /// If their configuration cannot be read or changed.
    pub async fn open_nodes(
        &self,
        namespace: Namespace,
        device: DeviceId,
    ) -> Result<(), RequestError> {
        self.configure(&list_node(namespace)).await?;
        self.configure(&bundle_node(namespace, device)).await
    }

    /// Fetches the newest item of a node.
    async fn fetch_item(&self, jid: &str, node: &str) -> Result<Option<Element>, RequestError> {
        let items = Xml::new("items").attr("node", node).attr("max_items", 1);
        let pubsub = Xml::in_ns("pubsub", ns::PUBSUB).child(items);
        match self.request(Request::get(Some(jid), pubsub)).await {
            Ok(Some(pubsub)) => Ok(read_item(&pubsub).cloned()),
            Ok(None) => Err(RequestError::Unreadable),
            Err(error) if error.is_refusal("item-not-found") => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn publish(&self, node: &str, content: Xml) -> Result<(), RequestError> {
        let item = Xml::new("item").attr("id", ONLY_ITEM).child(content);
        let publish = Xml::new("publish").attr("node", node).child(item);
        let plain = Xml::in_ns("pubsub", ns::PUBSUB).child(publish);
        // XEP-0060 7.1.5
        let options = Xml::new("publish-options").child(submit_form(PUBLISH_OPTIONS, &OPTIONS));
        let with_options = plain.clone().child(options);
        let refused = match self.request(Request::set(None, with_options.clone())).await {
            Ok(_) => return Ok(()),
            Err(error) => error,
        };
        let RequestError::Refused(refusal) = &refused else {
            return Err(refused);
        };
        match (refusal.condition.as_str(), refusal.detail.as_deref()) {
            // The node is there and configured otherwise.
            ("conflict", _) | (_, Some("precondition-not-met")) => {
                self.configure(node).await?;
                match self.request(Request::set(None, with_options)).await {
                    Ok(_) => Ok(()),
                    // A server that compares other options than it lets us set.
                    Err(RequestError::Refused(_)) => self.publish_plain(plain).await,
                    Err(error) => Err(error),
                }
            }
            // A server that knows no such options: publish, then configure what was created.
            ("feature-not-implemented" | "bad-request" | "not-acceptable", _) => {
                self.publish_plain(plain).await?;
                self.configure(node).await
            }
            _ => Err(refused),
        }
    }

    async fn publish_plain(&self, pubsub: Xml) -> Result<(), RequestError> {
        self.request(Request::set(None, pubsub)).await.map(drop)
    }

    /// XEP-0060 8.2: sets what is offered and leaves out what is not.
    async fn configure(&self, node: &str) -> Result<(), RequestError> {
        let ask = Xml::in_ns("pubsub", OWNER).child(Xml::new("configure").attr("node", node));
        let answer = self.request(Request::get(None, ask)).await?;
        let pubsub = answer.ok_or(RequestError::Unreadable)?;
        let form = xml::child(&pubsub, "configure", OWNER)
            .and_then(|configure| xml::child(configure, "x", ns::DATA_FORMS))
            .ok_or(RequestError::Unreadable)?;
        let wanted: Vec<_> = OPTIONS
            .into_iter()
            .filter(|(name, value)| {
                iq::form_value(form, name).is_some_and(|found| {
                    // "1" and "true" are the same, and more items than needed are no harm.
                    found != *value && *name != "pubsub#max_items"
                })
            })
            .collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let configure = Xml::new("configure")
            .attr("node", node)
            .child(submit_form(NODE_CONFIG, &wanted));
        let set = Xml::in_ns("pubsub", OWNER).child(configure);
        self.request(Request::set(None, set)).await.map(drop)
    }
}

/// XEP-0004 3.2
pub(crate) fn submit_form(form_type: &str, fields: &[(&str, &str)]) -> Xml {
    let field = |name: &str, value: &str| {
        Xml::new("field")
            .attr("var", name)
            .child(Xml::new("value").text(value))
    };
    Xml::in_ns("x", ns::DATA_FORMS)
        .attr("type", "submit")
        .child(field("FORM_TYPE", form_type).attr("type", "hidden"))
        .children(fields.iter().map(|(name, value)| field(name, value)))
}

/// Returns the newest item of an answer.
fn read_item(pubsub: &Element) -> Option<&Element> {
    let items = xml::child(pubsub, "items", ns::PUBSUB)?;
    let mut items = items
        .children()
        .filter(|child| child.is("item", ns::PUBSUB));
    let first = items.next()?;
    // XEP-0060 6.5.7: most recent first; clients publish under "current".
    if first.attr("id") == Some(ONLY_ITEM) {
        return Some(first);
    }
    Some(
        items
            .find(|item| item.attr("id") == Some(ONLY_ITEM))
            .unwrap_or(first),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_named_as_the_legacy_namespace_has_them() {
        assert_eq!(
            list_node(Namespace::Legacy),
            "eu.siacs.conversations.axolotl.devicelist"
        );
        assert_eq!(
            bundle_node(Namespace::Legacy, DeviceId(7)),
            "eu.siacs.conversations.axolotl.bundles:7"
        );
        assert_eq!(
            namespace_of_list("eu.siacs.conversations.axolotl.devicelist"),
            Some(Namespace::Legacy)
        );
        assert_eq!(namespace_of_list("urn:xmpp:avatar:metadata"), None);
    }

    #[test]
    fn the_item_called_current_is_taken_before_others() {
        let pubsub: Element = "<pubsub xmlns='http://jabber.org/protocol/pubsub'><items>\
            <item id='old'/><item id='current'/></items></pubsub>"
            .parse()
            .unwrap();
        let other: Element = "<pubsub xmlns='http://jabber.org/protocol/pubsub'><items>\
            <item id='a'/><item id='b'/></items></pubsub>"
            .parse()
            .unwrap();

        assert_eq!(
            read_item(&pubsub).and_then(|item| item.attr("id")),
            Some("current")
        );
        assert_eq!(
            read_item(&other).and_then(|item| item.attr("id")),
            Some("a")
        );
    }
}
