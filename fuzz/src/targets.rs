//! What each fuzz target does with its bytes, and what must then hold.
//!
//! Knows neither libFuzzer nor the corpus. A target panics where a promise of the code is broken;
//! otherwise it says what it came to, so that a replay can tell that it was really called.

use std::{fmt, iter, str};

use omemo::{
    IdentityKey,
    media::{LinkError, MediaDecryptor, MediaEncryptor, MediaLink, MediaSecret, TAG_BYTES},
    trust::FingerprintError,
};
use strongroom::{
    keeper::{
        command::{self, Command, MAX_LINES, MAX_PICKED, MAX_SAMPLE, NotACommand, Pick},
        owner,
        pictures::Pictures,
        verify::Asked,
    },
    transfer::fuzzing::{self as http, Judged},
    vault_process::{self, Order, Word},
    xmpp::fuzzing::{self, Reading},
};
use vault::{name::MAX_SAFE_NAME_BYTES, safe_name};

pub use messages::{bundle, envelope, record};
pub use sealed::{blob_header, words};

// the paths hold for the fuzz workspace and for the test alike
#[path = "targets/messages.rs"]
pub mod messages;
#[path = "targets/plain.rs"]
mod plain;
#[path = "targets/sealed.rs"]
mod sealed;
#[path = "../../crates/omemo/tests/two_party/model.rs"]
mod two_party_model;
#[path = "targets/world.rs"]
pub mod world;

/// What a target came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The bytes were taken, as this.
    Accepted(&'static str),
    /// The bytes were refused, for this reason.
    Refused(&'static str),
}

use Verdict::{Accepted, Refused};

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Accepted(what) => write!(f, "accepted-{what}"),
            Refused(why) => write!(f, "refused-{why}"),
        }
    }
}

/// The body of a target.
pub type Target = fn(&[u8]) -> Verdict;

/// Every target by its name.
pub const TARGETS: &[(&str, Target)] = &[
    ("answer", answer),
    ("blob_header", blob_header),
    ("bundle", bundle),
    ("command", command),
    ("described", described),
    ("envelope", envelope),
    ("http", http),
    ("link", link),
    ("login", login),
    ("media", media),
    ("record", record),
    ("sce", sce),
    ("socks", socks),
    ("stanza", stanza),
    ("two_party", two_party),
    ("vault_message", vault_message),
    ("words", words),
];

/// Reads a message that may be a link to a file, or a fingerprint as people paste it.
///
/// # Panics
/// When a link that was read cannot be written and read again, or names what it must not.
pub fn link(bytes: &[u8]) -> Verdict {
    let Ok(text) = str::from_utf8(bytes) else {
        return Refused("not-text");
    };
    // whatever a sender calls a file, its safe name is one
    let safe = safe_name(Some(text));
    assert!(!safe.is_empty() && safe.len() <= MAX_SAFE_NAME_BYTES);
    assert!(!safe.contains(|it: char| it == '/' || it == '\\' || it.is_control()));
    assert_eq!(safe_name(Some(&safe)), safe);
    match MediaLink::parse(text) {
        Ok(link) => {
            check_link(&link);
            Accepted("link")
        }
        Err(LinkError::Address) => Refused("address"),
        Err(LinkError::Secret) => Refused("secret"),
        Err(LinkError::TrailingText) => Refused("trailing-text"),
        Err(LinkError::TooLong) => Refused("too-long"),
        Err(LinkError::NotALink | _) => fingerprint(text),
    }
}

fn check_link(link: &MediaLink) {
    assert!(link.url.starts_with("https://") && !link.url.contains('#'));
    assert!(link.url.bytes().all(|it| it.is_ascii_graphic()));
    if let Ok(url) = url::Url::parse(&link.url) {
        assert_eq!(url.scheme(), "https");
        assert!(url.username().is_empty() && url.password().is_none());
    }
    match link.secret.link(&link.url) {
        Ok(written) => {
            let again = MediaLink::parse(&written).expect("a link that was written is read");
            assert_eq!(again.url, link.url);
            assert_eq!(again.name, link.name);
            assert_eq!(again.secret.to_bytes(), link.secret.to_bytes());
        }
        // letters outside ASCII get longer
        Err(why) => assert_eq!(why, LinkError::TooLong),
    }
}

