//! Checks files in the background, on a thread of its own: all, a few, or one.
//!
//! The index belongs to another thread, which is asked for short things only, so that `list` and
//! `get` do not wait. How far a check of everything has come is saved every few seconds: the
//! process may be killed at any instruction. What does not hold is noted, then set aside; nothing
//! is deleted.

use std::{
    io::{self, Read as _},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
};

use omemo::media::{MediaDecryptor, MediaEncryptor, MediaSecret};
use serde::{Deserialize, Serialize};
use vault::{
    Index, IndexError, OpenVault,
    check::{self, Damage, Outcome},
    index::{EntryNumber, Pass, Verifiable},
};
use zeroize::Zeroizing;

use super::{
    Row, Word,
    serve::{Mouth, row},
};

mod pace;

use pace::{Pace, Pulse};

/// Entries asked of the index at once.
const PAGE: usize = 100;
/// Damaged entries named in one word; nobody reads more of them in a chat.
const NAMED: usize = 20;
/// Bytes unsealed at a time in a drill.
const PIECE_BYTES: usize = 32 * 1024;

/// Which files are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scope {
    /// All, from where the last check of all stopped.
    All,
    /// A few, drawn at random, each as a delivery would have it.
    Sample(u32),
    /// One entry.
    One(u64),
}

/// How far a check has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Files that were checked.
    pub checked: u64,
    /// Files that are to be checked.
    pub of: u64,
    /// Bytes of content that hold.
    pub bytes: u64,
    /// Files that do not hold.
    pub damaged: u64,
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    /// Everything that was to be checked was.
    Whole,
    /// The drive or the index failed, so that nothing more can be said.
    Trouble,
}

/// What is wrong with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fault {
    /// Its blob is not there.
    Missing,
    /// Its blob does not hold; it lies in the quarantine folder.
    Unsound,
    /// The drive fails to read it.
    Unreadable,
    /// It holds, and the index says other things of it.
    Differs,
}

impl From<Damage> for Fault {
    fn from(damage: Damage) -> Self {
        match damage {
            Damage::Missing => Self::Missing,
            Damage::Unreadable => Self::Unreadable,
            Damage::Differs => Self::Differs,
            Damage::Unsound | _ => Self::Unsound,
        }
    }
}

/// Something that the thread of the index does for another one.
pub(super) type Favour = Box<dyn FnOnce(&mut Index) + Send>;

/// One check.
struct Task {
    ticket: u64,
    run: u64,
    scope: Scope,
    bytes_per_second: u64,
}

/// The thread that checks, seen by the one that gives the orders.
pub(super) struct Checks {
    queue: mpsc::Sender<Task>,
    /// The ticket of the check that may go on.
    running: Arc<AtomicU64>,
    ticket: u64,
}

impl Checks {
    /// Starts the thread. `favours` takes what the index's thread is to do, and says whether it
    /// runs; checks wait while `deliveries` is not 0.
    pub(super) fn start(
        vault: OpenVault,
        mouth: Mouth,
        favours: impl Fn(Favour) -> bool + Send + 'static,
        deliveries: Arc<AtomicU64>,
    ) -> Self {
        let running = Arc::new(AtomicU64::new(0));
        let (queue, tasks) = mpsc::channel();
        let verifier = Verifier {
            vault,
            mouth,
            favours: Box::new(favours),
            running: Arc::clone(&running),
            deliveries,
        };
        thread::spawn(move || verifier.run(&tasks));
        Self {
            queue,
            running,
            ticket: 0,
        }
    }

    /// Begins a check in place of the one that is running.
    pub(super) fn begin(
        &mut self,
        run: u64,
        scope: Scope,
        bytes_per_second: u64,
    ) -> io::Result<()> {
        self.stop();
        let task = Task {
            ticket: self.ticket,
            run,
            scope,
            bytes_per_second,
        };
        let sent = self.queue.send(task);
        sent.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    /// Ends the check that is running.
    pub(super) fn stop(&mut self) {
        self.ticket += 1;
        self.running.store(self.ticket, Ordering::SeqCst);
    }
}

/// The thread's inside.
struct Verifier {
    vault: OpenVault,
    mouth: Mouth,
    favours: Box<dyn Fn(Favour) -> bool + Send>,
    running: Arc<AtomicU64>,
    deliveries: Arc<AtomicU64>,
}

/// Why a check does not go on.
enum Stop {
    /// It was told to stop, or another one took its place.
    Told,
    /// The drive or the index failed.
    Trouble(String),
    /// The daemon is gone.
    Gone(io::Error),
}

impl From<IndexError> for Stop {
    fn from(error: IndexError) -> Self {
        Self::Trouble(error.to_string())
    }
}

impl From<check::DriveGone> for Stop {
    fn from(error: check::DriveGone) -> Self {
        Self::Trouble(error.to_string())
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Gone(error)
    }
}

impl Verifier {
    fn run(&self, queue: &mpsc::Receiver<Task>) {
        // On Linux this is the thread's own, and the disk schedulers go by it as well. It cannot
        // fail for going down; if it did, the check would only be less modest.
        let _ = rustix::process::nice(19);
        while let Ok(task) = queue.recv() {
            let mut tally = Tally::default();
            let end = match self.check(&task, &mut tally) {
                Ok(()) => End::Whole,
                Err(Stop::Told) => continue,
                Err(Stop::Trouble(why)) => {
                    log::error!("a check of the vault ended early: {why}");
                    End::Trouble
                }
                Err(Stop::Gone(error)) => {
                    return log::info!("a check ended with the daemon: {error}");
                }
            };
            let run = task.run;
            if self.mouth.say(&Word::Checked { run, tally, end }).is_err() {
                return;
            }
        }
    }

