//! Upload slots (XEP-0363): who gives them, how large, and under which address.
//!
//! It moves no file.

use std::sync::PoisonError;

use minidom::Element;

use super::iq::form_value;
use super::link::{Link, Refusal, Request, RequestError};
use super::xml::{self, Xml, ns};

pub(super) const UPLOAD: &str = "urn:xmpp:http:upload:0";
pub(super) const DISCO_ITEMS: &str = "http://jabber.org/protocol/disco#items";
/// Most components asked for what they are.
pub(super) const MAX_COMPONENTS: usize = 30;
/// XEP-0363 5: all others are dropped.
const HEADERS: [&str; 3] = ["Authorization", "Cookie", "Expires"];

/// The server's upload service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadService {
    /// Its address.
    pub jid: String,
    /// The largest file it takes, if it says so.
    pub max_bytes: Option<u64>,
}

/// Where to put one file, and where others get it.
#[derive(Clone, PartialEq, Eq)]
pub struct Slot {
    /// Address for the PUT.
    pub put_url: String,
    /// Address for the GET.
    pub get_url: String,
    /// Headers for the PUT: only Authorization, Cookie and Expires, no line breaks.
    pub headers: Vec<(String, String)>,
}

impl std::fmt::Debug for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Whoever has the addresses and headers can put a file there.
        let Self {
            put_url: _,
            get_url: _,
            headers: _,
        } = self;
        f.write_str("Slot(..)")
    }
}

/// Why there is no slot.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SlotError {
    /// The server has no upload service.
    #[error("the server has no upload service")]
    NoService,
    /// The file is larger than the service takes.
    #[error("the file is larger than the server takes")]
    TooLarge {
        /// The limit, if the service says so.
        max_bytes: Option<u64>,
    },
    /// The account may not upload.
    #[error("the server does not let this account upload")]
    NotAllowed,
    /// The account's quota is used up, or too many were asked for; later it may work.
    #[error("the server gives no more slots for now")]
    Later,
    /// The request failed.
    #[error(transparent)]
    Request(#[from] RequestError),
}

impl Link {
    /// Finds the upload service; `None` if there is none.
    ///
    /// # Errors
    /// If the server cannot be asked.
    pub async fn upload_service(&self) -> Result<Option<UploadService>, RequestError> {
        let items = Request::get(Some(&self.domain), Xml::in_ns("query", DISCO_ITEMS));
        let items = self.request(items).await?.ok_or(RequestError::Unreadable)?;
        let components = items
            .children()
            .filter(|child| child.is("item", DISCO_ITEMS));
        let components = components
            .filter_map(|item| item.attr("jid"))
            .take(MAX_COMPONENTS);
        let mut last_error = None;
        for jid in components.chain([&*self.domain]) {
            let info = Request::get(Some(jid), Xml::in_ns("query", ns::DISCO_INFO));
            match self.request(info).await {
                Ok(Some(info)) => {
                    if let Some(service) = read_service(jid, &info) {
                        return Ok(Some(service));
                    }
                }
                // A component that is down or refuses is not the one.
                Ok(None) | Err(RequestError::Refused(_)) => {}
                Err(error) => last_error = Some(error),
            }
        }
        last_error.map_or(Ok(None), Err)
    }

    /// Asks for a slot for a file of exactly `bytes` bytes.
    ///
    /// # Errors
    /// Says whether the file is too large and for which limit.
    pub async fn request_slot(
        &self,
        name: &str,
        bytes: u64,
        mime: &str,
    ) -> Result<Slot, SlotError> {
        let service = self.known_upload_service().await?;
        if service.max_bytes.is_some_and(|max| bytes > max) {
            return Err(SlotError::TooLarge {
                max_bytes: service.max_bytes,
            });
        }
        let request = Xml::in_ns("request", UPLOAD)
            .attr("filename", name)
            .attr("size", bytes)
            .attr("content-type", mime);
        let answer = self
            .request(Request::get(Some(&service.jid), request))
            .await;
        if answer.is_err() {
            // It may have moved: look for it again next time.
            self.remember_upload_service(None);
        }
        match answer {
            Ok(Some(slot)) => read_slot(&slot).ok_or(RequestError::Unreadable.into()),
            Ok(None) => Err(RequestError::Unreadable.into()),
            Err(RequestError::Refused(refusal)) => Err(judge(refusal)),
            Err(error) => Err(error.into()),
        }
    }

    async fn known_upload_service(&self) -> Result<UploadService, SlotError> {
        let known = self
            .upload
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some(service) = known {
            return Ok(service);
        }
        let service = self.upload_service().await?.ok_or(SlotError::NoService)?;
        self.remember_upload_service(Some(service.clone()));
        Ok(service)
    }

