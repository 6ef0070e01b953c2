//! The stage: the keeper and a vault, with the world around them played.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fs,
    io::Write as _,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, UNIX_EPOCH},
};

use getrandom::SysRng;
use omemo::media::{MediaDecryptor, MediaSecret};
use sha2::{Digest as _, Sha256};
use strongroom::{
    daemon::{
        dialogue::{self, Heard},
        verify::seen_outside,
    },
    keeper::{
        Device, Effect, Input, JobId, Keeper, Memory, Moment, Remembered, Settings, Standing, Told,
        Uploaded,
        arrivals::{self, Manners},
        chat::{Beside, Chat},
        contacts::{self, Act as ContactAct, Recipient, Shown},
        custody::{Mode, Rules},
        delivery::Delivery,
        devices::{Known, Level, Own},
        evening::{Holds, Offer, Outcome, Request},
        intake::Intake,
        machine::{self, Errand},
        notices,
        owner::Pairing,
        pictures::{PictureNews, Record},
        reply::{DeliveryFailure, IntakeFailure, Line, OpenFailure, PLAIN_REFUSED, Reply},
        storage::{DriveTrouble, Pace, Seen},
        verify::{self, Act},
    },
    vault_process::{Form, Order, OriginWord, PictureAsk, PictureWord, Word, indoors::Indoors},
};
use vault::{
    BlobId, Index, IntakeKey, Metadata, OpenVault, Sealer, SlotSecret, VaultFolder, slot::SlotKind,
};

use super::sticks::Sticks;

const OWNER: &str = "owner@example.org";
/// The media key of every link; nothing is encrypted with it here.
const SECRET: &str =
    "000102030405060708090a0b000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
/// Monday, 4 May 2026, 10:00 UTC.
const BEGINNING: i64 = 1_777_888_800;
/// The device of a phone that nobody has let in, and the end of its fingerprint.
const NEW_PHONE: u32 = 27_183;
const NEW_PHONES_TAIL: &str = "0a2b8c1f";
const PHONES_TAIL: &str = "aa9b4e6a";
/// What is asked back is 483911, always.
const DRAWN: u64 = 383_911;
const FREE_BYTES: u64 = 900_000_000_000;
/// The daemon wakes at least so often.
const WAKES_SECONDS: i64 = 60;

/// How the play begins.
pub(crate) struct Start {
    pub(crate) mode: Mode,
    pub(crate) key_is_in: bool,
    pub(crate) code: Option<String>,
    pub(crate) pairing: Option<String>,
    pub(crate) switches_off: bool,
    pub(crate) has_vault: bool,
    pub(crate) carries: bool,
}

impl Default for Start {
    fn default() -> Self {
        Self {
            mode: Mode::Drawer,
            key_is_in: true,
            code: None,
            pairing: None,
            switches_off: false,
            has_vault: true,
            carries: true,
        }
    }
}

/// What lies on the system card.
#[derive(Default)]
struct Card {
    intakes: BTreeMap<JobId, Intake>,
    deliveries: BTreeMap<JobId, Delivery>,
    devices: BTreeMap<u32, (String, Level)>,
    remembered: Remembered,
    pairing: Option<Pairing>,
    locked_by_owner: bool,
    checks: verify::Record,
    pace: Option<Pace>,
    alarm: bool,
    arrivals: arrivals::Record,
    notices: notices::Record,
    switches_off: bool,
    prepares: bool,
    carries: bool,
    originals: Record,
    contacts: BTreeMap<String, Vec<Recipient>>,
}

/// What uploads come to.
enum Uploads {
    Work,
    Fail,
    NotOffered,
    UpTo(u64),
}

/// The keeper, a vault, and the world around them.
pub(crate) struct Stage {
    place: tempfile::TempDir,
    secret: SlotSecret,
    pub(super) sealer: Arc<Sealer>,
    rules: Rules,
    code: Option<String>,
    pub(super) keeper: Keeper,
    card: Card,
    pub(super) vault: Option<Indoors>,
    clock: Arc<AtomicI64>,
    key_is_in: bool,
    key_fits: bool,
    drive: Option<DriveTrouble>,
    plugged_in: Vec<Offer>,
    pub(super) sticks: Sticks,
    is_online: bool,
    uploads: Uploads,
    messages: u64,
    /// What the phone writes in.
    namespace: omemo::Namespace,
    /// What lies on the owner's server: a name, and of what its content is made.
    shared: BTreeMap<String, (String, u64)>,
    forgotten: BTreeSet<String>,
    /// What is shared and is a picture.
    pictures: BTreeMap<String, Vec<u8>>,
    /// What the phone's program says it is.
    program: Option<String>,
    /// Of everything that was ever shared.
    pub(super) hashes: BTreeSet<[u8; 32]>,
    /// What other people's accounts show when they are looked up.
    accounts: BTreeMap<String, contacts::News>,
    /// What the server is about to take for other people.
    handed: VecDeque<contacts::News>,
    effects: VecDeque<Effect>,
    said: Vec<String>,
}

