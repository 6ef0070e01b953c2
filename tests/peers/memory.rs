//! F24: two seconds after a lock no key of the vault, no name and no content is in the memory of any
//! process of ours, with nothing in flight; before the lock the same scan finds them.
//!
//! Ours are the daemon and whatever it has started: the vault process, which has to be gone, and
//! a key agent. The owner's phone has names and contents because they are its owner's; the server
//! is looked at for keys and contents, which it never had. A server sees the name that a phone
//! asks an upload slot for (SECURITY.md), so names are no question to it. Reading another process's
//! memory takes root; without it the test says so and does nothing.

use std::{
    collections::BTreeSet,
    env, fs,
    fs::File,
    os::unix::fs::FileExt as _,
    path::Path,
    process, thread,
    time::{Duration, Instant},
};

use hpke::{
    Deserializable as _, OpModeR,
    aead::AesGcm256,
    kdf::HkdfSha256,
    kem::{Kem, XWing},
    single_shot_open,
};
use rustix::process::geteuid;
use sha2::{Sha256, Sha512};

use crate::{
    home::{Home, VAULT},
    journal::PATIENCE,
    needles::{Needles, canaries},
    phone::Phone,
    power::{row, times},
    prosody::jid,
    sandbox::{vault_process, wait_gone},
};

/// Names and contents.
const WORDS: usize = 64;
/// Files that bear the names, so many each.
const NAMES_EACH: usize = 8;
/// Long enough to be met on its way; each chunk of it holds every content.
const FILM_BYTES: usize = 16_000_000;
/// By then nothing may be found.
const AFTER_LOCK: Duration = Duration::from_secs(2);
/// Bytes of memory read at a time.
const PIECE: usize = 1024 * 1024;

/// docs/formats/blob.md, Keys
fn derived(secret: &[u8], label: &str) -> [u8; 32] {
    let mut key = [0; 32];
    let hkdf = hkdf::Hkdf::<Sha256>::from_prk(secret).unwrap();
    hkdf.expand_multi_info(&[b"strongroom/v1/", label.as_bytes()], &mut key)
        .unwrap();
    key
}

/// Opens what is sealed to the key pair of this seed. docs/formats/blob.md, Keys
fn opened(seed: &[u8; 32], purpose: &str, aad: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let (enc, ciphertext) = sealed.split_at(1120);
    single_shot_open::<AesGcm256, HkdfSha256, XWing>(
        &OpModeR::Base,
        &<XWing as Kem>::PrivateKey::from_bytes(seed).unwrap(),
        &<XWing as Kem>::EncappedKey::from_bytes(enc).unwrap(),
        format!("strongroom/v1/{purpose}").as_bytes(),
        ciphertext,
        aad,
    )
    .ok()
}

/// The newest epoch's secret, by the documents alone. docs/formats/slot.md
fn epoch_secret(vault: &Path, slot_secret: &[u8]) -> Vec<u8> {
    let newest = fs::read_dir(vault.join("epochs")).unwrap();
    let newest = newest.map(|it| it.unwrap().path()).max().unwrap();
    let seed = derived(slot_secret, "slot-key-pair");
    let mut records = fs::read_dir(newest)
        .unwrap()
        .map(|it| fs::read(it.unwrap().path()).unwrap())
        .filter(|record| record.len() == 2532);
    records
        .find_map(|it| opened(&seed, "slot", &it[..1264], &it[1264..2432]))
        .expect("the key opens no slot record")
}

/// The file key of a blob, and the key of its chunks. docs/formats/blob.md, Layout
fn file_keys(epoch_secret: &[u8], blob: &[u8]) -> [Vec<u8>; 2] {
    let seed = derived(epoch_secret, "epoch-key-pair");
    let file_key = opened(&seed, "file-key", &blob[..48], &blob[48..1216]).unwrap();
    let info = [
        b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0",
        &blob[1216..1240],
        &blob[8..44],
    ];
    let mut keys = [0; 76];
    let hkdf = hkdf::Hkdf::<Sha512>::from_prk(&widened(&file_key)).unwrap();
    hkdf.expand_multi_info(&info, &mut keys).unwrap();
    assert_eq!(
        keys[44..],
        blob[1240..1272],
        "the commitment tells a right key"
    );
    [file_key, keys[..32].to_vec()]
}

