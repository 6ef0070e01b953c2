//! Slot records: the epoch secret sealed to each custodian's public half.
//!
//! Parses, writes and opens bytes; where records lie is the folder's business. The layout is in
//! `docs/formats/slot.md`.

use std::time::SystemTime;

use rand_core::TryCryptoRng;

pub use crate::id::SlotId;
use crate::{
    aead::{self, RECORD_OVERHEAD},
    header::{FORMAT_VERSION, SUITE, joined},
    id::VaultId,
    kem::{KeyPair, NotAuthentic, PUBLIC_BYTES, PublicKey, SEALED_BYTES},
    key::{self, EpochSecret, RandomnessError},
    metadata,
    parse::{Fields, TooShort},
};

/// Length of a slot record, in bytes.
pub const SLOT_RECORD_BYTES: usize = AAD_BYTES + SEALED_BYTES + SEALED_LABEL_BYTES;
/// How many bytes of a slot's name are kept.
pub const MAX_SLOT_NAME_BYTES: usize = 63;

const MAGIC: &[u8; 8] = b"SRSLOT\0\0";
const NAME_LENGTH_BITS: u8 = 0x3F;
const AAD_BYTES: usize = 48 + PUBLIC_BYTES;
const LABEL_BYTES: usize = 8 + 1 + MAX_SLOT_NAME_BYTES;
const SEALED_LABEL_BYTES: usize = LABEL_BYTES + RECORD_OVERHEAD;

/// Why bytes are no slot record that this program reads.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SlotError {
    /// The bytes are damaged or something else.
    #[error("the slot record is damaged")]
    Damaged,
    /// The record was written by a later version of this program.
    #[error("the slot record has format {found}, this program reads up to {FORMAT_VERSION}")]
    TooNew {
        /// The format version in the record.
        found: u16,
    },
}

impl From<TooShort> for SlotError {
    fn from(TooShort: TooShort) -> Self {
        Self::Damaged
    }
}

/// One custodian's way in.
pub struct SlotRecord {
    /// The vault that the slot belongs to.
    pub vault: VaultId,
    /// The slot's name, which follows from its public half.
    pub slot: SlotId,
    /// The epoch that the slot opens.
    pub epoch: u32,
    public: PublicKey,
    sealed_secret: Box<[u8; SEALED_BYTES]>,
    sealed_label: [u8; SEALED_LABEL_BYTES],
}

/// What kind of custodian holds a slot's secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SlotKind {
    /// A key file on a key device.
    Stick,
    /// 24 recovery words.
    Words,
    /// An unlock code, with the pepper on the system card.
    Code,
    /// Something that a later version knows.
    Other,
}

/// What the owner knows a slot by; sealed, so that the drive does not tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotLabel {
    /// What kind of custodian holds the secret.
    pub kind: SlotKind,
    /// The name given when the slot was made.
    pub name: String,
    /// When the slot was made.
    pub created_at: Option<SystemTime>,
}

impl SlotRecord {
    /// Seals an epoch's secret to the public half of a slot.
    pub(crate) fn seal(
        vault: &VaultId,
        epoch: u32,
        secret: &EpochSecret,
        public: PublicKey,
        label: &SlotLabel,
        rng: &mut impl TryCryptoRng,
    ) -> Result<Self, RandomnessError> {
        let slot = key::slot_id(&public);
        let aad = aad(vault, &slot, epoch, &public);
        let sealed_secret = public.seal("slot", &aad, secret.expose_to_cipher(), rng)?;
        let sealed = aead::seal_record(&secret.purpose("slot-label"), &aad, &label.to_bytes());
        let mut sealed_label = [0; SEALED_LABEL_BYTES];
        sealed_label
            .iter_mut()
            .zip(sealed)
            .for_each(|(to, from)| *to = from);
        Ok(Self {
            vault: *vault,
            slot,
            epoch,
            public,
            sealed_secret: Box::new(sealed_secret),
            sealed_label,
        })
    }

