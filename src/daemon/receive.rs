//! A file comes in: fetched, decrypted and sealed again, chunk by chunk, in constant memory.
//!
//! ```text
//! transfer (async) --bytes--> bounded channel --> one blocking thread: decrypt -> seal -> tag? -> finish
//! ```
//!
//! The blob keeps its temporary name until the sender's tag, which comes last, has held.

use std::{io::Write as _, sync::Arc, time::Duration};

use bytes::Bytes;
use omemo::media::{MediaDecryptor, MediaError, MediaLink};
use tokio::sync::mpsc;
use vault::{BlobId, Metadata, Sealer, StoreError};

use super::{Daemon, Happening};
use crate::{
    keeper::{Input, intake::Intake, reply::IntakeFailure},
    transfer::{self, FetchError, Limits, TlsFault},
};

/// Pieces of ciphertext between the network and the sealing thread. One is enough to keep both
/// busy, and each may be as large as the HTTP library's buffer, some 400 KiB.
const QUEUED_PIECES: usize = 1;
/// Bytes a sealed file needs beyond its content, at most: header, tags, metadata, padding 12 %.
const OVERHEAD_BYTES: u64 = 64 * 1024;

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

impl Daemon {
    /// Starts the task that takes one file in.
    pub(super) fn receive(&mut self, intake: Intake) {
        self.receiving.retain(|(_, task)| !task.is_finished());
        self.find_drive();
        let job = intake.job;
        let Some(sealer) = self.sealer.clone() else {
            let why = IntakeFailure::DriveTrouble;
            return self.report(Happening::Input(Input::NotSealed {
                job,
                why,
                transient: true,
            }));
        };
        let client = self.transfer.clone();
        let room = Room {
            reserve: self.config.vault.reserve_bytes,
            max: self.config.transfer.max_file_bytes,
        };
        let tell = self.tell.clone();
        let task = tokio::spawn(async move {
            let input = match take_in(client, sealer, intake, room).await {
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
}

/// How much may be taken in.
#[derive(Clone, Copy)]
struct Room {
    reserve: u64,
    max: u64,
}

async fn take_in(
    client: transfer::Client,
    sealer: Arc<Sealer>,
    intake: Intake,
    room: Room,
) -> Result<(), NotSealed> {
    let blob = BlobId::from_bytes(intake.blob);
    match sealer.has(&blob) {
        // A crash came after the blob was whole: nothing is fetched twice.
        Ok(true) => return Ok(()),
        Ok(false) => {}
        Err(error) => return Err(drive_failed("looking for a blob", &error)),
    }
    let link = MediaLink::parse(&intake.link).map_err(|_| fails(IntakeFailure::BadLink))?;
    let free = sealer
        .folder()
        .free_bytes()
        .map_err(|_| may_pass(IntakeFailure::DriveTrouble))?;
    let left = free
        .saturating_sub(room.reserve)
        .saturating_sub(OVERHEAD_BYTES);
    if left == 0 {
        return Err(may_pass(IntakeFailure::DriveFull));
    }
    // Padding adds an eighth at most.
    let fits = left - left / 8;
    let limits = Limits {
        max_bytes: fits.min(room.max),
    };
    let mut download = client
        .fetch(&link.url, limits)
        .await
        .map_err(|error| fetch_failed(&error, fits < room.max))?;
    let (pieces, queue) = mpsc::channel(QUEUED_PIECES);
    let sealing = tokio::task::spawn_blocking(move || seal(&sealer, &intake, &link, queue));
    let fetched = loop {
        match download.chunk().await {
            Ok(Some(bytes)) => {
                if pieces.send(Piece::Bytes(bytes)).await.is_err() {
                    break Ok(());
                }
            }
            Ok(None) => {
                // A sealing thread that gave up says why itself.
                let _ = pieces.send(Piece::End).await;
                break Ok(());
            }
            Err(error) => break Err(fetch_failed(&error, fits < room.max)),
        }
    };
    drop(pieces);
    let sealed = sealing
        .await
        .map_err(|_| may_pass(IntakeFailure::DriveTrouble))?;
    fetched.and(sealed)
}

/// Decrypts and seals one file. Runs on a thread of its own because it waits for the drive.
fn seal(
    sealer: &Sealer,
    intake: &Intake,
    link: &MediaLink,
    mut queue: mpsc::Receiver<Piece>,
) -> Result<(), NotSealed> {
    let blob = BlobId::from_bytes(intake.blob);
    let mut writer = match sealer.start(&blob, &mut super::inbox::rng()) {
        Ok(writer) => writer,
        Err(StoreError::AlreadyKept) => return Ok(()),
        Err(error) => return Err(drive_failed("beginning a blob", &error)),
    };
    let mut decryptor = MediaDecryptor::new(&link.secret);
    let mut content = Vec::new();
    let mut whole = false;
    while let Some(piece) = queue.blocking_recv() {
        let Piece::Bytes(bytes) = piece else {
            whole = true;
            break;
        };
        content.clear();
        decryptor
            .update(&bytes, &mut content)
            .map_err(|error| decrypt_failed(&error))?;
        writer
            .write_all(&content)
            .map_err(|error| write_failed(&error))?;
    }
    if !whole {
        return Err(may_pass(IntakeFailure::ServerTrouble));
    }
    decryptor.finish().map_err(|error| decrypt_failed(&error))?;
    crate::crash::point("tag held");
    let at = |seconds: i64| {
        let since = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
        std::time::UNIX_EPOCH.checked_add(since)
    };
    let metadata = Metadata {
        name: Some(intake.name.clone()),
        mime: None,
        sender: Some(intake.sender.clone()),
        member: None,
        sent_at: at(intake.sent_at),
        received_at: at(intake.received_at),
    };
    writer
        .finish(metadata)
        .map_err(|error| drive_failed("finishing a blob", &error))?;
    crate::crash::point("blob durable");
    Ok(())
}

fn decrypt_failed(error: &MediaError) -> NotSealed {
    match error {
        MediaError::TooLong => fails(IntakeFailure::TooLong),
        MediaError::NotAuthentic | _ => fails(IntakeFailure::Altered),
    }
}

fn write_failed(error: &std::io::Error) -> NotSealed {
    log::warn!("a blob could not be written: {error}");
    if error.kind() == std::io::ErrorKind::StorageFull {
        may_pass(IntakeFailure::DriveFull)
    } else {
        may_pass(IntakeFailure::DriveTrouble)
    }
}

fn drive_failed(what: &str, error: &StoreError) -> NotSealed {
    match error {
        StoreError::Write(source) => write_failed(source),
        StoreError::NotDurable(source) => {
            // fsync says this once; what is on the drive is unknown from here on.
            NotSealed {
                not_durable: Some(format!("{what}: {source}")),
                ..may_pass(IntakeFailure::DriveTrouble)
            }
        }
        other @ (StoreError::OtherVault | StoreError::AlreadyKept | _) => {
            log::error!("the data drive failed while {what}: {other}");
            may_pass(IntakeFailure::DriveTrouble)
        }
    }
}

fn fetch_failed(error: &FetchError, short_of_room: bool) -> NotSealed {
    log::warn!("a file was not fetched: {error}");
    let why = match error {
        FetchError::Refused { .. } => IntakeFailure::RefusedAddress,
        FetchError::NotFound { .. } => IntakeFailure::Gone,
        FetchError::Redirect { .. } => IntakeFailure::Redirected,
        FetchError::TooLarge { .. } if short_of_room => return may_pass(IntakeFailure::DriveFull),
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
