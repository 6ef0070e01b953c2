//! Floods: what strangers and the server pour out costs neither memory nor the owner's time.

use std::{
    env, fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::{
    row,
    siege::{Siege, message},
};
use crate::middle::{Verdict, Way};

const ADDRESSES: usize = 100;
const MAY_GROW_KIB: u64 = 20 * 1024;
/// What the processors may be busy with a flood: the owner waits as long on a machine of his own.
const MAY_TAKE: Duration = Duration::from_secs(5);
const OWNERS: &str = "owner@localhost/phone";

fn is_all() -> bool {
    env::var_os("STRONGROOM_HOSTILE").is_some_and(|it| it == "all")
}

/// The memory of processes that is backed by no file, in KiB.
fn memory_kib(pids: &[u32]) -> u64 {
    let each = pids.iter().map(|pid| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find_map(|it| it.strip_prefix("RssAnon:"));
        let kib = line.unwrap().trim().trim_end_matches(" kB");
        kib.parse::<u64>().unwrap()
    });
    each.sum()
}

/// The time that processors have spent with processes. proc_pid_stat(5)
fn busy(pids: &[u32]) -> Duration {
    let each = pids.iter().map(|pid| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let fields = stat.rsplit_once(')').unwrap().1;
        let ticks = fields.split_whitespace().skip(11).take(2);
        ticks.map(|it| it.parse::<u64>().unwrap()).sum::<u64>()
    });
    // 100 a second on every Linux that Rust runs on.
    Duration::from_millis(each.sum::<u64>() * 10)
}

/// Has something poured out, and notes what it costs until a command that comes behind it is
/// answered.
fn pour(siege: &mut Siege, name: &str, pour: impl FnOnce(&mut Siege)) {
    assert!(siege.obeys());
    let mut pids = siege.home.daemon().children();
    pids.push(siege.home.daemon().pid());
    let (before, began) = (memory_kib(&pids), busy(&pids));
    let done = Arc::new(AtomicBool::new(false));
    let (ends, watched) = (Arc::clone(&done), pids.clone());
    let watch = thread::spawn(move || {
        let mut most = 0;
        while !ends.load(Ordering::SeqCst) {
            most = most.max(memory_kib(&watched));
            thread::sleep(Duration::from_millis(2));
        }
        most
    });

    let asked = Instant::now();
    pour(siege);
    let answered = siege.obeys();
    let (waited, took) = (asked.elapsed(), busy(&pids) - began);
    done.store(true, Ordering::SeqCst);
    let grown = watch.join().unwrap().saturating_sub(before);

    eprintln!(
        "{name}: +{grown} KiB over {before} KiB, busy for {took:?}, answered after {waited:?}"
    );
    let too_much = grown > MAY_GROW_KIB || took > MAY_TAKE;
    row(name, too_much, answered);
}

/// One of the strangers' stanzas: words, ciphertext for nobody or for us, signs and questions.
fn stanza(number: usize, device: u64) -> String {
    let from = format!("s{}@evil.example/x", number % ADDRESSES);
    let words = "x".repeat(900);
    let id = format!("<stanza-id xmlns='urn:xmpp:sid:0' by='vault@localhost' id='f{number}'/>");
    match number / ADDRESSES % 5 {
        0 => message(&from, &format!("<body>{words}</body>{id}")),
        1 => message(
            &from,
            &format!(
                "<encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='{number}'>\
                 <key prekey='true' rid='{device}'>MwgBEiEF{words}</key><iv>AAAAAAAAAAAAAAAA</iv>\
                 </header><payload>{words}</payload></encrypted>{id}"
            ),
        ),
        2 => format!(
            "<iq xmlns='jabber:client' from='{from}' to='vault@localhost/strongroom' type='get' \
             id='q{number}'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>"
        ),
        3 => format!(
            "<presence xmlns='jabber:client' from='{from}' to='vault@localhost' type='subscribe'>\
             <status>{words}</status></presence>"
        ),
        _ => message(
            &from,
            &format!("<received xmlns='urn:xmpp:receipts' id='{words}'/>{id}"),
        ),
    }
}

