//! The words for keeping: `delete 7-9`, `undo`, `trash`, `restore 7`, `rename 7 to beach.jpg`,
//! `move 7-9 to Rome`, `tag 7 #x`, `untag 7 #x`, `note 7 TEXT`.

use std::borrow::Cow;

use vault::Label;

use super::{Command, Context, MAX_PICKED, NotACommand, numbers::range};
use crate::keeper::keeping::Keeping;

/// Most tags that one line gives or takes.
const MAX_TAGS: usize = 20;

/// A word that was used without what it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepWord {
    /// `delete`
    Delete,
    /// `restore`
    Restore,
    /// `rename`
    Rename,
    /// `move`
    Move,
    /// `tag`
    Tag,
    /// `untag`
    Untag,
    /// `note`
    Note,
    /// `trash` with something behind it.
    Trash,
}

pub(super) fn delete(rest: &str, context: &Context) -> Result<Command, NotACommand> {
    let ranges = only_numbers(&about(rest, context), KeepWord::Delete)?;
    Ok(Command::Keep(Keeping::Delete { ranges }))
}

/// Reads `trash`, `trash empty`, and `trash 7`, which deletes.
pub(super) fn trash(rest: &str, _: &Context) -> Result<Command, NotACommand> {
    Ok(Command::Keep(match rest {
        "" => Keeping::Trash,
        rest if rest.eq_ignore_ascii_case("empty") => Keeping::EmptyTrash,
        rest => Keeping::Delete {
            ranges: only_numbers(rest, KeepWord::Trash)?,
        },
    }))
}

pub(super) fn restore(rest: &str, context: &Context) -> Result<Command, NotACommand> {
    let rest = about(rest, context);
    let numbers = Numbers::read(&rest)?;
    // What the newest are is told of files outside of the trash.
    if numbers.ranges.iter().any(|(first, _)| *first == 0) {
        return Err(NotACommand::Keep(KeepWord::Restore));
    }
    let ranges = only_numbers(&rest, KeepWord::Restore)?;
    Ok(labelled(ranges, vec![Label::Trashed(false)]))
}

/// Reads `7 to beach.jpg`, and `7 beach.jpg`.
pub(super) fn rename(rest: &str, context: &Context) -> Result<Command, NotACommand> {
    let how = NotACommand::Keep(KeepWord::Rename);
    let rest = about(rest, context);
    let (number, name) = one(&rest, &how)?;
    let name = unquoted(after_to(name));
    if name.is_empty() {
        return Err(how);
    }
    let labels = vec![Label::Name(Some(name.to_owned()))];
    Ok(labelled(vec![(number, number)], labels))
}

/// Reads `7-9 to Rome` and `7 out`.
pub(super) fn album(rest: &str, context: &Context) -> Result<Command, NotACommand> {
    let rest = about(rest, context);
    let numbers = Numbers::read(&rest)?.with_words();
    let name = unquoted(after_to(numbers.rest)).to_owned();
    if numbers.ranges.is_empty() || name.is_empty() {
        return Err(NotACommand::Keep(KeepWord::Move));
    }
    let is_out = numbers.rest.eq_ignore_ascii_case("out");
    let labels = vec![Label::Album((!is_out).then_some(name))];
    Ok(labelled(numbers.ranges, labels))
}

/// Reads `7-9 #beach #sun`, also without the signs.
pub(super) fn tag(rest: &str, context: &Context, borne: bool) -> Result<Command, NotACommand> {
    let rest = about(rest, context);
    let numbers = Numbers::read(&rest)?.with_words();
    let words = numbers.rest.split([' ', ',', '#']);
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    if numbers.ranges.is_empty() || words.is_empty() || words.len() > MAX_TAGS {
        let word = if borne {
            KeepWord::Tag
        } else {
            KeepWord::Untag
        };
        return Err(NotACommand::Keep(word));
    }
    let labels = words.into_iter().map(|word| Label::Tag {
        tag: word.to_owned(),
        borne,
    });
    Ok(labelled(numbers.ranges, labels.collect()))
}

/// Reads `7 on the pier`, and `7 -` for no note.
pub(super) fn note(rest: &str, context: &Context) -> Result<Command, NotACommand> {
    let how = NotACommand::Keep(KeepWord::Note);
    let rest = about(rest, context);
    let (number, text) = one(&rest, &how)?;
    let text = match text {
        "" => return Err(how),
        "-" => None,
        text => Some(text.to_owned()),
    };
    Ok(labelled(vec![(number, number)], vec![Label::Caption(text)]))
}