impl Stage {
    pub(crate) fn new(start: &Start) -> Self {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("vault");
        let secret = SlotSecret::generate(&mut SysRng).unwrap();
        let words = SlotSecret::generate(&mut SysRng).unwrap();
        let slots = [
            (SlotKind::Stick, &secret, "key device"),
            (SlotKind::Words, &words, "recovery words"),
        ];
        let began = UNIX_EPOCH + Duration::from_secs(BEGINNING.unsigned_abs());
        let public = VaultFolder::create_for(&path, None, &slots, &mut SysRng, began).unwrap();
        let folder = VaultFolder::open(&path).unwrap();
        let sealer = Arc::new(Sealer::new(&public, folder).unwrap());
        let rules = Rules {
            mode: start.mode,
            takes_codes: start.code.is_some(),
            idle_seconds: 1_800,
        };
        let mut stage = Self {
            place,
            secret,
            sealer,
            rules,
            code: start.code.clone(),
            keeper: keeper(rules, &Card::default()),
            card: Card::default(),
            vault: None,
            clock: Arc::new(AtomicI64::new(BEGINNING)),
            key_is_in: start.key_is_in,
            key_fits: true,
            drive: None,
            plugged_in: Vec::new(),
            sticks: Sticks::default(),
            is_online: true,
            uploads: Uploads::Work,
            messages: 0,
            namespace: omemo::Namespace::Legacy,
            shared: BTreeMap::new(),
            forgotten: BTreeSet::new(),
            pictures: BTreeMap::new(),
            program: None,
            hashes: BTreeSet::new(),
            accounts: BTreeMap::new(),
            handed: VecDeque::new(),
            effects: VecDeque::new(),
            said: Vec::new(),
        };
        stage.card.switches_off = start.switches_off;
        stage.card.carries = start.carries;
        if !start.has_vault {
            stage.card.prepares = true;
            stage.drive = Some(DriveTrouble::NotSetUp);
        }
        if let Some(code) = &start.pairing {
            stage.card.pairing = Some(Pairing::new(code));
        } else {
            let phone = (format!("{}{PHONES_TAIL}", "0".repeat(56)), Level::Paired);
            stage.card.devices.insert(1, phone);
        }
        stage.begin();
        stage.said.clear();
        stage
    }

    /// Starts the daemon with what the card has.
    fn begin(&mut self) {
        self.keeper = keeper(self.rules, &self.card);
        self.look_at_drive();
        if self.is_online {
            self.tell(Input::Online);
        }
        self.tell(if self.key_is_in {
            Input::KeyDeviceCame
        } else {
            Input::KeyDeviceGone
        });
    }

    /// Closes the vault; what its threads ended with is told.
    pub(crate) fn end(mut self) {
        if let Some(vault) = self.vault.take() {
            vault.end().unwrap();
        }
    }

    /// Takes what was said since this was last asked.
    pub(crate) fn take_said(&mut self) -> Vec<String> {
        std::mem::take(&mut self.said)
    }

    pub(super) fn now(&self) -> i64 {
        self.clock.load(Ordering::SeqCst)
    }

    /// Tells the keeper, and carries out what comes of it until nothing is left to do.
    fn tell(&mut self, input: Input) {
        self.decide(input);
        self.carry_on();
    }

    fn carry_on(&mut self) {
        loop {
            if let Some(effect) = self.effects.pop_front() {
                self.carry_out(effect);
            } else if let Some(news) = self.handed.pop_front() {
                self.decide(Input::Contact(news));
            } else {
                return;
            }
        }
    }

    pub(super) fn decide(&mut self, input: Input) {
        let now = self.now();
        let at = Moment {
            wall: now,
            steady: now - BEGINNING,
        };
        let effects = self.keeper.handle(input, at);
        if let Some(remembered) = self.keeper.to_remember() {
            self.card.remembered = remembered;
        }
        for effect in effects {
            if effect.is_saved() {
                self.save(effect);
            } else {
                self.effects.push_back(effect);
            }
        }
    }

    fn save(&mut self, effect: Effect) {
        let card = &mut self.card;
        match effect {
            Effect::SaveIntake(intake) => {
                card.intakes.insert(intake.job, intake);
            }
            Effect::SaveDelivery(delivery) => {
                card.deliveries.insert(delivery.job, delivery);
            }
            Effect::Close(job) => {
                card.intakes.remove(&job);
                card.deliveries.remove(&job);
            }
            Effect::Trust(device) => self.set(&device, Level::Paired),
            Effect::Vouch(device) => self.set(&device, Level::Vouched),
            Effect::Revoke(device) => self.set(&device, Level::Revoked),
            Effect::Quarantine(device) => self.set(&device, Level::New),
            Effect::SavePairing(pairing) => card.pairing = pairing,
            Effect::Contact(act) => self.save_contact(act),
            Effect::SaveLockedByOwner(locked) => card.locked_by_owner = locked,
            Effect::SaveVerify(record) => card.checks = record,
            Effect::SavePace(pace) => card.pace = Some(pace),
            Effect::SaveAlarm(alarm) => card.alarm = alarm,
            Effect::SaveNotices(record) => card.notices = record,
            Effect::SaveOriginals(record) => card.originals = record,
            Effect::Say(reply) | Effect::Chat(Chat::Tell { reply, .. }) => self.hear(&reply),
            Effect::Chat(Chat::SaveArrivals(record)) => card.arrivals = record,
            Effect::SayTo(device, reply) if device.id == NEW_PHONE => {
                self.said
                    .push(format!("(to the new phone) {}", reply.text()));
            }
            Effect::SayTo(_, reply) => self.hear(&reply),
            Effect::SayPlainRefused => self.said.push(format!("(in clear) {PLAIN_REFUSED}")),
            _ => {}
        }
    }

