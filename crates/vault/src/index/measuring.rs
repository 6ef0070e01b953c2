//! A door for `examples/index_speed.rs`: very many entries without as many blobs.

use std::time::SystemTime;

use super::{Index, IndexError, carry_out, query, schema};
use crate::{
    change_log::{Change, What},
    id::BlobId,
    index::{EntryNumber, FromBlob, Origin},
    metadata::{self, Metadata},
};

impl Index {
    /// Enters entries that have no blob and stand in no log, in one transaction. For measuring
    /// how long questions take, and for nothing else.
    ///
    /// # Errors
    /// When the drive fails.
    #[doc(hidden)]
    pub fn fill_for_measuring(
        &mut self,
        entries: impl Iterator<Item = (BlobId, Metadata)>,
        now: SystemTime,
    ) -> Result<(), IndexError> {
        // With the usual 2 MB of pages nearly every entry would write one to the drive.
        let usual: i64 = self
            .database
            .pragma_query_value(None, "cache_size", |row| row.get(0))?;
        self.database
            .pragma_update(None, "cache_size", -512 * 1024)?;
        let at = metadata::to_millis(Some(now));
        let mut number = query::next_number(&self.database)?;
        let transaction = self.database.transaction()?;
        for (blob, metadata) in entries {
            let mut mark = [0; 32];
            mark.iter_mut()
                .zip(blob.as_bytes())
                .for_each(|(to, from)| *to = *from);
            let from = FromBlob {
                size: 3_000_000,
                mark,
                metadata,
            };
            let origin = Origin::Proven;
            let what = What::Adopted {
                origin,
                caption: None,
            };
            carry_out(
                &transaction,
                &Change::new(number, blob, at, what),
                Some(&from),
            )?;
            number = EntryNumber::new(number.get() + 1).ok_or(IndexError::TooNew)?;
        }
        let sequence = schema::last_sequence(&transaction)? + 1;
        schema::set_last_sequence(&transaction, sequence)?;
        transaction.commit()?;
        self.database.pragma_update(None, "cache_size", usual)?;
        self.database.pragma_update(None, "shrink_memory", 0)?;
        Ok(())
    }
}
