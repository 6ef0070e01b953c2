//! What is said about files that go onto a stick or come from one.

use super::{bytes, show, spans};
use crate::keeper::{
    carry::{Amount, End, Ended, Refused, Stick},
    confirm::CONFIRM_SECONDS,
    reply::{CarryReply, StickTally},
    storage::DriveTrouble,
};

/// The folder on a stick that files are written into.
const FOLDER: &str = "Strongroom";
/// What may be left on a stick that was pulled.
const REST: &str = "The file I was at may lie there in part, readable, as \
                    Strongroom/.strongroom-export.part; the next export onto that stick removes it.";

impl CarryReply {
    pub(super) fn text(&self) -> String {
        match self {
            Self::AskExport {
                stick,
                amount,
                number,
            } => ask_export(stick, amount, *number),
            Self::AskImport {
                stick,
                amount,
                album,
                is_locked,
                number,
            } => ask_import(stick, amount, (album.as_deref(), *is_locked), *number),
            Self::Going {
                is_export,
                name,
                files,
                bytes: size,
                of,
            } => {
                let name = show(name);
                let begins = match is_export {
                    true => format!("I write onto {name}"),
                    false => format!("I read {name}"),
                };
                let so_far = match files {
                    0 => String::new(),
                    files => format!(": {files} of {of} files so far, {}", bytes(*size)),
                };
                format!("{begins}{so_far}. Leave it in; \"eject\" ends it.")
            }
            Self::Exported { name, of, ended } => exported(&show(name), *of, ended),
            Self::Imported {
                name,
                of,
                ended,
                tally,
            } => imported(&show(name), *of, ended, tally),
            Self::CutShort { is_export, name } => {
                let name = show(name);
                match is_export {
                    true => format!(
                        "I was cut short while I wrote onto {name}. Send the same again: I go on where that \
                         ended. {REST}"
                    ),
                    false => format!(
                        "I was cut short while I read {name}. Send \"import\" again: I go on where that ended."
                    ),
                }
            }
            Self::Refused(why) => refused(why),
            Self::Busy => "I am busy with a stick. Wait until I say that you may pull it out, or \
                           send \"eject\" to end it."
                .to_owned(),
            Self::NotHere => "I can use no sticks on this machine. Do it at its console: \
                              \"strongroom export\", \"strongroom import\"."
                .to_owned(),
            Self::ExportWhat => "Which files? Plug a stick in and send for example \"export album \
                                 Rome\", \"export photos june 2025\", \"export 7-12\" or \"export all\"."
                .to_owned(),
            Self::ImportHow => "\"import\" takes in all files of the stick that is in. Where two are \
                                in, send \"import from\" and the name of one."
                .to_owned(),
        }
    }
}

fn files(count: u64) -> String {
    match count {
        1 => "1 file".to_owned(),
        count => format!("{count} files"),
    }
}

/// "1 of 3 files are", "1 of 1 file is".
fn of_files(done: u64, of: u64) -> String {
    let are = if of == 1 { "is" } else { "are" };
    format!("{done} of {} {are}", files(of))
}

/// What is shown of a stick that is not held.
fn short_line(stick: &Stick) -> String {
    let (name, model) = (show(&stick.name), show(&stick.model));
    format!("{name}: {model}, {}", bytes(stick.bytes))
}

fn stick_line(stick: &Stick) -> String {
    format!(
        "{}: {}, {} with {} free",
        show(&stick.name),
        show(&stick.model),
        bytes(stick.bytes),
        bytes(stick.free)
    )
}

fn send_back(number: Option<u32>, verb: &str) -> String {
    match number {
        Some(number) => format!(
            "Send {number} within {} minutes to go on.",
            CONFIRM_SECONDS / 60
        ),
        None => format!("Send \"{verb}\" again for a fresh number."),
    }
}

fn ask_export(stick: &Stick, amount: &Amount, number: Option<u32>) -> String {
    let mut text = format!(
        "I write {} ({}) into the folder {FOLDER} of this stick:\n{}\nThey are NOT encrypted there: \
         whoever finds the stick can look at all of them.",
        files(amount.files),
        bytes(amount.bytes),
        stick_line(stick)
    );
    match amount.there {
        0 => {}
        1 => text.push_str(" 1 of them seems to be there already."),
        there => text.push_str(&format!(" {there} of them seem to be there already.")),
    }
    if amount.left_out > 0 {
        text.push_str(&format!(
            " I leave out {}: a stick with vfat holds no file of 4 GB or more.",
            files(amount.left_out)
        ));
    }
    format!("{text}\n{}", send_back(number, "export"))
}

