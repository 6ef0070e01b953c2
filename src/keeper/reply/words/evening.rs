//! What is said while drive and stick become a vault.

use std::fmt::Write as _;

use super::{bytes, show};
use crate::keeper::{
    confirm::CONFIRM_SECONDS,
    evening::{Holds, Home, Offer, Refused},
    reply::EveningReply,
};

impl EveningReply {
    pub(super) fn text(&self) -> String {
        let words = match self {
            Self::Found { offers, has_vault } => return found(offers, *has_vault),
            Self::AskMake {
                drive,
                stick,
                number,
            } => return ask_make(drive.as_deref(), stick.as_deref(), *number),
            Self::AskSpare { stick, number } => return ask_spare(stick.as_deref(), *number),
            Self::AskLive { home, number } => return ask_live(*home, *number),
            Self::NotShown { name } => {
                return format!(
                    "I have not shown you \"{}\". Plug it in, and send \"drives\".",
                    show(name)
                );
            }
            Self::Refused(why) => refused(*why),
            Self::Invite => {
                "There is no vault yet. Plug an empty drive and a USB stick into the Pi, and send \
                 \"drives\"."
            }
            Self::Working => "I prepare it. This takes a minute or two; leave both plugged in.",
            Self::Made => {
                "The vault is made. Share a photo here and I keep it.\n\
                 One lost stick loses everything: plug in a second stick, leave the first one in, and \
                 send \"drives\"; then keep the second one in another place.\n\
                 Where will the first stick live? \"prepare drawer\": you put it in when you want \
                 something back, and whoever takes the Pi gets no file. \"prepare pi\": it stays in, \
                 pulling it locks the vault, and a thief who takes all gets all. It is \"drawer\" until \
                 you say otherwise."
            }
            Self::MadeBut => {
                "The vault is made, but a last step did not work. Restart the Pi, put the stick in, and \
                 send \"status\"; \"journalctl -u strongroom-prepare\" on the Pi says more. Then plug in \
                 a second stick, and send \"drives\"."
            }
            Self::SpareMade => {
                "The second stick opens the vault too. Take it out and keep it in another place than \
                 the first."
            }
            Self::Lives(Home::Drawer) => {
                "The stick lives in a drawer from now on: put it in to open the vault, and take it out \
                 again at once. I begin anew with that."
            }
            Self::Lives(Home::Pi) => {
                "The stick lives in the Pi from now on: the vault is open while it is in and locks at \
                 once when you pull it. A thief who takes all gets all. I begin anew with that."
            }
            Self::NoVault => {
                "There is no vault yet, so that comes later. Plug an empty drive and a USB stick in, \
                 and send \"drives\"."
            }
            Self::NotHere => {
                "I can prepare no drives on this machine. Do it at its console: \"strongroom init\"."
            }
            Self::PrepareHow => {
                "Which drive and which stick? \"drives\" shows what is there; then send for example \
                 \"prepare T7 SanDisk\", or \"prepare spare Kingston\", \"prepare drawer\", \"prepare \
                 pi\"."
            }
        };
        words.to_owned()
    }
}

fn line(offer: &Offer) -> String {
    let model = show(&offer.model);
    let size = bytes(offer.bytes);
    let kind = offer.file_system.as_deref().map(show);
    let kind = kind.map_or_else(String::new, |it| format!("{it}, "));
    let holds = match &offer.holds {
        Holds::Nothing => "empty".to_owned(),
        Holds::Files { count: 1 } => format!("{kind}1 file or folder at the top"),
        Holds::Files { count } => format!("{kind}{count} files and folders at the top"),
        Holds::Traces => format!("{kind}no file that I see, but something may be left"),
        Holds::Key => format!("{kind}a key of a vault"),
        Holds::Something => "holds something that I cannot look into".to_owned(),
    };
    format!("{}: {model}, {size} ({holds})", show(&offer.name))
}

