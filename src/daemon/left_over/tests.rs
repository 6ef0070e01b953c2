//! Upgrades: a state that an earlier version of the tables holds opens with all it had, what this
//! version writes is what `state.txt` says, and what does not read keeps nothing from starting.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::Path,
    time::Duration,
};

use omemo::{
    Address, Changes, DeviceId, Envelope, KnownDevice, MemoryStore, Namespace, Store as _, Trust,
    machine,
    media::{ContentHash, FileSource, HashAlgorithm, MediaCipher, MediaSecret, SharedFile},
    store::suite::FixedRng,
};

use super::*;
use crate::{
    daemon::effects::{ALARM, PAIRING, REMEMBERED},
    keeper::{
        Asker, JobId, Remembered,
        chat::Brought,
        client::lines::RequestId,
        delivery::Asked,
        described::Described,
        intake::{Held, Stage},
        labels::Labels,
        owner::Pairing,
    },
    state::{LetterContent, Step},
};

const OWNER: &str = "owner@example.org";
const VAULT: &str = "vault@example.org";
const NOW: u64 = 1_800_000_000;

/// What each version of the tables has added at the end of rows: table, column, which rows, bytes.
/// Rows from before have so many zeros there. A new version needs a line here, an empty one where
/// it only made tables.
type Added = (&'static str, &'static str, &'static str, usize);
const ADDED: &[(i64, &[Added])] = &[
    (1, &[]),
    (30, &[("job", "bytes", "kind = 'intake'", 1)]),
    (40, &[("device", "bytes", "1", 1), ("job", "bytes", "1", 1)]),
    (45, &[("job", "bytes", "kind = 'intake'", 1)]),
    (50, &[]),
    (
        55,
        &[
            ("note", "value", "name = 'remembered'", 4),
            ("job", "bytes", "kind = 'intake'", 1),
        ],
    ),
    (80, &[("job", "bytes", "kind = 'intake'", 5)]),
    (100, &[("job", "bytes", "1", 1)]),
    (140, &[]),
    (150, &[("job", "bytes", "kind = 'intake'", 1)]),
    (165, &[]),
    (
        170,
        &[
            ("job", "bytes", "kind = 'intake'", 1),
            ("note", "value", "name = 'remembered'", 1),
        ],
    ),
];

/// A state as this version writes it, with jobs of every version among its rows, and a message on
/// its way to it.
struct Lived {
    state: State,
    intakes: Vec<Intake>,
    deliveries: Vec<Delivery>,
    on_its_way: Envelope,
    phone: Address,
    _folder: tempfile::TempDir,
}

impl Lived {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut state = State::open(folder.path()).unwrap();
        let (phone, on_its_way) = with_omemo(&mut state);
        let (intakes, deliveries) = (intakes(), deliveries());
        let step = state.begin().unwrap();
        for intake in &intakes {
            step.save_job(&intake.job.0, JobKind::Intake, intake)
                .unwrap();
        }
        for delivery in &deliveries {
            step.save_job(&delivery.job.0, JobKind::Delivery, delivery)
                .unwrap();
        }
        with_notes(&step);
        step.commit().unwrap();
        state
            .connection()
            .execute_batch(
                "DELETE FROM prekey WHERE id > (SELECT min(id) + 3 FROM prekey);
                 UPDATE prekey SET used = 1 WHERE id = (SELECT max(id) FROM prekey);
                 INSERT INTO about (message, numbers) VALUES ('m1', x'0107');
                 INSERT INTO contact_device VALUES ('bob@example.org', 9, 'ab', NULL, 5);
                 INSERT INTO contact_letter (id, token, topic, jid, numbers)
                     VALUES ('l1', 3, 't', 'bob@example.org', x'07');",
            )
            .unwrap();
        Self {
            state,
            intakes,
            deliveries,
            on_its_way,
            phone,
            _folder: folder,
        }
    }

    /// Makes what the program of an earlier version would have of it.
    fn at(&self, folder: &Path, version: i64) -> Rows {
        let old = State::open_at(folder, version).unwrap();
        for table in tables(&old) {
            let columns = columns(&old, &table, "1");
            // It had removed these.
            let those = match (table.as_str(), version < 50) {
                ("prekey", true) => "used = 0",
                _ => "1",
            };
            let values: Vec<String> = columns.iter().map(|it| format!("quote({it})")).collect();
            let sql = format!(
                "SELECT {} FROM {table} WHERE {those}",
                values.join(" || ', ' || ")
            );
            for row in strings(&self.state, &sql) {
                let columns = columns.join(", ");
                let sql = format!("INSERT INTO {table} ({columns}) VALUES ({row})");
                old.connection().execute_batch(&sql).unwrap();
            }
        }
        for (_, added) in ADDED.iter().rev().filter(|(it, _)| *it > version) {
            for (table, column, those, bytes) in *added {
                let sql = format!(
                    "DELETE FROM {table} WHERE {those}
                         AND substr({column}, -{bytes}) <> zeroblob({bytes});
                     UPDATE {table} SET {column} = substr({column}, 1, length({column}) - {bytes})
                         WHERE {those};"
                );
                old.connection().execute_batch(&sql).unwrap();
            }
        }
        rows(&old)
    }

    /// Checks that a state speaks as this vault and has these jobs, in the keeper's own terms.
    fn assert_lives_on_in(&self, state: &mut State, had: &Rows) {
        let step = state.begin().unwrap();
        let kept = |table: &str, job: &JobId| {
            had.contains_key(&format!("{table} X'{}'", hex::encode_upper(job.0)))
        };
        let intakes = self.intakes.iter().filter(|it| kept("job", &it.job));
        let deliveries = self.deliveries.iter().filter(|it| kept("job", &it.job));
        let found = step.jobs::<Intake>(JobKind::Intake).unwrap();
        assert!(found.iter().eq(intakes));
        let found = step.jobs::<Delivery>(JobKind::Delivery).unwrap();
        assert!(found.iter().eq(deliveries));
        assert_eq!(step.note(REMEMBERED).unwrap(), Some(remembered()));
        let known = step.known_device(&self.phone).unwrap().unwrap();
        assert_eq!(known.trust, Trust::Paired);
        let (opened, _) = machine::receive(&step, OWNER, &self.on_its_way, NOW).unwrap();
        assert_eq!(opened.body.unwrap().as_slice(), b"still there?");
    }
}