    fn save_contact(&mut self, act: ContactAct) {
        match act {
            ContactAct::Save { jid, devices } => {
                self.card.contacts.insert(jid, devices);
            }
            ContactAct::Forget { jid } => {
                self.card.contacts.remove(&jid);
            }
            ContactAct::Send { jid, numbers, file } => {
                let listed = self.card.contacts[&jid].iter();
                let listed = listed.filter(|it| it.namespace.is_some());
                let ids: Vec<String> = listed.map(|it| it.id.to_string()).collect();
                assert!(matches!(
                    *file,
                    Reply::File { .. } | Reply::Described { .. }
                ));
                self.said
                    .push(format!("(to {jid}: {}) [file]", ids.join(", ")));
                let news = contacts::News::Handed { jid, numbers };
                self.handed.push_back(news);
            }
            _ => {}
        }
    }

    /// An account lists these devices, each with the end of its fingerprint; `?` for one without a
    /// key.
    pub(crate) fn account_shows(&mut self, jid: &str, devices: &str) -> Option<()> {
        let (mut shown, mut without_key) = (Vec::new(), Vec::new());
        for device in devices.split(", ").filter(|it| !it.is_empty()) {
            let (id, tail) = device.split_once(' ')?;
            if tail == "?" {
                without_key.push(id.parse().ok()?);
                continue;
            }
            shown.push(Shown {
                id: id.parse().ok()?,
                fingerprint: format!("{}{tail}", "0".repeat(56)),
                namespace: omemo::Namespace::Legacy,
            });
        }
        let jid = jid.to_owned();
        let found = contacts::News::Found {
            jid: jid.clone(),
            devices: shown,
            without_key,
        };
        self.accounts.insert(jid, found);
        Some(())
    }

    pub(crate) fn account_lists_too_many(&mut self, jid: &str, devices: usize) {
        let jid = jid.to_owned();
        let news = contacts::News::TooMany {
            jid: jid.clone(),
            devices,
        };
        self.accounts.insert(jid, news);
    }

    pub(crate) fn file_comes_back(&mut self, number: u64, jid: &str) {
        self.tell(Input::Contact(contacts::News::Bounced {
            jid: jid.to_owned(),
            numbers: vec![number],
        }));
    }

    fn set(&mut self, device: &Device, level: Level) {
        let known = (device.fingerprint.clone(), level);
        self.card.devices.insert(device.id, known);
    }

