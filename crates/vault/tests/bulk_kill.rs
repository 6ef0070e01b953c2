//! kill -9 in the middle of a bulk import: what was reported as kept is there and opens, and
//! whatever else is visible is whole.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

use std::{
    convert::Infallible,
    env,
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
    process::{Command, Stdio},
    time::{SystemTime, UNIX_EPOCH},
};

use getrandom::SysRng;
use rand_core::{TryCryptoRng, TryRng};
use vault::{
    BlobId, Index, Metadata, OpenVault, PublicHalf, Sealer, SlotSecret, VaultFolder, check,
};

/// Names the folder in the child, which works until it is killed.
const FOLDER: &str = "STRONGROOM_TEST_BULK_FOLDER";
/// Files in a group.
const GROUP: usize = 20;

fn secret() -> SlotSecret {
    SlotSecret::generate(&mut Same).unwrap()
}

/// The child: imports groups without end and names each blob once it may be reported as kept.
fn import(folder: &Path) {
    let public = std::fs::read(folder.with_extension("pub")).unwrap();
    let public = PublicHalf::from_bytes(&public).unwrap();
    let sealer = Sealer::new(&public, VaultFolder::open(folder).unwrap()).unwrap();
    let vault = OpenVault::open(folder, &secret(), UNIX_EPOCH).unwrap();
    let (mut index, _) = Index::open(&vault, UNIX_EPOCH).unwrap();
    let mut bulk = sealer.bulk().unwrap();
    for number in 0_u64.. {
        let blob = BlobId::random(&mut SysRng).unwrap();
        let content = [blob.to_string().as_bytes(), &number.to_le_bytes()].concat();
        let metadata = Metadata {
            name: Some(blob.to_string()),
            ..Metadata::default()
        };
        bulk.add(&blob, &content, metadata, &mut SysRng).unwrap();
        println!("ADDED");
        if bulk.len() == GROUP {
            let kept = bulk.commit().unwrap();
            println!("PLACED");
            index.adopt_kept(&kept, SystemTime::now()).unwrap();
            for one in kept {
                println!("KEPT {}", one.sealed.blob_id);
            }
        }
    }
}

#[test]
fn after_kill_9_what_was_reported_opens_and_nothing_is_half_visible() {
    if let Some(folder) = env::var_os(FOLDER) {
        return import(Path::new(&folder));
    }
    let (mut reported, mut visible_unreported) = (0, 0);
    for round in 0..12_usize {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("vault");
        let secret = secret();
        let slots = [(&secret, "stick")];
        let public = VaultFolder::create(&folder, None, &slots, &mut SysRng, UNIX_EPOCH).unwrap();
        std::fs::write(folder.with_extension("pub"), public.to_bytes()).unwrap();
        let kept = run_and_kill(&folder, round);

        let vault = OpenVault::open(&folder, &secret, UNIX_EPOCH).unwrap();
        let (index, _) = Index::open(&vault, UNIX_EPOCH).unwrap();
        for blob in &kept {
            let mut content = String::new();
            let mut reader = vault.reader(blob).unwrap();
            reader
                .by_ref()
                .take(32)
                .read_to_string(&mut content)
                .unwrap();
            assert_eq!(content, blob.to_string());
            assert!(index.number_of(blob).unwrap().is_some());
        }
        let report = check::check(&vault, &index, |_| true).unwrap();
        assert!(report.unsound.is_empty() && report.missing.is_empty());
        reported += kept.len();
        visible_unreported += report.sound - kept.len() as u64;
    }
    assert!(reported > GROUP, "{reported} were reported");
    // The kill came at moments that differ.
    println!("{reported} reported, {visible_unreported} more were whole");
}

/// Lets the child work until it has said enough lines, kills it, and returns what it reported.
fn run_and_kill(folder: &Path, round: usize) -> Vec<BlobId> {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "--nocapture"])
        .arg("after_kill_9_what_was_reported_opens_and_nothing_is_half_visible")
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // A group says 41 lines; the steps between them are the placing and the index.
    let after = 1 + round * 17 + round / 4;
    let (mut kept, mut heard) = (Vec::new(), 0);
    for line in lines {
        let line = line.unwrap();
        if let Some(blob) = line.strip_prefix("KEPT ") {
            kept.push(blob.parse().unwrap());
        }
        heard += usize::from(["ADDED", "PLACED"].contains(&line.as_str()) || line.contains("KEPT"));
        if heard == after {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    kept
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
