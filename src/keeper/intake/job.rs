//! One file on its way in, as its job is kept.

use serde::{Deserialize, Serialize};

use super::Held;
use super::sources::SharedAs;
use crate::keeper::{
    Asker, JobId, chat::Brought, client::lines::RequestId, described::Described, labels::Labels,
};

/// One file on its way in. Not `Debug`: the link holds the file's key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intake {
    /// Names the job.
    pub job: JobId,
    /// Names the blob, whose temporary and final file name derive from it.
    pub blob: [u8; 16],
    /// The body with the `aesgcm://` link as it came; empty once the file is sealed, or where it
    /// came with a description.
    pub link: String,
    /// The file's name.
    pub name: String,
    /// Who sent it: a bare address.
    pub sender: String,
    /// When it was sent, in seconds since 1970.
    pub sent_at: i64,
    /// When it was announced here, in seconds since 1970.
    pub received_at: i64,
    /// Its place in the order of arrival, in which files are fetched and numbered.
    pub order: u64,
    /// How far it has come.
    pub stage: Stage,
    /// Proves that the daemon itself sealed the blob; opaque here. Saved before the blob has its
    /// name.
    pub mac: Option<[u8; 32]>,
    /// Who sent it, and how an answer goes back.
    pub asker: Option<Asker>,
    /// The description that the file came with, until it is sealed.
    pub described: Option<Described>,
    /// Set while the device that sent it is not let in: it is held apart.
    pub held: Option<Held>,
    /// Size of the content in bytes, once it is known.
    pub bytes: u64,
    /// The message that brought it, if it brought nothing else.
    pub brought: Option<Brought>,
    /// What is noted with it once it is an entry.
    pub labels: Labels,
    /// The request, where our own client sent it: then it alone is told what becomes of it.
    pub client: Option<RequestId>,
    /// What a later message names that brings sources for it, until it is sealed.
    pub shared: Option<SharedAs>,
    /// BLAKE3 of its content, where it came from a stick.
    pub stick: Option<[u8; 32]>,
}

/// How far an intake has come, as far as it is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// Known, not yet sealed.
    Announced {
        /// Failed attempts.
        attempts: u8,
        /// When the next one is due, in seconds since 1970.
        retry_at: i64,
    },
    /// Sealed under its final name; waits for the key.
    Waiting,
    /// In the index, and not yet told.
    Indexed {
        /// The entry.
        number: u64,
        /// Whether another blob had the content already.
        double: bool,
    },
}

impl Intake {
    /// Makes the job for a link that a message of `sender` holds.
    #[must_use]
    pub fn announced(
        sender: &str,
        job: JobId,
        blob: [u8; 16],
        (body, name): (&str, &str),
        (sent_at, now): (i64, i64),
    ) -> Self {
        Self {
            job,
            blob,
            name: name.to_owned(),
            link: body.to_owned(),
            sender: sender.to_owned(),
            sent_at,
            received_at: now,
            order: 0,
            stage: Stage::Announced {
                attempts: 0,
                retry_at: 0,
            },
            mac: None,
            asker: None,
            described: None,
            held: None,
            bytes: 0,
            brought: None,
            labels: Labels::default(),
            client: None,
            shared: None,
            stick: None,
        }
    }

    /// Returns whether it is in the index and not told yet.
    #[must_use]
    pub fn is_untold(&self) -> bool {
        matches!(self.stage, Stage::Indexed { .. })
    }

    /// Notes which message brought it.
    #[must_use]
    pub fn brought_by(self, brought: Option<Brought>) -> Self {
        Self { brought, ..self }
    }

    /// Notes who sent it, and how an answer goes back.
    #[must_use]
    pub fn asked_by(self, asker: Asker) -> Self {
        Self {
            asker: Some(asker),
            ..self
        }
    }
}