fn ask_import(
    stick: &Stick,
    amount: &Amount,
    (album, is_locked): (Option<&str>, bool),
    number: Option<u32>,
) -> String {
    let mut text = format!(
        "I take in {} ({}) from this stick:\n{}\nWhat I have already is kept once, what is hidden stays \
         out, and nothing on the stick is changed.",
        files(amount.files),
        bytes(amount.bytes),
        stick_line(stick)
    );
    if let Some(album) = album {
        text.push_str(&format!(" They go into the album {}.", show(album)));
    }
    if is_locked {
        text.push_str(" The vault is locked, so they wait for the key.");
    }
    if amount.left_out > 0 {
        text.push_str(&format!(
            " {} more are beyond what I read of one stick: move them to another one.",
            amount.left_out
        ));
    }
    if amount.unread > 0 {
        text.push_str(&format!(" I leave out {}.", unread(amount.unread)));
    }
    format!("{text}\n{}", send_back(number, "import"))
}

/// What cannot be looked into.
fn unread(count: u64) -> String {
    match count {
        1 => "1 folder or name that I cannot read or that lies too deep".to_owned(),
        count => format!("{count} folders or names that I cannot read or that lie too deep"),
    }
}

/// What was left behind besides what failed.
fn left_behind(ended: &Ended) -> String {
    let mut text = String::new();
    if ended.too_large > 0 {
        let are = if ended.too_large == 1 { "is" } else { "are" };
        text.push_str(&format!(
            " {} {are} larger than the room on the data drive.",
            files(ended.too_large)
        ));
    }
    if ended.left_out > 0 {
        text.push_str(&format!(" I left out {}.", files(ended.left_out)));
    }
    if ended.unread > 0 {
        text.push_str(&format!(" I left out {}.", unread(ended.unread)));
    }
    text
}

/// Says how the stick may leave.
fn leave(ended: &Ended) -> &'static str {
    match (ended.end, ended.is_free) {
        (End::Gone, _) => "",
        (_, true) => " You may pull it out now.",
        (_, false) => {
            " But I could not let go of the stick: send \"off\", or \"restart\", before you pull it."
        }
    }
}

fn exported(name: &str, of: u64, ended: &Ended) -> String {
    let (done, leave) = (ended.done, leave(ended));
    let there = match ended.there {
        0 => String::new(),
        1 => " (1 was there before)".to_owned(),
        there => format!(" ({there} were there before)"),
    };
    let count = of_files(done, of);
    let so_far = format!("{count} on it{there}");
    let again = "send the same again: I go on where this ended.";
    match ended.end {
        End::Whole if ended.is_all(of, done) => {
            format!("✅ {count} on {name}, in the folder {FOLDER}{there}.{leave}")
        }
        End::Whole if ended.failed == 0 => {
            let left = left_behind(ended);
            let fewer = match done < of {
                true => " The others are no longer what you asked for, or are in the trash.",
                false => "",
            };
            format!("{count} on {name}, in the folder {FOLDER}{there}.{fewer}{left}{leave}")
        }
        End::Whole => format!(
            "{count} on {name}, in the folder {FOLDER}{there}. {} could not be written: they do \
             not open any more, are gone, have names that the stick does not take, or met a bad place on \
             it.{} Send \"verify\" to learn more.{leave}",
            files(ended.failed),
            left_behind(ended)
        ),
        End::Stopped => format!("I ended it: {so_far}.{leave} To go on, {again}"),
        End::Gone => format!(
            "{name} was pulled out, or fails: {so_far} for sure. Plug it in and {again} {REST}"
        ),
        End::Full => format!(
            "{name} is full: {so_far}.{leave} Make room on it, or take another one, and {again}"
        ),
        End::Locked | End::Drive(_) => {
            format!("The vault was locked: {so_far}.{leave} Open it and {again}")
        }
    }
}

