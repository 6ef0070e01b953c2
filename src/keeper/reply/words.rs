//! Every sentence the owner ever reads, and how sizes, days and foreign names look in it.

use std::fmt::Write as _;

use chrono::DateTime;

use super::{DeliveryFailure, Facts, IntakeFailure, Line, OpenFailure, Reply, WayIn};

mod arrivals;
mod carry;
mod client;
mod contacts;
mod custody;
mod delivery;
mod devices;
mod evening;
mod files;
mod finding;
mod help;
mod keeping;
mod keys;
mod life;
mod machine;
mod notices;
mod pictures;
mod storage;
mod verify;

pub(in crate::keeper) use client::UNKNOWN_REQUEST;
use custody::{standing, way_in};
use help::HELP;
pub use machine::{SHOWN_LOCKED, SHOWN_OPEN};

/// The one sentence that is ever sent unencrypted, and only to the owner's address.
pub const PLAIN_REFUSED: &str = "I only read encrypted messages and kept nothing of this one. \
     Please switch on OMEMO for this chat and send it again.";

const NOT_CONFIRMED: &str = "That number confirms nothing: each is good once, for 5 minutes and \
                             for the device that asked. Send the command again for a fresh one.";

impl Reply {
    /// Returns what happened, then what the owner can do about it.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Help => HELP.to_owned(),
            Self::Status {
                kept,
                unproven,
                facts,
            } => status(*kept, *unproven, facts),
            Self::Listing { lines, total } => listing(lines, *total),
            Self::Finding(reply) => reply.text(),
            Self::Caption { line } => format!("{}:", rows(std::slice::from_ref(line))),
            Self::File { link } => link.clone(),
            Self::Described { .. } => files::DESCRIBED_ELSEWHERE.to_owned(),
            Self::Stored { line } => stored(line),
            Self::AlreadyKept { name, number } => {
                format!("✅ {} is already kept as #{number}.", show(name))
            }
            Self::Kept { waiting } => kept(*waiting),
            Self::Opened { adopted, doubles } => opened(adopted, *doubles),
            Self::NotOpened(why) => not_opened(*why),
            Self::LockedByRemoval => {
                "The key is gone and the vault is locked. Photos still arrive; put the key back to \
                 get files out."
                    .to_owned()
            }
            Self::LockedByCommand(way) => {
                format!("The vault is locked. Photos still arrive. {}", way_in(*way))
            }
            Self::SecondKey => SECOND_KEY.to_owned(),
            Self::AlreadyLocked(way) => {
                format!("The vault is locked already. {}", way_in(*way))
            }
            Self::LockedByTrouble(way) => format!(
                "The vault locked itself after a fault. Nothing is lost. {}",
                way_in(*way)
            ),
            Self::NoAnswer => {
                "The index of the vault did not answer. Nothing is lost; take the key \
                 out and put it in again, then ask once more."
                    .to_owned()
            }
            Self::NeedsKey { waiting, way } => needs_key(*waiting, *way),
            Self::NotStored {
                name,
                why,
                retrying,
            } => not_stored(name, *why, *retrying),
            Self::Storage(reply) => storage::text(reply),
            Self::NotConfirmed => NOT_CONFIRMED.to_owned(),
            Self::NotSent { number, why } => not_sent(*number, *why),
            Self::NoSuch { numbers } => no_such(numbers),
            Self::Empty => "The vault is empty. Share a photo here and I keep it.".to_owned(),
            Self::NotUnderstood => format!("I did not understand that. I know these:\n{HELP}"),
            Self::BadNumber { word } if word.is_empty() => {
                "Which file? Send for example \"get 7\"; \"list\" shows the numbers.".to_owned()
            }
            Self::BadNumber { word } => format!(
                "\"{}\" is no number I know. Send numbers like 7 or 7-9; \"list\" shows them.",
                show(word)
            ),
            Self::TooMany => "That is more than 100 files at once. Ask for fewer.".to_owned(),
            Self::NothingToFind => "Find what? Send for example \"find summer\".".to_owned(),
            Self::NotText => NOT_TEXT.to_owned(),
            Self::WordsNotKept => files::WORDS_NOT_KEPT.to_owned(),
            Self::Arrival(reply) => reply.text(),
            Self::Delivery(reply) => reply.text(),
            Self::Grammar(reply) => reply.text(),
            Self::Device(reply) => reply.text(),
            Self::Custody(reply) => reply.text(),
            Self::Life(reply) => reply.text(),
            Self::Key(reply) => reply.text(),
            Self::Keep(reply) => reply.text(),
            Self::Notice(reply) => reply.text(),
            Self::Machine(reply) => reply.text(),
            Self::Evening(reply) => reply.text(),
            Self::Carry(reply) => reply.text(),
            Self::Contact(reply) => reply.text(),
            Self::Picture(reply) => reply.text(),
            Self::Verify(reply) => reply.text(),
            Self::Client(reply) => reply.text(),
        }
    }
}

