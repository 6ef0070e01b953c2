//! The daemon's own memory on the system card: OMEMO store, jobs, outbox, archive cursor.
//!
//! One SQLCipher file; its key lies beside it, so that a locked vault can still talk. Nothing
//! here opens a stored file, save those whose link is still in an open intake. The room knows
//! rows, not what they mean.
//!
//! All that one step changes goes into one [`Step`], which is one transaction.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, fchown},
    path::{Path, PathBuf},
};

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};
use serde::{Serialize, de::DeserializeOwned};
use zeroize::Zeroizing;

mod about;
mod contacts;
mod migrating;
mod omemo_store;
#[cfg(test)]
mod tests;
mod unread;
mod uploads;

pub use contacts::{ContactDevice, ContactLetter};
pub use uploads::{Upload, UploadStage};

/// The database's file name in the system folder.
pub const STATE_FILE: &str = "state.db";
/// The file name of its key in the system folder.
pub const STATE_KEY_FILE: &str = "state.key";

/// Why the state could not be read or written. Every write error is final for the process: what
/// is in memory may be ahead of what is on the card.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// The database failed.
    #[error("the state database failed")]
    Database(#[from] rusqlite::Error),
    /// A file beside it failed.
    #[error("the state folder could not be used")]
    Io(#[from] io::Error),
    /// The key file is not 32 bytes in hex.
    #[error("the state key file is damaged")]
    BadKeyFile,
    /// There is a database and no key for it, or another one.
    #[error("the state database and its key file do not belong together")]
    KeyMismatch,
    /// A row does not read.
    #[error("a record of the state database is damaged or of a later version")]
    Damaged,
    /// The database was written by a newer program.
    #[error(
        "the state on the system card was written by a newer Strongroom (its version is {found}, this \
         program knows up to {newest}); install the newer one again, nothing was changed"
    )]
    TooNew {
        /// Its version.
        found: i64,
        /// The newest known.
        newest: i64,
    },
}

impl StateError {
    /// Tells whether another process holds the database.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked};
        let Self::Database(error) = self else {
            return false;
        };
        matches!(
            error.sqlite_error_code(),
            Some(DatabaseBusy | DatabaseLocked)
        )
    }
}

impl From<omemo::Damaged> for StateError {
    fn from(_: omemo::Damaged) -> Self {
        Self::Damaged
    }
}

/// The open database.
pub struct State {
    connection: Connection,
    folder: PathBuf,
}

/// A row of the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Orders the rows; names the row while it is under way.
    pub token: i64,
    /// The stanza's id, which is its origin-id too.
    pub id: String,
    /// What is to be sent.
    pub content: LetterContent,
}

/// What a row of the outbox holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LetterContent {
    /// Words that no session could encrypt so far.
    Words(String),
    /// The finished stanza: resending sends these bytes.
    Stanza(String),
}

impl State {
    /// Opens the state in `folder`, or makes it where neither database nor key exist.
    ///
    /// # Errors
    ///
    /// [`StateError`]; an existing database is left as it was.
    pub fn open(folder: &Path) -> Result<Self, StateError> {
        Self::open_with(folder, &migrating::MIGRATIONS)
    }

    fn open_with(folder: &Path, migrations: &[(i64, &str)]) -> Result<Self, StateError> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        let file = folder.join(STATE_FILE);
        let key = match read_key(&folder.join(STATE_KEY_FILE))? {
            Some(key) => key,
            None if file.exists() => return Err(StateError::KeyMismatch),
            None => make_key(folder)?,
        };
        vault::index::make_library_ready();
        let mut connection = Connection::open(&file)?;
        let mut pragma = Zeroizing::new(String::with_capacity(80));
        pragma.push_str("x'");
        pragma.push_str(&key);
        pragma.push('\'');
        connection.pragma_update(None, "key", pragma.as_str())?;
        connection.pragma_update(None, "cipher_memory_security", true)?;
        // The exclusive lock keeps a second daemon from using the same ratchets.
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        match connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())) {
            Err(rusqlite::Error::SqliteFailure(error, _))
                if error.code == rusqlite::ErrorCode::NotADatabase =>
            {
                return Err(StateError::KeyMismatch);
            }
            other => other?,
        }
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "secure_delete", true)?;
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        migrating::migrate(&mut connection, migrations)?;
        Ok(Self {
            connection,
            folder: folder.to_owned(),
        })
    }

    /// Closes the database and opens it anew: what SQLite took from a pool of small pieces it gives
    /// back there without overwriting it, and names are small.
    ///
    /// # Errors
    ///
    /// As for [`Self::open`]; the state is of no use then.
    pub fn forget_freed(&mut self) -> Result<(), StateError> {
        // The exclusive lock goes with the connection that holds it.
        self.connection = Connection::open_in_memory()?;
        *self = Self::open(&self.folder.clone())?;
        Ok(())
    }

    /// Begins a step: all that is done with it is saved by [`Step::commit`], or nothing.
    ///
    /// # Errors
    ///
    /// The database's.
    pub fn begin(&mut self) -> Result<Step<'_>, StateError> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        Ok(Step { transaction })
    }

    /// Empties the write-ahead log, so that what a closed job held is overwritten now and not at
    /// some later checkpoint.
    ///
    /// # Errors
    ///
    /// The database's.
    pub fn truncate_log(&self) -> Result<(), StateError> {
        self.connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(())
    }
}

