//! Pairing codes: drawn ones, and how much is to be guessed at one that a person made up.

use anyhow::Context as _;
use zeroize::Zeroizing;

use crate::keeper::owner::{CODE_ALPHABET, normal};

/// The least that a code has to leave to guess, in bits.
pub(super) const LEAST_BITS: u32 = 40;
/// Letters of a drawn code: 60 bits, of which the estimate sees 40 or more.
const LETTERS: usize = 12;
/// What a code looks like that is thrown with a die: 64 bits.
pub(super) const THROWN: &str = "35162 44516 23354 16625 13264";
/// Letters between two dashes.
const GROUP: usize = 4;

/// What everybody thinks of: letters that are part of it are no secret.
const FAMOUS: &[&str] = &[
    "correcthorsebatterystaple",
    "thequickbrownfoxjumpsoverthelazydog",
    "tobeornottobethatisthequestion",
    "loremipsumdolorsitamet",
    "password",
    "passwort",
    "letmein",
    "iloveyou",
    "314159265358979323846",
    "271828182845904523536",
];

/// The rows of a keyboard.
const KEYBOARD: [&str; 4] = ["1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm"];

/// Estimates, low rather than high, how many bits somebody who guesses has to guess.
///
/// Words and numbers that people think of are worth less than drawn letters; a letter that repeats
/// the one before, or is next to it in the alphabet, is worth next to nothing.
pub(in crate::setup) fn bits(typed: &str) -> u32 {
    const LEAST_DIFFERENT: usize = 6;

    let typed = typed.to_lowercase();
    let mut rest = plain(&typed);
    for famous in FAMOUS {
        rest = rest.replace(famous, "");
    }
    let plain: Vec<char> = rest.chars().collect();
    let letters: Vec<char> = normal(&rest).to_lowercase().chars().collect();
    if is_of_a_die(&letters) {
        let throws = u32::try_from(shortest_period(&letters)).unwrap_or(u32::MAX);
        return throws.saturating_mul(THROW) / 10;
    }
    let mut different = letters.clone();
    different.sort_unstable();
    different.dedup();
    if different.len() < LEAST_DIFFERENT {
        return 0;
    }
    let each = worth(&plain);
    let once = letters.get(..shortest_period(&letters)).unwrap_or(&letters);
    let mut tenths = 0;
    let mut before: Option<char> = None;
    for letter in once {
        let follows = before.is_some_and(|it| u32::from(it).abs_diff(u32::from(*letter)) <= 1);
        tenths += if follows { FOLLOWS.min(each) } else { each };
        before = Some(*letter);
    }
    if each == WORDS {
        tenths = tenths.saturating_sub(known_words(&typed));
    }
    tenths / 10
}

/// Tenths of a bit a letter: drawn ones have 5 bits, those of words about 2, drawn digits 3.3.
const MIXED: u32 = 36;
const DIGITS: u32 = 20;
const WORDS: u32 = 18;
const FOLLOWS: u32 = 3;
/// Tenths of a bit that a throw of a die is worth.
const THROW: u32 = 25;
/// So many throws are hardly anything that somebody remembers.
const LEAST_THROWS: usize = 20;

/// Tells whether these are the numbers of a die, one throw after the other.
fn is_of_a_die(letters: &[char]) -> bool {
    const LEAST_DIFFERENT: usize = 3;
    let is_throw = |it: &char| ('1'..='6').contains(it);
    if letters.len() < LEAST_THROWS || !letters.iter().all(is_throw) {
        return false;
    }
    let different = ('1'..='6').filter(|it| letters.contains(it)).count();
    let pairs = letters.iter().zip(letters.iter().skip(1));
    let mut pairs = pairs.map(|(one, other)| u32::from(*one).abs_diff(u32::from(*other)));
    // One that goes up, down or nowhere all the time was not thrown.
    different >= LEAST_DIFFERENT && pairs.any(|apart| apart > 1)
}

/// Returns what a letter is worth in such a code.
fn worth(plain: &[char]) -> u32 {
    let digits = plain.iter().filter(|it| it.is_ascii_digit()).count();
    let pairs = || {
        plain
            .windows(2)
            .filter_map(|it| Some((*it.first()?, *it.last()?)))
    };
    let turns = pairs().filter(|(one, other)| one.is_ascii_digit() != other.is_ascii_digit());
    let beside = pairs().filter(|(one, other)| are_neighbours(*one, *other));
    if beside.count() * 2 >= plain.len().saturating_sub(1) {
        FOLLOWS
    } else if digits == plain.len() {
        DIGITS
    } else if turns.count() >= 3 && digits * 2 <= plain.len() + 4 && !is_disguised(plain) {
        MIXED
    } else {
        WORDS
    }
}

fn plain(typed: &str) -> String {
    typed.chars().filter(|it| it.is_alphanumeric()).collect()
}

/// Tells whether two keys lie side by side, in a row or from row to row.
fn are_neighbours(one: char, other: char) -> bool {
    let place = |key: char| {
        let mut rows = KEYBOARD.iter().enumerate();
        rows.find_map(|(row, keys)| Some((row, keys.find(key)?)))
    };
    match (place(one), place(other)) {
        (Some((row, at)), Some((other_row, other_at))) => {
            row.abs_diff(other_row) <= 1 && at.abs_diff(other_at) <= 1
        }
        _ => false,
    }
}

