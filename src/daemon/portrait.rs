//! The picture that the vault shows of itself: a door of a strongroom, drawn here dot by dot.

use crate::pictures::png;

/// Dots in a row, and rows.
pub(super) const SIDE: u16 = 64;
/// The colours: ground, door, wheel, spokes; red, green and blue.
const COLOURS: [[u8; 3]; 4] = [
    [0x1f, 0x2a, 0x36],
    [0x7d, 0x8c, 0x9c],
    [0x32, 0x3f, 0x4d],
    [0xf2, 0xc1, 0x4e],
];

/// Returns the picture as a PNG.
pub(super) fn png() -> Vec<u8> {
    // Two bits a dot: four dots a byte.
    let row = |y: u16| -> Vec<u8> {
        let four = |four: u16| (four * 4..four * 4 + 4).map(move |x| colour(x, y));
        let bytes = (0..SIDE / 4).map(|it| four(it).fold(0, |byte, dot| (byte << 2) | dot));
        bytes.collect()
    };
    let rows: Vec<Vec<u8>> = (0..SIDE).map(row).collect();
    png::write(u32::from(SIDE), 2, &COLOURS, &rows)
}

/// Returns the colour of a dot: rings around the middle, and four spokes on the wheel.
fn colour(x: u16, y: u16) -> u8 {
    let from_middle = |it: u16| i32::from(it) * 2 - i32::from(SIDE) + 1;
    let (x, y) = (from_middle(x), from_middle(y));
    let far = x * x + y * y;
    let is_spoke = x.abs() <= 4 || y.abs() <= 4;
    let is_wheel = far <= 100 || (far <= 900 && is_spoke) || (901..=1_300).contains(&far);
    match far {
        _ if is_wheel => 3,
        0..=2_200 => 2,
        2_201..=3_600 => 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_is_small_and_shows_all_four_colours() {
        let png = png();
        let mut seen = [0; 4];
        for y in 0..SIDE {
            for x in 0..SIDE {
                seen[usize::from(colour(x, y))] += 1;
            }
        }

        assert!(png.len() < 1_500, "{}", png.len());
        assert!(seen.iter().all(|count| *count > 100), "{seen:?}");
    }
}
