//! From an address to an encrypted stream: which host, TCP, TLS at once or after STARTTLS.
//!
//! It does not log in.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::proto::rr::RData;
use minidom::Element;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ProtocolVersion};
use tokio::io::BufStream;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_xmpp::connect::AsyncReadAndWrite;

use super::account::{Account, TlsTrust};
use super::arrival::FatalReason;
use super::socks;
use super::srv::{self, SrvRecord, Target};
use super::tls::{self, HandshakeFailure};
use super::wire::{self, Wire, WireError};
use super::xml::Xml;

/// A connection as the XML stream and TLS take it.
type Buffered = Box<dyn AsyncReadAndWrite + Send>;

const STARTTLS: &str = "urn:ietf:params:xml:ns:xmpp-tls";
const DNS_TIMEOUT: Duration = Duration::from_secs(6);
const TCP_TIMEOUT: Duration = Duration::from_secs(8);
/// How long a proxy may take to reach the host: Tor builds a circuit first.
const PROXY_TIMEOUT: Duration = Duration::from_secs(60);
const STREAM_TIMEOUT: Duration = Duration::from_secs(20);

/// Why there is no stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ConnectError {
    /// Trying again will not help.
    Fatal(FatalReason),
    /// Trying again may help.
    Passing(String),
}

impl From<WireError> for ConnectError {
    fn from(error: WireError) -> Self {
        match error {
            WireError::Stream(error) => super::backoff::judge_stream_error(&error),
            WireError::Io(_) | WireError::Closed | WireError::Unexpected => {
                Self::Passing(error.to_string())
            }
        }
    }
}

/// An encrypted stream, not yet logged in.
pub(crate) struct Connected {
    pub(crate) wire: Wire,
    pub(crate) features: Element,
    /// The exporter value that ties a login to this TLS connection (RFC 9266), with TLS 1.3.
    pub(crate) channel_binding: Option<Vec<u8>>,
    /// The address of the server itself; unknown behind a proxy.
    pub(crate) peer_address: Option<SocketAddr>,
}

/// Where the hosts to try come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The settings or the command line name the server.
    Settings,
    /// The domain's SRV records name it.
    Records,
    /// The domain has no such records, so that it is tried itself.
    NoRecords,
    /// The domain's records say that it offers no XMPP.
    Denied,
    /// Behind a proxy no records can be asked for, so that the domain is tried itself.
    Proxy,
}

/// What is needed to connect.
pub(crate) struct Connector {
    /// The domain as it stands in the address.
    domain: String,
    /// The domain as DNS and certificates write it.
    ascii_domain: String,
    host: Option<(String, u16)>,
    direct_tls: bool,
    proxy: Option<SocketAddr>,
    direct: Arc<ClientConfig>,
    starttls: Arc<ClientConfig>,
}

impl Connector {
    /// Checks the settings.
    pub(crate) fn new(account: &Account, domain: &str) -> Result<Self, FatalReason> {
        let trust: &TlsTrust = &account.trust;
        let unusable = || FatalReason::Settings(format!("{domain} is no domain"));
        let ascii_domain = match url::Host::parse(domain).map_err(|_| unusable())? {
            url::Host::Domain(name) => name,
            url::Host::Ipv4(address) => address.to_string(),
            url::Host::Ipv6(address) => address.to_string(),
        };
        Ok(Self {
            domain: domain.to_owned(),
            ascii_domain,
            host: account.host.clone(),
            direct_tls: account.direct_tls,
            proxy: account.proxy,
            direct: tls::client_config(trust, true)?,
            starttls: tls::client_config(trust, false)?,
        })
    }

    /// Tries all hosts and addresses in turn until one gives an encrypted stream.
    pub(crate) async fn connect(&self) -> Result<Connected, ConnectError> {
        let (targets, _) = self.targets().await;
        if targets.is_empty() {
            let reason = format!("{} says that it offers no XMPP", self.domain);
            return Err(ConnectError::Passing(reason));
        }
        let mut first_error = None;
        for target in &targets {
            match self.try_target(target).await {
                Ok(connected) => return Ok(connected),
                Err(error) => {
                    log::debug!("{}:{}: {error:?}", target.host, target.port);
                    // A host that cannot be believed outweighs one that cannot be reached.
                    let fatal = matches!(error, ConnectError::Fatal(_));
                    if first_error.is_none() || fatal {
                        first_error = Some(error);
                    }
                }
            }
        }
        Err(first_error.unwrap_or_else(|| ConnectError::Passing("no host".to_owned())))
    }

