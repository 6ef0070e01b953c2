//! Strongroom: a file vault that is kept, searched and emptied over end-to-end-encrypted chat.
//!
//! How to read this code: walk with a photo. It arrives in [`xmpp`] as an envelope, [`daemon`]
//! has `omemo` open it, [`keeper`] decides what is to be done, [`transfer`] fetches the
//! ciphertext, `vault` seals it, [`vault_process`] puts it into the index, and [`state`] has
//! remembered every step on the way. ARCHITECTURE.md has the map and the rules.

pub mod config;
pub mod crash;
pub mod daemon;
pub mod disk;
pub mod keeper;
pub mod keydevice;
pub mod service;
pub mod setup;
pub mod state;
pub mod transfer;
pub mod vault_process;
pub mod xmpp;
