//! The stream errors of RFC 6120 4.9.3: none ends the vault's connection for good once it stood, and
//! before it stands only those that nobody but the owner can mend.

use std::{
    env,
    net::{Ipv4Addr, TcpListener},
    time::Duration,
};

use tokio::time::timeout;

use super::{
    login::{Client, Outcome},
    row,
};
use crate::{
    home::VAULT,
    middle::{Identity, Middle, Opening, stream_error},
    prosody::Prosody,
};

/// What follows an error of an established stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// The stream goes on where it was.
    Resumed,
    /// A new stream is begun.
    Fresh,
    /// A new stream is begun after a long while.
    Later,
}

use Then::{Fresh, Later, Resumed};

/// Every condition, what follows it, and whether the server itself, once it is proven to be the
/// server, ends all attempts before the first login with it.
const CONDITIONS: [(&str, Then, bool); 25] = [
    ("bad-format", Fresh, false),
    ("bad-namespace-prefix", Fresh, false),
    ("conflict", Later, false),
    ("connection-timeout", Resumed, false),
    ("host-gone", Fresh, true),
    ("host-unknown", Fresh, true),
    ("improper-addressing", Fresh, false),
    ("internal-server-error", Fresh, false),
    ("invalid-from", Fresh, false),
    ("invalid-namespace", Fresh, false),
    ("invalid-xml", Fresh, false),
    ("not-authorized", Fresh, true),
    ("not-well-formed", Fresh, false),
    ("policy-violation", Later, false),
    ("remote-connection-failed", Resumed, false),
    ("reset", Resumed, false),
    ("resource-constraint", Later, false),
    ("restricted-xml", Fresh, false),
    ("see-other-host", Fresh, false),
    ("system-shutdown", Resumed, false),
    ("undefined-condition", Fresh, false),
    ("unsupported-encoding", Fresh, false),
    ("unsupported-feature", Fresh, false),
    ("unsupported-stanza-type", Fresh, false),
    ("unsupported-version", Fresh, true),
];

/// Longer than the wait that follows a conflict, which only `make hostile` waits for.
const LONG: Duration = Duration::from_secs(100);

#[tokio::test(flavor = "multi_thread")]
async fn no_stream_error_keeps_the_vault_away_for_good_once_it_was_in() {
    let server = Prosody::start(&[VAULT]);
    let authority = std::fs::read(server.authority()).unwrap();
    let elsewhere = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let host = format!("127.0.0.1:{}", elsewhere.local_addr().unwrap().port());

    let clients = CONDITIONS.map(|(condition, then, _)| {
        let middle = Middle::before(&server);
        let client = Client::start(middle.port(), authority.clone(), condition);
        let error = stream_error(condition).replace(
            "<see-other-host xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>",
            &format!(
                "<see-other-host xmlns='urn:ietf:params:xml:ns:xmpp-streams'>{host}</see-other-host>"
            ),
        );
        tokio::spawn(async move {
            let mut client = client;
            let online = client.next().await;
            assert!(matches!(online, Outcome::Online { fresh: true }), "{online:?}");
            middle.inject(error);
            let offline = client.next().await;
            let told = matches!(&offline, Outcome::Offline(why) if why.contains(condition));
            assert!(told, "{offline:?}");
            let back = match then {
                Later => None,
                Fresh | Resumed => Some(client.next().await),
            };
            (condition, then, middle, client, back)
        })
    });
    let (mut later, mut back_at_once) = (Vec::new(), 0);
    for client in clients {
        let (condition, then, middle, client, back) = client.await.unwrap();
        let Some(back) = back else {
            later.push((condition, middle, client));
            continue;
        };
        let fresh = then == Fresh;
        let twin = matches!(back, Outcome::Online { fresh: it } if it == fresh);
        assert!(twin, "{condition}: {back:?}");
        back_at_once += 1;
        let name = format!("stream error {condition}: away for good");
        row(&name, matches!(back, Outcome::Fatal(_)), twin);
        client.link.stop().await;
    }
    assert!(elsewhere.accept().is_err(), "another host was believed");
    // All others are back by now: they are the twins.
    let tries: Vec<usize> = later
        .iter()
        .map(|(_, middle, _)| middle.connections())
        .collect();
    for ((condition, _middle, mut client), tries) in later.into_iter().zip(tries) {
        let accepted = tries > 1;
        let mut twin = back_at_once == CONDITIONS.len() - 3;
        if env::var_os("STRONGROOM_HOSTILE").is_some_and(|it| it == "all") {
            let back = timeout(LONG, client.next()).await;
            twin = matches!(back, Ok(Outcome::Online { fresh: true }));
        }
        row(
            &format!("stream error {condition}: back at once"),
            accepted,
            twin,
        );
        client.link.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_first_login_only_what_the_owner_must_mend_is_final_and_nothing_said_in_clear() {
    let server = Prosody::start(&[VAULT]);
    let authority = std::fs::read(server.authority()).unwrap();
    let attempts = CONDITIONS.into_iter().flat_map(|(condition, _, is_final)| {
        let said = |opening: fn(String) -> Opening, place: &'static str, is_final| {
            let opening = opening(condition.to_owned());
            let middle = Middle::with(&server, Identity::of(&server), opening);
            let mut client = Client::start(middle.port(), authority.clone(), condition);
            tokio::spawn(async move {
                let outcome = client.next().await;
                client.link.stop().await;
                (condition, place, is_final, outcome)
            })
        };
        [
            said(Opening::Error, "before TLS", false),
            said(Opening::ErrorInside, "inside TLS", is_final),
        ]
    });
    let attempts: Vec<_> = attempts.collect();
    let honest = Middle::before(&server);
    let mut client = Client::start(honest.port(), authority.clone(), "honest");
    let twin = matches!(client.next().await, Outcome::Online { .. });
    client.link.stop().await;

    for attempt in attempts {
        let (condition, place, is_final, outcome) = attempt.await.unwrap();
        let judged = match &outcome {
            Outcome::Fatal(why) => is_final && why.to_string().contains(condition),
            Outcome::Offline(why) => !is_final && why.contains(condition),
            Outcome::Online { .. } => false,
        };
        let name = format!("stream error {condition} {place}: misjudged");
        row(&name, !judged, twin);
    }
}
