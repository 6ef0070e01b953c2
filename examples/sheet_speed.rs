//! How long a contact sheet of 20 tiles takes from sealed thumbnails, and a thumbnail from a photo:
//! processor time of this process and of the decoders it has started.
//!
//! `cargo run --release --example sheet_speed -- target/release/strongroom`

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a tool for developers"
)]

use std::{
    fs,
    io::Cursor,
    os::unix::net::UnixStream,
    path::PathBuf,
    time::{Duration, Instant, SystemTime},
};

use getrandom::SysRng;
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use strongroom::pictures::{
    TILES, Task, Tile,
    starter::{self, Starter},
    studio::Studio,
};
use vault::{BlobId, OpenVault, SlotSecret, Thumbnail, VaultFolder};

/// Twelve million pixels, as phones have them.
const WIDTH: u32 = 4000;
const HEIGHT: u32 = 3000;
const ROUNDS: u32 = 10;

fn main() {
    let program = PathBuf::from(std::env::args().nth(1).expect("the program"));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let (ours, theirs) = UnixStream::pair().unwrap();
    theirs.set_nonblocking(true).unwrap();
    runtime.spawn(async move {
        let socket = tokio::net::UnixStream::from_std(theirs).unwrap();
        let how = Starter {
            program,
            ..Starter::default()
        };
        starter::serve(socket, how).await;
    });
    let studio = Studio::new(ours);
    let place = tempfile();
    let vault = vault(&place);
    let photo = photo();
    let bytes = photo.len() as u64;
    let blobs: Vec<BlobId> = (0..TILES)
        .map(|_| BlobId::random(&mut SysRng).unwrap())
        .collect();

    let (before, begun) = (cpu(), Instant::now());
    for blob in &blobs {
        let drawn = studio.draw(&Task::Thumbnail { bytes }, &mut &photo[..]);
        let drawn = drawn.unwrap().expect("it can be drawn");
        let thumbnail = Thumbnail {
            picture: drawn.picture,
            image: drawn.image,
        };
        vault.keep_thumbnail(blob, &thumbnail).unwrap();
    }
    settle();
    let count = u32::try_from(TILES).unwrap();
    let (each, wall) = ((cpu() - before) / count, begun.elapsed() / count);
    println!(
        "thumbnail {:.1} ms CPU, {:.1} ms wall, of a photo of {WIDTH} by {HEIGHT}, {bytes} bytes",
        millis(each),
        millis(wall)
    );

    let (before, begun, mut longest) = (cpu(), Instant::now(), 0);
    for _ in 0..ROUNDS {
        let tiles = (1..).zip(&blobs).map(|(number, blob)| Tile {
            number,
            name: format!("IMG_20250604_{number:06}.jpg"),
            image: vault.thumbnail(blob).expect("it was kept").image,
        });
        let task = Task::Sheet(tiles.collect());
        let drawn = studio.draw(&task, &mut std::io::empty()).unwrap();
        longest = longest.max(drawn.expect("it can be drawn").image.len());
    }
    settle();
    let (each, wall) = ((cpu() - before) / ROUNDS, begun.elapsed() / ROUNDS);
    println!(
        "sheet {:.1} ms CPU, {:.1} ms wall, of {TILES} tiles, {longest} bytes",
        millis(each),
        millis(wall)
    );
    fs::remove_dir_all(place).unwrap();
}

/// The last decoder is reaped, and with that counted.
fn settle() {
    std::thread::sleep(Duration::from_millis(200));
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Processor time of this process and of its children that have ended, in hundredths. proc(5)
fn cpu() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks: u64 = fields[11..15]
        .iter()
        .map(|it| it.parse::<u64>().unwrap())
        .sum();
    Duration::from_millis(ticks * 10)
}

fn tempfile() -> PathBuf {
    let place = std::env::temp_dir().join(format!("sheet-speed-{}", std::process::id()));
    fs::create_dir(&place).unwrap();
    place
}

fn vault(place: &std::path::Path) -> OpenVault {
    let path = place.join("vault");
    let secret = SlotSecret::generate(&mut SysRng).unwrap();
    let slots = [(&secret, "stick")];
    VaultFolder::create(&path, None, &slots, &mut SysRng, SystemTime::UNIX_EPOCH).unwrap();
    OpenVault::open(&path, &secret, SystemTime::UNIX_EPOCH).unwrap()
}

/// A picture of hills and noise, which compresses about as photos do.
fn photo() -> Vec<u8> {
    let mut state = 1_u32;
    let picture = RgbImage::from_fn(WIDTH, HEIGHT, |x, y| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let [.., noise] = state.to_le_bytes();
        let hill = |scale: u32| ((x / scale) ^ (y / scale)).to_le_bytes()[0] / 2;
        Rgb([16, 24, 40].map(|it| hill(it) + noise / 8))
    });
    let mut bytes = Cursor::new(Vec::new());
    DynamicImage::ImageRgb8(picture)
        .write_to(&mut bytes, ImageFormat::Jpeg)
        .unwrap();
    bytes.into_inner()
}
