//! Trust decisions and fingerprints.
//!
//! It records decisions; who may make them is the caller's business.

use std::fmt;

use curve25519_dalek::MontgomeryPoint;

use crate::{
    Address, Damaged, Namespace, Namespaces,
    encoding::{Reader, Writer},
    key::PublicKey,
};

const VERSION: u8 = 1;

/// The public identity key of a device, as a point on Curve25519.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdentityKey(pub(crate) [u8; 32]);

impl IdentityKey {
    /// Returns the key's 32 bytes, without the prefix that the legacy namespace puts before it.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns the 64 lower-case hex digits that clients show.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        hex::encode(self.0)
    }

    /// Returns the last 8 hex digits of the fingerprint.
    #[must_use]
    pub fn short(&self) -> String {
        hex::encode(&self.0[28..])
    }

    /// Reads a fingerprint as people type or paste it: any case, in groups, with or without `05`.
    ///
    /// # Errors
    /// [`FingerprintError`].
    pub fn from_fingerprint(typed: &str) -> Result<Self, FingerprintError> {
        let mut digits = String::with_capacity(66);
        for character in typed.chars() {
            match character {
                '0'..='9' | 'a'..='f' | 'A'..='F' => digits.push(character),
                ':' | '-' | '.' => {}
                space if space.is_whitespace() => {}
                _ => return Err(FingerprintError::NotHex),
            }
        }
        let bare = match digits.strip_prefix("05") {
            Some(bare) if digits.len() == 66 => bare,
            _ => digits.as_str(),
        };
        let mut key = [0; 32];
        hex::decode_to_slice(bare, &mut key).map_err(|_| FingerprintError::Length {
            digits: digits.len(),
        })?;
        Self::checked(PublicKey(key)).ok_or(FingerprintError::NotAKey)
    }
}

impl IdentityKey {
    /// Takes a point that is on the curve, not of small order, and written in the one usual way,
    /// so that one key has one fingerprint.
    pub(crate) fn checked(key: PublicKey) -> Option<Self> {
        let point = MontgomeryPoint(key.0).to_edwards(0)?;
        let is_usual = point.to_montgomery().to_bytes() == key.0;
        (is_usual && !point.is_small_order()).then_some(Self(key.0))
    }

    pub(crate) fn public(&self) -> PublicKey {
        PublicKey(self.0)
    }
}

impl fmt::Debug for IdentityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdentityKey({})", self.fingerprint())
    }
}

/// Why a text is no fingerprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FingerprintError {
    /// It has other characters than hex digits and separators.
    #[error("a fingerprint has only the digits 0-9 and a-f")]
    NotHex,
    /// It has too few or too many digits.
    #[error("a fingerprint has 64 digits, this has {digits}")]
    Length {
        /// How many hex digits were found.
        digits: usize,
    },
    /// The digits are no usable key.
    #[error("these digits are no identity key")]
    NotAKey,
}

/// What was decided about a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Trust {
    /// Nothing yet: the device is in quarantine.
    Undecided,
    /// It was paired by a one-time code.
    Paired,
    /// A pinned device approved it.
    Vouched,
    /// Its fingerprint was given by the owner beforehand.
    Pinned,
    /// It was shut out for good.
    Revoked,
}

impl Trust {
    /// Tells whether the device was let in by somebody.
    #[must_use]
    pub fn is_trusted(self) -> bool {
        match self {
            Self::Paired | Self::Vouched | Self::Pinned => true,
            Self::Undecided | Self::Revoked => false,
        }
    }

    fn code(self) -> u8 {
        match self {
            Self::Undecided => 0,
            Self::Paired => 1,
            Self::Vouched => 2,
            Self::Pinned => 3,
            Self::Revoked => 4,
        }
    }

    fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Undecided),
            1 => Some(Self::Paired),
            2 => Some(Self::Vouched),
            3 => Some(Self::Pinned),
            4 => Some(Self::Revoked),
            _ => None,
        }
    }
}

