//! What is said about other people.

use std::fmt::Write as _;

use crate::keeper::{
    command::Pick,
    confirm::CONFIRM_SECONDS,
    reply::{ContactLine, ContactReply},
};

use super::{day, devices::groups, show, spans};

const FULL: &str = "I know the devices of 100 people, and no more. Forget somebody with \"forget\" \
                    and the address; \"contacts\" shows them.";
const THAT_IS_YOU: &str = "That is your own address. \"get 7\" sends a file back to you.";
const THAT_IS_ME: &str = "That is my own address, where the file is already. Name somebody else's.";

const ODD_ADDRESS: &str = "I send only to addresses in plain letters (a-z, 0-9 and signs) of at most 120 \
                           characters, because any other can look like somebody else's. Ask for \
                           another address of theirs; a server's name in other letters has a plain \
                           form, which begins with \"xn--\".";
/// People who are named in one sentence.
const NAMED: usize = 5;

impl ContactReply {
    /// Returns what happened, then what the owner can do about it.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Compare {
                jid,
                fingerprints,
                picks,
                without_key,
                number,
            } => {
                let picks = picks.as_deref();
                compare(&show(jid), fingerprints, picks, *without_key, *number)
            }
            Self::SendAsk {
                jid,
                picks,
                devices,
                number,
            } => send_ask(&show(jid), &files(picks), *devices, *number),
            Self::Befriended { jid, devices } => format!(
                "I know {} of {} now and send there what you ask for, and I still read nothing \
                 from there. \"contacts\" shows whom I know.",
                count(*devices, "device"),
                show(jid)
            ),
            Self::Swapped {
                jid,
                device,
                was,
                is,
            } => swapped(&show(jid), *device, was, is),
            Self::NoDevices { jid } => format!(
                "{} shows no device that reads encrypted messages, so I sent nothing. OMEMO has to \
                 be switched on there first; then ask again.",
                show(jid)
            ),
            Self::TooManyDevices { jid, devices } => format!(
                "{} lists {devices} devices, more than anybody would compare, so I sent nothing. \
                 Have the old ones removed there, then ask again.",
                show(jid)
            ),
            Self::NotFound { jid } => format!(
                "I could not learn which devices {} has, so I sent nothing. Check the address, and \
                 ask again later: that server may be away.",
                show(jid)
            ),
            Self::Sent { jid, numbers } => {
                format!("✅ {} sent to {}.", spans(numbers), show(jid))
            }
            Self::Bounced { jid, numbers } => format!(
                "{} did not reach {}: the server gave it back. Check the address, and send it again \
                 later.",
                spans(numbers),
                show(jid)
            ),
            Self::LeftOver { jid, numbers } => left_over(&show(jid), numbers),
            Self::NotHanded { jid, numbers } => format!(
                "{} was not sent to {}: no device of theirs can be written to any more. Ask for it \
                 again.",
                spans(numbers),
                show(jid)
            ),
            Self::List(lines) => list(lines),
            Self::Forgotten { jid } => format!(
                "I know no device of {} any more. What was sent before stays there.",
                show(jid)
            ),
            Self::Dropped { jid } => {
                format!("I ask no more about {}, and sent nothing there.", show(jid))
            }
            Self::NoSuch { jid } => format!(
                "I know no device of {}. \"contacts\" shows whom I know.",
                show(jid)
            ),
            Self::Full => FULL.to_owned(),
            Self::ThatIsYou => THAT_IS_YOU.to_owned(),
            Self::ThatIsMe => THAT_IS_ME.to_owned(),
            Self::Whom { word } => whom(word),
            Self::OddAddress => ODD_ADDRESS.to_owned(),
        }
    }
}

fn send_ask(jid: &str, files: &str, devices: usize, number: u32) -> String {
    format!(
        "Shall I send {files} to {jid} ({})? If so, send {number} within {} minutes.",
        count(devices, "device"),
        CONFIRM_SECONDS / 60
    )
}

fn swapped(jid: &str, device: u32, was: &str, is: &str) -> String {
    format!(
        "ALARM: device {device} of {jid} shows another key than the one you compared: …{is} in \
         place of …{was}. I sent nothing. Somebody may be reading along; ask in person, and only if \
         the app was set up anew send \"forget {jid}\" and begin again."
    )
}

fn left_over(jid: &str, numbers: &[u64]) -> String {
    let what = if numbers.is_empty() {
        "what you asked for".to_owned()
    } else {
        spans(numbers)
    };
    format!(
        "I was restarted before {what} went to {jid}, and did not send it: the devices there may \
         have changed since. Ask for it again."
    )
}

