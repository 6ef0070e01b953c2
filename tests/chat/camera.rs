//! Pictures that can be opened, with or without a camera's notes.

use std::io::Cursor;

use exif::{Field, In, Rational, Tag, Value, experimental::Writer};

/// A grey picture without a camera's notes.
pub(crate) fn picture(width: u32, height: u32) -> Vec<u8> {
    let picture = image::RgbImage::from_pixel(width, height, image::Rgb([120, 120, 120]));
    let mut bytes = Cursor::new(Vec::new());
    picture
        .write_to(&mut bytes, image::ImageFormat::Jpeg)
        .unwrap();
    bytes.into_inner()
}

/// The same as a telephone in Rome makes it; `taken` is "2025-06-03 14:05".
pub(crate) fn photo(width: u32, height: u32, taken: &str) -> Vec<u8> {
    let picture = picture(width, height);
    let notes = notes(taken);
    let length = u16::try_from(notes.len() + 8).unwrap();
    [
        &picture[..2],
        &[0xFF, 0xE1],
        &length.to_be_bytes(),
        b"Exif\0\0",
        &notes,
        &picture[2..],
    ]
    .concat()
}

fn notes(taken: &str) -> Vec<u8> {
    let taken = format!("{}:00", taken.replace('-', ":"));
    let fields = [
        text(Tag::Make, "Google"),
        text(Tag::Model, "Pixel 8"),
        text(Tag::DateTimeOriginal, &taken),
        text(Tag::GPSLatitudeRef, "N"),
        angle(Tag::GPSLatitude, [(41, 1), (53, 1), (2400, 100)]),
        text(Tag::GPSLongitudeRef, "E"),
        angle(Tag::GPSLongitude, [(12, 1), (29, 1), (3200, 100)]),
    ];
    let mut writer = Writer::new();
    fields.iter().for_each(|field| writer.push_field(field));
    let mut notes = Cursor::new(Vec::new());
    writer.write(&mut notes, false).unwrap();
    notes.into_inner()
}

fn field(tag: Tag, value: Value) -> Field {
    let ifd_num = In::PRIMARY;
    Field {
        tag,
        ifd_num,
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

/// A film without content, as Android's own writer makes it where no camera is at work.
pub(crate) fn film(width: u32, height: u32) -> Vec<u8> {
    let mut tkhd = vec![0; 84];
    tkhd[40..44].copy_from_slice(&0x1_0000_u32.to_be_bytes());
    tkhd[76..80].copy_from_slice(&(width << 16).to_be_bytes());
    tkhd[80..84].copy_from_slice(&(height << 16).to_be_bytes());
    let keys = [[0; 8].as_slice(), &boxed(b"mdta", b"com.android.version")].concat();
    let meta = [[0; 4].as_slice(), &boxed(b"keys", &keys)].concat();
    let head = [
        boxed(b"trak", &boxed(b"tkhd", &tkhd)),
        boxed(b"meta", &meta),
    ];
    [
        boxed(b"ftyp", b"mp42\0\0\0\0isommp42"),
        boxed(b"mdat", &[7; 100_000]),
        boxed(b"moov", &head.concat()),
    ]
    .concat()
}

fn boxed(kind: &[u8; 4], inside: &[u8]) -> Vec<u8> {
    let length = u32::try_from(inside.len() + 8).unwrap();
    [length.to_be_bytes().as_slice(), kind, inside].concat()
}
