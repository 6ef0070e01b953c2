//! Files for other people: whose word is enough, and what ends.

use super::*;
use crate::keeper::{
    contacts::{Act, News, Recipient, Shown},
    devices::{Known, Level},
    reply::{ContactReply, DeviceReply, Revocation},
};

const BOB: &str = "bob@other.example";
const LOST: &str = "1111111111111111111111111111111111111111111111111111111100008c1f";

/// Two phones that may command, the vault open, and bob known.
fn with_two_phones() -> Keeper {
    let known = |id, fingerprint: &str| Known {
        id,
        fingerprint: fingerprint.to_owned(),
        level: Level::Paired,
        since: NOW,
    };
    let bob = Recipient {
        id: 5,
        fingerprint: "5".repeat(64),
        namespace: Some(Namespace::Omemo2),
        since: NOW,
    };
    let mut keeper = Keeper::new(Memory {
        devices: vec![known(7, FINGERPRINT), known(8, LOST)],
        ..memory()
    })
    .with_contacts([(BOB.to_owned(), bob)]);
    let _ = keeper.handle(Input::Online, NOW);
    open(&mut keeper);
    keeper
}

fn by(number: u8, namespace: Namespace, text: &str) -> Told {
    Told {
        namespace,
        ..told(number, text)
    }
}

fn by_lost(number: u8, text: &str) -> Input {
    Input::Told(Told {
        from: Device {
            id: 8,
            fingerprint: LOST.to_owned(),
            ..device(Standing::Trusted)
        },
        ..by(number, Namespace::Omemo2, text)
    })
}

fn found(keeper: &mut Keeper, jid: &str) -> Vec<Effect> {
    let bob = Shown {
        id: 5,
        fingerprint: "5".repeat(64),
        namespace: Namespace::Omemo2,
    };
    let news = News::Found {
        jid: jid.to_owned(),
        devices: vec![bob],
        without_key: Vec::new(),
    };
    keeper.handle(Input::Contact(news), NOW)
}

fn asked(effects: &[Effect]) -> Vec<u8> {
    let asked = effects.iter().filter_map(|it| match it {
        Effect::Ask(job, _) => Some(job.0[0]),
        _ => None,
    });
    asked.collect()
}

fn closed(effects: &[Effect]) -> Vec<u8> {
    let closed = effects.iter().filter_map(|it| match it {
        Effect::Close(job) => Some(job.0[0]),
        _ => None,
    });
    closed.collect()
}

fn looks_up(effects: &[Effect]) -> bool {
    let is_it = |it: &Effect| matches!(it, Effect::Contact(Act::LookUp { .. }));
    effects.iter().any(is_it)
}

#[test]
fn what_a_phone_sends_to_somebody_ends_when_it_is_shut_out() {
    let mut keeper = with_two_phones();
    let _ = keeper.handle(by_lost(1, "send 1 to bob@other.example"), NOW);
    assert_eq!(asked(&found(&mut keeper, BOB)), [1]);
    let mine = by(2, Namespace::Omemo2, "send 2 to bob@other.example");
    let _ = keeper.handle(Input::Told(mine), NOW);
    assert_eq!(asked(&found(&mut keeper, BOB)), [2]);
    let looked_up = keeper.handle(by_lost(3, "send 3 to bob@other.example"), NOW);
    assert!(looks_up(&looked_up));

    let question = keeper.handle(Input::Told(told(4, "revoke 8c1f")), NOW);
    let number = says(&question).into_iter().find_map(|it| match it {
        Reply::Device(DeviceReply::RevokeAsk(Revocation { number, .. })) => Some(number),
        _ => None,
    });
    let answer = told(5, &number.unwrap().to_string());
    let revoked = keeper.handle(Input::Told(answer), NOW);

    assert_eq!(closed(&revoked), [1]);
    let contacts = says(&revoked).into_iter().find_map(|it| match it {
        Reply::Device(DeviceReply::Revoked { contacts, .. }) => Some(contacts),
        _ => None,
    });
    assert_eq!(contacts.unwrap(), [BOB]);
    assert_eq!(asked(&found(&mut keeper, BOB)), [] as [u8; 0]);
    let mut picked = |job| {
        let answer = Answer::Picked {
            found: vec![u64::from(job)],
            missing: Vec::new(),
        };
        let effects = keeper.handle(
            Input::Answered {
                job: JobId([job; 32]),
                answer,
                free: None,
            },
            NOW,
        );
        effects.iter().any(|it| matches!(it, Effect::Deliver(..)))
    };
    assert!(!picked(1), "the lost phone's");
    assert!(picked(2), "the other one's");
}

#[test]
fn who_is_forgotten_while_being_looked_up_is_not_asked_about() {
    for forgets in [false, true] {
        let mut keeper = with_two_phones();
        let ann = "ann@other.example";
        let _ = keeper.handle(Input::Told(told(1, "send 1 to ann@other.example")), NOW);
        let mut said = Vec::new();
        if forgets {
            let forget = told(2, "forget ann@other.example");
            said = says(&keeper.handle(Input::Told(forget), NOW));
        }

        let found = says(&found(&mut keeper, ann));

        let jid = ann.to_owned();
        let dropped = Reply::Contact(ContactReply::Dropped { jid });
        assert_eq!(said.contains(&dropped), forgets);
        assert_eq!(found.is_empty(), forgets);
    }
}

#[test]
fn a_file_that_only_a_server_named_goes_to_nobody() {
    for (namespace, is_looked_up) in [(Namespace::Legacy, false), (Namespace::Omemo2, true)] {
        let mut keeper = with_two_phones();
        let mut told = by(1, namespace, "send to bob@other.example");
        told.beside.about = vec![42];

        let effects = keeper.handle(Input::Told(told), NOW);

        assert_eq!(looks_up(&effects), is_looked_up, "{namespace:?}");
        let word = String::new();
        let which = says(&effects).contains(&Reply::BadNumber { word });
        assert_eq!(which, !is_looked_up);
    }
}

#[test]
fn words_that_can_be_forged_send_nothing_without_a_number_that_names_the_files() {
    for (namespace, goes) in [(Namespace::Legacy, false), (Namespace::Omemo2, true)] {
        let mut keeper = with_two_phones();
        let send = by(1, namespace, "send 1-100 to bob@other.example");
        let _ = keeper.handle(Input::Told(send), NOW);

        let effects = found(&mut keeper, BOB);

        assert_eq!(asked(&effects), if goes { vec![1] } else { Vec::new() });
        let said: Vec<String> = says(&effects).iter().map(Reply::text).collect();
        let names = said.iter().any(|it| it.contains("100 files (#1-#100)"));
        assert_eq!(names, !goes, "{said:?}");
    }
}
