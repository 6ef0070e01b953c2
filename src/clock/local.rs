//! How far the clock on the wall is ahead of universal time here, by the system's file of it.
//!
//! Knows neither whose wall it is nor what day is asked for. The form is that of RFC 9636: changes
//! with their moments, and a rule for all times after the last of them.

use std::{env, fs, path::PathBuf};

use chrono::{DateTime, Datelike as _, NaiveDate};

/// Where the file is unless `TZ` says otherwise.
const LOCALTIME: &str = "/etc/localtime";
/// Where the files of all zones are.
const ZONES: &str = "/usr/share/zoneinfo";
/// Length of a header. RFC 9636 3.1
const HEADER_BYTES: usize = 44;
const DAY: i64 = 86_400;

/// How far the clock on the wall is ahead, in seconds, at any moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalTime {
    /// Before the first change.
    first: i32,
    /// From when on, in seconds since 1970, and how far.
    changes: Vec<(i64, i32)>,
    /// After the last change.
    rule: Option<Rule>,
}

/// How it goes on every year.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    usual: i32,
    summer: Option<Summer>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Summer {
    ahead: i32,
    begins: Change,
    ends: Change,
}

/// A day of each year and the second of it, by the wall until then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Change {
    day: Day,
    second: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Day {
    /// The so-manieth of a weekday (0 is Sunday) of a month; 5 is the last.
    OfMonth { month: u32, week: u32, weekday: u32 },
    /// Counted from 1, 29 February never.
    WithoutLeap(u32),
    /// Counted from 0.
    OfYear(u32),
}

impl LocalTime {
    /// Reads what the system says, or takes universal time where it says nothing that is readable.
    #[must_use]
    pub fn of_the_system() -> Self {
        let found = fs::read(path(env::var("TZ").ok().as_deref()));
        let read = found.ok().and_then(|bytes| Self::read(&bytes));
        read.unwrap_or(Self {
            first: 0,
            changes: Vec::new(),
            rule: None,
        })
    }

    /// Reads a file of the second or a later version.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let first = Header::read(bytes)?;
        let second = bytes.get(HEADER_BYTES.checked_add(first.length(4)?)?..)?;
        let header = Header::read(second)?;
        let mut body = second.get(HEADER_BYTES..)?;
        let moments = take(&mut body, header.changes.checked_mul(8)?)?;
        let kinds_of = take(&mut body, header.changes)?;
        let kinds = take(&mut body, header.kinds.checked_mul(6)?)?;
        let leaps = header.leaps.checked_mul(12)?;
        let rest = header.names.checked_add(leaps)?.checked_add(header.signs)?;
        take(&mut body, rest)?;
        let kinds: Vec<i32> = kinds
            .chunks_exact(6)
            .filter_map(|kind| Some(i32::from_be_bytes(*kind.first_chunk()?)))
            .collect();
        let moments = moments
            .chunks_exact(8)
            .filter_map(|it| Some(i64::from_be_bytes(*it.first_chunk()?)));
        let changes = moments
            .zip(kinds_of)
            .map(|(at, kind)| Some((at, *kinds.get(usize::from(*kind))?)))
            .collect::<Option<Vec<_>>>()?;
        let footer = body.strip_prefix(b"\n")?.strip_suffix(b"\n")?;
        Some(Self {
            first: *kinds.first()?,
            changes,
            rule: str::from_utf8(footer).ok().and_then(rule),
        })
    }

    /// Returns how far it is ahead at a moment, in seconds since 1970.
    #[must_use]
    pub fn ahead(&self, at: i64) -> i32 {
        let after = self.changes.partition_point(|(since, _)| *since <= at);
        match (&self.rule, after.checked_sub(1)) {
            (Some(rule), _) if after == self.changes.len() => rule.ahead(at),
            (_, None) => self.first,
            (_, Some(place)) => self.changes.get(place).map_or(self.first, |(_, it)| *it),
        }
    }
}

/// Names the file for what `TZ` says.
fn path(variable: Option<&str>) -> PathBuf {
    match variable.map(|it| it.strip_prefix(':').unwrap_or(it)) {
        None | Some("") => LOCALTIME.into(),
        Some(name) => PathBuf::from(ZONES).join(name),
    }
}

/// Counts of what a block holds. RFC 9636 3.1
struct Header {
    signs: usize,
    leaps: usize,
    changes: usize,
    kinds: usize,
    names: usize,
}

