//! What a server offers to one who is logged in: uploads, archive, nodes, the owner's subscription.
//!
//! Where a server may announce what it then does not do, it is tried: a slot is asked for, a node
//! made and removed. Nothing else is changed.

use std::time::SystemTime;

use minidom::Element;

use super::conversation::{Conversation, tidy};
use super::incoming::{FORWARD, read_stamp};
use super::iq::form_value;
use super::link::{Request, RequestError};
use super::pubsub::{OWNER, PUBLISH_OPTIONS, submit_form};
use super::roster::{Subscription, subscription_in};
use super::upload::{
    DISCO_ITEMS, MAX_COMPONENTS, SlotError, UPLOAD, UploadService, judge, read_service, read_slot,
};
use super::xml::{self, Xml, ns};

const MAM: &str = ns::MAM;
/// XEP-0504 3
const DATA_POLICY: &str = "urn:xmpp:data-policy:0";
/// The node that is made and removed again.
const NODE: &str = "urn:x-strongroom:check";
/// The smallest file that one asks a slot for.
const PROBE_BYTES: u64 = 1;

/// What is seen from inside. An error stands for one question that brought no answer.
#[derive(Debug)]
pub struct Inside {
    /// Whether the server counts stanzas, and if so, whether a lost stream can be gone on with.
    pub resumable: Option<bool>,
    /// The upload service.
    pub upload: Result<Option<Upload>, RequestError>,
    /// The archive of this account.
    pub archive: Result<Option<Archive>, RequestError>,
    /// The nodes of this account.
    pub nodes: Result<Nodes, RequestError>,
    /// What there is between this account and the owner, if one was named.
    pub subscription: Option<Result<Subscription, RequestError>>,
}

/// A server's upload service.
#[derive(Debug)]
pub struct Upload {
    /// Where it is, and the largest file.
    pub service: UploadService,
    /// How long it says that it keeps files.
    pub kept: Option<String>,
    /// Whether this account gets a slot.
    pub slot: Result<(), SlotError>,
}

/// The archive of an account.
#[derive(Debug)]
pub struct Archive {
    /// The oldest message in it.
    pub oldest: Option<SystemTime>,
    /// How long the server says that it keeps messages.
    pub kept: Option<String>,
    /// Whether messages get in by themselves: `always`, `roster` or `never`; `None` if the server
    /// does not say.
    pub by_default: Option<String>,
}

/// What an account's nodes can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nodes {
    /// One can say how a node is to be while one publishes to it.
    pub takes_options: bool,
    /// A node that was to be open to all is.
    pub opens: bool,
    /// A node keeps more than one item.
    pub keeps_many: bool,
}

/// Asks one thing after another.
pub(super) async fn look(
    conversation: &mut Conversation,
    own: &str,
    domain: &str,
    owner: Option<&str>,
    resumable: Option<bool>,
) -> Inside {
    let upload = upload(conversation, domain).await;
    let archive = archive(conversation, own).await;
    let nodes = nodes(conversation).await;
    let subscription = match owner {
        Some(owner) => Some(subscription(conversation, owner).await),
        None => None,
    };
    Inside {
        resumable,
        upload,
        archive,
        nodes,
        subscription,
    }
}

async fn info(conversation: &mut Conversation, jid: &str) -> Result<Element, RequestError> {
    let query = Xml::in_ns("query", ns::DISCO_INFO);
    let info = conversation.ask(Request::get(Some(jid), query)).await?;
    info.ok_or(RequestError::Unreadable)
}

fn has_feature(info: &Element, feature: &str) -> bool {
    info.children()
        .any(|it| it.is("feature", ns::DISCO_INFO) && it.attr("var") == Some(feature))
}

/// Reads how long data is kept, in the server's own words.
pub(super) fn retention(info: &Element) -> Option<String> {
    let forms = info.children().filter(|it| it.is("x", ns::DATA_FORMS));
    let mut policies =
        forms.filter(|it| form_value(it, "FORM_TYPE").as_deref() == Some(DATA_POLICY));
    let kept = policies.find_map(|it| form_value(it, "data_retention"))?;
    Some(tidy(&kept)).filter(|it| !it.is_empty())
}

