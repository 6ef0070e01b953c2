//! What each fuzz target does with its bytes, and what must then hold.
//!
//! Knows neither libFuzzer nor the corpus. A target panics where a promise of the code is broken;
//! otherwise it says what it came to, so that a replay can tell that it was really called.

use std::{fmt, iter, str, sync::LazyLock};

use omemo::{
    Address, Bundle, Changes, Envelope, HeaderKey, IdentityKey, KnownDevice, MemoryStore,
    Namespace, Opened, OwnDevice, Prekey, ReceiveError, Session, SignedPrekey, StartError, Store,
    machine,
    media::{LinkError, MediaDecryptor, MediaEncryptor, MediaLink, MediaSecret, TAG_BYTES},
    store::suite::FixedRng,
    trust::FingerprintError,
};
use strongroom::{
    keeper::{
        command::{self, Command, MAX_LINES, MAX_PICKED, NotACommand, Pick},
        owner,
    },
    vault_process::{self, Order, Word},
};
use vault::{
    PublicHalf, PublicHalfError, SlotSecret,
    header::{HEADER_BYTES, Header, HeaderError},
    key::file::KeyFileError,
    name::MAX_SAFE_NAME_BYTES,
    safe_name,
    slot::{SlotError, SlotRecord},
    words::WordsError,
};

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
    ("blob_header", blob_header),
    ("bundle", bundle),
    ("command", command),
    ("envelope", envelope),
    ("link", link),
    ("media", media),
    ("record", record),
    ("vault_message", vault_message),
    ("words", words),
];

/// When everything happens.
pub const NOW: u64 = 1_800_000_000;

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

/// Us, with a phone that we have a session with, and one that we have not.
pub struct World {
    /// Our store.
    pub ours: MemoryStore,
    /// Our own address.
    pub us: Address,
    /// A phone that wrote to us before and got an answer.
    pub known: Phone,
    /// A phone that we never heard of; it has fetched our bundle.
    pub unknown: Phone,
    /// The first message of the known phone.
    pub first: Envelope,
}

/// A device that writes to us.
pub struct Phone {
    /// Its store, which has a session with us.
    pub store: MemoryStore,
    /// Its address.
    pub address: Address,
}

impl World {
    /// Makes the same world each time.
    ///
    /// # Panics
    /// When the honest way fails.
    #[must_use]
    pub fn make() -> Self {
        let mut rng = FixedRng::new(1);
        let mut ours = MemoryStore::new();
        let us = enrol(&mut ours, "vault@example.org", &mut rng);
        let mut known = Phone::make("phone@example.org", &ours, &us, &mut rng);
        let unknown = Phone::make("stranger@example.org", &ours, &us, &mut rng);
        let first = known.write(&us, Some("help"), &mut rng);
        let (_, changes) = machine::receive(&ours, &known.address.jid, &first, NOW)
            .expect("an honest message opens");
        ours.apply(changes).expect("memory does not fail");
        let answer = encrypt(&mut ours, &known.address, Some("What I can do"), &mut rng);
        let (_, changes) =
            machine::receive(&known.store, &us.jid, &answer, NOW).expect("an honest answer opens");
        known.store.apply(changes).expect("memory does not fail");
        Self {
            ours,
            us,
            known,
            unknown,
            first,
        }
    }
}

impl Phone {
    fn make(jid: &str, ours: &MemoryStore, us: &Address, rng: &mut FixedRng) -> Self {
        let mut store = MemoryStore::new();
        let address = enrol(&mut store, jid, rng);
        let bundle = machine::own_bundle(ours, Namespace::Legacy)
            .expect("memory does not fail")
            .expect("we are enrolled");
        let changes =
            machine::start_session(&store, us, &bundle, rng, NOW).expect("our bundle is good");
        store.apply(changes).expect("memory does not fail");
        Self { store, address }
    }

    /// Encrypts the phone's next message.
    pub fn write(&mut self, to: &Address, body: Option<&str>, rng: &mut FixedRng) -> Envelope {
        encrypt(&mut self.store, to, body, rng)
    }
}

fn enrol(store: &mut MemoryStore, jid: &str, rng: &mut FixedRng) -> Address {
    let (own, changes) = machine::enrol(rng, NOW);
    store.apply(changes).expect("memory does not fail");
    Address::new(jid, own.device())
}

fn encrypt(
    store: &mut MemoryStore,
    to: &Address,
    body: Option<&str>,
    rng: &mut FixedRng,
) -> Envelope {
    let (envelope, changes) = machine::encrypt(
        store,
        Namespace::Legacy,
        std::slice::from_ref(to),
        body.map(str::as_bytes),
        rng,
        NOW,
    )
    .expect("a session that exists encrypts");
    store.apply(changes).expect("memory does not fail");
    envelope
}

