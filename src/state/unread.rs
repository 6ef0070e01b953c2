//! Jobs that this version cannot read: set aside, and tried again at each start.

use rusqlite::params;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::{JobKind, StateError, Step};

/// How long a job waits for a version that reads it: 30 days, in seconds.
const KEPT_SECONDS: u64 = 30 * 24 * 3600;

impl Step<'_> {
    /// Sets aside all jobs of a kind that are not a `T`, as another version of the program may have
    /// left them; returns how many.
    ///
    /// # Errors
    ///
    /// The database's.
    pub fn set_unread_jobs_aside<T: DeserializeOwned>(
        &self,
        kind: JobKind,
        now: u64,
    ) -> Result<u32, StateError> {
        let mut aside = 0;
        for (id, bytes) in self.raw_jobs("SELECT id, bytes FROM job WHERE kind = ?1", kind)? {
            if reads::<T>(&bytes) {
                continue;
            }
            self.transaction
                .prepare_cached(
                    "INSERT OR REPLACE INTO unread_job (id, kind, bytes, since) VALUES (?1, ?2, ?3, ?4)",
                )?
                .execute(params![id, kind.name(), bytes.as_slice(), seconds(now)])?;
            self.transaction
                .prepare_cached("DELETE FROM job WHERE id = ?1")?
                .execute([id])?;
            aside += 1;
        }
        Ok(aside)
    }

    /// Takes those jobs up again that are a `T` to this version, and forgets what was set aside too
    /// long ago; returns how many jobs came back.
    ///
    /// # Errors
    ///
    /// The database's.
    pub fn take_up_read_jobs<T: DeserializeOwned>(
        &self,
        kind: JobKind,
        now: u64,
    ) -> Result<u32, StateError> {
        self.transaction
            .prepare_cached("DELETE FROM unread_job WHERE since < ?1")?
            .execute([seconds(now.saturating_sub(KEPT_SECONDS))])?;
        let mut taken = 0;
        for (id, bytes) in
            self.raw_jobs("SELECT id, bytes FROM unread_job WHERE kind = ?1", kind)?
        {
            if !reads::<T>(&bytes) {
                continue;
            }
            self.transaction
                .prepare_cached("INSERT OR IGNORE INTO job (id, kind, bytes) VALUES (?1, ?2, ?3)")?
                .execute(params![id, kind.name(), bytes.as_slice()])?;
            self.transaction
                .prepare_cached("DELETE FROM unread_job WHERE id = ?1")?
                .execute([id])?;
            taken += 1;
        }
        Ok(taken)
    }

    fn raw_jobs(&self, sql: &str, kind: JobKind) -> Result<Vec<RawJob>, StateError> {
        let mut rows = self.transaction.prepare_cached(sql)?;
        let rows = rows.query_map([kind.name()], |row| {
            Ok((row.get(0)?, Zeroizing::new(row.get(1)?)))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

/// A job's number and its bytes, which may hold the key of a file.
type RawJob = (Vec<u8>, Zeroizing<Vec<u8>>);

/// Tells whether this is a `T` to its last byte: what a later version has added stands behind.
fn reads<T: DeserializeOwned>(bytes: &[u8]) -> bool {
    postcard::take_from_bytes::<T>(bytes).is_ok_and(|(_, rest)| rest.is_empty())
}

fn seconds(time: u64) -> i64 {
    i64::try_from(time).unwrap_or(i64::MAX)
}
