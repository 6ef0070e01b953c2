//! Uploads, honest and otherwise.

use std::io;

use bytes::Bytes;
use tokio::{
    sync::mpsc,
    time::{Duration, timeout},
};

use super::{
    client, patient,
    server::{Script, Server, header, ok},
};
use crate::transfer::{Patience, PutError, Upload};

const CREATED: &[u8] = b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n";

fn upload(url: &str, length: u64) -> Upload<'_> {
    Upload {
        url,
        headers: &[],
        length,
        content_type: "application/octet-stream",
    }
}

/// A body of these chunks, which ends after them.
fn body(chunks: Vec<io::Result<Bytes>>) -> mpsc::Receiver<io::Result<Bytes>> {
    let (sender, receiver) = mpsc::channel(chunks.len().max(1));
    for chunk in chunks {
        sender.try_send(chunk).unwrap();
    }
    receiver
}

fn text(chunks: &[&'static str]) -> mpsc::Receiver<io::Result<Bytes>> {
    body(
        chunks
            .iter()
            .map(|it| Ok(Bytes::from_static(it.as_bytes())))
            .collect(),
    )
}

/// Uploads ten bytes to a server with this script.
async fn put(script: Script) -> Result<(), PutError> {
    let server = Server::start(script).await;
    let outcome = client(&server, patient())
        .put(&upload(&server.url(), 10), text(&["cipher", "text"]))
        .await;
    assert_eq!(server.accepted(), 1);
    outcome
}

#[tokio::test]
async fn a_file_goes_out_whole_with_the_slots_headers() {
    let mut server = Server::start(Script::Receive(CREATED.to_vec())).await;
    let headers = [
        ("Authorization", "Bearer\n t0ken"),
        ("Host", "bank.example"),
        ("Cookie", "a=1"),
        ("Transfer-Encoding", "chunked"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let url = format!("{}?token=x#fragment", server.url());
    let upload = Upload {
        headers: &headers,
        ..upload(&url, 10)
    };

    let outcome = client(&server, patient())
        .put(&upload, text(&["cipher", "", "text"]))
        .await;

    assert_eq!(outcome, Ok(()));
    let request = server.request().await;
    assert!(request.complete);
    assert_eq!(request.body, b"ciphertext");
    let mut lines: Vec<_> = request.head.lines().filter(|it| !it.is_empty()).collect();
    lines.sort_unstable();
    let host = format!("host: {}", server.pin());
    let expected = [
        "PUT /photo.jpg?token=x HTTP/1.1",
        "accept: */*",
        "authorization: Bearer t0ken",
        "content-length: 10",
        "content-type: application/octet-stream",
        "cookie: a=1",
        &host,
    ];
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn an_empty_file_goes_out_too() {
    let mut server = Server::start(Script::Receive(CREATED.to_vec())).await;

    let outcome = client(&server, patient())
        .put(&upload(&server.url(), 0), body(vec![]))
        .await;

    assert_eq!(outcome, Ok(()));
    assert_eq!(
        header(&server.request().await.head, "content-length"),
        Some("0")
    );
}

#[tokio::test]
async fn a_file_of_many_chunks_arrives_byte_for_byte() {
    let mut server = Server::start(Script::Receive(CREATED.to_vec())).await;
    let (sender, receiver) = mpsc::channel(1);
    let whole: Vec<u8> = (0..3_000_000_u32)
        .map(|it| it.to_le_bytes()[0] ^ 0x5A)
        .collect();
    let chunks: Vec<_> = whole.chunks(70_001).map(Bytes::copy_from_slice).collect();
    tokio::spawn(async move {
        for chunk in chunks {
            sender.send(Ok(chunk)).await.unwrap();
        }
    });

    let url = server.url();
    let upload = upload(&url, whole.len() as u64);
    let outcome = client(&server, patient()).put(&upload, receiver).await;

    assert_eq!(outcome, Ok(()));
    assert!(server.request().await.body == whole);
}

#[tokio::test]
async fn a_source_that_breaks_its_promise_leaves_no_complete_file() {
    let failing = || {
        let rest = Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        body(vec![Ok(Bytes::from_static(b"cipher")), rest])
    };
    for (chunks, expected) in [
        (
            text(&["cipher"]),
            PutError::Length {
                promised: 10,
                brought: 6,
            },
        ),
        (
            text(&[]),
            PutError::Length {
                promised: 10,
                brought: 0,
            },
        ),
        (
            text(&["cipher", "texts"]),
            PutError::Length {
                promised: 10,
                brought: 11,
            },
        ),
        (
            text(&["cipher", "text", "s"]),
            PutError::Length {
                promised: 10,
                brought: 11,
            },
        ),
        (failing(), PutError::Source(io::ErrorKind::UnexpectedEof)),
    ] {
        let mut server = Server::start(Script::Receive(CREATED.to_vec())).await;

        let outcome = client(&server, patient())
            .put(&upload(&server.url(), 10), chunks)
            .await;

        assert_eq!(outcome, Err(expected));
        assert!(!expected.is_transient());
        assert!(!server.request().await.complete);
    }
}

#[tokio::test]
async fn a_status_says_what_to_do_next() {
    for (status, expected, transient) in [
        (200, None, false),
        (201, None, false),
        (204, None, false),
        (302, Some(PutError::Redirect { status: 302 }), false),
        (307, Some(PutError::Redirect { status: 307 }), false),
        (308, Some(PutError::Redirect { status: 308 }), false),
        (403, Some(PutError::Status(403)), false),
        (404, Some(PutError::NotFound { status: 404 }), true),
        (410, Some(PutError::NotFound { status: 410 }), true),
        (413, Some(PutError::TooLarge), false),
        (429, Some(PutError::Status(429)), true),
        (500, Some(PutError::Status(500)), true),
        (507, Some(PutError::Status(507)), true),
    ] {
        let elsewhere = "Location: https://elsewhere.example/";
        let answer = format!("HTTP/1.1 {status} So\r\n{elsewhere}\r\nContent-Length: 0\r\n\r\n");

        let outcome = put(Script::Receive(answer.into_bytes())).await;

        assert_eq!(outcome.err(), expected, "{status}");
        assert_eq!(
            outcome.is_err_and(|it| it.is_transient()),
            transient,
            "{status}"
        );
    }
}

#[tokio::test]
async fn a_success_before_the_last_byte_confirms_nothing() {
    let server = Server::start(Script::Answer(ok(b""))).await;
    let (sender, receiver) = mpsc::channel(1);
    sender
        .send(Ok(Bytes::from_static(b"cipher")))
        .await
        .unwrap();

    let outcome = client(&server, patient())
        .put(&upload(&server.url(), 10), receiver)
        .await
        .unwrap_err();

    assert_eq!(outcome, PutError::Protocol);
    assert!(outcome.is_transient());
    drop(sender);
}

fn hasty() -> Patience {
    Patience {
        connect: Duration::from_secs(10),
        answer: Duration::from_millis(500),
        window: Duration::from_millis(300),
        bytes_per_window: 100,
        ..patient()
    }
}

#[tokio::test]
async fn a_server_that_stops_reading_is_given_up_and_holds_nothing_of_us() {
    let server = Server::start(Script::Stall(Vec::new())).await;
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    let before = tasks();
    let (sender, receiver) = mpsc::channel(1);
    let watched = sender.clone();
    let source = tokio::spawn(async move {
        while sender
            .send(Ok(Bytes::from(vec![0; 64 << 10])))
            .await
            .is_ok()
        {}
    });

    let outcome = client(&server, hasty())
        .put(&upload(&server.url(), 1 << 40), receiver)
        .await;

    assert_eq!(outcome, Err(PutError::TooSlow));
    assert!(watched.is_closed(), "the source is let go at once");
    source.await.unwrap();
    // The connection cannot close in good order and ends nevertheless; what stays is the
    // server's own task.
    timeout(Duration::from_secs(30), async {
        while tasks() > before + 1 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_server_that_reads_all_and_never_answers_is_given_up() {
    let hung_up = put_hastily(Script::Receive(Vec::new())).await.unwrap_err();
    assert_eq!(hung_up, PutError::Unreachable(io::ErrorKind::UnexpectedEof));
    assert!(hung_up.is_transient());
    assert_eq!(
        put_hastily(Script::Stall(Vec::new())).await,
        Err(PutError::TooSlow)
    );
    assert_eq!(put_hastily(Script::Receive(CREATED.to_vec())).await, Ok(()));
}

async fn put_hastily(script: Script) -> Result<(), PutError> {
    let server = Server::start(script).await;
    let chunks = text(&["ciphertext"]);
    client(&server, hasty())
        .put(&upload(&server.url(), 10), chunks)
        .await
}

#[tokio::test]
async fn a_slow_source_is_not_held_against_the_server() {
    let mut server = Server::start(Script::Receive(CREATED.to_vec())).await;
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        for chunk in ["cipher", "text"] {
            tokio::time::sleep(hasty().window * 3).await;
            sender
                .send(Ok(Bytes::from_static(chunk.as_bytes())))
                .await
                .unwrap();
        }
    });

    let outcome = client(&server, hasty())
        .put(&upload(&server.url(), 10), receiver)
        .await;

    assert_eq!(outcome, Ok(()));
    assert_eq!(server.request().await.body, b"ciphertext");
}

#[tokio::test]
async fn a_source_that_never_ends_meets_the_deadline() {
    let server = Server::start(Script::Receive(CREATED.to_vec())).await;
    let (_sender, receiver) = mpsc::channel(1);
    let patience = Patience {
        total: Duration::from_millis(300),
        ..patient()
    };

    let outcome = client(&server, patience)
        .put(&upload(&server.url(), 10), receiver)
        .await;

    assert_eq!(outcome, Err(PutError::TooSlow));
}
