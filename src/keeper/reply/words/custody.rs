//! What is said about opening and locking.

use std::fmt::Write as _;

use chrono::DateTime;

use crate::keeper::{
    custody::{Mode, Standing},
    reply::{CustodyReply, Slot, WayIn},
};

use super::{day, show};

impl CustodyReply {
    /// Returns what happened, then what the owner can do about it.
    pub(super) fn text(&self) -> String {
        match self {
            Self::MayTakeOut { idle_seconds: 0 } => "You may take the key out now; the vault \
                 stays open until you send \"lock\"."
                .to_owned(),
            Self::MayTakeOut { idle_seconds } => format!(
                "You may take the key out now. The vault locks when you send \"lock\", and after \
                 {} without a command.",
                span(*idle_seconds)
            ),
            Self::LockedByIdle { seconds, way } => format!(
                "The vault locked itself after {} without a command. Photos still arrive. {}",
                span(*seconds),
                way_in(*way)
            ),
            Self::LockedAfterErrand(WayIn::PutInAgain) => {
                "That was all, and the vault is locked again. You may take the key out.".to_owned()
            }
            Self::LockedAfterErrand(_) => "That was all, and the vault is locked again.".to_owned(),
            Self::PutKeyIn { waiting, way } => put_key_in(*waiting, *way),
            Self::NeedOver(way) => format!(
                "The vault was not opened within 10 minutes, so I sent nothing of what you asked \
                 for. Ask again when you are ready. {}",
                way_in(*way)
            ),
            Self::WrongCode { left: 0, again_at } | Self::NoTriesLeft { again_at } => format!(
                "Five codes were wrong, so I try no more for now. Try again at {}.",
                clock(*again_at)
            ),
            Self::WrongCode { left, .. } => format!(
                "That code does not open the vault. Check it and send it again; tries left: \
                 {left}."
            ),
            Self::WhichCode => "That is no code: it has ten letters and digits. Send for example \
                 \"unlock ABCDE-12345\"."
                .to_owned(),
            Self::NoCodeHere(way) => format!(
                "This vault opens with the key, not with a code in the chat. {}",
                way_in(*way)
            ),
            Self::AlreadyOpen => "The vault is open already, and I did not try the code. Delete \
                 that message in your phone."
                .to_owned(),
            Self::CodeInHistory => {
                "Your code now lies in the history of this chat, on every phone \
                 that shows it. Delete that message there."
                    .to_owned()
            }
            Self::WordsExposed => "Those look like recovery words. I kept nothing of them, but \
                 they now lie in this chat's history: whoever reads it and takes the drive can \
                 open the vault. Delete the message on every phone, and make new words on the Pi."
                .to_owned(),
            Self::Keys { slots } => keys(slots),
            Self::OneWayIn(Mode::MemoryOnly) => "One thing can still lose everything: if the \
                 system card fails, only your recovery words open the vault. Check that you can \
                 read all 24."
                .to_owned(),
            Self::OneWayIn(Mode::Drawer | Mode::Presence) => "One lost stick loses everything, \
                 unless you still have your recovery words. Make a spare stick, or check that you \
                 can read all 24 words."
                .to_owned(),
        }
    }
}

fn keys(slots: &[Slot]) -> String {
    let mut text = "What opens the vault:".to_owned();
    for slot in slots {
        let name = slot
            .name
            .as_deref()
            .map_or_else(|| "one that this vault did not make".to_owned(), show);
        let _ = write!(text, "\n- {name}");
        if let Some(since) = slot.since {
            let _ = write!(text, ", since {}", day(since));
        }
        if slot.opened {
            text.push_str(" (it opened the vault now)");
        }
    }
    text
}

/// What opens a locked vault.
pub(super) fn way_in(way: WayIn) -> &'static str {
    match way {
        WayIn::PutIn => "Put the key in to open it.",
        WayIn::PutInAgain => "Take the key out and put it in again to open it.",
        WayIn::SendCode => {
            "Send \"unlock\" and your code to open it, or type your words at the Pi."
        }
        WayIn::Wait => "It is being opened; ask again in a moment.",
    }
}