#[test]
fn floods_cost_little_memory_and_the_owner_is_answered_in_time() {
    let mut siege = Siege::begin();
    siege.rule(|_, _| Verdict::Pass);
    let lines = siege.middle.connections();

    let count = if is_all() { 10_000 } else { 1_000 };
    let name = format!("a flood of {count} stanzas from {ADDRESSES} addresses");
    pour(&mut siege, &name, |siege| {
        for number in 0..count {
            siege.middle.inject(stanza(number, siege.phone.device));
        }
    });
    let to_strangers =
        |it: &String| it.contains("evil.example") && !it.contains("service-unavailable");
    assert_eq!(siege.middle.sent().all(to_strangers), [] as [String; 0]);

    elements(&mut siege);
    large(&mut siege);
    unread(&mut siege);
    assert_eq!(
        siege.middle.connections(),
        lines,
        "the line held all the time"
    );
}

/// Stanzas that are small on the wire and large in memory.
fn elements(siege: &mut Siege) {
    let held = siege.hold();
    let ours = held.encrypted.clone();
    pour(siege, "a stanza of 900,000 elements", move |siege| {
        let many = "<a/>".repeat(900_000);
        siege
            .middle
            .inject(message(OWNERS, &format!("{many}{ours}")));
    });
    let accepted = siege.heard(&held.word) > 0;
    let some = "<a/>".repeat(5_000);
    siege
        .middle
        .inject(message(OWNERS, &format!("{some}{}", held.encrypted)));
    row(
        "a command behind 900,000 elements",
        accepted,
        siege.expect(&held.word),
    );
    pour(siege, "a stanza of 400,000 attributes", |siege| {
        let attributes: String = (0..4_000).map(|it| format!(" a{it}=''")).collect();
        let many = format!("<a{attributes}/>").repeat(100);
        siege.middle.inject(message(OWNERS, &many));
    });
}

/// Large messages in the owner's name, faster than they can be looked at.
fn large(siege: &mut Siege) {
    let count = if is_all() { 100 } else { 40 };
    let published = siege
        .middle
        .sent()
        .all(|it| it.contains(".bundles:") && it.contains("publish"));
    let vault = published[0].split_once(".bundles:").unwrap().1;
    let vault = vault.split(['\'', '"']).next().unwrap().to_owned();
    let name = format!("{count} messages of 240 KiB in the owner's name");
    pour(siege, &name, |siege| {
        let payload = "x".repeat(240 * 1024);
        let phone = siege.phone.device;
        for number in 0..count {
            siege.middle.inject(message(
                OWNERS,
                &format!(
                    "<encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='{phone}'>\
                     <key rid='{vault}'>MwohBQ{number:04}</key><iv>AAAAAAAAAAAAAAAA</iv></header>\
                     <payload>{payload}</payload></encrypted>"
                ),
            ));
        }
    });
}

/// Questions of somebody who does not read the answers.
fn unread(siege: &mut Siege) {
    let count = if is_all() { 40_000 } else { 5_000 };
    siege.rule(|way, element| {
        if way == Way::ToVault && element.trim_start().starts_with("<a ") {
            return Verdict::Withhold;
        }
        Verdict::Pass
    });
    let name = format!("{count} questions whose answers are never acknowledged");
    pour(siege, &name, |siege| {
        for number in 0..count {
            siege.middle.inject(stanza(2 * ADDRESSES, number));
        }
    });
    let answers = siege
        .middle
        .sent()
        .all(|it| it.contains("<iq") && it.contains(&format!("q{}", 2 * ADDRESSES)));
    assert!(answers.len() < 1_200, "{} answers", answers.len());
    assert!(!answers.is_empty());
}
