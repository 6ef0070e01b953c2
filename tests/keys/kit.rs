//! The recovery kit: where it may lie, what it opens, and what confirming it changes.

use std::{fs, os::unix::fs::PermissionsExt as _};

use strongroom::keys::spare::has_spare;
use vault::SlotSecret;

use crate::place::{Place, open};

/// The words on a page, in order.
fn words_on(page: &str) -> String {
    let listed = page
        .lines()
        .skip_while(|line| !line.contains("The 24 words"))
        .filter_map(|line| line.strip_prefix("<li>")?.strip_suffix("</li>"));
    listed.take(24).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_kit_has_words_that_open_the_vault_and_counts_once_it_is_confirmed() {
    let place = Place::new();
    let page = place.path("kit.html");

    place.must(&["kit", "--trial", "--out", page.to_str().unwrap()], "");

    let text = fs::read_to_string(&page).unwrap();
    assert_eq!(
        fs::metadata(&page).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let words = words_on(&text);
    assert_ne!(words, place.words);
    let secret = SlotSecret::from_words(&words).unwrap();
    assert!(open(&place.drive(), &secret).is_some());
    assert!(text.contains("vault@example.org"));
    assert!(!has_spare(&place.card()).kit_confirmed);

    let (first, rest) = words.split_once(' ').unwrap();
    let swapped = format!("{rest} {first}");
    place.refused(&["kit", "--confirm"], &swapped);
    assert!(!has_spare(&place.card()).kit_confirmed);
    let said = place.must(&["kit", "--confirm"], &words);
    assert!(said.contains("\"recovery kit\" opens the vault"), "{said}");
    assert!(has_spare(&place.card()).survives_a_lost_stick());

    place.must(&["key", "revoke", "recovery kit"], "");
    assert!(!has_spare(&place.card()).survives_a_lost_stick());
    assert!(open(&place.drive(), &secret).is_none());
}

#[test]
fn a_kit_of_known_words_makes_no_new_way_in() {
    let place = Place::new();
    let page = place.path("kit.html");
    let before = place.must(&["key", "list"], "");

    let arguments = ["kit", "--trial", "--words", "--out", page.to_str().unwrap()];
    place.must(&arguments, &place.words);

    let text = fs::read_to_string(&page).unwrap();
    assert_eq!(words_on(&text), place.words);
    assert_eq!(place.must(&["key", "list"], ""), before);
}

#[test]
fn the_words_are_written_neither_to_drive_nor_card_nor_over_anything() {
    let place = Place::new();
    let taken = place.path("taken.html");
    fs::write(&taken, "something").unwrap();
    let at = |path: std::path::PathBuf| path.to_str().unwrap().to_owned();

    for inside in [
        place.drive().join("kit.html"),
        place.card().join("kit.html"),
    ] {
        let why = place.refused(&["kit", "--trial", "--out", &at(inside.clone())], "");
        assert!(why.contains("must not lie in"), "{why}");
        assert!(!inside.exists());
    }
    let why = place.refused(&["kit", "--trial", "--out", &at(taken.clone())], "");
    assert!(why.contains("exists already"), "{why}");
    assert!(fs::read(&taken).unwrap() == b"something");
    let why = place.refused(&["kit", "--out", &at(place.path("kit.html"))], "");
    assert!(why.contains("same disk"), "{why}");
    assert!(!place.path("kit.html").exists());
    let list = place.must(&["key", "list"], "");
    assert!(!list.contains("kit"), "{list}");
    place.must(
        &["kit", "--trial", "--out", &at(place.path("kit.html"))],
        "",
    );
}

#[test]
fn a_kit_killed_at_any_step_leaves_a_vault_that_opens() {
    for point in ["page written", "slot added"] {
        let place = Place::new();
        let page = place.path("kit.html");

        place.crash(
            point,
            &["kit", "--trial", "--out", page.to_str().unwrap()],
            "",
        );

        let list = place.must(&["key", "list"], "");
        assert!(list.contains("key device"), "{point}: {list}");
        let words = words_on(&fs::read_to_string(&page).unwrap());
        let opens = open(&place.drive(), &SlotSecret::from_words(&words).unwrap());
        assert_eq!(opens.is_some(), point == "slot added", "{point}");
    }
}
