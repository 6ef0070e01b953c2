//! Entries by all that can be asked for at once, and which tags and albums there are.

use std::fmt::Write as _;

use rusqlite::{Connection, types::Value};
use serde::{Deserialize, Serialize};

use super::{
    Entry, EntryNumber, Index, IndexError, Kind, facets, query,
    texts::{self, Query},
};

/// What entries are to be like; what is empty or `None` says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Search {
    /// Words that name, caption, tags and album together hold, as [`Index::find`] reads them.
    pub words: String,
    /// Tags that it bears, all of them.
    pub tags: Vec<String>,
    /// The album that it is in.
    pub album: Option<String>,
    /// What sort of file it is.
    pub kind: Option<Kind>,
    /// Who sent it: an address, what stands before its `@`, or a member's name.
    pub sender: Option<String>,
    /// The earliest moment that it is of, in seconds since 1970. A picture that says when it was
    /// taken is of that moment, everything else of when it came.
    pub from: Option<i64>,
    /// The first moment that it is no longer of, in seconds since 1970.
    pub until: Option<i64>,
    /// What the clock of a camera showed at the earliest moment, in seconds since 1970 as if it went
    /// by universal time; `None` where that is `from`.
    pub shown_from: Option<i64>,
    /// What it showed at the first moment that it is no longer of; `None` where that is `until`.
    pub shown_until: Option<i64>,
}

impl Search {
    /// The earliest and the first later moment by the clock of a camera.
    fn shown(&self) -> (Option<i64>, Option<i64>) {
        (
            self.shown_from.or(self.from),
            self.shown_until.or(self.until),
        )
    }

    /// The earliest and the first later moment by any clock; each `None` where there is no end.
    fn widest(&self) -> (Option<i64>, Option<i64>) {
        let (shown_from, shown_until) = self.shown();
        let ends = |one: Option<i64>, other: Option<i64>| one.zip(other);
        (
            ends(self.from, shown_from).map(|(one, other)| one.min(other)),
            ends(self.until, shown_until).map(|(one, other)| one.max(other)),
        )
    }
}

/// How often a tag or an album is used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Used {
    /// Its name folded, by which lists are sorted and go on.
    pub key: String,
    /// Its name as it was last written.
    pub name: String,
    /// How many entries there are, without those in the trash.
    pub entries: u64,
}

impl Index {
    /// Finds entries before a number, or the newest, newest first, that are as a search says. What
    /// lies in the trash is not found.
    ///
    /// # Errors
    /// When the drive fails.
    pub fn search(
        &self,
        search: &Search,
        before: Option<EntryNumber>,
        limit: usize,
    ) -> Result<Vec<Entry>, IndexError> {
        Ok(run(&self.database, search, before, limit)?)
    }

    /// Lists albums after a folded name, in the order of these.
    ///
    /// # Errors
    /// When the drive fails.
    pub fn albums(&self, after: &str, limit: usize) -> Result<Vec<Used>, IndexError> {
        let sql = "SELECT key, entries, (SELECT album FROM entries INDEXED BY entries_in_album
                 WHERE album_key = key AND trashed_at IS NULL ORDER BY number DESC LIMIT 1)
             FROM albums WHERE key > ?1 ORDER BY key LIMIT ?2";
        Ok(used(&self.database, sql, after, limit)?)
    }

    /// Lists tags after a folded name, in the order of these.
    ///
    /// # Errors
    /// When the drive fails.
    pub fn tags(&self, after: &str, limit: usize) -> Result<Vec<Used>, IndexError> {
        let sql = "SELECT key, entries, (SELECT entries.tags FROM tags
                 CROSS JOIN entries ON entries.number = tags.number
                 WHERE tags.key = tag_totals.key AND entries.trashed_at IS NULL
                 ORDER BY tags.number DESC LIMIT 1)
             FROM tag_totals WHERE key > ?1 ORDER BY key LIMIT ?2";
        let mut tags = used(&self.database, sql, after, limit)?;
        for tag in &mut tags {
            // An entry has all its tags in one text.
            let written = tag.name.lines().find(|it| texts::fold(it) == tag.key);
            tag.name = written.unwrap_or(&tag.key).to_owned();
        }
        Ok(tags)
    }
}

