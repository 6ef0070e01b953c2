//! Device lists and bundles: the PEP nodes of OMEMO, published and fetched (XEP-0163, XEP-0384).
//!
//! It knows where they are published, not what makes them good.

use minidom::Element;
use omemo::{Bundle, DeviceId, DeviceList, Namespace};

use super::envelope;
use super::iq;
use super::link::{Link, Request, RequestError};
use super::xml::{self, Xml, ns};

pub(super) const OWNER: &str = "http://jabber.org/protocol/pubsub#owner";
pub(super) const PUBLISH_OPTIONS: &str = "http://jabber.org/protocol/pubsub#publish-options";
const NODE_CONFIG: &str = "http://jabber.org/protocol/pubsub#node_config";
/// The id of the only item of a node (XEP-0060 12.20).
const ONLY_ITEM: &str = "current";
/// Our nodes are kept, since we are not always there.
const KEPT: (&str, &str) = ("pubsub#persist_items", "true");
const ACCESS: &str = "pubsub#access_model";
const MAX_ITEMS: &str = "pubsub#max_items";

/// An item of a node of ours or of others.
pub(super) struct Place {
    node: String,
    item: String,
    /// How many items the node is to hold.
    max_items: &'static str,
    /// Who may read it: keys are for all, since a sender need not be a contact.
    access: &'static str,
}

impl Place {
    /// The only item of its node.
    fn alone(node: String) -> Self {
        Self {
            node,
            item: ONLY_ITEM.to_owned(),
            max_items: "1",
            access: "open",
        }
    }

    /// An item that only those may read who see our presence, or the newest one of its node.
    pub(super) fn for_contacts(node: &str, item: Option<&str>) -> Self {
        Self {
            item: item.unwrap_or(ONLY_ITEM).to_owned(),
            access: "presence",
            ..Self::alone(node.to_owned())
        }
    }

    /// XEP-0384 v0.3.0 4.2; v0.9.1 5.3.1
    fn list(namespace: Namespace) -> Self {
        Self::alone(list_node(namespace))
    }

    /// XEP-0384 v0.3.0 4.3; v0.9.1 5.3.2
    fn bundle(namespace: Namespace, device: DeviceId) -> Self {
        if namespace == Namespace::Legacy {
            return Self::alone(format!("{}.bundles:{device}", namespace.uri()));
        }
        Self {
            node: format!("{}:bundles", namespace.uri()),
            item: device.to_string(),
            max_items: "max",
            access: "open",
        }
    }

    fn options(&self) -> Vec<(&'static str, &'static str)> {
        vec![(ACCESS, self.access), KEPT, (MAX_ITEMS, self.max_items)]
    }
}

fn list_node(namespace: Namespace) -> String {
    if namespace == Namespace::Legacy {
        format!("{}.devicelist", namespace.uri())
    } else {
        format!("{}:devices", namespace.uri())
    }
}

