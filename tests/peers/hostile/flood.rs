//! A flood of messages from a hundred strangers: it costs neither memory nor the owner's time.

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
use crate::{home::VAULT, middle::Verdict, prosody::jid};

const ADDRESSES: usize = 100;
const MAY_GROW_KIB: u64 = 20 * 1024;
const PATIENCE: Duration = Duration::from_secs(5);

/// The memory of the daemon and its vault process that is backed by no file, in KiB.
fn memory_kib(pids: &[u32]) -> u64 {
    let each = pids.iter().map(|pid| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find_map(|it| it.strip_prefix("RssAnon:"));
        let kib = line.unwrap().trim().trim_end_matches(" kB");
        kib.parse::<u64>().unwrap()
    });
    each.sum()
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
fn a_flood_of_strangers_costs_little_memory_and_the_owner_is_answered_in_time() {
    let all = env::var_os("STRONGROOM_HOSTILE").is_some_and(|it| it == "all");
    let count = if all { 10_000 } else { 1_000 };
    let mut siege = Siege::begin();
    siege.rule(|_, _| Verdict::Pass);
    let device = siege.home.daemon().wait_line("the vault is open");
    assert!(!device.is_empty());
    assert!(siege.obeys());
    let mut pids = siege.home.daemon().children();
    pids.push(siege.home.daemon().pid());
    let before = memory_kib(&pids);
    let done = Arc::new(AtomicBool::new(false));
    let (ends, watched) = (Arc::clone(&done), pids.clone());
    let watch = thread::spawn(move || {
        let mut most = 0;
        while !ends.load(Ordering::SeqCst) {
            most = most.max(memory_kib(&watched));
            thread::sleep(Duration::from_millis(5));
        }
        most
    });

    for number in 0..count {
        siege.middle.inject(stanza(number, siege.phone.device));
    }
    // It comes behind all of them.
    let asked = Instant::now();
    siege.phone.send_text(&jid(VAULT), "find wordflood");
    let answered = siege.expect("wordflood");
    let took = asked.elapsed();
    done.store(true, Ordering::SeqCst);
    let grown = watch.join().unwrap().saturating_sub(before);

    eprintln!("flood: {count} stanzas, +{grown} KiB over {before}, answered after {took:?}");
    assert!(grown <= MAY_GROW_KIB, "{grown} KiB");
    assert!(took <= PATIENCE, "{took:?}");
    let name = format!("a flood of {count} stanzas from {ADDRESSES} addresses");
    let to_strangers =
        |it: &String| it.contains("evil.example") && !it.contains("service-unavailable");
    row(
        &name,
        !siege.middle.sent().all(to_strangers).is_empty(),
        answered,
    );
}
