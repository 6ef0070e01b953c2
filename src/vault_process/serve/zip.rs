//! Many files as one zip: stored as they are, with all lengths and checksums in front, so that
//! every program reads it, also while it comes.
//!
//! Knows neither the vault nor ciphers. It follows PKWARE's APPNOTE 6.3.10 (4.3, 4.5.3): zip64
//! where a length, an offset or the count asks for it, names in UTF-8.

use std::collections::HashSet;

use chrono::{DateTime, Datelike as _, Timelike as _};

/// Lengths, offsets and counts from here on are written in 64 bits.
pub(super) const LIMIT: u64 = 0xFFFF_FFFF;
const MAX_COUNT: usize = 0xFFFF;
/// Names in UTF-8.
const FLAGS: u16 = 0x0800;
const VERSION: u16 = 45;
/// Version 4.5, made on Unix.
const MADE_BY: u16 = (3 << 8) | VERSION;
/// An ordinary file that its owner writes and all read.
const MODE: u32 = 0o100_644 << 16;

/// One file in a zip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) bytes: u64,
    pub(super) crc: u32,
    /// In seconds since 1970.
    pub(super) modified_at: i64,
}

/// A piece of a zip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// These bytes.
    Bytes(Vec<u8>),
    /// The content of the member at this place.
    Content(usize),
}

/// Lays a zip out. From `limit` on numbers are written in 64 bits.
pub(super) fn layout(members: &[Member], limit: u64) -> Vec<Part> {
    let mut parts = Vec::with_capacity(2 * members.len() + 1);
    let mut directory = Vec::new();
    let mut offset = 0_u64;
    for (place, member) in members.iter().enumerate() {
        let header = local_header(member, limit);
        directory.extend(directory_entry(member, offset, limit));
        offset += header.len() as u64 + member.bytes;
        parts.push(Part::Bytes(header));
        parts.push(Part::Content(place));
    }
    let end = end(members.len(), directory.len() as u64, offset, limit);
    directory.extend(end);
    parts.push(Part::Bytes(directory));
    parts
}

/// Returns how long a zip of these members is, in bytes.
pub(super) fn length(members: &[Member], limit: u64) -> u64 {
    let parts = layout(members, limit);
    let of = |part: &Part| match part {
        Part::Bytes(bytes) => bytes.len() as u64,
        Part::Content(place) => members.get(*place).map_or(0, |it| it.bytes),
    };
    parts.iter().map(of).sum()
}

fn local_header(member: &Member, limit: u64) -> Vec<u8> {
    let mut header = Vec::new();
    let is_large = member.bytes >= limit;
    header.extend(0x0403_4B50_u32.to_le_bytes());
    header.extend(common(member, is_large));
    header.extend(if is_large { 20_u16 } else { 0 }.to_le_bytes());
    header.extend(member.name.as_bytes());
    if is_large {
        header.extend(zip64(&[member.bytes, member.bytes]));
    }
    header
}

/// What local header and directory entry both have, from the version to the length of the name.
fn common(member: &Member, is_large: bool) -> Vec<u8> {
    let (date, time) = dos_time(member.modified_at);
    let length = if is_large {
        u32::MAX
    } else {
        low(member.bytes)
    };
    let name = u16::try_from(member.name.len()).unwrap_or(u16::MAX);
    let mut bytes = Vec::new();
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend(FLAGS.to_le_bytes());
    // stored
    bytes.extend(0_u16.to_le_bytes());
    bytes.extend(time.to_le_bytes());
    bytes.extend(date.to_le_bytes());
    bytes.extend(member.crc.to_le_bytes());
    bytes.extend(length.to_le_bytes());
    bytes.extend(length.to_le_bytes());
    bytes.extend(name.to_le_bytes());
    bytes
}

fn directory_entry(member: &Member, offset: u64, limit: u64) -> Vec<u8> {
    let is_large = member.bytes >= limit;
    let is_far = offset >= limit;
    let mut wide = Vec::new();
    if is_large {
        wide.extend([member.bytes, member.bytes]);
    }
    if is_far {
        wide.push(offset);
    }
    let extra = if wide.is_empty() {
        Vec::new()
    } else {
        zip64(&wide)
    };
    let mut entry = Vec::new();
    entry.extend(0x0201_4B50_u32.to_le_bytes());
    entry.extend(MADE_BY.to_le_bytes());
    entry.extend(common(member, is_large));
    entry.extend(u16::try_from(extra.len()).unwrap_or_default().to_le_bytes());
    // no comment, disk 0, binary
    entry.extend([0; 6]);
    entry.extend(MODE.to_le_bytes());
    let offset = if is_far { u32::MAX } else { low(offset) };
    entry.extend(offset.to_le_bytes());
    entry.extend(member.name.as_bytes());
    entry.extend(extra);
    entry
}

