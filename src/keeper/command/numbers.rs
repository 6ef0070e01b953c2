//! Numbers of files, and ranges of them.

use super::NotACommand;

/// Reads `7`, `#7` or `7-12` (also with an en dash, or a stop behind it, which phones put in by
/// themselves).
pub(super) fn range(word: &str) -> Result<(u64, u64), NotACommand> {
    let word = word.strip_suffix('.').unwrap_or(word);
    let number = |text: &str| {
        let text = text.strip_prefix('#').unwrap_or(text);
        text.parse::<u64>()
            .ok()
            .filter(|number| (1..=u64::from(u32::MAX)).contains(number))
            .ok_or_else(|| NotACommand::BadNumber {
                word: word.to_owned(),
            })
    };
    let Some((first, last)) = word.split_once(['-', '–']) else {
        return number(word).map(|it| (it, it));
    };
    let (first, last) = (number(first)?, number(last)?);
    if first > last {
        return Err(NotACommand::BadNumber {
            word: word.to_owned(),
        });
    }
    Ok((first, last))
}
