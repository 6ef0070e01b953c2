//! What is said about the data drive, and about files that lie on it without proof of origin.

use std::fmt::Write as _;

use chrono::DateTime;

use super::{bytes, show, spans};
use crate::keeper::{
    confirm::CONFIRM_SECONDS,
    reply::{StorageReply, Unproven},
    storage::{DriveTrouble, Forecast},
};

/// A forecast further ahead is no forecast.
const MOST_WEEKS: u64 = 520;
/// Expired files that are named; the others are counted.
const MOST_NAMES: usize = 50;

pub(super) fn text(reply: &StorageReply) -> String {
    match reply {
        StorageReply::Expired { files } => expired(files),
        StorageReply::KeptInVain { files } => kept_in_vain(*files),
        StorageReply::UnprovenFound { count } => unproven_found(*count),
        StorageReply::Unproven { found, number } => unproven(found, *number),
        StorageReply::UnprovenTaken { first, count } => unproven_taken(*first, *count),
        StorageReply::UnprovenChanged => "What is of unproven origin on the drive has changed \
             since you saw it, so I took in nothing. Send \"unproven\" again."
            .to_owned(),
    }
}

/// Returns what is wrong with the drive, and what to do about it.
pub(super) fn drive(trouble: DriveTrouble) -> (&'static str, &'static str) {
    match trouble {
        DriveTrouble::Missing => (
            "the data drive is not there",
            "Plug it in, or check that it is mounted.",
        ),
        DriveTrouble::NoVault => (
            "what is in the data drive's place holds other things and no vault, and I touch \
             nothing of it",
            "Put the right drive in.",
        ),
        DriveTrouble::OtherVault => (
            "the drive holds another vault, and I touch nothing of it",
            "Put the right drive in.",
        ),
        DriveTrouble::ReadOnly => (
            "the data drive can only be read",
            "Check it: drives that fail often end so.",
        ),
        DriveTrouble::Full => (
            "there is no room for it on the data drive",
            "Make room on the drive, or move the vault to a larger one.",
        ),
        DriveTrouble::Ejected => (
            "I let go of the data drive, as you asked",
            "Plug it in anew, or send \"eject off\".",
        ),
        DriveTrouble::NotSetUp => (
            "there is no vault yet",
            "Plug an empty drive and a USB stick in, and send \"drives\".",
        ),
        DriveTrouble::Failing => (
            "the data drive does not answer as it should",
            "Check the drive; the journal on the Pi says more.",
        ),
    }
}

/// Writes what still fits, on lines of its own.
pub(super) fn forecast(forecast: Forecast) -> String {
    let mut text = String::new();
    match forecast.files {
        Some(0) => text.push_str("\nRoom for less than one file of the usual size."),
        Some(1) => text.push_str("\nRoom for about 1 more file of the usual size."),
        Some(files) => {
            let _ = write!(text, "\nRoom for about {} more files.", rounded(files));
        }
        None => {}
    }
    match forecast.weeks {
        Some(0) => text.push_str(" At this pace the drive is full within a week."),
        Some(weeks) if weeks <= MOST_WEEKS => {
            let plural = if weeks == 1 { "week" } else { "weeks" };
            let _ = write!(
                text,
                " At this pace the drive is full in about {weeks} {plural}."
            );
        }
        Some(_) | None => {}
    }
    text
}

/// Cuts a number to two digits that count, since more would be made up.
fn rounded(number: u64) -> u64 {
    let mut scale = 1;
    while number / scale >= 100 {
        scale *= 10;
    }
    number / scale * scale
}

fn expired(files: &[(String, i64)]) -> String {
    let time = |at: i64| {
        DateTime::from_timestamp(at, 0).map(|it| it.format("%-d %b %Y %H:%M").to_string())
    };
    if let [(name, sent_at)] = files {
        let name = show(name);
        let sent = time(*sent_at).map_or_else(String::new, |it| format!(", sent {it},"));
        return format!(
            "{name}{sent} is not stored: its server has it no longer. Please share it again."
        );
    }
    let names: Vec<String> = files
        .iter()
        .take(MOST_NAMES)
        .map(|(name, _)| show(name))
        .collect();
    let mut text = format!("{} uploads expired: {}", files.len(), names.join(", "));
    if files.len() > names.len() {
        let _ = write!(text, " and {} more", files.len() - names.len());
    }
    let sent = || files.iter().map(|(_, at)| *at);
    if let (Some(first), Some(last)) = (sent().min().and_then(time), sent().max().and_then(time)) {
        let _ = write!(text, ", sent from {first} to {last}");
    }
    text +=
        ". Their servers have them no longer, and they are not stored; please share them again.";
    text
}

