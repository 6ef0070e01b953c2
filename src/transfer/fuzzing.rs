//! A door for the fuzz target `http`: addresses that somebody names, heads of answers, headers of slots.
//!
//! It opens no connection.

use reqwest::{
    StatusCode,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use url::Host;

use super::{
    Rules, Upload,
    fetch::{self, Limits},
    put,
    rules::Target,
};

const LIMIT: u64 = 1_000;

/// What bytes came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judged {
    /// They were taken, as this.
    Taken(&'static str),
    /// They were refused, for this reason.
    Refused(&'static str),
    /// Something was taken that must not be: a fault of this room.
    Broken(&'static str),
}

use Judged::{Broken, Refused, Taken};

/// Judges the head of an answer (`HTTP/1.1 200` and headers), a slot's headers (`PUT` and headers), or
/// anything else as an address.
#[must_use]
pub fn judge(text: &str) -> Judged {
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    if let Some(status) = first.strip_prefix("HTTP/1.1 ") {
        return judge_head(status.trim(), rest);
    }
    if first.trim() == "PUT" {
        return judge_slot(rest);
    }
    judge_address(text)
}

fn lines(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter_map(|line| line.split_once(": "))
}

fn judge_head(status: &str, headers: &str) -> Judged {
    let Ok(status) = StatusCode::from_bytes(status.as_bytes()) else {
        return Refused("no-http");
    };
    let mut map = HeaderMap::new();
    for (name, value) in lines(headers) {
        let name = HeaderName::from_bytes(name.as_bytes());
        let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) else {
            return Refused("no-http");
        };
        map.append(name, value);
    }
    let limits = Limits { max_bytes: LIMIT };
    match fetch::judge_head(status, &map, limits) {
        Ok(Some(length)) if length > LIMIT => Broken("more was taken than may come"),
        Ok(_) if status != StatusCode::OK => Broken("an error was taken for a file"),
        Ok(_) => Taken("head"),
        Err(_) => Refused("head"),
    }
}

fn judge_slot(headers: &str) -> Judged {
    let headers: Vec<_> = lines(headers)
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let upload = Upload {
        url: "https://upload.example.org/1",
        headers: &headers,
        length: 7,
        content_type: "image/jpeg",
    };
    let Ok(map) = put::headers(&upload) else {
        return Refused("slot");
    };
    let is_known = |name: &HeaderName| {
        let known = [
            "authorization",
            "content-length",
            "content-type",
            "cookie",
            "expires",
        ];
        known.contains(&name.as_str())
    };
    let is_ours = |name, value: &str| {
        let mut values = map.get_all(name).iter();
        values.next().is_some_and(|it| it == value) && values.next().is_none()
    };
    if !map.keys().all(is_known) || map.len() > headers.len() + 2 {
        return Broken("a slot set a header of its own");
    }
    if !is_ours("content-length", "7") || !is_ours("content-type", "image/jpeg") {
        return Broken("a slot changed what is ours to say");
    }
    Taken("slot")
}

fn judge_address(text: &str) -> Judged {
    let rules = Rules::new(Vec::new(), None);
    let Ok(target) = Target::parse(text, &rules) else {
        return Refused("address");
    };
    let Target {
        url,
        host,
        port,
        pinned,
    } = &target;
    let has_user = !url.username().is_empty() || url.password().is_some();
    if url.scheme() != "https" || has_user || url.fragment().is_some() {
        return Broken("an address was taken with what it must not have");
    }
    let is_name = matches!(host, Host::Domain(name) if url.host_str() == Some(name));
    if !is_name || *port != 443 || *pinned || url.port_or_known_default() != Some(443) {
        return Broken("an address was taken that nobody pinned");
    }
    let by_name = rules.admit_by_name(&target);
    Taken(if by_name { "address" } else { "local-name" })
}