static WORLD: LazyLock<World> = LazyLock::new(World::make);

/// Copies what our store holds about us and one phone.
fn copy_of(store: &MemoryStore, phone: &Address) -> MemoryStore {
    let sessions = store.sessions(Namespace::Legacy, phone);
    let sessions = sessions.expect("memory does not fail").into_iter();
    let changes = Changes {
        own_device: store.own_device().expect("memory does not fail"),
        signed_prekeys: store.signed_prekeys().expect("memory does not fail"),
        prekeys: store.prekeys().expect("memory does not fail"),
        sessions: sessions.map(|it| (phone.clone(), it)).collect(),
        devices: store
            .known_devices(&phone.jid)
            .expect("memory does not fail"),
        ..Changes::default()
    };
    let mut copy = MemoryStore::new();
    copy.apply(changes).expect("memory does not fail");
    copy
}

fn take(bytes: &[u8], length: usize) -> (&[u8], &[u8]) {
    bytes.split_at(length.min(bytes.len()))
}

/// From the known phone, not from the unknown one.
pub const FROM_KNOWN: u8 = 1;
/// The key element says that it is a key exchange.
pub const MARKED: u8 = 2;
/// The element has a payload.
pub const PAYLOAD: u8 = 4;

/// Lays an envelope out as [`envelope`] reads it: flags, length of the IV, length of the key
/// element in two bytes, then IV, key element and payload.
#[must_use]
pub fn lay_out(from_known: bool, envelope: &Envelope) -> Vec<u8> {
    let key = envelope.keys.first();
    let data = key.map(|it| it.data.as_slice()).unwrap_or_default();
    let flags = [
        (from_known, FROM_KNOWN),
        (key.is_some_and(|it| it.key_exchange), MARKED),
        (envelope.payload.is_some(), PAYLOAD),
    ];
    let flags = flags.iter().filter(|(set, _)| *set).map(|(_, flag)| flag);
    let [.., high, low] = data.len().to_be_bytes();
    let [.., iv] = envelope.iv.len().to_be_bytes();
    let mut out = vec![flags.sum(), iv, high, low];
    out.extend_from_slice(&envelope.iv);
    out.extend_from_slice(data);
    out.extend_from_slice(envelope.payload.as_deref().unwrap_or_default());
    out
}

/// Receives an envelope whose every byte but the device numbers is the input's.
///
/// # Panics
/// When a message opens twice, or leaves a session that cannot answer.
pub fn envelope(bytes: &[u8]) -> Verdict {
    let world = &*WORLD;
    let (head, rest) = take(bytes, 4);
    let [flags, iv, high, low] = head.try_into().unwrap_or_default();
    let (iv, rest) = take(rest, iv.into());
    let (data, payload) = take(rest, u16::from_be_bytes([high, low]).into());
    let phone = if flags & FROM_KNOWN == 0 {
        &world.unknown.address
    } else {
        &world.known.address
    };
    let envelope = Envelope {
        namespace: Namespace::Legacy,
        sender: phone.device,
        keys: vec![HeaderKey {
            jid: None,
            device: world.us.device,
            key_exchange: flags & MARKED != 0,
            data: data.to_vec(),
        }],
        iv: iv.to_vec(),
        payload: (flags & PAYLOAD != 0).then(|| payload.to_vec()),
    };
    match machine::receive(&world.ours, &phone.jid, &envelope, NOW) {
        Ok((opened, changes)) => opened_once(&opened, changes, &envelope, phone),
        Err(why) => Refused(why_not_received(&why)),
    }
}

fn opened_once(opened: &Opened, changes: Changes, envelope: &Envelope, phone: &Address) -> Verdict {
    assert!(opened.from == *phone && opened.is_new_device == opened.key_exchange);
    assert_eq!(opened.body.is_some(), envelope.payload.is_some());
    if let Some(body) = &opened.body {
        // whatever it says, it is text or it is not
        let _ = machine::text(body);
    }
    let mut store = copy_of(&WORLD.ours, phone);
    store.apply(changes).expect("memory does not fail");
    let again = machine::receive(&store, &phone.jid, envelope, NOW);
    assert!(matches!(again, Err(ReceiveError::AlreadyReceived)));
    encrypt(&mut store, phone, Some("✓"), &mut FixedRng::new(2));
    Accepted(if opened.key_exchange {
        "exchange"
    } else {
        "message"
    })
}

