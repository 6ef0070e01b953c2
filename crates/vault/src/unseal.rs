//! The way back from a blob to its content; never yields a byte it has not authenticated.
//!
//! Knows the blob format; knows no files: it reads from whatever gives bytes at an offset.

use std::io::{self, Read};

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::{
    aead::{CHUNK_BYTES, ChunkCipher, NotAuthentic, SEALED_CHUNK_BYTES},
    epoch::Epochs,
    extent,
    header::{BlobId, HEADER_BYTES, Header, HeaderError, HeaderHash},
    key::FileKey,
    metadata::{Malformed, Metadata, RECORD_BYTES, Record},
};

/// Why a blob could not be opened.
///
/// One variant covers every failed authentication: a caller, and whoever watches it, must not
/// learn whether the key, the header or a chunk was wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnsealError {
    /// The key does not fit, or the blob was altered, cut, extended, renamed or mixed up.
    #[error("the blob does not open with this key, or it was altered")]
    NotAuthentic,
    /// The file is no blob that this program reads.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// The blob belongs to an epoch that this vault does not have.
    #[error("the blob belongs to epoch {epoch}, which this vault does not have")]
    UnknownEpoch {
        /// The epoch in the blob's header.
        epoch: u32,
    },
    /// The blob is authentic, and yet not as the format has it: a fault of the program that wrote
    /// it.
    #[error("the blob was written wrongly by an earlier program")]
    Malformed,
    /// There is no blob of this name.
    #[error("the blob is not there")]
    Missing,
    /// The drive failed while reading.
    #[error("the blob could not be read")]
    Io(#[source] io::Error),
}

impl From<NotAuthentic> for UnsealError {
    fn from(NotAuthentic: NotAuthentic) -> Self {
        Self::NotAuthentic
    }
}

impl From<Malformed> for UnsealError {
    fn from(Malformed: Malformed) -> Self {
        Self::Malformed
    }
}

impl From<io::Error> for UnsealError {
    fn from(error: io::Error) -> Self {
        match error.downcast::<Self>() {
            Ok(own) => own,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::Missing,
            // Shorter than a header, or than its own length said: it is being altered right now.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Self::NotAuthentic,
            Err(error) => Self::Io(error),
        }
    }
}

impl From<UnsealError> for io::Error {
    fn from(error: UnsealError) -> Self {
        if let UnsealError::Io(error) = error {
            return error;
        }
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

/// Something with bytes at offsets: a file, or a slice in a test.
pub trait Source {
    /// Fills `bytes` from `offset` on.
    ///
    /// # Errors
    /// When there are fewer bytes, or reading fails.
    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()>;

    /// Returns how many bytes there are.
    ///
    /// # Errors
    /// When this cannot be found out.
    fn length(&self) -> io::Result<u64>;
}

impl Source for &[u8] {
    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let found = usize::try_from(offset)
            .ok()
            .and_then(|start| self.get(start..start.checked_add(bytes.len())?))
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        bytes.copy_from_slice(found);
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }
}

/// The content of one blob, opened chunk by chunk as it is read.
///
/// As [`Read`] it yields exactly the content, without padding and metadata, and before its last
/// chunk compares the whole with the BLAKE3 hash taken when it was sealed.
pub struct Unsealed<S> {
    source: S,
    cipher: ChunkCipher,
    message_bytes: u64,
    header_hash: HeaderHash,
    record: Record,
    chunk: Zeroizing<Vec<u8>>,
    /// Number of the chunk that lies open in `chunk`.
    open: Option<u64>,
    position: u64,
    /// Hash of the content's chunks before this number, as long as they come in order.
    hash: (blake3::Hasher, u64),
}

impl<S: Source> Unsealed<S> {
    /// Opens the blob and authenticates its length and its metadata.
    ///
    /// # Errors
    /// When the source is not this very blob of this vault, whole and unaltered as far as header,
    /// last chunk and metadata tell; the other chunks are authenticated as they are read.
    pub(crate) fn open(source: S, blob: &BlobId, epochs: &Epochs) -> Result<Self, UnsealError> {
        let length = source.length()?;
        let mut head = [0; HEADER_BYTES];
        source.read_exact_at(&mut head, 0)?;
        let header = Header::parse(&head)?;
        if header.vault != *epochs.vault() || header.blob != *blob {
            return Err(UnsealError::NotAuthentic);
        }
        let file_key = epochs
            .key_pair(header.epoch)
            .ok_or(UnsealError::UnknownEpoch {
                epoch: header.epoch,
            })?
            .open("file-key", &header.aad(), &header.sealed_key, |key| {
                FileKey::init_with(|place| *place = *key)
            })
            .map_err(|_| UnsealError::NotAuthentic)?;
        let cipher = ChunkCipher::new(&file_key, &header.salt, &header.context());
        if !cipher.commits_to(&header.commitment) {
            return Err(UnsealError::NotAuthentic);
        }
        let message_bytes = extent::message_of_blob(length)
            .filter(|message| *message >= RECORD_BYTES as u64)
            .ok_or(UnsealError::NotAuthentic)?;
        let mut unsealed = Self {
            source,
            cipher,
            message_bytes,
            header_hash: HeaderHash::of(&head),
            record: Record {
                content_bytes: 0,
                content_hash: [0; 32],
                metadata: Metadata::default(),
            },
            chunk: Zeroizing::new(Vec::with_capacity(SEALED_CHUNK_BYTES)),
            open: None,
            position: 0,
            hash: (blake3::Hasher::new(), 0),
        };
        // The last chunk authenticates the length, even when the record ends before it.
        unsealed.open_chunk(message_bytes / CHUNK_BYTES as u64)?;
        let mut record = Zeroizing::new([0; RECORD_BYTES]);
        unsealed.read_message(message_bytes - RECORD_BYTES as u64, record.as_mut_slice())?;
        unsealed.record = Record::parse(&record)?;
        if extent::message_bytes(unsealed.record.content_bytes) != Some(message_bytes) {
            return Err(UnsealError::Malformed);
        }
        Ok(unsealed)
    }

