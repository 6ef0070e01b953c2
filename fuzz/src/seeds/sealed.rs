//! A small vault's records, recovery words, and what the daemon and the vault process say.

use std::{
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use omemo::store::suite::FixedRng;
use serde::Serialize;
use strongroom::vault_process::{
    EditAsk, Edited, FindAsk, FindWord, Form, Make, Order, OriginWord, PictureAsk, PictureWord,
    Question, Row, Shut, Word, typed::Kind,
};
use vault::{
    BlobId, Label, Metadata, Passphrase, Pepper, PepperFile, Sealer, SlotId, SlotSecret,
    VaultFolder, VaultId, header::HEADER_BYTES, index::Search,
};

use super::{Seeds, with};
use crate::targets::world::NOW;

pub(super) fn vault_folder(seeds: &mut Seeds, scratch: &Path) {
    let noon = UNIX_EPOCH + Duration::from_secs(NOW);
    let (header, slot, key, half) = small_vault(scratch, noon);
    let target = "blob_header";
    let newer = |bytes: &[u8]| with(&bytes.to_vec(), |it| it[9] = 7);
    seeds.add(target, "accepted-blob", header.as_slice());
    seeds.add(
        target,
        "accepted-blob--content-follows",
        [&header[..], b"more"].concat(),
    );
    seeds.add(target, "refused-blob-too-new", newer(&header));
    let suite = with(&header, |it| it[11] = 9);
    seeds.add(target, "refused-blob-unknown-suite", suite);
    seeds.add(
        target,
        "refused-other--half-a-header",
        &header[..HEADER_BYTES / 2],
    );
    seeds.add(target, "accepted-slot", slot.as_slice());
    seeds.add(target, "refused-slot-too-new", newer(&slot));
    let renamed = with(&slot, |it| it[30] ^= 1);
    seeds.add(target, "refused-other--slot-under-another-name", renamed);
    seeds.add(
        target,
        "refused-other--slot-and-more",
        [&slot[..], &[0]].concat(),
    );
    seeds.add(target, "accepted-key", key.as_slice());
    seeds.add(target, "refused-key-too-new", newer(&key));
    seeds.add(target, "refused-key-half-written", &key[..40]);
    let flipped = with(&key, |it| it[60] ^= 1);
    seeds.add(target, "refused-key-damaged", flipped);
    let locked = locked_key();
    seeds.add(target, "accepted-key--with-passphrase", locked.as_slice());
    seeds.add(
        target,
        "refused-key-half-written--with-passphrase",
        &locked[..120],
    );
    let pepper = pepper();
    seeds.add(target, "accepted-pepper", pepper.as_slice());
    let flipped = with(&pepper, |it| it[50] ^= 1);
    seeds.add(target, "refused-other--pepper-flipped", flipped);
    seeds.add(target, "accepted-public-half", half.as_slice());
    seeds.add(target, "refused-public-half-too-new", newer(&half));
    let flipped = with(&half, |it| it[700] ^= 1);
    seeds.add(target, "refused-other--public-half-flipped", flipped);
    seeds.add(
        target,
        "refused-other--photo",
        *b"\xFF\xD8\xFF\xE0\0\x10JFIF\0",
    );
}

/// Makes a vault with one empty file: its header, its slot record, key file and public half.
fn small_vault(scratch: &Path, noon: SystemTime) -> (Vec<u8>, Vec<u8>, Vec<u8>, Vec<u8>) {
    let path = scratch.join("vault");
    let mut rng = FixedRng::new(8);
    let secret = SlotSecret::init_with(|it| it.fill(0x5A));
    let id = VaultId::from_bytes([1; 16]);
    let slots = [(&secret, "stick")];
    let half = VaultFolder::create(&path, Some(id), &slots, &mut rng, noon).expect("it is empty");
    let folder = VaultFolder::open(&path).expect("it was just made");
    let slot = folder.slot_records().expect("it has one").remove(0);
    let sealer = Sealer::new(&half, folder).expect("they belong together");
    let blob = BlobId::from_bytes([2; 16]);
    let writer = sealer.start(&blob, &mut rng).expect("it is not there");
    writer.finish(Metadata::default()).expect("there is room");
    let file = path.join("blobs/02").join(format!("{blob}.blob"));
    let mut header = std::fs::read(file).expect("it was just made");
    header.truncate(HEADER_BYTES);
    let key = secret.to_key_file(&id).to_vec();
    (header, slot, key, half.to_bytes())
}

fn locked_key() -> Vec<u8> {
    let secret = SlotSecret::init_with(|it| it.fill(0x5A));
    let passphrase = Passphrase::new("eight times a day");
    let id = VaultId::from_bytes([1; 16]);
    let locked = secret.to_locked_key_file(&id, &passphrase, &mut FixedRng::new(9));
    locked.expect("there is memory").to_vec()
}

fn pepper() -> Vec<u8> {
    let file = PepperFile {
        vault: VaultId::from_bytes([1; 16]),
        slot: SlotId::from_bytes([3; 16]),
        pepper: Pepper::init_with(|it| it.fill(0x5A)),
    };
    file.to_bytes().to_vec()
}

pub(super) fn recovery_words(seeds: &mut Seeds) {
    let secret = SlotSecret::init_with(|it| it.fill(0x5A));
    let written = secret.to_words();
    let words: Vec<_> = written.expose_to_owner().split(' ').collect();
    let numbered = words.iter().zip(1..);
    let numbered: String = numbered
        .map(|(word, place)| format!("{place}. {word}\n"))
        .collect();
    let short: Vec<_> = words.iter().map(|it| &it[..it.len().min(4)]).collect();
    let mut swapped = words.clone();
    swapped.swap(0, 1);
    let mut wrong = words.clone();
    wrong[4] = "strongroom";
    seeds.add("words", "accepted-words", words.join(" "));
    seeds.add("words", "accepted-words--numbered", numbered.to_uppercase());
    seeds.add("words", "accepted-words--four-letters", short.join(", "));
    seeds.add(
        "words",
        "refused-wrong-count--one-short",
        words[1..].join(" "),
    );
    seeds.add("words", "refused-wrong-count--none", "");
    seeds.add("words", "refused-wrong-together", swapped.join(" "));
    seeds.add("words", "refused-unknown-word", wrong.join(" "));
    seeds.add("words", "refused-not-text", *b"abandon \xFF");
}

const JOB: [u8; 32] = [7; 32];

pub(super) fn orders(seeds: &mut Seeds) {
    let job = JOB;
    let folder = "vault".into();
    let key_file = Some("stick/strongroom.key".into());
    let public_half = vec![1; 20];
    let number = u64::MAX;
    let ranges = vec![(1, 9), (0, 2)];
    let open = Order::Open {
        folder,
        key_file,
        typed: Some(Kind::Code),
        pepper_file: "card/unlock-code.pepper".into(),
        public_half,
        intake_key: "card/intake.key".into(),
        waiting: vec![[3; 16]],
    };
    let (blob, waiting) = ([3; 16], vec![[3; 16]]);
    let ask = |question| Order::Ask { job, question };
    let orders = [
        ("open", open),
        (
            "adopt",
            Order::Adopt {
                job,
                blob,
                mac: None,
            },
        ),
        (
            "adopt-vouched",
            Order::Adopt {
                job,
                blob,
                mac: Some([5; 32]),
            },
        ),
        (
            "take-unproven",
            Order::TakeUnproven {
                job,
                seen: [6; 32],
                waiting: waiting.clone(),
            },
        ),
        ("unproven", ask(Question::Unproven { waiting })),
        ("pick", ask(Question::Pick { ranges })),
        ("totals", ask(Question::Totals)),
        ("slots", ask(Question::Slots)),
        (
            "deliver",
            Order::Deliver {
                job,
                number,
                form: Form::Description,
            },
        ),
        ("abort", Order::Abort),
        ("label", label(job)),
        (
            "sheet",
            Order::Picture(PictureAsk {
                job,
                form: Form::Link,
                make: Make::Sheet(vec![9, 8, 7]),
            }),
        ),
    ];
    for (name, order) in orders.iter().chain(&find_orders()) {
        let bytes = message(0, order);
        seeds.add("vault_message", &format!("accepted-order--{name}"), bytes);
    }
    let longer = [message(0, &Order::Abort), vec![0]].concat();
    seeds.add("vault_message", "refused-order--longer", longer);
    seeds.add("vault_message", "refused-order--unknown", [0, 99]);
}

fn label(job: [u8; 32]) -> Order {
    let caption = Label::Caption(Some("Beach".to_owned()));
    let tag = Label::Tag {
        tag: "sea".to_owned(),
        borne: true,
    };
    let ask = EditAsk::Label {
        ranges: vec![(7, 7), (8, 8)],
        labels: vec![caption, tag],
        at: 1_777_888_800,
    };
    Order::Edit { job, ask }
}

fn labelled(job: [u8; 32]) -> Word {
    let edited = Edited::Labelled {
        steps: Vec::new(),
        numbers: vec![7],
        in_trash: vec![8],
        missing: vec![9],
    };
    Word::Edited { job, edited }
}

/// What is asked of entries, and many of them at once.
fn find_orders() -> Vec<(&'static str, Order)> {
    let job = JOB;
    let (number, lines) = (u64::MAX, 10);
    let words = "summer".to_owned();
    let search = Search {
        words: words.clone(),
        tags: vec![words.clone()],
        from: Some(0),
        ..Search::default()
    };
    let pack = Order::Pack {
        job,
        numbers: vec![1, 2, number],
        limit: Some(9),
        form: Form::Link,
    };
    let ask = |question| Order::Ask { job, question };
    vec![
        (
            "find",
            ask(Question::Find(FindAsk::Show {
                search,
                before: Some(7),
                lines,
            })),
        ),
        ("about", ask(Question::Find(FindAsk::About { number: 7 }))),
        (
            "albums",
            ask(Question::Find(FindAsk::Albums { after: words })),
        ),
        ("pack", pack),
    ]
}

/// What the vault process says of entries.
fn found_words() -> Vec<(&'static str, Word)> {
    let job = JOB;
    vec![
        (
            "find",
            Word::Find {
                job,
                find: FindWord::Used {
                    used: vec![("Norway".to_owned(), 3)],
                    more_after: Some("norway".to_owned()),
                },
            },
        ),
        (
            "packed",
            Word::Packed {
                job,
                numbers: vec![1, 2],
                damaged: vec![3],
            },
        ),
    ]
}

/// What the vault process says of proofs of origin and of pictures.
fn origin_words() -> [(&'static str, Word); 5] {
    let job = JOB;
    let unproven = OriginWord::Unproven {
        job,
        count: 3,
        bytes: 1 << 40,
        unreadable: 1,
        oldest: vec![("late.jpg".to_owned(), 7)],
        seen: [6; 32],
    };
    let numbers = Some((1, 3));
    [
        ("unvouched", Word::Origin(OriginWord::Unvouched { job })),
        (
            "unproven-found",
            Word::Origin(OriginWord::Found { count: 3 }),
        ),
        ("unproven", Word::Origin(unproven)),
        ("taken", Word::Origin(OriginWord::Taken { job, numbers })),
        (
            "not-made",
            Word::Picture(PictureWord::NotMade { job, number: 3 }),
        ),
    ]
}

pub(super) fn words(seeds: &mut Seeds) {
    let job = JOB;
    let row = || Row {
        number: 12,
        name: "Müller Urlaub 🏖.jpg".to_owned(),
        bytes: 3_100_000,
        received_at: 1_800_000_000,
        damaged: false,
        taken_at: None,
    };
    let rows = Word::Rows {
        job,
        rows: vec![row(), row()],
        total: 9,
        more: true,
    };
    let found = vec![1, 300];
    let missing = vec![7];
    let (entries, bytes) = (3, 1 << 40);
    let prepared = Word::Prepared {
        job,
        row: row(),
        media_type: Some("video/mp4".to_owned()),
        form: Form::Link,
        ciphertext_bytes: 1 << 33,
        secret: vec![9; 44],
    };
    let cut = message(1, &rows);
    let words = [
        ("opened", Word::Opened),
        ("not-opened", Word::NotOpened(Shut::WrongKey)),
        ("adopted", Word::Adopted { job, row: row() }),
        ("same-as", Word::SameAs { job, number: 3 }),
        ("not-adopted", Word::NotAdopted { job }),
        ("damaged", Word::Damaged { job }),
        ("rows", rows),
        (
            "picked",
            Word::Picked {
                job,
                found,
                missing,
            },
        ),
        (
            "totals",
            Word::Totals {
                job,
                entries,
                bytes,
                unproven: 2,
            },
        ),
        ("no-answer", Word::NoAnswer { job }),
        ("labelled", labelled(job)),
        ("prepared", prepared),
        ("not-prepared", Word::NotPrepared { job, number: 3 }),
    ];
    let (found, origin) = (found_words(), origin_words());
    for (name, word) in words.iter().chain(&origin).chain(&found) {
        let bytes = message(1, word);
        seeds.add("vault_message", &format!("accepted-word--{name}"), bytes);
    }
    let cut = &cut[..cut.len() - 1];
    seeds.add("vault_message", "refused-word--cut", cut);
    // a list of 2^32 - 1 numbers that never come
    let picked = 8;
    let boasting = [&[1, picked][..], &job, &[0xFF, 0xFF, 0xFF, 0xFF, 0x0F]].concat();
    seeds.add(
        "vault_message",
        "refused-word--list-that-never-comes",
        boasting,
    );
}

fn message(kind: u8, message: &impl Serialize) -> Vec<u8> {
    let mut out = vec![kind];
    out.extend(postcard::to_stdvec(message).expect("a message is written"));
    out
}
