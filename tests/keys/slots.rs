//! Spare sticks, names, revoking, fresh keys.

use std::fs;

use strongroom::keys::spare::has_spare;
use vault::{PublicHalf, SlotSecret, VaultFolder, slot::SlotRecord};

use crate::place::{Place, copy, key_in, open, opened};

fn contents() -> Vec<Vec<u8>> {
    vec![b"one".to_vec(), vec![2; 40_000], Vec::new()]
}

fn add(place: &Place, name: &str) -> SlotSecret {
    let stick = place.empty(name);
    place.must(&["key", "add", &stick, "--name", name, "--trial"], "");
    key_in(&place.path(name))
}

/// The lines of `key list`, without the dates.
fn listed(place: &Place, with: &[&str], typed: &str) -> Vec<String> {
    let mut arguments = vec!["key", "list"];
    arguments.extend_from_slice(with);
    let said = place.must(&arguments, typed);
    let lines = said.lines().skip(1).map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let date = words.iter().position(|it| it.starts_with("20")).unwrap();
        words[..date].join(" ")
    });
    lines.collect()
}

#[test]
fn a_spare_stick_opens_everything_and_nothing_else_on_it_is_touched() {
    let place = Place::new();
    let blobs = place.store(&contents());
    let stick = place.empty("spare");
    fs::write(place.path("spare/holiday.jpg"), "a picture").unwrap();
    assert!(!has_spare(&place.card()).survives_a_lost_stick());

    place.must(&["key", "add", &stick, "--trial"], "");

    let spare = key_in(&place.path("spare"));
    assert_eq!(opened(&place.drive(), &spare, &blobs, &contents()), 3);
    let mut there: Vec<_> = fs::read_dir(place.path("spare"))
        .unwrap()
        .map(|it| it.unwrap().file_name().into_string().unwrap())
        .collect();
    there.sort();
    assert_eq!(there, ["holiday.jpg", "strongroom.key"]);
    assert!(fs::read(place.path("spare/holiday.jpg")).unwrap() == b"a picture");
    assert_eq!(
        listed(&place, &[], ""),
        [
            "key device stick",
            "recovery words words",
            "spare stick stick"
        ]
    );
    assert!(has_spare(&place.card()).survives_a_lost_stick());
}

#[test]
fn a_stick_that_is_a_key_or_lies_on_the_vaults_disk_is_refused_and_left_as_it_is() {
    let (place, other) = (Place::new(), Place::new());
    let foreign = other.stick();
    let before = fs::read(foreign.join("strongroom.key")).unwrap();
    let own = place.stick();
    let junk = place.empty("junk");
    fs::write(place.path("junk/strongroom.key"), "no key").unwrap();
    let fine = place.empty("fine");

    let refuse = |stick: &str| place.refused(&["key", "add", stick, "--trial"], "");
    assert!(refuse(foreign.to_str().unwrap()).contains("another vault"));
    assert!(refuse(own.to_str().unwrap()).contains("as \"key device\""));
    assert!(refuse(&junk).contains("no whole key"));
    assert!(refuse(place.path("nowhere").to_str().unwrap()).contains("mount the stick"));
    let same_disk = place.refused(&["key", "add", &fine], "");
    let same_name = place.refused(
        &["key", "add", &fine, "--trial", "--name", "key device"],
        "",
    );

    assert!(
        same_disk.contains("same disk as the data drive"),
        "{same_disk}"
    );
    assert!(same_name.contains("already"), "{same_name}");
    assert!(fs::read(foreign.join("strongroom.key")).unwrap() == before);
    assert!(fs::read_dir(place.path("fine")).unwrap().next().is_none());
    assert_eq!(listed(&place, &[], "").len(), 2);
    place.must(&["key", "add", &fine, "--trial"], "");
}