fn kept(waiting: u64) -> String {
    match waiting {
        1 => "Kept. 1 file waits for the key.".to_owned(),
        waiting => format!("Kept. {waiting} files wait for the key."),
    }
}

fn stored(line: &Line) -> String {
    let (name, size) = (show(&line.name), bytes(line.bytes));
    format!("✅ #{} {name}, {size}, stored.", line.number)
}

fn status(kept: Option<(u64, u64)>, unproven: u64, facts: &Facts) -> String {
    let Facts {
        waiting,
        way,
        standing: since,
        arriving,
        free,
        drive,
        forecast,
        alarm,
        aes,
        held,
        checks,
        album,
    } = facts;
    let mut text = String::new();
    if *alarm {
        let _ = writeln!(text, "{}", not_opened(OpenFailure::ForeignPublicHalf));
    }
    text += &match kept {
        Some((1, size)) => format!("The vault is open: 1 file, {}.", bytes(size)),
        Some((count, size)) => format!("The vault is open: {count} files, {}.", bytes(size)),
        None => format!("The vault is locked. Photos still arrive. {}", way_in(*way)),
    };
    let _ = write!(text, "\n{}", standing(since, kept.is_some()));
    if *waiting > 0 {
        let _ = write!(text, "\nWaiting for the key: {waiting}.");
    }
    if *arriving > 0 {
        let _ = write!(text, "\nOn their way in: {arriving}.");
    }
    if let Some(album) = album {
        let _ = write!(text, "\nNew files go into the album \"{}\".", show(album));
    }
    if *held > 0 {
        let _ = write!(text, "\nHeld apart, from a new device: {held}.");
    }
    if unproven > 0 {
        let _ = write!(text, "\n{}", storage::unproven_found(unproven));
    }
    if let Some(free) = free {
        let _ = write!(text, "\nFree on the drive: {}.", bytes(*free));
    }
    match drive {
        Some(trouble) => {
            let (what, advice) = storage::drive(*trouble);
            let _ = write!(text, "\nThe data drive takes no files: {what}. {advice}");
        }
        None => text += &storage::forecast(*forecast),
    }
    text.push_str(&verify::status(checks));
    let _ = write!(text, "\nAES: {aes}.");
    text
}

fn listing(lines: &[Line], total: u64) -> String {
    let mut text = rows(lines);
    let shown = lines.len() as u64;
    if total > shown {
        let _ = write!(text, "\n{shown} of {total} shown. Send \"next\" for more.");
    }
    text
}

fn rows(lines: &[Line]) -> String {
    let rows: Vec<String> = lines
        .iter()
        .map(|line| {
            format!(
                "#{} {}, {}, {}{}",
                line.number,
                show(&line.name),
                bytes(line.bytes),
                line.taken_at
                    .map_or_else(|| day(line.received_at), |at| format!("taken {}", day(at))),
                verify::mark(line.damaged)
            )
        })
        .collect();
    rows.join("\n")
}

