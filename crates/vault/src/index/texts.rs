//! What a search looks at: texts folded so that case and accents make no difference, and the word
//! index over them.
//!
//! Words of three characters and more are found anywhere, by their trigrams. Shorter ones are
//! found where words start: for each start the text index gets two trigrams of its own making,
//! with characters in them that no text has.

use std::{collections::BTreeSet, fmt::Write as _, ops::RangeInclusive};

use rusqlite::{Connection, OptionalExtension as _, Transaction};
use unicode_normalization::UnicodeNormalization as _;

use super::{
    EntryNumber,
    facets::{CAME, Facets, TAKEN},
};

/// The text index works with pieces of this many characters.
const PIECE_CHARACTERS: usize = 3;
/// Words of one question; further ones are left out.
const MAX_WORDS: usize = 32;
/// Goes between the first two characters of a word.
const TWO: char = '\u{E000}';
/// Goes before the first character of a word, and [`TWO`] after it.
const ONE: char = '\u{E001}';
/// Characters that no text of people keeps: these two, and the marks of [`super::facets`].
const MARKS: RangeInclusive<char> = '\u{E000}'..='\u{E00F}';

/// Folds a text: case, accents and ligatures make no difference in it.
pub(crate) fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    let characters = text
        .nfkd()
        .flat_map(char::to_lowercase)
        .filter(|it| !('\u{300}'..='\u{36f}').contains(it) && !MARKS.contains(it));
    for character in characters {
        match character {
            'ß' => folded.push_str("ss"),
            'æ' => folded.push_str("ae"),
            'œ' => folded.push_str("oe"),
            'ø' => folded.push('o'),
            'ł' => folded.push('l'),
            'đ' | 'ð' => folded.push('d'),
            'þ' => folded.push_str("th"),
            'ı' => folded.push('i'),
            other => folded.push(other),
        }
    }
    // What was taken apart and is no accent, such as Korean syllables, is put together again.
    folded.nfc().collect()
}

/// Returns what the text index holds of an entry; nothing for one that is in the trash or not
/// there.
pub(super) fn of(database: &Connection, number: EntryNumber) -> rusqlite::Result<Option<String>> {
    let mut shown = None::<String>;
    let mut caption = None::<String>;
    let mut facets = Facets::default();
    let found = database
        .prepare_cached(&format!(
            "SELECT coalesce(given_name, name), caption, tags, album, name, mime, sender, member,
                 coalesce({TAKEN}, {CAME})
             FROM entries WHERE number = ?1 AND trashed_at IS NULL"
        ))?
        .query_row([number], |row| {
            shown = row.get(0)?;
            caption = row.get(1)?;
            facets = Facets {
                tags: row.get(2)?,
                album: row.get(3)?,
                name: row.get(4)?,
                media_type: row.get(5)?,
                sender: row.get(6)?,
                member: row.get(7)?,
                dated_at: row.get(8)?,
            };
            Ok(())
        })
        .optional()?;
    let texts = [&shown, &caption, &facets.tags, &facets.album];
    let texts = texts.into_iter().flatten().map(String::as_str);
    Ok(found.map(|()| indexed(texts) + &facets.pieces()))
}

/// Makes the text that is given to the text index.
fn indexed<'a>(pieces: impl Iterator<Item = &'a str>) -> String {
    let mut text = String::new();
    for piece in pieces {
        text.push_str(&fold(piece));
        text.push('\n');
    }
    let starts = starts(&text);
    for (first, second) in starts {
        let _ = write!(text, "{ONE}{first}{TWO}");
        text.extend(second);
    }
    text
}

/// The first one or two characters of every word.
fn starts(text: &str) -> BTreeSet<(char, Option<char>)> {
    let mut starts = BTreeSet::new();
    let mut inside = false;
    let mut characters = text.chars().peekable();
    while let Some(first) = characters.next() {
        if !is_letter(first) {
            inside = false;
            continue;
        }
        if !inside || stands_alone(first) {
            let second = characters.peek().copied().filter(|it| is_letter(*it));
            starts.insert((first, second));
        }
        inside = !stands_alone(first);
    }
    starts
}

/// Whatever may be part of a word: ASCII signs and blanks are between words.
fn is_letter(character: char) -> bool {
    character.is_alphanumeric()
        || !(character.is_ascii() || character.is_whitespace() || character.is_control())
}

