//! Text in, wishes or mistakes out: all mistakes at once, each with its line.

use std::{collections::BTreeMap, fmt, ops::Range};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};
use zeroize::Zeroizing;

use super::{
    fields::{FIELDS, Field, Kind, SECTIONS, find},
    judge,
};

/// Something in the file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::setup) struct Mistake {
    /// Its line, counted from 1; none where something is missing altogether.
    pub(super) line: Option<usize>,
    /// What is wrong and what to write instead.
    pub(in crate::setup) what: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = if self.what.ends_with('?') { "" } else { "." };
        match self.line {
            Some(line) => write!(f, "Line {line}: {}{end}", self.what),
            None => write!(f, "Missing: {}{end}", self.what),
        }
    }
}

/// The wireless network.
#[derive(Debug)]
pub(super) struct Wifi {
    pub(super) ssid: String,
    /// Empty for a network without one.
    pub(super) password: Zeroizing<String>,
    pub(super) country: String,
    pub(super) is_hidden: bool,
}

/// What is wished of the machine.
#[derive(Debug, Default)]
pub(super) struct Machine {
    pub(super) wifi: Option<Wifi>,
    pub(super) host_name: Option<String>,
    pub(super) time_zone: Option<String>,
    pub(super) ssh_keys: Vec<String>,
}

/// What the file says, once every line of it makes sense.
#[derive(Debug, Default)]
pub(in crate::setup) struct Wishes {
    pub(super) jid: Option<String>,
    pub(super) password: Option<Zeroizing<String>>,
    pub(super) register: Option<String>,
    pub(super) server: Option<String>,
    pub(super) direct_tls: bool,
    pub(super) certificate_sha256: Option<String>,
    pub(super) upload_hosts: Vec<String>,
    pub(super) owner: String,
    pub(super) fingerprints: Vec<String>,
    pub(super) code: Option<Zeroizing<String>>,
    pub(super) machine: Machine,
}

/// Reads a file.
///
/// # Errors
///
/// Everything in it that cannot be used, in the order of its lines.
pub(in crate::setup) fn read(
    bytes: &[u8],
    has_zone: &dyn Fn(&str) -> bool,
) -> Result<Wishes, Vec<Mistake>> {
    let text = decode(bytes).map_err(|mistake| vec![mistake])?;
    let table = DeTable::parse(text).map_err(|error| vec![no_toml(text, &error)])?;
    let mut reading = Reading {
        text,
        has_zone,
        found: BTreeMap::new(),
        headers: BTreeMap::new(),
        mistakes: Vec::new(),
    };
    reading.file(table.get_ref());
    reading.together();
    let Reading {
        found,
        mut mistakes,
        ..
    } = reading;
    if mistakes.is_empty() {
        return Ok(wishes(found));
    }
    mistakes.sort_by_key(|it| it.line.unwrap_or(usize::MAX));
    Err(mistakes)
}

/// A value that has its kind, and where it stands.
struct Found {
    line: usize,
    value: Value,
}

enum Value {
    Text(Zeroizing<String>),
    Flag(bool),
    List(Vec<String>),
}

struct Reading<'a> {
    text: &'a str,
    has_zone: &'a dyn Fn(&str) -> bool,
    found: BTreeMap<(&'static str, &'static str), Found>,
    headers: BTreeMap<&'static str, usize>,
    mistakes: Vec<Mistake>,
}