#[test]
fn a_revoked_stick_opens_nothing_of_the_drive_and_everything_of_an_old_copy() {
    let place = Place::new();
    let blobs = place.store(&contents());
    let lost = key_in(&place.stick());
    let spare = add(&place, "spare");
    let words = SlotSecret::from_words(&place.words).unwrap();
    let count = |secret: &SlotSecret| opened(&place.drive(), secret, &blobs, &contents());
    assert_eq!((count(&lost), count(&spare), count(&words)), (3, 3, 3));
    copy(&place.drive(), &place.path("old copy"));
    let with = place.path("spare").to_str().unwrap().to_owned();

    let said = place.must(&["key", "revoke", "key device", "--with", &with], "");

    assert!(said.contains("copies of the drive that were made until now"));
    assert!(
        said.contains("3 stored files have the keys they had"),
        "{said}"
    );
    assert_eq!((count(&lost), count(&spare), count(&words)), (0, 3, 3));
    let of_copy = opened(&place.path("old copy"), &lost, &blobs, &contents());
    assert_eq!(of_copy, 3);
    // Neither drive nor card has a record left that the lost stick would open.
    let slot = format!("{}.slot", lost.slot_id());
    for epoch in ["0000000001", "0000000002"] {
        assert!(
            !place
                .drive()
                .join("epochs")
                .join(epoch)
                .join(&slot)
                .exists()
        );
    }
    assert!(!place.card().join("slots").join(&slot).exists());
    assert!(!place.drive().join("index/0000000001.db").exists());
    let new = place.seal(b"from after");
    let after = opened(&place.drive(), &spare, &[new], &[b"from after".to_vec()]);
    assert_eq!(after, 1);
    let state = has_spare(&place.card());
    assert_eq!((state.sticks, state.survives_a_lost_stick()), (1, false));
    let refused = place.refused(&["key", "list"], "");
    assert!(refused.contains("this key opens nothing here"), "{refused}");

    // The found stick may become a key again, with a new secret.
    let stick = place.stick().to_str().unwrap().to_owned();
    let again = ["key", "add", &stick, "--trial", "--with", &with];
    place.must(&again, "");
    assert_eq!((count(&lost), count(&key_in(&place.stick()))), (0, 3));
}

#[test]
fn names_can_be_changed_and_the_last_lasting_key_is_not_revoked() {
    let place = Place::new();

    place.must(&["key", "rename", "key device", "blue stick"], "");

    assert_eq!(
        listed(&place, &["--words"], &place.words),
        ["blue stick stick", "recovery words words"]
    );
    let taken = place.refused(&["key", "rename", "recovery words", "blue stick"], "");
    assert!(taken.contains("already"), "{taken}");
    let long = "n".repeat(64);
    let long = place.refused(&["key", "rename", "blue stick", &long], "");
    assert!(long.contains("too long"), "{long}");
    let unknown = place.refused(&["key", "revoke", "red stick"], "");
    assert!(
        unknown.contains("no key is called \"red stick\""),
        "{unknown}"
    );
    place.must(&["key", "revoke", "recovery words"], "");
    place.must(&["key", "code"], "");
    let last = place.refused(&["key", "revoke", "blue stick"], "");
    assert!(last.contains("last stick"), "{last}");
}

/// Asserts that card and drive agree on the newest epoch.
fn assert_agreed(place: &Place, at: &str) {
    let vault = VaultFolder::open(&place.drive()).unwrap();
    let mut records = vault.slot_records().unwrap();
    let mut copies: Vec<Vec<u8>> = fs::read_dir(place.card().join("slots"))
        .unwrap()
        .map(|it| fs::read(it.unwrap().path()).unwrap())
        .collect();
    records.sort();
    copies.sort();
    assert!(records == copies, "{at}");
    let epoch = SlotRecord::parse(&records[0]).unwrap().epoch;
    let half = fs::read(place.card().join("vault.pub")).unwrap();
    assert_eq!(PublicHalf::from_bytes(&half).unwrap().epoch, epoch, "{at}");
}

