//! Writes a picture of few colours as a PNG, without compression: what is drawn here is small, and
//! that needs no library.

/// Most bytes of one uncompressed block. // RFC 1951 3.2.4
const BLOCK_BYTES: usize = 65_535;

/// Writes a square picture: `side` rows of `bits` a dot, from the left in the highest bits, each row
/// begun in a byte of its own. A dot is the number of one of `colours`: red, green and blue.
// W3C PNG (third edition) 5.2, 11.2
#[must_use]
pub fn write(side: u32, bits: u8, colours: &[[u8; 3]], rows: &[Vec<u8>]) -> Vec<u8> {
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    let side = side.to_be_bytes();
    // A palette, no interlacing.
    let header = [side.as_slice(), &side, &[bits, 3, 0, 0, 0]].concat();
    chunk(&mut out, b"IHDR", &header);
    chunk(&mut out, b"PLTE", &colours.concat());
    // Each row: no filter, then its dots.
    let filtered = rows.iter().flat_map(|row| [&[0], row.as_slice()]);
    let filtered: Vec<&[u8]> = filtered.collect();
    chunk(&mut out, b"IDAT", &stored(&filtered.concat()));
    chunk(&mut out, b"IEND", &[]);
    out
}

/// Wraps bytes as zlib does, uncompressed.
// RFC 1950 2.2, RFC 1951 3.2.4
fn stored(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0x78, 0x01];
    let mut blocks = bytes.chunks(BLOCK_BYTES).peekable();
    while let Some(block) = blocks.next() {
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        out.push(u8::from(blocks.peek().is_none()));
        out.extend(length.to_le_bytes());
        out.extend((!length).to_le_bytes());
        out.extend(block);
    }
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
    fn a_decoder_reads_the_dots_that_were_written_also_of_more_than_one_block() {
        let colours = [[0, 0, 0], [255, 128, 1]];
        for side in [8_u32, 800] {
            let row = |y: u32| -> Vec<u8> {
                let byte = |x: u32| u8::try_from((x * 7 + y * 13) % 256).unwrap();
                (0..side / 8).map(byte).collect()
            };
            let rows: Vec<Vec<u8>> = (0..side).map(row).collect();

            let read = image::load_from_memory(&write(side, 1, &colours, &rows)).unwrap();

            let read = read.to_rgb8();
            assert_eq!(read.dimensions(), (side, side));
            for (x, y, dot) in read.enumerate_pixels() {
                let byte = rows[y as usize][(x / 8) as usize];
                let colour = colours[usize::from(byte >> (7 - x % 8) & 1)];
                assert_eq!(dot.0, colour, "{x}, {y}");
            }
        }
    }
}
