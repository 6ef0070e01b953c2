//! Ciphertext over HTTPS, in and out, with no trust in whoever named the address.
//!
//! A message names the URL of a download and a server names the slot of an upload; either may be
//! an attacker who wants this daemon to knock on doors inside the home. Every transfer is therefore
//! judged by [`Rules`] before a socket is opened, its host is resolved exactly once, and the
//! connection goes to the very address that was judged. Behind a proxy nothing is resolved: names
//! that can only be local are refused, and the proxy is given the others. The room knows neither
//! XMPP nor OMEMO nor the vault: bytes pass through it chunk by chunk and none is kept.
//!
//! Nothing in this room writes to the log, and no error shows a URL, a host or a path: what a
//! caller logs of them is safe to log.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use tokio::sync::mpsc;

pub use self::{
    fault::TlsFault,
    fetch::{Download, FetchError, Limits},
    put::{PutError, Upload},
    rules::{HostPort, HostPortError, Refusal, Rules},
};
use self::{
    route::{Resolve, SystemResolver},
    rules::Target,
};

pub mod address;
mod fault;
mod fetch;
#[doc(hidden)]
pub mod fuzzing;
mod pace;
mod put;
mod route;
mod rules;
#[cfg(test)]
mod tests;
pub mod tls;

/// How long a transfer may keep us waiting.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For the name to resolve, and again for the connection and its TLS handshake.
    pub connect: Duration,
    /// From the end of the request to the head of the answer.
    pub answer: Duration,
    /// The stretch of time over which the least speed is measured.
    pub window: Duration,
    /// The bytes that must move within any such stretch; time in which our own side keeps the
    /// network waiting does not count.
    pub bytes_per_window: u64,
    /// From the first look-up to the last byte.
    pub total: Duration,
}

impl Default for Patience {
    /// Gives up below 1 KiB/s over any 60 seconds, and after twelve hours in any case.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(20),
            answer: Duration::from_secs(120),
            window: Duration::from_secs(60),
            bytes_per_window: 60 * 1024,
            total: Duration::from_secs(12 * 60 * 60),
        }
    }
}

/// Fetches and uploads ciphertext, each transfer on a connection of its own.
///
/// Cloning is cheap: a task that transfers takes its own clone.
#[derive(Clone)]
pub struct Client {
    tls: rustls::ClientConfig,
    rules: Rules,
    patience: Patience,
    resolver: Arc<dyn Resolve>,
    proxy: Option<SocketAddr>,
}

impl Client {
    /// Creates a client that trusts servers as `tls` says ([`tls::client_config`] builds one) and
    /// connects only where `rules` allow.
    #[must_use]
    pub fn new(tls: rustls::ClientConfig, rules: Rules, patience: Patience) -> Self {
        Self::with_resolver(tls, rules, patience, Arc::new(SystemResolver))
    }

    fn with_resolver(
        mut tls: rustls::ClientConfig,
        rules: Rules,
        patience: Patience,
        resolver: Arc<dyn Resolve>,
    ) -> Self {
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self {
            tls,
            rules,
            patience,
            resolver,
            proxy: None,
        }
    }

    /// Sends everything through this SOCKS5 proxy, if there is one; no name is resolved then.
    #[must_use]
    pub fn through(mut self, proxy: Option<SocketAddr>) -> Self {
        self.proxy = proxy;
        self
    }

    /// Tells the client which address the XMPP connection has reached, or that there is none; a
    /// home server at a private address may be fetched from only while we are logged in to it.
    pub fn set_live_server(&mut self, address: Option<IpAddr>) {
        self.rules.live_server = address;
    }

    /// Judges a URL as far as that goes without resolving its host.
    ///
    /// # Errors
    ///
    /// Returns the rule that the URL breaks.
    pub fn check(&self, url: &str) -> Result<(), Refusal> {
        Target::parse(url, &self.rules).map(|_| ())
    }

    /// Asks for what `url` names and returns once the head of the answer has been accepted; the
    /// body is then read with [`Download::chunk`].
    ///
    /// # Errors
    ///
    /// Returns why there is no body to read; [`FetchError::is_transient`] says whether asking
    /// again later can help.
    pub async fn fetch(&self, url: &str, limits: Limits) -> Result<Download, FetchError> {
        fetch::fetch(self, url, limits).await
    }

    /// Uploads exactly `upload.length` bytes, which the caller sends chunk by chunk through the
    /// other end of `body`, and returns once the server has confirmed them.
    ///
    /// The caller drops its sender after the last chunk, which is held back until then. An `Err`
    /// in the channel, and a channel closed too early, end the upload so that the server cannot
    /// take it for complete.
    ///
    /// # Errors
    ///
    /// Returns why the server does not have the file; [`PutError::is_transient`] says whether
    /// trying again with a new slot can help.
    pub async fn put(
        &self,
        upload: &Upload<'_>,
        body: mpsc::Receiver<io::Result<Bytes>>,
    ) -> Result<(), PutError> {
        put::put(self, upload, body).await
    }
}
