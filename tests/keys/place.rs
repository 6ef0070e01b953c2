//! A vault made by set-up, with its stick, card and drive as folders; no server, no daemon.

use std::{
    fs,
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::SystemTime,
};

use tempfile::TempDir;
use vault::{
    Attributes, BlobId, Index, Metadata, OpenVault, Origin, PublicHalf, Sealer, SlotSecret,
    VaultFolder,
};

/// A vault's home. Dropping it removes everything.
pub(crate) struct Place {
    folder: TempDir,
    /// The recovery words that set-up printed.
    pub(crate) words: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self::with(&[])
    }

    /// Makes a vault with further arguments of `strongroom init`.
    pub(crate) fn with(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut place = Self {
            folder,
            words: String::new(),
        };
        fs::create_dir(place.stick()).unwrap();
        fs::write(place.path("password"), "secret\n").unwrap();
        let mut all = vec!["init"];
        let owned = place.account("card", "stick");
        all.extend(owned.iter().map(String::as_str));
        all.extend_from_slice(arguments);
        let made = place.run(&all, "");
        assert!(made.status.success(), "{}", complaint(&made));
        place.words = words(&said(&made));
        place
    }

    /// The arguments that `init` and `recover` share.
    pub(crate) fn account(&self, card: &str, stick: &str) -> Vec<String> {
        let path = |name: &str| self.path(name).to_str().unwrap().to_owned();
        let mut arguments: Vec<String> = ["--trial", "--jid", "vault@example.org"]
            .into_iter()
            .chain(["--owner", "me@example.org"])
            .map(str::to_owned)
            .collect();
        for (name, value) in [
            ("--password-file", path("password")),
            ("--data", path("drive")),
            ("--key", path(stick)),
            ("--system", path(card)),
        ] {
            arguments.extend([name.to_owned(), value]);
        }
        arguments
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn stick(&self) -> PathBuf {
        self.path("stick")
    }

    pub(crate) fn drive(&self) -> PathBuf {
        self.path("drive")
    }

    pub(crate) fn card(&self) -> PathBuf {
        self.path("card")
    }

    /// Makes an empty folder, as an empty stick is.
    pub(crate) fn empty(&self, name: &str) -> String {
        let path = self.path(name);
        fs::create_dir(&path).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Runs `strongroom` with this place's settings and something typed in.
    pub(crate) fn run(&self, arguments: &[&str], typed: &str) -> Output {
        self.run_at("settings.toml", None, arguments, typed)
    }

    /// Does as [`Place::run`], killed at a crash point.
    pub(crate) fn crash(&self, point: &str, arguments: &[&str], typed: &str) {
        use std::os::unix::process::ExitStatusExt as _;
        let output = self.run_at("settings.toml", Some(point), arguments, typed);
        assert_eq!(
            output.status.signal(),
            Some(9),
            "at \"{point}\": {}",
            complaint(&output)
        );
    }

    pub(crate) fn run_at(
        &self,
        settings: &str,
        crash_at: Option<&str>,
        arguments: &[&str],
        typed: &str,
    ) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_strongroom"));
        command.arg("--config").arg(self.path(settings));
        if let Some(point) = crash_at {
            command.env("STRONGROOM_CRASH_AT", point);
        }
        let mut child = command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut keyboard = child.stdin.take().unwrap();
        // A program that refuses at once reads nothing.
        let _ = keyboard.write_all(typed.as_bytes());
        drop(keyboard);
        child.wait_with_output().unwrap()
    }

    /// Runs a command that must succeed, and returns what it said.
    pub(crate) fn must(&self, arguments: &[&str], typed: &str) -> String {
        let output = self.run(arguments, typed);
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            complaint(&output)
        );
        said(&output)
    }

    /// Runs a command that must be refused, and returns why.
    pub(crate) fn refused(&self, arguments: &[&str], typed: &str) -> String {
        let output = self.run(arguments, typed);
        assert!(!output.status.success(), "{arguments:?}: {}", said(&output));
        complaint(&output)
    }

    /// Seals a file with what the card has, as the daemon does.
    pub(crate) fn seal(&self, content: &[u8]) -> BlobId {
        let half = fs::read(self.card().join("vault.pub")).unwrap();
        let half = PublicHalf::from_bytes(&half).unwrap();
        let folder = VaultFolder::open(&self.drive()).unwrap();
        let blob = BlobId::random(&mut getrandom::SysRng).unwrap();
        let sealer = Sealer::new(&half, folder).unwrap();
        let mut writer = sealer.start(&blob, &mut getrandom::SysRng).unwrap();
        writer.write_all(content).unwrap();
        writer.finish(Metadata::default()).unwrap();
        blob
    }

    /// Seals files and enters them into the index, as the vault process does.
    pub(crate) fn store(&self, contents: &[Vec<u8>]) -> Vec<BlobId> {
        let blobs: Vec<BlobId> = contents.iter().map(|it| self.seal(it)).collect();
        let vault = open(&self.drive(), &key_in(&self.stick())).unwrap();
        let (mut index, _) = Index::open(&vault, SystemTime::now()).unwrap();
        for blob in &blobs {
            let attributes = Attributes {
                origin: Origin::Proven,
                caption: None,
            };
            index.adopt(blob, attributes, SystemTime::now()).unwrap();
        }
        blobs
    }
}

pub(crate) fn said(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn complaint(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

pub(crate) fn key_in(stick: &Path) -> SlotSecret {
    let bytes = fs::read(stick.join("strongroom.key")).unwrap();
    SlotSecret::from_key_file(&bytes).unwrap().secret
}

pub(crate) fn open(drive: &Path, secret: &SlotSecret) -> Option<OpenVault> {
    OpenVault::open(drive, secret, SystemTime::now()).ok()
}

/// Counts how many of these contents a secret gets out of a drive.
pub(crate) fn opened(
    drive: &Path,
    secret: &SlotSecret,
    blobs: &[BlobId],
    contents: &[Vec<u8>],
) -> usize {
    let Some(vault) = open(drive, secret) else {
        return 0;
    };
    let right = |(blob, content): (&BlobId, &Vec<u8>)| {
        let mut read = Vec::new();
        let whole = vault
            .reader(blob)
            .is_ok_and(|mut it| it.read_to_end(&mut read).is_ok());
        usize::from(whole && read == *content)
    };
    blobs.iter().zip(contents).map(right).sum()
}

/// Copies a folder with all that is in it.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target)
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

/// Reads the table of numbered words in what set-up printed.
fn words(said: &str) -> String {
    let table = said
        .lines()
        .skip_while(|line| !line.starts_with("RECOVERY WORDS"))
        .filter(|line| line.starts_with("    "))
        .take(4);
    let pairs: Vec<&str> = table.flat_map(str::split_whitespace).collect();
    let words: Vec<&str> = pairs.chunks(2).map(|pair| pair[1]).collect();
    assert_eq!(words.len(), 24, "{said}");
    words.join(" ")
}
