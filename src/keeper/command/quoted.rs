//! What a message quotes: phones put `> ` before the lines that it answers to.

use super::MAX_PICKED;

/// Reads the quoted lines that a text begins with. Returns the numbers of the files that they
/// tell of, and what is written below them; `None` where nothing is quoted.
///
/// A line tells of a file if it is one of the vault's own: `#17 beach.jpg, …` of a listing or
/// before a file, `✅ #17 …` of an arrival, `… is already kept as #17.`, `12 of 12 stored, 48.0 MB,
/// #231-#242`, or a span of them alone.
#[must_use]
pub fn quoted(text: &str) -> Option<(Vec<u64>, &str)> {
    let mut rest = text.trim_start();
    let mut numbers = Vec::new();
    let mut is_quoted = false;
    // RFC 3676 4.5, as XEP-0393 v1.1.1 5.1.2 has it
    while let Some(line) = rest.strip_prefix('>') {
        is_quoted = true;
        let (line, below) = line.split_once('\n').unwrap_or((line, ""));
        numbers.extend(told(line));
        rest = below;
    }
    numbers.truncate(usize::try_from(MAX_PICKED).unwrap_or(usize::MAX));
    is_quoted.then_some((numbers, rest.trim()))
}

/// Returns the numbers that one quoted line tells of.
fn told(line: &str) -> Vec<u64> {
    let line = line.trim_start_matches(['>', ' ', '✅']).trim_end();
    if let Some((first, _)) = kept_as(line) {
        return vec![first];
    }
    let line = stored(line).unwrap_or(line);
    let mut numbers = Vec::new();
    // Names of files are foreign: only what stands before the first of them is the vault's.
    for word in line.split([' ', ',']).filter(|it| !it.is_empty()) {
        let Some((first, last)) = span(word.trim_end_matches([':', '.'])) else {
            break;
        };
        let room = MAX_PICKED.saturating_sub(numbers.len() as u64);
        let count = usize::try_from(room).unwrap_or(usize::MAX);
        numbers.extend((first..=last).take(count));
    }
    numbers
}

/// Reads `NAME is already kept as #3.`: a name may hold anything, and the end is the vault's own.
fn kept_as(line: &str) -> Option<(u64, u64)> {
    let (_, number) = line.rsplit_once(" is already kept as ")?;
    span(number.trim_end_matches('.')).filter(|(first, last)| first == last)
}

/// Returns what follows `12 of 12 stored, 48.0 MB, `, in which no name can stand.
fn stored(line: &str) -> Option<&str> {
    let (counts, rest) = line.split_once(" stored, ")?;
    let (some, all) = counts.split_once(" of ")?;
    let (size, rest) = rest.split_once(", ")?;
    let (amount, unit) = size.split_once(' ')?;
    let digits = |text: &str| text.bytes().all(|it| it.is_ascii_digit() || it == b'.');
    let is_unit = unit.bytes().all(|it| it.is_ascii_alphabetic());
    (digits(some) && digits(all) && digits(amount) && is_unit).then_some(rest)
}

/// Reads `#17` or `#231-#242`.
fn span(word: &str) -> Option<(u64, u64)> {
    let number = |word: &str| -> Option<u64> {
        let digits = word.strip_prefix('#')?;
        let is_number = digits.bytes().all(|it| it.is_ascii_digit());
        digits.parse().ok().filter(|it| is_number && *it > 0)
    };
    match word.split_once(['-', '–']) {
        None => number(word).map(|it| (it, it)),
        Some((first, last)) => number(first).zip(number(last)).filter(|(a, b)| a <= b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_line_of_the_vault_names_its_files() {
        for (text, numbers, rest) in [
            ("> #17 beach.jpg, 3.1 MB, 4 May 2026\nget", vec![17], "get"),
            (
                ">#17 beach.jpg, 3.1 MB, 4 May 2026:\n\nget\n",
                vec![17],
                "get",
            ),
            (
                "> ✅ #17 beach.jpg, 3.1 MB, stored.\ninfo",
                vec![17],
                "info",
            ),
            (
                "> #1 a, 7 bytes, 4 May\n> #3 b, 7 bytes, 4 May\nget",
                vec![1, 3],
                "get",
            ),
            ("> #231-#233, #7\nget", vec![231, 232, 233, 7], "get"),
            (
                "> 3 of 3 stored, 48.0 MB, #231-#233.\nget",
                vec![231, 232, 233],
                "get",
            ),
            (
                "> ✅ a #9 is already kept as #4. is already kept as #3.\nget",
                vec![3],
                "get",
            ),
        ] {
            assert_eq!(quoted(text), Some((numbers, rest)), "{text:?}");
        }
    }

    #[test]
    fn a_number_in_a_name_or_in_prose_names_nothing() {
        for text in [
            "> #17 #18.jpg, 3.1 MB, 4 May 2026",
            "> beach #18",
            "> 1 of 1 stored, #18",
            "> x of 1 stored, 1 MB, #18",
            "> ✅ #17 1 of 1 stored, 1 MB, #18, 3.1 MB, stored.",
            "> ✅ 1 of 1 stored, 1 M#B, #18",
            "> hello",
            "> #0",
            "> #18446744073709551616",
            "> #9-#3",
            "> 18",
        ] {
            let (numbers, rest) = quoted(text).unwrap();
            assert!(numbers.is_empty() || numbers == [17], "{text}: {numbers:?}");
            assert_eq!(rest, "");
        }
        assert_eq!(quoted("get 7"), None);
        assert_eq!(quoted(""), None);
    }

    #[test]
    fn a_quoted_span_names_no_more_than_may_be_asked_for() {
        let (numbers, _) = quoted("> #1-#4000000000\n> #1-#4000000000\nget").unwrap();

        assert_eq!(numbers.len() as u64, MAX_PICKED);
    }
}
