//! A file that a message describes, as its job keeps it until it is sealed.
//!
//! It knows no cipher and no network; what cannot be used was refused before there was a job.

use std::fmt;

use omemo::{
    Namespace,
    media::{
        ContentHash, FileSource, HashAlgorithm, MediaCipher, MediaSecret, SharedFile,
        SharedFileError,
    },
};
use serde::{Deserialize, Serialize};

use super::{
    Effect, JobId, Keeper, Moment, Told,
    intake::Intake,
    reply::{CustodyReply, FileFault, IntakeFailure, Reply},
    zone::Zone,
};

/// A file that a message describes, as the keeper is told of it. Not `Debug`: it holds what people
/// wrote.
pub struct Announced {
    /// Names the job that it may become.
    pub job: JobId,
    /// Names the blob that it may become.
    pub blob: [u8; 16],
    /// Its name, also where the rest makes no sense.
    pub name: Option<String>,
    /// What tells it from others of the same message, if anything does.
    pub part: Option<String>,
    /// The description. Without any source, a later message is to bring them.
    pub file: Result<SharedFile, SharedFileError>,
}

/// What is needed to fetch a described file and to know it again. It holds keys, which `Debug` does
/// not show.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Described {
    /// Its media type.
    pub media_type: Option<String>,
    size: Option<u64>,
    /// When it was last changed, in seconds since 1970; of what came in, as the clock on the wall
    /// showed it.
    changed_at: Option<i64>,
    hashes: Vec<NamedHash>,
    places: Vec<Place>,
}

/// A file that is dated before the second day of 1970 has no date; one that is dated further ahead
/// than any zone may be has a wrong one.
const DAY_SECONDS: i64 = 24 * 60 * 60;

/// An algorithm's name, with what it yields.
type NamedHash = (String, Vec<u8>);

/// One place where its ciphertext lies.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    url: String,
    cipher: String,
    /// IV and key, as [`MediaSecret::to_bytes`] writes them.
    secret: Vec<u8>,
    /// Of the ciphertext.
    hashes: Vec<NamedHash>,
}

impl Described {
    /// Keeps a description, without the name.
    #[must_use]
    pub fn new(file: &SharedFile) -> Self {
        let SharedFile {
            name: _,
            media_type,
            size,
            changed_at,
            hashes,
            sources,
        } = file;
        let hash = |it: &ContentHash| (it.algorithm().name().to_owned(), it.digest().to_vec());
        let place = |it: &FileSource| Place {
            url: it.url.clone(),
            cipher: it.secret.cipher().uri().to_owned(),
            secret: it.secret.to_bytes().to_vec(),
            hashes: it.hashes.iter().map(hash).collect(),
        };
        Self {
            media_type: media_type.clone(),
            size: *size,
            changed_at: *changed_at,
            hashes: hashes.iter().map(hash).collect(),
            places: sources.iter().map(place).collect(),
        }
    }

    /// Lets the date be what the clock on the wall showed; one that cannot be is left out.
    fn on_the_wall(self, zone: &Zone, (sent_at, now): (i64, i64)) -> Self {
        let newest = sent_at.max(now).saturating_add(DAY_SECONDS);
        let changed_at = self
            .changed_at
            .filter(|it| (DAY_SECONDS..=newest).contains(it));
        Self {
            changed_at: changed_at.map(|it| zone.shown(it)),
            ..self
        }
    }

    /// Returns when its sender says that it was last changed, in seconds since 1970.
    #[must_use]
    pub fn dated(&self) -> Option<i64> {
        self.changed_at
    }

    /// Returns whether it does not say yet where the file is.
    #[must_use]
    pub fn is_ahead(&self) -> bool {
        self.places.is_empty()
    }

    /// Returns the description that the job was made of, without the name. What a later program
    /// wrote, and this one does not know, is left out.
    #[must_use]
    pub fn file(&self) -> SharedFile {
        let hash = |(name, digest): &NamedHash| {
            ContentHash::new(HashAlgorithm::named(name)?, digest.clone())
        };
        let source = |it: &Place| {
            let cipher = MediaCipher::named(&it.cipher)?;
            let secret = MediaSecret::from_bytes_for(cipher, &it.secret).ok()?;
            let mut source = FileSource::new(&it.url, secret).ok()?;
            source.hashes = it.hashes.iter().filter_map(hash).collect();
            Some(source)
        };
        SharedFile {
            name: None,
            media_type: self.media_type.clone(),
            size: self.size,
            changed_at: self.changed_at,
            hashes: self.hashes.iter().filter_map(hash).collect(),
            sources: self.places.iter().filter_map(source).collect(),
        }
    }
}

impl fmt::Debug for Described {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            media_type: _,
            size: _,
            changed_at: _,
            hashes: _,
            places: _,
        } = self;
        f.write_str("Described(..)")
    }
}

impl Intake {
    /// Makes the job for a file that a message of `sender` describes.
    #[must_use]
    pub fn described(
        sender: &str,
        job: JobId,
        blob: [u8; 16],
        file: &SharedFile,
        times: (i64, i64),
    ) -> Self {
        let name = file.name.as_deref().unwrap_or_default();
        Self {
            described: Some(Described::new(file)),
            ..Self::announced(sender, job, blob, ("", name), times)
        }
    }
}

impl Reply {
    /// Returns the file that this describes, for those who can read a description.
    #[must_use]
    pub fn described_file(&self) -> Option<SharedFile> {
        let Self::Described { name, file } = self else {
            return None;
        };
        Some(SharedFile {
            name: Some(name.clone()),
            ..file.file()
        })
    }
}

