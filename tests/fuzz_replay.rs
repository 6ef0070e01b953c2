//! Runs the committed fuzz corpus through the fuzz targets, without a fuzzer.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    unreachable_pub,
    reason = "a test; the files of the fuzz workspace are part of it"
)]

use std::{collections::BTreeMap, env, fs, path::PathBuf};

#[path = "../fuzz/src/seeds.rs"]
mod seeds;
#[path = "../fuzz/src/targets.rs"]
mod targets;

use targets::{TARGETS, Target, Verdict};

fn fuzz() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// The files of one target's corpus: name and content.
fn corpus(target: &str) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(fuzz().join("corpus").join(target)).expect(target);
    files
        .map(|file| {
            let file = file.unwrap();
            let name = file.file_name().into_string().unwrap();
            (name, fs::read(file.path()).unwrap())
        })
        .collect()
}

/// Whether a file's name allows this verdict. Names of seeds begin with it; what the fuzzer found
/// must only not panic.
fn is_as_named(name: &str, verdict: Verdict) -> bool {
    let promised = name.split("--").next().unwrap();
    let is_seed = promised.starts_with("accepted-") || promised.starts_with("refused-");
    !is_seed || promised == verdict.to_string()
}

/// Runs a corpus; returns the verdicts of its seeds. Fails at the first that is not as named.
fn replay(name: &str, target: Target) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for (file, bytes) in corpus(name) {
        let verdict = target(&bytes);
        assert!(is_as_named(&file, verdict), "{name}/{file}: {verdict}");
        verdicts.push(verdict);
    }
    verdicts
}

#[test]
fn every_seed_gets_the_verdict_in_its_name_and_every_corpus_has_both_kinds() {
    let mut replayed = 0;
    for (name, target) in TARGETS {
        let verdicts = replay(name, *target);
        replayed += verdicts.len();
        let accepted = |it: &Verdict| matches!(it, Verdict::Accepted(_));
        assert!(verdicts.iter().any(accepted), "{name} accepts nothing");
        assert!(!verdicts.iter().all(accepted), "{name} refuses nothing");
    }
    println!("{replayed} inputs of {} targets", TARGETS.len());
}

#[test]
fn a_wrong_verdict_would_be_noticed() {
    let (_, link) = TARGETS.iter().find(|(name, _)| *name == "link").unwrap();

    let verdict = link(b"hello");

    assert_eq!(verdict, Verdict::Refused("not-hex"));
    assert!(is_as_named("refused-not-hex--prose", verdict));
    assert!(!is_as_named("refused-length--prose", verdict));
    assert!(!is_as_named("accepted-link", verdict));
    assert!(is_as_named("found-0a1b", verdict));
}

#[test]
fn every_target_is_built_and_has_a_corpus_and_nothing_else_has() {
    let mut targets: Vec<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    targets.sort();
    let names = |folder: &str| {
        let files = fs::read_dir(fuzz().join(folder)).unwrap();
        let name = |file: fs::DirEntry| file.path().file_stem()?.to_str().map(str::to_owned);
        let mut names: Vec<_> = files.filter_map(|file| name(file.unwrap())).collect();
        names.sort();
        names
    };
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    let mut built: Vec<_> = manifest
        .lines()
        .filter_map(|line| line.strip_prefix("path = \"fuzz_targets/"))
        .filter_map(|line| line.strip_suffix(".rs\""))
        .map(str::to_owned)
        .collect();
    built.sort();

    assert_eq!(names("fuzz_targets"), targets);
    assert_eq!(names("corpus"), targets);
    assert_eq!(built, targets);
}

/// With `UPDATE_CORPUS=1` it writes the seeds first.
#[test]
fn the_seeds_in_the_corpus_are_the_ones_that_are_made() {
    let scratch = tempfile::tempdir().unwrap();
    let made = seeds::all(scratch.path());
    if env::var_os("UPDATE_CORPUS").is_some() {
        write(&made);
    }
    for seed in &made {
        let file = format!("{}/{}", seed.target, seed.name);
        let found = corpus(seed.target).remove(&seed.name);
        assert!(
            found.as_ref() == Some(&seed.bytes),
            "{file} is out of date: run this test with UPDATE_CORPUS=1 and look at what changed"
        );
    }
    let is_made = |target: &str, name: &str| {
        let mut made = made.iter();
        made.any(|it| it.target == target && it.name == name)
    };
    for (target, _) in TARGETS {
        for name in corpus(target).keys() {
            let is_found = name.starts_with("found-");
            assert!(
                is_found || is_made(target, name),
                "nobody makes {target}/{name}"
            );
        }
    }
}

fn write(seeds: &[seeds::Seed]) {
    for (target, _) in TARGETS {
        let folder = fuzz().join("corpus").join(target);
        fs::create_dir_all(&folder).unwrap();
        for name in corpus(target).keys().filter(|it| !it.starts_with("found-")) {
            fs::remove_file(folder.join(name)).unwrap();
        }
    }
    for seed in seeds {
        let path = fuzz().join("corpus").join(seed.target).join(&seed.name);
        fs::write(path, &seed.bytes).unwrap();
    }
}
