//! The vault's own address as a picture for the chat: a QR code of the link that carries the
//! fingerprint, which another phone's app scans. It is made without the vault process, since it says nothing that is secret.

use omemo::media::{
    ContentHash, FileSource, HashAlgorithm, MediaEncryptor, MediaSecret, SharedFile,
};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use super::{
    Daemon, Happening,
    inbox::rng,
    send::{CONTENT_TYPE, put_failure, slot_for},
};
use crate::{
    keeper::{
        Input, JobId, Uploaded,
        described::Described,
        devices::Own,
        reply::{DeliveryFailure, Line},
    },
    pictures,
    transfer::{self, Upload},
    vault_process::Form,
    xmpp::Link,
};

/// The name that the picture goes under.
const NAME: &str = "address.png";
const MEDIA_TYPE: &str = "image/png";

impl Daemon {
    /// Draws our address, and puts it on the server for who asked.
    pub(super) fn draw_address(&self, job: JobId, number: u64) {
        let form = self.form_for(&job);
        let (link, client, tell) = (self.link.clone(), self.transfer.clone(), self.tell.clone());
        let own = Own {
            jid: link.own_bare_jid().to_owned(),
            device: self.own.device.0,
            fingerprint: self.own.fingerprint.clone(),
        };
        tokio::spawn(async move {
            let drawn = match pictures::qr::draw(&own.to_string()) {
                Some(picture) => put(&link, &client, &picture, form).await,
                None => Err(DeliveryFailure::NothingToShow),
            };
            let input = match drawn {
                Ok((bytes, file)) => Input::Uploaded {
                    job,
                    line: Line {
                        number,
                        name: NAME.to_owned(),
                        bytes,
                        received_at: 0,
                        damaged: false,
                        taken_at: None,
                    },
                    file,
                },
                Err(why) => Input::NotUploaded { job, number, why },
            };
            // The loop is gone only when the daemon stops.
            let _ = tell.send(Happening::Input(input));
        });
    }
}

/// Encrypts a picture and puts it on the server; returns its length, and how the phone gets it.
async fn put(
    link: &Link,
    client: &transfer::Client,
    picture: &[u8],
    form: Form,
) -> Result<(u64, Uploaded), DeliveryFailure> {
    let trouble = DeliveryFailure::ServerTrouble;
    let secret = MediaSecret::random_for(form.cipher(), &mut rng());
    let mut encryptor = MediaEncryptor::new(&secret);
    let mut ciphertext = Vec::new();
    encryptor
        .update(picture, &mut ciphertext)
        .map_err(|_| trouble)?;
    ciphertext.extend(encryptor.finish());
    let sealed = Sha256::digest(&ciphertext);
    let length = ciphertext.len() as u64;
    let slot = slot_for(link, NAME, length).await?;
    let upload = Upload {
        url: &slot.put_url,
        headers: &slot.headers,
        length,
        content_type: CONTENT_TYPE,
    };
    let (pieces, body) = mpsc::channel(1);
    let pump = async {
        // An upload that failed says why itself.
        let _ = pieces.send(Ok(ciphertext.into())).await;
        drop(pieces);
    };
    let (put, ()) = tokio::join!(client.put(&upload, body), pump);
    put.map_err(|error| {
        log::warn!("a picture was not uploaded: {error}");
        put_failure(&error)
    })?;
    let bytes = picture.len() as u64;
    let file = match form {
        Form::Link => {
            let link = secret.link(&slot.get_url).map_err(|_| trouble)?;
            Uploaded::Link(link.to_string())
        }
        Form::Description => {
            let hash = |digest: &[u8]| ContentHash::new(HashAlgorithm::Sha256, digest.to_vec());
            let mut source = FileSource::new(&slot.get_url, secret).map_err(|_| trouble)?;
            source.hashes.extend(hash(&sealed));
            Uploaded::Described(Described::new(&SharedFile {
                name: Some(NAME.to_owned()),
                media_type: Some(MEDIA_TYPE.to_owned()),
                size: Some(bytes),
                changed_at: None,
                hashes: hash(&Sha256::digest(picture)).into_iter().collect(),
                sources: vec![source],
            }))
        }
    };
    Ok((bytes, file))
}
