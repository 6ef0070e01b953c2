//! One pass over many bytes, as a process that `make bench` measures from outside.
//!
//! ```text
//! bench_pass prepare MIB FILE                     ciphertext of new content; prints secret and SHA-256
//! bench_pass ingest FILE SECRET VAULT PUBLIC_HALF open the ciphertext and seal it into the vault
//! bench_pass ring MIB                             one raw AEAD pass in memory
//! bench_pass aes-gcm MIB                          the same with the other library
//! bench_pass fill COUNT VAULT KEY_FILE            small files with their entries in the index
//! bench_pass enter COUNT VAULT KEY_FILE           entries in the index that have no files
//! ```

#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use std::{
    fs::{self, File},
    hint::black_box,
    io::{Read as _, Write as _},
    path::Path,
    time::{Duration, SystemTime},
};

use aes_gcm::{AeadInOut, Aes256Gcm, KeyInit};
use anyhow::{Context as _, bail};
use getrandom::SysRng;
use omemo::media::{MediaDecryptor, MediaEncryptor, MediaSecret};
use rand_core::UnwrapErr;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use sha2::{Digest as _, Sha256};
use vault::{
    Attributes, BlobId, Index, Metadata, OpenVault, Origin, PublicHalf, Sealer, SlotSecret,
    VaultFolder,
};

/// As much as goes through at a time, everywhere: what a read from a socket yields.
const PIECE_BYTES: usize = 64 * 1024;
const KEY: [u8; 32] = [7; 32];

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match *words.as_slice() {
        ["prepare", mib, file] => prepare(mib.parse()?, Path::new(file)),
        ["ingest", file, secret, vault, public_half] => ingest(
            Path::new(file),
            secret,
            Path::new(vault),
            Path::new(public_half),
        ),
        ["ring", mib] => pass_of_ring(mib.parse()?),
        ["aes-gcm", mib] => pass_of_aes_gcm(mib.parse()?),
        ["fill", count, vault, key] => fill(count.parse()?, Path::new(vault), Path::new(key)),
        ["enter", count, vault, key] => enter(count.parse()?, Path::new(vault), Path::new(key)),
        _ => bail!("see the head of examples/bench_pass.rs"),
    }
}

/// Content that is new each time: a random buffer with a counter stamped on each piece.
fn prepare(mib: usize, file: &Path) -> anyhow::Result<()> {
    let secret = MediaSecret::random(&mut UnwrapErr(SysRng));
    let mut encryptor = MediaEncryptor::new(&secret);
    let mut hash = Sha256::new();
    let mut piece = vec![0; PIECE_BYTES];
    getrandom::fill(&mut piece)?;
    let mut out = File::create(file)?;
    let mut sealed = Vec::with_capacity(PIECE_BYTES);
    for number in 0..pieces(mib) {
        let stamp = number.to_le_bytes();
        piece[..stamp.len()].copy_from_slice(&stamp);
        hash.update(&piece);
        sealed.clear();
        encryptor.update(&piece, &mut sealed)?;
        out.write_all(&sealed)?;
    }
    out.write_all(&encryptor.finish())?;
    out.sync_all()?;
    println!(
        "{} {}",
        hex::encode(&*secret.to_bytes()),
        hex::encode(hash.finalize())
    );
    Ok(())
}

fn ingest(file: &Path, secret: &str, vault: &Path, public_half: &Path) -> anyhow::Result<()> {
    let secret = MediaSecret::from_bytes(&hex::decode(secret)?)?;
    let public_half = PublicHalf::from_bytes(&fs::read(public_half)?)?;
    let sealer = Sealer::new(&public_half, VaultFolder::open(vault)?)?;
    let mut source = File::open(file)?;
    let mut writer = sealer.start(&BlobId::random(&mut SysRng)?, &mut SysRng)?;
    let mut decryptor = MediaDecryptor::new(&secret);
    let mut piece = vec![0; PIECE_BYTES];
    let mut content = Vec::new();
    loop {
        let read = source.read(&mut piece)?;
        if read == 0 {
            break;
        }
        content.clear();
        decryptor.update(&piece[..read], &mut content)?;
        writer.write_all(&content)?;
    }
    decryptor.finish(&mut content)?;
    writer.finish(Metadata::default())?;
    Ok(())
}

