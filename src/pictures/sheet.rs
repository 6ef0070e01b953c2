//! Puts thumbnails together on one contact sheet, each with its number. Runs in a decoder only:
//! the thumbnails were made by one, and might be anything.

use embedded_graphics::{
    Pixel,
    draw_target::DrawTarget,
    geometry::{OriginDimensions, Point, Size},
    mono_font::{
        MonoTextStyle,
        iso_8859_1::{FONT_9X15, FONT_9X15_BOLD},
    },
    pixelcolor::{Rgb888, RgbColor as _},
    prelude::Drawable as _,
    text::{Alignment, Text},
};
use image::{DynamicImage, ImageFormat, Rgb, RgbImage, imageops};

use super::{Drawn, Tile, draw};

/// Tiles beside each other.
pub const COLUMNS: u32 = 5;
/// Tiles above each other.
pub const ROWS: u32 = 4;
/// Tiles of one sheet.
pub const TILES: usize = 20;

/// Width of a tile, in pixels.
const TILE_WIDTH: u32 = 240;
/// Height of the picture on it.
const PICTURE_HEIGHT: u32 = 200;
/// Height of the strip below with number and name.
const STRIP_HEIGHT: u32 = 24;
const TILE_HEIGHT: u32 = PICTURE_HEIGHT + STRIP_HEIGHT;
const GAP: u32 = 4;
/// Width of a letter.
const LETTER_WIDTH: u32 = 9;
/// Where letters stand, above the lower edge of the strip.
const BASE_LINE: u32 = 7;
const GROUND: Rgb<u8> = Rgb([24, 26, 30]);
const PLAIN: Rgb<u8> = Rgb([58, 64, 74]);
/// Letters of an ending that a plain tile shows.
const MAX_ENDING: usize = 8;

pub(super) fn draw(tiles: &[Tile], longest: usize) -> Option<Drawn> {
    let count = u32::try_from(tiles.len()).ok()?;
    if count == 0 || tiles.len() > TILES {
        return None;
    }
    let columns = count.min(COLUMNS);
    let rows = count.div_ceil(COLUMNS);
    let side = |tiles: u32, length: u32| tiles * (length + GAP) + GAP;
    let mut sheet = Sheet(RgbImage::from_pixel(
        side(columns, TILE_WIDTH),
        side(rows, TILE_HEIGHT),
        GROUND,
    ));
    for (place, tile) in (0..).zip(tiles) {
        let x = side(place % COLUMNS, TILE_WIDTH);
        let y = side(place / COLUMNS, TILE_HEIGHT);
        sheet.tile(x, y, tile);
    }
    Some(Drawn {
        picture: None,
        image: draw::encode(&sheet.0, longest)?,
    })
}

/// A sheet that letters can be put on.
struct Sheet(RgbImage);

impl Sheet {
    fn tile(&mut self, x: u32, y: u32, tile: &Tile) {
        match thumbnail(&tile.image) {
            Some(small) => {
                let left = x + (TILE_WIDTH - small.width()) / 2;
                let top = y + (PICTURE_HEIGHT - small.height()) / 2;
                imageops::replace(&mut self.0, &small, left.into(), top.into());
            }
            None => self.plain(x, y, &tile.name),
        }
        let base = y + TILE_HEIGHT - BASE_LINE;
        let number = format!("#{}", tile.number);
        let number_width = LETTER_WIDTH * u32::try_from(number.len()).unwrap_or(0);
        self.write(&number, x + 2, base, Alignment::Left, true);
        let room = TILE_WIDTH.saturating_sub(number_width + LETTER_WIDTH) / LETTER_WIDTH;
        let name = shortened(&tile.name, usize::try_from(room).unwrap_or(0));
        self.write(&name, x + TILE_WIDTH - 2, base, Alignment::Right, false);
    }

    /// What cannot be shown: a box that says what kind of file it is.
    fn plain(&mut self, x: u32, y: u32, name: &str) {
        for (dx, dy) in (0..PICTURE_HEIGHT).flat_map(|dy| (0..TILE_WIDTH).map(move |dx| (dx, dy))) {
            self.0.put_pixel(x + dx, y + dy, PLAIN);
        }
        let middle = (x + TILE_WIDTH / 2, y + PICTURE_HEIGHT / 2);
        self.write(&ending(name), middle.0, middle.1, Alignment::Center, true);
    }

    fn write(&mut self, text: &str, x: u32, y: u32, alignment: Alignment, bold: bool) {
        let font = if bold { &FONT_9X15_BOLD } else { &FONT_9X15 };
        let style = MonoTextStyle::new(font, Rgb888::WHITE);
        let at = Point::new(
            i32::try_from(x).unwrap_or(i32::MAX),
            i32::try_from(y).unwrap_or(i32::MAX),
        );
        let Ok(_) = Text::with_alignment(text, at, style, alignment).draw(self);
    }
}

impl OriginDimensions for Sheet {
    fn size(&self) -> Size {
        Size::new(self.0.width(), self.0.height())
    }
}

impl DrawTarget for Sheet {
    type Color = Rgb888;
    type Error = std::convert::Infallible;

    fn draw_iter<I>(&mut self, pixels: I) -> Result<(), Self::Error>
    where
        I: IntoIterator<Item = Pixel<Self::Color>>,
    {
        for Pixel(at, colour) in pixels {
            let (Ok(x), Ok(y)) = (u32::try_from(at.x), u32::try_from(at.y)) else {
                continue;
            };
            if let Some(pixel) = self.0.get_pixel_mut_checked(x, y) {
                *pixel = Rgb([colour.r(), colour.g(), colour.b()]);
            }
        }
        Ok(())
    }
}