    fn check(&self, task: &Task, tally: &mut Tally) -> Result<(), Stop> {
        let mut pace = Pace::new(
            &self.running,
            &self.deliveries,
            task.ticket,
            task.bytes_per_second,
        );
        match task.scope {
            Scope::All => self.check_all(task, &mut pace, tally),
            Scope::Sample(count) => self.drill(task, &mut pace, count, tally),
            Scope::One(number) => {
                tally.of = 1;
                let Some(number) = EntryNumber::new(number) else {
                    return Ok(());
                };
                if let Some(entry) = self.ask(move |index| index.verifiable(number))? {
                    self.check_one(&entry, &mut pace, tally)?;
                }
                Ok(())
            }
        }
    }

    fn check_all(&self, task: &Task, pace: &mut Pace<'_>, tally: &mut Tally) -> Result<(), Stop> {
        let (saved, total) = self.ask(|index| Ok((index.pass()?, index.totals()?.entries)))?;
        let mut pass = saved.unwrap_or_default();
        let mut pulse = Pulse::new();
        *tally = tally_of(&pass, total);
        self.mouth.say(&Word::Checking {
            run: task.run,
            tally: *tally,
        })?;
        loop {
            let after = pass.after;
            let page = self.ask(move |index| index.to_verify(after, PAGE))?;
            if page.is_empty() {
                break;
            }
            for number in page {
                let entry = self.ask(move |index| index.verifiable(number))?;
                if let Some(entry) = entry {
                    match self.check_one(&entry, pace, tally) {
                        Err(Stop::Told) => {
                            self.ask(move |index| index.save_pass(Some(&pass)))?;
                            return Err(Stop::Told);
                        }
                        checked => checked?,
                    }
                }
                pass = Pass {
                    after: Some(number),
                    checked: tally.checked,
                    bytes: tally.bytes,
                    damaged: tally.damaged,
                };
                if pulse.is_due() {
                    self.ask(move |index| index.save_pass(Some(&pass)))?;
                    crate::crash::point("pass saved");
                    self.mouth.say(&Word::Checking {
                        run: task.run,
                        tally: *tally,
                    })?;
                }
            }
        }
        tally.of = tally.checked;
        self.ask(|index| index.save_pass(None))
    }

    /// Opens a few files as a delivery does: unsealed, encrypted for a phone, and decrypted again
    /// as the phone would; what comes out has the hash that was taken when the file came in.
    fn drill(
        &self,
        task: &Task,
        pace: &mut Pace<'_>,
        count: u32,
        tally: &mut Tally,
    ) -> Result<(), Stop> {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let numbers = self.ask(move |index| index.draw(count, random))?;
        tally.of = numbers.len() as u64;
        for number in numbers {
            let Some(entry) = self.ask(move |index| index.verifiable(number))? else {
                continue;
            };
            match self.deliver_and_receive(&entry, pace) {
                Ok(Some(bytes)) => {
                    tally.checked += 1;
                    tally.bytes = tally.bytes.saturating_add(bytes);
                    self.heal(number)?;
                }
                Ok(None) => return Err(Stop::Told),
                // Says what is wrong, and does what follows.
                Err(error) => {
                    log::error!("a file does not open: {error}");
                    self.check_one(&entry, pace, tally)?;
                }
            }
            self.mouth.say(&Word::Checking {
                run: task.run,
                tally: *tally,
            })?;
        }
        Ok(())
    }

