//! What no honest client sends.

use std::time::{Duration, Instant};

use strongroom::xmpp::{ArchivePosition, Arrival, outgoing};

use crate::peer::{Peer, account, text_of};
use crate::prosody::Prosody;
use crate::proxy::Proxy;

/// Makes the server do something strange to the vault.
fn provoke(mallory: &Peer, what: &str) {
    mallory
        .link
        .send_volatile(outgoing::plain_message("localhost", "s", what));
}

#[tokio::test(flavor = "multi_thread")]
async fn overlong_attributes_and_endless_nesting_neither_break_nor_loop() {
    let server = Prosody::start();
    let proxy = Proxy::start(server.starttls_port).await;
    let mut through_proxy = account(&server, "vault");
    through_proxy.host = Some(("127.0.0.1".to_owned(), proxy.port));
    let mut vault = Peer::online(through_proxy).await;
    let mallory = Peer::online(account(&server, "mallory")).await;

    provoke(&mallory, "long vault@localhost");
    let long = vault.next_text().await;
    provoke(&mallory, "deep vault@localhost");
    let deep = vault.next_text().await;
    // Their counts agree with the server's: the stream still goes on after a cut.
    vault
        .link
        .subscription_with("owner@localhost")
        .await
        .unwrap();
    proxy.cut();
    let fresh = vault.next_online().await;
    mallory
        .link
        .send(1, outgoing::plain_message("vault@localhost", "1", "after"));
    let after = vault.next_text().await;

    assert_eq!(
        (long.as_str(), deep.as_str(), after.as_str()),
        ("long", "deep", "after")
    );
    assert!(!fresh);
    assert_eq!(
        proxy.connections.load(std::sync::atomic::Ordering::SeqCst),
        2
    );
    vault.link.stop().await;
    mallory.link.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stanza_that_cannot_be_read_is_left_behind_live_and_in_the_archive() {
    let server = Prosody::start();
    let mut vault = Peer::online(account(&server, "vault")).await;
    let mallory = Peer::online(account(&server, "mallory")).await;
    mallory
        .link
        .send(1, outgoing::plain_message("vault@localhost", "1", "before"));
    assert_eq!(vault.next_text().await, "before");

    provoke(&mallory, "huge vault@localhost");
    assert!(!vault.next_online().await, "resumed over the stanza");
    mallory
        .link
        .send(2, outgoing::plain_message("vault@localhost", "2", "behind"));
    assert_eq!(vault.next_text().await, "behind");

    let mut texts = Vec::new();
    let mut skipped = 0;
    let mut position = ArchivePosition::Start;
    let Peer { link, mut arrivals } = vault;
    let drain = tokio::spawn(async move { while arrivals.recv().await.is_some() {} });
    loop {
        let page = link.archive_page(position, 10).await.unwrap();
        texts.extend(page.messages.iter().filter_map(text_of));
        skipped += page.skipped;
        if page.complete {
            break;
        }
        position = ArchivePosition::After(page.last.unwrap());
    }
    assert_eq!(texts, ["before", "behind"]);
    assert_eq!(skipped, 1);
    link.stop().await;
    mallory.link.stop().await;
    drain.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_copies_and_archive_results_are_dropped_and_counted() {
    let server = Prosody::start();
    let mut vault = Peer::online(account(&server, "vault")).await;
    let mallory = Peer::online(account(&server, "mallory")).await;
    let before = vault.link.dropped_stanzas();

    provoke(&mallory, "carbon vault@localhost");
    provoke(&mallory, "archived vault@localhost");
    mallory
        .link
        .send(1, outgoing::plain_message("vault@localhost", "1", "honest"));
    let first = vault.next_message().await;

    assert_eq!(text_of(&first).as_deref(), Some("honest"));
    assert_eq!(vault.link.dropped_stanzas() - before, 2);
    vault.link.stop().await;
    mallory.link.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_learn_nothing_from_questions_and_are_answered_by_the_standard_error() {
    let server = Prosody::start();
    let vault = Peer::online(account(&server, "vault")).await;
    let mallory = Peer::online(account(&server, "mallory")).await;

    for query in [
        "<ping xmlns='urn:xmpp:ping'/>",
        "<query xmlns='jabber:iq:version'/>",
        "<query xmlns='http://jabber.org/protocol/disco#info'/>",
    ] {
        mallory.link.send_volatile(format!(
            "<iq xmlns='jabber:client' type='get' id='nosy' to='vault@localhost/room'>{query}</iq>"
        ));
    }
    // The three answers belong to no question that the link keeps.
    let until = Instant::now() + Duration::from_secs(20);
    // The server writes its log a moment after it has passed a stanza on.
    let logged = || server.log().matches("service-unavailable").count();
    while mallory.link.dropped_stanzas() < 3 || logged() < 6 {
        assert!(Instant::now() < until, "never answered");
        mallory
            .link
            .subscription_with("vault@localhost")
            .await
            .unwrap();
    }

    let log = server.log();
    assert_eq!(
        log.matches("service-unavailable").count(),
        6,
        "each seen coming and going"
    );
    let answers = || log.lines().filter(|line| line.contains("nosy"));
    assert!(answers().all(|line| !line.contains("Strongroom")));
    vault.link.stop().await;
    mallory.link.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_stream_error_is_survived() {
    let server = Prosody::start();
    let mut vault = Peer::online(account(&server, "vault")).await;
    let mallory = Peer::online(account(&server, "mallory")).await;

    for condition in [
        "system-shutdown",
        "undefined-condition",
        "internal-server-error",
        "reset",
    ] {
        provoke(&mallory, &format!("end {condition}:vault@localhost/room"));
        let reason = vault
            .next(|arrival| match arrival {
                Arrival::Offline { reason } => Some(reason),
                _ => None,
            })
            .await;
        assert!(reason.contains(condition), "{reason}");
        vault.next_online().await;
        vault.link.announce();
        mallory.link.send(
            1,
            outgoing::plain_message("vault@localhost", "1", condition),
        );
        // What was not acknowledged yet may come twice: that is for the archive id to tell.
        while vault.next_text().await != condition {}
    }
    vault.link.stop().await;
    mallory.link.stop().await;
}
