//! The unlocked half, a process of its own: started at unlock, killed at lock.
//!
//! Everything that needs a secret of the vault happens inside it ([`serve`]); this file is the
//! daemon's end of its two sockets and the typed messages on them. The daemon never holds the
//! slot secret, nor an epoch secret: it names the key file, and the vault process reads it. What
//! comes back is words about entries, and ciphertext.
//!
//! ```text
//! control (its stdin)   daemon  -- 1 byte -->  vault process   with the sockets for decoders and for
//!                                                              files on sticks, and the key's pipe
//!                       daemon  -- Order -->  vault process    one frame each:
//!                       daemon  <-- Word  --  vault process    length (u32, little endian), postcard
//! data (its stdout)     daemon  -- 1 byte -->  vault process   with what is typed, if something is
//!                       daemon  <-- ciphertext of one delivery (`deliveries.rs`)
//! ```

use std::{
    io,
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::net::UnixStream as StdUnixStream,
    },
    path::PathBuf,
    process::Stdio,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    process::{Child, Command},
    sync::mpsc,
    task::AbortHandle,
};

use crate::pictures::starter::{self, Starter};

mod deliveries;
mod edits;
mod finding;
mod gallery;
#[cfg(feature = "peers")]
pub mod indoors;
mod numbers;
mod origin;
pub mod porter;
pub mod sandbox;
pub mod serve;
mod slots;
pub mod typed;
pub mod verify;

use self::verify::{End, Fault, Scope, Tally};
pub use self::{
    deliveries::{Deliveries, Form, MAX_DATA_BYTES},
    edits::{EditAsk, Edited},
    finding::{About, FindAsk, FindWord, Shot},
    gallery::{Make, PictureAsk, PictureWord},
    numbers::{Numbers, NumbersAsk, Which},
    origin::OriginWord,
    slots::{SlotAnswer, SlotAsk, SlotRow},
};

/// The hidden sub-command that turns the binary into the vault process.
pub const SUBCOMMAND: &str = "vault-process";
/// Longest word of the vault process, in bytes: 100 names of 1 KiB and their frame.
pub const MAX_FRAME_BYTES: usize = 256 * 1024;
/// Longest order, in bytes: a million blobs that wait.
pub const MAX_ORDER_BYTES: usize = 16 * 1024 * 1024;

/// What the daemon asks of the vault process.
#[derive(Serialize, Deserialize)]
pub enum Order {
    /// Read the key file and open the vault. Comes first, once.
    Open {
        /// The vault folder on the data drive.
        folder: PathBuf,
        /// The key file on the key device; without, it comes through the pipe that was handed over.
        key_file: Option<PathBuf>,
        /// What is typed instead, or, for a passphrase, besides; its text was handed over before.
        typed: Option<typed::Kind>,
        /// The pepper file on the system card, which a code needs.
        pepper_file: PathBuf,
        /// The public half that the system card holds, to be compared.
        public_half: Vec<u8>,
        /// The file on the system card with the key that vouches for what was sealed there.
        intake_key: PathBuf,
        /// Blobs that are still on their way into the index: should it have to be made anew, they
        /// are left to [`Order::Adopt`].
        waiting: Vec<[u8; 16]>,
    },
    /// Put a sealed blob into the index, or say where it is already.
    Adopt {
        /// Names the answer.
        job: [u8; 32],
        /// The blob.
        blob: [u8; 16],
        /// The proof that the daemon itself sealed it.
        mac: Option<[u8; 32]>,
    },
    /// List, find, pick or count.
    Ask {
        /// Names the answer.
        job: [u8; 32],
        /// What is asked.
        question: Question,
    },
    /// Unseal an entry and encrypt it under a fresh media key.
    Deliver {
        /// Names the answer.
        job: [u8; 32],
        /// The entry.
        number: u64,
        /// How it is encrypted.
        form: Form,
    },
    /// Unseal many entries and encrypt them as one zip.
    Pack {
        /// Names the answer.
        job: [u8; 32],
        /// The entries, in this order; what there is no room for is left for another one.
        numbers: Vec<u64>,
        /// The longest zip that is wanted, in bytes.
        limit: Option<u64>,
        /// How it is encrypted.
        form: Form,
    },
    /// Break off the delivery that is running.
    Abort,
    /// Check files in the background, in place of what is being checked.
    Verify {
        /// Names what is said of it.
        run: u64,
        /// Which.
        scope: Scope,
        /// The most that is read.
        bytes_per_second: u64,
    },
    /// Check nothing any more.
    StopVerify,
    /// The owner was told that these are damaged.
    DamageTold {
        /// Numbers of entries.
        numbers: Vec<u64>,
        /// All others, too: they were counted.
        all: bool,
    },
    /// Enter the blobs of unproven origin, if they are still the set that was shown.
    TakeUnproven {
        /// Names the answer.
        job: [u8; 32],
        /// Names the set.
        seen: [u8; 32],
        /// Blobs that are on their way into the index, which are none of them.
        waiting: Vec<[u8; 16]>,
    },
    /// Change who has a way in.
    Slot {
        /// Names the answer.
        job: [u8; 32],
        /// How.
        ask: SlotAsk,
    },
    /// Change entries, or look at those that are to be changed.
    Edit {
        /// Names the answer.
        job: [u8; 32],
        /// How.
        ask: EditAsk,
    },
    /// Make a contact sheet or a preview, and encrypt it under a fresh media key.
    Picture(PictureAsk),
}

