//! One chat line in, one [`Command`] out, or what was wrong with it.
//!
//! Knows the grammar and nothing else: not who wrote the line, not what is in the vault.

use chrono::NaiveDate;

use super::{
    carry::Wish as CarryWish, client::lines::Which, contacts::Wish as ContactWish,
    evening::Request, keeping::Keeping, labels::Labels, machine::Errand, notices::Wish,
    pictures::Pictures, verify::Asked, zone::Zone,
};

mod album;
mod carry;
mod checks;
mod contacts;
mod dates;
mod devices;
mod evening;
mod files;
mod filter;
mod help;
mod keeping;
mod keys;
mod machine;
mod nearest;
mod notices;
mod numbers;
mod pictures;
mod quoted;
mod verbs;

pub use filter::{Dates, Filter, Kind, filter};
pub use keeping::KeepWord;
pub use pictures::Slip;
pub use quoted::quoted;
pub use verbs::{VERBS, Verb};

/// Most files one `verify sample` draws.
pub const MAX_SAMPLE: u32 = 10_000;

/// Most files one `get` may name, so that a typing slip like `get 1-99999` asks for nothing.
pub const MAX_PICKED: u64 = 100;

/// Lines a `list` shows when no count is given.
pub const DEFAULT_LINES: u32 = 10;

/// Lines a `find` shows.
pub const FOUND_LINES: u32 = 20;

/// Most lines one answer shows; more would not be read on a phone.
pub const MAX_LINES: u32 = 50;

/// Longest command line, in bytes. Longer text is prose, not a command.
const MAX_COMMAND_BYTES: usize = 1_000;

/// Most words of a line that may be a command with a slip in its first word; more are prose.
const MAX_SLIP_WORDS: usize = 4;

/// What is known around a line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context {
    /// Numbers of the files that the line answers to.
    pub quoted: Vec<u64>,
    /// Whether that stood inside the encryption, where no server can change it.
    pub is_quoted_inside: bool,
    /// The day it is where the vault stands.
    pub today: NaiveDate,
    /// How days are counted there.
    pub zone: Zone,
}

/// What the owner asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// What can be asked.
    Help,
    /// How one command is used.
    HelpOn {
        /// Its verb.
        verb: &'static str,
    },
    /// Open or locked, how much is kept, how full the drive is.
    Status,
    /// Entries, newest first.
    List {
        /// Which.
        what: Filter,
        /// How many lines.
        lines: u32,
        /// Only those before this number; never read from a line.
        before: Option<u64>,
    },
    /// The next page of what this device was shown last.
    Next,
    /// Everything that is known of one entry.
    Info {
        /// Its number.
        number: u64,
    },
    /// The albums.
    Albums {
        /// Only those after this one; never read from a line.
        after: String,
    },
    /// The tags.
    Tags {
        /// Only those after this one; never read from a line.
        after: String,
    },
    /// Files back to the phone.
    Get {
        /// Which entries, in the order asked for.
        picks: Vec<Pick>,
    },
    /// Look at pictures.
    Picture(Pictures),
    /// Check files.
    Verify(Asked),
    /// Change kept files.
    Keep(Keeping),
    /// Say what is told without being asked.
    Notices(Wish),
    /// Do something to the machine.
    Machine(Errand),
    /// Choose drive and stick.
    Prepare(Request),
    /// Carry files by a stick.
    Carry(CarryWish),
    /// Something about other people.
    Contact(ContactWish),
    /// End the vault process at once.
    Lock,
    /// Who has a way in.
    Keys,
    /// Give a key of the vault another name.
    RenameKey {
        /// Its name.
        name: String,
        /// The name it gets.
        to: String,
    },
    /// Revoke a key of the vault.
    RevokeKey {
        /// Its name.
        name: String,
    },
    /// Revoke exactly the key of this slot; follows a confirmed number and is never read from a
    /// line.
    DropKey {
        /// Names the slot.
        slot: [u8; 16],
    },
    /// How a spare stick is made.
    AddKey,
    /// The owner's devices, and how far each is let in.
    Devices,
    /// The fingerprints of the vault and of its trusted devices.
    Fingerprints,
    /// The vault's address, with its fingerprint, as a picture.
    AddressPicture,
    /// Let a new device in.
    Trust {
        /// Last digits of its fingerprint, lower-case.
        digits: String,
    },
    /// Shut a device out for good.
    RevokeDevice {
        /// Last digits of its fingerprint, lower-case.
        digits: String,
    },
    /// An album for files that come.
    Album {
        /// Its name; `None` for no longer one.
        name: Option<String>,
    },
    /// Note words with entries; never read from a line.
    Label {
        /// Their numbers.
        numbers: Vec<u64>,
        /// How many more files they are noted with that are no entries yet.
        coming: u64,
        /// What is noted.
        labels: Labels,
    },
    /// Blobs on the drive that neither index nor change log know.
    Unproven,
    /// Which numbers there are; asked by our own client and never read from a line.
    Numbers {
        /// Only lower ones; 0 for all.
        before: u64,
        /// Which of them.
        what: Which,
    },
    /// Enter exactly those of them that this digest names; follows a confirmed number and is
    /// never read from a line.
    TakeUnproven {
        /// The digest.
        seen: [u8; 32],
    },
}