fn why_not_received<E>(why: &ReceiveError<E>) -> &'static str {
    match why {
        ReceiveError::AlreadyReceived => "already-received",
        ReceiveError::NotAuthentic => "not-authentic",
        ReceiveError::NoSession => "no-session",
        ReceiveError::IdentityChanged => "identity-changed",
        ReceiveError::Malformed => "malformed",
        ReceiveError::TooFarAhead => "too-far-ahead",
        ReceiveError::UnknownPrekey => "unknown-prekey",
        ReceiveError::NotEnrolled | ReceiveError::NotForUs | ReceiveError::Store(_) | _ => {
            unreachable!("the store is good and the key is ours")
        }
    }
}

/// Starts a session from a bundle, laid out as [`lay_out_bundle`] has it.
///
/// # Panics
/// When a session that was started cannot encrypt.
pub fn bundle(bytes: &[u8]) -> Verdict {
    let world = &*WORLD;
    let mut rest = bytes;
    let mut part = || {
        let (length, after) = take(rest, 1);
        let (part, after) = take(after, length.first().copied().unwrap_or_default().into());
        rest = after;
        part.to_vec()
    };
    let bundle = Bundle {
        namespace: Namespace::Legacy,
        identity_key: part(),
        signed_prekey_id: 1,
        signed_prekey: part(),
        signed_prekey_signature: part(),
        prekeys: iter::from_fn(|| Some(part()).filter(|it| !it.is_empty()))
            .zip(1..)
            .map(|(key, id)| (id, key))
            .collect(),
    };
    let phone = &world.unknown.address;
    let mut rng = FixedRng::new(3);
    match machine::start_session(&world.ours, phone, &bundle, &mut rng, NOW) {
        Ok(changes) => {
            assert!(bundle.identity().is_some());
            let mut store = copy_of(&world.ours, phone);
            store.apply(changes).expect("memory does not fail");
            let envelope = encrypt(&mut store, phone, None, &mut rng);
            assert!(envelope.keys.iter().all(|it| it.key_exchange));
            Accepted("bundle")
        }
        Err(StartError::Malformed) => Refused("malformed"),
        Err(StartError::NotAuthentic) => Refused("not-authentic"),
        Err(StartError::NoPrekey) => Refused("no-prekey"),
        Err(
            StartError::NotEnrolled
            | StartError::IdentityChanged
            | StartError::Revoked
            | StartError::Store(_)
            | _,
        ) => unreachable!("we are enrolled and never saw the device"),
    }
}

/// Lays a bundle out as [`bundle`] reads it: each part after a byte with its length; the prekeys
/// end at an empty one.
#[must_use]
pub fn lay_out_bundle(bundle: &Bundle) -> Vec<u8> {
    let head = [
        &bundle.identity_key,
        &bundle.signed_prekey,
        &bundle.signed_prekey_signature,
    ];
    let parts = head
        .into_iter()
        .chain(bundle.prekeys.iter().map(|(_, key)| key));
    parts
        .flat_map(|part| {
            let [.., length] = part.len().to_be_bytes();
            iter::once(length).chain(part.iter().copied())
        })
        .collect()
}