fn fingerprint(text: &str) -> Verdict {
    match IdentityKey::from_fingerprint(text) {
        Ok(key) => {
            assert_eq!(IdentityKey::from_fingerprint(&key.fingerprint()), Ok(key));
            Accepted("fingerprint")
        }
        Err(FingerprintError::Length { .. }) => Refused("length"),
        Err(FingerprintError::NotAKey) => Refused("not-a-key"),
        Err(FingerprintError::NotHex | _) => Refused("not-hex"),
    }
}

/// Key and IV of the files that [`media`] decrypts.
///
/// # Panics
/// Never: the lengths are right.
#[must_use]
pub fn media_secret(long_iv: bool) -> MediaSecret {
    let length = if long_iv { 48 } else { 44 };
    MediaSecret::from_bytes(&[7; 48][..length]).expect("the length is right")
}

/// Decrypts a file, whole and in pieces of the length that the first byte says.
///
/// # Panics
/// When the pieces make a difference, or what was decrypted does not encrypt to the same.
pub fn media(bytes: &[u8]) -> Verdict {
    let (head, ciphertext) = take(bytes, 1);
    let head = head.first().copied().unwrap_or_default();
    let secret = media_secret(head & 1 != 0);
    let decrypt = |pieces: &mut dyn Iterator<Item = &[u8]>| {
        let mut content = Vec::new();
        let mut decryptor = MediaDecryptor::new(&secret);
        for piece in pieces {
            let taken = decryptor.update(piece, &mut content);
            assert_eq!(taken, Ok(()), "the file is not too long");
        }
        let verdict = decryptor.finish(&mut content);
        (content, verdict)
    };
    let whole = decrypt(&mut iter::once(ciphertext));
    let pieces = decrypt(&mut ciphertext.chunks(usize::from(head / 2) + 1));
    assert_eq!(pieces, whole);
    let (content, verdict) = whole;
    assert_eq!(content.len(), ciphertext.len().saturating_sub(TAG_BYTES));
    if verdict.is_err() {
        return Refused("not-authentic");
    }
    let mut again = Vec::new();
    let mut encryptor = MediaEncryptor::new(&secret);
    assert_eq!(encryptor.update(&content, &mut again), Ok(()));
    again.extend_from_slice(&encryptor.finish());
    assert_eq!(again, ciphertext);
    Accepted(if head & 1 == 0 { "short-iv" } else { "long-iv" })
}

/// Reads a frame of the vault process's control socket: an order if the first byte is 0, a word
/// otherwise.
///
/// # Panics
/// When a message that was read is not written and read again the same.
pub fn vault_message(bytes: &[u8]) -> Verdict {
    fn reads<T: serde::Serialize + serde::de::DeserializeOwned>(body: &[u8]) -> bool {
        let Some(message) = vault_process::parse::<T>(body) else {
            return false;
        };
        let written = postcard::to_stdvec(&message).expect("a message is written");
        assert!(written.len() <= body.len());
        let again = vault_process::parse::<T>(&written).expect("and is read again");
        let again = postcard::to_stdvec(&again).expect("a message is written");
        assert_eq!(again, written);
        true
    }
    let (head, body) = take(bytes, 1);
    match (head, reads::<Order>, reads::<Word>) {
        ([0], order, _) if order(body) => Accepted("order"),
        ([0], ..) => Refused("order"),
        (_, _, word) if word(body) => Accepted("word"),
        _ => Refused("word"),
    }
}

fn verdict(reading: Reading) -> Verdict {
    match reading {
        Reading::Taken(what) => Accepted(what),
        Reading::Dropped(why) => Refused(why),
        Reading::Broken(what) => unreachable!("{what}"),
    }
}

/// Reads the files that are described inside an encrypted payload.
///
/// # Panics
/// When a file is described that cannot be proven, or that reads differently when written again.
pub fn described(bytes: &[u8]) -> Verdict {
    verdict(fuzzing::read_described(bytes))
}

/// Reads a server's answer to a question: nodes, forms, lists of features, an archive's page, a slot.
///
/// # Panics
/// When something is believed or printed that must not be.
pub fn answer(bytes: &[u8]) -> Verdict {
    verdict(fuzzing::read_answer(bytes))
}

/// Reads what a server says during a login.
///
/// # Panics
/// When the password would be shown, or a proof is believed that nobody could make.
pub fn login(bytes: &[u8]) -> Verdict {
    verdict(fuzzing::read_login(bytes))
}

