//! A file goes out: ciphertext from the vault process to an upload slot; and the vault process's
//! other words.
//!
//! The daemon never sees the content: what passes through here was encrypted before, under a
//! media key that the phone gets by OMEMO and nobody else.

use std::io;

use omemo::media::{ContentHash, FileSource, HashAlgorithm, MediaSecret, SharedFile};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use super::{
    Daemon, Happening,
    dialogue::{self, Heard, line},
    trust,
};
use crate::{
    keeper::{
        Input, JobId, Uploaded,
        described::Described,
        devices::News,
        reply::{DeliveryFailure, OpenFailure},
    },
    keys::spare,
    service,
    transfer::{self, PutError, Upload},
    vault_process::{Deliveries, Form, Order, Row, Shut, Word},
    xmpp::{Link, RequestError, Slot, SlotError},
};

/// Pieces of ciphertext between the vault process and the network.
const QUEUED_PIECES: usize = 2;
/// Told to the upload server: it learns no type.
pub(super) const CONTENT_TYPE: &str = "application/octet-stream";
/// Longest ending taken over into the upload's name, in bytes.
const MAX_ENDING_BYTES: usize = 5;

/// One file on its way out.
struct Outgoing {
    row: Row,
    media_type: Option<String>,
    form: Form,
    ciphertext_bytes: u64,
    secret: MediaSecret,
}

impl Daemon {
    fn not_opened(&mut self, why: Shut) -> Input {
        log::warn!("the vault did not open: {why:?}");
        if let Some(vault) = self.vault.take() {
            vault.process.kill();
        }
        Input::VaultNotOpened(open_failure(why))
    }

    fn opened(&mut self) -> anyhow::Result<()> {
        log::info!("the vault is open");
        service::status("open");
        let spare = spare::has_spare(&self.config.vault.system);
        self.handle(Input::SpareKnown(spare.survives_a_lost_stick()))?;
        self.handle(Input::VaultOpened)
    }

    /// Takes in what the vault process says.
    pub(super) fn word(&mut self, generation: u64, word: Word) -> anyhow::Result<()> {
        if self
            .vault
            .as_ref()
            .is_none_or(|vault| vault.generation != generation)
        {
            return Ok(());
        }
        let free = self.free_bytes();
        if let Word::Slot { answer, .. } = &word {
            self.keys_changed(answer);
        }
        match dialogue::input(word, free) {
            Heard::Input(input) => self.handle(*input),
            Heard::Opened => self.opened(),
            Heard::NotOpened(why) => {
                let input = self.not_opened(why);
                self.handle(input)
            }
            Heard::Revoked(list) => self.handle(stick_revokes(&list)),
            Heard::NewPublicHalf(public_half) => self.renew_card(&public_half),
            Heard::Prepared(word) => self.prepared(*word),
        }
    }

    /// Starts the task that sends one file out.
    fn prepared(&mut self, word: Word) -> anyhow::Result<()> {
        let Word::Prepared {
            job,
            row,
            media_type,
            form,
            ciphertext_bytes,
            secret,
        } = word
        else {
            return Ok(());
        };
        let (job, number) = (JobId(job), row.number);
        let secret = MediaSecret::from_bytes_for(form.cipher(), &secret);
        let broken = Input::NotUploaded {
            job,
            number,
            why: DeliveryFailure::Locked,
        };
        let Some(vault) = &mut self.vault else {
            return self.handle(broken);
        };
        let (Ok(secret), Some(mut deliveries)) = (secret, vault.process.take_deliveries()) else {
            log::error!("a delivery came out of turn");
            return self.handle(broken);
        };
        deliveries.begin();
        let outgoing = Outgoing {
            row,
            media_type,
            form,
            ciphertext_bytes,
            secret,
        };
        let generation = vault.generation;
        let (link, client) = (self.link.clone(), self.transfer.clone());
        let (tell, orders) = (self.tell.clone(), vault.process.orders());
        let task = tokio::spawn(async move {
            let uploaded = upload(&link, &client, &outgoing, &mut deliveries).await;
            let input = match uploaded {
                Ok(lies) => uploaded_as(job, outgoing, lies, deliveries.sha256()),
                Err(why) => {
                    // Whatever is left of this delivery must not be taken for the next one.
                    let _ = orders.send(Order::Abort);
                    if deliveries.drain().await.is_err() {
                        return;
                    }
                    Input::NotUploaded { job, number, why }
                }
            };
            let _ = tell.send(Happening::Delivered {
                generation,
                deliveries,
                input,
            });
        });
        vault.sending = Some(task.abort_handle());
        Ok(())
    }

