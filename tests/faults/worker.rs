//! The program that is harmed: the real state, keeper, sealer and index of one home, with a scripted
//! network. It carries effects out in the order in which `src/daemon/effects.rs` does, and tells the
//! world what an owner would hear, one line each on its standard output.
//!
//! ```text
//! worker HOME open|locked|rotate|rebuild|import MESSAGES [FLAW]
//! ```
//!
//! The server has the messages 1 to MESSAGES; each announces one file. An import has the same files and no
//! server. The worker ends when nothing is
//! left to do, with status 0; with 3 when something is left for later; with 1 when it had to give up.

use std::{
    collections::{BTreeMap, VecDeque},
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use getrandom::SysRng;
use strongroom::{
    keeper::{
        Device, Effect, Input, JobId, Keeper, Memory, Placed, Standing, Told,
        chat::{Beside, Chat},
        devices::Own,
        intake::Intake,
        reply::{ArrivalReply, IntakeFailure, Line, OpenFailure, Reply},
    },
    state::{JobKind, LetterContent, State, Step, write_private},
};
use vault::{
    Adopted, Attributes, BlobId, Index, KEY_FILE_NAME, Metadata, OpenVault, Origin, PublicHalf,
    Sealer, SlotSecret, StoreError, VaultFolder,
};

use crate::home::{content, file_name, message_of};

const OWNER: &str = "owner@example.org";
const SECRET: &str =
    "000102030405060708090a0b000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
/// The note with the number of the newest message that was handled.
const CURSOR: &str = "faults cursor";
/// Times that a failing step is tried again before the run is ended.
const PATIENCE: usize = 3;
/// Files that an import makes durable together.
const IMPORT_GROUP: usize = 7;

/// A wrong order that the checker has to find: its control.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flaw {
    None,
    /// Tells that a file is stored before it is fetched.
    Hasty,
    /// Draws the blob's name anew at every attempt.
    Forgetful,
}

/// Why the run has to end.
struct End(String);

impl<E: std::error::Error> From<E> for End {
    fn from(error: E) -> Self {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(inner) = source {
            text += &format!(": {inner}");
            source = inner.source();
        }
        Self(text)
    }
}

struct Worker {
    home: PathBuf,
    state: State,
    keeper: Keeper,
    sealer: Sealer,
    index: Option<Index>,
    queue: VecDeque<Input>,
    now: i64,
    flaw: Flaw,
    /// Under which names blobs were sealed, where that is not the job's business.
    drawn: BTreeMap<JobId, BlobId>,
}

/// Runs the worker and returns its exit status.
pub(crate) fn main(arguments: &[String]) -> u8 {
    let [home, manner, messages, rest @ ..] = arguments else {
        return 2;
    };
    let flaw = match rest.first().map(String::as_str) {
        Some("hasty") => Flaw::Hasty,
        Some("forgetful") => Flaw::Forgetful,
        _ => Flaw::None,
    };
    let home = PathBuf::from(home);
    let run = match manner.as_str() {
        "rotate" => rotate(&home),
        "rebuild" => rebuild(&home),
        "import" => import(&home, messages.parse().unwrap_or(0)),
        _ => Worker::start(home, flaw)
            .and_then(|it| it.run(manner == "open", messages.parse().unwrap_or(0))),
    };
    match run {
        Ok(true) => 0,
        Ok(false) => 3,
        Err(End(why)) => {
            let _ = writeln!(std::io::stderr(), "{why}");
            1
        }
    }
}

fn public_half_path(home: &Path) -> PathBuf {
    home.join("card/vault.pub")
}

/// Opens the vault as the vault process does.
fn open(home: &Path) -> Result<OpenVault, End> {
    let key = SlotSecret::from_key_file(&fs::read(home.join(KEY_FILE_NAME))?)?;
    let opened = OpenVault::open(&home.join("drive/vault"), &key.secret, SystemTime::now())?;
    Ok(opened)
}

