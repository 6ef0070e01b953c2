//! The words for the machine that need reading: `eject`, `eject off`.

use super::{Command, NotACommand};
use crate::keeper::machine::Errand;

/// Reads what follows `eject`.
pub(super) fn eject(rest: &str) -> Result<Command, NotACommand> {
    match rest {
        "" => Ok(Command::Machine(Errand::Eject)),
        rest if rest.eq_ignore_ascii_case("off") => Ok(Command::Machine(Errand::TakeBack)),
        _ => Err(NotACommand::EjectHow),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keeper::command::{self, Context};

    #[test]
    fn a_word_with_something_behind_it_does_nothing() {
        let parse = |line: &str| command::parse(line, &Context::default());
        for (line, errand) in [
            ("restart", Errand::Restart),
            ("/OFF", Errand::Off),
            ("eject", Errand::Eject),
            ("Eject Off", Errand::TakeBack),
        ] {
            assert_eq!(parse(line), Ok(Command::Machine(errand)), "{line}");
        }
        for (line, verb) in [("restart it", "restart"), ("off the lights", "off")] {
            assert_eq!(parse(line), Err(NotACommand::Alone { verb }), "{line}");
        }
        assert_eq!(parse("eject the drive"), Err(NotACommand::EjectHow));
    }
}
