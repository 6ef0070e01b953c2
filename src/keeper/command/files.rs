//! The commands that show files and send them back.

use super::{
    Command, Context, DEFAULT_LINES, MAX_LINES, MAX_PICKED, NotACommand, Pick, numbers::range,
    pictures,
};

pub(super) fn list(rest: &str, _: &Context) -> Result<Command, NotACommand> {
    if rest.is_empty() {
        return Ok(Command::List {
            lines: DEFAULT_LINES,
        });
    }
    match rest.parse::<u32>() {
        Ok(lines) if lines > 0 => Ok(Command::List {
            lines: lines.min(MAX_LINES),
        }),
        _ => Err(NotACommand::BadNumber {
            word: rest.to_owned(),
        }),
    }
}

pub(super) fn find(rest: &str, _: &Context) -> Result<Command, NotACommand> {
    let words: Vec<&str> = rest.split_whitespace().collect();
    if words.is_empty() {
        return Err(NotACommand::NothingToFind);
    }
    Ok(Command::Find {
        words: words.join(" "),
    })
}

/// Reads `get 7`, `get 7 9-12`, `get last 3`; without a number it is what the line answers to.
pub(super) fn get(rest: &str, context: &Context) -> Result<Command, NotACommand> {
    match pictures::small(rest) {
        Some(numbers) => pictures::get_small(&numbers, context),
        None => picks(rest, context).map(|picks| Command::Get { picks }),
    }
}

/// Reads which files are meant.
pub(super) fn picks(rest: &str, context: &Context) -> Result<Vec<Pick>, NotACommand> {
    let mut words = rest
        .split(|c: char| c == ',' || c.is_whitespace())
        .filter(|word| !word.is_empty());
    let mut picks = Vec::new();
    let mut picked = 0_u64;
    let mut next = words.next();
    while let Some(word) = next {
        next = words.next();
        let (pick, count) = if word.eq_ignore_ascii_case("last") {
            let count = next.and_then(|count| count.parse::<u64>().ok());
            if count.is_some() {
                next = words.next();
            }
            let count = count.unwrap_or(1);
            (Pick::Last { count }, count)
        } else {
            let (first, last) = range(word)?;
            (Pick::Range { first, last }, last - first + 1)
        };
        if count == 0 {
            return Err(NotACommand::BadNumber {
                word: "0".to_owned(),
            });
        }
        picked = picked.saturating_add(count);
        if picked > MAX_PICKED {
            return Err(NotACommand::TooMany);
        }
        picks.push(pick);
    }
    if picks.is_empty() && !context.quoted.is_empty() {
        let one = |&number: &u64| Pick::Range {
            first: number,
            last: number,
        };
        return Ok(context.quoted.iter().map(one).collect());
    }
    if picks.is_empty() {
        return Err(NotACommand::BadNumber {
            word: String::new(),
        });
    }
    Ok(picks)
}

/// Reads `last 3`, which is `get last 3`.
pub(super) fn last(rest: &str, context: &Context) -> Result<Command, NotACommand> {
    get(&format!("last {rest}"), context)
}
