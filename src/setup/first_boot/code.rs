//! Pairing codes: drawn ones, and how much is to be guessed at one that a person made up.

use anyhow::Context as _;
use zeroize::Zeroizing;

use crate::keeper::owner::{CODE_ALPHABET, normal};

/// The least that a code has to leave to guess, in bits.
pub(super) const LEAST_BITS: u32 = 40;
/// Letters of a drawn code: 60 bits, of which the estimate sees 40 or more.
const LETTERS: usize = 12;
/// Letters between two dashes.
const GROUP: usize = 4;

/// Estimates, low rather than high, how many bits somebody who guesses has to guess.
///
/// Words and numbers that people think of are worth less than drawn letters; a letter that repeats
/// the one before, or is next to it in the alphabet, is worth next to nothing.
pub(in crate::setup) fn bits(typed: &str) -> u32 {
    // Tenths of a bit a letter: drawn ones have 5 bits, those of words about 2, digits 3.3.
    const MIXED: u32 = 36;
    const DIGITS: u32 = 30;
    const WORDS: u32 = 18;
    const FOLLOWS: u32 = 3;
    const LEAST_DIFFERENT: usize = 6;

    let typed = typed.to_lowercase();
    let letters: Vec<char> = normal(&typed).to_lowercase().chars().collect();
    let plain: Vec<char> = typed.chars().filter(|c| c.is_alphanumeric()).collect();
    let mut different = letters.clone();
    different.sort_unstable();
    different.dedup();
    if different.len() < LEAST_DIFFERENT {
        return 0;
    }
    let digits = plain.iter().filter(|it| it.is_ascii_digit()).count();
    let turns = plain.windows(2).filter(
        |pair| matches!(pair, [one, other] if one.is_ascii_digit() != other.is_ascii_digit()),
    );
    let each = if digits == plain.len() {
        DIGITS
    } else if turns.count() >= 3 && digits * 2 <= plain.len() + 4 {
        MIXED
    } else {
        WORDS
    };
    let once = &letters[..shortest_period(&letters)];
    let mut tenths = 0;
    let mut before: Option<char> = None;
    for letter in once {
        let follows = before.is_some_and(|it| u32::from(it).abs_diff(u32::from(*letter)) <= 1);
        tenths += if follows { FOLLOWS } else { each };
        before = Some(*letter);
    }
    tenths / 10
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
        ] {
            assert!(bits(strong) >= LEAST_BITS, "{strong}: {}", bits(strong));
        }
    }

    #[test]
    fn a_drawn_code_is_strong_enough_and_new_each_time() {
        let (one, other) = (draw().unwrap(), draw().unwrap());

        assert_ne!(*one, *other);
        assert_eq!(one.len(), 14);
        assert!(bits(&one) >= LEAST_BITS);
    }
}