fn opened(adopted: &[u64], doubles: u64) -> String {
    let mut text = "The vault is open.".to_owned();
    match adopted {
        [] => {}
        [one] => {
            let _ = write!(text, " ✅ 1 file that waited is stored as #{one}.");
        }
        many => {
            let _ = write!(
                text,
                " ✅ {} files that waited are stored as {}.",
                many.len(),
                spans(many)
            );
        }
    }
    if doubles > 0 {
        let _ = write!(text, " {doubles} that waited were kept already.");
    }
    text
}

const NOT_TEXT: &str = "That message was not plain text, so I did nothing with it. Please type it \
                        again.";

const SECOND_KEY: &str = "A second key stick was put in, and I do not use it. Take both out and put \
                          in the one you mean.";

fn not_opened(why: OpenFailure) -> String {
    let words = match why {
        OpenFailure::Drive(trouble) => {
            let (what, advice) = storage::drive(trouble);
            return format!("The key is here, but the vault stays shut: {what}. {advice}");
        }
        OpenFailure::WrongKey => {
            "This key does not open the vault. Put in the key that belongs to it."
        }
        OpenFailure::BrokenKeyFile => {
            "The key file on this stick is not whole. Take it out and put it in again, or use your \
             spare."
        }
        OpenFailure::WantsPassphrase => {
            "The key is here and wants its passphrase. Type it at the Pi with \"strongroom unlock\", \
             never here: it would stay in this chat's history."
        }
        OpenFailure::NoKeyFile => {
            "There is no vault key on the stick that was put in. Put in the stick that has it."
        }
        OpenFailure::UnreadableKey => {
            "The key stick could not be read. Take it out and put it in again, or use your spare; \
             the journal on the Pi says more."
        }
        OpenFailure::NoVault => {
            "The key is here, but I cannot find the vault on the data drive. Check that the drive \
             is plugged in."
        }
        OpenFailure::TooNew => {
            "This vault was written by a newer Strongroom, so I open nothing and change nothing. \
             Install the newer one again: put its package onto the card's small partition, or use \
             apt where you did before."
        }
        OpenFailure::ForeignPublicHalf => {
            "ALARM: the system card seals new files to a key that is not this vault's: somebody may \
             have changed the card or the drive. I open nothing and take nothing in until that is \
             mended. Your files are as they were: take key and drive to another computer, where \
             strongroom-rescue opens them, and set the card up anew with \
             strongroom recover."
        }
        OpenFailure::Trouble => {
            "The key is here, but the vault did not open. Take the key out and put it in again; \
             the journal on the Pi says more."
        }
    };
    words.to_owned()
}

fn needs_key(waiting: u64, way: WayIn) -> String {
    let way = way_in(way);
    match waiting {
        0 => format!("The vault is locked. {way}"),
        1 => format!("The vault is locked; 1 file waits for the key. {way}"),
        waiting => format!("The vault is locked; {waiting} files wait for the key. {way}"),
    }
}

