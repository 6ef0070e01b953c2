//! What the owner is told, and in `words` every sentence of it.
//!
//! Knows words only: what happened has been decided before it comes here. Where something went
//! wrong a reply has two sentences: what happened; what to do.

use serde::{Deserialize, Serialize};

use super::{
    client::ClientReply,
    custody::{Mode, Standing},
    described::Described,
    storage::{DriveTrouble, Forecast},
};

mod arrivals;
mod carry;
mod contacts;
mod delivery;
mod devices;
mod evening;
mod finding;
mod grammar;
mod keeping;
mod keys;
mod life;
mod machine;
mod notices;
mod pictures;
mod verify;
mod wall;
mod words;

pub use arrivals::ArrivalReply;
pub use carry::{CarryReply, StickTally};
pub use contacts::{ContactLine, ContactReply};
pub use delivery::DeliveryReply;
pub use devices::{DeviceLine, DeviceReply, Revocation};
pub use evening::EveningReply;
pub use finding::{About, FindingReply, Shot};
pub use grammar::GrammarReply;
pub use keeping::KeepReply;
pub use keys::KeyReply;
pub use life::LifeReply;
pub use machine::MachineReply;
pub use notices::{NoticeReply, Report};
pub use pictures::{PictureReply, Shrunk};
pub use verify::VerifyReply;
pub(in crate::keeper) use words::UNKNOWN_REQUEST;
pub use words::{PLAIN_REFUSED, SHOWN_LOCKED, SHOWN_OPEN};

/// One line of a listing, as the owner sees an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The entry's number.
    pub number: u64,
    /// Its name, as it came.
    pub name: String,
    /// Size of the content, in bytes.
    pub bytes: u64,
    /// When it was received, in seconds since 1970; in listings as the owner's wall shows it.
    pub received_at: i64,
    /// Whether a check found it damaged and nothing has mended it since; said in listings only.
    pub damaged: bool,
    /// What its camera's clock showed when it was taken, in seconds since 1970; said in listings only.
    #[serde(skip)]
    pub taken_at: Option<i64>,
}

/// What `status` can tell without the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Files that wait for the key.
    pub waiting: u64,
    /// What opens the vault while it is locked.
    pub way: WayIn,
    /// How the vault is opened, and since when it is as it is.
    pub standing: Standing,
    /// Files on their way in.
    pub arriving: u64,
    /// Free bytes on the data drive, when known.
    pub free: Option<u64>,
    /// What keeps the drive from taking files.
    pub drive: Option<DriveTrouble>,
    /// What the room on the drive means.
    pub forecast: Forecast,
    /// Whether the system card seals to a key that is not this vault's.
    pub alarm: bool,
    /// How AES is computed here.
    pub aes: &'static str,
    /// Files that new devices sent, and that are held apart.
    pub held: u64,
    /// What is known of checks.
    pub checks: super::verify::Facts,
    /// The album that new files go into.
    pub album: Option<String>,
}

/// What is known of the blobs of unproven origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unproven {
    /// How many there are.
    pub count: u64,
    /// How long their contents are together, in bytes.
    pub bytes: u64,
    /// How many more do not open.
    pub unreadable: u64,
    /// Names and sizes of the oldest.
    pub oldest: Vec<(String, u64)>,
    /// Names exactly this set.
    pub seen: [u8; 32],
}

/// A way into the vault, as the owner knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// Its name; `None` for one that the vault did not make.
    pub name: Option<String>,
    /// When it was made, in seconds since 1970, when known.
    pub since: Option<i64>,
    /// Whether it opened the vault this time.
    pub opened: bool,
}

/// Why a file that was announced could not be taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum IntakeFailure {
    /// The server has no such file (any more).
    Gone,
    /// The server wanted to send us elsewhere.
    Redirected,
    /// The link breaks a rule: not HTTPS, a port or address that is not allowed.
    RefusedAddress,
    /// The link could not be read.
    BadLink,
    /// Fewer bytes came than were announced.
    CutShort,
    /// More bytes came than were announced, or than are allowed.
    TooLong,
    /// The content does not fit the key in the message: damaged or altered on its way.
    Altered,
    /// The upload server could not be reached, was too slow, or failed.
    ServerTrouble,
    /// The server's certificate is not trusted.
    Certificate,
    /// It is larger than the settings allow.
    TooLarge,
    /// It was kept, and its blob does not open or is gone.
    Damaged,
    /// The data drive does not take it.
    Drive(DriveTrouble),
    /// What would be sealed could not be opened by the vault's key.
    ForeignKey,
    /// It was kept, and what lies on the drive in its place was not sealed by the daemon.
    NotVouched,
    /// What the message says of it does not do.
    Described(FileFault),
}

