//! Asking a SOCKS5 proxy for a connection (RFC 1928), by the host's name.
//!
//! The name goes to the proxy as it is: this computer asks no name server for it. It knows neither
//! XMPP nor TLS.

use std::io;
use std::net::IpAddr;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

const VERSION: u8 = 5;
const NO_LOGIN: u8 = 0;
const CONNECT: u8 = 1;
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

/// Why the proxy gives no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SocksError {
    /// The connection to the proxy broke.
    #[error("the connection to the proxy broke: {0}")]
    Io(#[from] io::Error),
    /// What answers is no SOCKS5 proxy.
    #[error("what answers there is no SOCKS5 proxy")]
    NotSocks,
    /// The proxy wants a name and a password.
    #[error("the proxy wants a login")]
    WantsLogin,
    /// The proxy tried and says why it could not, or does not want to.
    #[error("the proxy says: {0}")]
    Refused(&'static str),
    /// The host's name is too long for the protocol.
    #[error("the host's name is too long for a proxy")]
    NameTooLong,
}

/// Has the proxy behind `stream` connect to `host`; from then on the stream leads there.
pub(crate) async fn connect(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin + Send),
    host: &str,
    port: u16,
) -> Result<(), SocksError> {
    // RFC 1928 3
    stream.write_all(&[VERSION, 1, NO_LOGIN]).await?;
    let mut chosen = [0; 2];
    stream.read_exact(&mut chosen).await?;
    match chosen {
        [VERSION, NO_LOGIN] => {}
        [VERSION, _] => return Err(SocksError::WantsLogin),
        _ => return Err(SocksError::NotSocks),
    }
    stream.write_all(&request(host, port)?).await?;
    // RFC 1928 6
    let mut head = [0; 4];
    stream.read_exact(&mut head).await?;
    let [version, reply, _, kind] = head;
    if version != VERSION {
        return Err(SocksError::NotSocks);
    }
    if reply != 0 {
        return Err(SocksError::Refused(reason(reply)));
    }
    let address_bytes = match kind {
        IPV4 => 4,
        IPV6 => 16,
        NAME => usize::from(stream.read_u8().await?),
        _ => return Err(SocksError::NotSocks),
    };
    // The proxy's own end of the connection, which nobody needs; and its port.
    let mut bound = [0; 255 + 2];
    let bound = bound
        .get_mut(..address_bytes + 2)
        .ok_or(SocksError::NotSocks)?;
    stream.read_exact(bound).await?;
    Ok(())
}

/// RFC 1928 4
fn request(host: &str, port: u16) -> Result<Vec<u8>, SocksError> {
    let mut request = vec![VERSION, CONNECT, 0];
    match host.parse() {
        Ok(IpAddr::V4(address)) => {
            request.push(IPV4);
            request.extend(address.octets());
        }
        Ok(IpAddr::V6(address)) => {
            request.push(IPV6);
            request.extend(address.octets());
        }
        Err(_) => {
            let length = u8::try_from(host.len()).map_err(|_| SocksError::NameTooLong)?;
            request.extend([NAME, length]);
            request.extend(host.as_bytes());
        }
    }
    request.extend(port.to_be_bytes());
    Ok(request)
}

/// RFC 1928 6
fn reason(reply: u8) -> &'static str {
    match reply {
        2 => "its rules forbid this connection",
        3 => "the network cannot be reached",
        4 => "the host cannot be reached",
        5 => "the host refuses the connection",
        6 => "it took too long",
        7 | 8 => "it cannot do that",
        _ => "it failed",
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;

    /// Lets a proxy that answers this be asked; returns what it was told, too.
    async fn ask(host: &str, answer: &[u8]) -> (Result<(), SocksError>, Vec<u8>, Vec<u8>) {
        let (mut ours, mut proxy) = duplex(2_048);
        proxy.write_all(answer).await.unwrap();
        let outcome = connect(&mut ours, host, 5222).await;
        let mut left = Vec::new();
        proxy.shutdown().await.unwrap();
        ours.read_to_end(&mut left).await.unwrap();
        drop(ours);
        let mut told = Vec::new();
        proxy.read_to_end(&mut told).await.unwrap();
        (outcome, told, left)
    }

    #[tokio::test]
    async fn the_name_goes_to_the_proxy_and_nothing_of_the_stream_is_swallowed() {
        let mut answer = vec![5, 0, 5, 0, 0, 1, 10, 0, 0, 1, 0, 80];
        answer.extend(b"<stream");

        let (outcome, told, left) = ask("home.example", &answer).await;

        outcome.unwrap();
        assert_eq!(
            told,
            b"\x05\x01\x00\x05\x01\x00\x03\x0chome.example\x14\x66"
        );
        assert_eq!(left, b"<stream");
    }

    #[tokio::test]
    async fn answers_with_every_kind_of_address_are_read_whole() {
        for (kind, address) in [
            (IPV4, vec![1; 4]),
            (IPV6, vec![1; 16]),
            (NAME, [vec![3], b"abc".to_vec()].concat()),
            (NAME, vec![0]),
            (NAME, [vec![255], vec![b'a'; 255]].concat()),
        ] {
            let answer = [vec![5, 0, 5, 0, 0, kind], address, vec![0, 80]].concat();

            let (outcome, _, left) = ask("h.example", &answer).await;

            assert!(outcome.is_ok(), "{kind}");
            assert!(left.is_empty(), "{kind}");
        }
    }

    #[tokio::test]
    async fn addresses_are_sent_as_such() {
        let answer = [5, 0, 5, 0, 0, 1, 0, 0, 0, 0, 0, 0];

        let (_, v4, _) = ask("192.0.2.7", &answer).await;
        let (_, v6, _) = ask("2001:db8::7", &answer).await;

        assert_eq!(v4[3..8], [5, 1, 0, IPV4, 192]);
        assert_eq!(v6[3..9], [5, 1, 0, IPV6, 0x20, 0x01]);
    }

    #[tokio::test]
    async fn whatever_else_answers_is_named_and_causes_no_panic() {
        let mut cut_short = 0;
        for (answer, words) in [
            (&b"HTTP/1.1 400 Bad Request"[..], "no SOCKS5 proxy"),
            (&[5, 2][..], "wants a login"),
            (&[5, 255][..], "wants a login"),
            (&[5, 0, 5, 5, 0, 1, 0, 0, 0, 0, 0, 0][..], "refuses"),
            (&[5, 0, 5, 99, 0, 1, 0, 0, 0, 0, 0, 0][..], "it failed"),
            (&[5, 0, 4, 0, 0, 1][..], "no SOCKS5 proxy"),
            (&[5, 0, 5, 0, 0, 9, 0, 0][..], "no SOCKS5 proxy"),
        ] {
            let (outcome, _, _) = ask("h.example", answer).await;
            let said = outcome.unwrap_err().to_string();
            assert!(said.contains(words), "{said}");
        }
        let whole = [5, 0, 5, 0, 0, 3, 2, b'a', b'b', 0, 80];
        for length in 0..whole.len() {
            let (mut ours, mut proxy) = duplex(64);
            proxy.write_all(&whole[..length]).await.unwrap();
            proxy.shutdown().await.unwrap();
            let outcome = connect(&mut ours, "h.example", 1).await;
            cut_short += usize::from(matches!(outcome, Err(SocksError::Io(_))));
        }
        assert_eq!(cut_short, whole.len());
        assert!(ask("h.example", &whole).await.0.is_ok(), "the control");
        let long = "a".repeat(256);
        assert!(matches!(
            ask(&long, &whole).await.0,
            Err(SocksError::NameTooLong)
        ));
    }
}