/// Reads what a SOCKS5 proxy answers.
///
/// # Panics
/// When it waits for more than it needs, or believes less.
pub fn socks(bytes: &[u8]) -> Verdict {
    verdict(fuzzing::read_socks(bytes))
}

/// Judges an address to fetch from, the head of the answer, or the headers of a slot.
///
/// # Panics
/// When something is taken that must not be.
pub fn http(bytes: &[u8]) -> Verdict {
    match str::from_utf8(bytes).map(http::judge) {
        Ok(Judged::Taken(what)) => Accepted(what),
        Ok(Judged::Refused(why)) => Refused(why),
        Ok(Judged::Broken(what)) => unreachable!("{what}"),
        Err(_) => Refused("not-text"),
    }
}

/// Has two parties act as a script says, and compares them with a reference.
///
/// # Panics
/// When a message that must be readable is not, or one that must not be is.
pub fn two_party(bytes: &[u8]) -> Verdict {
    /// What is said at the end of every script.
    const ALWAYS: u64 = 12;
    let tally = two_party_model::run(bytes);
    if tally.read > ALWAYS {
        Accepted("conversation")
    } else {
        Refused("silence")
    }
}

/// Reads a stanza, through the sieve and the XML parser.
///
/// # Panics
/// When something is believed that must not be.
pub fn stanza(bytes: &[u8]) -> Verdict {
    verdict(fuzzing::read_stanza(bytes))
}

/// Reads what was inside an encrypted payload of `urn:xmpp:omemo:2`.
///
/// # Panics
/// When something is believed that must not be.
pub fn sce(bytes: &[u8]) -> Verdict {
    verdict(fuzzing::read_inside(bytes))
}

/// Reads a line of chat.
///
/// # Panics
/// When a command asks for more than may be asked, or reads differently in its plain form.
pub fn command(bytes: &[u8]) -> Verdict {
    let Ok(line) = str::from_utf8(bytes) else {
        return Refused("not-text");
    };
    let normal = owner::normal(line);
    assert_eq!(owner::normal(&normal), normal);
    let context = command::Context::default();
    let command = match command::parse(line, &context) {
        Ok(command) => command,
        Err(NotACommand::Unknown) => return Refused("unknown"),
        Err(NotACommand::DidYouMean { .. }) => return Refused("did-you-mean"),
        Err(NotACommand::Alone { .. }) => return Refused("alone"),
        Err(NotACommand::NotPlain) => return Refused("not-plain"),
        Err(NotACommand::NoTopic { .. }) => return Refused("no-topic"),
        Err(NotACommand::BadNumber { .. }) => return Refused("bad-number"),
        Err(NotACommand::TooMany) => return Refused("too-many"),
        Err(NotACommand::WhichFile) => return Refused("which-file"),
        Err(NotACommand::NothingToFind) => return Refused("nothing-to-find"),
        Err(NotACommand::AlbumWhich) => return Refused("album-which"),
        Err(NotACommand::RenameHow) => return Refused("rename-how"),
        Err(NotACommand::RevokeHow) => return Refused("revoke-how"),
        Err(NotACommand::TrustWhom { .. }) => return Refused("trust-whom"),
        Err(NotACommand::RevokeWhat { .. }) => return Refused("revoke-what"),
        Err(NotACommand::Picture(_)) => return Refused("picture"),
        Err(NotACommand::VerifyWhat { .. }) => return Refused("verify-what"),
        Err(NotACommand::Keep(_)) => return Refused("keep-how"),
        Err(NotACommand::WhichNotice { .. }) => return Refused("which-notice"),
        Err(NotACommand::QuietHow) => return Refused("quiet-how"),
        Err(NotACommand::Whom { .. }) => return Refused("whom"),
        Err(NotACommand::OddAddress) => return Refused("odd-address"),
        Err(NotACommand::EjectHow) => return Refused("eject-how"),
        Err(NotACommand::PrepareHow) => return Refused("prepare-how"),
        Err(NotACommand::ExportWhat) => return Refused("export-what"),
        Err(NotACommand::ImportHow) => return Refused("import-how"),
    };
    let (what, plain) = plain_form(&command);
    let again = command::parse(&plain, &context);
    // What is written out may be too long for a line.
    assert!(
        plain.len() > 1_000 || again.as_ref() == Ok(&command),
        "{plain}"
    );
    Accepted(what)
}

