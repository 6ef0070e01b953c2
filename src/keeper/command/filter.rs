//! Which files are meant, by all that can be said of them: "photos june 2025 rome #summer".

use chrono::{Datelike as _, NaiveDate};
use serde::{Deserialize, Serialize};

use super::{Context, dates};

/// What sort of file is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// Still pictures.
    Photo,
    /// Moving ones.
    Video,
    /// What is read.
    Document,
    /// What is heard.
    Music,
}

/// A span of days, as they were meant when it was asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dates {
    /// The first day, counted from 1 January of the year 1; `None` from the beginning on.
    pub first_day: Option<i32>,
    /// The last day; `None` up to now.
    pub last_day: Option<i32>,
    /// When the first day begins, in seconds since 1970.
    pub from: Option<i64>,
    /// When the last day is over, in seconds since 1970.
    pub until: Option<i64>,
}

/// Which files are meant; what is empty says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// Words that name, caption, tags and album together hold.
    pub words: String,
    /// Tags, without the `#`.
    pub tags: Vec<String>,
    /// The album.
    pub album: Option<String>,
    /// What sort of file.
    pub kind: Option<Kind>,
    /// Who sent it.
    pub sender: Option<String>,
    /// When it was taken or sent.
    pub dates: Option<Dates>,
}

impl Filter {
    /// Returns whether every file is meant.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    /// Writes it in the form in which nothing depends on the day, and that reads as the same.
    #[must_use]
    pub fn plain(&self) -> String {
        let mut plain = String::new();
        plain.extend(self.kind.map(|kind| match kind {
            Kind::Photo => " photos",
            Kind::Video => " videos",
            Kind::Document => " documents",
            Kind::Music => " music",
        }));
        let quoted = |word: &str, name: &str| format!(" {word}\"{name}\"");
        plain.extend(self.sender.iter().map(|it| quoted("from ", it)));
        plain.extend(self.album.iter().map(|it| quoted("album ", it)));
        plain.extend(self.tags.iter().map(|it| format!(" #{it}")));
        if let Some(dates) = &self.dates {
            let day = |word: &str, day: Option<i32>| {
                let day = day.and_then(NaiveDate::from_num_days_from_ce_opt);
                day.map(|day| format!(" {word} {day}"))
            };
            plain.extend(day("since", dates.first_day));
            plain.extend(day("until", dates.last_day));
        }
        if !self.words.is_empty() {
            plain += &quoted("", &self.words);
        }
        plain
    }
}

/// One word, or what stands between quotes.
struct Token<'a> {
    text: &'a str,
    is_quoted: bool,
}

/// Reads which files are meant. Every line means some: what is nothing else is a word.
#[must_use]
pub fn filter(rest: &str, context: &Context) -> Filter {
    let tokens = tokens(rest);
    let mut filter = Filter::default();
    let mut words = Vec::new();
    let mut next = 0;
    while let Some(token) = tokens.get(next) {
        next += 1;
        if token.is_quoted {
            words.push(token.text);
            continue;
        }
        if tokens.len() == 1 && is(token.text, &["all", "everything"]) {
            break;
        }
        let plain: Vec<&str> = tokens
            .iter()
            .skip(next - 1)
            .take(4)
            .take_while(|it| !it.is_quoted)
            .map(|it| it.text)
            .collect();
        if let Some(tag) = token.text.strip_prefix('#').filter(|it| !it.is_empty()) {
            filter.tags.push(tag.to_owned());
        } else if let Some(kind) = kind(token.text).filter(|_| filter.kind.is_none()) {
            filter.kind = Some(kind);
        } else if let Some((taken, dates)) = span(&plain, context) {
            next += taken - 1;
            filter.dates = Some(both(filter.dates.take(), dates));
        } else if is(token.text, &["from", "by"])
            && let Some(sender) = tokens.get(next).filter(|_| filter.sender.is_none())
        {
            next += 1;
            filter.sender = Some(sender.text.to_owned());
        } else if is(token.text, &["album"])
            && let Some(album) = tokens.get(next).filter(|_| filter.album.is_none())
        {
            let (name, taken) = album_name(album, &tokens, next);
            next += taken;
            filter.album = Some(name);
        } else {
            words.push(token.text);
        }
    }
    filter.words = words.join(" ");
    filter
}

