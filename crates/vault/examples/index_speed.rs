//! How long the index takes to answer, by how much is in it, and how fast it is made anew.
//!
//! `cargo run --release -p strongroom-vault --example index_speed -- FOLDER [MOST [BLOBS]]` fills an
//! index to 1,000, 10,000 and so on up to MOST entries (1,000,000), asks each question many times,
//! and prints the median in microseconds; then it seals BLOBS files (2,000) and rebuilds from them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a tool for developers"
)]

use std::{
    fs,
    hint::black_box,
    io::Write as _,
    path::Path,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use getrandom::SysRng;
use vault::{
    Attributes, BlobId, EntryNumber, Index, Metadata, OpenVault, Origin, Sealer, SlotSecret,
    VaultFolder,
    index::{Kind, Search},
};

const ROUNDS: usize = 400;
const BATCH: u64 = 100_000;
const LINES: usize = 10;

struct Vault {
    open: OpenVault,
    sealer: Sealer,
}

fn make(path: &Path) -> Vault {
    let secret = SlotSecret::generate(&mut SysRng).unwrap();
    let slots = [(&secret, "stick")];
    let public = VaultFolder::create(path, None, &slots, &mut SysRng, UNIX_EPOCH).unwrap();
    Vault {
        open: OpenVault::open(path, &secret, UNIX_EPOCH).unwrap(),
        sealer: Sealer::new(&public, VaultFolder::open(path).unwrap()).unwrap(),
    }
}

fn metadata(number: u64) -> Metadata {
    const WORDS: [&str; 8] = [
        "Urlaub", "Garten", "Küche", "Rechnung", "Oma", "Schule", "Hund", "Meer",
    ];
    let place = usize::try_from(number.wrapping_mul(0x9E37_79B9) >> 7).unwrap();
    let word = WORDS[place % WORDS.len()];
    Metadata {
        name: Some(format!("{word} IMG_{number:07}.jpg")),
        mime: Some("image/jpeg".to_owned()),
        sender: Some("owner@example.org".to_owned()),
        received_at: Some(SystemTime::now()),
        ..Metadata::default()
    }
}

/// The median of so many questions, in microseconds; each is asked with another seed.
fn median(mut ask: impl FnMut(u64)) -> f64 {
    let mut times: Vec<f64> = (0..ROUNDS as u64)
        .map(|seed| {
            let began = Instant::now();
            ask(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
            began.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[ROUNDS / 2]
}

fn ask(index: &Index, entries: u64) {
    let number = |seed: u64| EntryNumber::new(seed % entries + 1);
    let find = |words: &str| black_box(index.find(words, None, LINES).unwrap()).len();
    let list = median(|_| drop(black_box(index.list(None, LINES))));
    let page = median(|seed| drop(black_box(index.list(number(seed), LINES))));
    let totals = median(|_| drop(black_box(index.totals())));
    let one = median(|seed| {
        assert_eq!(find(&format!("{:07}", seed % entries + 1)), 1);
    });
    let common = median(|_| assert_eq!(find("garten jpg"), LINES));
    let short = median(|_| assert_eq!(find("ga"), LINES));
    let hour = 3_600;
    let today = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let today = i64::try_from(today.as_secs()).unwrap();
    let search = Search {
        words: "garten".to_owned(),
        kind: Some(Kind::Photo),
        from: Some(today - 40 * 24 * hour),
        until: Some(today + hour),
        ..Search::default()
    };
    let all = median(|_| {
        let found = index.search(&search, None, LINES).unwrap();
        assert_eq!(black_box(found).len(), LINES);
    });
    println!(
        "{entries} list {list:.1} page {page:.1} totals {totals:.1} find-one {one:.1} \
         find-common {common:.1} find-short {short:.1} find-all {all:.1}"
    );
}

fn questions(path: &Path, most: u64) {
    let vault = make(path);
    let (mut index, _) = Index::open(&vault.open, UNIX_EPOCH).unwrap();
    let (mut entries, mut next) = (0, 1000);
    let began = Instant::now();
    while next <= most {
        while entries < next {
            let batch = BATCH.min(next - entries);
            let batch = entries + 1..=entries + batch;
            entries = *batch.end();
            let each = batch.map(|it| (BlobId::random(&mut SysRng).unwrap(), metadata(it)));
            index.fill_for_measuring(each, SystemTime::now()).unwrap();
        }
        ask(&index, entries);
        next *= 10;
    }
    println!("filled in {:.1} s", began.elapsed().as_secs_f64());
}

fn rebuild(path: &Path, blobs: u32) {
    let vault = make(path);
    let (mut index, _) = Index::open(&vault.open, UNIX_EPOCH).unwrap();
    let began = Instant::now();
    for number in 0..blobs {
        let blob = BlobId::random(&mut SysRng).unwrap();
        let mut writer = vault.sealer.start(&blob, &mut SysRng).unwrap();
        writer.write_all(&number.to_be_bytes()).unwrap();
        writer.finish(metadata(number.into())).unwrap();
        let attributes = Attributes {
            origin: Origin::Proven,
            caption: None,
        };
        index.adopt(&blob, attributes, SystemTime::now()).unwrap();
    }
    let kept = f64::from(blobs) / began.elapsed().as_secs_f64();
    let began = Instant::now();
    let (index, _) = index.rebuild(SystemTime::now()).unwrap();
    let rebuilt = f64::from(blobs) / began.elapsed().as_secs_f64();
    assert_eq!(index.totals().unwrap().entries, u64::from(blobs));
    println!("sealed and entered {kept:.0} /s, rebuilt {rebuilt:.0} /s");
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let place = arguments.next().expect("a folder to work in");
    let most = arguments.next().map_or(1_000_000, |it| it.parse().unwrap());
    let blobs = arguments.next().map_or(2000, |it| it.parse().unwrap());
    let folder = Path::new(&place).join("index_speed");
    fs::create_dir(&folder).unwrap();
    questions(&folder.join("many"), most);
    rebuild(&folder.join("blobs"), blobs);
    fs::remove_dir_all(folder).unwrap();
}