/// One part of a `get`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pick {
    /// The entries from one number to another, both included.
    Range {
        /// The lower number.
        first: u64,
        /// The higher number; equal for a single entry.
        last: u64,
    },
    /// The newest so many entries.
    Last {
        /// How many.
        count: u64,
    },
}

/// Why a line is no command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotACommand {
    /// The first word is none of ours.
    Unknown,
    /// The first word is almost one of ours.
    DidYouMean {
        /// The verb it may be meant to be.
        verb: &'static str,
    },
    /// Something follows a verb that stands alone.
    Alone {
        /// The verb.
        verb: &'static str,
    },
    /// The text holds bytes that no phone types.
    NotPlain,
    /// `help` on something that is no command.
    NoTopic {
        /// What stood there.
        word: String,
    },
    /// `get` without a number, or with something that is none.
    BadNumber {
        /// The word that is no number; empty when nothing followed.
        word: String,
    },
    /// More files than [`MAX_PICKED`] in one `get`.
    TooMany,
    /// `find` without anything.
    NothingToFind,
    /// `album` without a name.
    AlbumWhich,
    /// `info` without a number.
    WhichFile,
    /// `trust` with what are no digits of a fingerprint.
    TrustWhom {
        /// What stood there.
        word: String,
    },
    /// `revoke` that names neither a device nor a key.
    RevokeWhat {
        /// What stood there.
        word: String,
    },
    /// `rename` without a key and two names.
    RenameHow,
    /// `revoke key` without a name.
    RevokeHow,
    /// A word about kept files without what it needs.
    Keep(KeepWord),
    /// `notices` with a kind that there is not.
    WhichNotice {
        /// What stood there.
        word: String,
    },
    /// `quiet` with what are no hours.
    QuietHow,
    /// An address was wanted.
    Whom {
        /// What stood there; empty for nothing.
        word: String,
    },
    /// An address that may look like another one to whoever reads it.
    OddAddress,
    /// `eject` with something behind it that does not belong there.
    EjectHow,
    /// `prepare` with something behind it that is not enough or too much.
    PrepareHow,
    /// `export` without saying what.
    ExportWhat,
    /// `import` with something behind it that names no stick.
    ImportHow,
    /// A word about pictures that was used without what it needs.
    Picture(Slip),
    /// `verify` with something that names no files.
    VerifyWhat {
        /// What stood there.
        word: String,
    },
}

impl NotACommand {
    /// Returns whether the line may be meant for people: its first word is no verb.
    #[must_use]
    pub fn is_prose(&self) -> bool {
        matches!(self, Self::Unknown | Self::DidYouMean { .. })
    }
}

/// Reads one message: a line, with what it quotes before it.
///
/// # Errors
///
/// Says what was wrong, so that the answer can name it.
pub fn parse(text: &str, context: &Context) -> Result<Command, NotACommand> {
    if text.contains(|c: char| c.is_control() && c != '\n' && c != '\r') {
        return Err(NotACommand::NotPlain);
    }
    match quoted(text) {
        // An id beside the text counts only where the text, which was encrypted, quotes nothing.
        Some((numbers, line)) if numbers.is_empty() => parse_line(line, context),
        Some((quoted, line)) => {
            let context = Context {
                quoted,
                is_quoted_inside: true,
                ..context.clone()
            };
            parse_line(line, &context)
        }
        None => parse_line(text, context),
    }
}

fn parse_line(line: &str, context: &Context) -> Result<Command, NotACommand> {
    let line = line.trim();
    if line.len() > MAX_COMMAND_BYTES || line.contains(['\n', '\r']) {
        return Err(NotACommand::Unknown);
    }
    let line = line.strip_prefix('/').unwrap_or(line);
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    if let Some(verb) = verbs::find(word) {
        return (verb.read)(rest.trim(), context);
    }
    if word.starts_with(|first: char| first == '#' || first.is_ascii_digit()) {
        return match files::get(line, context) {
            Err(NotACommand::BadNumber { .. }) => Err(NotACommand::Unknown),
            picked => picked,
        };
    }
    let words = line.split_whitespace().count();
    let meant = match filter::kind(word) {
        Some(_) => Some("find"),
        None => nearest::verb(word),
    };
    match meant.filter(|_| words <= MAX_SLIP_WORDS) {
        Some(verb) => Err(NotACommand::DidYouMean { verb }),
        None => Err(NotACommand::Unknown),
    }
}

/// Returns whether a word is one that commands begin with, or nearly so.
#[must_use]
pub fn is_nearly_a_verb(word: &str) -> bool {
    let word = word.strip_prefix('/').unwrap_or(word);
    let is_elsewhere = || verbs::ELSEWHERE.contains(&word.to_lowercase().as_str());
    verbs::find(word).is_some() || is_elsewhere() || nearest::is_close(word)
}

/// Reads a verb that nothing follows.
fn alone(verb: &'static str, rest: &str, command: Command) -> Result<Command, NotACommand> {
    if rest.is_empty() {
        Ok(command)
    } else {
        Err(NotACommand::Alone { verb })
    }
}

/// Returns what follows if `rest` begins with one of these words.
fn after_word<'a>(rest: &'a str, words: &[&str]) -> Option<&'a str> {
    let (first, rest) = rest.split_once(' ')?;
    let is_it = words.iter().any(|word| first.eq_ignore_ascii_case(word));
    is_it.then_some(rest.trim())
}

#[cfg(test)]
mod tests;
