//! The commands that show files and send them back.

use super::{
    Command, Context, DEFAULT_LINES, FOUND_LINES, MAX_LINES, MAX_PICKED, NotACommand, Pick,
    contacts, filter, numbers::range, pictures,
};

/// Reads `list`, `list 30`, `list photos june`.
pub(super) fn list(rest: &str, context: &Context) -> Result<Command, NotACommand> {
    let (first, others) = rest.split_once(' ').unwrap_or((rest, ""));
    let count = first.parse::<u32>().ok();
    let is_year = count.is_some_and(|it| (1900..2200).contains(&it));
    let (lines, what) = match count.filter(|_| !is_year) {
        Some(0) => {
            return Err(NotACommand::BadNumber {
                word: rest.to_owned(),
            });
        }
        Some(count) => (count.min(MAX_LINES), others),
        None => (DEFAULT_LINES, rest),
    };
    Ok(Command::List {
        what: filter(what, context),
        lines,
        before: None,
    })
}

/// Reads `find summer lake`, `find photos june 2025 rome`.
pub(super) fn find(rest: &str, context: &Context) -> Result<Command, NotACommand> {
    let what = filter(rest, context);
    if what.is_everything() {
        return Err(NotACommand::NothingToFind);
    }
    Ok(Command::List {
        what,
        lines: FOUND_LINES,
        before: None,
    })
}

/// Reads `info 7`; without a number it is what the line answers to.
pub(super) fn info(rest: &str, context: &Context) -> Result<Command, NotACommand> {
    if rest.is_empty() {
        let quoted = context.quoted.first().copied();
        return quoted
            .map(|number| Command::Info { number })
            .ok_or(NotACommand::WhichFile);
    }
    match range(rest)? {
        (first, last) if first == last => Ok(Command::Info { number: first }),
        _ => Err(NotACommand::BadNumber {
            word: rest.to_owned(),
        }),
    }
}

/// Reads `get 7`, `get 7 9-12`, `get last 3`, `get 7 to bob@example.org`; without a number it is what the line answers to.
pub(super) fn get(rest: &str, context: &Context) -> Result<Command, NotACommand> {
    if let Some(split) = contacts::to_somebody(rest) {
        return contacts::send(split, context);
    }
    match pictures::small(rest) {
        Some(numbers) => pictures::get_small(&numbers, context),
        None => picks(rest, context).map(|picks| Command::Get { picks }),
    }
}

/// Reads which files are meant.
pub(super) fn picks(rest: &str, context: &Context) -> Result<Vec<Pick>, NotACommand> {
    let mut words = rest
        .split(|c: char| c == ',' || c.is_whitespace())
        .filter(|word| !word.is_empty() && !is_between(word));
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

/// Returns whether a word only stands between numbers, or is mere politeness.
fn is_between(word: &str) -> bool {
    let words = ["and", "&", "please"];
    words.iter().any(|it| word.eq_ignore_ascii_case(it))
}

/// Reads `last 3`, which is `get last 3`.
pub(super) fn last(rest: &str, context: &Context) -> Result<Command, NotACommand> {
    get(&format!("last {rest}"), context)
}
