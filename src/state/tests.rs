use std::os::unix::fs::PermissionsExt as _;

use cbc::cipher::{BlockModeDecrypt as _, KeyIvInit as _, block_padding::NoPadding};
use omemo::{
    Address, Changes, DeviceId, IdentityKey, KnownDevice, Namespace, OwnDevice, Prekey, Session,
    SignedPrekey, Store, Trust,
};
use serde::{Deserialize, Serialize};

use super::*;

/// The public key of RFC 7748 6.1.
const FINGERPRINT: &str = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a";

/// A state whose every call is a step of its own, as the store suite wants it.
struct OneByOne {
    state: std::cell::RefCell<State>,
    _folder: tempfile::TempDir,
}

impl OneByOne {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(folder.path()).unwrap();
        Self {
            state: state.into(),
            _folder: folder,
        }
    }

    fn read<T>(
        &self,
        read: impl FnOnce(&Step<'_>) -> Result<T, StateError>,
    ) -> Result<T, StateError> {
        read(&self.state.borrow_mut().begin()?)
    }
}

impl Store for OneByOne {
    type Error = StateError;

    fn own_device(&self) -> Result<Option<OwnDevice>, StateError> {
        self.read(|step| step.own_device())
    }
    fn signed_prekeys(&self) -> Result<Vec<SignedPrekey>, StateError> {
        self.read(|step| step.signed_prekeys())
    }
    fn prekey(&self, id: u32) -> Result<Option<Prekey>, StateError> {
        self.read(|step| step.prekey(id))
    }
    fn prekeys(&self) -> Result<Vec<Prekey>, StateError> {
        self.read(|step| step.prekeys())
    }
    fn prekey_count(&self) -> Result<usize, StateError> {
        self.read(|step| step.prekey_count())
    }
    fn used_prekeys(&self) -> Result<Vec<u32>, StateError> {
        self.read(|step| step.used_prekeys())
    }
    fn sessions(&self, namespace: Namespace, at: &Address) -> Result<Vec<Session>, StateError> {
        self.read(|step| step.sessions(namespace, at))
    }
    fn known_device(&self, address: &Address) -> Result<Option<KnownDevice>, StateError> {
        self.read(|step| step.known_device(address))
    }
    fn known_devices(&self, jid: &str) -> Result<Vec<KnownDevice>, StateError> {
        self.read(|step| step.known_devices(jid))
    }
    fn apply(&mut self, changes: Changes) -> Result<(), StateError> {
        let mut step = self.state.get_mut().begin()?;
        step.apply(changes)?;
        step.commit()
    }
}

omemo::store_suite!(OneByOne::new());

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Row {
    canary: String,
}

fn row(canary: &str) -> Row {
    Row {
        canary: canary.to_owned(),
    }
}

#[test]
fn a_step_that_is_not_committed_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut state = State::open(folder.path()).unwrap();
    let step = state.begin().unwrap();
    step.save_job(&[1; 32], JobKind::Intake, &row("one"))
        .unwrap();
    drop(step);
    let step = state.begin().unwrap();
    step.save_job(&[2; 32], JobKind::Intake, &row("two"))
        .unwrap();
    step.commit().unwrap();

    let jobs = state.begin().unwrap().jobs::<Row>(JobKind::Intake).unwrap();

    assert_eq!(jobs, [row("two")]);
}

#[test]
fn what_was_saved_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut state = State::open(folder.path()).unwrap();
    let step = state.begin().unwrap();
    step.set_note("cursor", Some(&"id-1".to_owned())).unwrap();
    step.post("id", &LetterContent::Words("hello".into()))
        .unwrap();
    step.commit().unwrap();
    drop(state);

    let mut state = State::open(folder.path()).unwrap();
    let step = state.begin().unwrap();

    assert_eq!(
        step.note::<String>("cursor").unwrap().as_deref(),
        Some("id-1")
    );
    assert_eq!(
        step.outbox().unwrap()[0].content,
        LetterContent::Words("hello".into())
    );
}