    /// Finds the hosts to try, in their order.
    pub(crate) async fn targets(&self) -> (Vec<Target>, Origin) {
        let target = |host: &str, port, direct_tls| Target {
            host: host.to_owned(),
            port,
            direct_tls,
        };
        if let Some((host, port)) = &self.host {
            let only = target(host, *port, self.direct_tls);
            return (vec![only], Origin::Settings);
        }
        if self.proxy.is_some() {
            // SOCKS carries connections and no questions for records.
            let both = [(5222, false), (5223, true)];
            let both = both.map(|(port, direct)| target(&self.ascii_domain, port, direct));
            return (both.to_vec(), Origin::Proxy);
        }
        let (direct, starttls) = match crate::names::resolver() {
            Some(resolver) => tokio::join!(
                lookup_srv(&resolver, "_xmpps-client", &self.ascii_domain),
                lookup_srv(&resolver, "_xmpp-client", &self.ascii_domain)
            ),
            None => (None, None),
        };
        let no_records = direct.is_none() && starttls.is_none();
        let found = srv::targets(&self.ascii_domain, direct, starttls, |sum| {
            let random = getrandom::u32().unwrap_or_default();
            sum.checked_add(1).map_or(random, |count| random % count)
        });
        let origin = match (no_records, found.is_empty()) {
            (true, _) => Origin::NoRecords,
            (false, true) => Origin::Denied,
            (false, false) => Origin::Records,
        };
        (found, origin)
    }

