//! A web host that fails in every way there is: what the owner reads of each, that nothing of it gets
//! into the vault, and that what may pass is tried again until it has passed.

use std::env;

use super::{line, row};
use crate::{host::Host, scene::Scene};

/// What is to become of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Gone,
    Elsewhere,
    NotGiven,
    Altered,
    TooLong,
    /// No drive would have room for it.
    TooLarge,
    /// It is tried again, and stored once the host is honest.
    Later,
    Stored,
}

use Fate::{Altered, Elsewhere, Gone, Later, NotGiven, Stored, TooLarge, TooLong};

impl Fate {
    fn words(self, name: &str) -> String {
        let (what, advice) = match self {
            Gone => ("its server no longer has it", "Please send it again."),
            Elsewhere => (
                "its server pointed elsewhere, which I do not follow",
                "Please send it again; if that repeats, use another upload server.",
            ),
            NotGiven => (
                "its server did not give it to me",
                "Please send it again later.",
            ),
            Altered => (
                "it was damaged or altered on its way",
                "Please send it again.",
            ),
            TooLong => ("more of it came than announced", "Please send it again."),
            TooLarge => (
                "it is larger than I am set up to take",
                "Raise max_file_bytes in the vault's settings and send it again.",
            ),
            Later => {
                return format!(
                    "{name} is not stored yet: its server does not give it to me now. I keep \
                     trying; you need not send it again."
                );
            }
            Stored => unreachable!("the scene has these words"),
        };
        format!("{name} is not stored: {what}. {advice}")
    }
}

/// Status codes, and what each means for the file.
const STATUSES: [(u16, Fate); 31] = [
    (201, NotGiven),
    (202, NotGiven),
    (204, NotGiven),
    (206, NotGiven),
    (300, Elsewhere),
    (301, Elsewhere),
    (302, Elsewhere),
    (303, Elsewhere),
    (304, Elsewhere),
    (307, Elsewhere),
    (308, Elsewhere),
    (400, NotGiven),
    (401, NotGiven),
    (402, NotGiven),
    (403, Gone),
    (404, Gone),
    (405, NotGiven),
    (406, NotGiven),
    (408, Later),
    (410, Gone),
    (416, NotGiven),
    (418, NotGiven),
    (425, Later),
    (429, Later),
    (451, NotGiven),
    (500, Later),
    (502, Later),
    (503, Later),
    (504, Later),
    (507, Later),
    (599, Later),
];

fn answer(head: &str, body: &[u8]) -> Vec<u8> {
    [b"HTTP/1.1 ", head.as_bytes(), b"\r\n\r\n", body].concat()
}

fn chunked(body: &[u8]) -> Vec<u8> {
    let half = body.len() / 2;
    let (one, two) = body.split_at(half);
    let size = |part: &[u8]| format!("{:x}\r\n", part.len()).into_bytes();
    [&size(one), one, b"\r\n", &size(two), two, b"\r\n0\r\n\r\n"].concat()
}