/// A device that was seen, with its identity key and what was decided about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownDevice {
    /// The device.
    pub address: Address,
    /// Its identity key, as first seen.
    pub identity: IdentityKey,
    /// What was decided about it.
    pub trust: Trust,
    /// The namespaces in which its account's device list names it.
    pub active: Namespaces,
    /// When it was first seen, in seconds since 1970.
    pub first_seen_at: u64,
    /// The namespace of the last message that was opened; `None` before the first one.
    pub wrote_in: Option<Namespace>,
}

impl KnownDevice {
    /// Writes all but the address for the store.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let Self {
            address: _,
            identity,
            trust,
            active,
            first_seen_at,
            wrote_in,
        } = self;
        let mut out = Writer::new(44);
        out.u8(VERSION);
        out.bytes(identity.as_bytes());
        out.u8(trust.code());
        out.u8(active.code());
        out.u64(*first_seen_at);
        out.u8(wrote_in.map_or(0, Namespace::code));
        out.finish().to_vec()
    }

    /// Reads what [`Self::to_bytes`] wrote about the device at `address`.
    ///
    /// # Errors
    /// [`Damaged`] if the bytes are anything else.
    pub fn from_bytes(address: Address, bytes: &[u8]) -> Result<Self, Damaged> {
        let mut from = Reader::new(bytes, VERSION)?;
        let device = Self {
            address,
            identity: IdentityKey(*from.array()?),
            trust: Trust::from_code(from.u8()?).ok_or(Damaged)?,
            active: Namespaces::from_code(from.u8()?).ok_or(Damaged)?,
            first_seen_at: from.u64()?,
            wrote_in: match from.u8()? {
                0 => None,
                code => Some(Namespace::from_code(code).ok_or(Damaged)?),
            },
        };
        from.finish()?;
        Ok(device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a";

    #[test]
    fn fingerprints_are_read_in_every_way_people_write_them() {
        let key = IdentityKey::from_fingerprint(KEY).unwrap();
        let groups: Vec<_> = KEY
            .as_bytes()
            .chunks(8)
            .map(|it| str::from_utf8(it).unwrap())
            .collect();

        for typed in [
            format!("05{KEY}"),
            KEY.to_uppercase(),
            groups.join(" "),
            groups.join(":"),
            format!("  05 {}\n", groups.join("\u{a0}")),
        ] {
            assert_eq!(IdentityKey::from_fingerprint(&typed), Ok(key), "{typed}");
        }
        assert_eq!(key.fingerprint(), KEY);
        assert_eq!(key.short(), "aa9b4e6a");
    }

    #[test]
    fn what_is_no_fingerprint_is_refused_and_why() {
        let short = &KEY[1..];
        let cases = [
            (String::new(), FingerprintError::Length { digits: 0 }),
            (short.into(), FingerprintError::Length { digits: 63 }),
            (format!("06{KEY}"), FingerprintError::Length { digits: 66 }),
            (format!("g{short}"), FingerprintError::NotHex),
            ("0".repeat(64), FingerprintError::NotAKey),
            ("f".repeat(64), FingerprintError::NotAKey),
        ];

        for (typed, why) in cases {
            assert_eq!(IdentityKey::from_fingerprint(&typed), Err(why), "{typed}");
        }
    }

    #[test]
    fn another_way_to_write_the_same_point_is_no_identity_key() {
        let mut bytes = *IdentityKey::from_fingerprint(KEY).unwrap().as_bytes();
        bytes[31] |= 0x80;

        assert_eq!(IdentityKey::checked(PublicKey(bytes)), None);
    }

    #[test]
    fn only_what_somebody_let_in_is_trusted() {
        let trusted = [Trust::Paired, Trust::Vouched, Trust::Pinned];
        let others = [Trust::Undecided, Trust::Revoked];

        assert!(trusted.into_iter().all(Trust::is_trusted));
        assert!(!others.into_iter().any(Trust::is_trusted));
    }
}