impl Header {
    fn read(bytes: &[u8]) -> Option<Self> {
        let header = bytes.get(..HEADER_BYTES)?;
        let version = *header.get(4)?;
        if !header.starts_with(b"TZif") || version < b'2' {
            return None;
        }
        let count = |place: usize| {
            let field = header.get(20 + 4 * place..)?.first_chunk()?;
            usize::try_from(u32::from_be_bytes(*field)).ok()
        };
        Some(Self {
            signs: count(0)?.checked_add(count(1)?)?,
            leaps: count(2)?,
            changes: count(3)?,
            kinds: count(4)?,
            names: count(5)?,
        })
    }

    /// Returns how long the block is whose times have so many bytes.
    fn length(&self, time: usize) -> Option<usize> {
        let changes = self.changes.checked_mul(time + 1)?;
        let leaps = self.leaps.checked_mul(time + 4)?;
        let kinds = self.kinds.checked_mul(6)?;
        [changes, kinds, self.names, leaps, self.signs]
            .into_iter()
            .try_fold(0_usize, usize::checked_add)
    }
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

impl Rule {
    fn ahead(&self, at: i64) -> i32 {
        let usual = i64::from(self.usual);
        let Some(summer) = &self.summer else {
            return self.usual;
        };
        let shown = DateTime::from_timestamp(at.saturating_add(usual), 0);
        let year = shown.unwrap_or_default().year();
        let begins = summer.begins.at(year) - usual;
        let ends = summer.ends.at(year) - i64::from(summer.ahead);
        // South of the equator summer goes on over the turn of the year.
        let is_summer = if begins < ends {
            (begins..ends).contains(&at)
        } else {
            !(ends..begins).contains(&at)
        };
        if is_summer { summer.ahead } else { self.usual }
    }
}

impl Change {
    /// Returns what the wall shows at the change, in seconds since 1970.
    fn at(self, year: i32) -> i64 {
        let new_year = days(NaiveDate::from_ymd_opt(year, 1, 1));
        let day = match self.day {
            Day::OfYear(day) => new_year + i64::from(day),
            Day::WithoutLeap(day) => {
                let is_leap = NaiveDate::from_ymd_opt(year, 2, 29).is_some();
                new_year + i64::from(day) - 1 + i64::from(is_leap && day >= 60)
            }
            Day::OfMonth {
                month,
                week,
                weekday,
            } => {
                let first = NaiveDate::from_ymd_opt(year, month, 1);
                let begins_on = first.map_or(0, |it| it.weekday().num_days_from_sunday());
                let before = i64::from((weekday + 7 - begins_on) % 7);
                let next_month =
                    NaiveDate::from_ymd_opt(year + i32::from(month == 12), month % 12 + 1, 1);
                let mut day = days(first) + before + 7 * (i64::from(week) - 1);
                while day >= days(next_month) {
                    day -= 7;
                }
                day
            }
        };
        day * DAY + self.second
    }
}

/// Counts days from 1970 on.
fn days(day: Option<NaiveDate>) -> i64 {
    let epoch = NaiveDate::default().num_days_from_ce();
    day.map_or(0, |it| i64::from(it.num_days_from_ce() - epoch))
}

/// Reads `CET-1CEST,M3.5.0,M10.5.0/3`. POSIX.1-2017 8.3, RFC 9636 3.3.1
fn rule(text: &str) -> Option<Rule> {
    let (usual, rest) = offset(name(text)?)?;
    if rest.is_empty() {
        return Some(Rule {
            usual,
            summer: None,
        });
    }
    let rest = name(rest)?;
    let (ahead, rest) = if rest.starts_with(',') {
        (usual + 3_600, rest)
    } else {
        offset(rest)?
    };
    let (begins, ends) = rest.strip_prefix(',')?.split_once(',')?;
    Some(Rule {
        usual,
        summer: Some(Summer {
            ahead,
            begins: change(begins)?,
            ends: change(ends)?,
        }),
    })
}

/// Passes over a name: letters, or anything between `<` and `>`.
fn name(text: &str) -> Option<&str> {
    if let Some(quoted) = text.strip_prefix('<') {
        return Some(quoted.split_once('>')?.1);
    }
    let rest = text.trim_start_matches(|it: char| it.is_ascii_alphabetic());
    (rest.len() < text.len()).then_some(rest)
}

/// Reads how far it is behind, and returns how far it is ahead.
fn offset(text: &str) -> Option<(i32, &str)> {
    let end = text
        .find(|it: char| !(it.is_ascii_digit() || "+-:".contains(it)))
        .unwrap_or(text.len());
    let (behind, rest) = text.split_at_checked(end)?;
    Some((-i32::try_from(time(behind)?).ok()?, rest))
}

/// Reads `2`, `-2:30`, `+02:00:15` in seconds.
fn time(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let mut parts = digits.split(':').map(|it| it.parse::<i64>().ok());
    let hours = parts.next()??;
    let minutes = parts.next().unwrap_or(Some(0))?;
    let seconds = parts.next().unwrap_or(Some(0))?;
    let fits = hours <= 167 && minutes < 60 && seconds < 60 && parts.next().is_none();
    fits.then(|| sign * (hours * 3_600 + minutes * 60 + seconds))
}

fn change(text: &str) -> Option<Change> {
    let (day, second) = match text.split_once('/') {
        Some((day, at)) => (day, time(at)?),
        None => (text, 2 * 3_600),
    };
    let day = if let Some(date) = day.strip_prefix('M') {
        let mut parts = date.split('.').map(|it| it.parse::<u32>().ok());
        let (month, week, weekday) = (parts.next()??, parts.next()??, parts.next()??);
        let fits = (1..=12).contains(&month) && (1..=5).contains(&week) && weekday < 7;
        Day::OfMonth {
            month: Some(month).filter(|_| fits)?,
            week,
            weekday,
        }
    } else if let Some(day) = day.strip_prefix('J') {
        Day::WithoutLeap(day.parse().ok().filter(|it| (1..=365).contains(it))?)
    } else {
        Day::OfYear(day.parse().ok().filter(|it| *it < 366)?)
    };
    Some(Change { day, second })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Central European time without any change in the file, as its rule says.
    fn berlin() -> Vec<u8> {
        let mut block = b"TZif2".to_vec();
        block.extend([0; 15]);
        // signs, signs, leaps, changes, kinds, letters of names
        for count in [0_u32, 0, 0, 0, 1, 4] {
            block.extend(count.to_be_bytes());
        }
        block.extend(3_600_i32.to_be_bytes());
        block.extend([0, 0]);
        block.extend(b"CET\0");
        let mut file = block.clone();
        file.extend(block);
        file.extend(b"\nCET-1CEST,M3.5.0,M10.5.0/3\n");
        file
    }

    #[test]
    fn a_rule_puts_the_clock_forward_and_back_every_year() {
        let time = LocalTime::read(&berlin()).unwrap();

        for (at, ahead) in [
            (1_774_745_999, 3_600),
            (1_774_746_000, 7_200),
            (1_792_889_999, 7_200),
            (1_792_890_000, 3_600),
            (4_100_000_000, 3_600),
            (4_117_000_000, 7_200),
        ] {
            assert_eq!(time.ahead(at), ahead, "{at}");
        }
    }

    #[test]
    fn rules_of_all_forms_are_read_and_others_are_not() {
        let south = rule("<-04>4<-03>,M9.1.6/24,M4.1.6/24").unwrap();
        assert_eq!(south.ahead(1_767_225_600), -10_800, "January");
        assert_eq!(south.ahead(1_782_864_000), -14_400, "July");
        assert_eq!(rule("<+0545>-5:45").unwrap().ahead(0), 20_700);
        let days = rule("XXX0YYY,J60/0,300/0").unwrap();
        assert_eq!(days.ahead(5_011_200 + 86_399), 0, "28 February 1970");
        assert_eq!(days.ahead(5_011_200 + 86_400), 3_600, "1 March 1970");
        for text in [
            "",
            "CET",
            "CET-1CEST",
            "1",
            "CET-1CEST,M13.1.0,M1.1.0",
            "A1B,J0,J400",
        ] {
            assert_eq!(rule(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_cut_or_of_another_form_is_not_read() {
        let whole = berlin();

        assert!(LocalTime::read(&whole).is_some());
        for length in 0..whole.len() {
            assert_eq!(LocalTime::read(&whole[..length]), None, "{length}");
        }
        let mut first_version = whole.clone();
        first_version[4] = 0;
        assert_eq!(LocalTime::read(&first_version), None);
    }

    #[test]
    fn the_variable_names_a_zone_or_a_file() {
        assert_eq!(path(None), PathBuf::from("/etc/localtime"));
        assert_eq!(path(Some("")), PathBuf::from("/etc/localtime"));
        let named = PathBuf::from("/usr/share/zoneinfo/Europe/Berlin");
        assert_eq!(path(Some("Europe/Berlin")), named);
        assert_eq!(path(Some(":Europe/Berlin")), named);
        assert_eq!(path(Some(":/etc/zone")), PathBuf::from("/etc/zone"));
    }
}