#[test]
fn a_letter_becomes_a_stanza_and_goes_once_it_is_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let mut state = State::open(folder.path()).unwrap();
    let step = state.begin().unwrap();
    let first = step
        .post("a", &LetterContent::Words("hello".into()))
        .unwrap();
    let second = step
        .post("b", &LetterContent::Stanza("<message/>".into()))
        .unwrap();

    step.finish_letter(first, "<message id='a'/>").unwrap();
    step.delivered(second).unwrap();

    let stanza = LetterContent::Stanza("<message id='a'/>".into());
    assert_eq!(
        step.outbox().unwrap(),
        [Letter {
            token: first,
            id: "a".into(),
            content: stanza
        }]
    );
}

#[test]
fn a_second_daemon_cannot_open_the_same_state() {
    let folder = tempfile::tempdir().unwrap();
    let first = State::open(folder.path()).unwrap();

    assert!(State::open(folder.path()).is_err());
    drop(first);
    assert!(State::open(folder.path()).is_ok());
}

#[test]
fn another_key_or_none_is_refused_and_nothing_is_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    drop(State::open(folder.path()).unwrap());
    let key = folder.path().join(STATE_KEY_FILE);
    let right = fs::read(&key).unwrap();
    let refused = |why: &str| {
        let error = State::open(folder.path()).err().unwrap();
        assert!(error.to_string().contains(why), "{error}");
    };

    fs::write(&key, "00".repeat(32)).unwrap();
    refused("do not belong together");
    fs::write(&key, "half").unwrap();
    refused("damaged");
    fs::remove_file(&key).unwrap();
    refused("do not belong together");
    fs::write(&key, right).unwrap();

    assert!(State::open(folder.path()).is_ok());
}

#[test]
fn a_newer_state_is_refused_with_words() {
    let folder = tempfile::tempdir().unwrap();
    let state = State::open(folder.path()).unwrap();
    state
        .connection
        .pragma_update(None, "user_version", 9_999)
        .unwrap();
    drop(state);

    let error = State::open(folder.path()).err().unwrap();

    let newest = State::versions().into_iter().max().unwrap();
    let said = error.to_string();
    assert!(said.contains("its version is 9999"), "{said}");
    assert!(said.contains(&format!("up to {newest})")), "{said}");
    assert!(said.contains("install the newer one again"), "{said}");
}

#[test]
fn neither_an_open_nor_a_closed_job_can_be_read_in_the_files() {
    const CANARY: &str = "canary-7f3a9b51c2";
    let folder = tempfile::tempdir().unwrap();
    let mut state = State::open(folder.path()).unwrap();
    let found = |needle: &str| {
        fs::read_dir(folder.path()).unwrap().any(|entry| {
            let bytes = fs::read(entry.unwrap().path()).unwrap();
            bytes
                .windows(needle.len())
                .any(|window| window == needle.as_bytes())
        })
    };
    let step = state.begin().unwrap();
    step.save_job(&[1; 32], JobKind::Intake, &row(CANARY))
        .unwrap();
    step.commit().unwrap();

    let while_open = found(CANARY);
    let step = state.begin().unwrap();
    step.close_job(&[1; 32]).unwrap();
    step.commit().unwrap();
    state.truncate_log().unwrap();
    let after_closing = found(CANARY);
    fs::write(folder.path().join("control"), format!("x{CANARY}x")).unwrap();

    assert!(!while_open && !after_closing);
    assert!(found(CANARY), "the search itself works");
}

#[test]
fn a_closed_job_is_overwritten_inside_the_database_too() {
    const CANARY: &str = "canary-1d0e4c88aa";
    let folder = tempfile::tempdir().unwrap();
    let mut state = State::open(folder.path()).unwrap();
    let step = state.begin().unwrap();
    step.save_job(&[1; 32], JobKind::Intake, &row(CANARY))
        .unwrap();
    step.commit().unwrap();
    state.truncate_log().unwrap();
    let control = pages_hold(folder.path(), CANARY);
    let step = state.begin().unwrap();
    step.close_job(&[1; 32]).unwrap();
    step.commit().unwrap();
    state.truncate_log().unwrap();

    assert!(control, "the search finds the open job");
    assert!(!pages_hold(folder.path(), CANARY));
}

