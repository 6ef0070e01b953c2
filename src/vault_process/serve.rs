//! The inside of the vault process: index, unsealing, deliveries' ciphertext; no network.
//!
//! Three threads: one reads orders and asks the index, one unseals and encrypts the delivery that
//! is running, one reads blobs whole that hold the same, so that nobody waits for that. The process
//! ends when its control socket closes, and has nothing to tidy up: it may be killed at any
//! instruction.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    net::Shutdown,
    os::{fd::AsFd as _, unix::net::UnixStream},
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

use omemo::media::{MediaEncryptor, MediaSecret, TAG_BYTES};
use rustix::process::DumpableBehavior;
use serde::Serialize;
use vault::{
    Adopted, Attributes, BlobId, Entry, Index, IndexError, IntakeKey, OpenError, OpenVault, Origin,
    PublicHalf, SlotSecret, UnsealError, VaultFolder, index::EntryNumber, key::file::KeyFileError,
    open::custody::Standing,
};
use zeroize::Zeroizing;

mod comparer;
mod unproven;

use self::{
    comparer::{Comparer, Double},
    unproven::Unproven,
};
use super::{
    BROKEN, MAX_DATA_BYTES, MAX_FRAME_BYTES, MAX_ORDER_BYTES, Order, OriginWord, Question, Row,
    Shut, WHOLE, Word,
};

/// Bytes unsealed at a time.
const PIECE_BYTES: usize = 32 * 1024;
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
    // No core dump and no look from outside. prctl(2)
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    let control = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let data = UnixStream::from(io::stdout().as_fd().try_clone_to_owned()?);
    let mouth = Mouth(Arc::new(Mutex::new(control.try_clone()?)));
    let mut ear = control;
    let Some(Order::Open {
        folder,
        key_file,
        public_half,
        intake_key,
        waiting,
    }) = next_order(&mut ear)?
    else {
        return Ok(());
    };
    let (vault, index) = match open(&folder, &key_file, &public_half, &waiting) {
        Ok(opened) => opened,
        Err(why) => return mouth.say(&Word::NotOpened(why)),
    };
    let newest = vault.public_half().to_bytes();
    if newest != public_half {
        mouth.say(&Word::NewPublicHalf(newest))?;
    }
    // Without the key nothing that waits is vouched for.
    let intake_key = fs::read(&intake_key)
        .map(Zeroizing::new)
        .ok()
        .and_then(|text| IntakeKey::from_card(&text));
    mouth.say(&Word::Opened)?;
    let proofs = Proofs {
        intake_key,
        waiting,
    };
    work((ear, data), mouth, vault, index, proofs)
}

/// What tells whether a blob was sealed by the daemon.
struct Proofs {
    intake_key: Option<IntakeKey>,
    waiting: Vec<[u8; 16]>,
}

