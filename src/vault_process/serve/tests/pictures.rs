//! Thumbnails, contact sheets and previews, by decoders on threads of this process.

use image::{DynamicImage, ImageFormat, Rgb, RgbImage};

use super::*;
use crate::vault_process::{Make, PictureAsk, PictureWord};

fn decoders() -> UnixStream {
    crate::pictures::starter::on_threads().unwrap()
}

fn red(width: u32, height: u32) -> Vec<u8> {
    let picture = RgbImage::from_pixel(width, height, Rgb([220, 20, 20]));
    let mut bytes = io::Cursor::new(Vec::new());
    DynamicImage::ImageRgb8(picture)
        .write_to(&mut bytes, ImageFormat::Jpeg)
        .unwrap();
    bytes.into_inner()
}

/// Adopts a file that is no picture last, so that what comes next was looked at by then.
fn scene_with(files: &[(&[u8], &str)]) -> Scene {
    let mut scene = Scene::with(Some(decoders()));
    for (content, name) in files {
        let blob = scene.keep(content, name);
        scene.adopt(&blob);
        let mut seen = !name.ends_with(".jpg");
        let mut adopted = false;
        while !(seen && adopted) {
            let word = scene.word();
            let is_seen = matches!(word, Word::Picture(PictureWord::Seen { .. }));
            assert!(is_seen || matches!(word, Word::Adopted { .. }));
            seen |= is_seen;
            adopted |= !is_seen;
        }
    }
    scene
}

fn make(scene: &mut Scene, make: Make) -> Word {
    let ask = PictureAsk {
        job: [4; 32],
        form: Form::Link,
        make,
    };
    scene.order(&Order::Picture(ask));
    scene.word()
}

#[test]
fn a_picture_that_came_in_is_seen_and_has_a_thumbnail_and_a_letter_is_not_said_to_be_one() {
    let photo = red(1920, 1080);
    let mut scene = Scene::with(Some(decoders()));
    let letter = scene.keep(b"Dear Ann", "letter.txt");
    scene.adopt(&letter);
    assert!(matches!(scene.word(), Word::Adopted { .. }));
    let blob = scene.keep(&photo, "IMG_1.jpg");
    scene.adopt(&blob);
    assert!(matches!(scene.word(), Word::Adopted { .. }));

    let Word::Picture(PictureWord::Seen {
        number,
        name,
        bytes,
        picture,
        is_film: false,
    }) = scene.word()
    else {
        panic!("it is seen");
    };

    assert_eq!(
        (number, name.as_str(), bytes),
        (2, "IMG_1.jpg", photo.len() as u64)
    );
    assert_eq!((picture.width, picture.height), (1920, 1080));
    let kept = scene.place.path().join("vault/thumbnails");
    let fan = &blob.to_string()[..2];
    assert!(kept.join(fan).join(format!("{blob}.thumb")).exists());
    scene.end();
}

/// The same as a camera makes it that only notes when.
fn taken(picture: &[u8], at: &str) -> Vec<u8> {
    use exif::{Field, In, Tag, Value, experimental::Writer};
    let field = Field {
        tag: Tag::DateTimeOriginal,
        ifd_num: In::PRIMARY,
        value: Value::Ascii(vec![at.as_bytes().to_vec()]),
    };
    let mut writer = Writer::new();
    writer.push_field(&field);
    let mut notes = io::Cursor::new(Vec::new());
    writer.write(&mut notes, false).unwrap();
    let notes = notes.into_inner();
    let length = u16::try_from(notes.len() + 8).unwrap().to_be_bytes();
    let (start, rest) = picture.split_at(2);
    [start, &[0xFF, 0xE1], &length, b"Exif\0\0", &notes, rest].concat()
}

#[test]
fn a_picture_is_of_the_day_its_camera_noted_or_else_of_the_day_its_sender_dated_it() {
    let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
    let (dated, noted) = (at(1_437_943_560), at(1_748_959_500));
    let plain = red(400, 300);
    let photo = taken(&plain, "2025:06:03 14:05:00");
    let mut scene = Scene::with(Some(decoders()));
    let mut found = Vec::new();
    for (content, dated) in [
        (&plain, None),
        (&plain, Some(dated)),
        (&photo, Some(dated)),
        (&photo, None),
    ] {
        // Another content each time, so that none is a double.
        let content = [content, found.len().to_be_bytes().as_slice()].concat();
        let blob = scene.keep_dated(&content, "one.jpg", dated);
        scene.adopt(&blob);
        assert!(matches!(scene.word(), Word::Adopted { .. }));
        let Word::Picture(PictureWord::Seen { picture, .. }) = scene.word() else {
            panic!("it is seen");
        };
        found.push(picture.taken_at);
    }

    assert_eq!(found, [None, Some(dated), Some(noted), Some(noted)]);
    scene.end();
}

#[test]
fn a_sheet_is_a_delivery_of_a_picture_that_shows_what_was_asked_for() {
    let mut scene = scene_with(&[
        (&red(400, 300), "one.jpg"),
        (&red(500, 300), "two.jpg"),
        (b"Dear Ann", "letter.pdf"),
    ]);

    let word = make(&mut scene, Make::Sheet(vec![3, 2, 1]));

    let Word::Prepared {
        row, media_type, ..
    } = &word
    else {
        panic!("it is made");
    };
    assert_eq!((row.number, row.name.as_str()), (3, "sheet.jpg"));
    assert_eq!(media_type.as_deref(), Some("image/jpeg"));
    let (content, _) = scene.received(word, Form::Link).unwrap();
    let sheet = image::load_from_memory(&content).unwrap().to_rgb8();
    assert_eq!((sheet.width(), sheet.height()), (736, 232), "three tiles");
    let colours: Vec<bool> = [120, 364, 608]
        .map(|x| sheet.get_pixel(x, 60).0[0] > 180)
        .to_vec();
    assert_eq!(colours, [false, true, true]);
    scene.end();
}

#[test]
fn a_preview_is_smaller_than_its_picture_and_a_letter_has_none() {
    let mut scene = scene_with(&[(&red(3000, 2000), "one.jpg"), (b"Dear Ann", "letter.txt")]);

    let word = make(&mut scene, Make::Small(1));
    let named = matches!(&word, Word::Prepared { row, .. } if row.name == "one small.jpg");
    let (content, _) = scene.received(word, Form::Link).unwrap();
    let none = make(&mut scene, Make::Small(2));

    assert!(named);
    let preview = image::load_from_memory(&content).unwrap();
    assert_eq!((preview.width(), preview.height()), (1280, 853));
    assert!(matches!(
        none,
        Word::Picture(PictureWord::NotMade { number: 2, .. })
    ));
    let missing = make(&mut scene, Make::Small(9));
    assert!(matches!(missing, Word::NotPrepared { number: 9, .. }));
    assert!(scene.delivers(), "the file itself goes out as ever");
    scene.end();
}

#[test]
fn without_decoders_a_sheet_is_refused_and_nothing_else_is() {
    let mut scene = Scene::new();
    let blob = scene.keep(&red(40, 30), "one.jpg");
    scene.adopt(&blob);
    assert!(matches!(scene.word(), Word::Adopted { .. }));

    let word = make(&mut scene, Make::Sheet(vec![1]));

    assert!(matches!(word, Word::NotPrepared { number: 1, .. }));
    assert!(scene.delivers());
    scene.end();
}