/// Decrypts every page, free ones included, and searches them. SQLCipher 4 design: pages of 4,096
/// bytes, AES-256-CBC, the IV at 80 bytes before the end, the salt in place of the first 16.
fn pages_hold(folder: &Path, needle: &str) -> bool {
    let key = fs::read_to_string(folder.join(STATE_KEY_FILE)).unwrap();
    let key = hex::decode(key.trim()).unwrap();
    let file = fs::read(folder.join(STATE_FILE)).unwrap();
    assert!(file.len().is_multiple_of(4_096) && !file.is_empty());
    file.chunks(4_096).enumerate().any(|(number, page)| {
        let start = if number == 0 { 16 } else { 0 };
        let mut text = page[start..4_016].to_vec();
        let cipher = cbc::Decryptor::<aes::Aes256>::new_from_slices(&key, &page[4_016..4_032]);
        cipher
            .unwrap()
            .decrypt_padded::<NoPadding>(&mut text)
            .unwrap();
        text.windows(needle.len())
            .any(|window| window == needle.as_bytes())
    })
}

#[test]
fn the_key_file_is_the_owners_alone() {
    let folder = tempfile::tempdir().unwrap();
    drop(State::open(folder.path()).unwrap());

    let mode = fs::metadata(folder.path().join(STATE_KEY_FILE))
        .unwrap()
        .permissions()
        .mode();

    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_device_and_a_job_from_before_there_were_two_namespaces_are_read() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Job {
        name: String,
        asker: Option<u8>,
    }
    let folder = tempfile::tempdir().unwrap();
    let mut state = State::open(folder.path()).unwrap();
    let address = Address::new("owner@example.org", DeviceId(7));
    let device = KnownDevice {
        address: address.clone(),
        identity: IdentityKey::from_fingerprint(FINGERPRINT).unwrap(),
        trust: Trust::Pinned,
        active: Namespace::Legacy.into(),
        first_seen_at: 5,
        wrote_in: None,
    };
    let mut bytes = device.to_bytes();
    bytes.pop();
    let step = state.begin().unwrap();
    step.transaction
        .execute(
            "INSERT INTO device (jid, device, bytes) VALUES (?1, ?2, ?3)",
            params![address.jid, address.device.0, bytes],
        )
        .unwrap();
    let before = "photo\0.jpg".to_owned();
    step.save_job(&[1; 32], JobKind::Intake, &before).unwrap();
    step.commit().unwrap();
    // As it was left before askers were known.
    state
        .connection
        .execute_batch(
            "ALTER TABLE prekey DROP COLUMN used; DROP TABLE about; DROP TABLE unread_job; PRAGMA user_version = 30",
        )
        .unwrap();
    drop(state);

    let mut state = State::open(folder.path()).unwrap();
    let step = state.begin().unwrap();

    let job = Job {
        name: before,
        asker: None,
    };
    assert_eq!(step.known_device(&address).unwrap(), Some(device));
    assert_eq!(step.jobs::<Job>(JobKind::Intake).unwrap(), [job]);
}

