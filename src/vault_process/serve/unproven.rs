//! Proof of origin: which blobs the daemon itself sealed, and which only lie on the drive.
//!
//! Nothing that nobody vouches for is entered but by the owner's word.

use std::{
    io,
    os::unix::net::UnixStream,
    time::{Duration, SystemTime},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use vault::{BlobId, IndexError, IntakeMac};

use super::{Clerk, UNNAMED, Word, next_order};
use crate::vault_process::{Order, OriginWord};

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
    /// Reads the next order. While none comes after the opening, the drive is looked through once,
    /// so that the owner hears of what nobody vouches for.
    pub(super) fn next_order(&mut self, ear: &mut UnixStream) -> io::Result<Option<Order>> {
        if self.unproven.count.is_none() && is_quiet(ear)? {
            match self.count_unproven() {
                Ok(0) => {}
                Ok(count) => self.mouth.say(&Word::Origin(OriginWord::Found { count }))?,
                Err(error) => {
                    log::warn!("the drive could not be looked through: {error}");
                    self.unproven.count = Some(0);
                }
            }
        }
        next_order(ear)
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
        let count = self.index.lock().unlisted(&self.unproven.waiting)?.count;
        self.unproven.count = Some(count);
        Ok(count)
    }

    pub(super) fn describe_unproven(
        &mut self,
        job: [u8; 32],
        waiting: &[[u8; 16]],
    ) -> Result<Word, IndexError> {
        let found = self.index.lock().unlisted(&ids(waiting))?;
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
        let taken = self
            .index
            .lock()
            .take_unlisted(&waiting, seen, SystemTime::now());
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

/// Waits a moment for an order; tells whether none came.
fn is_quiet(ear: &UnixStream) -> io::Result<bool> {
    let limit = Timespec {
        tv_sec: i64::try_from(QUIET.as_secs()).unwrap_or(1),
        tv_nsec: 0,
    };
    match poll(&mut [PollFd::new(ear, PollFlags::IN)], Some(&limit)) {
        Ok(ready) => Ok(ready == 0),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
