use std::fs;

use super::*;
use crate::{
    Adopted, Attributes, IntakeKey, IntakeMac, Sealed, Totals,
    key::PublicHalf,
    testing::{TestVault, named, noon},
};

fn intake_key(byte: u8) -> IntakeKey {
    IntakeKey::init_with(|bytes| bytes.fill(byte))
}

/// What the daemon does with what it sealed.
fn vouch(key: &IntakeKey, vault: &PublicHalf, sealed: &Sealed) -> IntakeMac {
    key.mac(&vault.vault, &sealed.blob_id, &sealed.header_hash)
}

/// What the vault process does with a blob that a job names.
fn adopt(vault: &TestVault, index: &mut Index, blob: &BlobId, mac: &IntakeMac) -> Option<Adopted> {
    let vouched = vault.open().is_vouched(blob, mac, &intake_key(1)).unwrap();
    let attributes = Attributes {
        origin: Origin::Proven,
        caption: None,
    };
    vouched.then(|| index.adopt(blob, attributes, noon()).unwrap())
}

fn open(vault: &TestVault) -> Index {
    Index::open(&vault.open(), noon()).unwrap().0
}

#[test]
fn a_planted_blob_is_not_adopted_and_the_honest_one_is() {
    let mut vault = TestVault::new();
    let mut index = open(&vault);
    // Whoever stole the public half seals as well as the daemon does, with a key of his own.
    let planted = vault.keep(b"planted", named("invoice.pdf"));
    let honest = vault.keep(b"honest", named("photo.jpg"));
    let key = intake_key(1);
    let forged = vouch(&intake_key(2), &vault.public, &planted);
    let right = vouch(&key, &vault.public, &honest);

    let refused = [forged, right, IntakeMac::from_bytes([0; 32])]
        .map(|mac| adopt(&vault, &mut index, &planted.blob_id, &mac));
    let taken = adopt(&vault, &mut index, &honest.blob_id, &right);

    assert_eq!(refused, [None; 3], "0 of 3 tries");
    assert_eq!(taken, Some(Adopted::New(EntryNumber::FIRST)));
    assert_eq!(index.totals().unwrap().entries, 1);
    let seen = index.unlisted(&[]).unwrap();
    assert_eq!((seen.count, seen.bytes), (1, 7), "it is shown");
}

#[test]
fn another_blob_under_the_name_of_one_that_waits_is_not_adopted() {
    let mut vault = TestVault::new();
    let mut index = open(&vault);
    let key = intake_key(1);
    let waiting = vault.keep(b"what the owner sent", named("a.jpg"));
    let other = vault.keep(b"another that waits", named("b.jpg"));
    let macs = [&waiting, &other].map(|it| vouch(&key, &vault.public, it));
    let path = vault.blob_path(&waiting.blob_id);
    let honest = fs::read(&path).unwrap();

    // Sealed to the public half under the very same blob id.
    fs::remove_file(&path).unwrap();
    let mut writer = vault
        .sealer()
        .start(&waiting.blob_id, &mut vault.rng)
        .unwrap();
    std::io::Write::write_all(&mut writer, b"what somebody else wrote").unwrap();
    writer.finish(named("a.jpg")).unwrap();
    assert!(vault.open().reader(&waiting.blob_id).is_ok(), "it opens");
    let swapped_blob = adopt(&vault, &mut index, &waiting.blob_id, &macs[0]);
    // The header of the one on the content of the other, both ways.
    let theirs = fs::read(&path).unwrap();
    let border = crate::header::HEADER_BYTES;
    fs::write(&path, [&theirs[..border], &honest[border..]].concat()).unwrap();
    let swapped_header = adopt(&vault, &mut index, &waiting.blob_id, &macs[0]);
    fs::write(&path, [&honest[..border], &theirs[border..]].concat()).unwrap();
    let vouched = vault
        .open()
        .is_vouched(&waiting.blob_id, &macs[0], &key)
        .unwrap();
    let attributes = Attributes {
        origin: Origin::Proven,
        caption: None,
    };
    let swapped_content = index.adopt(&waiting.blob_id, attributes, noon());
    // The MAC of another blob that waits as well.
    fs::write(&path, &honest).unwrap();
    let others_mac = adopt(&vault, &mut index, &waiting.blob_id, &macs[1]);

    assert_eq!(
        (swapped_blob, swapped_header, others_mac),
        (None, None, None)
    );
    assert!(
        vouched && swapped_content.is_err(),
        "the header vouches for the file key, and the content does not open with it"
    );
    assert_eq!(index.totals().unwrap(), Totals::default());
    let honest = adopt(&vault, &mut index, &waiting.blob_id, &macs[0]);
    assert_eq!(honest, Some(Adopted::New(EntryNumber::FIRST)));
}

