//! Passphrases on sticks, and the unlock code.

use std::fs;

use vault::{KeyFile, PepperFile, SlotSecret, UnlockCode};

use crate::place::{Place, key_in, open, opened};

const PHRASE: &str = "eight times a day\n";

fn wants_passphrase(place: &Place) -> bool {
    let bytes = fs::read(place.stick().join("strongroom.key")).unwrap();
    matches!(KeyFile::parse(&bytes).unwrap(), KeyFile::WithPassphrase(_))
}

#[test]
fn a_stick_takes_a_passphrase_wants_it_and_gives_it_up_again() {
    let place = Place::new();
    let content = vec![b"a file".to_vec()];
    let blobs = place.store(&content);
    let secret = key_in(&place.stick());
    let short = place.refused(&["key", "passphrase", "set"], "short\n");
    assert!(short.contains("nothing was typed"), "{short}");

    place.must(&["key", "passphrase", "set"], PHRASE);

    assert!(wants_passphrase(&place));
    let file = fs::read(place.stick().join("strongroom.key")).unwrap();
    let bare = secret.expose_to_cipher();
    assert!(!file.windows(32).any(|it| it == bare));
    let wrong = place.refused(&["key", "list"], "nine times a day\n");
    assert!(wrong.contains("the passphrase is wrong"), "{wrong}");
    let list = place.must(&["key", "list"], PHRASE);
    assert!(list.contains("(used just now)"));
    let kept = place.refused(&["key", "passphrase", "remove"], "nine times a day\n");
    assert!(kept.contains("wrong") && wants_passphrase(&place));
    place.must(&["key", "passphrase", "remove"], PHRASE);
    assert!(!wants_passphrase(&place));
    assert_eq!(
        opened(&place.drive(), &key_in(&place.stick()), &blobs, &content),
        1
    );
}

#[test]
fn set_up_puts_a_passphrase_on_the_stick_if_asked() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("phrase");
    fs::write(&file, PHRASE).unwrap();

    let place = Place::with(&["--passphrase-file", file.to_str().unwrap()]);

    assert!(wants_passphrase(&place));
    place.must(&["key", "list"], PHRASE);
    place.must(&["key", "list", "--words"], &place.words);
}

#[test]
fn a_code_opens_the_vault_with_this_card_only_until_it_is_removed() {
    let place = Place::new();
    let content = vec![b"a file".to_vec()];
    let blobs = place.store(&content);

    let said = place.must(&["key", "code"], "");

    let code = said
        .lines()
        .map(str::trim)
        .find(|line| line.len() == 11 && line.as_bytes()[5] == b'-')
        .unwrap();
    let pepper =
        PepperFile::from_bytes(&fs::read(place.card().join("unlock-code.pepper")).unwrap())
            .unwrap();
    let secret_of = |typed: &str| {
        let code = UnlockCode::parse(typed).unwrap();
        SlotSecret::from_code(&code, &pepper.pepper, &pepper.vault).unwrap()
    };
    let secret = secret_of(code);
    assert_eq!(pepper.slot, secret.slot_id());
    assert_eq!(opened(&place.drive(), &secret, &blobs, &content), 1);
    let other = if code.starts_with('0') { "1" } else { "0" };
    let wrong = secret_of(&format!("{other}{}", &code[1..]));
    assert!(open(&place.drive(), &wrong).is_none());
    let second = place.refused(&["key", "code"], "");
    assert!(second.contains("--remove"), "{second}");

    place.must(&["key", "code", "--remove"], "");

    assert!(open(&place.drive(), &secret).is_none());
    assert!(!place.card().join("unlock-code.pepper").exists());
    assert_eq!(
        opened(&place.drive(), &key_in(&place.stick()), &blobs, &content),
        1
    );
}

#[test]
fn making_a_code_killed_at_any_step_leaves_a_vault_that_opens_and_can_be_repeated() {
    for point in ["pepper kept", "slot added"] {
        let place = Place::new();
        let content = vec![b"a file".to_vec()];
        let blobs = place.store(&content);

        place.crash(point, &["key", "code"], "");
        place.must(&["key", "code", "--remove"], "");
        place.must(&["key", "code"], "");

        assert_eq!(
            opened(&place.drive(), &key_in(&place.stick()), &blobs, &content),
            1
        );
        let list = place.must(&["key", "list"], "");
        assert_eq!(list.matches("unlock code").count(), 1, "{point}: {list}");
    }
}
