//! Pictures made for the tests.

use std::io::Cursor;

use exif::{Field, In, Rational, Tag, Value, experimental::Writer};
use image::{DynamicImage, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};

/// A picture with a red left half and a blue right half.
pub(crate) fn halves(width: u32, height: u32) -> DynamicImage {
    DynamicImage::ImageRgb8(RgbImage::from_fn(width, height, |x, _| {
        if x < width / 2 {
            Rgb([220, 20, 20])
        } else {
            Rgb([20, 20, 220])
        }
    }))
}

/// A picture that does not compress well.
pub(crate) fn noise(width: u32, height: u32) -> DynamicImage {
    let mut state = 0x2545_f491_u32;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()
    };
    DynamicImage::ImageRgb8(RgbImage::from_fn(width, height, |_, _| {
        let [red, green, blue, _] = next();
        Rgb([red, green, blue])
    }))
}

pub(crate) fn transparent(width: u32, height: u32) -> DynamicImage {
    DynamicImage::ImageRgba8(RgbaImage::from_pixel(width, height, Rgba([0, 0, 0, 0])))
}

pub(crate) fn encoded(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn field(tag: Tag, value: Value) -> Field {
    Field {
        tag,
        ifd_num: In::PRIMARY,
        value,
    }
}

fn text(tag: Tag, text: &str) -> Field {
    field(tag, Value::Ascii(vec![text.as_bytes().to_vec()]))
}

fn angle(tag: Tag, parts: [(u32, u32); 3]) -> Field {
    let parts = parts.map(|(num, denom)| Rational { num, denom });
    field(tag, Value::Rational(parts.to_vec()))
}

/// The notes of a camera that was held upright, in Sydney.
pub(crate) fn notes() -> Vec<u8> {
    let fields = [
        text(Tag::Make, "Google"),
        text(Tag::Model, "Pixel 8"),
        field(Tag::Orientation, Value::Short(vec![6])),
        text(Tag::DateTimeOriginal, "2025:06:04 10:11:12"),
        text(Tag::OffsetTimeOriginal, "+10:00"),
        text(Tag::GPSLatitudeRef, "S"),
        angle(Tag::GPSLatitude, [(33, 1), (51, 1), (2442, 100)]),
        text(Tag::GPSLongitudeRef, "E"),
        angle(Tag::GPSLongitude, [(151, 1), (12, 1), (5507, 100)]),
    ];
    let mut writer = Writer::new();
    fields.iter().for_each(|field| writer.push_field(field));
    let mut bytes = Cursor::new(Vec::new());
    writer.write(&mut bytes, false).unwrap();
    bytes.into_inner()
}

/// Puts a camera's notes into a JPEG.
pub(crate) fn noted(jpeg: &[u8], notes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(notes.len() + 8).unwrap();
    [
        &jpeg[..2],
        &[0xFF, 0xE1],
        &length.to_be_bytes(),
        b"Exif\0\0",
        notes,
        &jpeg[2..],
    ]
    .concat()
}

/// Says another size in a JPEG's frame header.
pub(crate) fn resized_jpeg(jpeg: &[u8], width: u16, height: u16) -> Vec<u8> {
    let mut bytes = jpeg.to_vec();
    let at = bytes
        .windows(2)
        .position(|it| it == [0xFF, 0xC0] || it == [0xFF, 0xC2])
        .unwrap();
    bytes[at + 5..at + 7].copy_from_slice(&height.to_be_bytes());
    bytes[at + 7..at + 9].copy_from_slice(&width.to_be_bytes());
    bytes
}

/// Says another size in a PNG's header, with a checksum that holds.
pub(crate) fn resized_png(png: &[u8], width: u32, height: u32) -> Vec<u8> {
    let mut bytes = png.to_vec();
    bytes[16..20].copy_from_slice(&width.to_be_bytes());
    bytes[20..24].copy_from_slice(&height.to_be_bytes());
    let checksum = crc32(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&checksum.to_be_bytes());
    bytes
}

/// Says another size in a GIF's screen and first frame.
pub(crate) fn resized_gif(gif: &[u8], width: u16, height: u16) -> Vec<u8> {
    let mut bytes = gif.to_vec();
    let mut put = |at: usize| {
        bytes[at..at + 2].copy_from_slice(&width.to_le_bytes());
        bytes[at + 2..at + 4].copy_from_slice(&height.to_le_bytes());
    };
    put(6);
    let frame = gif.iter().rposition(|it| *it == 0x2C).unwrap_or(20);
    if frame + 9 < gif.len() {
        put(frame + 5);
    }
    bytes
}

// PNG (third edition) annex D
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc: u32, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xEDB8_8320 & 0_u32.wrapping_sub(crc & 1))
        })
    })
}