    pub(super) fn delivered(&mut self, generation: u64, deliveries: Deliveries) {
        if let Some(vault) = &mut self.vault
            && vault.generation == generation
        {
            vault.process.return_deliveries(deliveries);
            vault.sending = None;
        }
    }

    pub(super) fn vault_ended(&mut self, generation: u64) -> anyhow::Result<()> {
        if self
            .vault
            .as_ref()
            .is_none_or(|vault| vault.generation != generation)
        {
            return Ok(());
        }
        log::error!("the vault process ended by itself");
        if let Some(vault) = self.vault.take() {
            vault.process.kill();
            // Asked for again once the next one is up.
            if let Some(sending) = vault.sending {
                sending.abort();
            }
        }
        self.handle(Input::VaultEnded)
    }
}

fn stick_revokes(list: &str) -> Input {
    let (fingerprints, unread) = trust::read_list(list);
    Input::Device(News::StickRevokes {
        fingerprints,
        unread,
    })
}

/// What lies on the server.
struct Lies {
    url: String,
    /// What the ciphertext hashes to, where the phone is told.
    sha256: Option<[u8; 32]>,
}

/// Makes what the phone is told of a file on the server.
fn uploaded_as(job: JobId, outgoing: Outgoing, lies: Lies, sha256: Option<[u8; 32]>) -> Input {
    let number = outgoing.row.number;
    let Lies { url, sha256: outer } = lies;
    let file = match outgoing.form {
        Form::Link => outgoing
            .secret
            .link(&url)
            .ok()
            .map(|it| Uploaded::Link(it.to_string())),
        Form::Description => describe(&outgoing.row, outgoing.media_type, sha256)
            .zip(FileSource::new(&url, outgoing.secret).ok())
            .map(|(mut file, mut source)| {
                source.hashes = outer.and_then(sha256_hash).into_iter().collect();
                file.sources = vec![source];
                Uploaded::Described(Described::new(&file))
            }),
    };
    match file {
        Some(file) => Input::Uploaded {
            job,
            line: line(outgoing.row),
            file,
        },
        None => {
            log::warn!("the server's address for a file cannot be sent");
            let why = DeliveryFailure::ServerTrouble;
            Input::NotUploaded { job, number, why }
        }
    }
}

/// Describes a file, which needs the hash of its content.
fn describe(row: &Row, media_type: Option<String>, sha256: Option<[u8; 32]>) -> Option<SharedFile> {
    let hash = sha256_hash(sha256?)?;
    let by_name = || super::media_type::of(&row.name).map(str::to_owned);
    Some(SharedFile {
        name: Some(row.name.clone()),
        media_type: media_type.or_else(by_name),
        size: Some(row.bytes),
        // What is kept never changes; what was made for this has no time.
        changed_at: Some(row.received_at).filter(|it| *it > 0),
        hashes: vec![hash],
        sources: Vec::new(),
    })
}

fn sha256_hash(digest: [u8; 32]) -> Option<ContentHash> {
    ContentHash::new(HashAlgorithm::Sha256, digest.to_vec())
}