fn imported(name: &str, of: u64, ended: &Ended, tally: &StickTally) -> String {
    let mut numbers = tally.numbers.clone();
    numbers.sort_unstable();
    let stored = numbers.len() as u64;
    let doubles = tally.doubles + ended.there;
    let failed = ended.failed + tally.lost;
    let kept = stored + doubles + tally.waiting;
    let mut parts = Vec::new();
    if stored > 0 {
        parts.push(format!("{stored} stored as {}", spans(&numbers)));
    }
    if tally.waiting > 0 {
        parts.push(format!("{} for the key", waits(tally.waiting)));
    }
    if doubles > 0 {
        parts.push(format!("{doubles} already kept"));
    }
    if failed > 0 {
        parts.push(format!("{failed} could not be read"));
    }
    let parts = match parts.is_empty() {
        true => String::new(),
        false => format!(" ({})", parts.join(", ")),
    };
    let are = if of == 1 { "is" } else { "are" };
    let so_far = format!("{kept} of {} from {name} {are} kept{parts}", files(of));
    let leave = leave(ended);
    let again = "send \"import\" again: I go on where this ended.";
    match ended.end {
        End::Whole if failed == 0 && ended.is_all(of, kept) => format!("✅ {so_far}.{leave}"),
        End::Whole => format!(
            "{so_far}.{}{leave} Look at the rest with a computer before you empty the stick.",
            left_behind(ended)
        ),
        End::Stopped => format!("I ended it: {so_far}.{leave} To go on, {again}"),
        End::Gone | End::Full => {
            format!("{name} was pulled out, or fails: {so_far}. Plug it in and {again}")
        }
        End::Locked => format!("The vault was locked: {so_far}.{leave} To go on, {again}"),
        End::Drive(DriveTrouble::Full) => {
            format!("The data drive is full: {so_far}.{leave} Make room on it and {again}")
        }
        End::Drive(_) => {
            format!(
                "The data drive takes no more: {so_far}.{leave} \"status\" says more; then {again}"
            )
        }
    }
}

fn waits(count: u64) -> String {
    match count {
        1 => "1 waits".to_owned(),
        count => format!("{count} wait"),
    }
}

fn refused(why: &Refused) -> String {
    match why {
        Refused::NoStick => {
            "I see no stick that I can use. Plug one in that is no key and has vfat, \
                             exfat or ext4 on it, wait for ten seconds, and send the same again."
                .to_owned()
        }
        Refused::Several(sticks) => {
            let lines: Vec<String> = sticks.iter().map(short_line).collect();
            let name = sticks.first().map(|it| show(&it.name)).unwrap_or_default();
            format!(
                "There is more than one stick:\n{}\nSay which: add \"onto {name}\" to \"export\", or send \
                 \"import from {name}\".",
                lines.join("\n")
            )
        }
        Refused::NotThere { name } => format!(
            "I see no stick \"{}\" that I can use. Plug it in, wait for ten seconds, and send the same \
             again.",
            show(name)
        ),
        Refused::ReadOnly => {
            "I can write nothing onto that stick. Move its little switch, or take \
                              another one."
                .to_owned()
        }
        Refused::Nothing => {
            "There is no such file, so I did nothing. \"list\" shows what I keep.".to_owned()
        }
        Refused::Empty => "I see no file on that stick, so I did nothing. What is hidden I leave \
                           alone; look at the stick with a computer."
            .to_owned(),
        Refused::Unread => {
            "I can read nothing on that stick: its folders are not for everybody, or it is \
                            damaged. Look at it with a computer."
                .to_owned()
        }
        Refused::NoRoom { bytes: size, stick } => format!(
            "That is {} more, and {} has room for {} only. Make room on it, take a larger one, or name \
             fewer files, for example \"export june 2025\".",
            bytes(*size),
            show(&stick.name),
            bytes(stick.free)
        ),
        Refused::Locked => {
            "The vault was locked before it was done, and nothing was written. Open it \
                            and send the same again."
                .to_owned()
        }
        Refused::Drive(_) => {
            "The data drive takes no files now, so I did nothing. \"status\" says why.".to_owned()
        }
        Refused::Stopped => {
            "I ended it before it had begun. You may pull the stick out.".to_owned()
        }
        Refused::Failed => {
            "I could not look at the stick. Pull it out, plug it in again and send the \
                            same; \"journalctl -u 'strongroom*'\" on the Pi says more."
                .to_owned()
        }
    }
}
