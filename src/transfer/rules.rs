//! Which URLs a transfer may go to, and which addresses.
//!
//! Pure: a URL and an address go in, a verdict comes out. The one list of names is the owner's
//! own pins; everybody else's names count for nothing until they are resolved.

use std::{fmt, net::IpAddr, str::FromStr};

use url::{Host, Url};

use super::address::{self, Reach};

/// The port of `https` (RFC 9110 4.2.2).
const HTTPS_PORT: u16 = 443;

/// Longest URL that is looked at, in bytes; a name of 255 bytes, percent-encoded, takes 765.
const MAX_URL_BYTES: usize = 8192;

/// A host and port that the owner vouches for in the settings, written `host:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort {
    host: Host<String>,
    port: u16,
}

/// Why a text is no host and port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HostPortError {
    /// There is no port at the end.
    #[error("it must end in a colon and a port number, as in upload.example:5281")]
    NoPort,
    /// What stands before the port is neither a host name nor an address.
    #[error("it must begin with a host name, an IPv4 address or an IPv6 address in brackets")]
    NoHost,
}

impl FromStr for HostPort {
    type Err = HostPortError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (host, port) = text.rsplit_once(':').ok_or(HostPortError::NoPort)?;
        let port = port.parse().map_err(|_| HostPortError::NoPort)?;
        let host = Host::parse(without_final_dot(host)).map_err(|_| HostPortError::NoHost)?;
        Ok(Self { host, port })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// Where transfers may go besides public addresses on port 443.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Hosts with ports that the owner has written into the settings. They may have any address
    /// that a host can have.
    pub pins: Vec<HostPort>,
    /// The address that the XMPP connection has reached. It may be a private one.
    pub live_server: Option<IpAddr>,
    https_port: u16,
}

impl Rules {
    /// Creates the rules with what the owner pinned and the address of the XMPP connection.
    #[must_use]
    pub fn new(pins: Vec<HostPort>, live_server: Option<IpAddr>) -> Self {
        Self {
            pins,
            live_server,
            https_port: HTTPS_PORT,
        }
    }

    /// Takes another port for 443, since a test cannot listen there.
    #[cfg(test)]
    pub(super) fn with_https_port(mut self, port: u16) -> Self {
        self.https_port = port;
        self
    }

    /// Tells whether a connection for `target` may go to `address`.
    pub(super) fn admit(&self, target: &Target, address: IpAddr) -> bool {
        match address::reach(address) {
            Reach::Nobody => false,
            Reach::Public => true,
            Reach::Home => target.pinned || self.is_live_server(target, address),
            Reach::Local | Reach::Reserved => target.pinned,
        }
    }

    /// Tells whether a proxy may be asked to connect for `target`, whose address only the proxy will
    /// learn.
    pub(super) fn admit_by_name(&self, target: &Target) -> bool {
        target.pinned
            || match &target.host {
                Host::Domain(name) => !is_local_name(name),
                Host::Ipv4(_) | Host::Ipv6(_) => false,
            }
    }

    fn is_live_server(&self, target: &Target, address: IpAddr) -> bool {
        target.port == self.https_port
            && self.live_server.map(address::canonical) == Some(address::canonical(address))
    }
}

/// Why a transfer was not even tried. No connection was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The text is no URL, is too long, or holds control characters, blanks or backslashes.
    #[error("the link is malformed")]
    Malformed,
    /// Another scheme than `https`.
    #[error("the link is not https")]
    NotHttps,
    /// A user name or password stands before the host.
    #[error("the link carries a user name")]
    UserInfo,
    /// The host is an address instead of a name, and is not pinned.
    #[error("the link names an address instead of a host")]
    IpLiteral,
    /// The port is neither 443 nor pinned with this host.
    #[error("the link names a port other than 443")]
    Port,
    /// Every address of the host is in the home, in this computer or reserved.
    #[error("the host has no address on the Internet")]
    Address,
    /// A header or the content type holds what HTTP does not allow.
    #[error("the upload slot has a header that cannot be sent")]
    Header,
}

/// A URL that passed every rule that can be judged without resolving its host.
pub(super) struct Target {
    /// The URL to ask for, without its fragment.
    pub(super) url: Url,
    /// Its host: a name, or a pinned address.
    pub(super) host: Host<String>,
    /// Its port.
    pub(super) port: u16,
    /// Whether the owner pinned host and port.
    pub(super) pinned: bool,
}

impl Target {
    /// Judges `text` and forgets its fragment, which holds the key of the file.
    pub(super) fn parse(text: &str, rules: &Rules) -> Result<Self, Refusal> {
        let authority = authority(text)?;
        // The URL standard silently drops tabs and line breaks and turns backslashes round.
        if text.len() > MAX_URL_BYTES
            || authority.is_empty()
            || text
                .chars()
                .any(|it| it.is_control() || it.is_whitespace() || it == '\\')
        {
            return Err(Refusal::Malformed);
        }
        if authority.contains('@') {
            return Err(Refusal::UserInfo);
        }
        let mut url = Url::parse(text).map_err(|_| Refusal::Malformed)?;
        url.set_fragment(None);
        if let Some(bare) = url.domain().and_then(|it| it.strip_suffix('.')) {
            let bare = bare.to_owned();
            url.set_host(Some(&bare)).map_err(|_| Refusal::Malformed)?;
        }
        let host = url.host().ok_or(Refusal::Malformed)?.to_owned();
        let port = url.port().unwrap_or(HTTPS_PORT);
        let pinned = rules
            .pins
            .iter()
            .any(|pin| pin.host == host && pin.port == port);
        if !pinned && !matches!(host, Host::Domain(_)) {
            return Err(Refusal::IpLiteral);
        }
        if !pinned && port != rules.https_port {
            return Err(Refusal::Port);
        }
        Ok(Self {
            url,
            host,
            port,
            pinned,
        })
    }
}

/// Tells whether a name can only mean a host in the home, the company or this computer.
///
/// RFC 6761 6.3, RFC 6762 3, RFC 8375; `.internal` is set aside for private use by ICANN, the rest is
/// what routers and companies use without asking anybody.
fn is_local_name(name: &str) -> bool {
    const LOCAL: [&str; 10] = [
        "localhost",
        "local",
        "localdomain",
        "internal",
        "intranet",
        "home.arpa",
        "home",
        "lan",
        "corp",
        "private",
    ];
    let name = without_final_dot(name);
    !name.contains('.')
        || LOCAL.iter().any(|last| {
            name.strip_suffix(last)
                .is_some_and(|before| before.ends_with('.'))
        })
}

/// Returns what stands between `https://` and the path.
fn authority(text: &str) -> Result<&str, Refusal> {
    let (scheme, rest) = text.split_once("://").ok_or(Refusal::Malformed)?;
    if !scheme.eq_ignore_ascii_case("https") {
        return Err(Refusal::NotHttps);
    }
    Ok(rest.split(['/', '?', '#']).next().unwrap_or_default())
}

fn without_final_dot(host: &str) -> &str {
    host.strip_suffix('.').unwrap_or(host)
}

#[cfg(test)]
mod tests;