/// A question about the index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Question {
    /// Something about entries, albums or tags.
    Find(FindAsk),
    /// Which of these entries exist.
    Pick {
        /// Ranges of numbers, both ends included; (0, n) is the newest n.
        ranges: Vec<(u64, u64)>,
    },
    /// The numbers of entries.
    Numbers(NumbersAsk),
    /// How much there is.
    Totals,
    /// What lies on the drive and is in neither index nor change log.
    Unproven {
        /// Blobs that are on their way into the index, which are none of them.
        waiting: Vec<[u8; 16]>,
    },
    /// Who has a way in.
    Slots,
}

/// An entry as the vault process describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Its number.
    pub number: u64,
    /// Its name, as it came.
    pub name: String,
    /// Size of the content, in bytes.
    pub bytes: u64,
    /// When it was received, in seconds since 1970.
    pub received_at: i64,
    /// Whether a check found it damaged and nothing has mended it since; said in listings only.
    pub damaged: bool,
    /// What its camera's clock showed when it was taken, likewise.
    pub taken_at: Option<i64>,
}

/// Why the vault did not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Shut {
    /// The key is of another vault or was revoked.
    WrongKey,
    /// The key file is empty, cut or damaged.
    BrokenKeyFile,
    /// The key on the key device wants its passphrase.
    WantsPassphrase,
    /// There is no key file on the key device.
    NoKeyFile,
    /// The key device could not be read.
    UnreadableKey,
    /// There is no vault in the folder.
    NoVault,
    /// A newer program wrote the vault.
    TooNew,
    /// The system card's public half is not this vault's: somebody may have changed it.
    ForeignPublicHalf,
    /// The drive or the index failed.
    Trouble,
}

