//! Reads fields off the front of a byte slice, without ever indexing past its end.

/// What is left to read.
pub(crate) struct Fields<'a>(&'a [u8]);

/// The bytes ended before the field did.
#[derive(Debug)]
pub(crate) struct TooShort;

impl<'a> Fields<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<&'a [u8; N], TooShort> {
        let (field, rest) = self.0.split_first_chunk::<N>().ok_or(TooShort)?;
        self.0 = rest;
        Ok(field)
    }

    pub(crate) fn bytes(&mut self, length: usize) -> Result<&'a [u8], TooShort> {
        let (field, rest) = self.0.split_at_checked(length).ok_or(TooShort)?;
        self.0 = rest;
        Ok(field)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, TooShort> {
        self.array().map(|&[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, TooShort> {
        self.array().map(|bytes| u16::from_be_bytes(*bytes))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, TooShort> {
        self.array().map(|bytes| u32::from_be_bytes(*bytes))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, TooShort> {
        self.array().map(|bytes| u64::from_be_bytes(*bytes))
    }

    pub(crate) fn i64(&mut self) -> Result<i64, TooShort> {
        self.array().map(|bytes| i64::from_be_bytes(*bytes))
    }

    /// Returns everything not read yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.0
    }
}