/// Ways to answer with 200 and not give the file, and odd ways to give it.
#[expect(clippy::too_many_lines, reason = "a table")]
fn bodies(sealed: &[u8], other: &[u8]) -> Vec<(&'static str, Vec<u8>, Fate)> {
    let length = sealed.len();
    let ok = |announced: usize, body: &[u8]| {
        answer(&format!("200 OK\r\nContent-Length: {announced}"), body)
    };
    let whole = |body: &[u8]| ok(body.len(), body);
    let mut flipped = sealed.to_vec();
    flipped[length / 2] ^= 1;
    let page = b"<html><title>Welcome to the hotel</title></html>";
    let with = |head: &str, body: &[u8]| answer(&format!("200 OK\r\n{head}"), body);
    let in_chunks = "Transfer-Encoding: chunked";
    let both = format!("{in_chunks}\r\nContent-Length: {}", length - 1);
    let many = format!("X: {}\r\n", "x".repeat(1_000)).repeat(600);
    vec![
        ("cut before the first byte", ok(length, b""), Later),
        ("cut after one byte", ok(length, &sealed[..1]), Later),
        (
            "cut before the last byte",
            ok(length, &sealed[..length - 1]),
            Later,
        ),
        (
            "cut in a chunk",
            with(in_chunks, &chunked(sealed)[..length / 3]),
            Later,
        ),
        (
            "without a length, cut",
            with("X: y", &sealed[..length / 2]),
            Altered,
        ),
        (
            "without a length, without its tag",
            with("X: y", &sealed[..length - 16]),
            Altered,
        ),
        ("empty", whole(b""), Altered),
        ("shorter than a tag", whole(&sealed[..15]), Altered),
        ("announced one byte short", ok(length - 1, sealed), Altered),
        (
            "one byte more, announced",
            whole(&[sealed, b"x"].concat()),
            Altered,
        ),
        (
            "more in chunks than announced",
            with(&both, &chunked(sealed)),
            TooLong,
        ),
        ("announced as 4 EiB", ok(1 << 62, sealed), TooLarge),
        ("a hotel's page instead", whole(page), Altered),
        ("another file instead", whole(other), Altered),
        ("zeros instead", whole(&vec![0; length]), Altered),
        ("one bit flipped", whole(&flipped), Altered),
        (
            "in gzip",
            with("Content-Encoding: gzip\r\nContent-Length: 3", b"abc"),
            NotGiven,
        ),
        (
            "a length in words",
            with("Content-Length: ten", sealed),
            Later,
        ),
        (
            "a negative length",
            with("Content-Length: -1", sealed),
            Later,
        ),
        (
            "two lengths",
            with("Content-Length: 1\r\nContent-Length: 2", sealed),
            Later,
        ),
        ("600 kB of headers", with(many.trim_end(), sealed), Later),
        (
            "another protocol",
            b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(),
            Later,
        ),
        ("no answer", Vec::new(), Later),
        ("no length, whole", with("X: y", sealed), Stored),
        (
            "in chunks, whole",
            with(in_chunks, &chunked(sealed)),
            Stored,
        ),
        (
            "after early hints, whole",
            [answer("103 Early Hints", b""), whole(sealed)].concat(),
            Stored,
        ),
    ]
}

/// A file whose host does not give it yet.
struct Waiting {
    path: String,
    honest: Vec<u8>,
}

#[test]
fn of_every_failing_host_the_owner_reads_why_and_what_may_pass_is_tried_again() {
    let mut scene = Scene::new();
    let target = Host::start(&scene.home.server);
    let elsewhere = format!("https://localhost:{}/x", target.port());
    let mut waiting = Vec::new();
    let mut cases = 0;
    let statuses = STATUSES.map(|(status, fate)| (status.to_string(), None, fate));
    let (other, _) = scene.sealed();
    let bodies = bodies(&other, &other).into_iter();
    let bodies = bodies.map(|(name, _, fate)| (name.to_owned(), Some(name), fate));
    for (name, body, fate) in statuses.into_iter().chain(bodies) {
        cases += 1;
        let path = format!("/case{cases}.jpg");
        let (sealed, fragment) = scene.sealed();
        let bytes = match body {
            None => answer(
                &format!("{name} Because\r\nLocation: {elsewhere}\r\nContent-Length: 0"),
                b"",
            ),
            Some(wanted) => {
                let made = self::bodies(&sealed, &other).into_iter();
                let mut made = made.filter(|(name, ..)| *name == wanted);
                made.next().map(|(_, bytes, _)| bytes).unwrap()
            }
        };
        scene.host.answer(&path, bytes);
        scene.tell(&scene.host.aesgcm(&path, &fragment));
        let file = path.trim_start_matches('/').to_owned();
        match fate {
            Stored => {
                scene.expect_stored(&file);
                line(&format!("upload host: {name}\t0/1\t1/1"));
            }
            Later => waiting.push(Waiting {
                path,
                honest: sealed,
            }),
            Gone | Elsewhere | NotGiven | Altered | TooLarge | TooLong => {
                scene.expect(&fate.words(&file));
                scene.assert_kept();
                line(&format!("upload host: {name}\t0/1\t1/1"));
            }
        }
    }
    for Waiting { path, .. } in &waiting {
        scene.expect(&Later.words(path.trim_start_matches('/')));
    }
    scene.assert_kept();
    assert_eq!((cases, target.accepted()), (57, 0));
    scene.assert_a_photo_is_stored();

    // The third attempt comes half a minute after the second.
    if env::var_os("STRONGROOM_HOSTILE").is_some_and(|it| it == "all") {
        let count = waiting.len();
        for Waiting { path, honest } in &waiting {
            scene.host.serve(path, honest.len() as u64, honest);
        }
        for Waiting { path, .. } in &waiting {
            let name = path.trim_start_matches('/');
            let told = scene.phone.wait_reply(&format!("{name}, "));
            row(
                &format!("upload host: {name}, honest in the end: lost"),
                !told.contains("stored"),
                true,
            );
        }
        line(&format!(
            "{count} files of hosts that failed for a while: all stored"
        ));
    }
}
