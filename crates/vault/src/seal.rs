//! Content in, sealed message out, chunk by chunk and in constant memory.
//!
//! Knows the blob format; knows no files: it writes to whatever takes bytes.

use std::io::{self, Write};

use rand_core::TryCryptoRng;
use zeroize::Zeroizing;

use crate::{
    aead::{CHUNK_BYTES, ChunkCipher, NotAuthentic, SALT_BYTES, SEALED_CHUNK_BYTES},
    extent,
    header::{self, BlobId, Header, HeaderHash},
    key::{FileKey, PublicHalf, RandomnessError},
    metadata::{Metadata, RECORD_BYTES, Record},
};

/// How many sealed chunks are collected before they are written out.
const COLLECTED: usize = 4;

/// Writes one blob: header first, then everything that is written to it, sealed.
pub(crate) struct Sealing<W> {
    out: W,
    cipher: ChunkCipher,
    header_hash: HeaderHash,
    hash: blake3::Hasher,
    content_bytes: u64,
    /// Number of the chunk that is being filled.
    number: u64,
    /// Sealed chunks, then the chunk that is being filled.
    buffer: Zeroizing<Vec<u8>>,
    sealed: usize,
    /// After a failed write nobody knows what reached the drive.
    broken: bool,
}

/// What is known of a message once it is sealed.
pub(crate) struct Summary {
    pub(crate) content_bytes: u64,
    pub(crate) content_hash: [u8; 32],
    pub(crate) header_hash: HeaderHash,
}

impl<W: Write> Sealing<W> {
    /// Draws a file key, seals it to the vault's public half and writes the header.
    pub(crate) fn start(
        mut out: W,
        vault: &PublicHalf,
        blob: &BlobId,
        rng: &mut impl TryCryptoRng,
    ) -> io::Result<Self> {
        let header_and_cipher = new_header(vault, blob, rng).map_err(io::Error::other)?;
        let (header, cipher) = header_and_cipher;
        let bytes = header.to_bytes();
        out.write_all(&bytes)?;
        Ok(Self {
            out,
            cipher,
            header_hash: HeaderHash::of(&bytes),
            hash: blake3::Hasher::new(),
            content_bytes: 0,
            number: 0,
            buffer: Zeroizing::new(Vec::with_capacity(COLLECTED * SEALED_CHUNK_BYTES)),
            sealed: 0,
            broken: false,
        })
    }

    /// Returns the hash of the header, which was written first.
    pub(crate) fn header_hash(&self) -> HeaderHash {
        self.header_hash
    }

    /// Appends padding and metadata record, seals the last chunk and hands back the writer.
    pub(crate) fn finish(mut self, metadata: Metadata) -> io::Result<(W, Summary)> {
        let content_hash = self.hash.finalize().into();
        let content_bytes = self.content_bytes;
        let message = extent::message_bytes(content_bytes).ok_or(io::ErrorKind::FileTooLarge)?;
        let mut padding = message - content_bytes - RECORD_BYTES as u64;
        while padding > 0 {
            let zeros = [0; CHUNK_BYTES];
            let now = zeros
                .len()
                .min(usize::try_from(padding).unwrap_or(usize::MAX));
            self.absorb(zeros.get(..now).unwrap_or_default())?;
            padding -= now as u64;
        }
        let record = Zeroizing::new(
            Record {
                content_bytes,
                content_hash,
                metadata,
            }
            .to_bytes(),
        );
        self.absorb(record.as_slice())?;
        self.seal_chunk()?;
        self.write_out()?;
        self.out.flush()?;
        let header_hash = self.header_hash;
        Ok((
            self.out,
            Summary {
                content_bytes,
                content_hash,
                header_hash,
            },
        ))
    }

    /// Takes bytes into the message, be they content, padding or record.
    fn absorb(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        if self.broken {
            return Err(io::Error::other("an earlier write of this blob failed"));
        }
        while !bytes.is_empty() {
            let room = CHUNK_BYTES - (self.buffer.len() - self.sealed);
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.buffer.extend_from_slice(now);
            bytes = later;
            if now.len() == room {
                self.seal_chunk()?;
            }
        }
        Ok(())
    }

    fn seal_chunk(&mut self) -> io::Result<()> {
        let chunk = self.buffer.get_mut(self.sealed..).unwrap_or_default();
        let tag = self
            .cipher
            .seal(self.number, chunk)
            .map_err(|NotAuthentic| io::ErrorKind::FileTooLarge)?;
        self.buffer.extend_from_slice(&tag);
        self.sealed = self.buffer.len();
        self.number += 1;
        if self.sealed + SEALED_CHUNK_BYTES > COLLECTED * SEALED_CHUNK_BYTES {
            self.write_out()?;
        }
        Ok(())
    }

    fn write_out(&mut self) -> io::Result<()> {
        let written = self
            .out
            .write_all(self.buffer.get(..self.sealed).unwrap_or_default());
        self.broken = written.is_err();
        self.buffer.clear();
        self.sealed = 0;
        written
    }
}

impl<W: Write> Write for Sealing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let after = self.content_bytes.saturating_add(bytes.len() as u64);
        if after > extent::MAX_CONTENT_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.absorb(bytes)?;
        self.hash.update(bytes);
        self.content_bytes = after;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        // Chunks are written when they are full; a blob is durable only after it is finished.
        Ok(())
    }
}

fn new_header(
    vault: &PublicHalf,
    blob: &BlobId,
    rng: &mut impl TryCryptoRng,
) -> Result<(Header, ChunkCipher), RandomnessError> {
    let file_key = FileKey::generate(rng)?;
    let aad = header::aad(&vault.vault, blob, vault.epoch);
    let sealed_key = vault
        .key()
        .seal("file-key", &aad, file_key.expose_to_cipher(), rng)?;
    let mut salt = [0; SALT_BYTES];
    rng.try_fill_bytes(&mut salt).map_err(|_| RandomnessError)?;
    let cipher = ChunkCipher::new(&file_key, &salt, &header::context(&vault.vault, blob));
    let header = Header {
        vault: vault.vault,
        blob: *blob,
        epoch: vault.epoch,
        sealed_key: Box::new(sealed_key),
        salt,
        commitment: *cipher.commitment(),
    };
    Ok((header, cipher))
}

#[cfg(test)]
mod tests;
