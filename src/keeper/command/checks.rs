//! The command that has files checked.

use super::{Command, Context, MAX_SAMPLE, NotACommand, numbers::range};
use crate::keeper::verify::{Asked, SAMPLE};

/// Reads `verify`, `verify sample`, `verify sample 50`, `verify 7`, `verify #7`, `verify stop`.
pub(super) fn verify(rest: &str, _: &Context) -> Result<Command, NotACommand> {
    let lower = rest.to_lowercase();
    let words: Vec<&str> = lower.split_whitespace().collect();
    let wrong = || NotACommand::VerifyWhat {
        word: rest.to_owned(),
    };
    let asked = match words.as_slice() {
        [] | ["all"] => Asked::All,
        ["stop"] => Asked::Stop,
        ["sample"] => Asked::Sample(SAMPLE),
        ["sample", count] => match count.parse::<u32>() {
            Ok(count @ 1..=MAX_SAMPLE) => Asked::Sample(count),
            _ => return Err(wrong()),
        },
        [one] => match range(one) {
            Ok((first, last)) if first == last => Asked::One(first),
            _ => return Err(wrong()),
        },
        _ => return Err(wrong()),
    };
    Ok(Command::Verify(asked))
}
