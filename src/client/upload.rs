//! One file to the upload server, encrypted under a key of its own, in constant memory.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use indicatif::ProgressBar;
use omemo::media::{MediaCipher, MediaEncryptor, MediaSecret};
use tokio::sync::mpsc;

use super::rng;
use crate::{
    transfer::{self, PutError, Upload},
    xmpp::{Link, RequestError, SlotError},
};

/// Told to the upload server: it learns no type.
const CONTENT_TYPE: &str = "application/octet-stream";
/// Longest ending taken over into the upload's name, in bytes.
const MAX_ENDING_BYTES: usize = 5;
/// Pieces of ciphertext between the file and the network, and their length.
const QUEUED_PIECES: usize = 2;
const PIECE_BYTES: usize = 64 * 1024;
const NANOS: i64 = 1_000_000_000;

/// A file as it lay there when it was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) path: PathBuf,
    pub(super) size: u64,
    /// When it was last written, in nanoseconds since 1970.
    pub(super) mtime: i64,
}

impl Seen {
    pub(super) fn at(path: &Path) -> io::Result<Self> {
        let found = fs::metadata(path)?;
        if !found.is_file() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        Ok(Self {
            path: path.to_owned(),
            size: found.len(),
            mtime: found
                .mtime()
                .saturating_mul(NANOS)
                .saturating_add(found.mtime_nsec()),
        })
    }

    /// Returns whether the file is as it was.
    pub(super) fn holds(&self) -> bool {
        Self::at(&self.path).is_ok_and(|now| now == *self)
    }

    /// When it was last written, in seconds since 1970.
    pub(super) fn seconds(&self) -> i64 {
        self.mtime.div_euclid(NANOS)
    }

    /// Its name, as the vault is told it.
    pub(super) fn name(&self) -> String {
        let name = self.path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// What the journal calls it.
    pub(super) fn key(&self) -> Vec<u8> {
        self.path.as_os_str().as_bytes().to_vec()
    }

    /// Hashes the content. It takes as long as reading does.
    pub(super) fn hash(&self) -> io::Result<[u8; 32]> {
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(File::open(&self.path)?)?;
        Ok(*hasher.finalize().as_bytes())
    }
}

/// Why a file is not on the upload server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(super) enum NotUploaded {
    /// It would not help to try again.
    #[error("{0}")]
    Final(String),
    /// It may go better later.
    #[error("{0}")]
    Passing(String),
}

/// Uploads a file, and returns the link to it.
pub(super) async fn upload(
    link: &Link,
    client: &transfer::Client,
    seen: &Seen,
    meter: &ProgressBar,
) -> Result<String, NotUploaded> {
    let secret = MediaSecret::random(&mut rng());
    let length = MediaCipher::Aes256Gcm.ciphertext_bytes(seen.size);
    let name = slot_name(&seen.path)?;
    let slot = link
        .request_slot(&name, length, CONTENT_TYPE)
        .await
        .map_err(no_slot)?;
    let upload = Upload {
        url: &slot.put_url,
        headers: &slot.headers,
        length,
        content_type: CONTENT_TYPE,
    };
    let (pieces, body) = mpsc::channel(QUEUED_PIECES);
    let encryptor = MediaEncryptor::new(&secret);
    let (path, moved) = (seen.path.clone(), meter.clone());
    let reading = tokio::task::spawn_blocking(move || encrypt(&path, encryptor, &pieces, &moved));
    let put = client.put(&upload, body).await;
    // A thread that panicked has dropped its end of the channel, which the upload told.
    let read = reading.await.unwrap_or(0);
    put.map_err(|error| {
        // What was counted is counted again.
        meter.dec(read);
        not_put(&error)
    })?;
    let link = secret.link(&slot.get_url).map_err(|_| {
        NotUploaded::Final("the server's address for a file cannot be sent".to_owned())
    })?;
    Ok(link.to_string())
}

/// Encrypts a file piece by piece; returns how many bytes it has counted.
fn encrypt(
    path: &Path,
    mut encryptor: MediaEncryptor,
    pieces: &mpsc::Sender<io::Result<Bytes>>,
    moved: &ProgressBar,
) -> u64 {
    let mut counted = 0;
    let run = || -> io::Result<Option<Bytes>> {
        let mut file = File::open(path)?;
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let read = match file.read(&mut piece) {
                Ok(0) => return Ok(Some(Bytes::copy_from_slice(&encryptor.finish()))),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let mut ciphertext = Vec::with_capacity(read);
            encryptor
                .update(piece.get(..read).unwrap_or_default(), &mut ciphertext)
                .map_err(io::Error::other)?;
            if pieces.blocking_send(Ok(ciphertext.into())).is_err() {
                // The upload says itself why it ended.
                return Ok(None);
            }
            counted += read as u64;
            moved.inc(read as u64);
        }
    };
    match run() {
        Ok(Some(last)) => drop(pieces.blocking_send(Ok(last))),
        Ok(None) => {}
        Err(error) => drop(pieces.blocking_send(Err(error))),
    }
    counted
}

fn no_slot(error: SlotError) -> NotUploaded {
    match error {
        SlotError::NoService | SlotError::NotAllowed => NotUploaded::Final(error.to_string()),
        SlotError::TooLarge { max_bytes } => NotUploaded::Final(match max_bytes {
            Some(most) => format!(
                "larger than your server takes ({most} bytes); put it on the Pi with \"strongroom \
                 import\""
            ),
            None => error.to_string(),
        }),
        SlotError::Later => NotUploaded::Passing(error.to_string()),
        SlotError::Request(RequestError::Refused(_)) => NotUploaded::Final(error.to_string()),
        SlotError::Request(_) => NotUploaded::Passing(error.to_string()),
    }
}

fn not_put(error: &PutError) -> NotUploaded {
    if matches!(error, PutError::Length { .. }) {
        NotUploaded::Passing("the file changed while it was sent".to_owned())
    } else if let PutError::Source(kind) = error {
        NotUploaded::Final(format!("the file cannot be read: {kind}"))
    } else if error.is_transient() {
        NotUploaded::Passing(error.to_string())
    } else {
        NotUploaded::Final(error.to_string())
    }
}

/// Makes a name that tells the server nothing but what kind of file it is.
fn slot_name(path: &Path) -> Result<String, NotUploaded> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| NotUploaded::Final(error.to_string()))?;
    let ending = path.extension().and_then(|it| it.to_str());
    let ending = ending.map(str::to_ascii_lowercase).filter(|it| {
        (1..=MAX_ENDING_BYTES).contains(&it.len()) && it.bytes().all(|b| b.is_ascii_alphanumeric())
    });
    let name = hex::encode(random);
    Ok(match ending {
        Some(ending) => format!("{name}.{ending}"),
        None => name,
    })
}