fn found(offers: &[Offer], has_vault: bool) -> String {
    if offers.is_empty() {
        return "I see no drive and no stick. Plug them in, wait for ten seconds, and send \"drives\" \
                again."
            .to_owned();
    }
    let mut text = String::from("I see:");
    for offer in offers {
        let _ = write!(text, "\n{}", line(offer));
    }
    let name = |offer: Option<&Offer>| offer.map(|it| show(&it.name));
    let is_stick = |it: &&Offer| it.takes_a_file() && it.holds != Holds::Key;
    // A stick is the smaller one.
    let stick = offers.iter().filter(is_stick).min_by_key(|it| it.bytes);
    if has_vault {
        match name(stick) {
            Some(stick) => {
                let _ = write!(
                    text,
                    "\nFor a spare stick send for example \"prepare spare {stick}\": one file is added \
                     to it, and what is on it stays."
                );
            }
            None => {
                text.push_str("\nFor a spare stick plug in one more, with vfat or exfat on it.")
            }
        }
        return text;
    }
    let fits = |it: &&Offer| it.is_empty() && stick.is_none_or(|stick| stick.name != it.name);
    let drive = offers.iter().filter(fits).max_by_key(|it| it.bytes);
    match (name(drive), name(stick)) {
        (Some(drive), Some(stick)) => {
            let _ = write!(
                text,
                "\nSend for example \"prepare {drive} {stick}\": {drive} is formatted for the vault, \
                 and {stick} gets one file, the key; what is on it stays."
            );
        }
        (None, _) => text.push_str(
            "\nNone of them is empty, and I format nothing that holds data. Take another drive, or copy \
             everything away and erase it at a computer (format it as exFAT, eject it); then send \
             \"drives\".",
        ),
        (Some(_), None) => text.push_str(
            "\nThe key needs a USB stick with vfat or exfat on it, as they are sold. Plug one in, and \
             send \"drives\".",
        ),
    }
    text
}

fn send(number: Option<u32>) -> String {
    let minutes = CONFIRM_SECONDS / 60;
    number.map_or_else(
        || "Send that once more, please.".to_owned(),
        |number| format!("Send {number} within {minutes} minutes to go on."),
    )
}

fn ask_make(drive: Option<&Offer>, stick: Option<&Offer>, number: Option<u32>) -> String {
    let (drive, stick) = (drive.map(line), stick.map(line));
    format!(
        "I format this drive for the vault:\n{}\nand add the key to this stick, whose files \
         stay:\n{}\n{}",
        drive.unwrap_or_default(),
        stick.unwrap_or_default(),
        send(number)
    )
}

fn ask_spare(stick: Option<&Offer>, number: Option<u32>) -> String {
    format!(
        "I add a second key to this stick, whose files stay:\n{}\nLeave the first stick in. {}",
        stick.map(line).unwrap_or_default(),
        send(number)
    )
}

fn ask_live(home: Home, number: Option<u32>) -> String {
    let what = match home {
        Home::Drawer => {
            "The stick is to live in a drawer: pulling it does not lock the vault any more, \"lock\" does."
        }
        Home::Pi => {
            "The stick is to live in the Pi: the vault is open while it is in, also for a thief who \
             takes all."
        }
    };
    format!("{what} {}", send(number))
}

fn refused(why: Refused) -> &'static str {
    match why {
        Refused::Gone => {
            "It is not there any more, so I did nothing. Plug it in again, and send \"drives\"."
        }
        Refused::NotEmpty => {
            "That drive holds something, and I format nothing that holds data. Take another one, or \
             copy everything away and erase it at a computer (format it as exFAT, eject it)."
        }
        Refused::NotAStick => {
            "I can add no file to that stick. Take one with vfat or exfat on it, as they are sold."
        }
        Refused::HasVault => {
            "There is a vault already, and I make no second one. A spare stick for it: \"drives\", then \
             \"prepare spare\" and its name."
        }
        Refused::IsAKey => {
            "That stick is a key of a vault already, and I write nothing over it. Take another one."
        }
        Refused::NoKey => {
            "The first stick has to be in too, so that I can open the vault for the second. Put it in, \
             and send \"drives\"."
        }
        Refused::SameDisk => {
            "The key must not lie on the drive that it opens: whoever took it would have both. Name \
             another stick."
        }
        Refused::NoStick => {
            "This vault is opened without a stick, so there is none to live anywhere. Nothing was changed."
        }
        Refused::Failed => {
            "That did not work. Send \"drives\" to see what is there now; keep a stick that shows as a \
             key, it may open the vault. \"journalctl -u strongroom-prepare\" on the Pi says more."
        }
        Refused::NoAnswer => {
            "Nobody answered who may look at drives. Try again in a minute; if that does not help, \
             restart the Pi."
        }
    }
}