fn put_key_in(waiting: u64, way: WayIn) -> String {
    let mut text = "The vault is locked".to_owned();
    match waiting {
        0 => {}
        1 => text.push_str("; 1 file waits for the key"),
        waiting => {
            let _ = write!(text, "; {waiting} files wait for the key");
        }
    }
    text.push_str(match way {
        WayIn::PutIn => ". Put the key in within 10 minutes",
        WayIn::PutInAgain => ". Take the key out and put it in again within 10 minutes",
        WayIn::SendCode => ". Send \"unlock\" and your code within 10 minutes",
        WayIn::Wait => ". Wait a moment",
    });
    text.push_str(", and I send what you asked for and lock it again.");
    text
}

/// How the vault is opened, and since when it is as it is.
pub(super) fn standing(standing: &Standing, open: bool) -> String {
    let mut text = match standing.mode {
        Mode::Drawer => "Drawer mode (the key may be taken out)",
        Mode::Presence => "Presence mode (the key stays in while it is open)",
        Mode::MemoryOnly => "Memory-only mode (no key device)",
    }
    .to_owned();
    if let Some(seconds) = standing.for_seconds {
        let state = if open { "open" } else { "locked" };
        let _ = write!(text, "; {state} for {}", span(seconds));
    }
    text.push('.');
    if let Some(seconds) = standing.key_in_seconds {
        let _ = write!(text, " The key has been in for {}.", span(seconds));
    }
    text
}

/// Writes a span of time in the largest unit that fits twice, so that it is not too coarse.
fn span(seconds: i64) -> String {
    const UNITS: [(i64, &str); 4] = [
        (24 * 60 * 60, "day"),
        (60 * 60, "hour"),
        (60, "minute"),
        (1, "second"),
    ];
    let seconds = seconds.max(0);
    let fits = UNITS
        .into_iter()
        .find(|(unit, _)| seconds >= 2 * unit || seconds == *unit);
    let (unit, name) = fits.unwrap_or((1, "second"));
    match seconds / unit {
        1 => format!("1 {name}"),
        count => format!("{count} {name}s"),
    }
}

pub(super) fn clock(seconds: i64) -> String {
    DateTime::from_timestamp(seconds, 0).map_or_else(
        || "a later time".to_owned(),
        |at| at.format("%H:%M").to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_as_people_say_them() {
        let shown = [
            0, 1, 59, 60, 119, 120, 1_800, 3_600, 7_199, 7_200, 90_000, 172_800,
        ]
        .map(span);

        assert_eq!(
            shown,
            [
                "0 seconds",
                "1 second",
                "59 seconds",
                "1 minute",
                "119 seconds",
                "2 minutes",
                "30 minutes",
                "1 hour",
                "119 minutes",
                "2 hours",
                "25 hours",
                "2 days"
            ]
        );
    }

    #[test]
    fn keys_are_listed_with_their_day_and_the_one_in_use() {
        let slot = |name: Option<&str>, opened| Slot {
            name: name.map(str::to_owned),
            since: name.map(|_| 1_777_888_999),
            opened,
        };
        let slots = vec![
            slot(Some("key device"), true),
            slot(Some("bank\nsafe"), false),
            slot(None, false),
        ];

        assert_eq!(
            CustodyReply::Keys { slots }.text(),
            "What opens the vault:\n- key device, since 4 May 2026 (it opened the vault now)\n\
             - bank·safe, since 4 May 2026\n- one that this vault did not make"
        );
    }

    #[test]
    fn the_fifth_wrong_code_names_the_time() {
        let wrong = |left| CustodyReply::WrongCode {
            left,
            again_at: 1_800_000_000,
        };

        assert!(wrong(4).text().ends_with("tries left: 4."));
        assert!(wrong(0).text().ends_with("Try again at 08:00."));
    }

    #[test]
    fn status_tells_mode_since_when_and_how_long_the_key_is_in() {
        let facts = Standing {
            mode: Mode::Drawer,
            for_seconds: Some(600),
            key_in_seconds: Some(660),
        };

        assert_eq!(
            standing(&facts, true),
            "Drawer mode (the key may be taken out); open for 10 minutes. The key has been in for \
             11 minutes."
        );
    }
}
