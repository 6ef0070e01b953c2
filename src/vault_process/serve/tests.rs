use std::{
    fs,
    path::{Path, PathBuf},
    thread::JoinHandle,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use getrandom::SysRng;
use rustix::fs::{CWD, Mode, mkfifoat};
use vault::{Metadata, Sealer, SlotSecret};

mod pictures;

use super::*;
use crate::vault_process::{
    FindAsk, Form,
    deliveries::{BROKEN, HASHED, WHOLE},
};
use omemo::media::{MediaDecryptor, MediaSecret};
use sha2::{Digest as _, Sha256};

/// A vault process without the process: both ends of its sockets, and its vault.
struct Scene {
    place: tempfile::TempDir,
    sealer: Sealer,
    intake_key: IntakeKey,
    control: UnixStream,
    data: UnixStream,
    worker: JoinHandle<io::Result<()>>,
}

impl Scene {
    fn new() -> Self {
        Self::with(None)
    }

    /// One whose files are looked at, when there are decoders.
    fn with(decoders: Option<UnixStream>) -> Self {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("vault");
        let secret = SlotSecret::generate(&mut SysRng).unwrap();
        let slots = [(&secret, "stick")];
        let public = VaultFolder::create(&path, None, &slots, &mut SysRng, UNIX_EPOCH).unwrap();
        let sealer = Sealer::new(&public, VaultFolder::open(&path).unwrap()).unwrap();
        let vault = OpenVault::open(&path, &secret, UNIX_EPOCH).unwrap();
        let (index, _) = Index::open(&vault, UNIX_EPOCH).unwrap();
        let (control, its_control) = UnixStream::pair().unwrap();
        let (data, its_data) = UnixStream::pair().unwrap();
        // A word that never comes fails the test and does not hang it.
        control
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        let mouth = Mouth::new(its_control.try_clone().unwrap());
        let worker = thread::spawn(move || {
            let proofs = Proofs {
                intake_key: Some(intake_key()),
                waiting: Vec::new(),
            };
            let sockets = (
                its_control,
                its_data,
                decoders,
                UnixStream::pair().unwrap().1,
            );
            work(sockets, mouth, (vault, index), proofs, crate::clock::now)
        });
        Self {
            place,
            sealer,
            intake_key: intake_key(),
            control,
            data,
            worker,
        }
    }

    fn keep(&self, content: &[u8], name: &str) -> BlobId {
        self.keep_dated(content, name, None)
    }

    fn keep_dated(&self, content: &[u8], name: &str, dated: Option<SystemTime>) -> BlobId {
        let blob = BlobId::random(&mut SysRng).unwrap();
        let mut writer = self.sealer.start(&blob, &mut SysRng).unwrap();
        writer.write_all(content).unwrap();
        let metadata = Metadata {
            name: Some(name.to_owned()),
            dated,
            ..Metadata::default()
        };
        writer.finish(metadata).unwrap();
        blob
    }

    fn path_of(&self, blob: &BlobId) -> PathBuf {
        let name = blob.to_string();
        let fan = self.place.path().join("vault/blobs").join(&name[..2]);
        fan.join(format!("{name}.blob"))
    }

    /// Flips a bit: the blob does not hold any more.
    fn scratch(&self, blob: &BlobId) {
        let path = self.path_of(blob);
        let mut bytes = fs::read(&path).unwrap();
        bytes[1300] ^= 1;
        fs::write(path, bytes).unwrap();
    }

    fn in_quarantine(&self, blob: &BlobId) -> bool {
        let folder = self.place.path().join("vault/quarantine");
        fs::read_dir(folder).unwrap().any(|found| {
            let name = found.unwrap().file_name();
            name.to_str().unwrap().starts_with(&blob.to_string())
        })
    }

    fn order(&mut self, order: &Order) {
        let frame = crate::vault_process::frame(order, MAX_ORDER_BYTES).unwrap();
        self.control.write_all(&frame).unwrap();
    }

    fn adopt(&mut self, blob: &BlobId) {
        let header = self.sealer.header_hash(blob).unwrap();
        let vault = self.sealer.folder().vault_id();
        let order = Order::Adopt {
            job: [1; 32],
            blob: *blob.as_bytes(),
            mac: Some(*self.intake_key.mac(vault, blob, &header).as_bytes()),
        };
        self.order(&order);
    }

    fn word(&mut self) -> Word {
        loop {
            let word = self.next_word();
            // A blob that is not taken in yet, and what was damaged before the opening.
            if !matches!(
                word,
                Word::Origin(OriginWord::Found { .. }) | Word::Damage { .. }
            ) {
                return word;
            }
        }
    }

    fn next_word(&mut self) -> Word {
        let mut length = [0; 4];
        self.control.read_exact(&mut length).unwrap();
        let mut body = vec![0; u32::from_le_bytes(length) as usize];
        self.control.read_exact(&mut body).unwrap();
        crate::vault_process::parse(&body).unwrap()
    }

    /// Has entry 1 delivered, and tells whether it came to its regular end.
    fn delivers(&mut self) -> bool {
        self.delivered(Form::Link).is_some()
    }

    /// Has entry 1 delivered in a form; returns its content and the hash that was told.
    fn delivered(&mut self, form: Form) -> Option<(Vec<u8>, Option<[u8; 32]>)> {
        let order = Order::Deliver {
            job: [2; 32],
            number: 1,
            form,
        };
        self.order(&order);
        let word = self.word();
        self.received(word, form)
    }

    /// Receives what was prepared; returns its content and the hash that was told.
    fn received(&mut self, word: Word, form: Form) -> Option<(Vec<u8>, Option<[u8; 32]>)> {
        let Word::Prepared {
            secret,
            ciphertext_bytes,
            ..
        } = word
        else {
            return None;
        };
        let mut ciphertext = Vec::new();
        let hash = loop {
            let mut length = [0; 4];
            self.data.read_exact(&mut length).unwrap();
            match u32::from_le_bytes(length) {
                BROKEN => return None,
                WHOLE => break None,
                HASHED => {
                    let mut hash = [0; 32];
                    self.data.read_exact(&mut hash).unwrap();
                    break Some(hash);
                }
                length => {
                    let start = ciphertext.len();
                    ciphertext.resize(start + length as usize, 0);
                    self.data.read_exact(&mut ciphertext[start..]).unwrap();
                }
            }
        };
        assert_eq!(ciphertext.len() as u64, ciphertext_bytes);
        let secret = MediaSecret::from_bytes_for(form.cipher(), &secret).unwrap();
        let mut decryptor = MediaDecryptor::new(&secret);
        let mut content = Vec::new();
        decryptor.update(&ciphertext, &mut content).unwrap();
        decryptor.finish(&mut content).unwrap();
        Some((content, hash))
    }

    fn end(self) {
        drop(self.control);
        self.worker.join().unwrap().unwrap();
    }
}

fn intake_key() -> IntakeKey {
    IntakeKey::init_with(|bytes| bytes.fill(7))
}

fn list() -> Order {
    Order::Ask {
        job: [3; 32],
        question: Question::Find(FindAsk::Show {
            search: vault::index::Search::default(),
            before: None,
            lines: 9,
        }),
    }
}

/// A blob in whose place lies a pipe: whoever opens it waits until [`Pipe::release`].
struct Pipe {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl Pipe {
    fn instead_of(path: &Path) -> Self {
        let bytes = fs::read(path).unwrap();
        fs::remove_file(path).unwrap();
        mkfifoat(CWD, path, Mode::RUSR | Mode::WUSR).unwrap();
        Self {
            path: path.to_owned(),
            bytes,
        }
    }

    /// Waits until somebody reads, lets the reading fail, and puts the blob back.
    fn release(self) {
        drop(fs::OpenOptions::new().write(true).open(&self.path).unwrap());
        fs::remove_file(&self.path).unwrap();
        fs::write(self.path, self.bytes).unwrap();
    }
}

#[test]
fn a_list_is_answered_while_two_films_are_compared() {
    let mut scene = Scene::new();
    let (film, again) = (
        scene.keep(b"a film", "film"),
        scene.keep(b"a film", "again"),
    );
    scene.adopt(&film);
    assert!(matches!(scene.word(), Word::Adopted { row, .. } if row.number == 1));
    let pipe = Pipe::instead_of(&scene.path_of(&film));

    scene.adopt(&again);
    for _ in 0..3 {
        scene.order(&list());
        assert!(matches!(scene.word(), Word::Rows { total: 1, .. }));
    }
    pipe.release();

    // What could not be read tells nothing: both stay, and the order comes again.
    assert!(matches!(scene.word(), Word::NotAdopted { job } if job == [1; 32]));
    assert!(scene.path_of(&again).exists());
    scene.adopt(&again);
    assert!(matches!(scene.word(), Word::SameAs { number: 1, .. }));
    assert!(scene.path_of(&film).exists() && !scene.path_of(&again).exists());
    assert!(scene.delivers());
    scene.end();
}

#[test]
fn the_good_copy_of_a_damaged_file_is_what_is_kept_and_delivered() {
    let mut scene = Scene::new();
    let (first, again) = (
        scene.keep(b"a photo", "photo"),
        scene.keep(b"a photo", "again"),
    );
    scene.adopt(&first);
    assert!(matches!(scene.word(), Word::Adopted { .. }));
    scene.scratch(&first);
    assert!(!scene.delivers(), "the first copy is damaged");

    scene.adopt(&again);

    assert!(matches!(scene.word(), Word::SameAs { number: 1, .. }));
    assert!(scene.in_quarantine(&first) && scene.path_of(&again).exists());
    assert!(scene.delivers());
    scene.order(&list());
    let Word::Rows { rows, .. } = scene.word() else {
        panic!("that is no list");
    };
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].name, "photo", "under the name it had");
    scene.end();
}

