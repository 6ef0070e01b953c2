//! Whether a device is blank, and whether a file system is as fresh as it was made. Only reads.
//!
//! A lost table hides whole file systems, and a journal or a damaged folder hides files: so neither the
//! ends of a device nor the names in its top folder are believed alone.

use std::{
    fs::File,
    io::{self, Seek as _, SeekFrom},
    os::unix::fs::FileExt as _,
};

use rustix::fs::StatVfs;

const MIB: u64 = 1 << 20;
/// How much of its beginning has to be zeros: where a first partition begins, and well into it.
const HEAD_BYTES: u64 = 5 * MIB;
/// How much of its end has to be zeros.
const TAIL_BYTES: u64 = MIB;
/// So many pieces of this length, spread over all of it, have to be zeros.
const SAMPLES: u64 = 256;
const SAMPLE_BYTES: u64 = 4096;
/// What a fresh ext4 uses for its two folders, with room to spare: 28 KiB were measured.
const EXT4_BYTES: u64 = 64 << 10;
/// The up-case table as every maker of an exFAT writes it. exFAT specification 7.2.5
const UP_CASE_BYTES: u64 = 5836;

/// Returns how long a device is.
pub(super) fn length(device: &File) -> io::Result<u64> {
    let mut device = device;
    device.seek(SeekFrom::End(0))
}

/// Tells whether there are zeros at both ends of a device and wherever else it is looked.
pub(super) fn is_blank(device: &File) -> io::Result<bool> {
    let length = length(device)?;
    let ends = [
        (0, HEAD_BYTES),
        (length.saturating_sub(TAIL_BYTES), TAIL_BYTES),
    ];
    let samples = (0..SAMPLES).map(|number| {
        let at = u128::from(length) * u128::from(number) / u128::from(SAMPLES);
        let at = u64::try_from(at).unwrap_or(0);
        (at - at % SAMPLE_BYTES, SAMPLE_BYTES)
    });
    for (start, bytes) in ends.into_iter().chain(samples) {
        let mut at = start;
        let end = (start + bytes).min(length);
        let mut piece = [0; 4096];
        while at < end {
            let wanted = piece
                .len()
                .min(usize::try_from(end - at).unwrap_or(piece.len()));
            device.read_exact_at(&mut piece[..wanted], at)?;
            if piece[..wanted].iter().any(|it| *it != 0) {
                return Ok(false);
            }
            at += wanted as u64;
        }
    }
    Ok(true)
}

/// Returns how many bytes a fresh file system of this kind uses; `None` where this one was not left in
/// order, so that what it shows is not all there is.
pub(super) fn fresh_bytes(device: &File, kind: &str) -> io::Result<Option<u64>> {
    match kind {
        "ext4" => ext4(device),
        "vfat" => fat(device),
        "exfat" => exfat(device),
        _ => Ok(None),
    }
}

/// Returns how many bytes a mounted file system uses.
pub(super) fn used_bytes(stat: &StatVfs) -> u64 {
    stat.f_blocks
        .saturating_sub(stat.f_bfree)
        .saturating_mul(stat.f_frsize)
}

fn bytes<const N: usize>(device: &File, at: u64) -> io::Result<[u8; N]> {
    let mut found = [0; N];
    device.read_exact_at(&mut found, at)?;
    Ok(found)
}

fn u16_at(device: &File, at: u64) -> io::Result<u64> {
    bytes(device, at).map(|it| u64::from(u16::from_le_bytes(it)))
}

fn u32_at(device: &File, at: u64) -> io::Result<u64> {
    bytes(device, at).map(|it| u64::from(u32::from_le_bytes(it)))
}

/// ext4 disk layout, super block: `s_state` at 0x3A, `s_feature_incompat` at 0x60.
fn ext4(device: &File) -> io::Result<Option<u64>> {
    const SUPER_BLOCK: u64 = 1024;
    const CLEAN: u64 = 1;
    const RECOVER: u64 = 4;
    let state = u16_at(device, SUPER_BLOCK + 0x3A)?;
    let features = u32_at(device, SUPER_BLOCK + 0x60)?;
    Ok((state == CLEAN && features & RECOVER == 0).then_some(EXT4_BYTES))
}

/// FAT specification 3.1 to 3.3 and 4: the boot sector, and the marks in the table's second entry.
fn fat(device: &File) -> io::Result<Option<u64>> {
    let sector = u16_at(device, 11)?;
    let [per_cluster] = bytes(device, 13)?;
    let table = u16_at(device, 14)? * sector;
    let is_32 = u16_at(device, 22)? == 0;
    let [mark] = bytes(device, if is_32 { 0x41 } else { 0x25 })?;
    let clean = if is_32 {
        u32_at(device, table + 4)? & 0x0C00_0000 == 0x0C00_0000
    } else {
        // A FAT12 has no such marks, and does not pass.
        u16_at(device, table + 2)? & 0xC000 == 0xC000
    };
    // The top folder of the older ones is no cluster.
    let folder = if is_32 {
        sector * u64::from(per_cluster)
    } else {
        0
    };
    Ok((mark & 3 == 0 && clean).then_some(folder))
}

