//! A file comes in: fetched, decrypted and sealed again, chunk by chunk, in constant memory.
//!
//! ```text
//! transfer (async) --bytes--> bounded channel --> one blocking thread: decrypt -> seal -> tag?
//!                                                              -> vouch, saved -> finish
//! ```
//!
//! The blob keeps its temporary name until the sender's tag, which comes last, has held, and what
//! the message said of the content is true, and until the proof that this daemon sealed it is
//! durable on the system card.

use std::{
    io::Write as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use omemo::media::{ContentCheck, FileSource, MediaDecryptor, MediaError, MediaLink, SharedFile};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};
use vault::{BlobId, HeaderHash, IntakeKey, IntakeMac, Sealer, StoreError};
use zeroize::Zeroize as _;

use super::{
    Daemon, Happening, dialogue,
    drive::{Promise, io_trouble},
};
use crate::{
    keeper::{Input, chat::News, intake::Intake, reply::IntakeFailure, storage::DriveTrouble},
    transfer::{self, FetchError, Limits, TlsFault},
};

/// Pieces of ciphertext between the network and the sealing thread. One is enough to keep both
/// busy, and each may be as large as the HTTP library's buffer, some 400 KiB.
const QUEUED_PIECES: usize = 1;
/// Bytes of stack that are overwritten after a file; sealing one takes less.
const WIPED_BYTES: usize = 256 * 1024;
/// Bytes a sealed file needs beyond its content, at most: header, tags, metadata, padding 12 %.
const OVERHEAD_BYTES: u64 = 64 * 1024;

/// Time between two tellings of how far a fetch has come.
const PROGRESS: Duration = Duration::from_secs(5);

/// What passes from the network to the sealing thread.
enum Piece {
    Bytes(Bytes),
    /// The body is complete. Without it the channel's end means that the fetch failed.
    End,
}

/// Why a file was not sealed, and whether trying again may help.
struct NotSealed {
    why: IntakeFailure,
    transient: bool,
    /// Set where the drive did not take what was written: the process has to end.
    not_durable: Option<String>,
}

impl NotSealed {
    /// Tells whether it is no fault of the place that the file came from.
    fn is_ours(&self) -> bool {
        self.not_durable.is_some() || matches!(self.why, IntakeFailure::Drive(_))
    }
}

fn fails(why: IntakeFailure) -> NotSealed {
    NotSealed {
        why,
        transient: false,
        not_durable: None,
    }
}

fn may_pass(why: IntakeFailure) -> NotSealed {
    NotSealed {
        why,
        transient: true,
        not_durable: None,
    }
}

fn drive(trouble: DriveTrouble) -> NotSealed {
    may_pass(IntakeFailure::Drive(trouble))
}

impl Daemon {
    /// Starts the task that takes one file in.
    pub(super) fn receive(&mut self, intake: Intake) {
        self.receiving.retain(|(_, task)| !task.is_finished());
        let job = intake.job;
        let sealer = self.look_at_drive();
        let room = self.drive.seen.map_or(0, |seen| {
            let free = seen.free.unwrap_or(0).saturating_sub(seen.reserve);
            free.saturating_sub(self.drive.promised.load(Ordering::SeqCst))
        });
        let taking = Taking {
            client: self.transfer.clone(),
            key: Arc::clone(&self.intake_key),
            promised: Arc::clone(&self.drive.promised),
            room: room.saturating_sub(OVERHEAD_BYTES),
            max: intake
                .held
                .map_or(self.config.transfer.max_file_bytes, |held| {
                    held.most.min(self.config.transfer.max_file_bytes)
                }),
            tell: self.tell.clone(),
            intake,
        };
        let tell = self.tell.clone();
        let task = tokio::spawn(async move {
            let taken = match sealer {
                Ok(sealer) => Arc::new(taking).take_in(sealer).await,
                // It may be on the drive already: a crash kept back only the word of it.
                Err(trouble) if taking.intake.mac.is_some() => Err(drive(trouble)),
                Err(trouble) => Err(taking.ask_for(trouble).await),
            };
            let input = match taken {
                Ok(()) => Input::Sealed { job },
                Err(failed) => {
                    if let Some(what) = failed.not_durable {
                        // The loop ends with it.
                        let _ = tell.send(Happening::NotDurable(what));
                    }
                    let NotSealed { why, transient, .. } = failed;
                    Input::NotSealed {
                        job,
                        why,
                        transient,
                    }
                }
            };
            // The receiver is gone only when the daemon stops.
            let _ = tell.send(Happening::Input(input));
        });
        self.receiving.push((job, task.abort_handle()));
    }

