//! What the keeper is told: what happened outside, as plain data.

use omemo::Namespace;

use super::{
    Asker, JobId,
    chat::{self, Beside},
    described::{Announced, Described},
    devices::{self, News},
    intake::Attached,
    keeping::{self, Kept},
    reply::{About, DeliveryFailure, IntakeFailure, KeyReply, Line, OpenFailure, Slot, Unproven},
    storage::Seen,
};

/// How far a device of the owner is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Seen for the first time.
    Undecided,
    /// Known, and nobody vouched for it.
    Quarantined,
    /// May command.
    Trusted,
    /// May not any more.
    Revoked,
}

/// The device that wrote, as OMEMO authenticated it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Bare address.
    pub jid: String,
    /// OMEMO device id.
    pub id: u32,
    /// Fingerprint of its identity key: 64 lower-case hex digits.
    pub fingerprint: String,
    /// What was known of it before this message.
    pub standing: Standing,
}

impl Device {
    /// Returns the last 8 hex digits of the fingerprint, which people compare.
    #[must_use]
    pub fn tail(&self) -> String {
        devices::tail(&self.fingerprint)
    }
}

/// A message that OMEMO opened. Not `Debug`: it carries what the owner wrote.
pub struct Told {
    /// Who wrote.
    pub from: Device,
    /// The OMEMO namespace it came in.
    pub namespace: Namespace,
    /// Names the job that the message may become.
    pub job: JobId,
    /// Random bytes of this message's own: the blob id of the file that it may announce, or what
    /// the number is drawn from that is asked back.
    pub blob: [u8; 16],
    /// The text, or `None` where the decrypted bytes are not plain text, or none came with files.
    pub text: Option<String>,
    /// The files that the message describes, beside the one that a link in the text leads to.
    pub files: Vec<Announced>,
    /// Sources that it brings for a file of an earlier message.
    pub attached: Option<Box<Attached>>,
    /// When it was sent, in seconds since 1970, as far as the server tells.
    pub sent_at: i64,
    /// The stanza id to answer with a receipt, when one is asked for.
    pub receipt: Option<String>,
    /// Devices other than this one that the message was encrypted for.
    pub readers: Vec<u32>,
    /// What stands beside the words.
    pub beside: Beside,
}

impl Told {
    /// Returns whether it says nothing and brings nothing.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        let says_nothing = self.text.as_ref().is_some_and(|it| it.trim().is_empty());
        says_nothing && !self.has_files()
    }

    /// Returns whether it describes files, or says where one is.
    #[must_use]
    pub fn has_files(&self) -> bool {
        !self.files.is_empty() || self.attached.is_some()
    }

    /// Returns whom an answer is for, and how it is to go back.
    #[must_use]
    pub fn asker(&self) -> Asker {
        Asker {
            device: self.from.id,
            namespace: self.namespace,
        }
    }
}

/// What the vault process answered to a question.
pub enum Answer {
    /// There is no vault process.
    Locked,
    /// The index failed.
    Failed,
    /// To `info`, `albums` and `tags`.
    Find(Found),
    /// To `list` and `find`.
    Rows {
        /// Newest first.
        lines: Vec<Line>,
        /// Entries in the vault.
        total: u64,
        /// Whether there are more that fit.
        more: bool,
    },
    /// To `status`.
    Totals {
        /// Entries in the vault.
        entries: u64,
        /// Bytes of their content.
        bytes: u64,
        /// Blobs of unproven origin.
        unproven: u64,
    },
    /// To `keys`.
    Slots(Vec<Slot>),
    /// To a change of the vault's keys.
    Key(KeyReply),
    /// To `unproven`.
    Unproven(Unproven),
    /// The blobs of unproven origin are in the index: the lowest number they got, and how many
    /// got one. `None` where they are no longer those that were shown.
    Taken(Option<(u64, u64)>),
    /// To a client's question for numbers.
    Numbers {
        /// Highest first.
        numbers: Vec<u64>,
        /// Whether there are lower ones.
        more: bool,
    },
    /// To a change of kept files.
    Kept(Kept),
    /// To `get`: which of the picks exist.
    Picked {
        /// Numbers of entries that exist, in the order asked for.
        found: Vec<u64>,
        /// Numbers that name none.
        missing: Vec<u64>,
    },
}

/// What is known of entries, albums and tags.
pub enum Found {
    /// Everything that is known of one entry; `None` where there is none.
    About(Option<Box<About>>),
    /// Albums or tags.
    Used {
        /// Names, and how many entries have each.
        used: Vec<(String, u64)>,
        /// After which the next ones come, where there are more.
        more_after: Option<String>,
    },
}