/// Returns the namespace whose device lists this node holds.
pub(crate) fn namespace_of_list(node: &str) -> Option<Namespace> {
    Namespace::ALL.into_iter().find(|it| list_node(*it) == node)
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
        match self.fetch_item(jid, &Place::list(namespace)).await? {
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
            .fetch_item(jid, &Place::bundle(namespace, device))
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
        self.publish(&Place::list(namespace), list).await
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
        let place = Place::bundle(bundle.namespace, device);
        self.publish(&place, envelope::write_bundle(bundle)).await
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
        let Place { node, item, .. } = Place::bundle(namespace, device);
        let pubsub = if item == ONLY_ITEM {
            Xml::in_ns("pubsub", OWNER).child(Xml::new("delete").attr("node", node))
        } else {
            // XEP-0060 7.2: the node holds the bundles of other devices too
            let retract = Xml::new("retract").attr("node", node);
            let retract = retract.child(Xml::new("item").attr("id", item));
            Xml::in_ns("pubsub", ns::PUBSUB).child(retract)
        };
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
        self.configure(&Place::list(namespace)).await?;
        self.configure(&Place::bundle(namespace, device)).await
    }

    /// Fetches an item, or the newest one of a node that should hold only one.
    pub(super) async fn fetch_item(
        &self,
        jid: &str,
        place: &Place,
    ) -> Result<Option<Element>, RequestError> {
        let items = Xml::new("items").attr("node", &place.node);
        let is_alone = place.item == ONLY_ITEM;
        let items = if is_alone {
            items.attr("max_items", 1)
        } else {
            items.child(Xml::new("item").attr("id", &place.item))
        };
        let pubsub = Xml::in_ns("pubsub", ns::PUBSUB).child(items);
        match self.request(Request::get(Some(jid), pubsub)).await {
            Ok(Some(pubsub)) => Ok(read_item(&pubsub, &place.item).cloned()),
            Ok(None) => Err(RequestError::Unreadable),
            Err(error) if error.is_refusal("item-not-found") => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn publish(&self, place: &Place, content: Xml) -> Result<(), RequestError> {
        let item = Xml::new("item").attr("id", &place.item).child(content);
        let publish = Xml::new("publish").attr("node", &place.node).child(item);
        let plain = Xml::in_ns("pubsub", ns::PUBSUB).child(publish);
        // XEP-0060 7.1.5
        let options =
            Xml::new("publish-options").child(submit_form(PUBLISH_OPTIONS, &place.options()));
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
                self.configure(place).await?;
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
                self.configure(place).await
            }
            _ => Err(refused),
        }
    }

    async fn publish_plain(&self, pubsub: Xml) -> Result<(), RequestError> {
        self.request(Request::set(None, pubsub)).await.map(drop)
    }

    /// XEP-0060 8.2: sets what is offered and leaves out what is not.
    async fn configure(&self, place: &Place) -> Result<(), RequestError> {
        let node = &place.node;
        let ask = Xml::in_ns("pubsub", OWNER).child(Xml::new("configure").attr("node", node));
        let answer = self.request(Request::get(None, ask)).await?;
        let pubsub = answer.ok_or(RequestError::Unreadable)?;
        let form = xml::child(&pubsub, "configure", OWNER)
            .and_then(|configure| xml::child(configure, "x", ns::DATA_FORMS))
            .ok_or(RequestError::Unreadable)?;
        let mut wanted = place.options();
        wanted.retain(|(name, value)| {
            // More items than needed are no harm.
            let is_enough = *name == MAX_ITEMS && *value == "1";
            iq::form_value(form, name).is_some_and(|found| found != *value && !is_enough)
        });
        if wanted.is_empty() {
            return Ok(());
        }
        match self.set_options(node, &wanted).await {
            // A server that knows no "max": what else is wanted matters more.
            Err(RequestError::Refused(_)) if wanted.iter().any(|(name, _)| *name == MAX_ITEMS) => {
                wanted.retain(|(name, _)| *name != MAX_ITEMS);
                self.set_options(node, &wanted).await
            }
            other => other,
        }
    }

    async fn set_options(&self, node: &str, options: &[(&str, &str)]) -> Result<(), RequestError> {
        let configure = Xml::new("configure")
            .attr("node", node)
            .child(submit_form(NODE_CONFIG, options));
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

/// Returns the item of an answer that was asked for, or the newest one.
fn read_item<'a>(pubsub: &'a Element, id: &str) -> Option<&'a Element> {
    let items = xml::child(pubsub, "items", ns::PUBSUB)?;
    let items = || {
        items
            .children()
            .filter(|child| child.is("item", ns::PUBSUB))
    };
    if let Some(found) = items().find(|item| item.attr("id") == Some(id)) {
        return Some(found);
    }
    // XEP-0060 6.5.7: most recent first; clients publish what stands alone under any id.
    items().next().filter(|_| id == ONLY_ITEM)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_named_as_each_namespace_has_them() {
        let named = |namespace| {
            let bundle = Place::bundle(namespace, DeviceId(7));
            (list_node(namespace), bundle.node, bundle.item)
        };
        let of = |list: &str, bundle: &str, item: &str| {
            (list.to_owned(), bundle.to_owned(), item.to_owned())
        };

        assert_eq!(
            named(Namespace::Legacy),
            of(
                "eu.siacs.conversations.axolotl.devicelist",
                "eu.siacs.conversations.axolotl.bundles:7",
                "current"
            )
        );
        assert_eq!(
            named(Namespace::Omemo2),
            of("urn:xmpp:omemo:2:devices", "urn:xmpp:omemo:2:bundles", "7")
        );
        for namespace in Namespace::ALL {
            assert_eq!(namespace_of_list(&list_node(namespace)), Some(namespace));
        }
        assert_eq!(namespace_of_list("urn:xmpp:omemo:2:bundles"), None);
        assert_eq!(namespace_of_list("urn:xmpp:avatar:metadata"), None);
    }

    #[test]
    fn the_item_asked_for_is_taken_before_others() {
        let pubsub = |ids: [&str; 2]| -> Element {
            let items = ids.map(|id| format!("<item id='{id}'/>")).concat();
            let head = "<pubsub xmlns='http://jabber.org/protocol/pubsub'><items>";
            format!("{head}{items}</items></pubsub>").parse().unwrap()
        };
        let taken = |ids, id| {
            let pubsub = pubsub(ids);
            read_item(&pubsub, id).and_then(|item| item.attr("id").map(str::to_owned))
        };

        assert_eq!(
            taken(["old", "current"], "current").as_deref(),
            Some("current")
        );
        assert_eq!(taken(["a", "b"], "current").as_deref(), Some("a"));
        assert_eq!(taken(["5", "7"], "7").as_deref(), Some("7"));
        // another device's bundle is not ours
        assert_eq!(taken(["5", "6"], "7"), None);
    }
}
