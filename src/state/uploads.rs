//! What a client has sent and fetched, as rows.

use rusqlite::{OptionalExtension as _, params};

use super::{StateError, Step};

/// How far a file has come that a client sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UploadStage {
    /// The message that announces it is in the outbox, or gone.
    Sent,
    /// The vault has sealed it, and gives it a number when it is next opened.
    Kept,
    /// The vault has it.
    Stored,
    /// The vault does not take it.
    Failed,
}

impl UploadStage {
    fn to_number(self) -> i64 {
        match self {
            Self::Sent => 0,
            Self::Kept => 1,
            Self::Stored => 2,
            Self::Failed => 3,
        }
    }

    fn from_number(number: i64) -> Result<Self, StateError> {
        Ok(match number {
            0 => Self::Sent,
            1 => Self::Kept,
            2 => Self::Stored,
            3 => Self::Failed,
            _ => return Err(StateError::Damaged),
        })
    }

    /// Returns whether the vault has the file for good.
    #[must_use]
    pub fn is_safe(self) -> bool {
        match self {
            Self::Kept | Self::Stored => true,
            Self::Sent | Self::Failed => false,
        }
    }
}

/// A file that a client sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Where it lay.
    pub path: Vec<u8>,
    /// Its length.
    pub size: i64,
    /// When it was last written, in nanoseconds since 1970.
    pub mtime: i64,
    /// BLAKE3 of its content.
    pub hash: [u8; 32],
    /// The request that announced it.
    pub id: [u8; 16],
    /// How far it has come.
    pub stage: UploadStage,
    /// Its number in the vault.
    pub number: Option<u64>,
    /// When it was announced, in seconds since 1970.
    pub at: i64,
}

const COLUMNS: &str = "SELECT path, size, mtime, hash, id, stage, number, at FROM upload";

impl Step<'_> {
    /// Writes or rewrites a file that was sent.
    ///
    /// # Errors
    ///
    /// The database's.
    pub fn save_upload(&self, upload: &Upload) -> Result<(), StateError> {
        let number = upload.number.and_then(|it| i64::try_from(it).ok());
        self.transaction
            .prepare_cached(
                "INSERT OR REPLACE INTO upload (path, size, mtime, hash, id, stage, number, at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute(params![
                upload.path,
                upload.size,
                upload.mtime,
                upload.hash,
                upload.id,
                upload.stage.to_number(),
                number,
                upload.at
            ])?;
        Ok(())
    }

    /// Returns what was sent from this place.
    ///
    /// # Errors
    ///
    /// The database's; [`StateError::Damaged`].
    pub fn upload(&self, path: &[u8]) -> Result<Option<Upload>, StateError> {
        self.one_upload("path = ?1", path)
    }

    /// Returns a file with this content that the vault has.
    ///
    /// # Errors
    ///
    /// The database's; [`StateError::Damaged`].
    pub fn safe_upload(&self, hash: &[u8; 32]) -> Result<Option<Upload>, StateError> {
        self.one_upload("hash = ?1 AND stage IN (1, 2)", hash)
    }

    /// Returns what was announced in this request.
    ///
    /// # Errors
    ///
    /// The database's; [`StateError::Damaged`].
    pub fn upload_of(&self, id: &[u8; 16]) -> Result<Option<Upload>, StateError> {
        self.one_upload("id = ?1", id)
    }

    fn one_upload(&self, which: &str, value: &[u8]) -> Result<Option<Upload>, StateError> {
        let row = self
            .transaction
            .prepare_cached(&format!("{COLUMNS} WHERE {which} LIMIT 1"))?
            .query_row([value], |row| {
                let stage: i64 = row.get(5)?;
                let number: Option<i64> = row.get(6)?;
                let upload = Upload {
                    path: row.get(0)?,
                    size: row.get(1)?,
                    mtime: row.get(2)?,
                    hash: row.get(3)?,
                    id: row.get(4)?,
                    stage: UploadStage::Sent,
                    number: number.and_then(|it| u64::try_from(it).ok()),
                    at: row.get(7)?,
                };
                Ok((upload, stage))
            })
            .optional()?;
        row.map(|(upload, stage)| {
            let stage = UploadStage::from_number(stage)?;
            Ok(Upload { stage, ..upload })
        })
        .transpose()
    }

    /// Notes that an entry was fetched into a folder, under this name.
    ///
    /// # Errors
    ///
    /// The database's.
    pub fn save_download(
        &self,
        folder: &[u8],
        number: u64,
        (name, size): (&[u8], u64),
    ) -> Result<(), StateError> {
        let whole = |it| i64::try_from(it).map_err(|_| StateError::Damaged);
        self.transaction
            .prepare_cached(
                "INSERT OR REPLACE INTO download (folder, number, name, size)
                 VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![folder, whole(number)?, name, whole(size)?])?;
        Ok(())
    }

    /// Returns under which name an entry was fetched into a folder, and its length.
    ///
    /// # Errors
    ///
    /// The database's.
    pub fn download(
        &self,
        folder: &[u8],
        number: u64,
    ) -> Result<Option<(Vec<u8>, u64)>, StateError> {
        let Ok(number) = i64::try_from(number) else {
            return Ok(None);
        };
        let row: Option<(Vec<u8>, i64)> = self
            .transaction
            .prepare_cached("SELECT name, size FROM download WHERE folder = ?1 AND number = ?2")?
            .query_row(params![folder, number], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()?;
        Ok(row.and_then(|(name, size)| Some((name, u64::try_from(size).ok()?))))
    }
}
