//! Rosters, device lists, bundles, questions and presence from those who have no say in them.

use super::{intruder::Intruder, row, siege::Siege};
use crate::{
    journal::PATIENCE,
    middle::{Verdict, Way, frames},
    phone::Phone,
    prosody::jid,
};

const AXOLOTL: &str = "eu.siacs.conversations.axolotl";

/// Makes an event of these devices.
type Forge = fn(&[&str]) -> String;

/// An event of a device list (XEP-0163).
fn list(from: &str, kind: &str, devices: &[&str]) -> String {
    let devices: String = devices
        .iter()
        .map(|it| format!("<device id='{it}'/>"))
        .collect();
    format!(
        "<message xmlns='jabber:client' from='{from}' to='vault@localhost/strongroom' type='{kind}'>\
         <event xmlns='http://jabber.org/protocol/pubsub#event'><items node='{AXOLOTL}.devicelist'>\
         <item id='current' publisher='owner@localhost'><list xmlns='{AXOLOTL}'>{devices}</list>\
         </item></items></event></message>"
    )
}

fn in_carbon(from: &str, inner: &str) -> String {
    format!(
        "<message xmlns='jabber:client' from='{from}' to='vault@localhost/strongroom'>\
         <received xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>{inner}\
         </forwarded></received></message>"
    )
}

/// Asks the vault from an address, and returns its answer.
fn ask(siege: &Siege, from: &str, id: &str) -> String {
    let query = "<query xmlns='jabber:iq:version'/>";
    let iq = format!(
        "<iq xmlns='jabber:client' from='{from}' to='vault@localhost/strongroom' type='get' \
         id='{id}'>{query}</iq>"
    );
    siege.middle.inject(iq);
    let answer = |it: &String| it.contains(id) && it.contains("<iq");
    siege.middle.sent().take(PATIENCE, answer).unwrap()
}

fn roster(siege: &Siege) {
    let push = |from: &str, subscription: &str| {
        let from = if from.is_empty() {
            String::new()
        } else {
            format!(" from='{from}'")
        };
        format!(
            "<iq xmlns='jabber:client'{from} to='vault@localhost/strongroom' type='set' id='push'>\
             <query xmlns='jabber:iq:roster'>\
             <item jid='stranger@localhost' subscription='{subscription}'/></query></iq>"
        )
    };
    for (number, (name, from)) in [
        ("a roster push from a stranger", "stranger@localhost/pc"),
        ("a roster push from the owner", "owner@localhost/phone"),
        (
            "a roster push from another client of the account",
            "vault@localhost/other",
        ),
        ("a roster push from another server", "evil.example"),
        ("a roster push from a resource of the server", "localhost/x"),
    ]
    .into_iter()
    .enumerate()
    {
        siege.middle.inject(push(from, "both"));
        let told = ask(siege, "stranger@localhost/pc", &format!("forged{number}"));
        siege.middle.inject(push("", "both"));
        let twin = ask(siege, "stranger@localhost/pc", &format!("honest{number}"));
        siege.middle.inject(push("", "remove"));
        row(
            name,
            told.contains("Strongroom"),
            twin.contains("Strongroom"),
        );
    }
}

/// Lists that would have the vault fetch and use another device, or take itself for forgotten.
fn lists(siege: &mut Siege) {
    let phone = siege.phone.device.to_string();
    let asks = |siege: &Siege, device: &str| {
        let wanted = format!("bundles:{device}");
        siege
            .middle
            .sent()
            .all(|it| it.contains(&wanted) && it.contains("<items"))
            .len()
    };
    let (strangers, owners) = ("stranger@localhost", "owner@localhost");
    // Each names a device of its own: a bundle that could not be had is not asked for at once again.
    let named = |device: usize| [phone.clone(), (99_990 + device).to_string()];
    let all: [(&str, Forge); 5] = [
        ("a device list from a stranger", |devices| {
            list("stranger@localhost", "headline", devices)
        }),
        ("a device list from one client of the owner", |devices| {
            list("owner@localhost/phone", "headline", devices)
        }),
        ("a device list that came back as an error", |devices| {
            list("owner@localhost", "error", devices)
        }),
        ("a device list in a carbon of a stranger", |devices| {
            in_carbon(
                "stranger@localhost/pc",
                &list("owner@localhost", "headline", devices),
            )
        }),
        ("a device list in a carbon of our own account", |devices| {
            in_carbon(
                "vault@localhost",
                &list("owner@localhost", "headline", devices),
            )
        }),
    ];
    for (number, (name, forge)) in all.iter().enumerate() {
        let devices = named(number);
        let (devices, new) = ([devices[0].as_str(), devices[1].as_str()], &devices[1]);
        siege.middle.inject(forge(&devices));
        siege.settle();
        let accepted = asks(siege, new);
        siege.middle.inject(list(owners, "headline", &devices));
        let wanted = format!("bundles:{new}");
        let twin = siege
            .middle
            .sent()
            .take(PATIENCE, |it| it.contains(&wanted))
            .is_some();
        row(name, accepted > 0, twin);
    }
    for (name, from) in [
        ("our own device list from a stranger", strangers),
        (
            "our own device list from one client of ours",
            "vault@localhost/other",
        ),
    ] {
        // It asks for the list itself before it puts itself on it again: the server's still names it.
        let looked = |it: &String| {
            it.contains("devicelist") && it.contains("<items") && !it.contains(owners)
        };
        let before = siege.middle.sent().all(looked).len();
        siege.middle.inject(list(from, "headline", &["7"]));
        siege.settle();
        let accepted = siege.middle.sent().all(looked).len() > before;
        siege.forget_sent(looked);
        siege
            .middle
            .inject(list("vault@localhost", "headline", &["7"]));
        let twin = siege.middle.sent().take(PATIENCE, looked).is_some();
        row(name, accepted, twin);
    }
}

