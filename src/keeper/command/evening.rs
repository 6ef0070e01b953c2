//! The words of the first evening: `drives`, `prepare`.

use super::{Command, NotACommand};
use crate::keeper::evening::{Choice, Home, Request};

/// Reads what follows `prepare`.
pub(super) fn prepare(rest: &str) -> Result<Command, NotACommand> {
    let words: Vec<String> = rest.split_whitespace().map(str::to_owned).collect();
    let wanted = match words.as_slice() {
        [word] if word.eq_ignore_ascii_case("drawer") => Request::Live(Home::Drawer),
        [word] if word.eq_ignore_ascii_case("pi") => Request::Live(Home::Pi),
        [word, stick] if word.eq_ignore_ascii_case("spare") => Request::Spare {
            stick: Choice::named(stick),
        },
        [drive, stick] => Request::Make {
            drive: Choice::named(drive),
            stick: Choice::named(stick),
        },
        _ => return Err(NotACommand::PrepareHow),
    };
    Ok(Command::Prepare(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drive_and_stick_come_in_this_order_and_nothing_is_guessed() {
        let make = Request::Make {
            drive: Choice::named("T7"),
            stick: Choice::named("SanDisk"),
        };
        assert_eq!(prepare("T7 SanDisk"), Ok(Command::Prepare(make)));
        let spare = Request::Spare {
            stick: Choice::named("Kingston"),
        };
        assert_eq!(prepare("Spare Kingston"), Ok(Command::Prepare(spare)));
        assert_eq!(prepare("PI"), Ok(Command::Prepare(Request::Live(Home::Pi))));
        for wrong in ["", "T7", "T7 SanDisk Kingston"] {
            assert_eq!(prepare(wrong), Err(NotACommand::PrepareHow), "{wrong}");
        }
    }
}