impl Reading<'_> {
    fn line(&self, span: &Range<usize>) -> usize {
        line(self.text, span.start)
    }

    fn wrong(&mut self, line: usize, what: String) {
        self.mistakes.push(Mistake {
            line: Some(line),
            what,
        });
    }

    fn file(&mut self, table: &DeTable<'_>) {
        for (key, value) in table {
            let (name, at) = (key.get_ref().as_ref(), self.line(&key.span()));
            let Some((section, _)) = SECTIONS.iter().find(|(it, _)| *it == name) else {
                let what = stray(name);
                self.wrong(at, what);
                continue;
            };
            let Some(inside) = value.get_ref().as_table() else {
                let what = format!(
                    "\"{section}\" is a section; write [{section}] on a line of its own, and what \
                     belongs to it below"
                );
                self.wrong(at, what);
                continue;
            };
            self.headers.insert(section, at);
            for (key, value) in inside {
                self.field(section, key, value);
            }
        }
    }

    fn field(
        &mut self,
        section: &'static str,
        key: &Spanned<toml::de::DeString<'_>>,
        value: &Spanned<DeValue<'_>>,
    ) {
        let (name, at) = (key.get_ref().as_ref(), self.line(&key.span()));
        let Some(field) = find(section, name) else {
            let what = unknown(section, name);
            self.wrong(at, what);
            return;
        };
        let value = match (value.get_ref(), field.kind) {
            (DeValue::Boolean(flag), Kind::Flag) => Value::Flag(*flag),
            (DeValue::String(text), kind) if kind != Kind::Flag && !kind.is_list() => {
                if let Some(what) = judge::text(kind, text, self.has_zone) {
                    self.wrong(at, format!("{}: {what}", field.dotted()));
                    return;
                }
                Value::Text(Zeroizing::new(text.to_string()))
            }
            (DeValue::Array(items), kind) if kind.is_list() => {
                let mut list = Vec::with_capacity(items.len());
                for item in items {
                    let at = self.line(&item.span());
                    let what = match item.get_ref().as_str() {
                        Some(text) => judge::text(kind, text, self.has_zone),
                        None => Some(wrong_type(field)),
                    };
                    if let Some(what) = what {
                        self.wrong(at, format!("{}: {what}", field.dotted()));
                        return;
                    }
                    list.extend(item.get_ref().as_str().map(str::to_owned));
                }
                Value::List(list)
            }
            _ => {
                self.wrong(at, format!("{}: {}", field.dotted(), wrong_type(field)));
                return;
            }
        };
        self.found
            .insert((field.section, field.name), Found { line: at, value });
    }

    /// Whether a line is there, be its value right or wrong: what is wrong is told already.
    fn has(&self, section: &'static str, name: &'static str) -> bool {
        let told = format!("{section}.{name}: ");
        self.found.contains_key(&(section, name))
            || self.mistakes.iter().any(|it| it.what.starts_with(&told))
    }

    fn text(&self, section: &'static str, name: &'static str) -> Option<(&str, usize)> {
        match self.found.get(&(section, name)) {
            Some(Found {
                line,
                value: Value::Text(text),
            }) => Some((text.as_str(), *line)),
            _ => None,
        }
    }

    fn missing(&mut self, section: &'static str, what: &str) {
        let line = self.headers.get(section).copied();
        self.mistakes.push(Mistake {
            line,
            what: what.to_owned(),
        });
    }

    /// What only several lines together can be wrong in.
    fn together(&mut self) {
        self.account();
        if !self.has("owner", "jid") {
            let what = "owner.jid is not there; write your own address below [owner], like jid = \
                        \"me@example.org\"";
            self.missing("owner", what);
        }
        let same = match (self.text("account", "jid"), self.text("owner", "jid")) {
            (Some((vault, _)), Some((owner, line))) if vault == owner => Some(line),
            _ => None,
        };
        if let Some(line) = same {
            let what = "owner.jid: it is the vault's own address; the vault needs an account of its \
                        own, and yours stands here";
            self.wrong(line, what.to_owned());
        }
        if !self.has("owner", "pairing_code") && !self.has("owner", "fingerprints") {
            let what = "owner.pairing_code is not there; draw one with \"strongroom image-config\", \
                        or write the fingerprints of your phones";
            self.missing("owner", what);
        }
        if !self.headers.contains_key("wifi") {
            return;
        }
        for (name, what) in [
            (
                "ssid",
                "wifi.ssid is not there; write the network's name, or take the section [wifi] out",
            ),
            (
                "password",
                "wifi.password is not there; write password = \"\" for a network without one",
            ),
            (
                "country",
                "wifi.country is not there; write the country you are in, like country = \"DE\"",
            ),
        ] {
            if !self.has("wifi", name) {
                self.missing("wifi", what);
            }
        }
    }

    fn account(&mut self) {
        if self.has("account", "register") {
            let at = self.found.get(&("account", "password")).map(|it| it.line);
            if let Some(line) = at {
                let what = "account.password: an account that is to be made gets a drawn password; take \
                            out this line, or the one with \"register\"";
                self.wrong(line, what.to_owned());
            }
            let jid = self.text("account", "jid");
            let elsewhere = match (jid, self.text("account", "register")) {
                (Some((jid, line)), Some((domain, _))) => {
                    let fits = jid.split_once('@').is_some_and(|(_, it)| it == domain);
                    (!fits).then(|| (line, domain.to_owned()))
                }
                _ => None,
            };
            if let Some((line, domain)) = elsewhere {
                let what = format!(
                    "account.jid: it is at another server than the account that is to be made; write \
                     NAME@{domain}, or leave the line out"
                );
                self.wrong(line, what);
            }
        } else {
            for (name, what) in [
                (
                    "jid",
                    "account.jid is not there; write the vault's own address below [account], or \
                     register = \"example.org\" to make one",
                ),
                (
                    "password",
                    "account.password is not there; write the password of the vault's account below \
                     [account]",
                ),
            ] {
                if !self.has("account", name) {
                    self.missing("account", what);
                }
            }
        }
        let direct = self.found.get(&("account", "direct_tls")).map(|it| it.line);
        if let Some(line) = direct
            && !self.has("account", "server")
        {
            let what = "account.direct_tls: it is about a server that is not named; write server = \
                        \"xmpp.example.org:5223\" too, or take this line out";
            self.wrong(line, what.to_owned());
        }
    }
}

