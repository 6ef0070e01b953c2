//! Days as people say them: "june 2025", "yesterday", "last week", "4 may".

use std::ops::RangeInclusive;

use chrono::{Datelike as _, Days, Months, NaiveDate, Weekday};

/// Years that are dates and not just numbers.
pub(super) const YEARS: RangeInclusive<i32> = 1900..=2199;
/// Longest span that "last 9 days" takes.
const MAX_COUNT: u32 = 1_000;
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const DAYS: [&str; 7] = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];

/// Some days in a row, the last one included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) first: NaiveDate,
    pub(super) last: NaiveDate,
}

/// Reads the days that some words begin with. Returns them with how many words they took.
pub(super) fn read(words: &[&str], today: NaiveDate) -> Option<(Span, usize)> {
    let lower: Vec<String> = words.iter().take(3).map(|it| it.to_lowercase()).collect();
    let word = |place: usize| lower.get(place).map_or("", String::as_str);
    relative(word(0), word(1), word(2), today)
        .or_else(|| named(word(0), word(1), word(2), today))
        .or_else(|| numeric(word(0), today).map(|span| (span, 1)))
}

/// Reads "today", "last week", "last 3 days", "monday".
fn relative(one: &str, two: &str, three: &str, today: NaiveDate) -> Option<(Span, usize)> {
    match one {
        "today" => return Some((day(today), 1)),
        "yesterday" => return Some((day(today.pred_opt()?), 1)),
        _ => {}
    }
    if let Some(place) = DAYS.iter().position(|it| *it == one) {
        let wanted = Weekday::try_from(u8::try_from(place).ok()?).ok()?;
        let back = (today.weekday().num_days_from_monday() + 7 - wanted.num_days_from_monday()) % 7;
        return Some((day(back_by(today, u64::from(back))?), 1));
    }
    let this_week = back_by(today, u64::from(today.weekday().num_days_from_monday()))?;
    let this_month = today.with_day(1)?;
    let back = match one {
        "this" => 0,
        "last" => 1,
        _ => return None,
    };
    match two {
        "week" => {
            let first = back_by(this_week, 7 * back)?;
            Some((days(first, first.checked_add_days(Days::new(6))?), 2))
        }
        "month" => {
            let first = this_month.checked_sub_months(Months::new(u32::try_from(back).ok()?))?;
            Some((month(first)?, 2))
        }
        "year" => Some((year(today.year() - i32::try_from(back).ok()?)?, 2)),
        count if one == "last" => {
            let count: u32 = count
                .parse()
                .ok()
                .filter(|it| (1..=MAX_COUNT).contains(it))?;
            let first = match three {
                "day" | "days" => back_by(today, u64::from(count) - 1)?,
                "week" | "weeks" => back_by(today, u64::from(count) * 7 - 1)?,
                "month" | "months" => today.checked_sub_months(Months::new(count))?,
                "year" | "years" => today.checked_sub_months(Months::new(count * 12))?,
                _ => return None,
            };
            Some((days(first, today), 3))
        }
        _ => None,
    }
}

/// Reads "june", "june 2025", "2025 june", "4 may", "4 may 2026", "may 4", "may 4 2026". Without a
/// year it is the last one that has come.
fn named(one: &str, two: &str, three: &str, today: NaiveDate) -> Option<(Span, usize)> {
    let full_or_short = |word: &str| month_of(word, true);
    let day_of = |word: &str| {
        let digits = word.trim_end_matches(['.', ',']);
        let digits = ["st", "nd", "rd", "th"]
            .into_iter()
            .find_map(|ending| digits.strip_suffix(ending))
            .unwrap_or(digits);
        digits
            .parse::<u32>()
            .ok()
            .filter(|it| (1..=31).contains(it))
    };
    if let (Some(year), Some(month_number)) = (year_of(one), full_or_short(two)) {
        return Some((month(NaiveDate::from_ymd_opt(year, month_number, 1)?)?, 2));
    }
    let (month_number, day_number) = match (full_or_short(one), full_or_short(two)) {
        (Some(found), _) => (found, day_of(two)),
        (None, Some(found)) => (found, Some(day_of(one)?)),
        (None, None) => return None,
    };
    if let Some(number) = day_number {
        let with_year = year_of(three);
        let found = match with_year {
            Some(year) => NaiveDate::from_ymd_opt(year, month_number, number)?,
            None => [
                today.year(),
                today.year() - 1,
                today.year() - 2,
                today.year() - 3,
            ]
            .into_iter()
            .filter_map(|year| NaiveDate::from_ymd_opt(year, month_number, number))
            .find(|it| *it <= today)?,
        };
        return Some((day(found), if with_year.is_some() { 3 } else { 2 }));
    }
    if let Some(year) = year_of(two) {
        return Some((month(NaiveDate::from_ymd_opt(year, month_number, 1)?)?, 2));
    }
    // Short forms are too short to mean a month by themselves.
    month_of(one, false)?;
    let this_year = NaiveDate::from_ymd_opt(today.year(), month_number, 1)?;
    let first = if this_year <= today {
        this_year
    } else {
        NaiveDate::from_ymd_opt(today.year() - 1, month_number, 1)?
    };
    Some((month(first)?, 1))
}

