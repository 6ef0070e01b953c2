//! What else a server says: answers to our questions, the words of a login; and a proxy's bytes.
//!
//! As in the parent, the readers are the live ones and there is no stream.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use minidom::Element;
use omemo::Namespace;
use sasl::client::Mechanism as _;
use sasl::client::mechanisms::Scram;
use sasl::common::scram::Sha256;
use sasl::common::{ChannelBinding, Credentials};

use super::{
    Reading::{self, Broken, Dropped, Taken},
    parse,
};
use crate::xmpp::{
    archive,
    backoff::judge_stream_error,
    conversation::tidy,
    envelope, inside, iq,
    link::{ArchiveResult, RequestError},
    login::{self, Answer, Choice, Offer},
    pubsub,
    registration::{self, Registration},
    roster::{self, Roster},
    socks,
    socks::SocksError,
    upload,
    wire::StreamError,
    xml::{self, ns},
};

/// Hashing more often than this is left out: it takes time and is not ours.
const MOST_ITERATIONS: &str = "i=4096";

/// Reads the answer to a question of ours, as each of those who may have asked it.
#[must_use]
pub fn read_answer(bytes: &[u8]) -> Reading {
    let answer = match parse(bytes) {
        Ok(answer) if answer.name() == "iq" => answer,
        Ok(_) => return Dropped("no-answer"),
        Err(why) => return Dropped(why),
    };
    match iq::read_answer(&answer) {
        Ok(Some(payload)) => read_payload(&payload),
        Ok(None) => Taken("empty"),
        Err(RequestError::Refused(refusal)) => {
            let said = registration::judge(&answer).to_string();
            if !is_one_line(&said) {
                return Broken("a refusal is not fit to be printed");
            }
            let _ = upload::judge(refusal);
            Dropped("refused")
        }
        Err(_) => Dropped("unreadable"),
    }
}

fn read_payload(payload: &Element) -> Reading {
    let name = (payload.name(), payload.ns());
    if name == ("pubsub", ns::PUBSUB.to_owned()) {
        return Namespace::ALL
            .into_iter()
            .find_map(|namespace| read_node(namespace, payload))
            .unwrap_or_else(|| {
                let _ = inside::count_items(payload);
                Taken("items")
            });
    }
    if payload.has_ns(pubsub::OWNER) {
        let found = inside::access_model(payload);
        return Taken(if found.is_some() { "node" } else { "other" });
    }
    if payload.is("query", registration::REGISTER) {
        return read_registration(payload);
    }
    if payload.is("query", ns::ROSTER) {
        let mut roster = Roster::default();
        roster.take_all(payload);
        let _ = roster::subscription_in(payload, "owner@example.org");
        if roster.lets_see_us("") {
            return Broken("nobody may see us");
        }
        return Taken("roster");
    }
    if payload.is("query", ns::DISCO_INFO) {
        let kept = inside::retention(payload);
        if kept.is_some_and(|it| !is_one_line(&it)) {
            return Broken("a server's policy is not fit to be printed");
        }
        let service = upload::read_service("upload.example.org", payload);
        return Taken(if service.is_some() { "service" } else { "info" });
    }
    if payload.is("fin", ns::MAM) {
        let result = ArchiveResult {
            messages: Vec::new(),
            fin: Some(payload.clone()),
        };
        let page = archive::page(result);
        if page.last.as_deref() == Some("") {
            return Broken("the archive goes on after nothing");
        }
        return Taken(if page.complete { "last-page" } else { "page" });
    }
    Taken(if upload::read_slot(payload).is_some() {
        "slot"
    } else {
        "other"
    })
}

/// Reads a device list or bundle, which must be written as it was read.
fn read_node(namespace: Namespace, pubsub: &Element) -> Option<Reading> {
    let item = pubsub::read_item(pubsub, pubsub::ONLY_ITEM)?;
    let again = |content: xml::Xml| {
        let item = xml::Xml::in_ns("item", ns::PUBSUB).child(content);
        xml::read(&item.into_text())
    };
    if let Some(list) = envelope::read_device_list(namespace, item) {
        let written = again(envelope::write_device_list(namespace, &list));
        let read = written.and_then(|it| envelope::read_device_list(namespace, &it));
        let is_same = read.is_some_and(|it| it.devices == list.devices);
        let mut ids: Vec<_> = list.devices.iter().map(|it| it.0).collect();
        ids.sort_unstable();
        ids.dedup();
        let is_good = ids.len() == list.devices.len() && !ids.contains(&0);
        return Some(if is_same && is_good {
            Taken("device-list")
        } else {
            Broken("a device list holds what is no list of devices")
        });
    }
    let bundle = envelope::read_bundle(namespace, item)?;
    let written = again(envelope::write_bundle(&bundle));
    let read = written.and_then(|it| envelope::read_bundle(namespace, &it));
    Some(if read.as_ref() == Some(&bundle) {
        Taken("bundle")
    } else {
        Broken("a bundle was not written as it was read")
    })
}