fn wishes(mut found: BTreeMap<(&'static str, &'static str), Found>) -> Wishes {
    let mut take = |section, name| found.remove(&(section, name)).map(|it| it.value);
    let mut text = |section, name| match take(section, name) {
        Some(Value::Text(text)) => Some(text),
        _ => None,
    };
    let plain = |text: Option<Zeroizing<String>>| text.map(|it| it.to_string());
    let wifi = text("wifi", "ssid").map(|ssid| Wifi {
        ssid: ssid.to_string(),
        password: text("wifi", "password").unwrap_or_default(),
        country: plain(text("wifi", "country")).unwrap_or_default(),
        is_hidden: false,
    });
    let mut wishes = Wishes {
        jid: plain(text("account", "jid")),
        password: text("account", "password"),
        register: plain(text("account", "register")),
        server: plain(text("account", "server")),
        certificate_sha256: plain(text("account", "certificate_sha256")),
        owner: plain(text("owner", "jid")).unwrap_or_default(),
        code: text("owner", "pairing_code"),
        machine: Machine {
            wifi,
            host_name: plain(text("system", "host_name")),
            time_zone: plain(text("system", "time_zone")),
            ssh_keys: Vec::new(),
        },
        ..Wishes::default()
    };
    for ((section, name), found) in found {
        match (section, name, found.value) {
            ("account", "direct_tls", Value::Flag(flag)) => wishes.direct_tls = flag,
            ("account", "upload_hosts", Value::List(list)) => wishes.upload_hosts = list,
            ("owner", "fingerprints", Value::List(list)) => wishes.fingerprints = list,
            ("system", "ssh_keys", Value::List(list)) => wishes.machine.ssh_keys = list,
            ("wifi", "hidden", Value::Flag(flag)) => {
                if let Some(wifi) = &mut wishes.machine.wifi {
                    wifi.is_hidden = flag;
                }
            }
            _ => {}
        }
    }
    wishes
}

/// Bytes become text. What programs of Windows put in front is no mistake.
fn decode(bytes: &[u8]) -> Result<&str, Mistake> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") || bytes.contains(&0) {
        return Err(Mistake {
            line: Some(1),
            what: "the file is not plain text in UTF-8; save it again with the encoding \"UTF-8\""
                .to_owned(),
        });
    }
    str::from_utf8(bytes).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        Mistake {
            line: Some(before.iter().filter(|it| **it == b'\n').count() + 1),
            what: "there is a letter that is not in UTF-8; save the file again with the encoding \
                   \"UTF-8\""
                .to_owned(),
        }
    })
}

