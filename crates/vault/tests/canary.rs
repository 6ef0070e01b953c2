//! What the drive tells: nothing of names, contents or captions, in no spelling.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::{
    fs,
    io::Write as _,
    path::Path,
    time::{Duration, UNIX_EPOCH},
};

use getrandom::SysRng;
use vault::{
    Adopted, Attributes, BlobId, Index, Metadata, OpenVault, Origin, Picture, Sealer, SlotSecret,
    Thumbnail, VaultFolder,
};

/// How many canaries there are of each kind.
const CANARIES: usize = 16;

fn canary(kind: &str, number: usize) -> String {
    format!("{kind}-canary-{number:02}-Zwitschermaschine")
}

/// A text as it might lie on a drive: as it is, as UTF-16 either way, base64 at each offset, hex.
fn spellings(text: &str) -> Vec<Vec<u8>> {
    let utf16 =
        |order: fn(u16) -> [u8; 2]| -> Vec<u8> { text.encode_utf16().flat_map(order).collect() };
    let mut spellings = vec![
        text.as_bytes().to_vec(),
        utf16(u16::to_le_bytes),
        utf16(u16::to_be_bytes),
        hex::encode(text).into_bytes(),
        hex::encode_upper(text).into_bytes(),
    ];
    for offset in 0..3 {
        let whole = base64(&[&vec![0; offset], text.as_bytes()].concat());
        // Whatever stands before and after changes the first and last letters.
        spellings.push(whole[4..whole.len() - 4].to_vec());
    }
    spellings
}

fn base64(bytes: &[u8]) -> Vec<u8> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = Vec::new();
    for part in bytes.chunks(3) {
        let part = [
            part[0],
            *part.get(1).unwrap_or(&0),
            *part.get(2).unwrap_or(&0),
        ];
        let bits = u32::from_be_bytes([0, part[0], part[1], part[2]]);
        for shift in [18, 12, 6, 0] {
            out.push(LETTERS[(bits >> shift & 63) as usize]);
        }
    }
    out
}

/// How many of the canaries are found in any file, or in any file's name, under `folder`.
fn hits(folder: &Path, canaries: &[String]) -> usize {
    let mut bytes = Vec::new();
    collect(folder, &mut bytes);
    let found = |spelling: &Vec<u8>| memmem(&bytes, spelling);
    canaries
        .iter()
        .filter(|canary| spellings(canary).iter().any(found))
        .count()
}

fn memmem(bytes: &[u8], wanted: &[u8]) -> bool {
    let (first, rest) = (wanted[0], &wanted[1..]);
    let mut from = 0;
    while let Some(place) = bytes[from..].iter().position(|byte| *byte == first) {
        from += place + 1;
        if bytes[from..].starts_with(rest) {
            return true;
        }
    }
    false
}

fn collect(folder: &Path, bytes: &mut Vec<u8>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        bytes.extend_from_slice(path.file_name().unwrap().as_encoded_bytes());
        if path.is_dir() {
            collect(&path, bytes);
        } else {
            bytes.extend(fs::read(&path).unwrap());
        }
    }
}

#[test]
fn the_drive_shows_no_name_content_caption_sender_or_slot_and_the_search_would_find_them() {
    let place = tempfile::tempdir().unwrap();
    let (path, plain) = (place.path().join("vault"), place.path().join("plain"));
    fs::create_dir(&plain).unwrap();
    let secret = SlotSecret::generate(&mut SysRng).unwrap();
    let slot_name = canary("slot", 0);
    let slots = [(&secret, slot_name.as_str())];
    let public = VaultFolder::create(&path, None, &slots, &mut SysRng, UNIX_EPOCH).unwrap();
    let sealer = Sealer::new(&public, VaultFolder::open(&path).unwrap()).unwrap();
    let open = OpenVault::open(&path, &secret, UNIX_EPOCH).unwrap();
    let (mut index, _) = Index::open(&open, UNIX_EPOCH).unwrap();
    let mut canaries = vec![slot_name.clone()];
    let mut texts = vec![slot_name];
    let mut unfinished = Vec::new();
    for number in 0..CANARIES {
        let blob = BlobId::random(&mut SysRng).unwrap();
        let [name, content, sender, caption] =
            ["name", "content", "sender", "caption"].map(|kind| canary(kind, number));
        let mut writer = sealer.start(&blob, &mut SysRng).unwrap();
        let long = content.repeat(2000);
        writer.write_all(long.as_bytes()).unwrap();
        let [camera, image] = ["camera", "image"].map(|kind| canary(kind, number));
        canaries.extend([
            name.clone(),
            content.clone(),
            sender.clone(),
            caption.clone(),
            camera.clone(),
            image.clone(),
        ]);
        let spelled = [
            base64(name.as_bytes()),
            sender.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            hex::encode(&caption).into_bytes(),
        ];
        texts.extend([content, camera.clone(), image.clone()]);
        fs::write(plain.join(format!("{number}")), spelled.concat()).unwrap();
        if number % 4 == 3 {
            // One in four is still being written when the drive is taken.
            unfinished.push(writer);
            continue;
        }
        let received_at = Some(UNIX_EPOCH + Duration::from_secs(number as u64));
        let metadata = Metadata {
            name: Some(name),
            sender: Some(sender),
            received_at,
            ..Metadata::default()
        };
        writer.finish(metadata).unwrap();
        let attributes = Attributes {
            origin: Origin::Proven,
            caption: Some(caption),
        };
        let adopted = index.adopt(&blob, attributes, UNIX_EPOCH).unwrap();
        let Adopted::New(entry) = adopted else {
            panic!("it is new");
        };
        let picture = Picture {
            width: 4,
            height: 3,
            camera: Some(camera),
            ..Picture::default()
        };
        index.note_picture(entry, &blob, Some(&picture)).unwrap();
        let thumbnail = Thumbnail {
            picture: Some(picture),
            image: image.into_bytes(),
        };
        open.keep_thumbnail(&blob, &thumbnail).unwrap();
    }
    fs::write(plain.join("texts"), texts.join("\n")).unwrap();

    let (while_open, control) = (hits(&path, &canaries), hits(&plain, &canaries));
    drop(index);
    let while_locked = hits(&path, &canaries);

    assert_eq!(canaries.len(), 1 + 6 * CANARIES);
    assert_eq!(control, canaries.len());
    assert_eq!((while_open, while_locked), (0, 0));
    assert!(fs::read_dir(path.join("index")).unwrap().count() > 0);
    assert_eq!(unfinished.len(), CANARIES / 4);
}
