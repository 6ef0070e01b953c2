//! One delivery at a time: unseals an entry and encrypts it under a fresh media key.

use std::{
    io::{self, Read, Write as _},
    os::unix::net::UnixStream,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
};

use omemo::media::{MediaEncryptor, MediaSecret};
use sha2::{Digest as _, Sha256};
use vault::{BlobId, OpenVault, index::EntryNumber};
use zeroize::Zeroizing;

use super::{
    Clerk, Mouth, Row, Word,
    made::{JPEG, Made},
    pack::{Pack, Wanted},
    row,
};
use crate::{
    pictures::studio::Studio,
    vault_process::{
        MAX_DATA_BYTES,
        deliveries::{BROKEN, Form, HASHED, WHOLE},
    },
};

/// Bytes unsealed at a time.
const PIECE_BYTES: usize = 32 * 1024;
/// The media type of a zip.
const ZIP: &str = "application/zip";

/// What is to be unsealed and encrypted.
pub(super) struct Delivery {
    ticket: u64,
    job: [u8; 32],
    form: Form,
    content: Content,
}

/// One entry, many as one file, or what is made of them.
pub(super) enum Content {
    One {
        row: Row,
        media_type: Option<String>,
        blob: BlobId,
    },
    Many {
        wanted: Vec<Wanted>,
        /// Those that are not there any more.
        missing: Vec<u64>,
        limit: Option<u64>,
    },
    Made {
        row: Row,
        made: Made,
    },
}

impl Clerk {
    /// Has one entry encrypted.
    pub(super) fn start_delivery(
        &mut self,
        job: [u8; 32],
        number: u64,
        form: Form,
    ) -> io::Result<()> {
        let entry = EntryNumber::new(number).map(|it| self.index.get(it));
        let Some(Ok(Some(entry))) = entry else {
            return self.mouth.say(&Word::NotPrepared { job, number });
        };
        let content = Content::One {
            row: row(&entry),
            media_type: entry.metadata.mime,
            blob: entry.blob_id,
        };
        self.begin(job, form, content)
    }

    /// Has this encrypted, once what is being encrypted is done.
    pub(super) fn begin(&mut self, job: [u8; 32], form: Form, content: Content) -> io::Result<()> {
        self.ticket += 1;
        self.running.store(self.ticket, Ordering::SeqCst);
        let delivery = Delivery {
            ticket: self.ticket,
            job,
            form,
            content,
        };
        self.deliver
            .send(delivery)
            .map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

/// Unseals and encrypts, one delivery at a time.
pub(super) struct Sender {
    pub(super) vault: OpenVault,
    pub(super) mouth: Mouth,
    pub(super) running: Arc<AtomicU64>,
    /// Where contact sheets and previews are made.
    pub(super) studio: Option<Arc<Studio>>,
    /// How many deliveries are being unsealed.
    pub(super) busy: Arc<AtomicU64>,
}

impl Sender {
    pub(super) fn run(&self, mut data: UnixStream, queue: &mpsc::Receiver<Delivery>) {
        while let Ok(delivery) = queue.recv() {
            self.busy.store(1, Ordering::SeqCst);
            let delivered = self.deliver(&mut data, &delivery);
            self.busy.store(0, Ordering::SeqCst);
            if let Err(error) = delivered {
                log::warn!("a delivery ended early: {error}");
                return;
            }
        }
    }

    fn deliver(&self, data: &mut UnixStream, delivery: &Delivery) -> io::Result<()> {
        let job = delivery.job;
        match &delivery.content {
            Content::One {
                row,
                media_type,
                blob,
            } => {
                let number = row.number;
                let reader = match self.vault.reader(blob) {
                    Ok(reader) => reader,
                    Err(error) => {
                        log::error!("a blob does not open: {error}");
                        return self.mouth.say(&Word::NotPrepared { job, number });
                    }
                };
                let size = reader.size();
                let told = (row.clone(), media_type.clone());
                self.encrypt(data, delivery, told, (reader, size))
            }
            Content::Many {
                wanted,
                missing,
                limit,
            } => {
                let pack = Pack::new(&self.vault, wanted, *limit);
                let damaged = missing.iter().chain(&pack.damaged).copied().collect();
                self.mouth.say(&Word::Packed {
                    job,
                    numbers: pack.numbers.clone(),
                    damaged,
                })?;
                let Some(row) = pack.row() else {
                    return Ok(());
                };
                let size = pack.bytes;
                let told = (row, Some(ZIP.to_owned()));
                self.encrypt(data, delivery, told, (pack, size))
            }
            Content::Made { row, made } => match self.make(job, row, made) {
                Ok(image) => {
                    let bytes = image.len() as u64;
                    let row = Row {
                        bytes,
                        ..row.clone()
                    };
                    let told = (row, Some(JPEG.to_owned()));
                    self.encrypt(data, delivery, told, (image.as_slice(), bytes))
                }
                Err(word) => self.mouth.say(&*word),
            },
        }
    }

    /// Encrypts what is read, and says before what it will be.
    fn encrypt(
        &self,
        data: &mut UnixStream,
        delivery: &Delivery,
        (row, media_type): (Row, Option<String>),
        (mut reader, size): (impl Read, u64),
    ) -> io::Result<()> {
        let form = delivery.form;
        let mut rng = rand_core::UnwrapErr(getrandom::SysRng);
        let secret = MediaSecret::random_for(form.cipher(), &mut rng);
        self.mouth.say(&Word::Prepared {
            job: delivery.job,
            row,
            media_type,
            form,
            ciphertext_bytes: form.cipher().ciphertext_bytes(size),
            secret: secret.to_bytes().to_vec(),
        })?;
        let mut hash = (form == Form::Description).then(Sha256::new);
        let mut encryptor = MediaEncryptor::new(&secret);
        let mut content = Zeroizing::new(vec![0; PIECE_BYTES]);
        let mut piece = Vec::with_capacity(MAX_DATA_BYTES);
        loop {
            if self.running.load(Ordering::SeqCst) != delivery.ticket {
                return data.write_all(&BROKEN.to_le_bytes());
            }
            let length = match reader.read(&mut content) {
                Ok(length) => length,
                Err(error) => {
                    log::error!("a blob does not open to its end: {error}");
                    return data.write_all(&BROKEN.to_le_bytes());
                }
            };
            let Some(read) = content.get(..length).filter(|read| !read.is_empty()) else {
                break;
            };
            if let Some(hash) = &mut hash {
                hash.update(read);
            }
            piece.clear();
            encryptor
                .update(read, &mut piece)
                .map_err(io::Error::other)?;
            write_piece(data, &piece)?;
        }
        write_piece(data, &encryptor.finish())?;
        let Some(hash) = hash else {
            return data.write_all(&WHOLE.to_le_bytes());
        };
        data.write_all(&HASHED.to_le_bytes())?;
        data.write_all(&hash.finalize())
    }
}

fn write_piece(data: &mut UnixStream, piece: &[u8]) -> io::Result<()> {
    for part in piece.chunks(MAX_DATA_BYTES) {
        let length = u32::try_from(part.len()).map_err(io::Error::other)?;
        data.write_all(&length.to_le_bytes())?;
        data.write_all(part)?;
    }
    Ok(())
}
