//! The page itself: HTML that prints on one or two sheets and loads nothing.

use std::{fmt::Write as _, time::SystemTime};

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use qrcode::{Color, EcLevel, QrCode};
use vault::{RecoveryWords, VaultId};
use zeroize::Zeroizing;

/// Long enough that the text never moves in memory and leaves no copy of the words behind.
const PAGE_BYTES: usize = 128 * 1024;

/// What the page says besides the words.
pub(super) struct Facts<'a> {
    pub(super) vault: &'a VaultId,
    pub(super) address: &'a str,
    pub(super) owner: &'a str,
    pub(super) name: &'a str,
    pub(super) made_at: SystemTime,
    pub(super) version: &'a str,
}

/// Writes the page.
pub(super) fn render(
    facts: &Facts<'_>,
    words: &RecoveryWords,
) -> anyhow::Result<Zeroizing<String>> {
    let mut page = Zeroizing::new(String::with_capacity(PAGE_BYTES));
    let Facts {
        vault,
        address,
        owner,
        name,
        made_at,
        version,
    } = facts;
    let made = DateTime::<Utc>::from(*made_at).format("%Y-%m-%d");
    let (address, owner, name) = (escaped(address), escaped(owner), escaped(name));
    write!(
        page,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src \
         'unsafe-inline'\">\n<title>Recovery kit</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <h1>Strongroom recovery kit</h1>\n\
         <p class=\"warn\">Whoever has this page and the data drive can read every file. Keep it \
         away from the drive, and never photograph it or type it into a chat.</p>\n\
         <table class=\"facts\">\n\
         <tr><th>Vault</th><td><code>{vault}</code></td></tr>\n\
         <tr><th>Its address</th><td><code>{address}</code></td></tr>\n\
         <tr><th>Owner</th><td><code>{owner}</code></td></tr>\n\
         <tr><th>These words</th><td>\"{name}\", printed {made}</td></tr>\n\
         </table>\n<h2>The 24 words</h2>\n<div class=\"words\">\n<ol>\n"
    )
    .context("while writing the page")?;
    for word in words.expose_to_owner().split(' ') {
        writeln!(page, "<li>{word}</li>").context("while writing the words")?;
    }
    page.push_str("</ol>\n");
    draw_code(&mut page, words)?;
    write!(
        page,
        "</div>\n{STEPS}<p class=\"small\">Made by strongroom {version}. This page is all there is \
         of the words: neither the drive nor the system card has them.</p>\n</body>\n</html>\n"
    )
    .context("while writing the page")?;
    Ok(page)
}

