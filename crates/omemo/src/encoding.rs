//! How records of the store are laid out: fixed fields in order, integers big-endian, a version
//! byte first.
//!
//! It does not know the records. Readers are strict: a record that is too short, too long or has a
//! value out of range is [`Damaged`].

use zeroize::Zeroizing;

use crate::Damaged;

/// Writes a record of which the caller knows the length, so that no copy of it is left behind by
/// growing.
pub(crate) struct Writer(Zeroizing<Vec<u8>>);

impl Writer {
    pub(crate) fn new(length: usize) -> Self {
        Self(Zeroizing::new(Vec::with_capacity(length)))
    }

    pub(crate) fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    pub(crate) fn bool(&mut self, value: bool) {
        self.0.push(value.into());
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    /// Writes the length of a list that is bounded below 256.
    pub(crate) fn count8(&mut self, count: usize) {
        let [.., low] = count.to_be_bytes();
        self.u8(low);
    }

    /// Writes the length of a list that is bounded below 65,536.
    pub(crate) fn count16(&mut self, count: usize) {
        let [.., high, low] = count.to_be_bytes();
        self.bytes(&[high, low]);
    }

    pub(crate) fn bytes(&mut self, value: &[u8]) {
        self.0.extend_from_slice(value);
    }

    pub(crate) fn finish(self) -> Zeroizing<Vec<u8>> {
        self.0
    }
}

/// Reads what [`Writer`] wrote.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Starts after the version byte, which must be `version`.
    pub(crate) fn new(bytes: &'a [u8], version: u8) -> Result<Self, Damaged> {
        let mut reader = Self(bytes);
        if reader.u8()? == version {
            Ok(reader)
        } else {
            Err(Damaged)
        }
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<&'a [u8; N], Damaged> {
        let (field, rest) = self.0.split_first_chunk().ok_or(Damaged)?;
        self.0 = rest;
        Ok(field)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Damaged> {
        self.array::<1>().map(|[value]| *value)
    }

    pub(crate) fn bool(&mut self) -> Result<bool, Damaged> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Damaged),
        }
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Damaged> {
        self.array().copied().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Damaged> {
        self.array().copied().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Damaged> {
        self.array().copied().map(u64::from_be_bytes)
    }

    /// Checks that nothing is left.
    pub(crate) fn finish(self) -> Result<(), Damaged> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Damaged)
        }
    }
}