/// Puts one file into a slot and returns where it lies.
async fn upload(
    link: &Link,
    client: &transfer::Client,
    outgoing: &Outgoing,
    deliveries: &mut Deliveries,
) -> Result<Lies, DeliveryFailure> {
    let length = outgoing.ciphertext_bytes;
    let slot = slot_for(link, &outgoing.row.name, length).await?;
    let upload = Upload {
        url: &slot.put_url,
        headers: &slot.headers,
        length,
        content_type: CONTENT_TYPE,
    };
    let (pieces, body) = mpsc::channel(QUEUED_PIECES);
    let mut hash = (outgoing.form == Form::Description).then(Sha256::new);
    let pump = async {
        let mut drained = false;
        loop {
            let piece = match deliveries.next().await {
                Ok(None) => {
                    drained = true;
                    break;
                }
                Ok(Some(bytes)) => {
                    if let Some(hash) = &mut hash {
                        hash.update(&bytes);
                    }
                    Ok(bytes)
                }
                Err(error) => Err(error),
            };
            let failed = piece.is_err();
            if pieces.send(piece).await.is_err() || failed {
                break;
            }
        }
        drop(pieces);
        drained
    };
    let (put, drained) = tokio::join!(client.put(&upload, body), pump);
    put.map_err(|error| {
        log::warn!("a file was not uploaded: {error}");
        put_failure(&error)
    })?;
    if !drained {
        return Err(DeliveryFailure::Damaged);
    }
    crate::crash::point("uploaded");
    Ok(Lies {
        url: slot.get_url,
        sha256: hash.map(|it| it.finalize().into()),
    })
}

/// Asks for a slot for a file of this name, and of so much ciphertext.
pub(super) async fn slot_for(
    link: &Link,
    name: &str,
    length: u64,
) -> Result<Slot, DeliveryFailure> {
    let name = slot_name(name).map_err(|_| DeliveryFailure::ServerTrouble)?;
    let slot = link.request_slot(&name, length, CONTENT_TYPE).await;
    slot.map_err(|error| {
        log::warn!("no upload slot: {error}");
        match error {
            SlotError::NoService => DeliveryFailure::NoUpload,
            SlotError::TooLarge { max_bytes } => DeliveryFailure::TooLarge { limit: max_bytes },
            SlotError::Request(RequestError::Offline) => DeliveryFailure::Offline,
            SlotError::NotAllowed | SlotError::Later | SlotError::Request(_) => {
                DeliveryFailure::ServerTrouble
            }
        }
    })
}

pub(super) fn put_failure(error: &PutError) -> DeliveryFailure {
    match error {
        PutError::TooLarge => DeliveryFailure::TooLarge { limit: None },
        PutError::Source(_) | PutError::Length { .. } => DeliveryFailure::Damaged,
        PutError::Refused { .. }
        | PutError::NotFound { .. }
        | PutError::Redirect { .. }
        | PutError::TooSlow
        | PutError::Status(_)
        | PutError::Tls(_)
        | PutError::Unresolved
        | PutError::Unreachable(_)
        | PutError::Protocol => DeliveryFailure::ServerTrouble,
    }
}

/// Makes a name that tells the server nothing but what kind of file it is: a phone shows a photo
/// as a photo by the ending in the link.
fn slot_name(name: &str) -> io::Result<String> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let ending = name
        .rsplit_once('.')
        .map(|(_, ending)| ending.to_ascii_lowercase())
        .filter(|it| {
            (1..=MAX_ENDING_BYTES).contains(&it.len())
                && it.bytes().all(|b| b.is_ascii_alphanumeric())
        });
    let name = hex::encode(random);
    Ok(match ending {
        Some(ending) => format!("{name}.{ending}"),
        None => name,
    })
}

fn open_failure(why: Shut) -> OpenFailure {
    match why {
        Shut::WrongKey => OpenFailure::WrongKey,
        Shut::BrokenKeyFile => OpenFailure::BrokenKeyFile,
        Shut::WantsPassphrase => OpenFailure::WantsPassphrase,
        Shut::NoKeyFile => OpenFailure::NoKeyFile,
        Shut::UnreadableKey => OpenFailure::UnreadableKey,
        Shut::NoVault => OpenFailure::NoVault,
        Shut::TooNew => OpenFailure::TooNew,
        Shut::ForeignPublicHalf => OpenFailure::ForeignPublicHalf,
        Shut::Trouble => OpenFailure::Trouble,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_is_named_by_nothing_but_its_kind() {
        let named = |name: &str| slot_name(name).unwrap().split_off(32);

        assert_eq!(named("Holiday with Ann.JPG"), ".jpg");
        assert_eq!(named("letter to the bank"), "");
        assert_eq!(named("x.secretname"), "");
        assert_eq!(named("x.j/../pg"), "");
        assert_eq!(named(".png"), ".png");
    }
}
