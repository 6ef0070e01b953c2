//! The vault's own OMEMO device over time: an old copy of its state is never used, its place on the
//! device list is kept, its keys stay readable by all.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    home::{Home, STRANGER, VAULT},
    journal::PATIENCE,
    phone::{Phone, text},
    prosody::jid,
};

const EMPTY: &str = "The vault is empty.";
const NAMESPACE: &str = "eu.siacs.conversations.axolotl";

fn ask(phone: &mut Phone) {
    phone.send_text(&jid(VAULT), "list");
    phone.wait_reply(EMPTY);
}

/// The vault's devices as its list names them now.
fn devices(phone: &mut Phone) -> Vec<u64> {
    let all = phone.order("devices", json!({ "jid": jid(VAULT) }));
    let all = all["devices"].as_array().unwrap().iter();
    all.filter(|it| it["active"] == true)
        .map(|it| it["device"].as_u64().unwrap())
        .collect()
}

fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(done.unwrap().success());
}

/// A backup of the system card's folder.
fn back_up(home: &Home) -> PathBuf {
    let backup = home.path("backup");
    copy(&home.system(), &backup);
    backup
}

fn put_back(home: &Home, backup: &Path) {
    fs::remove_dir_all(home.system()).unwrap();
    copy(backup, &home.system());
}

pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn an_old_copy_of_the_state_goes_on_as_a_new_device_and_says_so() {
    let mut home = Home::new();
    home.start();
    let mut phone = home.paired_phone();
    ask(&mut phone);
    let first = devices(&mut phone);
    home.stop();
    let backup = back_up(&home);
    // The control: a state that only stood still is the same device.
    home.start();
    ask(&mut phone);
    assert_eq!(devices(&mut phone), first);
    home.stop();

    put_back(&home, &backup);
    home.start();
    let told = phone.wait_reply("An old copy of my memory was put back");
    ask(&mut phone);
    let second = devices(&mut phone);
    home.stop();
    home.start();
    ask(&mut phone);

    assert_eq!((first.len(), second.len()), (1, 1));
    assert_ne!(first, second);
    assert_eq!(devices(&mut phone), second, "once is enough");
    let all = phone.order("devices", json!({ "jid": jid(VAULT) }));
    let all = all["devices"].as_array().unwrap().iter();
    let mut ours = all.filter(|it| it["device"] == second[0]);
    let fingerprint = text(&ours.next().unwrap()["fingerprint"]);
    assert!(told.contains(&fingerprint[56..]), "{told}");
    assert!(phone.assert_no_message_key_was_used_twice() >= 4);
    assert_eq!(phone.seen("undecryptable"), [] as [Value; 0]);
}

#[test]
fn an_old_copy_that_starts_without_its_drive_is_found_out_when_the_drive_comes() {
    let mut home = Home::new();
    home.start();
    let mut phone = home.paired_phone();
    let first = devices(&mut phone);
    home.stop();
    let backup = back_up(&home);
    home.start();
    ask(&mut phone);
    home.stop();
    let away = home.path("unplugged");
    fs::rename(home.vault(), &away).unwrap();
    put_back(&home, &backup);

    home.start();
    fs::rename(&away, home.vault()).unwrap();
    home.daemon().reload();
    let mut daemon = home.daemon.take().unwrap();
    let status = daemon.wait_exit(PATIENCE);
    daemon.wait_line("the state on the system card is an old copy");
    home.start();

    // The service manager starts it again: no person has to mend anything.
    assert_eq!(status.code(), Some(1));
    phone.wait_reply("An old copy of my memory was put back");
    ask(&mut phone);
    assert_ne!(devices(&mut phone), first);
}

#[test]
fn a_place_on_the_list_that_was_taken_is_taken_back_and_closed_nodes_are_opened() {
    let mut home = Home::new();
    home.start();
    let mut phone = home.paired_phone();
    let first = devices(&mut phone);
    let mut other = Phone::start(&home.server, VAULT);
    let iq = |other: &mut Phone, pubsub: &str| {
        let xml = format!("<iq xmlns='jabber:client' type='set' id='robber'>{pubsub}</iq>");
        other.order("send_stanza", json!({ "xml": xml }));
        // The server has done it once it answers what comes after it.
        other.order("roster", json!({}));
    };

    let robbed = format!(
        "<pubsub xmlns='http://jabber.org/protocol/pubsub'>\
         <publish node='{NAMESPACE}.devicelist'><item id='current'><list xmlns='{NAMESPACE}'>\
         <device id='4711'/></list></item></publish></pubsub>"
    );
    iq(&mut other, &robbed);
    home.daemon().wait_line("our device list does not name us");
    wait_until("the vault is on its list", || {
        devices(&mut phone).contains(&first[0])
    });

    let closed = format!(
        "<pubsub xmlns='http://jabber.org/protocol/pubsub#owner'>\
         <configure node='{NAMESPACE}.devicelist'><x xmlns='jabber:x:data' type='submit'>\
         <field var='FORM_TYPE' type='hidden'>\
         <value>http://jabber.org/protocol/pubsub#node_config</value></field>\
         <field var='pubsub#access_model'><value>whitelist</value></field>\
         </x></configure></pubsub>"
    );
    iq(&mut other, &closed);
    let mut stranger = Phone::start(&home.server, STRANGER);
    let asked = json!({ "jid": jid(VAULT) });
    assert_eq!(devices_or_none(&mut stranger, &asked), [] as [u64; 0]);
    home.stop();
    home.start();
    wait_until("a stranger can read the list", || {
        devices_or_none(&mut stranger, &asked).contains(&first[0])
    });
}

fn devices_or_none(phone: &mut Phone, asked: &Value) -> Vec<u64> {
    match phone.try_order("devices", asked.clone()) {
        Ok(_) => devices(phone),
        Err(_) => Vec::new(),
    }
}