/// Enrols, pairs a phone, and lets it write once more.
fn with_omemo(state: &mut State) -> (Address, Envelope) {
    let (mut rng, mut phone_rng) = (FixedRng::new(1), FixedRng::new(2));
    let mut phone = MemoryStore::new();
    let (own, changes) = machine::enrol(&mut phone_rng, NOW);
    phone.apply(changes).unwrap();
    let at = Address::new(OWNER, own.device());
    let mut step = state.begin().unwrap();
    let (vault, changes) = machine::enrol(&mut rng, NOW);
    step.apply(changes).unwrap();
    let to = Address::new(VAULT, vault.device());
    let bundle = machine::own_bundle(&step, Namespace::Legacy).unwrap();
    let begun = machine::start_session(&phone, &to, &bundle.unwrap(), &mut phone_rng, NOW);
    phone.apply(begun.unwrap()).unwrap();
    let mut write = |phone: &mut MemoryStore, words: &str| {
        let to = [to.clone()];
        let words = Some(words.as_bytes());
        let written = machine::encrypt(phone, Namespace::Legacy, &to, words, &mut phone_rng, NOW);
        let (envelope, changes) = written.unwrap();
        phone.apply(changes).unwrap();
        envelope
    };
    let hello = write(&mut phone, "hello");
    let (_, changes) = machine::receive(&step, OWNER, &hello, NOW).unwrap();
    step.apply(changes).unwrap();
    let changes = machine::set_trust(&step, &at, &own.identity(), Trust::Paired);
    step.apply(changes.unwrap()).unwrap();
    // The first as it was before it was noted what it writes in, another one with that.
    let known = step.known_device(&at).unwrap().unwrap();
    let other = KnownDevice {
        address: Address::new(OWNER, DeviceId(78)),
        wrote_in: Some(Namespace::Legacy),
        ..known.clone()
    };
    let first = KnownDevice {
        wrote_in: None,
        ..known
    };
    step.apply(Changes {
        devices: vec![first, other],
        ..Changes::default()
    })
    .unwrap();
    step.quarantine(OWNER, 77).unwrap();
    step.commit().unwrap();
    (at, write(&mut phone, "still there?"))
}

fn remembered() -> Remembered {
    let mut remembered = Remembered {
        tries_used: 2,
        plain_refused_at: Some(5),
        ..Remembered::default()
    };
    remembered.custody.locked_since = Some(6);
    remembered.needs.waiting = vec![(JobId([0x21; 32]), 7)];
    remembered
}

