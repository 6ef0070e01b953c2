//! Upload slots (XEP-0363): who gives them, how large, and under which address.

use super::link::{Link, RequestError};

/// The server's upload service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadService {
    /// Its address.
    pub jid: String,
    /// The largest file it takes, if it says so.
    pub max_bytes: Option<u64>,
}

/// Where to put one file, and where others get it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// Address for the PUT.
    pub put_url: String,
    /// Address for the GET.
    pub get_url: String,
    /// Headers for the PUT: only Authorization, Cookie and Expires, no line breaks.
    pub headers: Vec<(String, String)>,
}

/// Why there is no slot.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SlotError {
    /// The server has no upload service.
    #[error("the server has no upload service")]
    NoService,
    /// The file is larger than the service takes.
    #[error("the file is larger than the server takes")]
    TooLarge {
        /// The limit, if the service says so.
        max_bytes: Option<u64>,
    },
    /// The account may not upload.
    #[error("the server does not let this account upload")]
    NotAllowed,
    /// The account's quota is used up, or too many were asked for; later it may work.
    #[error("the server gives no more slots for now")]
    Later,
    /// The request failed.
    #[error(transparent)]
    Request(#[from] RequestError),
}

impl Link {
    /// Finds the upload service; `None` if there is none.
    ///
    /// # Errors
    /// If the server cannot be asked.
    pub async fn upload_service(&self) -> Result<Option<UploadService>, RequestError> {
        Err(RequestError::Offline)
    }

    /// Asks for a slot for a file of exactly `bytes` bytes.
    ///
    /// # Errors
    /// Says whether the file is too large and for which limit.
    pub async fn request_slot(
        &self,
        name: &str,
        bytes: u64,
        mime: &str,
    ) -> Result<Slot, SlotError> {
        let _ = (name, bytes, mime);
        Err(RequestError::Offline.into())
    }
}
