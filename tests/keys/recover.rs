//! A new system card and a new stick, from the words or from another stick.

use std::fs;

use vault::SlotSecret;

use crate::place::{Place, complaint, key_in, opened, said};

fn contents() -> Vec<Vec<u8>> {
    vec![b"one".to_vec(), vec![2; 40_000]]
}

fn recover(place: &Place, stick: &str, more: &[&str], typed: &str) -> std::process::Output {
    let account = place.account("new card", stick);
    let mut arguments = vec!["recover"];
    arguments.extend(account.iter().map(String::as_str));
    arguments.extend_from_slice(more);
    place.run_at("new.toml", None, &arguments, typed)
}

#[test]
fn the_words_bring_everything_back_onto_a_new_card_and_stick() {
    let place = Place::new();
    let blobs = place.store(&contents());
    let waiting = place.seal(b"waited on the lost card");
    let lost = key_in(&place.stick());
    let old_identity = said(&place.run(&["address"], ""));
    fs::remove_dir_all(place.card()).unwrap();
    fs::remove_dir_all(place.stick()).unwrap();
    place.empty("new stick");

    let done = recover(&place, "new stick", &["--take-unproven"], &place.words);

    assert!(done.status.success(), "{}", complaint(&done));
    let text = said(&done);
    assert!(text.contains("The new stick is \"key device 2\""), "{text}");
    assert!(text.contains("1 files had not been taken in"), "{text}");
    assert!(text.contains("They are in the vault now"), "{text}");
    let key = key_in(&place.path("new stick"));
    assert_eq!(opened(&place.drive(), &key, &blobs, &contents()), 2);
    let late = [b"waited on the lost card".to_vec()];
    assert_eq!(opened(&place.drive(), &key, &[waiting], &late), 1);
    let new_identity = said(&place.run_at("new.toml", None, &["address"], ""));
    let uri = |text: &str| {
        text.lines()
            .find(|it| it.starts_with("xmpp:"))
            .map(str::to_owned)
    };
    assert!(uri(&new_identity).is_some() && uri(&old_identity).is_some());
    assert_ne!(uri(&new_identity), uri(&old_identity));
    // The lost stick is still a key until it is revoked, which the text says how to do.
    assert!(text.contains("strongroom key revoke"), "{text}");
    let revoke = ["key", "revoke", "key device"];
    let revoked = place.run_at("new.toml", None, &revoke, "");
    assert!(revoked.status.success(), "{}", complaint(&revoked));
    assert_eq!(opened(&place.drive(), &lost, &blobs, &contents()), 0);
    assert_eq!(opened(&place.drive(), &key, &blobs, &contents()), 2);
}

#[test]
fn a_stick_that_is_left_stays_the_key_when_only_the_card_is_lost() {
    let place = Place::new();
    let blobs = place.store(&contents());
    place.seal(b"waited on the lost card");
    fs::remove_dir_all(place.card()).unwrap();
    let before = fs::read(place.stick().join("strongroom.key")).unwrap();
    let stick = place.stick().to_str().unwrap().to_owned();
    let unsaid = recover(&place, "stick", &[], &place.words);
    assert!(complaint(&unsaid).contains("add --with"));

    let done = recover(&place, "stick", &["--with", &stick], "");

    assert!(done.status.success(), "{}", complaint(&done));
    assert!(said(&done).contains("not in the vault until you say so"));
    assert!(fs::read(place.stick().join("strongroom.key")).unwrap() == before);
    assert_eq!(
        opened(&place.drive(), &key_in(&place.stick()), &blobs, &contents()),
        2
    );
    let list = said(&place.run_at("new.toml", None, &["key", "list"], ""));
    assert_eq!(list.lines().count(), 3, "{list}");
}

#[test]
fn wrong_words_another_vaults_stick_and_a_card_in_use_are_refused_and_nothing_is_made() {
    let (place, other) = (Place::new(), Place::new());
    place.store(&contents());
    place.empty("new stick");
    let words = SlotSecret::from_words(&other.words).unwrap();
    let wrong = recover(&place, "new stick", &[], &other.words);
    let foreign = other.stick().to_str().unwrap().to_owned();
    let by_foreign = recover(&place, "new stick", &["--with", &foreign], "");
    let none = recover(&place, "new stick", &[], "");

    assert!(complaint(&wrong).contains("opens nothing here"));
    assert!(complaint(&by_foreign).contains("another vault's"));
    assert!(complaint(&none).contains("nothing was typed"));
    assert!(!place.path("new.toml").exists());
    assert!(!place.path("new card/vault.pub").exists());
    assert!(
        fs::read_dir(place.path("new stick"))
            .unwrap()
            .next()
            .is_none()
    );
    assert_eq!(opened(&place.drive(), &words, &[], &[]), 0);
    let account = place.account("card", "new stick");
    let mut arguments = vec!["recover"];
    arguments.extend(account.iter().map(String::as_str));
    let in_use = place.run_at("new.toml", None, &arguments, &place.words);
    assert!(complaint(&in_use).contains("belongs to a vault already"));
}