/// HMAC pads a short key with zeros, and the library wants it as long as the hash. RFC 2104 2
fn widened(key: &[u8]) -> Vec<u8> {
    let mut wide = key.to_vec();
    wide.resize(64, 0);
    wide
}

/// Where something was found that must not be there.
struct Hit {
    name: String,
    place: String,
}

/// Looks through everything that a process has in memory and that is not the text of a program.
/// Returns the hits and how many bytes were looked at.
fn scan(needles: &Needles, pid: u32) -> (Vec<Hit>, u64) {
    let (mut hits, mut looked_at) = (Vec::new(), 0);
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let memory = File::open(format!("/proc/{pid}/mem")).unwrap();
    let number = |hex: &str| u64::from_str_radix(hex, 16).unwrap();
    let mut piece = vec![0; PIECE + needles.longest()];
    for line in maps.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (rights, inode) = (fields[1], fields[4]);
        let is_program = inode != "0" && !rights.contains('w');
        if !rights.starts_with('r') || is_program || line.contains("[v") {
            continue;
        }
        let (start, end) = fields[0].split_once('-').unwrap();
        let (start, end) = (number(start), number(end));
        for from in (start..end).step_by(PIECE) {
            let wanted = usize::try_from(end - from).unwrap().min(piece.len());
            // What cannot be read is not there: a guard page, or memory given back meanwhile.
            let Ok(length) = memory.read_at(&mut piece[..wanted], from) else {
                continue;
            };
            looked_at += length.min(PIECE) as u64;
            for (at, name) in needles.hits(&piece[..length]) {
                let around = &piece[at.saturating_sub(64)..(at + 128).min(length)];
                let place = format!(
                    "process {pid}, {} + {:#x}: {}",
                    fields.get(5).unwrap_or(&"unnamed memory"),
                    from - start + at as u64,
                    around.escape_ascii()
                );
                let name = name.to_owned();
                hits.push(Hit { name, place });
            }
        }
    }
    (hits, looked_at)
}

fn names(hits: &[Hit]) -> BTreeSet<String> {
    hits.iter().map(|it| it.name.clone()).collect()
}

/// A vault whose names and contents are looked for.
struct Scene {
    home: Home,
    phone: Phone,
    /// Keys, names and contents.
    everything: Needles,
    /// Keys and contents.
    never_the_server_s: Needles,
    /// What is surely there while the vault is open and a file is on its way.
    surely: BTreeSet<String>,
    film: usize,
}

impl Scene {
    fn new() -> Self {
        let mut home = Home::new();
        home.start();
        let mut phone = home.paired_phone();
        let (words, contents) = (canaries(WORDS, 71), canaries(WORDS, 72));
        let mut share = |name: &str, content: &str| {
            let path = home.path("to-share.bin");
            fs::write(&path, content).unwrap();
            phone.send_file(&jid(VAULT), &path, name);
            phone.wait_reply("stored");
        };
        for (index, names) in words.chunks(NAMES_EACH).enumerate() {
            let content = &contents[index * NAMES_EACH..][..NAMES_EACH];
            share(&(names.join(" ") + ".txt"), &content.join("\n"));
        }
        let all = contents.join("\n");
        share("film.mp4", &all.repeat(FILM_BYTES / all.len()));

        let key_file = fs::read(home.stick().join("strongroom.key")).unwrap();
        let slot_secret = &key_file[42..74];
        let epoch = epoch_secret(&home.vault(), slot_secret);
        let keys = || {
            let words = [home.words().to_owned()];
            let mut keys = Needles::default()
                .bytes("slot secret", slot_secret)
                .bytes("slot key pair", &derived(slot_secret, "slot-key-pair"))
                .bytes("epoch secret", &epoch)
                .words(&words);
            let labels = [
                "epoch-key-pair",
                "epoch-chain",
                "slot-label",
                "index",
                "change-log",
                "snapshot",
                "content-mark",
            ];
            for label in labels {
                keys = keys.bytes(label, &derived(&epoch, label));
            }
            for path in home.blobs() {
                let blob = fs::read(path).unwrap();
                let [file_key, chunks] = file_keys(&epoch, &blob);
                let whose = if blob.len() > FILM_BYTES {
                    "film"
                } else {
                    "text"
                };
                keys = keys
                    .bytes(&format!("file key of a {whose}"), &file_key)
                    .bytes(&format!("chunk key of a {whose}"), &chunks);
            }
            keys
        };
        let surely = words.iter().chain(&contents).map(|it| format!("{it}, raw"));
        let keys_surely = ["epoch secret, raw", "chunk key of a film, raw"];
        Self {
            everything: keys().words(&words).words(&contents),
            never_the_server_s: keys().words(&contents),
            surely: surely.chain(keys_surely.map(str::to_owned)).collect(),
            film: WORDS / NAMES_EACH + 1,
            home,
            phone,
        }
    }

