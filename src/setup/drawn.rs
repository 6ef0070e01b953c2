//! QR codes in a terminal. Knows nothing of what is in them.

use std::io::{self, IsTerminal as _};

use qrcode::{QrCode, render::unicode::Dense1x2};

/// Draws a code for standard output.
pub(super) fn drawn(code: &QrCode) -> String {
    in_colors(
        &code.render::<Dense1x2>().build(),
        io::stdout().is_terminal(),
    )
}

// Most terminals are dark, and a code that is light on dark is one that many phones do not read.
fn in_colors(blocks: &str, is_terminal: bool) -> String {
    if !is_terminal {
        return blocks.to_owned();
    }
    let lines: Vec<_> = blocks
        .lines()
        .map(|line| format!("\x1b[30;107m{line}\x1b[0m"))
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_shows_black_on_white_and_a_file_gets_no_colors() {
        let blocks = "█▀\n▄ ";

        let (shown, written) = (in_colors(blocks, true), in_colors(blocks, false));

        assert_eq!(shown, "\x1b[30;107m█▀\x1b[0m\n\x1b[30;107m▄ \x1b[0m");
        assert_eq!(written, blocks);
    }
}
