//! Recovery words: a slot secret as 24 English words that a person can write down and type in.
//!
//! The words are the BIP-39 encoding of the 32 bytes themselves, not of a seed derived from them.

use std::fmt;

use bip39::{Language, Mnemonic};
use zeroize::Zeroizing;

use crate::key::{KEY_BYTES, SlotSecret};

/// How many words there are.
pub const WORD_COUNT: usize = 24;

/// Recovery words, to be shown once and never stored. Neither `Debug` nor `Display` shows them.
pub struct RecoveryWords(Zeroizing<String>);

impl RecoveryWords {
    /// Shows the words, separated by single spaces.
    #[must_use]
    pub fn expose_to_owner(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for RecoveryWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        f.write_str("RecoveryWords(..)")
    }
}

/// What is wrong with words that were typed in.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WordsError {
    /// There are too few or too many.
    #[error("there are {found} words, and recovery words are {WORD_COUNT}")]
    WrongCount {
        /// How many words were typed.
        found: usize,
    },
    /// One of them is not in the list.
    #[error("word {place}, \"{word}\", is not in the list{}", hint(.suggestions))]
    UnknownWord {
        /// Which one, counted from 1.
        place: usize,
        /// As it was typed, cut at 20 characters.
        word: String,
        /// Words of the list that begin the same or differ in one letter.
        suggestions: Vec<&'static str>,
    },
    /// All are in the list, and together they are wrong: one was swapped or mixed up.
    #[error("the words do not belong together: one is wrong, or two changed places")]
    WrongTogether,
}

fn hint(suggestions: &[&'static str]) -> String {
    if suggestions.is_empty() {
        return String::new();
    }
    format!(" (perhaps {})", suggestions.join(" or "))
}

impl SlotSecret {
    /// Spells the secret in 24 words.
    #[must_use]
    pub fn to_words(&self) -> RecoveryWords {
        #[expect(clippy::expect_used, reason = "BIP-39 spells every 32 bytes")]
        let words = Mnemonic::from_entropy_in(Language::English, self.expose_to_cipher())
            .expect("32 bytes are a valid length");
        let mut text = Zeroizing::new(String::with_capacity(WORD_COUNT * 9));
        for word in words.words() {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(word);
        }
        RecoveryWords(text)
    }

    /// Reads 24 words as they were typed: any case, any white space, numbered or not, and words
    /// shortened to the four letters that tell them apart.
    ///
    /// # Errors
    /// Says which word is wrong, as far as that can be told.
    pub fn from_words(typed: &str) -> Result<Self, WordsError> {
        let typed = Zeroizing::new(typed.to_lowercase());
        let words: Vec<&str> = typed
            .split(|it: char| it.is_whitespace() || it == ',' || it == ';')
            .map(|word| word.trim_matches(|it: char| it.is_ascii_digit() || it == '.' || it == ')'))
            .filter(|word| !word.is_empty())
            .collect();
        let mut text = Zeroizing::new(String::with_capacity(WORD_COUNT * 9));
        for (place, word) in words.iter().enumerate() {
            let known = known_word(word).ok_or_else(|| WordsError::UnknownWord {
                place: place + 1,
                word: word.chars().take(20).collect(),
                suggestions: suggestions(word),
            })?;
            if place > 0 {
                text.push(' ');
            }
            text.push_str(known);
        }
        if words.len() != WORD_COUNT {
            return Err(WordsError::WrongCount { found: words.len() });
        }
        let words = Mnemonic::parse_in_normalized(Language::English, &text)
            .map_err(|_| WordsError::WrongTogether)?;
        let (entropy, length) = words.to_entropy_array();
        let entropy = Zeroizing::new(entropy);
        let secret = entropy
            .first_chunk::<KEY_BYTES>()
            .filter(|_| length == KEY_BYTES);
        let secret = secret.ok_or(WordsError::WrongTogether)?;
        Ok(Self::init_with(|place| *place = *secret))
    }
}

/// Tells whether recovery words, or half of them, stand in a text: twelve of the list in a row.
///
/// Common prose does not come near that, since the list has neither "the" nor "and".
#[must_use]
pub fn holds_recovery_words(text: &str) -> bool {
    let mut in_a_row = 0;
    let words = text.split(|it: char| it.is_whitespace() || it == ',' || it == ';');
    for word in words {
        let word = word.trim_matches(|it: char| !it.is_alphabetic());
        if word.is_empty() {
            continue;
        }
        let word = Zeroizing::new(word.to_lowercase());
        in_a_row = if known_word(&word).is_some() {
            in_a_row + 1
        } else {
            0
        };
        if in_a_row == WORD_COUNT / 2 {
            return true;
        }
    }
    false
}

fn known_word(typed: &str) -> Option<&'static str> {
    let list = Language::English.word_list();
    if let Ok(place) = list.binary_search(&typed) {
        return list.get(place).copied();
    }
    // The first four letters tell every two words of the list apart.
    let short = typed.len() == 4 && typed.is_ascii();
    list.iter()
        .copied()
        .find(|word| short && word.starts_with(typed))
}