/// Takes the spare slot's way in, if it has one, and lays down the new public half.
fn rotate(home: &Path) -> Result<bool, End> {
    let mut opened = open(home)?;
    let spare = opened
        .slots()?
        .into_iter()
        .find(|(_, label)| label.as_ref().is_some_and(|it| it.name == "spare"));
    if let Some((spare, _)) = spare {
        opened.revoke(&spare, &mut SysRng)?;
    }
    write_private(&public_half_path(home), &opened.public_half().to_bytes())?;
    let _ = Index::open(&opened, SystemTime::now())?;
    say("rotated");
    Ok(true)
}

fn rebuild(home: &Path) -> Result<bool, End> {
    let opened = open(home)?;
    let (index, _) = Index::open(&opened, SystemTime::now())?;
    let _ = index.rebuild(SystemTime::now())?;
    Ok(true)
}

/// Takes the files in as an import does: in groups, each of which is told once it is durable.
fn import(home: &Path, count: u64) -> Result<bool, End> {
    let opened = open(home)?;
    let (mut index, _) = Index::open(&opened, SystemTime::now())?;
    let public = PublicHalf::from_bytes(&fs::read(public_half_path(home))?)?;
    let sealer = Sealer::new(&public, VaultFolder::open(&home.join("drive/vault"))?)?;
    sealer.sweep(&[])?;
    let mut bulk = sealer.bulk()?;
    for number in 1..=count {
        let blob = BlobId::from_bytes(told(number).blob);
        match bulk.add(
            &blob,
            &content(number),
            metadata(&file_name(number)),
            &mut SysRng,
        ) {
            // An import that was cut short came as far as that.
            Err(StoreError::AlreadyKept) if sealer.has(&blob)? => {
                let attributes = Attributes {
                    origin: Origin::Proven,
                    caption: None,
                };
                let adopted = index.adopt(&blob, attributes, SystemTime::now())?;
                tell_imported(&file_name(number), adopted);
            }
            added => added?,
        }
        if bulk.len() == IMPORT_GROUP || number == count {
            let kept = bulk.commit()?;
            let adopted = index.adopt_kept(&kept, SystemTime::now())?;
            for (kept, adopted) in kept.iter().zip(adopted) {
                tell_imported(kept.metadata.name.as_deref().unwrap_or_default(), adopted);
            }
        }
    }
    Ok(true)
}

fn tell_imported(name: &str, adopted: Adopted) {
    let (Adopted::New(number) | Adopted::Already(number) | Adopted::SameContentAs(number)) =
        adopted;
    say(&format!("import-{name} stored {number} {name}"));
}