/// What is wrong with the description of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FileFault {
    /// It does not say where the file is.
    NoSource,
    /// The file lies on its server for everybody to read.
    NotEncrypted,
    /// The cipher is not known.
    Cipher,
    /// The address is not `https`, or malformed.
    Address,
    /// Nothing would tell whether the file was altered.
    NoHash,
    /// A part of it makes no sense, or is too large.
    Malformed,
}

/// What the owner has to do to open a locked vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WayIn {
    /// Put the key in.
    PutIn,
    /// Take the key out and put it in again.
    PutInAgain,
    /// Send the code.
    SendCode,
    /// Wait: it is being opened.
    Wait,
}

/// Why a file could not be sent to the owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeliveryFailure {
    /// The vault was locked meanwhile.
    Locked,
    /// The blob does not open: damaged on the drive.
    Damaged,
    /// The server offers no upload.
    NoUpload,
    /// The server takes no file of this size.
    TooLarge {
        /// The server's limit, in bytes, when it tells one.
        limit: Option<u64>,
    },
    /// The upload failed.
    ServerTrouble,
    /// The stream went down; it is tried again.
    Offline,
    /// There is nothing in it that can be shown.
    NothingToShow,
}

/// Why the vault did not open with the key that was put in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OpenFailure {
    /// The key is of another vault, or was revoked.
    WrongKey,
    /// The key file is not whole.
    BrokenKeyFile,
    /// The key wants its passphrase, which is typed at the Pi.
    WantsPassphrase,
    /// There is no key file on the stick.
    NoKeyFile,
    /// The stick could not be read.
    UnreadableKey,
    /// The data drive is missing or holds no vault.
    NoVault,
    /// The vault was written by a newer program.
    TooNew,
    /// The public half on the system card is not this vault's.
    ForeignPublicHalf,
    /// The data drive cannot be used.
    Drive(DriveTrouble),
    /// Anything else; the journal says what.
    Trouble,
}

/// What the owner is told. [`Reply::text`] is the only place where words are chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reply {
    /// What can be asked.
    Help,
    /// How things are.
    Status {
        /// Entries and their bytes, when the vault is open.
        kept: Option<(u64, u64)>,
        /// Blobs of unproven origin, when the vault is open.
        unproven: u64,
        /// What is known without the key.
        facts: Facts,
    },
    /// The newest entries.
    Listing {
        /// Newest first.
        lines: Vec<Line>,
        /// Entries in the whole vault.
        total: u64,
    },
    /// Something about files that were looked for.
    Finding(FindingReply),
    /// Says which file comes next: the link itself carries no name.
    Caption {
        /// Its entry.
        line: Line,
    },
    /// A file on its way back: the bare link, which phones show as the photo.
    File {
        /// `aesgcm://…`
        link: String,
    },
    /// A file on its way back, described for phones that speak `urn:xmpp:omemo:2`.
    Described {
        /// Its name.
        name: String,
        /// The rest.
        file: Described,
    },
    /// A file is stored and in the index.
    Stored {
        /// Its entry.
        line: Line,
    },
    /// The same content is in the vault already.
    AlreadyKept {
        /// The name it was sent under.
        name: String,
        /// The entry that has it.
        number: u64,
    },
    /// A file is stored while locked.
    Kept {
        /// Files that wait now.
        waiting: u64,
    },
    /// The vault was opened.
    Opened {
        /// Numbers of the entries that had waited, lowest first.
        adopted: Vec<u64>,
        /// Waiting files that were in the vault already.
        doubles: u64,
    },
    /// The key that was put in does not open the vault.
    NotOpened(OpenFailure),
    /// A second key was put in while one is in.
    SecondKey,
    /// The vault locked itself because the key is gone.
    LockedByRemoval,
    /// The vault was locked by `lock`.
    LockedByCommand(WayIn),
    /// It was locked already.
    AlreadyLocked(WayIn),
    /// The vault process ended by itself.
    LockedByTrouble(WayIn),
    /// The index did not answer.
    NoAnswer,
    /// A command needs the key.
    NeedsKey {
        /// Files that wait.
        waiting: u64,
        /// What opens the vault.
        way: WayIn,
    },
    /// An announced file was not taken in.
    NotStored {
        /// Its name in the link.
        name: String,
        /// Why.
        why: IntakeFailure,
        /// Whether the vault goes on trying.
        retrying: bool,
    },
    /// Something about the data drive or about files of unproven origin.
    Storage(StorageReply),
    /// A number confirms nothing.
    NotConfirmed,
    /// A file could not be sent.
    NotSent {
        /// The entry.
        number: u64,
        /// Why.
        why: DeliveryFailure,
    },
    /// Numbers that name no entry.
    NoSuch {
        /// The numbers.
        numbers: Vec<u64>,
    },
    /// There is nothing in the vault yet.
    Empty,
    /// The line was no command.
    NotUnderstood,
    /// `get` with something that is no number.
    BadNumber {
        /// What stood there.
        word: String,
    },
    /// Too many files in one `get`.
    TooMany,
    /// `find` without words.
    NothingToFind,
    /// The text holds bytes that no phone types.
    NotText,
    /// Words came with a file that cannot be kept with it.
    WordsNotKept,
    /// Something about files that come in together, or what is noted with them.
    Arrival(ArrivalReply),
    /// Something about many files on their way out.
    Delivery(DeliveryReply),
    /// Something about the commands themselves.
    Grammar(GrammarReply),
    /// Something about the owner's devices.
    Device(DeviceReply),
    /// Something about sessions and devices that live and die.
    Life(LifeReply),
    /// Something about changing the vault's keys.
    Key(KeyReply),
    /// Something about changes to kept files.
    Keep(KeepReply),
    /// A notice, or something about notices.
    Notice(NoticeReply),
    /// Something about other people.
    Contact(ContactReply),
    /// Something about the machine.
    Machine(MachineReply),
    /// Something about drives and sticks that are to be a vault.
    Evening(EveningReply),
    /// Something about files on a stick.
    Carry(CarryReply),
    /// Something about pictures.
    Picture(PictureReply),
    /// Something about checks.
    Verify(VerifyReply),
    /// Something about opening and locking.
    Custody(CustodyReply),
    /// An answer to our own client, which no owner reads.
    Client(ClientReply),
}

