//! Reads blobs whole that hold the same, beside the thread that answers: a film takes long.

use std::{sync::mpsc, time::SystemTime};

use vault::{BlobId, EntryNumber, IndexError, OpenVault, Settled};

use super::{Mouth, SharedIndex, Word};

/// A blob that holds what an entry's blob holds, as both of them say.
pub(super) struct Double {
    pub(super) job: [u8; 32],
    pub(super) blob: BlobId,
    pub(super) number: EntryNumber,
}

/// Reads blobs whole that hold the same, and has the index keep one that is sound.
pub(super) struct Comparer {
    pub(super) vault: OpenVault,
    pub(super) index: SharedIndex,
    pub(super) mouth: Mouth,
}

impl Comparer {
    pub(super) fn run(&self, queue: &mpsc::Receiver<Double>) {
        while let Ok(double) = queue.recv() {
            let job = double.job;
            let word = self.settle(&double);
            let failed = word.is_err();
            let word = word.unwrap_or_else(|error| {
                log::error!("a double blob was not settled: {error}");
                Word::NotAdopted { job }
            });
            // After a failed write the index takes no more: a new process opens it.
            if self.mouth.say(&word).is_err() || failed {
                return self.mouth.shut();
            }
        }
    }

    fn settle(&self, double: &Double) -> Result<Word, IndexError> {
        let (job, number) = (double.job, double.number.get());
        let kept = Word::SameAs { job, number };
        let Some(duplicate) = self.index.lock().duplicate(&double.blob)? else {
            return Ok(kept);
        };
        let compared = match duplicate.compare(&self.vault) {
            Ok(compared) => compared,
            Err(error) => {
                log::warn!("blobs could not be compared, both are kept: {error}");
                return Ok(Word::NotAdopted { job });
            }
        };
        let now = SystemTime::now();
        let settled = self.index.lock().settle(&duplicate, compared, now)?;
        Ok(match settled {
            Settled::SetAside => {
                log::error!("neither of two equal blobs is sound: entry {number}");
                Word::Damaged { job }
            }
            Settled::TookOver => {
                log::warn!("entry {number} has a sound blob again; the other was set aside");
                kept
            }
            Settled::Removed | Settled::Outdated | _ => kept,
        })
    }
}