fn read_registration(query: &Element) -> Reading {
    const USER: &str = "vault&<";
    const PASSWORD: &str = "p'\"> w";
    let offer = registration::read(query);
    let is_fit = match &offer.kind {
        Registration::WantsMore(names) => names.iter().all(|it| is_one_line(it)),
        Registration::Captcha { url } => url.iter().all(|it| is_one_line(it)),
        Registration::WebForm { url } => is_one_line(url),
        Registration::Open | Registration::NotOffered => true,
    };
    if !is_fit {
        return Broken("what a server wants is not fit to be printed");
    }
    let Some(sent) = xml::read(&registration::fill_in(&offer, USER, PASSWORD).into_text()) else {
        return Broken("a form was filled in so that nobody can read it");
    };
    let texts: Vec<_> = match xml::child(&sent, "x", ns::DATA_FORMS) {
        Some(form) => form
            .children()
            .filter_map(|it| xml::child(it, "value", ns::DATA_FORMS))
            .map(Element::text)
            .collect(),
        None => sent.children().map(Element::text).collect(),
    };
    if !texts.ends_with(&[USER.to_owned(), PASSWORD.to_owned()]) {
        return Broken("a form was filled in with something else");
    }
    Taken(if offer.kind == Registration::Open {
        "open-registration"
    } else {
        "registration"
    })
}

/// Tells whether a text can go to a terminal.
fn is_one_line(text: &str) -> bool {
    tidy(text) == text || text.chars().count() > 300
}

/// Reads what a server says during a login: an element, or after a first byte of 0 the text of a
/// challenge and, in the next line, of a proof.
#[must_use]
pub fn read_login(bytes: &[u8]) -> Reading {
    if let [0, words @ ..] = bytes {
        return read_challenge(words);
    }
    let element = match parse(bytes) {
        Ok(element) => element,
        Err(why) => return Dropped(why),
    };
    if let Some(error) = StreamError::read(&element) {
        let _ = judge_stream_error(&error);
        return Dropped("stream-error");
    }
    if element.is("features", ns::STREAMS) {
        let offer = Offer::read(&element);
        for bindable in [false, true] {
            let choice = offer.choose(bindable, false);
            if choice == Some(Choice::Plain) {
                return Broken("the password would be shown though the settings forbid it");
            }
            let is_bound = matches!(choice, Some(Choice::Sha256Plus | Choice::Sha1Plus));
            if is_bound && !bindable {
                return Broken("the login would be bound to nothing");
            }
        }
        return Taken("features");
    }
    match Answer::read(&element) {
        Ok(Answer::Challenge(_)) => Taken("challenge"),
        Ok(Answer::Success(_)) => Taken("success"),
        Err(_) => Dropped("failure"),
    }
}

/// Has a login go on with this challenge, whose nonce is made to fit.
fn read_challenge(words: &[u8]) -> Reading {
    let credentials = Credentials::default()
        .with_username("vault")
        .with_password("secret")
        .with_channel_binding(ChannelBinding::Unsupported);
    let Ok(mut mechanism) = Scram::<Sha256>::from_credentials(credentials) else {
        return Broken("no login can be made");
    };
    let first = mechanism.initial();
    let first_words = String::from_utf8_lossy(&first).into_owned();
    let nonce = first_words.rsplit("r=").next().unwrap_or_default();
    let (challenge, proof) =
        words
            .iter()
            .position(|it| *it == b'\n')
            .map_or((words, &[][..]), |at| {
                let (challenge, proof) = words.split_at(at);
                (challenge, proof.get(1..).unwrap_or_default())
            });
    let challenge = match std::str::from_utf8(challenge) {
        Ok(text) => text.replacen("r=", &format!("r={nonce}"), 1).into_bytes(),
        Err(_) => challenge.to_vec(),
    };
    if login::check_challenge(&first, &challenge).is_err() {
        return Dropped("challenge-refused");
    }
    let is_short = String::from_utf8_lossy(&challenge)
        .split(',')
        .any(|it| it == MOST_ITERATIONS);
    if !is_short {
        return Taken("long-challenge");
    }
    if mechanism.response(&challenge).is_err() {
        return Dropped("challenge-unreadable");
    }
    if mechanism.success(proof).is_ok() {
        return Broken("a proof was believed that nobody could make");
    }
    Taken("challenge")
}

/// Reads what a SOCKS5 proxy answers.
#[must_use]
pub fn read_socks(bytes: &[u8]) -> Reading {
    let mut left = bytes;
    let mut stream = tokio::io::join(&mut left, tokio::io::sink());
    let outcome = {
        let asked = pin!(socks::connect(&mut stream, "home.example", 5222));
        asked.poll(&mut Context::from_waker(Waker::noop()))
    };
    match outcome {
        Poll::Ready(Ok(())) if bytes.len() - left.len() < 2 + 4 + 1 + 2 => {
            Broken("a proxy was believed that said too little")
        }
        Poll::Ready(Ok(())) => Taken("connection"),
        Poll::Ready(Err(SocksError::Io(_))) => Dropped("cut-short"),
        Poll::Ready(Err(SocksError::NotSocks)) => Dropped("no-proxy"),
        Poll::Ready(Err(SocksError::WantsLogin)) => Dropped("wants-login"),
        Poll::Ready(Err(SocksError::Refused(_))) => Dropped("refused"),
        Poll::Ready(Err(SocksError::NameTooLong)) => Broken("the name is short"),
        Poll::Pending => Broken("it waits for more than there is"),
    }
}
