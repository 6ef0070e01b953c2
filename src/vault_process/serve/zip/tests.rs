//! What is written is read by another program.

use std::{fs, process::Command};

use super::*;

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.finish()
}

/// Writes a zip of these files and returns it.
fn zip(files: &[(&str, &[u8])], limit: u64) -> Vec<u8> {
    let mut taken = HashSet::new();
    let members: Vec<Member> = files
        .iter()
        .map(|(name, content)| Member {
            name: distinct(name, &mut taken),
            bytes: content.len() as u64,
            crc: crc(content),
            modified_at: 1_777_888_800,
        })
        .collect();
    let parts = layout(&members, limit);
    let written: Vec<u8> = parts
        .into_iter()
        .flat_map(|part| match part {
            Part::Bytes(bytes) => bytes,
            Part::Content(place) => files[place].1.to_vec(),
        })
        .collect();
    assert_eq!(written.len() as u64, length(&members, limit));
    written
}

/// What Python's zipfile reads: names, times and contents, each checked against its sum.
fn read(zip: &[u8]) -> String {
    const READER: &str = "
import sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as archive:
    bad = archive.testzip()
    assert bad is None, bad
    for it in archive.infolist():
        print(it.filename, it.date_time, it.compress_type, archive.read(it).decode())
";
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("x.zip");
    fs::write(&path, zip).unwrap();
    let done = Command::new("python3")
        .args(["-c", READER])
        .arg(&path)
        .env("PYTHONIOENCODING", "utf-8")
        .output()
        .unwrap();
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    String::from_utf8(done.stdout).unwrap()
}

const FILES: &[(&str, &[u8])] = &[
    ("beach.jpg", b"a beach"),
    ("Beach.JPG", b"another"),
    ("Köln ❤", b""),
    ("beach.jpg", b"a third"),
    (".hidden", b"x"),
];

#[test]
fn python_reads_what_is_written_with_and_without_zip64() {
    // From 5 on everything is written in 64 bits, and some of it from 30 on.
    for limit in [LIMIT, 30, 5] {
        let read = read(&zip(FILES, limit));

        let at = "(2026, 5, 4, 10, 0, 0) 0";
        let expected = format!(
            "beach.jpg {at} a beach\nBeach (2).JPG {at} another\nKöln ❤ {at} \n\
             beach (3).jpg {at} a third\n.hidden {at} x\n"
        );
        assert_eq!(read, expected, "{limit}");
    }
    assert_eq!(read(&zip(&[], LIMIT)), "");
}

#[test]
fn python_notices_one_flipped_bit() {
    let mut zip = zip(FILES, LIMIT);
    let at = zip.windows(7).position(|it| it == b"a beach").unwrap();
    zip[at] ^= 1;

    assert!(std::panic::catch_unwind(|| read(&zip)).is_err());
}

#[test]
fn the_checksum_is_the_one_everybody_uses() {
    assert_eq!(crc(b"123456789"), 0xCBF4_3926);
    assert_eq!(crc(b""), 0);
}

#[test]
fn times_outside_of_what_dos_knows_are_its_first_and_last() {
    assert_eq!(dos_time(i64::MIN), ((1 << 5) | 1, 0));
    assert_eq!(dos_time(i64::MAX).0 >> 9, 127);
}