    /// Returns what is known of the file besides its content.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.record.metadata
    }

    /// Returns how long the content is, in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.record.content_bytes
    }

    /// Returns the BLAKE3 hash of the content, taken when it was sealed.
    #[must_use]
    pub fn content_hash(&self) -> &[u8; 32] {
        &self.record.content_hash
    }

    /// Returns the hash of the blob's header, for checking an intake MAC.
    #[must_use]
    pub fn header_hash(&self) -> HeaderHash {
        self.header_hash
    }

    /// Reads content from `offset` on, as much as fits; returns 0 at or past the end.
    ///
    /// # Errors
    /// When a chunk is not authentic or the drive fails.
    pub fn read_at(&mut self, bytes: &mut [u8], offset: u64) -> Result<usize, UnsealError> {
        let left = self.size().saturating_sub(offset);
        let now = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let bytes = bytes.get_mut(..now).unwrap_or_default();
        self.read_message(offset, bytes)?;
        Ok(now)
    }

    /// Reads the whole blob and checks every chunk, the padding and the BLAKE3 hash.
    ///
    /// # Errors
    /// When any of it does not hold.
    pub fn verify(&mut self) -> Result<(), UnsealError> {
        self.verify_with(|_| true).map(drop)
    }

    /// Does as [`Unsealed::verify`], and tells `step` after each chunk how many bytes it read. Once
    /// `step` says no, it stops and returns false: nothing is known then of the rest.
    ///
    /// # Errors
    /// When any of it does not hold.
    pub fn verify_with(&mut self, mut step: impl FnMut(u64) -> bool) -> Result<bool, UnsealError> {
        let (mut hash, mut offset) = (blake3::Hasher::new(), 0);
        let end = self.message_bytes - RECORD_BYTES as u64;
        let size = self.size();
        while offset < end {
            let number = offset / CHUNK_BYTES as u64;
            let chunk_end = ((number + 1) * CHUNK_BYTES as u64).min(end);
            let chunk = self.open_chunk(number)?;
            let chunk = chunk
                .get(..within(chunk_end - offset))
                .ok_or(UnsealError::Malformed)?;
            let content = within(size.saturating_sub(offset)).min(chunk.len());
            let (content, padding) = chunk.split_at(content);
            hash.update(content);
            if padding.iter().any(|byte| *byte != 0) {
                return Err(UnsealError::Malformed);
            }
            if !step(chunk_end - offset) {
                return Ok(false);
            }
            offset = chunk_end;
        }
        let matches = hash.finalize().as_bytes().ct_eq(self.content_hash());
        bool::from(matches)
            .then_some(true)
            .ok_or(UnsealError::Malformed)
    }

    fn read_message(&mut self, mut offset: u64, mut bytes: &mut [u8]) -> Result<(), UnsealError> {
        while !bytes.is_empty() {
            let start = within(offset % CHUNK_BYTES as u64);
            let chunk = self.open_chunk(offset / CHUNK_BYTES as u64)?;
            let found = chunk.get(start..).filter(|it| !it.is_empty());
            let found = found.ok_or(UnsealError::NotAuthentic)?;
            let now = found.len().min(bytes.len());
            let (here, later) = bytes.split_at_mut(now);
            here.copy_from_slice(found.get(..now).unwrap_or_default());
            bytes = later;
            offset += now as u64;
        }
        Ok(())
    }

    /// Opens the chunk with this number, unless it lies open.
    fn open_chunk(&mut self, number: u64) -> Result<&[u8], UnsealError> {
        if self.open != Some(number) {
            self.open = None;
            let (offset, sealed) = extent::chunk_at(number, self.message_bytes);
            self.chunk.resize(sealed, 0);
            self.source.read_exact_at(&mut self.chunk, offset)?;
            let opened = self.cipher.open(number, &mut self.chunk)?.len();
            self.chunk.truncate(opened);
            self.open = Some(number);
        }
        Ok(&self.chunk)
    }

    /// Takes the content's chunks into the hash as they come, and compares it before the last one
    /// is handed out.
    fn check_hash(&mut self, number: u64) -> Result<(), UnsealError> {
        if self.hash.1 != number {
            return Ok(());
        }
        let size = self.size();
        let left = within(size.saturating_sub(number * CHUNK_BYTES as u64));
        self.open_chunk(number)?;
        let content = self
            .chunk
            .get(..left.min(self.chunk.len()))
            .unwrap_or_default();
        self.hash.0.update(content);
        self.hash.1 = number + 1;
        if left <= CHUNK_BYTES {
            let found = self.hash.0.finalize();
            if !bool::from(found.as_bytes().ct_eq(self.content_hash())) {
                self.hash.1 = u64::MAX;
                return Err(UnsealError::Malformed);
            }
        }
        Ok(())
    }
}

impl<S: Source> Read for Unsealed<S> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if self.position >= self.size() && self.size() > 0 || bytes.is_empty() {
            return Ok(0);
        }
        self.check_hash(self.position / CHUNK_BYTES as u64)?;
        let chunk_left = CHUNK_BYTES - within(self.position % CHUNK_BYTES as u64);
        let now = chunk_left.min(bytes.len());
        let read = self.read_at(bytes.get_mut(..now).unwrap_or_default(), self.position)?;
        self.position += read as u64;
        Ok(read)
    }
}

/// A length that is known to be small enough for memory.
fn within(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
