//! Host names become addresses: by the operating system, or by name servers that were given, where
//! it knows none. A program without a C library of the system's, as on Android, is such a case.
//!
//! Judges no address and connects to no host.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::OnceLock,
};

use hickory_resolver::{
    TokioResolver,
    config::{NameServerConfig, ResolverConfig},
    net::runtime::TokioRuntimeProvider,
};

/// The port of name servers. RFC 1035 4.2
const PORT: u16 = 53;

/// Name servers to be asked in place of the operating system's, for the whole process.
static GIVEN: OnceLock<Vec<SocketAddr>> = OnceLock::new();

/// Reads `9.9.9.9`, `2620:fe::fe` or, with a port, `127.0.0.1:5353`.
#[must_use]
pub fn read_server(typed: &str) -> Option<SocketAddr> {
    let bare = typed.parse::<IpAddr>().ok();
    let bare = bare.map(|address| SocketAddr::new(address, PORT));
    bare.or_else(|| typed.parse().ok())
}

/// Asks these from now on; the first call counts, and none leaves it to the operating system.
pub fn ask(servers: Vec<SocketAddr>) {
    if !servers.is_empty() {
        // Said once, at the start.
        let _ = GIVEN.set(servers);
    }
}

/// Returns what asks for records; `None` where no name server is known.
#[must_use]
pub fn resolver() -> Option<TokioResolver> {
    match GIVEN.get() {
        Some(servers) => resolver_of(servers),
        None => TokioResolver::builder_tokio().ok()?.build().ok(),
    }
}

fn resolver_of(servers: &[SocketAddr]) -> Option<TokioResolver> {
    let servers = servers.iter().map(|server| {
        let mut config = NameServerConfig::udp_and_tcp(server.ip());
        for connection in &mut config.connections {
            connection.port = server.port();
        }
        config
    });
    let config = ResolverConfig::from_parts(None, Vec::new(), servers.collect());
    let builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    builder.build().ok()
}

/// Returns the addresses of a host, with this port.
///
/// # Errors
///
/// When there are none.
pub async fn look_up(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    match GIVEN.get() {
        Some(servers) => look_up_at(servers, host, port).await,
        // It knows the hosts file and the home's own names.
        None => Ok(tokio::net::lookup_host((host, port)).await?.collect()),
    }
}

async fn look_up_at(servers: &[SocketAddr], host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let resolver = resolver_of(servers).ok_or(io::ErrorKind::AddrNotAvailable)?;
    let found = resolver.lookup_ip(host).await.map_err(io::Error::other)?;
    let found = found.iter().map(|address| SocketAddr::new(address, port));
    Ok(found.collect())
}

#[cfg(test)]
mod tests {
    use std::{net::UdpSocket, thread};

    use super::*;

    /// Answers every question for an IPv4 address with 192.0.2.7, and others with nothing.
    fn name_server() -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        thread::spawn(move || {
            let mut query = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut query) {
                let labels = query[12..length].iter().position(|it| *it == 0).unwrap();
                let question = &query[12..12 + labels + 5];
                let is_v4 = question[labels + 2] == 1;
                // RFC 1035 4.1.1: a response, authoritative
                let mut answer = query[..2].to_vec();
                answer.extend([0x84, 0, 0, 1, 0, u8::from(is_v4), 0, 0, 0, 0]);
                answer.extend_from_slice(question);
                if is_v4 {
                    answer.extend([0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7]);
                }
                socket.send_to(&answer, from).unwrap();
            }
        });
        address
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_given_name_server_is_asked_and_an_address_needs_none() {
        let servers = [name_server()];

        let found = look_up_at(&servers, "upload.home.test", 443).await;
        let bare = look_up_at(&servers, "192.0.2.9", 443).await;

        assert_eq!(found.unwrap(), ["192.0.2.7:443".parse().unwrap()]);
        assert_eq!(bare.unwrap(), ["192.0.2.9:443".parse().unwrap()]);
    }

    #[test]
    fn name_servers_read_with_and_without_a_port() {
        let read = |text| read_server(text).map(|it| it.to_string());

        assert_eq!(read("9.9.9.9").unwrap(), "9.9.9.9:53");
        assert_eq!(read("2620:fe::fe").unwrap(), "[2620:fe::fe]:53");
        assert_eq!(read("127.0.0.1:5353").unwrap(), "127.0.0.1:5353");
        assert_eq!(read("dns.example"), None);
    }
}
