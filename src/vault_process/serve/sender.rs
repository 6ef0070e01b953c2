//! One delivery at a time: unseals an entry and encrypts it under a fresh media key.

use std::{
    io::{self, Read as _, Write as _},
    os::unix::net::UnixStream,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
};

use omemo::media::{MediaEncryptor, MediaSecret};
use sha2::{Digest as _, Sha256};
use vault::OpenVault;
use zeroize::Zeroizing;

use super::{Delivery, Mouth, Word, made::Parcel};
use crate::{
    pictures::studio::Studio,
    vault_process::{
        MAX_DATA_BYTES,
        deliveries::{BROKEN, Form, HASHED, WHOLE},
    },
};

/// Bytes unsealed at a time.
const PIECE_BYTES: usize = 32 * 1024;

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
        let Parcel {
            mut content,
            bytes,
            row,
        } = match self.parcel(delivery) {
            Ok(parcel) => parcel,
            Err(word) => return self.mouth.say(&*word),
        };
        let form = delivery.form;
        let mut rng = rand_core::UnwrapErr(getrandom::SysRng);
        let secret = MediaSecret::random_for(form.cipher(), &mut rng);
        self.mouth.say(&Word::Prepared {
            job,
            row,
            media_type: delivery.media_type.clone(),
            form,
            ciphertext_bytes: form.cipher().ciphertext_bytes(bytes),
            secret: secret.to_bytes().to_vec(),
        })?;
        let mut hash = (form == Form::Description).then(Sha256::new);
        let mut encryptor = MediaEncryptor::new(&secret);
        let mut plain = Zeroizing::new(vec![0; PIECE_BYTES]);
        let mut piece = Vec::with_capacity(MAX_DATA_BYTES);
        loop {
            if self.running.load(Ordering::SeqCst) != delivery.ticket {
                return data.write_all(&BROKEN.to_le_bytes());
            }
            let length = match content.read(&mut plain) {
                Ok(length) => length,
                Err(error) => {
                    log::error!("a blob does not open to its end: {error}");
                    return data.write_all(&BROKEN.to_le_bytes());
                }
            };
            let Some(read) = plain.get(..length).filter(|read| !read.is_empty()) else {
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
