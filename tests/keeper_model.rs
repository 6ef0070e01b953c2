//! The keeper against a plain model of the world: photos come, keys come and go, steps fail, the
//! process dies anywhere, the drive goes, links expire, somebody plants blobs, the card turns out
//! to seal to a foreign key, a new phone sends photos and is let in or turned away. Whatever
//! happens, once all is quiet again every photo that could be fetched is in the index once and was
//! told, no planted blob is and none of a phone that was turned away, every `get` was answered, and
//! no job is left over.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test"
)]

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use strongroom::keeper::{
    Answer, Device, Effect, Input, JobId, Keeper, Memory, Placed, Remembered, Standing, Told,
    Uploaded,
    arrivals::{self, Manners},
    chat::{Beside, Chat, News},
    custody::{Mode, Rules},
    delivery::Delivery,
    devices::{Known, Level, Own},
    intake::Intake,
    reply::{
        ArrivalReply, DeliveryFailure, DeviceReply, IntakeFailure, Line, OpenFailure, Reply,
        Revocation, StorageReply,
    },
    storage::{DriveTrouble, Seen},
};

const OWNER: &str = "owner@example.org";
const SECRET: &str =
    "000102030405060708090a0b000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// The program that shows reactions.
const REACTING: &str = "owner@example.org/shows";

/// The new phone's device, and its fingerprint.
const NEW_PHONE: u32 = 2;
const NEW_PHONES_KEY: &str = "1111111111111111111111111111111111111111111111111111111100008c1f";

/// The header of a blob that somebody else sealed.
const PLANTED: [u8; 32] = [0; 32];

/// Something that may happen.
#[derive(Debug, Clone, Copy)]
enum Happens {
    Photo(u8),
    /// Of the new phone.
    NewPhonesPhoto(u8),
    /// The owner lets the new phone in, or shuts it out.
    LetIn,
    ShutOut,
    /// `get 1`.
    Get(u8),
    AnswerComes,
    UploadEnds {
        well: bool,
    },
    KeyIn,
    KeyOut,
    Lock,
    /// The oldest open step of this kind comes to its end, well or not.
    FetchEnds {
        well: bool,
    },
    /// The oldest blob whose proof is saved gets its name; the process may die right after.
    Named {
        and_dies: bool,
    },
    DriveGoes,
    DriveComes,
    /// The upload server forgets this photo.
    Expires(u8),
    /// Somebody puts a blob of his own under the name of this photo's.
    Plant(u8),
    IndexEnds {
        well: bool,
    },
    VaultOpens {
        well: bool,
    },
    /// The vault's key does not fit what the card seals to.
    VaultAlarms,
    VaultDies,
    LineDown,
    LineUp,
    TimePasses,
    /// kill -9 and a new start.
    Crash,
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        4 => (0..12_u8).prop_map(Happens::Photo),
        3 => (20..24_u8).prop_map(Happens::NewPhonesPhoto),
        1 => Just(Happens::LetIn),
        1 => Just(Happens::ShutOut),
        2 => (100..112_u8).prop_map(Happens::Get),
        3 => Just(Happens::AnswerComes),
        3 => any::<bool>().prop_map(|well| Happens::UploadEnds { well }),
        2 => Just(Happens::KeyIn),
        1 => Just(Happens::KeyOut),
        1 => Just(Happens::Lock),
        4 => any::<bool>().prop_map(|well| Happens::FetchEnds { well }),
        5 => any::<bool>().prop_map(|and_dies| Happens::Named { and_dies }),
        1 => Just(Happens::DriveGoes),
        2 => Just(Happens::DriveComes),
        1 => (0..24_u8).prop_map(Happens::Expires),
        1 => (0..24_u8).prop_map(Happens::Plant),
        1 => Just(Happens::VaultAlarms),
        4 => any::<bool>().prop_map(|well| Happens::IndexEnds { well }),
        3 => any::<bool>().prop_map(|well| Happens::VaultOpens { well }),
        1 => Just(Happens::VaultDies),
        1 => Just(Happens::LineDown),
        2 => Just(Happens::LineUp),
        2 => Just(Happens::TimePasses),
        2 => Just(Happens::Crash),
    ]
}