fn plain_form(command: &Command) -> (&'static str, String) {
    match command {
        Command::Help => ("help", "help".to_owned()),
        Command::HelpOn { verb } => ("help-on", format!("help {verb}")),
        Command::Status => ("status", "status".to_owned()),
        Command::Lock => ("lock", "lock".to_owned()),
        Command::Keys => ("keys", "keys".to_owned()),
        Command::Unproven => ("unproven", "unproven".to_owned()),
        Command::Devices => ("devices", "devices".to_owned()),
        Command::Fingerprints => ("fingerprints", "fingerprints".to_owned()),
        Command::AddressPicture => ("fingerprints-qr", "fingerprints qr".to_owned()),
        Command::Trust { digits } => {
            assert!((4..=64).contains(&digits.len()));
            ("trust", format!("trust {digits}"))
        }
        Command::RevokeDevice { digits } => {
            assert!((4..=64).contains(&digits.len()));
            ("revoke-device", format!("revoke {digits}"))
        }
        // No line says these: an empty one is not read as them.
        Command::TakeUnproven { .. } => ("take-unproven", String::new()),
        Command::DropKey { .. } => ("drop-key", String::new()),
        Command::Numbers { .. } => ("numbers", String::new()),
        Command::Label { .. } => ("label", String::new()),
        Command::Album { name: None } => ("album-off", "album off".to_owned()),
        Command::Album { name: Some(name) } => {
            assert!((1..=255).contains(&name.len()));
            ("album", format!("album \"{name}\""))
        }
        Command::AddKey => ("add-key", "add key".to_owned()),
        Command::RevokeKey { name } => ("revoke-key", format!("revoke key {name}")),
        Command::RenameKey { name, to } => {
            ("rename-key", format!("rename key \"{name}\" to \"{to}\""))
        }
        Command::Keep(keeping) => plain::kept(keeping),
        Command::Notices(wish) => plain::wished(*wish),
        Command::Machine(errand) => plain::errand(*errand),
        Command::Prepare(wanted) => plain::prepared(wanted),
        Command::Carry(wish) => plain::carried(wish),
        Command::Contact(wish) => plain::contact(wish),
        Command::Verify(asked) => match asked {
            Asked::All => ("verify", "verify".to_owned()),
            Asked::Stop => ("verify", "verify stop".to_owned()),
            Asked::One(number) => ("verify", format!("verify {number}")),
            Asked::Sample(count) => {
                assert!((1..=MAX_SAMPLE).contains(count));
                ("verify", format!("verify sample {count}"))
            }
        },
        Command::Picture(Pictures::Sheet { picks }) => {
            ("sheet", format!("sheet{}", plain_picks(picks)))
        }
        Command::Picture(Pictures::SheetOf { what, before }) => {
            assert!(before.is_none());
            ("sheet-of", format!("sheet{}", what.plain()))
        }
        Command::Picture(Pictures::Small { picks }) => {
            ("small", format!("get{} small", plain_picks(picks)))
        }
        Command::Picture(Pictures::Originals(true)) => ("originals", "originals on".to_owned()),
        Command::Picture(Pictures::Originals(false)) => ("originals", "originals off".to_owned()),
        Command::List {
            what,
            lines,
            before,
        } => {
            assert!((1..=MAX_LINES).contains(lines) && before.is_none());
            ("list", format!("list {lines}{}", what.plain()))
        }
        Command::Next => ("next", "next".to_owned()),
        Command::Info { number } => ("info", format!("info {number}")),
        Command::Albums { after } => {
            assert!(after.is_empty());
            ("albums", "albums".to_owned())
        }
        Command::Tags { after } => {
            assert!(after.is_empty());
            ("tags", "tags".to_owned())
        }
        Command::Get { picks } => ("get", format!("get{}", plain_picks(picks))),
    }
}

fn plain_picks(picks: &[Pick]) -> String {
    let counts = picks.iter().map(|pick| match pick {
        Pick::Range { first, last } => {
            assert!(0 < *first && first <= last);
            last - first + 1
        }
        Pick::Last { count } => *count,
    });
    assert!((1..=MAX_PICKED).contains(&counts.sum()));
    let picks = picks.iter().map(|pick| match pick {
        Pick::Range { first, last } => format!(" {first}-{last}"),
        Pick::Last { count } => format!(" last {count}"),
    });
    picks.collect()
}

fn take(bytes: &[u8], length: usize) -> (&[u8], &[u8]) {
    bytes.split_at(length.min(bytes.len()))
}