/// One transaction. Dropped without [`Self::commit`], it leaves the state as it was.
pub struct Step<'a> {
    transaction: rusqlite::Transaction<'a>,
}

/// Which kind of job a row holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobKind {
    /// A file coming in.
    Intake,
    /// A file or answer going out.
    Delivery,
}

impl JobKind {
    fn name(self) -> &'static str {
        match self {
            Self::Intake => "intake",
            Self::Delivery => "delivery",
        }
    }
}

impl Step<'_> {
    /// Saves the step; it is durable when this returns.
    ///
    /// # Errors
    ///
    /// The database's. Then the process must end: nobody knows what is on the card.
    pub fn commit(self) -> Result<(), StateError> {
        Ok(self.transaction.commit()?)
    }

    /// Reads a named value.
    ///
    /// # Errors
    ///
    /// The database's; [`StateError::Damaged`].
    pub fn note<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StateError> {
        let bytes: Option<Vec<u8>> = self
            .transaction
            .prepare_cached("SELECT value FROM note WHERE name = ?1")?
            .query_row([name], |row| row.get(0))
            .optional()?;
        bytes.map(|bytes| read(&Zeroizing::new(bytes))).transpose()
    }

    /// Writes a named value; `None` removes it.
    ///
    /// # Errors
    ///
    /// The database's.
    pub fn set_note<T: Serialize>(&self, name: &str, value: Option<&T>) -> Result<(), StateError> {
        match value {
            Some(value) => self
                .transaction
                .prepare_cached("INSERT OR REPLACE INTO note (name, value) VALUES (?1, ?2)")?
                .execute(params![name, write(value)?.as_slice()])?,
            None => self
                .transaction
                .prepare_cached("DELETE FROM note WHERE name = ?1")?
                .execute([name])?,
        };
        Ok(())
    }

    /// Writes or rewrites a job.
    ///
    /// # Errors
    ///
    /// The database's.
    pub fn save_job<T: Serialize>(
        &self,
        id: &[u8; 32],
        kind: JobKind,
        job: &T,
    ) -> Result<(), StateError> {
        self.transaction
            .prepare_cached("INSERT OR REPLACE INTO job (id, kind, bytes) VALUES (?1, ?2, ?3)")?
            .execute(params![id, kind.name(), write(job)?.as_slice()])?;
        Ok(())
    }

    /// Returns all open jobs of a kind.
    ///
    /// # Errors
    ///
    /// The database's; [`StateError::Damaged`].
    pub fn jobs<T: DeserializeOwned>(&self, kind: JobKind) -> Result<Vec<T>, StateError> {
        let mut rows = self
            .transaction
            .prepare_cached("SELECT bytes FROM job WHERE kind = ?1 ORDER BY id")?;
        let rows = rows.query_map([kind.name()], |row| row.get::<_, Vec<u8>>(0))?;
        rows.map(|bytes| read(&Zeroizing::new(bytes?))).collect()
    }

    /// Forgets a job. What it held is overwritten (`secure_delete`).
    ///
    /// # Errors
    ///
    /// The database's.
    pub fn close_job(&self, id: &[u8; 32]) -> Result<(), StateError> {
        self.transaction
            .prepare_cached("DELETE FROM job WHERE id = ?1")?
            .execute(params![id])?;
        Ok(())
    }

    /// Appends to the outbox; returns the row's token.
    ///
    /// # Errors
    ///
    /// The database's.
    pub fn post(&self, id: &str, content: &LetterContent) -> Result<i64, StateError> {
        let (words, stanza) = match content {
            LetterContent::Words(words) => (Some(words), None),
            LetterContent::Stanza(stanza) => (None, Some(stanza)),
        };
        self.transaction
            .prepare_cached("INSERT INTO outbox (id, words, stanza) VALUES (?1, ?2, ?3)")?
            .execute(params![id, words, stanza])?;
        Ok(self.transaction.last_insert_rowid())
    }

    /// Replaces a row's words by the finished stanza.
    ///
    /// # Errors
    ///
    /// The database's.
    pub fn finish_letter(&self, token: i64, stanza: &str) -> Result<(), StateError> {
        self.transaction
            .prepare_cached("UPDATE outbox SET words = NULL, stanza = ?2 WHERE token = ?1")?
            .execute(params![token, stanza])?;
        Ok(())
    }

    /// Returns the outbox, oldest first.
    ///
    /// # Errors
    ///
    /// The database's; [`StateError::Damaged`].
    pub fn outbox(&self) -> Result<Vec<Letter>, StateError> {
        let mut rows = self
            .transaction
            .prepare_cached("SELECT token, id, words, stanza FROM outbox ORDER BY token")?;
        let rows = rows.query_map([], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })?;
        rows.map(|row| {
            let (token, id, words, stanza) = row?;
            let content = match (words, stanza) {
                (Some(words), None) => LetterContent::Words(words),
                (None, Some(stanza)) => LetterContent::Stanza(stanza),
                _ => return Err(StateError::Damaged),
            };
            Ok(Letter { token, id, content })
        })
        .collect()
    }

    /// Removes a row of the outbox: the server has it.
    ///
    /// # Errors
    ///
    /// The database's.
    pub fn delivered(&self, token: i64) -> Result<(), StateError> {
        self.transaction
            .prepare_cached("DELETE FROM outbox WHERE token = ?1")?
            .execute([token])?;
        Ok(())
    }

    /// Removes the row with this stanza id: the phone has it.
    ///
    /// # Errors
    ///
    /// The database's.
    pub fn received(&self, id: &str) -> Result<(), StateError> {
        self.transaction
            .prepare_cached("DELETE FROM outbox WHERE id = ?1")?
            .execute([id])?;
        Ok(())
    }

    /// Returns whether the owner has been told of this device.
    ///
    /// # Errors
    ///
    /// The database's.
    pub fn is_quarantined(&self, jid: &str, device: u32) -> Result<bool, StateError> {
        Ok(self
            .transaction
            .prepare_cached("SELECT 1 FROM quarantined WHERE jid = ?1 AND device = ?2")?
            .exists(params![jid, device])?)
    }

    /// Notes that the owner has been told of this device.
    ///
    /// # Errors
    ///
    /// The database's.
    pub fn quarantine(&self, jid: &str, device: u32) -> Result<(), StateError> {
        self.transaction
            .prepare_cached("INSERT OR IGNORE INTO quarantined (jid, device) VALUES (?1, ?2)")?
            .execute(params![jid, device])?;
        Ok(())
    }
}