#[test]
fn a_revocation_killed_at_any_step_leaves_a_vault_that_opens_and_a_card_that_seals() {
    let points = [
        "epoch begun",
        "slots copied",
        "kinds of slots kept",
        "public half kept",
        "index made anew",
    ];
    for point in points {
        let place = Place::new();
        let blobs = place.store(&contents());
        let lost = key_in(&place.stick());
        let spare = add(&place, "spare");
        let with = place.path("spare").to_str().unwrap().to_owned();
        let revoke = ["key", "revoke", "key device", "--with", &with];
        assert_eq!(opened(&place.drive(), &lost, &blobs, &contents()), 3);

        // Opening the vault brings the card up to date first, so the points after the new epoch
        // are reached by killing the command that follows one killed at its beginning.
        place.crash("epoch begun", &revoke, "");
        if point != "epoch begun" && point != "index made anew" {
            place.crash(point, &["key", "list", "--with", &with], "");
        }

        let late = place.seal(b"sealed after the crash");
        let late = opened(
            &place.drive(),
            &spare,
            &[late],
            &[b"sealed after the crash".to_vec()],
        );
        assert_eq!(late, 1, "{point}: the card seals what opens");
        assert_eq!(opened(&place.drive(), &spare, &blobs, &contents()), 3);
        assert_eq!(opened(&place.drive(), &lost, &blobs, &contents()), 0);
        let names = listed(&place, &["--with", &with], "");
        assert_eq!(names, ["recovery words words", "spare stick"], "{point}");
        assert_agreed(&place, point);
    }
}

#[test]
fn slot_records_that_a_crash_left_in_an_older_epoch_are_removed_by_the_next_command() {
    let place = Place::new();
    add(&place, "spare");
    let with = place.path("spare").to_str().unwrap().to_owned();
    let record = format!(
        "epochs/0000000001/{}.slot",
        key_in(&place.stick()).slot_id()
    );
    let left = fs::read(place.drive().join(&record)).unwrap();
    place.must(&["key", "revoke", "key device", "--with", &with], "");
    fs::write(place.drive().join(&record), left).unwrap();

    place.must(&["key", "list", "--with", &with], "");

    assert!(!place.drive().join(&record).exists());
}

#[test]
fn adding_a_stick_killed_at_any_step_can_be_repeated() {
    for point in ["stick written", "slot added", "public half kept"] {
        let place = Place::new();
        let blobs = place.store(&contents());
        let stick = place.empty("spare");
        let arguments = ["key", "add", &stick, "--trial"];
        // Opening the vault passes the card's points once before the stick is written.
        if point == "public half kept" {
            place.crash("slot added", &arguments, "");
        } else {
            place.crash(point, &arguments, "");
        }

        let again = place.run(&arguments, "");

        let whole = opened(
            &place.drive(),
            &key_in(&place.path("spare")),
            &blobs,
            &contents(),
        );
        if point == "stick written" {
            assert!(again.status.success(), "{point}");
        }
        assert_eq!(whole, 3, "{point}");
        assert_eq!(listed(&place, &[], "").len(), 3, "{point}");
        assert_agreed(&place, point);
    }
}

#[test]
fn resealing_goes_on_after_a_kill_and_shuts_out_whoever_had_the_old_records() {
    let place = Place::new();
    let blobs = place.store(&contents());
    let lost = key_in(&place.stick());
    let spare = add(&place, "spare");
    copy(&place.drive(), &place.path("old copy"));
    let with = place.path("spare").to_str().unwrap().to_owned();
    place.must(&["key", "revoke", "key device", "--with", &with], "");
    // The revoked stick, with the records of its day put beside today's blobs.
    let mixed = |name: &str| {
        copy(&place.path("old copy"), &place.path(name));
        fs::remove_dir_all(place.path(name).join("blobs")).unwrap();
        copy(
            &place.drive().join("blobs"),
            &place.path(name).join("blobs"),
        );
        opened(&place.path(name), &lost, &blobs, &contents())
    };
    assert_eq!(mixed("before"), 3, "the control");

    place.crash("resealing", &["key", "reseal", "--with", &with], "");
    let said = place.must(&["key", "reseal", "--with", &with], "");

    assert_eq!(said, "3 files have fresh keys now.\n");
    assert_eq!(mixed("after"), 0);
    assert_eq!(opened(&place.drive(), &spare, &blobs, &contents()), 3);
    assert!(open(&place.path("old copy"), &lost).is_some());
    let again = place.must(&["key", "reseal", "--with", &with], "");
    assert_eq!(again, "0 files have fresh keys now.\n");
}
