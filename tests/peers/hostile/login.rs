//! Servers that are not the server: nobody gets a password, a proof or a session from the vault.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use strongroom::xmpp::{Account, Arrival, Content, FatalReason, Link, Password, TlsTrust, start};
use tokio::{sync::mpsc, time::timeout};

use super::row;
use crate::{
    home::VAULT,
    middle::{Identity, Middle, Opening, Verdict, Way, frames},
    prosody::{Prosody, jid, password},
};

const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";

/// How an attempt to log in went.
#[derive(Debug)]
pub(crate) enum Outcome {
    Online { fresh: bool },
    Offline(String),
    Fatal(FatalReason),
}

/// One client of the vault's account.
pub(crate) struct Client {
    pub(crate) link: Link,
    pub(crate) arrivals: mpsc::Receiver<Arrival>,
}

impl Client {
    /// Starts it, as a vault is started whose settings have not worked yet.
    pub(crate) fn start(port: u16, authority: Vec<u8>, resource: &str) -> Self {
        Self::start_known(port, authority, resource, false)
    }

    /// Starts it, with settings that may have worked before.
    pub(crate) fn start_known(
        port: u16,
        authority: Vec<u8>,
        resource: &str,
        has_worked: bool,
    ) -> Self {
        let account = Account {
            jid: jid(VAULT),
            password: Password::new(password(VAULT)),
            resource: resource.to_owned(),
            host: Some(("127.0.0.1".to_owned(), port)),
            direct_tls: false,
            trust: TlsTrust::Ca(authority),
            proxy: None,
            allow_plain: false,
            has_worked,
        };
        let (tell, arrivals) = mpsc::channel(64);
        let link = start(account, tell);
        Self { link, arrivals }
    }

    /// Waits for the next news of the connection.
    pub(crate) async fn next(&mut self) -> Outcome {
        let search = async {
            loop {
                match self.arrivals.recv().await.expect("the task lives") {
                    Arrival::Online { fresh, .. } => return Outcome::Online { fresh },
                    Arrival::Offline { reason } => return Outcome::Offline(reason),
                    Arrival::Fatal(reason) => return Outcome::Fatal(reason),
                    Arrival::Message(_)
                    | Arrival::DeviceList { .. }
                    | Arrival::SubscriptionAsked { .. }
                    | Arrival::Stage { .. }
                    | _ => {}
                }
            }
        };
        timeout(Duration::from_secs(60), search)
            .await
            .expect("something becomes of it")
    }
}

/// Tries to log in and tells what came of it.
async fn try_in(middle: &Middle, authority: &[u8]) -> Outcome {
    let mut client = Client::start(middle.port(), authority.to_vec(), "siege");
    let outcome = client.next().await;
    client.link.stop().await;
    outcome
}

/// The altered challenge: what the server says in SCRAM, with some of it replaced.
fn challenge(element: &str, change: impl Fn(&str) -> String) -> Verdict {
    let start = element.find('>').unwrap() + 1;
    let end = element.find("</challenge>").unwrap();
    let honest = String::from_utf8(STANDARD.decode(&element[start..end]).unwrap()).unwrap();
    let forged = STANDARD.encode(change(&honest));
    Verdict::Replace(vec![format!(
        "{}{forged}{}",
        &element[..start],
        &element[end..]
    )])
}

fn is(element: &str, name: &str) -> bool {
    element.trim_start().starts_with(&format!("<{name}"))
}

fn offer(element: &str, mechanisms: &str) -> Verdict {
    let honest = frames::within(element, "mechanisms").unwrap();
    let forged = format!("<mechanisms xmlns='{SASL}'>{mechanisms}</mechanisms>");
    Verdict::Replace(vec![element.replace(&honest, &forged)])
}

/// What the server alters, and what the vault must not say then.
type Downgrade = (&'static str, &'static str, fn(&str) -> Verdict);