fn with_notes(step: &Step<'_>) {
    step.set_note(REMEMBERED, Some(&remembered())).unwrap();
    let pairing = Pairing {
        code: "abcdefghij".to_owned(),
        first_login_at: Some(5),
        tries_left: 3,
    };
    step.set_note(PAIRING, Some(&pairing)).unwrap();
    step.set_note(ALARM, Some(&true)).unwrap();
    step.post("o1", &LetterContent::Words("It's kept.".into()))
        .unwrap();
    step.post("o2", &LetterContent::Stanza("<message/>".into()))
        .unwrap();
}

const ASKER: Asker = Asker {
    device: 77,
    namespace: Namespace::Legacy,
};

/// One with what each version has added, after two that the first version knew.
fn intakes() -> Vec<Intake> {
    let plain = |number: u8| {
        let link = ("aesgcm://up.example/x#00", "beach.jpg");
        let ids = (JobId([number; 32]), [number; 16]);
        Intake::announced(OWNER, ids.0, ids.1, link, (5, 6))
    };
    let waiting = |number: u8| Intake {
        link: String::new(),
        stage: Stage::Waiting,
        ..plain(number)
    };
    vec![
        plain(1),
        waiting(2),
        Intake {
            mac: Some([7; 32]),
            ..waiting(3)
        },
        plain(4).asked_by(ASKER),
        Intake {
            described: Some(described()),
            ..plain(5)
        },
        Intake {
            held: Some(Held {
                device: 77,
                most: 1_000,
                bytes: 9,
            }),
            ..plain(6)
        },
        Intake {
            stage: Stage::Indexed {
                number: 300,
                double: true,
            },
            bytes: 70_000,
            brought: Some(Brought {
                message: "m2".to_owned(),
                shows_reactions: true,
            }),
            labels: Labels {
                caption: Some("at the lake".to_owned()),
                tags: vec!["sea".to_owned()],
                album: Some("Rome".to_owned()),
            },
            ..plain(7)
        },
        Intake {
            client: Some(RequestId([9; 16])),
            ..plain(8)
        },
        Intake {
            stick: Some([5; 32]),
            ..plain(9)
        },
    ]
}

fn described() -> Described {
    let secret = MediaSecret::new(MediaCipher::Aes256Gcm, &[7; 32], &[8; 12]).unwrap();
    let hash = HashAlgorithm::ALL[0];
    let hash = ContentHash::new(hash, vec![9; hash.digest_bytes()]).unwrap();
    let mut source = FileSource::new("https://up.example/x", secret).unwrap();
    source.hashes = vec![hash.clone()];
    Described::new(&SharedFile {
        name: None,
        media_type: Some("image/jpeg".to_owned()),
        size: Some(5),
        changed_at: Some(-6),
        hashes: vec![hash],
        sources: vec![source],
    })
}

fn deliveries() -> Vec<Delivery> {
    let plain = |number: u8, remaining| Delivery {
        job: JobId([number; 32]),
        command: Asked::Get {
            picks: vec![(7, 9)],
        },
        remaining,
        asker: None,
        client: None,
    };
    vec![
        plain(0x21, None),
        plain(0x22, Some(vec![8, 9])),
        Delivery {
            asker: Some(ASKER),
            ..plain(0x23, None)
        },
        Delivery {
            client: Some(RequestId([9; 16])),
            ..plain(0x24, None)
        },
    ]
}

/// All rows: table and key, with what stands there as SQL writes it.
type Rows = BTreeMap<String, String>;

fn rows(state: &State) -> Rows {
    let mut rows = Rows::new();
    for table in tables(state) {
        let quoted = |those: &str, between: &str| {
            let columns = columns(state, &table, those).into_iter();
            let columns: Vec<String> = columns.map(|it| format!("quote({it})")).collect();
            let sql = columns.join(&format!(" || '{between}' || "));
            strings(state, &format!("SELECT {sql} FROM {table}"))
        };
        let keys = quoted("pk > 0", " ").into_iter();
        let keys = keys.map(|key| format!("{table} {key}"));
        rows.extend(keys.zip(quoted("1", " | ")));
    }
    rows
}

fn tables(state: &State) -> Vec<String> {
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'
               ORDER BY name";
    strings(state, sql)
}

fn columns(state: &State, table: &str, those: &str) -> Vec<String> {
    let sql = format!("SELECT name FROM pragma_table_info('{table}') WHERE {those} ORDER BY cid");
    strings(state, &sql)
}

