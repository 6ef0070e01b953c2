//! An HTTPS server on loopback that does as it is told and counts every connection it accepts,
//! before TLS and before HTTP, so that the count owes nothing to the program under test.

use std::{
    collections::HashMap,
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use futures::future::BoxFuture;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::{Duration, sleep},
};
use tokio_rustls::TlsAcceptor;

use crate::transfer::{
    route::Resolve,
    tls::{self, Trust},
};

/// The name in the server's certificate.
pub(super) const HOST: &str = "home.example";

/// What the server does once it has read the head of a request.
#[derive(Clone)]
pub(super) enum Script {
    /// Sends these bytes and closes in good order.
    Answer(Vec<u8>),
    /// Sends these bytes, then nothing, and keeps the connection.
    Stall(Vec<u8>),
    /// Sends these bytes and drops the connection without closing TLS.
    Cut(Vec<u8>),
    /// Sends the head, then one byte after each pause.
    Trickle(Vec<u8>, Duration),
    /// Sends the head, then zeros for as long as they are taken.
    Flood(Vec<u8>),
    /// Reads the announced body, then answers.
    Receive(Vec<u8>),
}

/// What the server saw of one request.
pub(super) struct Request {
    pub(super) head: String,
    /// The body; empty where the script does not read it.
    pub(super) body: Vec<u8>,
    /// Whether the body came to its announced end.
    pub(super) complete: bool,
}

/// A certificate with its key, and the authority that signed it.
pub(super) struct Identity {
    pub(super) authority: String,
    pub(super) certificate: CertificateDer<'static>,
    key: Vec<u8>,
}

impl Identity {
    pub(super) fn new(host: &str) -> Self {
        Self::with(host, |_| ())
    }

    pub(super) fn with(host: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut root = CertificateParams::new(Vec::new()).unwrap();
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root_key = KeyPair::generate().unwrap();
        let authority = root.self_signed(&root_key).unwrap().pem();
        let mut leaf = CertificateParams::new(vec![host.to_owned()]).unwrap();
        change(&mut leaf);
        let key = KeyPair::generate().unwrap();
        let certificate = leaf.signed_by(&key, &Issuer::new(root, root_key)).unwrap();
        Self {
            authority,
            certificate: certificate.der().clone(),
            key: key.serialize_der(),
        }
    }

    pub(super) fn trust(&self) -> rustls::ClientConfig {
        tls::client_config(&Trust::Authority(self.authority.clone().into_bytes())).unwrap()
    }
}

pub(super) struct Server {
    pub(super) port: u16,
    pub(super) identity: Identity,
    accepted: Arc<AtomicUsize>,
    /// Bytes of bodies that the server could hand to its socket.
    pub(super) flooded: Arc<AtomicU64>,
    requests: mpsc::UnboundedReceiver<Request>,
}

impl Server {
    pub(super) async fn start(script: Script) -> Self {
        Self::with_identity(script, Identity::new(HOST)).await
    }

    /// Listens on 127.0.0.1 and on [::1], on the same port.
    pub(super) async fn with_identity(script: Script, identity: Identity) -> Self {
        let (v4, v6) = loop {
            let v4 = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let port = v4.local_addr().unwrap().port();
            match TcpListener::bind((Ipv6Addr::LOCALHOST, port)).await {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                other => break (v4, other.ok()),
            }
        };
        let port = v4.local_addr().unwrap().port();
        let config =
            ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(
                    vec![identity.certificate.clone()],
                    PrivateKeyDer::Pkcs8(identity.key.clone().into()),
                )
                .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let accepted = Arc::new(AtomicUsize::new(0));
        let flooded = Arc::new(AtomicU64::new(0));
        let (seen, requests) = mpsc::unbounded_channel();
        for listener in [Some(v4), v6].into_iter().flatten() {
            let connection = Connection {
                acceptor: acceptor.clone(),
                script: script.clone(),
                flooded: Arc::clone(&flooded),
                seen: seen.clone(),
            };
            let accepted = Arc::clone(&accepted);
            tokio::spawn(async move {
                while let Ok((tcp, _)) = listener.accept().await {
                    accepted.fetch_add(1, Ordering::SeqCst);
                    tokio::spawn(connection.clone().serve(tcp));
                }
            });
        }
        Self {
            port,
            identity,
            accepted,
            flooded,
            requests,
        }
    }

