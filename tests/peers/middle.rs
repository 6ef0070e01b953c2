//! Somebody in the middle: stands before a test's Prosody with a certificate of its own choice, sees
//! every stanza each way, and passes on, withholds, alters, adds or cuts as the test says.
//!
//! The vault cannot tell it from the server. What it withholds and adds is accounted for in the
//! counts of XEP-0198, so that both ends go on as if nothing was.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    version::TLS12,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split},
    net::TcpStream,
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use crate::{journal::Journal, prosody::Prosody};
use counts::Counts;
use frames::Frames;

mod counts;
pub(crate) mod frames;

/// Which way something goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    ToVault,
    ToServer,
}

/// What becomes of an element.
pub(crate) enum Verdict {
    Pass,
    /// It never arrives, and its sender takes it to have arrived.
    Withhold,
    /// As [`Self::Withhold`], and the test gets it: see [`Middle::held`].
    Hold,
    /// These arrive in its place.
    Replace(Vec<String>),
    /// It is lost with the connection.
    Cut,
}

/// Decides about every element.
type Rule = Box<dyn FnMut(Way, &str) -> Verdict + Send>;

/// How a connection begins.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Opening {
    Honest,
    /// STARTTLS is not offered.
    Stripped,
    /// These words follow the server's go-ahead in the same breath, in clear.
    Injected(String),
    /// The stream ends with this error at once, before TLS.
    Error(String),
    /// The encrypted stream ends with this error at once.
    ErrorInside(String),
}

/// The certificate that is shown, and its key.
pub(crate) struct Identity {
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) key: PrivateKeyDer<'static>,
}

impl Identity {
    /// The one of the server itself.
    pub(crate) fn of(server: &Prosody) -> Self {
        Self {
            certificate: CertificateDer::from_pem_file(server.folder().join("server.crt")).unwrap(),
            key: PrivateKeyDer::from_pem_file(server.folder().join("server.key")).unwrap(),
        }
    }

    fn config(self) -> Arc<ServerConfig> {
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let builder = builder.with_no_client_auth();
        let config = builder.with_single_cert(vec![self.certificate], self.key);
        Arc::new(config.unwrap())
    }
}

struct Shared {
    upstream: u16,
    to_server: Arc<ClientConfig>,
    to_vault: Arc<ServerConfig>,
    opening: Opening,
    rule: Mutex<Rule>,
    counts: Mutex<Counts>,
    no_resumption: AtomicBool,
    connections: AtomicUsize,
    added: Mutex<Option<UnboundedSender<String>>>,
    sent: Arc<Journal<String>>,
    held: Arc<Journal<String>>,
}

/// A running middle. It serves until the test process ends.
#[derive(Clone)]
pub(crate) struct Middle {
    port: u16,
    shared: Arc<Shared>,
}

impl Middle {
    /// Stands before a server with the server's own certificate.
    pub(crate) fn before(server: &Prosody) -> Self {
        Self::with(server, Identity::of(server), Opening::Honest)
    }

    /// Stands before a server with any certificate and any way to begin.
    pub(crate) fn with(server: &Prosody, identity: Identity, opening: Opening) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            upstream: server.direct_tls_port(),
            to_server: upstream_config(server),
            to_vault: identity.config(),
            opening,
            rule: Mutex::new(Box::new(|_, _| Verdict::Pass)),
            counts: Mutex::default(),
            no_resumption: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
            added: Mutex::default(),
            sent: Journal::new(),
            held: Journal::new(),
        });
        let served = Arc::clone(&shared);
        thread::spawn(move || {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = runtime.enable_all().build().unwrap();
            runtime.block_on(accept(listener, served));
        });
        Self { port, shared }
    }

    /// The port on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Replaces the rule that decides about every element.
    pub(crate) fn rule(&self, rule: impl FnMut(Way, &str) -> Verdict + Send + 'static) {
        *self.shared.rule.lock().unwrap() = Box::new(rule);
    }

    /// Passes everything on from here.
    pub(crate) fn be_honest(&self) {
        self.rule(|_, _| Verdict::Pass);
    }

    /// Whether an old stream can be resumed.
    pub(crate) fn allow_resumption(&self, allowed: bool) {
        self.shared.no_resumption.store(!allowed, Ordering::SeqCst);
    }

    /// Sends the vault something that the server never sent.
    pub(crate) fn inject(&self, xml: impl Into<String>) {
        let added = self.shared.added.lock().unwrap();
        let sent = added.as_ref().is_some_and(|it| it.send(xml.into()).is_ok());
        assert!(sent, "nobody is connected");
    }

    /// How many connections were accepted so far.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Every element that the vault has sent.
    pub(crate) fn sent(&self) -> &Journal<String> {
        &self.shared.sent
    }

    /// What was held back for the test.
    pub(crate) fn held(&self) -> &Journal<String> {
        &self.shared.held
    }
}

