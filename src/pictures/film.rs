//! What a film says of itself: how large it is shown, and whether a camera or a program wrote it.
//! Runs in a decoder only; no frame of it is ever opened.
//!
//! ```text
//! box = length [4] | kind [4] | (length [8] where the first is 1) | what is in it
//! film = ftyp ... moov: (trak: tkhd ...) ... (udta) (meta: keys)
//! ```

use std::io::{self, Read};

use vault::Picture;

/// Longest `moov` that is looked at, in bytes: an hour of film needs about a tenth of it.
const MAX_HEAD_BYTES: u64 = 16 * 1024 * 1024;
/// Most boxes that are looked at.
const MAX_BOXES: u32 = 10_000;
const MAX_EDGE: u32 = 65_535;
/// Where the size stands in a `tkhd`, before its end.
const SIZE_FROM_END: usize = 8;
/// What Android's own writer of films leaves in each of them.
const ANDROID: &[u8] = b"com.android.version";
/// What cameras leave in theirs: where, with what, how fast.
const CAMERA: [&[u8]; 8] = [
    b"com.android.capture.fps",
    b"com.android.manufacturer",
    b"com.android.model",
    b"com.apple.quicktime.make",
    b"com.apple.quicktime.model",
    b"com.apple.quicktime.creationdate",
    b"com.apple.quicktime.location.ISO6709",
    b"com.apple.quicktime.software",
];
/// The same as boxes of `udta`.
const CAMERA_BOXES: [&[u8; 4]; 5] = [b"\xa9xyz", b"\xa9mak", b"\xa9mod", b"\xa9day", b"loci"];

/// Reads a film's head, wherever it stands. `None` for what has none.
pub(super) fn read(film: &mut impl Read) -> Option<Picture> {
    for _ in 0..MAX_BOXES {
        let (kind, length) = next_box(film)?;
        if kind == *b"moov" {
            let length = length.filter(|it| *it <= MAX_HEAD_BYTES)?;
            let mut head = Vec::new();
            film.take(length).read_to_end(&mut head).ok()?;
            return described(&head);
        }
        // One without a length goes to the end.
        skip(film, length?)?;
    }
    None
}

/// Reads where a box begins: its kind, and the length of what is in it.
fn next_box(film: &mut impl Read) -> Option<([u8; 4], Option<u64>)> {
    let mut start = [0; 8];
    film.read_exact(&mut start).ok()?;
    let (length, kind) = start.split_first_chunk::<4>()?;
    let kind: [u8; 4] = kind.try_into().ok()?;
    let inside = match u32::from_be_bytes(*length) {
        0 => None,
        1 => {
            let mut long = [0; 8];
            film.read_exact(&mut long).ok()?;
            Some(u64::from_be_bytes(long).checked_sub(16)?)
        }
        length => Some(u64::from(length).checked_sub(8)?),
    };
    Some((kind, inside))
}

fn skip(film: &mut impl Read, length: u64) -> Option<()> {
    let skipped = io::copy(&mut film.take(length), &mut io::sink()).ok()?;
    (skipped == length).then_some(())
}

fn described(head: &[u8]) -> Option<Picture> {
    let (mut width, mut height) = (0, 0);
    let (mut is_androids, mut is_cameras) = (false, false);
    for (kind, inside) in Boxes(head) {
        match &kind {
            b"trak" => {
                let size = Boxes(inside)
                    .find(|(kind, _)| kind == b"tkhd")
                    .and_then(|(_, inside)| shown(inside));
                // Sound has no size.
                if let Some(size) = size.filter(|it| it.0 > 0 && it.1 > 0) {
                    (width, height) = size;
                }
            }
            b"meta" => {
                let keys = keys(inside);
                is_androids |= keys.contains(&ANDROID);
                is_cameras |= keys.iter().any(|key| CAMERA.contains(key));
            }
            b"udta" => {
                is_cameras |= Boxes(inside).any(|(kind, _)| CAMERA_BOXES.contains(&&kind));
            }
            _ => {}
        }
    }
    let edge = 1..=MAX_EDGE;
    (edge.contains(&width) && edge.contains(&height)).then(|| Picture {
        width,
        height,
        // Whatever is not surely a phone's program's own counts as a camera's.
        is_described: is_cameras || !is_androids,
        ..Picture::default()
    })
}

/// Reads how large a track is shown. A quarter turn stands in its matrix.
fn shown(tkhd: &[u8]) -> Option<(u32, u32)> {
    let from = tkhd.len().checked_sub(SIZE_FROM_END)?;
    let number = |at: usize| {
        let bytes = tkhd.get(at..at.checked_add(4)?)?;
        Some(u32::from_be_bytes(bytes.try_into().ok()?))
    };
    // ISO 14496-12 8.3.2: both are numbers of 16 bits and a fraction of 16.
    let (width, height) = (number(from)? >> 16, number(from + 4)? >> 16);
    let upright = number(from.checked_sub(36)?)?;
    Some(if upright == 0 {
        (height, width)
    } else {
        (width, height)
    })
}

