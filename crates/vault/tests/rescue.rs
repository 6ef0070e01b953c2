//! `strongroom-rescue` as a person uses it: as a process, on a folder, with nothing else running.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test"
)]

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use getrandom::SysRng;
use vault::{
    Attributes, BlobId, Index, Metadata, OpenVault, Origin, Passphrase, Sealer, SlotSecret,
    VaultFolder,
};

const HOUR: Duration = Duration::from_secs(3600);

struct Home {
    place: tempfile::TempDir,
    secret: SlotSecret,
    blobs: Vec<BlobId>,
}

fn noon() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_790_000_000)
}

/// A vault with these files, a stick beside it, and an index unless `indexed` is false.
fn home(files: &[(&str, &[u8])], indexed: bool) -> Home {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("vault");
    let secret = SlotSecret::generate(&mut SysRng).unwrap();
    let slots = [(&secret, "stick")];
    let public = VaultFolder::create(&path, None, &slots, &mut SysRng, noon()).unwrap();
    let stick = place.path().join("stick");
    fs::create_dir(&stick).unwrap();
    fs::write(
        stick.join("strongroom.key"),
        secret.to_key_file(&public.vault),
    )
    .unwrap();
    let index = indexed.then(|| {
        let open = OpenVault::open(&path, &secret, noon()).unwrap();
        Index::open(&open, noon()).unwrap().0
    });
    let sealer = Sealer::new(&public, VaultFolder::open(&path).unwrap()).unwrap();
    let mut blobs = Vec::new();
    for (order, (name, content)) in (0..).zip(files) {
        let blob = BlobId::random(&mut SysRng).unwrap();
        let mut writer = sealer.start(&blob, &mut SysRng).unwrap();
        writer.write_all(content).unwrap();
        let metadata = Metadata {
            name: Some((*name).to_owned()),
            received_at: Some(noon() + HOUR * order),
            ..Metadata::default()
        };
        writer.finish(metadata).unwrap();
        blobs.push(blob);
    }
    if let Some(mut index) = index {
        // Entered last to first, so that numbers differ from times.
        for blob in blobs.iter().rev() {
            let proven = Attributes {
                origin: Origin::Proven,
                caption: None,
            };
            index.adopt(blob, proven, noon()).unwrap();
        }
    }
    Home {
        place,
        secret,
        blobs,
    }
}

impl Home {
    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    fn rescue(&self, arguments: &[&str]) -> Output {
        let stick = self.path("stick");
        self.rescue_with(&["--key", stick.to_str().unwrap()], arguments, "")
    }

    fn rescue_with(&self, key: &[&str], arguments: &[&str], typed: &str) -> Output {
        let mut child = Command::new(env!("CARGO_BIN_EXE_strongroom-rescue"))
            .arg("--vault")
            .arg(self.path("vault"))
            .args(key)
            .args(arguments)
            .current_dir(self.place.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A tool that needs no words may have ended already.
        let _ = child.stdin.take().unwrap().write_all(typed.as_bytes());
        child.wait_with_output().unwrap()
    }

    fn blob_path(&self, blob: &BlobId) -> PathBuf {
        let name = blob.to_string();
        self.path("vault")
            .join("blobs")
            .join(&name[..2])
            .join(format!("{name}.blob"))
    }
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn names_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Every file under a folder with its bytes and its time.
fn picture(folder: &Path) -> Vec<(PathBuf, Vec<u8>, SystemTime)> {
    let mut seen = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            seen.extend(picture(&path));
        } else {
            let time = fs::metadata(&path).unwrap().modified().unwrap();
            seen.push((path.clone(), fs::read(&path).unwrap(), time));
        }
    }
    seen.sort();
    seen
}

#[test]
fn everything_comes_out_byte_for_byte_and_the_vault_stays_as_it_was() {
    let big: Vec<u8> = (0..3_000_000_u32).map(|it| (it % 251) as u8).collect();
    let home = home(
        &[
            ("first.jpg", &big),
            ("second ü 🏖.txt", b"hello"),
            ("empty", b""),
        ],
        true,
    );
    let before = picture(&home.path("vault"));

    let listed = home.rescue(&["list"]);
    let extracted = home.rescue(&["extract", "--all", "out"]);
    let verified = home.rescue(&["verify"]);

    assert_eq!(
        out(&listed),
        "     1  2026-09-21       0 B  empty\n     \
         2  2026-09-21       5 B  second ü 🏖.txt\n     \
         3  2026-09-21    3.0 MB  first.jpg\n"
    );
    assert_eq!(
        out(&extracted),
        "#1 empty\n#2 second ü 🏖.txt\n#3 first.jpg\n"
    );
    assert_eq!(err(&extracted), "3 files written to out.\n");
    assert_eq!(
        out(&verified),
        "3 of 3 files hold in every byte, 3.0 MB in all.\n"
    );
    for output in [&listed, &extracted, &verified] {
        assert!(output.status.success());
    }
    assert!(fs::read(home.path("out/first.jpg")).unwrap() == big);
    assert_eq!(fs::read(home.path("out/second ü 🏖.txt")).unwrap(), b"hello");
    assert_eq!(fs::read(home.path("out/empty")).unwrap(), b"");
    let time = fs::metadata(home.path("out/first.jpg"))
        .unwrap()
        .modified()
        .unwrap();
    assert_eq!(time, noon());
    assert!(picture(&home.path("vault")) == before);
}

