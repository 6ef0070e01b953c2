//! The words that commands begin with.

use super::{
    Command, Context, NotACommand, album, alone, carry, checks, contacts, devices, evening, files,
    help, keeping, keys, machine, notices, pictures,
};
use crate::keeper::{contacts::Wish, evening::Request, keeping::Keeping, machine::Errand};

/// Reads what follows a verb.
type Read = fn(&str, &Context) -> Result<Command, NotACommand>;

/// A word that a command begins with.
pub struct Verb {
    /// The word, as `help` writes it.
    pub name: &'static str,
    /// Other words for the same.
    pub also: &'static [&'static str],
    /// Reads what follows it.
    pub(super) read: Read,
}

const fn verb(name: &'static str, also: &'static [&'static str], read: Read) -> Verb {
    Verb { name, also, read }
}

/// All of them, one a row. Each has a topic in `reply/words/help.rs`.
#[rustfmt::skip]
pub const VERBS: &[Verb] = &[
    verb("help", &["?", "commands"], help::help),
    verb("list", &["ls", "dir", "show"], files::list),
    verb("find", &["search", "look"], files::find),
    verb("next", &["more"], |rest, _| alone("next", rest, Command::Next)),
    verb("info", &["about", "details"], files::info),
    verb("albums", &[], |rest, _| alone("albums", rest, Command::Albums { after: String::new() })),
    verb("tags", &[], |rest, _| alone("tags", rest, Command::Tags { after: String::new() })),
    verb("get", &["send", "fetch", "download"], files::get),
    verb("contacts", &["friends"], |rest, _| alone("contacts", rest, Command::Contact(Wish::List))),
    verb("forget", &[], |rest, _| contacts::forget(rest)),
    verb("last", &[], files::last),
    verb("album", &[], album::album),
    verb("sheet", &["sheets", "thumbnails"], pictures::sheet),
    verb("originals", &[], pictures::originals),
    verb("status", &["state"], |rest, _| alone("status", rest, Command::Status)),
    verb("lock", &["close"], |rest, _| alone("lock", rest, Command::Lock)),
    verb("keys", &[], |rest, _| alone("keys", rest, Command::Keys)),
    verb("add", &[], keys::add),
    verb("rename", &[], keys::rename),
    verb("devices", &["phones"], |rest, _| alone("devices", rest, Command::Devices)),
    verb("fingerprints", &["fingerprint"], |rest, _| devices::fingerprints(rest)),
    verb("trust", &[], devices::trust),
    verb("revoke", &[], devices::revoke),
    verb("verify", &["check"], checks::verify),
    verb("unproven", &[], |rest, _| alone("unproven", rest, Command::Unproven)),
    verb("delete", &["del", "remove", "rm"], keeping::delete),
    verb("undo", &[], |rest, _| alone("undo", rest, Command::Keep(Keeping::Undo))),
    verb("trash", &["bin"], keeping::trash),
    verb("restore", &["undelete"], keeping::restore),
    verb("move", &["mv"], keeping::album),
    verb("tag", &[], |rest, it| keeping::tag(rest, it, true)),
    verb("untag", &[], |rest, it| keeping::tag(rest, it, false)),
    verb("note", &["caption"], keeping::note),
    verb("notices", &["notice"], |rest, _| notices::notices(rest)),
    verb("quiet", &[], |rest, _| notices::quiet(rest)),
    verb("eject", &[], |rest, _| machine::eject(rest)),
    verb("drives", &["disks", "sticks"], |rest, _| alone("drives", rest, Command::Prepare(Request::Look))),
    verb("prepare", &[], |rest, _| evening::prepare(rest)),
    verb("export", &[], carry::export),
    verb("import", &[], |rest, _| carry::import(rest)),
    verb("restart", &["reboot"], |rest, _| alone("restart", rest, Command::Machine(Errand::Restart))),
    verb("off", &["poweroff", "shutdown"], |rest, _| alone("off", rest, Command::Machine(Errand::Off))),
];

/// Words of the owner that are read elsewhere, before a line comes here.
pub(super) const ELSEWHERE: &[&str] = &["unlock", "confirm"];

/// Returns the verb that this word is, whatever its case.
pub(super) fn find(word: &str) -> Option<&'static Verb> {
    let word = word.to_lowercase();
    VERBS
        .iter()
        .find(|it| it.name == word || it.also.contains(&word.as_str()))
}
