//! Keeps the map in ARCHITECTURE.md true: which room may use which, which names nobody else may
//! say, and how long a file may grow.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    reason = "a test"
)]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Each room with the rooms it may name. A room without a row here fails the test.
const MAY_USE: &[(&str, &[&str])] = &[
    (
        "carry",
        &[
            "clock", "config", "crash", "disk", "keeper", "keys", "place", "state",
        ],
    ),
    ("check", &["config", "daemon", "xmpp"]),
    (
        "client",
        &[
            "clock", "config", "keeper", "names", "place", "state", "transfer", "xmpp",
        ],
    ),
    ("clock", &[]),
    ("config", &[]),
    ("console", &["config", "daemon", "vault_process"]),
    ("crash", &[]),
    (
        "daemon",
        &[
            "clock",
            "config",
            "crash",
            "keeper",
            "keydevice",
            "keys",
            "lamp",
            "pictures",
            "service",
            "state",
            "transfer",
            "vault_process",
            "xmpp",
        ],
    ),
    ("disk", &[]),
    ("keeper", &[]),
    ("keydevice", &[]),
    ("keys", &["config", "crash", "daemon", "disk", "state"]),
    ("lamp", &[]),
    ("manual", &[]),
    ("names", &[]),
    ("pictures", &[]),
    ("pinned", &[]),
    ("place", &[]),
    ("service", &[]),
    (
        "setup",
        &[
            "config", "daemon", "disk", "keeper", "keys", "lamp", "state", "xmpp",
        ],
    ),
    ("state", &["crash"]),
    ("transfer", &["names", "pinned"]),
    (
        "vault_process",
        &["clock", "crash", "keydevice", "pictures"],
    ),
    ("verify", &["config", "keys"]),
    ("xmpp", &["names", "pinned"]),
];

/// Words a sans-IO room may not contain.
const IO_WORDS: &[&str] = &[
    "tokio::",
    "std::fs",
    "std::net",
    "std::thread",
    "rusqlite::",
    "SystemTime::now",
    "Instant::now",
    "async fn",
];
const SANS_IO: &[&str] = &["keeper"];

/// Libraries that only these rooms may name.
const ONLY: &[(&str, &[&str])] = &[
    ("tokio_xmpp", &["xmpp"]),
    ("xmpp_parsers", &["xmpp"]),
    ("minidom", &["xmpp"]),
    ("reqwest", &["transfer"]),
    ("hickory_resolver", &["names", "xmpp"]),
    ("rusqlite", &["state"]),
    ("notify::", &["client", "keydevice", "service"]),
    ("image::", &["pictures"]),
    ("embedded_graphics", &["pictures"]),
];

/// Lines of one file, tests left out.
const MAX_LINES: usize = 600;

#[test]
fn rooms_use_only_the_rooms_they_may() {
    for source in sources("src") {
        let (_, allowed) = MAY_USE
            .iter()
            .find(|(name, _)| *name == source.room)
            .unwrap_or_else(|| panic!("room {} has no row in MAY_USE", source.room));
        for (other, _) in MAY_USE {
            assert!(
                *other == source.room
                    || allowed.contains(other)
                    || !names(&source.text, &format!("crate::{other}")),
                "{} names crate::{other}",
                source.path.display()
            );
        }
    }
}

#[test]
fn every_row_of_the_map_is_a_room_that_exists() {
    let rooms: Vec<String> = sources("src").into_iter().map(|it| it.room).collect();
    for (room, _) in MAY_USE {
        assert!(rooms.iter().any(|it| it == room), "there is no room {room}");
    }
}

#[test]
fn rooms_are_named_by_their_full_path() {
    for source in sources("src") {
        for word in ["super::super", "use crate::*"] {
            assert!(
                !source.text.contains(word),
                "{} has {word}",
                source.path.display()
            );
        }
    }
}

#[test]
fn sans_io_rooms_name_no_io() {
    for source in sources("src")
        .iter()
        .filter(|it| SANS_IO.contains(&it.room.as_str()))
    {
        for word in IO_WORDS {
            assert!(
                !source.text.contains(word),
                "{} contains {word}",
                source.path.display()
            );
        }
    }
}