impl Told {
    /// Makes a job for each file that is described and can be fetched.
    pub(super) fn described(&self, zone: &Zone, now: i64) -> Vec<Intake> {
        let times = (self.sent_at, now);
        let usable = self.files.iter().filter_map(|found| {
            let file = found.file.as_ref().ok()?;
            let Announced {
                job, blob, part, ..
            } = found;
            let mut intake = Intake::described(&self.from.jid, *job, *blob, file, times);
            intake.described = intake.described.map(|it| it.on_the_wall(zone, times));
            Some(intake.shared_as(self.beside.message.as_deref(), part.as_deref()))
        });
        usable.map(|it| it.asked_by(self.asker())).collect()
    }
}

impl Keeper {
    /// Returns whether the device that asked for files reads descriptions: those of
    /// `urn:xmpp:omemo:2` do.
    #[must_use]
    pub fn is_for_a_description(&self, job: &JobId) -> bool {
        if let Some(jid) = self.deliveries.contact(job) {
            return self.contacts.read_descriptions(jid);
        }
        let asker = self.deliveries.asker(job);
        asker.is_some_and(|it| it.namespace == Namespace::Omemo2)
    }

    /// Takes in the files that a message describes.
    pub(super) fn described(
        &mut self,
        told: &Told,
        words: Option<&str>,
        at: Moment,
    ) -> Vec<Effect> {
        let mut effects = Vec::new();
        // They are obeyed by nobody: they may as well be what is to be seen on the photo.
        let words = words.filter(|words| !words.trim().is_empty());
        if words.is_some() {
            self.arrivals.end_run(told.from.id);
        }
        for found in &told.files {
            if let Err(why) = &found.file {
                let name = found.name.clone();
                effects.push(Effect::Say(Reply::NotStored {
                    name: name.unwrap_or_else(|| "The file".to_owned()),
                    why: refusal(*why),
                    retrying: false,
                }));
            }
        }
        let mut intakes = told.described(&self.zone, at.wall);
        let mut room = self.intakes.room_ahead();
        intakes.retain(|intake| {
            let is_taken = !intake.is_ahead() || room > 0;
            if is_taken {
                room -= usize::from(intake.is_ahead());
            } else {
                effects.push(intake.never_came());
            }
            is_taken
        });
        let jobs: Vec<JobId> = intakes.iter().map(|intake| intake.job).collect();
        for intake in intakes {
            // ✅ at a message says that all of it is stored.
            let intake = match jobs.as_slice() {
                [_] if told.files.len() == 1 => intake.brought_by(self.brought(&told.beside)),
                _ => intake,
            };
            effects.extend(self.intakes.announced(intake));
        }
        effects.extend(self.arrived(told, &jobs));
        effects.extend(self.attached(told, at.wall));
        let Some(words) = words else {
            return effects;
        };
        if vault::words::holds_recovery_words(words) {
            effects.push(Effect::Say(CustodyReply::WordsExposed.into()));
            return effects;
        }
        let noted = self.caption(told, words, at);
        effects.extend(noted.unwrap_or_else(|| vec![Effect::Say(Reply::WordsNotKept)]));
        effects
    }
}

pub(super) fn refusal(why: SharedFileError) -> IntakeFailure {
    IntakeFailure::Described(match why {
        SharedFileError::NoSource => FileFault::NoSource,
        SharedFileError::NotEncrypted => FileFault::NotEncrypted,
        SharedFileError::Cipher => FileFault::Cipher,
        SharedFileError::Address => FileFault::Address,
        SharedFileError::NoHash => FileFault::NoHash,
        SharedFileError::Malformed | _ => FileFault::Malformed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_kept_whole_and_its_job_does_not_hold_the_name_twice() {
        for cipher in MediaCipher::ALL {
            let key = vec![
                7;
                if cipher == MediaCipher::Aes128Gcm {
                    16
                } else {
                    32
                }
            ];
            let secret = MediaSecret::new(cipher, &key, &[8; 16]).unwrap();
            let bytes = secret.to_bytes();
            let hashes = |byte: u8| {
                let hash = |it: HashAlgorithm| ContentHash::new(it, vec![byte; it.digest_bytes()]);
                HashAlgorithm::ALL.map(|it| hash(it).unwrap()).to_vec()
            };
            let mut source = FileSource::new("https://up.example/x", secret).unwrap();
            source.hashes = hashes(8);
            let file = SharedFile {
                name: Some("a.jpg".to_owned()),
                media_type: Some("image/jpeg".to_owned()),
                size: Some(5),
                changed_at: Some(-6),
                hashes: hashes(9),
                sources: vec![source],
            };

            let kept = postcard::to_stdvec(&Described::new(&file)).unwrap();
            let again: Described = postcard::from_bytes(&kept).unwrap();
            let again = again.file();

            assert_eq!(again.name, None);
            assert_eq!(again.media_type.as_deref(), Some("image/jpeg"));
            assert_eq!(again.size, Some(5));
            assert_eq!(again.changed_at, Some(-6));
            assert_eq!(again.hashes, file.hashes);
            assert_eq!(again.sources[0].hashes, file.sources[0].hashes);
            assert_eq!(again.sources.len(), 1);
            assert_eq!(again.sources[0].url, "https://up.example/x");
            assert_eq!(again.sources[0].secret.cipher(), cipher);
            assert_eq!(again.sources[0].secret.to_bytes(), bytes);
        }
    }
}