/// Tells whether digits stand for letters of something that can be spoken, like h3ll0w0rld2024.
fn is_disguised(plain: &[char]) -> bool {
    let text: String = plain.iter().collect();
    let inner = text.trim_matches(|it: char| it.is_ascii_digit());
    let (mut vowels, mut run, mut longest) = (0, 0, 0);
    for letter in inner.chars() {
        // 0, 1, 3 and 4 stand for o, i, e and a.
        if "aeiouy0134".contains(letter) {
            vowels += 1;
            run = 0;
        } else {
            run += 1;
            longest = longest.max(run);
        }
    }
    vowels * 4 >= inner.chars().count() && longest <= 3
}

/// Returns how much less a text of words is worth: one that comes again is nothing new, and the short
/// ones hold a sentence together.
fn known_words(typed: &str) -> u32 {
    const SHORT: usize = 3;
    let words: Vec<String> = typed.split_whitespace().map(plain).collect();
    if words.len() < 2 {
        return 0;
    }
    let mut less = 0;
    for (at, word) in words.iter().enumerate() {
        let letters = u32::try_from(word.chars().count()).unwrap_or(u32::MAX);
        if words.get(..at).is_some_and(|it| it.contains(word)) {
            less += letters.saturating_mul(WORDS);
        } else if word.chars().count() <= SHORT {
            less += letters.saturating_mul(WORDS / 2);
        }
    }
    less
}

/// Returns the length of the piece that the whole repeats.
fn shortest_period(letters: &[char]) -> usize {
    (1..letters.len())
        .find(|period| {
            let mut pairs = letters.iter().zip(letters.iter().skip(*period));
            pairs.all(|(one, other)| one == other)
        })
        .unwrap_or(letters.len())
}

/// Draws a code that the estimate lets pass.
pub(in crate::setup) fn draw() -> anyhow::Result<Zeroizing<String>> {
    loop {
        let mut bytes = Zeroizing::new([0_u8; LETTERS]);
        getrandom::fill(&mut *bytes).context("while drawing a pairing code")?;
        let mut code = Zeroizing::new(String::with_capacity(LETTERS + LETTERS / GROUP));
        for (at, byte) in bytes.iter().enumerate() {
            if at > 0 && at % GROUP == 0 {
                code.push('-');
            }
            // 32 letters divide 256 evenly, so each is as likely as any other.
            let letter = CODE_ALPHABET.get(usize::from(byte % 32)).copied();
            code.push(char::from(letter.unwrap_or(b'0')));
        }
        if bits(&code) >= LEAST_BITS {
            return Ok(code);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_think_of_is_too_weak() {
        for weak in [
            "",
            "1234",
            "password",
            "Passwort2024",
            "correct horse",
            "hello world",
            "12345678901234567890",
            "aaaaaaaaaaaaaaaaaaaaaaaaa",
            "abcdefghijklmnopqrstuvwxyz",
            "ab12ab12ab12ab12ab12ab12",
            "a1b2c3d4a1b2c3d4a1b2c3d4",
            "1984-11-09",
            "h3ll0w0rld",
            "h3ll0w0rld2024",
            "Gr33n-H0u53-1984",
            "Anna1984Berta1986",
            "1q2w3e4r5t6y",
            "1qaz2wsx3edc4rfv",
            "qwertyuiop asdfghjkl zxcvbnm",
            "27051963 14081991",
            "3141592653589793238",
            "to be or not to be that is the question",
            "the quick brown fox jumps over the lazy dog",
            "correct horse battery staple",
            "12345 61234 56123 45612 34561",
            "11122 23334 44555 66665 55444",
            "12121 21212 12121 21212 12121",
            "35162 35162 35162 35162 35162",
        ] {
            assert!(bits(weak) < LEAST_BITS, "{weak}: {}", bits(weak));
        }
    }

    #[test]
    fn what_is_thrown_with_dice_is_strong_enough() {
        for strong in [
            "7GQ4-K2MX-9TBR",
            "7gq4k2mx9tbr",
            "83051 69274 18530 62947",
            "abacus walnut tundra pickle kayak",
            "35162 44516 23354 16625 13264",
        ] {
            assert!(bits(strong) >= LEAST_BITS, "{strong}: {}", bits(strong));
        }
    }

    #[test]
    fn of_the_codes_that_are_recommended_none_is_refused() {
        const CODES: usize = 100_000;
        // Steele, Lea and Flood's SplitMix64: the same codes in every run.
        let mut state = 7_u64;
        let mut throw = || {
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut word = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            char::from_digit(u32::try_from((word >> 33) % 6).unwrap() + 1, 10).unwrap()
        };
        let mut refused = 0;
        for _ in 0..CODES {
            let code: String = (0..25).map(|_| throw()).collect();
            refused += usize::from(bits(&code) < LEAST_BITS);
        }
        let drawn = (0..CODES).map(|_| draw().unwrap());
        let weak_draws = drawn.filter(|it| bits(it) < LEAST_BITS).count();

        assert_eq!((refused, weak_draws), (0, 0));
        // The control: too few throws are refused.
        assert!(bits("35162 44516") < LEAST_BITS);
    }

    #[test]
    fn a_drawn_code_is_strong_enough_and_new_each_time() {
        let (one, other) = (draw().unwrap(), draw().unwrap());

        assert_ne!(*one, *other);
        assert_eq!(one.len(), 14);
        assert!(bits(&one) >= LEAST_BITS);
    }
}