/// What is durable, and what is under way.
struct World {
    mode: Mode,
    keeper: Keeper,
    now: i64,
    key_is_in: bool,
    // Durable: the card.
    rows: BTreeMap<JobId, Intake>,
    deliveries: BTreeMap<JobId, Delivery>,
    remembered: Remembered,
    locked_by_owner: bool,
    alarm: bool,
    new_phone: Standing,
    // Durable: the drive. A blob is known by its header; the proof of origin vouches for it.
    drive_is_there: bool,
    blobs: BTreeMap<u8, [u8; 32]>,
    index: BTreeMap<u8, u64>,
    // Under way, gone with the process.
    fetches: Vec<Intake>,
    naming: Vec<(JobId, u8, [u8; 32])>,
    adoptions: Vec<Intake>,
    questions: Vec<JobId>,
    sendings: Vec<(JobId, u64)>,
    vault_is_up: bool,
    vault_is_opening: bool,
    // Elsewhere.
    expired: BTreeSet<u8>,
    headers: u8,
    // What the owner knows.
    asked: BTreeSet<u8>,
    answers: usize,
    shared: BTreeSet<u8>,
    told: BTreeSet<u64>,
    brought: BTreeMap<String, u64>,
    given_up: BTreeSet<u8>,
    number: Option<u32>,
}

impl World {
    fn new(mode: Mode) -> Self {
        let mut world = Self {
            mode,
            keeper: keeper(
                mode,
                Vec::new(),
                Vec::new(),
                (false, false),
                (Remembered::default(), Standing::Undecided),
            ),
            now: 1_800_000_000,
            key_is_in: false,
            rows: BTreeMap::new(),
            deliveries: BTreeMap::new(),
            remembered: Remembered::default(),
            locked_by_owner: false,
            alarm: false,
            new_phone: Standing::Undecided,
            drive_is_there: true,
            blobs: BTreeMap::new(),
            index: BTreeMap::new(),
            fetches: Vec::new(),
            naming: Vec::new(),
            adoptions: Vec::new(),
            questions: Vec::new(),
            sendings: Vec::new(),
            vault_is_up: false,
            vault_is_opening: false,
            asked: BTreeSet::new(),
            answers: 0,
            expired: BTreeSet::new(),
            headers: 0,
            shared: BTreeSet::new(),
            told: BTreeSet::new(),
            brought: BTreeMap::new(),
            given_up: BTreeSet::new(),
            number: None,
        };
        world.begin();
        world
    }

    /// The stream comes up, and with it the program that shows reactions.
    fn begin(&mut self) {
        self.tell(Input::Chat(News::Program {
            jid: REACTING.to_owned(),
            shows_reactions: true,
        }));
        self.tell(Input::Online);
    }

