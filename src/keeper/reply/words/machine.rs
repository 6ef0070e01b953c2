//! What is said about the machine.

use crate::keeper::{confirm::CONFIRM_SECONDS, machine::Errand, reply::MachineReply};

/// What our presence says while the vault is open.
pub const SHOWN_OPEN: &str = "The vault is open";
/// What our presence says while the vault is locked.
pub const SHOWN_LOCKED: &str = "The vault is locked; photos still arrive";

impl MachineReply {
    pub(super) fn text(self) -> String {
        let words = match self {
            Self::Ask { errand, number } => return ask(errand, number),
            Self::Restarting => {
                "I restart now, and tell you when I am back. Photos that arrive meanwhile wait \
                 with their servers."
            }
            Self::Back => "I am back.",
            Self::Recovered { starts } => {
                return format!(
                    "I am back, after {starts} starts in a row that came to nothing. If it happens \
                     again, look at the power supply and the card; \"journalctl -u strongroom\" on \
                     the Pi says more."
                );
            }
            Self::Unread { files, questions } => return unread(files, questions),
            Self::SwitchingOff => {
                "The vault is locked and the Pi switches off now. Wait until its green light has \
                 stopped blinking before you pull the plug."
            }
            Self::NotOff => {
                "The Pi could not be told to switch off; the vault is locked. Try again, or switch \
                 it off at the console; the journal on the Pi says more."
            }
            Self::NoSwitch => {
                "Switching off by chat is not set up on this machine. Send \"lock\" and switch it \
                 off at the console, or name the folder commands.requests in the settings."
            }
            Self::Ejected => {
                "The vault is locked and everything is on the drive: you may pull it now. I use it \
                 again when it is plugged in anew; if you leave it in, send \"eject off\". Photos \
                 wait with their servers."
            }
            Self::NotEjected => {
                "The vault is locked, but the drive did not confirm that it has everything. Leave \
                 it in for a minute and send \"eject\" again; the journal on the Pi says more."
            }
            Self::TakenBack => "I use the data drive again.",
            Self::NotOut => "The data drive is in use. \"eject\" lets go of it.",
            Self::EjectHow => {
                "Send \"eject\" before you pull the data drive, or \"eject off\" to use it again."
            }
        };
        words.to_owned()
    }
}

fn unread(files: u32, questions: u32) -> String {
    let files = match files {
        0 => None,
        1 => Some("1 file on its way in".to_owned()),
        many => Some(format!("{many} files on their way in")),
    };
    let questions = match questions {
        0 => None,
        1 => Some("1 command not answered".to_owned()),
        many => Some(format!("{many} commands not answered")),
    };
    let left = [files.as_deref(), questions.as_deref()];
    let left = left.into_iter().flatten().collect::<Vec<_>>().join(" and ");
    let kept = match files {
        Some(_) => " A file that was kept already is on the drive: \"unproven\" shows it.",
        None => "",
    };
    format!(
        "The version that ran before me left {left}, in a form that I cannot read. Please send that \
         again.{kept}"
    )
}

fn ask(errand: Errand, number: Option<u32>) -> String {
    let (question, word) = match errand {
        Errand::Off => (
            "Switch the Pi off? Only its plug switches it on again, and until then nothing arrives.",
            "off",
        ),
        Errand::Restart | Errand::Eject | Errand::TakeBack => (
            "Restart? Running checks and deliveries go on afterwards.",
            "restart",
        ),
    };
    match number {
        Some(number) => format!(
            "{question} Send {number} within {} minutes.",
            CONFIRM_SECONDS / 60
        ),
        None => format!("{question} Send \"{word}\" again for a fresh number."),
    }
}
