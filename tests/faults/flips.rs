//! F13: flipped bits. Whatever bit changes on card or drive, no wrong byte is handed out, no program
//! panics, and what is not harmed stays readable.

use std::{
    fs,
    io::Read as _,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    time::SystemTime,
};

use strongroom::state::{JobKind, State};
use vault::{BlobId, Index, OpenVault};

use crate::{
    Extent,
    home::{Home, Said, Wrong, content, file_name, walk},
    record::Dice,
    run::{Harm, Task, work},
    table::Row,
};

const MESSAGES: u64 = 6;

/// Flips in blobs, index and change log, state; and every byte of one blob.
pub(crate) fn flipped(extent: Extent) -> Vec<Row> {
    let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let home = Home::make(&place.path().join("home"));
    let mut said = Said::default();
    for (manner, messages) in [("open", MESSAGES - 1), ("locked", MESSAGES)] {
        let task = Task {
            manner,
            messages,
            flaw: "",
        };
        work(&home, task, &Harm::default(), &mut said);
    }
    let wrong = home.check_told(&said);
    assert!(wrong.is_nothing(), "before any harm: {wrong:?}");
    vec![
        every_byte(&home, extent),
        blobs(&home, extent.times(500, 6_000)),
        indexes(&home, extent.times(60, 2_000)),
        states(&home, extent.times(60, 2_000)),
    ]
}

/// Files below a folder whose names end like this.
fn files(folder: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let all = walk(folder).into_values().flatten();
    all.filter(|path| {
        endings
            .iter()
            .any(|it| path.to_string_lossy().ends_with(it))
    })
    .collect()
}

fn blob_id(path: &Path) -> BlobId {
    path.file_stem().unwrap().to_str().unwrap().parse().unwrap()
}

/// Reads a blob as a caller would who checks nothing; `None` if it is refused.
fn read(vault: &OpenVault, path: &Path) -> Option<(String, Vec<u8>)> {
    let mut reader = vault.reader(&blob_id(path)).ok()?;
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).ok()?;
    reader.verify().ok()?;
    Some((reader.metadata().name.clone().unwrap_or_default(), bytes))
}

/// Flips a bit of a file, has it looked at, and puts it back.
fn with_flip<T>(path: &Path, bit: usize, look: impl FnOnce() -> T) -> T {
    let honest = fs::read(path).unwrap();
    let mut bytes = honest.clone();
    bytes[bit / 8] ^= 1 << (bit % 8);
    fs::write(path, bytes).unwrap();
    let seen = look();
    fs::write(path, honest).unwrap();
    seen
}

/// Checks that a blob with this flip is refused; there is no byte in it that does not matter.
fn check_blob(vault: &OpenVault, path: &Path, bit: usize, row: &mut Row) {
    let seen = with_flip(path, bit, || {
        catch_unwind(AssertUnwindSafe(|| read(vault, path)))
    });
    row.harmed += 1;
    let mut wrong = Wrong::default();
    if let Ok(Some(_)) = seen {
        wrong.half.push("was taken for whole".to_owned());
    }
    let panicked = seen.is_err().then(|| "panicked".to_owned());
    row.add(
        &format!("bit {bit} of {}", path.display()),
        &wrong,
        panicked,
    );
}

fn every_byte(home: &Home, extent: Extent) -> Row {
    let vault = home.open().unwrap();
    let blobs = files(&home.vault(), &[".blob"]);
    let path = blobs
        .iter()
        .min_by_key(|it| fs::metadata(it).unwrap().len());
    let path = path.unwrap();
    let bytes = usize::try_from(fs::metadata(path).unwrap().len()).unwrap();
    let mut row = Row::new("F13 every byte of one blob");
    assert!(read(&vault, path).is_some(), "the honest twin opens");
    for byte in (0..bytes).step_by(extent.times(13, 1)) {
        check_blob(&vault, path, byte * 8 + byte % 8, &mut row);
    }
    row
}

fn blobs(home: &Home, count: usize) -> Row {
    let vault = home.open().unwrap();
    let blobs = files(&home.vault(), &[".blob"]);
    assert_eq!(blobs.len() as u64, MESSAGES);
    for path in &blobs {
        let (name, bytes) = read(&vault, path).unwrap();
        assert!(bytes == content(crate::home::message_of(&name)), "{name}");
    }
    let mut row = Row::new("F13 bits of blobs");
    let mut dice = Dice::new(13);
    for _ in 0..count {
        let path = &blobs[dice.below(blobs.len())];
        let bits = usize::try_from(fs::metadata(path).unwrap().len()).unwrap() * 8;
        check_blob(&vault, path, dice.below(bits), &mut row);
    }
    row
}