impl From<CustodyReply> for Reply {
    fn from(reply: CustodyReply) -> Self {
        Self::Custody(reply)
    }
}

/// What is said about opening and locking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CustodyReply {
    /// The vault is open, and the key may leave.
    MayTakeOut {
        /// Seconds without a command after which it locks itself; 0 for never.
        idle_seconds: i64,
    },
    /// Nobody used the vault.
    LockedByIdle {
        /// For how long.
        seconds: i64,
        /// What opens it.
        way: WayIn,
    },
    /// What was asked for while locked is served.
    LockedAfterErrand(WayIn),
    /// A `get` waits for the key.
    PutKeyIn {
        /// Files that wait to be taken in.
        waiting: u64,
        /// What opens the vault.
        way: WayIn,
    },
    /// The key did not come in time.
    NeedOver(WayIn),
    /// The code opens nothing.
    WrongCode {
        /// Tries that are left.
        left: u8,
        /// When there are tries again, in seconds since 1970.
        again_at: i64,
    },
    /// No code is tried now.
    NoTriesLeft {
        /// When there are tries again, in seconds since 1970.
        again_at: i64,
    },
    /// `unlock` with nothing that could be a code.
    WhichCode,
    /// `unlock` in a vault that opens with a key device.
    NoCodeHere(WayIn),
    /// `unlock` while open.
    AlreadyOpen,
    /// The code opened the vault, and lies in the phone's history now.
    CodeInHistory,
    /// Recovery words stood in a message.
    WordsExposed,
    /// There is no spare way in.
    OneWayIn(Mode),
    /// Who has a way in.
    Keys {
        /// In the order they were made.
        slots: Vec<Slot>,
    },
}

/// What is said about the data drive and about files of unproven origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorageReply {
    /// Files waited for the drive or their servers until their servers had them no longer.
    Expired {
        /// Their names in the links, each with when it was sent, in seconds since 1970.
        files: Vec<(String, i64)>,
    },
    /// Files were kept under a key that nobody with the vault's key has.
    KeptInVain {
        /// How many may be lost.
        files: u64,
    },
    /// There are blobs of unproven origin on the drive.
    UnprovenFound {
        /// How many.
        count: u64,
    },
    /// The blobs of unproven origin, and the number that takes them in.
    Unproven {
        /// What is known of them.
        found: Unproven,
        /// The number to send back; `None` where the question has to be asked again.
        number: Option<u32>,
    },
    /// Blobs of unproven origin are in the index now.
    UnprovenTaken {
        /// The lowest number they got.
        first: u64,
        /// How many entries there are more.
        count: u64,
    },
    /// The blobs of unproven origin are no longer those that were shown.
    UnprovenChanged,
}
