//! One file from its link into a folder: decrypted as it comes, under a name of its own until its
//! tag has held, and never over another file.

use std::{
    io::Write as _,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use indicatif::ProgressBar;
use omemo::media::{MediaCipher, MediaDecryptor, MediaLink};

use crate::{
    place::{Placed, Unfinished},
    transfer::{self, Limits},
};

/// A file that is to be fetched.
#[derive(Clone)]
pub(super) struct Wanted {
    pub(super) number: u64,
    pub(super) bytes: u64,
    /// When the vault received it, in seconds since 1970.
    pub(super) time: i64,
    pub(super) name: String,
    pub(super) link: String,
}

/// Why a file is not there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(super) enum NotFetched {
    /// It would not help to try again.
    #[error("{0}")]
    Final(String),
    /// It may go better with a new link.
    #[error("{0}")]
    Passing(String),
}

fn failed(error: impl std::fmt::Display) -> NotFetched {
    NotFetched::Final(error.to_string())
}

/// Fetches a file into a folder.
pub(super) async fn download(
    client: &transfer::Client,
    folder: &Path,
    wanted: &Wanted,
    meter: &ProgressBar,
) -> Result<Placed, NotFetched> {
    let link = MediaLink::parse(&wanted.link).map_err(failed)?;
    let limits = Limits {
        max_bytes: MediaCipher::Aes256Gcm.ciphertext_bytes(wanted.bytes),
    };
    let mut download = client.fetch(&link.url, limits).await.map_err(passing)?;
    let mut unfinished = Unfinished::new(folder).map_err(failed)?;
    let mut decryptor = MediaDecryptor::new(&link.secret);
    let mut content = Vec::new();
    let mut counted = 0;
    let whole = loop {
        let piece = match download.chunk().await {
            Ok(Some(piece)) => piece,
            Ok(None) => break Ok(()),
            Err(error) => break Err(passing(error)),
        };
        content.clear();
        decryptor.update(&piece, &mut content).map_err(failed)?;
        unfinished.write_all(&content).map_err(failed)?;
        counted += content.len() as u64;
        meter.inc(content.len() as u64);
    };
    if let Err(error) = whole {
        meter.dec(counted);
        return Err(error);
    }
    content.clear();
    let length = decryptor.finish(&mut content).map_err(|error| {
        meter.dec(counted);
        NotFetched::Passing(error.to_string())
    })?;
    if length != wanted.bytes {
        return Err(NotFetched::Final(
            "it has another length than told".to_owned(),
        ));
    }
    unfinished
        .finish(&wanted.name, date(wanted.time))
        .map_err(failed)
}

fn date(seconds: i64) -> Option<SystemTime> {
    let since = Duration::from_secs(u64::try_from(seconds).ok()?);
    UNIX_EPOCH.checked_add(since)
}

fn passing(error: transfer::FetchError) -> NotFetched {
    // A link that has expired is made anew.
    NotFetched::Passing(error.to_string())
}