    fn remember_upload_service(&self, service: Option<UploadService>) {
        *self.upload.lock().unwrap_or_else(PoisonError::into_inner) = service;
    }
}

/// XEP-0363 7
pub(super) fn judge(refusal: Refusal) -> SlotError {
    match (refusal.condition.as_str(), refusal.detail.as_deref()) {
        (_, Some("file-too-large")) => SlotError::TooLarge {
            max_bytes: refusal.limit,
        },
        (_, Some("retry")) | ("resource-constraint", _) => SlotError::Later,
        ("not-allowed" | "forbidden" | "not-authorized", _) => SlotError::NotAllowed,
        _ => SlotError::Request(RequestError::Refused(refusal)),
    }
}

pub(super) fn read_service(jid: &str, info: &Element) -> Option<UploadService> {
    let feature =
        |child: &Element| child.is("feature", ns::DISCO_INFO) && child.attr("var") == Some(UPLOAD);
    info.children().find(|child| feature(child))?;
    let forms = info
        .children()
        .filter(|child| child.is("x", ns::DATA_FORMS));
    let mut own = forms.filter(|form| form_value(form, "FORM_TYPE").as_deref() == Some(UPLOAD));
    let max = own.find_map(|form| form_value(form, "max-file-size"));
    Some(UploadService {
        jid: jid.to_owned(),
        max_bytes: max.and_then(|max| max.trim().parse().ok()),
    })
}

pub(super) fn read_slot(slot: &Element) -> Option<Slot> {
    if !slot.is("slot", UPLOAD) {
        return None;
    }
    let put = xml::child(slot, "put", UPLOAD)?;
    let get = xml::child(slot, "get", UPLOAD)?;
    let headers = put.children().filter(|child| child.is("header", UPLOAD));
    let headers = headers.filter_map(|header| {
        let name = header.attr("name")?;
        let name = HEADERS
            .into_iter()
            .find(|allowed| allowed.eq_ignore_ascii_case(name))?;
        let value = header.text();
        // XEP-0363 11: a line break would smuggle in another header.
        (!value.contains(['\r', '\n', '\0'])).then(|| (name.to_owned(), value))
    });
    Some(Slot {
        put_url: put.attr("url")?.to_owned(),
        get_url: get.attr("url")?.to_owned(),
        headers: headers.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_three_headers_pass_and_none_with_a_line_break() {
        let slot: Element = "<slot xmlns='urn:xmpp:http:upload:0'>\
            <put url='https://u.example/1'>\
            <header name='authorization'>Basic abc</header>\
            <header name='Cookie'>a=b&#10;X-Evil: 1</header>\
            <header name='Host'>other.example</header>\
            <header name='Expires'>1</header></put>\
            <get url='https://u.example/2'/></slot>"
            .parse()
            .unwrap();

        let read = read_slot(&slot).unwrap();

        assert_eq!(read.put_url, "https://u.example/1");
        assert_eq!(read.get_url, "https://u.example/2");
        let headers: Vec<_> = read
            .headers
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_str()))
            .collect();
        assert_eq!(headers, [("Authorization", "Basic abc"), ("Expires", "1")]);
        assert_eq!(format!("{read:?}"), "Slot(..)");
    }

    #[test]
    fn a_service_tells_its_limit_and_others_are_none() {
        let service: Element = "<query xmlns='http://jabber.org/protocol/disco#info'>\
            <feature var='urn:xmpp:http:upload:0'/><x xmlns='jabber:x:data' type='result'>\
            <field var='FORM_TYPE'><value>urn:xmpp:http:upload:0</value></field>\
            <field var='max-file-size'><value>5242880</value></field></x></query>"
            .parse()
            .unwrap();
        let other: Element = "<query xmlns='http://jabber.org/protocol/disco#info'>\
            <feature var='http://jabber.org/protocol/muc'/></query>"
            .parse()
            .unwrap();

        let found = read_service("up.example", &service).unwrap();

        assert_eq!(found.max_bytes, Some(5_242_880));
        assert_eq!(read_service("rooms.example", &other), None);
    }

    #[test]
    fn refusals_are_told_apart() {
        let refusal = |condition: &str, detail: Option<&str>, limit| Refusal {
            condition: condition.to_owned(),
            detail: detail.map(str::to_owned),
            text: None,
            limit,
        };

        let large = judge(refusal("not-acceptable", Some("file-too-large"), Some(9)));
        let quota = judge(refusal("resource-constraint", None, None));
        let forbidden = judge(refusal("forbidden", None, None));

        assert_eq!(large, SlotError::TooLarge { max_bytes: Some(9) });
        assert_eq!(quota, SlotError::Later);
        assert_eq!(forbidden, SlotError::NotAllowed);
    }
}
