//! OMEMO (XEP-0384) without I/O: plain data goes in, plain data and [`Changes`] come out.
//!
//! The crate knows no network, no XML, no clock and no database. Randomness and the time are
//! arguments; what must be remembered is read through [`Store`] and handed back as [`Changes`],
//! which the caller saves in one transaction together with whatever the message caused.
//!
//! How to read it: [`machine`] is the front door. Below it [`session`] picks the Double Ratchet
//! session, `x3dh` starts one, `ratchet` runs it, `wire` and `payload` are the bytes, and
//! [`profile`] holds all that differs between the namespaces. [`media`] is independent of the rest.
//!
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod bundle;
mod cbc_hmac;
pub mod changes;
pub mod device;
mod encoding;
pub mod envelope;
pub mod error;
mod kdf;
mod key;
pub mod machine;
pub mod media;
mod payload;
pub mod prekey;
pub mod profile;
mod ratchet;
pub mod session;
pub mod store;
pub mod trust;
mod wire;
mod x3dh;
mod xeddsa;

pub use bundle::Bundle;
pub use changes::Changes;
pub use device::{Address, DeviceId, DeviceList, OwnDevice};
pub use envelope::{Envelope, HeaderKey};
pub use error::{EncryptError, ReceiveError, StartError, TrustError};
pub use machine::{MessageId, Opened};
pub use prekey::{Prekey, SignedPrekey};
pub use profile::{Namespace, Namespaces};
pub use session::{Session, SessionId};
pub use store::{Damaged, MemoryStore, Store};
pub use trust::{IdentityKey, KnownDevice, Trust};