fn not_stored(name: &str, why: IntakeFailure, retrying: bool) -> String {
    let name = show(name);
    if retrying {
        return not_stored_yet(&name, why);
    }
    let (what, advice) = match why {
        IntakeFailure::Gone => ("its server no longer has it", "Please send it again."),
        IntakeFailure::Redirected => (
            "its server pointed elsewhere, which I do not follow",
            "Please send it again; if that repeats, use another upload server.",
        ),
        IntakeFailure::RefusedAddress => (
            "its link leads to an address I must not open",
            "If the upload server stands in your own home, pin it in the vault's settings.",
        ),
        IntakeFailure::BadLink => ("its link is not one I can read", "Please send it again."),
        IntakeFailure::CutShort => ("less of it came than announced", "Please send it again."),
        IntakeFailure::TooLong => ("more of it came than announced", "Please send it again."),
        IntakeFailure::Altered => (
            "it was damaged or altered on its way",
            "Please send it again.",
        ),
        IntakeFailure::ServerTrouble => (
            "its server did not give it to me",
            "Please send it again later.",
        ),
        IntakeFailure::Certificate => (
            "the certificate of its server is not trusted",
            "Check the server, or put its certificate into the vault's settings.",
        ),
        IntakeFailure::TooLarge => (
            "it is larger than I am set up to take",
            "Raise max_file_bytes in the vault's settings and send it again.",
        ),
        IntakeFailure::Damaged => (
            "it was kept, but its blob is damaged or gone from the drive",
            "Please send it again, and check the drive.",
        ),
        IntakeFailure::NotVouched => (
            "it was kept, but what lies on the drive in its place was not sealed by me",
            "I took nothing of it in; please send it again, and see \"unproven\".",
        ),
        IntakeFailure::ForeignKey => (
            "the system card seals to a key that is not this vault's",
            "Please send it again when that is mended.",
        ),
        IntakeFailure::Drive(trouble) => storage::drive(trouble),
        IntakeFailure::Described(fault) => files::fault(fault),
    };
    format!("{name} is not stored: {what}. {advice}")
}

fn not_stored_yet(name: &str, why: IntakeFailure) -> String {
    match why {
        IntakeFailure::Drive(trouble) => {
            let (what, advice) = storage::drive(trouble);
            format!(
                "{name} is not stored yet: {what}. {advice} I try again by myself as long as its \
                 server keeps it; you need not send it again."
            )
        }
        IntakeFailure::ForeignKey => format!(
            "{name} is not stored: the system card seals to a key that is not this vault's, and \
             nobody could open it. I take it in when that is mended, if its server still has it."
        ),
        IntakeFailure::Described(_) => files::nowhere_yet(name),
        IntakeFailure::Gone
        | IntakeFailure::Redirected
        | IntakeFailure::RefusedAddress
        | IntakeFailure::BadLink
        | IntakeFailure::CutShort
        | IntakeFailure::TooLong
        | IntakeFailure::TooLarge
        | IntakeFailure::Damaged
        | IntakeFailure::NotVouched
        | IntakeFailure::Altered
        | IntakeFailure::ServerTrouble
        | IntakeFailure::Certificate => format!(
            "{name} is not stored yet: its server does not give it to me now. I keep trying; you \
             need not send it again."
        ),
    }
}

fn not_sent(number: u64, why: DeliveryFailure) -> String {
    match why {
        DeliveryFailure::Locked => {
            format!(
                "#{number} was not sent because the vault is locked. Put the key in and ask again."
            )
        }
        DeliveryFailure::Damaged => format!(
            "#{number} does not open: it is damaged on the drive. I deleted nothing; check \
             the drive, and look for another copy of this file."
        ),
        DeliveryFailure::NoUpload => format!(
            "#{number} was not sent because my server offers no file upload. Ask its operator, or \
             move the vault to another server."
        ),
        DeliveryFailure::TooLarge { limit: Some(limit) } => format!(
            "#{number} was not sent because my server takes files up to {} only. Take it from the \
             drive with strongroom-rescue, or ask the server's operator.",
            bytes(limit)
        ),
        DeliveryFailure::TooLarge { limit: None } => format!(
            "#{number} was not sent because it is too large for my server. Take it from the drive \
             with strongroom-rescue, or ask the server's operator."
        ),
        DeliveryFailure::NothingToShow => pictures::nothing_to_show(number),
        DeliveryFailure::ServerTrouble | DeliveryFailure::Offline => {
            format!("#{number} was not sent because the upload failed. Please ask again later.")
        }
    }
}

fn no_such(numbers: &[u64]) -> String {
    match numbers {
        [one] => format!("There is no #{one}. \"list\" shows the numbers."),
        many => format!("There is no {}. \"list\" shows the numbers.", spans(many)),
    }
}

