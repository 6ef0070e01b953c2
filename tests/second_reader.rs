//! A vault that the crate makes is read, every byte of it, by `docs/formats/reader.py`: a reader in
//! another language that was written from the documents. So the documents are enough.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::{
    collections::BTreeMap,
    env, fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use getrandom::SysRng;
use vault::{BlobId, KEY_FILE_NAME, Metadata, OpenVault, Sealer, SlotSecret, VaultFolder};

/// Lengths of content around the borders of chunks, padding and the metadata record.
const LENGTHS: [usize; 12] = [
    0, 1, 4095, 4096, 12_287, 12_288, 12_289, 16_384, 28_672, 32_768, 70_001, 300_000,
];

/// A vault of three epochs with files of each; the stick and the words open it, a third slot does not
/// any more.
struct Vault {
    place: tempfile::TempDir,
    words: String,
    files: Vec<(BlobId, String, Vec<u8>)>,
}

impl Vault {
    fn make() -> Self {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("vault");
        let [stick, paper, lost, lent] =
            [(); 4].map(|()| SlotSecret::generate(&mut SysRng).unwrap());
        let slots = [
            (&stick, "stick"),
            (&paper, "paper"),
            (&lost, "lost"),
            (&lent, "lent"),
        ];
        let mut public = VaultFolder::create(&path, None, &slots, &mut SysRng, UNIX_EPOCH).unwrap();
        fs::write(
            place.path().join(KEY_FILE_NAME),
            stick.to_key_file(&public.vault),
        )
        .unwrap();
        fs::write(
            place.path().join("revoked.key"),
            lost.to_key_file(&public.vault),
        )
        .unwrap();
        let mut made = Self {
            words: paper.to_words().expose_to_owner().to_owned(),
            files: Vec::new(),
            place,
        };
        for (epoch, length) in LENGTHS.into_iter().enumerate() {
            if let Some(revoked) = [(4, &lost), (8, &lent)].iter().find(|it| it.0 == epoch) {
                let mut open = OpenVault::open(&path, &stick, UNIX_EPOCH).unwrap();
                public = open.revoke(&revoked.1.slot_id(), &mut SysRng).unwrap();
            }
            let sealer = Sealer::new(&public, VaultFolder::open(&path).unwrap()).unwrap();
            made.keep(&sealer, length);
        }
        assert_eq!(public.epoch, 3);
        made
    }

    fn keep(&mut self, sealer: &Sealer, length: usize) {
        let blob = BlobId::random(&mut SysRng).unwrap();
        let content: Vec<u8> = (0..length)
            .map(|at| (at * at / 5 + length).to_le_bytes()[0])
            .collect();
        let name = format!("Größe {length}.jpg");
        let metadata = Metadata {
            name: Some(name.clone()),
            received_at: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000)),
            ..Metadata::default()
        };
        let mut writer = sealer.start(&blob, &mut SysRng).unwrap();
        writer.write_all(&content).unwrap();
        writer.finish(metadata).unwrap();
        self.files.push((blob, name, content));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    fn blob_path(&self, blob: &BlobId) -> PathBuf {
        let name = blob.to_string();
        self.path("vault/blobs")
            .join(&name[..2])
            .join(name + ".blob")
    }

    /// Runs the reader with a key file, or with words that are typed in.
    fn read(&self, key: &str, typed: &str, task: &[&str]) -> Output {
        let key = if key == "-" {
            PathBuf::from(key)
        } else {
            self.path(key)
        };
        run_reader(&self.path("vault"), &key, typed, task)
    }

    /// The lines of a whole `list` or `verify`.
    fn listing(&self) -> Vec<String> {
        let mut lines: Vec<String> = self
            .files
            .iter()
            .map(|(blob, name, content)| format!("{blob} {} {name}", content.len()))
            .collect();
        lines.sort();
        lines
    }
}

fn run_reader(vault: &Path, key: &Path, typed: &str, task: &[&str]) -> Output {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = env::var_os("STRONGROOM_PEERS_PYTHON").map_or_else(
        || project.join("target/peers-venv/bin/python"),
        PathBuf::from,
    );
    let mut child = Command::new(python)
        .arg("-B")
        .arg(project.join("docs/formats/reader.py"))
        .arg(vault)
        .arg(key)
        .args(task)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut keyboard = child.stdin.take().unwrap();
    // A reader that takes the key from a file does not listen.
    let _ = keyboard.write_all(typed.as_bytes());
    drop(keyboard);
    child.wait_with_output().unwrap()
}

