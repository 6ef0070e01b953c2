//! The lines that our own client and the vault send each other: writing and reading.
//!
//! Knows no keeper and no sentences. Each line is the whole text of one encrypted message; the
//! layout is in `docs/formats/client.md`.
//!
//! ```text
//! strongroom:1 WORD ID FIELDS…
//! ```

use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};

/// What every line begins with.
pub const PREFIX: &str = "strongroom:1 ";
/// Longest line that is read, in bytes.
const MAX_LINE_BYTES: usize = 64 * 1024;
/// Longest name that is read, in bytes.
const MAX_NAME_BYTES: usize = 1024;
/// Most numbers in one line.
pub const MAX_NUMBERS: usize = 1_000;

/// Names a request of a client; its answers bear it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Default,
)]
pub struct RequestId(pub [u8; 16]);

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl RequestId {
    fn read(text: &str) -> Option<Self> {
        let mut id = [0; 16];
        let is_lower = !text.bytes().any(|it| it.is_ascii_uppercase());
        (is_lower && hex::decode_to_slice(text, &mut id).is_ok()).then_some(Self(id))
    }
}

/// Which entries a client asks the numbers of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Which {
    /// All.
    All,
    /// Those of an album.
    Album(String),
    /// Those with a tag.
    Tag(String),
    /// Those that hold all of these words.
    Words(String),
}

/// What a client asks.
///
/// Not `Debug`: it carries keys and names.
#[derive(Clone, PartialEq, Eq)]
pub enum Request {
    /// May I command?
    Hello,
    /// Keep a file.
    Put {
        /// Where it lies encrypted, with its key: `aesgcm://…`
        link: String,
        /// Its name.
        name: String,
        /// How old it says to be, in seconds since 1970; 0 for unknown.
        time: i64,
    },
    /// Send files.
    Get {
        /// Numbers of entries.
        numbers: Vec<u64>,
    },
    /// Which entries are there?
    Which {
        /// Only lower numbers; 0 for all.
        before: u64,
        /// Which of them.
        what: Which,
    },
}

/// What the vault answers.
///
/// Not `Debug`: it carries keys and names.
#[derive(Clone, PartialEq, Eq)]
pub enum Response {
    /// To `hello`: the client may command.
    Welcome {
        /// Whether the vault is open.
        is_open: bool,
    },
    /// The file is in the vault.
    Stored {
        /// Its number.
        number: u64,
    },
    /// Its content was in the vault before.
    Same {
        /// The entry that has it.
        number: u64,
    },
    /// The file is sealed, and gets its number when the vault is next opened.
    Kept,
    /// It is not stored yet; the vault goes on trying.
    Trying {
        /// Why, for people.
        why: String,
    },
    /// It is not stored.
    Failed {
        /// Why, for people.
        why: String,
    },
    /// A file that was asked for.
    File {
        /// Its number.
        number: u64,
        /// Length of its content.
        bytes: u64,
        /// When it was received, in seconds since 1970.
        time: i64,
        /// Its name.
        name: String,
        /// Where it lies encrypted, with its key: `aesgcm://…`
        link: String,
    },
    /// A file that was asked for does not come.
    Unsent {
        /// Its number.
        number: u64,
        /// Why, for people.
        why: String,
    },
    /// There is nothing under these numbers.
    Missing {
        /// The numbers.
        numbers: Vec<u64>,
    },
    /// To `which`.
    Numbers {
        /// Numbers, highest first.
        numbers: Vec<u64>,
        /// Whether there are lower ones.
        more: bool,
    },
    /// Anything else, for people.
    Said {
        /// The words.
        text: String,
    },
    /// The request is over.
    Done,
}

/// A line that begins like ours and cannot be read, with the id of its request where that can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotRead(pub Option<RequestId>);

impl Request {
    /// Writes the line.
    #[must_use]
    pub fn line(&self, id: RequestId) -> String {
        match self {
            Self::Hello => line("hello", id, &[]),
            Self::Put { link, name, time } => {
                line("put", id, &[&time.to_string(), &encode(name), link])
            }
            Self::Get { numbers } => line("get", id, &[&spans(numbers)]),
            Self::Which { before, what } => {
                let (kind, text) = match what {
                    Which::All => ("all", ""),
                    Which::Album(name) => ("album", name.as_str()),
                    Which::Tag(name) => ("tag", name.as_str()),
                    Which::Words(words) => ("words", words.as_str()),
                };
                line("which", id, &[&before.to_string(), kind, &encode(text)])
            }
        }
    }

