//! The vault's address as a picture by chat: what a phone's camera would read from it.

use std::fs;

use crate::{
    home::{Home, VAULT},
    phone::Phone,
    prosody::jid,
};

/// Asks for the picture, and reads the code in it.
fn scan(phone: &mut Phone) -> String {
    phone.send_text(&jid(VAULT), "fingerprints qr");
    phone.wait_reply("My address as a picture");
    let picture = image::load_from_memory(&fs::read(phone.wait_file().path).unwrap());
    let picture = picture.unwrap().to_luma8();
    let (width, height) = picture.dimensions();
    let (width, height) = (width as usize, height as usize);
    let dot = |x: usize, y: usize| picture.as_raw()[y * width + x];
    let mut prepared = rqrr::PreparedImage::prepare_from_greyscale(width, height, dot);
    let found = prepared.detect_grids();
    assert_eq!(found.len(), 1);
    found[0].decode().unwrap().1
}

/// The address as the vault writes it in words.
fn told(phone: &mut Phone) -> String {
    phone.send_text(&jid(VAULT), "fingerprints");
    let words = phone.wait_reply("My address, as a link");
    let mut lines = words.lines();
    lines.find(|it| it.starts_with("xmpp:")).unwrap().to_owned()
}

#[test]
fn the_picture_of_the_address_is_read_as_the_address_open_and_locked_in_both_namespaces() {
    for namespaces in ["legacy", "omemo2"] {
        let mut home = Home::new();
        home.start();
        let mut phone = home.paired_phone_in(namespaces);
        let address = told(&mut phone);
        assert!(address.starts_with(&format!("xmpp:{}?omemo-sid-", jid(VAULT))));

        let open = scan(&mut phone);
        home.pull_key();
        phone.wait_reply("The key is gone");
        let locked = scan(&mut phone);

        assert_eq!([&open, &locked], [&address, &address], "{namespaces}");
    }
}

#[test]
fn a_picture_of_the_address_that_a_crash_kept_back_comes_after_the_restart() {
    let mut home = Home::new();
    home.start();
    let mut phone = home.paired_phone();
    let address = told(&mut phone);
    home.stop();

    home.start_to_crash("delivery saved");
    phone.send_text(&jid(VAULT), "fingerprints qr");
    home.daemon
        .take()
        .unwrap()
        .wait_exit(crate::journal::PATIENCE);
    home.start();
    phone.wait_reply("My address as a picture");

    assert!(address.contains("omemo-sid-"));
    assert!(
        fs::read(phone.wait_file().path)
            .unwrap()
            .starts_with(b"\x89PNG")
    );
}
