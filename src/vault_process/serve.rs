//! The inside of the vault process: index, unsealing, deliveries' ciphertext; no network.
//!
//! Six threads work: one obeys orders and asks the index, one unseals and encrypts the delivery
//! that is running, one checks files ([`super::verify`]), one compares blobs that hold the same,
//! one looks at pictures (`painter`), one writes into files on a stick (`porter`); another listens to the socket. The process ends when its
//! control socket closes, and has nothing to tidy up: it may be killed at any instruction.

use std::{
    io::{self, Read as _, Write as _},
    os::{fd::AsFd as _, unix::net::UnixStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

use serde::Serialize;
use vault::{
    Adopted, Attributes, BlobId, Compared, Entry, Index, IndexError, IntakeKey, OpenVault, Origin,
    UnsealError, VaultFolder, index::EntryNumber,
};

mod comparer;
mod custody;
mod edits;
mod finding;
mod key;
mod made;
mod pack;
mod painter;
mod porter;
mod sender;
mod unproven;
mod zip;

use self::{
    comparer::Double,
    painter::Painting,
    sender::{Delivery, Sender},
    unproven::Unproven,
};
use super::{
    MAX_FRAME_BYTES, MAX_ORDER_BYTES, Order, OriginWord, Question, Row, Shut, Word, numbers,
    sandbox::{self, SandboxError},
    slots::Slots,
    typed::{self, Typed},
    verify::{self, Checks, Favour},
};
use crate::pictures::studio::Studio;

/// Name of an entry whose sender gave none.
const UNNAMED: &str = "file";
/// Most entries one answer names, whatever was asked.
const MAX_ROWS: usize = 100;

/// Serves until the control socket closes.
///
/// # Errors
///
/// The sockets'. The vault not opening is said on the socket, and no error.
pub fn serve() -> io::Result<()> {
    sandbox::prepare()?;
    let control = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let data = UnixStream::from(io::stdout().as_fd().try_clone_to_owned()?);
    let mouth = Mouth::new(control.try_clone()?);
    let mut ear = control;
    let mut handed = typed::take_over(&ear)?.into_iter();
    let (Some(decoders), Some(porter)) = (handed.next(), handed.next()) else {
        return Ok(());
    };
    let pipe = handed.next();
    let Some(Order::Open {
        folder,
        key_file,
        typed,
        pepper_file,
        public_half,
        intake_key,
        waiting,
    }) = next_order(&mut ear)?
    else {
        return Ok(());
    };
    // What lies on the card is out of reach once the walls stand.
    let typed = match typed.map(|kind| Typed::take(kind, &data, &pepper_file)) {
        Some(Err(why)) => return mouth.say(&Word::NotOpened(why)),
        Some(Ok(typed)) => Some(typed),
        None => None,
    };
    let from_pipe = key_file.is_none();
    let list = key_file.as_deref().and_then(key::find_list);
    let file = key::find_key(key_file, pipe);
    // It lies on the card, out of reach afterwards. Without it nothing that waits is vouched for.
    let intake_key = key::read_intake_key(&intake_key);
    if let Err(error) = sandbox::confine(&folder) {
        log::error!("the vault process could not be confined, so it ends: {error}");
        return mouth.say(&Word::NotOpened(unconfined(&error)));
    }
    let found = file.and_then(|file| key::read_key(file, list, from_pipe));
    let (key_file, revoked) = found.map_or_else(
        |why| (Err(why), None),
        |found| (Ok(found.key), found.revoked),
    );
    let opened = key::secret(typed, key_file, &folder).and_then(|(secret, typist)| {
        let opened = key::open(&folder, &secret, &public_half, &waiting);
        if let Some(mut typist) = typist {
            typed::answer(&mut typist, typed::told(opened.as_ref().err()));
        }
        opened
    });
    let (vault, index) = match opened {
        Ok(opened) => opened,
        Err(why) => return mouth.say(&Word::NotOpened(why)),
    };
    let newest = vault.public_half().to_bytes();
    if newest != public_half {
        mouth.say(&Word::NewPublicHalf(newest))?;
    }
    mouth.say(&Word::Opened)?;
    if let Some(revoked) = revoked {
        let list = String::from_utf8_lossy(&revoked).into_owned();
        mouth.say(&Word::Revoked(list))?;
    }
    let proofs = Proofs {
        intake_key,
        waiting,
    };
    let decoders = Some(decoders.into());
    work(
        (ear, data, decoders, porter.into()),
        mouth,
        (vault, index),
        proofs,
        crate::clock::now,
    )
}

/// What tells whether a blob was sealed by the daemon.
pub(super) struct Proofs {
    pub(super) intake_key: Option<IntakeKey>,
    pub(super) waiting: Vec<[u8; 16]>,
}

/// Obeys orders until the control socket closes.
pub(super) fn work(
    (mut ear, data, decoders, porter): (UnixStream, UnixStream, Option<UnixStream>, UnixStream),
    mouth: Mouth,
    (vault, index): (OpenVault, Index),
    proofs: Proofs,
    clock: impl Fn() -> SystemTime + 'static,
) -> io::Result<()> {
    let running = Arc::new(AtomicU64::new(0));
    let folder = vault.folder().clone();
    let for_proofs = vault.clone();
    let (deliver, queue) = mpsc::channel();
    let studio = decoders.map(|socket| Arc::new(Studio::new(socket)));
    let sender = Sender {
        studio: studio.clone(),
        vault: vault.clone(),
        mouth: mouth.clone(),
        running: Arc::clone(&running),
        busy: Arc::default(),
    };
    let (errands_in, errands) = mpsc::channel();
    let favours = errands_in.clone();
    let (compare, doubles) = mpsc::channel();
    let (reader, compared) = (sender.vault.clone(), errands_in.clone());
    thread::spawn(move || comparer::run(&reader, &doubles, &compared));
    let checks = Checks::start(
        sender.vault.clone(),
        mouth.clone(),
        move |favour| favours.send(Errand::Favour(favour)).is_ok(),
        Arc::clone(&sender.busy),
    );
    let newest = painter::newest(&index);
    let painting = studio.map(|studio| {
        let errands = errands_in.clone();
        Painting::start(vault.clone(), mouth.clone(), errands, studio, newest)
    });
    let (carrier, errands_of_it) = (vault.clone(), errands_in.clone());
    thread::spawn(move || {
        porter::run(&porter, &carrier, |favour| {
            errands_of_it.send(Errand::Favour(favour)).is_ok()
        });
    });
    thread::spawn(move || sender.run(data, &queue));
    thread::spawn(move || listen(&mut ear, &errands_in));
    let mut clerk = Clerk {
        folder,
        slots: Slots::new(&vault),
        is_over: false,
        index,
        mouth,
        deliver,
        compare,
        running,
        ticket: 0,
        checks,
        painting,
        intake_key: proofs.intake_key,
        vault: for_proofs,
        unproven: Unproven::new(proofs.waiting),
        clock: Box::new(clock),
    };
    clerk.tell_damage()?;
    while let Some(errand) = clerk.next_errand(&errands)? {
        match errand {
            Errand::Order(order) => clerk.obey(order)?,
            Errand::Favour(favour) => favour(&mut clerk.index),
            Errand::Compared(double, compared) => clerk.settle(&double, compared)?,
            Errand::Gone(ended) => return ended,
        }
        if clerk.is_over {
            return Ok(());
        }
    }
    Ok(())
}

/// What the thread of the index does next.
enum Errand {
    /// The daemon wants something.
    Order(Order),
    /// Another thread asks the index.
    Favour(Favour),
    /// Two blobs that hold the same were read from end to end.
    Compared(Double, Result<Compared, UnsealError>),
    /// The daemon is gone.
    Gone(io::Result<()>),
}

/// Passes orders on until the daemon is gone.
fn listen(ear: &mut UnixStream, errands: &mpsc::Sender<Errand>) {
    loop {
        let errand = match next_order(ear) {
            Ok(Some(order)) => Errand::Order(order),
            Ok(None) => Errand::Gone(Ok(())),
            Err(error) => Errand::Gone(Err(error)),
        };
        let last = matches!(errand, Errand::Gone(_));
        if errands.send(errand).is_err() || last {
            return;
        }
    }
}

/// Reads the next order; `None` when the daemon is gone or speaks nonsense.
fn next_order(ear: &mut UnixStream) -> io::Result<Option<Order>> {
    let mut length = [0; 4];
    match ear.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
    if length > MAX_ORDER_BYTES {
        return Ok(None);
    }
    let mut body = vec![0; length];
    ear.read_exact(&mut body)?;
    Ok(super::parse(&body))
}

fn unconfined(error: &SandboxError) -> Shut {
    match error {
        SandboxError::Folder(_) => Shut::NoVault,
        SandboxError::Landlock(_) | SandboxError::Filter(_) | SandboxError::Seccomp(_) => {
            Shut::Trouble
        }
    }
}

/// Speaks on the control socket; both threads do.
#[derive(Clone)]
pub(super) struct Mouth(Arc<Mutex<UnixStream>>);

impl Mouth {
    pub(super) fn new(socket: UnixStream) -> Self {
        Self(Arc::new(Mutex::new(socket)))
    }

    pub(super) fn say<T: Serialize>(&self, word: &T) -> io::Result<()> {
        let frame = super::frame(word, MAX_FRAME_BYTES).ok_or(io::ErrorKind::InvalidData)?;
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .write_all(&frame)
    }
}

/// Obeys orders with the index at hand.
struct Clerk {
    folder: VaultFolder,
    slots: Slots,
    /// Nothing may be written any more.
    is_over: bool,
    index: Index,
    mouth: Mouth,
    deliver: mpsc::Sender<Delivery>,
    compare: mpsc::Sender<Double>,
    /// The ticket of the delivery that may go on.
    running: Arc<AtomicU64>,
    ticket: u64,
    checks: Checks,
    /// Looks at what comes in, where there are decoders.
    painting: Option<Painting>,
    vault: OpenVault,
    intake_key: Option<IntakeKey>,
    unproven: Unproven,
    clock: Box<dyn Fn() -> SystemTime>,
}

impl Clerk {
    /// Returns the time of day.
    fn now(&self) -> SystemTime {
        (self.clock)()
    }

    fn obey(&mut self, order: Order) -> io::Result<()> {
        match order {
            // A vault is opened once.
            Order::Open { .. } => Ok(()),
            Order::Adopt { job, blob, mac } => {
                let adopted = self.adopt(job, blob, mac);
                crate::crash::point("adopted");
                match adopted {
                    Ok(word) => word.map_or(Ok(()), |word| self.mouth.say(&word)),
                    Err(IndexError::Blob(error)) => self.not_opened(job, blob, &error),
                    Err(error) => {
                        log::error!("a blob was not adopted: {error}");
                        self.mouth.say(&Word::NotAdopted { job })?;
                        // After a failed write the index takes no more: a new process opens it.
                        Err(io::Error::other(error))
                    }
                }
            }
            Order::Slot { job, ask } => self.custody(job, ask),
            Order::Edit { job, ask } => self.edit(job, ask),
            Order::TakeUnproven { job, seen, waiting } => self.take_unproven(job, &seen, &waiting),
            Order::Ask { job, question } => {
                let word = self.answer(job, question).unwrap_or_else(|error| {
                    log::error!("the index did not answer: {error}");
                    Word::NoAnswer { job }
                });
                self.mouth.say(&word)
            }
            Order::Deliver { job, number, form } => self.start_delivery(job, number, form),
            Order::Picture(ask) => self.start_made(ask),
            Order::Pack {
                job,
                numbers,
                limit,
                form,
            } => self.start_pack(job, &numbers, limit, form),
            Order::Abort => {
                self.running.store(0, Ordering::SeqCst);
                Ok(())
            }
            Order::Verify {
                run,
                scope,
                bytes_per_second,
            } => self.checks.begin(run, scope, bytes_per_second),
            Order::StopVerify => {
                self.checks.stop();
                Ok(())
            }
            Order::DamageTold { numbers, all } => {
                // What was not noted is told once more at the next opening.
                if let Err(error) = verify::damage_told(&mut self.index, &numbers, all) {
                    log::warn!("it was not noted that damage was told: {error}");
                }
                Ok(())
            }
        }
    }

    /// Says which files are damaged and were not told of, if any; and how many there are.
    fn tell_damage(&mut self) -> io::Result<()> {
        match verify::damage_word(&mut self.index) {
            Ok(word) => self.mouth.say(&word),
            Err(error) => {
                log::error!("the index did not say what is damaged: {error}");
                Ok(())
            }
        }
    }

    /// Puts a blob into the index. What holds the same as another is answered by the comparer.
    fn adopt(
        &mut self,
        job: [u8; 32],
        blob: [u8; 16],
        mac: Option<[u8; 32]>,
    ) -> Result<Option<Word>, IndexError> {
        let blob = BlobId::from_bytes(blob);
        // A blob that is known was vouched for before, and may be gone as another's duplicate.
        let known = self.index.number_of(&blob)?.is_some();
        if !known && !self.is_vouched(&blob, mac)? {
            log::error!("a blob that waits was not sealed by the daemon");
            self.unproven.one_more(&blob);
            return Ok(Some(Word::Origin(OriginWord::Unvouched { job })));
        }
        let attributes = Attributes {
            origin: Origin::Proven,
            caption: None,
        };
        let number = match self.index.adopt(&blob, attributes, self.now())? {
            Adopted::New(number) | Adopted::Already(number) => {
                if let Some(painting) = &self.painting {
                    painting.wake();
                }
                number
            }
            Adopted::SameContentAs(number) => {
                return self.compare(job, &blob, number);
            }
        };
        Ok(Some(match self.index.get(number)? {
            Some(entry) => Word::Adopted {
                job,
                row: row(&entry),
            },
            None => Word::NotAdopted { job },
        }))
    }

    /// Sets a blob aside that does not open. A drive that fails is no reason to.
    fn not_opened(&self, job: [u8; 32], blob: [u8; 16], error: &UnsealError) -> io::Result<()> {
        log::error!("a blob does not open: {error}");
        match error {
            UnsealError::NotAuthentic | UnsealError::Header(_) | UnsealError::Malformed => {
                match self.folder.set_aside(&BlobId::from_bytes(blob)) {
                    Ok(_) => self.mouth.say(&Word::Damaged { job }),
                    Err(error) => {
                        log::error!("it could not be set aside: {error}");
                        self.mouth.say(&Word::NotAdopted { job })
                    }
                }
            }
            UnsealError::Missing => self.mouth.say(&Word::Damaged { job }),
            UnsealError::UnknownEpoch { .. } | UnsealError::Io(_) | _ => {
                self.mouth.say(&Word::NotAdopted { job })
            }
        }
    }

    fn answer(&mut self, job: [u8; 32], question: Question) -> Result<Word, IndexError> {
        if let Question::Unproven { waiting } = &question {
            return self.describe_unproven(job, waiting);
        }
        let totals = self.index.totals()?;
        let unproven = if question == Question::Totals {
            self.count_unproven()?
        } else {
            0
        };
        let index = &self.index;
        Ok(match question {
            Question::Totals | Question::Unproven { .. } => Word::Totals {
                job,
                entries: totals.entries,
                bytes: totals.bytes,
                unproven,
            },
            Question::Find(ask) => self.find(job, ask)?,
            Question::Slots => match self.slots.list() {
                Ok(slots) => Word::Slots { job, slots },
                Err(error) => {
                    log::error!("the slots could not be read: {error}");
                    Word::NoAnswer { job }
                }
            },
            Question::Numbers(ask) => numbers::answer(index, job, &ask)?,
            Question::Pick { ranges } => pick(index, job, &ranges)?,
        })
    }
}

fn pick(index: &Index, job: [u8; 32], ranges: &[(u64, u64)]) -> Result<Word, IndexError> {
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for &(first, last) in ranges {
        if first == 0 {
            let newest = index.last(usize::try_from(last).unwrap_or(0).min(MAX_ROWS))?;
            found.extend(newest.iter().map(|entry| entry.number.get()));
            continue;
        }
        for number in (first..=last).take(MAX_ROWS) {
            let entry = EntryNumber::new(number)
                .map(|it| index.get(it))
                .transpose()?;
            if entry.flatten().is_some() {
                found.push(number)
            } else {
                missing.push(number)
            }
        }
    }
    let mut seen = std::collections::HashSet::new();
    found.retain(|number| seen.insert(*number));
    Ok(Word::Picked {
        job,
        found,
        missing,
    })
}

fn limit(lines: u32) -> usize {
    usize::try_from(lines).unwrap_or(MAX_ROWS).min(MAX_ROWS)
}

/// Describes entries for a listing, with what checks have found.
fn listed(index: &Index, entries: &[Entry]) -> Result<Vec<Row>, IndexError> {
    let listed = entries.iter().map(|entry| {
        let damaged = index.damage_of(entry.number)?.is_some();
        let picture = index.picture_of(entry.number)?;
        Ok(Row {
            damaged,
            taken_at: picture.and_then(|it| finding::seconds(it.taken_at?)),
            ..row(entry)
        })
    });
    listed.collect()
}

pub(super) fn row(entry: &Entry) -> Row {
    let at = entry.metadata.received_at.or(entry.adopted_at);
    let received_at = at
        .and_then(|at| at.duration_since(UNIX_EPOCH).ok())
        .and_then(|since| i64::try_from(since.as_secs()).ok())
        .unwrap_or_default();
    Row {
        number: entry.number.get(),
        name: entry.name().unwrap_or(UNNAMED).to_owned(),
        bytes: entry.size,
        received_at,
        damaged: false,
        taken_at: None,
    }
}

#[cfg(test)]
mod tests;
