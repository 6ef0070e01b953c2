//! What a decoder that was taken over could do.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

/// Has everything tried; returns what was done.
fn tried(how: &str, inside: &Path, outside: &Path) -> BTreeMap<String, bool> {
    let output = Command::new(env!("CARGO_BIN_EXE_strongroom"))
        .args(["sandbox-probe", how])
        .args([inside, outside])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().map(|line| {
        let (what, done) = line.rsplit_once(": ").unwrap();
        (what.to_owned(), done == "yes")
    });
    lines.collect()
}

#[test]
fn a_decoder_can_do_nothing_and_the_same_program_without_walls_can() {
    let place = tempfile::tempdir().unwrap();
    let folder = |name: &str| {
        let folder = place.path().join(name);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("secret"), "x").unwrap();
        folder
    };

    let walled = tried("--decoder", &folder("a"), &folder("b"));
    let bare = tried("--bare", &folder("c"), &folder("d"));

    let done = |tried: &BTreeMap<String, bool>| -> Vec<String> {
        let done = tried.iter().filter(|(_, done)| **done);
        done.map(|(what, _)| what.clone()).collect()
    };
    assert_eq!(done(&walled), Vec::<String>::new());
    assert_eq!(walled.len(), bare.len());
    assert!(done(&bare).len() >= 15, "{:?}", done(&bare));
}