#[test]
fn a_replayed_adoption_changes_nothing_whatever_lies_under_the_name() {
    let mut vault = TestVault::new();
    let mut index = open(&vault);
    let key = intake_key(1);
    let first = vault.keep(b"first", named("a.jpg"));
    let twin = vault.keep(b"first", named("twin.jpg"));
    let macs = [&first, &twin].map(|it| vouch(&key, &vault.public, it));
    let attributes = || Attributes {
        origin: Origin::Proven,
        caption: None,
    };
    index.adopt(&first.blob_id, attributes(), noon()).unwrap();
    let removed = fs::read(vault.blob_path(&twin.blob_id)).unwrap();
    index.adopt(&twin.blob_id, attributes(), noon()).unwrap();
    let duplicate = index.duplicate(&twin.blob_id).unwrap().unwrap();
    let compared = duplicate.compare(&vault.open()).unwrap();
    let settled = index.settle(&duplicate, compared, noon()).unwrap();
    assert_eq!(settled, crate::Settled::Removed);

    let again = adopt(&vault, &mut index, &first.blob_id, &macs[0]);
    // An old copy of the drive gives the removed one back, with its right MAC.
    fs::write(vault.blob_path(&twin.blob_id), removed).unwrap();
    let back = adopt(&vault, &mut index, &twin.blob_id, &macs[1]);

    assert_eq!(again, Some(Adopted::Already(EntryNumber::FIRST)));
    assert_eq!(back, Some(Adopted::SameContentAs(EntryNumber::FIRST)));
    assert_eq!(index.totals().unwrap().entries, 1);
    assert_eq!(index.unlisted(&[]).unwrap().count, 0);
}

#[test]
fn what_is_taken_in_is_exactly_what_was_seen() {
    let mut vault = TestVault::new();
    let mut index = open(&vault);
    vault.keep(b"found", named("found.jpg"));
    let seen = index.unlisted(&[]).unwrap();
    let late = vault.keep(b"planted meanwhile", named("late.jpg"));

    let refused = index.take_unlisted(&[], &seen.digest, noon()).unwrap();
    let none = index.totals().unwrap();
    fs::remove_file(vault.blob_path(&late.blob_id)).unwrap();
    let taken = index.take_unlisted(&[], &seen.digest, noon()).unwrap();

    assert_eq!((refused, none), (None, Totals::default()));
    assert_eq!(taken, Some(vec![EntryNumber::FIRST]));
    let entry = index.get(EntryNumber::FIRST).unwrap().unwrap();
    assert_eq!(entry.attributes.origin, Origin::Unproven);
    assert_eq!(index.unlisted(&[]).unwrap().count, 0);
}

#[test]
fn what_does_not_open_is_named_and_neither_taken_in_nor_touched() {
    let mut vault = TestVault::new();
    let mut index = open(&vault);
    let sealed = vault.keep(b"found", named("found.jpg"));
    let path = vault.blob_path(&sealed.blob_id);
    fs::write(&path, "scratched").unwrap();

    let seen = index.unlisted(&[]).unwrap();
    let taken = index.take_unlisted(&[], &seen.digest, noon()).unwrap();

    assert_eq!((seen.count, seen.unreadable), (0, vec![sealed.blob_id]));
    assert_eq!(taken, Some(Vec::new()));
    assert_eq!(fs::read(path).unwrap(), b"scratched");
}

#[test]
fn many_blobs_are_told_from_those_that_are_listed() {
    let mut vault = TestVault::new();
    let mut index = open(&vault);
    let mut unlisted = Vec::new();
    for place in 0..60_u32 {
        let sealed = vault.keep(&(place / 2).to_be_bytes(), named("x"));
        if place % 3 == 0 {
            unlisted.push(sealed.blob_id);
        } else {
            let attributes = Attributes {
                origin: Origin::Proven,
                caption: None,
            };
            index.adopt(&sealed.blob_id, attributes, noon()).unwrap();
        }
    }
    unlisted.sort_unstable();
    let waiting = unlisted.pop().unwrap();

    let found = index.unlisted_blobs(&[waiting]).unwrap();

    assert_eq!(found, unlisted);
}
