//! What is said about the owner's devices.

use std::fmt::Write as _;

use crate::keeper::{
    devices::{Level, Listed, Own, tail},
    reply::{DeliveryFailure, DeviceLine, DeviceReply, Revocation},
};

use super::{bytes, contacts::still_known, day, not_sent, show};

const ADDRESS_PICTURE: &str = "My address as a picture: scan it with the app that is to write to me. It \
                               carries my fingerprint, which \"fingerprints\" shows in digits.";

impl DeviceReply {
    /// Returns what happened, then what the owner can do about it.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Paired { theirs, ours } => format!(
                "Paired: this phone may now command the vault. Compare once: your fingerprint ends \
                 in {theirs}, mine in {ours}. Share a photo and I keep it; \"help\" tells the rest."
            ),
            Self::PairingNeeded => "I do not know this phone yet. Send the pairing code that \
                 set-up showed, and nothing else."
                .to_owned(),
            Self::PairingWrong { left } => format!(
                "That is not the pairing code. Check it and send it again; tries left: {left}."
            ),
            Self::PairingOver => "The pairing code is no longer valid. Run \"strongroom pair\" on \
                 the Pi and send me the new one."
                .to_owned(),
            Self::Meet { theirs, ours } => format!(
                "You may command this vault: you are …{theirs}, I am …{ours}. Compare both once; \
                 \"help\" tells the rest."
            ),
            Self::NotLetIn { theirs, ours } => format!(
                "I do not know this device yet and do nothing it asks: you are …{theirs}, I am \
                 …{ours}. A device that I trust can let it in; files that you send meanwhile I \
                 keep apart until then."
            ),
            Self::New {
                device,
                fingerprint,
                digits,
            } => new(*device, fingerprint, digits),
            Self::Held { tail } => format!(
                "The new device …{tail} sent a file. I keep what it sends apart until you send \
                 \"trust\" or \"revoke\" and its digits; \"devices\" shows how much it is."
            ),
            Self::BoxFull { tail } => format!(
                "The new device …{tail} sends more than I keep apart (100 files or 1 GiB), and I \
                 take no more of it. Let it in with \"trust\" or turn it away with \"revoke\"."
            ),
            Self::LetIn { tail, held: 0 } => format!("…{tail} may now command the vault."),
            Self::LetIn { tail, held } => format!(
                "…{tail} may now command the vault. I take in what it sent before ({}).",
                files(*held)
            ),
            Self::TrustAsk {
                fingerprint,
                held,
                number,
            } => trust_ask(fingerprint, *held, *number),
            Self::RevokeAsk(asked) => revoke_ask(asked),
            Self::Revoked {
                tail,
                held,
                is_pinned,
                contacts,
            } => revoked(tail, *held, *is_pinned) + &still_known(contacts),
            Self::RevokedByStick {
                tails,
                unknown,
                unread,
                contacts,
            } => by_stick(tails, *unknown, *unread) + &still_known(contacts),
            Self::NoSuch { digits } => {
                format!("No device ends in {digits}. \"devices\" shows those I know.")
            }
            Self::MoreDigits { digits } => format!(
                "More than one device ends in {digits}. Send more of its last digits; \
                 \"fingerprints\" and the notice about the new one show them."
            ),
            Self::AlreadyTrusted { tail } => format!("…{tail} may command the vault already."),
            Self::IsRevoked { tail } => format!(
                "…{tail} was shut out, and its digits do not bring it back. Only its whole \
                 fingerprint does, put anew into the vault's settings."
            ),
            Self::TrustWhom { word } => which("Trust", "trust", word),
            Self::RevokeWhat { word } => which("Revoke", "revoke", word),
            Self::List(lines) => list(lines),
            Self::Fingerprints { own, devices } => fingerprints(own, devices),
            Self::AddressPicture => ADDRESS_PICTURE.to_owned(),
            Self::AddressPictureNotSent(why) => picture_not_sent(*why),
            Self::Reader { device, listed } => reader(*device, *listed),
        }
    }
}

