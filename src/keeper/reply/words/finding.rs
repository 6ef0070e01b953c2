//! What is said of files that were looked for.

use std::fmt::Write as _;

use chrono::{DateTime, Datelike as _, NaiveDate};

use crate::keeper::{
    command::{Dates, Filter, Kind},
    reply::{About, FindingReply, Line, Shot},
};

use super::{day, rows, show};

impl FindingReply {
    /// Returns what was found, then what the owner can do with it.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Page { lines, more } => page(lines, *more),
            Self::Found {
                filter,
                lines,
                is_further: false,
                ..
            } if lines.is_empty() => nothing(filter),
            Self::Found { lines, more, .. } => page(lines, *more),
            Self::About(about) => known(about),
            Self::Albums { used, .. } if used.is_empty() => {
                "There are no albums yet. \"help move\" tells how a file gets into one.".to_owned()
            }
            Self::Albums { used, more } => counted(used, "", "album", *more),
            Self::Tags { used, .. } if used.is_empty() => {
                "There are no tags yet. \"help tag\" tells how a file gets one.".to_owned()
            }
            Self::Tags { used, more } => counted(used, "#", "", *more),
            Self::NothingMore => {
                "There is nothing more to show. Send \"list\" or \"find\" first.".to_owned()
            }
            Self::WhichFile => {
                "Which file? Send for example \"info 7\"; \"list\" shows the numbers.".to_owned()
            }
        }
    }
}

fn page(lines: &[Line], more: bool) -> String {
    if lines.is_empty() {
        return FindingReply::NothingMore.text();
    }
    let mut text = rows(lines);
    if more {
        text.push_str("\nThere are more. Send \"next\", or add a word to narrow it down.");
    }
    text
}

fn nothing(filter: &Filter) -> String {
    let only_words = Filter {
        words: filter.words.clone(),
        ..Filter::default()
    };
    if *filter == only_words {
        return format!(
            "Nothing is named \"{}\". Try fewer letters, or \"list\".",
            show(&filter.words)
        );
    }
    format!(
        "Nothing is {}. Leave something out, or put a word that is meant as a name in \"quotes\".",
        described(filter)
    )
}

/// Says how a filter was understood: `a photo, of June 2025, named "rome"`.
fn described(filter: &Filter) -> String {
    let mut parts = Vec::new();
    parts.extend(filter.kind.map(|kind| match kind {
        Kind::Photo => "a photo".to_owned(),
        Kind::Video => "a video".to_owned(),
        Kind::Document => "a document".to_owned(),
        Kind::Music => "music".to_owned(),
    }));
    parts.extend(filter.dates.as_ref().map(dates));
    parts.extend(
        filter
            .album
            .as_ref()
            .map(|album| format!("in the album \"{}\"", show(album))),
    );
    let tags = filter.tags.iter();
    parts.extend(tags.map(|tag| format!("tagged #{}", show(tag))));
    parts.extend(
        filter
            .sender
            .as_ref()
            .map(|sender| format!("from {}", show(sender))),
    );
    if !filter.words.is_empty() {
        parts.push(format!("named \"{}\"", show(&filter.words)));
    }
    parts.join(", ")
}

fn dates(dates: &Dates) -> String {
    let date = |day: Option<i32>| day.and_then(NaiveDate::from_num_days_from_ce_opt);
    let shown = |date: NaiveDate| date.format("%-d %b %Y").to_string();
    match (date(dates.first_day), date(dates.last_day)) {
        (Some(first), Some(last)) if first == last => format!("of {}", shown(first)),
        (Some(first), Some(last)) if is_year(first, last) => format!("of {}", first.year()),
        (Some(first), Some(last)) if is_month(first, last) => {
            format!("of {}", first.format("%B %Y"))
        }
        (Some(first), Some(last)) => format!("of {} to {}", shown(first), shown(last)),
        (Some(first), None) => format!("since {}", shown(first)),
        (None, Some(last)) => format!("until {}", shown(last)),
        (None, None) => "of any day".to_owned(),
    }
}

fn is_year(first: NaiveDate, last: NaiveDate) -> bool {
    let same = first.year() == last.year();
    same && first.ordinal() == 1 && last.succ_opt().is_some_and(|it| it.ordinal() == 1)
}

fn is_month(first: NaiveDate, last: NaiveDate) -> bool {
    let same = (first.year(), first.month()) == (last.year(), last.month());
    same && first.day() == 1 && last.succ_opt().is_some_and(|it| it.day() == 1)
}