fn pass_of_ring(mib: usize) -> anyhow::Result<()> {
    let key = UnboundKey::new(&AES_256_GCM, &KEY)
        .ok()
        .context("ring refuses the key")?;
    let key = LessSafeKey::new(key);
    let mut piece = vec![7; PIECE_BYTES];
    for _ in 0..pieces(mib) {
        let nonce = Nonce::assume_unique_for_key([0; 12]);
        let tag = key
            .seal_in_place_separate_tag(nonce, Aad::empty(), &mut piece)
            .ok()
            .context("ring refuses a piece")?;
        black_box(tag.as_ref().first());
    }
    Ok(())
}

fn pass_of_aes_gcm(mib: usize) -> anyhow::Result<()> {
    let cipher = Aes256Gcm::new(&KEY.into());
    let mut piece = vec![7; PIECE_BYTES];
    for _ in 0..pieces(mib) {
        let tag = cipher
            .encrypt_inout_detached(&[0; 12].into(), &[], piece.as_mut_slice().into())
            .ok()
            .context("aes-gcm refuses a piece")?;
        black_box(tag.first());
    }
    Ok(())
}

fn fill(count: usize, vault: &Path, key_file: &Path) -> anyhow::Result<()> {
    let secret = SlotSecret::from_key_file(&fs::read(key_file)?)?.secret;
    let open = OpenVault::open(vault, &secret, SystemTime::now())?;
    let sealer = Sealer::new(&open.public_half(), VaultFolder::open(vault)?)?;
    let (mut index, _) = Index::open(&open, SystemTime::now())?;
    for number in 0..count {
        let blob = BlobId::random(&mut SysRng)?;
        let mut writer = sealer.start(&blob, &mut SysRng)?;
        writer.write_all(format!("the content of small file {number}").as_bytes())?;
        writer.finish(Metadata {
            name: Some(format!("IMG_{number:05}.jpg")),
            received_at: Some(SystemTime::now()),
            ..Metadata::default()
        })?;
        let attributes = Attributes {
            origin: Origin::Proven,
            caption: None,
        };
        index.adopt(&blob, attributes, SystemTime::now())?;
    }
    Ok(())
}

/// Entries as a family has them after years, most of them photos; the last week's among them.
fn enter(count: u64, vault: &Path, key_file: &Path) -> anyhow::Result<()> {
    const WORDS: [&str; 8] = [
        "Urlaub", "Garten", "Küche", "Rechnung", "Oma", "Schule", "Hund", "Meer",
    ];
    const HOUR: u64 = 3_600;
    let secret = SlotSecret::from_key_file(&fs::read(key_file)?)?.secret;
    let open = OpenVault::open(vault, &secret, SystemTime::now())?;
    let (mut index, _) = Index::open(&open, SystemTime::now())?;
    let words = WORDS.iter().cycle();
    let endings = ["jpg", "jpg", "jpg", "mp4", "pdf"].iter().cycle();
    let mut entries = Vec::new();
    for ((number, word), ending) in (0..count).zip(words).zip(endings) {
        let sent_at = SystemTime::now() - Duration::from_secs((count - number) * HOUR / 2);
        let metadata = Metadata {
            name: Some(format!("{word} IMG_{number:06}.{ending}")),
            sent_at: Some(sent_at),
            received_at: Some(sent_at),
            ..Metadata::default()
        };
        entries.push((BlobId::random(&mut SysRng)?, metadata));
    }
    index.fill_for_measuring(entries.into_iter(), SystemTime::now())?;
    Ok(())
}

fn pieces(mib: usize) -> usize {
    mib * (1 << 20) / PIECE_BYTES
}