/// Reads "2025", "2025-06", "2025-06-12". A year to come by itself is none: cameras number their
/// pictures so.
fn numeric(word: &str, today: NaiveDate) -> Option<Span> {
    let mut parts = word.split('-');
    let year_number = year_of(parts.next()?)?;
    let two_digits = |part: &str| {
        let is_two = part.len() == 2 && part.bytes().all(|it| it.is_ascii_digit());
        part.parse::<u32>().ok().filter(|_| is_two)
    };
    match (parts.next(), parts.next(), parts.next()) {
        (None, ..) if year_number > today.year() => None,
        (None, ..) => year(year_number),
        (Some(m), None, _) => month(NaiveDate::from_ymd_opt(year_number, two_digits(m)?, 1)?),
        (Some(m), Some(d), None) => {
            let found = NaiveDate::from_ymd_opt(year_number, two_digits(m)?, two_digits(d)?)?;
            Some(day(found))
        }
        _ => None,
    }
}

fn year_of(word: &str) -> Option<i32> {
    let is_four = word.len() == 4 && word.bytes().all(|it| it.is_ascii_digit());
    let year = word.parse().ok().filter(|_| is_four)?;
    YEARS.contains(&year).then_some(year)
}

fn month_of(word: &str, or_short: bool) -> Option<u32> {
    let word = word.trim_end_matches(['.', ',']);
    let place = MONTHS.iter().position(|month| {
        let short = month.get(..3) == Some(word) || (*month == "september" && word == "sept");
        *month == word || (or_short && short)
    })?;
    u32::try_from(place + 1).ok()
}

fn day(day: NaiveDate) -> Span {
    days(day, day)
}

fn days(first: NaiveDate, last: NaiveDate) -> Span {
    Span { first, last }
}

fn month(first: NaiveDate) -> Option<Span> {
    let next = first.checked_add_months(Months::new(1))?;
    Some(days(first, next.pred_opt()?))
}

fn year(year: i32) -> Option<Span> {
    let first = NaiveDate::from_ymd_opt(year, 1, 1)?;
    Some(days(first, NaiveDate::from_ymd_opt(year, 12, 31)?))
}

fn back_by(day: NaiveDate, days: u64) -> Option<NaiveDate> {
    day.checked_sub_days(Days::new(days))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads days as they are said on Monday, 4 May 2026.
    fn said(text: &str) -> Option<(String, usize)> {
        let words: Vec<&str> = text.split(' ').collect();
        let today = NaiveDate::from_ymd_opt(2026, 5, 4).unwrap();
        let (span, taken) = read(&words, today)?;
        Some((format!("{} {}", span.first, span.last), taken))
    }

    #[test]
    fn days_are_read_as_people_say_them() {
        for (text, first, last, taken) in [
            ("today", "2026-05-04", "2026-05-04", 1),
            ("Yesterday evening", "2026-05-03", "2026-05-03", 1),
            ("monday", "2026-05-04", "2026-05-04", 1),
            ("tuesday", "2026-04-28", "2026-04-28", 1),
            ("this week", "2026-05-04", "2026-05-10", 2),
            ("last week", "2026-04-27", "2026-05-03", 2),
            ("last month", "2026-04-01", "2026-04-30", 2),
            ("last year", "2025-01-01", "2025-12-31", 2),
            ("last 3 days", "2026-05-02", "2026-05-04", 3),
            ("last 2 weeks", "2026-04-21", "2026-05-04", 3),
            ("last 2 months", "2026-03-04", "2026-05-04", 3),
            ("2025", "2025-01-01", "2025-12-31", 1),
            ("2024-02", "2024-02-01", "2024-02-29", 1),
            ("2025-06-12", "2025-06-12", "2025-06-12", 1),
            ("june 2025", "2025-06-01", "2025-06-30", 2),
            ("2025 June", "2025-06-01", "2025-06-30", 2),
            ("Jun 2025", "2025-06-01", "2025-06-30", 2),
            ("june", "2025-06-01", "2025-06-30", 1),
            ("may", "2026-05-01", "2026-05-31", 1),
            ("4 may", "2026-05-04", "2026-05-04", 2),
            ("5 may", "2025-05-05", "2025-05-05", 2),
            ("may 5th", "2025-05-05", "2025-05-05", 2),
            ("29 feb", "2024-02-29", "2024-02-29", 2),
            ("24 dec 2023", "2023-12-24", "2023-12-24", 3),
        ] {
            let expected = Some((format!("{first} {last}"), taken));
            assert_eq!(said(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_day_is_none() {
        for text in [
            "",
            "rome",
            "7",
            "1234567",
            "2025-13",
            "2025-06-31",
            "2025-6",
            "31 feb",
            "jun",
            "mar",
            "last",
            "last rome",
            "last 0 days",
            "last 99999 weeks",
            "this",
            "1024",
            "3000",
            "dec",
        ] {
            assert_eq!(said(text), None, "{text}");
        }
    }
}
