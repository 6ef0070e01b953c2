//! A link with its arrivals, and waiting for one of them.

use std::time::Duration;

use strongroom::xmpp::{
    Account, Arrival, Content, FatalReason, Link, Message, Password, Stage, TlsTrust, start,
};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::prosody::Prosody;

const PATIENCE: Duration = Duration::from_secs(40);

/// One client of the room.
pub(crate) struct Peer {
    pub(crate) link: Link,
    pub(crate) arrivals: mpsc::Receiver<Arrival>,
}

/// Returns an account on the server, by STARTTLS and its certificate authority.
pub(crate) fn account(server: &Prosody, name: &str) -> Account {
    Account {
        jid: format!("{name}@localhost"),
        password: Password::new(format!("pw-{name}")),
        resource: "room".to_owned(),
        host: Some(("127.0.0.1".to_owned(), server.starttls_port)),
        direct_tls: false,
        trust: TlsTrust::Ca(server.ca()),
        proxy: None,
        allow_plain: false,
        has_worked: false,
    }
}

impl Peer {
    pub(crate) fn start(account: Account) -> Self {
        let (sender, arrivals) = mpsc::channel(16);
        Self {
            link: start(account, sender),
            arrivals,
        }
    }

    /// Starts a client, waits until it is online and announces it.
    pub(crate) async fn online(account: Account) -> Self {
        let mut peer = Self::start(account);
        assert!(peer.next_online().await, "the first stream is fresh");
        peer.link.announce();
        peer
    }

    /// Returns the first arrival that `pick` picks.
    pub(crate) async fn next<T>(&mut self, mut pick: impl FnMut(Arrival) -> Option<T>) -> T {
        let search = async {
            loop {
                let arrival = self.arrivals.recv().await.expect("the task lives");
                if let Some(found) = pick(arrival) {
                    break found;
                }
            }
        };
        timeout(PATIENCE, search).await.expect("it arrives in time")
    }

    /// Waits until online; returns whether the stream is fresh.
    pub(crate) async fn next_online(&mut self) -> bool {
        self.next(|arrival| match arrival {
            Arrival::Online { fresh, .. } => Some(fresh),
            Arrival::Fatal(reason) => panic!("{reason}"),
            _ => None,
        })
        .await
    }

    /// Waits for the next reason why there is no stream, which is to be a passing one.
    pub(crate) async fn next_offline(&mut self) -> String {
        self.next(|arrival| match arrival {
            Arrival::Offline { reason } => Some(reason),
            Arrival::Fatal(reason) => panic!("{reason}"),
            _ => None,
        })
        .await
    }

    pub(crate) async fn next_fatal(&mut self) -> FatalReason {
        self.next(|arrival| match arrival {
            Arrival::Fatal(reason) => Some(reason),
            Arrival::Online { .. } => panic!("it went online"),
            _ => None,
        })
        .await
    }

    pub(crate) async fn next_message(&mut self) -> Box<Message> {
        self.next(|arrival| match arrival {
            Arrival::Message(message) => Some(message),
            _ => None,
        })
        .await
    }

    /// Waits for the next message in clear and returns its text.
    pub(crate) async fn next_text(&mut self) -> String {
        self.next(|arrival| match arrival {
            Arrival::Message(message) => text_of(&message),
            _ => None,
        })
        .await
    }

    /// Waits until the stanza with this token reaches a stage.
    pub(crate) async fn next_stage(&mut self, wanted: u64) -> Stage {
        self.next(|arrival| match arrival {
            Arrival::Stage { token, stage } if token == wanted => Some(stage),
            _ => None,
        })
        .await
    }
}

pub(crate) fn text_of(message: &Message) -> Option<String> {
    match &message.content {
        Content::Plain(text) => Some(text.clone()),
        _ => None,
    }
}
