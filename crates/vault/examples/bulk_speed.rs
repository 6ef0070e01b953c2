//! Many small files into a vault, against the bare waits for the drive; and how long a vault takes
//! to open. `scripts/bench.py` runs it beside other programs.
//!
//! ```text
//! bulk_speed fsyncs COUNT FOLDER    three fsyncs a file: bytes, name, list
//! bulk_speed ordinary COUNT FOLDER  each file sealed, named and indexed by itself
//! bulk_speed import SOURCE FOLDER   the files of a folder, in groups
//! bulk_speed open FOLDER            opens what import made
//! bulk_speed hold FOLDER            opens it and keeps it open until killed
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::panic,
    reason = "a tool for developers"
)]

use std::{
    convert::Infallible,
    fs::{self, File, OpenOptions},
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use getrandom::SysRng;
use rand_core::{TryCryptoRng, TryRng};
use vault::{
    Attributes, BlobId, Index, Metadata, OpenVault, Origin, PublicHalf, Sealer, SlotSecret,
    VaultFolder,
};

/// Bytes of a small file.
const SMALL: usize = 4096;
/// Files in a group.
const GROUP: usize = 2_500;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let began = Instant::now();
    match arguments.as_slice() {
        ["fsyncs", count, folder] => fsyncs(count.parse().unwrap(), Path::new(folder)),
        ["ordinary", count, folder] => ordinary(count.parse().unwrap(), Path::new(folder)),
        ["import", source, folder] => import(Path::new(source), Path::new(folder)),
        ["open", folder] => {
            let entries = open(Path::new(folder)).1.totals().unwrap().entries;
            println!("{entries} entries");
        }
        ["hold", folder] => {
            let _open = open(Path::new(folder));
            println!("open");
            // Until killed.
            let _ = std::io::stdin().read(&mut [0]);
            return;
        }
        other => panic!("no such measure: {other:?}"),
    }
    println!("{:.6}", began.elapsed().as_secs_f64());
}

fn fsyncs(count: usize, folder: &Path) {
    fs::create_dir(folder).unwrap();
    let names = File::open(folder).unwrap();
    let mut list = OpenOptions::new()
        .append(true)
        .create(true)
        .open(folder.join("list"))
        .unwrap();
    let content = [7; SMALL];
    for number in 0..count {
        let (unfinished, finished) = (folder.join("tmp"), folder.join(number.to_string()));
        let mut file = File::create(&unfinished).unwrap();
        file.write_all(&content).unwrap();
        file.sync_all().unwrap();
        fs::rename(unfinished, finished).unwrap();
        names.sync_all().unwrap();
        list.write_all(&[7; 64]).unwrap();
        list.sync_all().unwrap();
    }
}

fn ordinary(count: usize, folder: &Path) {
    let (sealer, mut index) = make(folder);
    for number in 0..count {
        let blob = BlobId::random(&mut SysRng).unwrap();
        let mut writer = sealer.start(&blob, &mut SysRng).unwrap();
        writer.write_all(&content(number)).unwrap();
        writer.finish(named(&number.to_string())).unwrap();
        let proven = Attributes {
            origin: Origin::Proven,
            caption: None,
        };
        index.adopt(&blob, proven, SystemTime::now()).unwrap();
    }
    assert_eq!(index.totals().unwrap().entries, count as u64);
}

fn import(source: &Path, folder: &Path) {
    let (sealer, mut index) = make(folder);
    let mut files: Vec<PathBuf> = fs::read_dir(source)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let mut bulk = sealer.bulk().unwrap();
    for group in files.chunks(GROUP) {
        for path in group {
            let blob = BlobId::random(&mut SysRng).unwrap();
            let name = path.file_name().unwrap().to_string_lossy();
            let content = fs::read(path).unwrap();
            bulk.add(&blob, &content, named(&name), &mut SysRng)
                .unwrap();
        }
        let kept = bulk.commit().unwrap();
        index.adopt_kept(&kept, SystemTime::now()).unwrap();
    }
    assert_eq!(index.totals().unwrap().entries, files.len() as u64);
}

fn make(folder: &Path) -> (Sealer, Index) {
    let secret = secret();
    let slots = [(&secret, "")];
    let public: PublicHalf =
        VaultFolder::create(folder, None, &slots, &mut SysRng, UNIX_EPOCH).unwrap();
    let sealer = Sealer::new(&public, VaultFolder::open(folder).unwrap()).unwrap();
    (sealer, open(folder).1)
}

fn open(folder: &Path) -> (OpenVault, Index) {
    let vault = OpenVault::open(folder, &secret(), SystemTime::now()).unwrap();
    let (index, _) = Index::open(&vault, SystemTime::now()).unwrap();
    (vault, index)
}

fn named(name: &str) -> Metadata {
    Metadata {
        name: Some(name.to_owned()),
        ..Metadata::default()
    }
}

/// No two files are the same: the second would be noted as a duplicate.
fn content(number: usize) -> Vec<u8> {
    let mut content = vec![7; SMALL];
    let (first, _) = content.split_at_mut(8);
    first.copy_from_slice(&(number as u64).to_le_bytes());
    content
}

/// The same for every run, because one run opens what another made.
fn secret() -> SlotSecret {
    SlotSecret::generate(&mut Same).unwrap()
}

struct Same;

impl TryRng for Same {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(7)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(7)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.fill(7);
        Ok(())
    }
}

impl TryCryptoRng for Same {}
