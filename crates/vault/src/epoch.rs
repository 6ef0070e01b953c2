//! Epoch secrets, the chain that leads from the newest to the first, and the keys derived from
//! them. The layout of the chain's records is in `docs/formats/slot.md`.

use crate::{
    aead::{self, RECORD_OVERHEAD},
    header::{FORMAT_VERSION, SUITE, joined},
    id::VaultId,
    kem::{KeyPair, NotAuthentic},
    key::{self, EpochSecret, KEY_BYTES, PublicHalf, PurposeKey},
};

/// Length of the record that seals the previous epoch's secret, in bytes.
pub(crate) const CHAIN_BYTES: usize = CHAIN_AAD_BYTES + RECORD_OVERHEAD + KEY_BYTES;

const MAGIC: &[u8; 8] = b"SREPOCH\0";
const CHAIN_AAD_BYTES: usize = 32;

/// The secrets of all epochs of an open vault.
pub(crate) struct Epochs {
    vault: VaultId,
    /// From the first on, without the newest.
    older: Vec<Epoch>,
    newest: Epoch,
}

struct Epoch {
    secret: EpochSecret,
    pair: KeyPair,
}

impl Epochs {
    /// Follows the chain down from the secret of epoch `newest`; `record` gives the chain's record
    /// of an epoch.
    pub(crate) fn follow<E>(
        vault: VaultId,
        newest: u32,
        secret: EpochSecret,
        mut record: impl FnMut(u32) -> Result<Vec<u8>, E>,
        damaged: impl Fn(u32) -> E,
    ) -> Result<Self, E> {
        let newest_epoch = Epoch::new(secret);
        let mut older: Vec<Epoch> = Vec::new();
        for number in (2..=newest).rev() {
            let bytes = record(number)?;
            let above = &older.last().unwrap_or(&newest_epoch).secret;
            let below =
                open_previous(&vault, number, above, &bytes).map_err(|_| damaged(number))?;
            older.push(Epoch::new(below));
        }
        older.reverse();
        Ok(Self {
            vault,
            older,
            newest: newest_epoch,
        })
    }

    pub(crate) fn vault(&self) -> &VaultId {
        &self.vault
    }

    pub(crate) fn newest(&self) -> u32 {
        u32::try_from(self.older.len()).map_or(u32::MAX, |older| older.saturating_add(1))
    }

    pub(crate) fn key_pair(&self, epoch: u32) -> Option<&KeyPair> {
        self.epoch(epoch).map(|epoch| &epoch.pair)
    }

    pub(crate) fn newest_secret(&self) -> &EpochSecret {
        &self.newest.secret
    }

    /// Derives the key of the index of this epoch.
    pub(crate) fn index_key(&self, epoch: u32) -> Option<PurposeKey> {
        self.epoch(epoch).map(|epoch| epoch.secret.purpose("index"))
    }

    /// Derives the key of the change log's files of this epoch.
    pub(crate) fn change_log_key(&self, epoch: u32) -> Option<PurposeKey> {
        self.epoch(epoch)
            .map(|epoch| epoch.secret.purpose("change-log"))
    }

    /// Derives the key of the snapshots of this epoch.
    pub(crate) fn snapshot_key(&self, epoch: u32) -> Option<PurposeKey> {
        self.epoch(epoch)
            .map(|epoch| epoch.secret.purpose("snapshot"))
    }

    /// Derives the key of the thumbnails of this epoch.
    pub(crate) fn thumbnail_key(&self, epoch: u32) -> Option<PurposeKey> {
        self.epoch(epoch)
            .map(|epoch| epoch.secret.purpose("thumbnail"))
    }

    /// Marks a content, so that equal contents are found without keeping their hashes.
    ///
    /// Under a key of the first epoch, which every later one opens: marks stay comparable.
    pub(crate) fn content_mark(&self, content_hash: &[u8; 32], bytes: u64) -> [u8; 32] {
        let first = self.older.first().unwrap_or(&self.newest);
        let key = first.secret.purpose("content-mark");
        key::hmac(
            key.expose_to_cipher(),
            &[&bytes.to_be_bytes(), content_hash],
        )
    }

    pub(crate) fn public_half(&self) -> PublicHalf {
        PublicHalf::new(self.vault, self.newest(), self.newest.pair.public())
    }

