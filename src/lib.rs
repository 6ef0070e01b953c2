//! Strongroom: a file vault that is kept, searched and emptied over end-to-end-encrypted chat.
//!
//! How to read this code: walk with a photo. It arrives in [`xmpp`] as an envelope, [`daemon`]
//! has `omemo` open it, [`keeper`] decides what is to be done, [`transfer`] fetches the
//! ciphertext, `vault` seals it, [`vault_process`] puts it into the index, and [`state`] has
//! remembered every step on the way. ARCHITECTURE.md has the map and the rules.

// the Raspberry Pi 4 has no AES instructions, and nothing here would notice before it runs there
#[cfg(all(target_arch = "aarch64", target_os = "linux", target_feature = "aes"))]
compile_error!(
    "do not build with -C target-cpu or +aes: the program would not start on a Raspberry Pi 4; \
     AES is used where the processor has it"
);

pub mod carry;
pub mod check;
pub mod client;
pub mod clock;
pub mod config;
pub mod console;
pub mod crash;
pub mod daemon;
pub mod disk;
pub mod keeper;
pub mod keydevice;
pub mod keys;
pub mod lamp;
pub mod manual;
pub mod names;
pub mod pictures;
pub mod pinned;
pub mod place;
pub mod service;
pub mod setup;
pub mod state;
pub mod transfer;
pub mod vault_process;
pub mod verify;
pub mod xmpp;