const DOWNGRADES: [Downgrade; 9] = [
    ("only PLAIN is offered", "<auth", |it| {
        if it.contains("<mechanisms") {
            offer(it, "<mechanism>PLAIN</mechanism>")
        } else {
            Verdict::Pass
        }
    }),
    ("only ways without a proof are offered", "<auth", |it| {
        let weak = "<mechanism>ANONYMOUS</mechanism><mechanism>LOGIN</mechanism><mechanism>X-PLAIN</mechanism>";
        if it.contains("<mechanisms") {
            offer(it, weak)
        } else {
            Verdict::Pass
        }
    }),
    ("the server's proof is wrong", "<bind", |it| {
        let forged = format!(
            "<success xmlns='{SASL}'>{}</success>",
            STANDARD.encode(format!("v={}", STANDARD.encode([7; 32])))
        );
        if is(it, "success") {
            Verdict::Replace(vec![forged])
        } else {
            Verdict::Pass
        }
    }),
    ("the server gives no proof", "<bind", |it| {
        let forged = format!("<success xmlns='{SASL}'/>");
        if is(it, "success") {
            Verdict::Replace(vec![forged])
        } else {
            Verdict::Pass
        }
    }),
    ("the server lets us in at once", "<bind", |it| {
        let forged = format!("<success xmlns='{SASL}'/>");
        if is(it, "challenge") {
            Verdict::Replace(vec![forged])
        } else {
            Verdict::Pass
        }
    }),
    ("the password is to be hashed once", "<response", |it| {
        let one = |honest: &str| format!("{},i=1", honest.rsplit_once(",i=").unwrap().0);
        if is(it, "challenge") {
            challenge(it, one)
        } else {
            Verdict::Pass
        }
    }),
    (
        "the password is to be hashed without end",
        "<response",
        |it| {
            let many =
                |honest: &str| format!("{},i=2000000000", honest.rsplit_once(",i=").unwrap().0);
            if is(it, "challenge") {
                challenge(it, many)
            } else {
                Verdict::Pass
            }
        },
    ),
    ("the challenge is another one's", "<response", |it| {
        let other = |honest: &str| honest.replacen("r=", "r=x", 1);
        if is(it, "challenge") {
            challenge(it, other)
        } else {
            Verdict::Pass
        }
    }),
    ("an extension is demanded", "<response", |it| {
        let extended = |honest: &str| format!("m=evil,{honest}");
        if is(it, "challenge") {
            challenge(it, extended)
        } else {
            Verdict::Pass
        }
    }),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_cannot_prove_itself_gets_no_password_and_no_session() {
    let server = Prosody::start(&[VAULT]);
    let authority = std::fs::read(server.authority()).unwrap();

    for (name, forbidden, alter) in DOWNGRADES {
        let middle = Middle::before(&server);
        middle.rule(move |way, element| {
            if way == Way::ToVault {
                alter(element)
            } else {
                Verdict::Pass
            }
        });
        let outcome = try_in(&middle, &authority).await;
        let said = middle.sent().all(|it| it.contains(forbidden));
        let accepted = matches!(outcome, Outcome::Online { .. }) || !said.is_empty();
        assert!(matches!(outcome, Outcome::Fatal(_)), "{name}: {outcome:?}");
        middle.be_honest();
        let twin = try_in(&middle, &authority).await;
        let said = middle.sent().all(|it| it.contains(forbidden));
        row(
            name,
            accepted,
            matches!(twin, Outcome::Online { .. }) && !said.is_empty(),
        );
    }

    let honest = Middle::before(&server);
    let stripped = Middle::with(&server, Identity::of(&server), Opening::Stripped);
    let outcome = try_in(&stripped, &authority).await;
    let logs_in = |middle: &Middle| !middle.sent().all(|it| it.contains("<auth")).is_empty();
    let accepted = matches!(outcome, Outcome::Online { .. }) || logs_in(&stripped);
    // Anyone on the way can do so: it ends nothing for good.
    assert!(matches!(outcome, Outcome::Offline(_)), "{outcome:?}");
    let twin = try_in(&honest, &authority).await;
    row(
        "STARTTLS is stripped",
        accepted,
        matches!(twin, Outcome::Online { .. }) && logs_in(&honest),
    );

    let words = "<message xmlns='jabber:client' from='owner@localhost/x' type='chat'>\
                 <body>injected</body></message>";
    let opening = Opening::Injected(words.to_owned());
    let injected = Middle::with(&server, Identity::of(&server), opening);
    let mut client = Client::start(injected.port(), authority.clone(), "siege");
    if matches!(client.next().await, Outcome::Online { .. }) {
        client
            .link
            .subscription_with("owner@localhost")
            .await
            .unwrap();
    }
    let mut accepted = false;
    while let Ok(arrival) = client.arrivals.try_recv() {
        accepted |= matches!(arrival, Arrival::Message(it) if it.content == Content::Plain("injected".to_owned()));
    }
    client.link.stop().await;
    honest.rule(move |way, element| {
        let is_bound = way == Way::ToVault && element.contains("<enabled");
        if is_bound {
            Verdict::Replace(vec![element.to_owned(), words.to_owned()])
        } else {
            Verdict::Pass
        }
    });
    let mut client = Client::start(honest.port(), authority, "siege");
    let mut twin = false;
    while let Some(arrival) = timeout(Duration::from_secs(20), client.arrivals.recv())
        .await
        .unwrap()
    {
        if let Arrival::Message(message) = arrival {
            twin = message.content == Content::Plain("injected".to_owned());
            break;
        }
    }
    client.link.stop().await;
    row("words in clear before TLS", accepted, twin);
}

/// An authority and certificates that it signs.
struct Authority {
    pem: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut root = CertificateParams::new(Vec::new()).unwrap();
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = root.self_signed(&key).unwrap().pem().into_bytes();
        let issuer = Issuer::new(root, key);
        Self { pem, issuer }
    }

    fn sign(&self, host: &str, change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let key = KeyPair::generate().unwrap();
        let mut leaf = CertificateParams::new(vec![host.to_owned()]).unwrap();
        change(&mut leaf);
        let certificate = leaf.signed_by(&key, &self.issuer).unwrap();
        identity(certificate.der().clone(), &key)
    }
}