/// Tells the world, in one write.
fn say(line: &str) {
    // A driver that is gone needs to hear nothing.
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

fn device() -> Device {
    Device {
        jid: OWNER.to_owned(),
        id: 1,
        fingerprint: "0".repeat(64),
        standing: Standing::Trusted,
    }
}

/// The message with this number, as OMEMO opened it.
fn told(number: u64) -> Told {
    let [job, blob] = ["job", "blob"].map(|what| {
        use sha2::Digest as _;
        <[u8; 32]>::from(sha2::Sha256::digest(format!("{what} {number}")))
    });
    Told {
        from: device(),
        namespace: omemo::Namespace::Legacy,
        job: JobId(job),
        blob: blob[..16].try_into().unwrap(),
        files: Vec::new(),
        attached: None,
        text: Some(format!(
            "aesgcm://up.example/{}#{SECRET}",
            file_name(number)
        )),
        sent_at: 0,
        receipt: None,
        readers: Vec::new(),
        beside: Beside::default(),
    }
}

impl Worker {
    fn start(home: PathBuf, flaw: Flaw) -> Result<Self, End> {
        let mut state = State::open(&home.join("card"))?;
        let step = state.begin()?;
        let memory = Memory {
            owner: OWNER.to_owned(),
            pins: Vec::new(),
            has_trusted_device: true,
            devices: Vec::new(),
            pairing: None,
            locked_by_owner: false,
            intakes: step.jobs(JobKind::Intake)?,
            deliveries: Vec::new(),
            own: Own::default(),
            checks: Default::default(),
            plan: Default::default(),
            pace: None,
            alarm: false,
            aes: "in software",
        };
        let outbox = step.outbox()?;
        drop(step);
        let public = PublicHalf::from_bytes(&fs::read(public_half_path(&home))?)?;
        let sealer = Sealer::new(&public, VaultFolder::open(&home.join("drive/vault"))?)?;
        // As the daemon does: what cannot be swept now is swept later.
        let _ = sealer.sweep(&[]);
        let mut worker = Self {
            home,
            state,
            keeper: Keeper::new(memory),
            sealer,
            index: None,
            queue: VecDeque::new(),
            now: 1_800_000_000,
            flaw,
            drawn: BTreeMap::new(),
        };
        for letter in outbox {
            if let LetterContent::Words(words) = letter.content {
                worker.send(letter.token, &letter.id, &words)?;
            }
        }
        Ok(worker)
    }

    fn run(mut self, has_key: bool, messages: u64) -> Result<bool, End> {
        self.queue.push_back(Input::Online);
        self.queue.push_back(if has_key {
            Input::KeyDeviceCame
        } else {
            Input::KeyDeviceGone
        });
        self.work()?;
        let cursor = self.state.begin()?.note::<u64>(CURSOR)?.unwrap_or(0);
        for number in cursor + 1..=messages {
            self.take(Input::Told(told(number)), Some(number))?;
            self.work()?;
        }
        for _ in 0..PATIENCE {
            if self.keeper.next_wake().is_none() {
                break;
            }
            self.now += 20_000;
            self.queue.push_back(Input::Woke);
            self.work()?;
        }
        let open_jobs: Vec<Intake> = self.state.begin()?.jobs(JobKind::Intake)?;
        Ok(open_jobs.is_empty() || !has_key && self.keeper.next_wake().is_none())
    }

    fn work(&mut self) -> Result<(), End> {
        while let Some(input) = self.queue.pop_front() {
            self.take(input, None)?;
        }
        Ok(())
    }

    /// One step: what the keeper decides is saved in one transaction, and then begun.
    fn take(&mut self, input: Input, message: Option<u64>) -> Result<(), End> {
        let effects = self.keeper.handle(input, self.now);
        if self.flaw == Flaw::Hasty
            && let Some(number) = message
        {
            say(&format!("hasty{number} stored 0 {}", file_name(number)));
        }
        let mut letters = Vec::new();
        let mut closed = false;
        let step = self.state.begin()?;
        if let Some(number) = message {
            step.set_note(CURSOR, Some(&number))?;
        }
        for effect in &effects {
            match effect {
                Effect::SaveIntake(intake) => {
                    step.save_job(&intake.job.0, JobKind::Intake, intake)?
                }
                Effect::Close(job) => {
                    step.close_job(&job.0)?;
                    closed = true;
                }
                Effect::Say(reply) | Effect::Chat(Chat::Tell { reply, .. }) => {
                    letters.push(post(&step, &line(reply))?);
                }
                _ => {}
            }
        }
        step.commit()?;
        for (token, id, words) in letters {
            self.send(token, &id, &words)?;
        }
        for effect in effects {
            self.begin(effect)?;
        }
        if closed {
            self.state.truncate_log()?;
        }
        Ok(())
    }

    /// The stanza goes out; the server has it.
    fn send(&mut self, token: i64, id: &str, words: &str) -> Result<(), End> {
        say(&format!("{id} {words}"));
        let step = self.state.begin()?;
        step.delivered(token)?;
        step.commit()?;
        Ok(())
    }

    fn begin(&mut self, effect: Effect) -> Result<(), End> {
        match effect {
            Effect::Fetch(intake) => {
                let job = intake.job;
                let input = match self.seal(&intake) {
                    Ok(()) => Input::Sealed { job },
                    Err(StoreError::NotDurable(error)) => return Err(error.into()),
                    Err(_) => Input::NotSealed {
                        job,
                        why: IntakeFailure::ServerTrouble,
                        transient: true,
                    },
                };
                self.queue.push_back(input);
            }
            Effect::Index(intake) => {
                let input = self.adopt(&intake);
                self.queue.push_back(input);
            }
            Effect::Open => {
                self.index = None;
                let opened = self.open();
                self.queue.push_back(match opened {
                    Ok(index) => {
                        self.index = Some(index);
                        Input::VaultOpened
                    }
                    Err(_) => Input::VaultNotOpened(OpenFailure::Trouble),
                });
            }
            Effect::Lock => self.index = None,
            _ => {}
        }
        Ok(())
    }

    fn open(&self) -> Result<Index, End> {
        let waiting: Vec<BlobId> = self
            .keeper
            .open_blobs()
            .into_iter()
            .map(BlobId::from_bytes)
            .collect();
        Ok(Index::open_leaving(&open(&self.home)?, &waiting, SystemTime::now())?.0)
    }

    fn blob_of(&mut self, intake: &Intake) -> BlobId {
        match self.flaw {
            Flaw::Forgetful => *self
                .drawn
                .entry(intake.job)
                .or_insert_with(|| BlobId::random(&mut SysRng).unwrap()),
            Flaw::None | Flaw::Hasty => BlobId::from_bytes(intake.blob),
        }
    }

    fn seal(&mut self, intake: &Intake) -> Result<(), StoreError> {
        let blob = self.blob_of(intake);
        if self.sealer.has(&blob)? {
            return Ok(());
        }
        let mut writer = self.sealer.start(&blob, &mut SysRng)?;
        for piece in content(message_of(&intake.name)).chunks(5_000) {
            writer.write_all(piece).map_err(StoreError::Write)?;
        }
        writer.finish(metadata(&intake.name)).map(drop)
    }

    fn adopt(&mut self, intake: &Intake) -> Input {
        let job = intake.job;
        let failed = Input::NotIndexed {
            job,
            damaged: false,
        };
        let blob = self.blob_of(intake);
        let Some(index) = &mut self.index else {
            return failed;
        };
        let attributes = Attributes {
            origin: Origin::Proven,
            caption: None,
        };
        match index.adopt(&blob, attributes, SystemTime::now()) {
            Ok(Adopted::New(number) | Adopted::Already(number)) => Input::Indexed {
                job,
                placed: Placed::Entry(Line {
                    number: number.get(),
                    name: intake.name.clone(),
                    bytes: 0,
                    received_at: 0,
                    damaged: false,
                    taken_at: None,
                }),
            },
            Ok(Adopted::SameContentAs(number)) => Input::Indexed {
                job,
                placed: Placed::SameAs(number.get()),
            },
            Err(_) => {
                // The vault process ends after a failed write, and its files wait for the next.
                self.index = None;
                self.queue.push_back(failed);
                Input::VaultEnded
            }
        }
    }
}

fn metadata(name: &str) -> Metadata {
    Metadata {
        name: Some(name.to_owned()),
        received_at: Some(UNIX_EPOCH + Duration::from_secs(1_800_000_000)),
        ..Metadata::default()
    }
}

fn post(step: &Step<'_>, words: &str) -> Result<(i64, String, String), End> {
    let mut id = [0; 8];
    getrandom::fill(&mut id).map_err(|error| End(error.to_string()))?;
    let id = hex::encode(id);
    let token = step.post(&id, &LetterContent::Words(words.to_owned()))?;
    Ok((token, id, words.to_owned()))
}

/// What the owner is told, for the checker to read.
fn line(reply: &Reply) -> String {
    match reply {
        Reply::Stored { line } => format!("stored {} {}", line.number, line.name),
        Reply::Opened {
            adopted: numbers, ..
        }
        | Reply::Arrival(ArrivalReply::Stored { numbers, .. }) => {
            let numbers: Vec<String> = numbers.iter().map(u64::to_string).collect();
            format!("adopted {}", numbers.join(" "))
        }
        Reply::NotStored {
            name,
            retrying: false,
            ..
        } => format!("refused {name}"),
        _ => "other".to_owned(),
    }
}
