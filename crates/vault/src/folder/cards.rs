//! How often each system card has written its state, counted on the drive in clear. The layout is in
//! `docs/formats/cards.md`.
//!
//! A card whose own count lies behind holds an old copy of itself. Knows nothing of what the state
//! holds; it is no secret and nothing of the vault depends on it.

use std::io;

use sha2::{Digest as _, Sha256};

use super::{VaultFolder, existing};
use crate::{
    disk,
    header::FORMAT_VERSION,
    parse::{Fields, TooShort},
};

/// The name of the file with the counts.
pub const CARDS_NAME: &str = "strongroom.cards";

const MAGIC: &[u8; 8] = b"SRCARDS\0";
const ENTRY_BYTES: usize = 16 + 8;
const HASH_BYTES: usize = 32;
/// Most cards that are counted; the longest unused go first.
const MAX_CARDS: usize = 16;
const MAX_BYTES: usize = 12 + MAX_CARDS * ENTRY_BYTES + HASH_BYTES;

/// The counts of all cards, the one written last at the end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cards {
    counts: Vec<([u8; 16], u64)>,
}

impl Cards {
    /// Returns the count of one card; 0 if it was never here.
    #[must_use]
    pub fn count(&self, card: &[u8; 16]) -> u64 {
        let mut counts = self.counts.iter();
        counts
            .find(|(it, _)| it == card)
            .map_or(0, |(_, count)| *count)
    }

    /// Sets the count of one card.
    pub fn set(&mut self, card: [u8; 16], count: u64) {
        self.counts.retain(|(it, _)| *it != card);
        if self.counts.len() >= MAX_CARDS {
            self.counts.remove(0);
        }
        self.counts.push((card, count));
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&FORMAT_VERSION.to_be_bytes());
        let count = u16::try_from(self.counts.len()).unwrap_or(u16::MAX);
        bytes.extend_from_slice(&count.to_be_bytes());
        for (card, count) in &self.counts {
            bytes.extend_from_slice(card);
            bytes.extend_from_slice(&count.to_be_bytes());
        }
        let check = Sha256::digest(&bytes);
        bytes.extend_from_slice(&check);
        bytes
    }

    fn parse(bytes: &[u8]) -> Result<Self, Unread> {
        let mut fields = Fields::new(bytes);
        if fields.array()? != MAGIC {
            return Err(Unread::Damaged);
        }
        if fields.u16()? > FORMAT_VERSION {
            return Err(Unread::TooNew);
        }
        let count = usize::from(fields.u16()?);
        let mut cards = Self::default();
        for _ in 0..count.min(MAX_CARDS) {
            cards.counts.push((*fields.array()?, fields.u64()?));
        }
        let body = bytes.len().saturating_sub(HASH_BYTES);
        let body = bytes.get(..body).ok_or(TooShort)?;
        if fields.rest() != Sha256::digest(body).as_slice() {
            return Err(Unread::Damaged);
        }
        Ok(cards)
    }
}

/// Why counts were not read.
#[derive(Debug)]
enum Unread {
    Damaged,
    TooNew,
}

impl From<TooShort> for Unread {
    fn from(TooShort: TooShort) -> Self {
        Self::Damaged
    }
}

impl VaultFolder {
    /// Reads the counts; none where there is no such file or it is damaged.
    ///
    /// # Errors
    /// When the drive fails, or with `InvalidData` when a later version wrote them.
    pub fn cards(&self) -> io::Result<Cards> {
        let read = disk::read_small(&self.root.join(CARDS_NAME), MAX_BYTES);
        let Some(bytes) = existing(read)? else {
            return Ok(Cards::default());
        };
        match Cards::parse(&bytes) {
            Ok(cards) => Ok(cards),
            Err(Unread::Damaged) => Ok(Cards::default()),
            Err(Unread::TooNew) => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a later version of this program wrote the counts of the cards",
            )),
        }
    }

    /// Writes the counts; they are durable when this returns.
    ///
    /// # Errors
    /// When the drive fails; then the earlier ones are there.
    pub fn write_cards(&self, cards: &Cards) -> io::Result<()> {
        disk::write_durably(&self.root.join(CARDS_NAME), &cards.to_bytes())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::id::VaultId;

    fn folder() -> (tempfile::TempDir, VaultFolder) {
        let place = tempfile::tempdir().unwrap();
        let folder = VaultFolder {
            root: place.path().to_owned(),
            vault: VaultId::from_bytes([7; 16]),
        };
        (place, folder)
    }

    #[test]
    fn counts_are_read_back_and_a_card_that_was_never_here_has_none() {
        let (_place, folder) = folder();
        assert_eq!(folder.cards().unwrap(), Cards::default());
        let mut cards = Cards::default();
        cards.set([1; 16], 5);
        cards.set([2; 16], u64::MAX);
        cards.set([1; 16], 6);

        folder.write_cards(&cards).unwrap();

        let read = folder.cards().unwrap();
        assert_eq!(read, cards);
        let counts = [1, 2, 3].map(|card| read.count(&[card; 16]));
        assert_eq!(counts, [6, u64::MAX, 0]);
    }

    #[test]
    fn the_bytes_are_those_of_the_document() {
        let mut cards = Cards::default();
        cards.set([0xAB; 16], 258);

        let bytes = cards.to_bytes();

        let (body, check) = bytes.split_at(36);
        assert_eq!(
            hex::encode(body),
            "5352434152445300000000\
             01abababababababababababababababab0000000000000102"
        );
        assert_eq!(check, Sha256::digest(body).as_slice());
    }

    #[test]
    fn of_more_than_sixteen_cards_the_longest_unused_go() {
        let mut cards = Cards::default();
        for card in 0..40 {
            cards.set([card; 16], 1);
            cards.set([0; 16], u64::from(card) + 2);
        }

        assert_eq!(cards.counts.len(), MAX_CARDS);
        assert_eq!(cards.count(&[0; 16]), 41);
        assert_eq!((cards.count(&[24; 16]), cards.count(&[25; 16])), (0, 1));
        assert!(cards.to_bytes().len() <= MAX_BYTES);
    }

    #[test]
    fn what_is_damaged_counts_nothing_and_what_is_newer_is_left_alone() {
        let (place, folder) = folder();
        let path = place.path().join(CARDS_NAME);
        let mut cards = Cards::default();
        cards.set([1; 16], 5);
        let whole = cards.to_bytes();

        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            fs::write(&path, &damaged).unwrap();
            // A version that changed looks like a later one.
            if (8..10).contains(&at) {
                assert!(folder.cards().is_err(), "byte {at}");
            } else {
                assert_eq!(folder.cards().unwrap(), Cards::default(), "byte {at}");
            }
            fs::write(&path, &whole[..at]).unwrap();
            assert_eq!(folder.cards().unwrap(), Cards::default(), "{at} bytes");
        }
        fs::write(&path, &whole).unwrap();
        assert_eq!(folder.cards().unwrap(), cards);
        fs::write(&path, [whole, vec![0; 9_000]].concat()).unwrap();
        assert_eq!(folder.cards().unwrap(), Cards::default());
    }
}