/// What the vault process says.
#[derive(Serialize, Deserialize)]
pub enum Word {
    /// The vault is open.
    Opened,
    /// It is not; the process ends.
    NotOpened(Shut),
    /// A blob is an entry of its own.
    Adopted {
        /// Names the order.
        job: [u8; 32],
        /// The entry.
        row: Row,
    },
    /// The blob's content is in the vault already.
    SameAs {
        /// Names the order.
        job: [u8; 32],
        /// The entry that has it.
        number: u64,
    },
    /// The blob is not in the index; it is as it was.
    NotAdopted {
        /// Names the order.
        job: [u8; 32],
    },
    /// The blob does not open, or is not there. What there is was set aside.
    Damaged {
        /// Names the order.
        job: [u8; 32],
    },
    /// Answer to [`FindAsk::Show`].
    Rows {
        /// Names the order.
        job: [u8; 32],
        /// Newest first.
        rows: Vec<Row>,
        /// Entries in the vault.
        total: u64,
        /// Whether there are more that fit.
        more: bool,
    },
    /// Answer to the other questions of [`Question::Find`].
    Find {
        /// Names the order.
        job: [u8; 32],
        /// What was found.
        find: FindWord,
    },
    /// Answer to pick.
    Picked {
        /// Names the order.
        job: [u8; 32],
        /// Numbers that exist, in the order asked.
        found: Vec<u64>,
        /// Numbers that do not.
        missing: Vec<u64>,
    },
    /// Answer to numbers.
    Numbers(Numbers),
    /// Answer to totals.
    Totals {
        /// Names the order.
        job: [u8; 32],
        /// Entries.
        entries: u64,
        /// Bytes of their content.
        bytes: u64,
        /// Blobs of unproven origin.
        unproven: u64,
    },
    /// Answer to slots.
    Slots {
        /// Names the order.
        job: [u8; 32],
        /// In the order they were made.
        slots: Vec<SlotRow>,
    },
    /// The index failed to answer.
    NoAnswer {
        /// Names the order.
        job: [u8; 32],
    },
    /// A delivery begins: its ciphertext follows on the data socket.
    Prepared {
        /// Names the order.
        job: [u8; 32],
        /// The entry.
        row: Row,
        /// Its media type, when its sender told one.
        media_type: Option<String>,
        /// How it is encrypted.
        form: Form,
        /// Length of the ciphertext with its tag or padding, in bytes.
        ciphertext_bytes: u64,
        /// IV and key, as `omemo::media::MediaSecret` writes them.
        secret: Vec<u8>,
    },
    /// A zip is about to begin: [`Word::Prepared`] follows, unless nothing is in it.
    Packed {
        /// Names the order.
        job: [u8; 32],
        /// The entries that are in it.
        numbers: Vec<u64>,
        /// Entries that do not open, or are not there.
        damaged: Vec<u64>,
    },
    /// How far a check has come.
    Checking {
        /// Names the order.
        run: u64,
        /// How far.
        tally: Tally,
    },
    /// A check ended.
    Checked {
        /// Names the order.
        run: u64,
        /// What was checked.
        tally: Tally,
        /// How it ended.
        end: End,
    },
    /// Files are damaged, and the owner was not told of these so far.
    Damage {
        /// Which, and what is wrong with them.
        rows: Vec<(Row, Fault)>,
        /// How many more there are of these.
        more: u64,
        /// All that are damaged, told or not.
        total: u64,
    },
    /// The entry's blob does not open. Nothing follows on the data socket.
    NotPrepared {
        /// Names the order.
        job: [u8; 32],
        /// The entry.
        number: u64,
    },
    /// Something about proofs of origin.
    Origin(OriginWord),
    /// The card's public half is of an older epoch, and this is the newest one; comes first, and
    /// before the word of a key that was revoked.
    NewPublicHalf(Vec<u8>),
    /// Answer to [`Order::Slot`].
    Slot {
        /// Names the order.
        job: [u8; 32],
        /// What came of it.
        answer: SlotAnswer,
    },
    /// The list of lost devices that lies on the key device beside the key that opened the vault.
    Revoked(String),
    /// Answer to [`Order::Edit`].
    Edited {
        /// Names the order.
        job: [u8; 32],
        /// What came of it.
        edited: Edited,
    },
    /// Something about pictures.
    Picture(PictureWord),
}

/// The daemon's end of a running vault process.
pub struct VaultProcess {
    child: Child,
    orders: mpsc::UnboundedSender<Order>,
    data: Option<Deliveries>,
    decoders: AbortHandle,
    porter: StdUnixStream,
}

impl VaultProcess {
    /// Starts the process and opens the vault in it, with the key from `pipe` unless the order
    /// names a file, or with what comes out of `typed` if it says so. Its words come through the
    /// receiver, which closes when the process is gone.
    ///
    /// # Errors
    ///
    /// The operating system's.
    pub fn start(
        open: Order,
        pipe: Option<OwnedFd>,
        typed: Option<OwnedFd>,
    ) -> io::Result<(Self, mpsc::Receiver<Word>)> {
        let (control, its_control) = socket_pair()?;
        let (decoders, its_decoders) = socket_pair()?;
        let (porter, its_porter) = StdUnixStream::pair()?;
        let mut handed = vec![its_decoders.as_fd(), its_porter.as_fd()];
        handed.extend(pipe.as_ref().map(OwnedFd::as_fd));
        typed::hand_over(&control, &handed)?;
        let (data, its_data) = socket_pair()?;
        if let Some(typed) = &typed {
            typed::hand_over(&data, &[typed.as_fd()])?;
        }
        // Also right after an upgrade has replaced the file: the protocol is this very build's. proc(5)
        let mut command = Command::new("/proc/self/exe");
        command
            .arg(SUBCOMMAND)
            .env_clear()
            .stdin(Stdio::from(OwnedFd::from(its_control)))
            .stdout(Stdio::from(OwnedFd::from(its_data)))
            .kill_on_drop(true);
        for name in [
            "JOURNAL_STREAM",
            crate::crash::VARIABLE,
            crate::clock::VARIABLE,
        ] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        let child = command.spawn()?;
        let (orders, queue) = mpsc::unbounded_channel();
        let (tell, words) = mpsc::channel(16);
        let (reading, writing) = control.into_split();
        tokio::spawn(write_orders(writing, queue));
        tokio::spawn(read_words(reading, tell));
        let decoders = tokio::spawn(starter::serve(decoders, Starter::default()));
        let process = Self {
            decoders: decoders.abort_handle(),
            porter,
            child,
            orders,
            data: Some(Deliveries::new(data)),
        };
        process.order(open);
        Ok((process, words))
    }