#[test]
fn libraries_stay_in_their_rooms() {
    for source in sources("src") {
        for (library, rooms) in ONLY {
            assert!(
                rooms.contains(&source.room.as_str()) || !names(&source.text, library),
                "{} names {library}",
                source.path.display()
            );
        }
    }
}

#[test]
fn the_inner_crates_know_neither_each_other_nor_any_runtime() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (krate, strangers) in [
        ("omemo", ["tokio", "strongroom-vault", "rusqlite", "async"]),
        ("vault", ["tokio", "strongroom-omemo", "reqwest", "async"]),
    ] {
        let manifest = fs::read_to_string(root.join("crates").join(krate).join("Cargo.toml"));
        let manifest = manifest.unwrap();
        let dependencies = manifest.split("[dev-dependencies]").next().unwrap();
        for stranger in strangers {
            assert!(
                !dependencies.contains(stranger),
                "{krate} depends on {stranger}"
            );
        }
    }
}

#[test]
fn files_stay_readable() {
    for folder in ["src", "crates/omemo/src", "crates/vault/src"] {
        for source in sources(folder) {
            let lines = source.text.lines().count();
            assert!(
                lines <= MAX_LINES,
                "{} has {lines} lines",
                source.path.display()
            );
        }
    }
}

/// Finds `word` where no letter goes on behind it, comments left out and `use crate::{…}` written
/// out.
fn names(text: &str, word: &str) -> bool {
    let code = text
        .lines()
        .map(str::trim_start)
        .filter(|line| !line.starts_with("//"));
    let mut code: String = code.flat_map(|line| [line, "\n"]).collect();
    for (at, opening) in text.match_indices("crate::{") {
        let inside = &text[at + opening.len()..];
        code.push_str(&written_out(inside));
    }
    code.match_indices(word).any(|(at, _)| {
        let after = code[at + word.len()..].chars().next();
        let before = code[..at].chars().next_back();
        let goes_on = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        (word.ends_with(':') || !goes_on(after)) && !goes_on(before)
    })
}

/// Writes `a::{b, c}, d}` as `crate::a` and `crate::d`.
fn written_out(inside: &str) -> String {
    let mut paths = String::new();
    let (mut depth, mut name, mut is_first) = (0, String::new(), true);
    for c in inside.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                name.clear();
                is_first = true;
            }
            _ if depth == 0 && (c.is_alphanumeric() || c == '_') => name.push(c),
            ':' if depth == 0 && !name.is_empty() => {
                if is_first {
                    paths.push_str(&format!("crate::{name}\n"));
                }
                is_first = false;
                name.clear();
            }
            _ => {}
        }
    }
    paths
}

#[test]
fn a_room_inside_braces_is_seen() {
    let text = "use crate::{\n    keeper::{Input, reply::Reply},\n    xmpp::client::Link,\n};";

    assert!(names(text, "crate::keeper") && names(text, "crate::xmpp"));
    assert!(!names(text, "crate::reply") && !names(text, "crate::state"));
    assert!(!names(text, "crate::client"), "it is a part of xmpp");
}

struct Source {
    room: String,
    path: PathBuf,
    text: String,
}

fn sources(folder: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let inside = path.strip_prefix(&root).unwrap();
            let first = inside
                .components()
                .next()
                .unwrap()
                .as_os_str()
                .to_str()
                .unwrap();
            let room = first.trim_end_matches(".rs").to_owned();
            let is_test = path.file_stem().is_some_and(|it| it == "tests")
                || inside.components().any(|it| it.as_os_str() == "tests");
            if path.extension().is_none_or(|it| it != "rs")
                || is_test
                || ["main", "lib"].contains(&room.as_str())
            {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let text = text.split("#[cfg(test)]").next().unwrap().to_owned();
            found.push(Source { room, path, text });
        }
    }
    assert!(found.len() > 10, "the sources were found");
    found
}