fn suggestions(typed: &str) -> Vec<&'static str> {
    let list = Language::English.word_list();
    let typed: Vec<char> = typed.chars().take(20).collect();
    let close = list
        .iter()
        .copied()
        .filter(|word| one_slip_apart(&typed, word));
    close.take(3).collect()
}

/// Tells whether one letter is wrong, missing or too many, or two neighbours changed places.
fn one_slip_apart(typed: &[char], word: &str) -> bool {
    let word: Vec<char> = word.chars().collect();
    let same_start = typed.iter().zip(&word).take_while(|(a, b)| a == b).count();
    let (typed, word) = (
        typed.get(same_start..).unwrap_or_default(),
        word.get(same_start..).unwrap_or_default(),
    );
    match (typed, word) {
        ([_, typed @ ..], [_, word @ ..]) if typed == word => true,
        ([a, b, typed @ ..], [c, d, word @ ..]) if a == d && b == c && typed == word => true,
        ([_, typed @ ..], word) if typed == word => true,
        (typed, [_, word @ ..]) => typed == word,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_secret_survives_being_spelled_and_read(bytes in any::<[u8; 32]>()) {
            let words = SlotSecret::init_with(|place| *place = bytes).to_words();

            let read = SlotSecret::from_words(words.expose_to_owner()).unwrap();

            prop_assert_eq!(read.expose_to_cipher(), &bytes);
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC{0,200}") {
            let _ = SlotSecret::from_words(&text);
        }
    }

    /// From the vectors of BIP-39 itself (entropy and words; the seed is not used here).
    #[test]
    fn words_are_the_published_encoding() {
        let secret = SlotSecret::init_with(|place| {
            hex::decode_to_slice(
                "f585c11aec520db57dd353c69554b21a89b20fb0650966fa0a9d6f74fd989d8f",
                place,
            )
            .unwrap();
        });

        assert_eq!(
            secret.to_words().expose_to_owner(),
            "void come effort suffer camp survey warrior heavy shoot primary clutch crush open \
             amazing screen patrol group space point ten exist slush involve unfold"
        );
    }

    #[test]
    fn words_are_read_as_people_type_them() {
        let secret = SlotSecret::init_with(|place| place.fill(0xC3));
        let words = secret.to_words();
        let numbered: Vec<String> = words
            .expose_to_owner()
            .split(' ')
            .enumerate()
            .map(|(place, word)| format!("{}. {}\n", place + 1, word.to_uppercase()))
            .collect();
        let short: Vec<&str> = words
            .expose_to_owner()
            .split(' ')
            .map(|word| &word[..word.len().min(4)])
            .collect();

        for typed in [numbered.concat(), short.join(", ")] {
            let read = SlotSecret::from_words(&typed).unwrap();
            assert_eq!(read.expose_to_cipher(), secret.expose_to_cipher());
        }
    }

    #[test]
    fn recovery_words_are_noticed_in_a_message_and_prose_is_not() {
        let words = SlotSecret::init_with(|place| place.fill(0xC3)).to_words();
        let words: Vec<&str> = words.expose_to_owner().split(' ').collect();
        let numbered: Vec<String> = (1..)
            .zip(&words)
            .map(|(n, it)| format!("{n}. {it}"))
            .collect();

        assert!(holds_recovery_words(&words.join(" ")));
        assert!(holds_recovery_words(&format!(
            "my words: {}!",
            numbered.join("\n").to_uppercase()
        )));
        assert!(holds_recovery_words(&words[6..18].join(", ")));
        for prose in [
            "",
            "Please keep this photo of our summer trip to the ocean and the one from the hotel",
            "find the picture where all of us stand before the old bridge at noon in August",
        ] {
            assert!(!holds_recovery_words(prose), "{prose}");
        }
    }

    #[test]
    fn the_wrong_word_is_named() {
        let words = SlotSecret::init_with(|place| place.fill(0)).to_words();
        let words = words.expose_to_owner();

        let misspelled = SlotSecret::from_words(&words.replacen("abandon", "abandom", 2));
        let short = SlotSecret::from_words("abandon ability");
        let swapped = SlotSecret::from_words(&words.replacen("abandon", "ability", 1));

        assert_eq!(
            misspelled.unwrap_err().to_string(),
            "word 1, \"abandom\", is not in the list (perhaps abandon)"
        );
        assert_eq!(short.unwrap_err(), WordsError::WrongCount { found: 2 });
        assert_eq!(swapped.unwrap_err(), WordsError::WrongTogether);
    }

    #[test]
    fn debug_shows_no_word() {
        let words = SlotSecret::init_with(|place| place.fill(0)).to_words();

        assert_eq!(format!("{words:?}"), "RecoveryWords(..)");
    }
}