    /// Tells the keeper, saves what is to be saved as one transaction, begins the rest.
    fn tell(&mut self, input: Input) {
        let effects = self.keeper.handle(input, self.now);
        if let Some(remembered) = self.keeper.to_remember() {
            self.remembered = remembered;
        }
        for effect in &effects {
            match effect {
                Effect::SaveIntake(intake) => {
                    self.rows.insert(intake.job, intake.clone());
                }
                Effect::SaveDelivery(delivery) => {
                    self.deliveries.insert(delivery.job, delivery.clone());
                }
                Effect::Close(job) => {
                    let row = self.rows.remove(job);
                    if let Some(held) = row.filter(|row| row.held.is_some()) {
                        // Counted, not told one by one.
                        self.given_up.insert(held.blob[0]);
                    }
                    self.answers += usize::from(self.deliveries.remove(job).is_some());
                }
                Effect::SaveLockedByOwner(locked) => self.locked_by_owner = *locked,
                Effect::SaveAlarm(alarm) => self.alarm = *alarm,
                Effect::Quarantine(_) => self.new_phone = Standing::Quarantined,
                Effect::Vouch(device) if device.id == NEW_PHONE => {
                    self.new_phone = Standing::Trusted;
                }
                Effect::Revoke(device) => {
                    assert_eq!(device.id, NEW_PHONE);
                    self.new_phone = Standing::Revoked;
                }
                Effect::Say(reply) => self.hear(reply),
                Effect::Chat(Chat::Tell { reply, .. }) => self.hear(reply),
                Effect::Chat(Chat::React { message, .. }) => {
                    let number = self.brought.get(message).expect("✅ after it is an entry");
                    self.told.insert(*number);
                }
                Effect::Chat(Chat::Brought { message, number }) => {
                    self.brought.insert(message.clone(), *number);
                }
                _ => {}
            }
        }
        for effect in effects {
            match effect {
                Effect::Fetch(intake) => self.fetches.push(intake),
                Effect::StopFetching => {
                    self.fetches.clear();
                    self.naming.clear();
                }
                Effect::Index(intake) => {
                    assert!(intake.held.is_none(), "what is held apart is not indexed");
                    self.adoptions.push(intake);
                }
                Effect::Discard(blob) => {
                    assert!(!self.index.contains_key(&blob[0]));
                    self.blobs.remove(&blob[0]);
                }
                Effect::Ask(job, _) => self.questions.push(job),
                Effect::Deliver(job, number) => self.sendings.push((job, number)),
                Effect::Open => self.vault_is_opening = true,
                Effect::Lock => self.vault_goes(),
                _ => {}
            }
        }
    }

    fn vault_goes(&mut self) {
        self.vault_is_up = false;
        self.vault_is_opening = false;
        self.adoptions.clear();
        self.questions.clear();
        self.sendings.clear();
    }

    fn hear(&mut self, reply: &Reply) {
        let indexed: BTreeSet<u64> = self.index.values().copied().collect();
        match reply {
            Reply::Stored { line } => {
                assert!(
                    indexed.contains(&line.number),
                    "told before it was in the index"
                );
                self.told.insert(line.number);
            }
            Reply::Arrival(ArrivalReply::Stored { numbers, .. }) => {
                assert!(numbers.iter().all(|number| indexed.contains(number)));
                self.told.extend(numbers);
            }
            Reply::Opened { adopted, .. } => {
                assert!(adopted.iter().all(|number| indexed.contains(number)));
                self.told.extend(adopted);
            }
            Reply::Device(
                DeviceReply::TrustAsk { number, .. }
                | DeviceReply::RevokeAsk(Revocation { number, .. }),
            ) => self.number = Some(*number),
            Reply::Kept { .. } => {
                assert!(!self.alarm, "acknowledged under a foreign key");
            }
            Reply::NotStored {
                name,
                retrying: false,
                ..
            } => self.give_up(name),
            Reply::Storage(StorageReply::Expired { files }) => {
                for (name, _) in files {
                    self.give_up(name);
                }
            }
            _ => {}
        }
    }

    fn give_up(&mut self, name: &str) {
        let number = name.trim_end_matches(".jpg").parse().unwrap();
        assert!(self.given_up.insert(number), "told twice: {name}");
    }

