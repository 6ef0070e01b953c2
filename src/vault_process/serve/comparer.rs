//! Blobs that hold the same: a thread of its own reads them from end to end, since a film takes
//! long, and the thread of the index keeps one that is sound.

use std::{
    io,
    sync::mpsc::{Receiver, Sender},
};

use vault::{
    BlobId, Compared, Duplicate, EntryNumber, IndexError, OpenVault, Settled, UnsealError,
};

use super::{Clerk, Errand, Word};

/// A blob that holds what an entry's blob holds, as both of them say.
pub(super) struct Double {
    job: [u8; 32],
    duplicate: Duplicate,
}

/// Reads doubles until nobody finds any more.
pub(super) fn run(vault: &OpenVault, doubles: &Receiver<Double>, tell: &Sender<Errand>) {
    while let Ok(double) = doubles.recv() {
        let compared = double.duplicate.compare(vault);
        if tell.send(Errand::Compared(double, compared)).is_err() {
            return;
        }
    }
}

impl Clerk {
    /// Has a duplicate compared with what is kept; the answer comes from [`Clerk::settle`].
    pub(super) fn compare(
        &self,
        job: [u8; 32],
        blob: &BlobId,
        number: EntryNumber,
    ) -> Result<Option<Word>, IndexError> {
        let number = number.get();
        let Some(duplicate) = self.index.duplicate(blob)? else {
            return Ok(Some(Word::SameAs { job, number }));
        };
        let sent = self.compare.send(Double { job, duplicate });
        // Without its thread nothing is known, and the order comes again.
        Ok(sent.is_err().then_some(Word::NotAdopted { job }))
    }

    /// Keeps a blob that is sound, and says what became of the order.
    pub(super) fn settle(
        &mut self,
        double: &Double,
        compared: Result<Compared, UnsealError>,
    ) -> io::Result<()> {
        let (job, number) = (double.job, double.duplicate.number().get());
        let compared = match compared {
            Ok(compared) => compared,
            Err(error) => {
                log::warn!("blobs could not be compared, both are kept: {error}");
                return self.mouth.say(&Word::NotAdopted { job });
            }
        };
        let now = self.now();
        match self.index.settle(&double.duplicate, compared, now) {
            Ok(Settled::SetAside) => {
                log::error!("neither of two equal blobs is sound: entry {number}");
                self.mouth.say(&Word::Damaged { job })
            }
            Ok(settled) => {
                if settled == Settled::TookOver {
                    log::warn!("entry {number} has a sound blob again; the other was set aside");
                    self.tell_damage()?;
                }
                self.mouth.say(&Word::SameAs { job, number })
            }
            Err(error) => {
                log::error!("a double blob was not settled: {error}");
                self.mouth.say(&Word::NotAdopted { job })?;
                // After a failed write the index takes no more: a new process opens it.
                Err(io::Error::other(error))
            }
        }
    }
}