#[test]
fn two_damaged_copies_are_not_told_as_kept() {
    let mut scene = Scene::new();
    let (first, again) = (
        scene.keep(b"a photo", "photo"),
        scene.keep(b"a photo", "again"),
    );
    scene.adopt(&first);
    assert!(matches!(scene.word(), Word::Adopted { .. }));
    scene.scratch(&first);
    scene.scratch(&again);

    scene.adopt(&again);

    assert!(matches!(scene.word(), Word::Damaged { .. }));
    assert!(scene.path_of(&first).exists() && scene.in_quarantine(&again));
    scene.end();
}

#[test]
fn a_file_goes_out_as_its_form_wants_it_and_with_its_hash_where_it_has_no_tag() {
    for length in [0, 1, 15, 16, 17, 32 * 1024, 70_001] {
        let content: Vec<u8> = (0..=250).cycle().take(length).collect();
        let mut scene = Scene::new();
        let blob = scene.keep(&content, "film");
        scene.adopt(&blob);
        assert!(matches!(scene.word(), Word::Adopted { .. }));

        let described = scene.delivered(Form::Description).unwrap();
        let linked = scene.delivered(Form::Link).unwrap();

        let hash = <[u8; 32]>::from(Sha256::digest(&content));
        assert!(described == (content.clone(), Some(hash)), "{length}");
        assert!(linked == (content, None), "{length}");
        scene.end();
    }
}