/// Reads the names of what is noted with a film; what its writers mean by it does not matter.
fn keys(meta: &[u8]) -> Vec<&[u8]> {
    // ISO 14496-12 8.11.1 begins with a version, QuickTime's does not.
    let boxes = if meta.starts_with(&[0; 4]) {
        meta.get(4..).unwrap_or_default()
    } else {
        meta
    };
    let keys = Boxes(boxes).find(|(kind, _)| kind == b"keys");
    let list = keys.and_then(|(_, inside)| inside.get(8..));
    Boxes(list.unwrap_or_default())
        .map(|(_, key)| key)
        .collect()
}

/// The boxes that stand one after another; ends where one is not whole.
struct Boxes<'a>(&'a [u8]);

impl<'a> Iterator for Boxes<'a> {
    type Item = ([u8; 4], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let mut left = self.0;
        let (kind, length) = next_box(&mut left)?;
        let length = match length {
            Some(length) => usize::try_from(length).ok()?,
            None => left.len(),
        };
        let inside = left.get(..length)?;
        self.0 = left.get(length..)?;
        Some((kind, inside))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn boxed(kind: &[u8; 4], inside: &[u8]) -> Vec<u8> {
        let length = u32::try_from(inside.len() + 8).unwrap();
        [length.to_be_bytes().as_slice(), kind, inside].concat()
    }

    fn track(width: u32, height: u32, is_turned: bool) -> Vec<u8> {
        let mut tkhd = vec![0; 84];
        let upright = if is_turned { 0 } else { 0x1_0000_u32 };
        tkhd[40..44].copy_from_slice(&upright.to_be_bytes());
        tkhd[76..80].copy_from_slice(&(width << 16).to_be_bytes());
        tkhd[80..84].copy_from_slice(&(height << 16).to_be_bytes());
        boxed(b"trak", &boxed(b"tkhd", &tkhd))
    }

    fn meta(keys: &[&[u8]]) -> Vec<u8> {
        let list: Vec<u8> = keys.iter().flat_map(|it| boxed(b"mdta", it)).collect();
        let keys = [[0; 8].as_slice(), &list].concat();
        boxed(
            b"meta",
            &[[0; 4].as_slice(), &boxed(b"keys", &keys)].concat(),
        )
    }

    fn film(moov: &[u8]) -> Vec<u8> {
        [
            boxed(b"ftyp", b"mp42"),
            boxed(b"mdat", &[7; 1_000]),
            boxed(b"moov", moov),
        ]
        .concat()
    }

    fn said(moov: &[u8]) -> Option<(u32, u32, bool)> {
        let picture = read(&mut film(moov).as_slice())?;
        Some((picture.width, picture.height, picture.is_described))
    }

    #[test]
    fn a_films_size_is_read_behind_its_content_and_its_sound() {
        let sound = track(0, 0, false);
        let android = meta(&[ANDROID]);

        let upright = [track(1280, 720, false), sound.clone(), android.clone()].concat();
        let turned = [sound, track(1280, 720, true), android].concat();

        assert_eq!(said(&upright), Some((1280, 720, false)));
        assert_eq!(said(&turned), Some((720, 1280, false)));
    }

    #[test]
    fn what_is_not_surely_a_programs_own_counts_as_a_cameras() {
        let shown = track(1280, 720, false);
        let with = |more: &[u8]| said(&[shown.as_slice(), more].concat()).unwrap().2;

        assert!(!with(&meta(&[ANDROID])), "the control");
        assert!(with(&[]));
        assert!(with(&meta(&[ANDROID, b"com.android.capture.fps"])));
        assert!(with(&meta(&[b"com.apple.quicktime.model"])));
        let located = boxed(b"udta", &boxed(b"\xa9xyz", b"+41.9+012.5/"));
        assert!(with(&[meta(&[ANDROID]), located].concat()));
    }

    #[test]
    fn a_length_of_eight_bytes_and_none_are_read_and_a_head_too_long_is_not() {
        let head = boxed(b"moov", &track(640, 360, false));
        let long = [
            1_u32.to_be_bytes().as_slice(),
            b"mdat",
            &26_u64.to_be_bytes(),
            &[7; 10],
            &head,
        ]
        .concat();
        let boasting = [u32::MAX.to_be_bytes().as_slice(), b"moov", &head].concat();
        let endless = [[0; 4].as_slice(), b"mdat", &head].concat();

        assert!(read(&mut long.as_slice()).is_some());
        assert!(read(&mut boasting.as_slice()).is_none());
        assert!(read(&mut endless.as_slice()).is_none());
        assert!(said(&[]).is_none());
    }

    proptest! {
        #[test]
        fn no_bytes_panic(at in 0_usize..200, with in any::<[u8; 6]>()) {
            let head = [track(1280, 720, false), meta(&[ANDROID])].concat();
            let mut bytes = [boxed(b"ftyp", b"mp42"), boxed(b"moov", &head)].concat();
            let at = at.min(bytes.len() - with.len());
            bytes[at..at + with.len()].copy_from_slice(&with);

            let _ = read(&mut bytes.as_slice());
        }
    }
}
