//! The room against real sockets on loopback.

mod fetching;
mod putting;
mod refusing;
mod server;

use std::sync::Arc;

use tokio::time::Duration;

use self::server::{HOST, Identity, Names, Server};
use super::{Client, Patience, Rules};

/// Long enough that only a hanging test reaches it.
fn patient() -> Patience {
    Patience {
        connect: Duration::from_secs(30),
        answer: Duration::from_secs(30),
        window: Duration::from_secs(60),
        bytes_per_window: 1,
        total: Duration::from_secs(60),
    }
}

fn names() -> Names {
    Names::default().with(HOST, &[&["127.0.0.1"]])
}

/// A client that believes the server and has it pinned.
fn client(server: &Server, patience: Patience) -> Client {
    client_with(server, &server.identity, patience)
}

fn client_with(server: &Server, identity: &Identity, patience: Patience) -> Client {
    let rules = Rules::new(vec![server.pin().parse().unwrap()], None);
    Client::with_resolver(identity.trust(), rules, patience, Arc::new(names()))
}
