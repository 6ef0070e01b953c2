//! A server that is none: it speaks just enough XMPP to be asked for an account, with the
//! certificate of the test's Prosody.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Command, Output},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::{
    daemon::strongroom,
    host::tls,
    prosody::{DOMAIN, Prosody},
};

/// What it answers.
#[derive(Clone, Default)]
struct Script {
    /// Inside of the query that names what is wanted.
    offer: String,
    /// How the wish itself is answered; empty for success.
    refusal: String,
    /// What was asked for, as it came.
    wishes: Vec<String>,
}

/// A listener with TLS from the first byte. It serves until the test process ends.
pub(crate) struct Mock {
    port: u16,
    authority: PathBuf,
    script: Arc<Mutex<Script>>,
}

impl Mock {
    pub(crate) fn start(server: &Prosody) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let config = tls(server, &[b"xmpp-client"]);
        let script = Arc::new(Mutex::new(Script::default()));
        let shared = Arc::clone(&script);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (config, script) = (Arc::clone(&config), Arc::clone(&shared));
                thread::spawn(move || serve(stream, config, &script));
            }
        });
        Self {
            port,
            authority: server.authority(),
            script,
        }
    }

    /// Has it want this from whom wants an account.
    pub(crate) fn offer(&self, inside: &str) {
        self.script.lock().unwrap().offer = inside.to_owned();
    }

    /// Has it refuse every wish for an account so; empty for none.
    pub(crate) fn refuse(&self, error: &str) {
        self.script.lock().unwrap().refusal = error.to_owned();
    }

    /// Every wish for an account so far.
    pub(crate) fn wishes(&self) -> Vec<String> {
        self.script.lock().unwrap().wishes.clone()
    }

    /// Adds what leads a program to it.
    pub(crate) fn lead(&self, command: &mut Command) {
        command
            .args(["--server", &format!("127.0.0.1:{}", self.port)])
            .arg("--direct-tls")
            .arg("--ca-file")
            .arg(&self.authority);
    }

    /// Runs `strongroom check` on it.
    pub(crate) fn check(&self) -> Output {
        let mut command = strongroom();
        command.args(["--config", "/nonexistent", "check", DOMAIN]);
        self.lead(&mut command);
        command.output().unwrap()
    }
}

fn serve(tcp: TcpStream, config: Arc<ServerConfig>, script: &Mutex<Script>) {
    tcp.set_read_timeout(Some(Duration::from_secs(30))).ok();
    let mut stream = StreamOwned::new(ServerConnection::new(config).unwrap(), tcp);
    let mut heard = String::new();
    let mut bytes = [0; 4_096];
    loop {
        let answer = {
            let mut script = script.lock().unwrap();
            answer(&heard, &mut script)
        };
        if let Some(answer) = answer {
            heard.clear();
            if stream.write_all(answer.as_bytes()).is_err() || stream.flush().is_err() {
                return;
            }
        }
        match stream.read(&mut bytes) {
            Ok(0) | Err(_) => return,
            Ok(length) => heard.push_str(&String::from_utf8_lossy(&bytes[..length])),
        }
    }
}

/// Answers what was heard, once it is whole.
fn answer(heard: &str, script: &mut Script) -> Option<String> {
    let id = || {
        let after = heard.split("id=").nth(1).unwrap_or_default();
        after.get(1..).and_then(|it| it.split(['\'', '"']).next())
    };
    if heard.contains("<stream:stream") || heard.contains("<stream ") {
        return Some(format!(
            "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' \
             from='{DOMAIN}' id='mock' version='1.0'><stream:features>\
             <mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>\
             <mechanism>SCRAM-SHA-256</mechanism></mechanisms></stream:features>"
        ));
    }
    if heard.contains("</stream") {
        return Some("</stream:stream>".to_owned());
    }
    if heard.contains("<auth") {
        // The account is there, and nobody has let it in.
        return Some(
            "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><account-disabled/></failure>"
                .to_owned(),
        );
    }
    if !heard.contains("</iq>") {
        return None;
    }
    let id = id().unwrap_or_default();
    let query = "query xmlns='jabber:iq:register'";
    if heard.contains("'get'") || heard.contains("\"get\"") {
        let offer = &script.offer;
        return Some(format!(
            "<iq type='result' id='{id}' from='{DOMAIN}'><{query}>{offer}</query></iq>"
        ));
    }
    script.wishes.push(heard.to_owned());
    Some(match script.refusal.as_str() {
        "" => format!("<iq type='result' id='{id}' from='{DOMAIN}'/>"),
        // As a line that breaks at the worst moment.
        "hang up" => "</stream:stream>".to_owned(),
        refusal => format!("<iq type='error' id='{id}' from='{DOMAIN}'>{refusal}</iq>"),
    })
}
