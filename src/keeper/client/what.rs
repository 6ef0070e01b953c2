//! Which files are meant on a command line, in the words of the chat.

use std::collections::BTreeSet;

use super::lines::Which;

/// Files that one range may name.
const MAX_RANGE: u64 = 1_000_000;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// These numbers.
    Numbers(BTreeSet<u64>),
    /// So many of the newest.
    Last(u64),
    /// Those of this kind.
    Which(Which),
}

/// Why it is not known what is asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WhatError {
    /// Nothing was named.
    #[error("which files? Ask for example for 7-12, last 5, album Rome, tag beach or all")]
    Nothing,
    /// A word that should be a number is none.
    #[error("\"{0}\" is no number; ask for example for 7-12, last 5, album Rome or all")]
    NoNumber(String),
    /// A range that runs backwards, or is endless.
    #[error("\"{0}\" names no files")]
    Empty(String),
}

impl What {
    /// Reads `7`, `7-12 20`, `last 5`, `album Rome`, `tag beach`, `find WORDS`, `all`.
    ///
    /// # Errors
    ///
    /// [`WhatError`].
    pub fn read(words: &[String]) -> Result<Self, WhatError> {
        let all = words.join(" ");
        let (first, rest) = all.split_once(' ').unwrap_or((&all, ""));
        let rest = rest.trim();
        let named = |what: fn(String) -> Which, name: &str| match name {
            "" => Err(WhatError::Nothing),
            name => Ok(Self::Which(what(name.to_owned()))),
        };
        match first.to_lowercase().as_str() {
            "all" if rest.is_empty() => Ok(Self::Which(Which::All)),
            "last" if rest.is_empty() => Ok(Self::Last(1)),
            "last" => match rest.parse() {
                Ok(count) => Ok(Self::Last(count)),
                Err(_) => Err(WhatError::NoNumber(rest.to_owned())),
            },
            "album" => named(Which::Album, rest),
            "tag" => named(Which::Tag, rest.trim_start_matches('#')),
            "find" => named(Which::Words, rest),
            _ => numbers(&all),
        }
    }
}

fn numbers(text: &str) -> Result<What, WhatError> {
    let mut numbers = BTreeSet::new();
    let words = text.split(|c: char| c == ',' || c.is_whitespace());
    for word in words.filter(|it| !it.is_empty()) {
        let (first, last) = word.split_once('-').unwrap_or((word, word));
        let number = |it: &str| it.trim_start_matches('#').parse::<u64>();
        let (Ok(first), Ok(last)) = (number(first), number(last)) else {
            return Err(WhatError::NoNumber(word.to_owned()));
        };
        if first == 0 || first > last || last - first >= MAX_RANGE {
            return Err(WhatError::Empty(word.to_owned()));
        }
        numbers.extend(first..=last);
    }
    if numbers.is_empty() {
        return Err(WhatError::Nothing);
    }
    Ok(What::Numbers(numbers))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn what(text: &str) -> Result<What, WhatError> {
        What::read(&text.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn what_is_asked_for_reads_as_in_the_chat() {
        let which = |which| What::Which(which);
        let table = [
            ("7", What::Numbers([7].into())),
            ("7-9, #12", What::Numbers([7, 8, 9, 12].into())),
            ("last 5", What::Last(5)),
            ("Last", What::Last(1)),
            ("all", which(Which::All)),
            ("album New York", which(Which::Album("New York".to_owned()))),
            ("tag #beach", which(Which::Tag("beach".to_owned()))),
            (
                "find summer sun",
                which(Which::Words("summer sun".to_owned())),
            ),
        ];
        for (text, wanted) in table {
            assert_eq!(what(text), Ok(wanted), "{text}");
        }
        for text in ["", "0", "9-7", "seven", "album", "last x", "1-99999999999"] {
            assert!(what(text).is_err(), "{text}");
        }
    }
}
