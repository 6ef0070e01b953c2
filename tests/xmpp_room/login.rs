//! Getting in, and not getting in.

use std::time::{Duration, Instant};

use strongroom::xmpp::{FatalReason, Password, TlsTrust};

use crate::peer::{Peer, account};
use crate::prosody::Prosody;

const SOON: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn both_ways_of_encrypting_lead_in_and_the_password_is_never_sent() {
    let server = Prosody::start();
    let mut direct = account(&server, "owner");
    direct.host = Some(("127.0.0.1".to_owned(), server.direct_tls_port));
    direct.direct_tls = true;

    let starttls = Peer::online(account(&server, "vault")).await;
    let direct = Peer::online(direct).await;

    starttls.link.stop().await;
    direct.link.stop().await;
    let log = server.log();
    let attempts: Vec<_> = log
        .lines()
        .filter(|line| line.contains("RECV: <auth "))
        .collect();
    assert_eq!(attempts.len(), 2, "{attempts:?}");
    assert!(
        attempts
            .iter()
            .all(|line| line.contains("mechanism='SCRAM-SHA-256")),
        "{attempts:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_password_is_sent_only_where_the_settings_say_so() {
    let server = Prosody::start();
    let only_plain = || {
        let mut account = account(&server, "vault");
        account.jid = "vault@plain.localhost".to_owned();
        account
    };
    let mut allowed = only_plain();
    allowed.allow_plain = true;

    let refused = Peer::start(only_plain()).next_fatal().await;
    let log_before = server.log();
    let control = Peer::online(allowed).await;

    assert_eq!(
        refused,
        FatalReason::NoAcceptableLogin {
            offered: "PLAIN".to_owned()
        }
    );
    assert!(!log_before.contains("<auth "));
    assert!(server.log().contains("mechanism='PLAIN'"));
    control.link.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pinned_certificate_is_believed_and_any_other_is_not() {
    let server = Prosody::start();
    let pinned = |sha256| {
        let mut account = account(&server, "vault");
        account.trust = TlsTrust::PinnedCertificate(sha256);
        account
    };
    let mut other = server.certificate_sha256();
    other[31] ^= 1;

    let right = Peer::online(pinned(server.certificate_sha256())).await;
    let begun = Instant::now();
    let wrong = Peer::start(pinned(other)).next_fatal().await;

    assert!(
        matches!(wrong, FatalReason::CertificateNotTrusted(_)),
        "{wrong}"
    );
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    right.link.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_an_unknown_authority_or_for_another_name_is_not_believed() {
    let server = Prosody::start();
    let mut system = account(&server, "vault");
    system.trust = TlsTrust::System;
    let mut other_name = account(&server, "vault");
    other_name.jid = "vault@other.test".to_owned();

    let begun = Instant::now();
    let unknown = Peer::start(system).next_fatal().await;
    let misnamed = Peer::start(other_name).next_fatal().await;

    assert!(
        matches!(unknown, FatalReason::CertificateNotTrusted(_)),
        "{unknown}"
    );
    assert!(
        matches!(misnamed, FatalReason::CertificateNotTrusted(_)),
        "{misnamed}"
    );
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_reported_soon_and_not_tried_again() {
    let server = Prosody::start();
    let mut wrong = account(&server, "vault");
    wrong.password = Password::new("guess".to_owned());

    let begun = Instant::now();
    let mut peer = Peer::start(wrong);
    let reason = peer.next_fatal().await;
    let took = begun.elapsed();
    let control = Peer::online(account(&server, "vault")).await;

    assert_eq!(reason, FatalReason::WrongPassword);
    assert!(took < SOON, "{took:?}");
    assert!(peer.arrivals.recv().await.is_none(), "the task has ended");
    assert_eq!(
        server.log().matches("RECV: <auth ").count(),
        2,
        "one wrong and one right attempt"
    );
    control.link.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_that_the_server_does_not_serve_is_told_and_tried_again() {
    let server = Prosody::start();
    let mut elsewhere = account(&server, "vault");
    elsewhere.jid = "vault@elsewhere.test".to_owned();

    let mut peer = Peer::start(elsewhere);
    // said in clear, by whoever is there: it ends nothing
    let reasons = [peer.next_offline().await, peer.next_offline().await];

    let told = |reason: &String| reason.contains("host-unknown");
    assert!(reasons.iter().all(told), "{reasons:?}");
    peer.link.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_none_is_a_settings_error() {
    let server = Prosody::start();
    let mut broken = account(&server, "vault");
    broken.jid = "no address".to_owned();

    let reason = Peer::start(broken).next_fatal().await;

    assert!(matches!(reason, FatalReason::Settings(_)), "{reason}");
}