    /// Reads a line; `None` if it is none of ours.
    #[must_use]
    pub fn read(text: &str) -> Option<Result<(RequestId, Self), NotRead>> {
        let (id, word, fields) = match split(text)? {
            Ok(parts) => parts,
            Err(why) => return Some(Err(why)),
        };
        let request = match (word, fields.as_slice()) {
            ("hello", []) => Some(Self::Hello),
            ("put", [time, name, link]) => read_put(time, name, link),
            ("get", [numbers]) => read_spans(numbers).map(|numbers| Self::Get { numbers }),
            ("which", [before, kind, text]) => read_which(before, kind, text),
            _ => None,
        };
        Some(request.map(|it| (id, it)).ok_or(NotRead(Some(id))))
    }
}

fn read_put(time: &str, name: &str, link: &str) -> Option<Request> {
    let name = decode(name).filter(|it| it.len() <= MAX_NAME_BYTES)?;
    Some(Request::Put {
        link: link.to_owned(),
        name,
        time: time.parse().ok()?,
    })
}

fn read_which(before: &str, kind: &str, text: &str) -> Option<Request> {
    let text = decode(text).filter(|it| it.len() <= MAX_NAME_BYTES)?;
    let what = match kind {
        "all" if text.is_empty() => Which::All,
        "album" => Which::Album(text),
        "tag" => Which::Tag(text),
        "words" => Which::Words(text),
        _ => return None,
    };
    let before = before.parse().ok()?;
    Some(Request::Which { before, what })
}

impl Response {
    /// Writes the line.
    #[must_use]
    pub fn line(&self, id: RequestId) -> String {
        match self {
            Self::Welcome { is_open } => {
                let standing = if *is_open { "open" } else { "locked" };
                line("welcome", id, &[standing])
            }
            Self::Stored { number } => line("stored", id, &[&number.to_string()]),
            Self::Same { number } => line("same", id, &[&number.to_string()]),
            Self::Kept => line("kept", id, &[]),
            Self::Trying { why } => line("trying", id, &[&encode(why)]),
            Self::Failed { why } => line("failed", id, &[&encode(why)]),
            Self::File {
                number,
                bytes,
                time,
                name,
                link,
            } => {
                let numbers = [number.to_string(), bytes.to_string(), time.to_string()];
                let [number, bytes, time] = &numbers;
                line("file", id, &[number, bytes, time, &encode(name), link])
            }
            Self::Unsent { number, why } => {
                line("unsent", id, &[&number.to_string(), &encode(why)])
            }
            Self::Missing { numbers } => line("missing", id, &[&spans(numbers)]),
            Self::Numbers { numbers, more } => {
                let more = if *more { "more" } else { "all" };
                line("numbers", id, &[more, &spans(numbers)])
            }
            Self::Said { text } => line("said", id, &[&encode(text)]),
            Self::Done => line("done", id, &[]),
        }
    }

    /// Reads a line; `None` if it is none of ours.
    #[must_use]
    pub fn read(text: &str) -> Option<Result<(RequestId, Self), NotRead>> {
        let (id, word, fields) = match split(text)? {
            Ok(parts) => parts,
            Err(why) => return Some(Err(why)),
        };
        let number = |text: &str| text.parse::<u64>().ok();
        let response = match (word, fields.as_slice()) {
            ("welcome", ["open"]) => Some(Self::Welcome { is_open: true }),
            ("welcome", ["locked"]) => Some(Self::Welcome { is_open: false }),
            ("stored", [it]) => number(it).map(|number| Self::Stored { number }),
            ("same", [it]) => number(it).map(|number| Self::Same { number }),
            ("kept", []) => Some(Self::Kept),
            ("trying", [why]) => decode(why).map(|why| Self::Trying { why }),
            ("failed", [why]) => decode(why).map(|why| Self::Failed { why }),
            ("file", fields) => read_file(fields),
            ("unsent", [it, why]) => number(it)
                .zip(decode(why))
                .map(|(number, why)| Self::Unsent { number, why }),
            ("missing", [numbers]) => read_spans(numbers).map(|numbers| Self::Missing { numbers }),
            ("numbers", [more @ ("more" | "all"), numbers]) => {
                read_spans(numbers).map(|numbers| Self::Numbers {
                    numbers,
                    more: *more == "more",
                })
            }
            ("said", [text]) => decode(text).map(|text| Self::Said { text }),
            ("done", []) => Some(Self::Done),
            _ => None,
        };
        Some(response.map(|it| (id, it)).ok_or(NotRead(Some(id))))
    }
}

