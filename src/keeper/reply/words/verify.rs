//! What is said of checks and restore drills.

use std::fmt::Write as _;

use crate::keeper::{
    reply::{Line, VerifyReply},
    verify::{Facts, Fault, Outside, Tally},
};

use super::{bytes, day, show};

impl VerifyReply {
    pub(super) fn text(&self) -> String {
        match self {
            Self::Begun => "I check every file, byte by byte, in the background; many files take \
                 hours. \"verify\" tells how far I am, \"verify stop\" ends it."
                .to_owned(),
            Self::Progress(tally) => format!(
                "{} of {} files checked so far, {}.",
                tally.checked,
                tally.of,
                holding(tally)
            ),
            Self::Whole(tally) => format!("Full check done: {}", sum(tally)),
            Self::Sample(tally) if tally.of == 0 => {
                "There is nothing to check yet. Share a photo here and I keep it.".to_owned()
            }
            Self::Sample(tally) => format!("Sample: {}", opened(tally)),
            Self::One { number, tally } if tally.damaged == 0 => {
                format!("#{number} holds in every byte, {}.", bytes(tally.bytes))
            }
            Self::One { number, .. } => format!(
                "#{number} does not hold: it is damaged or missing on the drive. I deleted \
                 nothing; look for another copy of this file."
            ),
            Self::Drill { tally, last_pass } => {
                let mut text = format!("Restore drill: {}", opened(tally));
                if let Some((at, pass)) = last_pass {
                    text.push(' ');
                    text += &self::last_pass(*at, pass);
                }
                text
            }
            Self::DrillWaits => "The weekly restore drill waits for the key. Put it in for a few \
                 minutes, and I try whether a few files really open."
                .to_owned(),
            Self::Damage { files, more } => damage(files, *more),
            Self::Outside(Some(seen)) => outside(seen),
            Self::Outside(None) => {
                "The vault is locked, and the data drive is not there or cannot \
                 be read. Check that it is plugged in; I look again every minute."
                    .to_owned()
            }
            Self::Stopped(tally) if tally.checked == 0 => "The check is stopped.".to_owned(),
            Self::Stopped(tally) => format!(
                "The check is stopped after {} of {} files. \"verify\" goes on from there.",
                tally.checked, tally.of
            ),
            Self::NothingRuns => {
                "No check is running. \"verify\" begins one of every file.".to_owned()
            }
            Self::Trouble => "The check ended early because the drive or the index failed. No \
                 file was touched; check the drive and its cable, and I try again."
                .to_owned(),
            Self::What { word } => format!(
                "\"{}\" names no file I can check. Send \"verify\" for all, \"verify 7\" for one, \
                 or \"verify sample\".",
                show(word)
            ),
        }
    }
}

/// What the last check of everything found.
pub(super) fn last_pass(at: i64, tally: &Tally) -> String {
    format!("Last full check on {}: {}", day(at), sum(tally))
}

/// What a line of a listing adds.
pub(super) fn mark(damaged: bool) -> &'static str {
    if damaged { ", ⚠ damaged" } else { "" }
}

/// What `status` adds.
pub(super) fn status(facts: &Facts) -> String {
    let mut text = String::new();
    if facts.damaged > 0 {
        let _ = write!(
            text,
            "\nDamaged: {}. \"verify\" checks again.",
            files(facts.damaged)
        );
    }
    if let Some(tally) = facts.running {
        let _ = write!(text, "\nChecking: {} of {}.", tally.checked, tally.of);
    }
    if let Some((at, tally)) = facts.last_pass {
        let _ = write!(text, "\nLast full check: {}, {}.", day(at), holding(&tally));
    }
    text
}

fn files(count: u64) -> String {
    if count == 1 {
        "1 file".to_owned()
    } else {
        format!("{count} files")
    }
}

fn holding(tally: &Tally) -> String {
    match tally.damaged {
        0 => "all hold".to_owned(),
        damaged => format!("{damaged} damaged"),
    }
}

/// What a check of content found.
fn sum(tally: &Tally) -> String {
    let size = bytes(tally.bytes);
    match (tally.checked, tally.damaged) {
        (0, _) => "there are no files yet.".to_owned(),
        (1, 0) => format!("the one file holds in every byte, {size}."),
        (all, 0) => format!("all {all} files hold in every byte, {size}."),
        (all, damaged) => format!(
            "{} of {all} files hold, {size}; {damaged} damaged or missing. I deleted nothing.",
            all.saturating_sub(damaged)
        ),
    }
}