/// Signs, and the letters of scripts that do not part their words: each is a start.
fn stands_alone(character: char) -> bool {
    !character.is_alphanumeric()
        || matches!(character,
            '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' | '\u{2e80}'..)
}

/// What is asked of the text index for the words of a search.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Query {
    /// No word at all: every entry holds that.
    Everything,
    /// A word that nothing holds.
    Nothing,
    /// An expression of FTS5.
    Match(String),
}

/// Turns the words of a search into a question to the text index.
pub(super) fn query(words: &str) -> Query {
    let folded = fold(words);
    let words = folded
        .split(|it: char| it.is_whitespace() || it.is_control())
        .filter(|word| !word.is_empty());
    let mut terms = Vec::new();
    for word in words.take(MAX_WORDS) {
        let term = if word.chars().nth(PIECE_CHARACTERS - 1).is_some() {
            word.to_owned()
        } else {
            let mut letters = word.chars().filter(|it| is_letter(*it));
            match (letters.next(), letters.next()) {
                (None, _) => return Query::Nothing,
                (Some(only), None) => format!("{ONE}{only}{TWO}"),
                (Some(first), Some(second)) => format!("{first}{TWO}{second}"),
            }
        };
        // Quoted, a word is only ever text: a quote inside it is doubled.
        terms.push(format!("\"{}\"", term.replace('"', "\"\"")));
    }
    if terms.is_empty() {
        Query::Everything
    } else {
        Query::Match(terms.join(" AND "))
    }
}

pub(super) fn put(
    transaction: &Transaction<'_>,
    number: EntryNumber,
    text: &str,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("INSERT INTO texts (rowid, text) VALUES (?1, ?2)")?
        .execute((number, text))
        .map(drop)
}

/// Takes a text out of the index; it must be the very text that was put in.
fn take_out(
    transaction: &Transaction<'_>,
    number: EntryNumber,
    text: &str,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("INSERT INTO texts (texts, rowid, text) VALUES ('delete', ?1, ?2)")?
        .execute((number, text))
        .map(drop)
}

/// Changes an entry and has the text index follow.
pub(super) fn following(
    transaction: &Transaction<'_>,
    number: EntryNumber,
    change: impl FnOnce() -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let before = of(transaction, number)?;
    change()?;
    let after = of(transaction, number)?;
    if before == after {
        return Ok(());
    }
    if let Some(text) = before {
        take_out(transaction, number, &text)?;
    }
    if let Some(text) = after {
        put(transaction, number, &text)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_accents_and_ligatures_make_no_difference() {
        for (one, other) in [
            ("MÜLLER", "muller"),
            ("u\u{308}ber", "Über"),
            ("Straße", "STRASSE"),
            ("Ærø", "aero"),
            ("İstanbul", "istanbul"),
            ("ﬁlm", "film"),
            ("Ｆｉｌｍ", "film"),
            ("Łódź", "lodz"),
        ] {
            assert_eq!(fold(one), fold(other), "{one} {other}");
        }
        assert_ne!(
            fold("ば"),
            fold("は"),
            "that is no accent but another letter"
        );
        assert_eq!(fold("한글").chars().count(), 2);
    }

    #[test]
    fn every_word_starts_once() {
        let starts: Vec<String> = starts("img_20 im.jpg 写真❤")
            .into_iter()
            .map(|(first, second)| format!("{first}{}", second.unwrap_or('-')))
            .collect();

        assert_eq!(starts, ["20", "im", "jp", "❤-", "写真", "真❤"]);
    }

    #[test]
    fn words_become_phrases_and_short_ones_starts() {
        let asked = |words| match query(words) {
            Query::Match(expression) => expression,
            other @ (Query::Everything | Query::Nothing) => format!("{other:?}"),
        };

        assert_eq!(asked("Ürlaub \"x\""), "\"urlaub\" AND \"\"\"x\"\"\"");
        assert_eq!(
            asked("ä 0% ab"),
            "\"\u{E001}a\u{E000}\" AND \"\u{E001}0\u{E000}\" AND \"a\u{E000}b\""
        );
        assert_eq!(asked("%"), "Nothing");
        assert_eq!(asked(" \n\0"), "Everything");
    }
}