fn used(
    database: &Connection,
    sql: &str,
    after: &str,
    limit: usize,
) -> rusqlite::Result<Vec<Used>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    database
        .prepare_cached(sql)?
        .query_map((after, limit), |row| {
            let key: String = row.get(0)?;
            let name: Option<String> = row.get(2)?;
            Ok(Used {
                name: name.unwrap_or_else(|| key.clone()),
                entries: u64::try_from(row.get::<_, i64>(1)?).unwrap_or_default(),
                key,
            })
        })?
        .collect()
}

fn run(
    database: &Connection,
    search: &Search,
    before: Option<EntryNumber>,
    limit: usize,
) -> rusqlite::Result<Vec<Entry>> {
    let Some(expression) = expression(search) else {
        return Ok(Vec::new());
    };
    if expression.is_empty() {
        return query::list(database, before, limit);
    }
    let (before, limit) = query::page(before, limit);
    let mut parameters = vec![
        Value::from(before),
        Value::from(limit),
        Value::from(expression),
    ];
    let sql = question(search, &mut parameters);
    query::entries(database, &sql, rusqlite::params_from_iter(parameters))
}

/// Writes the question, and adds what it compares with to its parameters. The text index finds the
/// entries; what is compared besides leaves out those of a part of an hour too much, and of a tag
/// or album that another one is taken for.
fn question(search: &Search, parameters: &mut Vec<Value>) -> String {
    let mut sql = "texts CROSS JOIN entries ON entries.number = texts.rowid
         WHERE texts MATCH ?3 AND texts.rowid < ?1"
        .to_owned();
    let mut place = |value: Value| {
        parameters.push(value);
        format!("?{}", parameters.len())
    };
    let (taken, came) = (facets::TAKEN, facets::CAME);
    let (shown_from, shown_until) = search.shown();
    let ends = [
        (">=", shown_from, search.from),
        ("<", shown_until, search.until),
    ];
    for (is, shown, moment) in ends {
        if let Some((shown, moment)) = shown.zip(moment) {
            let shown = place(shown.saturating_mul(1_000).into());
            let moment = place(moment.saturating_mul(1_000).into());
            let _ = write!(
                sql,
                " AND coalesce({taken} {is} {shown}, {came} {is} {moment})"
            );
        }
    }
    let mut compare = |condition: &str, value: Value| {
        sql.push_str(&condition.replace("{}", &place(value)));
    };
    if let Some(album) = &search.album {
        compare(" AND entries.album_key = {}", texts::fold(album).into());
    }
    for tag in &search.tags {
        let bears = " AND EXISTS (SELECT 1 FROM tags
                 WHERE tags.key = {} AND tags.number = entries.number)";
        compare(bears, texts::fold(tag).into());
    }
    sql.push_str(" ORDER BY texts.rowid DESC LIMIT ?2");
    sql
}

/// Returns what is asked of the text index: an empty expression for everything, `None` for what
/// nothing is.
fn expression(search: &Search) -> Option<String> {
    let quoted = |piece: String| format!("\"{piece}\"");
    let mut terms = Vec::new();
    match texts::query(&search.words) {
        Query::Everything => {}
        Query::Nothing => return None,
        Query::Match(expression) => terms.push(expression),
    }
    terms.extend(search.tags.iter().map(|it| quoted(facets::tag(it))));
    terms.extend(search.album.iter().map(|it| quoted(facets::album(it))));
    terms.extend(search.kind.map(|it| quoted(it.piece())));
    terms.extend(search.sender.iter().map(|it| quoted(facets::sender(it))));
    let (from, until) = search.widest();
    if from.is_some() || until.is_some() {
        let millis = |seconds: i64| seconds.saturating_mul(1_000);
        let pieces = facets::span(from.map(millis), until.map(millis));
        if pieces.is_empty() {
            return None;
        }
        let pieces: Vec<String> = pieces.into_iter().map(quoted).collect();
        terms.push(format!("({})", pieces.join(" OR ")));
    }
    Some(terms.join(" AND "))
}
