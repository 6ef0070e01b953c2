//! File names as strangers chose them, made fit for showing and for writing to a folder.

/// The longest name that the usual file systems take, in bytes.
pub const MAX_SAFE_NAME_BYTES: usize = 255;

/// Makes a stored name fit for showing in a line of text and for being a file's name: one path
/// component, without control, direction-changing or invisible characters, at most 255 bytes with
/// its ending kept, and never empty.
#[must_use]
pub fn safe_name(name: Option<&str>) -> String {
    let name = name.unwrap_or_default();
    // Only what follows the last separator was ever the file's own name.
    let last = name
        .rsplit(['/', '\\'])
        .find(|part| !part.trim_matches(['.', ' ']).is_empty());
    let shown: String = last.unwrap_or_default().chars().map(shown).collect();
    let mut safe = cut_and_trimmed(shown.trim_start());
    if safe.is_empty() {
        safe.push_str("unnamed");
    }
    if safe.starts_with('.') || safe.starts_with('-') || is_device_name(&safe) {
        safe = cut_and_trimmed(&format!("_{safe}"));
    }
    safe
}

/// Cuts a name to what file systems take. Names that end in a dot or a blank get lost on some
/// systems; a cut can bring such an end about.
fn cut_and_trimmed(name: &str) -> String {
    let is_lost = |it: char| it == '.' || it.is_whitespace();
    let cut = cut_keeping_ending(name.trim_end_matches(is_lost));
    cut.trim_end_matches(is_lost).to_owned()
}

/// Replaces what must not reach a terminal, a chat line or a file system.
fn shown(character: char) -> char {
    match character {
        // vfat and its kin do not take these.
        '<' | '>' | ':' | '"' | '|' | '?' | '*' => '_',
        it if it.is_control() || is_invisible(it) => '_',
        it => it,
    }
}

/// Marks that change the direction of text or cannot be seen, so that a name looks like another.
fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{00ad}'
            | '\u{034f}'
            | '\u{061c}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200c}'
            | '\u{200e}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fdd0}'..='\u{fdef}'
            | '\u{feff}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e001f}'
    )
}

/// Names that mean a device on Windows, whatever their ending.
fn is_device_name(name: &str) -> bool {
    let stem = name
        .split('.')
        .next()
        .unwrap_or_default()
        .trim_end()
        .to_ascii_uppercase();
    let numbered = |kind| {
        stem.strip_prefix(kind)
            .is_some_and(|it| it.len() == 1 && it.as_bytes().is_ascii() && it.parse::<u8>().is_ok())
    };
    ["CON", "PRN", "AUX", "NUL"].contains(&stem.as_str()) || numbered("COM") || numbered("LPT")
}

fn cut_keeping_ending(name: &str) -> String {
    if name.len() <= MAX_SAFE_NAME_BYTES {
        return name.to_owned();
    }
    let (stem, ending) = match name.rfind('.') {
        Some(dot) if dot > 0 && name.len() - dot <= 16 => name.split_at(dot),
        _ => (name, ""),
    };
    let stem = crate::metadata::cut(stem, MAX_SAFE_NAME_BYTES - ending.len());
    trim_end(&format!("{stem}{ending}")).to_owned()
}

fn trim_end(name: &str) -> &str {
    name.trim_end_matches(|it: char| it == '.' || it.is_whitespace())
}

/// Puts a number in front of a name's ending: the next name to try when one is taken.
#[must_use]
pub fn numbered_name(name: &str, number: u32) -> String {
    let (stem, ending) = match name.rfind('.') {
        Some(dot) if dot > 0 && name.len() - dot <= 16 => name.split_at(dot),
        _ => (name, ""),
    };
    let tail = format!(" ({number}){ending}");
    let stem = crate::metadata::cut(stem, MAX_SAFE_NAME_BYTES.saturating_sub(tail.len()));
    format!("{stem}{tail}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_safe_name_is_one_harmless_component(name in "\\PC{0,400}|[./\\\\a-z\\x00-\\x1f]{0,40}") {
            let safe = safe_name(Some(&name));

            prop_assert!(!safe.is_empty() && safe.len() <= MAX_SAFE_NAME_BYTES);
            prop_assert!(safe != "." && safe != "..");
            let harmful = ['/', '\\', '\0', '\n', '\u{202e}'];
            prop_assert!(!safe.contains(harmful));
            prop_assert_eq!(std::path::Path::new(&safe).components().count(), 1);
            prop_assert_eq!(&safe_name(Some(&safe)), &safe, "a safe name stays as it is");
        }
    }

    #[test]
    fn names_that_mean_harm_lose_it_and_ordinary_ones_stay() {
        for (given, safe) in [
            ("Müller Urlaub 🏖.jpg", "Müller Urlaub 🏖.jpg"),
            ("../../etc/passwd", "passwd"),
            ("C:\\Users\\me\\photo.png", "photo.png"),
            ("..", "unnamed"),
            ("", "unnamed"),
            ("   ", "unnamed"),
            ("/", "unnamed"),
            ("photo\u{202e}gpj.exe", "photo_gpj.exe"),
            ("line\nbreak\t.txt", "line_break_.txt"),
            (".bashrc", "_.bashrc"),
            ("-rf", "_-rf"),
            ("CON.txt", "_CON.txt"),
            ("console.txt", "console.txt"),
            ("lpt1", "_lpt1"),
            ("trailing. . .", "trailing"),
            (
                "a blank that is no space\u{1680}.",
                "a blank that is no space",
            ),
            ("what?.txt", "what_.txt"),
        ] {
            assert_eq!(safe_name(Some(given)), safe, "{given:?}");
        }
        assert_eq!(safe_name(None), "unnamed");
    }

    #[test]
    fn a_cut_leaves_no_end_that_gets_lost() {
        let name = format!("{} {}", "a".repeat(254), "b".repeat(40));

        let safe = safe_name(Some(&name));

        assert_eq!(safe, "a".repeat(254));
    }

    #[test]
    fn long_names_are_cut_before_their_ending() {
        let safe = safe_name(Some(&format!("{}.jpeg", "ä".repeat(300))));
        let numbered = numbered_name(&safe, 12);

        assert_eq!(safe, format!("{}.jpeg", "ä".repeat(125)));
        let dotted = safe_name(Some(&format!("{}. {}", "a".repeat(253), "b".repeat(40))));
        assert_eq!(
            dotted,
            "a".repeat(253),
            "also after the cut no dot and no space ends it"
        );
        assert!(numbered.ends_with(" (12).jpeg") && numbered.len() <= MAX_SAFE_NAME_BYTES);
    }
}
