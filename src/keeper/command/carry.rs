//! The commands that carry files by a stick: `export`, `import`.

use super::{Command, Context, NotACommand, files, filter};
use crate::keeper::carry::{Wanted, Wish};

/// Reads `export album Rome`, `export 7-12`, `export all onto SanDisk`.
pub(super) fn export(rest: &str, context: &Context) -> Result<Command, NotACommand> {
    let (line, onto) = split(rest);
    let what = if line.is_empty() && !context.quoted.is_empty() {
        Wanted::These(files::picks("", context)?)
    } else if line.is_empty() {
        return Err(NotACommand::ExportWhat);
    } else if begins_with_a_number(line) {
        match files::picks(line, context) {
            Ok(picks) => Wanted::These(picks),
            // A tag may begin with a digit.
            Err(_) if line.starts_with('#') => Wanted::Like(filter(line, context)),
            Err(why) => return Err(why),
        }
    } else {
        Wanted::Like(filter(line, context))
    };
    Ok(Command::Carry(Wish::Export { what, onto }))
}

/// Returns whether a line names files by their numbers. "2025" is a year, and "#2025" a file.
fn begins_with_a_number(line: &str) -> bool {
    let mut words = line.split_whitespace();
    let first = words.next().unwrap_or_default();
    let year = first
        .parse::<u32>()
        .is_ok_and(|it| (1900..2200).contains(&it));
    if first.eq_ignore_ascii_case("last") {
        let count = words.next();
        return words.next().is_none() && count.is_none_or(|it| it.parse::<u64>().is_ok());
    }
    !year && first.starts_with(|it: char| it == '#' || it.is_ascii_digit())
}

/// Cuts "onto SanDisk" off the end.
fn split(rest: &str) -> (&str, Option<String>) {
    let Some((before, name)) = rest.rsplit_once(' ') else {
        return (rest, None);
    };
    let (what, word) = before
        .trim_end()
        .rsplit_once(' ')
        .unwrap_or(("", before.trim_end()));
    // Sticks are named by plain words; what stands in quotes is meant otherwise.
    let is_plain = name.chars().all(|it| it.is_ascii_alphanumeric());
    match is_plain && word.eq_ignore_ascii_case("onto") {
        true => (what.trim(), Some(name.to_owned())),
        false => (rest, None),
    }
}

/// Reads `import`, `import from SanDisk`.
pub(super) fn import(rest: &str) -> Result<Command, NotACommand> {
    let words: Vec<&str> = rest.split_whitespace().collect();
    let from = match words.as_slice() {
        [] => None,
        [from, name] if from.eq_ignore_ascii_case("from") => Some((*name).to_owned()),
        _ => return Err(NotACommand::ImportHow),
    };
    Ok(Command::Carry(Wish::Import { from }))
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::*;
    use crate::keeper::command::{Filter, Pick};

    fn exported(line: &str) -> (Wanted, Option<String>) {
        let context = Context {
            today: NaiveDate::from_ymd_opt(2026, 5, 4).unwrap(),
            ..Context::default()
        };
        match export(line, &context) {
            Ok(Command::Carry(Wish::Export { what, onto })) => (what, onto),
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn numbers_pick_and_all_else_is_what_find_takes() {
        let (seven, _) = exported("7 9-12");
        assert_eq!(
            seven,
            Wanted::These(vec![
                Pick::Range { first: 7, last: 7 },
                Pick::Range { first: 9, last: 12 }
            ])
        );
        assert_eq!(
            exported("last 3").0,
            Wanted::These(vec![Pick::Last { count: 3 }])
        );
        assert_eq!(exported("all").0, Wanted::Like(Filter::default()));
        let album = |name: &str| Filter {
            album: Some(name.to_owned()),
            ..Filter::default()
        };
        assert_eq!(exported("album Rome").0, Wanted::Like(album("Rome")));
        let (beach, _) = exported("#beach");
        assert!(matches!(beach, Wanted::Like(it) if it.tags == ["beach"]));
        let (year, _) = exported("2025");
        assert!(matches!(year, Wanted::Like(it) if it.dates.is_some()));
        let (week, _) = exported("last week");
        assert!(matches!(week, Wanted::Like(it) if it.dates.is_some()));
        let by_number = Pick::Range {
            first: 2025,
            last: 2025,
        };
        assert_eq!(exported("#2025").0, Wanted::These(vec![by_number]));
        assert!(export("7 and so on", &Context::default()).is_err());
        assert_eq!(
            export("", &Context::default()),
            Err(NotACommand::ExportWhat)
        );
    }

    #[test]
    fn a_stick_is_named_at_the_end() {
        let (rome, onto) = exported("album Rome in May onto SanDisk");
        assert!(matches!(rome, Wanted::Like(it) if it.album.as_deref() == Some("Rome in May")));
        assert_eq!(onto.as_deref(), Some("SanDisk"));
        assert_eq!(exported("all Onto T7").1.as_deref(), Some("T7"));
        let (quoted, onto) = exported("\"boats onto T7\"");
        assert!(matches!(quoted, Wanted::Like(it) if it.words == "boats onto T7"));
        assert_eq!(onto, None);
        let (words, onto) = exported("boats onto");
        assert!(matches!(words, Wanted::Like(it) if it.words == "boats onto"));
        assert_eq!(onto, None);
        assert_eq!(
            export("onto SanDisk", &Context::default()),
            Err(NotACommand::ExportWhat)
        );
    }

    #[test]
    fn an_import_names_a_stick_or_nothing() {
        let from = |name: Option<&str>| {
            Ok(Command::Carry(Wish::Import {
                from: name.map(str::to_owned),
            }))
        };
        assert_eq!(import(""), from(None));
        assert_eq!(import("From SanDisk"), from(Some("SanDisk")));
        for wrong in ["SanDisk", "from", "from San Disk", "everything"] {
            assert_eq!(import(wrong), Err(NotACommand::ImportHow), "{wrong}");
        }
    }
}