fn write<T: Serialize>(value: &T) -> Result<Zeroizing<Vec<u8>>, StateError> {
    postcard::to_stdvec(value)
        .map(Zeroizing::new)
        .map_err(|_| StateError::Damaged)
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StateError> {
    postcard::from_bytes(bytes).map_err(|_| StateError::Damaged)
}

/// Reads the key as hex digits; `None` where there is no file.
fn read_key(path: &Path) -> Result<Option<Zeroizing<String>>, StateError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => Zeroizing::new(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let text = Zeroizing::new(text.trim().to_owned());
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(StateError::BadKeyFile);
    }
    Ok(Some(text))
}

fn make_key(folder: &Path) -> Result<Zeroizing<String>, StateError> {
    let mut key = Zeroizing::new([0_u8; 32]);
    getrandom::fill(&mut *key).map_err(io::Error::other)?;
    let text = Zeroizing::new(hex::encode(*key));
    write_private(&folder.join(STATE_KEY_FILE), text.as_bytes())?;
    Ok(text)
}

/// Writes a new file that only its owner can read, durably and all or nothing.
///
/// # Errors
///
/// The file system's.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_as(path, bytes, None)
}

/// Writes a new file that only this user can read, durably and all or nothing.
///
/// Root may do so in a folder of somebody else: no link that lies there is followed.
///
/// # Errors
///
/// The file system's.
pub fn write_for(path: &Path, bytes: &[u8], (uid, gid): (u32, u32)) -> io::Result<()> {
    write_as(path, bytes, Some((uid, gid)))
}

fn write_as(path: &Path, bytes: &[u8], owner: Option<(u32, u32)>) -> io::Result<()> {
    let mut temporary = PathBuf::from(path);
    temporary.as_mut_os_string().push(".new");
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)?;
    io::Write::write_all(&mut file, bytes)?;
    if let Some((uid, gid)) = owner {
        fchown(&file, Some(uid), Some(gid))?;
    }
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    if let Some(folder) = path.parent() {
        fs::File::open(folder)?.sync_all()?;
    }
    Ok(())
}
