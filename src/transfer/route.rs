//! From a judged URL to a client that can reach only the judged addresses.
//!
//! The host is resolved here and nowhere else: the HTTP library is given a resolver that knows
//! one answer, so that a name which changes its address between check and connection (DNS
//! rebinding) changes nothing. Behind a proxy it knows none: whatever the library wanted to resolve
//! would fail.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use futures::future::BoxFuture;
use reqwest::{dns, redirect};
use tokio::time::timeout;
use url::Host;

use super::{
    Client, address,
    fault::Fault,
    rules::{Refusal, Target},
};

/// Turns a host name into addresses.
pub(super) trait Resolve: Send + Sync {
    /// Returns the addresses of `host`; their ports mean nothing.
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>>;
}

/// Asks the operating system, which knows the hosts file and the home's own names.
pub(super) struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(crate::names::look_up(host, 0))
    }
}

/// Answers every question with the addresses that were checked.
struct Checked(Arc<[SocketAddr]>);

impl dns::Resolve for Checked {
    fn resolve(&self, _name: dns::Name) -> dns::Resolving {
        let addresses = self.0.to_vec();
        Box::pin(async move { Ok(Box::new(addresses.into_iter()) as dns::Addrs) })
    }
}

/// Judges `url`, resolves its host once and returns a client for exactly this transfer, with the
/// URL to ask for.
pub(super) async fn open(client: &Client, url: &str) -> Result<(reqwest::Client, Target), Fault> {
    let target = Target::parse(url, &client.rules)?;
    let addresses = match client.proxy {
        None => resolve(client, &target).await?,
        Some(_) if client.rules.admit_by_name(&target) => Vec::new(),
        Some(_) => return Err(Fault::Refused(Refusal::Address)),
    };
    let builder = reqwest::Client::builder()
        .tls_backend_preconfigured(client.tls.clone())
        .dns_resolver(Checked(addresses.into()))
        .https_only(true)
        .http1_only()
        .no_proxy()
        .redirect(redirect::Policy::none())
        .referer(false)
        .retry(reqwest::retry::never())
        .pool_max_idle_per_host(0)
        .connect_timeout(client.patience.connect)
        // Ends the connection to a server that stops reading, which else would never finish closing.
        .tcp_user_timeout(client.patience.window);
    let builder = match client.proxy {
        None => builder,
        Some(proxy) => {
            // The "h": the proxy is given the name.
            let proxy = reqwest::Proxy::all(format!("socks5h://{proxy}"));
            builder.proxy(proxy.map_err(|_| Fault::Protocol)?)
        }
    };
    let http = builder.build().map_err(|_| Fault::Protocol)?;
    Ok((http, target))
}

/// Tells where a transfer of `url` would connect to.
#[cfg(test)]
pub(super) async fn admitted(client: &Client, url: &str) -> Result<Vec<SocketAddr>, Fault> {
    resolve(client, &Target::parse(url, &client.rules)?).await
}

async fn resolve(client: &Client, target: &Target) -> Result<Vec<SocketAddr>, Fault> {
    let found = match &target.host {
        Host::Domain(name) => timeout(client.patience.connect, client.resolver.resolve(name))
            .await
            .map_err(|_| Fault::Unresolved)?
            .map_err(|_| Fault::Unresolved)?,
        Host::Ipv4(v4) => vec![SocketAddr::new(IpAddr::V4(*v4), 0)],
        Host::Ipv6(v6) => vec![SocketAddr::new(IpAddr::V6(*v6), 0)],
    };
    if found.is_empty() {
        return Err(Fault::Unresolved);
    }
    let admitted: Vec<_> = found
        .into_iter()
        .filter(|it| client.rules.admit(target, it.ip()))
        .map(|mut it| {
            // A link-local address keeps its zone, which only the whole socket address carries.
            if it.ip() != address::canonical(it.ip()) {
                it.set_ip(address::canonical(it.ip()));
            }
            it.set_port(target.port);
            it
        })
        .collect();
    if admitted.is_empty() {
        return Err(Fault::Refused(Refusal::Address));
    }
    Ok(admitted)
}