/// What is answered in place of the second phone's bundle.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lie {
    OtherIdentity,
    OtherSignature,
    SignedByOther,
    StrangerAnswers,
    None,
}

/// What arrives in place of the server's answer, in which the honest bundle stands.
fn lied(lie: Lie, answer: &str, forger: &str) -> Verdict {
    let part = |of: &str, name: &str| frames::within(of, name).unwrap();
    let honest = part(answer, "bundle");
    let swap = |in_: &str, name: &str| in_.replace(&part(in_, name), &part(forger, name));
    let signature = swap(&honest, "signedPreKeySignature");
    let with = |bundle: &str| answer.replace(&honest, bundle);
    match lie {
        Lie::None => Verdict::Pass,
        Lie::OtherIdentity => Verdict::Replace(vec![with(forger)]),
        Lie::OtherSignature => Verdict::Replace(vec![with(&signature)]),
        Lie::SignedByOther => Verdict::Replace(vec![with(&swap(&signature, "signedPreKeyPublic"))]),
        Lie::StrangerAnswers => {
            let strangers = frames::with_attr(answer, "from", "stranger@localhost/x");
            Verdict::Replace(vec![strangers, with(forger)])
        }
    }
}

/// Has the vault fetch the second phone's bundle, and tells whether it then writes to that phone.
fn believes(siege: &mut Siege, second: &Phone, lie: Lie) -> bool {
    let wanted = format!("bundles:{}", second.device);
    let forger = Intruder::alone().bundle();
    let node = wanted.clone();
    siege.rule(move |way, element| {
        if way == Way::ToVault && element.contains(&node) && element.contains("<bundle") {
            return lied(lie, element, &forger);
        }
        Verdict::Pass
    });
    // A fresh run: one that had a bad bundle does not ask again at once.
    siege.home.stop();
    siege.forget_sent(|it| it.contains(&wanted));
    siege.home.start();
    let (phone, device) = (siege.phone.device.to_string(), second.device.to_string());
    siege
        .middle
        .inject(list("owner@localhost", "headline", &[&phone, &device]));
    let asked = siege
        .middle
        .sent()
        .take(PATIENCE, |it| it.contains(&wanted));
    assert!(asked.is_some(), "the vault did not ask");
    // The first answer may have left before the bundle was there.
    siege.settle();
    siege.settle();
    let keys = [format!("rid='{device}'"), format!("rid=\"{device}\"")];
    let written = |it: &String| it.contains("<message") && keys.iter().any(|key| it.contains(key));
    !siege.middle.sent().all(written).is_empty()
}

#[test]
fn nobody_else_has_a_say_in_contacts_devices_and_keys() {
    let mut siege = Siege::prepare(true);
    let second = siege.second.take().unwrap();
    // The real bundle of the second phone is kept from the vault until it may have it.
    let node = format!("bundles:{}", second.device);
    siege.rule(move |way, element| {
        if way == Way::ToVault && element.contains(&node) {
            return Verdict::Replace(vec![
                element
                    .replace("<bundle", "<no-bundle")
                    .replace("</bundle", "</no-bundle"),
            ]);
        }
        Verdict::Pass
    });
    siege.home.start();
    siege.phone.befriend(&jid(crate::home::VAULT));
    assert!(siege.obeys());

    roster(&siege);
    lists(&mut siege);
    let lies = [
        ("a bundle with another identity", Lie::OtherIdentity),
        ("a bundle with another signature", Lie::OtherSignature),
        ("a bundle signed by another identity", Lie::SignedByOther),
        (
            "a bundle that a stranger answers with",
            Lie::StrangerAnswers,
        ),
    ];
    let believed: Vec<bool> = lies
        .iter()
        .map(|(_, lie)| believes(&mut siege, &second, *lie))
        .collect();
    let twin = believes(&mut siege, &second, Lie::None);
    for ((name, _), believed) in lies.into_iter().zip(believed) {
        row(name, believed, twin);
    }
    strangers(&mut siege);
}

/// Questions and presence of a hundred strangers.
fn strangers(siege: &mut Siege) {
    let told = ask(siege, "stranger@localhost/pc", "question-of-a-stranger");
    let twin = ask(siege, "owner@localhost/phone", "question-of-the-owner");
    row(
        "a question of a stranger",
        told.contains("Strongroom"),
        twin.contains("Strongroom"),
    );

    let approved = |it: &String| it.contains("<presence") && it.contains("subscribed");
    let before = siege.middle.sent().all(approved).len();
    for number in 0..100 {
        for kind in ["subscribe", "subscribed", "unsubscribe", "probe"] {
            siege.middle.inject(format!(
                "<presence xmlns='jabber:client' from='s{number}@evil.example' \
                 to='vault@localhost' type='{kind}'/>"
            ));
        }
    }
    siege.settle();
    let accepted = siege.middle.sent().all(approved).len() > before;
    siege.forget_sent(approved);
    siege.middle.inject(
        "<presence xmlns='jabber:client' from='owner@localhost' to='vault@localhost' \
         type='subscribe'/>",
    );
    let twin = siege.middle.sent().take(PATIENCE, approved).is_some();
    row(
        "a hundred strangers who ask for our presence",
        accepted,
        twin,
    );
    let to_strangers = |it: &String| it.contains("@evil.example");
    assert_eq!(siege.middle.sent().all(to_strangers), [] as [String; 0]);
}
