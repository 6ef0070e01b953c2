//! The command that tells how the others are used.

use super::{Command, Context, NotACommand, verbs};

/// Reads `help` and `help find`.
pub(super) fn help(rest: &str, _: &Context) -> Result<Command, NotACommand> {
    if rest.is_empty() {
        return Ok(Command::Help);
    }
    let word = rest.strip_prefix('/').unwrap_or(rest).to_lowercase();
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
