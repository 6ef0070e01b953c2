//! Downloads, honest and otherwise.

use std::io;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::time::{Duration, Instant};

use super::{
    client, client_with, names, patient,
    server::{HOST, Identity, Script, Server, header, ok},
};
use crate::transfer::{
    Client, Download, FetchError, Limits, Patience, Rules, TlsFault,
    tls::{self, Trust, TrustError},
};

const LIMITS: Limits = Limits { max_bytes: 1000 };

/// Reads to the end and returns what came, with how it ended.
async fn drain(mut download: Download) -> (Vec<u8>, Result<(), FetchError>) {
    let mut body = Vec::new();
    loop {
        match download.chunk().await {
            Ok(Some(bytes)) => body.extend_from_slice(&bytes),
            Ok(None) => {
                assert_eq!(download.chunk().await, Ok(None), "the end is the end");
                return (body, Ok(()));
            }
            Err(error) => {
                assert_eq!(download.chunk().await, Err(error), "a failure stays one");
                return (body, Err(error));
            }
        }
    }
}

/// Fetches from a server with this script.
async fn fetch(script: Script) -> Result<(Vec<u8>, Result<(), FetchError>), FetchError> {
    let server = Server::start(script).await;
    let outcome = client(&server, patient())
        .fetch(&server.url(), LIMITS)
        .await;
    assert_eq!(server.accepted(), 1);
    Ok(drain(outcome?).await)
}

fn head(lines: &str) -> Vec<u8> {
    format!("HTTP/1.1 {lines}\r\n\r\n").into_bytes()
}

#[tokio::test]
async fn a_file_comes_in_whole_and_with_its_announced_length() {
    let server = Server::start(Script::Answer(ok(b"ciphertext"))).await;

    let download = client(&server, patient())
        .fetch(&server.url(), LIMITS)
        .await
        .unwrap();

    assert_eq!(download.announced(), Some(10));
    assert_eq!(drain(download).await, (b"ciphertext".to_vec(), Ok(())));
    let chunked = head("200 OK\r\nTransfer-Encoding: chunked");
    let chunked = [&chunked[..], b"6\r\ncipher\r\n4\r\ntext\r\n0\r\n\r\n"].concat();
    assert_eq!(
        fetch(Script::Answer(chunked)).await.unwrap(),
        (b"ciphertext".to_vec(), Ok(()))
    );
    let until_close = [&head("200 OK")[..], b"ciphertext"].concat();
    assert_eq!(
        fetch(Script::Answer(until_close)).await.unwrap().0,
        b"ciphertext"
    );
    assert_eq!(
        fetch(Script::Answer(ok(b""))).await.unwrap(),
        (Vec::new(), Ok(()))
    );
}

