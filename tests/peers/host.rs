//! A web host that need not be honest: it sends the bytes it is told to, over TLS with the
//! certificate of the test's Prosody, and counts every connection it accepts.

use std::{
    collections::HashMap,
    io::{self, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use crate::prosody::Prosody;

/// Answers by path, whole and raw: status line, head and body.
type Answers = Arc<Mutex<HashMap<String, Vec<u8>>>>;

/// The heads of all requests.
type Heads = Arc<Mutex<Vec<String>>>;

/// A host on `localhost`. It serves until the test process ends.
pub(crate) struct Host {
    port: u16,
    accepted: Arc<AtomicUsize>,
    answers: Answers,
    heads: Heads,
}

impl Host {
    /// Starts to listen; every path is 404 until it is given an answer.
    pub(crate) fn start(server: &Prosody) -> Self {
        Self::listen(server, 0).unwrap()
    }

    /// Starts to listen on a certain port.
    pub(crate) fn listen(server: &Prosody, port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let port = listener.local_addr().unwrap().port();
        let config = tls(server, &[]);
        let accepted = Arc::new(AtomicUsize::new(0));
        let answers = Answers::default();
        let heads = Heads::default();
        let host = Self {
            port,
            accepted: Arc::clone(&accepted),
            answers: Arc::clone(&answers),
            heads: Arc::clone(&heads),
        };
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                accepted.fetch_add(1, Ordering::SeqCst);
                let (config, answers) = (Arc::clone(&config), Arc::clone(&answers));
                let heads = Arc::clone(&heads);
                thread::spawn(move || serve(stream, config, &answers, &heads));
            }
        });
        Ok(host)
    }

    /// Sends these bytes to whoever asks for this path.
    pub(crate) fn answer(&self, path: &str, bytes: impl Into<Vec<u8>>) {
        self.answers
            .lock()
            .unwrap()
            .insert(path.to_owned(), bytes.into());
    }

    /// Serves a body that announces `length`, true or not.
    pub(crate) fn serve(&self, path: &str, length: u64, body: &[u8]) {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
        self.answer(path, [head.as_bytes(), body].concat());
    }

    /// Returns how many connections were accepted so far.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// Returns the heads of all requests so far.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    /// The port on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The link that a message would carry.
    pub(crate) fn aesgcm(&self, path: &str, fragment: &str) -> String {
        format!("aesgcm://localhost:{}{path}#{fragment}", self.port)
    }
}

/// TLS with the certificate of the test's Prosody.
pub(crate) fn tls(server: &Prosody, protocols: &[&[u8]]) -> Arc<ServerConfig> {
    let certificate = CertificateDer::from_pem_file(server.folder().join("server.crt"));
    let key = PrivateKeyDer::from_pem_file(server.folder().join("server.key"));
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.unwrap()], key.unwrap())
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|it| it.to_vec()).collect();
    Arc::new(config)
}

fn serve(tcp: TcpStream, config: Arc<ServerConfig>, answers: &Answers, heads: &Heads) {
    // Whoever connects may hang up at any time, which is his own affair.
    tcp.set_read_timeout(Some(Duration::from_secs(30))).ok();
    let mut stream = StreamOwned::new(ServerConnection::new(config).unwrap(), tcp);
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return,
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    heads.lock().unwrap().push(head.clone());
    // Who is answered while he still sends may take the end of the line for a failure.
    let mut body = (&mut stream).take(body_bytes(&head));
    io::copy(&mut body, &mut io::sink()).ok();
    let path = head.split(' ').nth(1).unwrap_or_default();
    let answer = answers.lock().unwrap().get(path).cloned();
    let answer = answer.unwrap_or_else(|| b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n".to_vec());
    if stream.write_all(&answer).is_ok() {
        stream.conn.send_close_notify();
        stream.flush().ok();
        stream.sock.shutdown(std::net::Shutdown::Write).ok();
        io::copy(&mut stream.sock, &mut io::sink()).ok();
    }
}

fn body_bytes(head: &str) -> u64 {
    let lines = head.lines().filter_map(|it| it.split_once(':'));
    let mut lengths = lines.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length = lengths
        .next()
        .and_then(|(_, bytes)| bytes.trim().parse().ok());
    length.unwrap_or(0)
}
