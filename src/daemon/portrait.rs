//! The picture that the vault shows of itself: a door of a strongroom, drawn here dot by dot.
//!
//! It is written as a PNG without compression, which at this size costs nothing and needs no library.

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
// W3C PNG (third edition) 5.2, 11.2
pub(super) fn png() -> Vec<u8> {
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    let side = u32::from(SIDE).to_be_bytes();
    // Two bits a dot, a palette, no interlacing.
    let header = [side.as_slice(), &side, &[2, 3, 0, 0, 0]].concat();
    chunk(&mut out, b"IHDR", &header);
    chunk(&mut out, b"PLTE", &COLOURS.concat());
    chunk(&mut out, b"IDAT", &stored(&rows()));
    chunk(&mut out, b"IEND", &[]);
    out
}

/// Each row: no filter, then four dots a byte.
fn rows() -> Vec<u8> {
    let mut rows = Vec::new();
    for y in 0..SIDE {
        rows.push(0);
        for four in 0..SIDE / 4 {
            let dots = (0..4).map(|it| colour(four * 4 + it, y));
            rows.push(dots.fold(0, |byte, dot| (byte << 2) | dot));
        }
    }
    rows
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

/// Wraps bytes as zlib does, uncompressed; for less than 64 KiB.
// RFC 1950 2.2, RFC 1951 3.2.4
fn stored(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    let mut out = vec![0x78, 0x01, 0x01];
    out.extend(length.to_le_bytes());
    out.extend((!length).to_le_bytes());
    out.extend(bytes);
    let (mut low, mut high) = (1_u32, 0_u32);
    for byte in bytes {
        low = (low + u32::from(*byte)) % 65_521;
        high = (high + low) % 65_521;
    }
    out.extend(((high << 16) | low).to_be_bytes());
    out
}

fn chunk(out: &mut Vec<u8>, name: &[u8; 4], content: &[u8]) {
    let length = u32::try_from(content.len()).unwrap_or(u32::MAX);
    out.extend(length.to_be_bytes());
    let body = [name.as_slice(), content].concat();
    out.extend(&body);
    out.extend(crc(&body).to_be_bytes());
}

/// W3C PNG (third edition) annex D
fn crc(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            let odd = crc & 1 == 1;
            crc >>= 1;
            if odd {
                crc ^= 0xedb8_8320;
            }
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_that_the_specifications_give() {
        // RFC 1950 9: of "Wikipedia"; the check value of CRC-32/ISO-HDLC
        let zlib = stored(b"Wikipedia");

        assert_eq!(zlib[zlib.len() - 4..], 0x11e6_0398_u32.to_be_bytes());
        assert_eq!(crc(b"123456789"), 0xcbf4_3926);
    }

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