/// What a drill found.
fn opened(tally: &Tally) -> String {
    let sound = tally.checked.saturating_sub(tally.damaged);
    let verb = if tally.of == 1 {
        "file opens"
    } else {
        "files open"
    };
    format!("{sound} of {} {verb}, {}.", tally.of, bytes(tally.bytes))
}

fn damage(files: &[(Line, Fault)], more: u64) -> String {
    let mut text = String::new();
    for (line, fault) in files {
        let what = match fault {
            Fault::Missing => "is missing on the drive",
            Fault::Unsound => "is damaged; what is left of it is in the quarantine folder",
            Fault::Unreadable => "cannot be read from the drive",
            Fault::Differs => "is whole, but the index says other things of it",
        };
        let _ = writeln!(text, "⚠ #{} {} {what}.", line.number, show(&line.name));
    }
    if more > 0 {
        let _ = writeln!(text, "And {more} more.");
    }
    text.push_str(
        "I deleted nothing. Look for another copy of it and send it again, and check the drive: \
         it may be failing.",
    );
    text
}

fn outside(seen: &Outside) -> String {
    let mut text = format!(
        "Locked: I checked what can be seen from outside. {}, {}",
        files(seen.files),
        bytes(seen.bytes)
    );
    let wrong = seen.strange + seen.unreadable;
    if wrong == 0 {
        text.push_str(", all of them this vault's and of a length that can be");
    }
    let _ = write!(text, "; key slots that can be read: {}.", seen.slots);
    if seen.strange > 0 {
        let _ = write!(
            text,
            " {} cut, altered or not this vault's.",
            are(seen.strange)
        );
    }
    if seen.unreadable > 0 {
        let _ = write!(text, " {} not readable.", are(seen.unreadable));
    }
    if seen.missing > 0 {
        let _ = write!(
            text,
            " Of those that wait for the key, {} missing.",
            are(seen.missing)
        );
    }
    if seen.damaged_records > 0 || seen.slots == 0 {
        text.push_str(
            " Records of keys are damaged: check that the recovery words open the vault.",
        );
    }
    if seen.set_aside > 0 {
        let _ = write!(text, " In quarantine: {}.", seen.set_aside);
    }
    text.push_str(" Only the key tells whether they open: put it in, and I check every byte.");
    text
}

fn are(count: u64) -> String {
    if count == 1 {
        "1 is".to_owned()
    } else {
        format!("{count} are")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(checked: u64, of: u64, bytes: u64, damaged: u64) -> Tally {
        Tally {
            checked,
            of,
            bytes,
            damaged,
        }
    }

    #[test]
    fn a_drill_is_one_line() {
        let drill = |tally, last_pass| VerifyReply::Drill { tally, last_pass }.text();

        assert_eq!(
            drill(tally(20, 20, 312_000_000, 0), None),
            "Restore drill: 20 of 20 files open, 312.0 MB."
        );
        assert_eq!(
            drill(
                tally(20, 20, 1_000, 1),
                Some((1_777_888_999, tally(231, 231, 5_000, 0)))
            ),
            "Restore drill: 19 of 20 files open, 1.0 kB. Last full check on 4 May 2026: all 231 \
             files hold in every byte, 5.0 kB."
        );
    }

    #[test]
    fn a_damaged_file_is_named_by_number_and_name_with_what_to_do() {
        let line = Line {
            number: 7,
            name: "summer.jpg".into(),
            bytes: 1,
            received_at: 0,
            damaged: true,
            taken_at: None,
        };

        assert_eq!(
            VerifyReply::Damage {
                files: vec![(line, Fault::Unsound)],
                more: 0
            }
            .text(),
            "⚠ #7 summer.jpg is damaged; what is left of it is in the quarantine folder.\n\
             I deleted nothing. Look for another copy of it and send it again, and check the \
             drive: it may be failing."
        );
    }

    #[test]
    fn what_is_seen_from_outside_says_that_it_is_not_all() {
        let clean = Outside {
            files: 3,
            bytes: 75_000,
            slots: 2,
            ..Outside::default()
        };
        let bad = Outside {
            strange: 1,
            missing: 2,
            set_aside: 1,
            damaged_records: 1,
            ..clean.clone()
        };

        assert_eq!(
            VerifyReply::Outside(Some(clean)).text(),
            "Locked: I checked what can be seen from outside. 3 files, 75.0 kB, all of them this \
             vault's and of a length that can be; key slots that can be read: 2. Only the key \
             tells whether they open: put it in, and I check every byte."
        );
        let told = VerifyReply::Outside(Some(bad)).text();
        for words in [
            "1 is cut",
            "2 are missing",
            "In quarantine: 1",
            "recovery words",
        ] {
            assert!(told.contains(words), "{told}");
        }
    }
}
