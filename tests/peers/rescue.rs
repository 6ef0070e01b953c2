//! What the daemon stored, the rescue tool gets out: by the key device, and by the recovery words
//! that set-up printed.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use crate::{
    home::{Home, VAULT, files, noise},
    prosody::jid,
};

/// Bytes of each file.
const FILE_BYTES: usize = 20_000;

/// The tool lies beside the program under test.
fn tool() -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_strongroom")).with_file_name("strongroom-rescue");
    assert!(
        path.exists(),
        "{} is not built: run `make test`, or `cargo build -p strongroom-vault` first",
        path.display()
    );
    path
}

/// Runs the tool on a home's vault; the words, if any, are typed in.
pub(crate) fn rescue(home: &Home, words: Option<&str>, task: &[&str]) -> Output {
    let mut command = Command::new(tool());
    command.arg("--vault").arg(home.vault());
    match words {
        Some(_) => command.arg("--words"),
        None => command.arg("--key").arg(home.stick()),
    };
    let mut child = command
        .args(task)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut keyboard = child.stdin.take().unwrap();
    if let Some(words) = words {
        writeln!(keyboard, "{words}").unwrap();
    }
    drop(keyboard);
    child.wait_with_output().unwrap()
}

pub(crate) fn said(output: &Output) -> (Option<i32>, &str) {
    let text = std::str::from_utf8(&output.stdout).unwrap();
    (output.status.code(), text)
}

/// A vault into which the daemon has put two files while open and one while locked.
fn used_home() -> Home {
    let mut home = Home::new();
    home.start();
    let mut phone = home.paired_phone();
    let path = home.path("to-share.bin");
    for (number, name, told) in [
        (1, "summer.jpg", "stored"),
        (2, "größe.jpg", "stored"),
        (3, "late.jpg", "for the key"),
    ] {
        if number == 3 {
            home.pull_key();
            phone.wait_reply("The key is gone");
        }
        fs::write(&path, noise(FILE_BYTES, number)).unwrap();
        phone.send_file(&jid(VAULT), &path, name);
        phone.wait_reply(told);
    }
    home.stop();
    home.insert_key();
    home
}

#[test]
fn what_the_daemon_stored_is_rescued_by_key_and_by_words() {
    let home = used_home();
    let before: Vec<_> = contents(&home.vault());

    for words in [None, Some(home.words())] {
        let by = if words.is_some() { "words" } else { "key" };
        let listed = rescue(&home, words, &["list"]);
        let (code, list) = said(&listed);
        assert_eq!(code, Some(0), "{listed:?}");
        let lines: Vec<&str> = list.lines().collect();
        assert_eq!(lines.len(), 3, "{list}");
        let names = ["summer.jpg", "größe.jpg", "late.jpg"];
        for ((number, name), line) in (1..).zip(names).zip(lines) {
            let day = &line[8..18];
            assert!(day.starts_with("20") && day.matches('-').count() == 2);
            // No key holder has vouched yet for the file that waited.
            let doubt = if number == 3 {
                " (origin unproven)"
            } else {
                ""
            };
            assert_eq!(line, format!("{number:>6}  {day}     20 kB  {name}{doubt}"));
        }

        let out = home.path(by);
        let extracted = rescue(&home, words, &["extract", "--all", out.to_str().unwrap()]);
        assert_eq!(extracted.status.code(), Some(0), "{extracted:?}");
        assert_eq!(files(&out).len(), 3);
        for (number, name) in (1..).zip(names) {
            let file = fs::read(out.join(name)).unwrap();
            assert!(file == noise(FILE_BYTES, number), "{name}");
        }

        let verified = rescue(&home, words, &["verify"]);
        let sound = "3 of 3 files hold in every byte, 60 kB in all.\n";
        assert_eq!(said(&verified), (Some(0), sound));
    }

    assert!(contents(&home.vault()) == before, "the vault is untouched");
}

#[test]
fn the_rescue_tool_refuses_other_words_and_names_a_damaged_file() {
    let home = used_home();
    let other = Home::new();

    let refused = rescue(&home, Some(other.words()), &["list"]);
    assert_eq!(said(&refused), (Some(3), ""));
    assert_eq!(
        String::from_utf8(refused.stderr).unwrap().lines().last(),
        Some(
            "These words do not open this vault: they are another vault's, or were revoked. \
             Compare them with your page, or use a key stick."
        )
    );

    let path = &home.blobs()[0];
    let mut blob = fs::read(path).unwrap();
    let middle = blob.len() / 2;
    blob[middle] ^= 1;
    fs::write(path, blob).unwrap();
    let verified = rescue(&home, None, &["verify"]);
    assert_eq!(
        said(&verified),
        (Some(1), "2 of 3 files hold in every byte, 40 kB in all.\n")
    );
    let out = home.path("out");
    let extracted = rescue(&home, None, &["extract", "--all", out.to_str().unwrap()]);
    assert_eq!(extracted.status.code(), Some(1));
    assert_eq!(files(&out).len(), 2, "{extracted:?}");
}

/// Every file below a folder with its bytes.
fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let read = |path: PathBuf| {
        let bytes = fs::read(&path).unwrap();
        (path, bytes)
    };
    files(folder).into_iter().map(read).collect()
}