/// Writes `#1-#3, #7` for sorted numbers.
fn spans(numbers: &[u64]) -> String {
    let mut parts: Vec<(u64, u64)> = Vec::new();
    for &number in numbers {
        match parts.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(number) => *last = number,
            _ => parts.push((number, number)),
        }
    }
    let parts: Vec<String> = parts
        .into_iter()
        .map(|(first, last)| {
            if first == last {
                format!("#{first}")
            } else {
                format!("#{first}-#{last}")
            }
        })
        .collect();
    parts.join(", ")
}

/// Shows a foreign name on one line: control and direction-changing characters become `·`, so
/// that a name can neither break the line nor turn the text around it.
fn show(name: &str) -> String {
    const SHOWN_CHARS: usize = 120;
    let mut shown: String = name
        .chars()
        .take(SHOWN_CHARS)
        .map(|c| {
            if c.is_control() || turns_text(c) {
                '·'
            } else {
                c
            }
        })
        .collect();
    if name.chars().nth(SHOWN_CHARS).is_some() {
        shown.push('…');
    }
    shown
}

/// Unicode UAX #9 explicit direction marks, and line and paragraph separators.
fn turns_text(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Writes a size as people read it: decimal units, one digit after the point.
fn bytes(count: u64) -> String {
    const LARGER: [&str; 4] = ["MB", "GB", "TB", "PB"];
    match count {
        1 => return "1 byte".to_owned(),
        0 | 2..1_000 => return format!("{count} bytes"),
        _ => {}
    }
    let (mut scaled, mut unit) = (count, "kB");
    for larger in LARGER {
        if scaled < 1_000_000 {
            break;
        }
        (scaled, unit) = (scaled / 1_000, larger);
    }
    let tenths = scaled / 100;
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

fn day(seconds: i64) -> String {
    DateTime::from_timestamp(seconds, 0).map_or_else(
        || "date unknown".to_owned(),
        |at| at.format("%-d %b %Y").to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_people_write_them() {
        let shown = [
            0,
            1,
            999,
            1_000,
            3_149_000,
            999_999,
            2_000_000_000,
            u64::MAX,
        ]
        .map(bytes);

        assert_eq!(
            shown,
            [
                "0 bytes",
                "1 byte",
                "999 bytes",
                "1.0 kB",
                "3.1 MB",
                "999.9 kB",
                "2.0 GB",
                "18446.7 PB"
            ]
        );
    }

    #[test]
    fn a_name_cannot_break_or_turn_the_line() {
        let line = Line {
            number: 7,
            name: "a\n\u{202e}gpj.exe".into(),
            bytes: 1,
            received_at: 1_777_888_999,
            damaged: false,
            taken_at: None,
        };
        let lines = vec![
            line.clone(),
            Line {
                damaged: true,
                taken_at: None,
                ..line
            },
        ];

        let text = Reply::Listing { lines, total: 2 }.text();

        let sound = "#7 a··gpj.exe, 1 byte, 4 May 2026";
        assert_eq!(text, format!("{sound}\n{sound}, ⚠ damaged"));
    }

    #[test]
    fn numbers_in_a_row_are_joined() {
        assert_eq!(spans(&[1, 2, 3, 7, 9, 10]), "#1-#3, #7, #9-#10");
        assert_eq!(spans(&[u64::MAX]), format!("#{}", u64::MAX));
    }

    #[test]
    fn kept_while_locked_counts_what_waits() {
        assert_eq!(
            Reply::Kept { waiting: 1 }.text(),
            "Kept. 1 file waits for the key."
        );
        assert_eq!(
            Reply::Kept { waiting: 3 }.text(),
            "Kept. 3 files wait for the key."
        );
    }

    #[test]
    fn a_link_stands_alone() {
        let link = "aesgcm://up.example/x.jpg#00".to_owned();

        assert_eq!(Reply::File { link: link.clone() }.text(), link);
    }
}
