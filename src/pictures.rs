//! Looks at pictures that others made, which is the most dangerous thing the vault does: each one is
//! opened by a process of its own, the *decoder*, which has nothing to lose and no way out.
//!
//! Knows image formats, and neither vaults nor chats nor keys. Whoever has a picture to show asks
//! the daemon for a decoder and gets one end of its socket: the daemon starts and ends decoders and
//! never sees what passes. What comes back is measured before it is used, and never opened again
//! outside of a decoder. Pictures that the vault makes of itself are drawn here too, dot by dot.
//!
//! ```text
//! vault process -- 1 byte --> daemon: starts "strongroom decoder", ends it after [`MAX_SECONDS`]
//! vault process <-- 1 byte, with the socket -- daemon
//! vault process == Task, content ==> decoder == Drawn ==> vault process     one of each, then it ends
//! ```

use serde::{Deserialize, Serialize};
use vault::Picture;

pub mod decoder;
mod draw;
mod exif;
mod film;
pub mod png;
pub mod qr;
mod sheet;
pub mod starter;
pub mod studio;
pub mod walls;

pub use self::sheet::{COLUMNS, ROWS, TILES};

/// The hidden sub-command that turns the binary into a decoder.
pub const SUBCOMMAND: &str = "decoder";
/// Longest content that is looked at, in bytes.
pub const MAX_CONTENT_BYTES: u64 = 100 * 1024 * 1024;
/// Most pixels of a picture that is looked at.
pub const MAX_PIXELS: u64 = 64 * 1000 * 1000;
/// What a decoder may keep in memory, in bytes.
pub const MAX_MEMORY_BYTES: u64 = 256 * 1024 * 1024;
/// How long a decoder may compute, in seconds.
pub const MAX_CPU_SECONDS: u64 = 10;
/// How long a decoder may live, in seconds: the drive may be slow.
pub const MAX_SECONDS: u64 = 60;
/// Longest contact sheet, in bytes: phones show no larger ones by themselves.
pub const MAX_SHEET_BYTES: usize = 500 * 1024;
/// Longest preview, in bytes.
pub const MAX_PREVIEW_BYTES: usize = 400 * 1024;
/// Longest frame in either direction, in bytes: a sheet's thumbnails and names.
const MAX_FRAME_BYTES: usize = 1024 * 1024;

/// What a decoder is to do, once.
#[derive(Serialize, Deserialize)]
pub enum Task {
    /// Make a thumbnail of the content that follows, and read what it says of itself.
    Thumbnail {
        /// How long the content is, in bytes.
        bytes: u64,
    },
    /// Make a preview of the content that follows.
    Preview {
        /// How long the content is, in bytes.
        bytes: u64,
    },
    /// Put thumbnails together.
    Sheet(Vec<Tile>),
    /// Read what the film that follows says of itself; no frame of it is opened.
    Film {
        /// How long it is, in bytes.
        bytes: u64,
    },
}

impl Task {
    fn content_bytes(&self) -> u64 {
        match self {
            Self::Thumbnail { bytes } | Self::Preview { bytes } | Self::Film { bytes } => *bytes,
            Self::Sheet(_) => 0,
        }
    }

    fn max_image_bytes(&self) -> usize {
        match self {
            Self::Thumbnail { .. } => vault::thumbnail::MAX_IMAGE_BYTES,
            Self::Preview { .. } => MAX_PREVIEW_BYTES,
            Self::Sheet(_) => MAX_SHEET_BYTES,
            Self::Film { .. } => 0,
        }
    }
}

/// One file on a contact sheet.
#[derive(Clone, Serialize, Deserialize)]
pub struct Tile {
    /// What the owner calls it by.
    pub number: u64,
    /// Its name.
    pub name: String,
    /// Its thumbnail; empty for one that has none.
    pub image: Vec<u8>,
}

/// What a decoder made.
#[derive(Default, Serialize, Deserialize)]
pub struct Drawn {
    /// What the content says of itself; `None` for a sheet.
    pub picture: Option<Picture>,
    /// A JPEG.
    pub image: Vec<u8>,
}

/// Tells from its first bytes whether a content may be a picture that can be shown. It only spares
/// decoders; what they get may be anything all the same.
#[must_use]
pub fn may_be_picture(start: &[u8]) -> bool {
    let begins = |with: &[u8]| start.starts_with(with);
    begins(&[0xFF, 0xD8, 0xFF])
        || begins(b"\x89PNG\r\n\x1a\n")
        || begins(b"GIF8")
        || (begins(b"RIFF") && start.get(8..12) == Some(b"WEBP"))
}

/// The same for a film.
#[must_use]
pub fn may_be_film(start: &[u8]) -> bool {
    const PICTURES: [&[u8]; 5] = [b"heic", b"heix", b"mif1", b"msf1", b"avif"];
    let brand = start.get(8..12).unwrap_or_default();
    start.get(4..8) == Some(b"ftyp") && !PICTURES.contains(&brand)
}

/// Writes one frame; `None` for one that would be too long.
fn frame<T: Serialize>(value: &T) -> Option<Vec<u8>> {
    let body = postcard::to_stdvec(value).ok()?;
    let length = u32::try_from(body.len()).ok()?;
    (body.len() <= MAX_FRAME_BYTES).then(|| [length.to_le_bytes().as_slice(), &body].concat())
}

/// Reads one frame.
fn read_frame<T: serde::de::DeserializeOwned>(from: &mut impl std::io::Read) -> Option<T> {
    let mut length = [0; 4];
    from.read_exact(&mut length).ok()?;
    let length = usize::try_from(u32::from_le_bytes(length)).ok()?;
    if length > MAX_FRAME_BYTES {
        return None;
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body).ok()?;
    match postcard::take_from_bytes(&body) {
        Ok((value, [])) => Some(value),
        _ => None,
    }
}