#[test]
fn words_open_the_vault_as_they_are_typed_and_never_on_the_command_line() {
    let home = home(&[("a.txt", b"a")], true);
    let words = home.secret.to_words();
    let typed = words.expose_to_owner().replace(' ', "\n");

    let listed = home.rescue_with(&["--words"], &["list"], &typed);
    let argued = home.rescue_with(&["--words", words.expose_to_owner()], &["list"], "");

    assert!(out(&listed).ends_with("a.txt\n"));
    assert!(listed.status.success());
    assert_eq!(argued.status.code(), Some(2));
}

#[test]
fn it_works_without_index_and_change_log() {
    let home = home(&[("a.txt", b"a"), ("b.txt", b"b")], false);
    fs::remove_dir_all(home.path("vault/index")).unwrap();
    fs::remove_dir_all(home.path("vault/changes")).unwrap();

    let extracted = home.rescue(&["extract", "2", "out"]);

    assert_eq!(out(&extracted), "#2 b.txt\n", "numbered by time");
    assert_eq!(fs::read(home.path("out/b.txt")).unwrap(), b"b");
    assert!(out(&home.rescue(&["list"])).contains("a.txt (origin unproven)"));
}

#[test]
fn numbers_and_ranges_pick_what_is_extracted() {
    let files: Vec<(String, Vec<u8>)> = (1..=6_u8).map(|it| (format!("{it}"), vec![it])).collect();
    let files: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(name, content)| (name.as_str(), content.as_slice()))
        .collect();
    let home = home(&files, false);

    let some = home.rescue(&["extract", "1", "#3-4", "out"]);
    let absent = home.rescue(&["extract", "2", "99", "out"]);

    assert!(some.status.success());
    assert_eq!(absent.status.code(), Some(1));
    assert!(err(&absent).starts_with("There is no #99. See \"list\" for what there is.\n"));
    assert_eq!(names_in(&home.path("out")), ["1", "2", "3", "4"]);
}

#[test]
fn names_that_mean_harm_lose_it_and_nothing_is_overwritten() {
    let home = home(
        &[
            ("../../../escape.txt", b"1"),
            ("escape.txt", b"2"),
            ("bad\u{202e}\n\u{1b}[2Jname.txt", b"3"),
            (&"ö".repeat(400), b"4"),
            ("", b"5"),
        ],
        false,
    );
    fs::create_dir(home.path("out")).unwrap();
    fs::write(home.path("out/escape.txt"), "was here before").unwrap();

    let extracted = home.rescue(&["extract", "--all", "out"]);

    assert!(extracted.status.success());
    let long = "ö".repeat(127);
    let expected = [
        "bad___[2Jname.txt",
        "escape (2).txt",
        "escape (3).txt",
        "escape.txt",
        "unnamed",
        &long,
    ];
    assert_eq!(names_in(&home.path("out")), expected);
    assert_eq!(
        fs::read(home.path("out/escape.txt")).unwrap(),
        b"was here before"
    );
    assert_eq!(fs::read(home.path("out/escape (2).txt")).unwrap(), b"1");
    assert!(!home.path("escape.txt").exists());
    assert!(!out(&extracted).contains('\u{1b}'));
}

#[test]
fn a_damaged_file_is_named_and_the_others_come_out_whole() {
    let home = home(
        &[
            ("good.txt", b"good"),
            ("bad.bin", &[7; 40_000]),
            ("gone.txt", b"x"),
        ],
        true,
    );
    let path = home.blob_path(&home.blobs[1]);
    let mut bytes = fs::read(&path).unwrap();
    bytes[20_000] ^= 1;
    fs::write(&path, &bytes).unwrap();
    fs::remove_file(home.blob_path(&home.blobs[2])).unwrap();

    let extracted = home.rescue(&["extract", "--all", "out"]);
    let verified = home.rescue(&["verify"]);

    assert_eq!(extracted.status.code(), Some(1));
    assert_eq!(names_in(&home.path("out")), ["good.txt"]);
    assert!(err(&extracted).contains("#2 bad.bin was not written: the blob does not open"));
    assert!(err(&extracted).contains("#1 is missing."));
    assert_eq!(verified.status.code(), Some(1));
    assert!(out(&verified).starts_with("1 of 2 files hold in every byte"));
    assert!(err(&verified).contains("#2: the blob does not open with this key"));
}

