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
    daemon::Daemon,
    home::{Home, STRANGER, VAULT},
    journal::PATIENCE,
    phone::{Phone, text},
    prosody::jid,
};

const EMPTY: &str = "The vault is empty.";
const DAY_SECONDS: u64 = 24 * 60 * 60;
/// Told when the vault's place on its device list is taken five times within an hour.
const ALARM: &str = "off the list of my own devices five times within an hour";
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

/// Starts the daemon with a clock that stands ahead.
fn start_ahead(home: &mut Home, seconds: u64) {
    let mut command = home.command();
    command
        .arg("run")
        .env("STRONGROOM_CLOCK_OFFSET", seconds.to_string());
    let daemon = Daemon::spawn(&mut command);
    daemon.wait_line("online");
    home.daemon = Some(daemon);
}

#[test]
fn an_old_copy_that_no_drive_tells_of_is_found_out_by_the_bundle_at_the_server() {
    let mut home = Home::new();
    home.start();
    let mut phone = home.paired_phone();
    ask(&mut phone);
    let first = devices(&mut phone);
    home.stop();
    let backup = back_up(&home);
    // A week later the signed prekey is exchanged, and the server has the new one.
    start_ahead(&mut home, 8 * DAY_SECONDS);
    home.daemon().wait_line("a new signed prekey was made");
    ask(&mut phone);
    home.stop();
    // The control: the state that made it is the same device.
    start_ahead(&mut home, 8 * DAY_SECONDS);
    ask(&mut phone);
    assert_eq!(devices(&mut phone), first);
    home.stop();

    put_back(&home, &backup);
    fs::remove_file(home.vault().join("strongroom.cards")).unwrap();
    let mut command = home.command();
    let mut daemon = Daemon::spawn(command.arg("run"));
    let status = daemon.wait_exit(PATIENCE);
    daemon.wait_line("the state on the system card is an old copy");
    home.start();

    assert_eq!(status.code(), Some(1));
    phone.wait_reply("An old copy of my memory was put back");
    ask(&mut phone);
    let second = devices(&mut phone);
    assert_eq!(second.len(), 1);
    assert_ne!(second, first);
    phone.assert_no_message_key_was_used_twice();
}

#[test]
fn a_place_that_is_taken_four_times_is_taken_back_in_silence_and_the_fifth_time_is_told() {
    let mut home = Home::new();
    home.start();
    let mut phone = home.paired_phone();
    home.stop();
    // The vault waits longer each time, minutes in all: here its clock runs faster.
    let mut command = home.command();
    command.arg("run").env("STRONGROOM_CLOCK_RATE", "30");
    let daemon = Daemon::spawn(&mut command);
    daemon.wait_line("online");
    home.daemon = Some(daemon);
    let ours = devices(&mut phone)[0];
    let mut other = Phone::start(&home.server, VAULT);
    let alarms = |phone: &Phone| {
        let said = phone.seen("message").into_iter();
        let told = said.filter(|it| it["body"].as_str().is_some_and(|it| it.contains(ALARM)));
        told.count()
    };
    let mended = |home: &Home| {
        let said = home.daemon().said().into_iter();
        said.filter(|it| it.contains("our device list does not name us"))
            .count()
    };

    // Somebody else's own attempts to be on that list may take the place once more, or give it back
    // before we saw that it was taken.
    for robbery in 1..=12 {
        if alarms(&phone) > 0 {
            break;
        }
        let stolen = format!(
            "<iq xmlns='jabber:client' type='set' id='robber{robbery}'>\
             <pubsub xmlns='http://jabber.org/protocol/pubsub'>\
             <publish node='{NAMESPACE}.devicelist'><item id='current'><list xmlns='{NAMESPACE}'>\
             <device id='4711'/></list></item></publish></pubsub></iq>"
        );
        other.order("send_stanza", json!({ "xml": stolen }));
        other.order("roster", json!({}));
        wait_until("the vault is on its list, or tells", || {
            alarms(&phone) > 0 || devices(&mut phone).contains(&ours)
        });
    }

    phone.wait_reply(ALARM);
    // The control: it was mended four times before, and not a word was said.
    assert_eq!((mended(&home), alarms(&phone)), (4, 1));
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