/// TLS 1.2 offers the server no exporter to bind a login to, which the middle would break.
fn upstream_config(server: &Prosody) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_file(server.authority()).unwrap();
    roots.add(authority).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_protocol_versions(&[&TLS12]).unwrap();
    Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    while let Ok((vault, _)) = listener.accept().await {
        shared.connections.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(serve(vault, Arc::clone(&shared)));
    }
}

/// Serves one connection. Whoever hangs up does so at any time, which is his own affair.
async fn serve(mut vault: TcpStream, shared: Arc<Shared>) -> Option<()> {
    open(&mut vault, &shared.opening, &shared.sent).await?;
    let acceptor = TlsAcceptor::from(Arc::clone(&shared.to_vault));
    let mut vault = acceptor.accept(vault).await.ok()?;
    if let Opening::ErrorInside(condition) = &shared.opening {
        read_until(&mut vault, "<stream:stream").await?;
        return end_with(&mut vault, condition).await;
    }
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, shared.upstream));
    let server = TcpStream::connect(address).await.ok()?;
    let connector = TlsConnector::from(Arc::clone(&shared.to_server));
    let name = ServerName::try_from("localhost").unwrap();
    let server = connector.connect(name, server).await.ok()?;
    let (add, added) = unbounded_channel();
    *shared.added.lock().unwrap() = Some(add);
    relay(vault, server, &shared, added).await
}

/// The server's part of a stream's head.
const HEAD: &str = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' \
    xmlns:stream='http://etherx.jabber.org/streams' version='1.0' from='localhost' id='1'>";

/// Begins a stream and ends it with an error.
async fn end_with(
    vault: &mut (impl AsyncRead + AsyncWrite + Unpin),
    condition: &str,
) -> Option<()> {
    let words = format!("{HEAD}{}", stream_error(condition));
    vault.write_all(words.as_bytes()).await.ok()?;
    vault.flush().await.ok()?;
    // Until the other side has hung up.
    while vault.read(&mut [0; 1024]).await.ok()? > 0 {}
    None
}

/// Plays the server's part of the stream in clear (RFC 6120 5.4).
async fn open(vault: &mut TcpStream, opening: &Opening, sent: &Journal<String>) -> Option<()> {
    const OFFER: &str = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>";
    read_until(vault, "<stream:stream").await?;
    let offer = if *opening == Opening::Stripped {
        ""
    } else {
        OFFER
    };
    let features = format!("{HEAD}<stream:features>{offer}</stream:features>");
    if let Opening::Error(condition) = opening {
        return end_with(vault, condition).await;
    }
    vault.write_all(features.as_bytes()).await.ok()?;
    if *opening == Opening::Stripped {
        // What is said in clear then.
        let mut said = String::new();
        vault.read_to_string(&mut said).await.ok()?;
        sent.push(said);
        return None;
    }
    read_until(vault, "<starttls").await?;
    let more = match opening {
        Opening::Injected(words) => words,
        Opening::Honest | Opening::Stripped | Opening::Error(_) | Opening::ErrorInside(_) => "",
    };
    let proceed = format!("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>{more}");
    vault.write_all(proceed.as_bytes()).await.ok()
}