    fn hear(&mut self, reply: &Reply) {
        self.said.push(match reply {
            // What the link leads to was opened and compared before.
            Reply::File { .. } => "[file]".to_owned(),
            other => other.text(),
        });
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Fetch(intake) => self.fetch(&intake),
            Effect::Index(intake) => {
                let order = Order::Adopt {
                    job: intake.job.0,
                    blob: intake.blob,
                    mac: intake.mac,
                };
                let job = intake.job;
                let otherwise = Input::NotIndexed {
                    job,
                    damaged: false,
                };
                self.order_and_hear(&order, otherwise);
            }
            Effect::Chat(Chat::Label {
                job,
                number,
                labels,
            }) => {
                let order = dialogue::label(job, number, &labels, self.now());
                let otherwise = Input::NotIndexed {
                    job,
                    damaged: false,
                };
                self.order_and_hear(&order, otherwise);
            }
            Effect::Ask(job, command) => {
                let waiting = self.keeper.open_blobs();
                let order = dialogue::order(job, command, self.now(), || waiting.clone());
                let otherwise = Input::Answered {
                    job,
                    answer: strongroom::keeper::Answer::Locked,
                    free: Some(FREE_BYTES),
                };
                self.order_and_hear(&order, otherwise);
            }
            Effect::Deliver(job, number) => self.deliver_one(job, number),
            Effect::Pack(job, numbers, limit) => self.pack(job, numbers, limit),
            Effect::Verify(act) => self.verify(act),
            Effect::PurgeOld { days } => {
                let order = dialogue::purge_old(days, self.now());
                if self.vault.is_some() {
                    self.order_and_hear(&order, Input::Woke);
                }
            }
            Effect::Machine(errand) => self.errand(errand),
            Effect::Prepare(request) => self.prepare(request),
            Effect::Carry(act) => self.carry(act),
            Effect::Contact(ContactAct::LookUp { jid }) => {
                let otherwise = || contacts::News::NotFound { jid: jid.clone() };
                let found = self.accounts.get(&jid).cloned();
                self.decide(Input::Contact(found.unwrap_or_else(otherwise)));
            }
            Effect::AskClient(device) => {
                let name = self.program.clone();
                self.decide(Input::Picture(PictureNews::Client { device, name }));
            }
            Effect::Discard(blob) => {
                let blob = BlobId::from_bytes(blob);
                self.sealer.folder().remove_blob(&blob).unwrap();
            }
            Effect::Open if self.drive.is_some() => {
                let why = OpenFailure::Drive(self.drive.unwrap());
                self.decide(Input::VaultNotOpened(why));
            }
            Effect::Open => self.open(self.key_fits),
            Effect::OpenByCode => {
                let typed = self.keeper.take_code().unwrap();
                let code = self.code.as_deref().unwrap().replace('-', "");
                let fits = typed.expose_to_vault_process().eq_ignore_ascii_case(&code);
                self.open(fits);
            }
            Effect::Lock => {
                if let Some(vault) = self.vault.take() {
                    vault.end().unwrap();
                }
            }
            _ => {}
        }
    }

    /// Opens the vault, if the key fits.
    fn open(&mut self, fits: bool) {
        if !fits {
            return self.decide(Input::VaultNotOpened(OpenFailure::WrongKey));
        }
        let now = UNIX_EPOCH + Duration::from_secs(self.now().unsigned_abs());
        let vault = OpenVault::open(&self.place.path().join("vault"), &self.secret, now).unwrap();
        let (index, _) = Index::open(&vault, now).unwrap();
        let clock = Arc::clone(&self.clock);
        let waiting = self.keeper.open_blobs();
        let mut indoors = Indoors::start((vault, index), intake_key(), waiting, move || {
            UNIX_EPOCH + Duration::from_secs(clock.load(Ordering::SeqCst).unsigned_abs())
        })
        .unwrap();
        // The first word is always what is damaged, if anything.
        let damage = indoors.word().unwrap();
        self.vault = Some(indoors);
        self.decide(Input::SpareKnown(true));
        self.decide(Input::VaultOpened);
        self.hear_word(damage);
    }

    /// Has an order obeyed and its answer heard, or says `otherwise` where nobody obeys.
    fn order_and_hear(&mut self, order: &Order, otherwise: Input) {
        let Some(vault) = &mut self.vault else {
            return self.decide(otherwise);
        };
        vault.order(order).unwrap();
        let word = self.word();
        self.hear_word(word);
        if matches!(order, Order::Slot { .. }) {
            self.epoch_may_have_begun();
        }
    }

    /// Waits for a word that is an answer: what the vault process finds by itself is told by
    /// [`Stage::drive_is_looked_through`] only.
    fn word(&mut self) -> Word {
        loop {
            let word = self.vault.as_mut().unwrap().word().unwrap();
            match word {
                Word::Origin(OriginWord::Found { .. }) => {}
                Word::Damage { .. } | Word::NewPublicHalf(_) => self.hear_word(word),
                word => return word,
            }
        }
    }

    fn hear_word(&mut self, word: Word) {
        match dialogue::input(word, Some(FREE_BYTES)) {
            Heard::Input(input) => self.decide(*input),
            Heard::NewPublicHalf(half) => {
                let public = vault::PublicHalf::from_bytes(&half).unwrap();
                let folder = VaultFolder::open(&self.place.path().join("vault")).unwrap();
                self.sealer = Arc::new(Sealer::new(&public, folder).unwrap());
            }
            Heard::Opened | Heard::NotOpened(_) | Heard::Revoked(_) | Heard::Prepared(_) => {
                panic!("that is no answer to an order")
            }
        }
    }

    /// After a key was revoked the vault process is over, and the keeper has it started anew.
    fn epoch_may_have_begun(&mut self) {
        if !self.keeper.is_open()
            && let Some(vault) = self.vault.take()
        {
            vault.end().unwrap();
        }
    }

    fn verify(&mut self, act: Act) {
        let run = if let Act::Begin { run, .. } = &act {
            Some(*run)
        } else {
            None
        };
        let Some(order) = dialogue::check(act, u64::MAX) else {
            let waiting = self.keeper.waiting_blobs();
            let waiting: Vec<BlobId> = waiting.into_iter().map(BlobId::from_bytes).collect();
            let there = self.drive.is_none();
            let seen = seen_outside(&self.place.path().join("vault"), &waiting);
            let seen = seen.filter(|_| there);
            return self.decide(Input::Verify(verify::Heard::Outside(seen)));
        };
        let Some(vault) = &mut self.vault else {
            return;
        };
        vault.order(&order).unwrap();
        while run.is_some() {
            let word = self.word();
            let is_last = matches!(&word, Word::Checked { run: ended, .. } if Some(*ended) == run);
            self.hear_word(word);
            if is_last {
                return;
            }
        }
    }

    fn fetch(&mut self, intake: &Intake) {
        let job = intake.job;
        let not_sealed = |why, transient| Input::NotSealed {
            job,
            why,
            transient,
        };
        let blob = BlobId::from_bytes(intake.blob);
        if let Some(trouble) = self.drive {
            let why = IntakeFailure::Drive(trouble);
            return self.decide(not_sealed(why, true));
        }
        if self.sealer.has(&blob).unwrap() {
            return self.decide(Input::Sealed { job });
        }
        if self.forgotten.contains(&intake.name) {
            return self.decide(not_sealed(IntakeFailure::Gone, false));
        }
        let (seed, size) = self.shared[&intake.name].clone();
        let picture = self.pictures.get(&intake.name).cloned();
        let content = picture.unwrap_or_else(|| content(&seed, size));
        self.hashes.insert(Sha256::digest(&content).into());
        let mut writer = self.sealer.start(&blob, &mut SysRng).unwrap();
        writer.write_all(&content).unwrap();
        let header = writer.header_hash().unwrap();
        let mac = intake_key().mac(self.sealer.folder().vault_id(), &blob, &header);
        self.decide(Input::Vouched {
            job,
            mac: *mac.as_bytes(),
            bytes: size,
        });
        if self.keeper.may_keep(&job) {
            writer.finish(dialogue::metadata(intake)).unwrap();
            self.decide(Input::Sealed { job });
        }
    }

    fn deliver_one(&mut self, job: JobId, number: u64) {
        if self.keeper.sends_address(&job) {
            return self.send_address(job, number);
        }
        let form = Form::Link;
        let order = match self.keeper.made(&job).map(dialogue::make) {
            Some(make) => Order::Picture(PictureAsk {
                job: job.0,
                form,
                make,
            }),
            None => Order::Deliver {
                job: job.0,
                number,
                form,
            },
        };
        self.deliver(job, number, &order);
    }

    /// Has a picture of the address drawn, which takes no vault process.
    fn send_address(&mut self, job: JobId, number: u64) {
        let line = Line {
            number,
            name: "address.png".to_owned(),
            bytes: 12_000,
            received_at: 0,
            damaged: false,
            taken_at: None,
        };
        let why = match self.uploads {
            Uploads::Work => None,
            Uploads::UpTo(limit) => Some(DeliveryFailure::TooLarge { limit: Some(limit) }),
            Uploads::Fail => Some(DeliveryFailure::ServerTrouble),
            Uploads::NotOffered => Some(DeliveryFailure::NoUpload),
        };
        if let Some(why) = why {
            return self.decide(Input::NotUploaded { job, number, why });
        }
        let file = Uploaded::Link("aesgcm://up.example/file".to_owned());
        self.decide(Input::Uploaded { job, line, file });
    }

    fn pack(&mut self, job: JobId, numbers: Vec<u64>, limit: Option<u64>) {
        let number = numbers[0];
        let order = Order::Pack {
            job: job.0,
            numbers,
            limit,
            form: Form::Link,
        };
        self.deliver(job, number, &order);
    }

    /// Has a file encrypted, opens it as the phone would, and compares.
    fn deliver(&mut self, job: JobId, number: u64, order: &Order) {
        let not_uploaded = |why| Input::NotUploaded { job, number, why };
        let Some(vault) = &mut self.vault else {
            return self.decide(not_uploaded(DeliveryFailure::Locked));
        };
        let is_made = matches!(order, Order::Picture(_));
        vault.order(order).unwrap();
        let mut word = self.word();
        if let Word::Packed { numbers, .. } = &word {
            let is_empty = numbers.is_empty();
            self.hear_word(word);
            if is_empty {
                return;
            }
            word = self.word();
        }
        let (row, form, secret, announced) = match word {
            Word::Prepared {
                row,
                form,
                secret,
                ciphertext_bytes,
                ..
            } => (row, form, secret, ciphertext_bytes),
            other => return self.hear_word(other),
        };
        let ciphertext = self.vault.as_mut().unwrap().ciphertext().unwrap();
        let Some(ciphertext) = ciphertext else {
            return self.decide(not_uploaded(DeliveryFailure::Damaged));
        };
        assert_eq!(
            ciphertext.len() as u64,
            announced,
            "the slot was for another length"
        );
        let secret = MediaSecret::from_bytes_for(form.cipher(), &secret).unwrap();
        let mut decryptor = MediaDecryptor::new(&secret);
        let mut content = Vec::new();
        decryptor.update(&ciphertext, &mut content).unwrap();
        decryptor.finish(&mut content).unwrap();
        for content in files_in(&content, &row.name) {
            let hash: [u8; 32] = Sha256::digest(content).into();
            let is_whole =
                self.hashes.contains(&hash) || (is_made && content.starts_with(b"\xff\xd8"));
            assert!(is_whole, "that was never shared");
        }
        self.decide(match self.uploads {
            Uploads::Work => Input::Uploaded {
                job,
                line: dialogue::line(row),
                file: Uploaded::Link("aesgcm://up.example/file".to_owned()),
            },
            Uploads::UpTo(limit) if row.bytes <= limit => Input::Uploaded {
                job,
                line: dialogue::line(row),
                file: Uploaded::Link("aesgcm://up.example/file".to_owned()),
            },
            Uploads::UpTo(limit) => not_uploaded(DeliveryFailure::TooLarge { limit: Some(limit) }),
            Uploads::Fail => not_uploaded(DeliveryFailure::ServerTrouble),
            Uploads::NotOffered => not_uploaded(DeliveryFailure::NoUpload),
        });
    }

    fn message(&mut self, from: u32, text: &str) -> Told {
        self.messages += 1;
        let mut blob = [0; 16];
        blob[..8].copy_from_slice(&DRAWN.to_be_bytes());
        blob[8..].copy_from_slice(&self.messages.to_be_bytes());
        let mut job = [0; 32];
        job[..8].copy_from_slice(&self.messages.to_be_bytes());
        let tail = if from == NEW_PHONE {
            NEW_PHONES_TAIL
        } else {
            PHONES_TAIL
        };
        let level = self.card.devices.get(&from).map(|(_, level)| *level);
        let standing = match level {
            None => Standing::Undecided,
            Some(Level::New) => Standing::Quarantined,
            Some(Level::Revoked) => Standing::Revoked,
            Some(Level::Paired | Level::Vouched | Level::Pinned) => Standing::Trusted,
        };
        Told {
            from: Device {
                jid: OWNER.to_owned(),
                id: from,
                fingerprint: format!("{}{tail}", "0".repeat(56)),
                standing,
            },
            namespace: self.namespace,
            job: JobId(job),
            blob,
            text: Some(text.to_owned()),
            files: Vec::new(),
            attached: None,
            sent_at: self.now(),
            receipt: None,
            readers: Vec::new(),
            beside: Beside::default(),
        }
    }

    fn shares(&mut self, name: &str, seed: &str, size: u64) {
        let link = self.uploads(name, seed, size);
        self.owner_writes(&link);
    }

    /// Puts a file on the server; returns the link to it.
    fn uploads(&mut self, name: &str, seed: &str, size: u64) -> String {
        let content = (seed.to_owned(), size);
        self.shared.insert(name.to_owned(), content);
        format!("aesgcm://up.example/{}#{SECRET}", name.replace(' ', "%20"))
    }

    pub(crate) fn owner_writes(&mut self, text: &str) {
        let told = self.message(1, text);
        self.tell(Input::Told(told));
    }

    pub(crate) fn phone_writes_in(&mut self, namespace: omemo::Namespace) {
        self.namespace = namespace;
    }

    pub(crate) fn photo_arrives(&mut self, name: &str, size: u64) {
        self.shares(name, name, size);
    }

    /// A picture that can be opened; the vault is open and looks at it.
    pub(crate) fn picture_arrives(&mut self, name: &str, picture: Vec<u8>) {
        let size = picture.len() as u64;
        self.pictures.insert(name.to_owned(), picture);
        self.shares(name, name, size);
        while let Some(vault) = &mut self.vault {
            let word = vault.word().unwrap();
            let is_seen = matches!(word, Word::Picture(PictureWord::Seen { .. }));
            self.hear_word(word);
            if is_seen {
                break;
            }
        }
        self.carry_on();
    }

    pub(crate) fn phone_says_it_is(&mut self, program: &str) {
        self.program = Some(program.to_owned());
    }

    pub(crate) fn photo_arrives_again(&mut self, name: &str, other: &str) -> Option<()> {
        let (seed, size) = self.shared.get(name)?.clone();
        self.shares(other, &seed, size);
        Some(())
    }

    pub(crate) fn photos_arrive(&mut self, count: u32, size: u64) {
        for number in 1..=count {
            self.photo_arrives(&format!("IMG_{number:04}.jpg"), size);
        }
    }

    /// All are announced before the first of them is fetched.
    pub(crate) fn photos_arrive_together(&mut self, count: u32, size: u64) {
        for number in 1..=count {
            let name = format!("IMG_{number:04}.jpg");
            let link = self.uploads(&name, &name, size);
            let told = self.message(1, &link);
            self.decide(Input::Told(told));
        }
        self.tell(Input::Woke);
    }

    pub(crate) fn server_forgets(&mut self, name: &str) {
        self.forgotten.insert(name.to_owned());
    }

    pub(crate) fn new_phone_writes(&mut self, text: &str) {
        let told = self.message(NEW_PHONE, text);
        self.tell(Input::Told(told));
    }

    pub(crate) fn somebody_writes_in_clear(&mut self) {
        let jid = OWNER.to_owned();
        self.tell(Input::ToldPlain { jid });
    }

    pub(crate) fn key_comes(&mut self) {
        self.key_is_in = true;
        self.tell(Input::KeyDeviceCame);
    }

    pub(crate) fn key_goes(&mut self) {
        self.key_is_in = false;
        self.tell(Input::KeyDeviceGone);
    }

    pub(crate) fn second_key(&mut self) {
        self.tell(Input::SecondKeyDevice);
    }

    pub(crate) fn key_will_not_fit(&mut self) {
        self.key_fits = false;
    }

    pub(crate) fn restart(&mut self) {
        if let Some(vault) = self.vault.take() {
            vault.end().unwrap();
        }
        self.effects.clear();
        self.begin();
    }

    /// The daemon has closed what it could not read.
    pub(crate) fn last_version_left(&mut self, files: u32, questions: u32) {
        self.decide(Input::Machine(machine::Heard::Unread { files, questions }));
    }

    fn errand(&mut self, errand: Errand) {
        match errand {
            Errand::Restart => self.restart(),
            Errand::Off => {}
            Errand::Eject => {
                self.drive = Some(DriveTrouble::Ejected);
                self.look_at_drive();
                self.decide(Input::Machine(machine::Heard::Ejected));
            }
            Errand::TakeBack => self.drive_comes(),
        }
    }

    /// Whoever may mount and format does what a request says with what is plugged in.
    fn prepare(&mut self, request: Request) {
        let outcome = match request {
            Request::Look => Outcome::Found(self.plugged_in.clone()),
            Request::Make { drive, stick } => {
                self.plugged_in.retain(|it| it.name != drive.name);
                self.holds_a_key(&stick.name);
                self.drive = None;
                self.look_at_drive();
                Outcome::Made
            }
            Request::Spare { stick } => {
                self.holds_a_key(&stick.name);
                Outcome::SpareMade
            }
            Request::Live(home) => Outcome::Lives(home),
        };
        self.decide(Input::Prepared(outcome));
    }

    /// A stick that was chosen is a key.
    fn holds_a_key(&mut self, name: &str) {
        for stick in self.plugged_in.iter_mut().filter(|it| it.name == name) {
            stick.holds = Holds::Key;
        }
    }

    /// "SanDisk Ultra, 32 GB, vfat, 3 files" or "Samsung T7, 1000 GB, empty".
    pub(crate) fn is_plugged_in(&mut self, described: &str) -> Option<()> {
        let parts: Vec<&str> = described.split(", ").collect();
        let (model, size) = (parts.first()?, parts.get(1)?.strip_suffix(" GB")?);
        let (file_system, holds) = match parts.get(2..)? {
            ["empty"] => (None, Holds::Nothing),
            ["unreadable"] => (None, Holds::Something),
            [kind, "traces"] => (Some((*kind).to_owned()), Holds::Traces),
            [kind, "unreadable"] => (Some((*kind).to_owned()), Holds::Something),
            [kind, "empty"] => (Some((*kind).to_owned()), Holds::Nothing),
            [kind, files] => {
                let count = files.strip_suffix(" files")?.parse().ok()?;
                (Some((*kind).to_owned()), Holds::Files { count })
            }
            _ => return None,
        };
        self.plugged_in.push(Offer {
            name: model.split(' ').next()?.to_owned(),
            model: (*model).to_owned(),
            bytes: size.parse::<u64>().ok()? * 1_000_000_000,
            mark: (*model).to_owned(),
            file_system,
            holds,
        });
        Some(())
    }

    pub(crate) fn is_unplugged(&mut self, name: &str) {
        self.plugged_in.retain(|it| it.name != name);
    }

    pub(crate) fn drive_goes(&mut self) {
        self.drive = Some(DriveTrouble::Missing);
        self.look_at_drive();
    }

    pub(crate) fn drive_fills(&mut self) {
        self.drive = Some(DriveTrouble::Full);
        self.look_at_drive();
    }

    pub(crate) fn drive_comes(&mut self) {
        self.drive = None;
        self.look_at_drive();
    }

    fn look_at_drive(&mut self) {
        // A full drive can be used: what is full is found out by writing.
        let trouble = self.drive.filter(|it| *it != DriveTrouble::Full);
        let free = if self.drive.is_some() { 0 } else { FREE_BYTES };
        self.tell(Input::Drive(Seen {
            trouble,
            free: trouble.is_none().then_some(free),
            reserve: 0,
        }));
    }

    pub(crate) fn line_goes_down(&mut self) {
        self.is_online = false;
        self.tell(Input::Offline);
    }

    pub(crate) fn line_comes_up(&mut self) {
        self.is_online = true;
        self.tell(Input::Online);
    }

    /// The server takes files up to this size, or offers no upload at all.
    pub(crate) fn uploads_are_refused(&mut self, limit: Option<u64>) {
        self.uploads = limit.map_or(Uploads::NotOffered, Uploads::UpTo);
    }

    pub(crate) fn uploads_fail(&mut self) {
        self.uploads = Uploads::Fail;
    }

    /// Seals a file as somebody can who has the card's public half and not its intake key.
    pub(crate) fn somebody_plants(&mut self, name: &str) {
        let blob = BlobId::random(&mut SysRng).unwrap();
        let mut writer = self.sealer.start(&blob, &mut SysRng).unwrap();
        writer.write_all(b"planted").unwrap();
        let metadata = Metadata {
            name: Some(name.to_owned()),
            ..Metadata::default()
        };
        writer.finish(metadata).unwrap();
    }

    pub(crate) fn drive_is_looked_through(&mut self) {
        let found = loop {
            let word = self.vault.as_mut().unwrap().word().unwrap();
            if let Word::Origin(OriginWord::Found { count }) = word {
                break count;
            }
        };
        self.tell(Input::UnprovenFound { count: found });
    }

    /// Turns one bit of an entry's blob.
    pub(crate) fn file_is_scratched(&mut self, number: u64) {
        let folder = self.place.path().join("vault");
        let mut blobs: Vec<_> = walk(&folder.join("blobs"));
        blobs.sort();
        // Their names begin alike and go on with the number of the message that brought them.
        let blob = blobs
            .into_iter()
            .filter(|path| path.to_string_lossy().contains("000000000005dba7"))
            .nth(usize::try_from(number).unwrap() - 1)
            .unwrap();
        let mut bytes = fs::read(&blob).unwrap();
        bytes[1_300] ^= 1;
        fs::write(blob, bytes).unwrap();
    }

    pub(crate) fn time_passes(&mut self, seconds: i64) {
        let until = self.now() + seconds;
        while self.now() < until {
            let wake = self.keeper.next_wake().unwrap_or(i64::MAX);
            let tick = self
                .keeper
                .next_tick()
                .map_or(i64::MAX, |it| it + BEGINNING);
            let now = self.now();
            let next = [now + WAKES_SECONDS, until, wake, tick];
            let next = next.into_iter().filter(|it| *it > now).min().unwrap();
            self.clock.store(next, Ordering::SeqCst);
            self.tell(Input::Woke);
        }
    }
}

