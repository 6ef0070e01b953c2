//! Where a transfer may go: counted at the listener, not in the program.

use std::{io, process::Command, sync::Arc};

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    sync::mpsc,
};

use super::{
    client, names, patient,
    server::{HOST, Names, Script, Server, ok},
};
use crate::transfer::{Client, FetchError, Limits, PutError, Refusal, Rules, Upload};

const LIMITS: Limits = Limits { max_bytes: 1000 };

/// Refused URL, the rule it breaks, and the pin or other URL that makes the same server honest.
/// `P` stands for the port on which the server waits.
struct Row(&'static str, Refusal, Honest);

enum Honest {
    Pin(&'static str),
    Url(&'static str),
}
use Honest::{Pin, Url};

#[rustfmt::skip]
const URLS: &[Row] = &[
    Row("http://home.example:P/f", Refusal::NotHttps, Url("https://home.example:P/f")),
    Row("HTTP://home.example:P/f", Refusal::NotHttps, Url("HTTPS://home.example:P/f")),
    Row("aesgcm://home.example:P/f", Refusal::NotHttps, Url("https://home.example:P/f")),
    Row("ws://home.example:P/f", Refusal::NotHttps, Url("https://home.example:P/ws")),
    Row("ftp://home.example:P/f", Refusal::NotHttps, Url("https://home.example:P/ftp")),
    Row("//home.example:P/f", Refusal::Malformed, Url("https://home.example:P//f")),
    Row("home.example:P/f", Refusal::Malformed, Url("https://home.example:P/f")),
    Row("https:home.example:P/f", Refusal::Malformed, Url("https://home.example:P/f")),
    Row("https:/home.example:P/f", Refusal::Malformed, Url("https://home.example:P/f")),
    Row("https:///home.example:P/f", Refusal::Malformed, Url("https://home.example:P/f")),
    Row("https:\\\\home.example:P/f", Refusal::Malformed, Url("https://home.example:P/f")),
    Row("https://home.example:P\\f", Refusal::Malformed, Url("https://home.example:P/%5Cf")),
    Row(" https://home.example:P/f", Refusal::NotHttps, Url("https://home.example:P/%20f")),
    Row("https://home.example:P/f ", Refusal::Malformed, Url("https://home.example:P/f%20")),
    Row("https://home.example:P/a\r\nb", Refusal::Malformed, Url("https://home.example:P/a%0D%0Ab")),
    Row("https://home.\nexample:P/f", Refusal::Malformed, Url("https://home.example:P/%0Af")),
    Row("https://me@home.example:P/f", Refusal::UserInfo, Url("https://home.example:P/me@")),
    Row("https://me:pw@home.example:P/f", Refusal::UserInfo, Url("https://home.example:P/?me:pw@")),
    Row("https://@home.example:P/f", Refusal::UserInfo, Url("https://home.example:P/@f")),
    Row("https://:@home.example:P/f", Refusal::UserInfo, Url("https://home.example:P/#:@")),
    Row("https://a.example@home.example:P/", Refusal::UserInfo, Url("https://home.example:P/a@")),
    Row("https://127.0.0.1:P/f", Refusal::IpLiteral, Pin("127.0.0.1:P")),
    Row("https://127.0.0.1.:P/f", Refusal::IpLiteral, Pin("127.0.0.1:P")),
    Row("https://127.1:P/f", Refusal::IpLiteral, Pin("127.0.0.1:P")),
    Row("https://127.0.1:P/f", Refusal::IpLiteral, Pin("127.0.0.1:P")),
    Row("https://2130706433:P/f", Refusal::IpLiteral, Pin("127.0.0.1:P")),
    Row("https://0x7f000001:P/f", Refusal::IpLiteral, Pin("127.0.0.1:P")),
    Row("https://0x7F.0.0.1:P/f", Refusal::IpLiteral, Pin("127.0.0.1:P")),
    Row("https://0177.0.0.1:P/f", Refusal::IpLiteral, Pin("127.0.0.1:P")),
    Row("https://017700000001:P/f", Refusal::IpLiteral, Pin("127.0.0.1:P")),
    Row("https://127.0x0.0.01:P/f", Refusal::IpLiteral, Pin("127.0.0.1:P")),
    Row("https://%31%32%37.0.0.1:P/f", Refusal::IpLiteral, Pin("127.0.0.1:P")),
    Row("https://①②⑦.⓪.⓪.①:P/f", Refusal::IpLiteral, Pin("127.0.0.1:P")),
    Row("https://127。0。0。1:P/f", Refusal::IpLiteral, Pin("127.0.0.1:P")),
    Row("https://127.0.0.1:P/f", Refusal::IpLiteral, Url("https://home.example:P/127.0.0.1")),
    Row("https://[::ffff:127.0.0.1]:P/f", Refusal::IpLiteral, Pin("[::ffff:127.0.0.1]:P")),
    Row("https://[::ffff:7f00:1]:P/f", Refusal::IpLiteral, Pin("[::ffff:127.0.0.1]:P")),
    Row("https://[0:0:0:0:0:ffff:127.0.0.1]:P/", Refusal::IpLiteral, Pin("[::ffff:7f00:1]:P")),
    Row("https://0.0.0.0:P/f", Refusal::IpLiteral, Url("https://home.example:P/f")),
    Row("https://0:P/f", Refusal::IpLiteral, Url("https://home.example:P/0")),
    Row("https://[::]:P/f", Refusal::IpLiteral, Url("https://home.example:P/f")),
    Row("https://[::1]:P/f", Refusal::IpLiteral, Url("https://home.example:P/::1")),
    Row("https://[::ffff:0.0.0.0]:P/f", Refusal::IpLiteral, Url("https://home.example:P/f")),
    Row("https://loop4.example:P/f", Refusal::Address, Pin("loop4.example:P")),
    Row("https://LOOP4.example:P/f", Refusal::Address, Pin("loop4.EXAMPLE:P")),
    Row("https://loop4.example.:P/f", Refusal::Address, Pin("loop4.example:P")),
    Row("https://l%6Fop4.example:P/f", Refusal::Address, Pin("loop4.example:P")),
    Row("https://ｌoop4.example:P/f", Refusal::Address, Pin("loop4.example:P")),
    Row("https://mapped.example:P/f", Refusal::Address, Pin("mapped.example:P")),
    Row("https://mixed.example:P/f", Refusal::Address, Pin("mixed.example:P")),
    Row("https://loop4.example:P/f#00", Refusal::Address, Pin("loop4.example:P")),
    Row("https://any4.example:P/f", Refusal::Address, Url("https://home.example:P/f")),
    Row("https://any6.example:P/f", Refusal::Address, Url("https://home.example:P/f")),
    Row("https://anymapped.example:P/f", Refusal::Address, Url("https://home.example:P/f")),
    Row("https://compatible.example:P/f", Refusal::Address, Url("https://home.example:P/f")),
    Row("https://nat64.example:P/f", Refusal::Address, Url("https://home.example:P/f")),
    Row("https://sixtofour.example:P/f", Refusal::Address, Url("https://home.example:P/f")),
    Row("https://teredo.example:P/f", Refusal::Address, Url("https://home.example:P/f")),
    Row("https://ten.example:P/f", Refusal::Address, Url("https://home.example:P/f")),
    Row("https://ula.example:P/f", Refusal::Address, Url("https://home.example:P/f")),
    Row("https://cgnat.example:P/f", Refusal::Address, Url("https://home.example:P/f")),
    Row("https://metadata.example:P/f", Refusal::Address, Url("https://home.example:P/f")),
    Row("https://multicast.example:P/f", Refusal::Address, Url("https://home.example:P/f")),
];

/// Every name of the table. Those that lead to the server do so only when the rules let them.
fn all_names() -> Names {
    names()
        .with("loop4.example", &[&["127.0.0.1"]])
        .with("mapped.example", &[&["::ffff:127.0.0.1"]])
        .with("mixed.example", &[&["::1", "127.0.0.1"]])
        .with("any4.example", &[&["0.0.0.0"]])
        .with("any6.example", &[&["::"]])
        .with("anymapped.example", &[&["::ffff:0.0.0.0"]])
        .with("compatible.example", &[&["::127.0.0.1"]])
        .with("nat64.example", &[&["64:ff9b::7f00:1"]])
        .with("sixtofour.example", &[&["2002:7f00:1::1"]])
        .with("teredo.example", &[&["2001:0:7f00:1:0:0:80ff:fffe"]])
        .with("ten.example", &[&["10.0.0.1", "172.16.0.1", "192.168.0.1"]])
        .with("ula.example", &[&["fd00::1"]])
        .with("cgnat.example", &[&["100.64.0.1"]])
        .with("metadata.example", &[&["169.254.169.254"]])
        .with("multicast.example", &[&["224.0.0.1", "ff02::1"]])
}

/// A client for which `port` is as good as 443, so that the address alone decides.
fn strict(server: &Server, pins: &[String]) -> Client {
    let pins = pins.iter().map(|it| it.parse().unwrap()).collect();
    let rules = Rules::new(pins, None).with_https_port(server.port);
    Client::with_resolver(
        server.identity.trust(),
        rules,
        patient(),
        Arc::new(all_names()),
    )
}

#[tokio::test]
async fn refused_urls_reach_no_server_and_their_honest_twins_do() {
    let server = Server::start(Script::Answer(ok(b"photo"))).await;
    let port = server.port.to_string();
    let at = |text: &str| text.replace(":P", &format!(":{port}"));
    let home = at("home.example:P");
    for Row(url, why, honest) in URLS {
        let before = server.accepted();

        let refused = strict(&server, &[]).fetch(&at(url), LIMITS).await;

        assert_eq!(
            refused.err(),
            Some(FetchError::Refused { why: *why }),
            "{url}"
        );
        assert_eq!(server.accepted(), before, "{url}");
        let (pin, twin) = match honest {
            Pin(pin) => (at(pin), at(url)),
            Url(twin) => (home.clone(), at(twin)),
        };
        // Whether the certificate fits is another matter: an address is not in it.
        strict(&server, &[pin]).fetch(&twin, LIMITS).await.ok();
        assert_eq!(server.accepted(), before + 1, "{twin}");
    }
    assert_eq!(URLS.len(), 63);
    assert_eq!(server.accepted(), URLS.len());
}

#[tokio::test]
async fn refused_slots_reach_no_server_and_their_honest_twins_do() {
    let answer = b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n".to_vec();
    let server = Server::start(Script::Receive(answer)).await;
    let port = server.port.to_string();
    let at = |text: &str| text.replace(":P", &format!(":{port}"));
    for Row(url, why, _) in URLS {
        let outcome = put_nothing(&strict(&server, &[]), &at(url)).await;

        assert_eq!(outcome, Err(PutError::Refused { why: *why }), "{url}");
    }
    assert_eq!(server.accepted(), 0);
    let pinned = strict(&server, &[server.pin()]);
    assert_eq!(put_nothing(&pinned, &server.url()).await, Ok(()));
    assert_eq!(server.accepted(), 1);
}

async fn put_nothing(client: &Client, url: &str) -> Result<(), PutError> {
    let (sender, body) = mpsc::channel::<io::Result<Bytes>>(1);
    drop(sender);
    let upload = Upload {
        url,
        headers: &[],
        length: 0,
        content_type: "application/octet-stream",
    };
    client.put(&upload, body).await
}

#[tokio::test]
async fn another_port_than_443_is_refused_unless_pinned() {
    let server = Server::start(Script::Answer(ok(b"photo"))).await;
    let rules = Rules::new(Vec::new(), None);
    let unpinned =
        Client::with_resolver(server.identity.trust(), rules, patient(), Arc::new(names()));

    let refused = unpinned.fetch(&server.url(), LIMITS).await;

    assert_eq!(
        refused.err(),
        Some(FetchError::Refused { why: Refusal::Port })
    );
    assert_eq!(unpinned.check(&server.url()), Err(Refusal::Port));
    assert_eq!(server.accepted(), 0);
    client(&server, patient())
        .fetch(&server.url(), LIMITS)
        .await
        .unwrap();
    assert_eq!(client(&server, patient()).check(&server.url()), Ok(()));
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_name_that_changes_its_address_after_the_check_changes_nothing() {
    let server = Server::start(Script::Answer(ok(b"photo"))).await;
    // First an address at which nothing listens, then the server that must not be reached.
    let rebinding = Arc::new(Names::default().with(HOST, &[&["127.0.0.2"], &["127.0.0.1"]]));
    let rules = Rules::new(vec![server.pin().parse().unwrap()], None);
    let client =
        Client::with_resolver(server.identity.trust(), rules, patient(), rebinding.clone());

    let first = client.fetch(&server.url(), LIMITS).await;

    assert_eq!(
        first.err(),
        Some(FetchError::Unreachable(io::ErrorKind::ConnectionRefused))
    );
    assert_eq!((rebinding.asked(), server.accepted()), (1, 0));
    client.fetch(&server.url(), LIMITS).await.unwrap();
    assert_eq!((rebinding.asked(), server.accepted()), (2, 1));
}

#[tokio::test]
async fn the_live_server_is_reached_at_its_home_address_and_only_while_it_is_live() {
    let server = Server::start(Script::Answer(ok(b"photo"))).await;
    let mut client = strict(&server, &[]);
    let url = format!("https://ten.example:{}/f", server.port);
    let refused = client.fetch(&url, LIMITS).await.err();
    assert_eq!(
        refused,
        Some(FetchError::Refused {
            why: Refusal::Address
        })
    );

    // No host of this network is to be touched: what was let through is told by the route alone.
    client.set_live_server(Some("172.16.0.1".parse().unwrap()));
    let admitted = crate::transfer::route::admitted(&client, &url)
        .await
        .unwrap();

    let expected = format!("172.16.0.1:{}", server.port).parse().unwrap();
    assert_eq!(admitted, [expected]);
    client.set_live_server(None);
    let refused = client.fetch(&url, LIMITS).await.err();
    assert_eq!(
        refused,
        Some(FetchError::Refused {
            why: Refusal::Address
        })
    );
}

#[tokio::test]
async fn an_unknown_name_is_unresolved_and_may_be_known_later() {
    let server = Server::start(Script::Answer(ok(b"photo"))).await;
    let url = format!("https://nobody.example:{}/f", server.port);

    let error = strict(&server, &[])
        .fetch(&url, LIMITS)
        .await
        .err()
        .unwrap();

    assert_eq!(error, FetchError::Unresolved);
    assert!(error.is_transient());
    assert_eq!(server.accepted(), 0);
}

#[tokio::test]
async fn the_systems_own_resolver_finds_localhost_and_the_rules_refuse_it() {
    let server = Server::start(Script::Answer(ok(b"photo"))).await;
    let url = format!("https://localhost:{}/f", server.port);
    let rules = Rules::new(Vec::new(), None).with_https_port(server.port);
    let unpinned = Client::new(server.identity.trust(), rules, patient());

    let refused = unpinned.fetch(&url, LIMITS).await.err();

    assert_eq!(
        refused,
        Some(FetchError::Refused {
            why: Refusal::Address
        })
    );
    assert_eq!(server.accepted(), 0);
    let pin = format!("localhost:{}", server.port).parse().unwrap();
    let pinned = Client::new(
        server.identity.trust(),
        Rules::new(vec![pin], None),
        patient(),
    );
    pinned.fetch(&url, LIMITS).await.err();
    assert_eq!(server.accepted(), 1);
}

/// Set in the child process that runs under proxy variables.
const CHILD: &str = "STRONGROOM_TEST_UNDER_PROXY";

#[tokio::test]
async fn proxy_variables_count_for_nothing() {
    if std::env::var_os(CHILD).is_some() {
        return under_proxy_variables().await;
    }
    let proxy = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = format!("http://{}", proxy.local_addr().unwrap());
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args([
        "--exact",
        "transfer::tests::refusing::proxy_variables_count_for_nothing",
    ]);
    child
        .env(CHILD, "1")
        .env_remove("NO_PROXY")
        .env_remove("no_proxy");
    for variable in [
        "HTTPS_PROXY",
        "https_proxy",
        "ALL_PROXY",
        "all_proxy",
        "HTTP_PROXY",
    ] {
        child.env(variable, &address);
    }

    let child = tokio::task::spawn_blocking(move || child.output().unwrap());

    // The control in the child is the only one to call on the proxy.
    let (called, _) = proxy.accept().await.unwrap();
    drop(called);
    let output = child.await.unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    let more = tokio::time::timeout(std::time::Duration::from_millis(1), proxy.accept()).await;
    assert!(more.is_err(), "a second connection to the proxy");
}

async fn under_proxy_variables() {
    let server = Server::start(Script::Answer(ok(b"photo"))).await;

    let mut download = client(&server, patient())
        .fetch(&server.url(), LIMITS)
        .await
        .unwrap();

    assert_eq!(download.chunk().await.unwrap().unwrap(), "photo");
    assert_eq!(server.accepted(), 1);
    let control = reqwest::Client::builder()
        .tls_backend_preconfigured(server.identity.trust())
        .build()
        .unwrap();
    control.get(server.url()).send().await.unwrap_err();
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_proxy_gets_public_names_and_is_not_even_called_on_for_others() {
    let proxy = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let server = Server::start(Script::Answer(ok(b"photo"))).await;
    let behind = Client::new(
        server.identity.trust(),
        Rules::new(Vec::new(), None),
        patient(),
    )
    .through(Some(proxy.local_addr().unwrap()));
    let names = tokio::spawn(async move {
        let mut names = Vec::new();
        while names.is_empty() {
            let (mut stream, _) = proxy.accept().await.unwrap();
            let mut hello = [0; 3];
            stream.read_exact(&mut hello).await.unwrap();
            stream.write_all(&[5, 0]).await.unwrap();
            let mut request = [0; 5];
            stream.read_exact(&mut request).await.unwrap();
            let mut name = vec![0; usize::from(request[4])];
            stream.read_exact(&mut name).await.unwrap();
            names.push(String::from_utf8(name).unwrap());
        }
        names
    });

    for local in [
        "https://localhost/f",
        "https://nas/f",
        "https://nas.local/f",
    ] {
        let refused = behind.fetch(local, LIMITS).await.err();
        let why = Refusal::Address;
        assert_eq!(refused, Some(FetchError::Refused { why }), "{local}");
    }
    // Nobody but the proxy could know this name.
    behind.fetch("https://far.example/f", LIMITS).await.err();

    assert_eq!(names.await.unwrap(), ["far.example"]);
}
