//! Makes the seeds of the corpus: for each target bytes that are right and bytes that are wrong in
//! one way, named by the verdict they must get.
//!
//! The same seeds come out each time, so that the committed corpus can be compared with them.

use std::{
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use omemo::{
    Address, Bundle, Envelope, KnownDevice, Namespace, Store, Trust, machine,
    media::MediaEncryptor, store::suite::FixedRng,
};
use serde::Serialize;
use strongroom::vault_process::{Order, Question, Row, Shut, Word};
use vault::{BlobId, Metadata, Sealer, SlotSecret, VaultFolder, VaultId, header::HEADER_BYTES};

use crate::targets::{self, NOW, World};

/// A file of the corpus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seed {
    /// Whose corpus it belongs to.
    pub target: &'static str,
    /// Its name: the verdict, and after two dashes what it is.
    pub name: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// Makes all seeds; the vault among them is made in `scratch`, an empty folder.
///
/// # Panics
/// When something honest cannot be made.
#[must_use]
pub fn all(scratch: &Path) -> Vec<Seed> {
    let mut seeds = Seeds(Vec::new());
    links(&mut seeds);
    fingerprints(&mut seeds);
    commands(&mut seeds);
    envelopes(&mut seeds);
    bundles(&mut seeds);
    records(&mut seeds);
    media(&mut seeds);
    vault_folder(&mut seeds, scratch);
    recovery_words(&mut seeds);
    vault_messages(&mut seeds);
    seeds
        .0
        .sort_by(|a, b| (a.target, &a.name).cmp(&(b.target, &b.name)));
    seeds.0
}

struct Seeds(Vec<Seed>);

impl Seeds {
    fn add(&mut self, target: &'static str, name: &str, bytes: impl Into<Vec<u8>>) {
        self.0.push(Seed {
            target,
            name: name.to_owned(),
            bytes: bytes.into(),
        });
    }

    fn all(&mut self, target: &'static str, seeds: &[(&str, &str)]) {
        for (name, text) in seeds {
            self.add(target, name, *text);
        }
    }
}

const SECRET_12: &str = "000102030405060708090a0b\
    404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f";

fn links(seeds: &mut Seeds) {
    let url = "aesgcm://upload.example.org:5281/f/a81e/IMG_2041.jpg";
    let good = format!("{url}#{SECRET_12}");
    seeds.add("link", "accepted-link--iv-of-12-bytes", good.as_str());
    seeds.add(
        "link",
        "accepted-link--iv-of-16-bytes-in-capitals",
        format!("{url}#0c0d0e0f{SECRET_12}")
            .to_uppercase()
            .replacen("AESGCM", "aesgcm", 1),
    );
    seeds.add(
        "link",
        "accepted-link--with-a-thumbnail",
        format!("{good}\ndata:image/jpeg,%FF%D8%FF%E0"),
    );
    for (name, address) in [
        (
            "accepted-link--encoded-name",
            "h.example/x/Stra%C3%9Fe%20%E2%98%83.pdf?a=b",
        ),
        (
            "accepted-link--name-nobody-encoded",
            "h.example/Müller_Urlaub_🏖.jpg",
        ),
        (
            "accepted-link--name-that-climbs",
            "h.example/a/%2e%2e%2f%2e%2e%2fetc%2Fpasswd",
        ),
        ("accepted-link--ipv6", "[2001:db8::7]:443/x"),
        ("refused-address--user-before-host", "me:pw@h.example/x"),
        ("refused-address--empty-host", "/x"),
        ("refused-address--port-0", "h.example:0/x"),
        ("refused-address--backslash", "h.example\\@evil.example/x"),
    ] {
        seeds.add("link", name, format!("aesgcm://{address}#{SECRET_12}"));
    }
    seeds.add(
        "link",
        "refused-secret--short",
        format!("{url}#{}", &SECRET_12[2..]),
    );
    seeds.add("link", "refused-secret--none", url);
    seeds.add(
        "link",
        "refused-trailing-text",
        format!("{good}\nlook at this"),
    );
    let long = format!("{url}{}#{SECRET_12}", "a".repeat(8200));
    seeds.add("link", "refused-too-long", long);
    seeds.add("link", "refused-not-text", *b"aesgcm://h.example/\xFF#00");
    seeds.add(
        "link",
        "refused-not-hex--https",
        "https://h.example/photo.jpg",
    );
}

const KEY: &str = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a";

fn fingerprints(seeds: &mut Seeds) {
    let groups: Vec<_> = (0..8).map(|it| &KEY[8 * it..8 * it + 8]).collect();
    seeds.add("link", "accepted-fingerprint--bare", KEY);
    seeds.add(
        "link",
        "accepted-fingerprint--with-prefix",
        format!("05{KEY}"),
    );
    seeds.add(
        "link",
        "accepted-fingerprint--in-groups",
        groups.join(" ").to_uppercase(),
    );
    seeds.add("link", "refused-length--a-digit-short", &KEY[1..]);
    seeds.add("link", "refused-not-a-key--zeros", "0".repeat(64));
    seeds.add(
        "link",
        "refused-not-hex--a-letter-too-far",
        KEY.replacen('a', "g", 1),
    );
}

fn commands(seeds: &mut Seeds) {
    seeds.all(
        "command",
        &[
            ("accepted-help", "/Help"),
            ("accepted-status", "status"),
            ("accepted-lock", "LOCK "),
            ("accepted-list", "list"),
            ("accepted-list--too-many-lines", "list 4000000000"),
            ("accepted-find", "search Summer  in Köln"),
            ("accepted-get--mixed", "get #7, 9–12 last 3"),
            ("accepted-get--last", "last"),
            ("accepted-get--bare-numbers", "7 9-12"),
            ("accepted-get--as-many-as-may-be", "get 1-100"),
            ("refused-too-many", "get 1-101"),
            (
                "refused-too-many--last",
                "get last 18446744073709551615 last 2",
            ),
            ("refused-bad-number--nothing", "get"),
            ("refused-bad-number--backwards", "get 12-7"),
            ("refused-bad-number--huge", "get 18446744073709551616"),
            ("refused-bad-number--last-none", "get last 0"),
            ("refused-nothing-to-find", "find "),
            ("refused-unknown--prose", "lock now"),
            ("refused-unknown--two-lines", "help\nlock"),
        ],
    );
    seeds.add("command", "refused-unknown--long", "get 1 ".repeat(170));
    seeds.add("command", "refused-not-text", *b"get \xFF");
}

fn envelopes(seeds: &mut Seeds) {
    let mut world = World::make();
    let mut rng = FixedRng::new(5);
    let message = world.known.write(&world.us, Some("get last"), &mut rng);
    let later = world.known.write(&world.us, Some("status"), &mut rng);
    let empty = world.known.write(&world.us, None, &mut rng);
    let exchange = world.unknown.write(&world.us, Some("hello"), &mut rng);
    let mut add = |name: &str, from_known: bool, envelope: &Envelope| {
        seeds.add("envelope", name, targets::lay_out(from_known, envelope));
    };
    add("accepted-message", true, &message);
    add("accepted-message--two-skipped-no-payload", true, &empty);
    add("accepted-exchange", false, &exchange);
    add(
        "accepted-exchange--not-marked",
        false,
        &with(&exchange, |it| it.keys[0].key_exchange = false),
    );
    add("refused-already-received", true, &world.first);
    add("refused-no-session", false, &later);
    add("refused-identity-changed", true, &exchange);
    let cut = |it: &mut Envelope| it.keys[0].data.truncate(30);
    add("refused-malformed--cut", true, &with(&message, cut));
    let newer = |it: &mut Envelope| it.keys[0].data[0] = 0x44;
    add(
        "refused-malformed--other-version",
        true,
        &with(&message, newer),
    );
    let no_iv = |it: &mut Envelope| it.iv.clear();
    add("refused-malformed--no-iv", true, &with(&message, no_iv));
    let flip_mac = |it: &mut Envelope| *it.keys[0].data.last_mut().expect("not empty") ^= 1;
    add(
        "refused-not-authentic--mac",
        true,
        &with(&message, flip_mac),
    );
    let flip_tag = |it: &mut Envelope| {
        let payload = it.payload.as_mut().expect("there is one");
        payload[0] ^= 1;
    };
    add(
        "refused-not-authentic--payload",
        true,
        &with(&message, flip_tag),
    );
    add(
        "refused-not-authentic--inside-an-exchange",
        false,
        &with(&exchange, flip_tag),
    );
    // version, ratchet key with tag and length, tag of the counter
    let far = |it: &mut Envelope| {
        let data = &mut it.keys[0].data;
        data.splice(37..38, [0xFF, 0xFF, 0xFF, 0xFF, 0x0F]);
    };
    add("refused-too-far-ahead", true, &with(&message, far));
    // version, tag of the prekey id
    let used_up = |it: &mut Envelope| {
        let data = &mut it.keys[0].data;
        data.splice(2..3, [0xFF, 0xFF, 0xFF, 0xFF, 0x0F]);
    };
    add("refused-unknown-prekey", false, &with(&exchange, used_up));
}

fn with<T: Clone>(value: &T, change: impl FnOnce(&mut T)) -> T {
    let mut changed = value.clone();
    change(&mut changed);
    changed
}

fn bundles(seeds: &mut Seeds) {
    let world = World::make();
    let whole = machine::own_bundle(&world.unknown.store, Namespace::Legacy)
        .expect("memory does not fail")
        .expect("the phone is enrolled");
    let bundle = with(&whole, |it| it.prekeys.truncate(3));
    let mut add = |name: &str, bundle: &Bundle| {
        seeds.add("bundle", name, targets::lay_out_bundle(bundle));
    };
    add("accepted-bundle", &bundle);
    let bare = |it: &mut Bundle| {
        it.identity_key.remove(0);
        it.signed_prekey.remove(0);
    };
    add("accepted-bundle--keys-without-prefix", &with(&bundle, bare));
    let spoilt = |it: &mut Bundle| it.prekeys[0].1.truncate(7);
    add("accepted-bundle--one-prekey-spoilt", &with(&bundle, spoilt));
    add("refused-no-prekey", &with(&bundle, |it| it.prekeys.clear()));
    let flip = |it: &mut Bundle| it.signed_prekey_signature[5] ^= 1;
    add("refused-not-authentic--signature", &with(&bundle, flip));
    let weak = |it: &mut Bundle| it.signed_prekey = vec![0; 32];
    add("refused-not-authentic--weak-key", &with(&bundle, weak));
    let cut = |it: &mut Bundle| it.identity_key.truncate(20);
    add("refused-malformed", &with(&bundle, cut));
}

fn records(seeds: &mut Seeds) {
    let world = World::make();
    let store = &world.ours;
    let phone = &world.known.address;
    let own = store.own_device().expect("memory does not fail");
    let own = own.expect("we are enrolled").to_bytes();
    let prekeys = store.prekeys().expect("memory does not fail");
    let signed = store.signed_prekeys().expect("memory does not fail");
    let sessions = store.sessions(Namespace::Legacy, phone);
    let session = sessions.expect("memory does not fail")[0].to_bytes();
    let pending = world.unknown.store.sessions(Namespace::Legacy, &world.us);
    let pending = pending.expect("memory does not fail")[0].to_bytes();
    let known = known_device(store, phone);
    seeds.add("record", "accepted-own-device", own.as_slice());
    seeds.add(
        "record",
        "accepted-prekey",
        prekeys[0].to_bytes().as_slice(),
    );
    seeds.add(
        "record",
        "accepted-signed-prekey",
        signed[0].to_bytes().as_slice(),
    );
    seeds.add("record", "accepted-known-device", known);
    seeds.add("record", "accepted-session", session.as_slice());
    seeds.add(
        "record",
        "accepted-session--not-answered",
        pending.as_slice(),
    );
    seeds.add(
        "record",
        "accepted-session--with-skipped-keys",
        skipping_session(),
    );
    seeds.add(
        "record",
        "refused-damaged--cut",
        &session[..session.len() - 1],
    );
    seeds.add(
        "record",
        "refused-damaged--longer",
        [session.as_slice(), &[0]].concat(),
    );
    let other_version = with(&own.to_vec(), |it| it[0] = 9);
    seeds.add("record", "refused-damaged--other-version", other_version);
}

fn known_device(store: &impl Store, phone: &Address) -> Vec<u8> {
    let known = store.known_device(phone).ok().flatten();
    let known = known.expect("the phone wrote to us");
    KnownDevice {
        trust: Trust::Pinned,
        ..known
    }
    .to_bytes()
}

/// A session that has received the third message of a chain, but not the first two.
fn skipping_session() -> Vec<u8> {
    let mut world = World::make();
    let mut rng = FixedRng::new(6);
    for _ in 0..2 {
        world.known.write(&world.us, None, &mut rng);
    }
    let third = world.known.write(&world.us, None, &mut rng);
    let (_, changes) = machine::receive(&world.ours, &world.known.address.jid, &third, NOW)
        .expect("an honest message opens");
    changes.sessions[0].1.to_bytes().to_vec()
}

fn media(seeds: &mut Seeds) {
    for (name, long_iv, length, piece) in [
        ("accepted-short-iv--empty", false, 0, 0),
        ("accepted-short-iv--one-byte-pieces", false, 100, 0),
        ("accepted-short-iv--odd-pieces", false, 1000, 16),
        ("accepted-long-iv", true, 333, 127),
    ] {
        let content: Vec<u8> = (0..=255).cycle().take(length).collect();
        let mut out = vec![piece * 2 + u8::from(long_iv)];
        let mut encryptor = MediaEncryptor::new(&targets::media_secret(long_iv));
        encryptor.update(&content, &mut out).expect("it is short");
        out.extend_from_slice(&encryptor.finish());
        if name.ends_with("odd-pieces") {
            let flipped = with(&out, |it| it[500] ^= 0x10);
            seeds.add("media", "refused-not-authentic--flipped", flipped);
            let cut = &out[..out.len() - 1];
            seeds.add("media", "refused-not-authentic--cut", cut);
        }
        seeds.add("media", name, out);
    }
    seeds.add("media", "refused-not-authentic--shorter-than-a-tag", [0; 9]);
}

fn vault_folder(seeds: &mut Seeds, scratch: &Path) {
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

fn recovery_words(seeds: &mut Seeds) {
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

fn vault_messages(seeds: &mut Seeds) {
    let job = [7; 32];
    let row = || Row {
        number: 12,
        name: "Müller Urlaub 🏖.jpg".to_owned(),
        bytes: 3_100_000,
        received_at: 1_800_000_000,
    };
    let ask = |question| Order::Ask { job, question };
    let orders = [
        (
            "open",
            Order::Open {
                folder: "vault".into(),
                key_file: "stick/strongroom.key".into(),
                public_half: vec![1; 20],
            },
        ),
        ("adopt", Order::Adopt { job, blob: [3; 16] }),
        ("list", ask(Question::List { lines: 10 })),
        (
            "find",
            ask(Question::Find {
                words: "summer".to_owned(),
                lines: 10,
            }),
        ),
        (
            "pick",
            ask(Question::Pick {
                ranges: vec![(1, 9), (0, 2)],
            }),
        ),
        ("totals", ask(Question::Totals)),
        (
            "deliver",
            Order::Deliver {
                job,
                number: u64::MAX,
            },
        ),
        ("abort", Order::Abort),
    ];
    for (name, order) in &orders {
        let bytes = message(0, order);
        seeds.add("vault_message", &format!("accepted-order--{name}"), bytes);
    }
    let words = [
        ("opened", Word::Opened),
        ("not-opened", Word::NotOpened(Shut::WrongKey)),
        ("adopted", Word::Adopted { job, row: row() }),
        ("same-as", Word::SameAs { job, number: 3 }),
        ("not-adopted", Word::NotAdopted { job }),
        (
            "rows",
            Word::Rows {
                job,
                rows: vec![row(), row()],
                total: 9,
                more: true,
            },
        ),
        (
            "picked",
            Word::Picked {
                job,
                found: vec![1, 300],
                missing: vec![7],
            },
        ),
        (
            "totals",
            Word::Totals {
                job,
                entries: 3,
                bytes: 1 << 40,
            },
        ),
        ("no-answer", Word::NoAnswer { job }),
        (
            "prepared",
            Word::Prepared {
                job,
                row: row(),
                ciphertext_bytes: 1 << 33,
                secret: vec![9; 44],
            },
        ),
        ("not-prepared", Word::NotPrepared { job, number: 3 }),
    ];
    for (name, word) in &words {
        let bytes = message(1, word);
        seeds.add("vault_message", &format!("accepted-word--{name}"), bytes);
    }
    let rows = message(1, &words[5].1);
    let cut = &rows[..rows.len() - 1];
    seeds.add("vault_message", "refused-word--cut", cut);
    let longer = [message(0, &orders[7].1), vec![0]].concat();
    seeds.add("vault_message", "refused-order--longer", longer);
    // a list of 2^32 - 1 numbers that never come
    let boasting = [&[1, 6][..], &job, &[0xFF, 0xFF, 0xFF, 0xFF, 0x0F]].concat();
    seeds.add(
        "vault_message",
        "refused-word--list-that-never-comes",
        boasting,
    );
    seeds.add("vault_message", "refused-order--unknown", [0, 99]);
}

fn message(kind: u8, message: &impl Serialize) -> Vec<u8> {
    let mut out = vec![kind];
    out.extend(postcard::to_stdvec(message).expect("a message is written"));
    out
}
