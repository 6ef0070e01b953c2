//! The one file that names Argon2: makes a key of what a person can remember or type.
//!
//! What the key is for, and where its salt comes from, is the callers' business.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use zeroize::{Zeroize as _, Zeroizing};

use super::{KEY_BYTES, PurposeKey};

/// Length of a salt, in bytes.
pub(crate) const SALT_BYTES: usize = 16;

/// There was not enough memory to try a passphrase or code.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is not enough free memory to try it: 64 MiB are needed")]
#[non_exhaustive]
pub struct NoMemory;

/// What one guess costs whoever guesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cost {
    pub(crate) memory_kib: u32,
    pub(crate) passes: u32,
}

impl Cost {
    /// What every key is made with: 64 MiB, three passes.
    pub(crate) const NORMAL: Self = Self {
        memory_kib: 64 * 1024,
        passes: 3,
    };
    /// The most that is believed of a file that somebody else may have written.
    const MOST: Self = Self {
        memory_kib: 1024 * 1024,
        passes: 64,
    };

    /// Takes a cost out of a file, unless it would stall the machine or protect nothing.
    pub(crate) fn checked(memory_kib: u32, passes: u32) -> Option<Self> {
        let memory_fits = (8..=Self::MOST.memory_kib).contains(&memory_kib);
        let passes_fit = (1..=Self::MOST.passes).contains(&passes);
        (memory_fits && passes_fit).then_some(Self { memory_kib, passes })
    }
}

/// Stretches `text` to a key by Argon2id with one lane.
// RFC 9106 3.1
pub(crate) fn stretch(
    text: &str,
    salt: &[u8; SALT_BYTES],
    cost: Cost,
) -> Result<PurposeKey, NoMemory> {
    let Cost { memory_kib, passes } = cost;
    let params = Params::new(memory_kib, passes, 1, Some(KEY_BYTES)).map_err(|_| NoMemory)?;
    let mut memory = Vec::new();
    memory
        .try_reserve_exact(params.block_count())
        .map_err(|_| NoMemory)?;
    memory.resize(params.block_count(), Block::new());
    let mut key = Box::new(Zeroizing::new([0; KEY_BYTES]));
    let stretched = Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(text.as_bytes(), salt, key.as_mut_slice(), &mut memory);
    memory.iter_mut().for_each(|block| block.zeroize());
    stretched.map_err(|_| NoMemory)?;
    Ok(PurposeKey(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From another author's program: OpenSSL's Argon2id, through Python's `cryptography`.
    #[test]
    fn a_stretched_key_is_what_the_reference_makes() {
        let key = stretch("password", b"somesaltsomesalt", Cost::NORMAL).unwrap();

        assert_eq!(
            hex::encode(key.expose_to_cipher()),
            "7664ad4ba1a3c999fcdd0991ffc2270f78302d2383233db5e7befc85d1bb1819"
        );
    }

    #[test]
    fn costs_that_would_stall_the_machine_are_refused() {
        assert_eq!(Cost::checked(64 * 1024, 3), Some(Cost::NORMAL));
        for (memory_kib, passes) in [(0, 3), (7, 3), (u32::MAX, 3), (65_536, 0), (65_536, 65)] {
            assert_eq!(Cost::checked(memory_kib, passes), None);
        }
    }
}
