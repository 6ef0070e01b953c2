//! What is said of changes to kept files.

use std::fmt::Write as _;

use vault::{Label, Relabelled};

use super::{bytes, day, show, spans};
use crate::keeper::{
    command::KeepWord,
    confirm::CONFIRM_SECONDS,
    reply::{KeepReply, Line},
};

/// Lines that a question shows; the other files are counted.
const SHOWN: usize = 5;
const DAY_SECONDS: i64 = 24 * 60 * 60;

impl KeepReply {
    pub(super) fn text(&self) -> String {
        match self {
            Self::AskDelete {
                lines,
                in_trash,
                missing,
                days,
                number,
            } => {
                let mut text = ask_delete(lines, *days, *number);
                text += &left_alone(in_trash, missing);
                text
            }
            Self::NoneOfThem { in_trash, missing } => {
                left_alone(in_trash, missing).trim_start().to_owned()
            }
            Self::Labelled {
                labels,
                numbers,
                has_changed,
                in_trash,
                missing,
                days,
            } => {
                let mut text = match numbers.as_slice() {
                    [] => String::new(),
                    numbers => labelled(labels, numbers, *has_changed, *days),
                };
                text += &left_alone(in_trash, missing);
                text.trim_start().to_owned()
            }
            Self::Undone {
                steps,
                numbers,
                changed,
                missing,
            } => undone(steps, numbers, changed, missing),
            Self::NothingToUndo => {
                "There is nothing to undo: I know what each phone changed last, \
                 up to 20 changes, until I am restarted. \"trash\" shows what was deleted."
                    .to_owned()
            }
            Self::UndoLater { coming } => format!(
                "{} that you said this of {} still being stored. Send \"undo\" again once that is \
                 done.",
                files(*coming as u64),
                if *coming == 1 { "is" } else { "are" }
            ),
            Self::Trash { count: 0, .. } => "The trash is empty.".to_owned(),
            Self::Trash {
                lines,
                count,
                bytes,
                days,
            } => trash(lines, *count, *bytes, *days),
            Self::AskEmpty {
                count,
                bytes: size,
                number,
            } => format!(
                "Remove {} in the trash for good, {}? Nothing brings that back. {}",
                files(*count),
                bytes(*size),
                send(*number, "trash empty")
            ),
            Self::Purged { count: 0, .. } => "The trash is empty.".to_owned(),
            Self::Purged { count, bytes: size } => {
                format!("{}, {}, removed for good.", files(*count), bytes(*size))
            }
            Self::TrashChanged => {
                "More lies in the trash than I showed you, so I removed nothing. \
                 Send \"trash empty\" again."
                    .to_owned()
            }
            Self::Retracted { numbers } => retracted(numbers),
            Self::How(verb) => how(*verb).to_owned(),
        }
    }
}

fn ask_delete(lines: &[Line], days: u32, number: Option<u32>) -> String {
    let mut text = match lines {
        [line] => format!("Delete {}?", described(line)),
        lines => {
            let size = lines.iter().map(|line| line.bytes).sum();
            let mut text = format!("Delete these {} files, {}?", lines.len(), bytes(size));
            for line in lines.iter().take(SHOWN) {
                let _ = write!(text, "\n{}", described(line));
            }
            if lines.len() > SHOWN {
                let _ = write!(text, "\nand {} more", lines.len() - SHOWN);
            }
            text.push('\n');
            return text + &stay(days, false) + &send(number, "delete");
        }
    };
    text.push(' ');
    text + &stay(days, true) + &send(number, "delete")
}

fn described(line: &Line) -> String {
    format!(
        "#{} {}, {}",
        line.number,
        show(&line.name),
        bytes(line.bytes)
    )
}

fn stay(days: u32, one: bool) -> String {
    let it = if one { "It stays" } else { "They stay" };
    match days {
        0 => format!("{it} in the trash until you empty it. "),
        1 => format!("{it} in the trash for a day. "),
        days => format!("{it} in the trash for {days} days. "),
    }
}

fn send(number: Option<u32>, word: &str) -> String {
    match number {
        Some(number) => format!("Send {number} within {} minutes.", CONFIRM_SECONDS / 60),
        None => format!("Send \"{word}\" again for a fresh number."),
    }
}

