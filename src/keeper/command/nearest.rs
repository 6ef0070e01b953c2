//! Which verb a mistyped word may be meant to be.

use super::verbs::{ELSEWHERE, VERBS};

/// Longest word that is compared, in characters.
const MAX_CHARACTERS: usize = 20;

/// Returns the verb nearest to a word that is none: at most two slips away, one where the verb is
/// shorter than six letters, and its own three letters where it has no more.
pub(super) fn verb(word: &str) -> Option<&'static str> {
    let word: Vec<char> = word.to_lowercase().chars().collect();
    if !(3..=MAX_CHARACTERS).contains(&word.len()) {
        return None;
    }
    let names = VERBS.iter().map(|it| (it.name, it.name));
    let others = VERBS
        .iter()
        .flat_map(|verb| verb.also.iter().map(|also| (*also, verb.name)));
    let elsewhere = ELSEWHERE.iter().map(|it| (*it, *it));
    names
        .chain(elsewhere)
        .chain(others)
        .filter_map(|(spelled, verb)| {
            let letters: Vec<char> = spelled.chars().collect();
            if letters.len() < 4
                && (letters.len() != word.len() || sorted(&letters) != sorted(&word))
            {
                return None;
            }
            let most = if letters.len() < 6 { 1 } else { 2 };
            let slips = slips(&word, &letters);
            (slips <= most).then_some((slips, verb))
        })
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, verb)| verb)
}

fn sorted(letters: &[char]) -> Vec<char> {
    let mut letters = letters.to_vec();
    letters.sort_unstable();
    letters
}

/// Counts the letters left out, put in, put for another, or swapped with their neighbour between
/// two words (the distance of Damerau and Levenshtein, each letter touched once).
fn slips(one: &[char], other: &[char]) -> usize {
    let width = other.len() + 1;
    let mut rows = vec![vec![0_usize; width]; one.len() + 1];
    let cell = |rows: &[Vec<usize>], row: usize, column: usize| {
        let found = rows.get(row).and_then(|row| row.get(column));
        found.copied().unwrap_or(usize::MAX / 2)
    };
    for row in 0..=one.len() {
        for column in 0..width {
            let value = if row == 0 || column == 0 {
                row + column
            } else {
                let same = one.get(row - 1) == other.get(column - 1);
                let put_for = cell(&rows, row - 1, column - 1) + usize::from(!same);
                let left_out = cell(&rows, row - 1, column) + 1;
                let put_in = cell(&rows, row, column - 1) + 1;
                let swapped = if row > 1
                    && column > 1
                    && one.get(row - 1) == other.get(column - 2)
                    && one.get(row - 2) == other.get(column - 1)
                {
                    cell(&rows, row - 2, column - 2) + 1
                } else {
                    usize::MAX / 2
                };
                put_for.min(left_out).min(put_in).min(swapped)
            };
            if let Some(place) = rows.get_mut(row).and_then(|row| row.get_mut(column)) {
                *place = value;
            }
        }
    }
    cell(&rows, one.len(), other.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_counted_as_typists_make_them() {
        let count = |one: &str, other: &str| {
            let letters = |word: &str| word.chars().collect::<Vec<_>>();
            slips(&letters(one), &letters(other))
        };

        assert_eq!(count("list", "list"), 0);
        assert_eq!(count("lsit", "list"), 1);
        assert_eq!(count("lst", "list"), 1);
        assert_eq!(count("liist", "list"), 1);
        assert_eq!(count("lust", "list"), 1);
        assert_eq!(count("", "list"), 4);
        assert_eq!(count("stauts", "status"), 1);
        assert_eq!(count("a", "b"), 1);
    }

    #[test]
    fn a_slip_finds_its_verb_and_prose_finds_none() {
        assert_eq!(verb("lsit"), Some("list"));
        assert_eq!(verb("Stauts"), Some("status"));
        assert_eq!(verb("devcies"), Some("devices"));
        assert_eq!(verb("serach"), Some("find"));
        assert_eq!(verb("unlok"), Some("unlock"));
        assert_eq!(verb("gte"), Some("get"));
        for prose in [
            "hello",
            "thanks",
            "the",
            "let",
            "go",
            "",
            "photo",
            "beautiful",
        ] {
            assert_eq!(verb(prose), None, "{prose}");
        }
    }
}
