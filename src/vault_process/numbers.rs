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

pub(super) fn answer(
    index: &Index,
    job: [u8; 32],
    before: u64,
    what: &Which,
) -> Result<Word, IndexError> {
    let before = EntryNumber::new(before);
    let most = MAX_NUMBERS + 1;
    let found = match what {
        Which::All => index.list(before, most)?,
        Which::Album(name) => index.in_album(name, before, most)?,
        Which::Tag(tag) => index.tagged(tag, before, most)?,
        Which::Words(words) => index.find(words, before, most)?,
    };
    let numbers = found.iter().map(|it| it.number.get());
    Ok(Word::Numbers {
        job,
        numbers: numbers.take(MAX_NUMBERS).collect(),
        more: found.len() > MAX_NUMBERS,
    })
}
