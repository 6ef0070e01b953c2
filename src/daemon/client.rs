//! What a client asks, in the vault process's own words.

use crate::{keeper::client::lines, vault_process::Which};

pub(super) fn which(what: lines::Which) -> Which {
    match what {
        lines::Which::All => Which::All,
        lines::Which::Album(name) => Which::Album(name),
        lines::Which::Tag(tag) => Which::Tag(tag),
        lines::Which::Words(words) => Which::Words(words),
    }
}
