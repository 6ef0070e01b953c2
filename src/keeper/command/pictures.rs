//! The words for looking at pictures: `sheet`, `sheet 7-30`, `sheet june 2025`, `get 7 small`,
//! `originals off`.

use super::{Command, Context, Filter, NotACommand, files::picks, filter};
use crate::keeper::pictures::Pictures;

/// A word that was used without what it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slip {
    /// `sheet` with something that names no files.
    Sheet,
    /// `originals` without on or off.
    Originals,
}

/// Reads `sheet`, `sheet 7-30`, `sheet last 40`, `sheet photos june 2025 rome`; with nothing it is
/// what the line answers to, or what came last.
pub(super) fn sheet(rest: &str, context: &Context) -> Result<Command, NotACommand> {
    if rest.is_empty() && context.quoted.is_empty() {
        return Ok(Command::Picture(Pictures::newest_sheet()));
    }
    match picks(rest, context) {
        Ok(picks) => Ok(Command::Picture(Pictures::Sheet { picks })),
        Err(NotACommand::TooMany) => Err(NotACommand::TooMany),
        Err(_) => sheet_of(rest, context),
    }
}

/// Reads which files are meant as `find` does; digits and signs alone are numbers with a slip.
fn sheet_of(rest: &str, context: &Context) -> Result<Command, NotACommand> {
    let what = filter(rest, context);
    let only_words = Filter {
        words: what.words.clone(),
        ..Filter::default()
    };
    let is_slip = what == only_words && !rest.contains(|it: char| it.is_alphabetic() || it == '"');
    if is_slip {
        return Err(NotACommand::Picture(Slip::Sheet));
    }
    let before = None;
    Ok(Command::Picture(Pictures::SheetOf { what, before }))
}

/// Reads `originals on` and `originals off`.
pub(super) fn originals(rest: &str, _: &Context) -> Result<Command, NotACommand> {
    match rest.to_lowercase().as_str() {
        "on" => Ok(Command::Picture(Pictures::Originals(true))),
        "off" => Ok(Command::Picture(Pictures::Originals(false))),
        _ => Err(NotACommand::Picture(Slip::Originals)),
    }
}

/// Returns the rest of what follows `get` if it ends or begins with `small`.
pub(super) fn small(rest: &str) -> Option<String> {
    let lower = rest.to_lowercase();
    let numbers = lower
        .strip_suffix(" small")
        .or_else(|| lower.strip_prefix("small "))
        .or_else(|| (lower == "small").then_some(""))?;
    Some(numbers.trim().to_owned())
}

/// Reads `get 7 small`, of which [`small`] has left the numbers.
pub(super) fn get_small(numbers: &str, context: &Context) -> Result<Command, NotACommand> {
    let picks = picks(numbers, context)?;
    Ok(Command::Picture(Pictures::Small { picks }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keeper::command::Pick;

    fn parse(line: &str) -> Result<Command, NotACommand> {
        crate::keeper::command::parse(line, &Context::default())
    }

    fn range(first: u64, last: u64) -> Pick {
        Pick::Range { first, last }
    }

    #[test]
    fn a_sheet_is_of_the_newest_or_of_what_is_named() {
        let sheet = |picks| Ok(Command::Picture(Pictures::Sheet { picks }));

        assert_eq!(
            parse("sheet"),
            Ok(Command::Picture(Pictures::newest_sheet()))
        );
        assert_eq!(
            parse("/SHEET 7-30, 41"),
            sheet(vec![range(7, 30), range(41, 41)])
        );
        assert_eq!(
            parse("sheet last 40"),
            sheet(vec![Pick::Last { count: 40 }])
        );
        let slip = Err(NotACommand::Picture(Slip::Sheet));
        assert_eq!(parse("sheet 7-"), slip);
        assert_eq!(parse("sheet 1-101"), Err(NotACommand::TooMany));
    }

    #[test]
    fn a_sheet_takes_what_find_takes() {
        for line in [
            "photos june 2025 #sea",
            "album Rome",
            "2025-06-01",
            "\"2041\"",
            "last week",
            "beach",
        ] {
            let what = filter(line, &Context::default());
            let before = None;
            assert_eq!(
                parse(&format!("sheet {line}")),
                Ok(Command::Picture(Pictures::SheetOf { what, before })),
                "{line}"
            );
        }
    }

    #[test]
    fn small_may_stand_before_or_after_the_numbers() {
        let small = |picks| Ok(Command::Picture(Pictures::Small { picks }));

        for line in ["get 7 small", "get small 7", "GET #7 Small"] {
            assert_eq!(parse(line), small(vec![range(7, 7)]), "{line}");
        }
        assert_eq!(
            parse("get last 2 small"),
            small(vec![Pick::Last { count: 2 }])
        );
        let wrong = Err(NotACommand::BadNumber {
            word: String::new(),
        });
        assert_eq!(parse("get small"), wrong);
        let answer = "> #7 beach.jpg, 3.1 MB\nget small";
        assert_eq!(parse(answer), small(vec![range(7, 7)]));
    }

    #[test]
    fn originals_are_switched_on_and_off_and_nothing_else() {
        let originals = |on| Ok(Command::Picture(Pictures::Originals(on)));

        assert_eq!(parse("originals off"), originals(false));
        assert_eq!(parse("Originals ON"), originals(true));
        for line in ["originals", "originals maybe"] {
            let slip = Err(NotACommand::Picture(Slip::Originals));
            assert_eq!(parse(line), slip, "{line}");
        }
    }
}