    /// Has every part of the vault work, and looks at the vault process until everything was seen
    /// there that surely is.
    fn assert_seen_while_open(&mut self, vault: u32) {
        self.phone.send_text(&jid(VAULT), "list");
        self.phone.wait_reply("film.mp4");
        self.phone
            .send_text(&jid(VAULT), &format!("get {}", self.film));
        let end = Instant::now() + PATIENCE;
        let mut seen = BTreeSet::new();
        while !self.surely.is_subset(&seen) && Instant::now() < end {
            seen.extend(names(&scan(&self.everything, vault).0));
        }
        let missed: Vec<_> = self.surely.difference(&seen).collect();
        assert!(missed.is_empty(), "not seen while open: {missed:?}");
        self.phone.wait_file();
    }

    /// One lock, by taking the key out or by a command, and what is left of the vault after it.
    fn lock_and_look(&mut self, by_command: bool) -> u64 {
        let vault = self.home.daemon().children()[0];
        self.assert_seen_while_open(vault);

        if by_command {
            self.phone.send_text(&jid(VAULT), "lock");
        } else {
            self.home.take_key_away();
        }
        wait_gone(vault);
        // Not to wait for something: this moment is what the test is about.
        thread::sleep(AFTER_LOCK);

        let daemon = self.home.daemon();
        let mut looked_at = 0;
        let mut left = Vec::new();
        let ours = [daemon.pid()].into_iter().chain(daemon.children());
        for pid in ours {
            let (hits, bytes) = scan(&self.everything, pid);
            left.extend(hits);
            looked_at += bytes;
        }
        left.extend(scan(&self.never_the_server_s, self.home.server.pid()).0);
        let left: BTreeSet<_> = left
            .iter()
            .map(|it| format!("{}: {}", it.name, it.place))
            .collect();
        assert!(left.is_empty(), "{} hits: {left:#?}", left.len());

        if by_command {
            self.home.take_key_away();
        }
        daemon.wait_line("the key device is not there");
        self.home.insert_key();
        vault_process(self.home.daemon());
        looked_at
    }
}

#[test]
fn two_seconds_after_a_lock_no_key_no_name_and_no_content_is_in_our_memory() {
    if !geteuid().is_root() {
        return eprintln!("left out: reading a process's memory takes root");
    }
    let mut scene = Scene::new();
    vault_process(scene.home.daemon());
    // The control for what is there only for the blink of an eye, like the slot secret: the
    // scanner finds every form of everything in this very process.
    let (hits, _) = scan(&scene.everything, process::id());
    assert_eq!(names(&hits), scene.everything.names());
    let runs = times(3, 20);

    for run in 0..runs {
        let looked_at = scene.lock_and_look(run % 2 == 1);
        assert!(looked_at > 4_000_000, "{looked_at} bytes were looked at");
    }

    if env::var_os("STRONGROOM_FAULTS_TABLE").is_some() {
        row(
            "F24 memory of daemon and children after a lock",
            runs,
            "0 hits",
        );
    }
}