fn identity(certificate: rustls::pki_types::CertificateDer<'static>, key: &KeyPair) -> Identity {
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    Identity { certificate, key }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_on_the_way_ends_a_vault_for_good_whose_settings_have_worked() {
    let server = Prosody::start(&[VAULT]);
    let (ours, foreign) = (Authority::new(), Authority::new());
    let shown = |by: &Authority| by.sign("localhost", |_| ());
    let inside = || Opening::ErrorInside("host-unknown".to_owned());
    let stripped = || Opening::Error("host-unknown".to_owned());
    for (name, identity, opening) in [
        (
            "with a foreign certificate",
            shown(&foreign),
            Opening::Honest,
        ),
        ("with an unknown host, inside TLS", shown(&ours), inside()),
        ("with an unknown host, before TLS", shown(&ours), stripped()),
    ] {
        let middle = Middle::with(&server, identity, opening);
        let mut client = Client::start_known(middle.port(), ours.pem.clone(), "siege", true);
        let outcome = client.next().await;
        client.link.stop().await;
        let honest = Middle::with(&server, shown(&ours), Opening::Honest);
        let mut client = Client::start_known(honest.port(), ours.pem.clone(), "siege", true);
        let twin = client.next().await;
        client.link.stop().await;
        row(
            &format!("somebody on the way {name}: away for good"),
            !matches!(outcome, Outcome::Offline(_)),
            matches!(twin, Outcome::Online { .. }),
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_not_the_servers_gets_not_a_word() {
    let server = Prosody::start(&[VAULT]);
    let (ours, foreign) = (Authority::new(), Authority::new());
    let own_key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let own = own.self_signed(&own_key).unwrap();
    let past = |it: &mut CertificateParams| {
        it.not_before = date_time_ymd(2019, 1, 1);
        it.not_after = date_time_ymd(2020, 1, 1);
    };
    let future = |it: &mut CertificateParams| it.not_before = date_time_ymd(3000, 1, 1);

    for (name, shown) in [
        (
            "a certificate that signs itself",
            identity(own.der().clone(), &own_key),
        ),
        (
            "a certificate of an unknown authority",
            foreign.sign("localhost", |_| ()),
        ),
        (
            "a certificate for another name",
            ours.sign("evil.example", |_| ()),
        ),
        (
            "a certificate for a name above",
            ours.sign("*.localhost", |_| ()),
        ),
        (
            "a certificate that has expired",
            ours.sign("localhost", past),
        ),
        (
            "a certificate that is not valid yet",
            ours.sign("localhost", future),
        ),
    ] {
        let middle = Middle::with(&server, shown, Opening::Honest);
        let outcome = try_in(&middle, &ours.pem).await;
        let said = middle.sent().all(|_| true);
        let accepted = matches!(outcome, Outcome::Online { .. }) || !said.is_empty();
        // Dates may be the fault of a clock, which mends itself.
        let is_fatal = matches!(
            outcome,
            Outcome::Fatal(FatalReason::CertificateNotTrusted(_))
        );
        let is_date = name.contains("expired") || name.contains("valid yet");
        assert_eq!(is_fatal, !is_date, "{name}: {outcome:?}");
        let honest = Middle::with(&server, ours.sign("localhost", |_| ()), Opening::Honest);
        let twin = try_in(&honest, &ours.pem).await;
        row(name, accepted, matches!(twin, Outcome::Online { .. }));
    }
}