    /// Breaks off all fetches; nothing of them stays on the drive.
    pub(super) fn stop_fetching(&mut self) {
        for (_, task) in self.receiving.drain(..) {
            task.abort();
        }
    }
}

/// Overwrites what the calls before have left on the stack below: ciphers and hashes work there, with
/// the file's key and the last piece of its content, and a thread that waits for work keeps its stack.
#[inline(never)]
fn wipe_stack() {
    let mut below = [0_u8; WIPED_BYTES];
    std::hint::black_box(&mut below).zeroize();
}

/// How far a fetch has come.
struct Progress {
    done: u64,
    total: u64,
    next: Instant,
}

impl Progress {
    fn new(total: u64) -> Self {
        Self {
            done: 0,
            total,
            next: Instant::now() + PROGRESS,
        }
    }

    /// Counts bytes; returns how many there are, of how many, when it is time to tell.
    fn count(&mut self, bytes: usize) -> Option<(u64, u64)> {
        self.done = self.done.saturating_add(bytes as u64);
        let now = Instant::now();
        if now < self.next {
            return None;
        }
        self.next = now + PROGRESS;
        Some((self.done, self.total))
    }
}

/// What the task that takes one file in has at hand.
struct Taking {
    client: transfer::Client,
    key: Arc<IntakeKey>,
    promised: Arc<AtomicU64>,
    /// Bytes that a sealed file may have.
    room: u64,
    /// Bytes that a file may have by the settings.
    max: u64,
    tell: mpsc::UnboundedSender<Happening>,
    intake: Intake,
}

impl Taking {
    /// Takes the file from the first of its places that has it whole.
    async fn take_in(self: Arc<Self>, sealer: Arc<Sealer>) -> Result<(), NotSealed> {
        if self.is_kept(&sealer)? {
            return Ok(());
        }
        if self.room == 0 {
            return Err(self.ask_for(DriveTrouble::Full).await);
        }
        let mut failed: Option<NotSealed> = None;
        for source in self.told()?.sources {
            match self.take_from(source, &sealer).await {
                Ok(()) => return Ok(()),
                Err(why) if why.is_ours() => return Err(why),
                // What may pass is worth coming back for.
                Err(why) if why.transient => failed = Some(why),
                Err(why) => failed = failed.or(Some(why)),
            }
        }
        Err(failed.unwrap_or(fails(IntakeFailure::BadLink)))
    }

    async fn take_from(
        self: &Arc<Self>,
        source: FileSource,
        sealer: &Arc<Sealer>,
    ) -> Result<(), NotSealed> {
        // Padding adds an eighth at most.
        let fits = self.room - self.room / 8;
        let short_of = (fits < self.max).then_some(self.max);
        let limits = Limits {
            max_bytes: fits.min(self.max),
        };
        let mut download = self
            .client
            .fetch(&source.url, limits)
            .await
            .map_err(|error| fetch_failed(&error, short_of))?;
        let announced = download.announced().unwrap_or(0);
        let _promise = Promise::new(Arc::clone(&self.promised), announced);
        let (pieces, queue) = mpsc::channel(QUEUED_PIECES);
        let (taking, sealer) = (Arc::clone(self), Arc::clone(sealer));
        let sealing = tokio::task::spawn_blocking(move || {
            let sealed = taking.seal(&sealer, &source, queue);
            wipe_stack();
            sealed
        });
        let mut progress = Progress::new(announced);
        let fetched = loop {
            match download.chunk().await {
                Ok(Some(bytes)) => {
                    self.tell_progress(&mut progress, bytes.len());
                    if pieces.send(Piece::Bytes(bytes)).await.is_err() {
                        break Ok(());
                    }
                }
                Ok(None) => {
                    // A sealing thread that gave up says why itself.
                    let _ = pieces.send(Piece::End).await;
                    break Ok(());
                }
                Err(error) => break Err(fetch_failed(&error, short_of)),
            }
        };
        drop(pieces);
        let sealed = sealing.await.map_err(|_| drive(DriveTrouble::Failing))?;
        fetched.and(sealed)
    }