/// Says what became of these files, whether that was new or not.
fn labelled(labels: &[Label], numbers: &[u64], has_changed: bool, days: u32) -> String {
    let which = spans(numbers);
    let one = numbers.len() == 1;
    let (is, has, bears) = if one {
        ("is", "has", "bears")
    } else {
        ("are", "have", "bear")
    };
    match labels {
        [Label::Trashed(true)] => {
            let until = match days {
                0 => "until you empty it".to_owned(),
                1 => "for a day".to_owned(),
                days => format!("for {days} days"),
            };
            let back = if one { "it" } else { "them" };
            format!("{which} {is} in the trash {until}. \"undo\" brings {back} back.")
        }
        [Label::Trashed(false)] if has_changed => format!("{which} {is} back."),
        [Label::Trashed(false)] => format!("{which} {is} not in the trash."),
        [Label::Name(Some(name))] => format!("{which} {is} called \"{}\" now.", show(name)),
        [Label::Name(None)] => format!("{which} {has} the name it came with."),
        [Label::Album(Some(album))] => format!("{which} {is} in album \"{}\" now.", show(album)),
        [Label::Album(None)] => format!("{which} {is} in no album now."),
        [Label::Caption(Some(_))] => format!("{which} {has} your note now."),
        [Label::Caption(None)] => format!("{which} {has} no note now."),
        [Label::Tag { borne: true, .. }, ..] => format!("{which} {bears} {} now.", tags(labels)),
        [Label::Tag { borne: false, .. }, ..] => {
            format!("{which} {bears} {} no more.", tags(labels))
        }
        _ => format!("{which} {is} as you wished."),
    }
}

fn tags(labels: &[Label]) -> String {
    let tags = labels.iter().filter_map(|label| {
        let Label::Tag { tag, .. } = label else {
            return None;
        };
        Some(format!("#{}", show(tag)))
    });
    tags.collect::<Vec<String>>().join(" ")
}

/// Says which files were not touched, and why.
fn left_alone(in_trash: &[u64], missing: &[u64]) -> String {
    let mut text = String::new();
    match in_trash {
        [] => {}
        [one] => {
            let _ = write!(
                text,
                " #{one} lies in the trash; \"restore {one}\" brings it back."
            );
        }
        many => {
            let _ = write!(
                text,
                " {} lie in the trash; \"restore {}\" brings the first back.",
                spans(many),
                many.iter().min().unwrap_or(&0)
            );
        }
    }
    if !missing.is_empty() {
        let mut missing = missing.to_vec();
        missing.sort_unstable();
        let _ = write!(
            text,
            " There is no {}. \"list\" shows the numbers.",
            spans(&missing)
        );
    }
    text
}

fn undone(steps: &[Relabelled], numbers: &[u64], changed: &[u64], missing: &[u64]) -> String {
    let mut text = String::new();
    if !numbers.is_empty() {
        let which = spans(numbers);
        let (is, has) = if numbers.len() == 1 {
            ("is", "has")
        } else {
            ("are", "have")
        };
        text = match steps.first().map(|step| &step.was) {
            Some(Label::Trashed(false)) => format!("Undone: {which} {is} back from the trash."),
            Some(Label::Trashed(true)) => format!("Undone: {which} {is} in the trash again."),
            Some(Label::Name(_)) => format!("Undone: {which} {has} the name from before."),
            Some(Label::Album(Some(_))) => {
                format!("Undone: {which} {is} in the album from before.")
            }
            Some(Label::Album(None)) => format!("Undone: {which} {is} in no album again."),
            Some(Label::Caption(None)) => format!("Undone: {which} {has} no note again."),
            Some(Label::Caption(Some(_))) => format!("Undone: {which} {has} the note from before."),
            Some(Label::Tag { .. }) => format!("Undone: {which} {has} the tags from before."),
            None => format!("Undone: {which}."),
        };
    }
    match changed {
        [] => {}
        changed => {
            let _ = write!(
                text,
                " I left {} alone: changed again since then.",
                spans(changed)
            );
        }
    }
    if !missing.is_empty() {
        let _ = write!(text, " Gone for good: {}.", spans(missing));
    }
    text.trim_start().to_owned()
}

