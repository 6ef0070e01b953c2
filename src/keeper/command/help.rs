//! The command that tells how the others are used.

use super::{Command, Context, NotACommand, verbs};

/// Reads `help` and `help find`.
pub(super) fn help(rest: &str, _: &Context) -> Result<Command, NotACommand> {
    if rest.is_empty() {
        return Ok(Command::Help);
    }
    // What follows the command is what it is to be used for.
    let first = rest.split(' ').next().unwrap_or(rest);
    let word = first.strip_prefix('/').unwrap_or(first).to_lowercase();
    let verb = verbs::find(&word).map(|it| it.name);
    let topic = verb.or_else(|| verbs::ELSEWHERE.iter().find(|it| **it == word).copied());
    topic.map_or_else(
        || {
            Err(NotACommand::NoTopic {
                word: rest.to_owned(),
            })
        },
        |verb| Ok(Command::HelpOn { verb }),
    )
}