    /// Tells now and then how much of the file is here.
    fn tell_progress(&self, progress: &mut Progress, bytes: usize) {
        if let Some((done, total)) = progress.count(bytes) {
            let job = self.intake.job;
            let news = News::Fetching { job, done, total };
            // The receiver is gone only when the daemon stops.
            let _ = self.tell.send(Happening::Input(Input::Chat(news)));
        }
    }

    /// Returns what the message told of the file: where it is, and what it is if that was told.
    fn told(&self) -> Result<SharedFile, NotSealed> {
        let unusable = || fails(IntakeFailure::BadLink);
        if let Some(described) = &self.intake.described {
            let told = SharedFile {
                name: Some(self.intake.name.clone()),
                ..described.file()
            };
            return told.checked().map_err(|_| unusable());
        }
        let link = MediaLink::parse(&self.intake.link).map_err(|_| unusable())?;
        let source = FileSource {
            url: link.url,
            secret: link.secret,
            hashes: Vec::new(),
        };
        Ok(SharedFile {
            sources: vec![source],
            ..SharedFile::default()
        })
    }

    /// Asks the file's server whether it still has what the drive does not take, and takes
    /// nothing of it.
    async fn ask_for(&self, trouble: DriveTrouble) -> NotSealed {
        let told = match self.told() {
            Ok(told) => told,
            Err(failed) => return failed,
        };
        let limits = Limits {
            max_bytes: self.max,
        };
        let mut failed = None;
        for source in told.sources {
            match self.client.fetch(&source.url, limits).await {
                Err(error) if !error.is_transient() => {
                    failed = failed.or(Some(fetch_failed(&error, None)));
                }
                Ok(_) | Err(_) => return drive(trouble),
            }
        }
        failed.unwrap_or(drive(trouble))
    }

    /// Tells whether a crash came after the blob had its name: nothing is fetched twice. A blob
    /// of this name that nobody vouches for is not ours; it is set aside, and ours is fetched.
    fn is_kept(&self, sealer: &Sealer) -> Result<bool, NotSealed> {
        let blob = BlobId::from_bytes(self.intake.blob);
        match sealer.has(&blob) {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            Err(error) => return Err(drive_failed("looking for a blob", &error)),
        }
        let vouched = sealer.header_hash(&blob).is_ok_and(|header| {
            let mac = self.intake.mac.map(IntakeMac::from_bytes);
            let vault = sealer.folder().vault_id();
            mac.is_some_and(|mac| self.key.verifies(&mac, vault, &blob, &header))
        });
        if vouched {
            return Ok(true);
        }
        log::warn!("a blob that this daemon did not seal lay under a new file's name");
        let aside = sealer.folder().set_aside(&blob);
        aside.map_err(|error| write_failed(&error))?;
        Ok(false)
    }

    /// Decrypts and seals one file. Runs on a thread of its own because it waits for the drive.
    #[inline(never)]
    fn seal(
        &self,
        sealer: &Sealer,
        source: &FileSource,
        mut queue: mpsc::Receiver<Piece>,
    ) -> Result<(), NotSealed> {
        let intake = &self.intake;
        let blob = BlobId::from_bytes(intake.blob);
        let mut writer = match sealer.start(&blob, &mut super::inbox::rng()) {
            Ok(writer) => writer,
            Err(error) => return Err(drive_failed("beginning a blob", &error)),
        };
        let told = self.told()?;
        let mut check = ContentCheck::new(told.size, &told.hashes);
        // What the message said of the ciphertext has to be true as well. // XEP-0448 v0.2.0 3.1
        let mut outer = ContentCheck::new(None, &source.hashes);
        let mut decryptor = MediaDecryptor::new(&source.secret);
        let mut content = Vec::new();
        let mut whole = false;
        while let Some(piece) = queue.blocking_recv() {
            let Piece::Bytes(bytes) = piece else {
                whole = true;
                break;
            };
            content.clear();
            let bytes = outer.update(&bytes);
            decryptor
                .update(bytes, &mut content)
                .map_err(|error| decrypt_failed(&error))?;
            writer
                .write_all(check.update(&content))
                .map_err(|error| write_failed(&error))?;
        }
        if !whole {
            return Err(may_pass(IntakeFailure::ServerTrouble));
        }
        content.clear();
        decryptor
            .finish(&mut content)
            .map_err(|error| decrypt_failed(&error))?;
        writer
            .write_all(check.update(&content))
            .map_err(|error| write_failed(&error))?;
        let size = check.finish().map_err(|error| decrypt_failed(&error))?;
        outer.finish().map_err(|error| decrypt_failed(&error))?;
        crate::crash::point("tag held");
        let header = writer.header_hash().map_err(|error| write_failed(&error))?;
        self.vouch(sealer, &header, size)?;
        writer
            .finish(dialogue::metadata(intake))
            .map_err(|error| drive_failed("finishing a blob", &error))?;
        crate::crash::point("blob durable");
        Ok(())
    }

