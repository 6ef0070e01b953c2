//! Makes the seeds of the corpus: for each target bytes that are right and bytes that are wrong in
//! one way, named by the verdict they must get.
//!
//! The same seeds come out each time, so that the committed corpus can be compared with them.

use std::path::Path;

use omemo::media::MediaEncryptor;

use crate::targets;

#[path = "seeds/answers.rs"]
mod answers;
#[path = "seeds/described.rs"]
mod described;
#[path = "seeds/messages.rs"]
mod messages;
#[path = "seeds/sealed.rs"]
mod sealed;
#[path = "seeds/stanzas.rs"]
mod stanzas;

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
    messages::envelopes(&mut seeds);
    messages::envelopes_of_omemo2(&mut seeds);
    messages::bundles(&mut seeds);
    messages::records(&mut seeds);
    media(&mut seeds);
    sealed::vault_folder(&mut seeds, scratch);
    sealed::recovery_words(&mut seeds);
    sealed::orders(&mut seeds);
    sealed::words(&mut seeds);
    described::payloads(&mut seeds);
    stanzas::messages(&mut seeds);
    stanzas::others(&mut seeds);
    stanzas::inside(&mut seeds);
    answers::answers(&mut seeds);
    answers::logins(&mut seeds);
    answers::proxies(&mut seeds);
    answers::http(&mut seeds);
    conversations(&mut seeds);
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

/// Scripts as `crates/omemo/tests/two_party/model.rs` reads them: four bytes an act.
fn conversations(seeds: &mut Seeds) {
    let (say, deliver, begin, burst, days) = (0, 10, 28, 29, 30);
    let act = |acts: &[[u8; 2]]| acts.iter().flat_map(|it| [it[0], it[1], 0, 0]).collect();
    let add = |seeds: &mut Seeds, name: &str, acts: &[[u8; 2]]| {
        let script: Vec<u8> = act(acts);
        seeds.add("two_party", name, script);
    };
    add(seeds, "refused-silence--nothing", &[]);
    add(seeds, "refused-silence--days", &[[days, 12], [begin, 0]]);
    let to_and_fro = [[say, 0], [deliver, 1], [say, 1], [deliver, 0], [say, 0]];
    add(seeds, "accepted-conversation--to-and-fro", &to_and_fro);
    let both_begin = [[begin, 0], [begin, 1], [say, 0], [say, 1], [say, 2]];
    add(seeds, "accepted-conversation--both-begin", &both_begin);
    let twice = [[begin, 0], [say, 0], [begin, 4], [say, 0], [31, 1]];
    add(seeds, "accepted-conversation--prekey-twice", &twice);
    let gap = [[burst, 252], [burst, 252], [deliver, 255], [27, 0]];
    add(seeds, "accepted-conversation--gap", &gap);
    let forged = [[say, 0], [say, 0], [23, 1], [24, 1], [25, 1], [26, 1]];
    add(seeds, "accepted-conversation--forged", &forged);
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

#[expect(clippy::too_many_lines, reason = "a table")]
fn commands(seeds: &mut Seeds) {
    seeds.all(
        "command",
        &[
            ("accepted-help", "/Help"),
            ("accepted-status", "status"),
            ("accepted-lock", "LOCK "),
            ("accepted-list", "list"),
            ("accepted-list--too-many-lines", "list 4000000000"),
            ("accepted-list--what", "list 30 videos last week"),
            ("accepted-list--found", "search Summer  in Köln"),
            (
                "accepted-list--all-at-once",
                "find photos #sea june 2025 \"may\" from ann album Summer in Köln",
            ),
            (
                "accepted-list--open-span",
                "find since 4 may until yesterday",
            ),
            ("accepted-next", "more"),
            ("accepted-info", "info #7"),
            ("accepted-albums", "albums"),
            ("accepted-tags", "Tags"),
            ("refused-which-file", "info"),
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
            ("accepted-devices", "Devices"),
            ("accepted-trust", "trust …8C1F 0a2b"),
            ("accepted-revoke-device", "revoke phone 8c1f"),
            ("accepted-revoke-key", "revoke key \"bank safe\""),
            ("accepted-rename-key", "rename key a to b to \" to \"c"),
            ("accepted-add-key", "add key"),
            ("accepted-delete", "/Delete #7, 9-12 last 2"),
            ("accepted-restore", "restore 7 8"),
            ("accepted-trash", "trash"),
            ("accepted-empty-trash", "trash Empty"),
            ("accepted-undo", "undo"),
            ("accepted-rename", "rename 7 to \"to be\""),
            ("accepted-move", "move 7-9 into Rome, Italy"),
            ("accepted-tag", "tag last 2 #sea, 2024"),
            ("accepted-untag", "untag 7 last"),
            ("accepted-note", "note 7 - no more"),
            ("accepted-notices", "notices off weekly"),
            ("accepted-quiet", "quiet 22:00-7:00"),
            ("accepted-machine", "eject off"),
            ("accepted-prepare", "prepare Samsung SanDisk"),
            ("accepted-export", "export album Rome onto SanDisk"),
            ("accepted-import", "import from SanDisk"),
            ("refused-keep-how", "tag 7"),
            ("refused-which-notice", "notices alarms off"),
            ("refused-quiet-how", "quiet 7"),
            ("refused-eject-how", "eject the drive"),
            ("refused-prepare-how", "prepare Samsung"),
            ("refused-export-what", "export"),
            ("refused-import-how", "import everything"),
            ("accepted-send-to", "send 7 9-12 to xmpp:Bob@Other.Example"),
            ("accepted-contacts", "contacts"),
            ("accepted-forget", "forget bob@other.example"),
            ("refused-whom", "send 7 to Bob"),
            ("refused-trust-whom", "trust c1f"),
            ("refused-revoke-what", "revoke bank safe"),
            ("refused-revoke-how", "revoke key"),
            ("refused-rename-how", "rename key a to b to c"),
            ("accepted-album", "album \"Summer 2025\""),
            ("accepted-album-off", "Album OFF"),
            ("refused-album-which", "album"),
            ("accepted-sheet", "sheet 7-30"),
            ("accepted-sheet-of--newest", "Sheet"),
            ("accepted-sheet-of", "sheet photos june 2025 #sea"),
            ("accepted-sheet--mixed", "sheet #7, 9–12 last 3"),
            ("accepted-small", "get small 7"),
            ("accepted-originals", "originals OFF"),
            ("refused-picture--sheet", "sheet 7-"),
            ("refused-picture--originals", "originals"),
            ("accepted-help-on", "help Search"),
            ("refused-no-topic", "help me"),
            ("refused-alone", "lock now"),
            ("refused-did-you-mean", "lsit 30"),
            ("refused-not-plain", "get 7\u{1b}[2J"),
            ("accepted-get--quoted", "> #17 beach.jpg, 3.1 MB\nget"),
            ("refused-unknown--prose", "thank you"),
            ("refused-unknown--two-lines", "help\nlock"),
        ],
    );
    seeds.add("command", "refused-unknown--long", "get 1 ".repeat(170));
    seeds.add("command", "refused-not-text", *b"get \xFF");
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

fn with<T: Clone>(value: &T, change: impl FnOnce(&mut T)) -> T {
    let mut changed = value.clone();
    change(&mut changed);
    changed
}