/// Reads a record of the store, whichever it is.
///
/// # Panics
/// When a record that was read is not written back the same, or a session from it panics in use.
pub fn record(bytes: &[u8]) -> Verdict {
    let world = &*WORLD;
    let phone = &world.known.address;
    if let Ok(it) = OwnDevice::from_bytes(bytes) {
        assert_eq!(it.to_bytes().as_slice(), bytes);
        return Accepted("own-device");
    }
    if let Ok(it) = Prekey::from_bytes(bytes) {
        assert_eq!(it.to_bytes().as_slice(), bytes);
        return Accepted("prekey");
    }
    if let Ok(it) = SignedPrekey::from_bytes(bytes) {
        assert_eq!(it.to_bytes().as_slice(), bytes);
        return Accepted("signed-prekey");
    }
    if let Ok(it) = KnownDevice::from_bytes(phone.clone(), bytes) {
        assert_eq!(it.to_bytes(), bytes);
        return Accepted("known-device");
    }
    let Ok(session) = Session::from_bytes(bytes) else {
        return Refused("damaged");
    };
    assert_eq!(session.to_bytes().as_slice(), bytes);
    let mut store = MemoryStore::new();
    let changes = Changes {
        own_device: world.ours.own_device().expect("memory does not fail"),
        sessions: vec![(phone.clone(), session)],
        ..Changes::default()
    };
    store.apply(changes).expect("memory does not fail");
    let to = std::slice::from_ref(phone);
    let mut rng = FixedRng::new(4);
    let sent = machine::encrypt(&store, Namespace::Legacy, to, None, &mut rng, NOW);
    if let Ok((_, changes)) = sent {
        store.apply(changes).expect("memory does not fail");
    }
    // it is another session's message, or this one's first again
    assert!(machine::receive(&store, &phone.jid, &world.first, NOW).is_err());
    Accepted("session")
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
        let verdict = decryptor.finish();
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

/// Reads the front of a blob, a slot record, a key file or a public half; each knows its own.
///
/// # Panics
/// When two of them take the same bytes, or one is not written back the same.
pub fn blob_header(bytes: &[u8]) -> Verdict {
    let header = Header::parse(bytes);
    let slot = SlotRecord::parse(bytes);
    let key = SlotSecret::from_key_file(bytes);
    let half = PublicHalf::from_bytes(bytes);
    let takers = [header.is_ok(), slot.is_ok(), key.is_ok(), half.is_ok()];
    assert!(takers.into_iter().filter(|it| *it).count() <= 1);
    let (header, slot, key, half) = match (header, slot, key, half) {
        (Ok(header), ..) => {
            assert_eq!(Some(&header.to_bytes()[..]), bytes.get(..HEADER_BYTES));
            return Accepted("blob");
        }
        (_, Ok(slot), ..) => {
            assert_eq!(slot.to_bytes(), bytes);
            return Accepted("slot");
        }
        (_, _, Ok(key), _) => {
            assert_eq!(key.secret.to_key_file(&key.vault).as_slice(), bytes);
            return Accepted("key");
        }
        (.., Ok(half)) => {
            assert_eq!(half.to_bytes(), bytes);
            return Accepted("public-half");
        }
        (Err(header), Err(slot), Err(key), Err(half)) => (header, slot, key, half),
    };
    Refused(match (header, slot, key, half) {
        (HeaderError::TooNew { .. }, ..) => "blob-too-new",
        (HeaderError::UnknownSuite { .. }, ..) => "blob-unknown-suite",
        (_, SlotError::TooNew { .. }, ..) => "slot-too-new",
        (_, _, KeyFileError::TooNew { .. }, _) => "key-too-new",
        (_, _, KeyFileError::HalfWritten { .. }, _) => "key-half-written",
        (_, _, KeyFileError::Damaged, _) => "key-damaged",
        (.., PublicHalfError::TooNew { .. }) => "public-half-too-new",
        _ => "other",
    })
}

/// Reads recovery words as they are typed.
///
/// # Panics
/// When words that were read do not come out of the secret again.
pub fn words(bytes: &[u8]) -> Verdict {
    let Ok(text) = str::from_utf8(bytes) else {
        return Refused("not-text");
    };
    match SlotSecret::from_words(text) {
        Ok(secret) => {
            let written = secret.to_words();
            let again = SlotSecret::from_words(written.expose_to_owner());
            let again = again.expect("words that were written are read");
            assert_eq!(again.slot_id(), secret.slot_id());
            Accepted("words")
        }
        Err(WordsError::WrongCount { .. }) => Refused("wrong-count"),
        Err(WordsError::UnknownWord { place, .. }) => {
            assert!(place > 0);
            Refused("unknown-word")
        }
        Err(WordsError::WrongTogether | _) => Refused("wrong-together"),
    }
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
    let command = match command::parse(line) {
        Ok(command) => command,
        Err(NotACommand::Unknown) => return Refused("unknown"),
        Err(NotACommand::BadNumber { .. }) => return Refused("bad-number"),
        Err(NotACommand::TooMany) => return Refused("too-many"),
        Err(NotACommand::NothingToFind) => return Refused("nothing-to-find"),
    };
    let (what, plain) = plain_form(&command);
    assert_eq!(command::parse(&plain).as_ref(), Ok(&command), "{plain}");
    Accepted(what)
}

fn plain_form(command: &Command) -> (&'static str, String) {
    match command {
        Command::Help => ("help", "help".to_owned()),
        Command::Status => ("status", "status".to_owned()),
        Command::Lock => ("lock", "lock".to_owned()),
        Command::List { lines } => {
            assert!((1..=MAX_LINES).contains(lines));
            ("list", format!("list {lines}"))
        }
        Command::Find { words } => {
            assert!(!words.is_empty());
            ("find", format!("find {words}"))
        }
        Command::Get { picks } => {
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
            ("get", format!("get{}", picks.collect::<String>()))
        }
    }
}
