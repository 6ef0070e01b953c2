//! What is said of and in notices.

use std::fmt::Write as _;

use crate::keeper::{
    notices::Kind,
    reply::{CustodyReply, NoticeReply, Report, VerifyReply},
    storage::DriveTrouble,
};

use super::{bytes, custody::way_in, show, storage};

impl NoticeReply {
    pub(super) fn text(&self) -> String {
        match self {
            Self::List { off, hours, local } => list(off, *hours, *local),
            Self::Switched { kind, on: true } => {
                format!("Switched on: I tell you {}.", about(*kind))
            }
            Self::Switched { kind, on: false } => format!(
                "Switched off: I no longer tell you {}. \"notices {} on\" brings that back; alarms \
                 always come.",
                about(*kind),
                kind.word()
            ),
            Self::Quiet {
                hours: Some((from, to)),
                local,
            } => format!(
                "Quiet from {from}:00 to {to}:00 every day; here it is {} now. Alarms and answers \
                 come through, and I tell the rest afterwards in one message.",
                clock(*local)
            ),
            Self::Quiet { hours: None, .. } => "There are no quiet hours any more.".to_owned(),
            Self::QuietHow => {
                "From when to when? Send for example \"quiet 22-7\", in hours of the \
                 day, or \"quiet off\"."
                    .to_owned()
            }
            Self::Which { word } => format!(
                "\"{}\" is no notice of mine. \"notices\" lists them; send for example \"notices \
                 weekly off\".",
                show(word)
            ),
            Self::Held { words, more } => held(words, *more),
            Self::Weekly(report) => weekly(report),
            Self::Waiting { files: 1, way } => {
                format!("1 file has waited for the key for a day. {}", way_in(*way))
            }
            Self::Waiting { files, way } => format!(
                "{files} files wait for the key, for a day by now. {}",
                way_in(*way)
            ),
            Self::Drive(DriveTrouble::Full) => "The data drive is full, and new files stay with their \
                 servers, which keep them for some days only. Empty the trash, or move the vault to a \
                 larger drive."
                .to_owned(),
            Self::Drive(trouble) => {
                let (what, advice) = storage::drive(*trouble);
                format!(
                    "New files stay with their servers for now: {what}. {advice} Servers keep them \
                     for some days only."
                )
            }
            Self::DriveBack => "The data drive is well again, and I go on.".to_owned(),
            Self::NearlyFull { free, forecast } => {
                let mut text = "The data drive is nearly full".to_owned();
                if let Some(free) = free {
                    let _ = write!(text, ": {} free", bytes(*free));
                }
                text + "."
                    + &storage::forecast(*forecast).replace('\n', " ")
                    + " Empty the trash, or move the vault to a larger drive."
            }
        }
    }
}

fn about(kind: Kind) -> &'static str {
    match kind {
        Kind::Weekly => "every week how things are",
        Kind::Waiting => "when files wait for the key for long",
        Kind::Drive => "when the data drive is gone, fails or fills up",
        Kind::Uploads => "when an upload expires before I could fetch it",
        Kind::Lock => "when the vault locks itself unused",
    }
}

fn list(off: &[Kind], hours: Option<(u8, u8)>, local: (u8, u8)) -> String {
    let mut text = "What I tell you without being asked:".to_owned();
    for kind in Kind::ALL {
        let state = if off.contains(&kind) { "off" } else { "on" };
        let _ = write!(text, "\n{}: {state} ({})", kind.word(), about(kind));
    }
    match hours {
        Some((from, to)) => {
            let _ = write!(text, "\nQuiet hours: {from}:00 to {to}:00");
        }
        None => text.push_str("\nQuiet hours: none"),
    }
    let _ = write!(text, "; here it is {} now.", clock(local));
    text + "\n\"notices weekly off\" switches one off, \"quiet 22-7\" sets quiet hours. Alarms \
            always come."
}