async fn read_until(vault: &mut (impl AsyncRead + Unpin), words: &str) -> Option<()> {
    let mut read = Vec::new();
    loop {
        let mut buffer = [0; 1024];
        let count = vault.read(&mut buffer).await.ok().filter(|it| *it > 0)?;
        read.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&read);
        if text.contains(words) && text.ends_with('>') {
            return Some(());
        }
    }
}

/// A stream error and the end of the stream (RFC 6120 4.9).
pub(crate) fn stream_error(condition: &str) -> String {
    format!(
        "<stream:error><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>\
         </stream:stream>"
    )
}

async fn relay(
    vault: server::TlsStream<TcpStream>,
    server: client::TlsStream<TcpStream>,
    shared: &Shared,
    mut added: UnboundedReceiver<String>,
) -> Option<()> {
    let (mut from_vault, to_vault) = split(vault);
    let (mut from_server, to_server) = split(server);
    let (to_vault, to_server) = (writer(to_vault), writer(to_server));
    let (mut vaults, mut servers) = (Frames::default(), Frames::default());
    let (mut one, mut other) = (vec![0; 16_384], vec![0; 16_384]);
    loop {
        tokio::select! {
            biased;
            more = added.recv() => {
                let added = more?;
                if frames::is_stanza(&added) {
                    shared.counts.lock().unwrap().added();
                }
                to_vault.send(added).ok()?;
            }
            count = from_vault.read(&mut one) => {
                let count = count.ok().filter(|it| *it > 0)?;
                for element in vaults.feed(&one[..count]) {
                    shared.hear_vault(&element, &to_server)?;
                }
            }
            count = from_server.read(&mut other) => {
                let count = count.ok().filter(|it| *it > 0)?;
                for element in servers.feed(&other[..count]) {
                    shared.hear_server(&element, &to_vault)?;
                }
            }
        }
    }
}

/// Writes what it is given until nobody gives any more.
fn writer(mut to: impl AsyncWrite + Unpin + Send + 'static) -> UnboundedSender<String> {
    let (give, mut given) = unbounded_channel::<String>();
    tokio::spawn(async move {
        while let Some(text) = given.recv().await {
            if to.write_all(text.as_bytes()).await.is_err() || to.flush().await.is_err() {
                return;
            }
        }
    });
    give
}

impl Shared {
    /// Passes on what the vault says; `None` ends the connection.
    fn hear_vault(&self, element: &str, to: &UnboundedSender<String>) -> Option<()> {
        self.sent.push(element.to_owned());
        let element = self.counts.lock().unwrap().translate(element);
        let is_resume = element.trim_start().starts_with("<resume");
        let element = if is_resume && self.no_resumption.load(Ordering::SeqCst) {
            frames::with_attr(&element, "previd", "no-such-stream")
        } else {
            element
        };
        let verdict = (self.rule.lock().unwrap())(Way::ToServer, &element);
        match verdict {
            Verdict::Pass => to.send(element).ok(),
            Verdict::Replace(others) => others.into_iter().try_for_each(|it| to.send(it)).ok(),
            Verdict::Hold => {
                self.held.push(element);
                Some(())
            }
            Verdict::Withhold => Some(()),
            Verdict::Cut => None,
        }
    }

    /// Passes on what the server says; `None` ends the connection.
    fn hear_server(&self, element: &str, to: &UnboundedSender<String>) -> Option<()> {
        let verdict = (self.rule.lock().unwrap())(Way::ToVault, element);
        let mut counts = self.counts.lock().unwrap();
        if !frames::is_stanza(element) {
            counts.heed(element);
        }
        match verdict {
            Verdict::Pass => {
                counts.came(element, usize::from(frames::is_stanza(element)));
                to.send(element.to_owned()).ok()
            }
            Verdict::Replace(others) => {
                let stanzas = others.iter().filter(|it| frames::is_stanza(it));
                counts.came(element, stanzas.count());
                others.into_iter().try_for_each(|it| to.send(it)).ok()
            }
            Verdict::Hold => {
                counts.came(element, 0);
                self.held.push(element.to_owned());
                Some(())
            }
            Verdict::Withhold => {
                counts.came(element, 0);
                Some(())
            }
            Verdict::Cut => None,
        }
    }
}
