//! The commands about what opens the vault.

use super::{Command, Context, NotACommand, after_word, keeping};

/// Longest name of a key that is looked for, in bytes.
const MAX_KEY_NAME_BYTES: usize = 200;

/// Reads `add key`.
pub(super) fn add(rest: &str, _: &Context) -> Result<Command, NotACommand> {
    if rest.eq_ignore_ascii_case("key") {
        Ok(Command::AddKey)
    } else {
        Err(NotACommand::Unknown)
    }
}

/// Reads `rename key key device to bank safe`; what is not about a key is about a file. Where more than one "to" stands, quotes tell which
/// is meant: nothing is guessed.
pub(super) fn rename(rest: &str, context: &Context) -> Result<Command, NotACommand> {
    if rest.eq_ignore_ascii_case("key") {
        return Err(NotACommand::RenameHow);
    }
    let Some(names) = after_word(rest, &["key"]) else {
        return keeping::rename(rest, context);
    };
    let mut parts = names.split(" to ").map(str::trim);
    let plain = match (parts.next(), parts.next(), parts.next()) {
        (Some(name), Some(to), None) => Some((name, to)),
        _ => names.split_once("\" to \""),
    };
    match plain.map(|(name, to)| (key_name(name), key_name(to))) {
        Some((Some(name), Some(to))) => Ok(Command::RenameKey { name, to }),
        _ => Err(NotACommand::RenameHow),
    }
}

/// Reads the name of a key, without the quotes that people copy from the answers.
pub(super) fn key_name(typed: &str) -> Option<String> {
    let name = typed.trim_matches(['"', ' ']);
    (1..=MAX_KEY_NAME_BYTES)
        .contains(&name.len())
        .then(|| name.to_owned())
}
