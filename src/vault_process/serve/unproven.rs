//! Proof of origin: which blobs the daemon itself sealed, and which only lie on the drive.
//!
//! Nothing that nobody vouches for is entered but by the owner's word.

use std::{
    io,
    sync::mpsc::{self, RecvTimeoutError},
    time::{Duration, Instant},
};

use vault::{BlobId, IndexError, IntakeMac};

use super::{Clerk, Errand, UNNAMED, Word};
use crate::vault_process::OriginWord;

/// How long nobody asks anything before the drive is looked through.
const QUIET: Duration = Duration::from_secs(2);

/// What is known of the blobs that neither index nor change log know.
pub(super) struct Unproven {
    /// Blobs whose proof lay on the system card when the vault was opened.
    waiting: Vec<BlobId>,
    /// How many there are, once they were counted.
    count: Option<u64>,
}

impl Unproven {
    pub(super) fn new(waiting: Vec<[u8; 16]>) -> Self {
        Self {
            waiting: ids(&waiting),
            count: None,
        }
    }

    /// A blob that was thought to be proven is not.
    pub(super) fn one_more(&mut self, blob: &BlobId) {
        self.waiting.retain(|waiting| waiting != blob);
        self.count = self.count.map(|count| count.saturating_add(1));
    }
}

impl Clerk {
    /// Takes what is to be done next; `None` when nobody can ask any more. While no order comes
    /// after the opening, the drive is looked through once, so that the owner hears of what nobody
    /// vouches for.
    pub(super) fn next_errand(
        &mut self,
        errands: &mpsc::Receiver<Errand>,
    ) -> io::Result<Option<Errand>> {
        if self.unproven.count.is_some() {
            return Ok(errands.recv().ok());
        }
        let until = Instant::now() + QUIET;
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            match errands.recv_timeout(left) {
                // A check asks all the time, and is no reason to put this off.
                Ok(Errand::Favour(favour)) => favour(&mut self.index),
                Ok(errand) => return Ok(Some(errand)),
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
            }
        }
        match self.count_unproven() {
            Ok(0) => {}
            Ok(count) => self.mouth.say(&Word::Origin(OriginWord::Found { count }))?,
            Err(error) => {
                log::warn!("the drive could not be looked through: {error}");
                self.unproven.count = Some(0);
            }
        }
        Ok(errands.recv().ok())
    }

    /// Tells whether the daemon sealed what lies on the drive under this name. A blob that is not
    /// there or too short for one is left to the index, which says what is wrong with it.
    pub(super) fn is_vouched(
        &self,
        blob: &BlobId,
        mac: Option<[u8; 32]>,
    ) -> Result<bool, IndexError> {
        let (Some(key), Some(mac)) = (&self.intake_key, mac) else {
            // What is wrong with the blob comes before what is wrong with its proof.
            self.vault.reader(blob)?;
            return Ok(false);
        };
        match self
            .vault
            .is_vouched(blob, &IntakeMac::from_bytes(mac), key)
        {
            Ok(vouched) => Ok(vouched),
            Err(_) => {
                self.vault.reader(blob)?;
                Ok(false)
            }
        }
    }

    pub(super) fn count_unproven(&mut self) -> Result<u64, IndexError> {
        if let Some(count) = self.unproven.count {
            return Ok(count);
        }
        let count = self.index.unlisted(&self.unproven.waiting)?.count;
        self.unproven.count = Some(count);
        Ok(count)
    }

    pub(super) fn describe_unproven(
        &mut self,
        job: [u8; 32],
        waiting: &[[u8; 16]],
    ) -> Result<Word, IndexError> {
        let found = self.index.unlisted(&ids(waiting))?;
        self.unproven.count = Some(found.count);
        let oldest = found.oldest.into_iter().map(|(size, metadata)| {
            let name = metadata.name.unwrap_or_else(|| UNNAMED.to_owned());
            (name, size)
        });
        Ok(Word::Origin(OriginWord::Unproven {
            job,
            count: found.count,
            bytes: found.bytes,
            unreadable: found.unreadable.len() as u64,
            oldest: oldest.collect(),
            seen: found.digest,
        }))
    }

    pub(super) fn take_unproven(
        &mut self,
        job: [u8; 32],
        seen: &[u8; 32],
        waiting: &[[u8; 16]],
    ) -> io::Result<()> {
        let waiting = ids(waiting);
        let now = self.now();
        let taken = self.index.take_unlisted(&waiting, seen, now);
        crate::crash::point("unproven taken");
        match taken {
            Ok(numbers) => {
                self.unproven.count = None;
                let numbers = numbers.map(|numbers| {
                    let first = numbers.first().map_or(0, |first| first.get());
                    (first, numbers.len() as u64)
                });
                self.mouth
                    .say(&Word::Origin(OriginWord::Taken { job, numbers }))
            }
            Err(error) => {
                log::error!("blobs of unproven origin were not entered: {error}");
                self.mouth.say(&Word::NoAnswer { job })?;
                // After a failed write the index takes no more: a new process opens it.
                Err(io::Error::other(error))
            }
        }
    }
}

fn ids(blobs: &[[u8; 16]]) -> Vec<BlobId> {
    blobs.iter().copied().map(BlobId::from_bytes).collect()
}