    /// Reads a slot record. Nothing but the slot's name is authenticated here.
    ///
    /// # Errors
    /// When the bytes are no slot record of this version and suite.
    pub fn parse(bytes: &[u8]) -> Result<Self, SlotError> {
        let mut fields = Fields::new(bytes);
        if fields.array()? != MAGIC {
            return Err(SlotError::Damaged);
        }
        let version = fields.u16()?;
        if version > FORMAT_VERSION {
            return Err(SlotError::TooNew { found: version });
        }
        let suite = fields.u16()?;
        let vault = VaultId::from_bytes(*fields.array()?);
        let slot = SlotId::from_bytes(*fields.array()?);
        let epoch = fields.u32()?;
        let public = PublicKey::from_bytes(fields.array()?).map_err(|_| SlotError::Damaged)?;
        let sealed_secret = Box::new(*fields.array()?);
        let sealed_label = *fields.array()?;
        let whole = fields.rest().is_empty() && suite == SUITE && epoch > 0;
        if !whole || key::slot_id(&public) != slot {
            return Err(SlotError::Damaged);
        }
        Ok(Self {
            vault,
            slot,
            epoch,
            public,
            sealed_secret,
            sealed_label,
        })
    }

    /// Writes the record for the vault folder, and for the copy on the system card.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.aad().to_vec();
        bytes.extend_from_slice(self.sealed_secret.as_slice());
        bytes.extend_from_slice(&self.sealed_label);
        bytes
    }

    pub(crate) fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Opens the epoch secret with the slot's own key pair.
    pub(crate) fn open(&self, pair: &KeyPair) -> Result<EpochSecret, NotAuthentic> {
        let secret = pair.open("slot", &self.aad(), &self.sealed_secret, |secret| {
            EpochSecret::init_with(|place| *place = *secret)
        })?;
        // A label that does not open means that somebody put the record together anew.
        self.label(&secret).map(|_| secret)
    }

    /// Gives the slot another label; the way in stays the same.
    pub(crate) fn relabel(&mut self, secret: &EpochSecret, label: &SlotLabel) {
        let key = secret.purpose("slot-label");
        let sealed = aead::seal_record(&key, &self.aad(), &label.to_bytes());
        self.sealed_label
            .iter_mut()
            .zip(sealed)
            .for_each(|(to, from)| *to = from);
    }

    /// Opens the slot's label with the secret of the record's epoch.
    pub(crate) fn label(&self, secret: &EpochSecret) -> Result<SlotLabel, NotAuthentic> {
        let key = secret.purpose("slot-label");
        let label =
            aead::open_record(&key, &self.aad(), &self.sealed_label).map_err(|_| NotAuthentic)?;
        SlotLabel::parse(&label).map_err(|_| NotAuthentic)
    }

    fn aad(&self) -> [u8; AAD_BYTES] {
        aad(&self.vault, &self.slot, self.epoch, &self.public)
    }
}

impl SlotKind {
    /// Returns the kind in the two bits that a name's length leaves free.
    fn to_bits(self) -> u8 {
        match self {
            Self::Stick => 0x00,
            Self::Words => 0x40,
            Self::Code => 0x80,
            Self::Other => 0xC0,
        }
    }

    fn from_bits(bits: u8) -> Self {
        match bits {
            0x00 => Self::Stick,
            0x40 => Self::Words,
            0x80 => Self::Code,
            _ => Self::Other,
        }
    }
}

impl SlotLabel {
    fn to_bytes(&self) -> [u8; LABEL_BYTES] {
        let name = metadata::cut(&self.name, MAX_SLOT_NAME_BYTES);
        let zeros = vec![0; MAX_SLOT_NAME_BYTES - name.len()];
        joined(&[
            &metadata::to_millis(self.created_at).to_be_bytes(),
            &[self.kind.to_bits() | u8::try_from(name.len()).unwrap_or_default()],
            name.as_bytes(),
            &zeros,
        ])
    }

    fn parse(bytes: &[u8]) -> Result<Self, TooShort> {
        let mut fields = Fields::new(bytes);
        let created_at = metadata::from_millis(fields.i64()?);
        let kind_and_length = fields.u8()?;
        let length = usize::from(kind_and_length & NAME_LENGTH_BITS);
        let name = String::from_utf8_lossy(fields.bytes(length)?).into_owned();
        Ok(Self {
            kind: SlotKind::from_bits(kind_and_length & !NAME_LENGTH_BITS),
            name,
            created_at,
        })
    }
}

fn aad(vault: &VaultId, slot: &SlotId, epoch: u32, public: &PublicKey) -> [u8; AAD_BYTES] {
    joined(&[
        MAGIC,
        &FORMAT_VERSION.to_be_bytes(),
        &SUITE.to_be_bytes(),
        vault.as_bytes(),
        slot.as_bytes(),
        &epoch.to_be_bytes(),
        &public.to_bytes(),
    ])
}

#[cfg(test)]
mod tests;