/// An album's name stands in quotes, or goes to the next tag or to the end.
fn album_name(first: &Token<'_>, tokens: &[Token<'_>], at: usize) -> (String, usize) {
    if first.is_quoted {
        return (first.text.to_owned(), 1);
    }
    let parts: Vec<&str> = tokens
        .iter()
        .skip(at)
        .take_while(|it| !it.is_quoted && !it.text.starts_with('#'))
        .map(|it| it.text)
        .collect();
    if parts.is_empty() {
        return (first.text.to_owned(), 1);
    }
    (parts.join(" "), parts.len())
}

/// Reads the days that words begin with, and how many words they took.
fn span(words: &[&str], context: &Context) -> Option<(usize, Dates)> {
    let (first, rest) = words.split_first()?;
    let (open, said) = match first.to_lowercase().as_str() {
        "in" | "on" | "of" | "from" | "during" => (None, rest),
        "since" => (Some("since"), rest),
        "after" => (Some("after"), rest),
        "until" | "till" => (Some("until"), rest),
        "before" => (Some("before"), rest),
        _ => (None, words),
    };
    let (days, taken) = dates::read(said, context.today)?;
    let taken = taken + (words.len() - said.len());
    let (first, last) = match open {
        Some("since") => (Some(days.first), None),
        Some("after") => (Some(days.last.succ_opt()?), None),
        Some("until") => (None, Some(days.last)),
        Some(_) => (None, Some(days.first.pred_opt()?)),
        None => (Some(days.first), Some(days.last)),
    };
    let mut ends = first.iter().chain(&last);
    let is_known = ends.all(|it| dates::YEARS.contains(&it.year()));
    is_known.then(|| (taken, within(first, last, context)))
}

fn within(first: Option<NaiveDate>, last: Option<NaiveDate>, context: &Context) -> Dates {
    let zone = &context.zone;
    Dates {
        first_day: first.map(|it| it.num_days_from_ce()),
        last_day: last.map(|it| it.num_days_from_ce()),
        from: first.map(|it| zone.start_of(it)),
        until: last
            .and_then(|it| it.succ_opt())
            .map(|it| zone.start_of(it)),
    }
}

/// Days that lie in both spans.
fn both(one: Option<Dates>, other: Dates) -> Dates {
    let Some(one) = one else {
        return other;
    };
    let least = |one: Option<i32>, other: Option<i32>| one.into_iter().chain(other).min();
    let moment = |one: Option<i64>, other: Option<i64>| one.into_iter().chain(other).min();
    Dates {
        first_day: one.first_day.max(other.first_day),
        last_day: least(one.last_day, other.last_day),
        from: one.from.max(other.from),
        until: moment(one.until, other.until),
    }
}

pub(super) fn kind(word: &str) -> Option<Kind> {
    Some(match word.to_lowercase().as_str() {
        "photo" | "photos" | "picture" | "pictures" | "pics" | "images" => Kind::Photo,
        "video" | "videos" | "films" | "movies" => Kind::Video,
        "document" | "documents" | "docs" | "pdfs" => Kind::Document,
        "music" | "songs" | "audio" | "recordings" => Kind::Music,
        _ => return None,
    })
}

fn is(word: &str, words: &[&str]) -> bool {
    words.iter().any(|it| word.eq_ignore_ascii_case(it))
}