    /// Has the proof of origin saved on the system card, and waits for it.
    fn vouch(&self, sealer: &Sealer, header: &HeaderHash, bytes: u64) -> Result<(), NotSealed> {
        let blob = BlobId::from_bytes(self.intake.blob);
        let mac = self.key.mac(sealer.folder().vault_id(), &blob, header);
        let (saved, durable) = oneshot::channel();
        let vouch = Happening::Vouch {
            job: self.intake.job,
            mac: *mac.as_bytes(),
            bytes,
            saved,
        };
        let told = self.tell.send(vouch).is_ok();
        if told && durable.blocking_recv().is_ok() {
            return Ok(());
        }
        // The daemon stops, or the file is no longer wanted.
        Err(may_pass(IntakeFailure::ServerTrouble))
    }
}

fn decrypt_failed(error: &MediaError) -> NotSealed {
    match error {
        MediaError::TooLong => fails(IntakeFailure::TooLong),
        MediaError::NotAuthentic | _ => fails(IntakeFailure::Altered),
    }
}

fn write_failed(error: &std::io::Error) -> NotSealed {
    log::warn!("a blob could not be written: {error}");
    drive(io_trouble(error))
}

fn drive_failed(what: &str, error: &StoreError) -> NotSealed {
    match error {
        StoreError::Write(source) => write_failed(source),
        StoreError::NotDurable(source) => {
            // fsync says this once; what is on the drive is unknown from here on.
            NotSealed {
                not_durable: Some(format!("{what}: {source}")),
                ..drive(DriveTrouble::Failing)
            }
        }
        other @ (StoreError::OtherVault | StoreError::AlreadyKept | _) => {
            log::error!("the data drive failed while {what}: {other}");
            drive(DriveTrouble::Failing)
        }
    }
}

/// `short_of` is what a file may have by the settings, where the drive has no room for so much.
fn fetch_failed(error: &FetchError, short_of: Option<u64>) -> NotSealed {
    log::warn!("a file was not fetched: {error}");
    let why = match error {
        FetchError::Refused { .. } => IntakeFailure::RefusedAddress,
        FetchError::NotFound { .. } => IntakeFailure::Gone,
        FetchError::Redirect { .. } => IntakeFailure::Redirected,
        // What no room would make welcome is not waited for.
        FetchError::TooLarge { announced, .. }
            if short_of.is_some_and(|max| announced.is_none_or(|it| it <= max)) =>
        {
            return drive(DriveTrouble::Full);
        }
        FetchError::TooLarge { .. } => IntakeFailure::TooLarge,
        FetchError::Length {
            announced,
            received,
        } if received > announced => IntakeFailure::TooLong,
        FetchError::Length { .. } => IntakeFailure::CutShort,
        FetchError::Tls(TlsFault::Untrusted | TlsFault::WrongName) => IntakeFailure::Certificate,
        FetchError::TooSlow
        | FetchError::Encoded
        | FetchError::Status(_)
        | FetchError::Tls(TlsFault::Expired | TlsFault::Handshake)
        | FetchError::Unresolved
        | FetchError::Unreachable(_)
        | FetchError::Protocol => IntakeFailure::ServerTrouble,
    };
    if error.is_transient() {
        may_pass(why)
    } else {
        fails(why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_no_room_would_make_welcome_is_not_waited_for() {
        let failed = |announced, short_of| {
            let error = FetchError::TooLarge {
                limit: 1_000,
                announced,
            };
            let failed = fetch_failed(&error, short_of);
            (failed.why, failed.transient)
        };
        let full = (IntakeFailure::Drive(DriveTrouble::Full), true);
        let too_large = (IntakeFailure::TooLarge, false);

        assert_eq!(failed(Some(5_000), Some(64 << 30)), full);
        assert_eq!(failed(None, Some(64 << 30)), full);
        assert_eq!(failed(Some(1 << 62), Some(64 << 30)), too_large);
        assert_eq!(failed(Some(5_000), None), too_large);
    }
}