fn strings(state: &State, sql: &str) -> Vec<String> {
    let mut question = state.connection().prepare(sql).unwrap();
    let rows = question.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

#[test]
fn a_state_of_every_earlier_version_opens_with_all_it_had() {
    let lived = Lived::new();
    let now = rows(&lived.state);
    let known: Vec<i64> = ADDED.iter().map(|it| it.0).collect();
    assert_eq!(
        known,
        State::versions(),
        "ADDED has a line for each version"
    );
    let mut had_before = 0;
    for version in known {
        let folder = tempfile::tempdir().unwrap();
        let had = lived.at(folder.path(), version);
        // The first version's rows, and each time no fewer.
        assert!(had.len() >= had_before.max(15), "{}", had.len());
        had_before = had.len();

        let mut state = State::open(folder.path()).unwrap();

        let same: Rows = now
            .iter()
            .filter(|(key, _)| had.contains_key(*key))
            .map(|(key, row)| (key.clone(), row.clone()))
            .collect();
        assert_eq!(rows(&state), same, "from version {version}");
        lived.assert_lives_on_in(&mut state, &had);
    }
    assert_eq!(had_before, now.len(), "the newest has every row");
}

#[test]
fn what_is_written_is_what_the_last_version_wrote() {
    let lived = Lived::new();
    let text: String = rows(&lived.state)
        .iter()
        .map(|(key, row)| format!("{key}\n    {row}\n"))
        .collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/daemon/left_over/state.txt");
    if env::var_os("UPDATE_STATE").is_some() {
        fs::write(&path, &text).unwrap();
    }

    let before = fs::read_to_string(&path).unwrap_or_default();

    let lines: BTreeSet<&str> = before.lines().collect();
    let other: Vec<&str> = text.lines().filter(|it| !lines.contains(it)).collect();
    assert!(
        text == before,
        "a stored form is another one: states in use need a migration and a line in ADDED; then \
         write state.txt anew with UPDATE_STATE=1: {other:#?}"
    );
}

#[test]
fn what_does_not_read_is_set_aside_and_counted_and_the_rest_stays() {
    let lived = Lived::new();
    let Lived { mut state, .. } = lived;
    state
        .connection()
        .execute_batch(
            "UPDATE job SET bytes = substr(bytes, 1, 40) WHERE id IN (SELECT id FROM job
                 WHERE kind = 'intake' LIMIT 2);
             UPDATE job SET bytes = x'ff' WHERE id = (SELECT max(id) FROM job);",
        )
        .unwrap();
    let unreadable = state.begin().unwrap().jobs::<Intake>(JobKind::Intake);
    assert!(unreadable.is_err(), "before, it does not read at all");

    sort_jobs(&mut state, at_day(0)).unwrap();
    sort_jobs(&mut state, at_day(0)).unwrap();

    let step = state.begin().unwrap();
    assert_eq!(step.note(UNREAD).unwrap(), Some((2_u32, 1_u32)));
    let left = step.jobs::<Intake>(JobKind::Intake).unwrap();
    assert!(left == lived.intakes[2..]);
    let left = step.jobs::<Delivery>(JobKind::Delivery).unwrap();
    assert!(left == lived.deliveries[..3]);
}

#[test]
fn where_everything_reads_nothing_is_noted() {
    let Lived { mut state, .. } = Lived::new();
    let before = rows(&state);

    sort_jobs(&mut state, at_day(0)).unwrap();

    assert_eq!(rows(&state), before);
}

fn at_day(day: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000 + day * 24 * 3600)
}

#[test]
fn what_was_set_aside_comes_back_when_it_reads_and_is_forgotten_after_30_days() {
    for (day, is_back) in [(29, true), (31, false)] {
        let Lived { mut state, .. } = Lived::new();
        let before = rows(&state);
        // A byte more, as a later version writes it.
        let later = "UPDATE job SET bytes = CAST(bytes || x'00' AS BLOB)";
        state.connection().execute_batch(later).unwrap();
        sort_jobs(&mut state, at_day(0)).unwrap();
        assert!(!rows(&state).keys().any(|key| key.starts_with("job ")));
        let mended =
            "UPDATE unread_job SET bytes = CAST(substr(bytes, 1, length(bytes) - 1) AS BLOB)";
        state.connection().execute_batch(mended).unwrap();

        sort_jobs(&mut state, at_day(day)).unwrap();

        let mut after = rows(&state);
        after.retain(|key, _| !key.starts_with("note "));
        let had = before
            .into_iter()
            .filter(|(key, _)| !key.starts_with("note "));
        let had: Rows = had
            .filter(|(key, _)| is_back || !key.starts_with("job "))
            .collect();
        assert_eq!(after, had, "after {day} days");
    }
}
