//! The words for notices: `notices`, `notices weekly off`, `quiet 22-7`, `quiet off`.

use super::{Command, NotACommand};
use crate::keeper::notices::{Kind, Wish};

/// Reads `weekly off`, and `off weekly`.
pub(super) fn notices(rest: &str) -> Result<Command, NotACommand> {
    wish(rest).map(Command::Notices)
}

fn wish(rest: &str) -> Result<Wish, NotACommand> {
    let lower = rest.to_lowercase();
    let words: Vec<&str> = lower.split_whitespace().collect();
    let (kind, state) = match words.as_slice() {
        [] => return Ok(Wish::Show),
        [state @ ("on" | "off"), kind] | [kind, state] => (*kind, *state),
        _ => return Err(which(rest)),
    };
    let on = match state {
        "on" => true,
        "off" => false,
        _ => return Err(which(rest)),
    };
    let kind = Kind::ALL.into_iter().find(|it| it.word() == kind);
    let kind = kind.ok_or_else(|| which(rest))?;
    Ok(Wish::Switch { kind, on })
}

fn which(word: &str) -> NotACommand {
    NotACommand::WhichNotice {
        word: word.to_owned(),
    }
}

/// Reads `22-7`, `22:00-7:00`, `22 to 7`, `off`.
pub(super) fn quiet(rest: &str) -> Result<Command, NotACommand> {
    hours(rest).map(Command::Notices)
}

fn hours(rest: &str) -> Result<Wish, NotACommand> {
    match rest.to_lowercase().as_str() {
        "" => return Ok(Wish::Show),
        "off" | "none" => return Ok(Wish::Quiet(None)),
        _ => {}
    }
    let lower = rest.to_lowercase();
    let hours = lower
        .split_once(['-', '–'])
        .or_else(|| lower.split_once(" to "))
        .or_else(|| lower.split_once(' '));
    let hours = hours.and_then(|(from, to)| Some((hour(from)?, hour(to)?)));
    match hours {
        Some((from, to)) if from != to => Ok(Wish::Quiet(Some((from, to)))),
        _ => Err(NotACommand::QuietHow),
    }
}

fn hour(text: &str) -> Option<u8> {
    let text = text.trim();
    let text = text.strip_suffix(":00").unwrap_or(text);
    match text.parse::<u8>() {
        Ok(24) => Some(0),
        Ok(hour @ 0..24) => Some(hour),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keeper::command::{self, Context};

    fn parse(line: &str) -> Result<Command, NotACommand> {
        command::parse(line, &Context::default())
    }

    #[test]
    fn hours_are_read_as_people_write_them() {
        let quiet = |hours| Ok(Command::Notices(Wish::Quiet(hours)));

        for line in [
            "quiet 22-7",
            "Quiet 22:00–07:00",
            "quiet 22 to 7",
            "quiet 22 7",
        ] {
            assert_eq!(parse(line), quiet(Some((22, 7))), "{line}");
        }
        assert_eq!(parse("quiet 13-24"), quiet(Some((13, 0))));
        assert_eq!(parse("quiet off"), quiet(None));
        assert_eq!(parse("quiet"), Ok(Command::Notices(Wish::Show)));
        for line in ["quiet 7", "quiet 7-7", "quiet 22-25", "quiet please"] {
            assert_eq!(parse(line), Err(NotACommand::QuietHow), "{line}");
        }
    }

    #[test]
    fn a_kind_is_switched_by_its_word() {
        let switched = |kind, on| Ok(Command::Notices(Wish::Switch { kind, on }));

        assert_eq!(parse("notices"), Ok(Command::Notices(Wish::Show)));
        assert_eq!(parse("Notices Weekly OFF"), switched(Kind::Weekly, false));
        assert_eq!(parse("notices on drive"), switched(Kind::Drive, true));
        for line in ["notices alarms off", "notices weekly", "notices off"] {
            let word = line.strip_prefix("notices ").unwrap_or_default().to_owned();
            assert_eq!(
                parse(line),
                Err(NotACommand::WhichNotice { word }),
                "{line}"
            );
        }
    }
}
