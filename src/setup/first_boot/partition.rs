//! The small partition of the card, which every computer reads: what is taken from it, and what is
//! written back for whoever looks.

use std::{
    fmt::Write as _,
    fs,
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use qrcode::{Color, QrCode, render::unicode::Dense1x2};
use zeroize::Zeroizing;

use crate::keys::card::remove_for_good;

/// The file that an owner writes, and as Windows names it where it hides endings.
const WRITTEN: &[&str] = &["strongroom.toml", "strongroom.toml.txt"];
/// The file that Raspberry Pi Imager writes.
const IMAGER: &str = "custom.toml";
/// What has become of it.
pub(in crate::setup) const STATUS: &str = "strongroom-status.txt";
const ADDRESS: &str = "strongroom-address";
/// The largest file that is read.
const MAX_BYTES: u64 = 64 << 10;
/// Pixels of one square of a QR code, and squares of the quiet zone around. ISO/IEC 18004 6.3.8
const SCALE: usize = 8;
const QUIET: usize = 4;

/// The mounted partition.
#[derive(Debug)]
pub(super) struct Partition(pub(super) PathBuf);

/// A file as it was found.
pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) bytes: Zeroizing<Vec<u8>>,
}

impl Partition {
    /// Returns the owner's file, if there is one: under each of its names.
    pub(super) fn written(&self) -> anyhow::Result<Vec<File>> {
        let found = WRITTEN
            .iter()
            .filter_map(|name| self.read(name).transpose());
        found.collect()
    }

    /// Returns the file of Raspberry Pi Imager, if there is one.
    pub(super) fn imager(&self) -> anyhow::Result<Option<File>> {
        self.read(IMAGER)
    }

    fn read(&self, name: &str) -> anyhow::Result<Option<File>> {
        let path = self.0.join(name);
        let reading = || format!("while reading {}", path.display());
        let file = match fs::File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.with_context(reading)?,
        };
        // A buffer that does not grow leaves no copy behind.
        let room = usize::try_from(MAX_BYTES).unwrap_or_default() + 1;
        let mut bytes = Zeroizing::new(Vec::with_capacity(room));
        let mut limited = file.take(MAX_BYTES + 1);
        limited.read_to_end(&mut bytes).with_context(reading)?;
        anyhow::ensure!(
            bytes.len() < room,
            "{} is far too long for a first-boot file; write it anew",
            path.display()
        );
        Ok(Some(File { path, bytes }))
    }

    /// Says what has become of the file.
    pub(super) fn tell(&self, text: &str) -> anyhow::Result<()> {
        self.write(STATUS, text.as_bytes())
    }

    /// Writes the vault's address as text, picture and page.
    pub(super) fn show_address(&self, address: &str) -> anyhow::Result<()> {
        let code = QrCode::new(address).context("while drawing the QR code")?;
        let drawn = code.render::<Dense1x2>().build();
        let text = format!("{drawn}\n\n{address}\n");
        self.write(&format!("{ADDRESS}.txt"), text.as_bytes())?;
        self.write(&format!("{ADDRESS}.png"), &picture(&code)?)?;
        self.write(&format!("{ADDRESS}.html"), page(&code, address).as_bytes())
    }

    /// Overwrites a file that was read and removes it, as far as flash lets that be done.
    pub(super) fn wipe(&self, file: &File) -> anyhow::Result<()> {
        remove_for_good(&file.path).with_context(|| format!("while wiping {}", file.path.display()))
    }

    /// Overwrites a file with less than it said, where it lies.
    pub(super) fn cut(&self, file: &File, rest: &str) -> anyhow::Result<()> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(file.bytes.len().max(rest.len())));
        bytes.extend_from_slice(rest.as_bytes());
        if bytes.len() < file.bytes.len() {
            bytes.resize(file.bytes.len(), b'\n');
        }
        let write = || {
            let mut there = fs::OpenOptions::new().write(true).open(&file.path)?;
            there.write_all(&bytes)?;
            there.sync_all()
        };
        write().with_context(|| format!("while writing {}", file.path.display()))
    }

    fn write(&self, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
        let path = self.0.join(name);
        let write = || {
            let mut file = fs::File::create(&path)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::File::open(&self.0)?.sync_all()
        };
        write().with_context(|| format!("while writing {}", path.display()))
    }
}

/// Writes the status file where somebody else has something to say.
///
/// # Errors
///
/// The partition's.
pub(in crate::setup) fn tell(boot: &Path, text: &str) -> anyhow::Result<()> {
    Partition(boot.to_owned()).tell(text)
}

/// Draws a code in black and white. PNG (ISO/IEC 15948)
fn picture(code: &QrCode) -> anyhow::Result<Vec<u8>> {
    let (colors, width) = (code.to_colors(), code.width());
    let side = (width + 2 * QUIET) * SCALE;
    let mut pixels = Vec::with_capacity(side * side);
    for y in 0..side {
        for x in 0..side {
            let square = |at: usize| (at / SCALE).checked_sub(QUIET).filter(|it| *it < width);
            let dark = matches!((square(x), square(y)), (Some(x), Some(y))
                if colors.get(y * width + x) == Some(&Color::Dark));
            pixels.push(if dark { 0 } else { 255 });
        }
    }
    let side = u32::try_from(side).context("while drawing the QR code")?;
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, side, side);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder
        .write_header()
        .context("while drawing the QR code")?;
    writer
        .write_image_data(&pixels)
        .context("while drawing the QR code")?;
    writer.finish().context("while drawing the QR code")?;
    Ok(bytes)
}

/// Makes a page that needs nothing but itself.
fn page(code: &QrCode, address: &str) -> String {
    let (colors, width) = (code.to_colors(), code.width());
    let mut squares = String::new();
    for (at, color) in colors.iter().enumerate() {
        if *color == Color::Dark {
            let _ = write!(
                squares,
                "M{} {}h1v1h-1z",
                at % width + QUIET,
                at / width + QUIET
            );
        }
    }
    let side = width + 2 * QUIET;
    let address = escaped(address);
    let jid = address.trim_start_matches("xmpp:");
    let jid = jid.split('?').next().unwrap_or_default();
    let fingerprint = address.rsplit('=').next().unwrap_or_default();
    let grouped = fingerprint.as_bytes().chunks(8);
    let grouped: Vec<_> = grouped.map(String::from_utf8_lossy).collect();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Strongroom</title>\n\
         <style>body{{font:1.1em sans-serif;max-width:34em;margin:2em auto;padding:0 1em}}\
         svg{{width:100%;max-width:20em}}code{{overflow-wrap:anywhere}}</style>\n\
         <h1>Your vault's address</h1>\n\
         <svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {side} {side}\">\
         <path fill=\"#fff\" d=\"M0 0h{side}v{side}h-{side}z\"/><path d=\"{squares}\"/></svg>\n\
         <p>Scan it with your phone's XMPP app, or add <code>{jid}</code> as a contact. Switch OMEMO \
         on, and compare the fingerprint that your phone shows for it:</p>\n<p><code>{}</code></p>\n\
         <p>Then send your pairing code as the first message.</p>\n<p><a href=\"{address}\">\
         <code>{address}</code></a></p>\n</html>\n",
        grouped.join(" ")
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}
