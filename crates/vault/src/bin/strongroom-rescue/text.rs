//! Every sentence the rescue tool says: what happened, then what to do.

use std::{
    io,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use indicatif::ProgressStyle;
use vault::{
    Entry, KeyFileError, OpenError, Origin, PassphraseError, WordsError, catalog::Catalog,
    check::Report,
};

/// Exit status: not everything that was asked for could be had.
pub(crate) const INCOMPLETE: u8 = 1;
/// Exit status: the command line was wrong; clap ends with the same.
pub(crate) const USAGE: u8 = 2;
/// Exit status: the vault did not open.
pub(crate) const NOT_OPENED: u8 = 3;

/// Why the tool stops.
pub(crate) struct Trouble {
    pub(crate) text: String,
    pub(crate) status: u8,
}

fn trouble(status: u8, text: String) -> Trouble {
    Trouble { text, status }
}

pub(crate) fn not_opened(error: &OpenError, by_words: bool) -> Trouble {
    let text = match error {
        OpenError::NotAVault => {
            "There is no Strongroom vault in this folder. Name the folder on the \
             data drive that holds the file strongroom.vault."
                .to_owned()
        }
        OpenError::WrongKey { .. } if by_words => "These words do not open this vault: they are \
             another vault's, or were revoked. Compare them with your page, or use a key stick."
            .to_owned(),
        OpenError::WrongKey { .. } => {
            "This key does not open this vault: it is another vault's, or \
             was revoked. Try the spare stick or the recovery words."
                .to_owned()
        }
        OpenError::TooNew { .. } => "This vault was written by a later version of Strongroom. Use \
             the strongroom-rescue of that version."
            .to_owned(),
        OpenError::DamagedSlot => {
            "The vault's record of this key is damaged. Use another stick or \
             the recovery words, or put back the record's copy from the Pi's system card."
                .to_owned()
        }
        OpenError::NoSlots => "The vault's key records are damaged or lost. Put back their copies \
             from the Pi's system card into the vault's folder \"epochs\"."
            .to_owned(),
        OpenError::DamagedEpoch { epoch } => format!(
            "The record that leads from key epoch {epoch} to the one before is damaged or lost. Put \
             it back from another copy of the drive."
        ),
        OpenError::Io(error) => {
            format!("The vault could not be read ({error}). Check the drive and its cable.")
        }
        _ => format!("The vault did not open: {error}. Check the drive and its cable."),
    };
    trouble(NOT_OPENED, text)
}

pub(crate) fn no_key_file(path: &Path, error: &io::Error) -> Trouble {
    let path = path.display();
    trouble(
        NOT_OPENED,
        format!(
            "There is no readable key at {path} ({error}). Name the key file or the stick's folder."
        ),
    )
}

pub(crate) fn bad_key(path: &Path, error: &KeyFileError) -> Trouble {
    let path = path.display();
    trouble(
        NOT_OPENED,
        format!("{path}: {error}. Try the spare stick or the recovery words."),
    )
}

pub(crate) fn no_phrase() -> Trouble {
    trouble(
        NOT_OPENED,
        "This key wants its passphrase, and none was typed. Use the recovery words without it."
            .to_owned(),
    )
}

pub(crate) fn bad_phrase(error: &PassphraseError) -> Trouble {
    trouble(
        NOT_OPENED,
        format!("The key did not open: {error}. Try again, or use the recovery words."),
    )
}

pub(crate) fn no_words() -> Trouble {
    trouble(
        NOT_OPENED,
        "The words could not be read. Type them as they are written down.".to_owned(),
    )
}

pub(crate) fn bad_words(error: &WordsError) -> Trouble {
    trouble(
        NOT_OPENED,
        format!("The words do not fit: {error}. Compare them with your page."),
    )
}

pub(crate) fn drive_failed(error: &io::Error) -> Trouble {
    trouble(
        INCOMPLETE,
        format!(
            "The vault could not be read any further ({error}). Check the drive and its cable."
        ),
    )
}

pub(crate) fn no_output(error: &io::Error) -> Trouble {
    trouble(
        INCOMPLETE,
        format!("The list could not be written out ({error}). Try again."),
    )
}

pub(crate) fn nothing_asked() -> Trouble {
    trouble(
        USAGE,
        "It is not clear what to extract. Say numbers and a folder, as in \"extract 3 7-12 Pictures\", \
         or \"extract --all Everything\"."
            .to_owned(),
    )
}

pub(crate) fn no_number(text: &str) -> Trouble {
    trouble(
        USAGE,
        format!("{text:?} is no number of a file. Say 3 or 7-12, and the folder to write to last."),
    )
}

pub(crate) fn inside_vault() -> Trouble {
    trouble(
        USAGE,
        "Files would be written into the vault itself. Name a folder outside of it.".to_owned(),
    )
}

pub(crate) fn no_room(bytes: u64, free: u64) -> Trouble {
    trouble(
        INCOMPLETE,
        format!(
            "The files need {} and the folder has room for {}. Name a folder on a larger drive.",
            size(bytes),
            size(free)
        ),
    )
}

pub(crate) fn not_written(folder: &Path, error: &io::Error) -> Trouble {
    let folder = folder.display();
    trouble(
        INCOMPLETE,
        format!("{folder} cannot be written to ({error}). Name another folder."),
    )
}

pub(crate) fn no_such_entry(from: u64, to: u64) -> String {
    if from == to {
        return format!("There is no #{from}. See \"list\" for what there is.");
    }
    format!("There is nothing from #{from} to #{to}. See \"list\" for what there is.")
}

pub(crate) fn not_extracted(entry: &Entry, name: &str, error: &io::Error) -> String {
    format!(
        "#{} {name} was not written: {error}. The vault still has it as it is.",
        entry.number
    )
}

pub(crate) fn extracted(files: u64, folder: &Path) -> String {
    let files = if files == 1 {
        "1 file".to_owned()
    } else {
        format!("{files} files")
    };
    format!("{files} written to {}.", folder.display())
}

pub(crate) fn verified(report: &Report) -> String {
    format!(
        "{} of {} files hold in every byte, {} in all.",
        report.sound,
        report.blobs,
        size(report.bytes)
    )
}

/// What is wrong with the vault as a whole.
pub(crate) fn complaints(catalog: &Catalog) -> Vec<String> {
    let mut complaints = Vec::new();
    for (number, _) in &catalog.missing {
        complaints.push(format!(
            "#{number} is missing. Look for it on another copy of the drive."
        ));
    }
    for (blob, error) in &catalog.unreadable {
        complaints.push(format!(
            "Blob {blob}: {error}. Look for it on another copy of the drive."
        ));
    }
    for name in &catalog.torn_log {
        complaints.push(format!(
            "The list of numbers ends too early in {name}. Numbers may differ from those you know."
        ));
    }
    complaints
}

/// One line of the list: number, day, size, name; a question mark for unproven origin.
pub(crate) fn entry_line(entry: &Entry, name: &str) -> String {
    let time = entry
        .metadata
        .received_at
        .or(entry.metadata.sent_at)
        .or(entry.adopted_at);
    let day = time.map_or_else(|| "----------".to_owned(), day);
    let doubt = if entry.attributes.origin == Origin::Unproven {
        " (origin unproven)"
    } else {
        ""
    };
    let trash = if entry.labels.trashed_at.is_some() {
        " (in the trash)"
    } else {
        ""
    };
    format!(
        "{:>6}  {day}  {:>8}  {name}{doubt}{trash}",
        entry.number.get(),
        size(entry.size)
    )
}

/// Bytes as people say them, in decimal units.
pub(crate) fn size(bytes: u64) -> String {
    let mut tenths = u128::from(bytes) * 10;
    for unit in ["B", "kB", "MB", "GB", "TB"] {
        if tenths < 9995 || unit == "TB" {
            let precise = unit != "B" && tenths < 100;
            let (whole, tenth) = (tenths / 10, tenths % 10);
            return if precise {
                format!("{whole}.{tenth} {unit}")
            } else {
                format!("{whole} {unit}")
            };
        }
        tenths = (tenths + 500) / 1000;
    }
    String::new()
}

/// The day of a time in UTC, as 2026-05-04.
fn day(time: SystemTime) -> String {
    let seconds = match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_secs()).unwrap_or(i64::MAX / 2),
        Err(before) => -i64::try_from(before.duration().as_secs()).unwrap_or(i64::MAX / 2) - 1,
    };
    let days = seconds.div_euclid(86_400) + 719_468;
    // Gregorian calendar, with years that begin in March: 400 of them have 146,097 days.
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, next_year) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    format!(
        "{:04}-{month:02}-{day:02}",
        era * 400 + year_of_era + next_year
    )
}

pub(crate) fn bytes_style() -> ProgressStyle {
    let template = "{bar:30} {bytes:>10} of {total_bytes}  {eta:>4} left  {wide_msg}";
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

pub(crate) fn count_style() -> ProgressStyle {
    let template = "{bar:30} {pos:>6} of {len} files  {eta:>4} left";
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        for (seconds, expected) in [
            (0, "1970-01-01"),
            (951_782_400, "2000-02-29"),
            (951_868_800, "2000-03-01"),
            (1_767_225_599, "2025-12-31"),
            (1_790_000_000, "2026-09-21"),
            (4_107_542_400, "2100-03-01"),
        ] {
            assert_eq!(day(UNIX_EPOCH + Duration::from_secs(seconds)), expected);
        }
        assert_eq!(day(UNIX_EPOCH - Duration::from_secs(1)), "1969-12-31");
    }

    #[test]
    fn sizes_read_as_people_say_them() {
        for (bytes, expected) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (3_140_000, "3.1 MB"),
            (52_000_000, "52 MB"),
            (999_600, "1.0 MB"),
            (u64::MAX, "18446744 TB"),
        ] {
            assert_eq!(size(bytes), expected);
        }
    }
}