/// exFAT specification 3.1: the boot sector. It uses its map of clusters, its up-case table and a folder.
fn exfat(device: &File) -> io::Result<Option<u64>> {
    const DIRTY_OR_FAILED: u64 = 6;
    let clusters = u32_at(device, 92)?;
    let marks = u16_at(device, 106)?;
    let [sector_shift, cluster_shift] = bytes(device, 108)?;
    let cluster = 1_u64.checked_shl(u32::from(sector_shift) + u32::from(cluster_shift));
    let Some(cluster) = cluster.filter(|_| marks & DIRTY_OR_FAILED == 0) else {
        return Ok(None);
    };
    let used = |bytes: u64| bytes.div_ceil(cluster);
    let all = used(clusters.div_ceil(8)) + used(UP_CASE_BYTES) + 1;
    Ok(all.checked_mul(cluster))
}

#[cfg(test)]
mod tests {
    use std::{io::Write as _, process::Command};

    use super::*;

    const LENGTH: u64 = 64 * MIB;

    fn image(length: u64) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(length).unwrap();
        file
    }

    fn made(program: &str, arguments: &[&str]) -> Option<tempfile::NamedTempFile> {
        let file = image(LENGTH);
        let mut command = Command::new(program);
        let output = command.args(arguments).arg(file.path()).output().ok()?;
        assert!(output.status.success(), "{output:?}");
        Some(file)
    }

    #[test]
    fn one_byte_where_it_is_looked_is_not_blank() {
        let twin = image(LENGTH);
        assert!(is_blank(twin.as_file()).unwrap());
        for at in [
            0,
            32 << 10,
            64 << 10,
            MIB,
            MIB + 1080,
            2 * MIB,
            4 * MIB,
            LENGTH / 2,
            LENGTH / 256 * 255 + 4095,
            LENGTH - MIB,
            LENGTH - 1,
        ] {
            let file = image(LENGTH);
            file.as_file().write_all_at(b"x", at).unwrap();
            assert!(!is_blank(file.as_file()).unwrap(), "{at}");
        }
        assert!(is_blank(image(0).as_file()).unwrap());
        let mut small = image(0);
        small.write_all(b"\0\0x").unwrap();
        assert!(!is_blank(small.as_file()).unwrap());
    }

    #[test]
    fn a_file_system_that_was_not_left_in_order_is_not_fresh() {
        let cases: [(&str, &str, &[&str], u64, u8); 7] = [
            ("ext4", "mkfs.ext4", &["-q", "-F"], 1024 + 0x3A, 0),
            ("ext4", "mkfs.ext4", &["-q", "-F"], 1024 + 0x3A, 3),
            ("ext4", "mkfs.ext4", &["-q", "-F"], 1024 + 0x60, 0xC6),
            ("vfat", "mkfs.vfat", &["-F", "32"], 0x41, 1),
            ("vfat", "mkfs.vfat", &["-F", "16"], 0x25, 1),
            ("exfat", "mkfs.exfat", &[], 106, 2),
            ("exfat", "mkfs.exfat", &[], 106, 4),
        ];
        for (kind, program, arguments, at, mark) in cases {
            let Some(file) = made(program, arguments) else {
                eprintln!("there is no {program}");
                continue;
            };
            let fresh = fresh_bytes(file.as_file(), kind).unwrap();
            file.as_file().write_all_at(&[mark], at).unwrap();
            let marked = fresh_bytes(file.as_file(), kind).unwrap();

            assert!(fresh.is_some_and(|it| it <= 256 << 10), "{kind}: {fresh:?}");
            assert_eq!(marked, None, "{kind} {at}");
        }
        assert_eq!(fresh_bytes(image(LENGTH).as_file(), "ntfs").unwrap(), None);
    }

    #[test]
    fn a_fat_that_was_pulled_while_written_is_not_fresh() {
        for (size, at, mark) in [("32", 4 + 3, 0x07), ("16", 2 + 1, 0x7F)] {
            let Some(file) = made("mkfs.vfat", &["-F", size]) else {
                eprintln!("there is no mkfs.vfat");
                return;
            };
            let table = u16_at(file.as_file(), 14).unwrap() * u16_at(file.as_file(), 11).unwrap();
            assert!(fresh_bytes(file.as_file(), "vfat").unwrap().is_some());

            file.as_file().write_all_at(&[mark], table + at).unwrap();

            assert_eq!(
                fresh_bytes(file.as_file(), "vfat").unwrap(),
                None,
                "FAT{size}"
            );
        }
    }
}