    /// Returns how many connections were accepted so far.
    pub(super) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    pub(super) async fn request(&mut self) -> Request {
        self.requests.recv().await.unwrap()
    }

    pub(super) fn url(&self) -> String {
        format!("https://{HOST}:{}/photo.jpg", self.port)
    }

    pub(super) fn pin(&self) -> String {
        format!("{HOST}:{}", self.port)
    }
}

#[derive(Clone)]
struct Connection {
    acceptor: TlsAcceptor,
    script: Script,
    flooded: Arc<AtomicU64>,
    seen: mpsc::UnboundedSender<Request>,
}

impl Connection {
    async fn serve(self, tcp: TcpStream) {
        if let Ok(stream) = self.acceptor.accept(tcp).await {
            // A client that hangs up early is what most of the tests are about.
            self.talk(stream).await.ok();
        }
    }

    async fn talk(self, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => break,
            }
        }
        let mut request = Request {
            head: String::from_utf8(head).unwrap(),
            body: Vec::new(),
            complete: false,
        };
        if let (Script::Receive(_), true) = (&self.script, request.head.ends_with("\r\n\r\n")) {
            let length = header(&request.head, "content-length")
                .unwrap()
                .parse()
                .unwrap();
            let mut limited = (&mut stream).take(length);
            let outcome = limited.read_to_end(&mut request.body).await;
            request.complete = outcome.is_ok() && request.body.len() as u64 == length;
        }
        let complete = request.complete;
        self.seen.send(request).ok();
        match self.script {
            Script::Answer(bytes) => {
                stream.write_all(&bytes).await?;
                stream.shutdown().await?;
                // Leaves the closing to the client, so that no answer is lost to a reset.
                stream.read_to_end(&mut Vec::new()).await?;
            }
            Script::Receive(bytes) if complete => stream.write_all(&bytes).await?,
            Script::Receive(_) => {}
            Script::Cut(bytes) => {
                stream.write_all(&bytes).await?;
                stream.flush().await?;
            }
            Script::Stall(bytes) => {
                stream.write_all(&bytes).await?;
                stream.flush().await?;
                std::future::pending::<()>().await;
            }
            Script::Trickle(bytes, pause) => {
                stream.write_all(&bytes).await?;
                loop {
                    stream.flush().await?;
                    sleep(pause).await;
                    stream.write_u8(0).await?;
                }
            }
            Script::Flood(bytes) => {
                stream.write_all(&bytes).await?;
                let zeros = vec![0; 64 << 10];
                loop {
                    stream.write_all(&zeros).await?;
                    self.flooded.fetch_add(zeros.len() as u64, Ordering::SeqCst);
                }
            }
        }
        stream.flush().await
    }
}

/// Returns the value of a header in the head of a request.
pub(super) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .filter_map(|line| line.split_once(": "))
        .find(|(found, _)| found.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

/// An answer with a body and its true length.
pub(super) fn ok(body: &[u8]) -> Vec<u8> {
    let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    answer.push_str(std::str::from_utf8(body).unwrap());
    answer.into_bytes()
}

/// Knows what it is told, and how often it was asked. A host with several answers gives one after
/// the other, and the last for ever.
#[derive(Default)]
pub(super) struct Names {
    answers: Mutex<HashMap<String, Vec<Vec<SocketAddr>>>>,
    asked: AtomicUsize,
}

impl Names {
    pub(super) fn with(self, host: &str, answers: &[&[&str]]) -> Self {
        let answers = answers
            .iter()
            .map(|answer| {
                answer
                    .iter()
                    .map(|it| SocketAddr::new(it.parse().unwrap(), 0))
                    .collect()
            })
            .collect();
        self.answers
            .lock()
            .unwrap()
            .insert(host.to_owned(), answers);
        self
    }

    pub(super) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Resolve for Names {
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let answer = self.answers.lock().unwrap().get_mut(host).map(|answers| {
            if answers.len() > 1 {
                answers.remove(0)
            } else {
                answers[0].clone()
            }
        });
        Box::pin(async move { answer.ok_or_else(|| io::Error::other("no such host")) })
    }
}