    fn happen(&mut self, what: Happens) {
        match what {
            Happens::Photo(number) => {
                // A message opens once: the same one is never told twice.
                if self.shared.insert(number) {
                    self.tell(Input::Told(photo(number)));
                }
            }
            Happens::NewPhonesPhoto(number) => self.new_phones_photo(number),
            Happens::LetIn => self.confirm("trust 8c1f"),
            Happens::ShutOut => self.confirm("revoke 8c1f"),
            Happens::Get(number) => {
                if self.asked.insert(number) {
                    self.tell(Input::Told(Told {
                        job: JobId([number; 32]),
                        ..message("get 1")
                    }));
                }
            }
            Happens::AnswerComes => self.answer_comes(),
            Happens::UploadEnds { well } => self.upload_ends(well),
            Happens::KeyIn if !self.key_is_in => {
                self.key_is_in = true;
                self.tell(Input::KeyDeviceCame);
            }
            Happens::KeyOut if self.key_is_in => {
                self.key_is_in = false;
                self.tell(Input::KeyDeviceGone);
            }
            Happens::Lock => self.tell(Input::Told(message("lock"))),
            Happens::FetchEnds { well } => self.fetch_ends(well),
            Happens::Named { and_dies } => self.named(and_dies),
            Happens::DriveGoes => {
                self.drive_is_there = false;
                self.look();
            }
            Happens::DriveComes => {
                self.drive_is_there = true;
                self.look();
            }
            Happens::Expires(number) => {
                self.expired.insert(number);
            }
            Happens::Plant(number) if !self.index.contains_key(&number) => {
                self.blobs.insert(number, PLANTED);
            }
            Happens::IndexEnds { well } => self.index_ends(well),
            Happens::VaultAlarms if self.vault_is_opening => {
                self.vault_is_opening = false;
                self.tell(Input::VaultNotOpened(OpenFailure::ForeignPublicHalf));
            }
            Happens::VaultOpens { well } if self.vault_is_opening => {
                self.vault_is_opening = false;
                self.vault_is_up = well;
                let why = OpenFailure::Trouble;
                self.tell(if well {
                    Input::VaultOpened
                } else {
                    Input::VaultNotOpened(why)
                });
            }
            Happens::VaultDies if self.vault_is_up => {
                self.vault_goes();
                self.tell(Input::VaultEnded);
            }
            Happens::LineDown => self.tell(Input::Offline),
            Happens::LineUp => self.tell(Input::Online),
            Happens::TimePasses => {
                self.now += 20_000;
                self.tell(Input::Woke);
            }
            Happens::Crash => self.crash(),
            Happens::KeyIn
            | Happens::KeyOut
            | Happens::Plant(_)
            | Happens::VaultOpens { .. }
            | Happens::VaultAlarms
            | Happens::VaultDies => {}
        }
    }

    fn new_phones_photo(&mut self, number: u8) {
        if !self.shared.insert(number) {
            return;
        }
        if self.new_phone == Standing::Revoked {
            self.given_up.insert(number);
        }
        let mut told = photo(number);
        told.from.id = NEW_PHONE;
        NEW_PHONES_KEY.clone_into(&mut told.from.fingerprint);
        told.from.standing = self.new_phone;
        self.tell(Input::Told(told));
    }

    /// Sends a command that asks a number back, and the number.
    fn confirm(&mut self, command: &str) {
        self.tell(Input::Told(message(command)));
        if let Some(number) = self.number.take() {
            self.tell(Input::Told(message(&number.to_string())));
        }
    }

    /// The daemon looks at the drive.
    fn look(&mut self) {
        let missing = DriveTrouble::Missing;
        self.tell(Input::Drive(Seen {
            trouble: (!self.drive_is_there).then_some(missing),
            free: self.drive_is_there.then_some(1 << 40),
            reserve: 0,
        }));
    }

    fn fetch_ends(&mut self, well: bool) {
        if self.fetches.is_empty() {
            return;
        }
        let intake = self.fetches.remove(0);
        let number = intake.blob[0];
        let job = intake.job;
        let not_sealed = |why, transient| Input::NotSealed {
            job,
            why,
            transient,
        };
        if self.drive_is_there && self.blobs.contains_key(&number) {
            if self.blobs.get(&number) == intake.mac.as_ref() {
                return self.tell(Input::Sealed { job });
            }
            // Not ours: it is set aside, and ours is fetched.
            self.blobs.remove(&number);
        }
        assert!(!intake.link.is_empty(), "no link to fetch");
        let may_be_kept = !self.drive_is_there && intake.mac.is_some();
        if !may_be_kept && self.expired.contains(&number) {
            self.tell(not_sealed(IntakeFailure::Gone, false));
        } else if !self.drive_is_there {
            let why = IntakeFailure::Drive(DriveTrouble::Missing);
            self.tell(not_sealed(why, true));
        } else if well {
            self.headers += 1;
            let header = [self.headers; 32];
            self.tell(Input::Vouched {
                job,
                mac: header,
                bytes: 1,
            });
            if self.keeper.may_keep(&job) {
                self.naming.push((job, number, header));
            }
        } else {
            self.tell(not_sealed(IntakeFailure::ServerTrouble, true));
        }
    }