/// Draws the words as a QR code of squares.
fn draw_code(page: &mut String, words: &RecoveryWords) -> anyhow::Result<()> {
    let code = QrCode::with_error_correction_level(words.expose_to_owner(), EcLevel::M)
        .context("while drawing the QR code")?;
    let width = code.width();
    // Four light squares around, as the standard wants them. ISO/IEC 18004 6.3.8
    let side = width + 8;
    write!(
        page,
        "<svg viewBox=\"0 0 {side} {side}\" role=\"img\" aria-label=\"the words as a QR \
         code\"><rect width=\"{side}\" height=\"{side}\" fill=\"#fff\"/><path fill=\"#000\" d=\""
    )
    .context("while drawing the QR code")?;
    for (place, color) in code.into_colors().into_iter().enumerate() {
        if color == Color::Dark {
            let (x, y) = (place % width + 4, place / width + 4);
            write!(page, "M{x} {y}h1v1h-1z").context("while drawing the QR code")?;
        }
    }
    page.push_str("\"/></svg>\n");
    Ok(())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

const STYLE: &str = "
body{font:12pt/1.4 serif;color:#000;background:#fff;max-width:17cm;margin:1.5cm auto;padding:0 1em}
h1{font-size:20pt;margin:0}h2{font-size:14pt;margin:1em 0 .3em}
code{font-family:monospace;font-size:11pt;word-break:break-all}
.warn{border:2px solid #000;padding:.5em;font-weight:bold}
.facts th{text-align:left;padding-right:1em;font-weight:normal}
.words{display:flex;gap:1cm;align-items:center}
.words ol{columns:3;column-gap:1cm;font:13pt/1.6 monospace;margin:0;flex:1}
.words svg{width:4.6cm;height:4.6cm;flex:none}
.small{font-size:9pt}
@media print{body{margin:0 auto}h2,.words,li{break-inside:avoid}@page{margin:1.5cm}}
";

const STEPS: &str = "\
<h2>A stick is lost</h2>
<ol>
<li>Put a new USB stick in. On the Pi, as the user of the vault:
<code>strongroom key add FOLDER --words</code> and type the words.</li>
<li>Take the lost stick's way in: <code>strongroom key revoke \"key device\" --words</code>
(<code>strongroom key list --words</code> shows the names).</li>
<li>Give the files fresh keys: <code>strongroom key reseal --words</code>.</li>
</ol>
<h2>The Pi or its card is gone, the drive is there</h2>
<ol>
<li>Set up another computer or card with Strongroom, connect the drive, and put an empty stick in.</li>
<li><code>strongroom recover --help</code> says what to give it; it asks for the words.</li>
<li>Scan the new address with your phone: the vault has a new encryption identity, on purpose.</li>
<li>Change the password of the vault's chat account, in case somebody has the old card.</li>
</ol>
<h2>You only want the files</h2>
<ol>
<li>Connect the drive to any Linux computer.</li>
<li><code>strongroom-rescue --vault FOLDER --words list</code> shows what there is.</li>
<li><code>strongroom-rescue --vault FOLDER --words extract --all TARGET</code> writes all files to
the folder TARGET. It needs no network and changes nothing on the drive.</li>
</ol>
<h2>Without our programs</h2>
<p>The words are the English BIP-39 encoding of a 32-byte secret. From it HPKE (X-Wing), HKDF-SHA-256
and AES-256-GCM open the drive. Every byte is written down in <code>docs/formats</code> of the source
code: <code>slot.md</code>, <code>blob.md</code>, <code>index.md</code>. Keep a copy of the source with
your backups.</p>
";

#[cfg(test)]
mod tests {
    use super::*;
    use vault::SlotSecret;

    fn page() -> (Zeroizing<String>, RecoveryWords) {
        let words = SlotSecret::init_with(|place| place.fill(0xC3)).to_words();
        let facts = Facts {
            vault: &VaultId::from_bytes([7; 16]),
            address: "vault@example.org",
            owner: "<me>&you@example.org",
            name: "recovery kit",
            made_at: SystemTime::UNIX_EPOCH,
            version: "0.1.0",
        };
        (render(&facts, &words).unwrap(), words)
    }

    #[test]
    fn the_page_has_every_word_in_its_place_and_loads_nothing() {
        let (page, words) = page();

        let listed: Vec<&str> = page
            .lines()
            .skip_while(|line| !line.contains("24 words"))
            .filter_map(|line| line.strip_prefix("<li>")?.strip_suffix("</li>"))
            .take(24)
            .collect();

        assert_eq!(listed.join(" "), words.expose_to_owner());
        for loader in ["src=", "href", "url(", "<script", "@import", "<img"] {
            assert!(!page.contains(loader), "{loader}");
        }
        assert!(page.contains("07070707070707070707070707070707"));
        assert!(page.contains("&lt;me&gt;&amp;you@example.org"));
    }

    #[test]
    fn the_page_never_grows_past_the_room_made_for_it() {
        let (page, _) = page();

        assert!(page.capacity() == PAGE_BYTES && page.len() < PAGE_BYTES / 2);
    }

    #[test]
    fn the_squares_of_the_page_are_the_qr_code_of_the_words() {
        let (page, words) = page();
        let expected = QrCode::with_error_correction_level(words.expose_to_owner(), EcLevel::M);
        let expected = expected.unwrap();
        let width = expected.width();

        let path = page
            .split("d=\"")
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap();
        let mut squares = vec![Color::Light; width * width];
        for square in path.split('M').filter(|it| !it.is_empty()) {
            let (x, rest) = square.split_once(' ').unwrap();
            let y = rest.split('h').next().unwrap();
            let (x, y): (usize, usize) = (x.parse().unwrap(), y.parse().unwrap());
            squares[(y - 4) * width + x - 4] = Color::Dark;
        }

        assert!(squares == expected.into_colors());
    }
}
