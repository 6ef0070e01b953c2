//! Opens one picture and makes it small.

use std::io::Cursor;

use image::{
    DynamicImage, ImageDecoder as _, ImageFormat, ImageReader, Limits, Rgb, RgbImage,
    codecs::jpeg::JpegEncoder, metadata::Orientation,
};
use vault::Picture;

use super::{Drawn, MAX_MEMORY_BYTES, MAX_PIXELS, exif};

/// Longest side of a thumbnail, in pixels.
pub(super) const THUMBNAIL_EDGE: u32 = 320;
/// Longest side of a preview, in pixels.
const PREVIEW_EDGE: u32 = 1280;
/// Longest side of a picture that is looked at, in pixels.
const MAX_EDGE: u32 = 65_535;
const QUALITY: u8 = 75;
const LOWEST_QUALITY: u8 = 35;
const QUALITY_STEP: u8 = 10;
/// What shows through where a picture is transparent.
const PAPER: u32 = 255;

pub(super) fn thumbnail(content: &[u8], longest: usize) -> Option<Drawn> {
    draw(content, THUMBNAIL_EDGE, longest)
}

pub(super) fn preview(content: &[u8], longest: usize) -> Option<Drawn> {
    draw(content, PREVIEW_EDGE, longest)
}

fn draw(content: &[u8], edge: u32, longest: usize) -> Option<Drawn> {
    let (small, picture) = open(content, edge)?;
    Some(Drawn {
        image: encode(&small, longest)?,
        picture: Some(picture),
    })
}

/// Opens a picture and makes it as small as is wanted, upright.
fn open(content: &[u8], edge: u32) -> Option<(RgbImage, Picture)> {
    let mut reader = ImageReader::new(Cursor::new(content))
        .with_guessed_format()
        .ok()?;
    if !matches!(
        reader.format()?,
        ImageFormat::Jpeg | ImageFormat::Png | ImageFormat::Gif | ImageFormat::WebP
    ) {
        return None;
    }
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_EDGE);
    limits.max_image_height = Some(MAX_EDGE);
    limits.max_alloc = Some(MAX_MEMORY_BYTES);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().ok()?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        return None;
    }
    let notes = decoder.exif_metadata().ok().flatten();
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let whole = DynamicImage::from_decoder(decoder).ok()?;
    let mut small = if width.max(height) > edge {
        whole.thumbnail(edge, edge)
    } else {
        whole
    };
    small.apply_orientation(orientation);
    let is_turned = matches!(
        orientation,
        Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH
    );
    let mut picture = notes.map(exif::read).unwrap_or_default();
    (picture.width, picture.height) = if is_turned {
        (height, width)
    } else {
        (width, height)
    };
    Some((on_paper(&small), picture))
}

/// Lays a picture on white paper.
fn on_paper(picture: &DynamicImage) -> RgbImage {
    if !picture.color().has_alpha() {
        return picture.to_rgb8();
    }
    let with_alpha = picture.to_rgba8();
    RgbImage::from_fn(with_alpha.width(), with_alpha.height(), |x, y| {
        let [red, green, blue, alpha] = with_alpha.get_pixel(x, y).0;
        let alpha = u32::from(alpha);
        let laid = |colour: u8| {
            let mixed = (u32::from(colour) * alpha + PAPER * (255 - alpha)) / 255;
            u8::try_from(mixed).unwrap_or(u8::MAX)
        };
        Rgb([laid(red), laid(green), laid(blue)])
    })
}

/// Encodes a picture so that it is at most `longest` bytes long: coarser first, smaller then.
pub(super) fn encode(picture: &RgbImage, longest: usize) -> Option<Vec<u8>> {
    let mut smaller: Option<RgbImage> = None;
    loop {
        let picture = smaller.as_ref().unwrap_or(picture);
        let mut quality = QUALITY;
        while quality >= LOWEST_QUALITY {
            let mut bytes = Vec::new();
            let mut encoder = JpegEncoder::new_with_quality(&mut bytes, quality);
            encoder.encode_image(picture).ok()?;
            if bytes.len() <= longest {
                return Some(bytes);
            }
            quality -= QUALITY_STEP;
        }
        let (width, height) = (picture.width() * 3 / 4, picture.height() * 3 / 4);
        if width == 0 || height == 0 {
            return None;
        }
        smaller = Some(image::imageops::thumbnail(picture, width, height));
    }
}