/// Where a sealed file ended up in the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placed {
    /// As an entry of its own.
    Entry(Line),
    /// Its content was in the vault already, under this number.
    SameAs(u64),
}

impl Placed {
    /// Returns the entry's number.
    #[must_use]
    pub fn number(&self) -> u64 {
        match self {
            Self::Entry(line) => line.number,
            Self::SameAs(number) => *number,
        }
    }
}

/// Files that are about to be sent as one zip.
pub struct Packed {
    /// The delivery.
    pub job: JobId,
    /// The entries that are in it.
    pub numbers: Vec<u64>,
    /// Entries that do not open, or are not there.
    pub damaged: Vec<u64>,
}

/// What a phone needs to get a file that was uploaded for it.
pub enum Uploaded {
    /// `aesgcm://…`
    Link(String),
    /// A description, for phones that speak `urn:xmpp:omemo:2`.
    Described(Described),
}

/// Something that happened outside.
///
/// Not `Debug`: inputs carry what the owner wrote.
#[non_exhaustive]
pub enum Input {
    /// The stream is up.
    Online,
    /// The stream is down.
    Offline,
    /// A message was decrypted.
    Told(Told),
    /// An unencrypted message with a text came from this bare address.
    ToldPlain {
        /// Bare address.
        jid: String,
    },
    /// News of sessions and devices.
    Life(super::life::News),
    /// News of the owner's devices.
    Device(News),
    /// The key device is there.
    KeyDeviceCame,
    /// The key device was taken out, or is not there at the start.
    KeyDeviceGone,
    /// Somebody at the console wants to open the vault by what is typed there.
    ConsoleUnlock,
    /// A second key device was put in while one is there; it is not used.
    SecondKeyDevice,
    /// The data drive was looked at.
    Drive(Seen),
    /// The vault process has opened the vault.
    VaultOpened,
    /// The vault process could not open the vault.
    VaultNotOpened(OpenFailure),
    /// The vault process ended without being told to.
    VaultEnded,
    /// The open vault has, or has not, another way in than the one that the owner carries.
    SpareKnown(bool),
    /// Blobs were found on the drive that neither index nor change log know.
    UnprovenFound {
        /// How many.
        count: u64,
    },
    /// A file is sealed and whole, and is about to get its final name.
    Vouched {
        /// The intake.
        job: JobId,
        /// The proof that the daemon sealed it.
        mac: [u8; 32],
        /// Size of the content, in bytes.
        bytes: u64,
    },
    /// The blob under an intake's name is not the one that was sealed for it.
    NotVouched {
        /// The intake.
        job: JobId,
    },
    /// A file is sealed under its final name, and durable.
    Sealed {
        /// The intake.
        job: JobId,
    },
    /// A file could not be fetched or sealed.
    NotSealed {
        /// The intake.
        job: JobId,
        /// Why.
        why: IntakeFailure,
        /// Whether trying again may help.
        transient: bool,
    },
    /// A sealed file is in the index.
    Indexed {
        /// The intake.
        job: JobId,
        /// Where.
        placed: Placed,
    },
    /// A sealed file is not in the index because the vault process could not do it.
    NotIndexed {
        /// The intake.
        job: JobId,
        /// Whether its blob does not open, so that trying again would not help.
        damaged: bool,
    },
    /// The vault process answered.
    Answered {
        /// The delivery or question.
        job: JobId,
        /// What it said.
        answer: Answer,
        /// Free bytes on the data drive.
        free: Option<u64>,
    },
    /// Files are about to be sent as one zip.
    Packed(Packed),
    /// A file lies encrypted on the server, ready to be told.
    Uploaded {
        /// The delivery.
        job: JobId,
        /// The entry.
        line: Line,
        /// How the phone gets it.
        file: Uploaded,
    },
    /// A file could not be put on the server.
    NotUploaded {
        /// The delivery.
        job: JobId,
        /// The entry.
        number: u64,
        /// Why.
        why: DeliveryFailure,
    },
    /// Something beside words.
    Chat(chat::News),
    /// News about kept files.
    Files(keeping::Heard),
    /// News of other people's accounts.
    Contact(super::contacts::News),
    /// News of the machine.
    Machine(super::machine::Heard),
    /// What came of a request to look at drives or prepare them.
    Prepared(super::evening::Outcome),
    /// News of files that go onto a stick or come from one.
    Carry(super::carry::News),
    /// News about pictures.
    Picture(super::pictures::PictureNews),
    /// News of a check.
    Verify(super::verify::Heard),
    /// The time that [`Keeper::next_wake`](super::Keeper::next_wake) named has come.
    Woke,
}