pub(super) fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(walk(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// The contents of the files in a zip, or the one file that it is.
fn files_in<'a>(content: &'a [u8], name: &str) -> Vec<&'a [u8]> {
    if !(name.starts_with("files ") && name.ends_with(".zip")) {
        return vec![content];
    }
    let number = |at: usize, bytes: usize| {
        let field = content[at..at + bytes].iter().rev();
        field.fold(0, |sum, byte| (sum << 8) | usize::from(*byte))
    };
    let (mut at, mut files) = (0, Vec::new());
    // One local header and content after the other, up to the directory.
    while content[at..].starts_with(b"PK\x03\x04") {
        let from = at + 30 + number(at + 26, 2) + number(at + 28, 2);
        at = from + number(at + 18, 4);
        files.push(&content[from..at]);
    }
    assert!(content[at..].starts_with(b"PK\x01\x02") && !files.is_empty());
    files
}

/// Content that differs from seed to seed.
pub(super) fn content(seed: &str, size: u64) -> Vec<u8> {
    let block: Vec<u8> = Sha256::digest(seed.as_bytes()).to_vec();
    let size = usize::try_from(size).unwrap();
    block.iter().copied().cycle().take(size).collect()
}

pub(super) fn intake_key() -> IntakeKey {
    IntakeKey::init_with(|bytes| bytes.fill(7))
}