    /// Tries one host, with all its addresses.
    pub(crate) async fn try_target(&self, target: &Target) -> Result<Connected, ConnectError> {
        if let Some(proxy) = self.proxy {
            return self.try_through(proxy, target).await;
        }
        let found = crate::names::look_up(&target.host, target.port);
        let addresses = timeout(DNS_TIMEOUT, found)
            .await
            .map_err(|_| passing(target, "the name server does not answer"))?
            .map_err(|_| passing(target, "no such host"))?;
        let mut last = passing(target, "no address");
        for address in addresses {
            let stream = match timeout(TCP_TIMEOUT, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => {
                    last = passing(target, &error.to_string());
                    continue;
                }
                Err(_) => {
                    last = passing(target, "no connection in time");
                    continue;
                }
            };
            match self.open(stream, target).await {
                Ok(connected) => return Ok(connected),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Has the proxy connect to the host, under its name.
    async fn try_through(
        &self,
        proxy: SocketAddr,
        target: &Target,
    ) -> Result<Connected, ConnectError> {
        let unreachable = |why: &str| {
            ConnectError::Passing(format!("the SOCKS5 proxy at {proxy} cannot be used: {why}"))
        };
        let mut stream = timeout(TCP_TIMEOUT, TcpStream::connect(proxy))
            .await
            .map_err(|_| unreachable("no connection in time"))?
            .map_err(|error| unreachable(&error.to_string()))?;
        timeout(
            PROXY_TIMEOUT,
            socks::connect(&mut stream, &target.host, target.port),
        )
        .await
        .map_err(|_| passing(target, "the proxy did not get there in time"))?
        .map_err(|error| passing(target, &error.to_string()))?;
        let mut connected = self.open(stream, target).await?;
        // What was seen is the proxy's address, which says nothing of the server's.
        connected.peer_address = None;
        Ok(connected)
    }

    async fn open(&self, tcp: TcpStream, target: &Target) -> Result<Connected, ConnectError> {
        let opening = self.encrypt(tcp, target.direct_tls);
        let late = |_| passing(target, "no stream in time");
        timeout(STREAM_TIMEOUT, opening).await.map_err(late)?
    }

    async fn encrypt(&self, tcp: TcpStream, direct_tls: bool) -> Result<Connected, ConnectError> {
        let peer_address = tcp.peer_addr().ok();
        // Chat is small and wants to leave at once.
        let _ = tcp.set_nodelay(true);
        let tcp: Buffered = Box::new(BufStream::new(tcp));
        let (tcp, config) = if direct_tls {
            (tcp, &self.direct)
        } else {
            (self.start_tls(tcp).await?, &self.starttls)
        };
        let name = ServerName::try_from(self.ascii_domain.clone()).map_err(|_| {
            ConnectError::Fatal(FatalReason::Settings(format!(
                "{} is no domain",
                self.domain
            )))
        })?;
        let tls = TlsConnector::from(Arc::clone(config))
            .connect(name, tcp)
            .await;
        let tls = tls.map_err(|error| match tls::judge_handshake(&error) {
            HandshakeFailure::NotTrusted(why) => {
                ConnectError::Fatal(FatalReason::CertificateNotTrusted(why))
            }
            HandshakeFailure::Passing(why) => ConnectError::Passing(why),
        })?;
        let channel_binding = export_channel_binding(&tls);
        let (wire, features) =
            wire::open(Box::new(BufStream::new(tls)), &self.domain, None).await?;
        Ok(Connected {
            wire,
            features,
            channel_binding,
            peer_address,
        })
    }

    /// Switches an open connection to TLS (RFC 6120 5.4).
    ///
    /// Nobody is known yet, and anyone on the way can say that the server does not serve us: nothing
    /// that is said in clear ends the attempts for good.
    async fn start_tls(&self, tcp: Buffered) -> Result<Buffered, ConnectError> {
        let asked = self.ask_for_tls(tcp).await;
        asked.map_err(|error| match error {
            ConnectError::Fatal(reason) => {
                ConnectError::Passing(format!("{reason} (said before encryption)"))
            }
            passing @ ConnectError::Passing(_) => passing,
        })
    }

    async fn ask_for_tls(&self, tcp: Buffered) -> Result<Buffered, ConnectError> {
        let (mut wire, features) = wire::open(tcp, &self.domain, None).await?;
        // Anyone on the way can strip the offer.
        if super::xml::child(&features, "starttls", STARTTLS).is_none() {
            return Err(ConnectError::Passing(
                "the server offers no encryption".to_owned(),
            ));
        }
        wire::send(&mut wire, &Xml::in_ns("starttls", STARTTLS).into_text()).await?;
        let answer = wire::next(&mut wire).await?;
        if !answer.is("proceed", STARTTLS) {
            return Err(ConnectError::Passing(
                "the server refused to encrypt".to_owned(),
            ));
        }
        // Elements read ahead in clear are dropped here, so that nobody can put words before the
        // encrypted ones.
        Ok(wire.into_inner().into_inner())
    }
}

fn passing(target: &Target, why: &str) -> ConnectError {
    ConnectError::Passing(format!("{}:{}: {why}", target.host, target.port))
}

fn export_channel_binding(tls: &TlsStream<Buffered>) -> Option<Vec<u8>> {
    let (_, connection) = tls.get_ref();
    if connection.protocol_version() != Some(ProtocolVersion::TLSv1_3) {
        return None;
    }
    // RFC 9266 4.2
    connection
        .export_keying_material(vec![0; 32], b"EXPORTER-Channel-Binding", None)
        .ok()
}

/// Looks the records up; `None` if there are none or nobody answers.
async fn lookup_srv(
    resolver: &TokioResolver,
    service: &str,
    domain: &str,
) -> Option<Vec<SrvRecord>> {
    let name = format!("{service}._tcp.{domain}.");
    let found = timeout(DNS_TIMEOUT, resolver.srv_lookup(name))
        .await
        .ok()?
        .ok()?;
    let records = found.answers().iter().filter_map(|record| {
        let RData::SRV(srv) = &record.data else {
            return None;
        };
        Some(SrvRecord {
            priority: srv.priority,
            weight: srv.weight,
            port: srv.port,
            target: srv.target.to_ascii().trim_end_matches('.').to_owned(),
        })
    });
    let records: Vec<SrvRecord> = records.collect();
    (!records.is_empty()).then_some(records)
}