    #[cfg(test)]
    pub(crate) fn public_half_of(&self, number: u32) -> Option<PublicHalf> {
        let pair = self.key_pair(number)?;
        Some(PublicHalf::new(self.vault, number, pair.public()))
    }

    fn epoch(&self, number: u32) -> Option<&Epoch> {
        if number == self.newest() {
            return Some(&self.newest);
        }
        self.older
            .get(usize::try_from(number.checked_sub(1)?).ok()?)
    }
}

impl Epoch {
    fn new(secret: EpochSecret) -> Self {
        Self {
            pair: secret.key_pair(),
            secret,
        }
    }
}

/// Seals the secret of the epoch before `number` under the secret of epoch `number`.
pub(crate) fn seal_previous(
    vault: &VaultId,
    number: u32,
    secret: &EpochSecret,
    previous: &EpochSecret,
) -> Vec<u8> {
    let aad = chain_aad(vault, number);
    let key = secret.purpose("epoch-chain");
    let sealed = aead::seal_record(&key, &aad, previous.expose_to_cipher());
    [aad.as_slice(), &sealed].concat()
}

fn open_previous(
    vault: &VaultId,
    number: u32,
    secret: &EpochSecret,
    record: &[u8],
) -> Result<EpochSecret, NotAuthentic> {
    let aad = chain_aad(vault, number);
    let sealed = record.strip_prefix(aad.as_slice()).ok_or(NotAuthentic)?;
    let key = secret.purpose("epoch-chain");
    let opened = aead::open_record(&key, &aad, sealed).map_err(|_| NotAuthentic)?;
    let opened: &[u8; KEY_BYTES] = opened.as_slice().try_into().map_err(|_| NotAuthentic)?;
    Ok(EpochSecret::init_with(|place| *place = *opened))
}

fn chain_aad(vault: &VaultId, number: u32) -> [u8; CHAIN_AAD_BYTES] {
    joined(&[
        MAGIC,
        &FORMAT_VERSION.to_be_bytes(),
        &SUITE.to_be_bytes(),
        vault.as_bytes(),
        &number.to_be_bytes(),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    const VAULT: VaultId = VaultId::from_bytes([9; 16]);

    fn secret(byte: u8) -> EpochSecret {
        EpochSecret::init_with(|bytes| bytes.fill(byte))
    }

    fn chain(number: u32) -> Vec<u8> {
        let byte = u8::try_from(number).unwrap();
        seal_previous(&VAULT, number, &secret(byte), &secret(byte - 1))
    }

    fn follow(record: impl Fn(u32) -> Vec<u8>) -> Result<Epochs, u32> {
        Epochs::follow(
            VAULT,
            3,
            secret(3),
            |number| Ok(record(number)),
            |number| number,
        )
    }

    #[test]
    fn the_newest_epoch_opens_all_older_ones() {
        let epochs = follow(chain).unwrap();

        assert_eq!(epochs.newest(), 3);
        for (number, byte) in [(1, 1), (2, 2), (3, 3)] {
            let found = epochs.key_pair(number).unwrap().public();
            assert!(found == secret(byte).key_pair().public(), "epoch {number}");
        }
        assert!(epochs.key_pair(0).is_none() && epochs.key_pair(4).is_none());
        assert_eq!(chain(2).len(), CHAIN_BYTES);
    }

    #[test]
    fn any_flipped_bit_in_the_chain_is_noticed() {
        for bit in 0..CHAIN_BYTES * 8 {
            let refused = follow(|number| {
                let mut record = chain(number);
                if number == 2 {
                    record[bit / 8] ^= 1 << (bit % 8);
                }
                record
            });
            assert_eq!(refused.err(), Some(2), "bit {bit}");
        }
    }

    #[test]
    fn content_marks_stay_the_same_in_a_later_epoch() {
        let first = Epochs::follow(VAULT, 1, secret(1), |_| Err(()), |_| ()).unwrap();
        let third = follow(chain).unwrap();

        assert_eq!(
            first.content_mark(&[5; 32], 6),
            third.content_mark(&[5; 32], 6)
        );
        assert_ne!(
            first.content_mark(&[5; 32], 6),
            first.content_mark(&[5; 32], 7)
        );
    }
}
