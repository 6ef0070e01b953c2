//! Sending, receiving, breaking and going on.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use strongroom::xmpp::{Arrival, RequestError, Stage, Subscription, outgoing};

use crate::peer::{Peer, account, text_of};
use crate::prosody::Prosody;
use crate::proxy::Proxy;

fn text(to: &str, number: u64) -> String {
    outgoing::plain_message(to, &format!("id-{number}"), &format!("text {number}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_sends_the_other_receives_and_the_stages_are_told() {
    let server = Prosody::start();
    let mut vault = Peer::online(account(&server, "vault")).await;
    let mut owner = Peer::online(account(&server, "owner")).await;

    owner.link.send(7, text("vault@localhost", 1));
    let stages = [owner.next_stage(7).await, owner.next_stage(7).await];
    let message = vault.next_message().await;
    owner.link.send(8, "<message".to_owned());
    let broken = owner.next_stage(8).await;

    assert_eq!(stages, [Stage::Sent, Stage::Acked]);
    assert_eq!(message.from, "owner@localhost/room");
    assert_eq!(message.id.as_deref(), Some("id-1"));
    assert_eq!(message.origin_id.as_deref(), Some("id-1"));
    assert!(message.archive_id.is_some());
    assert_eq!(text_of(&message).as_deref(), Some("text 1"));
    assert_eq!(broken, Stage::Refused);
    vault.link.stop().await;
    owner.link.stop().await;
    server.wait_for_log("type='unavailable'");
}

#[tokio::test(flavor = "multi_thread")]
async fn fifteen_hundred_messages_arrive_without_a_stall_and_in_order() {
    const COUNT: u64 = 1_500;
    let server = Prosody::start();
    let mut vault = Peer::online(account(&server, "vault")).await;
    let owner = Peer::online(account(&server, "owner")).await;
    let Peer { link, mut arrivals } = owner;
    let acked = tokio::spawn(async move {
        let mut acked = 0;
        while acked < COUNT {
            let arrival = arrivals.recv().await.unwrap();
            acked += u64::from(matches!(
                arrival,
                Arrival::Stage {
                    stage: Stage::Acked,
                    ..
                }
            ));
        }
        arrivals
    });

    let begun = Instant::now();
    for number in 0..COUNT {
        link.send(number, text("vault@localhost", number));
    }
    for number in 0..COUNT {
        assert_eq!(vault.next_text().await, format!("text {number}"));
    }
    let arrivals = tokio::time::timeout(Duration::from_secs(30), acked)
        .await
        .unwrap()
        .unwrap();

    println!("{COUNT} messages in {:?}", begun.elapsed());
    drop(arrivals);
    vault.link.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_answered_also_while_many_arrivals_wait_to_be_taken() {
    const COUNT: u64 = 600;
    let server = Prosody::start();
    let mut vault = Peer::online(account(&server, "vault")).await;
    let mut owner = Peer::online(account(&server, "owner")).await;
    for number in 0..COUNT {
        owner.link.send(number, text("vault@localhost", number));
    }
    while owner.next_stage(COUNT - 1).await != Stage::Acked {}

    // Nobody takes an arrival meanwhile.
    let answer = vault.link.subscription_with("owner@localhost").await;

    assert_eq!(answer, Ok(Subscription::None));
    for number in 0..COUNT {
        assert_eq!(vault.next_text().await, format!("text {number}"));
    }
    vault.link.stop().await;
    owner.link.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_count_still_confirms_and_a_cut_begins_anew() {
    let server = Prosody::start();
    let proxy = Proxy::start(server.starttls_port).await;
    let uncounted = |name: &str| {
        let mut account = account(&server, name);
        account.jid = format!("{name}@plain.localhost");
        account.host = Some(("127.0.0.1".to_owned(), proxy.port));
        account.allow_plain = true;
        account
    };
    let mut vault = Peer::online(uncounted("vault")).await;
    let mut owner = Peer::online(uncounted("owner")).await;

    owner.link.send(1, text("vault@plain.localhost", 1));
    let stages = [owner.next_stage(1).await, owner.next_stage(1).await];
    let received = vault.next_text().await;
    proxy.cut();
    let fresh = owner.next_online().await;

    assert_eq!(stages, [Stage::Sent, Stage::Acked]);
    assert_eq!(received, "text 1");
    assert!(fresh);
    assert!(!server.log().contains("<enabled"));
    vault.link.stop().await;
    owner.link.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_stream_is_resumed_and_nothing_is_lost_or_doubled() {
    let server = Prosody::start();
    let proxy = Proxy::start(server.starttls_port).await;
    let mut through_proxy = account(&server, "vault");
    through_proxy.host = Some(("127.0.0.1".to_owned(), proxy.port));
    let mut vault = Peer::online(through_proxy).await;
    let owner = Peer::online(account(&server, "owner")).await;
    owner.link.send(0, text("vault@localhost", 0));
    assert_eq!(vault.next_text().await, "text 0");

    for round in 1..=3 {
        proxy.cut();
        vault
            .next(|arrival| matches!(arrival, Arrival::Offline { .. }).then_some(()))
            .await;
        owner.link.send(round, text("vault@localhost", round));
        vault.link.send(round, text("owner@localhost", round));
        assert!(!vault.next_online().await, "resumed, not begun anew");
        let mut texts = Vec::new();
        let mut acked = false;
        while texts.is_empty() || !acked {
            vault
                .next(|arrival| match arrival {
                    Arrival::Message(message) => {
                        texts.extend(text_of(&message));
                        Some(())
                    }
                    Arrival::Stage {
                        token,
                        stage: Stage::Acked,
                    } if token == round => {
                        acked = true;
                        Some(())
                    }
                    _ => None,
                })
                .await;
        }
        assert_eq!(texts, [format!("text {round}")]);
    }
    owner.link.send(9, text("vault@localhost", 9));
    assert_eq!(vault.next_text().await, "text 9", "no message came twice");
    assert_eq!(proxy.connections.load(Ordering::SeqCst), 4);
    vault.link.stop().await;
    owner.link.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_still_held_is_sent_again_after_a_fresh_start_and_a_dropped_one_is_not() {
    let server = Prosody::start();
    let mut vault = Peer::online(account(&server, "vault")).await;
    let owner = Peer::online(account(&server, "owner")).await;
    // The archive would keep them: these are of the kind that only the stream brings.
    let unarchived = |number| {
        text("vault@localhost", number).replace(
            "</message>",
            "<no-permanent-store xmlns='urn:xmpp:hints'/></message>",
        )
    };
    owner.link.send(1, unarchived(1));
    let stored = vault.next_message().await;
    assert_eq!(stored.archive_id, None);
    drop(stored);
    owner.link.send(2, unarchived(2));
    let held = vault.next_message().await;
    vault
        .link
        .subscription_with("owner@localhost")
        .await
        .unwrap();

    // A second client with the same resource throws the first one out, as a restart would.
    let mut restarted = Peer::online(account(&server, "vault")).await;
    let again = restarted.next_text().await;
    owner.link.send(3, unarchived(3));
    let next = restarted.next_text().await;

    assert_eq!(again, "text 2");
    assert_eq!(next, "text 3");
    drop(held);
    restarted.link.stop().await;
    owner.link.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_stream_waits_long_and_reports_what_is_lost() {
    let server = Prosody::start();
    let mut first = Peer::online(account(&server, "vault")).await;

    let second = Peer::online(account(&server, "vault")).await;
    let reason = first
        .next(|arrival| match arrival {
            Arrival::Offline { reason } => Some(reason),
            _ => None,
        })
        .await;
    first.link.send(5, text("owner@localhost", 5));
    let refused = first.link.subscription_with("owner@localhost").await;

    assert!(reason.contains("conflict"), "{reason}");
    assert_eq!(refused, Err(RequestError::Offline));
    let mine = second.link.subscription_with("owner@localhost").await;
    assert_eq!(
        mine,
        Ok(Subscription::None),
        "the second one was not thrown out in turn"
    );
    first.link.stop().await;
    second.link.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_see_each_other_after_subscribing() {
    let server = Prosody::start();
    let mut vault = Peer::online(account(&server, "vault")).await;
    let owner = Peer::online(account(&server, "owner")).await;

    owner.link.subscribe_with("vault@localhost").await.unwrap();
    let asked = vault
        .next(|arrival| match arrival {
            Arrival::SubscriptionAsked { jid } => Some(jid),
            _ => None,
        })
        .await;
    let before = vault.link.subscribe_with(&asked).await.unwrap();
    // The owner is not asked in turn: subscribing approved it ahead.
    let until = Instant::now() + Duration::from_secs(20);
    while vault
        .link
        .subscription_with("owner@localhost")
        .await
        .unwrap()
        != Subscription::Both
    {
        assert!(Instant::now() < until, "never subscribed both ways");
    }
    assert_eq!(asked, "owner@localhost");
    assert_ne!(before, Subscription::Both);
    vault.link.stop().await;
    owner.link.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_without_answer_ends_after_its_time() {
    let server = Prosody::start();
    let vault = Peer::online(account(&server, "vault")).await;
    let service = vault.link.upload_service().await;
    let mallory = Peer::online(account(&server, "mallory")).await;
    mallory
        .link
        .send(1, outgoing::plain_message("localhost", "1", "silence now"));
    server.wait_for_log("silence now");

    let begun = Instant::now();
    let silence = vault.link.upload_service().await;

    assert!(service.is_ok());
    assert_eq!(silence, Err(RequestError::TimedOut));
    let took = begun.elapsed();
    assert!((25..45).contains(&took.as_secs()), "{took:?}");
    vault.link.stop().await;
    mallory.link.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_is_quick_also_without_a_server() {
    let server = Prosody::start();
    let mut vault = Peer::online(account(&server, "vault")).await;
    drop(server);
    vault
        .next(|arrival| matches!(arrival, Arrival::Offline { .. }).then_some(()))
        .await;

    let begun = Instant::now();
    vault.link.stop().await;

    assert!(
        begun.elapsed() < Duration::from_secs(7),
        "{:?}",
        begun.elapsed()
    );
}