fn read_file(fields: &[&str]) -> Option<Response> {
    let [number, bytes, time, name, link] = fields else {
        return None;
    };
    Some(Response::File {
        number: number.parse().ok()?,
        bytes: bytes.parse().ok()?,
        time: time.parse().ok()?,
        name: decode(name)?,
        link: (*link).to_owned(),
    })
}

fn line(word: &str, id: RequestId, fields: &[&str]) -> String {
    let mut line = format!("{PREFIX}{word} {id}");
    for field in fields {
        line.push(' ');
        line.push_str(field);
    }
    line
}

/// Id, word and fields of a line.
type Parts<'a> = (RequestId, &'a str, Vec<&'a str>);

fn split(text: &str) -> Option<Result<Parts<'_>, NotRead>> {
    let rest = text.strip_prefix(PREFIX)?;
    let mut fields = rest.split(' ');
    let (word, id) = (fields.next().unwrap_or_default(), fields.next());
    let id = id.and_then(RequestId::read);
    let Some(id) = id else {
        return Some(Err(NotRead(None)));
    };
    if text.len() > MAX_LINE_BYTES || text.contains(char::is_control) {
        return Some(Err(NotRead(Some(id))));
    }
    Some(Ok((id, word, fields.collect())))
}

/// Writes a text so that no blank is in it; an empty one as `-`.
fn encode(text: &str) -> String {
    if text.is_empty() {
        return "-".to_owned();
    }
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        // RFC 3986 2.3; a lone hyphen stands for nothing
        if byte.is_ascii_alphanumeric() || b"._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

fn decode(text: &str) -> Option<String> {
    if text == "-" {
        return Some(String::new());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit = |it: Option<u8>| char::from(it?).to_digit(16);
            let (high, low) = (digit(rest.next())?, digit(rest.next())?);
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok().filter(|it| !it.is_empty())
}

/// Writes numbers as `7,9-12,4`, those that rise one by one as a range; none as `-`.
fn spans(numbers: &[u64]) -> String {
    let mut parts: Vec<(u64, u64)> = Vec::new();
    for &number in numbers {
        match parts.last_mut() {
            // Falling runs too: what is listed comes highest first.
            Some((first, last)) if is_next(*first, *last, number) => *last = number,
            _ => parts.push((number, number)),
        }
    }
    if parts.is_empty() {
        return "-".to_owned();
    }
    let parts: Vec<String> = parts
        .into_iter()
        .map(|(first, last)| {
            if first == last {
                first.to_string()
            } else {
                format!("{first}-{last}")
            }
        })
        .collect();
    parts.join(",")
}

fn is_next(first: u64, last: u64, number: u64) -> bool {
    let rises = last.checked_add(1) == Some(number) && last >= first;
    let falls = last.checked_sub(1) == Some(number) && last <= first;
    rises || falls
}

fn read_spans(text: &str) -> Option<Vec<u64>> {
    if text == "-" {
        return Some(Vec::new());
    }
    let mut numbers = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.parse::<u64>().ok()?, last.parse::<u64>().ok()?);
        if first == 0 || last == 0 || first.abs_diff(last) >= MAX_NUMBERS as u64 {
            return None;
        }
        if first <= last {
            numbers.extend(first..=last);
        } else {
            numbers.extend((last..=first).rev());
        }
        if numbers.len() > MAX_NUMBERS {
            return None;
        }
    }
    Some(numbers)
}

#[cfg(test)]
mod tests;