fn keeper(rules: Rules, card: &Card) -> Keeper {
    let devices = card.devices.iter().map(|(id, (fingerprint, level))| Known {
        id: *id,
        fingerprint: fingerprint.clone(),
        level: *level,
        since: BEGINNING,
    });
    let memory = Memory {
        owner: OWNER.to_owned(),
        pins: Vec::new(),
        has_trusted_device: card.pairing.is_none(),
        devices: devices.collect(),
        pairing: card.pairing.clone(),
        locked_by_owner: card.locked_by_owner,
        intakes: card.intakes.values().cloned().collect(),
        deliveries: card.deliveries.values().cloned().collect(),
        checks: card.checks.clone(),
        plan: verify::Plan::default(),
        own: Own {
            jid: "vault@example.org".to_owned(),
            device: 31_415,
            fingerprint: format!("{}1ec921a6", "0".repeat(56)),
        },
        pace: card.pace.clone(),
        alarm: card.alarm,
        aes: "in hardware",
    };
    let known = card.contacts.iter();
    let contacts: Vec<_> = known
        .flat_map(|(jid, devices)| devices.iter().map(|it| (jid.clone(), it.clone())))
        .collect();
    let manners = Manners {
        reactions: true,
        gather_seconds: 0,
    };
    Keeper::new(memory)
        .under(rules, card.remembered.clone())
        .with_manners(manners, card.arrivals.clone())
        .set_up(Settings {
            switches_off: card.switches_off,
            prepares: card.prepares,
            carries: card.carries,
            ..Settings::default()
        })
        .with_notices(card.notices.clone())
        .with_originals(card.originals.clone())
        .with_contacts(contacts)
}
