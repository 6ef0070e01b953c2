//! Results that a hostile archive slips into a question that the vault does have open.

use std::sync::{Arc, Mutex};

use super::{
    row,
    siege::{Held, Siege, message},
};
use crate::{
    journal::PATIENCE,
    middle::{Verdict, Way, frames},
};

const OWNERS: &str = "owner@localhost/phone";
/// Stands for the id of the open query.
const QUERY: &str = "THE-QUERY";

/// Makes the result in which a held command comes.
type Make = fn(&Held) -> String;

fn result(from: &str, query: &str, inner: &str) -> String {
    message(
        from,
        &format!(
            "<result xmlns='urn:xmpp:mam:2' queryid='{query}' id='forged'>\
             <forwarded xmlns='urn:xmpp:forward:0'>\
             <delay xmlns='urn:xmpp:delay' stamp='2026-01-01T00:00:00Z'/>{inner}</forwarded></result>"
        ),
    )
}

const FORGED: [(&str, Make); 8] = [
    ("an archive result from a stranger", |held| {
        result("stranger@localhost/pc", QUERY, &held.from(OWNERS))
    }),
    ("an archive result from the owner", |held| {
        result(OWNERS, QUERY, &held.from(OWNERS))
    }),
    ("an archive result from the server's domain", |held| {
        result("localhost", QUERY, &held.from(OWNERS))
    }),
    (
        "an archive result from another client of the account",
        |held| result("vault@localhost/other", QUERY, &held.from(OWNERS)),
    ),
    ("an archive result for another query", |held| {
        result("vault@localhost", "another", &held.from(OWNERS))
    }),
    ("an archived message of a stranger", |held| {
        result(
            "vault@localhost",
            QUERY,
            &held.from("stranger@localhost/pc"),
        )
    }),
    ("an archived message in clear", |held| {
        let clear = message(OWNERS, &format!("<body>find {}</body>", held.word));
        result("vault@localhost", QUERY, &clear)
    }),
    ("an archived message that came back as an error", |held| {
        let error = held.from(OWNERS).replace("'chat'", "'error'");
        result("vault@localhost", QUERY, &error)
    }),
];

/// Answers the next question for the archive with these results first, and withholds the real ones.
fn lie(siege: &Siege, results: Vec<String>) {
    let middle = siege.middle.clone();
    let results = Arc::new(Mutex::new(results));
    siege.rule(move |way, element| {
        if way == Way::ToServer && element.contains("urn:xmpp:mam:2") {
            let id = element.split_once("queryid=").unwrap().1;
            let id = id[1..].split(['\'', '"']).next().unwrap();
            for result in results.lock().unwrap().drain(..) {
                middle.inject(result.replace(QUERY, id));
            }
        }
        if way == Way::ToVault && element.contains("<result") {
            return Verdict::Withhold;
        }
        Verdict::Pass
    });
}

#[test]
fn an_archive_that_lies_has_nothing_obeyed() {
    let mut siege = Siege::begin();
    siege.rule(|_, _| Verdict::Pass);
    let replayed = siege.hold();
    siege.middle.inject(replayed.stanza.clone());
    let first = siege.expect(&replayed.word);
    let held: Vec<Held> = FORGED.iter().map(|_| siege.hold()).collect();
    let honest = siege.hold();

    // The last of them is as the archive would send it: when it is answered, the others were read.
    let mut results: Vec<String> = FORGED
        .iter()
        .zip(&held)
        .map(|((_, make), held)| make(held))
        .collect();
    results.push(result("vault@localhost", QUERY, &replayed.from(OWNERS)));
    results.push(result("vault@localhost", QUERY, &honest.from(OWNERS)));
    siege.home.stop();
    lie(&siege, results);
    siege.home.start();
    let twin = siege.expect(&honest.word);
    siege.settle();
    let accepted: Vec<bool> = held.iter().map(|it| siege.heard(&it.word) > 0).collect();

    for (((name, _), held), accepted) in FORGED.iter().zip(held).zip(accepted) {
        siege.middle.inject(held.stanza);
        row(name, accepted, twin && siege.expect(&held.word));
    }
    let again = siege.heard(&replayed.word) > 1;
    row("a replay: from the archive", again, first);
}

#[test]
fn what_an_honest_archive_brings_is_obeyed_though_it_never_came_live() {
    let mut siege = Siege::begin();
    siege.rule(|_, _| Verdict::Pass);
    let withheld = siege.hold();
    siege.settle();

    // The cursor stands behind what was withheld: it is asked for from before it.
    siege.home.stop();
    let before = Arc::new(Mutex::new(false));
    let seen = Arc::clone(&before);
    siege.rule(move |way, element| {
        if way == Way::ToServer && element.contains("urn:xmpp:mam:2") && element.contains("<after")
        {
            let after = frames::within(element, "after").unwrap();
            *seen.lock().unwrap() = true;
            return Verdict::Replace(vec![element.replace(&after, "")]);
        }
        Verdict::Pass
    });
    siege.home.start();

    assert!(siege.expect(&withheld.word));
    assert!(*before.lock().unwrap());
    // All that overlaps was obeyed before, and is not obeyed again.
    siege.settle();
    siege
        .middle
        .sent()
        .take(PATIENCE, |it| it.contains("urn:xmpp:mam:2"));
    assert_eq!(siege.heard(&withheld.word), 1);
    assert_eq!(siege.heard("word0001x"), 1);
}

#[test]
fn an_archive_without_end_is_not_read_for_ever() {
    let mut siege = Siege::begin();
    siege.home.stop();
    let is_query = |it: &String| {
        it.contains("urn:xmpp:mam:2") && it.contains("http://jabber.org/protocol/rsm")
    };
    let queries = |siege: &Siege| siege.middle.sent().all(is_query).len();
    let before = queries(&siege);
    siege.rule(|way, element| {
        if way == Way::ToServer
            && let Some(after) = frames::within(element, "after")
        {
            return Verdict::Replace(vec![element.replace(&after, "")]);
        }
        if way == Way::ToVault
            && let Some(end) = frames::within(element, "fin")
        {
            let endless = "<fin xmlns='urn:xmpp:mam:2'><set \
                           xmlns='http://jabber.org/protocol/rsm'><last>here</last></set></fin>";
            return Verdict::Replace(vec![element.replace(&end, endless)]);
        }
        Verdict::Pass
    });
    siege.forget_sent(is_query);
    siege.home.start();
    assert!(siege.middle.sent().take(PATIENCE, is_query).is_some());
    siege.settle();
    siege.settle();
    let endless = queries(&siege) - before;

    siege.home.stop();
    siege.rule(|_, _| Verdict::Pass);
    siege.forget_sent(is_query);
    siege.home.start();
    siege.middle.sent().take(PATIENCE, is_query);
    siege.settle();
    let honest = queries(&siege) - before - endless;
    row(
        "an archive that never comes to its end",
        endless > 3,
        (1..=3).contains(&honest),
    );
}