fn labelled(ranges: Vec<(u64, u64)>, labels: Vec<Label>) -> Command {
    Command::Keep(Keeping::Label { ranges, labels })
}

/// Puts the numbers of the files before it that a line without any answers to.
fn about<'a>(rest: &'a str, context: &Context) -> Cow<'a, str> {
    let names_any = Numbers::read(rest).is_ok_and(|it| !it.ranges.is_empty());
    if names_any || context.quoted.is_empty() {
        return Cow::Borrowed(rest);
    }
    let numbers = context.quoted.iter().map(u64::to_string);
    let numbers: Vec<String> = numbers.collect();
    Cow::Owned(
        format!("{} {rest}", numbers.join(" "))
            .trim_end()
            .to_owned(),
    )
}

/// Reads the number of one file, and what follows.
fn one<'a>(rest: &'a str, how: &NotACommand) -> Result<(u64, &'a str), NotACommand> {
    let (word, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    if word.is_empty() {
        return Err(how.clone());
    }
    match range(word)? {
        (first, last) if first == last => Ok((first, rest.trim())),
        _ => Err(how.clone()),
    }
}

fn only_numbers(rest: &str, verb: KeepWord) -> Result<Vec<(u64, u64)>, NotACommand> {
    let numbers = Numbers::read(rest)?;
    if let Some(word) = numbers.rest.split([' ', ',']).next()
        && !word.is_empty()
    {
        let word = word.to_owned();
        return Err(NotACommand::BadNumber { word });
    }
    if numbers.ranges.is_empty() {
        return Err(NotACommand::Keep(verb));
    }
    Ok(numbers.ranges)
}

/// Leaves out the "to" that may stand before a name.
fn after_to(rest: &str) -> &str {
    match rest.split_once(' ') {
        Some((to, name)) if ["to", "into"].iter().any(|it| to.eq_ignore_ascii_case(it)) => {
            name.trim()
        }
        _ if rest.eq_ignore_ascii_case("to") => "",
        _ => rest,
    }
}

fn unquoted(name: &str) -> &str {
    name.trim_matches(['"', ' '])
}

/// The numbers that a line begins with.
struct Numbers<'a> {
    ranges: Vec<(u64, u64)>,
    /// What follows them.
    rest: &'a str,
    /// What follows all but the last of them.
    from_last: &'a str,
}

impl<'a> Numbers<'a> {
    /// Reads `7`, `#7`, `7-9`, `last`, `last 3`, with blanks or commas between.
    fn read(line: &'a str) -> Result<Self, NotACommand> {
        let between = [' ', ','];
        let mut read = Self {
            ranges: Vec::new(),
            rest: line.trim_start_matches(between),
            from_last: line,
        };
        let mut picked = 0_u64;
        loop {
            let (word, after) = read.rest.split_once(between).unwrap_or((read.rest, ""));
            let after = after.trim_start_matches(between);
            let (pick, after) = if word.eq_ignore_ascii_case("last") {
                let (count, behind) = after.split_once(between).unwrap_or((after, ""));
                match count.parse::<u64>() {
                    Ok(count) => ((0, count), behind.trim_start_matches(between)),
                    Err(_) => ((0, 1), after),
                }
            } else if let Ok(pick) = range(word) {
                (pick, after)
            } else {
                break;
            };
            let count = match pick {
                (0, count) => count,
                (first, last) => last - first + 1,
            };
            picked = picked.saturating_add(count);
            if picked > MAX_PICKED {
                return Err(NotACommand::TooMany);
            }
            if count > 0 {
                read.ranges.push(pick);
            }
            read.from_last = read.rest;
            read.rest = after;
        }
        Ok(read)
    }