    fn named(&mut self, and_dies: bool) {
        if self.naming.is_empty() {
            return;
        }
        let (job, number, header) = self.naming.remove(0);
        if !self.drive_is_there {
            let why = IntakeFailure::Drive(DriveTrouble::Missing);
            return self.tell(Input::NotSealed {
                job,
                why,
                transient: true,
            });
        }
        if let Some(row) = self.rows.get(&job) {
            let saved = row.mac;
            assert_eq!(saved, Some(header), "the proof is durable before the name");
        } else {
            assert_eq!(
                self.new_phone,
                Standing::Revoked,
                "only a phone is turned away"
            );
        }
        self.blobs.insert(number, header);
        if and_dies {
            self.crash();
        } else {
            self.tell(Input::Sealed { job });
        }
    }

    fn index_ends(&mut self, well: bool) {
        if self.adoptions.is_empty() || !self.vault_is_up {
            return;
        }
        let intake = self.adoptions.remove(0);
        let blob = intake.blob[0];
        let job = intake.job;
        let header = *self
            .blobs
            .get(&blob)
            .expect("a blob is durable before it is indexed");
        if well && !self.index.contains_key(&blob) && intake.mac != Some(header) {
            assert_eq!(header, PLANTED, "the daemon's own are vouched for");
            self.tell(Input::NotVouched { job });
        } else if well {
            assert_ne!(header, PLANTED, "a planted blob in the index");
            let next = self.index.len() as u64 + 1;
            let number = *self.index.entry(blob).or_insert(next);
            let line = Line {
                number,
                name: intake.name,
                bytes: 1,
                received_at: 0,
                damaged: false,
                taken_at: None,
            };
            self.tell(Input::Indexed {
                job,
                placed: Placed::Entry(line),
            });
        } else {
            self.tell(Input::NotIndexed {
                job,
                damaged: false,
            });
        }
    }

    fn answer_comes(&mut self) {
        if self.questions.is_empty() {
            return;
        }
        let job = self.questions.remove(0);
        let has_one = self.index.values().any(|number| *number == 1);
        let answer = match (self.vault_is_up, has_one) {
            (false, _) => Answer::Locked,
            (true, true) => Answer::Picked {
                found: vec![1],
                missing: vec![],
            },
            (true, false) => Answer::Picked {
                found: vec![],
                missing: vec![1],
            },
        };
        let free = None;
        self.tell(Input::Answered { job, answer, free });
    }

    fn upload_ends(&mut self, well: bool) {
        if self.sendings.is_empty() {
            return;
        }
        assert!(self.vault_is_up, "nothing leaves a locked vault");
        let (job, number) = self.sendings.remove(0);
        let why = DeliveryFailure::Offline;
        self.tell(if well {
            Input::Uploaded {
                job,
                line: Line {
                    number,
                    name: String::new(),
                    bytes: 1,
                    received_at: 0,
                    damaged: false,
                    taken_at: None,
                },
                file: Uploaded::Link(String::new()),
            }
        } else {
            Input::NotUploaded { job, number, why }
        });
    }

    fn crash(&mut self) {
        self.fetches.clear();
        self.naming.clear();
        self.vault_goes();
        self.keeper = keeper(
            self.mode,
            self.rows.values().cloned().collect(),
            self.deliveries.values().cloned().collect(),
            (self.locked_by_owner, self.alarm),
            (self.remembered.clone(), self.new_phone),
        );
        self.look();
        self.begin();
        self.tell(if self.key_is_in {
            Input::KeyDeviceCame
        } else {
            Input::KeyDeviceGone
        });
    }