async fn upload(
    conversation: &mut Conversation,
    domain: &str,
) -> Result<Option<Upload>, RequestError> {
    let query = Xml::in_ns("query", DISCO_ITEMS);
    let items = conversation.ask(Request::get(Some(domain), query)).await?;
    let items = items.ok_or(RequestError::Unreadable)?;
    let components = items.children().filter(|it| it.is("item", DISCO_ITEMS));
    let components = components.filter_map(|it| it.attr("jid"));
    let mut last_error = None;
    for jid in components.take(MAX_COMPONENTS).chain([domain]) {
        match info(conversation, jid).await {
            Ok(info) => {
                if let Some(service) = read_service(jid, &info) {
                    let slot = try_slot(conversation, jid).await;
                    let kept = retention(&info);
                    return Ok(Some(Upload {
                        service,
                        kept,
                        slot,
                    }));
                }
            }
            // A component that is down or refuses is not the one.
            Err(RequestError::Refused(_)) => {}
            Err(error) => last_error = Some(error),
        }
    }
    last_error.map_or(Ok(None), Err)
}

/// Asks for a slot, which is then left empty.
async fn try_slot(conversation: &mut Conversation, service: &str) -> Result<(), SlotError> {
    let request = Xml::in_ns("request", UPLOAD)
        .attr("filename", "check.bin")
        .attr("size", PROBE_BYTES)
        .attr("content-type", "application/octet-stream");
    match conversation.ask(Request::get(Some(service), request)).await {
        Ok(Some(slot)) if read_slot(&slot).is_some() => Ok(()),
        Ok(_) => Err(RequestError::Unreadable.into()),
        Err(RequestError::Refused(refusal)) => Err(judge(refusal)),
        Err(error) => Err(error.into()),
    }
}

async fn archive(
    conversation: &mut Conversation,
    own: &str,
) -> Result<Option<Archive>, RequestError> {
    let info = info(conversation, own).await?;
    if !has_feature(&info, MAM) {
        return Ok(None);
    }
    // XEP-0313 4: the oldest message, a page of one from the beginning.
    let page = Xml::in_ns("set", ns::RSM).child(Xml::new("max").text("1"));
    let query = Xml::in_ns("query", MAM)
        .attr("queryid", "oldest")
        .child(page);
    conversation.ask(Request::set(None, query)).await?;
    let oldest = conversation.strays.iter().find_map(read_archived);
    let prefs = Xml::in_ns("prefs", MAM);
    let by_default = match conversation.ask(Request::get(None, prefs)).await {
        Ok(prefs) => prefs.and_then(|it| it.attr("default").map(tidy)),
        Err(RequestError::Refused(_)) => None,
        Err(error) => return Err(error),
    };
    Ok(Some(Archive {
        oldest,
        kept: retention(&info),
        by_default,
    }))
}

fn read_archived(message: &Element) -> Option<SystemTime> {
    let result = xml::child(message, "result", MAM)?;
    let forwarded = xml::child(result, "forwarded", FORWARD)?;
    read_stamp(xml::child(forwarded, "delay", ns::DELAY)?)
}