fn lines(output: &Output) -> Vec<String> {
    String::from_utf8(output.stdout.clone())
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_reader_made_from_the_documents_reads_every_byte_by_key_and_by_words() {
    let vault = Vault::make();
    // As a tired person types them: capitals, numbers, four letters where they are enough.
    let typed: String = (1..)
        .zip(vault.words.split(' '))
        .map(|(number, word)| format!("{number}. {}\n", word[..word.len().min(4)].to_uppercase()))
        .collect();

    for (key, typed) in [
        (KEY_FILE_NAME, ""),
        ("-", vault.words.as_str()),
        ("-", &typed),
    ] {
        let listed = vault.read(key, typed, &["list"]);
        assert_eq!(listed.status.code(), Some(0), "{listed:?}");
        assert_eq!(lines(&listed), vault.listing());
    }
    let out = vault.path("out");
    fs::create_dir(&out).unwrap();
    let extracted = vault.read(KEY_FILE_NAME, "", &["extract", out.to_str().unwrap()]);
    assert_eq!(extracted.status.code(), Some(0), "{extracted:?}");
    assert_eq!(fs::read_dir(&out).unwrap().count(), vault.files.len());
    for (_, name, content) in &vault.files {
        assert!(fs::read(out.join(name)).unwrap() == *content, "{name}");
    }

    // One alone, and one whose name is taken.
    let (blob, name, content) = vault.files.last().unwrap();
    let blob = blob.to_string();
    let one = vault.read(
        "-",
        &vault.words,
        &["extract", out.to_str().unwrap(), &blob],
    );
    assert_eq!(one.status.code(), Some(0), "{one:?}");
    assert!(fs::read(out.join(format!("{blob} {name}"))).unwrap() == *content);
    assert_eq!(fs::read_dir(&out).unwrap().count(), vault.files.len() + 1);
}

#[test]
fn the_reader_refuses_a_wrong_key_and_every_blob_with_a_flipped_byte() {
    let vault = Vault::make();
    let honest = vault.read(KEY_FILE_NAME, "", &["verify"]);
    assert_eq!(
        (honest.status.code(), lines(&honest)),
        (Some(0), vault.listing())
    );

    let other = Vault::make();
    for (key, typed) in [
        ("revoked.key", ""),
        ("-", other.words.as_str()),
        ("-", "abandon"),
    ] {
        let refused = vault.read(key, typed, &["list"]);
        assert_eq!(refused.status.code(), Some(3), "{refused:?}");
        assert_eq!(refused.stdout, b"");
    }

    // Magic, names, epoch, KEM, file key, salt, commitment, content, padding or record, tag.
    let places = [
        3,
        20,
        40,
        47,
        600,
        1200,
        1220,
        1250,
        1300,
        4000,
        5000,
        usize::MAX,
    ];
    for ((blob, _, _), place) in vault.files.iter().zip(places) {
        let path = vault.blob_path(blob);
        let mut bytes = fs::read(&path).unwrap();
        let place = place.min(bytes.len() - 1);
        bytes[place] ^= 0x10;
        fs::write(path, bytes).unwrap();
    }
    let refused = vault.read(KEY_FILE_NAME, "", &["verify"]);
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!(refused.stdout, b"", "{refused:?}");
    let out = vault.path("out");
    fs::create_dir(&out).unwrap();
    let refused = vault.read(KEY_FILE_NAME, "", &["extract", out.to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(1));
    for (_, name, _) in &vault.files {
        assert!(!out.join(name).exists(), "{name}");
    }
}

/// The value of a line of a frozen vector.
fn field<'a>(text: &'a str, name: &str) -> &'a str {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    line.unwrap_or_else(|| panic!("no {name}"))
}

#[test]
fn the_reader_takes_and_refuses_the_frozen_vectors_as_they_say() {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/vault/tests/vectors");
    let text = fs::read_to_string(vectors.join("vault.txt")).unwrap();
    let bytes = |name: &str| hex::decode(field(&text, name)).unwrap();
    let place = tempfile::tempdir().unwrap();
    let (vault, key) = (place.path().join("vault"), place.path().join(KEY_FILE_NAME));
    let epoch = vault.join("epochs/0000000001");
    fs::create_dir_all(&epoch).unwrap();
    let record = bytes("slot-record");
    fs::write(epoch.join(hex::encode(&record[28..44]) + ".slot"), record).unwrap();
    fs::write(&key, bytes("key-file")).unwrap();
    // Blobs of one name cannot lie in one vault: each round has one of each.
    let mut rounds: Vec<BTreeMap<String, (String, String)>> = Vec::new();
    for entry in fs::read_dir(vectors).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with("blob_") {
            let text = fs::read_to_string(path).unwrap();
            let blob = field(&text, "blob-id").to_owned();
            if rounds.iter().all(|it| it.contains_key(&blob)) {
                rounds.push(BTreeMap::new());
            }
            let round = rounds.iter_mut().find(|it| !it.contains_key(&blob));
            round.unwrap().insert(blob, (name, text));
        }
    }

    let (mut right, mut wrong) = (0, 0);
    for round in rounds {
        for (blob, (_, text)) in &round {
            let folder = vault.join("blobs").join(&blob[..2]);
            fs::create_dir_all(&folder).unwrap();
            let body = text.split_once("\n\n").unwrap().1.replace('\n', "");
            let path = folder.join(format!("{blob}.blob"));
            fs::write(path, hex::decode(body).unwrap()).unwrap();
        }

        let taken = lines(&run_reader(&vault, &key, "", &["verify"]));

        for (blob, (name, text)) in &round {
            if field(text, "expect") == "success" {
                let line = format!("{blob} {} photo ü.jpg", field(text, "size"));
                assert!(taken.contains(&line), "{name}");
                right += 1;
            } else {
                assert!(!taken.iter().any(|it| it.starts_with(blob)), "{name}");
                wrong += 1;
            }
        }
        fs::remove_dir_all(vault.join("blobs")).unwrap();
    }
    assert_eq!((right, wrong), (7, 24));
}
