//! The words for the machine: `restart`, `off`, `eject`, `eject off`.

use super::{Command, NotACommand};
use crate::keeper::machine::Errand;

/// Reads a line about the machine; `None` where the verb, in lower case, is none of these.
pub(super) fn parse(verb: &str, rest: &str) -> Option<Result<Command, NotACommand>> {
    let errand = match verb {
        "restart" | "reboot" => Errand::Restart,
        "off" | "shutdown" | "poweroff" => Errand::Off,
        "eject" if rest.eq_ignore_ascii_case("off") => {
            return Some(Ok(Command::Machine(Errand::TakeBack)));
        }
        "eject" => Errand::Eject,
        _ => return None,
    };
    Some(if rest.is_empty() {
        Ok(Command::Machine(errand))
    } else {
        Err(NotACommand::Machine(errand))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keeper::command::parse;

    #[test]
    fn a_word_with_something_behind_it_does_nothing() {
        for (line, errand) in [
            ("restart", Errand::Restart),
            ("/OFF", Errand::Off),
            ("eject", Errand::Eject),
        ] {
            assert_eq!(parse(line), Ok(Command::Machine(errand)), "{line}");
            let more = format!("{line} the lights");
            assert_eq!(parse(&more), Err(NotACommand::Machine(errand)), "{more}");
        }
        assert_eq!(parse("Eject Off"), Ok(Command::Machine(Errand::TakeBack)));
    }
}