/// What a picture says of itself, which anybody may have written there.
fn shot_lines(shot: &Shot) -> impl Iterator<Item = String> {
    let (width, height) = shot.size;
    let taken = shot.taken_at.map(|at| {
        let at = DateTime::from_timestamp(at, 0);
        let at = at.map_or_else(String::new, |at| at.format("%-d %b %Y, %H:%M").to_string());
        format!("Taken {at}")
    });
    let camera = shot.camera.as_ref();
    let camera = camera.map(|it| format!("Camera: {}", show(it)));
    let place = shot.place.map(|(north, east)| {
        let degrees = |millionths: i32| f64::from(millionths) / 1e6;
        format!("Place: {:.5}, {:.5}", degrees(north), degrees(east))
    });
    let what = if shot.is_film { "Video" } else { "Picture" };
    let size = format!("{what} of {width} x {height} pixels");
    [Some(size), taken, camera, place].into_iter().flatten()
}

/// Says everything that is known of an entry, line by line.
fn known(about: &About) -> String {
    let mut text = rows(std::slice::from_ref(&about.line));
    let mut line = |words: String| {
        let _ = write!(text, "\n{words}");
    };
    if let Some(name) = &about.came_as {
        line(format!("Came as {}", show(name)));
    }
    if let Some(caption) = &about.caption {
        line(format!("Note: {}", show(caption)));
    }
    if let Some(album) = &about.album {
        line(format!("Album: {}", show(album)));
    }
    if !about.tags.is_empty() {
        let tags: Vec<String> = about
            .tags
            .iter()
            .map(|it| format!("#{}", show(it)))
            .collect();
        line(format!("Tags: {}", tags.join(" ")));
    }
    if let Some(media_type) = &about.media_type {
        line(format!("Type: {}", show(media_type)));
    }
    if let Some(shot) = &about.shot {
        shot_lines(shot).for_each(&mut line);
    }
    if let Some(sender) = about.member.as_ref().or(about.sender.as_ref()) {
        let at = about
            .sent_at
            .map_or_else(String::new, |at| format!(", {}", moment(at)));
        line(format!("Sent by {}{at}", show(sender)));
    }
    if let Some(at) = about.entered_at {
        line(format!("In the vault since {}", moment(at)));
    }
    if !about.is_proven {
        line("Of unproven origin: it was found on the drive".to_owned());
    }
    if let Some(at) = about.trashed_at {
        line(format!("In the trash since {}", day(at)));
    }
    text
}

fn moment(seconds: i64) -> String {
    DateTime::from_timestamp(seconds, 0).map_or_else(
        || "at an unknown time".to_owned(),
        |at| at.format("%-d %b %Y %H:%M").to_string(),
    )
}

fn counted(used: &[(String, u64)], before: &str, word: &str, more: bool) -> String {
    let lines: Vec<String> = used
        .iter()
        .map(|(name, count)| {
            let files = if *count == 1 { "file" } else { "files" };
            format!("{before}{}: {count} {files}", show(name))
        })
        .collect();
    let mut text = lines.join("\n");
    if more {
        text.push_str("\nThere are more. Send \"next\".");
    } else if let Some((name, _)) = used.first() {
        let space = if word.is_empty() { "" } else { " " };
        let _ = write!(
            text,
            "\nSend for example \"find {word}{space}{before}{}\".",
            show(name)
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(first: Option<(i32, u32, u32)>, last: Option<(i32, u32, u32)>) -> String {
        let day = |day: Option<(i32, u32, u32)>| {
            let (year, month, day) = day?;
            Some(
                NaiveDate::from_ymd_opt(year, month, day)
                    .unwrap()
                    .num_days_from_ce(),
            )
        };
        dates(&Dates {
            first_day: day(first),
            last_day: day(last),
            from: None,
            until: None,
        })
    }

    #[test]
    fn spans_of_days_are_said_as_short_as_they_are() {
        let (first, last) = (Some((2025, 6, 1)), Some((2025, 6, 30)));

        assert_eq!(span(first, last), "of June 2025");
        assert_eq!(span(first, first), "of 1 Jun 2025");
        assert_eq!(
            span(first, Some((2025, 7, 2))),
            "of 1 Jun 2025 to 2 Jul 2025"
        );
        assert_eq!(span(Some((2025, 1, 1)), Some((2025, 12, 31))), "of 2025");
        assert_eq!(span(first, None), "since 1 Jun 2025");
        assert_eq!(span(None, last), "until 30 Jun 2025");
    }
}
