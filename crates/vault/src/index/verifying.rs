//! What the index remembers of checks: entries that were found damaged, and how far a check of
//! everything has come.
//!
//! None of it is in the change log: an index that is made anew finds the damage again.

use std::time::SystemTime;

use rusqlite::{Connection, OptionalExtension as _};

use super::{Entry, EntryNumber, Index, IndexError, query};
use crate::{check::Damage, metadata};

/// An entry with all that a check compares its blob with.
#[derive(Clone, PartialEq, Eq)]
pub struct Verifiable {
    /// The entry.
    pub entry: Entry,
    /// The keyed hash of its content.
    pub(crate) mark: Option<[u8; 32]>,
}

/// How far a check of everything has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pass {
    /// The last entry that was checked.
    pub after: Option<EntryNumber>,
    /// How many were checked.
    pub checked: u64,
    /// How long the contents of the sound ones are together, in bytes.
    pub bytes: u64,
    /// How many were found damaged.
    pub damaged: u64,
}

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS damaged (
        number     INTEGER PRIMARY KEY,
        kind       INTEGER NOT NULL,
        noticed_at INTEGER NOT NULL,
        told       INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS verify_pass (
        one     INTEGER PRIMARY KEY CHECK (one = 1),
        after   INTEGER NOT NULL,
        checked INTEGER NOT NULL,
        bytes   INTEGER NOT NULL,
        damaged INTEGER NOT NULL
    ) STRICT;
";

/// Makes the tables, unless they are there.
pub(super) fn prepare(database: &Connection) -> rusqlite::Result<()> {
    database.execute_batch(TABLES)
}

impl Index {
    /// Returns what a check needs of one entry.
    ///
    /// # Errors
    /// When the drive fails.
    pub fn verifiable(&self, number: EntryNumber) -> Result<Option<Verifiable>, IndexError> {
        let Some(entry) = query::get(&self.database, number)? else {
            return Ok(None);
        };
        let mark = self
            .database
            .prepare("SELECT content_mark FROM entries WHERE number = ?1")?
            .query_row([number], |row| row.get(0))?;
        Ok(Some(Verifiable { entry, mark }))
    }

    /// Returns the next entries to be checked, lowest number first.
    ///
    /// # Errors
    /// When the drive fails.
    pub fn to_verify(
        &self,
        after: Option<EntryNumber>,
        limit: usize,
    ) -> Result<Vec<EntryNumber>, IndexError> {
        let after = after.map_or(0, EntryNumber::get);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        Ok(self
            .database
            .prepare("SELECT number FROM entries WHERE number > ?1 ORDER BY number LIMIT ?2")?
            .query_map((i64::try_from(after).unwrap_or(i64::MAX), limit), |row| {
                row.get(0)
            })?
            .collect::<rusqlite::Result<_>>()?)
    }

    /// Draws up to `count` different entries; `random` gives any number at all each time.
    ///
    /// # Errors
    /// When the drive fails.
    pub fn draw(
        &self,
        count: usize,
        mut random: impl FnMut() -> u64,
    ) -> Result<Vec<EntryNumber>, IndexError> {
        let last = self.list(None, 1)?.first().map(|entry| entry.number);
        let Some(last) = last else {
            return Ok(Vec::new());
        };
        if self.totals()?.entries <= count as u64 {
            return self.to_verify(None, count);
        }
        let mut drawn = std::collections::BTreeSet::new();
        // Some are drawn twice; the bound is for an index that is mostly gaps.
        for _ in 0..count.saturating_mul(8) {
            let from = random() % last.get();
            let found = self.to_verify(EntryNumber::new(from), 1)?;
            drawn.extend(found);
            if drawn.len() >= count {
                break;
            }
        }
        Ok(drawn.into_iter().collect())
    }

    /// Notes that an entry is damaged. Returns whether that is news, which is then to be told.
    ///
    /// # Errors
    /// When the drive fails.
    pub fn note_damage(
        &mut self,
        number: EntryNumber,
        damage: Damage,
        now: SystemTime,
    ) -> Result<bool, IndexError> {
        let known: Option<u8> = self
            .database
            .prepare("SELECT kind FROM damaged WHERE number = ?1")?
            .query_row([number], |row| row.get(0))
            .optional()?;
        if known == Some(damage.to_byte()) {
            return Ok(false);
        }
        self.database.execute(
            "INSERT OR REPLACE INTO damaged (number, kind, noticed_at, told)
             VALUES (?1, ?2, ?3, 0)",
            (number, damage.to_byte(), metadata::to_millis(Some(now))),
        )?;
        Ok(true)
    }

    /// Notes that an entry holds after all. Returns whether it was noted as damaged.
    ///
    /// # Errors
    /// When the drive fails.
    pub fn note_sound(&mut self, number: EntryNumber) -> Result<bool, IndexError> {
        let noted = self
            .database
            .prepare("SELECT 1 FROM damaged WHERE number = ?1")?
            .exists([number])?;
        if noted {
            self.database
                .execute("DELETE FROM damaged WHERE number = ?1", [number])?;
        }
        Ok(noted)
    }

    /// Notes that the owner was told of these.
    ///
    /// # Errors
    /// When the drive fails.
    pub fn damage_told(&mut self, numbers: &[EntryNumber]) -> Result<(), IndexError> {
        let transaction = self.database.transaction()?;
        for number in numbers {
            transaction.execute("UPDATE damaged SET told = 1 WHERE number = ?1", [number])?;
        }
        transaction.commit()?;
        Ok(())
    }

    /// Returns how many entries are damaged.
    ///
    /// # Errors
    /// When the drive fails.
    pub fn damaged_count(&self) -> Result<u64, IndexError> {
        let count: i64 = self.database.query_row(
            "SELECT count(*) FROM damaged
             WHERE EXISTS (SELECT 1 FROM entries WHERE entries.number = damaged.number)",
            [],
            |row| row.get(0),
        )?;
        Ok(u64::try_from(count).unwrap_or_default())
    }

    /// Returns damaged entries, lowest number first; with `untold` only those that the owner was
    /// not told of.
    ///
    /// # Errors
    /// When the drive fails.
    pub fn damaged(
        &self,
        untold: bool,
        limit: usize,
    ) -> Result<Vec<(EntryNumber, Damage)>, IndexError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        Ok(self
            .database
            .prepare(
                "SELECT number, kind FROM damaged
                 WHERE (told = 0 OR NOT ?1)
                   AND EXISTS (SELECT 1 FROM entries WHERE entries.number = damaged.number)
                 ORDER BY number LIMIT ?2",
            )?
            .query_map((untold, limit), |row| {
                Ok((row.get(0)?, Damage::from_byte(row.get(1)?)))
            })?
            .collect::<rusqlite::Result<_>>()?)
    }

    /// Tells what is wrong with an entry, if a check found anything.
    ///
    /// # Errors
    /// When the drive fails.
    pub fn damage_of(&self, number: EntryNumber) -> Result<Option<Damage>, IndexError> {
        Ok(self
            .database
            .prepare_cached("SELECT kind FROM damaged WHERE number = ?1")?
            .query_row([number], |row| Ok(Damage::from_byte(row.get(0)?)))
            .optional()?)
    }

    /// Returns how far the check of everything has come that is under way.
    ///
    /// # Errors
    /// When the drive fails.
    pub fn pass(&self) -> Result<Option<Pass>, IndexError> {
        let count = |number: i64| u64::try_from(number).unwrap_or_default();
        Ok(self
            .database
            .prepare("SELECT after, checked, bytes, damaged FROM verify_pass")?
            .query_row([], |row| {
                Ok(Pass {
                    after: EntryNumber::new(count(row.get(0)?)),
                    checked: count(row.get(1)?),
                    bytes: count(row.get(2)?),
                    damaged: count(row.get(3)?),
                })
            })
            .optional()?)
    }

    /// Saves how far the check of everything has come; `None` when it is through.
    ///
    /// # Errors
    /// When the drive fails.
    pub fn save_pass(&mut self, pass: Option<&Pass>) -> Result<(), IndexError> {
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        match pass {
            None => self.database.execute("DELETE FROM verify_pass", [])?,
            Some(pass) => self.database.execute(
                "INSERT OR REPLACE INTO verify_pass VALUES (1, ?1, ?2, ?3, ?4)",
                (
                    number(pass.after.map_or(0, EntryNumber::get)),
                    number(pass.checked),
                    number(pass.bytes),
                    number(pass.damaged),
                ),
            )?,
        };
        Ok(())
    }
}