/// Cuts a line at its blanks; what stands between quotes stays whole.
fn tokens(line: &str) -> Vec<Token<'_>> {
    const QUOTES: [char; 4] = ['"', '“', '”', '„'];
    let mut tokens = Vec::new();
    for (part, piece) in line.split(QUOTES).enumerate() {
        if part % 2 == 1 {
            let text = piece.trim();
            tokens.extend((!text.is_empty()).then_some(Token {
                text,
                is_quoted: true,
            }));
        } else {
            tokens.extend(piece.split_whitespace().map(|text| Token {
                text,
                is_quoted: false,
            }));
        }
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a line means on 4 May 2026.
    fn read(line: &str) -> Filter {
        let today = NaiveDate::from_ymd_opt(2026, 5, 4).unwrap();
        let context = Context {
            today,
            ..Context::default()
        };
        filter(line, &context)
    }

    fn days(filter: &Filter) -> Option<(Option<String>, Option<String>)> {
        let day = |day: Option<i32>| {
            day.and_then(NaiveDate::from_num_days_from_ce_opt)
                .map(|it| it.to_string())
        };
        let dates = filter.dates.as_ref()?;
        Some((day(dates.first_day), day(dates.last_day)))
    }

    #[test]
    fn everything_can_be_said_at_once_in_any_order() {
        let both = [
            read("photos june 2025 rome #Summer from ann"),
            read("#Summer rome from ann in June 2025 pictures"),
        ];

        for filter in both {
            assert_eq!(filter.words, "rome");
            assert_eq!(filter.tags, ["Summer"]);
            assert_eq!(filter.kind, Some(Kind::Photo));
            assert_eq!(filter.sender.as_deref(), Some("ann"));
            let june = (Some("2025-06-01".to_owned()), Some("2025-06-30".to_owned()));
            assert_eq!(days(&filter), Some(june));
        }
    }

    #[test]
    fn spans_are_open_where_they_are_said_so_and_meet_where_two_are_said() {
        let span = |first: &str, last: &str| {
            let day = |it: &str| (!it.is_empty()).then(|| it.to_owned());
            Some((day(first), day(last)))
        };

        assert_eq!(days(&read("since may 2025")), span("2025-05-01", ""));
        assert_eq!(days(&read("after 2024")), span("2025-01-01", ""));
        assert_eq!(days(&read("until yesterday")), span("", "2026-05-03"));
        assert_eq!(days(&read("before june 2025")), span("", "2025-05-31"));
        let both = read("since may 2025 until july 2025");
        assert_eq!(days(&both), span("2025-05-01", "2025-07-31"));
        assert_eq!(both.dates.unwrap().until, Some(1_754_006_400));
    }

    #[test]
    fn an_album_goes_to_the_end_or_stands_in_quotes() {
        let to_the_end = read("photos album Summer in Köln #sea");
        let quoted = read("album \"Summer 2025\" beach");

        assert_eq!(to_the_end.album.as_deref(), Some("Summer in Köln"));
        assert_eq!(to_the_end.tags, ["sea"]);
        assert_eq!(quoted.album.as_deref(), Some("Summer 2025"));
        assert_eq!(quoted.words, "beach");
        assert_eq!(quoted.dates, None);
    }

    #[test]
    fn what_is_quoted_or_nothing_else_is_a_word() {
        for (line, words) in [
            ("\"may\" \"photos\"", "may photos"),
            ("“june 2025” beach", "june 2025 beach"),
            ("Summer in Köln", "Summer in Köln"),
            ("from", "from"),
            ("album", "album"),
            ("# since rome", "# since rome"),
            ("photos photos", "photos"),
        ] {
            assert_eq!(read(line).words, words, "{line}");
            assert_eq!(read(line).dates, None, "{line}");
        }
        assert!(read(" \"\" ").is_everything());
    }

    #[test]
    fn the_plain_form_reads_as_the_same() {
        for line in [
            "photos june 2025 rome #Summer from ann album Norway",
            "since last week \"may\" films #a #b",
            "before 2 may documents",
        ] {
            let filter = read(line);
            assert_eq!(read(&filter.plain()), filter, "{}", filter.plain());
        }
    }
}
