//! What good pictures become.

use std::time::{Duration, UNIX_EPOCH};

use image::{DynamicImage, ImageFormat};
use strongroom::pictures::{MAX_PREVIEW_BYTES, MAX_SHEET_BYTES, Task, Tile};

use crate::{Atelier, made};

fn opened(jpeg: &[u8]) -> DynamicImage {
    image::load_from_memory_with_format(jpeg, ImageFormat::Jpeg).unwrap()
}

#[test]
fn all_four_formats_become_thumbnails_of_bounded_size() {
    let atelier = Atelier::new();
    let picture = made::halves(1600, 1200);
    for format in [
        ImageFormat::Jpeg,
        ImageFormat::Png,
        ImageFormat::Gif,
        ImageFormat::WebP,
    ] {
        let content = if format == ImageFormat::Gif {
            made::encoded(&DynamicImage::ImageRgba8(picture.to_rgba8()), format)
        } else {
            made::encoded(&picture, format)
        };

        let drawn = atelier.thumbnail(&content).unwrap();

        let said = drawn.picture.unwrap();
        assert_eq!((said.width, said.height), (1600, 1200), "{format:?}");
        assert!(drawn.image.len() <= vault::thumbnail::MAX_IMAGE_BYTES);
        let small = opened(&drawn.image).to_rgb8();
        assert_eq!((small.width(), small.height()), (320, 240), "{format:?}");
        let (left, right) = (small.get_pixel(80, 120).0, small.get_pixel(240, 120).0);
        assert!(
            left[0] > 180 && right[2] > 180,
            "{format:?} {left:?} {right:?}"
        );
    }
}

#[test]
fn a_picture_that_compresses_badly_fits_all_the_same_and_a_clear_one_lies_on_white() {
    let atelier = Atelier::new();

    let noise = made::encoded(&made::noise(1000, 800), ImageFormat::Png);
    let noise = atelier.thumbnail(&noise).unwrap();
    let clear = made::encoded(&made::transparent(40, 30), ImageFormat::Png);
    let clear = atelier.thumbnail(&clear).unwrap();

    assert!(noise.image.len() <= vault::thumbnail::MAX_IMAGE_BYTES);
    let clear = opened(&clear.image).to_rgb8();
    assert_eq!((clear.width(), clear.height()), (40, 30), "never larger");
    assert!(clear.get_pixel(20, 15).0.iter().all(|it| *it > 250));
}

#[test]
fn a_cameras_notes_are_read_and_the_picture_stands_upright() {
    let atelier = Atelier::new();
    let jpeg = made::encoded(&made::halves(800, 400), ImageFormat::Jpeg);
    let noted = made::noted(&jpeg, &made::notes());

    let drawn = atelier.thumbnail(&noted).unwrap();
    let bare = atelier.thumbnail(&jpeg).unwrap().picture.unwrap();

    let said = drawn.picture.unwrap();
    assert_eq!((said.width, said.height), (400, 800));
    assert_eq!(said.camera.as_deref(), Some("Google Pixel 8"));
    // 2025-06-04 10:11:12 by its own clock, whatever zone that goes by.
    let at = UNIX_EPOCH + Duration::from_secs(1_749_031_872);
    assert_eq!(said.taken_at, Some(at));
    let place = said.place.unwrap();
    assert_eq!(
        (place.latitude, place.longitude),
        (-33_856_783, 151_215_297)
    );
    assert!(said.is_described);
    let small = opened(&drawn.image).to_rgb8();
    assert_eq!((small.width(), small.height()), (160, 320));
    let (top, bottom) = (small.get_pixel(80, 60).0, small.get_pixel(80, 260).0);
    assert!(top[0] > 180 && bottom[2] > 180, "{top:?} {bottom:?}");
    assert!(!bare.is_described && bare.camera.is_none() && bare.taken_at.is_none());
}

#[test]
fn a_preview_is_larger_than_a_thumbnail_and_still_bounded() {
    let atelier = Atelier::new();
    let content = made::encoded(&made::noise(2000, 1500), ImageFormat::Jpeg);
    let bytes = content.len() as u64;

    let drawn = atelier
        .studio
        .draw(&Task::Preview { bytes }, &mut &content[..]);

    let drawn = drawn.unwrap().unwrap();
    assert!(drawn.image.len() <= MAX_PREVIEW_BYTES);
    let preview = opened(&drawn.image);
    assert!(
        preview.width() > 640 && preview.width() <= 1280,
        "{}",
        preview.width()
    );
}

#[test]
fn a_full_sheet_of_the_worst_thumbnails_stays_below_its_bound() {
    let atelier = Atelier::new();
    let content = made::encoded(&made::noise(320, 240), ImageFormat::Png);
    let image = atelier.thumbnail(&content).unwrap().image;
    let tiles = (1..=20).map(|number| Tile {
        number,
        name: format!("IMG_{number}.jpg"),
        image: image.clone(),
    });

    let task = Task::Sheet(tiles.collect());
    let drawn = atelier.studio.draw(&task, &mut std::io::empty());

    let sheet = drawn.unwrap().unwrap().image;
    assert!(sheet.len() <= MAX_SHEET_BYTES && sheet.len() > 50_000);
    assert_eq!(opened(&sheet).width(), 1224);
}