fn no_toml(text: &str, error: &toml::de::Error) -> Mistake {
    let at = error.span().map_or(text.len(), |span| span.start);
    let mut number = line(text, at);
    let is_bare = |number: usize| {
        let there = text.lines().nth(number - 1).unwrap_or_default().trim();
        let plain = |it: char| it.is_ascii_alphanumeric() || "_-".contains(it);
        !there.is_empty() && there.chars().all(plain)
    };
    // What is missing at a line's end may be noticed in the next one.
    if number > 1 && !is_bare(number) && is_bare(number - 1) {
        number -= 1;
    }
    let there = text.lines().nth(number - 1).unwrap_or_default();
    let what = if there.contains(['“', '”', '„', '‘', '’', '«', '»']) {
        "quotation marks have to be straight ones, like jid = \"me@example.org\"; yours are curved"
    } else if error.message().contains("duplicate") {
        "this stands in the file twice; take one of them out"
    } else if !there.contains('=') && !there.trim_start().starts_with('[') {
        "this is no line like jid = \"me@example.org\"; put a # in front of it if it is a remark"
    } else if there.contains('\\') {
        "a \\ means something special between \"…\"; write the text between '…' instead"
    } else {
        "it is not written as it has to be; a text stands between \"…\", a list between […], and \
         nothing follows it"
    };
    Mistake {
        line: Some(number),
        what: what.to_owned(),
    }
}

fn line(text: &str, at: usize) -> usize {
    let before = text.as_bytes().get(..at).unwrap_or(text.as_bytes());
    before.iter().filter(|it| **it == b'\n').count() + 1
}

fn wrong_type(field: &Field) -> String {
    let shape = if field.kind == Kind::Flag {
        "true or false is expected, without quotation marks"
    } else if field.kind.is_list() {
        "a list is expected"
    } else {
        "a text between quotation marks is expected"
    };
    format!("{shape}, like {} = {}", field.name, short(field.example))
}

/// The example, where it is long only its beginning.
fn short(example: &str) -> String {
    match example.char_indices().nth(24) {
        Some((cut, _)) if example.starts_with('[') => format!("{}…\"]", &example[..cut]),
        Some((cut, _)) => format!("{}…\"", &example[..cut]),
        None => example.to_owned(),
    }
}

/// A line above all sections, or a section that there is not.
fn stray(name: &str) -> String {
    if let Some(field) = FIELDS.iter().find(|it| it.name == name) {
        return format!(
            "\"{name}\" stands above every section; put it below [{}]",
            field.section
        );
    }
    let sections = SECTIONS.iter().map(|(section, _)| *section);
    match nearest(name, sections.clone()) {
        Some(meant) => format!("there is no section [{name}]; did you mean [{meant}]?"),
        None => format!(
            "there is no section [{name}]; there are [{}]",
            sections.collect::<Vec<_>>().join("], [")
        ),
    }
}

fn unknown(section: &str, name: &str) -> String {
    let here = FIELDS.iter().filter(|it| it.section == section);
    let names = here.map(|it| it.name);
    if let Some(elsewhere) = FIELDS.iter().find(|it| it.name == name) {
        return format!(
            "[{section}] has no line \"{name}\"; it belongs below [{}]",
            elsewhere.section
        );
    }
    match nearest(name, names.clone()) {
        Some(meant) => format!("[{section}] has no line \"{name}\"; did you mean \"{meant}\"?"),
        None => format!(
            "[{section}] has no line \"{name}\"; there are {}",
            names.collect::<Vec<_>>().join(", ")
        ),
    }
}

/// Returns the name that is at most a third of its letters away.
fn nearest<'a>(typed: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let typed = typed.to_lowercase().replace('-', "_");
    names
        .map(|name| (strsim::damerau_levenshtein(&typed, name), name))
        .filter(|(slips, name)| *slips <= (name.len() / 3).max(1))
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, name)| name)
}
