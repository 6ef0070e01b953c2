//! What is said about other people.

use std::fmt::Write as _;

use crate::keeper::{
    confirm::CONFIRM_SECONDS,
    reply::{ContactLine, ContactReply},
};

use super::{day, devices::groups, show, spans};

const FULL: &str = "I know the devices of 100 people, and no more. Forget somebody with \"forget\" \
                    and the address; \"contacts\" shows them.";
const THAT_IS_YOU: &str = "That is your own address. \"get 7\" sends a file back to you.";
const THAT_IS_ME: &str = "That is my own address, where the file is already. Name somebody else's.";

impl ContactReply {
    /// Returns what happened, then what the owner can do about it.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Compare {
                jid,
                fingerprints,
                is_known,
                without_key,
                number,
            } => compare(&show(jid), fingerprints, *is_known, *without_key, *number),
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
            } => format!(
                "ALARM: device {device} of {jid} shows another key than the one you compared: …{is} \
                 in place of …{was}. I sent nothing. Somebody may be reading along; ask in person, \
                 and only if the app was set up anew send \"forget {jid}\" and begin again.",
                jid = show(jid)
            ),
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
            Self::NoSuch { jid } => format!(
                "I know no device of {}. \"contacts\" shows whom I know.",
                show(jid)
            ),
            Self::Full => FULL.to_owned(),
            Self::ThatIsYou => THAT_IS_YOU.to_owned(),
            Self::ThatIsMe => THAT_IS_ME.to_owned(),
            Self::Whom { word } => whom(word),
        }
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
    is_known: bool,
    without_key: usize,
    number: u32,
) -> String {
    let devices = count(fingerprints.len(), "device");
    let mut text = if is_known {
        format!(
            "{jid} has {devices} that you have not compared. What is new gets nothing until you do:"
        )
    } else {
        format!("I never sent anything to {jid} before. It would go to {devices}:")
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