/// Names those to whom files still go although a device was shut out; nothing where there are none.
pub(super) fn still_known(jids: &[String]) -> String {
    let named: Vec<String> = jids.iter().take(NAMED).map(|jid| show(jid)).collect();
    let more = jids.len().saturating_sub(NAMED);
    match (named.as_slice(), more) {
        ([], _) => String::new(),
        ([jid], _) => {
            format!(" I still send to {jid} when you ask; \"forget {jid}\" ends it.")
        }
        (_, 0) => format!(
            " I still send to {} when you ask; \"forget\" and the address ends it.",
            named.join(", ")
        ),
        (_, more) => format!(
            " I still send to {} and {more} more when you ask (\"contacts\" shows all); \"forget\" \
             and the address ends it.",
            named.join(", ")
        ),
    }
}

/// Names what was picked: `#7`, `100 files (#1-#100)`, `the newest 3 files`.
fn files(picks: &[Pick]) -> String {
    let (mut total, mut parts) = (0_u64, Vec::new());
    for pick in picks {
        let (many, part) = match *pick {
            Pick::Range { first, last } if first == last => (1, format!("#{first}")),
            Pick::Range { first, last } => {
                let many = last.saturating_sub(first).saturating_add(1);
                (many, format!("#{first}-#{last}"))
            }
            Pick::Last { count: 1 } => (1, "the newest file".to_owned()),
            Pick::Last { count } => (count, format!("the newest {count} files")),
        };
        total = total.saturating_add(many);
        parts.push(part);
    }
    let parts = parts.join(", ");
    if total == 1 || matches!(picks, [Pick::Last { .. }]) {
        parts
    } else {
        format!("{total} files ({parts})")
    }
}

fn whom(word: &str) -> String {
    if word.is_empty() {
        return "Whom? Send for example \"send 7 to bob@example.org\" or \"forget \
                bob@example.org\"."
            .to_owned();
    }
    format!(
        "\"{}\" is no address I can write to. Send for example \"send 7 to bob@example.org\".",
        show(word)
    )
}

fn compare(
    jid: &str,
    fingerprints: &[String],
    picks: Option<&[Pick]>,
    without_key: usize,
    number: u32,
) -> String {
    let devices = count(fingerprints.len(), "device");
    let mut text = match picks {
        None => format!(
            "{jid} has {devices} that you have not compared. What is new gets nothing until you do:"
        ),
        Some(picks) => format!(
            "I never sent anything to {jid} before. I would send {} to {devices}:",
            files(picks)
        ),
    };
    for fingerprint in fingerprints {
        let _ = write!(text, "\n{}", groups(fingerprint));
    }
    if without_key > 0 {
        let more = count(without_key, "more device");
        let _ = write!(text, "\n{more} showed no key and would get nothing.");
    }
    let minutes = CONFIRM_SECONDS / 60;
    let _ = write!(
        text,
        "\nCompare with {jid} on another way than this chat. If all is the same, send {number} \
         within {minutes} minutes."
    );
    text
}

fn list(lines: &[ContactLine]) -> String {
    if lines.is_empty() {
        return "I know nobody but you. \"send 7 to bob@example.org\" sends a file to somebody \
                after you have compared fingerprints."
            .to_owned();
    }
    let rows: Vec<String> = lines
        .iter()
        .map(|line| {
            let tails: Vec<String> = line.tails.iter().map(|it| format!("…{it}")).collect();
            let (jid, since) = (show(&line.jid), day(line.since));
            format!("{jid}, since {since}: {}", tails.join(", "))
        })
        .collect();
    rows.join("\n")
}

fn count(number: usize, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        many => format!("{many} {what}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_go_is_named() {
        let one = |number| Pick::Range {
            first: number,
            last: number,
        };
        let range = Pick::Range { first: 1, last: 99 };
        let last = |count| Pick::Last { count };
        for (picks, named) in [
            (vec![one(7)], "#7"),
            (vec![range, one(100)], "100 files (#1-#99, #100)"),
            (vec![last(1)], "the newest file"),
            (vec![last(3)], "the newest 3 files"),
            (vec![one(7), last(3)], "4 files (#7, the newest 3 files)"),
            (vec![last(3), one(7)], "4 files (the newest 3 files, #7)"),
        ] {
            assert_eq!(files(&picks), named);
        }
    }

    #[test]
    fn those_to_whom_files_still_go_are_named_as_far_as_one_sentence_holds_them() {
        let people = |count: usize| -> Vec<String> {
            let people = (1..=count).map(|it| format!("p{it}@other.example"));
            people.collect()
        };

        assert_eq!(still_known(&people(0)), "");
        assert_eq!(
            still_known(&people(1)),
            " I still send to p1@other.example when you ask; \"forget p1@other.example\" ends it."
        );
        let seven = still_known(&people(7));
        assert!(seven.contains("p5@other.example and 2 more") && !seven.contains("p6"));
    }
}
