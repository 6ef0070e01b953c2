//! The words about other people: `send 7 to bob@example.org`, `contacts`, `forget bob@example.org`.

use jid::BareJid;

use super::{Command, Context, NotACommand, files::picks};
use crate::keeper::contacts::Wish;

/// Splits `7 9-12 to bob@example.org`; `None` where nobody is named.
pub(super) fn to_somebody(rest: &str) -> Option<(&str, &str)> {
    let lower = rest.to_ascii_lowercase();
    if lower.starts_with("to ") {
        return Some(("", rest.get(3..)?.trim()));
    }
    let at = lower.rfind(" to ")?;
    Some((rest.get(..at)?.trim(), rest.get(at + 4..)?.trim()))
}

/// Reads `get 7 to bob@example.org`, which [`to_somebody`] has split.
pub(super) fn send(
    (numbers, whom): (&str, &str),
    context: &Context,
) -> Result<Command, NotACommand> {
    let jid = address(whom)?;
    let picks = picks(numbers, context)?;
    Ok(Command::Contact(Wish::Send { picks, jid }))
}

/// Reads `forget bob@example.org`.
pub(super) fn forget(rest: &str) -> Result<Command, NotACommand> {
    let jid = address(rest)?;
    Ok(Command::Contact(Wish::Forget { jid }))
}

/// Reads an address as people type it, or as an app shares it.
fn address(typed: &str) -> Result<String, NotACommand> {
    let bare = typed.strip_prefix("xmpp:").unwrap_or(typed);
    let bare = bare.split('?').next().unwrap_or_default();
    let read = BareJid::new(bare).ok().filter(|jid| jid.node().is_some());
    let jid = read.map(|jid| jid.to_string());
    // What does not read as itself again is nobody's address.
    let is_stable = |jid: &String| {
        let again = BareJid::new(jid).ok();
        !jid.contains([' ', '?']) && again.is_some_and(|again| again.as_str() == jid)
    };
    jid.filter(is_stable).ok_or_else(|| NotACommand::Whom {
        word: typed.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keeper::command::{self, Pick};

    fn parse(line: &str) -> Result<Command, NotACommand> {
        command::parse(line, &Context::default())
    }

    fn send_7_to_bob() -> Result<Command, NotACommand> {
        Ok(Command::Contact(Wish::Send {
            picks: vec![Pick::Range { first: 7, last: 7 }],
            jid: "bob@other.example".to_owned(),
        }))
    }

    #[test]
    fn an_address_is_read_as_people_type_and_share_it() {
        for line in [
            "send 7 to bob@other.example",
            "/Get #7 TO Bob@Other.Example",
            "send 7 to xmpp:bob@other.example?omemo-sid-1=ab",
            "> #7 beach.jpg, 3.1 MB\nsend to bob@other.example",
        ] {
            assert_eq!(parse(line), send_7_to_bob(), "{line}");
        }
        let jid = "bob@other.example".to_owned();
        let forget = Ok(Command::Contact(Wish::Forget { jid }));
        assert_eq!(parse("forget BOB@other.example"), forget);
        assert_eq!(parse("contacts"), Ok(Command::Contact(Wish::List)));
    }

    #[test]
    fn what_is_no_address_is_named_and_nothing_is_sent() {
        for (line, word) in [
            ("send 7 to Bob", "Bob"),
            ("send 7 to @other.example", "@other.example"),
            (
                "send 7 to bob@other.example and ann",
                "bob@other.example and ann",
            ),
            ("forget", ""),
            ("forget Bob", "Bob"),
        ] {
            let word = word.to_owned();
            assert_eq!(parse(line), Err(NotACommand::Whom { word }), "{line}");
        }
        let word = "x".to_owned();
        let wrong = Err(NotACommand::BadNumber { word });
        assert_eq!(parse("send x to bob@other.example"), wrong);
        assert_eq!(
            parse("send 1-500 to bob@other.example"),
            Err(NotACommand::TooMany)
        );
    }
}