    /// Returns the length of the content; `None` when told to stop.
    fn deliver_and_receive(
        &self,
        entry: &Verifiable,
        pace: &mut Pace<'_>,
    ) -> io::Result<Option<u64>> {
        let mut reader = self.vault.reader(&entry.entry.blob_id)?;
        let secret = MediaSecret::random(&mut rand_core::UnwrapErr(getrandom::SysRng));
        let (mut there, mut back) = (MediaEncryptor::new(&secret), MediaDecryptor::new(&secret));
        let mut hash = blake3::Hasher::new();
        let mut content = Zeroizing::new(vec![0; PIECE_BYTES]);
        let (mut ciphertext, mut received) = (Vec::new(), Zeroizing::new(Vec::new()));
        loop {
            let length = reader.read(&mut content)?;
            let piece = content.get(..length).unwrap_or_default();
            ciphertext.clear();
            if piece.is_empty() {
                break;
            }
            there
                .update(piece, &mut ciphertext)
                .map_err(io::Error::other)?;
            received.clear();
            back.update(&ciphertext, &mut received)
                .map_err(io::Error::other)?;
            hash.update(&received);
            if !pace.go_on(length as u64) {
                return Ok(None);
            }
        }
        received.clear();
        back.update(&there.finish(), &mut received)
            .map_err(io::Error::other)?;
        let bytes = back.finish(&mut received).map_err(io::Error::other)?;
        hash.update(&received);
        let same = hash.finalize() == blake3::Hash::from_bytes(*reader.content_hash());
        if same && bytes == entry.entry.size {
            Ok(Some(bytes))
        } else {
            Err(io::ErrorKind::InvalidData.into())
        }
    }

    /// Checks one entry and does what follows from it.
    fn check_one(
        &self,
        entry: &Verifiable,
        pace: &mut Pace<'_>,
        tally: &mut Tally,
    ) -> Result<(), Stop> {
        let number = entry.entry.number;
        match check::check_entry(&self.vault, entry, |bytes| pace.go_on(bytes))? {
            Outcome::Sound {
                bytes,
                at_second_reading,
            } => {
                if at_second_reading {
                    log::warn!("a file held only when it was read again: check cable and memory");
                }
                tally.checked += 1;
                tally.bytes = tally.bytes.saturating_add(bytes);
                self.heal(number)
            }
            Outcome::Damaged(damage) => {
                tally.checked += 1;
                tally.damaged += 1;
                self.damaged(entry, damage)
            }
            Outcome::Stopped | _ => Err(Stop::Told),
        }
    }

    fn heal(&self, number: EntryNumber) -> Result<(), Stop> {
        if self.ask(move |index| index.note_sound(number))? {
            log::info!("a file that was noted as damaged holds again");
            self.tell_damage()?;
        }
        Ok(())
    }

    /// Notes first and moves then: after a crash in between, the next check moves.
    fn damaged(&self, entry: &Verifiable, damage: Damage) -> Result<(), Stop> {
        let (number, blob) = (entry.entry.number, entry.entry.blob_id);
        log::error!("a file does not hold: {damage:?}");
        let now = crate::clock::now();
        let news = self.ask(move |index| index.note_damage(number, damage, now))?;
        crate::crash::point("damage noted");
        if damage == Damage::Unsound
            && let Err(error) = self.vault.folder().set_aside(&blob)
            && error.kind() != io::ErrorKind::NotFound
        {
            log::error!("a blob could not be set aside: {error}");
        }
        if news {
            self.tell_damage()?;
        }
        Ok(())
    }

    fn tell_damage(&self) -> Result<(), Stop> {
        let word = self.ask(damage_word)?;
        Ok(self.mouth.say(&word)?)
    }

    /// Has the index's thread answer.
    fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Index) -> Result<T, IndexError> + Send + 'static,
    ) -> Result<T, Stop> {
        let (tell, answer) = mpsc::channel();
        let favour: Favour = Box::new(move |index| {
            // Who asked may have stopped; then nobody needs to know.
            let _ = tell.send(question(index));
        });
        let gone = || Stop::Gone(io::ErrorKind::BrokenPipe.into());
        if !(self.favours)(favour) {
            return Err(gone());
        }
        Ok(answer.recv().map_err(|_| gone())??)
    }
}

/// Names the damaged files that the owner was not told of, and counts all.
pub(super) fn damage_word(index: &mut Index) -> Result<Word, IndexError> {
    let mut rows: Vec<(Row, Fault)> = Vec::new();
    let untold = index.damaged(true, usize::MAX)?;
    for (number, damage) in untold.iter().take(NAMED) {
        if let Some(entry) = index.get(*number)? {
            rows.push((row(&entry), (*damage).into()));
        }
    }
    let more = untold.len().saturating_sub(rows.len()) as u64;
    let total = index.damaged_count()?;
    Ok(Word::Damage { rows, more, total })
}

/// Notes that the owner was told of these, or of all.
pub(super) fn damage_told(index: &mut Index, numbers: &[u64], all: bool) -> Result<(), IndexError> {
    let told: Vec<EntryNumber> = if all {
        let untold = index.damaged(true, usize::MAX)?;
        untold.into_iter().map(|(number, _)| number).collect()
    } else {
        numbers
            .iter()
            .filter_map(|it| EntryNumber::new(*it))
            .collect()
    };
    index.damage_told(&told)
}

fn tally_of(pass: &Pass, total: u64) -> Tally {
    Tally {
        checked: pass.checked,
        of: total,
        bytes: pass.bytes,
        damaged: pass.damaged,
    }
}

fn random() -> u64 {
    let mut bytes = [0; 8];
    // Without randomness the sample is the same each time, and still a sample.
    let _ = getrandom::fill(&mut bytes);
    u64::from_le_bytes(bytes)
}