/// Publishes two items to a node of its own, looks at what came of it, and removes the node.
async fn nodes(conversation: &mut Conversation) -> Result<Nodes, RequestError> {
    let node = format!("{NODE}:{:08x}", getrandom::u32().unwrap_or_default());
    let mut takes_options = true;
    for id in ["one", "two"] {
        let published = conversation.ask(publish(&node, id, takes_options)).await;
        match published {
            Ok(_) => {}
            Err(RequestError::Refused(_)) if takes_options => {
                takes_options = false;
                conversation.ask(publish(&node, id, false)).await?;
            }
            Err(error) => return Err(error),
        }
    }
    let ask = Xml::in_ns("pubsub", OWNER).child(Xml::new("configure").attr("node", &node));
    let opens = match conversation.ask(Request::get(None, ask)).await {
        Ok(answer) => answer.and_then(|it| access_model(&it)).as_deref() == Some("open"),
        Err(RequestError::Refused(_)) => false,
        Err(error) => return Err(error),
    };
    let items = Xml::new("items").attr("node", &node);
    let items = Xml::in_ns("pubsub", ns::PUBSUB).child(items);
    let kept = match conversation.ask(Request::get(None, items)).await {
        Ok(answer) => answer.map_or(0, |it| count_items(&it)),
        Err(RequestError::Refused(_)) => 0,
        Err(error) => return Err(error),
    };
    let delete = Xml::in_ns("pubsub", OWNER).child(Xml::new("delete").attr("node", &node));
    conversation.ask(Request::set(None, delete)).await?;
    Ok(Nodes {
        takes_options,
        opens,
        keeps_many: kept > 1,
    })
}

fn publish(node: &str, id: &str, with_options: bool) -> Request {
    let item = Xml::new("item")
        .attr("id", id)
        .child(Xml::in_ns("check", NODE));
    let publish = Xml::new("publish").attr("node", node).child(item);
    let options = [
        ("pubsub#access_model", "open"),
        ("pubsub#persist_items", "true"),
        ("pubsub#max_items", "10"),
    ];
    let options = Xml::new("publish-options").child(submit_form(PUBLISH_OPTIONS, &options));
    let pubsub = Xml::in_ns("pubsub", ns::PUBSUB).child(publish);
    Request::set(None, pubsub.child_if(with_options.then_some(options)))
}

pub(super) fn access_model(pubsub: &Element) -> Option<String> {
    let configure = xml::child(pubsub, "configure", OWNER)?;
    let form = xml::child(configure, "x", ns::DATA_FORMS)?;
    form_value(form, "pubsub#access_model")
}

pub(super) fn count_items(pubsub: &Element) -> usize {
    let items = xml::child(pubsub, "items", ns::PUBSUB);
    let items = items.into_iter().flat_map(Element::children);
    items.filter(|it| it.is("item", ns::PUBSUB)).count()
}

async fn subscription(
    conversation: &mut Conversation,
    owner: &str,
) -> Result<Subscription, RequestError> {
    let query = Xml::in_ns("query", ns::ROSTER);
    let roster = conversation.ask(Request::get(None, query)).await?;
    let roster = roster.ok_or(RequestError::Unreadable)?;
    Ok(subscription_in(&roster, owner))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_tells_how_long_data_is_kept_and_other_forms_do_not() {
        let info = |form_type: &str| -> Element {
            format!(
                "<query xmlns='{}'><x xmlns='jabber:x:data' type='result'>\
                 <field var='FORM_TYPE'><value>{form_type}</value></field>\
                 <field var='data_retention'><value> 30 days\n</value></field></x></query>",
                ns::DISCO_INFO
            )
            .parse()
            .unwrap()
        };

        assert_eq!(retention(&info(DATA_POLICY)).as_deref(), Some("30 days"));
        assert_eq!(retention(&info("urn:other")), None);
    }

    #[test]
    fn the_stamp_of_an_archived_message_is_read_only_where_the_archive_puts_it() {
        let stamp = "<delay xmlns='urn:xmpp:delay' stamp='2026-11-01T10:00:00Z'/>";
        let archived: Element = format!(
            "<message xmlns='jabber:client'><result xmlns='urn:xmpp:mam:2'>\
             <forwarded xmlns='urn:xmpp:forward:0'>{stamp}</forwarded></result></message>"
        )
        .parse()
        .unwrap();
        let other: Element = format!("<message xmlns='jabber:client'>{stamp}</message>")
            .parse()
            .unwrap();

        assert!(read_archived(&archived).is_some());
        assert_eq!(read_archived(&other), None);
    }
}
