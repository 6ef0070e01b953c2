//! Draws a text as a QR code.

use qrcode::{Color, QrCode};

use super::png;

/// White and black.
const COLOURS: [[u8; 3]; 2] = [[255; 3], [0; 3]];
/// Dots a square is wide: a byte of a row, with one bit a dot, is one square.
const DOTS: usize = 8;
/// Squares of white around the code. // ISO/IEC 18004:2015 5.3.8
const QUIET: usize = 4;

/// Returns the code as a PNG; `None` where the text is too long for one.
#[must_use]
pub fn draw(text: &str) -> Option<Vec<u8>> {
    let code = QrCode::new(text).ok()?;
    let squares = code.width() + 2 * QUIET;
    let is_dark = |x: usize, y: usize| {
        let inside = |it: usize| it.checked_sub(QUIET).filter(|it| *it < code.width());
        inside(x)
            .zip(inside(y))
            .is_some_and(|at| code[at] == Color::Dark)
    };
    let row = |y: usize| -> Vec<u8> {
        let byte = |x| if is_dark(x, y) { u8::MAX } else { 0 };
        (0..squares).map(byte).collect()
    };
    let rows = (0..squares).flat_map(|y| vec![row(y); DOTS]);
    let rows: Vec<Vec<u8>> = rows.collect();
    let side = u32::try_from(squares * DOTS).ok()?;
    Some(png::write(side, 1, &COLOURS, &rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_of_qr_codes_finds_the_text_in_the_picture() {
        for length in [1, 120, 1_200, 2_000] {
            let text: String = ('a'..='z').cycle().take(length).collect();

            let picture = image::load_from_memory(&draw(&text).unwrap()).unwrap();

            let picture = picture.to_luma8();
            let (width, height) = picture.dimensions();
            let (width, height) = (width as usize, height as usize);
            let dot = |x: usize, y: usize| picture.as_raw()[y * width + x];
            let mut prepared = rqrr::PreparedImage::prepare_from_greyscale(width, height, dot);
            let found = prepared.detect_grids();
            assert_eq!(found.len(), 1, "{length}");
            assert_eq!(found[0].decode().unwrap().1, text);
        }
        assert!(draw(&"x".repeat(3_000)).is_none());
    }
}
