//! Sealed blobs, slots and the index of a Strongroom vault.
//!
//! This crate knows files, keys and ciphers. It does not know the network, chats, the daemon or the
//! clock: time and randomness are arguments. Everything is synchronous.
//!
//! Two sides meet here and share no secret:
//!
//! ```text
//! locked, in the daemon            unlocked, in the vault process
//! PublicHalf -> Sealer -> blob     SlotSecret -> OpenVault -> BlobReader, Index
//! ```
//!
//! The formats are written down byte for byte in `docs/formats`; the vectors in `tests/vectors`
//! prove them.

mod aead;
pub mod ask;
pub mod blob_store;
pub mod catalog;
mod change_log;
pub mod check;
mod disk;
mod epoch;
mod extent;
pub mod folder;
pub mod header;
pub mod id;
pub mod index;
mod kem;
pub mod key;
pub mod metadata;
pub mod name;
pub mod open;
mod parse;
pub mod reseal;
mod seal;
pub mod slot;
#[cfg(test)]
mod testing;
pub mod thumbnail;
pub mod unseal;
pub mod words;

pub use blob_store::{BlobReader, BlobWriter, Bulk, Kept, Sealed, Sealer, StoreError};
pub use folder::{CreateError, FolderError, VaultFolder};
pub use header::HeaderHash;
pub use id::{BlobId, SlotId, VaultId};
pub use index::{
    Adopted, Attributes, Compared, Duplicate, Entry, EntryNumber, Index, IndexError, Label, Labels,
    Opening, Origin, Relabelled, Settled, Totals, Unlisted, Unseen,
};
pub use key::{
    IntakeKey, IntakeMac, NoMemory, SlotSecret,
    code::{Pepper, PepperError, PepperFile, UnlockCode},
    file::{KEY_FILE_NAME, KeyFile, KeyFileError, PlainKey},
    passphrase::{LockedKey, Passphrase, PassphraseError},
    public_half::{PublicHalf, PublicHalfError},
};
pub use metadata::Metadata;
pub use name::safe_name;
pub use open::{OpenError, OpenVault};
pub use thumbnail::{Picture, Place, Thumbnail};
pub use unseal::UnsealError;
pub use words::{RecoveryWords, WordsError};
