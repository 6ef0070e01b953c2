//! Makes the vectors of `tests/vectors`: one vault, and one blob per way to be right or wrong.
//!
//! Run once for each version of the formats; what it wrote is then frozen, since the formats are
//! for ever. `cargo run -p strongroom-vault --example make_vectors -- FOLDER`

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    reason = "a tool for developers"
)]

use std::{
    fs,
    io::Write as _,
    path::Path,
    time::{Duration, UNIX_EPOCH},
};

use getrandom::SysRng;
use sha2::{Digest as _, Sha256};
use vault::{BlobId, Metadata, Sealer, SlotSecret, VaultFolder};

#[path = "../tests/formats/oracle.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "only part of the reader is used here"
)]
mod oracle;

struct Vault {
    folder: VaultFolder,
    sealer: Sealer,
    epoch_secret: Vec<u8>,
}

fn main() {
    let target = std::env::args().nth(1).expect("the folder to write to");
    let place = tempfile::tempdir().unwrap();
    let secret = SlotSecret::generate(&mut SysRng).unwrap();
    let slots = [(&secret, "the stick of the vectors")];
    let made = UNIX_EPOCH + Duration::from_secs(1_790_000_000);
    let public = VaultFolder::create(place.path(), None, &slots, &mut SysRng, made).unwrap();
    let folder = VaultFolder::open(place.path()).unwrap();
    let record = folder.slot_records().unwrap().remove(0);
    let (epoch_secret, _) = oracle::open_slot(secret.expose_to_cipher(), &record).unwrap();
    let vault = Vault {
        sealer: Sealer::new(&public, folder.clone()).unwrap(),
        folder,
        epoch_secret,
    };
    write_vault(
        Path::new(&target),
        &vault,
        &secret,
        &public.to_bytes(),
        &record,
    );
    write_blobs(Path::new(&target), &vault);
}

fn write_vault(target: &Path, vault: &Vault, secret: &SlotSecret, public: &[u8], record: &[u8]) {
    let mut text = String::from("comment: the vault of all blob_*.txt beside this file\n");
    let id = vault.folder.vault_id();
    for (name, bytes) in [
        ("slot-secret", secret.expose_to_cipher().to_vec()),
        ("epoch-secret", vault.epoch_secret.clone()),
        ("key-file", secret.to_key_file(id).to_vec()),
        (
            "mark",
            fs::read(vault.folder.path().join("strongroom.vault")).unwrap(),
        ),
        ("public-half", public.to_vec()),
        ("slot-record", record.to_vec()),
    ] {
        text.push_str(&format!("{name}: {}\n", hex::encode(bytes)));
    }
    text.push_str(&format!(
        "vault-id: {id}\nwords: {}\n",
        secret.to_words().expose_to_owner()
    ));
    fs::write(target.join("vault.txt"), text).unwrap();
}

fn seal(vault: &Vault, blob: &BlobId, content: &[u8], name: &str) -> Vec<u8> {
    let mut writer = vault.sealer.start(blob, &mut SysRng).unwrap();
    writer.write_all(content).unwrap();
    let metadata = Metadata {
        name: Some(name.to_owned()),
        ..Metadata::default()
    };
    writer.finish(metadata).unwrap();
    let id = blob.to_string();
    fs::read(
        vault
            .folder
            .path()
            .join(format!("blobs/{}/{id}.blob", &id[..2])),
    )
    .unwrap()
}

/// One vector: what is expected of these bytes under this name.
struct Vector<'a> {
    expect: &'a str,
    comment: &'a str,
    blob: &'a BlobId,
    size: usize,
}

fn write(target: &Path, file: &str, vector: &Vector<'_>, bytes: &[u8]) {
    let Vector {
        expect,
        comment,
        blob,
        size,
    } = vector;
    let hash = hex::encode(Sha256::digest(content(*size)));
    let text = format!(
        "expect: {expect}\ncomment: {comment}\nblob-id: {blob}\nsize: {size}\nsha256: {hash}\n\n{}\n",
        wrapped(bytes)
    );
    fs::write(target.join(format!("blob_{file}.txt")), text).unwrap();
}

fn content(size: usize) -> Vec<u8> {
    (0..size).map(|it| (it * 7 % 251) as u8).collect()
}

fn honest(vault: &Vault, size: usize) -> (BlobId, Vec<u8>) {
    let blob = BlobId::random(&mut SysRng).unwrap();
    let bytes = seal(vault, &blob, &content(size), "photo ü.jpg");
    (blob, bytes)
}