    /// Where words have to follow, the last number is one if nothing else is: `tag 7 2024`.
    fn with_words(mut self) -> Self {
        if self.rest.is_empty() && self.ranges.len() > 1 {
            self.ranges.pop();
            self.rest = self.from_last;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Command, NotACommand> {
        crate::keeper::command::parse(line, &Context::default())
    }

    fn labelled(ranges: &[(u64, u64)], labels: &[Label]) -> Result<Command, NotACommand> {
        Ok(Command::Keep(Keeping::Label {
            ranges: ranges.to_vec(),
            labels: labels.to_vec(),
        }))
    }

    fn tagged(tag: &str, borne: bool) -> Label {
        Label::Tag {
            tag: tag.to_owned(),
            borne,
        }
    }

    #[test]
    fn files_are_named_by_numbers_ranges_and_last() {
        let deleted = |ranges: &[(u64, u64)]| {
            Ok(Command::Keep(Keeping::Delete {
                ranges: ranges.to_vec(),
            }))
        };

        assert_eq!(parse("delete 7"), deleted(&[(7, 7)]));
        assert_eq!(parse("/Delete #7, 9–12"), deleted(&[(7, 7), (9, 12)]));
        assert_eq!(parse("remove last 3"), deleted(&[(0, 3)]));
        assert_eq!(parse("trash 7"), deleted(&[(7, 7)]));
        assert_eq!(
            parse("restore 7 8"),
            labelled(&[(7, 7), (8, 8)], &[Label::Trashed(false)])
        );
    }

    #[test]
    fn names_albums_tags_and_notes_are_read_as_they_stand() {
        let name = |name: &str| Label::Name(Some(name.to_owned()));
        let album = |name: &str| Label::Album(Some(name.to_owned()));
        let seven = [(7, 7)];

        assert_eq!(
            parse("rename 7 to At the Sea.jpg"),
            labelled(&seven, &[name("At the Sea.jpg")])
        );
        assert_eq!(parse("rename 7 b.jpg"), labelled(&seven, &[name("b.jpg")]));
        assert_eq!(
            parse("move 7-9 to Rome, Italy"),
            labelled(&[(7, 9)], &[album("Rome, Italy")])
        );
        assert_eq!(parse("move 7 2024"), labelled(&seven, &[album("2024")]));
        assert_eq!(parse("MOVE 7 OUT"), labelled(&seven, &[Label::Album(None)]));
        assert_eq!(
            parse("tag 7 #Sea, sun"),
            labelled(&seven, &[tagged("Sea", true), tagged("sun", true)])
        );
        assert_eq!(
            parse("tag 7 8 2024"),
            labelled(&[(7, 7), (8, 8)], &[tagged("2024", true)])
        );
        assert_eq!(parse("untag 7 #x"), labelled(&seven, &[tagged("x", false)]));
        assert_eq!(
            parse("note 7 On the pier, with Ann"),
            labelled(
                &seven,
                &[Label::Caption(Some("On the pier, with Ann".into()))]
            )
        );
        assert_eq!(parse("note 7 -"), labelled(&seven, &[Label::Caption(None)]));
    }

    #[test]
    fn what_is_missing_or_no_number_is_named() {
        for (line, verb) in [
            ("delete", KeepWord::Delete),
            ("restore", KeepWord::Restore),
            ("restore last", KeepWord::Restore),
            ("rename", KeepWord::Rename),
            ("rename 7", KeepWord::Rename),
            ("rename 7 to", KeepWord::Rename),
            ("rename 7-9 to x", KeepWord::Rename),
            ("move 7", KeepWord::Move),
            ("move 7 to", KeepWord::Move),
            ("move to Rome", KeepWord::Move),
            ("tag 7", KeepWord::Tag),
            ("tag 7 #", KeepWord::Tag),
            ("untag sea", KeepWord::Untag),
            ("note 7", KeepWord::Note),
        ] {
            assert_eq!(parse(line), Err(NotACommand::Keep(verb)), "{line}");
        }
        let wrong = |word: &str| {
            Err(NotACommand::BadNumber {
                word: word.to_owned(),
            })
        };
        assert_eq!(parse("delete all"), wrong("all"));
        assert_eq!(parse("delete 7 and 8"), wrong("and"));
        assert_eq!(parse("delete 9-7"), wrong("9-7"));
        assert_eq!(parse("rename x to y"), wrong("x"));
        assert_eq!(parse("rename key"), Err(NotACommand::RenameHow));
        assert_eq!(parse("undo 3"), Err(NotACommand::Alone { verb: "undo" }));
        assert_eq!(parse("delete 1-101"), Err(NotACommand::TooMany));
    }

    #[test]
    fn a_line_without_numbers_is_about_the_files_that_it_answers_to() {
        let context = Context {
            quoted: vec![7, 9],
            ..Context::default()
        };
        let parse = |line| crate::keeper::command::parse(line, &context);

        let ranges = vec![(7, 7), (9, 9)];
        assert_eq!(
            parse("delete"),
            Ok(Command::Keep(Keeping::Delete { ranges }))
        );
        assert_eq!(
            parse("tag #sea"),
            labelled(&[(7, 7), (9, 9)], &[tagged("sea", true)])
        );
        assert_eq!(
            parse("tag 3 #sea"),
            labelled(&[(3, 3)], &[tagged("sea", true)])
        );
        assert_eq!(
            parse("move to Rome"),
            labelled(&[(7, 7), (9, 9)], &[Label::Album(Some("Rome".into()))])
        );
    }
}