/// Obeys orders until the control socket closes.
fn work(
    (mut ear, data): (UnixStream, UnixStream),
    mouth: Mouth,
    vault: OpenVault,
    index: Index,
    proofs: Proofs,
) -> io::Result<()> {
    let running = Arc::new(AtomicU64::new(0));
    let folder = vault.folder().clone();
    let index = SharedIndex(Arc::new(Mutex::new(index)));
    let (compare, doubles) = mpsc::channel();
    let comparer = Comparer {
        vault: vault.clone(),
        index: index.clone(),
        mouth: mouth.clone(),
    };
    thread::spawn(move || comparer.run(&doubles));
    let for_proofs = vault.clone();
    let (deliver, queue) = mpsc::channel();
    let sender = Sender {
        vault,
        mouth: mouth.clone(),
        running: Arc::clone(&running),
    };
    thread::spawn(move || sender.run(data, &queue));
    let mut clerk = Clerk {
        folder,
        index,
        mouth,
        deliver,
        compare,
        running,
        ticket: 0,
        intake_key: proofs.intake_key,
        vault: for_proofs,
        unproven: Unproven::new(proofs.waiting),
    };
    while let Some(order) = clerk.next_order(&mut ear)? {
        clerk.obey(order)?;
    }
    Ok(())
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

fn open(
    folder: &Path,
    key_file: &Path,
    public_half: &[u8],
    waiting: &[[u8; 16]],
) -> Result<(OpenVault, Index), Shut> {
    let key = Zeroizing::new(fs::read(key_file).map_err(|error| {
        log::warn!("the key file could not be read: {error}");
        Shut::BrokenKeyFile
    })?);
    let key = SlotSecret::from_key_file(&key).map_err(|error| {
        log::warn!("the key file cannot be used: {error}");
        match error {
            KeyFileError::TooNew { .. } => Shut::TooNew,
            KeyFileError::Empty
            | KeyFileError::NotAKey
            | KeyFileError::HalfWritten { .. }
            | KeyFileError::Damaged
            | _ => Shut::BrokenKeyFile,
        }
    })?;
    let now = SystemTime::now();
    let vault = OpenVault::open(folder, &key.secret, now).map_err(|error| {
        log::warn!("the vault did not open: {error}");
        match error {
            OpenError::NotAVault => Shut::NoVault,
            OpenError::WrongKey { .. } => Shut::WrongKey,
            OpenError::TooNew { .. } => Shut::TooNew,
            OpenError::DamagedSlot
            | OpenError::NoSlots
            | OpenError::DamagedEpoch { .. }
            | OpenError::Io(_)
            | _ => Shut::Trouble,
        }
    })?;
    let standing = PublicHalf::from_bytes(public_half).map(|half| vault.standing_of(&half));
    if !matches!(standing, Ok(Standing::Newest | Standing::Older)) {
        log::error!("the public half on the system card is not this vault's");
        return Err(Shut::ForeignPublicHalf);
    }
    let waiting: Vec<BlobId> = waiting.iter().copied().map(BlobId::from_bytes).collect();
    let (index, how) = Index::open_leaving(&vault, &waiting, now).map_err(|error| {
        log::error!("the index did not open: {error}");
        Shut::Trouble
    })?;
    log::info!("the index is open ({how:?})");
    Ok((vault, index))
}

/// Speaks on the control socket; both threads do.
#[derive(Clone)]
struct Mouth(Arc<Mutex<UnixStream>>);

impl Mouth {
    fn say<T: Serialize>(&self, word: &T) -> io::Result<()> {
        let frame = super::frame(word, MAX_FRAME_BYTES).ok_or(io::ErrorKind::InvalidData)?;
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .write_all(&frame)
    }

    /// Ends the conversation, and with it the process.
    fn shut(&self) {
        let socket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // One that is closed already has the same effect.
        let _ = socket.shutdown(Shutdown::Both);
    }
}

/// The index, asked by one thread and now and then changed by another. Nobody holds it for longer
/// than one question or change takes.
#[derive(Clone)]
struct SharedIndex(Arc<Mutex<Index>>);

impl SharedIndex {
    fn lock(&self) -> MutexGuard<'_, Index> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Obeys orders with the index at hand.
struct Clerk {
    folder: VaultFolder,
    index: SharedIndex,
    mouth: Mouth,
    deliver: mpsc::Sender<Delivery>,
    compare: mpsc::Sender<Double>,
    /// The ticket of the delivery that may go on.
    running: Arc<AtomicU64>,
    ticket: u64,
    vault: OpenVault,
    intake_key: Option<IntakeKey>,
    unproven: Unproven,
}

/// One entry to be unsealed and encrypted.
struct Delivery {
    ticket: u64,
    job: [u8; 32],
    row: Row,
    blob: BlobId,
}

impl Clerk {
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
            Order::TakeUnproven { job, seen, waiting } => self.take_unproven(job, &seen, &waiting),
            Order::Ask { job, question } => {
                let word = self.answer(job, question).unwrap_or_else(|error| {
                    log::error!("the index did not answer: {error}");
                    Word::NoAnswer { job }
                });
                self.mouth.say(&word)
            }
            Order::Deliver { job, number } => self.start_delivery(job, number),
            Order::Abort => {
                self.running.store(0, Ordering::SeqCst);
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
        let known = self.index.lock().number_of(&blob)?.is_some();
        if !known && !self.is_vouched(&blob, mac)? {
            log::error!("a blob that waits was not sealed by the daemon");
            self.unproven.one_more(&blob);
            return Ok(Some(Word::Origin(OriginWord::Unvouched { job })));
        }
        let attributes = Attributes {
            origin: Origin::Proven,
            caption: None,
        };
        let mut index = self.index.lock();
        let number = match index.adopt(&blob, attributes, SystemTime::now())? {
            Adopted::New(number) | Adopted::Already(number) => number,
            Adopted::SameContentAs(number) => {
                let double = Double { job, blob, number };
                // Its end is the process's end: nobody waits for an answer then.
                let _ = self.compare.send(double);
                return Ok(None);
            }
        };
        Ok(Some(match index.get(number)? {
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
        let totals = self.index.lock().totals()?;
        let unproven = if question == Question::Totals {
            self.count_unproven()?
        } else {
            0
        };
        let index = self.index.lock();
        Ok(match question {
            Question::Totals | Question::Unproven { .. } => Word::Totals {
                job,
                entries: totals.entries,
                bytes: totals.bytes,
                unproven,
            },
            Question::List { lines } => {
                let entries = index.list(None, limit(lines))?;
                let rows: Vec<Row> = entries.iter().map(row).collect();
                let more = totals.entries > rows.len() as u64;
                Word::Rows {
                    job,
                    rows,
                    total: totals.entries,
                    more,
                }
            }
            Question::Find { words, lines } => {
                let limit = limit(lines);
                let found = index.find(&words, None, limit + 1)?;
                let more = found.len() > limit;
                let rows = found.iter().take(limit).map(row).collect();
                Word::Rows {
                    job,
                    rows,
                    total: totals.entries,
                    more,
                }
            }
            Question::Pick { ranges } => pick(&index, job, &ranges)?,
        })
    }

    fn start_delivery(&mut self, job: [u8; 32], number: u64) -> io::Result<()> {
        let entry = EntryNumber::new(number).map(|it| self.index.lock().get(it));
        let Some(Ok(Some(entry))) = entry else {
            return self.mouth.say(&Word::NotPrepared { job, number });
        };
        self.ticket += 1;
        self.running.store(self.ticket, Ordering::SeqCst);
        let delivery = Delivery {
            ticket: self.ticket,
            job,
            row: row(&entry),
            blob: entry.blob_id,
        };
        self.deliver
            .send(delivery)
            .map_err(|_| io::ErrorKind::BrokenPipe.into())
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

/// Unseals and encrypts, one delivery at a time.
struct Sender {
    vault: OpenVault,
    mouth: Mouth,
    running: Arc<AtomicU64>,
}

impl Sender {
    fn run(&self, mut data: UnixStream, queue: &mpsc::Receiver<Delivery>) {
        while let Ok(delivery) = queue.recv() {
            if let Err(error) = self.deliver(&mut data, &delivery) {
                log::warn!("a delivery ended early: {error}");
                return;
            }
        }
    }

    fn deliver(&self, data: &mut UnixStream, delivery: &Delivery) -> io::Result<()> {
        let (job, number) = (delivery.job, delivery.row.number);
        let mut reader = match self.vault.reader(&delivery.blob) {
            Ok(reader) => reader,
            Err(error) => {
                log::error!("a blob does not open: {error}");
                return self.mouth.say(&Word::NotPrepared { job, number });
            }
        };
        let secret = MediaSecret::random(&mut rand_core::UnwrapErr(getrandom::SysRng));
        self.mouth.say(&Word::Prepared {
            job,
            row: delivery.row.clone(),
            ciphertext_bytes: reader.size() + TAG_BYTES as u64,
            secret: secret.to_bytes().to_vec(),
        })?;
        let mut encryptor = MediaEncryptor::new(&secret);
        let mut content = Zeroizing::new(vec![0; PIECE_BYTES]);
        let mut piece = Vec::with_capacity(MAX_DATA_BYTES);
        loop {
            if self.running.load(Ordering::SeqCst) != delivery.ticket {
                return data.write_all(&BROKEN.to_le_bytes());
            }
            let length = match reader.read(&mut content) {
                Ok(length) => length,
                Err(error) => {
                    log::error!("a blob does not open to its end: {error}");
                    return data.write_all(&BROKEN.to_le_bytes());
                }
            };
            let Some(read) = content.get(..length).filter(|read| !read.is_empty()) else {
                break;
            };
            piece.clear();
            encryptor
                .update(read, &mut piece)
                .map_err(io::Error::other)?;
            write_piece(data, &piece)?;
        }
        write_piece(data, &encryptor.finish())?;
        data.write_all(&WHOLE.to_le_bytes())
    }
}

fn write_piece(data: &mut UnixStream, piece: &[u8]) -> io::Result<()> {
    for part in piece.chunks(MAX_DATA_BYTES) {
        let length = u32::try_from(part.len()).map_err(io::Error::other)?;
        data.write_all(&length.to_le_bytes())?;
        data.write_all(part)?;
    }
    Ok(())
}

fn limit(lines: u32) -> usize {
    usize::try_from(lines).unwrap_or(MAX_ROWS).min(MAX_ROWS)
}

fn row(entry: &Entry) -> Row {
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
    }
}

#[cfg(test)]
mod tests;