fn kept_in_vain(files: u64) -> String {
    let (what, them) = match files {
        1 => ("1 file that waits".to_owned(), "it"),
        files => (format!("{files} files that wait"), "them"),
    };
    format!(
        "{what} for the key may have been sealed to the foreign key too, and then nobody of yours \
         can open {them}. Keep the originals, and share {them} again when the alarm is over."
    )
}

pub(super) fn unproven_found(count: u64) -> String {
    let what = match count {
        1 => "1 file on the drive is".to_owned(),
        count => format!("{count} files on the drive are"),
    };
    format!(
        "{what} of unproven origin: neither the index nor this Pi knows where from. Send \
         \"unproven\" to see."
    )
}

fn unproven(found: &Unproven, number: Option<u32>) -> String {
    let Unproven {
        count,
        bytes: size,
        unreadable,
        oldest,
        seen: _,
    } = found;
    let mut text = match count {
        0 => "Nothing on the drive is of unproven origin.".to_owned(),
        1 => format!("1 file of unproven origin, {}:", bytes(*size)),
        count => format!("{count} files of unproven origin, {}:", bytes(*size)),
    };
    for (name, size) in oldest {
        let _ = write!(text, "\n{}, {}", show(name), bytes(*size));
    }
    let more = count.saturating_sub(oldest.len() as u64);
    if more > 0 {
        let _ = write!(text, "\nand {more} more");
    }
    if *unreadable > 0 {
        let _ = write!(
            text,
            "\n{unreadable} more do not open with this vault's key; I leave them where they are."
        );
    }
    match number {
        Some(number) if *count > 0 => {
            let minutes = CONFIRM_SECONDS / 60;
            let _ = write!(
                text,
                "\nThey are sealed for this vault, and whoever had the drive may have put them \
                 there; after the loss of a system card they are your own. Send {number} within \
                 {minutes} minutes to take them in."
            );
        }
        None if *count > 0 => text.push_str("\nSend \"unproven\" again to take them in."),
        _ => {}
    }
    text
}

fn unproven_taken(first: u64, count: u64) -> String {
    match count {
        0 => "They were all kept already; nothing new was taken in.".to_owned(),
        1 => format!("✅ 1 file of unproven origin is taken in as #{first}."),
        count => {
            let numbers = if count <= 100 {
                spans(&(first..first.saturating_add(count)).collect::<Vec<_>>())
            } else {
                format!("#{first}-#{}", first.saturating_add(count - 1))
            };
            format!("✅ {count} files of unproven origin are taken in as {numbers}.")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forecast_claims_no_more_than_is_known() {
        let text = |files, weeks| forecast(Forecast { files, weeks });

        assert_eq!(text(None, None), "");
        assert_eq!(
            text(Some(12_345), Some(30)),
            "\nRoom for about 12000 more files. At this pace the drive is full in about 30 weeks."
        );
        assert_eq!(
            text(Some(123), Some(9_999)),
            "\nRoom for about 120 more files."
        );
        assert_eq!(
            text(Some(0), Some(0)),
            "\nRoom for less than one file of the usual size. At this pace the drive is full \
             within a week."
        );
    }

    #[test]
    fn expired_files_are_named_with_their_times() {
        let file = |name: &str, at| (name.to_owned(), at);
        assert_eq!(
            expired(&[file("photo.jpg", 1_777_888_999)]),
            "photo.jpg, sent 4 May 2026 10:03, is not stored: its server has it no longer. \
             Please share it again."
        );
        assert_eq!(
            expired(&[file("a.jpg", 1_777_888_999), file("b\n.jpg", 1_777_802_599)]),
            "2 uploads expired: a.jpg, b·.jpg, sent from 3 May 2026 10:03 to 4 May 2026 10:03. \
             Their servers have them no longer, and they are not stored; please share them \
             again."
        );
        let many: Vec<(String, i64)> = (0..60).map(|it| file(&format!("{it}.jpg"), 0)).collect();
        assert!(expired(&many).contains("48.jpg, 49.jpg and 10 more, sent from 1 Jan 1970"));
    }

    #[test]
    fn what_is_of_unproven_origin_is_listed_with_the_number_that_takes_it_in() {
        let found = Unproven {
            count: 3,
            bytes: 3_000,
            unreadable: 1,
            oldest: vec![("a\n.jpg".to_owned(), 1_000)],
            seen: [0; 32],
        };

        let text = unproven(&found, Some(483_911));

        let (head, tail) = text.split_once("They are sealed").unwrap();
        assert_eq!(
            head,
            "3 files of unproven origin, 3.0 kB:\na·.jpg, 1.0 kB\nand 2 more\n1 more do not open \
             with this vault's key; I leave them where they are.\n"
        );
        assert!(tail.ends_with("Send 483911 within 5 minutes to take them in."));
    }
}