fn picture_not_sent(why: DeliveryFailure) -> String {
    match why {
        DeliveryFailure::Damaged | DeliveryFailure::NothingToShow | DeliveryFailure::Locked => {
            "The picture of my address could not be drawn. \"fingerprints\" says the same in words."
                .to_owned()
        }
        DeliveryFailure::NoUpload
        | DeliveryFailure::TooLarge { .. }
        | DeliveryFailure::ServerTrouble
        | DeliveryFailure::Offline => {
            let file = not_sent(0, why);
            let why = file.trim_start_matches("#0");
            format!("The picture of my address{why} \"fingerprints\" says the same in words.")
        }
    }
}

fn trust_ask(fingerprint: &str, held: u64, number: u32) -> String {
    let mut text = format!(
        "Shall this device command the vault and get every file in it? Its fingerprint:\n{}\n",
        groups(fingerprint)
    );
    if held > 0 {
        let _ = writeln!(text, "It sent {} already.", files(held));
    }
    let _ = write!(
        text,
        "Compare it with what that device shows. If all is the same, send {number} within 5 \
         minutes."
    );
    text
}

fn revoke_ask(asked: &Revocation) -> String {
    let tail = tail(&asked.fingerprint);
    let mut text = match (asked.is_asker, asked.is_trusted) {
        (true, _) => format!("Shall I shut out …{tail}, the very device you write on?"),
        (false, true) => format!("Shall I shut out …{tail}, which may command now?"),
        (false, false) => format!("Shall I turn …{tail} away?"),
    };
    text.push_str(" It gets nothing from me any more, and I never obey it again.");
    if asked.held > 0 {
        let _ = write!(
            text,
            " What it sent so far ({}) is removed.",
            files(asked.held)
        );
    }
    if asked.is_last {
        text.push_str(
            " It is the LAST one that may command: afterwards only a new code, made at the Pi with \
             \"strongroom pair\", lets a device in.",
        );
    }
    let number = asked.number;
    let _ = write!(text, " If so, send {number} within 5 minutes.");
    text
}

fn files(count: u64) -> String {
    match count {
        1 => "1 file".to_owned(),
        count => format!("{count} files"),
    }
}

/// Writes a fingerprint as apps show it.
pub(super) fn groups(fingerprint: &str) -> String {
    let characters: Vec<char> = fingerprint.chars().collect();
    let groups: Vec<String> = characters
        .chunks(8)
        .map(|group| group.iter().collect())
        .collect();
    groups.join(" ")
}

fn new(device: u32, fingerprint: &str, digits: &str) -> String {
    format!(
        "A new device of yours, …{}, wants in (device {device}); I do nothing it asks. Compare the \
         last digits on it; to trust it send: trust {digits}\nIf it is not yours, send: revoke \
         {digits}, remove it from your account and change that password.\n{}",
        tail(fingerprint),
        groups(fingerprint)
    )
}

fn revoked(tail: &str, held: u64, is_pinned: bool) -> String {
    let mut text =
        format!("…{tail} is shut out: it gets nothing from me and is never obeyed again.");
    if held > 0 {
        let _ = write!(text, " What it had sent ({}) is removed.", files(held));
    }
    if is_pinned {
        text.push_str(" Take its fingerprint out of the vault's settings, too.");
    }
    text.push_str(
        " Remove it from your XMPP account and change that password, so that it reads nothing new \
         there.",
    );
    text
}

fn by_stick(tails: &[String], unknown: usize, unread: usize) -> String {
    let mut text = "I read revoke.txt on the key stick.".to_owned();
    if !tails.is_empty() {
        let tails: Vec<String> = tails.iter().map(|tail| format!("…{tail}")).collect();
        let _ = write!(
            text,
            " Shut out, and never obeyed again: {}.",
            tails.join(", ")
        );
    }
    match unknown {
        0 => {}
        1 => text.push_str(" One fingerprint in it is of no device I know; it stays out."),
        count => {
            let _ = write!(
                text,
                " {count} fingerprints in it are of no device I know; they stay out."
            );
        }
    }
    match unread {
        0 => {}
        1 => text.push_str(
            " One line is no whole fingerprint, and I did nothing for it; write all 64 digits.",
        ),
        count => {
            let _ = write!(
                text,
                " {count} lines are no whole fingerprints, and I did nothing for them; write all 64 \
                 digits."
            );
        }
    }
    text
}

