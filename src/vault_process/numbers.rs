//! Which numbers there are, for a program that fetches many: a thousand at a time, highest first.

use serde::{Deserialize, Serialize};
use vault::{Index, IndexError, index::EntryNumber};

use super::Word;

/// Most numbers in one answer.
const MAX_NUMBERS: usize = 1_000;

/// Which entries are meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Which {
    /// All.
    All,
    /// Those of an album.
    Album(String),
    /// Those with a tag.
    Tag(String),
    /// Those that hold all of these words.
    Words(String),
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NumbersAsk {
    /// Only lower numbers; 0 for all.
    pub before: u64,
    /// Which of them.
    pub what: Which,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Numbers {
    /// Names the order.
    pub job: [u8; 32],
    /// Highest first.
    pub numbers: Vec<u64>,
    /// Whether there are lower ones.
    pub more: bool,
}

pub(super) fn answer(index: &Index, job: [u8; 32], ask: &NumbersAsk) -> Result<Word, IndexError> {
    let NumbersAsk { before, what } = ask;
    let before = EntryNumber::new(*before);
    let most = MAX_NUMBERS + 1;
    let found = match what {
        Which::All => index.list(before, most)?,
        Which::Album(name) => index.in_album(name, before, most)?,
        Which::Tag(tag) => index.tagged(tag, before, most)?,
        Which::Words(words) => index.find(words, before, most)?,
    };
    let numbers = found.iter().map(|it| it.number.get());
    Ok(Word::Numbers(Numbers {
        job,
        numbers: numbers.take(MAX_NUMBERS).collect(),
        more: found.len() > MAX_NUMBERS,
    }))
}