    /// Lets everything go well until nothing is left to do.
    fn calm_down(&mut self) {
        self.tell(Input::Online);
        // Whoever is not decided about by now is let in.
        self.happen(Happens::LetIn);
        self.happen(Happens::DriveComes);
        self.happen(Happens::KeyOut);
        self.happen(Happens::KeyIn);
        for _ in 0..200 {
            self.happen(Happens::VaultOpens { well: true });
            self.happen(Happens::FetchEnds { well: true });
            self.happen(Happens::Named { and_dies: false });
            self.happen(Happens::IndexEnds { well: true });
            self.happen(Happens::AnswerComes);
            self.happen(Happens::UploadEnds { well: true });
            self.happen(Happens::TimePasses);
        }
        // What failed to be indexed while open waits for the next opening.
        self.happen(Happens::KeyOut);
        self.happen(Happens::KeyIn);
        for _ in 0..50 {
            self.happen(Happens::VaultOpens { well: true });
            self.happen(Happens::IndexEnds { well: true });
        }
    }
}

fn keeper(
    mode: Mode,
    intakes: Vec<Intake>,
    deliveries: Vec<Delivery>,
    (locked_by_owner, alarm): (bool, bool),
    (remembered, new_phone): (Remembered, Standing),
) -> Keeper {
    let level = match new_phone {
        Standing::Undecided => None,
        Standing::Quarantined => Some(Level::New),
        Standing::Trusted => Some(Level::Vouched),
        Standing::Revoked => Some(Level::Revoked),
    };
    let devices = level.map(|level| Known {
        id: NEW_PHONE,
        fingerprint: NEW_PHONES_KEY.to_owned(),
        level,
        since: 0,
    });
    let rules = Rules {
        mode,
        takes_codes: false,
        idle_seconds: 1_800,
    };
    let memory = Memory {
        owner: OWNER.to_owned(),
        pins: Vec::new(),
        has_trusted_device: true,
        devices: devices.into_iter().collect(),
        pairing: None,
        locked_by_owner,
        intakes,
        deliveries,
        checks: strongroom::keeper::verify::Record::default(),
        plan: strongroom::keeper::verify::Plan::default(),
        own: Own::default(),
        pace: None,
        alarm,
        aes: "in software",
    };
    let manners = Manners {
        reactions: true,
        gather_seconds: 10,
    };
    Keeper::new(memory)
        .under(rules, remembered)
        .with_manners(manners, arrivals::Record::default())
}

fn message(text: &str) -> Told {
    Told {
        from: Device {
            jid: OWNER.to_owned(),
            id: 1,
            fingerprint: "0".repeat(64),
            standing: Standing::Trusted,
        },
        namespace: omemo::Namespace::Legacy,
        job: JobId([255; 32]),
        blob: [255; 16],
        text: Some(text.to_owned()),
        files: Vec::new(),
        attached: None,
        sent_at: 0,
        receipt: None,
        readers: Vec::new(),
        beside: Beside::default(),
    }
}

fn photo(number: u8) -> Told {
    Told {
        job: JobId([number; 32]),
        blob: [number; 16],
        // Every third one comes from a program that shows reactions.
        beside: Beside {
            message: Some(format!("message-{number}")),
            program: number.is_multiple_of(3).then(|| REACTING.to_owned()),
            ..Beside::default()
        },
        ..message(&format!("aesgcm://up.example/{number}.jpg#{SECRET}"))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn every_photo_is_stored_once_and_told_whatever_happens(
        drawer in any::<bool>(),
        story in proptest::collection::vec(happens(), 0..120)
    ) {
        let mut world = World::new(if drawer { Mode::Drawer } else { Mode::Presence });
        for what in story {
            world.happen(what);
            let left_open = world.vault_is_up && !world.key_is_in;
            prop_assert!(drawer || !left_open, "a pulled key locks in presence mode");
        }
        world.calm_down();

        let stored: BTreeSet<u8> = world.index.keys().copied().collect();
        let wanted: BTreeSet<u8> = world.shared.difference(&world.given_up).copied().collect();
        prop_assert_eq!(stored, wanted);
        let numbers: BTreeSet<u64> = world.index.values().copied().collect();
        prop_assert_eq!(&world.told, &numbers, "each was told");
        prop_assert!(world.rows.is_empty(), "no job is left");
        prop_assert!(world.deliveries.is_empty(), "no question is left");
        prop_assert_eq!(world.answers, world.asked.len(), "each was answered once");
    }
}