fn write_blobs(target: &Path, vault: &Vault) {
    for (file, size) in [
        ("empty", 0),
        ("one_byte", 1),
        ("padded", 300),
        ("record_across_two_chunks", 13_000),
        ("message_of_one_whole_chunk", 12_288),
        ("content_of_one_whole_chunk", 16_384),
    ] {
        let (blob, bytes) = honest(vault, size);
        let comment = "as docs/formats/blob.md has it";
        write(
            target,
            file,
            &Vector {
                expect: "success",
                comment,
                blob: &blob,
                size,
            },
            &bytes,
        );
    }
    let (blob, bytes) = honest(vault, 16_384);
    let vector = Vector {
        expect: "not authentic",
        comment: "first chunk only",
        blob: &blob,
        size: 16_384,
    };
    write(
        target,
        "truncated_at_chunk_border",
        &vector,
        &bytes[..1272 + 16_400],
    );
    altered(target, vault);
    crafted(target, vault);
}

/// Blobs that somebody altered, each at one place.
fn altered(target: &Path, vault: &Vault) {
    let (blob, bytes) = honest(vault, 300);
    let change = |place: usize| {
        let mut bytes = bytes.clone();
        bytes[place] ^= 1;
        bytes
    };
    let last = bytes.len() - 1;
    for (file, expect, comment, place) in [
        ("flipped_magic", "not a blob", "first byte", 0),
        ("newer_version", "too new", "format version 1", 9),
        ("unknown_suite", "unknown suite", "suite 0", 11),
        ("other_vault", "not authentic", "a bit of the vault id", 12),
        ("other_blob_id", "not authentic", "a bit of the blob id", 28),
        ("unknown_epoch", "unknown epoch", "epoch 0", 47),
        (
            "flipped_enc",
            "not authentic",
            "a bit of the encapsulated key",
            48,
        ),
        (
            "flipped_file_key",
            "not authentic",
            "a bit of the sealed file key",
            1170,
        ),
        ("flipped_salt", "not authentic", "a bit of the salt", 1216),
        (
            "flipped_commitment",
            "not authentic",
            "a bit of the commitment",
            1271,
        ),
        (
            "flipped_content",
            "not authentic",
            "a bit of the content",
            1272,
        ),
        ("flipped_tag", "not authentic", "the last bit", last),
    ] {
        let vector = Vector {
            expect,
            comment,
            blob: &blob,
            size: 300,
        };
        write(target, file, &vector, &change(place));
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    for (file, comment, bytes) in [
        ("truncated", "one byte less", &bytes[..last]),
        ("header_only", "no chunk at all", &bytes[..1272]),
        ("half_a_header", "cut in the header", &bytes[..700]),
        ("overlong", "one byte more", &longer),
    ] {
        let vector = Vector {
            expect: "not authentic",
            comment,
            blob: &blob,
            size: 300,
        };
        write(target, file, &vector, bytes);
    }
}

/// Blobs that are authentic in every byte, and all but one wrongly formed inside.
fn crafted(target: &Path, vault: &Vault) {
    let id = *vault.folder.vault_id().as_bytes();
    let message = oracle::message(&content(300), "photo ü.jpg");
    let change = |place: usize, byte: u8| {
        let mut message = message.clone();
        message[place] = byte;
        message
    };
    let (record, last) = (message.len() - 4096, message.len() - 1);
    let messages = [
        (
            "from_another_program",
            "success",
            "sealed by another program",
            message.clone(),
        ),
        ("padding_not_zero", "malformed", "padding", change(301, 1)),
        (
            "content_hash_wrong",
            "malformed",
            "content against its hash",
            change(0, 0xEE),
        ),
        (
            "size_wrong",
            "malformed",
            "size against length",
            change(record + 6, 1),
        ),
        (
            "record_version_newer",
            "malformed",
            "record version 1",
            change(record + 1, 1),
        ),
        (
            "tags_out_of_order",
            "malformed",
            "tag 1 twice",
            change(record + 58 + 3 + 12, 1),
        ),
        (
            "after_texts_not_zero",
            "malformed",
            "last byte",
            change(last, 1),
        ),
        (
            "without_record",
            "not authentic",
            "message of 4095 bytes",
            message[..4095].to_vec(),
        ),
    ];
    for (file, expect, comment, message) in &messages {
        let blob = BlobId::random(&mut SysRng).unwrap();
        let bytes = oracle::seal_blob(&vault.epoch_secret, &id, blob.as_bytes(), message);
        write(
            target,
            file,
            &Vector {
                expect,
                comment,
                blob: &blob,
                size: 300,
            },
            &bytes,
        );
    }
}

fn wrapped(bytes: &[u8]) -> String {
    let lines: Vec<String> = bytes.chunks(50).map(hex::encode).collect();
    lines.join("\n")
}
