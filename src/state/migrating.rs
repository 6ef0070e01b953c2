//! The versions of the tables, and how an earlier one becomes the present one.
//!
//! A step is one transaction together with its number: whatever ends the process, the next start
//! finds it done or not begun, and goes on from there.

use rusqlite::{Connection, TransactionBehavior};

use super::StateError;

/// Each step that brought the tables to their present form, with the version it leads to.
pub(super) const MIGRATIONS: [(i64, &str); 12] = [
    (1, include_str!("migrations/001_init.sql")),
    (30, include_str!("migrations/030_intake_mac.sql")),
    (40, include_str!("migrations/040_asker.sql")),
    (45, include_str!("migrations/045_described_files.sql")),
    (50, include_str!("migrations/050_used_prekey.sql")),
    (55, include_str!("migrations/055_devices.sql")),
    (80, include_str!("migrations/080_chat.sql")),
    (100, include_str!("migrations/100_client.sql")),
    (140, include_str!("migrations/140_contacts.sql")),
    (150, include_str!("migrations/150_attached.sql")),
    (165, include_str!("migrations/165_unread_job.sql")),
    (170, include_str!("migrations/170_sticks.sql")),
];

/// Brings the tables to the last of these versions.
pub(super) fn migrate(
    connection: &mut Connection,
    migrations: &[(i64, &str)],
) -> Result<(), StateError> {
    let newest = migrations.iter().map(|(version, _)| *version).max();
    let newest = newest.unwrap_or(0);
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if found > newest || found < 0 {
        return Err(StateError::TooNew { found, newest });
    }
    for (version, sql) in migrations.iter().filter(|(version, _)| *version > found) {
        let step = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        step.execute_batch(sql)?;
        step.pragma_update(None, "user_version", version)?;
        crate::crash::point(&format!("migration {version} made"));
        step.commit()?;
        crate::crash::point(&format!("migration {version} kept"));
    }
    Ok(())
}

#[cfg(test)]
impl super::State {
    /// Opens the state as the program of an earlier version did.
    pub(crate) fn open_at(folder: &std::path::Path, version: i64) -> Result<Self, StateError> {
        let known = MIGRATIONS.iter().filter(|it| it.0 <= version);
        Self::open_with(folder, &known.copied().collect::<Vec<_>>())
    }

    /// Returns all versions there ever were.
    pub(crate) fn versions() -> Vec<i64> {
        MIGRATIONS.iter().map(|it| it.0).collect()
    }

    /// Returns the database itself.
    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }
}