fn which(what: &str, word: &str, typed: &str) -> String {
    if typed.is_empty() {
        return format!(
            "{what} which device? Send for example \"{word} 8c1f\"; \"devices\" shows them."
        );
    }
    format!(
        "\"{}\" are no last digits of a fingerprint. Send at least four of 0-9 and a-f, for \
         example \"{word} 8c1f\".",
        show(typed)
    )
}

fn list(lines: &[DeviceLine]) -> String {
    let mut text = "Your devices:".to_owned();
    for line in lines {
        let level = match line.level {
            Level::New => "new, not let in",
            Level::Paired => "paired by code",
            Level::Vouched => "let in from the chat",
            Level::Pinned => "in the settings",
            Level::Revoked => "shut out",
        };
        let _ = write!(
            text,
            "\n- …{} (device {}): {level}, since {}",
            tail(&line.fingerprint),
            line.id,
            day(line.since)
        );
        if let Some(at) = line.heard_at {
            let _ = write!(text, ", last heard {}", day(at));
        }
        if let (count @ 1.., size) = line.held {
            let _ = write!(
                text,
                "; from a new device, not yet trusted: {}, {}",
                files(count),
                bytes(size)
            );
        }
        if line.lost > 0 {
            let _ = write!(text, "; not kept: {}", files(line.lost.into()));
        }
    }
    text
}

fn fingerprints(own: &Own, devices: &[DeviceLine]) -> String {
    let mut text = format!(
        "My fingerprint:\n{}\nMy address, as a link or for a QR code:\n{own}",
        groups(&own.fingerprint)
    );
    for line in devices {
        let _ = write!(
            text,
            "\n\nDevice {}, which may command:\n{}",
            line.id,
            groups(&line.fingerprint)
        );
    }
    text
}

fn reader(device: u32, listed: Listed) -> String {
    match listed {
        Listed::AsOurs => format!(
            "Your phone also encrypts to device {device}, which I don't know: it stands on my \
             account and is not me, so somebody else may read what you send. Distrust it in your \
             app, and change the password of the vault's account."
        ),
        Listed::AsOwners => format!(
            "Your phone also encrypts to device {device}, which I don't know: it stands on your \
             own account and can read what you send me. If it is not yours, remove it from your \
             account and change that password."
        ),
        Listed::Nowhere => format!(
            "Your phone also encrypts to device {device}, which I don't know: it is on no list of \
             yours or mine. Look into the list of my devices in your app, and distrust all but \
             the one whose fingerprint \"fingerprints\" shows."
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b8c1f";

    #[test]
    fn a_new_device_is_shown_with_its_digits_and_what_to_send() {
        let text = DeviceReply::New {
            device: 7,
            fingerprint: KEY.to_owned(),
            digits: "8c1f".to_owned(),
        }
        .text();

        assert!(text.starts_with(
            "A new device of yours, …aa9b8c1f, wants in (device 7); I do nothing it asks. Compare \
             the last digits on it; to trust it send: trust 8c1f\n"
        ));
        assert!(text.ends_with(
            "\n8520f009 8930a754 748b7ddc b43ef75a 0dbf3a0d 26381af4 eba4a98e aa9b8c1f"
        ));
    }

    #[test]
    fn the_list_tells_what_a_new_device_sent() {
        let line = DeviceLine {
            id: 7,
            fingerprint: KEY.to_owned(),
            level: Level::New,
            since: 1_777_888_999,
            heard_at: Some(1_777_888_999),
            held: (2, 3_149_000),
            lost: 1,
        };

        assert_eq!(
            DeviceReply::List(vec![line]).text(),
            "Your devices:\n- …aa9b8c1f (device 7): new, not let in, since 4 May 2026, last heard \
             4 May 2026; from a new device, not yet trusted: 2 files, 3.1 MB; not kept: 1 file"
        );
    }

    #[test]
    fn revoking_the_last_device_says_what_then_remains() {
        let ask = |is_last| {
            DeviceReply::RevokeAsk(Revocation {
                fingerprint: KEY.to_owned(),
                is_trusted: true,
                held: 0,
                is_asker: true,
                is_last,
                number: 483_911,
            })
            .text()
        };

        assert!(ask(true).contains("strongroom pair"));
        assert!(!ask(false).contains("strongroom pair"));
        assert!(ask(true).ends_with("If so, send 483911 within 5 minutes."));
    }
}
