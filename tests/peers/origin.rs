//! Where a blob comes from: what the daemon sealed itself is taken in, what somebody else put on
//! the drive only by the owner's word; and a card that seals to a foreign key raises an alarm.

use std::{
    fs,
    io::Write as _,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use rand_core::UnwrapErr;
use sha2::{Digest as _, Sha256};
use vault::{BlobId, Metadata, PublicHalf, Sealer, SlotSecret, VaultFolder};

use crate::{
    home::{Home, VAULT, noise},
    phone::Phone,
    prosody::jid,
};

fn share(home: &Home, phone: &mut Phone, number: u64) {
    let path = home.path("to-share.bin");
    fs::write(&path, noise(30_000, number)).unwrap();
    phone.send_file(&jid(VAULT), &path, &format!("{number}.jpg"));
}

fn ask(phone: &mut Phone, words: &str, answer: &str) -> String {
    phone.send_text(&jid(VAULT), words);
    phone.wait_reply(answer)
}

/// Seals a blob as anybody can who has the card's public half.
fn plant(home: &Home, blob: &BlobId, content: &[u8]) {
    let public_half = fs::read(home.system().join("vault.pub")).unwrap();
    let public_half = PublicHalf::from_bytes(&public_half).unwrap();
    let folder = VaultFolder::open(&home.vault()).unwrap();
    let sealer = Sealer::new(&public_half, folder).unwrap();
    let mut writer = sealer
        .start(blob, &mut UnwrapErr(getrandom::SysRng))
        .unwrap();
    writer.write_all(content).unwrap();
    let metadata = Metadata {
        name: Some("invoice.pdf".to_owned()),
        ..Metadata::default()
    };
    writer.finish(metadata).unwrap();
}

fn blob_of(path: &Path) -> BlobId {
    path.file_stem().unwrap().to_str().unwrap().parse().unwrap()
}

#[test]
fn planted_blobs_are_not_taken_in_but_by_the_owners_word() {
    let mut home = Home::new();
    home.start();
    let mut phone = home.paired_phone();
    home.pull_key();
    phone.wait_reply("The key is gone");
    share(&home, &mut phone, 1);
    phone.wait_reply("1 file waits");
    let swapped = home.blobs().remove(0);
    share(&home, &mut phone, 2);
    phone.wait_reply("2 files wait");
    home.stop();
    fs::remove_file(&swapped).unwrap();
    plant(&home, &blob_of(&swapped), b"in the place of 1.jpg");
    plant(
        &home,
        &BlobId::from_bytes([7; 16]),
        b"under a name of its own",
    );

    home.insert_key();
    home.start();
    let refused = phone.wait_reply("1.jpg is not stored");
    let opened = phone.wait_reply("The vault is open");
    let found = phone.wait_reply("of unproven origin:");
    let status = ask(&mut phone, "status", "The vault is open:");
    let shown = ask(&mut phone, "unproven", "within 5 minutes");
    let number: u32 = shown
        .split("Send ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next())
        .and_then(|number| number.parse().ok())
        .unwrap();
    let wrong = ask(
        &mut phone,
        &format!("confirm {}", number ^ 1),
        "confirms nothing",
    );
    let taken = ask(&mut phone, &number.to_string(), "taken in");
    let again = ask(&mut phone, &format!("confirm {number}"), "confirms nothing");
    let nothing_left = ask(&mut phone, "unproven", "unproven origin.");

    assert_eq!(
        refused,
        "1.jpg is not stored: it was kept, but what lies on the drive in its place was not sealed \
         by me. I took nothing of it in; please send it again, and see \"unproven\"."
    );
    // The honest twin waited beside it.
    assert!(
        opened.contains("1 file that waited is stored as #1"),
        "{opened}"
    );
    assert!(found.starts_with("2 files on the drive are"), "{found}");
    assert!(status.starts_with("The vault is open: 1 file,"), "{status}");
    assert!(
        status.contains("2 files on the drive are of unproven"),
        "{status}"
    );
    assert!(
        shown.starts_with("2 files of unproven origin, 44 bytes:\ninvoice.pdf, "),
        "{shown}"
    );
    assert_eq!(wrong, again);
    assert_eq!(
        taken,
        "✅ 2 files of unproven origin are taken in as #2-#3."
    );
    assert_eq!(nothing_left, "Nothing on the drive is of unproven origin.");
}

/// The card's public half with another key in it.
fn foreign_half(home: &Home) -> Vec<u8> {
    let place = tempfile::tempdir().unwrap();
    let mut rng = UnwrapErr(getrandom::SysRng);
    let secret = SlotSecret::generate(&mut rng).unwrap();
    let slots = [(&secret, "thief")];
    let path = place.path().join("vault");
    let now = SystemTime::now().max(UNIX_EPOCH);
    let theirs = VaultFolder::create(&path, None, &slots, &mut rng, now).unwrap();
    let mut bytes = fs::read(home.system().join("vault.pub")).unwrap();
    let (key, check) = (32..1248, 1248..1280);
    bytes[key.clone()].copy_from_slice(&theirs.to_bytes()[key]);
    let sum = Sha256::digest(&bytes[..check.start]);
    bytes[check].copy_from_slice(&sum);
    bytes
}

#[test]
fn a_card_that_seals_to_a_foreign_key_raises_an_alarm_and_takes_nothing_in_until_mended() {
    let mut home = Home::new();
    home.start();
    let mut phone = home.paired_phone();
    home.pull_key();
    phone.wait_reply("The key is gone");
    let card = home.system().join("vault.pub");
    let honest = fs::read(&card).unwrap();
    fs::write(&card, foreign_half(&home)).unwrap();
    share(&home, &mut phone, 1);
    phone.wait_reply("1 file waits");

    home.insert_key();
    let alarm = phone.wait_reply("ALARM");
    let in_vain = phone.wait_reply("1 file that waits");
    share(&home, &mut phone, 2);
    let not_taken = phone.wait_reply("2.jpg is not stored");
    let status = ask(&mut phone, "status", "The vault is locked");
    let blobs = home.blobs().len();
    home.pull_key();
    fs::write(&card, honest).unwrap();
    home.insert_key();
    let lost = phone.wait_reply("1.jpg is not stored");
    let stored = phone.wait_reply("2.jpg, 30.0 kB, stored");

    assert!(
        alarm.starts_with(
            "ALARM: the system card seals new files to a key that is not this vault's"
        ),
        "{alarm}"
    );
    assert!(
        in_vain.contains("share it again when the alarm is over"),
        "{in_vain}"
    );
    assert!(not_taken.contains("nobody could open it"), "{not_taken}");
    assert!(status.starts_with("ALARM"), "{status}");
    assert_eq!(blobs, 1, "nothing was sealed under the alarm");
    assert!(lost.contains("Please send it again"), "{lost}");
    assert_eq!(stored, "✅ #1 2.jpg, 30.0 kB, stored.");
}