fn zip64(numbers: &[u64]) -> Vec<u8> {
    let mut extra = Vec::new();
    extra.extend(1_u16.to_le_bytes());
    let length = u16::try_from(8 * numbers.len()).unwrap_or_default();
    extra.extend(length.to_le_bytes());
    extra.extend(numbers.iter().flat_map(|it| it.to_le_bytes()));
    extra
}

fn end(count: usize, bytes: u64, offset: u64, limit: u64) -> Vec<u8> {
    let is_wide = count >= MAX_COUNT || bytes >= limit || offset >= limit;
    let mut end = Vec::new();
    if is_wide {
        end.extend(0x0606_4B50_u32.to_le_bytes());
        end.extend(44_u64.to_le_bytes());
        end.extend(MADE_BY.to_le_bytes());
        end.extend(VERSION.to_le_bytes());
        end.extend([0; 8]);
        for number in [count as u64, count as u64, bytes, offset] {
            end.extend(number.to_le_bytes());
        }
        end.extend(0x0706_4B50_u32.to_le_bytes());
        end.extend(0_u32.to_le_bytes());
        end.extend((offset + bytes).to_le_bytes());
        end.extend(1_u32.to_le_bytes());
    }
    let count = u16::try_from(count).unwrap_or(u16::MAX);
    let count = if is_wide { u16::MAX } else { count };
    let narrow = |number: u64| if is_wide { u32::MAX } else { low(number) };
    end.extend(0x0605_4B50_u32.to_le_bytes());
    end.extend([0; 4]);
    end.extend(count.to_le_bytes());
    end.extend(count.to_le_bytes());
    end.extend(narrow(bytes).to_le_bytes());
    end.extend(narrow(offset).to_le_bytes());
    end.extend(0_u16.to_le_bytes());
    end
}

fn low(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Date and time as MS-DOS has them, from 1980 to 2107.
fn dos_time(seconds: i64) -> (u16, u16) {
    const FIRST: i64 = 315_532_800;
    const LAST: i64 = 4_354_819_198;
    let at = DateTime::from_timestamp(seconds.clamp(FIRST, LAST), 0).unwrap_or_default();
    let year = u32::try_from(at.year() - 1980).unwrap_or_default();
    let date = (year << 9) | (at.month() << 5) | at.day();
    let time = (at.hour() << 11) | (at.minute() << 5) | (at.second() / 2);
    let short = |number: u32| u16::try_from(number).unwrap_or_default();
    (short(date), short(time))
}

/// Makes names differ from each other, in whatever case: `a.jpg`, `a (2).jpg`.
pub(super) fn distinct(name: &str, taken: &mut HashSet<String>) -> String {
    let (stem, ending) = match name.rsplit_once('.') {
        Some((stem, ending)) if !stem.is_empty() => (stem, format!(".{ending}")),
        _ => (name, String::new()),
    };
    let mut candidate = name.to_owned();
    let mut count = 2;
    while !taken.insert(candidate.to_lowercase()) {
        candidate = format!("{stem} ({count}){ending}");
        count += 1;
    }
    candidate
}

/// The checksum of a zip's members: CRC-32 of IEEE 802.3.
pub(super) struct Crc(u32);

impl Crc {
    pub(super) fn new() -> Self {
        Self(u32::MAX)
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        const TABLE: [u32; 256] = table();
        for byte in bytes {
            let place = usize::from(self.0.to_le_bytes()[0] ^ byte);
            let found = TABLE.get(place).copied().unwrap_or_default();
            self.0 = found ^ (self.0 >> 8);
        }
    }

    pub(super) fn finish(self) -> u32 {
        !self.0
    }
}

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut place = 0;
    while place < table.len() {
        #[expect(clippy::cast_possible_truncation, reason = "below 256")]
        let mut rest = place as u32;
        let mut bit = 0;
        while bit < 8 {
            rest = if rest & 1 == 1 {
                0xEDB8_8320 ^ (rest >> 1)
            } else {
                rest >> 1
            };
            bit += 1;
        }
        table[place] = rest;
        place += 1;
    }
    table
}

// They ask Python.
#[cfg(test)]
#[cfg(feature = "peers")]
mod tests;
