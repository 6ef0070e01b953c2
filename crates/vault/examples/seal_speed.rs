//! How fast blobs are sealed and opened, against the raw cipher in the same run.
//!
//! `cargo run --release -p strongroom-vault --example seal_speed -- [MiB] [FOLDER]`

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a tool for developers"
)]

use std::{
    fs,
    io::{Read as _, Write as _},
    time::{Instant, UNIX_EPOCH},
};

use getrandom::SysRng;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use vault::{BlobId, Metadata, OpenVault, Sealer, SlotSecret, VaultFolder};

const PIECE: usize = 64 * 1024;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mib: usize = arguments.next().map_or(256, |it| it.parse().unwrap());
    let base = arguments.next().map_or_else(std::env::temp_dir, Into::into);
    let place = tempfile::tempdir_in(base).unwrap();
    let pieces = mib * (1 << 20) / PIECE;
    println!("{mib} MiB in pieces of 64 KiB; CPU is user and kernel time of the one thread");

    let raw = measured("raw AES-256-GCM (ring), 16 KiB chunks", mib, None, || {
        raw(pieces)
    });
    let hashed = measured("the same and BLAKE3", mib, Some(raw), || {
        let mut hash = blake3::Hasher::new();
        raw_and(pieces, |piece| {
            hash.update(piece);
        });
    });
    let copied = place.path().join("plain");
    let plain = measured("plain write and fsync", mib, Some(raw), || {
        let mut file = fs::File::create(&copied).unwrap();
        let piece = vec![7; PIECE];
        (0..pieces).for_each(|_| file.write_all(&piece).unwrap());
        file.sync_all().unwrap();
    });
    fs::remove_file(copied).unwrap();

    let path = place.path().join("vault");
    let secret = SlotSecret::generate(&mut SysRng).unwrap();
    let public =
        VaultFolder::create(&path, None, &[(&secret, "")], &mut SysRng, UNIX_EPOCH).unwrap();
    let sealer = Sealer::new(&public, VaultFolder::open(&path).unwrap()).unwrap();
    let blob = BlobId::random(&mut SysRng).unwrap();
    let piece = vec![7; PIECE];
    measured("seal to a durable blob", mib, Some(raw), || {
        let mut writer = sealer.start(&blob, &mut SysRng).unwrap();
        (0..pieces).for_each(|_| writer.write_all(&piece).unwrap());
        writer.finish(Metadata::default()).unwrap();
    });
    let open = OpenVault::open(&path, &secret, UNIX_EPOCH).unwrap();
    measured("unseal the blob, with its hash", mib, Some(raw), || {
        let mut reader = open.reader(&blob).unwrap();
        let mut piece = vec![0; PIECE];
        let mut read = 0;
        loop {
            let now = reader.read(&mut piece).unwrap();
            if now == 0 {
                break;
            }
            read += now;
        }
        assert_eq!(read, pieces * PIECE);
    });
    println!("a seal has these parts: cipher and hash {hashed:.2} s, write {plain:.2} s of CPU");
    small(&sealer, &open);
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status
        .lines()
        .find(|line| line.starts_with("VmHWM"))
        .unwrap();
    println!(
        "most memory ever held: {}",
        peak.trim_start_matches("VmHWM:").trim()
    );
}

/// What one small blob costs beyond its bytes.
fn small(sealer: &Sealer, open: &OpenVault) {
    const TIMES: u32 = 50;
    let ids: Vec<BlobId> = (0..TIMES)
        .map(|_| BlobId::random(&mut SysRng).unwrap())
        .collect();
    let (began, cpu) = (Instant::now(), cpu_seconds());
    for blob in &ids {
        let mut writer = sealer.start(blob, &mut SysRng).unwrap();
        writer.write_all(b"small").unwrap();
        writer.finish(Metadata::default()).unwrap();
    }
    let (sealed, sealed_cpu) = (began.elapsed() / TIMES, cpu_seconds() - cpu);
    let (began, cpu) = (Instant::now(), cpu_seconds());
    ids.iter().for_each(|blob| drop(open.reader(blob).unwrap()));
    let (opened, opened_cpu) = (began.elapsed() / TIMES, cpu_seconds() - cpu);
    println!(
        "a small blob: {sealed:.1?} to keep ({:.2} ms CPU), {opened:.1?} to open ({:.2} ms CPU)",
        sealed_cpu * 1000.0 / f64::from(TIMES),
        opened_cpu * 1000.0 / f64::from(TIMES),
    );
}

fn raw(pieces: usize) {
    raw_and(pieces, |_| ());
}

fn raw_and(pieces: usize, mut also: impl FnMut(&[u8])) {
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[7; 32]).unwrap());
    let mut piece = vec![7; PIECE];
    for _ in 0..pieces {
        also(&piece);
        for chunk in piece.chunks_mut(16 * 1024) {
            let nonce = Nonce::assume_unique_for_key([0; 12]);
            let tag = key
                .seal_in_place_separate_tag(nonce, Aad::empty(), chunk)
                .unwrap();
            std::hint::black_box(tag.as_ref().first());
        }
    }
}

fn measured(what: &str, mib: usize, raw: Option<f64>, work: impl FnOnce()) -> f64 {
    let (began, cpu) = (Instant::now(), cpu_seconds());
    work();
    let (wall, cpu) = (began.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    let megabytes = (mib << 20) as f64 / 1e6;
    let ratio = raw.map_or_else(String::new, |raw| format!("{:6.2} x raw", cpu / raw));
    println!(
        "{what:40} {:7.0} MB/s  {wall:6.2} s wall  {cpu:6.2} s CPU  {ratio}",
        megabytes / wall
    );
    cpu
}

/// Time that this thread has run, in user and kernel mode, as the scheduler counts it.
fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    let nanoseconds: f64 = stat.split_whitespace().next().unwrap().parse().unwrap();
    nanoseconds / 1e9
}
