//! The words about other people: `send 7 to bob@example.org`, `contacts`, `forget bob@example.org`.

use jid::BareJid;

use super::{Command, Context, NotACommand, files::picks};
use crate::keeper::contacts::Wish;

/// Longest address that files go to: no more of it would be shown.
const MAX_ADDRESS: usize = 120;

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
    if !looks_as_it_is(&jid) {
        return Err(NotACommand::OddAddress);
    }
    let picks = if context.is_quoted_inside {
        picks(numbers, context)?
    } else {
        // A server would choose the file.
        let context = Context {
            quoted: Vec::new(),
            ..context.clone()
        };
        picks(numbers, &context)?
    };
    Ok(Command::Contact(Wish::Send { picks, jid }))
}

/// Returns whether people who read an address see all of it, and nothing that looks like something
/// else.
fn looks_as_it_is(jid: &str) -> bool {
    jid.is_ascii() && jid.len() <= MAX_ADDRESS
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
    fn files_go_to_no_address_that_looks_like_another_or_is_not_shown_whole() {
        let long = format!("{}@other.example", "b".repeat(MAX_ADDRESS));
        let fits = format!("{}@other.example", "b".repeat(MAX_ADDRESS - 14));
        for odd in [
            "b\u{43e}b@other.example",
            "bob\u{1160}@other.example",
            "bob\u{3164}@other.example",
            "bob@\u{43e}ther.example",
            &long,
        ] {
            let send = parse(&format!("send 7 to {odd}"));
            assert_eq!(send, Err(NotACommand::OddAddress), "{odd}");
        }
        for plain in [&fits, "bob@xn--bcher-kva.example"] {
            let send = parse(&format!("send 7 to {plain}"));
            assert!(
                matches!(&send, Ok(Command::Contact(Wish::Send { jid, .. })) if jid == plain),
                "{plain}: {send:?}"
            );
        }
        // Who is known by such an address can still be forgotten.
        let forget = parse("forget b\u{43e}b@other.example");
        assert!(matches!(forget, Ok(Command::Contact(Wish::Forget { .. }))));
    }

    #[test]
    fn a_quotation_outside_the_encryption_names_no_file_that_goes_to_somebody() {
        let parse = |is_quoted_inside, line| {
            let context = Context {
                quoted: vec![7],
                is_quoted_inside,
                ..Context::default()
            };
            command::parse(line, &context)
        };
        let which = || {
            let word = String::new();
            Err(NotACommand::BadNumber { word })
        };

        let line = "send to bob@other.example";
        assert_eq!(parse(true, line), send_7_to_bob());
        assert_eq!(parse(false, line), which());
        let below = "> a photo\nsend to bob@other.example";
        assert_eq!(parse(false, below), which());
        let named = "send 7 to bob@other.example";
        assert_eq!(parse(false, named), send_7_to_bob());
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
