//! What a camera noted in a picture: when, with what, where. Runs in a decoder only.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::NaiveDate;
use exif::{DateTime, Exif, In, Reader, Tag, Value};
use vault::{Picture, Place, thumbnail::MAX_CAMERA_BYTES};

/// Millionths in a degree.
const MILLIONTHS: f64 = 1e6;
const MINUTES_OF_DEGREE: f64 = 60.0;
const SECONDS_OF_DEGREE: f64 = 3600.0;
/// What some writers put before the notes.
const PREFIX: &[u8] = b"Exif\0\0";

/// Reads a camera's notes, as far as they can be read.
pub(super) fn read(notes: Vec<u8>) -> Picture {
    let notes = match notes.strip_prefix(PREFIX) {
        Some(notes) => notes.to_vec(),
        None => notes,
    };
    let read = Reader::new().continue_on_error(true).read_raw(notes);
    let Ok(exif) = read.or_else(|error| error.distill_partial_result(|_| ())) else {
        return Picture::default();
    };
    Picture {
        taken_at: taken_at(&exif),
        camera: camera(&exif),
        place: place(&exif),
        is_described: exif.fields().any(|field| tells_of_a_camera(field.tag)),
        ..Picture::default()
    }
}

/// Programs that make a picture anew often keep its size and orientation, and nothing else.
fn tells_of_a_camera(tag: Tag) -> bool {
    [
        Tag::Make,
        Tag::Model,
        Tag::DateTimeOriginal,
        Tag::DateTimeDigitized,
        Tag::ExposureTime,
        Tag::FNumber,
        Tag::PhotographicSensitivity,
        Tag::FocalLength,
    ]
    .contains(&tag)
}

fn ascii(exif: &Exif, tag: Tag) -> Option<&[u8]> {
    let Value::Ascii(texts) = &exif.get_field(tag, In::PRIMARY)?.value else {
        return None;
    };
    texts.first().map(Vec::as_slice)
}

fn taken_at(exif: &Exif) -> Option<SystemTime> {
    // How far that clock was from universal time is left out: the day is the one it showed.
    let time = [Tag::DateTimeOriginal, Tag::DateTimeDigitized]
        .into_iter()
        .find_map(|time| ascii(exif, time))?;
    let time = DateTime::from_ascii(time).ok()?;
    let day = NaiveDate::from_ymd_opt(
        i32::from(time.year),
        u32::from(time.month),
        u32::from(time.day),
    )?;
    let at = day.and_hms_opt(
        u32::from(time.hour),
        u32::from(time.minute),
        u32::from(time.second),
    )?;
    let seconds = at.and_utc().timestamp();
    let distance = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 {
        UNIX_EPOCH.checked_sub(distance)
    } else {
        UNIX_EPOCH.checked_add(distance)
    }
}

/// Maker and model; most models name their maker already.
fn camera(exif: &Exif) -> Option<String> {
    let text = |tag| {
        let text = String::from_utf8_lossy(ascii(exif, tag)?);
        let shown: String = text.chars().filter(|it| !it.is_control()).collect();
        let shown = shown.trim().to_owned();
        (!shown.is_empty()).then_some(shown)
    };
    let (maker, model) = (text(Tag::Make), text(Tag::Model));
    let mut camera = match (maker, model) {
        (Some(maker), Some(model)) => {
            let first = maker.split(' ').next().unwrap_or_default().to_lowercase();
            if model.to_lowercase().starts_with(&first) {
                model
            } else {
                format!("{maker} {model}")
            }
        }
        (maker, model) => maker.or(model)?,
    };
    while camera.len() > MAX_CAMERA_BYTES {
        camera.pop();
    }
    Some(camera)
}

fn place(exif: &Exif) -> Option<Place> {
    let latitude = degrees(exif, Tag::GPSLatitude, Tag::GPSLatitudeRef, b'S', 90.0)?;
    let longitude = degrees(exif, Tag::GPSLongitude, Tag::GPSLongitudeRef, b'W', 180.0)?;
    // What cameras write that know no place.
    (latitude != 0 || longitude != 0).then_some(Place {
        latitude,
        longitude,
    })
}

/// Reads degrees, minutes and seconds as millionths of a degree.
fn degrees(exif: &Exif, tag: Tag, side: Tag, negative: u8, most: f64) -> Option<i32> {
    let Value::Rational(parts) = &exif.get_field(tag, In::PRIMARY)?.value else {
        return None;
    };
    let part = |at: usize| parts.get(at).map(exif::Rational::to_f64);
    let sum = part(0)?
        + part(1).unwrap_or_default() / MINUTES_OF_DEGREE
        + part(2).unwrap_or_default() / SECONDS_OF_DEGREE;
    if !(0.0..=most).contains(&sum) {
        return None;
    }
    let is_negative = ascii(exif, side)?.first()?.eq_ignore_ascii_case(&negative);
    let millionths = (sum * MILLIONTHS).round();
    #[expect(
        clippy::cast_possible_truncation,
        reason = "at most 180 million, as was just seen"
    )]
    let millionths = millionths as i32;
    Some(if is_negative { -millionths } else { millionths })
}