fn clock((hour, minute): (u8, u8)) -> String {
    format!("{hour}:{minute:02}")
}

fn held(words: &[String], more: u64) -> String {
    let mut text = "While it was quiet:".to_owned();
    for message in words {
        let _ = write!(text, "\n\n{message}");
    }
    if more > 0 {
        let _ = write!(
            text,
            "\n\nand {more} more. \"status\" tells how things are."
        );
    }
    text
}

fn weekly(report: &Report) -> String {
    let Report {
        came: (files, size),
        purged,
        drill,
        drill_waits,
        damaged,
        last_pass,
        waiting,
        free,
        drive,
        forecast,
        one_way_in,
    } = report;
    let mut text = match files {
        0 => "This week: no new files.".to_owned(),
        1 => format!("This week: 1 new file, {}.", bytes(*size)),
        files => format!("This week: {files} new files, {}.", bytes(*size)),
    };
    match (drill, last_pass) {
        (Some(tally), last_pass) => {
            let drill = VerifyReply::Drill {
                tally: *tally,
                last_pass: *last_pass,
            };
            let _ = write!(text, "\n{}", drill.text());
        }
        (None, Some((at, tally))) => {
            let _ = write!(text, "\n{}", super::verify::last_pass(*at, tally));
        }
        (None, None) => {}
    }
    if *drill_waits {
        text.push_str("\nThe restore drill waits for the key.");
    }
    match damaged {
        0 => {}
        1 => text.push_str("\n⚠ Damaged: 1 file."),
        damaged => {
            let _ = write!(text, "\n⚠ Damaged: {damaged} files.");
        }
    }
    if *waiting > 0 {
        let _ = write!(text, "\nWaiting for the key: {waiting}.");
    }
    match purged {
        0 => {}
        1 => text.push_str("\n1 file left the trash for good."),
        purged => {
            let _ = write!(text, "\n{purged} files left the trash for good.");
        }
    }
    match (drive, free) {
        (Some(trouble), _) => {
            let (what, advice) = storage::drive(*trouble);
            let _ = write!(text, "\nThe data drive takes no files: {what}. {advice}");
        }
        (None, Some(free)) => {
            let _ = write!(text, "\nFree on the drive: {}.", bytes(*free));
            text += &storage::forecast(*forecast);
        }
        (None, None) => {}
    }
    if let Some(mode) = one_way_in {
        let _ = write!(text, "\n{}", CustodyReply::OneWayIn(*mode).text());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keeper::{storage::Forecast, verify::Tally};

    #[test]
    fn a_report_tells_what_there_is_to_tell_and_no_more() {
        let tally = Tally {
            checked: 20,
            of: 20,
            bytes: 61_000_000,
            damaged: 0,
        };
        let full = Report {
            came: (34, 99_000_000),
            purged: 3,
            drill: Some(tally),
            drill_waits: false,
            damaged: 0,
            last_pass: Some((
                1_800_000_000,
                Tally {
                    checked: 4_211,
                    of: 4_211,
                    bytes: 13_000_000_000,
                    damaged: 0,
                },
            )),
            waiting: 0,
            free: Some(120_000_000_000),
            drive: None,
            forecast: Forecast::default(),
            one_way_in: None,
        };
        let nothing = Report {
            came: (0, 0),
            purged: 0,
            drill: None,
            last_pass: None,
            free: None,
            ..full.clone()
        };

        assert_eq!(
            NoticeReply::Weekly(full).text(),
            "This week: 34 new files, 99.0 MB.\n\
             Restore drill: 20 of 20 files open, 61.0 MB. Last full check on 15 Jan 2027: all 4211 \
             files hold in every byte, 13.0 GB.\n\
             3 files left the trash for good.\n\
             Free on the drive: 120.0 GB."
        );
        assert_eq!(
            NoticeReply::Weekly(nothing).text(),
            "This week: no new files."
        );
    }
}