    /// Sends an order. A process that is gone does not hear it: its receiver of words has closed.
    pub fn order(&self, order: Order) {
        // The closed receiver of words tells that the process is gone.
        let _ = self.orders.send(order);
    }

    /// Returns who is asked about files on a stick: by one task at a time.
    ///
    /// # Errors
    ///
    /// The operating system's.
    pub fn porter(&self) -> io::Result<porter::Porter> {
        self.porter.try_clone().map(porter::Porter::new)
    }

    /// Returns a sender of orders for a task that outlives this handle's borrow.
    #[must_use]
    pub fn orders(&self) -> mpsc::UnboundedSender<Order> {
        self.orders.clone()
    }

    /// Takes the receiving end of the data socket; `None` while a delivery has it.
    pub fn take_deliveries(&mut self) -> Option<Deliveries> {
        self.data.take()
    }

    /// Gives the receiving end back after a delivery.
    pub fn return_deliveries(&mut self, data: Deliveries) {
        self.data = Some(data);
    }

    /// Kills the process. When this returns it has got the signal, and the kernel runs none of
    /// its instructions any more.
    pub fn kill(mut self) {
        if let Err(error) = self.child.start_kill() {
            log::error!("the vault process could not be killed: {error}");
        }
        // With it go the decoders: each of them has a picture.
        self.decoders.abort();
        tokio::spawn(async move {
            if let Err(error) = self.child.wait().await {
                log::error!("the vault process could not be reaped: {error}");
            }
        });
    }

    /// Returns the process id while it runs.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }
}

fn socket_pair() -> io::Result<(UnixStream, StdUnixStream)> {
    let (ours, theirs) = StdUnixStream::pair()?;
    ours.set_nonblocking(true)?;
    Ok((UnixStream::from_std(ours)?, theirs))
}

async fn write_orders(
    mut socket: tokio::net::unix::OwnedWriteHalf,
    mut queue: mpsc::UnboundedReceiver<Order>,
) {
    while let Some(order) = queue.recv().await {
        let Some(frame) = frame(&order, MAX_ORDER_BYTES) else {
            // Without an answer the daemon would wait for ever: closing ends the process.
            return log::error!("an order to the vault process is too long");
        };
        if socket.write_all(&frame).await.is_err() {
            return;
        }
    }
}

async fn read_words(mut socket: tokio::net::unix::OwnedReadHalf, tell: mpsc::Sender<Word>) {
    while let Ok(length) = socket.read_u32_le().await {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > MAX_FRAME_BYTES {
            return;
        }
        let mut bytes = vec![0; length];
        if socket.read_exact(&mut bytes).await.is_err() {
            return;
        }
        let Some(word) = parse::<Word>(&bytes) else {
            return;
        };
        if tell.send(word).await.is_err() {
            return;
        }
    }
}

/// Writes one frame; `None` for one that would be too long.
fn frame<T: Serialize>(value: &T, longest: usize) -> Option<Vec<u8>> {
    let body = postcard::to_stdvec(value).ok()?;
    if body.len() > longest {
        return None;
    }
    let length = u32::try_from(body.len()).ok()?;
    let mut frame = length.to_le_bytes().to_vec();
    frame.extend(body);
    Some(frame)
}

/// Reads the body of one frame; `None` for one that is not whole or has anything after it.
#[must_use]
pub fn parse<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    match postcard::take_from_bytes(body) {
        Ok((value, [])) => Some(value),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