#[tokio::test]
async fn the_server_sees_the_path_and_the_query_and_nothing_else_of_us() {
    let mut server = Server::start(Script::Answer(ok(b"photo"))).await;
    let url = format!("{}?v=1#00112233445566778899aabb", server.url());

    client(&server, patient())
        .fetch(&url, LIMITS)
        .await
        .unwrap();

    let head = server.request().await.head;
    let mut lines: Vec<_> = head.lines().filter(|it| !it.is_empty()).collect();
    lines.sort_unstable();
    let host = format!("host: {HOST}:{}", server.port);
    let expected = [
        "GET /photo.jpg?v=1 HTTP/1.1",
        "accept-encoding: identity",
        "accept: */*",
        &host,
    ];
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn a_cookie_is_not_kept_for_the_next_download() {
    let answer = head("200 OK\r\nSet-Cookie: seen=1; Path=/\r\nContent-Length: 0");
    let mut server = Server::start(Script::Answer(answer)).await;
    let client = client(&server, patient());

    for _ in 0..2 {
        client.fetch(&server.url(), LIMITS).await.unwrap();
        assert_eq!(header(&server.request().await.head, "cookie"), None);
    }

    assert_eq!(server.accepted(), 2);
}

#[tokio::test]
async fn a_redirect_is_named_and_not_followed() {
    let elsewhere = Server::start(Script::Answer(ok(b"photo"))).await;
    for status in [300_u16, 301, 302, 303, 305, 307, 308] {
        let location = format!("{status} Found\r\nLocation: {}", elsewhere.url());

        let outcome = fetch(Script::Answer(head(&location))).await;

        let error = outcome.unwrap_err();
        assert_eq!(error, FetchError::Redirect { status });
        assert!(!error.is_transient());
        assert!(error.to_string().contains("redirects are not followed"));
    }
    assert_eq!(elsewhere.accepted(), 0);
    client(&elsewhere, patient())
        .fetch(&elsewhere.url(), LIMITS)
        .await
        .unwrap();
    assert_eq!(elsewhere.accepted(), 1);
}

#[tokio::test]
async fn a_status_tells_gone_from_later() {
    for (status, expected, transient) in [
        (404, FetchError::NotFound { status: 404 }, false),
        (410, FetchError::NotFound { status: 410 }, false),
        (201, FetchError::Status(201), false),
        (204, FetchError::Status(204), false),
        (206, FetchError::Status(206), false),
        (401, FetchError::Status(401), false),
        (403, FetchError::NotFound { status: 403 }, false),
        (408, FetchError::Status(408), true),
        (429, FetchError::Status(429), true),
        (500, FetchError::Status(500), true),
        (502, FetchError::Status(502), true),
        (503, FetchError::Status(503), true),
    ] {
        let answer = head(&format!("{status} Because\r\nContent-Length: 0"));

        let error = fetch(Script::Answer(answer)).await.unwrap_err();

        assert_eq!(error, expected);
        assert_eq!(error.is_transient(), transient, "{status}");
    }
}

#[tokio::test]
async fn a_body_that_ends_early_is_short_whoever_ended_it() {
    let short = [&head("200 OK\r\nContent-Length: 20")[..], b"ciphertext"].concat();
    for script in [Script::Answer(short.clone()), Script::Cut(short)] {
        let (body, outcome) = fetch(script).await.unwrap();

        let error = outcome.unwrap_err();
        assert_eq!(
            error,
            FetchError::Length {
                announced: 20,
                received: 10
            }
        );
        assert!(error.is_transient());
        assert_eq!(body, b"ciphertext");
    }
    let chunked = head("200 OK\r\nTransfer-Encoding: chunked");
    let chunked = [&chunked[..], b"6\r\ncipher\r\n4\r\nte"].concat();
    let (_, outcome) = fetch(Script::Cut(chunked)).await.unwrap();
    assert!(outcome.unwrap_err().is_transient());
}

#[tokio::test]
async fn a_body_longer_than_announced_never_brings_more_than_announced() {
    // What follows the announced length belongs to no answer (RFC 9112 6.3).
    let trailing = [&ok(b"ciphertext")[..], b"and more"].concat();
    assert_eq!(
        fetch(Script::Answer(trailing)).await.unwrap(),
        (b"ciphertext".to_vec(), Ok(()))
    );
    // A chunked body can say one thing and do another.
    let chunked = head("200 OK\r\nContent-Length: 10\r\nTransfer-Encoding: chunked");
    let long = [&chunked[..], b"a\r\nciphertext\r\n1\r\n!\r\n0\r\n\r\n"].concat();
    let (body, outcome) = fetch(Script::Answer(long)).await.unwrap();
    let error = outcome.unwrap_err();
    assert_eq!(
        error,
        FetchError::Length {
            announced: 10,
            received: 11
        }
    );
    assert!(!error.is_transient());
    assert!(body.len() <= 10);
    let honest = [&chunked[..], b"a\r\nciphertext\r\n0\r\n\r\n"].concat();
    assert_eq!(
        fetch(Script::Answer(honest)).await.unwrap(),
        (b"ciphertext".to_vec(), Ok(()))
    );
}

#[tokio::test]
async fn a_file_above_the_limit_is_refused_when_announced_and_cut_off_when_not() {
    let too_large = |announced| FetchError::TooLarge {
        limit: 1000,
        announced,
    };
    for announced in ["1001", "2147483648", "9223372036854775807"] {
        let answer = head(&format!("200 OK\r\nContent-Length: {announced}"));

        let error = fetch(Script::Stall(answer)).await.unwrap_err();

        let told = announced.parse().ok();
        assert_eq!(error, too_large(told), "{announced}");
        assert!(!error.is_transient());
    }
    let (body, outcome) = fetch(Script::Flood(head("200 OK"))).await.unwrap();
    assert_eq!(outcome, Err(too_large(None)));
    assert!(body.len() <= 1000);
    let limit = vec![b'x'; 1000];
    assert_eq!(
        fetch(Script::Answer(ok(&limit))).await.unwrap(),
        (limit.clone(), Ok(()))
    );
    let unannounced = [&head("200 OK")[..], &limit].concat();
    assert_eq!(
        fetch(Script::Answer(unannounced)).await.unwrap(),
        (limit, Ok(()))
    );
}

#[tokio::test]
async fn an_answer_that_is_no_http_makes_no_sense() {
    for answer in [
        &b"SSH-2.0-OpenSSH_9.2\r\n\r\n"[..],
        b"HTTP/1.1 200 OK\r\nContent-Length: ten\r\n\r\nciphertext",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nciphertext",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nContent-Length: 11\r\n\r\nciphertext",
        b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\nciphertext",
        b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\nciphertext",
        b"HTTP/0.9 200 OK\r\n\r\n",
        b"\x15\x03\x03\x00\x02\x02\x28",
        b"",
    ] {
        let error = fetch(Script::Answer(answer.to_vec())).await.unwrap_err();

        assert_eq!(
            error,
            FetchError::Protocol,
            "{}",
            String::from_utf8_lossy(answer)
        );
    }
}

#[tokio::test]
async fn an_encoded_body_is_refused() {
    for encoding in ["gzip", "br", "deflate", "zstd", "identity, gzip"] {
        let answer = head(&format!(
            "200 OK\r\nContent-Encoding: {encoding}\r\nContent-Length: 0"
        ));
        assert_eq!(
            fetch(Script::Answer(answer)).await.unwrap_err(),
            FetchError::Encoded
        );
    }
    let plain = head("200 OK\r\nContent-Encoding: identity\r\nContent-Length: 0");
    assert_eq!(
        fetch(Script::Answer(plain)).await.unwrap(),
        (Vec::new(), Ok(()))
    );
}

fn hasty() -> Patience {
    Patience {
        window: Duration::from_millis(300),
        bytes_per_window: 100,
        ..patient()
    }
}

#[tokio::test]
async fn a_server_that_stops_or_crawls_is_given_up_after_one_window() {
    let announcing = head("200 OK\r\nContent-Length: 900");
    let stalling = [&announcing[..], b"some"].concat();
    for script in [
        Script::Stall(announcing.clone()),
        Script::Stall(stalling),
        Script::Trickle(announcing.clone(), Duration::from_millis(10)),
    ] {
        let server = Server::start(script).await;
        let download = client(&server, hasty())
            .fetch(&server.url(), LIMITS)
            .await
            .unwrap();
        let begin = Instant::now();

        let (body, outcome) = drain(download).await;

        assert_eq!(outcome, Err(FetchError::TooSlow));
        assert!(FetchError::TooSlow.is_transient());
        assert!(begin.elapsed() >= hasty().window);
        assert!(body.len() < 100, "{}", body.len());
    }
    // The same crawl is quick enough for whoever asks for less.
    let server = Server::start(Script::Trickle(
        head("200 OK\r\nContent-Length: 50"),
        Duration::from_millis(10),
    ))
    .await;
    let modest = Patience {
        bytes_per_window: 1,
        ..hasty()
    };
    let download = client(&server, modest)
        .fetch(&server.url(), LIMITS)
        .await
        .unwrap();
    assert_eq!(drain(download).await, (vec![0; 50], Ok(())));
}

#[tokio::test]
async fn a_slow_drive_on_our_side_is_not_held_against_the_server() {
    let server = Server::start(Script::Flood(head("200 OK\r\nContent-Length: 1048576"))).await;
    let limits = Limits { max_bytes: 1 << 20 };
    let mut download = client(&server, hasty())
        .fetch(&server.url(), limits)
        .await
        .unwrap();
    let mut received = 0;

    for turn in 0.. {
        let Some(bytes) = download.chunk().await.unwrap() else {
            break;
        };
        received += bytes.len();
        if turn < 2 {
            tokio::time::sleep(hasty().window * 2).await;
        }
    }

    assert_eq!(received, 1 << 20);
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let impatient = Patience {
        connect: Duration::from_secs(1),
        answer: Duration::from_millis(100),
        ..patient()
    };
    let server = Server::start(Script::Stall(Vec::new())).await;

    let error = client(&server, impatient)
        .fetch(&server.url(), LIMITS)
        .await
        .err();

    assert_eq!(error, Some(FetchError::TooSlow));
    // A peer that takes the connection and then says nothing has not finished connecting.
    let mute = tokio::net::TcpListener::bind(("127.0.0.1", 0))
        .await
        .unwrap();
    let url = format!("https://{HOST}:{}/f", mute.local_addr().unwrap().port());
    let pin = url[8..url.len() - 2].parse().unwrap();
    let rules = Rules::new(vec![pin], None);
    let names = std::sync::Arc::new(names());
    let client = Client::with_resolver(server.identity.trust(), rules, impatient, names);
    let error = client.fetch(&url, LIMITS).await.err();
    assert_eq!(
        error,
        Some(FetchError::Unreachable(io::ErrorKind::TimedOut))
    );
}

#[tokio::test]
async fn the_whole_has_a_deadline_however_steadily_it_comes() {
    let head = head("200 OK\r\nContent-Length: 1000");
    let server = Server::start(Script::Trickle(head, Duration::from_millis(5))).await;
    let patience = Patience {
        total: Duration::from_millis(400),
        ..patient()
    };
    let download = client(&server, patience)
        .fetch(&server.url(), LIMITS)
        .await
        .unwrap();

    let (body, outcome) = drain(download).await;

    assert_eq!(outcome, Err(FetchError::TooSlow));
    assert!(!body.is_empty() && body.len() < 1000);
}

#[tokio::test]
async fn a_certificate_that_proves_nothing_ends_it_before_the_request() {
    let expired = Identity::with(HOST, |it| it.not_after = rcgen::date_time_ymd(2020, 1, 1));
    let future = Identity::with(HOST, |it| it.not_before = rcgen::date_time_ymd(3000, 1, 1));
    let other_name = Identity::new("other.example");
    for (identity, fault) in [
        (expired, TlsFault::Expired),
        (future, TlsFault::Expired),
        (other_name, TlsFault::WrongName),
    ] {
        let server = Server::with_identity(Script::Answer(ok(b"photo")), identity).await;

        let error = client(&server, patient())
            .fetch(&server.url(), LIMITS)
            .await
            .err();

        assert_eq!(error, Some(FetchError::Tls(fault)));
    }
    let server = Server::start(Script::Answer(ok(b"photo"))).await;
    let stranger = Identity::new(HOST);
    let error = client_with(&server, &stranger, patient())
        .fetch(&server.url(), LIMITS)
        .await
        .err();
    assert_eq!(error, Some(FetchError::Tls(TlsFault::Untrusted)));
    client(&server, patient())
        .fetch(&server.url(), LIMITS)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_pinned_certificate_is_believed_whatever_its_name_and_no_other_is() {
    let identity = Identity::with("other.example", |it| {
        it.not_after = rcgen::date_time_ymd(2020, 1, 1);
    });
    let fingerprint: [u8; 32] = Sha256::digest(&identity.certificate).into();
    let server = Server::with_identity(Script::Answer(ok(b"photo")), identity).await;
    let mut client = client(&server, patient());

    client.tls = tls::client_config(&Trust::Certificate(fingerprint)).unwrap();
    let body = drain(client.fetch(&server.url(), LIMITS).await.unwrap()).await;

    assert_eq!(body, (b"photo".to_vec(), Ok(())));
    let mut other = fingerprint;
    other[31] ^= 1;
    client.tls = tls::client_config(&Trust::Certificate(other)).unwrap();
    let error = client.fetch(&server.url(), LIMITS).await.err();
    assert_eq!(error, Some(FetchError::Tls(TlsFault::Untrusted)));
}

#[test]
fn an_authority_file_without_a_certificate_is_refused() {
    let authority = |text: &str| tls::client_config(&Trust::Authority(text.into())).err();
    let good = Identity::new(HOST).authority;
    for bad in [
        "",
        "no certificate",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        &good[..good.len() / 2],
        &good.replace("CERTIFICATE", "PRIVATE KEY"),
    ] {
        assert_eq!(authority(bad), Some(TrustError::BadAuthority), "{bad}");
    }
    assert_eq!(authority(&good), None);
    assert_eq!(
        authority(&format!("My home's own authority\n{good}{good}")),
        None
    );
}

#[tokio::test]
async fn no_more_is_taken_from_the_server_than_our_side_reads() {
    let server = Server::start(Script::Flood(head("200 OK\r\nContent-Length: 1073741824"))).await;
    let limits = Limits { max_bytes: 1 << 30 };
    let mut download = client(&server, patient())
        .fetch(&server.url(), limits)
        .await
        .unwrap();

    let first = download.chunk().await.unwrap().unwrap();
    let mut flooded = u64::MAX;
    // The server has come to a halt once two looks find the same number.
    while flooded != server.flooded.load(std::sync::atomic::Ordering::SeqCst) {
        flooded = server.flooded.load(std::sync::atomic::Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }

    assert!(first.len() <= 512 << 10, "a chunk of {} bytes", first.len());
    // The rest waits in the two sockets' own buffers, which the system bounds.
    assert!(flooded < 64 << 20, "{flooded} bytes were taken");
}

#[test]
fn no_error_shows_where_it_happened() {
    for error in [
        FetchError::Unreachable(io::ErrorKind::ConnectionRefused),
        FetchError::Tls(TlsFault::WrongName),
        FetchError::Unresolved,
        FetchError::Protocol,
    ] {
        let shown = format!("{error} {error:?}");
        assert!(
            !shown.contains("example") && !shown.contains("://"),
            "{shown}"
        );
    }
    static_assertions::assert_not_impl_any!(Download: std::fmt::Debug);
    static_assertions::assert_not_impl_any!(Client: std::fmt::Debug);
    static_assertions::assert_impl_all!(Download: Send);
    static_assertions::assert_impl_all!(Client: Send, Sync, Clone);
    static_assertions::assert_impl_all!(Bytes: Send);
}