/// After a flip in the index or the change log the vault opens with all files under the names they
/// have, or says that the index cannot be used; its blobs and numbers told stay readable.
fn indexes(home: &Home, count: usize) -> Row {
    let mut row = Row::new("F13 bits of index and change log");
    let mut dice = Dice::new(131);
    let harmed = home.0.with_extension("flipped");
    for _ in 0..count {
        let copy = home.copy_to(&harmed);
        let found = files(&copy.vault(), &[".db", ".db-wal", ".log"]);
        assert!(found.len() >= 2, "{found:?}");
        let path = &found[dice.below(found.len())];
        let length = usize::try_from(fs::metadata(path).unwrap().len()).unwrap();
        if length > 0 {
            let bit = dice.below(length * 8);
            let mut bytes = fs::read(path).unwrap();
            bytes[bit / 8] ^= 1 << (bit % 8);
            fs::write(path, bytes).unwrap();
            row.harmed += 1;
            let seen = catch_unwind(AssertUnwindSafe(|| listed(&copy)));
            let what = format!("bit {bit} of {}", path.display());
            match seen {
                Ok(wrong) => row.add(&what, &wrong, None),
                Err(_) => row.add(&what, &Wrong::default(), Some("panicked".to_owned())),
            }
        }
        copy.remove();
    }
    row
}

fn listed(home: &Home) -> Wrong {
    let mut wrong = Wrong::default();
    let vault = home.open().unwrap();
    let Ok((index, _)) = Index::open(&vault, SystemTime::now()) else {
        return wrong;
    };
    // A page that is not looked at may be harmed without being noticed; then it is asked for.
    let listed = if index.is_sound().unwrap_or(false) {
        index.list(None, 100)
    } else {
        match index.rebuild(SystemTime::now()) {
            Ok((index, _)) => index.list(None, 100),
            Err(_) => return wrong,
        }
    };
    let Ok(entries) = listed else {
        return wrong;
    };
    for number in 1..=MESSAGES {
        let name = file_name(number);
        let same = entries
            .iter()
            .filter(|it| it.metadata.name.as_deref() == Some(&name))
            .count();
        // The last one waits for the key: a rebuilt index has it as well, an old one not yet.
        if same == 0 && number < MESSAGES {
            wrong.lost.push(name);
        } else if same > 1 {
            wrong.doubled.push(name);
        }
    }
    for entry in entries {
        let name = entry.metadata.name.clone().unwrap_or_default();
        let mut bytes = Vec::new();
        let read = vault
            .reader(&entry.blob_id)
            .map(|mut it| it.read_to_end(&mut bytes));
        if !matches!(read, Ok(Ok(_))) || bytes != content(crate::home::message_of(&name)) {
            wrong.half.push(name);
        }
    }
    wrong
}

/// After a flip in the state database it opens with the job it has, or says that it is damaged.
fn states(home: &Home, count: usize) -> Row {
    let mut row = Row::new("F13 bits of the state");
    let mut dice = Dice::new(132);
    let card = home.0.join("card");
    let harmed = home.0.with_extension("card");
    let honest = names(&card).unwrap();
    assert_eq!(honest, [file_name(MESSAGES)]);
    for _ in 0..count {
        let _ = fs::remove_dir_all(&harmed);
        fs::create_dir(&harmed).unwrap();
        for path in files(&card, &["state.db", "state.db-wal", "state.key"]) {
            fs::copy(&path, harmed.join(path.file_name().unwrap())).unwrap();
        }
        let found = files(&harmed, &[""]);
        let path = &found[dice.below(found.len())];
        let length = usize::try_from(fs::metadata(path).unwrap().len()).unwrap();
        if length == 0 {
            continue;
        }
        let bit = dice.below(length * 8);
        let mut bytes = fs::read(path).unwrap();
        bytes[bit / 8] ^= 1 << (bit % 8);
        fs::write(path, bytes).unwrap();
        row.harmed += 1;
        let what = format!("bit {bit} of {}", path.display());
        let mut wrong = Wrong::default();
        match catch_unwind(AssertUnwindSafe(|| names(&harmed))) {
            Ok(Ok(names)) if names == honest => row.add(&what, &wrong, None),
            Ok(Ok(names)) => {
                wrong.lost.push(format!("the job, {names:?} instead"));
                row.add(&what, &wrong, None);
            }
            Ok(Err(_)) => row.add(&what, &wrong, None),
            Err(_) => row.add(&what, &wrong, Some("panicked".to_owned())),
        }
    }
    row
}

/// The files of the open jobs.
fn names(card: &Path) -> Result<Vec<String>, String> {
    let say = |error: strongroom::state::StateError| error.to_string();
    let mut state = State::open(card).map_err(say)?;
    let step = state.begin().map_err(say)?;
    let jobs: Vec<strongroom::keeper::intake::Intake> = step.jobs(JobKind::Intake).map_err(say)?;
    Ok(jobs.into_iter().map(|it| it.name).collect())
}
