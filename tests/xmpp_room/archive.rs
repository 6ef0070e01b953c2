//! Catching up.

use std::time::{Duration, SystemTime};

use strongroom::xmpp::{ArchiveError, ArchivePosition, Source, outgoing};

use crate::peer::{Peer, account, text_of};
use crate::prosody::Prosody;

#[tokio::test(flavor = "multi_thread")]
async fn pages_follow_each_other_until_all_was_read() {
    let server = Prosody::start();
    let mut vault = Peer::online(account(&server, "vault")).await;
    let owner = Peer::online(account(&server, "owner")).await;
    let empty = vault.link.archive_latest_id().await;
    for number in 0..25 {
        let text = format!("text {number}");
        owner.link.send(
            number,
            outgoing::plain_message("vault@localhost", &text, &text),
        );
    }
    let mut live_ids = Vec::new();
    while live_ids.len() < 25 {
        live_ids.push(vault.next_message().await.archive_id.unwrap());
    }

    let mut position = ArchivePosition::Start;
    let (mut texts, mut ids, mut pages) = (Vec::new(), Vec::new(), 0);
    loop {
        let page = vault.link.archive_page(position, 10).await.unwrap();
        pages += 1;
        for message in &page.messages {
            assert_eq!(message.source, Source::Archive);
            assert!(message.stamp.is_some());
            texts.push(text_of(message).unwrap());
            ids.push(message.archive_id.clone().unwrap());
        }
        if page.complete {
            break;
        }
        position = ArchivePosition::After(page.last.unwrap());
    }

    let expected: Vec<_> = (0..25).map(|number| format!("text {number}")).collect();
    assert_eq!(empty, Ok(None));
    assert_eq!(texts, expected);
    assert_eq!(
        ids, live_ids,
        "the ids are those that came with the live messages"
    );
    assert_eq!(pages, 3);
    assert_eq!(
        vault.link.archive_latest_id().await,
        Ok(live_ids.last().cloned())
    );
    vault.link.stop().await;
    owner.link.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_the_archive_no_longer_has_is_told_and_a_time_still_works() {
    let server = Prosody::start();
    let mut vault = Peer::online(account(&server, "vault")).await;
    let owner = Peer::online(account(&server, "owner")).await;
    owner
        .link
        .send(1, outgoing::plain_message("vault@localhost", "1", "kept"));
    vault.next_text().await;

    let gone = ArchivePosition::After("no-such-id".to_owned());
    let expired = vault.link.archive_page(gone, 10).await.err();
    let since = ArchivePosition::Since(SystemTime::now() - Duration::from_secs(86_400));
    let found = vault.link.archive_page(since, 10).await.unwrap();
    let future = ArchivePosition::Since(SystemTime::now() + Duration::from_secs(86_400));
    let nothing = vault.link.archive_page(future, 10).await.unwrap();

    assert_eq!(expired, Some(ArchiveError::Expired));
    assert_eq!(found.messages.len(), 1);
    assert!(found.complete && nothing.complete);
    assert!(nothing.messages.is_empty());
    vault.link.stop().await;
    owner.link.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_while_away_is_in_the_archive_and_comes_from_offline_storage() {
    let server = Prosody::start();
    let owner = Peer::online(account(&server, "owner")).await;
    owner.link.send(
        1,
        outgoing::plain_message("vault@localhost", "1", "while away"),
    );
    server.wait_for_log("while away");

    let mut vault = Peer::online(account(&server, "vault")).await;
    let page = vault
        .link
        .archive_page(ArchivePosition::Start, 10)
        .await
        .unwrap();
    let offline = vault.next_message().await;

    assert_eq!(text_of(&page.messages[0]).as_deref(), Some("while away"));
    assert_eq!(offline.source, Source::Offline);
    assert!(offline.stamp.is_some());
    vault.link.stop().await;
    owner.link.stop().await;
}