fn trash(lines: &[(Line, i64)], count: u64, size: u64, days: u32) -> String {
    let mut text = format!("In the trash: {}, {}.", files(count), bytes(size));
    for (line, since) in lines {
        let _ = write!(text, "\n{}", described(line));
        if days > 0 {
            let until = since.saturating_add(i64::from(days).saturating_mul(DAY_SECONDS));
            let _ = write!(text, ", until {}", day(until));
        }
    }
    if count > lines.len() as u64 {
        let _ = write!(text, "\n{} of {count} shown.", lines.len());
    }
    let first = lines.first().map_or(7, |(line, _)| line.number);
    let _ = write!(
        text,
        "\n\"restore {first}\" brings one back, \"trash empty\" removes all for good."
    );
    text
}

fn retracted(numbers: &[u64]) -> String {
    match numbers {
        [one] => format!(
            "You took back #{one}. I keep it; send \"delete {one}\" to move it to the trash."
        ),
        many => {
            let spans = spans(many);
            let typed = spans.replace(['#', ','], "");
            format!(
                "You took back {spans}. I keep them; send \"delete {typed}\" to move them to the \
                 trash."
            )
        }
    }
}

fn files(count: u64) -> String {
    if count == 1 {
        "1 file".to_owned()
    } else {
        format!("{count} files")
    }
}

fn how(verb: KeepWord) -> &'static str {
    match verb {
        KeepWord::Delete => {
            "Delete which file? Send for example \"delete 7\" or \"delete 7-9\"; \"list\" shows the \
             numbers."
        }
        KeepWord::Restore => {
            "Restore which file? Send for example \"restore 7\"; \"trash\" shows what can come back."
        }
        KeepWord::Rename => {
            "Rename which file to what? Send for example \"rename 7 to beach.jpg\"; for a key \
             \"rename key OLD to NEW\"."
        }
        KeepWord::Move => {
            "Move which files where? Send for example \"move 7-9 to Rome\", or \"move 7 out\" to \
             take one out of its album."
        }
        KeepWord::Tag => "Tag which file with what? Send for example \"tag 7 #beach\".",
        KeepWord::Untag => "Take which tag from which file? Send for example \"untag 7 #beach\".",
        KeepWord::Note => {
            "What shall I note of which file? Send for example \"note 7 Ann on the pier\", or \
             \"note 7 -\" to remove a note."
        }
        KeepWord::Trash => {
            "\"trash\" shows what was deleted, \"trash empty\" removes it for good. To delete a \
             file, send for example \"delete 7\"."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_about_many_files_names_five_and_counts_the_others() {
        let line = |number| Line {
            number,
            name: format!("{number}.jpg"),
            bytes: 1_000,
            received_at: 0,
            damaged: false,
            taken_at: None,
        };
        let ask =
            |count, number| ask_delete(&(1..=count).map(line).collect::<Vec<_>>(), 30, number);

        assert_eq!(
            ask(1, Some(123_456)),
            "Delete #1 1.jpg, 1.0 kB? It stays in the trash for 30 days. Send 123456 within 5 \
             minutes."
        );
        assert!(ask(7, None).starts_with("Delete these 7 files, 7.0 kB?\n#1 1.jpg, 1.0 kB\n"));
        assert!(ask(7, None).contains("\n#5 5.jpg, 1.0 kB\nand 2 more\nThey stay"));
        assert!(ask(7, None).ends_with("Send \"delete\" again for a fresh number."));
    }

    #[test]
    fn files_that_were_not_touched_are_named_with_the_way_out() {
        assert_eq!(
            left_alone(&[9], &[12, 11]),
            " #9 lies in the trash; \"restore 9\" brings it back. There is no #11-#12. \"list\" \
             shows the numbers."
        );
        assert_eq!(
            retracted(&[3, 4, 7]),
            "You took back #3-#4, #7. I keep them; send \"delete 3-4 7\" to move them to the trash."
        );
    }
}
