//! Chat transcripts: what the owner writes and what the vault says, line by line, as `*.txt` beside
//! this file.
//!
//! ```text
//! # What this shows, in a sentence.
//! > what the owner writes
//! < what the vault says: every line of every message; a file is "[file]"
//! ! what happens outside (see `script.rs`)
//! ```
//!
//! The real keeper decides, the code of the vault process answers it with a real vault in a
//! temporary folder, and only network, clock and drive are played. `CHAT=get` runs only those files
//! that have "get" in their name; `UPDATE_CHAT=1` writes down what the vault says, to be read before
//! it is committed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::wildcard_enum_match_arm,
    reason = "a test"
)]

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Mutex,
    thread,
};

use strongroom::keeper::command::VERBS;

mod camera;
mod readme;
mod script;
mod stage;
mod sticks;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/chat")
}

/// All transcripts: file and text.
fn transcripts() -> Vec<(PathBuf, String)> {
    let files = fs::read_dir(folder()).unwrap().map(|it| it.unwrap().path());
    let files = files.filter(|it| it.extension().is_some_and(|ending| ending == "txt"));
    let mut transcripts: Vec<_> = files
        .map(|file| {
            let text = fs::read_to_string(&file).unwrap();
            (file, text)
        })
        .collect();
    transcripts.sort();
    assert!(transcripts.len() > 10, "the transcripts were found");
    transcripts
}

/// Names the first line that is not as it is written.
fn difference(file: &Path, written: &str, played: &str) -> Option<String> {
    let name = file.file_name().unwrap().to_string_lossy();
    let (mut written, mut played) = (written.lines(), played.lines());
    for number in 1.. {
        match (written.next(), played.next()) {
            (None, None) => return None,
            (one, other) if one == other => {}
            (one, other) => {
                let (one, other) = (one.unwrap_or("(end)"), other.unwrap_or("(end)"));
                return Some(format!(
                    "{name}:{number}\n  written: {one}\n  played:  {other}"
                ));
            }
        }
    }
    None
}

#[test]
fn every_transcript_is_played_as_it_is_written() {
    let wanted = std::env::var("CHAT").unwrap_or_default();
    let update = std::env::var_os("UPDATE_CHAT").is_some();
    let mut transcripts = transcripts();
    transcripts.retain(|(file, _)| file.to_string_lossy().contains(&wanted));
    let queue = Mutex::new(transcripts.into_iter());
    let differences = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some((file, written)) = next(&queue) {
                    let played = script::play(&written)
                        .unwrap_or_else(|why| panic!("{}: {why}", file.display()));
                    if update {
                        fs::write(&file, played).unwrap();
                    } else if let Some(found) = difference(&file, &written, &played) {
                        differences.lock().unwrap().push(found);
                    }
                }
            });
        }
    });
    let differences = differences.into_inner().unwrap();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

fn next<T>(queue: &Mutex<std::vec::IntoIter<T>>) -> Option<T> {
    queue.lock().unwrap().next()
}

#[test]
fn a_wrong_line_would_be_noticed() {
    let right = script::play("> list\n").unwrap();

    assert_eq!(
        right,
        "> list\n< The vault is empty. Share a photo here and I keep it.\n"
    );
    let wrong = right.replace("empty", "full");
    let found = difference(Path::new("x.txt"), &wrong, &right).unwrap();
    assert!(found.starts_with("x.txt:2\n"), "{found}");
    assert!(difference(Path::new("x.txt"), &right, &right).is_none());
}

#[test]
fn a_line_that_is_none_of_the_four_stops_the_play() {
    for line in ["list", ">list", "! the moon rises", "! photo x arrives"] {
        assert!(script::play(line).is_err(), "{line}");
    }
}

#[test]
fn every_command_is_in_a_transcript() {
    let texts: Vec<String> = transcripts().into_iter().map(|(_, text)| text).collect();
    let is_played = |verb: &str| {
        let lines = texts.iter().flat_map(|text| text.lines());
        let mut said = lines.filter_map(|line| line.strip_prefix("> "));
        said.any(|line| line.split(' ').next() == Some(verb))
    };

    for verb in VERBS {
        assert!(is_played(verb.name), "no transcript plays {}", verb.name);
    }
    assert!(!is_played("fly"), "the control");
}