/// Opens a thumbnail and makes it fit on its tile.
fn thumbnail(image: &[u8]) -> Option<RgbImage> {
    if image.is_empty() {
        return None;
    }
    let mut reader = image::ImageReader::new(std::io::Cursor::new(image));
    reader.set_format(ImageFormat::Jpeg);
    let mut limits = image::Limits::default();
    limits.max_image_width = Some(draw::THUMBNAIL_EDGE);
    limits.max_image_height = Some(draw::THUMBNAIL_EDGE);
    reader.limits(limits);
    let whole = reader.decode().ok()?;
    let (width, height) = (whole.width(), whole.height());
    if width > draw::THUMBNAIL_EDGE || height > draw::THUMBNAIL_EDGE {
        return None;
    }
    let fits = width <= TILE_WIDTH && height <= PICTURE_HEIGHT;
    let small: DynamicImage = if fits {
        whole
    } else {
        whole.thumbnail(TILE_WIDTH, PICTURE_HEIGHT)
    };
    Some(small.to_rgb8())
}

/// Returns what kind of file a name promises: its ending in capitals.
fn ending(name: &str) -> String {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending);
    let ending = ending.filter(|it| !it.is_empty() && it.chars().count() <= MAX_ENDING);
    ending.map_or_else(|| "FILE".to_owned(), |it| shown(it).to_uppercase())
}

/// Cuts a name to so many letters; what tells most is at its end.
fn shortened(name: &str, room: usize) -> String {
    let name = shown(name);
    let letters = name.chars().count();
    if letters <= room {
        return name;
    }
    let start: String = name.chars().take(room.saturating_sub(8)).collect();
    let end: String = name.chars().skip(letters.saturating_sub(6)).collect();
    format!("{start}..{end}")
}

/// Leaves the letters that the font has.
fn shown(name: &str) -> String {
    let known = |it: char| matches!(it, ' '..='~' | '\u{a1}'..='\u{ff}');
    name.chars()
        .map(|it| if known(it) { it } else { '?' })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tile(number: u64, name: &str, image: Vec<u8>) -> Tile {
        Tile {
            number,
            name: name.to_owned(),
            image,
        }
    }

    fn red(width: u32, height: u32) -> Vec<u8> {
        draw::encode(
            &RgbImage::from_pixel(width, height, Rgb([220, 20, 20])),
            16_000,
        )
        .unwrap()
    }

    fn opened(drawn: &Drawn) -> RgbImage {
        image::load_from_memory(&drawn.image).unwrap().to_rgb8()
    }

    #[test]
    fn twenty_tiles_make_one_sheet_of_bounded_size_and_fewer_a_smaller_one() {
        let tiles: Vec<Tile> = (1..=20)
            .map(|it| tile(it, "beach at noon.jpg", red(320, 240)))
            .collect();

        let full = draw(&tiles, 500 * 1024).unwrap();
        let three = draw(&tiles[..3], 500 * 1024).unwrap();

        let (full, three) = (opened(&full), opened(&three));
        assert_eq!((full.width(), full.height()), (1224, 916));
        assert_eq!((three.width(), three.height()), (736, 232));
        assert!(draw(&[], 500 * 1024).is_none());
        let too_many = [tiles.as_slice(), &tiles[..1]].concat();
        assert!(draw(&too_many, 500 * 1024).is_none());
    }

    #[test]
    fn a_picture_is_shown_and_what_is_none_gets_a_plain_tile_with_its_kind() {
        let tiles = [
            tile(7, "beach.jpg", red(200, 200)),
            tile(8, "letter.pdf", Vec::new()),
            tile(9, "hostile.jpg", b"\xff\xd8\xff no picture".to_vec()),
        ];

        let sheet = opened(&draw(&tiles, 500 * 1024).unwrap());

        // A corner of the picture's place that no letter reaches.
        let colour = |tile: u32| {
            sheet
                .get_pixel(GAP + tile * (TILE_WIDTH + GAP) + 120, GAP + 20)
                .0
        };
        assert!(colour(0)[0] > 180 && colour(0)[1] < 60, "{:?}", colour(0));
        for plain in [1, 2] {
            let near = |at: usize| colour(plain)[at].abs_diff(PLAIN.0[at]) < 12;
            assert!((0..3).all(near), "{:?}", colour(plain));
        }
        assert_eq!(
            (ending("letter.pdf"), ending("no ending")),
            ("PDF".into(), "FILE".into())
        );
    }

    #[test]
    fn numbers_and_names_are_written_below_and_long_names_keep_their_ends() {
        let bare = opened(&draw(&[tile(1, "", red(200, 200))], 500 * 1024).unwrap());
        let named = opened(&draw(&[tile(1, "名 beach.jpg", red(200, 200))], 500 * 1024).unwrap());

        let bright = |sheet: &RgbImage| {
            let strip = sheet
                .enumerate_pixels()
                .filter(|(_, y, _)| *y > GAP + PICTURE_HEIGHT);
            strip.filter(|(_, _, pixel)| pixel.0[1] > 160).count()
        };
        assert!(bright(&bare) > 20, "{}", bright(&bare));
        assert!(bright(&named) > bright(&bare) + 100);
        assert_eq!(shortened("IMG_20250604_101112.jpg", 15), "IMG_202..12.jpg");
        assert_eq!(shortened("名.jpg", 15), "?.jpg");
    }
}