#[test]
fn a_job_from_before_proofs_of_origin_and_descriptions_is_read_without_them() {
    #[derive(Serialize)]
    struct Before {
        name: String,
        order: u64,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    struct After {
        name: String,
        order: u64,
        mac: Option<[u8; 32]>,
        asker: Option<u64>,
        described: Option<u64>,
    }
    let folder = tempfile::tempdir().unwrap();
    let mut state = State::open(folder.path()).unwrap();
    let before = Before {
        name: "photo\0.jpg".to_owned(),
        order: 300,
    };
    let step = state.begin().unwrap();
    step.save_job(&[1; 32], JobKind::Intake, &before).unwrap();
    step.save_job(&[2; 32], JobKind::Delivery, &7_u64).unwrap();
    step.commit().unwrap();
    // As the first version left it.
    state
        .connection
        .execute_batch(
            "ALTER TABLE prekey DROP COLUMN used; DROP TABLE about; DROP TABLE unread_job; PRAGMA user_version = 1",
        )
        .unwrap();
    drop(state);

    let mut state = State::open(folder.path()).unwrap();
    let step = state.begin().unwrap();

    let after = After {
        name: before.name,
        order: before.order,
        mac: None,
        asker: None,
        described: None,
    };
    assert_eq!(step.jobs::<After>(JobKind::Intake).unwrap(), [after]);
    assert_eq!(step.jobs::<u64>(JobKind::Delivery).unwrap(), [7]);
}

#[test]
fn what_was_remembered_before_devices_were_is_read_with_none() {
    #[derive(Serialize)]
    struct Before {
        unreadable_at: Option<i64>,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    struct After {
        unreadable_at: Option<i64>,
        phones: Vec<u8>,
        revoked: Vec<String>,
        pins: Vec<String>,
        readers: Vec<u32>,
    }
    #[derive(Serialize)]
    struct JobBefore {
        mac: Option<[u8; 32]>,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    struct JobAfter {
        mac: Option<[u8; 32]>,
        held: Option<u32>,
    }
    let folder = tempfile::tempdir().unwrap();
    let mut state = State::open(folder.path()).unwrap();
    let unreadable_at = Some(1_800_000_000);
    let mac = Some([7; 32]);
    let step = state.begin().unwrap();
    step.set_note("remembered", Some(&Before { unreadable_at }))
        .unwrap();
    step.set_note("pace", Some(&7_u64)).unwrap();
    step.save_job(&[1; 32], JobKind::Intake, &JobBefore { mac })
        .unwrap();
    step.commit().unwrap();
    state
        .connection
        .execute_batch("DROP TABLE about; DROP TABLE unread_job; PRAGMA user_version = 54")
        .unwrap();
    drop(state);

    let mut state = State::open(folder.path()).unwrap();
    let step = state.begin().unwrap();

    let after = After {
        unreadable_at,
        phones: Vec::new(),
        revoked: Vec::new(),
        pins: Vec::new(),
        readers: Vec::new(),
    };
    assert_eq!(step.note::<After>("remembered").unwrap(), Some(after));
    assert_eq!(step.note::<u64>("pace").unwrap(), Some(7));
    let held = None;
    assert_eq!(
        step.jobs::<JobAfter>(JobKind::Intake).unwrap(),
        [JobAfter { mac, held }]
    );
}

#[test]
fn a_state_that_was_closed_and_opened_anew_has_all_it_had_and_keeps_others_out() {
    let place = tempfile::tempdir().unwrap();
    let mut state = State::open(place.path()).unwrap();
    let step = state.begin().unwrap();
    step.set_note("before", Some(&7_u64)).unwrap();
    step.commit().unwrap();

    state.forget_freed().unwrap();

    let step = state.begin().unwrap();
    assert_eq!(step.note::<u64>("before").unwrap(), Some(7));
    step.set_note("after", Some(&8_u64)).unwrap();
    step.commit().unwrap();
    assert!(State::open(place.path()).is_err(), "it is locked again");
}

#[test]
fn a_link_that_lies_where_root_writes_or_wipes_is_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let own = (
        rustix::process::geteuid().as_raw(),
        rustix::process::getegid().as_raw(),
    );
    fs::write(at("victim"), "of somebody else").unwrap();
    for trap in ["code.new", "code", "wiped"] {
        std::os::unix::fs::symlink(at("victim"), at(trap)).unwrap();
    }

    write_for(&at("code"), b"written", own).unwrap();
    crate::keys::card::remove_for_good(&at("wiped")).unwrap();

    assert_eq!(
        fs::read_to_string(at("victim")).unwrap(),
        "of somebody else"
    );
    assert!(!at("code").is_symlink() && !at("code.new").is_symlink());
    assert_eq!(fs::read_to_string(at("code")).unwrap(), "written");
    assert!(!at("wiped").is_symlink());
    // The twin: a file of its own is wiped.
    crate::keys::card::remove_for_good(&at("code")).unwrap();
    assert!(!at("code").exists());
}