#[test]
fn keys_that_do_not_open_are_told_in_two_sentences() {
    let home = home(&[("a.txt", b"a")], true);
    let other = SlotSecret::generate(&mut SysRng).unwrap();
    let public = OpenVault::open(&home.path("vault"), &home.secret, noon())
        .unwrap()
        .public_half();
    let key = fs::read(home.path("stick/strongroom.key")).unwrap();
    fs::write(home.path("wrong.key"), other.to_key_file(&public.vault)).unwrap();
    fs::write(home.path("half.key"), &key[..50]).unwrap();
    fs::write(home.path("photo.key"), "JFIF").unwrap();
    fs::write(home.path("empty.key"), "").unwrap();
    fs::create_dir(home.path("empty stick")).unwrap();

    for (key, begins) in [
        (
            "wrong.key",
            "This key does not open this vault: it is another vault's, or was revoked. ",
        ),
        (
            "half.key",
            "half.key: the key file is only half written: 50 of 106 bytes. Try ",
        ),
        (
            "photo.key",
            "photo.key: this file is not a Strongroom key. Try the spare stick ",
        ),
        (
            "empty.key",
            "empty.key: the key file is empty. Try the spare stick ",
        ),
        ("absent.key", "There is no readable key at absent.key ("),
        (
            "empty stick",
            "There is no readable key at empty stick/strongroom.key (",
        ),
    ] {
        let refused = home.rescue_with(&["--key", key], &["list"], "");
        assert_eq!(refused.status.code(), Some(3), "{key}");
        assert!(
            err(&refused).starts_with(begins),
            "{key}: {}",
            err(&refused)
        );
        assert_eq!(out(&refused), "");
    }
    let words = home.secret.to_words();
    let typed = words.expose_to_owner().replacen(' ', " zzzz ", 1);
    let refused = home.rescue_with(&["--words"], &["list"], &typed);
    assert_eq!(refused.status.code(), Some(3));
    assert!(
        err(&refused).starts_with("The words do not fit: word 2, \"zzzz\", is not in the list")
    );
    let other = other.to_words();
    let refused = home.rescue_with(&["--words"], &["list"], other.expose_to_owner());
    assert!(err(&refused).starts_with("These words do not open this vault: "));
}

#[test]
fn command_lines_that_make_no_sense_change_nothing() {
    let home = home(&[("a.txt", b"a")], true);

    for (arguments, begins) in [
        (&["extract", "out"][..], "It is not clear what to extract. "),
        (
            &["extract", "--all", "1", "out"],
            "It is not clear what to extract. ",
        ),
        (&["extract", "0", "out"], "\"0\" is no number of a file. "),
        (
            &["extract", "7-3", "out"],
            "\"7-3\" is no number of a file. ",
        ),
        (
            &["extract", "--all", "vault/blobs"],
            "Files would be written into the vault itself. ",
        ),
    ] {
        let refused = home.rescue(arguments);
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}");
        assert!(
            err(&refused).starts_with(begins),
            "{arguments:?}: {}",
            err(&refused)
        );
    }
    assert!(!home.path("out").exists());
    let nowhere = Command::new(env!("CARGO_BIN_EXE_strongroom-rescue"))
        .args(["--vault", "stick", "--key", "stick", "list"])
        .current_dir(home.place.path())
        .output()
        .unwrap();
    assert_eq!(nowhere.status.code(), Some(3));
    assert!(err(&nowhere).starts_with("There is no Strongroom vault in this folder. "));
}

#[test]
fn a_key_with_a_passphrase_opens_with_it_and_with_no_other() {
    let home = home(&[("a.txt", b"a")], true);
    let vault = *VaultFolder::open(&home.path("vault")).unwrap().vault_id();
    let passphrase = Passphrase::new("eight times a day");
    let locked = home
        .secret
        .to_locked_key_file(&vault, &passphrase, &mut SysRng)
        .unwrap();
    fs::write(home.path("stick/strongroom.key"), locked).unwrap();
    let list = |typed: &str| home.rescue_with(&["--key", "stick"], &["list"], typed);

    let (right, wrong, none) = (
        list("eight times a day\n"),
        list("nine times a day\n"),
        list(""),
    );

    assert!(right.status.success() && out(&right).contains("a.txt"));
    assert_eq!((wrong.status.code(), out(&wrong)), (Some(3), String::new()));
    assert!(err(&wrong).starts_with("The key did not open: the passphrase is wrong."));
    assert_eq!((none.status.code(), out(&none)), (Some(3), String::new()));
    assert!(err(&none).starts_with("This key wants its passphrase, and none was typed."));
}
